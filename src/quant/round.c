/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Rows are turned into lanes: element (column, row) of a strip lies at [column][lane], so that one column of H or of its
 * factor changes all rows of the strip at once. */
#include "quant/round.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "hessian/factor.h"

enum { LANES = 16, AHEAD = 4, SWEEPS = 25 }; /* AHEAD: columns that are fed at once */

/* Adding and subtracting it rounds a float of magnitude below 2^22 to an integer, half to even. */
#define ROUND_MAGIC 12582912.0f

struct mq_round_base {
    int64_t n;
    double unit;    /* of h and of errors: the mean diagonal */
    float *h;       /* [n][n], damped */
    float *u;       /* [n][n], its factor with the columns in `order` */
    int64_t *order; /* columns by falling diagonal */
};

/* LANES rows; unused lanes hold zeros with scale 1. */
typedef struct strip {
    int64_t n;
    float *w, *s, *lo, *hi, *z; /* [n][LANES]: z levels, from lo to hi */
    float *g;                   /* room of the same size */
} strip;

/* ---- kernels ------------------------------------------------------------------------------------------------------- */

/* x[k][lane] += row[k] * by[lane] */
MQ_CLONES(void, feed, (float *restrict x, const float *restrict row, const float *restrict by, int64_t n), (x, row, by, n))
{
    for (int64_t k = 0; k < n; k++) {
        const float r = row[k];
        MQ_LANES
        for (int l = 0; l < LANES; l++)
            x[k * LANES + l] += r * by[l];
    }
}

/* The same of AHEAD rows, `width` apart, each with its own lanes of by. Written out: compilers that meet a loop over rows in
 * here make scalars of the lanes. */
MQ_CLONES(void, feed_ahead, (float *restrict x, const float *restrict rows, int64_t width, const float *restrict by,
                             int64_t n), (x, rows, width, by, n))
{
    for (int64_t k = 0; k < n; k++, rows++) {
        const float r0 = rows[0], r1 = rows[width], r2 = rows[2 * width], r3 = rows[3 * width];
        MQ_LANES
        for (int l = 0; l < LANES; l++)
            x[k * LANES + l] += r0 * by[l] + r1 * by[LANES + l] + r2 * by[2 * LANES + l] + r3 * by[3 * LANES + l];
    }
}

/* The level nearest to x / s. */
MQ_INLINE float level_of(float x, float s, float lo, float hi)
{
    float q = x / s;

    q = q > hi ? hi : q;
    q = q < lo ? lo : q;
    return (q + ROUND_MAGIC) - ROUND_MAGIC;
}

MQ_CLONES(void, nearest, (const float *restrict x, const float *restrict s, const float *restrict lo,
                          const float *restrict hi, float *restrict z, int64_t n), (x, s, lo, hi, z, n))
{
    for (int64_t i = 0; i < n; i++)
        z[i] = level_of(x[i], s[i], lo[i], hi[i]);
}

/* One column: the levels that are best with all others as they are; change: by how much w - w' moves. Whether any does. */
MQ_CLONES(bool, improve, (const float *restrict g, float diagonal, const float *restrict s, const float *restrict lo,
                          const float *restrict hi, float *restrict z, float *restrict change),
          (g, diagonal, s, lo, hi, z, change))
{
    float moved = 0;

    for (int l = 0; l < LANES; l++) {
        const float target = z[l] * s[l] + g[l] / diagonal, was = z[l];
        z[l] = level_of(target, s[l], lo[l], hi[l]);
        change[l] = (was - z[l]) * s[l];
        moved += fabsf(was - z[l]);
    }
    return moved > 0;
}

/* ---- strips -------------------------------------------------------------------------------------------------------- */

static mq_status strip_init(strip *t, int64_t n, mq_error *err)
{
    const size_t size = (size_t)n * LANES;
    float *room = calloc(6 * size, sizeof *room);

    *t = (strip){ 0 };
    if (!room)
        return mq_oom(err);
    *t = (strip){ .n = n, .w = room, .s = room + size, .lo = room + 2 * size, .hi = room + 3 * size, .z = room + 4 * size,
                  .g = room + 5 * size };
    return MQ_OK;
}

static void strip_release(strip *t)
{
    free(t->w);
}

