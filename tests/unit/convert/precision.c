/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/convert/precision*.c: what computes in the new type, what stays float, and the Cast nodes between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../passes/pass_check.h"
#include "convert/precision.h"

static mq_precision p;

static void change_to(mq_dtype to)
{
    mq_error err = { 0 };

    p.to = to;
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    if (mq_precision_apply(m, &p, &err) != MQ_OK)
        fail_msg("%s", err.text);
    graph_check(m);
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    if (mq_model_verify(m, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static int setup(void **state)
{
    p = (mq_precision){ .keep_io = true };
    return pass_setup(state);
}

static int teardown(void **state)
{
    mq_precision_release(&p);
    return pass_teardown(state);
}

/* Outputs stay near when inputs and outputs keep their types. */
static void changes(mq_dtype to, const char *ops, double steps)
{
    pass_io before = { .n_in = 0 }, after;

    pass_run(&before);
    after = before;
    change_to(to);
    pass_ops(ops);
    pass_run(&after);
    pass_near(&before, &after, steps);
    pass_release(before.in, before.n_in);
    pass_release(before.out, before.n_out);
    pass_release(after.out, after.n_out);
}

static void a_chain_is_cast_at_its_ends(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_random("w", MQ_FLOAT, "4,3");
    make_node(g, "MatMul", "x,w", "a");
    make_node(g, "Relu", "a", "y");
    make_output(g, "y");
    changes(MQ_FLOAT16, "Cast MatMul Relu Cast", 0.01);
    assert_int_equal(mq_graph_find(g, "w")->init->dtype, MQ_FLOAT16);
    assert_int_equal(p.n_half, 2);
    assert_int_equal(p.items.n, 1);
    assert_true(p.items.items[0].sqnr > 60);
}

static void without_edges_the_types_change(void **state)
{
    (void)state;
    p.keep_io = false;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_node(g, "Relu", "x", "y");
    make_output(g, "y");
    change_to(MQ_BFLOAT16);
    pass_ops("Relu");
    assert_int_equal(mq_graph_find(g, "x")->declared->dtype, MQ_BFLOAT16);
    assert_true(mq_graph_find(g, "x")->redeclared);
}

static void a_constant_of_two_readers_is_there_twice(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "4");
    make_random("w", MQ_FLOAT, "4");
    make_node(g, "Add", "x,w", "a");
    make_node(g, "CumSum", "w,axis", "b");
    make_longs("axis", "", (const int64_t[]){ 0 });
    make_node(g, "Mul", "a,b", "y");
    make_output(g, "y");
    changes(MQ_FLOAT16, "Cast Add CumSum Cast Mul Cast", 0.02);
    assert_int_equal(mq_graph_find(g, "w")->init->dtype, MQ_FLOAT);
    assert_int_equal(mq_graph_find(g, "w_fp16")->init->dtype, MQ_FLOAT16);
}

static void a_value_of_two_readers_is_cast_once(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "4");
    make_longs("axis", "", (const int64_t[]){ 0 });
    make_node(g, "CumSum", "x,axis", "a");
    make_node(g, "Exp", "a", "b");
    make_node(g, "Neg", "a", "c");
    make_node(g, "Mul", "b,c", "y");
    make_output(g, "y");
    changes(MQ_FLOAT16, "CumSum Cast Exp Neg Mul Cast", 0.2);
}

static void not_changed_when_a_constant_overflows(void **state)
{
    const float least = -3.4e38f;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_init(g, "least", MQ_FLOAT, "", &least);
    make_node(g, "Relu", "x", "r");
    make_node(g, "Mul", "r,least", "a");
    make_node(g, "Softmax", "a", "s");
    make_node(g, "Neg", "s", "y");
    make_output(g, "y");
    changes(MQ_FLOAT16, "Cast Relu Cast Mul Softmax Cast Neg Cast", 0.01);
    assert_int_equal(p.items.n, 1);
    assert_string_equal(p.items.items[0].code, "overflow");
}

static void not_changed_when_a_constant_is_lost(void **state)
{
    const float tiny = 1e-12f;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "4");
    make_init(g, "tiny", MQ_FLOAT, "", &tiny);
    make_node(g, "Add", "x,tiny", "a");
    make_node(g, "Neg", "a", "y");
    make_output(g, "y");
    changes(MQ_FLOAT16, "Add Cast Neg Cast", 0.01);
    assert_string_equal(p.items.items[0].code, "flush");
}

