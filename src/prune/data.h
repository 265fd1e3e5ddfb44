/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pruning with data (obs.h), layer after layer in the order of the graph: as many layers at a time as their sums have room
 * for. Who calls it runs the model over the data for each stage, in which the stages before are pruned already.
 *
 *     mq_prune_data_create(&d, plan, budget, ...);
 *     while (mq_prune_data_next(d)) {
 *         names = mq_prune_data_names(d, &n);       // run the model, and for each array:
 *         mq_prune_data_add(d, value, array, ...);
 *         mq_prune_data_finish(d, ...);             // these weights are pruned now
 *     }
 *     mq_prune_data_free(d); */
#ifndef MQ_PRUNE_DATA_H
#define MQ_PRUNE_DATA_H

#include "graph/array.h"
#include "prune/target.h"

typedef struct mq_prune_data mq_prune_data;

/* plan: items, with their ratios, of which those that do not stay and are not done are pruned; pattern and method are
 * known. budget: bytes of sums held at a time; a layer whose Hessian alone is larger is pruned by Wanda, with a warning. A
 * layer whose inputs cannot be seen (inside If, Loop or Scan; recurrent weights; read in several ways) is left to others,
 * with a warning. A group of a convolution of which nothing was seen goes by magnitude, with a warning, when something was
 * seen of others. Borrows plan and hooks. */
mq_status mq_prune_data_create(mq_prune_data **out, mq_prune_plan *plan, uint64_t budget, const mq_hooks *hooks,
                               mq_error *err);
void mq_prune_data_free(mq_prune_data *d); /* NULL is fine */

/* Begins the next stage; *more false: there is none. MQ_ERR_NOMEM. */
mq_status mq_prune_data_next(mq_prune_data *d, bool *more, mq_error *err);
/* The tensors that are to be looked at in this stage. */
const char *const *mq_prune_data_names(const mq_prune_data *d, size_t *n);
/* What one of them held in a run, in plain layout. */
mq_status mq_prune_data_add(mq_prune_data *d, const mq_value *value, const mq_array *array, mq_error *err);
/* Prunes the stage's weights: their tensors in the model hold the new numbers, the items are done and have their stats.
 * Layers are shared among threads. */
mq_status mq_prune_data_finish(mq_prune_data *d, mq_error *err);

#endif
