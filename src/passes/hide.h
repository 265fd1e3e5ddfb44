/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Nodes that rewrites are to leave alone. */
#ifndef MQ_PASSES_HIDE_H
#define MQ_PASSES_HIDE_H

#include "base/vec.h"
#include "graph/graph.h"

typedef struct mq_hidden_node {
    const char *op_type, *domain;
    size_t n_outputs;
    mq_type **declared, **kept; /* what the outputs were declared before, and are meanwhile */
} mq_hidden_node;

typedef struct mq_hidden {
    mq_model *model;
    MQ_VEC(mq_hidden_node) nodes;
} mq_hidden;

/* Gives each node of m (those of inner graphs, too; not of function bodies, which no rewrite touches, and no Constant) that
 * `takes` does not want an operator that nobody knows, different for each: no pass has a rule for it. Its outputs keep the
 * types that are inferred now. Until mq_nodes_show, which gives the operators back, to copies of such nodes, too; it may be
 * called after a failure. */
mq_status mq_nodes_hide(mq_model *m, bool (*takes)(void *user, const mq_node *n), void *user, mq_hidden *h, mq_error *err);
void mq_nodes_show(mq_hidden *h); /* of zeros is fine */

#endif
