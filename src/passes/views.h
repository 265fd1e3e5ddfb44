/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a row of Reshape, Transpose, Squeeze, Unsqueeze, Flatten and Gather of one element does to a tensor, as a whole: its
 * axes are cut into atoms, which are put in another order, joined to other axes, and fixed to one index. And the least
 * nodes that do the same. */
#ifndef MQ_PASSES_VIEWS_H
#define MQ_PASSES_VIEWS_H

#include "passes/pass.h"

#define MQ_VIEW_MAX 24 /* atoms, and axes */

/* A part of axis `axis` of the source: index / inner % size. Sizes of 1 have no atom. */
typedef struct mq_atom {
    int axis;
    mq_dim size;   /* only a whole axis may be unknown */
    int64_t inner; /* product of the sizes of the atoms further inside the same axis */
    int64_t index; /* of a fixed one */
} mq_atom;

/* Axis i is atoms start[i] to start[i + 1]. */
typedef struct mq_layout {
    mq_atom a[MQ_VIEW_MAX];
    int n, rank, start[MQ_VIEW_MAX + 1];
} mq_layout;

typedef struct mq_view {
    mq_layout source, now;
    mq_atom fixed[MQ_VIEW_MAX];
    int n_fixed;
} mq_view;

/* Nodes in the order Slice, Reshape, Transpose, Reshape. */
typedef struct mq_view_plan {
    int n_nodes;
    int n_slices; /* 0: no Slice */
    int64_t starts[MQ_VIEW_MAX], ends[MQ_VIEW_MAX], axes[MQ_VIEW_MAX], steps[MQ_VIEW_MAX];
    bool cut, turn, join;
    int cut_rank, turn_rank, join_rank;
    int64_t cut_shape[MQ_VIEW_MAX], perm[MQ_VIEW_MAX], join_shape[MQ_VIEW_MAX];
} mq_view_plan;

/* A tensor like v, untouched; false: its rank is not known, or it may be empty. */
bool mq_view_begin(mq_view *view, const mq_value *v);
/* Is n an operator that mq_view_apply may know? */
bool mq_view_is_step(const mq_node *n);
/* What n does to its input 0; false: it cannot be said. */
bool mq_view_apply(mq_view *view, const mq_node *n);
/* The least nodes that make it of the source; false: there are none that are known here. */
bool mq_view_plan_make(const mq_view *view, mq_view_plan *plan);

#endif
