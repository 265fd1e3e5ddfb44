/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rows of Reshape and Transpose as one change of axes: what each operator does (views_plan.c makes nodes of it). */
#include "passes/views.h"

#include <string.h>

bool mq_view_begin(mq_view *view, const mq_value *v)
{
    const int rank = mq_value_rank(v);
    mq_layout *l = &view->source;

    if (rank < 0 || rank >= MQ_VIEW_MAX)
        return false;
    *view = (mq_view){ .n_fixed = 0 };
    for (int i = 0; i < rank; i++) {
        const mq_dim d = mq_value_dim(v, i);

        l->start[i] = l->n;
        if (mq_dim_known(d) && d.value < 1)
            return false;
        if (!mq_dim_known(d) || d.value > 1)
            l->a[l->n++] = (mq_atom){ .axis = i, .size = d, .inner = 1 };
    }
    l->start[rank] = l->n;
    l->rank = rank;
    view->now = *l;
    return true;
}

/* ---- Reshape ------------------------------------------------------------------------------------------------------- */

/* Atom i becomes two, the first of size `outer`; starts behind it move. */
static bool split(mq_layout *l, int *starts, int n_starts, int i, int64_t outer)
{
    mq_atom *a = &l->a[i];
    const int64_t inner = a->size.value / outer;

    if (l->n == MQ_VIEW_MAX)
        return false;
    memmove(a + 1, a, (size_t)(l->n - i) * sizeof *a);
    l->n++;
    a[0].size = MQ_DIM(outer);
    a[0].inner *= inner;
    a[1].size = MQ_DIM(inner);
    for (int k = 0; k <= l->rank; k++)
        l->start[k] += l->start[k] > i;
    for (int k = 0; k < n_starts; k++)
        starts[k] += starts[k] > i;
    return true;
}

/* Atoms from *at on that make an axis of this size. */
static bool take_first(mq_layout *l, int64_t size, int *at)
{
    while (size > 1) {
        const mq_dim s = *at < l->n ? l->a[*at].size : MQ_DIM_UNKNOWN;

        if (!mq_dim_known(s))
            return false;
        if (size % s.value == 0) {
            size /= s.value;
        } else {
            if (s.value % size != 0 || !split(l, NULL, 0, *at, size))
                return false;
            size = 1;
        }
        ++*at;
    }
    return size == 1;
}

/* The same for atoms up to *end, from the last one on; starts[] of axes behind move with what is split. */
static bool take_last(mq_layout *l, int64_t size, int *starts, int rank, int *end)
{
    while (size > 1) {
        const mq_dim s = *end > 0 ? l->a[*end - 1].size : MQ_DIM_UNKNOWN;

        if (!mq_dim_known(s))
            return false;
        if (size % s.value == 0) {
            size /= s.value;
            --*end;
        } else {
            if (s.value % size != 0 || !split(l, starts, rank + 1, *end - 1, s.value / size))
                return false;
            size = 1; /* *end is the inner half now */
        }
    }
    return size == 1;
}

/* Axes as Reshape's shape says: sizes, 0 for the axis that is there, one -1 for the rest. */
static bool regroup(mq_layout *l, const int64_t *shape, int rank)
{
    int starts[MQ_VIEW_MAX + 1], left = 0, right, open = 0;

    for (; open < rank && shape[open] != -1; open++) {
        starts[open] = left;
        if (shape[open]) {
            if (!take_first(l, shape[open], &left))
                return false;
        } else {
            if (open >= l->rank || l->start[open] != left)
                return false;
            left = l->start[open + 1];
        }
    }
    right = l->n;
    for (int i = open; i <= rank; i++)
        starts[i] = right;
    for (int i = rank - 1; i > open; i--) {
        if (shape[i] > 0) {
            if (!take_last(l, shape[i], starts, rank, &right))
                return false;
        } else {
            if (shape[i] || i >= l->rank || l->start[i + 1] != right)
                return false;
            right = l->start[i];
        }
        starts[i] = right;
    }
    if (left > right || (open == rank && left != l->n))
        return false;
    if (open < rank)
        starts[open] = left;
    starts[rank] = l->n;
    memcpy(l->start, starts, sizeof starts);
    l->rank = rank;
    return true;
}

/* Up to MQ_VIEW_MAX - 1 integers of a constant; -1: it is none. */
static int read_ints(const mq_node *n, size_t input, int64_t *out)
{
    mq_tensor *t = mq_constant_input(n, input);
    const int64_t count = t && (t->dtype == MQ_INT64 || t->dtype == MQ_INT32) ? mq_tensor_count(t) : -1;

    if (count < 0 || count >= MQ_VIEW_MAX || mq_tensor_read_i64(t, 0, (uint64_t)count, out, NULL) != MQ_OK)
        return -1;
    return (int)count;
}

static bool reshape(mq_layout *l, const mq_node *n)
{
    int64_t shape[MQ_VIEW_MAX];
    const int rank = read_ints(n, 1, shape);

    if (rank < 0 || mq_node_attr_int(n, "allowzero", 0))
        return false;
    for (int i = 0; i < rank; i++)
        if (shape[i] < -1)
            return false;
    return regroup(l, shape, rank);
}

static bool flatten(mq_layout *l, const mq_node *n)
{
    int64_t axis = mq_node_attr_int(n, "axis", 1);

    axis += axis < 0 ? l->rank : 0;
    if (axis < 0 || axis > l->rank)
        return false;
    l->start[1] = l->start[axis];
    l->start[2] = l->n;
    l->start[0] = 0;
    l->rank = 2;
    return true;
}

