/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The nodes and tensors that patterns ask for, with all that is known of them; and the zeros of all weights. */
#include <inttypes.h>
#include <string.h>

#include "api/inspect_parts.h"
#include "api/tensor_stats.h"
#include "base/pattern.h"
#include "model/sparse.h"

/* ---- attributes as text ------------------------------------------------------------------------------------------- */

enum { LIST_MAX = 16, TEXT_MAX = 200 };

static void add_bytes(mq_str *s, const mq_bytes *b)
{
    mq_str_add(s, "\"");
    mq_str_add_n(s, b->n ? b->data : "", b->n < TEXT_MAX ? b->n : TEXT_MAX);
    mq_str_add(s, b->n < TEXT_MAX ? "\"" : "…\"");
}

static void add_item(mq_str *s, const mq_attr *a, size_t i)
{
    switch (a->type) {
    case MQ_ATTR_FLOATS: mq_str_addf(s, "%.6g", (double)a->floats[i]); break;
    case MQ_ATTR_INTS: mq_str_addf(s, "%" PRId64, a->ints[i]); break;
    case MQ_ATTR_STRINGS: add_bytes(s, &a->strings[i]); break;
    default: break;
    }
}

static void add_tensor(mq_inspect_ctx *c, mq_str *s, const mq_tensor *t)
{
    const char *shape = t ? mq_inspect_dims_text(c, t->dims, t->n_dims) : "";
    mq_str_addf(s, "tensor %s %s", t ? mq_dtype_name(t->dtype) : "?", shape ? shape : "");
}

static const char *attr_text(mq_inspect_ctx *c, const mq_attr *a)
{
    mq_str s = { 0 };

    if (a->ref) {
        mq_str_addf(&s, "attribute %s of the function", a->ref);
        return mq_inspect_keep(c, &s);
    }
    switch (a->type) {
    case MQ_ATTR_FLOAT: mq_str_addf(&s, "%.6g", (double)a->f); break;
    case MQ_ATTR_INT: mq_str_addf(&s, "%" PRId64, a->i); break;
    case MQ_ATTR_STRING: add_bytes(&s, &a->s); break;
    case MQ_ATTR_TENSOR: add_tensor(c, &s, a->n ? a->tensors[0] : NULL); break;
    case MQ_ATTR_GRAPH:
        mq_str_addf(&s, "graph of %zu nodes", a->n && a->graphs[0] ? a->graphs[0]->n_nodes : 0);
        break;
    case MQ_ATTR_FLOATS:
    case MQ_ATTR_INTS:
    case MQ_ATTR_STRINGS:
        for (size_t i = 0; i < a->n && i < LIST_MAX; i++) {
            mq_str_add(&s, i ? ", " : "[");
            add_item(&s, a, i);
        }
        mq_str_add(&s, a->n > LIST_MAX ? ", …]" : a->n ? "]" : "[]");
        break;
    default: mq_str_addf(&s, "%zu items", a->n); break;
    }
    return mq_inspect_keep(c, &s);
}

/* ---- nodes -------------------------------------------------------------------------------------------------------- */

/* "" for the main graph, "function Gelu", "then_branch of if1 (If)". */
static const char *graph_text(mq_inspect_ctx *c, const mq_graph *g)
{
    const mq_node *n = g->owner;
    const char *attr = "graph", *node;

    if (!n)
        return g->function ? mq_arena_printf(c->arena, "function %s", g->function->name) : "";
    for (size_t i = 0; i < n->n_attrs; i++)
        for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n; k++)
            if (n->attrs[i]->graphs[k] == g)
                attr = n->attrs[i]->name;
    node = mq_inspect_node_text(c, n);
    return node ? mq_arena_printf(c->arena, "%s of %s", attr, node) : NULL;
}

static mq_status fill_list(mq_inspect_ctx *c, mq_value *const *values, size_t n, const mq_inspect_value **out,
                           size_t *n_out, mq_error *err)
{
    mq_inspect_value *list = mq_arena_calloc(c->arena, n, sizeof *list);
    mq_status rc = list ? MQ_OK : mq_oom(err);

    for (size_t i = 0; i < n && rc == MQ_OK; i++)
        rc = mq_inspect_value_of(c, values[i], values[i] ? values[i]->type : NULL, &list[i], err);
    *out = list;
    *n_out = n;
    return rc;
}

