/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Makes a small random graph from bytes. Operands fit each other mostly, so that it runs; a hostile graph has
 * attributes and shapes that need not fit. Operators whose result jumps when an input changes a little (rounding,
 * comparing, choosing) are left out: nothing could be said about their results after other roundings. */
#include "make_graph.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "lib/rng.h"
#include "ops/ops.h"

/* What a builder works on: a value and its shape; rank -1: not known. */
typedef struct operand {
    mq_value *v;
    mq_dtype dtype;
    int rank;
    int64_t dims[MQ_MAX_RANK];
} operand;

/* ---- bytes -------------------------------------------------------------------------------------------------------- */

static unsigned byte(made *g)
{
    return g->at < g->end ? *g->at++ : 0;
}

static unsigned pick(made *g, unsigned n)
{
    return byte(g) % n;
}

static bool chance(made *g, unsigned one_in)
{
    return byte(g) % one_in == one_in - 1;
}

static int64_t small_dim(made *g)
{
    static const uint8_t dims[] = { 2, 1, 3, 4, 5, 8, 16, 17, 7, 33, 9, 1 };

    return g->hostile && chance(g, 16) ? 0 : dims[pick(g, MQ_ARRAY_LEN(dims))];
}

/* A number for an attribute: between low and high, or, in a hostile graph, now and then anything. */
static int64_t number(made *g, int64_t low, int64_t high)
{
    static const int64_t hostile[] = { -1, 0, INT64_MIN, INT64_MAX, -3, INT64_C(1) << 40, 9, INT64_MIN + 1 };

    if (g->hostile && chance(g, 8))
        return hostile[pick(g, MQ_ARRAY_LEN(hostile))];
    return low + (int64_t)pick(g, (unsigned)(high - low + 1));
}

/* ---- tensors ------------------------------------------------------------------------------------------------------ */

/* Contents in one of several styles. */
static double content(made *g, unsigned style)
{
    static const double wild[] = { 0,    -0.0,  1,               -1,                1e30,       -1e30,
                                   3e38, 1e-40, (double)INFINITY, -(double)INFINITY, (double)NAN };

    switch (style) {
    case 0:
        return (double)(int64_t)rng_below(&g->random, 5) - 2;
    case 1:
        return 0;
    case 2:
        return 1000 * (double)rng_float(&g->random);
    case 3:
        return g->hostile ? wild[rng_below(&g->random, MQ_ARRAY_LEN(wild))] : 1;
    default:
        return 2 * (double)rng_float(&g->random);
    }
}

static void fill(made *g, mq_array *a, unsigned style)
{
    for (size_t i = 0; i < a->count; i++) {
        const double v = content(g, style);
        const int64_t whole = v > -1e9 && v < 1e9 ? (int64_t)v : 7;

        switch (a->dtype) {
        case MQ_FLOAT:
            ((float *)a->data)[i] = (float)v;
            break;
        case MQ_DOUBLE:
            ((double *)a->data)[i] = v;
            break;
        case MQ_FLOAT16:
            ((uint16_t *)a->data)[i] = mq_f16_from_f32((float)v);
            break;
        case MQ_INT32:
            ((int32_t *)a->data)[i] = (int32_t)whole;
            break;
        default:
            ((int64_t *)a->data)[i] = whole;
        }
    }
}

static _Noreturn void no_memory(void)
{
    fprintf(stderr, "fuzz: out of memory\n");
    exit(2);
}

static mq_value *named(made *g)
{
    char name[16];
    mq_value *v;

    snprintf(name, sizeof name, "v%zu", g->n_names++);
    v = mq_value_create(g->model->graph, name);
    if (!v)
        no_memory();
    return v;
}

/* A value of its own for a list of integers: always an initializer. */
static mq_value *ints(made *g, size_t n, const int64_t *list)
{
    const int64_t dims[] = { (int64_t)n };
    mq_value *v = named(g);
    mq_tensor *t = mq_tensor_create(g->model, v->name, MQ_INT64, 1, dims, list);

    if (!t || mq_value_set_init(v, t, NULL) != MQ_OK)
        no_memory();
    return v;
}

/* A new operand: an initializer, or an input of the graph. Positive: no content below a small positive number
 * (variances). */
