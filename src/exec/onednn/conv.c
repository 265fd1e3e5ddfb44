/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Conv, FusedConv (com.microsoft) and ConvTranspose of floats. Images of one spatial dim run as two with a height of 1. The
 * library chooses the order of input, weights and output; the output stays in it where all readers take it. Integers are in
 * qconv.c. */
#include <string.h>

#include "exec/onednn/kernels.h"

bool mq_dn_window_of(const mq_window *v, mq_dn_window *w)
{
    const int shift = v->rank == 1; /* a height of 1 comes first */

    memset(w, 0, sizeof *w);
    if (v->rank > 3)
        return false;
    if (shift)
        w->stride[0] = w->kernel[0] = 1;
    for (int i = 0; i < v->rank; i++) {
        w->stride[i + shift] = v->stride[i];
        w->dilation[i + shift] = v->kernel[i] == 1 ? 0 : v->dilation[i] - 1; /* says nothing then, and is refused */
        w->kernel[i + shift] = v->kernel[i];
        w->lo[i + shift] = v->lo[i];
        w->hi[i + shift] = v->hi[i];
    }
    return true;
}

/* The weights as the library counts them: [group,] output channels, input channels of a group, taps. */
bool mq_dn_conv_weights(const mq_conv *v, mq_dtype dtype, bool transposed, mq_dn_desc *plain, mq_dn_desc *any)
{
    const int64_t in = v->in_ch / v->group, out = v->out_ch / v->group, taps = mq_window_taps(&v->w);
    int64_t dims[6], strides[6];
    const int grouped = v->group > 1, shift = v->w.rank == 1;
    const int rank = grouped + 2 + shift + v->w.rank;
    int64_t step = 1;

    dims[0] = v->group;
    dims[grouped] = out;
    dims[grouped + 1] = in;
    dims[grouped + 2] = 1;
    memcpy(dims + grouped + 2 + shift, v->w.kernel, (size_t)v->w.rank * sizeof *dims);
    for (int i = rank - 1; i >= grouped + 2; i--) {
        strides[i] = step;
        step *= dims[i];
    }
    strides[0] = in * out * taps;
    strides[grouped] = transposed ? taps : in * taps;
    strides[grouped + 1] = transposed ? out * taps : taps;
    return mq_dn_strided(plain, dtype, rank, dims, strides) && mq_dn_any(any, dtype, rank, dims);
}

typedef struct conv_case {
    mq_conv v;
    bool transposed;
    mq_dn_window w;
    mq_dn_desc x, x_any, weights, weights_any, bias, y_plain, y_any, z;
    int64_t dims[MQ_MAX_RANK]; /* of the result, a height of 1 included */
    int rank, threads;
    bool sum; /* input 3 is added in the output's memory, else as a post-op of its own */
    bool winograd;
    mq_dn_attr attr;
} conv_case;

static bool describe(const mq_call *c, conv_case *k)
{
    const mq_array *z = k->transposed || !mq_call_has(c, 3) ? NULL : c->in[3];

    k->rank = mq_dn_image_dims(k->v.out_rank, k->v.out_dims, k->dims);
    /* "brdgmm" is half as fast as what the library has next; "brgconv" makes orders that kernels of training do not take */
    k->attr.avoid = !c->in[1]->constant ? "br" : k->v.in_ch == k->v.group ? "brdgmm" : NULL;
    return mq_dn_window_of(&k->v.w, &k->w) && mq_dn_of_image(&k->x, c->in[0]) &&
           mq_dn_any(&k->x_any, MQ_FLOAT, mq_dn_rank(&k->x), mq_dn_dims(&k->x)) &&
           mq_dn_conv_weights(&k->v, MQ_FLOAT, k->transposed, &k->weights, &k->weights_any) &&
           mq_dn_plain(&k->bias, MQ_FLOAT, 1, &k->v.out_ch) && mq_dn_plain(&k->y_plain, MQ_FLOAT, k->rank, k->dims) &&
           mq_dn_any(&k->y_any, MQ_FLOAT, k->rank, k->dims) && (!z || mq_dn_of_image(&k->z, z));
}

