/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Layers that read the same vectors share their sums. */
#include "hessian/collect.h"

#include <stdlib.h>

static mq_shared_sums *find(const mq_collect *c, const mq_reduction *uses, size_t n)
{
    for (size_t i = 0; i < c->items.n && n == 1; i++) {
        mq_shared_sums *s = c->items.items[i];
        if (s->from.n == 1 && mq_reduction_same_vectors(&s->from.items[0], uses))
            return s;
    }
    return NULL;
}

static mq_status add_name(mq_collect *c, const char *name, mq_collect_readers **out, mq_error *err)
{
    mq_collect_readers *all = calloc(1, sizeof *all);

    if (!all || !mq_vec_push(&c->readers, all)) {
        free(all);
        return mq_oom(err);
    }
    *out = all;
    return mq_vec_push(&c->names, name) && mq_map_put(&c->by_name, name, all) ? MQ_OK : mq_oom(err);
}

static mq_status add_reader(mq_collect *c, mq_shared_sums *s, size_t use, mq_error *err)
{
    const mq_reduction *r = &s->from.items[use];
    const char *name = r->node->inputs[r->x]->name;
    mq_collect_readers *all = mq_map_get(&c->by_name, name);
    mq_status rc = MQ_OK;

    if (!all)
        MQ_TRY(add_name(c, name, &all, err));
    if (!mq_vec_push(&all->items, ((mq_collect_reader){ s, use })))
        rc = mq_oom(err);
done:
    return rc;
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
        MQ_TRY(add_reader(c, s, i, err));
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
    const mq_collect_readers *all = mq_map_get(&c->by_name, value->name);
    mq_error why = { MQ_OK, "" };

    for (size_t i = 0; all && i < all->items.n; i++) {
        const mq_collect_reader *reader = &all->items.items[i];
        mq_shared_sums *s = reader->sums;
        const mq_status rc = mq_gram_add(&s->gram, &s->from.items[reader->use], array, n_threads, &why);
        if (rc == MQ_ERR_INPUT)
            s->misfit = true;
        else if (rc != MQ_OK)
            return mq_fail(err, rc, "%s", why.text);
    }
    return MQ_OK;
}

bool mq_collect_sums_first_axis(const mq_collect *c, const mq_value *value, int rank)
{
    const mq_collect_readers *all = mq_map_get(&c->by_name, value->name);

    for (size_t i = 0; all && i < all->items.n; i++) {
        const mq_collect_reader *reader = &all->items.items[i];
        const mq_reduction *r = &reader->sums->from.items[reader->use];
        const int axis = r->axis < 0 ? r->axis + rank : r->axis;
        if (!r->windows && (rank == 1 || axis == 0))
            return true;
    }
    return false;
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
    for (size_t i = 0; i < c->readers.n; i++) {
        mq_vec_release(&c->readers.items[i]->items);
        free(c->readers.items[i]);
    }
    mq_map_release(&c->by_name);
    c->items.n = c->names.n = c->readers.n = 0;
    c->used = 0;
}

void mq_collect_release(mq_collect *c)
{
    mq_collect_clear(c);
    mq_vec_release(&c->items);
    mq_vec_release(&c->names);
    mq_vec_release(&c->readers);
}
