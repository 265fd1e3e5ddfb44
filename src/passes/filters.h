/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The options that say which weights are meant: by node, by tensor, by operator. */
#ifndef MQ_PASSES_FILTERS_H
#define MQ_PASSES_FILTERS_H

#include "graph/graph.h"
#include "mq/model.h"

typedef struct mq_filters mq_filters;

/* Lists of names and patterns (base/pattern.h); an empty one says nothing. */
typedef struct mq_filter_names {
    mq_names nodes, exclude_nodes, tensors, exclude_tensors, op_types, exclude_op_types;
} mq_filter_names;

/* MQ_ERR_USAGE for a bad regular expression. */
mq_status mq_filters_create(mq_filters **out, const mq_filter_names *names, mq_error *err);
void mq_filters_free(mq_filters *f); /* NULL is fine */

/* Tells the filters that there is such a node with such a weight: exact names and suggestions need to know all of them
 * before the first question. */
void mq_filters_offer(mq_filters *f, const mq_node *n, const mq_value *weight);
/* The same of a node without a weight. */
void mq_filters_offer_node(mq_filters *f, const mq_node *n);

/* Do they want the weight of this node? The node, whatever its weight? */
bool mq_filters_want(mq_filters *f, const mq_node *n, const mq_value *weight);
bool mq_filters_want_node(mq_filters *f, const mq_node *n);
/* Do --exclude-nodes or --exclude-op-types name it? */
bool mq_filters_exclude(mq_filters *f, const mq_node *n);
/* Does --op-types, being given, name its type? */
bool mq_filters_name_type(mq_filters *f, const mq_node *n);

/* MQ_ERR_USAGE when one of the patterns matched nothing: it is a typing error. */
mq_status mq_filters_check(const mq_filters *f, mq_error *err);

#endif
