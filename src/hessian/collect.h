/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The sums of several layers at a time, as many as there is room for: which tensors they are made of, who shares them. */
#ifndef MQ_HESSIAN_COLLECT_H
#define MQ_HESSIAN_COLLECT_H

#include "hessian/gram.h"

/* Sums over the vectors of one or several nodes (of a weight that all of them read), and the layers they are for. */
typedef struct mq_shared_sums {
    MQ_VEC(mq_reduction) from;
    MQ_VEC(size_t) layers; /* the caller's numbers */
    mq_gram gram;
} mq_shared_sums;

typedef struct mq_collect {
    uint64_t budget, used; /* bytes of sums; budget is the caller's */
    MQ_VEC(mq_shared_sums *) items;
    MQ_VEC(const char *) names; /* of the tensors to be looked at, each once; borrowed from the graph */
} mq_collect;

/* Takes a layer that reads what these n nodes read (n >= 1, all reduce the weight alike) if there is room for its sums, or
 * if it is the first; *taken says so. The diagonal alone is summed when the whole would not fit into the budget.
 * MQ_ERR_NOMEM. */
mq_status mq_collect_take(mq_collect *c, const mq_reduction *uses, size_t n, size_t layer, bool *taken, mq_error *err);
/* Adds what one of the tensors held in a run, in plain layout. As mq_gram_add. */
mq_status mq_collect_add(mq_collect *c, const mq_value *value, const mq_array *array, int n_threads, mq_error *err);
/* Frees the sums: there are no layers then. */
void mq_collect_clear(mq_collect *c);
void mq_collect_release(mq_collect *c);

#endif
