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
        free(t->items.items[i]);
    }
    mq_vec_release(&t->items);
    mq_map_release(&t->by_name);
}

mq_channels *mq_channel_table_find(const mq_channel_table *t, const char *name)
{
    return mq_map_get(&t->by_name, name);
}

mq_status mq_channel_table_add(mq_channel_table *t, mq_value *v, int axis, mq_error *err)
{
    mq_channels *c;

    if (mq_channel_table_find(t, v->name))
        return MQ_OK;
    if (!(c = calloc(1, sizeof *c)) || !mq_vec_push(&t->items, c)) {
        free(c);
        return mq_oom(err);
    }
    c->value = v;
    c->axis = axis;
    return mq_map_put(&t->by_name, v->name, c) ? MQ_OK : mq_oom(err);
}

static mq_status begin(mq_channels *c, size_t n, mq_error *err)
{
    c->low = calloc(n, sizeof *c->low);
    c->high = calloc(n, sizeof *c->high);
    c->sum = calloc(n, sizeof *c->sum);
    c->square = calloc(n, sizeof *c->square);
    if (!c->low || !c->high || !c->sum || !c->square) {
        clear(c);
        return mq_oom(err);
    }
    c->n = n;
    return MQ_OK;
}

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
        MQ_TRY(begin(c, (size_t)a->dims[axis], err));
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
