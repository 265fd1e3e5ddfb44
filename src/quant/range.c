/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Ranges from histograms. Squared error and divergence are functions of the range's two ends, searched in the same way: over
 * a coarse grid of ratios to the extremes, then in steps that halve. */
#include "quant/range.h"

#include <math.h>
#include <string.h>

#include "base/compiler.h"

enum {
    LANES = 8,
    BLOCK = 256,
    THIRDS = 3,    /* steps of the coarse grid per factor of 2 */
    DEPTH = 15,    /* steps: down to 1/32 of the extremes */
    FINER = 8,     /* steps for each of those when there is only one end to move */
    HALVINGS = 9,  /* down to 0.1 % */
    WANDER = 24,   /* moves at each step's size, at most */
    PER_BIN = 32,  /* values that a bin of a divergence holds on average, at least */
    COARSER = 2,   /* the grid is searched with bins of 2^COARSER, which are four to a step and more */
};

#define EMA_NEWEST 0.02

/* ---- the histogram as doubles -------------------------------------------------------------------------------------- */

/* Bin k, of n, is [first + k, first + k + 1) * width, cut off at min and max. */
struct histogram {
    size_t n;
    double first, width, min, max;
    double counts[MQ_OBSERVER_BINS];
};

static void histogram_of(const mq_observer *o, int coarser, struct histogram *h)
{
    const int64_t first = o->first >> coarser;

    h->n = o->n_bins ? (size_t)(((o->first + (int64_t)o->n_bins - 1) >> coarser) - first) + 1 : 0;
    h->first = (double)first;
    h->width = ldexp(1, o->exponent + coarser);
    h->min = (double)o->min;
    h->max = (double)o->max;
    memset(h->counts, 0, h->n * sizeof h->counts[0]);
    for (size_t k = 0; k < o->n_bins; k++)
        h->counts[((o->first + (int64_t)k) >> coarser) - first] += (double)o->counts[k];
}

static double bin_from(const struct histogram *h, size_t k)
{
    return k ? (h->first + (double)k) * h->width : h->min;
}

static double bin_to(const struct histogram *h, size_t k)
{
    return k + 1 < h->n ? (h->first + (double)k + 1) * h->width : h->max;
}

/* ---- squared error ------------------------------------------------------------------------------------------------- */

/* Integers from lo to hi times step stand for numbers. */
struct steps {
    double step, lo, hi;
};

static struct steps steps_of(const mq_scheme *s, double lo, double hi)
{
    int32_t zero_point;
    float scale;

    mq_scheme_affine(s, (float)lo, (float)hi, &scale, &zero_point);
    return (struct steps){ .step = (double)scale, .lo = (double)(s->q_min - zero_point),
                           .hi = (double)(s->q_max - zero_point) };
}

/* The integral of (x - Q(x))^2 over x = u * step is step^3 times the integral of (u - m)^2, m the nearest integer in
 * use. Its antiderivative is m / 12 + (u - m)^3 / 3, continuous where m changes, and right beyond the ends where m stays. */
MQ_INLINE double antiderivative(double u, double lo, double hi)
{
    double m = u < lo ? lo : u > hi ? hi : u, r;

    m = (m + 0x1.8p52) - 0x1.8p52; /* to the nearest integer */
    r = u - m;
    return m * (1.0 / 12) + r * r * r * (1.0 / 3);
}

