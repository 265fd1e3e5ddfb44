/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/infer.c, infer_types.c and infer_call.c: the walk over graphs that are well or badly made. Single operators
 * are tested by the conformance test over the node tests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ops/ops.h"

static mq_model *m;
static char findings[4096];

static void note(void *user, const mq_node *n, const char *text)
{
    const size_t at = strlen(findings);

    (void)user;
    snprintf(findings + at, sizeof findings - at, "%s: %s\n", n ? n->name : "-", text);
}

static int setup(void **state)
{
    (void)state;
    m = NULL;
    findings[0] = '\0';
    if (mq_model_create(&m, NULL) != MQ_OK)
        return -1;
    m->graph = mq_graph_create(m, NULL, NULL, "main");
    return m->graph ? mq_opset_set(m, "", 17, NULL) : -1;
}

static int teardown(void **state)
{
    (void)state;
    mq_model_free(m);
    return 0;
}

static mq_value *value(mq_graph *g, const char *name)
{
    mq_value *v = mq_graph_find(g, name);

    return v ? v : mq_value_create(g, name);
}

static void declare(mq_value *v, mq_dtype dtype, int rank, const mq_dim *dims)
{
    v->declared = mq_type_create(m, MQ_TYPE_TENSOR, dtype, rank, dims);
    assert_non_null(v->declared);
}

static mq_value *input(mq_graph *g, const char *name, mq_dtype dtype, int rank, const mq_dim *dims)
{
    mq_value *v = value(g, name);

    assert_int_equal(mq_graph_add_input(g, v, NULL), MQ_OK);
    if (dtype != MQ_UNDEFINED)
        declare(v, dtype, rank, dims);
    return v;
}

/* A node named after its output. */
static mq_node *node(mq_graph *g, const char *domain, const char *op, const char *in0, const char *in1,
                     const char *out)
{
    mq_node *n = mq_node_create(g, NULL, domain, op, out);

    assert_non_null(n);
    assert_int_equal(mq_node_set_input(n, 0, value(g, in0), NULL), MQ_OK);
    if (in1)
        assert_int_equal(mq_node_set_input(n, 1, value(g, in1), NULL), MQ_OK);
    assert_int_equal(mq_node_set_output(n, 0, value(g, out), NULL), MQ_OK);
    return n;
}

static void constant(mq_graph *g, const char *name, int64_t n, const int64_t *data)
{
    mq_tensor *t = mq_tensor_create(m, name, MQ_INT64, 1, &n, data);

    assert_non_null(t);
    assert_int_equal(mq_value_set_init(value(g, name), t, NULL), MQ_OK);
}

static void infer(void)
{
    findings[0] = '\0';
    assert_int_equal(mq_infer_model(m, note, NULL, NULL), MQ_OK);
}

static void want(const char *name, const char *type)
{
    char text[200];

    mq_type_text(mq_graph_find(m->graph, name)->type, text, sizeof text);
    assert_string_equal(text, type);
}

static const mq_dim batch_3_4[] = { { -1, "batch" }, MQ_DIM(3), MQ_DIM(4) };

static void a_chain(void **state)
{
    (void)state;
    input(m->graph, "x", MQ_FLOAT, 3, batch_3_4);
    constant(m->graph, "shape", 2, (const int64_t[]){ 0, -1 });
    node(m->graph, "", "Relu", "x", NULL, "a");
    node(m->graph, "ai.onnx", "Reshape", "a", "shape", "b");
    infer();
    want("a", "float[batch,3,4]");
    want("b", "float[batch,12]");
    assert_string_equal(findings, "");
    infer(); /* again: the same */
    want("b", "float[batch,12]");
}

static void unsorted_and_cyclic(void **state)
{
    (void)state;
    input(m->graph, "x", MQ_FLOAT, 3, batch_3_4);
    node(m->graph, "", "Relu", "late", NULL, "early");
    node(m->graph, "", "Relu", "x", NULL, "late");
    node(m->graph, "", "Add", "loop2", "x", "loop1");
    node(m->graph, "", "Relu", "loop1", NULL, "loop2");
    infer();
    want("early", "?");
    want("late", "float[batch,3,4]");
    want("loop1", "float[...]");
    want("loop2", "float[...]");
}

static void unknown_operators_cost_what_is_behind(void **state)
{
    (void)state;
    input(m->graph, "x", MQ_FLOAT, 3, batch_3_4);
    node(m->graph, "no.such.domain", "Thing", "x", NULL, "a");
    node(m->graph, "", "NoSuchOperator", "x", NULL, "b");
    node(m->graph, "", "Relu", "a", NULL, "c");
    node(m->graph, "", "Relu", "b", NULL, "d");
    declare(value(m->graph, "b"), MQ_FLOAT, 1, batch_3_4);
    infer();
    want("a", "?");
    want("c", "?");
    want("b", "float[batch]");
    want("d", "float[batch]");
    assert_string_equal(findings, "");
}

