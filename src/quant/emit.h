/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the rewrites share: making nodes and initializers with good names, in few words. */
#ifndef MQ_QUANT_EMIT_H
#define MQ_QUANT_EMIT_H

#include "quant/quant.h"

/* A rewrite of one item. After a failure the functions do nothing and rc holds what went wrong, so that a rewrite can be
 * written down without a check after each step. */
typedef struct mq_emit {
    mq_model *model;
    mq_quant_item *item;
    int accuracy_level; /* of MatMulNBits */
    mq_graph *graph;   /* where initializers go: the constant's */
    mq_value *q, *scale, *zero_point; /* the item's; zero_point NULL when it is left out */
    mq_status rc;
    mq_error *err;
} mq_emit;

/* A new value of g named base + suffix, made unique. */
mq_value *mq_emit_value(mq_emit *e, mq_graph *g, const char *base, const char *suffix);

/* A node before `before`, named after base, with these inputs (NULL: absent; trailing ones are dropped) and one output. */
mq_node *mq_emit_node(mq_emit *e, mq_node *before, mq_graph *g, const char *domain, const char *op, const char *base,
                      mq_value *const *inputs, size_t n_inputs, mq_value *out);
void mq_emit_attr_int(mq_emit *e, mq_node *n, const char *name, int64_t v);

/* Reshape(in, shape) -> out. A 0 in the shape is a dimension of 0 from opset 14 on, where that can be said; before, it is
 * the input's dimension at that place. */
void mq_emit_reshape(mq_emit *e, mq_node *before, const char *base, mq_value *in, mq_value *shape, mq_value *out);

/* Takes away a constant that nobody reads any more, off the graph's inputs too. Others stay. */
void mq_emit_drop_constant(mq_value *v);
/* Removes the node, and the constants that it alone took beside its first input (shapes, axes). Those that are also inputs
 * of the graph stay: a caller may pass them. */
void mq_emit_drop_node(mq_node *n);

/* A small constant as an initializer of e->graph. */
mq_value *mq_emit_const(mq_emit *e, const char *base, const char *suffix, mq_dtype dtype, int n_dims, const int64_t *dims,
                        const void *data);
/* An initializer that is made when the file is written. */
mq_value *mq_emit_made(mq_emit *e, const char *suffix, mq_dtype dtype, int n_dims, const int64_t *dims,
                       const mq_maker *maker);

/* The item's integers, scales and zero points as initializers, in the shape of DequantizeLinear: e->q, e->scale,
 * e->zero_point. A tied item gets those of the item it is tied to. */
void mq_emit_params(mq_emit *e);

/* dequantize(q) -> out with the item's axis and block size; axis -1 for one scale. */
void mq_emit_dequantize(mq_emit *e, mq_node *before, mq_graph *g, const char *base, mq_value *q, mq_value *scale,
                        mq_value *zero_point, int axis, mq_value *out);

/* Rewrites of one item each (rewrite.c, nbits.c, dynamic.c). */
void mq_rewrite_nbits(mq_emit *e);
void mq_rewrite_gather_nbits(mq_emit *e);
void mq_rewrite_dynamic(mq_emit *e);

#endif
