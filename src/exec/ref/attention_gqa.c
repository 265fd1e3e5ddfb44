/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* GroupQueryAttention of ONNX Runtime: a cache with its own length for each batch row, rotary embedding, local windows,
 * sinks. Quantized caches and normalized queries are refused by name. */
#include <math.h>
#include <string.h>

#include "exec/ref/attention_core.h"
#include "exec/ref/families.h"
#include "exec/ref/rotary.h"
#include "exec/ref/util.h"

enum {
    IN_Q, IN_K, IN_V, IN_PAST_K, IN_PAST_V, IN_LENGTHS, IN_TOTAL, IN_COS, IN_SIN, IN_POSITIONS, IN_BIAS, IN_SINK, IN_K_SCALE
};

typedef struct gqa {
    mq_attention t;
    mq_heads q, k, v;       /* the new rows */
    int64_t rows, old, all; /* new rows; rows of the past's buffer and of the present one */
    int64_t *past, *valid;  /* per batch row: rows of the past, rows in all */
    int64_t half;           /* pairs to turn; 0: none */
} gqa;

static mq_status refuse(mq_call *c)
{
    if (!mq_call_wants(c, 0))
        return mq_call_fail(c, "the first output has no name");
    for (size_t i = IN_K_SCALE; i < c->n_in; i++) {
        if (mq_call_has(c, i))
            return mq_call_unsupported(c, "input %zu is not supported", i);
    }
    if (mq_node_attr_int(c->node, "kv_cache_bit_width", 0) || mq_node_attr_int(c->node, "qk_output", 0) ||
        mq_node_attr_int(c->node, "sliding_window_cache", 0) || mq_call_wants(c, 3))
        return mq_call_unsupported(c, "'kv_cache_bit_width', 'qk_output' and 'sliding_window_cache', or output 3");
    for (size_t i = 0; i <= IN_SINK; i++) {
        const bool whole = i == IN_LENGTHS || i == IN_TOTAL || i == IN_POSITIONS;
        if (mq_call_has(c, i) && c->in[i]->dtype != (i == IN_POSITIONS ? MQ_INT64 : whole ? MQ_INT32 : MQ_FLOAT))
            return mq_call_bad_type(c, c->in[i]->dtype);
    }
    if (!mq_call_has(c, IN_Q) || !mq_call_has(c, IN_LENGTHS) || !mq_call_has(c, IN_TOTAL) || c->in[IN_TOTAL]->count != 1 ||
        mq_call_has(c, IN_K) != mq_call_has(c, IN_V) || mq_call_has(c, IN_PAST_K) != mq_call_has(c, IN_PAST_V))
        return mq_call_fail(c, "an input is missing");
    return MQ_OK;
}

/* Queries, keys and values: apart, or packed side by side into the query. */
static mq_status read_rows(mq_call *c, gqa *g)
{
    mq_attention *t = &g->t;
    const mq_array *q = c->in[IN_Q];
    const bool packed = !mq_call_has(c, IN_K);

    t->dtype = MQ_FLOAT;
    t->heads = mq_node_attr_int(c->node, "num_heads", 0);
    t->kv_heads = mq_node_attr_int(c->node, "kv_num_heads", 0);
    if (q->rank != 3 || t->kv_heads < 1 || t->heads < 1 || t->heads > INT32_MAX || t->heads % t->kv_heads ||
        q->dims[2] % (t->heads + (packed ? 2 * t->kv_heads : 0)))
        return mq_call_fail(c, "query cannot be cut into %lld and %lld heads", (long long)t->heads, (long long)t->kv_heads);
    t->batch = q->dims[0];
    t->queries = g->rows = q->dims[1];
    t->size = t->v_size = q->dims[2] / (t->heads + (packed ? 2 * t->kv_heads : 0));
    const int64_t width = t->heads * t->size, kv = t->kv_heads * t->size;
    if (packed) {
        const mq_heads all = { q->data, g->rows * q->dims[2], t->size, q->dims[2] };
        g->q = g->k = g->v = all;
        g->k.data = (const float *)q->data + width;
        g->v.data = (const float *)q->data + width + kv;
        return MQ_OK;
    }
    for (size_t i = IN_K; i <= IN_V; i++) {
        const mq_array *a = c->in[i];
        if (a->rank != 3 || a->dims[0] != t->batch || a->dims[1] != g->rows || a->dims[2] != kv)
            return mq_call_fail(c, "input %zu must be [%lld, %lld, %lld]", i, (long long)t->batch, (long long)g->rows,
                                (long long)kv);
    }
    g->q = mq_heads_joined(q->data, t->heads, g->rows, t->size);
    g->k = mq_heads_joined(c->in[IN_K]->data, t->kv_heads, g->rows, t->size);
    g->v = mq_heads_joined(c->in[IN_V]->data, t->kv_heads, g->rows, t->size);
    return MQ_OK;
}

