/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Random numbers. The generator is splitmix64 read by position: number i of a stream depends on its seed and i alone,
 * so that threads do not matter. The seed is the attribute's, else the executor's. */
#include <math.h>
#include <string.h>

#include "base/random.h"
#include "exec/ref/util.h"

/* In [0, 1): 53 bits. */
static double uniform(uint64_t seed, uint64_t i)
{
    return mq_random_unit(mq_random_at(seed, i));
}

/* Mean 0, variance 1 (Box and Muller). */
static double normal(uint64_t seed, uint64_t i)
{
    const double u = 1 - uniform(seed, 2 * i), v = uniform(seed, 2 * i + 1);

    return sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

static uint64_t stream_of(const mq_call *c)
{
    const float seed = mq_node_attr_float(c->node, "seed", 0);
    uint32_t bits;

    if (!mq_node_attr(c->node, "seed"))
        return mq_random_at(c->seed, 0);
    memcpy(&bits, &seed, sizeof bits);
    return mq_random_at(bits, 1);
}

/* ---- RandomNormal, RandomUniform ---------------------------------------------------------------------------------- */

typedef double (*draw_fn)(uint64_t seed, uint64_t i);

static void store(mq_dtype dtype, void *out, int64_t i, double v)
{
    switch (dtype) {
    case MQ_FLOAT: ((float *)out)[i] = (float)v; break;
    case MQ_DOUBLE: ((double *)out)[i] = v; break;
    case MQ_FLOAT16: ((uint16_t *)out)[i] = mq_f16_from_f32((float)v); break;
    default: ((uint16_t *)out)[i] = mq_bf16_from_f32((float)v); break;
    }
}

/* Output 0: offset + scale * draw. */
static mq_status fill(mq_call *c, int64_t dtype, int rank, const int64_t *dims, draw_fn draw, double offset, double scale)
{
    const uint64_t seed = stream_of(c);
    int64_t n;
    void *out;
    mq_status rc;

    if (dtype != MQ_FLOAT && dtype != MQ_DOUBLE && dtype != MQ_FLOAT16 && dtype != MQ_BFLOAT16)
        return mq_call_fail(c, "dtype is %lld; floats are wanted", (long long)dtype);
    if ((rc = mq_call_out(c, 0, (mq_dtype)dtype, rank, dims, &out)) != MQ_OK || !out)
        return rc;
    n = (int64_t)c->out[0]->count;
    #pragma omp parallel for num_threads(mq_call_threads(c, n))
    for (int64_t i = 0; i < n; i++)
        store((mq_dtype)dtype, out, i, offset + scale * draw(seed, (uint64_t)i));
    return MQ_OK;
}

static mq_status fill_shape(mq_call *c, draw_fn draw, double offset, double scale)
{
    size_t rank;
    const int64_t *dims = mq_node_attr_ints(c->node, "shape", &rank);

    if (rank > MQ_MAX_RANK)
        return mq_call_fail(c, "the shape has rank %zu; at most %d is allowed", rank, MQ_MAX_RANK);
    return fill(c, mq_node_attr_int(c->node, "dtype", MQ_FLOAT), (int)rank, dims, draw, offset, scale);
}

static mq_status fill_like(mq_call *c, draw_fn draw, double offset, double scale)
{
    const mq_status rc = mq_call_need(c, 1);

    if (rc != MQ_OK)
        return rc;
    return fill(c, mq_node_attr_int(c->node, "dtype", c->in[0]->dtype), c->in[0]->rank, c->in[0]->dims, draw, offset,
                scale);
}

static double attr(const mq_call *c, const char *name, float absent)
{
    return mq_node_attr_float(c->node, name, absent);
}

static mq_status op_random_normal(mq_call *c)
{
    return fill_shape(c, normal, attr(c, "mean", 0), attr(c, "scale", 1));
}

static mq_status op_random_normal_like(mq_call *c)
{
    return fill_like(c, normal, attr(c, "mean", 0), attr(c, "scale", 1));
}

static mq_status op_random_uniform(mq_call *c)
{
    return fill_shape(c, uniform, attr(c, "low", 0), attr(c, "high", 1) - attr(c, "low", 0));
}

static mq_status op_random_uniform_like(mq_call *c)
{
    return fill_like(c, uniform, attr(c, "low", 0), attr(c, "high", 1) - attr(c, "low", 0));
}

/* ---- choices ------------------------------------------------------------------------------------------------------ */

static mq_status op_bernoulli(mq_call *c)
{
    const uint64_t seed = stream_of(c);
    const mq_array *a;
    mq_dtype dtype;
    uint64_t one;
    size_t elem;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    a = c->in[0];
    if (!mq_dtype_is_float(a->dtype) || mq_dtype_bits(a->dtype) < 16)
        return mq_call_bad_type(c, a->dtype);
    dtype = (mq_dtype)mq_node_attr_int(c->node, "dtype", a->dtype);
    if (!mq_one_bytes(dtype, &one))
        return mq_call_bad_type(c, dtype);
    MQ_TRY(mq_call_out(c, 0, dtype, a->rank, a->dims, &out));
    if (!out)
        return MQ_OK;
    elem = (size_t)mq_dtype_bits(dtype) / 8;
    memset(out, 0, a->count * elem);
    #pragma omp parallel for num_threads(mq_call_threads(c, (int64_t)a->count))
    for (size_t i = 0; i < a->count; i++)
        if (uniform(seed, i) < mq_array_f64(a, i))
            memcpy((char *)out + i * elem, &one, elem);
done:
    return rc;
}

/* Running sums of exp(x - max) of one row. */
static void make_sums(const mq_array *a, size_t row, size_t n, double *sums)
{
    double max = -(double)INFINITY, sum = 0;

    for (size_t i = 0; i < n; i++)
        max = fmax(max, mq_array_f64(a, row * n + i));
    for (size_t i = 0; i < n; i++) {
        const double v = exp(mq_array_f64(a, row * n + i) - max);

        sum += v > 0 ? v : 0; /* not for NaN */
        sums[i] = sum;
    }
}

/* The first place whose running sum is above `at`. */
static int64_t find_place(const double *sums, int64_t n, double at)
{
    int64_t low = 0, high = n - 1;

    while (low < high) {
        const int64_t middle = low + (high - low) / 2;

        if (sums[middle] > at)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static mq_status op_multinomial(mq_call *c)
{
    const uint64_t seed = stream_of(c);
    const int64_t dtype = mq_node_attr_int(c->node, "dtype", MQ_INT32), size = mq_node_attr_int(c->node, "sample_size", 1);
    int64_t dims[2], classes;
    double *sums;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    if (c->in[0]->rank != 2 || size < 1 || (dtype != MQ_INT32 && dtype != MQ_INT64))
        return mq_call_fail(c, "rank %d, sample_size %lld, dtype %lld; rank 2, at least 1, and int32 or int64 are wanted",
                            c->in[0]->rank, (long long)size, (long long)dtype);
    if (!mq_dtype_is_float(c->in[0]->dtype) || mq_dtype_bits(c->in[0]->dtype) < 16)
        return mq_call_bad_type(c, c->in[0]->dtype);
    dims[0] = c->in[0]->dims[0];
    dims[1] = size;
    classes = c->in[0]->dims[1];
    MQ_TRY(mq_call_out(c, 0, (mq_dtype)dtype, 2, dims, &out));
    if (!out || c->out[0]->count == 0)
        return MQ_OK;
    if (classes == 0)
        return mq_call_fail(c, "there are no classes to choose from");
    if (!(sums = mq_call_scratch(c, (size_t)classes * sizeof(*sums))))
        return MQ_ERR_NOMEM;
    for (int64_t row = 0; row < dims[0]; row++) {
        make_sums(c->in[0], (size_t)row, (size_t)classes, sums);
        for (int64_t i = row * size; i < (row + 1) * size; i++) {
            const int64_t place = find_place(sums, classes, uniform(seed, (uint64_t)i) * sums[classes - 1]);

            if (dtype == MQ_INT32)
                ((int32_t *)out)[i] = (int32_t)place;
            else
                ((int64_t *)out)[i] = place;
        }
    }
done:
    return rc;
}

const mq_kernel mq_kernels_random[] = {
    { "", "Bernoulli", op_bernoulli, MQ_KERNEL_RANDOM },
    { "", "Multinomial", op_multinomial, MQ_KERNEL_RANDOM },
    { "", "RandomNormal", op_random_normal, MQ_KERNEL_RANDOM },
    { "", "RandomNormalLike", op_random_normal_like, MQ_KERNEL_RANDOM },
    { "", "RandomUniform", op_random_uniform, MQ_KERNEL_RANDOM },
    { "", "RandomUniformLike", op_random_uniform_like, MQ_KERNEL_RANDOM },
    { 0 },
};