static mq_status describe_node(mq_inspect_ctx *c, const mq_node *n, mq_inspect_node *out, mq_error *err)
{
    mq_inspect_pair *attrs = mq_arena_calloc(c->arena, n->n_attrs, sizeof *attrs);
    mq_status rc = MQ_OK;

    *out = (mq_inspect_node){ .name = mq_node_label(n), .op_type = mq_inspect_op_text(c, n),
                              .graph = graph_text(c, n->graph), .macs = mq_inspect_node_macs(c, n) };
    if (!attrs || !out->op_type || !out->graph)
        return mq_oom(err);
    MQ_TRY(fill_list(c, n->inputs, n->n_inputs, &out->inputs, &out->n_inputs, err));
    MQ_TRY(fill_list(c, n->outputs, n->n_outputs, &out->outputs, &out->n_outputs, err));
    for (size_t i = 0; i < n->n_attrs; i++) {
        attrs[i] = (mq_inspect_pair){ n->attrs[i]->name, attr_text(c, n->attrs[i]) };
        if (!attrs[i].value)
            return mq_oom(err);
    }
    out->attributes = attrs;
    out->n_attributes = n->n_attrs;
done:
    return rc;
}

/* Calls f for the nodes of all live graphs. */
typedef mq_status (*node_fn)(mq_inspect_ctx *c, mq_patterns *p, const mq_node *n, void *list, mq_error *err);

static mq_status each_node(mq_inspect_ctx *c, mq_patterns *p, node_fn f, void *list, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < c->model->graphs.n && rc == MQ_OK; i++) {
        const mq_graph *g = c->model->graphs.items[i];
        for (const mq_node *n = mq_graph_is_live(g) ? g->first : NULL; n && rc == MQ_OK; n = n->next)
            rc = f(c, p, n, list, err);
    }
    return rc;
}

static mq_status offer_node(mq_inspect_ctx *c, mq_patterns *p, const mq_node *n, void *list, mq_error *err)
{
    (void)c;
    (void)list;
    (void)err;
    mq_patterns_offer(p, mq_node_label(n));
    return MQ_OK;
}

typedef MQ_VEC(mq_inspect_node) node_vec;

static mq_status take_node(mq_inspect_ctx *c, mq_patterns *p, const mq_node *n, void *list, mq_error *err)
{
    node_vec *nodes = list;
    mq_inspect_node one;
    mq_status rc;

    if (!mq_patterns_match(p, mq_node_label(n)))
        return MQ_OK;
    if ((rc = describe_node(c, n, &one, err)) != MQ_OK)
        return rc;
    return mq_vec_push_in(c->arena, nodes, one) ? MQ_OK : mq_oom(err);
}

mq_status mq_inspect_node_list(mq_inspect_ctx *c, mq_error *err)
{
    node_vec nodes = { 0 };
    mq_patterns *p = NULL;
    mq_status rc;

    if (c->opts->n_nodes == 0)
        return MQ_OK;
    MQ_TRY(mq_patterns_create(&p, "--nodes", c->opts->nodes, c->opts->n_nodes, err));
    MQ_TRY(each_node(c, p, offer_node, NULL, err));
    MQ_TRY(each_node(c, p, take_node, &nodes, err));
    MQ_TRY(mq_patterns_check_used(p, err));
    c->out->node_list = nodes.items;
    c->out->n_node_list = nodes.n;
done:
    mq_patterns_free(p);
    return rc;
}

/* ---- tensors ------------------------------------------------------------------------------------------------------ */

typedef MQ_VEC(mq_inspect_tensor) tensor_vec;

/* The weight behind a value, dense or the values of a sparse one; a Constant's tensor too. */
static mq_tensor *weight_of(const mq_value *v)
{
    return v->init ? v->init : v->sparse ? v->sparse->values : v->producer ? mq_value_constant(v, true) : NULL;
}

