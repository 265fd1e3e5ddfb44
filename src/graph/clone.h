/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A private copy of a model's graph, to be changed freely, and putting the bodies of model functions in place of their
 * calls. */
#ifndef MQ_GRAPH_CLONE_H
#define MQ_GRAPH_CLONE_H

#include "graph/graph.h"

/* A copy with an arena of its own. Payloads, types and origins are borrowed: m must live longer than the copy, and must
 * not be changed meanwhile. Errors: MQ_ERR_NOMEM; MQ_ERR_INPUT for subgraphs nested too deep. */
mq_status mq_model_clone(mq_model **out, const mq_model *m, mq_error *err);

/* Replaces every node that calls a function of the model by the function's nodes, inner ones too, until none is left.
 * Attribute references are filled in; names are made unique with the call's label as prefix. MQ_ERR_INPUT for functions
 * that call themselves, MQ_ERR_UNSUPPORTED when a function imports another version of a domain than the model (and uses
 * it). */
mq_status mq_model_inline_functions(mq_model *m, size_t *n_inlined, mq_error *err);

#endif
