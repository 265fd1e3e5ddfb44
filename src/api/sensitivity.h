/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How much a model loses when one part of it is changed, each part alone, at several levels: weights that are pruned, or
 * quantized.
 *
 * What lies in front of a part does not run again. Parts are taken in the order of the graph; the values that the rest of
 * the graph needs there are held for all samples, and carried on from one part to the next: a part costs the nodes behind
 * it. As many samples are taken as fit into the memory, at most 256, and fewer of large models (by a number of
 * multiply-accumulates, so that it is the same on every machine). */
#ifndef MQ_API_SENSITIVITY_H
#define MQ_API_SENSITIVITY_H

#include "exec/metrics.h"
#include "mq/run.h"

/* One part: constants of the main graph that change together, and nodes whose inputs do. */
typedef struct mq_sense_item {
    const char *name;
    const char *const *constants;
    size_t n_constants;
    const char *const *results; /* of nodes that `rewire` changes */
    size_t n_results;
} mq_sense_item;

typedef struct mq_sense_opts {
    const mq_sense_item *items;
    size_t n_items, n_levels;
    /* What constant k of an item is at a level: an array of the type and shape of `whole`, which is what it was. */
    mq_status (*change)(void *user, size_t item, size_t level, size_t k, const mq_array *whole, mq_array **out,
                        mq_error *err);
    /* Puts nodes in front of an item's nodes, or takes them away again (back); NULL: none are. m is a copy; what it makes
     * must not have names that are there already. */
    mq_status (*rewire)(void *user, mq_model *m, size_t item, size_t level, bool back, mq_error *err);
    bool (*skips)(void *user, size_t item, size_t level); /* what is not to be measured; NULL: all is */
    void *user;
    const mq_data_source *source;
    const char *metric;        /* with labels: which; NULL: top1, or mse of labels that are values */
    const char *metric_output; /* NULL: the first */
    size_t memory;             /* for values that are held, bytes; 0: 256 MB */
    double deadline;           /* on the clock of mq_seconds; 0: none. Parts behind it are not measured */
    void (*note)(void *user, const char *text); /* what will be done, and how long it takes; may be NULL */
    void *note_user;
    const mq_hooks *hooks;
} mq_sense_opts;

/* NAN: not measured. */
typedef struct mq_sense_point {
    double noise;  /* power of the difference by that of the original, of the output that loses most */
    double metric; /* NAN without labels */
} mq_sense_point;

typedef struct mq_sense_result {
    mq_sense_point *points; /* of item i at level l: points[i * n_levels + l] */
    size_t n_items, n_levels;
    size_t n_measured;      /* items; the others lie behind the deadline */
    uint64_t n_samples;
    bool has_metric;
    mq_metric metric;
    double first;           /* the original's metric on these samples */
    double seconds;
} mq_sense_result;

/* m: as it is read, mended and checked; its main graph is looked at, m stays as it is. A result has NAN everywhere in front
 * of what has not been measured. Errors: MQ_ERR_USAGE (a constant that is none, a metric that does not fit), MQ_ERR_INPUT
 * (data), MQ_ERR_UNSUPPORTED (operators), those of `change`, MQ_ERR_CANCELLED, MQ_ERR_NOMEM. */
mq_status mq_sense_measure(mq_sense_result *out, mq_model *m, const mq_sense_opts *opts, mq_error *err);
void mq_sense_release(mq_sense_result *r);

/* Signal to noise in dB. */
double mq_sense_db(double noise);

#endif
