/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Taking channels out: nodes first (attributes, shapes, starts and sizes that are written down), then constants, then what
 * is declared of tensors in between. */
#include <string.h>

#include "graph/channels_parts.h"

enum { GONE = 16 }; /* another flag of a root */

static bool is_gone(const mq_channels *c, const mq_value *v, int axis, uint32_t i)
{
    const uint32_t atom = mq_atoms_at(c, v, axis, i);

    return atom != MQ_NO_ATOM && c->flags[mq_atoms_root(c, atom)] & GONE;
}

/* How many of the first n indices stay. */
static uint32_t left_of(const mq_channels *c, const mq_value *v, int axis, uint32_t n)
{
    uint32_t left = 0;

    for (uint32_t i = 0; i < n; i++)
        left += !is_gone(c, v, axis, i);
    return left;
}

static uint32_t left(const mq_channels *c, const mq_value *v, int axis)
{
    return left_of(c, v, axis, mq_atoms_size(c, v, axis));
}

static bool loses(const mq_channels *c, const mq_value *v)
{
    for (int i = 0; i < mq_atoms_rank(c, v); i++)
        if (left(c, v, i) != mq_atoms_size(c, v, i))
            return true;
    return false;
}

/* ---- numbers that nodes are given ----------------------------------------------------------------------------------- */

static mq_status set_ints(mq_channels *c, mq_node *n, const char *attr, size_t index, const int64_t *list, size_t count,
                          mq_error *err)
{
    const int64_t dims[1] = { (int64_t)count };
    mq_tensor *t;
    mq_value *v;
    mq_status rc;

    if (mq_node_attr(n, attr) || index >= SIZE_MAX)
        return mq_node_set_attr_ints(n, attr, list, count, err);
    v = mq_value_create_unique(n->graph, index < n->n_inputs && n->inputs[index] ? n->inputs[index]->name : attr);
    t = v ? mq_tensor_create(c->model, v->name, MQ_INT64, 1, dims, list) : NULL;
    if (!t)
        return mq_oom(err);
    rc = mq_value_set_init(v, t, err);
    return rc == MQ_OK ? mq_node_set_input(n, index, v, err) : rc;
}

static const mq_dim *symbol(const mq_value *v, int axis)
{
    return v->type && v->type->kind == MQ_TYPE_TENSOR && axis < v->type->rank ? &v->type->dims[axis] : NULL;
}

/* A Reshape's target by its output's sizes: 0 copies a size that is not known, -1 may stand once. */
static bool target_by_sizes(const mq_channels *c, const mq_node *n, int64_t *out)
{
    const mq_value *x = n->inputs[0], *y = n->outputs[0];
    const bool zero = !mq_node_attr_int(n, "allowzero", 0);
    bool open = false;

    for (int i = 0; i < mq_atoms_rank(c, y); i++) {
        const mq_dim *a = symbol(x, i), *b = symbol(y, i);

        if (mq_atoms_size(c, y, i)) {
            out[i] = left(c, y, i);
        } else if (zero && a && b && !mq_dim_known(*a) && mq_dim_equal(*a, *b)) {
            out[i] = 0;
        } else if (!open) {
            out[i] = -1;
            open = true;
        } else {
            return false;
        }
    }
    return true;
}

enum { MAX_RANK = 64 };

/* Where the operator is told the shape of its output; SIZE_MAX: nowhere. */
static size_t target_input(const mq_node *n)
{
    if (mq_node_is(n, "", "Reshape") || mq_node_is(n, "", "Expand"))
        return 1;
    return mq_node_is(n, "", "Resize") && n->n_inputs > 3 && n->inputs[3] ? 3 : SIZE_MAX;
}

/* The target as it is written, with the sizes of the axes that lose something changed. */
static bool target_of(const mq_channels *c, const mq_node *n, size_t index, int64_t *out)
{
    const mq_value *y = n->outputs[0];
    const int rank = mq_atoms_rank(c, y);
    size_t count;
    const int64_t *list;

    if (rank < 0 || rank > MAX_RANK)
        return false;
    list = mq_channels_ints((mq_channels *)(uintptr_t)c, n, "shape", index, &count);
    if (!list || count != (size_t)rank)
        return mq_node_is(n, "", "Reshape") && target_by_sizes(c, n, out);
    for (int i = 0; i < rank; i++)
        out[i] = list[i] > 0 && left(c, y, i) != mq_atoms_size(c, y, i) ? left(c, y, i) : list[i];
    return true;
}

bool mq_channels_can_retarget(const mq_channels *c, const mq_node *n)
{
    const size_t index = target_input(n);
    int64_t list[MAX_RANK];

    return index == SIZE_MAX || target_of(c, n, index, list);
}

static mq_status retarget(mq_channels *c, mq_node *n, size_t index, mq_error *err)
{
    int64_t list[MAX_RANK];

    if (!loses(c, n->outputs[0]) && !loses(c, n->inputs[0]))
        return MQ_OK;
    if (!target_of(c, n, index, list))
        MQ_BUG("a target shape that could follow does not");
    return set_ints(c, n, "shape", index, list, (size_t)mq_atoms_rank(c, n->outputs[0]), err);
}

