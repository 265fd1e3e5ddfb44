/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* merge-parts: a part of a part is taken at once, and what was cut and put together again was never cut.
 *   Slice -> Slice                                            =>  one Slice with the ranges of both
 *   Gather of constant places -> Gather along the same axis   =>  Gather of fewer places
 *   Split -> Concat of all parts in their order               =>  the whole (other inputs of the Concat stay)
 *   Concat -> Split at the same places                        =>  the parts as they were
 * Skipped when the first Slice or Gather has another reader; when ranges or places are no constants; when two ranges of one
 * axis have steps or count from the end; when sizes are unknown, and for parts whose names must stay.
 * Numerics: exact. */
#include <stdlib.h>

#include "passes/pass.h"

#define MAX_RANGES 16
#define MAX_PLACES (1 << 20)
#define SLICE_WITH_INPUTS 10 /* opset */

/* ---- Slice of Slice ------------------------------------------------------------------------------------------------ */

typedef enum list { STARTS, ENDS, AXES, STEPS, N_LISTS } list;

static const char *const list_names[N_LISTS] = { "starts", "ends", "axes", "steps" };

typedef struct ranges {
    int64_t v[N_LISTS][2 * MAX_RANGES];
    size_t n;
} ranges;

static bool has_inputs(const mq_node *n)
{
    return mq_opset_of(n->graph, "") >= SLICE_WITH_INPUTS;
}

/* *count 0: absent. */
static bool read_list(const mq_node *n, list which, int64_t *out, size_t *count)
{
    const size_t input = 1 + (size_t)which;
    mq_tensor *t = mq_constant_input(n, input);
    const int64_t *ints = mq_node_attr_ints(n, list_names[which], count);

    if (!has_inputs(n)) {
        for (size_t i = 0; i < *count && *count <= MAX_RANGES; i++)
            out[i] = ints[i];
        return *count <= MAX_RANGES;
    }
    *count = 0;
    if (input >= n->n_inputs || !n->inputs[input])
        return true;
    if (!t || t->n_dims != 1 || t->dims[0] < 1 || t->dims[0] > MAX_RANGES)
        return false;
    *count = (size_t)t->dims[0];
    return mq_tensor_read_i64(t, 0, *count, out, NULL) == MQ_OK;
}

static bool read_ranges(const mq_node *n, ranges *r)
{
    const int rank = n->n_inputs ? mq_value_rank(n->inputs[0]) : -1;
    size_t count[N_LISTS];

    if (!mq_node_is(n, "", "Slice") || rank < 1 || n->n_outputs != 1 || !n->outputs[0])
        return false;
    for (int i = 0; i < N_LISTS; i++)
        if (!read_list(n, (list)i, r->v[i], &count[i]))
            return false;
    r->n = count[STARTS];
    if (r->n == 0 || count[ENDS] != r->n || (count[AXES] && count[AXES] != r->n) || (count[STEPS] && count[STEPS] != r->n))
        return false;
    for (size_t i = 0; i < r->n; i++) {
        r->v[AXES][i] = count[AXES] ? r->v[AXES][i] : (int64_t)i;
        r->v[AXES][i] += r->v[AXES][i] < 0 ? rank : 0;
        r->v[STEPS][i] = count[STEPS] ? r->v[STEPS][i] : 1;
        if (r->v[AXES][i] < 0 || r->v[AXES][i] >= rank)
            return false;
    }
    return true;
}

/* Range i of b inside range k of a, which is of the same axis. */
static bool join_range(ranges *a, size_t k, const ranges *b, size_t i)
{
    const int64_t start = b->v[STARTS][i], end = b->v[ENDS][i], first = a->v[STARTS][k], last = a->v[ENDS][k];

    if (a->v[STEPS][k] != 1 || b->v[STEPS][i] != 1 || start < 0 || end < 0 || first < 0 || last < 0)
        return false;
    if (__builtin_add_overflow(first, start, &a->v[STARTS][k]))
        return false;
    if (!__builtin_add_overflow(first, end, &a->v[ENDS][k]) && a->v[ENDS][k] < last)
        return true;
    a->v[ENDS][k] = last;
    return true;
}

