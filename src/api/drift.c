/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq_check_layers: copies of both models, in parts that fit into memory, and what comes of it. */
#include "mq/layers.h"

#include <math.h>
#include <string.h>

#include "api/drift_job.h"
#include "base/compiler.h"
#include "graph/clone.h"
#include "ops/ops.h"
#include "passes/pass.h"
#include "quant/targets.h"
#include "report/report.h"

#define DEFAULT_MEMORY ((size_t)512 << 20)
#define COPIES 6      /* of a layer's result that are held at a time */
#define UNEXPLAINED 4.0 /* times (6 dB) what comes in and is added */
#define SILENT 1e-4   /* noise by power (40 dB) that is not worth a word */

/* The result and what its pointers point to. */
typedef struct holder {
    mq_layers_result result;
    mq_arena *arena;
} holder;

void mq_layers_result_free(mq_layers_result *result)
{
    if (result)
        mq_arena_free(((holder *)result)->arena); /* its first member */
}

/* ---- the models ----------------------------------------------------------------------------------------------------- */

static size_t count_of(const mq_model *m, const char *op)
{
    size_t n = 0;

    for (const mq_node *k = m->graph->first; k; k = k->next)
        n += mq_node_is(k, "", op);
    return n;
}

/* A copy with nodes only, sorted, of the newest opset. */
static mq_status copy_model(mq_layers_job *j, mq_model *m, mq_model **out)
{
    const int newest = mq_schema_newest_opset();
    size_t moved;
    mq_status rc;

    MQ_TRY(mq_model_clone(out, m, j->err));
    if (m->has_ir_version && m->ir_version < 4)
        mq_graph_unlist_inits((*out)->graph);
    MQ_TRY(mq_model_inline_functions(*out, NULL, j->err));
    MQ_TRY(mq_graph_sort((*out)->graph, &moved, j->err));
    mq_graph_drop_dead((*out)->graph, NULL);
    MQ_TRY(mq_infer_model(*out, NULL, NULL, j->err));
    if (mq_opset_of((*out)->graph, "") < newest)
        MQ_TRY(mq_opset_raise(*out, newest, NULL, j->err));
    rc = mq_infer_model(*out, NULL, NULL, j->err);
done:
    return rc;
}

/* The reference is rewritten as the model was before it was quantized: normalization goes into weights. */
static mq_status copy_models(mq_layers_job *j, mq_model *model, mq_model *reference)
{
    const mq_pass_ctx ctx = { .evaluate = mq_evaluator_run, .user = j->evaluator };
    mq_status rc;

    MQ_TRY(copy_model(j, model, &j->model));
    if ((rc = copy_model(j, reference, &j->reference)) != MQ_OK) {
        mq_error_prefix(j->err, "reference");
        goto done;
    }
    if (count_of(j->model, "BatchNormalization") < count_of(j->reference, "BatchNormalization")) {
        MQ_TRY(mq_passes_run(j->reference, mq_quantize_passes, &ctx, j->err));
        MQ_TRY(mq_infer_model(j->reference, NULL, NULL, j->err));
    }
done:
    return rc;
}

/* ---- what comes of it ----------------------------------------------------------------------------------------------- */

static double db(const mq_compare *c)
{
    return c->count ? mq_compare_sqnr(c) : NAN;
}

static double noise_of(const mq_compare *c)
{
    if (c->nonfinite)
        return INFINITY;
    return c->count && c->sum_bb > 0 ? c->sum_dd / c->sum_bb : 0;
}

/* Judges each layer by what comes in: the noise is carried along the graph, behind those without a figure as it came. The
 * values' tags are its alone from here on. */
static mq_status find_first(const mq_layers_job *j, const mq_layer_job **out)
{
    const mq_graph *g = j->reference->graph;
    double *noise = calloc(g->values.n + 1, sizeof *noise);
    const mq_layer_job *found = NULL;

    if (!noise)
        return mq_oom(j->err);
    for (size_t i = 0; i < g->values.n; i++)
        g->values.items[i]->tag = i;
    for (const mq_node *n = g->first; n && !found; n = n->next) {
        const mq_layer_job *l = n->tag ? &j->layers.items[n->tag - 1] : NULL;
        double in = 0;

        for (size_t i = 0; i < n->n_inputs; i++)
            if (n->inputs[i] && n->inputs[i]->graph == g)
                in = fmax(in, noise[n->inputs[i]->tag]);
        if (l && (l->dropped || !l->accumulated.count))
            l = NULL;
        if (l && noise_of(&l->accumulated) > SILENT &&
            noise_of(&l->accumulated) > UNEXPLAINED * (in + noise_of(&l->own)))
            found = l;
        if (l)
            in = noise_of(&l->accumulated);
        for (size_t i = 0; i < n->n_outputs; i++)
            if (n->outputs[i])
                noise[n->outputs[i]->tag] = in;
    }
    free(noise);
    *out = found;
    return MQ_OK;
}

