/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Quantization of a model file: what `mq quantize` does, as one call. */
#ifndef MQ_QUANTIZE_H
#define MQ_QUANTIZE_H

#include "mq/bounds.h"
#include "mq/model.h"
#include "mq/report.h"
#include "mq/run.h"
#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum mq_quantize_mode {
    MQ_MODE_AUTO,    /* static with calibration data, else weight; said */
    MQ_MODE_WEIGHT,  /* weights are stored as integers, computation stays float */
    MQ_MODE_DYNAMIC, /* activations are quantized too, with ranges found at run time */
    MQ_MODE_STATIC,  /* with ranges found by calibration */
} mq_quantize_mode;

typedef enum mq_quantize_format {
    MQ_FORMAT_QDQ,   /* DequantizeLinear: standard ONNX */
    MQ_FORMAT_QOPERATOR, /* MQ_MODE_STATIC: QLinearConv, QLinearMatMul, ..., those of com.microsoft too; else QDQ */
    MQ_FORMAT_NBITS, /* com.microsoft MatMulNBits and GatherBlockQuantized, else QDQ */
} mq_quantize_format;

typedef enum mq_block_fallback {
    MQ_BLOCK_PARTIAL, /* the last block is shorter */
    MQ_BLOCK_ERROR,   /* MQ_ERR_UNSUPPORTED naming the tensor */
    MQ_BLOCK_SKIP,    /* the tensor stays in float */
    MQ_BLOCK_ADJUST,  /* the largest smaller power of two that divides (from 16), else partial */
} mq_block_fallback;

/* How weights become integers. Those from AWQ on look at what layers read (calibrate_on, in every mode) and lower the
 * error of what they make. */
typedef enum mq_algorithm {
    MQ_ALGORITHM_DEFAULT, /* RTN; with MQ_EFFORT_BEST ADAROUND */
    MQ_ALGORITHM_RTN, /* round to nearest within the range of the values */
    MQ_ALGORITHM_MSE, /* the range with the least squared error */
    MQ_ALGORITHM_HQQ, /* half-quadratic */
    MQ_ALGORITHM_AWQ,  /* inputs that are large have finer weights; with MQ_MODE_WEIGHT */
    MQ_ALGORITHM_GPTQ, /* column after column, those behind make up for its error */
    MQ_ALGORITHM_ADAROUND, /* integers changed one by one while that lowers the error */
} mq_algorithm;

/* Where a range comes from; the algorithm is RTN for the last two. */
typedef enum mq_range {
    MQ_RANGE_MINMAX, /* the values themselves */
    MQ_RANGE_FIXED,  /* range_lo to range_hi */
    MQ_RANGE_STDDEV, /* mean +- range_k standard deviations */
} mq_range;

/* How the ranges of activations follow from what calibration saw. */
typedef enum mq_calibration_kind {
    MQ_CALIBRATION_DEFAULT, /* the one that measures best: MQ_CALIBRATION_MSE */
    MQ_CALIBRATION_MINMAX,
    MQ_CALIBRATION_EMA,        /* extremes of runs, averaged, newer ones counting more */
    MQ_CALIBRATION_PERCENTILE, /* mq_quantize_opts.percentile of the values */
    MQ_CALIBRATION_ENTROPY,    /* least Kullback-Leibler divergence */
    MQ_CALIBRATION_MSE,        /* least squared error */
} mq_calibration_kind;

/* How much time is spent on finding a better result. */
typedef enum mq_effort {
    MQ_EFFORT_NORMAL,
    MQ_EFFORT_FAST, /* nothing that needs a second pass over the data */
    MQ_EFFORT_BEST, /* weights are rounded by data, too: in every mode, and not without them */
} mq_effort;

/* Sizes of an activation's channels moved into the weights that read it, before ranges are found. */
typedef enum mq_smooth_kind {
    MQ_SMOOTH_DEFAULT, /* AUTO; with MQ_EFFORT_FAST or a calibration cache NONE */
    MQ_SMOOTH_AUTO,    /* where that promises less error */
    MQ_SMOOTH_NONE,
    MQ_SMOOTH_ALPHA,   /* everywhere, activation^alpha / weight^(1-alpha) */
} mq_smooth_kind;

typedef enum mq_choice { MQ_CHOICE_DEFAULT, MQ_CHOICE_NO, MQ_CHOICE_YES } mq_choice;