static mq_value *fresh(made *g, mq_dtype dtype, int rank, const int64_t *dims, bool constant, bool positive)
{
    mq_value *v = named(g);
    const unsigned style = pick(g, 12);
    mq_array *a = NULL;
    mq_dim known[MQ_MAX_RANK];

    if (mq_array_create(&a, dtype, rank, dims, NULL) != MQ_OK)
        no_memory();
    fill(g, a, style);
    for (size_t i = 0; positive && dtype == MQ_FLOAT && i < a->count; i++)
        ((float *)a->data)[i] = 0.5f + (float)i / 16;
    if (constant || g->n_in == MADE_MAX) {
        mq_tensor *t = NULL;

        if (mq_tensor_of_array(&t, g->model, v->name, a, NULL) != MQ_OK || mq_value_set_init(v, t, NULL) != MQ_OK)
            no_memory();
        mq_array_unref(a);
        return v;
    }
    for (int i = 0; i < rank; i++)
        known[i] = MQ_DIM(dims[i]);
    v->declared = mq_type_create(g->model, MQ_TYPE_TENSOR, dtype, rank, known);
    if (!v->declared || mq_graph_add_input(g->model->graph, v, NULL) != MQ_OK)
        no_memory();
    g->in[g->n_in++] = a;
    return v;
}

static mq_value *weight(made *g, const operand *x, int rank, const int64_t *dims)
{
    return fresh(g, x->dtype, rank, dims, !chance(g, 4), false);
}

/* Larger tensors only go through operators of one operand: a run of them all is short. */
enum { LARGEST = 1 << 15 };

static operand look(mq_value *v)
{
    const mq_type *t = v->type;
    operand x = { .v = v, .dtype = t ? t->dtype : MQ_UNDEFINED, .rank = t && t->rank <= 6 ? t->rank : -1 };
    int64_t count = 1;

    for (int i = 0; i < x.rank; i++) {
        x.dims[i] = t->dims[i].value;
        if (x.dims[i] < 0 || x.dims[i] > 4096 || (count *= x.dims[i]) > LARGEST) {
            x.rank = -1;
            break;
        }
    }
    return x;
}

/* ---- nodes -------------------------------------------------------------------------------------------------------- */

static mq_node *node(made *g, const char *op, size_t n_in, mq_value *const *in)
{
    mq_node *n = mq_node_create(g->model->graph, NULL, "", op, "");

    for (size_t i = 0; n && i < n_in; i++)
        if (mq_node_set_input(n, i, in[i], NULL) != MQ_OK)
            no_memory();
    if (!n || mq_node_set_output(n, 0, named(g), NULL) != MQ_OK)
        no_memory();
    if (g->n_values < MADE_MAX)
        g->values[g->n_values++] = n->outputs[0];
    return n;
}

static void set_int(mq_node *n, const char *name, int64_t v)
{
    if (mq_node_set_attr_int(n, name, v, NULL) != MQ_OK)
        no_memory();
}

static void set_ints(mq_node *n, const char *name, size_t count, const int64_t *v)
{
    if (mq_node_set_attr_ints(n, name, v, count, NULL) != MQ_OK)
        no_memory();
}

static void set_string(mq_node *n, const char *name, const char *v)
{
    if (mq_node_set_attr_string(n, name, v, NULL) != MQ_OK)
        no_memory();
}

static void unary(made *g, const operand *x)
{
    static const char *const ops[] = { "Relu",     "Sigmoid", "Tanh", "Exp",        "Abs",       "Neg",      "Sqrt",
                                       "Erf",      "Gelu",    "Elu",  "LeakyRelu",  "HardSwish", "Softplus", "Identity",
                                       "Softsign", "Mish",    "Selu", "HardSigmoid" };
    mq_node *n = node(g, ops[pick(g, MQ_ARRAY_LEN(ops))], 1, (mq_value *const[]){ x->v });

    if (mq_node_is(n, "", "LeakyRelu") || mq_node_is(n, "", "Elu"))
        if (mq_node_set_attr_float(n, "alpha", (float)number(g, 0, 8) / 8, NULL) != MQ_OK)
            no_memory();
}

