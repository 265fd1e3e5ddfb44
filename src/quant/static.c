/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "quant/static.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "model/onnx_info.h"
#include "passes/pass.h"
#include "quant/emit.h"
#include "quant/equalize.h"
#include "quant/layers.h"

/* Ranges that differ less than this share a scale where they are concatenated: the smaller one loses at most one bit. */
#define ALIKE 2.0f

/* ---- before ------------------------------------------------------------------------------------------------------- */

mq_status mq_static_prepare(mq_model *m, bool equalize, const mq_hooks *hooks, size_t *n_equalized, mq_error *err)
{
    const bool must = m->has_ir_version && m->ir_version < 4; /* there all of them are, and mean nothing by it */
    const char *first = NULL;
    size_t n = 0;
    mq_status rc;

    *n_equalized = 0;
    for (size_t i = 0; m->graph && i < m->graph->inits.n && !first; i++)
        first = m->graph->inits.items[i]->is_input ? m->graph->inits.items[i]->name : NULL;
    if (m->graph)
        n = mq_graph_unlist_inits(m->graph);
    if (n && !must)
        mq_warn(hooks, "constant-input", first, "%zu initializers were also graph inputs (as '%s') and are constants now", n,
                first);
    if (n && must)
        mq_quant_raise_ir(m, hooks);
    MQ_TRY(mq_passes_run(m, mq_quantize_passes, &(mq_pass_ctx){ 0 }, err));
    if (equalize)
        MQ_TRY(mq_equalize(m, n_equalized, err));
done:
    return rc;
}

const char *mq_static_preparation(const mq_model *m, bool equalize, const mq_smooth_result *smoothed)
{
    const size_t n = smoothed->n_folded + smoothed->n_inserted;
    const char *text = equalize ? "fold-batchnorm, equalize" : "fold-batchnorm";

    return n ? mq_arena_printf(m->arena, "%s, smooth %zu (%.12s)", text, n, smoothed->digest) : text;
}

/* ---- ranges ------------------------------------------------------------------------------------------------------- */

static float largest_of(const mq_point *p)
{
    return fmaxf(p->hi, -p->lo);
}

static void bound_range(mq_point *p)
{
    p->lo = fminf(fmaxf(p->lo, p->bound_lo), 0);
    p->hi = fmaxf(fminf(p->hi, p->bound_hi), 0);
}

/* Values that a Clip has cut off stand in one bin at its bound. Divergence would spread them over the whole last step, and
 * leaves them out instead; but they are exact there. */
static void keep_bounds(mq_point *p, const mq_observer *o)
{
    if (isfinite(p->bound_lo) && o->min <= p->bound_lo)
        p->lo = fminf(p->bound_lo, 0);
    if (isfinite(p->bound_hi) && o->max >= p->bound_hi)
        p->hi = fmaxf(p->bound_hi, 0);
}

static void measure(mq_point *p, const mq_observer *o)
{
    double mse, power;

    mq_observer_error(o, &p->scheme, p->lo, p->hi, &mse, &power);
    p->n = o->n;
    p->n_clipped = mq_observer_clipped(o, p->lo, p->hi);
    if (power > 0)
        p->sqnr = mse > 0 ? 10 * log10(power / mse) : INFINITY;
}

/* The extremes of n samples are those of all that will come only when n is large: with the least error on the samples, and
 * little is lost by a wider step, much by clipping what was not seen. Measured on the models of docs/performance.md: from 4
 * to 64 samples gain 0.4 to 6 dB on others, 100 and more lose at most 0.2. The other methods mean what they say. */
static float margin_of(uint64_t samples, mq_calibration_method method)
{
    return method == MQ_CALIBRATE_MSE && samples ? 1 + 0.8f / sqrtf((float)samples) : 1;
}

/* Divergence is about what a network goes on to do with a tensor. What leaves it, or comes in, is to be near in numbers. */
static mq_calibration_method method_of(const mq_point *p, const mq_static_opts *o)
{
    return p->edge && o->method == MQ_CALIBRATE_ENTROPY ? MQ_CALIBRATE_MSE : o->method;
}

