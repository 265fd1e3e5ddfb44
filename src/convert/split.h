/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Where a model is cut into a chain of parts. */
#ifndef MQ_CONVERT_SPLIT_H
#define MQ_CONVERT_SPLIT_H

#include "graph/graph.h"

typedef struct mq_split_plan_opts {
    size_t n_parts;      /* exactly so many, balanced; 0: see max_bytes */
    uint64_t max_bytes;  /* of weights and structure per part, by as few parts as possible; 0: n_parts counts */
    mq_value *const *at; /* cut behind these tensors, whatever the balance */
    size_t n_at;
    int64_t (*macs)(const mq_node *n); /* balance by this; NULL: by bytes */
} mq_split_plan_opts;

/* One part: what it takes from the model's inputs and from parts before it, and what it gives to later ones or outside. */
typedef struct mq_split_part {
    mq_value_vec inputs, outputs;
    size_t n_nodes;  /* computed from inputs; what constants alone determine is repeated in each part that needs it */
} mq_split_part;

/* Plans, in the model's arena; the model stays as it is. Its nodes are sorted and its types inferred. Parts are contiguous
 * in that order, except with `at`, where a part is what the tensor needs and the parts before lack. Among plans of the same
 * balance (within a tenth) the one that hands on the fewest bytes is taken.
 * Errors: MQ_ERR_USAGE (fewer nodes than parts; a tensor of `at` that no node computes, or with nothing before or behind
 * it), MQ_ERR_UNSUPPORTED (max_bytes is less than one node needs: it is named), MQ_ERR_NOMEM. */
mq_status mq_split_plan(mq_model *m, const mq_split_plan_opts *o, mq_split_part **parts, size_t *n_parts, mq_error *err);

#endif
