/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Sequences and optionals. SequenceMap, which has a body, is in control.c. */
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

static mq_status out_wrapped(mq_infer *in, size_t i, mq_type_kind kind, const mq_type *elem)
{
    const mq_type t = { .kind = kind, .rank = -1, .elem = (mq_type *)elem };

    return elem ? mq_out_type(in, i, &t) : MQ_OK;
}

/* Input i as a sequence; NULL: not known. */
static mq_status sequence_in(mq_infer *in, size_t i, const mq_type **seq)
{
    const mq_type *t = mq_in_type(in, i);

    *seq = t;
    if (t && t->kind != MQ_TYPE_SEQUENCE)
        return mq_fail(in->err, MQ_ERR_INPUT, "input %zu is no sequence", i);
    return MQ_OK;
}

static mq_status scalar_out(mq_infer *in)
{
    return mq_out_shape(in, 0, 0, &MQ_DIM(1));
}

static mq_status sequence_at(mq_infer *in)
{
    const mq_type *seq;

    MQ_RULE_TRY(sequence_in(in, 0, &seq));
    return seq && seq->elem ? mq_out_type(in, 0, seq->elem) : MQ_OK;
}

static mq_status join(mq_infer *in, const mq_type *a, const mq_type *b, mq_type **out)
{
    bool conflict = false;

    MQ_RULE_TRY(mq_type_union(in, a, b, out, &conflict));
    if (conflict)
        return mq_fail(in->err, MQ_ERR_INPUT, "elements of one sequence have different types");
    return MQ_OK;
}

static mq_status sequence_construct(mq_infer *in)
{
    mq_type *elem = NULL;

    for (size_t i = 0; i < in->node->n_inputs; i++)
        MQ_RULE_TRY(join(in, i == 0 ? mq_in_type(in, 0) : elem, mq_in_type(in, i), &elem));
    return out_wrapped(in, 0, MQ_TYPE_SEQUENCE, elem);
}

static mq_status sequence_empty(mq_infer *in)
{
    mq_type elem = { .kind = MQ_TYPE_TENSOR, .rank = -1 };

    MQ_RULE_TRY(mq_attr_dtype(in, "dtype", MQ_FLOAT, &elem.dtype));
    return out_wrapped(in, 0, MQ_TYPE_SEQUENCE, &elem);
}

static mq_status sequence_insert(mq_infer *in)
{
    const mq_type *seq;
    mq_type *elem;

    MQ_RULE_TRY(sequence_in(in, 0, &seq));
    MQ_RULE_TRY(join(in, seq ? seq->elem : NULL, mq_in_type(in, 1), &elem));
    return out_wrapped(in, 0, MQ_TYPE_SEQUENCE, elem);
}

