/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The attention operators that ONNX Runtime adds, and rotary embeddings. Where a shape depends on how a cache is shared or
 * packed, it stays unknown. */
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

#define MS "com.microsoft"

static const mq_dim unknown = { -1, NULL };

static mq_status num_heads(mq_infer *in, const char *name, int64_t *n)
{
    *n = mq_node_attr_int(in->node, name, 0);
    if (*n < 1 && !mq_attrs_open(in))
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute '%s' is %lld, it must be at least 1", name, (long long)*n);
    return MQ_OK;
}

/* size / n; unknown when n is not known (0) or does not divide. */
static mq_dim share(mq_infer *in, mq_dim size, int64_t n)
{
    if (n < 1 || (mq_dim_known(size) && size.value % n))
        return unknown;
    return mq_dim_div(in, size, MQ_DIM(n));
}

/* ---- with the projection inside: input [batch, length, width], weights [width, q + k + v] ------------------------- */

/* Widths of the projected query and value. */
static mq_status projected(mq_infer *in, mq_dim *q, mq_dim *v)
{
    size_t n;
    const int64_t *sizes = mq_node_attr_ints(in->node, "qkv_hidden_sizes", &n);
    const mq_dim all = mq_in_rank(in, 1) == 2 ? mq_in_dims(in, 1)[1] : unknown;

    if (sizes && (n != 3 || sizes[0] < 1 || sizes[1] < 1 || sizes[2] < 1))
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'qkv_hidden_sizes' must be three positive sizes");
    *q = sizes ? MQ_DIM(sizes[0]) : share(in, all, 3);
    *v = sizes ? MQ_DIM(sizes[2]) : share(in, all, 3);
    return MQ_OK;
}

static mq_status projecting(mq_infer *in, size_t past)
{
    const bool shared = mq_node_attr_int(in->node, "past_present_share_buffer", 0) != 0;
    const mq_dim *x, *p;
    mq_dim q, v, length;
    int64_t heads;

    MQ_RULE_TRY(mq_want_rank(in, 0, 3, 3));
    MQ_RULE_TRY(mq_want_rank(in, 1, 2, 2));
    MQ_RULE_TRY(num_heads(in, "num_heads", &heads));
    MQ_RULE_TRY(projected(in, &q, &v));
    x = mq_in_dims(in, 0);
    if (!x)
        return MQ_OK;
    MQ_RULE_TRY(mq_out_shape(in, 0, 3, (const mq_dim[]){ x[0], x[1], v }));
    p = mq_in_rank(in, past) == 5 ? mq_in_dims(in, past) : NULL;
    length = !mq_in_has(in, past) ? x[1] : !p ? unknown : shared ? p[3] : mq_dim_add(in, p[3], x[1]);
    return mq_out_shape(in, 1, 5, (const mq_dim[]){ MQ_DIM(2), x[0], heads ? MQ_DIM(heads) : unknown, length,
                                                    p ? p[4] : share(in, v, heads) });
}

static mq_status attention(mq_infer *in)
{
    return projecting(in, 4);
}

static mq_status q_attention(mq_infer *in)
{
    return projecting(in, 8);
}

/* tokens without a batch axis */
static mq_status packed_attention(mq_infer *in)
{
    mq_dim q, v;

    MQ_RULE_TRY(mq_want_rank(in, 0, 2, 2));
    MQ_RULE_TRY(projected(in, &q, &v));
    if (!mq_in_dims(in, 0))
        return MQ_OK;
    return mq_out_shape(in, 0, 2, (const mq_dim[]){ mq_in_dims(in, 0)[0], v });
}

/* The projection, then scores over past and present keys for the width of the query, and their sum for the value's. */
static int64_t projecting_macs(const mq_node *n, size_t past)
{
    const mq_value *x = mq_macs_in(n, 0), *out = mq_macs_out(n, 0), *p = mq_macs_in(n, past);
    const int64_t all = mq_macs_dim(mq_macs_in(n, 1), 1), v = mq_macs_dim(out, 2), length = mq_macs_dim(x, 1);
    const int64_t keys = p ? mq_macs_add(mq_macs_dim(p, 3), length) : length;
    size_t n_sizes;
    const int64_t *sizes = mq_node_attr_ints(n, "qkv_hidden_sizes", &n_sizes);
    const int64_t q = n_sizes == 3 ? sizes[0] : v;

    return mq_macs_add(mq_macs_mul(mq_macs_count(x), all),
                       mq_macs_mul(mq_macs_mul(mq_macs_dim(x, 0), mq_macs_mul(length, keys)), mq_macs_add(q, v)));
}

static int64_t attention_macs(const mq_node *n)
{
    return projecting_macs(n, 4);
}

static int64_t q_attention_macs(const mq_node *n)
{
    return projecting_macs(n, 8);
}

/* ---- with query, key and value given ------------------------------------------------------------------------------ */

/* Query, key and value of MultiHeadAttention in any of their layouts. */
typedef struct qkv {
    mq_dim batch, length; /* of the query */
    mq_dim keys;          /* new ones */
    mq_dim size, v_size;  /* of one head */
    mq_dim width;         /* of the output */
} qkv;

