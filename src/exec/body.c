/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Turns the graphs of a plan into steps: kernels, where inputs are found, and when a value has been read for the last time.
 * A value's tag is its slot in its graph's frame, plus one; MQ_NO_SLOT marks a constant. */
#include <string.h>

#include "exec/internal.h"
#include "model/tensor_file.h"

#define MAX_DEPTH 64

/* A graph being built, and the ones around it. */
typedef struct building {
    struct building *up;
    mq_plan *plan;
    mq_body *body;
    size_t step;      /* that is being built */
    size_t *last_use; /* per slot: the last step that reads it; n_steps: an output */
} building;

static mq_status build_graph(building *up, mq_plan *p, mq_graph *g, mq_body **out, mq_error *err);

static mq_array *add_constant(mq_plan *p, mq_array *a)
{
    if (!mq_vec_push(&p->constants, a)) {
        mq_array_unref(a);
        return NULL;
    }
    a->constant = true;
    return a;
}

/* The array of a value that is constant in every run; NULL: it is none. */
static mq_status constant_of(building *b, mq_value *v, mq_array **out, mq_error *err)
{
    mq_plan *p = b->plan;
    mq_tensor *t = mq_value_constant(v, false);
    mq_array *a = mq_map_get(&p->constant_of, v->name);
    mq_status rc;

    *out = NULL;
    if (!t)
        return MQ_OK;
    if (a && !v->graph->parent) {
        *out = a;
        return MQ_OK;
    }
    if ((rc = mq_array_of_tensor(&a, t, false, err)) != MQ_OK)
        return rc;
    if (!(a = add_constant(p, a)))
        return mq_oom(err);
    if (!v->graph->parent && !mq_map_put(&p->constant_of, v->name, a))
        return mq_oom(err);
    *out = a;
    return MQ_OK;
}

static size_t new_slot(building *b, mq_value *v)
{
    v->tag = ++b->body->n_slots;
    return v->tag - 1;
}

static mq_status find_operand(building *b, mq_value *v, mq_operand *out, mq_error *err)
{
    building *at = b;
    mq_status rc;

    *out = (mq_operand){ .up = -1 };
    if (!v)
        return MQ_OK;
    if ((rc = constant_of(b, v, &out->constant, err)) != MQ_OK)
        return rc;
    out->tensor = mq_value_constant(v, true);
    if (out->constant)
        return MQ_OK;
    for (out->up = 0; at && at->body->graph != v->graph; at = at->up)
        out->up++;
    if (!at || !v->tag)
        return mq_fail(err, MQ_ERR_INPUT, "value '%s' is used but nothing makes it", v->name);
    out->slot = v->tag - 1;
    at->last_use[out->slot] = at->step;
    return MQ_OK;
}

static const mq_fast *first_fast(const building *b, const mq_node *n)
{
    if (b->plan->opts.reference || b->plan->opts.no_fast)
        return NULL;
    return mq_fast_find(mq_domain_norm(n->domain), n->op_type, NULL);
}

/* Tensors in attributes get their bytes now: kernels ask for them in several threads at once. One that cannot be read is
 * told by the kernel that wants it. */
static void unpack_attributes(const mq_node *n)
{
    mq_error ignored;
    const void *data;

    for (size_t i = 0; i < n->n_attrs; i++) {
        const mq_attr *a = n->attrs[i];

        for (size_t k = 0; a->tensors && k < a->n; k++)
            if (a->tensors[k]->dtype != MQ_STRING)
                (void)mq_tensor_bytes(a->tensors[k], &data, &ignored);
        for (size_t k = 0; a->sparses && k < a->n; k++) {
            if (a->sparses[k]->values && a->sparses[k]->values->dtype != MQ_STRING)
                (void)mq_tensor_bytes(a->sparses[k]->values, &data, &ignored);
            if (a->sparses[k]->indices)
                (void)mq_tensor_bytes(a->sparses[k]->indices, &data, &ignored);
        }
    }
}

