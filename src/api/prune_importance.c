/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How important the channels of a model are: by their weights, or by what data say of them. */
#include "api/prune_structure.h"
#include "api/train_job.h"
#include "api/watch.h"
#include "graph/clone.h"
#include "prune/importance.h"

enum { MOST_SAMPLES = 256 }; /* that are looked at */

static mq_data_source source_of(const mq_prune_opts *o)
{
    mq_data_source source = o->data;

    if (!source.samples || source.samples > MOST_SAMPLES)
        source.samples = MOST_SAMPLES;
    return source;
}

/* ---- activations ---------------------------------------------------------------------------------------------------- */

static mq_status look_at(void *user, const mq_value *value, const mq_array *array, mq_error *err)
{
    (void)err;
    mq_importance_add_activation(user, value->name, array);
    return MQ_OK;
}

static mq_status by_activations(mq_prune_job *j, mq_importance *p)
{
    const mq_data_source source = source_of(j->opts);
    mq_watch_opts o = { .source = &source, .shard = 1, .n_shards = 1, .step = "look at activations",
                        .code = "prune-partial", .unseen = "are pruned without data", .look = look_at, .user = p };
    mq_watched seen;

    o.names = mq_importance_tensors(p, &o.n_names);
    return mq_watch(j->job.model, &o, j->job.hooks, &seen, j->job.err);
}

/* ---- gradients ------------------------------------------------------------------------------------------------------ */

static void add_gradient(void *user, const mq_parameter *p, const float *gradient)
{
    if (!p->extra)
        mq_importance_add_gradient(user, p->name, p->data, gradient, p->count);
}

static void end_batch(void *user)
{
    mq_importance_end_step(user);
}

static mq_status by_gradients(const mq_prune_job *j, mq_importance *p)
{
    const mq_prune_opts *o = j->opts;
    mq_train_opts how = mq_train_opts_default();
    const mq_data_source source = source_of(o);
    mq_train_job t = { .opts = &how, .train_on = &source, .judge_on = &source,
                       .metric = o->bounds.eval_cmd ? NULL : o->bounds.metric,
                       .metric_output = o->bounds.metric_output, .note = o->note, .user = o->user, .hooks = j->job.hooks,
                       .err = j->job.err };
    mq_model *copy = NULL;
    mq_status rc;

    how.seed = o->seed;
    MQ_TRY(mq_train_check(&t));
    MQ_TRY(mq_model_clone(&copy, j->job.model, j->job.err));
    MQ_TRY(mq_train_plain(copy, j->job.err));
    MQ_TRY(mq_train_open(&t, copy));
    MQ_TRY(mq_train_read(&t));
    rc = mq_train_gradients(&t, copy, add_gradient, end_batch, p);
done:
    mq_train_close(&t);
    mq_model_free(copy);
    return rc;
}

static bool any_chosen(const mq_structure *s)
{
    size_t n;
    const mq_structure_group *groups = mq_structure_groups(s, &n);

    for (size_t i = 0; i < n; i++)
        if (groups[i].chosen)
            return true;
    return false;
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

static mq_structure_method by_weights(mq_prune_method method)
{
    switch (method) {
    case MQ_PRUNE_L2: return MQ_STRUCTURE_L2;
    case MQ_PRUNE_RANDOM: return MQ_STRUCTURE_RANDOM;
    case MQ_PRUNE_GEOMEDIAN: return MQ_STRUCTURE_GEOMEDIAN;
    default: return MQ_STRUCTURE_L1;
    }
}

mq_status mq_prune_structure_score(mq_prune_job *j, mq_structure *s)
{
    const mq_prune_opts *o = j->opts;
    mq_importance *p = NULL;
    mq_status rc;

    if (o->method != MQ_PRUNE_TAYLOR && o->method != MQ_PRUNE_ACTIVATION)
        return mq_structure_score(s, by_weights(o->method), o->seed, j->job.hooks ? j->job.hooks->n_threads : 0, j->job.err);
    if (!any_chosen(s))
        return MQ_OK;
    MQ_TRY(mq_importance_create(&p, s, j->job.err));
    MQ_TRY(o->method == MQ_PRUNE_TAYLOR ? by_gradients(j, p) : by_activations(j, p));
    rc = mq_importance_finish(p, j->job.hooks, j->job.err);
done:
    mq_importance_free(p);
    return rc;
}
