/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Channels through Reshape and its kin: the axes of both sides are matched block by block (equal products), from the right
 * and, where sizes are not known, from the left. An axis that becomes one axis is linked; one that is folded from several,
 * or unfolded into several, carries the channels of one of them. */
#include "base/compiler.h"
#include "graph/channels_parts.h"

typedef struct matching {
    mq_channels *c;
    const mq_node *node;
    const mq_value *x, *y;
    int m, n; /* axes of x and y that are still unmatched at the right end */
} matching;

static const mq_dim *dim_of(const mq_value *v, int axis)
{
    return v->type && v->type->kind == MQ_TYPE_TENSOR && axis < v->type->rank ? &v->type->dims[axis] : NULL;
}

/* Both unknown and the same symbol. */
static bool same_symbol(const mq_value *x, int i, const mq_value *y, int k)
{
    const mq_dim *a = dim_of(x, i), *b = dim_of(y, k);

    return a && b && !mq_dim_known(*a) && mq_dim_equal(*a, *b);
}

static void add_fold(matching *t, const mq_value *flat, int flat_axis, const mq_value *deep, int deep_axis, int n_deep)
{
    const mq_atom_fold f = { t->node, flat, deep, flat_axis, deep_axis, n_deep };

    if (!mq_vec_push(&t->c->folds, f))
        t->c->failed = true;
}

/* Axes of size 1 carry nothing. */
static int count_wide(const matching *t, const mq_value *v, int from, int to)
{
    int n = 0;

    for (int i = from; i < to; i++)
        n += mq_atoms_size(t->c, v, i) != 1;
    return n;
}

static int first_wide(const matching *t, const mq_value *v, int from, int to)
{
    while (from < to && mq_atoms_size(t->c, v, from) == 1)
        from++;
    return from;
}

/* Axes [i, m) of x hold as many elements as axes [k, n) of y. */
static void close_block(matching *t, int i, int k)
{
    const int a = count_wide(t, t->x, i, t->m), b = count_wide(t, t->y, k, t->n);

    if (a == 1 && b == 1)
        mq_atoms_link(t->c, t->node, t->x, first_wide(t, t->x, i, t->m), t->y, first_wide(t, t->y, k, t->n));
    else if (a == 1)
        add_fold(t, t->x, first_wide(t, t->x, i, t->m), t->y, k, t->n - k);
    else if (b == 1)
        add_fold(t, t->y, first_wide(t, t->y, k, t->n), t->x, i, t->m - i);
    else
        for (int s = 0; s < 2; s++)
            for (int x = s ? k : i; x < (s ? t->n : t->m); x++)
                mq_atoms_fix(t->c, s ? t->y : t->x, x, t->node, "mixes this axis with others");
    t->m = i;
    t->n = k;
}

/* The shortest block at the right end; false: sizes are not known, or do not fit. */
static bool match_right(matching *t)
{
    int i = t->m, k = t->n;
    uint64_t a = 1, b = 1;

    do {
        const bool left = (a < b && i > 0) || (a == b && i > 0) || k == 0;
        const uint32_t size = left ? (i > 0 ? mq_atoms_size(t->c, t->x, i - 1) : 0) : mq_atoms_size(t->c, t->y, k - 1);

        if (size == 0 || (left ? a : b) > UINT64_MAX / size)
            return false;
        if (left) {
            a *= size;
            i--;
        } else {
            b *= size;
            k--;
        }
    } while (a != b || i == t->m || k == t->n);
    close_block(t, i, k);
    return true;
}

/* What is left of size 1 at one side only. */
static bool drop_one(matching *t)
{
    if (t->m > 0 && mq_atoms_size(t->c, t->x, t->m - 1) == 1)
        t->m--;
    else if (t->n > 0 && mq_atoms_size(t->c, t->y, t->n - 1) == 1)
        t->n--;
    else
        return false;
    return true;
}

void mq_channels_view(mq_channels *c, const mq_node *n)
{
    matching t = { c, n, n->inputs[0], n->outputs[0], mq_atoms_rank(c, n->inputs[0]), mq_atoms_rank(c, n->outputs[0]) };
    int left = 0;

    for (;;) {
        if (drop_one(&t))
            continue;
        if (t.m > 0 && t.n > 0 && same_symbol(t.x, t.m - 1, t.y, t.n - 1)) {
            t.m--;
            t.n--;
        } else if (!match_right(&t)) {
            break;
        }
    }
    while (left < t.m && left < t.n &&
           (same_symbol(t.x, left, t.y, left) || (mq_atoms_size(c, t.x, left) && mq_atoms_size(c, t.x, left) ==
                                                                                    mq_atoms_size(c, t.y, left)))) {
        mq_atoms_link(c, n, t.x, left, t.y, left);
        left++;
    }
    for (int i = left; i < t.m; i++)
        mq_atoms_fix(c, t.x, i, n, "has a shape that is not known before it runs");
    for (int i = left; i < t.n; i++)
        mq_atoms_fix(c, t.y, i, n, "has a shape that is not known before it runs");
}

