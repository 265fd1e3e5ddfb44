/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Sequence layers with a state: LinearAttention (a matrix per head) and CausalConvWithState (the last inputs). Step by
 * step. */
#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/util.h"
#include "exec/ref/vmath.h"

enum { IN_Q, IN_K, IN_V, IN_STATE, IN_DECAY, IN_BETA };

typedef struct linear {
    int64_t batch, steps, heads, kv_heads, k_size, v_size;
    bool gated, delta, decay_per_key, beta_shared;
    float scale;
} linear;

static mq_status check_floats(mq_call *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (mq_call_has(c, i) && c->in[i]->dtype != MQ_FLOAT)
            return mq_call_bad_type(c, c->in[i]->dtype);
    }
    return MQ_OK;
}

static mq_status read_rule(mq_call *c, linear *l)
{
    const char *name = "update_rule";
    const bool usual = !mq_node_attr(c->node, name) || mq_node_attr_is(c->node, name, "gated_delta");

    l->gated = usual || mq_node_attr_is(c->node, name, "gated");
    l->delta = usual || mq_node_attr_is(c->node, name, "delta");
    if (!l->gated && !l->delta && !mq_node_attr_is(c->node, name, "linear"))
        return mq_call_fail(c, "attribute 'update_rule' must be linear, gated, delta or gated_delta");
    if (l->gated != mq_call_has(c, IN_DECAY) || l->delta != mq_call_has(c, IN_BETA))
        return mq_call_fail(c, "inputs decay and beta do not go with 'update_rule'");
    return MQ_OK;
}

static bool is_rows(const mq_array *a, const linear *l, int64_t n)
{
    return a->rank == 3 && a->dims[0] == l->batch && a->dims[1] == l->steps && a->dims[2] == n;
}

static mq_status read_linear(mq_call *c, linear *l)
{
    const mq_array *q = c->in[IN_Q], *k = c->in[IN_K], *v = c->in[IN_V];

    l->heads = mq_node_attr_int(c->node, "q_num_heads", 0);
    l->kv_heads = mq_node_attr_int(c->node, "kv_num_heads", 0);
    if (q->rank != 3 || v->rank != 3 || l->heads < 1 || l->kv_heads < 1 || l->heads % l->kv_heads || q->dims[2] % l->heads ||
        v->dims[2] % l->kv_heads)
        return mq_call_fail(c, "query and value cannot be cut into %lld and %lld heads", (long long)l->heads,
                            (long long)l->kv_heads);
    l->batch = q->dims[0];
    l->steps = q->dims[1];
    l->k_size = q->dims[2] / l->heads;
    l->v_size = v->dims[2] / l->kv_heads;
    const mq_array *past = mq_call_has(c, IN_STATE) ? c->in[IN_STATE] : NULL;
    const mq_array *decay = l->gated ? c->in[IN_DECAY] : NULL, *beta = l->delta ? c->in[IN_BETA] : NULL;
    if (!is_rows(k, l, l->kv_heads * l->k_size) || !is_rows(v, l, v->dims[2]))
        return mq_call_fail(c, "key and value do not fit the query");
    if (past && (past->rank != 4 || past->dims[0] != l->batch || past->dims[1] != l->kv_heads ||
                 past->dims[2] != l->k_size ||
                 past->dims[3] != l->v_size))
        return mq_call_fail(c, "past_state must be [%lld, %lld, %lld, %lld]", (long long)l->batch, (long long)l->kv_heads,
                            (long long)l->k_size, (long long)l->v_size);
    l->decay_per_key = decay && !is_rows(decay, l, l->kv_heads);
    l->beta_shared = beta && !is_rows(beta, l, l->kv_heads);
    if ((l->decay_per_key && !is_rows(decay, l, l->kv_heads * l->k_size)) || (l->beta_shared && !is_rows(beta, l, 1)))
        return mq_call_fail(c, "decay or beta does not fit the heads");
    l->scale = mq_node_attr_float(c->node, "scale", 0);
    if (l->scale == 0)
        l->scale = 1 / sqrtf((float)l->k_size);
    return MQ_OK;
}

/* state[i] = state[i] * decay; the row's part of what the state says for the key: seen += k * state. */
static void fade(float *state, int64_t n, float decay, float key, float *seen)
{
    for (int64_t j = 0; j < n; j++) {
        state[j] *= decay;
        seen[j] += key * state[j];
    }
}

