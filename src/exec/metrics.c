/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Metrics of outputs. Which output and which labels, and what a loss of a metric means, is the caller's. */
#include "exec/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/vec.h"
#include "exec/compare.h"

enum { TOP = 5, MOST_CLASSES = 1 << 24 };
#define LEAST_PROBABILITY 1e-38 /* where a probability is 0, the loss stays finite */

static const struct {
    const char *name;
    bool lower;
} rows[MQ_N_METRICS] = {
    [MQ_METRIC_TOP1] = { "top1", false },     [MQ_METRIC_TOP5] = { "top5", false },
    [MQ_METRIC_PRECISION] = { "precision", false }, [MQ_METRIC_RECALL] = { "recall", false },
    [MQ_METRIC_F1] = { "f1", false },         [MQ_METRIC_CE] = { "ce", true },
    [MQ_METRIC_PERPLEXITY] = { "perplexity", true }, [MQ_METRIC_MSE] = { "mse", true },
    [MQ_METRIC_MAE] = { "mae", true },        [MQ_METRIC_COSINE] = { "cosine", false },
    [MQ_METRIC_SQNR] = { "sqnr", false },     [MQ_METRIC_AGREEMENT] = { "agreement", false },
};

typedef MQ_VEC(double) per_sample;

struct mq_metrics {
    uint64_t n;            /* labels, or samples of values */
    uint64_t top1, top5;
    double ce;             /* sum */
    bool has_scores, probabilities;
    MQ_VEC(mq_class_counts) classes;
    mq_compare sums;
    double squares, absolutes; /* of differences */
    uint64_t n_values;
    per_sample last[MQ_N_METRICS];
    size_t n_last;
    double *row; /* scores of one label */
    size_t row_cap;
};

const char *mq_metric_name(mq_metric m)
{
    return rows[m].name;
}

bool mq_metric_find(const char *name, mq_metric *out)
{
    for (int i = 0; i < MQ_N_METRICS; i++)
        if (strcmp(rows[i].name, name) == 0) {
            *out = (mq_metric)i;
            return true;
        }
    return false;
}

bool mq_metric_of_classes(mq_metric m)
{
    return m < MQ_METRIC_MSE;
}

bool mq_metric_lower_is_better(mq_metric m)
{
    return rows[m].lower;
}

double mq_metrics_half_interval(mq_metric which, uint64_t n_pairs, double sum, double squares)
{
    const bool share = which == MQ_METRIC_TOP1 || which == MQ_METRIC_TOP5;
    const double n = (double)n_pairs + (share ? 2 : 0), all = squares + (share ? 1 : 0);

    return 1.96 * sqrt(fmax(0, all - sum * sum / n) / (n - 1) / n);
}

mq_status mq_metrics_create(mq_metrics **out, mq_error *err)
{
    *out = calloc(1, sizeof **out);
    return *out ? MQ_OK : mq_oom(err);
}

void mq_metrics_free(mq_metrics *m)
{
    if (!m)
        return;
    for (int i = 0; i < MQ_N_METRICS; i++)
        mq_vec_release(&m->last[i]);
    mq_vec_release(&m->classes);
    free(m->row);
    free(m);
}

/* ---- which element is the score of which class --------------------------------------------------------------------- */

/* Scores of label i begin at offset(i) and are `step` apart, n_classes of them. n_classes 0: the output is the class. 1:
 * a single score, of class 1 against class 0. */
typedef struct layout {
    size_t n_classes, step;
    size_t per_sample;    /* labels */
    size_t outer, inner;  /* label i lies at (i / inner) * n_classes * inner + i % inner */
} layout;

static bool is_integer(mq_dtype t)
{
    return t == MQ_INT64 || t == MQ_INT32 || t == MQ_INT16 || t == MQ_INT8 || t == MQ_UINT8 || t == MQ_UINT16 ||
        t == MQ_UINT32 ||
           t == MQ_UINT64 || t == MQ_BOOL;
}

static bool is_float(mq_dtype t)
{
    return t == MQ_FLOAT || t == MQ_DOUBLE || t == MQ_FLOAT16 || t == MQ_BFLOAT16;
}

