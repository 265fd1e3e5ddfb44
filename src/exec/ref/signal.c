/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Signals: DFT, STFT, the contributed Rfft and Irfft. All in double inside. */
#include <stdlib.h>
#include <string.h>

#include "exec/ref/fft.h"
#include "exec/ref/util.h"

/* ---- transforms --------------------------------------------------------------------------------------------------- */

/* Transforms along an axis: `outer` times `inner` lines. An element is one number (real) or two (complex). */
typedef struct lines {
    mq_dtype dtype;
    int64_t outer, inner;
    int64_t n_in, n_out;   /* elements of a line, before and after */
    int64_t n;             /* of the transform: the line is cut or filled with zeros */
    int in_parts, out_parts;
    bool inverse;
    bool mirrored;         /* the input is one half of a spectrum, the other half its mirror image */
} lines;

static double read_at(mq_dtype dtype, const void *p, int64_t i)
{
    return dtype == MQ_FLOAT ? (double)((const float *)p)[i] : ((const double *)p)[i];
}

static void write_at(mq_dtype dtype, void *p, int64_t i, double v)
{
    if (dtype == MQ_FLOAT)
        ((float *)p)[i] = (float)v;
    else
        ((double *)p)[i] = v;
}

/* The other half of a spectrum from n/2+1 bins. The first bin, and for even n the last, are real. */
static void mirror(double *x, int64_t n)
{
    x[1] = 0;
    if (n % 2 == 0)
        x[n + 1] = 0;
    for (int64_t k = n / 2 + 1; k < n; k++) {
        x[2 * k] = x[2 * (n - k)];
        x[2 * k + 1] = -x[2 * (n - k) + 1];
    }
}

static void run_line(const lines *l, const mq_fft *f, const void *in, void *out, int64_t at, double *x, double *work)
{
    const int64_t outer = at / l->inner, inner = at % l->inner;
    const int64_t limit = l->mirrored ? l->n / 2 + 1 : l->n, take = l->n_in < limit ? l->n_in : limit;

    memset(x, 0, (size_t)l->n * 2 * sizeof *x);
    for (int64_t k = 0; k < take; k++)
        for (int p = 0; p < l->in_parts; p++)
            x[2 * k + p] = read_at(l->dtype, in, ((outer * l->n_in + k) * l->inner + inner) * l->in_parts + p);
    if (l->mirrored)
        mirror(x, l->n);
    mq_fft_run(f, x, work);
    for (int64_t k = 0; k < l->n_out; k++)
        for (int p = 0; p < l->out_parts; p++)
            write_at(l->dtype, out, ((outer * l->n_out + k) * l->inner + inner) * l->out_parts + p, x[2 * k + p]);
}

static mq_status run_lines(mq_call *c, const lines *l, const void *in, void *out)
{
    const int64_t total = l->outer * l->inner;
    const int threads = mq_call_threads(c, total * l->n * 8);
    mq_fft *f = NULL;
    mq_status rc = MQ_OK;
    bool oom = false;

    MQ_TRY(mq_fft_create(&f, l->n, l->inverse, c->err));
#pragma omp parallel num_threads(threads)
    {
        double *x = malloc(((size_t)l->n * 2 + (size_t)mq_fft_work(f) + 1) * sizeof *x);

        if (!x) {
#pragma omp atomic write
            oom = true;
        }
#pragma omp for schedule(static)
        for (int64_t i = 0; i < total; i++)
            if (x)
                run_line(l, f, in, out, i, x, x + 2 * l->n);
        free(x);
    }
    if (oom)
        rc = mq_oom(c->err);
done:
    mq_fft_free(f);
    return rc;
}

/* The one integer of optional input i. */
static mq_status scalar_int(mq_call *c, size_t i, int64_t absent, int64_t *out)
{
    *out = absent;
    if (!mq_call_has(c, i))
        return MQ_OK;
    if (c->in[i]->kind != MQ_TYPE_TENSOR || c->in[i]->count != 1 || !mq_dtype_is_integer(c->in[i]->dtype))
        return mq_call_fail(c, "input %zu must be one integer", i);
    *out = mq_array_i64(c->in[i], 0);
    return MQ_OK;
}

static mq_status check_float(mq_call *c, const mq_array *a)
{
    return a->dtype == MQ_FLOAT || a->dtype == MQ_DOUBLE ? MQ_OK : mq_call_bad_type(c, a->dtype);
}

