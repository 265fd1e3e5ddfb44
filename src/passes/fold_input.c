/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fold-input: what multiplies and moves each channel of an input by constants goes into the weights behind it.
 *   BatchNormalization, or Mul, Div, Add, Sub of a number or of a constant per channel -> Conv, Gemm or MatMul of
 * matrices
 *       =>  the product alone, with other weights (MatMul that needs a bias becomes Gemm)
 * The product of weights w with x * f + d is that of w * f with x, and w * d more in the bias; computed in double.
 * Skipped when the arithmetic has another reader or is an output; when weights, bias or statistics are not float
 * constants or have other readers (the file would grow); when the constant does not lie along the channels; when
 * something is added and the convolution pads (the padding would have to be -d / f); and for Gemm of a transposed
 * input. Numerics: exact in real arithmetic; the weights are rounded to float once more. */
#include <stdlib.h>

#include "passes/channel.h"

/* A product whose weights know the channels of its input. */
typedef struct consumer {
    mq_node *node;
    mq_tensor *w;
    int64_t channels, outputs;
    /* Element e of the weights is of output (e / per_output) % outputs, of channel (e / inner) % in_group of its group. */
    int64_t inner, in_group, per_output, out_group;
    bool gemm, matmul, pads;
} consumer;

/* Does the convolution see zeros around the image? */
static bool has_padding(const mq_node *n)
{
    size_t count;
    const int64_t *pads = mq_node_attr_ints(n, "pads", &count);

    if (mq_node_attr(n, "auto_pad") && !mq_node_attr_is(n, "auto_pad", "NOTSET"))
        return !mq_node_attr_is(n, "auto_pad", "VALID");
    for (size_t i = 0; i < count; i++)
        if (pads[i])
            return true;
    return false;
}

static bool read_gemm(mq_node *n, consumer *c)
{
    const bool turned = mq_node_attr_int(n, "transB", 0) != 0;

    if (c->w->n_dims != 2 || mq_node_attr_int(n, "transA", 0) || mq_value_rank(n->inputs[0]) != 2)
        return false;
    c->matmul = mq_node_is(n, "", "MatMul");
    c->gemm = true;
    c->channels = c->in_group = c->w->dims[turned ? 1 : 0];
    c->outputs = c->out_group = c->w->dims[turned ? 0 : 1];
    c->inner = turned ? 1 : c->outputs;
    c->per_output = turned ? c->channels : 1;
    return true;
}

static bool read_conv(mq_node *n, consumer *c)
{
    const int64_t groups = mq_node_attr_int(n, "group", 1);

    if (c->w->n_dims < 3 || groups < 1 || c->w->dims[0] % groups ||
        __builtin_mul_overflow(c->w->dims[1], groups, &c->channels))
        return false;
    c->in_group = c->w->dims[1];
    c->outputs = c->w->dims[0];
    c->out_group = c->outputs / groups;
    c->inner = mq_tensor_count(c->w) / c->w->dims[0] / c->w->dims[1];
    c->per_output = c->in_group * c->inner;
    c->pads = has_padding(n);
    return true;
}

static bool only_here(const mq_value *v)
{
    return v && v->uses.n == 1 && !v->n_output_uses;
}

static bool read_consumer(mq_node *n, consumer *c)
{
    const mq_tensor *b = mq_constant_input(n, 2);

    *c = (consumer){ .node = n, .w = mq_constant_input(n, 1) };
    if (!c->w || c->w->dtype != MQ_FLOAT || mq_tensor_count(c->w) <= 0 || !only_here(n->inputs[1]))
        return false;
    if (!(mq_node_is(n, "", "Conv") ? read_conv(n, c) : read_gemm(n, c)))
        return false;
    if (n->n_inputs < 3 || !n->inputs[2])
        return true;
    return b && b->dtype == MQ_FLOAT && (mq_tensor_count(b) == c->outputs || (c->gemm && mq_tensor_count(b) == 1)) &&
           (b->n_dims == 0 || b->dims[b->n_dims - 1] == mq_tensor_count(b)) && only_here(n->inputs[2]);
}

/* ---- what stands before --------------------------------------------------------------------------------------------
 * */

/* The node before c's that can go into the weights; factors and offsets per channel in the arena. */
static mq_node *node_before(const consumer *c, mq_value **x, double *factor, double *offset)
{
    mq_value *y = c->node->inputs[0];
    mq_node *n = mq_only_reader(y) == c->node ? y->producer : NULL;

    if (!n || n->graph != c->node->graph || n->n_inputs < 2)
        return NULL;
    for (size_t i = 0; i < 2; i++) {
        *x = n->inputs[i];
        if (*x && mq_value_rank(*x) >= 2 && mq_dim_equal(mq_value_dim(*x, 1), MQ_DIM(c->channels)) &&
            !mq_value_constant(*x, false) && mq_channel_read(n, *x, c->channels, factor, offset))
            return n;
    }
    return NULL;
}

static bool any_offset(const consumer *c, const double *offset)
{
    for (int64_t i = 0; i < c->channels; i++)
        if (offset[i] != 0)
            return true;
    return false;
}

