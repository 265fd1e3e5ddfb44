/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/isa.c, and that each clone of a leaf is made, chosen and equal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/isa.h"

static const mq_isa named[] = { MQ_ISA_NATIVE, MQ_ISA_SSE41, MQ_ISA_AVX2, MQ_ISA_AVX2_VNNI, MQ_ISA_AVX512,
                                MQ_ISA_AVX512_VNNI };

static void a_limit_is_taken_or_refused_by_the_cpu(void **state)
{
    mq_error err;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(named); i++) {
        const char *name = mq_isa_name(named[i]);

        assert_int_equal(mq_isa_limit("native", &err), MQ_OK);
        if (mq_isa_is_there(named[i])) {
            assert_int_equal(mq_isa_limit(name, &err), MQ_OK);
            assert_int_equal(mq_isa_limited(), named[i]);
            if (named[i] != MQ_ISA_NATIVE)
                assert_int_equal(mq_isa_now(), named[i]);
        } else {
            assert_int_equal(mq_isa_limit(name, &err), MQ_ERR_USAGE);
            assert_non_null(strstr(err.text, name));
            assert_non_null(strstr(err.text, "it has: "));
            assert_int_equal(mq_isa_limited(), MQ_ISA_NATIVE);
        }
    }
    assert_int_equal(mq_isa_limit("native", &err), MQ_OK);
}

static void native_is_the_best_that_is_there(void **state)
{
    (void)state;
    assert_true(mq_isa_now() >= MQ_ISA_BASE);
    assert_true(mq_isa_is_there(mq_isa_now()));
    for (int i = mq_isa_now() + 1; i < MQ_N_ISAS; i++)
        assert_false(mq_isa_is_there((mq_isa)i));
}

static void names_are_exact(void **state)
{
    static const char *const bad[] = { "", "AVX2", "avx", "avx2 ", "avx512-vnn", "neon", "avx2-vnnix" };
    mq_error err;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++) {
        assert_int_equal(mq_isa_limit(bad[i], &err), MQ_ERR_USAGE);
        assert_non_null(strstr(err.text, "avx2, avx2-vnni, avx512"));
    }
    assert_int_equal(mq_isa_limited(), MQ_ISA_NATIVE);
}

/* Contracted or reordered it would be another number. */
MQ_CLONES(float, poly, (const float *x, int n, mq_isa *which), (x, n, which))
{
    float lane[8] = { 0 }, sum = 0;

    *which = mq_isa_now();
    for (int i = 0; i + 8 <= n; i += 8)
        for (int k = 0; k < 8; k++)
            lane[k] = lane[k] * 1.0009765f + x[i + k];
    for (int k = 0; k < 8; k++)
        sum += lane[k];
    return sum;
}

static void clones_give_the_same_bits(void **state)
{
    float x[1024], first, y;
    mq_isa which;
    mq_error err;

    (void)state;
    for (int i = 0; i < 1024; i++)
        x[i] = (float)(i * 2654435761u % 1000003) * 1.7e-4f - 77.0f;
    assert_int_equal(mq_isa_limit("native", &err), MQ_OK);
    first = poly(x, 1024, &which);
    for (size_t i = 0; i < MQ_ARRAY_LEN(named); i++) {
        if (!mq_isa_is_there(named[i]))
            continue;
        assert_int_equal(mq_isa_limit(mq_isa_name(named[i]), &err), MQ_OK);
        y = poly(x, 1024, &which);
        assert_int_equal(which, mq_isa_now());
        assert_memory_equal(&y, &first, sizeof y);
    }
    assert_int_equal(mq_isa_limit("native", &err), MQ_OK);
}

/* Last: it cannot be undone. */
static void a_pinned_limit_stays(void **state)
{
    mq_error err;

    (void)state;
    if (!mq_isa_is_there(MQ_ISA_SSE41))
        skip();
    assert_int_equal(mq_isa_limit("sse41", &err), MQ_OK);
    assert_int_equal(mq_isa_pin(), MQ_ISA_SSE41);
    assert_int_equal(mq_isa_limit("native", &err), MQ_ERR_USAGE);
    assert_non_null(strstr(err.text, "'native' any more"));
    assert_int_equal(mq_isa_limit("sse41", &err), MQ_OK);
    assert_int_equal(mq_isa_now(), MQ_ISA_SSE41);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(native_is_the_best_that_is_there),
        cmocka_unit_test(a_limit_is_taken_or_refused_by_the_cpu),
        cmocka_unit_test(names_are_exact),
        cmocka_unit_test(clones_give_the_same_bits),
        cmocka_unit_test(a_pinned_limit_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
