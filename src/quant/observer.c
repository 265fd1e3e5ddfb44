/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Counts values. Two passes over one run's values: the first finds the extremes, which say how wide a bin must be, the
 * second finds the bins, block by block in loops that compilers vectorize, and counts. Counts are integers, so that neither
 * the number of threads nor their order matters. */
#include "quant/observer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "quant/kernels.h"

enum {
    BLOCK = 1024,        /* stays in the first-level cache */
    CHUNK = 128 * BLOCK, /* of one thread at a time; a quarter of it fits 16 bits */
    TABLES = 4,          /* neighbours often share a bin: each waits less for the last one's count */
    SPREAD = 16,         /* places where zeros are counted, for the same reason */
    SPAN = MQ_OBSERVER_BINS + SPREAD,
    MOST_DIGITS = 24,    /* a bin is at least as wide as the distance of the largest floats */
    LEAST_EXPONENT = -126,
};

/* Of one tensor: range.c adds them up as doubles. */
#define MOST_VALUES (UINT64_C(1) << 52)

void mq_observer_release(mq_observer *o)
{
    free(o->counts);
    free(o->window);
    *o = (mq_observer){ 0 };
}

/* ---- bins ---------------------------------------------------------------------------------------------------------- */

struct grid {
    int exponent;
    int64_t first;
    size_t n;
};

static int64_t bin_of(float x, int exponent)
{
    return (int64_t)floor(ldexp((double)x, -exponent));
}

/* The narrowest bins that cover [min, max]. Wider extremes never give narrower bins. */
static struct grid grid_of(float min, float max)
{
    double span = (double)max - (double)min, size = fmax(fabs((double)min), fabs((double)max));
    struct grid g = { .exponent = LEAST_EXPONENT };
    int digits;

    frexp(size, &digits);
    if (size > 0 && digits - MOST_DIGITS > g.exponent)
        g.exponent = digits - MOST_DIGITS;
    if (span > 0 && ilogb(span) - 12 > g.exponent)
        g.exponent = ilogb(span) - 12;
    while (bin_of(max, g.exponent) - bin_of(min, g.exponent) >= MQ_OBSERVER_BINS)
        g.exponent++;
    g.first = bin_of(min, g.exponent);
    g.n = (size_t)(bin_of(max, g.exponent) - g.first) + 1;
    return g;
}

/* Adds what is in `from` to counts, whose bins are as wide or wider, and cover at least as much. */
static void add_counts(uint64_t *counts, int exponent, int64_t first, const mq_observer *from)
{
    int shift = exponent - from->exponent < 62 ? exponent - from->exponent : 62;

    for (size_t k = 0; k < from->n_bins; k++) /* shifting right rounds down, as floor does */
        if (from->counts[k])
            counts[((from->first + (int64_t)k) >> shift) - first] += from->counts[k];
}

static mq_status regrid(mq_observer *o, struct grid g, mq_error *err)
{
    uint64_t *counts;

    if (o->counts && g.exponent == o->exponent && g.first == o->first && g.n == o->n_bins)
        return MQ_OK;
    if (!(counts = calloc(g.n, sizeof *counts)))
        return mq_oom(err);
    add_counts(counts, g.exponent, g.first, o);
    free(o->counts);
    o->counts = counts;
    o->exponent = g.exponent;
    o->first = g.first;
    o->n_bins = g.n;
    return MQ_OK;
}

/* The bins for what o saw and values in [min, max] besides. */
static mq_status widen(mq_observer *o, float min, float max, mq_error *err)
{
    mq_status rc;

    if (o->n) {
        min = o->min < min ? o->min : min;
        max = o->max > max ? o->max : max;
    }
    min += 0.0f; /* -0 becomes 0: which of the two came first is nothing to remember */
    max += 0.0f;
    if ((rc = regrid(o, grid_of(min, max), err)) != MQ_OK)
        return rc;
    o->min = min;
    o->max = max;
    return MQ_OK;
}

/* ---- the window of recent runs ------------------------------------------------------------------------------------- */

static mq_status remember(mq_observer *o, float min, float max, mq_error *err)
{
    float (*grown)[2];
    size_t at = o->n_window;

    if (o->n_window == MQ_OBSERVER_WINDOW) {
        at = o->start;
        o->start = (o->start + 1) % MQ_OBSERVER_WINDOW;
    } else {
        if ((at & (at - 1)) == 0) { /* a power of two: full */
            if (!(grown = realloc(o->window, (at ? 2 * at : 1) * sizeof *grown)))
                return mq_oom(err);
            o->window = grown;
        }
        o->n_window++;
    }
    o->window[at][0] = min + 0.0f;
    o->window[at][1] = max + 0.0f;
    return MQ_OK;
}

