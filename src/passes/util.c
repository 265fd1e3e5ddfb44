/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What passes share. */
#include <stdlib.h>
#include <string.h>

#include "passes/pass.h"

#define DROP_DEPTH 64 /* what dies further up is left to mq_graph_drop_dead */

mq_node *mq_only_reader(const mq_value *v)
{
    return v && v->uses.n == 1 && !v->n_output_uses ? v->uses.items[0].node : NULL;
}

mq_tensor *mq_constant_input(const mq_node *n, size_t i)
{
    return i < n->n_inputs && n->inputs[i] ? mq_value_constant(n->inputs[i], false) : NULL;
}

mq_dtype mq_value_dtype(const mq_value *v)
{
    const mq_tensor *t = v ? mq_value_constant(v, false) : NULL;

    if (t)
        return t->dtype;
    return v && v->type && v->type->kind == MQ_TYPE_TENSOR ? v->type->dtype : MQ_UNDEFINED;
}

int mq_value_rank(const mq_value *v)
{
    const mq_tensor *t = v ? mq_value_constant(v, false) : NULL;

    if (t)
        return t->n_dims;
    return v && v->type && v->type->kind == MQ_TYPE_TENSOR ? v->type->rank : -1;
}

static mq_type *type_of_tensor(mq_model *m, const mq_tensor *t)
{
    mq_dim *dims = mq_arena_calloc(m->arena, (size_t)t->n_dims, sizeof *dims);

    if (!dims)
        return NULL;
    for (int i = 0; i < t->n_dims; i++)
        dims[i] = MQ_DIM(t->dims[i]);
    return mq_type_create(m, MQ_TYPE_TENSOR, t->dtype, t->n_dims, dims);
}

mq_status mq_value_make_constant(mq_value *v, mq_tensor *t, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (v->producer)
        rc = mq_node_set_output(v->producer, v->producer_index, NULL, err);
    if (rc == MQ_OK)
        rc = mq_value_set_init(v, t, err);
    if (rc == MQ_OK && !(v->type = type_of_tensor(v->graph->model, t)))
        rc = mq_oom(err);
    return rc;
}

mq_status mq_constant_create(mq_graph *g, const char *base, mq_tensor *t, mq_value **out, mq_error *err)
{
    mq_value *v = mq_value_create_unique(g, base);
    mq_status rc = v ? mq_value_make_constant(v, t, err) : mq_oom(err);

    if (rc == MQ_OK)
        *out = v;
    return rc;
}

mq_status mq_value_bypass(mq_value *from, mq_value *to, bool *done, mq_error *err)
{
    *done = from->n_output_uses == 0;
    return *done ? mq_value_replace_uses(from, to, err) : MQ_OK;
}

/* With the initializers that it alone read; those that nobody ever read are the file's own affair. */
static void drop_with_constants(mq_node *n)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        mq_value *v = n->inputs[i];
        if (v && v->init && !v->is_input && mq_only_reader(v) == n)
            mq_value_clear_init(v);
    }
    mq_node_remove(n);
}

void mq_graph_drop_dead(mq_graph *g, size_t *n_dropped)
{
    size_t n = 0;

    for (mq_node *node = g->last, *prev; node; node = prev) {
        bool used = false;

        prev = node->prev;
        for (size_t i = 0; i < node->n_outputs && !used; i++)
            used = node->outputs[i] && !mq_value_unused(node->outputs[i]);
        if (!used) {
            drop_with_constants(node);
            n++;
        }
    }
    if (n_dropped)
        *n_dropped += n;
}

/* ---- making nodes -------------------------------------------------------------------------------------------------- */

mq_status mq_pass_insert_named(mq_node *at, const char *name, const char *domain, const char *op, const mq_node *like,
                               mq_value *const *in, size_t n_in, mq_node **out, mq_error *err)
{
    mq_graph *g = at->graph;
    mq_status rc = MQ_OK;
    mq_node *n;

    if (*domain && mq_opset_of(g, domain) == 0)
        MQ_TRY(mq_opset_set(g->model, domain, 1, err));
    if (!name || !(n = mq_node_create(g, at, domain, op, name)))
        return mq_oom(err);
    for (size_t i = 0; i < n_in; i++)
        MQ_TRY(mq_node_set_input(n, i, in[i], err));
    mq_node_trim_inputs(n);
    if (like && like->n_attrs) {
        if (!(n->attrs = mq_arena_memdup(g->model->arena, like->attrs, like->n_attrs * sizeof *n->attrs)))
            return mq_oom(err);
        n->n_attrs = like->n_attrs;
    }
    *out = n;
done:
    return rc;
}

