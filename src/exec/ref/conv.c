/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Conv, FusedConv, ConvInteger and QLinearConv: the sums are conv_core.c's; here are inputs, bias, activation and scales. */
#include <string.h>

#include "exec/ref/fused_activation.h"
#include "exec/ref/conv_core.h"
#include "exec/ref/families.h"
#include "exec/ref/quant_lanes.h"
#include "exec/ref/util.h"

/* One plane of the result: + bias, + z. */
#define FINISH(T)                                                                                   \
    static void finish_##T(T *y, const T *bias, const T *z, int64_t n)                              \
    {                                                                                               \
        const T b = bias ? *bias : 0;                                                               \
        for (int64_t i = 0; bias && i < n; i++)                                                     \
            y[i] += b;                                                                              \
        for (int64_t i = 0; z && i < n; i++)                                                        \
            y[i] += z[i];                                                                           \
    }
FINISH(float)
FINISH(double)

static void finish(mq_call *c, const mq_conv *v, const mq_array *bias, const mq_array *z, const mq_activation *act)
{
    const mq_array *y = c->out[0];
    const int64_t planes = v->batch * v->out_ch, n = mq_span(v->w.out, 0, v->w.rank);
    const int threads = mq_call_threads(c, (int64_t)y->count);

    if (!bias && !z && act->kind == MQ_ACT_NONE)
        return;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t p = 0; p < planes; p++) {
        const int64_t ch = p % v->out_ch;
        if (y->dtype == MQ_FLOAT)
            finish_float((float *)y->data + p * n, bias ? (const float *)bias->data + ch : NULL,
                         z ? (const float *)z->data + p * n : NULL, n);
        else
            finish_double((double *)y->data + p * n, bias ? (const double *)bias->data + ch : NULL,
                          z ? (const double *)z->data + p * n : NULL, n);
        mq_activation_run(act, y->dtype, (char *)y->data + (size_t)(p * n) * mq_array_elem_size(y), n);
    }
}

static bool same_dims(const mq_array *a, int rank, const int64_t *dims)
{
    return a->rank == rank && !memcmp(a->dims, dims, (size_t)rank * sizeof *dims);
}

static mq_status conv_float(mq_call *c, const mq_array *z, const mq_activation *act)
{
    const mq_array *bias = mq_call_has(c, 2) ? c->in[2] : NULL;
    mq_conv v;
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    const mq_dtype type = c->in[0]->dtype;
    if (type != MQ_FLOAT && type != MQ_DOUBLE)
        return mq_call_bad_type(c, type);
    if (c->in[1]->dtype != type || (bias && bias->dtype != type) || (z && z->dtype != type))
        return mq_call_fail(c, "inputs have different element types");
    MQ_TRY(mq_conv_shape(c, c->in[0], c->in[1], &v));
    MQ_TRY(mq_conv_check_bias(c, bias, v.out_ch));
    if (z && !same_dims(z, v.out_rank, v.out_dims))
        return mq_call_fail(c, "the tensor to add has another shape than the result");
    MQ_TRY(mq_call_out(c, 0, type, v.out_rank, v.out_dims, &y));
    if (c->out[0]->count == 0)
        return MQ_OK;
    MQ_TRY(mq_conv_run(c, &v, type, c->in[0]->data, c->in[1]->data, y));
    finish(c, &v, bias, z, act);
done:
    return rc;
}

static mq_status op_conv(mq_call *c)
{
    const mq_activation none = { MQ_ACT_NONE, 0, 0 };

    return conv_float(c, NULL, &none);
}

static mq_status op_fused_conv(mq_call *c)
{
    const mq_attr *name = mq_node_attr(c->node, "activation"), *params = mq_node_attr(c->node, "activation_params");
    mq_activation act = { MQ_ACT_NONE, 0, 0 };

    if (name && name->type == MQ_ATTR_STRING && name->s.n > 0 && !mq_activation_find(name->s, &act))
        return mq_call_unsupported(c, "activation '%.*s' is not known", (int)name->s.n, (const char *)name->s.data);
    if (params && params->type == MQ_ATTR_FLOATS && params->n > 0)
        act.alpha = (double)params->floats[0];
    if (params && params->type == MQ_ATTR_FLOATS && params->n > 1)
        act.beta = (double)params->floats[1];
    return conv_float(c, mq_call_has(c, 3) ? c->in[3] : NULL, &act);
}

/* ---- integers ----------------------------------------------------------------------------------------------------- */

