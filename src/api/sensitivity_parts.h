/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the parts of measuring sensitivity share. */
#ifndef MQ_API_SENSITIVITY_PARTS_H
#define MQ_API_SENSITIVITY_PARTS_H

#include "api/running.h"
#include "api/sensitivity.h"
#include "graph/spans.h"

/* One run of the model, as far as it has got. */
typedef struct mq_held {
    mq_array **at;    /* per span: what is held now, or NULL */
    mq_array **truth; /* per output of the model: the original's */
    mq_array *labels;
    size_t n, rows;   /* as in mq_data_call */
} mq_held;

typedef struct mq_sense {
    const mq_sense_opts *o;
    mq_sense_result *out;
    mq_error *err;
    mq_model *model;       /* a copy: functions inlined, nodes sorted */
    mq_spans spans;
    size_t *place;         /* per item: the first node that reads its constants; SIZE_MAX: none does */
    size_t *order;         /* items by place */
    mq_array *const *fed;  /* per input of the model, for a run: is it fed? */
    mq_running whole;
    mq_dataset *data;
    mq_held *runs;
    size_t n_runs;
    uint64_t n_samples;
    size_t *bytes;         /* per span: of one run */
    double *made;          /* per span: seconds from the beginning of a run */
    double began, run_seconds, macs;
    size_t judged;         /* output of the metric */
    bool one_hot;
    const char **names;    /* room for the names of all spans, twice */
} mq_sense;

/* ---- sensitivity_hold.c --------------------------------------------------------------------------------------------- */

/* The data for the model, from the beginning; samples 0: as many as the source says. */
mq_status mq_sense_open_data(mq_sense *s, uint64_t samples);
/* Runs the original on s->n_samples samples, and keeps what it was given and what it gave. */
mq_status mq_sense_hold(mq_sense *s);
void mq_sense_let_go(mq_sense *s);

/* Settles the metric, and measures the original. */
mq_status mq_sense_judge_original(mq_sense *s);
/* Adds one run's output to the metric's sums. */
mq_status mq_sense_judge(const mq_sense *s, mq_metrics *sums, const mq_held *h, const mq_array *out);

/* Names of the values that lie on both sides of a place; what is held of them, in the same order. */
size_t mq_sense_names_at(const mq_sense *s, size_t place, const char **names);
void mq_sense_arrays_at(const mq_sense *s, const mq_held *h, size_t place, mq_array **in);
/* Runs the nodes from one place to another, on all that is held. */
mq_status mq_sense_carry(mq_sense *s, size_t from, size_t to);

#endif