static const char *place_of(mq_inspect_ctx *c, const mq_value *v, bool is_weight)
{
    const mq_node *n = is_weight ? v->uses.n ? v->uses.items[0].node : NULL : v->producer;
    const char *node = n ? mq_inspect_node_text(c, n) : NULL;

    if (n && !node)
        return NULL;
    if (n)
        return mq_arena_printf(c->arena, "%s%s of %s", v->sparse ? "sparse " : "", is_weight ? "weight" : "output", node);
    return is_weight ? "weight" : v->is_input ? "input" : "";
}

/* Why there are no statistics is a fact; only running out of memory and cancelling are failures. */
static mq_status measure(mq_inspect_ctx *c, mq_tensor *t, mq_inspect_tensor *out, mq_error *err)
{
    mq_error why = { 0 };
    mq_status rc = mq_tensor_measure(t, &out->stats, c->hooks, &why);

    out->has_stats = rc == MQ_OK;
    if (rc == MQ_ERR_NOMEM || rc == MQ_ERR_CANCELLED)
        return mq_fail(err, rc, "%s", why.text);
    if (rc != MQ_OK && !(out->why = mq_arena_strdup(c->arena, why.text)))
        return mq_oom(err);
    return MQ_OK;
}

static mq_status describe_weight(mq_inspect_ctx *c, const mq_value *v, mq_tensor *t, mq_inspect_tensor *out,
                                 mq_error *err)
{
    int64_t n = mq_tensor_count(t), bytes = mq_tensor_size(t);
    mq_status rc = MQ_OK;

    *out = (mq_inspect_tensor){ .name = v->name, .type = mq_dtype_name(t->dtype), .is_weight = true, .why = "",
                                .shape = mq_inspect_dims_text(c, t->dims, t->n_dims), .place = place_of(c, v, true),
                                .structure = "", .elements = n < 0 ? 0 : (uint64_t)n,
                                .bytes = bytes < 0 ? 0 : (uint64_t)bytes };
    MQ_TRY(out->shape && out->place ? measure(c, t, out, err) : mq_oom(err));
    if (out->has_stats && out->stats.zeros)
        rc = mq_inspect_structure(c, v, t, &out->structure, err);
done:
    return rc;
}

/* A sparse weight is described as what it stands for, but for its bytes; one that is broken, by its values. */
static mq_status describe_sparse(mq_inspect_ctx *c, const mq_value *v, mq_inspect_tensor *out, mq_error *err)
{
    const mq_sparse *s = v->sparse;
    int64_t bytes = mq_tensor_size(s->values), indices = mq_tensor_size(s->indices);
    mq_tensor *t = s->values;
    mq_error ignored = { 0 };
    mq_status rc;

    (void)mq_sparse_dense(c->model, s, v->name, &t, &ignored);
    rc = describe_weight(c, v, t, out, err);
    if (bytes >= 0 && indices >= 0 && !__builtin_add_overflow(bytes, indices, &bytes))
        out->bytes = (uint64_t)bytes;
    return rc;
}

static mq_status describe_activation(mq_inspect_ctx *c, const mq_value *v, mq_inspect_tensor *out, mq_error *err)
{
    const mq_type *t = v->type ? v->type : v->declared;
    uint64_t n = 1, bytes = 0;
    bool known = t && t->kind == MQ_TYPE_TENSOR && t->rank >= 0;

    for (int i = 0; known && i < t->rank; i++)
        known = mq_dim_known(t->dims[i]) && !__builtin_mul_overflow(n, (uint64_t)t->dims[i].value, &n);
    known = known && mq_dtype_bytes(t->dtype, n, &bytes);
    *out = (mq_inspect_tensor){ .name = v->name, .type = mq_inspect_type_text(c, t), .shape = mq_inspect_shape_text(c, t),
                                .place = place_of(c, v, false), .elements = known ? n : 0, .bytes = known ? bytes : 0,
                                .why = "", .structure = "" };
    return out->type && out->shape && out->place ? MQ_OK : mq_oom(err);
}

