/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One step of an optimizer: Adagrad, Adam, Momentum of ai.onnx.preview.training. Element-wise; each element in double. */
#include <math.h>
#include <string.h>

#include "exec/ref/util.h"

/* The kinds of tensors an optimizer keeps for every parameter: the parameter, its gradient, one or two more. */
enum { MAX_KINDS = 4 };

typedef struct step {
    double rate;
    int64_t count;
    double a, b, norm, norm_post, epsilon;
    bool nesterov;
} step;

/* In: the value, its gradient, its states. Out: the new value and its new states, in the same places (not the
 * gradient). */
typedef void (*step_fn)(const step *s, double v[MAX_KINDS]);

static void adagrad(const step *s, double v[MAX_KINDS])
{
    const double g = s->norm * v[0] + v[1], h = v[2] + g * g;

    v[0] -= s->rate / (1 + (double)s->count * s->a) * g / (sqrt(h) + s->epsilon);
    v[2] = h;
}

static void adam(const step *s, double v[MAX_KINDS])
{
    const double g = s->norm * v[0] + v[1], m = s->a * v[2] + (1 - s->a) * g, h = s->b * v[3] + (1 - s->b) * g * g;
    double rate = s->rate;

    if (s->count > 0)
        rate *= sqrt(1 - pow(s->b, (double)s->count)) / (1 - pow(s->a, (double)s->count));
    v[0] = (1 - s->norm_post) * (v[0] - rate * m / (sqrt(h) + s->epsilon));
    v[2] = m;
    v[3] = h;
}

static void momentum(const step *s, double v[MAX_KINDS])
{
    const double g = s->norm * v[0] + v[1], m = s->a * v[2] + (s->count > 0 ? s->b : 1) * g;

    v[0] -= s->rate * (s->nesterov ? g + s->a * m : m);
    v[2] = m;
}

/* Parameter p of n: output k is the new state k of it, where the gradient (kind 1) has none. */
static mq_status update(mq_call *c, const step *s, step_fn fn, size_t kinds, size_t n, size_t p)
{
    const mq_array *in[MAX_KINDS];
    void *out[MAX_KINDS] = { NULL };
    mq_status rc = MQ_OK;
    int64_t count;

    for (size_t k = 0; k < kinds; k++) {
        in[k] = c->in[2 + k * n + p];
        if (in[k]->dtype != in[0]->dtype || in[k]->rank != in[0]->rank ||
            memcmp(in[k]->dims, in[0]->dims, (size_t)in[0]->rank * sizeof *in[0]->dims) != 0)
            return mq_call_fail(c, "input %zu has another type or shape than input %zu", 2 + k * n + p, 2 + p);
    }
    for (size_t k = 0; k < kinds; k++)
        if (k != 1)
            MQ_TRY(mq_call_out(c, (k ? k - 1 : 0) * n + p, in[0]->dtype, in[0]->rank, in[0]->dims, &out[k]));
    count = (int64_t)in[0]->count;
#define UPDATE(T) \
    for (int64_t i = 0; i < count; i++) { \
        double v[MAX_KINDS] = { 0 }; \
        for (size_t k = 0; k < kinds; k++) \
            v[k] = (double)((const T *)in[k]->data)[i]; \
        fn(s, v); \
        for (size_t k = 0; k < kinds; k++) \
            if (out[k]) \
                ((T *)out[k])[i] = (T)v[k]; \
    } \
    return MQ_OK;
    switch (in[0]->dtype) {
        MQ_CASES_FLOAT(UPDATE)
    default:
        return mq_call_bad_type(c, in[0]->dtype);
    }
#undef UPDATE
done:
    return rc;
}

static mq_status run(mq_call *c, step *s, step_fn fn, size_t kinds)
{
    const size_t n = c->n_in > 2 ? (c->n_in - 2) / kinds : 0;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, c->n_in));
    if (n == 0 || c->n_in != 2 + n * kinds || c->n_out > n * (kinds - 1))
        return mq_call_fail(c, "%zu inputs and %zu outputs: inputs must be 2 and %zu for every parameter", c->n_in, c->n_out,
                            kinds);
    if (c->in[0]->count != 1 || c->in[1]->count != 1)
        return mq_call_fail(c, "the learning rate and the update count must be one number each");
    s->rate = mq_array_f64(c->in[0], 0);
    s->count = mq_array_i64(c->in[1], 0);
    s->norm = (double)mq_node_attr_float(c->node, "norm_coefficient", 0);
    s->epsilon = (double)mq_node_attr_float(c->node, "epsilon", 1e-6f);
    for (size_t p = 0; p < n; p++)
        MQ_TRY(update(c, s, fn, kinds, n, p));
done:
    return rc;
}

static mq_status op_adagrad(mq_call *c)
{
    step s = { .a = (double)mq_node_attr_float(c->node, "decay_factor", 0) };

    return run(c, &s, adagrad, 3);
}

static mq_status op_adam(mq_call *c)
{
    step s = { .a = (double)mq_node_attr_float(c->node, "alpha", 0.9f),
               .b = (double)mq_node_attr_float(c->node, "beta", 0.999f),
               .norm_post = (double)mq_node_attr_float(c->node, "norm_coefficient_post", 0) };

    return run(c, &s, adam, 4);
}

static mq_status op_momentum(mq_call *c)
{
    step s = { .a = (double)mq_node_attr_float(c->node, "alpha", 0), .b = (double)mq_node_attr_float(c->node, "beta", 0),
               .nesterov = mq_node_attr_is(c->node, "mode", "nesterov") };

    return run(c, &s, momentum, 3);
}

const mq_kernel mq_kernels_optimizer[] = {
    { "ai.onnx.preview.training", "Adagrad", op_adagrad, 0 },
    { "ai.onnx.preview.training", "Adam", op_adam, 0 },
    { "ai.onnx.preview.training", "Momentum", op_momentum, 0 },
    { 0 },
};
