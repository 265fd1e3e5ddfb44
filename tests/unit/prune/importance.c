/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Scores of channels by activations and by gradients, against sums made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../passes/pass_check.h"
#include "prune/importance.h"

enum { WIDTH = 3, ROWS = 2, OUT = 2 };

static mq_structure *s;
static mq_importance *p;
static size_t n_warnings, n_odd;

static void near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%.9g, not %.9g", got, want);
}

static void count_warning(void *user, const mq_warning *warning)
{
    (void)user;
    if (strcmp(warning->code, "prune-nonfinite") == 0) {
        n_odd++;
        return;
    }
    assert_string_equal(warning->code, "prune-unseen");
    n_warnings++;
}

/* y = Relu(x a) b, and the group of the three columns between the products. */
static void open_net(void)
{
    static const float a[4 * WIDTH] = { 1, 0, 0, 2, 0, 0, 2, 3, 1, 0, 0, 0 }; /* norms of columns: 3, 3, 1 */

    make_input(g, "x", MQ_FLOAT, "2,4");
    make_init(g, "a", MQ_FLOAT, "4,3", a);
    make_random("b", MQ_FLOAT, "3,2");
    make_node(g, "MatMul", "x,a", "h");
    make_node(g, "Relu", "h", "r");
    make_node(g, "MatMul", "r,b", "y");
    make_output(g, "y");
    assert_int_equal(mq_structure_find(&s, m, NULL), MQ_OK);
    mq_structure_choose(s, MQ_STRUCTURE_CHANNEL, 1, NULL, NULL);
    assert_int_equal(mq_importance_create(&p, s, NULL), MQ_OK);
    n_warnings = n_odd = 0;
}

static void close_net(void)
{
    mq_importance_free(p);
    mq_structure_free(s);
}

static const double *finish(void)
{
    const mq_hooks hooks = { .warn = count_warning };
    size_t n;
    const mq_structure_group *list = mq_structure_groups(s, &n);

    assert_int_equal(n, 1);
    assert_int_equal(mq_importance_finish(p, &hooks, NULL), MQ_OK);
    return list->scores;
}

/* What the second product reads counts, by magnitude, relative to the tensor's mean; other shapes and tensors do not. */
static void activations(void **state)
{
    float r[ROWS * WIDTH] = { 1, 0, -5, 3, 1, 2 }, other[ROWS] = { 9, 9 };
    const char *const *names;
    const double *scores;
    mq_array *array, *wrong;
    size_t n;

    (void)state;
    open_net();
    names = mq_importance_tensors(p, &n);
    assert_int_equal(n, 1);
    assert_string_equal(names[0], "r");
    assert_int_equal(mq_array_wrap(&array, MQ_FLOAT, 2, (int64_t[]){ ROWS, WIDTH }, r, NULL, NULL), MQ_OK);
    assert_int_equal(mq_array_wrap(&wrong, MQ_FLOAT, 2, (int64_t[]){ 1, ROWS }, other, NULL, NULL), MQ_OK);
    mq_importance_add_activation(p, "r", array);
    mq_importance_add_activation(p, "h", array);
    mq_importance_add_activation(p, "r", wrong);
    scores = finish();
    near(scores[0], 1, 1e-12); /* means 2, 0.5, 3.5; of them 2 */
    near(scores[1], 0.25, 1e-12);
    near(scores[2], 1.75, 1e-12);
    assert_int_equal(n_warnings, 0);
    mq_array_unref(array);
    mq_array_unref(wrong);
    close_net();
}

