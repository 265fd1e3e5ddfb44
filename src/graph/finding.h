/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Findings: what checks of a model have to say, with the place. Collected here, judged and shown above. */
#ifndef MQ_GRAPH_FINDING_H
#define MQ_GRAPH_FINDING_H

#include "graph/graph.h"
#include "mq/check.h"

/* More than these are counted, not kept. */
#define MQ_FINDINGS_MAX 1000

/* {0} is an empty collection. */
typedef struct mq_findings {
    mq_arena *arena; /* of the texts */
    MQ_VEC(mq_finding) list;
    size_t n_errors, n_warnings;
    bool failed; /* out of memory: something is missing */
} mq_findings;

void mq_findings_release(mq_findings *fs);

/* Where something is; every member may be NULL. The graph is the node's when there is a node. */
typedef struct mq_place {
    const mq_graph *graph;
    const mq_node *node;
    const char *tensor; /* or value, or attribute */
} mq_place;

#define MQ_PLACE_MODEL ((mq_place){ 0 })
#define MQ_PLACE_GRAPH(g) ((mq_place){ .graph = (g) })
#define MQ_PLACE_NODE(n) ((mq_place){ .node = (n) })
#define MQ_PLACE_TENSOR(g, name) ((mq_place){ .graph = (g), .tensor = (name) })

/* Adds one; the code must be a literal. */
void mq_finding_add(mq_findings *fs, mq_severity severity, const char *code, mq_place place, const char *fmt, ...)
    MQ_PRINTF(5, 6);

#endif
