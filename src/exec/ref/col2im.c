/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Col2Im: adds the columns of sliding blocks back into images of any spatial rank. */
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/slide.h"
#include "exec/ref/util.h"

/* One tap: `n` values go to where the window's tap lies for each position, when that is inside. Integers wrap. */
#define ADD(T, name)                                                                                                  \
    static void add_##name(const mq_window *w, const int64_t *tap, const int64_t *strides, const T *src, T *image)    \
    {                                                                                                                 \
        int64_t at[MQ_MAX_WINDOW] = { 0 };                                                                            \
        do {                                                                                                          \
            int64_t to = 0;                                                                                           \
            bool inside = true;                                                                                       \
            for (int d = 0; d < w->rank; d++) {                                                                       \
                const int64_t p = at[d] * w->stride[d] + tap[d] * w->dilation[d] - w->lo[d];                          \
                inside = inside && p >= 0 && p < w->in[d];                                                            \
                to += inside ? p * strides[d] : 0;                                                                    \
            }                                                                                                         \
            if (inside)                                                                                               \
                image[to] = (T)(image[to] + *src);                                                                    \
            src++;                                                                                                    \
        } while (mq_window_next(w->rank, w->out, at));                                                                \
    }
ADD(float, f32)
ADD(double, f64)
ADD(uint8_t, u8)
ADD(uint16_t, u16)
ADD(uint32_t, u32)
ADD(uint64_t, u64)

static void add_tap(mq_dtype type, const mq_window *w, const int64_t *tap, const int64_t *strides, const void *src,
                    void *image)
{
    switch (type) {
    case MQ_FLOAT: add_f32(w, tap, strides, src, image); break;
    case MQ_DOUBLE: add_f64(w, tap, strides, src, image); break;
    case MQ_INT8:
    case MQ_UINT8: add_u8(w, tap, strides, src, image); break;
    case MQ_INT16:
    case MQ_UINT16: add_u16(w, tap, strides, src, image); break;
    case MQ_INT32:
    case MQ_UINT32: add_u32(w, tap, strides, src, image); break;
    default: add_u64(w, tap, strides, src, image); break;
    }
}

static mq_status read_window(mq_call *c, mq_window *w)
{
    int64_t image[MQ_MAX_WINDOW], block[MQ_MAX_WINDOW];
    size_t n = 0, m = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_ints(c, 1, image, MQ_MAX_WINDOW, &n));
    MQ_TRY(mq_call_ints(c, 2, block, MQ_MAX_WINDOW, &m));
    if (n != m || n == 0)
        return mq_call_fail(c, "image_shape has %zu elements, block_shape %zu", n, m);
    for (size_t d = 0; d < n; d++) {
        if (image[d] < 0)
            return mq_call_fail(c, "image_shape holds %lld", (long long)image[d]);
    }
    MQ_TRY(mq_call_window(c, (int)n, image, block, w));
done:
    return rc;
}

static mq_status op_col2im(mq_call *c)
{
    int64_t dims[MQ_MAX_RANK], strides[MQ_MAX_WINDOW];
    char *out = NULL;
    mq_window w;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 3));
    const mq_array *x = c->in[0];
    if (mq_dtype_bits(x->dtype) < 8 || (!mq_dtype_is_integer(x->dtype) && x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE))
        return mq_call_bad_type(c, x->dtype);
    MQ_TRY(read_window(c, &w));
    const int64_t taps = mq_window_taps(&w);
    double blocks = 1;
    for (int d = 0; d < w.rank; d++)
        blocks *= (double)w.out[d];
    if (x->rank != 3 || x->dims[1] % taps || (double)x->dims[2] != blocks)
        return mq_call_fail(c, "input must be [N, C * %lld, %.0f]", (long long)taps, blocks);
    dims[0] = x->dims[0];
    dims[1] = x->dims[1] / taps;
    memcpy(dims + 2, w.in, (size_t)w.rank * sizeof *dims);
    MQ_TRY(mq_call_out(c, 0, x->dtype, w.rank + 2, dims, (void **)&out));
    memset(out, 0, mq_array_bytes(c->out[0]));
    if (x->count == 0 || c->out[0]->count == 0)
        return MQ_OK;
    mq_strides(w.rank, w.in, strides);
    const int64_t planes = dims[0] * dims[1], plane = mq_span(w.in, 0, w.rank);
    const int threads = mq_call_threads(c, (int64_t)x->count);
    const size_t elem = mq_array_elem_size(x);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t p = 0; p < planes; p++) {
        int64_t tap[MQ_MAX_WINDOW] = { 0 };
        const char *src = (const char *)x->data + (size_t)(p * taps * x->dims[2]) * elem;
        do {
            add_tap(x->dtype, &w, tap, strides, src, out + (size_t)(p * plane) * elem);
            src += (size_t)x->dims[2] * elem;
        } while (mq_window_next(w.rank, w.kernel, tap));
    }
done:
    return rc;
}

const mq_kernel mq_kernels_col2im[] = {
    { "", "Col2Im", op_col2im, MQ_KERNEL_WIDEN },
    { 0 },
};
