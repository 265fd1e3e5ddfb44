/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Samples in memory. Training reads them many times in another order, so they are all kept as the model takes them. */
#include <stdlib.h>
#include <string.h>

#include "api/train_job.h"
#include "distill/derive.h"
#include "ops/ops.h"

enum { READ_BATCH = 128 }; /* rows of one read, and of one run, where the model leaves it open */

/* Rows that are added one after the other. */
typedef struct growing {
    mq_dtype dtype;
    int rank;
    int64_t dims[MQ_MAX_RANK];
    char *data;
    size_t row, n, cap; /* bytes of a row; rows */
} growing;

static mq_status room_for(growing *g, size_t n, mq_error *err)
{
    size_t cap = g->cap ? g->cap : 256, bytes;
    char *data;

    while (cap < g->n + n)
        cap *= 2;
    if (cap == g->cap)
        return MQ_OK;
    if (__builtin_mul_overflow(cap, g->row ? g->row : 1, &bytes) || !(data = realloc(g->data, bytes)))
        return mq_oom(err);
    g->data = data;
    g->cap = cap;
    return MQ_OK;
}

static mq_status add_rows(growing *g, const mq_array *a, size_t n, const char *what, mq_error *err)
{
    mq_status rc;

    if (a->kind != MQ_TYPE_TENSOR || a->rank < 1 || a->dtype == MQ_STRING || !mq_array_elem_size(a) ||
        a->dims[0] < (int64_t)n)
        return mq_fail(err, MQ_ERR_INPUT, "%s: training needs numbers with an axis for the samples", what);
    if (!g->rank) {
        g->dtype = a->dtype;
        g->rank = a->rank;
        memcpy(g->dims, a->dims, sizeof g->dims);
        g->row = a->dims[0] ? mq_array_bytes(a) / (size_t)a->dims[0] : 0;
    }
    if (a->dtype != g->dtype || a->rank != g->rank ||
        memcmp(a->dims + 1, g->dims + 1, ((size_t)a->rank - 1) * sizeof *a->dims) != 0)
        return mq_fail(err, MQ_ERR_INPUT, "%s: samples have different shapes: training needs one", what);
    if ((rc = room_for(g, n, err)) != MQ_OK)
        return rc;
    memcpy(g->data + g->n * g->row, a->data, n * g->row);
    g->n += n;
    return MQ_OK;
}

static mq_status finish(growing *g, mq_array **out, mq_error *err)
{
    mq_status rc;

    g->dims[0] = (int64_t)g->n;
    if ((rc = mq_array_create(out, g->dtype, g->rank, g->dims, err)) == MQ_OK && g->data)
        memcpy((*out)->data, g->data, g->n * g->row);
    return rc;
}

/* Classes become int64; a class that is no whole number stays a value. */
static mq_status widen_labels(mq_array **out, const mq_array *a, size_t n, mq_error *err)
{
    const mq_dtype type = mq_dtype_is_float(a->dtype) ? MQ_FLOAT : MQ_INT64;
    int64_t dims[MQ_MAX_RANK];
    mq_status rc;

    if (a->kind != MQ_TYPE_TENSOR || a->dtype == MQ_STRING || a->rank < 1)
        return mq_fail(err, MQ_ERR_INPUT, "labels have to be numbers");
    memcpy(dims, a->dims, sizeof dims);
    if ((rc = mq_array_create(out, type, a->rank, dims, err)) != MQ_OK)
        return rc;
    (void)n;
    for (size_t i = 0; i < (*out)->count; i++)
        if (type == MQ_INT64)
            ((int64_t *)(*out)->data)[i] = mq_array_i64(a, i);
        else
            ((float *)(*out)->data)[i] = (float)mq_array_f64(a, i);
    return MQ_OK;
}

typedef struct reading {
    growing *in, labels;
    size_t n_in, n_blank; /* samples before the first label */
} reading;

