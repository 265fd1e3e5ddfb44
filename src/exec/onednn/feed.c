/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Between the executor's arrays and primitives: inputs put into the order that a primitive wants (constants once for
 * the plan), outputs handed on in the order in which it makes them. */
#include <stdlib.h>
#include <string.h>

#include "exec/onednn/lib.h"

/* ---- inputs ------------------------------------------------------------------------------------------------------- */

#define EXPONENT 0x7f800000u
#define MAGNITUDE 0x7fffffffu

/* Subnormal floats make a multiplication take a hundred times as long, and training leaves weights full of them in channels
 * that have died (PFLD: 50 ms instead of 1.3). What they add to a sum, below 1.2e-38 times an activation, is below half a
 * unit of anything that is not itself subnormal. */
static bool has_subnormals(const void *data, size_t n)
{
    const unsigned char *at = data; /* a mapped file is not aligned */

    for (size_t i = 0; i < n;) {
        const size_t end = n - i < 4096 ? n : i + 4096;
        uint32_t any = 0;

        for (; i < end; i++) {
            uint32_t u;

            memcpy(&u, at + i * sizeof u, sizeof u);
            any |= (u & MAGNITUDE) - 1 < (1u << 23) - 1;
        }
        if (any)
            return true;
    }
    return false;
}

static void flush(void *data, size_t n)
{
    uint32_t *u = data;

    for (size_t i = 0; i < n; i++)
        u[i] = u[i] & EXPONENT ? u[i] : 0;
}

mq_status mq_dn_feed_init(mq_call *c, mq_dn_feed *f, size_t i, int what, const mq_dn_desc *have, const mq_dn_op *op)
{
    const mq_dn_desc want = mq_dn_wants(op, what);
    const mq_status rc = mq_dn_feed_as(c, f, i, have, &want);

    f->what = what;
    return rc;
}

mq_status mq_dn_feed_as(mq_call *c, mq_dn_feed *f, size_t i, const mq_dn_desc *have, const mq_dn_desc *want)
{
    mq_status rc = MQ_OK;

    *f = (mq_dn_feed){ .input = i, .have = *have, .want = *want };
    f->constant = c->in[i]->constant;
    f->flush = f->constant && c->in[i]->dtype == MQ_FLOAT && has_subnormals(c->in[i]->data, c->in[i]->count);
    if (!f->constant && !mq_dn_same(&f->have, &f->want)) {
        const int threads = mq_dn_threads_bytes(c, 2.0 * (double)mq_dn_bytes(&f->want));

        rc = mq_dn_make_reorder(threads, &f->have, &f->want, &f->reorder, c->err);
        if (rc == MQ_OK && !f->reorder)
            rc = mq_call_unsupported(c, "an input cannot be put into the order of the kernel");
    }
    return rc;
}

void mq_dn_feed_release(mq_dn_feed *f)
{
    mq_dn_free(f->reorder);
    f->reorder = NULL;
}

static mq_block *flipped(const mq_array *a)
{
    mq_block *b = mq_block_create(a->count);

    for (size_t i = 0; b && i < a->count; i++)
        ((uint8_t *)b->data)[i] = ((const uint8_t *)a->data)[i] ^ 0x80;
    return b;
}

/* A constant in another order: a block. */
static mq_status make_packed(mq_call *c, size_t i, void *user, void **out)
{
    const mq_dn_feed *f = user;
    mq_dn_desc bare;
    const bool sums = mq_dn_without_sums(&f->want, &bare);
    mq_block *b = mq_block_create(mq_dn_bytes(&f->want)), *signed_copy = f->flip ? flipped(c->in[i]) : NULL;
    mq_dn_op *op = NULL;
    mq_status rc;

    if (!b || (f->flip && !signed_copy)) {
        mq_block_unref(b);
        return mq_oom(c->err);
    }
    rc = mq_dn_make_reorder(c->n_threads, &f->have, &bare, &op, c->err);
    if (rc == MQ_OK && !op)
        rc = mq_call_unsupported(c, "a constant cannot be put into the order of the kernel");
    if (rc == MQ_OK)
        rc = mq_dn_run(c, op, 2, (mq_dn_arg[]){ { DNNL_ARG_FROM, signed_copy ? signed_copy->data : c->in[i]->data },
                                                { DNNL_ARG_TO, b->data } });
    if (rc == MQ_OK && sums)
        mq_dn_write_sums(&f->have, signed_copy ? signed_copy->data : c->in[i]->data, &bare, b->data);
    if (rc == MQ_OK && f->flush)
        flush(b->data, mq_dn_bytes(&f->want) / sizeof(float));
    mq_dn_free(op);
    mq_block_unref(signed_copy);
    if (rc == MQ_OK)
        *out = b;
    else
        mq_block_unref(b);
    return rc;
}

