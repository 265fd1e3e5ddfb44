/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Small parts that the rules of several families share: reading inputs, wanting sizes, counting. No operator of its own. */
#include "ops/rule_parts.h"

#include "base/error.h"

/* Types inside types: what lies deeper is taken as unknown. */
#define MAX_TYPE_DEPTH 32

mq_dim *mq_dims_new(mq_infer *in, int n)
{
    mq_dim *d = mq_arena_calloc(in->model->arena, n > 0 ? (size_t)n : 1, sizeof *d);

    for (int i = 0; d && i < n; i++)
        d[i] = MQ_DIM_UNKNOWN;
    return d;
}

mq_status mq_out_one_more(mq_infer *in, size_t out, size_t i, mq_dim last)
{
    const int rank = mq_in_rank(in, i);
    mq_dim *dims;

    if (rank < 0)
        return MQ_OK;
    dims = mq_dims_new(in, rank + 1);
    if (!dims)
        return mq_oom(in->err);
    for (int d = 0; d < rank; d++)
        dims[d] = mq_in_dims(in, i)[d];
    dims[rank] = last;
    return mq_out_shape(in, out, rank + 1, dims);
}

mq_status mq_dims_copy_in(mq_infer *in, size_t i, int *rank, mq_dim **dims)
{
    *rank = mq_in_rank(in, i);
    *dims = NULL;
    if (*rank < 0)
        return MQ_OK;
    *dims = mq_dims_new(in, *rank);
    if (!*dims)
        return mq_oom(in->err);
    for (int k = 0; k < *rank; k++)
        (*dims)[k] = mq_in_dims(in, i)[k];
    return MQ_OK;
}

/* The formal name of input i, for messages. */
static const char *input_name(const mq_infer *in, size_t i)
{
    const mq_op_param *p = in->schema ? mq_schema_input(in->schema, i) : NULL;

    return p && p->name ? p->name : "input";
}

mq_status mq_want_rank(mq_infer *in, size_t i, int lo, int hi)
{
    const int rank = mq_in_rank(in, i);

    if (rank < 0 || (rank >= lo && rank <= hi))
        return MQ_OK;
    if (lo == hi)
        return mq_fail(in->err, MQ_ERR_INPUT, "input %zu (%s) has rank %d, it must be %d", i, input_name(in, i), rank, lo);
    return mq_fail(in->err, MQ_ERR_INPUT, "input %zu (%s) has rank %d, it must be %d to %d", i, input_name(in, i), rank, lo,
                   hi);
}

mq_status mq_want_same(mq_infer *in, mq_dim *d, mq_dim other, const char *what)
{
    bool conflict = false;
    const mq_dim merged = mq_dim_merge(*d, other, &conflict);

    if (conflict)
        return mq_fail(in->err, MQ_ERR_INPUT, "%s: %lld and %lld must be the same size", what, (long long)d->value,
                       (long long)other.value);
    *d = merged;
    return MQ_OK;
}

bool mq_attrs_open(const mq_infer *in)
{
    for (size_t i = 0; i < in->node->n_attrs; i++)
        if (in->node->attrs[i]->ref)
            return true;
    return false;
}

bool mq_in_scalar(const mq_infer *in, size_t i, int64_t *v)
{
    size_t n = 0;
    const int64_t *ints = mq_in_has(in, i) ? mq_in_ints(in, i, &n) : NULL;

    if (!ints || n != 1)
        return false;
    *v = ints[0];
    return true;
}

mq_status mq_in_floats(mq_infer *in, size_t i, const float **out, size_t *n)
{
    /* before IR 4 every initializer is listed as an input, so being one says nothing */
    mq_tensor *t = mq_in_has(in, i) ? mq_value_constant(in->node->inputs[i], in->model->ir_version < 4) : NULL;
    const int64_t count = t ? mq_tensor_count(t) : -1;
    float *f;
    mq_error ignored;

    *out = NULL;
    *n = 0;
    if (count < 0 || count > MQ_KNOWN_MAX)
        return MQ_OK;
    f = mq_arena_calloc(in->model->arena, (size_t)count + 1, sizeof *f);
    if (!f)
        return mq_oom(in->err);
    /* contents that cannot be read (a missing external file) are merely not known here */
    if (mq_tensor_read_f32(t, 0, (uint64_t)count, f, &ignored) != MQ_OK)
        return MQ_OK;
    *out = f;
    *n = (size_t)count;
    return MQ_OK;
}

/* ---- unions of types ---------------------------------------------------------------------------------------------- */

