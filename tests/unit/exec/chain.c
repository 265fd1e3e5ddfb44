/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "ops/chain.h"
#include "rng.h"
#include "run_one.h"

static run_one t;

static int setup(void **state)
{
    (void)state;
    run_open(&t, MQ_CHAIN_DOMAIN, MQ_CHAIN_OP);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run_close(&t);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define STEP(kind, a, b, c) MQ_CHAIN_##kind, a, b, c, 0, 0
#define PROGRAM(...) \
    set_ints("program", (const int64_t[]){ __VA_ARGS__ }, sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))
#define RESULTS(...) \
    set_ints("results", (const int64_t[]){ __VA_ARGS__ }, sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t))

static void set_ints(const char *name, const int64_t *v, size_t n)
{
    assert_int_equal(mq_node_set_attr_ints(t.node, name, v, n, NULL), MQ_OK);
}

/* ---- programs that run --------------------------------------------------------------------------------------------- */

static void steps(void **state)
{
    (void)state;
    run_f32(&t, "2,3", (float[]){ 1, -2, 3, -4, 5, -6 });
    run_f32(&t, "3", (float[]){ 10, 20, 30 });
    run_f32(&t, "2,1", (float[]){ 1, 2 });
    PROGRAM(STEP(RELU, 0, -1, -1), STEP(ADD, 3, 1, -1), STEP(MUL, 4, 2, -1));
    RESULTS(5);
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "2,3", (float[]){ 11, 20, 33, 20, 50, 60 }, 0));
}

static void parameters(void **state)
{
    uint32_t a, b;
    const float f[2] = { 0.5f, 0.25f };

    (void)state;
    memcpy(&a, &f[0], sizeof a);
    memcpy(&b, &f[1], sizeof b);
    run_f32(&t, "4", (float[]){ -2, 0, 1, 9 });
    PROGRAM(MQ_CHAIN_HARD_SIGMOID, 0, -1, -1, a, b, MQ_CHAIN_NEG, 1, -1, -1, 0, 0);
    RESULTS(2);
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "4", (float[]){ 0, -0.25f, -0.75f, -1 }, 0));
}

static void conditions(void **state)
{
    (void)state;
    run_f32(&t, "4", (float[]){ 1, 2, 3, NAN });
    run_f32(&t, "", (float[]){ 2 });
    run_input(&t, MQ_BOOL, "1", (uint8_t[]){ 1 }, false);
    PROGRAM(STEP(GREATER_OR_EQUAL, 0, 1, -1), STEP(WHERE, 3, 1, 0), STEP(WHERE, 2, 4, 0), STEP(CLIP, 5, 1, -1));
    RESULTS(6, 3);
    run_node(&t, 2);
    assert_true(run_is_f32(&t, 0, "4", (float[]){ 2, 2, 2, NAN }, 0));
    assert_true(run_is(&t, 1, MQ_BOOL, "4", (uint8_t[]){ 0, 1, 1, 0 }));
}

static void results_of_several_shapes(void **state)
{
    (void)state;
    run_f32(&t, "3", (float[]){ 1, 2, 3 });
    run_f32(&t, "2,1", (float[]){ 10, 20 });
    run_f32(&t, "", (float[]){ 5 });
    PROGRAM(STEP(NEG, 0, -1, -1), STEP(ADD, 3, 1, -1), STEP(MUL, 1, 2, -1), STEP(EXP, 4, -1, -1));
    RESULTS(4, 3, 5);
    run_node(&t, 3);
    assert_true(run_is_f32(&t, 0, "2,3", (float[]){ 9, 8, 7, 19, 18, 17 }, 0));
    assert_true(run_is_f32(&t, 1, "3", (float[]){ -1, -2, -3 }, 0));
    assert_true(run_is_f32(&t, 2, "2,1", (float[]){ 50, 100 }, 0));
}

static void doubles(void **state)
{
    (void)state;
    run_input(&t, MQ_DOUBLE, "2", (double[]){ 3, 4 }, false);
    PROGRAM(STEP(MUL, 0, 0, -1), STEP(SQRT, 1, -1, -1));
    RESULTS(2);
    run_node(&t, 1);
    assert_true(run_is(&t, 0, MQ_DOUBLE, "2", (double[]){ 3, 4 }));
}

static void empty(void **state)
{
    (void)state;
    run_f32(&t, "0,3", NULL);
    run_f32(&t, "2,1,1", (float[]){ 1, 2 });
    PROGRAM(STEP(ADD, 0, 1, -1), STEP(RELU, 2, -1, -1));
    RESULTS(3);
    run_node(&t, 1);
    assert_true(run_has_shape(&t, 0, MQ_FLOAT, "2,0,3"));
}

/* One input twice, and one that is one number: an operand that every element reads is not written over. */
static void scalar_with_itself(void **state)
{
    (void)state;
    run_f32(&t, "", (float[]){ 3 });
    assert_int_equal(mq_node_set_input(t.node, 1, t.node->inputs[0], NULL), MQ_OK);
    PROGRAM(STEP(NEG, 0, -1, -1), STEP(SUB, 2, 1, -1), STEP(PRELU, 3, 0, -1));
    RESULTS(4);
    run_node(&t, 1);
    assert_true(run_is_f32(&t, 0, "", (float[]){ -18 }, 0));
}

