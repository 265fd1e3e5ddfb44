/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-lookup: what computes each 8-bit integer from one other 8-bit integer alone becomes a table of 256 results.
 *   DequantizeLinear -> Gelu -> QuantizeLinear, QLinearMul by a number, Clip ...  =>  mq::Lookup (ops/lookup.h)
 * All members are element-wise; beside the one tensor they read constants of one element, or of one for each channel
 * (BatchNormalization, Mul by [C, 1, 1]): then there is a table for each channel. Members that others read too stay for
 * those.
 * Numerics: exact, the table is what the reference kernels make of all 256 integers. */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "ops/lookup.h"
#include "passes/pass.h"

#define MOST 24 /* members of a group */
#define MOST_CHANNELS 4096

static const char *const operators[] = {
    "Abs", "Add", "BatchNormalization", "Cast", "Ceil", "Celu", "Clip", "DequantizeLinear", "Div", "Elu", "Erf", "Exp",
    "Floor", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Log", "Max", "Min", "Mish", "Mul", "Neg", "PRelu", "Pow",
    "QuantizeLinear", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Softplus", "Softsign", "Sqrt", "Sub", "Sum",
    "Swish", "Tanh", "ThresholdedRelu",
};
static const char *const contrib[] = { "FastGelu", "Gelu", "QLinearAdd", "QLinearLeakyRelu", "QLinearMul", "QLinearSigmoid",
                                       "QuickGelu" };

typedef struct group {
    mq_value *source;
    mq_node *nodes[MOST]; /* in the order of the graph */
    mq_array *made[MOST];
    size_t n;
    int64_t channels; /* 0: one table */
} group;

static bool is_i8(const mq_value *v)
{
    const mq_dtype type = mq_value_dtype(v);

    return type == MQ_INT8 || type == MQ_UINT8;
}

static bool is_elementwise(const mq_node *n)
{
    if (!mq_node_is_any(n, "", operators, MQ_ARRAY_LEN(operators)) &&
        !mq_node_is_any(n, "com.microsoft", contrib, MQ_ARRAY_LEN(contrib)))
        return false;
    return n->n_outputs == 1 && n->outputs[0] && !mq_node_attr_int(n, "training_mode", 0);
}

/* The channels of an image whose count is known; 0: there are none. */
static int64_t channels_of(const mq_value *source)
{
    const int64_t n = mq_value_rank(source) >= 3 ? mq_value_dim(source, 1).value : 0;

    return n > 0 && n <= MOST_CHANNELS ? n : 0;
}

/* Constant input i of n has an element for each of the source's channels, and is broadcast along them. */
static bool is_by_channel(const mq_node *n, size_t i, const mq_value *source)
{
    const mq_tensor *t = mq_constant_input(n, i);
    const int rank = mq_value_rank(source);
    const int64_t channels = channels_of(source);

    if (!channels || mq_tensor_count(t) != channels)
        return false;
    if (mq_node_is(n, "", "BatchNormalization"))
        return t->n_dims == 1;
    return t->n_dims >= rank - 1 && t->n_dims <= rank && t->dims[t->n_dims - rank + 1] == channels &&
           !mq_node_is(n, "", "DequantizeLinear") && !mq_node_is(n, "", "QuantizeLinear");
}

/* One element, that adds no dims. */
static bool is_single(const mq_node *n, size_t i, const mq_value *source)
{
    const mq_tensor *t = mq_constant_input(n, i);

    return mq_tensor_count(t) == 1 && t->n_dims <= mq_value_rank(source) && !mq_node_is(n, "", "BatchNormalization");
}

/* Which tensor of bytes v depends on, element by element; NULL: on none, or more. Tags are positions from 1. */
static mq_value *source_of(mq_graph *g, mq_value *v, mq_value *const *sources)
{
    const mq_node *p = v->producer;

    if (p && p->graph == g && sources[p->tag] && !v->n_output_uses)
        return sources[p->tag];
    return is_i8(v) && mq_value_rank(v) >= 1 ? v : NULL;
}

static mq_value *source_of_node(const mq_node *n, mq_value *const *sources)
{
    mq_value *source = NULL;

    if (!is_elementwise(n))
        return NULL;
    for (size_t i = 0; i < n->n_inputs; i++) {
        mq_value *v = n->inputs[i], *s;

        if (!v || mq_value_constant(v, false))
            continue;
        if (!(s = source_of(n->graph, v, sources)) || (source && s != source))
            return NULL;
        source = s;
    }
    for (size_t i = 0; i < n->n_inputs && source; i++)
        if (mq_constant_input(n, i) && !is_single(n, i, source) && !is_by_channel(n, i, source))
            return NULL;
    return source && mq_value_rank(n->outputs[0]) == mq_value_rank(source) ? source : NULL;
}

/* ---- one group ----------------------------------------------------------------------------------------------------- */

/* n and what it needs, down to the source; false: too many. */
static bool collect(group *gr, mq_node *n)
{
    size_t at = 0;

    while (at < gr->n && gr->nodes[at]->tag < n->tag)
        at++;
    if (at < gr->n && gr->nodes[at] == n)
        return true;
    if (gr->n == MOST)
        return false;
    memmove(&gr->nodes[at + 1], &gr->nodes[at], (gr->n - at) * sizeof *gr->nodes);
    gr->nodes[at] = n;
    gr->n++;
    for (size_t i = 0; i < n->n_inputs; i++) {
        const mq_value *v = n->inputs[i];

        if (v && v != gr->source && !mq_value_constant(v, false) && !collect(gr, v->producer))
            return false;
    }
    return true;
}