/* The range of a point by itself. */
static void find_range(mq_point *p, const mq_calibrated *c, uint64_t samples, const mq_static_opts *o)
{
    const mq_calibration_method method = method_of(p, o);
    const float margin = margin_of(samples, method);

    p->scheme = o->scheme;
    if (!c || (!c->has_range && c->observer.n == 0))
        return;
    if (c->has_range) {
        p->lo = c->lo;
        p->hi = c->hi;
    } else {
        mq_observer_range(&c->observer, method, o->percentile, &p->scheme, &p->lo, &p->hi);
        p->lo = fmaxf(p->lo * margin, -FLT_MAX);
        p->hi = fminf(p->hi * margin, FLT_MAX);
        bound_range(p);
        if (method == MQ_CALIBRATE_ENTROPY)
            keep_bounds(p, &c->observer);
    }
    mq_scheme_affine(&p->scheme, p->lo, p->hi, &p->scale, &p->zero_point);
    p->least = largest_of(p);
}

/* Whether the ranges of what is concatenated, and of what has a scale with it, are alike. */
static bool are_alike(const mq_placement *p, const mq_node *n, const mq_point *out)
{
    float largest = largest_of(out), least = out->least;

    for (size_t i = 0; i < n->n_inputs; i++) {
        mq_point *in = mq_placement_find(p, n->inputs[i]);
        if (!in || !(mq_point_root(in)->scale > 0))
            return false;
        largest = fmaxf(largest, largest_of(mq_point_root(in)));
        least = fminf(least, mq_point_root(in)->least);
    }
    return largest < ALIKE * least;
}

/* Between integers Softmax becomes an operator on them; ONNX Runtime's overflows where a step is much less than 1/256. */
static void keep_unit(const mq_placement *p, const mq_calibration *c, mq_point *pt)
{
    const mq_calibrated *seen = mq_calibration_find(c, pt->value->name);
    const mq_node *n = pt->value->producer;
    mq_point *in = n && mq_node_is(n, "", "Softmax") ? mq_placement_find(p, n->inputs[0]) : NULL;

    if (!in || !(pt->scale > 0) || mq_dtype_bits(pt->scheme.type) != 8 || (seen && seen->has_range))
        return;
    pt->lo = 0;
    pt->hi = 1;
    mq_scheme_affine(&pt->scheme, pt->lo, pt->hi, &pt->scale, &pt->zero_point);
    pt->least = 1;
}

/* Noise to signal of all tensors that have root's scale, added up, were its range lo..hi. */
static double shared_noise(const mq_placement *p, const mq_calibration *c, const mq_point *root, float lo, float hi)
{
    double sum = 0, mse, power;

    for (size_t i = 0; i < p->points.n; i++) {
        const mq_calibrated *seen = mq_calibration_find(c, p->points.items[i]->value->name);
        if (mq_point_root(p->points.items[i]) != root || !seen || !seen->observer.n)
            continue;
        mq_observer_error(&seen->observer, &root->scheme, lo, hi, &mse, &power);
        sum += power > 0 ? mse / power : 0;
    }
    return sum;
}

/* Joins what is concatenated when all ranges are alike. The range of the result was found for the values of all inputs, but
 * not for tensors elsewhere that have a scale with one of them: where these lose more by it, it grows. */
static void join_concat(const mq_placement *p, const mq_calibration *c, const mq_node *n)
{
    mq_point *at = mq_placement_find(p, n->outputs[0]), *out = at ? mq_point_root(at) : NULL;
    float lo, hi;

    if (!out || !(out->scale > 0) || !are_alike(p, n, out))
        return;
    lo = out->lo;
    hi = out->hi;
    for (size_t i = 0; i < n->n_inputs; i++) {
        mq_point *in = mq_point_root(mq_placement_find(p, n->inputs[i]));
        lo = in->n_others ? fminf(lo, in->lo) : lo;
        hi = in->n_others ? fmaxf(hi, in->hi) : hi;
        out->least = fminf(out->least, in->least);
        mq_point_join(in, out);
    }
    if ((lo < out->lo || hi > out->hi) && shared_noise(p, c, out, lo, hi) < shared_noise(p, c, out, out->lo, out->hi)) {
        out->lo = lo;
        out->hi = hi;
        mq_scheme_affine(&out->scheme, lo, hi, &out->scale, &out->zero_point);
    }
}

