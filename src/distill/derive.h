/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A student made of its teacher: fewer blocks, fewer channels, weights copied or drawn. */
#ifndef MQ_DISTILL_DERIVE_H
#define MQ_DISTILL_DERIVE_H

#include "graph/graph.h"

typedef struct mq_derive_opts {
    double width;  /* share of the channels of each group that stay, 0 < width <= 1. Groups of more than 32 channels come
                      to the nearest multiple of 8, no group below 1 */
    double depth;  /* share of the blocks (passes/blocks.h) that stay, 0 <= depth <= 1; those that go are evenly spread, and
                      at least one of each run of equal blocks stays */
    bool random;   /* weights are drawn (mq_weights_draw) instead of taken from the most important channels (by L1 norm) */
    uint64_t seed; /* of that */
} mq_derive_opts;

typedef struct mq_derived {
    size_t n_blocks, n_dropped;    /* blocks that could go, and those that went */
    size_t n_groups;               /* groups of coupled channels */
    size_t channels_before, channels_after;
} mq_derived;

/* Changes m, a copy of the teacher with functions inlined, nodes sorted and types inferred (which they are again after it).
 * Errors: MQ_ERR_USAGE for shares out of range; MQ_ERR_UNSUPPORTED when a width is asked for and no channel can go, with the
 * first reason, or when what is left does not fit together; MQ_ERR_INPUT, MQ_ERR_NOMEM. */
mq_status mq_student_derive(mq_model *m, const mq_derive_opts *opts, mq_derived *out, mq_error *err);

/* How many of n channels a width leaves. heads: they are attention heads, which are not rounded. */
size_t mq_width_left(size_t n, double width, bool heads);

/* Fresh weights for everything that is trained (derive_init.c): Conv, ConvTranspose, and products before a Relu after He et
 * al. 2015 (uniform, variance 2/fan_in); other products after Glorot and Bengio 2010 (uniform, variance 2/(fan_in+fan_out));
 * recurrent layers uniform within 1/sqrt(units); embeddings with variance 1/width; biases and means 0, scales and
 * variances 1. The same seed gives the same weights. */
mq_status mq_weights_draw(mq_model *m, uint64_t seed, mq_error *err);

/* Convolutions of the main graph with weights of their own and no BatchNormalization behind them (norms.c); the list is in
 * the arena. */
mq_status mq_norms_find(mq_model *m, mq_node ***out, size_t *n, mq_error *err);

/* Puts one behind such a Conv. mean, variance: those of each of its channels on some data; on such data the model computes
 * what it did, and a narrower copy of it that is trained begins with channels of that mean and variance, whatever its inputs
 * have lost. NULL: scale 1, bias 0, for fresh weights. Types are to be inferred anew. */
mq_status mq_norms_insert(mq_node *conv, const double *mean, const double *variance, mq_error *err);

/* Brings filters in front of what mq_norms_insert put in to the size of fresh ones, which an optimizer's steps are made
 * for; what is behind them takes the factor out again, so that the model computes what it did. */
mq_status mq_norms_resize(mq_model *m, mq_error *err);

#endif