/* Every way to lie in the result, over many blocks: the same bytes on one thread and on several. */
static void same_on_all_threads(void **state)
{
    static const char *const shapes[] = { "5,70,301", "301", "70,1", "5,1,301", "5,1,1", "1,70,301", "" };
    static float data[7][5 * 70 * 301], want[5 * 70 * 301];
    uint64_t seed = 7;

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(shapes); k++)
        for (size_t i = 0; i < MQ_ARRAY_LEN(data[k]); i++)
            data[k][i] = rng_float(&seed);
    for (size_t i = 0; i < MQ_ARRAY_LEN(want); i++) {
        const size_t x = i % 301, y = i / 301 % 70, z = i / (301 * 70);
        want[i] = data[0][i] + data[1][x];
        want[i] = want[i] * data[2][y];
        want[i] = want[i] - data[3][z * 301 + x];
        want[i] = want[i] * data[4][z];
        want[i] = want[i] + data[5][i % (70 * 301)];
        want[i] = want[i] / data[6][0];
    }
    for (int threads = 1; threads <= 5; threads += 2) {
        run_close(&t);
        run_open(&t, MQ_CHAIN_DOMAIN, MQ_CHAIN_OP);
        t.threads = threads;
        for (size_t k = 0; k < MQ_ARRAY_LEN(shapes); k++)
            run_f32(&t, shapes[k], data[k]);
        PROGRAM(STEP(ADD, 0, 1, -1), STEP(MUL, 7, 2, -1), STEP(SUB, 8, 3, -1), STEP(MUL, 9, 4, -1), STEP(ADD, 10, 5, -1),
                STEP(DIV, 11, 6, -1));
        RESULTS(12);
        run_node(&t, 1);
        assert_true(run_is(&t, 0, MQ_FLOAT, "5,70,301", want));
    }
}

/* ---- programs that cannot be --------------------------------------------------------------------------------------- */

static void refused(mq_status status, const char *part)
{
    assert_int_equal(run_try(&t, 1), status);
    if (!strstr(t.err.text, part))
        fail_msg("'%s' is not in: %s", part, t.err.text);
}

static void some_inputs(void)
{
    run_f32(&t, "2", (float[]){ 1, 2 });
    run_input(&t, MQ_BOOL, "2", (uint8_t[]){ 1, 0 }, false);
    RESULTS(2);
}

#define REFUSED(name, status, part, ...)  \
    static void name(void **state)        \
    {                                     \
        (void)state;                      \
        some_inputs();                    \
        PROGRAM(__VA_ARGS__);             \
        refused(status, part);            \
    }

REFUSED(unknown_step, MQ_ERR_INPUT, "step 0", MQ_CHAIN_KINDS, 0, 0, 0, 0, 0)
REFUSED(negative_step, MQ_ERR_INPUT, "step 0", -1, 0, 0, 0, 0, 0)
REFUSED(huge_step, MQ_ERR_INPUT, "step 0", INT64_MAX, 0, 0, 0, 0, 0)
REFUSED(reads_itself, MQ_ERR_INPUT, "step 0", STEP(ABS, 2, -1, -1))
REFUSED(reads_a_later_one, MQ_ERR_INPUT, "step 0", STEP(ABS, 3, -1, -1), STEP(ABS, 0, -1, -1))
REFUSED(reads_nothing, MQ_ERR_INPUT, "step 0", STEP(ADD, 0, -1, -1))
REFUSED(reads_far_away, MQ_ERR_INPUT, "step 0", STEP(ADD, 0, INT64_MAX, -1))
REFUSED(reads_far_before, MQ_ERR_INPUT, "step 0", STEP(ADD, INT64_MIN, 0, -1))
REFUSED(reads_a_condition, MQ_ERR_INPUT, "step 0", STEP(ADD, 0, 1, -1))
REFUSED(chooses_by_a_number, MQ_ERR_INPUT, "step 0", STEP(WHERE, 0, 0, 0))
REFUSED(bound_is_a_list, MQ_ERR_INPUT, "bound has 2 elements", STEP(CLIP, 0, 0, -1))
REFUSED(bound_is_made, MQ_ERR_INPUT, "step 1", STEP(ABS, 0, -1, -1), STEP(CLIP, 0, 2, -1))
REFUSED(bound_is_far_away, MQ_ERR_INPUT, "step 0", STEP(CLIP, 0, -1, -2))
REFUSED(half_a_step, MQ_ERR_INPUT, "program of 5", MQ_CHAIN_ABS, 0, -1, -1, 0)

static void no_program(void **state)
{
    (void)state;
    some_inputs();
    refused(MQ_ERR_INPUT, "program of 0");
}

static void too_long(void **state)
{
    int64_t words[(MQ_CHAIN_STEPS + 1) * MQ_CHAIN_WORDS] = { 0 };

    (void)state;
    some_inputs();
    set_ints("program", words, MQ_ARRAY_LEN(words));
    refused(MQ_ERR_INPUT, "program of");
}

