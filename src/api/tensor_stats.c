/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Minimum, maximum, mean, deviation, zeros, histogram. Elements become doubles in blocks of fixed size; a block's sums run
 * in fixed lanes, blocks are merged in order: the same figures for any number of threads and any instruction set. */
#include "api/tensor_stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/threads.h"
#include "base/zeros.h"

enum {
    BLOCK = 4096,        /* elements that are converted and summed at once */
    CHUNK_BLOCKS = 1024, /* blocks between two looks at cancellation; then their pages are given back */
    LANES = 8,
};

/* Figures of some elements; mean and m2 (the sum of squared differences from it) are of the finite ones. */
typedef struct part {
    uint64_t finite, zeros, nans, infs;
    double min, max, mean, m2;
} part;

/* ---- conversion --------------------------------------------------------------------------------------------------- */

static void load(mq_dtype type, const unsigned char *data, uint64_t start, size_t n, double *out)
{
    float f[BLOCK];
    int64_t wide[BLOCK];

    if (type == MQ_DOUBLE) {
        memcpy(out, data + start * sizeof *out, n * sizeof *out);
    } else if (mq_dtype_is_integer(type) && mq_dtype_bits(type) > 16) { /* float has no room for all of their digits */
        mq_dtype_to_i64(type, data, start, n, wide);
        for (size_t i = 0; i < n; i++)
            out[i] = (double)wide[i];
    } else {
        mq_dtype_to_f32(type, data, start, n, f);
        for (size_t i = 0; i < n; i++)
            out[i] = (double)f[i];
    }
}

/* ---- one block ---------------------------------------------------------------------------------------------------- */

/* Sums of x and of (x - about)^2 in lanes; x is finite. */
MQ_CLONES(void, sum_lanes, (const double *x, size_t n, double about, double *sum, double *squares),
          (x, n, about, sum, squares))
{
    double s[LANES] = { 0 }, q[LANES] = { 0 };
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++) {
            double d = x[i + k] - about;
            s[k] += x[i + k];
            q[k] += d * d;
        }
    for (size_t k = 0; i + k < n; k++) {
        double d = x[i + k] - about;
        s[k] += x[i + k];
        q[k] += d * d;
    }
    *sum = *squares = 0;
    for (size_t k = 0; k < LANES; k++) {
        *sum += s[k];
        *squares += q[k];
    }
}

/* Moves the finite elements to the front and counts the others. */
static size_t keep_finite(double *x, size_t n, part *p)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i]))
            p->nans++;
        else if (isinf(x[i]))
            p->infs++;
        else
            x[kept++] = x[i];
    }
    return kept;
}

static part measure_block(double *x, size_t n)
{
    part p = { .min = INFINITY, .max = -INFINITY };
    double sum, unused;

    p.finite = n = keep_finite(x, n, &p);
    if (n == 0)
        return p;
    for (size_t i = 0; i < n; i++) {
        p.zeros += x[i] == 0;
        p.min = x[i] < p.min ? x[i] : p.min;
        p.max = x[i] > p.max ? x[i] : p.max;
    }
    sum_lanes(x, n, 0, &sum, &unused);
    p.mean = sum / (double)n;
    sum_lanes(x, n, p.mean, &unused, &p.m2);
    return p;
}

/* a becomes both. With d the difference of the means: mean = a.mean + d*nb/n, m2 = a.m2 + b.m2 + d^2*na*nb/n. */
static void merge(part *a, const part *b)
{
    double na = (double)a->finite, nb = (double)b->finite, d = b->mean - a->mean;

    a->nans += b->nans;
    a->infs += b->infs;
    a->zeros += b->zeros;
    if (b->finite == 0)
        return;
    if (a->finite == 0) {
        a->mean = b->mean;
        a->m2 = b->m2;
    } else {
        a->mean += d * (nb / (na + nb));
        a->m2 += b->m2 + d * d * (na * nb / (na + nb));
    }
    a->min = b->min < a->min ? b->min : a->min;
    a->max = b->max > a->max ? b->max : a->max;
    a->finite += b->finite;
}

/* ---- the whole tensor --------------------------------------------------------------------------------------------- */

typedef struct reader {
    const mq_tensor *t;
    const unsigned char *data;
    uint64_t n;
    const mq_hooks *hooks;
    int n_threads;
} reader;

