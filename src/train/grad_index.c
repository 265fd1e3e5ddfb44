/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of what picks elements. Where no operator does the reverse, the operator itself is run on the numbers of the
 * elements: what it picks then says where each gradient goes, and GatherGrad adds them up there. */
#include <string.h>

#include "train/grad_families.h"

/* Every element of v by its number, in v's shape. */
static mq_value *numbered(mq_grad *k, mq_value *v)
{
    mq_value *shape = mq_grad_shape(k, v);
    mq_value *count = mq_grad_op(k, "Squeeze", mq_grad_op(k, "ReduceProd", shape));
    mq_value *all = mq_grad_op(k, "Range", mq_grad_int(k, 0), count, mq_grad_int(k, 1));

    return mq_grad_set_int(k, mq_grad_make(k, "", "Reshape", NULL, 1, all, shape), "allowzero", 1);
}

static mq_value *flattened(mq_grad *k, mq_value *v)
{
    return mq_grad_reshape_to(k, v, (const int64_t[]){ -1 }, 1);
}

/* Input 0's gradient: dy[i] goes to the element that picked[i] says. */
static void add_picked(mq_grad *k, mq_value *picked)
{
    mq_value *x = mq_grad_in(k, 0);
    mq_value *sums = mq_grad_own(k, "GatherGrad", flattened(k, k->dy[0]), flattened(k, picked), flattened(k, x));

    mq_grad_give(k, 0, mq_grad_reshape(k, sums, x));
}

void mq_grad_give_picked(mq_grad *k)
{
    mq_value **in = mq_arena_calloc(k->g->model->arena, k->n->n_inputs + 1, sizeof(mq_value *));

    if (!in && k->rc == MQ_OK)
        k->rc = mq_oom(k->err);
    if (k->rc != MQ_OK)
        return;
    memcpy(in, k->n->inputs, k->n->n_inputs * sizeof *in);
    in[0] = numbered(k, in[0]);
    add_picked(k, mq_grad_first(mq_grad_node(k, "", k->n->op_type, k->n, in, k->n->n_inputs, 1)));
}

static void gather(mq_grad *k)
{
    mq_value *x = mq_grad_in(k, 0);

    mq_grad_give(k, 0, mq_grad_first(mq_grad_make(k, MQ_GRAD_DOMAIN, "GatherGrad", k->n, 1, k->dy[0], mq_grad_in(k, 1), x)));
}

/* GatherElements, and TopK: along `axis`, dy goes to where `at` says. */
static void scatter(mq_grad *k, mq_value *at, mq_value *dy, int64_t axis)
{
    mq_node *n = mq_grad_make(k, "", "ScatterElements", NULL, 1, mq_grad_zeros(k, mq_grad_in(k, 0)), at, dy);

    mq_grad_set_int(k, n, "axis", axis);
    mq_grad_give(k, 0, mq_grad_set_string(k, n, "reduction", "add"));
}

static void gather_elements(mq_grad *k)
{
    scatter(k, mq_grad_in(k, 1), k->dy[0], mq_node_attr_int(k->n, "axis", 0));
}

static void top_k(mq_grad *k)
{
    scatter(k, mq_grad_out(k, 1), mq_grad_dy(k, 0), mq_node_attr_int(k->n, "axis", -1));
}

/* ScatterElements and ScatterND: `back` reads what they write. What is written over has no gradient. */
static void scattered(mq_grad *k, const char *back)
{
    const mq_attr *reduction = mq_node_attr(k->n, "reduction");
    mq_value *dy = k->dy[0], *at = mq_grad_in(k, 1);
    const bool adds = mq_node_attr_is(k->n, "reduction", "add");
    mq_value *kept = dy;
    mq_node *n;

    if (reduction && !adds && !mq_node_attr_is(k->n, "reduction", "none"))
        mq_grad_refuse(k, "'reduction' is neither none nor add");
    if (mq_grad_wants(k, 0) && !adds)
        kept = mq_grad_first(mq_grad_make(k, "", k->n->op_type, k->n, 1, dy, at, mq_grad_zeros(k, mq_grad_in(k, 2))));
    mq_grad_give(k, 0, kept);
    if (!mq_grad_wants(k, 2))
        return;
    n = mq_grad_make(k, "", back, k->n, 1, dy, at);
    if (n)
        mq_node_remove_attr(n, "reduction");
    mq_grad_give(k, 2, mq_grad_first(n));
}

