/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the files of mq_inspect share. Each part fills its members of the inspection; all memory is in its arena. */
#ifndef MQ_API_INSPECT_PARTS_H
#define MQ_API_INSPECT_PARTS_H

#include "base/compiler.h"
#include "base/str.h"
#include "graph/graph.h"
#include "mq/inspect.h"
#include "ops/ops.h"
#include "report/census.h"

typedef struct mq_inspect_ctx {
    mq_model *model;
    const mq_inspect_opts *opts;
    const mq_hooks *hooks;
    mq_arena *arena;
    mq_inspection *out;
    mq_census census;
    size_t macs_seen; /* nodes that mq_inspect_node_macs has looked at so far */
} mq_inspect_ctx;

/* ---- inspect_shapes.c: sizes of inputs ---------------------------------------------------------------------------- */

/* Declares the sizes that the options give, and 1 for first sizes nobody knows; sets `assumed` and `open_dims`. *old gets
 * what the inputs declared before (one per graph input). */
mq_status mq_inspect_bind(mq_inspect_ctx *c, mq_type ***old, mq_error *err);
/* Puts the declarations back. */
void mq_inspect_unbind(mq_inspect_ctx *c, mq_type *const *old);

/* ---- inspect_overview.c: what the file says, weights, files ------------------------------------------------------- */

mq_status mq_inspect_overview(mq_inspect_ctx *c, mq_error *err);
mq_status mq_inspect_weights(mq_inspect_ctx *c, mq_error *err);
mq_status mq_inspect_files(mq_inspect_ctx *c, mq_error *err);

/* ---- inspect_cost.c: MACs and activations, after inference -------------------------------------------------------- */

mq_status mq_inspect_cost(mq_inspect_ctx *c, mq_error *err);
/* MACs of one node: of the body for a function; -1: not known, or there were too many calls already. */
int64_t mq_inspect_node_macs(mq_inspect_ctx *c, const mq_node *n);

/* ---- inspect_ops.c: operators, quantization, what is covered, the next command ------------------------------------ */

mq_status mq_inspect_ops(mq_inspect_ctx *c, mq_error *err);
/* Before sizes are declared: a target may need them fixed in the file. */
mq_status mq_inspect_targets(mq_inspect_ctx *c, mq_error *err);
mq_status mq_inspect_next(mq_inspect_ctx *c, mq_error *err);

/* ---- inspect_lists.c: what the patterns ask for, zeros ------------------------------------------------------------ */

mq_status mq_inspect_node_list(mq_inspect_ctx *c, mq_error *err);
mq_status mq_inspect_tensor_list(mq_inspect_ctx *c, mq_error *err);
mq_status mq_inspect_zeros(mq_inspect_ctx *c, mq_error *err);

/* ---- inspect_sparsity.c ------------------------------------------------------------------------------------------- */

/* Where the zeros of v's weight t lie, in the arena; "" when they lie anywhere, or v is no layer's weight. */
mq_status mq_inspect_structure(mq_inspect_ctx *c, const mq_value *v, mq_tensor *t, const char **out, mq_error *err);

/* ---- inspect_report.c --------------------------------------------------------------------------------------------- */

void mq_inspect_fill_report(const mq_inspection *in, mq_report *report);

/* ---- inspect_text.c: texts in the arena; NULL: out of memory ------------------------------------------------------ */

/* "float", "seq(float[?])", "?". */
const char *mq_inspect_type_text(mq_inspect_ctx *c, const mq_type *t);
/* "[batch, 3]", "scalar", "?", "" for what is no tensor. */
const char *mq_inspect_shape_text(mq_inspect_ctx *c, const mq_type *t);
const char *mq_inspect_dims_text(mq_inspect_ctx *c, const int64_t *dims, int n_dims);
mq_status mq_inspect_value_of(mq_inspect_ctx *c, const mq_value *v, const mq_type *t, mq_inspect_value *out,
                              mq_error *err);
/* "Conv", "com.microsoft::FusedConv". */
const char *mq_inspect_op_text(mq_inspect_ctx *c, const mq_node *n);
/* "conv1 (Conv)". */
const char *mq_inspect_node_text(mq_inspect_ctx *c, const mq_node *n);
/* Takes over a builder's text. */
const char *mq_inspect_keep(mq_inspect_ctx *c, mq_str *text);

/* Multiply-accumulates of a run, from inferred types; -1: not known for every node. */
int64_t mq_model_macs(const mq_model *m);
/* The same of one node, its inner graphs included. */
int64_t mq_node_macs(const mq_node *n);

#endif
