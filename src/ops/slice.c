/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Cutting and joining along axes: Concat, Split, Slice, Pad, Tile, and the block moves DepthToSpace and SpaceToDepth.
 * Contents are cut and joined with them, as shape arithmetic needs. */
#include "base/compiler.h"
#include "ops/contents.h"
#include "ops/families.h"

/* Contents of input i when it is a vector, *n of them; NULL otherwise. */
static const mq_dim *vector_contents(const mq_infer *in, size_t i, size_t *n)
{
    const mq_dim *e = mq_in_known(in, i, n);

    return mq_in_rank(in, i) == 1 ? e : NULL;
}

/* ---- Concat ------------------------------------------------------------------------------------------------------- */

/* Elements behind each other. Of an input without contents its length is enough: its elements are then unknown. */
static mq_status concat_contents(mq_infer *in, int64_t total)
{
    mq_dim *elems = mq_dims_new(in, total <= MQ_KNOWN_MAX ? (int)total : 0);
    bool any = false;
    int64_t at = 0;

    if (!elems)
        return mq_oom(in->err);
    if (total > MQ_KNOWN_MAX)
        return MQ_OK;
    for (size_t i = 0; i < in->node->n_inputs; i++) {
        size_t n;
        const mq_dim *e = vector_contents(in, i, &n);
        const int64_t length = mq_in_dims(in, i)[0].value;

        any = any || e;
        for (int64_t k = 0; k < length; k++)
            elems[at++] = e && (int64_t)n == length ? e[k] : MQ_ELEM_UNKNOWN;
    }
    return any ? mq_out_contents(in, 0, elems, (size_t)total) : MQ_OK;
}

/* Takes input i into the sizes found so far: summed along the axis, equal elsewhere. */
static mq_status concat_add(mq_infer *in, size_t i, int axis, int rank, mq_dim *out)
{
    const mq_dim *dims = mq_in_dims(in, i);

    if (mq_in_rank(in, i) != rank)
        return mq_fail(in->err, MQ_ERR_INPUT, "input %zu has rank %d, another has %d", i, mq_in_rank(in, i), rank);
    for (int k = 0; k < rank; k++) {
        bool conflict = false;

        if (k == axis) {
            out[k] = mq_dim_add(in, out[k], dims[k]);
            continue;
        }
        out[k] = mq_dim_merge(out[k], dims[k], &conflict);
        if (conflict)
            return mq_fail(in->err, MQ_ERR_INPUT, "input %zu has size %lld in dimension %d, others have %lld", i,
                           (long long)dims[k].value, k, (long long)out[k].value);
    }
    return MQ_OK;
}

static mq_status infer_concat(mq_infer *in)
{
    const size_t n_in = in->node->n_inputs;
    bool all = true;
    int rank = -1, axis;
    mq_dim *out;

    for (size_t i = 0; i < n_in && rank < 0; i++)
        rank = mq_in_rank(in, i);
    if (rank < 0 || (!mq_node_attr(in->node, "axis") && in->version >= 4))
        return mq_out_rank(in, 0, rank);
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", 1), rank, &axis));
    out = mq_dims_new(in, rank);
    if (!out)
        return mq_oom(in->err);
    out[axis] = MQ_DIM(0);
    for (size_t i = 0; i < n_in; i++) {
        if (mq_in_dims(in, i))
            MQ_RULE_TRY(concat_add(in, i, axis, rank, out));
        else
            all = false;
    }
    if (!all)
        out[axis] = MQ_DIM_UNKNOWN;
    MQ_RULE_TRY(mq_out_shape(in, 0, rank, out));
    return rank == 1 && mq_dim_known(out[0]) ? concat_contents(in, out[0].value) : MQ_OK;
}

/* ---- Split -------------------------------------------------------------------------------------------------------- */

