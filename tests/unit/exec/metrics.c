/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Metrics on values that can be worked out by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "exec/metrics.h"

static mq_metrics *m;
static mq_error err;

static int setup(void **state)
{
    (void)state;
    return mq_metrics_create(&m, NULL) == MQ_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mq_metrics_free(m);
    return 0;
}

static mq_array *make(mq_dtype dtype, int rank, const int64_t *dims, const void *data)
{
    mq_array *a = NULL;

    assert_int_equal(mq_array_create(&a, dtype, rank, dims, NULL), MQ_OK);
    memcpy(a->data, data, mq_array_bytes(a));
    return a;
}

static mq_status add(mq_array *scores, mq_array *labels, size_t n)
{
    const mq_status rc = mq_metrics_add_classes(m, scores, labels, n, &err);

    mq_array_unref(scores);
    mq_array_unref(labels);
    return rc;
}

#define FLOATS(n, c, ...) make(MQ_FLOAT, 2, (int64_t[]){ n, c }, (float[]){ __VA_ARGS__ })
#define LABELS(n, ...) make(MQ_INT64, 1, (int64_t[]){ n }, (int64_t[]){ __VA_ARGS__ })

static double value(mq_metric which)
{
    double v = NAN;

    assert_true(mq_metrics_value(m, which, &v));
    return v;
}

static void near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-9 * (1 + fabs(b))))
        fail_msg("%.12g, expected %.12g", a, b);
}

/* Predictions 0 1 1 2, labels 0 1 2 2. */
static void classes_by_hand(void **state)
{
    size_t n;

    (void)state;
    assert_int_equal(add(FLOATS(4, 3, 2, 0, 0, 0, 2, 0, 0, 2, 1, 0, 0, 2), LABELS(4, 0, 1, 2, 2), 4), MQ_OK);
    near(value(MQ_METRIC_TOP1), 0.75);
    near(value(MQ_METRIC_TOP5), 1);
    near(value(MQ_METRIC_PRECISION), (1 + 0.5 + 1) / 3);
    near(value(MQ_METRIC_RECALL), (1 + 1 + 0.5) / 3);
    near(value(MQ_METRIC_F1), (1 + 2.0 / 3 + 2.0 / 3) / 3);
    assert_int_equal(mq_metrics_count(m), 4);
    assert_int_equal(mq_metrics_classes(m, &n)[2].missed, 1);
    assert_int_equal(n, 3);
    near(mq_metrics_last(m, MQ_METRIC_TOP1, &n)[2], 0);
    assert_int_equal(n, 4);
}

static void loss_of_logits(void **state)
{
    (void)state;
    assert_int_equal(add(FLOATS(2, 2, 0, 0, 100, 101), LABELS(2, 0, 1), 2), MQ_OK);
    near(value(MQ_METRIC_CE), (log(2) + log(1 + exp(-1))) / 2);
    near(value(MQ_METRIC_PERPLEXITY), exp((log(2) + log(1 + exp(-1))) / 2));
}

static void loss_of_probabilities(void **state)
{
    (void)state;
    assert_int_equal(add(FLOATS(2, 2, 0.25f, 0.75f, 0.5f, 0.5f), LABELS(2, 0, 1), 2), MQ_OK);
    near(value(MQ_METRIC_CE), (log(4) + log(2)) / 2);
}

static void equal_scores_go_to_the_lower_class(void **state)
{
    (void)state;
    assert_int_equal(add(FLOATS(2, 3, 1, 1, 0, 1, 1, 0), LABELS(2, 0, 1), 2), MQ_OK);
    near(value(MQ_METRIC_TOP1), 0.5);
}

static void the_sixth_is_not_among_five(void **state)
{
    (void)state;
    assert_int_equal(add(FLOATS(2, 6, 6, 5, 4, 3, 2, 1, 6, 5, 4, 3, 2, 1), LABELS(2, 4, 5), 2), MQ_OK);
    near(value(MQ_METRIC_TOP5), 0.5);
}