mq_status mq_pass_insert(mq_node *at, const char *domain, const char *op, const mq_node *like, mq_value *const *in,
                         size_t n_in, mq_node **out, mq_error *err)
{
    const char *name = mq_unique_node_name(at->graph->model, mq_node_label(like ? like : at));

    return mq_pass_insert_named(at, name, domain, op, like, in, n_in, out, err);
}

static void drop(mq_node *n, int depth)
{
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] && !mq_value_unused(n->outputs[i]))
            return;
    mq_node_remove(n);
    for (size_t i = 0; i < n->n_inputs && depth < DROP_DEPTH; i++) {
        mq_node *p = n->inputs[i] ? n->inputs[i]->producer : NULL;

        if (p && p->graph)
            drop(p, depth + 1);
    }
}

void mq_pass_drop(mq_node *n)
{
    drop(n, 0);
}

mq_status mq_pass_take_over(mq_node *to, mq_node *from, mq_error *err)
{
    mq_value *v = from->outputs[0];
    mq_status rc = mq_node_set_output(from, 0, NULL, err);

    if (rc == MQ_OK)
        rc = mq_node_set_output(to, 0, v, err);
    if (rc == MQ_OK)
        mq_pass_drop(from);
    return rc;
}

mq_status mq_pass_give_output(mq_node *n, const mq_value *like, mq_value **out, mq_error *err)
{
    mq_value *v = mq_value_create_unique(n->graph, like->name);

    *out = v;
    return v ? mq_node_set_output(n, 0, v, err) : mq_oom(err);
}

mq_status mq_pass_renew_output(mq_node *n, mq_type *type, mq_error *err)
{
    mq_value *old = n->outputs[0], *v = mq_value_create_unique(n->graph, old->name);
    mq_status rc = v ? mq_node_set_output(n, 0, NULL, err) : mq_oom(err);

    if (rc == MQ_OK)
        rc = mq_value_replace_uses(old, v, err);
    if (rc == MQ_OK)
        rc = mq_node_set_output(n, 0, v, err);
    if (rc == MQ_OK)
        v->type = type;
    return rc;
}

/* ---- looking ------------------------------------------------------------------------------------------------------- */

mq_node **mq_pass_positions(mq_graph *g)
{
    mq_node **nodes = malloc((g->n_nodes + 1) * sizeof *nodes);
    size_t n = 0;

    for (mq_node *node = g->first; node && nodes; node = node->next) {
        node->tag = ++n;
        nodes[n] = node;
    }
    return nodes;
}

void mq_pass_keep_type(mq_value *v)
{
    v->declared = v->type;
}

mq_node *mq_pass_only_producer(const mq_value *v, const char *op)
{
    const mq_node *reader = v ? mq_only_reader(v) : NULL;

    /* not from a graph around the reader's: a loop would do it again each time */
    if (!reader || !v->producer || v->producer_index != 0 || v->producer->graph != reader->graph)
        return NULL;
    if (!v->producer->n_inputs || !v->producer->inputs[0])
        return NULL;
    return mq_node_is(v->producer, "", op) ? v->producer : NULL;
}

mq_node *mq_pass_producer(const mq_value *v, const char *op)
{
    if (!v || !v->producer || v->producer_index != 0 || !v->producer->n_inputs || !v->producer->inputs[0])
        return NULL;
    return mq_node_is(v->producer, "", op) ? v->producer : NULL;
}

int mq_pass_reduced_axis(const mq_node *n)
{
    const int rank = mq_value_rank(n->inputs[0]);
    size_t count;
    const int64_t *axes = mq_node_attr_ints(n, "axes", &count); /* an input in newer opsets */
    double axis = 0;

    if (!mq_node_attr_int(n, "keepdims", 1) || n->n_inputs > 2)
        return -1;
    if (n->n_inputs == 2 ? !n->inputs[1] || !mq_constant_number(n->inputs[1], &axis) : count != 1)
        return -1;
    axis = n->n_inputs == 2 ? axis : (double)axes[0];
    axis = axis < 0 ? axis + rank : axis;
    return axis >= 0 && axis < rank ? (int)axis : -1;
}

