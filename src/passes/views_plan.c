/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The least nodes that turn a tensor into a view of it: at most one Slice, one Transpose, and a Reshape on either side. */
#include <string.h>

#include "passes/views.h"

static bool same_atom(const mq_atom *a, const mq_atom *b)
{
    return a->axis == b->axis && a->inner == b->inner;
}

/* Does a stand before b in the source? */
static bool before(const mq_atom *a, const mq_atom *b)
{
    return a->axis != b->axis ? a->axis < b->axis : a->inner > b->inner;
}

static int axis_length(const mq_layout *l, int axis)
{
    return l->start[axis + 1] - l->start[axis];
}

static bool same_axis(const mq_layout *a, int i, const mq_layout *b, int k)
{
    const int n = axis_length(a, i);

    if (n != axis_length(b, k))
        return false;
    for (int j = 0; j < n; j++)
        if (!same_atom(&a->a[a->start[i] + j], &b->a[b->start[k] + j]))
            return false;
    return true;
}

static bool same_axes(const mq_layout *a, const mq_layout *b)
{
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (!same_axis(a, i, b, i))
            return false;
    return true;
}

static bool same_order(const mq_layout *a, const mq_layout *b)
{
    for (int i = 0; i < a->n; i++)
        if (!same_atom(&a->a[i], &b->a[i]))
            return false;
    return true;
}

static void add_axis(mq_layout *l, const mq_atom *a, int n)
{
    memcpy(&l->a[l->n], a, (size_t)n * sizeof *a);
    l->start[l->rank++] = l->n;
    l->n += n;
    l->start[l->rank] = l->n;
}

/* ---- Slice --------------------------------------------------------------------------------------------------------- */

/* The fixed atoms of an axis lie all outside of the others, or all inside of them: a range, or every so many. */
static bool slice_axis(const mq_view *v, int axis, mq_view_plan *p)
{
    int64_t start = 0, count = 1, n_fixed = 1, least_fixed = INT64_MAX, least_free = INT64_MAX, step = 1;
    bool fixed = false;

    for (int i = 0; i < v->n_fixed; i++) {
        const mq_atom *a = &v->fixed[i];

        if (a->axis != axis)
            continue;
        fixed = true;
        start += a->index * a->inner;
        n_fixed *= a->size.value;
        least_fixed = a->inner < least_fixed ? a->inner : least_fixed;
    }
    if (!fixed)
        return true;
    for (int i = 0; i < v->now.n; i++)
        if (v->now.a[i].axis == axis) {
            count *= v->now.a[i].size.value;
            least_free = v->now.a[i].inner < least_free ? v->now.a[i].inner : least_free;
        }
    if (count > 1 && least_free == n_fixed)
        step = n_fixed;
    else if (count > 1 && least_fixed != count)
        return false;
    p->starts[p->n_slices] = start;
    p->ends[p->n_slices] = start + (count - 1) * step + 1;
    p->axes[p->n_slices] = axis;
    p->steps[p->n_slices++] = step;
    return true;
}

/* The source behind the Slice: its axes hold what is not fixed, in order. */
static void sliced_source(const mq_view *v, mq_layout *out)
{
    *out = (mq_layout){ .n = 0 };
    for (int axis = 0; axis < v->source.rank; axis++) {
        mq_atom a[MQ_VIEW_MAX];
        int n = 0;

        for (int i = 0; i < v->now.n; i++) {
            int at = n;

            if (v->now.a[i].axis != axis)
                continue;
            for (; at > 0 && before(&v->now.a[i], &a[at - 1]); at--)
                a[at] = a[at - 1];
            a[at] = v->now.a[i];
            n++;
        }
        add_axis(out, a, n);
    }
}

/* ---- Reshape ------------------------------------------------------------------------------------------------------- */

static bool axis_size(const mq_layout *l, int axis, int64_t *out)
{
    *out = 1;
    for (int i = l->start[axis]; i < l->start[axis + 1]; i++)
        if (!mq_dim_known(l->a[i].size) || __builtin_mul_overflow(*out, l->a[i].size.value, out))
            return false;
    return true;
}

/* The constant that makes `to` of `from`. */
static bool shape_between(const mq_layout *from, const mq_layout *to, int64_t *shape)
{
    bool open = false;

    for (int i = 0; i < to->rank; i++) {
        if (axis_size(to, i, &shape[i]))
            continue;
        if (i < from->rank && same_axis(from, i, to, i)) {
            shape[i] = 0;
            continue;
        }
        if (open)
            return false;
        open = true;
        shape[i] = -1;
    }
    return true;
}

/* ---- Transpose ----------------------------------------------------------------------------------------------------- */

