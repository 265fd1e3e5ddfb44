/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "report/census.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/map.h"

bool mq_graph_is_live(const mq_graph *g)
{
    for (; g->owner; g = g->owner->graph)
        if (!g->owner->graph)
            return false;
    return true;
}

static mq_status visit_sparse(const mq_sparse *s, const char *name, mq_tensor_visit f, void *user, mq_error *err)
{
    mq_status rc = s->values ? f(user, s->values, name, err) : MQ_OK;
    return rc == MQ_OK && s->indices ? f(user, s->indices, name, err) : rc;
}

static const char *tensor_name(const mq_tensor *t, const mq_node *n)
{
    return *t->name ? t->name : n->n_outputs > 0 && n->outputs[0] ? n->outputs[0]->name : mq_node_label(n);
}

static mq_status visit_node(const mq_node *n, mq_tensor_visit f, void *user, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n->n_attrs; i++) {
        const mq_attr *a = n->attrs[i];
        for (size_t k = 0; a->tensors && k < a->n; k++)
            MQ_TRY(f(user, a->tensors[k], tensor_name(a->tensors[k], n), err));
        for (size_t k = 0; a->sparses && k < a->n; k++)
            MQ_TRY(visit_sparse(a->sparses[k], mq_node_label(n), f, user, err));
    }
done:
    return rc;
}

mq_status mq_model_each_tensor(const mq_model *m, mq_tensor_visit f, void *user, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < m->graphs.n; i++) {
        const mq_graph *g = m->graphs.items[i];
        if (!mq_graph_is_live(g))
            continue;
        for (size_t k = 0; k < g->inits.n; k++) {
            const mq_value *v = g->inits.items[k];
            if (v->init)
                MQ_TRY(f(user, v->init, v->name, err));
            if (v->sparse)
                MQ_TRY(visit_sparse(v->sparse, v->name, f, user, err));
        }
        for (const mq_node *n = g->first; n; n = n->next)
            MQ_TRY(visit_node(n, f, user, err));
    }
done:
    return rc;
}

static void add_to(uint64_t *sum, uint64_t n)
{
    if (__builtin_add_overflow(*sum, n, sum)) /* sizes that a broken file claims */
        *sum = UINT64_MAX;
}

static bool is_parameter(mq_dtype t)
{
    return mq_dtype_is_float(t) || (mq_dtype_is_integer(t) && mq_dtype_bits(t) <= 16);
}

static mq_status count_tensor(void *user, mq_tensor *t, const char *name, mq_error *err)
{
    mq_census *c = user;
    int64_t n = mq_tensor_count(t), bytes = mq_tensor_size(t);
    size_t type = t->dtype >= 0 && t->dtype < MQ_N_DTYPES ? t->dtype : MQ_UNDEFINED;

    (void)name;
    (void)err;
    n = n < 0 ? 0 : n;
    bytes = bytes < 0 ? 0 : bytes;
    c->n_tensors++;
    add_to(&c->bytes, (uint64_t)bytes);
    c->by_type[type].tensors++;
    add_to(&c->by_type[type].elements, (uint64_t)n);
    add_to(&c->by_type[type].bytes, (uint64_t)bytes);
    if (is_parameter(t->dtype))
        add_to(&c->parameters, (uint64_t)n);
    return MQ_OK;
}

/* Domain and operator in one key; the map holds the op's index plus one. */
static mq_status count_op(mq_census *c, mq_map *index, mq_arena *scratch, const mq_node *n, mq_error *err)
{
    const char *domain = mq_domain_norm(n->domain);
    char *key = mq_arena_printf(scratch, "%s %s", domain, n->op_type);
    size_t at = key ? (size_t)mq_map_get(index, key) : 0;

    if (at) {
        c->ops.items[at - 1].n++;
        return MQ_OK;
    }
    if (!key || !mq_vec_push(&c->ops, ((mq_census_op){ domain, n->op_type, 1 })) ||
        !mq_map_put(index, key, (void *)c->ops.n))
        return mq_oom(err);
    return MQ_OK;
}

static int by_count(const void *a, const void *b)
{
    const mq_census_op *x = a, *y = b;
    int d;

    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    d = strcmp(x->domain, y->domain);
    return d ? d : strcmp(x->op_type, y->op_type);
}

static mq_status count_nodes(mq_census *c, const mq_model *m, mq_error *err)
{
    mq_map index = { 0 };
    mq_arena *scratch = mq_arena_create();
    mq_status rc = scratch ? MQ_OK : mq_oom(err);

    for (size_t i = 0; rc == MQ_OK && i < m->graphs.n; i++) {
        const mq_graph *g = m->graphs.items[i];
        if (!mq_graph_is_live(g))
            continue;
        c->n_subgraphs += g->owner != NULL;
        c->n_nodes += g->n_nodes;
        for (const mq_node *n = g->first; n && rc == MQ_OK; n = n->next)
            rc = count_op(c, &index, scratch, n, err);
    }
    mq_map_release(&index);
    mq_arena_free(scratch);
    return rc;
}

mq_status mq_census_take(mq_census *c, const mq_model *m, mq_error *err)
{
    mq_status rc;

    *c = (mq_census){ 0 };
    MQ_TRY(count_nodes(c, m, err));
    MQ_TRY(mq_model_each_tensor(m, count_tensor, c, err));
    if (c->ops.n)
        qsort(c->ops.items, c->ops.n, sizeof *c->ops.items, by_count);
done:
    if (rc != MQ_OK)
        mq_census_release(c);
    return rc;
}

void mq_census_release(mq_census *c)
{
    mq_vec_release(&c->ops);
}
