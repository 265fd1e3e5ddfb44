/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One training step after another: a student's parameters, its running statistics and the optimizer's state.
 *
 * A trainer makes a step graph once: a copy of the student (functions inlined, newest opset, the batch fixed), the losses
 * (loss.h), the gradients (grad.h), each parameter an input. A step is one run of it and one step of the optimizer. Nothing
 * depends on the number of threads.
 *
 * Parameters are the float initializers that the loss has a gradient for and that are weights by what reads them: of
 * Conv, ConvTranspose, Gemm, MatMul, LSTM, GRU, RNN, Gather, the scale and bias of normalizations, PRelu's slope, and what
 * has more than one element in Add and Mul. BatchNormalization uses the batch's statistics and keeps running ones. */
#ifndef MQ_TRAIN_TRAINER_H
#define MQ_TRAIN_TRAINER_H

#include "graph/array.h"
#include "train/loss.h"
#include "train/optimizer.h"

typedef struct mq_trainer mq_trainer;

typedef struct mq_trainer_opts {
    const mq_loss_term *losses;
    size_t n_losses;
    mq_optimizer_opts optimizer;
    int64_t batch;  /* samples of each step, axis 0 of every input; 0: the shapes that the student declares */
    int n_threads;  /* 0: all */
    const bool *frozen; /* by number of the student's initializer in graph->inits: not trained; NULL: none */
    bool fixed_statistics; /* BatchNormalization uses its running statistics, which stay (default: the batch's) */
    bool dropout;          /* Dropout drops (default: it passes everything on) */
    uint64_t seed;         /* of what Dropout drops, with the number of the step */
} mq_trainer_opts;

/* The student must outlive the trainer and is not changed by it. Errors: MQ_ERR_UNSUPPORTED (an operator without a gradient,
 * named; nothing to train), those of mq_loss_append. */
mq_status mq_trainer_create(mq_trainer **out, mq_model *student, const mq_trainer_opts *opts, const mq_hooks *hooks,
                            mq_error *err);
void mq_trainer_free(mq_trainer *t); /* NULL is fine */

/* One step: inputs in the student's order (those without an initializer), targets in the order of losses, `batch` samples
 * each, borrowed. *loss is that before the step. MQ_ERR_INPUT when the loss or the gradients are not finite, with the number
 * of the step and what to try: parameters are then those before the step. */
mq_status mq_trainer_step(mq_trainer *t, mq_array *const *inputs, mq_array *const *targets, double lr, double *loss,
                          mq_error *err);
uint64_t mq_trainer_steps(const mq_trainer *t); /* done so far */

/* Parameters, in the order of the student's initializers, and then its projections (loss.h). Memory stays in place. */
typedef struct mq_parameter {
    const char *name; /* of the initializer */
    float *data;
    size_t count;
    int rank;
    const int64_t *dims;
    bool extra; /* a projection: no part of the student */
} mq_parameter;
const mq_parameter *mq_trainer_parameters(const mq_trainer *t, size_t *n);
/* Running statistics of BatchNormalization: mean and variance of each node, likewise. */
const mq_parameter *mq_trainer_statistics(const mq_trainer *t, size_t *n);

/* Computes what a step would and changes nothing: look is called with each parameter and its gradient (p->count numbers,
 * gone after the call). MQ_ERR_INPUT when the loss is not finite. */
mq_status mq_trainer_look(mq_trainer *t, mq_array *const *inputs, mq_array *const *targets,
                          void (*look)(void *user, const mq_parameter *p, const float *gradient), void *user,
                          double *loss, mq_error *err);

/* From now on parameter i is multiplied by mask (0 or 1 per element, copied; NULL: no mask) after each step, and at once. */
mq_status mq_trainer_set_mask(mq_trainer *t, size_t i, const uint8_t *mask, mq_error *err);

/* Puts parameters and statistics into m, the student or a copy of it: new initializers of the same names. */
mq_status mq_trainer_store(const mq_trainer *t, mq_model *m, mq_error *err);

/* Parameters and statistics kept aside, and taken back (one copy at most). */
mq_status mq_trainer_keep(mq_trainer *t, mq_error *err);
void mq_trainer_take_back(mq_trainer *t);

/* All that a step depends on (parameters, statistics, optimizer, what was kept aside), to and from a checkpoint. */
struct mq_checkpoint;
mq_status mq_trainer_save(mq_trainer *t, struct mq_checkpoint *c, mq_error *err);
mq_status mq_trainer_load(mq_trainer *t, const struct mq_checkpoint *c, mq_error *err);

#endif
