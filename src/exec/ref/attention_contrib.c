/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Attention and MultiHeadAttention of ONNX Runtime: their projections, biases, masks and caches; sums are
 * attention_core.c's. Caches that are written in place, packed inputs and beam search's indirection are refused by name. */
#include <math.h>
#include <string.h>

#include "exec/ref/attention_core.h"
#include "exec/ref/families.h"
#include "exec/ref/gemm.h"
#include "exec/ref/util.h"

static mq_status refuse_inputs(mq_call *c, size_t first, size_t last)
{
    for (size_t i = first; i <= last; i++) {
        if (mq_call_has(c, i))
            return mq_call_unsupported(c, "input %zu is not supported", i);
    }
    return MQ_OK;
}

static mq_status check_floats(mq_call *c, const size_t *which, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (mq_call_has(c, which[k]) && c->in[which[k]]->dtype != MQ_FLOAT)
            return mq_call_bad_type(c, c->in[which[k]]->dtype);
    }
    return MQ_OK;
}

static void read_scale(mq_call *c, mq_attention *t)
{
    const float scale = mq_node_attr_float(c->node, "scale", 0);

    t->scale = scale != 0 ? (double)scale : 1 / sqrt((double)t->size);
    t->left = -1;
    t->right = mq_node_attr_int(c->node, "unidirectional", 0) ? 0 : -1;
}

/* ---- masks of integers -------------------------------------------------------------------------------------------- */

/* Which of `keys` keys row i of batch b may see, by the forms of the mask; `old`: keys before the new ones. */
static bool visible(const mq_array *m, const mq_attention *t, int64_t b, int64_t i, int64_t j)
{
    if (m->rank == 1) /* lengths, or ends and then starts */
        return j < mq_array_i64(m, (size_t)b) &&
               (m->dims[0] == t->batch || j >= mq_array_i64(m, (size_t)(t->batch + b)));
    if (m->rank == 2)
        return mq_array_i64(m, (size_t)(b * t->keys + j)) != 0;
    return mq_array_i64(m, (size_t)((b * t->queries + i) * t->keys + j)) != 0;
}

/* Input i as a mask that adds the 'mask_filter_value' where a key is hidden. */
static mq_status integer_mask(mq_call *c, const mq_attention *t, size_t i, mq_attention_mask *out)
{
    const mq_array *m = c->in[i];
    const float hidden = mq_node_attr_float(c->node, "mask_filter_value", -10000.0f);
    const int64_t rows = m->rank == 3 ? t->queries : 1, dims[4] = { t->batch, 1, rows, t->keys };
    const bool lengths = m->rank == 1 && (m->dims[0] == t->batch || m->dims[0] == 2 * t->batch);
    const bool flags = m->rank == 2 && m->dims[0] == t->batch && m->dims[1] == t->keys;
    const bool all = m->rank == 3 && m->dims[0] == t->batch && m->dims[1] == t->queries && m->dims[2] == t->keys;
    mq_status rc = MQ_OK;

    if (m->dtype != MQ_INT32)
        return mq_call_bad_type(c, m->dtype);
    if (!lengths && !flags && !all) {
        char text[160];
        mq_array_text(m, text, sizeof text);
        return mq_call_unsupported(c, "a mask %s for %lld batches of %lld keys", text, (long long)t->batch,
                                   (long long)t->keys);
    }
    mq_array *a = mq_call_scratch(c, sizeof *a);
    float *f = mq_call_scratch(c, (size_t)(t->batch * rows * t->keys) * sizeof *f + 1);
    if (!a || !f)
        return MQ_ERR_NOMEM;
    for (int64_t r = 0; r < t->batch * rows; r++)
        for (int64_t j = 0; j < t->keys; j++)
            f[r * t->keys + j] = visible(m, t, r / rows, r % rows, j) ? 0 : hidden;
    memset(a, 0, sizeof *a);
    a->kind = MQ_TYPE_TENSOR;
    a->dtype = MQ_FLOAT;
    a->rank = 4;
    memcpy(a->dims, dims, sizeof dims);
    a->count = (size_t)(t->batch * rows * t->keys);
    a->data = f;
    MQ_TRY(mq_attention_set_mask(c, t, a, out));
done:
    return rc;
}

