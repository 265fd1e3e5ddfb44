/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The gradient of Einsum: with respect to one operand, Einsum of the result's gradient and the other operands. */
#include <string.h>

#include "ops/einsum.h"
#include "train/grad_families.h"

static bool has(const mq_einsum_term *t, char label)
{
    return memchr(t->labels, label, (size_t)t->n) != NULL;
}

/* Each letter once; no ellipsis, whose axes the operands may share by broadcasting. */
static bool plain(const mq_einsum_term *t)
{
    for (int i = 1; i < t->n; i++)
        if (memchr(t->labels, t->labels[i], (size_t)i))
            return false;
    return !t->ellipsis;
}

/* Can every letter of operand i be had from the result or from another operand? One that is summed up alone cannot. */
static bool reachable(const mq_einsum *e, size_t i)
{
    for (int c = 0; c < e->in[i].n; c++) {
        bool found = has(&e->out, e->in[i].labels[c]);

        for (size_t j = 0; j < e->n_in && !found; j++)
            found = j != i && has(&e->in[j], e->in[i].labels[c]);
        if (!found)
            return false;
    }
    return true;
}

static char *put_term(char *to, const mq_einsum_term *t)
{
    memcpy(to, t->labels, (size_t)t->n);
    return to + t->n;
}

/* "out,others->operand" over dy and the other operands. */
static mq_value *backwards(mq_grad *k, const mq_einsum *e, size_t i)
{
    mq_arena *arena = k->g->model->arena;
    size_t length = (size_t)e->out.n + 3, n = 0;
    mq_value **in = mq_arena_calloc(arena, e->n_in + 1, sizeof(mq_value *));
    char *text, *at;

    for (size_t j = 0; j < e->n_in; j++)
        length += (size_t)e->in[j].n + 1;
    if (!in || !(text = mq_arena_alloc(arena, length))) {
        k->rc = mq_oom(k->err);
        return NULL;
    }
    in[n++] = k->dy[0];
    at = put_term(text, &e->out);
    for (size_t j = 0; j < e->n_in; j++) {
        if (j == i)
            continue;
        *at++ = ',';
        at = put_term(at, &e->in[j]);
        in[n++] = k->n->inputs[j];
    }
    memcpy(at, "->", 2);
    put_term(at + 2, &e->in[i]);
    return mq_grad_set_string(k, mq_grad_node(k, "", "Einsum", NULL, in, n, 1), "equation", text);
}

static void einsum(mq_grad *k)
{
    const mq_attr *equation = mq_node_attr(k->n, "equation");
    mq_einsum e;

    if (!equation || equation->type != MQ_ATTR_STRING) {
        mq_grad_refuse(k, "it has no equation");
        return;
    }
    if (k->rc == MQ_OK)
        k->rc = mq_einsum_parse(k->g->model->arena, equation->s, &e, k->err);
    if (k->rc != MQ_OK)
        return;
    if (e.n_in != k->n->n_inputs)
        mq_grad_refuse(k, "its equation does not have a term for each input");
    for (size_t i = 0; i < k->n->n_inputs && k->rc == MQ_OK; i++)
        if (!plain(&e.in[i]) || !plain(&e.out) || (mq_grad_wants(k, i) && !reachable(&e, i)))
            mq_grad_refuse(k, "its equation has an ellipsis, a letter twice in one term, or one that one input alone has");
    for (size_t i = 0; i < k->n->n_inputs && k->rc == MQ_OK; i++)
        if (mq_grad_wants(k, i))
            mq_grad_give(k, i, backwards(k, &e, i));
}

const mq_grad_rule mq_grad_rules_einsum[] = {
    { "", "Einsum", einsum },
    { 0 },
};
