/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/quantize.c: from file to file, and every way in which that ends without an output. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_make.h"
#include "mq/quantize.h"
#include "rng.h"
#include "scratch.h"

static mq_report *report;
static mq_error err;
static char warned[600];

static void warn(void *user, const mq_warning *w)
{
    (void)user;
    snprintf(warned + strlen(warned), sizeof warned - strlen(warned), "%s ", w->code);
    mq_report_add_warning(report, w, NULL);
}

static const mq_hooks hooks = { .warn = warn };

/* x -> MatMul(w) -> Relu -> Gemm(v) -> y, random weights */
static mq_model *small_model(void)
{
    static float w[64 * 50];
    mq_model *m = make_model(17);
    uint64_t rng = 1;

    for (size_t i = 0; i < 64 * 50; i++)
        w[i] = rng_float(&rng);
    make_input(m->graph, "x", MQ_FLOAT, "N,64");
    make_init(m->graph, "w", MQ_FLOAT, "64,50", w);
    make_init(m->graph, "v", MQ_FLOAT, "50,64", w);
    make_node(m->graph, "MatMul", "x,w", "a");
    make_node(m->graph, "Relu", "a", "b");
    make_node(m->graph, "Gemm", "b,v", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "N,64");
    return m;
}

static void put(mq_model *m, const char *path, const char *data_file)
{
    mq_save_opts o = mq_save_opts_default();
    mq_error e = { 0 };

    o.force = true;
    o.external = data_file ? MQ_EXTERNAL_FILE : MQ_EXTERNAL_AUTO;
    o.external_file = data_file;
    if (mq_model_save(m, path, &o, NULL, NULL, &e) != MQ_OK)
        fail_msg("%s", e.text);
    mq_model_free(m);
}

static int setup(void **state)
{
    if (scratch_open(state) != 0 || mq_report_create(&report, "quantize", NULL) != MQ_OK)
        return -1;
    err = (mq_error){ 0 };
    warned[0] = '\0';
    put(small_model(), "in.onnx", NULL);
    return 0;
}

static int teardown(void **state)
{
    mq_report_free(report);
    return scratch_close(state);
}

static void again(void)
{
    mq_report_free(report);
    assert_int_equal(mq_report_create(&report, "quantize", NULL), MQ_OK);
    warned[0] = '\0';
}

