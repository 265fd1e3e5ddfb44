/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/calibrate.c: what is counted of a run, against the same sums made here; copies that fill up a batch, and
 * values that are not finite, take no part. */
#include "api/calibrate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "data/npy.h"
#include "quant/static.h"
#include "quant_make.h"
#include "rng.h"
#include "scratch.h"

enum { ROWS = 5, COLS = 8 };

static const char *const files[] = { "x.npy" };
static float x[ROWS][COLS];
static mq_data_source source;
static mq_error err;

/* x.npy, and x -> Gemm(w, b) -> y */
static int setup(void **state)
{
    static float w[COLS * 16], b[16];
    uint64_t rng = 3;

    quant_setup(state);
    for (int i = 0; i < ROWS * COLS; i++)
        x[i / COLS][i % COLS] = rng_float(&rng) + 0.5f;
    for (int i = 0; i < COLS * 16; i++)
        w[i] = rng_float(&rng);
    make_input(g, "x", MQ_FLOAT, "N,8");
    make_init(g, "w", MQ_FLOAT, "8,16", w);
    make_init(g, "b", MQ_FLOAT, "16", b);
    make_node(g, "Gemm", "x,w,b", "y");
    make_type(make_output(g, "y"), MQ_FLOAT, "N,16");
    opts.mode = MQ_MODE_STATIC;
    opts.act_type = "uint8";
    source = (mq_data_source){ .data = files, .n_data = 1 };
    return scratch_open(state);
}

static int teardown(void **state)
{
    quant_teardown(state);
    return scratch_close(state);
}

#define ON_DATA(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void put_x(void)
{
    char room[MQ_NPY_ROOM + sizeof x];
    const size_t n = mq_npy_header(room, MQ_FLOAT, 0, false, 2, (const int64_t[]){ ROWS, COLS });

    memcpy(room + n, x, sizeof x);
    scratch_put("x.npy", room, n + sizeof x);
    quant_select();
}

/* Runs of four: the second holds one row and three copies of it. */
static void four_at_once(void)
{
    static const char *const dims[] = { "N=4" };

    source.dims = dims;
    source.n_dims = 1;
}

