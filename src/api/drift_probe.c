/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Measures layers: beside each node of the reference stand copies of it, one with the model's constants, one whose inputs
 * go through the model's integers, one with both. One run of that graph and one of the model give all sums. */
#include <math.h>
#include <string.h>

#include "api/drift_job.h"
#include "base/compiler.h"
#include "base/map.h"
#include "data/convert.h"
#include "graph/clone.h"
#include "ops/ops.h"
#include "passes/pass.h"

#define NONE SIZE_MAX

enum { WEIGHTS = 1, INPUTS = 2 }; /* what a copy has of the model */

/* Where a layer's tensors are among the outputs. */
typedef struct place {
    size_t ref, own, weights, activations, accumulated;
    size_t inputs[MQ_LAYER_INPUTS];
} place;

typedef struct probe {
    mq_layers_job *j;
    mq_model *graph, *model;    /* copies to which nodes are added */
    mq_layer_job *layer;        /* the one at hand */
    mq_node *node;              /* its copy */
    mq_value *constants[MQ_LAYER_INPUTS]; /* the model's, for it */
    MQ_VEC(const char *) names; /* outputs of graph */
    mq_map places_of;           /* of a name among them, + 1 */
    MQ_VEC(const char *) made;  /* of model */
    MQ_VEC(mq_array *) held;    /* that constants lie in */
    place *places;
    mq_running a, b;
    mq_dataset *data;
    size_t *feeds;
    mq_array **in;
} probe;

static mq_value *find(const probe *p, const mq_value *v)
{
    return v ? mq_graph_find_here(p->graph->graph, v->name) : NULL;
}

static mq_status add_name(probe *p, const char *name, size_t *at)
{
    const uintptr_t known = (uintptr_t)mq_map_get(&p->places_of, name);

    *at = known ? known - 1 : p->names.n;
    if (known)
        return MQ_OK;
    return mq_vec_push(&p->names, name) && mq_map_put(&p->places_of, name, (void *)(uintptr_t)p->names.n)
               ? MQ_OK : mq_oom(p->j->err);
}

/* A name that few others begin with: those for all layers together would be counted through again and again. */
static const char *name_of(const probe *p, const mq_model *m, const char *what)
{
    const char *name = mq_arena_printf(m->arena, "layer %zu/%s", (size_t)(p->layer - p->j->layers.items), what);

    return name ? name : what;
}

/* Copies have the name of what they are copies of. */
static mq_status insert(probe *p, mq_node *at, const char *domain, const char *op, const mq_node *like, mq_value *const *in,
                        size_t n_in, mq_node **out)
{
    return mq_pass_insert_named(at, mq_node_label(like ? like : at), domain, op, like, in, n_in, out, p->j->err);
}

/* ---- constants ------------------------------------------------------------------------------------------------------ */

/* A constant over an array that is held for as long as the graph. Takes the reference. */
static mq_status hold(probe *p, mq_model *m, mq_array *a, mq_value **out)
{
    mq_tensor *t;
    mq_value *v;

    if (!mq_vec_push(&p->held, a)) {
        mq_array_unref(a);
        return mq_oom(p->j->err);
    }
    if (!(v = mq_value_create_unique(m->graph, name_of(p, m, "constant"))) ||
        !(t = mq_tensor_create(m, v->name, a->dtype, a->rank, a->dims, NULL)))
        return mq_oom(p->j->err);
    t->data = a->data;
    t->n_bytes = mq_array_bytes(a);
    *out = v;
    return mq_value_set_init(v, t, p->j->err);
}