/* Sizes as given: as many as outputs, and together the whole axis. */
static mq_status split_given(mq_infer *in, mq_elems sizes, mq_dim whole, mq_dim *parts)
{
    mq_dim sum = MQ_DIM(0);

    if (sizes.n >= 0 && (size_t)sizes.n != in->node->n_outputs)
        return mq_fail(in->err, MQ_ERR_INPUT, "%d sizes are given for %zu outputs", sizes.n, in->node->n_outputs);
    for (int i = 0; i < sizes.n; i++) {
        if (mq_elem_known(sizes.e[i]) && sizes.e[i].value < 0)
            return mq_fail(in->err, MQ_ERR_INPUT, "size %d of the split is %lld", i, (long long)sizes.e[i].value);
        parts[i] = mq_dim_of_elem(sizes.e[i]);
        sum = mq_dim_add(in, sum, parts[i]);
    }
    if (sizes.n >= 0 && mq_dim_known(whole) && mq_dim_known(sum) && whole.value != sum.value)
        return mq_fail(in->err, MQ_ERR_INPUT, "the sizes of the split sum up to %lld, the axis has size %lld",
                       (long long)sum.value, (long long)whole.value);
    return MQ_OK;
}

/* Equal parts; since opset 18 the last one may be smaller. */
static mq_status split_equal(mq_infer *in, mq_dim whole, mq_dim *parts)
{
    const int64_t n = (int64_t)in->node->n_outputs;
    mq_dim part = mq_dim_div(in, whole, MQ_DIM(n)), last = part;

    if (mq_dim_known(whole) && whole.value % n != 0) {
        if (in->version < 18)
            return mq_fail(in->err, MQ_ERR_INPUT, "size %lld cannot be split into %lld equal parts",
                           (long long)whole.value, (long long)n);
        part = MQ_DIM(whole.value / n + 1);
        if (part.value > whole.value / (n - 1)) /* 5 into 4: nothing is left for the last one, runtimes differ */
            return MQ_OK;
        last = MQ_DIM(whole.value - part.value * (n - 1));
    }
    for (int64_t i = 0; i < n; i++)
        parts[i] = i + 1 < n ? part : last;
    return MQ_OK;
}

/* Up to opset 12 the sizes are an attribute (in 1 also an input), then an input; num_outputs came with 18. */
static mq_status split_sizes(mq_infer *in, mq_dim whole, mq_dim *parts)
{
    const bool by_input = (in->version >= 13 || in->version < 2) && mq_in_has(in, 1);
    mq_elems sizes = { .n = -1 };

    if (by_input) {
        MQ_RULE_TRY(mq_in_elems(in, 1, &sizes));
        return split_given(in, sizes, whole, parts);
    }
    if (in->version < 13 && mq_node_attr(in->node, "split")) {
        MQ_RULE_TRY(mq_attr_elems(in, "split", &sizes));
        return split_given(in, sizes, whole, parts);
    }
    if (in->version >= 18) {
        const int64_t n = mq_node_attr_int(in->node, "num_outputs", -1);

        if (n < 0 && !mq_node_attr(in->node, "num_outputs"))
            return mq_fail(in->err, MQ_ERR_INPUT, "neither input 'split' nor attribute 'num_outputs' is given");
        if (n < 0 || (uint64_t)n != in->node->n_outputs)
            return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'num_outputs' is %lld, the node has %zu outputs",
                           (long long)n, in->node->n_outputs);
    }
    return split_equal(in, whole, parts);
}

static mq_status split_contents(mq_infer *in, const mq_dim *parts)
{
    size_t n, at = 0;
    const mq_dim *e = vector_contents(in, 0, &n);

    for (size_t i = 0; e && i < in->node->n_outputs; i++) {
        if (!mq_dim_known(parts[i]) || (uint64_t)parts[i].value > n - at)
            break;
        MQ_RULE_TRY(mq_out_contents(in, i, e + at, (size_t)parts[i].value));
        at += (size_t)parts[i].value;
    }
    return MQ_OK;
}

static mq_status infer_split(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0);
    const int rank = mq_in_rank(in, 0);
    const size_t n_out = in->node->n_outputs;
    mq_dim *parts = mq_dims_new(in, (int)n_out), *out = mq_dims_new(in, rank);
    int axis;

    if (!parts || !out)
        return mq_oom(in->err);
    if (!dims || n_out == 0)
        return MQ_OK;
    MQ_RULE_TRY(mq_norm_axis(in, mq_node_attr_int(in->node, "axis", 0), rank, &axis));
    MQ_RULE_TRY(split_sizes(in, dims[axis], parts));
    for (int k = 0; k < rank; k++)
        out[k] = dims[k];
    for (size_t i = 0; i < n_out; i++) {
        out[axis] = parts[i];
        MQ_RULE_TRY(mq_out_shape(in, i, rank, out));
    }
    return split_contents(in, parts);
}