/* An axis that is a signal axis: the last one holds real and imaginary parts. */
static mq_status signal_axis(mq_call *c, const mq_array *x, int *axis)
{
    mq_status rc = MQ_OK;
    int64_t given;

    MQ_TRY(scalar_int(c, 2, -2, &given));
    MQ_TRY(mq_call_axis(c, given, x->rank, axis));
    if (*axis == x->rank - 1)
        return mq_call_fail(c, "axis %lld is the last one, which holds real and imaginary parts", (long long)given);
    if (x->dims[x->rank - 1] != 1 && x->dims[x->rank - 1] != 2)
        return mq_call_fail(c, "the last axis has length %lld, it must be 1 or 2", (long long)x->dims[x->rank - 1]);
done:
    return rc;
}

/* Makes output 0 of these dims from the lines of x. */
static mq_status transform(mq_call *c, lines *l, const mq_array *x, int rank, const int64_t *dims)
{
    mq_status rc = MQ_OK;
    void *out;

    if (l->n < 1)
        return mq_call_fail(c, "a transform of length %lld is not possible", (long long)l->n);
    l->dtype = x->dtype;
    MQ_TRY(mq_call_out(c, 0, x->dtype, rank, dims, &out));
    if (mq_span(dims, 0, rank) != 0)
        rc = run_lines(c, l, x->data, out);
done:
    return rc;
}

static mq_status op_dft(mq_call *c)
{
    const bool inverse = mq_node_attr_int(c->node, "inverse", 0) != 0;
    const bool onesided = mq_node_attr_int(c->node, "onesided", 0) != 0;
    int64_t dims[MQ_MAX_RANK], size;
    const mq_array *x;
    mq_status rc = MQ_OK;
    lines l = { 0 };
    int axis;

    MQ_TRY(mq_call_need(c, 1));
    x = c->in[0];
    MQ_TRY(check_float(c, x));
    MQ_TRY(signal_axis(c, x, &axis));
    size = x->dims[axis];
    MQ_TRY(scalar_int(c, 1, inverse && onesided ? 2 * (size - 1) : size, &l.n));
    memcpy(dims, x->dims, sizeof dims);
    l.inverse = inverse;
    l.mirrored = inverse && onesided;
    l.outer = mq_span(dims, 0, axis);
    l.inner = mq_span(dims, axis + 1, x->rank - 1);
    l.n_in = size;
    l.n_out = onesided && !inverse ? l.n / 2 + 1 : l.n;
    l.in_parts = (int)x->dims[x->rank - 1];
    l.out_parts = l.mirrored ? 1 : 2;
    if (onesided && !inverse && l.in_parts == 2)
        return mq_call_fail(c, "a one-sided transform needs a real input: the last axis has length 2, it must be 1");
    dims[axis] = l.n_out;
    dims[x->rank - 1] = l.out_parts;
    rc = transform(c, &l, x, x->rank, dims);
done:
    return rc;
}

/* The contributed forms: along the last axis, real numbers without an axis of their own. */
static mq_status op_rfft(mq_call *c)
{
    const bool inverse = strcmp(c->node->op_type, "Irfft") == 0;
    int64_t dims[MQ_MAX_RANK];
    const mq_array *x;
    mq_status rc = MQ_OK;
    lines l = { 0 };
    int rank, signal;

    MQ_TRY(mq_call_need(c, 1));
    x = c->in[0];
    MQ_TRY(check_float(c, x));
    if (mq_node_attr_int(c->node, "signal_ndim", 1) != 1 || mq_node_attr_int(c->node, "normalized", 0) != 0 ||
        mq_node_attr_int(c->node, "onesided", 1) != 1)
        return mq_call_unsupported(c, "only one-sided transforms of one axis that are not normalized are supported");
    if (x->rank < 1 + inverse || x->rank >= MQ_MAX_RANK || (inverse && x->dims[x->rank - 1] != 2))
        return mq_call_fail(c, "rank %d does not fit%s", x->rank, inverse ? ", or the last axis has not length 2" : "");
    signal = x->rank - 1 - inverse;
    memcpy(dims, x->dims, sizeof dims);
    l.inverse = l.mirrored = inverse;
    l.outer = mq_span(dims, 0, signal);
    l.inner = 1;
    l.n_in = dims[signal];
    l.n = inverse ? 2 * (l.n_in - 1) : l.n_in;
    l.n_out = inverse ? l.n : l.n / 2 + 1;
    l.in_parts = inverse ? 2 : 1;
    l.out_parts = inverse ? 1 : 2;
    dims[signal] = l.n_out;
    rank = inverse ? x->rank - 1 : x->rank + 1;
    if (!inverse)
        dims[rank - 1] = 2;
    rc = transform(c, &l, x, rank, dims);
done:
    return rc;
}

