/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/overrides.c: what a file of overrides makes of a weight, and what it may not say. */
#include "quant/overrides.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "quant_make.h"

static char path[] = "/tmp/mq-overrides-XXXXXX";

static void make(void)
{
    make_input(g, "x", MQ_FLOAT, "4,64");
    make_input(g, "ids", MQ_INT64, "7");
    make_weight(g, "w", "64,32");
    make_weight(g, "table", "100,32");
    make_node(g, "MatMul", "x,w", "y");
    make_node(g, "Gather", "table,ids", "z");
    make_output(g, "y");
    make_output(g, "z");
}

static mq_status select_with(const char *json, mq_error *err)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(json, f);
    fclose(f);
    opts.overrides = path;
    return quant_try(err);
}

static const mq_quant_item *chosen(const char *name, const char *json)
{
    mq_error err = { 0 };

    if (select_with(json, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return quant_find(name);
}

static void refused(const char *json, const char *sentence)
{
    mq_error err = { 0 };

    if (select_with(json, &err) != MQ_ERR_USAGE || !strstr(err.text, sentence))
        fail_msg("%s: '%s' does not hold '%s'", json, err.text, sentence);
}

static void type_and_scheme(void **state)
{
    const mq_quant_item *it;

    (void)state;
    make();
    it = chosen("w", "{\"w\": [{\"quant_type\": \"QUInt8\", \"symmetric\": true, \"reduce_range\": true}]}");
    assert_int_equal(it->weight.scheme.type, MQ_UINT8);
    assert_true(it->weight.scheme.symmetric);
    assert_true(it->weight.scheme.q_max == 127);
    assert_null(it->weight.scales);
    it = chosen("w", "{\"w\": {\"quant_type\": \"int4\"}}");
    assert_int_equal(it->weight.scheme.type, MQ_INT4);
    assert_int_equal(it->weight.grid.kind, MQ_PER_BLOCK);
    assert_int_equal(chosen("w", "{\"w\": [{\"quant_type\": \"float\"}]}")->stay, MQ_STAY_EXCLUDED);
    assert_int_equal(quant_find("table")->stay, MQ_STAY_NOT);
}

/* Of an LSTM with --mode dynamic, whose weights get their form late. */
static void reduced_range_of_an_lstm(void **state)
{
    (void)state;
    opts.mode = MQ_MODE_DYNAMIC;
    opts.reduce_range = MQ_CHOICE_YES;
    make_input(g, "x", MQ_FLOAT, "T,N,24");
    make_weight(g, "w", "1,64,24");
    make_weight(g, "r", "1,64,16");
    make_node_int(g, "LSTM", "x,w,r", "y", "hidden_size", 16);
    make_output(g, "y");
    assert_true(chosen("w", "{\"w\": [{\"reduce_range\": false}]}")->weight.scheme.q_max == 127);
    assert_int_equal(quant_find("w")->treatment, MQ_TREAT_DYNAMIC);
    assert_true(quant_find("r")->weight.scheme.q_max == 63);
    opts.reduce_range = MQ_CHOICE_NO;
    assert_true(chosen("r", "{\"r\": [{\"reduce_range\": true}]}")->weight.scheme.q_max == 63);
    assert_true(quant_find("w")->weight.scheme.q_max == 127);
}

static void one_scale_for_the_tensor(void **state)
{
    const mq_weight *w;

    (void)state;
    make();
    w = &chosen("w", "{\"w\": [{\"scale\": 0.5, \"zero_point\": -3}]}")->weight;
    assert_int_equal(w->grid.kind, MQ_PER_TENSOR);
    assert_true(w->scales && w->scales[0] == 0.5f && w->zero_points[0] == -3);
    assert_false(w->scheme.symmetric);
    assert_int_equal(w->scheme.q_min, -128);
    w = &chosen("w", "{\"w\": [{\"scale\": 0.5}]}")->weight;
    assert_true(w->scheme.symmetric);
    w = &chosen("w", "{\"w\": [{\"rmin\": -1, \"rmax\": 2}]}")->weight;
    assert_float_equal(w->scales[0], 2.0 / 127, 1e-9);
    w = &chosen("table", "{\"table\": [{\"rmin\": 0, \"rmax\": 51, \"quant_type\": \"QUInt8\"}]}")->weight;
    assert_float_equal(w->scales[0], 0.2, 1e-7);
    assert_int_equal(w->zero_points[0], 0);
}

static void scales_per_channel_and_block(void **state)
{
    const mq_quant_item *it;
    char json[2000] = "{\"w\": [{\"axis\": 1, \"scale\": 1}";

    (void)state;
    make();
    for (int i = 1; i < 32; i++)
        sprintf(json + strlen(json), ", {\"scale\": %d, \"zero_point\": 0}", i + 1);
    strcat(json, "]}");
    refused(json, "zero_point is given for every channel"); /* the first has none */
    it = chosen("w", "{\"w\": [{\"axis\": -1, \"scale\": 0.25}]}");
    assert_int_equal(it->axis, 1);
    assert_int_equal(it->weight.grid.n_scales, 32);
    assert_true(it->weight.scales[31] == 0.25f);
    it = chosen("w", "{\"w\": [{\"axis\": 0}]}"); /* not that of the outputs */
    assert_int_equal(it->axis, 0);
    assert_int_equal(it->weight.grid.n_scales, 64);
    it = chosen("w", "{\"w\": [{\"block_size\": 16}]}");
    assert_int_equal(it->weight.grid.kind, MQ_PER_BLOCK);
    assert_int_equal(it->weight.grid.n_scales, 4 * 32);
    refused("{\"w\": [{\"axis\": 1, \"scale\": [1, 2, 3]}]}", "32 scales, 3 are given");
}

static void forms_follow(void **state)
{
    (void)state;
    make();
    opts.format = MQ_FORMAT_NBITS;
    opts.type = "int4";
    opts.ends_type = "int4";
    assert_int_equal(chosen("w", "{\"w\": [{\"block_size\": 64}]}")->treatment, MQ_TREAT_NBITS);
    assert_int_equal(quant_find("w")->weight.grid.block, 64);
    assert_int_equal(chosen("w", "{\"w\": [{\"axis\": 1}]}")->treatment, MQ_TREAT_DEQUANTIZE);
    assert_int_equal(chosen("w", "{\"w\": [{\"scale\": 1}]}")->treatment, MQ_TREAT_DEQUANTIZE);
    opts.format = MQ_FORMAT_QDQ;
    opts.type = "int8";
    opts.mode = MQ_MODE_DYNAMIC;
    assert_int_equal(chosen("w", "{\"w\": [{\"axis\": 1, \"scale\": 1}]}")->treatment, MQ_TREAT_DYNAMIC);
    assert_int_equal(chosen("w", "{\"w\": [{\"axis\": 0}]}")->treatment, MQ_TREAT_DEQUANTIZE);
}

static void what_cannot_be_meant(void **state)
{
    mq_error err = { 0 };

    (void)state;
    make();
    refused("{\"v\": [{\"scale\": 1}]}", "'v' is no weight of the model (did you mean 'w'");
    refused("{\"w\": [{\"bits\": 4}]}", "unknown key 'bits'");
    refused("{\"w\": [{\"quant_type\": \"QInt32\"}]}", "quant_type");
    refused("{\"w\": [{\"quant_type\": 8}]}", "quant_type");
    refused("{\"w\": [{\"symmetric\": 1}]}", "true or false");
    refused("{\"w\": [{\"axis\": 2}]}", "2 dimensions");
    refused("{\"w\": [{\"axis\": 1e9}]}", "axis");
    refused("{\"table\": [{\"axis\": 1}]}", "looked up by rows");
    refused("{\"w\": [{\"block_size\": 48}]}", "power of two");
    refused("{\"w\": [{\"block_size\": 16, \"axis\": 1}]}", "block_size");
    refused("{\"w\": [{\"scale\": 0}]}", "over 0");
    refused("{\"w\": [{\"scale\": 1e300}]}", "number");
    refused("{\"w\": [{\"scale\": []}]}", "number");
    refused("{\"w\": [{\"scale\": 1, \"zero_point\": 0.5}]}", "whole number");
    refused("{\"w\": [{\"scale\": 1, \"zero_point\": 128}]}", "-128..127");
    refused("{\"w\": [{\"scale\": 1, \"symmetric\": true}]}", "without symmetric");
    refused("{\"w\": [{\"scale\": 1, \"rmin\": 0, \"rmax\": 1}]}", "instead of");
    refused("{\"w\": [{\"rmax\": 1}]}", "together");
    refused("{\"w\": [{\"rmin\": 2, \"rmax\": 1}]}", "at most rmax");
    refused("{\"w\": [{\"scale\": 1}, {\"scale\": 2}]}", "axis is needed");
    refused("{\"w\": [{\"axis\": 1, \"scale\": 1}, {}]}", "for every channel");
    refused("{\"w\": []}", "array of objects");
    refused("{\"w\": 3}", "array of objects");
    refused("[]", "not an object");
    assert_int_equal(select_with("{\"w\": [}", &err), MQ_ERR_INPUT);
    assert_int_equal(select_with("{\"w\": [{}], \"w\": [{}]}", &err), MQ_ERR_INPUT);
    opts.overrides = "/nonexistent/o.json";
    assert_int_equal(quant_try(&err), MQ_ERR_INPUT);
}

static void targets_hold_for_single_tensors(void **state)
{
    (void)state;
    make();
    opts.target = "tensorrt";
    refused("{\"w\": [{\"quant_type\": \"QUInt8\"}]}", "int8 weights only");
    refused("{\"w\": [{\"symmetric\": false}]}", "zero points of 0");
    refused("{\"w\": [{\"scale\": 1, \"zero_point\": 1}]}", "zero points of 0");
    refused("{\"w\": [{\"block_size\": 16}]}", "no blocks");
    assert_non_null(chosen("w", "{\"w\": [{\"scale\": 1}]}")->weight.scales);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(type_and_scheme),
        ON_MODEL(reduced_range_of_an_lstm),
        ON_MODEL(one_scale_for_the_tensor),
        ON_MODEL(scales_per_channel_and_block),
        ON_MODEL(forms_follow),
        ON_MODEL(what_cannot_be_meant),
        ON_MODEL(targets_hold_for_single_tensors),
    };
    int failed, fd = mkstemp(path);

    if (fd < 0)
        return 1;
    close(fd);
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
