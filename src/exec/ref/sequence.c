/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Sequences and optionals. Items are shared, not copied; a sequence that changes is a new list. SequenceMap is in
 * control.c. */
#include "exec/ref/move.h"

/* A reference to an input: arrays are counted, whoever reads them. */
static mq_array *hold(const mq_array *a)
{
    return mq_array_ref((mq_array *)(uintptr_t)a);
}

static mq_status need_sequence(mq_call *c, size_t i)
{
    if (!mq_call_has(c, i) || c->in[i]->kind != MQ_TYPE_SEQUENCE)
        return mq_call_fail(c, "input %zu is missing, or no sequence", i);
    return MQ_OK;
}

static mq_status need_tensor(mq_call *c, size_t i)
{
    if (!mq_call_has(c, i) || c->in[i]->kind != MQ_TYPE_TENSOR)
        return mq_call_fail(c, "input %zu is missing, or no tensor", i);
    return MQ_OK;
}

/* The position in input i, or `absent`; allowed are -n to n-1, or n where `end` says so. */
static mq_status get_position(mq_call *c, size_t i, size_t n, bool end, int64_t absent, size_t *out)
{
    const int64_t size = (int64_t)n;
    int64_t at = absent;
    size_t given = 1;
    mq_status rc = MQ_OK;

    if (mq_call_has(c, i))
        rc = mq_call_ints(c, i, &at, 1, &given);
    if (rc != MQ_OK)
        return rc;
    if (given != 1 || at < -size || at >= size + end)
        return mq_call_fail(c, "position %lld is outside of a sequence of %zu", (long long)at, n);
    *out = (size_t)(at < 0 ? at + size : at);
    return MQ_OK;
}

static mq_status give_sequence(mq_call *c, mq_dtype dtype, size_t n, mq_array *const *items)
{
    mq_array *made = NULL;
    const mq_status rc = mq_array_sequence(&made, dtype, n, items, c->err);

    return rc == MQ_OK ? mq_call_out_array(c, 0, made) : rc;
}

/* ---- sequences ---------------------------------------------------------------------------------------------------- */

static mq_status op_sequence_empty(mq_call *c)
{
    const int64_t dtype = mq_node_attr_int(c->node, "dtype", MQ_FLOAT);

    if (dtype <= MQ_UNDEFINED || dtype >= MQ_N_DTYPES)
        return mq_call_fail(c, "dtype is %lld", (long long)dtype);
    return give_sequence(c, (mq_dtype)dtype, 0, NULL);
}

static mq_status op_sequence_construct(mq_call *c)
{
    mq_array **items = mq_call_scratch(c, (c->n_in + 1) * sizeof(*items));
    mq_status rc;

    if (!items)
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < c->n_in; i++) {
        MQ_TRY(need_tensor(c, i));
        if (c->in[i]->dtype != c->in[0]->dtype)
            return mq_call_fail(c, "input %zu is of %s, input 0 of %s", i, mq_dtype_name(c->in[i]->dtype),
                                mq_dtype_name(c->in[0]->dtype));
        items[i] = (mq_array *)(uintptr_t)c->in[i];
    }
    rc = give_sequence(c, c->n_in > 0 ? c->in[0]->dtype : MQ_UNDEFINED, c->n_in, items);
done:
    return rc;
}

static mq_status op_sequence_insert(mq_call *c)
{
    const mq_array *s;
    mq_array **items;
    size_t at = 0;
    mq_status rc;

    MQ_TRY(need_sequence(c, 0));
    MQ_TRY(need_tensor(c, 1));
    s = c->in[0];
    if (s->dtype != MQ_UNDEFINED && s->dtype != c->in[1]->dtype)
        return mq_call_fail(c, "a tensor of %s does not fit into a sequence of %s", mq_dtype_name(c->in[1]->dtype),
                            mq_dtype_name(s->dtype));
    MQ_TRY(get_position(c, 2, s->n_items, true, (int64_t)s->n_items, &at));
    if (!(items = mq_call_scratch(c, (s->n_items + 1) * sizeof(*items))))
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i <= s->n_items; i++)
        items[i] = i == at ? (mq_array *)(uintptr_t)c->in[1] : s->items[i < at ? i : i - 1];
    rc = give_sequence(c, c->in[1]->dtype, s->n_items + 1, items);
done:
    return rc;
}

static mq_status op_sequence_erase(mq_call *c)
{
    const mq_array *s;
    mq_array **items;
    size_t at = 0, n = 0;
    mq_status rc;

    MQ_TRY(need_sequence(c, 0));
    s = c->in[0];
    MQ_TRY(get_position(c, 1, s->n_items, false, -1, &at));
    if (!(items = mq_call_scratch(c, s->n_items * sizeof(*items))))
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < s->n_items; i++)
        if (i != at)
            items[n++] = s->items[i];
    rc = give_sequence(c, s->dtype, n, items);
