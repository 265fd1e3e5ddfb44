/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "api/calibrate.h"

#include <stdlib.h>
#include <string.h>

#include "api/watch.h"
#include "base/threads.h"
#include "quant/softmax_input.h"

/* One run of a calibration: what the watcher needs to know. */
struct watching {
    mq_calibration *c;
    const mq_placement *placement; /* with that */
    mq_channel_table *channels;    /* or this */
    int n_threads;
};

/* The axis along which a Softmax, and nobody else, reads the tensor in the file's graph. */
static bool softmax_reads(const mq_placement *p, const char *name, int *axis)
{
    for (size_t i = 0; i < p->points.n; i++)
        if (strcmp(p->points.items[i]->value->name, name) == 0)
            return mq_softmax_reads(p->points.items[i]->value, axis);
    return false;
}

static mq_status add_values(const struct watching *w, mq_calibrated *t, const mq_array *values, mq_error *err)
{
    mq_array part = *values;
    float *lifted = NULL;
    int axis;
    mq_status rc;

    if (part.dtype == MQ_FLOAT && softmax_reads(w->placement, t->name, &axis)) {
        MQ_TRY(mq_softmax_lift(&part, axis, &lifted, err));
        part.data = lifted;
    }
    rc = mq_observer_add(&t->observer, &part, w->n_threads, err);
done:
    free(lifted);
    return rc;
}

static mq_status observe(void *user, const mq_value *value, const mq_array *array, mq_error *err)
{
    const struct watching *w = user;
    mq_calibrated *t = w->c ? mq_calibration_find(w->c, value->name) : NULL;
    mq_channels *ch = w->channels ? mq_channel_table_find(w->channels, value->name) : NULL;

    if (t)
        return add_values(w, t, array, err);
    return ch ? mq_channels_add(ch, array, err) : MQ_OK;
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

static mq_watch_opts watch_opts(struct watching *w, const mq_calibrate_on *on, const char *const *names, size_t n_names)
{
    return (mq_watch_opts){ .source = on->source, .shard = on->shard, .n_shards = on->n_shards, .names = names,
                            .n_names = n_names, .step = w->c ? "calibrate" : "look at channels",
                            .code = "calibration-partial", .unseen = "stay as they are", .look = observe, .user = w };
}

mq_status mq_calibrate(mq_calibration *c, mq_model *m, const mq_placement *p, const mq_calibrate_on *on,
                       const mq_hooks *hooks, mq_error *err)
{
    struct watching w = { .c = c, .placement = p, .n_threads = mq_threads(hooks ? hooks->n_threads : 0) };
    const char **names = NULL;
    mq_watch_opts opts;
    mq_watched seen;
    mq_status rc;

    c->shard = on->shard;
    c->n_shards = on->n_shards;
    MQ_TRY(names_of(p, c, &names, err));
    opts = watch_opts(&w, on, names, p->points.n);
    MQ_TRY(mq_watch(m, &opts, hooks, &seen, err));
    c->samples = seen.samples;
    MQ_TRY((c->data = strdup(seen.generated ? "generated:" : "")) ? MQ_OK : mq_oom(err));
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
    mq_watch_opts opts;
    mq_watched seen;
    mq_status rc;

    if (!names)
        return mq_oom(err);
    for (size_t i = 0; i < t->items.n; i++)
        names[i] = t->items.items[i]->value->name;
    quiet.warn = NULL;
    if (!some.samples || some.samples > CHANNEL_SAMPLES)
        some.samples = CHANNEL_SAMPLES;
    opts = watch_opts(&w, &(mq_calibrate_on){ &some, 1, 1 }, names, t->items.n);
    rc = mq_watch(m, &opts, &quiet, &seen, err);
    free(names);
    return rc;
}