void mq_static_ranges(mq_placement *p, const mq_calibration *c, const mq_static_opts *o, size_t *n_unseen)
{
    *n_unseen = 0;
    for (size_t i = 0; i < p->points.n; i++)
        if (!p->points.items[i]->same)
            find_range(p->points.items[i], mq_calibration_find(c, p->points.items[i]->value->name), c->samples, o);
    for (size_t i = 0; i < p->points.n; i++)
        if (!p->points.items[i]->same)
            keep_unit(p, c, p->points.items[i]);
    for (size_t i = 0; i < p->concats.n; i++)
        join_concat(p, c, p->concats.items[i]);
    for (size_t i = 0; i < p->points.n; i++) {
        mq_point *pt = p->points.items[i], *root = mq_point_root(pt);
        const mq_calibrated *seen = mq_calibration_find(c, pt->value->name);
        pt->lo = root->lo;
        pt->hi = root->hi;
        pt->scheme = root->scheme;
        pt->scale = root->scale;
        pt->zero_point = root->zero_point;
        *n_unseen += !(pt->scale > 0);
        if (seen && seen->observer.n && pt->scale > 0)
            measure(pt, &seen->observer);
    }
}

/* ---- activations -------------------------------------------------------------------------------------------------- */

/* Scale and zero point as initializers, once per root. */
typedef struct params {
    mq_value *scale, *zero_point;
} params;

static params params_of(mq_emit *e, const mq_placement *p, const mq_point *pt, params *all)
{
    size_t at = mq_point_root((mq_point *)pt)->value->tag - 1;
    params *made = &all[at];
    int32_t zp = pt->zero_point;
    uint8_t bytes[2] = { (uint8_t)zp, (uint8_t)((uint32_t)zp >> 8) }; /* low byte first, as tensors are stored */

    if (!made->scale) {
        const char *base = p->points.items[at]->value->name;
        made->scale = mq_emit_const(e, base, "_scale", MQ_FLOAT, 0, NULL, &pt->scale);
        made->zero_point = mq_emit_const(e, base, "_zero_point", pt->scheme.type, 0, NULL, bytes);
    }
    return *made;
}

/* QuantizeLinear and DequantizeLinear before `before`. */
static void emit_pair(mq_emit *e, mq_node *before, const char *base, params by, mq_value *from, mq_value *to)
{
    mq_value *q = mq_emit_value(e, from->graph, base, "_quantized");
    mq_value *in[3] = { from, by.scale, by.zero_point }, *back[3] = { q, by.scale, by.zero_point };

    mq_emit_node(e, before, from->graph, "", "QuantizeLinear", base, in, 3, q);
    mq_emit_node(e, before, from->graph, "", "DequantizeLinear", base, back, 3, to);
}

/* Who reads v reads another value: v_dequantized. */
static mq_value *redirect_readers(mq_emit *e, mq_value *v)
{
    mq_value *to = mq_emit_value(e, v->graph, v->name, "_dequantized");

    for (size_t i = v->uses.n; to && e->rc == MQ_OK && i-- > 0;)
        e->rc = mq_use_redirect(v->uses.items[i], to, e->err);
    if (to)
        to->type = v->type;
    return to;
}

/* Layers that stay float read v itself: raw. */
static void read_raw(mq_emit *e, const mq_placement *p, const mq_value *v, mq_value *raw)
{
    for (size_t i = 0; i < p->raw_inputs.n && e->rc == MQ_OK; i++)
        if (p->raw_inputs.items[i].value == v)
            e->rc = mq_node_set_input(p->raw_inputs.items[i].node, p->raw_inputs.items[i].index, raw, e->err);
}

/* Readers of a graph input read what is dequantized. */
static void rewrite_input(mq_emit *e, const mq_placement *p, mq_value *v, params by)
{
    mq_value *to = redirect_readers(e, v);

    read_raw(e, p, v, v);
    if (to)
        emit_pair(e, v->graph->first, v->name, by, v, to);
}

