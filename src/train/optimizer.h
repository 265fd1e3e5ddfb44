/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Optimizers: from gradients to the next parameters. Formulas, order of operations and defaults are those of torch.optim
 * (2.x), in float; the state is one or two numbers per parameter, zero before the first step. */
#ifndef MQ_TRAIN_OPTIMIZER_H
#define MQ_TRAIN_OPTIMIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mq/status.h"

typedef enum mq_optimizer_kind {
    MQ_OPTIMIZER_SGD,      /* p -= lr g */
    MQ_OPTIMIZER_MOMENTUM, /* b = momentum b + g; p -= lr b (Polyak 1964, as torch's SGD) */
    MQ_OPTIMIZER_NESTEROV, /* the same with p -= lr (g + momentum b) (Sutskever et al. 2013) */
    MQ_OPTIMIZER_RMSPROP,  /* p -= lr g / (sqrt(v) + epsilon), v the running mean of g^2 (Tieleman and Hinton 2012) */
    MQ_OPTIMIZER_ADAM,     /* Kingma and Ba 2015 */
    MQ_OPTIMIZER_ADAMW,    /* Adam with decoupled weight decay (Loshchilov and Hutter 2019) */
    MQ_N_OPTIMIZERS,
} mq_optimizer_kind;

/* "sgd", "momentum", "nesterov", "rmsprop", "adam", "adamw". */
const char *mq_optimizer_name(mq_optimizer_kind kind);
bool mq_optimizer_find(const char *name, mq_optimizer_kind *out);

typedef struct mq_optimizer_opts {
    mq_optimizer_kind kind;
    double momentum;     /* MOMENTUM, NESTEROV (0.9) */
    double beta1, beta2; /* ADAM, ADAMW (0.9, 0.999) */
    double alpha;        /* RMSPROP: what the running mean keeps (0.99) */
    double epsilon;      /* 1e-8 */
    double weight_decay; /* times the parameter, added to the gradient; ADAMW: p -= lr weight_decay p before the step; 0 for
                            the others, 0.01 for ADAMW, as torch */
    double clip;         /* the norm of all gradients together is at most this, as torch's clip_grad_norm_; 0: any */
} mq_optimizer_opts;

mq_optimizer_opts mq_optimizer_opts_default(mq_optimizer_kind kind);
/* The learning rate to begin with where nobody says one: 0.001 for RMSprop, Adam and AdamW (torch's default), else 0.01. */
double mq_optimizer_default_lr(mq_optimizer_kind kind);

typedef struct mq_optimizer mq_optimizer;

/* For n parameter tensors of counts[i] elements. n_threads never changes a bit. MQ_ERR_USAGE for options out of range,
 * MQ_ERR_NOMEM. */
mq_status mq_optimizer_create(mq_optimizer **out, const mq_optimizer_opts *opts, const size_t *counts, size_t n,
                              int n_threads, mq_error *err);
void mq_optimizer_free(mq_optimizer *o); /* NULL is fine */

/* One step: params[i] changes by grads[i], which is only read. *norm (may be NULL): the norm of all gradients before
 * clipping. MQ_ERR_INPUT when it is NaN or infinite: then nothing has changed. */
mq_status mq_optimizer_step(mq_optimizer *o, float *const *params, const float *const *grads, double lr, double *norm,
                            mq_error *err);

/* The state, to be kept and put back: so many arrays (0, 1 or 2) of the parameters' sizes, and the steps done. */
size_t mq_optimizer_n_slots(const mq_optimizer *o);
float *mq_optimizer_slot(mq_optimizer *o, size_t slot, size_t param);
uint64_t mq_optimizer_steps(const mq_optimizer *o);
void mq_optimizer_set_steps(mq_optimizer *o, uint64_t steps);

#endif
