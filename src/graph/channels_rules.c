/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What each operator couples: one rule per kind of operator, in a sorted table. An operator without a rule, or whose tensors
 * have no known rank, keeps everything that it touches. */
#include <string.h>

#include "graph/channels_parts.h"

typedef void (*rule_fn)(mq_channels *c, const mq_node *n);

static const mq_value *input(const mq_node *n, size_t i)
{
    return i < n->n_inputs ? n->inputs[i] : NULL;
}

static const mq_value *output(const mq_node *n, size_t i)
{
    return i < n->n_outputs ? n->outputs[i] : NULL;
}

/* An axis attribute as 0..rank-1; -1: outside. */
static int axis_of(int64_t axis, int rank)
{
    axis += axis < 0 ? rank : 0;
    return axis >= 0 && axis < rank ? (int)axis : -1;
}

const int64_t *mq_channels_ints(mq_channels *c, const mq_node *n, const char *attr, size_t index, size_t *count)
{
    const int64_t *list = mq_node_attr_ints(n, attr, count);
    const mq_value *v = input(n, index);
    mq_tensor *t = v ? mq_value_constant(v, true) : NULL;
    int64_t *out, size;

    if (list || !v)
        return list;
    *count = SIZE_MAX;
    size = t ? mq_tensor_count(t) : (int64_t)v->n_known;
    if ((!t && !v->known) || size < 0 || size > 64 || !(out = mq_arena_alloc(c->arena, ((size_t)size + 1) * sizeof *out)))
        return NULL;
    if (t && mq_tensor_read_i64(t, 0, (uint64_t)size, out, NULL) != MQ_OK)
        return NULL;
    for (int64_t i = 0; !t && i < size; i++) {
        out[i] = v->known[i].value;
        if (out[i] == INT64_MIN)
            return NULL;
    }
    *count = (size_t)size;
    return out;
}

static void link_all(mq_channels *c, const mq_node *n, const mq_value *x, const mq_value *y)
{
    for (int i = 0; i < mq_atoms_rank(c, x); i++)
        mq_atoms_link(c, n, x, i, y, i);
}

/* v is broadcast to y: axes are matched from the right. */
static void link_right(mq_channels *c, const mq_node *n, const mq_value *v, const mq_value *y)
{
    const int shift = mq_atoms_rank(c, y) - mq_atoms_rank(c, v);

    for (int i = 0; v && i < mq_atoms_rank(c, v); i++)
        mq_atoms_link(c, n, v, i, y, i + shift);
}

/* ---- element by element --------------------------------------------------------------------------------------------- */

static void same(mq_channels *c, const mq_node *n)
{
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i])
            link_all(c, n, n->inputs[0], n->outputs[i]);
}

static void broadcast(mq_channels *c, const mq_node *n)
{
    for (size_t i = 0; i < n->n_inputs; i++)
        link_right(c, n, n->inputs[i], n->outputs[0]);
}

/* Scales and zero points per channel go with the axis. */
static void quantized(mq_channels *c, const mq_node *n)
{
    const int axis = axis_of(mq_node_attr_int(n, "axis", 1), mq_atoms_rank(c, n->inputs[0]));

    if (mq_node_attr_int(n, "block_size", 0)) {
        mq_atoms_fix_node(c, n, "quantizes in blocks");
        return;
    }
    link_all(c, n, n->inputs[0], n->outputs[0]);
    for (size_t i = 1; i < n->n_inputs; i++)
        if (n->inputs[i] && mq_atoms_rank(c, n->inputs[i]) == 1)
            mq_atoms_link(c, n, n->inputs[i], 0, n->inputs[0], axis);
}

/* Lists of sizes, not data. */
static void nothing(mq_channels *c, const mq_node *n)
{
    (void)c;
    (void)n;
}

/* ---- products ------------------------------------------------------------------------------------------------------- */

static void fix_spatial(mq_channels *c, const mq_node *n, const mq_value *v)
{
    for (int i = 2; i < mq_atoms_rank(c, v); i++)
        mq_atoms_fix(c, v, i, n, "slides over this axis");
}

static void join_at(mq_channels *c, const mq_value *v, int axis, uint32_t i, const mq_value *w, int axis2, uint32_t k)
{
    mq_atoms_join(c, mq_atoms_at(c, v, axis, i), mq_atoms_at(c, w, axis2, k));
}

