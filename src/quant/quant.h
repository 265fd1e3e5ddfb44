/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Choosing what is quantized and how, and rewriting the graph for it.
 *
 *   select   finds every constant that an operator takes as its weight, and decides: type, granularity, or why it stays
 *   rewrite  puts integers, scales and the operators around them into the graph; the integers are made when the file is
 *            written (weight.h)
 *
 * The value that a dequantized weight becomes keeps the weight's name. */
#ifndef MQ_QUANT_QUANT_H
#define MQ_QUANT_QUANT_H

#include "base/pattern.h"
#include "graph/graph.h"
#include "mq/quantize.h"
#include "quant/levels.h"
#include "quant/weight.h"

/* Why a tensor stays as it is; the report names it. */
typedef enum mq_stay {
    MQ_STAY_NOT,      /* it is quantized */
    MQ_STAY_EXCLUDED, /* by a filter, or type "float" */
    MQ_STAY_TYPE,     /* its elements are no floating-point numbers */
    MQ_STAY_SMALL,    /* would not make the file smaller */
    MQ_STAY_SHARED,   /* something else than such operators uses it too */
    MQ_STAY_OUTPUT,   /* it is also an output of the graph */
    MQ_STAY_AXIS,     /* looked up along another axis than 0 */
    MQ_STAY_BLOCKS,   /* blocks do not divide it (--block-fallback skip) */
    MQ_STAY_SCOPE,    /* in the body of a function, whose constants belong to every call */
    MQ_STAY_BOUND,    /* for a bound: mq_quant_plan.levels */
    MQ_N_STAYS,
} mq_stay;

/* What the rewrite does with it. */
typedef enum mq_treatment {
    MQ_TREAT_DEQUANTIZE, /* behind DequantizeLinear */
    MQ_TREAT_EMBEDDING,  /* integers are gathered, then dequantized */
    MQ_TREAT_NBITS,      /* MatMulNBits */
    MQ_TREAT_GATHER_NBITS, /* GatherBlockQuantized */
    MQ_TREAT_DYNAMIC,    /* MatMulInteger, ConvInteger or DynamicQuantizeLSTM */
} mq_treatment;

/* A constant that at least one operator takes as its weight. */
typedef struct mq_quant_item {
    mq_value *value;    /* as the operators see it */
    mq_value *constant; /* where the numbers are stored; the same, or behind Transpose, Reshape, Identity, Cast */
    mq_stay stay;
    bool fixed;         /* --overrides or --tensor-type say what it becomes */
    const char *stay_detail; /* the other user's name, the type, ... or "" */
    mq_treatment treatment;
    bool embedding;     /* looked up by rows */
    bool last;          /* of a layer whose result leaves the graph without passing another weight */
    struct mq_quant_item *tied; /* its integers are that one's (an embedding), transposed; NULL: its own */
    int channel_axis;   /* of output channels in the view; -1: none */
    int reduce_axis;    /* along which products are summed (where blocks lie); -1: none */
    bool all_zero_points; /* they are written where they are 0, too */
    mq_choice reduce_range; /* what --overrides says of this one */
    int axis;           /* of the scales: channel_axis or reduce_axis by granularity; -1: one scale */
    const char *op_type; /* of the first user */
    const char **users;  /* labels of all users */
    size_t n_users;
    mq_weight weight;
    mq_value *q, *scale, *zero_point; /* once rewritten; zero_point NULL: left out */
    uint64_t bytes_before, bytes_after; /* payload: the weight; integers, scales and zero points */
} mq_quant_item;

struct mq_placement;

typedef struct mq_quant_plan {
    mq_model *model;
    const mq_quantize_opts *opts;
    const mq_levels *levels;  /* of single layers; NULL: none */
    MQ_VEC(mq_quant_item *) items; /* in the order in which nodes name them */
    size_t n_quantized;
    struct mq_placement *placement; /* of activations (place.h); NULL but with MQ_MODE_STATIC */
    int needed_opset;         /* of ai.onnx, for all that is planned */
    const char *needed_for;   /* what needs it: "blocks", "per-channel scales", ... */
} mq_quant_plan;

/* Finds every weight and decides. Types and shapes must have been inferred. Errors: MQ_ERR_USAGE for patterns without a
 * match and types that do not exist, MQ_ERR_UNSUPPORTED with MQ_BLOCK_ERROR. */
mq_status mq_quant_select(mq_quant_plan *plan, const mq_hooks *hooks, mq_error *err);

/* Rewrites the graph for the items that do not stay. The model's opset must be at least plan->needed_opset. */
mq_status mq_quant_rewrite(mq_quant_plan *plan, const mq_hooks *hooks, mq_error *err);

/* Makes the integers and scales now, in memory, for whoever wants to look at them. */
mq_status mq_quant_make_all(const mq_quant_plan *plan, const mq_hooks *hooks, mq_error *err);

/* Before IR 4 every initializer had to be a graph input as well; those of a quantized model are none. Warns when the version
 * changes ("ir-raised"). */
void mq_quant_raise_ir(mq_model *m, const mq_hooks *hooks);

void mq_quant_plan_release(mq_quant_plan *plan);

/* "small", "excluded", ... and the sentence for people. */
const char *mq_stay_code(mq_stay stay);
const char *mq_stay_text(mq_stay stay);
/* "qdq-weight", ...: stable, for scripts. */
const char *mq_treatment_name(const mq_quant_item *it);

#endif
