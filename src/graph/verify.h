/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The rules that a graph in memory keeps whatever its operators are: names, single assignment, order, scopes, links.
 * Linear in the number of edges: cheap enough to run after every pass. */
#ifndef MQ_GRAPH_VERIFY_H
#define MQ_GRAPH_VERIFY_H

#include "graph/finding.h"

/* Graphs nested deeper than this are an error (and no file should need it). */
#define MQ_MAX_NESTING 200

/* Adds what breaks the rules of ONNX in the model's graph, its subgraphs and its functions. Codes: graph-missing,
 * graph-name, name-duplicate, undefined, order, cycle, output-undefined, scope, init-not-input, nesting. */
mq_status mq_model_verify_structure(const mq_model *m, mq_findings *fs, mq_error *err);

/* The same rules, and that nodes, values and uses name each other: what must hold after a pass. MQ_ERR_INPUT with
 * the first thing that is wrong. */
mq_status mq_model_verify(const mq_model *m, mq_error *err);

#endif
