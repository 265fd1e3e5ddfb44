/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Where a graph can be entered in the middle: which values have to be there for the nodes from some place on. */
#ifndef MQ_GRAPH_SPANS_H
#define MQ_GRAPH_SPANS_H

#include "graph/graph.h"

/* A value that depends on inputs. Nodes are counted from 1 in the graph's order. */
typedef struct mq_span {
    mq_value *value;
    size_t made; /* by this node; 0: an input */
    size_t last; /* node that reads it, itself or in an inner graph; 0: none */
} mq_span;

typedef struct mq_spans {
    mq_span *items; /* inputs first, then in the order of nodes */
    size_t n;
} mq_spans;

/* Spans of g, a main graph whose nodes are sorted: of the inputs that `fed` names (NULL: of all) and of what is computed
 * from them. Nodes' tags become their places, values' tags 1 + their span, 0 without one. MQ_ERR_NOMEM. */
mq_status mq_spans_find(mq_spans *out, mq_graph *g, bool (*fed)(void *user, const mq_value *input), void *user,
                        mq_error *err);
void mq_spans_release(mq_spans *s);

/* Must it be fed to the part of the graph from node `place` on? */
bool mq_span_crosses(const mq_span *s, size_t place);

/* The first node of g that reads v, itself or in an inner graph; 0: none. After mq_spans_find. */
size_t mq_value_first_read(const mq_value *v, const mq_graph *g);

#endif