static void release_packed(void *thing)
{
    mq_block_unref(thing);
}

static bool is_aligned(const mq_array *a)
{
    return (uintptr_t)a->data % mq_array_elem_size(a) == 0;
}

mq_status mq_dn_feed_data(mq_call *c, mq_dn_feed *f, mq_dn_arg *arg)
{
    const mq_array *a = c->in[f->input];
    void *thing = NULL;
    mq_status rc = MQ_OK;

    arg->what = f->what;
    arg->data = a->data;
    if (f->constant) {
        if (!f->flip && !f->flush && mq_dn_same(&f->have, &f->want) && is_aligned(a))
            return MQ_OK;
        rc = mq_call_derived(c, f->input, &f->want, sizeof f->want, make_packed, f, release_packed, &thing);
        if (rc == MQ_OK)
            arg->data = ((mq_block *)thing)->data;
    } else if (f->reorder) {
        void *to = mq_call_scratch(c, mq_dn_bytes(&f->want));

        if (!to)
            return MQ_ERR_NOMEM;
        rc = mq_dn_run(c, f->reorder, 2, (mq_dn_arg[]){ { DNNL_ARG_FROM, a->data }, { DNNL_ARG_TO, to } });
        arg->data = to;
    }
    return rc;
}

/* ---- outputs ------------------------------------------------------------------------------------------------------ */

mq_status mq_dn_result_init(mq_call *c, mq_dn_result *r, size_t i, mq_dtype dtype, int rank, const int64_t *dims,
                            const mq_dn_desc *made)
{
    mq_dn_desc plain;
    mq_status rc = MQ_OK;

    *r = (mq_dn_result){ .output = i, .what = MQ_DN_DST, .dtype = dtype, .rank = rank, .bytes = mq_dn_bytes(made) };
    memcpy(r->dims, dims, (size_t)rank * sizeof *dims);
    if (mq_dn_is_plain(made))
        return MQ_OK;
    if (mq_call_readers_take_layout(c, i) && (rank == mq_dn_rank(made) || (rank == 3 && mq_dn_rank(made) == 4))) {
        r->layout = mq_call_layout(c, made, sizeof *made);
        return r->layout ? MQ_OK : MQ_ERR_NOMEM;
    }
    if (mq_dn_plain(&plain, dtype, mq_dn_rank(made), mq_dn_dims(made)))
        rc = mq_dn_make_reorder(mq_dn_threads_bytes(c, 2.0 * (double)r->bytes), made, &plain, &r->reorder, c->err);
    if (rc == MQ_OK && !r->reorder)
        rc = mq_call_unsupported(c, "the output cannot be made plain");
    return rc;
}

void mq_dn_result_release(mq_dn_result *r)
{
    mq_dn_free(r->reorder);
    r->reorder = NULL;
}

mq_status mq_dn_result_open(mq_call *c, mq_dn_result *r, mq_dn_arg *arg)
{
    mq_status rc;

    if (r->layout)
        rc = mq_call_out_layout(c, r->output, r->dtype, r->rank, r->dims, r->layout, r->bytes, &r->data);
    else
        rc = mq_call_out(c, r->output, r->dtype, r->rank, r->dims, &r->data);
    r->plain = r->data;
    if (rc == MQ_OK && r->reorder && !(r->data = mq_call_scratch(c, r->bytes)))
        rc = MQ_ERR_NOMEM;
    *arg = (mq_dn_arg){ r->what, r->data };
    return rc;
}

mq_status mq_dn_result_close(mq_call *c, mq_dn_result *r)
{
    if (!r->reorder)
        return MQ_OK;
    return mq_dn_run(c, r->reorder, 2, (mq_dn_arg[]){ { DNNL_ARG_FROM, r->data }, { DNNL_ARG_TO, r->plain } });
}

