/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* BatchNormTrain, BatchNormGrad and LayerNormGrad (ops/grad_ops.h) in double. With xhat = (x - mean) / deviation over n
 * elements and g = dy * scale:  dx = (g - mean(g) - xhat * mean(g * xhat)) / deviation (Ioffe and Szegedy, 2015). */
#include <math.h>

#include "exec/ref/families.h"
#include "exec/ref/grad_core.h"
#include "exec/ref/slide.h"
#include "exec/ref/util.h"
#include "ops/grad_ops.h"

/* [images, channels, plane] of input 0, and inputs first..last as long as there are channels. */
typedef struct images {
    int64_t n, channels, plane;
} images;

static mq_status read_images(mq_call *c, size_t first, size_t last, images *m)
{
    const mq_array *x = c->in[0];
    mq_status rc = MQ_OK;

    if (x->rank < 2)
        return mq_call_fail(c, "input has rank %d; at least 2 is wanted", x->rank);
    *m = (images){ x->dims[0], x->dims[1], mq_window_count(x->rank - 2, x->dims + 2) };
    for (size_t i = first; i <= last; i++)
        MQ_TRY(mq_grad_want_shape(c, i, 1, &m->channels, "a list of one number for each channel"));
done:
    return rc;
}

static void channel_stats(const images *m, const double *x, int64_t ch, double *mean, double *var)
{
    const double count = (double)m->n * (double)m->plane;

    *mean = *var = 0;
    for (int64_t i = 0; i < m->n; i++)
        for (int64_t p = 0; p < m->plane; p++)
            *mean += x[(i * m->channels + ch) * m->plane + p];
    *mean /= count;
    for (int64_t i = 0; i < m->n; i++)
        for (int64_t p = 0; p < m->plane; p++) {
            const double d = x[(i * m->channels + ch) * m->plane + p] - *mean;

            *var += d * d;
        }
    *var /= count;
}

/* y = (x - mean) * factor + shift over a channel. */
static void affine_channel(const images *m, const double *x, int64_t ch, double mean, double factor, double shift, double *y)
{
    for (int64_t i = 0; i < m->n; i++)
        for (int64_t p = 0; p < m->plane; p++) {
            const int64_t at = (i * m->channels + ch) * m->plane + p;

            y[at] = (x[at] - mean) * factor + shift;
        }
}

static mq_status op_batch_norm_train(mq_call *c)
{
    const double eps = (double)mq_node_attr_float(c->node, "epsilon", 1e-5f);
    const double keep = (double)mq_node_attr_float(c->node, "momentum", 0.9f);
    const double *in[5];
    mq_grad_out y, per[4]; /* running mean and variance, the batch's mean and 1 / deviation */
    images m;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_grad_need(c, 5));
    MQ_TRY(read_images(c, 1, 4, &m));
    if (m.n == 0 || m.plane == 0)
        return mq_call_fail(c, "there is nothing to normalize by");
    MQ_TRY(mq_grad_open(c, &y, 0, c->in[0]->dtype, c->in[0]->rank, c->in[0]->dims));
    for (size_t i = 0; i < 4; i++)
        MQ_TRY(mq_grad_open(c, &per[i], i + 1, c->in[0]->dtype, 1, &m.channels));
    for (size_t i = 0; i < 5; i++)
        MQ_TRY(mq_grad_read(c, i, &in[i]));
    const int threads = mq_call_threads(c, y.count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t ch = 0; ch < m.channels; ch++) {
        double mean, var;

        channel_stats(&m, in[0], ch, &mean, &var);
        per[0].data[ch] = in[3][ch] * keep + mean * (1 - keep);
        per[1].data[ch] = in[4][ch] * keep + var * (1 - keep);
        per[2].data[ch] = mean;
        per[3].data[ch] = 1 / sqrt(var + eps);
        affine_channel(&m, in[0], ch, mean, in[1][ch] * per[3].data[ch], in[2][ch], y.data);
    }
    mq_grad_close(c, &y);
    for (size_t i = 0; i < 4; i++)
        mq_grad_close(c, &per[i]);
done:
    return rc;
}

/* x, dy, scale, mean and 1 / deviation; one channel. */
static void grad_channel(const images *m, const double *const *in, int64_t ch, double *dx, double *dscale, double *db)
{
    const double mean = in[3][ch], inv = in[4][ch], count = (double)m->n * (double)m->plane;

    *dscale = *db = 0;
    for (int64_t i = 0; i < m->n; i++)
        for (int64_t p = 0; p < m->plane; p++) {
            const int64_t at = (i * m->channels + ch) * m->plane + p;

            *db += in[1][at];
            *dscale += in[1][at] * (in[0][at] - mean) * inv;
        }
    for (int64_t i = 0; i < m->n; i++)
        for (int64_t p = 0; p < m->plane; p++) {
            const int64_t at = (i * m->channels + ch) * m->plane + p;
            const double xhat = (in[0][at] - mean) * inv;

            dx[at] = in[2][ch] * inv * (in[1][at] - *db / count - xhat * *dscale / count);
        }
}

