/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-nbits: MatMul or Gemm of float activations and a constant weight behind DequantizeLinear becomes MatMulNBits,
 * so that the weight is never expanded: integers of 2, 4 or 8 bits, signed or not; one scale, a scale per output, or
 * per block along the inner axis; with a Transpose between. A bias (Gemm's C, or Add of a constant row) goes with it.
 * The weight is laid out anew, once.
 *
 * MatMulNBits wants unsigned integers [N, blocks, block * bits / 8] with blocks of a power of two of 16 or more:
 * signed ones move up by half their range, as do their zero points, and a scale that holds for a whole column is
 * repeated for each block of it.
 * Left alone: other block sizes, weights with other readers of the floats, transposed activations.
 * Numerics: the same products, summed in another order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "passes/qdq.h"

#define TILE 64          /* columns that are laid out together: reads stay in cache lines */
#define LEAST_BLOCK 16
#define LARGEST_BLOCK 256 /* chosen by us */
#define NBITS_INPUTS 6
#define BIAS_INPUT 5

typedef struct weight {
    mq_qdq q;
    bool rows;       /* stored [N, K]; else [K, N] */
    int bits;
    int64_t k, n;
    int64_t given;   /* elements along K that share a scale in q */
    int64_t per_col; /* scales per column in q; 0: one scale for all columns */
    int64_t block, blocks;
    const uint8_t *codes, *scales, *zeros; /* packed; zeros NULL: none */
} weight;

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static uint8_t code_at(const uint8_t *p, int bits, int64_t i)
{
    return (uint8_t)(p[i * bits / 8] >> (i * bits % 8) & ((1 << bits) - 1));
}

/* Which scale of q belongs to block b (of the new layout) of column n. */
static int64_t scale_index(const weight *w, int64_t n, int64_t b)
{
    const int64_t at = b * w->block / w->given;

    if (w->per_col == 0)
        return 0;
    return w->rows ? n * w->per_col + at : at * w->n + n;
}

/* The block for a scale that holds for the whole column: the largest that wastes no more than a sixteenth by padding. */
static int64_t choose_block(int64_t k)
{
    for (int64_t b = LARGEST_BLOCK; b > LEAST_BLOCK; b /= 2)
        if ((k + b - 1) / b * b - k <= k / 16)
            return b;
    return LEAST_BLOCK;
}

static bool read_blocks(weight *w)
{
    const mq_tensor *scale = mq_value_constant(w->q.scale, false);
    const int axis = w->q.axis < 0 ? w->q.axis + 2 : w->q.axis, inner = w->rows ? 1 : 0;

    w->given = w->k;
    w->block = choose_block(w->k);
    if (w->q.block) {
        w->given = w->block = w->q.block;
        w->per_col = (w->k + w->block - 1) / w->block;
        if (axis != inner || scale->n_dims != 2 || scale->dims[inner] != w->per_col || scale->dims[1 - inner] != w->n ||
            w->block < LEAST_BLOCK || (w->block & (w->block - 1)))
            return false;
    } else if (mq_tensor_count(scale) != 1) {
        w->per_col = 1;
        if (axis == inner || mq_tensor_count(scale) != w->n)
            return false;
    }
    w->blocks = (w->k + w->block - 1) / w->block;
    return true;
}

/* The constant behind a product's right side: v is made by DequantizeLinear, or by Transpose of that. */
static bool read_weight(mq_value *v, bool transposed, weight *w)
{
    const mq_node *t = v->producer;
    const mq_tensor *codes;
    const int64_t *perm;
    size_t count;

    *w = (weight){ .rows = transposed };
    if (t && mq_node_is(t, "", "Transpose") && t->n_inputs && t->inputs[0]) {
        perm = mq_node_attr_ints(t, "perm", &count);
        if (perm && (count != 2 || perm[0] != 1 || perm[1] != 0))
            return false;
        v = t->inputs[0];
        w->rows = !transposed;
    }
    if (!mq_qdq_made(v, &w->q) || !(codes = mq_value_constant(w->q.codes, false)) || codes->n_dims != 2 ||
        (w->bits = mq_dtype_bits(w->q.dtype)) > 8)
        return false;
    w->k = codes->dims[w->rows ? 1 : 0];
    w->n = codes->dims[w->rows ? 0 : 1];
    return w->k >= LEAST_BLOCK && w->n >= 1 && w->k <= INT32_MAX && w->n <= INT32_MAX && read_blocks(w);
}

static bool map_weight(weight *w)
{
    mq_tensor *zero = w->q.zero ? mq_value_constant(w->q.zero, false) : NULL;
    const void *p;

    if (mq_tensor_bytes(mq_value_constant(w->q.codes, false), &p, NULL) != MQ_OK)
        return false;
    w->codes = p;
    if (mq_tensor_bytes(mq_value_constant(w->q.scale, false), &p, NULL) != MQ_OK)
        return false;
    w->scales = p;
    if (zero && mq_tensor_bytes(zero, &p, NULL) != MQ_OK)
        return false;
    w->zeros = zero ? p : NULL;
    return true;
}

/* ---- laying out ---------------------------------------------------------------------------------------------------- */

static uint8_t half_range(const weight *w)
{
    int64_t low, high;

    mq_qdq_range(w->q.dtype, &low, &high);
    return (uint8_t)(-low);
}

/* Columns [first, last): signed integers move up by flipping their top bit. */
static void lay_out(const weight *w, int64_t first, int64_t last, uint8_t *out)
{
    const int64_t row = w->blocks * (w->block * w->bits / 8);
    const uint8_t flip = half_range(w);

    if (w->rows && w->bits == 8) {
        for (int64_t n = first; n < last; n++)
            for (int64_t k = 0; k < w->k; k++)
                out[n * row + k] = w->codes[n * w->k + k] ^ flip;
        return;
    }
    for (int64_t k = 0; k < w->k; k++) {
        const int shift = (int)(k * w->bits % 8);

        for (int64_t n = first; n < last; n++) {
            const uint8_t code = code_at(w->codes, w->bits, w->rows ? n * w->k + k : k * w->n + n);

            out[n * row + k * w->bits / 8] |= (uint8_t)((code ^ flip) << shift);
        }
    }
}

static mq_status make_codes(mq_graph *g, const weight *w, mq_value **out, mq_error *err)
{
    const int64_t blob = w->block * w->bits / 8, tiles = (w->n + TILE - 1) / TILE;
    const int64_t dims[] = { w->n, w->blocks, blob };
    const int threads = mq_threads(0);
    int64_t size;
    uint8_t *data;

    if (__builtin_mul_overflow(w->n * w->blocks, blob, &size))
        return mq_oom(err);
    if (!(data = calloc((size_t)size, 1)))
        return mq_oom(err);
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t t = 0; t < tiles; t++)
        lay_out(w, t * TILE, (t + 1) * TILE < w->n ? (t + 1) * TILE : w->n, data);
    return mq_constant_of_heap(g, w->q.codes->name, MQ_UINT8, 3, dims, data, out, err);
}

