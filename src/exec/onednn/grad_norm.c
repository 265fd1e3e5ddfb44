/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* BatchNormTrain and BatchNormGrad (ops/grad_ops.h) of floats, row-major or in blocks of channels. Our own code: the memory
 * of one channel group of one image is a chunk, whose sums are kept and then added in the order of the images, in double, so
 * that threads do not matter. A chunk is walked in 64 lanes; lane l sees channel l % block of its group. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "exec/onednn/kernels.h"
#include "exec/ref/util.h"
#include "ops/grad_ops.h"

enum { LANES = 64, BLOCK = 16, PIECE = 8192 }; /* a piece stays in the first cache from one walk to the next */

/* ---- walks -------------------------------------------------------------------------------------------------------- */

/* For elements i + k of n, each with its lane k. */
#define WALK(n, body)                              \
    {                                              \
        int64_t i = 0;                             \
        for (; i + LANES <= (n); i += LANES) {     \
            MQ_LANES                               \
            for (int k = 0; k < LANES; k++) {      \
                body;                              \
            }                                      \
        }                                          \
        for (int k = 0; k < (int)((n) - i); k++) { \
            body;                                  \
        }                                          \
    }

MQ_CLONES(void, sum_of, (const float *restrict x, int64_t n, float *restrict sums), (x, n, sums))
{
    float a[LANES] = { 0 };

    WALK(n, a[k] += x[i + k])
    memcpy(sums, a, sizeof a);
}

MQ_CLONES(void, squares_of, (const float *restrict x, int64_t n, const float *restrict mean, float *restrict sums),
          (x, n, mean, sums))
{
    float a[LANES] = { 0 }, m[LANES];

    memcpy(m, mean, sizeof m);
    WALK(n, const float d = x[i + k] - m[k]; a[k] += d * d)
    memcpy(sums, a, sizeof a);
}

/* Of dy, and of dy * (x - mean). */
MQ_CLONES(void, products_of, (const float *restrict x, const float *restrict dy, int64_t n, const float *restrict mean,
                              float *restrict sums, float *restrict products), (x, dy, n, mean, sums, products))
{
    float a[LANES] = { 0 }, b[LANES] = { 0 }, m[LANES];

    memcpy(m, mean, sizeof m);
    WALK(n, const float g = dy[i + k]; a[k] += g; b[k] += g * (x[i + k] - m[k]))
    memcpy(sums, a, sizeof a);
    memcpy(products, b, sizeof b);
}

/* y = (x - mean) * factor + shift */
MQ_CLONES(void, normalize, (const float *restrict x, int64_t n, const float *restrict mean, const float *restrict factor,
                            const float *restrict shift, float *restrict y), (x, n, mean, factor, shift, y))
{
    float m[LANES], f[LANES], s[LANES];

    memcpy(m, mean, sizeof m);
    memcpy(f, factor, sizeof f);
    memcpy(s, shift, sizeof s);
    WALK(n, y[i + k] = (x[i + k] - m[k]) * f[k] + s[k])
}

/* dx = dy * factor - (x - mean) * slope - shift; dx may be dy */
MQ_CLONES(void, grad_of, (const float *x, const float *dy, int64_t n, const float *restrict mean,
                          const float *restrict factor, const float *restrict slope, const float *restrict shift, float *dx),
          (x, dy, n, mean, factor, slope, shift, dx))
{
    float m[LANES], f[LANES], s[LANES], t[LANES];

    memcpy(m, mean, sizeof m);
    memcpy(f, factor, sizeof f);
    memcpy(s, slope, sizeof s);
    memcpy(t, shift, sizeof t);
    WALK(n, dx[i + k] = dy[i + k] * f[k] - (x[i + k] - m[k]) * s[k] - t[k])
}

/* ---- lanes and channels ------------------------------------------------------------------------------------------- */

static void to_channels(const float *lanes, int block, double *sums)
{
    for (int k = 0; k < block; k++)
        sums[k] = 0;
    for (int k = 0; k < LANES; k++)
        sums[k % block] += (double)lanes[k];
}

static void to_lanes(const double *v, int block, float *lanes)
{
    for (int k = 0; k < LANES; k++)
        lanes[k] = (float)v[k % block];
}

/* Of the channels of group g: a number from a list of all channels; those behind the last get 0. */
static void read_group(const mq_dn_planes *p, int64_t g, const float *list, double *v)
{
    for (int k = 0; k < p->block; k++)
        v[k] = g * p->block + k < p->channels ? (double)list[g * p->block + k] : 0;
}

static void write_group(const mq_dn_planes *p, int64_t g, const double *v, float *list)
{
    for (int k = 0; list && k < p->block && g * p->block + k < p->channels; k++)
        list[g * p->block + k] = (float)v[k];
}