static int rank_without_ones(const mq_array *a, int from)
{
    int rank = a->rank;

    while (rank > from && a->dims[rank - 1] == 1)
        rank--;
    return rank;
}

/* Do dims [from, from + n) of a equal dims [1, 1 + n) of labels? */
static bool same_dims(const mq_array *a, int from, const mq_array *labels, int n)
{
    for (int i = 0; i < n; i++)
        if (a->dims[from + i] != labels->dims[1 + i])
            return false;
    return true;
}

static bool find_layout(const mq_array *a, const mq_array *labels, layout *out)
{
    const int inner = rank_without_ones(labels, 1) - 1; /* dims of labels behind the sample */
    const int rank = inner ? a->rank : rank_without_ones(a, 1);

    if (a->kind != MQ_TYPE_TENSOR || labels->kind != MQ_TYPE_TENSOR || labels->rank < 1 || a->rank < 1 ||
        a->dims[0] < labels->dims[0])
        return false;
    *out = (layout){ .per_sample = 1, .inner = 1, .step = 1 };
    for (int i = 1; i <= inner; i++)
        out->per_sample *= (size_t)labels->dims[i];
    if (is_integer(a->dtype))
        return rank == inner + 1 && same_dims(a, 1, labels, inner);
    if (!is_float(a->dtype))
        return false;
    if (rank == inner + 2 && same_dims(a, 1, labels, inner)) { /* the last axis has the classes */
        out->n_classes = (size_t)a->dims[rank - 1];
    } else if (rank == inner + 2 && same_dims(a, 2, labels, inner)) {
        out->n_classes = (size_t)a->dims[1];
        out->inner = out->step = out->per_sample;
    } else if (rank == 1 && inner == 0) {
        out->n_classes = 1;
    }
    return out->n_classes > 0 && out->n_classes <= MOST_CLASSES;
}

bool mq_metrics_are_classes(const mq_array *scores, const mq_array *labels)
{
    layout l;

    return is_integer(labels->dtype) && find_layout(scores, labels, &l);
}

/* The place of the only 1 among zeros; n: there is none, or something else. */
static size_t hot_one(const mq_array *a, size_t from, size_t n)
{
    size_t at = n;

    for (size_t i = 0; i < n; i++) {
        const double v = mq_array_f64(a, from + i);

        if (v == 0)
            continue;
        if (v != 1 || at < n)
            return n;
        at = i;
    }
    return at;
}

