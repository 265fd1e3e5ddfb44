/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* inline-if: If with a constant condition becomes the nodes of the branch that is taken.
 * The branch's values get new names where theirs are taken; its outputs go through Identity, which drop-identity removes.
 * Numerics: exact. */
#include <string.h>

#include "passes/pass.h"

static mq_graph *taken_branch(const mq_node *n)
{
    mq_tensor *t = mq_node_is(n, "", "If") ? mq_constant_input(n, 0) : NULL;
    const mq_attr *a;
    int64_t condition;

    if (!t || mq_tensor_count(t) != 1 || t->dtype != MQ_BOOL || mq_tensor_read_i64(t, 0, 1, &condition, NULL) != MQ_OK)
        return NULL;
    a = mq_node_attr(n, condition ? "then_branch" : "else_branch");
    if (!a || a->type != MQ_ATTR_GRAPH || a->n != 1 || a->graphs[0]->outputs.n != n->n_outputs || a->graphs[0]->inputs.n)
        return NULL;
    for (size_t i = 0; i < a->graphs[0]->values.n; i++)
        if (a->graphs[0]->values.items[i]->sparse || a->graphs[0]->values.items[i]->duplicate)
            return NULL;
    return a->graphs[0];
}

/* v of the branch becomes a value of g: its constant and all its uses move, those as an output of the branch too. */
static mq_status move_value(mq_graph *g, mq_value *v, mq_error *err)
{
    mq_value *to = mq_value_create_unique(g, v->name);
    mq_tensor *t = v->init;
    mq_status rc = MQ_OK;

    if (!to)
        return mq_oom(err);
    to->type = v->type;
    if (t) {
        mq_value_clear_init(v);
        MQ_TRY(mq_value_set_init(to, t, err));
    }
    MQ_TRY(mq_value_replace_uses(v, to, err));
    v->tag = g->values.n - 1; /* where move_node finds it */
done:
    return rc;
}

/* Node k of the branch moves before n, with the graphs inside it. */
static mq_status move_node(mq_node *k, mq_node *n, mq_error *err)
{
    mq_graph *g = n->graph;
    mq_node *c = mq_node_create(g, n, k->domain, k->op_type, mq_unique_node_name(g->model, k->name));
    mq_status rc = MQ_OK;

    if (!c)
        return mq_oom(err);
    c->overload = k->overload;
    for (size_t i = 0; i < k->n_inputs; i++)
        MQ_TRY(mq_node_set_input(c, i, k->inputs[i], err));
    for (size_t i = 0; i < k->n_outputs; i++)
        MQ_TRY(mq_node_set_output(c, i, k->outputs[i] ? g->values.items[k->outputs[i]->tag] : NULL, err));
    c->attrs = k->attrs;
    c->n_attrs = k->n_attrs;
    k->n_attrs = 0;
    for (size_t i = 0; i < c->n_attrs; i++)
        for (size_t j = 0; c->attrs[i]->graphs && j < c->attrs[i]->n; j++) {
            c->attrs[i]->graphs[j]->parent = g;
            c->attrs[i]->graphs[j]->owner = c;
        }
done:
    return rc;
}

static mq_status inline_branch(mq_node *n, mq_graph *b, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < b->values.n; i++)
        MQ_TRY(move_value(n->graph, b->values.items[i], err));
    for (mq_node *k = b->first; k; k = k->next)
        MQ_TRY(move_node(k, n, err));
    for (size_t i = 0; i < n->n_outputs; i++) {
        mq_value *v = n->outputs[i];
        mq_node *same;

        if (!v)
            continue;
        MQ_TRY(mq_pass_insert(n, "", "Identity", NULL, &b->outputs.items[i], 1, &same, err));
        MQ_TRY(mq_node_set_output(n, i, NULL, err));
        MQ_TRY(mq_node_set_output(same, 0, v, err));
    }
    mq_node_remove(n);
done:
    return rc;
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_graph *b = taken_branch(n);
    mq_status rc = MQ_OK;

    if (b) {
        rc = inline_branch(n, b, err);
        ++*n_changed;
    }
    return rc;
}

const mq_pass mq_pass_inline_if = {
    .name = "inline-if", .summary = "put the branch in the place of If with a constant condition", .node = visit
};