/* ---- Slice -------------------------------------------------------------------------------------------------------- */

typedef struct cut {
    mq_dim start, end, step; /* elements */
} cut;

static int64_t clamp(int64_t v, int64_t low, int64_t high)
{
    return v < low ? low : v > high ? high : v;
}

/* Start and end of a cut into an axis of known size, counted and clamped as the specification says. */
static void cut_bounds(const cut *c, int64_t size, int64_t *start, int64_t *end)
{
    const bool forward = c->step.value > 0;
    const int64_t high = forward ? size : size - 1;

    *start = clamp(c->start.value < 0 ? c->start.value + size : c->start.value, 0, high);
    *end = clamp(c->end.value < 0 ? c->end.value + size : c->end.value, forward ? 0 : -1, high);
}

static int64_t cut_count(const cut *c, int64_t size)
{
    int64_t start, end;

    if (size == 0)
        return 0;
    cut_bounds(c, size, &start, &end);
    if (c->step.value > 0)
        return end > start ? (end - start - 1) / c->step.value + 1 : 0;
    return start > end ? (start - end - 1) / -c->step.value + 1 : 0;
}

/* A place on an axis where numbers do not suffice: 0, the end (written as a very large number), or a symbol that the
 * size is at least. On an axis of known size a symbol is taken to be a place within: tables of positions and masks are
 * cut to a sequence's length this way, and a longer sequence would not fit the model behind. */
static mq_dim place(mq_infer *in, mq_dim e, mq_dim size)
{
    const mq_dim at = mq_dim_of_elem(e);
    mq_dim rest;

    if (mq_dim_known(at))
        return at.value == 0 ? at : at.value >= INT32_MAX ? size : MQ_DIM_UNKNOWN;
    if (!at.symbol || size.value > 1)
        return at;
    rest = mq_dim_sub(in, size, at);
    return mq_dim_known(rest) || rest.symbol ? at : MQ_DIM_UNKNOWN;
}

static mq_dim cut_dim(mq_infer *in, const cut *c, mq_dim size)
{
    mq_dim from;

    if (!mq_elem_known(c->step))
        return MQ_DIM_UNKNOWN;
    if (mq_dim_known(size) && mq_elem_known(c->start) && mq_elem_known(c->end))
        return MQ_DIM(cut_count(c, size.value));
    if (c->step.value == 1) {
        from = place(in, c->start, size);
        if (!mq_dim_known(from) && !from.symbol)
            return MQ_DIM_UNKNOWN;
        return mq_dim_sub(in, place(in, c->end, size), from);
    }
    /* the whole axis backwards */
    if (c->step.value == -1 && mq_elem_known(c->start) && (c->start.value == -1 || c->start.value >= INT32_MAX) &&
        mq_elem_known(c->end) && c->end.value <= -INT32_MAX)
        return size;
    return MQ_DIM_UNKNOWN;
}

/* Where a cut begins in the contents and how it steps, added to what the other axes make of it. *strides NULL: the cut is
 * not known, so neither are the contents. */
static void cut_stride(const cut *c, int64_t size, int64_t *base, int64_t **strides, int axis)
{
    int64_t start, end;

    if (!*strides)
        return;
    if (!mq_elem_known(c->start) || !mq_elem_known(c->end) || !mq_elem_known(c->step)) {
        *strides = NULL;
        return;
    }
    if (cut_count(c, size) == 0)
        return;
    cut_bounds(c, size, &start, &end);
    *base += start * (*strides)[axis];
    if (__builtin_mul_overflow((*strides)[axis], c->step.value, &(*strides)[axis]))
        (*strides)[axis] = 0; /* a step over everything: one element is left */
}

