/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How right outputs are: metrics over any number of samples, each defined here, once. Only sums are kept.
 *
 * Classes: the output holds a score per class (logits or probabilities: which is seen by whether rows add up to 1),
 * along the axis that the labels lack: [n,C] with labels [n]; [n,t,C] or [n,C,h,w] with labels [n,t] or [n,h,w]; [n] or
 * [n,1] with labels 0 and 1, then a positive score (a probability over one half) is class 1; or integers of the labels'
 * shape, the class itself. A negative label (-100, -1) is not counted. A row with NaN is wrong in every sense.
 *   top1, top5    share whose class is the best, among the five best; of equal scores the lower class is better
 *   precision, recall, f1  the mean over classes that labels or predictions have (macro); 0 where nothing can be divided
 *   ce            mean of -ln(probability of the class); perplexity: e to it
 *
 * Values: output and reference of one shape, a and b.
 *   mse, mae      mean of (a-b)^2, of |a-b|
 *   cosine, sqnr, agreement  as compare.h has them, over all samples */
#ifndef MQ_EXEC_METRICS_H
#define MQ_EXEC_METRICS_H

#include "graph/array.h"

typedef enum mq_metric {
    MQ_METRIC_TOP1,
    MQ_METRIC_TOP5,
    MQ_METRIC_PRECISION,
    MQ_METRIC_RECALL,
    MQ_METRIC_F1,
    MQ_METRIC_CE,
    MQ_METRIC_PERPLEXITY,
    MQ_METRIC_MSE, /* values from here on */
    MQ_METRIC_MAE,
    MQ_METRIC_COSINE,
    MQ_METRIC_SQNR,
    MQ_METRIC_AGREEMENT,
    MQ_N_METRICS,
} mq_metric;

const char *mq_metric_name(mq_metric m); /* "top1" */
bool mq_metric_find(const char *name, mq_metric *out);
bool mq_metric_of_classes(mq_metric m);
bool mq_metric_lower_is_better(mq_metric m);

typedef struct mq_metrics mq_metrics;

mq_status mq_metrics_create(mq_metrics **out, mq_error *err);
void mq_metrics_free(mq_metrics *m); /* NULL is fine */

/* Can these be scores and labels of classes? Else they are values. Shapes of one run; labels' axis 0 has the samples. */
bool mq_metrics_are_classes(const mq_array *scores, const mq_array *labels);

/* Labels of the scores' shape, with one 1 and zeros along the last axis: *out is the classes, without that axis. NULL: they
 * are something else. Shapes of one run, as above. */
mq_status mq_metrics_one_hot(mq_array **out, const mq_array *scores, const mq_array *labels, mq_error *err);

/* Adds the first n samples (along axis 0) of a run. One kind per mq_metrics. MQ_ERR_INPUT when shapes do not fit, or a
 * label is no class. */
mq_status mq_metrics_add_classes(mq_metrics *m, const mq_array *scores, const mq_array *labels, size_t n, mq_error *err);
/* n SIZE_MAX: all of it, one sample. */
mq_status mq_metrics_add_values(mq_metrics *m, const mq_array *got, const mq_array *want, size_t n, mq_error *err);

/* false: nothing of its kind was added (or top5 and ce of predictions without scores). */
bool mq_metrics_value(const mq_metrics *m, mq_metric which, double *out);
uint64_t mq_metrics_count(const mq_metrics *m); /* labels that counted; of values: samples */

/* Each sample of the last add by itself: top1, top5 (1 or 0), ce, mse, mae; NULL for what samples do not have. *n of
 * them. For paired differences: two models that were given the same samples. */
const double *mq_metrics_last(const mq_metrics *m, mq_metric which, size_t *n);

/* Half of the 95 % interval around the mean of n paired differences of that metric, of which the sum and the sum of squares
 * are given. For shares (top1, top5) half a sample is added to each of the four outcomes of a pair (Agresti and Min, 2005):
 * that no sample differs among a few does not mean that none ever will. n: at least 2. */
double mq_metrics_half_interval(mq_metric which, uint64_t n, double sum, double squares);

/* Of one class; n_classes of them: the scores', or the largest seen + 1. */
typedef struct mq_class_counts {
    uint64_t right, wrong, missed; /* predicted and so; predicted and not so; so and not predicted */
} mq_class_counts;
const mq_class_counts *mq_metrics_classes(const mq_metrics *m, size_t *n_classes);
/* 0 where nothing can be divided. */
double mq_class_precision(const mq_class_counts *c);
double mq_class_recall(const mq_class_counts *c);
double mq_class_f1(const mq_class_counts *c);

#endif