static void clip(made *g, const operand *x)
{
    mq_value *low = chance(g, 3) ? NULL : fresh(g, x->dtype, 0, NULL, !chance(g, 4), false);
    mq_value *high = chance(g, 3) ? NULL : fresh(g, x->dtype, 0, NULL, true, false);

    node(g, "Clip", 3, (mq_value *const[]){ x->v, low, high });
}

static void binary(made *g, const operand *x)
{
    static const char *const ops[] = { "Add", "Mul", "Sub", "Div", "Max", "Min", "Sum", "PRelu" };
    const char *op = ops[pick(g, MQ_ARRAY_LEN(ops))];
    int64_t dims[MQ_MAX_RANK];
    const int cut = x->rank > 0 ? (int)pick(g, (unsigned)x->rank + 1) : 0;
    const int rank = x->rank < 0 ? 0 : x->rank - (chance(g, 2) ? cut : 0);
    mq_value *other;

    for (int i = 0; i < rank; i++)
        dims[i] = chance(g, 3) ? 1 : g->hostile && chance(g, 16) ? small_dim(g) : x->dims[x->rank - rank + i];
    other = chance(g, 4) ? g->values[pick(g, (unsigned)g->n_values)] : weight(g, x, rank, dims);
    if (chance(g, 3) && strcmp(op, "PRelu") != 0)
        node(g, op, 2, (mq_value *const[]){ other, x->v });
    else
        node(g, op, 2, (mq_value *const[]){ x->v, other });
}

static void transpose(made *g, const operand *x)
{
    mq_node *n = node(g, "Transpose", 1, (mq_value *const[]){ x->v });
    int64_t perm[MQ_MAX_RANK];

    for (int i = 0; i < x->rank; i++)
        perm[i] = i;
    for (int i = x->rank - 1; i > 0; i--) {
        const int k = (int)pick(g, (unsigned)i + 1);
        const int64_t t = perm[i];

        perm[i] = g->hostile && chance(g, 16) ? number(g, 0, 3) : perm[k];
        perm[k] = t;
    }
    if (x->rank > 0 && !chance(g, 8))
        set_ints(n, "perm", (size_t)x->rank, perm);
}

static void reshape(made *g, const operand *x)
{
    int64_t shape[4] = { -1, 0, 0, 0 };
    size_t n = 1;

    switch (pick(g, 4)) {
    case 0:
        shape[0] = 0;
        shape[1] = -1;
        n = 2;
        break;
    case 1:
        shape[1] = x->rank > 0 ? x->dims[x->rank - 1] : 1;
        n = 2;
        break;
    case 2:
        for (n = 0; n < 4; n++)
            shape[n] = number(g, -1, 4);
        break;
    default:
        break;
    }
    node(g, "Reshape", 2, (mq_value *const[]){ x->v, ints(g, n, shape) });
}

static void squeeze(made *g, const operand *x)
{
    const int64_t axis = number(g, 0, x->rank);
    const bool ones = x->rank > 0 && axis >= 0 && axis < x->rank && x->dims[axis] == 1;

    node(g, ones ? "Squeeze" : "Unsqueeze", 2, (mq_value *const[]){ x->v, ints(g, 1, &axis) });
}

static void slice(made *g, const operand *x)
{
    int64_t from[2], to[2], axes[2], steps[2];
    const size_t n = 1 + pick(g, 2);

    for (size_t i = 0; i < n; i++) {
        const bool back = chance(g, 4);

        axes[i] = x->rank > 1 ? (int64_t)i : 0;
        from[i] = back ? -1 : number(g, 0, 2);
        to[i] = back ? INT64_MIN : number(g, 2, 20);
        steps[i] = number(g, 1, 2);
        if (g->hostile && steps[i] > 1000)
            steps[i] = 3;
        if (back && steps[i] > INT64_MIN)
            steps[i] = -steps[i];
    }
    node(g, "Slice", 5, (mq_value *const[]){ x->v, ints(g, n, from), ints(g, n, to), ints(g, n, axes), ints(g, n, steps) });
}

static void concat(made *g, const operand *x)
{
    const int axis = (int)pick(g, (unsigned)x->rank);
    int64_t dims[MQ_MAX_RANK];
    mq_node *n;

    memcpy(dims, x->dims, sizeof dims);
    dims[axis] = small_dim(g);
    n = node(g, "Concat", 3, (mq_value *const[]){ x->v, weight(g, x, x->rank, dims), x->v });
    set_int(n, "axis", g->hostile ? number(g, 0, x->rank - 1) : axis);
}