static void nan_is_wrong(void **state)
{
    (void)state;
    assert_int_equal(add(FLOATS(2, 2, NAN, 1, 3, NAN), LABELS(2, 0, 0), 2), MQ_OK);
    near(value(MQ_METRIC_TOP1), 0);
    near(value(MQ_METRIC_RECALL), 0);
}

static void negative_labels_do_not_count(void **state)
{
    (void)state;
    assert_int_equal(add(FLOATS(3, 2, 1, 0, 1, 0, 0, 1), LABELS(3, 0, -100, 0), 3), MQ_OK);
    near(value(MQ_METRIC_TOP1), 0.5);
    assert_int_equal(mq_metrics_count(m), 2);
}

static void a_label_beyond_the_classes_is_refused(void **state)
{
    (void)state;
    assert_int_equal(add(FLOATS(1, 2, 1, 0), LABELS(1, 2), 1), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "label 2"));
}

static void padding_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(add(FLOATS(4, 2, 1, 0, 1, 0, 0, 1, 0, 1), LABELS(2, 0, 0), 2), MQ_OK);
    near(value(MQ_METRIC_TOP1), 1);
    assert_int_equal(mq_metrics_count(m), 2);
}

static void one_score_is_two_classes(void **state)
{
    (void)state;
    assert_int_equal(add(FLOATS(3, 1, 0.9f, 0.2f, 0.6f), LABELS(3, 1, 0, 0), 3), MQ_OK);
    near(value(MQ_METRIC_TOP1), 2.0 / 3);
}

/* [2,2,3] with labels [2,2]: tokens. */
static void classes_along_the_last_axis(void **state)
{
    const float s[] = { 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 0, 0 };
    const int64_t l[] = { 0, 1, 2, 1 };

    (void)state;
    assert_int_equal(add(make(MQ_FLOAT, 3, (int64_t[]){ 2, 2, 3 }, s), make(MQ_INT64, 2, (int64_t[]){ 2, 2 }, l), 2), MQ_OK);
    near(value(MQ_METRIC_TOP1), 0.75);
}

/* [1,3,2,2] with labels [1,2,2]: pixels. */
static void classes_along_axis_one(void **state)
{
    const float s[] = { 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0 };
    const int32_t l[] = { 0, 1, 2, 0 };

    (void)state;
    assert_int_equal(add(make(MQ_FLOAT, 4, (int64_t[]){ 1, 3, 2, 2 }, s), make(MQ_INT32, 3, (int64_t[]){ 1, 2, 2 },
                                                                               l), 1), MQ_OK);
    near(value(MQ_METRIC_TOP1), 0.75);
}

/* NULL: they are not one-hot. */
static mq_array *one_hot(mq_array *labels)
{
    mq_array *scores = FLOATS(2, 3, 0, 0, 0, 0, 0, 0), *out = labels;

    assert_int_equal(mq_metrics_one_hot(&out, scores, labels, &err), MQ_OK);
    mq_array_unref(scores);
    mq_array_unref(labels);
    return out;
}

static void one_hot_labels_are_classes(void **state)
{
    mq_array *a = one_hot(FLOATS(2, 3, 0, 0, 1, 1, 0, 0));

    (void)state;
    assert_non_null(a);
    assert_true(a->dtype == MQ_INT64 && a->rank == 1 && a->dims[0] == 2);
    assert_true(mq_array_i64(a, 0) == 2 && mq_array_i64(a, 1) == 0);
    mq_array_unref(a);
    assert_null(one_hot(FLOATS(2, 3, 0, 0, 1, 0, 0, 0)));
    assert_null(one_hot(FLOATS(2, 3, 0, 0, 1, 1, 0, 1)));
    assert_null(one_hot(FLOATS(2, 3, 0, 0, 0.5f, 1, 0, 0)));
    assert_null(one_hot(FLOATS(2, 3, 0, 0, NAN, 1, 0, 0)));
    assert_null(one_hot(FLOATS(3, 2, 0, 1, 0, 1, 0, 1)));
    assert_null(one_hot(LABELS(2, 1, 0)));
}