/* ---- counting ------------------------------------------------------------------------------------------------------ */

/* The bin of each finite value, from the first on; zeros go behind the last. trunc, and one less where that is above x, is
 * floor: exact, for k * width is exact. */
MQ_CLONES(void, find_bins, (const float *restrict x, int32_t n, float width, float per_width, int32_t first,
                            int32_t n_bins, int32_t *restrict bins), (x, n, width, per_width, first, n_bins, bins))
{
    for (int32_t i = 0; i < n; i++) {
        int32_t k = (int32_t)(x[i] * per_width), zero = -(int32_t)(x[i] == 0);
        k -= (float)k * width > x[i];
        bins[i] = ((k - first) & ~zero) | ((n_bins + i % SPREAD) & zero); /* as gcc 12 vectorizes it */
    }
}

static void count_bins(const int32_t *bins, size_t n, uint16_t tables[TABLES][SPAN])
{
    size_t i = 0;

    for (; i + TABLES <= n; i += TABLES) {
        tables[0][bins[i]]++;
        tables[1][bins[i + 1]]++;
        tables[2][bins[i + 2]]++;
        tables[3][bins[i + 3]]++;
    }
    for (; i < n; i++)
        tables[i % TABLES][bins[i]]++;
}

MQ_CLONES(void, add_tables, (uint64_t *restrict counts, uint16_t tables[restrict TABLES][SPAN], size_t n),
          (counts, tables, n))
{
    for (size_t k = 0; k < n; k++)
        counts[k] += (uint64_t)tables[0][k] + tables[1][k] + tables[2][k] + tables[3][k];
}

/* Values [at, at + n) as float: where they lie, or converted into room. */
static const float *floats_at(const mq_array *a, size_t at, size_t n, float *room)
{
    if (a->dtype == MQ_FLOAT)
        return (const float *)a->data + at;
    mq_dtype_to_f32(a->dtype, a->data, at, n, room);
    return room;
}

/* What is not finite was counted before; as zeros they are in no bin. */
static const float *without_nonfinite(const float *x, size_t n, float *room)
{
    for (size_t i = 0; i < n; i++)
        room[i] = isfinite(x[i]) ? x[i] : 0;
    return room;
}

/* Adds values [from, to) of a, at most CHUNK, to counts with o's bins. Gives how many were in no bin. */
static uint64_t count_chunk(const mq_observer *o, uint64_t *counts, const mq_array *a, size_t from, size_t to, bool has_bad)
{
    const float width = ldexpf(1, o->exponent), per_width = ldexpf(1, -o->exponent);
    uint16_t tables[TABLES][SPAN];
    uint64_t zeros[SPREAD] = { 0 }, n_zeros = 0;
    int32_t bins[BLOCK];
    float room[BLOCK];

    for (int t = 0; t < TABLES; t++)
        memset(tables[t], 0, (o->n_bins + SPREAD) * sizeof tables[t][0]);
    for (size_t at = from; at < to; at += BLOCK) {
        size_t n = to - at < BLOCK ? to - at : BLOCK;
        const float *x = floats_at(a, at, n, room);
        if (has_bad)
            x = without_nonfinite(x, n, room);
        find_bins(x, (int32_t)n, width, per_width, (int32_t)o->first, (int32_t)o->n_bins, bins);
        count_bins(bins, n, tables);
    }
    for (int t = 0; t < TABLES; t++)
        for (size_t k = 0; k < SPREAD; k++)
            zeros[k] += tables[t][o->n_bins + k];
    for (size_t k = 0; k < SPREAD; k++)
        n_zeros += zeros[k];
    add_tables(counts, tables, o->n_bins);
    return n_zeros;
}

