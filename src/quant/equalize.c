/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* With r1 the largest weight that makes channel i and r2 the largest one that reads it, dividing the first by
 * s = sqrt(r1 / r2) and multiplying the second by it makes both sqrt(r1 * r2). A product in the middle of a chain takes part
 * twice, so this is repeated until nothing changes much. Only the largest weight per pair of channels is looked at until
 * then; weights are written once, at the end. */
#include "quant/equalize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "quant/layers.h"

enum { MOST_ROUNDS = 50 };

/* Factors nearer to 1 are left out: there is nothing to gain. */
#define WORTH 0.01

/* A product and those that read it: `n` of work.readers from `at` on. */
typedef struct pair {
    mq_layer *first;
    size_t at, n;
    bool changed;
} pair;

typedef struct work {
    MQ_VEC(mq_layer *) layers; /* in the order of the graph */
    MQ_VEC(mq_layer *) readers;
    MQ_VEC(pair) pairs;
} work;

static void work_release(work *w)
{
    for (size_t i = 0; i < w->layers.n; i++) {
        mq_layer_release(w->layers.items[i]);
        free(w->layers.items[i]);
    }
    mq_vec_release(&w->layers);
    mq_vec_release(&w->readers);
    mq_vec_release(&w->pairs);
}

/* ---- finding ------------------------------------------------------------------------------------------------------- */

/* By address: only to find them, the order of work is the graph's. */
static int by_node(const void *a, const void *b)
{
    const mq_node *x = (*(mq_layer *const *)a)->node, *y = (*(mq_layer *const *)b)->node;

    return (x > y) - (x < y);
}

static mq_layer *find_layer(const work *w, mq_layer *const *sorted, mq_node *n)
{
    mq_layer key = { .node = n }, *wanted = &key, *const *found;

    found = n ? bsearch(&wanted, sorted, w->layers.n, sizeof *sorted, by_node) : NULL;
    return found ? *found : NULL;
}

static mq_status find_layers(work *w, const mq_graph *g, mq_error *err)
{
    mq_layer here, *l;

    for (mq_node *n = g->first; n; n = n->next) {
        if (!mq_layer_read(n, &here))
            continue;
        if (!(l = malloc(sizeof *l)) || !mq_vec_push(&w->layers, l)) {
            free(l);
            return mq_oom(err);
        }
        *l = here;
    }
    return MQ_OK;
}

/* Adds a pair when all that read v are products of first's kind that take its channels. */
static mq_status add_pair(work *w, mq_layer *const *sorted, mq_layer *first, const mq_value *v, mq_error *err)
{
    const pair p = { .first = first, .at = w->readers.n, .n = v->uses.n };

    if (!v->uses.n || v->n_output_uses)
        return MQ_OK;
    for (size_t i = 0; i < v->uses.n; i++) {
        mq_layer *l = v->uses.items[i].index == 0 ? find_layer(w, sorted, v->uses.items[i].node) : NULL;
        if (!l || l->cols != first->rows || !mq_node_is(l->node, "", first->node->op_type)) {
            w->readers.n = p.at;
            return MQ_OK;
        }
        if (!mq_vec_push(&w->readers, l))
            return mq_oom(err);
    }
    return mq_vec_push(&w->pairs, p) ? MQ_OK : mq_oom(err);
}

static mq_status find_pairs(work *w, mq_error *err)
{
    mq_layer **sorted = malloc((w->layers.n + 1) * sizeof *sorted);
    mq_status rc = MQ_OK;

    if (!sorted)
        return mq_oom(err);
    if (w->layers.n) {
        memcpy(sorted, w->layers.items, w->layers.n * sizeof *sorted);
        qsort(sorted, w->layers.n, sizeof *sorted, by_node);
    }
    for (size_t i = 0; i < w->layers.n && rc == MQ_OK; i++) {
        mq_layer *first = w->layers.items[i];
        const mq_value *v = first->node->outputs[0];
        for (const mq_node *n; (n = mq_next_of(v)) && mq_takes_factors(n);)
            v = n->outputs[0];
        if (mq_layer_bias_fits(first))
            rc = add_pair(w, sorted, first, v, err);
    }
    free(sorted);
    return rc;
}