/* The lists of a Slice node: attributes before opset 10, inputs since. n -1: absent or of unknown length. */
typedef struct cuts {
    mq_elems starts, ends, axes, steps;
    bool has_axes, has_steps;
} cuts;

static mq_status read_cuts(mq_infer *in, cuts *c)
{
    *c = (cuts){ .steps = { .n = -1 } };
    if (in->version < 10) {
        MQ_RULE_TRY(mq_attr_elems(in, "starts", &c->starts));
        MQ_RULE_TRY(mq_attr_elems(in, "ends", &c->ends));
        MQ_RULE_TRY(mq_attr_elems(in, "axes", &c->axes));
        c->has_axes = mq_node_attr(in->node, "axes") != NULL;
    } else {
        MQ_RULE_TRY(mq_in_elems(in, 1, &c->starts));
        MQ_RULE_TRY(mq_in_elems(in, 2, &c->ends));
        MQ_RULE_TRY(mq_in_elems(in, 3, &c->axes));
        MQ_RULE_TRY(mq_in_elems(in, 4, &c->steps));
        c->has_axes = mq_in_has(in, 3);
        c->has_steps = mq_in_has(in, 4);
    }
    return MQ_OK;
}

/* Every list that is there has as many entries; *n -1: none of them tells. */
static mq_status cuts_length(mq_infer *in, const cuts *c, int *n)
{
    const mq_elems *lists[] = { &c->starts, &c->ends, &c->axes, &c->steps };

    *n = -1;
    for (size_t i = 0; i < MQ_ARRAY_LEN(lists); i++) {
        if (lists[i]->n < 0)
            continue;
        if (*n >= 0 && lists[i]->n != *n)
            return mq_fail(in->err, MQ_ERR_INPUT, "starts, ends, axes and steps have %d and %d entries, not as many", *n,
                           lists[i]->n);
        *n = lists[i]->n;
    }
    return MQ_OK;
}

/* Entry i of the lists. */
static mq_status read_cut(mq_infer *in, const cuts *c, int i, cut *out)
{
    out->start = c->starts.n >= 0 ? c->starts.e[i] : MQ_ELEM_UNKNOWN;
    out->end = c->ends.n >= 0 ? c->ends.e[i] : MQ_ELEM_UNKNOWN;
    out->step = c->steps.n >= 0 ? c->steps.e[i] : c->has_steps ? MQ_ELEM_UNKNOWN : MQ_DIM(1);
    if (mq_elem_known(out->step) && out->step.value == 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "step %d is 0", i);
    /* backwards to the largest number: by the specification nothing is left, ONNX Runtime goes to the beginning */
    if (mq_elem_known(out->step) && out->step.value < 0 && (out->end.value == INT32_MAX || out->end.value == INT64_MAX))
        out->end = MQ_ELEM_UNKNOWN;
    return MQ_OK;
}

/* Without axes the lists are for the first ones. */
static mq_status cut_axes(mq_infer *in, const cuts *c, int n, int rank, int **at, bool *known)
{
    if (c->has_axes) {
        *known = c->axes.n >= 0;
        return *known ? mq_axes_norm(in, c->axes, rank, at, known) : MQ_OK;
    }
    if (n > rank)
        return mq_fail(in->err, MQ_ERR_INPUT, "%d axes are cut, the input has rank %d", n, rank);
    *known = true;
    *at = mq_arena_calloc(in->model->arena, (size_t)n, sizeof **at);
    if (!*at)
        return mq_oom(in->err);
    for (int i = 0; i < n; i++)
        (*at)[i] = i;
    return MQ_OK;
}

