/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* MatMulNBits and GatherBlockQuantized: weights of 2, 4 or 8 bits with a scale for each block. Only what is being used is
 * expanded: a few columns at a time, or the rows that are gathered. */
#ifdef _OPENMP
#include <omp.h>
#endif
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/gemm.h"
#include "exec/ref/nbits_rows.h"
#include "exec/ref/util.h"

/* Element i of packed unsigned elements, low bits first. */
static int32_t code_at(const uint8_t *data, int64_t i, int bits)
{
    return data[i * bits / 8] >> (i * bits % 8) & ((1 << bits) - 1);
}

static mq_status read_bits(mq_call *c, int *bits)
{
    const int64_t v = mq_node_attr_int(c->node, "bits", 4);

    if (v != 2 && v != 4 && v != 8)
        return mq_call_unsupported(c, "attribute 'bits' is %lld; 2, 4 and 8 are supported", (long long)v);
    *bits = (int)v;
    return MQ_OK;
}

/* ---- MatMulNBits -------------------------------------------------------------------------------------------------- */

enum { IN_A, IN_B, IN_SCALES, IN_ZEROS, IN_GROUPS, IN_BIAS, COLUMNS = 32 };

typedef struct nbits {
    int bits;
    int64_t m, n, k, block, blocks, blob, zero_row; /* blocks and bytes of zero points per column; bytes per block */
    const uint8_t *codes, *zeros; /* zeros NULL: the middle, or float_zeros */
    const float *scales, *float_zeros;
    const int32_t *groups; /* the block that each k takes its scale from; NULL: its own */
} nbits;

static mq_status read_zeros(mq_call *c, nbits *w)
{
    const mq_array *z = mq_call_has(c, IN_ZEROS) ? c->in[IN_ZEROS] : NULL;

    w->zero_row = (w->blocks * w->bits + 7) / 8;
    if (z && z->dtype == MQ_UINT8 && z->count == (uint64_t)(w->n * w->zero_row))
        w->zeros = z->data;
    else if (z && z->dtype == MQ_FLOAT && z->count == (uint64_t)(w->n * w->blocks))
        w->float_zeros = z->data;
    else if (z)
        return mq_call_fail(c, "%zu zero points of type %s do not fit %lld columns of %lld blocks", z->count,
                            mq_dtype_name(z->dtype), (long long)w->n, (long long)w->blocks);
    return MQ_OK;
}

static mq_status read_groups(mq_call *c, nbits *w)
{
    const mq_array *g = mq_call_has(c, IN_GROUPS) ? c->in[IN_GROUPS] : NULL;

    if (!g)
        return MQ_OK;
    if (g->dtype != MQ_INT32 || g->count < (uint64_t)w->k)
        return mq_call_fail(c, "g_idx must hold at least %lld int32", (long long)w->k);
    w->groups = g->data;
    for (int64_t k = 0; k < w->k; k++) {
        if (w->groups[k] < 0 || w->groups[k] >= w->blocks)
            return mq_call_fail(c, "g_idx holds %d; there are %lld blocks", w->groups[k], (long long)w->blocks);
    }
    return MQ_OK;
}