/* An input or output that is the integers. */
static void rewrite_edge(mq_emit *e, const mq_point *pt, params by)
{
    mq_value *v = pt->value, *in[3] = { v, by.scale, by.zero_point }, *to = NULL, *from = NULL;
    mq_node *before = v->producer ? v->producer->next : v->graph->first, *producer = v->producer;
    const size_t at = v->producer_index;

    if (v->uses.n && !(to = redirect_readers(e, v)))
        return;
    if (producer && (from = mq_emit_value(e, v->graph, v->name, "_unquantized"))) {
        from->type = v->type;
        if ((e->rc = mq_node_set_output(producer, at, NULL, e->err)) == MQ_OK)
            e->rc = mq_node_set_output(producer, at, from, e->err);
    }
    if (e->rc == MQ_OK)
        e->rc = mq_value_retype(v, pt->scheme.type, e->err);
    if (from) {
        in[0] = from;
        mq_emit_node(e, before, v->graph, "", "QuantizeLinear", v->name, in, 3, v);
        in[0] = v;
    }
    if (to)
        mq_emit_node(e, before, v->graph, "", "DequantizeLinear", v->name, in, 3, to);
    if (e->rc == MQ_OK)
        e->rc = mq_edge_set(v, &(mq_edge){ pt->scale, pt->zero_point }, e->err);
}

static void rewrite_made(mq_emit *e, const mq_placement *p, mq_value *v, params by)
{
    mq_node *producer = v->producer;
    const size_t at = v->producer_index;
    mq_value *from = mq_emit_value(e, v->graph, v->name, "_unquantized");

    if (!from)
        return;
    from->type = v->type;
    if ((e->rc = mq_node_set_output(producer, at, NULL, e->err)) == MQ_OK &&
        (e->rc = mq_node_set_output(producer, at, from, e->err)) == MQ_OK)
        emit_pair(e, producer->next, v->name, by, from, v);
    read_raw(e, p, v, from);
}

/* ---- biases ------------------------------------------------------------------------------------------------------- */

/* The largest bias that leaves room for the sum that it is added to. */
#define BIAS_MAX 1073741823.0

static size_t scale_at(const mq_weight *w, size_t channel)
{
    return w->grid.n_scales == 1 ? 0 : channel;
}

/* b is n numbers: one per scale, or any number with one scale. */
static bool fits_bias(const mq_bias *b, const mq_tensor *t)
{
    const mq_weight *w = &b->item->weight;
    int64_t n = mq_tensor_count(t);

    if (!b->input || !(b->input->scale > 0) || n <= 0 || b->item->stay != MQ_STAY_NOT || w->grid.kind == MQ_PER_BLOCK)
        return false;
    for (int i = 0; i + 1 < t->n_dims; i++)
        if (t->dims[i] != 1)
            return false;
    return w->grid.n_scales == 1 || (size_t)n == w->grid.n_scales;
}

static float bias_at(const mq_bias *b, const mq_unaligned_f32 *values, size_t i)
{
    return values[i] + (b->shift ? b->shift[i] : 0);
}

/* A channel of tiny weights may have a bias beyond 32 bits: its scale grows until the bias fits. */
static mq_status widen_scales(const mq_bias *b, const mq_unaligned_f32 *values, size_t n, mq_weight *w, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n; i++) {
        double least = fabs((double)bias_at(b, values, i)) / (BIAS_MAX * (double)b->input->scale);
        const size_t at = scale_at(w, i);
        float *scale = &w->scales[at];
        if (!isfinite(least) || fabs((double)*scale) >= least)
            continue;
        *scale = mq_scheme_store(&w->scheme, *scale < 0 ? -least : least, w->zero_points[at]);
        if (w->rounded) /* for another scale */
            MQ_TRY(mq_weight_round_scale(w, at, err));
    }
done:
    return rc;
}

