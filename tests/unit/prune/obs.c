/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/prune/obs.c: SparseGPT against plain elimination in double with an inverse for each column, in one block and in
 * several, N:M with runs and rests; Wanda against sorting; counts; what is dead, NaN or zero already. */
#include "prune/obs.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rng.h"

enum { BLOCK = 128 }; /* of the method */

static mq_error err;

/* Sums over vectors whose neighbours are alike; column `dead` is 0. */
static mq_gram sums(int64_t n, int64_t dead)
{
    mq_gram g = { .groups = 1, .n = n, .sums = calloc((size_t)(n * n), sizeof(double)) };
    double *x = malloc((size_t)n * sizeof *x);
    uint64_t seed = 3;

    for (int64_t v = 0; v < 3 * n + 7; v++) {
        for (int64_t i = 0; i < n; i++)
            x[i] = i == dead ? 0 : (double)rng_float(&seed) + (i && i - 1 != dead ? 0.8 * x[i - 1] : 0);
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < n; j++)
                g.sums[i * n + j] += x[i] * x[j];
    }
    free(x);
    return g;
}

static float *weights(int64_t n)
{
    float *w = malloc((size_t)n * sizeof *w);
    uint64_t seed = 5;

    for (int64_t i = 0; i < n; i++)
        w[i] = rng_float(&seed);
    return w;
}

/* ---- reference ----------------------------------------------------------------------------------------------------- */

/* The first row of the inverse of the damped sums of columns j to n, by elimination. */
static void inverse_row(const mq_gram *g, int64_t j, double add, double *row)
{
    const int64_t n = g->n - j;
    double *a = malloc((size_t)(n * (n + 1)) * sizeof *a);

    for (int64_t r = 0; r < n; r++) {
        for (int64_t c = 0; c < n; c++)
            a[r * (n + 1) + c] = g->sums[(j + r) * g->n + j + c] + (r == c ? add : 0);
        a[r * (n + 1) + n] = r == 0;
    }
    for (int64_t k = 0; k < n; k++)
        for (int64_t r = 0; r < n; r++) {
            const double f = a[r * (n + 1) + k] / a[k * (n + 1) + k];
            for (int64_t c = k; r != k && c <= n; c++)
                a[r * (n + 1) + c] -= f * a[k * (n + 1) + c];
        }
    for (int64_t k = 0; k < n; k++)
        row[k] = a[k * (n + 1) + n] / a[k * (n + 1) + k];
    free(a);
}

struct reference {
    const mq_gram *g;
    const mq_obs_ask *ask;
    double *w, *inverse; /* inverse: [n][n], row j as above */
    bool *gone;
    int64_t rows, n;
};

static double cost(const struct reference *f, int64_t r, int64_t c)
{
    const double w = f->w[r * f->n + c];

    return w * w / f->inverse[c * f->n];
}

static void lose(struct reference *f, int64_t r, int64_t c)
{
    const double e = f->w[r * f->n + c] / f->inverse[c * f->n];

    for (int64_t k = c; k < f->n; k++)
        f->w[r * f->n + k] -= e * f->inverse[c * f->n + k - c];
    f->w[r * f->n + c] = 0;
}

/* The `count` cheapest of rows r0 to r1 and columns c0 to c1 are marked. */
static void mark(struct reference *f, int64_t r0, int64_t r1, int64_t c0, int64_t c1, int64_t count)
{
    for (; count > 0; count--) {
        int64_t best = -1;
        for (int64_t r = r0; r < r1; r++)
            for (int64_t c = c0; c < c1; c++)
                if (!f->gone[r * f->n + c] && (best < 0 || cost(f, r, c) < cost(f, best / f->n, best % f->n)))
                    best = r * f->n + c;
        f->gone[best] = true;
    }
}

static void prune_plainly(struct reference *f)
{
    const mq_obs_ask *ask = f->ask;
    const int64_t of = (int64_t)ask->of;

    for (int64_t c = 0; c < f->n; c++) {
        if (!of && c % BLOCK == 0) {
            const int64_t end = c + BLOCK < f->n ? c + BLOCK : f->n;
            mark(f, 0, f->rows, c, end, (int64_t)ask->zeros * end / f->n - (int64_t)ask->zeros * c / f->n);
        }
        for (int64_t r = 0; r < f->rows; r++) {
            if (of && c % ask->run % of == 0) {
                const int64_t left = ask->run - c % ask->run, m = left < of ? left : of;
                mark(f, r, r + 1, c, c + m, m - (int64_t)ask->keep);
            }
            if (f->gone[r * f->n + c])
                lose(f, r, c);
        }
    }
}