/* ---- folds ---------------------------------------------------------------------------------------------------------- */

static bool is_open(const mq_channels *c, const mq_value *v, int axis)
{
    const uint32_t n = mq_atoms_size(c, v, axis);

    for (uint32_t i = 0; i < n; i++) {
        const uint32_t atom = mq_atoms_at(c, v, axis, i);

        if (atom != MQ_NO_ATOM && !(c->flags[mq_atoms_root(c, atom)] & MQ_ATOMS_FIXED))
            return true;
    }
    return false;
}

/* Columns inside an attention head are no choice while there are heads; else the axis with the most channels. */
static int choose(const mq_channels *c, const mq_atom_fold *f)
{
    int best = -1;
    bool best_inner = false;

    for (int i = f->deep_axis; i < f->deep_axis + f->n_deep; i++) {
        const uint32_t atom = mq_atoms_at(c, f->deep, i, 0);
        bool inner;

        if (atom == MQ_NO_ATOM || !is_open(c, f->deep, i))
            continue;
        inner = c->flags[mq_atoms_root(c, atom)] & MQ_ATOMS_INNER;
        if (best < 0 || (best_inner && !inner) ||
            (best_inner == inner && mq_atoms_size(c, f->deep, i) > mq_atoms_size(c, f->deep, best))) {
            best = i;
            best_inner = inner;
        }
    }
    return best;
}

static void unfold(mq_channels *c, const mq_atom_fold *f)
{
    const int axis = choose(c, f);
    const uint32_t n = mq_atoms_size(c, f->flat, f->flat_axis);
    uint64_t stride = 1;

    for (int i = f->deep_axis; i < f->deep_axis + f->n_deep; i++) {
        if (i != axis)
            mq_atoms_fix(c, f->deep, i, f->node, "folds this axis together with the channels");
        if (axis >= 0 && i > axis)
            stride *= mq_atoms_size(c, f->deep, i);
    }
    if (axis < 0) {
        mq_atoms_fix(c, f->flat, f->flat_axis, f->node, "makes it of axes that all stay");
        return;
    }
    for (uint32_t i = 0; i < n; i++)
        mq_atoms_join(c, mq_atoms_at(c, f->flat, f->flat_axis, i),
                      mq_atoms_at(c, f->deep, axis, (uint32_t)(i / stride % mq_atoms_size(c, f->deep, axis))));
}

void mq_channels_unfold(mq_channels *c)
{
    for (size_t i = 0; i < c->folds.n && !c->failed; i++)
        unfold(c, &c->folds.items[i]);
}

/* ---- weights behind views ------------------------------------------------------------------------------------------- */

/* What n makes another form of; NULL: n is no view. */
static const mq_value *viewed(const mq_node *n)
{
    static const char *const views[] = { "Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze" };

    return n && mq_node_is_any(n, "", views, MQ_ARRAY_LEN(views)) && n->n_inputs ? n->inputs[0] : NULL;
}

bool mq_channels_is_weight(const mq_value *v)
{
    while (v && !mq_value_constant(v, true))
        v = viewed(v->producer);
    return v != NULL;
}

void mq_channels_bear(mq_channels *c, const mq_node *n, const mq_value *w, int axis)
{
    const bool is_weight = mq_channels_is_weight(w);
    size_t count;

    for (; is_weight && !mq_value_constant(w, true); w = viewed(w->producer)) {
        const int64_t *perm = mq_node_attr_ints(w->producer, "perm", &count);

        if (mq_node_is(w->producer, "", "Transpose")) {
            axis = !perm ? mq_atoms_rank(c, w) - 1 - axis : axis >= 0 && axis < (int)count ? (int)perm[axis] : 0;
        } else if (!mq_node_is(w->producer, "", "Identity") && !mq_node_is(w->producer, "", "Cast")) {
            mq_atoms_fix(c, w, axis, w->producer, "makes another form of the weight");
            break;
        }
    }
    mq_atoms_bear(c, n, w, axis);
}
