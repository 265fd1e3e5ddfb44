/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "quant/smooth.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "ops/ops.h"
#include "passes/pass.h"
#include "quant/kernels.h"
#include "quant/layers.h"

/* A channel counts as at least this share of the largest: one that was nearly silent on the data may not be elsewhere. */
#define LEAST_SHARE (1.0 / 64)
/* What the expected error must fall to: a factor in weights is free, a Mul is not. */
#define WORTH_FOLDED 0.9
#define WORTH_INSERTED 0.7

/* An activation, and the products that read it. */
typedef struct site {
    const mq_channels *seen;
    mq_layer *readers; /* loaded, n of them */
    size_t n;
    double *energy;    /* [channels] sum of squares of the weights that read it */
    double *weight;    /* [channels] the largest of them */
    mq_layer first;    /* what makes it, when factors can go there: loaded */
    bool has_first;
    mq_node *norm;     /* or a LayerNormalization */
} site;

mq_status mq_smooth_wanted(mq_channel_table *t, const mq_model *m, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_layer l;

    for (mq_node *n = m->graph ? m->graph->first : NULL; n && rc == MQ_OK; n = n->next)
        if (mq_layer_read(n, &l) && n->inputs[0] && !mq_value_constant(n->inputs[0], true))
            rc = mq_channel_table_add(t, n->inputs[0], mq_layer_axis(n), err);
    return rc;
}

/* ---- the site ------------------------------------------------------------------------------------------------------ */

static void site_release(site *s)
{
    for (size_t i = 0; i < s->n; i++)
        mq_layer_release(&s->readers[i]);
    if (s->has_first)
        mq_layer_release(&s->first);
    free(s->readers);
    free(s->energy);
    free(s->weight);
}

static mq_status add_weights(site *s, mq_layer *l, mq_error *err)
{
    float *w;
    mq_status rc;

    MQ_TRY(mq_layer_load(l, err));
    MQ_TRY(mq_layer_constant(l->node, 1, &w, err));
    for (int64_t r = 0; r < l->rows; r++)
        for (int64_t c = 0; c < l->group_cols; c++) {
            const float *here = w + mq_layer_place(l, r, c);
            const int64_t channel = r / l->group_rows * l->group_cols + c;
            for (int64_t k = 0; k < l->inner; k++)
                s->energy[channel] += (double)here[k] * (double)here[k];
            s->weight[channel] = fmax(s->weight[channel], (double)l->most[r * l->group_cols + c]);
        }
    free(w);
done:
    return rc;
}

static mq_status find_readers(site *s, mq_error *err)
{
    const mq_value *v = s->seen->value;
    mq_status rc = MQ_OK;

    s->readers = calloc(v->uses.n + 1, sizeof *s->readers);
    s->energy = calloc(s->seen->n + 1, sizeof *s->energy);
    s->weight = calloc(s->seen->n + 1, sizeof *s->weight);
    if (!s->readers || !s->energy || !s->weight)
        return mq_oom(err);
    for (size_t i = 0; i < v->uses.n && rc == MQ_OK; i++) {
        mq_layer *l = &s->readers[s->n];
        if (v->uses.items[i].index != 0 || v->uses.items[i].node->graph != v->graph ||
            !mq_layer_read(v->uses.items[i].node, l) || l->cols != (int64_t)s->seen->n ||
            mq_layer_axis(l->node) != s->seen->axis)
            continue;
        s->n++;
        rc = add_weights(s, l, err);
    }
    return rc;
}

/* A LayerNormalization over the channels alone, with constant scale and bias. */
static bool is_norm(const mq_node *n, size_t channels)
{
    const bool norm = n && n->n_inputs > 1 && mq_node_is(n, "", "LayerNormalization");
    const mq_tensor *scale = norm ? mq_constant_input(n, 1) : NULL;
    const mq_tensor *bias = scale && n->n_inputs > 2 && n->inputs[2] ? mq_constant_input(n, 2) : scale;

    return scale && bias && scale->dtype == MQ_FLOAT && bias->dtype == MQ_FLOAT &&
           mq_tensor_count(scale) == (int64_t)channels && mq_tensor_count(bias) == (int64_t)channels &&
           mq_node_attr_int(n, "axis", -1) == -1;
}

