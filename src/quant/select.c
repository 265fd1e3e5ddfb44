/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which constants are weights, and which of them stay. A weight is a constant that an operator takes at a weight input
 * (quantization traits of the operator table); bias, normalization and shape constants are at other inputs and so are never
 * weights. How one is quantized is chosen in choose.c. */
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "passes/trace.h"
#include "passes/weight_inputs.h"
#include "quant/choose.h"
#include "quant/dynamic_lstm.h"
#include "quant/filters.h"
#include "quant/place.h"
#include "quant/overrides.h"
#include "quant/quant.h"
#include "quant/tie.h"

const char *mq_stay_code(mq_stay stay)
{
    static const char *const codes[MQ_N_STAYS] = { "",       "excluded", "type",   "small", "shared",
                                                   "output", "axis",     "blocks", "scope", "bound" };
    return codes[stay];
}

const char *mq_stay_text(mq_stay stay)
{
    static const char *const texts[MQ_N_STAYS] = {
        "",
        "excluded by a filter",
        "its elements are not floating-point numbers of 16 or 32 bits:",
        "too small: its scales would take more room than is saved",
        "also used by",
        "also an output of the graph",
        "looked up along another axis than 0",
        "its blocks do not divide it",
        "in the body of a function",
        "kept in float for the bounds",
    };
    return texts[stay];
}

const char *mq_treatment_name(const mq_quant_item *it)
{
    switch (it->treatment) {
    case MQ_TREAT_EMBEDDING: return "qdq-embedding";
    case MQ_TREAT_NBITS: return "matmul-nbits";
    case MQ_TREAT_GATHER_NBITS: return "gather-nbits";
    case MQ_TREAT_DYNAMIC: return "dynamic";
    default: return "qdq-weight";
    }
}

struct selector {
    mq_quant_plan *plan;
    mq_quant_filters *filters;
    mq_overrides *overrides;
    mq_chooser chooser;
    mq_error *err;
};

/* ---- finding ------------------------------------------------------------------------------------------------------- */

static mq_quant_item *item_of(const mq_quant_plan *plan, const mq_value *v)
{
    return v->tag < plan->items.n && plan->items.items[v->tag]->value == v ? plan->items.items[v->tag] : NULL;
}

static mq_status add_item(struct selector *s, mq_value *v, mq_value *constant, const mq_source *view, mq_quant_item **out)
{
    mq_quant_item *it = calloc(1, sizeof *it);

    if (!it || !mq_vec_push(&s->plan->items, it)) {
        free(it);
        return mq_oom(s->err);
    }
    v->tag = s->plan->items.n - 1;
    it->value = v;
    it->constant = constant;
    it->stay_detail = "";
    it->channel_axis = it->reduce_axis = it->axis = -1;
    if (view)
        it->weight.source = *view;
    *out = it;
    return MQ_OK;
}

/* A constant that is a weight by its place, but not of a kind that can be quantized. */
static mq_status add_other(struct selector *s, mq_value *v)
{
    mq_value *constant = mq_trace_behind(v);
    mq_tensor *t = constant ? mq_value_constant(constant, true) : NULL;
    mq_quant_item *it = NULL;
    mq_status rc;

    if (!t || mq_dtype_is_integer(t->dtype) || t->dtype == MQ_BOOL || t->dtype == MQ_STRING || item_of(s->plan, v))
        return MQ_OK;
    if ((rc = add_item(s, v, constant, NULL, &it)) != MQ_OK)
        return rc;
    it->stay = MQ_STAY_TYPE;
    it->stay_detail = mq_dtype_name(t->dtype);
    it->bytes_before = it->bytes_after = mq_tensor_size(t) > 0 ? (uint64_t)mq_tensor_size(t) : 0;
    return MQ_OK;
}

