/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What version adapters share: looking at a node, making constants and nodes beside it. The rows are in adapt_*.c, the
 * walk over a model in opset.c. */
#include "ops/adapters.h"

#include <string.h>

/* ---- looking ------------------------------------------------------------------------------------------------------ */

mq_function *mq_graph_function(const mq_graph *g)
{
    while (g->parent)
        g = g->parent;
    return g->function;
}

mq_value *mq_adapt_input(const mq_node *n, size_t i)
{
    return i < n->n_inputs ? n->inputs[i] : NULL;
}

mq_value *mq_adapt_output(const mq_node *n, size_t i)
{
    return i < n->n_outputs ? n->outputs[i] : NULL;
}

const mq_type *mq_adapt_type(const mq_node *n, size_t i)
{
    const mq_value *v = mq_adapt_input(n, i);

    if (!v || !v->type || v->type->kind != MQ_TYPE_TENSOR || mq_graph_function(n->graph))
        return NULL;
    return v->type;
}

mq_dtype mq_adapt_dtype(const mq_node *n, size_t i)
{
    const mq_type *t = mq_adapt_type(n, i);
    return t ? t->dtype : MQ_UNDEFINED;
}

/* ---- checks ------------------------------------------------------------------------------------------------------- */

static mq_status refuse_ref(const mq_attr *a, mq_error *err)
{
    return mq_fail(err, MQ_ERR_UNSUPPORTED, "its attribute '%s' is set by the function's caller", a->name);
}

mq_status mq_adapt_check_plain(const mq_node *n, int to, mq_error *err)
{
    (void)to;
    for (size_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i]->ref)
            return refuse_ref(n->attrs[i], err);
    return MQ_OK;
}

static bool has_default(const mq_function *f, const char *attr)
{
    for (size_t i = 0; i < f->n_attr_protos; i++)
        if (strcmp(f->attr_protos[i]->name, attr) == 0)
            return true;
    return false;
}

/* Does every call of f give this attribute (or f a default)? */
static bool always_given(const mq_model *m, const mq_function *f, const char *attr)
{
    if (has_default(f, attr))
        return true;
    for (size_t i = 0; i < m->graphs.n; i++)
        for (const mq_node *n = m->graphs.items[i]->first; n; n = n->next)
            if (mq_node_function(n) == f && !mq_node_attr(n, attr))
                return false;
    return true;
}

mq_status mq_adapt_check_lists(const mq_node *n, int to, mq_error *err)
{
    const mq_function *f = mq_graph_function(n->graph);

    (void)to;
    for (size_t i = 0; f && i < n->n_attrs; i++) {
        const mq_attr *a = n->attrs[i];
        bool list = strcmp(a->name, "axes") == 0 || strcmp(a->name, "split") == 0;
        if (a->ref && list && !always_given(n->graph->model, f, a->ref))
            return refuse_ref(a, err);
    }
    return MQ_OK;
}

mq_status mq_adapt_check_dtype(const mq_node *n, mq_error *err)
{
    const mq_value *v = mq_adapt_input(n, 0);

    if (mq_adapt_dtype(n, 0) != MQ_UNDEFINED)
        return MQ_OK;
    return mq_fail(err, MQ_ERR_UNSUPPORTED, "the element type of its input '%s' is not known", v ? v->name : "");
}

mq_status mq_adapt_check_no_integers(const mq_node *n, int to, mq_error *err)
{
    mq_dtype t = mq_adapt_dtype(n, 0);

    if (mq_dtype_is_integer(t))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "from opset %d on it takes no %s", to, mq_dtype_name(t));
    return MQ_OK;
}

/* ---- constants ---------------------------------------------------------------------------------------------------- */

/* A new value of n's graph: "LABEL_WHAT". */
static mq_status new_value(const mq_node *n, const char *what, mq_value **out, mq_error *err)
{
    const char *base = mq_arena_printf(n->graph->model->arena, "%s_%s", mq_node_label(n), what);

    *out = base ? mq_value_create_unique(n->graph, base) : NULL;
    return *out ? MQ_OK : mq_oom(err);
}

static mq_status new_node(mq_graph *g, mq_node *before, const char *op_type, const char *base, mq_node **out,
                          mq_error *err)
{
    const char *name = mq_unique_node_name(g->model, base);

    *out = name ? mq_node_create(g, before, "", op_type, name) : NULL;
    return *out ? MQ_OK : mq_oom(err);
}

