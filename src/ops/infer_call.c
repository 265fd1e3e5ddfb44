/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Calls of the model's own functions: the body is inferred anew with the types and attributes of each call, and its
 * values are left without types afterwards. Nothing is inlined: the graph stays as it is. */
#include "ops/infer.h"

#include <string.h>

#include "base/error.h"

/* Nodes whose attributes are, for the time of a call, those that the call gives. */
typedef struct rebound {
    mq_node *node;
    mq_attr **attrs;
    size_t n_attrs;
} rebound;

typedef MQ_VEC(rebound) rebound_vec;

static const mq_attr *find_attr(mq_attr *const *attrs, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(attrs[i]->name, name) == 0)
            return attrs[i];
    return NULL;
}

/* What attribute `a` of a body's node is in this call: itself, the caller's or the default, or NULL. */
static mq_status resolve(mq_infer *in, const mq_function *f, mq_attr *a, mq_attr **out)
{
    const mq_attr *given;

    *out = a;
    if (!a->ref)
        return MQ_OK;
    given = find_attr(in->node->attrs, in->node->n_attrs, a->ref);
    if (!given)
        given = find_attr(f->attr_protos, f->n_attr_protos, a->ref);
    *out = NULL;
    if (!given || given->ref)
        return MQ_OK;
    *out = mq_arena_memdup(in->model->arena, given, sizeof *given);
    if (!*out)
        return mq_oom(in->err);
    (*out)->name = a->name;
    return MQ_OK;
}

static mq_status bind_node(mq_infer *in, const mq_function *f, mq_node *n, rebound_vec *saved)
{
    mq_status rc = MQ_OK;
    mq_attr **attrs;
    size_t kept = 0;

    attrs = mq_arena_calloc(in->model->arena, n->n_attrs, sizeof *attrs);
    if (!attrs)
        return mq_oom(in->err);
    for (size_t i = 0; i < n->n_attrs; i++) {
        MQ_TRY(resolve(in, f, n->attrs[i], &attrs[kept]));
        kept += attrs[kept] != NULL;
    }
    if (!mq_vec_push(saved, ((rebound){ n, n->attrs, n->n_attrs })))
        return mq_oom(in->err);
    n->attrs = attrs;
    n->n_attrs = kept;
done:
    return rc;
}

/* Graphs in graphs are at most as deep as the loader lets them be. */
static mq_status bind_graph(mq_infer *in, const mq_function *f, mq_graph *g, rebound_vec *saved)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first; n; n = n->next) {
        bool refers = false;

        for (size_t i = 0; i < n->n_attrs; i++) {
            refers |= n->attrs[i]->ref != NULL;
            for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n; k++)
                MQ_TRY(bind_graph(in, f, n->attrs[i]->graphs[k], saved));
        }
        if (refers)
            MQ_TRY(bind_node(in, f, n, saved));
    }
done:
    return rc;
}

static void unbind(rebound_vec *saved)
{
    for (size_t i = 0; i < saved->n; i++) {
        saved->items[i].node->attrs = saved->items[i].attrs;
        saved->items[i].node->n_attrs = saved->items[i].n_attrs;
    }
    mq_vec_release(saved);
}

static void clear_types(mq_graph *g)
{
    for (size_t i = 0; i < g->values.n; i++) {
        g->values.items[i]->type = NULL;
        g->values.items[i]->known = NULL;
        g->values.items[i]->n_known = 0;
    }
    for (const mq_node *n = g->first; n; n = n->next)
        for (size_t i = 0; i < n->n_attrs; i++)
            for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n; k++)
                clear_types(n->attrs[i]->graphs[k]);
}

static void give_inputs(const mq_infer *in, const mq_graph *body)
{
    for (size_t i = 0; i < body->inputs.n; i++) {
        mq_value *to = body->inputs.items[i];
        const mq_value *from = mq_in_has(in, i) ? in->node->inputs[i] : NULL;

        to->type = from ? from->type : NULL;
        to->known = from ? from->known : NULL;
        to->n_known = from ? from->n_known : 0;
    }
}

static void take_outputs(mq_infer *in, const mq_graph *body)
{
    for (size_t i = 0; i < in->node->n_outputs && i < body->outputs.n; i++) {
        const mq_value *from = body->outputs.items[i];

        if (from->type)
            *in->out[i] = *from->type;
        in->known[i] = from->known;
        in->n_known[i] = from->n_known;
    }
}

mq_status mq_walk_call(mq_walk *w, mq_infer *in, mq_function *f)
{
    const mq_infer_call here = { .function = f, .up = w->call };
    rebound_vec saved = { 0 };
    mq_status rc = MQ_OK;

    for (const mq_infer_call *c = w->call; c; c = c->up)
        if (c->function == f)
            return mq_walk_tell(w, in->node, "function '%s' calls itself", f->name);
    if (!f->body)
        return MQ_OK;
    MQ_TRY(bind_graph(in, f, f->body, &saved));
    give_inputs(in, f->body);
    w->call = &here;
    rc = mq_walk_graph(w, f->body);
    w->call = here.up;
    if (rc == MQ_OK)
        take_outputs(in, f->body);
    clear_types(f->body);
done:
    unbind(&saved);
    return rc;
}