static void not_changed_when_values_were_seen_outside(void **state)
{
    double range[2] = { 1, 1e6 };
    mq_map seen = { 0 };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "4");
    make_node(g, "Exp", "x", "a");
    make_node(g, "Log", "a", "b");
    make_node(g, "Neg", "b", "y");
    make_output(g, "y");
    assert_true(mq_map_put(&seen, "a", range));
    p.seen = &seen;
    changes(MQ_FLOAT16, "Exp Log Cast Neg Cast", 0.01);
    assert_int_equal(p.outside.n, 1);
    assert_string_equal(p.outside.items[0].value->name, "a");
    assert_true(p.outside.items[0].overflows);
    mq_map_release(&seen);
}

static void an_output_that_was_seen_outside_stays_float(void **state)
{
    double range[2] = { 1, 1e6 };
    mq_map seen = { 0 };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "4");
    make_node(g, "Neg", "x", "a");
    make_node(g, "Exp", "a", "y");
    make_output(g, "y");
    assert_true(mq_map_put(&seen, "y", range));
    p.seen = &seen;
    changes(MQ_FLOAT16, "Cast Neg Cast Exp", 0.01); /* the first makes the input of float, for the run */
    mq_map_release(&seen);
}

static void not_changed_when_excluded(void **state)
{
    static const char *const names[] = { "Neg" };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "4");
    make_node(g, "Exp", "x", "a");
    make_node(g, "Neg", "a", "y");
    make_output(g, "y");
    assert_int_equal(mq_which_create(&p.which, &(mq_which_names){ .exclude_op_types = { names, 1 } }, m, NULL), MQ_OK);
    changes(MQ_FLOAT16, "Cast Exp Cast Neg", 0.05);
    mq_which_free(p.which);
}

static void not_changed_when_integers_become_floats(void **state)
{
    (void)state;
    make_input(g, "x", MQ_INT64, "4");
    node_int(make_node(g, "Cast", "x", "a"), "to", MQ_FLOAT);
    make_node(g, "Neg", "a", "y");
    make_output(g, "y");
    changes(MQ_FLOAT16, "Cast Neg Cast", 0); /* the float between them is left out */
    assert_int_equal(mq_node_attr_int(g->first, "to", 0), MQ_FLOAT16);
}

static void what_cast_is_of_is_imported(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_node(g, "Gelu", "x", "y")->domain = "com.microsoft";
    make_output(g, "y");
    m->opsets.n = 0;
    assert_int_equal(mq_opset_set(m, "com.microsoft", 1, NULL), MQ_OK);
    change_to(MQ_FLOAT16);
    assert_int_equal(p.n_casts, 2);
    assert_int_equal(mq_opset_of(g, ""), 13);
}

static void not_changed_where_cast_takes_names(void **state)
{
    mq_error err = { 0 };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "4");
    make_node(g, "Relu", "x", "y");
    make_output(g, "y");
    m->opsets.n = 0;
    assert_int_equal(mq_opset_set(m, "", 5, NULL), MQ_OK);
    p.to = MQ_FLOAT16;
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_precision_apply(m, &p, &err), MQ_ERR_UNSUPPORTED);
}

static void nothing_to_change(void **state)
{
    mq_error err = { 0 };

    (void)state;
    make_input(g, "x", MQ_INT64, "4");
    make_node(g, "Neg", "x", "y");
    make_output(g, "y");
    p.to = MQ_FLOAT16;
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_precision_apply(m, &p, &err), MQ_ERR_UNSUPPORTED);
}

static void and_back_again(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,4");
    make_random("w", MQ_FLOAT, "4,3");
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "y");
    changes(MQ_FLOAT16, "Cast MatMul Cast", 0.01);
    mq_precision_release(&p);
    changes(MQ_FLOAT, "Cast MatMul Cast", 0.01);
    assert_int_equal(mq_graph_find(g, "w")->init->dtype, MQ_FLOAT);
    assert_int_equal(mq_node_attr_int(g->first, "to", 0), MQ_FLOAT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_chain_is_cast_at_its_ends),
        TEST(without_edges_the_types_change),
        TEST(a_constant_of_two_readers_is_there_twice),
        TEST(a_value_of_two_readers_is_cast_once),
        TEST(not_changed_when_a_constant_overflows),
        TEST(not_changed_when_a_constant_is_lost),
        TEST(not_changed_when_values_were_seen_outside),
        TEST(an_output_that_was_seen_outside_stays_float),
        TEST(not_changed_when_excluded),
        TEST(not_changed_when_integers_become_floats),
        TEST(what_cast_is_of_is_imported),
        TEST(not_changed_where_cast_takes_names),
        TEST(nothing_to_change),
        TEST(and_back_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
