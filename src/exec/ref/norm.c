/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Normalization by statistics per channel, group or set of axes. Statistics are computed in double, in two passes. */
#ifdef _OPENMP
#include <omp.h>
#endif
#include <math.h>
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/slide.h"
#include "exec/ref/sums.h"
#include "exec/ref/util.h"

/* y = (x - mean) * factor + shift. */
#define AFFINE(T)                                                                                              \
    MQ_CLONES(void, affine_##T, (const T *restrict x, int64_t n, T mean, T factor, T shift, T *restrict y),    \
              (x, n, mean, factor, shift, y))                                                                  \
    {                                                                                                          \
        for (int64_t i = 0; i < n; i++)                                                                        \
            y[i] = (x[i] - mean) * factor + shift;                                                             \
    }
AFFINE(float)
AFFINE(double)

static void affine(mq_dtype dtype, const void *x, int64_t at, int64_t n, double mean, double factor, double shift, void *y)
{
    if (dtype == MQ_FLOAT)
        affine_float((const float *)x + at, n, (float)mean, (float)factor, (float)shift, (float *)y + at);
    else
        affine_double((const double *)x + at, n, mean, factor, shift, (double *)y + at);
}

static const void *at(const mq_array *a, int64_t i)
{
    return (const char *)a->data + (size_t)i * mq_array_elem_size(a);
}

/* x must be float or double. */
static mq_status check_type(mq_call *c)
{
    const mq_dtype t = c->in[0]->dtype;

    return t == MQ_FLOAT || t == MQ_DOUBLE ? MQ_OK : mq_call_bad_type(c, t);
}

/* Input i must be a list of n floats. */
static mq_status check_list(mq_call *c, size_t i, int64_t n)
{
    const mq_array *a = c->in[i];

    if (a->rank != 1 || a->dims[0] != n || (a->dtype != MQ_FLOAT && a->dtype != MQ_DOUBLE))
        return mq_call_fail(c, "input %zu has rank %d and %zu elements of type %s; a list of %lld floats is wanted", i,
                            a->rank, a->count, mq_dtype_name(a->dtype), (long long)n);
    return MQ_OK;
}

/* ---- BatchNormalization ------------------------------------------------------------------------------------------- */

enum { BN_SCALE = 1, BN_BIAS, BN_MEAN, BN_VAR };

/* Mean and variance of channel ch over all images. */
static void channel_stats(const mq_array *x, int64_t batch, int64_t channels, int64_t plane, int64_t ch, double *mean,
                          double *var)
{
    const double n = (double)batch * (double)plane;

    *mean = *var = 0;
    for (int64_t i = 0; i < batch; i++)
        *mean += mq_sum(x->dtype, at(x, (i * channels + ch) * plane), plane);
    *mean /= n;
    for (int64_t i = 0; i < batch; i++)
        *var += mq_sum_squares(x->dtype, at(x, (i * channels + ch) * plane), plane, *mean);
    *var /= n;
}

static void put(mq_array *a, int64_t i, double v)
{
    if (a->dtype == MQ_FLOAT)
        ((float *)a->data)[i] = (float)v;
    else
        ((double *)a->data)[i] = v;
}

/* Channel ch in training: statistics of its own, and the running ones. */
static void train_channel(mq_call *c, int64_t batch, int64_t channels, int64_t plane, int64_t ch, double *mean, double *var)
{
    const double old = (double)mq_node_attr_float(c->node, "momentum", 0.9f);

    channel_stats(c->in[0], batch, channels, plane, ch, mean, var);
    if (mq_call_wants(c, 1))
        put(c->out[1], ch, mq_array_f64(c->in[BN_MEAN], (size_t)ch) * old + *mean * (1 - old));
    if (mq_call_wants(c, 2))
        put(c->out[2], ch, mq_array_f64(c->in[BN_VAR], (size_t)ch) * old + *var * (1 - old));
}