/* The range of the finite values; lo > hi: there are none. */
static void run_range(const mq_array *a, int n_threads, float *lo_out, float *hi_out, mq_nonfinite *bad)
{
    const int64_t n_chunks = (int64_t)((a->count + CHUNK - 1) / CHUNK);
    float lo = INFINITY, hi = -INFINITY;
    int64_t n_nan = 0, n_inf = 0;

#pragma omp parallel for schedule(static) num_threads(n_threads) if (n_chunks > 1 && n_threads > 1) \
    reduction(min : lo) reduction(max : hi) reduction(+ : n_nan, n_inf)
    for (int64_t c = 0; c < n_chunks; c++) {
        size_t to = ((size_t)c + 1) * CHUNK < a->count ? ((size_t)c + 1) * CHUNK : a->count;
        float least = INFINITY, most = -INFINITY, room[BLOCK];
        mq_nonfinite here = { 0 };
        for (size_t at = (size_t)c * CHUNK; at < to; at += BLOCK) {
            size_t n = to - at < BLOCK ? to - at : BLOCK;
            mq_run_range(floats_at(a, at, n, room), n, &least, &most, &here);
        }
        lo = least < lo ? least : lo;
        hi = most > hi ? most : hi;
        n_nan += here.n_nan;
        n_inf += here.n_inf;
    }
    *lo_out = lo;
    *hi_out = hi;
    *bad = (mq_nonfinite){ .n_nan = n_nan, .n_inf = n_inf };
}

/* Each thread has counts of its own: the first o's, the others a slot. */
static mq_status count_run(mq_observer *o, const mq_array *a, int n_threads, uint64_t n_bad, mq_error *err)
{
    const size_t n_chunks = (a->count + CHUNK - 1) / CHUNK, n = n_chunks < (size_t)n_threads ? n_chunks : (size_t)n_threads;
    uint64_t *slots = n > 1 ? calloc((n - 1) * o->n_bins, sizeof *slots) : NULL, n_zeros = 0;

    if (n > 1 && !slots)
        return mq_oom(err);
#pragma omp parallel for schedule(static, 1) num_threads((int)n) if (n > 1) reduction(+ : n_zeros)
    for (size_t t = 0; t < n; t++)
        for (size_t c = t; c < n_chunks; c += n) {
            size_t to = (c + 1) * CHUNK < a->count ? (c + 1) * CHUNK : a->count;
            n_zeros += count_chunk(o, t ? slots + (t - 1) * o->n_bins : o->counts, a, c * CHUNK, to, n_bad > 0);
        }
    for (size_t t = 0; t + 1 < n; t++)
        for (size_t k = 0; k < o->n_bins; k++)
            o->counts[k] += slots[t * o->n_bins + k];
    free(slots);
    o->n_zero += n_zeros - n_bad;
    o->n += a->count - n_bad;
    return MQ_OK;
}

static bool is_countable(const mq_array *a)
{
    return a->kind == MQ_TYPE_TENSOR && !a->layout &&
           (a->dtype == MQ_FLOAT || a->dtype == MQ_DOUBLE || a->dtype == MQ_FLOAT16 || a->dtype == MQ_BFLOAT16);
}

mq_status mq_observer_add(mq_observer *o, const mq_array *values, int n_threads, mq_error *err)
{
    mq_nonfinite bad;
    uint64_t n_bad;
    float lo, hi;
    mq_status rc = MQ_OK;

    if (!is_countable(values))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "values of type %s cannot be calibrated", mq_dtype_name(values->dtype));
    n_threads = n_threads > 1 ? n_threads : 1;
    run_range(values, n_threads, &lo, &hi, &bad);
    n_bad = (uint64_t)bad.n_nan + (uint64_t)bad.n_inf;
    if (lo <= hi) {
        MQ_TRY(widen(o, lo, hi, err));
        MQ_TRY(remember(o, lo, hi, err));
        MQ_TRY(count_run(o, values, n_threads, n_bad, err));
    }
    o->n_nan += (uint64_t)bad.n_nan;
    o->n_inf += (uint64_t)bad.n_inf;
done:
    return rc;
}

/* ---- parts --------------------------------------------------------------------------------------------------------- */

static bool sum_fits(uint64_t a, uint64_t b)
{
    return a <= MOST_VALUES && b <= MOST_VALUES - a;
}

mq_status mq_observer_merge(mq_observer *o, const mq_observer *more, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (!sum_fits(o->n, more->n) || !sum_fits(o->n_nan, more->n_nan) || !sum_fits(o->n_inf, more->n_inf))
        return mq_fail(err, MQ_ERR_INPUT, "more values than can be counted");
    if (more->n) {
        MQ_TRY(widen(o, more->min, more->max, err));
        for (size_t i = 0; i < more->n_window; i++) {
            const float *run = more->window[(more->start + i) % MQ_OBSERVER_WINDOW];
            MQ_TRY(remember(o, run[0], run[1], err));
        }
        add_counts(o->counts, o->exponent, o->first, more);
    }
    o->n += more->n;
    o->n_zero += more->n_zero;
    o->n_nan += more->n_nan;
    o->n_inf += more->n_inf;
done:
    return rc;
}

