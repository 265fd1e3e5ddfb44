/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Cutting a part out of a model's main graph. */
#ifndef MQ_GRAPH_CUT_H
#define MQ_GRAPH_CUT_H

#include "graph/graph.h"

/* m's main graph becomes the part of itself that computes `outputs` from `inputs`, both lists of its values, in that order;
 * an input may be any value, an inner one or an initializer too: what computed it goes. So does what nobody needs any more:
 * nodes, initializers, inputs; model functions and declarations stay. keep_inputs: an input of the graph that is still
 * needed stays one, behind `inputs`; without it such an input is MQ_ERR_USAGE and named, with an output that needs it.
 * Values that become inputs or outputs are declared by their inferred types: run mq_infer_model before.
 * Errors: MQ_ERR_USAGE (see above; an output that is listed twice), MQ_ERR_UNSUPPORTED (the type of a new input or output is
 * not known), MQ_ERR_NOMEM. m is as it was after the first two. */
mq_status mq_model_cut(mq_model *m, mq_value *const *inputs, size_t n_inputs, mq_value *const *outputs, size_t n_outputs,
                       bool keep_inputs, mq_error *err);

/* Initializers that are inputs, too, are inputs no more: counts them. Before IR version 4 all had to be, and none could be
 * overridden: then they are not counted, and the model is of version 4. */
size_t mq_model_unlist_inits(mq_model *m);

/* Can v be an input or output of a part? A file has to say its type, and of a tensor the elements and, for the
 * specification's checker, the rank. */
bool mq_can_be_edge(const mq_value *v);

#endif
