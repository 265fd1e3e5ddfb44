/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reading QuantizeLinear and DequantizeLinear. Parameters that are no constants, float8 codes, and single
 * scales that are not normal positive numbers are not read: what has them stays as it is. */
#include "passes/qdq.h"

#include <math.h>
#include <string.h>

static bool integer_type(mq_dtype t)
{
    switch (t) {
    case MQ_INT8:
    case MQ_UINT8:
    case MQ_INT16:
    case MQ_UINT16:
    case MQ_INT4:
    case MQ_UINT4:
    case MQ_INT2:
    case MQ_UINT2: return true;
    default: return false;
    }
}

void mq_qdq_range(mq_dtype dtype, int64_t *low, int64_t *high)
{
    const int bits = (int)mq_dtype_bits(dtype);
    const bool is_signed = dtype == MQ_INT2 || dtype == MQ_INT4 || dtype == MQ_INT8 || dtype == MQ_INT16;

    *low = is_signed ? -((int64_t)1 << (bits - 1)) : 0;
    *high = *low + ((int64_t)1 << bits) - 1;
}

/* A scale by which dequantized integers keep their order and come back unchanged. */
static bool usable(float s)
{
    return isnormal(s) && s > 0 && s < 1e30f;
}

static bool read_one(mq_qdq *q)
{
    double v;

    if (!mq_constant_number(q->scale, &v) || !usable(q->s = (float)v))
        return false;
    if (q->zero) {
        if (!mq_constant_number(q->zero, &v))
            return false;
        q->z = (int64_t)v;
    }
    return true;
}

static bool read_parameters(mq_node *n, mq_qdq *q)
{
    const int64_t made = mq_node_attr_int(n, "output_dtype", 0);
    const mq_tensor *scale, *zero = NULL;

    q->node = n;
    q->scale = n->inputs[1];
    q->zero = n->n_inputs > 2 ? n->inputs[2] : NULL;
    q->axis = (int)mq_node_attr_int(n, "axis", 1);
    q->block = mq_node_attr_int(n, "block_size", 0);
    scale = mq_constant_input(n, 1);
    if (!scale || mq_tensor_count(scale) < 1 || q->block < 0 || !integer_type(q->dtype))
        return false;
    if (scale->dtype != MQ_FLOAT && scale->dtype != MQ_FLOAT16 && scale->dtype != MQ_BFLOAT16)
        return false;
    q->type = scale->dtype;
    if (q->real == n->outputs[0] && made != 0 && made != (int64_t)q->type)
        return false;
    if (q->zero && (!(zero = mq_constant_input(n, 2)) || zero->dtype != q->dtype ||
                    mq_tensor_count(zero) != mq_tensor_count(scale)))
        return false;
    q->one = mq_tensor_count(scale) == 1 && q->block == 0 && q->type == MQ_FLOAT;
    return !q->one || read_one(q);
}

static bool is_op(const mq_node *n, const char *op)
{
    return (mq_node_is(n, "", op) || mq_node_is(n, "com.microsoft", op)) && n->n_inputs >= 2 && n->n_outputs == 1 &&
           n->inputs[0] && n->inputs[1] && n->outputs[0];
}

bool mq_qdq_dequantize(mq_node *n, mq_qdq *out)
{
    *out = (mq_qdq){ 0 };
    if (!is_op(n, "DequantizeLinear"))
        return false;
    out->codes = n->inputs[0];
    out->real = n->outputs[0];
    out->dtype = mq_value_dtype(out->codes);
    return read_parameters(n, out);
}

bool mq_qdq_quantize(mq_node *n, mq_qdq *out)
{
    *out = (mq_qdq){ 0 };
    if (!is_op(n, "QuantizeLinear"))
        return false;
    if (mq_node_attr_int(n, "precision", 0) != 0 && mq_node_attr_int(n, "precision", 0) != MQ_FLOAT)
        return false;
    out->codes = n->outputs[0];
    out->real = n->inputs[0];
    out->dtype = mq_value_dtype(out->codes);
    return mq_value_dtype(out->real) == MQ_FLOAT && read_parameters(n, out);
}

bool mq_qdq_made(const mq_value *v, mq_qdq *out)
{
    return v && v->producer && mq_qdq_dequantize(v->producer, out);
}

bool mq_qdq_is_i8(const mq_qdq *q)
{
    return q->one && (q->dtype == MQ_INT8 || q->dtype == MQ_UINT8);
}

bool mq_qdq_equal(const mq_qdq *a, const mq_qdq *b)
{
    return a->one && b->one && a->dtype == b->dtype && a->s == b->s && a->z == b->z;
}

int64_t mq_qdq_code(const mq_qdq *q, double x)
{
    const double v = nearbyint((double)((float)x / q->s)) + (double)q->z;
    int64_t low, high;

    mq_qdq_range(q->dtype, &low, &high);
    return v >= (double)high ? high : v > (double)low ? (int64_t)v : low;
}

/* ---- as inputs ----------------------------------------------------------------------------------------------------- */

mq_status mq_qdq_scale(mq_graph *g, const mq_qdq *q, mq_value **out, mq_error *err)
{
    if (!q->one || mq_value_rank(q->scale) == 0) {
        *out = q->scale;
        return MQ_OK;
    }
    return mq_constant_of(g, q->scale->name, MQ_FLOAT, 0, NULL, &q->s, out, err);
}

mq_status mq_qdq_constant(mq_graph *g, const mq_qdq *q, int64_t code, mq_value **out, mq_error *err)
{
    const uint16_t wide = (uint16_t)code; /* little-endian: the first byte is that of a byte type */

    return mq_constant_of(g, "code", q->dtype, 0, NULL, &wide, out, err);
}

mq_status mq_qdq_zero(mq_graph *g, const mq_qdq *q, mq_value **out, mq_error *err)
{
    const mq_tensor *scale = mq_value_constant(q->scale, false);
    void *zeros;

    if (q->zero && (!q->one || mq_value_rank(q->zero) == 0)) {
        *out = q->zero;
        return MQ_OK;
    }
    if (q->one)
        return mq_qdq_constant(g, q, q->z, out, err);
    zeros = mq_arena_calloc(g->model->arena, (size_t)mq_tensor_count(scale), sizeof(uint16_t));
    if (!zeros)
        return mq_oom(err);
    return mq_constant_of(g, q->scale->name, q->dtype, scale->n_dims, scale->dims, zeros, out, err);
}