mq_status mq_metrics_one_hot(mq_array **out, const mq_array *scores, const mq_array *labels, mq_error *err)
{
    const int rank = labels->rank;
    const size_t n = rank > 1 ? (size_t)labels->dims[rank - 1] : 0;
    mq_array *a = NULL;
    mq_status rc;

    *out = NULL;
    if (scores->kind != MQ_TYPE_TENSOR || labels->kind != MQ_TYPE_TENSOR || !is_float(scores->dtype) || n < 2 ||
        !(is_integer(labels->dtype) || is_float(labels->dtype)) || scores->rank != rank ||
        scores->dims[0] < labels->dims[0] ||
        memcmp(scores->dims + 1, labels->dims + 1, (size_t)(rank - 1) * sizeof *labels->dims) != 0)
        return MQ_OK;
    if ((rc = mq_array_create(&a, MQ_INT64, rank - 1, labels->dims, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < a->count; i++) {
        const size_t at = hot_one(labels, i * n, n);

        if (at == n) {
            mq_array_unref(a);
            return MQ_OK;
        }
        ((int64_t *)a->data)[i] = (int64_t)at;
    }
    *out = a;
    return MQ_OK;
}

/* ---- classes ------------------------------------------------------------------------------------------------------- */

static bool need_classes(mq_metrics *m, size_t n)
{
    while (m->classes.n < n)
        if (!mq_vec_push(&m->classes, (mq_class_counts){ 0 }))
            return false;
    return true;
}

/* The scores of label i into m->row: two for a single score. */
static void read_row(mq_metrics *m, const mq_array *a, const layout *l, size_t i)
{
    const size_t at = i / l->inner * l->n_classes * l->inner + i % l->inner;

    for (size_t c = 0; c < l->n_classes; c++)
        m->row[c] = mq_array_f64(a, at + c * l->step);
}

/* A single score becomes two: probabilities that add up to 1, or logits. */
static void split_score(mq_metrics *m)
{
    const double s = m->row[0];

    m->row[0] = m->probabilities ? 1 - s : 0;
    m->row[1] = s;
}

static bool looks_like_probabilities(mq_metrics *m, const mq_array *a, const layout *l, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;

        read_row(m, a, l, i);
        for (size_t c = 0; c < l->n_classes; c++) {
            if (!(m->row[c] >= 0 && m->row[c] <= 1 + 1e-6))
                return false;
            sum += m->row[c];
        }
        if (l->n_classes > 1 && fabs(sum - 1) > 1e-2) /* float16 rounds */
            return false;
    }
    return true;
}

/* -ln of the label's probability. */
static double loss(const mq_metrics *m, size_t n, size_t label)
{
    double max = -INFINITY, sum = 0;

    if (m->probabilities)
        return -log(fmax(m->row[label], LEAST_PROBABILITY));
    for (size_t c = 0; c < n; c++)
        max = m->row[c] > max ? m->row[c] : max;
    for (size_t c = 0; c < n; c++)
        sum += exp(m->row[c] - max);
    return max + log(sum) - m->row[label];
}

/* Classes that are better than the label's: NaN is better than everything, so it is never right. */
static size_t place(const mq_metrics *m, size_t n, size_t label)
{
    size_t better = 0;

    if (isnan(m->row[label]))
        return n;
    for (size_t c = 0; c < n; c++)
        better += c < label ? !(m->row[c] < m->row[label]) : !(m->row[c] <= m->row[label]);
    return better;
}

static size_t best(const mq_metrics *m, size_t n)
{
    size_t at = 0;

    for (size_t c = 1; c < n; c++)
        at = m->row[c] > m->row[at] ? c : at;
    return at;
}

static mq_status add_scores(mq_metrics *m, size_t n, size_t label, double hits[3], mq_error *err)
{
    const size_t at = place(m, n, label), chosen = at == 0 ? label : best(m, n);

    if (!need_classes(m, n))
        return mq_oom(err);
    if (at == 0) {
        m->classes.items[label].right++;
    } else {
        m->classes.items[label].missed++;
        m->classes.items[chosen].wrong += chosen != label; /* equal: a NaN stands beside it */
    }
    hits[0] += at == 0;
    hits[1] += at < TOP;
    hits[2] += loss(m, n, label);
    return MQ_OK;
}

static mq_status add_predicted(mq_metrics *m, int64_t predicted, size_t label, double hits[3], mq_error *err)
{
    if (predicted < 0 || predicted >= MOST_CLASSES)
        return mq_fail(err, MQ_ERR_INPUT, "the output predicts class %lld", (long long)predicted);
    if (!need_classes(m, ((size_t)predicted > label ? (size_t)predicted : label) + 1))
        return mq_oom(err);
    if ((size_t)predicted == label) {
        m->classes.items[label].right++;
    } else {
        m->classes.items[label].missed++;
        m->classes.items[predicted].wrong++;
    }
    hits[0] += (size_t)predicted == label;
    return MQ_OK;
}

static bool keep_last(mq_metrics *m, mq_metric which, double value)
{
    return mq_vec_push(&m->last[which], value);
}

static void forget_last(mq_metrics *m)
{
    for (int i = 0; i < MQ_N_METRICS; i++)
        m->last[i].n = 0;
}

/* The labels of one sample. */
static mq_status add_sample(mq_metrics *m, const mq_array *scores, const mq_array *labels, const layout *l, size_t sample,
                            mq_error *err)
{
    const size_t n = l->n_classes == 1 ? 2 : l->n_classes;
    double hits[3] = { 0 };
    size_t counted = 0;

    for (size_t i = sample * l->per_sample; i < (sample + 1) * l->per_sample; i++) {
        const int64_t label = mq_array_i64(labels, i);
        mq_status rc;

        if (label < 0)
            continue;
        if (label >= (n ? (int64_t)n : MOST_CLASSES))
            return mq_fail(err, MQ_ERR_INPUT, "label %lld of sample %zu is no class: the output has %zu",
                           (long long)label, sample, n);
        counted++;
        if (n) {
            read_row(m, scores, l, i);
            if (l->n_classes == 1)
                split_score(m);
        }
        rc = n ? add_scores(m, n, (size_t)label, hits, err) : add_predicted(m, mq_array_i64(scores, i),
                                                                            (size_t)label, hits, err);
        if (rc != MQ_OK)
            return rc;
    }
    m->n += counted;
    m->top1 += (uint64_t)hits[0];
    m->top5 += (uint64_t)hits[1];
    m->ce += hits[2];
    if (counted && (!keep_last(m, MQ_METRIC_TOP1, hits[0] / (double)counted) ||
                    !keep_last(m, MQ_METRIC_TOP5, hits[1] / (double)counted) ||
                    !keep_last(m, MQ_METRIC_CE, hits[2] / (double)counted)))
        return mq_oom(err);
    return MQ_OK;
}

mq_status mq_metrics_add_classes(mq_metrics *m, const mq_array *scores, const mq_array *labels, size_t n, mq_error *err)
{
    char a[256], b[256];
    layout l;

    forget_last(m);
    if (!find_layout(scores, labels, &l) || (size_t)labels->dims[0] < n) {
        mq_array_text(scores, a, sizeof a);
        mq_array_text(labels, b, sizeof b);
        return mq_fail(err, MQ_ERR_INPUT, "the output is %s, the labels are %s: neither classes of samples nor "
                                          "values of one shape",
                       a, b);
    }
    if (l.n_classes + 2 > m->row_cap) {
        free(m->row);
        m->row_cap = 0;
        if (!(m->row = malloc((l.n_classes + 2) * sizeof *m->row)))
            return mq_oom(err);
        m->row_cap = l.n_classes + 2;
    }
    if (m->n == 0 && l.n_classes) {
        m->has_scores = true;
        m->probabilities = looks_like_probabilities(m, scores, &l, n * l.per_sample);
    }
    for (size_t i = 0; i < n; i++) {
        mq_status rc = add_sample(m, scores, labels, &l, i, err);

        if (rc != MQ_OK)
            return rc;
    }
    return MQ_OK;
}

const mq_class_counts *mq_metrics_classes(const mq_metrics *m, size_t *n_classes)
{
    *n_classes = m->classes.n;
    return m->classes.items;
}

static double divide(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : 0;
}

double mq_class_precision(const mq_class_counts *c)
{
    return divide(c->right, c->right + c->wrong);
}

double mq_class_recall(const mq_class_counts *c)
{
    return divide(c->right, c->right + c->missed);
}

double mq_class_f1(const mq_class_counts *c)
{
    return divide(2 * c->right, 2 * c->right + c->wrong + c->missed);
}

static double macro(const mq_metrics *m, double (*of)(const mq_class_counts *))
{
    double sum = 0;
    size_t n = 0;

    for (size_t i = 0; i < m->classes.n; i++) {
        const mq_class_counts *c = &m->classes.items[i];

        if (c->right + c->wrong + c->missed == 0)
            continue;
        sum += of(c);
        n++;
    }
    return n ? sum / (double)n : 0;
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

/* The first `count` elements as doubles, of the array's shape with n samples. */
static mq_status as_doubles(mq_array **out, const mq_array *a, size_t n, mq_error *err)
{
    int64_t dims[MQ_MAX_RANK];
    mq_status rc;

    memcpy(dims, a->dims, sizeof dims);
    if (n != SIZE_MAX && a->rank)
        dims[0] = (int64_t)n;
    if ((rc = mq_array_create(out, MQ_DOUBLE, a->rank, dims, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < (*out)->count; i++)
        ((double *)(*out)->data)[i] = mq_array_f64(a, i);
    return MQ_OK;
}

static mq_status add_differences(mq_metrics *m, const double *a, const double *b, size_t count, mq_error *err)
{
    double squares = 0, absolutes = 0;

    for (size_t i = 0; i < count; i++) {
        squares += (a[i] - b[i]) * (a[i] - b[i]);
        absolutes += fabs(a[i] - b[i]);
    }
    m->squares += squares;
    m->absolutes += absolutes;
    m->n_values += count;
    m->n++;
    if (count && (!keep_last(m, MQ_METRIC_MSE, squares / (double)count) || !keep_last(m, MQ_METRIC_MAE,
                                                                                      absolutes / (double)count)))
        return mq_oom(err);
    return MQ_OK;
}

static bool is_numeric(const mq_array *a)
{
    return a->kind == MQ_TYPE_TENSOR && (is_integer(a->dtype) || is_float(a->dtype));
}

mq_status mq_metrics_add_values(mq_metrics *m, const mq_array *got, const mq_array *want, size_t n, mq_error *err)
{
    mq_array *a = NULL, *b = NULL;
    char x[256], y[256];
    size_t samples = 1;
    mq_status rc = MQ_OK;

    forget_last(m);
    mq_array_text(got, x, sizeof x);
    mq_array_text(want, y, sizeof y);
    if (!is_numeric(got) || !is_numeric(want) || (n != SIZE_MAX && (!got->rank || !want->rank || (size_t)got->dims[0] < n ||
                                                                    (size_t)want->dims[0] < n)))
        return mq_fail(err, MQ_ERR_INPUT, "the output is %s, what it should be %s", x, y);
    MQ_TRY(as_doubles(&a, got, n, err));
    MQ_TRY(as_doubles(&b, want, n, err));
    if (a->count != b->count)
        MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "the output is %s, what it should be %s", x, y));
    if (a->rank != b->rank) { /* [n] beside [n,1] */
        b->rank = a->rank;
        memcpy(b->dims, a->dims, sizeof b->dims);
    }
    MQ_TRY(mq_compare_add(&m->sums, a, b, 0, 0, err));
    samples = n == SIZE_MAX ? 1 : n;
    for (size_t i = 0; i < samples && a->count; i++) {
        const size_t per = a->count / samples;

        MQ_TRY(add_differences(m, (double *)a->data + i * per, (double *)b->data + i * per, per, err));
    }
done:
    mq_array_unref(a);
    mq_array_unref(b);
    return rc;
}

/* ---- what came out ------------------------------------------------------------------------------------------------- */

static double class_value(const mq_metrics *m, mq_metric which)
{
    switch (which) {
    case MQ_METRIC_TOP1: return (double)m->top1 / (double)m->n;
    case MQ_METRIC_TOP5: return (double)m->top5 / (double)m->n;
    case MQ_METRIC_PRECISION: return macro(m, mq_class_precision);
    case MQ_METRIC_RECALL: return macro(m, mq_class_recall);
    case MQ_METRIC_F1: return macro(m, mq_class_f1);
    case MQ_METRIC_CE: return m->ce / (double)m->n;
    default: return exp(m->ce / (double)m->n);
    }
}

bool mq_metrics_value(const mq_metrics *m, mq_metric which, double *out)
{
    const bool scores = which == MQ_METRIC_TOP5 || which == MQ_METRIC_CE || which == MQ_METRIC_PERPLEXITY;

    if (m->n == 0 || mq_metric_of_classes(which) != (m->n_values == 0) || (scores && !m->has_scores))
        return false;
    if (mq_metric_of_classes(which))
        *out = class_value(m, which);
    else if (which == MQ_METRIC_MSE || which == MQ_METRIC_MAE)
        *out = (which == MQ_METRIC_MSE ? m->squares : m->absolutes) / (double)m->n_values;
    else if (which == MQ_METRIC_COSINE)
        *out = mq_compare_cosine(&m->sums);
    else
        *out = which == MQ_METRIC_SQNR ? mq_compare_sqnr(&m->sums) : mq_compare_agreement(&m->sums);
    return true;
}

uint64_t mq_metrics_count(const mq_metrics *m)
{
    return m->n;
}

const double *mq_metrics_last(const mq_metrics *m, mq_metric which, size_t *n)
{
    *n = m->last[which].n;
    return m->last[which].n ? m->last[which].items : NULL;
}