static void results_cannot_be(void **state)
{
    static const struct {
        int64_t list[3];
        size_t n;
        const char *part;
    } cases[] = {
        { { 0 }, 0, "0 results" },    { { 2, 2 }, 2, "2 results" },      { { 1 }, 1, "made by no step" },
        { { 3 }, 1, "made by no step" }, { { -1 }, 1, "made by no step" }, { { INT64_MAX }, 1, "made by no step" },
    };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
        run_close(&t);
        run_open(&t, MQ_CHAIN_DOMAIN, MQ_CHAIN_OP);
        some_inputs();
        PROGRAM(STEP(ABS, 0, -1, -1));
        set_ints("results", cases[i].list, cases[i].n);
        refused(MQ_ERR_INPUT, cases[i].part);
    }
}

static void one_result_twice(void **state)
{
    (void)state;
    some_inputs();
    PROGRAM(STEP(ABS, 0, -1, -1));
    RESULTS(2, 2);
    assert_int_equal(run_try(&t, 2), MQ_ERR_INPUT);
    assert_non_null(strstr(t.err.text, "two results"));
}

static void shapes_that_do_not_fit(void **state)
{
    (void)state;
    run_f32(&t, "2", (float[]){ 1, 2 });
    run_f32(&t, "3", (float[]){ 1, 2, 3 });
    PROGRAM(STEP(ABS, 0, -1, -1), STEP(ADD, 2, 1, -1));
    RESULTS(3);
    refused(MQ_ERR_INPUT, "broadcast");
}

static void slopes_that_do_not_fit(void **state)
{
    (void)state;
    run_f32(&t, "1", (float[]){ 1 });
    run_f32(&t, "3", (float[]){ 1, 2, 3 });
    PROGRAM(STEP(PRELU, 0, 1, -1));
    RESULTS(2);
    refused(MQ_ERR_INPUT, "slopes");
}

static void types_that_differ(void **state)
{
    (void)state;
    run_f32(&t, "1", (float[]){ 1 });
    run_input(&t, MQ_DOUBLE, "1", (double[]){ 1 }, false);
    PROGRAM(STEP(ADD, 0, 1, -1));
    RESULTS(2);
    refused(MQ_ERR_INPUT, "must be the same");
}

static void type_without_kernel(void **state)
{
    (void)state;
    run_input(&t, MQ_DOUBLE, "1", (double[]){ 1 }, false);
    PROGRAM(STEP(SIGMOID, 0, -1, -1));
    RESULTS(1);
    refused(MQ_ERR_UNSUPPORTED, "double");
}

static void whole_numbers(void **state)
{
    (void)state;
    run_i64(&t, "1", (int64_t[]){ 1 });
    PROGRAM(STEP(ABS, 0, -1, -1));
    RESULTS(1);
    refused(MQ_ERR_UNSUPPORTED, "int64");
}

static void conditions_alone(void **state)
{
    (void)state;
    run_input(&t, MQ_BOOL, "1", (uint8_t[]){ 1 }, false);
    PROGRAM(STEP(WHERE, 0, 0, 0));
    RESULTS(1);
    refused(MQ_ERR_UNSUPPORTED, "");
}

/* 2^60 elements are known to be too many before anything is written. */
static void result_too_large(void **state)
{
    static const float zeros[1 << 12];

    (void)state;
    run_f32(&t, "4096,1,1,1,1", zeros);
    run_f32(&t, "4096,1,1,1", zeros);
    run_f32(&t, "4096,1,1", zeros);
    run_f32(&t, "4096,1", zeros);
    run_f32(&t, "4096", zeros);
    PROGRAM(STEP(ADD, 0, 1, -1), STEP(ADD, 5, 2, -1), STEP(ADD, 6, 3, -1), STEP(ADD, 7, 4, -1));
    RESULTS(8);
    assert_int_not_equal(run_try(&t, 1), MQ_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(steps),
        TEST(parameters),
        TEST(conditions),
        TEST(results_of_several_shapes),
        TEST(doubles),
        TEST(empty),
        TEST(scalar_with_itself),
        TEST(same_on_all_threads),
        TEST(unknown_step),
        TEST(negative_step),
        TEST(huge_step),
        TEST(reads_itself),
        TEST(reads_a_later_one),
        TEST(reads_nothing),
        TEST(reads_far_away),
        TEST(reads_far_before),
        TEST(reads_a_condition),
        TEST(chooses_by_a_number),
        TEST(bound_is_a_list),
        TEST(bound_is_made),
        TEST(bound_is_far_away),
        TEST(half_a_step),
        TEST(no_program),
        TEST(too_long),
        TEST(results_cannot_be),
        TEST(one_result_twice),
        TEST(shapes_that_do_not_fit),
        TEST(slopes_that_do_not_fit),
        TEST(types_that_differ),
        TEST(type_without_kernel),
        TEST(whole_numbers),
        TEST(conditions_alone),
        TEST(result_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
