/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Cholesky decomposition from the end and triangular inverse, in place, in blocks. */
#include "hessian/factor.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec/ref/gemm.h"

enum { BLOCK = 128, ROWS = 384 };
#define LEAST_SHARE 1e-4 /* of damping, once it is needed */

typedef struct work {
    double *a;       /* [n][n] */
    int64_t n;
    double *panel;   /* [n][BLOCK] */
    double *product; /* [n][BLOCK] */
    double *inverse; /* [BLOCK][BLOCK] of a diagonal block */
    void *scratch;
} work;

/* out[m][BLOCK] = a b: a [m][k] with rows of n; element (p, j) of b at b[p * b_row + j * b_col]. */
static void multiply(const work *w, const double *a, int64_t m, int64_t k, const double *b, int64_t b_row, int64_t b_col,
                     int64_t cols, double *out)
{
    mq_gemm_serial(&(mq_gemm){ .dtype = MQ_DOUBLE, .m = m, .n = cols, .k = k, .a = a, .a_row = w->n, .a_col = 1, .b = b,
                               .b_row = b_row, .b_col = b_col, .c = out, .c_row = BLOCK, .batch = 1 }, w->scratch);
}

/* The diagonal block at j0 becomes R with R R' = what it was, upper triangular. false: it is not positive definite. */
static bool decompose_block(const work *w, int64_t j0, int64_t nb)
{
    double *d = w->a + j0 * w->n + j0;

    for (int64_t j = nb - 1; j >= 0; j--) {
        double s = d[j * w->n + j];
        for (int64_t k = j + 1; k < nb; k++)
            s -= d[j * w->n + k] * d[j * w->n + k];
        if (!(s > 0) || !isfinite(s))
            return false;
        s = d[j * w->n + j] = sqrt(s);
        for (int64_t i = 0; i < j; i++) {
            double t = d[i * w->n + j];
            for (int64_t k = j + 1; k < nb; k++)
                t -= d[i * w->n + k] * d[j * w->n + k];
            d[i * w->n + j] = t / s;
        }
    }
    return true;
}

/* The inverse of the upper triangular block at j0, zero below its diagonal. */
static void invert_block(const work *w, int64_t j0, int64_t nb)
{
    const double *r = w->a + j0 * w->n + j0;
    double *u = w->inverse;

    memset(u, 0, BLOCK * BLOCK * sizeof *u);
    for (int64_t j = 0; j < nb; j++) {
        u[j * BLOCK + j] = 1 / r[j * w->n + j];
        for (int64_t i = j - 1; i >= 0; i--) {
            double s = 0;
            for (int64_t k = i + 1; k <= j; k++)
                s += r[i * w->n + k] * u[k * BLOCK + j];
            u[i * BLOCK + j] = -s / r[i * w->n + i];
        }
    }
}

/* a = R R' with R upper triangular, column block by column block from the last. false: not positive definite. */
static bool decompose(const work *w)
{
    const int64_t n = w->n;

    for (int64_t j0 = (n - 1) / BLOCK * BLOCK; j0 >= 0; j0 -= BLOCK) {
        const int64_t nb = n - j0 < BLOCK ? n - j0 : BLOCK, behind = n - j0 - nb;
        double *column = w->a + j0;
        if (behind) {
            const double *right = column + nb;
            multiply(w, right, j0 + nb, behind, right + j0 * n, 1, n, nb, w->product);
            for (int64_t i = 0; i < j0 + nb; i++)
                for (int64_t j = 0; j < nb; j++)
                    column[i * n + j] -= w->product[i * BLOCK + j];
        }
        if (!decompose_block(w, j0, nb))
            return false;
        if (j0) { /* what stands above it, times the inverse of its transpose */
            invert_block(w, j0, nb);
            multiply(w, column, j0, nb, w->inverse, 1, BLOCK, nb, w->product);
            for (int64_t i = 0; i < j0; i++)
                memcpy(column + i * n, w->product + i * BLOCK, (size_t)nb * sizeof(double));
        }
    }
    return true;
}