/* The first operator that takes a constant as its weight makes the item; the others must be able to share it. */
static mq_status look_at_input(struct selector *s, mq_node *n, size_t at)
{
    mq_value *v = n->inputs[at], *constant;
    bool embedding = mq_weight_traits(n)->embedding, wanted = mq_quant_filters_want(s->filters, n, v);
    mq_quant_item *it;
    mq_source view;
    mq_status rc;

    if (!mq_trace_constant(v, &constant, &view))
        return add_other(s, v);
    if ((it = item_of(s->plan, v))) {
        if (it->stay == MQ_STAY_NOT && !wanted)
            it->stay = MQ_STAY_EXCLUDED;
        it->embedding &= embedding;
        return MQ_OK;
    }
    if ((rc = add_item(s, v, constant, &view, &it)) != MQ_OK)
        return rc;
    it->op_type = n->op_type;
    it->embedding = embedding;
    mq_weight_axes(n, at, view.n_dims, &it->channel_axis, &it->reduce_axis);
    if (!wanted)
        it->stay = MQ_STAY_EXCLUDED;
    else if (n->graph->function)
        it->stay = MQ_STAY_SCOPE;
    return MQ_OK;
}

/* Calls fn for every weight input with a constant behind it. */
static mq_status each_weight(struct selector *s, mq_status (*fn)(struct selector *, mq_node *, size_t))
{
    const mq_model *m = s->plan->model;
    mq_status rc = MQ_OK;

    for (size_t g = 0; g < m->graphs.n; g++)
        for (mq_node *n = m->graphs.items[g]->first; n; n = n->next)
            for (size_t i = 0; rc == MQ_OK && i < n->n_inputs; i++)
                if (n->inputs[i] && mq_weight_is_input(n, i) && mq_trace_behind(n->inputs[i]) &&
                    !mq_weight_in_function(n))
                    rc = fn(s, n, i);
    return rc;
}

static mq_status offer(struct selector *s, mq_node *n, size_t at)
{
    mq_quant_filters_offer(s->filters, n, n->inputs[at]);
    return MQ_OK;
}

/* ---- users --------------------------------------------------------------------------------------------------------- */

/* Is the table looked up along another axis than that of its rows by anyone? */
static bool other_axis(const mq_value *v)
{
    for (size_t i = 0; i < v->uses.n; i++)
        if (!mq_trace_passes_on(v->uses.items[i].node) && mq_node_attr_int(v->uses.items[i].node, "axis", 0) != 0)
            return true;
    return false;
}

static mq_status list_users(struct selector *s, mq_quant_item *it)
{
    const mq_value *v = it->value;

    it->users = mq_arena_calloc(s->plan->model->arena, v->uses.n, sizeof *it->users);
    if (!it->users)
        return mq_oom(s->err);
    it->n_users = v->uses.n;
    for (size_t i = 0; i < v->uses.n; i++)
        it->users[i] = mq_node_label(v->uses.items[i].node);
    if (!it->op_type)
        it->op_type = v->uses.n ? v->uses.items[0].node->op_type : "";
    return MQ_OK;
}

/* Marks the weights of the nodes that v comes from, as far as no other weight lies between. `seen` is a mark per node. */
static void mark_last(struct selector *s, const mq_value *v, size_t mark, int depth)
{
    mq_node *n = v->producer;
    bool found = false;

    if (!n || n->tag == mark || depth > 1000)
        return;
    n->tag = mark;
    for (size_t i = 0; i < n->n_inputs; i++) {
        mq_quant_item *it = n->inputs[i] && mq_weight_is_input(n, i) ? item_of(s->plan, n->inputs[i]) : NULL;
        if (it && !it->embedding)
            it->last = found = true;
    }
    for (size_t i = 0; !found && i < n->n_inputs; i++)
        if (n->inputs[i])
            mark_last(s, n->inputs[i], mark, depth + 1);
}

/* ---- deciding ------------------------------------------------------------------------------------------------------ */

/* About what the operators and names around the integers take in the file. */
static uint64_t overhead(const mq_quant_item *it)
{
    const size_t name = strlen(it->value->name);

    if (it->treatment == MQ_TREAT_DYNAMIC) /* five nodes of three names each */
        return 15 * (name + 20) + 250;
    return 5 * name + 120 + (it->embedding ? 400 : 0);
}

/* Zero points are left out where the operator takes them to be what they are. */
static bool writes_zero_points(const mq_quant_item *it)
{
    const mq_scheme *s = &it->weight.scheme;
    const int absent = it->treatment == MQ_TREAT_NBITS ? 1 << (mq_dtype_bits(s->type) - 1) : 0;

    return it->all_zero_points || !s->symmetric || mq_scheme_middle(s) != absent;
}

