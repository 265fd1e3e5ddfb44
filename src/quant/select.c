/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which constants are weights, and which of them are quantized. A weight is an initializer or the output of a Constant node
 * that an operator takes at its weight input (quantization traits of the operator table); bias, normalization and shape
 * constants are at other inputs and so never weights. */
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "quant/quant.h"

const char *mq_stay_code(mq_stay stay)
{
    static const char *const codes[] = { "", "excluded", "type", "small", "shared", "output", "axis" };
    return codes[stay];
}

const char *mq_stay_text(mq_stay stay)
{
    static const char *const texts[] = {
        "",
        "excluded by a filter",
        "this version quantizes float32 weights",
        "too small: its scales would take more room than is saved",
        "also used by",
        "also an output of the graph",
        "looked up along another axis than 0",
    };
    return texts[stay];
}

/* The filters, compiled. */
struct filters {
    mq_patterns *nodes, *not_nodes, *tensors, *not_tensors, *ops, *not_ops;
};

static mq_status compile_filters(struct filters *f, const mq_quantize_opts *o, mq_error *err)
{
    static const char *const default_ops[] = { "Conv", "MatMul", "Gemm", "Gather" };
    mq_names ops = o->op_types.n ? o->op_types : (mq_names){ default_ops, MQ_ARRAY_LEN(default_ops) };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_patterns_create(&f->nodes, "--nodes", o->nodes.items, o->nodes.n, err));
    MQ_TRY(mq_patterns_create(&f->not_nodes, "--exclude-nodes", o->exclude_nodes.items, o->exclude_nodes.n, err));
    MQ_TRY(mq_patterns_create(&f->tensors, "--tensors", o->tensors.items, o->tensors.n, err));
    MQ_TRY(mq_patterns_create(&f->not_tensors, "--exclude-tensors", o->exclude_tensors.items, o->exclude_tensors.n, err));
    MQ_TRY(mq_patterns_create(&f->ops, "--op-types", ops.items, ops.n, err));
    MQ_TRY(mq_patterns_create(&f->not_ops, "--exclude-op-types", o->exclude_op_types.items, o->exclude_op_types.n, err));
done:
    return rc;
}

static void free_filters(struct filters *f)
{
    mq_patterns_free(f->nodes);
    mq_patterns_free(f->not_nodes);
    mq_patterns_free(f->tensors);
    mq_patterns_free(f->not_tensors);
    mq_patterns_free(f->ops);
    mq_patterns_free(f->not_ops);
}

/* A filter must match something, or it is a typing error. */
static mq_status check_filters(const struct filters *f, const mq_quantize_opts *o, mq_error *err)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_patterns_check_used(f->nodes, err));
    MQ_TRY(mq_patterns_check_used(f->not_nodes, err));
    MQ_TRY(mq_patterns_check_used(f->tensors, err));
    MQ_TRY(mq_patterns_check_used(f->not_tensors, err));
    if (o->op_types.n)
        MQ_TRY(mq_patterns_check_used(f->ops, err));
    MQ_TRY(mq_patterns_check_used(f->not_ops, err));
done:
    return rc;
}

/* ---- finding ------------------------------------------------------------------------------------------------------ */

/* The index of the input of n that holds a constant weight; -1: none. MatMul may have it on either side. */
static int weight_input(const mq_node *n, const mq_op_rule *rule)
{
    int at = rule->quant->weight_input;

    if (at >= 0 && (size_t)at < n->n_inputs && n->inputs[at] && mq_value_constant(n->inputs[at], true))
        return at;
    if (mq_node_is(n, "", "MatMul") && n->n_inputs > 0 && n->inputs[0] && mq_value_constant(n->inputs[0], true))
        return 0;
    return -1;
}

