/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/check.c, check_functions.c, check_types.c and targets.c: one rule each. That the verdict is ONNX's
 * own, over thousands of models, is tests/conformance/check_agrees.py's to show. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ops/check.h"
#include "ops/targets.h"

static mq_model *m;
static mq_findings fs;

static void add_import(mq_opset_vec *imports, const char *domain, int64_t version)
{
    const mq_opset o = { .domain = domain, .version = version };

    assert_true(mq_vec_push_in(m->arena, imports, o));
}

static int setup(void **state)
{
    (void)state;
    fs = (mq_findings){ 0 };
    if (mq_model_create(&m, NULL) != MQ_OK)
        return -1;
    m->has_ir_version = true;
    m->ir_version = 8;
    m->graph = mq_graph_create(m, NULL, NULL, "main");
    add_import(&m->opsets, "", 13);
    return m->graph ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mq_findings_release(&fs);
    mq_model_free(m);
    return 0;
}

static mq_value *value(mq_graph *g, const char *name)
{
    mq_value *v = mq_graph_find(g, name);

    v = v ? v : mq_value_create(g, name);
    assert_non_null(v);
    return v;
}

static mq_value *input(const char *name, mq_dtype dtype, int rank, const mq_dim *dims)
{
    mq_value *v = value(m->graph, name);

    assert_int_equal(mq_graph_add_input(m->graph, v, NULL), MQ_OK);
    v->declared = mq_type_create(m, MQ_TYPE_TENSOR, dtype, rank, dims);
    return v;
}

/* out = Op(inputs...); names up to NULL, "" is absent. */
static mq_node *node_in(mq_graph *g, const char *domain, const char *op, const char *out, const char *const *in)
{
    mq_node *n = mq_node_create(g, NULL, domain, op, "n");

    assert_non_null(n);
    for (size_t i = 0; in[i]; i++)
        assert_int_equal(mq_node_set_input(n, i, *in[i] ? value(g, in[i]) : NULL, NULL), MQ_OK);
    assert_int_equal(mq_node_set_output(n, 0, value(g, out), NULL), MQ_OK);
    return n;
}

#define NODE(op, out, ...) node_in(m->graph, "", op, out, (const char *const[]){ __VA_ARGS__, NULL })

static const char *find(void)
{
    mq_findings_release(&fs);
    assert_int_equal(mq_check_operators(m, &fs, NULL), MQ_OK);
    return fs.list.n ? fs.list.items[0].code : "";
}

static const char *find_for(const char *target)
{
    mq_findings_release(&fs);
    assert_int_equal(mq_check_types(m, &fs, NULL), MQ_OK);
    assert_int_equal(mq_check_target(m, mq_target_find(target), &fs, NULL), MQ_OK);
    return fs.list.n ? fs.list.items[0].code : "";
}

static void versions(void **state)
{
    (void)state;
    assert_string_equal(find(), "");
    m->ir_version = 15;
    assert_string_equal(find(), "ir-version");
    m->ir_version = 2; /* had no imports yet */
    assert_string_equal(find(), "ir-version");
    m->has_ir_version = false;
    m->ir_version = 0;
    assert_string_equal(find(), "ir-version");
    m->has_ir_version = true;
    m->ir_version = 8;
    add_import(&m->opsets, "ai.onnx", 13);
    assert_string_equal(find(), "opset-duplicate");
    assert_int_equal(fs.n_errors, 0);
    m->opsets.items[1].domain = "com.example";
    m->opsets.items[1].version = INT64_C(1) << 40;
    assert_string_equal(find(), "opset-version");
    assert_int_equal(fs.n_errors, 1);
    m->opsets.n = 0;
    assert_string_equal(find(), "opset-missing");
}

