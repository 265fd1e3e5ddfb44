/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Layers that read the same vectors share their sums. */
#include "hessian/collect.h"

#include <stdlib.h>
#include <string.h>

static mq_shared_sums *find(const mq_collect *c, const mq_reduction *uses, size_t n)
{
    for (size_t i = 0; i < c->items.n && n == 1; i++) {
        mq_shared_sums *s = c->items.items[i];
        if (s->from.n == 1 && mq_reduction_same_vectors(&s->from.items[0], uses))
            return s;
    }
    return NULL;
}

static mq_status add_name(mq_collect *c, const mq_reduction *r, mq_error *err)
{
    const char *name = r->node->inputs[r->x]->name;

    for (size_t i = 0; i < c->names.n; i++)
        if (strcmp(c->names.items[i], name) == 0)
            return MQ_OK;
    return mq_vec_push(&c->names, name) ? MQ_OK : mq_oom(err);
}

static mq_status add_sums(mq_collect *c, const mq_reduction *uses, size_t n, bool diagonal, mq_shared_sums **out,
                          mq_error *err)
{
    mq_shared_sums *s = calloc(1, sizeof *s);
    mq_status rc = MQ_OK;

    if (!s || !mq_vec_push(&c->items, s)) {
        free(s);
        return mq_oom(err);
    }
    for (size_t i = 0; i < n; i++) {
        if (!mq_vec_push(&s->from, uses[i]))
            return mq_oom(err);
        MQ_TRY(add_name(c, &uses[i], err));
    }
    *out = s;
    rc = mq_gram_init(&s->gram, uses, diagonal, err);
done:
    return rc;
}

mq_status mq_collect_take(mq_collect *c, const mq_reduction *uses, size_t n, size_t layer, bool *taken, mq_error *err)
{
    const bool wide = mq_gram_bytes(uses, false) > c->budget;
    const uint64_t bytes = mq_gram_bytes(uses, wide);
    mq_shared_sums *s = find(c, uses, n);
    mq_status rc = MQ_OK;

    *taken = s || !c->items.n || bytes <= c->budget - c->used;
    if (!*taken)
        return MQ_OK;
    if (!s) {
        MQ_TRY(add_sums(c, uses, n, wide, &s, err));
        c->used = bytes < c->budget - c->used ? c->used + bytes : c->budget;
    }
    if (!mq_vec_push(&s->layers, layer))
        rc = mq_oom(err);
done:
    return rc;
}

mq_status mq_collect_add(mq_collect *c, const mq_value *value, const mq_array *array, int n_threads, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < c->items.n; i++) {
        mq_shared_sums *s = c->items.items[i];
        for (size_t k = 0; k < s->from.n; k++) {
            const mq_reduction *r = &s->from.items[k];
            if (strcmp(r->node->inputs[r->x]->name, value->name) == 0)
                MQ_TRY(mq_gram_add(&s->gram, r, array, n_threads, err));
        }
    }
done:
    return rc;
}

void mq_collect_clear(mq_collect *c)
{
    for (size_t i = 0; i < c->items.n; i++) {
        mq_shared_sums *s = c->items.items[i];
        mq_vec_release(&s->from);
        mq_vec_release(&s->layers);
        mq_gram_release(&s->gram);
        free(s);
    }
    c->items.n = c->names.n = 0;
    c->used = 0;
}

void mq_collect_release(mq_collect *c)
{
    mq_collect_clear(c);
    mq_vec_release(&c->items);
    mq_vec_release(&c->names);
}
