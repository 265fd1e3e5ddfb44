/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/channels.c: extremes, sums and powers of channels against a plain loop, along every axis. */
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_TABLE(test_shapes),
        ON_TABLE(test_nonfinite_count_as_zero),
        ON_TABLE(test_passed_over),
        ON_TABLE(test_changing_number),
        ON_TABLE(test_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