static void operators(void **state)
{
    mq_node *n;

    (void)state;
    n = NODE("Relu", "y", "x");
    assert_string_equal(find(), "");
    n->op_type = "NoSuchOp";
    assert_string_equal(find(), "op-unknown");
    n->op_type = "Gelu"; /* came with 20 */
    assert_string_equal(find(), "op-unknown");
    assert_non_null(strstr(fs.list.items[0].text, "20"));
    n->op_type = "Scatter";
    assert_string_equal(find(), "op-deprecated");
    n->op_type = "ATen";
    assert_string_equal(find(), "op-experimental");
    assert_int_equal(fs.n_errors, 0);
    n->op_type = "";
    assert_string_equal(find(), "op-unknown");
    n->op_type = "Relu";
    n->domain = "ai.onnx";
    assert_string_equal(find(), "op-domain");
    n->domain = "com.example";
    assert_string_equal(find(), "op-domain");
    add_import(&m->opsets, "com.example", 1);
    assert_string_equal(find(), ""); /* nobody knows this domain */
}

static void default_domain_may_be_imported_by_its_long_name(void **state)
{
    (void)state;
    m->opsets.items[0].domain = "ai.onnx";
    NODE("Relu", "y", "x");
    assert_string_equal(find(), "");
}

static void counts(void **state)
{
    mq_node *n;

    (void)state;
    NODE("Relu", "a", "x", "x");
    assert_string_equal(find(), "op-inputs");
    mq_node_remove(m->graph->first);
    NODE("Gemm", "b", "x", "");
    assert_string_equal(find(), "op-inputs"); /* the second is required */
    mq_node_remove(m->graph->first);
    NODE("Clip", "c", "x", "", "x");
    assert_string_equal(find(), "");
    n = NODE("BatchNormalization", "d", "x", "x", "x", "x", "x");
    assert_string_equal(find(), "");
    assert_int_equal(mq_node_set_output(n, 1, value(m->graph, "e"), NULL), MQ_OK);
    assert_string_equal(find(), "op-outputs"); /* 1 or all 5 */
}

static void attributes(void **state)
{
    mq_node *n;

    (void)state;
    n = NODE("Concat", "y", "x", "x");
    assert_string_equal(find(), "attr-missing");
    assert_int_equal(mq_node_set_attr_float(n, "axis", 1, NULL), MQ_OK);
    assert_string_equal(find(), "attr-type");
    mq_node_remove_attr(n, "axis");
    assert_int_equal(mq_node_set_attr_int(n, "axis", 1, NULL), MQ_OK);
    assert_string_equal(find(), "");
    assert_int_equal(mq_node_set_attr_int(n, "__note", 1, NULL), MQ_OK);
    assert_string_equal(find(), "");
    assert_int_equal(mq_node_set_attr_int(n, "colour", 1, NULL), MQ_OK);
    assert_string_equal(find(), "attr-unknown");
    n->attrs[2]->name = "axis";
    assert_string_equal(find(), "attr-duplicate");
}

static void extensions_are_only_warned_of(void **state)
{
    (void)state;
    add_import(&m->opsets, "com.microsoft", 1);
    node_in(m->graph, "com.microsoft", "FusedMatMul", "y", (const char *const[]){ "x", NULL });
    assert_string_equal(find(), "op-inputs");
    assert_int_equal(fs.n_errors, 0);
}

/* ---- functions ---------------------------------------------------------------------------------------------------- */

static mq_function *function(const char *name)
{
    mq_function *f = mq_arena_alloc(m->arena, sizeof *f);

    *f = (mq_function){ .domain = "local", .name = name, .overload = "", .body = mq_graph_create(m, NULL, NULL, "") };
    f->body->function = f;
    add_import(&f->opsets, "", 13);
    add_import(&f->opsets, "local", 1);
    assert_int_equal(mq_graph_add_input(f->body, value(f->body, "x"), NULL), MQ_OK);
    assert_int_equal(mq_model_add_function(m, f, NULL), MQ_OK);
    return f;
}

static mq_node *body_node(mq_function *f, const char *domain, const char *op)
{
    mq_node *n = node_in(f->body, domain, op, "y", (const char *const[]){ "x", NULL });

    assert_int_equal(mq_graph_add_output(f->body, value(f->body, "y"), NULL), MQ_OK);
    return n;
}

