/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Epochs. What a loop has to know to go on after a stop is small: how many epochs are done, and which was the best. */
#include "train/loop.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/random.h"
#include "graph/clone.h"
#include "train/checkpoint.h"

enum { MOST_ARRAYS = 64 }; /* inputs, or targets, of one batch */

typedef struct loop {
    mq_trainer *trainer;
    mq_model *student;
    const mq_loop_source *source;
    const mq_loop_opts *opts;
    const mq_hooks *hooks;
    mq_schedule schedule;
    uint64_t *order;
    uint64_t steps; /* of an epoch */
    uint64_t first; /* epoch that this run began with */
    double began;   /* when */
    mq_loop_result *result;
} loop;

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* ---- batches ------------------------------------------------------------------------------------------------------- */

mq_status mq_array_rows(mq_array **out, const mq_array *a, const uint64_t *samples, size_t n, mq_error *err)
{
    int64_t dims[MQ_MAX_RANK];
    size_t row;
    mq_status rc;

    if (a->kind != MQ_TYPE_TENSOR || a->rank < 1 || a->dtype == MQ_STRING || mq_array_elem_size(a) == 0)
        return mq_fail(err, MQ_ERR_INPUT, "an array of samples needs an axis for them, and numbers");
    memcpy(dims, a->dims, (size_t)a->rank * sizeof *dims);
    dims[0] = (int64_t)n;
    for (size_t i = 0; i < n; i++)
        if (samples[i] >= (uint64_t)a->dims[0])
            return mq_fail(err, MQ_ERR_INPUT, "there is no sample %llu: there are %lld", (unsigned long long)samples[i],
                           (long long)a->dims[0]);
    if ((rc = mq_array_create(out, a->dtype, a->rank, dims, err)) != MQ_OK)
        return rc;
    row = n ? mq_array_bytes(*out) / n : 0;
    for (size_t i = 0; i < n && row; i++)
        memcpy((char *)(*out)->data + i * row, (const char *)a->data + samples[i] * row, row);
    return MQ_OK;
}

size_t mq_loop_batch(uint64_t n_samples, size_t wanted)
{
    return n_samples < wanted ? (size_t)n_samples : wanted;
}

static void drop(mq_array **arrays)
{
    for (int i = 0; i < MOST_ARRAYS; i++)
        mq_array_unref(arrays[i]);
}

static mq_status one_step(const loop *l, uint64_t epoch, const uint64_t *samples, double lr, double *loss, mq_error *err)
{
    mq_array *in[MOST_ARRAYS] = { NULL }, *targets[MOST_ARRAYS] = { NULL };
    const mq_loop_opts *o = l->opts;
    const int threads = l->hooks ? l->hooks->n_threads : 0;
    mq_status rc;

    MQ_TRY(l->source->inputs(l->source->user, samples, o->batch, in, err));
    for (int i = 0; i < MOST_ARRAYS; i++)
        if (in[i] && in[i]->kind == MQ_TYPE_TENSOR && in[i]->rank == 4)
            MQ_TRY(mq_augment_batch(&o->augment, in[i], samples, o->seed, epoch, threads, err));
    MQ_TRY(l->source->targets(l->source->user, samples, o->batch, in, targets, err));
    MQ_TRY(mq_trainer_step(l->trainer, in, targets, lr, loss, err));
done:
    drop(in);
    drop(targets);
    return rc;
}

/* ---- epochs -------------------------------------------------------------------------------------------------------- */

static void report(const loop *l, mq_loop_report *r, uint64_t epoch, double epoch_began)
{
    const double at = now(), done = (double)(epoch - l->first) + (double)r->step / (double)l->steps;

    r->epoch = epoch;
    r->n_epochs = l->opts->epochs;
    r->n_steps = l->steps;
    r->seconds = at - l->began;
    r->left = done > 0 ? r->seconds / done * ((double)(l->opts->epochs - l->first) - done) : 0;
    if (!r->end_of_epoch)
        r->rate = at > epoch_began ? (double)(r->step * l->opts->batch) / (at - epoch_began) : 0;
    if (l->opts->report)
        l->opts->report(l->opts->user, r);
}

