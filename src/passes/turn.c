/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators on turned tensors: which can be, and with which attributes and constants. Softmax along the last axis
 * stays there, because runtimes turn the tensor themselves for any other. */
#include "passes/turn.h"

#include <stdlib.h>
#include <string.h>

#define AXES_ARE_INPUTS 18      /* opset: of Reduce* */
#define SUM_AXES_ARE_INPUTS 13  /* of ReduceSum */
#define PADS_ARE_INPUTS 11
#define SLICE_WITH_INPUTS 10
#define SOFTMAX_ALONG_AXIS 13   /* along all axes from there on before */
#define MAX_CONSTANT (1 << 22)  /* elements of a constant that is turned */
#define MAX_SHARED 4096         /* of one that others read too: it will be there twice */

typedef enum kind {
    EACH,    /* element by element, inputs spread to the largest */
    ONE,     /* element by element, input 0 alone is a tensor; constants with it are single numbers, or lie along `axis` */
    AXIS,    /* along the attribute `axis` */
    SOFTMAX, /* the same, best along the last axis */
    AXES,    /* along the axes of an attribute or of input 1 */
    PAD,
    SLICE,
    TILE,
} kind;

typedef struct row {
    const char *op;
    kind kind;
    int64_t axis; /* when absent */
} row;

static const row rows[] = {
    { "Abs", EACH, 0 }, { "Add", EACH, 0 }, { "And", EACH, 0 }, { "ArgMax", AXIS, 0 }, { "ArgMin", AXIS, 0 },
    { "Cast", EACH, 0 }, { "Ceil", EACH, 0 }, { "Clip", EACH, 0 }, { "Concat", AXIS, 0 }, { "Cos", EACH, 0 },
    { "DequantizeLinear", ONE, 1 }, { "Div", EACH, 0 }, { "Elu", EACH, 0 }, { "Equal", EACH, 0 }, { "Erf", EACH, 0 },
    { "Exp", EACH, 0 }, { "Floor", EACH, 0 }, { "Gather", AXIS, 0 }, { "Gelu", EACH, 0 }, { "Greater", EACH, 0 },
    { "GreaterOrEqual", EACH, 0 }, { "HardSigmoid", EACH, 0 }, { "HardSwish", EACH, 0 }, { "Identity", EACH, 0 },
    { "IsInf", EACH, 0 }, { "IsNaN", EACH, 0 }, { "LeakyRelu", EACH, 0 }, { "Less", EACH, 0 }, { "LessOrEqual", EACH, 0 },
    { "Log", EACH, 0 }, { "LogSoftmax", SOFTMAX, -1 }, { "LpNormalization", AXIS, -1 }, { "Max", EACH, 0 },
    { "Mean", EACH, 0 }, { "Min", EACH, 0 }, { "Mish", EACH, 0 }, { "Mul", EACH, 0 }, { "Neg", EACH, 0 },
    { "Not", EACH, 0 }, { "Or", EACH, 0 }, { "PRelu", EACH, 0 }, { "Pad", PAD, 0 }, { "Pow", EACH, 0 },
    { "QuantizeLinear", ONE, 1 }, { "Reciprocal", EACH, 0 }, { "ReduceL1", AXES, 0 }, { "ReduceL2", AXES, 0 },
    { "ReduceMax", AXES, 0 }, { "ReduceMean", AXES, 0 }, { "ReduceMin", AXES, 0 }, { "ReduceProd", AXES, 0 },
    { "ReduceSum", AXES, 0 }, { "ReduceSumSquare", AXES, 0 }, { "Relu", EACH, 0 }, { "Round", EACH, 0 },
    { "Selu", EACH, 0 }, { "Sigmoid", EACH, 0 }, { "Sign", EACH, 0 }, { "Sin", EACH, 0 }, { "Slice", SLICE, 0 },
    { "Softmax", SOFTMAX, -1 }, { "Softplus", EACH, 0 }, { "Softsign", EACH, 0 }, { "Split", AXIS, 0 },
    { "Sqrt", EACH, 0 }, { "Sub", EACH, 0 }, { "Sum", EACH, 0 }, { "Tanh", EACH, 0 }, { "ThresholdedRelu", EACH, 0 },
    { "Tile", TILE, 0 }, { "Where", EACH, 0 }, { "Xor", EACH, 0 },
};