bool mq_channels_whole_groups(int64_t group, int64_t in_per_group)
{
    return group >= in_per_group;
}

/* Axis `a` of x holds `groups` times `per` channels; w's axis holds one group's, or all. */
static void link_grouped(mq_channels *c, const mq_value *x, const mq_value *w, int w_axis, uint32_t per, bool whole)
{
    const uint32_t n = mq_atoms_size(c, x, 1);

    for (uint32_t i = 0; i < n; i++)
        if (whole)
            join_at(c, x, 1, i, x, 1, i - i % per);
        else
            join_at(c, x, 1, i, w, w_axis, i % per);
}

/* Of several groups whole ones go, with what they read and make, or the same channels of each. */
static void grouped(mq_channels *c, const mq_node *n, const mq_value *x, const mq_value *y, uint32_t group, bool transposed)
{
    const mq_value *w = n->inputs[1];
    const uint32_t in = mq_atoms_size(c, x, 1), out = mq_atoms_size(c, y, 1);
    const bool whole = mq_channels_whole_groups(group, group ? in / group : 0);

    if (!group || !in || !out || in % group || out % group) {
        mq_atoms_fix_node(c, n, "has groups of unknown size");
        return;
    }
    link_grouped(c, x, w, transposed ? 0 : 1, in / group, whole);
    link_grouped(c, y, w, transposed ? 1 : 0, out / group, whole);
    for (uint32_t g = 0; whole && g < group; g++)
        join_at(c, x, 1, g * (in / group), y, 1, g * (out / group));
    /* the weight's axis that runs over all groups; the other one is as long as one group */
    mq_atoms_link(c, n, transposed ? x : y, 1, w, 0);
    if (whole)
        mq_atoms_fix(c, w, 1, n, "has groups that go as a whole");
}

static void convolve(mq_channels *c, const mq_node *n, bool transposed)
{
    const mq_value *x = n->inputs[0], *w = n->inputs[1], *y = n->outputs[0];
    const int64_t group = mq_node_attr_int(n, "group", 1);

    fix_spatial(c, n, x);
    fix_spatial(c, n, w);
    fix_spatial(c, n, y);
    mq_atoms_link(c, n, x, 0, y, 0);
    if (group == 1) {
        mq_atoms_link(c, n, x, 1, w, transposed ? 0 : 1);
        mq_atoms_link(c, n, y, 1, w, transposed ? 1 : 0);
    } else {
        grouped(c, n, x, y, group > 0 && group <= INT32_MAX ? (uint32_t)group : 0, transposed);
    }
    if (input(n, 2))
        mq_atoms_link(c, n, n->inputs[2], 0, y, 1);
    mq_channels_bear(c, n, w, transposed && group == 1 ? 1 : 0);
}

static void conv(mq_channels *c, const mq_node *n)
{
    convolve(c, n, false);
}

static void conv_transpose(mq_channels *c, const mq_node *n)
{
    convolve(c, n, true);
}

/* Both factors are computed: a head's inside (attention). */
static void mark_inner(mq_channels *c, const mq_value *v, int axis)
{
    mq_atoms_flag(c, v, axis, MQ_ATOMS_INNER);
}

static void matmul(mq_channels *c, const mq_node *n)
{
    const mq_value *a = n->inputs[0], *b = n->inputs[1], *y = n->outputs[0];
    const int ra = mq_atoms_rank(c, a), rb = mq_atoms_rank(c, b), ry = mq_atoms_rank(c, y);
    const int k_of_b = rb > 1 ? rb - 2 : 0;
    const bool constant_a = mq_channels_is_weight(a), constant_b = mq_channels_is_weight(b);

    mq_atoms_link(c, n, a, ra - 1, b, k_of_b);
    if (rb > 1)
        mq_atoms_link(c, n, b, rb - 1, y, ry - 1);
    if (ra > 1)
        mq_atoms_link(c, n, a, ra - 2, y, ry - (rb > 1 ? 2 : 1));
    for (int i = 3; i <= ra; i++)
        mq_atoms_link(c, n, a, ra - i, y, ry - i);
    for (int i = 3; i <= rb; i++)
        mq_atoms_link(c, n, b, rb - i, y, ry - i);
    if (rb > 1 && !constant_a)
        constant_b ? mq_channels_bear(c, n, b, rb - 1) : mark_inner(c, y, ry - 1);
    if (constant_a && ra > 1)
        mq_channels_bear(c, n, a, ra - 2);
    if (!constant_a && !constant_b)
        mark_inner(c, a, ra - 1);
}