/* R becomes its inverse, column block by column block: those before it are inverted already. */
static void invert(const work *w)
{
    const int64_t n = w->n;

    for (int64_t j0 = 0; j0 < n; j0 += BLOCK) {
        const int64_t nb = n - j0 < BLOCK ? n - j0 : BLOCK;
        double *column = w->a + j0;
        invert_block(w, j0, nb);
        if (j0)
            multiply(w, column, j0, nb, w->inverse, BLOCK, 1, nb, w->panel);
        for (int64_t i0 = 0; i0 < j0; i0 += ROWS) { /* the rows' zeros before i0 are left out */
            const int64_t m = j0 - i0 < ROWS ? j0 - i0 : ROWS;
            multiply(w, w->a + i0 * n + i0, m, j0 - i0, w->panel + i0 * BLOCK, BLOCK, 1, nb, w->product);
            for (int64_t i = 0; i < m; i++)
                for (int64_t j = 0; j < nb; j++)
                    column[(i0 + i) * n + j] = -w->product[i * BLOCK + j];
        }
        for (int64_t i = 0; i < nb; i++)
            memcpy(column + (j0 + i) * n, w->inverse + i * BLOCK, (size_t)nb * sizeof(double));
    }
}

static void clear_below(const work *w)
{
    for (int64_t i = 1; i < w->n; i++)
        memset(w->a + i * w->n, 0, (size_t)i * sizeof(double));
}

/* H with that share of its mean diagonal added; dead columns stand for themselves. */
static void load(const work *w, const double *h, const bool *dead, double mean, double share)
{
    const int64_t n = w->n;

    memcpy(w->a, h, (size_t)(n * n) * sizeof *h);
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; dead[i] && j < n; j++)
            w->a[i * n + j] = w->a[j * n + i] = 0;
        w->a[i * n + i] += share * mean + (dead[i] ? mean : 0);
    }
}

static mq_status work_init(work *w, double *a, int64_t n, mq_error *err)
{
    const mq_gemm largest = { .dtype = MQ_DOUBLE, .m = n, .n = BLOCK, .k = n, .a_row = n, .a_col = 1, .b_row = BLOCK,
                              .b_col = 1, .c_row = BLOCK, .batch = 1 };

    *w = (work){ .a = a, .n = n, .panel = malloc((size_t)n * BLOCK * sizeof(double)),
                 .product = malloc((size_t)n * BLOCK * sizeof(double)),
                 .inverse = malloc(BLOCK * BLOCK * sizeof(double)), .scratch = malloc(mq_gemm_scratch(&largest)) };
    return w->panel && w->product && w->inverse && w->scratch ? MQ_OK : mq_oom(err);
}

static void work_release(work *w)
{
    free(w->panel);
    free(w->product);
    free(w->inverse);
    free(w->scratch);
}

/* The mean of the diagonal; says which columns are dead. NaN: it is not finite. */
static double look_at(const double *h, int64_t n, bool *dead)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++) {
        dead[i] = h[i * n + i] == 0;
        sum += h[i * n + i];
    }
    return isfinite(sum) ? sum / (double)n : NAN;
}

mq_status mq_factor_make(mq_factor *f, const mq_gram *g, int64_t group, double damping, mq_error *err)
{
    const int64_t n = g->n;
    const double *h = g->sums + group * n * n;
    work w = { 0 };
    double mean;
    bool decomposed = false;
    mq_status rc = MQ_OK;

    *f = (mq_factor){ .n = n, .u = malloc((size_t)(n * n) * sizeof *f->u), .dead = calloc((size_t)n, sizeof *f->dead) };
    if (!f->u || !f->dead) {
        rc = mq_oom(err);
        goto done;
    }
    mean = look_at(h, n, f->dead);
    if (!(mean > 0)) {
        rc = mq_fail(err, MQ_ERR_INPUT, "no input that is finite and not zero was seen");
        goto done;
    }
    MQ_TRY(work_init(&w, f->u, n, err));
    for (f->share = damping;; f->share = fmax(10 * f->share, LEAST_SHARE)) {
        load(&w, h, f->dead, mean, f->share);
        if ((decomposed = decompose(&w)) || !(f->share <= 1))
            break;
    }
    if (!decomposed) {
        rc = mq_fail(err, MQ_ERR_INPUT, "the sums of the inputs' products are too large to compute with");
        goto done;
    }
    clear_below(&w);
    invert(&w);
done:
    work_release(&w);
    if (rc != MQ_OK)
        mq_factor_release(f);
    return rc;
}

void mq_factor_release(mq_factor *f)
{
    free(f->u);
    free(f->dead);
    *f = (mq_factor){ 0 };
}
