/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* DynamicQuantizeLSTM: weights of 8 bits; the input and each state are rounded to 255 steps of their own range before
 * they are multiplied. Computed in float on the rounded numbers. */
#include <math.h>

#include "exec/ref/families.h"
#include "exec/ref/quant_lanes.h"
#include "exec/ref/rnn.h"
#include "exec/ref/util.h"

enum { Q_W = 1, Q_R = 2, Q_W_SCALE = 8, Q_W_ZERO, Q_R_SCALE, Q_R_ZERO };

static void round_to_range(const float *x, float *out, int64_t n)
{
    float low = 0, high = 0;

    for (int64_t i = 0; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    const float scale = high == low ? 1 : (high - low) / 255;
    const float zero = rintf(fminf(fmaxf(-low / scale, 0), 255));
    for (int64_t i = 0; i < n; i++)
        out[i] = (fminf(fmaxf(rintf(x[i] / scale) + zero, 0), 255) - zero) * scale;
}

/* Weights of input i; scales (and zero points) per direction, or per direction and column. */
static mq_status dequantize(mq_call *c, size_t i, size_t is, size_t iz, const void **out)
{
    const mq_array *w = c->in[i];
    const mq_array *scale = mq_call_has(c, is) ? c->in[is] : NULL, *zero = mq_call_has(c, iz) ? c->in[iz] : NULL;
    float *to = mq_call_scratch(c, w->count * sizeof *to + 1);

    if (!to)
        return MQ_ERR_NOMEM;
    if (!mq_is_i8(w) || !scale || scale->dtype != MQ_FLOAT || !zero || zero->dtype != w->dtype)
        return mq_call_fail(c, "weights must be 8-bit, with float scales and zero points of their own type");
    const int64_t dirs = w->dims[0], rows = w->dims[1], cols = w->dims[2];
    const int64_t per = (int64_t)scale->count == dirs * cols ? cols : 1;
    if (((int64_t)scale->count != dirs && per == 1) || zero->count != scale->count)
        return mq_call_fail(c, "input %zu has %zu scales and %zu zero points; %lld or %lld are wanted", i, scale->count,
                            zero->count, (long long)dirs, (long long)(dirs * cols));
    for (int64_t r = 0; r < dirs * rows; r++) {
        for (int64_t j = 0; j < cols; j++) {
            const int64_t at = r / rows * per + (per > 1 ? j : 0);
            mq_i8_dequantize(w->dtype, (const char *)w->data + r * cols + j, 1, ((const float *)scale->data)[at],
                             (int32_t)mq_array_i64(zero, (size_t)at), to + r * cols + j);
        }
    }
    *out = to;
    return MQ_OK;
}

static mq_status op_dynamic_quantize_lstm(mq_call *c)
{
    mq_rnn l;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_rnn_read(c, MQ_RNN_LSTM, true, &l));
    if (l.dtype != MQ_FLOAT)
        return mq_call_bad_type(c, l.dtype);
    MQ_TRY(dequantize(c, Q_W, Q_W_SCALE, Q_W_ZERO, &l.w));
    MQ_TRY(dequantize(c, Q_R, Q_R_SCALE, Q_R_ZERO, &l.r));
    l.prepare = round_to_range;
    MQ_TRY(mq_rnn_run(c, &l));
done:
    return rc;
}

const mq_kernel mq_kernels_rnn_quant[] = {
    { "com.microsoft", "DynamicQuantizeLSTM", op_dynamic_quantize_lstm, 0 },
    { 0 },
};