static mq_array *made_of(const group *gr, const mq_value *v)
{
    for (size_t i = 0; i < gr->n; i++)
        if (gr->nodes[i]->outputs[0] == v)
            return mq_array_ref(gr->made[i]);
    return NULL;
}

static mq_status run_member(group *gr, size_t member, mq_array *codes, const mq_pass_ctx *ctx, mq_error *err)
{
    mq_node *n = gr->nodes[member];
    mq_array **in = calloc(n->n_inputs + 1, sizeof *in);
    mq_status rc = in ? MQ_OK : mq_oom(err);

    for (size_t i = 0; i < n->n_inputs && rc == MQ_OK; i++) {
        if (mq_constant_input(n, i))
            rc = mq_array_of_tensor(&in[i], mq_constant_input(n, i), true, err);
        else if (n->inputs[i])
            in[i] = n->inputs[i] == gr->source ? mq_array_ref(codes) : made_of(gr, n->inputs[i]);
    }
    if (rc == MQ_OK)
        rc = ctx->evaluate(ctx->user, n, in, &gr->made[member], err);
    for (size_t i = 0; in && i < n->n_inputs; i++)
        mq_array_unref(in[i]);
    free(in);
    return rc;
}

/* All codes, along the last axis of as many as the source has; for each channel where there are any. */
static mq_status all_codes(const group *gr, mq_array **out, mq_error *err)
{
    int64_t dims[MQ_MAX_RANK];
    const int rank = mq_value_rank(gr->source);
    mq_status rc;

    if (rank > MQ_MAX_RANK)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "rank %d", rank);
    for (int d = 0; d < rank; d++)
        dims[d] = d < rank - 1 ? 1 : MQ_LOOKUP_SIZE;
    if (gr->channels)
        dims[1] = gr->channels;
    if ((rc = mq_array_create(out, mq_value_dtype(gr->source), rank, dims, err)) == MQ_OK)
        for (size_t i = 0; i < (*out)->count; i++)
            ((uint8_t *)(*out)->data)[i] = (uint8_t)(i % MQ_LOOKUP_SIZE);
    return rc;
}

/* The table; *out stays NULL when a member cannot be run. */
static mq_status make_table(group *gr, const mq_pass_ctx *ctx, mq_value **out, mq_error *err)
{
    const mq_node *last = gr->nodes[gr->n - 1];
    const int64_t dims[2] = { gr->channels, MQ_LOOKUP_SIZE };
    const int one = gr->channels == 0;
    mq_error inner = { 0 };
    mq_array *codes = NULL;
    mq_status rc = all_codes(gr, &codes, &inner);

    for (size_t i = 0; i < gr->n && rc == MQ_OK; i++)
        rc = run_member(gr, i, codes, ctx, &inner);
    const mq_array *y = gr->made[gr->n - 1];
    if (rc == MQ_OK && y->count == codes->count && y->dtype == mq_value_dtype(last->outputs[0]))
        rc = mq_constant_of(last->graph, last->outputs[0]->name, y->dtype, 2 - one, dims + one, y->data, out, err);
    else if (rc == MQ_ERR_NOMEM)
        mq_oom(err);
    else
        rc = MQ_OK;
    for (size_t i = 0; i < gr->n; i++)
        mq_array_unref(gr->made[i]);
    mq_array_unref(codes);
    return rc;
}

static mq_status fuse(mq_node *n, mq_value *source, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    group gr = { .source = source };
    mq_value *in[2] = { source, NULL }, *v = n->outputs[0];
    mq_node *made;
    mq_status rc = MQ_OK;

    if (!collect(&gr, n))
        return MQ_OK;
    for (size_t i = 0; i < gr.n; i++)
        for (size_t k = 0; k < gr.nodes[i]->n_inputs; k++)
            if (mq_constant_input(gr.nodes[i], k) && !is_single(gr.nodes[i], k, source))
                gr.channels = channels_of(source);
    MQ_TRY(make_table(&gr, ctx, &in[1], err));
    if (!in[1])
        return MQ_OK;
    MQ_TRY(mq_pass_insert(n, MQ_LOOKUP_DOMAIN, MQ_LOOKUP_OP, NULL, in, 2, &made, err));
    made->tag = n->tag;
    MQ_TRY(mq_pass_take_over(made, n, err));
    mq_pass_keep_type(v);
    ++*n_changed;
done:
    return rc;
}

/* ---- the pass ------------------------------------------------------------------------------------------------------ */

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_node **nodes = mq_pass_positions(g);
    mq_value **sources = malloc((g->n_nodes + 1) * sizeof *sources);
    mq_status rc = nodes && sources ? MQ_OK : mq_oom(err);
    size_t n = ctx->evaluate ? g->n_nodes : 0;

    for (size_t i = 1; i <= n && rc == MQ_OK; i++)
        sources[i] = source_of_node(nodes[i], sources);
    for (; n > 0 && rc == MQ_OK; n--) /* the last ones first: what only they need goes with them */
        if (nodes[n]->graph && sources[n] && is_i8(nodes[n]->outputs[0]) && !mq_value_unused(nodes[n]->outputs[0]))
            rc = fuse(nodes[n], sources[n], ctx, n_changed, err);
    free(sources);
    free(nodes);
    return rc;
}

const mq_pass mq_pass_fuse_lookup = {
    .name = "fuse-lookup", .summary = "make tables of what depends on one 8-bit integer alone", .run = run
};