/* The sum over bins [1, n - 1) of count times the mean of (u - m)^2 within the bin; per_step: bins' width in steps. */
MQ_CLONES(double, inner_error, (const struct histogram *h, double per_step, double lo, double hi), (h, per_step, lo, hi))
{
    double at[BLOCK + 1], lanes[LANES] = { 0 }, sum = 0;

    for (size_t from = 1; from + 1 < h->n; from += BLOCK) {
        size_t n = h->n - 1 - from < BLOCK ? h->n - 1 - from : BLOCK, whole = n / LANES * LANES;
        const double first = h->first + (double)from;
        for (int k = 0; k <= (int)n; k++)
            at[k] = antiderivative((first + (double)k) * per_step, lo, hi);
        for (size_t k = 0; k < whole; k += LANES)
            for (size_t lane = 0; lane < LANES; lane++)
                lanes[lane] += h->counts[from + k + lane] * (at[k + lane + 1] - at[k + lane]);
        for (size_t k = whole; k < n; k++)
            lanes[k - whole] += h->counts[from + k] * (at[k + 1] - at[k]);
    }
    for (int lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    return sum / per_step;
}

/* The mean of (u - m)^2 between two numbers; at one of them when they are the same. */
static double mean_error(const struct steps *t, double from, double to)
{
    double a = from / t->step, b = to / t->step, r;

    if (!(to - from > 0))
        return r = a - nearbyint(fmin(fmax(a, t->lo), t->hi)), r * r;
    return (antiderivative(b, t->lo, t->hi) - antiderivative(a, t->lo, t->hi)) / (b - a);
}

/* Sum of (x - Q(x))^2. Exact zeros have none. */
static double squared_error(const void *data, const mq_scheme *s, double lo, double hi)
{
    const struct histogram *h = data;
    const struct steps t = steps_of(s, lo, hi);
    double sum = 0;

    if (!h->n)
        return 0;
    sum = inner_error(h, h->width / t.step, t.lo, t.hi);
    sum += h->counts[0] * mean_error(&t, bin_from(h, 0), bin_to(h, 0));
    if (h->n > 1)
        sum += h->counts[h->n - 1] * mean_error(&t, bin_from(h, h->n - 1), bin_to(h, h->n - 1));
    return sum * t.step * t.step;
}

void mq_observer_error(const mq_observer *o, const mq_scheme *s, float lo, float hi, double *mse, double *power)
{
    struct histogram h;
    double sum = 0;

    *mse = *power = 0;
    if (!o->n)
        return;
    histogram_of(o, 0, &h);
    for (size_t k = 0; k < h.n; k++) {
        double a = bin_from(&h, k), b = bin_to(&h, k);
        sum += h.counts[k] * ((a * a + a * b + b * b) / 3);
    }
    *power = sum / (double)o->n;
    *mse = squared_error(&h, s, (double)lo, (double)hi) / (double)o->n;
}

/* ---- divergence ---------------------------------------------------------------------------------------------------- */

/* Sums over the bins before each one. Zeros take no part: every range has them exact. */
struct prefix {
    size_t n;
    double first, width;
    double counts[MQ_OBSERVER_BINS + 1];  /* c */
    double logs[MQ_OBSERVER_BINS + 1];    /* c log c */
    uint16_t filled[MQ_OBSERVER_BINS + 1]; /* c > 0 */
};

static double n_log_n(double n)
{
    return n > 0 ? n * log(n) : 0;
}

/* Bins that hold few values each differ by chance, which looks like a loss: they are joined until they hold enough. */
static int coarseness(const mq_observer *o)
{
    const uint64_t n = o->n - o->n_zero;
    int coarser = 0;

    while (o->n_bins >> coarser > 1 && n < (uint64_t)(o->n_bins >> coarser) * PER_BIN)
        coarser++;
    return coarser;
}

static void prefix_of(const mq_observer *o, struct prefix *p)
{
    struct histogram h;

    histogram_of(o, coarseness(o), &h);
    p->n = h.n;
    p->first = h.first;
    p->width = h.width;
    p->counts[0] = p->logs[0] = p->filled[0] = 0;
    for (size_t k = 0; k < h.n; k++) {
        p->counts[k + 1] = p->counts[k] + h.counts[k];
        p->logs[k + 1] = p->logs[k] + n_log_n(h.counts[k]);
        p->filled[k + 1] = (uint16_t)(p->filled[k] + (h.counts[k] > 0));
    }
}

/* The bin that begins nearest to x, within [from, to]. */
static size_t edge_near(const struct prefix *p, double x, size_t from, size_t to)
{
    double k = nearbyint(x / p->width - p->first);

    return k < (double)from ? from : k > (double)to ? to : (size_t)k;
}

/* P: the counts of bins [from, to), what lies outside added to the bins at the ends. */
struct ends {
    size_t from, to;
    double below, above;
};

/* Sum of P log P. */
static double sum_own(const struct prefix *p, const struct ends *e)
{
    double first = p->counts[e->from + 1] - p->counts[e->from], last = p->counts[e->to] - p->counts[e->to - 1];
    double sum = p->logs[e->to] - p->logs[e->from];

    if (e->to - e->from == 1)
        return n_log_n(first + e->below + e->above);
    return sum - n_log_n(first) - n_log_n(last) + n_log_n(first + e->below) + n_log_n(last + e->above);
}

/* Sum of P log Q over bins [a, b), which share an integer: Q is their counts' mean over bins where P is not 0. */
static double sum_shared(const struct prefix *p, const struct ends *e, size_t a, size_t b)
{
    const bool first = a == e->from && e->below > 0, last = b == e->to && e->above > 0;
    double sum = p->counts[b] - p->counts[a], filled = p->filled[b] - p->filled[a];
    const double mass = sum + (first ? e->below : 0) + (last ? e->above : 0);

    if (first && p->filled[a + 1] == p->filled[a])
        filled++;
    if (last && p->filled[b] == p->filled[b - 1] && !(first && b - a == 1))
        filled++;
    if (!(mass > 0))
        return 0;
    return sum > 0 ? mass * log(sum / filled) : -INFINITY;
}

/* Where all bins of a step come from one density, counts that differ by chance still have a divergence: half a value for
 * each bin beyond the first, on average. Taken off, or narrow ranges with few bins to a step would win for that alone. */
static double chance(double filled, double levels)
{
    return (filled - levels) / 2;
}

static double divergence(const void *data, const mq_scheme *s, double lo, double hi)
{
    const struct prefix *p = data;
    const struct steps t = steps_of(s, lo, hi);
    const double step = fmax(fabs(t.step), p->width), all = p->counts[p->n];
    struct ends e = { .from = edge_near(p, lo - p->width / 2, 0, p->n), .to = edge_near(p, hi + p->width / 2, 0, p->n) };
    double shared = 0, levels = 0, inside;

    if (e.from >= e.to)
        return INFINITY;
    e.below = p->counts[e.from];
    e.above = all - p->counts[e.to];
    inside = p->counts[e.to] - p->counts[e.from];
    if (!(inside > 0))
        return INFINITY;
    for (size_t a = e.from, b; a < e.to; a = b) {
        double m = floor((p->first + (double)a + 0.5) * p->width / step + 0.5);
        b = edge_near(p, (m + 0.5) * step, a + 1, e.to);
        shared += sum_shared(p, &e, a, b);
        levels += p->filled[b] > p->filled[a];
    }
    return (sum_own(p, &e) - shared - chance(p->filled[e.to] - p->filled[e.from], levels)) / all + log(inside / all);
}

/* ---- searching ----------------------------------------------------------------------------------------------------- */

typedef double cost_fn(const void *data, const mq_scheme *s, double lo, double hi);

/* A range is lo * 2^-down[0] to hi * 2^-down[1]; of a symmetric scheme the larger of the two, times 2^-down[0],
 * cuts off both. */
struct search {
    const mq_scheme *scheme;
    double lo, hi; /* all values and 0 */
    double down[2];
    double cost;   /* there */
};

static void range_at(const struct search *f, const double down[2], double *lo, double *hi)
{
    double most = fmax(-f->lo, f->hi) * exp2(-down[0]);

    *lo = f->scheme->symmetric ? fmax(f->lo, -most) : f->lo * exp2(-down[0]);
    *hi = f->scheme->symmetric ? fmin(f->hi, most) : f->hi * exp2(-down[1]);
}

static bool try_at(struct search *f, cost_fn *cost, const void *data, double a, double b)
{
    const double down[2] = { a > 0 ? a : 0, b > 0 ? b : 0 };
    double lo, hi, got;

    range_at(f, down, &lo, &hi);
    got = cost(data, f->scheme, lo, hi);
    if (!(got < f->cost))
        return false;
    f->cost = got;
    f->down[0] = down[0];
    f->down[1] = down[1];
    return true;
}

/* An end that is 0 stays. */
static bool is_free(const struct search *f, int end)
{
    return f->scheme->symmetric ? end == 0 : end == 0 ? f->lo < 0 : f->hi > 0;
}

static void search_grid(struct search *f, cost_fn *cost, const void *data)
{
    const int finer = is_free(f, 0) && is_free(f, 1) ? 1 : FINER, n = DEPTH * finer;

    for (int a = 0; a <= (is_free(f, 0) ? n : 0); a++)
        for (int b = 0; b <= (is_free(f, 1) ? n : 0); b++)
            try_at(f, cost, data, (double)a / (THIRDS * finer), (double)b / (THIRDS * finer));
}

/* To the best of eight neighbours, if that is better. */
static bool move(struct search *f, cost_fn *cost, const void *data, double size)
{
    const double a = f->down[0], b = f->down[1];
    bool better = false;

    for (int k = 0; k < 9; k++) {
        const double da = (k / 3 - 1) * size, db = (k % 3 - 1) * size;
        if ((da == 0 || is_free(f, 0)) && (db == 0 || is_free(f, 1)) && (da != 0 || db != 0))
            better |= try_at(f, cost, data, a + da, b + db);
    }
    return better;
}

/* From what the grid found, or from the whole range where that is better. */
static void search_near(struct search *f, cost_fn *cost, const void *data)
{
    const double a = f->down[0], b = f->down[1];
    double size = 0.5 / THIRDS;

    f->cost = INFINITY;
    try_at(f, cost, data, 0, 0);
    try_at(f, cost, data, a, b);
    for (int i = 0; i < HALVINGS; i++, size /= 2)
        for (int moves = 0; moves < WANDER && move(f, cost, data, size); moves++)
            ;
}

static void found(const struct search *f, float *lo, float *hi)
{
    double from, to;

    range_at(f, f->down, &from, &to);
    *lo = (float)from;
    *hi = (float)to;
}

static void least_error(const mq_observer *o, struct search *f, float *lo, float *hi)
{
    struct histogram h;

    histogram_of(o, COARSER, &h);
    search_grid(f, squared_error, &h);
    histogram_of(o, 0, &h);
    search_near(f, squared_error, &h);
    found(f, lo, hi);
}

static void least_divergence(const mq_observer *o, struct search *f, float *lo, float *hi)
{
    struct prefix p;

    prefix_of(o, &p);
    if (fabs(steps_of(f->scheme, f->lo, f->hi).step) <= p.width)
        return; /* as fine as the bins: nothing is lost within the whole range */
    search_grid(f, divergence, &p);
    search_near(f, divergence, &p);
    found(f, lo, hi);
}

/* ---- counting ------------------------------------------------------------------------------------------------------ */

/* The least number that at most `out` values are above. Values within a bin count as evenly spread; at 0 it ends. */
static double cut_above(const mq_observer *o, uint64_t out)
{
    const double width = ldexp(1, o->exponent);

    for (size_t k = o->n_bins; k-- > 0 && o->first + (int64_t)k >= 0;) {
        double from = (double)(o->first + (int64_t)k) * width, to = k + 1 < o->n_bins ? from + width : (double)o->max;
        if (o->counts[k] > out)
            return to - (to - from) * ((double)out / (double)o->counts[k]);
        out -= o->counts[k];
    }
    return 0;
}

static double cut_below(const mq_observer *o, uint64_t out)
{
    const double width = ldexp(1, o->exponent);

    for (size_t k = 0; k < o->n_bins && o->first + (int64_t)k < 0; k++) {
        double to = (double)(o->first + (int64_t)k + 1) * width, from = k ? to - width : (double)o->min;
        if (o->counts[k] > out)
            return from + (to - from) * ((double)out / (double)o->counts[k]);
        out -= o->counts[k];
    }
    return 0;
}

static void keep_percentile(const mq_observer *o, double percentile, float *lo, float *hi)
{
    const double out = (double)o->n * (1 - percentile / 100), each = o->min < 0 && o->max > 0 ? out / 2 : out;
    const uint64_t n = each > 0 ? (uint64_t)(each + 1e-6) : 0; /* 1e-6: 100 - 99.99 is a little less than 0.01 */

    if (o->min < 0)
        *lo = (float)cut_below(o, n);
    if (o->max > 0)
        *hi = (float)cut_above(o, n);
}

static void average(const mq_observer *o, float *lo, float *hi)
{
    double from = 0, to = 0;

    for (size_t i = 0; i < o->n_window; i++) {
        const float *run = o->window[(o->start + i) % MQ_OBSERVER_WINDOW];
        const double newest = i ? EMA_NEWEST : 1;
        from += newest * ((double)run[0] - from);
        to += newest * ((double)run[1] - to);
    }
    *lo = from < 0 ? (float)from : 0;
    *hi = to > 0 ? (float)to : 0;
}

/* How much of [from, to] lies in [lo, hi]; a point is in or not. */
static double part_within(double from, double to, double lo, double hi)
{
    double a = fmax(from, lo), b = fmin(to, hi);

    if (!(to > from))
        return from >= lo && from <= hi;
    return b > a ? (b - a) / (to - from) : 0;
}

uint64_t mq_observer_clipped(const mq_observer *o, float lo, float hi)
{
    const double width = ldexp(1, o->exponent);
    uint64_t n = lo > 0 || hi < 0 ? o->n_zero : 0;

    for (size_t k = 0; k < o->n_bins; k++) {
        double at = (double)(o->first + (int64_t)k) * width, from = k ? at : (double)o->min;
        double to = k + 1 < o->n_bins ? at + width : (double)o->max;
        n += (uint64_t)((double)o->counts[k] * (1 - part_within(from, to, (double)lo, (double)hi)));
    }
    return n;
}

void mq_observer_range(const mq_observer *o, mq_calibration_method method, double percentile, const mq_scheme *s, float *lo,
                       float *hi)
{
    struct search f = { .scheme = s, .cost = INFINITY };

    *lo = o->n && o->min < 0 ? o->min : 0;
    *hi = o->n && o->max > 0 ? o->max : 0;
    f.lo = (double)*lo;
    f.hi = (double)*hi;
    if (!(f.hi > f.lo))
        return;
    if (method == MQ_CALIBRATE_EMA)
        average(o, lo, hi);
    else if (method == MQ_CALIBRATE_PERCENTILE)
        keep_percentile(o, percentile, lo, hi);
    else if (method == MQ_CALIBRATE_ENTROPY)
        least_divergence(o, &f, lo, hi);
    else if (method == MQ_CALIBRATE_MSE)
        least_error(o, &f, lo, hi);
}
