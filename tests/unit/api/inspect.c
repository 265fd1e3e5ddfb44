/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq_inspect on graphs built here: figures known by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "graph/graph.h"
#include "mq/inspect.h"

static mq_model *new_model(void)
{
    mq_model *m = NULL;

    assert_int_equal(mq_model_create(&m, NULL), MQ_OK);
    m->path = "model.onnx";
    m->ir_version = 8;
    assert_int_equal(mq_opset_set(m, "", 17, NULL), MQ_OK);
    m->graph = mq_graph_create(m, NULL, NULL, "main");
    assert_non_null(m->graph);
    return m;
}

static mq_value *value(mq_graph *g, const char *name, mq_dtype dtype, int rank, const mq_dim *dims)
{
    mq_value *v = mq_value_create(g, name);

    assert_non_null(v);
    if (dims)
        v->declared = mq_type_create(g->model, MQ_TYPE_TENSOR, dtype, rank, dims);
    return v;
}

static mq_value *weight(mq_graph *g, const char *name, mq_dtype dtype, int rank, const int64_t *dims, const void *data)
{
    mq_value *v = mq_value_create(g, name);
    mq_tensor *t = mq_tensor_create(g->model, name, dtype, rank, dims, data);

    assert_non_null(t);
    assert_int_equal(mq_value_set_init(v, t, NULL), MQ_OK);
    return v;
}

static mq_node *node(mq_graph *g, const char *op, const char *name, size_t n_in, mq_value *const *in, mq_value *out)
{
    mq_node *n = mq_node_create(g, NULL, "", op, name);

    assert_non_null(n);
    for (size_t i = 0; i < n_in; i++)
        assert_int_equal(mq_node_set_input(n, i, in[i], NULL), MQ_OK);
    assert_int_equal(mq_node_set_output(n, 0, out, NULL), MQ_OK);
    return n;
}

/* x[batch, 4] -> MatMul with w[4, 3] -> Relu -> y[batch, 3]. */
static mq_model *small_model(void)
{
    static const float data[12] = { 0, 1, -2, 0, 3, 4, 5, -6, 7, 8, 9, -0.0f };
    const int64_t w_dims[] = { 4, 3 };
    mq_model *m = new_model();
    mq_graph *g = m->graph;
    mq_dim x_dims[] = { { -1, "batch" }, { 4, NULL } }, y_dims[] = { { -1, "batch" }, { 3, NULL } };
    mq_value *x = value(g, "x", MQ_FLOAT, 2, x_dims), *w = weight(g, "w", MQ_FLOAT, 2, w_dims, data);
    mq_value *h = mq_value_create(g, "h"), *y = value(g, "y", MQ_FLOAT, 2, y_dims);

    assert_int_equal(mq_graph_add_input(g, x, NULL), MQ_OK);
    node(g, "MatMul", "mm", 2, (mq_value *[]){ x, w }, h);
    node(g, "Relu", "relu", 1, (mq_value *[]){ h }, y);
    assert_int_equal(mq_graph_add_output(g, y, NULL), MQ_OK);
    return m;
}

static mq_inspection *look(mq_model *m, const mq_inspect_opts *opts)
{
    mq_inspection *in = NULL;
    mq_error err = { 0 };
    mq_status rc = mq_inspect(m, opts, NULL, NULL, &in, &err);

    if (rc != MQ_OK)
        fail_msg("%s", err.text);
    return in;
}

static void figures_of_a_small_model(void **state)
{
    mq_model *m = small_model();
    mq_inspection *in = look(m, NULL);

    (void)state;
    assert_int_equal(in->nodes, 2);
    assert_int_equal(in->parameters, 12);
    assert_int_equal(in->weight_bytes, 48);
    assert_int_equal(in->n_inputs, 1);
    assert_string_equal(in->inputs[0].shape, "[batch, 4]");
    assert_string_equal(in->assumed, "batch=1");
    assert_string_equal(in->open_dims, "");
    assert_int_equal(in->macs, 12);
    assert_int_equal(in->macs_unknown, 0);
    assert_int_equal(in->activation_peak, 4 * (4 + 3)); /* x and h, then h and y: 28 and 24 */
    assert_string_equal(in->activation_peak_at, "mm (MatMul)");
    assert_int_equal(in->activation_sum, 4 * (4 + 3 + 3));
    assert_true(in->zeros_known);
    assert_int_equal(in->zeros, 3); /* -0 too */
    assert_int_equal(in->zeros_of, 12);
    assert_false(in->is_quantized);
    assert_int_equal(in->n_errors, 0);
    mq_inspection_free(in);
    mq_model_free(m);
}