static mq_status resplit(mq_channels *c, mq_node *n, mq_error *err)
{
    const bool by_attr = mq_opset_of(n->graph, "") < 13;
    int64_t axis = mq_node_attr_int(n, "axis", 0), *sizes;

    if (!loses(c, n->inputs[0]))
        return MQ_OK;
    axis += axis < 0 ? mq_atoms_rank(c, n->inputs[0]) : 0;
    sizes = mq_arena_alloc(c->arena, (n->n_outputs + 1) * sizeof *sizes);
    if (!sizes)
        return mq_oom(err);
    for (size_t i = 0; i < n->n_outputs; i++) {
        if (!n->outputs[i])
            return MQ_OK; /* such an axis stays */
        sizes[i] = left(c, n->outputs[i], (int)axis);
    }
    mq_node_remove_attr(n, "num_outputs");
    return set_ints(c, n, "split", by_attr ? SIZE_MAX : 1, sizes, n->n_outputs, err);
}

static mq_status reslice(mq_channels *c, mq_node *n, mq_error *err)
{
    const mq_value *x = n->inputs[0], *y = n->outputs[0];
    const int rank = mq_atoms_rank(c, x);
    size_t n_starts, n_ends, n_axes;
    const int64_t *starts = mq_channels_ints(c, n, "starts", 1, &n_starts);
    const int64_t *ends = mq_channels_ints(c, n, "ends", 2, &n_ends);
    const int64_t *axes = mq_channels_ints(c, n, "axes", 3, &n_axes);
    int64_t from[MAX_RANK], to[MAX_RANK];
    mq_status rc = MQ_OK;

    if (!loses(c, x) || !starts || !ends || n_starts != n_ends || n_starts > MAX_RANK)
        return MQ_OK;
    for (size_t k = 0; k < n_starts; k++) {
        const int64_t axis = (axes ? axes[k] : (int64_t)k) + (axes && axes[k] < 0 ? rank : 0);
        const int64_t size = mq_atoms_size(c, x, (int)axis);
        const int64_t at = starts[k] < 0 ? starts[k] + size : starts[k];

        from[k] = starts[k];
        to[k] = ends[k];
        if (left(c, x, (int)axis) == size)
            continue;
        from[k] = left_of(c, x, (int)axis, (uint32_t)(at < 0 ? 0 : at > size ? size : at));
        to[k] = from[k] + left(c, y, (int)axis);
    }
    MQ_TRY(set_ints(c, n, "starts", 1, from, n_starts, err));
    MQ_TRY(set_ints(c, n, "ends", 2, to, n_starts, err));
done:
    return rc;
}

/* Depthwise and other whole groups. */
static mq_status regroup(mq_channels *c, mq_node *n, mq_error *err)
{
    const int64_t group = mq_node_attr_int(n, "group", 1);
    const int64_t size = mq_atoms_size(c, n->inputs[0], 1);

    if (group <= 1 || !size || !loses(c, n->inputs[0]) || !mq_channels_whole_groups(group, size / group))
        return MQ_OK;
    return mq_node_set_attr_int(n, "group", group * left(c, n->inputs[0], 1) / size, err);
}

static mq_status change_node(mq_channels *c, mq_node *n, mq_error *err)
{
    const size_t target = target_input(n);

    if (mq_atoms_rank(c, n->n_inputs ? n->inputs[0] : NULL) < 0)
        return MQ_OK;
    if (strcmp(n->op_type, "Attention") == 0 || strcmp(n->op_type, "MultiHeadAttention") == 0)
        return loses(c, n->outputs[0]) ?
                   mq_channels_reattend(c, n, left(c, n->outputs[0], mq_atoms_rank(c, n->outputs[0]) == 4 ? 1 : 2), err) :
                   MQ_OK;
    if (strcmp(n->op_type, "FusedConv") == 0)
        return regroup(c, n, err);
    if (*mq_domain_norm(n->domain))
        return MQ_OK;
    if (target != SIZE_MAX && n->n_inputs > target && n->n_outputs && n->outputs[0])
        return retarget(c, n, target, err);
    if (strcmp(n->op_type, "Split") == 0)
        return resplit(c, n, err);
    if (strcmp(n->op_type, "Slice") == 0)
        return reslice(c, n, err);
    if (strcmp(n->op_type, "Conv") == 0 || strcmp(n->op_type, "ConvTranspose") == 0)
        return regroup(c, n, err);
    if (mq_node_attr(n, "hidden_size") && n->n_inputs > 2 && n->inputs[2] && mq_atoms_size(c, n->inputs[2], 2))
        return mq_node_set_attr_int(n, "hidden_size", left(c, n->inputs[2], 2), err);
    return MQ_OK;
}

/* ---- constants ------------------------------------------------------------------------------------------------------ */

/* The indices of one axis that stay, out of `rows` rows. */
static char *take(const mq_channels *c, const mq_value *v, int axis, const char *from, uint64_t outer, uint64_t inner)
{
    const uint32_t n = mq_atoms_size(c, v, axis);
    char *data = malloc(outer * left(c, v, axis) * inner + 1), *to = data;

    for (uint64_t o = 0; data && o < outer; o++)
        for (uint32_t i = 0; i < n; i++) {
            if (is_gone(c, v, axis, i))
                continue;
            memcpy(to, from + (o * n + i) * inner, inner);
            to += inner;
        }
    return data;
}