/* Type and, for short lists of int64, contents of a constant: adapters of later versions look at them. */
static mq_status describe(mq_value *v, const mq_tensor *t, mq_error *err)
{
    mq_arena *a = t->model->arena;
    mq_type *type = mq_type_create(t->model, MQ_TYPE_TENSOR, t->dtype, -1, NULL);

    if (!type || !(type->dims = mq_arena_calloc(a, (size_t)t->n_dims, sizeof *type->dims)))
        return mq_oom(err);
    type->rank = t->n_dims;
    for (int i = 0; i < t->n_dims; i++)
        type->dims[i] = MQ_DIM(t->dims[i]);
    v->type = type;
    if (t->dtype != MQ_INT64 || t->n_dims > 1)
        return MQ_OK;
    v->n_known = (size_t)mq_tensor_count(t);
    if (!(v->known = mq_arena_calloc(a, v->n_known, sizeof *v->known)))
        return mq_oom(err);
    for (size_t i = 0; i < v->n_known; i++)
        v->known[i] = MQ_DIM(((const int64_t *)t->data)[i]);
    return MQ_OK;
}

/* In the body of a function itself there are no initializers; its subgraphs may have them. */
static bool needs_constant_node(const mq_graph *g)
{
    return g->function && !g->parent;
}

/* An equal constant that an adapter has made before in this graph: hundreds of nodes want the same few axes. */
static mq_value *find_made(const mq_graph *g, mq_dtype dtype, int rank, const int64_t *dims, const void *data)
{
    for (size_t i = g->inits.n; i-- > 0;) {
        const mq_tensor *t = g->inits.items[i]->init;
        if (!t || t->origin)
            return NULL; /* what was read comes first */
        if (t->dtype == dtype && t->n_dims == rank && t->storage == MQ_STORE_RAW &&
            (rank == 0 || memcmp(t->dims, dims, (size_t)rank * sizeof *dims) == 0) &&
            memcmp(t->data, data, t->n_bytes) == 0)
            return g->inits.items[i];
    }
    return NULL;
}

mq_status mq_adapt_const(mq_node *n, const char *what, mq_dtype dtype, int rank, const int64_t *dims, const void *data,
                         mq_value **out, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_value *v = NULL;
    mq_tensor *t;
    mq_node *c;

    if (!needs_constant_node(n->graph) && (*out = find_made(n->graph, dtype, rank, dims, data)))
        return MQ_OK;
    if (!(v = mq_value_create_unique(n->graph, what))) /* shared by many: not named after this node */
        return mq_oom(err);
    if (!(t = mq_tensor_create(n->graph->model, v->name, dtype, rank, dims, data)))
        return mq_oom(err);
    MQ_TRY(describe(v, t, err));
    if (needs_constant_node(n->graph)) {
        MQ_TRY(new_node(n->graph, n, "Constant", v->name, &c, err));
        MQ_TRY(mq_node_set_attr_tensor(c, "value", t, err));
        MQ_TRY(mq_node_set_output(c, 0, v, err));
    } else {
        MQ_TRY(mq_value_set_init(v, t, err));
    }
    *out = v;
done:
    return rc;
}

mq_status mq_adapt_ints(mq_node *n, const char *what, const int64_t *v, size_t count, mq_value **out, mq_error *err)
{
    static const int64_t none = 0;
    int64_t dims = (int64_t)count;

    return mq_adapt_const(n, what, MQ_INT64, 1, &dims, count ? v : &none, out, err);
}

mq_status mq_adapt_scalar(mq_node *n, const char *what, mq_dtype dtype, float v, mq_value **out, mq_error *err)
{
    double d = v;
    uint16_t half = dtype == MQ_BFLOAT16 ? mq_bf16_from_f32(v) : mq_f16_from_f32(v);
    const void *data = dtype == MQ_FLOAT ? (const void *)&v : dtype == MQ_DOUBLE ? (const void *)&d : &half;

    if (dtype != MQ_FLOAT && dtype != MQ_DOUBLE && dtype != MQ_FLOAT16 && dtype != MQ_BFLOAT16)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its input is of type %s, which its older version does not take",
                       mq_dtype_name(dtype));
    return mq_adapt_const(n, what, dtype, 0, NULL, data, out, err);
}

/* A Constant before n whose list the function's caller gives. */
static mq_status constant_of_ref(mq_node *n, const mq_attr *a, mq_value **out, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_node *c = NULL;
    int64_t none = 0;

    MQ_TRY(mq_adapt_before(n, "Constant", a->name, 0, NULL, out, &c, err));
    MQ_TRY(mq_node_set_attr_ints(c, "value_ints", &none, 0, err));
    mq_node_attr(c, "value_ints")->ref = a->ref;
done:
    return rc;
}

