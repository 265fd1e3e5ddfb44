/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "api/calibrate.h"

#include <stdlib.h>
#include <string.h>

#include "api/running.h"
#include "base/threads.h"
#include "quant/softmax_input.h"

/* One run of a calibration: what the watcher needs to know. */
struct watching {
    mq_calibration *c;
    const mq_placement *placement; /* with that */
    mq_channel_table *channels;    /* or this */
    const mq_data_call *call;
    int n_threads;
};

/* Of `rows` parts, are those from n on what the one before them is? */
static bool ends_in_copies(const mq_array *a, size_t rows, size_t n)
{
    const size_t size = a->count / rows * (size_t)mq_dtype_bits(a->dtype) / 8;
    const char *last = (const char *)a->data + (n - 1) * size;

    for (size_t i = n; i < rows; i++)
        if (memcmp((const char *)a->data + i * size, last, size) != 0)
            return false;
    return true;
}

/* The array without the copies that filled up its batch. The first size is that of the batch, or a multiple where other axes
 * were put together with it ([N * S, D]); but so it may be of arrays without a batch: the values must show it. */
static mq_array without_copies(const mq_array *a, const mq_data_call *call)
{
    const int64_t rows = (int64_t)call->rows, n = (int64_t)call->n;
    mq_array part = *a;

    if (rows <= n || n < 1 || a->rank < 1 || a->count == 0 || a->dims[0] % rows != 0 ||
        !ends_in_copies(a, call->rows, call->n))
        return part;
    part.dims[0] = a->dims[0] / rows * n;
    part.count = a->count / call->rows * call->n;
    return part;
}

/* The axis along which a Softmax, and nobody else, reads the tensor in the file's graph. */
static bool softmax_reads(const mq_placement *p, const char *name, int *axis)
{
    for (size_t i = 0; i < p->points.n; i++)
        if (strcmp(p->points.items[i]->value->name, name) == 0)
            return mq_softmax_reads(p->points.items[i]->value, axis);
    return false;
}

static mq_status add_values(const struct watching *w, mq_calibrated *t, mq_array *part, mq_error *err)
{
    float *lifted = NULL;
    int axis;
    mq_status rc;

    if (part->dtype == MQ_FLOAT && softmax_reads(w->placement, t->name, &axis)) {
        MQ_TRY(mq_softmax_lift(part, axis, &lifted, err));
        part->data = lifted;
    }
    rc = mq_observer_add(&t->observer, part, w->n_threads, err);
done:
    free(lifted);
    return rc;
}

static mq_status observe(void *user, const mq_value *value, mq_array *array, mq_error *err)
{
    const struct watching *w = user;
    mq_calibrated *t = w->c ? mq_calibration_find(w->c, value->name) : NULL;
    mq_channels *ch = w->channels ? mq_channel_table_find(w->channels, value->name) : NULL;
    mq_array part;
    mq_status rc;

    if (!t && !ch)
        return MQ_OK;
    part = without_copies(array, w->call);
    rc = t ? add_values(w, t, &part, err) : mq_channels_add(ch, &part, err);
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

static mq_status run_all(struct watching *w, mq_running *r, mq_dataset *ds, const mq_hooks *hooks, uint64_t *samples,
                         mq_error *err)
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
        *samples += w->call->n;
        mq_progress(hooks, w->c ? "calibrate" : "look at channels", *samples, total);
    }
done:
    return rc;
}

/* Runs m over a part of the source; w is told of the tensors. */
static mq_status watch_model(struct watching *w, mq_model *m, const char *const *names, size_t n_names,
                             const mq_calibrate_on *on, const mq_hooks *hooks, uint64_t *samples, bool *generated,
                             mq_error *err)
{
    mq_model *shaped = NULL;
    mq_running r = { 0 };
    mq_dataset *ds = NULL;
    mq_status rc;

    *samples = 0;
    w->n_threads = mq_threads(hooks ? hooks->n_threads : 0);
    MQ_TRY(mq_source_shape(on->source, m, &shaped, err));
    MQ_TRY(mq_running_open(&r, shaped ? shaped : m, &(mq_plan_opts){ .partial = true, .keep = names, .n_keep = n_names },
                           hooks, err));
    if (w->c)
        warn_missing(r.plan, hooks);
    mq_runner_watch(r.runner, observe, w);
    MQ_TRY(mq_source_open_part(&ds, on->source, on->shard, on->n_shards, r.inputs, r.n_in, r.outputs, r.n_out, hooks, err));
    MQ_TRY(run_all(w, &r, ds, hooks, samples, err));
    if (!*samples && on->n_shards == 1)
        MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "--data holds no sample"));
    if (w->c)
        mq_source_warn(on->source, ds, hooks);
    *generated = mq_dataset_generated(ds);
done:
    mq_dataset_free(ds);
    mq_running_close(&r);
    mq_model_free(shaped);
    return rc;
}

mq_status mq_calibrate(mq_calibration *c, mq_model *m, const mq_placement *p, const mq_calibrate_on *on,
                       const mq_hooks *hooks, mq_error *err)
{
    struct watching w = { .c = c, .placement = p };
    const char **names = NULL;
    bool generated;
    mq_status rc;

    c->shard = on->shard;
    c->n_shards = on->n_shards;
    MQ_TRY(names_of(p, c, &names, err));
    MQ_TRY(watch_model(&w, m, names, p->points.n, on, hooks, &c->samples, &generated, err));
    MQ_TRY((c->data = strdup(generated ? "generated:" : "")) ? MQ_OK : mq_oom(err));
done:
    free(names);
    return rc;
}

/* More say little more about how channels differ. */
enum { CHANNEL_SAMPLES = 64 };

mq_status mq_calibrate_channels(mq_channel_table *t, mq_model *m, const mq_data_source *source, const mq_hooks *hooks,
                                mq_error *err)
{
    struct watching w = { .channels = t };
    const char **names = calloc(t->items.n + 1, sizeof *names);
    mq_hooks quiet = hooks ? *hooks : (mq_hooks){ 0 }; /* what is to be said of the data, calibration says */
    mq_data_source some = *source;
    uint64_t samples;
    bool generated;
    mq_status rc;

    if (!names)
        return mq_oom(err);
    for (size_t i = 0; i < t->items.n; i++)
        names[i] = t->items.items[i]->value->name;
    quiet.warn = NULL;
    if (!some.samples || some.samples > CHANNEL_SAMPLES)
        some.samples = CHANNEL_SAMPLES;
    rc = watch_model(&w, m, names, t->items.n, &(mq_calibrate_on){ &some, 1, 1 }, &quiet, &samples, &generated, err);
    free(names);
    return rc;
}
