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

static void a_name_is_taken_or_refused_by_the_cpu(void **state)
{
    mq_error err;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(named); i++) {
        const char *name = mq_isa_name(named[i]);
        mq_isa isa = MQ_ISA_BASE;

        if (mq_isa_is_there(named[i])) {
            assert_int_equal(mq_isa_parse(name, &isa, &err), MQ_OK);
            assert_int_equal(isa, named[i]);
        } else {
            assert_int_equal(mq_isa_parse(name, &isa, &err), MQ_ERR_USAGE);
            assert_non_null(strstr(err.text, name));
            assert_non_null(strstr(err.text, "it has: "));
            assert_int_equal(isa, MQ_ISA_BASE);
        }
    }
}

static void a_limit_holds_until_the_next(void **state)
{
    const mq_isa best = mq_isa_now();

    (void)state;
    assert_int_equal(mq_isa_limited(), MQ_ISA_NATIVE);
    for (size_t i = 1; i < MQ_ARRAY_LEN(named); i++) {
        if (!mq_isa_is_there(named[i]))
            continue;
        mq_isa_limit(named[i]);
        assert_int_equal(mq_isa_limited(), named[i]);
        assert_int_equal(mq_isa_now(), named[i]);
    }
    mq_isa_limit(MQ_ISA_NATIVE);
    assert_int_equal(mq_isa_limited(), MQ_ISA_NATIVE);
    assert_int_equal(mq_isa_now(), best);
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
    static const char *const bad[] = { "", "baseline", "AVX2", "avx", "avx2 ", "avx512-vnn", "neon", "avx2-vnnix" };
    mq_error err;
    mq_isa isa;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++) {
        assert_int_equal(mq_isa_parse(bad[i], &isa, &err), MQ_ERR_USAGE);
        assert_non_null(strstr(err.text, "avx2, avx2-vnni, avx512"));
    }
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

    (void)state;
    for (int i = 0; i < 1024; i++)
        x[i] = (float)(i * 2654435761u % 1000003) * 1.7e-4f - 77.0f;
    first = poly(x, 1024, &which);
    for (size_t i = 0; i < MQ_ARRAY_LEN(named); i++) {
        if (!mq_isa_is_there(named[i]))
            continue;
        mq_isa_limit(named[i]);
        y = poly(x, 1024, &which);
        assert_int_equal(which, mq_isa_now());
        assert_memory_equal(&y, &first, sizeof y);
    }
    mq_isa_limit(MQ_ISA_NATIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(native_is_the_best_that_is_there),
        cmocka_unit_test(a_name_is_taken_or_refused_by_the_cpu),
        cmocka_unit_test(a_limit_holds_until_the_next),
        cmocka_unit_test(names_are_exact),
        cmocka_unit_test(clones_give_the_same_bits),
    };

    mq_isa_limit(MQ_ISA_NATIVE);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
