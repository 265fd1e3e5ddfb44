/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/graph/dump.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "graph_make.h"

static void test_empty(void **state)
{
    mq_model *m = NULL;

    (void)state;
    assert_int_equal(mq_model_create(&m, NULL), MQ_OK);
    make_dump_is(m, "");
    mq_model_free(m);
}

static void test_whole_model(void **state)
{
    static const float w[6] = { 0 };
    mq_model *m = make_model(17);
    mq_graph *g = m->graph, *branch;
    mq_node *n;
    int64_t dim = 2;

    (void)state;
    mq_opset_set(m, "com.microsoft", 1, NULL);
    make_input(g, "x", MQ_FLOAT, "N,3");
    make_init(g, "w", MQ_FLOAT, "3,2", w);
    n = make_node(g, "Gemm", "x,w,-", "y");
    mq_node_set_attr_float(n, "alpha", 0.5f, NULL);
    mq_node_set_attr_int(n, "transB", 1, NULL);
    mq_node_set_attr_string(n, "mode", "plain", NULL);
    mq_node_set_attr_ints(n, "pads", (const int64_t[]){ 1, 2 }, 2, NULL);
    mq_node_set_attr_ints(n, "none", NULL, 0, NULL);
    mq_node_set_attr_tensor(n, "t", mq_tensor_create(m, "", MQ_INT8, 1, &dim, "ab"), NULL);
    n = mq_node_create(g, NULL, "com.microsoft", "Gelu", "");
    mq_node_set_input(n, 0, mq_graph_find(g, "y"), NULL);
    mq_node_set_output(n, 1, mq_value_create(g, "z"), NULL);
    n = make_node(g, "If", "x", "c");
    branch = make_subgraph(n, "then_branch");
    make_node(branch, "Relu", "y", "r");
    make_output(branch, "r");
    make_output(g, "c");
    make_dump_is(m, "opset ai.onnx 17\n"
                    "opset com.microsoft 1\n"
                    "input x float[N,3]\n"
                    "init w float[3,2]\n"
                    "node 'y' Gemm(x, w, -) -> y alpha=0.5 transB=1 mode='plain' pads=[1,2] none=[] t=int8[2]\n"
                    "node '' com.microsoft.Gelu(y) -> -, z\n"
                    "node 'c' If(x) -> c then_branch=(type 5, 1)\n"
                    "  then_branch:\n"
                    "    node 'r' Relu(y) -> r\n"
                    "    output r ?\n"
                    "output c ?\n");
    mq_model_free(m);
}

static void test_types(void **state)
{
    mq_dim dims[3] = { MQ_DIM(4), { .value = -1, .symbol = "n" }, MQ_DIM_UNKNOWN };
    mq_type tensor = { MQ_TYPE_TENSOR, MQ_FLOAT16, 3, dims, NULL }, scalar = { MQ_TYPE_TENSOR, MQ_INT64, 0, NULL, NULL };
    mq_type any = { MQ_TYPE_TENSOR, MQ_FLOAT, -1, NULL, NULL }, sparse = { MQ_TYPE_SPARSE_TENSOR, MQ_FLOAT, 1, dims, NULL };
    mq_type seq = { MQ_TYPE_SEQUENCE, MQ_UNDEFINED, -1, NULL, &tensor };
    mq_type opt = { MQ_TYPE_OPTIONAL, MQ_UNDEFINED, -1, NULL, &seq };
    mq_type map = { MQ_TYPE_MAP, MQ_STRING, -1, NULL, &any }, opaque = { MQ_TYPE_OPAQUE, MQ_UNDEFINED, -1, NULL, NULL };
    mq_type unknown = { MQ_TYPE_UNKNOWN, MQ_UNDEFINED, -1, NULL, NULL };
    const struct {
        const mq_type *t;
        const char *want;
    } table[] = {
        { NULL, "?" },          { &unknown, "?" },          { &tensor, "float16[4,n,?]" }, { &scalar, "int64[]" },
        { &any, "float[...]" }, { &sparse, "sparse float[4]" }, { &opt, "optional(seq(float16[4,n,?]))" },
        { &map, "map(string,float[...])" }, { &opaque, "opaque" },
    };
    char text[64];

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(table); i++) {
        mq_type_text(table[i].t, text, sizeof text);
        assert_string_equal(text, table[i].want);
    }
    mq_type_text(&tensor, text, 6);
    assert_string_equal(text, "float");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_whole_model),
        cmocka_unit_test(test_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
