/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/graph/verify.c, verify_tensor.c and finding.c on models made in memory: one rule each, broken and kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "graph/verify.h"
#include "graph/verify_tensor.h"

static mq_model *m;
static mq_findings fs;

static int setup(void **state)
{
    (void)state;
    fs = (mq_findings){ 0 };
    if (mq_model_create(&m, NULL) != MQ_OK)
        return -1;
    m->has_ir_version = true;
    m->ir_version = 8;
    m->graph = mq_graph_create(m, NULL, NULL, "main");
    return m->graph ? mq_opset_set(m, "", 17, NULL) : -1;
}

static int teardown(void **state)
{
    (void)state;
    mq_findings_release(&fs);
    mq_model_free(m);
    return 0;
}

/* The value of that name, visible from g; made in g when there is none. */
static mq_value *value(mq_graph *g, const char *name)
{
    mq_value *v = mq_graph_find(g, name);

    v = v ? v : mq_value_create(g, name);
    assert_non_null(v);
    return v;
}

static mq_value *new_value(mq_graph *g, const char *name)
{
    mq_value *v = mq_value_create(g, name);

    assert_non_null(v);
    return v;
}

/* out = Op(in), in file order. */
static mq_node *node(mq_graph *g, const char *op, const char *in, mq_value *out)
{
    mq_node *n = mq_node_create(g, NULL, "", op, out->name);

    assert_non_null(n);
    if (in)
        assert_int_equal(mq_node_set_input(n, 0, value(g, in), NULL), MQ_OK);
    assert_int_equal(mq_node_set_output(n, 0, out, NULL), MQ_OK);
    return n;
}

static void input(mq_graph *g, const char *name)
{
    assert_int_equal(mq_graph_add_input(g, value(g, name), NULL), MQ_OK);
}

static void output(mq_graph *g, const char *name)
{
    assert_int_equal(mq_graph_add_output(g, value(g, name), NULL), MQ_OK);
}

/* A node with a subgraph. */
static mq_graph *subgraph(mq_node *n)
{
    mq_attr *a = mq_arena_alloc(m->arena, sizeof *a);
    mq_attr **attrs = mq_arena_calloc(m->arena, 1, sizeof *attrs);
    mq_graph **graphs = mq_arena_calloc(m->arena, 1, sizeof *graphs);

    graphs[0] = mq_graph_create(m, n->graph, n, "inner");
    *a = (mq_attr){ .name = "then_branch", .type = MQ_ATTR_GRAPH, .n = 1, .graphs = graphs };
    attrs[0] = a;
    n->attrs = attrs;
    n->n_attrs = 1;
    return graphs[0];
}

static void find(void)
{
    assert_int_equal(mq_model_verify_structure(m, &fs, NULL), MQ_OK);
}

/* Exactly this was found. */
static void found(size_t n, const char *code, const char *place)
{
    find();
    assert_int_equal(fs.list.n, n);
    assert_string_equal(fs.list.items[0].code, code);
    assert_string_equal(fs.list.items[0].place, place);
}

static void found_nothing(void)
{
    find();
    if (fs.list.n)
        print_error("%s: %s\n", fs.list.items[0].place, fs.list.items[0].text);
    assert_int_equal(fs.list.n, 0);
    assert_int_equal(mq_model_verify(m, NULL), MQ_OK);
}

/* x -> a -> b */
static void chain(void)
{
    input(m->graph, "x");
    node(m->graph, "Relu", "x", new_value(m->graph, "a"));
    node(m->graph, "Relu", "a", new_value(m->graph, "b"));
    output(m->graph, "b");
}

static void sound_graph_has_no_findings(void **state)
{
    (void)state;
    chain();
    found_nothing();
}

static void undefined_is_told_once(void **state)
{
    (void)state;
    chain();
    node(m->graph, "Relu", "ghost", new_value(m->graph, "c"));
    node(m->graph, "Relu", "ghost", new_value(m->graph, "d"));
    found(1, "undefined", "node 'c' (Relu)");
    assert_int_equal(mq_model_verify(m, NULL), MQ_ERR_INPUT);
}

static void later_definition_is_order_not_cycle(void **state)
{
    mq_node *first;

    (void)state;
    input(m->graph, "x");
    first = node(m->graph, "Relu", "a", new_value(m->graph, "b"));
    assert_non_null(first);
    mq_node_set_output(mq_node_create(m->graph, NULL, "", "Relu", "late"), 0, value(m->graph, "a"), NULL);
    found(1, "order", "node 'b' (Relu)");
}

