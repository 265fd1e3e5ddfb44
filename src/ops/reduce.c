/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reductions over axes (axes as attribute or as input), ArgMax and ArgMin, cumulative sums and products. Also the contents
 * of reduced shapes: ReduceProd(Shape(x)) is how models count elements. */
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

/* Which axes a reduction removes. */
typedef struct reduced_axes {
    bool known;         /* `axes` says which; else only n_axes may be known */
    const int64_t *axes;
    size_t n;           /* of axes, or their number when only that is known */
    bool n_known;
    bool all, none;     /* no axes given: every axis, or (noop_with_empty_axes) none */
} reduced_axes;

static reduced_axes axes_empty(const mq_infer *in)
{
    const bool noop = mq_node_attr_int(in->node, "noop_with_empty_axes", 0) != 0;

    return (reduced_axes){ .known = true, .n_known = true, .all = !noop, .none = noop };
}

/* From the second input where the schema has one, else from the attribute. */
static reduced_axes read_axes(const mq_infer *in)
{
    reduced_axes r = { 0 };
    const mq_dim *shape;

    if (in->schema->n_params_in < 2) {
        r.axes = mq_node_attr_ints(in->node, "axes", &r.n);
        r.known = r.n_known = true;
        return r.axes && r.n ? r : axes_empty(in);
    }
    if (!mq_in_has(in, 1))
        return axes_empty(in);
    r.axes = mq_in_ints(in, 1, &r.n);
    r.known = r.n_known = r.axes != NULL;
    if (r.known)
        return r.n ? r : axes_empty(in);
    shape = mq_in_rank(in, 1) == 1 ? mq_in_dims(in, 1) : NULL;
    if (shape && mq_dim_known(shape[0])) {
        r.n = (size_t)shape[0].value;
        r.n_known = true;
    }
    return r.n_known && r.n == 0 ? axes_empty(in) : r;
}

/* gone[axis] for each axis of a tensor of that rank. */
static mq_status mark_axes(mq_infer *in, const reduced_axes *r, int rank, bool **gone)
{
    *gone = mq_arena_calloc(in->model->arena, rank > 0 ? (size_t)rank : 1, sizeof **gone);
    if (!*gone)
        return mq_oom(in->err);
    for (int i = 0; i < rank; i++)
        (*gone)[i] = r->all;
    for (size_t i = 0; !r->all && i < r->n; i++) {
        int axis;

        MQ_RULE_TRY(mq_norm_axis(in, r->axes[i], rank, &axis));
        (*gone)[axis] = true;
    }
    return MQ_OK;
}

/* The axes are not known: with keepdims the rank stays, without it shrinks by their number. */
static mq_status reduce_unknown(mq_infer *in, const reduced_axes *r, int rank, bool keep)
{
    mq_dim *dims;

    if (!keep && !r->n_known)
        return MQ_OK;
    if (!keep && r->n > (size_t)rank)
        return mq_fail(in->err, MQ_ERR_INPUT, "%zu axes of a tensor of rank %d", r->n, rank);
    if (!keep)
        rank -= (int)r->n;
    dims = mq_dims_new(in, rank);
    return dims ? mq_out_shape(in, 0, rank, dims) : mq_oom(in->err);
}

static mq_status reduce(mq_infer *in)
{
    const bool keep = mq_node_attr_int(in->node, "keepdims", 1) != 0;
    const reduced_axes r = read_axes(in);
    int rank, n = 0;
    mq_dim *dims;
    bool *gone;

    if (mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0)
        return r.known && r.all && !keep ? mq_out_shape(in, 0, 0, &MQ_DIM(0)) : MQ_OK;
    if (!r.known)
        return reduce_unknown(in, &r, rank, keep);
    MQ_RULE_TRY(mark_axes(in, &r, rank, &gone));
    for (int i = 0; i < rank; i++) {
        if (!gone[i])
            dims[n++] = dims[i];
        else if (keep)
            dims[n++] = MQ_DIM(1);
    }
    return mq_out_shape(in, 0, n, dims);
}

