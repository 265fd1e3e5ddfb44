/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "passes/min_cut.h"

#define ROOT (-2) /* via: where the search began */

static void add_one(mq_cut *c)
{
    if (!mq_vec_push(&c->first, -1))
        c->failed = true;
}

int mq_cut_add(mq_cut *c)
{
    while (c->first.n < 2 && !c->failed)
        add_one(c);
    add_one(c);
    return (int)c->first.n - 1;
}

static void add_edge(mq_cut *c, int from, int to, int64_t left)
{
    const mq_cut_edge e = { .to = to, .next = c->first.items[from], .left = left };

    if (!mq_vec_push(&c->edges, e))
        c->failed = true;
    else
        c->first.items[from] = (int)c->edges.n - 1;
}

void mq_cut_price(mq_cut *c, int a, int b, int64_t price)
{
    if (c->failed || price <= 0)
        return;
    add_edge(c, a, b, price);
    add_edge(c, b, a, 0);
}

/* Shortest paths from the first side along edges with something left; true: the second side is reached. */
static bool search(mq_cut *c, uint64_t *effort)
{
    for (size_t i = 0; i < c->via.n; i++)
        c->via.items[i] = -1;
    c->via.items[MQ_CUT_FIRST] = ROOT;
    c->queue.items[0] = MQ_CUT_FIRST;
    for (size_t head = 0, tail = 1; head < tail && c->via.items[MQ_CUT_SECOND] == -1; head++)
        for (int e = c->first.items[c->queue.items[head]]; e >= 0; e = c->edges.items[e].next) {
            const mq_cut_edge *edge = &c->edges.items[e];

            *effort -= *effort > 0;
            if (edge->left <= 0 || c->via.items[edge->to] != -1)
                continue;
            c->via.items[edge->to] = e;
            c->queue.items[tail++] = edge->to;
        }
    return c->via.items[MQ_CUT_SECOND] != -1;
}

static void push_flow(mq_cut *c)
{
    int64_t flow = INT64_MAX;

    for (int at = MQ_CUT_SECOND, e; (e = c->via.items[at]) != ROOT; at = c->edges.items[e ^ 1].to)
        if (c->edges.items[e].left < flow)
            flow = c->edges.items[e].left;
    for (int at = MQ_CUT_SECOND, e; (e = c->via.items[at]) != ROOT; at = c->edges.items[e ^ 1].to) {
        c->edges.items[e].left -= flow;
        c->edges.items[e ^ 1].left += flow;
    }
}

bool mq_cut_solve(mq_cut *c, uint64_t effort)
{
    c->via.n = c->queue.n = 0;
    for (size_t i = 0; i < c->first.n && !c->failed; i++)
        c->failed = !mq_vec_push(&c->via, -1) || !mq_vec_push(&c->queue, 0);
    if (c->failed || c->first.n < 2)
        return false;
    while (search(c, &effort)) {
        if (!effort)
            return false;
        push_flow(c);
    }
    return true;
}

bool mq_cut_is_first(const mq_cut *c, int thing)
{
    return c->via.items[thing] != -1;
}

void mq_cut_release(mq_cut *c)
{
    mq_vec_release(&c->edges);
    mq_vec_release(&c->first);
    mq_vec_release(&c->via);
    mq_vec_release(&c->queue);
}
