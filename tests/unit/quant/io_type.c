/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/io_type.c: which inputs and outputs become integers, and what is refused. */
#include "quant/io_type.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "quant_make.h"

#define SET(...)                                                                     \
    do {                                                                             \
        static const char *const list[] = { __VA_ARGS__ };                           \
        opts.io_types = (mq_names){ list, sizeof list / sizeof *list };              \
    } while (0)

static int setup(void **state)
{
    quant_setup(state);
    opts.mode = MQ_MODE_STATIC;
    make_input(g, "x", MQ_FLOAT, "N,8");
    make_input(g, "ids", MQ_INT64, "N,8");
    make_input(g, "half", MQ_FLOAT16, "N,8");
    make_weight(g, "w", "8,32");
    make_node(g, "MatMul", "x,w", "y");
    make_node(g, "Relu", "y", "z");
    make_node(g, "Identity", "ids", "k");
    make_node(g, "Identity", "half", "h");
    make_output(g, "y");
    make_output(g, "z");
    make_output(g, "k");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    return 0;
}

static mq_status find(mq_value_vec *out, mq_error *err)
{
    *out = (mq_value_vec){ 0 };
    return mq_io_types_find(&opts, g, out, err);
}

/* The names, with blanks between. */
static void finds(const char *want)
{
    mq_value_vec found;
    mq_error err = { 0 };
    char got[200] = "";

    if (find(&found, &err) != MQ_OK)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < found.n; i++) {
        strcat(got, i ? " " : "");
        strcat(got, found.items[i]->name);
    }
    assert_string_equal(got, want);
}

static void refuses(const char *want)
{
    mq_value_vec found;
    mq_error err = { 0 };

    assert_int_equal(find(&found, &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, want);
}

static void test_which(void **state)
{
    (void)state;
    finds("");
    mq_graph_remove_input(g, mq_graph_find(g, "half"));
    SET("uint8");
    finds("x y z");
    SET("float");
    finds("");
    SET("x=uint8");
    finds("x");
    SET("y=float", "uint8", "x=uint8", "x=float");
    finds("z");
    SET("uint8", "float", "z=uint8");
    finds("z");
}

static void test_refused(void **state)
{
    (void)state;
    SET("uint8");
    refuses("--io-type uint8: input 'half' is float16[N,8]: only float tensors are quantized");
    SET("ids=uint8");
    refuses("--io-type uint8: input 'ids' is int64[N,8]: only float tensors are quantized");
    SET("k=uint8");
    refuses("--io-type uint8: output 'k' is int64[N,8]: only float tensors are quantized");
    SET("xx=uint8");
    refuses("--io-type: the model has no input or output 'xx' (did you mean 'x'?)");
    make_input(g, "idle", MQ_FLOAT, "N");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    SET("idle=uint8");
    refuses("--io-type uint8: input 'idle' goes through no operator");
    make_output(g, "w");
    SET("w=uint8");
    refuses("--io-type uint8: output 'w' holds a constant");
}

static void test_nothing_is_float(void **state)
{
    (void)state;
    while (g->inputs.n)
        mq_graph_remove_input(g, g->inputs.items[0]);
    while (g->outputs.n)
        g->outputs.items[--g->outputs.n]->n_output_uses--;
    SET("uint8");
    refuses("--io-type uint8: no input or output of the model is float");
}

static void applied(mq_status want, const char *text)
{
    mq_error err = { 0 };

    assert_int_equal(mq_io_types_apply(&opts, &err), want);
    assert_string_equal(err.text, text);
}

static void test_against_options(void **state)
{
    (void)state;
    SET("float");
    opts.mode = MQ_MODE_WEIGHT;
    applied(MQ_OK, "");
    assert_null(opts.act_type);
    SET("x=int8");
    applied(MQ_ERR_USAGE, "--io-type x=int8 is for --mode static, which --data implies: only calibration tells what the "
                          "integers stand for");
    opts.mode = MQ_MODE_STATIC;
    applied(MQ_OK, "");
    assert_string_equal(opts.act_type, "int8"); /* follows */
    SET("x=int8", "uint8");
    applied(MQ_ERR_USAGE, "--io-type uint8: activations are int8, and inputs and outputs are activations: one type for all");
    SET("fp16");
    applied(MQ_ERR_USAGE, "--io-type fp16: quantized inputs and outputs are int8, uint8, int16 or uint16; float leaves "
                          "them");
    SET("x=");
    applied(MQ_ERR_USAGE, "--io-type x=: quantized inputs and outputs are int8, uint8, int16 or uint16; float leaves them");
}

#define FINDING(test) cmocka_unit_test_setup_teardown(test, setup, quant_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FINDING(test_which), FINDING(test_refused), FINDING(test_nothing_is_float), FINDING(test_against_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
