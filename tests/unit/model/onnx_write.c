/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/model/onnx_write.c: which tensors lie inside and which outside, where, and that edits are written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/clone.h"
#include "proto_make.h"
#include "save_make.h"

/* ---- external ------------------------------------------------------------------------------------------------------ */

static void test_one_file(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_saved sizes = { 0 };
    mq_model *got;
    struct stat st;

    (void)state;
    made("q", 100000, make_pattern);
    made("r", 1500, make_pattern);
    save_as(m, "a.onnx", &o, &sizes);
    assert_int_equal(scratch_count("."), 2);
    got = load("a.onnx");
    assert_null(where(got, "small"));
    assert_string_equal(where(got, "w")->location, "a.onnx.data");
    assert_int_equal(where(got, "w")->offset, 0);
    assert_int_equal(where(got, "w")->length, 4000);
    assert_int_equal(where(got, "q")->offset, 4096); /* large ones begin a page */
    assert_int_equal(where(got, "r")->offset, 104128); /* others at multiples of 64 */
    assert_int_equal(where(got, "r")->offset % 64, 0);
    holds(got, "w", 'f');
    holds(got, "q", 'm');
    holds(got, "r", 'm');
    assert_int_equal(stat("a.onnx.data", &st), 0);
    assert_int_equal(st.st_size, 104128 + 1500);
    assert_int_equal(sizes.data_bytes, st.st_size);
    assert_true(got->had_external);
    mq_model_free(got);
}

static void test_threshold(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 4000);
    mq_model *got;

    (void)state;
    save_as(m, "at.onnx", &o, NULL);
    o.external_threshold = 4001;
    save_as(m, "above.onnx", &o, NULL);
    o.external_threshold = 0;
    save_as(m, "all.onnx", &o, NULL);
    got = load("at.onnx");
    assert_non_null(where(got, "w"));
    assert_null(where(got, "small"));
    mq_model_free(got);
    got = load("above.onnx");
    assert_null(where(got, "w"));
    mq_model_free(got);
    got = load("all.onnx");
    assert_non_null(where(got, "small"));
    mq_model_free(got);
    assert_int_equal(access("above.onnx.data", F_OK), -1); /* no empty file */
}

static void test_file_of_a_given_name(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    static const char *const bad[] = { "sub/w.bin", "/w.bin", "..", ".", "", "w/" };
    mq_error err = { 0 };
    mq_model *got;

    (void)state;
    o.external_file = "weights.bin";
    assert_int_equal(mkdir("out", 0755), 0);
    save_as(m, "out/a.onnx", &o, NULL);
    got = load("out/a.onnx");
    assert_string_equal(where(got, "w")->location, "weights.bin");
    holds(got, "w", 'f');
    mq_model_free(got);
    assert_int_equal(scratch_count("out"), 2);
    for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++) {
        o.external_file = bad[i];
        assert_int_equal(mq_model_save(m, "b.onnx", &o, NULL, NULL, &err), MQ_ERR_USAGE);
    }
    assert_string_equal(err.text, "external data file 'w/': it lies beside the model, so give a name without a folder");
}

/* The model and its data cannot be one file. */
static void test_file_of_the_models_name(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_error err = { 0 };

    (void)state;
    o.external_file = "a.onnx";
    assert_int_equal(mq_model_save(m, "a.onnx", &o, NULL, NULL, &err), MQ_ERR_USAGE);
    assert_non_null(strstr(err.text, "'a.onnx'"));
    assert_int_equal(scratch_count("."), 0);
}

static void test_file_per_tensor(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_PER_TENSOR, 1024);
    mq_model *got;

    (void)state;
    made("layer/0:q *", 2000, make_pattern);
    made("layer_0_q__", 2000, make_pattern); /* the same once made safe: told apart by the number */
    save_as(m, "a.onnx", &o, NULL);
    assert_int_equal(scratch_count("."), 4);
    got = load("a.onnx");
    assert_string_equal(where(got, "w")->location, "a.onnx.0.w.data");
    assert_string_equal(where(got, "layer/0:q *")->location, "a.onnx.1.layer_0_q__.data");
    assert_string_equal(where(got, "layer_0_q__")->location, "a.onnx.2.layer_0_q__.data");
    holds(got, "layer/0:q *", 'm');
    holds(got, "layer_0_q__", 'm');
    holds(got, "w", 'f');
    mq_model_free(got);
}