/* ---- the others ---------------------------------------------------------------------------------------------------- */

/* Axes of Squeeze or Unsqueeze: an input from opset 13 on, an attribute before. */
static int read_axes(const mq_node *n, int64_t *out)
{
    size_t count;
    const int64_t *axes = mq_node_attr_ints(n, "axes", &count);

    if (!axes)
        return read_ints(n, 1, out);
    if (count >= MQ_VIEW_MAX)
        return -1;
    memcpy(out, axes, count * sizeof *out);
    return (int)count;
}

/* Marks the axes of a tensor of that rank; false: they are not right. */
static bool mark(const int64_t *axes, int count, int rank, bool *marked)
{
    for (int i = 0; i < count; i++) {
        const int64_t axis = axes[i] + (axes[i] < 0 ? rank : 0);

        if (axis < 0 || axis >= rank || marked[axis])
            return false;
        marked[axis] = true;
    }
    return true;
}

static bool squeeze(mq_layout *l, const mq_node *n)
{
    bool gone[MQ_VIEW_MAX] = { false };
    int64_t axes[MQ_VIEW_MAX];
    const int count = read_axes(n, axes);
    int rank = 0;

    if (count < 0 || !mark(axes, count, l->rank, gone))
        return false;
    for (int i = 0; i < l->rank; i++) {
        if (gone[i] && l->start[i] != l->start[i + 1])
            return false;
        if (!gone[i])
            l->start[rank++] = l->start[i];
    }
    l->start[rank] = l->n;
    l->rank = rank;
    return true;
}

static bool unsqueeze(mq_layout *l, const mq_node *n)
{
    bool new[MQ_VIEW_MAX] = { false };
    int64_t axes[MQ_VIEW_MAX];
    const int count = read_axes(n, axes), rank = l->rank + count;
    int at = l->rank;

    if (count < 0 || rank >= MQ_VIEW_MAX || !mark(axes, count, rank, new))
        return false;
    for (int i = rank; i-- > 0;)
        l->start[i] = new[i] ? i + 1 < rank ? l->start[i + 1] : l->n : l->start[--at];
    l->start[rank] = l->n;
    l->rank = rank;
    return true;
}

static bool transpose(mq_layout *l, const mq_node *n)
{
    const mq_layout old = *l;
    bool seen[MQ_VIEW_MAX] = { false };
    size_t count;
    const int64_t *perm = mq_node_attr_ints(n, "perm", &count);
    int at = 0;

    if (perm && (count != (size_t)l->rank || !mark(perm, l->rank, l->rank, seen)))
        return false;
    for (int i = 0; i < l->rank; i++) {
        const int from = perm ? (int)perm[i] + (perm[i] < 0 ? l->rank : 0) : l->rank - 1 - i;
        const int size = old.start[from + 1] - old.start[from];

        l->start[i] = at;
        memcpy(&l->a[at], &old.a[old.start[from]], (size_t)size * sizeof *l->a);
        at += size;
    }
    return true;
}

/* Gather of one index: the axis goes, or stays with size 1 when the index is a vector. */
static bool pick(mq_view *view, const mq_node *n)
{
    mq_layout *l = &view->now;
    const mq_tensor *t = mq_constant_input(n, 1);
    int64_t axis = mq_node_attr_int(n, "axis", 0), index, size = 1;
    int first, count;

    axis += axis < 0 ? l->rank : 0;
    if (!t || t->n_dims > 1 || mq_tensor_count(t) != 1 || read_ints(n, 1, &index) != 1 || axis < 0 || axis >= l->rank)
        return false;
    first = l->start[axis];
    count = l->start[axis + 1] - first;
    for (int i = first; i < first + count; i++)
        if (!mq_dim_known(l->a[i].size) || __builtin_mul_overflow(size, l->a[i].size.value, &size))
            return false;
    index += index < 0 ? size : 0;
    if (index < 0 || index >= size || view->n_fixed + count > MQ_VIEW_MAX)
        return false;
    for (int i = first; i < first + count; i++) {
        size /= l->a[i].size.value;
        l->a[i].index = index / size % l->a[i].size.value;
        view->fixed[view->n_fixed++] = l->a[i];
    }
    memmove(&l->a[first], &l->a[first + count], (size_t)(l->n - first - count) * sizeof *l->a);
    l->n -= count;
    for (int i = (int)axis + 1; i <= l->rank; i++)
        l->start[i] -= count;
    if (t->n_dims == 0) {
        memmove(&l->start[axis], &l->start[axis + 1], (size_t)(l->rank - axis) * sizeof *l->start);
        l->rank--;
    }
    return true;
}

bool mq_view_is_step(const mq_node *n)
{
    static const char *const ops[] = { "Flatten", "Gather", "Reshape", "Squeeze", "Transpose", "Unsqueeze" };

    if (n->n_inputs < 1 || !n->inputs[0] || n->n_outputs != 1 || !n->outputs[0])
        return false;
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (mq_node_is(n, "", ops[i]))
            return true;
    return false;
}

bool mq_view_apply(mq_view *view, const mq_node *n)
{
    mq_layout *l = &view->now;

    if (mq_node_is(n, "", "Reshape"))
        return reshape(l, n);
    if (mq_node_is(n, "", "Transpose"))
        return transpose(l, n);
    if (mq_node_is(n, "", "Squeeze"))
        return squeeze(l, n);
    if (mq_node_is(n, "", "Unsqueeze"))
        return unsqueeze(l, n);
    if (mq_node_is(n, "", "Flatten"))
        return flatten(l, n);
    return mq_node_is(n, "", "Gather") && pick(view, n);
}