/* ---- a kernel that is one primitive ------------------------------------------------------------------------------- */

mq_dn_task *mq_dn_task_create(mq_call *c, int most_feeds)
{
    mq_dn_task *t = calloc(1, sizeof *t + (size_t)most_feeds * sizeof *t->feeds);

    if (!t)
        mq_oom(c->err);
    return t;
}

void mq_dn_task_release(void *task)
{
    mq_dn_task *t = task;

    for (int i = 0; i < t->n_feeds; i++)
        mq_dn_feed_release(&t->feeds[i]);
    mq_dn_feed_release(&t->sum);
    mq_dn_result_release(&t->y);
    mq_dn_free(t->op);
    free(t);
}

mq_status mq_dn_task_feed(mq_call *c, mq_dn_task *t, size_t i, int what, const mq_dn_desc *have)
{
    return mq_dn_feed_init(c, &t->feeds[t->n_feeds++], i, what, have, t->op);
}

mq_status mq_dn_task_sum(mq_call *c, mq_dn_task *t, size_t i, const mq_dn_desc *have)
{
    t->has_sum = true;
    return mq_dn_feed_init(c, &t->sum, i, MQ_DN_DST, have, t->op);
}

mq_status mq_dn_task_result(mq_call *c, mq_dn_task *t, mq_dtype dtype, int rank, const int64_t *dims)
{
    return mq_dn_task_result_of(c, t, MQ_DN_DST, dtype, rank, dims);
}

mq_status mq_dn_task_result_of(mq_call *c, mq_dn_task *t, int what, mq_dtype dtype, int rank, const int64_t *dims)
{
    const mq_dn_desc made = mq_dn_wants(t->op, what);
    const mq_status rc = mq_dn_result_init(c, &t->y, 0, dtype, rank, dims, &made);

    t->y.what = what;
    return rc;
}

void mq_dn_task_zero(mq_dn_task *t, int what, int32_t value)
{
    t->zero_of[t->n_zeros] = what;
    t->zeros[t->n_zeros++] = value;
}

/* The output, holding what is added. */
static mq_status open_sum(mq_call *c, mq_dn_task *t, mq_dn_arg *arg)
{
    const mq_array *z = c->in[t->sum.input];
    mq_dn_result *y = &t->y;
    mq_dn_arg held;
    mq_status rc;

    if (!t->sum.reorder && mq_call_may_take(c, t->sum.input) && (y->reorder || z->layout == y->layout)) {
        *arg = (mq_dn_arg){ MQ_DN_DST, y->data = z->data };
        if (y->reorder)
            return mq_call_out(c, y->output, y->dtype, y->rank, y->dims, &y->plain);
        mq_call_out_taken(c, y->output, t->sum.input);
        return MQ_OK;
    }
    MQ_TRY(mq_dn_result_open(c, y, arg));
    if (t->sum.reorder)
        return mq_dn_run(c, t->sum.reorder, 2, (mq_dn_arg[]){ { DNNL_ARG_FROM, z->data }, { DNNL_ARG_TO, y->data } });
    MQ_TRY(mq_dn_feed_data(c, &t->sum, &held));
    memcpy(y->data, held.data, y->bytes);
done:
    return rc;
}

mq_status mq_dn_task_run(mq_call *c, void *task)
{
    mq_dn_task *t = task;
    mq_dn_arg args[MQ_DN_MAX_ARGS];
    int n = 0;
    mq_status rc;

    for (; n < t->n_feeds; n++)
        MQ_TRY(mq_dn_feed_data(c, &t->feeds[n], &args[n]));
    MQ_TRY(t->has_sum ? open_sum(c, t, &args[n]) : mq_dn_result_open(c, &t->y, &args[n]));
    n++;
    for (int i = 0; i < t->n_zeros; i++)
        args[n++] = (mq_dn_arg){ DNNL_ARG_ATTR_ZERO_POINTS | t->zero_of[i], &t->zeros[i] };
    MQ_TRY(mq_dn_run(c, t->op, n, args));
    MQ_TRY(mq_dn_result_close(c, &t->y));
done:
    return rc;
}
