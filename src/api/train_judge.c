/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How right students are: by labels, else by what the teacher says. */
#include <math.h>

#include "api/train_job.h"

mq_status mq_judge_settle(mq_train_judge *j, const mq_array *teacher, bool classes, const char *metric, mq_error *err)
{
    mq_status rc = MQ_OK;

    j->by_teacher = !j->samples.n_labelled;
    j->classes = classes;
    if (!j->by_teacher)
        j->truth = mq_array_ref(j->samples.labels);
    else if (classes)
        MQ_TRY(mq_best_classes(&j->truth, teacher, err));
    else
        MQ_TRY(mq_array_copy(&j->truth, teacher, err));
    j->metric = classes ? MQ_METRIC_TOP1 : MQ_METRIC_MSE;
    if (metric && !mq_metric_find(metric, &j->metric))
        return mq_fail(err, MQ_ERR_USAGE, "--metric: there is no metric '%s'", metric);
    if (mq_metric_of_classes(j->metric) != classes)
        rc = mq_fail(err, MQ_ERR_USAGE, "--metric %s does not fit what models are judged by, which is %s", metric,
                     classes ? "classes" : "values of the output's shape");
done:
    return rc;
}

/* What the metrics of a model on the samples are made of, and the metric. */
static mq_status judge(const mq_train_judge *j, mq_model *m, const mq_hooks *hooks, mq_metrics **made, double *metric,
                       mq_error *err)
{
    mq_running run = { 0 };
    mq_metrics *sums = NULL;
    mq_array **out = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_running_open(&run, m, NULL, hooks, err));
    out = calloc(run.n_out + 1, sizeof *out);
    if (!out)
        MQ_TRY(mq_oom(err));
    if (j->output >= run.n_out)
        MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "the model has %zu outputs: there is none to judge", run.n_out));
    MQ_TRY(mq_samples_run(out, &run, &j->samples, hooks, err));
    MQ_TRY(mq_metrics_create(&sums, err));
    MQ_TRY((j->classes ? mq_metrics_add_classes : mq_metrics_add_values)(sums, out[j->output], j->truth,
                                                                         (size_t)j->samples.n, err));
    if (!mq_metrics_value(sums, j->metric, metric))
        rc = mq_fail(err, MQ_ERR_INPUT, "%s cannot be said of these samples: none of them has a label",
                     mq_metric_name(j->metric));
    if (rc == MQ_OK) {
        *made = sums;
        sums = NULL;
    }
done:
    for (size_t i = 0; out && i < run.n_out; i++)
        mq_array_unref(out[i]);
    free(out);
    mq_metrics_free(sums);
    mq_running_close(&run);
    return rc;
}

mq_status mq_judge_model(const mq_train_judge *j, mq_model *m, const mq_hooks *hooks, double *metric, mq_error *err)
{
    mq_metrics *sums = NULL;
    const mq_status rc = judge(j, m, hooks, &sums, metric, err);

    mq_metrics_free(sums);
    return rc;
}

mq_status mq_judge_teacher(mq_train_judge *j, mq_model *m, const mq_hooks *hooks, double *metric, mq_error *err)
{
    mq_metrics_free(j->teacher);
    j->teacher = NULL;
    return judge(j, m, hooks, &j->teacher, metric, err);
}

mq_status mq_judge_beside(const mq_train_judge *j, mq_model *m, const mq_hooks *hooks, double *metric, double *half,
                          mq_error *err)
{
    mq_metrics *sums = NULL;
    const mq_status rc = judge(j, m, hooks, &sums, metric, err);
    size_t n_first = 0, n = 0;
    const double *first = rc == MQ_OK && j->teacher ? mq_metrics_last(j->teacher, j->metric, &n_first) : NULL;
    const double *own = rc == MQ_OK ? mq_metrics_last(sums, j->metric, &n) : NULL;
    double sum = 0, squares = 0;

    *half = NAN;
    if (first && own && n > 1 && n == n_first) {
        for (size_t i = 0; i < n; i++) {
            sum += own[i] - first[i];
            squares += (own[i] - first[i]) * (own[i] - first[i]);
        }
        *half = mq_metrics_half_interval(j->metric, n, sum, squares);
    }
    mq_metrics_free(sums);
    return rc;
}

void mq_judge_release(mq_train_judge *j)
{
    mq_samples_release(&j->samples);
    mq_array_unref(j->truth);
    mq_metrics_free(j->teacher);
    j->truth = NULL;
    j->teacher = NULL;
}
