/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* ConvGradInput and ConvGradWeight (ops/grad_ops.h) of floats. The library's sums over a batch depend on the number of
 * threads: a batch is cut into shards whose number depends on shapes alone, each is one thread's, and their gradients are
 * added in the order of the shards. */
#include <stdlib.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "base/compiler.h"
#include "exec/onednn/kernels.h"
#include "ops/grad_ops.h"

typedef struct grad_case {
    mq_conv v;
    mq_dn_window w;
    mq_dn_desc x, dy, weights, weights_any; /* as they lie there */
    mq_dn_desc x_any, dy_any;
} grad_case;

/* x, w and dy by their input numbers; false: not for this room, or in vain. */
static bool describe(mq_call *c, size_t x, size_t w, size_t dy, grad_case *g)
{
    int64_t dims[MQ_MAX_RANK];

    if (c->n_in != 3 || !mq_dn_inputs_are(c, 7, MQ_FLOAT) || c->in[x]->rank < 3 || c->in[x]->rank > 5 ||
        mq_conv_shape(c, c->in[x], c->in[w], &g->v) != MQ_OK || c->in[dy]->rank != g->v.out_rank ||
        memcmp(c->in[dy]->dims, g->v.out_dims, (size_t)g->v.out_rank * sizeof *dims) != 0 || !c->in[x]->count ||
        !c->in[dy]->count || !c->in[w]->count || c->in[w]->layout)
        return false;
    return mq_dn_window_of(&g->v.w, &g->w) && mq_dn_of_image(&g->x, c->in[x]) && mq_dn_of_image(&g->dy, c->in[dy]) &&
           mq_dn_conv_weights(&g->v, MQ_FLOAT, false, &g->weights, &g->weights_any) &&
           mq_dn_any(&g->dy_any, MQ_FLOAT, mq_dn_image_dims(g->v.out_rank, g->v.out_dims, dims), dims) &&
           mq_dn_any(&g->x_any, MQ_FLOAT, mq_dn_image_dims(c->in[x]->rank, c->in[x]->dims, dims), dims);
}

static double macs_of(const grad_case *g)
{
    return (double)g->v.batch * (double)g->v.out_ch * (double)(g->v.in_ch / g->v.group) * (double)mq_window_taps(&g->v.w) *
           (double)mq_window_count(g->v.w.rank, g->v.w.out);
}

static void drop(mq_dn_op **op)
{
    mq_dn_free(*op);
    *op = NULL;
}

/* Neither plain C++ nor, where `direct`, by matrix products of plain tensors. */
static void drop_slow(mq_dn_op **op, bool direct)
{
    if (*op && (mq_dn_is_slow(*op) || (direct && mq_dn_is_gemm(*op))))
        drop(op);
}

/* ---- the input's gradient ----------------------------------------------------------------------------------------- */

static mq_status make_input(mq_call *c, const grad_case *g, int threads, bool direct, const mq_dn_desc *dx,
                            const mq_dn_desc *dy, mq_dn_op **op)
{
    mq_status rc = mq_dn_make_conv_grad_input(c, threads, dx, &g->weights_any, dy, &g->w, op);

    if (rc == MQ_OK && *op && threads > 1 && mq_dn_is_gemm(*op)) {
        drop(op);
        rc = mq_dn_make_conv_grad_input(c, 1, dx, &g->weights_any, dy, &g->w, op);
    }
    drop_slow(op, direct);
    return rc;
}

/* In blocks as dy where it comes so, else as the library likes. */
static mq_status choose_input(mq_call *c, const grad_case *g, int threads, mq_dn_op **op)
{
    mq_dn_desc dx;
    mq_status rc = MQ_OK;

    if (c->in[0]->layout && !mq_dn_is_padded(&g->dy) &&
        mq_dn_blocked_like(&dx, &g->dy, MQ_FLOAT, mq_dn_rank(&g->x_any), mq_dn_dims(&g->x_any)))
        MQ_TRY(make_input(c, g, threads, true, &dx, &g->dy, op));
    if (!*op)
        MQ_TRY(make_input(c, g, threads, true, &g->x_any, &g->dy_any, op));
    if (!*op)
        MQ_TRY(make_input(c, g, threads, false, &g->x_any, &g->dy_any, op));
done:
    return rc;
}