static void cycle_names_its_nodes(void **state)
{
    (void)state;
    input(m->graph, "x");
    value(m->graph, "b");
    node(m->graph, "Relu", "b", new_value(m->graph, "a"));
    node(m->graph, "Relu", "a", value(m->graph, "b"));
    found(2, "order", "node 'a' (Relu)");
    assert_string_equal(fs.list.items[1].code, "cycle");
    assert_non_null(strstr(fs.list.items[1].text, "'a', 'b'"));
}

static void cycle_through_a_subgraph(void **state)
{
    mq_node *n;
    mq_graph *inner;

    (void)state;
    n = node(m->graph, "If", NULL, new_value(m->graph, "y"));
    inner = subgraph(n);
    node(inner, "Relu", "y", new_value(inner, "z"));
    output(inner, "z");
    find();
    assert_int_equal(fs.list.n, 2);
    assert_string_equal(fs.list.items[0].code, "order");
    assert_string_equal(fs.list.items[0].graph, "then_branch of node 'y' (If)");
    assert_string_equal(fs.list.items[1].code, "cycle");
}

static void same_name_twice(void **state)
{
    (void)state;
    chain();
    node(m->graph, "Relu", "x", new_value(m->graph, "a"));
    found(1, "name-duplicate", "node 'a' (Relu)");
}

static void output_named_as_initializer(void **state)
{
    const int64_t dims[] = { 1 };
    const float data[] = { 1 };
    mq_value *w = new_value(m->graph, "w");

    (void)state;
    chain();
    assert_int_equal(mq_value_set_init(w, mq_tensor_create(m, "w", MQ_FLOAT, 1, dims, data), NULL), MQ_OK);
    node(m->graph, "Relu", "x", w);
    found(1, "name-duplicate", "node 'w' (Relu)");
}

static void inner_output_may_not_shadow(void **state)
{
    mq_graph *inner;

    (void)state;
    chain();
    inner = subgraph(node(m->graph, "If", "x", new_value(m->graph, "y")));
    node(inner, "Relu", "x", new_value(inner, "a"));
    output(inner, "a");
    found(1, "name-duplicate", "node 'a' (Relu) in then_branch of node 'y' (If)");
}

static void inner_input_may_shadow(void **state)
{
    mq_graph *inner;

    (void)state;
    chain();
    inner = subgraph(node(m->graph, "Loop", "x", new_value(m->graph, "y")));
    assert_int_equal(mq_graph_add_input(inner, new_value(inner, "a"), NULL), MQ_OK);
    node(inner, "Relu", "a", new_value(inner, "z"));
    output(inner, "z");
    found_nothing();
}

static void outer_scope_is_seen_and_inner_is_not(void **state)
{
    mq_graph *inner;
    mq_value *z;
    mq_node *n;

    (void)state;
    chain();
    inner = subgraph(node(m->graph, "If", "x", new_value(m->graph, "y")));
    z = new_value(inner, "z");
    node(inner, "Relu", "a", z);
    output(inner, "z");
    found_nothing();
    n = node(m->graph, "Relu", NULL, new_value(m->graph, "q"));
    assert_int_equal(mq_node_set_input(n, 0, z, NULL), MQ_OK);
    found(1, "scope", "node 'q' (Relu)");
}

static void output_that_nothing_makes(void **state)
{
    (void)state;
    chain();
    output(m->graph, "nowhere");
    found(1, "output-undefined", "tensor 'nowhere'");
}

static void initializer_must_be_input_in_ir_3(void **state)
{
    const int64_t dims[] = { 1 };
    const float data[] = { 1 };
    mq_value *w = new_value(m->graph, "w");

    (void)state;
    chain();
    assert_int_equal(mq_value_set_init(w, mq_tensor_create(m, "w", MQ_FLOAT, 1, dims, data), NULL), MQ_OK);
    found_nothing();
    m->ir_version = 3;
    found(1, "init-not-input", "tensor 'w'");
}

static void names_and_graphs_are_needed(void **state)
{
    (void)state;
    chain();
    m->graph->name = "";
    found(1, "graph-name", "graph ''");
    m->graph = NULL;
    mq_findings_release(&fs);
    found(1, "graph-missing", "");
}

static void broken_links_are_found(void **state)
{
    mq_value *a;

    (void)state;
    chain();
    a = value(m->graph, "a");
    a->uses.n = 0;
    assert_int_equal(mq_model_verify(m, NULL), MQ_ERR_INPUT);
    a->uses.n = 1;
    assert_int_equal(mq_model_verify(m, NULL), MQ_OK);
    a->producer_index = 1;
    assert_int_equal(mq_model_verify(m, NULL), MQ_ERR_INPUT);
    a->producer_index = 0;
    m->graph->n_nodes++;
    assert_int_equal(mq_model_verify(m, NULL), MQ_ERR_INPUT);
    m->graph->n_nodes--;
}

