/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/saturate.c: what it decides against all pairs of the weights' integers, and that no pair saturates
 * afterwards. */
#include "quant/saturate.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant/static.h"
#include "quant_make.h"
#include "rng.h"

enum { ROWS = 48, COLS = 5 };

static mq_calibration seen;
static mq_static_opts how;
static mq_saturation found;

static int setup(void **state)
{
    seen = (mq_calibration){ 0 };
    found = (mq_saturation){ 0 };
    how = (mq_static_opts){ .scheme = mq_scheme_of(MQ_UINT8, false, false, MQ_FLOAT), .method = MQ_CALIBRATE_MINMAX };
    quant_setup(state);
    opts.mode = MQ_MODE_STATIC;
    opts.act_type = "uint8";
    return 0;
}

static int teardown(void **state)
{
    mq_calibration_release(&seen);
    mq_saturation_release(&found);
    return quant_teardown(state);
}

#define ON_STATIC(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static void see_range(const char *name, float lo, float hi)
{
    mq_calibrated *t = NULL;

    assert_int_equal(mq_calibration_add(&seen, name, &t, NULL), MQ_OK);
    t->has_range = true;
    t->lo = lo;
    t->hi = hi;
}

/* All zeros, to be filled in. */
static float *weight(const char *name, const char *dims)
{
    static const float zeros[ROWS * COLS];

    return (float *)make_init(g, name, MQ_FLOAT, dims, zeros)->init->data; /* a copy of its own */
}

/* x [N,ROWS] by w [ROWS,COLS], 1.27 in the first row. */
static float *matmul(void)
{
    float *data;

    make_input(g, "x", MQ_FLOAT, "N,48");
    data = weight("w", "48,5");
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    for (int c = 0; c < COLS; c++)
        data[c] = 1.27f;
    return data;
}

static void choose(void)
{
    size_t n_unseen;

    quant_select();
    mq_static_ranges(plan.placement, &seen, &how, &n_unseen);
}

