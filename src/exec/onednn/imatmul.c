/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Products of matrices of 8-bit integers: MatMulInteger, QLinearMatMul, and com.microsoft's MatMulIntegerToFloat,
 * DynamicQuantizeMatMul and QGemm. The library multiplies what is stored (uint8 weights less 128) into int32; zero points of
 * either side, per column too, come off afterwards by way of sums of rows and columns:
 *     sum (a - za)(b - zb) = sum a b - za sum b - zb sum a + K za zb
 * in the same pass that scales. All of it is exact; rounding is as in the reference kernels. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "exec/onednn/kernels.h"
#include "exec/ref/quant_lanes.h"

#define NONE SIZE_MAX
#define BLOCK_ROWS 16 /* of the result, finished together */

/* Where the operands are among a node's inputs. */
typedef struct places {
    size_t a, a_scale, a_zero, b, b_scale, b_zero, y_scale, y_zero, bias, sum; /* bias: float; sum: int32 */
    bool dynamic; /* A is float and quantized here */
    bool gemm;    /* Gemm's attributes; the result's scale and zero point may be absent */
} places;

static const places matmul_integer = { 0, NONE, 2, 1, NONE, 3, NONE, NONE, NONE, NONE, false, false };
static const places to_float = { 0, 2, 4, 1, 3, 5, NONE, NONE, 6, NONE, false, false };
static const places dynamic = { 0, NONE, NONE, 1, 2, 3, NONE, NONE, 4, NONE, true, false };
static const places qlinear = { 0, 1, 2, 3, 4, 5, 6, 7, NONE, NONE, false, false };
static const places qgemm = { 0, 1, 2, 3, 4, 5, 7, 8, NONE, 6, false, true };

typedef struct imatmul_state {
    const places *p;
    mq_dn_op *op;
    mq_dtype a_type, y_type;
    int64_t batch, m, n, k; /* batch 1: B is one matrix for all rows of A */
    bool flip;              /* B is uint8 */
    bool turned;            /* B is constant and [n][k] */
    float alpha;
    int out_rank;
    int64_t out_dims[MQ_MAX_RANK];
    mq_dn_desc b_plain, b_want;
    int threads;
} imatmul_state;

static void release(void *state)
{
    imatmul_state *s = state;

    mq_dn_free(s->op);
    free(s);
}

/* ---- B ------------------------------------------------------------------------------------------------------------ */

typedef struct packed {
    mq_block *b;
    int32_t *sums; /* of columns */
} packed;

static void column_sums(const imatmul_state *s, const int8_t *b, int32_t *sums)
{
    if (s->turned) {
        mq_i8_row_sums(MQ_INT8, b, s->n, s->k, sums);
        return;
    }
    for (int64_t q = 0; q < s->batch; q++)
        mq_i8_column_sums(MQ_INT8, b + q * s->k * s->n, s->k, s->n, sums + q * s->n);
}

MQ_CLONES(void, flip_bytes, (const uint8_t *restrict from, size_t n, uint8_t *restrict to), (from, n, to))
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i] ^ 0x80;
}

static void release_packed(void *thing)
{
    packed *p = thing;

    mq_block_unref(p->b);
    free(p->sums);
    free(p);
}

/* The signed copy is only needed while packing. */
static mq_status pack(mq_call *c, size_t i, void *user, void **out)
{
    const imatmul_state *s = user;
    const mq_array *b = c->in[i];
    mq_block *plain = mq_block_create(b->count);
    packed *p = calloc(1, sizeof *p);
    mq_dn_op *op = NULL;
    mq_status rc = MQ_OK;

    if (p) {
        p->b = mq_block_create(mq_dn_bytes(&s->b_want));
        p->sums = malloc((size_t)(s->batch * s->n) * sizeof *p->sums);
    }
    if (!plain || !p || !p->b || !p->sums) {
        rc = mq_oom(c->err);
    } else {
        if (s->flip)
            flip_bytes(b->data, b->count, plain->data);
        else
            memcpy(plain->data, b->data, b->count);
        column_sums(s, plain->data, p->sums);
        rc = mq_dn_make_reorder(s->threads, &s->b_plain, &s->b_want, &op, c->err);
        if (rc == MQ_OK && !op)
            rc = mq_call_unsupported(c, "a constant cannot be put into the order of the kernel");
        if (rc == MQ_OK)
            rc = mq_dn_run(c, op, 2, (mq_dn_arg[]){ { DNNL_ARG_FROM, plain->data }, { DNNL_ARG_TO, p->b->data } });
    }
    mq_dn_free(op);
    mq_block_unref(plain);
    if (rc == MQ_OK)
        *out = p;
    else if (p)
        release_packed(p);
    return rc;
}

