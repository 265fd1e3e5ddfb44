/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators of ONNX Runtime on quantized tensors that are not sums of products: dequantize, compute in float, quantize;
 * where its arithmetic rounds elsewhere, as there. What depends on one element alone is a table of 256 results. */
#include <float.h>
#include <limits.h>
#include <math.h>
#include <string.h>

#include "base/compiler.h"
#include "exec/ref/families.h"
#include "exec/ref/pool.h"
#include "exec/ref/quant_lanes.h"
#include "exec/ref/util.h"

/* A quantized tensor's scale and zero point, at inputs i and i + 1. */
typedef struct grid {
    float scale;
    int32_t zero;
} grid;

static mq_status read_grid(mq_call *c, size_t i, mq_dtype type, grid *g)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_scale(c, i, &g->scale));
    MQ_TRY(mq_call_zero(c, i + 1, type, &g->zero));
done:
    return rc;
}

static mq_status check_i8(mq_call *c, size_t i)
{
    if (!mq_call_has(c, i) || c->in[i]->kind != MQ_TYPE_TENSOR)
        return mq_call_fail(c, "input %zu is missing", i);
    return mq_is_i8(c->in[i]) ? MQ_OK : mq_call_bad_type(c, c->in[i]->dtype);
}

/* ---- one element -------------------------------------------------------------------------------------------------- */

/* table[code] for all codes of a type: fn of the number that the code stands for. */
static void make_table(mq_dtype type, const grid *from, const grid *to, float (*fn)(float x, float p), float p,
                       uint8_t table[256])
{
    for (int i = 0; i < 256; i++) {
        const uint8_t code = (uint8_t)i;
        float x = 0;
        mq_i8_dequantize(type, &code, 1, from->scale, from->zero, &x);
        x = fn(x, p);
        mq_i8_quantize(&x, 1, to->scale, to->zero, type, &table[i]);
    }
}

static float sigmoid(float x, float p)
{
    (void)p;
    return 1 / (1 + expf(-x));
}

static float leaky(float x, float alpha)
{
    return x >= 0 ? x : alpha * x;
}

static mq_status by_table(mq_call *c, float (*fn)(float x, float p), float p)
{
    grid from, to;
    uint8_t table[256];
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(check_i8(c, 0));
    const mq_array *x = c->in[0];
    MQ_TRY(read_grid(c, 1, x->dtype, &from));
    MQ_TRY(read_grid(c, 3, x->dtype, &to));
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, x->dims, &y));
    make_table(x->dtype, &from, &to, fn, p, table);
    mq_i8_look_up(table, x->data, (int64_t)x->count, y);
done:
    return rc;
}

static mq_status op_qlinear_sigmoid(mq_call *c)
{
    return by_table(c, sigmoid, 0);
}

static mq_status op_qlinear_leaky_relu(mq_call *c)
{
    return by_table(c, leaky, mq_node_attr_float(c->node, "alpha", 0.01f));
}

/* ---- two elements ------------------------------------------------------------------------------------------------- */

enum { IN_A, IN_A_SCALE, IN_A_ZERO, IN_B, IN_B_SCALE, IN_B_ZERO, IN_C_SCALE, IN_C_ZERO };
enum { PIECE = 256 };

/* n elements `step` (0 or 1) apart, next to each other: where they are, or a copy in `room`. */
static const char *read_piece(const mq_array *a, int64_t at, int64_t step, int64_t n, char *room)
{
    const char *from = (const char *)a->data + at;

    return step ? from : memset(room, *from, (size_t)n);
}