typedef struct ranked {
    const mq_layer_job *job;
    double noise;
} ranked;

static int worse_first(const void *x, const void *y)
{
    const ranked *a = x, *b = y;

    if (a->noise != b->noise)
        return a->noise > b->noise ? -1 : 1;
    return a->job < b->job ? -1 : a->job > b->job;
}

static mq_status fill_layer(const mq_layers_job *j, const mq_layer_job *l, mq_layer *out)
{
    const double own = mq_layer_noise(j, l);
    mq_status rc;

    *out = (mq_layer){ .weights = db(&l->weights), .activations = db(&l->activations), .accumulated = db(&l->accumulated) };
    out->own = l->own.count == 0 ? NAN : own > 0 ? -10 * log10(own) : INFINITY;
    out->saturation = l->products <= 0 ? NAN : l->saturated > 0 ? 10 * log10(l->products / l->saturated) : INFINITY;
    if ((rc = mq_layer_explain(j, l, out)) != MQ_OK)
        return rc;
    out->name = mq_arena_strdup(j->arena, l->label);
    out->op_type = mq_arena_strdup(j->arena, l->node->op_type);
    out->tensor = mq_arena_strdup(j->arena, l->ref->name);
    out->input = mq_arena_strdup(j->arena, out->input);
    return out->name && out->op_type && out->tensor && out->input ? MQ_OK : mq_oom(j->err);
}

static mq_status fill_unmatched(const mq_layers_job *j, mq_layers_result *r)
{
    const char **list = mq_arena_calloc(j->arena, j->n_views + 1, sizeof *list);

    if (!list)
        return mq_oom(j->err);
    for (size_t i = 0; i < j->n_views; i++)
        if (!j->views[i].matched && !mq_layers_moves(j->views[i].node) &&
            !(list[r->n_unmatched++] = mq_arena_strdup(j->arena, mq_node_label(j->views[i].node))))
            return mq_oom(j->err);
    r->unmatched = list;
    return MQ_OK;
}

/* What nodes that only move values lose as integers is told where these are read: notes there how much. */
static void note_readers(mq_layers_job *j, const mq_layer_job *r)
{
    for (size_t k = 0; r->view && !r->dropped && k < r->view->n_in && k < r->node->n_inputs; k++) {
        const mq_node *n = r->view->in[k].fake.on && r->node->inputs[k] ? r->node->inputs[k]->producer : NULL;

        for (int depth = 8; n && depth >= 0 && mq_layers_moves(n); depth--) {
            mq_layer_job *l = n->tag ? &j->layers.items[n->tag - 1] : NULL;

            if (l && l != r)
                l->told = fmax(l->told, noise_of(&r->activations));
            n = n->inputs[0]->producer;
        }
    }
}

static bool is_told_elsewhere(const mq_layer_job *l)
{
    return mq_layers_moves(l->node) && l->told > noise_of(&l->own) / UNEXPLAINED;
}

static mq_status fill_result(mq_layers_job *j, mq_layers_result *r)
{
    const mq_layer_job *first = NULL;
    mq_layer *list = mq_arena_calloc(j->arena, j->layers.n + 1, sizeof *list);
    ranked *order = mq_arena_calloc(j->arena, j->layers.n + 1, sizeof *order);
    size_t n = 0;
    mq_status rc = list && order ? fill_unmatched(j, r) : mq_oom(j->err);

    if (rc == MQ_OK)
        rc = find_first(j, &first);
    for (size_t i = 0; i < j->layers.n; i++)
        note_readers(j, &j->layers.items[i]);
    for (size_t i = 0; i < j->layers.n && rc == MQ_OK; i++)
        if (!j->layers.items[i].dropped && !is_told_elsewhere(&j->layers.items[i]))
            order[n++] = (ranked){ &j->layers.items[i], mq_layer_noise(j, &j->layers.items[i]) };
    if (rc == MQ_OK)
        qsort(order, n, sizeof *order, worse_first);
    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        rc = fill_layer(j, order[i].job, &list[i]);
        if (order[i].job == first)
            r->first = &list[i];
    }
    r->layers = list;
    r->n_layers = n;
    r->n_samples = j->n_samples;
    return rc;
}

/* ---- the report ----------------------------------------------------------------------------------------------------- */

