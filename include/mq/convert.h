/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rewriting a model file: what `mq convert` does, as one call. */
#ifndef MQ_CONVERT_H
#define MQ_CONVERT_H

#include "mq/model.h"
#include "mq/report.h"
#include "mq/run.h"
#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mq_precision_kind {
    MQ_PRECISION_KEEP,
    MQ_PRECISION_FP32, /* float16 and bfloat16 become float */
    MQ_PRECISION_FP16, /* float becomes float16 where that loses little */
    MQ_PRECISION_BF16,
} mq_precision_kind;

typedef enum mq_strip {
    MQ_STRIP_DOCS = 1 << 0,     /* documentation of everything */
    MQ_STRIP_METADATA = 1 << 1, /* metadata of everything */
    MQ_STRIP_NAMES = 1 << 2,    /* names of nodes; tensors keep theirs */
} mq_strip;

/* Who takes the result: which rewrites there are. */
typedef enum mq_convert_target {
    MQ_CONVERT_ONNX,        /* anybody who has the standard's operators of the opset */
    MQ_CONVERT_ONNXRUNTIME, /* ONNX Runtime: its operators of com.microsoft, too */
    MQ_CONVERT_PORTABLE,    /* small and old runtimes, too: no rewrite makes an operator newer than opset 7 */
} mq_convert_target;

typedef struct mq_convert_opts {
    mq_convert_target target; /* default MQ_CONVERT_ONNX */
    int level;             /* which rewrites: 0 none; 1 those that keep every bit; 2 (default) those that round otherwise,
                            * too; 3 all */
    mq_names passes;       /* these rewrites instead, in the table's order; default: by level */
    mq_names disable;      /* not these */
    uint64_t fold_limit;   /* a folded constant may be so many bytes larger than what it is made of (default 16 M) */
    int opset;             /* of the output; 0 (default): the input's */
    mq_names inputs, outputs; /* tensors to cut the graph at; default: its own */
    mq_names shapes, dims; /* "INPUT=1x3x224x224", "batch=8": written into the model */
    mq_names io_types;     /* "[NAME=]TYPE": inputs and outputs in another type */
    mq_names io_layouts;   /* "NAME=nchw" or "NAME=nhwc" */
    mq_names pixels;       /* specs as of --preprocess without resizing: inputs that take uint8 pixels */
    const char *weights_in;  /* .npz or .safetensors: arrays in the place of initializers; NULL: none */
    const char *weights_map; /* JSON: names in that file to names in the model; NULL: the same */
    bool weights_by_order; /* arrays of other names go to the first initializers of their types and shapes (default false) */
    const char *weights_out; /* .npz or .safetensors: the result's initializers; NULL: none is written */
    mq_names renames;      /* "OLD=NEW": tensors */
    unsigned strip;        /* mq_strip; 0 (default): nothing */
    mq_precision_kind precision;
    bool keep_io_types;    /* with it: inputs and outputs keep their types (default false) */
    mq_names nodes, exclude_nodes, op_types, exclude_op_types; /* which nodes are rewritten and change their precision
                                                                * (default: all) */
    mq_data_source seen_on; /* with it: nodes whose values leave the range on these data stay float; n_data 0: nothing is
                             * run */
    bool json;             /* write JSON for reading instead of a model (default false) */
    mq_verify verify;      /* default MQ_VERIFY_AUTO */
    mq_data_source verify_on; /* what models are run on (default: generated inputs) */
    double min_sqnr;       /* of every output against the input's, in dB; -INFINITY (default): when they are run, 80 */
    double max_size_ratio; /* of the input's bytes, external data included; 0 (default): no bound */
    uint64_t max_size;     /* in bytes; 0 (default): no bound */
    double max_macs, max_macs_ratio; /* multiply-accumulates of a run, their share of the input's; 0 (default): no bound */
    uint64_t max_ram;      /* bytes of activations at one time, as mq_inspect counts them; 0 (default): no bound */
    const char *eval_cmd;  /* for sh -c: measures the model {}, run for the input and for the result; NULL: none */
    const char *metric;    /* the key that counts when it prints a JSON object; NULL: it prints a number */
    bool lower_is_better;  /* of its number (default false) */
    double max_drop;       /* by how much the result may be worse: points where both are between 0 and 1, else a share of the
                            * input's (default 0) */
    bool with_onnxruntime; /* run the result there, too: every output must be the same there, within min_sqnr, else 40 dB */
    bool strict;           /* a warning counts as a missed bound (default false) */
    bool dry_run;          /* decide and report, write nothing */
    bool hash;             /* SHA-256 of input and output into the report (default false) */
    const char *keep_failed; /* where a result that misses a bound is put; NULL: nowhere */
    mq_save_opts save;
} mq_convert_opts;

MQ_API mq_convert_opts mq_convert_opts_default(void);

/* The first rewrite after which an output is another. */
typedef struct mq_bisect {
    char pass[64];     /* its name; "--opset": the opset did it before all rewrites; "": none */
    int round;         /* in which round of all rewrites, from 1 on; 0: before them */
    size_t n_changes;  /* what it changed there */
    size_t n_compared; /* how often the models were run */
    char output[256];  /* the output that differs most, "": none was compared */
    double sqnr;       /* that it still has, dB; infinite: equal, or what is not finite in one only */
} mq_bisect;

/* Runs the rewrites that opts choose one by one, and after each that changed something the model beside the input, on
 * opts->verify_on; stops at the first output below opts->min_sqnr (default: 80 dB). Before that, edges, sizes, weights and
 * opset are changed as opts say; what is done behind rewrites is not looked at, and nothing is written. The verdict is a
 * bound of the report. Errors: as of mq_convert_file; MQ_ERR_UNSUPPORTED also for a model that the engine cannot run. */
MQ_API mq_status mq_convert_bisect(const char *input, const mq_convert_opts *opts, mq_bisect *found, mq_report *report,
                                   const mq_hooks *hooks, mq_error *err);

/* Converts `input` and writes `output`. Fills the report (not NULL): sizes, what each rewrite changed, node counts, bounds,
 * steps. A bound that is missed is no failure: the report says so (mq_report_n_missed) and output is not put in place.
 * hooks may be NULL.
 * Errors: MQ_ERR_INPUT (input missing, corrupt or invalid), MQ_ERR_USAGE (output exists, names that match nothing),
 * MQ_ERR_UNSUPPORTED (what cannot be converted, listed before anything is written), MQ_ERR_SYSTEM. */
MQ_API mq_status mq_convert_file(const char *input, const char *output, const mq_convert_opts *opts, mq_report *report,
                                 const mq_hooks *hooks, mq_error *err);

/* The rewrites in their order, with levels, as a table for people; to be freed with free(). NULL: out of memory. */
MQ_API char *mq_convert_list_passes(void);

/* MQ_ERR_USAGE for a name that no rewrite for the target has; `option` begins the sentence. */
MQ_API mq_status mq_convert_check_passes(const char *option, const mq_names *names, mq_convert_target target, mq_error *err);

#ifdef __cplusplus
}
#endif
#endif
