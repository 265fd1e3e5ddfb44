/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --preprocess: keys, presets and JSON; sizes against the input; the arithmetic. Resizing is compared with PIL in
 * tests/conformance/data_reads.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/preprocess.h"
#include "data_make.h"

static mq_status bind_to(const char *spec, const char *dims, mq_pipeline **out)
{
    mq_value *v = mq_value_create_unique(m->graph, "x");
    mq_pipeline *p = NULL;
    mq_status rc;

    make_type(v, MQ_FLOAT, dims);
    rc = mq_pipeline_parse(&p, spec, NULL, &err);
    if (rc == MQ_OK)
        rc = mq_pipeline_bind(p, v, &err);
    if (out)
        *out = p;
    else
        mq_pipeline_free(p);
    return rc;
}

/* A row of uint8 [height, width, 3] counting up, and what becomes of it. */
static void gives(const char *spec, const char *dims, int64_t height, int64_t width, const char *want)
{
    mq_array *row = NULL, *out = NULL;
    mq_pipeline *p = NULL;

    assert_int_equal(mq_array_create(&row, MQ_UINT8, 3, (int64_t[]){ height, width, 3 }, NULL), MQ_OK);
    for (size_t i = 0; i < row->count; i++)
        ((uint8_t *)row->data)[i] = (uint8_t)i;
    if (bind_to(spec, dims, &p) != MQ_OK || mq_pipeline_run(p, row, true, &out, &err) != MQ_OK)
        fail_msg("%s", err.text);
    array_is(out, want);
    mq_array_unref(out);
    mq_array_unref(row);
    mq_pipeline_free(p);
}

static void refused(const char *spec, const char *dims, const char *text)
{
    assert_int_equal(bind_to(spec, dims, NULL), MQ_ERR_USAGE);
    if (!strstr(err.text, text))
        fail_msg("'%s' is not in: %s", text, err.text);
}

static void arithmetic_and_layout(void **state)
{
    (void)state;
    gives("none", "N,3,H,W", 1, 2, "float[3,1,2]: 0 3 1 4 2 5");
    gives("none", "N,H,W,3", 1, 2, "float[1,2,3]: 0 1 2 3 4 5");
    gives("order=bgr", "N,3,1,2", 1, 2, "float[3,1,2]: 2 5 1 4 0 3");
    gives("scale=2,mean=1,std=0.5", "N,3,1,1", 1, 1, "float[3,1,1]: -2 2 6");
    gives("scale=1/2,mean=1/2/3,std=1/1/2", "N,3,1,1", 1, 1, "float[3,1,1]: -1 -1.5 -1");
    gives("order=gray", "N,1,1,2", 1, 2, "float[1,1,2]: 1 4");
    gives("crop=1x2", "N,3,1,2", 3, 4, "float[3,1,2]: 15 18 16 19 17 20");
    gives("letterbox,fill=9,align=topleft", "N,3,2,2", 1, 2, "float[3,2,2]: 0 3 9 9 1 4 9 9 2 5 9 9");
    gives("resize=2x2,interp=nearest", "N,3,2,2", 1, 1, "float[3,2,2]: 0 0 0 0 1 1 1 1 2 2 2 2");
    gives("resize=1,interp=area", "N,3,1,2", 2, 4, "float[3,1,2]: 8 14 9 15 10 16");
}

static void specs_against_inputs(void **state)
{
    (void)state;
    assert_int_equal(bind_to("imagenet", "N,3,224,224", NULL), MQ_OK);
    assert_int_equal(bind_to("imagenet,std=1/1/1,crop=200", "N,3,H,W", NULL), MQ_OK);
    assert_int_equal(bind_to("yolo", "1,3,640,480", NULL), MQ_OK);
    refused("imagenet", "N,3,299,299", "224x224 (height x width), but input");
    refused("resize=240x320", "N,3,320,240", "swapped");
    refused("tf", "N,3,H,W", "resize needs a size");
    refused("imagenet,crop=300", "N,3,H,W", "crop is larger than resize");
    refused("mean=1/2", "N,3,H,W", "mean has 2 values, but input");
    refused("order=gray", "N,3,H,W", "order=gray");
    refused("resize=4", "N,10", "no picture");
    refused("resise=4", "N,3,H,W", "did you mean 'resize'");
    refused("scale=1/0", "N,3,H,W", "scale=1/0");
    refused("std=0", "N,3,H,W", "std=0");
    refused("interp=cubic", "N,3,H,W", "bicubic");
    refused("resize=4,imagenet", "N,3,H,W", "comes first");
    refused("", "N,3,H,W", "empty");
    refused("mean=nan", "N,3,H,W", "mean=nan");
}

static void json_files(void **state)
{
    (void)state;
    scratch_put_text("p.json",
                     "{\"about\": \"x\", \"scale\": \"1/2\", \"mean\": [1, 2, 3], \"order\": \"rgb\", \"crop\": true}");
    gives("p.json", "N,3,1,1", 1, 1, "float[3,1,1]: -1 -1.5 -2");
    scratch_put_text("p.json", "{\"preset\": \"tf\", \"resize\": [1, 1]}");
    gives("p.json", "N,3,1,1", 1, 1, "float[3,1,1]: -1 -0.992157 -0.984314");
    scratch_put_text("p.json", "{\"sclae\": 1}");
    refused("p.json", "N,3,1,1", "did you mean 'scale'");
    scratch_put_text("p.json", "[1]");
    assert_int_equal(bind_to("p.json", "N,3,1,1", NULL), MQ_ERR_INPUT);
    assert_int_equal(bind_to("none.json", "N,3,1,1", NULL), MQ_ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ON_DATA(arithmetic_and_layout), ON_DATA(specs_against_inputs), ON_DATA(json_files) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
