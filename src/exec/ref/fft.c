/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Powers of two by the usual butterflies; every other length by Bluestein's way: as a convolution with a chirp, which
 * is done by transforms of a power of two. Short lengths are summed as the definition says. */
#include "exec/ref/fft.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT = 32 };

struct mq_fft {
    int64_t n, m; /* m: the power of two that is transformed; 0: summed directly */
    double sign, scale;
    double *turn;   /* exp(sign * 2 pi i k / (m or n)), k below that */
    double *chirp;  /* Bluestein: exp(sign * pi i k^2 / n), n pairs; NULL: n is m */
    double *filter; /* the transformed, conjugated chirp, m pairs */
};

/* The pair cos and sign * sin of 2 pi k / n. */
static void set_turn(double *out, int64_t k, int64_t n, double sign)
{
    const double angle = 2 * M_PI * (double)k / (double)n;

    out[0] = cos(angle);
    out[1] = sign * sin(angle);
}

static int log2_of(int64_t m)
{
    int bits = 0;

    while ((int64_t)1 << bits < m)
        bits++;
    return bits;
}

/* In place, m a power of two; the inverse direction (not scaled) when `back`. */
static void butterflies(double *x, int64_t m, const double *turn, bool back)
{
    const int bits = log2_of(m);

    for (int64_t i = 0; i < m; i++) {
        int64_t j = 0;

        for (int b = 0; b < bits; b++)
            j |= (i >> b & 1) << (bits - 1 - b);
        if (j > i) {
            const double re = x[2 * i], im = x[2 * i + 1];

            x[2 * i] = x[2 * j];
            x[2 * i + 1] = x[2 * j + 1];
            x[2 * j] = re;
            x[2 * j + 1] = im;
        }
    }
    for (int64_t half = 1; half < m; half *= 2) {
        const int64_t step = m / (2 * half);

        for (int64_t from = 0; from < m; from += 2 * half) {
            for (int64_t k = 0; k < half; k++) {
                const double wr = turn[2 * k * step], wi = back ? -turn[2 * k * step + 1] : turn[2 * k * step + 1];
                double *a = x + 2 * (from + k), *b = a + 2 * half;
                const double re = b[0] * wr - b[1] * wi, im = b[0] * wi + b[1] * wr;

                b[0] = a[0] - re;
                b[1] = a[1] - im;
                a[0] += re;
                a[1] += im;
            }
        }
    }
}

static void multiply(double *a, const double *b)
{
    const double re = a[0] * b[0] - a[1] * b[1];

    a[1] = a[0] * b[1] + a[1] * b[0];
    a[0] = re;
}

/* k^2 = (k^2 mod 2n) for the chirp, which repeats after 2n; without overflow, as (k+1)^2 = k^2 + 2k + 1. */
static void set_chirp(mq_fft *f)
{
    int64_t square = 0;

    for (int64_t k = 0; k < f->n; k++) {
        set_turn(f->chirp + 2 * k, square, 2 * f->n, f->sign);
        square = (square + 2 * k + 1) % (2 * f->n);
    }
    memset(f->filter, 0, (size_t)f->m * 2 * sizeof *f->filter);
    for (int64_t k = 0; k < f->n; k++) {
        const int64_t mirror = k ? f->m - k : 0;

        f->filter[2 * k] = f->filter[2 * mirror] = f->chirp[2 * k];
        f->filter[2 * k + 1] = f->filter[2 * mirror + 1] = -f->chirp[2 * k + 1];
    }
    butterflies(f->filter, f->m, f->turn, false);
}

static double *pairs(int64_t n)
{
    size_t bytes;

    return __builtin_mul_overflow((size_t)n, 2 * sizeof(double), &bytes) ? NULL : malloc(bytes);
}

mq_status mq_fft_create(mq_fft **out, int64_t n, bool inverse, mq_error *err)
{
    mq_fft *f = calloc(1, sizeof *f);
    const bool power = (n & (n - 1)) == 0, bluestein = !power && n > SHORT;
    int64_t size;

    if (!f || n < 1 || n > INT64_C(1) << 58) {
        free(f);
        return mq_oom(err);
    }
    f->n = n;
    f->m = power ? n : 0;
    f->sign = inverse ? 1 : -1;
    f->scale = inverse ? 1 / (double)n : 1;
    for (f->m = bluestein ? 1 : f->m; bluestein && f->m < 2 * n - 1;)
        f->m *= 2;
    size = f->m ? f->m : n;
    f->turn = pairs(size);
    f->chirp = bluestein ? pairs(n) : NULL;
    f->filter = bluestein ? pairs(f->m) : NULL;
    if (!f->turn || (bluestein && (!f->chirp || !f->filter))) {
        mq_fft_free(f);
        return mq_oom(err);
    }
    for (int64_t k = 0; k < size; k++)
        set_turn(f->turn + 2 * k, k, size, f->sign);
    if (bluestein)
        set_chirp(f);
    *out = f;
    return MQ_OK;
}

void mq_fft_free(mq_fft *f)
{
    if (!f)
        return;
    free(f->turn);
    free(f->chirp);
    free(f->filter);
    free(f);
}

int64_t mq_fft_work(const mq_fft *f)
{
    return f->chirp ? 2 * f->m : f->m ? 0 : 2 * f->n;
}

static void run_short(const mq_fft *f, double *data, double *work)
{
    for (int64_t k = 0; k < f->n; k++) {
        double re = 0, im = 0;

        for (int64_t i = 0; i < f->n; i++) {
            const double *w = f->turn + 2 * (k * i % f->n), *x = data + 2 * i;

            re += x[0] * w[0] - x[1] * w[1];
            im += x[0] * w[1] + x[1] * w[0];
        }
        work[2 * k] = re;
        work[2 * k + 1] = im;
    }
    memcpy(data, work, (size_t)f->n * 2 * sizeof *data);
}

static void run_chirp(const mq_fft *f, double *data, double *work)
{
    for (int64_t k = 0; k < f->n; k++) {
        work[2 * k] = data[2 * k];
        work[2 * k + 1] = data[2 * k + 1];
        multiply(work + 2 * k, f->chirp + 2 * k);
    }
    memset(work + 2 * f->n, 0, (size_t)(f->m - f->n) * 2 * sizeof *work);
    butterflies(work, f->m, f->turn, false);
    for (int64_t k = 0; k < f->m; k++)
        multiply(work + 2 * k, f->filter + 2 * k);
    butterflies(work, f->m, f->turn, true);
    for (int64_t k = 0; k < f->n; k++) {
        multiply(work + 2 * k, f->chirp + 2 * k);
        data[2 * k] = work[2 * k] / (double)f->m;
        data[2 * k + 1] = work[2 * k + 1] / (double)f->m;
    }
}

void mq_fft_run(const mq_fft *f, double *data, double *work)
{
    if (f->chirp)
        run_chirp(f, data, work);
    else if (f->m)
        butterflies(data, f->m, f->turn, false);
    else
        run_short(f, data, work);
    for (int64_t k = 0; f->scale != 1 && k < 2 * f->n; k++)
        data[k] *= f->scale;
}