static void declared_types_come_back(void **state)
{
    mq_model *m = small_model();
    mq_inspection *in = look(m, NULL);
    const mq_type *t = m->graph->inputs.items[0]->declared;

    (void)state;
    assert_string_equal(t->dims[0].symbol, "batch");
    assert_int_equal(t->dims[0].value, -1);
    mq_inspection_free(in);
    mq_model_free(m);
}

static void sizes_can_be_given(void **state)
{
    mq_model *m = small_model();
    mq_inspect_opts o = mq_inspect_opts_default();
    const mq_dim_size dim = { "batch", 5 };
    const int64_t dims[] = { 7, 4 };
    const mq_input_shape shape = { NULL, 2, dims, NULL };
    mq_inspection *in;

    (void)state;
    o.dims = &dim;
    o.n_dims = 1;
    in = look(m, &o);
    assert_int_equal(in->macs, 60);
    assert_string_equal(in->assumed, "batch=5");
    mq_inspection_free(in);
    o.n_dims = 0;
    o.shapes = &shape;
    o.n_shapes = 1;
    in = look(m, &o);
    assert_int_equal(in->macs, 84);
    mq_inspection_free(in);
    o = mq_inspect_opts_default();
    o.keep_batch = true;
    in = look(m, &o);
    assert_int_equal(in->macs_unknown, 1);
    assert_string_equal(in->open_dims, "batch");
    mq_inspection_free(in);
    mq_model_free(m);
}

static void assert_refused(mq_model *m, const mq_inspect_opts *o, const char *part)
{
    mq_inspection *in = NULL;
    mq_error err = { 0 };

    assert_int_equal(mq_inspect(m, o, NULL, NULL, &in, &err), MQ_ERR_USAGE);
    assert_null(in);
    if (!strstr(err.text, part))
        fail_msg("'%s' is not in '%s'", part, err.text);
}

static void wishes_that_fit_nothing_are_refused(void **state)
{
    mq_model *m = small_model();
    mq_inspect_opts o = mq_inspect_opts_default();
    const mq_dim_size dim = { "bacth", 5 };
    const int64_t dims[] = { 7 };
    const mq_input_shape wrong_rank = { "x", 1, dims, NULL }, wrong_name = { "z", 1, dims, NULL };
    const char *const pattern[] = { "nothing*" };

    (void)state;
    o.dims = &dim;
    o.n_dims = 1;
    assert_refused(m, &o, "'batch'");
    o = mq_inspect_opts_default();
    o.shapes = &wrong_rank;
    o.n_shapes = 1;
    assert_refused(m, &o, "has 2 dimensions, 1 are given");
    o.shapes = &wrong_name;
    assert_refused(m, &o, "no input 'z'");
    o = mq_inspect_opts_default();
    o.nodes = pattern;
    o.n_nodes = 1;
    assert_refused(m, &o, "nothing*");
    o = mq_inspect_opts_default();
    o.tensors = pattern;
    o.n_tensors = 1;
    assert_refused(m, &o, "nothing*");
    assert_string_equal(m->graph->inputs.items[0]->declared->dims[0].symbol, "batch");
    mq_model_free(m);
}

static void initializers_listed_as_inputs_are_none(void **state)
{
    mq_model *m = small_model();
    mq_inspection *in;

    (void)state;
    assert_int_equal(mq_graph_add_input(m->graph, mq_graph_find(m->graph, "w"), NULL), MQ_OK);
    in = look(m, NULL);
    assert_int_equal(in->n_inputs, 1);
    assert_int_equal(in->n_optional_inputs, 1);
    assert_int_equal(in->activation_sum, 40);
    mq_inspection_free(in);
    mq_model_free(m);
}

static mq_status no_file(mq_model *m, const char *location, mq_buf **out, mq_error *err)
{
    (void)m;
    (void)out;
    return mq_fail(err, MQ_ERR_INPUT, "cannot read '%s': it is gone", location);
}

