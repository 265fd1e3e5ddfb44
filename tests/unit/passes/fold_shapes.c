/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fold_shapes;

/* [N, S, 2, 4] from the sizes of x */
static void make_heads_shape(const char *batch, const char *seq)
{
    make_longs("zero", "", (const int64_t[]){ 0 });
    make_longs("one", "", (const int64_t[]){ 1 });
    make_longs("first", "1", (const int64_t[]){ 0 });
    make_longs("heads", "2", (const int64_t[]){ 2, 4 });
    make_node(g, "Shape", "x", "s");
    node_int(make_node(g, "Gather", "s,zero", "b"), "axis", 0);
    node_int(make_node(g, "Gather", "s,one", "q"), "axis", 0);
    make_node(g, "Unsqueeze", "b,first", batch);
    make_node(g, "Unsqueeze", "q,first", seq);
}

static void reads(const char *node, size_t input, const int64_t *want, size_t n)
{
    for (const mq_node *k = g->first; k; k = k->next) {
        mq_tensor *t = strcmp(k->op_type, node) == 0 ? mq_constant_input(k, input) : NULL;
        int64_t got[8];

        if (!t)
            continue;
        assert_int_equal(mq_tensor_count(t), n);
        assert_int_equal(mq_tensor_read_i64(t, 0, n, got, NULL), MQ_OK);
        assert_memory_equal(got, want, n * sizeof *want);
        return;
    }
    fail_msg("no %s with a constant", node);
}

static void sizes_in_their_places_become_zeros(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,S,8");
    make_heads_shape("b1", "q1");
    node_int(make_node(g, "Concat", "b1,q1,heads", "shape"), "axis", 0);
    make_node(g, "Reshape", "x,shape", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_shapes, "Reshape", 0);
    reads("Reshape", 1, (const int64_t[]){ 0, 0, 2, 4 }, 4);
}

static void one_other_size_becomes_minus_one(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,S,8");
    make_longs("size", "1", (const int64_t[]){ 8 });
    make_heads_shape("b1", "q1");
    make_node(g, "Mul", "b,q", "rows");
    make_node(g, "Unsqueeze", "rows,first", "rows1");
    node_int(make_node(g, "Concat", "rows1,size", "shape"), "axis", 0);
    make_node(g, "Reshape", "x,shape", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_shapes, "Reshape", 0);
    reads("Reshape", 1, (const int64_t[]){ -1, 8 }, 2);
}

static void not_folded_when_two_sizes_are_unknown(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,S,8");
    make_heads_shape("b1", "q1");
    node_int(make_node(g, "Concat", "q1,b1,heads", "shape"), "axis", 0);
    make_node(g, "Reshape", "x,shape", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_shapes);
}

static void not_folded_when_zeros_mean_zero(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,S,8");
    make_heads_shape("b1", "q1");
    node_int(make_node(g, "Concat", "b1,q1,heads", "shape"), "axis", 0);
    node_int(make_node(g, "Reshape", "x,shape", "y"), "allowzero", 1);
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_shapes);
}

static void expand_keeps_what_the_input_has(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,1,8");
    make_longs("tail", "2", (const int64_t[]){ 5, 8 });
    make_heads_shape("b1", "q1");
    node_int(make_node(g, "Concat", "b1,tail", "shape"), "axis", 0);
    make_node(g, "Expand", "x,shape", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fold_shapes, "Expand", 0);
    reads("Expand", 1, (const int64_t[]){ 1, 5, 8 }, 3);
}

static void not_folded_when_expand_makes_a_size(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "N,S");
    make_input(g, "z", MQ_FLOAT, "1,S");
    make_longs("zero", "1", (const int64_t[]){ 0 });
    make_longs("s", "1", (const int64_t[]){ 1 });
    make_node(g, "Shape", "x", "all");
    node_int(make_node(g, "Gather", "all,zero", "b"), "axis", 0);
    node_int(make_node(g, "Concat", "b,s", "shape"), "axis", 0);
    make_node(g, "Expand", "z,shape", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fold_shapes);
}

static void make_slice(const char *end, const int64_t *step)
{
    make_input(g, "x", MQ_FLOAT, "N,S,8");
    make_longs("start", "1", (const int64_t[]){ 1 });
    make_longs("axes", "1", (const int64_t[]){ 1 });
    make_longs("step", "1", step);
    make_heads_shape("b1", "q1");
    make_node(g, "Slice", end, "y");
    make_output(g, "y");
}

static void slices_to_the_end(void **state)
{
    (void)state;
    make_slice("x,start,q1,axes,step", (const int64_t[]){ 1 });
    pass_becomes(&mq_pass_fold_shapes, "Slice", 0);
    reads("Slice", 2, (const int64_t[]){ INT64_MAX }, 1);
}

static void not_folded_when_the_end_is_another_size(void **state)
{
    (void)state;
    make_slice("x,start,b1,axes,step", (const int64_t[]){ 1 });
    pass_leaves(&mq_pass_fold_shapes);
}

static void not_folded_when_slices_go_back(void **state)
{
    (void)state;
    make_slice("x,start,q1,axes,step", (const int64_t[]){ -1 });
    pass_leaves(&mq_pass_fold_shapes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(sizes_in_their_places_become_zeros),
        ON_MODEL(one_other_size_becomes_minus_one),
        ON_MODEL(not_folded_when_two_sizes_are_unknown),
        ON_MODEL(not_folded_when_zeros_mean_zero),
        ON_MODEL(expand_keeps_what_the_input_has),
        ON_MODEL(not_folded_when_expand_makes_a_size),
        ON_MODEL(slices_to_the_end),
        ON_MODEL(not_folded_when_the_end_is_another_size),
        ON_MODEL(not_folded_when_slices_go_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