/* B for the primitive, and the sums of its columns. */
static mq_status take_b(mq_call *c, imatmul_state *s, const void **b, const int32_t **sums)
{
    const mq_array *x = c->in[s->p->b];
    mq_status rc = MQ_OK;

    if (x->constant) {
        packed *p = NULL;

        rc = mq_call_derived(c, s->p->b, &s->b_want, sizeof s->b_want, pack, s, release_packed, (void **)&p);
        if (rc == MQ_OK) {
            *b = p->b->data;
            *sums = p->sums;
        }
        return rc;
    }
    int32_t *own = mq_call_scratch(c, (size_t)(s->batch * s->n) * sizeof *own);
    uint8_t *copy = s->flip ? mq_call_scratch(c, x->count) : x->data;
    if (!own || !copy)
        return MQ_ERR_NOMEM;
    if (s->flip)
        flip_bytes(x->data, x->count, copy);
    column_sums(s, (const int8_t *)copy, own);
    *b = copy;
    *sums = own;
    return rc;
}

/* ---- A ------------------------------------------------------------------------------------------------------------ */

/* A as uint8 by its own range, as DynamicQuantizeLinear says. */
MQ_CLONES(void, range_of, (const float *x, int64_t n, float *low, float *high), (x, n, low, high))
{
    float lows[16] = { 0 }, highs[16] = { 0 };
    int64_t i = 0;

    for (; i + 16 <= n; i += 16)
        for (int j = 0; j < 16; j++) {
            lows[j] = x[i + j] < lows[j] ? x[i + j] : lows[j];
            highs[j] = x[i + j] > highs[j] ? x[i + j] : highs[j];
        }
    for (; i < n; i++) {
        lows[0] = x[i] < lows[0] ? x[i] : lows[0];
        highs[0] = x[i] > highs[0] ? x[i] : highs[0];
    }
    for (int j = 0; j < 16; j++) {
        *low = lows[j] < *low ? lows[j] : *low;
        *high = highs[j] > *high ? highs[j] : *high;
    }
}

static void quantize_a(const mq_array *a, uint8_t *out, float *scale, int32_t *zero)
{
    float low = 0, high = 0;

    range_of(a->data, (int64_t)a->count, &low, &high);
    *scale = high == low ? 1 : (high - low) / 255;
    *zero = (int32_t)rintf(fminf(fmaxf(-low / *scale, 0), 255));
    mq_i8_quantize(a->data, (int64_t)a->count, *scale, *zero, MQ_UINT8, out);
}

/* ---- after the product -------------------------------------------------------------------------------------------- */

/* What is added to and multiplied with every row; sums wrap as the reference's do. */
typedef struct finish {
    uint32_t *base;  /* per column (and matrix of the batch): K za zb - za sum b */
    uint32_t *zb;    /* NULL: all 0 */
    float *factor;   /* per column; NULL: the result is int32 */
    const float *bias;
    int32_t y_zero;
} finish;

/* Rows of one matrix; sums: of A's rows, looked at when zb is there. */
MQ_CLONES(void, correct, (int32_t *restrict acc, int64_t rows, int64_t n, const uint32_t *restrict base,
                          const uint32_t *restrict zb, const int32_t *restrict sums), (acc, rows, n, base, zb, sums))
{
    for (int64_t r = 0; r < rows; r++) {
        int32_t *row = acc + r * n;
        const uint32_t sum = zb ? (uint32_t)sums[r] : 0;

        if (zb) {
            for (int64_t j = 0; j < n; j++)
                row[j] = (int32_t)((uint32_t)row[j] + base[j] - zb[j] * sum);
        } else {
            for (int64_t j = 0; j < n; j++)
                row[j] = (int32_t)((uint32_t)row[j] + base[j]);
        }
    }
}

/* In place: an int32 and a float have the same size. */
MQ_CLONES(void, scale_row, (const int32_t *acc, int64_t n, const float *restrict factor, float *y),
          (acc, n, factor, y))
{
    for (int64_t j = 0; j < n; j++) {
        int32_t v;

        memcpy(&v, &acc[j], sizeof v);
        const float f = (float)v * factor[j];
        memcpy(&y[j], &f, sizeof f);
    }
}

