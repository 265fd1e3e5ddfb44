/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Lists layers and their forms. Every form is a choice of the whole model, so that what a layer becomes in it is what the
 * quantizer would make of it. */
#include "api/quantize_layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"
#include "passes/pass.h"
#include "quant/targets.h"

enum { BLOCK_ROOM = 16 }; /* elements along the axis that blocks lie on */

/* ---- layers -------------------------------------------------------------------------------------------------------- */

static mq_quant_layer *layer_of(mq_quant_layers *l, const mq_quant_item *it)
{
    for (size_t i = 0; i < l->items.n; i++)
        if (l->items.items[i].constant == it->constant)
            return &l->items.items[i];
    return NULL;
}

static mq_status add_name(const mq_quant_layers *l, const char ***names, size_t *n, const char *name, mq_error *err)
{
    const char **more = mq_arena_alloc(l->arena, (*n + 1) * sizeof *more);

    if (!more || !(name = mq_arena_strdup(l->arena, name)))
        return mq_oom(err);
    for (size_t i = 0; i < *n; i++)
        more[i] = (*names)[i];
    more[(*n)++] = name;
    *names = more;
    return MQ_OK;
}

static mq_status add_layer(mq_quant_layers *l, const char *name, const char *op_type, mq_quant_layer **out, mq_error *err)
{
    mq_quant_layer layer = { .name = mq_arena_strdup(l->arena, name), .op_type = mq_arena_strdup(l->arena, op_type) };

    if (!layer.name || !layer.op_type || !mq_vec_push(&l->items, layer))
        return mq_oom(err);
    *out = &l->items.items[l->items.n - 1];
    return MQ_OK;
}

/* Multiply-accumulates, or what there is instead to compare layers by. */
static double macs_of(const mq_node *n, double otherwise)
{
    const mq_op_rule *rule = mq_rule_find(mq_domain_norm(n->domain), n->op_type);
    const int64_t macs = rule && rule->macs ? rule->macs(n) : -1;

    return macs > 0 ? (double)macs : otherwise;
}

/* Products on integers that read the weight: by place.h, or in dynamic mode those that the plan has. */
static mq_status add_results(const mq_quant_layers *l, mq_quant_layer *to, const mq_quant_plan *plan,
                             const mq_quant_item *it, mq_error *err)
{
    const size_t n_products = plan->placement ? plan->placement->products.n : 0;
    const mq_value *v = it->value;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < v->uses.n && rc == MQ_OK; i++) {
        const mq_node *n = v->uses.items[i].node;
        bool found = it->treatment == MQ_TREAT_DYNAMIC && strcmp(n->op_type, "LSTM") != 0;

        for (size_t k = 0; k < n_products && !found; k++)
            found = plan->placement->products.items[k] == n;
        if (found && n->outputs[0])
            rc = add_name(l, &to->results, &to->n_results, n->outputs[0]->name, err);
        to->macs += macs_of(n, (double)it->weight.source.n);
    }
    return rc;
}

/* Not those of which --overrides or --tensor-type say what they are. */
static mq_status list_weights(mq_quant_layers *l, const mq_quant_plan *plan, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < plan->items.n; i++) {
        const mq_quant_item *it = plan->items.items[i];
        mq_quant_layer *to = layer_of(l, it);

        if (it->stay != MQ_STAY_NOT || it->fixed || it->value->graph != plan->model->graph)
            continue;
        if (!to)
            MQ_TRY(add_layer(l, it->value->name, it->op_type, &to, err));
        to->constant = it->constant;
        MQ_TRY(add_name(l, &to->weights, &to->n_weights, it->value->name, err));
        MQ_TRY(add_results(l, to, plan, it, err));
        to->bytes_before = it->bytes_before > to->bytes_before ? it->bytes_before : to->bytes_before;
    }
done:
    return rc;
}

static bool is_weight(const mq_quant_plan *plan, const mq_value *v)
{
    for (size_t i = 0; i < plan->items.n; i++)
        if (plan->items.items[i]->value == v)
            return true;
    return false;
}

/* Products of two activations. */
static mq_status list_others(mq_quant_layers *l, const mq_quant_plan *plan, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; plan->placement && i < plan->placement->products.n && rc == MQ_OK; i++) {
        const mq_node *n = plan->placement->products.items[i];
        mq_quant_layer *to;

        if (is_weight(plan, n->inputs[0]) || is_weight(plan, n->inputs[1]))
            continue;
        MQ_TRY(add_layer(l, n->outputs[0]->name, n->op_type, &to, err));
        to->macs = macs_of(n, 0);
        rc = add_name(l, &to->results, &to->n_results, n->outputs[0]->name, err);
    }
done:
    return rc;
}

/* ---- forms --------------------------------------------------------------------------------------------------------- */

/* Another type than asked for may need operators that the model cannot be raised to: there is no such form then. */
static mq_status add_form(mq_quant_layers *l, const mq_quantize_job *j, mq_layer_form form)
{
    mq_layer_form *to = &l->forms[l->n_forms++];
    mq_levels *levels = mq_arena_alloc(l->arena, sizeof *levels);
    size_t n = 0;
    mq_status rc;

    *to = form;
    for (size_t i = 0; i < l->items.n; i++)
        n += l->items.items[i].n_weights;
    if (!levels || !(to->levels = mq_arena_alloc(l->arena, (n + 1) * sizeof *to->levels)))
        return mq_oom(j->job.err);
    *levels = (mq_levels){ .items = to->levels };
    for (size_t i = 0; i < l->items.n && form.name; i++)
        for (size_t k = 0; k < l->items.items[i].n_weights && (form.type || form.float_inputs); k++)
            to->levels[levels->n++] = (mq_level){ l->items.items[i].weights[k], form.type, form.float_inputs };
    rc = mq_candidate_open(&to->all, j, levels, true);
    if (rc != MQ_ERR_UNSUPPORTED || !form.type)
        return rc;
    mq_candidate_close(&to->all);
    l->n_forms--;
    return MQ_OK;
}