/* Axis `from` of `cut` comes next. */
static void place(const mq_layout *cut, int from, bool *used, int64_t *perm, mq_layout *out)
{
    used[from] = true;
    perm[out->rank] = from;
    add_axis(out, &cut->a[cut->start[from]], axis_length(cut, from));
}

/* The axis that begins with this atom, or with a NULL one of size 1; rank: there is none. */
static int find_axis(const mq_layout *cut, const bool *used, const mq_atom *first)
{
    int i = 0;

    for (; i < cut->rank; i++)
        if (!used[i] && (first ? axis_length(cut, i) && same_atom(&cut->a[cut->start[i]], first) : !axis_length(cut, i)))
            break;
    return i;
}

/* The axes of `cut` in the order in which their atoms stand in `want`; those of size 1 where want has such, else last.
 * false: an atom of want begins no axis. */
static bool turn(const mq_layout *cut, const mq_layout *want, int64_t *perm, mq_layout *out)
{
    bool used[MQ_VIEW_MAX] = { false };
    int from;

    *out = (mq_layout){ .n = 0 };
    for (int axis = 0; axis < want->rank; axis++) {
        if (axis_length(want, axis) == 0 && (from = find_axis(cut, used, NULL)) < cut->rank)
            place(cut, from, used, perm, out);
        while (out->n < want->start[axis + 1]) {
            if ((from = find_axis(cut, used, &want->a[out->n])) == cut->rank)
                return false;
            place(cut, from, used, perm, out);
        }
    }
    while ((from = find_axis(cut, used, NULL)) < cut->rank)
        place(cut, from, used, perm, out);
    return out->rank == cut->rank;
}

/* Axes of the wanted layout, in the order of the source: then Transpose alone does the rest. */
static void wanted_axes(const mq_layout *source, const mq_layout *want, mq_layout *out)
{
    bool used[MQ_VIEW_MAX] = { false };

    *out = (mq_layout){ .n = 0 };
    for (int i = 0; i < source->n; i++)
        for (int k = 0; k < want->rank; k++)
            if (!used[k] && axis_length(want, k) && same_atom(&want->a[want->start[k]], &source->a[i])) {
                used[k] = true;
                add_axis(out, &want->a[want->start[k]], axis_length(want, k));
            }
    for (int k = 0; k < want->rank; k++)
        if (!used[k])
            add_axis(out, &want->a[want->start[k]], 0);
}

/* Atoms that stand side by side in both are one axis. */
static void common_axes(const mq_layout *source, const mq_layout *want, mq_layout *out)
{
    *out = (mq_layout){ .n = 0 };
    for (int i = 0; i < source->n;) {
        int k = 0, n = 1;

        while (k < want->n - 1 && !same_atom(&want->a[k], &source->a[i]))
            k++;
        while (i + n < source->n && k + n < want->n && same_atom(&want->a[k + n], &source->a[i + n]))
            n++;
        add_axis(out, &source->a[i], n);
        i += n;
    }
}

/* Reshape to `cut` when that differs, Transpose, Reshape to what is wanted when that differs. */
static bool try_turn(const mq_layout *source, const mq_layout *cut, const mq_layout *want, mq_view_plan *p)
{
    mq_layout turned;

    p->cut = !same_axes(source, cut);
    p->cut_rank = cut->rank;
    if (!same_order(source, cut) || (p->cut && !shape_between(source, cut, p->cut_shape)) ||
        !turn(cut, want, p->perm, &turned) || !same_order(&turned, want))
        return false;
    p->turn = true;
    p->turn_rank = cut->rank;
    p->join = !same_axes(&turned, want);
    p->join_rank = want->rank;
    p->n_nodes = (p->n_slices > 0) + p->cut + p->turn + p->join;
    return !p->join || shape_between(&turned, want, p->join_shape);
}

bool mq_view_plan_make(const mq_view *view, mq_view_plan *plan)
{
    mq_layout source, cut[2];
    mq_view_plan best = { .n_nodes = INT32_MAX };

    *plan = (mq_view_plan){ .n_nodes = 0 };
    for (int axis = 0; axis < view->source.rank; axis++)
        if (!slice_axis(view, axis, plan))
            return false;
    sliced_source(view, &source);
    if (same_order(&source, &view->now)) {
        plan->join = !same_axes(&source, &view->now);
        plan->join_rank = view->now.rank;
        plan->n_nodes = (plan->n_slices > 0) + plan->join;
        return !plan->join || shape_between(&source, &view->now, plan->join_shape);
    }
    wanted_axes(&source, &view->now, &cut[0]);
    common_axes(&source, &view->now, &cut[1]);
    for (int i = -1; i < 2; i++) {
        mq_view_plan p = *plan;

        if (try_turn(&source, i < 0 ? &source : &cut[i], &view->now, &p) && p.n_nodes < best.n_nodes)
            best = p;
    }
    *plan = best;
    return best.n_nodes != INT32_MAX;
}
