/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/channels.c: extremes, sums and powers of channels against a plain loop, along every axis; tables of them;
 * the mean of what is clipped against an integral. */
#include "quant/channels.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "graph_make.h"
#include "rng.h"

static mq_model *m;
static mq_channel_table table;
static mq_error err;

static int setup(void **state)
{
    (void)state;
    m = make_model(17);
    table = (mq_channel_table){ 0 };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_channel_table_release(&table);
    mq_model_free(m);
    return 0;
}

#define ON_TABLE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static mq_channels *channels(const char *name, int axis)
{
    assert_int_equal(mq_channel_table_add(&table, make_value(m->graph, name), axis, &err), MQ_OK);
    return mq_channel_table_find(&table, name);
}

static mq_array *numbers(mq_dtype dtype, const char *dims_text, uint64_t seed)
{
    int64_t dims[8];
    const int rank = make_dims(dims_text, dims);
    mq_array *a = NULL;

    assert_int_equal(mq_array_create(&a, dtype, rank, dims, &err), MQ_OK);
    for (size_t i = 0; dtype == MQ_FLOAT && i < a->count; i++)
        ((float *)a->data)[i] = rng_float(&seed) + 0.25f;
    return a;
}

/* What c should hold after these arrays. */
static void check(const mq_channels *c, mq_array *const *arrays, size_t n)
{
    const int axis = c->axis < 0 ? arrays[0]->rank + c->axis : c->axis;
    uint64_t count = 0;

    assert_int_equal(c->n, arrays[0]->dims[axis]);
    for (size_t k = 0; k < c->n; k++) {
        double sum = 0, square = 0, low = 0, high = 0;
        count = 0;
        for (size_t i = 0; i < n; i++) {
            size_t inner = 1;
            for (int d = axis + 1; d < arrays[i]->rank; d++)
                inner *= (size_t)arrays[i]->dims[d];
            for (size_t e = 0; e < arrays[i]->count; e++) {
                const float f = ((const float *)arrays[i]->data)[e];
                const double v = isfinite(f) ? (double)f : 0;
                if (e / inner % c->n != k)
                    continue;
                count++;
                sum += v;
                square += v * v;
                low = fmin(low, v);
                high = fmax(high, v);
            }
        }
        assert_true(fabs(c->sum[k] - sum) <= 1e-9 && fabs(c->square[k] - square) <= 1e-9);
        assert_true((double)c->low[k] == low && (double)c->high[k] == high);
    }
    assert_int_equal(c->count, count);
}

/* Rows shorter and longer than the lanes, single values, and axes from either end. */
static void test_shapes(void **state)
{
    static const struct {
        const char *dims;
        int axis;
    } cases[] = { { "2,3,5,7", 1 }, { "1,4,3", 1 }, { "3,8", -1 }, { "2,5,6", -1 }, { "4,1,9", 1 }, { "6", 0 },
                  { "2,3,1", 1 }, { "2,16,8,8", 1 } };
    char name[8];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        mq_array *a[2] = { numbers(MQ_FLOAT, cases[i].dims, i), numbers(MQ_FLOAT, cases[i].dims, i + 100) };
        mq_channels *c;
        snprintf(name, sizeof name, "v%zu", i);
        c = channels(name, cases[i].axis);
        for (int k = 0; k < 2; k++)
            assert_int_equal(mq_channels_add(c, a[k], &err), MQ_OK);
        check(c, a, 2);
        mq_array_unref(a[0]);
        mq_array_unref(a[1]);
    }
}

static void test_nonfinite_count_as_zero(void **state)
{
    mq_array *a = numbers(MQ_FLOAT, "1,2,19", 1);
    mq_channels *c = channels("v", 1);

    (void)state;
    ((float *)a->data)[3] = NAN;
    ((float *)a->data)[18] = INFINITY;
    ((float *)a->data)[20] = -INFINITY;
    assert_int_equal(mq_channels_add(c, a, &err), MQ_OK);
    check(c, &a, 1);
    mq_array_unref(a);
}

/* Other element types, too few dimensions, no channels: nothing happens, and what comes then counts. */
static void test_passed_over(void **state)
{
    mq_array *ints = numbers(MQ_INT64, "2,3", 0), *flat = numbers(MQ_FLOAT, "4", 0), *none = numbers(MQ_FLOAT, "2,0,3", 0);
    mq_array *good = numbers(MQ_FLOAT, "2,3", 1), *empty = numbers(MQ_FLOAT, "0,3", 0);
    mq_channels *c = channels("v", 1);

    (void)state;
    assert_int_equal(mq_channels_add(c, ints, &err), MQ_OK);
    assert_int_equal(mq_channels_add(c, flat, &err), MQ_OK);
    assert_int_equal(mq_channels_add(c, none, &err), MQ_OK);
    assert_int_equal(c->n, 0);
    assert_int_equal(mq_channels_add(c, empty, &err), MQ_OK);
    assert_int_equal(c->count, 0);
    assert_int_equal(mq_channels_add(c, good, &err), MQ_OK);
    check(c, &good, 1);
    mq_array_unref(ints);
    mq_array_unref(flat);
    mq_array_unref(none);
    mq_array_unref(empty);
    mq_array_unref(good);
}

