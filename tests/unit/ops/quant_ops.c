/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/quant_ops.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static void open_quantize(one_node *t, int opset, const char *x, const char *scale)
{
    one_open(t, "QuantizeLinear", opset);
    one_in(t, MQ_FLOAT, x);
    one_in(t, MQ_FLOAT, scale);
}

static void types(void **state)
{
    one_node t;

    (void)state;
    open_quantize(&t, 13, "N,8", "");
    one_gives(&t, "uint8[N,8]");
    open_quantize(&t, 13, "N,8", "8");
    one_in(&t, MQ_INT8, "8");
    one_gives(&t, "int8[N,8]");
    open_quantize(&t, 21, "N,8", "");
    one_attr(&t, "output_dtype", MQ_INT4);
    one_gives(&t, "int4[N,8]");
    open_quantize(&t, 21, "N,8", "");
    one_attr(&t, "output_dtype", 0);
    one_gives(&t, "uint8[N,8]");
    open_quantize(&t, 21, "N,8", "");
    one_attr(&t, "output_dtype", 1000);
    one_refused(&t, 1, "no data type");
    open_quantize(&t, 21, "N,8", "");
    one_in(&t, MQ_UINT8, "");
    one_attr(&t, "output_dtype", MQ_INT8);
    one_refused(&t, 1, "zero point is uint8");
    one_open(&t, "DequantizeLinear", 19);
    one_in(&t, MQ_INT8, "N,8");
    one_in(&t, MQ_FLOAT16, "");
    one_gives(&t, "float16[N,8]");
    one_open(&t, "DequantizeLinear", 23);
    one_in(&t, MQ_INT8, "N,8");
    one_in(&t, MQ_FLOAT, "");
    one_attr(&t, "output_dtype", MQ_BFLOAT16);
    one_gives(&t, "bfloat16[N,8]");
}

static void scales_must_fit(void **state)
{
    one_node t;

    (void)state;
    open_quantize(&t, 13, "N,8", "7");
    one_refused(&t, 1, "8 and 7");
    open_quantize(&t, 13, "8", "8");
    one_refused(&t, 1, "axis 1");
    open_quantize(&t, 13, "N,8", "1"); /* as good as a scalar */
    one_attr(&t, "axis", 9);
    one_gives(&t, "uint8[N,8]");
    open_quantize(&t, 13, "N,8", "N,8");
    one_refused(&t, 1, "rank 2");
}

static void blocks(void **state)
{
    one_node t;

    (void)state;
    open_quantize(&t, 21, "N,40", "N,3");
    one_attr(&t, "block_size", 16);
    one_gives(&t, "uint8[N,40]");
    open_quantize(&t, 21, "N,40", "N,2");
    one_attr(&t, "block_size", 16);
    one_refused(&t, 1, "3 and 2");
    open_quantize(&t, 21, "N,40", "3");
    one_attr(&t, "block_size", 16);
    one_refused(&t, 1, "rank 1");
    open_quantize(&t, 21, "N,40", "N,1");
    one_attr(&t, "block_size", INT64_MAX);
    one_run(&t, 1); /* no overflow */
    mq_model_free(t.model);
    open_quantize(&t, 21, "N,40", "N,3");
    one_attr(&t, "block_size", -16);
    one_refused(&t, 1, "negative");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types),
        cmocka_unit_test(scales_must_fit),
        cmocka_unit_test(blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
