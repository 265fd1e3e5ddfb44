/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients as a graph: behind a model's nodes come nodes that compute the derivatives of one of its values, in reverse
 * mode, a rule per operator. What has no operator in ONNX is one of the engine's own (ops/grad_ops.h). The engine then runs
 * both halves as one graph. */
#ifndef MQ_TRAIN_GRAD_H
#define MQ_TRAIN_GRAD_H

#include "graph/graph.h"

typedef struct mq_grad_opts {
    bool batch_stats; /* BatchNormalization uses the statistics of the batch, and running ones come out (default false) */
    bool dropout;     /* Dropout drops, by the seed of the run (default false: it passes everything on) */
} mq_grad_opts;

/* A running statistic of a BatchNormalization. */
typedef struct mq_grad_stat {
    mq_value *before; /* what the node reads: an initializer or an input of the graph */
    mq_value *after;  /* what it is after the step; not an output of the graph yet */
} mq_grad_stat;
typedef MQ_VEC(mq_grad_stat) mq_grad_stats;

/* Makes the model's main graph ready: functions inlined, the newest opset, If with a known condition inlined, nodes in
 * topological order, types inferred; what no output needs goes. BatchNormalization and Dropout become what opts say. stats
 * gets the running statistics, mean and variance of each node in turn (only with batch_stats; release it with
 * mq_vec_release). opts and stats may be NULL. Errors: those of mq_model_inline_functions,
 * mq_opset_raise and mq_graph_sort. */
mq_status mq_grad_prepare(mq_model *m, const mq_grad_opts *opts, mq_grad_stats *stats, mq_error *err);

/* Appends what computes d loss / d wrt[i] to g, a main graph made ready (nodes added since then are in order and have their
 * types: mq_infer_model). out[i] has the type and the shape of wrt[i]; NULL where the loss does not depend on it.
 * Errors: MQ_ERR_UNSUPPORTED names node, operator and version of the first one between wrt and loss that has no gradient
 * (the graph is unchanged), or that has none for these attributes (the graph is then to be thrown away); MQ_ERR_USAGE: the
 * loss is not known to have exactly one element of a float type, or a value is none of g's; MQ_ERR_NOMEM. */
mq_status mq_grad_append(mq_graph *g, mq_value *loss, mq_value *const *wrt, size_t n, mq_value **out, mq_error *err);

/* Is there a rule for the node's operator? */
bool mq_grad_known(const mq_node *n);

#endif
