/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fold-batchnorm: what multiplies and moves each channel by constants goes into the weights before it.
 *   Conv, ConvTranspose or Gemm -> BatchNormalization, or Mul, Div, Add, Sub of a constant per channel  =>  the same,
 *       rescaled
 * y = (w * x + b) * f + d per output channel, so w becomes w * f and b becomes b * f + d; computed in double.
 * Skipped when the product has another reader or is an output, when weights, bias or statistics are not float
 * constants, in training mode, and when the constant does not lie along the channels.
 * Numerics: exact in real arithmetic; the weights are rounded to float once more. */
#include <stdlib.h>
#include <string.h>

#include "passes/channel.h"

/* A product whose output channels can be rescaled. */
typedef struct product {
    mq_node *node;
    int64_t channels;
    /* Element e of the weights is of channel (e / inner) % rows, of group e / (inner * rows) / per_group. */
    int64_t rows, inner, per_group;
    bool gemm;
} product;

static bool read_product(mq_node *n, product *p)
{
    const bool transpose = mq_node_is(n, "", "ConvTranspose");
    const mq_tensor *w = mq_constant_input(n, 1);
    int64_t groups;

    *p = (product){ .node = n, .gemm = mq_node_is(n, "", "Gemm") };
    if ((!transpose && !p->gemm && !mq_node_is(n, "", "Conv")) || !w || w->dtype != MQ_FLOAT || mq_tensor_count(w) <= 0 ||
        w->n_dims < 2)
        return false;
    groups = transpose ? mq_node_attr_int(n, "group", 1) : 1;
    if (p->gemm ? w->n_dims != 2 : groups < 1 || w->dims[0] % groups != 0)
        return false;
    p->rows = p->gemm ? w->dims[mq_node_attr_int(n, "transB", 0) ? 0 : 1] : w->dims[transpose ? 1 : 0];
    if (p->gemm)
        p->inner = mq_node_attr_int(n, "transB", 0) ? w->dims[1] : 1;
    else
        p->inner = mq_tensor_count(w) / w->dims[0] / (transpose ? w->dims[1] : 1);
    p->per_group = transpose ? w->dims[0] / groups : INT64_MAX;
    p->channels = p->rows * groups;
    return true;
}

/* Its bias as one number per channel, in the arena; false: it is none. */
static bool read_bias(const product *p, double *bias)
{
    const mq_node *n = p->node;
    const double beta = p->gemm ? (double)mq_node_attr_float(n, "beta", 1) : 1;
    const mq_tensor *t;
    const float *b;
    int64_t count;

    if (n->n_inputs < 3 || !n->inputs[2])
        return true;
    if (!(t = mq_constant_input(n, 2)))
        return false;
    count = mq_tensor_count(t);
    if ((count != p->channels && !(p->gemm && count == 1)) || (t->n_dims > 0 && t->dims[t->n_dims - 1] != count) ||
        !(b = mq_constant_floats(n->inputs[2], count)))
        return false;
    for (int64_t c = 0; c < p->channels; c++)
        bias[c] = beta * (double)b[count == 1 ? 0 : c];
    return true;
}

/* ---- rewriting ----------------------------------------------------------------------------------------------------- */

static bool only_ones(const double *factor, int64_t n)
{
    for (int64_t c = 0; c < n; c++)
        if (factor[c] != 1)
            return false;
    return true;
}