static void predicted_classes(void **state)
{
    const int64_t p[] = { 4, 2, 1 };
    double v;

    (void)state;
    assert_int_equal(add(make(MQ_INT64, 1, (int64_t[]){ 3 }, p), LABELS(3, 4, 2, 0), 3), MQ_OK);
    near(value(MQ_METRIC_TOP1), 2.0 / 3);
    near(value(MQ_METRIC_PRECISION), 2.0 / 4);
    assert_false(mq_metrics_value(m, MQ_METRIC_CE, &v));
}

static void values_by_hand(void **state)
{
    mq_array *a = FLOATS(2, 2, 1, 2, 3, 4), *b = FLOATS(2, 2, 1, 4, 3, 1);
    size_t n;
    double v;

    (void)state;
    assert_int_equal(mq_metrics_add_values(m, a, b, 2, NULL), MQ_OK);
    near(value(MQ_METRIC_MSE), (4 + 9) / 4.0);
    near(value(MQ_METRIC_MAE), (2 + 3) / 4.0);
    near(value(MQ_METRIC_SQNR), 10 * log10(27.0 / 13));
    near(value(MQ_METRIC_COSINE), (1 + 8 + 9 + 4) / sqrt(30.0 * 27));
    near(value(MQ_METRIC_AGREEMENT), 0.5);
    near(mq_metrics_last(m, MQ_METRIC_MSE, &n)[1], 4.5);
    assert_int_equal(n, 2);
    assert_false(mq_metrics_value(m, MQ_METRIC_TOP1, &v));
    mq_array_unref(a);
    mq_array_unref(b);
}

static void shapes_that_do_not_fit_are_refused(void **state)
{
    mq_array *a = FLOATS(2, 2, 1, 2, 3, 4), *b = FLOATS(2, 1, 1, 2);

    (void)state;
    assert_int_equal(mq_metrics_add_values(m, a, b, 2, &err), MQ_ERR_INPUT);
    assert_int_equal(mq_metrics_add_values(m, a, b, 3, &err), MQ_ERR_INPUT);
    assert_false(mq_metrics_are_classes(a, b));
    assert_int_equal(add(a, b, 2), MQ_ERR_INPUT);
}

static void nothing_gives_nothing(void **state)
{
    double v;

    (void)state;
    for (int i = 0; i < MQ_N_METRICS; i++) {
        mq_metric found;

        assert_false(mq_metrics_value(m, (mq_metric)i, &v));
        assert_true(mq_metric_find(mq_metric_name((mq_metric)i), &found) && (int)found == i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(classes_by_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(loss_of_logits, setup, teardown),
        cmocka_unit_test_setup_teardown(loss_of_probabilities, setup, teardown),
        cmocka_unit_test_setup_teardown(equal_scores_go_to_the_lower_class, setup, teardown),
        cmocka_unit_test_setup_teardown(the_sixth_is_not_among_five, setup, teardown),
        cmocka_unit_test_setup_teardown(nan_is_wrong, setup, teardown),
        cmocka_unit_test_setup_teardown(negative_labels_do_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(a_label_beyond_the_classes_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(padding_does_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(one_score_is_two_classes, setup, teardown),
        cmocka_unit_test_setup_teardown(classes_along_the_last_axis, setup, teardown),
        cmocka_unit_test_setup_teardown(classes_along_axis_one, setup, teardown),
        cmocka_unit_test_setup_teardown(one_hot_labels_are_classes, setup, teardown),
        cmocka_unit_test_setup_teardown(predicted_classes, setup, teardown),
        cmocka_unit_test_setup_teardown(values_by_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(shapes_that_do_not_fit_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_gives_nothing, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
