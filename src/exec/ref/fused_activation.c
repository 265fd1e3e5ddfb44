/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Activations by name over arrays of float or double. */
#include "exec/ref/fused_activation.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/compiler.h"
#include "exec/ref/vmath.h"

static const struct {
    const char *name;
    mq_activation a;
} table[] = {
    { "Affine", { MQ_ACT_AFFINE, 1.0, 0.0 } },
    { "Clip", { MQ_ACT_CLIP, -INFINITY, INFINITY } },
    { "Elu", { MQ_ACT_ELU, 1.0, 0.0 } },
    { "FastGelu", { MQ_ACT_GELU_TANH, 0.0, 0.0 } },
    { "Gelu", { MQ_ACT_GELU, 0.0, 0.0 } },
    { "HardSigmoid", { MQ_ACT_HARD_SIGMOID, 0.2f, 0.5 } },
    { "LeakyRelu", { MQ_ACT_LEAKY_RELU, 0.01f, 0.0 } },
    { "Relu", { MQ_ACT_RELU, 0.0, 0.0 } },
    { "ScaledTanh", { MQ_ACT_SCALED_TANH, 1.0, 1.0 } },
    { "Sigmoid", { MQ_ACT_SIGMOID, 0.0, 0.0 } },
    { "Softplus", { MQ_ACT_SOFTPLUS, 0.0, 0.0 } },
    { "Softsign", { MQ_ACT_SOFTSIGN, 0.0, 0.0 } },
    { "Tanh", { MQ_ACT_TANH, 0.0, 0.0 } },
    { "ThresholdedRelu", { MQ_ACT_THRESHOLDED_RELU, 1.0, 0.0 } },
};

bool mq_activation_find(mq_bytes name, mq_activation *out)
{
    for (size_t i = 0; i < MQ_ARRAY_LEN(table); i++) {
        if (strlen(table[i].name) == name.n && !strncasecmp(table[i].name, name.data, name.n)) {
            *out = table[i].a;
            return true;
        }
    }
    return false;
}

/* One loop per activation; x is the element. */
#define EACH(T, x, value)                                     \
    for (int64_t i = 0; i < n; i++) {                         \
        const T x = v[i];                                     \
        v[i] = (value);                                       \
    }                                                         \
    break

#define RUN(T, f)                                                                                                  \
    static void run_##T(const mq_activation *act, T *v, int64_t n)                                                 \
    {                                                                                                              \
        const T a = (T)act->alpha, b = (T)act->beta;                                                               \
        switch (act->kind) {                                                                                       \
        case MQ_ACT_NONE: break;                                                                                   \
        case MQ_ACT_AFFINE: EACH(T, x, a * x + b);                                                                 \
        case MQ_ACT_CLIP: EACH(T, x, x < a ? a : x > b ? b : x);                                                   \
        case MQ_ACT_ELU: EACH(T, x, x >= 0 ? x : a * f(expm1)(x));                                                 \
        case MQ_ACT_GELU: EACH(T, x, x / 2 * (1 + f(erf)(x * (T)M_SQRT1_2)));                                       \
        case MQ_ACT_GELU_TANH:                                                                                     \
            EACH(T, x, x / 2 * (1 + f(tanh)((T)(M_2_SQRTPI * M_SQRT1_2) * (x + (T)0.044715 * x * x * x))));        \
        case MQ_ACT_HARD_SIGMOID: EACH(T, x, a * x + b > 1 ? 1 : a * x + b < 0 ? 0 : a * x + b);                    \
        case MQ_ACT_LEAKY_RELU: EACH(T, x, x >= 0 ? x : a * x);                                                    \
        case MQ_ACT_RELU: EACH(T, x, x < 0 ? 0 : x);                                                               \
        case MQ_ACT_SCALED_TANH: EACH(T, x, a * f(tanh)(b * x));                                                   \
        case MQ_ACT_SIGMOID: EACH(T, x, 1 / (1 + f(exp)(-x)));                                                     \
        case MQ_ACT_SOFTPLUS: EACH(T, x, x > 0 ? x + f(log1p)(f(exp)(-x)) : f(log1p)(f(exp)(x)));                  \
        case MQ_ACT_SOFTSIGN: EACH(T, x, x / (1 + f(fabs)(x)));                                                    \
        case MQ_ACT_TANH: EACH(T, x, f(tanh)(x));                                                                  \
        case MQ_ACT_THRESHOLDED_RELU: EACH(T, x, x > a ? x : 0);                                                   \
        }                                                                                                          \
    }

#define FLOAT_FN(name) name##f
#define DOUBLE_FN(name) name
RUN(float, FLOAT_FN)
RUN(double, DOUBLE_FN)

void mq_activation_run(const mq_activation *a, mq_dtype dtype, void *x, int64_t n)
{
    if (dtype == MQ_DOUBLE)
        run_double(a, x, n);
    else if (a->kind == MQ_ACT_SIGMOID)
        mq_vsigmoid(x, x, n);
    else if (a->kind == MQ_ACT_TANH)
        mq_vtanh(x, x, n);
    else if (a->kind == MQ_ACT_GELU)
        mq_vgelu(x, x, n);
    else if (a->kind == MQ_ACT_GELU_TANH)
        mq_vgelu_tanh(x, x, n);
    else
        run_float(a, x, n);
}