done:
    return rc;
}

static mq_status op_sequence_at(mq_call *c)
{
    size_t at = 0;
    mq_status rc;

    MQ_TRY(need_sequence(c, 0));
    MQ_TRY(need_tensor(c, 1));
    MQ_TRY(get_position(c, 1, c->in[0]->n_items, false, 0, &at));
    rc = mq_call_out_array(c, 0, hold(c->in[0]->items[at]));
done:
    return rc;
}

static mq_status op_sequence_length(mq_call *c)
{
    void *out;
    mq_status rc;

    MQ_TRY(need_sequence(c, 0));
    MQ_TRY(mq_call_out(c, 0, MQ_INT64, 0, NULL, &out));
    if (out)
        *(int64_t *)out = (int64_t)c->in[0]->n_items;
done:
    return rc;
}

/* ---- joining ------------------------------------------------------------------------------------------------------ */

/* dims becomes the result's shape: items alike but for the axis, or wholly alike and put along a new one. */
static mq_status joined_dims(mq_call *c, int axis, bool new_axis, int64_t dims[MQ_MAX_RANK + 1])
{
    const mq_array *s = c->in[0], *first = s->items[0];
    int64_t sum = 0;

    for (size_t k = 0; k < s->n_items; k++) {
        const mq_array *a = s->items[k];

        if (a->kind != MQ_TYPE_TENSOR || a->dtype != first->dtype || a->rank != first->rank)
            return mq_call_fail(c, "item %zu has another rank or element type than item 0", k);
        for (int i = 0; i < a->rank; i++)
            if ((new_axis || i != axis) && a->dims[i] != first->dims[i])
                return mq_call_fail(c, "item %zu has %lld elements along axis %d, item 0 %lld", k, (long long)a->dims[i],
                                    i, (long long)first->dims[i]);
        if (__builtin_add_overflow(sum, new_axis ? 1 : a->dims[axis], &sum))
            return mq_call_fail(c, "the result's dims are too large");
    }
    for (int i = 0; i < first->rank + new_axis; i++)
        dims[i] = i == axis ? sum : first->dims[new_axis && i > axis ? i - 1 : i];
    return MQ_OK;
}

static mq_status op_concat_from_sequence(mq_call *c)
{
    const bool new_axis = mq_node_attr_int(c->node, "new_axis", 0) != 0;
    const mq_array *s;
    int64_t dims[MQ_MAX_RANK + 1], before, run_out, at = 0;
    size_t elem;
    int axis = 0, rank;
    void *out;
    mq_status rc;

    MQ_TRY(need_sequence(c, 0));
    s = c->in[0];
    if (s->n_items == 0)
        return mq_call_fail(c, "the sequence is empty");
    rank = s->items[0]->rank + new_axis;
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 0), rank, &axis));
    MQ_TRY(joined_dims(c, axis, new_axis, dims));
    if ((elem = mq_array_elem_size(s->items[0])) == 0)
        return mq_call_bad_type(c, s->items[0]->dtype);
    MQ_TRY(mq_call_out(c, 0, s->items[0]->dtype, rank, dims, &out));
    if (!out || c->out[0]->count == 0)
        return MQ_OK;
    before = mq_span(dims, 0, axis);
    run_out = mq_span(dims, axis, rank);
    for (size_t k = 0; k < s->n_items; k++) {
        const int64_t run = (int64_t)s->items[k]->count / before;
        const mq_move m = { .rank = 2, .dims = { before, run }, .src = { run, 1 }, .dst = { run_out, 1 } };

        mq_move_run(&m, s->items[k]->data, (char *)out + (size_t)at * elem, elem, c->n_threads);
        at += run;
    }
done:
    return rc;
}

/* ---- splitting ---------------------------------------------------------------------------------------------------- */

