/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* merge-slices: parts of a tensor are taken at once, and not of a tensor that was just put together.
 *   Slice of Concat along its axis, of exactly one of the parts  =>  that part
 *   Slices that together are the whole of an axis                =>  Split
 * Ranges must be constants with steps of 1, sizes must be known. Skipped when a Slice has several axes, when ranges overlap
 * or leave something out, and for a part whose name must stay.
 * Numerics: exact. */
#include <stdlib.h>

#include "passes/pass.h"

#define MAX_PARTS 64
#define SLICE_WITH_INPUTS 10 /* opset */
#define SPLIT_WITH_INPUT 13

typedef struct range {
    mq_node *node;
    int axis;
    int64_t start, end;
} range;

/* The one element of a list: an input, or an attribute in old files. */
static bool read_one(const mq_node *n, size_t input, const char *attr, int64_t *out)
{
    mq_tensor *t = mq_constant_input(n, input);
    size_t count;
    const int64_t *list = mq_node_attr_ints(n, attr, &count);

    if (mq_opset_of(n->graph, "") < SLICE_WITH_INPUTS) {
        *out = count == 1 ? list[0] : 0;
        return count == 1;
    }
    return t && mq_tensor_count(t) == 1 && mq_tensor_read_i64(t, 0, 1, out, NULL) == MQ_OK;
}

static int64_t clamp(int64_t i, int64_t size)
{
    i = i < 0 ? i + size : i;
    return i < 0 ? 0 : i > size ? size : i;
}

static bool read_range(mq_node *n, range *r)
{
    const bool inputs = mq_opset_of(n->graph, "") >= SLICE_WITH_INPUTS;
    const int rank = n->n_inputs ? mq_value_rank(n->inputs[0]) : -1;
    int64_t axis = 0, step = 1;
    size_t count;
    mq_dim size;

    if (!mq_node_is(n, "", "Slice") || rank < 1 || n->n_outputs != 1 || !n->outputs[0] ||
        !read_one(n, 1, "starts", &r->start) || !read_one(n, 2, "ends", &r->end))
        return false;
    if (inputs ? n->n_inputs > 3 && n->inputs[3] : mq_node_attr_ints(n, "axes", &count) != NULL)
        if (!read_one(n, 3, "axes", &axis))
            return false;
    if (inputs && n->n_inputs > 4 && n->inputs[4] && (!read_one(n, 4, "steps", &step) || step != 1))
        return false;
    axis += axis < 0 ? rank : 0;
    if (axis < 0 || axis >= rank)
        return false;
    size = mq_value_dim(n->inputs[0], (int)axis);
    if (!mq_dim_known(size))
        return false;
    r->node = n;
    r->axis = (int)axis;
    r->start = clamp(r->start, size.value);
    r->end = clamp(r->end, size.value);
    return r->start < r->end;
}

/* The part of the Concat before r that is exactly r; NULL: there is none. */
static mq_value *part_of_concat(const range *r)
{
    const mq_value *v = r->node->inputs[0];
    const mq_node *concat = v->producer && mq_node_is(v->producer, "", "Concat") ? v->producer : NULL;
    int64_t axis = concat ? mq_node_attr_int(concat, "axis", 0) : 0, at = 0;

    axis += axis < 0 ? mq_value_rank(v) : 0;
    if (!concat || axis != r->axis)
        return NULL;
    for (size_t i = 0; i < concat->n_inputs && at <= r->start; i++) {
        const mq_dim d = concat->inputs[i] ? mq_value_dim(concat->inputs[i], r->axis) : MQ_DIM_UNKNOWN;

        if (!mq_dim_known(d) || __builtin_add_overflow(at, d.value, &at))
            return NULL;
        if (at - d.value == r->start && at == r->end)
            return concat->inputs[i];
    }
    return NULL;
}

/* ---- Split --------------------------------------------------------------------------------------------------------- */

static int by_start(const void *a, const void *b)
{
    const range *x = a, *y = b;

    return x->start < y->start ? -1 : x->start > y->start;
}

/* All ranges of one axis of what r reads, in order, when they are the whole of it. */
static size_t collect(const range *r, range *all)
{
    const mq_value *v = r->node->inputs[0];
    int64_t at = 0;
    size_t n = 0;

    for (size_t i = 0; i < v->uses.n; i++) {
        mq_node *reader = v->uses.items[i].node;

        if (v->uses.items[i].index != 0 || reader->graph != r->node->graph || !read_range(reader, &all[n]) ||
            all[n].axis != r->axis)
            continue;
        if (++n == MAX_PARTS)
            return 0;
    }
    qsort(all, n, sizeof *all, by_start);
    for (size_t i = 0; i < n; i++) {
        if (all[i].start != at)
            return 0;
        at = all[i].end;
    }
    return n > 1 && at == mq_value_dim(v, r->axis).value ? n : 0;
}

static mq_status make_split(const range *r, const range *all, size_t n, mq_error *err)
{
    mq_node *at = r->node, *split;
    const int64_t count = (int64_t)n;
    int64_t sizes[MAX_PARTS];
    mq_value *in[2] = { at->inputs[0] };
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n; i++)
        sizes[i] = all[i].end - all[i].start;
    if (mq_opset_of(at->graph, "") >= SPLIT_WITH_INPUT)
        MQ_TRY(mq_constant_of(at->graph, "split", MQ_INT64, 1, &count, sizes, &in[1], err));
    MQ_TRY(mq_pass_insert(at, "", "Split", NULL, in, 2, &split, err));
    MQ_TRY(mq_node_set_attr_int(split, "axis", r->axis, err));
    if (!in[1])
        MQ_TRY(mq_node_set_attr_ints(split, "split", sizes, n, err));
    for (size_t i = 0; i < n; i++) {
        mq_value *v = all[i].node->outputs[0];

        MQ_TRY(mq_node_set_output(all[i].node, 0, NULL, err));
        MQ_TRY(mq_node_set_output(split, i, v, err));
        mq_node_remove(all[i].node);
    }
done:
    return rc;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;
    range r, all[MAX_PARTS];

    (void)ctx;
    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        mq_node *before = n->prev;
        mq_value *part;
        bool done = false;
        size_t count;

        next = n->next;
        if (!read_range(n, &r))
            continue;
        if ((part = part_of_concat(&r))) {
            rc = mq_value_bypass(n->outputs[0], part, &done, err);
            if (done)
                mq_pass_drop(n);
            *n_changed += done;
        } else if ((count = collect(&r, all)) > 0) {
            rc = make_split(&r, all, count, err);
            next = before ? before->next : g->first; /* slices behind n have gone, too */
            ++*n_changed;
        }
    }
    return rc;
}

const mq_pass mq_pass_merge_slices = {
    .name = "merge-slices", .summary = "take parts of a tensor at once, and parts of a Concat as they were", .run = run
};