/* Does normalization make v: as one operator, or as the factor and the summand per channel at its end? What other operators
 * make is large in a channel for one position and not for the next, and what is expected on average does not hold there. */
static bool is_normalized(const mq_value *v, size_t channels)
{
    static const char *const ops[] = { "LayerNormalization", "RMSNormalization", "SimplifiedLayerNormalization" };
    static const char *const contrib[] = { "SkipLayerNormalization", "SkipSimplifiedLayerNormalization" };
    const mq_node *n = v->producer;

    if (!n)
        return false;
    if (mq_node_is_any(n, "", ops, MQ_ARRAY_LEN(ops)) || mq_node_is_any(n, "com.microsoft", contrib, MQ_ARRAY_LEN(contrib)))
        return true;
    if (!mq_node_is(n, "", "Add") || n->n_inputs != 2)
        return false;
    for (size_t i = 0; i < 2; i++) {
        const mq_tensor *t = mq_constant_input(n, i);
        const mq_node *mul = t && n->inputs[1 - i] ? n->inputs[1 - i]->producer : NULL;
        const bool factor = mul && mq_node_is(mul, "", "Mul") && (mq_constant_input(mul, 0) || mq_constant_input(mul, 1));
        if (factor && mq_tensor_count(t) == (int64_t)channels)
            return true;
    }
    return false;
}

/* What makes the activation, seen through operators that take factors along, each read once. */
static mq_status find_first(site *s, mq_error *err)
{
    const mq_value *v = s->seen->value;
    mq_node *n = v->producer;

    if (s->n != v->uses.n || v->n_output_uses || !n)
        return MQ_OK;
    if (is_norm(n, s->seen->n)) {
        s->norm = n;
        return MQ_OK;
    }
    while (n && mq_takes_factors(n) && n->inputs[0] && mq_next_of(n->inputs[0]) == n)
        n = n->inputs[0]->producer;
    if (!n || !mq_layer_read(n, &s->first) || mq_node_is(n, "", "MatMul") || s->first.rows != (int64_t)s->seen->n ||
        mq_layer_axis(n) != s->seen->axis || !mq_layer_bias_fits(&s->first) ||
        (n->outputs[0] != v && !mq_next_of(n->outputs[0])))
        return MQ_OK;
    s->has_first = true;
    return mq_layer_load(&s->first, err);
}

/* ---- factors ------------------------------------------------------------------------------------------------------- */

static double held(const mq_channels *c, size_t i)
{
    return fmax((double)c->high[i], -(double)c->low[i]);
}

/* Expected squared error of the products' sums, summed over output channels, per position. */
static double expected_error(const site *s, const double *f, const mq_smooth_opts *o)
{
    const mq_channels *c = s->seen;
    double low = 0, high = 0, error = 0, step;

    for (size_t i = 0; i < c->n; i++) {
        low = fmin(low, (double)c->low[i] / f[i]);
        high = fmax(high, (double)c->high[i] / f[i]);
    }
    step = (high - low) / o->levels;
    for (size_t i = 0; i < c->n; i++)
        error += step * step / 12 * f[i] * f[i] * s->energy[i];
    for (size_t k = 0; k < s->n; k++) {
        const mq_layer *l = &s->readers[k];
        for (int64_t r = 0; r < l->rows; r++) {
            const size_t from = (size_t)(r / l->group_rows * l->group_cols);
            double most = 0, power = 0;
            for (int64_t i = 0; i < l->group_cols; i++) {
                const size_t at = from + (size_t)i;
                most = fmax(most, (double)l->most[r * l->group_cols + i] * f[at]);
                power += c->square[at] / (f[at] * f[at]);
            }
            step = most / o->weight_levels;
            error += step * step / 12 * power / (double)c->count * (double)l->inner;
        }
    }
    return error;
}