static mq_status read_lengths(mq_call *c, gqa *g)
{
    const mq_attention *t = &g->t;
    const int64_t total = mq_array_i64(c->in[IN_TOTAL], 0);
    const mq_array *pk = mq_call_has(c, IN_PAST_K) ? c->in[IN_PAST_K] : NULL;

    for (size_t i = IN_PAST_K; pk && i <= IN_PAST_V; i++) {
        const mq_array *p = c->in[i];
        if (p->rank != 4 || p->dims[0] != t->batch || p->dims[1] != t->kv_heads || p->dims[2] != pk->dims[2] ||
            p->dims[3] != t->size)
            return mq_call_fail(c, "the past must be [%lld, %lld, n, %lld]", (long long)t->batch, (long long)t->kv_heads,
                                (long long)t->size);
    }
    g->old = pk ? pk->dims[2] : 0;
    g->all = total > g->old ? total : g->old;
    if (total < g->rows || c->in[IN_LENGTHS]->count != (uint64_t)t->batch)
        return mq_call_fail(c, "total_sequence_length is %lld for %lld new rows, and seqlens_k has %zu elements",
                            (long long)total, (long long)g->rows, c->in[IN_LENGTHS]->count);
    g->past = mq_call_scratch(c, (size_t)t->batch * 2 * sizeof *g->past + 1);
    if (!g->past)
        return MQ_ERR_NOMEM;
    g->valid = g->past + t->batch;
    for (int64_t b = 0; b < t->batch; b++) {
        const int64_t n = mq_array_i64(c->in[IN_LENGTHS], (size_t)b) + 1;
        g->valid[b] = n;
        g->past[b] = total == g->rows ? 0 : n - g->rows;
        if (n < 1 || n > total || g->past[b] < 0 || g->past[b] > g->old)
            return mq_call_fail(c, "seqlens_k says %lld rows, of %lld in all; %lld are new and the past has %lld",
                                (long long)n, (long long)total, (long long)g->rows, (long long)g->old);
    }
    return MQ_OK;
}

/* The rotary embedding of heads `x` into a plain copy [batch][heads][rows][size]. */
static mq_status rotate(mq_call *c, const gqa *g, mq_heads *x, int64_t heads)
{
    const mq_attention *t = &g->t;
    const mq_array *positions = mq_call_has(c, IN_POSITIONS) ? c->in[IN_POSITIONS] : NULL;
    const mq_array *cos = c->in[IN_COS];
    const bool interleaved = mq_node_attr_int(c->node, "rotary_interleaved", 0) != 0;
    float *out = mq_call_scratch(c, (size_t)(t->batch * heads * g->rows * t->size) * sizeof *out + 1);

    if (!out)
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < t->batch * g->rows; i++) {
        const int64_t b = i / g->rows, s = i % g->rows;
        const int64_t place = positions ? mq_array_i64(positions, (size_t)i) : g->past[b] + s;
        if (place < 0 || place >= cos->dims[0])
            return mq_call_fail(c, "position %lld is outside of the %lld rows of the tables", (long long)place,
                                (long long)cos->dims[0]);
        for (int64_t h = 0; h < heads; h++)
            mq_rotate_row((const float *)x->data + b * x->batch + h * x->head + s * x->row,
                          (const float *)cos->data + place * g->half, (const float *)c->in[IN_SIN]->data + place * g->half,
                          g->half, t->size, interleaved, out + ((b * heads + h) * g->rows + s) * t->size);
    }
    *x = mq_heads_apart(out, heads, g->rows, t->size);
    return MQ_OK;
}

static mq_status rotate_both(mq_call *c, gqa *g)
{
    mq_status rc = MQ_OK;

    if (!mq_node_attr_int(c->node, "do_rotary", 0) || g->t.batch == 0 || g->rows == 0)
        return MQ_OK;
    if (!mq_call_has(c, IN_COS) || !mq_call_has(c, IN_SIN))
        return mq_call_fail(c, "the tables of sines and cosines are missing");
    const mq_array *cos = c->in[IN_COS], *sin = c->in[IN_SIN];
    if (cos->rank != 2 || sin->rank != 2 || cos->dims[0] != sin->dims[0] || cos->dims[1] != sin->dims[1] ||
        cos->dims[1] > g->t.size / 2)
        return mq_call_fail(c, "the tables of sines and cosines do not fit heads of %lld", (long long)g->t.size);
    if (mq_call_has(c, IN_POSITIONS) && c->in[IN_POSITIONS]->count != (uint64_t)(g->t.batch * g->rows))
        return mq_call_fail(c, "position_ids has %zu elements", c->in[IN_POSITIONS]->count);
    g->half = cos->dims[1];
    MQ_TRY(rotate(c, g, &g->q, g->t.heads));
    MQ_TRY(rotate(c, g, &g->k, g->t.kv_heads));
done:
    return rc;
}

