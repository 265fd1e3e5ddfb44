/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What changed between two models. */
#ifndef MQ_CONVERT_DIFF_H
#define MQ_CONVERT_DIFF_H

#include "graph/graph.h"

/* One thing that only `a` has ('-'), that only `b` has ('+'), or that both have and that differs ('~'). */
typedef struct mq_difference {
    char sign;
    const char *code;  /* "node", "initializer", "input", "output", "opset", "ir", "metadata", "function" */
    const char *place; /* "node 'conv1' (Conv)", "initializer 'w'" */
    const char *text;  /* what it is, or what became of it */
} mq_difference;

typedef struct mq_differences {
    mq_arena *arena; /* everything lives in it: the caller's */
    MQ_VEC(mq_difference) items; /* in it, at most `most`: the rest is counted */
    size_t most;
    size_t n_removed, n_added, n_changed;
} mq_differences;

/* Compares everything but documentation, the order of nodes and what inference would say of inner tensors. Nodes are one
 * node when their names are the same, else when their first outputs are, else when operator and inputs are. Uses tags.
 * Errors: MQ_ERR_INPUT when contents of an initializer cannot be read, MQ_ERR_NOMEM, MQ_ERR_CANCELLED. */
mq_status mq_diff_models(mq_differences *d, mq_model *a, mq_model *b, const mq_hooks *hooks, mq_error *err);

#endif
