/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Hiding nodes from rewrites: passes match operators, so one that nobody knows is left alone by all of them, those of
 * tomorrow included. What is around such a node may change: its inputs may come from elsewhere. A node whose outputs nobody
 * reads goes all the same. */
#include "passes/hide.h"

#include <stdlib.h>
#include <string.h>

#define DOMAIN "mq.hidden"        /* nodes that a file has of it are hidden in any case */
#define OPERATOR "Hidden" /* and a number */

static mq_status hide(mq_model *m, mq_node *n, mq_hidden *h, mq_error *err)
{
    mq_hidden_node item = { .op_type = n->op_type, .domain = n->domain, .n_outputs = n->n_outputs };
    const char *op = mq_arena_printf(m->arena, OPERATOR "%zu", h->nodes.n);

    item.declared = mq_arena_calloc(m->arena, n->n_outputs + 1, sizeof *item.declared);
    item.kept = mq_arena_calloc(m->arena, n->n_outputs + 1, sizeof *item.kept);
    if (!op || !item.declared || !item.kept || !mq_vec_push(&h->nodes, item))
        return mq_oom(err);
    for (size_t i = 0; i < n->n_outputs; i++) {
        mq_value *v = n->outputs[i];

        item.declared[i] = v ? v->declared : NULL;
        item.kept[i] = v ? v->type : NULL;
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

    h->model = m;
    for (size_t i = 0; i < m->graphs.n; i++) {
        if (is_in_function(m->graphs.items[i]))
            continue;
        for (mq_node *n = m->graphs.items[i]->first; n && rc == MQ_OK; n = n->next)
            if (!mq_node_is(n, "", "Constant") && (!takes(user, n) || strcmp(n->domain, DOMAIN) == 0))
                rc = hide(m, n, h, err);
    }
    return rc;
}

static void show(mq_node *n, const mq_hidden_node *item)
{
    n->op_type = item->op_type;
    n->domain = item->domain;
    for (size_t k = 0; k < n->n_outputs && k < item->n_outputs; k++)
        if (n->outputs[k] && item->kept[k] && n->outputs[k]->declared == item->kept[k])
            n->outputs[k]->declared = item->declared[k];
}

void mq_nodes_show(mq_hidden *h)
{
    for (size_t i = 0; h->model && i < h->model->graphs.n; i++)
        for (mq_node *n = h->model->graphs.items[i]->first; n; n = n->next)
            if (strcmp(n->domain, DOMAIN) == 0 && strncmp(n->op_type, OPERATOR, strlen(OPERATOR)) == 0) {
                const size_t at = strtoul(n->op_type + strlen(OPERATOR), NULL, 10);

                if (at < h->nodes.n)
                    show(n, &h->nodes.items[at]);
            }
    mq_vec_release(&h->nodes);
    h->model = NULL;
}
