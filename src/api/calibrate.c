/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "api/calibrate.h"

#include <stdlib.h>
#include <string.h>

#include "api/running.h"
#include "base/threads.h"

/* One run of a calibration: what the watcher needs to know. */
struct watching {
    mq_calibration *c;
    const mq_data_call *call;
    int n_threads;
};

/* A batch that was filled up with copies counts without them. */
static mq_status observe(void *user, const mq_value *value, mq_array *array, mq_error *err)
{
    const struct watching *w = user;
    mq_calibrated *t = mq_calibration_find(w->c, value->name);
    int64_t *dim0 = array->rank > 0 ? &array->dims[0] : NULL, rows = dim0 ? *dim0 : 0;
    mq_status rc;

    if (!t)
        return MQ_OK;
    if (dim0 && w->call->rows > w->call->n && rows == (int64_t)w->call->rows)
        *dim0 = (int64_t)w->call->n;
    rc = mq_observer_add(&t->observer, array, w->n_threads, err);
    if (dim0)
        *dim0 = rows;
    if (rc != MQ_OK)
        mq_error_prefix(err, "tensor '%s'", value->name);
    return rc;
}

static mq_status names_of(const mq_placement *p, mq_calibration *c, const char ***names, mq_error *err)
{
    mq_calibrated *added;
    mq_status rc = MQ_OK;

    if (!(*names = calloc(p->points.n + 1, sizeof **names)))
        return mq_oom(err);
    for (size_t i = 0; i < p->points.n && rc == MQ_OK; i++) {
        (*names)[i] = p->points.items[i]->value->name;
        rc = mq_calibration_add(c, (*names)[i], &added, err);
    }
    return rc;
}

static void warn_missing(const mq_plan *plan, const mq_hooks *hooks)
{
    size_t n;
    const mq_missing *missing = mq_plan_missing(plan, &n);

    for (size_t i = 0; i < n; i++)
        mq_warn(hooks, "calibration-partial", missing[i].node,
                "node '%s' (%s%s%s %lld) has no kernel here: it and %zu nodes behind it stay as they are", missing[i].node,
                missing[i].domain, *missing[i].domain ? "::" : "", missing[i].op_type, (long long)missing[i].version,
                missing[i].behind);
}

static mq_status run_all(struct watching *w, mq_running *r, mq_dataset *ds, const mq_hooks *hooks, mq_error *err)
{
    const uint64_t total = mq_dataset_n_samples(ds);
    mq_status rc = MQ_OK;

    for (;;) {
        MQ_TRY(mq_check_cancelled(hooks, err));
        MQ_TRY(mq_dataset_next(ds, &w->call, err));
        if (!w->call)
            break;
        MQ_TRY(mq_running_run(r, w->call->in, err));
        MQ_TRY(mq_dataset_carry(ds, r->out, err));
        w->c->samples += w->call->n;
        mq_progress(hooks, "calibrate", w->c->samples, total);
    }
    if (!w->c->samples && w->c->n_shards == 1)
        rc = mq_fail(err, MQ_ERR_INPUT, "--data holds no sample");
done:
    return rc;
}

mq_status mq_calibrate(mq_calibration *c, mq_model *m, const mq_placement *p, const mq_calibrate_on *on,
                       const mq_hooks *hooks, mq_error *err)
{
    struct watching w = { .c = c, .n_threads = mq_threads(hooks ? hooks->n_threads : 0) };
    const char **names = NULL;
    mq_running r = { 0 };
    mq_dataset *ds = NULL;
    mq_status rc;

    c->shard = on->shard;
    c->n_shards = on->n_shards;
    MQ_TRY(names_of(p, c, &names, err));
    MQ_TRY(mq_running_open(&r, m, &(mq_plan_opts){ .partial = true, .keep = names, .n_keep = p->points.n }, hooks, err));
    warn_missing(r.plan, hooks);
    mq_runner_watch(r.runner, observe, &w);
    MQ_TRY(mq_source_open_part(&ds, on->source, on->shard, on->n_shards, r.inputs, r.n_in, r.outputs, r.n_out, hooks, err));
    MQ_TRY(run_all(&w, &r, ds, hooks, err));
    mq_source_warn(on->source, ds, hooks);
    MQ_TRY((c->data = strdup(mq_dataset_generated(ds) ? "generated:" : "")) ? MQ_OK : mq_oom(err));
done:
    free(names);
    mq_dataset_free(ds);
    mq_running_close(&r);
    return rc;
}
