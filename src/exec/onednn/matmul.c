/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Products of float matrices: MatMul, Gemm, and com.microsoft's FusedMatMul, FusedMatMulActivation and FusedGemm. Transposition is
 * a matter of strides; a constant second matrix is packed once. Batches that need no broadcasting run as one dimension. */
#include <stdlib.h>
#include <string.h>

#include "exec/onednn/kernels.h"

typedef struct matmul_state {
    mq_dn_op *op;
    mq_dn_feed a, b, bias;
    bool has_bias;
    mq_dn_result y;
} matmul_state;

static void release(void *state)
{
    matmul_state *s = state;

    mq_dn_feed_release(&s->a);
    mq_dn_feed_release(&s->b);
    mq_dn_feed_release(&s->bias);
    mq_dn_result_release(&s->y);
    mq_dn_free(s->op);
    free(s);
}

static mq_status run(mq_call *c, void *state)
{
    matmul_state *s = state;
    mq_dn_arg args[4];
    int n = 0;
    mq_status rc;

    MQ_TRY(mq_dn_feed_data(c, &s->a, &args[n++]));
    MQ_TRY(mq_dn_feed_data(c, &s->b, &args[n++]));
    if (s->has_bias)
        MQ_TRY(mq_dn_feed_data(c, &s->bias, &args[n++]));
    MQ_TRY(mq_dn_result_open(c, &s->y, &args[n++]));
    MQ_TRY(mq_dn_run(c, s->op, n, args));
    MQ_TRY(mq_dn_result_close(c, &s->y));
done:
    return rc;
}

/* One operand with its two matrix dims last. */
typedef struct side {
    int rank; /* with the matrix dims */
    int64_t dims[MQ_MAX_RANK], strides[MQ_MAX_RANK];
    mq_dn_desc plain;
} side;

typedef struct product {
    side a, b;
    int64_t m, n, k;
    int out_rank; /* the node's result */
    int64_t out_dims[MQ_MAX_RANK];
    int rank; /* the primitive's */
    int64_t y_dims[MQ_MAX_RANK];
    mq_dn_desc y, bias; /* bias: of the feed */
    int bias_what;      /* 0: none; MQ_DN_BIAS or that of a post-op */
    mq_dn_attr attr;
} product;

static void set_strides(side *s)
{
    int64_t step = 1;

    for (int i = s->rank - 1; i >= 0; i--) {
        s->strides[i] = step;
        step *= s->dims[i];
    }
}

static void swap_dims(side *s, int i, int j)
{
    const int64_t d = s->dims[i], t = s->strides[i];

    s->dims[i] = s->dims[j];
    s->strides[i] = s->strides[j];
    s->dims[j] = d;
    s->strides[j] = t;
}

/* A vector becomes a row (of A) or a column (of B). */
static void read_side(const mq_array *x, bool second, side *s)
{
    s->rank = x->rank;
    memcpy(s->dims, x->dims, (size_t)x->rank * sizeof *x->dims);
    if (x->rank == 1) {
        s->rank = 2;
        s->dims[second] = x->dims[0];
        s->dims[!second] = 1;
    }
    set_strides(s);
}

/* Puts dims of 1 in front. */
static void widen(side *s, int rank)
{
    const int more = rank - s->rank;

    memmove(s->dims + more, s->dims, (size_t)s->rank * sizeof *s->dims);
    memmove(s->strides + more, s->strides, (size_t)s->rank * sizeof *s->strides);
    for (int i = 0; i < more; i++) {
        s->dims[i] = 1;
        s->strides[i] = more < rank ? s->dims[more] * s->strides[more] : 1;
    }
    s->rank = rank;
}

static bool dense(const side *s)
{
    side t = *s;

    set_strides(&t);
    for (int i = 0; i < s->rank; i++)
        if (s->dims[i] > 1 && s->strides[i] != t.strides[i])
            return false;
    return true;
}

/* All but the last `keep` dims of a side become one; their strides must allow it. */
static bool merge(side *s, int keep)
{
    const int n = s->rank - keep;
    int64_t count = 1, stride = 1;
    bool first = true;

    for (int i = n - 1; i >= 0; i--) {
        if (s->dims[i] > 1 && first)
            stride = s->strides[i];
        else if (s->dims[i] > 1 && s->strides[i] != stride * count)
            return false;
        first = first && s->dims[i] == 1;
        count *= s->dims[i];
    }
    if (first)
        stride = s->dims[n] * s->strides[n] > 0 ? s->dims[n] * s->strides[n] : 1;
    memmove(s->dims + 1, s->dims + n, (size_t)keep * sizeof *s->dims);
    memmove(s->strides + 1, s->strides + n, (size_t)keep * sizeof *s->strides);
    s->dims[0] = count;
    s->strides[0] = stride;
    s->rank = keep + 1;
    return true;
}

static int64_t batch_count(const side *s)
{
    return mq_window_count(s->rank - 2, s->dims);
}