/* ---- what both have ----------------------------------------------------------------------------------------------- */

typedef struct norm_state {
    mq_dn_planes p;
    mq_dn_feed x, dy; /* dy of the gradient: as x is walked */
    bool has_dy;
    mq_dn_result y;
    int threads;
} norm_state;

static void norm_release(void *state)
{
    norm_state *s = state;

    mq_dn_feed_release(&s->x);
    if (s->has_dy)
        mq_dn_feed_release(&s->dy);
    mq_dn_result_release(&s->y);
    free(s);
}

/* The first two sums of a chunk, for each channel of its group. */
typedef struct chunk {
    double a[BLOCK], b[BLOCK];
} chunk;

/* Reads x (input 0), to be walked as d, and lists of all channels from input `first` on. NULL: not for this room (*rc is
 * MQ_OK), or no memory. */
static norm_state *norm_create(mq_call *c, unsigned n_in, size_t first, mq_dn_desc *d, mq_status *rc)
{
    const mq_array *x = c->n_in == n_in ? c->in[0] : NULL;
    mq_dn_desc have;
    norm_state *s;
    mq_dn_planes p;

    *rc = MQ_OK;
    if (!x || !mq_dn_inputs_are(c, (1u << n_in) - 1, MQ_FLOAT) || x->rank < 3 || x->rank > 5 || !x->count ||
        !mq_dn_of_image(&have, x) || !mq_dn_planes_order(d, &p, &have))
        return NULL;
    for (size_t i = first; i < n_in; i++)
        if (c->in[i]->rank != 1 || c->in[i]->dims[0] != x->dims[1])
            return NULL;
    if (!(s = calloc(1, sizeof *s))) {
        *rc = mq_oom(c->err);
        return NULL;
    }
    s->p = p;
    s->threads = mq_dn_threads_bytes(c, (double)x->count * 8);
    if ((*rc = mq_dn_feed_as(c, &s->x, 0, &have, d)) == MQ_OK)
        return s;
    norm_release(s);
    *rc = *rc == MQ_ERR_NOMEM ? *rc : MQ_OK;
    return NULL;
}

/* ---- forward ------------------------------------------------------------------------------------------------------ */

/* Joins the mean and the sum of squares about it of nb elements to those of na (Chan, Golub and LeVeque, 1979). */
static void join(double na, double *mean, double *squares, double nb, const double *mean_b, const double *squares_b,
                 int block)
{
    for (int k = 0; k < block; k++) {
        const double d = mean_b[k] - mean[k];

        mean[k] += d * (nb / (na + nb));
        squares[k] += squares_b[k] + d * d * (na * nb / (na + nb));
    }
}

/* a: mean; b: sum of squares about it. */
static void measure(const float *x, int64_t n, int block, chunk *out)
{
    float lanes[LANES], sums[LANES];
    double mean[BLOCK], squares[BLOCK];

    memset(out, 0, sizeof *out);
    for (int64_t at = 0; at < n; at += PIECE) {
        const int64_t m = n - at < PIECE ? n - at : PIECE;

        sum_of(x + at, m, sums);
        to_channels(sums, block, mean);
        for (int k = 0; k < block; k++)
            mean[k] = (double)(float)(mean[k] * block / (double)m);
        to_lanes(mean, block, lanes);
        squares_of(x + at, m, lanes, sums);
        to_channels(sums, block, squares);
        join((double)at, out->a, out->b, (double)m, mean, squares, block);
    }
}

typedef struct train_run {
    const float *x, *scale, *b, *mean, *var;
    float *y, *lists[4]; /* running mean and variance, the batch's mean and 1 / deviation; NULL: not wanted */
    double eps, keep;
    chunk *chunks;
    float *lanes; /* of each group: mean, factor, shift */
} train_run;

/* Statistics of group g from its chunks, and what elements are multiplied with. */
static void finish_group(const mq_dn_planes *p, const train_run *r, int64_t g)
{
    double mean[BLOCK] = { 0 }, squares[BLOCK] = { 0 }, old[BLOCK], v[BLOCK], inv[BLOCK], scale[BLOCK];
    const double n = (double)(p->n / p->block);
    float *lanes = r->lanes + g * 3 * LANES;

    for (int64_t i = 0; i < p->images; i++)
        join((double)i * n, mean, squares, n, r->chunks[i * p->groups + g].a, r->chunks[i * p->groups + g].b, p->block);
    read_group(p, g, r->mean, old);
    for (int k = 0; k < p->block; k++)
        v[k] = old[k] * r->keep + mean[k] * (1 - r->keep);
    write_group(p, g, v, r->lists[0]);
    read_group(p, g, r->var, old);
    for (int k = 0; k < p->block; k++) {
        const double var = squares[k] / ((double)p->images * n);

        v[k] = old[k] * r->keep + var * (1 - r->keep);
        inv[k] = 1 / sqrt(var + r->eps);
    }
    write_group(p, g, v, r->lists[1]);
    write_group(p, g, mean, r->lists[2]);
    write_group(p, g, inv, r->lists[3]);
    to_lanes(mean, p->block, lanes);
    read_group(p, g, r->scale, scale);
    for (int k = 0; k < p->block; k++)
        v[k] = scale[k] * inv[k];
    to_lanes(v, p->block, lanes + LANES);
    read_group(p, g, r->b, v);
    to_lanes(v, p->block, lanes + 2 * LANES);
}