static void works_without_the_external_data(void **state)
{
    mq_model *m = small_model();
    mq_tensor *t = mq_graph_find(m->graph, "w")->init;
    mq_inspect_opts o = mq_inspect_opts_default();
    const char *const all[] = { "*" };
    mq_inspection *in;

    (void)state;
    t->storage = MQ_STORE_EXTERNAL;
    t->external = (mq_external){ "w.bin", 0, -1 };
    m->open_external = no_file;
    o.tensors = all;
    o.n_tensors = 1;
    in = look(m, &o);
    assert_int_equal(in->n_files, 1);
    assert_true(in->files[0].missing);
    assert_false(in->zeros_known);
    assert_int_equal(in->weight_bytes, 48);
    assert_int_equal(in->macs, 12);
    assert_false(in->tensor_list[0].has_stats);
    assert_non_null(strstr(in->tensor_list[0].why, "it is gone"));
    mq_inspection_free(in);
    mq_model_free(m);
}

/* A model that is one weight; its statistics. */
static mq_tensor_stats stats_of(mq_dtype dtype, int64_t n, const void *data, int threads)
{
    mq_model *m = new_model();
    const char *const all[] = { "w" };
    mq_inspect_opts o = mq_inspect_opts_default();
    mq_hooks hooks = { .n_threads = threads };
    mq_inspection *in = NULL;
    mq_tensor_stats s;

    weight(m->graph, "w", dtype, 1, &n, data);
    o.tensors = all;
    o.n_tensors = 1;
    assert_int_equal(mq_inspect(m, &o, NULL, &hooks, &in, NULL), MQ_OK);
    assert_int_equal(in->n_tensor_list, 1);
    assert_true(in->tensor_list[0].has_stats);
    s = in->tensor_list[0].stats;
    mq_inspection_free(in);
    mq_model_free(m);
    return s;
}

static void statistics_known_by_hand(void **state)
{
    const float f[] = { 1, 2, 3, 4, NAN, INFINITY, -INFINITY, 0 };
    const int64_t big[] = { INT64_C(9007199254740992), -1, 0 }; /* 2^53 */
    mq_tensor_stats s = stats_of(MQ_FLOAT, 8, f, 1);

    (void)state;
    assert_int_equal(s.nans, 1);
    assert_int_equal(s.infs, 2);
    assert_int_equal(s.zeros, 1);
    assert_true(s.min == 0 && s.max == 4 && s.mean == 2);
    assert_true(fabs(s.std - sqrt(2)) < 1e-15);
    assert_int_equal(s.histogram[0], 1);
    assert_int_equal(s.histogram[MQ_HISTOGRAM_BINS - 1], 1);
    s = stats_of(MQ_INT64, 3, big, 1);
    assert_true(s.max == 9007199254740992.0 && s.min == -1);
    s = stats_of(MQ_FLOAT, 1, &f[4], 1); /* nothing but a NaN */
    assert_true(s.nans == 1 && s.min == 0 && s.max == 0);
    s = stats_of(MQ_FLOAT, 0, f, 1);
    assert_true(s.zeros == 0 && s.std == 0);
    s = stats_of(MQ_FLOAT, 1, &f[2], 1); /* one value: one bin */
    assert_true(s.min == 3 && s.std == 0 && s.histogram[0] == 1);
}

/* 2 of 4 down the rows of w[8, 6], and a column of zeros; the same said sparsely. */
static void zeros_and_where_they_lie(void **state)
{
    static const char *const names[] = { "w" };
    const mq_inspect_opts opts = { .tensors = names, .n_tensors = 1, .read_limit = 1 << 20 };
    const int64_t dims[] = { 8, 6 };
    float data[48] = { 0 }, values[20];
    int64_t indices[20];
    mq_model *m = new_model();
    mq_dim x_dims[] = { { 1, NULL }, { 8, NULL } };
    mq_value *x = value(m->graph, "x", MQ_FLOAT, 2, x_dims), *w, *y = mq_value_create(m->graph, "y");
    mq_inspection *in;
    int n = 0;

    (void)state;
    for (int r = 0; r < 8; r++)
        for (int c = 0; c < 5; c++)
            if ((r + c) % 4 < 2) {
                values[n] = data[r * 6 + c] = (float)(n + 1);
                indices[n++] = r * 6 + c;
            }
    w = weight(m->graph, "w", MQ_FLOAT, 2, dims, data);
    assert_int_equal(mq_graph_add_input(m->graph, x, NULL), MQ_OK);
    node(m->graph, "MatMul", "mm", 2, (mq_value *[]){ x, w }, y);
    assert_int_equal(mq_graph_add_output(m->graph, y, NULL), MQ_OK);
    for (int i = 0; i < 2; i++) {
        in = look(m, &opts);
        assert_string_equal(in->tensor_list[0].structure, "2:4, 1 of 6 output channels are zero");
        assert_string_equal(in->tensor_list[0].place, i ? "sparse weight of mm (MatMul)" : "weight of mm (MatMul)");
        assert_int_equal(in->tensor_list[0].elements, 48);
        assert_int_equal(in->tensor_list[0].stats.zeros, 28);
        assert_int_equal(in->zeros, 28);
        assert_int_equal(in->zeros_of, 48);
        mq_inspection_free(in);
        if (i == 0) {
            mq_sparse *s = mq_arena_calloc(m->arena, 1, sizeof *s);
            assert_int_equal(n, 20);
            *s = (mq_sparse){ mq_tensor_create(m, "w", MQ_FLOAT, 1, (const int64_t[]){ n }, values),
                              mq_tensor_create(m, "", MQ_INT64, 1, (const int64_t[]){ n }, indices), 2,
                              w->init->dims, NULL };
            assert_int_equal(mq_value_set_sparse(w, s, NULL), MQ_OK);
        }
    }
    mq_model_free(m);
}