/* [batch, length, width], or everything packed as [batch, length, heads, 3, size] */
static void read_query(mq_infer *in, int64_t heads, qkv *a)
{
    const mq_dim *q = mq_in_dims(in, 0);

    a->batch = q[0];
    a->length = a->keys = q[1];
    a->width = mq_in_rank(in, 0) == 5 ? mq_dim_mul(in, q[2], q[4]) : q[2];
    a->size = a->v_size = mq_in_rank(in, 0) == 5 ? q[4] : share(in, a->width, heads);
}

/* Keys [batch, length, width], [batch, heads, length, size], or with values as [batch, length, heads, 2, size] */
static void read_key_value(mq_infer *in, int64_t heads, qkv *a)
{
    const mq_dim *k = mq_in_dims(in, 1), *v = mq_in_dims(in, 2);

    if (mq_in_has(in, 1))
        a->keys = !k ? unknown : mq_in_rank(in, 1) == 4 ? k[2] : k[1];
    if (!mq_in_has(in, 2))
        return;
    a->width = a->v_size = unknown;
    if (mq_in_rank(in, 2) == 3) {
        a->width = v[2];
        a->v_size = share(in, v[2], heads);
    } else if (mq_in_rank(in, 2) == 4) {
        a->width = mq_dim_mul(in, v[1], v[3]);
        a->v_size = v[3];
    }
}

static mq_status out_cache(mq_infer *in, size_t out, size_t past, const qkv *a, int64_t heads, mq_dim size)
{
    const bool shared = mq_in_has(in, 8); /* with its length said beside it, the past is a buffer of full size */
    const mq_dim *p = mq_in_rank(in, past) == 4 ? mq_in_dims(in, past) : NULL;
    const mq_dim n = heads ? MQ_DIM(heads) : unknown;

    if (p)
        return mq_out_shape(in, out, 4, (const mq_dim[]){ p[0], p[1], shared ? p[2] : mq_dim_add(in, p[2], a->keys), p[3] });
    return mq_out_shape(in, out, 4, (const mq_dim[]){ a->batch, n, mq_in_has(in, past) ? unknown : a->keys, size });
}

static mq_status multi_head(mq_infer *in)
{
    const int rank = mq_in_rank(in, 0);
    int64_t heads;
    qkv a;

    MQ_RULE_TRY(num_heads(in, "num_heads", &heads));
    for (size_t i = 0; i < 3; i++)
        MQ_RULE_TRY(mq_want_rank(in, i, 3, 5));
    if (rank != 3 && rank != 5)
        return MQ_OK;
    read_query(in, heads, &a);
    read_key_value(in, heads, &a);
    MQ_RULE_TRY(mq_out_shape(in, 0, 3, (const mq_dim[]){ a.batch, a.length, a.width }));
    MQ_RULE_TRY(out_cache(in, 1, 6, &a, heads, a.size));
    MQ_RULE_TRY(out_cache(in, 2, 7, &a, heads, a.v_size));
    return mq_out_shape(in, 3, 4, (const mq_dim[]){ a.batch, heads ? MQ_DIM(heads) : unknown, a.length,
                                                    mq_in_has(in, 6) ? unknown : a.keys });
}

/* One query per sample; the caches are buffers that stay as large as they are. */
static mq_status decoder_multi_head(mq_infer *in)
{
    int64_t heads;
    qkv a;

    MQ_RULE_TRY(num_heads(in, "num_heads", &heads));
    for (size_t i = 0; i < 3; i++)
        MQ_RULE_TRY(mq_want_rank(in, i, 3, 4));
    if (mq_in_rank(in, 0) == 3) {
        read_query(in, heads, &a);
        read_key_value(in, heads, &a);
        /* query, key and value side by side when the others are missing */
        if (!mq_in_has(in, 1))
            a.width = share(in, a.width, 3);
        MQ_RULE_TRY(mq_out_shape(in, 0, 3, (const mq_dim[]){ a.batch, a.length, a.width }));
    }
    if (mq_node_attr_int(in->node, "past_present_share_buffer", 0) == 0)
        return MQ_OK;
    MQ_RULE_TRY(mq_out_like(in, 1, 5));
    return mq_out_like(in, 2, 6);
}

/* [tokens, width], or packed [tokens, heads, 3, size] */
static mq_status packed_multi_head(mq_infer *in)
{
    const mq_dim *q = mq_in_dims(in, 0), *v = mq_in_dims(in, 2);

    if (!q)
        return MQ_OK;
    if (mq_in_rank(in, 0) == 4)
        return mq_out_shape(in, 0, 2, (const mq_dim[]){ q[0], mq_dim_mul(in, q[1], q[3]) });
    MQ_RULE_TRY(mq_want_rank(in, 0, 2, 2));
    return mq_out_shape(in, 0, 2, (const mq_dim[]){ q[0], v && mq_in_rank(in, 2) == 2 ? v[1] : unknown });
}

