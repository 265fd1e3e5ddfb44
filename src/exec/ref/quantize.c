/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* QuantizeLinear, DequantizeLinear (per tensor, per axis, blocked; all types) and DynamicQuantizeLinear.
 *
 * Whatever the granularity, the data are walked as runs: stretches with one scale, or with a scale for each element.
 * Scales and zero points are floats while they are used, which all their types fit in. Halves are rounded to even;
 * NaN becomes the least quantized value. */
#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/lanes.h"
#include "exec/ref/quant_lanes.h"
#include "exec/ref/vmath_lane.h"

#define BLOCK 512

/* ---- granularity ------------------------------------------------------------------------------------------------- */

typedef struct runs {
    int64_t count;              /* of runs */
    int64_t outer, axis, inner; /* the data's shape around the axis; WHOLE: outer is all */
    int64_t block, n_blocks;    /* WHOLE: block is the size of a piece */
    enum {
        WHOLE,
        ROWS,         /* along an axis that is not the last: one scale for `inner` elements */
        VECTORS,      /* along the last axis: a scale for each */
        BLOCKS,       /* of the last axis: one scale for a block, the last of which may be short */
        BLOCK_VECTORS /* of another: a scale for each of `inner` elements, the same for the rows of a block */
    } how;
} runs;

typedef struct run {
    int64_t from, n; /* elements */
    int64_t scale;   /* index of the first one's scale */
    int64_t step;    /* 1: every element has its own, one after the other; 0: one for all */
} run;

static run run_at(const runs *g, int64_t r)
{
    switch (g->how) {
    case ROWS:
        return (run){ r * g->inner, g->inner, r % g->axis, 0 };
    case VECTORS:
        return (run){ r * g->axis, g->axis, 0, 1 };
    case BLOCKS: {
        const int64_t b = r % g->n_blocks, at = b * g->block;
        return (run){ r / g->n_blocks * g->axis + at, g->axis - at < g->block ? g->axis - at : g->block, r, 0 };
    }
    case BLOCK_VECTORS:
        return (run){ r * g->inner, g->inner, (r / g->axis * g->n_blocks + r % g->axis / g->block) * g->inner, 1 };
    default: /* pieces of everything */
        return (run){ r * g->block, g->outer - r * g->block < g->block ? g->outer - r * g->block : g->block, 0, 0 };
    }
}

/* With one scale: only cut, for threads. */
static runs in_pieces(int64_t n)
{
    const int64_t piece = 1 << 15;

    return (runs){ .how = WHOLE, .outer = n, .block = piece, .count = (n + piece - 1) / piece };
}

static mq_status check_blocks(mq_call *c, const mq_array *x, const mq_array *s, int axis, int64_t block)
{
    for (int i = 0; i < x->rank; i++) {
        const int64_t want = i == axis ? x->dims[i] / block + (x->dims[i] % block != 0) : x->dims[i];

        if (s->dims[i] != want)
            return mq_call_fail(c, "the scale has %lld entries along axis %d, blocks of %lld need %lld",
                                (long long)s->dims[i], i, (long long)block, (long long)want);
    }
    return MQ_OK;
}

/* How x is walked with the scales of input 1. */
static mq_status plan_runs(mq_call *c, runs *g)
{
    const mq_array *x = c->in[0], *s = c->in[1];
    const int64_t block = mq_node_attr_int(c->node, "block_size", 0);
    int axis;
    mq_status rc = MQ_OK;

    *g = in_pieces((int64_t)x->count);
    if (block < 0)
        return mq_call_fail(c, "attribute 'block_size' is %lld, it must not be negative", (long long)block);
    if (s->count == 1 && s->rank <= 1) /* one entry is taken as a scalar by every runtime */
        return MQ_OK;
    if (s->rank != (block ? x->rank : 1))
        return mq_call_fail(c, "the scale has rank %d, it must be %d", s->rank, block ? x->rank : 1);
    MQ_TRY(mq_call_axis(c, x->rank == 1 ? 0 : mq_node_attr_int(c->node, "axis", 1), x->rank, &axis));
    if (block)
        MQ_TRY(check_blocks(c, x, s, axis, block));
    else if (s->dims[0] != x->dims[axis])
        return mq_call_fail(c, "the scale has %lld entries, axis %d has %lld", (long long)s->dims[0], axis,
                            (long long)x->dims[axis]);
    if (x->count == 0)
        return MQ_OK;
    g->outer = mq_span(x->dims, 0, axis);
    g->axis = x->dims[axis];
    g->inner = mq_span(x->dims, axis + 1, x->rank);
    g->block = block;
    g->n_blocks = block ? s->dims[axis] : 0;
    g->how = block ? (g->inner == 1 ? BLOCKS : BLOCK_VECTORS) : g->inner == 1 ? VECTORS : ROWS;
    g->count = g->how == BLOCKS ? g->outer * g->n_blocks : g->how == VECTORS ? g->outer : g->outer * g->axis;
done:
    return rc;
}