static void statistics_over_the_whole_range(void **state)
{
    const float f[] = { -3.4e38f, 3.4e38f, 1e-45f };
    const double d[] = { -1.7e308, 1.7e308 };
    mq_tensor_stats s = stats_of(MQ_FLOAT, 3, f, 1);

    (void)state;
    assert_int_equal(s.zeros, 0);
    assert_true(s.histogram[0] == 1 && s.histogram[MQ_HISTOGRAM_BINS - 1] == 1);
    s = stats_of(MQ_DOUBLE, 2, d, 1); /* the difference overflows */
    assert_true(s.max == d[1]);
    assert_true(s.histogram[0] == 1 && s.histogram[MQ_HISTOGRAM_BINS - 1] == 1);
}

static void statistics_do_not_depend_on_threads(void **state)
{
    enum { N = 5000000 };
    float *data = malloc(N * sizeof *data);
    mq_tensor_stats one, four;
    uint32_t x = 1;

    (void)state;
    assert_non_null(data);
    for (int i = 0; i < N; i++) {
        x = x * 1664525u + 1013904223u;
        data[i] = ((float)(int32_t)x) * 1e-6f;
    }
    one = stats_of(MQ_FLOAT, N, data, 1);
    four = stats_of(MQ_FLOAT, N, data, 4);
    assert_memory_equal(&one, &four, sizeof one);
    free(data);
}

static void quantization_is_seen(void **state)
{
    static const int8_t q[4] = { 1, 2, 3, 4 };
    static const float scale = 0.5f;
    const int64_t dims[] = { 2, 2 };
    mq_model *m = new_model();
    mq_graph *g = m->graph;
    mq_dim x_dims[] = { { 1, NULL }, { 2, NULL } };
    mq_value *x = value(g, "x", MQ_FLOAT, 2, x_dims), *y = mq_value_create(g, "y"), *w = mq_value_create(g, "w");
    mq_value *wq = weight(g, "wq", MQ_INT8, 2, dims, q), *s = weight(g, "s", MQ_FLOAT, 0, NULL, &scale);
    mq_inspection *in;

    (void)state;
    assert_int_equal(mq_graph_add_input(g, x, NULL), MQ_OK);
    node(g, "DequantizeLinear", "dq", 2, (mq_value *[]){ wq, s }, w);
    node(g, "MatMul", "mm", 2, (mq_value *[]){ x, w }, y);
    assert_int_equal(mq_graph_add_output(g, y, NULL), MQ_OK);
    in = look(m, NULL);
    assert_true(in->is_quantized);
    assert_int_equal(in->quantization.dequantize, 1);
    assert_string_equal(in->quantization.types, "int8");
    assert_string_equal(in->next, "mq check model.onnx");
    mq_inspection_free(in);
    mq_model_free(m);
}

