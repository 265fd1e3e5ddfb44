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
#include "passes/pass.h"

enum { MOST_ROUNDS = 50 };

/* Factors nearer to 1 are left out: there is nothing to gain. */
#define WORTH 0.01

/* A product: `rows` channels out, `cols` in. Row r reads the group_cols columns of group r / group_rows. */
typedef struct layer {
    mq_node *node;
    int64_t rows, cols, group_rows, group_cols;
    int64_t inner;            /* weights per row and column, one after the other */
    bool turned;              /* a column's weights lie together: Gemm's [cols, rows] */
    float *most;              /* [rows][group_cols]: the largest |weight|; NULL: in no pair */
    float *bias;              /* [rows] or NULL */
    double *by_row, *by_col;  /* what weights are multiplied by */
    double *making, *reading; /* the largest weight of each row, of each column, as the factors are now */
} layer;

/* A product and those that read it: `n` of work.readers from `at` on. */
typedef struct pair {
    layer *first;
    size_t at, n;
    bool changed;
} pair;

typedef struct work {
    MQ_VEC(layer *) layers; /* in the order of the graph */
    MQ_VEC(layer *) readers;
    MQ_VEC(pair) pairs;
} work;

static void free_layer(layer *l)
{
    free(l->most);
    free(l->bias);
    free(l->by_row);
    free(l->by_col);
    free(l->making);
    free(l->reading);
    free(l);
}

static void work_release(work *w)
{
    for (size_t i = 0; i < w->layers.n; i++)
        free_layer(w->layers.items[i]);
    mq_vec_release(&w->layers);
    mq_vec_release(&w->readers);
    mq_vec_release(&w->pairs);
}

/* ---- finding ------------------------------------------------------------------------------------------------------- */

/* False: no product that can be rescaled on either side. */
static bool read_layer(mq_node *n, layer *l)
{
    const bool gemm = mq_node_is(n, "", "Gemm"), conv = mq_node_is(n, "", "Conv");
    const mq_tensor *w = gemm || conv ? mq_constant_input(n, 1) : NULL;
    const int64_t count = w ? mq_tensor_count(w) : 0, groups = conv ? mq_node_attr_int(n, "group", 1) : 1;

    *l = (layer){ .node = n, .inner = 1 };
    if (count <= 0 || w->dtype != MQ_FLOAT || n->n_outputs < 1 || !n->outputs[0])
        return false;
    if (gemm) {
        l->turned = !mq_node_attr_int(n, "transB", 0);
        if (w->n_dims != 2 || mq_node_attr_int(n, "transA", 0))
            return false;
        l->rows = l->group_rows = w->dims[l->turned];
        l->cols = l->group_cols = w->dims[!l->turned];
        return true;
    }
    if (w->n_dims < 3 || groups < 1 || w->dims[0] % groups != 0 || __builtin_mul_overflow(w->dims[1], groups, &l->cols))
        return false;
    l->rows = w->dims[0];
    l->group_rows = l->rows / groups;
    l->group_cols = w->dims[1];
    l->inner = count / l->rows / l->group_cols;
    return true;
}

/* Whether there is no bias, or a constant one per channel. */
static bool bias_is_per_channel(const layer *l)
{
    const mq_node *n = l->node;
    const mq_tensor *t = mq_constant_input(n, 2);

    if (n->n_inputs < 3 || !n->inputs[2])
        return true;
    return t && t->dtype == MQ_FLOAT && mq_tensor_count(t) == l->rows && t->n_dims > 0 && t->dims[t->n_dims - 1] == l->rows;
}

/* f(s x) = s f(x) for every s > 0, channel by channel. */
static bool takes_factors(const mq_node *n)
{
    static const char *const ops[] = { "Relu", "LeakyRelu", "PRelu", "MaxPool", "AveragePool", "GlobalMaxPool",
                                       "GlobalAveragePool" };
    double least;

    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (mq_node_is(n, "", ops[i]))
            return n->n_outputs > 0 && n->outputs[0];
    return mq_node_is(n, "", "Clip") && n->n_outputs > 0 && n->outputs[0] && n->n_inputs > 1 && n->inputs[1] &&
           (n->n_inputs < 3 || !n->inputs[2]) && mq_constant_number(n->inputs[1], &least) && least == 0;
}