static bool join_ranges(ranges *a, const ranges *b)
{
    for (size_t i = 0; i < b->n; i++) {
        size_t k = 0;

        while (k < a->n && a->v[AXES][k] != b->v[AXES][i])
            k++;
        if (k < a->n && !join_range(a, k, b, i))
            return false;
        for (int l = 0; l < N_LISTS && k == a->n; l++)
            a->v[l][k] = b->v[l][i];
        a->n += k == a->n;
    }
    return true;
}

static mq_status write_ranges(mq_node *n, const ranges *r, mq_error *err)
{
    const int64_t count = (int64_t)r->n;
    bool steps = false;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < r->n; i++)
        steps |= r->v[STEPS][i] != 1;
    for (int l = 0; l < (steps ? N_LISTS : STEPS); l++) {
        mq_value *v;

        if (!has_inputs(n)) {
            MQ_TRY(mq_node_set_attr_ints(n, list_names[l], r->v[l], r->n, err));
            continue;
        }
        MQ_TRY(mq_constant_of(n->graph, list_names[l], MQ_INT64, 1, &count, r->v[l], &v, err));
        MQ_TRY(mq_node_set_input(n, (size_t)l + 1, v, err));
    }
    if (!steps && n->n_inputs > 1 + STEPS) {
        MQ_TRY(mq_node_set_input(n, 1 + STEPS, NULL, err));
        mq_node_trim_inputs(n);
    }
done:
    return rc;
}

static mq_status slice_of_slice(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_node *first = mq_pass_only_producer(n->inputs[0], "Slice");
    ranges a, b;
    mq_status rc = MQ_OK;

    if (!first || !read_ranges(first, &a) || !read_ranges(n, &b) || !join_ranges(&a, &b))
        return MQ_OK;
    MQ_TRY(write_ranges(n, &a, err));
    MQ_TRY(mq_node_set_input(n, 0, first->inputs[0], err));
    mq_pass_drop(first);
    ++*n_changed;
done:
    return rc;
}

/* ---- Gather of Gather ---------------------------------------------------------------------------------------------- */

static bool read_places(const mq_node *n, mq_tensor **t, int64_t *axis)
{
    const int rank = mq_value_rank(n->inputs[0]);

    *t = mq_constant_input(n, 1);
    *axis = mq_node_attr_int(n, "axis", 0);
    *axis += *axis < 0 ? rank : 0;
    return rank >= 1 && *axis >= 0 && *axis < rank && *t && ((*t)->dtype == MQ_INT64 || (*t)->dtype == MQ_INT32) &&
           mq_tensor_count(*t) >= 0 && mq_tensor_count(*t) <= MAX_PLACES;
}

/* from[at[i]] for all i, in *out from malloc; NULL there: one lies outside. */
static mq_status look_up(mq_tensor *from, mq_tensor *at, int64_t **out, mq_error *err)
{
    const size_t n_from = (size_t)mq_tensor_count(from), n = (size_t)mq_tensor_count(at);
    int64_t *places = malloc((n_from + 1) * sizeof *places), *found = malloc((n + 1) * sizeof *found);
    mq_status rc = places && found ? MQ_OK : mq_oom(err);
    bool inside = true;

    *out = NULL;
    if (rc == MQ_OK)
        rc = mq_tensor_read_i64(from, 0, n_from, places, err);
    if (rc == MQ_OK)
        rc = mq_tensor_read_i64(at, 0, n, found, err);
    for (size_t i = 0; i < n && rc == MQ_OK && inside; i++) {
        found[i] += found[i] < 0 ? (int64_t)n_from : 0;
        inside = found[i] >= 0 && found[i] < (int64_t)n_from;
        found[i] = inside ? places[found[i]] : 0;
    }
    free(places);
    if (rc == MQ_OK && inside)
        *out = found;
    else
        free(found);
    return rc;
}

static mq_status gather_of_gather(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_node *first = mq_pass_only_producer(n->inputs[0], "Gather");
    mq_tensor *from, *at;
    int64_t axis, first_axis, *places;
    mq_value *v;
    mq_status rc = MQ_OK;

    if (!first || !read_places(first, &from, &first_axis) || from->n_dims != 1 || !read_places(n, &at, &axis) ||
        axis != first_axis)
        return MQ_OK;
    MQ_TRY(look_up(from, at, &places, err));
    if (!places)
        return MQ_OK;
    MQ_TRY(mq_constant_of_heap(n->graph, "places", MQ_INT64, at->n_dims, at->dims, places, &v, err));
    MQ_TRY(mq_node_set_input(n, 1, v, err));
    MQ_TRY(mq_node_set_input(n, 0, first->inputs[0], err));
    MQ_TRY(mq_node_set_attr_int(n, "axis", axis, err));
    mq_pass_drop(first);
    ++*n_changed;
done:
    return rc;
}