/* Output i: the past's rows, the new ones, then zeros. */
static mq_status make_present(mq_call *c, const gqa *g, size_t past, mq_heads fresh, size_t i, mq_heads *out)
{
    const mq_attention *t = &g->t;
    const int64_t dims[] = { t->batch, t->kv_heads, g->all, t->size };
    float *to = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_out(c, i, MQ_FLOAT, 4, dims, (void **)&to));
    const size_t n = (size_t)(t->batch * t->kv_heads * g->all * t->size);
    if (!to && !(to = mq_call_scratch(c, n * sizeof *to + 1)))
        return MQ_ERR_NOMEM;
    memset(to, 0, n * sizeof *to);
    *out = mq_heads_apart(to, t->kv_heads, g->all, t->size);
    for (int64_t h = 0; h < t->batch * t->kv_heads; h++, to += g->all * t->size) {
        const int64_t b = h / t->kv_heads, old = g->past[b];
        const float *from = (const float *)fresh.data + b * fresh.batch + h % t->kv_heads * fresh.head;
        if (old > 0)
            memcpy(to, (const float *)c->in[past]->data + h * g->old * t->size, (size_t)(old * t->size) * sizeof *to);
        for (int64_t s = 0; s < g->rows; s++)
            memcpy(to + (old + s) * t->size, from + s * fresh.row, (size_t)t->size * sizeof *to);
    }
done:
    return rc;
}

static mq_status read_options(mq_call *c, gqa *g)
{
    mq_attention *t = &g->t;
    const float scale = mq_node_attr_float(c->node, "scale", 0);
    const int64_t window = mq_node_attr_int(c->node, "local_window_size", -1);
    const mq_array *sink = mq_call_has(c, IN_SINK) ? c->in[IN_SINK] : NULL;

    t->scale = scale != 0 ? (double)scale : 1 / sqrt((double)t->size);
    t->softcap = (double)mq_node_attr_float(c->node, "softcap", 0);
    t->right = mq_node_attr_int(c->node, "causal", 1) ? 0 : -1;
    t->left = window > 0 ? window - 1 : -1; /* a window of 1 is the query's own key */
    t->offsets = g->past;
    t->valid = g->valid;
    t->keys = g->all;
    if (window == 0 || window < -1)
        return mq_call_fail(c, "attribute 'local_window_size' is %lld; -1, or more than 0, is wanted", (long long)window);
    if (sink && sink->count != (uint64_t)t->heads)
        return mq_call_fail(c, "head_sink has %zu elements; %lld are wanted", sink->count, (long long)t->heads);
    if (sink) {
        t->sink = sink->data;
    } else if (mq_node_attr_int(c->node, "smooth_softmax", 0) > 0) {
        float *zeros = mq_call_scratch(c, (size_t)t->heads * sizeof *zeros);
        if (!zeros)
            return MQ_ERR_NOMEM;
        memset(zeros, 0, (size_t)t->heads * sizeof *zeros);
        t->sink = zeros;
    }
    return MQ_OK;
}

static mq_status op_group_query_attention(mq_call *c)
{
    gqa g = { 0 };
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(refuse(c));
    MQ_TRY(read_rows(c, &g));
    MQ_TRY(read_lengths(c, &g));
    MQ_TRY(read_options(c, &g));
    if ((double)g.t.batch * (double)g.t.kv_heads * (double)g.all * (double)g.t.size > 1e15)
        return mq_call_fail(c, "the cache is too large");
    MQ_TRY(rotate_both(c, &g));
    MQ_TRY(make_present(c, &g, IN_PAST_K, g.k, 1, &g.t.k));
    MQ_TRY(make_present(c, &g, IN_PAST_V, g.v, 2, &g.t.v));
    if (mq_call_has(c, IN_BIAS))
        MQ_TRY(mq_attention_set_mask(c, &g.t, c->in[IN_BIAS], &g.t.mask[0]));
    const int64_t dims[] = { g.t.batch, g.rows, g.t.heads * g.t.size };
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, 3, dims, &y));
    g.t.q = g.q;
    g.t.y = mq_heads_joined(y, g.t.heads, g.rows, g.t.size);
    MQ_TRY(mq_attention_run(c, &g.t));
done:
    return rc;
}

const mq_kernel mq_kernels_attention_gqa[] = {
    { "com.microsoft", "GroupQueryAttention", op_group_query_attention, MQ_KERNEL_WIDEN },
    { 0 },
};