/* What makes `model` values of the reference's, or the reverse: [1, C, 1, 1] for a convolution's, [C] else. */
static mq_status scale_constant(probe *p, mq_model *m, const mq_node *n, const float *scale, size_t count, bool inverse,
                                mq_value **out)
{
    const bool conv = strcmp(n->op_type, "Conv") == 0;
    int64_t dims[MQ_MAX_RANK];
    mq_array *a;
    mq_status rc;

    for (size_t i = 0; i < MQ_MAX_RANK; i++)
        dims[i] = 1;
    dims[conv ? 1 : 0] = (int64_t)count;
    if ((rc = mq_array_create(&a, MQ_FLOAT, conv ? mq_value_rank(n->inputs[1]) : 1, dims, p->j->err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < count; i++)
        ((float *)a->data)[i] = inverse ? 1 / scale[i] : scale[i];
    return hold(p, m, a, out);
}

static bool same_values(const mq_array *a, const mq_array *b)
{
    return a->count == b->count && memcmp(a->data, b->data, mq_array_bytes(a)) == 0;
}

/* Constant k of the model in the reference's units, when it is another one than the reference's. */
static mq_status replace_constant(probe *p, size_t k)
{
    mq_layer_job *l = p->layer;
    const mq_layer_in *in = &l->view->in[k];
    const mq_value *mine = k < l->node->n_inputs ? l->node->inputs[k] : NULL;
    mq_array *a = NULL, *b = NULL, *fitting = NULL, *scaled = NULL;
    mq_status rc;

    if ((!in->real && !in->codes) || !mine || !mq_layers_is_constant(mine) || mq_value_dtype(mine) != MQ_FLOAT)
        return MQ_OK;
    MQ_TRY(mq_layers_constant(p->j, mine, &a));
    MQ_TRY(mq_layers_input(p->j, l->view, k, &b));
    MQ_TRY(mq_layers_fit(a, b, &fitting, p->j->err));
    if (!fitting || same_values(a, fitting))
        goto done;
    MQ_TRY(mq_layers_unscale(p->j, l, k, fitting, &scaled));
    MQ_TRY(mq_layer_look_at_weight(p->j, l, k, a, scaled));
    MQ_TRY(hold(p, p->graph, mq_array_ref(scaled), &p->constants[k]));
done:
    mq_array_unref(a);
    mq_array_unref(b);
    mq_array_unref(fitting);
    mq_array_unref(scaled);
    return rc;
}

/* ---- copies --------------------------------------------------------------------------------------------------------- */

static mq_status one_node(probe *p, const char *op, mq_value *const *in, size_t n_in, mq_value **out)
{
    mq_node *n;
    mq_status rc;

    MQ_TRY(insert(p, p->node, "", op, NULL, in, n_in, &n));
    rc = mq_pass_give_output(n, in[0], out, p->j->err);
    if (rc == MQ_OK && (*out)->type) /* integers, or another shape */
        (*out)->type = NULL;
done:
    return rc;
}

static mq_status parameters(probe *p, const mq_fake *f, bool made, mq_value *in[3])
{
    const float scale = (float)(made ? f->in_scale : f->out_scale);
    const uint16_t zero = (uint16_t)(made ? f->in_zero : f->out_zero);
    mq_graph *g = p->graph->graph;
    mq_status rc = mq_constant_of(g, name_of(p, p->graph, "scale"), MQ_FLOAT, 0, NULL, &scale, &in[1], p->j->err);

    if (rc == MQ_OK)
        rc = mq_constant_of(g, name_of(p, p->graph, "zero"), f->type, 0, NULL, &zero, &in[2], p->j->err);
    return rc;
}

static mq_status pass_dynamic(probe *p, mq_value *x, mq_value **out)
{
    mq_value *in[3] = { x };
    mq_node *n;
    mq_status rc;

    MQ_TRY(insert(p, p->node, "", "DynamicQuantizeLinear", NULL, in, 1, &n));
    for (size_t i = 0; i < 3; i++) {
        if (!(in[i] = mq_value_create_unique(p->graph->graph, name_of(p, p->graph, "range"))))
            MQ_TRY(mq_oom(p->j->err));
        MQ_TRY(mq_node_set_output(n, i, in[i], p->j->err));
    }
    rc = one_node(p, "DequantizeLinear", in, 3, out);
done:
    return rc;
}

/* x, as it comes out of the integers. scale: per channel, what the model's values are by the reference's. */
static mq_status pass_integers(probe *p, mq_value *x, const mq_fake *f, const float *scale, size_t n_scale, mq_value **out)
{
    mq_value *in[3] = { x }, *by[2] = { NULL };
    mq_status rc = MQ_OK;

    if (scale) {
        MQ_TRY(scale_constant(p, p->graph, p->layer->node, scale, n_scale, false, &in[1]));
        MQ_TRY(one_node(p, "Mul", in, 2, &in[0]));
    }
    if (f->dynamic) {
        MQ_TRY(pass_dynamic(p, in[0], out));
    } else {
        MQ_TRY(parameters(p, f, true, in));
        MQ_TRY(one_node(p, "QuantizeLinear", in, 3, &in[0]));
        MQ_TRY(parameters(p, f, false, in));
        MQ_TRY(one_node(p, "DequantizeLinear", in, 3, out));
    }
    if (scale) {
        by[0] = *out;
        MQ_TRY(scale_constant(p, p->graph, p->layer->node, scale, n_scale, true, &by[1]));
        MQ_TRY(one_node(p, "Mul", by, 2, out));
    }
done:
    return rc;
}

static mq_status copy_inputs(probe *p, unsigned what, mq_value **in)
{
    mq_layer_job *l = p->layer;
    mq_status rc = MQ_OK;

    for (size_t k = 0; k < p->node->n_inputs && k < MQ_LAYER_INPUTS && rc == MQ_OK; k++) {
        const mq_fake *f = &l->view->in[k].fake;

        if ((what & WEIGHTS) && p->constants[k])
            in[k] = p->constants[k];
        if ((what & INPUTS) && f->on && in[k] && mq_value_dtype(in[k]) == MQ_FLOAT)
            rc = pass_integers(p, in[k], f, k ? NULL : l->in_scale, l->n_in_scale, &in[k]);
    }
    return rc;
}

static mq_status copy_layer(probe *p, unsigned what, size_t *at)
{
    mq_layer_job *l = p->layer;
    mq_value **in = mq_arena_memdup(p->graph->arena, p->node->inputs, p->node->n_inputs * sizeof *in), *out = NULL;
    mq_node *n;
    mq_status rc = in ? copy_inputs(p, what, in) : mq_oom(p->j->err);

    if (rc != MQ_OK)
        return rc;
    MQ_TRY(insert(p, p->node, "", p->node->op_type, p->node, in, p->node->n_inputs, &n));
    for (size_t i = 0; i < p->node->n_outputs; i++) {
        if (!p->node->outputs[i])
            continue;
        if (!(out = mq_value_create_unique(p->graph->graph, name_of(p, p->graph, "result"))))
            MQ_TRY(mq_oom(p->j->err));
        MQ_TRY(mq_node_set_output(n, i, out, p->j->err));
    }
    for (size_t i = n->n_outputs; i > 0; i--)
        out = n->outputs[i - 1] ? n->outputs[i - 1] : out;
    for (size_t i = 0; i < l->n_tail; i++) {
        mq_node *t = find(p, l->tail[i]->outputs[0])->producer;
        mq_value **rest = mq_arena_memdup(p->graph->arena, t->inputs, t->n_inputs * sizeof *rest);

        if (!rest)
            MQ_TRY(mq_oom(p->j->err));
        rest[0] = out;
        MQ_TRY(insert(p, t, "", t->op_type, t, rest, t->n_inputs, &n));
        MQ_TRY(mq_pass_give_output(n, t->outputs[0], &out, p->j->err));
    }
    if ((what & INPUTS) && l->view->last && l->view->made.on && !l->out_scale)
        MQ_TRY(pass_integers(p, out, &l->view->made, NULL, 0, &out));
    rc = add_name(p, out->name, at);
done:
    return rc;
}

/* ---- layers that are many nodes ------------------------------------------------------------------------------------- */

static mq_status copy_region(probe *p, const mq_value *v, bool end, mq_value **out);

static mq_status copy_constant(probe *p, mq_tensor *t, mq_value **out)
{
    mq_array *a;
    mq_status rc = mq_array_of_tensor(&a, t, true, p->j->err);

    return rc == MQ_OK ? hold(p, p->graph, a, out) : rc;
}

/* Names that stand for copies are the model's with this in front. */
static mq_value *copied(const probe *p, const mq_value *v, const char **name)
{
    *name = mq_arena_printf(p->graph->arena, "layer %zu/%s", (size_t)(p->layer - p->j->layers.items), v->name);
    return *name ? mq_graph_find_here(p->graph->graph, *name) : NULL;
}

static mq_status copy_region_node(probe *p, const mq_node *n)
{
    mq_value **in = mq_arena_calloc(p->graph->arena, n->n_inputs + 1, sizeof *in), *out = NULL;
    mq_node *copy;
    const char *name;
    mq_status rc = in ? MQ_OK : mq_oom(p->j->err);

    for (size_t i = 0; i < n->n_inputs && rc == MQ_OK; i++)
        if (n->inputs[i])
            rc = copy_region(p, n->inputs[i], false, &in[i]);
    if (rc != MQ_OK)
        return rc;
    MQ_TRY(insert(p, p->node, mq_domain_norm(n->domain), n->op_type, n, in, n->n_inputs, &copy));
    for (size_t i = 0; i < n->n_outputs; i++) {
        if (!n->outputs[i])
            continue;
        copied(p, n->outputs[i], &name);
        if (!name || !(out = mq_value_create(p->graph->graph, name)))
            MQ_TRY(mq_oom(p->j->err));
        MQ_TRY(mq_node_set_output(copy, i, out, p->j->err));
    }
done:
    return rc;
}

/* The model's v, made of the reference's tensors. It is known to end (drift_match.c, walk_back). */
static mq_status copy_region(probe *p, const mq_value *v, bool end, mq_value **out)
{
    mq_tensor *t = mq_value_constant(v, false);
    mq_value *same = end ? NULL : find(p, v);
    const char *name;
    mq_status rc;

    if (t)
        return copy_constant(p, t, out);
    if (same && !mq_layers_is_constant(mq_graph_find_here(p->j->reference->graph, v->name))) {
        *out = same;
        return MQ_OK;
    }
    if ((*out = copied(p, v, &name)))
        return MQ_OK;
    if ((rc = copy_region_node(p, v->producer)) == MQ_OK)
        *out = copied(p, v, &name);
    return rc != MQ_OK || *out ? rc : mq_oom(p->j->err);
}

/* ---- building ------------------------------------------------------------------------------------------------------- */

static mq_status add_region(probe *p, place *at)
{
    mq_value *out = NULL;
    mq_status rc = copy_region(p, mq_graph_find_here(p->j->model->graph, p->layer->made), true, &out);

    if (rc == MQ_OK)
        rc = add_name(p, out->name, &at->own);
    if (p->layer->only_weights)
        at->weights = at->own;
    return rc;
}

/* All of the layer's; what cannot be computed takes the layer out, not the others. */
static mq_status replace_constants(probe *p)
{
    mq_layer_job *l = p->layer;
    mq_status rc = MQ_OK;

    memset(p->constants, 0, sizeof p->constants);
    for (size_t k = 0; k < l->view->n_in && k < l->node->n_inputs && rc == MQ_OK; k++)
        rc = replace_constant(p, k);
    return mq_layers_drop(p->j, l, rc);
}

static mq_status add_copies(probe *p, place *at)
{
    const mq_layer_job *l = p->layer;
    bool constants = false, inputs = false;
    mq_status rc = replace_constants(p);

    for (size_t k = 0; k < l->view->n_in && k < l->node->n_inputs && rc == MQ_OK && !l->dropped; k++) {
        constants = constants || p->constants[k];
        inputs = inputs || l->view->in[k].fake.on;
        if (l->view->in[k].fake.on && l->node->inputs[k])
            rc = add_name(p, l->node->inputs[k]->name, &at->inputs[k]);
    }
    if (rc == MQ_OK && constants)
        rc = copy_layer(p, WEIGHTS, &at->weights);
    if (rc == MQ_OK && inputs)
        rc = copy_layer(p, INPUTS, &at->activations);
    at->own = constants ? at->weights : at->activations;
    if (rc == MQ_OK && constants && (inputs || l->view->last))
        rc = copy_layer(p, WEIGHTS | INPUTS, &at->own);
    return rc;
}

/* The model's tensor, in the reference's units. */
static mq_status add_made(probe *p, place *at)
{
    mq_layer_job *l = p->layer;
    mq_value *v = mq_graph_find_here(p->model->graph, l->made), *in[2] = { v, NULL }, *out = v;
    mq_node *n;
    mq_status rc = MQ_OK;

    if (l->out_scale) {
        MQ_TRY(scale_constant(p, p->model, l->node, l->out_scale, l->n_out_scale, true, &in[1]));
        MQ_TRY(insert(p, p->model->graph->last, "", "Mul", NULL, in, 2, &n));
        MQ_TRY(mq_pass_give_output(n, v, &out, p->j->err));
    }
    at->accumulated = p->made.n;
    if (!mq_vec_push(&p->made, out->name))
        rc = mq_oom(p->j->err);
done:
    return rc;
}

static mq_status add_layer(probe *p, place *at)
{
    mq_status rc;

    *at = (place){ NONE, NONE, NONE, NONE, NONE, { 0 } };
    for (size_t k = 0; k < MQ_LAYER_INPUTS; k++)
        at->inputs[k] = NONE;
    MQ_TRY(add_name(p, p->layer->ref->name, &at->ref));
    for (size_t i = 0; i < p->layer->node->n_outputs; i++)
        if (p->layer->node->outputs[i])
            p->node = find(p, p->layer->node->outputs[i])->producer;
    if (!p->layer->dropped)
        MQ_TRY(p->layer->view ? add_copies(p, at) : add_region(p, at));
    rc = add_made(p, at);
done:
    return rc;
}

/* ---- running -------------------------------------------------------------------------------------------------------- */

static bool has_masks(const mq_array *a)
{
    const float *x = a->data;

    for (size_t i = 0; a->dtype == MQ_FLOAT && i < a->count; i++)
        if (fabsf(x[i]) >= MQ_LAYER_MASK && isfinite(x[i]))
            return true;
    return false;
}

/* Without the reference's masks, of a and of b. */
static mq_status compare_unmasked(const probe *p, mq_compare *sums, const mq_array *a, const mq_array *b)
{
    mq_array *x = NULL, *y = NULL;
    mq_status rc;

    MQ_TRY(mq_array_copy(&x, a, p->j->err));
    MQ_TRY(mq_array_copy(&y, b, p->j->err));
    for (size_t i = 0; i < y->count; i++)
        if (fabsf(((const float *)y->data)[i]) >= MQ_LAYER_MASK)
            ((float *)x->data)[i] = ((float *)y->data)[i] = 0;
    rc = mq_compare_add(sums, x, y, 0, 0, p->j->err);
done:
    mq_array_unref(x);
    mq_array_unref(y);
    return rc;
}

/* Shapes that do not fit are not compared. */
static mq_status compare(const probe *p, mq_compare *sums, mq_array *a, mq_array *b)
{
    mq_array *x = NULL, *y = NULL;
    mq_error why = { 0 };
    mq_status rc = MQ_OK;

    if (!a || !b || a->kind != MQ_TYPE_TENSOR || b->kind != MQ_TYPE_TENSOR)
        return MQ_OK;
    if (a->dtype == MQ_FLOAT && b->dtype == MQ_FLOAT && a->count == b->count && has_masks(b))
        return compare_unmasked(p, sums, a, b);
    if (a->dtype == b->dtype) {
        rc = mq_compare_add(sums, a, b, 0, 0, &why);
    } else {
        MQ_TRY(mq_array_convert(&x, a, MQ_DOUBLE, p->j->err));
        MQ_TRY(mq_array_convert(&y, b, MQ_DOUBLE, p->j->err));
        rc = mq_compare_add(sums, x, y, 0, 0, &why);
    }
    if (rc == MQ_ERR_INPUT)
        rc = MQ_OK;
    else if (rc != MQ_OK && p->j->err)
        *p->j->err = why;
done:
    mq_array_unref(x);
    mq_array_unref(y);
    return rc;
}

static mq_status add_run(probe *p, mq_layer_job *l, const place *at)
{
    mq_array *const *out = p->a.out;
    mq_array *ref = out[at->ref];
    mq_status rc = MQ_OK;

    if (at->own != NONE)
        MQ_TRY(compare(p, &l->own, out[at->own], ref));
    if (at->weights != NONE)
        MQ_TRY(compare(p, &l->weights, out[at->weights], ref));
    if (at->activations != NONE)
        MQ_TRY(compare(p, &l->activations, out[at->activations], ref));
    MQ_TRY(compare(p, &l->accumulated, p->b.out[at->accumulated], ref));
    for (size_t k = 0; k < MQ_LAYER_INPUTS; k++)
        if (at->inputs[k] != NONE && out[at->inputs[k]])
            MQ_TRY(mq_layer_look_at(l, k, out[at->inputs[k]], p->j->err));
    if (l->view && l->view->last && !l->out_scale && !l->dropped && ref)
        MQ_TRY(mq_layer_look_at(l, MQ_LAYER_INPUTS, ref, p->j->err));
    if (at->inputs[0] != NONE && out[at->inputs[0]])
        MQ_TRY(mq_layer_saturate(p->j, l, out[at->inputs[0]]));
done:
    return rc;
}

static mq_status run_call(probe *p, const mq_data_call *call, size_t from, size_t to)
{
    mq_status rc;

    MQ_TRY(mq_running_run(&p->b, call->in, p->j->err));
    MQ_TRY(mq_running_feed(&p->a, p->feeds, call->in, p->in, p->j->err));
    if ((rc = mq_running_run(&p->a, p->in, p->j->err)) != MQ_OK) {
        mq_error_prefix(p->j->err, "reference");
        goto done;
    }
    for (size_t i = from; i < to; i++)
        MQ_TRY(add_run(p, &p->j->layers.items[i], &p->places[i - from]));
    rc = mq_check_cancelled(p->j->hooks, p->j->err);
done:
    for (size_t k = 0; k < p->a.n_in; k++) {
        mq_array_unref(p->in[k]);
        p->in[k] = NULL;
    }
    return rc;
}

static mq_status open_runs(probe *p)
{
    const mq_layers_opts *o = p->j->opts;
    const mq_plan_opts a = { .outputs = p->names.items, .n_outputs = p->names.n, .float_edges = true };
    const mq_plan_opts b = { .outputs = p->made.items, .n_outputs = p->made.n, .float_edges = true };
    mq_status rc;

    MQ_TRY(mq_running_open(&p->b, p->model, &b, p->j->hooks, p->j->err));
    MQ_TRY(mq_running_open(&p->a, p->graph, &a, p->j->hooks, p->j->err));
    mq_runner_seed(p->a.runner, o->source.seed);
    mq_runner_seed(p->b.runner, o->source.seed);
    p->feeds = calloc(p->a.n_in + 1, sizeof *p->feeds);
    p->in = calloc(p->a.n_in + 1, sizeof *p->in);
    if (!p->feeds || !p->in)
        MQ_TRY(mq_oom(p->j->err));
    MQ_TRY(mq_running_pair(p->feeds, &p->b, &p->a, NULL, NULL, p->j->err));
    rc = mq_source_open(&p->data, &o->source, p->b.inputs, p->b.n_in, p->b.outputs, 0, p->j->hooks, p->j->err);
done:
    return rc;
}

static mq_status run_all(probe *p, size_t from, size_t to)
{
    const uint64_t n = mq_dataset_n_samples(p->data), all = p->j->layers.n * n;
    const mq_data_call *call;
    mq_status rc;

    p->j->n_samples = 0;
    for (;;) {
        MQ_TRY(mq_dataset_next(p->data, &call, p->j->err));
        if (!call)
            break;
        MQ_TRY(run_call(p, call, from, to));
        p->j->n_samples += call->n ? call->n : 1;
        mq_progress(p->j->hooks, "layers", from * n + p->j->n_samples * (to - from), all);
    }
done:
    return rc;
}

static void release(probe *p)
{
    mq_dataset_free(p->data);
    mq_running_close(&p->a);
    mq_running_close(&p->b);
    mq_model_free(p->graph);
    mq_model_free(p->model);
    for (size_t i = 0; i < p->held.n; i++)
        mq_array_unref(p->held.items[i]);
    mq_vec_release(&p->held);
    mq_vec_release(&p->names);
    mq_map_release(&p->places_of);
    mq_vec_release(&p->made);
    free(p->places);
    free(p->feeds);
    free(p->in);
}

/* Copies know declared types only. */
static mq_status copy_models(probe *p)
{
    mq_status rc;

    MQ_TRY(mq_model_clone(&p->graph, p->j->reference, p->j->err));
    MQ_TRY(mq_model_clone(&p->model, p->j->model, p->j->err));
    MQ_TRY(mq_infer_model(p->graph, NULL, NULL, p->j->err));
    rc = mq_infer_model(p->model, NULL, NULL, p->j->err);
done:
    return rc;
}

/* One run of the reference alone. */
static mq_status run_once(probe *p)
{
    const mq_data_call *call;
    mq_status rc;

    MQ_TRY(mq_dataset_next(p->data, &call, p->j->err));
    if (!call)
        MQ_TRY(mq_fail(p->j->err, MQ_ERR_INPUT, "the data hold no sample"));
    MQ_TRY(mq_running_feed(&p->a, p->feeds, call->in, p->in, p->j->err));
    rc = mq_running_run(&p->a, p->in, p->j->err);
done:
    for (size_t k = 0; k < p->a.n_in; k++) {
        mq_array_unref(p->in[k]);
        p->in[k] = NULL;
    }
    return rc;
}

/* Of the floats that stand for the model's constants of a layer. */
static size_t constant_bytes(const mq_layer_job *l)
{
    size_t bytes = 0;

    for (size_t k = 0; l->view && k < l->view->n_in && k < l->node->n_inputs; k++) {
        const mq_value *v = l->node->inputs[k];
        const bool own = (l->view->in[k].real || l->view->in[k].codes) && v && mq_layers_is_constant(v);
        const mq_tensor *t = own && (v = mq_layers_stored(v)) ? mq_value_constant(v, false) : NULL;
        const int64_t n = t ? mq_tensor_count(t) : 0;

        bytes += n > 0 ? (size_t)n * sizeof(float) : 0;
    }
    return bytes;
}

mq_status mq_layers_size(mq_layers_job *j)
{
    probe p = { .j = j };
    size_t at;
    mq_status rc;

    MQ_TRY(copy_models(&p));
    for (size_t i = 0; i < j->layers.n; i++)
        MQ_TRY(add_name(&p, j->layers.items[i].ref->name, &at));
    if (!mq_vec_push(&p.made, j->layers.items[0].made))
        MQ_TRY(mq_oom(j->err));
    MQ_TRY(open_runs(&p));
    mq_source_tell(&j->opts->source, p.data, j->opts->note, j->opts->user);
    MQ_TRY(run_once(&p));
    for (size_t i = 0; i < j->layers.n; i++) {
        MQ_TRY(add_name(&p, j->layers.items[i].ref->name, &at));
        j->layers.items[i].held = constant_bytes(&j->layers.items[i]);
        j->layers.items[i].bytes = p.a.out[at] ? mq_array_bytes(p.a.out[at]) : 0;
    }
done:
    release(&p);
    return rc;
}

mq_status mq_layers_probe(mq_layers_job *j, size_t from, size_t to)
{
    probe p = { .j = j, .places = calloc(to - from + 1, sizeof *p.places) };
    mq_status rc;

    if (!p.places)
        MQ_TRY(mq_oom(j->err));
    MQ_TRY(copy_models(&p));
    for (size_t i = from; i < to; i++) {
        p.layer = &j->layers.items[i];
        MQ_TRY(add_layer(&p, &p.places[i - from]));
    }
    MQ_TRY(open_runs(&p));
    rc = run_all(&p, from, to);
done:
    release(&p);
    return rc;
}