static mq_status op_batch_normalization(mq_call *c)
{
    const double eps = (double)mq_node_attr_float(c->node, "epsilon", 1e-5f);
    const bool training = mq_node_attr_int(c->node, "training_mode", 0) != 0;
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 5));
    MQ_TRY(check_type(c));
    const mq_array *x = c->in[0];
    if (!mq_call_wants(c, 0))
        return mq_call_fail(c, "the first output has no name");
    if (x->rank < 1)
        return mq_call_fail(c, "input is a scalar");
    const int64_t channels = x->rank > 1 ? x->dims[1] : 1, batch = x->dims[0];
    for (size_t i = 1; i < 5; i++)
        MQ_TRY(check_list(c, i, channels));
    if (!training && (mq_call_wants(c, 1) || mq_call_wants(c, 2)))
        return mq_call_fail(c, "running statistics are asked for without 'training_mode'");
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, x->dims, &y));
    MQ_TRY(mq_call_out(c, 1, c->in[BN_MEAN]->dtype, 1, &channels, NULL));
    MQ_TRY(mq_call_out(c, 2, c->in[BN_VAR]->dtype, 1, &channels, NULL));
    const int64_t plane = x->rank > 2 ? mq_window_count(x->rank - 2, x->dims + 2) : 1;
    const int threads = mq_call_threads(c, (int64_t)x->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t ch = 0; ch < channels; ch++) {
        double mean = mq_array_f64(c->in[BN_MEAN], (size_t)ch), var = mq_array_f64(c->in[BN_VAR], (size_t)ch);
        if (training)
            train_channel(c, batch, channels, plane, ch, &mean, &var);
        const double factor = mq_array_f64(c->in[BN_SCALE], (size_t)ch) / sqrt(var + eps);
        for (int64_t i = 0; x->count > 0 && i < batch; i++)
            affine(x->dtype, x->data, (i * channels + ch) * plane, plane, mean, factor,
                   mq_array_f64(c->in[BN_BIAS], (size_t)ch), y);
    }
done:
    return rc;
}

/* ---- InstanceNormalization, GroupNormalization -------------------------------------------------------------------- */

/* Statistics over `per` channels at a time; scale and bias per channel. */
static mq_status normalize_groups(mq_call *c, int64_t groups)
{
    const double eps = (double)mq_node_attr_float(c->node, "epsilon", 1e-5f);
    const mq_array *x = c->in[0];
    const int64_t channels = x->dims[1];
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(check_list(c, 1, channels));
    MQ_TRY(check_list(c, 2, channels));
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, x->dims, &y));
    if (x->count == 0)
        return MQ_OK;
    const int64_t per = channels / groups, plane = mq_span(x->dims, 2, x->rank), n = x->dims[0] * groups;
    const int threads = mq_call_threads(c, (int64_t)x->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t g = 0; g < n; g++) {
        const int64_t count = per * plane;
        const double mean = mq_sum(x->dtype, at(x, g * count), count) / (double)count;
        const double var = mq_sum_squares(x->dtype, at(x, g * count), count, mean) / (double)count;
        for (int64_t k = 0; k < per; k++) {
            const size_t ch = (size_t)(g % groups * per + k);
            affine(x->dtype, x->data, g * count + k * plane, plane, mean, mq_array_f64(c->in[1], ch) / sqrt(var + eps),
                   mq_array_f64(c->in[2], ch), y);
        }
    }
done:
    return rc;
}

static mq_status op_instance_normalization(mq_call *c)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 3));
    MQ_TRY(check_type(c));
    if (c->in[0]->rank < 2)
        return mq_call_fail(c, "input has rank %d; at least 2 is wanted", c->in[0]->rank);
    MQ_TRY(normalize_groups(c, c->in[0]->dims[1] ? c->in[0]->dims[1] : 1));
done:
    return rc;
}

static mq_status op_group_normalization(mq_call *c)
{
    const int64_t groups = mq_node_attr_int(c->node, "num_groups", 0);
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 3));
    MQ_TRY(check_type(c));
    if (c->in[0]->rank < 2)
        return mq_call_fail(c, "input has rank %d; at least 2 is wanted", c->in[0]->rank);
    if (groups < 1 || c->in[0]->dims[1] % groups)
        return mq_call_fail(c, "attribute 'num_groups' is %lld for %lld channels", (long long)groups,
                            (long long)c->in[0]->dims[1]);
    MQ_TRY(normalize_groups(c, groups));
done:
    return rc;
}

/* ---- MeanVarianceNormalization ------------------------------------------------------------------------------------ */

/* The axes split in two: those that are kept and those that a set runs over. */
typedef struct split {
    int n_kept, n_set;
    int64_t kept[MQ_MAX_RANK], kept_strides[MQ_MAX_RANK], set[MQ_MAX_RANK], set_strides[MQ_MAX_RANK];
} split;