typedef mq_dim (*fold_fn)(mq_infer *in, mq_dim a, mq_dim b);

/* Folds known integer contents when everything is reduced. */
static mq_status fold_known(mq_infer *in, fold_fn fold)
{
    const reduced_axes r = read_axes(in);
    mq_elems v;
    mq_dim acc;

    MQ_RULE_TRY(mq_in_elems(in, 0, &v));
    if (v.n < 1 || !r.known || mq_attrs_open(in))
        return MQ_OK;
    if (r.none || mq_in_rank(in, 0) == 0)
        return mq_out_contents(in, 0, v.e, (size_t)v.n);
    acc = v.e[0];
    for (int i = 1; i < v.n; i++)
        acc = fold(in, acc, v.e[i]);
    return mq_out_contents(in, 0, &acc, 1);
}

static mq_dim fold_max(mq_infer *in, mq_dim a, mq_dim b)
{
    (void)in;
    if (!mq_elem_known(a) || !mq_elem_known(b))
        return mq_elem_same(a, b) ? a : MQ_ELEM_UNKNOWN;
    return a.value > b.value ? a : b;
}

static mq_dim fold_min(mq_infer *in, mq_dim a, mq_dim b)
{
    (void)in;
    if (!mq_elem_known(a) || !mq_elem_known(b))
        return mq_elem_same(a, b) ? a : MQ_ELEM_UNKNOWN;
    return a.value < b.value ? a : b;
}

static mq_status reduce_max(mq_infer *in)
{
    MQ_RULE_TRY(reduce(in));
    return fold_known(in, fold_max);
}

static mq_status reduce_min(mq_infer *in)
{
    MQ_RULE_TRY(reduce(in));
    return fold_known(in, fold_min);
}

static mq_status reduce_prod(mq_infer *in)
{
    MQ_RULE_TRY(reduce(in));
    return fold_known(in, mq_elem_mul);
}

static mq_status reduce_sum(mq_infer *in)
{
    MQ_RULE_TRY(reduce(in));
    return fold_known(in, mq_elem_add);
}

static mq_status arg(mq_infer *in)
{
    const bool keep = mq_node_attr_int(in->node, "keepdims", 1) != 0;
    int rank, axis, n = 0;
    mq_dim *dims;

    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", 0), rank, &axis));
    for (int i = 0; i < rank; i++) {
        if (i != axis)
            dims[n++] = dims[i];
        else if (keep)
            dims[n++] = MQ_DIM(1);
    }
    return mq_out_shape(in, 0, n, dims);
}

static mq_status cumulate(mq_infer *in)
{
    int64_t axis;
    int ignored;

    if (mq_in_rank(in, 0) >= 0 && mq_in_scalar(in, 1, &axis))
        MQ_RULE_TRY(mq_norm_axis(in, axis, mq_in_rank(in, 0), &ignored));
    return mq_out_like(in, 0, 0);
}

const mq_op_rule mq_rules_reduce[] = {
    { "", "ArgMax", arg, NULL, NULL },
    { "", "ArgMin", arg, NULL, NULL },
    { "", "CumProd", cumulate, NULL, NULL },
    { "", "CumSum", cumulate, NULL, NULL },
    { "", "ReduceL1", reduce, NULL, NULL },
    { "", "ReduceL2", reduce, NULL, NULL },
    { "", "ReduceLogSum", reduce, NULL, NULL },
    { "", "ReduceLogSumExp", reduce, NULL, NULL },
    { "", "ReduceMax", reduce_max, NULL, NULL },
    { "", "ReduceMean", reduce, NULL, NULL },
    { "", "ReduceMin", reduce_min, NULL, NULL },
    { "", "ReduceProd", reduce_prod, NULL, NULL },
    { "", "ReduceSum", reduce_sum, NULL, NULL },
    { "", "ReduceSumSquare", reduce, NULL, NULL },
};
const size_t mq_rules_reduce_n = sizeof mq_rules_reduce / sizeof *mq_rules_reduce;
