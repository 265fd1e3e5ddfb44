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
    /* Runs one node on constants: out gets n->n_outputs arrays (NULL for unnamed ones). MQ_ERR_UNSUPPORTED: it cannot,
     * the node stays. Given from above (the engine); NULL: nothing is folded. */
    mq_status (*evaluate)(void *user, mq_node *n, mq_array *const *in, mq_array **out, mq_error *err);
    void *user;
    /* A folded result may be at most this many bytes larger than the constants it is made of. */
    uint64_t fold_limit;
    bool keep_functions; /* nobody may inline them: some of their nodes are to stay as they are */
    bool for_file; /* what is made has to run in other engines, too */
} mq_pass_ctx;

typedef struct mq_pass {
    const char *name;    /* "fold-constants" */
    const char *summary; /* one line for --list-passes */
    /* One of both: what is done to a graph, or to each of its nodes, first to last (those that are made meanwhile left out,
     * unless they stand behind the node; any node may be removed). */
    mq_status (*run)(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err);
    mq_status (*node)(mq_node *n, size_t *n_changed, mq_error *err);
} mq_pass;

/* What the engine runs on its private copy, in order: ends with NULL. They may use operators of com.microsoft. */
extern const mq_pass *const mq_engine_passes[];

/* What static quantization runs on the model itself, so that what is quantized is what will run. Standard operators only. */
extern const mq_pass *const mq_quantize_passes[];

/* What makes operators on integers of QuantizeLinear and DequantizeLinear, for files (--format qoperator). */
extern const mq_pass *const mq_qoperator_passes[];

/* Who takes what is written: rows are for one or several of them. */
typedef enum mq_pass_target {
    MQ_PASS_ONNX = 1 << 0,        /* the standard's operators, of the file's opset */
    MQ_PASS_ONNXRUNTIME = 1 << 1, /* those of com.microsoft, too */
    MQ_PASS_PORTABLE = 1 << 2,    /* only what the oldest opset that a row knows has */
    MQ_PASS_ALL = MQ_PASS_ONNX | MQ_PASS_ONNXRUNTIME | MQ_PASS_PORTABLE,
} mq_pass_target;

/* What `mq convert` runs on a model that is to be written, in order, again and again until nothing changes: each pass is
 * listed once. They are run with for_file. Ends with a NULL pass. */
#define MQ_CONVERT_NAMED 4
typedef struct mq_convert_pass {
    const mq_pass *pass;
    unsigned targets; /* of mq_pass_target */
    int level; /* from -O1, -O2 or -O3 on. 1: every bit of the outputs stays; 2: roundings may differ; 3: may take long;
                  MQ_CONVERT_NAMED: no level has it, --passes does: fewer nodes, but ONNX Runtime takes longer for them */
    int opset; /* the oldest ai.onnx whose operators the pass reads rightly: a file keeps its opset, where the engine's copy
                  is at the newest; older models are left alone */
} mq_convert_pass;
extern const mq_convert_pass mq_convert_passes[];

/* More passes than that a table does not have. */
#define MQ_MAX_CONVERT_PASSES 128

typedef struct mq_convert_run {
    bool on[MQ_MAX_CONVERT_PASSES];            /* which rows of mq_convert_passes */
    size_t n_changed[MQ_MAX_CONVERT_PASSES];   /* out: what each changed, over all rounds */
    size_t n_rounds;                           /* out */
    size_t n_dropped;                          /* out: nodes that nobody read any more */
    bool settled;                              /* out: the last round changed nothing */
    /* Called after each pass that changed something, types inferred: the row, and what it changed in this round
     * (n_rounds are behind it). NULL: nobody looks. */
    mq_status (*after)(void *user, size_t row, size_t n_changed, mq_error *err);
    void *user;
    bool stop;                                 /* set by `after`: no more passes */
    const mq_hooks *hooks;
} mq_convert_run;

/* Runs the chosen rows of mq_convert_passes to a fixed point, but at most MQ_CONVERT_ROUNDS times. Initializers that nobody
 * reads any more are dropped at the end. Bodies of functions stay as they are: their types differ from call to call;
 * inline-functions makes nodes of those that are called once. */
#define MQ_CONVERT_ROUNDS 20
mq_status mq_passes_settle(mq_model *m, mq_convert_run *run, const mq_pass_ctx *ctx, mq_error *err);