/* One number that is not finite decides nothing: it is left out, with a warning. */
static void odd_activations(void **state)
{
    float r[ROWS * WIDTH] = { 1, INFINITY, -5, 3, 1, NAN }, none[WIDTH] = { NAN, NAN, INFINITY };
    const double *scores;
    mq_array *array;

    (void)state;
    open_net();
    assert_int_equal(mq_array_wrap(&array, MQ_FLOAT, 2, (int64_t[]){ ROWS, WIDTH }, r, NULL, NULL), MQ_OK);
    mq_importance_add_activation(p, "r", array);
    mq_array_unref(array);
    scores = finish();
    near(scores[0], 0.75, 1e-12); /* means 2, 1, 5; of them 8 / 3 */
    near(scores[1], 0.375, 1e-12);
    near(scores[2], 1.875, 1e-12);
    assert_int_equal(n_warnings, 0);
    assert_int_equal(n_odd, 1);
    mq_importance_free(p);
    assert_int_equal(mq_importance_create(&p, s, NULL), MQ_OK);
    assert_int_equal(mq_array_wrap(&array, MQ_FLOAT, 2, (int64_t[]){ 1, WIDTH }, none, NULL, NULL), MQ_OK);
    mq_importance_add_activation(p, "r", array);
    mq_array_unref(array);
    scores = finish();
    near(scores[0], 3, 1e-6); /* norms of weights */
    assert_int_equal(n_warnings, 1);
    assert_int_equal(n_odd, 2);
    close_net();
}

static void odd_gradients(void **state)
{
    const float b[WIDTH * OUT] = { 1, 2, 3, 4, 5, 6 }, first[] = { 1, NAN, 0, 1, INFINITY, NAN };
    const double *scores;

    (void)state;
    open_net();
    mq_importance_add_gradient(p, "b", b, first, WIDTH * OUT);
    mq_importance_end_step(p);
    scores = finish();
    near(scores[0], 1, 1e-12);
    near(scores[1], 16, 1e-12);
    near(scores[2], 0, 1e-12);
    assert_int_equal(n_odd, 1);
    close_net();
}

/* Rows of b read the columns: their sums are squared step by step; what a makes does not count beside them. */
static void gradients(void **state)
{
    const float b[WIDTH * OUT] = { 1, 2, 3, 4, 5, 6 }, first[] = { 1, 1, 0, 0, 1, -1 }, second[] = { 0, -1, 1, 0, 0, 0 };
    const float a[4 * WIDTH] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    const double *scores;

    (void)state;
    open_net();
    mq_importance_add_gradient(p, "a", a, a, 4 * WIDTH);
    mq_importance_add_gradient(p, "b", b, first, WIDTH * OUT);
    mq_importance_add_gradient(p, "nobody", b, first, WIDTH * OUT);
    mq_importance_end_step(p);
    mq_importance_add_gradient(p, "b", b, second, WIDTH * OUT);
    mq_importance_add_gradient(p, "a", a, a, 4 * WIDTH);
    mq_importance_end_step(p);
    scores = finish();
    near(scores[0], 3 * 3 + 2 * 2, 1e-12);
    near(scores[1], 0 + 3 * 3, 1e-12);
    near(scores[2], 1, 1e-12);
    close_net();
}

/* Where readers have no gradients, those that make the channels count. */
static void gradients_of_makers(void **state)
{
    float w[4 * WIDTH], grad[4 * WIDTH];
    const double *scores;

    (void)state;
    for (int i = 0; i < 4 * WIDTH; i++) {
        w[i] = (float)i;
        grad[i] = i % WIDTH == 1 ? -1 : 1;
    }
    open_net();
    mq_importance_add_gradient(p, "a", w, grad, 4 * WIDTH);
    mq_importance_end_step(p);
    scores = finish();
    near(scores[0], 18 * 18, 1e-9);
    near(scores[1], 22 * 22, 1e-9);
    near(scores[2], 26 * 26, 1e-9);
    close_net();
}

static void nothing_seen(void **state)
{
    const double *scores;

    (void)state;
    open_net();
    mq_importance_end_step(p);
    scores = finish();
    assert_int_equal(n_warnings, 1);
    near(scores[0], 3, 1e-6);
    near(scores[2], 1, 1e-6);
    close_net();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(activations),
        ON_MODEL(odd_activations),
        ON_MODEL(odd_gradients),
        ON_MODEL(gradients),
        ON_MODEL(gradients_of_makers),
        ON_MODEL(nothing_seen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