static void pad(made *g, const operand *x)
{
    static const char *const modes[] = { "constant", "edge", "reflect", "wrap" };
    int64_t pads[2 * MQ_MAX_RANK];
    mq_node *n;

    for (int i = 0; i < 2 * x->rank; i++)
        pads[i] = chance(g, 2) ? number(g, 0, 2) : g->hostile && chance(g, 4) ? -1 : 0;
    n = node(g, "Pad", 2, (mq_value *const[]){ x->v, ints(g, 2 * (size_t)x->rank, pads) });
    set_string(n, "mode", modes[chance(g, 2) ? 0 : pick(g, 4)]);
}

static void gather(made *g, const operand *x)
{
    const int axis = (int)pick(g, (unsigned)x->rank);
    int64_t at[3];
    mq_node *n;

    for (int i = 0; i < 3; i++)
        at[i] = g->hostile ? number(g, -1, 1) : x->dims[axis] > 1 ? (int64_t)pick(g, 2) : 0;
    n = node(g, "Gather", 2, (mq_value *const[]){ x->v, ints(g, 1 + pick(g, 3), at) });
    set_int(n, "axis", axis);
}

static void expand(made *g, const operand *x)
{
    int64_t shape[MQ_MAX_RANK];

    for (int i = 0; i < x->rank; i++)
        shape[i] = x->dims[i] == 1 ? small_dim(g) : g->hostile ? number(g, 1, 2) : 1;
    node(g, "Expand", 2, (mq_value *const[]){ x->v, ints(g, (size_t)x->rank, shape) });
}

static void reduce(made *g, const operand *x)
{
    static const char *const ops[] = { "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin",      "ReduceL2",
                                       "ReduceL1",   "ReduceProd", "ReduceSumSquare", "ReduceLogSumExp" };
    int64_t axes[MQ_MAX_RANK];
    size_t count = 0;
    mq_node *n;

    for (int i = 0; i < x->rank; i++)
        if (chance(g, 2))
            axes[count++] = g->hostile ? number(g, -x->rank, x->rank - 1) : i;
    n = node(g, ops[pick(g, MQ_ARRAY_LEN(ops))], count ? 2 : 1,
             (mq_value *const[]){ x->v, count ? ints(g, count, axes) : NULL });
    set_int(n, "keepdims", (int64_t)pick(g, 2));
}

static void softmax(made *g, const operand *x)
{
    mq_node *n = node(g, chance(g, 3) ? "LogSoftmax" : "Softmax", 1, (mq_value *const[]){ x->v });

    set_int(n, "axis", number(g, -x->rank, x->rank - 1));
}

static void matmul(made *g, const operand *x)
{
    const int rank = chance(g, 2) || x->rank < 2 ? 2 : x->rank;
    int64_t dims[MQ_MAX_RANK];

    for (int i = 0; i < rank - 2; i++)
        dims[i] = chance(g, 2) ? 1 : x->dims[i];
    dims[rank - 2] = g->hostile && chance(g, 16) ? small_dim(g) : x->dims[x->rank - 1];
    dims[rank - 1] = small_dim(g);
    node(g, "MatMul", 2, (mq_value *const[]){ x->v, weight(g, x, rank, dims) });
}

static void gemm(made *g, const operand *x)
{
    const bool ta = chance(g, 3), tb = chance(g, 2);
    const int64_t k = x->dims[ta ? 0 : 1], out = small_dim(g);
    const int64_t b[2] = { tb ? out : k, tb ? k : out };
    mq_value *w = weight(g, x, 2, b), *bias = chance(g, 2) ? weight(g, x, 1, &out) : NULL;
    mq_node *n = node(g, "Gemm", bias ? 3 : 2, (mq_value *const[]){ x->v, w, bias });

    set_int(n, "transA", ta);
    set_int(n, "transB", tb);
    if (mq_node_set_attr_float(n, "alpha", (float)number(g, 1, 4) / 2, NULL) != MQ_OK ||
        mq_node_set_attr_float(n, "beta", (float)number(g, 0, 4) / 2, NULL) != MQ_OK)
        no_memory();
}

