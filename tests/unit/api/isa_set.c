/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/isa_set.c: the limit reaches own kernels and oneDNN, and stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#ifdef MQ_HAVE_ONEDNN
#include <dnnl.h>
#endif

#include "base/isa.h"
#include "mq/isa.h"

static void a_bad_name_changes_nothing(void **state)
{
    const char *const before = mq_isa_used();
    mq_error err;

    (void)state;
    assert_int_equal(mq_isa_set("avx3", &err), MQ_ERR_USAGE);
    assert_string_equal(mq_isa_used(), before);
}

static void it_reaches_own_kernels_and_the_library_once(void **state)
{
    mq_error err;

    (void)state;
    if (!mq_isa_is_there(MQ_ISA_AVX2) || mq_isa_limited() != MQ_ISA_NATIVE)
        skip();
    assert_int_equal(mq_isa_set("avx2", &err), MQ_OK);
    assert_string_equal(mq_isa_used(), "avx2");
    assert_int_equal(mq_isa_set("avx2", &err), MQ_OK);
#ifdef MQ_HAVE_ONEDNN
    assert_int_equal(dnnl_get_effective_cpu_isa(), dnnl_cpu_isa_avx2);
    assert_int_equal(mq_isa_set("sse41", &err), MQ_ERR_USAGE);
    assert_non_null(strstr(err.text, "'sse41' any more: oneDNN was told 'avx2'"));
    assert_string_equal(mq_isa_used(), "avx2");
    assert_int_equal(mq_isa_set("avx2", &err), MQ_OK);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bad_name_changes_nothing),
        cmocka_unit_test(it_reaches_own_kernels_and_the_library_once),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
