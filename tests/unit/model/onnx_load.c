/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/model/onnx_load.c, onnx_read.c and onnx_info.c: what a file becomes in memory, and files that are no models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "graph_check.h"
#include "graph_make.h"
#include "model/onnx_info.h"
#include "model/save.h"
#include "mq/model.h"
#include "proto_make.h"
#include "scratch.h"

static void add_node(mq_str *graph, const char *op, const char *in, const char *out, mq_str *attr)
{
    mq_str node = { 0 };

    if (in)
        pb_text(&node, NODE_INPUT, in);
    if (out)
        pb_text(&node, NODE_OUTPUT, out);
    pb_text(&node, NODE_OP, op);
    if (attr)
        pb_message(&node, NODE_ATTR, attr);
    pb_message(graph, GRAPH_NODE, &node);
}

static void add_info(mq_str *graph, uint32_t field, const char *name)
{
    mq_str info = { 0 };

    pb_text(&info, 1, name);
    pb_message(graph, field, &info);
}

static mq_model *loaded(mq_str *bytes)
{
    mq_model *m = NULL;
    mq_error err = { 0 };

    scratch_put("model.onnx", bytes->s, bytes->n);
    mq_str_release(bytes);
    if (mq_model_load(&m, "model.onnx", &err) != MQ_OK)
        fail_msg("%s", err.text);
    graph_check(m);
    return m;
}

/* x -> Relu -> a -> If { Add(a, w) -> r } -> y, with the inner graph before the node that it reads from */
static mq_str with_branch(void)
{
    static const float w[2] = { 1, 2 };
    mq_str graph = { 0 }, attr = { 0 }, branch = { 0 }, t = pb_float_tensor("w", w, 2);

    add_node(&branch, "Add", "a", "r", NULL);
    pb_message(&branch, GRAPH_INIT, &t);
    add_info(&branch, GRAPH_OUTPUT, "r");
    add_info(&branch, GRAPH_OUTPUT, "a");
    pb_text(&attr, ATTR_NAME, "then_branch");
    pb_message(&attr, ATTR_G, &branch);
    pb_int(&attr, ATTR_TYPE, 5);
    add_node(&graph, "If", "x", "y", &attr);
    add_node(&graph, "Relu", "x", "a", NULL);
    pb_text(&graph, GRAPH_NAME, "g");
    add_info(&graph, GRAPH_INPUT, "x");
    add_info(&graph, GRAPH_OUTPUT, "y");
    return pb_model(&graph);
}

static void test_scopes(void **state)
{
    mq_str bytes = with_branch();
    mq_model *m = loaded(&bytes);
    const mq_value *a = mq_graph_find(m->graph, "a");

    (void)state;
    assert_int_equal(a->uses.n, 1); /* from inside, although it is written later */
    assert_int_equal(a->n_output_uses, 1);
    assert_string_equal(a->producer->op_type, "Relu");
    make_dump_is(m, "opset ai.onnx 17\n"
                    "input x ?\n"
                    "node '' If(x) -> y then_branch=(type 5, 1)\n"
                    "  then_branch:\n"
                    "    init w float[2]\n"
                    "    node '' Add(a) -> r\n"
                    "    output r ?\n"
                    "    output a ?\n"
                    "node '' Relu(x) -> a\n"
                    "output y ?\n");
    assert_int_equal(m->ir_version, 8);
    assert_int_equal(mq_onnx_n_metadata(m), 0);
    mq_model_free(m);
}

/* Names that nobody writes, or several write, are all there: the checker needs to see them. */
static void test_invalid_graphs_are_read(void **state)
{
    static const float w[1] = { 1 };
    mq_str graph = { 0 }, bytes, t;
    mq_model *m;

    (void)state;
    add_node(&graph, "Relu", "undefined", "y", NULL);
    add_node(&graph, "Relu", "x", "y", NULL);
    add_node(&graph, "Relu", "x", "x", NULL);
    add_node(&graph, "Relu", "y", "w", NULL);
    for (int i = 0; i < 2; i++) {
        t = pb_float_tensor("w", w, 1);
        pb_message(&graph, GRAPH_INIT, &t);
    }
    add_info(&graph, GRAPH_INPUT, "x");
    add_info(&graph, GRAPH_INPUT, "x");
    add_info(&graph, GRAPH_OUTPUT, "y");
    add_info(&graph, GRAPH_OUTPUT, "y");
    add_info(&graph, GRAPH_OUTPUT, "nowhere");
    bytes = pb_model(&graph);
    m = loaded(&bytes);
    assert_int_equal(m->graph->n_nodes, 4);
    assert_int_equal(m->graph->inits.n, 2);
    assert_int_equal(m->graph->inputs.n, 2);
    assert_int_equal(m->graph->outputs.n, 3);
    assert_null(mq_graph_find(m->graph, "undefined")->producer);
    mq_model_free(m);
}