/* The node that reads v as its first input, when nobody else does. */
static mq_node *next_of(const mq_value *v)
{
    mq_node *n = mq_only_reader(v);

    return n && v->uses.items[0].index == 0 && n->graph == v->graph ? n : NULL;
}

/* By address: only to find them, the order of work is the graph's. */
static int by_node(const void *a, const void *b)
{
    const mq_node *x = (*(layer *const *)a)->node, *y = (*(layer *const *)b)->node;

    return (x > y) - (x < y);
}

static layer *find_layer(const work *w, layer *const *sorted, mq_node *n)
{
    layer key = { .node = n }, *wanted = &key, *const *found;

    found = n ? bsearch(&wanted, sorted, w->layers.n, sizeof *sorted, by_node) : NULL;
    return found ? *found : NULL;
}

static mq_status find_layers(work *w, const mq_graph *g, mq_error *err)
{
    layer here, *l;

    for (mq_node *n = g->first; n; n = n->next) {
        if (!read_layer(n, &here))
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
static mq_status add_pair(work *w, layer *const *sorted, layer *first, const mq_value *v, mq_error *err)
{
    const pair p = { .first = first, .at = w->readers.n, .n = v->uses.n };

    if (!v->uses.n || v->n_output_uses)
        return MQ_OK;
    for (size_t i = 0; i < v->uses.n; i++) {
        layer *l = v->uses.items[i].index == 0 ? find_layer(w, sorted, v->uses.items[i].node) : NULL;
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
    layer **sorted = malloc((w->layers.n + 1) * sizeof *sorted);
    mq_status rc = MQ_OK;

    if (!sorted)
        return mq_oom(err);
    if (w->layers.n) {
        memcpy(sorted, w->layers.items, w->layers.n * sizeof *sorted);
        qsort(sorted, w->layers.n, sizeof *sorted, by_node);
    }
    for (size_t i = 0; i < w->layers.n && rc == MQ_OK; i++) {
        layer *first = w->layers.items[i];
        const mq_value *v = first->node->outputs[0];
        for (const mq_node *n; (n = next_of(v)) && takes_factors(n);)
            v = n->outputs[0];
        if (bias_is_per_channel(first))
            rc = add_pair(w, sorted, first, v, err);
    }
    free(sorted);
    return rc;
}

/* ---- factors ------------------------------------------------------------------------------------------------------- */

static double *ones(int64_t n)
{
    double *f = malloc(((size_t)n + 1) * sizeof *f);

    for (int64_t i = 0; f && i < n; i++)
        f[i] = 1;
    return f;
}

static mq_status read_constant(mq_node *n, size_t input, float **out, mq_error *err)
{
    mq_tensor *t = mq_constant_input(n, input);
    const size_t count = (size_t)mq_tensor_count(t);
    mq_status rc;

    if (!(*out = malloc((count + 1) * sizeof **out)))
        return mq_oom(err);
    if ((rc = mq_tensor_read_f32(t, 0, count, *out, err)) != MQ_OK) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

/* Where the weights of row r and column c (within its group) begin, `inner` of them. */
static size_t place_of(const layer *l, int64_t r, int64_t c)
{
    return (size_t)((l->turned ? c * l->rows + r : r * l->group_cols + c) * l->inner);
}

static void find_most(layer *l, const float *w)
{
    for (int64_t r = 0; r < l->rows; r++)
        for (int64_t c = 0; c < l->group_cols; c++) {
            const float *here = w + place_of(l, r, c);
            float most = 0;
            for (int64_t k = 0; k < l->inner; k++)
                most = fabsf(here[k]) > most ? fabsf(here[k]) : most;
            l->most[r * l->group_cols + c] = most;
        }
}

/* What the factors are found from. Twice for one layer is fine. */
static mq_status load(layer *l, mq_error *err)
{
    float *w = NULL;
    mq_status rc = MQ_OK;

    if (l->most)
        return MQ_OK;
    l->most = malloc(((size_t)(l->rows * l->group_cols) + 1) * sizeof *l->most);
    l->by_row = ones(l->rows);
    l->by_col = ones(l->cols);
    l->making = ones(l->rows);
    l->reading = ones(l->cols);
    if (!l->most || !l->by_row || !l->by_col || !l->making || !l->reading)
        return mq_oom(err);
    if (l->node->n_inputs > 2 && l->node->inputs[2] && bias_is_per_channel(l))
        MQ_TRY(read_constant(l->node, 2, &l->bias, err));
    MQ_TRY(read_constant(l->node, 1, &w, err));
    find_most(l, w);
done:
    free(w);
    return rc;
}

MQ_INLINE double larger(double a, double b)
{
    return a > b ? a : b;
}

static void find_making(layer *l)
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

static void find_reading(layer *l)
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
static double factor_of(const layer *l, int64_t i, double r2)
{
    const double r1 = l->making[i], bias = l->bias ? fabs((double)l->bias[i]) * l->by_row[i] : 0;
    double s = sqrt(r1 / r2);

    if (!(r1 > 0) || !(r2 > 0) || !isfinite(r1) || !isfinite(r2) || !isfinite(bias))
        return 1;
    if (s < 1 && bias > r1)
        s = fmin(1, sqrt(bias / r2));
    return s;
}

static bool equalize_once(pair *p, layer *const *readers)
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

/* ---- writing ------------------------------------------------------------------------------------------------------- */

/* Input i of n becomes a constant of these floats (from malloc, taken over), under the same name when nobody else reads the
 * old one. */
static mq_status replace(mq_node *n, size_t i, float *data, mq_error *err)
{
    mq_value *old = n->inputs[i], *made;
    const mq_tensor *t = mq_constant_input(n, i);
    mq_tensor *fresh;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_constant_of_heap(n->graph, old->name, MQ_FLOAT, t->n_dims, t->dims, data, &made, err));
    if (old->init && old->graph == n->graph && mq_only_reader(old) == n && !old->is_input) {
        fresh = made->init;
        mq_value_clear_init(made);
        MQ_TRY(mq_value_set_init(old, fresh, err));
        goto done;
    }
    MQ_TRY(mq_node_set_input(n, i, made, err));
    if (mq_value_unused(old) && old->init && !old->is_input)
        mq_value_clear_init(old);
    else if (mq_value_unused(old) && old->producer)
        mq_pass_drop(old->producer);
done:
    return rc;
}

static bool only_ones(const double *factors, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (factors[i] != 1)
            return false;
    return true;
}

static void scale(const layer *l, float *w)
{
    for (int64_t r = 0; r < l->rows; r++)
        for (int64_t c = 0; c < l->group_cols; c++) {
            const double factor = l->by_row[r] * l->by_col[r / l->group_rows * l->group_cols + c];
            float *here = w + place_of(l, r, c);
            for (int64_t k = 0; k < l->inner; k++)
                here[k] = (float)((double)here[k] * factor);
        }
}

static mq_status write_layer(layer *l, mq_error *err)
{
    const bool rows = !only_ones(l->by_row, l->rows), cols = !only_ones(l->by_col, l->cols);
    mq_status rc = MQ_OK;
    float *data;

    if (!rows && !cols)
        return MQ_OK;
    MQ_TRY(read_constant(l->node, 1, &data, err));
    scale(l, data);
    MQ_TRY(replace(l->node, 1, data, err));
    if (rows && l->bias) {
        for (int64_t r = 0; r < l->rows; r++)
            l->bias[r] = (float)((double)l->bias[r] * l->by_row[r]);
        data = l->bias;
        l->bias = NULL;
        MQ_TRY(replace(l->node, 2, data, err));
    }
done:
    return rc;
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
        MQ_TRY(load(w.pairs.items[i].first, err));
    for (size_t i = 0; i < w.readers.n; i++)
        MQ_TRY(load(w.readers.items[i], err));
    find_factors(&w);
    for (size_t i = 0; i < w.layers.n; i++)
        if (w.layers.items[i]->most)
            MQ_TRY(write_layer(w.layers.items[i], err));
    for (size_t i = 0; i < w.pairs.n; i++)
        n += w.pairs.items[i].changed;
    *n_pairs = n;
done:
    work_release(&w);
    return rc;
}