static mq_status make(mq_call *c, const conv_case *k, const mq_dn_desc *x, const mq_dn_desc *y, mq_dn_op **op)
{
    const mq_dn_desc *bias = mq_call_has(c, 2) ? &k->bias : NULL;
    mq_status rc = mq_dn_make_conv(c, k->threads, k->transposed, x, &k->weights_any, bias, y, &k->w, &k->attr, op);

    if (rc == MQ_OK && *op && k->threads > 1 && mq_dn_is_gemm(*op)) {
        mq_dn_free(*op);
        rc = mq_dn_make_conv(c, 1, k->transposed, x, &k->weights_any, bias, y, &k->w, &k->attr, op);
    }
    return rc;
}

/* Worth Winograd's transformation? Found by timing on an AVX512 machine, one thread and two: with 16 channels on either side
 * it is no faster, nor with fewer than about 12 points in a row (512 channels of 7x7); between these 1.1 to 1.7 times. Its
 * error lies between those of the library's two direct ways. Its weights take 1.8 times the memory. */
static bool suits_winograd(const mq_call *c, const conv_case *k)
{
    const mq_window *w = &k->v.w;
    bool fits = c->in[1]->constant && k->v.group == 1 && w->rank == 2 && k->v.in_ch >= 16 &&
                k->v.out_ch >= 32;

    for (int d = 0; d < w->rank; d++)
        fits = fits && w->kernel[d] == 3 && w->stride[d] == 1 && w->dilation[d] == 1 && w->lo[d] <= 1 && w->hi[d] <= 1 &&
               w->out[d] >= 12;
    return fits;
}

/* Whether the library has it may depend on the threads (with more than one image); what it computes does not. It is taken
 * where it is to be had with one thread. */
static mq_status make_winograd(mq_call *c, const conv_case *k, mq_dn_op **op)
{
    const mq_dn_desc *bias = mq_call_has(c, 2) ? &k->bias : NULL;
    mq_dn_op *one = NULL;
    mq_status rc;

    MQ_TRY(mq_dn_make_winograd(c, 1, &k->x_any, &k->weights_any, bias, &k->y_any, &k->w, &k->attr, &one));
    if (k->threads > 1 && one)
        MQ_TRY(mq_dn_make_winograd(c, k->threads, &k->x_any, &k->weights_any, bias, &k->y_any, &k->w, &k->attr, op));
    if (!*op) {
        *op = one;
        one = NULL;
    }
done:
    mq_dn_free(one);
    return rc;
}

/* A direct implementation: neither plain C++ nor one by matrix products, which takes and makes plain tensors. */
static mq_status make_direct(mq_call *c, const conv_case *k, const mq_dn_desc *x, const mq_dn_desc *y, mq_dn_op **op)
{
    mq_status rc = make(c, k, x, y, op);

    if (rc == MQ_OK && *op && (mq_dn_is_gemm(*op) || mq_dn_is_slow(*op))) {
        mq_dn_free(*op);
        *op = NULL;
    }
    return rc;
}

/* Images of up to four channels are taken as they are by kernels of their own. Else what one kernel has made the next one
 * takes, so that a net stays in one order; but not with channels padded to full blocks, which would be multiplied too. */
static bool follows_input(const mq_call *c, const conv_case *k)
{
    return c->in[0]->layout ? !mq_dn_is_padded(&k->x) : k->v.in_ch <= 4;
}

/* Plain output where it is wanted and a direct implementation has it: those by matrix products would take the input
 * plain too, which costs more than one output to be put in order. */