/* Of one row, rounded in blocks: the squared error of its sums, by the channels' power. x: n elements times factors. */
static double row_error(const mq_smooth_opts *o, const float *x, const double *counts, size_t n, void *q)
{
    const size_t block = o->block ? o->block : n;
    double error = 0;

    for (size_t at = 0; at < n; at += block) {
        const size_t m = n - at < block ? n - at : block;
        float lo = 0, hi = 0, scale;
        int32_t zero_point;
        mq_nonfinite bad;
        mq_run_range(x + at, m, &lo, &hi, &bad);
        mq_scheme_affine(o->rounded, lo, hi, &scale, &zero_point);
        mq_run_quantize(o->rounded, x + at, m, scale, zero_point, q, NULL);
        for (size_t i = 0; i < m; i++) {
            const int level = (o->rounded->q_min < 0 ? ((int8_t *)q)[i] : ((uint8_t *)q)[i]) - zero_point;
            const double d = (double)x[at + i] - level * (double)scale;
            error += d * d * counts[at + i];
        }
    }
    return error;
}

static mq_status layer_error(const site *s, const mq_layer *l, const double *f, const mq_smooth_opts *o, double *sum,
                             mq_error *err)
{
    const size_t n = (size_t)(l->group_cols * l->inner), all = (size_t)l->rows * n;
    float *w = NULL, *x = malloc((all + 1) * sizeof *x);
    double *counts = malloc((n + 1) * sizeof *counts);
    uint8_t *q = malloc(n + 1);
    mq_status rc = x && counts && q ? mq_layer_constant(l->node, 1, &w, err) : mq_oom(err);

    for (int64_t c = 0; rc == MQ_OK && c < l->group_cols; c++) /* rows inside: a matrix may be stored by columns */
        for (int64_t r = 0; r < l->rows; r++)
            for (int64_t k = 0; k < l->inner; k++)
                x[(size_t)r * n + (size_t)(c * l->inner + k)] =
                    w[mq_layer_place(l, r, c) + (size_t)k] * (float)f[r / l->group_rows * l->group_cols + c];
    for (int64_t r = 0; rc == MQ_OK && r < l->rows; r++) {
        const size_t from = (size_t)(r / l->group_rows * l->group_cols);
        for (size_t i = 0; r % l->group_rows == 0 && i < n; i++) {
            const size_t at = from + i / (size_t)l->inner;
            counts[i] = s->seen->square[at] / (double)s->seen->count / (f[at] * f[at]);
        }
        *sum += row_error(o, x + (size_t)r * n, counts, n, q);
    }
    free(w);
    free(x);
    free(counts);
    free(q);
    return rc;
}

static mq_status rounded_error(const site *s, const double *f, const mq_smooth_opts *o, double *sum, mq_error *err)
{
    mq_status rc = MQ_OK;

    *sum = 0;
    for (size_t k = 0; k < s->n && rc == MQ_OK; k++)
        rc = layer_error(s, &s->readers[k], f, o, sum, err);
    return rc;
}

/* rms^alpha, 1 on average. */
static void make_awq_factors(const site *s, double alpha, double *f)
{
    const mq_channels *c = s->seen;
    double most = 0, mean = 0;

    for (size_t i = 0; i < c->n; i++)
        most = fmax(most, c->square[i]);
    for (size_t i = 0; i < c->n; i++) {
        f[i] = most > 0 ? alpha / 2 * log(fmax(c->square[i], most * LEAST_SHARE * LEAST_SHARE)) : 0;
        mean += f[i] / (double)c->n;
    }
    for (size_t i = 0; i < c->n; i++)
        f[i] = exp(f[i] - mean);
}

/* s_i = activation^alpha / weight^beta, 1 on average. */
static void make_factors(const site *s, double alpha, double beta, double *f)
{
    const mq_channels *c = s->seen;
    double most = 0, most_weight = 0, mean = 0;

    for (size_t i = 0; i < c->n; i++) {
        most = fmax(most, held(c, i));
        most_weight = fmax(most_weight, s->weight[i]);
    }
    for (size_t i = 0; i < c->n; i++) {
        const double a = fmax(held(c, i), most * LEAST_SHARE), w = fmax(s->weight[i], most_weight * LEAST_SHARE);
        f[i] = most > 0 && most_weight > 0 ? alpha * log(a) - beta * log(w) : 0;
        mean += f[i] / (double)c->n;
    }
    for (size_t i = 0; i < c->n; i++)
        f[i] = exp(f[i] - mean);
}

static double decibels(double before, double after)
{
    return before > 0 && after > 0 ? 10 * log10(before / after) : 0;
}

/* The factors to take, and their alpha; false: none are worth it. At 0.5 half of what a channel is larger by (in logarithms)
 * goes into the weights. The error expected of the samples often is least beyond that, but then channels that were small
 * on them have next to no room for what is larger elsewhere. */