typedef struct mq_quantize_opts {
    mq_names nodes, exclude_nodes;       /* default: all nodes */
    mq_names tensors, exclude_tensors;   /* names of weights; default: all */
    mq_names op_types, exclude_op_types; /* default: all that have weights */
    mq_quantize_mode mode;        /* default MQ_MODE_AUTO */
    const char *type;             /* int8 (default), uint8, int4, uint4, int2, uint2, int16, uint16 */
    mq_names tensor_types;        /* "PATTERN=TYPE": the type of some weights; "float" leaves them */
    const char *ends_type;        /* with types of at most 4 bits: of embeddings and last layers (default int8) */
    const char *overrides;        /* a JSON file: per tensor type, scale, zero point, range, block size; NULL: none */
    bool per_tensor;              /* one scale for a whole weight (default false: one per output channel) */
    mq_choice symmetric;          /* default: yes for int8 and int16, no for the others; by target */
    mq_choice reduce_range;       /* 7 of 8 bits; default: by target */
    mq_quantize_format format;    /* default MQ_FORMAT_QDQ */
    int block_size;               /* of types of at most 4 bits: 16 to 256, a power of two (default 32) */
    mq_block_fallback block_fallback; /* default MQ_BLOCK_PARTIAL */
    int accuracy_level;           /* of MatMulNBits, 0 to 4 (default 4: int8 activations inside) */
    mq_algorithm algorithm;       /* default MQ_ALGORITHM_DEFAULT: by effort */
    /* MQ_MODE_STATIC: */
    mq_data_source calibrate_on;  /* what ranges are found on; required unless a cache is given. In every mode what AWQ,
                                   * GPTQ and ADAROUND look at */
    mq_names calibration_cache;   /* files: one is written when it does not exist; those that exist are read and joined. One
                                   * that does not fit is MQ_ERR_INPUT, or made anew with save.force */
    bool calibrate_only;          /* write the one cache and no model (default false) */
    int shard, n_shards;          /* with calibrate_only: part `shard`, from 1, of n_shards; 0 (default): all */
    const char *act_type;         /* of activations: uint8, int8, uint16, int16; NULL (default): uint8, by target */
    mq_names io_types;            /* "TYPE" or "NAME=TYPE": inputs and outputs that become integers of act_type (which
                                   * follows them), explained in the metadata; "float" leaves them (default: all) */
    mq_choice act_symmetric;      /* default: no; by target */
    mq_calibration_kind calibration;
    mq_effort effort;
    mq_smooth_kind smooth;        /* default MQ_SMOOTH_DEFAULT: by effort */
    double smooth_alpha;          /* of MQ_SMOOTH_ALPHA: 0 to 1 */
    mq_choice bias_correction;    /* biases take back what rounding does to means; default: by effort (normal: yes) */
    mq_choice equalize;           /* rescale channels between layers first; default: by effort */
    double percentile;            /* default 99.99 */
    mq_range range;               /* default MQ_RANGE_MINMAX */
    float range_lo, range_hi, range_k;
    const char *target;           /* a name of mq_quantize_targets, or "RUNTIME,CPU"; default "onnx" */
    bool requantize;              /* take a model that is quantized already (default false: MQ_ERR_USAGE) */
    int opset;             /* of the output; 0 (default): the input's, raised as far as needed */
    mq_verify verify;      /* default MQ_VERIFY_AUTO */
    mq_data_source verify_on; /* what models are run on (default: generated inputs) */
    mq_bounds bounds;      /* default: max_size_ratio 1; runs both models where that is needed */
    mq_data_source judge_on; /* what metrics and times of bounds are measured on; n_data 0: generated inputs */
    /* With a bound on outputs, a metric or size that does not hold by itself, a search gives single layers other forms. */
    bool sensitivity;      /* report what each layer's quantization costs alone (default false; a search does it anyway) */
    double time_limit;     /* of these and of rounding by data together, seconds; 0 (default): none */
    bool strict;           /* a warning counts as a missed bound (default false) */
    bool dry_run;          /* decide and report, write nothing */
    bool hash;             /* SHA-256 of input and output into the report (reads both files once more; default false), and
                            * where both models are run, and one computes with integers, their speed */
    const char *keep_failed; /* where a result that misses a bound is put; NULL: nowhere */
    mq_save_opts save;
    void (*note)(void *user, const char *text); /* what should be known beforehand; may be NULL */
    void *user;
} mq_quantize_opts;

MQ_API mq_quantize_opts mq_quantize_opts_default(void);

/* Quantizes the weights of `input` and writes `output`. Fills the report (not NULL): sizes, each tensor's treatment and
 * error, bounds, steps. A bound that is missed is no failure: the report says so (mq_report_n_missed) and output is not put
 * in place. With calibrate_only output is not looked at. hooks may be NULL.
 * Errors: MQ_ERR_INPUT (input missing, corrupt or invalid), MQ_ERR_USAGE (filters without a match, output exists, already
 * quantized, options that contradict each other), MQ_ERR_UNSUPPORTED (nothing to quantize; opts->opset too low),
 * MQ_ERR_SYSTEM. */
MQ_API mq_status mq_quantize_file(const char *input, const char *output, const mq_quantize_opts *opts, mq_report *report,
                                  const mq_hooks *hooks, mq_error *err);

/* The integer types and the targets as tables for people; to be freed with free(). NULL: out of memory. */
MQ_API char *mq_quantize_list_types(void);
MQ_API char *mq_quantize_list_targets(void);

#ifdef __cplusplus
}
#endif
#endif
