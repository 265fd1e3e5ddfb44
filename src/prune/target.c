/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "prune/target.h"

#include "base/pattern.h"
#include "passes/filters.h"
#include "passes/trace.h"
#include "passes/weight_inputs.h"
#include "prune/ask.h"

const char *mq_prune_stay_code(mq_prune_stay stay)
{
    static const char *const codes[MQ_PRUNE_N_STAYS] = { "",       "excluded", "spared", "first", "last",   "type",
                                                         "shared", "output",   "scope",  "empty", "pattern" };
    return codes[stay];
}

const char *mq_prune_stay_text(mq_prune_stay stay)
{
    static const char *const texts[MQ_PRUNE_N_STAYS] = {
        "",
        "excluded by a filter",
        "the sparsity asked for it is 0",
        "of a first layer (--no-keep-ends prunes it)",
        "of a last layer (--no-keep-ends prunes it)",
        "its elements are not floating-point numbers of 16, 32 or 64 bits:",
        "also used by",
        "also an output of the graph",
        "in the body of a function",
        "it has no elements",
        "the pattern does not fit:",
    };
    return texts[stay];
}

struct finder {
    mq_prune_plan *plan;
    mq_filters *filters;
    mq_prune_ask *ask;
    mq_error *err;
};

/* ---- finding ------------------------------------------------------------------------------------------------------- */

/* Is input `at` of n a weight of a layer? Tables that are looked up are none. */
static bool is_target(const mq_node *n, size_t at)
{
    const mq_quant_traits *t = mq_weight_traits(n);

    return t && !t->embedding && n->inputs[at] && mq_weight_is_input(n, at) && mq_trace_behind(n->inputs[at]);
}

static mq_prune_item *item_of(const mq_prune_plan *plan, const mq_value *v)
{
    return v && v->tag < plan->items.n && plan->items.items[v->tag]->constant == v ? plan->items.items[v->tag] : NULL;
}

static mq_status add_item(struct finder *f, mq_value *constant, mq_prune_item **out)
{
    mq_prune_item *it = mq_arena_calloc(f->plan->model->arena, 1, sizeof *it);

    if (!it || !mq_vec_push(&f->plan->items, it))
        return mq_oom(f->err);
    constant->tag = f->plan->items.n - 1;
    *it = (mq_prune_item){ .constant = constant, .stay_detail = "", .channel_axis = -1, .reduce_axis = -1 };
    *out = it;
    return MQ_OK;
}

static mq_status add_user(struct finder *f, mq_prune_item *it, const mq_node *n)
{
    void *users = it->users;

    if (it->n_users == it->users_room) {
        if (!mq_vec_grow_in(f->plan->model->arena, &users, it->n_users, &it->users_room, sizeof *it->users))
            return mq_oom(f->err);
        it->users = users;
    }
    it->users[it->n_users++] = mq_node_label(n);
    return MQ_OK;
}

/* How the layer sees the weight, and along which axes; the first layer's view counts. */
static void look_through(mq_prune_item *it, const mq_node *n, size_t at)
{
    mq_tensor *t = mq_value_constant(it->constant, true);
    mq_value *constant;

    it->op_type = n->op_type;
    if (mq_trace_constant(n->inputs[at], &constant, &it->view)) {
        mq_weight_axes(n, at, it->view.n_dims, &it->channel_axis, &it->reduce_axis);
    } else if (!mq_source_init(&it->view, t)) {
        it->stay = MQ_PRUNE_OTHER_TYPE;
        it->stay_detail = mq_dtype_name(t->dtype);
    }
}

static mq_status look_at_input(struct finder *f, mq_node *n, size_t at)
{
    mq_value *constant = mq_trace_behind(n->inputs[at]);
    const bool wanted = mq_filters_want(f->filters, n, constant);
    mq_prune_item *it = item_of(f->plan, constant);
    mq_status rc = MQ_OK;

    if (!it) {
        MQ_TRY(add_item(f, constant, &it));
        look_through(it, n, at);
        if (mq_weight_in_function(n))
            it->stay = MQ_PRUNE_IN_FUNCTION;
    }
    MQ_TRY(add_user(f, it, n));
    if (it->stay == MQ_PRUNE_GOES && !wanted)
        it->stay = MQ_PRUNE_EXCLUDED;
done:
    return rc;
}

