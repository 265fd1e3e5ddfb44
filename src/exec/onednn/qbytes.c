/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Bytes of images whose channels lie last, as the library's integer convolutions hand them on: QLinearConcat and Concat of
 * channels (the library's own takes several times as long),
 * averages over whole images (QLinearGlobalAveragePool, QLinearAveragePool), QuantizeLinear and DequantizeLinear with one
 * scale, BatchNormalization of the floats between those, and mq::Lookup in any order without padding. The same arithmetic
 * as the reference kernels, which have these from plain memory. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "exec/onednn/kernels.h"
#include "exec/ref/pool.h"
#include "exec/ref/quant_lanes.h"
#include "ops/lookup.h"

#define PIECE 16384 /* bytes that a thread takes at a time */

typedef struct bytes_state {
    const void *layout; /* the result's */
    size_t bytes;
    int64_t dims[MQ_MAX_RANK];
    int threads;
    size_t first, each; /* of a concatenation: where the first tensor is, and inputs per tensor */
} bytes_state;

/* Describes an image of these dims with channels last. */
static bool last_desc(mq_dn_desc *d, mq_dtype dtype, int rank, const int64_t *dims)
{
    int64_t image[MQ_MAX_RANK], strides[MQ_MAX_RANK], step;
    const int n = mq_dn_image_dims(rank, dims, image);

    step = image[1];
    for (int k = n - 1; k > 1; k--) {
        strides[k] = step;
        step *= image[k];
    }
    strides[1] = 1;
    strides[0] = step;
    return mq_dn_strided(d, dtype, n, image, strides);
}

static bool has_channels_last(const mq_array *a)
{
    mq_dn_desc want, have;

    return a->kind == MQ_TYPE_TENSOR && a->layout && a->rank >= 3 && a->rank <= 5 && a->count &&
           last_desc(&want, a->dtype, a->rank, a->dims) && mq_dn_of_image(&have, a) && mq_dn_same(&want, &have);
}

static bool is_one(const mq_call *c, size_t i, mq_dtype dtype)
{
    return i < c->n_in && c->in[i] && c->in[i]->kind == MQ_TYPE_TENSOR && c->in[i]->dtype == dtype && c->in[i]->count == 1;
}

static bool is_grid(const mq_call *c, size_t i, mq_dtype dtype)
{
    return is_one(c, i, MQ_FLOAT) && (is_one(c, i + 1, dtype) || i + 1 >= c->n_in || !c->in[i + 1]);
}

static float scale_at(const mq_call *c, size_t i)
{
    return (float)mq_array_f64(c->in[i], 0);
}

static int32_t zero_at(const mq_call *c, size_t i)
{
    return i < c->n_in && c->in[i] ? (int32_t)mq_array_i64(c->in[i], 0) : 0;
}

/* ---- Concat, QLinearConcat ---------------------------------------------------------------------------------------- */

/* The result's scale and zero point, then tensor, scale and zero point of each. */
enum { QLINEAR_FIRST = 2, QLINEAR_EACH = 3 };

static bool has_grids(const bytes_state *s)
{
    return s->each == QLINEAR_EACH;
}

static mq_status concat_run(mq_call *c, void *state)
{
    const bytes_state *s = state;
    const mq_array *first = c->in[s->first];
    const int64_t channels = s->dims[1], points = (int64_t)s->bytes / channels;
    uint8_t *y = NULL, table[MQ_LOOKUP_SIZE];
    int64_t at = 0;
    mq_status rc;

    MQ_TRY(mq_call_out_layout(c, 0, first->dtype, first->rank, s->dims, s->layout, s->bytes, (void **)&y));
    for (int i = 0; i < MQ_LOOKUP_SIZE; i++)
        table[i] = (uint8_t)i;
    for (size_t i = s->first; i < c->n_in; i += s->each) {
        const uint8_t *x = c->in[i]->data;
        const int64_t n = c->in[i]->dims[1];
        if (has_grids(s))
            mq_i8_regrid(first->dtype, scale_at(c, i + 1), zero_at(c, i + 2), scale_at(c, 0), zero_at(c, 1), table);
#pragma omp parallel for num_threads(s->threads) schedule(static) if (s->threads > 1)
        for (int64_t k = 0; k < s->threads; k++) {
            const int64_t from = points * k / s->threads, to = points * (k + 1) / s->threads;
            mq_i8_look_up_rows(table, x + from * n, to - from, n, y + from * channels + at, channels);
        }
        at += n;
    }
done:
    return rc;
}

/* All inputs with channels last, of one type and but for the channels of one shape. */
static bool concat_fits(const mq_call *c, bytes_state *s)
{
    const bool whole = c->n_in >= s->first + s->each && (c->n_in - s->first) % s->each == 0;
    const mq_array *first = whole ? c->in[s->first] : NULL;
    const int64_t axis = mq_node_attr_int(c->node, "axis", 0);

    if (!first || !mq_is_i8(first) || !has_channels_last(first) || (axis != 1 && axis != 1 - first->rank) ||
        (has_grids(s) && !is_grid(c, 0, first->dtype)))
        return false;
    memcpy(s->dims, first->dims, sizeof first->dims);
    s->dims[1] = 0;
    for (size_t i = s->first; i < c->n_in; i += s->each) {
        const mq_array *a = c->in[i];

        if (!a || !has_channels_last(a) || !mq_dn_joins(a, first, 1) || (has_grids(s) && !is_grid(c, i + 1, a->dtype)))
            return false;
        s->dims[1] += a->dims[1];
    }
    return true;
}

static mq_status concat_prepare(mq_call *c, void **state)
{
    const bool plain = mq_node_is(c->node, "", "Concat");
    bytes_state s = { .first = plain ? 0 : QLINEAR_FIRST, .each = plain ? 1 : QLINEAR_EACH }, *kept;
    mq_dn_desc made;

    if (!mq_call_readers_take_layout(c, 0) || !concat_fits(c, &s) ||
        !last_desc(&made, c->in[s.first]->dtype, c->in[s.first]->rank, s.dims))
        return MQ_OK;
    s.bytes = mq_dn_bytes(&made);
    s.threads = mq_dn_threads_bytes(c, 2 * (double)s.bytes);
    if (!(s.layout = mq_call_layout(c, &made, sizeof made)))
        return MQ_ERR_NOMEM;
    if (!(kept = malloc(sizeof *kept)))
        return mq_oom(c->err);
    *kept = s;
    *state = kept;
    return MQ_OK;
}

/* ---- averages over images ----------------------------------------------------------------------------------------- */

static mq_status average_run(mq_call *c, void *state)
{
    const bytes_state *s = state;
    const mq_array *x = c->in[0];
    const int64_t channels = x->dims[1], points = (int64_t)x->count / (x->dims[0] * channels);
    const mq_i8_mean mean = mq_i8_mean_of(scale_at(c, 1), zero_at(c, 2), scale_at(c, 3), points);
    int32_t *sums = mq_call_scratch(c, (size_t)channels * sizeof *sums);
    float *v = mq_call_scratch(c, (size_t)channels * sizeof *v);
    uint8_t *y = NULL;
    mq_status rc;

    if (!sums || !v)
        return MQ_ERR_NOMEM;
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, s->dims, (void **)&y));
    for (int64_t image = 0; image < x->dims[0]; image++) {
        mq_i8_column_sums(x->dtype, (const char *)x->data + image * points * channels, points, channels, sums);
        for (int64_t k = 0; k < channels; k++)
            v[k] = mq_i8_mean_step(&mean, sums[k]);
        mq_i8_quantize(v, channels, 1, zero_at(c, 4), x->dtype, y + image * channels);
    }