static mq_status input_prepare(mq_call *c, void **state)
{
    grad_case g;
    mq_dn_task *t;
    mq_status rc;

    if (!describe(c, 2, 1, 0, &g))
        return MQ_OK;
    if (!(t = mq_dn_task_create(c, 2)))
        return MQ_ERR_NOMEM;
    rc = choose_input(c, &g, mq_dn_threads_macs(c, macs_of(&g)), &t->op);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_feed(c, t, 0, DNNL_ARG_DIFF_DST, &g.dy);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_feed(c, t, 1, MQ_DN_WEIGHTS, &g.weights);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_result_of(c, t, DNNL_ARG_DIFF_SRC, MQ_FLOAT, c->in[2]->rank, c->in[2]->dims);
    return mq_dn_prepared(rc, t->op, t, mq_dn_task_release, state);
}

/* ---- the weights' gradient ---------------------------------------------------------------------------------------- */

#define MOST_SHARDS 8
#define SHARD_BYTES (16 << 20) /* all shards' gradients, beyond the first two */

typedef struct weight_state {
    mq_dn_feed x, dy;
    size_t x_step, dy_step; /* bytes of an image, as the primitives take it */
    int64_t batch, size;    /* images; of each shard but the last */
    int shards, n_ops;
    mq_dn_op *last;         /* of the last shard, when that is smaller */
    mq_dn_op *to_plain;     /* of the sum; NULL: it is plain */
    size_t bytes;           /* of a shard's gradient */
    int64_t channels;
    mq_dn_op *ops[MOST_SHARDS]; /* of each thread */
} weight_state;

static void weight_release(void *state)
{
    weight_state *s = state;

    mq_dn_feed_release(&s->x);
    mq_dn_feed_release(&s->dy);
    for (int i = 0; i < s->n_ops; i++)
        mq_dn_free(s->ops[i]);
    mq_dn_free(s->last);
    mq_dn_free(s->to_plain);
    free(s);
}

static mq_status make_weight(mq_call *c, const grad_case *g, const mq_dn_desc *x, const mq_dn_desc *dy,
                             const mq_dn_desc *weights, mq_dn_op **op)
{
    mq_dn_desc bias;
    const bool wants = mq_call_wants(c, 1) && mq_dn_plain(&bias, MQ_FLOAT, 1, &g->v.out_ch);

    return mq_dn_make_conv_grad_weight(c, 1, x, weights, wants ? &bias : NULL, dy, &g->w, op);
}

/* For the whole batch: only to see which order the library takes. What lies in blocks, or has few channels, is taken as it
 * is where that is possible. */
static mq_status probe(mq_call *c, const grad_case *g, mq_dn_op **op)
{
    const bool keep_x = c->in[0]->layout ? !mq_dn_is_padded(&g->x) : g->v.in_ch <= 4;
    const bool keep_dy = c->in[1]->layout && !mq_dn_is_padded(&g->dy);
    mq_status rc = MQ_OK;

    *op = NULL;
    if (keep_x || keep_dy)
        MQ_TRY(make_weight(c, g, keep_x ? &g->x : &g->x_any, keep_dy ? &g->dy : &g->dy_any, &g->weights_any, op));
    drop_slow(op, true);
    if (!*op)
        MQ_TRY(make_weight(c, g, &g->x_any, &g->dy_any, &g->weights_any, op));
    drop_slow(op, false);
done:
    return rc;
}

/* Shards of equal size, but for the last. Their number must not depend on threads. */
static void cut(weight_state *s)
{
    int64_t most = s->batch < MOST_SHARDS ? s->batch : MOST_SHARDS;

    if (most > 2 && (size_t)most * s->bytes > SHARD_BYTES) {
        most = (int64_t)(SHARD_BYTES / s->bytes);
        most = most < 2 ? 2 : most;
    }
    s->size = (s->batch + most - 1) / most;
    s->shards = (int)((s->batch + s->size - 1) / s->size);
}