/* The zero-point-free int32 copies of x (inputs ix and zx) and w, and their convolution into acc. */
static mq_status integer_sums(mq_call *c, const mq_conv *v, size_t ix, size_t zx, size_t iw, size_t zw, int32_t *acc)
{
    const mq_array *x = c->in[ix], *w = c->in[iw];
    int32_t zero = 0, *zeros = NULL;
    int step = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_zero(c, zx, x->dtype, &zero));
    MQ_TRY(mq_call_zeros(c, zw, w->dtype, v->out_ch, &zeros, &step));
    int32_t *xs = mq_call_scratch(c, x->count * sizeof *xs), *ws = mq_call_scratch(c, w->count * sizeof *ws);
    if (!xs || !ws)
        return MQ_ERR_NOMEM;
    mq_i8_widen(x->dtype, x->data, (int64_t)x->count, zero, xs);
    const int64_t row = v->out_ch ? (int64_t)w->count / v->out_ch : 0;
    for (int64_t o = 0; o < v->out_ch; o++)
        mq_i8_widen(w->dtype, (const char *)w->data + o * row, row, zeros[o * step], ws + o * row);
    MQ_TRY(mq_conv_run(c, v, MQ_INT32, xs, ws, acc));
done:
    return rc;
}

static mq_status op_conv_integer(mq_call *c)
{
    mq_conv v;
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    if (!mq_is_i8(c->in[0]) || !mq_is_i8(c->in[1]))
        return mq_call_bad_type(c, mq_is_i8(c->in[0]) ? c->in[1]->dtype : c->in[0]->dtype);
    MQ_TRY(mq_conv_shape(c, c->in[0], c->in[1], &v));
    MQ_TRY(mq_call_out(c, 0, MQ_INT32, v.out_rank, v.out_dims, &y));
    if (c->out[0]->count > 0)
        MQ_TRY(integer_sums(c, &v, 0, 2, 1, 3, y));
done:
    return rc;
}

/* x, w and the zero point of y by their input numbers in QLinearConv; scales stand before the zero points. */
enum { Q_X = 0, Q_W = 3, Q_Y_SCALE = 6, Q_Y_ZERO = 7, Q_BIAS = 8 };

static mq_status requantize(mq_call *c, const mq_conv *v, int32_t *acc)
{
    const mq_array *y = c->out[0], *b = mq_call_has(c, Q_BIAS) ? c->in[Q_BIAS] : NULL;
    const int64_t n = mq_span(v->w.out, 0, v->w.rank), planes = v->batch * v->out_ch;
    const int threads = mq_call_threads(c, (int64_t)y->count);
    const float *ws = NULL;
    float xs = 0, ys = 0;
    int32_t zero = 0;
    int step = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_scale(c, Q_X + 1, &xs));
    MQ_TRY(mq_call_scale(c, Q_Y_SCALE, &ys));
    MQ_TRY(mq_call_scales(c, Q_W + 1, v->out_ch, &ws, &step));
    MQ_TRY(mq_call_zero(c, Q_Y_ZERO, y->dtype, &zero));
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t p = 0; p < planes; p++) {
        const int64_t ch = p % v->out_ch;
        const uint32_t bias = b ? ((const uint32_t *)b->data)[ch] : 0;
        for (int64_t i = p * n; b && i < (p + 1) * n; i++)
            acc[i] = (int32_t)((uint32_t)acc[i] + bias);
        mq_i8_requantize(acc + p * n, n, xs * ws[ch * step] / ys, zero, y->dtype, (char *)y->data + p * n);
    }
done:
    return rc;
}

static mq_status op_qlinear_conv(mq_call *c)
{
    const mq_array *b = mq_call_has(c, Q_BIAS) ? c->in[Q_BIAS] : NULL;
    mq_conv v;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 8));
    const mq_dtype type = c->in[Q_Y_ZERO]->dtype;
    if (!mq_is_i8(c->in[Q_X]) || !mq_is_i8(c->in[Q_W]) || !mq_is_i8(c->in[Q_Y_ZERO]))
        return mq_call_fail(c, "x, w and the zero point of y must be int8 or uint8");
    if (mq_node_attr_int(c->node, "channels_last", 0))
        return mq_call_unsupported(c, "attribute 'channels_last' is not 0");
    MQ_TRY(mq_conv_shape(c, c->in[Q_X], c->in[Q_W], &v));
    MQ_TRY(mq_conv_check_bias(c, b, v.out_ch));
    if (b && b->dtype != MQ_INT32)
        return mq_call_fail(c, "bias must be int32, not %s", mq_dtype_name(b->dtype));
    MQ_TRY(mq_call_out(c, 0, type, v.out_rank, v.out_dims, NULL));
    if (c->out[0]->count == 0)
        return MQ_OK;
    int32_t *acc = mq_call_scratch(c, c->out[0]->count * sizeof *acc);
    if (!acc)
        return MQ_ERR_NOMEM;
    MQ_TRY(integer_sums(c, &v, Q_X, Q_X + 2, Q_W, Q_W + 2, acc));
    MQ_TRY(requantize(c, &v, acc));
done:
    return rc;
}

const mq_kernel mq_kernels_conv[] = {
    { "", "Conv", op_conv, MQ_KERNEL_WIDEN },
    { "", "ConvInteger", op_conv_integer, 0 },
    { "", "QLinearConv", op_qlinear_conv, 0 },
    { "com.microsoft", "FusedConv", op_fused_conv, MQ_KERNEL_WIDEN },
    { "com.microsoft", "QLinearConv", op_qlinear_conv, 0 },
    { 0 },
};