/* ONNX Runtime makes a Gemm of integers only of DequantizeLinear with three inputs. */
static bool wants_zero_points(const mq_quant_plan *plan, const mq_quant_item *it)
{
    for (size_t i = 0; plan->opts->mode == MQ_MODE_STATIC && i < it->value->uses.n; i++)
        if (mq_node_is(it->value->uses.items[i].node, "", "Gemm"))
            return it->treatment == MQ_TREAT_DEQUANTIZE && mq_dtype_bits(it->weight.scheme.type) == 8;
    return false;
}

static uint64_t payload(const mq_quant_item *it)
{
    return mq_weight_integer_bytes(&it->weight) + mq_weight_scale_bytes(&it->weight) +
           (writes_zero_points(it) ? mq_weight_zero_point_bytes(&it->weight) : 0);
}

static mq_status decide(struct selector *s, mq_quant_item *it)
{
    const mq_tensor *t = it->weight.source.tensor;
    mq_dtype seen = it->value->type ? it->value->type->dtype : MQ_UNDEFINED;
    bool is_output = false;
    const mq_node *other;
    mq_status rc = MQ_OK;

    if (!t)
        return MQ_OK;
    it->bytes_before = it->bytes_after = mq_tensor_size(t) > 0 ? (uint64_t)mq_tensor_size(t) : 0;
    if (it->stay)
        return MQ_OK;
    other = mq_weight_other_user(it->constant, &is_output);
    if (seen != MQ_FLOAT && seen != MQ_FLOAT16 && seen != MQ_BFLOAT16) {
        it->stay = MQ_STAY_TYPE;
        it->stay_detail = mq_dtype_name(t->dtype);
    } else if (is_output) {
        it->stay = MQ_STAY_OUTPUT;
    } else if (other) {
        it->stay = MQ_STAY_SHARED;
        it->stay_detail = mq_node_label(other);
    } else if (it->embedding && other_axis(it->value)) {
        it->stay = MQ_STAY_AXIS;
    } else if (it->weight.source.n == 0) {
        it->stay = MQ_STAY_SMALL;
    } else {
        rc = mq_quant_choose(&s->chooser, it, s->err);
    }
    if (rc != MQ_OK || it->stay)
        return rc;
    it->all_zero_points = wants_zero_points(s->plan, it);
    it->bytes_after = payload(it);
    if (s->plan->opts->mode != MQ_MODE_STATIC && it->bytes_after + overhead(it) >= it->bytes_before) {
        it->stay = MQ_STAY_SMALL;
        it->bytes_after = it->bytes_before;
    }
    return MQ_OK;
}

/* A constant that has to stay for one operator would lie beside its integers for another: it stays for all. */
static void keep_whole(const mq_quant_plan *plan, mq_quant_item *it)
{
    for (size_t i = 0; i < plan->items.n; i++) {
        const mq_quant_item *other = plan->items.items[i];
        if (other->constant == it->constant && other->stay) {
            it->stay = MQ_STAY_SHARED;
            it->stay_detail = other->n_users ? other->users[0] : "";
            it->bytes_after = it->bytes_before;
            return;
        }
    }
}

static void keep_shared(mq_quant_plan *plan)
{
    for (size_t i = 0; i < plan->items.n; i++) {
        mq_quant_item *it = plan->items.items[i];
        if (it->stay == MQ_STAY_NOT && it->constant->uses.n > 1)
            keep_whole(plan, it);
    }
}

/* ---- opset --------------------------------------------------------------------------------------------------------- */

static void need(mq_quant_plan *plan, int opset, const char *what)
{
    if (opset > plan->needed_opset) {
        plan->needed_opset = opset;
        plan->needed_for = what;
    }
}