static mq_status offer(struct finder *f, mq_node *n, size_t at)
{
    const mq_value *constant = mq_trace_behind(n->inputs[at]);

    mq_filters_offer(f->filters, n, constant);
    mq_prune_ask_offer(f->ask, constant);
    return MQ_OK;
}

static mq_status each_target(struct finder *f, mq_status (*fn)(struct finder *, mq_node *, size_t))
{
    const mq_model *m = f->plan->model;
    mq_status rc = MQ_OK;

    for (size_t g = 0; g < m->graphs.n; g++)
        for (mq_node *n = m->graphs.items[g]->first; n; n = n->next)
            for (size_t i = 0; rc == MQ_OK && i < n->n_inputs; i++)
                if (n->inputs[i] && is_target(n, i))
                    rc = fn(f, n, i);
    return rc;
}

/* ---- ends ---------------------------------------------------------------------------------------------------------- */

/* Does n work with a weight, one that is looked up included? */
static bool is_layer(const mq_node *n)
{
    if (!mq_weight_traits(n))
        return false;
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] && mq_weight_is_input(n, i) && mq_trace_behind(n->inputs[i]))
            return true;
    return false;
}

static void mark(const mq_prune_plan *plan, const mq_node *n, bool first)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        mq_prune_item *it = n->inputs[i] && is_target(n, i) ? item_of(plan, mq_trace_behind(n->inputs[i])) : NULL;
        if (it)
            *(first ? &it->first : &it->last) = true;
    }
}

/* Tags of nodes. One whose inner graphs hold a layer is a LAYER, too. */
enum { LAYER = 1, BEHIND_LAYER = 2, BEFORE_LAYER = 4 };

/* Exporters compute shapes from those of what a layer makes: no number of it goes that way. */
static bool reads_sizes(const mq_node *n)
{
    return mq_node_is(n, "", "Shape") || mq_node_is(n, "", "Size");
}

static mq_status is_behind(void *user, mq_value *v)
{
    const mq_node *before = v->producer;

    (void)user;
    return before && !reads_sizes(before) && before->tag & (LAYER | BEHIND_LAYER) ? MQ_ERR_USAGE : MQ_OK;
}

/* Layers that no other one lies in front of: nodes are sorted. A way past a layer, as the Add of a residual block, does not
 * make those behind it first ones. */
static void mark_first(const mq_prune_plan *plan, const mq_graph *g)
{
    for (mq_node *n = g->first; n; n = n->next) {
        if (mq_node_each_read(n, g, is_behind, NULL) != MQ_OK)
            n->tag |= BEHIND_LAYER;
        if (!(n->tag & BEHIND_LAYER))
            mark(plan, n, true);
    }
}

static mq_status set_before(void *user, mq_value *v)
{
    (void)user;
    if (v->producer && !reads_sizes(v->producer))
        v->producer->tag |= BEFORE_LAYER;
    return MQ_OK;
}

/* Those that no other one lies behind. */
static void mark_last(const mq_prune_plan *plan, const mq_graph *g)
{
    for (mq_node *n = g->last; n; n = n->prev) {
        if (n->tag & (LAYER | BEFORE_LAYER))
            mq_node_each_read(n, g, set_before, NULL);
        if (!(n->tag & BEFORE_LAYER))
            mark(plan, n, false);
    }
}

static void mark_ends(const mq_prune_plan *plan)
{
    const mq_model *m = plan->model;

    for (size_t i = 0; i < m->graphs.n; i++)
        for (mq_node *n = m->graphs.items[i]->first; n; n = n->next)
            n->tag = 0;
    for (size_t i = 0; i < m->graphs.n; i++)
        for (mq_node *n = m->graphs.items[i]->first; n; n = n->next)
            for (mq_node *at = is_layer(n) ? n : NULL; at && !(at->tag & LAYER); at = at->graph->owner)
                at->tag |= LAYER;
    if (m->graph) {
        mark_first(plan, m->graph);
        mark_last(plan, m->graph);
    }
}

/* ---- deciding ------------------------------------------------------------------------------------------------------ */