static const row *find_row(const mq_node *n)
{
    if (*mq_domain_norm(n->domain))
        return NULL;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (strcmp(n->op_type, rows[i].op) == 0)
            return &rows[i];
    return NULL;
}

/* ---- permutations --------------------------------------------------------------------------------------------------
 * */

static void invert(mq_turn *t)
{
    for (int i = 0; i < t->rank; i++)
        t->inverse[t->perm[i]] = i;
}

bool mq_turn_read(const mq_node *n, mq_turn *out)
{
    const int rank = n->n_inputs ? mq_value_rank(n->inputs[0]) : -1;
    unsigned seen = 0;
    size_t count;
    const int64_t *perm = mq_node_attr_ints(n, "perm", &count);

    if (!mq_node_is(n, "", "Transpose") || rank < 1 || rank > MQ_TURN_RANK || (perm && count != (size_t)rank) ||
        n->n_outputs != 1 || !n->outputs[0])
        return false;
    *out = (mq_turn){ .rank = rank };
    for (int i = 0; i < rank; i++) {
        out->perm[i] = perm ? perm[i] : rank - 1 - i;
        if (out->perm[i] < 0 || out->perm[i] >= rank)
            return false;
        seen |= 1u << out->perm[i];
    }
    if (seen != (1u << rank) - 1)
        return false;
    invert(out);
    return true;
}

mq_turn mq_turn_join(const mq_turn *a, const mq_turn *b)
{
    mq_turn t = { .rank = a->rank };

    for (int i = 0; i < t.rank; i++)
        t.perm[i] = a->perm[b->perm[i]];
    invert(&t);
    return t;
}

mq_turn mq_turn_back(const mq_turn *t)
{
    mq_turn back = { .rank = t->rank };

    memcpy(back.perm, t->inverse, sizeof back.perm);
    memcpy(back.inverse, t->perm, sizeof back.inverse);
    return back;
}

bool mq_turn_same(const mq_turn *a, const mq_turn *b)
{
    return a->rank == b->rank && memcmp(a->perm, b->perm, (size_t)a->rank * sizeof *a->perm) == 0;
}

bool mq_turn_none(const mq_turn *t)
{
    for (int i = 0; i < t->rank; i++)
        if (t->perm[i] != i)
            return false;
    return true;
}

/* ---- lists in attributes and inputs --------------------------------------------------------------------------------
 * */

typedef struct list {
    int64_t v[2 * MQ_TURN_RANK];
    int n; /* -1: absent */
} list;

/* false: it is there, but cannot be read. */
static bool read_list(const mq_node *n, bool in_input, size_t input, const char *attr, list *out)
{
    mq_tensor *t = mq_constant_input(n, input);
    size_t count;
    const int64_t *ints = mq_node_attr_ints(n, attr, &count);

    out->n = -1;
    if (!in_input && !ints)
        return !mq_node_attr(n, attr);
    if (in_input && (input >= n->n_inputs || !n->inputs[input]))
        return true;
    if (in_input && (!t || t->n_dims != 1 || (t->dtype != MQ_INT64 && t->dtype != MQ_INT32)))
        return false;
    count = in_input ? (size_t)mq_tensor_count(t) : count;
    if (count > 2 * MQ_TURN_RANK)
        return false;
    out->n = (int)count;
    if (!in_input)
        memcpy(out->v, ints, count * sizeof *ints);
    return !in_input || mq_tensor_read_i64(t, 0, count, out->v, NULL) == MQ_OK;
}