static void calibrate(mq_calibration *c)
{
    put_x();
    if (mq_calibrate(c, m, plan.placement, &(mq_calibrate_on){ &source, 1, 1 }, NULL, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static void same_observer(const mq_observer *a, const mq_observer *b)
{
    assert_int_equal(a->n, b->n);
    assert_int_equal(a->n_bins, b->n_bins);
    assert_memory_equal(a->counts, b->counts, a->n_bins * sizeof *a->counts);
    assert_memory_equal(&a->min, &b->min, sizeof a->min);
    assert_memory_equal(&a->max, &b->max, sizeof a->max);
}

/* The observer is the one that has seen these values alone. */
static void check_counts(void)
{
    mq_calibration c = { 0 };
    mq_observer want = { 0 };
    mq_array *a = NULL;

    calibrate(&c);
    assert_int_equal(c.samples, ROWS);
    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 2, (const int64_t[]){ ROWS, COLS }, &err), MQ_OK);
    memcpy(a->data, x, sizeof x);
    assert_int_equal(mq_observer_add(&want, a, 1, &err), MQ_OK);
    same_observer(&mq_calibration_find(&c, "x")->observer, &want);
    mq_array_unref(a);
    mq_observer_release(&want);
    mq_calibration_release(&c);
}

static void test_counts(void **state)
{
    (void)state;
    check_counts();
}

static void test_counts_of_a_filled_batch(void **state)
{
    (void)state;
    four_at_once();
    check_counts();
}

/* A product with w of what `op` makes of x. */
static void behind(const char *op, const char *in, const char *w_dims)
{
    make_node(g, op, in, "r");
    make_weight(g, "w2", w_dims);
    make_node(g, "MatMul", "r,w2", "z");
    make_output(g, "z");
}

static uint64_t count_of(const char *name)
{
    mq_calibration c = { 0 };
    uint64_t n;

    four_at_once();
    calibrate(&c);
    n = mq_calibration_find(&c, name)->observer.n;
    mq_calibration_release(&c);
    return n;
}

/* [N, 8] as [2 N, 4]: the copies are the last of four parts. */
static void test_batch_put_together_with_another_axis(void **state)
{
    (void)state;
    make_init(g, "shape", MQ_INT64, "2", (const int64_t[]){ -1, 4 });
    behind("Reshape", "x,shape", "4,16");
    assert_int_equal(count_of("r"), ROWS * COLS);
}

/* [8, N]: what is along the first axis is no batch, and nothing is left out. */
static void test_batch_along_another_axis(void **state)
{
    (void)state;
    behind("Transpose", "x", "4,16");
    assert_int_equal(count_of("r"), 2 * 4 * COLS);
}

/* Not even where it is as long as the batch. */
static void test_another_axis_as_long(void **state)
{
    (void)state;
    make_init(g, "begin", MQ_INT64, "1", (const int64_t[]){ 4 });
    make_init(g, "end", MQ_INT64, "1", (const int64_t[]){ 8 });
    make_init(g, "axis", MQ_INT64, "1", (const int64_t[]){ 1 });
    make_node(g, "Slice", "x,begin,end,axis", "s");
    behind("Transpose", "s", "4,16");
    assert_int_equal(count_of("r"), 2 * 4 * 4);
}

static void test_channels_of_a_filled_batch(void **state)
{
    mq_channel_table t = { 0 };
    const mq_channels *c;

    (void)state;
    four_at_once();
    put_x();
    assert_int_equal(mq_channel_table_add(&t, mq_graph_find(g, "x"), -1, &err), MQ_OK);
    assert_int_equal(mq_calibrate_channels(&t, m, &source, NULL, &err), MQ_OK);
    c = mq_channel_table_find(&t, "x");
    assert_int_equal(c->n, COLS);
    assert_int_equal(c->count, ROWS);
    for (int k = 0; k < COLS; k++) {
        double sum = 0;
        for (int r = 0; r < ROWS; r++)
            sum += (double)x[r][k];
        assert_true(fabs(c->sum[k] - sum) < 1e-12);
    }
    mq_channel_table_release(&t);
}

/* As 0: what is not finite has no place in a mean. */
static void test_channels_without_the_nonfinite(void **state)
{
    mq_channel_table t = { 0 };
    const mq_channels *c;
    double sum = 0;

    (void)state;
    source.allow_nonfinite = true;
    x[1][2] = INFINITY;
    x[2][2] = -INFINITY;
    x[4][2] = NAN;
    put_x();
    assert_int_equal(mq_channel_table_add(&t, mq_graph_find(g, "x"), -1, &err), MQ_OK);
    assert_int_equal(mq_calibrate_channels(&t, m, &source, NULL, &err), MQ_OK);
    c = mq_channel_table_find(&t, "x");
    assert_int_equal(c->count, ROWS);
    for (int r = 0; r < ROWS; r++)
        sum += isfinite(x[r][2]) ? (double)x[r][2] : 0;
    assert_true(fabs(c->sum[2] - sum) < 1e-12);
    mq_channel_table_release(&t);
}

static void test_unknown_symbol(void **state)
{
    static const char *const dims[] = { "M=4" };
    mq_calibration c = { 0 };

    (void)state;
    source.dims = dims;
    source.n_dims = 1;
    put_x();
    assert_int_equal(mq_calibrate(&c, m, plan.placement, &(mq_calibrate_on){ &source, 1, 1 }, NULL, &err), MQ_ERR_USAGE);
    assert_non_null(strstr(err.text, "'M'"));
    mq_calibration_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DATA(test_counts),
        ON_DATA(test_counts_of_a_filled_batch),
        ON_DATA(test_batch_put_together_with_another_axis),
        ON_DATA(test_batch_along_another_axis),
        ON_DATA(test_another_axis_as_long),
        ON_DATA(test_channels_of_a_filled_batch),
        ON_DATA(test_channels_without_the_nonfinite),
        ON_DATA(test_unknown_symbol),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