/* ---- heads -------------------------------------------------------------------------------------------------------- */

/* past (rank 4 from `past_at` on, `old` rows) and new rows, one behind the other: at `to`. */
static void join_heads(const float *past, int64_t old, mq_heads fresh, int64_t batch, int64_t heads, int64_t rows,
                       int64_t n, float *to)
{
    const size_t row = (size_t)n * sizeof *to;

    for (int64_t h = 0; h < batch * heads; h++) {
        const float *from = (const float *)fresh.data + h / heads * fresh.batch + h % heads * fresh.head;
        if (old > 0)
            memcpy(to, past + h * old * n, (size_t)old * row);
        to += old * n;
        for (int64_t s = 0; s < rows; s++, to += n)
            memcpy(to, from + s * fresh.row, row);
    }
}

/* A copy of rank 3 [batch, rows, n] with bias[n] added; without a bias the array itself. */
static mq_status with_bias(mq_call *c, const mq_array *a, const float *bias, const float **out)
{
    const int64_t n = a->dims[2];

    *out = a->data;
    if (!bias || a->count == 0)
        return MQ_OK;
    float *copy = mq_call_scratch(c, a->count * sizeof *copy);
    if (!copy)
        return MQ_ERR_NOMEM;
    for (int64_t r = 0; r < (int64_t)a->count / n; r++)
        for (int64_t j = 0; j < n; j++)
            copy[r * n + j] = ((const float *)a->data)[r * n + j] + bias[j];
    *out = copy;
    return MQ_OK;
}

/* ---- MultiHeadAttention ------------------------------------------------------------------------------------------- */

enum { M_Q, M_K, M_V, M_BIAS, M_MASK, M_ADD, M_PAST_K, M_PAST_V, M_PAST_LENGTH, M_INDIRECTION };

static mq_status mha_shapes(mq_call *c, mq_attention *t)
{
    const mq_array *q = c->in[M_Q], *k = c->in[M_K], *v = c->in[M_V];

    t->dtype = MQ_FLOAT;
    t->heads = t->kv_heads = mq_node_attr_int(c->node, "num_heads", 0);
    if (q->rank != 3 || (k->rank != 3 && k->rank != 4) || v->rank != k->rank)
        return mq_call_unsupported(c, "query, key and value of ranks %d, %d and %d", q->rank, k->rank, v->rank);
    if (t->heads < 1 || q->dims[2] % t->heads)
        return mq_call_fail(c, "rows of %lld elements are not %lld heads", (long long)q->dims[2], (long long)t->heads);
    t->batch = q->dims[0];
    t->queries = q->dims[1];
    t->size = q->dims[2] / t->heads;
    t->keys = k->dims[k->rank - 2];
    t->v_size = v->rank == 4 ? v->dims[3] : v->dims[2] / t->heads;
    const bool heads = k->rank == 4 ? k->dims[1] == t->heads && v->dims[1] == t->heads && k->dims[3] == t->size
                                    : k->dims[2] == q->dims[2] && v->dims[2] % t->heads == 0;
    if (!heads || k->dims[0] != t->batch || v->dims[0] != t->batch || v->dims[v->rank - 2] != t->keys)
        return mq_call_fail(c, "query, key and value do not fit each other");
    return MQ_OK;
}