static mq_status write_list(mq_node *n, bool in_input, size_t input, const char *attr, const list *l, mq_error *err)
{
    const int64_t count = l->n;
    mq_value *v;
    mq_status rc;

    if (!in_input)
        return mq_node_set_attr_ints(n, attr, l->v, (size_t)l->n, err);
    rc = mq_constant_of(n->graph, attr, MQ_INT64, 1, &count, l->v, &v, err);
    while (rc == MQ_OK && n->n_inputs < input)
        rc = mq_node_set_input(n, n->n_inputs, NULL, err);
    return rc == MQ_OK ? mq_node_set_input(n, input, v, err) : rc;
}

static bool has_list_input(const mq_node *n)
{
    const int64_t opset = mq_opset_of(n->graph, "");

    if (mq_node_is(n, "", "Pad"))
        return opset >= PADS_ARE_INPUTS;
    if (mq_node_is(n, "", "Slice"))
        return opset >= SLICE_WITH_INPUTS;
    return opset >= (mq_node_is(n, "", "ReduceSum") ? SUM_AXES_ARE_INPUTS : AXES_ARE_INPUTS);
}

/* The axes of Reduce* or Slice, in order of the file; absent ones of Slice are the first ones. */
static bool read_axes(const mq_node *n, int rank, list *out)
{
    const bool slice = mq_node_is(n, "", "Slice");
    list starts;

    if (!read_list(n, has_list_input(n), slice ? 3 : 1, "axes", out))
        return false;
    if (slice && out->n < 0) {
        if (!read_list(n, has_list_input(n), 1, "starts", &starts) || starts.n < 0)
            return false;
        for (out->n = 0; out->n < starts.n; out->n++)
            out->v[out->n] = out->n;
    }
    for (int i = 0; i < out->n; i++) {
        out->v[i] += out->v[i] < 0 ? rank : 0;
        if (out->v[i] < 0 || out->v[i] >= rank)
            return false;
    }
    return true;
}

/* ---- constants -----------------------------------------------------------------------------------------------------
 * */

static bool can_turn_constant(const mq_value *v, int rank)
{
    const mq_tensor *t = mq_value_constant(v, false);
    const int64_t count = t ? mq_tensor_count(t) : -1;

    return count > 0 && count <= (v->uses.n > 1 ? MAX_SHARED : MAX_CONSTANT) && t->n_dims <= rank &&
           mq_dtype_bits(t->dtype) >= 8 && t->dtype != MQ_STRING;
}

/* Copies elements of `size` bytes; dims are those of the source. */
static void turn_elements(const mq_turn *t, const int64_t *dims, size_t size, const char *in, char *out, int64_t count)
{
    int64_t stride[MQ_TURN_RANK], at[MQ_TURN_RANK] = { 0 }, step = 1, from = 0;

    for (int i = t->rank; i-- > 0; step *= dims[i])
        stride[i] = step;
    for (int64_t e = 0; e < count; e++) {
        memcpy(out + (size_t)e * size, in + (size_t)from * size, size);
        for (int i = t->rank; i-- > 0;) {
            const int64_t s = stride[t->perm[i]];

            from += s;
            if (++at[i] < dims[t->perm[i]])
                break;
            from -= s * at[i];
            at[i] = 0;
        }
    }
}

static mq_status turn_constant(mq_node *n, size_t i, const mq_turn *t, mq_error *err)
{
    mq_tensor *c = mq_value_constant(n->inputs[i], false);
    const int64_t count = mq_tensor_count(c);
    const size_t size = (size_t)mq_dtype_bits(c->dtype) / 8;
    int64_t dims[MQ_TURN_RANK], turned[MQ_TURN_RANK];
    const void *data;
    mq_value *v;
    char *out;
    mq_status rc;

    for (int k = 0; k < t->rank; k++)
        dims[k] = k < t->rank - c->n_dims ? 1 : c->dims[k - (t->rank - c->n_dims)];
    for (int k = 0; k < t->rank; k++)
        turned[k] = dims[t->perm[k]];
    if ((rc = mq_tensor_bytes(c, &data, err)) != MQ_OK)
        return rc;
    if (!(out = malloc((size_t)count * size)))
        return mq_oom(err);
    turn_elements(t, dims, size, data, out, count);
    rc = mq_constant_of_heap(n->graph, n->inputs[i]->name, c->dtype, t->rank, turned, out, &v, err);
    return rc == MQ_OK ? mq_node_set_input(n, i, v, err) : rc;
}