static void next_command_fits_a_shell(void **state)
{
    static float data[128 * 128];
    static const struct {
        const char *path, *next;
    } cases[] = {
        { "a/b.onnx", "mq quantize a/b.onnx -o a/b.int8.onnx" },
        { "b.onnx.gz", "mq quantize b.onnx.gz -o b.int8.onnx" },
        { "my model", "mq quantize 'my model' -o 'my model.int8.onnx'" },
        { "it's.onnx", "mq quantize 'it'\\''s.onnx' -o 'it'\\''s.int8.onnx'" },
        { "-", "mq quantize model.onnx -o model.int8.onnx" },
    };
    const int64_t dims[] = { 128, 128 };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(data); i++)
        data[i] = (float)i;
    for (size_t i = 0; i < MQ_ARRAY_LEN(cases); i++) {
        mq_model *m = new_model();
        mq_graph *g = m->graph;
        mq_dim x_dims[] = { { 1, NULL }, { 128, NULL } };
        mq_value *x = value(g, "x", MQ_FLOAT, 2, x_dims), *y = mq_value_create(g, "y");
        mq_inspection *in;
        assert_int_equal(mq_graph_add_input(g, x, NULL), MQ_OK);
        node(g, "MatMul", "mm", 2, (mq_value *[]){ x, weight(g, "w", MQ_FLOAT, 2, dims, data) }, y);
        assert_int_equal(mq_graph_add_output(g, y, NULL), MQ_OK);
        m->path = cases[i].path;
        in = look(m, NULL);
        assert_int_equal(in->quantizable_tensors, 1);
        assert_string_equal(in->next, cases[i].next);
        mq_inspection_free(in);
        mq_model_free(m);
    }
}

static void nodes_are_described(void **state)
{
    mq_model *m = small_model();
    mq_inspect_opts o = mq_inspect_opts_default();
    const char *const names[] = { "re:m+", "relu" };
    mq_inspection *in;

    (void)state;
    assert_int_equal(mq_node_set_attr_int(m->graph->first, "axis", -1, NULL), MQ_OK);
    o.nodes = names;
    o.n_nodes = 2;
    in = look(m, &o);
    assert_int_equal(in->n_node_list, 2);
    assert_string_equal(in->node_list[0].op_type, "MatMul");
    assert_int_equal(in->node_list[0].macs, 12);
    assert_string_equal(in->node_list[0].outputs[0].shape, "[1, 3]");
    assert_string_equal(in->node_list[0].attributes[0].key, "axis");
    assert_string_equal(in->node_list[0].attributes[0].value, "-1");
    mq_inspection_free(in);
    mq_model_free(m);
}

static void a_broken_graph_is_looked_at_and_said_to_be_so(void **state)
{
    mq_model *m = small_model();
    mq_value *nowhere = mq_value_create(m->graph, "nowhere");
    mq_inspection *in;

    (void)state;
    assert_int_equal(mq_node_set_input(m->graph->last, 0, nowhere, NULL), MQ_OK);
    in = look(m, NULL);
    assert_true(in->n_errors > 0);
    assert_string_equal(in->next, "mq check model.onnx");
    mq_inspection_free(in);
    mq_model_free(m);
}

static void the_report_holds_the_model(void **state)
{
    mq_model *m = small_model();
    mq_inspection *in = NULL;
    mq_report *r = NULL;
    char *text = NULL;

    (void)state;
    assert_int_equal(mq_report_create(&r, "inspect", NULL), MQ_OK);
    assert_int_equal(mq_inspect(m, NULL, r, NULL, &in, NULL), MQ_OK);
    mq_inspection_free(in);
    assert_int_equal(mq_report_render(r, MQ_REPORT_JSON, &text, NULL), MQ_OK);
    assert_non_null(strstr(text, "\"macs\": 12"));
    free(text);
    mq_report_free(r);
    mq_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_of_a_small_model),
        cmocka_unit_test(declared_types_come_back),
        cmocka_unit_test(sizes_can_be_given),
        cmocka_unit_test(wishes_that_fit_nothing_are_refused),
        cmocka_unit_test(initializers_listed_as_inputs_are_none),
        cmocka_unit_test(works_without_the_external_data),
        cmocka_unit_test(statistics_known_by_hand),
        cmocka_unit_test(zeros_and_where_they_lie),
        cmocka_unit_test(statistics_over_the_whole_range),
        cmocka_unit_test(statistics_do_not_depend_on_threads),
        cmocka_unit_test(quantization_is_seen),
        cmocka_unit_test(next_command_fits_a_shell),
        cmocka_unit_test(nodes_are_described),
        cmocka_unit_test(a_broken_graph_is_looked_at_and_said_to_be_so),
        cmocka_unit_test(the_report_holds_the_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