/* Input i, which must have as many elements as the scales, as floats that live until the kernel returns; NULL when
 * absent. */
static mq_status as_floats(mq_call *c, size_t i, const float **out)
{
    const mq_array *a = i < c->n_in && mq_call_has(c, i) ? c->in[i] : NULL;
    float *f;

    *out = NULL;
    if (!a)
        return MQ_OK;
    if (a->count != c->in[1]->count)
        return mq_call_fail(c, "there are %zu scales and %zu zero points", c->in[1]->count, a->count);
    f = mq_call_scratch(c, a->count * sizeof *f + 1);
    if (!f)
        return MQ_ERR_NOMEM;
    mq_dtype_to_f32(a->dtype, a->data, 0, a->count, f);
    *out = f;
    return MQ_OK;
}

/* ---- DequantizeLinear -------------------------------------------------------------------------------------------- */

/* (x - zero) scale; step as in a run, in multiples of one element. */
MQ_CLONES(void, scale_up, (int64_t n, float *x, const float *scale, const float *zero, int64_t step),
          (n, x, scale, zero, step))
{
    if (step) {
        for (int64_t i = 0; i < n; i++)
            x[i] = (x[i] - zero[i]) * scale[i];
    } else {
        const float s = *scale, z = *zero;
        for (int64_t i = 0; i < n; i++)
            x[i] = (x[i] - z) * s;
    }
}

typedef struct dequantizer {
    const mq_array *x;
    mq_dtype to;
    const float *scale, *zero;
    bool is_i8; /* and so are its zero points */
    void *out;
} dequantizer;

static void dequantize_run(const dequantizer *d, run r)
{
    static const float none[BLOCK];
    float block[BLOCK];

    for (int64_t at = 0; at < r.n; at += BLOCK) {
        const int64_t n = r.n - at < BLOCK ? r.n - at : BLOCK, from = r.from + at, k = r.scale + at * r.step;
        float *y = d->to == MQ_FLOAT ? (float *)d->out + from : block;

        if (r.step == 0 && d->is_i8) {
            mq_i8_dequantize(d->x->dtype, (const char *)d->x->data + from, n, d->scale[k],
                             d->zero ? (int32_t)d->zero[k] : 0, y);
        } else {
            mq_dtype_to_f32(d->x->dtype, d->x->data, (uint64_t)from, (uint64_t)n, y);
            scale_up(n, y, d->scale + k, d->zero ? d->zero + k : none, r.step);
        }
        if (y == block)
            mq_dtype_from_f32(d->to, block, (uint64_t)n, (char *)d->out + from * (mq_dtype_bits(d->to) / 8), true);
    }
}

static mq_status op_dequantize(mq_call *c)
{
    dequantizer d = { 0 };
    int64_t to;
    runs g;
    int threads;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    to = mq_node_attr_int(c->node, "output_dtype", 0);
    d.x = c->in[0];
    d.to = to ? (mq_dtype)to : c->in[1]->dtype == MQ_FLOAT8E8M0 ? MQ_FLOAT : c->in[1]->dtype;
    if (to < 0 || to >= MQ_N_DTYPES || (d.to != MQ_FLOAT && d.to != MQ_FLOAT16 && d.to != MQ_BFLOAT16 && d.to != MQ_DOUBLE))
        return mq_call_fail(c, "the result would be %s, it must be float, float16 or bfloat16", mq_dtype_name(d.to));
    MQ_TRY(plan_runs(c, &g));
    MQ_TRY(as_floats(c, 1, &d.scale));
    MQ_TRY(as_floats(c, 2, &d.zero));
    d.is_i8 = mq_is_i8(d.x) && (!d.zero || c->in[2]->dtype == d.x->dtype);
    MQ_TRY(mq_call_out(c, 0, d.to, d.x->rank, d.x->dims, &d.out));
    if (!d.out)
        return MQ_OK;
    threads = mq_call_threads(c, (int64_t)d.x->count);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t r = 0; r < g.count; r++)
        dequantize_run(&d, run_at(&g, r));