static mq_status choose(mq_call *c, const conv_case *k, mq_dn_op **op)
{
    mq_dn_desc y;
    mq_status rc = MQ_OK;

    *op = NULL;
    if (k->winograd)
        return make_winograd(c, k, op);
    if (!mq_call_readers_take_layout(c, 0))
        MQ_TRY(make_direct(c, k, &k->x_any, &k->y_plain, op));
    if (!*op && follows_input(c, k))
        MQ_TRY(make_direct(c, k, &k->x, mq_dn_blocked_like(&y, &k->x, MQ_FLOAT, k->rank, k->dims) ? &y : &k->y_any, op));
    if (!*op)
        MQ_TRY(make(c, k, &k->x_any, &k->y_any, op));
    if (*op && mq_dn_is_slow(*op)) {
        mq_dn_free(*op);
        *op = NULL;
    }
done:
    return rc;
}

static mq_status start(mq_call *c, const conv_case *k, mq_dn_task *t)
{
    mq_status rc;

    MQ_TRY(mq_dn_task_feed(c, t, 0, MQ_DN_SRC, &k->x));
    MQ_TRY(mq_dn_task_feed(c, t, 1, MQ_DN_WEIGHTS, &k->weights));
    if (mq_call_has(c, 2))
        MQ_TRY(mq_dn_task_feed(c, t, 2, MQ_DN_BIAS, &k->bias));
    if (!k->transposed && mq_call_has(c, 3))
        MQ_TRY(k->sum ? mq_dn_task_sum(c, t, 3, &k->z) : mq_dn_task_feed(c, t, 3, MQ_DN_POST(0), &k->z));
    MQ_TRY(mq_dn_task_result(c, t, MQ_FLOAT, k->v.out_rank, k->v.out_dims));
done:
    return rc;
}

static mq_status prepare(mq_call *c, conv_case *k, void **state)
{
    const double macs = (double)k->v.batch * (double)k->v.out_ch * (double)(k->v.in_ch / k->v.group) *
                        (double)mq_window_taps(&k->v.w) *
                        (double)mq_window_count(k->v.w.rank, k->transposed ? k->v.w.in : k->v.w.out);
    mq_dn_task *t;
    mq_status rc;

    if (macs == 0 || (k->winograd && !suits_winograd(c, k)) || !describe(c, k))
        return MQ_OK;
    k->threads = mq_dn_threads_macs(c, macs);
    if (!(t = mq_dn_task_create(c, 4)))
        return MQ_ERR_NOMEM;
    rc = choose(c, k, &t->op);
    if (rc == MQ_OK && t->op)
        rc = start(c, k, t);
    return mq_dn_prepared(rc, t->op, t, mq_dn_task_release, state);
}

/* Floats, and a bias that fits. */
static bool inputs_fit(const mq_call *c)
{
    return c->n_in >= 2 && mq_call_has(c, 0) && mq_call_has(c, 1) && mq_dn_all_inputs_are(c, MQ_FLOAT) &&
           c->in[0]->rank >= 3 &&
           c->in[0]->rank <= 5;
}

static bool bias_fits(const mq_call *c, const mq_conv *v)
{
    return !mq_call_has(c, 2) || (c->in[2]->rank == 1 && c->in[2]->dims[0] == v->out_ch);
}

static mq_status plain_case(mq_call *c, bool winograd, void **state)
{
    conv_case k = { .winograd = winograd };

    if (!inputs_fit(c) || mq_conv_shape(c, c->in[0], c->in[1], &k.v) != MQ_OK || !bias_fits(c, &k.v))
        return MQ_OK;
    return prepare(c, &k, state);
}

static mq_status conv_prepare(mq_call *c, void **state)
{
    return plain_case(c, false, state);
}

static mq_status winograd_prepare(mq_call *c, void **state)
{
    return plain_case(c, true, state);
}

/* What is added comes before the activation, in the order of the output. */
static bool add_z(const mq_array *z, conv_case *k)
{
    int64_t dims[MQ_MAX_RANK];
    const int rank = mq_dn_image_dims(k->v.out_rank, k->v.out_dims, dims);
    mq_dn_desc like_y;

    return z->rank == k->v.out_rank && memcmp(z->dims, k->v.out_dims, (size_t)z->rank * sizeof *z->dims) == 0 &&
           (k->sum ? mq_dn_add_sum(&k->attr)
                   : mq_dn_any(&like_y, MQ_FLOAT, rank, dims) && mq_dn_add_binary(&k->attr, dnnl_binary_add, &like_y));
}

