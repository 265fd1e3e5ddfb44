/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A private copy of a model's graph, to be changed freely; one model behind another; and the bodies of model functions in
 * place of their calls. */
#ifndef MQ_GRAPH_CLONE_H
#define MQ_GRAPH_CLONE_H

#include "graph/graph.h"

/* A copy with an arena of its own. Payloads, types and origins are borrowed: m must live longer than the copy, and must
 * not be changed meanwhile. Errors: MQ_ERR_NOMEM; MQ_ERR_INPUT for subgraphs nested too deep. */
mq_status mq_model_clone(mq_model **out, const mq_model *m, mq_error *err);

/* A value of the copy under another name: what stands for the original's value `from`. */
typedef struct mq_binding {
    const char *from;
    mq_value *to;
} mq_binding;

/* Adds from's main graph behind m's, with its functions and imports: every name gets `prefix` in front (NULL: none), except
 * that the values of `bindings` stand for from's values of those names: an input that is bound is none any more, an output
 * goes by the bound value's name. Other inputs and outputs of from become m's too, at the end of the lists. Payloads, types
 * and origins are borrowed: from must outlive m. External data are mapped here, through from.
 * Errors: MQ_ERR_USAGE: a name is taken (then m is to be thrown away, as after the others: MQ_ERR_INPUT, an import of
 * another version, a function of the same name but other contents; MQ_ERR_NOMEM). */
mq_status mq_model_append(mq_model *m, mq_model *from, const char *prefix, const mq_binding *bindings, size_t n_bindings,
                          mq_error *err);

/* Replaces every node that calls a function of the model by the function's nodes, inner ones too, until none is left.
 * Attribute references are filled in; names are made unique with the call's label as prefix. MQ_ERR_INPUT for functions
 * that call themselves, MQ_ERR_UNSUPPORTED when a function imports another version of a domain than the model (and uses
 * it). */
mq_status mq_model_inline_functions(mq_model *m, size_t *n_inlined, mq_error *err);
/* The same for calls in the main graph and the graphs inside it of functions that `takes` wants. */
mq_status mq_model_inline_some(mq_model *m, bool (*takes)(void *user, const mq_function *f), void *user, size_t *n_inlined,
                               mq_error *err);
/* The function is the model's no more, and its body is empty; nobody may call it. */
mq_status mq_model_remove_function(mq_model *m, mq_function *f, mq_error *err);

#endif
