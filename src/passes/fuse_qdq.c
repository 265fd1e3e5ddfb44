/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-qdq: DequantizeLinear -> op [-> Relu or Clip] -> QuantizeLinear becomes the operator on integers: Conv ->
 * QLinearConv, MatMul -> QLinearMatMul, Gemm -> QGemm, and Add, Mul, Concat, AveragePool, GlobalAveragePool
 * (ReduceMean over the same axes), LeakyRelu, Sigmoid and Softmax -> the QLinear operator of that name. MatMul and
 * Gemm of quantized inputs whose output is not quantized become MatMulIntegerToFloat and QGemm with float output.
 *
 * Relu and Clip vanish where the output's range does their work, else they become Clip on integers: quantizing keeps
 * the order.
 * Activations and outputs: int8 or uint8, one scale; weights of Conv, MatMul and Gemm also a scale per output
 * channel. A DequantizeLinear may have other readers and QuantizeLinear too; what is between must have none. A bias
 * becomes int32 in steps of x_scale * w_scale. Not fused: a bias for which that step is too coarse or its range too
 * small, sums that could leave int32, inputs of different types where the operator wants one.
 * Numerics: within one step of dequantize, float operator, quantize. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/qdq.h"

#define MAX_BETWEEN 2

typedef struct site {
    mq_graph *g;
    mq_node *op, *last; /* what computes, and whose output 0 is taken over */
    mq_qdq out;         /* of the QuantizeLinear; node NULL: the output stays float */
    double low, high;   /* bounds between op and QuantizeLinear */
    const char *made;   /* the operator that takes op's place */
    mq_value **in;      /* its inputs */
    size_t n_in;
    bool for_file;
} site;

/* ---- what is between ----------------------------------------------------------------------------------------------- */

static bool read_bound(const mq_node *n, size_t i, double *bound)
{
    double x;

    if (i >= n->n_inputs || !n->inputs[i])
        return true;
    if (!mq_constant_number(n->inputs[i], &x) || isnan(x))
        return false;
    *bound = x;
    return true;
}

/* Adds what n cuts off to the bounds of s, which are applied after it. */
static bool between(const mq_node *n, site *s)
{
    double low = -INFINITY, high = INFINITY;

    if (mq_node_is(n, "", "Relu"))
        low = 0;
    else if (!mq_node_is(n, "", "Clip") || !read_bound(n, 1, &low) || !read_bound(n, 2, &high) || low > high)
        return false;
    /* min(max(x, low), high) and then s->low, s->high */
    s->low = fmin(fmax(low, s->low), s->high);
    s->high = fmin(fmax(high, s->low), s->high);
    return true;
}

/* From a QuantizeLinear up to the node that computes. */
static bool find_site(mq_node *q, site *s)
{
    mq_value *v;

    *s = (site){ .g = q->graph, .last = q, .low = -INFINITY, .high = INFINITY };
    if (!mq_qdq_quantize(q, &s->out) || !mq_qdq_is_i8(&s->out))
        return false;
    v = s->out.real;
    for (int i = 0; i <= MAX_BETWEEN; i++) {
        mq_node *n = v->producer;

        if (!n || n->graph != q->graph || n->n_outputs != 1 || !n->n_inputs || !n->inputs[0] || !mq_only_reader(v))
            return false;
        s->op = n;
        if (!between(n, s))
            return true;
        v = n->inputs[0];
    }
    return false;
}

/* ---- inputs -------------------------------------------------------------------------------------------------------- */

static mq_status add_input(site *s, mq_value *v, mq_error *err)
{
    mq_value **list = mq_arena_grow(s->g->model->arena, s->in, s->n_in, s->n_in + 1, sizeof *list);

    if (!list)
        return mq_oom(err);
    list[s->n_in++] = v;
    s->in = list;
    return MQ_OK;
}

static mq_status add_scale_zero(site *s, const mq_qdq *q, mq_error *err)
{
    mq_value *v = NULL;
    mq_status rc = mq_qdq_scale(s->g, q, &v, err);

    if (rc == MQ_OK && (rc = add_input(s, v, err)) == MQ_OK && (rc = mq_qdq_zero(s->g, q, &v, err)) == MQ_OK)
        rc = add_input(s, v, err);
    return rc;
}

static mq_status add_quantized(site *s, const mq_qdq *q, mq_error *err)
{
    mq_status rc = add_input(s, q->codes, err);

    return rc == MQ_OK ? add_scale_zero(s, q, err) : rc;
}

