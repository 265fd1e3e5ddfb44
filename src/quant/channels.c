/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "quant/channels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"

static void clear(mq_channels *c)
{
    free(c->low);
    free(c->high);
    free(c->sum);
    free(c->square);
    c->low = c->high = NULL;
    c->sum = c->square = NULL;
    c->n = 0;
}

void mq_channel_table_release(mq_channel_table *t)
{
    for (size_t i = 0; i < t->items.n; i++) {
        clear(t->items.items[i]);
        free(t->items.items[i]->name);
        free(t->items.items[i]);
    }
    mq_vec_release(&t->items);
    mq_map_release(&t->by_name);
}

mq_channels *mq_channel_table_find(const mq_channel_table *t, const char *name)
{
    return mq_map_get(&t->by_name, name);
}

mq_status mq_channel_table_add_name(mq_channel_table *t, const char *name, int axis, mq_channels **out, mq_error *err)
{
    mq_channels *c = calloc(1, sizeof *c);

    if (!c || !(c->name = strdup(name)) || !mq_vec_push(&t->items, c)) {
        free(c ? c->name : NULL);
        free(c);
        return mq_oom(err);
    }
    c->axis = axis;
    *out = c;
    return mq_map_put(&t->by_name, c->name, c) ? MQ_OK : mq_oom(err);
}

mq_status mq_channel_table_add(mq_channel_table *t, mq_value *v, int axis, mq_error *err)
{
    mq_channels *c = NULL;
    mq_status rc;

    if (mq_channel_table_find(t, v->name))
        return MQ_OK;
    if ((rc = mq_channel_table_add_name(t, v->name, axis, &c, err)) == MQ_OK)
        c->value = v;
    return rc;
}

mq_status mq_channels_begin(mq_channels *c, size_t n, mq_error *err)
{
    c->low = calloc(n + 1, sizeof *c->low);
    c->high = calloc(n + 1, sizeof *c->high);
    c->sum = calloc(n + 1, sizeof *c->sum);
    c->square = calloc(n + 1, sizeof *c->square);
    if (!c->low || !c->high || !c->sum || !c->square) {
        clear(c);
        return mq_oom(err);
    }
    c->n = n;
    return MQ_OK;
}

/* ---- tables -------------------------------------------------------------------------------------------------------- */

static mq_status copy(mq_channels *to, const mq_channels *from, mq_error *err)
{
    mq_status rc = MQ_OK;

    clear(to);
    to->count = from->count;
    if (!from->n)
        return MQ_OK;
    MQ_TRY(mq_channels_begin(to, from->n, err));
    memcpy(to->low, from->low, from->n * sizeof *to->low);
    memcpy(to->high, from->high, from->n * sizeof *to->high);
    memcpy(to->sum, from->sum, from->n * sizeof *to->sum);
    memcpy(to->square, from->square, from->n * sizeof *to->square);
done:
    return rc;
}

mq_status mq_channel_table_copy(mq_channel_table *to, const mq_channel_table *from, mq_error *err)
{
    mq_channels *c = NULL;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < from->items.n; i++) {
        const mq_channels *have = from->items.items[i];
        MQ_TRY(mq_channel_table_add_name(to, have->name, have->axis, &c, err));
        MQ_TRY(copy(c, have, err));
    }
done:
    return rc;
}

mq_status mq_channel_table_fill(mq_channel_table *to, const mq_channel_table *from, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < to->items.n; i++) {
        mq_channels *c = to->items.items[i];
        const mq_channels *have = mq_channel_table_find(from, c->name);
        if (!have || have->axis != c->axis)
            return mq_fail(err, MQ_ERR_INPUT, "the channels of tensor '%s' are not in it", c->name);
        MQ_TRY(copy(c, have, err));
    }
done:
    return rc;
}

static void join(mq_channels *c, const mq_channels *more)
{
    c->count += more->count;
    for (size_t i = 0; i < c->n; i++) {
        c->low[i] = fminf(c->low[i], more->low[i]);
        c->high[i] = fmaxf(c->high[i], more->high[i]);
        c->sum[i] += more->sum[i];
        c->square[i] += more->square[i];
    }
}

mq_status mq_channel_table_join(mq_channel_table *t, const mq_channel_table *more, mq_error *err)
{
    if (t->items.n != more->items.n)
        return mq_fail(err, MQ_ERR_INPUT, "the channels are of other tensors");
    for (size_t i = 0; i < t->items.n; i++) {
        mq_channels *c = t->items.items[i];
        const mq_channels *have = mq_channel_table_find(more, c->name);
        if (!have || have->axis != c->axis)
            return mq_fail(err, MQ_ERR_INPUT, "the channels of tensor '%s' are in one part only", c->name);
        if (have->n == c->n)
            join(c, have);
        else
            clear(c); /* as when the number changes within one set of data */
    }
    return MQ_OK;
}

static bool equal(const mq_channels *a, const mq_channels *b)
{
    return a->axis == b->axis && a->n == b->n && a->count == b->count &&
           (!a->n || (memcmp(a->low, b->low, a->n * sizeof *a->low) == 0 &&
                      memcmp(a->high, b->high, a->n * sizeof *a->high) == 0 &&
                      memcmp(a->sum, b->sum, a->n * sizeof *a->sum) == 0 &&
                      memcmp(a->square, b->square, a->n * sizeof *a->square) == 0));
}

