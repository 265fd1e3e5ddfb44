/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* x86 CPUs without VNNI multiply unsigned activations by signed weights and add two neighbours in 16 bits, which saturate
 * (vpmaddubsw). Which neighbours they are is the kernel's affair, so any two weights of one output channel may meet.
 *
 * A layer is safe when a * (w1 + w2) stays within 16 bits for the largest activation a that calibration saw, as an integer
 * from 0 up, and the two largest weights of each channel, and the two smallest. Where it does not, weights of 7 bits are:
 * 255 * (64 + 64) = 32640. */
#ifndef MQ_QUANT_SATURATE_H
#define MQ_QUANT_SATURATE_H

#include "quant/calibration.h"
#include "quant/place.h"

/* A layer in which sums of two products could saturate. */
typedef struct mq_saturating {
    const mq_quant_item *item;
    const char *node; /* label of the product */
    long sum;         /* the largest that 8 bits could give, with its sign */
    bool reduced;     /* now the weight has 7 bits; else the user has its scales, or its range, another way */
} mq_saturating;

typedef struct mq_saturation {
    MQ_VEC(mq_saturating) items; /* at most one per weight */
    size_t n_checked;            /* weights */
} mq_saturation;

/* Looks at every product of 8-bit activations with an int8 weight, and gives those that could saturate 7 bits. Between
 * mq_static_ranges and mq_static_rewrite; reads the weights. Errors: MQ_ERR_NOMEM, or those of reading. */
mq_status mq_saturation_reduce(mq_saturation *s, const mq_quant_plan *plan, const mq_calibration *c, const mq_hooks *hooks,
                               mq_error *err);
/* After rounding by data, which may take larger integers than the nearest: weights whose products could saturate now are
 * rounded to nearest again (warning "round-saturates"). Errors as above. */
mq_status mq_saturation_unround(const mq_quant_plan *plan, const mq_calibration *c, const mq_hooks *hooks, mq_error *err);
void mq_saturation_release(mq_saturation *s);

#endif