/* ---- Split and Concat ---------------------------------------------------------------------------------------------- */

static int64_t axis_of(const mq_node *n, const mq_value *v)
{
    const int64_t axis = mq_node_attr_int(n, "axis", 0);

    return axis < 0 ? axis + mq_value_rank(v) : axis;
}

/* The Split whose parts are the inputs of n from `at` on, all in order; NULL: there is none. */
static mq_node *split_behind(const mq_node *n, size_t at)
{
    mq_node *split = n->inputs[at] ? n->inputs[at]->producer : NULL;

    if (!split || split->graph != n->graph || !mq_node_is(split, "", "Split") || split->n_inputs < 1 || !split->inputs[0] ||
        split->n_outputs > n->n_inputs - at || mq_value_rank(split->inputs[0]) < 1 || mq_value_rank(n->outputs[0]) < 1 ||
        axis_of(split, split->inputs[0]) != axis_of(n, n->outputs[0]))
        return NULL;
    for (size_t i = 0; i < split->n_outputs; i++)
        if (!split->outputs[i] || n->inputs[at + i] != split->outputs[i])
            return NULL;
    return split;
}

/* Only when the Split goes with it: else the whole is read beside its parts for nothing. */
static bool no_other_readers(const mq_node *split)
{
    for (size_t i = 0; i < split->n_outputs; i++)
        if (!mq_only_reader(split->outputs[i]))
            return false;
    return true;
}

static mq_status concat_of_parts(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t at = 0; at < n->n_inputs; at++) {
        mq_node *split = split_behind(n, at);
        size_t n_parts;

        if (!split || !no_other_readers(split))
            continue;
        n_parts = split->n_outputs;
        MQ_TRY(mq_node_set_input(n, at, split->inputs[0], err));
        for (size_t i = at + 1; i < n->n_inputs; i++)
            MQ_TRY(mq_node_set_input(n, i, i + n_parts - 1 < n->n_inputs ? n->inputs[i + n_parts - 1] : NULL, err));
        mq_node_trim_inputs(n);
        mq_pass_drop(split);
        ++*n_changed;
    }
done:
    return rc;
}

static mq_status split_of_concat(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_node *concat = n->inputs[0]->producer;
    const int rank = mq_value_rank(n->inputs[0]);
    const int64_t axis = axis_of(n, n->inputs[0]);
    mq_status rc = MQ_OK;
    bool done;

    if (!concat || concat->graph != n->graph || !mq_node_is(concat, "", "Concat") || rank < 1 ||
        axis_of(concat, n->inputs[0]) != axis || concat->n_inputs != n->n_outputs)
        return MQ_OK;
    for (size_t i = 0; i < n->n_outputs; i++) {
        const mq_dim d = mq_value_dim(concat->inputs[i], (int)axis);

        if (!n->outputs[i] || n->outputs[i]->n_output_uses || !mq_dim_known(d) ||
            !mq_dim_equal(d, mq_value_dim(n->outputs[i], (int)axis)))
            return MQ_OK;
    }
    for (size_t i = 0; i < n->n_outputs; i++)
        MQ_TRY(mq_value_bypass(n->outputs[i], concat->inputs[i], &done, err));
    mq_pass_drop(n);
    ++*n_changed;
done:
    return rc;
}

/* ---- the pass ------------------------------------------------------------------------------------------------------ */

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    if (n->n_inputs < 1 || !n->inputs[0] || n->n_outputs < 1 || !n->outputs[0])
        return MQ_OK;
    if (mq_node_is(n, "", "Slice"))
        return slice_of_slice(n, n_changed, err);
    if (mq_node_is(n, "", "Gather") && n->n_inputs == 2)
        return gather_of_gather(n, n_changed, err);
    if (mq_node_is(n, "", "Concat"))
        return concat_of_parts(n, n_changed, err);
    return mq_node_is(n, "", "Split") ? split_of_concat(n, n_changed, err) : MQ_OK;
}

const mq_pass mq_pass_merge_parts = {
    .name = "merge-parts", .summary = "take parts of parts at once, and do not cut what is put together again", .node = visit
};
