/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fold-shapes: shapes that are computed while the model runs, although type inference knows them, become constants.
 *   Reshape to [batch, seq, 12, 32] where the input has batch and seq in the same places  =>  Reshape to [0, 0, 12, 32];
 *       one size that is not known there becomes -1
 *   Expand: a size that the input has already becomes 1
 *   Slice up to the end of an axis: its ends become the largest number
 * Skipped when more than one size stays unknown, when a size is 0, and for zeros where Reshape has allowzero.
 * Numerics: exact. */
#include "ops/ops.h"
#include "passes/pass.h"

#define MAX_RANK 16

/* What type inference knows of element i of input k; MQ_ELEM_UNKNOWN: nothing. */
static mq_dim element(const mq_node *n, size_t k, int i)
{
    const mq_value *v = n->inputs[k];

    return v->known && (size_t)i < v->n_known ? v->known[i] : MQ_ELEM_UNKNOWN;
}

static bool same_symbol(mq_dim a, mq_dim b)
{
    return a.symbol && !mq_dim_known(b) && mq_dim_equal((mq_dim){ .value = -1, .symbol = a.symbol }, b);
}

/* Input k computes its contents: it is there, and no constant. */
static bool is_computed(const mq_node *n, size_t k)
{
    return k < n->n_inputs && n->inputs[k] && !mq_value_constant(n->inputs[k], true) && n->inputs[k]->producer;
}

static mq_status set_constant(mq_node *n, size_t k, int64_t count, const int64_t *x, size_t *n_changed, mq_error *err)
{
    mq_node *maker = n->inputs[k]->producer;
    mq_value *c = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_constant_of(n->graph, n->inputs[k]->name, MQ_INT64, 1, &count, x, &c, err));
    MQ_TRY(mq_node_set_input(n, k, c, err));
    if (maker->graph == n->graph)
        mq_pass_drop(maker);
    ++*n_changed;
done:
    return rc;
}

/* ---- Reshape ------------------------------------------------------------------------------------------------------- */

/* Element i of the constant shape; false: it cannot be said. */
static bool reshape_element(const mq_node *n, int i, int64_t *out)
{
    const mq_dim e = element(n, 1, i), d = mq_value_dim(n->outputs[0], i);
    const mq_dim same = i < mq_value_rank(n->inputs[0]) ? mq_value_dim(n->inputs[0], i) : MQ_DIM_UNKNOWN;
    const bool zero_copies = !mq_node_attr_int(n, "allowzero", 0);

    if (mq_elem_known(e) && e.value >= 0) {
        *out = e.value;
        return e.value > 0 || zero_copies;
    }
    *out = d.value;
    if (mq_dim_known(d))
        return d.value > 0;
    *out = zero_copies && (same_symbol(e, same) || same_symbol(d, same)) ? 0 : -1;
    return true;
}

static mq_status fold_reshape(mq_node *n, size_t *n_changed, mq_error *err)
{
    const int rank = mq_value_rank(n->outputs[0]);
    int64_t shape[MAX_RANK];
    int n_open = 0;

    if (!is_computed(n, 1) || !n->inputs[0] || rank < 0 || rank > MAX_RANK)
        return MQ_OK;
    for (int i = 0; i < rank; i++) {
        if (!reshape_element(n, i, &shape[i]))
            return MQ_OK;
        n_open += shape[i] == -1;
    }
    return n_open > 1 ? MQ_OK : set_constant(n, 1, rank, shape, n_changed, err);
}

/* ---- Expand -------------------------------------------------------------------------------------------------------- */

static mq_status fold_expand(mq_node *n, size_t *n_changed, mq_error *err)
{
    const int rank = mq_value_rank(n->outputs[0]), have = mq_value_rank(n->inputs[0]);
    int64_t shape[MAX_RANK];

    if (!is_computed(n, 1) || rank < 0 || rank > MAX_RANK || have < 0 || have > rank)
        return MQ_OK;
    for (int i = 0; i < rank; i++) {
        const mq_dim e = element(n, 1, i), out = mq_value_dim(n->outputs[0], i);
        const mq_dim in = i >= rank - have ? mq_value_dim(n->inputs[0], i - (rank - have)) : MQ_DIM_UNKNOWN;

        if (mq_elem_known(e) && e.value > 0)
            shape[i] = e.value;
        else if (same_symbol(e, in) || (out.symbol && same_symbol(out, in)))
            shape[i] = 1;
        else
            return MQ_OK;
    }
    return set_constant(n, 1, rank, shape, n_changed, err);
}

/* ---- Slice --------------------------------------------------------------------------------------------------------- */

/* The axis that element i of ends belongs to; -1: not known. */
static int slice_axis(const mq_node *n, int i)
{
    mq_tensor *t = n->n_inputs > 3 && n->inputs[3] ? mq_constant_input(n, 3) : NULL;
    const int rank = mq_value_rank(n->inputs[0]);
    int64_t axis = i;

    if (n->n_inputs > 3 && n->inputs[3] && (!t || mq_tensor_read_i64(t, (uint64_t)i, 1, &axis, NULL) != MQ_OK))
        return -1;
    axis += axis < 0 ? rank : 0;
    return axis < 0 || axis >= rank ? -1 : (int)axis;
}

static bool steps_forward(const mq_node *n, int64_t count)
{
    mq_tensor *t = n->n_inputs > 4 && n->inputs[4] ? mq_constant_input(n, 4) : NULL;
    int64_t step;

    if (n->n_inputs <= 4 || !n->inputs[4])
        return true;
    for (int64_t i = 0; i < count; i++)
        if (!t || mq_tensor_count(t) != count || mq_tensor_read_i64(t, (uint64_t)i, 1, &step, NULL) != MQ_OK || step <= 0)
            return false;
    return true;
}

static mq_status fold_slice(mq_node *n, size_t *n_changed, mq_error *err)
{
    const mq_dim count = n->n_inputs > 2 && n->inputs[2] ? mq_value_dim(n->inputs[2], 0) : MQ_DIM_UNKNOWN;
    const mq_tensor *axes = n->n_inputs > 3 && n->inputs[3] ? mq_constant_input(n, 3) : NULL;
    int64_t ends[MAX_RANK];

    if (!is_computed(n, 2) || !mq_dim_known(count) || count.value > MAX_RANK ||
        (axes && mq_tensor_count(axes) != count.value) || mq_value_dtype(n->inputs[2]) != MQ_INT64 ||
        !steps_forward(n, count.value))
        return MQ_OK;
    for (int i = 0; i < (int)count.value; i++) {
        const mq_dim e = element(n, 2, i);
        const int axis = slice_axis(n, i);

        if (mq_elem_known(e))
            ends[i] = e.value;
        else if (axis >= 0 && same_symbol(e, mq_value_dim(n->inputs[0], axis)))
            ends[i] = INT64_MAX;
        else
            return MQ_OK;
    }
    return set_constant(n, 2, count.value, ends, n_changed, err);
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    if (n->n_inputs < 2 || !n->inputs[0] || n->n_outputs != 1 || !n->outputs[0])
        return MQ_OK;
    if (mq_node_is(n, "", "Reshape"))
        return fold_reshape(n, n_changed, err);
    if (mq_node_is(n, "", "Expand"))
        return fold_expand(n, n_changed, err);
    return mq_node_is(n, "", "Slice") ? fold_slice(n, n_changed, err) : MQ_OK;
}

const mq_pass mq_pass_fold_shapes = {
    .name = "fold-shapes", .summary = "make constants of shapes that are known but for sizes of the input", .node = visit
};
