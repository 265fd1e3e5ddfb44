/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Inspecting: what is in a model. */
#ifndef MQ_INSPECT_H
#define MQ_INSPECT_H

#include "mq/model.h"
#include "mq/report.h"
#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The shape of one input, for the figures that need one (MACs, activations). */
typedef struct mq_input_shape {
    const char *input;          /* NULL: the model's one input */
    int rank;
    const int64_t *dims;        /* -1 where symbols names the size */
    const char *const *symbols; /* may be NULL: no names */
} mq_input_shape;

/* The value of a symbolic size, wherever inputs have it. */
typedef struct mq_dim_size {
    const char *name;
    int64_t size;
} mq_dim_size;

typedef struct mq_inspect_opts {
    const char *const *nodes;   /* patterns: list these nodes (default none) */
    size_t n_nodes;
    const char *const *tensors; /* patterns: list these tensors, weights with statistics (default none) */
    size_t n_tensors;
    const mq_input_shape *shapes;
    size_t n_shapes;
    const mq_dim_size *dims;
    size_t n_dims;
    bool keep_batch;            /* leave unknown first sizes of inputs unknown (default false: they become 1) */
    uint64_t read_limit;        /* look for zeros only in models with weights of at most so many bytes (default 64 MB) */
} mq_inspect_opts;

MQ_API mq_inspect_opts mq_inspect_opts_default(void);

/* Strings below are never NULL, and are UTF-8 or not as the model has them. */

typedef struct mq_inspect_value {
    const char *name;
    const char *type;  /* "float", "seq(int64[?])"; "?" when not known */
    const char *shape; /* "[1, 3, 224, 224]", "[batch, ?]", "scalar", "?"; "" for what is no tensor */
} mq_inspect_value;

typedef struct mq_inspect_pair {
    const char *key;
    const char *value;
} mq_inspect_pair;

typedef struct mq_inspect_opset {
    const char *domain; /* "ai.onnx" written out */
    int64_t version;
} mq_inspect_opset;

typedef struct mq_inspect_op {
    const char *domain; /* "" for ai.onnx */
    const char *op_type;
    uint64_t nodes;
    uint64_t macs;           /* of those that are known */
    uint64_t macs_unknown;   /* nodes whose MACs are not known */
    uint64_t weight_bytes;   /* of the constants that its nodes use first, of float types */
    bool known;              /* in the operator table, or a function of the model */
    bool quantizable;        /* the quantizer treats a weight of one of its nodes */
    bool runs;               /* the engine has a kernel for it, or for what its newest version makes of it */
} mq_inspect_op;

typedef struct mq_inspect_type {
    const char *name;
    uint64_t tensors, elements, bytes;
} mq_inspect_type;

/* Figures of one tensor's elements; all in double precision, the same for every number of threads. */
typedef struct mq_tensor_stats {
    uint64_t zeros, nans, infs;
    double min, max, mean, std; /* of the finite elements; 0 when there are none */
#define MQ_HISTOGRAM_BINS 32
    uint64_t histogram[MQ_HISTOGRAM_BINS]; /* of the finite elements, from min to max in equal steps */
} mq_tensor_stats;

typedef struct mq_inspect_tensor {
    const char *name;
    const char *type;
    const char *shape;   /* as above */
    const char *place;   /* what it is: "weight of conv1 (Conv)", "output of conv1 (Conv)", "input" */
    uint64_t elements;
    uint64_t bytes;      /* 0: not known */
    bool is_weight;
    bool has_stats;      /* else `why` */
    const char *why;     /* why there are no statistics: missing data, strings; "" when there are or none apply */
    mq_tensor_stats stats;
    const char *structure; /* where its zeros lie: "2:4", "12 of 64 output channels are zero"; "" when nothing is seen */
} mq_inspect_tensor;

typedef struct mq_inspect_node {
    const char *name;
    const char *op_type; /* "Conv", "com.microsoft::FusedConv" */
    const char *graph;   /* "" for the main graph, else what it belongs to */
    int64_t macs;        /* -1: not known */
    const mq_inspect_value *inputs, *outputs; /* "" as name: left out */
    size_t n_inputs, n_outputs;
    const mq_inspect_pair *attributes;
    size_t n_attributes;
} mq_inspect_node;

typedef struct mq_inspect_file {
    const char *location; /* as the model names it */
    uint64_t tensors;     /* that are in it */
    uint64_t bytes;       /* of the file; 0 when it is missing */
    bool missing;
    const char *why;      /* "" or why it cannot be read */
} mq_inspect_file;

