/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The sums of several layers at a time, as many as there is room for: which tensors they are made of, who shares them. */
#ifndef MQ_HESSIAN_COLLECT_H
#define MQ_HESSIAN_COLLECT_H

#include "base/map.h"
#include "hessian/gram.h"

/* Sums over the vectors of one or several nodes (of a weight that all of them read), and the layers they are for. */
typedef struct mq_shared_sums {
    MQ_VEC(mq_reduction) from;
    MQ_VEC(size_t) layers; /* the caller's numbers */
    mq_gram gram;
    bool misfit; /* a tensor had another shape than its node takes: the sums mean nothing */
} mq_shared_sums;

/* What is summed of one tensor: reduction `use` of the sums. */
typedef struct mq_collect_reader {
    mq_shared_sums *sums;
    size_t use;
} mq_collect_reader;

typedef struct mq_collect_readers {
    MQ_VEC(mq_collect_reader) items;
} mq_collect_readers;

typedef struct mq_collect {
    uint64_t budget, used; /* bytes of sums; budget is the caller's */
    MQ_VEC(mq_shared_sums *) items;
    MQ_VEC(const char *) names; /* of the tensors to be looked at, each once; borrowed from the graph */
    MQ_VEC(mq_collect_readers *) readers; /* of each of them */
    mq_map by_name;
} mq_collect;

/* Takes a layer that reads what these n nodes read (n >= 1, all reduce the weight alike) if there is room for its sums, or
 * if it is the first; *taken says so. The diagonal alone is summed when the whole would not fit into the budget.
 * MQ_ERR_NOMEM. */
mq_status mq_collect_take(mq_collect *c, const mq_reduction *uses, size_t n, size_t layer, bool *taken, mq_error *err);
/* Adds what one of the tensors held in a run, in plain layout. One that does not fit makes a misfit of the sums.
 * MQ_ERR_NOMEM. */
mq_status mq_collect_add(mq_collect *c, const mq_value *value, const mq_array *array, int n_threads, mq_error *err);
/* Is the first axis of a tensor of that rank one that is summed over, and so no batch? */
bool mq_collect_sums_first_axis(const mq_collect *c, const mq_value *value, int rank);
/* Frees the sums: there are no layers then. */
void mq_collect_clear(mq_collect *c);
void mq_collect_release(mq_collect *c);

#endif