static mq_status build_step(building *b, mq_node *n, mq_step *s, mq_error *err)
{
    mq_plan *p = b->plan;
    mq_arena *a = p->model->arena;
    mq_status rc;

    s->node = n;
    s->ref = mq_kernel_find(mq_domain_norm(n->domain), n->op_type);
    s->fast = first_fast(b, n);
    s->id = p->n_steps++;
    unpack_attributes(n);
    s->in = mq_arena_calloc(a, n->n_inputs, sizeof *s->in);
    s->out = mq_arena_calloc(a, n->n_outputs, sizeof *s->out);
    s->out_layout = mq_arena_calloc(a, n->n_outputs, sizeof *s->out_layout);
    s->place = mq_arena_calloc(a, n->n_outputs, sizeof *s->place);
    if (!s->in || !s->out || !s->out_layout || !s->place || !mq_vec_push_in(a, &p->steps, s))
        return mq_oom(err);
    for (size_t i = 0; i < n->n_inputs; i++)
        if ((rc = find_operand(b, n->inputs[i], &s->in[i], err)) != MQ_OK)
            return rc;
    for (size_t i = 0; i < n->n_attrs; i++) {
        const mq_attr *at = n->attrs[i];

        if (!at->graphs)
            continue;
        s->bodies = mq_arena_grow(a, s->bodies, s->n_bodies, s->n_bodies + at->n, sizeof(mq_body *));
        if (!s->bodies)
            return mq_oom(err);
        for (size_t j = 0; j < at->n; j++)
            if ((rc = build_graph(b, p, at->graphs[j], &s->bodies[s->n_bodies++], err)) != MQ_OK)
                return rc;
    }
    for (size_t i = 0; i < n->n_outputs; i++) {
        s->out[i] = n->outputs[i] ? new_slot(b, n->outputs[i]) : MQ_NO_SLOT;
        if (s->out[i] != MQ_NO_SLOT)
            b->last_use[s->out[i]] = b->step;
    }
    return MQ_OK;
}

/* Nodes that only hold a constant are no steps. */
static bool is_step(const mq_node *n)
{
    return !(mq_node_is(n, "", "Constant") && n->n_outputs == 1 && n->outputs[0] && mq_value_constant(n->outputs[0], false));
}

/* Which slots die with which step, and which inputs die in it. */
static mq_status mark_deaths(building *b, mq_error *err)
{
    mq_body *body = b->body;
    mq_arena *a = b->plan->model->arena;
    size_t *count = mq_arena_calloc(a, body->n_steps + 1, sizeof *count);

    if (!count)
        return mq_oom(err);
    for (size_t i = 0; i < body->n_slots; i++)
        count[b->last_use[i]]++;
    for (size_t i = 0; i < body->n_steps; i++)
        if (!(body->steps[i].dead = mq_arena_calloc(a, count[i], sizeof(size_t))))
            return mq_oom(err);
    for (size_t i = 0; i < body->n_slots; i++)
        if (b->last_use[i] < body->n_steps) {
            mq_step *s = &body->steps[b->last_use[i]];

            s->dead[s->n_dead++] = i;
        }
    for (size_t i = 0; i < body->n_steps; i++)
        for (size_t j = 0; j < body->steps[i].node->n_inputs; j++) {
            mq_operand *o = &body->steps[i].in[j];

            o->dies = !o->constant && o->up == 0 && b->last_use[o->slot] == i;
        }
    return MQ_OK;
}

static bool takes_layout(const mq_step *s, const mq_value *v)
{
    if (!s->fast)
        return false;
    for (size_t i = 0; i < s->node->n_inputs; i++)
        if (s->node->inputs[i] == v && (i >= 32 || !(s->fast->layouts >> i & 1)))
            return false;
    return true;
}

/* For each output: does every reader take the library's own order? */
static void mark_layouts(building *b)
{
    mq_body *body = b->body;

    for (mq_node *n = body->graph->first; n; n = n->next)
        n->tag = 0;
    for (size_t i = 0; i < body->n_steps; i++)
        body->steps[i].node->tag = i + 1;
    for (size_t i = 0; i < body->n_steps; i++)
        for (size_t j = 0; j < body->steps[i].node->n_outputs; j++) {
            const mq_value *v = body->steps[i].node->outputs[j];
            bool all = v && v->n_output_uses == 0 && v->uses.n > 0;

            for (size_t k = 0; all && k < v->uses.n; k++) {
                const mq_node *user = v->uses.items[k].node;

                all = user->graph == body->graph && user->tag && takes_layout(&body->steps[user->tag - 1], v);
            }
            body->steps[i].out_layout[j] = all;
        }
    for (size_t i = 0; i < body->n_steps && !b->plan->opts.training; i++)
        if (mq_node_is(body->steps[i].node, "", "Concat"))
            mq_join_mark(body, &body->steps[i]);
}