static void findings_past_the_limit_are_counted(void **state)
{
    (void)state;
    for (size_t i = 0; i < MQ_FINDINGS_MAX + 10; i++)
        mq_finding_add(&fs, MQ_SEVERITY_ERROR, "test", MQ_PLACE_MODEL, "%zu", i);
    assert_int_equal(fs.list.n, MQ_FINDINGS_MAX);
    assert_int_equal(fs.n_errors, MQ_FINDINGS_MAX + 10);
    assert_string_equal(fs.list.items[9].text, "9");
}

/* ---- tensors ------------------------------------------------------------------------------------------------------ */

#define RAW (1 << 9)
#define INT32S (1 << 5)

/* A tensor as if it came out of a file. */
static mq_tensor read_tensor(mq_dtype dtype, const int64_t *dims, int n_dims, uint16_t fields, size_t size)
{
    static int64_t copy[4];
    static const unsigned char bytes[64];

    memcpy(copy, dims, (size_t)n_dims * sizeof *copy);
    return (mq_tensor){ .name = "t", .dtype = dtype, .n_dims = n_dims, .dims = copy, .fields = fields, .model = m,
                        .storage = fields == INT32S ? MQ_STORE_INT32S : MQ_STORE_RAW, .data = bytes, .n_bytes = size,
                        .n_items = size, .origin = bytes };
}

/* "" or the code of the one finding. */
static const char *judge(mq_dtype dtype, const int64_t *dims, int n_dims, uint16_t fields, size_t size)
{
    mq_tensor t = read_tensor(dtype, dims, n_dims, fields, size);

    mq_findings_release(&fs);
    mq_tensor_verify(&t, MQ_PLACE_TENSOR(m->graph, "t"), &fs);
    assert_true(fs.list.n <= 1);
    return fs.list.n ? fs.list.items[0].code : "";
}

static void data_must_fit(void **state)
{
    const int64_t five[] = { 5 }, none[] = { 0 }, minus[] = { -1 };
    const int64_t huge[] = { INT64_MAX, 4 }, late[] = { INT64_MAX, 4, 0 };

    (void)state;
    assert_string_equal(judge(MQ_FLOAT, five, 1, RAW, 20), "");
    assert_string_equal(judge(MQ_FLOAT, five, 1, RAW, 19), "tensor-data");
    assert_string_equal(judge(MQ_FLOAT, five, 1, RAW, 21), "tensor-extra");
    assert_string_equal(judge(MQ_INT4, five, 1, RAW, 3), "");
    assert_string_equal(judge(MQ_INT4, five, 1, RAW, 2), "tensor-data");
    assert_string_equal(judge(MQ_INT2, five, 1, RAW, 2), "");
    assert_string_equal(judge(MQ_INT4, five, 1, INT32S, 1), "");
    assert_string_equal(judge(MQ_FLOAT6E2M3, five, 1, RAW, 4), "");
    assert_string_equal(judge(MQ_FLOAT6E2M3, five, 1, RAW, 3), "tensor-data");
    assert_string_equal(judge(MQ_INT8, five, 1, INT32S, 5), "");
    assert_string_equal(judge(MQ_INT8, five, 1, INT32S, 6), "tensor-extra");
    assert_string_equal(judge(MQ_INT4, five, 1, INT32S, 3), ""); /* one item per byte */
    assert_string_equal(judge(MQ_INT4, five, 1, INT32S, 4), "tensor-extra");
    assert_string_equal(judge(MQ_INT8, five, 1, INT32S, 4), "tensor-data");
    assert_string_equal(judge(MQ_FLOAT, five, 1, INT32S, 5), "tensor-data");
    assert_string_equal(judge(MQ_STRING, five, 1, RAW, 5), "tensor-data");
    assert_string_equal(judge(MQ_FLOAT, five, 1, RAW | INT32S, 20), "tensor-data");
    assert_string_equal(judge(MQ_FLOAT, five, 1, 0, 0), "tensor-data");
    assert_string_equal(judge(MQ_FLOAT, none, 1, 0, 0), "");
    assert_string_equal(judge(MQ_FLOAT, none, 1, RAW, 4), "tensor-data");
    assert_string_equal(judge(MQ_FLOAT, minus, 1, RAW, 4), "tensor-shape");
    assert_string_equal(judge(MQ_FLOAT, huge, 2, RAW, 4), "tensor-shape");
    assert_string_equal(judge(MQ_FLOAT, late, 3, 0, 0), "tensor-shape");
    assert_string_equal(judge(MQ_UNDEFINED, five, 1, RAW, 20), "tensor-type");
    assert_string_equal(judge((mq_dtype)77, five, 1, RAW, 20), "tensor-type");
    assert_string_equal(judge((mq_dtype)-1, five, 1, RAW, 20), "tensor-type");
}