/* ---- which ---------------------------------------------------------------------------------------------------------
 * */

/* A number, or a constant of one element that spreads to any shape of this rank. */
static bool is_number(const mq_value *v, int rank)
{
    const mq_tensor *t = mq_value_constant(v, false);

    return mq_value_rank(v) == 0 || (t && t->n_dims < rank && mq_tensor_count(t) == 1);
}

static bool fits_each(const mq_node *n, const mq_turn *t)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        const mq_value *v = n->inputs[i];

        if (!v || is_number(v, t->rank))
            continue;
        if (mq_value_constant(v, false) ? !can_turn_constant(v, t->rank) : mq_value_rank(v) != t->rank)
            return false;
    }
    return true;
}

static bool fits_one(const mq_node *n, const mq_turn *t)
{
    const mq_tensor *scale = mq_constant_input(n, 1);

    if (mq_value_rank(n->inputs[0]) != t->rank || mq_node_attr_int(n, "block_size", 0) || !scale || scale->n_dims > 1)
        return false;
    return !mq_value_constant(n->inputs[0], false) || can_turn_constant(n->inputs[0], t->rank);
}

static int64_t axis_of(const mq_node *n, const row *r, int rank)
{
    const int64_t axis = mq_node_attr_int(n, "axis", r->axis);

    return axis < 0 ? axis + rank : axis;
}

static bool fits_axis(const mq_node *n, const row *r, const mq_turn *t)
{
    const int64_t axis = axis_of(n, r, t->rank);
    const bool concat = mq_node_is(n, "", "Concat");

    if (axis < 0 || axis >= t->rank)
        return false;
    for (size_t i = 0; i < (concat ? n->n_inputs : 1); i++) {
        const mq_value *v = n->inputs[i];

        if (!v || mq_value_rank(v) != t->rank || (mq_value_constant(v, false) && !can_turn_constant(v, t->rank)))
            return false;
    }
    if (mq_node_is(n, "", "Gather") && (n->n_inputs != 2 || !n->inputs[1] || mq_value_rank(n->inputs[1]) != 1))
        return false;
    if (r->kind == SOFTMAX && (mq_opset_of(n->graph, "") < SOFTMAX_ALONG_AXIS ||
                               (axis == t->rank - 1 && t->inverse[axis] != t->rank - 1)))
        return false;
    return strncmp(n->op_type, "Arg", 3) != 0 || mq_node_attr_int(n, "keepdims", 1);
}

static bool fits_lists(const mq_node *n, const row *r, const mq_turn *t)
{
    list l, axes;

    if (mq_value_rank(n->inputs[0]) != t->rank || mq_value_constant(n->inputs[0], false))
        return false;
    if (r->kind == PAD)
        return read_list(n, has_list_input(n), 1, "pads", &l) && l.n == 2 * t->rank && (n->n_inputs < 4 || !n->inputs[3]);
    if (r->kind == TILE)
        return read_list(n, true, 1, "repeats", &l) && l.n == t->rank && n->n_inputs == 2;
    if (!read_axes(n, t->rank, &axes) || (r->kind == AXES && axes.n == 0))
        return false;
    return r->kind == SLICE || mq_node_attr_int(n, "keepdims", 1) || !mq_turn_gives_turned(n, t);
}

bool mq_turn_fits(const mq_node *n, const mq_turn *t)
{
    const row *r = find_row(n);

    if (!r || n->n_inputs < 1 || !n->inputs[0] || n->n_outputs < 1 || !n->outputs[0])
        return false;
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] && n->inputs[i]->graph != n->graph && !mq_value_constant(n->inputs[i], false))
            return false;
    for (size_t i = 0; i < n->n_outputs; i++)
        if (!n->outputs[i] || (mq_value_rank(n->outputs[i]) != t->rank && r->kind != AXES))
            return false;
    switch (r->kind) {
    case EACH: return fits_each(n, t);
    case ONE: return fits_one(n, t);
    case AXIS:
    case SOFTMAX: return fits_axis(n, r, t);
    default: return fits_lists(n, r, t);
    }
}