static void gemm(mq_channels *c, const mq_node *n)
{
    const int ta = mq_node_attr_int(n, "transA", 0) != 0, tb = mq_node_attr_int(n, "transB", 0) != 0;

    mq_atoms_link(c, n, n->inputs[0], 1 - ta, n->inputs[1], tb);
    mq_atoms_link(c, n, n->inputs[0], ta, n->outputs[0], 0);
    mq_atoms_link(c, n, n->inputs[1], 1 - tb, n->outputs[0], 1);
    mq_channels_bear(c, n, n->inputs[1], 1 - tb);
    link_right(c, n, input(n, 2), n->outputs[0]);
}

/* LSTM, GRU, RNN: each unit has a row in every gate's block. */
static void link_gates(mq_channels *c, const mq_value *v, int axis, uint32_t hidden, const mq_value *r)
{
    const uint32_t n = mq_atoms_size(c, v, axis);

    for (uint32_t i = 0; i < n; i++)
        join_at(c, v, axis, i, r, 2, i % hidden);
}

static void recurrent(mq_channels *c, const mq_node *n)
{
    const mq_value *w = n->inputs[1], *r = input(n, 2);
    const uint32_t hidden = mq_atoms_size(c, r, 2);

    if (!hidden || mq_node_attr_int(n, "layout", 0)) {
        mq_atoms_fix_node(c, n, "has no known number of units");
        return;
    }
    mq_atoms_fix(c, n->inputs[0], 0, n, "runs along this axis");
    mq_atoms_fix(c, w, 0, n, "has directions there");
    mq_atoms_link(c, n, n->inputs[0], 2, w, 2);
    link_gates(c, w, 1, hidden, r);
    link_gates(c, r, 1, hidden, r);
    if (input(n, 3))
        link_gates(c, n->inputs[3], 1, hidden, r);
    for (size_t i = 5; i < n->n_inputs; i++) {
        const mq_value *v = n->inputs[i];

        if (v)
            link_gates(c, v, mq_atoms_rank(c, v) - 1, hidden, r);
    }
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i])
            mq_atoms_link(c, n, n->outputs[i], mq_atoms_rank(c, n->outputs[i]) - 1, r, 2);
    mq_atoms_bear(c, n, r, 2);
}

/* ---- normalization, reduction --------------------------------------------------------------------------------------- */

static void normalize_channels(mq_channels *c, const mq_node *n)
{
    link_all(c, n, n->inputs[0], n->outputs[0]);
    for (size_t i = 1; i < n->n_inputs; i++)
        mq_atoms_link(c, n, n->inputs[i], 0, n->inputs[0], 1);
    for (size_t i = 1; i < n->n_outputs; i++)
        if (n->outputs[i])
            mq_atoms_link(c, n, n->outputs[i], 0, n->inputs[0], 1);
}

/* LayerNormalization, RMSNormalization: over all axes from `axis` on. */
static void normalize_last(mq_channels *c, const mq_node *n)
{
    const int rank = mq_atoms_rank(c, n->inputs[0]), axis = axis_of(mq_node_attr_int(n, "axis", -1), rank);

    link_all(c, n, n->inputs[0], n->outputs[0]);
    for (size_t i = 1; i < n->n_inputs; i++)
        link_right(c, n, n->inputs[i], n->inputs[0]);
    for (int i = axis; i >= 0 && i < rank; i++)
        mq_atoms_flag(c, n->inputs[0], i, MQ_ATOMS_MIX);
    for (size_t o = 1; o < n->n_outputs; o++)
        for (int i = 0; n->outputs[o] && i < axis; i++)
            mq_atoms_link(c, n, n->inputs[0], i, n->outputs[o], i);
}

/* Along its axis everything stays; older versions flatten to two axes first, so all behind it does. */
static void softmax(mq_channels *c, const mq_node *n)
{
    const int rank = mq_atoms_rank(c, n->inputs[0]);
    const bool flattens = mq_opset_of(n->graph, "") < 13;
    const int axis = axis_of(mq_node_attr_int(n, "axis", flattens ? 1 : -1), rank);

    link_all(c, n, n->inputs[0], n->outputs[0]);
    for (int i = axis < 0 ? 0 : axis; i < (flattens || axis < 0 ? rank : axis + 1); i++)
        mq_atoms_fix(c, n->inputs[0], i, n, "normalizes over this axis");
}

