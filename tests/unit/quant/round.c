/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/round.c against plain loops in double: errors and signals; GPTQ column by column as the paper has it;
 * integers after the descent, of which no single one could be better; scales that fit their integers best; columns and
 * matrices that saw nothing. */
#include "quant/round.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hessian/factor.h"
#include "rng.h"

#define DAMPING 0.01

enum { MAX_ROWS = 40, MAX_COLS = 150 };

static mq_error err;
static double h[MAX_COLS * MAX_COLS]; /* as the code has it: damped */
static mq_gram gram;
static float w[MAX_ROWS * MAX_COLS], scales[MAX_ROWS * MAX_COLS];
static int32_t zero_points[MAX_ROWS * MAX_COLS];
static uint32_t which[MAX_ROWS * MAX_COLS];
static int16_t levels[MAX_ROWS * MAX_COLS];
static double errors[MAX_ROWS];
static mq_scheme scheme;
static mq_round_matrix m;
static mq_round_base *base;

/* Sums over vectors whose elements go together. n_vectors 0: nothing was seen. */
static void make_gram(int64_t n, int n_vectors)
{
    uint64_t rng = (uint64_t)n;
    double mean = 0;

    gram = (mq_gram){ .groups = 1, .n = n, .sums = calloc((size_t)(n * n), sizeof(double)) };
    assert_non_null(gram.sums);
    for (int v = 0; v < n_vectors; v++) {
        double x[MAX_COLS], common = (double)rng_float(&rng);
        for (int64_t i = 0; i < n; i++)
            x[i] = i == 1 ? 0 : (common + (double)rng_float(&rng)) * (double)(1 + i % 5); /* column 1 is dead */
        for (int64_t i = 0; i < n * n; i++)
            gram.sums[i] += x[i / n] * x[i % n];
    }
    for (int64_t i = 0; i < n; i++)
        mean += gram.sums[i * n + i] / (double)n;
    for (int64_t i = 0; i < n * n; i++)
        h[i] = gram.sums[i] + (i / n == i % n ? DAMPING * mean : 0);
}

/* block 0: a scale per row. */
static void make_matrix(int64_t rows, int64_t cols, int64_t block, mq_scheme s)
{
    uint64_t rng = 99;

    scheme = s;
    for (int64_t i = 0; i < rows * cols; i++) {
        w[i] = rng_float(&rng);
        which[i] = (uint32_t)(block ? i / block : i / cols);
        mq_scheme_affine(&scheme, -0.8f, 1.0f, &scales[which[i]], &zero_points[which[i]]);
        scales[which[i]] *= 1 + (float)(which[i] % 3) / 4;
        levels[i] = 0;
    }
    m = (mq_round_matrix){ .rows = rows, .cols = cols, .w = w, .which = which, .scheme = &scheme, .scales = scales,
                           .zero_points = zero_points, .levels = levels, .errors = errors };
}

static void make(int64_t rows, int64_t cols, int64_t block, mq_scheme s, int n_vectors)
{
    make_gram(cols, n_vectors);
    make_matrix(rows, cols, block, s);
    assert_int_equal(mq_round_base_make(&base, &gram, 0, DAMPING, true, &err), MQ_OK);
}

static void release(void)
{
    mq_round_base_free(base);
    free(gram.sums);
}

static mq_scheme uint4(void)
{
    return mq_scheme_of(MQ_UINT4, false, false, MQ_FLOAT);
}

static double loss(int64_t row, int64_t col)
{
    const int64_t at = row * m.cols + col;

    return (double)w[at] - (double)levels[at] * (double)scales[which[at]];
}

static double true_error(int64_t row)
{
    double sum = 0;

    for (int64_t i = 0; i < m.cols; i++)
        for (int64_t j = 0; j < m.cols; j++)
            sum += loss(row, i) * loss(row, j) * h[i * m.cols + j];
    return sum;
}

static double check_errors(void)
{
    double sum = 0;

    for (int64_t r = 0; r < m.rows; r++) {
        assert_true(fabs(errors[r] - true_error(r)) <= 1e-4 * true_error(r) + 1e-9);
        sum += errors[r];
    }
    return sum;
}

