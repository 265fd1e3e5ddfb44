/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From where to where values are needed. */
#include "graph/spans.h"

static size_t place_in(const mq_node *n, const mq_graph *g)
{
    while (n && n->graph != g)
        n = n->graph ? n->graph->owner : NULL;
    return n ? n->tag : 0;
}

size_t mq_value_first_read(const mq_value *v, const mq_graph *g)
{
    size_t first = 0;

    for (size_t i = 0; i < v->uses.n; i++) {
        const size_t at = place_in(v->uses.items[i].node, g);

        if (at && (!first || at < first))
            first = at;
    }
    return first;
}

static size_t last_read(const mq_value *v, const mq_graph *g)
{
    size_t last = 0;

    for (size_t i = 0; i < v->uses.n; i++) {
        const size_t at = place_in(v->uses.items[i].node, g);

        last = at > last ? at : last;
    }
    return last;
}

static void add(mq_spans *s, mq_value *v, size_t made)
{
    s->items[s->n++] = (mq_span){ v, made, last_read(v, v->graph) };
    v->tag = s->n;
}

/* Stands for an error, so that looking ends. */
static mq_status is_spanned(void *user, mq_value *v)
{
    (void)user;
    return v->tag ? MQ_ERR_USAGE : MQ_OK;
}

mq_status mq_spans_find(mq_spans *out, mq_graph *g, bool (*fed)(void *user, const mq_value *input), void *user,
                        mq_error *err)
{
    size_t place = 0;

    *out = (mq_spans){ calloc(g->values.n + 1, sizeof *out->items), 0 };
    if (!out->items)
        return mq_oom(err);
    for (size_t i = 0; i < g->values.n; i++)
        g->values.items[i]->tag = 0;
    for (mq_node *n = g->first; n; n = n->next)
        n->tag = ++place;
    for (size_t i = 0; i < g->inputs.n; i++)
        if (!g->inputs.items[i]->tag && (!fed || fed(user, g->inputs.items[i])))
            add(out, g->inputs.items[i], 0);
    for (mq_node *n = g->first; n; n = n->next)
        for (size_t i = 0; mq_node_each_read(n, g, is_spanned, NULL) != MQ_OK && i < n->n_outputs; i++)
            if (n->outputs[i] && !n->outputs[i]->tag)
                add(out, n->outputs[i], n->tag);
    return MQ_OK;
}

void mq_spans_release(mq_spans *s)
{
    free(s->items);
    *s = (mq_spans){ 0 };
}

bool mq_span_crosses(const mq_span *s, size_t place)
{
    return s->made < place && place <= s->last;
}