/* CumSum and the like stay what they are. */
static void along(mq_channels *c, const mq_node *n)
{
    same(c, n);
    for (int i = 0; i < mq_atoms_rank(c, n->inputs[0]); i++)
        mq_atoms_flag(c, n->inputs[0], i, MQ_ATOMS_MIX);
}

/* Axes that are no longer there, or are 1, stay for ArgMax, whose numbers mean something; a sum only loses a term. */
static void reduce(mq_channels *c, const mq_node *n)
{
    const mq_value *x = n->inputs[0], *y = n->outputs[0];
    const int rank = mq_atoms_rank(c, x);
    const bool arg = strncmp(n->op_type, "Arg", 3) == 0, keep = mq_node_attr_int(n, "keepdims", 1) != 0;
    const int64_t first = mq_node_attr_int(n, "axis", 0);
    size_t count = 0;
    const int64_t *axes = arg ? &first : mq_channels_ints(c, n, "axes", 1, &count);
    int to = 0;

    if (!axes && count == SIZE_MAX) {
        mq_atoms_fix_node(c, n, "reduces axes that are not known before it runs");
        return;
    }
    count = arg ? 1 : count;
    if (count == 0 && mq_node_attr_int(n, "noop_with_empty_axes", 0)) {
        link_all(c, n, x, y);
        return;
    }
    for (int i = 0; i < rank; i++) {
        bool gone = count == 0;

        for (size_t k = 0; k < count; k++)
            gone |= axis_of(axes[k], rank) == i;
        if (gone && arg)
            mq_atoms_fix(c, x, i, n, "gives numbers of this axis");
        else if (gone)
            mq_atoms_flag(c, x, i, MQ_ATOMS_MIX);
        else
            mq_atoms_link(c, n, x, i, y, to);
        to += !gone || keep;
    }
}

/* Samples and channels pass; the rest is slid over. */
static void pool(mq_channels *c, const mq_node *n)
{
    for (size_t i = 0; i < n->n_outputs; i++)
        for (int axis = 0; n->outputs[i] && axis < 2; axis++)
            mq_atoms_link(c, n, n->inputs[0], axis, n->outputs[i], axis);
    fix_spatial(c, n, n->inputs[0]);
    fix_spatial(c, n, n->outputs[0]);
}

/* ---- moving --------------------------------------------------------------------------------------------------------- */

static void transpose(mq_channels *c, const mq_node *n)
{
    const int rank = mq_atoms_rank(c, n->inputs[0]);
    size_t count;
    const int64_t *perm = mq_node_attr_ints(n, "perm", &count);

    for (int i = 0; i < rank; i++)
        if (!perm || i < (int)count)
            mq_atoms_link(c, n, n->inputs[0], perm ? axis_of(perm[i], rank) : rank - 1 - i, n->outputs[0], i);
}

static void view(mq_channels *c, const mq_node *n)
{
    if (!mq_channels_can_retarget(c, n))
        mq_atoms_fix_node(c, n, "has a target shape that cannot follow");
    mq_channels_view(c, n);
}

/* x's part from `from` on is v's axis; everything else is the same. */
static void link_part(mq_channels *c, const mq_node *n, const mq_value *whole, const mq_value *part, int axis, uint32_t from)
{
    const uint32_t size = mq_atoms_size(c, part, axis);

    for (int i = 0; i < mq_atoms_rank(c, whole); i++)
        if (i != axis)
            mq_atoms_link(c, n, whole, i, part, i);
    if (!size || !mq_atoms_size(c, whole, axis)) {
        mq_atoms_fix(c, whole, axis, n, "has parts of unknown size");
        mq_atoms_fix(c, part, axis, n, "has parts of unknown size");
    }
    /* a part of size 1 has no atom of its own: it stays */
    if (size == 1 && mq_atoms_at(c, whole, axis, from) != MQ_NO_ATOM)
        mq_atoms_fix(c, whole, axis, n, "has a part of one channel");
    for (uint32_t k = 0; k < size; k++)
        join_at(c, whole, axis, from + k, part, axis, k);
}