static void quantizes(const char *in, const char *out, const mq_quantize_opts *o)
{
    if (mq_quantize_file(in, out, o, report, &hooks, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static void refuses(const char *in, const char *out, const mq_quantize_opts *o, mq_status status, const char *text)
{
    assert_int_equal(mq_quantize_file(in, out, o, report, &hooks, &err), status);
    assert_string_equal(err.text, text);
}

static void dump_is(const char *path, const char *want)
{
    mq_model *m = NULL;

    assert_int_equal(mq_model_load(&m, path, NULL), MQ_OK);
    make_dump_is(m, want);
    mq_model_free(m);
}

static void report_says(const char *part, bool there)
{
    char *text = NULL;

    assert_int_equal(mq_report_render(report, MQ_REPORT_JSON, &text, NULL), MQ_OK);
    if ((strstr(text, part) != NULL) != there)
        fail_msg("'%s' is %sin %s", part, there ? "not " : "", text);
    free(text);
}

static void test_file_to_file(void **state)
{
    struct stat before, after;

    (void)state;
    quantizes("in.onnx", "out.onnx", NULL);
    dump_is("out.onnx", "opset ai.onnx 17\n"
                        "input x float[N,64]\n"
                        "init w_quantized int8[64,50]\n"
                        "init w_scale float[50]\n"
                        "init v_quantized int8[50,64]\n"
                        "init v_scale float[64]\n"
                        "node 'w_DequantizeLinear' DequantizeLinear(w_quantized, w_scale) -> w axis=1\n"
                        "node 'a' MatMul(x, w) -> a\n"
                        "node 'b' Relu(a) -> b\n"
                        "node 'v_DequantizeLinear' DequantizeLinear(v_quantized, v_scale) -> v axis=1\n"
                        "node 'y' Gemm(b, v) -> y\n"
                        "output y float[N,64]\n");
    assert_int_equal(stat("in.onnx", &before), 0);
    assert_int_equal(stat("out.onnx", &after), 0);
    assert_true(after.st_size < before.st_size * 0.32);
    assert_int_equal(mq_report_n_missed(report), 0);
    assert_string_equal(warned, "");
    assert_int_equal(scratch_count("."), 2);
}

static void test_not_twice(void **state)
{
    (void)state;
    quantizes("in.onnx", "out.onnx", NULL);
    refuses("out.onnx", "twice.onnx", NULL, MQ_ERR_USAGE,
            "the model is quantized already: node 'w_DequantizeLinear' is a DequantizeLinear");
    assert_int_equal(scratch_count("."), 2);
}

static void test_same_bytes_with_any_threads(void **state)
{
    const mq_hooks one = { .n_threads = 1 }, three = { .n_threads = 3 };
    size_t n, k;
    char *a, *b;

    (void)state;
    assert_int_equal(mq_quantize_file("in.onnx", "a.onnx", NULL, report, &one, NULL), MQ_OK);
    again();
    assert_int_equal(mq_quantize_file("in.onnx", "b.onnx", NULL, report, &three, NULL), MQ_OK);
    a = scratch_get("a.onnx", &n);
    b = scratch_get("b.onnx", &k);
    assert_int_equal(n, k);
    assert_memory_equal(a, b, n);
    free(a);
    free(b);
}

static void test_onto_itself(void **state)
{
    mq_quantize_opts o = mq_quantize_opts_default();
    char *a, *b;
    size_t n, k;

    (void)state;
    quantizes("in.onnx", "out.onnx", NULL);
    again();
    refuses("in.onnx", "in.onnx", NULL, MQ_ERR_USAGE, "output 'in.onnx' exists (-f replaces it)");
    o.save.force = true;
    again();
    quantizes("in.onnx", "in.onnx", &o);
    a = scratch_get("in.onnx", &n);
    b = scratch_get("out.onnx", &k);
    assert_int_equal(n, k);
    assert_memory_equal(a, b, n);
    free(a);
    free(b);
}

static void test_inputs_that_do_not_do(void **state)
{
    (void)state;
    refuses("missing.onnx", "out.onnx", NULL, MQ_ERR_INPUT, "cannot open 'missing.onnx': No such file or directory");
    scratch_put_text("text.onnx", "text");
    assert_int_equal(mq_quantize_file("text.onnx", "out.onnx", NULL, report, NULL, &err), MQ_ERR_INPUT);
    assert_int_equal(mq_quantize_file("in.onnx", "nowhere/out.onnx", NULL, report, NULL, &err), MQ_ERR_SYSTEM);
    assert_int_equal(scratch_count("."), 2);
}

static void test_invalid_graph(void **state)
{
    mq_model *m = small_model();

    (void)state;
    make_node(m->graph, "Relu", "nobody", "z");
    put(m, "bad.onnx", NULL);
    assert_int_equal(mq_quantize_file("bad.onnx", "out.onnx", NULL, report, NULL, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "bad.onnx: node 'z'"));
    assert_non_null(strstr(err.text, "'nobody'"));
    assert_non_null(strstr(err.text, "mq check bad.onnx"));
    assert_int_equal(access("out.onnx", F_OK), -1);
}

static void test_nothing_to_quantize(void **state)
{
    mq_model *m = make_model(17);

    (void)state;
    make_input(m->graph, "x", MQ_FLOAT, "N,4");
    make_node(m->graph, "Relu", "x", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "N,4");
    put(m, "relu.onnx", NULL);
    refuses("relu.onnx", "out.onnx", NULL, MQ_ERR_UNSUPPORTED,
            "relu.onnx: nothing to quantize: no operator has a constant weight");
    m = make_model(17);
    make_input(m->graph, "x", MQ_FLOAT, "N,4");
    make_init(m->graph, "w", MQ_FLOAT, "4,1", (const float[]){ 1, 2, 3, 4 });
    make_node(m->graph, "MatMul", "x,w", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "N,1");
    put(m, "small.onnx", NULL);
    again();
    refuses("small.onnx", "out.onnx", NULL, MQ_ERR_UNSUPPORTED,
            "small.onnx: nothing to quantize: 1 of 1 weights stay as they are: "
            "too small: its scales would take more room than is saved");
}

static void test_unsorted_is_mended(void **state)
{
    mq_model *m = small_model();

    (void)state;
    mq_node_move(m->graph->last, m->graph->first);
    put(m, "unsorted.onnx", NULL);
    quantizes("unsorted.onnx", "out.onnx", NULL);
    assert_string_equal(warned, "nodes-sorted ");
}

static void test_spelled_out_domain_is_mended(void **state)
{
    mq_model *m = small_model();

    (void)state;
    m->graph->first->domain = "ai.onnx";
    m->opsets.items[0].domain = "ai.onnx";
    put(m, "domain.onnx", NULL);
    quantizes("domain.onnx", "out.onnx", NULL);
    assert_string_equal(warned, "domain-mended ");
    dump_is("out.onnx", "opset ai.onnx 17\n"
                        "input x float[N,64]\n"
                        "init w_quantized int8[64,50]\n"
                        "init w_scale float[50]\n"
                        "init v_quantized int8[50,64]\n"
                        "init v_scale float[64]\n"
                        "node 'w_DequantizeLinear' DequantizeLinear(w_quantized, w_scale) -> w axis=1\n"
                        "node 'a' MatMul(x, w) -> a\n"
                        "node 'b' Relu(a) -> b\n"
                        "node 'v_DequantizeLinear' DequantizeLinear(v_quantized, v_scale) -> v axis=1\n"
                        "node 'y' Gemm(b, v) -> y\n"
                        "output y float[N,64]\n");
}

/* ---- opsets -------------------------------------------------------------------------------------------------------- */

static int64_t opset_of(const char *path, int64_t *ir)
{
    mq_model *m = NULL;
    int64_t v;

    assert_int_equal(mq_model_load(&m, path, NULL), MQ_OK);
    v = mq_opset_of(m->graph, "");
    *ir = m->ir_version;
    mq_model_free(m);
    return v;
}

static void test_opset_is_raised_as_needed(void **state)
{
    mq_quantize_opts o = mq_quantize_opts_default();
    mq_model *m = small_model();
    int64_t ir;

    (void)state;
    m->opsets.items[0].version = 9;
    m->graph->last->op_type = "MatMul";
    m->ir_version = 4;
    put(m, "old.onnx", NULL);
    quantizes("old.onnx", "out.onnx", NULL);
    assert_int_equal(opset_of("out.onnx", &ir), 13);
    assert_true(ir >= 7);
    o.per_tensor = true;
    again();
    quantizes("old.onnx", "tensor.onnx", &o);
    assert_int_equal(opset_of("tensor.onnx", &ir), 10);
    again();
    o.per_tensor = false;
    o.opset = 18;
    quantizes("old.onnx", "newer.onnx", &o);
    assert_int_equal(opset_of("newer.onnx", &ir), 18);
    again();
    o.opset = 11;
    refuses("old.onnx", "x.onnx", &o, MQ_ERR_UNSUPPORTED, "--opset 11: opset 13 is needed for per-channel scales");
    o.opset = 13;
    again();
    refuses("in.onnx", "x.onnx", &o, MQ_ERR_UNSUPPORTED, "--opset 13: the model has opset 17, which is not lowered");
}

/* Before IR 4 every initializer has to be an input: new ones would not be, so the version is raised. */
static void test_ir_3(void **state)
{
    static const struct {
        int opset;
        bool per_tensor;
    } table[] = { { 8, false }, { 10, true }, { 13, false } };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        mq_quantize_opts o = mq_quantize_opts_default();
        mq_model *m = small_model();
        int64_t ir;
        m->ir_version = 3;
        m->graph->last->op_type = "MatMul";
        m->opsets.items[0].version = table[i].opset;
        for (size_t k = 0; k < 2; k++) {
            mq_value *v = m->graph->inits.items[k];
            make_type(v, MQ_FLOAT, k ? "50,64" : "64,50");
            mq_graph_add_input(m->graph, v, NULL);
        }
        put(m, "ir3.onnx", NULL);
        o.per_tensor = table[i].per_tensor;
        o.save.force = true;
        again();
        quantizes("ir3.onnx", "out.onnx", &o);
        assert_non_null(strstr(warned, "weight-input"));
        opset_of("out.onnx", &ir);
        assert_true(ir >= 4);
    }
}

/* ---- bounds -------------------------------------------------------------------------------------------------------- */

static void test_missed_size(void **state)
{
    mq_quantize_opts o = mq_quantize_opts_default();

    (void)state;
    o.bounds.limits.max_size_ratio = 0.1;
    quantizes("in.onnx", "out.onnx", &o);
    assert_int_equal(mq_report_n_missed(report), 1);
    assert_int_equal(access("out.onnx", F_OK), -1);
    again();
    o.keep_failed = "failed.onnx";
    quantizes("in.onnx", "out.onnx", &o);
    assert_int_equal(access("out.onnx", F_OK), -1);
    assert_int_equal(access("failed.onnx", F_OK), 0);
    again();
    o.bounds.limits.max_size_ratio = 0;
    o.bounds.limits.max_size = 20;
    quantizes("in.onnx", "out.onnx", &o);
    assert_int_equal(mq_report_n_missed(report), 1);
    again();
    o.bounds.limits.max_size = 0;
    quantizes("in.onnx", "out.onnx", &o);
    assert_int_equal(mq_report_n_missed(report), 0);
    assert_int_equal(access("out.onnx", F_OK), 0);
}

static void test_strict(void **state)
{
    mq_quantize_opts o = mq_quantize_opts_default();
    mq_model *m = small_model();

    (void)state;
    mq_node_move(m->graph->last, m->graph->first);
    put(m, "unsorted.onnx", NULL);
    o.strict = true;
    quantizes("unsorted.onnx", "out.onnx", &o);
    assert_string_equal(warned, "nodes-sorted ");
    assert_int_equal(access("out.onnx", F_OK), -1);
    again();
    quantizes("in.onnx", "out.onnx", &o);
    assert_int_equal(access("out.onnx", F_OK), 0);
}

/* A result that is kept although it failed brings data of its own: those of the pair in place stay what they are. */
static void test_keep_failed_leaves_the_old_pair(void **state)
{
    mq_quantize_opts o = mq_quantize_opts_default();
    char *before, *after;
    size_t n, k;

    (void)state;
    put(small_model(), "out.onnx", "w.bin");
    before = scratch_get("w.bin", &n);
    o.save.external = MQ_EXTERNAL_FILE;
    o.save.external_file = "w.bin";
    o.save.force = true;
    o.bounds.limits.max_size_ratio = 0.01;
    o.keep_failed = "failed.onnx";
    quantizes("in.onnx", "out.onnx", &o);
    assert_int_equal(mq_report_n_missed(report), 1);
    after = scratch_get("w.bin", &k);
    assert_int_equal(n, k);
    assert_memory_equal(before, after, n);
    assert_int_equal(access("failed.onnx", F_OK), 0);
    free(before);
    free(after);
}

static void test_dry_run(void **state)
{
    mq_quantize_opts o = mq_quantize_opts_default();

    (void)state;
    o.dry_run = true;
    quantizes("in.onnx", "out.onnx", &o);
    assert_int_equal(scratch_count("."), 1);
    report_says("\"w\"", true);
    report_says("max-size", true);
}

static void test_weights_not_finite(void **state)
{
    mq_model *m = small_model();
    float *w = (float *)(uintptr_t)mq_graph_find(m->graph, "w")->init->data;

    (void)state;
    w[3] = 0.0f / 0.0f;
    w[7] = -1.0f / 0.0f;
    for (size_t i = 0; i < 50; i++)
        ((float *)(uintptr_t)mq_graph_find(m->graph, "v")->init->data)[i * 64] = 0;
    put(m, "odd.onnx", NULL);
    quantizes("odd.onnx", "out.onnx", NULL);
    assert_string_equal(warned, "weight-nonfinite channel-zero ");
}

static void test_verify_none_and_hash(void **state)
{
    mq_quantize_opts o = mq_quantize_opts_default();

    (void)state;
    o.verify = MQ_VERIFY_NONE;
    quantizes("in.onnx", "out.onnx", &o);
    report_says("sha256\": \"", false);
    again();
    o.hash = true;
    o.save.force = true;
    o.verify = MQ_VERIFY_LOAD;
    quantizes("in.onnx", "out.onnx", &o);
    report_says("sha256", true);
}

/* ---- external data ------------------------------------------------------------------------------------------------- */

static char files[400];

static void note_file(void *user, const char *path, bool written)
{
    (void)user;
    snprintf(files + strlen(files), sizeof files - strlen(files), "%s%s ", written ? ">" : "<", path);
}

static void test_external_in_and_out(void **state)
{
    const mq_hooks noting = { .file = note_file };

    (void)state;
    files[0] = '\0';
    put(small_model(), "pair.onnx", "pair.bin");
    assert_int_equal(mq_quantize_file("pair.onnx", "out.onnx", NULL, report, &noting, &err), MQ_OK);
    assert_string_equal(files, "<pair.bin >out.onnx.data ");
    assert_int_equal(scratch_count("."), 5);
}

static void test_external_missing(void **state)
{
    (void)state;
    put(small_model(), "pair.onnx", "pair.bin");
    assert_int_equal(unlink("pair.bin"), 0);
    assert_int_equal(mq_quantize_file("pair.onnx", "out.onnx", NULL, report, NULL, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "external file 'pair.bin' is missing"));
    assert_int_equal(scratch_count("."), 2);
}

static int asked;

static bool third_time(void *user)
{
    (void)user;
    return ++asked >= 3;
}

static void test_cancelled(void **state)
{
    const mq_hooks cancel = { .cancelled = third_time };

    (void)state;
    assert_int_equal(mq_quantize_file("in.onnx", "out.onnx", NULL, report, &cancel, &err), MQ_ERR_CANCELLED);
    assert_int_equal(scratch_count("."), 1);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_file_to_file),
        IN_SCRATCH(test_not_twice),
        IN_SCRATCH(test_same_bytes_with_any_threads),
        IN_SCRATCH(test_onto_itself),
        IN_SCRATCH(test_inputs_that_do_not_do),
        IN_SCRATCH(test_invalid_graph),
        IN_SCRATCH(test_nothing_to_quantize),
        IN_SCRATCH(test_unsorted_is_mended),
        IN_SCRATCH(test_spelled_out_domain_is_mended),
        IN_SCRATCH(test_opset_is_raised_as_needed),
        IN_SCRATCH(test_ir_3),
        IN_SCRATCH(test_missed_size),
        IN_SCRATCH(test_strict),
        IN_SCRATCH(test_keep_failed_leaves_the_old_pair),
        IN_SCRATCH(test_dry_run),
        IN_SCRATCH(test_weights_not_finite),
        IN_SCRATCH(test_verify_none_and_hash),
        IN_SCRATCH(test_external_in_and_out),
        IN_SCRATCH(test_external_missing),
        IN_SCRATCH(test_cancelled),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
