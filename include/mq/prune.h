/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pruning of a model file: what `mq prune` does, as one call. */
#ifndef MQ_PRUNE_H
#define MQ_PRUNE_H

#include "mq/bounds.h"
#include "mq/model.h"
#include "mq/report.h"
#include "mq/run.h"
#include "mq/status.h"
#include "mq/train.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What goes first. Zeros go before everything else, NaN after it. */
typedef enum mq_prune_method {
    MQ_PRUNE_L1,     /* the smallest magnitudes; of blocks: the smallest mean magnitude */
    MQ_PRUNE_L2,     /* the same of single weights; of blocks: the smallest mean square */
    MQ_PRUNE_RANDOM, /* any, by seed */
    MQ_PRUNE_MAX,    /* the largest values: a baseline */
    MQ_PRUNE_MIN,    /* the smallest values, negative ones first: a baseline */
    MQ_PRUNE_GEOMEDIAN, /* channels: the nearest to all others of their group */
    /* by data: */
    MQ_PRUNE_WANDA,     /* the smallest magnitudes times the norm of what they are multiplied by, in each row */
    MQ_PRUNE_SPARSEGPT, /* what the other weights of a row make up for best, and they do */
    MQ_PRUNE_TAYLOR,    /* channels: what the loss of labels, or the outputs, change by least, to first order */
    MQ_PRUNE_ACTIVATION, /* channels: the smallest mean activation */
} mq_prune_method;

/* What weights are compared with. */
typedef enum mq_prune_scope {
    MQ_PRUNE_LAYER,  /* those of the same tensor: each loses the same share */
    MQ_PRUNE_GLOBAL, /* all that are pruned */
} mq_prune_scope;

typedef struct mq_prune_opts {
    mq_names nodes, exclude_nodes;       /* default: all nodes */
    mq_names tensors, exclude_tensors;   /* names of weights; default: all */
    mq_names op_types, exclude_op_types; /* default: Conv, ConvTranspose, Gemm, MatMul, LSTM, GRU, RNN */
    mq_names sparsity;      /* "RATIO", the share of zeros in each weight (with MQ_PRUNE_GLOBAL: in all together), and
                             * "PATTERN=RATIO" for some weights, the last that fits counts; 0 leaves a weight. At least 0 and
                             * below 1 */
    double threshold;       /* instead: magnitudes below it go; negative (default): not given */
    int64_t nonzeros;       /* instead: so many stay in each weight, or in all with MQ_PRUNE_GLOBAL; -1 (default): not
                             * given */
    mq_prune_method method; /* default MQ_PRUNE_L1 */
    mq_prune_scope scope;   /* default MQ_PRUNE_LAYER */
    const char *pattern;    /* "none" (default); "N:M": N of M neighbours along the axis that products are summed over
                             * stay; "RxC": blocks of R output channels and C inputs;
                             * "channel", "head", "mlp", "layer": whole filters, attention heads, columns between two
                             * products, layers, which are taken out of the model together with what is coupled to them */
    size_t round_to;        /* channels: counts that stay are multiples of it (default 8; heads and layers: 1) */
    bool zero_only;         /* channels, heads, columns: zero instead of taken out (default false) */
    bool sparse;            /* weights are written as coordinates and values (sparse_initializer) where that is smaller
                             * (default false) */
    bool keep_ends;         /* single weights: first and last layers stay (default true) */
    uint64_t seed;          /* of MQ_PRUNE_RANDOM */
    uint64_t rounds;        /* prune in so many steps, and train on `data` after each, with what is zero held at zero; 0
                             * (default): prune once and train nothing */
    const char *schedule;   /* how far each round goes: "cubic" (default), "linear" */
    mq_train_opts train;    /* per round; by default 2 epochs (0: no training) and a learning rate of 0.002 */
    double val_split;       /* share of `data` held out for choosing the best epoch, without judge_on.val (default 0.1) */
    int opset;              /* of the output; 0 (default): the input's */
    mq_verify verify;       /* default MQ_VERIFY_AUTO */
    mq_data_source data;    /* what scores are measured on, and what is learned from */
    mq_data_source judge_on; /* what bounds are measured on; n_data 0: generated inputs */
    mq_data_source verify_on; /* what models are run on for the proof (default: generated inputs) */
    mq_bounds bounds;       /* besides size (default: none); runs both models where that is needed */
    /* Without a number of zeros, and with a bound on outputs or a metric, each weight gets the ratio that a search finds;
     * each group of channels also by bounds on multiply-accumulates, bytes and time. */
    bool sensitivity;       /* report what each weight or group loses alone (default false; a search does it anyway) */
    double time_limit;      /* of the search, seconds; 0 (default): none */
    bool strict;            /* a warning counts as a missed bound (default false) */
    bool dry_run;           /* decide and report, write nothing */
    bool hash;              /* SHA-256 of input and output into the report (default false) */
    const char *keep_failed; /* where a result that misses a bound is put; NULL: nowhere */
    mq_save_opts save;
    void (*note)(void *user, const char *text); /* what should be known beforehand; may be NULL */
    void (*detail)(void *user, const char *text); /* a line after each epoch and round; may be NULL */
    void *user;             /* of both */
} mq_prune_opts;

MQ_API mq_prune_opts mq_prune_opts_default(void);

/* Prunes the weights of `input` and writes `output`. Fills the report (not NULL): each weight's zeros, what stayed and why.
 * A bound that is missed is no failure: the report says so (mq_report_n_missed) and output is not put in place. hooks may
 * be NULL.
 * Errors: MQ_ERR_INPUT (input missing, corrupt or invalid), MQ_ERR_USAGE (filters without a match, output exists, quantized
 * already, options that contradict each other), MQ_ERR_UNSUPPORTED (nothing to prune; opts->opset too low),
 * MQ_ERR_SYSTEM. */
MQ_API mq_status mq_prune_file(const char *input, const char *output, const mq_prune_opts *opts, mq_report *report,
                               const mq_hooks *hooks, mq_error *err);

#ifdef __cplusplus
}
#endif
#endif
