/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a kernel is, and what it may do during a call.
 *
 * Every operator has one reference kernel: plain C, for the operator's newest version only (a plan raises its private
 * copy of the graph to the newest opset first), all element types of the schema. It works out its outputs' shapes
 * itself, from the arrays at hand. Beside it there may be fast kernels, which look at one case (types, shapes,
 * constants) and take it or not.
 *
 * Adding an operator: a function and a row in the file of its family under src/exec/ref; families are listed in table.c. */
#ifndef MQ_EXEC_KERNEL_H
#define MQ_EXEC_KERNEL_H

#include "graph/array.h"

typedef struct mq_call mq_call;
struct mq_call {
    const mq_node *node;
    size_t n_in, n_out;
    const mq_array *const *in; /* NULL: an absent optional input. Plain layout, aligned (reference kernels) */
    mq_array **out;            /* NULL until the kernel makes it; each that the node names must be made */
    int n_threads;             /* for OpenMP's num_threads; never changes a byte of the result */
    mq_arena *arena;           /* lives until the run's outputs are dropped: for the bytes of strings */
    uint64_t seed;             /* of random operators without a seed: differs from node to node, not from run to run */
    mq_error *err;
    void *frame; /* the executor's */
};

typedef mq_status (*mq_kernel_fn)(mq_call *c);

/* What the executor does around a reference kernel, so that the kernel need not. */
enum {
    /* float16 and bfloat16 inputs arrive as float; a float output whose type variable is that of such an input is
     * narrowed again (round to nearest even). For everything that computes. */
    MQ_KERNEL_WIDEN = 1 << 0,
    /* The kernel moves elements and never looks at them: types under 8 bits arrive, and are made, as `codes` (one to a
     * byte). Element sizes are mq_array_elem_size; strings are moved as mq_bytes (the bytes are shared). */
    MQ_KERNEL_MOVES = 1 << 1,
    /* The outputs depend on more than the inputs (random numbers): never folded. */
    MQ_KERNEL_RANDOM = 1 << 2,
};

typedef struct mq_kernel {
    const char *domain, *op; /* normalized domain */
    mq_kernel_fn run;
    unsigned flags;
} mq_kernel;

/* The reference kernel of an operator; NULL: none. */
const mq_kernel *mq_kernel_find(const char *domain, const char *op);
/* All of them, in table order: family by family. */
const mq_kernel *mq_kernel_at(size_t i); /* NULL behind the last */

/* ---- during a call ------------------------------------------------------------------------------------------------ */

/* Input i is there (and not an empty optional). */
bool mq_call_has(const mq_call *c, size_t i);
/* The node names output i. */
bool mq_call_wants(const mq_call *c, size_t i);

/* Makes output i: a tensor, not zeroed. *data (may be NULL) gets its elements, never NULL for a named output. When the node
 * does not name output i, nothing is made and *data is NULL. Errors: MQ_ERR_INPUT for impossible shapes, MQ_ERR_NOMEM. */
mq_status mq_call_out(mq_call *c, size_t i, mq_dtype dtype, int rank, const int64_t *dims, void **data);
/* The same, but the memory may be that of input j when nobody needs it any more and it has the right size: only for kernels
 * that read element k of input j before (or when) they write element k, of every input: a node may name one array twice. */
mq_status mq_call_out_over(mq_call *c, size_t i, size_t j, mq_dtype dtype, int rank, const int64_t *dims, void **data);
/* Output i is input j with other dims (same count): no copy. */
mq_status mq_call_out_view(mq_call *c, size_t i, size_t j, int rank, const int64_t *dims);
/* May the memory of input j be written to? Not when somebody else needs it, or the node reads it as another input too. */
bool mq_call_may_take(const mq_call *c, size_t j);
/* Output i is input j, memory and all (mq_call_may_take has said yes). */
void mq_call_out_taken(mq_call *c, size_t i, size_t j);
/* Output i is this array (the reference passes to the call, also on failure). For sequences, optionals, and results of
 * inner graphs. */
mq_status mq_call_out_array(mq_call *c, size_t i, mq_array *a);

/* Output i in the library's own order: `layout` from mq_call_layout, `bytes` of memory; dims are the tensor's. Fast
 * kernels only. */
mq_status mq_call_out_layout(mq_call *c, size_t i, mq_dtype dtype, int rank, const int64_t *dims, const void *layout,
                             size_t bytes, void **data);

/* Output i is all inputs, one behind the other in memory as they lie there (elements of whole bytes, no padding). *done:
 * they do, and the output has been made of them without a copy. Else the kernel makes it; the next run's parts may lie
 * so. */
mq_status mq_call_out_joined(mq_call *c, size_t i, int rank, const int64_t *dims, const void *layout, bool *done);

/* Memory until the kernel returns, aligned to 64 bytes, not zeroed; NULL and c->err set when there is none. */
void *mq_call_scratch(mq_call *c, size_t bytes);

/* Runs a graph attribute of the node: n_in arrays for its inputs (borrowed), n_out results (a reference each; *out untouched
 * on failure). Values of the scopes around it are seen by the inner graph as they are now. */
mq_status mq_call_graph(mq_call *c, const mq_graph *g, size_t n_in, mq_array *const *in, size_t n_out, mq_array **out);

/* MQ_ERR_INPUT: "node 'NAME' (Op): sentence". For what inputs or attributes cannot be. */
mq_status mq_call_fail(mq_call *c, const char *fmt, ...) MQ_PRINTF(2, 3);
/* MQ_ERR_UNSUPPORTED, the same way: a case that the operator has and this kernel has not. */
mq_status mq_call_unsupported(mq_call *c, const char *fmt, ...) MQ_PRINTF(2, 3);

/* ---- fast kernels --------------------------------------------------------------------------------------------------
 * Chosen per node and per set of input types, shapes and layouts; the state is kept for them and used again. Constants
 * may lie at any address (a mapped file is not aligned) and have constant set. */
typedef struct mq_fast {
    const char *domain, *op;
    const char *name; /* for profiles: "onednn:conv" */
    /* Takes the case (*state not NULL) or not (*state NULL, MQ_OK): then the next row is asked, at last the reference.
     * Inputs are there with their data, outputs are not. Errors end the run: only MQ_ERR_NOMEM. */
    mq_status (*prepare)(mq_call *c, void **state);
    mq_status (*run)(mq_call *c, void *state);
    void (*release)(void *state);
    unsigned layouts; /* bit i: input i may come in the library's own layout; other inputs are made plain first */
} mq_fast;

/* The next fast row for the operator behind `after` (NULL: the first); NULL: no more. Rows stand in order of preference. */
const mq_fast *mq_fast_find(const char *domain, const char *op, const mq_fast *after);

/* Something made from constant input i (packed weights) that all shapes and all runners of the plan share: found under
 * `key`, or made. `make` gets user; `release` is called with the plan's end. Thread-safe. For inputs that are no
 * constant: made anew, and released after the call. */
mq_status mq_call_derived(mq_call *c, size_t i, const void *key, size_t key_size,
                          mq_status (*make)(mq_call *c, size_t i, void *user, void **out), void *user,
                          void (*release)(void *), void **out);
/* The one description with these bytes, kept by the plan: equal layouts are one pointer. NULL: out of memory (err set). */
const void *mq_call_layout(mq_call *c, const void *description, size_t size);
/* Who reads output i: true when every reader is a fast kernel of its own that takes it in the library's layout. */
bool mq_call_readers_take_layout(const mq_call *c, size_t i);

#endif