static void scatter_elements(mq_grad *k)
{
    scattered(k, "GatherElements");
}

static void scatter_nd(mq_grad *k)
{
    scattered(k, "GatherND");
}

static void slice(mq_grad *k)
{
    mq_value *in[6] = { k->dy[0] };

    for (size_t i = 0; i < 5; i++)
        in[1 + i] = mq_grad_in(k, i);
    mq_grad_give(k, 0, mq_grad_first(mq_grad_node(k, MQ_GRAD_DOMAIN, "SliceGrad", NULL, in, 6, 1)));
}

/* Zeros come off again by negative pads, and what they cut off comes back as zeros; what repeats elements adds them up. */
static void pad(mq_grad *k)
{
    mq_value *pads = mq_grad_in(k, 1), *axes = mq_grad_in(k, 3);
    const mq_attr *mode = mq_node_attr(k->n, "mode");

    if (mq_grad_wants(k, 2))
        mq_grad_refuse(k, "the value it fills in depends on a parameter");
    if (mode && !mq_node_attr_is(k->n, "mode", "constant")) {
        mq_grad_give_picked(k);
        return;
    }
    pads = mq_grad_op(k, "Neg", pads);
    mq_grad_give(k, 0, axes ? mq_grad_op(k, "Pad", k->dy[0], pads, NULL, axes) : mq_grad_op(k, "Pad", k->dy[0], pads));
}

/* The other way round; DepthToSpace has a second order of channels, which SpaceToDepth has not. */
static void depth_to_space(mq_grad *k)
{
    const int64_t size = mq_node_attr_int(k->n, "blocksize", 1);

    if (mq_node_attr_is(k->n, "mode", "CRD"))
        mq_grad_give_picked(k);
    else
        mq_grad_give(k, 0, mq_grad_set_int(k, mq_grad_make(k, "", "SpaceToDepth", NULL, 1, k->dy[0]), "blocksize", size));
}

static void space_to_depth(mq_grad *k)
{
    const int64_t size = mq_node_attr_int(k->n, "blocksize", 1);

    if (mq_node_attr_is(k->n, "mode", "CRD"))
        mq_grad_give_picked(k);
    else
        mq_grad_give(k, 0, mq_grad_set_int(k, mq_grad_make(k, "", "DepthToSpace", NULL, 1, k->dy[0]), "blocksize", size));
}

/* Sums from the other end. */
static void cum_sum(mq_grad *k)
{
    mq_node *n = mq_grad_make(k, "", "CumSum", k->n, 1, k->dy[0], mq_grad_in(k, 1));

    mq_grad_give(k, 0, mq_grad_set_int(k, n, "reverse", !mq_node_attr_int(k->n, "reverse", 0)));
}

static void trilu(mq_grad *k)
{
    mq_grad_give(k, 0, mq_grad_first(mq_grad_make(k, "", "Trilu", k->n, 1, k->dy[0], mq_grad_in(k, 1))));
}

const mq_grad_rule mq_grad_rules_index[] = {
    { "", "Compress", mq_grad_give_picked },
    { "", "CumSum", cum_sum },
    { "", "DepthToSpace", depth_to_space },
    { "", "Gather", gather },
    { "", "GatherElements", gather_elements },
    { "", "GatherND", mq_grad_give_picked },
    { "", "Pad", pad },
    { "", "ReverseSequence", mq_grad_give_picked },
    { "", "ScatterElements", scatter_elements },
    { "", "ScatterND", scatter_nd },
    { "", "Slice", slice },
    { "", "SpaceToDepth", space_to_depth },
    { "", "Tile", mq_grad_give_picked },
    { "", "TopK", top_k },
    { "", "Trilu", trilu },
    { 0 },
};