static mq_status binary(mq_call *c, bool multiply)
{
    grid ga, gb, gc;
    mq_bcast b;
    char *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(check_i8(c, IN_A));
    MQ_TRY(check_i8(c, IN_B));
    const mq_array *both[2] = { c->in[IN_A], c->in[IN_B] };
    const mq_dtype type = both[0]->dtype;
    if (both[1]->dtype != type)
        return mq_call_fail(c, "inputs have different element types");
    MQ_TRY(read_grid(c, IN_A_SCALE, type, &ga));
    MQ_TRY(read_grid(c, IN_B_SCALE, type, &gb));
    MQ_TRY(read_grid(c, IN_C_SCALE, type, &gc));
    MQ_TRY(mq_call_broadcast(c, 2, both, &b));
    MQ_TRY(mq_call_out(c, 0, type, b.out_rank, b.out_dims, (void **)&y));
    if (b.count == 0)
        return MQ_OK;
    /* what stands still along a row is added first */
    const int x = multiply || b.strides[0][b.rank - 1] || !b.strides[1][b.rank - 1] ? 0 : 1, v = !x;
    const grid *gx = x ? &gb : &ga, *gv = x ? &ga : &gb;
    const mq_i8_pair p = mq_i8_pair_of(gx->scale, gx->zero, gv->scale, gv->zero, gc.scale, gc.zero);
    const int64_t n = b.dims[b.rank - 1], rows = b.count / n, sx = b.strides[x][b.rank - 1], sv = b.strides[v][b.rank - 1];
    const int threads = mq_call_threads(c, b.count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < rows; r++) {
        const int64_t px = mq_bcast_offset(&b, x, r), pv = mq_bcast_offset(&b, v, r);
        char room[2][PIECE];
        for (int64_t j = 0; j < n; j += PIECE) {
            const int64_t m = n - j < PIECE ? n - j : PIECE;
            const char *from = read_piece(both[x], px + j * sx, sx, m, room[0]);
            const char *with = read_piece(both[v], pv + j * sv, sv, m, room[1]);
            (multiply ? mq_i8_mul : mq_i8_add)(type, from, with, m, &p, y + r * n + j);
        }
    }
done:
    return rc;
}

static mq_status op_qlinear_add(mq_call *c)
{
    return binary(c, false);
}

static mq_status op_qlinear_mul(mq_call *c)
{
    return binary(c, true);
}

/* ---- pooling ------------------------------------------------------------------------------------------------------ */

/* The input as floats, channels second. */
static mq_status floats_of(mq_call *c, const mq_array *x, const grid *g, bool channels_last, float **out)
{
    float *f = mq_call_scratch(c, x->count * sizeof *f + 1), *t = NULL;
    int perm[MQ_MAX_RANK];

    if (!f)
        return MQ_ERR_NOMEM;
    mq_i8_dequantize(x->dtype, x->data, (int64_t)x->count, g->scale, g->zero, f);
    *out = f;
    if (!channels_last || x->count == 0)
        return MQ_OK;
    if (!(t = mq_call_scratch(c, x->count * sizeof *t)))
        return MQ_ERR_NOMEM;
    for (int d = 0; d < x->rank; d++)
        perm[d] = d == 0 ? 0 : d == 1 ? x->rank - 1 : d - 1;
    mq_transpose(f, t, x->rank, x->dims, perm, sizeof *t, c->n_threads);
    *out = t;
    return MQ_OK;
}

/* Results with channels second, of dims, into output 0 (made here): y, which is changed, is rounded with the zero point. */
static mq_status put_floats(mq_call *c, int rank, const int64_t *dims, float *y, const grid *g, bool channels_last)
{
    const mq_dtype type = c->in[0]->dtype;
    int64_t out[MQ_MAX_RANK];
    int perm[MQ_MAX_RANK];
    void *to = NULL;
    mq_status rc = MQ_OK;

    for (int d = 0; d < rank; d++) {
        perm[d] = !channels_last || d == 0 ? d : d == rank - 1 ? 1 : d + 1;
        out[d] = dims[perm[d]];
    }
    MQ_TRY(mq_call_out(c, 0, type, rank, out, &to));
    const size_t n = c->out[0]->count;
    if (n == 0)
        return MQ_OK;
    char *codes = channels_last ? mq_call_scratch(c, n) : to;
    if (!codes)
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < n; i++)
        y[i] = y[i] / g->scale + (float)g->zero;
    mq_i8_quantize(y, (int64_t)n, 1, 0, type, codes);
    if (channels_last)
        mq_transpose(codes, to, rank, dims, perm, 1, c->n_threads);
done:
    return rc;
}

/* A view of x's shape with channels second. */
static mq_array channels_second(const mq_array *x, bool channels_last)
{
    mq_array a = *x;

    for (int d = 1; channels_last && d < x->rank; d++)
        a.dims[d] = x->dims[d == 1 ? x->rank - 1 : d - 1];
    return a;
}

