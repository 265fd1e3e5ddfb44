/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What each layer's quantization costs alone: its weights rounded, and what its products read besides put through
 * QuantizeLinear and DequantizeLinear, all else in float. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/quantize_layers.h"
#include "base/dtype.h"
#include "graph/clone.h"
#include "passes/pass.h"
#include "quant/restore.h"

typedef struct probe {
    mq_quant_layers *l;
    const mq_quantize_job *j;
    mq_model *model; /* the prepared one, every weight a constant by the name that its operators see */
    mq_sense_item *items;
    MQ_VEC(const mq_node *) put; /* the last of each two nodes that are in front of a product now */
} probe;

/* ---- weights ------------------------------------------------------------------------------------------------------- */

static mq_quant_item *item_in(const mq_candidate *c, const char *name)
{
    for (size_t i = 0; i < c->job.plan.items.n; i++)
        if (strcmp(c->job.plan.items.items[i]->value->name, name) == 0)
            return c->job.plan.items.items[i];
    return NULL;
}

/* Numbers of a float type from floats. */
static void put_floats(mq_array *to, const float *from)
{
    uint16_t *half = to->data;

    if (to->dtype == MQ_FLOAT)
        memcpy(to->data, from, to->count * sizeof *from);
    for (size_t i = 0; i < to->count && to->dtype != MQ_FLOAT; i++)
        half[i] = to->dtype == MQ_FLOAT16 ? mq_f16_from_f32(from[i]) : mq_bf16_from_f32(from[i]);
}

static mq_status round_weight(mq_quant_item *it, const mq_array *whole, mq_array **out, const mq_hooks *hooks, mq_error *err)
{
    mq_weight *w = &it->weight; /* one that is tied to another holds the same numbers, and is rounded by itself here */
    float *room = malloc((size_t)w->source.n * sizeof *room + 1);
    mq_status rc = room ? MQ_OK : mq_oom(err);

    if (rc == MQ_OK)
        rc = mq_weight_restore(w, room, hooks, err);
    if (rc == MQ_OK && (rc = mq_array_copy(out, whole, err)) == MQ_OK)
        put_floats(*out, room);
    free(room);
    return rc;
}

static mq_status change(void *user, size_t item, size_t level, size_t k, const mq_array *whole, mq_array **out,
                        mq_error *err)
{
    const probe *p = user;
    mq_layer_form *form = &p->l->forms[p->l->measured[level]];
    mq_quant_item *it = item_in(&form->all, p->l->items.items[item].weights[k]);

    if (!it || it->stay != MQ_STAY_NOT || (size_t)it->weight.source.n != whole->count)
        return mq_array_copy(out, whole, err);
    return round_weight(it, whole, out, &form->all.quiet, err);
}

/* A weight behind Transpose and the like becomes a constant itself. */
static mq_status make_constant(const probe *p, const mq_quant_item *it)
{
    mq_value *v = mq_graph_find_here(p->model->graph, it->value->name);
    mq_error *err = p->j->job.err;
    const mq_unaligned_f32 *read;
    const void *bytes;
    mq_array *a = NULL;
    float *room = NULL;
    mq_tensor *t;
    mq_status rc;

    if (!v || mq_value_constant(v, false))
        return MQ_OK;
    if (!(room = malloc((size_t)it->weight.source.n * sizeof *room + 1)))
        return mq_oom(err);
    MQ_TRY(mq_tensor_bytes(it->weight.source.tensor, &bytes, err));
    read = mq_source_read(&it->weight.source, bytes, 0, (size_t)it->weight.source.n, room);
    if ((const void *)read != (const void *)room)
        memcpy(room, read, (size_t)it->weight.source.n * sizeof *room);
    MQ_TRY(mq_array_create(&a, it->value->type->dtype, it->weight.source.n_dims, it->weight.source.dims, err));
    put_floats(a, room);
    MQ_TRY(mq_tensor_of_array(&t, p->model, v->name, a, err));
    rc = mq_value_make_constant(v, t, err);
done:
    mq_array_unref(a);
    free(room);
    return rc;
}

/* ---- activations --------------------------------------------------------------------------------------------------- */

#define PUT_THERE "_tried" /* begins the names of what is put in front of a node */

static const mq_point *point_of(const mq_candidate *c, const char *name)
{
    const mq_placement *p = c->job.plan.placement;

    for (size_t i = 0; p && i < p->points.n; i++)
        if (strcmp(p->points.items[i]->value->name, name) == 0 && p->points.items[i]->scale > 0)
            return p->points.items[i];
    return NULL;
}

