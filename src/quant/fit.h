/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From the values that share a scale to that scale and zero point. */
#ifndef MQ_QUANT_FIT_H
#define MQ_QUANT_FIT_H

#include "base/compiler.h"
#include "quant/scheme.h"

typedef enum mq_fit_kind {
    MQ_FIT_MINMAX, /* the range of the values: plain rounding to nearest loses least at the ends */
    MQ_FIT_FIXED,  /* a range given by the user */
    MQ_FIT_STDDEV, /* mean +- k standard deviations */
    MQ_FIT_MSE,    /* least squared error; never more than MINMAX */
    MQ_FIT_HQQ,    /* half-quadratic quantization (Badri and Shaji 2023, "Half-Quadratic Quantization of Large Machine
                      Learning Models"): least sum of |error|^p, p < 1, so that outliers count less; never more than MINMAX,
                      and squared error at most 1 % above it */
} mq_fit_kind;

typedef struct mq_fit {
    mq_fit_kind kind;
    float lo, hi; /* MQ_FIT_FIXED */
    float k;      /* MQ_FIT_STDDEV */
} mq_fit;

/* Does the fit need the values, or only their range? */
bool mq_fit_needs_values(const mq_fit *f);

/* Scale and zero point of n finite values w with range [lo, hi]; w is NULL unless mq_fit_needs_values. */
void mq_fit_group(const mq_fit *f, const mq_scheme *s, const mq_unaligned_f32 *w, size_t n, float lo, float hi, float *scale,
                  int32_t *zero_point);

/* The scale and zero point, of those that MQ_FIT_MSE looks at, with the least sum of importance x squared error. */
void mq_fit_weighted(const mq_scheme *s, const mq_unaligned_f32 *w, const float *importance, size_t n, float *scale,
                     int32_t *zero_point);

#endif