/* By itself a model stays as it is: what lay outside stays there, what was inside stays inside; new large tensors follow. */
static void test_auto_keeps_what_there_is(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024), automatic = with(MQ_EXTERNAL_AUTO, 1024);
    mq_save_opts none = with(MQ_EXTERNAL_NONE, 0);
    mq_model *got, *again;

    (void)state;
    save_as(m, "a.onnx", &o, NULL);
    got = load("a.onnx");
    mq_model_free(m);
    m = got;
    made("q", 2000, make_pattern);
    save_as(m, "b.onnx", &automatic, NULL);
    again = load("b.onnx");
    assert_string_equal(where(again, "w")->location, "b.onnx.data");
    assert_string_equal(where(again, "q")->location, "b.onnx.data");
    assert_null(where(again, "small"));
    holds(again, "w", 'f');
    holds(again, "q", 'm');
    mq_model_free(again);
    save_as(m, "c.onnx", &none, NULL);
    assert_int_equal(access("c.onnx.data", F_OK), -1);
    again = load("c.onnx");
    assert_null(where(again, "w"));
    holds(again, "w", 'f');
    holds(again, "q", 'm');
    mq_model_free(again);
}

static void test_pair_onto_its_own_input(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_model *got;

    (void)state;
    save_as(m, "a.onnx", &o, NULL);
    save_as(m, "b.onnx", &o, NULL);
    got = load("a.onnx");
    o.external = MQ_EXTERNAL_AUTO;
    save_as(got, "a.onnx", &o, NULL);
    mq_model_free(got);
    same_files("a.onnx.data", "b.onnx.data");
    got = load("a.onnx");
    holds(got, "w", 'f');
    mq_model_free(got);
    assert_int_equal(scratch_count("."), 4);
}

static void test_data_file_exists(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_error err = { 0 };

    (void)state;
    o.force = false;
    scratch_put_text("a.onnx.data", "someone else's");
    assert_int_equal(mq_model_save(m, "a.onnx", &o, NULL, NULL, &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, "output 'a.onnx.data' exists (-f replaces it)");
    scratch_has("a.onnx.data", "someone else's");
    assert_int_equal(scratch_count("."), 1);
}

static void test_empty_and_strings(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 0);
    mq_model *got;

    (void)state;
    made("empty", 0, make_pattern);
    save_as(m, "a.onnx", &o, NULL);
    got = load("a.onnx");
    assert_int_equal(mq_tensor_count(mq_graph_find(got->graph, "empty")->init), 0);
    holds(got, "empty", 'm');
    mq_model_free(got);
}

static void test_external_to_standard_output(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_error err = { 0 };

    (void)state;
    assert_int_equal(mq_model_save(m, "-", &o, NULL, NULL, &err), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "external data cannot go to standard output"));
}

/* ---- what was changed ---------------------------------------------------------------------------------------------- */

