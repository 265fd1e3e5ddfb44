/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One node on constants: what folding needs. */
#ifndef MQ_EXEC_EVALUATE_H
#define MQ_EXEC_EVALUATE_H

#include "graph/array.h"

typedef struct mq_evaluator mq_evaluator;

mq_status mq_evaluator_create(mq_evaluator **out, int n_threads, mq_error *err);
void mq_evaluator_free(mq_evaluator *e); /* NULL is fine */

/* mq_pass_ctx.evaluate; user is the evaluator. The node may be of any opset from 7 on: where its operator has changed since,
 * a copy of it is raised to the newest. in: n_inputs arrays (NULL: absent). out gets a reference for each output.
 * MQ_ERR_UNSUPPORTED: there is no kernel, or the node's result is not the same in every run. */
mq_status mq_evaluator_run(void *user, mq_node *n, mq_array *const *in, mq_array **out, mq_error *err);

#endif
