/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "api/watch.h"

#include <string.h>

#include "api/running.h"

struct watching {
    const mq_watch_opts *opts;
    const mq_data_call *call;
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

static mq_status look(void *user, const mq_value *value, mq_array *array, mq_error *err)
{
    const struct watching *w = user;
    const bool whole = w->opts->is_whole && w->opts->is_whole(w->opts->user, value, array->rank);
    const mq_array part = whole ? *array : without_copies(array, w->call);
    const mq_status rc = w->opts->look(w->opts->user, value, &part, err);

    if (rc != MQ_OK)
        mq_error_prefix(err, "tensor '%s'", value->name);
    return rc;
}

static void warn_missing(const mq_watch_opts *o, const mq_plan *plan, const mq_hooks *hooks)
{
    size_t n;
    const mq_missing *missing = mq_plan_missing(plan, &n);

    for (size_t i = 0; i < n; i++)
        mq_warn(hooks, o->code, missing[i].node, "node '%s' (%s%s%s %lld) has no kernel here: it and %zu nodes behind it %s",
                missing[i].node, missing[i].domain, *missing[i].domain ? "::" : "", missing[i].op_type,
                (long long)missing[i].version, missing[i].behind, o->unseen);
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
        mq_progress(hooks, w->opts->step, *samples, total);
    }
done:
    return rc;
}

mq_status mq_watch(mq_model *m, const mq_watch_opts *o, const mq_hooks *hooks, mq_watched *out, mq_error *err)
{
    struct watching w = { .opts = o };
    mq_model *shaped = NULL;
    mq_running r = { 0 };
    mq_dataset *ds = NULL;
    mq_status rc;

    *out = (mq_watched){ 0 };
    MQ_TRY(mq_source_shape(o->source, m, &shaped, err));
    MQ_TRY(mq_running_open(&r, shaped ? shaped : m,
                           &(mq_plan_opts){ .partial = true, .keep = o->names, .n_keep = o->n_names }, hooks, err));
    warn_missing(o, r.plan, hooks);
    mq_runner_watch(r.runner, look, &w);
    MQ_TRY(mq_source_open_part(&ds, o->source, o->shard, o->n_shards, r.inputs, r.n_in, r.outputs, r.n_out, hooks, err));
    MQ_TRY(run_all(&w, &r, ds, hooks, &out->samples, err));
    if (!out->samples && o->n_shards == 1)
        MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "--data holds no sample"));
    mq_source_warn(o->source, ds, hooks);
    out->generated = mq_dataset_generated(ds);
done:
    mq_dataset_free(ds);
    mq_running_close(&r);
    mq_model_free(shaped);
    return rc;
}
