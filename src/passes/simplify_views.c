/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* simplify-views: rows of Reshape, Transpose, Squeeze, Unsqueeze, Flatten and Gather of one element become the least Slice,
 * Reshape and Transpose that do the same.
 *   Reshape -> Transpose -> Reshape -> Gather 0, Gather 1 (a channel shuffle)   =>  two Slices, of every other channel
 *   Unsqueeze -> Transpose -> Squeeze -> Gather 0, 1, 2 (one projection's parts) =>  three Slices
 *   Reshape -> Transpose -> Reshape of unknown batch                              =>  Reshape -> Transpose, where that does
 * Shapes and indices must be constants. Skipped where it takes as many nodes; nodes that others read too stay, and count
 * as not saved, unless all who read them are rewritten with them.
 * Numerics: exact, elements only move. */
#include "passes/views.h"

#define MAX_ROW 16
#define MAX_READERS 16
#define SLICE_WITH_INPUTS 10 /* opset */

/* A node, and what stands before it: steps[i] reads steps[i + 1]. */
typedef struct row {
    mq_node *steps[MAX_ROW];
    int n;
    int n_own; /* so many have no reader but the next one */
} row;

static bool collect(mq_node *end, row *r)
{
    *r = (row){ .n = 0 };
    for (mq_node *n = end; n && r->n < MAX_ROW && n->graph == end->graph && mq_view_is_step(n); n = n->inputs[0]->producer) {
        if (r->n == r->n_own && (r->n == 0 || mq_only_reader(n->outputs[0])))
            r->n_own++;
        r->steps[r->n++] = n;
    }
    return r->n > 0;
}

/* steps[top] to steps[0] as few nodes. */
static bool plan_row(const row *r, int top, mq_view_plan *plan)
{
    mq_view view;

    if (!mq_view_begin(&view, r->steps[top]->inputs[0]))
        return false;
    for (int i = top; i >= 0; i--)
        if (!mq_view_apply(&view, r->steps[i]))
            return false;
    if (!mq_view_plan_make(&view, plan))
        return false;
    if (plan->n_slices && mq_opset_of(r->steps[0]->graph, "") < SLICE_WITH_INPUTS)
        for (int i = 0; i < plan->n_slices; i++)
            if (plan->steps[i] != 1)
                return false;
    return plan->n_nodes > 0 || !r->steps[0]->outputs[0]->n_output_uses;
}

/* ---- making nodes -------------------------------------------------------------------------------------------------- */

static mq_status constant(mq_node *at, const char *name, const int64_t *x, int64_t n, mq_value **out, mq_error *err)
{
    return mq_constant_of(at->graph, name, MQ_INT64, 1, &n, x, out, err);
}

/* One more node before `at`; the one before it gives its result a name first. */
static mq_status append(mq_node *at, const char *op, mq_value *second, mq_value **v, mq_node **last, mq_error *err)
{
    mq_status rc = *last ? mq_pass_give_output(*last, at->outputs[0], v, err) : MQ_OK;
    mq_value *const in[] = { *v, second };

    return rc == MQ_OK ? mq_pass_insert(at, "", op, NULL, in, 2, last, err) : rc;
}

static mq_status append_slice(mq_node *at, const mq_view_plan *p, mq_value **v, mq_node **last, mq_error *err)
{
    const char *names[] = { "starts", "ends", "axes", "steps" };
    const int64_t *lists[] = { p->starts, p->ends, p->axes, p->steps };
    const bool inputs = mq_opset_of(at->graph, "") >= SLICE_WITH_INPUTS;
    bool ones = true;
    mq_status rc = MQ_OK;

    for (int i = 0; i < p->n_slices; i++)
        ones &= p->steps[i] == 1;
    MQ_TRY(append(at, "Slice", NULL, v, last, err));
    for (size_t i = 0; i < (ones ? 3 : 4); i++) {
        mq_value *list;

        if (!inputs) {
            MQ_TRY(mq_node_set_attr_ints(*last, names[i], lists[i], (size_t)p->n_slices, err));
            continue;
        }
        MQ_TRY(constant(at, names[i], lists[i], p->n_slices, &list, err));
        MQ_TRY(mq_node_set_input(*last, i + 1, list, err));
    }
done:
    return rc;
}

static mq_status append_reshape(mq_node *at, const int64_t *shape, int rank, mq_value **v, mq_node **last, mq_error *err)
{
    mq_value *c;
    mq_status rc = constant(at, "shape", shape, rank, &c, err);

    return rc == MQ_OK ? append(at, "Reshape", c, v, last, err) : rc;
}

/* The plan's nodes over x in the place of `end`. */
static mq_status rewrite(mq_node *end, mq_value *x, const mq_view_plan *p, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_value *v = x;
    mq_node *last = NULL;
    bool done = true;

    if (p->n_slices)
        MQ_TRY(append_slice(end, p, &v, &last, err));
    if (p->cut)
        MQ_TRY(append_reshape(end, p->cut_shape, p->cut_rank, &v, &last, err));
    if (p->turn) {
        MQ_TRY(append(end, "Transpose", NULL, &v, &last, err));
        MQ_TRY(mq_node_set_attr_ints(last, "perm", p->perm, (size_t)p->turn_rank, err));
    }
    if (p->join)
        MQ_TRY(append_reshape(end, p->join_shape, p->join_rank, &v, &last, err));
    if (last)
        return mq_pass_take_over(last, end, err);
    MQ_TRY(mq_value_bypass(end->outputs[0], x, &done, err));
    mq_pass_drop(end);
done:
    return rc;
}

/* ---- which --------------------------------------------------------------------------------------------------------- */

/* The longest part that becomes shorter. */
static mq_status simplify_row(const row *r, size_t *n_changed, mq_error *err)
{
    mq_view_plan plan;

    for (int top = r->n - 1; top > 0; top--) {
        const int own = top < r->n_own ? top + 1 : r->n_own;
        mq_status rc;

        if (!plan_row(r, top, &plan) || plan.n_nodes >= own)
            continue;
        rc = rewrite(r->steps[0], r->steps[top]->inputs[0], &plan, err);
        *n_changed += rc == MQ_OK;
        return rc;
    }
    return MQ_OK;
}

/* All who read what r->steps[1] makes, in place of r->steps[0]; 0: one of them is no step. */
static int collect_readers(const row *r, row *readers)
{
    const mq_value *v = r->steps[1]->outputs[0];
    int n = 0;

    if (v->n_output_uses || v->uses.n > MAX_READERS)
        return 0;
    for (size_t i = 0; i < v->uses.n; i++) {
        mq_node *reader = v->uses.items[i].node;

        if (reader->graph != r->steps[0]->graph || v->uses.items[i].index != 0 || !mq_view_is_step(reader))
            return 0;
        readers[n] = *r;
        readers[n++].steps[0] = reader;
    }
    return n;
}

/* Several steps that read one row, rewritten together: then the row goes too. */
static mq_status simplify_readers(const row *r, size_t *n_changed, mq_error *err)
{
    row readers[MAX_READERS];
    mq_view_plan plans[MAX_READERS];
    const int n = r->n > 1 && r->n_own == 1 ? collect_readers(r, readers) : 0;
    int own = 2;

    while (n && own < r->n && mq_only_reader(r->steps[own]->outputs[0]))
        own++;
    for (int top = own - 1; n > 1 && top > 0; top--) {
        mq_value *x = r->steps[top]->inputs[0];
        int total = 0, i = 0;
        mq_status rc = MQ_OK;

        for (; i < n && plan_row(&readers[i], top, &plans[i]); i++)
            total += plans[i].n_nodes;
        if (i < n || total >= n + top)
            continue;
        for (i = 0; i < n && rc == MQ_OK; i++)
            rc = rewrite(readers[i].steps[0], x, &plans[i], err);
        *n_changed += rc == MQ_OK;
        return rc;
    }
    return MQ_OK;
}

/* From the end: rows are taken as a whole before their parts. */
static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    (void)ctx;
    for (mq_node *n = g->last, *prev; n && rc == MQ_OK; n = prev) {
        const mq_node *next = n->next;
        const size_t changed = *n_changed;
        row r;

        prev = n->prev;
        if (!collect(n, &r))
            continue;
        rc = simplify_row(&r, n_changed, err);
        if (*n_changed != changed) {
            prev = next ? next->prev : g->last;
            continue;
        }
        if (rc == MQ_OK)
            rc = simplify_readers(&r, n_changed, err);
        if (*n_changed != changed)
            prev = g->last;
    }
    return rc;
}

const mq_pass mq_pass_simplify_views = {
    .name = "simplify-views", .summary = "make rows of Reshape, Transpose and the like as short as they can be", .run = run
};
