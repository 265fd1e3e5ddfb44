/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Element by element: the walks of lanes.h. Work is cut into one piece per thread at multiples of 64 elements, so
 * that no two threads write to one cache line; the result of an element never depends on the cut. */
#include "exec/ref/lanes.h"

/* Where piece k of `pieces` begins. */
static int64_t cut(int64_t n, int k, int pieces)
{
    const int64_t at = (n + pieces - 1) / pieces;
    const int64_t from = (at + 63) / 64 * 64 * k;

    return from < n ? from : n;
}

void mq_map_run(const mq_call *c, int64_t n, const void *in, size_t in_size, void *out, size_t out_size, mq_map_fn fn,
                const void *param)
{
    const int threads = mq_call_threads(c, n);

#pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)
    for (int k = 0; k < threads; k++) {
        const int64_t from = cut(n, k, threads), to = cut(n, k + 1, threads);

        if (from < to)
            fn(to - from, (const char *)in + (size_t)from * in_size, (char *)out + (size_t)from * out_size, param);
    }
}

/* May elements of `type` be put where those of a are, one by one? Not where compilers may take it that they are apart. */
static bool may_write_over(const mq_array *a, mq_dtype type)
{
    return a->dtype == type ? type != MQ_STRING : mq_array_elem_size(a) == 1 && mq_dtype_bits(type) == 8;
}

mq_status mq_call_map(mq_call *c, mq_dtype type, mq_map_fn fn, const void *param)
{
    const mq_array *x;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    x = c->in[0];
    MQ_TRY(may_write_over(x, type) ? mq_call_out_over(c, 0, 0, type, x->rank, x->dims, &out)
                                   : mq_call_out(c, 0, type, x->rank, x->dims, &out));
    if (out)
        mq_map_run(c, (int64_t)x->count, x->data, mq_array_elem_size(x), out, (size_t)mq_dtype_bits(type) / 8, fn, param);
done:
    return rc;
}

mq_status mq_call_map_typed(mq_call *c, const mq_map_fn leaves[MQ_N_DTYPES], const void *param)
{
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    if (!leaves[c->in[0]->dtype])
        return mq_call_bad_type(c, c->in[0]->dtype);
    MQ_TRY(mq_call_map(c, c->in[0]->dtype, leaves[c->in[0]->dtype], param));
done:
    return rc;
}

/* One piece of a walk: where it stands in the outer dims, and each operand's offset there. */
typedef struct walk {
    const mq_bcast *b;
    size_t n_in;
    int64_t at[MQ_MAX_RANK], offset[MQ_MAX_BROADCAST];
} walk;

static void walk_to(walk *w, const mq_bcast *b, size_t n_in, int64_t row)
{
    w->b = b;
    w->n_in = n_in;
    for (size_t i = 0; i < n_in; i++)
        w->offset[i] = mq_bcast_offset(b, (int)i, row);
    for (int d = b->rank - 2; d >= 0; d--) {
        w->at[d] = row % b->dims[d];
        row /= b->dims[d];
    }
}

static void walk_on(walk *w)
{
    for (int d = w->b->rank - 2; d >= 0; d--) {
        for (size_t i = 0; i < w->n_in; i++)
            w->offset[i] += w->b->strides[i][d];
        if (++w->at[d] < w->b->dims[d])
            return;
        w->at[d] = 0;
        for (size_t i = 0; i < w->n_in; i++)
            w->offset[i] -= w->b->strides[i][d] * w->b->dims[d];
    }
}

/* Elements [from, to) of the result. */
static void zip_piece(const mq_bcast *b, size_t n_in, const mq_array *const *in, int64_t from, int64_t to, char *out,
                      size_t out_size, mq_zip_fn fn, const void *param)
{
    const int last = b->rank - 1;
    const int64_t inner = b->dims[last];
    int64_t col = from % inner, step[MQ_MAX_BROADCAST];
    const void *p[MQ_MAX_BROADCAST];
    walk w;

    walk_to(&w, b, n_in, from / inner);
    for (size_t i = 0; i < n_in; i++)
        step[i] = b->strides[i][last] != 0;
    while (from < to) {
        const int64_t n = inner - col < to - from ? inner - col : to - from;

        for (size_t i = 0; i < n_in; i++)
            p[i] = (const char *)in[i]->data + (size_t)(w.offset[i] + col * step[i]) * mq_array_elem_size(in[i]);
        fn(n, p, step, out + (size_t)from * out_size, param);
        from += n;
        col = 0;
        walk_on(&w);
    }
}

void mq_zip_run(const mq_call *c, size_t n_in, const mq_array *const *in, const mq_bcast *b, void *out, size_t out_size,
                mq_zip_fn fn, const void *param)
{
    const int threads = mq_call_threads(c, b->count);

    if (b->count == 0)
        return;
#pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)
    for (int k = 0; k < threads; k++) {
        const int64_t from = cut(b->count, k, threads), to = cut(b->count, k + 1, threads);

        if (from < to)
            zip_piece(b, n_in, in, from, to, out, out_size, fn, param);
    }
}

mq_status mq_call_zip(mq_call *c, size_t n_in, mq_dtype type, mq_zip_fn fn, const void *param)
{
    mq_bcast b;
    size_t over = 0, size;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, n_in));
    MQ_TRY(mq_call_broadcast(c, n_in, c->in, &b));
    size = type == MQ_STRING ? sizeof(mq_bytes) : (size_t)mq_dtype_bits(type) / 8;
    while (over < n_in && !(may_write_over(c->in[over], type) && (int64_t)c->in[over]->count == b.count))
        over++; /* with as many elements as the result nothing of it is stretched */
    MQ_TRY(over < n_in ? mq_call_out_over(c, 0, over, type, b.out_rank, b.out_dims, &out)
                       : mq_call_out(c, 0, type, b.out_rank, b.out_dims, &out));
    if (out)
        mq_zip_run(c, n_in, c->in, &b, out, size, fn, param);
done:
    return rc;
}

mq_status mq_call_zip_typed(mq_call *c, const mq_zip_fn leaves[MQ_N_DTYPES], mq_dtype type, const void *param)
{
    mq_dtype of;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    of = c->in[0]->dtype;
    if (!leaves[of])
        return mq_call_bad_type(c, of);
    if (c->in[1]->dtype != of)
        return mq_call_fail(c, "the inputs are %s and %s, they must be the same", mq_dtype_name(of),
                            mq_dtype_name(c->in[1]->dtype));
    MQ_TRY(mq_call_zip(c, 2, type == MQ_UNDEFINED ? of : type, leaves[of], param));
done:
    return rc;
}
