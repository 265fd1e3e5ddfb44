/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* FlexAttention: attention whose scores and probabilities may pass through graphs of the node. All scores are in memory. */
#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/gemm.h"
#include "exec/ref/softmax.h"
#include "exec/ref/util.h"

typedef struct flex {
    int64_t batch, heads, kv_heads, queries, keys, size, v_size;
    mq_dtype precision; /* of scores and probabilities */
    int64_t *at;        /* offsets of heads: queries or results, keys, values, scores */
} flex;

static mq_status read_shapes(mq_call *c, flex *f)
{
    const mq_array *q = c->in[0], *k = c->in[1], *v = c->in[2];
    const int64_t precision = mq_node_attr_int(c->node, "softmax_precision", 0);

    if (q->dtype != MQ_FLOAT && q->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, q->dtype);
    if (q->rank != 4 || k->rank != 4 || v->rank != 4 || k->dtype != q->dtype || v->dtype != q->dtype)
        return mq_call_fail(c, "Q, K and V must have rank 4 and one element type");
    *f = (flex){ .batch = q->dims[0], .heads = q->dims[1], .kv_heads = k->dims[1], .queries = q->dims[2], .keys = k->dims[2],
                 .size = q->dims[3], .v_size = v->dims[3] };
    if (k->dims[0] != f->batch || v->dims[0] != f->batch || v->dims[1] != f->kv_heads || v->dims[2] != f->keys ||
        k->dims[3] != f->size || f->kv_heads < 1 || f->heads % f->kv_heads)
        return mq_call_fail(c, "Q, K and V do not fit each other");
    f->precision = precision == 0 ? q->dtype : (mq_dtype)precision;
    if (precision != 0 && precision != MQ_FLOAT && precision != MQ_DOUBLE)
        return mq_call_unsupported(c, "attribute 'softmax_precision' is %lld; %d (float) and %d (double) are supported",
                                   (long long)precision, MQ_FLOAT, MQ_DOUBLE);
    return MQ_OK;
}

static mq_status make_offsets(mq_call *c, flex *f)
{
    const int64_t n = f->batch * f->heads, group = f->heads / f->kv_heads;

    if (!(f->at = mq_call_scratch(c, (size_t)n * 5 * sizeof *f->at + 1)))
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        const int64_t kv = i / f->heads * f->kv_heads + i % f->heads / group;
        f->at[i] = i * f->queries * f->size;
        f->at[n + i] = kv * f->keys * f->size;
        f->at[2 * n + i] = i * f->queries * f->keys;
        f->at[3 * n + i] = kv * f->keys * f->v_size;
        f->at[4 * n + i] = i * f->queries * f->v_size;
    }
    return MQ_OK;
}

/* The same numbers in another type (a copy), or the same array. */
static mq_status convert(mq_call *c, mq_array *a, mq_dtype type, mq_array **out)
{
    mq_array *b = NULL;
    mq_status rc = MQ_OK;

    if (a->dtype == type) {
        *out = mq_array_ref(a);
        return MQ_OK;
    }
    MQ_TRY(mq_array_create(&b, type, a->rank, a->dims, c->err));
    for (size_t i = 0; i < a->count; i++) {
        if (type == MQ_FLOAT)
            ((float *)b->data)[i] = (float)((const double *)a->data)[i];
        else
            ((double *)b->data)[i] = (double)((const float *)a->data)[i];
    }
    *out = b;
done:
    return rc;
}

/* *a becomes what the graph attribute `name` makes of it; without that attribute it stays. */
static mq_status modify(mq_call *c, const char *name, mq_array **a)
{
    const mq_attr *g = mq_node_attr(c->node, name);
    mq_array *out = NULL;
    mq_status rc = MQ_OK;

    if (!g || g->type != MQ_ATTR_GRAPH || g->n < 1)
        return MQ_OK;
    MQ_TRY(mq_call_graph(c, g->graphs[0], 1, a, 1, &out));
    if (out->kind != MQ_TYPE_TENSOR || out->dtype != (*a)->dtype || out->rank != 4 ||
        memcmp(out->dims, (*a)->dims, 4 * sizeof *out->dims)) {
        mq_array_unref(out);
        return mq_call_fail(c, "graph '%s' changes the shape or the element type of what it is given", name);
    }
    mq_array_unref(*a);
    *a = out;
done:
    return rc;
}

static mq_status make_scores(mq_call *c, const flex *f, mq_array **out)
{
    const mq_attr *attr = mq_node_attr(c->node, "scale");
    const double scale = attr && attr->type == MQ_ATTR_FLOAT ? (double)attr->f : 1 / sqrt((double)f->size);
    const int64_t n = f->batch * f->heads, dims[] = { f->batch, f->heads, f->queries, f->keys };
    const mq_dtype type = c->in[0]->dtype;
    mq_array *scores = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_array_create(&scores, type, 4, dims, c->err));
    const mq_gemm g = { .dtype = type, .m = f->queries, .n = f->keys, .k = f->size, .a = c->in[0]->data, .b = c->in[1]->data,
                        .c = scores->data, .a_row = f->size, .a_col = 1, .b_row = 1, .b_col = f->size, .c_row = f->keys,
                        .batch = n, .a_at = f->at, .b_at = f->at + n, .c_at = f->at + 2 * n };
    MQ_TRY(mq_gemm_run(c, &g));
    for (size_t i = 0; i < scores->count; i++) {
        if (type == MQ_FLOAT)
            ((float *)scores->data)[i] *= (float)scale;
        else
            ((double *)scores->data)[i] *= scale;
    }
    MQ_TRY(convert(c, scores, f->precision, out));
done:
    mq_array_unref(scores);
    return rc;
}

static mq_status op_flex_attention(mq_call *c)
{
    mq_array *scores = NULL, *probs = NULL;
    flex f = { 0 };
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 3));
    MQ_TRY(read_shapes(c, &f));
    const mq_dtype type = c->in[0]->dtype;
    const int64_t dims[] = { f.batch, f.heads, f.queries, f.v_size };
    MQ_TRY(mq_call_out(c, 0, type, 4, dims, &y));
    if (c->out[0]->count == 0)
        goto done;
    MQ_TRY(make_offsets(c, &f));
    MQ_TRY(make_scores(c, &f, &scores));
    MQ_TRY(modify(c, "score_mod", &scores));
    MQ_TRY(mq_array_create(&probs, f.precision, 4, scores->dims, c->err));
    mq_softmax(c, f.precision, f.batch * f.heads * f.queries, f.keys, 1, scores->data, probs->data, false);
    MQ_TRY(modify(c, "prob_mod", &probs));
    mq_array_unref(scores);
    scores = NULL;
    MQ_TRY(convert(c, probs, type, &scores));
    const int64_t n = f.batch * f.heads;
    const mq_gemm g = { .dtype = type, .m = f.queries, .n = f.v_size, .k = f.keys, .a = scores->data, .b = c->in[2]->data,
                        .c = y, .a_row = f.keys, .a_col = 1, .b_row = f.v_size, .b_col = 1, .c_row = f.v_size, .batch = n,
                        .a_at = f.at + 2 * n, .b_at = f.at + 3 * n, .c_at = f.at + 4 * n };
    MQ_TRY(mq_gemm_run(c, &g));
done:
    mq_array_unref(scores);
    mq_array_unref(probs);
    return rc;
}

const mq_kernel mq_kernels_flex_attention[] = {
    { "ai.onnx.preview", "FlexAttention", op_flex_attention, MQ_KERNEL_WIDEN },
    { 0 },
};