static mq_status infer_slice(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0);
    const int rank = mq_in_rank(in, 0);
    mq_dim *out = mq_dims_new(in, rank);
    bool known = false;
    int n, *at = NULL;
    int64_t base = 0, *strides;
    cuts all;
    cut one;

    if (!out)
        return mq_oom(in->err);
    if (!dims)
        return mq_out_rank(in, 0, -1);
    MQ_RULE_TRY(read_cuts(in, &all));
    MQ_RULE_TRY(cuts_length(in, &all, &n));
    if (n >= 0)
        MQ_RULE_TRY(cut_axes(in, &all, n, rank, &at, &known));
    if (!known)
        return mq_out_shape(in, 0, rank, out);
    for (int k = 0; k < rank; k++)
        out[k] = dims[k];
    MQ_RULE_TRY(mq_in_strides(in, &strides));
    for (int i = 0; i < n; i++) {
        MQ_RULE_TRY(read_cut(in, &all, i, &one));
        out[at[i]] = cut_dim(in, &one, dims[at[i]]);
        cut_stride(&one, dims[at[i]].value, &base, &strides, at[i]);
    }
    MQ_RULE_TRY(mq_out_shape(in, 0, rank, out));
    return strides ? mq_out_contents_strided(in, 0, base, strides) : MQ_OK;
}

/* ---- Pad, Tile ---------------------------------------------------------------------------------------------------- */

/* The amounts: attribute 'paddings' in opset 1, 'pads' up to 10, an input since. */
static mq_status read_pads(mq_infer *in, mq_elems *pads)
{
    if (in->version < 2)
        return mq_attr_elems(in, "paddings", pads);
    return in->version < 11 ? mq_attr_elems(in, "pads", pads) : mq_in_elems(in, 1, pads);
}

static mq_status pad_dim(mq_infer *in, mq_dim size, mq_dim begin, mq_dim end, mq_dim *out)
{
    const mq_dim sum = mq_elem_add(in, mq_elem_add(in, mq_elem_of_dim(size), begin), end);

    if (mq_elem_known(sum) && sum.value < 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "padding %lld and %lld leaves nothing of size %lld", (long long)begin.value,
                       (long long)end.value, (long long)size.value);
    *out = mq_dim_of_elem(sum);
    return MQ_OK;
}

static mq_status infer_pad(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0);
    const int rank = mq_in_rank(in, 0);
    const bool has_axes = in->version >= 18 && mq_in_has(in, 3);
    mq_dim *out = mq_dims_new(in, rank);
    mq_elems pads, axes = { .n = -1 };
    bool known = true;
    int *at = NULL, n = rank;

    if (!out)
        return mq_oom(in->err);
    if (!dims)
        return mq_out_rank(in, 0, -1);
    MQ_RULE_TRY(read_pads(in, &pads));
    if (has_axes) {
        MQ_RULE_TRY(mq_in_elems(in, 3, &axes));
        MQ_RULE_TRY(mq_axes_norm(in, axes, rank, &at, &known));
        n = axes.n;
    }
    if (known && pads.n >= 0 && pads.n != 2 * n)
        return mq_fail(in->err, MQ_ERR_INPUT, "%d amounts of padding are given, %d are needed", pads.n, 2 * n);
    if (!known)
        return mq_out_shape(in, 0, rank, out);
    for (int k = 0; has_axes && k < rank; k++)
        out[k] = dims[k];
    for (int i = 0; i < n; i++) {
        const int k = has_axes ? at[i] : i;

        out[k] = MQ_DIM_UNKNOWN;
        if (pads.n >= 0)
            MQ_RULE_TRY(pad_dim(in, dims[k], pads.e[i], pads.e[n + i], &out[k]));
    }
    return mq_out_shape(in, 0, rank, out);
}

static mq_status tile_contents(mq_infer *in, int64_t total)
{
    size_t n;
    const mq_dim *e = vector_contents(in, 0, &n);
    mq_dim *elems;

    if (!e || n == 0 || total < 0 || total > MQ_KNOWN_MAX)
        return MQ_OK;
    elems = mq_dims_new(in, (int)total);
    if (!elems)
        return mq_oom(in->err);
    for (int64_t i = 0; i < total; i++)
        elems[i] = e[(size_t)i % n];
    return mq_out_contents(in, 0, elems, (size_t)total);
}

static mq_status tile_dim(mq_infer *in, mq_dim repeats, mq_dim *size)
{
    if (mq_elem_known(repeats) && repeats.value < 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "%lld repetitions", (long long)repeats.value);
    *size = mq_dim_mul(in, *size, mq_dim_of_elem(repeats));
    return MQ_OK;
}