static void concat(mq_channels *c, const mq_node *n)
{
    const mq_value *y = n->outputs[0];
    const int axis = axis_of(mq_node_attr_int(n, "axis", 1), mq_atoms_rank(c, y));
    uint32_t at = 0;

    for (size_t i = 0; i < n->n_inputs; i++) {
        if (!n->inputs[i])
            continue;
        link_part(c, n, y, n->inputs[i], axis, at);
        at += mq_atoms_size(c, n->inputs[i], axis);
    }
}

static void split(mq_channels *c, const mq_node *n)
{
    const mq_value *x = n->inputs[0];
    const int axis = axis_of(mq_node_attr_int(n, "axis", 0), mq_atoms_rank(c, x));
    uint32_t at = 0;

    for (size_t i = 0; i < n->n_outputs; i++) {
        if (!n->outputs[i]) {
            mq_atoms_fix(c, x, axis, n, "has a part that nobody reads");
            continue;
        }
        link_part(c, n, x, n->outputs[i], axis, at);
        at += mq_atoms_size(c, n->outputs[i], axis);
    }
}

/* Steps other than 1 would need other starts and ends than counts can say. */
static void slice(mq_channels *c, const mq_node *n)
{
    const mq_value *x = n->inputs[0], *y = n->outputs[0];
    const int rank = mq_atoms_rank(c, x);
    size_t n_starts, n_ends, n_axes, n_steps;
    const int64_t *starts = mq_channels_ints(c, n, "starts", 1, &n_starts);
    const bool ends = mq_channels_ints(c, n, "ends", 2, &n_ends);
    const int64_t *axes = mq_channels_ints(c, n, "axes", 3, &n_axes);
    const int64_t *steps = mq_channels_ints(c, n, "steps", 4, &n_steps);

    if (n_axes == SIZE_MAX || n_steps == SIZE_MAX || (n_starts == SIZE_MAX && !axes)) {
        mq_atoms_fix_node(c, n, "slices axes that are not known before it runs");
        return;
    }
    for (int i = 0; i < rank; i++) {
        const uint32_t size = mq_atoms_size(c, x, i);
        size_t k = 0, count = axes ? n_axes : n_starts;

        while (k < count && axis_of(axes ? axes[k] : (int64_t)k, rank) != i)
            k++;
        if (k == count) {
            mq_atoms_link(c, n, x, i, y, i);
        } else if (n_starts == SIZE_MAX || !ends || k >= n_starts || (steps && (k >= n_steps || steps[k] != 1)) || !size) {
            mq_atoms_fix(c, x, i, n, "slices this axis in steps, or from an unknown start");
            mq_atoms_fix(c, y, i, n, "slices this axis in steps, or from an unknown start");
        } else {
            const int64_t from = starts[k] < 0 ? starts[k] + (int64_t)size : starts[k];
            const uint32_t at = from < 0 ? 0 : from > (int64_t)size ? size : (uint32_t)from;

            if (mq_atoms_size(c, y, i) == 1)
                mq_atoms_fix(c, x, i, n, "takes one channel of it");
            if (!mq_atoms_size(c, y, i))
                mq_atoms_fix(c, x, i, n, "takes an unknown part of it");
            for (uint32_t t = 0; t < mq_atoms_size(c, y, i); t++)
                join_at(c, x, i, at + t, y, i, t);
        }
    }
}

static void pad(mq_channels *c, const mq_node *n)
{
    const mq_value *x = n->inputs[0], *y = n->outputs[0];
    const int rank = mq_atoms_rank(c, x);

    for (int i = 0; i < rank; i++) {
        if (mq_atoms_size(c, x, i) == mq_atoms_size(c, y, i)) {
            mq_atoms_link(c, n, x, i, y, i);
            continue;
        }
        mq_atoms_fix(c, x, i, n, "pads this axis");
        mq_atoms_fix(c, y, i, n, "pads this axis");
    }
}

/* Axes whose size stays pass, when a list of sizes can follow. */
static void resize(mq_channels *c, const mq_node *n)
{
    if (!mq_channels_can_retarget(c, n))
        mq_atoms_fix_node(c, n, "has target sizes that cannot follow");
    pad(c, n);
}

static void expand(mq_channels *c, const mq_node *n)
{
    if (!mq_channels_can_retarget(c, n))
        mq_atoms_fix_node(c, n, "has a target shape that cannot follow");
    link_right(c, n, n->inputs[0], n->outputs[0]);
}

