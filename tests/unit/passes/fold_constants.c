/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fold_constants, mq_pass_fold_dequantized;

/* An evaluator that knows Neg and DequantizeLinear without a zero point, enough to see what is folded. */
static mq_status evaluate(void *user, mq_node *n, mq_array *const *in, mq_array **out, mq_error *err)
{
    const bool neg = strcmp(n->op_type, "Neg") == 0;
    mq_status rc;

    (void)user;
    if (!neg && strcmp(n->op_type, "DequantizeLinear") != 0)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "not here");
    if ((rc = mq_array_create(&out[0], MQ_FLOAT, in[0]->rank, in[0]->dims, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < in[0]->count; i++)
        ((float *)out[0]->data)[i] = (float)(mq_array_f64(in[0], i) * (neg ? -1 : mq_array_f64(in[1], 0)));
    return MQ_OK;
}

static const mq_pass_ctx ctx = { .evaluate = evaluate, .fold_limit = 1000 };

static void chains_of_constants(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("k", MQ_FLOAT, "4");
    make_node(g, "Neg", "k", "a");
    make_node(g, "Neg", "a", "b");
    make_node(g, "Add", "x,b", "y");
    make_output(g, "y");
    pass_becomes_with(&mq_pass_fold_constants, &ctx, "Add", 0);
}

static void known_shapes(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "3,4");
    make_input(g, "z", MQ_FLOAT, "12");
    make_node(g, "Shape", "x", "shape");
    make_node(g, "Reshape", "z,shape", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_constants, "Reshape", 0);
}

static void dequantized_comes_last(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("q", MQ_INT8, "4");
    make_float("s", 0.5f);
    make_node(g, "DequantizeLinear", "q,s", "k");
    make_node(g, "Neg", "k", "a");
    make_node(g, "Add", "x,a", "y");
    make_output(g, "y");
    assert_int_equal(pass_apply(&mq_pass_fold_constants, &ctx), 0);
    pass_becomes_with(&mq_pass_fold_dequantized, &ctx, "Add", 0);
}

static void not_folded_when_much_larger(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,1000");
    make_random("q", MQ_INT8, "1000");
    make_float("s", 0.5f);
    make_node(g, "DequantizeLinear", "q,s", "k");
    make_node(g, "Add", "x,k", "y");
    make_output(g, "y");
    assert_int_equal(pass_apply(&mq_pass_fold_dequantized, &ctx), 0);
}

static void not_folded_when_the_evaluator_cannot(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("k", MQ_FLOAT, "4");
    make_node(g, "Exp", "k", "a");
    make_node(g, "Add", "x,a", "y");
    make_output(g, "y");
    assert_int_equal(pass_apply(&mq_pass_fold_constants, &ctx), 0);
}

static void not_folded_when_a_caller_may_override(void **state)
{
    (void)state;
    make_input(g, "k", MQ_FLOAT, "4");
    make_random("k", MQ_FLOAT, "4");
    make_node(g, "Neg", "k", "y");
    make_output(g, "y");
    assert_int_equal(pass_apply(&mq_pass_fold_constants, &ctx), 0);
}

static void not_folded_when_only_some_outputs_are_known(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,4,5,6");
    make_longs("two", "2", (const int64_t[]){ 2, 2 });
    make_node(g, "Shape", "x", "s");
    node_int(make_node(g, "Split", "s,two", "y,z"), "axis", 0);
    make_output(g, "y");
    make_output(g, "z");
    pass_leaves(&mq_pass_fold_constants);
}

static void all_outputs_of_a_split_are_folded(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "3,4,5,6");
    make_longs("two", "2", (const int64_t[]){ 2, 2 });
    make_node(g, "Shape", "x", "s");
    node_int(make_node(g, "Split", "s,two", "y,z"), "axis", 0);
    make_output(g, "y");
    make_output(g, "z");
    assert_true(pass_apply(&mq_pass_fold_constants, NULL) > 0);
    pass_ops("");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(chains_of_constants),
        ON_MODEL(known_shapes),
        ON_MODEL(dequantized_comes_last),
        ON_MODEL(not_folded_when_much_larger),
        ON_MODEL(not_folded_when_the_evaluator_cannot),
        ON_MODEL(not_folded_when_a_caller_may_override),
        ON_MODEL(not_folded_when_only_some_outputs_are_known),
        ON_MODEL(all_outputs_of_a_split_are_folded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
