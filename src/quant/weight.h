/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One weight being quantized: what goes in, how, and what comes out. The integers are made when the file is written; until
 * then only the decisions are here. */
#ifndef MQ_QUANT_WEIGHT_H
#define MQ_QUANT_WEIGHT_H

#include "passes/source.h"
#include "quant/fit.h"
#include "quant/kernels.h"
#include "quant/scheme.h"

/* What the operators' form wants the integers to look like. */
typedef enum mq_packing {
    MQ_PACK_PLAIN, /* the view's elements in order, sub-byte types packed along the whole tensor */
    MQ_PACK_NBITS, /* com.microsoft MatMulNBits: rows of blocks, each row padded to whole blocks */
} mq_packing;

typedef struct mq_weight {
    mq_source source;
    mq_scheme scheme;
    mq_grid grid; /* over the source's view */
    mq_fit fit;
    mq_packing packing;

    /* found when first needed, or the user's from the start; n_scales of each, heap */
    float *scales;
    int32_t *zero_points;
    bool given; /* by the user: they stay as they are */
    uint8_t *rounded; /* NULL: each element is rounded to nearest. Else its integers, a byte each, in the order of the view;
                         heap. For types of at most 8 bits, with scales that are known */

    /* set while the integers are made */
    bool measured;
    mq_quant_sums sums;
    mq_nonfinite bad;
    size_t n_zero_groups; /* scales whose values are all zero */

    mq_maker make_integers, make_scales, make_zero_points;
} mq_weight;

/* Sets up the makers and their sizes; source, scheme, grid, fit and packing are set. */
void mq_weight_init_makers(mq_weight *w);
void mq_weight_release(mq_weight *w);

/* Finds scales and zero points now, unless they are known. */
mq_status mq_weight_find_params(mq_weight *w, const mq_hooks *hooks, mq_error *err);

/* Bytes of the packed integers, of the scales, of the zero points. */
uint64_t mq_weight_integer_bytes(const mq_weight *w);
uint64_t mq_weight_scale_bytes(const mq_weight *w);
uint64_t mq_weight_zero_point_bytes(const mq_weight *w);

/* Where integers were made beforehand: those of one scale, which has changed, become the nearest. Errors of reading,
 * MQ_ERR_NOMEM. */
mq_status mq_weight_round_scale(mq_weight *w, size_t scale, mq_error *err);

/* The integer of element `at`, where they were made beforehand. */
int mq_weight_integer(const mq_weight *w, size_t at);

/* Signal to quantization noise in dB; infinite when nothing was lost. Needs measured. */
double mq_weight_sqnr(const mq_weight *w);

#endif