/* NULL: it stays as it is, or *rc. There is no integer for what is not finite. */
static const mq_unaligned_f32 *bias_values(const mq_bias *b, size_t *n, mq_error *err, mq_status *rc)
{
    mq_tensor *t = mq_value_constant(b->node->inputs[b->index], false);
    const mq_unaligned_f32 *values;
    const void *data;

    if (!t || !fits_bias(b, t) || (*rc = mq_tensor_bytes(t, &data, err)) != MQ_OK)
        return NULL;
    values = data;
    *n = (size_t)mq_tensor_count(t);
    for (size_t i = 0; i < *n; i++)
        if (!isfinite(values[i]))
            return NULL;
    return values;
}

static mq_status prepare_bias(const mq_bias *b, const mq_hooks *hooks, mq_error *err)
{
    mq_status rc = MQ_OK;
    size_t n;
    const mq_unaligned_f32 *values = bias_values(b, &n, err, &rc);

    if (!values)
        return rc;
    MQ_TRY(mq_weight_find_params(&b->item->weight, hooks, err));
    rc = widen_scales(b, values, n, &b->item->weight, err);
done:
    return rc;
}

static mq_status rewrite_bias(mq_emit *e, const mq_bias *b)
{
    const mq_weight *w = &b->item->weight;
    mq_value *v = b->node->inputs[b->index], *q, *scale, *out;
    size_t n, n_scales = w->grid.n_scales;
    const mq_unaligned_f32 *values = bias_values(b, &n, e->err, &e->rc);
    const mq_tensor *t = values ? mq_value_constant(v, false) : NULL;
    const int64_t dim = (int64_t)n_scales;
    int32_t *ints;
    float *scales;

    if (!values)
        return e->rc;
    ints = mq_arena_alloc(e->model->arena, n * sizeof *ints);
    scales = mq_arena_alloc(e->model->arena, n_scales * sizeof *scales);
    if (!ints || !scales)
        return mq_oom(e->err);
    for (size_t i = 0; i < n_scales; i++)
        scales[i] = b->input->scale * w->scales[i];
    for (size_t i = 0; i < n; i++) {
        double x = (double)bias_at(b, values, i) / (double)scales[n_scales == 1 ? 0 : i];
        ints[i] = isfinite(x) ? (int32_t)rint(fmin(fmax(x, -BIAS_MAX), BIAS_MAX)) : 0;
    }
    e->graph = v->graph;
    q = mq_emit_const(e, v->name, "_quantized", MQ_INT32, t->n_dims, t->dims, ints);
    scale = mq_emit_const(e, v->name, "_scale", MQ_FLOAT, n_scales == 1 ? 0 : 1, &dim, scales);
    out = mq_emit_value(e, b->node->graph, v->name, "_dequantized");
    {
        mq_value *in[2] = { q, scale };
        mq_node *dq = mq_emit_node(e, b->node, b->node->graph, "", "DequantizeLinear", v->name, in, 2, out);
        if (dq && n_scales > 1)
            mq_emit_attr_int(e, dq, "axis", t->n_dims - 1);
    }
    if (e->rc == MQ_OK)
        e->rc = mq_node_set_input(b->node, b->index, out, e->err);
    return e->rc;
}

/* ---- bias correction ---------------------------------------------------------------------------------------------- */

/* The weight as its integers have it: element `index`, which is x. */
static double rounded(const mq_weight *w, size_t row, size_t index, double x)
{
    const size_t at = scale_at(w, row);
    const double q = w->rounded ? mq_weight_integer(w, index) : rint(x / (double)w->scales[at]) + w->zero_points[at];

    return (fmin(fmax(q, w->scheme.q_min), w->scheme.q_max) - w->zero_points[at]) * (double)w->scales[at];
}