static mq_status read_nbits(mq_call *c, nbits *w)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 3));
    MQ_TRY(read_bits(c, &w->bits));
    const mq_array *a = c->in[IN_A], *b = c->in[IN_B], *s = c->in[IN_SCALES];
    const mq_array *bias = mq_call_has(c, IN_BIAS) ? c->in[IN_BIAS] : NULL;
    w->n = mq_node_attr_int(c->node, "N", 0);
    w->k = mq_node_attr_int(c->node, "K", 0);
    w->block = mq_node_attr_int(c->node, "block_size", 0);
    if (mq_node_attr_int(c->node, "weight_prepacked", 0))
        return mq_call_unsupported(c, "attribute 'weight_prepacked' is not 0");
    if (a->dtype != MQ_FLOAT || b->dtype != MQ_UINT8 || s->dtype != MQ_FLOAT || (bias && bias->dtype != MQ_FLOAT))
        return mq_call_fail(c, "A and scales must be floats, B uint8");
    if (w->n < 1 || w->k < 1 || w->block < 1 || w->n > INT32_MAX || w->k > INT32_MAX || w->block > INT32_MAX ||
        w->block * w->bits % 8)
        return mq_call_fail(c, "attributes N, K and block_size are %lld, %lld and %lld", (long long)w->n, (long long)w->k,
                            (long long)w->block);
    w->blocks = (w->k + w->block - 1) / w->block;
    w->blob = w->block * w->bits / 8;
    if (a->rank < 1 || a->dims[a->rank - 1] != w->k ||
        (double)b->count != (double)w->n * (double)w->blocks * (double)w->blob ||
        s->count != (uint64_t)(w->n * w->blocks) || (bias && bias->count != (uint64_t)w->n))
        return mq_call_fail(c, "A, B, scales or bias do not fit N %lld, K %lld and block_size %lld", (long long)w->n,
                            (long long)w->k, (long long)w->block);
    w->m = (int64_t)a->count / w->k;
    w->codes = b->data;
    w->scales = s->data;
    MQ_TRY(read_zeros(c, w));
    MQ_TRY(read_groups(c, w));
done:
    return rc;
}

static float zero_of(const nbits *w, int64_t column, int64_t block)
{
    if (w->float_zeros)
        return w->float_zeros[column * w->blocks + block];
    return w->zeros ? (float)code_at(w->zeros + column * w->zero_row, block, w->bits) : (float)(1 << (w->bits - 1));
}

/* The k elements of a column as floats. */
static void expand_column(const nbits *w, int64_t column, float *out)
{
    for (int64_t b = 0; b < w->blocks; b++) {
        const uint8_t *codes = w->codes + (column * w->blocks + b) * w->blob;
        const int64_t k0 = b * w->block, n = w->k - k0 < w->block ? w->k - k0 : w->block;
        const float scale = w->scales[column * w->blocks + b], zero = zero_of(w, column, b);
        for (int64_t i = 0; w->bits == 4 && !w->groups && i < n; i++)
            out[k0 + i] = ((float)(codes[i / 2] >> (i % 2 * 4) & 15) - zero) * scale;
        for (int64_t i = 0; w->bits != 4 && !w->groups && i < n; i++)
            out[k0 + i] = ((float)code_at(codes, i, w->bits) - zero) * scale;
        for (int64_t i = 0; w->groups && i < n; i++) {
            const int64_t g = w->groups[k0 + i];
            out[k0 + i] = ((float)code_at(codes, i, w->bits) - zero_of(w, column, g)) * w->scales[column * w->blocks + g];
        }
    }
}

/* Columns n0.. of the result. */
static void run_columns(mq_call *c, const nbits *w, mq_gemm g, int64_t n0, float *memory)
{
    float *y = (float *)c->out[0]->data + n0;
    const float *bias = mq_call_has(c, IN_BIAS) ? (const float *)c->in[IN_BIAS]->data + n0 : NULL;

    g.n = w->n - n0 < COLUMNS ? w->n - n0 : COLUMNS;
    for (int64_t j = 0; j < g.n; j++)
        expand_column(w, n0 + j, memory + j * w->k);
    g.b = memory;
    g.c = y;
    mq_gemm_serial(&g, memory + (COLUMNS * w->k + 15) / 16 * 16);
    for (int64_t i = 0; bias && i < w->m; i++)
        for (int64_t j = 0; j < g.n; j++)
            y[i * w->n + j] += bias[j];
}

/* A, rounded where the node asks for that. NULL: out of memory. */
static const float *rows_of(mq_call *c, const nbits *w)
{
    const float *a = c->in[IN_A]->data;

    if (!mq_nbits_rounds(c->node, w->groups != NULL))
        return a;
    float *out = mq_call_scratch(c, (size_t)(w->m * w->k) * sizeof *out);
    float *scales = mq_call_scratch(c, (size_t)w->blocks * sizeof *scales);
    int8_t *q = mq_call_scratch(c, (size_t)(w->blocks * w->block));
    if (!out || !scales || !q)
        return NULL;
    mq_nbits_round_floats(a, w->m, w->k, w->block, q, scales, out);
    return out;
}