/* Element j of a set that starts at `base`, for all j, into or out of plain memory. */
static void copy_set(const mq_array *x, const split *s, int64_t base, int64_t n, char *plain, bool out)
{
    const size_t elem = mq_array_elem_size(x);
    int64_t p[MQ_MAX_RANK] = { 0 };

    for (int64_t j = 0; j < n; j++, mq_window_next(s->n_set, s->set, p)) {
        int64_t from = base;
        for (int d = 0; d < s->n_set; d++)
            from += p[d] * s->set_strides[d];
        char *place = (char *)x->data + (size_t)from * elem;
        memcpy(out ? place : plain + (size_t)j * elem, out ? plain + (size_t)j * elem : place, elem);
    }
}

static mq_status read_split(mq_call *c, split *s)
{
    static const int64_t usual[] = { 0, 2, 3 };
    const mq_array *x = c->in[0];
    size_t n = 0;
    const int64_t *axes = mq_node_attr_ints(c->node, "axes", &n);
    bool flag[MQ_MAX_RANK] = { false };
    int64_t strides[MQ_MAX_RANK];
    mq_status rc = MQ_OK;

    if (!axes) {
        axes = usual;
        n = 3;
    }
    for (size_t i = 0; i < n; i++) {
        int axis = 0;
        MQ_TRY(mq_call_axis(c, axes[i], x->rank, &axis));
        flag[axis] = true;
    }
    mq_strides(x->rank, x->dims, strides);
    for (int d = 0; d < x->rank; d++) {
        int64_t *dims = flag[d] ? s->set : s->kept, *to = flag[d] ? s->set_strides : s->kept_strides;
        int *count = flag[d] ? &s->n_set : &s->n_kept;
        dims[*count] = x->dims[d];
        to[(*count)++] = strides[d];
    }
done:
    return rc;
}

static mq_status op_mean_variance_normalization(mq_call *c)
{
    split s = { 0 };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(check_type(c));
    const mq_array *x = c->in[0];
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, x->dims, NULL));
    if (x->count == 0)
        return MQ_OK;
    MQ_TRY(read_split(c, &s));
    const int64_t sets = mq_span(s.kept, 0, s.n_kept), n = mq_span(s.set, 0, s.n_set);
    const size_t size = ((size_t)n * mq_array_elem_size(x) + 63) / 64 * 64;
    int threads = mq_call_threads(c, (int64_t)x->count);
    threads = threads > sets ? (int)sets : threads;
    char *memory = mq_call_scratch(c, size * (size_t)threads);
    if (!memory)
        return MQ_ERR_NOMEM;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < sets; i++) {
        char *plain = memory;
#ifdef _OPENMP
        plain += size * (size_t)omp_get_thread_num();
#endif
        const int64_t base = mq_offset_at(s.n_kept, s.kept, s.kept_strides, i);
        copy_set(x, &s, base, n, plain, false);
        const double mean = mq_sum(x->dtype, plain, n) / (double)n;
        const double deviation = sqrt(mq_sum_squares(x->dtype, plain, n, mean) / (double)n);
        for (int64_t j = 0; j < n; j++) {
            if (x->dtype == MQ_FLOAT)
                ((float *)plain)[j] = (float)(((double)((float *)plain)[j] - mean) / (deviation + 1e-9));
            else
                ((double *)plain)[j] = (((double *)plain)[j] - mean) / (deviation + 1e-9);
        }
        copy_set(c->out[0], &s, base, n, plain, true);
    }
done:
    return rc;
}

/* ---- LRN, LpNormalization ----------------------------------------------------------------------------------------- */

#define LRN_ROW(T)                                                                                                   \
    /* One image: x[channel][n]; the window over channels slides. */                                                 \
    static void lrn_##T(const T *x, T *y, int64_t channels, int64_t n, int64_t size, double alpha, double beta,      \
                        double bias)                                                                                 \
    {                                                                                                                \
        const int64_t before = (size - 1) / 2, after = size - 1 - before;                                            \
        for (int64_t ch = 0; ch < channels; ch++) {                                                                  \
            const int64_t from = ch > before ? ch - before : 0;                                                      \
            const int64_t to = channels - 1 - ch > after ? ch + after : channels - 1;                                \
            for (int64_t i = 0; i < n; i++) {                                                                        \
                double sum = 0;                                                                                      \
                for (int64_t k = from; k <= to; k++)                                                                 \
                    sum += (double)x[k * n + i] * (double)x[k * n + i];                                              \
                y[ch * n + i] = (T)((double)x[ch * n + i] / pow(bias + alpha / (double)size * sum, beta));           \
            }                                                                                                        \
        }                                                                                                            \
    }
