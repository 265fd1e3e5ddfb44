/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* drop-noop: nodes that give what they get because of their shapes or constants.
 *   Reshape, Squeeze, Unsqueeze, Flatten, alone or in a row, that end in the shape they began with; Expand and Tile
 *       to the same shape;
 *   Slice by ones over everything; Pad by nothing; Concat of one; Add or Sub of 0, Mul or Div by 1; Transpose of
 *       Transpose
 * Shapes must be known, or equal by symbols. Not dropped: a node whose output is a graph output (the name must stay).
 * Numerics: exact (Add of 0 may turn -0 into 0, or not). */
#include <string.h>

#include "base/compiler.h"
#include "passes/pass.h"

#define MAX_CHAIN 16
#define MAX_AXES 32

static bool only_views(const mq_node *n)
{
    static const char *const ops[] = { "Flatten", "Reshape", "Squeeze", "Unsqueeze" };

    return mq_node_is_any(n, "", ops, MQ_ARRAY_LEN(ops)) && n->inputs[0];
}

/* All elements of a constant input are `want`; an absent input counts when `absent`. */
static bool all_are(const mq_node *n, size_t i, int64_t want, bool absent)
{
    mq_tensor *t;

    if (i >= n->n_inputs || !n->inputs[i])
        return absent;
    if (!(t = mq_constant_input(n, i)) || (t->dtype != MQ_INT64 && t->dtype != MQ_INT32))
        return false;
    for (int64_t k = 0; k < mq_tensor_count(t); k++) {
        int64_t x;

        if (mq_tensor_read_i64(t, (uint64_t)k, 1, &x, NULL) != MQ_OK || x != want)
            return false;
    }
    return true;
}

/* An input from opset 11 on, an attribute before. */
static bool pads_nothing(const mq_node *n)
{
    size_t count;
    const int64_t *pads = mq_node_attr_ints(n, "pads", &count);

    for (size_t i = 0; pads && i < count; i++)
        if (pads[i])
            return false;
    return pads || all_are(n, 1, 0, false);
}

/* The last value before a row of views that has the shape they end in. */
static mq_value *view_source(const mq_node *n)
{
    const mq_node *at = n;

    for (int i = 0; i < MAX_CHAIN && at && at->n_inputs > 0 && only_views(at); i++) {
        if (mq_same_shape(at->inputs[0], n->outputs[0]))
            return at->inputs[0];
        at = at->inputs[0]->producer;
    }
    return NULL;
}

/* Arithmetic with a constant that changes nothing. */
static mq_value *unchanged_by_number(const mq_node *n)
{
    const bool sum = mq_node_is(n, "", "Add") || mq_node_is(n, "", "Sub");
    const bool product = mq_node_is(n, "", "Mul") || mq_node_is(n, "", "Div");
    const bool both = mq_node_is(n, "", "Add") || mq_node_is(n, "", "Mul");
    double x;

    if ((!sum && !product) || n->n_inputs != 2 || !n->inputs[0] || !n->inputs[1])
        return NULL;
    for (size_t i = both ? 0 : 1; i < 2; i++)
        if (mq_constant_number(n->inputs[i], &x) && x == (sum ? 0 : 1) && mq_same_shape(n->inputs[1 - i], n->outputs[0]))
            return n->inputs[1 - i];
    return NULL;
}

/* What n gives, when it is what it gets. */
static mq_value *source(const mq_node *n)
{
    static const char *const shaped[] = { "Expand", "Tile" };
    mq_value *x = n->n_inputs ? n->inputs[0] : NULL;

    if (!x || n->n_outputs != 1 || !n->outputs[0])
        return NULL;
    if (only_views(n))
        return view_source(n);
    if (mq_node_is(n, "", "Concat"))
        return n->n_inputs == 1 ? x : NULL;
    if (mq_node_is_any(n, "", shaped, MQ_ARRAY_LEN(shaped)))
        return mq_same_shape(x, n->outputs[0]) ? x : NULL;
    if (mq_node_is(n, "", "Slice"))
        return mq_same_shape(x, n->outputs[0]) && all_are(n, 4, 1, true) ? x : NULL;
    if (mq_node_is(n, "", "Pad"))
        return pads_nothing(n) ? x : NULL;
    return unchanged_by_number(n);
}

/* ---- Transpose of Transpose ---------------------------------------------------------------------------------------- */

static const int64_t *permutation(const mq_node *n, size_t rank, int64_t *reversed)
{
    size_t count;
    const int64_t *perm = mq_node_attr_ints(n, "perm", &count);

    for (size_t i = 0; i < rank; i++)
        reversed[i] = (int64_t)(rank - 1 - i);
    if (!perm)
        return reversed;
    for (size_t i = 0; i < count; i++)
        if (perm[i] < 0 || perm[i] >= (int64_t)rank)
            return NULL;
    return count == rank ? perm : NULL;
}

/* The second takes the place of both; drop-identity removes it when it does nothing. */
static mq_status join_transposes(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_node *first = mq_node_is(n, "", "Transpose") && n->n_inputs > 0 && n->inputs[0] ? n->inputs[0]->producer : NULL;
    const int rank = first && first->n_inputs > 0 ? mq_value_rank(first->inputs[0]) : -1;
    int64_t reversed_a[MAX_AXES], reversed_b[MAX_AXES], joined[MAX_AXES];
    const int64_t *a, *b;
    mq_status rc = MQ_OK;

    if (!first || !mq_node_is(first, "", "Transpose") || rank < 1 || rank > MAX_AXES || !first->inputs[0] ||
        !(a = permutation(first, (size_t)rank, reversed_a)) || !(b = permutation(n, (size_t)rank, reversed_b)))
        return MQ_OK;
    for (int i = 0; i < rank; i++)
        joined[i] = a[b[i]];
    MQ_TRY(mq_node_set_attr_ints(n, "perm", joined, (size_t)rank, err));
    MQ_TRY(mq_node_set_input(n, 0, first->inputs[0], err));
    mq_pass_drop(first);
    ++*n_changed;
done:
    return rc;
}

/* ---- the pass ------------------------------------------------------------------------------------------------------ */

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    bool done = false;
    mq_value *x;
    mq_status rc = join_transposes(n, n_changed, err);

    if (rc != MQ_OK || !(x = source(n)))
        return rc;
    if ((rc = mq_value_bypass(n->outputs[0], x, &done, err)) == MQ_OK && done) {
        mq_pass_drop(n);
        ++*n_changed;
    }
    return rc;
}

const mq_pass mq_pass_drop_noop = {
    .name = "drop-noop", .summary = "remove what changes neither shape nor numbers", .node = visit
};