/* Data in rows: the rows stay, what is in them passes. */
static void gather(mq_channels *c, const mq_node *n)
{
    const mq_value *x = n->inputs[0], *index = n->inputs[1], *y = n->outputs[0];
    const int rank = mq_atoms_rank(c, x), ranks = mq_atoms_rank(c, index);
    const int axis = axis_of(mq_node_attr_int(n, "axis", 0), rank);

    for (int i = 0; i < rank; i++) {
        if (i == axis)
            mq_atoms_fix(c, x, i, n, "looks things up along this axis");
        else
            mq_atoms_link(c, n, x, i, y, i < axis ? i : i + ranks - 1);
        if (i != axis && mq_value_constant(x, true))
            mq_atoms_bear(c, n, x, i);
    }
    for (int i = 0; i < ranks; i++)
        mq_atoms_link(c, n, index, i, y, axis + i);
}

/* One channel of the coarse side is block^2 of the fine side's. */
static void depth_space(mq_channels *c, const mq_node *n)
{
    const bool to_depth = n->op_type[0] == 'S';
    const mq_value *deep = to_depth ? n->outputs[0] : n->inputs[0], *wide = to_depth ? n->inputs[0] : n->outputs[0];
    const uint32_t size = mq_atoms_size(c, deep, 1), per = mq_atoms_size(c, wide, 1);
    const bool crd = !to_depth && mq_node_attr_is(n, "mode", "CRD");

    mq_atoms_link(c, n, deep, 0, wide, 0);
    fix_spatial(c, n, deep);
    fix_spatial(c, n, wide);
    if (!size || per < 2 || size % per) {
        mq_atoms_fix(c, deep, 1, n, "makes space of channels");
        mq_atoms_fix(c, wide, 1, n, "makes space of channels");
        return;
    }
    for (uint32_t i = 0; i < size; i++)
        join_at(c, deep, 1, i, wide, 1, crd ? i / (size / per) : i % per);
}

/* ---- the table ------------------------------------------------------------------------------------------------------ */

struct rule {
    const char *op;
    rule_fn rule;
};

static const struct rule rules[] = {
    { "Abs", same }, { "Add", broadcast }, { "And", broadcast }, { "ArgMax", reduce }, { "ArgMin", reduce },
    { "Attention", mq_channels_attend },
    { "AveragePool", pool }, { "BatchNormalization", normalize_channels }, { "Cast", same }, { "CastLike", same },
    { "Ceil", same }, { "Celu", same }, { "Clip", same }, { "Concat", concat }, { "Constant", nothing }, { "Conv", conv },
    { "ConvTranspose", conv_transpose }, { "Cos", same }, { "CumSum", along }, { "DepthToSpace", depth_space },
    { "DequantizeLinear", quantized }, { "Div", broadcast }, { "Dropout", same }, { "Elu", same }, { "Equal", broadcast },
    { "Erf", same }, { "Exp", same }, { "Expand", expand }, { "Flatten", view }, { "Floor", same }, { "GRU", recurrent },
    { "Gather", gather }, { "Gelu", same }, { "Gemm", gemm }, { "GlobalAveragePool", pool }, { "GlobalLpPool", pool },
    { "GlobalMaxPool", pool }, { "Greater", broadcast }, { "GreaterOrEqual", broadcast }, { "HardSigmoid", same },
    { "HardSwish", same }, { "Hardmax", softmax }, { "Identity", same }, { "InstanceNormalization", normalize_channels },
    { "IsInf", same }, { "IsNaN", same }, { "LSTM", recurrent }, { "LayerNormalization", normalize_last },
    { "LeakyRelu", same }, { "Less", broadcast }, { "LessOrEqual", broadcast }, { "Log", same }, { "LogSoftmax", softmax },
    { "LpPool", pool }, { "MatMul", matmul }, { "Max", broadcast }, { "MaxPool", pool }, { "Mean", broadcast },
    { "Min", broadcast }, { "Mish", same }, { "Mod", broadcast }, { "Mul", broadcast }, { "Neg", same }, { "Not", same },
    { "Or", broadcast }, { "PRelu", broadcast }, { "Pad", pad }, { "Pow", broadcast }, { "QuantizeLinear", quantized },
    { "RMSNormalization", normalize_last }, { "RNN", recurrent }, { "Reciprocal", same }, { "ReduceL1", reduce },
    { "ReduceL2", reduce }, { "ReduceLogSum", reduce }, { "ReduceLogSumExp", reduce }, { "ReduceMax", reduce },
    { "ReduceMean", reduce }, { "ReduceMin", reduce }, { "ReduceProd", reduce }, { "ReduceSum", reduce },
    { "ReduceSumSquare", reduce }, { "Relu", same }, { "Reshape", view }, { "Resize", resize }, { "Round", same },
    { "Selu", same }, { "Shape", nothing }, { "Shrink", same }, { "Sigmoid", same }, { "Sign", same }, { "Sin", same },
    { "Size", nothing }, { "Slice", slice }, { "Softmax", softmax }, { "Softplus", same }, { "Softsign", same },
    { "SpaceToDepth", depth_space }, { "Split", split }, { "Sqrt", same }, { "Squeeze", view }, { "Sub", broadcast },
    { "Sum", broadcast }, { "Swish", same }, { "Tan", same }, { "Tanh", same }, { "ThresholdedRelu", same },
    { "Transpose", transpose }, { "Unsqueeze", view }, { "Upsample", pad }, { "Where", broadcast }, { "Xor", broadcast },
};

