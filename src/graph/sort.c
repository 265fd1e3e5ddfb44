/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Stable topological order: a node comes as early as the file had it, but after everything it needs (values captured by its
 * subgraphs included). A depth-first walk with its own stack, so that a long chain cannot exhaust the machine's. */
#include <stdlib.h>
#include <string.h>

#include "graph/graph.h"

enum mark { UNSEEN = 0, OPEN, DONE };

typedef MQ_VEC(size_t) index_vec;

struct step {
    mq_node *node;
    index_vec needs; /* positions in g's file order */
    size_t next_need;
    enum mark mark;
};

struct sorter {
    mq_graph *g;
    struct step *steps;
    size_t n;
    index_vec stack, order;
};

/* Adds the position of what makes v. */
static mq_status add_need(void *user, mq_value *v)
{
    index_vec *needs = user;

    return !v->producer || mq_vec_push(needs, v->producer->tag) ? MQ_OK : MQ_ERR_NOMEM;
}

static mq_status fail_cycle(const struct sorter *s, size_t at, mq_error *err)
{
    const char *a = mq_node_label(s->steps[at].node), *b = mq_node_label(s->steps[s->stack.items[s->stack.n - 1]].node);
    return mq_fail(err, MQ_ERR_INPUT, "graph '%s': nodes '%s' and '%s' lie on a cycle", s->g->name, a, b);
}

/* Everything that step `root` needs, then itself, into s->order. */
static mq_status visit(struct sorter *s, size_t root, mq_error *err)
{
    if (!mq_vec_push(&s->stack, root))
        return mq_oom(err);
    while (s->stack.n) {
        size_t at = s->stack.items[s->stack.n - 1], need;
        struct step *st = &s->steps[at];
        if (st->mark == UNSEEN) {
            st->mark = OPEN;
            if (mq_node_each_read(st->node, s->g, add_need, &st->needs) != MQ_OK)
                return mq_oom(err);
        }
        if (st->next_need == st->needs.n) {
            st->mark = DONE;
            s->stack.n--;
            mq_vec_release(&st->needs);
            st->next_need = 0;
            if (!mq_vec_push(&s->order, at))
                return mq_oom(err);
            continue;
        }
        need = st->needs.items[st->next_need++];
        if (s->steps[need].mark == OPEN)
            return fail_cycle(s, need, err);
        if (s->steps[need].mark == UNSEEN && !mq_vec_push(&s->stack, need))
            return mq_oom(err);
    }
    return MQ_OK;
}

/* Relinks the nodes in s->order; counts those that stand elsewhere than before. */
static size_t relink(const struct sorter *s)
{
    size_t moved = 0;

    for (size_t i = 0; i < s->n; i++) {
        mq_node *n = s->steps[s->order.items[i]].node;
        moved += s->order.items[i] != i;
        n->prev = i ? s->steps[s->order.items[i - 1]].node : NULL;
        n->next = i + 1 < s->n ? s->steps[s->order.items[i + 1]].node : NULL;
    }
    if (s->n) {
        s->g->first = s->steps[s->order.items[0]].node;
        s->g->last = s->steps[s->order.items[s->n - 1]].node;
    }
    return moved;
}

static mq_status sort_one(mq_graph *g, size_t *n_moved, mq_error *err)
{
    struct sorter s = { .g = g, .n = g->n_nodes };
    size_t i = 0;
    mq_status rc = MQ_OK;

    if (!g->n_nodes)
        return MQ_OK;
    if (!(s.steps = calloc(s.n, sizeof *s.steps)))
        return mq_oom(err);
    for (mq_node *n = g->first; n; n = n->next) {
        n->tag = i;
        s.steps[i++].node = n;
    }
    for (i = 0; i < s.n; i++)
        if (s.steps[i].mark == UNSEEN)
            MQ_TRY(visit(&s, i, err));
    *n_moved += relink(&s);
done:
    for (i = 0; i < s.n; i++)
        mq_vec_release(&s.steps[i].needs);
    mq_vec_release(&s.stack);
    mq_vec_release(&s.order);
    free(s.steps);
    return rc;
}

mq_status mq_graph_sort(mq_graph *g, size_t *n_moved, mq_error *err)
{
    mq_status rc = sort_one(g, n_moved, err);

    for (const mq_node *n = g->first; n && rc == MQ_OK; n = n->next)
        for (size_t i = 0; i < n->n_attrs; i++)
            for (size_t k = 0; rc == MQ_OK && n->attrs[i]->graphs && k < n->attrs[i]->n; k++)
                rc = mq_graph_sort(n->attrs[i]->graphs[k], n_moved, err);
    return rc;
}