/* Of n codes `step` apart. */
static int64_t sum_codes(const mq_array *x, int64_t at, int64_t step, int64_t n)
{
    const uint8_t *u = (const uint8_t *)x->data + at;
    const int8_t *s = (const int8_t *)x->data + at;
    int64_t sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += x->dtype == MQ_INT8 ? s[i * step] : u[i * step];
    return sum;
}

/* Of whole images into output 0 (made here): sums are exact, and are scaled and rounded once. */
static mq_status average_images(mq_call *c, const grid *from, const grid *to, bool channels_last)
{
    const mq_array *x = c->in[0];
    const int channel = channels_last ? x->rank - 1 : 1;
    int64_t dims[MQ_MAX_RANK];
    void *y = NULL;
    mq_status rc = MQ_OK;

    for (int d = 0; d < x->rank; d++)
        dims[d] = d == 0 || d == channel ? x->dims[d] : 1;
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, dims, &y));
    const int64_t channels = dims[channel], planes = dims[0] * channels, n = (int64_t)x->count / planes;
    const mq_i8_mean mean = mq_i8_mean_of(from->scale, from->zero, to->scale, n);
    float *v = mq_call_scratch(c, (size_t)planes * sizeof *v);
    if (!v)
        return MQ_ERR_NOMEM;
    for (int64_t p = 0; p < planes; p++) {
        const int64_t at = channels_last ? p / channels * n * channels + p % channels : p * n;
        v[p] = mq_i8_mean_step(&mean, sum_codes(x, at, channels_last ? channels : 1, n));
    }
    mq_i8_quantize(v, planes, 1, to->zero, x->dtype, y);
done:
    return rc;
}

static mq_status op_qlinear_average_pool(mq_call *c)
{
    const bool last = mq_node_attr_int(c->node, "channels_last", 0) != 0;
    int64_t dims[MQ_MAX_RANK];
    grid from, to;
    mq_window w;
    float *x = NULL;
    double count = 1;
    mq_status rc = MQ_OK;

    MQ_TRY(check_i8(c, 0));
    MQ_TRY(read_grid(c, 1, c->in[0]->dtype, &from));
    MQ_TRY(read_grid(c, 3, c->in[0]->dtype, &to));
    const mq_array shape = channels_second(c->in[0], last);
    MQ_TRY(mq_pool_shape(c, &shape, &w, dims));
    for (int d = 0; d < shape.rank; d++)
        count *= (double)dims[d];
    if (shape.count > 0 && mq_window_covers(&w))
        return average_images(c, &from, &to, last);
    if (count > 1e15)
        return mq_call_fail(c, "the result is too large");
    MQ_TRY(floats_of(c, c->in[0], &from, last, &x));
    float *y = mq_call_scratch(c, (size_t)count * sizeof *y + 1);
    if (!y)
        return MQ_ERR_NOMEM;
    if (count > 0)
        MQ_TRY(mq_pool_average_narrow(c, &w, dims[0] * dims[1], mq_node_attr_int(c->node, "count_include_pad", 0) != 0, x,
                                      y));
    MQ_TRY(put_floats(c, shape.rank, dims, y, &to, last));
done:
    return rc;
}

static mq_status op_qlinear_global_average_pool(mq_call *c)
{
    grid from, to;
    mq_status rc = MQ_OK;

    MQ_TRY(check_i8(c, 0));
    const mq_array *x = c->in[0];
    MQ_TRY(read_grid(c, 1, x->dtype, &from));
    MQ_TRY(read_grid(c, 3, x->dtype, &to));
    if (x->rank < 3 || x->count == 0)
        return mq_call_fail(c, "input has rank %d and %zu elements; at least 3 and 1 are wanted", x->rank, x->count);
    rc = average_images(c, &from, &to, mq_node_attr_int(c->node, "channels_last", 0) != 0);
done:
    return rc;
}

/* ---- QLinearConcat, QLinearSoftmax -------------------------------------------------------------------------------- */

enum { FIRST = 2, EACH = 3 }; /* QLinearConcat: result's scale and zero point, then tensor, scale and zero point of each */

