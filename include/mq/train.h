/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How models are trained, by whatever trains one: `mq distill-export`, and `mq prune` between its rounds. */
#ifndef MQ_TRAIN_H
#define MQ_TRAIN_H

#include "mq/run.h"
#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mq_train_opts {
    uint64_t epochs;          /* default 30 */
    uint64_t batch;           /* samples of a step (default 64), at most all */
    uint64_t early_stop;      /* epochs without a better metric until it stops; 0: never (default 5) */
    const char *optimizer;    /* sgd, momentum, nesterov, rmsprop, adam (default), adamw */
    double lr;                /* default 0.001 */
    double momentum;          /* default 0.9 */
    double weight_decay;      /* default 0 */
    double clip_grad;         /* largest norm of all gradients; 0: any (default) */
    const char *lr_schedule;  /* constant, step, cosine (default) */
    uint64_t lr_warmup;       /* steps (default 0) */
    mq_names losses;          /* kd, ce, mse, cosine; default: kd and ce, without labels kd */
    double temperature;       /* of kd (default 4) */
    double alpha;             /* the teacher's share beside ce (default 0.9) */
    double label_smoothing;   /* of ce (default 0) */
    bool hard;                /* kd learns the teacher's best class instead of its scores */
    mq_names augment;         /* flip, crop=N */
    const char *checkpoint;   /* folder; NULL: none */
    bool resume;              /* go on from there */
    double time_limit;        /* seconds: no epoch begins behind them, but one is always trained; 0: none (default) */
    uint64_t seed;
} mq_train_opts;

MQ_API mq_train_opts mq_train_opts_default(void);

#ifdef __cplusplus
}
#endif
#endif