/* Keys or values (input i) with their bias and past (input p, or none) as heads; made as output o when that is wanted. */
static mq_status mha_rows(mq_call *c, const mq_attention *t, size_t i, const float *bias, size_t p, size_t o, int64_t n,
                          int64_t old, mq_heads *out)
{
    const mq_array *a = c->in[i], *past = mq_call_has(c, p) ? c->in[p] : NULL;
    const int64_t dims[4] = { t->batch, t->heads, old + t->keys, n };
    const float *data = a->data;
    void *to = NULL;
    mq_status rc = MQ_OK;

    if (a->rank == 3)
        MQ_TRY(with_bias(c, a, bias, &data));
    *out = a->rank == 3 ? mq_heads_joined(data, t->heads, t->keys, n) : mq_heads_apart(data, t->heads, t->keys, n);
    if (past && (past->dims[0] != t->batch || past->dims[1] != t->heads || past->dims[2] != old || past->dims[3] != n))
        return mq_call_fail(c, "the past does not fit the new keys or values");
    if (!past && !mq_call_wants(c, o))
        return MQ_OK;
    MQ_TRY(mq_call_out(c, o, MQ_FLOAT, 4, dims, &to));
    if (!to && !(to = mq_call_scratch(c, (a->count + past->count) * sizeof(float) + 1)))
        return MQ_ERR_NOMEM;
    join_heads(past ? past->data : NULL, old, *out, t->batch, t->heads, t->keys, n, to);
    *out = mq_heads_apart(to, t->heads, old + t->keys, n);
done:
    return rc;
}

static mq_status mha_check(mq_call *c)
{
    static const size_t floats[] = { M_Q, M_K, M_V, M_BIAS, M_ADD, M_PAST_K, M_PAST_V };
    mq_status rc = MQ_OK;

    if (!mq_call_wants(c, 0))
        return mq_call_fail(c, "the first output has no name");
    MQ_TRY(refuse_inputs(c, M_PAST_LENGTH, M_INDIRECTION));
    if (!mq_call_has(c, M_K) || !mq_call_has(c, M_V))
        return mq_call_unsupported(c, "key and value packed into the query, or together");
    MQ_TRY(mq_call_need(c, 3));
    MQ_TRY(check_floats(c, floats, MQ_ARRAY_LEN(floats)));
    if (mq_call_has(c, M_PAST_K) != mq_call_has(c, M_PAST_V) ||
        (mq_call_has(c, M_PAST_K) && (c->in[M_PAST_K]->rank != 4 || c->in[M_PAST_V]->rank != 4)))
        return mq_call_fail(c, "past keys and values must come together and have rank 4");
done:
    return rc;
}

static mq_status op_multi_head_attention(mq_call *c)
{
    mq_attention t = { 0 };
    const float *q = NULL, *bias = NULL;
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mha_check(c));
    MQ_TRY(mha_shapes(c, &t));
    read_scale(c, &t);
    const int64_t width = t.heads * t.size, old = mq_call_has(c, M_PAST_K) ? c->in[M_PAST_K]->dims[2] : 0;
    if (mq_call_has(c, M_BIAS)) {
        if (c->in[M_BIAS]->count != (uint64_t)(2 * width + t.heads * t.v_size))
            return mq_call_fail(c, "bias has %zu elements", c->in[M_BIAS]->count);
        bias = c->in[M_BIAS]->data;
    }
    MQ_TRY(with_bias(c, c->in[M_Q], bias, &q));
    t.q = mq_heads_joined(q, t.heads, t.queries, t.size);
    MQ_TRY(mha_rows(c, &t, M_K, bias ? bias + width : NULL, M_PAST_K, 1, t.size, old, &t.k));
    MQ_TRY(mha_rows(c, &t, M_V, bias ? bias + 2 * width : NULL, M_PAST_V, 2, t.v_size, old, &t.v));
    t.keys += old;
    t.offset = old;
    if (mq_call_has(c, M_MASK))
        MQ_TRY(integer_mask(c, &t, M_MASK, &t.mask[0]));
    if (mq_call_has(c, M_ADD))
        MQ_TRY(mq_attention_set_mask(c, &t, c->in[M_ADD], &t.mask[1]));
    const int64_t dims[] = { t.batch, t.queries, t.heads * t.v_size }, qk[] = { t.batch, t.heads, t.queries, t.keys };
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, 3, dims, &y));
    MQ_TRY(mq_call_out(c, 3, MQ_FLOAT, 4, qk, NULL));
    t.y = mq_heads_joined(y, t.heads, t.queries, t.v_size);
    t.qk = mq_call_wants(c, 3) ? c->out[3] : NULL;
    MQ_TRY(mq_attention_run(c, &t));