static int lanes_of(const mq_round_matrix *m, int64_t row)
{
    return m->rows - row < LANES ? (int)(m->rows - row) : LANES;
}

/* Rows from `row` on; column k of the strip is order[k] (NULL: k). */
static void strip_load(strip *t, const mq_round_matrix *m, int64_t row, const int64_t *order)
{
    const int n = lanes_of(m, row);

    for (int64_t k = 0; k < t->n; k++) {
        const int64_t from = row * m->cols + (order ? order[k] : k);
        for (int l = 0; l < LANES; l++) {
            const int64_t at = from + (l < n ? l : 0) * m->cols, to = k * LANES + l;
            const int32_t zero_point = m->zero_points[m->which[at]];
            t->w[to] = l < n ? m->w[at] : 0;
            t->s[to] = m->scales[m->which[at]];
            t->lo[to] = (float)(m->scheme->q_min - zero_point);
            t->hi[to] = (float)(m->scheme->q_max - zero_point);
            t->z[to] = l < n ? m->levels[at] : 0;
        }
    }
}

static void strip_store(const strip *t, mq_round_matrix *m, int64_t row, const int64_t *order)
{
    const int n = lanes_of(m, row);

    for (int64_t k = 0; k < t->n; k++)
        for (int l = 0; l < n; l++)
            m->levels[(row + l) * m->cols + (order ? order[k] : k)] = (int16_t)t->z[k * LANES + l];
}

/* g = H (w - w') */
static void find_gradient(const mq_round_base *b, strip *t)
{
    const int64_t whole = t->n / AHEAD * AHEAD;
    float d[AHEAD * LANES];

    memset(t->g, 0, (size_t)t->n * LANES * sizeof *t->g);
    for (int64_t k = 0, n; k < t->n; k += n) {
        n = k < whole ? AHEAD : 1;
        for (int64_t i = 0; i < n * LANES; i++)
            d[i] = t->w[k * LANES + i] - t->z[k * LANES + i] * t->s[k * LANES + i];
        if (n == AHEAD)
            feed_ahead(t->g, b->h + k * b->n, b->n, d, b->n);
        else
            feed(t->g, b->h + k * b->n, d, b->n);
    }
}

/* The errors of the rows; g is as find_gradient left it, or brought up to date since. */
static void sum_errors(const strip *t, double unit, int n, double *errors)
{
    for (int l = 0; l < n; l++)
        errors[l] = 0;
    for (int64_t k = 0; k < t->n; k++)
        for (int l = 0; l < n; l++) {
            const int64_t i = k * LANES + l;
            errors[l] += ((double)t->w[i] - (double)t->z[i] * (double)t->s[i]) * (double)t->g[i] * unit;
        }
}

/* ---- ways of rounding ---------------------------------------------------------------------------------------------- */

/* The strip is in the order of the factor; w is used up. Columns behind `end` are not told of column k yet. */
static void round_column(const mq_round_base *b, strip *t, int64_t k, int64_t end, float *by)
{
    const int64_t at = k * LANES;
    const float *u = b->u + k * b->n + k;

    nearest(t->w + at, t->s + at, t->lo + at, t->hi + at, t->z + at, LANES);
    for (int l = 0; l < LANES; l++)
        by[l] = (t->z[at + l] * t->s[at + l] - t->w[at + l]) / u[0];
    feed(t->w + at + LANES, u + 1, by, end - k - 1);
}

static void round_gptq(const mq_round_base *b, strip *t)
{
    const int64_t whole = t->n / AHEAD * AHEAD;
    float by[AHEAD * LANES];

    for (int64_t k = 0; k < whole; k += AHEAD) {
        for (int64_t i = 0; i < AHEAD; i++)
            round_column(b, t, k + i, k + AHEAD, by + i * LANES);
        feed_ahead(t->w + (k + AHEAD) * LANES, b->u + k * b->n + k + AHEAD, b->n, by, t->n - k - AHEAD);
    }
    for (int64_t k = whole; k < t->n; k++)
        round_column(b, t, k, t->n, by);
}

