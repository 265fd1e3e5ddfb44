/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/image.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

/* Resize with its scales or sizes as constant input 2 or 3; n 0: left out. */
static void open_resize(one_node *t, int opset, const char *x, int n_scales, const float *scales)
{
    one_open(t, "Resize", opset);
    one_in(t, MQ_FLOAT, x);
    one_absent(t);
    if (n_scales)
        one_const(t, MQ_FLOAT, n_scales, scales);
    else
        one_absent(t);
}

static void scales(void **state)
{
    const float whole[] = { 1, 1, 2, 2.5f }, nan[] = { 1, 1, 2, 0.0f / 0.0f }, zero[] = { 1, 1, 0, 1 };
    const float huge[] = { 1, 1, 3e38f, 1e30f };
    one_node t;

    (void)state;
    open_resize(&t, 13, "N,3,H,10", 4, whole);
    one_gives(&t, "float[N,3,2*H,25]");
    open_resize(&t, 13, "N,3,H,W", 4, whole);
    one_gives(&t, "float[N,3,2*H,?]");
    open_resize(&t, 13, "N,3,9,9", 4, huge);
    one_gives(&t, "float[N,3,?,?]");
    open_resize(&t, 13, "N,3,9,9", 4, nan);
    one_refused(&t, 1, "must be positive");
    open_resize(&t, 13, "N,3,9,9", 4, zero);
    one_refused(&t, 1, "must be positive");
    open_resize(&t, 13, "N,3,9,9", 3, whole);
    one_refused(&t, 1, "3 scales, 4 are needed");
    one_open(&t, "Upsample", 9);
    one_in(&t, MQ_FLOAT, "N,3,H,10");
    one_const(&t, MQ_FLOAT, 4, whole);
    one_gives(&t, "float[N,3,2*H,25]");
}

static void sizes(void **state)
{
    one_node t;

    (void)state;
    open_resize(&t, 13, "N,3,9,9", 0, NULL);
    one_ints(&t, 1, 3, 20, 30);
    one_gives(&t, "float[1,3,20,30]");
    open_resize(&t, 11, "N,3,9,9", 0, NULL);
    one_shape_of(&t, "N,3,H,30");
    one_gives(&t, "float[N,3,H,30]");
    open_resize(&t, 18, "N,3,10,11", 0, NULL);
    one_ints(&t, 20, 30);
    one_attr_ints(&t, "axes", -2, -1);
    assert_int_equal(mq_node_set_attr_string(t.node, "keep_aspect_ratio_policy", "not_larger", NULL), MQ_OK);
    one_gives(&t, "float[N,3,20,22]");
    open_resize(&t, 18, "N,3,10,11", 0, NULL);
    one_ints(&t, 20, 30);
    one_attr_ints(&t, "axes", 2, 2);
    one_refused(&t, 1, "twice");
    open_resize(&t, 18, "N,3,0,11", 0, NULL);
    one_ints(&t, INT64_MAX, INT64_MAX);
    one_attr_ints(&t, "axes", 2, 3);
    assert_int_equal(mq_node_set_attr_string(t.node, "keep_aspect_ratio_policy", "not_smaller", NULL), MQ_OK);
    one_gives(&t, "float[N,3,?,?]");
    open_resize(&t, 13, "N,3,9,9", 0, NULL);
    one_ints(&t, 1, 3, -20, 30);
    one_refused(&t, 1, "-20");
}

static void regions(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "RoiAlign", 16);
    one_in(&t, MQ_FLOAT, "N,C,9,9");
    one_in(&t, MQ_FLOAT, "R,4");
    one_in(&t, MQ_INT64, "R");
    one_attr(&t, "output_height", 7);
    one_gives(&t, "float[R,C,7,1]");
    one_open(&t, "RoiAlign", 16);
    one_in(&t, MQ_FLOAT, "N,C,9,9");
    one_in(&t, MQ_FLOAT, "5,4");
    one_in(&t, MQ_INT64, "6");
    one_refused(&t, 1, "5 and 6");
    one_open(&t, "GridSample", 20);
    one_in(&t, MQ_FLOAT, "N,C,9,9");
    one_in(&t, MQ_FLOAT, "N,H,W,3");
    one_refused(&t, 1, "2 and 3");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scales),
        cmocka_unit_test(sizes),
        cmocka_unit_test(regions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