MQ_CLONES(void, add_bias, (float *restrict y, int64_t n, const float *restrict bias), (y, n, bias))
{
    for (int64_t j = 0; j < n; j++)
        y[j] += bias[j];
}

/* Rows from..to of the result, all of one matrix. */
static void finish_rows(const imatmul_state *s, const finish *f, const void *a, int32_t *acc, void *y, int64_t from,
                        int64_t to)
{
    const int64_t n = s->n, matrix = from / s->m;
    int32_t sums[BLOCK_ROWS];

    if (f->zb)
        mq_i8_row_sums(s->a_type, (const uint8_t *)a + from * s->k, to - from, s->k, sums);
    correct(acc + from * n, to - from, n, f->base + matrix * n, f->zb, sums);
    for (int64_t r = from; r < to; r++) {
        if (s->y_type == MQ_FLOAT) {
            scale_row(acc + r * n, n, f->factor, (float *)y + r * n);
            if (f->bias)
                add_bias((float *)y + r * n, n, f->bias);
        } else if (s->y_type != MQ_INT32) {
            mq_i8_requantize_each(acc + r * n, n, f->factor, f->y_zero, s->y_type, (uint8_t *)y + r * n);
        }
    }
}

static void finish_all(const imatmul_state *s, const finish *f, const void *a, int32_t *acc, void *y)
{
    const int64_t per = (s->m + BLOCK_ROWS - 1) / BLOCK_ROWS;

#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int64_t k = 0; k < s->batch * per; k++) {
        const int64_t end = (k / per + 1) * s->m, from = k / per * s->m + k % per * BLOCK_ROWS;
        finish_rows(s, f, a, acc, y, from, from + BLOCK_ROWS < end ? from + BLOCK_ROWS : end);
    }
}

static double number(const mq_call *c, size_t i, size_t k, double absent)
{
    if (i == NONE || i >= c->n_in || !c->in[i])
        return absent;
    return mq_array_f64(c->in[i], c->in[i]->count == 1 ? 0 : k);
}

/* Fills f for zero point za and scale sa of A. */
static mq_status prepare_finish(mq_call *c, const imatmul_state *s, int32_t za, float sa, const int32_t *sums, finish *f)
{
    const places *p = s->p;
    const size_t n = (size_t)s->n;
    const float sy = (float)number(c, p->y_scale, 0, 1);
    bool any = false;

    f->bias = NULL;
    f->base = mq_call_scratch(c, (size_t)s->batch * n * sizeof *f->base);
    f->zb = mq_call_scratch(c, n * sizeof *f->zb);
    f->factor = mq_call_scratch(c, n * sizeof *f->factor);
    if (!f->base || !f->zb || !f->factor)
        return MQ_ERR_NOMEM;
    for (size_t j = 0; j < n; j++) {
        const int32_t zb = (int32_t)number(c, p->b_zero, j, 0) - (s->flip ? 128 : 0);

        f->zb[j] = (uint32_t)zb;
        any = any || zb != 0;
        if (s->y_type != MQ_FLOAT && s->y_type != MQ_INT32)
            f->factor[j] = sa * (float)number(c, p->b_scale, j, 1) / sy;
        else if (s->y_type == MQ_FLOAT)
            f->factor[j] = sa * (float)number(c, p->b_scale, j, 1);
    }
    for (size_t j = 0; j < (size_t)s->batch * n; j++)
        f->base[j] = (uint32_t)za * ((uint32_t)s->k * f->zb[j % n] - (uint32_t)sums[j]);
    for (size_t j = 0; p->sum != NONE && mq_call_has(c, p->sum) && j < n; j++)
        f->base[j] += (uint32_t)(int32_t)mq_array_i64(c->in[p->sum], c->in[p->sum]->count == 1 ? 0 : j);
    if (!any)
        f->zb = NULL;
    if (p->bias != NONE && mq_call_has(c, p->bias)) {
        float *bias = mq_call_scratch(c, n * sizeof *bias); /* constants lie at any address */

        if (!bias)
            return MQ_ERR_NOMEM;
        f->bias = memcpy(bias, c->in[p->bias]->data, n * sizeof *bias);
    }
    f->y_zero = (int32_t)number(c, p->y_zero, 0, 0);
    return MQ_OK;
}

