/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The learning rate of each step. */
#ifndef MQ_TRAIN_SCHEDULE_H
#define MQ_TRAIN_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "mq/status.h"

typedef enum mq_schedule_kind {
    MQ_SCHEDULE_CONSTANT,
    MQ_SCHEDULE_STEP,   /* times `factor` after every `every` steps */
    MQ_SCHEDULE_COSINE, /* from lr down to lr * floor along half a cosine (Loshchilov and Hutter 2017, without restarts) */
    MQ_N_SCHEDULES,
} mq_schedule_kind;

/* "constant", "step", "cosine". */
const char *mq_schedule_name(mq_schedule_kind kind);
bool mq_schedule_find(const char *name, mq_schedule_kind *out);

typedef struct mq_schedule {
    mq_schedule_kind kind;
    double lr;
    uint64_t warmup; /* the first so many steps rise evenly to lr: step i (from 0) has lr (i + 1) / (warmup + 1) */
    uint64_t total;  /* steps of the whole training, warm-up included: COSINE ends there */
    uint64_t every;  /* STEP: steps; 0: a third of what follows the warm-up, rounded up */
    double factor;   /* STEP; 0 counts as 0.1 */
    double floor;    /* COSINE: share of lr that is left at the end */
} mq_schedule;

/* MQ_ERR_USAGE: a rate that is not above 0 or not finite, a warm-up longer than the training, a factor or floor outside
 * 0..1. */
mq_status mq_schedule_check(const mq_schedule *s, mq_error *err);

/* The rate of step `step`, from 0. */
double mq_schedule_at(const mq_schedule *s, uint64_t step);

#endif