static mq_status insert(mq_node *before, const char *op, mq_value *const *in, size_t n_in, size_t n_out, mq_value **out,
                        mq_error *err)
{
    mq_node *n;
    mq_status rc;

    MQ_TRY(mq_pass_insert(before, "", op, NULL, in, n_in, &n, err));
    for (size_t i = 0; i < n_out; i++) {
        if (!(out[i] = mq_value_create_unique(before->graph, PUT_THERE)))
            MQ_TRY(mq_oom(err));
        MQ_TRY(mq_node_set_output(n, i, out[i], err));
    }
done:
    return rc;
}

/* v through integers of scale and zero point, or of those that its values ask for (by NULL). */
static mq_status insert_pair(probe *p, mq_node *n, size_t at, const mq_point *by, mq_error *err)
{
    mq_value *v = n->inputs[at], *q[3] = { NULL, NULL, NULL }, *back = NULL, *in[3] = { v, NULL, NULL };
    mq_status rc;

    if (by) {
        const uint8_t zero[2] = { (uint8_t)by->zero_point, (uint8_t)((uint32_t)by->zero_point >> 8) };

        MQ_TRY(mq_constant_of(n->graph, PUT_THERE, MQ_FLOAT, 0, NULL, &by->scale, &in[1], err));
        MQ_TRY(mq_constant_of(n->graph, PUT_THERE, by->scheme.type, 0, NULL, zero, &in[2], err));
        MQ_TRY(insert(n, "QuantizeLinear", in, 3, 1, q, err));
        q[1] = in[1];
        q[2] = in[2];
    } else {
        MQ_TRY(insert(n, "DynamicQuantizeLinear", in, 1, 3, q, err));
    }
    MQ_TRY(insert(n, "DequantizeLinear", q, 3, 1, &back, err));
    if (!mq_vec_push(&p->put, back->producer))
        MQ_TRY(mq_oom(err));
    rc = mq_node_set_input(n, at, back, err);
done:
    return rc;
}

static mq_status put_in(probe *p, const mq_candidate *c, mq_node *n, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < 2 && i < n->n_inputs && rc == MQ_OK; i++) {
        const mq_value *v = n->inputs[i];
        const mq_point *by = v ? point_of(c, v->name) : NULL;

        if (by)
            rc = insert_pair(p, n, i, by, err);
        else if (i == 0 && v && p->j->opts->mode == MQ_MODE_DYNAMIC)
            rc = insert_pair(p, n, i, NULL, err);
    }
    return rc;
}

static bool is_put(const probe *p, const mq_node *n)
{
    for (size_t i = 0; i < p->put.n; i++)
        if (p->put.items[i] == n)
            return true;
    return false;
}

static mq_status take_out(const probe *p, mq_node *n, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < 2 && i < n->n_inputs && rc == MQ_OK; i++) {
        mq_node *back = n->inputs[i] ? n->inputs[i]->producer : NULL;
        mq_node *q;

        if (!back || !is_put(p, back))
            continue;
        q = back->inputs[0]->producer;
        MQ_TRY(mq_node_set_input(n, i, q->inputs[0], err));
        mq_node_remove(back);
        mq_node_remove(q);
    }
done:
    return rc;
}

static mq_status rewire(void *user, mq_model *m, size_t item, size_t level, bool back, mq_error *err)
{
    probe *p = user;
    const mq_layer_form *form = &p->l->forms[p->l->measured[level]];
    const mq_quant_layer *layer = &p->l->items.items[item];
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < layer->n_results && !form->float_inputs && rc == MQ_OK; i++) {
        const mq_value *v = mq_graph_find_here(m->graph, layer->results[i]);

        if (v && v->producer)
            rc = back ? take_out(p, v->producer, err) : put_in(p, &form->all, v->producer, err);
    }
    if (back)
        p->put.n = 0;
    return rc;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

/* The data that judge, else those of the proof. */
static const mq_data_source *source_of(const mq_quantize_opts *o)
{
    return o->judge_on.n_data ? &o->judge_on : &o->verify_on;
}