static mq_status union_dims(mq_infer *in, const mq_type *a, const mq_type *b, mq_type *out)
{
    if (!a || !b || a->rank < 0 || a->rank != b->rank)
        return MQ_OK;
    out->dims = mq_dims_new(in, a->rank);
    if (!out->dims)
        return mq_oom(in->err);
    out->rank = a->rank;
    for (int i = 0; i < a->rank; i++)
        if (mq_dim_equal(a->dims[i], b->dims[i]))
            out->dims[i] = a->dims[i];
    return MQ_OK;
}

static mq_status union_at(mq_infer *in, const mq_type *a, const mq_type *b, mq_type **out, bool *conflict, int depth)
{
    const mq_type *some = a && a->kind != MQ_TYPE_UNKNOWN ? a : b;
    const mq_type *other = some == a ? b : a;

    *out = NULL;
    if (!some || some->kind == MQ_TYPE_UNKNOWN || depth > MAX_TYPE_DEPTH)
        return MQ_OK;
    if (other && other->kind != MQ_TYPE_UNKNOWN && other->kind != some->kind) {
        *conflict = true;
        return MQ_OK;
    }
    *out = mq_type_create(in->model, some->kind, some->dtype, -1, NULL);
    if (!*out)
        return mq_oom(in->err);
    if (other && other->dtype != MQ_UNDEFINED && some->dtype != other->dtype) {
        *conflict |= some->dtype != MQ_UNDEFINED;
        (*out)->dtype = some->dtype == MQ_UNDEFINED ? other->dtype : MQ_UNDEFINED;
    }
    MQ_RULE_TRY(union_dims(in, a, b, *out));
    if (!some->elem && !(other && other->elem))
        return MQ_OK;
    return union_at(in, some->elem, other ? other->elem : NULL, &(*out)->elem, conflict, depth + 1);
}

mq_status mq_type_union(mq_infer *in, const mq_type *a, const mq_type *b, mq_type **out, bool *conflict)
{
    return union_at(in, a, b, out, conflict, 0);
}

bool mq_type_same(const mq_type *a, const mq_type *b)
{
    for (int depth = 0; a && b && depth <= MAX_TYPE_DEPTH; depth++, a = a->elem, b = b->elem) {
        if (a->kind != b->kind || a->dtype != b->dtype || a->rank != b->rank)
            return false;
        for (int i = 0; i < a->rank; i++)
            if (!mq_dim_equal(a->dims[i], b->dims[i]) && (mq_dim_known(a->dims[i]) || mq_dim_known(b->dims[i]) ||
                                                          a->dims[i].symbol || b->dims[i].symbol))
                return false;
    }
    return !a && !b;
}

mq_status mq_infer_same(mq_infer *in)
{
    return mq_out_like(in, 0, 0);
}

mq_status mq_infer_broadcast_of(mq_infer *in, size_t n, const size_t *i)
{
    const mq_dim *dims[4];
    int ranks[4], rank;
    mq_dim *out;

    if (n > 4)
        MQ_BUG("more than four inputs to broadcast");
    for (size_t k = 0; k < n; k++) {
        dims[k] = mq_in_dims(in, i[k]);
        ranks[k] = mq_in_rank(in, i[k]);
    }
    MQ_RULE_TRY(mq_broadcast(in, n, dims, ranks, &rank, &out));
    return mq_out_shape(in, 0, rank, out);
}

/* ---- multiply-accumulates ----------------------------------------------------------------------------------------- */

int64_t mq_macs_dim(const mq_value *v, int axis)
{
    const mq_type *t = v ? v->type : NULL;

    if (!t || t->kind != MQ_TYPE_TENSOR || t->rank < 0)
        return -1;
    if (axis < 0)
        axis += t->rank;
    if (axis < 0 || axis >= t->rank || t->dims[axis].value < 0)
        return -1;
    return t->dims[axis].value;
}

int64_t mq_macs_mul(int64_t a, int64_t b)
{
    int64_t p;

    return a < 0 || b < 0 || __builtin_mul_overflow(a, b, &p) ? -1 : p;
}

int64_t mq_macs_add(int64_t a, int64_t b)
{
    int64_t s;

    return a < 0 || b < 0 || __builtin_add_overflow(a, b, &s) ? -1 : s;
}

int64_t mq_macs_count(const mq_value *v)
{
    const mq_type *t = v ? v->type : NULL;
    int64_t n = 1;

    if (!t || t->kind != MQ_TYPE_TENSOR || t->rank < 0)
        return -1;
    for (int i = 0; i < t->rank; i++)
        n = mq_macs_mul(n, t->dims[i].value);
    return n;
}

const mq_value *mq_macs_in(const mq_node *n, size_t i)
{
    return i < n->n_inputs ? n->inputs[i] : NULL;
}

const mq_value *mq_macs_out(const mq_node *n, size_t i)
{
    return i < n->n_outputs ? n->outputs[i] : NULL;
}