static void train(const norm_state *s, const train_run *r)
{
    const mq_dn_planes *p = &s->p;
    const int64_t n = p->images * p->groups;

#pragma omp parallel for num_threads(s->threads) schedule(static) if (s->threads > 1)
    for (int64_t i = 0; i < n; i++)
        measure(r->x + i * p->n, p->n, p->block, &r->chunks[i]);
    for (int64_t g = 0; g < p->groups; g++)
        finish_group(p, r, g);
#pragma omp parallel for num_threads(s->threads) schedule(static) if (s->threads > 1)
    for (int64_t i = 0; i < n; i++) {
        const float *lanes = r->lanes + i % p->groups * 3 * LANES;

        normalize(r->x + i * p->n, p->n, lanes, lanes + LANES, lanes + 2 * LANES, r->y + i * p->n);
    }
}

static mq_status train_prepare(mq_call *c, void **state)
{
    mq_dn_desc d;
    mq_status rc;
    norm_state *s = norm_create(c, 5, 1, &d, &rc);

    if (!s)
        return rc;
    rc = mq_dn_result_init(c, &s->y, 0, MQ_FLOAT, c->in[0]->rank, c->in[0]->dims, &d);
    return mq_dn_prepared(rc, true, s, norm_release, state);
}

static mq_status train_run_all(mq_call *c, void *state)
{
    norm_state *s = state;
    const int64_t n = s->p.images * s->p.groups;
    train_run r = { .scale = c->in[1]->data, .b = c->in[2]->data, .mean = c->in[3]->data,
                    .var = c->in[4]->data };
    mq_dn_arg x, y;
    mq_status rc = MQ_OK;

    r.eps = (double)mq_node_attr_float(c->node, "epsilon", 1e-5f);
    r.keep = (double)mq_node_attr_float(c->node, "momentum", 0.9f);
    MQ_TRY(mq_dn_feed_data(c, &s->x, &x));
    MQ_TRY(mq_dn_result_open(c, &s->y, &y));
    r.x = x.data;
    r.y = s->y.data;
    for (size_t i = 0; i < 4; i++)
        MQ_TRY(mq_call_out(c, i + 1, MQ_FLOAT, 1, &s->p.channels, (void **)&r.lists[i]));
    r.chunks = mq_call_scratch(c, (size_t)n * sizeof *r.chunks);
    r.lanes = mq_call_scratch(c, (size_t)s->p.groups * 3 * LANES * sizeof *r.lanes);
    if (!r.chunks || !r.lanes)
        return MQ_ERR_NOMEM;
    train(s, &r);
    MQ_TRY(mq_dn_result_close(c, &s->y));
done:
    return rc;
}

/* ---- gradient ----------------------------------------------------------------------------------------------------- */

typedef struct grad_run {
    const float *x, *dy, *scale, *mean, *inv;
    float *dx, *dscale, *db; /* the last two may be NULL */
    chunk *chunks;
    float *lanes; /* of each group: mean, factor, slope, shift */
} grad_run;

/* a: the sum of dy; b: of dy * (x - mean). */
static void measure_grad(const float *x, const float *dy, int64_t n, const float *mean, int block, chunk *out)
{
    float sums[LANES], products[LANES];
    double a[BLOCK], b[BLOCK];

    memset(out, 0, sizeof *out);
    for (int64_t at = 0; at < n; at += PIECE) {
        products_of(x + at, dy + at, n - at < PIECE ? n - at : PIECE, mean, sums, products);
        to_channels(sums, block, a);
        to_channels(products, block, b);
        for (int k = 0; k < block; k++) {
            out->a[k] += a[k];
            out->b[k] += b[k];
        }
    }
}