/* Runs a pass over one graph, without those inside it. Adds to *n_changed. */
mq_status mq_pass_run(const mq_pass *pass, mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err);

/* Runs each pass of the list over every graph of the model, inner graphs first, then drops nodes that nobody reads and
 * infers types anew after each that changed something. */
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
/* Removes nodes whose outputs nobody uses, last first, and initializers that they alone read; counts the nodes (may be
 * NULL). */
void mq_graph_drop_dead(mq_graph *g, size_t *n_dropped);

/* Initializers that nobody uses are none any more, in all graphs. */
void mq_model_drop_unused(mq_model *m);

/* A node before `at` with these inputs (NULL: absent) and the attributes of `like` (may be NULL), without outputs. Imports
 * com.microsoft when the domain is that. */
mq_status mq_pass_insert(mq_node *at, const char *domain, const char *op, const mq_node *like, mq_value *const *in,
                         size_t n_in,
                         mq_node **out, mq_error *err);
/* The same with a name, which need not be the graph's only one: looking for a free one takes time. NULL: out of memory. */
mq_status mq_pass_insert_named(mq_node *at, const char *name, const char *domain, const char *op, const mq_node *like,
                               mq_value *const *in, size_t n_in, mq_node **out, mq_error *err);
/* Output 0 of `to` becomes the value that output 0 of `from` is; `from` goes, and with it what made its inputs, as far
 * as nobody reads that any more. A walk that stands at `from` must know its next node before. */
mq_status mq_pass_take_over(mq_node *to, mq_node *from, mq_error *err);
/* The same with an unnamed new value, named after `like`: for a node in the middle of what is made. */
mq_status mq_pass_give_output(mq_node *n, const mq_value *like, mq_value **out, mq_error *err);
/* Output 0 of n becomes a new value with the same readers, because its shape changes and what was declared of it no longer
 * holds; type: its new one (may be NULL). Not for graph outputs. */
mq_status mq_pass_renew_output(mq_node *n, mq_type *type, mq_error *err);
/* The node goes when nobody reads its outputs, and then what made its inputs. */
void mq_pass_drop(mq_node *n);

/* The nodes of g by position, from 1 on: what their tags become. From malloc; NULL: out of memory. */
mq_node **mq_pass_positions(mq_graph *g);
/* What an operator makes whose types nobody can infer keeps the type that v has now. */
void mq_pass_keep_type(mq_value *v);

/* The producer of v when it is this operator of ai.onnx, with an input 0, and v is read only once (by the node asking), in
 * the graph where it is made; else NULL. */
mq_node *mq_pass_only_producer(const mq_value *v, const char *op);
/* v's producer when it is this operator of ai.onnx with an input 0, whoever else reads v; else NULL. */
mq_node *mq_pass_producer(const mq_value *v, const char *op);
/* The one axis, from 0 on, that n (one of the Reduce operators) reduces to size 1; -1: it does something else, or the rank
 * is not known. */
int mq_pass_reduced_axis(const mq_node *n);
/* The same axis, and it is the last one. */
bool mq_pass_reduces_last(const mq_node *n);
/* A constant of exactly one element, as a number; false: v is none. */
bool mq_constant_number(const mq_value *v, double *out);
/* The count elements of a float constant, in the arena; NULL: v is no float constant of that many elements, or out of
 * memory. */
float *mq_constant_floats(const mq_value *v, int64_t count);
/* A constant of this type and shape beside g's others, named after base. `data` is copied. */
mq_status mq_constant_of(mq_graph *g, const char *base, mq_dtype dtype, int rank, const int64_t *dims, const void *data,
                         mq_value **out, mq_error *err);
/* The same over memory from malloc, which passes to the model (freed on failure too). */
mq_status mq_constant_of_heap(mq_graph *g, const char *base, mq_dtype dtype, int rank, const int64_t *dims, void *data,
                              mq_value **out, mq_error *err);
/* v is what stands in the model for the constant `from` now, and whoever names that (filters, overrides) means v: it gets
 * the name, when nobody reads `from` any more. */
mq_status mq_constant_take_name(mq_value *v, mq_value *from, mq_error *err);
/* Rank and every dim known and equal, or the same symbol. */
bool mq_same_shape(const mq_value *a, const mq_value *b);
/* Dim i (negative: from the end) of v; MQ_DIM_UNKNOWN when not known. */
mq_dim mq_value_dim(const mq_value *v, int i);

#endif