/* The axis of output channels in the weight of n at input `at`; -1: one scale for all. */
static int channel_axis(const mq_node *n, int at, const mq_op_rule *rule, int rank)
{
    int axis = rule->quant->channel_axis;

    if (axis == MQ_AXIS_NONE || rank < 2)
        return -1;
    if (axis == MQ_AXIS_GEMM)
        return mq_node_attr_int(n, "transB", 0) ? 0 : 1;
    if (mq_node_is(n, "", "MatMul"))
        return at == 0 ? rank - 2 : rank - 1;
    return axis < 0 ? axis + rank : axis < rank ? axis : -1;
}

/* Offers every name to the filters, so that exact names and suggestions work. */
static void offer_node(struct filters *f, const mq_node *n, const mq_value *weight)
{
    mq_patterns_offer(f->nodes, mq_node_label(n));
    mq_patterns_offer(f->not_nodes, mq_node_label(n));
    mq_patterns_offer(f->ops, n->op_type);
    mq_patterns_offer(f->not_ops, n->op_type);
    mq_patterns_offer(f->tensors, weight->name);
    mq_patterns_offer(f->not_tensors, weight->name);
}

/* Do the filters want the weight of this node? Every filter is asked, so that each learns that it matched. */
static bool wanted(struct filters *f, const mq_node *n, const mq_value *weight)
{
    bool node = mq_patterns_match(f->nodes, mq_node_label(n)) || !mq_patterns_any(f->nodes);
    bool tensor = mq_patterns_match(f->tensors, weight->name) || !mq_patterns_any(f->tensors);
    bool op = mq_patterns_match(f->ops, n->op_type);
    bool not_node = mq_patterns_match(f->not_nodes, mq_node_label(n));
    bool not_tensor = mq_patterns_match(f->not_tensors, weight->name);
    bool not_op = mq_patterns_match(f->not_ops, n->op_type);

    return node && tensor && op && !not_node && !not_tensor && !not_op;
}

static mq_quant_item *item_of(const mq_quant_plan *plan, const mq_value *v)
{
    return v->tag < plan->items.n && plan->items.items[v->tag]->value == v ? plan->items.items[v->tag] : NULL;
}

static mq_quant_item *add_item(mq_quant_plan *plan, mq_value *v, mq_error *err)
{
    mq_quant_item *it = calloc(1, sizeof *it);

    if (!it || !mq_vec_push(&plan->items, it)) {
        free(it);
        mq_oom(err);
        return NULL;
    }
    v->tag = plan->items.n - 1;
    it->value = v;
    it->tensor = mq_value_constant(v, true);
    it->stay_detail = "";
    it->axis = -1;
    it->n = mq_tensor_count(it->tensor);
    return it;
}

static void settle_axis(mq_quant_item *it, const mq_quantize_opts *o, int axis)
{
    if (o->per_tensor || (axis >= 0 && it->tensor->dims[axis] == 1))
        axis = -1;
    it->axis = axis;
    it->n_channels = axis < 0 ? 1 : it->tensor->dims[axis];
}

/* The first operator that takes the constant as its weight makes the item; the others must be able to share it. */
static mq_status look_at_node(mq_quant_plan *plan, struct filters *f, mq_node *n, mq_error *err)
{
    const mq_op_rule *rule = mq_rule_find(mq_domain_norm(n->domain), n->op_type);
    mq_quant_item *it;
    mq_value *v;
    int at;

    if (!rule || !rule->quant || (at = weight_input(n, rule)) < 0)
        return MQ_OK;
    v = n->inputs[at];
    if ((it = item_of(plan, v))) {
        if (it->stay == MQ_STAY_NOT && !wanted(f, n, v))
            it->stay = MQ_STAY_EXCLUDED;
        it->embedding &= rule->quant->embedding;
        return MQ_OK;
    }
    if (!(it = add_item(plan, v, err)))
        return MQ_ERR_NOMEM;
    it->embedding = rule->quant->embedding;
    if (it->n >= 0)
        settle_axis(it, plan->opts, channel_axis(n, at, rule, it->tensor->n_dims));
    if (!wanted(f, n, v))
        it->stay = MQ_STAY_EXCLUDED;
    return MQ_OK;
}