done:
    return rc;
}

/* ---- QuantizeLinear ---------------------------------------------------------------------------------------------- */

/* q to the nearest integer, plus zero, within [low, high]. Adding 1.5 * 2^23 rounds, and leaves the integer in the
 * low bits. */
MQ_INLINE int32_t quantum(float q, float zero, float low, float high)
{
    q = mq_lane_select(mq_bits_mask(q >= low - zero), q, low - zero); /* NaN too */
    q = mq_lane_at_most(q, high - zero);
    return (int32_t)(mq_bits_of(q + 0x1.8p23f) - 0x4b400000u) + (int32_t)zero;
}

#define QUANTA(name, T)                                                                                           \
    MQ_CLONES(void, name, (int64_t n, const float *q, const float *zero, int64_t step, float low, float high,     \
                           T *restrict out), (n, q, zero, step, low, high, out))                                  \
    {                                                                                                             \
        if (step) {                                                                                               \
            for (int64_t i = 0; i < n; i++)                                                                       \
                out[i] = (T)quantum(q[i], zero[i], low, high);                                                    \
        } else {                                                                                                  \
            const float z = *zero;                                                                                \
            for (int64_t i = 0; i < n; i++)                                                                       \
                out[i] = (T)quantum(q[i], z, low, high);                                                          \
        }                                                                                                         \
    }
QUANTA(quanta_8, uint8_t)
QUANTA(quanta_16, uint16_t)

MQ_CLONES(void, divide, (int64_t n, const float *x, const float *restrict scale, int64_t step, float *out),
          (n, x, scale, step, out))
{
    if (step) {
        for (int64_t i = 0; i < n; i++)
            out[i] = x[i] / scale[i];
    } else {
        const float s = *scale;
        for (int64_t i = 0; i < n; i++)
            out[i] = x[i] / s;
    }
}

typedef struct quantizer {
    const mq_array *x;
    mq_dtype to, precision; /* of the division */
    bool saturate;
    float low, high;
    const float *scale, *zero; /* in the precision of the division */
    uint8_t *out;              /* one element to a byte for types under 8 bits */
} quantizer;

/* Both operands rounded to the precision, and the quotient too: for 16 bits that of floats is exact enough to be
 * rounded. */
static void quotients(const quantizer *q, int64_t from, int64_t n, const float *scale, int64_t step, float *out)
{
    uint16_t half[BLOCK];

    if (q->precision == MQ_DOUBLE) {
        for (int64_t i = 0; i < n; i++)
            out[i] = mq_f32_to_odd(mq_array_f64(q->x, (size_t)(from + i)) / (double)scale[i * step]);
        return;
    }
    if (q->x->dtype == MQ_FLOAT && q->precision == MQ_FLOAT) {
        divide(n, (const float *)q->x->data + from, scale, step, out);
        return;
    }
    mq_dtype_to_f32(q->x->dtype, q->x->data, (uint64_t)from, (uint64_t)n, out);
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1)
            divide(n, out, scale, step, out);
        if (q->precision != MQ_FLOAT) {
            mq_dtype_from_f32(q->precision, out, (uint64_t)n, half, true);
            mq_dtype_to_f32(q->precision, half, 0, (uint64_t)n, out);
        }
    }
}

