/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Smoothing: where the channels of an activation differ in size, one scale for all of them wastes most of its steps on the
 * small ones. Dividing channel i by s_i, and multiplying the weights that read it by s_i, leaves the function what it is
 * and moves the difference into the weights, which have finer scales (Xiao et al., "SmoothQuant", 2023; between layers this
 * is equalization, Nagel 2019, by what activations hold instead of weights alone).
 *
 * The division goes into the weights, or the normalization, that make the activation, when nothing else reads it; before
 * matrix products it becomes a Mul otherwise. */
#ifndef MQ_QUANT_SMOOTH_H
#define MQ_QUANT_SMOOTH_H

#include "base/hash.h"
#include "quant/channels.h"
#include "quant/scheme.h"

/* Adds every activation that smoothing could look at: those which products with constant weights read. */
mq_status mq_smooth_wanted(mq_channel_table *t, const mq_model *m, mq_error *err);

typedef struct mq_smooth_opts {
    bool automatic;   /* each activation the form with the least expected error, where that gains enough */
    double alpha;     /* else: s_i = activation^alpha / weight^(1-alpha) for all */
    int levels;       /* steps of an activation's range: 255 for 8 bits */
    int weight_levels; /* steps from 0 to a weight's largest: 127 */
    const mq_scheme *rounded; /* not NULL: activations stay float, weights are rounded so, and the factors are those of
                                 Lin et al., "AWQ", 2024: rms of the channel ^ alpha, of eleven alphas the one with the least
                                 error, where that gains enough */
    size_t block;      /* of rounded: elements of a row that share a scale; 0: all */
} mq_smooth_opts;

typedef struct mq_smooth_result {
    size_t n_folded, n_inserted; /* activations: into what makes them, by a Mul */
    size_t n_products;           /* that read them, whose weights took the factors */
    double gain_db;              /* by which the error expected of the products falls, on average over the activations */
    double least_alpha, most_alpha; /* of the activations: the one asked for, or those chosen; 0 without any */
    char digest[MQ_SHA256_HEX];  /* of the factors; "" without any */
} mq_smooth_result;

/* Rewrites float weights. The expected error of a product: uniform rounding of the activation within its extremes, and of
 * the weights within each output channel's, propagated through weights and the channels' power, as independent. What
 * is divided gets an entry in seen. */
mq_status mq_smooth(mq_model *m, mq_channel_table *seen, const mq_smooth_opts *o, mq_smooth_result *result,
                    mq_error *err);

#endif
