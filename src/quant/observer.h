/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What is known of the values that one tensor took: extremes, counts and a histogram. Nothing is kept per sample.
 *
 * The histogram has at most MQ_OBSERVER_BINS bins of one width, a power of two, with an edge at 0: bin k holds
 * [k, k+1) * 2^exponent; the first holds min, the last max. When the values outgrow it the width doubles and neighbours
 * become one, so no count is lost or moved, and the width follows from the extremes alone. Two observers of parts of the
 * data, merged, are therefore bit for bit the observer of all of it, in any order (the window of recent extremes: in the
 * order of the parts). Exact zeros are counted by themselves: they are exact in every quantization, and after Relu they are
 * most values. */
#ifndef MQ_QUANT_OBSERVER_H
#define MQ_QUANT_OBSERVER_H

#include "base/error.h"
#include "graph/array.h"

enum {
    MQ_OBSERVER_BINS = 4096,
    MQ_OBSERVER_WINDOW = 1024, /* runs whose extremes are kept for the moving average */
};

typedef struct mq_observer {
    float min, max;   /* of finite values; min > max: there were none */
    uint64_t n;       /* finite values, zeros included */
    uint64_t n_zero, n_nan, n_inf;
    int exponent;     /* of the width of a bin */
    int64_t first;    /* number of the bin that counts[0] is */
    uint64_t *counts; /* n_bins, heap; of finite values other than 0 */
    size_t n_bins;
    /* The extremes of the last runs, oldest first from window[start] on, cyclic. */
    float (*window)[2]; /* heap */
    size_t n_window, start;
} mq_observer;

void mq_observer_release(mq_observer *o);

/* Adds the values of one run: float32, float64, float16 or bfloat16 in plain layout. Uses up to n_threads threads; the
 * result does not depend on how many. MQ_ERR_NOMEM; MQ_ERR_UNSUPPORTED for other element types. */
mq_status mq_observer_add(mq_observer *o, const mq_array *values, int n_threads, mq_error *err);

/* o becomes what it had been had it seen what `more` saw, afterwards. */
mq_status mq_observer_merge(mq_observer *o, const mq_observer *more, mq_error *err);

/* The histogram in n bins of one width from min to max, for people to look at: a bin counts where its middle is. Exact
 * zeros are left out. */
void mq_observer_outline(const mq_observer *o, uint64_t *counts, size_t n);

/* Makes o what stands in a file; parts is only read. MQ_ERR_INPUT when the numbers contradict each other. */
mq_status mq_observer_restore(mq_observer *o, const mq_observer *parts, mq_error *err);

#endif
