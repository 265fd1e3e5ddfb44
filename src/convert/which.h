/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --nodes, --exclude-nodes, --op-types, --exclude-op-types of mq convert. */
#ifndef MQ_CONVERT_WHICH_H
#define MQ_CONVERT_WHICH_H

#include "graph/graph.h"
#include "mq/model.h"

typedef struct mq_which mq_which;

/* What the four options say; empty lists want every node. */
typedef struct mq_which_names {
    mq_names nodes, exclude_nodes, op_types, exclude_op_types;
} mq_which_names;

/* MQ_ERR_USAGE when a pattern matches no node of m (or no operator), with the nearest names. *out stays NULL when no list
 * holds anything. */
mq_status mq_which_create(mq_which **out, const mq_which_names *names, const mq_model *m, mq_error *err);
void mq_which_free(mq_which *w); /* NULL is fine */

/* Is n one of the nodes that are meant? NULL: all are. */
bool mq_which_takes(mq_which *w, const mq_node *n);

#endif