static void round_descent(const mq_round_base *b, strip *t)
{
    float change[LANES];
    bool moved = true;

    find_gradient(b, t);
    for (int sweep = 0; moved && sweep < SWEEPS; sweep++) {
        moved = false;
        for (int64_t k = 0; k < t->n; k++) {
            const int64_t at = k * LANES;
            if (improve(t->g + at, b->h[k * b->n + k], t->s + at, t->lo + at, t->hi + at, t->z + at, change)) {
                feed(t->g, b->h + k * b->n, change, b->n);
                moved = true;
            }
        }
    }
}

static void round_strip(const mq_round_base *b, strip *t, mq_round_matrix *m, int64_t row, mq_round_kind kind)
{
    strip_load(t, m, row, kind == MQ_ROUND_GPTQ ? b->order : NULL);
    if (kind == MQ_ROUND_GPTQ) {
        round_gptq(b, t);
        strip_store(t, m, row, b->order);
        strip_load(t, m, row, NULL);
        find_gradient(b, t);
    } else if (kind == MQ_ROUND_DESCENT) {
        round_descent(b, t);
        strip_store(t, m, row, NULL);
    } else {
        nearest(t->w, t->s, t->lo, t->hi, t->z, t->n * LANES);
        strip_store(t, m, row, NULL);
        find_gradient(b, t);
    }
    sum_errors(t, b->unit, lanes_of(m, row), m->errors + row);
}

mq_status mq_round(const mq_round_base *b, mq_round_matrix *m, mq_round_kind kind, mq_error *err)
{
    strip t;
    mq_status rc;

    MQ_TRY(strip_init(&t, m->cols, err));
    for (int64_t row = 0; row < m->rows; row += LANES)
        round_strip(b, &t, m, row, kind);
    strip_release(&t);
done:
    return rc;
}

mq_status mq_round_signals(const mq_round_base *b, const mq_round_matrix *m, double *signals, mq_error *err)
{
    strip t;
    mq_status rc;

    MQ_TRY(strip_init(&t, m->cols, err));
    for (int64_t row = 0; row < m->rows; row += LANES) {
        strip_load(&t, m, row, NULL);
        memset(t.z, 0, (size_t)t.n * LANES * sizeof *t.z);
        find_gradient(b, &t);
        sum_errors(&t, b->unit, lanes_of(m, row), signals + row);
    }
    strip_release(&t);
done:
    return rc;
}

/* ---- scales -------------------------------------------------------------------------------------------------------- */

/* Does row have one scale? (That no other row has it is the caller's to know.) */
static bool has_one_scale(const mq_round_matrix *m, int64_t row)
{
    const uint32_t *which = m->which + row * m->cols;

    for (int64_t k = 1; k < m->cols; k++)
        if (which[k] != which[0])
            return false;
    return true;
}

static double product_with_levels(const strip *t, int lane)
{
    double sum = 0;

    for (int64_t k = 0; k < t->n; k++)
        sum += (double)t->z[k * LANES + lane] * (double)t->g[k * LANES + lane];
    return sum;
}

/* The step from the scale s as it is: z H (w - s z) / z H z. */
static void rescale_strip(const mq_round_base *b, strip *t, mq_round_matrix *m, int64_t row)
{
    const int n = lanes_of(m, row);
    double along[LANES];

    find_gradient(b, t);
    for (int l = 0; l < n; l++)
        along[l] = product_with_levels(t, l);
    for (int64_t i = 0; i < t->n * LANES; i++) { /* from here on the gradient is H z */
        t->w[i] = 0;
        t->s[i] = -1;
    }
    find_gradient(b, t);
    for (int l = 0; l < n; l++) {
        const uint32_t at = m->which[(row + l) * m->cols];
        const double square = product_with_levels(t, l);
        if (has_one_scale(m, row + l) && square > 0)
            m->scales[at] = mq_scheme_store(m->scheme, (double)m->scales[at] + along[l] / square, m->zero_points[at]);
    }
}

mq_status mq_round_rescale(const mq_round_base *b, mq_round_matrix *m, mq_error *err)
{
    strip t;
    mq_status rc;

    MQ_TRY(strip_init(&t, m->cols, err));
    for (int64_t row = 0; row < m->rows; row += LANES) {
        strip_load(&t, m, row, NULL);
        rescale_strip(b, &t, m, row);
    }
    strip_release(&t);
done:
    return rc;
}