/* Who looks the constant up as a table; NULL: nobody. */
static const mq_node *looked_up_by(const mq_value *v, int depth)
{
    for (size_t i = 0; depth < 16 && i < v->uses.n; i++) {
        const mq_node *n = v->uses.items[i].node, *found = NULL;
        const mq_quant_traits *t = mq_weight_traits(n);
        if (t && t->embedding && mq_weight_is_input(n, v->uses.items[i].index))
            return n;
        if (mq_trace_passes_on(n) && n->n_outputs && n->outputs[0])
            found = looked_up_by(n->outputs[0], depth + 1);
        if (found)
            return found;
    }
    return NULL;
}

static void decide(const struct finder *f, mq_prune_item *it)
{
    const mq_prune_plan *plan = f->plan;
    bool is_output = false;
    const mq_node *other;

    it->own = mq_prune_ask_find(f->ask, it->constant, &it->ratio);
    if (it->stay)
        return;
    other = mq_weight_other_user(it->constant, &is_output);
    if (!other)
        other = looked_up_by(it->constant, 0);
    if (is_output) {
        it->stay = MQ_PRUNE_OUTPUT;
    } else if (other) {
        it->stay = MQ_PRUNE_SHARED;
        it->stay_detail = mq_node_label(other);
    } else if (it->view.n == 0) {
        it->stay = MQ_PRUNE_EMPTY;
    } else if (plan->opts->sparsity.n && !(it->ratio > 0)) {
        it->stay = MQ_PRUNE_SPARED;
    } else if (plan->opts->keep_ends && !it->own && (it->first || it->last)) {
        it->stay = it->first ? MQ_PRUNE_FIRST : MQ_PRUNE_LAST;
    } else if (plan->kind != MQ_PRUNE_KEYS && it->reduce_axis < 0) {
        it->stay = MQ_PRUNE_NO_PATTERN;
        it->stay_detail = "no axis that products are summed over";
    } else if (plan->kind == MQ_PRUNE_GROUPS && it->view.dims[it->reduce_axis] <= (int64_t)plan->keep) {
        it->stay = MQ_PRUNE_NO_PATTERN;
        it->stay_detail = "products are summed over no more than stay";
    } else if (plan->kind == MQ_PRUNE_BLOCKS && it->channel_axis < 0) {
        it->stay = MQ_PRUNE_NO_PATTERN;
        it->stay_detail = "no axis of output channels";
    }
}

/* Its own random numbers for each weight, by name. */
static uint64_t seed_of(uint64_t seed, const char *name)
{
    uint64_t h = seed ^ UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (; *name; name++)
        h = (h ^ (uint8_t)*name) * UINT64_C(0x100000001b3);
    return h;
}

mq_status mq_prune_find(mq_prune_plan *plan, mq_error *err)
{
    const mq_prune_opts *o = plan->opts;
    const mq_filter_names names = { o->nodes,           o->exclude_nodes, o->tensors,
                                    o->exclude_tensors, o->op_types,      o->exclude_op_types };
    struct finder f = { .plan = plan, .err = err };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_prune_ask_pattern(plan, err));
    MQ_TRY(mq_prune_ask_create(&f.ask, plan, err));
    MQ_TRY(mq_filters_create(&f.filters, &names, err));
    MQ_TRY(each_target(&f, offer));
    MQ_TRY(each_target(&f, look_at_input));
    mark_ends(plan);
    for (size_t i = 0; i < plan->items.n; i++) {
        mq_prune_item *it = plan->items.items[i];
        decide(&f, it);
        it->seed = seed_of(o->seed, it->constant->name);
        plan->n_pruned += it->stay == MQ_PRUNE_GOES;
        plan->n_bytes += it->stay == MQ_PRUNE_GOES ? (uint64_t)mq_tensor_size(it->view.tensor) : 0;
    }
    MQ_TRY(mq_filters_check(f.filters, err));
    MQ_TRY(mq_prune_ask_check(f.ask, err));
    if (!(plan->share > 0))
        plan->share = 1;
    if (plan->kind == MQ_PRUNE_GROUPS)
        plan->keep = plan->of - (size_t)((double)(plan->of - plan->keep) * plan->share);
done:
    mq_filters_free(f.filters);
    mq_prune_ask_free(f.ask);
    return rc;
}

void mq_prune_plan_release(mq_prune_plan *plan)
{
    mq_vec_release(&plan->items);
}
