/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-groupnorm: normalization by groups of channels that is written out becomes one operator, from opset 21 on.
 *   Reshape to [N, G, ...] -> InstanceNormalization -> Reshape to x's shape [-> Mul of a scale [-> Add of a bias]]
 *       =>  GroupNormalization
 * Scale and bias are constants of one number per channel, or one for all. Those of InstanceNormalization belong to a group;
 * they go into the others: s * (g * x + h) + b = (s * g) * x + (s * h + b).
 * Skipped when a value between has another reader or is an output, when batch, channels or groups are not known to agree,
 * and for other types than float. Opset 18 had one scale per group, which is another operator.
 * ONNX Runtime 1.31 computes GroupNormalization by the operators that define it, more slowly than those found here: so no
 * level has this pass.
 * Numerics: the same sums in another order; scales are rounded once more. */
#include <stdlib.h>

#include "passes/pass.h"

#define GROUPNORM_SINCE 21

typedef struct groups {
    mq_value *x;
    const mq_node *norm; /* InstanceNormalization */
    mq_node *last;       /* whose output is replaced */
    mq_node *behind[2];  /* that multiply by the scale and add the bias */
    mq_value *scale, *bias;
    int64_t n, channels;
} groups;

static bool is_known(mq_dim d, int64_t *size)
{
    *size = d.value;
    return mq_dim_known(d) && d.value > 0;
}

/* One number per channel of x, or one for all: [C, 1, 1], with 1 before. */
static bool is_per_channel(const mq_value *v, const groups *t)
{
    const mq_tensor *c = v ? mq_value_constant(v, false) : NULL;
    const int rank = mq_value_rank(t->x);
    int64_t count;

    if (!c || c->dtype != MQ_FLOAT || c->n_dims > rank)
        return false;
    count = mq_tensor_count(c);
    if (count == 1)
        return true;
    return count == t->channels && c->n_dims >= rank - 1 && c->dims[c->n_dims - (rank - 1)] == t->channels;
}

/* The constant that the only reader of the last node multiplies by (adds); the last node is that reader then. */
static mq_value *channels_behind(groups *t, const char *op)
{
    const mq_value *y = t->last->outputs[0];
    mq_node *n = mq_only_reader(y);
    mq_value *v;

    if (!n || n->graph != t->last->graph || !mq_node_is(n, "", op) || n->n_inputs != 2 || n->n_outputs != 1 ||
        !n->outputs[0])
        return NULL;
    v = n->inputs[n->inputs[0] == y ? 1 : 0];
    if (!is_per_channel(v, t) || !mq_same_shape(n->outputs[0], t->x))
        return NULL;
    t->behind[t->behind[0] ? 1 : 0] = t->last = n;
    return v;
}

/* Does the group of x that Reshape makes consist of channels of one sample? */
static bool cuts_channels(const mq_value *x, const mq_value *cut, groups *t)
{
    return mq_value_rank(x) >= 3 && mq_value_rank(cut) >= 3 && mq_dim_equal(mq_value_dim(x, 0), mq_value_dim(cut, 0)) &&
           is_known(mq_value_dim(x, 1), &t->channels) && is_known(mq_value_dim(cut, 1), &t->n) && t->channels % t->n == 0;
}

/* A number per group. */
static bool is_per_group(const mq_node *norm, size_t input, int64_t n)
{
    const mq_tensor *c = mq_constant_input(norm, input);

    return c && c->dtype == MQ_FLOAT && mq_tensor_count(c) == n;
}

/* From the Reshape at the end. */
static bool read_groups(mq_node *n, groups *t)
{
    const mq_node *norm, *cut;

    *t = (groups){ .last = n };
    if (!mq_node_is(n, "", "Reshape") || n->n_inputs != 2 || n->n_outputs != 1 || !n->outputs[0] ||
        mq_value_dtype(n->outputs[0]) != MQ_FLOAT)
        return false;
    norm = mq_pass_only_producer(n->inputs[0], "InstanceNormalization");
    cut = norm && norm->n_inputs == 3 ? mq_pass_only_producer(norm->inputs[0], "Reshape") : NULL;
    if (!cut || !cuts_channels(cut->inputs[0], norm->inputs[0], t) || !mq_same_shape(cut->inputs[0], n->outputs[0]) ||
        !is_per_group(norm, 1, t->n) || !is_per_group(norm, 2, t->n))
        return false;
    t->norm = norm;
    t->x = cut->inputs[0];
    t->scale = channels_behind(t, "Mul");
    t->bias = channels_behind(t, "Add");
    return true;
}

/* Element i of a constant of one or of count numbers; NULL: `absent`. */
static double at(const float *v, bool single, int64_t i, double absent)
{
    return v ? (double)v[single ? 0 : i] : absent;
}

/* What the operator takes: out[0] scales, out[1] biases. */
static mq_status make_constants(const groups *t, mq_value *out[2], mq_error *err)
{
    const bool one_scale = t->scale && mq_tensor_count(mq_value_constant(t->scale, false)) == 1;
    const bool one_bias = t->bias && mq_tensor_count(mq_value_constant(t->bias, false)) == 1;
    const float *g = mq_constant_floats(t->norm->inputs[1], t->n), *h = mq_constant_floats(t->norm->inputs[2], t->n);
    const float *s = t->scale ? mq_constant_floats(t->scale, one_scale ? 1 : t->channels) : NULL;
    const float *b = t->bias ? mq_constant_floats(t->bias, one_bias ? 1 : t->channels) : NULL;
    float *made[2] = { malloc((size_t)t->channels * sizeof **made), malloc((size_t)t->channels * sizeof **made) };
    mq_status rc = MQ_OK;

    if (!g || !h || (t->scale && !s) || (t->bias && !b) || !made[0] || !made[1]) {
        free(made[0]);
        free(made[1]);
        return mq_oom(err);
    }
    for (int64_t c = 0; c < t->channels; c++) {
        const int64_t group = c / (t->channels / t->n);
        const double scale = at(s, one_scale, c, 1);

        made[0][c] = (float)(scale * (double)g[group]);
        made[1][c] = (float)(scale * (double)h[group] + at(b, one_bias, c, 0));
    }
    for (size_t i = 0; i < 2; i++) {
        if (rc == MQ_OK)
            rc = mq_constant_of_heap(t->norm->graph, i ? "bias" : "scale", MQ_FLOAT, 1, &t->channels, made[i], &out[i], err);
        else
            free(made[i]);
    }
    return rc;
}

static mq_status fuse(groups *t, size_t *n_changed, mq_error *err)
{
    mq_value *in[3] = { t->x };
    mq_status rc = MQ_OK;
    mq_node *made;

    MQ_TRY(make_constants(t, in + 1, err));
    MQ_TRY(mq_pass_insert(t->last, "", "GroupNormalization", NULL, in, 3, &made, err));
    MQ_TRY(mq_node_set_attr_int(made, "num_groups", t->n, err));
    MQ_TRY(mq_node_set_attr_float(made, "epsilon", mq_node_attr_float(t->norm, "epsilon", 1e-5f), err));
    MQ_TRY(mq_pass_take_over(made, t->last, err));
    ++*n_changed;
done:
    return rc;
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    groups t;

    return mq_opset_of(n->graph, "") >= GROUPNORM_SINCE && read_groups(n, &t) ? fuse(&t, n_changed, err) : MQ_OK;
}

const mq_pass mq_pass_fuse_groupnorm = {
    .name = "fuse-groupnorm",
    .summary = "make one operator of normalization by groups of channels (opset 21)",
    .node = visit,
};
