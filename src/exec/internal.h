/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Plans and runners from inside: what plan.c makes, run.c walks, and call.c serves. */
#ifndef MQ_EXEC_INTERNAL_H
#define MQ_EXEC_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "exec/exec.h"
#include "exec/kernel.h"
#include "exec/memory.h"

typedef struct mq_body mq_body;

/* Where a step finds an input. */
typedef struct mq_operand {
    mq_array *constant; /* this array; else */
    const mq_tensor *tensor; /* that the bytes of the constant, or of an input's default, lie in */
    int up;             /* the slot of the frame so many scopes up; -1: absent */
    size_t slot;
    bool dies;          /* this frame's slot is not read after this step */
} mq_operand;

#define MQ_NO_SLOT SIZE_MAX

/* Something made from a constant: packed weights. */
typedef struct mq_derived {
    struct mq_derived *next;
    size_t input;
    size_t key_size;
    void *key;
    void *thing;
    void (*release)(void *);
} mq_derived;

/* Where an output goes that is nothing but a part of what another step joins. */
typedef struct mq_place {
    const struct mq_step *join; /* NULL: nowhere in particular */
    size_t part;
} mq_place;

typedef struct mq_step {
    mq_node *node;
    const mq_kernel *ref;  /* NULL: only a fast kernel may run it */
    const mq_fast *fast;   /* the first fast row, or NULL */
    mq_operand *in;
    size_t *out;           /* slots, MQ_NO_SLOT where the node names none */
    bool *out_layout;      /* every reader of the output takes the library's layout */
    mq_place *place;       /* of each output */
    size_t *dead;          /* slots of this frame that nobody reads after this step */
    size_t n_dead;
    mq_body **bodies;      /* of the node's graphs, in attribute order */
    size_t n_bodies;
    size_t id;             /* over all bodies of the plan */
    _Atomic(mq_derived *) derived; /* added to under the plan's lock, read without */
} mq_step;

struct mq_body {
    const mq_graph *graph;
    mq_step *steps;
    size_t n_steps;
    size_t n_slots;
    size_t *inputs;        /* slot of each graph input */
    mq_array **defaults;   /* of each graph input; NULL: must be given */
    size_t n_inputs;
    mq_operand *outputs;
    size_t n_outputs;
    const mq_value **watched; /* per slot: the value to tell about, or NULL */
};

typedef struct mq_layout_note {
    struct mq_layout_note *next;
    size_t size;
    unsigned char bytes[];
} mq_layout_note;

struct mq_plan {
    mq_model *model; /* the private copy; everything of the plan lives in its arena */
    mq_body *main;
    size_t n_steps; /* of all bodies */
    size_t n_real_outputs; /* graph outputs behind these are kept tensors */
    mq_plan_opts opts;
    MQ_VEC(mq_array *) constants; /* freed with the plan */
    mq_map constant_of; /* name -> mq_array, of the main graph's constants */
    MQ_VEC(mq_missing) missing;
    MQ_VEC(mq_step *) steps; /* by id */
    mq_layout_note *layouts;
    uint64_t generation; /* counts mq_plan_set_constant */
    pthread_mutex_t lock; /* constants' aligned copies, derived things, layouts */
};

/* A fast kernel's state for one set of input types and shapes; fast NULL: the reference runs. */
typedef struct mq_prepared {
    int64_t *key;
    size_t key_n;
    const mq_fast *fast;
    void *state;
    uint64_t used; /* when last, for dropping the oldest */
} mq_prepared;
#define MQ_MAX_PREPARED 8

typedef struct mq_join mq_join;

typedef struct mq_step_state {
    mq_prepared *prepared;
    size_t n, cap;
    mq_join *join; /* of a step that joins its inputs; NULL: nothing is known yet */
} mq_step_state;

typedef struct mq_frame {
    struct mq_frame *up;
    const mq_body *body;
    mq_array **slots;
} mq_frame;

struct mq_runner {
    mq_plan *plan;
    int n_threads;
    mq_pool *pool;
    mq_arena *arena; /* strings of the current run */
    mq_step_state *states; /* by step id */
    mq_watch_fn watch;
    void *watch_user;
    const mq_hooks *hooks;
    uint64_t generation; /* of the plan's constants, when the states were made */
    uint64_t seed;
    uint64_t clock;
    size_t n_joining; /* steps whose parts lie ready */
    bool profile;
    mq_node_stat *stats; /* of the main body */
    int depth;
};

/* The executor's side of an mq_call. */
typedef struct mq_call_state {
    mq_runner *runner;
    mq_frame *frame;
    mq_step *step;
    const bool *dies; /* per input: the array belongs to this call alone */
    mq_block *scratch[8];
    size_t n_scratch;
    MQ_VEC(mq_block *) more_scratch;
    MQ_VEC(mq_derived *) own; /* derived from inputs that are no constants */
} mq_call_state;

/* run.c: runs a body with n_in inputs; out gets a reference each. */
mq_status mq_run_body(mq_runner *r, const mq_body *b, mq_frame *up, size_t n_in, mq_array *const *in, size_t n_out,
                      mq_array **out, mq_error *err);
/* macs.c: multiply-accumulates of a call that has been made; 0: none, or not known. */
int64_t mq_call_macs(const mq_call *c);

/* call.c: gives scratch and what was derived for the call back. */
void mq_call_state_release(mq_call_state *s);

/* convert.c: runs a reference kernel with its inputs made fit (plain, aligned, widened, unpacked), its outputs narrowed and
 * packed again. */
mq_status mq_run_reference(mq_call *c, const mq_kernel *k);

/* join.c: marks what makes the parts of a step that joins them; nodes' tags are their steps' numbers plus one. */
void mq_join_mark(mq_body *body, mq_step *join);
/* Memory for output i of a call, from byte *at of a block on: where it is joined later, or anywhere. NULL: out of memory. */
mq_block *mq_join_block(mq_call *c, size_t i, size_t bytes, size_t *at);
void mq_joins_drop(mq_runner *r);
void mq_join_close(mq_join *j); /* NULL is fine */

/* body.c: steps of the plan's main graph and all inner ones. */
mq_status mq_plan_build(mq_plan *p, mq_error *err);

#endif