static void offer_all(const mq_quant_plan *plan, struct filters *f)
{
    for (size_t i = 0; i < plan->model->graphs.n; i++)
        for (const mq_node *n = plan->model->graphs.items[i]->first; n; n = n->next) {
            const mq_op_rule *rule = mq_rule_find(mq_domain_norm(n->domain), n->op_type);
            int at = rule && rule->quant ? weight_input(n, rule) : -1;
            if (at >= 0)
                offer_node(f, n, n->inputs[at]);
        }
}

/* ---- deciding ----------------------------------------------------------------------------------------------------- */

/* A use that is not as a weight: the constant would have to stay beside its integers. NULL: there is none. */
static const mq_node *other_user(const mq_value *v)
{
    for (size_t i = 0; i < v->uses.n; i++) {
        const mq_node *n = v->uses.items[i].node;
        const mq_op_rule *rule = mq_rule_find(mq_domain_norm(n->domain), n->op_type);
        if (!rule || !rule->quant || weight_input(n, rule) != (int)v->uses.items[i].index)
            return n;
    }
    return NULL;
}

/* Is the table looked up along another axis than that of its rows by anyone? */
static bool other_axis(const mq_value *v)
{
    for (size_t i = 0; i < v->uses.n; i++)
        if (mq_node_attr_int(v->uses.items[i].node, "axis", 0) != 0)
            return true;
    return false;
}

/* About what a DequantizeLinear node, two initializers and their names take in the file. */
static uint64_t overhead(const mq_quant_item *it)
{
    return 4 * (uint64_t)it->n_channels + 5 * strlen(it->value->name) + 120 + (it->embedding ? 400 : 0);
}

static void decide(mq_quant_item *it)
{
    const mq_node *other = other_user(it->value);

    if (it->stay != MQ_STAY_NOT)
        return;
    if (it->tensor->dtype != MQ_FLOAT) {
        it->stay = MQ_STAY_TYPE;
        it->stay_detail = mq_dtype_name(it->tensor->dtype);
    } else if (it->value->n_output_uses) {
        it->stay = MQ_STAY_OUTPUT;
    } else if (other) {
        it->stay = MQ_STAY_SHARED;
        it->stay_detail = mq_node_label(other);
    } else if (it->embedding && other_axis(it->value)) {
        it->stay = MQ_STAY_AXIS;
    } else if (it->n <= 0 || 3 * (uint64_t)it->n <= overhead(it)) {
        it->stay = MQ_STAY_SMALL;
    }
}

mq_status mq_quant_select(mq_quant_plan *plan, mq_error *err)
{
    struct filters f = { 0 };
    mq_status rc = MQ_OK;

    MQ_TRY(compile_filters(&f, plan->opts, err));
    offer_all(plan, &f);
    for (size_t i = 0; i < plan->model->graphs.n; i++) {
        if (plan->model->graphs.items[i]->function)
            continue; /* bodies of functions have no constants of their own that can be split */
        for (mq_node *n = plan->model->graphs.items[i]->first; n; n = n->next)
            MQ_TRY(look_at_node(plan, &f, n, err));
    }
    MQ_TRY(check_filters(&f, plan->opts, err));
    plan->needed_opset = plan->opts->per_tensor ? 10 : 13;
    for (size_t i = 0; i < plan->items.n; i++) {
        mq_quant_item *it = plan->items.items[i];
        decide(it);
        it->bytes_before = it->n > 0 ? (uint64_t)mq_tensor_size(it->tensor) : 0;
        it->bytes_after = it->stay ? it->bytes_before : (uint64_t)it->n + 4 * (uint64_t)it->n_channels;
        plan->n_quantized += it->stay == MQ_STAY_NOT;
    }
done:
    free_filters(&f);
    return rc;
}

void mq_quant_plan_release(mq_quant_plan *plan)
{
    for (size_t i = 0; i < plan->items.n; i++) {
        free(plan->items.items[i]->scales);
        free(plan->items.items[i]);
    }
    mq_vec_release(&plan->items);
}