static const char *judge_sparse(int n_dims, const int64_t *dims, int64_t nnz, const int64_t *index, int width)
{
    const float ones[4] = { 1, 1, 1, 1 };
    int64_t shape[] = { nnz, width };
    int64_t copy[30000];
    mq_sparse s = { .n_dims = n_dims, .dims = copy };

    memcpy(copy, dims, (size_t)n_dims * sizeof *copy);
    s.values = mq_tensor_create(m, "v", MQ_FLOAT, 1, &nnz, ones);
    s.indices = mq_tensor_create(m, "i", MQ_INT64, width ? 2 : 1, shape, index);
    mq_findings_release(&fs);
    assert_int_equal(mq_sparse_verify(&s, MQ_PLACE_TENSOR(m->graph, "v"), &fs, NULL), MQ_OK);
    return fs.list.n ? fs.list.items[0].code : "";
}

/* So many dimensions that the indices are looked at two entries at a time. */
static void sparse_indices_of_many_dimensions(void **state)
{
    enum { RANK = 30000, ENTRIES = 4 };
    int64_t *dims = malloc(RANK * sizeof *dims), *index = calloc(RANK * ENTRIES, sizeof *index);

    (void)state;
    assert_true(dims && index);
    for (int i = 0; i < RANK; i++)
        dims[i] = i == RANK - 1 ? ENTRIES : 1;
    for (int i = 0; i < ENTRIES; i++)
        index[i * RANK + RANK - 1] = i;
    assert_string_equal(judge_sparse(RANK, dims, ENTRIES, index, RANK), "");
    index[2 * RANK + RANK - 1] = 1; /* as the one before, which was of the piece before */
    assert_string_equal(judge_sparse(RANK, dims, ENTRIES, index, RANK), "sparse");
    index[2 * RANK + RANK - 1] = 2;
    index[3 * RANK] = 1;
    assert_string_equal(judge_sparse(RANK, dims, ENTRIES, index, RANK), "sparse");
    free(dims);
    free(index);
}

static void sparse_indices_are_sorted_and_inside(void **state)
{
    const int64_t dims[] = { 3, 4 }, zero[] = { 3, 0 };
    const int64_t good[] = { 0, 5, 11 }, outside[] = { 0, 5, 12 }, unsorted[] = { 5, 0, 6 }, twice[] = { 1, 1, 2 };
    const int64_t pairs[] = { 0, 3, 1, 0, 2, 3 }, far[] = { 0, 0, 1, 4, 2, 0 };

    (void)state;
    assert_string_equal(judge_sparse(2, dims, 3, good, 0), "");
    assert_string_equal(judge_sparse(2, dims, 3, outside, 0), "sparse");
    assert_string_equal(judge_sparse(2, dims, 3, unsorted, 0), "sparse");
    assert_string_equal(judge_sparse(2, dims, 3, twice, 0), "sparse");
    assert_string_equal(judge_sparse(2, dims, 3, pairs, 2), "");
    assert_string_equal(judge_sparse(2, dims, 3, far, 2), "sparse");
    assert_string_equal(judge_sparse(2, zero, 3, good, 0), "sparse");
    assert_string_equal(judge_sparse(0, dims, 3, good, 0), "sparse");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sound_graph_has_no_findings),
        TEST(undefined_is_told_once),
        TEST(later_definition_is_order_not_cycle),
        TEST(cycle_names_its_nodes),
        TEST(cycle_through_a_subgraph),
        TEST(same_name_twice),
        TEST(output_named_as_initializer),
        TEST(inner_output_may_not_shadow),
        TEST(inner_input_may_shadow),
        TEST(outer_scope_is_seen_and_inner_is_not),
        TEST(output_that_nothing_makes),
        TEST(initializer_must_be_input_in_ir_3),
        TEST(names_and_graphs_are_needed),
        TEST(broken_links_are_found),
        TEST(findings_past_the_limit_are_counted),
        TEST(data_must_fit),
        TEST(sparse_indices_are_sorted_and_inside),
        TEST(sparse_indices_of_many_dimensions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