static mq_status make_scales(mq_graph *g, const weight *w, mq_value **out, mq_error *err)
{
    const size_t elem = (size_t)mq_dtype_bits(w->q.type) / 8;
    const int64_t dims[] = { w->n, w->blocks };
    uint8_t *data = malloc((size_t)(w->n * w->blocks) * elem);

    if (!data)
        return mq_oom(err);
    for (int64_t n = 0; n < w->n; n++)
        for (int64_t b = 0; b < w->blocks; b++)
            memcpy(data + (size_t)(n * w->blocks + b) * elem, w->scales + (size_t)scale_index(w, n, b) * elem, elem);
    return mq_constant_of_heap(g, w->q.scale->name, w->q.type, 2, dims, data, out, err);
}

/* NULL when each is the operator's default, half of the range. */
static mq_status make_zeros(mq_graph *g, const weight *w, mq_value **out, mq_error *err)
{
    const int64_t row = (w->blocks * w->bits + 7) / 8, dims[] = { w->n, row };
    const uint8_t flip = half_range(w);
    bool plain = true;
    uint8_t *data = calloc((size_t)(w->n * row), 1);

    if (!data)
        return mq_oom(err);
    for (int64_t n = 0; n < w->n; n++) {
        for (int64_t b = 0; b < w->blocks; b++) {
            const uint8_t zero = w->zeros ? code_at(w->zeros, w->bits, scale_index(w, n, b)) : 0;

            plain &= (zero ^ flip) == 1 << (w->bits - 1);
            data[n * row + b * w->bits / 8] |= (uint8_t)((zero ^ flip) << (b * w->bits % 8));
        }
    }
    *out = NULL;
    if (!plain)
        return mq_constant_of_heap(g, w->q.codes->name, MQ_UINT8, 2, dims, data, out, err);
    free(data);
    return MQ_OK;
}

/* ---- the product --------------------------------------------------------------------------------------------------- */

/* A constant row of n numbers of that type. */
static bool is_row(const mq_value *v, int64_t n, mq_dtype type)
{
    const mq_tensor *t = v ? mq_value_constant(v, false) : NULL;

    return t && t->dtype == type && t->n_dims == 1 && t->dims[0] == n;
}