static mq_status make_shards(mq_call *c, const grad_case *g, const mq_dn_op *whole, int threads, weight_state *s)
{
    const mq_dn_desc x = mq_dn_wants(whole, MQ_DN_SRC), dy = mq_dn_wants(whole, DNNL_ARG_DIFF_DST);
    const mq_dn_desc dw = mq_dn_wants(whole, DNNL_ARG_DIFF_WEIGHTS);
    mq_dn_desc part_x, part_dy;
    mq_status rc = MQ_OK;

    s->batch = g->v.batch;
    s->channels = g->v.out_ch;
    s->bytes = (mq_dn_bytes(&dw) + 63) / 64 * 64;
    cut(s);
    const int64_t rest = s->batch - (s->shards - 1) * s->size;
    if (!mq_dn_part_of(&part_x, &x, s->size, &s->x_step) || !mq_dn_part_of(&part_dy, &dy, s->size, &s->dy_step))
        return MQ_ERR_UNSUPPORTED;
    for (int i = 0; i < (threads < s->shards ? threads : s->shards); i++) {
        MQ_TRY(make_weight(c, g, &part_x, &part_dy, &dw, &s->ops[i]));
        if (!s->ops[i])
            return MQ_ERR_UNSUPPORTED;
        s->n_ops++;
    }
    if (rest == s->size)
        goto done;
    if (!mq_dn_part_of(&part_x, &x, rest, &s->x_step) || !mq_dn_part_of(&part_dy, &dy, rest, &s->dy_step))
        return MQ_ERR_UNSUPPORTED;
    MQ_TRY(make_weight(c, g, &part_x, &part_dy, &dw, &s->last));
    if (!s->last)
        rc = MQ_ERR_UNSUPPORTED;
done:
    return rc;
}

static mq_status start_weight(mq_call *c, const grad_case *g, const mq_dn_op *whole, weight_state *s)
{
    const mq_dn_desc dw = mq_dn_wants(whole, DNNL_ARG_DIFF_WEIGHTS);
    mq_status rc = MQ_OK;

    MQ_TRY(make_shards(c, g, whole, mq_dn_threads_macs(c, macs_of(g)), s));
    MQ_TRY(mq_dn_feed_init(c, &s->x, 0, MQ_DN_SRC, &g->x, whole));
    MQ_TRY(mq_dn_feed_init(c, &s->dy, 1, DNNL_ARG_DIFF_DST, &g->dy, whole));
    if (!mq_dn_same(&dw, &g->weights)) {
        MQ_TRY(mq_dn_make_reorder(1, &dw, &g->weights, &s->to_plain, c->err));
        rc = s->to_plain ? MQ_OK : MQ_ERR_UNSUPPORTED;
    }
done:
    return rc;
}

static mq_status weight_prepare(mq_call *c, void **state)
{
    mq_dn_op *whole = NULL;
    weight_state *s;
    grad_case g;
    mq_status rc;

    if (!describe(c, 0, 2, 1, &g) || !mq_call_wants(c, 0))
        return MQ_OK;
    if (!(s = calloc(1, sizeof *s)))
        return mq_oom(c->err);
    rc = probe(c, &g, &whole);
    if (rc == MQ_OK && whole)
        rc = start_weight(c, &g, whole, s);
    const bool taken = whole != NULL;
    mq_dn_free(whole);
    return mq_dn_prepared(rc, taken, s, weight_release, state);
}

typedef struct weight_run {
    const char *x, *dy;
    char *dw, *db, *scratch; /* one for each shard; scratch for each thread */
    size_t scratch_size;
} weight_run;

static mq_status run_shard(const weight_state *s, const weight_run *r, int shard, int thread)
{
    const size_t first = (size_t)(shard * s->size), bias = (size_t)(shard * s->channels) * sizeof(float);
    const mq_dn_arg args[] = { { MQ_DN_SRC, r->x + first * s->x_step },
                               { DNNL_ARG_DIFF_DST, r->dy + first * s->dy_step },
                               { DNNL_ARG_DIFF_WEIGHTS, r->dw + (size_t)shard * s->bytes },
                               { DNNL_ARG_DIFF_BIAS, r->db ? r->db + bias : NULL } };
    mq_error ignored;

    return mq_dn_execute(s->last && shard == s->shards - 1 ? s->last : s->ops[thread], r->db ? 4 : 3, args,
                         r->scratch + (size_t)thread * r->scratch_size, &ignored);
}