static const mq_quant_item *item_in(const mq_layer_form *f, const char *name)
{
    const mq_quant_plan *p = &f->all.job.plan;

    for (size_t i = 0; i < p->items.n; i++)
        if (strcmp(p->items.items[i]->value->name, name) == 0)
            return p->items.items[i];
    return NULL;
}

/* Can the layer have it, so that it is not another form by another name? */
static bool is_usable(const mq_quant_layers *l, const mq_quant_layer *layer, const mq_layer_form *f)
{
    const mq_quant_item *it = layer->n_weights ? item_in(f, layer->weights[0]) : NULL;
    const mq_quant_item *asked = layer->n_weights ? item_in(&l->forms[l->asked], layer->weights[0]) : NULL;

    if (f == &l->forms[l->asked])
        return true;
    if (!it || !asked || it->stay != MQ_STAY_NOT)
        return false;
    if (f->type == MQ_INT4)
        return mq_dtype_bits(it->weight.scheme.type) < mq_dtype_bits(asked->weight.scheme.type) && it->reduce_axis >= 0 &&
               it->weight.grid.kind == MQ_PER_BLOCK && it->weight.source.dims[it->reduce_axis] >= BLOCK_ROOM;
    return f->type ? mq_dtype_bits(it->weight.scheme.type) > mq_dtype_bits(asked->weight.scheme.type)
                   : layer->n_results > 0;
}

static void describe_layers(mq_quant_layers *l)
{
    for (size_t i = 0; i < l->items.n; i++) {
        mq_quant_layer *layer = &l->items.items[i];

        for (size_t f = 0; f < l->n_forms; f++) {
            layer->usable[f] = is_usable(l, layer, &l->forms[f]);
            layer->alone[f] = (mq_sense_point){ NAN, NAN };
            for (size_t k = 0; k < layer->n_weights; k++) {
                const mq_quant_item *it = item_in(&l->forms[f], layer->weights[k]);
                layer->bytes[f] += it ? it->bytes_after : 0;
            }
        }
        l->bytes += (double)layer->bytes_before;
        l->macs += layer->n_results ? layer->macs : 0;
    }
}

/* Is there a form that some layer can have? Else it is not measured. */
static bool is_used(const mq_quant_layers *l, size_t form)
{
    for (size_t i = 0; i < l->items.n; i++)
        if (l->items.items[i].usable[form])
            return true;
    return false;
}

static bool computes_with_integers(const mq_quant_layers *l)
{
    for (size_t i = 0; i < l->items.n; i++)
        if (l->items.items[i].n_results)
            return true;
    return false;
}

static mq_status add_forms(mq_quant_layers *l, const mq_quantize_job *j, bool smaller)
{
    const bool integers = computes_with_integers(l);
    const bool newest = !j->opts->opset || j->opts->opset >= 21; /* other types than of 8 bits */
    const bool wide = newest && mq_quant_target_type(j->opts->target, "", MQ_INT16, NULL) == MQ_OK;
    const bool low = mq_dtype_bits(mq_dtype_from_name(j->opts->type)) < 8;
    const int coarser = (int)wide; /* the place of the form behind int16 */
    mq_status rc = MQ_OK;

    if (wide)
        MQ_TRY(add_form(l, j, (mq_layer_form){ .name = "int16", .type = MQ_INT16, .float_inputs = true,
                                               .guessed_from = coarser }));
    if (low)
        MQ_TRY(add_form(l, j, (mq_layer_form){ .name = "int8", .type = MQ_INT8, .guessed_from = -1 }));
    else if (integers)
        MQ_TRY(add_form(l, j, (mq_layer_form){ .name = "weights", .float_inputs = true, .guessed_from = -1 }));
    l->asked = l->n_forms;
    MQ_TRY(add_form(l, j, (mq_layer_form){ .name = "quantized", .guessed_from = -1 }));
    if (smaller && newest && mq_quant_target_blocks(j->opts->target) &&
        mq_quant_target_type(j->opts->target, "", MQ_INT4, NULL) == MQ_OK && l->n_forms < MQ_LAYER_FORMS)
        rc = add_form(l, j, (mq_layer_form){ .name = "int4", .type = MQ_INT4, .guessed_from = -1 });
done:
    return rc;
}

mq_status mq_quant_layers_find(mq_quant_layers *l, const mq_quantize_job *j, bool smaller)
{
    mq_status rc = MQ_OK;

    if (!(l->arena = mq_arena_create()))
        return mq_oom(j->job.err);
    MQ_TRY(list_weights(l, &j->plan, j->job.err));
    MQ_TRY(list_others(l, &j->plan, j->job.err));
    MQ_TRY(add_forms(l, j, smaller));
    describe_layers(l);
    for (size_t f = 0; f < l->n_forms; f++)
        if (l->forms[f].guessed_from < 0 && is_used(l, f))
            l->measured[l->n_measured++] = f;
done:
    return rc;
}

void mq_quant_layers_release(mq_quant_layers *l)
{
    for (size_t f = 0; f < l->n_forms; f++)
        mq_candidate_close(&l->forms[f].all);
    mq_sense_release(&l->sense);
    mq_vec_release(&l->items);
    mq_arena_free(l->arena);
    *l = (mq_quant_layers){ 0 };
}