/* Samples without a label among others that have one have the class -1. */
static mq_status add_blanks(growing *g, size_t n, mq_error *err)
{
    mq_status rc;

    if (!n)
        return MQ_OK;
    if (g->dtype != MQ_INT64)
        return mq_fail(err, MQ_ERR_INPUT, "some samples have values as labels, and others have none");
    if ((rc = room_for(g, n, err)) != MQ_OK)
        return rc;
    memset(g->data + g->n * g->row, 0xff, n * g->row);
    g->n += n;
    return MQ_OK;
}

static mq_status add_labels(reading *r, const mq_data_call *call, mq_error *err)
{
    mq_array *labels = NULL;
    mq_status rc = MQ_OK;

    if (!call->labels && !r->labels.rank) {
        r->n_blank += call->n;
        return MQ_OK;
    }
    if (!call->labels)
        return add_blanks(&r->labels, call->n, err);
    MQ_TRY(widen_labels(&labels, call->labels, call->n, err));
    if (!r->labels.rank) {
        MQ_TRY(add_rows(&r->labels, labels, 0, "labels", err));
        MQ_TRY(add_blanks(&r->labels, r->n_blank, err));
    }
    rc = add_rows(&r->labels, labels, call->n, "labels", err);
done:
    mq_array_unref(labels);
    return rc;
}

static mq_status read_all(reading *r, mq_dataset *ds, const mq_running *run, const mq_hooks *hooks, mq_error *err)
{
    const uint64_t total = mq_dataset_n_samples(ds);
    const mq_data_call *call;
    uint64_t n = 0;
    mq_status rc = MQ_OK;

    for (;;) {
        MQ_TRY(mq_dataset_next(ds, &call, err));
        if (!call)
            break;
        if (!call->rows)
            return mq_fail(err, MQ_ERR_INPUT, "the model's inputs have no axis for samples, which training needs");
        for (size_t i = 0; i < r->n_in; i++) {
            if (!call->in[i])
                return mq_fail(err, MQ_ERR_INPUT, "input '%s' has no data", run->inputs[i]->name);
            MQ_TRY(add_rows(&r->in[i], call->in[i], call->n, run->inputs[i]->name, err));
        }
        MQ_TRY(add_labels(r, call, err));
        n += call->n;
        mq_progress(hooks, "read", n, total);
    }
done:
    return rc;
}

bool mq_samples_labelled(const mq_samples *s, uint64_t i)
{
    const size_t per = s->n && s->labels ? s->labels->count / s->n : 0;
    bool any = s->labels && s->labels->dtype == MQ_FLOAT && !s->answers;

    for (size_t k = 0; k < per && !any; k++)
        any = s->labels->dtype == MQ_INT64 ? ((const int64_t *)s->labels->data)[i * per + k] >= 0 :
                                             ((const float *)s->labels->data)[i * per + k] >= 0;
    return any;
}

static void count_labels(mq_samples *s)
{
    s->n_labelled = 0;
    for (uint64_t i = 0; i < s->n && s->labels; i++)
        s->n_labelled += mq_samples_labelled(s, i);
}

mq_status mq_samples_read(mq_samples *out, const mq_data_source *source, const mq_running *run, const mq_hooks *hooks,
                          void (*note)(void *user, const char *text), void *user, mq_error *err)
{
    reading r = { .n_in = run->n_in };
    mq_data_source wide = *source;
    mq_dataset *ds = NULL;
    mq_status rc = MQ_OK;

    *out = (mq_samples){ .n_in = run->n_in };
    wide.batch = READ_BATCH;
    r.in = calloc(r.n_in + 1, sizeof *r.in);
    out->in = calloc(r.n_in + 1, sizeof *out->in);
    if (!r.in || !out->in)
        MQ_TRY(mq_oom(err));
    MQ_TRY(mq_source_open(&ds, &wide, run->inputs, run->n_in, run->outputs, run->n_out, hooks, err));
    mq_source_tell(&wide, ds, note, user);
    MQ_TRY(read_all(&r, ds, run, hooks, err));
    mq_source_warn(&wide, ds, hooks);
    for (size_t i = 0; i < r.n_in; i++)
        MQ_TRY(r.in[i].n ? finish(&r.in[i], &out->in[i], err) :
                           mq_fail(err, MQ_ERR_INPUT, "%s holds no samples", source->val ? "--val-data" : "--data"));
    out->n = r.n_in ? r.in[0].n : 0;
    if (r.labels.rank)
        MQ_TRY(finish(&r.labels, &out->labels, err));
    count_labels(out);
done:
    for (size_t i = 0; r.in && i < r.n_in; i++)
        free(r.in[i].data);
    free(r.in);
    free(r.labels.data);
    mq_dataset_free(ds);
    if (rc != MQ_OK)
        mq_samples_release(out);
    return rc;
}