/* How a model is quantized already: nodes of each kind. */
typedef struct mq_inspect_quantization {
    uint64_t quantize, dequantize; /* QDQ */
    uint64_t qoperator;            /* QLinearConv, ... */
    uint64_t dynamic;              /* DynamicQuantizeLinear, MatMulInteger, ... */
    uint64_t nbits;                /* MatMulNBits, ... */
    const char *types;             /* of the quantized weights: "int8, uint4"; "" when there are none */
} mq_inspect_quantization;

/* Whether a runtime takes the model, as far as the table of targets knows. */
typedef struct mq_inspect_target {
    const char *name;    /* "onnxruntime" */
    const char *lacks;   /* operators that it does not have: "NonMaxSuppression, TRT::Plugin"; "" when it has all */
    uint64_t n_others;   /* other findings of `mq check --target`: versions, shapes, zero points */
    const char *first;   /* the first of those, or "" */
} mq_inspect_target;

typedef struct mq_inspection {
    const char *path;
    uint64_t file_bytes;       /* as stored */
    uint64_t data_bytes;       /* of the external files that are there */
    int64_t ir_version;
    const char *producer;      /* "pytorch 2.1" */
    const char *graph_name;
    const mq_inspect_opset *opsets;
    size_t n_opsets;
    const mq_inspect_pair *metadata;
    size_t n_metadata;
    const mq_inspect_value *inputs, *outputs; /* initializers that are listed as inputs are none */
    size_t n_inputs, n_outputs;
    uint64_t n_optional_inputs; /* initializers that are listed as inputs */

    uint64_t nodes, subgraphs, functions;
    const mq_inspect_op *ops;  /* most frequent first */
    size_t n_ops;

    uint64_t parameters;       /* elements of weights, without strings, bools, and 32 and 64-bit integers */
    uint64_t weight_bytes;
    const mq_inspect_type *types; /* most bytes first */
    size_t n_types;
    const mq_inspect_tensor *largest; /* at most five, without statistics */
    size_t n_largest;
    bool zeros_known;          /* false: weights were not read (read_limit, or data that are missing) */
    uint64_t zeros, zeros_of;  /* zero elements, of so many (float and signed integer types) */

    const char *assumed;       /* "batch=1": what sizes the two below hold for; "" when nothing was open */
    const char *open_dims;     /* symbolic sizes of inputs that are still open: "seq, past"; "" when none */
    uint64_t macs;             /* a loop's body counts once, a function's for each call */
    uint64_t macs_unknown;     /* nodes whose MACs are not known */
    uint64_t activation_peak;  /* bytes alive at once when nodes run in the file's order, nothing in place */
    uint64_t activation_sum;
    uint64_t activations_unknown; /* tensors whose size is not known */
    const char *activation_peak_at; /* the node where it is reached */

    mq_inspect_quantization quantization;
    bool is_quantized;
    uint64_t quantizable_tensors, quantizable_bytes; /* float weights that mq_quantize_file would change by default */
    uint64_t float_bytes;                            /* of all float weights */
    const mq_inspect_target *targets;
    size_t n_targets;

    const mq_inspect_file *files;
    size_t n_files;
    size_t n_errors;           /* rules of ONNX that the graph breaks, as far as inspecting sees */
    const char *next;          /* the command that most users of such a model want next */

    const mq_inspect_node *node_list;     /* as opts.nodes asks */
    size_t n_node_list;
    const mq_inspect_tensor *tensor_list; /* as opts.tensors asks: weights, then the others */
    size_t n_tensor_list;
} mq_inspection;

/* Inspects a loaded model; external data may be missing. The figures are also added to the report, under `model`. opts,
 * report and hooks may be NULL. Types of the model's values are inferred on the way for the sizes assumed; its own
 * declarations stay as they are. *out borrows from the model: free it first.
 * Errors: MQ_ERR_USAGE (a pattern or a name that matches nothing, a shape that does not fit), MQ_ERR_NOMEM,
 * MQ_ERR_CANCELLED. */
MQ_API mq_status mq_inspect(mq_model *model, const mq_inspect_opts *opts, mq_report *report, const mq_hooks *hooks,
                            mq_inspection **out, mq_error *err);

/* NULL is fine. */
MQ_API void mq_inspection_free(mq_inspection *inspection);

#ifdef __cplusplus
}
#endif
#endif
