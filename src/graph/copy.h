/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What copying a model, appending one to another and inlining functions share: copying a graph's parts into a model. */
#ifndef MQ_GRAPH_COPY_H
#define MQ_GRAPH_COPY_H

#include "graph/graph.h"

#define MQ_COPY_DEPTH 64 /* graphs nested deeper are refused */

typedef struct mq_copying {
    mq_model *to;
    const char *prefix;  /* of every name; NULL: names stay */
    const char *join;    /* between prefix and name */
    mq_map bound;        /* names of the original's main graph -> values that stand for them already */
    bool resolve_files;  /* the copy lies in another folder: external data are mapped through the original */
    const mq_node *call; /* whose attributes fill references; NULL: keep them */
    const mq_function *function;
    int depth; /* of graphs being copied */
    mq_error *err;
} mq_copying;

/* The copy's name of what is called so; NULL: out of memory. */
const char *mq_copy_name(const mq_copying *k, const char *name);
/* The copy's value for a value of the original: found by name from g outwards, or made in g. NULL: out of memory. */
mq_value *mq_copy_value(const mq_copying *k, mq_graph *g, const mq_value *v);

/* Values of g that have no producer but a place in its lists, with what is declared of them, into c. */
mq_status mq_copy_values(const mq_copying *k, const mq_graph *g, mq_graph *c);
mq_status mq_copy_inits(const mq_copying *k, const mq_graph *g, mq_graph *c);
/* g's nodes, before `before` (NULL: at c's end). */
mq_status mq_copy_body(mq_copying *k, const mq_graph *g, mq_graph *c, mq_node *before);
mq_status mq_copy_function(mq_copying *k, const mq_function *f);

#endif