/* Opset 1: one axis and its count of copies, as scalars. */
static mq_status tile_axis(mq_infer *in, int rank, mq_dim *out)
{
    const mq_dim tiles = mq_in_element(in, 1), axis = mq_in_element(in, 2);
    int at;

    if (!mq_elem_known(axis))
        return mq_out_rank(in, 0, rank);
    MQ_RULE_TRY(mq_norm_axis(in, axis.value, rank, &at));
    MQ_RULE_TRY(tile_dim(in, tiles, &out[at]));
    return mq_out_shape(in, 0, rank, out);
}

static mq_status infer_tile(mq_infer *in)
{
    mq_elems repeats;
    mq_dim *out;
    int rank;

    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &out));
    if (!out)
        return mq_out_rank(in, 0, -1);
    if (in->version < 6)
        return tile_axis(in, rank, out);
    MQ_RULE_TRY(mq_in_elems(in, 1, &repeats));
    if (repeats.n < 0)
        return mq_out_rank(in, 0, rank);
    if (repeats.n != rank)
        return mq_fail(in->err, MQ_ERR_INPUT, "%d repetitions are given, the input has rank %d", repeats.n, rank);
    for (int i = 0; i < rank; i++)
        MQ_RULE_TRY(tile_dim(in, repeats.e[i], &out[i]));
    MQ_RULE_TRY(mq_out_shape(in, 0, rank, out));
    return rank == 1 ? tile_contents(in, out[0].value) : MQ_OK;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------- */

/* The block's side and its square; *side 0: not known. */
static mq_status read_block(mq_infer *in, mq_dim *side, mq_dim *square)
{
    const int64_t size = mq_node_attr_int(in->node, "blocksize", 0);

    MQ_RULE_TRY(mq_want_rank(in, 0, 4, 4));
    *side = *square = MQ_DIM_UNKNOWN;
    if (!mq_node_attr(in->node, "blocksize"))
        return MQ_OK;
    if (size <= 0 || size > INT32_MAX)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'blocksize' is %lld", (long long)size);
    *side = MQ_DIM(size);
    *square = MQ_DIM(size * size);
    return MQ_OK;
}

/* size / by, which has to be whole. */
static mq_status divide_whole(mq_infer *in, mq_dim size, mq_dim by, mq_dim *out)
{
    if (mq_dim_known(size) && mq_dim_known(by) && size.value % by.value != 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "size %lld is no multiple of %lld", (long long)size.value,
                       (long long)by.value);
    *out = mq_dim_div(in, size, by);
    return MQ_OK;
}

static mq_status infer_depth_to_space(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0);
    mq_dim side, square, out[4] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN };

    MQ_RULE_TRY(read_block(in, &side, &square));
    if (!dims)
        return mq_out_shape(in, 0, 4, out);
    out[0] = dims[0];
    MQ_RULE_TRY(divide_whole(in, dims[1], square, &out[1]));
    out[2] = mq_dim_mul(in, dims[2], side);
    out[3] = mq_dim_mul(in, dims[3], side);
    return mq_out_shape(in, 0, 4, out);
}

static mq_status infer_space_to_depth(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0);
    mq_dim side, square, out[4] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN };

    MQ_RULE_TRY(read_block(in, &side, &square));
    if (!dims)
        return mq_out_shape(in, 0, 4, out);
    out[0] = dims[0];
    out[1] = mq_dim_mul(in, dims[1], square);
    MQ_RULE_TRY(divide_whole(in, dims[2], side, &out[2]));
    MQ_RULE_TRY(divide_whole(in, dims[3], side, &out[3]));
    return mq_out_shape(in, 0, 4, out);
}

const mq_op_rule mq_rules_slice[] = {
    { "", "Concat", infer_concat, NULL, NULL },
    { "", "DepthToSpace", infer_depth_to_space, NULL, NULL },
    { "", "Pad", infer_pad, NULL, NULL },
    { "", "Slice", infer_slice, NULL, NULL },
    { "", "SpaceToDepth", infer_space_to_depth, NULL, NULL },
    { "", "Split", infer_split, NULL, NULL },
    { "", "Tile", infer_tile, NULL, NULL },
};
const size_t mq_rules_slice_n = MQ_ARRAY_LEN(mq_rules_slice);