done:
    return rc;
}

static mq_status average_prepare(mq_call *c, void **state, bool window)
{
    const mq_array *x = c->n_in >= 4 ? c->in[0] : NULL;
    int64_t dims[MQ_MAX_RANK];
    bytes_state *s;
    mq_window w;

    if (!x || !mq_is_i8(x) || !has_channels_last(x) || mq_node_attr_int(c->node, "channels_last", 0) ||
        !is_grid(c, 1, x->dtype) ||
        !is_grid(c, 3, x->dtype) || (int64_t)x->count / (x->dims[0] * x->dims[1]) > INT32_MAX / 512 ||
        (window && (mq_pool_shape(c, x, &w, dims) != MQ_OK || !mq_window_covers(&w))))
        return MQ_OK;
    if (!(s = calloc(1, sizeof *s)))
        return mq_oom(c->err);
    for (int d = 0; d < x->rank; d++)
        s->dims[d] = d < 2 ? x->dims[d] : 1;
    *state = s;
    return MQ_OK;
}

static mq_status whole_prepare(mq_call *c, void **state)
{
    return average_prepare(c, state, false);
}

static mq_status window_prepare(mq_call *c, void **state)
{
    return average_prepare(c, state, true);
}

/* ---- QuantizeLinear, DequantizeLinear ----------------------------------------------------------------------------- */