static void finish_grad_group(const mq_dn_planes *p, const grad_run *r, int64_t g)
{
    const double n = (double)p->images * (double)(p->n / p->block);
    double a[BLOCK] = { 0 }, b[BLOCK] = { 0 }, scale[BLOCK], inv[BLOCK], slope[BLOCK], shift[BLOCK];
    float *lanes = r->lanes + g * 4 * LANES;

    for (int64_t i = 0; i < p->images; i++)
        for (int k = 0; k < p->block; k++) {
            a[k] += r->chunks[i * p->groups + g].a[k];
            b[k] += r->chunks[i * p->groups + g].b[k];
        }
    read_group(p, g, r->scale, scale);
    read_group(p, g, r->inv, inv);
    write_group(p, g, a, r->db);
    for (int k = 0; k < p->block; k++) {
        const double factor = scale[k] * inv[k];

        b[k] *= inv[k];
        slope[k] = factor * inv[k] * b[k] / n;
        shift[k] = factor * a[k] / n;
        scale[k] = factor;
    }
    write_group(p, g, b, r->dscale);
    to_lanes(scale, p->block, lanes + LANES);
    to_lanes(slope, p->block, lanes + 2 * LANES);
    to_lanes(shift, p->block, lanes + 3 * LANES);
}

static void grad(const norm_state *s, const grad_run *r)
{
    const mq_dn_planes *p = &s->p;
    const int64_t n = p->images * p->groups;
    double mean[BLOCK];

    for (int64_t g = 0; g < p->groups; g++) {
        read_group(p, g, r->mean, mean);
        to_lanes(mean, p->block, r->lanes + g * 4 * LANES);
    }
#pragma omp parallel for num_threads(s->threads) schedule(static) if (s->threads > 1)
    for (int64_t i = 0; i < n; i++)
        measure_grad(r->x + i * p->n, r->dy + i * p->n, p->n, r->lanes + i % p->groups * 4 * LANES, p->block,
                     &r->chunks[i]);
    for (int64_t g = 0; g < p->groups; g++)
        finish_grad_group(p, r, g);
#pragma omp parallel for num_threads(s->threads) schedule(static) if (s->threads > 1)
    for (int64_t i = 0; i < n; i++) {
        const float *lanes = r->lanes + i % p->groups * 4 * LANES;

        grad_of(r->x + i * p->n, r->dy + i * p->n, p->n, lanes, lanes + LANES, lanes + 2 * LANES, lanes + 3 * LANES,
                r->dx + i * p->n);
    }
}

static mq_status grad_prepare(mq_call *c, void **state)
{
    mq_dn_desc x, dy;
    mq_status rc;
    norm_state *s = norm_create(c, 5, 2, &x, &rc);

    if (!s)
        return rc;
    if (c->in[1]->rank != c->in[0]->rank ||
        memcmp(c->in[1]->dims, c->in[0]->dims, (size_t)c->in[0]->rank * sizeof *c->in[0]->dims) != 0 ||
        !mq_dn_of_image(&dy, c->in[1]))
        rc = MQ_ERR_UNSUPPORTED;
    if (rc == MQ_OK)
        rc = mq_dn_feed_as(c, &s->dy, 1, &dy, &x);
    s->has_dy = rc == MQ_OK;
    if (rc == MQ_OK)
        rc = mq_dn_result_init(c, &s->y, 0, MQ_FLOAT, c->in[0]->rank, c->in[0]->dims, &x);
    return mq_dn_prepared(rc, true, s, norm_release, state);
}

static mq_status grad_run_all(mq_call *c, void *state)
{
    norm_state *s = state;
    const int64_t n = s->p.images * s->p.groups;
    grad_run r = { .scale = c->in[2]->data, .mean = c->in[3]->data, .inv = c->in[4]->data };
    mq_dn_arg x, dx, dy;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_dn_feed_data(c, &s->x, &x));
    MQ_TRY(mq_dn_feed_data(c, &s->dy, &dy));
    MQ_TRY(mq_dn_result_open(c, &s->y, &dx));
    r.x = x.data;
    r.dy = dy.data;
    r.dx = s->y.data;
    MQ_TRY(mq_call_out(c, 1, MQ_FLOAT, 1, &s->p.channels, (void **)&r.dscale));
    MQ_TRY(mq_call_out(c, 2, MQ_FLOAT, 1, &s->p.channels, (void **)&r.db));
    r.chunks = mq_call_scratch(c, (size_t)n * sizeof *r.chunks);
    r.lanes = mq_call_scratch(c, (size_t)s->p.groups * 4 * LANES * sizeof *r.lanes);
    if (!r.chunks || !r.lanes)
        return MQ_ERR_NOMEM;
    grad(s, &r);
    MQ_TRY(mq_dn_result_close(c, &s->y));
done:
    return rc;
}

const mq_fast mq_dn_grad_norm_rows[] = {
    { MQ_GRAD_DOMAIN, "BatchNormTrain", "blocks:batch_norm", train_prepare, train_run_all, norm_release, 1 },
    { MQ_GRAD_DOMAIN, "BatchNormGrad", "blocks:batch_norm_grad", grad_prepare, grad_run_all, norm_release, 3 },
    { 0 },
};