static void check(int64_t rows, int64_t n, const mq_obs_ask *ask)
{
    mq_gram g = sums(n, -1);
    float *w = weights(rows * n);
    struct reference f = { &g, ask, malloc((size_t)(rows * n) * sizeof(double)), malloc((size_t)(n * n) * sizeof(double)),
                           calloc((size_t)(rows * n), sizeof(bool)), rows, n };
    mq_factor factor;
    double mean = 0, most = 0;

    for (int64_t i = 0; i < n; i++)
        mean += g.sums[i * n + i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        inverse_row(&g, i, 0.01 * mean, f.inverse + i * n);
    for (int64_t i = 0; i < rows * n; i++)
        f.w[i] = (double)w[i];
    prune_plainly(&f);
    assert_int_equal(mq_factor_make(&factor, &g, 0, 0.01, &err), MQ_OK);
    assert_int_equal(mq_obs_sparsegpt(w, rows, n, &factor, ask, &err), MQ_OK);
    for (int64_t i = 0; i < rows * n; i++) {
        assert_int_equal(f.gone[i], w[i] == 0);
        most = fmax(most, fabs((double)w[i] - f.w[i]));
    }
    assert_true(most <= 2e-4);
    mq_factor_release(&factor);
    mq_gram_release(&g);
    free(f.w);
    free(f.inverse);
    free(f.gone);
    free(w);
}

static void test_sparsegpt(void **state)
{
    (void)state;
    check(1, 1, &(mq_obs_ask){ .zeros = 1, .run = 1 });
    check(4, 20, &(mq_obs_ask){ .zeros = 40, .run = 20 });
    check(3, 20, &(mq_obs_ask){ .zeros = 0, .run = 20 });
    check(3, 150, &(mq_obs_ask){ .zeros = 300, .run = 150 });
    check(2, 300, &(mq_obs_ask){ .zeros = 301, .run = 300 });
}

static void test_sparsegpt_in_groups(void **state)
{
    (void)state;
    check(4, 20, &(mq_obs_ask){ .keep = 2, .of = 4, .run = 20 });
    check(3, 21, &(mq_obs_ask){ .keep = 2, .of = 4, .run = 7 });  /* groups of 4 and 3 */
    check(3, 22, &(mq_obs_ask){ .keep = 2, .of = 5, .run = 11 }); /* of 5, 5 and 1 */
    check(2, 150, &(mq_obs_ask){ .keep = 1, .of = 3, .run = 150 });
    check(2, 290, &(mq_obs_ask){ .keep = 100, .of = 144, .run = 145 }); /* wider than a block */
}

/* ---- what must hold ------------------------------------------------------------------------------------------------ */

static int64_t zeros_of(const float *w, int64_t n)
{
    int64_t zeros = 0;

    for (int64_t i = 0; i < n; i++)
        zeros += w[i] == 0;
    return zeros;
}

static double loss(const mq_gram *g, const float *w, const float *before, int64_t rows)
{
    double sum = 0;

    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < g->n; i++)
            for (int64_t j = 0; j < g->n; j++)
                sum += (double)(w[r * g->n + i] - before[r * g->n + i]) * (double)(w[r * g->n + j] - before[r * g->n + j]) *
                       g->sums[i * g->n + j];
    return sum;
}

/* Each knows more than the one before it. */
static void test_loss(void **state)
{
    enum { ROWS = 16, N = 160 };
    const mq_obs_ask ask = { .zeros = ROWS * N / 2, .run = N };
    double identity[N], norms[N], of_magnitude, of_wanda, of_obs;
    float *before = weights(ROWS * N), *w = malloc(ROWS * N * sizeof *w);
    mq_gram g = sums(N, -1);
    mq_factor f;

    (void)state;
    for (int i = 0; i < N; i++) {
        identity[i] = 1;
        norms[i] = mq_gram_at(&g, 0, i, i);
    }
    memcpy(w, before, ROWS * N * sizeof *w);
    assert_int_equal(mq_obs_wanda(w, ROWS, N, identity, &ask, &err), MQ_OK);
    of_magnitude = loss(&g, w, before, ROWS);
    memcpy(w, before, ROWS * N * sizeof *w);
    assert_int_equal(mq_obs_wanda(w, ROWS, N, norms, &ask, &err), MQ_OK);
    of_wanda = loss(&g, w, before, ROWS);
    memcpy(w, before, ROWS * N * sizeof *w);
    assert_int_equal(mq_factor_make(&f, &g, 0, 0.01, &err), MQ_OK);
    assert_int_equal(mq_obs_sparsegpt(w, ROWS, N, &f, &ask, &err), MQ_OK);
    of_obs = loss(&g, w, before, ROWS);
    assert_int_equal(zeros_of(w, ROWS * N), ask.zeros);
        assert_true(of_obs < 0.6 * of_wanda);
    assert_true(of_wanda <= 1.05 * of_magnitude);
    mq_factor_release(&f);
    mq_gram_release(&g);
    free(before);
    free(w);
}

