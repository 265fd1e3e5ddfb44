/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Attention of ai.onnx: shapes, caches and masks; the sums are attention_core.c's. */
#include "exec/ref/attention_core.h"

#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/util.h"
#include "ops/attention_op.h"

enum { IN_Q, IN_K, IN_V, IN_MASK, IN_PAST_K, IN_PAST_V, IN_VALID };
enum { OUT_Y, OUT_K, OUT_V, OUT_QK };

/* How an operand of rank 3 or 4 is cut into heads. */
typedef struct cut {
    int64_t batch, heads, rows, n;
} cut;

static mq_status cut_heads(mq_call *c, size_t i, int64_t heads, cut *out)
{
    const mq_array *a = c->in[i];

    if (a->rank == 4)
        *out = (cut){ a->dims[0], a->dims[1], a->dims[2], a->dims[3] };
    else if (a->rank == 3 && heads > 0 && a->dims[2] % heads == 0)
        *out = (cut){ a->dims[0], heads, a->dims[1], a->dims[2] / heads };
    else
        return mq_call_fail(c, "input %zu has rank %d and cannot be cut into %lld heads", i, a->rank, (long long)heads);
    return MQ_OK;
}

static mq_heads heads_of(const mq_array *a, const cut *s)
{
    return a->rank == 4 ? mq_heads_apart(a->data, s->heads, s->rows, s->n)
                        : mq_heads_joined(a->data, s->heads, s->rows, s->n);
}

static mq_status read_shapes(mq_call *c, mq_attention *t, cut *q, cut *k, cut *v)
{
    const int64_t q_heads = mq_node_attr_int(c->node, "q_num_heads", 0), kv = mq_node_attr_int(c->node, "kv_num_heads", 0);
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 3));
    if (!mq_call_wants(c, 0))
        return mq_call_fail(c, "the first output has no name");
    t->dtype = c->in[IN_Q]->dtype;
    if (t->dtype != MQ_FLOAT && t->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, t->dtype);
    for (size_t i = 0; i <= IN_PAST_V; i++) {
        if (i != IN_MASK && mq_call_has(c, i) && c->in[i]->dtype != t->dtype)
            return mq_call_unsupported(c, "Q is %s and input %zu %s", mq_dtype_name(t->dtype), i,
                                       mq_dtype_name(c->in[i]->dtype));
    }
    if (c->in[IN_Q]->rank != c->in[IN_K]->rank || c->in[IN_Q]->rank != c->in[IN_V]->rank)
        return mq_call_fail(c, "Q, K and V have different ranks");
    MQ_TRY(cut_heads(c, IN_Q, q_heads, q));
    MQ_TRY(cut_heads(c, IN_K, kv, k));
    MQ_TRY(cut_heads(c, IN_V, kv, v));
    if (q->batch != k->batch || q->batch != v->batch || k->heads != v->heads || k->rows != v->rows || q->n != k->n ||
        (q->heads > 0 && (k->heads < 1 || q->heads % k->heads)))
        return mq_call_fail(c, "Q has %lld heads of %lld, K %lld of %lld with %lld rows, V %lld with %lld rows",
                            (long long)q->heads, (long long)q->n, (long long)k->heads, (long long)k->n, (long long)k->rows,
                            (long long)v->heads, (long long)v->rows);
    t->batch = q->batch;
    t->heads = q->heads;
    t->kv_heads = k->heads;
    t->queries = q->rows;
    t->size = q->n;
    t->v_size = v->n;
    t->keys = k->rows;
done:
    return rc;
}

/* past (may be NULL) and the new rows, one behind the other, as output i (or in scratch memory when that is not wanted). */
static mq_status join(mq_call *c, const mq_array *past, const mq_array *fresh, const cut *s, size_t i, mq_heads *out)
{
    const int64_t old = past ? past->dims[2] : 0, dims[4] = { s->batch, s->heads, old + s->rows, s->n };
    const size_t elem = mq_array_elem_size(fresh), row = (size_t)s->n * elem;
    const mq_heads from = heads_of(fresh, s);
    void *all = NULL;
    mq_status rc = MQ_OK;

    *out = from;
    if (!past && !mq_call_wants(c, i))
        return MQ_OK;
    if (past && (past->rank != 4 || past->dims[0] != s->batch || past->dims[1] != s->heads || past->dims[3] != s->n))
        return mq_call_fail(c, "the past does not fit the new keys or values");
    MQ_TRY(mq_call_out(c, i, fresh->dtype, 4, dims, &all));
    if (!all && !(all = mq_call_scratch(c, fresh->count * elem + past->count * elem + 1)))
        return MQ_ERR_NOMEM;
    *out = mq_heads_apart(all, s->heads, old + s->rows, s->n);
    for (int64_t h = 0; h < s->batch * s->heads && row > 0; h++) {
        char *to = (char *)all + (size_t)(h * (old + s->rows)) * row;
        if (old > 0)
            memcpy(to, (const char *)past->data + (size_t)(h * old) * row, (size_t)old * row);
        const int64_t at = h / s->heads * from.batch + h % s->heads * from.head;
        for (int64_t r = 0; r < s->rows; r++)
            memcpy(to + (size_t)(old + r) * row, (const char *)from.data + (size_t)(at + r * from.row) * elem, row);
    }
done:
    return rc;
}

