/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Running models on samples, in batches, and what is made of what they say. */
#include <stdlib.h>
#include <string.h>

#include "api/train_job.h"
#include "api/train_rows.h"
#include "distill/derive.h"
#include "ops/ops.h"
#include "train/loss.h"

enum { RUN_BATCH = 128 }; /* rows of one run, where the model leaves it open */

/* ---- running -------------------------------------------------------------------------------------------------------- */

/* The batch that the model fixes, or ours. */
static uint64_t batch_of(const mq_running *run)
{
    const uint64_t fixed = mq_running_batch(run);

    return fixed ? fixed : RUN_BATCH;
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
    MQ_TRY(mq_samples_inputs(s, list, batch, in, err));
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
    mq_rows *rows = calloc(run->n_out + 1, sizeof *rows);
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
            MQ_TRY(mq_rows_add(&rows[i], run->out[i], n, run->outputs[i]->name, err));
        }
    }
    for (size_t i = 0; i < run->n_out; i++)
        MQ_TRY(mq_rows_finish(&rows[i], &out[i], err));
done:
    for (size_t i = 0; rows && i < run->n_out; i++)
        mq_rows_release(&rows[i]);
    free(rows);
    return rc;
}

mq_status mq_best_classes(mq_array **out, const mq_array *scores, mq_error *err)
{
    const int axis = mq_class_axis(scores->rank);
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