/* One step of one key-value head; state is [k_size][v_size], seen has room for v_size. */
static void step(mq_call *c, const linear *l, int64_t b, int64_t h, int64_t t, float *state, float *seen)
{
    const int64_t row = b * l->steps + t, group = l->heads / l->kv_heads;
    const float *k = (const float *)c->in[IN_K]->data + (row * l->kv_heads + h) * l->k_size;
    const float *v = (const float *)c->in[IN_V]->data + (row * l->kv_heads + h) * l->v_size;
    const float *decay = l->gated ? c->in[IN_DECAY]->data : NULL, *beta = l->delta ? c->in[IN_BETA]->data : NULL;
    const float rate = !beta ? 1 : l->beta_shared ? beta[row] : beta[row * l->kv_heads + h];

    memset(seen, 0, (size_t)l->v_size * sizeof *seen);
    for (int64_t i = 0; i < l->k_size; i++) {
        const int64_t at = l->decay_per_key ? (row * l->kv_heads + h) * l->k_size + i : row * l->kv_heads + h;
        fade(state + i * l->v_size, l->v_size, decay ? expf(decay[at]) : 1, k[i], seen);
    }
    for (int64_t j = 0; j < l->v_size; j++)
        seen[j] = l->delta ? rate * (v[j] - seen[j]) : v[j];
    for (int64_t i = 0; i < l->k_size; i++)
        for (int64_t j = 0; j < l->v_size; j++)
            state[i * l->v_size + j] += k[i] * seen[j];
    for (int64_t g = h * group; g < (h + 1) * group; g++) {
        const float *q = (const float *)c->in[IN_Q]->data + (row * l->heads + g) * l->k_size;
        float *y = (float *)c->out[0]->data + (row * l->heads + g) * l->v_size;
        memset(y, 0, (size_t)l->v_size * sizeof *y);
        for (int64_t i = 0; i < l->k_size; i++)
            for (int64_t j = 0; j < l->v_size; j++)
                y[j] += q[i] * state[i * l->v_size + j];
        for (int64_t j = 0; j < l->v_size; j++)
            y[j] *= l->scale;
    }
}

/* Without a past the present state has the query's element type, which its type variable does not say: what was inferred
 * counts. MQ_UNDEFINED: float. */
static mq_dtype half_state(const mq_call *c)
{
    const mq_type *t = mq_call_wants(c, 1) && !mq_call_has(c, IN_STATE) ? c->node->outputs[1]->type : NULL;

    return t && (t->dtype == MQ_FLOAT16 || t->dtype == MQ_BFLOAT16) ? t->dtype : MQ_UNDEFINED;
}

static mq_status narrow_state(mq_call *c, mq_dtype dtype, const int64_t *dims, const float *from)
{
    void *data = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_out(c, 1, dtype, 4, dims, &data));
    for (size_t i = 0; i < c->out[1]->count; i++)
        ((uint16_t *)data)[i] = dtype == MQ_FLOAT16 ? mq_f16_from_f32(from[i]) : mq_bf16_from_f32(from[i]);
done:
    return rc;
}

static mq_status op_linear_attention(mq_call *c)
{
    const mq_dtype half = half_state(c);
    linear l = { 0 };
    float *present = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 3));
    MQ_TRY(check_floats(c, 6));
    if (!mq_call_wants(c, 0))
        return mq_call_fail(c, "the first output has no name");
    MQ_TRY(read_rule(c, &l));
    MQ_TRY(read_linear(c, &l));
    const int64_t dims[] = { l.batch, l.steps, l.heads * l.v_size }, state[] = { l.batch, l.kv_heads, l.k_size, l.v_size };
    if ((double)l.batch * (double)l.kv_heads * (double)l.k_size * (double)l.v_size > 1e15)
        return mq_call_fail(c, "the state is too large");
    const int64_t n = l.batch * l.kv_heads, size = l.k_size * l.v_size;
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, 3, dims, NULL));
    if (half == MQ_UNDEFINED)
        MQ_TRY(mq_call_out(c, 1, MQ_FLOAT, 4, state, (void **)&present));
    if (!present && !(present = mq_call_scratch(c, (size_t)(n * size) * sizeof *present + 1)))
        return MQ_ERR_NOMEM;
    if (mq_call_has(c, IN_STATE))
        memcpy(present, c->in[IN_STATE]->data, (size_t)(n * size) * sizeof *present);
    else
        memset(present, 0, (size_t)(n * size) * sizeof *present);
    float *seen = mq_call_scratch(c, (size_t)(n * l.v_size) * sizeof *seen + 1);
    if (!seen)
        return MQ_ERR_NOMEM;
    const int threads = mq_call_threads(c, l.steps * n * size);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < n; i++)
        for (int64_t t = 0; t < l.steps; t++)
            step(c, &l, i / l.kv_heads, i % l.kv_heads, t, present + i * size, seen + i * l.v_size);
    if (half != MQ_UNDEFINED)
        MQ_TRY(narrow_state(c, half, state, present));