/* The values that match: weights in the first round, the others in the second. */
static mq_status take_values(mq_inspect_ctx *c, mq_patterns *p, bool weights, tensor_vec *list, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < c->model->graphs.n; i++) {
        const mq_graph *g = c->model->graphs.items[i];
        for (size_t k = 0; mq_graph_is_live(g) && k < g->values.n; k++) {
            const mq_value *v = g->values.items[k];
            mq_tensor *t = weight_of(v);
            mq_inspect_tensor one;
            if ((t != NULL) != weights || !mq_patterns_match(p, v->name))
                continue;
            MQ_TRY(v->sparse ? describe_sparse(c, v, &one, err)
                   : t       ? describe_weight(c, v, t, &one, err)
                             : describe_activation(c, v, &one, err));
            if (!mq_vec_push_in(c->arena, list, one))
                MQ_TRY(mq_oom(err));
            mq_progress(c->hooks, "tensors", list->n, 0);
        }
    }
done:
    return rc;
}

mq_status mq_inspect_tensor_list(mq_inspect_ctx *c, mq_error *err)
{
    tensor_vec list = { 0 };
    mq_patterns *p = NULL;
    mq_status rc;

    if (c->opts->n_tensors == 0)
        return MQ_OK;
    MQ_TRY(mq_patterns_create(&p, "--tensors", c->opts->tensors, c->opts->n_tensors, err));
    for (size_t i = 0; i < c->model->graphs.n; i++) {
        const mq_graph *g = c->model->graphs.items[i];
        for (size_t k = 0; mq_graph_is_live(g) && k < g->values.n; k++)
            mq_patterns_offer(p, g->values.items[k]->name);
    }
    MQ_TRY(take_values(c, p, true, &list, err));
    MQ_TRY(take_values(c, p, false, &list, err));
    MQ_TRY(mq_patterns_check_used(p, err));
    c->out->tensor_list = list.items;
    c->out->n_tensor_list = list.n;
done:
    mq_patterns_free(p);
    return rc;
}

/* ---- zeros -------------------------------------------------------------------------------------------------------- */

static mq_status count_zeros(void *user, mq_tensor *t, const char *name, mq_error *err)
{
    mq_inspect_ctx *c = user;
    mq_error why = { 0 };
    uint64_t zeros = 0;
    mq_status rc;

    (void)name;
    if (!mq_dtype_has_zeros(t->dtype))
        return MQ_OK;
    rc = mq_tensor_count_zeros(t, &zeros, c->hooks, &why);
    if (rc == MQ_ERR_NOMEM || rc == MQ_ERR_CANCELLED)
        return mq_fail(err, rc, "%s", why.text);
    if (rc == MQ_OK) {
        c->out->zeros += zeros;
        c->out->zeros_of += (uint64_t)mq_tensor_count(t);
    } else {
        c->out->zeros_known = false;
    }
    return MQ_OK;
}

/* Of a sparse initializer: what it does not say is zero, and its indices are no weights. */
static mq_status correct_sparse(mq_inspect_ctx *c, const mq_sparse *s, mq_error *err)
{
    const mq_tensor shape = { .n_dims = s->n_dims, .dims = s->dims };
    const int64_t all = mq_tensor_count(&shape), said = mq_tensor_count(s->values);
    uint64_t zeros = 0;
    mq_status rc = MQ_OK;

    if (said < 0 || all < said || !mq_dtype_has_zeros(s->values->dtype) || s->indices->dtype != MQ_INT64)
        return MQ_OK;
    MQ_TRY(mq_tensor_count_zeros(s->indices, &zeros, c->hooks, err));
    c->out->zeros += (uint64_t)(all - said) - zeros;
    c->out->zeros_of += (uint64_t)(all - said) - (uint64_t)mq_tensor_count(s->indices);
done:
    return rc;
}

mq_status mq_inspect_zeros(mq_inspect_ctx *c, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (c->out->weight_bytes > c->opts->read_limit)
        return MQ_OK;
    for (size_t i = 0; i < c->out->n_files; i++)
        if (c->out->files[i].missing)
            return MQ_OK;
    c->out->zeros_known = true;
    MQ_TRY(mq_model_each_tensor(c->model, count_zeros, c, err));
    for (size_t i = 0; i < c->model->graphs.n && c->out->zeros_known; i++)
        for (size_t k = 0; k < c->model->graphs.items[i]->inits.n && c->out->zeros_known; k++)
            if (c->model->graphs.items[i]->inits.items[k]->sparse)
                MQ_TRY(correct_sparse(c, c->model->graphs.items[i]->inits.items[k]->sparse, err));
done:
    return rc;
}