bool mq_channel_table_equal(const mq_channel_table *a, const mq_channel_table *b)
{
    for (size_t i = 0; i < a->items.n; i++) {
        const mq_channels *other = mq_channel_table_find(b, a->items.items[i]->name);
        if (!other || !equal(a->items.items[i], other))
            return false;
    }
    return a->items.n == b->items.n;
}

/* ---- values -------------------------------------------------------------------------------------------------------- */

/* Lanes of a row, so that sums come out the same at any vector length. */
enum { LANES = 8 };

typedef struct part {
    float low[LANES], high[LANES];
    double sum[LANES], square[LANES];
} part;

MQ_INLINE void add_one(part *p, int lane, float value)
{
    const float x = isfinite(value) ? value : 0;

    p->low[lane] = x < p->low[lane] ? x : p->low[lane];
    p->high[lane] = x > p->high[lane] ? x : p->high[lane];
    p->sum[lane] += (double)x;
    p->square[lane] += (double)x * (double)x;
}

/* The n values of one channel that lie together. */
static void add_row(mq_channels *c, size_t channel, const float *x, size_t n)
{
    part p = { 0 };
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            add_one(&p, k, x[i + (size_t)k]);
    for (; i < n; i++)
        add_one(&p, 0, x[i]);
    for (int k = 0; k < LANES; k++) {
        c->low[channel] = fminf(c->low[channel], p.low[k]);
        c->high[channel] = fmaxf(c->high[channel], p.high[k]);
        c->sum[channel] += p.sum[k];
        c->square[channel] += p.square[k];
    }
}

/* One value of every channel. */
static void add_across(mq_channels *c, const float *x)
{
    for (size_t i = 0; i < c->n; i++) {
        const float v = isfinite(x[i]) ? x[i] : 0;
        c->low[i] = v < c->low[i] ? v : c->low[i];
        c->high[i] = v > c->high[i] ? v : c->high[i];
        c->sum[i] += (double)v;
        c->square[i] += (double)v * (double)v;
    }
}

mq_status mq_channels_add(mq_channels *c, const mq_array *a, mq_error *err)
{
    const int axis = c->axis < 0 ? a->rank + c->axis : c->axis;
    const float *x = a->data;
    size_t outer = 1, inner = 1;
    mq_status rc = MQ_OK;

    if (a->dtype != MQ_FLOAT || axis < 0 || axis >= a->rank || a->dims[axis] <= 0)
        return MQ_OK;
    for (int i = 0; i < a->rank; i++)
        *(i < axis ? &outer : &inner) *= i == axis ? 1 : (size_t)a->dims[i];
    if (!c->n && !c->count)
        MQ_TRY(mq_channels_begin(c, (size_t)a->dims[axis], err));
    if (c->n != (size_t)a->dims[axis]) { /* nothing can be said of channels that come and go */
        clear(c);
        goto done;
    }
    c->count += outer * inner;
    for (size_t o = 0; o < outer && inner == 1; o++)
        add_across(c, x + o * c->n);
    for (size_t o = 0; o < outer && inner > 1; o++)
        for (size_t i = 0; i < c->n; i++)
            add_row(c, i, x + (o * c->n + i) * inner, inner);
done:
    return rc;
}

mq_status mq_channels_divide(mq_channel_table *t, const mq_channels *c, mq_value *v, const double *f, mq_error *err)
{
    mq_channels *d = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_channel_table_add_name(t, v->name, c->axis, &d, err));
    d->value = v;
    MQ_TRY(copy(d, c, err));
    for (size_t i = 0; i < d->n; i++) {
        d->low[i] = (float)((double)d->low[i] / f[i]);
        d->high[i] = (float)((double)d->high[i] / f[i]);
        d->sum[i] /= f[i];
        d->square[i] /= f[i] * f[i];
    }
done:
    return rc;
}

/* The mean of max(x - limit, 0), x of this mean, power and deviation; one_sign: it is never below 0. */
static double expected_excess(double limit, double mean, double power, bool one_sign)
{
    const double deviation = sqrt(fmax(power - mean * mean, 0)), z = (limit - mean) / deviation;
    const double share = 2 * mean * mean / power, rate = 2 * mean / power; /* of what is not 0, when that is exponential */

    if (!(deviation > 0))
        return 0;
    if (one_sign && share <= 1)
        return share * exp(-rate * limit) / rate;
    return deviation * (exp(-z * z / 2) / sqrt(2 * M_PI) - z * 0.5 * erfc(z * M_SQRT1_2));
}

double mq_channels_clipped_mean(const mq_channels *c, size_t i, double low, double high)
{
    const double mean = c->sum[i] / (double)c->count, power = c->square[i] / (double)c->count;
    double clipped = mean;

    if ((double)c->high[i] > high)
        clipped -= expected_excess(high, mean, power, !(c->low[i] < 0));
    if ((double)c->low[i] < low)
        clipped += expected_excess(-low, -mean, power, !(c->high[i] > 0));
    return clipped;
}
