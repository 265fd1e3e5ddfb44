/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/targets.c: what a target fills in, what it refuses, and options that exclude one another. */
#include "quant/targets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t n_warnings;

static void count_warning(void *user, const mq_warning *w)
{
    (void)user;
    assert_string_equal(w->code, "saturation-x86");
    n_warnings++;
}

static const mq_hooks hooks = { .warn = count_warning };

static mq_quantize_opts applied(mq_quantize_opts o)
{
    mq_error err = { 0 };

    n_warnings = 0;
    if (mq_quant_apply_target(&o, &hooks, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return o;
}

static void refused(mq_quantize_opts o, const char *sentence)
{
    mq_error err = { 0 };

    assert_int_equal(mq_quant_apply_target(&o, &hooks, &err), MQ_ERR_USAGE);
    if (!strstr(err.text, sentence))
        fail_msg("'%s' does not hold '%s'", err.text, sentence);
}

#define WITH(...)                                           \
    ({                                                      \
        mq_quantize_opts o = mq_quantize_opts_default();    \
        __VA_ARGS__;                                        \
        o;                                                  \
    })

static void the_default_changes_nothing(void **state)
{
    mq_quantize_opts before = mq_quantize_opts_default(), o = applied(before);

    (void)state;
    assert_int_equal(o.symmetric, MQ_CHOICE_DEFAULT);
    assert_int_equal(o.reduce_range, MQ_CHOICE_DEFAULT);
    assert_int_equal(n_warnings, 0);
}

static void zero_points_of_0_where_only_those_are_taken(void **state)
{
    (void)state;
    assert_int_equal(applied(WITH(o.target = "tensorrt")).symmetric, MQ_CHOICE_YES);
    assert_int_equal(applied(WITH(o.target = "portable,arm64")).symmetric, MQ_CHOICE_YES);
    assert_int_equal(applied(WITH(o.target = "c")).symmetric, MQ_CHOICE_DEFAULT);
    assert_false(mq_quant_target_zero_points("tensorrt,native"));
    assert_true(mq_quant_target_zero_points("onnx"));
    refused(WITH(o.target = "tensorrt", o.symmetric = MQ_CHOICE_NO), "zero points of 0");
}

static void seven_bits_only_for_integer_products_without_vnni(void **state)
{
    (void)state;
    assert_int_equal(applied(WITH(o.target = "onnx,x64-avx2")).reduce_range, MQ_CHOICE_DEFAULT);
    assert_int_equal(applied(WITH(o.target = "onnx,x64-avx2", o.mode = MQ_MODE_DYNAMIC)).reduce_range, MQ_CHOICE_YES);
    assert_int_equal(applied(WITH(o.target = "onnx,x64-avx2", o.mode = MQ_MODE_DYNAMIC, o.type = "uint8")).reduce_range,
                     MQ_CHOICE_DEFAULT);
    assert_int_equal(applied(WITH(o.target = "onnx,x64-avx2", o.mode = MQ_MODE_DYNAMIC,
                                  o.reduce_range = MQ_CHOICE_NO)).reduce_range, MQ_CHOICE_NO);
    assert_int_equal(applied(WITH(o.target = "onnx,arm64", o.mode = MQ_MODE_DYNAMIC)).reduce_range, MQ_CHOICE_DEFAULT);
    assert_int_equal(n_warnings, 0);
    applied(WITH(o.target = "onnx,native", o.mode = MQ_MODE_DYNAMIC));
    assert_int_equal(n_warnings, 0);
    applied(WITH(o.mode = MQ_MODE_DYNAMIC));
    assert_int_equal(n_warnings, 1);
    applied(WITH(o.mode = MQ_MODE_DYNAMIC, o.reduce_range = MQ_CHOICE_NO));
    assert_int_equal(n_warnings, 0);
}

static void what_a_runtime_lacks_is_refused(void **state)
{
    static const char *const types[] = { "a=int8", "b=float", "c=int4" };

    (void)state;
    refused(WITH(o.target = "tensorrt", o.type = "uint8"), "int8 weights only");
    refused(WITH(o.target = "c", o.type = "int16"), "int8 and uint8");
    refused(WITH(o.target = "c", o.format = MQ_FORMAT_NBITS), "com.microsoft");
    refused(WITH(o.target = "portable", o.mode = MQ_MODE_DYNAMIC), "DynamicQuantizeLinear");
    refused(WITH(o.target = "tensorrt", o.tensor_types = ((mq_names){ types, 3 })), "--tensor-type int4");
    applied(WITH(o.target = "tensorrt", o.tensor_types = ((mq_names){ types, 2 })));
    applied(WITH(o.target = "c", o.type = "uint8", o.mode = MQ_MODE_DYNAMIC));
    refused(WITH(o.target = "tvm"), "not 'tvm'");
    refused(WITH(o.target = "onn"), "not 'onn'");
    refused(WITH(o.target = "onnx,"), "the CPU is");
    assert_true(mq_quant_target_dynamic("c") && !mq_quant_target_dynamic("tensorrt"));
    assert_true(mq_quant_target_blocks("onnx") && !mq_quant_target_blocks("c"));
}

static void options_exclude_each_other(void **state)
{
    (void)state;
    refused(WITH(o.type = "int3"), "int3");
    refused(WITH(o.format = MQ_FORMAT_NBITS, o.per_tensor = true), "--per-tensor");
    refused(WITH(o.format = MQ_FORMAT_NBITS, o.type = "int16"), "int16");
    refused(WITH(o.format = MQ_FORMAT_NBITS, o.mode = MQ_MODE_DYNAMIC), "one of them");
    refused(WITH(o.type = "int4", o.mode = MQ_MODE_DYNAMIC), "8-bit");
    refused(WITH(o.type = "int4", o.reduce_range = MQ_CHOICE_YES), "7 bits");
    refused(WITH(o.mode = MQ_MODE_STATIC, o.format = MQ_FORMAT_QOPERATOR, o.type = "int4"), "--type int4");
    refused(WITH(o.mode = MQ_MODE_STATIC, o.format = MQ_FORMAT_QOPERATOR, o.act_type = "int16"), "--act-type int16");
    refused(WITH(o.mode = MQ_MODE_STATIC, o.format = MQ_FORMAT_QOPERATOR, o.act_type = "int8", o.type = "uint8"), "uint8");
    refused(WITH(o.algorithm = MQ_ALGORITHM_HQQ, o.range = MQ_RANGE_STDDEV, o.range_k = 1), "hqq");
    refused(WITH(o.block_size = 48), "48");
    refused(WITH(o.block_size = 8), "8");
    refused(WITH(o.block_size = -32), "-32");
    refused(WITH(o.accuracy_level = 5), "5");
    refused(WITH(o.range = MQ_RANGE_FIXED, o.range_lo = 1, o.range_hi = 1), "no range");
    refused(WITH(o.range = MQ_RANGE_STDDEV), "stddev");
}

static void tables_name_everything(void **state)
{
    char *targets = mq_quantize_list_targets(), *types = mq_quantize_list_types();

    (void)state;
    assert_true(targets && strstr(targets, "portable") && strstr(targets, "x64-vnni"));
    assert_true(types && strstr(types, "\nuint2 ") && strstr(types, "\nint16 "));
    free(targets);
    free(types);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_changes_nothing),
        cmocka_unit_test(zero_points_of_0_where_only_those_are_taken),
        cmocka_unit_test(seven_bits_only_for_integer_products_without_vnni),
        cmocka_unit_test(what_a_runtime_lacks_is_refused),
        cmocka_unit_test(options_exclude_each_other),
        cmocka_unit_test(tables_name_everything),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