static mq_status open_reader(reader *r, mq_tensor *t, const mq_hooks *hooks, mq_error *err)
{
    const void *data = NULL;
    mq_status rc = mq_tensor_bytes(t, &data, err);

    if (rc != MQ_OK)
        return rc;
    *r = (reader){ t, data, (uint64_t)mq_tensor_count(t), hooks, mq_threads(hooks ? hooks->n_threads : 0) };
    return MQ_OK;
}

/* Gives back the pages of elements [start, start+n). */
static void give_back(const reader *r, uint64_t start, uint64_t n)
{
    uint64_t begin = 0, end = 0;

    if (r->t->buf && mq_dtype_bytes(r->t->dtype, start, &begin) && mq_dtype_bytes(r->t->dtype, start + n, &end))
        mq_buf_done_with(r->t->buf, r->data + begin, (size_t)(end - begin));
}

/* Calls work(user, block, first element, elements) for all blocks, a chunk at a time; in a chunk in parallel, with
 * block counting from 0 in it; after each chunk merge_chunk(user, blocks). */
typedef struct block_job {
    void (*work)(void *user, const reader *r, size_t block, uint64_t start, size_t n);
    void (*merge_chunk)(void *user, size_t blocks);
    void *user;
} block_job;

static mq_status each_block(const reader *r, const block_job *job, mq_error *err)
{
    const uint64_t chunk = (uint64_t)BLOCK * CHUNK_BLOCKS;

    for (uint64_t at = 0; at < r->n; at += chunk) {
        uint64_t n = r->n - at < chunk ? r->n - at : chunk;
        int blocks = (int)((n + BLOCK - 1) / BLOCK);
        mq_status rc = mq_check_cancelled(r->hooks, err);
        if (rc != MQ_OK)
            return rc;
#pragma omp parallel for num_threads(r->n_threads) schedule(static) if (blocks > 32)
        for (int b = 0; b < blocks; b++) {
            uint64_t start = (uint64_t)b * BLOCK;
            job->work(job->user, r, (size_t)b, at + start, n - start < BLOCK ? (size_t)(n - start) : BLOCK);
        }
        job->merge_chunk(job->user, (size_t)blocks);
        give_back(r, at, n);
    }
    return MQ_OK;
}

typedef struct moments {
    part all;
    part *blocks; /* CHUNK_BLOCKS of them */
} moments;

static void moments_of_block(void *user, const reader *r, size_t block, uint64_t start, size_t n)
{
    moments *m = user;
    double x[BLOCK];

    load(r->t->dtype, r->data, start, n, x);
    m->blocks[block] = measure_block(x, n);
}

static void merge_moments(void *user, size_t blocks)
{
    moments *m = user;

    for (size_t b = 0; b < blocks; b++)
        merge(&m->all, &m->blocks[b]);
}

/* ---- histogram ---------------------------------------------------------------------------------------------------- */

typedef struct histogram {
    double min, max;
    uint64_t *counts;                         /* of the result */
    uint32_t (*blocks)[MQ_HISTOGRAM_BINS];    /* CHUNK_BLOCKS of them */
} histogram;

static void histogram_of_block(void *user, const reader *r, size_t block, uint64_t start, size_t n)
{
    histogram *h = user;
    uint32_t *bins = h->blocks[block];
    double x[BLOCK], scale = MQ_HISTOGRAM_BINS / (h->max / 2 - h->min / 2); /* halves: the range may overflow */

    memset(bins, 0, sizeof h->blocks[block]);
    load(r->t->dtype, r->data, start, n, x);
    for (size_t i = 0; i < n; i++) {
        double at = (x[i] / 2 - h->min / 2) * scale;
        if (!isfinite(x[i]))
            continue;
        bins[at >= MQ_HISTOGRAM_BINS ? MQ_HISTOGRAM_BINS - 1 : at > 0 ? (size_t)at : 0]++; /* NaN: a range near 0 */
    }
}

static void merge_histogram(void *user, size_t blocks)
{
    histogram *h = user;

    for (size_t b = 0; b < blocks; b++)
        for (size_t i = 0; i < MQ_HISTOGRAM_BINS; i++)
            h->counts[i] += h->blocks[b][i];
}