bool mq_turn_gives_turned(const mq_node *n, const mq_turn *t)
{
    const row *r = find_row(n);
    bool gone[MQ_TURN_RANK] = { false };
    int64_t last = -1;
    list axes;

    if (r->kind != AXES || mq_node_attr_int(n, "keepdims", 1) || !read_axes(n, t->rank, &axes))
        return true;
    for (int i = 0; i < axes.n; i++)
        gone[axes.v[i]] = true;
    for (int i = 0; i < t->rank && axes.n > 0; i++)
        if (!gone[t->perm[i]]) {
            if (t->perm[i] < last)
                return true; /* what is left comes in another order */
            last = t->perm[i];
        }
    return false;
}

bool mq_turn_takes(const mq_node *n, size_t i, const mq_turn *t)
{
    const row *r = find_row(n);

    if (!n->inputs[i] || mq_value_constant(n->inputs[i], false))
        return false;
    return i == 0 || ((r->kind == EACH || mq_node_is(n, "", "Concat")) && mq_value_rank(n->inputs[i]) == t->rank);
}

/* ---- turning -------------------------------------------------------------------------------------------------------
 * */

static mq_status turn_lists(mq_node *n, const row *r, const mq_turn *t, mq_error *err)
{
    const bool in_input = r->kind == TILE || has_list_input(n);
    list l = { .n = -1 }, out;

    if (r->kind == PAD || r->kind == TILE) {
        if (!read_list(n, in_input, 1, r->kind == PAD ? "pads" : "repeats", &l))
            MQ_BUG("a list that fitted cannot be read");
        out = l;
        for (int i = 0; i < l.n; i++)
            out.v[i] = l.v[t->perm[i % t->rank] + i / t->rank * t->rank];
        return write_list(n, in_input, 1, r->kind == PAD ? "pads" : "repeats", &out, err);
    }
    if (!read_axes(n, t->rank, &l))
        MQ_BUG("axes that fitted cannot be read");
    for (int i = 0; i < l.n; i++)
        l.v[i] = t->inverse[l.v[i]];
    return l.n < 0 ? MQ_OK : write_list(n, in_input, r->kind == SLICE ? 3 : 1, "axes", &l, err);
}

/* Constants that are not single numbers. */
static mq_status turn_constants(mq_node *n, const row *r, const mq_turn *t, mq_error *err)
{
    const bool all = r->kind == EACH || mq_node_is(n, "", "Concat");
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < (all ? n->n_inputs : 1) && rc == MQ_OK; i++)
        if (n->inputs[i] && mq_value_constant(n->inputs[i], false) && !is_number(n->inputs[i], t->rank))
            rc = turn_constant(n, i, t, err);
    return rc;
}

mq_status mq_turn_apply(mq_node *n, const mq_turn *t, mq_error *err)
{
    const row *r = find_row(n);
    mq_status rc = turn_constants(n, r, t, err);
    const mq_tensor *scale = r->kind == ONE ? mq_constant_input(n, 1) : NULL;

    if (rc != MQ_OK || r->kind == EACH || (scale && mq_tensor_count(scale) == 1))
        return rc;
    if (r->kind == ONE || r->kind == AXIS || r->kind == SOFTMAX)
        return mq_node_set_attr_int(n, "axis", t->inverse[axis_of(n, r, t->rank)], err);
    return turn_lists(n, r, t, err);
}

mq_type *mq_turn_type(const mq_value *v, const mq_turn *t)
{
    mq_dim dims[MQ_TURN_RANK];

    if (!v->type || v->type->kind != MQ_TYPE_TENSOR || v->type->rank != t->rank)
        return NULL;
    for (int i = 0; i < t->rank; i++)
        dims[i] = v->type->dims[t->perm[i]];
    return mq_type_create(v->graph->model, MQ_TYPE_TENSOR, v->type->dtype, t->rank, dims);
}
