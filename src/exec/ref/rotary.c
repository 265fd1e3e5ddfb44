/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* RotaryEmbedding, of ai.onnx and of ONNX Runtime: turns pairs of elements of each head by a position's angle. */
#include "exec/ref/rotary.h"

#include "exec/ref/attention_core.h"
#include "exec/ref/families.h"
#include "exec/ref/util.h"

typedef struct rotary {
    int64_t batch, rows, heads, size, half; /* half: pairs that are turned */
    mq_heads x, y;
    const float *cos, *sin;
    int64_t cache_rows;          /* of the tables; 0: they have a row for each row of each batch */
    const mq_array *positions;   /* of each row, or one element: of the first row; NULL: none */
    bool interleaved;
} rotary;

void mq_rotate_row(const float *x, const float *cos, const float *sin, int64_t half, int64_t size, bool interleaved,
                   float *y)
{
    const int64_t step = interleaved ? 2 : 1, gap = interleaved ? 1 : half;

    for (int64_t i = 0; i < half; i++) {
        const float a = x[i * step], b = x[i * step + gap];
        y[i * step] = cos[i] * a - sin[i] * b;
        y[i * step + gap] = sin[i] * a + cos[i] * b;
    }
    for (int64_t i = 2 * half; i < size; i++)
        y[i] = x[i];
}

/* The row of the tables for row s of batch b; checked before. */
static int64_t place_of(const rotary *r, int64_t b, int64_t s)
{
    if (!r->positions)
        return b * r->rows + s;
    if (r->positions->rank == 1)
        return mq_array_i64(r->positions, 0) + s;
    return mq_array_i64(r->positions, (size_t)(b * r->rows + s));
}

static mq_status check_places(mq_call *c, const rotary *r)
{
    const mq_array *p = r->positions;

    if (!p)
        return MQ_OK;
    const bool each = p->rank == 2 && p->dims[0] == r->batch && p->dims[1] == r->rows, first = p->rank == 1 && p->count == 1;
    if (p->dtype != MQ_INT64 || (!each && !first))
        return mq_call_fail(c, "position ids must be int64 [%lld, %lld]", (long long)r->batch, (long long)r->rows);
    for (size_t i = 0; i < p->count; i++) {
        const int64_t last = mq_array_i64(p, i), more = p->rank == 1 ? r->rows - 1 : 0;
        if (last < 0 || last > r->cache_rows - 1 - more)
            return mq_call_fail(c, "position %lld is outside of the %lld rows of the tables", (long long)last,
                                (long long)r->cache_rows);
    }
    return MQ_OK;
}

static mq_status check_tables(mq_call *c, rotary *r, const mq_array *cos, const mq_array *sin)
{
    const int rank = r->positions ? 2 : 3;
    bool ok = cos->dtype == MQ_FLOAT && sin->dtype == MQ_FLOAT && cos->rank == rank && sin->rank == rank;

    for (int d = 0; ok && d < rank; d++)
        ok = cos->dims[d] == sin->dims[d];
    if (!ok || cos->dims[rank - 1] != r->half || (rank == 3 && (cos->dims[0] != r->batch || cos->dims[1] != r->rows)))
        return mq_call_fail(c, "the tables of sines and cosines do not fit the input's %lld pairs", (long long)r->half);
    r->cos = cos->data;
    r->sin = sin->data;
    r->cache_rows = cos->dims[0];
    return MQ_OK;
}

/* Sizes from the input and the attributes; pairs: columns of the tables, for inputs that do not say their heads' size. */
static mq_status read_sizes(mq_call *c, rotary *r, int64_t pairs)
{
    const mq_array *x = c->in[0];
    const int64_t heads = mq_node_attr_int(c->node, "num_heads", 0);
    const int64_t part = mq_node_attr_int(c->node, "rotary_embedding_dim", 0);

    if (x->dtype != MQ_FLOAT)
        return mq_call_bad_type(c, x->dtype);
    if (x->rank != 3 && x->rank != 4)
        return mq_call_fail(c, "input has rank %d; 3 or 4 is wanted", x->rank);
    r->batch = x->dims[0];
    r->rows = x->dims[x->rank - 2];
    r->size = x->rank == 4 ? x->dims[3] : heads > 0 ? x->dims[2] / heads : 2 * pairs;
    r->heads = x->rank == 4 ? x->dims[1] : heads > 0 ? heads : r->size > 0 ? x->dims[2] / r->size : 0;
    if (x->rank == 3 && (r->heads < 1 || x->dims[2] % r->heads || x->dims[2] / r->heads != r->size))
        return mq_call_fail(c, "rows of %lld elements are not %lld heads of %lld", (long long)x->dims[2],
                            (long long)r->heads, (long long)r->size);
    r->half = (part > 0 ? part : r->size) / 2;
    if (part < 0 || part % 2 || 2 * r->half > r->size || (part == 0 && r->size % 2))
        return mq_call_fail(c, "attribute 'rotary_embedding_dim' is %lld for heads of %lld", (long long)part,
                            (long long)r->size);
    r->interleaved = mq_node_attr_int(c->node, "interleaved", 0) != 0;
    return MQ_OK;
}

static mq_status rotate(mq_call *c, size_t icos, size_t isin, size_t ipos)
{
    rotary r = { 0 };
    void *y = NULL;
    mq_status rc = MQ_OK;

    if (!mq_call_has(c, 0) || !mq_call_has(c, icos) || !mq_call_has(c, isin))
        return mq_call_fail(c, "an input is missing");
    const mq_array *x = c->in[0], *cos = c->in[icos];
    r.positions = mq_call_has(c, ipos) ? c->in[ipos] : NULL;
    MQ_TRY(read_sizes(c, &r, cos->rank > 0 ? cos->dims[cos->rank - 1] : 0));
    MQ_TRY(check_tables(c, &r, cos, c->in[isin]));
    MQ_TRY(check_places(c, &r));
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, x->rank, x->dims, &y));
    if (x->count == 0)
        return MQ_OK;
    const bool apart = x->rank == 4;
    r.x = apart ? mq_heads_apart(x->data, r.heads, r.rows, r.size) : mq_heads_joined(x->data, r.heads, r.rows, r.size);
    r.y = apart ? mq_heads_apart(y, r.heads, r.rows, r.size) : mq_heads_joined(y, r.heads, r.rows, r.size);
    const int threads = mq_call_threads(c, (int64_t)x->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < r.batch * r.rows; i++) {
        const int64_t b = i / r.rows, s = i % r.rows, at = place_of(&r, b, s) * r.half;
        for (int64_t h = 0; h < r.heads; h++)
            mq_rotate_row((const float *)r.x.data + b * r.x.batch + h * r.x.head + s * r.x.row, r.cos + at, r.sin + at,
                          r.half, r.size, r.interleaved, (float *)y + b * r.y.batch + h * r.y.head + s * r.y.row);
    }
done:
    return rc;
}

static mq_status op_rotary_embedding(mq_call *c)
{
    return rotate(c, 1, 2, 3);
}

static mq_status op_contrib_rotary_embedding(mq_call *c)
{
    if (mq_node_attr_float(c->node, "scale", 1.0f) != 1.0f)
        return mq_call_unsupported(c, "attribute 'scale' is not 1");
    return rotate(c, 2, 3, 1);
}

const mq_kernel mq_kernels_rotary[] = {
    { "", "RotaryEmbedding", op_rotary_embedding, MQ_KERNEL_WIDEN },
    { "com.microsoft", "RotaryEmbedding", op_contrib_rotary_embedding, MQ_KERNEL_WIDEN },
    { 0 },
};