static mq_status convert_run(mq_call *c, void *state)
{
    const bytes_state *s = state;
    const mq_array *x = c->in[0];
    const int64_t n = (int64_t)x->count, pieces = (n + PIECE - 1) / PIECE;
    const float scale = scale_at(c, 1);
    const int32_t zero = zero_at(c, 2);
    const mq_dtype type = x->dtype != MQ_FLOAT ? MQ_FLOAT : c->n_in > 2 && c->in[2] ? c->in[2]->dtype : MQ_UINT8;
    char *y = NULL;
    mq_status rc;

    MQ_TRY(mq_call_out_layout(c, 0, type, x->rank, x->dims, s->layout, s->bytes, (void **)&y));
#pragma omp parallel for num_threads(s->threads) schedule(static) if (s->threads > 1)
    for (int64_t k = 0; k < pieces; k++) {
        const int64_t at = k * PIECE, left = n - at, m = left < PIECE ? left : PIECE;
        if (type == MQ_FLOAT)
            mq_i8_dequantize(x->dtype, (const char *)x->data + at, m, scale, zero, (float *)(void *)y + at);
        else
            mq_i8_quantize((const float *)x->data + at, m, scale, zero, type, y + at);
    }
done:
    return rc;
}

static mq_status convert_prepare(mq_call *c, void **state, mq_dtype from, mq_dtype to)
{
    const mq_array *x = c->in[0];
    bytes_state *s;
    mq_dn_desc made;

    if (!mq_call_readers_take_layout(c, 0) || x->dtype != from || !has_channels_last(x) || !is_one(c, 1, MQ_FLOAT) ||
        c->in[1]->rank > 1 || mq_node_attr_int(c->node, "block_size", 0) || mq_node_attr_int(c->node, "output_dtype", 0) ||
        mq_node_attr_int(c->node, "precision", 0) || !last_desc(&made, to, x->rank, x->dims))
        return MQ_OK;
    if (!(s = calloc(1, sizeof *s)))
        return mq_oom(c->err);
    s->bytes = mq_dn_bytes(&made);
    s->threads = mq_dn_threads_bytes(c, 5 * (double)x->count);
    if (!(s->layout = mq_call_layout(c, &made, sizeof made))) {
        free(s);
        return MQ_ERR_NOMEM;
    }
    *state = s;
    return MQ_OK;
}

static mq_status quantize_prepare(mq_call *c, void **state)
{
    const mq_array *zero = c->n_in > 2 ? c->in[2] : NULL;

    if (c->n_in < 2 || !c->in[0] || (zero && (!mq_is_i8(zero) || zero->count != 1)))
        return MQ_OK;
    return convert_prepare(c, state, MQ_FLOAT, zero ? zero->dtype : MQ_UINT8);
}

static mq_status dequantize_prepare(mq_call *c, void **state)
{
    if (c->n_in < 2 || !c->in[0] || !mq_is_i8(c->in[0]) || !is_grid(c, 1, c->in[0]->dtype))
        return MQ_OK;
    return convert_prepare(c, state, c->in[0]->dtype, MQ_FLOAT);
}

/* ---- BatchNormalization ------------------------------------------------------------------------------------------- */

enum { X, BN_SCALE, BN_BIAS, BN_MEAN, BN_VAR, BN_INPUTS };
#define RUN 256 /* elements, at least, that are made in one go */

MQ_CLONES(void, normalize, (const float *restrict x, int64_t n, const float *restrict mean, const float *restrict factor,
                            const float *restrict shift, float *restrict y), (x, n, mean, factor, shift, y))
{
    for (int64_t i = 0; i < n; i++)
        y[i] = (x[i] - mean[i]) * factor[i] + shift[i];
}

/* Mean, factor and shift of every channel, again and again: `all` has room for n of each. */
static void read_statistics(const mq_call *c, int64_t channels, int64_t n, float *all)
{
    const double eps = (double)mq_node_attr_float(c->node, "epsilon", 1e-5f);

    for (int64_t i = 0; i < channels; i++) {
        all[i] = (float)mq_array_f64(c->in[BN_MEAN], (size_t)i);
        all[n + i] = (float)(mq_array_f64(c->in[BN_SCALE], (size_t)i) / sqrt(mq_array_f64(c->in[BN_VAR], (size_t)i) + eps));
        all[2 * n + i] = (float)mq_array_f64(c->in[BN_BIAS], (size_t)i);
    }
    for (int k = 0; k < 3; k++)
        for (int64_t i = channels; i < n; i++)
            all[k * n + i] = all[k * n + i - channels];
}