/* ---- rewriting -----------------------------------------------------------------------------------------------------
 * */

/* Weights times factors in *out, and what the offsets add to each output in sums. */
static mq_status change_weights(const consumer *c, const double *factor, const double *offset, double *sums, mq_value **out,
                                mq_error *err)
{
    const int64_t count = mq_tensor_count(c->w);
    float *w = malloc((size_t)count * sizeof *w);
    mq_status rc;

    if (!w)
        return mq_oom(err);
    if ((rc = mq_tensor_read_f32(c->w, 0, (uint64_t)count, w, err)) != MQ_OK) {
        free(w);
        return rc;
    }
    for (int64_t e = 0; e < count; e++) {
        const int64_t o = e / c->per_output % c->outputs;
        const int64_t i = e / c->inner % c->in_group + o / c->out_group * c->in_group;

        sums[o] += (double)w[e] * offset[i];
        w[e] = (float)((double)w[e] * factor[i]);
    }
    return mq_constant_of_heap(c->node->graph, c->node->inputs[1]->name, MQ_FLOAT, c->w->n_dims, c->w->dims, w, out, err);
}

/* The bias with `sums` added; the product's own factors are in it then. */
static mq_status change_bias(const consumer *c, const double *sums, mq_value **out, mq_error *err)
{
    const double alpha = c->gemm ? (double)mq_node_attr_float(c->node, "alpha", 1) : 1;
    const double beta = c->gemm ? (double)mq_node_attr_float(c->node, "beta", 1) : 1;
    const int64_t count = mq_constant_input(c->node, 2) ? mq_tensor_count(mq_constant_input(c->node, 2)) : 0;
    const float *old = count ? mq_constant_floats(c->node->inputs[2], count) : NULL;
    float *b = mq_arena_calloc(c->node->graph->model->arena, (size_t)c->outputs, sizeof *b);

    if (!b || (count && !old))
        return mq_oom(err);
    for (int64_t o = 0; o < c->outputs; o++)
        b[o] = (float)(alpha * sums[o] + (old ? beta * (double)old[count == 1 ? 0 : o] : 0));
    return mq_constant_of(c->node->graph, c->node->inputs[count ? 2 : 1]->name, MQ_FLOAT, 1, &c->outputs, b, out, err);
}

static mq_status rewrite(const consumer *c, mq_node *before, mq_value *x, const double *factor, const double *offset,
                         mq_error *err)
{
    mq_node *n = c->node, *made;
    mq_value *in[3] = { x, NULL, n->n_inputs > 2 ? n->inputs[2] : NULL };
    double *sums = mq_arena_calloc(n->graph->model->arena, (size_t)c->outputs, sizeof *sums);
    const bool adds = any_offset(c, offset);
    mq_status rc = MQ_OK;

    if (!sums)
        return mq_oom(err);
    MQ_TRY(change_weights(c, factor, offset, sums, &in[1], err));
    if (adds)
        MQ_TRY(change_bias(c, sums, &in[2], err));
    MQ_TRY(mq_pass_insert(n, "", c->matmul && adds ? "Gemm" : n->op_type, n, in, 3, &made, err));
    if (c->gemm && adds)
        mq_node_remove_attr(made, "beta");
    MQ_TRY(mq_pass_take_over(made, n, err)); /* `before` goes, too */
    mq_channel_drop_constants(n);
    mq_channel_drop_constants(before);
    MQ_TRY(mq_constant_take_name(in[1], n->inputs[1], err));
    if (adds && n->n_inputs > 2)
        MQ_TRY(mq_constant_take_name(in[2], n->inputs[2], err));
done:
    return rc;
}

static mq_status fold(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_arena *arena = n->graph->model->arena;
    double *factor, *offset;
    mq_node *before;
    mq_status rc;
    mq_value *x;
    consumer c;

    if (!read_consumer(n, &c))
        return MQ_OK;
    factor = mq_arena_calloc(arena, (size_t)c.channels, sizeof *factor);
    offset = mq_arena_calloc(arena, (size_t)c.channels, sizeof *offset);
    if (!factor || !offset)
        return mq_oom(err);
    if (!(before = node_before(&c, &x, factor, offset)) || (c.pads && any_offset(&c, offset)))
        return MQ_OK;
    if ((rc = rewrite(&c, before, x, factor, offset, err)) == MQ_OK)
        ++*n_changed;
    return rc;
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_value *y = n->n_outputs ? n->outputs[0] : NULL;
    mq_status rc = MQ_OK;
    size_t before;

    do { /* again: another one may stand before */
        before = *n_changed;
        if (y && n->n_inputs > 1 && n->inputs[0] &&
            (mq_node_is(n, "", "Conv") || mq_node_is(n, "", "Gemm") || mq_node_is(n, "", "MatMul")))
            rc = fold(n, n_changed, err);
        n = y ? y->producer : NULL;
    } while (rc == MQ_OK && *n_changed != before);
    return rc;
}

const mq_pass mq_pass_fold_input = {
    .name = "fold-input",
    .summary = "merge BatchNormalization and arithmetic per channel into the weights behind",
    .node = visit,
};