static void check_levels(void)
{
    for (int64_t i = 0; i < m.rows * m.cols; i++)
        assert_in_range(levels[i] + zero_points[which[i]] - scheme.q_min, 0, scheme.q_max - scheme.q_min);
}

static int nearest_level(double x, int64_t at)
{
    const double q = rint(x / (double)scales[which[at]]);

    return (int)fmin(fmax(q, scheme.q_min - zero_points[which[at]]), scheme.q_max - zero_points[which[at]]);
}

static void errors_are_those_of_the_integers(void **state)
{
    double signals[MAX_ROWS];

    (void)state;
    make(19, 37, 8, uint4(), 200);
    assert_int_equal(mq_round(base, &m, MQ_ROUND_RTN, &err), MQ_OK);
    for (int64_t i = 0; i < m.rows * m.cols; i++)
        assert_int_equal(levels[i], nearest_level((double)w[i], i));
    check_errors();
    assert_int_equal(mq_round_signals(base, &m, signals, &err), MQ_OK);
    memset(levels, 0, sizeof levels);
    for (int64_t r = 0; r < m.rows; r++)
        assert_true(fabs(signals[r] - true_error(r)) <= 1e-4 * true_error(r));
    release();
}

/* The paper's loop, column after column in the order of the diagonal. Counts integers that differ: single precision may
 * decide an element that lies between two otherwise, and those behind it with it. */
static int64_t count_other_levels(const mq_factor *f, const int64_t *order)
{
    int64_t n = 0;

    for (int64_t r = 0; r < m.rows; r++) {
        double left[MAX_COLS];
        for (int64_t k = 0; k < m.cols; k++)
            left[k] = (double)w[r * m.cols + order[k]];
        for (int64_t k = 0; k < m.cols; k++) {
            const int64_t at = r * m.cols + order[k];
            const int level = nearest_level(left[k], at);
            const double e = (left[k] - level * (double)scales[which[at]]) / f->u[k * m.cols + k];
            n += level != levels[at];
            for (int64_t j = k + 1; j < m.cols; j++)
                left[j] -= e * f->u[k * m.cols + j];
        }
    }
    return n;
}

