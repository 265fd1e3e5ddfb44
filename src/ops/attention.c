/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Attention of the standard domains: Attention, FlexAttention, LinearAttention, RotaryEmbedding. What other domains call
 * attention is in contrib_attention.c. */
#include "ops/attention_op.h"
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

/* Query, key or value seen as [batch, heads, length, size], from rank 4 or, packed by heads, rank 3. */
typedef struct heads {
    bool known;
    mq_dim batch, heads, length, size;
} heads;

static const heads unknown_heads = { false, { -1, NULL }, { -1, NULL }, { -1, NULL }, { -1, NULL } };

/* packed / n, where n divides it. */
static mq_status unpack(mq_infer *in, size_t i, mq_dim packed, int64_t n, mq_dim *size)
{
    if (mq_dim_known(packed) && packed.value % n)
        return mq_fail(in->err, MQ_ERR_INPUT, "input %zu: a last axis of %lld cannot be divided into %lld heads", i,
                       (long long)packed.value, (long long)n);
    *size = mq_dim_div(in, packed, MQ_DIM(n));
    return MQ_OK;
}

/* The number of heads in an attribute; 0: not there. */
static mq_status read_heads(mq_infer *in, const char *name, int64_t *n)
{
    const mq_attr *a = mq_node_attr(in->node, name);

    *n = mq_node_attr_int(in->node, name, 0);
    if (a && !a->ref && a->type == MQ_ATTR_INT && *n < 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute '%s' is %lld, it must be at least 1", name, (long long)*n);
    return MQ_OK;
}

static mq_status read_operand(mq_infer *in, size_t i, const char *heads_attr, heads *h)
{
    const mq_dim *d = mq_in_dims(in, i);
    const int rank = mq_in_rank(in, i);
    int64_t n;

    *h = unknown_heads;
    MQ_RULE_TRY(mq_want_rank(in, i, 3, 4));
    MQ_RULE_TRY(read_heads(in, heads_attr, &n));
    if (rank == 4) {
        *h = (heads){ true, d[0], d[1], d[2], d[3] };
    } else if (rank == 3) {
        *h = (heads){ true, d[0], n ? MQ_DIM(n) : MQ_DIM_UNKNOWN, d[1], MQ_DIM_UNKNOWN };
        if (n)
            MQ_RULE_TRY(unpack(in, i, d[2], n, &h->size));
    }
    return MQ_OK;
}

/* past + new along the sequence; without a past the new ones are all. */
static mq_dim total_length(mq_infer *in, size_t past, mq_dim length)
{
    if (!mq_in_has(in, past))
        return length;
    return mq_in_rank(in, past) == 4 ? mq_dim_add(in, mq_in_dims(in, past)[2], length) : MQ_DIM_UNKNOWN;
}

static mq_status attention_output(mq_infer *in, const heads *q, const heads *v)
{
    if (mq_in_rank(in, 0) == 4)
        return mq_out_shape(in, 0, 4, (const mq_dim[]){ q->batch, q->heads, q->length, v->size });
    if (mq_in_rank(in, 0) == 3)
        return mq_out_shape(in, 0, 3, (const mq_dim[]){ q->batch, q->length, mq_dim_mul(in, q->heads, v->size) });
    return MQ_OK;
}

static mq_status attention(mq_infer *in)
{
    heads q, k, v;
    mq_dim total;

    MQ_RULE_TRY(read_operand(in, 0, "q_num_heads", &q));
    MQ_RULE_TRY(read_operand(in, 1, "kv_num_heads", &k));
    MQ_RULE_TRY(read_operand(in, 2, "kv_num_heads", &v));
    if (q.known && k.known) {
        MQ_RULE_TRY(mq_want_same(in, &q.batch, k.batch, "batches of query and key"));
        MQ_RULE_TRY(mq_want_same(in, &q.size, k.size, "head sizes of query and key"));
    }
    if (k.known && v.known)
        MQ_RULE_TRY(mq_want_same(in, &k.length, v.length, "lengths of key and value"));
    MQ_RULE_TRY(attention_output(in, &q, &v));
    total = total_length(in, 4, k.length);
    if (k.known)
        MQ_RULE_TRY(mq_out_shape(in, 1, 4, (const mq_dim[]){ k.batch, k.heads, total, k.size }));
    if (v.known)
        MQ_RULE_TRY(mq_out_shape(in, 2, 4, (const mq_dim[]){ v.batch, v.heads, total, v.size }));
    return q.known ? mq_out_shape(in, 3, 4, (const mq_dim[]){ q.batch, q.heads, q.length, total }) : MQ_OK;
}

/* Queries times keys, and their weights times values: length * total * heads * (size + value size) for each of the batch. */
static int64_t attention_macs(const mq_node *n)
{
    const mq_value *q = mq_macs_in(n, 0), *k = mq_macs_in(n, 1), *v = mq_macs_in(n, 2), *past = mq_macs_in(n, 4);
    const bool packed = q && q->type && q->type->rank == 3;
    const bool kv_packed = k && k->type && k->type->rank == 3;
    const int64_t heads_q = packed ? mq_node_attr_int(n, "q_num_heads", -1) : mq_macs_dim(q, 1);
    const int64_t heads_kv = kv_packed ? mq_node_attr_int(n, "kv_num_heads", -1) : mq_macs_dim(v, 1);
    int64_t total = mq_macs_dim(k, kv_packed ? 1 : 2), v_size = mq_macs_dim(v, -1), per_key;

    if (heads_q < 1 || heads_kv < 1)
        return -1;
    if (kv_packed && v_size >= 0)
        v_size /= heads_kv;
    if (past)
        total = mq_macs_add(total, mq_macs_dim(past, 2));
    /* elements of the query are batch * heads * length * size already */
    per_key = mq_macs_mul(mq_macs_mul(mq_macs_dim(q, 0), heads_q), mq_macs_mul(mq_macs_dim(q, packed ? 1 : 2), v_size));
    return mq_macs_mul(total, mq_macs_add(mq_macs_count(q), per_key));
}

/* The graphs that change scores and probabilities: one tensor in, the same out. */
static mq_status flex_body(mq_infer *in, const char *name, const mq_dim *scores)
{
    const mq_attr *a = mq_node_attr(in->node, name);
    mq_dtype dtype;
    mq_graph *g;

    if (!a || a->type != MQ_ATTR_GRAPH || a->n < 1 || !a->graphs[0])
        return MQ_OK;
    g = a->graphs[0];
    if (g->inputs.n != 1 || g->outputs.n != 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "graph '%s' has %zu inputs and %zu outputs, it must have one of each", name,
                       g->inputs.n, g->outputs.n);
    MQ_RULE_TRY(mq_attr_dtype(in, "softmax_precision", mq_in_dtype(in, 0) == MQ_DOUBLE ? MQ_DOUBLE : MQ_FLOAT, &dtype));
    g->inputs.items[0]->type = mq_type_create(in->model, MQ_TYPE_TENSOR, dtype, 4, scores);
    if (!g->inputs.items[0]->type)
        return mq_oom(in->err);
    return in->infer_graph(in, g, in->err);
}

static mq_status flex_attention(mq_infer *in)
{
    mq_dim out[4], scores[4];

    for (size_t i = 0; i < 3; i++)
        MQ_RULE_TRY(mq_want_rank(in, i, 4, 4));
    for (int i = 0; i < 4; i++) {
        out[i] = mq_in_dims(in, 0) ? mq_in_dims(in, 0)[i] : MQ_DIM_UNKNOWN;
        scores[i] = out[i];
    }
    out[3] = mq_in_dims(in, 2) ? mq_in_dims(in, 2)[3] : MQ_DIM_UNKNOWN;
    scores[3] = mq_in_dims(in, 1) ? mq_in_dims(in, 1)[2] : MQ_DIM_UNKNOWN;
    MQ_RULE_TRY(mq_out_shape(in, 0, 4, out));
    MQ_RULE_TRY(flex_body(in, "score_mod", scores));
    return flex_body(in, "prob_mod", scores);
}

/* Query [B, T, Hq * dk], key [B, T, Hkv * dk], value [B, T, Hkv * dv]; the state is [B, Hkv, dk, dv]. */
mq_status mq_infer_linear_attention(mq_infer *in)
{
    heads q, k, v;
    mq_dim state[4];

    for (size_t i = 0; i < 3; i++)
        MQ_RULE_TRY(mq_want_rank(in, i, 3, 3));
    MQ_RULE_TRY(read_operand(in, 0, "q_num_heads", &q));
    MQ_RULE_TRY(read_operand(in, 1, "kv_num_heads", &k));
    MQ_RULE_TRY(read_operand(in, 2, "kv_num_heads", &v));
    if (q.known && k.known) {
        MQ_RULE_TRY(mq_want_same(in, &q.batch, k.batch, "batches of query and key"));
        MQ_RULE_TRY(mq_want_same(in, &q.size, k.size, "head sizes of query and key"));
    }
    MQ_RULE_TRY(attention_output(in, &q, &v));
    /* the state may be kept in a wider type; a new one starts in that of the query */
    if (!mq_in_has(in, 3) && mq_in_dtype(in, 0) != MQ_UNDEFINED)
        MQ_RULE_TRY(mq_out_dtype(in, 1, mq_in_dtype(in, 0)));
    state[0] = q.batch;
    state[1] = k.known ? k.heads : v.heads;
    state[2] = q.size;
    state[3] = v.size;
    for (int i = 0; mq_in_rank(in, 3) == 4 && i < 4; i++)
        MQ_RULE_TRY(mq_want_same(in, &state[i], mq_in_dims(in, 3)[i], "past_state and the state of this step"));
    return mq_out_shape(in, 1, 4, state);
}

/* Each step multiplies the state [dk, dv] with k, with v and with every query head. */
int64_t mq_macs_linear_attention(const mq_node *n)
{
    const mq_value *q = mq_macs_in(n, 0), *state = mq_macs_out(n, 1);
    const int64_t hq = mq_node_attr_int(n, "q_num_heads", -1), hkv = mq_node_attr_int(n, "kv_num_heads", -1);
    const int64_t steps = mq_macs_mul(mq_macs_dim(q, 0), mq_macs_dim(q, 1));
    const int64_t cell = mq_macs_mul(mq_macs_dim(state, 2), mq_macs_dim(state, 3));

    return mq_macs_mul(mq_macs_mul(steps, cell), mq_macs_add(hq, hkv));
}

static mq_status rotary(mq_infer *in)
{
    int64_t n;

    MQ_RULE_TRY(mq_want_rank(in, 0, 3, 4));
    MQ_RULE_TRY(read_heads(in, "num_heads", &n));
    return mq_out_like(in, 0, 0);
}

const mq_op_rule mq_rules_attention[] = {
    { "", "Attention", attention, attention_macs, NULL },
    { "", "LinearAttention", mq_infer_linear_attention, mq_macs_linear_attention, NULL },
    { "", "RotaryEmbedding", rotary, NULL, NULL },
    { "ai.onnx.preview", "FlexAttention", flex_attention, attention_macs, NULL },
    { MQ_ATTENTION_DOMAIN, MQ_ATTENTION_OP, NULL, attention_macs, NULL },
};
const size_t mq_rules_attention_n = sizeof mq_rules_attention / sizeof *mq_rules_attention;