/* The fewest dims that say it: two when B is one matrix and A is dense, three when no batch is stretched. */
static void simplify(product *p)
{
    const int r = p->a.rank;
    side a = p->a, b = p->b;

    if (r > 2 && batch_count(&b) == 1 && dense(&a)) {
        merge(&a, 1);
        merge(&b, 2);
        memmove(b.dims, b.dims + 1, 2 * sizeof *b.dims);
        memmove(b.strides, b.strides + 1, 2 * sizeof *b.strides);
        b.rank = 2;
    } else if (r <= 3 || memcmp(a.dims, b.dims, (size_t)(r - 2) * sizeof *a.dims) != 0 || !merge(&a, 2) || !merge(&b, 2)) {
        return;
    }
    p->a = a;
    p->b = b;
}

/* The common shape; false: the reference kernel has to say what is wrong. */
static bool shape(const mq_array *a, const mq_array *b, product *p)
{
    const int r = p->a.rank > p->b.rank ? p->a.rank : p->b.rank;

    widen(&p->a, r);
    widen(&p->b, r);
    p->m = p->a.dims[r - 2];
    p->k = p->a.dims[r - 1];
    p->n = p->b.dims[r - 1];
    if (p->b.dims[r - 2] != p->k)
        return false;
    p->out_rank = 0;
    for (int i = 0; i < r - 2; i++) {
        const int64_t x = p->a.dims[i], y = p->b.dims[i];

        if (x != y && x != 1 && y != 1)
            return false;
        p->out_dims[p->out_rank++] = x == 1 ? y : x;
    }
    if (a->rank > 1)
        p->out_dims[p->out_rank++] = p->m;
    if (b->rank > 1)
        p->out_dims[p->out_rank++] = p->n;
    return p->m > 0 && p->n > 0 && p->k > 0 && batch_count(&p->a) > 0 && batch_count(&p->b) > 0;
}

static bool describe(product *p)
{
    simplify(p);
    p->rank = p->a.rank;
    for (int i = 0; i < p->rank - 2; i++)
        p->y_dims[i] = p->a.dims[i] == 1 ? p->b.dims[i] : p->a.dims[i];
    p->y_dims[p->rank - 2] = p->a.dims[p->rank - 2];
    p->y_dims[p->rank - 1] = p->n;
    return mq_dn_strided(&p->a.plain, MQ_FLOAT, p->rank, p->a.dims, p->a.strides) &&
           mq_dn_strided(&p->b.plain, MQ_FLOAT, p->rank, p->b.dims, p->b.strides) &&
           mq_dn_plain(&p->y, MQ_FLOAT, p->rank, p->y_dims);
}

static mq_status start(mq_call *c, product *p, matmul_state *s)
{
    mq_status rc;

    MQ_TRY(mq_dn_feed_init(c, &s->a, 0, MQ_DN_SRC, &p->a.plain, s->op));
    MQ_TRY(mq_dn_feed_init(c, &s->b, 1, MQ_DN_WEIGHTS, &p->b.plain, s->op));
    s->has_bias = p->bias_what != 0;
    if (s->has_bias)
        MQ_TRY(mq_dn_feed_init(c, &s->bias, 2, p->bias_what, &p->bias, s->op));
    MQ_TRY(mq_dn_result_init(c, &s->y, 0, MQ_FLOAT, p->out_rank, p->out_dims, &p->y));
done:
    return rc;
}

/* p is described. */
static mq_status prepare(mq_call *c, product *p, void **state)
{
    const double macs = (double)mq_window_count(p->rank, p->y_dims) * (double)p->k;
    matmul_state *s = calloc(1, sizeof *s);
    mq_dn_desc b = p->b.plain;
    mq_status rc;

    if (!s)
        return mq_oom(c->err);
    if (c->in[1]->constant)
        mq_dn_any(&b, MQ_FLOAT, p->rank, p->b.dims);
    rc = mq_dn_make_matmul(c, mq_dn_threads_macs(c, macs), &p->a.plain, &b, p->bias_what == MQ_DN_BIAS ? &p->bias : NULL, &p->y,
                           &p->attr, &s->op);
    if (rc == MQ_OK && s->op && !mq_dn_is_slow(s->op))
        rc = start(c, p, s);
    return mq_dn_prepared(rc, s->op && !mq_dn_is_slow(s->op), s, release, state);
}

static bool two_floats(const mq_call *c)
{
    return c->n_in >= 2 && mq_call_has(c, 0) && mq_call_has(c, 1) && mq_dn_all_inputs_are(c, MQ_FLOAT) && c->in[0]->rank > 0 &&
           c->in[1]->rank > 0;
}

static mq_status matmul_prepare(mq_call *c, void **state)
{
    product p = { .bias_what = 0 };

    if (!two_floats(c) || c->n_in > 2)
        return MQ_OK;
    read_side(c->in[0], false, &p.a);
    read_side(c->in[1], true, &p.b);
    return shape(c->in[0], c->in[1], &p) && describe(&p) ? prepare(c, &p, state) : MQ_OK;
}