mq_status mq_samples_take(mq_samples *out, const mq_samples *s, const uint64_t *list, uint64_t n, mq_error *err)
{
    mq_status rc = MQ_OK;

    *out = (mq_samples){ .n = n, .n_in = s->n_in, .answers = s->answers, .in = calloc(s->n_in + 1, sizeof *out->in) };
    if (!out->in)
        MQ_TRY(mq_oom(err));
    for (size_t i = 0; i < s->n_in; i++)
        MQ_TRY(mq_array_rows(&out->in[i], s->in[i], list, n, err));
    if (s->labels)
        MQ_TRY(mq_array_rows(&out->labels, s->labels, list, n, err));
    count_labels(out);
done:
    if (rc != MQ_OK)
        mq_samples_release(out);
    return rc;
}

void mq_samples_release(mq_samples *s)
{
    for (size_t i = 0; s->in && i < s->n_in; i++)
        mq_array_unref(s->in[i]);
    free(s->in);
    mq_array_unref(s->labels);
    *s = (mq_samples){ .n = 0 };
}

/* ---- running -------------------------------------------------------------------------------------------------------- */

/* The batch that the model fixes, or ours. */
static uint64_t batch_of(const mq_running *run)
{
    for (size_t i = 0; i < run->n_in; i++) {
        const mq_type *t = run->inputs[i]->declared ? run->inputs[i]->declared : run->inputs[i]->type;

        if (t && t->kind == MQ_TYPE_TENSOR && t->rank > 0 && t->dims[0].value > 0)
            return (uint64_t)t->dims[0].value;
    }
    return READ_BATCH;
}

/* One batch from sample `from` on; what is missing of a fixed one are copies of its last sample. */
static mq_status run_batch(mq_running *run, const mq_samples *s, uint64_t from, uint64_t batch, mq_error *err)
{
    uint64_t *list = malloc(batch * sizeof *list);
    mq_array **in = calloc(s->n_in + 1, sizeof *in);
    mq_status rc = MQ_OK;

    if (!list || !in)
        MQ_TRY(mq_oom(err));
    for (uint64_t k = 0; k < batch; k++)
        list[k] = from + k < s->n ? from + k : s->n - 1;
    for (size_t i = 0; i < s->n_in; i++)
        MQ_TRY(mq_array_rows(&in[i], s->in[i], list, batch, err));
    rc = mq_running_run(run, in, err);
done:
    for (size_t i = 0; in && i < s->n_in; i++)
        mq_array_unref(in[i]);
    free(in);
    free(list);
    return rc;
}

mq_status mq_samples_run(mq_array **out, mq_running *run, const mq_samples *s, const mq_hooks *hooks, mq_error *err)
{
    const uint64_t batch = batch_of(run);
    growing *rows = calloc(run->n_out + 1, sizeof *rows);
    mq_status rc = MQ_OK;

    if (!rows)
        MQ_TRY(mq_oom(err));
    for (uint64_t at = 0; at < s->n; at += batch) {
        const uint64_t n = s->n - at < batch ? s->n - at : batch;

        MQ_TRY(mq_check_cancelled(hooks, err));
        MQ_TRY(run_batch(run, s, at, batch, err));
        for (size_t i = 0; i < run->n_out; i++) {
            if (!run->out[i] || run->out[i]->rank < 1 || run->out[i]->dims[0] != (int64_t)batch)
                MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "output '%s' has no row for each sample", run->outputs[i]->name));
            MQ_TRY(add_rows(&rows[i], run->out[i], n, run->outputs[i]->name, err));
        }
    }
    for (size_t i = 0; i < run->n_out; i++)
        MQ_TRY(finish(&rows[i], &out[i], err));