done:
    return rc;
}

/* ---- CausalConvWithState ------------------------------------------------------------------------------------------ */

enum { IN_X, IN_W, IN_B, IN_PAST };

static mq_status causal_check(mq_call *c, int64_t taps)
{
    const mq_array *x = c->in[IN_X], *w = c->in[IN_W], *b = mq_call_has(c, IN_B) ? c->in[IN_B] : NULL;
    const mq_array *past = mq_call_has(c, IN_PAST) ? c->in[IN_PAST] : NULL;

    if (x->rank != 3 || w->rank != 3 || w->dims[0] != x->dims[1] || w->dims[1] != 1 || taps < 1)
        return mq_call_fail(c, "input must be [batch, channels, length] and weight [channels, 1, k]");
    if (b && (b->rank != 1 || b->dims[0] != x->dims[1]))
        return mq_call_fail(c, "bias must be a list of %lld", (long long)x->dims[1]);
    if (past && (past->rank != 3 || past->dims[0] != x->dims[0] || past->dims[1] != x->dims[1] || past->dims[2] != taps - 1))
        return mq_call_fail(c, "past_state must be [%lld, %lld, %lld]", (long long)x->dims[0], (long long)x->dims[1],
                            (long long)(taps - 1));
    return MQ_OK;
}

/* One channel: line is the state and the input, one behind the other. */
static void causal_row(const float *line, int64_t n, const float *w, int64_t taps, float bias, bool silu, float *y,
                       float *memory)
{
    for (int64_t j = 0; j < n; j++)
        y[j] = 0;
    for (int64_t k = 0; k < taps; k++)
        for (int64_t j = 0; j < n; j++)
            y[j] += w[k] * line[j + k];
    for (int64_t j = 0; j < n; j++)
        y[j] += bias;
    if (!silu)
        return;
    mq_vsigmoid(y, memory, n);
    for (int64_t j = 0; j < n; j++)
        y[j] *= memory[j];
}

static mq_status op_causal_conv_with_state(mq_call *c)
{
    const bool silu = mq_node_attr_is(c->node, "activation", "silu") || mq_node_attr_is(c->node, "activation", "swish");
    float *y = NULL, *present = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(check_floats(c, 4));
    if (!silu && mq_node_attr(c->node, "activation") && !mq_node_attr_is(c->node, "activation", "none"))
        return mq_call_fail(c, "attribute 'activation' must be silu, swish or none");
    if (!mq_call_wants(c, 0))
        return mq_call_fail(c, "the first output has no name");
    const mq_array *x = c->in[IN_X], *w = c->in[IN_W];
    const int64_t taps = w->rank == 3 ? w->dims[2] : 0;
    MQ_TRY(causal_check(c, taps));
    const int64_t n = x->dims[2], channels = x->dims[1], keep = taps - 1, state[] = { x->dims[0], channels, keep };
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, 3, x->dims, (void **)&y));
    MQ_TRY(mq_call_out(c, 1, MQ_FLOAT, 3, state, (void **)&present));
    const int64_t rows = x->dims[0] == 0 || channels == 0 ? 0 : x->dims[0] * channels;
    float *line = mq_call_scratch(c, (size_t)(2 * n + keep) * sizeof *line + 1);
    if (!line)
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < rows; i++) {
        const int64_t ch = i % channels;
        if (mq_call_has(c, IN_PAST))
            memcpy(line, (const float *)c->in[IN_PAST]->data + i * keep, (size_t)keep * sizeof *line);
        else
            memset(line, 0, (size_t)keep * sizeof *line);
        memcpy(line + keep, (const float *)x->data + i * n, (size_t)n * sizeof *line);
        causal_row(line, n, (const float *)w->data + ch * taps, taps,
                   mq_call_has(c, IN_B) ? ((const float *)c->in[IN_B]->data)[ch] : 0, silu, y + i * n, line + keep + n);
        if (present)
            memcpy(present + i * keep, line + n, (size_t)keep * sizeof *line);
    }
done:
    return rc;
}

const mq_kernel mq_kernels_linear_attention[] = {
    { "", "CausalConvWithState", op_causal_conv_with_state, MQ_KERNEL_WIDEN },
    { "", "LinearAttention", op_linear_attention, MQ_KERNEL_WIDEN },
    { 0 },
};