static void test_edits_are_written(void **state)
{
    mq_model *got;
    mq_node *n;

    (void)state;
    save_as(m, "a.onnx", NULL, NULL);
    mq_model_free(m);
    m = load("a.onnx");
    assert_int_equal(mq_value_rename(mq_graph_find(m->graph, "x"), "input", NULL), MQ_OK);
    assert_int_equal(mq_value_rename(mq_graph_find(m->graph, "w"), "weight", NULL), MQ_OK);
    assert_int_equal(mq_opset_set(m, "", 21, NULL), MQ_OK);
    assert_int_equal(mq_opset_set(m, "com.microsoft", 1, NULL), MQ_OK);
    n = make_node(m->graph, "Transpose", "y", "z");
    assert_int_equal(mq_node_set_attr_ints(n, "perm", (const int64_t[]){ 1, 0 }, 2, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_string(n, "s", "text", NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_float(n, "f", 2.5f, NULL), MQ_OK);
    make_type(make_output(m->graph, "z"), MQ_FLOAT, "100,N");
    mq_value_clear_init(mq_graph_find(m->graph, "small"));
    save_as(m, "b.onnx", NULL, NULL);
    got = load("b.onnx");
    make_dump_is(got, "opset ai.onnx 21\n"
                      "opset com.microsoft 1\n"
                      "input input float[N,10]\n"
                      "init weight float[10,100]\n"
                      "node 'y' MatMul(input, weight) -> y\n"
                      "node 'z' Transpose(y) -> z perm=[1,0] s='text' f=2.5\n"
                      "output y float[N,100]\n"
                      "output z float[100,N]\n");
    holds(got, "weight", 'f');
    mq_model_free(got);
}

enum { ATTR_F = 2, ATTR_REF = 21, NODE_DOMAIN = 7, MODEL_FUNCTION = 25, FUNCTION_NAME = 1, FUNCTION_INPUT = 4,
       FUNCTION_OUTPUT = 5, FUNCTION_ATTR = 6, FUNCTION_NODE = 7, FUNCTION_OPSET = 9, FUNCTION_DOMAIN = 10,
       VALUE_NAME = 1, A_FLOAT = 1 };

/* op(x) -> y with an attribute: a reference to another, or 0.25. */
static mq_str pb_node(const char *domain, const char *op, const char *x, const char *y, const char *attr, const char *ref)
{
    mq_str n = { 0 }, a = { 0 };

    pb_text(&n, NODE_INPUT, x);
    pb_text(&n, NODE_OUTPUT, y);
    pb_text(&n, NODE_OP, op);
    pb_text(&n, NODE_DOMAIN, domain);
    pb_text(&a, ATTR_NAME, attr);
    pb_int(&a, ATTR_TYPE, A_FLOAT);
    if (ref)
        pb_text(&a, ATTR_REF, ref);
    else
        pb_fixed32(&a, ATTR_F, 0x3e800000);
    pb_message(&n, NODE_ATTR, &a);
    return n;
}

static mq_str pb_named(uint32_t field, const char *name)
{
    mq_str s = { 0 };

    pb_text(&s, field, name);
    return s;
}

static mq_str pb_import(const char *domain, uint64_t version)
{
    mq_str s = pb_named(OPSET_DOMAIN, domain);

    pb_int(&s, OPSET_VERSION, version);
    return s;
}

/* y = local.Leaky(x, slope = 0.25), where local.Leaky(a) -> b is LeakyRelu(a, alpha = @slope) */
static void put_leaky(const char *path)
{
    mq_str f = pb_named(FUNCTION_NAME, "Leaky"), g = { 0 }, model, part;

    pb_text(&f, FUNCTION_INPUT, "a");
    pb_text(&f, FUNCTION_OUTPUT, "b");
    pb_text(&f, FUNCTION_ATTR, "slope");
    pb_message(&f, FUNCTION_NODE, (part = pb_node("", "LeakyRelu", "a", "b", "alpha", "slope"), &part));
    pb_message(&f, FUNCTION_OPSET, (part = pb_import("", 17), &part));
    pb_text(&f, FUNCTION_DOMAIN, "local");
    pb_message(&g, GRAPH_NODE, (part = pb_node("local", "Leaky", "x", "y", "slope", NULL), &part));
    pb_text(&g, GRAPH_NAME, "g");
    pb_message(&g, GRAPH_INPUT, (part = pb_named(VALUE_NAME, "x"), &part));
    pb_message(&g, GRAPH_OUTPUT, (part = pb_named(VALUE_NAME, "y"), &part));
    model = pb_model(&g);
    pb_message(&model, MODEL_OPSET, (part = pb_import("local", 1), &part));
    pb_message(&model, MODEL_FUNCTION, &f);
    scratch_put(path, model.s, model.n);
    mq_str_release(&model);
}

/* What the call names for the function is written under the name that the node has for it. */
static void test_attribute_of_a_call(void **state)
{
    mq_model *read, *got;
    const mq_node *n;

    (void)state;
    put_leaky("a.onnx");
    read = load("a.onnx");
    assert_int_equal(mq_model_inline_functions(read, NULL, NULL), MQ_OK);
    save_as(read, "b.onnx", NULL, NULL);
    got = load("b.onnx");
    for (n = got->graph->first; n && strcmp(n->op_type, "LeakyRelu") != 0;)
        n = n->next;
    assert_non_null(n);
    assert_int_equal(n->n_attrs, 1);
    assert_true(mq_node_attr_float(n, "alpha", 0) == 0.25f);
    mq_model_free(got);
    mq_model_free(read);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_one_file),
        IN_SCRATCH(test_threshold),
        IN_SCRATCH(test_file_of_a_given_name),
        IN_SCRATCH(test_file_of_the_models_name),
        IN_SCRATCH(test_file_per_tensor),
        IN_SCRATCH(test_auto_keeps_what_there_is),
        IN_SCRATCH(test_pair_onto_its_own_input),
        IN_SCRATCH(test_data_file_exists),
        IN_SCRATCH(test_empty_and_strings),
        IN_SCRATCH(test_external_to_standard_output),
        IN_SCRATCH(test_edits_are_written),
        IN_SCRATCH(test_attribute_of_a_call),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
