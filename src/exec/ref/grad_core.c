/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Between arrays of float or double and kernels that compute in double. */
#include "exec/ref/grad_core.h"

#include <string.h>

#include "exec/ref/slide.h"
#include "exec/ref/util.h"

mq_status mq_grad_need(mq_call *c, size_t n)
{
    mq_status rc = mq_call_need(c, n);

    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        if (c->in[i]->dtype != MQ_FLOAT && c->in[i]->dtype != MQ_DOUBLE)
            rc = mq_call_bad_type(c, c->in[i]->dtype);
        else if (c->in[i]->dtype != c->in[0]->dtype)
            rc = mq_call_fail(c, "inputs have different element types");
    }
    return rc;
}

mq_status mq_grad_want_shape(mq_call *c, size_t i, int rank, const int64_t *dims, const char *what)
{
    const mq_array *a = c->in[i];

    if (a->rank == rank && memcmp(a->dims, dims, (size_t)rank * sizeof *dims) == 0)
        return MQ_OK;
    return mq_call_fail(c, "input %zu has not the shape of %s", i, what);
}

mq_status mq_grad_read(mq_call *c, size_t i, const double **out)
{
    const mq_array *a = c->in[i];
    const int64_t n = (int64_t)a->count;
    const int threads = mq_call_threads(c, n);
    const float *from = a->data;
    double *to;

    *out = a->data;
    if (a->dtype == MQ_DOUBLE && n > 0)
        return MQ_OK;
    if (!(to = mq_call_scratch(c, ((size_t)n + 1) * sizeof *to)))
        return MQ_ERR_NOMEM;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t k = 0; k < n; k++)
        to[k] = (double)from[k];
    *out = to;
    return MQ_OK;
}

mq_status mq_grad_open(mq_call *c, mq_grad_out *o, size_t i, mq_dtype dtype, int rank, const int64_t *dims)
{
    void *data = NULL;
    const mq_status rc = mq_call_out(c, i, dtype, rank, dims, &data);

    *o = (mq_grad_out){ .output = i, .count = mq_window_count(rank, dims) };
    if (rc != MQ_OK)
        return rc;
    o->data = data;
    if (!data || dtype != MQ_DOUBLE)
        o->data = mq_call_scratch(c, ((size_t)o->count + 1) * sizeof *o->data);
    return o->data ? MQ_OK : MQ_ERR_NOMEM;
}

void mq_grad_close(mq_call *c, const mq_grad_out *o)
{
    const int threads = mq_call_threads(c, o->count);
    float *to;

    if (!mq_call_wants(c, o->output) || c->out[o->output]->dtype == MQ_DOUBLE)
        return;
    to = c->out[o->output]->data;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t k = 0; k < o->count; k++)
        to[k] = (float)o->data[k];
}
