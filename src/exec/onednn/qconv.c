/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Convolutions of 8-bit integers: QLinearConv and ConvInteger. Weights are int8, or uint8 around 128, which become
 * int8 when they are packed; other zero points of weights are left to the reference kernel. Scales and zero points
 * must be constants (a zero point of ConvInteger's input need not). The result stays in the library's order (channels
 * last) where all readers take it. */
#include <stdlib.h>
#include <string.h>

#include "exec/onednn/kernels.h"
#include "exec/ref/quant_lanes.h"

/* Where the operands are among a node's inputs. */
typedef struct places {
    size_t x, x_scale, x_zero, w, w_scale, w_zero, y_scale, y_zero, bias;
    bool quantized;
} places;

static const places qlinear = { 0, 1, 2, 3, 4, 5, 6, 7, 8, true };
static const places integer = { .x = 0, .x_zero = 2, .w = 1, .w_zero = 3, .bias = SIZE_MAX };

static bool inputs_fit(const mq_call *c, const places *p)
{
    const mq_array *x = c->n_in > p->x ? c->in[p->x] : NULL, *w = c->n_in > p->w ? c->in[p->w] : NULL;

    if (!mq_dn_int8_is_exact() || !x || !w || !mq_is_i8(x) || !mq_is_i8(w) || !w->constant || x->rank < 3 || x->rank > 5 ||
        !mq_dn_is_symmetric(c, p->w, p->w_zero) || mq_node_attr_int(c->node, "channels_last", 0))
        return false;
    if (!p->quantized)
        return !mq_call_has(c, p->x_zero) || (c->in[p->x_zero]->dtype == x->dtype && c->in[p->x_zero]->count == 1);
    return c->n_in >= 8 && mq_dn_is_const(c, p->x_scale, MQ_FLOAT) && mq_dn_is_const(c, p->w_scale, MQ_FLOAT) &&
           mq_dn_is_const(c, p->y_scale, MQ_FLOAT) && mq_dn_is_const(c, p->x_zero, x->dtype) &&
           (mq_dn_is_const(c, p->y_zero, MQ_UINT8) || mq_dn_is_const(c, p->y_zero, MQ_INT8)) &&
           c->in[p->x_scale]->count == 1 && c->in[p->x_zero]->count == 1 && c->in[p->y_scale]->count == 1 &&
           c->in[p->y_zero]->count == 1 &&
           (!mq_call_has(c, p->bias) || c->in[p->bias]->dtype == MQ_INT32);
}

typedef struct qconv_case {
    const places *p;
    mq_conv v;
    mq_dn_window w;
    mq_dn_desc x, x_any, weights, weights_any, bias, y_any, y_plain;
    mq_dtype y_type;
    bool has_bias;
    int threads;
    mq_dn_attr attr;
} qconv_case;

static bool describe(const mq_call *c, qconv_case *k)
{
    const mq_array *x = c->in[k->p->x];
    int64_t dims[MQ_MAX_RANK];
    const int rank = mq_dn_image_dims(k->v.out_rank, k->v.out_dims, dims);

    k->has_bias = mq_call_has(c, k->p->bias);
    return mq_dn_window_of(&k->v.w, &k->w) && mq_dn_of_image(&k->x, x) &&
           mq_dn_any(&k->x_any, x->dtype, mq_dn_rank(&k->x), mq_dn_dims(&k->x)) &&
           mq_dn_conv_weights(&k->v, MQ_INT8, false, &k->weights, &k->weights_any) &&
           (!k->has_bias || (c->in[k->p->bias]->rank == 1 && c->in[k->p->bias]->dims[0] == k->v.out_ch)) &&
           mq_dn_plain(&k->bias, MQ_INT32, 1, &k->v.out_ch) && mq_dn_any(&k->y_any, k->y_type, rank, dims) &&
           mq_dn_plain(&k->y_plain, k->y_type, rank, dims);
}

static mq_status start(mq_call *c, qconv_case *k, mq_dn_task *t)
{
    const places *p = k->p;
    mq_status rc;

    MQ_TRY(mq_dn_task_feed(c, t, p->x, MQ_DN_SRC, &k->x));
    MQ_TRY(mq_dn_task_feed(c, t, p->w, MQ_DN_WEIGHTS, &k->weights));
    t->feeds[1].flip = c->in[p->w]->dtype == MQ_UINT8;
    if (k->has_bias)
        MQ_TRY(mq_dn_task_feed(c, t, p->bias, MQ_DN_BIAS, &k->bias));
    if (k->attr.src_zero)
        mq_dn_task_zero(t, MQ_DN_SRC, (int32_t)mq_array_i64(c->in[p->x_zero], 0));
    if (k->attr.dst_zero)
        mq_dn_task_zero(t, MQ_DN_DST, (int32_t)mq_array_i64(c->in[p->y_zero], 0));
    MQ_TRY(mq_dn_task_result(c, t, k->y_type, k->v.out_rank, k->v.out_dims));
done:
    return rc;
}

static mq_status make(mq_call *c, qconv_case *k, void **state)
{
    const double macs = (double)mq_window_count(k->v.out_rank, k->v.out_dims) * (double)(k->v.in_ch / k->v.group) *
                        (double)mq_window_taps(&k->v.w);
    mq_dn_task *t;
    mq_status rc;

    if (macs == 0 || !describe(c, k))
        return MQ_OK;
    k->threads = mq_dn_threads_macs(c, macs / 3);
    if (!(t = mq_dn_task_create(c, 3)))
        return MQ_ERR_NOMEM;
    rc = mq_dn_make_conv(c, k->threads, false, &k->x_any, &k->weights_any, k->has_bias ? &k->bias : NULL, &k->y_any,
                         &k->w, &k->attr,
                         &t->op);
    if (rc == MQ_OK && t->op && mq_dn_is_slow(t->op))
        rc = MQ_ERR_UNSUPPORTED;
    if (rc == MQ_OK && t->op)
        rc = start(c, k, t);
    return mq_dn_prepared(rc, t->op, t, mq_dn_task_release, state);
}

static mq_status qlinear_prepare(mq_call *c, void **state)
{
    qconv_case k = { .p = &qlinear };
    float *scales = NULL;
    mq_status rc;

    if (!inputs_fit(c, k.p) || mq_conv_shape(c, c->in[0], c->in[3], &k.v) != MQ_OK)
        return MQ_OK;
    const mq_array *ws = c->in[k.p->w_scale];
    if (ws->count != 1 && ws->count != (size_t)k.v.out_ch)
        return MQ_OK;
    k.y_type = c->in[k.p->y_zero]->dtype;
    rc = mq_dn_add_requantize(c, &k.attr, k.p->x_scale, k.p->w_scale, k.p->y_scale, 1, &scales);
    if (rc == MQ_OK)
        rc = make(c, &k, state);
    free(scales);
    return rc;
}

/* ---- ConvInteger -------------------------------------------------------------------------------------------------- */

static mq_status integer_prepare(mq_call *c, void **state)
{
    qconv_case k = { .p = &integer, .y_type = MQ_INT32 };

    if (!inputs_fit(c, k.p) || mq_conv_shape(c, c->in[0], c->in[1], &k.v) != MQ_OK)
        return MQ_OK;
    if (mq_call_has(c, k.p->x_zero))
        k.attr.src_zero = !c->in[k.p->x_zero]->constant || mq_array_i64(c->in[k.p->x_zero], 0) != 0;
    return make(c, &k, state);
}

static mq_status integer_run(mq_call *c, void *state)
{
    mq_dn_task *t = state;

    if (t->n_zeros)
        t->zeros[0] = (int32_t)mq_array_i64(c->in[integer.x_zero], 0);
    return mq_dn_task_run(c, t);
}

const mq_fast mq_dn_qconv_rows[] = {
    { "", "QLinearConv", "onednn:qconv", qlinear_prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { "com.microsoft", "QLinearConv", "onednn:qconv", qlinear_prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { "", "ConvInteger", "onednn:qconv", integer_prepare, integer_run, mq_dn_task_release, 1 },
    { 0 },
};