/* Whether the counts are those that the other numbers speak of. */
static mq_status check_counts(const mq_observer *parts, mq_error *err)
{
    const uint64_t want = parts->n - parts->n_zero;
    uint64_t sum = 0;

    for (size_t k = 0; k < parts->n_bins; k++) {
        if (!sum_fits(sum, parts->counts[k]))
            return mq_fail(err, MQ_ERR_INPUT, "more values than can be counted");
        sum += parts->counts[k];
    }
    if (sum != want)
        return mq_fail(err, MQ_ERR_INPUT, "the bins hold %llu values, not %llu (count less zeros)", (unsigned long long)sum,
                       (unsigned long long)want);
    if ((parts->min != 0 && !parts->counts[0]) || (parts->max != 0 && !parts->counts[parts->n_bins - 1]))
        return mq_fail(err, MQ_ERR_INPUT, "the %s bin is empty, but has the %s value", parts->min != 0 && !parts->counts[0] ?
                       "first" : "last", parts->min != 0 && !parts->counts[0] ? "least" : "largest");
    return MQ_OK;
}

static mq_status check_window(const mq_observer *parts, mq_error *err)
{
    if (parts->n_window > MQ_OBSERVER_WINDOW || (parts->n_window > 0) != (parts->n > 0))
        return mq_fail(err, MQ_ERR_INPUT, "the window has %zu runs: it needs 1 to %d, and none without values",
                       parts->n_window, MQ_OBSERVER_WINDOW);
    for (size_t i = 0; i < parts->n_window; i++) {
        const float *run = parts->window[(parts->start + i) % MQ_OBSERVER_WINDOW];
        if (!(run[0] >= parts->min && run[0] <= run[1] && run[1] <= parts->max))
            return mq_fail(err, MQ_ERR_INPUT, "run %zu of the window is not within min and max", i + 1);
    }
    return MQ_OK;
}

static mq_status check_parts(const mq_observer *parts, mq_error *err)
{
    struct grid g;
    mq_status rc = MQ_OK;

    if (parts->n > MOST_VALUES || parts->n_nan > MOST_VALUES || parts->n_inf > MOST_VALUES)
        return mq_fail(err, MQ_ERR_INPUT, "more values than can be counted");
    if (parts->n_zero > parts->n)
        return mq_fail(err, MQ_ERR_INPUT, "more zeros than values");
    MQ_TRY(check_window(parts, err));
    if (!parts->n)
        goto done;
    if (!isfinite(parts->min) || !isfinite(parts->max) || parts->min > parts->max)
        return mq_fail(err, MQ_ERR_INPUT, "min is %.9g and max %.9g", (double)parts->min, (double)parts->max);
    g = grid_of(parts->min, parts->max);
    if (parts->exponent != g.exponent || parts->first != g.first || parts->n_bins != g.n)
        return mq_fail(err, MQ_ERR_INPUT, "from min to max there are %zu bins of exponent %d, the first is %lld (\"range\" "
                       "is what to edit)", g.n, g.exponent, (long long)g.first);
    rc = check_counts(parts, err);
done:
    return rc;
}

mq_status mq_observer_restore(mq_observer *o, const mq_observer *parts, mq_error *err)
{
    mq_observer made = { 0 };
    mq_status rc = MQ_OK;

    MQ_TRY(check_parts(parts, err));
    MQ_TRY(mq_observer_merge(&made, parts, err));
    mq_observer_release(o);
    *o = made;
    made = (mq_observer){ 0 };
done:
    mq_observer_release(&made);
    return rc;
}

void mq_observer_outline(const mq_observer *o, uint64_t *counts, size_t n)
{
    const double width = ldexp(1, o->exponent), step = ((double)o->max - (double)o->min) / (double)n;

    memset(counts, 0, n * sizeof *counts);
    for (size_t i = 0; i < o->n_bins; i++) {
        const double middle = ((double)o->first + (double)i + 0.5) * width;
        const double at = step > 0 ? floor((middle - (double)o->min) / step) : 0;
        counts[(size_t)fmin(fmax(at, 0), (double)(n - 1))] += o->counts[i];
    }
}