static bool choose_factors(const site *s, const mq_smooth_opts *o, double *f, double *room, double *alpha, double *gain_db)
{
    static const double alphas[] = { 0.25, 0.5 };
    const bool inserted = !s->has_first && !s->norm;
    double plain, least, error;

    *alpha = *gain_db = 0;
    for (size_t i = 0; i < s->seen->n; i++)
        room[i] = 1;
    plain = expected_error(s, room, o);
    if (!o->automatic) {
        make_factors(s, o->alpha, 1 - o->alpha, f);
        *alpha = o->alpha;
        *gain_db = decibels(plain, expected_error(s, f, o));
        return true;
    }
    least = plain * (inserted ? WORTH_INSERTED : WORTH_FOLDED);
    for (size_t a = 0; a < MQ_ARRAY_LEN(alphas); a++) {
        make_factors(s, alphas[a], 0, room);
        error = expected_error(s, room, o);
        if (!(error < least))
            continue;
        least = error;
        *alpha = alphas[a];
        memcpy(f, room, s->seen->n * sizeof *f);
    }
    *gain_db = decibels(plain, least);
    return *alpha > 0;
}

/* The same for weights alone. */
static mq_status choose_awq(const site *s, const mq_smooth_opts *o, double *f, double *room, double *alpha, double *gain_db,
                            mq_error *err)
{
    enum { STEPS = 10 };
    double plain, least, error;
    mq_status rc = MQ_OK;

    *alpha = *gain_db = 0;
    make_awq_factors(s, 0, room);
    MQ_TRY(rounded_error(s, room, o, &plain, err));
    least = plain * (s->has_first || s->norm ? WORTH_FOLDED : WORTH_INSERTED);
    for (int a = 1; a <= STEPS; a++) {
        make_awq_factors(s, (double)a / STEPS, room);
        MQ_TRY(rounded_error(s, room, o, &error, err));
        if (!(error < least))
            continue;
        least = error;
        *alpha = (double)a / STEPS;
        memcpy(f, room, s->seen->n * sizeof *f);
    }
    *gain_db = decibels(plain, least);
done:
    return rc;
}

/* ---- rewriting ----------------------------------------------------------------------------------------------------- */

static mq_status scale_norm(mq_node *n, const double *f, size_t channels, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 1; i < n->n_inputs && i < 3 && rc == MQ_OK; i++) {
        float *data;
        if (!n->inputs[i])
            continue;
        MQ_TRY(mq_layer_constant(n, i, &data, err));
        for (size_t k = 0; k < channels; k++)
            data[k] = (float)((double)data[k] / f[k]);
        rc = mq_layer_replace(n, i, data, err);
    }
done:
    return rc;
}

static mq_status insert_mul(const site *s, const double *f, mq_value **out, mq_error *err)
{
    mq_value *v = s->seen->value, *by;
    const int64_t dim = (int64_t)s->seen->n;
    float *data = malloc((s->seen->n + 1) * sizeof *data);
    mq_node *first = s->readers[0].node, *mul;
    mq_status rc;

    if (!data)
        return mq_oom(err);
    for (size_t i = 0; i < s->seen->n; i++)
        data[i] = (float)(1 / f[i]);
    for (size_t i = 1; i < s->n; i++) /* uses are in no order */
        for (mq_node *n = s->readers[i].node; n; n = n->next)
            if (n == first) {
                first = s->readers[i].node;
                break;
            }
    MQ_TRY(mq_constant_of_heap(v->graph, v->name, MQ_FLOAT, 1, &dim, data, &by, err));
    MQ_TRY(mq_pass_insert(first, "", "Mul", NULL, (mq_value *[]){ v, by }, 2, &mul, err));
    MQ_TRY(mq_pass_give_output(mul, v, out, err));
    for (size_t i = 0; i < s->n; i++)
        MQ_TRY(mq_node_set_input(s->readers[i].node, 0, *out, err));
done:
    return rc;
}

