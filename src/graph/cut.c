/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A walk from the new outputs back to the new inputs marks what is needed; all is looked at before anything is changed. */
#include "graph/cut.h"

enum { FREE = 0, INPUT, NEEDED }; /* tags of values; of nodes: FREE and NEEDED */

typedef struct cutting {
    mq_graph *g;
    mq_value *const *inputs, *const *outputs;
    size_t n_inputs, n_outputs;
    bool keep_inputs;
    mq_value_vec todo;
    mq_error *err;
} cutting;

static mq_status need(void *user, mq_value *v)
{
    cutting *c = user;

    if (v->tag != FREE)
        return MQ_OK;
    v->tag = NEEDED;
    return mq_vec_push(&c->todo, v) ? MQ_OK : mq_oom(c->err);
}

/* Marks what output `of` needs. */
static mq_status mark(cutting *c, mq_value *of)
{
    mq_status rc = need(c, of);

    while (rc == MQ_OK && c->todo.n) {
        const mq_value *v = c->todo.items[--c->todo.n];

        if (v->is_input && !v->init && !c->keep_inputs)
            return mq_fail(c->err, MQ_ERR_USAGE, "output '%s' also needs input '%s'", of->name, v->name);
        if (v->producer && v->producer->tag == FREE) {
            v->producer->tag = NEEDED;
            rc = mq_node_each_read(v->producer, c->g, need, c);
        }
    }
    return rc;
}

bool mq_can_be_edge(const mq_value *v)
{
    const mq_type *t = v->declared ? v->declared : v->type;

    return t && (t->kind != MQ_TYPE_TENSOR || (t->dtype != MQ_UNDEFINED && t->rank >= 0)) && t->kind != MQ_TYPE_UNKNOWN;
}

static mq_status check_edge(const cutting *c, const mq_value *v, const char *what)
{
    if (mq_can_be_edge(v))
        return MQ_OK;
    return mq_fail(c->err, MQ_ERR_UNSUPPORTED, "tensor '%s' cannot be an %s: its type is not known, or its rank", v->name,
                   what);
}

static mq_status look(cutting *c)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < c->g->values.n; i++)
        c->g->values.items[i]->tag = FREE;
    for (mq_node *n = c->g->first; n; n = n->next)
        n->tag = FREE;
    for (size_t i = 0; i < c->n_inputs; i++) {
        MQ_TRY(check_edge(c, c->inputs[i], "input"));
        c->inputs[i]->tag = INPUT;
    }
    for (size_t i = 0; i < c->n_outputs; i++) {
        MQ_TRY(check_edge(c, c->outputs[i], "output"));
        for (size_t k = 0; k < i; k++)
            if (c->outputs[k] == c->outputs[i])
                return mq_fail(c->err, MQ_ERR_USAGE, "output '%s' is listed twice", c->outputs[i]->name);
        MQ_TRY(mark(c, c->outputs[i]));
    }
done:
    return rc;
}

static void declare(mq_value *v)
{
    if (!v->declared || (v->type && v->declared->kind == MQ_TYPE_UNKNOWN)) {
        v->declared = v->type;
        v->redeclared = true;
    }
}

static mq_status set_outputs(cutting *c)
{
    mq_graph *g = c->g;
    mq_status rc = MQ_OK;

    mq_graph_clear_outputs(g);
    for (size_t i = 0; i < c->n_outputs && rc == MQ_OK; i++) {
        declare(c->outputs[i]);
        rc = mq_graph_add_output(g, c->outputs[i], c->err);
    }
    return rc;
}

static mq_status set_inputs(cutting *c)
{
    mq_graph *g = c->g;
    mq_value_vec kept = { 0 };
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->inputs.n; i++)
        if (g->inputs.items[i]->tag == NEEDED && !mq_vec_push(&kept, g->inputs.items[i]))
            MQ_TRY(mq_oom(c->err));
    while (g->inputs.n)
        mq_graph_remove_input(g, g->inputs.items[g->inputs.n - 1]);
    for (size_t i = 0; i < c->n_inputs; i++) {
        mq_value *v = c->inputs[i];

        if (v->is_input)
            continue; /* listed twice */
        if (v->producer)
            MQ_TRY(mq_node_set_output(v->producer, v->producer_index, NULL, c->err));
        mq_value_clear_init(v);
        declare(v);
        MQ_TRY(mq_graph_add_input(g, v, c->err));
    }
    for (size_t i = 0; i < kept.n; i++)
        MQ_TRY(mq_graph_add_input(g, kept.items[i], c->err));
done:
    mq_vec_release(&kept);
    return rc;
}

static void drop_rest(mq_graph *g)
{
    for (mq_node *n = g->last, *prev; n; n = prev) {
        prev = n->prev;
        if (n->tag == FREE)
            mq_node_remove(n);
    }
    mq_graph_drop_unused_inits(g);
}

mq_status mq_model_cut(mq_model *m, mq_value *const *inputs, size_t n_inputs, mq_value *const *outputs, size_t n_outputs,
                       bool keep_inputs, mq_error *err)
{
    cutting c = { m->graph, inputs, outputs, n_inputs, n_outputs, keep_inputs, { 0 }, err };
    mq_status rc;

    MQ_TRY(look(&c));
    MQ_TRY(set_outputs(&c));
    MQ_TRY(set_inputs(&c));
    drop_rest(m->graph);
done:
    mq_vec_release(&c.todo);
    return rc;
}

size_t mq_model_unlist_inits(mq_model *m)
{
    const bool old = m->has_ir_version && m->ir_version < 4;
    const size_t n = mq_graph_unlist_inits(m->graph);

    if (old && n)
        m->ir_version = 4;
    return old ? 0 : n;
}