static mq_status op_matmul_nbits(mq_call *c)
{
    nbits w = { 0 };
    int64_t dims[MQ_MAX_RANK];
    mq_status rc = MQ_OK;

    MQ_TRY(read_nbits(c, &w));
    const mq_array *a = c->in[IN_A];
    memcpy(dims, a->dims, sizeof dims);
    dims[a->rank - 1] = w.n;
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, a->rank, dims, NULL));
    if (c->out[0]->count == 0)
        return MQ_OK;
    const float *rows = rows_of(c, &w);
    if (!rows)
        return MQ_ERR_NOMEM;
    const mq_gemm g = { .dtype = MQ_FLOAT, .m = w.m, .n = COLUMNS, .k = w.k, .a = rows, .a_row = w.k, .a_col = 1,
                        .b_row = 1,
                        .b_col = w.k, .c_row = w.n, .batch = 1 };
    const size_t size = (size_t)(COLUMNS * w.k + 15) / 16 * 64 + mq_gemm_scratch(&g);
    const int64_t pieces = (w.n + COLUMNS - 1) / COLUMNS;
    const int threads = pieces < c->n_threads ? (int)pieces : c->n_threads;
    char *memory = mq_call_scratch(c, size * (size_t)threads);
    if (!memory)
        return MQ_ERR_NOMEM;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < pieces; i++) {
        char *mine = memory;
#ifdef _OPENMP
        mine += size * (size_t)omp_get_thread_num();
#endif
        run_columns(c, &w, g, i * COLUMNS, (float *)(void *)mine);
    }
done:
    return rc;
}

/* ---- GatherBlockQuantized ----------------------------------------------------------------------------------------- */

typedef struct gathered {
    const mq_array *data, *indices, *scales, *zeros;
    int bits, gather, axis; /* axes: gathered, and along which blocks lie */
    bool packed;            /* uint8 elements hold several codes */
    int64_t dims[MQ_MAX_RANK]; /* of the codes */
    int64_t block, blocks, step; /* step: elements from one to the next along `axis` */
} gathered;

static mq_status check_scales(mq_call *c, const gathered *g)
{
    const mq_array *s = g->scales, *z = g->zeros;
    const int last = g->data->rank - 1;

    if (s->dtype != MQ_FLOAT || s->rank != g->data->rank || (z && (z->dtype != g->data->dtype || z->rank != s->rank)))
        return mq_call_fail(c, "scales or zero points do not have the data's rank, or have a wrong element type");
    for (int d = 0; d <= last; d++) {
        const int64_t n = d == g->axis ? g->blocks : g->dims[d];
        const int64_t nz = g->packed && d == last ? (n * g->bits + 7) / 8 : n;
        if (s->dims[d] != n || (z && z->dims[d] != nz))
            return mq_call_fail(c, "axis %d of scales has %lld elements; %lld are wanted (zero points: %lld)", d,
                                (long long)s->dims[d], (long long)n, (long long)nz);
    }
    return MQ_OK;
}

static mq_status read_gathered(mq_call *c, gathered *g)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 3));
    g->data = c->in[0];
    g->indices = c->in[1];
    g->scales = c->in[2];
    g->zeros = mq_call_has(c, 3) ? c->in[3] : NULL;
    g->packed = g->data->dtype == MQ_UINT8;
    g->bits = 4;
    if (g->packed)
        MQ_TRY(read_bits(c, &g->bits));
    if (!g->packed && g->data->dtype != MQ_INT4 && g->data->dtype != MQ_UINT4)
        return mq_call_bad_type(c, g->data->dtype);
    if (g->indices->dtype != MQ_INT32 && g->indices->dtype != MQ_INT64)
        return mq_call_bad_type(c, g->indices->dtype);
    const int rank = g->data->rank;
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "gather_axis", 0), rank, &g->gather));
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "quantize_axis", 1), rank, &g->axis));
    g->block = mq_node_attr_int(c->node, "block_size", 128);
    memcpy(g->dims, g->data->dims, sizeof g->dims);
    if (g->packed && __builtin_mul_overflow(g->dims[rank - 1], 8 / g->bits, &g->dims[rank - 1]))
        return mq_call_fail(c, "the data are too large");
    if (g->block < 1 || (g->packed && g->bits < 8 && g->gather == rank - 1))
        return mq_call_fail(c, "block_size is %lld, and packed data are gathered along axis %d", (long long)g->block,
                            g->gather);
    g->blocks = g->dims[g->axis] / g->block + (g->dims[g->axis] % g->block != 0);
    MQ_TRY(check_scales(c, g));
    if (g->data->count > 0)
        g->step = mq_span(g->dims, g->axis + 1, rank);