/* Input i of the operator comes from a DequantizeLinear of int8 or uint8 with one scale. */
static bool activation(const site *s, size_t i, mq_qdq *q)
{
    return i < s->op->n_inputs && mq_qdq_made(s->op->inputs[i], q) && mq_qdq_is_i8(q);
}

/* ---- operators: each fills in `made` and the inputs, or leaves `made` NULL ------------------------------------------ */

/* The weight as input i of the operator, with channels along `axis`. */
static bool weight(const site *s, size_t i, int axis, mq_qweight *w)
{
    return i < s->op->n_inputs && mq_qweight_read(s->op->inputs[i], axis, w);
}

/* The bias, input 2, as integers; w may change for it. *good false: that cannot be. */
static mq_status bias(const site *s, double factor, const mq_qdq *x, mq_qweight *w, mq_value **out, bool *good,
                      mq_error *err)
{
    *out = NULL;
    *good = true;
    if (s->op->n_inputs < 3 || !s->op->inputs[2])
        return MQ_OK;
    return mq_qweight_bias(s->g, w, s->op->inputs[2], factor, x->s, s->out.node ? s->out.s : 0, out, good, err);
}

static mq_status take_conv(site *s, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_value *b;
    mq_qweight w;
    bool good;
    mq_qdq x;

    if (!s->out.node || !activation(s, 0, &x) || !weight(s, 1, 0, &w))
        return MQ_OK;
    MQ_TRY(bias(s, 1, &x, &w, &b, &good, err));
    MQ_TRY(add_quantized(s, &x, err));
    MQ_TRY(add_quantized(s, &w.q, err));
    MQ_TRY(add_scale_zero(s, &s->out, err));
    MQ_TRY(add_input(s, b, err));
    s->made = good ? "QLinearConv" : NULL;
done:
    return rc;
}

/* B of MatMul: a constant with a scale per column, or anything with one. */
static bool right_side(const site *s, mq_qdq *b)
{
    const mq_tensor *t;
    mq_qweight w;

    if (!mq_qdq_made(s->op->inputs[1], b) || !(t = mq_value_constant(b->codes, false)))
        return activation(s, 1, b) && mq_value_dim(b->codes, -2).value <= MQ_QWEIGHT_DEPTH;
    return t->n_dims == 2 && weight(s, 1, 1, &w);
}

/* MatMulIntegerToFloat: a, b, both scales, both zero points. */
static mq_status take_matmul_float(site *s, const mq_qdq *a, const mq_qdq *b, mq_error *err)
{
    mq_value *a_scale, *a_zero, *b_scale, *b_zero;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_qdq_scale(s->g, a, &a_scale, err));
    MQ_TRY(mq_qdq_zero(s->g, a, &a_zero, err));
    MQ_TRY(mq_qdq_scale(s->g, b, &b_scale, err));
    MQ_TRY(mq_qdq_zero(s->g, b, &b_zero, err));
    mq_value *const in[] = { a->codes, b->codes, a_scale, b_scale, a_zero, b_zero };

    for (size_t i = 0; i < sizeof in / sizeof *in; i++)
        MQ_TRY(add_input(s, in[i], err));
    s->made = "MatMulIntegerToFloat";
done:
    return rc;
}

static mq_status take_matmul(site *s, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_qdq a, b;

    if (s->op->n_inputs != 2 || !activation(s, 0, &a) || !right_side(s, &b) || mq_value_rank(a.codes) < 2)
        return MQ_OK;
    if (s->for_file && a.dtype == MQ_INT8 && b.dtype == MQ_UINT8) /* ONNX Runtime has kernels of the other three pairs */
        return MQ_OK;
    if (!s->out.node)
        return mq_value_constant(b.codes, false) ? take_matmul_float(s, &a, &b, err) : MQ_OK;
    MQ_TRY(add_quantized(s, &a, err));
    MQ_TRY(add_quantized(s, &b, err));
    MQ_TRY(add_scale_zero(s, &s->out, err));
    s->made = "QLinearMatMul";
done:
    return rc;
}

static mq_status take_gemm(site *s, mq_error *err)
{
    const int axis = mq_node_attr_int(s->op, "transB", 0) ? 0 : 1;
    const float alpha = mq_node_attr_float(s->op, "alpha", 1), beta = mq_node_attr_float(s->op, "beta", 1);
    mq_status rc = MQ_OK;
    mq_value *c;
    mq_qweight b;
    bool good;
    mq_qdq a;

    if (!activation(s, 0, &a) || !weight(s, 1, axis, &b) || !(alpha > 0))
        return MQ_OK;
    MQ_TRY(bias(s, (double)beta / (double)alpha, &a, &b, &c, &good, err));
    MQ_TRY(add_quantized(s, &a, err));
    MQ_TRY(add_quantized(s, &b.q, err));
    MQ_TRY(add_input(s, c, err));
    if (s->out.node)
        MQ_TRY(add_scale_zero(s, &s->out, err));
    s->made = good ? "QGemm" : NULL;
done:
    return rc;
}