LRN_ROW(float)
LRN_ROW(double)

static mq_status op_lrn(mq_call *c)
{
    const int64_t size = mq_node_attr_int(c->node, "size", 0);
    const double alpha = (double)mq_node_attr_float(c->node, "alpha", 1e-4f);
    const double beta = (double)mq_node_attr_float(c->node, "beta", 0.75f);
    const double bias = (double)mq_node_attr_float(c->node, "bias", 1.0f);
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(check_type(c));
    const mq_array *x = c->in[0];
    if (x->rank < 2 || size < 1)
        return mq_call_fail(c, "input has rank %d and attribute 'size' is %lld; at least 2 and 1 are wanted", x->rank,
                            (long long)size);
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, x->dims, &y));
    if (x->count == 0)
        return MQ_OK;
    const int64_t image = mq_span(x->dims, 1, x->rank), channels = x->dims[1];
    const int threads = mq_call_threads(c, (int64_t)x->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < x->dims[0]; i++) {
        if (x->dtype == MQ_FLOAT)
            lrn_float((const float *)x->data + i * image, (float *)y + i * image, channels, image / channels, size, alpha,
                      beta, bias);
        else
            lrn_double((const double *)x->data + i * image, (double *)y + i * image, channels, image / channels, size, alpha,
                       beta, bias);
    }
done:
    return rc;
}

#define LP_SET(T)                                                                                    \
    /* One set of n elements, `step` apart. */                                                       \
    static void lp_##T(const T *x, T *y, int64_t n, int64_t step, int64_t p)                         \
    {                                                                                                \
        double sum = 0;                                                                              \
        for (int64_t i = 0; i < n; i++)                                                              \
            sum += p == 1 ? fabs((double)x[i * step]) : (double)x[i * step] * (double)x[i * step];   \
        const double norm = p == 1 ? sum : sqrt(sum);                                                \
        for (int64_t i = 0; i < n; i++)                                                              \
            y[i * step] = norm == 0 ? 0 : (T)((double)x[i * step] / norm);                           \
    }
LP_SET(float)
LP_SET(double)

static mq_status op_lp_normalization(mq_call *c)
{
    const int64_t p = mq_node_attr_int(c->node, "p", 2);
    int axis = 0;
    void *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(check_type(c));
    const mq_array *x = c->in[0];
    if (p != 1 && p != 2)
        return mq_call_fail(c, "attribute 'p' is %lld; 1 or 2 is wanted", (long long)p);
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", -1), x->rank, &axis));
    MQ_TRY(mq_call_out(c, 0, x->dtype, x->rank, x->dims, &y));
    if (x->count == 0)
        return MQ_OK;
    const int64_t n = x->dims[axis], step = mq_span(x->dims, axis + 1, x->rank), sets = (int64_t)x->count / n;
    const int threads = mq_call_threads(c, (int64_t)x->count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t i = 0; i < sets; i++) {
        const int64_t base = i / step * n * step + i % step;
        if (x->dtype == MQ_FLOAT)
            lp_float((const float *)x->data + base, (float *)y + base, n, step, p);
        else
            lp_double((const double *)x->data + base, (double *)y + base, n, step, p);
    }
done:
    return rc;
}

const mq_kernel mq_kernels_norm[] = {
    { "", "BatchNormalization", op_batch_normalization, MQ_KERNEL_WIDEN },
    { "", "GroupNormalization", op_group_normalization, MQ_KERNEL_WIDEN },
    { "", "InstanceNormalization", op_instance_normalization, MQ_KERNEL_WIDEN },
    { "", "LRN", op_lrn, MQ_KERNEL_WIDEN },
    { "", "LpNormalization", op_lp_normalization, MQ_KERNEL_WIDEN },
    { "", "MeanVarianceNormalization", op_mean_variance_normalization, MQ_KERNEL_WIDEN },
    { 0 },
};