static void put_db(mq_report *report, json_t *o, const char *key, double value)
{
    if (!isnan(value))
        mq_report_put_real(report, o, key, value);
}

static void report_layer(mq_report *report, const mq_layer *l, bool first)
{
    json_t *o = mq_report_append(report, mq_report_section(report, "layers"));

    mq_report_put_text(report, o, "name", l->name);
    mq_report_put_text(report, o, "op_type", l->op_type);
    mq_report_put_text(report, o, "tensor", l->tensor);
    put_db(report, o, "own_db", l->own);
    put_db(report, o, "weights_db", l->weights);
    put_db(report, o, "activations_db", l->activations);
    put_db(report, o, "saturation_db", l->saturation);
    put_db(report, o, "accumulated_db", l->accumulated);
    mq_report_put_bool(report, o, "first", first);
    if (l->own == -INFINITY || l->accumulated == -INFINITY)
        mq_report_put_bool(report, o, "not_finite", true);
    if (*l->input)
        mq_report_put_text(report, o, "input", l->input);
    if (!*l->cause)
        return;
    mq_report_put_text(report, o, "cause", l->cause);
    mq_report_put_text(report, o, "why", l->why);
    mq_report_put_text(report, o, "remedy", l->remedy);
}

static mq_status fill_report(const mq_layers_job *j, const mq_layers_result *r, mq_report *report)
{
    for (size_t i = 0; i < r->n_layers; i++)
        report_layer(report, &r->layers[i], &r->layers[i] == r->first);
    if (r->n_unmatched)
        mq_warn(j->hooks, "layers-unmatched", r->unmatched[0],
                "%zu quantized node%s of the model stand%s for no node of the reference (%s%s): what is lost there is not "
                "told", r->n_unmatched, r->n_unmatched == 1 ? "" : "s", r->n_unmatched == 1 ? "s" : "", r->unmatched[0],
                r->n_unmatched == 1 ? "" : ", ...");
    return mq_report_status(report, j->err);
}

/* ---- the whole ------------------------------------------------------------------------------------------------------ */

static mq_status measure(mq_layers_job *j)
{
    const size_t memory = j->opts->memory ? j->opts->memory : DEFAULT_MEMORY;
    size_t from = 0, held = 0;
    mq_status rc;

    MQ_TRY(mq_layers_size(j));
    for (size_t i = 0; i < j->layers.n; i++) {
        const size_t bytes = COPIES * j->layers.items[i].bytes + j->layers.items[i].held;

        if (i > from && held + bytes > memory) {
            MQ_TRY(mq_layers_probe(j, from, i));
            from = i;
            held = 0;
        }
        held += bytes;
    }
    rc = mq_layers_probe(j, from, j->layers.n);
done:
    return rc;
}

static void release(mq_layers_job *j)
{
    for (size_t i = 0; i < j->layers.n; i++)
        for (size_t k = 0; k < MQ_ARRAY_LEN(j->layers.items[i].looks); k++)
            free(j->layers.items[i].looks[k].channels);
    mq_vec_release(&j->layers);
    mq_evaluator_free(j->evaluator);
    mq_model_free(j->model);
    mq_model_free(j->reference);
    mq_arena_free(j->arena);
}

mq_status mq_check_layers(mq_model *model, mq_model *reference, const mq_layers_opts *opts, mq_report *report,
                          const mq_hooks *hooks, mq_layers_result **out, mq_error *err)
{
    mq_layers_job j = { .opts = opts, .hooks = hooks, .err = err, .original = reference, .arena = mq_arena_create() };
    holder *h = j.arena ? mq_arena_alloc(j.arena, sizeof *h) : NULL;
    mq_status rc;

    if (!h)
        MQ_TRY(mq_oom(err));
    if (!model->graph || !reference->graph)
        MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "a model has no graph"));
    j.saturates = opts->target && mq_quant_target_saturates(opts->target);
    MQ_TRY(mq_source_declare(&opts->source, model, err));
    MQ_TRY(mq_source_declare(&opts->source, reference, err));
    MQ_TRY(mq_evaluator_create(&j.evaluator, hooks ? hooks->n_threads : 0, err));
    MQ_TRY(copy_models(&j, model, reference));
    MQ_TRY(mq_layers_read(&j));
    MQ_TRY(mq_layers_match(&j));
    MQ_TRY(mq_layers_find_scales(&j));
    MQ_TRY(measure(&j));
    MQ_TRY(fill_result(&j, &h->result));
    MQ_TRY(fill_report(&j, &h->result, report));
    h->arena = j.arena;
    *out = &h->result;
    j.arena = NULL;
done:
    release(&j);
    return rc;
}
