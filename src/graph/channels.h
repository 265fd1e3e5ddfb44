/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Coupled channels: which slices of a graph's tensors must go together, and taking them out.
 *
 * Every index along every axis of known size is an atom. Each operator says which atoms of its tensors stand and fall
 * together (an output channel of a Conv, its bias, both sides of an Add, rows of the weight that reads it, the block of
 * columns that a Flatten makes of it), and which cannot go (inputs and outputs of the graph, axes that a Softmax
 * normalizes, whatever an unknown operator reads). A set of atoms that go together is a channel when one of them is an
 * output channel of a weight; channels that touch the same axes in the same way are a group, of which any part may go. */
#ifndef MQ_GRAPH_CHANNELS_H
#define MQ_GRAPH_CHANNELS_H

#include "graph/graph.h"

typedef struct mq_channels mq_channels;

/* One axis of one tensor, as far as a group is concerned. */
typedef struct mq_channel_axis {
    mq_value *value;
    int axis;
    const mq_node *born;    /* value is a weight of this node and these are its output channels: its slices say how important
                               a channel is; NULL: it is not */
    const int32_t *channel; /* per index: the channel of the group that it belongs to; -1: none of this group */
    size_t n;               /* indices */
} mq_channel_axis;

typedef struct mq_channel_group {
    const char *name;       /* of the first node that makes these channels: borrowed from the model */
    size_t n;               /* channels, from 0 on in the order of that node's weight */
    const mq_channel_axis *axes;
    size_t n_axes;
    bool mixes;             /* something normalizes or sums over these channels: the others change when one goes */
    bool heads;             /* each channel is an attention head: a block of columns */
} mq_channel_group;

/* Output channels that cannot go. */
typedef struct mq_channel_stop {
    const char *weight;     /* the node that makes them */
    const char *node;       /* what stops them: a node's label, or an input's or output's name */
    const char *op_type;    /* of that node; "" for an input or output */
    const char *reason;     /* half a sentence: "normalizes over this axis" */
    size_t n;               /* channels that stay */
} mq_channel_stop;

/* Finds the groups of m's main graph. Types must have been inferred (value->type), functions inlined, nodes sorted.
 * Nothing is changed but tags. Borrows m, which must not change until the groups are used or freed.
 * Errors: MQ_ERR_UNSUPPORTED (too many elements along the axes together), MQ_ERR_NOMEM. */
mq_status mq_channels_find(mq_channels **out, mq_model *m, mq_error *err);
void mq_channels_free(mq_channels *c); /* NULL is fine */

size_t mq_channels_n_groups(const mq_channels *c);
const mq_channel_group *mq_channels_group(const mq_channels *c, size_t i);
const mq_channel_stop *mq_channels_stops(const mq_channels *c, size_t *n);

/* The weight whose slices along this axis say how important a channel is: a float constant of rank 2 and more that makes the
 * channels; NULL: it is none. */
mq_tensor *mq_channels_weight(const mq_channel_axis *a);

/* How much a channel weighs: the sum over the group's weights (mq_channels_weight) of |w|^p over the slices
 * that make it; p is 1 or 2 (then the root of it). out: group->n numbers. Weights that are no float constants count 0. */
mq_status mq_channels_norms(const mq_channels *c, size_t group, int p, double *out, mq_error *err);

/* Takes channels out of the model: keep[i] has a flag per channel of group i (NULL: all stay), at least one of them set.
 * Initializers, shape constants, attributes (group, hidden_size) and declared types of inner tensors change with them. The
 * groups are used up: free them. Types are to be inferred anew by the caller, which also drops what nobody reads any more.
 * Errors: MQ_ERR_USAGE (nothing is left of a group), MQ_ERR_INPUT (a payload cannot be read), MQ_ERR_NOMEM; the model is to
 * be thrown away after the last two. */
mq_status mq_channels_shrink(mq_channels *c, const bool *const *keep, mq_error *err);

#endif