static void declared_and_inferred(void **state)
{
    const mq_dim other[] = { MQ_DIM(2), MQ_DIM(5), { -1, "n" } }, negative[] = { MQ_DIM(-4), MQ_DIM(3), MQ_DIM(4) };

    (void)state;
    input(m->graph, "x", MQ_FLOAT, 3, batch_3_4);
    node(m->graph, "", "Relu", "x", NULL, "better");
    declare(value(m->graph, "better"), MQ_UNDEFINED, 3, (const mq_dim[]){ MQ_DIM(2), { -1, "n" }, MQ_DIM_UNKNOWN });
    node(m->graph, "", "Relu", "x", NULL, "differs");
    declare(value(m->graph, "differs"), MQ_FLOAT, 3, other);
    node(m->graph, "", "Relu", "x", NULL, "kind");
    declare(value(m->graph, "kind"), MQ_INT8, -1, NULL);
    node(m->graph, "", "Relu", "x", NULL, "below");
    declare(value(m->graph, "below"), MQ_FLOAT, 3, negative);
    infer();
    want("better", "float[2,3,4]");
    want("differs", "float[2,5,4]");
    want("kind", "int8[batch,3,4]");
    want("below", "float[batch,3,4]");
    assert_string_equal(findings, "differs: 'differs' is declared as float[2,5,n], but is float[batch,3,4]\n"
                                  "kind: 'kind' is declared as int8[...], but is float[batch,3,4]\n");
}

static void wrong_inputs_are_findings(void **state)
{
    const mq_dim five[] = { MQ_DIM(5) };

    (void)state;
    input(m->graph, "x", MQ_FLOAT, 3, batch_3_4);
    input(m->graph, "i", MQ_INT64, 3, batch_3_4);
    input(m->graph, "five", MQ_FLOAT, 1, five);
    node(m->graph, "", "Exp", "i", NULL, "exp");
    node(m->graph, "", "Add", "x", "i", "mixed");
    node(m->graph, "", "Add", "x", "five", "misfit");
    node(m->graph, "", "Relu", "misfit", NULL, "after");
    infer();
    want("mixed", "float[batch,3,4]");
    want("misfit", "float[...]");
    want("after", "float[...]");
    assert_non_null(strstr(findings, "exp: input 0 ('i') is int64[batch,3,4], but Exp takes float, float16, double"));
    assert_non_null(strstr(findings, "mixed: input 1 ('i') is int64[batch,3,4], but input 0 is float[batch,3,4] and"));
    assert_non_null(strstr(findings, "misfit: "));
    assert_non_null(strstr(findings, "[5]"));
}

/* f(x): a call of `callee`, else Relu, then Flatten with the attribute that the caller gives (default 2). */
static mq_function *make_function(const char *name, const char *callee)
{
    mq_function *f = mq_arena_alloc(m->arena, sizeof *f);
    mq_attr *axis = mq_arena_alloc(m->arena, sizeof *axis);
    mq_node *n;

    f->domain = "local";
    f->name = name;
    f->overload = "";
    f->body = mq_graph_create(m, NULL, NULL, name);
    f->body->function = f;
    assert_true(mq_vec_push_in(m->arena, &f->opsets, ((mq_opset){ .domain = "", .version = 17 })));
    assert_true(mq_vec_push_in(m->arena, &f->opsets, ((mq_opset){ .domain = "local", .version = 1 })));
    axis->name = "the_axis";
    axis->type = MQ_ATTR_INT;
    axis->i = 2;
    f->attr_protos = mq_arena_memdup(m->arena, &axis, sizeof(void *));
    f->n_attr_protos = 1;
    input(f->body, "x", MQ_UNDEFINED, 0, NULL);
    node(f->body, callee ? "local" : "", callee ? callee : "Relu", "x", NULL, "r");
    n = node(f->body, "", "Flatten", "r", NULL, "y");
    assert_int_equal(mq_node_set_attr_int(n, "axis", 1, NULL), MQ_OK);
    mq_node_attr(n, "axis")->ref = "the_axis";
    assert_int_equal(mq_graph_add_output(f->body, value(f->body, "y"), NULL), MQ_OK);
    assert_int_equal(mq_model_add_function(m, f, NULL), MQ_OK);
    return f;
}

