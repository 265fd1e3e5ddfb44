/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Labels as losses and metrics want them. A model that tells classes apart learns from class numbers; one whose outputs are
 * probabilities each by itself (Sigmoid) learns from answers, whatever form labels have: answers of the output's shape, one
 * for each score, or the number of the only yes. */
#include <math.h>
#include <string.h>

#include "api/train_job.h"
#include "train/loss.h"

/* ---- classes -------------------------------------------------------------------------------------------------------- */

/* Labels as losses and metrics want them: no axis of one number, no ones among zeros. */
static mq_status plain_labels(mq_samples *s, const mq_array *scores, mq_error *err)
{
    mq_array *classes = NULL;
    mq_status rc;

    if (!s->labels)
        return MQ_OK;
    if ((rc = mq_metrics_one_hot(&classes, scores, s->labels, err)) != MQ_OK)
        return rc;
    if (classes) {
        mq_array_unref(s->labels);
        s->labels = classes;
    }
    if (s->labels->dtype == MQ_INT64 && s->labels->rank == scores->rank && s->labels->rank > 1 &&
        s->labels->dims[s->labels->rank - 1] == 1)
        s->labels->rank--;
    return MQ_OK;
}

/* Classes lie below what the model tells apart. */
static mq_status check_labels(const mq_samples *s, const mq_array *scores, const char *option, mq_error *err)
{
    const int axis = mq_class_axis(scores->rank);
    const int64_t n = scores->rank > 1 ? scores->dims[axis] : 1;

    if (!s->labels || s->labels->dtype != MQ_INT64)
        return MQ_OK;
    if (s->labels->rank != scores->rank - 1)
        return mq_fail(err, MQ_ERR_INPUT, "%s: labels of rank %d do not fit scores of rank %d", option, s->labels->rank,
                       scores->rank);
    for (size_t i = 0; i < s->labels->count; i++) {
        const int64_t label = ((const int64_t *)s->labels->data)[i];

        if (label >= n)
            return mq_fail(err, MQ_ERR_INPUT, "%s: label %lld of sample %zu is out of range: the model has %lld classes",
                           option, (long long)label, i / (s->labels->count / (size_t)s->n), (long long)n);
    }
    return MQ_OK;
}

/* ---- answers -------------------------------------------------------------------------------------------------------- */

mq_status mq_train_sigmoid(mq_array **out, const mq_array *logits, mq_error *err)
{
    mq_status rc = mq_array_create(out, MQ_FLOAT, logits->rank, logits->dims, err);

    for (size_t i = 0; rc == MQ_OK && i < logits->count; i++)
        ((float *)(*out)->data)[i] = (float)(1 / (1 + exp(-mq_array_f64(logits, i))));
    return rc;
}

/* Class numbers: yes at theirs, no at all others; those of samples without a label stay below 0. */
static void spread(float *out, const mq_array *classes, size_t per)
{
    for (size_t i = 0; i < classes->count; i++) {
        const int64_t label = ((const int64_t *)classes->data)[i];

        for (size_t k = 0; k < per; k++)
            out[i * per + k] = label < 0 ? -1 : (size_t)label == k;
    }
}

/* Labels become float answers of the scores' shape. */
static mq_status make_answers(mq_samples *s, const mq_array *scores, const char *option, mq_error *err)
{
    const mq_array *labels = s->labels;
    const size_t per = scores->dims[0] ? scores->count / (size_t)scores->dims[0] : 0;
    const bool classes = labels && labels->dtype == MQ_INT64 && labels->count == s->n && per > 1;
    int64_t dims[MQ_MAX_RANK];
    mq_array *a = NULL;
    mq_status rc = MQ_OK;

    if (!labels)
        return MQ_OK;
    if (!classes && labels->count != s->n * per)
        return mq_fail(err, MQ_ERR_INPUT, "%s: %zu labels for each sample do not fit an output of %zu probabilities", option,
                       s->n ? labels->count / (size_t)s->n : 0, per);
    memcpy(dims, scores->dims, sizeof dims);
    dims[0] = (int64_t)s->n;
    MQ_TRY(mq_array_create(&a, MQ_FLOAT, scores->rank, dims, err));
    for (size_t i = 0; i < labels->count; i++) {
        const double v = mq_array_f64(labels, i), most = classes ? (double)per - 1 : 1;

        if (!(v <= most))
            MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "%s: label %g of sample %zu is out of range: it is at most %g", option, v,
                           i / (labels->count / (size_t)s->n), most));
        if (!classes)
            ((float *)a->data)[i] = (float)v;
    }
    if (classes)
        spread(a->data, labels, per);
    mq_array_unref(s->labels);
    s->labels = a;
    s->answers = true;
    a = NULL;
done:
    mq_array_unref(a);
    return rc;
}

/* By classes, where labels are such; else by how far probabilities are from answers, all of which must be known then. */
static mq_status judge_answers(mq_samples *s, const mq_array *scores, const char *option, mq_error *err)
{
    const size_t per = scores->dims[0] ? scores->count / (size_t)scores->dims[0] : 0;
    mq_status rc;

    if ((rc = plain_labels(s, scores, err)) != MQ_OK || !s->labels)
        return rc;
    if (mq_metrics_are_classes(scores, s->labels) && per > 1)
        return check_labels(s, scores, option, err);
    if (mq_metrics_are_classes(scores, s->labels)) {
        for (size_t i = 0; i < s->labels->count; i++)
            if (mq_array_f64(s->labels, i) > 1)
                return mq_fail(err, MQ_ERR_INPUT, "%s: label %g of sample %zu is out of range: it is at most 1", option,
                               mq_array_f64(s->labels, i), i);
        return MQ_OK;
    }
    if ((rc = make_answers(s, scores, option, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < s->labels->count; i++)
        if (((const float *)s->labels->data)[i] < 0)
            return mq_fail(err, MQ_ERR_INPUT, "%s: several answers for each sample, and some of them are unknown: models "
                           "cannot be judged by these", option);
    return MQ_OK;
}

/* ---- all ------------------------------------------------------------------------------------------------------------ */

mq_status mq_train_labels(mq_train_job *j, const mq_array *scores)
{
    const char *judged = j->judge.held_out ? "--labels" : "--val-labels";
    mq_form *form = &j->forms[j->judged];
    mq_samples *s = &j->samples, *of_judge = &j->judge.samples;
    mq_error *err = j->err;
    mq_status rc;

    if (*form == MQ_FORM_ANSWERS) {
        MQ_TRY(make_answers(s, scores, "--labels", err));
        return judge_answers(of_judge, scores, judged, err);
    }
    MQ_TRY(plain_labels(s, scores, err));
    MQ_TRY(plain_labels(of_judge, scores, err));
    if (s->labels)
        *form = s->labels->dtype == MQ_INT64 ? MQ_FORM_CLASSES : MQ_FORM_VALUES;
    MQ_TRY(check_labels(s, scores, "--labels", err));
    MQ_TRY(check_labels(of_judge, scores, judged, err));
    if (of_judge->labels && (of_judge->labels->dtype == MQ_INT64) != (*form == MQ_FORM_CLASSES))
        rc = mq_fail(err, MQ_ERR_INPUT, "labels to train on and labels to judge by are of different kinds");
done:
    return rc;
}
