/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of type inference share: the walk over the graph (infer.c), types and their constraints
 * (infer_types.c), calls of functions (infer_call.c). Rules do not see this. */
#ifndef MQ_OPS_INFER_H
#define MQ_OPS_INFER_H

#include "ops/ops.h"

/* A call being inferred, and the calls around it. */
typedef struct mq_infer_call {
    const mq_function *function;
    const struct mq_infer_call *up;
} mq_infer_call;

typedef struct mq_walk {
    mq_model *model;
    mq_infer_finding finding;
    void *user;
    mq_error *err;
    mq_map told;         /* findings already handed over */
    uint64_t budget;     /* of nodes and values that may still be inferred: bodies call and nest, so work could explode */
    size_t max_memory;   /* of the model's arena, for the same reason */
    int depth;           /* of graphs in graphs */
    const mq_infer_call *call; /* the innermost, or NULL */
} mq_walk;

/* Hands over a finding unless it was told before. MQ_ERR_NOMEM only. */
mq_status mq_walk_tell(mq_walk *w, const mq_node *n, const char *fmt, ...) MQ_PRINTF(3, 4);

/* Infers one graph; types of its inputs are given unless it is the model's own. */
mq_status mq_walk_graph(mq_walk *w, mq_graph *g);

/* Infers a call: the function's body with the types and attributes of in->node; fills in->out and in->known. */
mq_status mq_walk_call(mq_walk *w, mq_infer *in, mq_function *f);

/* Types that the inputs give to a schema's type variables. */
typedef struct mq_type_binding {
    const mq_type *type[MQ_MAX_TYPE_VARS];
    size_t input[MQ_MAX_TYPE_VARS]; /* which input gave it */
} mq_type_binding;

/* Checks the inputs against the schema and binds its variables; violations become findings. */
mq_status mq_types_bind(mq_walk *w, const mq_node *n, const mq_op_schema *s, mq_type_binding *b);
/* Sets in->out as far as the schema says. */
mq_status mq_types_default(mq_infer *in, const mq_type_binding *b);

/* *out becomes what is known of a value that is declared so and inferred (or given) so: either may be NULL, the result
 * too. What is declared wins, except that a number is better than a symbol. *conflict set true when both are known and
 * differ. Symbols of a function's declarations mean nothing outside: `local` drops them. */
mq_status mq_types_merge(mq_walk *w, const mq_type *declared, const mq_type *inferred, bool local, mq_type **out,
                         bool *conflict);

#endif
