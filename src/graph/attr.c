/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Attributes of nodes, constants behind values, and types. */
#include <string.h>

#include "graph/graph.h"

mq_attr *mq_node_attr(const mq_node *n, const char *name)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i]->name, name) == 0)
            return n->attrs[i];
    return NULL;
}

/* The attribute when it is there with that type. */
static const mq_attr *typed(const mq_node *n, const char *name, mq_attr_type type)
{
    const mq_attr *a = mq_node_attr(n, name);
    return a && a->type == type && !a->ref ? a : NULL;
}

int64_t mq_node_attr_int(const mq_node *n, const char *name, int64_t absent)
{
    const mq_attr *a = typed(n, name, MQ_ATTR_INT);
    return a ? a->i : absent;
}

float mq_node_attr_float(const mq_node *n, const char *name, float absent)
{
    const mq_attr *a = typed(n, name, MQ_ATTR_FLOAT);
    return a ? a->f : absent;
}

bool mq_node_attr_is(const mq_node *n, const char *name, const char *text)
{
    const mq_attr *a = typed(n, name, MQ_ATTR_STRING);
    return a && a->s.n == strlen(text) && memcmp(a->s.data, text, a->s.n) == 0;
}

const int64_t *mq_node_attr_ints(const mq_node *n, const char *name, size_t *count)
{
    const mq_attr *a = typed(n, name, MQ_ATTR_INTS);
    *count = a ? a->n : 0;
    return a ? a->ints : NULL;
}

/* A fresh attribute in the place of one with that name, or appended. */
static mq_status replace_attr(mq_node *n, const char *name, mq_attr_type type, mq_attr **out, mq_error *err)
{
    mq_arena *arena = n->graph->model->arena;
    mq_attr *a = mq_arena_alloc(arena, sizeof *a), **list;

    if (!a || !(a->name = mq_arena_strdup(arena, name)))
        return mq_oom(err);
    a->type = type;
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i]->name, name) == 0) {
            n->attrs[i] = *out = a;
            return MQ_OK;
        }
    if (!(list = mq_arena_grow(arena, n->attrs, n->n_attrs, n->n_attrs + 1, sizeof *list)))
        return mq_oom(err);
    list[n->n_attrs++] = a;
    n->attrs = list;
    *out = a;
    return MQ_OK;
}

mq_status mq_node_set_attr_int(mq_node *n, const char *name, int64_t v, mq_error *err)
{
    mq_attr *a = NULL;
    mq_status rc = replace_attr(n, name, MQ_ATTR_INT, &a, err);

    if (rc == MQ_OK)
        a->i = v;
    return rc;
}

mq_status mq_node_set_attr_float(mq_node *n, const char *name, float v, mq_error *err)
{
    mq_attr *a = NULL;
    mq_status rc = replace_attr(n, name, MQ_ATTR_FLOAT, &a, err);

    if (rc == MQ_OK)
        a->f = v;
    return rc;
}

mq_status mq_node_set_attr_string(mq_node *n, const char *name, const char *v, mq_error *err)
{
    char *copy = mq_arena_strdup(n->graph->model->arena, v);
    mq_attr *a = NULL;
    mq_status rc = copy ? replace_attr(n, name, MQ_ATTR_STRING, &a, err) : mq_oom(err);

    if (rc == MQ_OK)
        a->s = (mq_bytes){ copy, strlen(copy) };
    return rc;
}

mq_status mq_node_set_attr_ints(mq_node *n, const char *name, const int64_t *v, size_t count, mq_error *err)
{
    const int64_t *copy = mq_arena_memdup(n->graph->model->arena, v, count * sizeof *v);
    mq_attr *a = NULL;
    mq_status rc = copy ? replace_attr(n, name, MQ_ATTR_INTS, &a, err) : mq_oom(err);

    if (rc == MQ_OK) {
        a->ints = copy;
        a->n = count;
    }
    return rc;
}

mq_status mq_node_set_attr_tensor(mq_node *n, const char *name, mq_tensor *v, mq_error *err)
{
    mq_arena *arena = n->graph->model->arena;
    mq_tensor **list = mq_arena_memdup(arena, &v, sizeof(mq_tensor *));
    mq_attr *a = NULL;
    mq_status rc = list ? replace_attr(n, name, MQ_ATTR_TENSOR, &a, err) : mq_oom(err);

    if (rc == MQ_OK) {
        a->tensors = list;
        a->n = 1;
    }
    return rc;
}

void mq_node_remove_attr(mq_node *n, const char *name)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i]->name, name) == 0) {
            memmove(&n->attrs[i], &n->attrs[i + 1], (n->n_attrs - i - 1) * sizeof(mq_attr *));
            n->n_attrs--;
            return;
        }
}

/* The tensor that a Constant's attribute of numbers stands for. */
static mq_tensor *tensor_of(const mq_value *v, const char *name, mq_attr_type type)
{
    const mq_attr *a = typed(v->producer, name, type);
    mq_model *m = v->graph->model;
    int64_t n = a ? (int64_t)a->n : 0;

    if (!a)
        return NULL;
    switch (type) {
    case MQ_ATTR_FLOAT: return mq_tensor_create(m, v->name, MQ_FLOAT, 0, NULL, &a->f);
    case MQ_ATTR_INT: return mq_tensor_create(m, v->name, MQ_INT64, 0, NULL, &a->i);
    case MQ_ATTR_FLOATS: return mq_tensor_create(m, v->name, MQ_FLOAT, 1, &n, a->floats);
    default: return mq_tensor_create(m, v->name, MQ_INT64, 1, &n, a->ints);
    }
}

mq_tensor *mq_value_constant(const mq_value *v, bool inputs_too)
{
    const mq_attr *a;
    mq_tensor *t;

    if (v->init)
        return v->is_input && !inputs_too ? NULL : v->init;
    if (!v->producer || !mq_node_is(v->producer, "", "Constant"))
        return NULL;
    a = typed(v->producer, "value", MQ_ATTR_TENSOR);
    if (a && a->n)
        return a->tensors[0];
    if ((t = tensor_of(v, "value_int", MQ_ATTR_INT)) || (t = tensor_of(v, "value_ints", MQ_ATTR_INTS)) ||
        (t = tensor_of(v, "value_float", MQ_ATTR_FLOAT)))
        return t;
    return tensor_of(v, "value_floats", MQ_ATTR_FLOATS);
}

mq_type *mq_type_create(mq_model *m, mq_type_kind kind, mq_dtype dtype, int rank, const mq_dim *dims)
{
    mq_type *t = mq_arena_alloc(m->arena, sizeof *t);

    if (!t)
        return NULL;
    t->kind = kind;
    t->dtype = dtype;
    t->rank = rank;
    if (rank >= 0 && !(t->dims = mq_arena_memdup(m->arena, dims, (size_t)rank * sizeof *dims)))
        return NULL;
    return t;
}

bool mq_dim_known(mq_dim d)
{
    return d.value >= 0;
}

bool mq_dim_equal(mq_dim a, mq_dim b)
{
    if (mq_dim_known(a) || mq_dim_known(b))
        return a.value == b.value;
    return a.symbol && b.symbol && strcmp(a.symbol, b.symbol) == 0;
}
