/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tables for signal processing: Hann, Hamming and Blackman windows, and the matrix of mel filters. Computed in double,
 * then converted to the type that an attribute names. */
#include <math.h>
#include <string.h>

#include "exec/ref/util.h"

/* ---- results of any numeric type ---------------------------------------------------------------------------------- */

/* Cut off towards zero and saturated; not a number gives 0. */
static int64_t whole(double v, mq_dtype dtype)
{
    const double low = (double)mq_dtype_min(dtype), high = (double)mq_dtype_max(dtype);

    if (isnan(v))
        return 0;
    return v <= low ? mq_dtype_min(dtype) : v >= high ? mq_dtype_max(dtype) : (int64_t)v;
}

/* n doubles as elements of dtype. */
static mq_status convert(mq_call *c, const double *in, int64_t n, mq_dtype dtype, void *out)
{
#define COPY_FLOAT(T) \
    for (int64_t i = 0; i < n; i++) \
        ((T *)out)[i] = (T)in[i]; \
    return MQ_OK;
#define COPY(T) \
    for (int64_t i = 0; i < n; i++) \
        ((T *)out)[i] = (T)whole(in[i], dtype); \
    return MQ_OK;
    switch (dtype) {
        MQ_CASES_FLOAT(COPY_FLOAT)
        MQ_CASES_INTEGER(COPY)
    case MQ_FLOAT16:
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)out)[i] = mq_f16_from_f32((float)in[i]);
        return MQ_OK;
    case MQ_BFLOAT16:
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)out)[i] = mq_bf16_from_f32((float)in[i]);
        return MQ_OK;
    default:
        return mq_call_bad_type(c, dtype);
    }
#undef COPY_FLOAT
#undef COPY
}

/* The type that attribute output_datatype names. */
static mq_status out_type(mq_call *c, mq_dtype *out)
{
    const int64_t t = mq_node_attr_int(c->node, "output_datatype", MQ_FLOAT);

    if (t <= MQ_UNDEFINED || t >= MQ_N_DTYPES || mq_dtype_bits((mq_dtype)t) < 8)
        return mq_call_fail(c, "attribute 'output_datatype' is %lld, which is no type of numbers", (long long)t);
    *out = (mq_dtype)t;
    return MQ_OK;
}

/* The one number of input i. */
static mq_status scalar(mq_call *c, size_t i, double *out)
{
    if (c->in[i]->count != 1)
        return mq_call_fail(c, "input %zu must be one number", i);
    *out = mq_array_f64(c->in[i], 0);
    return MQ_OK;
}

/* ---- windows ------------------------------------------------------------------------------------------------------ */

/* a0 - a1 cos(x) + a2 cos(2x) over one turn. */
static mq_status window(mq_call *c, double a0, double a1, double a2)
{
    const bool periodic = mq_node_attr_int(c->node, "periodic", 1) != 0;
    mq_dtype dtype = MQ_FLOAT;
    mq_status rc = MQ_OK;
    double size = 0, *v;
    int64_t n;
    void *out;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(out_type(c, &dtype));
    MQ_TRY(scalar(c, 0, &size));
    if (!(size >= 0 && size < 1e12))
        return mq_call_fail(c, "a window of %g elements is not possible", size);
    n = (int64_t)size;
    MQ_TRY(mq_call_out(c, 0, dtype, 1, &n, &out));
    if (!(v = mq_call_scratch(c, ((size_t)n + 1) * sizeof *v)))
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        const double x = 2 * M_PI * (double)i / (double)(periodic ? n : n - 1);

        v[i] = a0 - a1 * cos(x) + a2 * cos(2 * x);
    }
    rc = convert(c, v, n, dtype, out);
done:
    return rc;
}

static mq_status op_hann(mq_call *c)
{
    return window(c, 0.5, 0.5, 0);
}

static mq_status op_hamming(mq_call *c)
{
    return window(c, 25.0 / 46, 21.0 / 46, 0);
}

static mq_status op_blackman(mq_call *c)
{
    return window(c, 0.42, 0.5, 0.08);
}

/* ---- MelWeightMatrix ---------------------------------------------------------------------------------------------- */

static double to_mel(double hertz)
{
    return 2595 * log10(1 + hertz / 700);
}

static double to_hertz(double mel)
{
    return 700 * (pow(10, mel / 2595) - 1);
}

/* Column `mel` of the matrix: a triangle that rises from bin left to center and falls to right. */
static void triangle(double *m, int64_t bins, int64_t n_mel, int64_t mel, const double edge[3])
{
    const double left = edge[0], center = edge[1], right = edge[2];

    for (int64_t j = 0; j < bins; j++) {
        const double at = (double)j;
        double *v = &m[j * n_mel + mel];

        if (left == center && at == center)
            *v = 1;
        else if (left < center && at >= left && at <= center)
            *v = (at - left) / (center - left);
        if (center < right && at >= center && at < right)
            *v = (right - at) / (right - center);
    }
}

static mq_status op_mel_weight_matrix(mq_call *c)
{
    double in[5], low, step, *m;
    mq_dtype dtype = MQ_FLOAT;
    mq_status rc = MQ_OK;
    int64_t dims[2];
    void *out;

    MQ_TRY(mq_call_need(c, 5));
    MQ_TRY(out_type(c, &dtype));
    for (size_t i = 0; i < 5; i++)
        MQ_TRY(scalar(c, i, &in[i]));
    if (!(in[0] >= 0 && in[0] < 1e9 && in[1] >= 0 && in[1] < 1e9 && in[2] > 0 && in[3] >= 0 && in[4] >= in[3]))
        return mq_call_fail(c, "%g mel bins of %g elements at %g hertz, from %g to %g hertz, are not possible", in[0],
                            in[1], in[2], in[3], in[4]);
    dims[0] = (int64_t)in[1] / 2 + 1;
    dims[1] = (int64_t)in[0];
    MQ_TRY(mq_call_out(c, 0, dtype, 2, dims, &out));
    if (!(m = mq_call_scratch(c, ((size_t)(dims[0] * dims[1]) + 1) * sizeof *m)))
        return MQ_ERR_NOMEM;
    memset(m, 0, (size_t)(dims[0] * dims[1]) * sizeof *m);
    low = to_mel(in[3]);
    step = (to_mel(in[4]) - low) / (in[0] + 2);
    for (int64_t i = 0; i < dims[1]; i++) {
        double edge[3];

        for (int k = 0; k < 3; k++)
            edge[k] = floor((in[1] + 1) * to_hertz(low + (double)(i + k) * step) / in[2]);
        triangle(m, dims[0], dims[1], i, edge);
    }
    rc = convert(c, m, dims[0] * dims[1], dtype, out);
done:
    return rc;
}

const mq_kernel mq_kernels_signal_window[] = {
    { "", "BlackmanWindow", op_blackman, 0 },
    { "", "HammingWindow", op_hamming, 0 },
    { "", "HannWindow", op_hann, 0 },
    { "", "MelWeightMatrix", op_mel_weight_matrix, MQ_KERNEL_WIDEN },
    { 0 },
};