done:
    return rc;
}

/* ---- Attention ---------------------------------------------------------------------------------------------------- */

enum { A_X, A_W, A_BIAS, A_MASK, A_PAST, A_ADD, A_PAST_LENGTH };

/* Widths of Q, K and V in the projection. */
static mq_status projection(mq_call *c, const mq_attention *t, int64_t width[3])
{
    const mq_array *x = c->in[A_X], *w = c->in[A_W];
    size_t n = 0;
    const int64_t *sizes = mq_node_attr_ints(c->node, "qkv_hidden_sizes", &n);

    if (x->rank != 3 || w->rank != 2 || w->dims[0] != x->dims[2])
        return mq_call_fail(c, "input must be [batch, sequence, n], weights [n, 3 * hidden]");
    if (n != 0 && n != 3)
        return mq_call_fail(c, "attribute 'qkv_hidden_sizes' has %zu elements; 3 are wanted", n);
    for (int k = 0; k < 3; k++) {
        width[k] = n ? sizes[k] : w->dims[1] / 3;
        if (width[k] < 1 || width[k] > w->dims[1] || width[k] % t->heads)
            return mq_call_fail(c, "%lld elements are not %lld heads", (long long)width[k], (long long)t->heads);
    }
    if (width[0] != width[1] || width[0] + width[1] + width[2] != w->dims[1])
        return mq_call_fail(c, "the weights have %lld columns, which are not Q, K and V", (long long)w->dims[1]);
    if (mq_call_has(c, A_BIAS) && c->in[A_BIAS]->count != (uint64_t)w->dims[1])
        return mq_call_fail(c, "bias has %zu elements; %lld are wanted", c->in[A_BIAS]->count, (long long)w->dims[1]);
    return MQ_OK;
}

static mq_status project(mq_call *c, float **out)
{
    const mq_array *x = c->in[A_X], *w = c->in[A_W];
    const int64_t rows = x->dims[0] == 0 ? 0 : x->dims[0] * x->dims[1], n = w->dims[1];
    const float *bias = mq_call_has(c, A_BIAS) ? c->in[A_BIAS]->data : NULL;
    const mq_gemm g = { .dtype = MQ_FLOAT, .m = rows, .n = n, .k = w->dims[0], .a = x->data, .b = w->data,
                        .a_row = w->dims[0],
                        .a_col = 1, .b_row = n, .b_col = 1, .c_row = n, .batch = 1 };
    mq_gemm run = g;
    mq_status rc = MQ_OK;

    if ((double)rows * (double)n > 1e15)
        return mq_call_fail(c, "the projection is too large");
    if (!(*out = mq_call_scratch(c, (size_t)(rows * n) * sizeof **out + 1)))
        return MQ_ERR_NOMEM;
    run.c = *out;
    MQ_TRY(mq_gemm_run(c, &run));
    for (int64_t r = 0; bias && r < rows; r++)
        for (int64_t j = 0; j < n; j++)
            (*out)[r * n + j] += bias[j];
done:
    return rc;
}