static mq_status op_batch_norm_grad(mq_call *c)
{
    const double *in[5];
    mq_grad_out dx, dscale, db;
    images m;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_grad_need(c, 5));
    MQ_TRY(read_images(c, 2, 4, &m));
    MQ_TRY(mq_grad_want_shape(c, 1, c->in[0]->rank, c->in[0]->dims, "input 0"));
    MQ_TRY(mq_grad_open(c, &dx, 0, c->in[0]->dtype, c->in[0]->rank, c->in[0]->dims));
    MQ_TRY(mq_grad_open(c, &dscale, 1, c->in[0]->dtype, 1, &m.channels));
    MQ_TRY(mq_grad_open(c, &db, 2, c->in[0]->dtype, 1, &m.channels));
    for (size_t i = 0; i < 5; i++)
        MQ_TRY(mq_grad_read(c, i, &in[i]));
    const int threads = mq_call_threads(c, dx.count);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t ch = 0; ch < m.channels; ch++)
        grad_channel(&m, in, ch, dx.data, &dscale.data[ch], &db.data[ch]);
    mq_grad_close(c, &dx);
    mq_grad_close(c, &dscale);
    mq_grad_close(c, &db);
done:
    return rc;
}

/* ---- LayerNormalization ------------------------------------------------------------------------------------------- */

/* One row of n elements; its mean and 1 / deviation are kept. */
static void grad_row(const double *x, const double *dy, const double *scale, int64_t n, double eps, double *dx, double *mean,
                     double *inv)
{
    double sum = 0, squares = 0, g = 0, gx = 0;

    for (int64_t j = 0; j < n; j++)
        sum += x[j];
    *mean = sum / (double)n;
    for (int64_t j = 0; j < n; j++)
        squares += (x[j] - *mean) * (x[j] - *mean);
    *inv = 1 / sqrt(squares / (double)n + eps);
    for (int64_t j = 0; j < n; j++) {
        g += dy[j] * scale[j];
        gx += dy[j] * scale[j] * (x[j] - *mean) * *inv;
    }
    for (int64_t j = 0; j < n; j++)
        dx[j] = *inv * (dy[j] * scale[j] - g / (double)n - (x[j] - *mean) * *inv * gx / (double)n);
}

/* Columns [from, to) of all rows, summed from the first row to the last. */
static void sum_columns(const double *x, const double *dy, const double *stats, int64_t rows, int64_t n, int64_t from,
                        int64_t to, double *dscale, double *db)
{
    for (int64_t j = from; j < to; j++)
        dscale[j] = db[j] = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t j = from; j < to; j++) {
            db[j] += dy[r * n + j];
            dscale[j] += dy[r * n + j] * (x[r * n + j] - stats[2 * r]) * stats[2 * r + 1];
        }
}

static void layer_norm(mq_call *c, const double *const *in, int64_t rows, int64_t n, double *stats, double *dx,
                       double *dscale, double *db)
{
    const double eps = (double)mq_node_attr_float(c->node, "epsilon", 1e-5f);
    const int64_t piece = 64;
    const int threads = mq_call_threads(c, rows * n);

#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < rows; r++)
        grad_row(in[0] + r * n, in[1] + r * n, in[2], n, eps, dx + r * n, &stats[2 * r], &stats[2 * r + 1]);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t j = 0; j < n; j += piece)
        sum_columns(in[0], in[1], stats, rows, n, j, j + piece < n ? j + piece : n, dscale, db);
}

static mq_status op_layer_norm_grad(mq_call *c)
{
    const double *in[3];
    mq_grad_out dx, dscale, db;
    int axis = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_grad_need(c, 3));
    const mq_array *x = c->in[0], *s = c->in[2];
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", -1), x->rank, &axis));
    MQ_TRY(mq_grad_want_shape(c, 1, x->rank, x->dims, "input 0"));
    const int own = x->rank - axis, ones = s->rank - own;
    if (ones < 0 || mq_span(s->dims, 0, ones) != 1)
        return mq_call_unsupported(c, "the scale does not have the shape of the normalized axes");
    for (int d = 0; d < own; d++)
        if (s->dims[ones + d] != x->dims[axis + d])
            return mq_call_unsupported(c, "the scale does not have the shape of the normalized axes");
    const int64_t rows = mq_window_count(axis, x->dims), n = mq_window_count(own, x->dims + axis);
    MQ_TRY(mq_grad_open(c, &dx, 0, x->dtype, x->rank, x->dims));
    MQ_TRY(mq_grad_open(c, &dscale, 1, x->dtype, s->rank, s->dims));
    MQ_TRY(mq_grad_open(c, &db, 2, x->dtype, s->rank, s->dims));
    for (size_t i = 0; i < 3; i++)
        MQ_TRY(mq_grad_read(c, i, &in[i]));
    double *stats = mq_call_scratch(c, ((size_t)rows + 1) * 2 * sizeof *stats);
    if (!stats)
        return MQ_ERR_NOMEM;
    layer_norm(c, in, n > 0 ? rows : 0, n, stats, dx.data, dscale.data, db.data);
    mq_grad_close(c, &dx);
    mq_grad_close(c, &dscale);
    mq_grad_close(c, &db);
done:
    return rc;
}

const mq_kernel mq_kernels_grad_norm[] = {
    { MQ_GRAD_DOMAIN, "BatchNormGrad", op_batch_norm_grad, 0 },
    { MQ_GRAD_DOMAIN, "BatchNormTrain", op_batch_norm_train, 0 },
    { MQ_GRAD_DOMAIN, "LayerNormGrad", op_layer_norm_grad, 0 },
    { 0 },
};
