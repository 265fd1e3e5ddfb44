/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/drift*.c: the figures against sums made here by hand, planted faults, and every form that mq writes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "data_make.h"
#include "mq/layers.h"
#include "mq/quantize.h"
#include "report/report.h"
#include "rng.h"

static mq_model *reference;
static mq_layers_opts opts;
static mq_layers_result *result;
static mq_report *report;
static char digits[400], images[430];

static int setup(void **state)
{
    const char *folder = getenv("MQ_TESTDATA");
    char here[300];

    if (!folder) {
        assert_non_null(getcwd(here, sizeof here - 20));
        strcat(here, "/testdata");
        folder = here;
    }
    snprintf(digits, sizeof digits, "%s/digits_cnn.onnx", folder);
    snprintf(images, sizeof images, "%s/digits.npz:test_x", folder);
    opts = (mq_layers_opts){ 0 };
    result = NULL;
    reference = NULL;
    if (mq_report_create(&report, "check", NULL) != MQ_OK)
        return -1;
    return data_setup(state);
}

static int teardown(void **state)
{
    mq_layers_result_free(result);
    mq_model_free(reference);
    mq_report_free(report);
    return data_teardown(state);
}

static void measure(void)
{
    mq_layers_result_free(result);
    result = NULL;
    if (mq_check_layers(m, reference, &opts, report, &hooks, &result, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static const mq_layer *layer(const char *name)
{
    for (size_t i = 0; i < result->n_layers; i++)
        if (strcmp(result->layers[i].name, name) == 0)
            return &result->layers[i];
    fail_msg("no layer '%s'", name);
    return NULL;
}

static bool near(double a, double b)
{
    return fabs(a - b) < 0.02;
}

/* ---- by hand -------------------------------------------------------------------------------------------------------- */

enum { ROWS = 8, DEPTH = 4, WIDTH = 3 };

static float xs[ROWS * DEPTH], ws[DEPTH * WIDTH];
static int8_t codes[DEPTH * WIDTH];
static const float x_scale = 0.02f, w_scale = 0.05f;

static void make_numbers(void)
{
    uint64_t rng = 7;

    for (size_t i = 0; i < MQ_ARRAY_LEN(xs); i++)
        xs[i] = rng_float(&rng);
    for (size_t i = 0; i < MQ_ARRAY_LEN(ws); i++) {
        ws[i] = rng_float(&rng);
        codes[i] = (int8_t)nearbyintf(ws[i] / w_scale);
    }
}

static float rounded(float x)
{
    const float code = fminf(fmaxf(nearbyintf(x / x_scale) + 128, 0), 255);

    return (code - 128) * x_scale;
}

/* Signal to noise of the product with the weight, or the input, or both quantized. */
static double by_hand(bool weight, bool input)
{
    double signal = 0, noise = 0;

    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < WIDTH; c++) {
            double right = 0, wrong = 0;

            for (size_t k = 0; k < DEPTH; k++) {
                const float x = xs[r * DEPTH + k], w = ws[k * WIDTH + c];

                right += (double)x * w;
                wrong += (double)(input ? rounded(x) : x) * (weight ? (float)codes[k * WIDTH + c] * w_scale : w);
            }
            signal += right * right;
            noise += (wrong - right) * (wrong - right);
        }
    return 10 * log10(signal / noise);
}

static void make_both(void)
{
    static const uint8_t zero = 128;
    static const char *const x_npy[] = { "x.npy" };

    make_numbers();
    put_npy("x.npy", MQ_FLOAT, "8,4", xs);
    opts.source.data = x_npy;
    opts.source.n_data = 1;
    reference = make_model(17);
    make_input(reference->graph, "x", MQ_FLOAT, "N,4");
    make_init(reference->graph, "w", MQ_FLOAT, "4,3", ws);
    make_node(reference->graph, "MatMul", "x,w", "y");
    make_type(make_output(reference->graph, "y"), MQ_FLOAT, "N,3");
    make_input(m->graph, "x", MQ_FLOAT, "N,4");
    make_init(m->graph, "w_quantized", MQ_INT8, "4,3", codes);
    make_init(m->graph, "w_scale", MQ_FLOAT, "", &w_scale);
    make_init(m->graph, "x_scale", MQ_FLOAT, "", &x_scale);
    make_init(m->graph, "x_zero", MQ_UINT8, "", &zero);
    make_node(m->graph, "QuantizeLinear", "x,x_scale,x_zero", "x_QuantizeLinear_Output");
    make_node(m->graph, "DequantizeLinear", "x_QuantizeLinear_Output,x_scale,x_zero", "x_DequantizeLinear_Output");
    make_node(m->graph, "DequantizeLinear", "w_quantized,w_scale", "w_DequantizeLinear_Output");
    make_node(m->graph, "MatMul", "x_DequantizeLinear_Output,w_DequantizeLinear_Output", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "N,3");
}

static void figures_are_those_made_by_hand(void **state)
{
    const mq_layer *l;

    (void)state;
    make_both();
    measure();
    assert_true(result->n_layers == 1 && result->n_unmatched == 0 && result->n_samples == ROWS && !result->first);
    l = layer("y");
    assert_true(near(l->weights, by_hand(true, false)) && near(l->activations, by_hand(false, true)));
    assert_true(near(l->own, by_hand(true, true)) && near(l->accumulated, l->own));
    assert_string_equal(l->tensor, "y");
}

static void results_do_not_depend_on_the_parts(void **state)
{
    mq_layer one;

    (void)state;
    make_both();
    measure();
    one = *layer("y");
    opts.memory = 1;
    measure();
    assert_true(layer("y")->own == one.own && layer("y")->accumulated == one.accumulated);
}

static void nothing_quantized_is_said(void **state)
{
    mq_layers_result *r = NULL;

    (void)state;
    make_both();
    assert_int_equal(mq_check_layers(reference, reference, &opts, NULL, NULL, &r, &err), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "nothing in the model is quantized"));
}

static void a_stranger_is_counted(void **state)
{
    (void)state;
    make_both();
    make_node(m->graph, "DequantizeLinear", "x_QuantizeLinear_Output,x_scale,x_zero", "z_in");
    make_node(m->graph, "Abs", "z_in", "z");
    make_type(make_output(m->graph, "z"), MQ_FLOAT, "N,4");
    measure();
    assert_true(result->n_layers == 1 && result->n_unmatched == 1);
    assert_string_equal(result->unmatched[0], "z");
    assert_non_null(strstr(warned, "layers-unmatched"));
}

/* A score of -3.4e38 that integers clip is as far away as before. */
static void masks_are_left_out(void **state)
{
    static const float mask[] = { 0, -3.4e38f, 0, 0 };

    (void)state;
    make_both();
    mq_graph_clear_outputs(reference->graph);
    mq_graph_clear_outputs(m->graph);
    make_init(reference->graph, "mask", MQ_FLOAT, "4", mask);
    make_init(m->graph, "mask", MQ_FLOAT, "4", mask);
    make_node(reference->graph, "Add", "x,mask", "masked");
    make_type(make_output(reference->graph, "masked"), MQ_FLOAT, "N,4");
    make_node(m->graph, "Add", "x_DequantizeLinear_Output,mask", "masked_QuantizeLinear_Input");
    make_node(m->graph, "QuantizeLinear", "masked_QuantizeLinear_Input,x_scale,x_zero", "masked_quantized");
    make_node(m->graph, "DequantizeLinear", "masked_quantized,x_scale,x_zero", "masked");
    make_type(make_output(m->graph, "masked"), MQ_FLOAT, "N,4");
    measure();
    assert_true(layer("masked")->own > 30 && layer("masked")->accumulated > 30);
}

/* ---- what models may hold ------------------------------------------------------------------------------------------- */

static void omitted_results_are_passed_over(void **state)
{
    static const int64_t one = 1;
    static const float again[WIDTH * WIDTH];

    (void)state;
    make_both();
    make_init(m->graph, "one", MQ_INT64, "1", &one);
    make_init(m->graph, "weight", MQ_FLOAT, "1,3,4", ws);
    make_init(m->graph, "again", MQ_FLOAT, "1,3,3", again);
    make_node(m->graph, "Unsqueeze", "x_DequantizeLinear_Output,one", "steps");
    make_node(m->graph, "RNN", "steps,weight,again", "-,last");
    assert_int_equal(mq_node_set_attr_int(m->graph->last, "hidden_size", WIDTH, NULL), MQ_OK);
    make_type(make_output(m->graph, "last"), MQ_FLOAT, "1,1,3");
    measure();
    assert_int_equal(result->n_layers, 1);
}

/* Each is added up eight times: 8^14 sums for who follows every reader anew. */
static void a_constant_is_computed_once(void **state)
{
    static const float zeros[WIDTH];
    char in[100], out[20];

    (void)state;
    make_both();
    for (int q = 0; q < 2; q++) {
        mq_graph *g = q ? m->graph : reference->graph;

        mq_graph_clear_outputs(g);
        make_init(g, "c0", MQ_FLOAT, "3", zeros);
        for (int i = 0; i < 14; i++) {
            snprintf(in, sizeof in, "c%d,c%d,c%d,c%d,c%d,c%d,c%d,c%d", i, i, i, i, i, i, i, i);
            snprintf(out, sizeof out, "c%d", i + 1);
            make_node(g, "Sum", in, out);
        }
        if (q) {
            make_node(g, "QuantizeLinear", "y,x_scale,x_zero", "y_quantized");
            make_node(g, "DequantizeLinear", "y_quantized,x_scale,x_zero", "y_dequantized");
        }
        make_node(g, "Add", q ? "y_dequantized,c14" : "y,c14", "sum");
        make_type(make_output(g, "sum"), MQ_FLOAT, "N,3");
    }
    measure();
    assert_true(layer("sum")->own > 20);
}

static void random_numbers_are_no_constants(void **state)
{
    (void)state;
    make_both();
    for (int q = 0; q < 2; q++) {
        mq_graph *g = q ? m->graph : reference->graph;

        mq_graph_clear_outputs(g);
        make_node(g, "RandomNormalLike", q ? "w_DequantizeLinear_Output" : "w", "drawn");
        make_node(g, "MatMul", "x,drawn", "z");
        make_node(g, "Add", "y,z", "sum");
        make_type(make_output(g, "sum"), MQ_FLOAT, "N,3");
    }
    measure();
    assert_true(layer("y")->own > 20);
}

/* Channels of a convolution in three dimensions that were made larger before and smaller behind. */
static void volumes_are_rescaled(void **state)
{
    static const float first[] = { 1, -0.5f, 0.25f, 0.75f, -1, 0.3f, 0.9f, 0.6f };
    static const float second[] = { 1, 0.5f, -0.7f, 0.2f, 0.4f, -1, 0.3f, 0.8f }, by[] = { 0.25f, 1, 2, 5 };
    static int8_t codes_of[2][8];
    static const float scales[2] = { 0.05f, 0.02f };
    static const char *const x_npy[] = { "v.npy" };

    (void)state;
    make_numbers();
    put_npy("v.npy", MQ_FLOAT, "16,2,1,1,1", xs);
    opts.source.data = x_npy;
    opts.source.n_data = 1;
    reference = make_model(17);
    for (size_t i = 0; i < 8; i++) {
        codes_of[0][i] = (int8_t)nearbyintf(first[i] * by[i / 2] / scales[0]);
        codes_of[1][i] = (int8_t)nearbyintf(second[i] / by[i % 4] / scales[1] / 4);
    }
    for (int q = 0; q < 2; q++) {
        mq_graph *g = q ? m->graph : reference->graph;
        static const float r_scale = 0.05f, second_scale = 0.08f;
        static const uint8_t r_zero = 128;

        make_input(g, "x", MQ_FLOAT, "N,2,1,1,1");
        if (q) {
            make_init(g, "v_quantized", MQ_INT8, "4,2,1,1,1", codes_of[0]);
            make_init(g, "v_scale", MQ_FLOAT, "", &scales[0]);
            make_init(g, "u_quantized", MQ_INT8, "2,4,1,1,1", codes_of[1]);
            make_init(g, "u_scale", MQ_FLOAT, "", &second_scale);
            make_init(g, "r_scale", MQ_FLOAT, "", &r_scale);
            make_init(g, "r_zero", MQ_UINT8, "", &r_zero);
            make_node(g, "DequantizeLinear", "v_quantized,v_scale", "v");
            make_node(g, "DequantizeLinear", "u_quantized,u_scale", "u");
        } else {
            make_init(g, "v", MQ_FLOAT, "4,2,1,1,1", first);
            make_init(g, "u", MQ_FLOAT, "2,4,1,1,1", second);
        }
        make_node(g, "Conv", "x,v", "r");
        if (q) {
            make_node(g, "QuantizeLinear", "r,r_scale,r_zero", "r_quantized");
            make_node(g, "DequantizeLinear", "r_quantized,r_scale,r_zero", "r_dequantized");
        }
        make_node(g, "Conv", q ? "r_dequantized,u" : "r,u", "z");
        make_type(make_output(g, "z"), MQ_FLOAT, "N,2,1,1,1");
    }
    measure();
    assert_true(result->n_layers == 2 && layer("r")->own > 10 && layer("z")->own > 10);
}

static void a_layer_that_cannot_be_read_is_left_out(void **state)
{
    static const float scales[] = { 0.05f, 0.05f, 0.05f, 0.05f, 0.05f };

    (void)state;
    make_both();
    make_init(reference->graph, "v", MQ_FLOAT, "4,3", ws);
    make_node(reference->graph, "MatMul", "x,v", "z");
    make_type(make_output(reference->graph, "z"), MQ_FLOAT, "N,3");
    make_init(m->graph, "v_quantized", MQ_INT8, "4,3", codes);
    make_init(m->graph, "v_scale", MQ_FLOAT, "5,1,1", scales);
    make_node(m->graph, "DynamicQuantizeLinear", "x", "codes,range,zero");
    make_node(m->graph, "MatMulInteger", "codes,v_quantized,zero", "sums");
    make_node(m->graph, "Cast", "sums", "counts");
    assert_int_equal(mq_node_set_attr_int(m->graph->last, "to", MQ_FLOAT, NULL), MQ_OK);
    make_node(m->graph, "Mul", "range,v_scale", "factor");
    make_node(m->graph, "Mul", "counts,factor", "z");
    make_type(make_output(m->graph, "z"), MQ_FLOAT, "5,N,3");
    opts.source.samples = ROWS;
    measure();
    assert_true(result->n_layers == 1 && result->n_unmatched == 1 && layer("y")->own > 20);
    assert_non_null(strstr(warned, "layers-unmatched"));
}

static void a_vector_is_explained(void **state)
{
    static const float v[] = { 1, 0.3f, -0.7f }, v_scale = 0.4f;
    static const int8_t v_codes[] = { 2, 1, -2 };

    (void)state;
    make_both();
    mq_graph_clear_outputs(reference->graph);
    mq_graph_clear_outputs(m->graph);
    make_init(reference->graph, "v", MQ_FLOAT, "3", v);
    make_node(reference->graph, "Mul", "y,v", "z");
    make_type(make_output(reference->graph, "z"), MQ_FLOAT, "N,3");
    make_init(m->graph, "v_quantized", MQ_INT8, "3", v_codes);
    make_init(m->graph, "v_scale", MQ_FLOAT, "", &v_scale);
    make_node(m->graph, "DequantizeLinear", "v_quantized,v_scale", "v");
    make_node(m->graph, "Mul", "y,v", "z");
    make_type(make_output(m->graph, "z"), MQ_FLOAT, "N,3");
    measure();
    assert_non_null(strstr(layer("z")->why, "one dimension"));
}

/* The weight's scale is infinite: all of its layer is. */
static void what_is_not_finite_is_not_equal(void **state)
{
    static const float far_scale = INFINITY;
    char *text = NULL;

    (void)state;
    make_both();
    make_init(m->graph, "w_scale", MQ_FLOAT, "", &far_scale);
    measure();
    assert_true(layer("y")->own == -INFINITY);
    assert_int_equal(mq_report_render(report, MQ_REPORT_HTML, &text, &err), MQ_OK);
    assert_true(strstr(text, "not finite") && !strstr(text, ">equal<"));
    free(text);
}

/* ---- saturating sums ------------------------------------------------------------------------------------------------ */

/* Two products. What the second has is held exactly, but its inputs are large and its largest weights lie side by side: 220
 * * (127 + 127) comes up. */
static void make_saturating(void)
{
    static float v[DEPTH * WIDTH];
    static int8_t v_codes[DEPTH * WIDTH];
    static const float v_scale = 1 / 127.0f, h_scale = 0.01f;
    static const uint8_t h_zero = 0;

    make_both();
    for (size_t i = 0; i < MQ_ARRAY_LEN(v); i++) {
        v_codes[i] = i / WIDTH < 2 ? 127 : -64;
        v[i] = (float)v_codes[i] * v_scale;
    }
    for (int q = 0; q < 2; q++) {
        mq_graph *g = q ? m->graph : reference->graph;
        static const float large = 2.5f, small = 2.2f;

        mq_graph_clear_outputs(g);
        make_init(g, "small", MQ_FLOAT, "", &small);
        make_init(g, "large", MQ_FLOAT, "", &large);
        make_node(g, "Clip", "x,small,large", "h");
        if (q) {
            make_init(g, "v_quantized", MQ_INT8, "4,3", v_codes);
            make_init(g, "v_scale", MQ_FLOAT, "", &v_scale);
            make_init(g, "h_scale", MQ_FLOAT, "", &h_scale);
            make_init(g, "h_zero", MQ_UINT8, "", &h_zero);
            make_node(g, "QuantizeLinear", "h,h_scale,h_zero", "h_quantized");
            make_node(g, "DequantizeLinear", "h_quantized,h_scale,h_zero", "h_dequantized");
            make_node(g, "DequantizeLinear", "v_quantized,v_scale", "v");
            make_node(g, "MatMul", "h_dequantized,v", "u");
        } else {
            make_init(g, "v", MQ_FLOAT, "4,3", v);
            make_node(g, "MatMul", "h,v", "u");
        }
        make_node(g, "Add", "u,y", "sum");
        make_type(make_output(g, "sum"), MQ_FLOAT, "N,3");
    }
}

static void a_saturating_layer_comes_first_on_its_cpu(void **state)
{
    (void)state;
    make_saturating();
    measure();
    assert_string_equal(result->layers[0].name, "y");
    assert_true(layer("u")->saturation < 20 && layer("y")->saturation > 60);
    opts.target = "onnxruntime,x64-vnni";
    measure();
    assert_string_equal(result->layers[0].name, "y");
    opts.target = "onnxruntime,x64-avx2";
    measure();
    assert_string_equal(result->layers[0].name, "u");
    assert_string_equal(result->layers[0].cause, "saturation");
    assert_non_null(strstr(result->layers[0].remedy, "--reduce-range"));
}

/* ---- models that mq writes ------------------------------------------------------------------------------------------ */

static void load(mq_model **out, const char *path)
{
    mq_model_free(*out);
    *out = NULL;
    if (mq_model_load(out, path, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static mq_data_source on_images(void)
{
    static const char *list[1];
    static const char *const scale[] = { "scale=1/16" };

    list[0] = images;
    return (mq_data_source){ .data = list, .n_data = 1, .preprocess = scale, .n_preprocess = 1, .samples = 40 };
}

/* digits_cnn and what becomes of it. */
static void quantize(mq_quantize_mode mode, mq_quantize_format format)
{
    mq_quantize_opts o = mq_quantize_opts_default();
    mq_report *unread;

    assert_int_equal(mq_report_create(&unread, "quantize", NULL), MQ_OK);
    o.mode = mode;
    o.format = format;
    o.verify = MQ_VERIFY_NONE;
    o.save.force = true;
    if (mode == MQ_MODE_STATIC)
        o.calibrate_on = on_images();
    if (mq_quantize_file(digits, "q.onnx", &o, unread, NULL, &err) != MQ_OK)
        fail_msg("%s", err.text);
    mq_report_free(unread);
    load(&m, "q.onnx");
    load(&reference, digits);
    opts.source = on_images();
}

/* The constant becomes one number. */
static void set_float(const char *name, float factor)
{
    mq_value *v = mq_graph_find(m->graph, name);
    float was = 0;

    assert_true(v && v->init && mq_tensor_read_f32(v->init, 0, 1, &was, NULL) == MQ_OK);
    was *= factor;
    assert_int_equal(mq_value_set_init(v, mq_tensor_create(m, name, MQ_FLOAT, 0, NULL, &was), NULL), MQ_OK);
}

static void move_zero(const char *name, int by)
{
    mq_value *v = mq_graph_find(m->graph, name);
    int64_t was = 0;
    uint8_t now;

    assert_true(v && v->init && mq_tensor_read_i64(v->init, 0, 1, &was, NULL) == MQ_OK);
    now = (uint8_t)(was + by);
    assert_int_equal(mq_value_set_init(v, mq_tensor_create(m, name, MQ_UINT8, 0, NULL, &now), NULL), MQ_OK);
}

static void every_form_is_read(void **state)
{
    static const struct {
        mq_quantize_mode mode;
        mq_quantize_format format;
        size_t layers;
    } forms[] = {
        { MQ_MODE_STATIC, MQ_FORMAT_QDQ, 6 }, { MQ_MODE_STATIC, MQ_FORMAT_QOPERATOR, 6 },
        { MQ_MODE_DYNAMIC, MQ_FORMAT_QDQ, 3 }, { MQ_MODE_WEIGHT, MQ_FORMAT_QDQ, 5 },
    };

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(forms); i++) {
        quantize(forms[i].mode, forms[i].format);
        measure();
        assert_int_equal(result->n_layers, forms[i].layers);
        assert_int_equal(result->n_unmatched, 0);
        for (size_t k = 0; k < result->n_layers; k++)
            assert_true(result->layers[k].own > 35 && result->layers[k].accumulated > 25); /* NaN fails */
        assert_true(layer("fc")->weights > 40 && layer("conv2")->weights > 40);
    }
}

static void is_first(const char *name, const char *cause, const char *input)
{
    measure();
    assert_string_equal(result->layers[0].name, name);
    assert_string_equal(result->layers[0].cause, cause);
    assert_string_equal(result->layers[0].input, input);
}

static void a_clipped_range_comes_first(void **state)
{
    (void)state;
    quantize(MQ_MODE_STATIC, MQ_FORMAT_QDQ);
    set_float("relu2_out_scale", 0.25f);
    is_first("depthwise", "clipped-range", "relu2_out");
    assert_non_null(strstr(result->layers[0].remedy, "--calibration"));
    quantize(MQ_MODE_STATIC, MQ_FORMAT_QOPERATOR); /* the bias, in steps of both scales, is wrong, too */
    set_float("relu2_out_scale", 0.25f);
    is_first("depthwise", "clipped-range", "relu2_out");
}

static void a_wrong_zero_point_comes_first(void **state)
{
    (void)state;
    quantize(MQ_MODE_STATIC, MQ_FORMAT_QDQ);
    move_zero("bn2_out_zero_point", 60);
    is_first("add", "zero-point", "bn2_out");
    quantize(MQ_MODE_STATIC, MQ_FORMAT_QOPERATOR);
    move_zero("bn2_out_zero_point", -60);
    is_first("add", "zero-point", "bn2_out");
}

static void a_wrong_weight_scale_comes_first(void **state)
{
    static const int64_t dims[] = { 16 };
    float scales[16] = { 0 };
    mq_value *v;

    (void)state;
    quantize(MQ_MODE_WEIGHT, MQ_FORMAT_QDQ);
    v = mq_graph_find(m->graph, "conv2.weight_scale");
    assert_true(v && v->init && mq_tensor_read_f32(v->init, 0, 16, scales, NULL) == MQ_OK);
    for (size_t i = 0; i < 16; i++)
        scales[i] *= 1.5f;
    assert_int_equal(mq_value_set_init(v, mq_tensor_create(m, v->name, MQ_FLOAT, 1, dims, scales), NULL), MQ_OK);
    is_first("conv2", "scale", "");
}

static void the_report_has_all_of_it(void **state)
{
    const json_t *list, *l;

    (void)state;
    quantize(MQ_MODE_STATIC, MQ_FORMAT_QDQ);
    set_float("relu2_out_scale", 0.25f);
    measure();
    list = mq_report_peek(report, "layers");
    assert_int_equal(json_array_size(list), result->n_layers);
    l = json_array_get(list, 0);
    assert_string_equal(json_string_value(json_object_get(l, "name")), "depthwise");
    assert_string_equal(json_string_value(json_object_get(l, "cause")), "clipped-range");
    assert_true(json_number_value(json_object_get(l, "own_db")) == result->layers[0].own);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(figures_are_those_made_by_hand),
        T(results_do_not_depend_on_the_parts),
        T(nothing_quantized_is_said),
        T(a_stranger_is_counted),
        T(masks_are_left_out),
        T(omitted_results_are_passed_over),
        T(a_constant_is_computed_once),
        T(random_numbers_are_no_constants),
        T(volumes_are_rescaled),
        T(a_layer_that_cannot_be_read_is_left_out),
        T(a_vector_is_explained),
        T(what_is_not_finite_is_not_equal),
        T(a_saturating_layer_comes_first_on_its_cpu),
        T(every_form_is_read),
        T(a_clipped_range_comes_first),
        T(a_wrong_zero_point_comes_first),
        T(a_wrong_weight_scale_comes_first),
        T(the_report_has_all_of_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