static mq_status concat_shape(mq_call *c, int *axis, int64_t *dims)
{
    mq_status rc = MQ_OK;

    if (c->n_in < FIRST + EACH || (c->n_in - FIRST) % EACH || !mq_call_has(c, 1) || !mq_is_i8(c->in[1]))
        return mq_call_fail(c, "%zu inputs; 2, and 3 for each tensor, are wanted", c->n_in);
    for (size_t i = FIRST; i < c->n_in; i += EACH) {
        MQ_TRY(check_i8(c, i));
        const mq_array *a = c->in[i], *first = c->in[FIRST];
        if (i == FIRST) {
            MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 0), a->rank, axis));
            memcpy(dims, a->dims, sizeof a->dims);
            continue;
        }
        bool fits = a->rank == first->rank && a->dtype == first->dtype;
        for (int d = 0; fits && d < a->rank; d++)
            fits = d == *axis || a->dims[d] == first->dims[d];
        if (!fits || __builtin_add_overflow(dims[*axis], a->dims[*axis], &dims[*axis]))
            return mq_call_fail(c, "input %zu does not fit the first tensor", i);
    }
done:
    return rc;
}

static mq_status op_qlinear_concat(mq_call *c)
{
    int64_t dims[MQ_MAX_RANK], at = 0;
    uint8_t table[256], *y = NULL;
    grid from, to;
    int axis = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(concat_shape(c, &axis, dims));
    const mq_dtype type = c->in[1]->dtype;
    const int rank = c->in[FIRST]->rank;
    MQ_TRY(read_grid(c, 0, type, &to));
    MQ_TRY(mq_call_out(c, 0, type, rank, dims, (void **)&y));
    if (c->out[0]->count == 0)
        return MQ_OK;
    const int64_t outer = mq_span(dims, 0, axis), inner = mq_span(dims, axis + 1, rank);
    for (size_t i = FIRST; i < c->n_in; i += EACH) {
        const mq_array *a = c->in[i];
        const int64_t n = a->dims[axis] * inner;
        if (a->dtype != type)
            return mq_call_fail(c, "input %zu is %s, the result %s", i, mq_dtype_name(a->dtype), mq_dtype_name(type));
        MQ_TRY(read_grid(c, i + 1, type, &from));
        mq_i8_regrid(type, from.scale, from.zero, to.scale, to.zero, table);
        for (int64_t o = 0; o < outer; o++)
            mq_i8_look_up(table, (const uint8_t *)a->data + o * n, n, y + (o * dims[axis] + at) * inner);
        at += a->dims[axis];
    }
done:
    return rc;
}

/* exp of steps below the largest of n codes: powers[255] belongs to the largest. All are as large as float allows for a sum
 * of n of them. */
static void make_powers(float scale, int64_t n, float powers[256])
{
    const double top = fmax(0, log((double)(FLT_MAX / (float)n)) - 5) / (double)scale;

    for (int i = 0; i < 256; i++)
        powers[i] = (float)exp((i - 255 + top) * (double)scale);
}

#define SOFTMAX_LESS 0x1p-24f /* so that nothing overflows; exact */

static int code_at(const mq_array *x, int64_t i)
{
    return x->dtype == MQ_INT8 ? ((const int8_t *)x->data)[i] : ((const uint8_t *)x->data)[i];
}

/* Of n codes `step` apart. `steps` is what 1 is in steps of the result: ONNX Runtime takes a whole number. */
static void softmax_row(const mq_array *x, int64_t at, int64_t step, int64_t n, const float *powers, float steps,
                        int32_t zero,
                        char *y)
{
    const float less = SOFTMAX_LESS;
    float sum = 0;
    int most = INT_MIN;

    for (int64_t i = 0; i < n; i++)
        most = code_at(x, at + i * step) > most ? code_at(x, at + i * step) : most;
    for (int64_t i = 0; i < n; i++)
        sum += powers[255 - most + code_at(x, at + i * step)];
    for (int64_t i = 0; i < n; i += PIECE) {
        const int64_t m = n - i < PIECE ? n - i : PIECE;
        char codes[PIECE];
        float q[PIECE];
        for (int64_t j = 0; j < m; j++)
            q[j] = powers[255 - most + code_at(x, at + (i + j) * step)] * less * steps / (sum * less);
        mq_i8_quantize(q, m, 1, zero, x->dtype, codes);
        for (int64_t j = 0; j < m; j++)
            y[at + (i + j) * step] = codes[j];
    }
}

#define ROWS 8

