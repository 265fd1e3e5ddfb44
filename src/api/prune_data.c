/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The part of `mq prune` that looks at what layers read: the model runs over the data, once for each stage. */
#include <string.h>

#include "api/prune_job.h"
#include "api/watch.h"
#include "prune/data.h"

/* Of sums of products held at a time: those of a whole small encoder, of a layer of a large one. */
#define BUDGET ((uint64_t)512 << 20)

enum { ROUND_SAMPLES = 256 };

/* The methods that look at data, and at what. */
static const struct {
    mq_prune_method method;
    const char *name, *at;
    bool channels; /* for them, else for single weights */
} methods[] = {
    { MQ_PRUNE_WANDA, "wanda", "what layers read", false },
    { MQ_PRUNE_SPARSEGPT, "sparsegpt", "what layers read", false },
    { MQ_PRUNE_TAYLOR, "taylor", "gradients", true },
    { MQ_PRUNE_ACTIVATION, "activation", "what layers read", true },
};

/* A method for single weights. */
static mq_status check_weights(const mq_prune_opts *o, const char *name, mq_error *err)
{
    if (strchr(o->pattern, 'x')) /* RxC */
        return mq_fail(err, MQ_ERR_USAGE, "--pattern %s: blocks go by --method l1, l2, random, max or min", o->pattern);
    if (mq_prune_is_structured(o))
        return mq_fail(err, MQ_ERR_USAGE, "--method %s is for single weights, not for --pattern %s", name, o->pattern);
    if (o->scope == MQ_PRUNE_GLOBAL)
        return mq_fail(err, MQ_ERR_USAGE, "--method %s compares weights of one layer: not with --scope global", name);
    return MQ_OK;
}

mq_status mq_prune_check_data(const mq_prune_opts *o, mq_error *err)
{
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        if (o->method != methods[i].method)
            continue;
        if (methods[i].channels && !mq_prune_is_structured(o))
            return mq_fail(err, MQ_ERR_USAGE, "--method %s is for --pattern channel, head or mlp: of single weights, wanda "
                           "and sparsegpt look at data", methods[i].name);
        if (!o->data.n_data)
            return mq_fail(err, MQ_ERR_USAGE, "--method %s looks at %s: --data inputs.npz (mq help data), or --data "
                           "random:32 to try it", methods[i].name, methods[i].at);
        return methods[i].channels ? MQ_OK : check_weights(o, methods[i].name, err);
    }
    return MQ_OK;
}

static mq_status look(void *user, const mq_value *value, const mq_array *array, mq_error *err)
{
    return mq_prune_data_add(user, value, array, err);
}

/* In rounds the data are what is learned from: a part of them says enough of inputs. */
static mq_status run_stage(mq_prune_job *j, mq_prune_data *d)
{
    const uint64_t most = j->tuning.rounds ? ROUND_SAMPLES : 0;
    mq_data_source source = j->opts->data;
    mq_watch_opts o = { .source = &source, .shard = 1, .n_shards = 1, .step = "look at inputs",
                        .code = "prune-partial", .unseen = "are pruned without data", .look = look, .user = d };
    mq_watched seen;
    mq_status rc;

    if (most && (!source.samples || source.samples > most))
        source.samples = most;
    o.names = mq_prune_data_names(d, &o.n_names);
    MQ_TRY(mq_watch(j->job.model, &o, j->job.hooks, &seen, j->job.err));
    rc = mq_prune_data_finish(d, j->job.err);
done:
    return rc;
}

mq_status mq_prune_with_data(mq_prune_job *j)
{
    mq_prune_data *d = NULL;
    bool more;
    mq_status rc;

    if (j->opts->method != MQ_PRUNE_WANDA && j->opts->method != MQ_PRUNE_SPARSEGPT)
        return MQ_OK;
    MQ_TRY(mq_prune_data_create(&d, &j->plan, BUDGET, j->job.hooks, j->job.err));
    for (;;) {
        MQ_TRY(mq_prune_data_next(d, &more, j->job.err));
        if (!more)
            break;
        MQ_TRY(run_stage(j, d));
    }
    if (!j->tuning.rounds)
        rc = mq_job_end_step(&j->job, "look at inputs and prune");
done:
    mq_prune_data_free(d);
    return rc;
}