static mq_status normalize_run(mq_call *c, void *state)
{
    const bytes_state *s = state;
    const mq_array *x = c->in[X];
    const int64_t channels = x->dims[1], count = (int64_t)x->count, n = (RUN + channels - 1) / channels * channels;
    float *all = mq_call_scratch(c, (size_t)n * 3 * sizeof *all), *y = NULL;
    mq_status rc;

    if (!all)
        return MQ_ERR_NOMEM;
    read_statistics(c, channels, n, all);
    MQ_TRY(mq_call_out_layout(c, 0, MQ_FLOAT, x->rank, x->dims, x->layout, s->bytes, (void **)&y));
#pragma omp parallel for num_threads(s->threads) schedule(static) if (s->threads > 1)
    for (int64_t at = 0; at < count; at += n)
        normalize((const float *)x->data + at, count - at < n ? count - at : n, all, all + n, all + 2 * n, y + at);
done:
    return rc;
}

static mq_status normalize_prepare(mq_call *c, void **state)
{
    const mq_array *x = c->n_in == BN_INPUTS ? c->in[X] : NULL;
    bytes_state *s;

    if (!x || x->dtype != MQ_FLOAT || !has_channels_last(x) || !mq_call_readers_take_layout(c, 0) ||
        !mq_dn_inputs_are(c, (1 << BN_INPUTS) - 1, MQ_FLOAT) || mq_call_wants(c, 1) ||
        mq_node_attr_int(c->node, "training_mode", 0))
        return MQ_OK;
    for (size_t i = BN_SCALE; i < BN_INPUTS; i++)
        if (c->in[i]->rank != 1 || c->in[i]->dims[0] != x->dims[1])
            return MQ_OK;
    if (!(s = calloc(1, sizeof *s)))
        return mq_oom(c->err);
    s->bytes = x->count * sizeof(float);
    s->threads = mq_dn_threads_bytes(c, 2 * (double)s->bytes);
    *state = s;
    return MQ_OK;
}

/* ---- mq::Lookup --------------------------------------------------------------------------------------------------- */

static mq_status lookup_run(mq_call *c, void *state)
{
    const bytes_state *s = state;
    const mq_array *x = c->in[0], *table = c->in[1];
    const int64_t n = (int64_t)s->bytes, pieces = (n + PIECE - 1) / PIECE;
    uint8_t *y = NULL;
    mq_status rc;

    MQ_TRY(mq_call_out_layout(c, 0, table->dtype, x->rank, x->dims, s->layout, s->bytes, (void **)&y));
#pragma omp parallel for num_threads(s->threads) schedule(static) if (s->threads > 1)
    for (int64_t k = 0; k < pieces; k++) {
        const int64_t at = k * PIECE, left = n - at;
        mq_i8_look_up(table->data, (const uint8_t *)x->data + at, left < PIECE ? left : PIECE, y + at);
    }
done:
    return rc;
}

/* The result has the input's order, and its own type: only int8 from int8 and uint8 from uint8 have one description. */
static mq_status lookup_prepare(mq_call *c, void **state)
{
    const mq_array *x = c->in[0], *table = c->in[1];
    mq_dn_desc d;
    bytes_state *s;

    if (!x || !x->layout || !mq_is_i8(x) || !table || table->dtype != x->dtype || table->count != MQ_LOOKUP_SIZE ||
        !mq_call_readers_take_layout(c, 0) || !mq_dn_of_image(&d, x) || mq_dn_is_padded(&d))
        return MQ_OK;
    if (!(s = calloc(1, sizeof *s)))
        return mq_oom(c->err);
    s->layout = x->layout;
    s->bytes = mq_dn_bytes(&d);
    s->threads = mq_dn_threads_bytes(c, 2 * (double)s->bytes);
    *state = s;
    return MQ_OK;
}

const mq_fast mq_dn_qbytes_rows[] = {
    /* inputs 2, 5, 8 ... 29 */
    { "com.microsoft", "QLinearConcat", "onednn:qconcat", concat_prepare, concat_run, free, 0x24924924 },
    { "", "Concat", "onednn:qconcat", concat_prepare, concat_run, free, 0xffffffff },
    { "com.microsoft", "QLinearGlobalAveragePool", "onednn:qaverage", whole_prepare, average_run, free, 1 },
    { "com.microsoft", "QLinearAveragePool", "onednn:qaverage", window_prepare, average_run, free, 1 },
    { "", "QuantizeLinear", "onednn:quantize", quantize_prepare, convert_run, free, 1 },
    { "", "DequantizeLinear", "onednn:dequantize", dequantize_prepare, convert_run, free, 1 },
    { "", "BatchNormalization", "onednn:normalize", normalize_prepare, normalize_run, free, 1 },
    { MQ_LOOKUP_DOMAIN, MQ_LOOKUP_OP, "onednn:lookup", lookup_prepare, lookup_run, free, 1 },
    { 0 },
};
