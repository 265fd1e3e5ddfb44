/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/tie.c: a matrix that is looked up and multiplied with is stored once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "quant_make.h"
#include "rng.h"

enum { ROWS = 90, WIDTH = 64 };

static float table[ROWS * WIDTH], turned[ROWS * WIDTH];

static int setup(void **state)
{
    uint64_t rng = 1;

    quant_setup(state);
    for (size_t i = 0; i < ROWS * WIDTH; i++)
        turned[i % WIDTH * ROWS + i / WIDTH] = table[i] = rng_float(&rng);
    make_input(g, "ids", MQ_INT64, "N");
    make_init(g, "table", MQ_FLOAT, "90,64", table);
    make_node(g, "Gather", "table,ids", "x");
    return 0;
}

static void is_tied(const char *name, const char *to)
{
    const mq_quant_item *it = quant_find(name);

    assert_int_equal(it->stay, MQ_STAY_NOT);
    assert_string_equal(it->tied ? it->tied->value->name : "", to);
    assert_int_equal(it->bytes_after > 0, !*to);
}

static void through_transpose(void)
{
    make_node(g, "Transpose", "table", "head");
    make_node(g, "MatMul", "x,head", "y");
    make_output(g, "y");
}

#define EMBEDDING                                                                            \
    "node 'x_Gather' Gather(table_quantized, ids) -> x_quantized\n"                          \
    "node 'x_Gather_1' Gather(table_scale, ids) -> x_scale\n"                                \
    "node 'x_DequantizeLinear' DequantizeLinear(x_quantized, x_scale) -> x axis=0\n"
#define HEAD                                                                                 \
    "node 'head_Transpose' Transpose(table_quantized) -> head_transposed perm=[1,0]\n"       \
    "node 'head_DequantizeLinear' DequantizeLinear(head_transposed, table_scale) -> head axis=1\n" \
    "node 'y' MatMul(x, head) -> y\n"                                                        \
    "output y ?\n"

static void test_one_initializer(void **state)
{
    (void)state;
    through_transpose();
    quant_select();
    is_tied("head", "table");
    is_tied("table", "");
    quant_becomes("input ids int64[N]\n"
                  "init table_quantized int8[90,64]\n"
                  "init table_scale float[90]\n" EMBEDDING HEAD);
}

static void test_second_initializer(void **state)
{
    (void)state;
    make_init(g, "head", MQ_FLOAT, "64,90", turned);
    make_node(g, "MatMul", "x,head", "y");
    make_output(g, "y");
    quant_select();
    is_tied("head", "table");
    quant_becomes("input ids int64[N]\n"
                  "init table_quantized int8[90,64]\n"
                  "init table_scale float[90]\n" EMBEDDING HEAD);
}

/* One number differs, or only a bit of one. */
static void test_not_the_same(void **state)
{
    (void)state;
    turned[5] += 1e-6f;
    make_init(g, "head", MQ_FLOAT, "64,90", turned);
    make_node(g, "MatMul", "x,head", "y");
    make_output(g, "y");
    quant_select();
    is_tied("head", "");
}

/* On the left, its channels are the columns of the table. */
static void test_on_the_left(void **state)
{
    (void)state;
    make_init(g, "head", MQ_FLOAT, "64,90", turned);
    make_input(g, "z", MQ_FLOAT, "90,N");
    make_node(g, "MatMul", "head,z", "y");
    make_output(g, "y");
    quant_select();
    is_tied("head", "");
}

/* Blocks of 4 bits lie along other axes of the two. */
static void test_low_bits(void **state)
{
    (void)state;
    make_node(g, "Transpose", "table", "head");
    make_node(g, "MatMul", "x,head", "y");
    make_weight(g, "last", "90,64");
    make_node(g, "MatMul", "y,last", "z");
    make_output(g, "z");
    opts.type = "int4";
    quant_select();
    assert_null(quant_find("head")->tied);
    assert_int_equal(quant_find("head")->weight.scheme.type, MQ_INT4);
    assert_int_equal(quant_find("table")->weight.scheme.type, MQ_INT8);
}

static void test_per_tensor(void **state)
{
    (void)state;
    opts.per_tensor = true;
    through_transpose();
    quant_select();
    is_tied("head", "table");
}

/* The product is left in float: then the table is, too, for it would be stored twice. */
static void test_excluded_product(void **state)
{
    static const char *const y[] = { "y" };

    (void)state;
    through_transpose();
    opts.exclude_nodes = (mq_names){ y, 1 };
    quant_select();
    assert_int_equal(quant_find("head")->stay, MQ_STAY_EXCLUDED);
    assert_int_equal(quant_find("table")->stay, MQ_STAY_SHARED);
    assert_string_equal(quant_find("table")->stay_detail, "y");
    assert_int_equal(plan.n_quantized, 0);
}

/* Tries with overrides of the table and of the head. */
static mq_status tie_with(const char *json, mq_error *err)
{
    static char path[] = "/tmp/mq-tie-XXXXXX";
    const int fd = mkstemp(path);
    mq_status rc;

    assert_true(fd >= 0 && write(fd, json, strlen(json)) == (ssize_t)strlen(json));
    close(fd);
    opts.overrides = path;
    rc = quant_try(err);
    unlink(path);
    strcpy(path + strlen(path) - 6, "XXXXXX");
    return rc;
}

static void test_overrides(void **state)
{
    mq_error err = { 0 };

    (void)state;
    through_transpose();
    /* one for the table, or the same for both: for both */
    assert_int_equal(tie_with("{\"table\": [{\"scale\": 0.01}]}", &err), MQ_OK);
    assert_null(quant_find("head")->tied); /* one scale and one per column */
    assert_int_equal(tie_with("{\"table\": [{\"symmetric\": false}]}", &err), MQ_OK);
    is_tied("head", "table");
    assert_int_equal(tie_with("{\"table\": [{\"scale\": 0.01}], \"head\": [{\"scale\": 0.01}]}", &err), MQ_OK);
    is_tied("head", "table");
    /* one for the head: it counts */
    assert_int_equal(tie_with("{\"head\": [{\"symmetric\": false}]}", &err), MQ_OK);
    is_tied("head", "");
    assert_false(quant_find("head")->weight.scheme.symmetric);
    assert_true(quant_find("table")->weight.scheme.symmetric);
    assert_int_equal(tie_with("{\"head\": [{\"symmetric\": true}]}", &err), MQ_OK); /* what the table has anyway */
    is_tied("head", "table");
    /* two that contradict each other */
    assert_int_equal(tie_with("{\"table\": [{\"scale\": 0.01}], \"head\": [{\"scale\": 0.02}]}", &err), MQ_ERR_USAGE);
    assert_non_null(strstr(err.text, "'table' and 'head' hold the same numbers and are stored once: give both the same"));
}

#define TYING(test) cmocka_unit_test_setup_teardown(test, setup, quant_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TYING(test_one_initializer), TYING(test_second_initializer), TYING(test_not_the_same), TYING(test_on_the_left),
        TYING(test_low_bits),        TYING(test_per_tensor),         TYING(test_excluded_product),
        TYING(test_overrides),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
