/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators with bodies: If, Loop, Scan (version 8 with a batch axis, 9 and later without) and SequenceMap. Each gives its
 * bodies' inputs their types, has them inferred, and takes its own outputs from theirs. A loop's carried values start with
 * the types that come in and lose what an iteration changes, until an iteration changes nothing. */
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

/* Iterations of inference over one body before all shapes of carried values are given up, and the last one after that. */
#define MAX_PASSES 4
/* Loops in loops multiply the passes: from this depth on shapes of carried values are given up at once. */
#define MAX_PRECISE_DEPTH 2

/* The graph in an attribute; NULL: there is none. */
static mq_graph *body_of(const mq_infer *in, const char *name)
{
    const mq_attr *a = mq_node_attr(in->node, name);

    return a && a->type == MQ_ATTR_GRAPH && !a->ref && a->n > 0 ? a->graphs[0] : NULL;
}

static const mq_type *out_type(const mq_graph *g, size_t i)
{
    const mq_type *t = i < g->outputs.n ? g->outputs.items[i]->type : NULL;

    return t && t->kind != MQ_TYPE_UNKNOWN ? t : NULL;
}

static mq_status tensor_type(mq_infer *in, mq_dtype dtype, int rank, const mq_dim *dims, mq_type **out)
{
    *out = mq_type_create(in->model, MQ_TYPE_TENSOR, dtype, rank, dims);
    return *out ? MQ_OK : mq_oom(in->err);
}

static mq_status want_counts(mq_infer *in, const mq_graph *g, const char *name, size_t n_in, size_t min_out)
{
    if (g->inputs.n != n_in)
        return mq_fail(in->err, MQ_ERR_INPUT, "graph '%s' has %zu inputs, it must have %zu", name, g->inputs.n, n_in);
    if (g->outputs.n < min_out)
        return mq_fail(in->err, MQ_ERR_INPUT, "graph '%s' has %zu outputs, it must have %zu or more", name, g->outputs.n,
                       min_out);
    return MQ_OK;
}

/* ---- If ----------------------------------------------------------------------------------------------------------- */

static mq_status if_outputs(mq_infer *in, const mq_graph *a, const mq_graph *b)
{
    for (size_t i = 0; i < in->node->n_outputs; i++) {
        bool conflict = false;
        mq_type *t;

        MQ_RULE_TRY(mq_type_union(in, out_type(a, i), out_type(b, i), &t, &conflict));
        if (conflict)
            return mq_fail(in->err, MQ_ERR_INPUT, "output %zu: its branches give it different types", i);
        MQ_RULE_TRY(mq_out_type(in, i, t));
    }
    return MQ_OK;
}

static mq_status if_op(mq_infer *in)
{
    mq_graph *g[2] = { body_of(in, "else_branch"), body_of(in, "then_branch") };
    static const char *const names[2] = { "else_branch", "then_branch" };
    int64_t cond;

    for (int i = 0; i < 2; i++)
        if (g[i])
            MQ_RULE_TRY(in->infer_graph(in, g[i], in->err));
    if (!g[0] || !g[1])
        return MQ_OK;
    for (int i = 0; i < 2; i++)
        MQ_RULE_TRY(want_counts(in, g[i], names[i], 0, in->node->n_outputs));
    if (g[0]->outputs.n != g[1]->outputs.n)
        return mq_fail(in->err, MQ_ERR_INPUT, "its branches have %zu and %zu outputs", g[1]->outputs.n, g[0]->outputs.n);
    if (mq_in_scalar(in, 0, &cond))
        return if_outputs(in, g[cond != 0], g[cond != 0]);
    return if_outputs(in, g[0], g[1]);
}

/* ---- bodies that run again and again ------------------------------------------------------------------------------ */

/* One body: the types its inputs get, and where the carried values stand among its inputs and outputs. */
typedef struct iteration {
    mq_graph *g;
    mq_type **given; /* one per input of g */
    size_t first_in, first_out, n_carried;
} iteration;

static mq_status run_body(mq_infer *in, const iteration *it)
{
    for (size_t i = 0; i < it->g->inputs.n; i++) {
        mq_value *v = it->g->inputs.items[i];

        v->type = it->given[i];
        v->known = NULL;
        v->n_known = 0;
    }
    return in->infer_graph(in, it->g, in->err);
}