static void test_metadata(void **state)
{
    mq_str graph = { 0 }, bytes, entry = { 0 };
    const char *key, *value;
    mq_model *m;

    (void)state;
    bytes = pb_model(&graph);
    pb_text(&entry, 1, "author");
    pb_text(&entry, 2, "someone");
    pb_message(&bytes, MODEL_METADATA, &entry);
    pb_text(&entry, 1, "empty");
    pb_message(&bytes, MODEL_METADATA, &entry);
    m = loaded(&bytes);
    assert_int_equal(mq_onnx_n_metadata(m), 2);
    mq_onnx_metadata(m, 0, &key, &value);
    assert_string_equal(key, "author");
    assert_string_equal(value, "someone");
    mq_onnx_metadata(m, 1, &key, &value);
    assert_string_equal(value, "");
    mq_model_free(m);
}

static void test_gzip_by_content(void **state)
{
    mq_str bytes = with_branch();
    gzFile gz = gzopen("packed.bin", "wb");
    mq_model *m = NULL;
    struct stat st;

    (void)state;
    assert_int_equal(gzwrite(gz, bytes.s, (unsigned)bytes.n), bytes.n);
    gzclose(gz);
    mq_str_release(&bytes);
    assert_int_equal(mq_model_load(&m, "packed.bin", NULL), MQ_OK);
    assert_int_equal(m->graph->n_nodes, 2);
    assert_int_equal(stat("packed.bin", &st), 0);
    assert_int_equal(m->file_bytes, st.st_size); /* as stored */
    mq_model_free(m);
}

static void test_from_a_descriptor(void **state)
{
    mq_str bytes = with_branch();
    mq_model *m = NULL;

    (void)state;
    scratch_put("model.onnx", bytes.s, bytes.n);
    mq_str_release(&bytes);
    assert_int_equal(mkdir("sub", 0755), 0);
    assert_int_equal(mq_model_load_fd(&m, open("model.onnx", O_RDONLY), "sub/shown.onnx", NULL), MQ_OK);
    assert_string_equal(m->path, "sub/shown.onnx");
    assert_string_equal(m->dir, "sub");
    mq_model_free(m);
    assert_int_equal(mq_model_load_fd(&m, open("model.onnx", O_RDONLY), "-", NULL), MQ_OK);
    assert_null(m->dir);
    mq_model_free(m);
    assert_int_equal(mq_model_load_fd(&m, open("model.onnx", O_RDONLY), "/top.onnx", NULL), MQ_OK);
    assert_string_equal(m->dir, "/");
    mq_model_free(m);
}

static void test_no_models(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        const char *text;
    } table[] = {
        { "", 0, "x.onnx: the file is empty" },
        { "\x12\x01p", 3, "x.onnx: not an ONNX model: it has no graph, IR version or opset" },
        { "version https://git-lfs", 23, "x.onnx: not a valid ONNX file: " },
        { "PK\3\4", 4, "x.onnx: not a valid ONNX file: " },
        { "\x1f\x8b\x08", 3, "x.onnx: the gzip data are corrupt or cut short" },
    };
    mq_model *m = NULL;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(table); i++) {
        mq_error err = { 0 };
        scratch_put("x.onnx", table[i].bytes, table[i].n);
        assert_int_equal(mq_model_load(&m, "x.onnx", &err), MQ_ERR_INPUT);
        assert_memory_equal(err.text, table[i].text, strlen(table[i].text));
        assert_null(m);
    }
}

/* An attribute without a type takes it from what is filled in. */
static void test_untyped_attributes(void **state)
{
    static const float w[1] = { 1 };
    mq_str graph = { 0 }, attr = { 0 }, bytes, t = pb_float_tensor("t", w, 1);
    mq_model *m;

    (void)state;
    pb_text(&attr, ATTR_NAME, "value");
    pb_message(&attr, ATTR_T, &t);
    add_node(&graph, "Constant", NULL, "c", &attr);
    bytes = pb_model(&graph);
    m = loaded(&bytes);
    assert_int_equal(m->graph->first->attrs[0]->type, MQ_ATTR_TENSOR);
    assert_non_null(mq_value_constant(mq_graph_find(m->graph, "c"), false));
    mq_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scopes),          cmocka_unit_test(test_invalid_graphs_are_read),
        cmocka_unit_test(test_metadata),        cmocka_unit_test(test_gzip_by_content),
        cmocka_unit_test(test_from_a_descriptor), cmocka_unit_test(test_no_models),
        cmocka_unit_test(test_untyped_attributes),
    };

    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