static void reduce(void)
{
    mq_error err = { 0 };

    if (mq_saturation_reduce(&found, &plan, &seen, NULL, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

/* The largest sum of two products within a column, over all pairs of integers. */
static long worst_pair(const float *data, long a)
{
    mq_weight *w = (mq_weight *)&quant_find("w")->weight;
    long worst = 0, q[ROWS];

    assert_int_equal(mq_weight_find_params(w, NULL, NULL), MQ_OK);
    for (size_t c = 0; c < COLS; c++) {
        const size_t at = w->grid.n_scales == 1 ? 0 : c;
        for (size_t r = 0; r < ROWS; r++) {
            const double x = rint((double)data[r * COLS + c] / (double)w->scales[at]) + w->zero_points[at];
            q[r] = (long)fmin(fmax(x, w->scheme.q_min), w->scheme.q_max);
        }
        for (size_t r = 0; r < ROWS; r++)
            for (size_t s = 0; s < r; s++) { /* a weight alone, too: the other activation may be 0 */
                const long sums[3] = { a * (q[r] + q[s]), a * q[r], a * q[s] };
                for (int i = 0; i < 3; i++)
                    worst = labs(sums[i]) > labs(worst) ? sums[i] : worst;
            }
    }
    return worst;
}

static void below_the_limit_nothing_changes(void **state)
{
    float *data = matmul();

    (void)state;
    data[COLS] = 0.01f; /* 255 * (127 + 1) = 32640 */
    data[2 * COLS + 1] = -0.01f;
    see_range("x", 0, 1);
    choose();
    reduce();
    assert_int_equal(found.n_checked, 1);
    assert_int_equal(found.items.n, 0);
    assert_int_equal(quant_find("w")->weight.scheme.q_max, 127);
    assert_int_equal(worst_pair(data, 255), 32640);
}

static void above_the_limit_one_bit_goes(void **state)
{
    float *data = matmul();

    (void)state;
    data[COLS] = 0.02f; /* 255 * (127 + 2) = 32895 */
    see_range("x", 0, 1);
    choose();
    reduce();
    assert_int_equal(found.items.n, 1);
    assert_int_equal(found.items.items[0].sum, 32895);
    assert_true(found.items.items[0].reduced);
    assert_string_equal(found.items.items[0].item->value->name, "w");
    assert_int_equal(quant_find("w")->weight.scheme.q_max, 63);
    assert_true(labs(worst_pair(data, 255)) <= 32767);
}

/* Activations that stay small leave room: 200 * (127 + 36) fits, 255 * (127 + 36) does not. */
static void what_was_seen_counts(void **state)
{
    float *data = matmul();
    mq_calibrated *t = NULL;
    mq_array *a = NULL;
    const int64_t n = 2;

    (void)state;
    data[COLS] = 0.36f;
    assert_int_equal(mq_calibration_add(&seen, "x", &t, NULL), MQ_OK);
    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 1, &n, NULL), MQ_OK);
    memcpy(a->data, (float[]){ 0, 2.0f }, 2 * sizeof(float));
    assert_int_equal(mq_observer_add(&t->observer, a, 1, NULL), MQ_OK);
    mq_array_unref(a);
    choose();
    mq_placement_find(plan.placement, mq_graph_find(g, "x"))->scale = 0.01f; /* as a shared scale may be */
    reduce();
    assert_int_equal(found.n_checked, 1);
    assert_int_equal(found.items.n, 0);
    t->has_range = true;
    t->lo = 0;
    t->hi = 2.55f;
    choose();
    reduce();
    assert_int_equal(found.items.n, 1);
}

static void random_weights(bool per_tensor, bool symmetric, mq_dtype act, bool act_symmetric)
{
    uint64_t rng = 7;
    float *data = matmul();
    const long a = act == MQ_INT8 ? 128 + 127 : 255;
    int n_reduced = 0;

    opts.per_tensor = per_tensor;
    opts.symmetric = symmetric ? MQ_CHOICE_YES : MQ_CHOICE_NO;
    how.scheme = mq_scheme_of(act, act_symmetric, false, MQ_FLOAT);
    see_range("x", 0, 1);
    for (int round = 0; round < 200; round++) {
        const float spread = powf(10, 2 * rng_float(&rng) - 2); /* of all but the first row */
        long before;
        bool reduced;
        for (int i = 0; i < ROWS * COLS; i++)
            data[i] = rng_float(&rng) * (i < COLS ? 1 : spread);
        choose();
        before = worst_pair(data, a);
        mq_quant_plan_release(&plan);
        choose();
        mq_saturation_release(&found);
        reduce();
        reduced = found.items.n == 1;
        assert_int_equal(reduced, before > 32767 || before < -32768);
        assert_int_equal(quant_find("w")->weight.scheme.q_max, reduced ? 63 : 127);
        if (reduced)
            assert_int_equal(labs(found.items.items[0].sum), labs(before));
        assert_in_range(labs(worst_pair(data, a)), 0, 32767);
        n_reduced += reduced;
    }
    assert_in_range(n_reduced, 20, 199); /* both happened, or (per tensor) nearly always one */
}

static void test_random_per_channel(void **state)
{
    (void)state;
    random_weights(false, true, MQ_UINT8, false);
}

static void test_random_per_tensor(void **state)
{
    (void)state;
    random_weights(true, true, MQ_UINT8, false);
}

static void test_random_int8_activations(void **state)
{
    (void)state;
    random_weights(false, true, MQ_INT8, true);
}

/* The outputs of a convolution are its first axis; padding is the zero point, which may be more than all that was seen. */
static void convolutions(void **state)
{
    float *data = weight("w", "5,3,4,4");

    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,3,9,9");
    make_node(g, "Conv", "x,w", "y");
    make_output(g, "y");
    for (int r = 0; r < 5; r++)
        data[r * 48 + 47 - r] = r % 2 ? -1 : 1;
    data[0] = 0.008f; /* 1 in the first row of outputs, its second largest */
    see_range("x", -3, 0);
    see_range("y", -1, 1);
    choose();
    reduce();
    assert_int_equal(found.n_checked, 1);
    assert_int_equal(found.items.n, 0);
    data[0] = 0.02f; /* 3 */
    quant_select();
    choose();
    reduce();
    assert_int_equal(found.items.n, 1);
    assert_int_equal(found.items.items[0].sum, 255 * 130);
}

static void what_the_user_decides_is_named_only(void **state)
{
    float *data = matmul();

    (void)state;
    data[COLS] = 1;
    see_range("x", 0, 1);
    choose();
    ((mq_quant_item *)quant_find("w"))->reduce_range = MQ_CHOICE_NO;
    reduce();
    assert_int_equal(found.items.n, 1);
    assert_false(found.items.items[0].reduced);
    assert_int_equal(quant_find("w")->weight.scheme.q_max, 127);
}

/* Integers found by data are looked at themselves: 255 * (127 + 2) is too much where 255 * (127 + 1) was not. */
static void integers_found_by_data_may_be_too_large(void **state)
{
    const mq_hooks noting = { .warn = quant_note_warning };
    float *data = matmul();
    mq_weight *w;
    mq_error err = { 0 };

    (void)state;
    data[COLS] = 0.01f;
    see_range("x", 0, 1);
    choose();
    reduce();
    w = (mq_weight *)&quant_find("w")->weight;
    for (int more = 1; more <= 2; more++) {
        w->rounded = calloc(ROWS * COLS, 1);
        assert_non_null(w->rounded);
        for (int c = 0; c < COLS; c++)
            w->rounded[c] = 127;
        w->rounded[7 * COLS] = (uint8_t)more;
        w->rounded[8 * COLS] = (uint8_t)-3;
        assert_int_equal(mq_saturation_unround(&plan, &seen, &noting, &err), MQ_OK);
        assert_int_equal(w->rounded != NULL, more == 1);
        assert_int_equal(strstr(warned, "round-saturates") != NULL, more == 2);
        assert_int_equal(w->scheme.q_max, 127);
        free(w->rounded);
        w->rounded = NULL;
    }
    assert_int_equal(worst_pair(data, 255), 32640);
}

static void other_types_are_not_looked_at(void **state)
{
    float *data = matmul();

    (void)state;
    data[COLS] = 1;
    see_range("x", 0, 1);
    opts.type = "uint8";
    choose();
    reduce();
    assert_int_equal(found.n_checked, 0);
    opts.type = "int8";
    how.scheme = mq_scheme_of(MQ_UINT16, false, false, MQ_FLOAT);
    choose();
    reduce();
    assert_int_equal(found.n_checked, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_STATIC(below_the_limit_nothing_changes),
        ON_STATIC(above_the_limit_one_bit_goes),
        ON_STATIC(what_was_seen_counts),
        ON_STATIC(test_random_per_channel),
        ON_STATIC(test_random_per_tensor),
        ON_STATIC(test_random_int8_activations),
        ON_STATIC(convolutions),
        ON_STATIC(what_the_user_decides_is_named_only),
        ON_STATIC(integers_found_by_data_may_be_too_large),
        ON_STATIC(other_types_are_not_looked_at),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