/* Of channels whose number changes nothing is said any more. */
static void test_changing_number(void **state)
{
    mq_array *a = numbers(MQ_FLOAT, "2,3", 1), *b = numbers(MQ_FLOAT, "2,4", 1);
    mq_channels *c = channels("v", 1);

    (void)state;
    assert_int_equal(mq_channels_add(c, a, &err), MQ_OK);
    assert_int_equal(mq_channels_add(c, b, &err), MQ_OK);
    assert_int_equal(c->n, 0);
    assert_null(c->sum);
    assert_int_equal(mq_channels_add(c, a, &err), MQ_OK);
    assert_int_equal(c->n, 0);
    mq_array_unref(a);
    mq_array_unref(b);
}

static void test_table(void **state)
{
    mq_channels *c = channels("v", 1);

    (void)state;
    assert_ptr_equal(channels("v", -1), c); /* as it was */
    assert_int_equal(c->axis, 1);
    assert_int_equal(table.items.n, 1);
    assert_null(mq_channel_table_find(&table, "w"));
}

/* ---- tables -------------------------------------------------------------------------------------------------------- */

static mq_channels *filled(const char *name, int axis, uint64_t seed)
{
    mq_channels *c = channels(name, axis);
    mq_array *a = numbers(MQ_FLOAT, "2,3,5", seed);

    assert_int_equal(mq_channels_add(c, a, &err), MQ_OK);
    mq_array_unref(a);
    return c;
}

static void test_copies(void **state)
{
    mq_channel_table copy = { 0 }, other = { 0 };
    mq_channels *c = filled("v", 1, 1);

    (void)state;
    filled("w", -1, 2);
    channels("empty", 1);
    assert_int_equal(mq_channel_table_copy(&copy, &table, &err), MQ_OK);
    assert_true(mq_channel_table_equal(&table, &copy) && mq_channel_table_equal(&copy, &table));
    assert_ptr_not_equal(mq_channel_table_find(&copy, "v")->sum, c->sum);
    assert_false(mq_channel_table_equal(&copy, &other));
    mq_channel_table_find(&copy, "w")->square[4] += 1;
    assert_false(mq_channel_table_equal(&table, &copy));
    mq_channel_table_find(&copy, "w")->square[4] -= 1;
    mq_channel_table_find(&copy, "empty")->axis = -1;
    assert_false(mq_channel_table_equal(&table, &copy));
    mq_channel_table_release(&copy);
}

static void test_fill(void **state)
{
    mq_channel_table file = { 0 };

    (void)state;
    filled("v", 1, 1);
    filled("w", -1, 2);
    assert_int_equal(mq_channel_table_copy(&file, &table, &err), MQ_OK);
    mq_channel_table_release(&table);
    table = (mq_channel_table){ 0 };
    channels("w", -1);
    assert_int_equal(mq_channel_table_fill(&table, &file, &err), MQ_OK);
    assert_non_null(mq_channel_table_find(&table, "w")->value);
    assert_memory_equal(mq_channel_table_find(&table, "w")->sum, mq_channel_table_find(&file, "w")->sum, 5 * sizeof(double));
    channels("v", -1); /* another axis there */
    assert_int_equal(mq_channel_table_fill(&table, &file, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "'v'"));
    mq_channel_table_release(&file);
}

/* Two that saw a part each, against one that saw both. */
static void test_join(void **state)
{
    mq_channel_table parts[2];
    mq_channels *both, *one;

    (void)state;
    memset(parts, 0, sizeof parts);
    filled("v", 1, 1);
    assert_int_equal(mq_channel_table_copy(&parts[0], &table, &err), MQ_OK);
    mq_channel_table_release(&table);
    table = (mq_channel_table){ 0 };
    filled("v", 1, 2);
    assert_int_equal(mq_channel_table_copy(&parts[1], &table, &err), MQ_OK);
    both = filled("v", 1, 1);
    assert_int_equal(mq_channel_table_join(&parts[0], &parts[1], &err), MQ_OK);
    one = mq_channel_table_find(&parts[0], "v");
    assert_int_equal(one->count, both->count);
    for (size_t i = 0; i < 3; i++) {
        assert_true(one->low[i] == both->low[i] && one->high[i] == both->high[i]);
        assert_true(fabs(one->sum[i] - both->sum[i]) < 1e-12 && fabs(one->square[i] - both->square[i]) < 1e-12);
    }
    mq_channel_table_find(&parts[1], "v")->axis = -1;
    assert_int_equal(mq_channel_table_join(&parts[0], &parts[1], &err), MQ_ERR_INPUT);
    mq_channel_table_release(&parts[0]);
    mq_channel_table_release(&parts[1]);
}