/* Joins the past, [2, batch, heads, old, size], with new keys and values into output 1 or scratch memory. */
static mq_status join_past(mq_call *c, mq_attention *t)
{
    const mq_array *past = mq_call_has(c, A_PAST) ? c->in[A_PAST] : NULL;
    const int64_t old = past && past->rank == 5 ? past->dims[3] : 0;
    const int64_t dims[] = { 2, t->batch, t->heads, old + t->keys, t->size };
    void *to = NULL;
    mq_status rc = MQ_OK;

    if (!past && !mq_call_wants(c, 1))
        return MQ_OK;
    if (t->size != t->v_size)
        return mq_call_unsupported(c, "a past of keys and values of different sizes");
    if (past && (past->rank != 5 || past->dims[0] != 2 || past->dims[1] != t->batch || past->dims[2] != t->heads ||
                 past->dims[4] != t->size))
        return mq_call_fail(c, "the past must be [2, %lld, %lld, n, %lld]", (long long)t->batch, (long long)t->heads,
                            (long long)t->size);
    MQ_TRY(mq_call_out(c, 1, MQ_FLOAT, 5, dims, &to));
    const int64_t half = t->batch * t->heads * (old + t->keys) * t->size;
    if (!to && !(to = mq_call_scratch(c, (size_t)half * 2 * sizeof(float) + 1)))
        return MQ_ERR_NOMEM;
    const float *pk = past ? past->data : NULL, *pv = past ? pk + past->count / 2 : NULL;
    join_heads(pk, old, t->k, t->batch, t->heads, t->keys, t->size, to);
    join_heads(pv, old, t->v, t->batch, t->heads, t->keys, t->size, (float *)to + half);
    t->keys += old;
    t->offset = old;
    t->k = mq_heads_apart(to, t->heads, t->keys, t->size);
    t->v = mq_heads_apart((float *)to + half, t->heads, t->keys, t->size);
done:
    return rc;
}

static mq_status op_attention(mq_call *c)
{
    static const size_t floats[] = { A_X, A_W, A_BIAS, A_PAST, A_ADD };
    mq_attention t = { .dtype = MQ_FLOAT };
    int64_t width[3];
    float *all = NULL;
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(check_floats(c, floats, MQ_ARRAY_LEN(floats)));
    if (!mq_call_wants(c, 0))
        return mq_call_fail(c, "the first output has no name");
    MQ_TRY(refuse_inputs(c, A_PAST_LENGTH, A_PAST_LENGTH));
    if (mq_node_attr_int(c->node, "do_rotary", 0) || mq_node_attr_int(c->node, "past_present_share_buffer", 0))
        return mq_call_unsupported(c, "attributes 'do_rotary' and 'past_present_share_buffer'");
    t.heads = t.kv_heads = mq_node_attr_int(c->node, "num_heads", 0);
    if (t.heads < 1)
        return mq_call_fail(c, "attribute 'num_heads' is %lld", (long long)t.heads);
    MQ_TRY(projection(c, &t, width));
    t.batch = c->in[A_X]->dims[0];
    t.queries = t.keys = c->in[A_X]->dims[1];
    t.size = width[0] / t.heads;
    t.v_size = width[2] / t.heads;
    read_scale(c, &t);
    MQ_TRY(project(c, &all));
    const int64_t row = 2 * width[0] + width[2];
    t.q = (mq_heads){ all, t.queries * row, t.size, row };
    t.k = (mq_heads){ all + width[0], t.queries * row, t.size, row };
    t.v = (mq_heads){ all + 2 * width[0], t.queries * row, t.v_size, row };
    MQ_TRY(join_past(c, &t));
    if (mq_call_has(c, A_MASK))
        MQ_TRY(integer_mask(c, &t, A_MASK, &t.mask[0]));
    if (mq_call_has(c, A_ADD))
        MQ_TRY(mq_attention_set_mask(c, &t, c->in[A_ADD], &t.mask[1]));
    const int64_t dims[] = { t.batch, t.queries, width[2] };
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, 3, dims, &y));
    t.y = mq_heads_joined(y, t.heads, t.queries, t.v_size);
    MQ_TRY(mq_attention_run(c, &t));
done:
    return rc;
}

const mq_kernel mq_kernels_attention_contrib[] = {
    { "com.microsoft", "Attention", op_attention, MQ_KERNEL_WIDEN },
    { "com.microsoft", "MultiHeadAttention", op_multi_head_attention, MQ_KERNEL_WIDEN },
    { 0 },
};
