/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How important channels are, by their weights alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/random.h"
#include "base/threads.h"
#include "prune/structure_parts.h"

enum { LANES = 8, PIECE = 512, MOST_DISTANCES = 1 << 13 };

/* Adds the squared distances of row i of n rows (each has room for PIECE numbers) to the rows behind it; `length` numbers of
 * each count, a multiple of LANES. */
MQ_CLONES(void, add_distances, (const float *rows, size_t i, size_t n, size_t length, double *out),
          (rows, i, n, length, out))
{
    const float *a = rows + i * PIECE;

    for (size_t k = i + 1; k < n; k++) {
        const float *b = rows + k * PIECE;
        float sum[LANES] = { 0 };

        for (size_t c = 0; c < length; c += LANES)
            for (size_t lane = 0; lane < LANES; lane++)
                sum[lane] += (a[c + lane] - b[c + lane]) * (a[c + lane] - b[c + lane]);
        for (size_t lane = 0; lane < LANES; lane++)
            out[k] += (double)sum[lane];
    }
}

/* Distances between a group's channels, summed up over its weights. */
typedef struct distances {
    size_t n;       /* channels */
    float *rows;    /* n of PIECE numbers: what is filled so far */
    size_t filled;
    int n_threads;
    double *square; /* n * n, above the diagonal */
} distances;

static void flush(distances *d)
{
    const size_t length = (d->filled + LANES - 1) / LANES * LANES;

    for (size_t i = 0; i < d->n; i++)
        for (size_t k = d->filled; k < length; k++)
            d->rows[i * PIECE + k] = 0;
#pragma omp parallel for schedule(dynamic) num_threads(d->n_threads) if (d->n_threads > 1)
    for (size_t i = 0; i < d->n; i++)
        add_distances(d->rows, i, d->n, length, d->square + i * d->n);
    d->filled = 0;
}

/* `inner` numbers of each channel: index[i * per] is where channel i's are in the block. */
static void append(distances *d, const float *block, const size_t *index, size_t per, size_t inner)
{
    for (size_t from = 0, length; from < inner; from += length) {
        length = inner - from < PIECE - d->filled ? inner - from : PIECE - d->filled;
        for (size_t i = 0; i < d->n; i++)
            memcpy(d->rows + i * PIECE + d->filled, block + index[i * per] * inner + from, length * sizeof *block);
        d->filled += length;
        if (d->filled == PIECE)
            flush(d);
    }
}

/* The indices of each channel, `per` of each, in their order (a head has several columns). */
static size_t *list_indices(const mq_channel_axis *a, size_t n, size_t *per)
{
    size_t *index, *seen = calloc(n + 1, sizeof *seen), count = 0;

    for (size_t k = 0; k < a->n; k++)
        count += a->channel[k] >= 0;
    *per = count / n;
    index = malloc((count + 1) * sizeof *index);
    for (size_t k = 0; index && seen && k < a->n; k++) {
        const int32_t c = a->channel[k];

        if (c >= 0)
            index[(size_t)c * *per + seen[c]++] = k;
    }
    if (!seen) {
        free(index);
        index = NULL;
    }
    free(seen);
    return index;
}

static mq_status add_weight(distances *d, const mq_channel_axis *a, mq_tensor *t, mq_error *err)
{
    uint64_t outer = 1, inner = 1;
    size_t per, *index = list_indices(a, d->n, &per);
    float *block;
    mq_status rc = MQ_OK;

    for (int i = 0; i < t->n_dims; i++)
        if (i != a->axis)
            *(i < a->axis ? &outer : &inner) *= (uint64_t)t->dims[i];
    block = malloc((a->n * inner + 1) * sizeof *block);
    if (!block || !index)
        rc = mq_oom(err);
    for (uint64_t o = 0; o < outer && rc == MQ_OK; o++) {
        rc = mq_tensor_read_f32(t, o * a->n * inner, a->n * inner, block, err);
        for (size_t turn = 0; turn < per && rc == MQ_OK; turn++)
            append(d, block, index + turn, per, inner);
    }
    flush(d);
    free(block);
    free(index);
    return rc;
}

static mq_status score_geomedian(mq_structure_group *g, int n_threads, mq_error *err)
{
    distances d = { .n = g->n, .n_threads = mq_threads(n_threads) };
    mq_status rc = MQ_OK;

    if (g->n > MOST_DISTANCES)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "'%s' has %zu channels: the distances between more than %d are too many",
                       g->channels->name, g->n, MOST_DISTANCES);
    d.rows = malloc(g->n * PIECE * sizeof *d.rows);
    d.square = calloc(g->n * g->n, sizeof *d.square);
    if (!d.rows || !d.square)
        rc = mq_oom(err);
    for (size_t i = 0; i < g->channels->n_axes && rc == MQ_OK; i++) {
        const mq_channel_axis *a = &g->channels->axes[i];
        mq_tensor *t = mq_channels_weight(a);

        if (t)
            rc = add_weight(&d, a, t, err);
    }
    for (size_t i = 0; i < g->n && rc == MQ_OK; i++) {
        g->scores[i] = 0;
        for (size_t k = 0; k < g->n; k++)
            g->scores[i] += sqrt(i < k ? d.square[i * g->n + k] : d.square[k * g->n + i]);
    }
    free(d.rows);
    free(d.square);
    return rc;
}

mq_status mq_structure_score(mq_structure *s, mq_structure_method method, uint64_t seed, int n_threads, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < s->n_groups && rc == MQ_OK; i++) {
        mq_structure_group *g = &s->groups[i];

        if (!g->chosen)
            continue;
        if (method == MQ_STRUCTURE_GEOMEDIAN)
            rc = score_geomedian(g, n_threads, err);
        else if (method != MQ_STRUCTURE_RANDOM)
            rc = mq_channels_norms(s->narrow.channels, i, method == MQ_STRUCTURE_L1 ? 1 : 2, g->scores, err);
        for (size_t k = 0; method == MQ_STRUCTURE_RANDOM && k < g->n; k++)
            g->scores[k] = mq_random_unit(mq_random_at(mq_random_at(seed, i), k));
    }
    return rc;
}
