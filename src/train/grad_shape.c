/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of what moves whole axes about. */
#include "passes/pass.h"
#include "train/grad_families.h"

#define MAX_RANK 64

/* Flatten, Reshape, Squeeze, Unsqueeze */
static void reshape(mq_grad *k)
{
    mq_grad_give(k, 0, mq_grad_reshape(k, k->dy[0], mq_grad_in(k, 0)));
}

static void transpose(mq_grad *k)
{
    int64_t inverse[MAX_RANK] = { 0 };
    size_t n;
    const int64_t *perm = mq_node_attr_ints(k->n, "perm", &n);

    if (!perm) { /* all axes in reverse order: so is the way back */
        mq_grad_give(k, 0, mq_grad_op(k, "Transpose", k->dy[0]));
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (n > MAX_RANK || perm[i] < 0 || (size_t)perm[i] >= n) {
            mq_grad_refuse(k, "'perm' is no permutation");
            return;
        }
        inverse[perm[i]] = (int64_t)i;
    }
    mq_grad_give(k, 0, mq_grad_transpose(k, k->dy[0], inverse, n));
}

static void expand(mq_grad *k)
{
    mq_grad_give_summed(k, 0, k->dy[0]);
}

/* How long v is along an axis, as a list of one number: a constant where it is known. */
static mq_value *length(mq_grad *k, mq_value *v, int64_t axis)
{
    const int rank = mq_grad_rank(k, v);
    const int64_t known = mq_value_dim(v, (int)axis).value, at = axis < 0 ? axis + rank : axis;
    mq_node *n;

    if (k->rc != MQ_OK || known >= 0)
        return mq_grad_ints(k, &known, 1);
    n = mq_grad_make(k, "", "Shape", NULL, 1, v);
    mq_grad_set_int(k, n, "start", at);
    return mq_grad_set_int(k, n, "end", at + 1);
}

/* Split where Concat has joined. */
static void concat(mq_grad *k)
{
    const int64_t axis = mq_node_attr_int(k->n, "axis", 0);
    const size_t n = k->n->n_inputs;
    mq_value **sizes = mq_arena_calloc(k->g->model->arena, n + 1, sizeof(mq_value *)), *all;
    mq_node *parts;

    if (!sizes && k->rc == MQ_OK)
        k->rc = mq_oom(k->err);
    for (size_t i = 0; i < n && k->rc == MQ_OK; i++)
        sizes[i] = length(k, mq_grad_in(k, i), axis);
    parts = mq_grad_node(k, "", "Concat", NULL, sizes, n, 1);
    all = mq_grad_set_int(k, parts, "axis", 0);
    parts = mq_grad_make(k, "", "Split", NULL, n, k->dy[0], all);
    mq_grad_set_int(k, parts, "axis", axis);
    for (size_t i = 0; i < n && k->rc == MQ_OK; i++)
        mq_grad_give(k, i, parts->outputs[i]);
}

static void split(mq_grad *k)
{
    const size_t n = k->n->n_outputs;
    mq_value **parts = mq_arena_calloc(k->g->model->arena, n + 1, sizeof(mq_value *));
    mq_node *joined;

    if (!parts && k->rc == MQ_OK)
        k->rc = mq_oom(k->err);
    for (size_t i = 0; i < n && k->rc == MQ_OK; i++)
        parts[i] = mq_grad_dy(k, i);
    joined = mq_grad_node(k, "", "Concat", NULL, parts, n, 1);
    mq_grad_give(k, 0, mq_grad_set_int(k, joined, "axis", mq_node_attr_int(k->n, "axis", 0)));
}

const mq_grad_rule mq_grad_rules_shape[] = {
    { "", "Concat", concat },
    { "", "Expand", expand },
    { "", "Flatten", reshape },
    { "", "Reshape", reshape },
    { "", "Split", split },
    { "", "Squeeze", reshape },
    { "", "Transpose", transpose },
    { "", "Unsqueeze", reshape },
    { 0 },
};