static void functions(void **state)
{
    mq_function *f, *g;
    mq_node *n;

    (void)state;
    f = function("F");
    n = body_node(f, "", "Relu");
    assert_string_equal(find(), "");
    f->opsets.items[0].version = 14; /* Relu changed with 14 */
    assert_string_equal(find(), "function-opset");
    n->op_type = "Ceil"; /* did not */
    assert_string_equal(find(), "");
    g = function("F");
    body_node(g, "", "Ceil");
    assert_string_equal(find(), "function-duplicate");
    g->name = "";
    assert_string_equal(find(), "function-name");
    g->name = "G";
    g->body->first->domain = "local";
    g->body->first->op_type = "F";
    assert_string_equal(find(), "");
    n->domain = "local";
    n->op_type = "G";
    assert_string_equal(find(), "function-cycle");
    m->ir_version = 7; /* has no functions */
    assert_string_equal(find(), "");
}

static void calls(void **state)
{
    (void)state;
    body_node(function("F"), "", "Relu");
    add_import(&m->opsets, "local", 1);
    node_in(m->graph, "local", "F", "y", (const char *const[]){ "x", "x", NULL });
    assert_string_equal(find(), "function-call");
    assert_int_equal(fs.n_errors, 0);
}

/* ---- types and targets -------------------------------------------------------------------------------------------- */

static void types(void **state)
{
    const mq_dim dims[] = { MQ_DIM(2), MQ_DIM(3) };

    (void)state;
    input("f", MQ_FLOAT, 2, dims);
    input("i", MQ_INT64, 2, dims);
    NODE("Add", "ok", "f", "f");
    assert_string_equal(find_for("onnx"), "");
    NODE("Add", "bad", "f", "i");
    assert_string_equal(find_for("onnx"), "type");
    assert_int_equal(fs.n_errors, 0);
    assert_string_equal(find_for("onnxruntime"), "type");
    assert_int_equal(fs.n_errors, 1);
}

static void targets(void **state)
{
    const mq_dim dims[] = { MQ_DIM_UNKNOWN };

    (void)state;
    input("x", MQ_FLOAT, 1, dims);
    NODE("Unique", "y", "x");
    assert_string_equal(find_for("onnx"), "");
    assert_string_equal(find_for("onnxruntime"), "");
    assert_string_equal(find_for("tensorrt"), "target-op");
    assert_string_equal(find_for("portable"), "target-op");
    assert_string_equal(find_for("c"), "target-shape");
    m->opsets.items[0].version = 27;
    assert_string_equal(find_for("onnxruntime"), "target-opset");
    m->opsets.items[0].version = 13;
    m->ir_version = 14;
    assert_string_equal(find_for("onnxruntime"), "target-ir");
}

static void target_types_and_domains(void **state)
{
    const mq_dim dims[] = { MQ_DIM(1) };

    (void)state;
    input("x", MQ_BFLOAT16, 1, dims);
    NODE("Abs", "y", "x");
    assert_string_equal(find_for("onnxruntime"), "target-type");
    mq_node_remove(m->graph->first);
    node_in(m->graph, "com.example", "Op", "z", (const char *const[]){ "x", NULL });
    assert_string_equal(find_for("onnx"), "");
    assert_string_equal(find_for("onnxruntime"), "target-domain");
}

static void tensorrt_wants_zero_points_of_zero(void **state)
{
    const uint8_t points[] = { 0, 7 };
    const int64_t dims[] = { 2 };
    mq_value *zero = value(m->graph, "zp");

    (void)state;
    assert_int_equal(mq_value_set_init(zero, mq_tensor_create(m, "zp", MQ_UINT8, 1, dims, points), NULL), MQ_OK);
    NODE("DequantizeLinear", "y", "x", "scale", "zp");
    assert_string_equal(find_for("tensorrt"), "target-zero-point");
}

static void every_target_name_is_in_the_table(void **state)
{
    (void)state;
    for (const char *const *name = mq_target_names(); *name; name++)
        assert_non_null(mq_target_find(*name));
    assert_null(mq_target_find("abacus"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(versions),
        TEST(operators),
        TEST(default_domain_may_be_imported_by_its_long_name),
        TEST(counts),
        TEST(attributes),
        TEST(extensions_are_only_warned_of),
        TEST(functions),
        TEST(calls),
        TEST(types),
        TEST(targets),
        TEST(target_types_and_domains),
        TEST(tensorrt_wants_zero_points_of_zero),
        TEST(every_target_name_is_in_the_table),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
