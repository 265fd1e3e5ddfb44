/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A model run over data while somebody looks at what its tensors hold. Nothing is kept per sample. */
#ifndef MQ_API_WATCH_H
#define MQ_API_WATCH_H

#include "exec/exec.h"
#include "mq/run.h"

typedef struct mq_watch_opts {
    const mq_data_source *source;
    int shard, n_shards;      /* the part of it, from 1; 1 of 1: all */
    const char *const *names; /* tensors of the main graph that are looked at */
    size_t n_names;
    const char *step;         /* for progress */
    const char *code;         /* of the warning about operators without a kernel, behind which nothing is seen */
    const char *unseen;       /* what becomes of those nodes then: "stay as they are" */
    /* Called for each run and tensor: float or not, in plain layout, without the samples that only fill up a batch.
     * Borrowed. What it returns ends the run, with the tensor's name in the sentence. */
    mq_status (*look)(void *user, const mq_value *value, const mq_array *array, mq_error *err);
    /* Asked before: is the first axis of this tensor known to be no batch, so that nothing of it only fills up? NULL: no. */
    bool (*is_whole)(void *user, const mq_value *value, int rank);
    void *user;
} mq_watch_opts;

typedef struct mq_watched {
    uint64_t samples;
    bool generated; /* every input was drawn */
} mq_watched;

/* Runs m over the data. NaN and infinity in data are MQ_ERR_INPUT unless the source allows them. A part may hold no sample.
 * Errors: MQ_ERR_INPUT for data that do not fit or hold no sample, MQ_ERR_UNSUPPORTED. */
mq_status mq_watch(mq_model *m, const mq_watch_opts *opts, const mq_hooks *hooks, mq_watched *out, mq_error *err);

#endif