static mq_status drop_shapes(mq_infer *in, const iteration *it)
{
    for (size_t i = 0; i < it->n_carried; i++) {
        mq_type **t = &it->given[it->first_in + i];
        bool ignored = false;

        MQ_RULE_TRY(mq_type_union(in, *t, NULL, t, &ignored));
    }
    return MQ_OK;
}

static bool in_other_loops(const mq_infer *in)
{
    int depth = 0;

    for (const mq_graph *g = in->node->graph; g && depth < MAX_PRECISE_DEPTH; g = g->parent)
        depth += g->owner && !mq_node_is(g->owner, "", "If");
    return depth >= MAX_PRECISE_DEPTH;
}

/* A value that may be missing at first (an optional) and is there after an iteration: taken as the optional it came as. */
static bool fills_optional(const mq_type *given, const mq_type *back)
{
    return given && back && given->kind == MQ_TYPE_OPTIONAL && back->kind != MQ_TYPE_OPTIONAL;
}

/* Widens what comes in by what one iteration gives back. */
static mq_status widen(mq_infer *in, const iteration *it, bool *changed)
{
    for (size_t i = 0; i < it->n_carried; i++) {
        mq_type **t = &it->given[it->first_in + i], *wider;
        mq_type back = { .kind = MQ_TYPE_OPTIONAL, .rank = -1, .elem = (mq_type *)out_type(it->g, it->first_out + i) };
        bool conflict = false;

        MQ_RULE_TRY(mq_type_union(in, *t, fills_optional(*t, back.elem) ? &back : back.elem, &wider, &conflict));
        if (conflict)
            return mq_fail(in->err, MQ_ERR_INPUT, "carried value %zu: an iteration gives it another type", i);
        *changed |= !mq_type_same(*t, wider);
        *t = wider;
    }
    return MQ_OK;
}

static mq_status run_until_settled(mq_infer *in, iteration *it)
{
    if (in_other_loops(in))
        MQ_RULE_TRY(drop_shapes(in, it));
    for (int pass = 0; pass < MAX_PASSES; pass++) {
        bool changed = false;

        MQ_RULE_TRY(run_body(in, it));
        MQ_RULE_TRY(widen(in, it, &changed));
        if (!changed)
            break;
        if (pass >= MAX_PASSES - 2)
            MQ_RULE_TRY(drop_shapes(in, it));
    }
    return MQ_OK;
}

static mq_status new_iteration(mq_infer *in, mq_graph *g, iteration *it)
{
    *it = (iteration){ .g = g, .given = mq_arena_calloc(in->model->arena, g->inputs.n + 1, sizeof *it->given) };
    return it->given ? MQ_OK : mq_oom(in->err);
}

/* Type t with one axis more at `axis`, or one after the other when n is 2; only the element type with unknown rank. */
static mq_status out_stacked(mq_infer *in, size_t i, const mq_type *t, int64_t axis, const mq_dim *more, int n)
{
    mq_dim *dims;
    int at;

    if (!t)
        return MQ_OK;
    if (t->kind != MQ_TYPE_TENSOR)
        return mq_fail(in->err, MQ_ERR_INPUT, "output %zu is collected over iterations: it must be a tensor there", i);
    MQ_RULE_TRY(mq_out_dtype(in, i, t->dtype));
    if (t->rank < 0)
        return MQ_OK;
    MQ_RULE_TRY(mq_norm_axis(in, axis, t->rank + 1, &at));
    dims = mq_dims_new(in, t->rank + n);
    if (!dims)
        return mq_oom(in->err);
    for (int k = 0; k < t->rank + n; k++)
        dims[k] = k < at ? t->dims[k] : k < at + n ? more[k - at] : t->dims[k - n];
    return mq_out_shape(in, i, t->rank + n, dims);
}

/* ---- Loop --------------------------------------------------------------------------------------------------------- */

/* Inputs: the trip count, the condition, carried values. The body has the iteration's number and the condition before its
 * carried values, gives a condition back, and behind the carried values what is stacked. */