mq_status mq_adapt_list_to_input(mq_node *n, const char *attr, size_t index, mq_error *err)
{
    const mq_attr *a = mq_node_attr(n, attr);
    mq_value *v = NULL;
    mq_status rc = MQ_OK;

    if (!a || (a->type != MQ_ATTR_INTS && !a->ref))
        return MQ_OK;
    if (a->ref)
        MQ_TRY(constant_of_ref(n, a, &v, err));
    else
        MQ_TRY(mq_adapt_ints(n, attr, a->ints, a->n, &v, err));
    MQ_TRY(mq_node_set_input(n, index, v, err));
    mq_node_remove_attr(n, attr);
done:
    return rc;
}

/* ---- nodes -------------------------------------------------------------------------------------------------------- */

mq_status mq_adapt_before(mq_node *n, const char *op_type, const char *what, size_t n_in, mq_value *const *in,
                          mq_value **out, mq_node **node, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_value *v = NULL;
    mq_node *made = NULL;

    MQ_TRY(new_value(n, what, &v, err));
    MQ_TRY(new_node(n->graph, n, op_type, v->name, &made, err));
    for (size_t i = 0; i < n_in; i++)
        MQ_TRY(mq_node_set_input(made, i, in[i], err));
    MQ_TRY(mq_node_set_output(made, 0, v, err));
    *out = v;
    if (node)
        *node = made;
done:
    return rc;
}

mq_status mq_adapt_after(mq_node *n, size_t i, const char *op_type, mq_node **node, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_value *was = n->outputs[i], *v = NULL;

    MQ_TRY(new_value(n, "raw", &v, err));
    MQ_TRY(new_node(n->graph, n->next, op_type, mq_node_label(n), node, err));
    MQ_TRY(mq_node_set_output(n, i, v, err));
    MQ_TRY(mq_node_set_input(*node, 0, v, err));
    MQ_TRY(mq_node_set_output(*node, 0, was, err));
done:
    return rc;
}

/* The shape of x as a list with one -1 at most; false when more sizes are unknown or one is 0. */
static bool fixed_shape(const mq_node *n, const mq_value *x, int64_t *dims, size_t room, size_t *count)
{
    const mq_type *t = x->type && x->type->kind == MQ_TYPE_TENSOR && !mq_graph_function(n->graph) ? x->type : NULL;
    int unknown = 0;

    if (!t || t->rank < 0 || (size_t)t->rank > room)
        return false;
    for (int i = 0; i < t->rank; i++) {
        dims[i] = mq_dim_known(t->dims[i]) ? t->dims[i].value : -1;
        unknown += dims[i] < 0;
        if (dims[i] == 0)
            return false;
    }
    *count = (size_t)t->rank;
    return unknown <= 1;
}

mq_status mq_adapt_restore_shape(mq_node *n, mq_value *x, mq_error *err)
{
    mq_status rc = MQ_OK;
    int64_t dims[16];
    size_t count = 0;
    mq_value *shape = NULL;
    mq_node *reshape = NULL;

    if (fixed_shape(n, x, dims, sizeof dims / sizeof *dims, &count))
        MQ_TRY(mq_adapt_ints(n, "shape", dims, count, &shape, err));
    else
        MQ_TRY(mq_adapt_before(n, "Shape", "shape", 1, &x, &shape, NULL, err));
    MQ_TRY(mq_adapt_after(n, 0, "Reshape", &reshape, err));
    MQ_TRY(mq_node_set_input(reshape, 1, shape, err));
done:
    return rc;
}

mq_status mq_adapt_rename(mq_node *n, const char *op_type, mq_error *err)
{
    const char *copy = mq_arena_strdup(n->graph->model->arena, op_type);

    if (!copy)
        return mq_oom(err);
    n->op_type = copy;
    return MQ_OK;
}

mq_status mq_adapt_drop_input(mq_node *n, size_t i, mq_error *err)
{
    mq_value *v = mq_adapt_input(n, i);
    mq_status rc;

    if (!v)
        return MQ_OK;
    rc = mq_node_set_input(n, i, NULL, err);
    if (rc == MQ_OK && v->init && !v->is_input && mq_value_unused(v))
        mq_value_clear_init(v);
    return rc;
}

mq_status mq_adapt_drop_outputs(mq_node *n, size_t first, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = first; i < n->n_outputs; i++)
        MQ_TRY(mq_node_set_output(n, i, NULL, err));
    if (n->n_outputs > first)
        n->n_outputs = first;
done:
    return rc;
}
