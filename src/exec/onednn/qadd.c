/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* QLinearAdd and QLinearMul (com.microsoft) of two images of one shape of which at least one is in the library's own
 * order: element by element as they lie there, with the reference kernel's arithmetic. Broadcasting, and plain
 * operands, are its business. */
#include <stdlib.h>
#include <string.h>

#include "exec/onednn/kernels.h"
#include "exec/ref/quant_lanes.h"

enum { A, A_SCALE, A_ZERO, B, B_SCALE, B_ZERO, Y_SCALE, Y_ZERO };
#define PIECE 16384 /* elements that a thread takes at a time */

typedef struct pair_state {
    bool multiply;
    size_t first;       /* the operand whose order is kept: A or B */
    mq_dn_op *reorder;  /* of the other one; NULL: it has the same order */
    size_t bytes, other_bytes;
    const void *layout;
    int threads;
} pair_state;

static void release(void *state)
{
    pair_state *s = state;

    mq_dn_free(s->reorder);
    free(s);
}

static float number(const mq_call *c, size_t i)
{
    return i < c->n_in && c->in[i] ? (float)mq_array_f64(c->in[i], 0) : 0;
}

static mq_status run(mq_call *c, void *state)
{
    const pair_state *s = state;
    const mq_array *x = c->in[s->first];
    const mq_i8_pair p = mq_i8_pair_of(number(c, A_SCALE), (int32_t)number(c, A_ZERO), number(c, B_SCALE),
                                       (int32_t)number(c, B_ZERO), number(c, Y_SCALE), (int32_t)number(c, Y_ZERO));
    const char *a = c->in[A]->data, *b = c->in[B]->data;
    const int64_t pieces = (int64_t)((s->bytes + PIECE - 1) / PIECE);
    char *y = NULL;
    mq_status rc;

    if (s->reorder) {
        const mq_array *other = c->in[s->first == A ? B : A];
        void *to = mq_call_scratch(c, s->other_bytes);

        if (!to)
            return MQ_ERR_NOMEM;
        MQ_TRY(mq_dn_run(c, s->reorder, 2, (mq_dn_arg[]){ { DNNL_ARG_FROM, other->data }, { DNNL_ARG_TO, to } }));
        *(s->first == A ? &b : &a) = to;
    }
    MQ_TRY(mq_call_out_layout(c, 0, x->dtype, x->rank, x->dims, s->layout, s->bytes, (void **)&y));
#pragma omp parallel for num_threads(s->threads) schedule(static)
    for (int64_t k = 0; k < pieces; k++) {
        const int64_t at = k * PIECE, left = (int64_t)s->bytes - at, n = left < PIECE ? left : PIECE;

        (s->multiply ? mq_i8_mul : mq_i8_add)(x->dtype, a + at, b + at, n, &p, y + at);
    }
done:
    return rc;
}

static bool is_one(const mq_call *c, size_t i, mq_dtype dtype, bool needed)
{
    const mq_array *a = i < c->n_in ? c->in[i] : NULL;

    return a ? a->kind == MQ_TYPE_TENSOR && a->dtype == dtype && a->count == 1 : !needed;
}

static bool inputs_fit(const mq_call *c)
{
    const mq_array *a = c->n_in > A ? c->in[A] : NULL, *b = c->n_in > B ? c->in[B] : NULL;

    return a && b && (a->layout || b->layout) && mq_is_i8(a) && a->dtype == b->dtype && a->rank == b->rank && a->count &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0 && is_one(c, A_SCALE, MQ_FLOAT, true) &&
           is_one(c, B_SCALE, MQ_FLOAT, true) && is_one(c, Y_SCALE, MQ_FLOAT, true) && is_one(c, A_ZERO, a->dtype, false) &&
           is_one(c, B_ZERO, a->dtype, false) && is_one(c, Y_ZERO, a->dtype, false);
}

/* The result is in the operand's order even where a reader wants it plain: it must have one that needs no filling. */
static mq_status prepare(mq_call *c, void **state, bool multiply)
{
    mq_dn_desc x, y;
    pair_state *s;
    mq_status rc = MQ_OK;

    if (!inputs_fit(c) || !mq_call_readers_take_layout(c, 0))
        return MQ_OK;
    if (!(s = calloc(1, sizeof *s)))
        return mq_oom(c->err);
    s->first = c->in[A]->layout ? A : B;
    s->multiply = multiply;
    const mq_array *first = c->in[s->first], *other = c->in[s->first == A ? B : A];
    if (!mq_dn_of_image(&x, first) || mq_dn_is_padded(&x) || !mq_dn_of_image(&y, other)) {
        free(s);
        return MQ_OK;
    }
    s->bytes = mq_dn_bytes(&x);
    s->other_bytes = s->bytes;
    s->threads = mq_dn_threads_bytes(c, 3 * (double)s->bytes);
    s->layout = first->layout;
    if (!mq_dn_same(&x, &y))
        rc = mq_dn_make_reorder(s->threads, &y, &x, &s->reorder, c->err);
    return mq_dn_prepared(rc, mq_dn_same(&x, &y) || s->reorder, s, release, state);
}

static mq_status add_prepare(mq_call *c, void **state)
{
    return prepare(c, state, false);
}

static mq_status mul_prepare(mq_call *c, void **state)
{
    return prepare(c, state, true);
}

const mq_fast mq_dn_qadd_rows[] = {
    { "com.microsoft", "QLinearAdd", "onednn:qadd", add_prepare, run, release, 1 << A | 1 << B },
    { "com.microsoft", "QLinearMul", "onednn:qadd", mul_prepare, run, release, 1 << A | 1 << B },
    { 0 },
};