static mq_status build_inputs(building *b, mq_error *err)
{
    mq_body *body = b->body;
    mq_arena *a = b->plan->model->arena;
    const mq_graph *g = body->graph;
    mq_status rc;

    body->n_inputs = g->inputs.n;
    body->inputs = mq_arena_calloc(a, g->inputs.n, sizeof *body->inputs);
    body->defaults = mq_arena_calloc(a, g->inputs.n, sizeof *body->defaults);
    if (!body->inputs || !body->defaults)
        return mq_oom(err);
    for (size_t i = 0; i < g->inputs.n; i++) {
        mq_value *v = g->inputs.items[i];
        mq_array *d = NULL;

        body->inputs[i] = new_slot(b, v);
        if (v->init) {
            if ((rc = mq_array_of_tensor(&d, v->init, false, err)) != MQ_OK)
                return rc;
            if (!(d = add_constant(b->plan, d)))
                return mq_oom(err);
        }
        body->defaults[i] = d;
    }
    return MQ_OK;
}

static mq_status build_outputs(building *b, mq_error *err)
{
    mq_body *body = b->body;
    const mq_graph *g = body->graph;
    mq_plan *p = b->plan;
    mq_status rc;

    b->step = body->n_steps; /* what is read now lives to the end */
    body->n_outputs = g->parent || !p->n_real_outputs ? g->outputs.n : p->n_real_outputs;
    if (!(body->outputs = mq_arena_calloc(p->model->arena, body->n_outputs, sizeof *body->outputs)))
        return mq_oom(err);
    for (size_t i = 0; i < body->n_outputs; i++) {
        mq_value *v = g->outputs.items[i];
        const bool lost = p->missing.n && !v->producer && !v->is_input && !v->init; /* of a partial plan */

        if ((rc = find_operand(b, lost ? NULL : v, &body->outputs[i], err)) != MQ_OK)
            return rc;
    }
    return MQ_OK;
}

/* Slots are handed out while steps are built: room for all of them is made before. */
static size_t count_slots(const mq_graph *g)
{
    size_t n = g->inputs.n;

    for (const mq_node *node = g->first; node; node = node->next)
        n += node->n_outputs;
    return n;
}

static mq_status build_graph(building *up, mq_plan *p, mq_graph *g, mq_body **out, mq_error *err)
{
    mq_arena *a = p->model->arena;
    building b = { .up = up, .plan = p };
    size_t n_steps = 0, depth = 0;
    mq_status rc;

    for (const building *x = up; x; x = x->up)
        if (++depth > MAX_DEPTH)
            return mq_fail(err, MQ_ERR_INPUT, "graphs are nested more than %d deep", MAX_DEPTH);
    for (const mq_node *n = g->first; n; n = n->next)
        n_steps += is_step(n);
    if (!(b.body = mq_arena_alloc(a, sizeof *b.body)) || !(b.body->steps = mq_arena_calloc(a, n_steps, sizeof(mq_step))) ||
        !(b.last_use = mq_arena_calloc(a, count_slots(g), sizeof *b.last_use)))
        return mq_oom(err);
    b.body->graph = g;
    b.body->n_steps = n_steps;
    for (size_t i = 0; i < g->values.n; i++)
        g->values.items[i]->tag = 0;
    if ((rc = build_inputs(&b, err)) != MQ_OK)
        return rc;
    for (mq_node *n = g->first; n; n = n->next) {
        if (!is_step(n))
            continue;
        if ((rc = build_step(&b, n, &b.body->steps[b.step], err)) != MQ_OK)
            return rc;
        b.step++;
    }
    if ((rc = build_outputs(&b, err)) != MQ_OK || (rc = mark_deaths(&b, err)) != MQ_OK)
        return rc;
    mark_layouts(&b);
    *out = b.body;
    return MQ_OK;
}

mq_status mq_plan_build(mq_plan *p, mq_error *err)
{
    return build_graph(NULL, p, p->model->graph, &p->main, err);
}
