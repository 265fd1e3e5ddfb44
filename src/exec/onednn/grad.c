/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* ReluGrad (ops/grad_ops.h) of arrays in the library's own order, element by element in memory; plain ones are the reference
 * kernel's, which is as fast. */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "exec/onednn/kernels.h"
#include "ops/grad_ops.h"

#define PIECE 16384 /* elements that a thread takes at a time */

MQ_CLONES(void, mask, (const float *y, const float *dy, int64_t n, float *dx), (y, dy, n, dx))
{
    MQ_LANES
    for (int64_t i = 0; i < n; i++)
        dx[i] = y[i] > 0 ? dy[i] : 0;
}

typedef struct relu_state {
    mq_dn_feed y, dy;
    mq_dn_result dx;
    int threads;
} relu_state;

static void relu_release(void *state)
{
    relu_state *s = state;

    mq_dn_feed_release(&s->y);
    mq_dn_feed_release(&s->dy);
    mq_dn_result_release(&s->dx);
    free(s);
}

/* In y's order where it has one of its own, else in dy's. */
static mq_status relu_prepare(mq_call *c, void **state)
{
    mq_dn_desc y, dy, order;
    relu_state *s;
    mq_status rc;

    if (c->n_in != 2 || !mq_dn_inputs_are(c, 3, MQ_FLOAT) || (!c->in[0]->layout && !c->in[1]->layout) ||
        c->in[0]->rank != c->in[1]->rank || c->in[0]->rank < 3 || c->in[0]->rank > 5 ||
        memcmp(c->in[0]->dims, c->in[1]->dims, (size_t)c->in[0]->rank * sizeof *c->in[0]->dims) != 0 ||
        !mq_dn_of_image(&y, c->in[0]) || !mq_dn_of_image(&dy, c->in[1]) || mq_dn_rank(&y) != mq_dn_rank(&dy))
        return MQ_OK;
    if (!(s = calloc(1, sizeof *s)))
        return mq_oom(c->err);
    order = c->in[0]->layout ? y : dy;
    s->threads = mq_dn_threads_bytes(c, (double)c->in[0]->count * 12);
    rc = mq_dn_feed_as(c, &s->y, 0, &y, &order);
    if (rc == MQ_OK)
        rc = mq_dn_feed_as(c, &s->dy, 1, &dy, &order);
    if (rc == MQ_OK)
        rc = mq_dn_result_init(c, &s->dx, 0, MQ_FLOAT, c->in[0]->rank, c->in[0]->dims, &order);
    return mq_dn_prepared(rc, true, s, relu_release, state);
}

/* dy's memory becomes the result's where nobody needs it any more. */
static mq_status relu_run(mq_call *c, void *state)
{
    relu_state *s = state;
    const int64_t n = (int64_t)(s->dx.bytes / sizeof(float)), pieces = (n + PIECE - 1) / PIECE;
    mq_dn_arg y, dy, dx;
    mq_status rc;

    MQ_TRY(mq_dn_feed_data(c, &s->y, &y));
    MQ_TRY(mq_dn_feed_data(c, &s->dy, &dy));
    const float *from = dy.data, *of = y.data;
    float *to = NULL;
    if (s->dx.layout && c->in[1]->layout == s->dx.layout && mq_call_may_take(c, 1)) {
        to = c->in[1]->data;
        mq_call_out_taken(c, 0, 1);
    } else {
        MQ_TRY(mq_dn_result_open(c, &s->dx, &dx));
        to = s->dx.data;
    }
#pragma omp parallel for num_threads(s->threads) schedule(static) if (s->threads > 1)
    for (int64_t k = 0; k < pieces; k++)
        mask(of + k * PIECE, from + k * PIECE, n - k * PIECE < PIECE ? n - k * PIECE : PIECE, to + k * PIECE);
    MQ_TRY(mq_dn_result_close(c, &s->dx));
done:
    return rc;
}

const mq_fast mq_dn_grad_rows[] = {
    { MQ_GRAD_DOMAIN, "ReluGrad", "blocks:relu_grad", relu_prepare, relu_run, relu_release, 3 },
    { 0 },
};