static mq_status loop(mq_infer *in)
{
    const size_t n = in->node->n_inputs > 2 ? in->node->n_inputs - 2 : 0;
    const mq_dim trips = MQ_DIM_UNKNOWN;
    mq_graph *g = body_of(in, "body");
    iteration it;

    if (!g)
        return MQ_OK;
    MQ_RULE_TRY(want_counts(in, g, "body", n + 2, (in->node->n_outputs > n ? in->node->n_outputs : n) + 1));
    MQ_RULE_TRY(new_iteration(in, g, &it));
    it.first_in = 2;
    it.first_out = 1;
    it.n_carried = n;
    MQ_RULE_TRY(tensor_type(in, MQ_INT64, 0, NULL, &it.given[0]));
    MQ_RULE_TRY(tensor_type(in, MQ_BOOL, 0, NULL, &it.given[1]));
    for (size_t i = 0; i < n; i++)
        MQ_RULE_TRY(mq_type_union(in, mq_in_type(in, i + 2), mq_in_type(in, i + 2), &it.given[i + 2], &(bool){ false }));
    MQ_RULE_TRY(run_until_settled(in, &it));
    for (size_t i = 0; i < in->node->n_outputs; i++) {
        if (i < n)
            MQ_RULE_TRY(mq_out_type(in, i, fills_optional(it.given[i + 2], out_type(g, i + 1)) ? out_type(g, i + 1)
                                                                                             : it.given[i + 2]));
        else
            MQ_RULE_TRY(out_stacked(in, i, out_type(g, i + 1), 0, &trips, 1));
    }
    return MQ_OK;
}

/* ---- Scan --------------------------------------------------------------------------------------------------------- */

typedef struct scan {
    bool batched;          /* version 8: axis 0 is the batch, axis 1 the sequence, and sequence_lens is input 0 */
    size_t first;          /* of the node's inputs, behind sequence_lens */
    size_t n_states, n_scans;
    mq_dim batch, length;
} scan;

static mq_status read_scan(mq_infer *in, scan *s)
{
    const int64_t n_scans = mq_node_attr_int(in->node, "num_scan_inputs", 0);
    size_t n;

    *s = (scan){ .batched = in->version < 9, .first = in->version < 9 ? 1 : 0, .batch = MQ_DIM_UNKNOWN,
                 .length = MQ_DIM_UNKNOWN };
    n = in->node->n_inputs > s->first ? in->node->n_inputs - s->first : 0;
    if (n_scans < 1 || (uint64_t)n_scans > n)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'num_scan_inputs' is %lld, it must be 1 to %zu", (long long)n_scans,
                       n);
    s->n_scans = (size_t)n_scans;
    s->n_states = n - s->n_scans;
    return MQ_OK;
}

/* Entry i of an optional list that has n entries. */
static mq_status list_entry(mq_infer *in, const char *name, size_t i, size_t n, int64_t *v)
{
    size_t count;
    const int64_t *list = mq_node_attr_ints(in->node, name, &count);

    *v = list && i < count ? list[i] : 0;
    if (list && count != n)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute '%s' has %zu entries, %zu are needed", name, count, n);
    return MQ_OK;
}

/* What one step of the body sees of input i: without the batch axis, and, when it is scanned, without the sequence's. */
static mq_status scan_step_type(mq_infer *in, scan *s, size_t i, mq_type **out)
{
    const size_t node_input = s->first + i;
    const bool scanned = i >= s->n_states;
    const mq_dim *d = mq_in_dims(in, node_input);
    const int rank = mq_in_rank(in, node_input);
    int64_t axis = s->batched ? 1 : 0;
    int at = -1, n = 0;
    mq_dim *dims;

    if (rank < 0)
        return mq_type_union(in, mq_in_type(in, node_input), NULL, out, &(bool){ false });
    if (scanned && !s->batched)
        MQ_RULE_TRY(list_entry(in, "scan_input_axes", i - s->n_states, s->n_scans, &axis));
    if (s->batched && rank < (scanned ? 2 : 1))
        return mq_fail(in->err, MQ_ERR_INPUT, "input %zu has rank %d, it must have a batch axis%s", node_input, rank,
                       scanned ? " and a sequence axis" : "");
    if (s->batched)
        MQ_RULE_TRY(mq_want_same(in, &s->batch, d[0], "batches of the inputs"));
    if (scanned) {
        MQ_RULE_TRY(mq_norm_axis(in, axis, rank, &at));
        MQ_RULE_TRY(mq_want_same(in, &s->length, d[at], "lengths of the scanned inputs"));
    }
    dims = mq_dims_new(in, rank);
    if (!dims)
        return mq_oom(in->err);
    for (int k = s->batched ? 1 : 0; k < rank; k++)
        if (k != at)
            dims[n++] = d[k];
    return tensor_type(in, mq_in_dtype(in, node_input), n, dims, out);
}

