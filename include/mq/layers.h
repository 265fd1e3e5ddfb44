/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Where a quantized model and its original drift apart, layer by layer, and why (docs/layers.md). */
#ifndef MQ_LAYERS_H
#define MQ_LAYERS_H

#include "mq/run.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One layer that is quantized. Figures are signal to noise at `tensor`, in dB, over all samples: INFINITY: nothing is lost;
 * NAN: not measured, because the model has nothing of that kind there. Strings are never NULL. */
typedef struct mq_layer {
    const char *name;     /* its node in the reference: what --exclude-nodes takes */
    const char *op_type;
    const char *tensor;   /* of the reference: what the layer makes */
    const char *input;    /* the tensor whose integers lose most; "" when that is the weight, or nothing is known */
    double own;           /* only this layer quantized: the reference's values go in */
    double weights;       /* of it only the constants */
    double activations;   /* only the inputs */
    double saturation;    /* what sums of two products lose that stop at 16 bits (x86 without VNNI) */
    double accumulated;   /* the model's tensor beside the reference's */
    const char *cause;    /* stable: "clipped-range", "zero-point", ...; "" when nothing is lost */
    const char *why;      /* the sentence, with figures */
    const char *remedy;   /* options of mq quantize that treat it, the likeliest first */
} mq_layer;

typedef struct mq_layers_opts {
    mq_data_source source;
    const char *target; /* NULL or as --target: on a CPU whose 16-bit sums saturate that counts in `own` */
    size_t memory;      /* for tensors that are held at a time, bytes; 0: 512 MB */
    void (*note)(void *user, const char *text); /* what should be said about data and names; may be NULL */
    void *user;
} mq_layers_opts;

typedef struct mq_layers_result {
    const mq_layer *layers; /* the largest own error first */
    size_t n_layers;
    const mq_layer *first;  /* the first in the graph's order whose accumulated error is more than its own error and what
                               comes in explain; NULL: there is none */
    const char *const *unmatched; /* labels of quantized nodes of the model that no node of the reference stands for */
    size_t n_unmatched;
    uint64_t n_samples;
} mq_layers_result;

/* model: quantized, by mq or by others (QuantizeLinear and DequantizeLinear around operators, operators on integers, ranges
 * found at run time, weights alone). Both models are mended and declared as mq_check_against does. A layer of the model
 * belongs to the node of the reference that has its weight's, its result's or its own name. The entries are also added to
 * the report. Errors as mq_check_against; MQ_ERR_UNSUPPORTED: no quantized layer was found or matched. report and hooks may
 * be NULL. */
MQ_API mq_status mq_check_layers(mq_model *model, mq_model *reference, const mq_layers_opts *opts, mq_report *report,
                                 const mq_hooks *hooks, mq_layers_result **out, mq_error *err);
MQ_API void mq_layers_result_free(mq_layers_result *result); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