/* Add of a constant row behind the product, which nobody else reads. */
static mq_node *bias_behind(const mq_node *n, int64_t columns, mq_dtype type, mq_value **bias)
{
    mq_node *add = mq_only_reader(n->outputs[0]);

    if (!add || add->graph != n->graph || !mq_node_is(add, "", "Add") || add->n_inputs != 2)
        return NULL;
    for (size_t i = 0; i < 2; i++)
        if (add->inputs[1 - i] == n->outputs[0] && is_row(add->inputs[i], columns, type)) {
            *bias = add->inputs[i];
            return add;
        }
    return NULL;
}

static bool matches(const mq_node *n, weight *w, mq_value **bias)
{
    const bool gemm = mq_node_is(n, "", "Gemm");

    *bias = gemm && n->n_inputs > 2 ? n->inputs[2] : NULL;
    if ((!gemm && !mq_node_is(n, "", "MatMul")) || n->n_inputs < 2 || !n->inputs[0] || !n->inputs[1] || !n->outputs[0])
        return false;
    if (!read_weight(n->inputs[1], gemm && mq_node_attr_int(n, "transB", 0), w) || mq_value_rank(n->inputs[0]) < 2)
        return false;
    return !gemm || (!mq_node_attr_int(n, "transA", 0) && mq_node_attr_float(n, "alpha", 1) == 1 &&
                     (!*bias || (mq_node_attr_float(n, "beta", 1) == 1 && is_row(*bias, w->n, w->q.type))));
}

static mq_status set_attributes(mq_node *n, const weight *w, mq_error *err)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_node_set_attr_int(n, "K", w->k, err));
    MQ_TRY(mq_node_set_attr_int(n, "N", w->n, err));
    MQ_TRY(mq_node_set_attr_int(n, "bits", w->bits, err));
    MQ_TRY(mq_node_set_attr_int(n, "block_size", w->block, err));
done:
    return rc;
}

/* The pages of the mapped file are not read again. */
static void give_back(const weight *w)
{
    const mq_tensor *t = mq_value_constant(w->q.codes, false);

    if (t->buf && t->storage == MQ_STORE_RAW)
        mq_buf_done_with(t->buf, t->data, t->n_bytes);
}

static mq_status fuse(mq_node *n, weight *w, mq_value *bias, mq_error *err)
{
    mq_value *in[NBITS_INPUTS] = { n->inputs[0] };
    mq_node *last = bias ? NULL : bias_behind(n, w->n, w->q.type, &bias), *made;
    mq_status rc = MQ_OK;

    MQ_TRY(make_codes(n->graph, w, &in[1], err));
    MQ_TRY(make_scales(n->graph, w, &in[2], err));
    MQ_TRY(make_zeros(n->graph, w, &in[3], err));
    in[BIAS_INPUT] = bias;
    last = last ? last : n;
    MQ_TRY(mq_pass_insert(last, "com.microsoft", "MatMulNBits", NULL, in, NBITS_INPUTS, &made, err));
    MQ_TRY(set_attributes(made, w, err));
    MQ_TRY(mq_pass_take_over(made, last, err));
    give_back(w);
done:
    return rc;
}

/* MatMulNBits that stood there already takes the row that is added to it. */
static mq_status take_bias(mq_node *n, size_t *n_changed, mq_error *err)
{
    const mq_dtype type = mq_value_dtype(n->outputs[0]);
    mq_value *in[NBITS_INPUTS] = { NULL };
    mq_status rc = MQ_OK;
    mq_node *add, *made;

    if (n->n_inputs > BIAS_INPUT || !(add = bias_behind(n, mq_node_attr_int(n, "N", -1), type, &in[BIAS_INPUT])))
        return MQ_OK;
    memcpy(in, n->inputs, n->n_inputs * sizeof *in);
    MQ_TRY(mq_pass_insert(add, "com.microsoft", "MatMulNBits", n, in, NBITS_INPUTS, &made, err));
    MQ_TRY(mq_pass_take_over(made, add, err));
    ++*n_changed;
done:
    return rc;
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_value *bias;
    weight w;
    mq_status rc;

    if (n->n_outputs != 1 || !n->outputs[0])
        return MQ_OK;
    if (mq_node_is(n, "com.microsoft", "MatMulNBits"))
        return take_bias(n, n_changed, err);
    if (!matches(n, &w, &bias) || !map_weight(&w))
        return MQ_OK;
    rc = fuse(n, &w, bias, err);
    ++*n_changed;
    return rc;
}

const mq_pass mq_pass_fuse_nbits = {
    .name = "fuse-nbits", .summary = "multiply by weights of few bits without expanding them", .node = visit
};
