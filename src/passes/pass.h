/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Graph rewrites: one file and one descriptor each, listed in table.c in the order they run.
 *
 * Adding a pass: a file with static helpers (match, check, rewrite; nothing is changed before everything is checked), a
 * descriptor `const mq_pass mq_pass_<name>`, a line in table.c with a word on why it stands there, and a test
 * tests/unit/passes/<name>.c. A pass sees one graph at a time (mq_passes_run walks inner graphs too), and leaves types in
 * value->type right for what it makes, or NULL. Graph outputs keep their names and stay. */
#ifndef MQ_PASSES_PASS_H
#define MQ_PASSES_PASS_H

#include "graph/array.h"

typedef struct mq_pass_ctx {
    /* Runs one node on constants: out gets n->n_outputs arrays (NULL for unnamed ones). MQ_ERR_UNSUPPORTED: it cannot, the node stays.
     * Given from above (the engine); NULL: nothing is folded. */
    mq_status (*evaluate)(void *user, mq_node *n, mq_array *const *in, mq_array **out, mq_error *err);
    void *user;
    /* A folded result may be at most this many bytes larger than the constants it is made of. */
    uint64_t fold_limit;
} mq_pass_ctx;

typedef struct mq_pass {
    const char *name;    /* "fold-constants" */
    const char *summary; /* one line for --list-passes */
    mq_status (*run)(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err);
} mq_pass;

/* What the engine runs on its private copy, in order: ends with NULL. They may use operators of com.microsoft. */
extern const mq_pass *const mq_engine_passes[];

/* Runs each pass of the list over every graph of the model, inner graphs first, then drops nodes that nobody reads and infers types
 * anew after each that changed something. */
mq_status mq_passes_run(mq_model *m, const mq_pass *const *list, const mq_pass_ctx *ctx, mq_error *err);

/* ---- what passes share (util.c) ------------------------------------------------------------------------------------ */

/* The only node that reads v, when v is no graph output; NULL otherwise. */
mq_node *mq_only_reader(const mq_value *v);
/* v's constant, when it is one in every run. */
mq_tensor *mq_constant_input(const mq_node *n, size_t i);
/* Type and rank as far as known. */
mq_dtype mq_value_dtype(const mq_value *v); /* MQ_UNDEFINED: unknown */
int mq_value_rank(const mq_value *v);       /* -1: unknown */
/* v becomes the constant t: its producer loses the output. */
mq_status mq_value_make_constant(mq_value *v, mq_tensor *t, mq_error *err);
/* A new constant beside v: named after it. */
mq_status mq_constant_create(mq_graph *g, const char *base, mq_tensor *t, mq_value **out, mq_error *err);
/* Everybody who reads `from` reads `to` instead; false (nothing changed) when `from` is a graph output. */
mq_status mq_value_bypass(mq_value *from, mq_value *to, bool *done, mq_error *err);
/* Removes nodes whose outputs nobody uses, last first; counts them (may be NULL). */
void mq_graph_drop_dead(mq_graph *g, size_t *n_dropped);

#endif
