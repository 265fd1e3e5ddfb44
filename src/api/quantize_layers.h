/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The layers of a model that is quantized and the forms that each of them can have: what --sensitivity measures, and a
 * search by bounds chooses among. */
#ifndef MQ_API_QUANTIZE_LAYERS_H
#define MQ_API_QUANTIZE_LAYERS_H

#include "api/quantize_job.h"
#include "api/sensitivity.h"

/* A copy of the prepared model for which something else is chosen, with a job of its own that says nothing to anybody. */
typedef struct mq_candidate {
    mq_quantize_job job;
    mq_quantize_opts opts;
    mq_hooks quiet;
    mq_report *aside;
} mq_candidate;

/* Copies j's model, which must not have been rewritten, and chooses by `levels` (borrowed until it is closed). `plain`:
 * every weight behind DequantizeLinear, whatever form was asked for. *c may be closed after a failure, too. */
mq_status mq_candidate_open(mq_candidate *c, const mq_quantize_job *j, const mq_levels *levels, bool plain);
/* Rewrites it: c->job.job.model is the quantized model. */
mq_status mq_candidate_build(mq_candidate *c);
/* Bytes of its files. After mq_candidate_build. */
mq_status mq_candidate_size(mq_candidate *c, uint64_t *bytes);
void mq_candidate_close(mq_candidate *c);

enum { MQ_LAYER_FORMS = 4 };

/* All layers in one form. The last one but int4 is what the options say. */
typedef struct mq_layer_form {
    const char *name;
    mq_dtype type;     /* of the weights; MQ_UNDEFINED: as the options say */
    bool float_inputs; /* computed in float */
    int guessed_from;  /* the form with coarser weights whose noise says what this one's is; -1: measured */
    mq_candidate all;  /* every layer so; chosen, not rewritten */
    mq_level *levels;
} mq_layer_form;

/* Weights that hold the same numbers, with the products that read them, or a product of two activations. */
typedef struct mq_quant_layer {
    const char *name, *op_type;
    const mq_value *constant; /* of the job's model, where the numbers are; NULL: a product of activations */
    const char **weights;   /* as operators see them */
    size_t n_weights;
    const char **results;   /* of products on integers */
    size_t n_results;
    double macs;            /* about, where they are not known */
    uint64_t bytes_before, bytes[MQ_LAYER_FORMS];
    bool usable[MQ_LAYER_FORMS];
    mq_sense_point alone[MQ_LAYER_FORMS]; /* what it loses alone; NAN: not measured */
} mq_quant_layer;

typedef struct mq_quant_layers {
    mq_layer_form forms[MQ_LAYER_FORMS];
    size_t n_forms, asked;  /* asked: the form that the options say */
    MQ_VEC(mq_quant_layer) items;
    mq_arena *arena;        /* what they point to */
    double bytes, macs;     /* of all */
    mq_sense_result sense;  /* of the measured forms */
    size_t measured[MQ_LAYER_FORMS], n_measured;
} mq_quant_layers;

/* The layers of j's plan. smaller: with int4 as a last form. */
mq_status mq_quant_layers_find(mq_quant_layers *l, const mq_quantize_job *j, bool smaller);
/* Fills `alone`: each layer is measured with all others in float (sensitivity.h), until the deadline (0: none). What lies
 * behind it is taken for as bad as the worst. */
mq_status mq_quant_layers_measure(mq_quant_layers *l, const mq_quantize_job *j, double deadline);
/* Fills `alone` without a run: each form loses four times what the finer one before it does, the same in every layer. */
void mq_quant_layers_guess(mq_quant_layers *l);
void mq_quant_layers_release(mq_quant_layers *l);

/* quantize_search.c: --sensitivity, and bounds that do not hold: sets j->levels, in the model's arena, and says what was
 * found in the report. The plan is to be chosen anew afterwards. */
mq_status mq_job_search(mq_quantize_job *j);

#endif