/* A sum, normalized over its last axis: sum, scale and bias are what LayerNormalization has. */
static void skip_normalize(mq_channels *c, const mq_node *n)
{
    const mq_value *x = n->inputs[0];
    const int last = mq_atoms_rank(c, x) - 1;

    for (size_t i = 1; i < n->n_inputs; i++)
        link_right(c, n, input(n, i), x);
    link_all(c, n, x, n->outputs[0]);
    if (output(n, 3))
        link_all(c, n, x, n->outputs[3]);
    mq_atoms_flag(c, x, last, MQ_ATOMS_MIX);
}

/* What is added before the activation has the output's channels. */
static void conv_fused(mq_channels *c, const mq_node *n)
{
    convolve(c, n, false);
    if (input(n, 3))
        link_all(c, n, n->inputs[3], n->outputs[0]);
}

/* Of com.microsoft. */
static const struct rule contrib_rules[] = {
    { "Attention", mq_channels_attend }, { "BiasGelu", broadcast }, { "FastGelu", broadcast }, { "FusedConv", conv_fused },
    { "FusedGemm", gemm }, { "Gelu", same }, { "MultiHeadAttention", mq_channels_attend }, { "QuickGelu", same },
    { "SkipLayerNormalization", skip_normalize }, { "SkipSimplifiedLayerNormalization", skip_normalize },
};

static rule_fn find_rule(const struct rule *list, size_t n, const char *op)
{
    size_t lo = 0, hi = n;

    while (lo < hi) {
        const size_t mid = (lo + hi) / 2;
        const int order = strcmp(op, list[mid].op);

        if (order == 0)
            return list[mid].rule;
        *(order < 0 ? &hi : &lo) = order < 0 ? mid : mid + 1;
    }
    return NULL;
}

/* The inputs and outputs that carry data, and so need a rank, are all there. */
static bool is_ready(const mq_channels *c, const mq_node *n)
{
    if (!input(n, 0) || !output(n, 0))
        return false;
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] && mq_atoms_rank(c, n->inputs[i]) < 0)
            return false;
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] && mq_atoms_rank(c, n->outputs[i]) < 0)
            return false;
    return true;
}

void mq_channels_rule(mq_channels *c, const mq_node *n)
{
    const char *domain = mq_domain_norm(n->domain);
    rule_fn rule = NULL;

    if (!*domain)
        rule = find_rule(rules, sizeof rules / sizeof *rules, n->op_type);
    else if (strcmp(domain, "com.microsoft") == 0)
        rule = find_rule(contrib_rules, sizeof contrib_rules / sizeof *contrib_rules, n->op_type);
    if (rule == nothing)
        return;
    if (!rule)
        mq_atoms_fix_node(c, n, "is an operator that channels are not followed through");
    else if (!is_ready(c, n))
        mq_atoms_fix_node(c, n, "has tensors of unknown rank");
    else if ((rule == conv || rule == conv_transpose || rule == matmul || rule == gemm || rule == recurrent ||
              rule == gather || rule == conv_fused || rule == mq_channels_attend) && !input(n, 1))
        mq_atoms_fix_node(c, n, "lacks an input");
    else
        rule(c, n);
}