/* ---- what is known of the columns ---------------------------------------------------------------------------------- */

typedef struct seen {
    double diagonal;
    int64_t column;
} seen;

static int by_falling(const void *a, const void *b)
{
    const seen *x = a, *y = b;

    if (x->diagonal != y->diagonal)
        return x->diagonal > y->diagonal ? -1 : 1;
    return x->column < y->column ? -1 : 1;
}

static mq_status find_order(mq_round_base *b, const double *h, mq_error *err)
{
    seen *all = malloc((size_t)b->n * sizeof *all);

    if (!all)
        return mq_oom(err);
    for (int64_t i = 0; i < b->n; i++)
        all[i] = (seen){ h[i * b->n + i], i };
    qsort(all, (size_t)b->n, sizeof *all, by_falling);
    for (int64_t i = 0; i < b->n; i++)
        b->order[i] = all[i].column;
    free(all);
    return MQ_OK;
}

/* The factor of H with its columns in order. */
static mq_status decompose(mq_round_base *b, const double *h, double damping, mq_error *err)
{
    const size_t size = (size_t)(b->n * b->n);
    mq_gram turned = { .groups = 1, .n = b->n, .sums = malloc(size * sizeof(double)) };
    mq_factor f = { 0 };
    mq_status rc = MQ_OK;

    if (!turned.sums || !(b->u = malloc(size * sizeof *b->u))) {
        rc = mq_oom(err);
        goto done;
    }
    MQ_TRY(find_order(b, h, err));
    for (int64_t i = 0; i < b->n; i++)
        for (int64_t j = 0; j < b->n; j++)
            turned.sums[i * b->n + j] = h[b->order[i] * b->n + b->order[j]];
    MQ_TRY(mq_factor_make(&f, &turned, 0, damping, err));
    for (size_t i = 0; i < size; i++)
        b->u[i] = (float)f.u[i];
done:
    free(turned.sums);
    mq_factor_release(&f);
    return rc;
}

/* H in single precision, in units of its mean diagonal. Nothing was seen: errors are 0 whatever is done. */
static void take_sums(mq_round_base *b, const double *h, double damping)
{
    b->unit = 0;
    for (int64_t i = 0; i < b->n; i++)
        b->unit += h[i * b->n + i] / (double)b->n;
    for (int64_t i = 0; i < b->n * b->n; i++)
        b->h[i] = b->unit > 0 ? (float)(h[i] / b->unit) : 0;
    for (int64_t i = 0; i < b->n; i++)
        b->h[i * b->n + i] += (float)damping;
}

/* Columns that say nothing of each other. */
static mq_status stand_alone(mq_round_base *b, mq_error *err)
{
    if (!(b->u = calloc((size_t)(b->n * b->n), sizeof *b->u)))
        return mq_oom(err);
    for (int64_t i = 0; i < b->n; i++) {
        b->u[i * b->n + i] = 1;
        b->order[i] = i;
    }
    return MQ_OK;
}

mq_status mq_round_base_make(mq_round_base **out, const mq_gram *g, int64_t group, double damping, bool gptq, mq_error *err)
{
    const double *h = g->sums + group * g->n * g->n;
    mq_round_base *b = calloc(1, sizeof *b);
    mq_status rc = MQ_OK;

    if (!b)
        return mq_oom(err);
    b->n = g->n;
    b->h = malloc((size_t)(b->n * b->n) * sizeof *b->h);
    b->order = malloc((size_t)b->n * sizeof *b->order);
    if (!b->h || !b->order) {
        rc = mq_oom(err);
        goto done;
    }
    take_sums(b, h, damping);
    if (!isfinite(b->unit))
        rc = mq_fail(err, MQ_ERR_INPUT, "the sums of the inputs' products are not finite");
    else if (gptq)
        rc = b->unit > 0 ? decompose(b, h, damping, err) : stand_alone(b, err);
    MQ_TRY(rc);
    *out = b;
    b = NULL;
done:
    mq_round_base_free(b);
    return rc;
}

void mq_round_base_free(mq_round_base *b)
{
    if (!b)
        return;
    free(b->h);
    free(b->u);
    free(b->order);
    free(b);
}