static mq_status correct(mq_bias *b, const mq_channels *seen, mq_error *err)
{
    const mq_point *p = b->input;
    const double lo = (double)p->scale * (p->scheme.q_min - p->zero_point);
    const double hi = (double)p->scale * (p->scheme.q_max - p->zero_point);
    mq_layer l;
    float *w = NULL;
    mq_status rc = MQ_OK;

    if (!mq_layer_read(b->node, &l) || mq_node_is(b->node, "", "MatMul") || l.cols != (int64_t)seen->n || !seen->count)
        return MQ_OK;
    if (!(b->shift = mq_arena_alloc(b->node->graph->model->arena, ((size_t)l.rows + 1) * sizeof *b->shift)))
        return mq_oom(err);
    MQ_TRY(mq_layer_constant(b->node, 1, &w, err));
    for (int64_t r = 0; r < l.rows; r++) {
        const int64_t first = r / l.group_rows * l.group_cols;
        double moved = 0;
        for (int64_t c = 0; c < l.group_cols; c++) {
            const size_t place = mq_layer_place(&l, r, c);
            const double x = seen->sum[first + c] / (double)seen->count;
            const double q = mq_channels_clipped_mean(seen, (size_t)(first + c), lo, hi);
            for (int64_t k = 0; k < l.inner; k++)
                moved += rounded(&b->item->weight, (size_t)r, place + (size_t)k, (double)w[place + (size_t)k]) * q -
                         (double)w[place + (size_t)k] * x;
        }
        b->shift[r] = isfinite(moved) ? (float)-moved : 0;
    }
done:
    free(w);
    return rc;
}

mq_status mq_static_correct(mq_placement *p, const mq_channel_table *seen, const mq_hooks *hooks, size_t *n_corrected,
                            mq_error *err)
{
    mq_status rc = MQ_OK;

    *n_corrected = 0;
    for (size_t i = 0; i < p->biases.n; i++) {
        mq_bias *b = &p->biases.items[i];
        const mq_channels *c = b->input ? mq_channel_table_find(seen, b->input->value->name) : NULL;
        size_t n;
        if (!c || c->axis != mq_layer_axis(b->node) || !bias_values(b, &n, err, &rc)) {
            MQ_TRY(rc);
            continue;
        }
        MQ_TRY(mq_weight_find_params(&b->item->weight, hooks, err));
        MQ_TRY(correct(b, c, err));
        *n_corrected += b->shift != NULL;
    }
done:
    return rc;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static mq_status rewrite_biases(mq_placement *p, mq_emit *e, const mq_hooks *hooks)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < p->biases.n; i++) /* all before the first is written: they may share a weight */
        MQ_TRY(prepare_bias(&p->biases.items[i], hooks, e->err));
    for (size_t i = 0; i < p->biases.n; i++) {
        mq_value *v = p->biases.items[i].node->inputs[p->biases.items[i].index];
        MQ_TRY(rewrite_bias(e, &p->biases.items[i]));
        mq_emit_drop_constant(v);
    }
done:
    return rc;
}

static mq_status rewrite_points(mq_placement *p, mq_emit *e, params *all)
{
    for (size_t i = 0; i < p->points.n && e->rc == MQ_OK; i++) {
        const mq_point *pt = p->points.items[i];
        params by;
        if (!(pt->scale > 0) && pt->edge)
            return mq_fail(e->err, MQ_ERR_UNSUPPORTED, "--io-type: '%s' had no value during calibration: it cannot become "
                           "integers", pt->value->name);
        if (!(pt->scale > 0))
            continue;
        by = params_of(e, p, pt, all);
        if (e->rc == MQ_OK && pt->edge)
            rewrite_edge(e, pt, by);
        else if (e->rc == MQ_OK && pt->value->producer)
            rewrite_made(e, p, pt->value, by);
        else if (e->rc == MQ_OK)
            rewrite_input(e, p, pt->value, by);
    }
    return e->rc;
}

mq_status mq_static_rewrite(mq_placement *p, mq_quant_plan *plan, const mq_static_opts *o, const mq_hooks *hooks,
                            mq_error *err)
{
    mq_emit e = { .model = plan->model, .graph = plan->model->graph, .err = err };
    params *all = calloc(p->points.n + 1, sizeof *all);
    mq_status rc = all ? MQ_OK : mq_oom(err);

    if (rc == MQ_OK && !o->float_bias)
        rc = rewrite_biases(p, &e, hooks);
    e.graph = plan->model->graph;
    if (rc == MQ_OK)
        rc = rewrite_points(p, &e, all);
    free(all);
    return rc;
}
