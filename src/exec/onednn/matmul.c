/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Products of float matrices: MatMul, Gemm, and com.microsoft's FusedMatMul, FusedMatMulActivation and FusedGemm.
 * Transposition is a matter of strides; a constant second matrix is packed once. Batches that need no broadcasting run
 * as one dimension.
 *
 * Where the library would take its older matrix product, whose sums depend on the number of threads, each product of a
 * batch is a primitive of its own on one thread, and the threads share the batch. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "exec/onednn/kernels.h"

typedef struct matmul_state {
    mq_dn_op *op;
    mq_dn_feed a, b, bias;
    bool has_bias;
    float beta; /* the bias is multiplied by it before */
    mq_dn_result y;
    /* Product by product: */
    mq_dn_op **ops; /* one for each thread */
    int n_ops;
    int64_t batch, y_step;
    int64_t *a_at, *b_at; /* in elements */
} matmul_state;

static void release(void *state)
{
    matmul_state *s = state;

    mq_dn_feed_release(&s->a);
    mq_dn_feed_release(&s->b);
    mq_dn_feed_release(&s->bias);
    mq_dn_result_release(&s->y);
    mq_dn_free(s->op);
    for (int i = 0; s->ops && i < s->n_ops; i++)
        mq_dn_free(s->ops[i]);
    free(s->ops);
    free(s->a_at);
    free(s->b_at);
    free(s);
}

static mq_status scale_bias(mq_call *c, const matmul_state *s, mq_dn_arg *arg)
{
    const mq_array *bias = c->in[s->bias.input];
    const float *from = arg->data;
    float *to;

    if (s->beta == 1)
        return MQ_OK;
    if (!(to = mq_call_scratch(c, bias->count * sizeof *to)))
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < bias->count; i++)
        to[i] = s->beta * from[i];
    arg->data = to;
    return MQ_OK;
}

/* The products of a batch, shared by threads. */
static mq_status run_each(mq_call *c, const matmul_state *s)
{
    const size_t scratch_size = mq_dn_scratch_bytes(s->ops[0]);
    char *scratch = scratch_size ? mq_call_scratch(c, scratch_size * (size_t)s->n_ops) : NULL;
    mq_status status = MQ_OK;
    float *y = NULL;
    mq_status rc;

    if (scratch_size && !scratch)
        return MQ_ERR_NOMEM;
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, s->y.rank, s->y.dims, (void **)&y));
#pragma omp parallel for num_threads(s->n_ops) schedule(static)
    for (int64_t i = 0; i < s->batch; i++) {
        const int t = omp_get_thread_num();
        const mq_dn_arg args[] = { { MQ_DN_SRC, (const float *)c->in[0]->data + s->a_at[i] },
                                   { MQ_DN_WEIGHTS, (const float *)c->in[1]->data + s->b_at[i] },
                                   { MQ_DN_DST, y + i * s->y_step } };
        mq_error ignored;
        const mq_status done = mq_dn_execute(s->ops[t], 3, args, scratch ? scratch + scratch_size * (size_t)t : NULL,
                                             &ignored);

        if (done != MQ_OK) {
#pragma omp atomic write
            status = done;
        }
    }
    if (status != MQ_OK)
        rc = status == MQ_ERR_NOMEM ? mq_oom(c->err) : mq_call_unsupported(c, "oneDNN fails");
done:
    return rc;
}