/* How long each part is along an axis of `dim`: input 1 is one length for all, or a list; without it all are 1. */
static mq_status get_parts(mq_call *c, int64_t dim, int64_t **parts, size_t *n)
{
    const bool given = mq_call_has(c, 1), list = given && c->in[1]->rank == 1;
    int64_t each = 1, sum = 0;
    size_t one = 1;
    mq_status rc;

    if (given && !list && (rc = mq_call_ints(c, 1, &each, 1, &one)) != MQ_OK)
        return rc;
    if (each < 1)
        return mq_call_fail(c, "parts of %lld elements", (long long)each);
    *n = list ? c->in[1]->count : (size_t)(dim / each + (dim % each != 0));
    if (!(*parts = mq_call_scratch(c, (*n + 1) * sizeof(**parts))))
        return MQ_ERR_NOMEM;
    if (list && (rc = mq_call_ints(c, 1, *parts, *n, n)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < *n; i++) {
        if (!list)
            (*parts)[i] = dim - sum < each ? dim - sum : each;
        if ((*parts)[i] < 0 || (*parts)[i] > dim - sum)
            return mq_call_fail(c, "the parts do not add up to the %lld elements of the axis", (long long)dim);
        sum += (*parts)[i];
    }
    return sum == dim ? MQ_OK : mq_call_fail(c, "the parts do not add up to the %lld elements of the axis", (long long)dim);
}

/* Elements [at, at+part) along the axis as an array of its own, without the axis where `drop`. */
static mq_status make_part(mq_call *c, int axis, int64_t at, int64_t part, bool drop, mq_array **out)
{
    const mq_array *in = c->in[0];
    const int64_t before = mq_span(in->dims, 0, axis), after = mq_span(in->dims, axis + 1, in->rank);
    const size_t elem = mq_array_elem_size(in);
    int64_t dims[MQ_MAX_RANK];
    int rank = 0;
    mq_status rc;

    for (int i = 0; i < in->rank; i++)
        if (i != axis || !drop)
            dims[rank++] = i == axis ? part : in->dims[i];
    rc = mq_array_create(out, in->dtype, rank, dims, c->err);
    if (rc == MQ_OK && in->count > 0) {
        const mq_move m = { .rank = 2, .dims = { before, part * after }, .src = { in->dims[axis] * after, 1 },
                            .dst = { part * after, 1 } };

        mq_move_run(&m, (const char *)in->data + (size_t)(at * after) * elem, (*out)->data, elem, c->n_threads);
    }
    return rc;
}

static mq_status op_split_to_sequence(mq_call *c)
{
    const bool drop = !mq_call_has(c, 1) && mq_node_attr_int(c->node, "keepdims", 1) == 0;
    int64_t *parts = NULL, at = 0;
    mq_array **items = NULL;
    size_t n = 0, made = 0;
    int axis = 0;
    mq_status rc;

    MQ_TRY(need_tensor(c, 0));
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 0), c->in[0]->rank, &axis));
    if (mq_array_elem_size(c->in[0]) == 0)
        return mq_call_bad_type(c, c->in[0]->dtype);
    MQ_TRY(get_parts(c, c->in[0]->dims[axis], &parts, &n));
    if (!(items = mq_call_scratch(c, (n + 1) * sizeof(*items))))
        return MQ_ERR_NOMEM;
    for (; made < n; made++) {
        MQ_TRY(make_part(c, axis, at, parts[made], drop, &items[made]));
        at += parts[made];
    }
    rc = give_sequence(c, c->in[0]->dtype, n, items);
done:
    while (made > 0)
        mq_array_unref(items[--made]);
    return rc;
}

/* ---- optionals ---------------------------------------------------------------------------------------------------- */

static mq_status op_optional(mq_call *c)
{
    mq_array *none = NULL;
    mq_status rc;

    if (mq_call_has(c, 0))
        return mq_call_out_array(c, 0, hold(c->in[0]));
    rc = mq_array_none(&none, c->err);
    return rc == MQ_OK ? mq_call_out_array(c, 0, none) : rc;
}

static mq_status op_optional_get_element(mq_call *c)
{
    if (!mq_call_has(c, 0))
        return mq_call_fail(c, "the optional is empty");
    return mq_call_out_array(c, 0, hold(c->in[0]));
}

static mq_status op_optional_has_element(mq_call *c)
{
    void *out;
    const mq_status rc = mq_call_out(c, 0, MQ_BOOL, 0, NULL, &out);

    if (rc == MQ_OK && out)
        *(unsigned char *)out = mq_call_has(c, 0);
    return rc;
}

const mq_kernel mq_kernels_sequence[] = {
    { "", "ConcatFromSequence", op_concat_from_sequence, 0 },
    { "", "Optional", op_optional, 0 },
    { "", "OptionalGetElement", op_optional_get_element, 0 },
    { "", "OptionalHasElement", op_optional_has_element, 0 },
    { "", "SequenceAt", op_sequence_at, 0 },
    { "", "SequenceConstruct", op_sequence_construct, 0 },
    { "", "SequenceEmpty", op_sequence_empty, 0 },
    { "", "SequenceErase", op_sequence_erase, 0 },
    { "", "SequenceInsert", op_sequence_insert, 0 },
    { "", "SequenceLength", op_sequence_length, 0 },
    { "", "SplitToSequence", op_split_to_sequence, 0 },
    { 0 },
};
