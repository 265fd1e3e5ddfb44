/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Raising the opset: the table, refusals before any change, scopes (subgraphs, functions), and the adapters that choose
 * between several forms. tests/conformance/opset_raise.py compares results in numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "ops/adapters.h"

typedef struct fixture {
    mq_model *m;
    mq_error err;
    char warning[256];
    int n_warnings;
} fixture;

static int setup(void **state)
{
    static fixture f;

    memset(&f, 0, sizeof f);
    *state = &f;
    if (mq_model_create(&f.m, &f.err) != MQ_OK)
        return 1;
    f.m->graph = mq_graph_create(f.m, NULL, NULL, "g");
    return f.m->graph ? 0 : 1;
}

static int teardown(void **state)
{
    mq_model_free(((fixture *)*state)->m);
    return 0;
}

static void keep_warning(void *user, const mq_warning *w)
{
    fixture *f = user;

    assert_string_equal(w->code, "opset-raised");
    snprintf(f->warning, sizeof f->warning, "%s", w->text);
    f->n_warnings++;
}

static mq_status raise_to(fixture *f, int version)
{
    const mq_hooks hooks = { .user = f, .warn = keep_warning };
    return mq_opset_raise(f->m, version, &hooks, &f->err);
}

static void import(fixture *f, int version)
{
    assert_int_equal(mq_opset_set(f->m, "", version, &f->err), MQ_OK);
    f->m->ir_version = 3;
    f->m->has_ir_version = true;
}

/* A value of that type; rank -1 for an unknown one, dims as ints. */
static mq_value *value(mq_graph *g, const char *name, mq_dtype dtype, int rank, ...)
{
    mq_value *v = mq_value_create(g, name);
    mq_dim dims[8];
    va_list ap;

    assert_non_null(v);
    va_start(ap, rank);
    for (int i = 0; i < rank; i++)
        dims[i] = MQ_DIM(va_arg(ap, int));
    va_end(ap);
    v->type = mq_type_create(g->model, MQ_TYPE_TENSOR, dtype, rank, dims);
    assert_non_null(v->type);
    return v;
}

/* y = OP(x), y an output of the graph. */
static mq_node *node(mq_graph *g, const char *op_type, mq_value *x)
{
    mq_node *n = mq_node_create(g, NULL, "", op_type, "node");
    mq_value *y = mq_value_create_unique(g, "y");
    mq_error err;

    assert_non_null(n);
    assert_non_null(y);
    if (x)
        assert_int_equal(mq_node_set_input(n, 0, x, &err), MQ_OK);
    assert_int_equal(mq_node_set_output(n, 0, y, &err), MQ_OK);
    assert_int_equal(mq_graph_add_output(g, y, &err), MQ_OK);
    return n;
}

static void set_ints(mq_node *n, const char *name, int64_t a, int64_t b)
{
    const int64_t list[] = { a, b };
    mq_error err;

    assert_int_equal(mq_node_set_attr_ints(n, name, list, 2, &err), MQ_OK);
}