MQ_CLONES(int, largest_of, (const uint8_t *x, int64_t n, uint8_t flip), (x, n, flip))
{
    uint8_t most = 0;

    for (int64_t i = 0; i < n; i++)
        most = (x[i] ^ flip) > most ? x[i] ^ flip : most;
    return most;
}

/* Each row is summed from left to right; side by side, they need not wait for each other. */
static void sum_rows(const uint8_t *x, int64_t n, uint8_t flip, const float *const powers[ROWS], float sums[ROWS])
{
    float s[ROWS] = { 0 };

    for (int64_t i = 0; i < n; i++)
        for (int r = 0; r < ROWS; r++)
            s[r] += powers[r][x[r * n + i] ^ flip];
    memcpy(sums, s, sizeof s);
}

/* softmax_row for ROWS rows of n neighbours, which begin at `at`. `scaled`: powers times less times steps. */
static void softmax_rows(const mq_array *x, int64_t at, int64_t n, const float *powers, const float *scaled, int32_t zero,
                         char *y)
{
    const uint8_t *codes = (const uint8_t *)x->data + at, flip = x->dtype == MQ_INT8 ? 0x80 : 0;
    const float *from[ROWS];
    float sums[ROWS], q[PIECE];
    int most[ROWS];

    for (int r = 0; r < ROWS; r++) {
        most[r] = largest_of(codes + r * n, n, flip);
        from[r] = powers + 255 - most[r];
    }
    sum_rows(codes, n, flip, from, sums);
    for (int r = 0; r < ROWS; r++)
        for (int64_t i = 0; i < n; i += PIECE) {
            const int64_t m = n - i < PIECE ? n - i : PIECE, k = r * n + i;
            for (int64_t j = 0; j < m; j++)
                q[j] = scaled[255 - most[r] + (codes[k + j] ^ flip)];
            mq_i8_quantize(q, m, sums[r] * SOFTMAX_LESS, zero, x->dtype, y + at + k);
        }
}

static mq_status op_qlinear_softmax(mq_call *c)
{
    const bool flat = mq_node_attr_int(c->node, "opset", 13) < 13; /* all axes from `axis` on are one */
    float powers[256], scaled[256];
    grid from, to;
    void *y = NULL;
    int axis = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(check_i8(c, 0));
    const mq_array *x = c->in[0];
    MQ_TRY(read_grid(c, 1, x->dtype, &from));
    MQ_TRY(read_grid(c, 3, x->dtype, &to));
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", flat ? 1 : -1), x->rank, &axis));
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, x->dims, &y));
    if (x->count == 0)
        return MQ_OK;
    const int64_t n = flat ? mq_span(x->dims, axis, x->rank) : x->dims[axis];
    const int64_t inner = flat ? 1 : mq_span(x->dims, axis + 1, x->rank), rows = (int64_t)x->count / n;
    const int64_t groups = inner == 1 ? rows / ROWS : 0;
    const int threads = mq_call_threads(c, (int64_t)x->count);
    make_powers(from.scale, n, powers);
    for (int i = 0; i < 256; i++)
        scaled[i] = powers[i] * SOFTMAX_LESS * floorf(1 / to.scale);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t k = 0; k < groups; k++)
        softmax_rows(x, k * ROWS * n, n, powers, scaled, to.zero, y);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t r = groups * ROWS; r < rows; r++)
        softmax_row(x, r / inner * n * inner + r % inner, inner, n, powers, floorf(1 / to.scale), to.zero, y);
done:
    return rc;
}

const mq_kernel mq_kernels_qlinear[] = {
    { "com.microsoft", "QLinearAdd", op_qlinear_add, 0 },
    { "com.microsoft", "QLinearAveragePool", op_qlinear_average_pool, 0 },
    { "com.microsoft", "QLinearConcat", op_qlinear_concat, 0 },
    { "com.microsoft", "QLinearGlobalAveragePool", op_qlinear_global_average_pool, 0 },
    { "com.microsoft", "QLinearLeakyRelu", op_qlinear_leaky_relu, 0 },
    { "com.microsoft", "QLinearMul", op_qlinear_mul, 0 },
    { "com.microsoft", "QLinearSigmoid", op_qlinear_sigmoid, 0 },
    { "com.microsoft", "QLinearSoftmax", op_qlinear_softmax, 0 },
    { 0 },
};