done:
    for (size_t i = 0; rows && i < run->n_out; i++)
        free(rows[i].data);
    free(rows);
    return rc;
}

mq_status mq_best_classes(mq_array **out, const mq_array *scores, mq_error *err)
{
    const int axis = scores->rank == 4 || scores->rank == 5 ? 1 : scores->rank - 1;
    int64_t dims[MQ_MAX_RANK] = { 0 };
    size_t inner = 1, outer = 1;
    int rank = 0;
    mq_status rc;

    for (int i = 0; i < scores->rank; i++)
        if (i != axis) {
            dims[rank++] = scores->dims[i];
            *(i < axis ? &outer : &inner) *= (size_t)scores->dims[i];
        }
    if ((rc = mq_array_create(out, MQ_INT64, rank, dims, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < outer * inner; i++) {
        const size_t at = i / inner * inner * (size_t)scores->dims[axis] + i % inner;
        int64_t best = 0;

        for (int64_t k = 1; k < scores->dims[axis]; k++)
            if (mq_array_f64(scores, at + (size_t)k * inner) > mq_array_f64(scores, at + (size_t)best * inner))
                best = k;
        ((int64_t *)(*out)->data)[i] = best;
    }
    return MQ_OK;
}

/* Mean and variance of each channel (axis 1). */
static void channel_stats(const mq_array *a, double *mean, double *variance)
{
    const size_t channels = (size_t)a->dims[1], inner = a->count / ((size_t)a->dims[0] * channels);
    const float *x = a->data;

    for (size_t c = 0; c < channels; c++) {
        const double n = (double)(a->count / channels);
        double sum = 0, squares = 0;

        for (int pass = 0; pass < 2; pass++)
            for (int64_t i = 0; i < a->dims[0]; i++)
                for (size_t k = 0; k < inner; k++) {
                    const double v = (double)x[((size_t)i * channels + c) * inner + k] - (pass ? sum / n : 0);

                    *(pass ? &squares : &sum) += pass ? v * v : v;
                }
        mean[c] = sum / n;
        variance[c] = squares / n;
    }
}

static mq_status insert_by_stats(mq_node *conv, const mq_array *out, mq_error *err)
{
    const size_t channels = (size_t)conv->inputs[1]->init->dims[0];
    double *stats = malloc(2 * channels * sizeof *stats + 1);
    mq_status rc;

    if (!stats)
        return mq_oom(err);
    if (out->dtype != MQ_FLOAT || out->rank < 3 || out->dims[1] != (int64_t)channels || !out->count) {
        free(stats);
        return MQ_OK;
    }
    channel_stats(out, stats, stats + channels);
    rc = mq_norms_insert(conv, stats, stats + channels, err);
    free(stats);
    return rc;
}

mq_status mq_samples_normalize(mq_model *m, const mq_samples *s, bool fresh, const mq_hooks *hooks, mq_error *err)
{
    mq_running run = { 0 };
    mq_node **convs = NULL;
    const char **names = NULL;
    size_t n = 0;
    mq_status rc;

    MQ_TRY(mq_norms_find(m, &convs, &n, err));
    if (!n)
        return MQ_OK;
    if (!(names = calloc(n, sizeof *names)))
        return mq_oom(err);
    for (size_t i = 0; i < n; i++)
        names[i] = convs[i]->outputs[0]->name;
    if (!fresh) {
        MQ_TRY(mq_running_open(&run, m, &(mq_plan_opts){ .outputs = names, .n_outputs = n }, hooks, err));
        MQ_TRY(run_batch(&run, s, 0, batch_of(&run), err));
    }
    for (size_t i = 0; i < n; i++)
        MQ_TRY(fresh ? mq_norms_insert(convs[i], NULL, NULL, err) : insert_by_stats(convs[i], run.out[i], err));
    rc = mq_infer_model(m, NULL, NULL, err);
done:
    mq_running_close(&run);
    free(names);
    return rc;
}