static mq_status scale_weights(const product *p, const double *factor, mq_value **out, mq_error *err)
{
    mq_tensor *t = mq_constant_input(p->node, 1);
    const int64_t count = mq_tensor_count(t);
    mq_status rc;
    float *w;

    *out = p->node->inputs[1];
    if (only_ones(factor, p->channels))
        return MQ_OK;
    if (!(w = malloc((size_t)count * sizeof *w)))
        return mq_oom(err);
    if ((rc = mq_tensor_read_f32(t, 0, (uint64_t)count, w, err)) != MQ_OK) {
        free(w);
        return rc;
    }
    for (int64_t e = 0; e < count; e += p->inner) {
        const int64_t row = e / p->inner, group = row / p->rows / p->per_group;
        const double f = factor[group * p->rows + row % p->rows];

        for (int64_t i = e; i < e + p->inner; i++)
            w[i] = (float)((double)w[i] * f);
    }
    return mq_constant_of_heap(p->node->graph, p->node->inputs[1]->name, MQ_FLOAT, t->n_dims, t->dims, w, out, err);
}

static mq_status rewrite(const product *p, mq_node *last, const double *factor, const double *bias, mq_error *err)
{
    mq_graph *g = last->graph;
    mq_value *in[3] = { p->node->inputs[0] };
    float *b = mq_arena_calloc(g->model->arena, (size_t)p->channels + 1, sizeof *b);
    mq_status rc = MQ_OK;
    mq_node *made;

    if (!b)
        return mq_oom(err);
    for (int64_t c = 0; c < p->channels; c++)
        b[c] = (float)bias[c];
    MQ_TRY(scale_weights(p, factor, &in[1], err));
    MQ_TRY(mq_constant_of(g, last->outputs[0]->name, MQ_FLOAT, 1, &p->channels, b, &in[2], err));
    MQ_TRY(mq_pass_insert(last, "", p->node->op_type, p->node, in, 3, &made, err));
    if (p->gemm)
        mq_node_remove_attr(made, "beta");
    MQ_TRY(mq_pass_take_over(made, last, err));
    mq_channel_drop_constants(last);
    mq_channel_drop_constants(p->node);
    MQ_TRY(mq_constant_take_name(in[1], p->node->inputs[1], err));
    if (p->node->n_inputs > 2)
        MQ_TRY(mq_constant_take_name(in[2], p->node->inputs[2], err));
done:
    return rc;
}

mq_status mq_channel_fold(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_arena *arena = n->graph->model->arena;
    double *bias, *factor, *offset;
    mq_status rc = MQ_OK;
    mq_node *last;
    product p;

    if (n->n_outputs < 1 || n->n_inputs < 2 || !n->outputs[0])
        return MQ_OK;
    last = mq_only_reader(n->outputs[0]);
    if (!last || last->graph != n->graph || last->n_outputs < 1 || !last->outputs[0] || !last->inputs[0] ||
        !read_product(n, &p))
        return MQ_OK;
    bias = mq_arena_calloc(arena, (size_t)p.channels, sizeof *bias);
    factor = mq_arena_calloc(arena, (size_t)p.channels, sizeof *factor);
    offset = mq_arena_calloc(arena, (size_t)p.channels, sizeof *offset);
    if (!bias || !factor || !offset)
        return mq_oom(err);
    if (!read_bias(&p, bias))
        return MQ_OK;
    if (!mq_channel_read(last, n->outputs[0], p.channels, factor, offset))
        return MQ_OK;
    for (int64_t c = 0; c < p.channels; c++)
        bias[c] = bias[c] * factor[c] + offset[c];
    if ((rc = rewrite(&p, last, factor, bias, err)) == MQ_OK)
        ++*n_changed;
    return rc;
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    size_t before;
    mq_status rc;

    do { /* again: another one may follow */
        mq_node *last = n->n_outputs ? mq_only_reader(n->outputs[0]) : NULL;
        mq_value *y = last && last->n_outputs ? last->outputs[0] : NULL;

        before = *n_changed;
        rc = mq_channel_fold(n, n_changed, err);
        if (*n_changed != before)
            n = y->producer;
    } while (rc == MQ_OK && *n_changed != before);
    return rc;
}

const mq_pass mq_pass_fold_batchnorm = {
    .name = "fold-batchnorm",
    .summary = "merge BatchNormalization and arithmetic per channel into the weights before",
    .node = visit,
};
