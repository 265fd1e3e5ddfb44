/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/matmul.c and src/ops/einsum.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static void einsum_open(one_node *t, const char *equation, const char *a, const char *b)
{
    one_open(t, "Einsum", 12);
    assert_int_equal(mq_node_set_attr_string(t->node, "equation", equation, NULL), MQ_OK);
    one_in(t, MQ_FLOAT, a);
    if (b)
        one_in(t, MQ_FLOAT, b);
}

static void einsum_is(const char *equation, const char *a, const char *b, const char *want)
{
    one_node t;

    einsum_open(&t, equation, a, b);
    one_gives(&t, want);
}

static void einsum_refused(const char *equation, const char *a, const char *b, const char *part)
{
    one_node t;

    einsum_open(&t, equation, a, b);
    one_refused(&t, 1, part);
}

static void einsum_shapes(void **state)
{
    (void)state;
    einsum_is("bqhd,bkhd->bhqk", "B,Q,2,3", "B,K,2,3", "float[B,2,Q,K]");
    einsum_is("ij,jk", "N,3", "3,4", "float[N,4]");
    einsum_is("ba,Ac", "2,3", "4,5", "float[4,3,2,5]"); /* implicit: by code, capitals first */
    einsum_is("ii->i", "N,3", NULL, "float[3]");
    einsum_is("i,i", "3", "3", "float[]");
    einsum_is("->", "", NULL, "float[]");
    einsum_is(" . ..i , ...j - > ...ij", "2", "5", "float[2,5]"); /* spaces mean nothing */
}

static void einsum_ellipsis(void **state)
{
    (void)state;
    einsum_is("...ij,...jk->...ik", "B,5,2,3", "5,3,4", "float[B,5,2,4]");
    einsum_is("i...,...", "7,2", "1", "float[2,7]");
    einsum_is("...,...->...", "", "N", "float[N]");
    einsum_is("...ij,jk->...ik", "...", "3,4", "float[...]");
    einsum_is("...ij,jk->ik", "...", "3,4", "float[?,4]");
}

static void einsum_garbage(void **state)
{
    (void)state;
    einsum_refused("ij,jk->il", "2,3", "3,4", "'l' of the right side is missing");
    einsum_refused("ij,jk->ii", "2,3", "3,4", "twice");
    einsum_refused("ij,jk->i,k", "2,3", "3,4", "more than one term");
    einsum_refused("ij,jk-", "2,3", "3,4", "'-' without '>'");
    einsum_refused("ij,jk->i->k", "2,3", "3,4", "more than one term");
    einsum_refused("i1,jk->ik", "2,3", "3,4", "byte 0x31");
    einsum_refused("....,jk->k", "2,3", "3,4", "byte 0x2e");
    einsum_refused("......,jk->k", "2,3", "3,4", "byte 0x2e");
    einsum_refused("ij", "2,3", "3,4", "1 terms for 2 inputs");
    einsum_refused("ij,,jk", "2,3", "3,4", "3 terms for 2 inputs");
    einsum_refused("ij,jk->ik", "2,3", "4,4", "index j");
    einsum_refused("ijl,jk->ik", "2,3", "3,4", "rank 2");
    einsum_refused("ij,jk->...ik", "2,3", "3,4", "missing on the left");
    einsum_refused("...i,...i->...", "2,3", "4,3", "do not broadcast");
}

static void einsum_macs(void **state)
{
    const mq_op_rule *rule = mq_rule_find("", "Einsum");
    one_node t;

    (void)state;
    einsum_open(&t, "...ij,...jk->...ik", "7,1,2,3", "5,3,4");
    one_run(&t, 1);
    assert_int_equal(rule->macs(t.node), 7 * 5 * 2 * 3 * 4);
    mq_model_free(t.model);
    einsum_open(&t, "ij->ji", "2,3", NULL);
    one_run(&t, 1);
    assert_int_equal(rule->macs(t.node), 0);
    mq_model_free(t.model);
    einsum_open(&t, "ij,jk", "N,3", "3,4");
    one_run(&t, 1);
    assert_int_equal(rule->macs(t.node), -1);
    mq_model_free(t.model);
}

static void matmul_is(const char *a, const char *b, const char *want, int64_t macs)
{
    one_node t;

    one_open(&t, "MatMul", 13);
    one_in(&t, MQ_FLOAT, a);
    one_in(&t, MQ_FLOAT, b);
    one_run(&t, 1);
    assert_string_equal(t.finding, "");
    one_type(&t, 0, want);
    assert_int_equal(mq_rule_find("", "MatMul")->macs(t.node), macs);
    mq_model_free(t.model);
}

static void matmul(void **state)
{
    one_node t;

    (void)state;
    matmul_is("B,12,S,64", "B,12,64,T", "float[B,12,S,T]", -1);
    matmul_is("7,1,2,3", "5,3,4", "float[7,5,2,4]", 7 * 5 * 2 * 4 * 3);
    matmul_is("3", "3,4", "float[4]", 12);
    matmul_is("2,3", "3", "float[2]", 6);
    matmul_is("3", "3", "float[]", 3);
    matmul_is("...", "3,4", "float[...]", -1);
    one_open(&t, "MatMul", 13);
    one_in(&t, MQ_FLOAT, "");
    one_in(&t, MQ_FLOAT, "3,4");
    one_refused(&t, 1, "scalar");
    one_open(&t, "MatMul", 13);
    one_in(&t, MQ_FLOAT, "2,5");
    one_in(&t, MQ_FLOAT, "3,4");
    one_refused(&t, 1, "5 and 3");
}

static void gemm(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "Gemm", 13);
    one_in(&t, MQ_FLOAT, "5,2");
    one_in(&t, MQ_FLOAT, "7,5");
    one_attr(&t, "transA", 1);
    one_attr(&t, "transB", 1);
    one_run(&t, 1);
    one_type(&t, 0, "float[2,7]");
    assert_int_equal(mq_rule_find("", "Gemm")->macs(t.node), 5 * 2 * 7);
    mq_model_free(t.model);
    one_open(&t, "Gemm", 13);
    one_in(&t, MQ_FLOAT, "...");
    one_in(&t, MQ_FLOAT, "5,7");
    one_gives(&t, "float[?,7]");
    one_open(&t, "Gemm", 13);
    one_in(&t, MQ_FLOAT, "2,2,5");
    one_in(&t, MQ_FLOAT, "5,7");
    one_refused(&t, 1, "rank 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(einsum_shapes), cmocka_unit_test(einsum_ellipsis), cmocka_unit_test(einsum_garbage),
        cmocka_unit_test(einsum_macs),   cmocka_unit_test(matmul),          cmocka_unit_test(gemm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