/* ---- FusedMatMul -------------------------------------------------------------------------------------------------- */

/* transBatch: the first dim moves to before the last one; then trans: the last two change places. */
static bool transpose_side(const mq_node *n, const char *batch, const char *last, side *s, int array_rank)
{
    const bool moved = mq_node_attr_int(n, batch, 0) != 0;

    if (array_rank < 2)
        return !moved;
    for (int i = 0; moved && i + 2 < s->rank; i++)
        swap_dims(s, i, i + 1);
    if (mq_node_attr_int(n, last, 0))
        swap_dims(s, s->rank - 2, s->rank - 1);
    return true;
}

static mq_status fused_prepare(mq_call *c, void **state)
{
    const float alpha = mq_node_attr_float(c->node, "alpha", 1);
    product p = { .bias_what = 0 };

    if (!two_floats(c) || c->n_in > 2)
        return MQ_OK;
    read_side(c->in[0], false, &p.a);
    read_side(c->in[1], true, &p.b);
    if (!transpose_side(c->node, "transBatchA", "transA", &p.a, c->in[0]->rank) ||
        !transpose_side(c->node, "transBatchB", "transB", &p.b, c->in[1]->rank))
        return MQ_OK;
    if (!shape(c->in[0], c->in[1], &p) || !describe(&p) ||
        (alpha != 1 && !mq_dn_add_eltwise(&p.attr, dnnl_eltwise_linear, alpha, 0)) ||
        !mq_dn_add_scalar_activation(c->node, &p.attr))
        return MQ_OK;
    return prepare(c, &p, state);
}

/* ---- Gemm --------------------------------------------------------------------------------------------------------- */

/* C is added as the product's bias where it is a row and nothing is scaled, else as a post-op: alpha A B + beta C is
 * beta (alpha / beta A B + C). */
static bool add_c(const mq_array *x, float alpha, float beta, product *p)
{
    int64_t dims[2] = { 1, 1 };

    if (x->rank > 2)
        return false;
    for (int i = 0; i < x->rank; i++)
        dims[2 - x->rank + i] = x->dims[i];
    if ((dims[0] != 1 && dims[0] != p->m) || (dims[1] != 1 && dims[1] != p->n) || !mq_dn_plain(&p->bias, MQ_FLOAT, 2, dims))
        return false;
    if (alpha == 1 && beta == 1 && dims[0] == 1 && dims[1] == p->n) {
        p->bias_what = MQ_DN_BIAS;
        return true;
    }
    if (alpha != beta && !mq_dn_add_eltwise(&p->attr, dnnl_eltwise_linear, alpha / beta, 0))
        return false;
    p->bias_what = MQ_DN_POST(p->attr.n_post);
    return mq_dn_add_binary(&p->attr, dnnl_binary_add, &p->bias) &&
           (beta == 1 || mq_dn_add_eltwise(&p->attr, dnnl_eltwise_linear, beta, 0));
}

static mq_status gemm_prepare(mq_call *c, void **state)
{
    const float alpha = mq_node_attr_float(c->node, "alpha", 1), beta = mq_node_attr_float(c->node, "beta", 1);
    const bool has_c = c->n_in > 2 && mq_call_has(c, 2) && beta != 0;
    product p = { .bias_what = 0 };

    if (!two_floats(c) || c->in[0]->rank != 2 || c->in[1]->rank != 2)
        return MQ_OK;
    read_side(c->in[0], false, &p.a);
    read_side(c->in[1], true, &p.b);
    if (mq_node_attr_int(c->node, "transA", 0))
        swap_dims(&p.a, 0, 1);
    if (mq_node_attr_int(c->node, "transB", 0))
        swap_dims(&p.b, 0, 1);
    if (!shape(c->in[0], c->in[1], &p) || !describe(&p))
        return MQ_OK;
    if (has_c ? !add_c(c->in[2], alpha, beta, &p)
              : alpha != 1 && !mq_dn_add_eltwise(&p.attr, dnnl_eltwise_linear, alpha, 0))
        return MQ_OK;
    return mq_dn_add_scalar_activation(c->node, &p.attr) ? prepare(c, &p, state) : MQ_OK;
}

const mq_fast mq_dn_matmul_rows[] = {
    { "", "MatMul", "onednn:matmul", matmul_prepare, run, release, 0 },
    { "", "Gemm", "onednn:matmul", gemm_prepare, run, release, 0 },
    { "com.microsoft", "FusedMatMul", "onednn:matmul", fused_prepare, run, release, 0 },
    { "com.microsoft", "FusedMatMulActivation", "onednn:matmul", fused_prepare, run, release, 0 },
    { "com.microsoft", "FusedGemm", "onednn:matmul", gemm_prepare, run, release, 0 },
    { 0 },
};