static void assert_ints(const mq_value *v, size_t count, ...)
{
    mq_tensor *t = v ? mq_value_constant(v, false) : NULL;
    int64_t got[8];
    mq_error err;
    va_list ap;

    assert_non_null(t);
    assert_int_equal(mq_tensor_count(t), count);
    assert_int_equal(mq_tensor_read_i64(t, 0, count, got, &err), MQ_OK);
    va_start(ap, count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(got[i], va_arg(ap, int));
    va_end(ap);
}

/* ---- the table ---------------------------------------------------------------------------------------------------- */

static void test_rows_are_found(void **state)
{
    const mq_op_adapter *row;
    size_t n = 0;

    (void)state;
    for (; (row = mq_adapter_at(n)); n++)
        assert_ptr_equal(mq_adapter_find(row->name, row->to), row); /* sorted, and no pair twice */
    assert_true(n > 300);
    assert_null(mq_adapter_find("Clip", 10));
    assert_null(mq_adapter_find("NoSuchOperator", 13));
}

/* Every form that the schemas have from version 8 on is reached by a row, and every row leads to one. Experimental
 * operators that were taken away without a successor have none. */
static void test_rows_are_those_of_the_schemas(void **state)
{
    const mq_op_adapter *row;
    size_t n = 0;
    const mq_op_schema *s = mq_schemas(&n);

    (void)state;
    for (size_t i = 0; i < n; i++)
        if (strcmp(s[i].domain, "") == 0 && s[i].since > 7 && !s[i].deprecated &&
            mq_schema_find("", s[i].name, s[i].since - 1) && !mq_adapter_find(s[i].name, s[i].since))
            fail_msg("no row for %s %d", s[i].name, s[i].since);
    for (size_t i = 0; (row = mq_adapter_at(i)); i++) {
        s = mq_schema_find("", row->name, row->to);
        if (!s || s->since != row->to)
            fail_msg("the row for %s %d leads nowhere", row->name, row->to);
    }
}

static void test_ir_versions(void **state)
{
    (void)state;
    assert_int_equal(mq_ir_for_opset(7), 3);
    assert_int_equal(mq_ir_for_opset(9), 4);
    assert_int_equal(mq_ir_for_opset(13), 7);
    assert_int_equal(mq_ir_for_opset(15), 8);
    assert_int_equal(mq_ir_for_opset(21), 10);
    assert_int_equal(mq_ir_for_opset(26), 13);
    assert_int_equal(mq_ir_for_opset(28), 14);
}

/* ---- the walk ----------------------------------------------------------------------------------------------------- */

static void test_raises_versions_and_tells(void **state)
{
    fixture *f = *state;
    mq_node *n;

    import(f, 11);
    n = node(f->m->graph, "ReduceSum", value(f->m->graph, "x", MQ_FLOAT, 2, 3, 4));
    set_ints(n, "axes", 0, 1);
    assert_int_equal(raise_to(f, 13), MQ_OK);
    assert_int_equal(mq_opset_of(f->m->graph, ""), 13);
    assert_int_equal(f->m->ir_version, 7);
    assert_string_equal(f->warning, "opset 11 is raised to 13, nodes rewritten: 1");
    assert_null(mq_node_attr(n, "axes"));
    assert_ints(mq_adapt_input(n, 1), 2, 0, 1);
    assert_int_equal(raise_to(f, 13), MQ_OK); /* nothing left to do or to say */
    assert_int_equal(f->n_warnings, 1);
}

static void test_refuses_versions(void **state)
{
    fixture *f = *state;

    import(f, 6);
    assert_int_equal(raise_to(f, 13), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(f->err.text, "opset 6 is below 7"));
    import(f, 13);
    assert_int_equal(raise_to(f, 12), MQ_ERR_UNSUPPORTED);
    assert_int_equal(raise_to(f, 99), MQ_ERR_UNSUPPORTED);
    assert_int_equal(f->n_warnings, 0);
}

static void test_refusal_changes_nothing(void **state)
{
    fixture *f = *state;
    mq_node *sum, *clip = NULL;

    import(f, 10);
    sum = node(f->m->graph, "ReduceSum", value(f->m->graph, "x", MQ_FLOAT, 2, 3, 4));
    set_ints(sum, "axes", 0, 1);
    for (int i = 0; i < 10; i++) {
        clip = node(f->m->graph, "Clip", mq_value_create_unique(f->m->graph, "untyped"));
        assert_int_equal(mq_node_set_attr_float(clip, "min", 0, &f->err), MQ_OK);
    }
    assert_int_equal(raise_to(f, 13), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(f->err.text, "10 nodes cannot be raised to opset 13: 'node' (Clip): the element type of its "
                                        "input 'untyped' is not known; "));
    assert_non_null(strstr(f->err.text, "; and 2 more"));
    assert_int_equal(mq_opset_of(f->m->graph, ""), 10);
    assert_non_null(mq_node_attr(sum, "axes"));
    assert_non_null(mq_node_attr(clip, "min"));
}

static void test_raises_subgraphs(void **state)
{
    fixture *f = *state;
    mq_graph *g = f->m->graph, *body;
    mq_node *outer, *inner;

    import(f, 12);
    outer = node(g, "If", value(g, "c", MQ_BOOL, 0));
    body = mq_graph_create(f->m, g, outer, "body");
    inner = node(body, "Squeeze", value(body, "x", MQ_FLOAT, 2, 1, 1));
    set_ints(inner, "axes", 0, 1);
    assert_int_equal(raise_to(f, 13), MQ_OK);
    assert_int_equal(inner->n_inputs, 2);
    assert_ptr_equal(inner->inputs[1]->graph, body);
    assert_int_equal(body->inits.n, 1);
}

/* A function with one node, y = ReduceSum<axes=@axes>(x), and a call of it. */
static mq_node *function(fixture *f, int version, mq_node **call)
{
    mq_arena *a = f->m->arena;
    mq_function *fn = mq_arena_alloc(a, sizeof *fn);
    mq_opset import_of_fn = { .domain = "", .version = version };
    mq_node *n;

    fn->domain = "local";
    fn->name = "F";
    fn->overload = "";
    assert_true(mq_vec_push_in(a, &fn->opsets, import_of_fn));
    fn->body = mq_graph_create(f->m, NULL, NULL, "F");
    fn->body->function = fn;
    assert_int_equal(mq_model_add_function(f->m, fn, NULL), MQ_OK);
    n = node(fn->body, "ReduceSum", value(fn->body, "x", MQ_FLOAT, 2, 3, 4));
    set_ints(n, "axes", 0, 1);
    mq_node_attr(n, "axes")->ref = "axes";
    *call = node(f->m->graph, "F", value(f->m->graph, "x", MQ_FLOAT, 2, 3, 4));
    (*call)->domain = "local";
    return n;
}

static void test_raises_functions(void **state)
{
    fixture *f = *state;
    mq_node *call, *n;

    import(f, 12);
    n = function(f, 11, &call);
    assert_int_equal(raise_to(f, 13), MQ_ERR_UNSUPPORTED); /* this call gives no axes */
    assert_non_null(strstr(f->err.text, "(ReduceSum) of function 'F': its attribute 'axes' is set by the function's "
                                        "caller"));
    set_ints(call, "axes", 0, 1);
    assert_int_equal(raise_to(f, 13), MQ_OK);
    assert_int_equal(mq_opset_of(f->m->functions[0]->body, ""), 13);
    assert_true(mq_node_is(n->inputs[1]->producer, "", "Constant"));
    assert_string_equal(mq_node_attr(n->inputs[1]->producer, "value_ints")->ref, "axes");
    assert_int_equal(f->m->functions[0]->body->inits.n, 0);
    assert_string_equal(f->warning, "opset 11 is raised to 13, nodes rewritten: 1");
}

static void test_refuses_what_is_gone(void **state)
{
    fixture *f = *state;

    import(f, 9);
    node(f->m->graph, "Affine", value(f->m->graph, "x", MQ_FLOAT, 2, 3, 4));
    assert_int_equal(raise_to(f, 10), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(f->err.text, "'node' (Affine): its way to opset 10 is not known"));
}

static void test_leaves_other_domains(void **state)
{
    fixture *f = *state;
    mq_node *n;

    import(f, 11);
    n = node(f->m->graph, "Squeeze", value(f->m->graph, "x", MQ_FLOAT, 2, 1, 1));
    n->domain = "com.example";
    set_ints(n, "axes", 0, 1);
    assert_int_equal(raise_to(f, 13), MQ_OK);
    assert_int_equal(n->n_inputs, 1);
}

/* ---- adapters that choose ----------------------------------------------------------------------------------------- */

static void test_clip_keeps_the_type(void **state)
{
    static const mq_dtype types[] = { MQ_FLOAT, MQ_DOUBLE, MQ_FLOAT16 };
    fixture *f = *state;
    mq_node *n[3];

    import(f, 10);
    for (int i = 0; i < 3; i++) {
        n[i] = node(f->m->graph, "Clip", value(f->m->graph, mq_dtype_name(types[i]), types[i], -1));
        assert_int_equal(mq_node_set_attr_float(n[i], "max", 6, &f->err), MQ_OK);
    }
    assert_int_equal(raise_to(f, 11), MQ_OK);
    for (int i = 0; i < 3; i++) {
        float max = 0;
        assert_int_equal(n[i]->n_inputs, 3);
        assert_null(n[i]->inputs[1]);
        assert_int_equal(n[i]->inputs[2]->init->dtype, types[i]);
        assert_int_equal(mq_tensor_read_f32(n[i]->inputs[2]->init, 0, 1, &max, &f->err), MQ_OK);
        assert_true(max == 6);
    }
}

static mq_node *softmax(fixture *f, mq_value *x, int64_t axis)
{
    mq_node *n;

    import(f, 11);
    n = node(f->m->graph, "Softmax", x);
    assert_int_equal(mq_node_set_attr_int(n, "axis", axis, &f->err), MQ_OK);
    assert_int_equal(raise_to(f, 13), MQ_OK);
    return n;
}

static void test_softmax_over_the_last_dim(void **state)
{
    fixture *f = *state;
    mq_node *n = softmax(f, value(f->m->graph, "x", MQ_FLOAT, 3, 2, 3, 4), 2);

    assert_int_equal(mq_node_attr_int(n, "axis", 0), -1);
    assert_int_equal(f->m->graph->n_nodes, 1);
}

static void test_softmax_over_one_dim_that_is_not_1(void **state)
{
    fixture *f = *state;
    mq_node *n = softmax(f, value(f->m->graph, "x", MQ_FLOAT, 4, 2, 1000, 1, 1), 1);

    assert_int_equal(mq_node_attr_int(n, "axis", 0), 1);
    assert_int_equal(f->m->graph->n_nodes, 1);
}

static void test_softmax_over_several_dims(void **state)
{
    fixture *f = *state;
    mq_node *n = softmax(f, value(f->m->graph, "x", MQ_FLOAT, 3, 2, 3, 4), 1);

    assert_int_equal(mq_node_attr_int(n, "axis", 0), -1);
    assert_string_equal(n->prev->op_type, "Flatten");
    assert_string_equal(n->next->op_type, "Reshape");
    assert_ints(n->next->inputs[1], 3, 2, 3, 4);
    assert_string_equal(n->next->outputs[0]->name, "y");
    assert_int_equal(f->m->graph->n_nodes, 3);
}

static void test_softmax_of_unknown_rank(void **state)
{
    fixture *f = *state;
    mq_node *n = softmax(f, value(f->m->graph, "x", MQ_FLOAT, -1), 1);

    assert_string_equal(n->next->inputs[1]->producer->op_type, "Shape");
    assert_int_equal(f->m->graph->n_nodes, 4);
}

static void test_upsample_becomes_resize(void **state)
{
    static const float scales[] = { 1, 1, 2, 2 };
    fixture *f = *state;
    mq_node *n;
    mq_attr *a;

    import(f, 7);
    n = node(f->m->graph, "Upsample", value(f->m->graph, "x", MQ_FLOAT, -1));
    assert_int_equal(mq_node_set_attr_int(n, "scales", 0, &f->err), MQ_OK);
    a = mq_node_attr(n, "scales");
    a->type = MQ_ATTR_FLOATS;
    a->floats = scales;
    a->n = 4;
    assert_int_equal(raise_to(f, 13), MQ_OK);
    assert_string_equal(n->op_type, "Resize");
    assert_true(mq_node_attr_is(n, "coordinate_transformation_mode", "asymmetric"));
    assert_true(mq_node_attr_is(n, "nearest_mode", "floor"));
    assert_int_equal(n->n_inputs, 3);
    assert_null(n->inputs[1]);
    assert_int_equal(mq_tensor_count(n->inputs[2]->init), 4);
    assert_int_equal(f->m->graph->inits.n, 1); /* the region of interest of version 11 is gone again */
}

static void test_group_norm_repeats_constants(void **state)
{
    static const float scale[] = { 1, 2 };
    const int64_t dims[] = { 2 };
    fixture *f = *state;
    mq_graph *g = f->m->graph;
    mq_value *x, *s, *b;
    mq_node *n;
    float got[4];

    import(f, 18);
    x = value(g, "x", MQ_DOUBLE, 3, 1, 4, 5);
    s = value(g, "s", MQ_FLOAT, 1, 2);
    b = value(g, "b", MQ_FLOAT, 1, 2);
    assert_int_equal(mq_value_set_init(s, mq_tensor_create(f->m, "s", MQ_FLOAT, 1, dims, scale), &f->err), MQ_OK);
    n = node(g, "GroupNormalization", x);
    assert_int_equal(mq_node_set_input(n, 1, s, &f->err), MQ_OK);
    assert_int_equal(mq_node_set_input(n, 2, b, &f->err), MQ_OK);
    assert_int_equal(mq_node_set_attr_int(n, "num_groups", 2, &f->err), MQ_OK);
    assert_int_equal(raise_to(f, 21), MQ_OK);
    assert_int_equal(mq_tensor_read_f32(n->inputs[1]->init, 0, 4, got, &f->err), MQ_OK);
    assert_true(got[0] == 1 && got[1] == 1 && got[2] == 2 && got[3] == 2);
    assert_string_equal(n->inputs[2]->producer->op_type, "Reshape"); /* the bias is no constant */
    assert_int_equal(mq_node_attr_int(n, "stash_type", 0), MQ_DOUBLE);
}

static void test_batch_norm_in_training(void **state)
{
    fixture *f = *state;
    mq_graph *g = f->m->graph;
    mq_node *n;

    import(f, 9);
    n = node(g, "BatchNormalization", value(g, "x", MQ_FLOAT, 2, 3, 4));
    for (size_t i = 1; i < 5; i++)
        assert_int_equal(mq_node_set_output(n, i, mq_value_create_unique(g, "out"), &f->err), MQ_OK);
    assert_int_equal(raise_to(f, 14), MQ_OK);
    assert_int_equal(n->n_outputs, 3);
    assert_int_equal(mq_node_attr_int(n, "training_mode", 0), 1);
}

static void test_split_counts_its_parts(void **state)
{
    fixture *f = *state;
    mq_graph *g = f->m->graph;
    mq_node *n;

    import(f, 13);
    n = node(g, "Split", value(g, "x", MQ_FLOAT, 1, 6));
    for (size_t i = 1; i < 3; i++)
        assert_int_equal(mq_node_set_output(n, i, mq_value_create_unique(g, "part"), &f->err), MQ_OK);
    assert_int_equal(raise_to(f, 18), MQ_OK);
    assert_int_equal(mq_node_attr_int(n, "num_outputs", 0), 3);
}

static void test_what_versions_mean(void **state)
{
    (void)state;
    assert_true(mq_op_is_newest("Relu", 7));
    assert_true(mq_op_is_newest("Relu", 100));
    assert_false(mq_op_is_newest("Squeeze", 11));
    assert_true(mq_op_is_newest("Squeeze", 13));
    assert_false(mq_op_is_newest("Nonsense", 13));
    assert_true(mq_op_only_grew("Add", 14));
    assert_false(mq_op_only_grew("Add", 15));
    assert_false(mq_op_only_grew("Squeeze", 13));
    assert_false(mq_op_only_grew("Gelu", 20));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_rows_are_found),
        TEST(test_rows_are_those_of_the_schemas),
        TEST(test_ir_versions),
        TEST(test_raises_versions_and_tells),
        TEST(test_refuses_versions),
        TEST(test_refusal_changes_nothing),
        TEST(test_raises_subgraphs),
        TEST(test_raises_functions),
        TEST(test_refuses_what_is_gone),
        TEST(test_leaves_other_domains),
        TEST(test_clip_keeps_the_type),
        TEST(test_softmax_over_the_last_dim),
        TEST(test_softmax_over_one_dim_that_is_not_1),
        TEST(test_softmax_over_several_dims),
        TEST(test_softmax_of_unknown_rank),
        TEST(test_upsample_becomes_resize),
        TEST(test_group_norm_repeats_constants),
        TEST(test_batch_norm_in_training),
        TEST(test_split_counts_its_parts),
        TEST(test_what_versions_mean),
    };
    return cmocka_run_group_tests_name("ops/opset", tests, NULL, NULL);
}