static void quantize_run(const quantizer *q, run r)
{
    static const float none[BLOCK];
    const bool is_plain = q->x->dtype == MQ_FLOAT && q->precision == MQ_FLOAT && (q->to == MQ_INT8 || q->to == MQ_UINT8);
    float v[BLOCK];

    for (int64_t at = 0; at < r.n; at += BLOCK) {
        const int64_t n = r.n - at < BLOCK ? r.n - at : BLOCK, from = r.from + at, k = r.scale + at * r.step;
        const float *zero = q->zero ? q->zero + k : none;

        if (is_plain && r.step == 0) {
            mq_i8_quantize((const float *)q->x->data + from, n, q->scale[k], (int32_t)*zero, q->to, q->out + from);
            continue;
        }
        quotients(q, from, n, q->scale + k, r.step, v);
        if (mq_dtype_is_float(q->to)) {
            for (int64_t i = 0; i < n && q->zero; i++) /* there is none but 0, which must not turn -0 over */
                v[i] = zero[i * r.step] != 0 ? v[i] + zero[i * r.step] : v[i];
            mq_dtype_codes_from_f32(q->to, v, (uint64_t)n, q->out + from, q->saturate);
        } else if (mq_dtype_bits(q->to) > 8)
            quanta_16(n, v, zero, r.step, q->low, q->high, (uint16_t *)(void *)q->out + from);
        else
            quanta_8(n, v, zero, r.step, q->low, q->high, q->out + from);
    }
}

static void quantize_runs(mq_call *c, const quantizer *q, const runs *g)
{
    const int threads = mq_call_threads(c, (int64_t)q->x->count);

#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t r = 0; r < g->count; r++)
        quantize_run(q, run_at(g, r));
}

/* The types of the result and of the division; and what they may be. */
static mq_status quantized_types(mq_call *c, quantizer *q)
{
    const int64_t asked = mq_node_attr_int(c->node, "output_dtype", 0);
    const int64_t precision = mq_node_attr_int(c->node, "precision", 0);
    const mq_dtype scale = c->in[1]->dtype, x = c->in[0]->dtype;

    q->to = mq_call_has(c, 2) ? c->in[2]->dtype : asked ? (mq_dtype)asked : MQ_UINT8;
    if (asked < 0 || asked >= MQ_N_DTYPES || (asked && (mq_dtype)asked != q->to))
        return mq_call_fail(c, "attribute 'output_dtype' is %lld, the zero point has type %s", (long long)asked,
                            mq_dtype_name(q->to));
    if (mq_dtype_bits(q->to) > 16 || mq_dtype_bits(q->to) == 0 || q->to == MQ_FLOAT8E8M0 ||
        !(mq_dtype_is_integer(q->to) || (mq_dtype_is_float(q->to) && mq_dtype_bits(q->to) <= 8)))
        return mq_call_fail(c, "%s is no type to quantize to", mq_dtype_name(q->to));
    if (precision)
        q->precision = precision < 0 || precision >= MQ_N_DTYPES ? MQ_UNDEFINED : (mq_dtype)precision;
    else
        q->precision = scale != MQ_FLOAT8E8M0 ? scale : x;
    if (q->precision == MQ_INT32)
        q->precision = MQ_DOUBLE;
    if (q->precision != MQ_FLOAT && q->precision != MQ_FLOAT16 && q->precision != MQ_BFLOAT16 && q->precision != MQ_DOUBLE)
        return mq_call_fail(c, "the precision %s is not that of a division", mq_dtype_name(q->precision));
    if (x != MQ_FLOAT && x != MQ_FLOAT16 && x != MQ_BFLOAT16 && x != MQ_INT32 && x != MQ_DOUBLE)
        return mq_call_bad_type(c, x);
    return MQ_OK;
}

/* Scales as floats that have been rounded to the precision. */
static mq_status quantizer_scales(mq_call *c, quantizer *q)
{
    const size_t n = c->in[1]->count;
    uint16_t *half;
    float *scale;
    mq_status rc;

    MQ_TRY(as_floats(c, 1, &q->scale));
    MQ_TRY(as_floats(c, 2, &q->zero));
    if (q->precision != MQ_FLOAT16 && q->precision != MQ_BFLOAT16)
        return MQ_OK;
    half = mq_call_scratch(c, n * sizeof *half + 1);
    scale = mq_call_scratch(c, n * sizeof *scale + 1);
    if (!half || !scale)
        return MQ_ERR_NOMEM;
    mq_dtype_from_f32(q->precision, q->scale, n, half, true);
    mq_dtype_to_f32(q->precision, half, 0, n, scale);
    q->scale = scale;
done:
    return rc;
}