static void functions(void **state)
{
    const mq_dim two_three_four[] = { MQ_DIM(2), MQ_DIM(3), MQ_DIM(4) };
    mq_function *f = make_function("f", NULL);
    mq_node *body_node = f->body->last;

    (void)state;
    assert_int_equal(mq_opset_set(m, "local", 1, NULL), MQ_OK);
    input(m->graph, "x", MQ_FLOAT, 3, two_three_four);
    node(m->graph, "local", "f", "x", NULL, "a");
    assert_int_equal(mq_node_set_attr_int(node(m->graph, "local", "f", "x", NULL, "b"), "the_axis", 1, NULL), MQ_OK);
    declare(value(f->body, "r"), MQ_FLOAT, 3, (const mq_dim[]){ { -1, "inner" }, MQ_DIM(3), MQ_DIM(4) });
    infer();
    want("a", "float[6,4]");
    want("b", "float[2,12]");
    assert_null(value(f->body, "y")->type);
    assert_null(value(f->body, "x")->type);
    assert_int_equal(body_node->n_attrs, 1);
    assert_string_equal(body_node->attrs[0]->ref, "the_axis");
    assert_string_equal(findings, "");
}

static void symbols_of_functions_stay_there(void **state)
{
    mq_function *f = make_function("f", NULL);

    (void)state;
    assert_int_equal(mq_opset_set(m, "local", 1, NULL), MQ_OK);
    input(m->graph, "x", MQ_FLOAT, -1, NULL);
    node(m->graph, "local", "f", "x", NULL, "a");
    declare(value(f->body, "y"), MQ_FLOAT, 2, (const mq_dim[]){ { -1, "batch" }, MQ_DIM(3) });
    infer();
    want("a", "float[?,3]");
}

static void functions_that_call_themselves(void **state)
{
    (void)state;
    make_function("f", "g");
    make_function("g", "f");
    assert_int_equal(mq_opset_set(m, "local", 1, NULL), MQ_OK);
    input(m->graph, "x", MQ_FLOAT, 3, batch_3_4);
    node(m->graph, "local", "f", "x", NULL, "a");
    infer();
    want("a", "undefined[?,1]"); /* two times Flatten of who knows what */
    assert_string_equal(findings, "r: function 'f' calls itself\n");
}

/* Each calls the next twice: 2^40 calls if nobody counts. */
static void functions_that_explode(void **state)
{
    static char names[41][16];

    (void)state;
    for (int i = 0; i <= 40; i++)
        snprintf(names[i], sizeof names[i], "f%d", i);
    for (int i = 0; i < 40; i++) {
        mq_function *f = make_function(names[i], names[i + 1]);

        node(f->body, "local", names[i + 1], "y", NULL, "z");
    }
    make_function(names[40], NULL);
    assert_int_equal(mq_opset_set(m, "local", 1, NULL), MQ_OK);
    input(m->graph, "x", MQ_FLOAT, 3, batch_3_4);
    node(m->graph, "local", "f0", "x", NULL, "a");
    infer();
    assert_non_null(strstr(findings, "too often"));
}

static void initializers(void **state)
{
    const mq_dim seven[] = { MQ_DIM(7) };

    (void)state;
    constant(m->graph, "c", 2, (const int64_t[]){ 5, -1 });
    input(m->graph, "c", MQ_INT64, 1, seven);
    infer();
    want("c", "int64[7]"); /* what is declared wins, and is told */
    assert_string_equal(findings, "-: 'c' is declared as int64[7], but is int64[2]\n");
}

static void declared_shapes(void **state)
{
    mq_value *x = input(m->graph, "x", MQ_FLOAT, 3, batch_3_4);
    mq_type sequence = { .kind = MQ_TYPE_SEQUENCE, .rank = -1 };

    (void)state;
    node(m->graph, "", "Relu", "x", NULL, "y");
    assert_int_equal(mq_value_declare_shape(x, 1, (const mq_dim[]){ MQ_DIM(9) }, NULL), MQ_OK);
    infer();
    want("y", "float[9]");
    x->declared = &sequence;
    assert_int_equal(mq_value_declare_shape(x, 1, (const mq_dim[]){ MQ_DIM(9) }, NULL), MQ_ERR_USAGE);
}

static void no_graph(void **state)
{
    (void)state;
    m->graph = NULL;
    infer();
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_chain),
        TEST(unsorted_and_cyclic),
        TEST(unknown_operators_cost_what_is_behind),
        TEST(declared_and_inferred),
        TEST(wrong_inputs_are_findings),
        TEST(functions),
        TEST(symbols_of_functions_stay_there),
        TEST(functions_that_call_themselves),
        TEST(functions_that_explode),
        TEST(initializers),
        TEST(declared_shapes),
        TEST(no_graph),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