static mq_status run_steps(loop *l, uint64_t epoch, mq_loop_report *r, mq_loop_epoch *e, mq_error *err)
{
    const double began = now();
    double sum = 0, loss = 0;
    mq_status rc = MQ_OK;

    mq_random_order(l->order, l->source->n, mq_random_at(l->opts->seed, epoch));
    r->metric = NAN;
    for (uint64_t s = 0; s < l->steps && rc == MQ_OK; s++) {
        MQ_TRY(mq_check_cancelled(l->hooks, err));
        r->lr = mq_schedule_at(&l->schedule, epoch * l->steps + s);
        MQ_TRY(one_step(l, epoch, l->order + s * l->opts->batch, r->lr, &loss, err));
        sum += loss;
        r->step = s + 1;
        r->loss = sum / (double)r->step;
        mq_progress(l->hooks, "train", (l->opts->part * l->opts->epochs + epoch) * l->steps + s + 1,
                    (l->opts->n_parts ? l->opts->n_parts : 1) * l->opts->epochs * l->steps);
        report(l, r, epoch, began);
    }
    *e = (mq_loop_epoch){ .loss = r->loss, .metric = NAN, .lr = r->lr };
done:
    return rc;
}

static mq_status measure(const loop *l, double *metric, mq_error *err)
{
    mq_model *copy = NULL;
    mq_status rc;

    MQ_TRY(mq_model_clone(&copy, l->student, err));
    MQ_TRY(mq_trainer_store(l->trainer, copy, err));
    MQ_TRY(l->opts->evaluate(l->opts->user, copy, metric, err));
done:
    mq_model_free(copy);
    return rc;
}

/* NaN is never better; without a metric the last epoch is the best. */
static bool is_better(const loop *l, double metric)
{
    const mq_loop_result *r = l->result;
    const double best = r->n_epochs ? r->epochs[r->best].metric : NAN;

    if (!l->opts->evaluate || !r->n_epochs)
        return true;
    return (isnan(best) && !isnan(metric)) || (l->opts->lower_is_better ? metric < best : metric > best);
}

static mq_status run_epoch(loop *l, uint64_t epoch, mq_error *err)
{
    const double began = now();
    mq_loop_report r = { 0 };
    mq_loop_epoch e = { 0 };
    mq_status rc;

    MQ_TRY(run_steps(l, epoch, &r, &e, err));
    if (l->opts->evaluate)
        MQ_TRY(measure(l, &e.metric, err));
    r.best = is_better(l, e.metric);
    if (r.best) {
        l->result->best = epoch;
        if (l->opts->evaluate)
            MQ_TRY(mq_trainer_keep(l->trainer, err));
    }
    e.seconds = now() - began;
    l->result->epochs[l->result->n_epochs++] = e;
    l->result->steps += l->steps;
    r.metric = e.metric;
    r.end_of_epoch = true;
    report(l, &r, epoch, began);
done:
    return rc;
}

static bool is_done(const loop *l)
{
    const mq_loop_result *r = l->result;

    return l->opts->evaluate && l->opts->patience && r->n_epochs && r->n_epochs - 1 - r->best >= l->opts->patience;
}

/* ---- checkpoints --------------------------------------------------------------------------------------------------- */

static const char *key_of(const mq_loop_opts *o)
{
    return o->key ? o->key : "";
}

static mq_status save(const loop *l, mq_error *err)
{
    const mq_loop_result *r = l->result;
    const uint64_t best = r->best, shape[] = { l->source->n, l->opts->batch, l->opts->seed, l->opts->epochs };
    mq_checkpoint *c = NULL;
    mq_status rc;

    MQ_TRY(mq_checkpoint_create(&c, err));
    MQ_TRY(mq_checkpoint_put(c, "key", key_of(l->opts), strlen(key_of(l->opts)), err));
    MQ_TRY(mq_checkpoint_put(c, "shape", shape, sizeof shape, err));
    MQ_TRY(mq_checkpoint_put(c, "epochs", r->epochs, r->n_epochs * sizeof *r->epochs, err));
    MQ_TRY(mq_checkpoint_put(c, "best", &best, sizeof best, err));
    MQ_TRY(mq_trainer_save(l->trainer, c, err));
    MQ_TRY(mq_checkpoint_save(c, l->opts->checkpoint, err));
done:
    mq_checkpoint_free(c);
    return rc;
}

/* A rate that never falls does not know how long the training is: more epochs may follow. */
static mq_status check_epochs(const loop *l, uint64_t had, mq_error *err)
{
    const uint64_t want = l->opts->epochs;

    if (had == want || (had < want && l->opts->schedule.kind == MQ_SCHEDULE_CONSTANT))
        return MQ_OK;
    return mq_fail(err, MQ_ERR_INPUT, "it is of a training of %llu epochs, not %llu%s", (unsigned long long)had,
                   (unsigned long long)want,
                   had < want ? ": its rate goes down to their end (only with a constant one more can follow)" : "");
}