/* ---- STFT --------------------------------------------------------------------------------------------------------- */

typedef struct frames {
    const mq_array *signal, *window; /* window NULL: all ones */
    int64_t step, length, count, bins;
    int parts;
} frames;

static mq_status read_frames(mq_call *c, frames *s)
{
    const mq_array *x = c->in[0];
    const bool onesided = mq_node_attr_int(c->node, "onesided", 1) != 0;
    mq_status rc = MQ_OK;

    if (x->rank != 3 || (x->dims[2] != 1 && x->dims[2] != 2))
        return mq_call_fail(c, "the signal must be [batch, length, 1 or 2]");
    s->signal = x;
    s->parts = (int)x->dims[2];
    if (mq_call_has(c, 2)) {
        s->window = c->in[2];
        if (s->window->kind != MQ_TYPE_TENSOR || s->window->rank != 1 || s->window->dtype != x->dtype)
            return mq_call_fail(c, "the window must be a list of %s", mq_dtype_name(x->dtype));
    }
    MQ_TRY(scalar_int(c, 1, 0, &s->step));
    MQ_TRY(scalar_int(c, 3, s->window ? s->window->dims[0] : x->dims[1], &s->length));
    if (s->step < 1 || s->length < 1 || (s->window && s->window->dims[0] != s->length))
        return mq_call_fail(c, "a step of %lld and a frame length of %lld are not possible%s", (long long)s->step,
                            (long long)s->length, s->window ? " with this window" : "");
    if (onesided && s->parts == 2)
        return mq_call_fail(c, "a one-sided transform needs a real signal");
    s->count = x->dims[1] < s->length ? 0 : (x->dims[1] - s->length) / s->step + 1;
    s->bins = onesided ? s->length / 2 + 1 : s->length;
done:
    return rc;
}

static void run_frame(const frames *s, const mq_fft *f, int64_t at, void *out, double *x, double *work)
{
    const mq_array *in = s->signal;
    const int64_t from = (at / s->count * in->dims[1] + at % s->count * s->step) * s->parts;

    memset(x, 0, (size_t)s->length * 2 * sizeof *x);
    for (int64_t k = 0; k < s->length; k++) {
        const double w = s->window ? read_at(in->dtype, s->window->data, k) : 1;

        for (int p = 0; p < s->parts; p++)
            x[2 * k + p] = w * read_at(in->dtype, in->data, from + k * s->parts + p);
    }
    mq_fft_run(f, x, work);
    for (int64_t k = 0; k < 2 * s->bins; k++)
        write_at(in->dtype, out, at * 2 * s->bins + k, x[k]);
}

static mq_status run_frames(mq_call *c, const frames *s, void *out)
{
    const int64_t total = s->signal->dims[0] * s->count;
    const int threads = mq_call_threads(c, total * s->length * 8);
    mq_fft *f = NULL;
    mq_status rc = MQ_OK;
    bool oom = false;

    MQ_TRY(mq_fft_create(&f, s->length, false, c->err));
#pragma omp parallel num_threads(threads)
    {
        double *x = malloc(((size_t)s->length * 2 + (size_t)mq_fft_work(f) + 1) * sizeof *x);

        if (!x) {
#pragma omp atomic write
            oom = true;
        }
#pragma omp for schedule(static)
        for (int64_t i = 0; i < total; i++)
            if (x)
                run_frame(s, f, i, out, x, x + 2 * s->length);
        free(x);
    }
    if (oom)
        rc = mq_oom(c->err);
done:
    mq_fft_free(f);
    return rc;
}

static mq_status op_stft(mq_call *c)
{
    int64_t dims[4];
    mq_status rc = MQ_OK;
    frames s = { 0 };
    void *out;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(check_float(c, c->in[0]));
    MQ_TRY(read_frames(c, &s));
    dims[0] = s.signal->dims[0];
    dims[1] = s.count;
    dims[2] = s.bins;
    dims[3] = 2;
    MQ_TRY(mq_call_out(c, 0, s.signal->dtype, 4, dims, &out));
    if (dims[0] * dims[1] > 0)
        rc = run_frames(c, &s, out);
done:
    return rc;
}

const mq_kernel mq_kernels_signal[] = {
    { "", "DFT", op_dft, MQ_KERNEL_WIDEN },
    { "", "STFT", op_stft, MQ_KERNEL_WIDEN },
    { "com.microsoft", "Irfft", op_rfft, MQ_KERNEL_WIDEN },
    { "com.microsoft", "Rfft", op_rfft, MQ_KERNEL_WIDEN },
    { 0 },
};
