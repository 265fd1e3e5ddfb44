/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_groupnorm;

#define TOLERANCE 2e-5

/* x = [N, 6, 4, 5] in groups of channels; the end is z, of x's shape. */
static void normalized(int opset, const int64_t cut[3])
{
    assert_int_equal(mq_opset_set(m, "", opset, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "N,6,4,5");
    make_longs("cut", "3", cut);
    make_random("g", MQ_FLOAT, "3");
    make_random("h", MQ_FLOAT, "3");
    make_random("scale", MQ_FLOAT, "6,1,1");
    make_random("bias", MQ_FLOAT, "1,6,1,1");
    make_node(g, "Reshape", "x,cut", "a");
    node_float(make_node(g, "InstanceNormalization", "a,g,h", "b"), "epsilon", 1e-3f);
    make_node(g, "Shape", "x", "s");
    make_node(g, "Reshape", "b,s", "z");
}

static const int64_t thirds[] = { 0, 3, -1 };

static void exported(void **state)
{
    (void)state;
    normalized(21, thirds);
    make_node(g, "Mul", "scale,z", "t");
    make_node(g, "Add", "t,bias", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_groupnorm, "GroupNormalization", TOLERANCE);
    assert_int_equal(mq_node_attr_int(g->first, "num_groups", 0), 3);
    assert_true(mq_node_attr_float(g->first, "epsilon", 0) == 1e-3f);
}

static void without_scale_and_bias(void **state)
{
    (void)state;
    normalized(22, thirds);
    make_output(g, "z");
    pass_becomes(&mq_pass_fuse_groupnorm, "GroupNormalization", TOLERANCE);
}

static void one_scale_for_all(void **state)
{
    (void)state;
    normalized(21, thirds);
    make_float("one", 0.3f);
    make_node(g, "Mul", "z,one", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_groupnorm, "GroupNormalization", TOLERANCE);
}

static void a_scale_along_another_axis_stays(void **state)
{
    (void)state;
    normalized(21, thirds);
    make_random("row", MQ_FLOAT, "5");
    make_node(g, "Mul", "z,row", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_groupnorm, "GroupNormalization Mul", TOLERANCE);
}

static void not_fused_when_the_opset_means_another(void **state)
{
    (void)state;
    normalized(20, thirds);
    make_output(g, "z");
    pass_leaves(&mq_pass_fuse_groupnorm);
}

static void not_fused_when_samples_are_joined(void **state)
{
    (void)state;
    normalized(21, (const int64_t[]){ 1, 3, -1 });
    make_output(g, "z");
    pass_leaves(&mq_pass_fuse_groupnorm);
}

static void not_fused_when_groups_cut_channels(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 21, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "N,6,4,5");
    make_longs("cut", "3", (const int64_t[]){ 0, 4, -1 });
    make_random("g", MQ_FLOAT, "4");
    make_node(g, "Reshape", "x,cut", "a");
    make_node(g, "InstanceNormalization", "a,g,g", "b");
    make_node(g, "Shape", "x", "s");
    make_node(g, "Reshape", "b,s", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_groupnorm);
}

static void not_fused_when_the_shape_is_another(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 21, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "N,6,4,5");
    make_longs("cut", "3", thirds);
    make_longs("turned", "4", (const int64_t[]){ 0, 6, 5, 4 });
    make_random("g", MQ_FLOAT, "3");
    make_node(g, "Reshape", "x,cut", "a");
    make_node(g, "InstanceNormalization", "a,g,g", "b");
    make_node(g, "Reshape", "b,turned", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_groupnorm);
}

static void not_fused_when_the_result_between_is_read(void **state)
{
    (void)state;
    normalized(21, thirds);
    make_output(g, "b");
    make_output(g, "z");
    pass_leaves(&mq_pass_fuse_groupnorm);
}

static void not_fused_when_the_scale_is_computed(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 21, NULL), MQ_OK);
    make_input(g, "x", MQ_FLOAT, "N,6,4,5");
    make_input(g, "g", MQ_FLOAT, "3");
    make_longs("cut", "3", thirds);
    make_node(g, "Reshape", "x,cut", "a");
    make_node(g, "InstanceNormalization", "a,g,g", "b");
    make_node(g, "Shape", "x", "s");
    make_node(g, "Reshape", "b,s", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_groupnorm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(exported),
        ON_MODEL(without_scale_and_bias),
        ON_MODEL(one_scale_for_all),
        ON_MODEL(a_scale_along_another_axis_stays),
        ON_MODEL(not_fused_when_the_opset_means_another),
        ON_MODEL(not_fused_when_samples_are_joined),
        ON_MODEL(not_fused_when_groups_cut_channels),
        ON_MODEL(not_fused_when_the_shape_is_another),
        ON_MODEL(not_fused_when_the_result_between_is_read),
        ON_MODEL(not_fused_when_the_scale_is_computed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
