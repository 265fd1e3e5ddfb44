/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Epochs: shuffled batches, augmented, stepped through; a metric after each epoch; the best epoch kept; checkpoints.
 *
 * Order: epoch e (from 0) goes through the samples in an order that Fisher and Yates' shuffle draws from base/random.h
 * with the seed mq_random_at(seed, e), from the last place to the first; what is left of a batch is not used in that epoch.
 * So order and augmentation (augment.h) depend on seed, epoch and sample alone: nothing else has to be kept to go on after
 * a stop, and a resumed training gives the same bits. */
#ifndef MQ_TRAIN_LOOP_H
#define MQ_TRAIN_LOOP_H

#include "train/augment.h"
#include "train/schedule.h"
#include "train/trainer.h"

/* What there is to learn from. Both functions hand over new references (also when they fail half-way), which may be written
 * to, at most 64 of them; arrays have n rows along axis 0. */
typedef struct mq_loop_source {
    void *user;
    uint64_t n; /* samples */
    /* The student's inputs, in order, of these samples. */
    mq_status (*inputs)(void *user, const uint64_t *samples, size_t n, mq_array **in, mq_error *err);
    /* The targets of the losses, in order, of these samples; `in`: their inputs, augmented: a teacher that runs in the loop
     * is given the same. */
    mq_status (*targets)(void *user, const uint64_t *samples, size_t n, mq_array *const *in, mq_array **targets,
                         mq_error *err);
} mq_loop_source;

/* Rows `samples` of an array, as a new one (any numeric type of whole bytes). MQ_ERR_INPUT: there is no such row. */
mq_status mq_array_rows(mq_array **out, const mq_array *a, const uint64_t *samples, size_t n, mq_error *err);

/* Where the loop stands: after each step (metric NaN) and after each epoch. */
typedef struct mq_loop_report {
    uint64_t epoch, n_epochs; /* from 0 */
    uint64_t step, n_steps;   /* done, of this epoch */
    bool end_of_epoch;
    double loss;   /* mean of this epoch's steps so far */
    double lr;     /* of the last step */
    double metric; /* of this epoch; NaN: not measured */
    bool best;     /* the best epoch so far; true for every one when nothing is measured */
    double rate;   /* samples per second of this epoch's steps */
    double seconds, left; /* since the loop began; estimated until its end (of all epochs) */
} mq_loop_report;

typedef struct mq_loop_opts {
    uint64_t epochs;
    size_t batch; /* at most source->n: see mq_loop_batch; the trainer's */
    uint64_t seed;
    mq_augment augment;
    mq_schedule schedule; /* total is set by the loop; warmup and every are steps */
    uint64_t part, n_parts; /* for progress: this is training number `part`, from 0, of n_parts like it; n_parts 0: of one */
    uint64_t patience;    /* stop after so many epochs without a better metric; 0: never */
    double time_limit;    /* no epoch begins after so many seconds, but one is always trained; 0: none */
    /* Measures the student as it is after an epoch; NULL: the last epoch is the best. `model` is a copy with the
     * parameters in it, gone after the call. */
    mq_status (*evaluate)(void *user, mq_model *model, double *metric, mq_error *err);
    bool lower_is_better; /* of the metric */
    void (*report)(void *user, const mq_loop_report *r); /* may be NULL */
    void *user;           /* of evaluate and report */
    const char *checkpoint; /* file, replaced after each epoch; NULL: none */
    bool resume;            /* go on where the checkpoint stands; a missing file is a beginning. Of a training of fewer
                             * epochs only where the schedule is constant: it gives what one go gives */
    const char *key; /* what the caller's options, model and data are (a hash): another one's checkpoint is refused */
} mq_loop_opts;

typedef struct mq_loop_epoch {
    double loss, metric, lr; /* mean; NaN: not measured; of its last step */
    double seconds;          /* steps and measuring; of another run's epochs: as they took then */
} mq_loop_epoch;

typedef struct mq_loop_result {
    mq_loop_epoch *epochs; /* n_epochs of them */
    size_t n_epochs;
    size_t best;    /* the epoch whose parameters the trainer has now */
    uint64_t steps; /* in all */
    bool stopped_early, out_of_time, resumed;
} mq_loop_result;
void mq_loop_result_release(mq_loop_result *r);

/* The batch for so many samples: the one wanted, or all samples when they are fewer. */
size_t mq_loop_batch(uint64_t n_samples, size_t wanted);

/* Trains. Afterwards the trainer holds the parameters of the best epoch. student: what the trainer was made of, for
 * evaluate. Errors: those of a step; MQ_ERR_INPUT for an empty set and a checkpoint that is damaged or another training's;
 * MQ_ERR_CANCELLED between steps (hooks), which leaves the last checkpoint as it is. */
mq_status mq_loop_run(mq_loop_result *out, mq_trainer *t, mq_model *student, const mq_loop_source *source,
                      const mq_loop_opts *opts, const mq_hooks *hooks, mq_error *err);

#endif