static mq_status take_pair(site *s, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_qdq a, b;

    if (!s->out.node || s->op->n_inputs != 2 || !activation(s, 0, &a) || !activation(s, 1, &b) || a.dtype != s->out.dtype ||
        b.dtype != s->out.dtype)
        return MQ_OK;
    MQ_TRY(add_quantized(s, &a, err));
    MQ_TRY(add_quantized(s, &b, err));
    MQ_TRY(add_scale_zero(s, &s->out, err));
    s->made = mq_node_is(s->op, "", "Add") ? "QLinearAdd" : "QLinearMul";
done:
    return rc;
}

static mq_status take_concat(site *s, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_qdq q;

    for (size_t i = 0; i < s->op->n_inputs; i++)
        if (!activation(s, i, &q) || q.dtype != s->out.dtype)
            return MQ_OK;
    if (!s->out.node || s->op->n_inputs < 1)
        return MQ_OK;
    MQ_TRY(add_scale_zero(s, &s->out, err));
    for (size_t i = 0; i < s->op->n_inputs && activation(s, i, &q); i++)
        MQ_TRY(add_quantized(s, &q, err));
    s->made = "QLinearConcat";
done:
    return rc;
}

/* One activation in, one out, of the same type. */
static mq_status take_one(site *s, const char *made, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_qdq x;

    if (!s->out.node || !activation(s, 0, &x) || x.dtype != s->out.dtype)
        return MQ_OK;
    MQ_TRY(add_quantized(s, &x, err));
    MQ_TRY(add_scale_zero(s, &s->out, err));
    s->made = made;
done:
    return rc;
}

static bool all_ones(const mq_node *n, const char *name)
{
    size_t count;
    const int64_t *v = mq_node_attr_ints(n, name, &count);

    for (size_t i = 0; i < count; i++)
        if (v[i] != 1)
            return false;
    return true;
}

static mq_status take_average_pool(site *s, mq_error *err)
{
    return all_ones(s->op, "dilations") ? take_one(s, "QLinearAveragePool", err) : MQ_OK;
}

static mq_status take_global_pool(site *s, mq_error *err)
{
    return take_one(s, "QLinearGlobalAveragePool", err);
}

/* Every axis behind the channels; rewrite() drops them when they are not kept. */
static mq_status take_reduce_mean(site *s, mq_error *err)
{
    const mq_node *n = s->op;
    const int rank = mq_value_rank(n->inputs[0]);
    mq_tensor *axes = mq_constant_input(n, 1);
    uint64_t seen = 0;

    if (!axes || rank < 3 || rank > 32 || mq_tensor_count(axes) != rank - 2)
        return MQ_OK;
    for (int i = 0; i < rank - 2; i++) {
        int64_t axis;

        if (mq_tensor_read_i64(axes, (uint64_t)i, 1, &axis, NULL) != MQ_OK || axis < -rank || axis >= rank)
            return MQ_OK;
        seen |= (uint64_t)1 << (axis < 0 ? axis + rank : axis);
    }
    return seen == ((uint64_t)1 << rank) - 4 ? take_one(s, "QLinearGlobalAveragePool", err) : MQ_OK;
}

static mq_status take_leaky_relu(site *s, mq_error *err)
{
    return take_one(s, "QLinearLeakyRelu", err);
}

static mq_status take_sigmoid(site *s, mq_error *err)
{
    return take_one(s, "QLinearSigmoid", err);
}

static mq_status take_softmax(site *s, mq_error *err)
{
    return take_one(s, "QLinearSoftmax", err);
}

static const struct operator {
    const char *op;
    mq_status (*take)(site *s, mq_error *err);
} operators[] = {
    { "Add", take_pair },
    { "AveragePool", take_average_pool },
    { "Concat", take_concat },
    { "Conv", take_conv },
    { "Gemm", take_gemm },
    { "GlobalAveragePool", take_global_pool },
    { "LeakyRelu", take_leaky_relu },
    { "MatMul", take_matmul },
    { "Mul", take_pair },
    { "ReduceMean", take_reduce_mean },
    { "Sigmoid", take_sigmoid },
    { "Softmax", take_softmax },
};