static mq_status run(mq_call *c, void *state)
{
    imatmul_state *s = state;
    const places *p = s->p;
    const void *a = c->in[p->a]->data, *b = NULL;
    const int32_t *sums = NULL;
    int32_t za = (int32_t)number(c, p->a_zero, 0, 0);
    float sa = s->alpha * (float)number(c, p->a_scale, 0, 1);
    void *y = NULL;
    int32_t *acc;
    finish f;
    mq_status rc;

    if (p->dynamic) {
        uint8_t *q = mq_call_scratch(c, c->in[p->a]->count);

        if (!q)
            return MQ_ERR_NOMEM;
        quantize_a(c->in[p->a], q, &sa, &za);
        a = q;
    }
    MQ_TRY(take_b(c, s, &b, &sums));
    MQ_TRY(mq_call_out(c, 0, s->y_type, s->out_rank, s->out_dims, &y));
    acc = s->y_type == MQ_INT32 || s->y_type == MQ_FLOAT ? y : mq_call_scratch(c, c->out[0]->count * sizeof *acc);
    if (!acc)
        return MQ_ERR_NOMEM;
    MQ_TRY(prepare_finish(c, s, za, sa, sums, &f));
    MQ_TRY(mq_dn_run(c, s->op, 3, (mq_dn_arg[]){ { MQ_DN_SRC, a }, { MQ_DN_WEIGHTS, b }, { MQ_DN_DST, acc } }));
    finish_all(s, &f, a, acc, y);
done:
    return rc;
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

/* Absent, one, or (where a list may be) one for each of n columns. */
static bool fits(const mq_call *c, size_t i, bool needed, int64_t n, mq_dtype dtype)
{
    const mq_array *a = i < c->n_in ? c->in[i] : NULL;

    if (i == NONE || !a)
        return !needed;
    return a->kind == MQ_TYPE_TENSOR && a->dtype == dtype && (a->count == 1 || (n && a->rank == 1 && a->dims[0] == n));
}

/* A of any rank against one matrix, or as many matrices as A has. */
static bool shape(const mq_array *a, const mq_array *b, imatmul_state *s)
{
    if (a->rank < 2 || b->rank < 2 || !a->count || !b->count || (s->turned && b->rank != 2) ||
        a->dims[a->rank - 1] != b->dims[b->rank - (s->turned ? 1 : 2)])
        return false;
    s->k = a->dims[a->rank - 1];
    s->n = b->dims[b->rank - (s->turned ? 2 : 1)];
    s->m = a->dims[a->rank - 2];
    s->batch = 1;
    if (b->rank == 2)
        s->m = (int64_t)a->count / s->k;
    else if (a->rank != b->rank || memcmp(a->dims, b->dims, (size_t)(a->rank - 2) * sizeof *a->dims) != 0)
        return false;
    else
        s->batch = (int64_t)a->count / (s->k * s->m);
    s->out_rank = a->rank;
    memcpy(s->out_dims, a->dims, (size_t)a->rank * sizeof *a->dims);
    s->out_dims[a->rank - 1] = s->n;
    return s->k <= INT32_MAX && s->m <= INT32_MAX && s->n <= INT32_MAX;
}

static bool inputs_fit(const mq_call *c, const places *p, imatmul_state *s)
{
    const mq_array *a = p->a < c->n_in ? c->in[p->a] : NULL, *b = p->b < c->n_in ? c->in[p->b] : NULL;

    const bool scaled = p->y_scale != NONE && (!p->gemm || mq_call_has(c, p->y_scale));
    const mq_array *sum = p->sum != NONE && mq_call_has(c, p->sum) ? c->in[p->sum] : NULL;

    s->alpha = p->gemm ? mq_node_attr_float(c->node, "alpha", 1) : 1;
    s->turned = p->gemm && mq_node_attr_int(c->node, "transB", 0) != 0;
    if (p->gemm && (mq_node_attr_int(c->node, "transA", 0) || (s->turned && b && !b->constant)))
        return false;
    if (!mq_dn_int8_is_exact() || !a || !b || !mq_is_i8(b) || (p->dynamic ? a->dtype != MQ_FLOAT : !mq_is_i8(a)) ||
        !shape(a, b, s))
        return false;
    s->a_type = p->dynamic ? MQ_UINT8 : a->dtype;
    s->flip = b->dtype == MQ_UINT8;
    if (scaled && !mq_call_has(c, p->y_zero))
        return false;
    s->y_type = scaled ? c->in[p->y_zero]->dtype : p->b_scale != NONE ? MQ_FLOAT : MQ_INT32;
    if (sum && (sum->dtype != MQ_INT32 ||
                (sum->count != 1 && (sum->count != (size_t)s->n || sum->dims[sum->rank - 1] != s->n))))
        return false;
    return fits(c, p->a_scale, p->a_scale != NONE, 0, MQ_FLOAT) && fits(c, p->a_zero, false, 0, a->dtype) &&
           fits(c, p->b_scale, p->b_scale != NONE, s->n, MQ_FLOAT) && fits(c, p->b_zero, false, s->n, b->dtype) &&
           (!scaled || (fits(c, p->y_scale, true, 0, MQ_FLOAT) && fits(c, p->y_zero, true, 0, s->y_type))) &&
           (s->y_type == MQ_INT32 || s->y_type == MQ_FLOAT || s->y_type == MQ_INT8 || s->y_type == MQ_UINT8) &&
           (p->bias == NONE || !mq_call_has(c, p->bias) ||
            (c->in[p->bias]->count == (size_t)s->n && c->in[p->bias]->rank == 1 && fits(c, p->bias, true, s->n, MQ_FLOAT)));
}

static mq_status make(mq_call *c, imatmul_state *s)
{
    const int rank = s->batch > 1 ? 3 : 2, skip = 3 - rank;
    mq_dn_desc a, b, y;
    mq_status rc;

    if (!mq_dn_plain(&a, s->a_type, rank, (int64_t[]){ s->batch, s->m, s->k } + skip) ||
        !mq_dn_strided(&s->b_plain, MQ_INT8, rank, (int64_t[]){ s->batch, s->k, s->n } + skip,
                       (int64_t[]){ s->k * s->n, s->turned ? 1 : s->n, s->turned ? s->k : 1 } + skip) ||
        !mq_dn_plain(&y, MQ_INT32, rank, (int64_t[]){ s->batch, s->m, s->n } + skip))
        return MQ_OK;
    b = s->b_plain;
    if (c->in[s->p->b]->constant && !mq_dn_any(&b, MQ_INT8, rank, mq_dn_dims(&s->b_plain)))
        return MQ_OK;
    rc = mq_dn_make_matmul(c, s->threads, &a, &b, NULL, &y, NULL, &s->op);
    if (rc == MQ_OK && s->op)
        s->b_want = mq_dn_wants(s->op, MQ_DN_WEIGHTS);
    return rc;
}

static mq_status prepare(mq_call *c, void **state, const places *p)
{
    imatmul_state *s = calloc(1, sizeof *s);
    mq_status rc = MQ_OK;

    if (!s)
        return mq_oom(c->err);
    s->p = p;
    if (inputs_fit(c, p, s)) {
        s->threads = mq_dn_threads_macs(c, (double)s->batch * (double)s->m * (double)s->n * (double)s->k / 3);
        rc = make(c, s);
    }
    return mq_dn_prepared(rc, s->op && !mq_dn_is_slow(s->op), s, release, state);
}

static mq_status integer_prepare(mq_call *c, void **state)
{
    return prepare(c, state, &matmul_integer);
}

static mq_status to_float_prepare(mq_call *c, void **state)
{
    return prepare(c, state, &to_float);
}

static mq_status dynamic_prepare(mq_call *c, void **state)
{
    return prepare(c, state, &dynamic);
}

static mq_status qlinear_prepare(mq_call *c, void **state)
{
    return c->n_in == 8 && c->in[7] ? prepare(c, state, &qlinear) : MQ_OK;
}

static mq_status qgemm_prepare(mq_call *c, void **state)
{
    return c->n_in >= 6 ? prepare(c, state, &qgemm) : MQ_OK;
}

const mq_fast mq_dn_imatmul_rows[] = {
    { "", "MatMulInteger", "onednn:imatmul", integer_prepare, run, release, 0 },
    { "", "QLinearMatMul", "onednn:imatmul", qlinear_prepare, run, release, 0 },
    { "com.microsoft", "MatMulIntegerToFloat", "onednn:imatmul", to_float_prepare, run, release, 0 },
    { "com.microsoft", "QGemm", "onednn:imatmul", qgemm_prepare, run, release, 0 },
    { "com.microsoft", "DynamicQuantizeMatMul", "onednn:imatmul", dynamic_prepare, run, release, 0 },
    { 0 },
};