static mq_status scan_output(mq_infer *in, const scan *s, const iteration *it, size_t i)
{
    const size_t n_out = in->node->n_outputs - s->n_states;
    int64_t axis = 0;

    if (i < s->n_states && !s->batched)
        return mq_out_type(in, i, it->given[i]);
    if (i < s->n_states)
        return out_stacked(in, i, it->given[i], 0, &s->batch, 1);
    if (s->batched)
        return out_stacked(in, i, out_type(it->g, i), 0, (const mq_dim[]){ s->batch, s->length }, 2);
    MQ_RULE_TRY(list_entry(in, "scan_output_axes", i - s->n_states, n_out, &axis));
    return out_stacked(in, i, out_type(it->g, i), axis, &s->length, 1);
}

static mq_status scan_op(mq_infer *in)
{
    mq_graph *g = body_of(in, "body");
    iteration it;
    scan s;

    if (!g || mq_attr_open(in, "num_scan_inputs"))
        return MQ_OK;
    MQ_RULE_TRY(read_scan(in, &s));
    MQ_RULE_TRY(want_counts(in, g, "body", s.n_states + s.n_scans, in->node->n_outputs));
    if (in->node->n_outputs < s.n_states)
        return mq_fail(in->err, MQ_ERR_INPUT, "%zu outputs for %zu states", in->node->n_outputs, s.n_states);
    MQ_RULE_TRY(new_iteration(in, g, &it));
    it.n_carried = s.n_states;
    for (size_t i = 0; i < s.n_states + s.n_scans; i++)
        MQ_RULE_TRY(scan_step_type(in, &s, i, &it.given[i]));
    MQ_RULE_TRY(run_until_settled(in, &it));
    for (size_t i = 0; i < in->node->n_outputs; i++)
        MQ_RULE_TRY(scan_output(in, &s, &it, i));
    return MQ_OK;
}

/* ---- SequenceMap -------------------------------------------------------------------------------------------------- */

static mq_status sequence_map(mq_infer *in)
{
    mq_graph *g = body_of(in, "body");
    iteration it;

    if (!g)
        return MQ_OK;
    MQ_RULE_TRY(want_counts(in, g, "body", in->node->n_inputs, in->node->n_outputs));
    MQ_RULE_TRY(new_iteration(in, g, &it));
    for (size_t i = 0; i < in->node->n_inputs; i++) {
        const mq_type *t = mq_in_type(in, i);

        if (t && t->kind == MQ_TYPE_SEQUENCE)
            t = t->elem;
        MQ_RULE_TRY(mq_type_union(in, t, t, &it.given[i], &(bool){ false }));
    }
    MQ_RULE_TRY(run_body(in, &it));
    for (size_t i = 0; i < in->node->n_outputs; i++) {
        mq_type sequence = { .kind = MQ_TYPE_SEQUENCE, .rank = -1 };

        MQ_RULE_TRY(mq_type_union(in, out_type(g, i), out_type(g, i), &sequence.elem, &(bool){ false }));
        if (sequence.elem)
            MQ_RULE_TRY(mq_out_type(in, i, &sequence));
    }
    return MQ_OK;
}

const mq_op_rule mq_rules_control[] = {
    { "", "If", if_op, NULL, NULL },
    { "", "Loop", loop, NULL, NULL },
    { "", "Scan", scan_op, NULL, NULL },
    { "", "SequenceMap", sequence_map, NULL, NULL },
};
const size_t mq_rules_control_n = sizeof mq_rules_control / sizeof *mq_rules_control;