/* The versions of DequantizeLinear and DynamicQuantizeLinear (ONNX, Operators.md). */
static void needs_of(mq_quant_plan *plan, const mq_quant_item *it)
{
    const mq_scheme *s = &it->weight.scheme;

    if (it->treatment == MQ_TREAT_NBITS || it->treatment == MQ_TREAT_GATHER_NBITS)
        return;
    if (it->treatment == MQ_TREAT_DYNAMIC) {
        need(plan, 11, "dynamic quantization");
        return;
    }
    need(plan, 10, "DequantizeLinear");
    if (it->weight.grid.kind == MQ_PER_CHANNEL)
        need(plan, 13, "per-channel scales");
    if (s->scale_type != MQ_FLOAT)
        need(plan, 19, "scales of 16 bits");
    if (it->weight.grid.kind == MQ_PER_BLOCK)
        need(plan, 21, "blocks");
    if (mq_dtype_bits(s->type) != 8)
        need(plan, mq_dtype_bits(s->type) == 2 ? 25 : 21, mq_dtype_name(s->type));
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

/* The graph whose activations may become integers. */
static mq_graph *static_graph(const mq_quant_plan *plan)
{
    return plan->opts->mode == MQ_MODE_STATIC ? plan->model->graph : NULL;
}

static mq_status place_activations(struct selector *s)
{
    mq_quant_plan *plan = s->plan;
    const mq_dtype type = mq_dtype_from_name(plan->opts->act_type);
    const bool wide = mq_dtype_bits(type) != 8;
    mq_status rc = MQ_OK;

    if (!(plan->placement = mq_arena_alloc(plan->model->arena, sizeof *plan->placement)))
        return mq_oom(s->err);
    MQ_TRY(mq_placement_choose(plan->placement, plan, s->filters, s->err));
    MQ_TRY(mq_quant_filters_check(s->filters, s->err));
    if (plan->placement->points.n)
        need(plan, wide ? 21 : 13, wide ? mq_dtype_name(type) : "static quantization");
done:
    return rc;
}

static mq_status find_items(struct selector *s)
{
    const mq_model *m = s->plan->model;
    mq_status rc = MQ_OK;

    MQ_TRY(each_weight(s, offer));
    for (mq_node *n = static_graph(s->plan) ? static_graph(s->plan)->first : NULL; n; n = n->next)
        mq_filters_offer_node(s->filters->which, n);
    MQ_TRY(each_weight(s, look_at_input));
    for (size_t i = 0; i < m->graphs.n; i++)
        for (mq_node *n = m->graphs.items[i]->first; n; n = n->next)
            n->tag = 0;
    for (size_t i = 0; m->graph && i < m->graph->outputs.n; i++)
        mark_last(s, m->graph->outputs.items[i], i + 1, 0);
done:
    return rc;
}

mq_status mq_quant_select(mq_quant_plan *plan, const mq_hooks *hooks, mq_error *err)
{
    struct selector s = { .plan = plan, .err = err };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_quant_type("--type", plan->opts->type, false, &s.chooser.type, err));
    MQ_TRY(mq_quant_type("--ends-type", plan->opts->ends_type, false, &s.chooser.ends_type, err));
    MQ_TRY(mq_quant_filters_create(&s.filters, plan->opts, err));
    MQ_TRY(mq_overrides_load(&s.overrides, plan->opts->overrides, hooks, err));
    MQ_TRY(find_items(&s));
    if (!static_graph(plan)) /* else activations are asked about, too */
        MQ_TRY(mq_quant_filters_check(s.filters, err));
    MQ_TRY(mq_overrides_check(s.overrides, plan, err));
    s.chooser.opts = plan->opts;
    s.chooser.filters = s.filters;
    s.chooser.overrides = s.overrides;
    s.chooser.levels = plan->levels;
    for (size_t i = 0; i < plan->items.n; i++) {
        MQ_TRY(decide(&s, plan->items.items[i]));
        MQ_TRY(list_users(&s, plan->items.items[i]));
    }
    keep_shared(plan);
    MQ_TRY(mq_quant_tie(plan, s.overrides, hooks, err));
    MQ_TRY(mq_lstm_plan(plan, err));
    for (size_t i = 0; i < plan->items.n; i++) {
        if (plan->items.items[i]->stay != MQ_STAY_NOT)
            continue;
        plan->n_quantized++;
        needs_of(plan, plan->items.items[i]);
    }
    if (static_graph(plan))
        MQ_TRY(place_activations(&s));
done:
    mq_quant_filters_free(s.filters);
    mq_overrides_free(s.overrides);
    return rc;
}

void mq_quant_plan_release(mq_quant_plan *plan)
{
    for (size_t i = 0; i < plan->items.n; i++) {
        mq_weight_release(&plan->items.items[i]->weight);
        free(plan->items.items[i]);
    }
    mq_vec_release(&plan->items);
}