/* What the cache holds after the call: the longer of the buffer and the total length. */
static mq_dim group_total(mq_infer *in, const mq_dim *past)
{
    const mq_dim total = mq_dim_of_elem(mq_in_element(in, 6));

    if (mq_node_attr_int(in->node, "sliding_window_cache", 0) != 0)
        return past ? past[2] : unknown;
    if (!past)
        return total;
    if (mq_dim_known(past[2]) && mq_dim_known(total))
        return past[2].value > total.value ? past[2] : total;
    return unknown;
}

static mq_status group_query(mq_infer *in)
{
    const mq_dim *q = mq_in_dims(in, 0), *past;
    mq_dim size, width;
    int64_t heads, kv;

    MQ_RULE_TRY(num_heads(in, "num_heads", &heads));
    MQ_RULE_TRY(num_heads(in, "kv_num_heads", &kv));
    MQ_RULE_TRY(mq_want_rank(in, 0, 3, 3));
    if (mq_attrs_open(in))
        return MQ_OK;
    if (heads > INT32_MAX || kv > INT32_MAX || heads % kv)
        return mq_fail(in->err, MQ_ERR_INPUT, "%lld heads cannot share %lld heads of keys", (long long)heads, (long long)kv);
    size = !q ? unknown : share(in, q[2], mq_in_has(in, 1) ? heads : heads + 2 * kv);
    width = q && mq_in_has(in, 1) ? q[2] : mq_dim_mul(in, size, MQ_DIM(heads));
    if (q)
        MQ_RULE_TRY(mq_out_shape(in, 0, 3, (const mq_dim[]){ q[0], q[1], width }));
    for (size_t i = 0; i < 2; i++) {
        past = mq_in_rank(in, 3 + i) == 4 ? mq_in_dims(in, 3 + i) : NULL;
        MQ_RULE_TRY(mq_out_shape(in, 1 + i, 4, (const mq_dim[]){ past ? past[0] : q ? q[0] : unknown, MQ_DIM(kv),
                                                                 group_total(in, past), past ? past[3] : size }));
    }
    return MQ_OK;
}

/* Keys of a MultiHeadAttention or GroupQueryAttention node: those of the cache that comes out, else those that come in. */
static int64_t keys_of(const mq_node *n)
{
    const mq_value *cache = mq_macs_out(n, 1), *key = mq_macs_in(n, 1);
    const bool spread = key && key->type && key->type->rank == 4;

    if (cache)
        return mq_macs_dim(cache, 2);
    return mq_macs_dim(key ? key : mq_macs_in(n, 0), spread ? 2 : 1);
}

/* Scores and weighted values: twice the width of the output for each pair of query and key. */
static int64_t multi_head_macs(const mq_node *n)
{
    return mq_macs_mul(mq_macs_mul(mq_macs_count(mq_macs_out(n, 0)), keys_of(n)), 2);
}

/* ---- others ------------------------------------------------------------------------------------------------------- */

static mq_status gemma_rotary(mq_infer *in)
{
    MQ_RULE_TRY(mq_out_like(in, 0, 1));
    return mq_out_like(in, 1, 3);
}

/* [1, heads, query length, key length] from a table [buckets, heads] */
static mq_status relative_bias(mq_infer *in)
{
    MQ_RULE_TRY(mq_want_rank(in, 0, 2, 2));
    return mq_out_shape(in, 0, 4, (const mq_dim[]){ MQ_DIM(1), mq_in_dims(in, 0) ? mq_in_dims(in, 0)[1] : unknown,
                                                    mq_dim_of_elem(mq_in_element(in, 1)),
                                                    mq_dim_of_elem(mq_in_element(in, 2)) });
}

const mq_op_rule mq_rules_contrib_attention[] = {
    { MS, "Attention", attention, attention_macs, &mq_quant_matmul },
    { MS, "DecoderMaskedMultiHeadAttention", decoder_multi_head, NULL, NULL },
    { MS, "DecoderMaskedSelfAttention", attention, attention_macs, &mq_quant_matmul },
    { MS, "GemmaRotaryEmbedding", gemma_rotary, NULL, NULL },
    { MS, "GroupQueryAttention", group_query, multi_head_macs, NULL },
    { MS, "LinearAttention", mq_infer_linear_attention, mq_macs_linear_attention, NULL },
    { MS, "LongformerAttention", mq_infer_same, NULL, NULL },
    { MS, "MRotaryEmbedding", mq_infer_same, NULL, NULL },
    { MS, "MultiHeadAttention", multi_head, multi_head_macs, NULL },
    { MS, "PackedAttention", packed_attention, NULL, &mq_quant_matmul },
    { MS, "PackedMultiHeadAttention", packed_multi_head, NULL, NULL },
    { MS, "QAttention", q_attention, q_attention_macs, NULL },
    { MS, "RelativePositionBias", relative_bias, NULL, NULL },
    { MS, "RotaryEmbedding", mq_infer_same, NULL, NULL },
};
const size_t mq_rules_contrib_attention_n = sizeof mq_rules_contrib_attention / sizeof *mq_rules_contrib_attention;