static mq_status run(mq_call *c, void *state)
{
    matmul_state *s = state;
    mq_dn_arg args[4];
    int n = 0;
    mq_status rc;

    if (s->ops)
        return run_each(c, s);
    MQ_TRY(mq_dn_feed_data(c, &s->a, &args[n++]));
    MQ_TRY(mq_dn_feed_data(c, &s->b, &args[n++]));
    if (s->has_bias) {
        MQ_TRY(mq_dn_feed_data(c, &s->bias, &args[n]));
        MQ_TRY(scale_bias(c, s, &args[n++]));
    }
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
    float beta;
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
        s->dims[!second] = x->dims[0];
        s->dims[second] = 1;
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

/* ---- product by product ------------------------------------------------------------------------------------------- */

/* Where matrix number i of a side starts. */
static int64_t matrix_at(const product *p, const side *s, int64_t i)
{
    int64_t at = 0;

    for (int d = p->rank - 3; d >= 0; d--) {
        at += s->dims[d] > 1 ? i % p->y_dims[d] * s->strides[d] : 0;
        i /= p->y_dims[d];
    }
    return at;
}

static mq_status make_each(mq_call *c, const product *p, matmul_state *s)
{
    const int r = p->rank - 2;
    mq_dn_desc a, b, y;
    mq_status rc = MQ_OK;

    if (!mq_dn_strided(&a, MQ_FLOAT, 2, p->a.dims + r, p->a.strides + r) ||
        !mq_dn_strided(&b, MQ_FLOAT, 2, p->b.dims + r, p->b.strides + r) || !mq_dn_plain(&y, MQ_FLOAT, 2, p->y_dims + r))
        return MQ_OK;
    for (int i = 0; i < s->n_ops && rc == MQ_OK; i++) {
        rc = mq_dn_make_matmul(c, 1, &a, &b, NULL, &y, &p->attr, &s->ops[i]);
        if (rc == MQ_OK && (!s->ops[i] || mq_dn_is_slow(s->ops[i])))
            rc = MQ_ERR_UNSUPPORTED;
    }
    for (int64_t i = 0; i < s->batch && rc == MQ_OK; i++) {
        s->a_at[i] = matrix_at(p, &p->a, i);
        s->b_at[i] = matrix_at(p, &p->b, i);
    }
    return rc;
}

/* Can the products of the batch be primitives of their own? */
static bool can_split(const mq_call *c, const product *p)
{
    return p->rank > 2 && !c->in[1]->constant && p->bias_what == 0 && mq_window_count(p->rank - 2, p->y_dims) > 1;
}

static mq_status start_each(mq_call *c, const product *p, int threads, matmul_state *s)
{
    mq_status rc;

    s->batch = mq_window_count(p->rank - 2, p->y_dims);
    s->n_ops = s->batch < threads ? (int)s->batch : threads;
    s->y_step = p->m * p->n;
    s->ops = calloc((size_t)s->n_ops, sizeof *s->ops);
    s->a_at = malloc((size_t)s->batch * sizeof *s->a_at);
    s->b_at = malloc((size_t)s->batch * sizeof *s->b_at);
    if (!s->ops || !s->a_at || !s->b_at)
        return mq_oom(c->err);
    rc = make_each(c, p, s);
    if (rc == MQ_OK)
        rc = mq_dn_result_init(c, &s->y, 0, MQ_FLOAT, p->out_rank, p->out_dims, &p->y);
    return rc;
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

static mq_status start(mq_call *c, const product *p, matmul_state *s)
{
    mq_status rc;

    MQ_TRY(mq_dn_feed_init(c, &s->a, 0, MQ_DN_SRC, &p->a.plain, s->op));
    MQ_TRY(mq_dn_feed_init(c, &s->b, 1, MQ_DN_WEIGHTS, &p->b.plain, s->op));
    s->has_bias = p->bias_what != 0;
    s->beta = p->beta;
    if (s->has_bias)
        MQ_TRY(mq_dn_feed_init(c, &s->bias, 2, p->bias_what, &p->bias, s->op));
    MQ_TRY(mq_dn_result_init(c, &s->y, 0, MQ_FLOAT, p->out_rank, p->out_dims, &p->y));
done:
    return rc;
}

static mq_status make(mq_call *c, const product *p, int threads, mq_dn_op **op)
{
    mq_dn_desc b = p->b.plain;

    if (c->in[1]->constant)
        mq_dn_any(&b, MQ_FLOAT, p->rank, p->b.dims);
    return mq_dn_make_matmul(c, threads, &p->a.plain, &b, p->bias_what == MQ_DN_BIAS ? &p->bias : NULL, &p->y, &p->attr, op);
}

/* p is described. What is chosen does not depend on the threads. */
static mq_status prepare(mq_call *c, const product *p, void **state)
{
    const double macs = (double)mq_window_count(p->rank, p->y_dims) * (double)p->k;
    const int threads = mq_dn_threads_macs(c, macs);
    matmul_state *s = calloc(1, sizeof *s);
    bool split = false;
    mq_status rc;

    if (!s)
        return mq_oom(c->err);
    rc = make(c, p, threads, &s->op);
    if (rc == MQ_OK && s->op && mq_dn_is_gemm(s->op) && (threads > 1 || can_split(c, p))) {
        mq_dn_free(s->op);
        s->op = NULL;
        split = can_split(c, p);
        rc = split ? start_each(c, p, threads, s) : make(c, p, 1, &s->op);
    }
    if (!split && s->op && mq_dn_is_slow(s->op))
        rc = MQ_ERR_UNSUPPORTED;
    if (rc == MQ_OK && !split && s->op)
        rc = start(c, p, s);
    return mq_dn_prepared(rc, split || s->op, s, release, state);
}

static bool two_floats(const mq_call *c)
{
    return c->n_in >= 2 && mq_call_has(c, 0) && mq_call_has(c, 1) && mq_dn_all_inputs_are(c, MQ_FLOAT) &&
           c->in[0]->rank > 0 &&
           c->in[1]->rank > 0;
}

static mq_status matmul_prepare(mq_call *c, void **state)
{
    product p = { .beta = 1 };

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
    product p = { .beta = 1 };

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

/* C is added as the product's bias where it is a row and the product is not scaled, else as a post-op. */
static bool add_c(const mq_array *x, float alpha, product *p)
{
    int64_t dims[2] = { 1, 1 };

    if (x->rank > 2)
        return false;
    for (int i = 0; i < x->rank; i++)
        dims[2 - x->rank + i] = x->dims[i];
    if ((dims[0] != 1 && dims[0] != p->m) || (dims[1] != 1 && dims[1] != p->n) || !mq_dn_plain(&p->bias, MQ_FLOAT, 2, dims))
        return false;
    if (alpha == 1 && dims[0] == 1 && dims[1] == p->n) {
        p->bias_what = MQ_DN_BIAS;
        return true;
    }
    p->bias_what = MQ_DN_POST(p->attr.n_post);
    return mq_dn_add_binary(&p->attr, dnnl_binary_add, &p->bias);
}

static mq_status gemm_prepare(mq_call *c, void **state)
{
    const float alpha = mq_node_attr_float(c->node, "alpha", 1), beta = mq_node_attr_float(c->node, "beta", 1);
    const bool has_c = c->n_in > 2 && mq_call_has(c, 2) && beta != 0;
    product p = { .beta = 1 };

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
    if ((alpha != 1 && !mq_dn_add_eltwise(&p.attr, dnnl_eltwise_linear, alpha, 0)) || (has_c && !add_c(c->in[2], alpha, &p)))
        return MQ_OK;
    p.beta = beta;
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