static void check_gptq(int64_t rows, int64_t cols, int64_t block)
{
    mq_gram turned = { .groups = 1, .n = cols };
    int64_t order[MAX_COLS];
    mq_factor f;
    double nearest;

    make(rows, cols, block, uint4(), 400);
    for (int64_t i = 0; i < cols; i++) { /* insertion keeps equals in order */
        int64_t k = i;
        for (; k > 0 && gram.sums[order[k - 1] * cols + order[k - 1]] < gram.sums[i * cols + i]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
    turned.sums = malloc((size_t)(cols * cols) * sizeof(double));
    assert_non_null(turned.sums);
    for (int64_t i = 0; i < cols * cols; i++)
        turned.sums[i] = gram.sums[order[i / cols] * cols + order[i % cols]];
    assert_int_equal(mq_factor_make(&f, &turned, 0, DAMPING, &err), MQ_OK);
    assert_int_equal(mq_round(base, &m, MQ_ROUND_RTN, &err), MQ_OK);
    nearest = check_errors();
    assert_int_equal(mq_round(base, &m, MQ_ROUND_GPTQ, &err), MQ_OK);
    check_levels();
    assert_true(check_errors() < (cols < 10 || rows < 10 ? 0.95 : 0.7) * nearest);
    assert_true(count_other_levels(&f, order) <= rows * cols / 100);
    mq_factor_release(&f);
    free(turned.sums);
    release();
}

static void gptq_is_the_papers_loop(void **state)
{
    (void)state;
    check_gptq(17, 37, 0);
    check_gptq(16, 96, 32);
    check_gptq(1, 150, 32);
    check_gptq(40, 5, 0);
}

/* Could any single integer be better? */
static void check_descended(void)
{
    for (int64_t r = 0; r < m.rows; r++) {
        const double error = true_error(r);
        for (int64_t c = 0; c < m.cols; c++) {
            const int64_t at = r * m.cols + c;
            const int was = levels[at];
            for (int step = -1; step <= 1; step += 2) {
                levels[at] = (int16_t)(was + step);
                if (nearest_level((double)levels[at] * (double)scales[which[at]], at) == levels[at])
                    assert_true(true_error(r) > error * (1 - 1e-5));
            }
            levels[at] = (int16_t)was;
        }
    }
}

static void descent_ends_where_no_integer_could_be_better(void **state)
{
    static const mq_round_kind from[] = { MQ_ROUND_RTN, MQ_ROUND_GPTQ };

    (void)state;
    for (int i = 0; i < 2; i++) {
        double before;
        make(18, 45, i ? 0 : 16, i ? mq_scheme_of(MQ_INT8, true, false, MQ_FLOAT) : uint4(), 300);
        assert_int_equal(mq_round(base, &m, from[i], &err), MQ_OK);
        before = check_errors();
        assert_int_equal(mq_round(base, &m, MQ_ROUND_DESCENT, &err), MQ_OK);
        check_levels();
        assert_true(check_errors() <= before);
        check_descended();
        release();
    }
}

static void scales_follow_their_integers(void **state)
{
    float were[MAX_ROWS];
    double before;

    (void)state;
    make(18, 40, 0, mq_scheme_of(MQ_INT4, true, false, MQ_FLOAT), 300);
    for (int i = 0; i < 18; i++)
        scales[i] *= 1.3f;
    assert_int_equal(mq_round(base, &m, MQ_ROUND_GPTQ, &err), MQ_OK);
    memcpy(were, scales, sizeof were);
    assert_int_equal(mq_round_rescale(base, &m, &err), MQ_OK);
    for (int64_t r = 0; r < m.rows; r++) {
        const double error = true_error(r);
        const float best = scales[r];
        scales[r] = were[r];
        before = true_error(r);
        assert_true(error <= before * (1 + 1e-6));
        scales[r] = best * 1.001f;
        assert_true(true_error(r) > error);
        scales[r] = best * 0.999f;
        assert_true(true_error(r) > error);
        scales[r] = best;
    }
    release();
}

static void scales_of_blocks_stay(void **state)
{
    float were[3 * MAX_ROWS];

    (void)state;
    make(9, 48, 16, uint4(), 100);
    memcpy(were, scales, sizeof were);
    assert_int_equal(mq_round(base, &m, MQ_ROUND_GPTQ, &err), MQ_OK);
    assert_int_equal(mq_round_rescale(base, &m, &err), MQ_OK);
    assert_memory_equal(scales, were, 27 * sizeof *were);
    release();
}

static void what_saw_nothing_is_rounded_to_nearest(void **state)
{
    static const mq_round_kind kinds[] = { MQ_ROUND_RTN, MQ_ROUND_GPTQ, MQ_ROUND_DESCENT };

    (void)state;
    make(3, 20, 0, uint4(), 0);
    for (int k = 0; k < 3; k++) {
        assert_int_equal(mq_round(base, &m, kinds[k], &err), MQ_OK);
        for (int64_t i = 0; i < m.rows * m.cols; i++)
            assert_int_equal(levels[i], nearest_level((double)w[i], i));
        for (int64_t r = 0; r < m.rows; r++)
            assert_true(errors[r] == 0);
    }
    release();
}

static void sums_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    make_gram(4, 9);
    gram.sums[0] = INFINITY;
    base = NULL;
    assert_int_equal(mq_round_base_make(&base, &gram, 0, DAMPING, true, &err), MQ_ERR_INPUT);
    assert_null(base);
    release();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_are_those_of_the_integers),
        cmocka_unit_test(gptq_is_the_papers_loop),
        cmocka_unit_test(descent_ends_where_no_integer_could_be_better),
        cmocka_unit_test(scales_follow_their_integers),
        cmocka_unit_test(scales_of_blocks_stay),
        cmocka_unit_test(what_saw_nothing_is_rounded_to_nearest),
        cmocka_unit_test(sums_that_are_not_finite_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