bool mq_pass_reduces_last(const mq_node *n)
{
    const int axis = mq_pass_reduced_axis(n);

    return axis >= 0 && axis == mq_value_rank(n->inputs[0]) - 1;
}

bool mq_constant_number(const mq_value *v, double *out)
{
    mq_tensor *t = v ? mq_value_constant(v, false) : NULL;
    const void *data;
    int64_t i;
    float f;

    if (!t || mq_tensor_count(t) != 1)
        return false;
    if (t->dtype == MQ_DOUBLE) {
        if (mq_tensor_bytes(t, &data, NULL) != MQ_OK)
            return false;
        memcpy(out, data, sizeof *out);
        return true;
    }
    if (t->dtype == MQ_INT64 || t->dtype == MQ_INT32) {
        if (mq_tensor_read_i64(t, 0, 1, &i, NULL) != MQ_OK)
            return false;
        *out = (double)i;
        return true;
    }
    if (mq_tensor_read_f32(t, 0, 1, &f, NULL) != MQ_OK)
        return false;
    *out = (double)f;
    return true;
}

float *mq_constant_floats(const mq_value *v, int64_t count)
{
    mq_tensor *t = v ? mq_value_constant(v, false) : NULL;
    float *out;

    if (!t || t->dtype != MQ_FLOAT || mq_tensor_count(t) != count)
        return NULL;
    if (!(out = mq_arena_calloc(v->graph->model->arena, (size_t)count + 1, sizeof *out)))
        return NULL;
    return mq_tensor_read_f32(t, 0, (uint64_t)count, out, NULL) == MQ_OK ? out : NULL;
}

mq_status mq_constant_of(mq_graph *g, const char *base, mq_dtype dtype, int rank, const int64_t *dims, const void *data,
                         mq_value **out, mq_error *err)
{
    mq_tensor *t = mq_tensor_create(g->model, base, dtype, rank, dims, data);

    return t ? mq_constant_create(g, base, t, out, err) : mq_oom(err);
}

mq_status mq_constant_of_heap(mq_graph *g, const char *base, mq_dtype dtype, int rank, const int64_t *dims, void *data,
                              mq_value **out, mq_error *err)
{
    mq_tensor *t = mq_tensor_create(g->model, base, dtype, rank, dims, NULL);
    const int64_t size = t ? mq_tensor_size(t) : -1;
    mq_buf *buf;
    mq_status rc;

    if (size < 0) {
        free(data);
        return mq_oom(err);
    }
    if ((rc = mq_buf_from_heap(&buf, data, (size_t)size, err)) != MQ_OK)
        return rc;
    t->storage = MQ_STORE_RAW;
    t->buf = buf;
    t->data = buf->data;
    t->n_bytes = (size_t)size;
    if ((rc = mq_model_keep_buf(g->model, buf, err)) == MQ_OK)
        rc = mq_constant_create(g, base, t, out, err);
    return rc;
}

mq_status mq_constant_take_name(mq_value *v, mq_value *from, mq_error *err)
{
    const char *name = from ? from->name : NULL, *other;
    mq_status rc;

    if (!from || v == from || from->graph != v->graph || from->init || from->producer || from->is_input ||
        !mq_value_unused(from) || from->duplicate)
        return MQ_OK;
    if (!(other = mq_unique_value_name(v->graph->model, name)))
        return mq_oom(err);
    rc = mq_value_rename(from, other, err);
    return rc == MQ_OK ? mq_value_rename(v, name, err) : rc;
}

mq_dim mq_value_dim(const mq_value *v, int i)
{
    const mq_tensor *t = v ? mq_value_constant(v, false) : NULL;
    const int rank = mq_value_rank(v);

    i = i < 0 ? i + rank : i;
    if (i < 0 || i >= rank)
        return MQ_DIM_UNKNOWN;
    return t ? MQ_DIM(t->dims[i]) : v->type->dims[i];
}

bool mq_same_shape(const mq_value *a, const mq_value *b)
{
    const int rank = mq_value_rank(a);

    if (rank < 0 || rank != mq_value_rank(b))
        return false;
    for (int i = 0; i < rank; i++)
        if (!mq_dim_equal(mq_value_dim(a, i), mq_value_dim(b, i)))
            return false;
    return true;
}

void mq_model_drop_unused(mq_model *m)
{
    for (size_t i = 0; i < m->graphs.n; i++)
        mq_graph_drop_unused_inits(m->graphs.items[i]);
}