static void test_dead_zero_and_nan(void **state)
{
    enum { ROWS = 3, N = 12 };
    const mq_obs_ask ask = { .zeros = 10, .run = N };
    float *w = weights(ROWS * N);
    mq_gram g = sums(N, 4);
    mq_factor f;

    (void)state;
    w[4] = w[2 * N + 4] = 100; /* large, and nobody sees it */
    w[N + 4] = NAN;
    w[7] = w[N + 2] = 0;
    w[2 * N + 1] = NAN;
    assert_int_equal(mq_factor_make(&f, &g, 0, 0.01, &err), MQ_OK);
    assert_int_equal(mq_obs_sparsegpt(w, ROWS, N, &f, &ask, &err), MQ_OK);
    assert_int_equal(zeros_of(w, ROWS * N), 10);
    assert_true(w[4] == 0 && w[2 * N + 4] == 0 && w[7] == 0 && w[N + 2] == 0);
    for (int i = 0; i < ROWS * N; i++)
        assert_int_equal(isnan(w[i]) != 0, i == 2 * N + 1 || i == N + 4);
    mq_factor_release(&f);
    mq_gram_release(&g);
    free(w);
}

/* ---- Wanda --------------------------------------------------------------------------------------------------------- */

/* What is zero after a first time is after a second one, at any share, though columns before it would change it. */
static void test_masks_grow(void **state)
{
    enum { ROWS = 6, COLS = 300 };
    const mq_obs_ask asks[] = { { .zeros = 500, .run = COLS }, { .zeros = 1100, .run = COLS },
                                { .keep = 3, .of = 4, .run = COLS }, { .keep = 2, .of = 4, .run = COLS } };
    mq_gram g = sums(COLS, 17);
    mq_factor f;

    (void)state;
    assert_int_equal(mq_factor_make(&f, &g, 0, 0.01, &err), MQ_OK);
    for (int k = 0; k < 4; k += 2) {
        float *w = weights(ROWS * COLS), *before = malloc(ROWS * COLS * sizeof *before);
        uint64_t zeros = 0;

        assert_int_equal(mq_obs_sparsegpt(w, ROWS, COLS, &f, &asks[k], &err), MQ_OK);
        memcpy(before, w, ROWS * COLS * sizeof *w);
        assert_int_equal(mq_obs_sparsegpt(w, ROWS, COLS, &f, &asks[k + 1], &err), MQ_OK);
        for (int i = 0; i < ROWS * COLS; i++) {
            assert_true(w[i] == 0 || before[i] != 0);
            zeros += w[i] == 0;
        }
        assert_int_equal(zeros, k ? ROWS * COLS / 2 : asks[1].zeros);
        free(before);
        free(w);
    }
    mq_factor_release(&f);
    mq_gram_release(&g);
}

static void test_wanda(void **state)
{
    const double norms[] = { 1, 100, 1, 4, 0, 1 };
    float w[] = { 1, 0.5f, -3, 1, 9, 1, /* scores 1 5 3 2 0 1 */ -1, 0, 2, -2, 1, NAN };
    const float want[] = { 0, 0.5f, -3, 1, 0, 1, 0, 0, 2, -2, 0, NAN };
    const mq_obs_ask ask = { .zeros = 5, .run = 6 };

    (void)state;
    assert_int_equal(mq_obs_wanda(w, 2, 6, norms, &ask, &err), MQ_OK);
    assert_memory_equal(w, want, 11 * sizeof *w);
    assert_true(isnan(w[11]));
}

static void test_wanda_in_groups(void **state)
{
    const double norms[] = { 1, 1, 1, 1, 1, 9, 1 };
    float w[] = { 1, -2, 3, 0.5f, 2, 1, 4 };
    const float want[] = { 0, -2, 3, 0, 0, 1, 4 }; /* of the rest of three, two stay */
    float pairs[] = { 1, -2, 3, 0.5f, 2, 1 };
    const float want_pairs[] = { 0, -2, 3, 0, 2, 1 };

    (void)state;
    assert_int_equal(mq_obs_wanda(w, 1, 7, norms, &(mq_obs_ask){ .keep = 2, .of = 4, .run = 7 }, &err), MQ_OK);
    assert_memory_equal(w, want, sizeof w);
    assert_int_equal(mq_obs_wanda(pairs, 1, 6, norms, &(mq_obs_ask){ .keep = 1, .of = 2, .run = 3 }, &err), MQ_OK);
    assert_memory_equal(pairs, want_pairs, sizeof pairs); /* runs of a pair and one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sparsegpt), cmocka_unit_test(test_sparsegpt_in_groups), cmocka_unit_test(test_loss),
        cmocka_unit_test(test_dead_zero_and_nan), cmocka_unit_test(test_masks_grow), cmocka_unit_test(test_wanda),
        cmocka_unit_test(test_wanda_in_groups),
    };

    return cmocka_run_group_tests_name("prune/obs", tests, NULL, NULL);
}