static mq_status fill_histogram(const reader *r, const part *all, mq_tensor_stats *out, mq_error *err)
{
    histogram h = { .min = all->min, .max = all->max, .counts = out->histogram };
    mq_status rc;

    if (all->finite == 0 || !(all->max > all->min)) { /* one value: one bin */
        out->histogram[0] = all->finite;
        return MQ_OK;
    }
    if (!(h.blocks = malloc(CHUNK_BLOCKS * sizeof *h.blocks)))
        return mq_oom(err);
    rc = each_block(r, &(block_job){ histogram_of_block, merge_histogram, &h }, err);
    free(h.blocks);
    return rc;
}

mq_status mq_tensor_measure(mq_tensor *t, mq_tensor_stats *out, const mq_hooks *hooks, mq_error *err)
{
    moments m = { .all = { .min = INFINITY, .max = -INFINITY } };
    reader r;
    mq_status rc = open_reader(&r, t, hooks, err);

    if (rc != MQ_OK)
        return rc;
    if (!(m.blocks = malloc(CHUNK_BLOCKS * sizeof *m.blocks)))
        return mq_oom(err);
    *out = (mq_tensor_stats){ 0 };
    MQ_TRY(each_block(&r, &(block_job){ moments_of_block, merge_moments, &m }, err));
    out->zeros = m.all.zeros;
    out->nans = m.all.nans;
    out->infs = m.all.infs;
    if (m.all.finite) {
        out->min = m.all.min;
        out->max = m.all.max;
        out->mean = m.all.mean;
        out->std = sqrt(m.all.m2 / (double)m.all.finite);
    }
    MQ_TRY(fill_histogram(&r, &m.all, out, err));
done:
    free(m.blocks);
    return rc;
}

/* ---- zeros only --------------------------------------------------------------------------------------------------- */

bool mq_dtype_has_zeros(mq_dtype t)
{
    return t != MQ_FLOAT8E8M0 && (mq_dtype_is_float(t) || (mq_dtype_is_integer(t) && mq_dtype_is_signed(t)));
}

static size_t zeros_below_byte(mq_dtype type, const unsigned char *data, uint64_t start, size_t n)
{
    double x[BLOCK];
    size_t zeros = 0;

    load(type, data, start, n, x);
    for (size_t i = 0; i < n; i++)
        zeros += x[i] == 0;
    return zeros;
}

typedef struct zero_count {
    uint64_t zeros;
    size_t *blocks; /* CHUNK_BLOCKS of them */
} zero_count;

/* The bits that make an element another number than zero: the sign bit of a float does not, but where it is NaN. */
static uint64_t number_bits(mq_dtype type)
{
    const bool has_two_zeros = mq_dtype_is_float(type) && type != MQ_FLOAT8E4M3FNUZ && type != MQ_FLOAT8E5M2FNUZ;

    return UINT64_MAX >> (64 - mq_dtype_bits(type) + has_two_zeros);
}

static void zeros_of_block(void *user, const reader *r, size_t block, uint64_t start, size_t n)
{
    zero_count *z = user;
    const mq_dtype type = r->t->dtype;
    const int bits = mq_dtype_bits(type);

    z->blocks[block] = bits < 8 ? zeros_below_byte(type, r->data, start, n)
                                : mq_zeros_count(bits, r->data + start * (uint64_t)bits / 8, n, number_bits(type));
}

static void merge_zeros(void *user, size_t blocks)
{
    zero_count *z = user;

    for (size_t b = 0; b < blocks; b++)
        z->zeros += z->blocks[b];
}

mq_status mq_tensor_count_zeros(mq_tensor *t, uint64_t *zeros, const mq_hooks *hooks, mq_error *err)
{
    zero_count z = { 0 };
    reader r;
    mq_status rc = open_reader(&r, t, hooks, err);

    if (rc != MQ_OK)
        return rc;
    if (!(z.blocks = malloc(CHUNK_BLOCKS * sizeof *z.blocks)))
        return mq_oom(err);
    if ((rc = each_block(&r, &(block_job){ zeros_of_block, merge_zeros, &z }, err)) == MQ_OK)
        *zeros = z.zeros;
    free(z.blocks);
    return rc;
}