/* ---- factors ------------------------------------------------------------------------------------------------------- */

MQ_INLINE double larger(double a, double b)
{
    return a > b ? a : b;
}

static void find_making(mq_layer *l)
{
    for (int64_t r = 0; r < l->rows; r++) {
        const double *by_col = l->by_col + r / l->group_rows * l->group_cols;
        const float *most = l->most + r * l->group_cols;
        double largest = 0;
        for (int64_t c = 0; c < l->group_cols; c++)
            largest = larger((double)most[c] * by_col[c], largest);
        l->making[r] = largest * l->by_row[r];
    }
}

static void find_reading(mq_layer *l)
{
    memset(l->reading, 0, (size_t)l->cols * sizeof *l->reading);
    for (int64_t r = 0; r < l->rows; r++) {
        double *restrict largest = l->reading + r / l->group_rows * l->group_cols;
        const float *restrict most = l->most + r * l->group_cols;
        for (int64_t c = 0; c < l->group_cols; c++)
            largest[c] = larger((double)most[c] * l->by_row[r], largest[c]);
    }
    for (int64_t c = 0; c < l->cols; c++)
        l->reading[c] *= l->by_col[c];
}

/* What channel i is divided by. It grows only as far as its bias stays below its weights' new size: a channel that is little
 * but bias would outgrow all others. */
static double factor_of(const mq_layer *l, int64_t i, double r2)
{
    const double r1 = l->making[i], bias = l->bias ? fabs((double)l->bias[i]) * l->by_row[i] : 0;
    double s = sqrt(r1 / r2);

    if (!(r1 > 0) || !(r2 > 0) || !isfinite(r1) || !isfinite(r2) || !isfinite(bias))
        return 1;
    if (s < 1 && bias > r1)
        s = fmin(1, sqrt(bias / r2));
    return s;
}

static bool equalize_once(pair *p, mq_layer *const *readers)
{
    bool changed = false;

    find_making(p->first);
    for (size_t k = 0; k < p->n; k++)
        find_reading(readers[k]);
    for (int64_t i = 0; i < p->first->rows; i++) {
        double r2 = 0, s;
        for (size_t k = 0; k < p->n; k++)
            r2 = larger(readers[k]->reading[i], r2);
        s = factor_of(p->first, i, r2);
        if (fabs(log(s)) < WORTH)
            continue;
        p->first->by_row[i] /= s;
        for (size_t k = 0; k < p->n; k++)
            readers[k]->by_col[i] *= s;
        changed = true;
    }
    p->changed |= changed;
    return changed;
}

static void find_factors(work *w)
{
    bool changed = true;

    for (int round = 0; changed && round < MOST_ROUNDS; round++) {
        changed = false;
        for (size_t i = 0; i < w->pairs.n; i++)
            changed |= equalize_once(&w->pairs.items[i], w->readers.items + w->pairs.items[i].at);
    }
}

mq_status mq_equalize(mq_model *m, size_t *n_pairs, mq_error *err)
{
    work w = { 0 };
    size_t n = 0;
    mq_status rc = MQ_OK;

    if (m->graph) {
        MQ_TRY(find_layers(&w, m->graph, err));
        MQ_TRY(find_pairs(&w, err));
    }
    for (size_t i = 0; i < w.pairs.n; i++)
        MQ_TRY(mq_layer_load(w.pairs.items[i].first, err));
    for (size_t i = 0; i < w.readers.n; i++)
        MQ_TRY(mq_layer_load(w.readers.items[i], err));
    find_factors(&w);
    for (size_t i = 0; i < w.layers.n; i++)
        if (w.layers.items[i]->most)
            MQ_TRY(mq_layer_write(w.layers.items[i], err));
    for (size_t i = 0; i < w.pairs.n; i++)
        n += w.pairs.items[i].changed;
    *n_pairs = n;
done:
    work_release(&w);
    return rc;
}