static mq_status fused_case(mq_call *c, bool winograd, bool sum, void **state)
{
    conv_case k = { .winograd = winograd, .sum = sum };

    if (!inputs_fit(c) || mq_conv_shape(c, c->in[0], c->in[1], &k.v) != MQ_OK || !bias_fits(c, &k.v))
        return MQ_OK;
    if ((mq_call_has(c, 3) && !add_z(c->in[3], &k)) || !mq_dn_add_activation_attr(c->node, &k.attr))
        return MQ_OK;
    return prepare(c, &k, state);
}

/* More implementations add to the output's memory than take another tensor, and no copy is needed in most cases. */
static mq_status fused_prepare(mq_call *c, void **state)
{
    mq_status rc = fused_case(c, false, true, state);

    return rc == MQ_OK && !*state && mq_call_has(c, 3) ? fused_case(c, false, false, state) : rc;
}

static mq_status fused_winograd(mq_call *c, void **state)
{
    return fused_case(c, true, true, state);
}

/* ---- ConvTranspose ------------------------------------------------------------------------------------------------ */

/* Sizes and paddings as the attributes give them; false: worked out by rules that the reference kernel has. */
static bool transposed_shape(mq_call *c, mq_conv *v)
{
    const mq_array *x = c->in[0], *w = c->in[1];
    const mq_attr *pad = mq_node_attr(c->node, "auto_pad");
    int64_t out_pad[MQ_MAX_WINDOW];

    v->group = mq_node_attr_int(c->node, "group", 1);
    v->batch = x->dims[0];
    v->in_ch = x->dims[1];
    if (w->rank != x->rank || v->group < 1 || v->in_ch % v->group || w->dims[0] != v->in_ch ||
        __builtin_mul_overflow(w->dims[1], v->group, &v->out_ch) || mq_node_attr(c->node, "output_shape") ||
        (pad && !mq_node_attr_is(c->node, "auto_pad", "NOTSET")) ||
        mq_call_window_attrs(c, x->rank - 2, x->dims + 2, w->dims + 2, &v->w) != MQ_OK ||
        mq_call_window_list(c, "output_padding", v->w.rank, 0, 0, out_pad) != MQ_OK)
        return false;
    v->out_rank = x->rank;
    v->out_dims[0] = v->batch;
    v->out_dims[1] = v->out_ch;
    for (int d = 0; d < v->w.rank; d++) {
        const int64_t full = v->w.stride[d] * (v->w.in[d] - 1) + mq_slide_extent(&v->w, d);

        v->w.out[d] = v->out_dims[d + 2] = full + out_pad[d] - v->w.lo[d] - v->w.hi[d];
        if (v->w.out[d] < 1 || v->w.out[d] > INT32_MAX || out_pad[d] >= v->w.stride[d])
            return false;
    }
    return true;
}

static mq_status transpose_prepare(mq_call *c, void **state)
{
    conv_case k = { .transposed = true };

    if (!inputs_fit(c) || !transposed_shape(c, &k.v) || !bias_fits(c, &k.v))
        return MQ_OK;
    return prepare(c, &k, state);
}

const mq_fast mq_dn_conv_rows[] = {
    { "", "Conv", "onednn:winograd", winograd_prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { "com.microsoft", "FusedConv", "onednn:winograd", fused_winograd, mq_dn_task_run, mq_dn_task_release, 1 | 1 << 3 },
    { "", "Conv", "onednn:conv", conv_prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { "", "ConvTranspose", "onednn:deconv", transpose_prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { "com.microsoft", "FusedConv", "onednn:conv", fused_prepare, mq_dn_task_run, mq_dn_task_release, 1 | 1 << 3 },
    { 0 },
};