static mq_status take_checkpoint(loop *l, const mq_checkpoint *c, mq_error *err)
{
    const uint64_t want[] = { l->source->n, l->opts->batch, l->opts->seed, l->opts->epochs };
    const char *key = key_of(l->opts);
    mq_loop_result *r = l->result;
    uint64_t shape[MQ_ARRAY_LEN(want)], best = 0;
    size_t n = 0;
    const void *found = mq_checkpoint_find(c, "key", &n);
    mq_status rc;

    if (!found || n != strlen(key) || memcmp(found, key, n) != 0 ||
        mq_checkpoint_get(c, "shape", shape, sizeof shape, NULL) != MQ_OK ||
        memcmp(shape, want, sizeof want - sizeof *want) != 0) {
        rc = mq_fail(err, MQ_ERR_INPUT, "it belongs to another training: options, model or data differ");
        goto done;
    }
    MQ_TRY(check_epochs(l, shape[MQ_ARRAY_LEN(want) - 1], err));
    found = mq_checkpoint_find(c, "epochs", &n);
    if (!found || n % sizeof *r->epochs || n / sizeof *r->epochs > l->opts->epochs) {
        rc = mq_fail(err, MQ_ERR_INPUT, "its epochs are damaged");
        goto done;
    }
    MQ_TRY(mq_checkpoint_get(c, "best", &best, sizeof best, err));
    MQ_TRY(mq_trainer_load(l->trainer, c, err));
    if (n)
        memcpy(r->epochs, found, n);
    r->n_epochs = n / sizeof *r->epochs;
    if (best >= r->n_epochs)
        rc = mq_fail(err, MQ_ERR_INPUT, "its best epoch is none of its epochs");
    r->best = (size_t)best;
    r->steps = r->n_epochs * l->steps;
    r->resumed = true;
done:
    return rc;
}

static mq_status resume(loop *l, mq_error *err)
{
    mq_checkpoint *c = NULL;
    mq_status rc;

    if (!l->opts->checkpoint || !l->opts->resume || access(l->opts->checkpoint, F_OK) != 0)
        return MQ_OK;
    MQ_TRY(mq_checkpoint_load(&c, l->opts->checkpoint, err));
    if ((rc = take_checkpoint(l, c, err)) != MQ_OK)
        mq_error_prefix(err, "the checkpoint '%s'", l->opts->checkpoint);
done:
    mq_checkpoint_free(c);
    return rc;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

void mq_loop_result_release(mq_loop_result *r)
{
    free(r->epochs);
    *r = (mq_loop_result){ 0 };
}

static mq_status prepare(loop *l, mq_error *err)
{
    const mq_loop_opts *o = l->opts;
    uint64_t total;

    if (!l->source->n)
        return mq_fail(err, MQ_ERR_INPUT, "there are no samples to train on");
    if (!o->batch || o->batch > l->source->n || !o->epochs)
        return mq_fail(err, MQ_ERR_USAGE, "%llu epochs in batches of %zu of %llu samples cannot be trained",
                       (unsigned long long)o->epochs, o->batch, (unsigned long long)l->source->n);
    l->steps = l->source->n / o->batch;
    if (__builtin_mul_overflow(l->steps, o->epochs, &total))
        return mq_fail(err, MQ_ERR_USAGE, "%llu epochs are too many", (unsigned long long)o->epochs);
    l->schedule.total = total;
    l->order = calloc(l->source->n, sizeof *l->order);
    l->result->epochs = calloc(o->epochs, sizeof *l->result->epochs);
    if (!l->order || !l->result->epochs)
        return mq_oom(err);
    return mq_schedule_check(&l->schedule, err);
}

mq_status mq_loop_run(mq_loop_result *out, mq_trainer *t, mq_model *student, const mq_loop_source *source,
                      const mq_loop_opts *opts, const mq_hooks *hooks, mq_error *err)
{
    mq_loop_result result = { 0 };
    loop l = { .trainer = t, .student = student, .source = source, .opts = opts, .hooks = hooks,
               .schedule = opts->schedule, .began = now(), .result = &result };
    mq_status rc;

    MQ_TRY(prepare(&l, err));
    MQ_TRY(resume(&l, err));
    l.first = result.n_epochs;
    for (uint64_t epoch = l.first; epoch < opts->epochs && !is_done(&l); epoch++) {
        if ((result.out_of_time = result.n_epochs && opts->time_limit > 0 && now() - l.began > opts->time_limit))
            break;
        MQ_TRY(run_epoch(&l, epoch, err));
        if (opts->checkpoint)
            MQ_TRY(save(&l, err));
    }
    result.stopped_early = is_done(&l) && result.n_epochs < opts->epochs;
    if (opts->evaluate)
        mq_trainer_take_back(t);
    *out = result;
    result = (mq_loop_result){ 0 };
done:
    free(l.order);
    mq_loop_result_release(&result);
    return rc;
}