static mq_status prepare(probe *p)
{
    const mq_quant_plan *plan = &p->j->plan;
    mq_quant_layers *l = p->l;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_model_clone(&p->model, p->j->job.model, p->j->job.err));
    mq_graph_unlist_inits(p->model->graph); /* what can be fed is no constant */
    for (size_t i = 0; i < plan->items.n; i++)
        if (plan->items.items[i]->stay == MQ_STAY_NOT && plan->items.items[i]->value->graph == p->j->job.model->graph)
            MQ_TRY(make_constant(p, plan->items.items[i]));
    if (!(p->items = calloc(l->items.n + 1, sizeof *p->items)))
        MQ_TRY(mq_oom(p->j->job.err));
    for (size_t i = 0; i < l->items.n; i++) {
        const mq_quant_layer *layer = &l->items.items[i];
        p->items[i] = (mq_sense_item){ layer->name, layer->weights, layer->n_weights, layer->results, layer->n_results };
    }
    for (size_t f = 0; f < l->n_measured && p->j->opts->mode == MQ_MODE_STATIC; f++)
        if (l->forms[l->measured[f]].all.job.plan.placement->points.n)
            MQ_TRY(mq_job_find_ranges(&l->forms[l->measured[f]].all.job));
done:
    return rc;
}

/* Forms that a layer cannot have. */
static bool skips(void *user, size_t item, size_t level)
{
    const probe *p = user;

    return !p->l->items.items[item].usable[p->l->measured[level]];
}

/* Noise by bits: 6.02 dB for each. */
static double finer_noise(const mq_quant_layers *l, const mq_quant_layer *layer, const mq_layer_form *f)
{
    const size_t from = layer->usable[f->guessed_from] ? (size_t)f->guessed_from : l->asked;
    const mq_layer_form *coarse = &l->forms[from];
    const mq_quant_item *it = layer->n_weights ? item_in(&coarse->all, layer->weights[0]) : NULL;
    const int bits = it ? mq_dtype_bits(it->weight.scheme.type) : 8;

    return layer->alone[from].noise * pow(4, bits - mq_dtype_bits(f->type));
}

/* What has not been measured is as bad as the worst that has been. */
static void fill_gaps(mq_quant_layers *l)
{
    for (size_t f = 0; f < l->n_forms; f++) {
        double worst = 0;

        for (size_t i = 0; i < l->items.n; i++)
            worst = fmax(worst, isfinite(l->items.items[i].alone[f].noise) ? l->items.items[i].alone[f].noise : 0);
        for (size_t i = 0; i < l->items.n; i++)
            if (isnan(l->items.items[i].alone[f].noise))
                l->items.items[i].alone[f].noise = worst > 0 ? worst : 1;
    }
}

static void take_over(mq_quant_layers *l)
{
    for (size_t i = 0; i < l->items.n; i++)
        for (size_t k = 0; k < l->n_measured; k++)
            l->items.items[i].alone[l->measured[k]] = l->sense.points[i * l->n_measured + k];
    for (size_t f = 0; f < l->n_forms; f++)
        for (size_t i = 0; i < l->items.n && l->forms[f].guessed_from >= 0; i++)
            l->items.items[i].alone[f].noise = finer_noise(l, &l->items.items[i], &l->forms[f]);
}

mq_status mq_quant_layers_measure(mq_quant_layers *l, const mq_quantize_job *j, double deadline)
{
    probe p = { .l = l, .j = j };
    mq_sense_opts opts = { .n_levels = l->n_measured, .change = change, .rewire = rewire, .skips = skips, .user = &p,
                           .source = source_of(j->opts), .metric = j->opts->bounds.eval_cmd ? NULL : j->opts->bounds.metric,
                           .metric_output = j->opts->bounds.metric_output, .deadline = deadline, .note = j->opts->note,
                           .note_user = j->opts->user, .hooks = j->job.hooks };
    mq_status rc;

    MQ_TRY(prepare(&p));
    opts.items = p.items;
    opts.n_items = l->items.n;
    MQ_TRY(mq_sense_measure(&l->sense, p.model, &opts, j->job.err));
    take_over(l);
    fill_gaps(l);
done:
    free(p.items);
    mq_vec_release(&p.put);
    mq_model_free(p.model);
    return rc;
}

void mq_quant_layers_guess(mq_quant_layers *l)
{
    for (size_t i = 0; i < l->items.n; i++)
        for (size_t f = 0; f < l->n_forms; f++)
            l->items.items[i].alone[f] = (mq_sense_point){ .noise = ldexp(1e-6, 2 * (int)f), .metric = NAN };
}