done:
    return rc;
}

static int32_t data_code(const gathered *g, const mq_array *a, int64_t i)
{
    const int32_t v = code_at(a->data, i, g->bits);

    return a->dtype == MQ_INT4 && v > 7 ? v - 16 : v;
}

/* Zero point number i of the scales' shape: packed rows begin at a byte. */
static int32_t zero_code(const gathered *g, int64_t i)
{
    const int64_t n = g->scales->dims[g->scales->rank - 1];

    if (!g->zeros)
        return g->packed ? 1 << (g->bits - 1) : 0;
    if (!g->packed)
        return data_code(g, g->zeros, i);
    return code_at((const uint8_t *)g->zeros->data + i / n * g->zeros->dims[g->zeros->rank - 1], i % n, g->bits);
}

/* n elements of the data from `at` on. */
static void expand(const gathered *g, int64_t at, int64_t n, float *out)
{
    const int64_t dim = g->dims[g->axis];

    for (int64_t i = 0; i < n; i++) {
        const int64_t e = at + i, q = e / g->step;
        const int64_t s = (q / dim * g->blocks + q % dim / g->block) * g->step + e % g->step;
        out[i] = (float)(data_code(g, g->data, e) - zero_code(g, s)) * ((const float *)g->scales->data)[s];
    }
}

static mq_status op_gather_block_quantized(mq_call *c)
{
    gathered g = { 0 };
    int64_t dims[2 * MQ_MAX_RANK];
    float *y = NULL;
    int rank = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(read_gathered(c, &g));
    for (int d = 0; d < g.data->rank; d++) {
        if (d != g.gather)
            dims[rank++] = g.dims[d];
        for (int k = 0; d == g.gather && k < g.indices->rank; k++)
            dims[rank++] = g.indices->dims[k];
    }
    if (rank > MQ_MAX_RANK)
        return mq_call_fail(c, "the result would have rank %d; at most %d is allowed", rank, MQ_MAX_RANK);
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, rank, dims, (void **)&y));
    if (c->out[0]->count == 0)
        return MQ_OK;
    const int64_t outer = mq_span(g.dims, 0, g.gather), inner = mq_span(g.dims, g.gather + 1, g.data->rank);
    const int64_t n = (int64_t)g.indices->count, dim = g.dims[g.gather];
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = mq_array_i64(g.indices, (size_t)i);
        if (k < -dim || k >= dim)
            return mq_call_fail(c, "index %lld is outside of [%lld, %lld]", (long long)k, (long long)-dim,
                                (long long)(dim - 1));
    }
    const int threads = mq_call_threads(c, (int64_t)c->out[0]->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < outer * n; i++) {
        const int64_t k = mq_array_i64(g.indices, (size_t)(i % n));
        expand(&g, (i / n * dim + (k < 0 ? k + dim : k)) * inner, inner, y + i * inner);
    }
done:
    return rc;
}

const mq_kernel mq_kernels_matmul_nbits[] = {
    { "com.microsoft", "GatherBlockQuantized", op_gather_block_quantized, MQ_KERNEL_WIDEN },
    { "com.microsoft", "MatMulNBits", op_matmul_nbits, MQ_KERNEL_WIDEN },
    { 0 },
};
