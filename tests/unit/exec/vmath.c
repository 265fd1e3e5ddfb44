/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The vector functions against the C library's in double, over a sweep of all floats: the largest error of each, in
 * units of the last place of the nearest float. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "exec/ref/vmath.h"

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double softplus(double x)
{
    return (x > 0 ? x : 0) + log1p(exp(-fabs(x)));
}

static double mish(double x)
{
    return x * tanh(softplus(x));
}

static double gelu(double x)
{
    return 0.5 * x * erfc(-x * M_SQRT1_2);
}

static double gelu_tanh(double x)
{
    return x * sigmoid(2 * sqrt(2 / M_PI) * (x + 0.044715 * x * x * x));
}

typedef struct function {
    const char *name;
    void (*vector)(const float *in, float *out, int64_t n);
    double (*exact)(double);
    double bound;
    float from, to; /* where the bound holds */
} function;

static const function functions[] = {
    { "exp", mq_vexp, exp, 1.5, -INFINITY, INFINITY },
    { "expm1", mq_vexpm1, expm1, 2, -INFINITY, INFINITY },
    { "log", mq_vlog, log, 1.5, -INFINITY, INFINITY },
    { "tanh", mq_vtanh, tanh, 1.5, -INFINITY, INFINITY },
    { "sigmoid", mq_vsigmoid, sigmoid, 2.5, -INFINITY, INFINITY },
    { "erf", mq_verf, erf, 1.5, -INFINITY, INFINITY },
    { "softplus", mq_vsoftplus, softplus, 3, -INFINITY, INFINITY },
    /* left of these, denormals are multiplied, or the argument's own rounding is magnified */
    { "mish", mq_vmish, mish, 4, -80, FLT_MAX },
    { "gelu", mq_vgelu, gelu, 5.5, -12.9f, FLT_MAX },
    { "gelu_tanh", mq_vgelu_tanh, gelu_tanh, 4, -1, FLT_MAX },
};

static float of_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

/* The distance from `got` to `exact` in units of the last place of exact as a float; 0 for NaN and infinity met. */
static double ulps(float got, double exact)
{
    const float near = (float)exact;
    double unit;

    if (isnan(near) || isnan(got))
        return isnan(near) && isnan(got) ? 0 : INFINITY;
    if (isinf(got) || isinf(near))
        return got == near ? 0 : fabs(exact) > 0x1.fffffep127 - 0x1p105 && fabsf(got) >= 0x1.fffff8p127f ? 1 : INFINITY;
    unit = fabs(near) < FLT_MIN ? 0x1p-149 : ldexp(1, ilogb((double)near) - 23);
    return fabs((double)got - exact) / unit;
}

static void test_error(void **state)
{
    enum { N = 4096, STRIDE = 331 };
    static float in[N], out[N];

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(functions); k++) {
        const function *f = &functions[k];
        double worst = 0;
        float where = 0;
        uint64_t u = 0;

        while (u <= UINT32_MAX) {
            int64_t n = 0;

            for (; n < N && u <= UINT32_MAX; u += STRIDE) {
                const float x = of_bits((uint32_t)u);
                if (isnan(x) || (x >= f->from && x <= f->to))
                    in[n++] = x;
            }
            f->vector(in, out, n);
            for (int64_t i = 0; i < n; i++) {
                const double e = ulps(out[i], f->exact((double)in[i]));
                if (!(e <= worst)) {
                    worst = e;
                    where = in[i];
                }
            }
        }
        print_message("%s: %.3f ulp at %a\n", f->name, worst, (double)where);
        assert_true(worst <= f->bound);
    }
}

/* Each function at the ends, in a vector and alone (the loop's tail is other code). */
static void test_ends(void **state)
{
    static const float in[] = { 0, -0.0f, INFINITY, -INFINITY, NAN, FLT_MAX, -FLT_MAX, 0x1p-149f, -0x1p-149f, 1, -1, 88.7f,
                                88.8f, -87, -103, -104, 20, -20, 3e38f, 0x1p-126f };
    float out[MQ_ARRAY_LEN(in)], alone;

    (void)state;
    for (size_t k = 0; k < MQ_ARRAY_LEN(functions); k++) {
        functions[k].vector(in, out, MQ_ARRAY_LEN(in));
        for (size_t i = 0; i < MQ_ARRAY_LEN(in); i++) {
            functions[k].vector(&in[i], &alone, 1);
            assert_true(memcmp(&alone, &out[i], sizeof alone) == 0 || (isnan(alone) && isnan(out[i])));
            if (isnan(in[i]) || (in[i] >= functions[k].from && in[i] <= functions[k].to))
                assert_true(ulps(out[i], functions[k].exact((double)in[i])) <= functions[k].bound);
        }
    }
}

static void test_in_place_and_empty(void **state)
{
    float x[37], y[37];

    (void)state;
    for (int i = 0; i < 37; i++)
        x[i] = 0.37f * (float)(i - 18);
    for (size_t k = 0; k < MQ_ARRAY_LEN(functions); k++) {
        memcpy(y, x, sizeof y);
        functions[k].vector(y, y, 37);
        for (int i = 0; i < 37; i++) {
            float one;
            functions[k].vector(&x[i], &one, 1);
            assert_true(one == y[i] || (isnan(one) && isnan(y[i])));
        }
        functions[k].vector(NULL, NULL, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_in_place_and_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