static mq_status run_shards(const weight_state *s, const weight_run *r)
{
    mq_status status = MQ_OK;

#pragma omp parallel for num_threads(s->n_ops) schedule(static) if (s->n_ops > 1)
    for (int i = 0; i < s->shards; i++) {
        int thread = 0;
#ifdef _OPENMP
        thread = omp_get_thread_num();
#endif
        const mq_status done = run_shard(s, r, i, thread);

        if (done != MQ_OK) {
#pragma omp atomic write
            status = done;
        }
    }
    return status;
}

/* to = the sum of `shards` lists of n, `step` apart, in their order. */
MQ_CLONES(void, add_shards, (const float *from, int shards, int64_t step, int64_t n, float *to), (from, shards, step, n, to))
{
    for (int64_t i = 0; from != to && i < n; i++)
        to[i] = from[i];
    for (int k = 1; k < shards; k++)
        for (int64_t i = 0; i < n; i++)
            to[i] += from[k * step + i];
}

/* The first shard's memory, or the output's, gets the sum. */
static mq_status finish_weight(mq_call *c, const weight_state *s, const weight_run *r)
{
    const int64_t n = (int64_t)(s->bytes / sizeof(float));
    void *dw, *db = NULL;
    mq_status rc;

    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, c->in[2]->rank, c->in[2]->dims, &dw));
    MQ_TRY(mq_call_out(c, 1, MQ_FLOAT, 1, &s->channels, &db));
    if (db)
        add_shards((const float *)(const void *)r->db, s->shards, s->channels, s->channels, db);
    if (!s->to_plain) {
        add_shards((const float *)(const void *)r->dw, s->shards, n, (int64_t)c->in[2]->count, dw);
        return MQ_OK;
    }
    add_shards((const float *)(const void *)r->dw, s->shards, n, n, (float *)(void *)r->dw);
    rc = mq_dn_run(c, s->to_plain, 2, (mq_dn_arg[]){ { DNNL_ARG_FROM, r->dw }, { DNNL_ARG_TO, dw } });
done:
    return rc;
}

static mq_status weight_run_all(mq_call *c, void *state)
{
    weight_state *s = state;
    mq_dn_arg x, dy;
    weight_run r = { 0 };
    mq_status rc;

    MQ_TRY(mq_dn_feed_data(c, &s->x, &x));
    MQ_TRY(mq_dn_feed_data(c, &s->dy, &dy));
    r.x = x.data;
    r.dy = dy.data;
    r.scratch_size = mq_dn_scratch_bytes(s->ops[0]);
    if (s->last && mq_dn_scratch_bytes(s->last) > r.scratch_size)
        r.scratch_size = mq_dn_scratch_bytes(s->last);
    r.scratch_size = (r.scratch_size + 63) / 64 * 64;
    r.scratch = mq_call_scratch(c, (size_t)s->n_ops * r.scratch_size + 1);
    r.dw = mq_call_scratch(c, (size_t)s->shards * s->bytes);
    if (mq_call_wants(c, 1))
        r.db = mq_call_scratch(c, (size_t)(s->shards * s->channels) * sizeof(float));
    if (!r.scratch || !r.dw || (mq_call_wants(c, 1) && !r.db))
        return MQ_ERR_NOMEM;
    if ((rc = run_shards(s, &r)) != MQ_OK)
        return rc == MQ_ERR_NOMEM ? mq_oom(c->err) : mq_call_unsupported(c, "oneDNN fails");
    rc = finish_weight(c, s, &r);
done:
    return rc;
}

const mq_fast mq_dn_grad_conv_rows[] = {
    { MQ_GRAD_DOMAIN, "ConvGradInput", "onednn:conv_grad_input", input_prepare, mq_dn_task_run, mq_dn_task_release,
      1 | 1 << 2 },
    { MQ_GRAD_DOMAIN, "ConvGradWeight", "onednn:conv_grad_weight", weight_prepare, weight_run_all, weight_release, 3 },
    { 0 },
};