/* ---- rewriting ----------------------------------------------------------------------------------------------------- */

static mq_status set_attributes(const site *s, mq_node *n, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (strcmp(s->made, "QGemm") == 0)
        mq_node_remove_attr(n, "beta");
    if (strcmp(s->made, "QLinearAveragePool") == 0)
        mq_node_remove_attr(n, "dilations");
    if (strcmp(s->made, "QLinearGlobalAveragePool") == 0)
        n->n_attrs = 0;
    if (strcmp(s->made, "QLinearSoftmax") == 0) {
        MQ_TRY(mq_node_set_attr_int(n, "axis", mq_node_attr_int(s->op, "axis", -1), err));
        MQ_TRY(mq_node_set_attr_int(n, "opset", 13, err));
    }
done:
    return rc;
}

/* Bounds that the output's range does not keep already become Clip on the integers. */
static mq_status add_clip(const site *s, mq_node **n, mq_error *err)
{
    const int64_t low = mq_qdq_code(&s->out, s->low), high = mq_qdq_code(&s->out, s->high);
    mq_value *in[3] = { NULL };
    int64_t least, most;
    mq_status rc = MQ_OK;

    mq_qdq_range(s->out.dtype, &least, &most);
    if (low <= least && high >= most)
        return MQ_OK;
    MQ_TRY(mq_pass_give_output(*n, s->out.codes, &in[0], err));
    if (low > least)
        MQ_TRY(mq_qdq_constant(s->g, &s->out, low, &in[1], err));
    if (high < most)
        MQ_TRY(mq_qdq_constant(s->g, &s->out, high, &in[2], err));
    rc = mq_pass_insert(s->last, "", "Clip", NULL, in, 3, n, err);
done:
    return rc;
}

/* The pooled axes, of size 1, go. */
static mq_status add_flatten(const site *s, mq_node **n, mq_error *err)
{
    mq_value *pooled;
    mq_status rc = mq_pass_give_output(*n, s->out.codes, &pooled, err);

    return rc == MQ_OK ? mq_pass_insert(s->last, "", "Flatten", NULL, &pooled, 1, n, err) : rc;
}

static mq_status rewrite(const site *s, mq_error *err)
{
    const bool onnx = strcmp(s->made, "QLinearConv") == 0 || strcmp(s->made, "QLinearMatMul") == 0;
    mq_status rc = MQ_OK;
    mq_node *n;

    MQ_TRY(mq_pass_insert(s->last, onnx ? "" : "com.microsoft", s->made, s->op, s->in, s->n_in, &n, err));
    MQ_TRY(set_attributes(s, n, err));
    if (mq_node_is(s->op, "", "ReduceMean") && !mq_node_attr_int(s->op, "keepdims", 1))
        MQ_TRY(add_flatten(s, &n, err));
    if (s->out.node)
        MQ_TRY(add_clip(s, &n, err));
    MQ_TRY(mq_pass_take_over(n, s->last, err));
done:
    return rc;
}

static mq_status fuse(site *s, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (*mq_domain_norm(s->op->domain) || s->op->n_inputs < 1 || !s->op->outputs[0])
        return MQ_OK;
    for (size_t i = 0; i < sizeof operators / sizeof *operators && rc == MQ_OK && !s->made; i++)
        if (strcmp(s->op->op_type, operators[i].op) == 0)
            rc = operators[i].take(s, err);
    if (rc == MQ_OK && s->made && (rc = rewrite(s, err)) == MQ_OK)
        ++*n_changed;
    return rc;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_node *next;
    site s;

    for (mq_node *n = g->first; n && rc == MQ_OK; n = next) {
        next = n->next;
        if (!find_site(n, &s))
            continue;
        s.for_file = ctx->for_file;
        rc = fuse(&s, n_changed, err);
    }
    for (mq_node *n = g->first; n && rc == MQ_OK; n = next) { /* what is left, without QuantizeLinear */
        next = n->next;
        s = (site){ .g = g, .op = n, .last = n, .for_file = ctx->for_file };
        if (n->n_outputs == 1 && (mq_node_is(n, "", "MatMul") || mq_node_is(n, "", "Gemm")))
            rc = fuse(&s, n_changed, err);
    }
    return rc;
}

const mq_pass mq_pass_fuse_qdq = {
    .name = "fuse-qdq", .summary = "run operators between DequantizeLinear and QuantizeLinear on integers", .run = run
};