static void test_divide(void **state)
{
    static const double f[3] = { 0.5, 1, 4 };
    const mq_channels *c = filled("v", 1, 1), *d;

    (void)state;
    assert_int_equal(mq_channels_divide(&table, c, make_value(m->graph, "v_rescaled"), f, &err), MQ_OK);
    d = mq_channel_table_find(&table, "v_rescaled");
    assert_true(d->axis == 1 && d->n == 3 && d->count == c->count && strcmp(d->value->name, "v_rescaled") == 0);
    for (size_t i = 0; i < 3; i++) { /* powers of two: exact */
        assert_true((double)d->low[i] == (double)c->low[i] / f[i] && (double)d->high[i] == (double)c->high[i] / f[i]);
        assert_true(d->sum[i] == c->sum[i] / f[i] && d->square[i] == c->square[i] / (f[i] * f[i]));
    }
}

/* ---- clipping ------------------------------------------------------------------------------------------------------ */

/* One channel of these, over 1000 values. */
static void see(mq_channels *c, double mean, double power, float low, float high)
{
    if (!c->n)
        assert_int_equal(mq_channels_begin(c, 1, &err), MQ_OK);
    c->count = 1000;
    c->sum[0] = 1000 * mean;
    c->square[0] = 1000 * power;
    c->low[0] = low;
    c->high[0] = high;
}

/* Against the integral of the density, step by step. */
static double clipped(double (*density)(double x), double from, double to, double low, double high)
{
    enum { STEPS = 400000 };
    const double step = (to - from) / STEPS;
    double sum = 0;

    for (int i = 0; i < STEPS; i++) {
        const double x = from + (i + 0.5) * step;
        sum += fmin(fmax(x, low), high) * density(x) * step;
    }
    return sum;
}

static double normal(double x)
{
    return exp(-(x - 0.5) * (x - 0.5) / 2 / 4) / sqrt(2 * M_PI * 4); /* mean 0.5, deviation 2 */
}

static double exponential(double x)
{
    return x > 0 ? 0.6 * 1.5 * exp(-1.5 * x) : 0; /* 0 for four values of ten */
}

static void test_clipped_mean(void **state)
{
    mq_channels *c = channels("v", 1);

    (void)state;
    see(c, 0.5, 4.25, -9, 9);
    for (int i = 0; i < 5; i++) {
        const double low = -4 + i * 0.5, high = 3 - i * 0.25;
        assert_true(fabs(mq_channels_clipped_mean(c, 0, low, high) - clipped(normal, -30, 30, low, high)) < 1e-4);
    }
    see(c, 0.6 / 1.5, 2 * 0.6 / (1.5 * 1.5), 0, 8);
    for (int i = 1; i < 5; i++)
        assert_true(fabs(mq_channels_clipped_mean(c, 0, -1, i) - clipped(exponential, 0, 40, -1, i)) < 1e-4);
    see(c, -0.6 / 1.5, 2 * 0.6 / (1.5 * 1.5), -8, 0);
    assert_true(fabs(mq_channels_clipped_mean(c, 0, -2, 1) + clipped(exponential, 0, 40, -1, 2)) < 1e-4);
}

/* Nothing beyond, or nothing but one number: the mean is what it was. */
static void test_nothing_clipped(void **state)
{
    mq_channels *c = channels("v", 1);

    (void)state;
    see(c, 0.5, 4.25, -3, 3);
    assert_true(mq_channels_clipped_mean(c, 0, -3, 3) == 0.5);
    see(c, 2, 4, 0, 2);
    assert_true(mq_channels_clipped_mean(c, 0, 0, 1) == 2);
    see(c, 0, 0, 0, 0);
    assert_true(mq_channels_clipped_mean(c, 0, -1, 1) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TABLE(test_shapes),
        ON_TABLE(test_nonfinite_count_as_zero),
        ON_TABLE(test_passed_over),
        ON_TABLE(test_changing_number),
        ON_TABLE(test_table),
        ON_TABLE(test_copies),
        ON_TABLE(test_fill),
        ON_TABLE(test_join),
        ON_TABLE(test_divide),
        ON_TABLE(test_clipped_mean),
        ON_TABLE(test_nothing_clipped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
