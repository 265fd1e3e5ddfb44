/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Hiding nodes from rewrites: passes match operators, so one that nobody knows is left alone by all of them, those of
 * tomorrow included. What is around such a node may change: its inputs may come from elsewhere. A node whose outputs nobody
 * reads goes all the same. */
#include "passes/hide.h"

#define DOMAIN "mq.hidden"

static mq_status hide(mq_model *m, mq_node *n, mq_hidden *h, mq_error *err)
{
    mq_hidden_node item = { .node = n, .op_type = n->op_type, .domain = n->domain };
    const char *op = mq_arena_printf(m->arena, "Hidden%zu", h->nodes.n);

    item.declared = mq_arena_calloc(m->arena, n->n_outputs + 1, sizeof *item.declared);
    if (!op || !item.declared || !mq_vec_push(&h->nodes, item))
        return mq_oom(err);
    for (size_t i = 0; i < n->n_outputs; i++) {
        mq_value *v = n->outputs[i];

        item.declared[i] = v ? v->declared : NULL;
        if (v && v->type)
            v->declared = v->type;
    }
    n->op_type = op;
    n->domain = DOMAIN;
    return MQ_OK;
}

static bool is_in_function(const mq_graph *g)
{
    while (g->parent)
        g = g->parent;
    return g->function != NULL;
}

mq_status mq_nodes_hide(mq_model *m, bool (*takes)(void *user, const mq_node *n), void *user, mq_hidden *h, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < m->graphs.n; i++) {
        if (is_in_function(m->graphs.items[i]))
            continue;
        for (mq_node *n = m->graphs.items[i]->first; n && rc == MQ_OK; n = n->next)
            if (!mq_node_is(n, "", "Constant") && !takes(user, n))
                rc = hide(m, n, h, err);
    }
    return rc;
}

void mq_nodes_show(mq_hidden *h)
{
    for (size_t i = 0; i < h->nodes.n; i++) {
        const mq_hidden_node *item = &h->nodes.items[i];

        item->node->op_type = item->op_type;
        item->node->domain = item->domain;
        for (size_t k = 0; k < item->node->n_outputs; k++)
            if (item->node->outputs[k])
                item->node->outputs[k]->declared = item->declared[k];
    }
    mq_vec_release(&h->nodes);
}
