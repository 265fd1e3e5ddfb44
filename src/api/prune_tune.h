/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pruning in rounds: a part of the way, then training with what was pruned held at zero, then the next part.
 *
 * Convolutions without BatchNormalization (exporters fold it away) get one for the training, as students of
 * mq distill-export do; it is folded again after each round, so that every round prunes, and the file gets, the weights
 * that the model had: only their values change, and a convolution without a bias gets one. */
#ifndef MQ_API_PRUNE_TUNE_H
#define MQ_API_PRUNE_TUNE_H

#include "api/train_job.h"

typedef enum mq_prune_schedule {
    MQ_PRUNE_CUBIC,  /* 1 - (1 - t/N)^3 of the way after round t of N (Zhu and Gupta 2017) */
    MQ_PRUNE_LINEAR, /* t/N */
} mq_prune_schedule;

/* "cubic", "linear". */
bool mq_prune_schedule_find(const char *name, mq_prune_schedule *out);
/* How much of the way is done after round `round` (from 1) of `rounds`. */
double mq_prune_schedule_at(mq_prune_schedule kind, uint64_t round, uint64_t rounds);

/* One round as it went. */
typedef struct mq_prune_round {
    double share;    /* of the way */
    double sparsity; /* of the elements of the tensors that are held; when none are, what `prune` has put here, else 0 */
    double metric;   /* after it */
} mq_prune_round;

typedef struct mq_prune_tuning {
    mq_train_job train; /* its first part is the caller's */
    uint64_t rounds;
    mq_prune_schedule schedule;
    /* Prunes m's weights in memory until `share` of the way is done. *names (in m's arena): initializers and constants of
     * the main graph whose zeros are to stay zero. */
    mq_status (*prune)(void *user, mq_model *m, double share, const char ***names, size_t *n_names, mq_error *err);
    void *user;

    mq_model *original;  /* a copy made before the first round; mq_prune_tuning_close frees it */
    mq_prune_round *done;
    size_t n_done;
    mq_loop_result last; /* of the last round */
} mq_prune_tuning;

/* Before anything is pruned: makes m one that can be trained (mq_train_plain: calls of functions become nodes), reads the
 * data, asks m about them. m must stay until the tuning is closed; it may change. */
mq_status mq_prune_tuning_open(mq_prune_tuning *t, mq_model *m);
/* All rounds. Between them the last epoch counts, in the last one the best. With a folder of checkpoints each finished round
 * is kept there (round-N.weights), and a resumed pruning takes it from there. */
mq_status mq_prune_tuning_run(mq_prune_tuning *t, mq_model *m);
void mq_prune_tuning_close(mq_prune_tuning *t);

#endif