/* Elements put together along an axis, or stacked on a new one: how long it is depends on how many there are. */
static mq_status concat_from_sequence(mq_infer *in)
{
    const int64_t stack = mq_node_attr_int(in->node, "new_axis", 0);
    const mq_type *seq, *elem;
    int axis, rank;
    mq_dim *dims;

    MQ_RULE_TRY(sequence_in(in, 0, &seq));
    elem = seq ? seq->elem : NULL;
    if (stack != 0 && stack != 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'new_axis' is %lld, it must be 0 or 1", (long long)stack);
    if (!elem || elem->kind != MQ_TYPE_TENSOR)
        return MQ_OK;
    MQ_RULE_TRY(mq_out_dtype(in, 0, elem->dtype));
    if (elem->rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    rank = elem->rank + (stack ? 1 : 0);
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", 0), rank, &axis));
    dims = mq_dims_new(in, rank);
    if (!dims)
        return mq_oom(in->err);
    for (int i = 0, k = 0; i < rank; i++) {
        if (i != axis)
            dims[i] = elem->dims[k++];
        else if (!stack)
            k++;
    }
    return mq_out_shape(in, 0, rank, dims);
}

/* Size of the parts along the split axis when all have the same: a scalar that divides the axis, or equal entries. */
static mq_status split_size(mq_infer *in, mq_dim whole, mq_dim *part)
{
    mq_elems sizes;

    *part = MQ_DIM_UNKNOWN;
    if (!mq_in_has(in, 1)) {
        *part = MQ_DIM(1);
        return MQ_OK;
    }
    MQ_RULE_TRY(mq_in_elems(in, 1, &sizes));
    if (sizes.n < 1)
        return MQ_OK;
    for (int i = 0; i < sizes.n; i++) {
        if (mq_elem_known(sizes.e[i]) && sizes.e[i].value < 0)
            return mq_fail(in->err, MQ_ERR_INPUT, "a part of %lld", (long long)sizes.e[i].value);
        if (!mq_elem_same(sizes.e[i], sizes.e[0]))
            return MQ_OK;
    }
    *part = mq_dim_of_elem(sizes.e[0]);
    if (mq_in_rank(in, 1) != 0)
        return MQ_OK;
    if (mq_dim_known(*part) && part->value == 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "parts of size 0");
    if (!mq_dim_known(*part) || !mq_dim_known(whole) || whole.value % part->value)
        *part = MQ_DIM_UNKNOWN;
    return MQ_OK;
}

static mq_status split_to_sequence(mq_infer *in)
{
    /* without 'split' the parts have the size 1, and keepdims may drop that axis */
    const bool drop = !mq_in_has(in, 1) && mq_node_attr_int(in->node, "keepdims", 1) == 0;
    mq_type elem = { .kind = MQ_TYPE_TENSOR, .dtype = mq_in_dtype(in, 0), .rank = -1 };
    int rank, axis;
    mq_dim *dims;

    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (!mq_in_type(in, 0) || rank < 0 || mq_attrs_open(in))
        return mq_in_type(in, 0) ? out_wrapped(in, 0, MQ_TYPE_SEQUENCE, &elem) : MQ_OK;
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", 0), rank, &axis));
    MQ_RULE_TRY(split_size(in, dims[axis], &dims[axis]));
    if (drop)
        for (int i = axis; i < rank - 1; i++)
            dims[i] = dims[i + 1];
    elem.rank = drop ? rank - 1 : rank;
    elem.dims = dims;
    return out_wrapped(in, 0, MQ_TYPE_SEQUENCE, &elem);
}

static mq_status optional(mq_infer *in)
{
    const mq_attr *a = mq_node_attr(in->node, "type");

    if (mq_in_has(in, 0))
        return out_wrapped(in, 0, MQ_TYPE_OPTIONAL, mq_in_type(in, 0));
    return out_wrapped(in, 0, MQ_TYPE_OPTIONAL, a && a->type == MQ_ATTR_TYPE && !a->ref && a->n > 0 ? a->types[0] : NULL);
}

/* Since version 18 what is no optional comes through as it is. */
static mq_status optional_get(mq_infer *in)
{
    const mq_type *t = mq_in_type(in, 0);

    if (!t || t->kind != MQ_TYPE_OPTIONAL)
        return t ? mq_out_type(in, 0, t) : MQ_OK;
    return t->elem ? mq_out_type(in, 0, t->elem) : MQ_OK;
}

const mq_op_rule mq_rules_sequence[] = {
    { "", "ConcatFromSequence", concat_from_sequence, NULL, NULL },
    { "", "Optional", optional, NULL, NULL },
    { "", "OptionalGetElement", optional_get, NULL, NULL },
    { "", "OptionalHasElement", scalar_out, NULL, NULL },
    { "", "SequenceAt", sequence_at, NULL, NULL },
    { "", "SequenceConstruct", sequence_construct, NULL, NULL },
    { "", "SequenceEmpty", sequence_empty, NULL, NULL },
    { "", "SequenceErase", mq_infer_same, NULL, NULL },
    { "", "SequenceInsert", sequence_insert, NULL, NULL },
    { "", "SequenceLength", scalar_out, NULL, NULL },
    { "", "SplitToSequence", split_to_sequence, NULL, NULL },
};
const size_t mq_rules_sequence_n = sizeof mq_rules_sequence / sizeof *mq_rules_sequence;