/* All axes, one after the other; dims become what is left. */
static mq_status take_all(const mq_channels *c, const mq_value *v, mq_tensor *t, int64_t *dims, char **out, mq_error *err)
{
    const uint64_t elem = (uint64_t)mq_dtype_bits(t->dtype) / 8;
    const void *bytes;
    char *data = NULL;
    mq_status rc = mq_tensor_bytes(t, &bytes, err);

    for (int axis = 0; rc == MQ_OK && axis < t->n_dims; axis++) {
        uint64_t outer = 1, inner = elem;
        char *next;

        if (left(c, v, axis) == dims[axis])
            continue;
        for (int i = 0; i < t->n_dims; i++)
            *(i < axis ? &outer : &inner) *= i == axis ? 1 : (uint64_t)dims[i];
        next = take(c, v, axis, data ? data : bytes, outer, inner);
        free(data);
        data = next;
        dims[axis] = left(c, v, axis);
        if (!data)
            rc = mq_oom(err);
    }
    *out = data;
    return rc;
}

static mq_status cut_constant(mq_channels *c, mq_value *v, mq_tensor *t, mq_error *err)
{
    int64_t dims[MAX_RANK];
    mq_tensor *made;
    mq_buf *buf = NULL;
    char *data = NULL;
    mq_status rc = MQ_OK;

    if (t->n_dims > MAX_RANK || mq_tensor_count(t) < 0)
        return mq_fail(err, MQ_ERR_INPUT, "tensor '%s' has a shape that cannot be", v->name);
    memcpy(dims, t->dims, (size_t)t->n_dims * sizeof *dims);
    MQ_TRY(take_all(c, v, t, dims, &data, err));
    made = mq_tensor_create(c->model, v->name, t->dtype, t->n_dims, dims, NULL);
    if (!made) {
        rc = mq_oom(err);
        goto done;
    }
    rc = mq_buf_from_heap(&buf, data, (size_t)mq_tensor_size(made), err);
    data = NULL;
    if (rc != MQ_OK)
        goto done;
    made->storage = MQ_STORE_RAW;
    made->buf = buf;
    made->data = buf->data;
    made->n_bytes = (size_t)mq_tensor_size(made);
    MQ_TRY(mq_model_keep_buf(c->model, buf, err));
    if (v->producer)
        mq_node_remove(v->producer);
    rc = mq_value_set_init(v, made, err);
done:
    free(data);
    return rc;
}

static mq_status declare_left(mq_channels *c, mq_value *v, mq_error *err)
{
    const mq_type *d = v->declared;
    mq_dim dims[MAX_RANK];

    if (!d || d->kind != MQ_TYPE_TENSOR || d->rank != mq_atoms_rank(c, v) || d->rank > MAX_RANK)
        return MQ_OK;
    for (int i = 0; i < d->rank; i++)
        dims[i] = left(c, v, i) == mq_atoms_size(c, v, i) ? d->dims[i] : MQ_DIM(left(c, v, i));
    v->declared = mq_type_create(c->model, MQ_TYPE_TENSOR, d->dtype, d->rank, dims);
    v->redeclared = true;
    return v->declared ? MQ_OK : mq_oom(err);
}

/* ---- */

static mq_status mark_gone(mq_channels *c, const bool *const *keep, mq_error *err)
{
    for (size_t i = 0; i < c->groups.n; i++) {
        const mq_channel_group *g = &c->groups.items[i];
        bool any = !keep[i];

        for (size_t k = 0; k < g->n && !any; k++)
            any = keep[i][k];
        if (!any)
            return mq_fail(err, MQ_ERR_USAGE, "nothing is left of the %zu channels of '%s'", g->n, g->name);
        for (size_t a = 0; keep[i] && a < g->n_axes; a++)
            for (uint32_t k = 0; k < g->axes[a].n; k++) {
                const int32_t channel = g->axes[a].channel[k];

                if (channel >= 0 && !keep[i][channel])
                    c->flags[mq_atoms_root(c, mq_atoms_at(c, g->axes[a].value, g->axes[a].axis, k))] |= GONE;
            }
    }
    return MQ_OK;
}

mq_status mq_channels_shrink(mq_channels *c, const bool *const *keep, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < c->values.n; i++)
        c->values.items[i].value->tag = i + 1;
    MQ_TRY(mark_gone(c, keep, err));
    for (mq_node *n = c->model->graph ? c->model->graph->first : NULL; n; n = n->next)
        MQ_TRY(change_node(c, n, err));
    for (size_t i = 0; i < c->values.n; i++) {
        mq_value *v = c->values.items[i].value;
        mq_tensor *t = mq_value_constant(v, true);

        if (!loses(c, v))
            continue;
        if (t)
            MQ_TRY(cut_constant(c, v, t, err));
        MQ_TRY(declare_left(c, v, err));
    }
done:
    return rc;
}