/* What is divided is not the tensor of that name any more. */
static mq_status rename_all(const mq_node *first, const mq_value *last, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_value *v = first->outputs[0]; rc == MQ_OK; v = mq_next_of(v)->outputs[0]) {
        const char *base = mq_arena_printf(v->graph->model->arena, "%s_rescaled", v->name);
        const char *name = base ? mq_unique_value_name(v->graph->model, base) : NULL;
        rc = name ? mq_value_rename(v, name, err) : mq_oom(err);
        if (v == last)
            break;
    }
    return rc;
}

/* *divided: the value that the products read now. */
static mq_status apply_factors(site *s, const double *f, mq_value **divided, mq_error *err)
{
    mq_status rc = MQ_OK;

    *divided = s->seen->value;
    for (size_t k = 0; k < s->n; k++) {
        memcpy(s->readers[k].by_col, f, s->seen->n * sizeof *f);
        MQ_TRY(mq_layer_write(&s->readers[k], err));
    }
    if (s->norm) {
        MQ_TRY(scale_norm(s->norm, f, s->seen->n, err));
        return rename_all(s->norm, s->seen->value, err);
    }
    if (!s->has_first)
        return insert_mul(s, f, divided, err);
    for (size_t i = 0; i < s->seen->n; i++)
        s->first.by_row[i] = 1 / f[i];
    MQ_TRY(mq_layer_write(&s->first, err));
    rc = rename_all(s->first.node, s->seen->value, err);
done:
    return rc;
}

/* What the factors are, and what they do to the statistics. */
static mq_status note(const site *s, mq_channel_table *seen, mq_value *divided, const double *f, double alpha,
                      double gain_db, mq_smooth_result *r, mq_error *err)
{
    const size_t n = s->seen->n, before = r->n_folded + r->n_inserted;
    float *stored = malloc((n + 1) * sizeof *stored);
    char digest[MQ_SHA256_HEX];

    if (!stored)
        return mq_oom(err);
    for (size_t i = 0; i < n; i++)
        stored[i] = (float)f[i];
    mq_sha256_bytes(stored, n * sizeof *stored, digest);
    free(stored);
    mq_sha256_chain(r->digest, digest);
    r->gain_db = (r->gain_db * (double)before + gain_db) / (double)(before + 1);
    *(s->has_first || s->norm ? &r->n_folded : &r->n_inserted) += 1;
    r->least_alpha = r->n_products ? fmin(r->least_alpha, alpha) : alpha;
    r->most_alpha = fmax(r->most_alpha, alpha);
    r->n_products += s->n;
    return mq_channels_divide(seen, s->seen, divided, f, err);
}

static mq_status smooth_one(mq_channel_table *table, const mq_channels *seen, const mq_smooth_opts *o,
                            mq_smooth_result *result, mq_error *err)
{
    site s = { .seen = seen };
    double alpha = 0, gain_db = 0, *f = malloc((2 * seen->n + 1) * sizeof *f);
    mq_value *divided;
    bool worth = false;
    mq_status rc = f ? MQ_OK : mq_oom(err);

    if (rc == MQ_OK)
        rc = find_readers(&s, err);
    if (rc == MQ_OK && s.n)
        rc = find_first(&s, err);
    if (rc == MQ_OK && s.n && (s.has_first || s.norm || (seen->axis == -1 && is_normalized(seen->value, seen->n)))) {
        if (o->rounded)
            rc = choose_awq(&s, o, f, f + seen->n, &alpha, &gain_db, err);
        worth = o->rounded ? alpha > 0 : choose_factors(&s, o, f, f + seen->n, &alpha, &gain_db);
    }
    if (rc == MQ_OK && worth && (rc = apply_factors(&s, f, &divided, err)) == MQ_OK)
        rc = note(&s, table, divided, f, alpha, gain_db, result, err);
    site_release(&s);
    free(f);
    return rc;
}

mq_status mq_smooth(mq_model *m, mq_channel_table *seen, const mq_smooth_opts *o, mq_smooth_result *result, mq_error *err)
{
    const size_t n = seen->items.n; /* those that are added behind them are done */
    mq_status rc = MQ_OK;

    *result = (mq_smooth_result){ 0 };
    for (size_t i = 0; i < n; i++)
        if (seen->items.items[i]->n)
            MQ_TRY(smooth_one(seen, seen->items.items[i], o, result, err));
    if (result->n_folded + result->n_inserted)
        rc = mq_infer_model(m, NULL, NULL, err);
done:
    return rc;
}