static mq_status read_caches(mq_call *c, mq_attention *t, const cut *k, const cut *v)
{
    const mq_array *pk = mq_call_has(c, IN_PAST_K) ? c->in[IN_PAST_K] : NULL;
    const mq_array *pv = mq_call_has(c, IN_PAST_V) ? c->in[IN_PAST_V] : NULL;
    const mq_array *valid = mq_call_has(c, IN_VALID) ? c->in[IN_VALID] : NULL;
    mq_status rc = MQ_OK;

    if (!pk != !pv || (pk && valid))
        return mq_call_fail(c, "past keys and values come together, and without nonpad_kv_seqlen");
    if (pk && (pk->rank != 4 || pv->rank != 4 || pk->dims[2] != pv->dims[2]))
        return mq_call_fail(c, "past keys and values must have rank 4 and equally many rows");
    MQ_TRY(join(c, pk, c->in[IN_K], k, OUT_K, &t->k));
    MQ_TRY(join(c, pv, c->in[IN_V], v, OUT_V, &t->v));
    if (pk) {
        t->offset = pk->dims[2];
        t->keys += pk->dims[2];
    }
    if (valid) {
        if (valid->dtype != MQ_INT64 || valid->count != (uint64_t)t->batch)
            return mq_call_fail(c, "nonpad_kv_seqlen must hold %lld int64", (long long)t->batch);
        int64_t *offsets = mq_call_scratch(c, (size_t)t->batch * sizeof *offsets + 1);
        if (!offsets)
            return MQ_ERR_NOMEM;
        for (int64_t b = 0; b < t->batch; b++) {
            const int64_t n = ((const int64_t *)valid->data)[b];
            if (n < 0 || n > t->keys)
                return mq_call_fail(c, "nonpad_kv_seqlen holds %lld; there are %lld keys", (long long)n, (long long)t->keys);
            offsets[b] = n - t->queries;
        }
        t->valid = valid->data;
        t->offsets = offsets;
    }
done:
    return rc;
}

static mq_status read_attrs(mq_call *c, mq_attention *t)
{
    const mq_attr *scale = mq_node_attr(c->node, "scale");
    const int64_t mode = mq_node_attr_int(c->node, "qk_matmul_output_mode", 0);

    t->scale = scale && scale->type == MQ_ATTR_FLOAT ? (double)scale->f : 1 / sqrt((double)t->size);
    t->softcap = (double)mq_node_attr_float(c->node, "softcap", 0);
    t->left = mq_node_attr_int(c->node, "left_window_size", -1);
    t->right = mq_node_attr_int(c->node, "right_window_size", -1);
    if (t->left < -1 || t->right < -1)
        return mq_call_fail(c, "window sizes are %lld and %lld; -1 or more is allowed", (long long)t->left,
                            (long long)t->right);
    if (mode < MQ_QK_RAW || mode > MQ_QK_PROBABILITIES)
        return mq_call_fail(c, "attribute 'qk_matmul_output_mode' is %lld; 0 to 3 are allowed", (long long)mode);
    t->qk_mode = (mq_qk_mode)mode;
    if (mq_node_attr_int(c->node, "is_causal", 0))
        t->right = 0;
    return MQ_OK;
}

static mq_status run(mq_call *c, bool empty_is_nan)
{
    mq_attention t = { .empty_is_nan = empty_is_nan };
    cut q = { 0 }, k = { 0 }, v = { 0 };
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(read_shapes(c, &t, &q, &k, &v));
    MQ_TRY(read_attrs(c, &t));
    MQ_TRY(read_caches(c, &t, &k, &v));
    if (mq_call_has(c, IN_MASK))
        MQ_TRY(mq_attention_set_mask(c, &t, c->in[IN_MASK], &t.mask[0]));
    const int rank = c->in[IN_Q]->rank;
    const int64_t apart[] = { t.batch, t.heads, t.queries, t.v_size }, joined[] = { t.batch, t.queries, t.heads * t.v_size };
    const int64_t qk[] = { t.batch, t.heads, t.queries, t.keys };
    MQ_TRY(mq_call_out(c, OUT_Y, t.dtype, rank, rank == 4 ? apart : joined, &y));
    MQ_TRY(mq_call_out(c, OUT_QK, t.dtype, 4, qk, NULL));
    t.q = heads_of(c->in[IN_Q], &q);
    t.y = rank == 4 ? mq_heads_apart(y, t.heads, t.queries, t.v_size) : mq_heads_joined(y, t.heads, t.queries, t.v_size);
    t.qk = mq_call_wants(c, OUT_QK) ? c->out[OUT_QK] : NULL;
    MQ_TRY(mq_attention_run(c, &t));
done:
    return rc;
}

static mq_status op_attention(mq_call *c)
{
    return run(c, false);
}

static mq_status op_fused(mq_call *c)
{
    return run(c, true);
}

const mq_kernel mq_kernels_attention[] = {
    { "", "Attention", op_attention, MQ_KERNEL_WIDEN },
    { MQ_ATTENTION_DOMAIN, MQ_ATTENTION_OP, op_fused, 0 },
    { 0 },
};
