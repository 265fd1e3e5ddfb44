/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --precision: floats of a model as float16 or bfloat16 where that loses little, or back as float. */
#ifndef MQ_CONVERT_PRECISION_H
#define MQ_CONVERT_PRECISION_H

#include "base/map.h"
#include "base/vec.h"
#include "convert/which.h"

/* What became of a constant. */
typedef struct mq_precision_item {
    const mq_value *value;
    const mq_node *node; /* one that reads it */
    mq_dtype from, to;   /* equal: it stays */
    int64_t count;
    int n_dims;
    const int64_t *dims;
    bool measured;
    double sqnr, max_error;
    uint64_t overflowed, flushed; /* values that would become infinity; that would become 0 */
    const char *code, *why;       /* of what stays */
} mq_precision_item;

/* A tensor that was seen beyond the type's range, or everywhere below it. */
typedef struct mq_precision_outside {
    const mq_value *value;
    double largest; /* size seen */
    bool overflows;
} mq_precision_outside;

typedef struct mq_precision {
    mq_dtype to;     /* MQ_FLOAT16, MQ_BFLOAT16 or MQ_FLOAT */
    bool keep_io;    /* inputs and outputs of the model keep their types */
    mq_which *which; /* other nodes stay as they are; NULL: all may change */
    const mq_map *seen;  /* name of a tensor -> double[2], the least (but 0) and largest size seen in runs; NULL: no runs */
    const mq_hooks *hooks;
    /* out */
    MQ_VEC(mq_precision_item) items;
    MQ_VEC(mq_precision_outside) outside; /* with `seen`, in the order of the graph */
    size_t n_half, n_full; /* nodes of floats that compute in the new type, that stay in float */
    size_t n_casts;        /* Cast nodes put between them */
} mq_precision;

/* Changes the model; types must have been inferred. What does not fit the new type stays: constants with values beyond its
 * range or lost below it, nodes whose values were seen there, nodes behind them as far as the values go, operators that the
 * opset does not have in that type. New constants are made when the file is written. MQ_ERR_UNSUPPORTED when no node can
 * be computed in the type. */
mq_status mq_precision_apply(mq_model *m, mq_precision *p, mq_error *err);
void mq_precision_release(mq_precision *p);

/* Inputs of the model that are declared `was` (initializers are none) are declared `outside`, with a Cast to `inside`
 * behind; counts them. */
mq_status mq_precision_cast_inputs(mq_model *m, mq_dtype was, mq_dtype outside, mq_dtype inside, size_t *n_casts,
                                   mq_error *err);

/* ---- constants (halves.c) ------------------------------------------------------------------------------------------- */

/* How a float constant fares in the type: fills count, dims, sqnr, max_error, overflowed, flushed. */
mq_status mq_halves_measure(mq_tensor *t, mq_dtype to, mq_precision_item *item, mq_error *err);
/* The constant in another float type; large ones are made when they are written. */
mq_status mq_halves_make(mq_tensor *t, mq_dtype to, mq_tensor **out, mq_error *err);

#endif