/* strides, dilations and pads of a window over `axes` axes. */
static void set_window(made *g, mq_node *n, size_t axes, bool dilate)
{
    int64_t v[2 * MQ_MAX_RANK] = { 0 };

    for (size_t i = 0; i < axes; i++)
        v[i] = chance(g, 2) ? number(g, 1, 3) : 1;
    set_ints(n, "strides", axes, v);
    for (size_t i = 0; i < axes; i++)
        v[i] = chance(g, 4) ? number(g, 1, 2) : 1;
    if (dilate && chance(g, 2))
        set_ints(n, "dilations", axes, v);
    for (size_t i = 0; i < 2 * axes; i++)
        v[i] = number(g, 0, 1);
    if (chance(g, 4))
        set_string(n, "auto_pad", (const char *const[]){ "SAME_UPPER", "SAME_LOWER", "VALID" }[pick(g, 3)]);
    else
        set_ints(n, "pads", 2 * axes, v);
}

static void conv(made *g, const operand *x)
{
    const bool back = chance(g, 4);
    const int64_t channels = x->dims[1];
    const int64_t group = chance(g, 3) ? channels : channels % 2 == 0 && chance(g, 3) ? 2 : 1;
    const int64_t part = group > 0 ? channels / group : 0, out = 1 + (int64_t)pick(g, back ? 4 : 9);
    int64_t dims[MQ_MAX_RANK], n_out = back || group == 1 ? out : group;
    mq_value *w, *bias;
    mq_node *n;

    dims[0] = back ? channels : n_out;
    dims[1] = back ? n_out : part;
    if (g->hostile && chance(g, 16))
        dims[1] = small_dim(g);
    for (int i = 2; i < x->rank; i++)
        dims[i] = 1 + (int64_t)pick(g, 3);
    n_out = back ? n_out * group : n_out;
    w = weight(g, x, x->rank, dims);
    bias = chance(g, 2) ? weight(g, x, 1, &n_out) : NULL;
    n = node(g, back ? "ConvTranspose" : "Conv", bias ? 3 : 2, (mq_value *const[]){ x->v, w, bias });
    set_window(g, n, (size_t)x->rank - 2, true);
    set_int(n, "group", g->hostile ? number(g, group, group) : group);
}

static void pool(made *g, const operand *x)
{
    const bool max = chance(g, 2);
    int64_t kernel[MQ_MAX_RANK];
    mq_node *n;

    if (chance(g, 4)) {
        node(g, max ? "GlobalMaxPool" : "GlobalAveragePool", 1, (mq_value *const[]){ x->v });
        return;
    }
    n = node(g, max ? "MaxPool" : "AveragePool", 1, (mq_value *const[]){ x->v });
    for (int i = 0; i < x->rank - 2; i++)
        kernel[i] = number(g, 1, 3);
    set_ints(n, "kernel_shape", (size_t)x->rank - 2, kernel);
    set_window(g, n, (size_t)x->rank - 2, true);
    set_int(n, "ceil_mode", (int64_t)pick(g, 2));
    if (!max)
        set_int(n, "count_include_pad", (int64_t)pick(g, 2));
}

static void channel_norm(made *g, const operand *x)
{
    const int64_t channels = x->dims[1];
    mq_value *scale = weight(g, x, 1, &channels), *bias = weight(g, x, 1, &channels);
    mq_node *n;

    switch (pick(g, 3)) {
    case 0:
        node(g, "BatchNormalization", 5,
             (mq_value *const[]){ x->v, scale, bias, weight(g, x, 1, &channels),
                                  fresh(g, x->dtype, 1, &channels, true, true) });
        break;
    case 1:
        node(g, "InstanceNormalization", 3, (mq_value *const[]){ x->v, scale, bias });
        break;
    default:
        n = node(g, "GroupNormalization", 3, (mq_value *const[]){ x->v, scale, bias });
        set_int(n, "num_groups", channels % 2 == 0 && !chance(g, 3) ? 2 : number(g, 1, 1));
    }
}

