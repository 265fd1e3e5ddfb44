/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Counting what is in a model: operators, weights by type. Reads no weight. */
#ifndef MQ_REPORT_CENSUS_H
#define MQ_REPORT_CENSUS_H

#include "base/vec.h"
#include "graph/graph.h"

typedef struct mq_census_op {
    const char *domain;  /* normalized; borrowed from the model */
    const char *op_type; /* borrowed */
    uint64_t n;
} mq_census_op;

typedef struct mq_census {
    MQ_VEC(mq_census_op) ops; /* most frequent first, then by domain and name */
    uint64_t n_nodes;         /* of all graphs: subgraphs and function bodies too, each once */
    uint64_t n_subgraphs;
    uint64_t n_tensors;       /* initializers (dense and sparse) and tensors in nodes */
    uint64_t parameters;      /* their elements, without strings, bools and 32 and 64-bit integers (indices, shapes) */
    uint64_t bytes;           /* of all of them, as elements */
    struct {
        uint64_t tensors, elements, bytes;
    } by_type[MQ_N_DTYPES];
} mq_census;

/* Errors: MQ_ERR_NOMEM. c needs no release on failure. */
mq_status mq_census_take(mq_census *c, const mq_model *model, mq_error *err);
void mq_census_release(mq_census *c);

/* Is the graph still part of its model (its owners have not been removed)? */
bool mq_graph_is_live(const mq_graph *g);

/* Calls f for every tensor that holds weights: initializers (of a sparse one, the values and the indices), and tensors in
 * attributes of nodes. name is the value's where there is one. Stops when f returns something else than MQ_OK. */
typedef mq_status (*mq_tensor_visit)(void *user, mq_tensor *t, const char *name, mq_error *err);
mq_status mq_model_each_tensor(const mq_model *model, mq_tensor_visit f, void *user, mq_error *err);

#endif