static mq_status op_quantize(mq_call *c)
{
    quantizer q = { .saturate = mq_node_attr_int(c->node, "saturate", 1) != 0 };
    void *out;
    runs g;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    q.x = c->in[0];
    MQ_TRY(quantized_types(c, &q));
    MQ_TRY(plan_runs(c, &g));
    MQ_TRY(quantizer_scales(c, &q));
    if (mq_dtype_is_integer(q.to)) {
        q.low = (float)mq_dtype_min(q.to);
        q.high = (float)mq_dtype_max(q.to);
    }
    MQ_TRY(mq_call_out(c, 0, q.to, q.x->rank, q.x->dims, &out));
    q.out = out;
    if (out && mq_dtype_bits(q.to) < 8) { /* runs may begin within a byte: packed when all are there */
        q.out = mq_call_scratch(c, q.x->count + 1);
        if (!q.out)
            return MQ_ERR_NOMEM;
    }
    if (!out)
        return MQ_OK;
    quantize_runs(c, &q, &g);
    if (q.out != out)
        mq_dtype_pack(q.to, q.out, q.x->count, out);
done:
    return rc;
}

/* ---- DynamicQuantizeLinear --------------------------------------------------------------------------------------- */

/* Least and greatest of x and what *low and *high are already; NaN is passed over. In 16 lanes, merged at last. */
MQ_CLONES(void, range_of, (int64_t n, const float *x, float *low, float *high), (n, x, low, high))
{
    float lo[16], hi[16];
    int64_t i = 0;

    for (int k = 0; k < 16; k++) {
        lo[k] = *low;
        hi[k] = *high;
    }
    for (; i + 16 <= n; i += 16)
        for (int k = 0; k < 16; k++) {
            lo[k] = x[i + k] < lo[k] ? x[i + k] : lo[k];
            hi[k] = x[i + k] > hi[k] ? x[i + k] : hi[k];
        }
    for (; i < n; i++) {
        lo[0] = x[i] < lo[0] ? x[i] : lo[0];
        hi[0] = x[i] > hi[0] ? x[i] : hi[0];
    }
    for (int k = 0; k < 16; k++) {
        *low = lo[k] < *low ? lo[k] : *low;
        *high = hi[k] > *high ? hi[k] : *high;
    }
}

static mq_status op_dynamic_quantize(mq_call *c)
{
    float low = 0, high = 0, scale, zero, *scale_out;
    uint8_t *zero_out;
    void *out;
    quantizer q = { .to = MQ_UINT8, .precision = MQ_FLOAT, .high = 255 };
    runs g;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    q.x = c->in[0];
    if (q.x->dtype != MQ_FLOAT)
        return mq_call_bad_type(c, q.x->dtype);
    range_of((int64_t)q.x->count, q.x->data, &low, &high);
    scale = high == low ? 1.0f : (high - low) / 255.0f; /* all zeros: 1, as ONNX Runtime has it */
    zero = 0.0f - low / scale;
    zero = rintf(zero >= 0 ? zero > 255 ? 255 : zero : 0);
    MQ_TRY(mq_call_out(c, 0, MQ_UINT8, q.x->rank, q.x->dims, &out));
    MQ_TRY(mq_call_out(c, 1, MQ_FLOAT, 0, q.x->dims, (void **)&scale_out));
    MQ_TRY(mq_call_out(c, 2, MQ_UINT8, 0, q.x->dims, (void **)&zero_out));
    if (scale_out)
        *scale_out = scale;
    if (zero_out)
        *zero_out = (uint8_t)zero;
    g = in_pieces((int64_t)q.x->count);
    q.scale = &scale;
    q.zero = &zero;
    q.out = out;
    if (out)
        quantize_runs(c, &q, &g);
done:
    return rc;
}

const mq_kernel mq_kernels_quantize[] = {
    { "", "DequantizeLinear", op_dequantize, 0 },
    { "", "DynamicQuantizeLinear", op_dynamic_quantize, 0 },
    { "", "QuantizeLinear", op_quantize, 0 },
    { "com.microsoft", "DequantizeLinear", op_dequantize, 0 },
    { "com.microsoft", "QuantizeLinear", op_quantize, 0 },
    { 0 },
};