static void layer_norm(made *g, const operand *x)
{
    const int axis = (int)pick(g, (unsigned)x->rank);
    const bool rms = chance(g, 2), bias = !rms && chance(g, 2);
    mq_value *w = weight(g, x, x->rank - axis, x->dims + axis);
    mq_value *b = bias ? weight(g, x, x->rank - axis, x->dims + axis) : NULL;
    mq_node *n = node(g, rms ? "RMSNormalization" : "LayerNormalization", bias ? 3 : 2, (mq_value *const[]){ x->v, w, b });

    set_int(n, "axis", g->hostile ? number(g, axis, axis) : axis);
}

static void cast(made *g, const operand *x)
{
    set_int(node(g, "Cast", 1, (mq_value *const[]){ x->v }), "to", x->dtype == MQ_FLOAT ? MQ_FLOAT16 : MQ_FLOAT);
}

/* ---- the graph ---------------------------------------------------------------------------------------------------- */

typedef struct builder {
    void (*build)(made *g, const operand *x);
    int min_rank, max_rank;
} builder;

static const builder builders[] = {
    { conv, 3, 5 }, { conv, 4, 4 }, { matmul, 1, 5 }, { binary, -1, 6 },
    { unary, -1, 6 }, { pool, 3, 5 }, { gemm, 2, 2 }, { layer_norm, 1, 5 },
    { channel_norm, 2, 5 }, { reduce, 1, 6 }, { softmax, 1, 6 }, { transpose, 0, 6 },
    { reshape, 0, 5 }, { slice, 1, 6 }, { concat, 1, 6 }, { pad, 1, 5 },
    { gather, 1, 5 }, { squeeze, 0, 5 }, { expand, 1, 5 }, { cast, -1, 6 },
    { clip, -1, 6 }, { unary, -1, 6 }, { binary, -1, 6 },
};

static void first_input(made *g)
{
    static const mq_dtype types[] = { MQ_FLOAT, MQ_FLOAT, MQ_FLOAT, MQ_FLOAT, MQ_FLOAT, MQ_DOUBLE, MQ_FLOAT16, MQ_FLOAT };
    static const uint8_t ranks[] = { 4, 2, 3, 4, 5, 1, 4, 0 };
    const mq_dtype dtype = types[pick(g, MQ_ARRAY_LEN(types))];
    const int rank = ranks[pick(g, MQ_ARRAY_LEN(ranks))];
    int64_t dims[MQ_MAX_RANK];

    for (int i = 0; i < rank; i++)
        dims[i] = i == 0 ? 1 + (int64_t)pick(g, 3) : rank < 5 ? small_dim(g) : 1 + (int64_t)pick(g, 6);
    g->values[g->n_values++] = fresh(g, dtype, rank, dims, false, false);
}

static void infer(made *g)
{
    if (mq_infer_model(g->model, NULL, NULL, NULL) != MQ_OK)
        no_memory();
}

void made_init(made *g, const uint8_t *data, size_t size)
{
    size_t n_nodes;

    *g = (made){ .at = data, .end = data + size };
    if (mq_model_create(&g->model, NULL) != MQ_OK || mq_opset_set(g->model, "", mq_schema_newest_opset(), NULL) != MQ_OK ||
        !(g->model->graph = mq_graph_create(g->model, NULL, NULL, "fuzz")))
        no_memory();
    g->hostile = chance(g, 4);
    n_nodes = 2 + pick(g, 7);
    g->random = byte(g);
    first_input(g);
    for (size_t i = 0; i < n_nodes; i++) {
        const builder *b = &builders[pick(g, MQ_ARRAY_LEN(builders))];
        operand x;

        infer(g);
        x = look(g->values[chance(g, 4) ? pick(g, (unsigned)g->n_values) : g->n_values - 1]);
        if (x.dtype != MQ_FLOAT && x.dtype != MQ_DOUBLE && x.dtype != MQ_FLOAT16)
            continue;
        if (x.rank < b->min_rank || x.rank > b->max_rank)
            unary(g, &x);
        else
            b->build(g, &x);
    }
    infer(g);
    for (size_t i = 0; i < g->n_values; i++)
        if (!g->values[i]->is_input && mq_value_unused(g->values[i]) &&
            mq_graph_add_output(g->model->graph, g->values[i], NULL) != MQ_OK)
            no_memory();
}

void made_release(made *g)
{
    for (size_t i = 0; i < g->n_in; i++)
        mq_array_unref(g->in[i]);
    mq_model_free(g->model);
}
