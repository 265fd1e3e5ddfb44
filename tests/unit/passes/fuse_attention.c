/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_fuse_attention, mq_pass_fuse_heads;

#define TOLERANCE 1e-5

/* x = [N, S, 8] becomes out = [N, 2, S, 4], turned as perm says. */
static void heads(const char *x, const char *out, const char *perm)
{
    char cut[16];

    snprintf(cut, sizeof cut, "%s_cut", x);
    make_input(g, x, MQ_FLOAT, "N,S,8");
    char in[32];
    snprintf(in, sizeof in, "%s,shape", x);
    make_node(g, "Reshape", in, cut);
    node_ints(make_node(g, "Transpose", cut, out), "perm", perm);
}

static void operands(void)
{
    make_longs("shape", "4", (const int64_t[]){ 0, 0, 2, 4 });
    make_longs("whole", "3", (const int64_t[]){ 0, 0, 8 });
    heads("q", "qh", "0,2,1,3");
    heads("k", "kh", "0,2,3,1");
    heads("v", "vh", "0,2,1,3");
    make_float("scale", 0.4f);
    make_float("root", 2.5f);
}

static void ending(const char *p)
{
    char in[32];

    snprintf(in, sizeof in, "%s,vh", p);
    make_node(g, "MatMul", in, "z");
    node_ints(make_node(g, "Transpose", "z", "zt"), "perm", "0,2,1,3");
    make_node(g, "Reshape", "zt,whole", "y");
    make_output(g, "y");
}

static const mq_node *only(void)
{
    assert_true(g->first == g->last && mq_node_is(g->first, "mq", "Attention"));
    return g->first;
}

static void joined_heads(void **state)
{
    (void)state;
    operands();
    make_input(g, "mask", MQ_FLOAT, "N,1,1,S");
    make_node(g, "MatMul", "qh,kh", "s");
    make_node(g, "Mul", "s,scale", "t");
    make_node(g, "Add", "mask,t", "u");
    make_node(g, "Softmax", "u", "p");
    ending("p");
    pass_becomes(&mq_pass_fuse_attention, "Attention", TOLERANCE);
    const mq_node *n = only();
    assert_int_equal(mq_node_attr_int(n, "q_num_heads", 0), 2);
    assert_int_equal(mq_node_attr_int(n, "kv_num_heads", 0), 2);
    assert_true(fabsf(mq_node_attr_float(n, "scale", 0) - 0.4f) < 1e-7f);
    assert_true(n->n_inputs == 4 && strcmp(n->inputs[0]->name, "q") == 0 && strcmp(n->inputs[3]->name, "mask") == 0);
}

static void without_mask_or_scale(void **state)
{
    (void)state;
    operands();
    make_node(g, "MatMul", "qh,kh", "s");
    node_int(make_node(g, "Softmax", "s", "p"), "axis", 3);
    ending("p");
    pass_becomes(&mq_pass_fuse_attention, "Attention", TOLERANCE);
    assert_true(only()->n_inputs == 3 && mq_node_attr_float(g->first, "scale", 0) == 1);
}

static void scales_before(void **state)
{
    (void)state;
    operands();
    make_node(g, "Mul", "scale,qh", "qs");
    make_node(g, "Div", "kh,root", "ks");
    make_node(g, "MatMul", "qs,ks", "s");
    make_node(g, "Div", "s,root", "t");
    make_node(g, "Softmax", "t", "p");
    ending("p");
    pass_becomes(&mq_pass_fuse_attention, "Attention", TOLERANCE);
    assert_true(fabsf(mq_node_attr_float(only(), "scale", 0) - 0.4f / 6.25f) < 1e-7f);
}

static void heads_apart(void **state)
{
    (void)state;
    make_input(g, "q", MQ_FLOAT, "N,2,S,4");
    make_input(g, "k", MQ_FLOAT, "N,2,T,4");
    make_input(g, "v", MQ_FLOAT, "N,2,T,5");
    make_input(g, "mask", MQ_FLOAT, "S,T");
    make_float("scale", 0.5f);
    node_ints(make_node(g, "Transpose", "k", "kt"), "perm", "0,1,3,2");
    make_node(g, "MatMul", "q,kt", "s");
    make_node(g, "Mul", "s,scale", "t");
    make_node(g, "Add", "t,mask", "u");
    make_node(g, "Softmax", "u", "p");
    make_node(g, "MatMul", "p,v", "y");
    make_output(g, "y");
    pass_becomes(&mq_pass_fuse_attention, "Attention", TOLERANCE);
    assert_int_equal(mq_node_attr_int(only(), "q_num_heads", 0), 0);
}

/* [N, 2, S, 4] is not made [N, S, 8] again, and K's heads are turned twice over: nothing fits. */
static void other_end(void **state)
{
    (void)state;
    operands();
    make_node(g, "MatMul", "qh,kh", "s");
    make_node(g, "Softmax", "s", "p");
    make_node(g, "MatMul", "p,vh", "z");
    make_output(g, "z");
    pass_leaves(&mq_pass_fuse_attention);
}

/* ---- what stays ---------------------------------------------------------------------------------------------------- */

/* The scores with `mask` added. */
static void masked(const char *mask_dims)
{
    operands();
    make_input(g, "mask", MQ_FLOAT, mask_dims);
    make_node(g, "MatMul", "qh,kh", "s");
    make_node(g, "Add", "s,mask", "u");
    make_node(g, "Softmax", "u", "p");
    ending("p");
}

static void mask_of_one_key_stays(void **state)
{
    (void)state;
    masked("N,1,S,1");
    pass_leaves(&mq_pass_fuse_attention);
}

static void mask_of_unknown_size_stays(void **state)
{
    (void)state;
    masked("N,1,1,T");
    pass_leaves(&mq_pass_fuse_attention);
}

static void mask_of_more_axes_stays(void **state)
{
    (void)state;
    masked("1,N,2,S,S");
    pass_leaves(&mq_pass_fuse_attention);
}

static void other_axis_stays(void **state)
{
    (void)state;
    operands();
    make_node(g, "MatMul", "qh,kh", "s");
    node_int(make_node(g, "Softmax", "s", "p"), "axis", 2);
    ending("p");
    pass_leaves(&mq_pass_fuse_attention);
}

static void probabilities_that_others_read_stay(void **state)
{
    (void)state;
    operands();
    make_node(g, "MatMul", "qh,kh", "s");
    make_node(g, "Softmax", "s", "p");
    ending("p");
    make_output(g, "p");
    pass_leaves(&mq_pass_fuse_attention);
}

static void scaled_values_stay(void **state)
{
    (void)state;
    operands();
    make_node(g, "Mul", "vh,scale", "vs");
    make_node(g, "MatMul", "qh,kh", "s");
    make_node(g, "Softmax", "s", "p");
    make_node(g, "MatMul", "p,vs", "z");
    node_ints(make_node(g, "Transpose", "z", "zt"), "perm", "0,2,1,3");
    make_node(g, "Reshape", "zt,whole", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_attention);
}

static void one_batch_for_all_stays(void **state)
{
    (void)state;
    make_input(g, "q", MQ_FLOAT, "N,2,S,4");
    make_input(g, "k", MQ_FLOAT, "1,2,S,4");
    make_input(g, "v", MQ_FLOAT, "N,2,S,4");
    node_ints(make_node(g, "Transpose", "k", "kt"), "perm", "0,1,3,2");
    make_node(g, "MatMul", "q,kt", "s");
    make_node(g, "Softmax", "s", "p");
    make_node(g, "MatMul", "p,v", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_fuse_attention);
}

/* ---- in a file ----------------------------------------------------------------------------------------------------- */

static void scores_with(const char *mask)
{
    operands();
    make_node(g, "MatMul", "qh,kh", "s");
    make_node(g, "Mul", "s,scale", "t");
    if (mask) {
        make_input(g, "mask", MQ_FLOAT, mask);
        make_node(g, "Add", "t,mask", "u");
    }
    make_node(g, "Softmax", mask ? "u" : "t", "p");
    ending("p");
}

static void a_file_has_the_operator_from_23_on(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 23, NULL), MQ_OK);
    scores_with(NULL);
    pass_becomes(&mq_pass_fuse_heads, "Attention", TOLERANCE);
    assert_true(mq_node_is(g->first, "", "Attention") && g->first->n_inputs == 3);
    assert_int_equal(mq_node_attr_int(g->first, "q_num_heads", 0), 2);
}

static void a_file_with_a_mask_for_each_query(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 24, NULL), MQ_OK);
    scores_with("N,1,S,S");
    pass_becomes(&mq_pass_fuse_heads, "Attention", TOLERANCE);
    assert_true(mq_node_is(g->first, "", "Attention") && g->first->n_inputs == 4);
}

static void not_fused_when_the_opset_lacks_it(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 22, NULL), MQ_OK);
    scores_with(NULL);
    pass_leaves(&mq_pass_fuse_heads);
}

static void not_fused_in_a_file_when_a_mask_has_one_row(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 23, NULL), MQ_OK);
    scores_with("N,1,1,S");
    pass_leaves(&mq_pass_fuse_heads);
}

static void not_fused_in_a_file_when_a_mask_is_a_row(void **state)
{
    (void)state;
    assert_int_equal(mq_opset_set(m, "", 23, NULL), MQ_OK);
    scores_with("S");
    pass_leaves(&mq_pass_fuse_heads);
}

/* ---- ONNX Runtime's own -------------------------------------------------------------------------------------------- */

static mq_node *attention_with_mask(const char *dims)
{
    operands();
    make_input(g, "mask", MQ_FLOAT, dims);
    make_node(g, "MatMul", "qh,kh", "s");
    make_node(g, "Mul", "s,scale", "t");
    make_node(g, "Add", "mask,t", "u");
    mq_node *n = make_node(g, "Softmax", "u", "p");

    ending("p");
    return n;
}

static void a_file_takes_multi_head_attention(void **state)
{
    (void)state;
    operands();
    make_node(g, "MatMul", "qh,kh", "s");
    make_node(g, "Mul", "s,scale", "t");
    make_node(g, "Softmax", "t", "p");
    ending("p");
    file_becomes(&mq_pass_fuse_attention, "MultiHeadAttention", TOLERANCE);
    assert_string_equal(g->first->domain, "com.microsoft");
    assert_int_equal(mq_node_attr_int(g->first, "num_heads", 0), 2);
    assert_true(fabsf(mq_node_attr_float(g->first, "scale", 0) - 0.4f) < 1e-7f);
    assert_int_equal(g->first->n_inputs, 3);
}

static void a_mask_with_a_row_for_each_query(void **state)
{
    (void)state;
    attention_with_mask("1,2,S,S");
    file_becomes(&mq_pass_fuse_attention, "MultiHeadAttention", TOLERANCE);
    assert_string_equal(g->first->inputs[5]->name, "mask");
}

static void a_mask_of_one_row_is_expanded(void **state)
{
    (void)state;
    attention_with_mask("N,1,1,S");
    file_becomes(&mq_pass_fuse_attention, "Shape Gather Expand MultiHeadAttention", TOLERANCE);
}

static void a_mask_of_two_axes_gets_four(void **state)
{
    (void)state;
    attention_with_mask("S,S");
    file_becomes(&mq_pass_fuse_attention, "Expand MultiHeadAttention", TOLERANCE);
}

static void a_known_length_is_a_constant(void **state)
{
    (void)state;
    make_longs("shape", "4", (const int64_t[]){ 0, 0, 2, 4 });
    make_longs("whole", "3", (const int64_t[]){ 0, 0, 8 });
    for (const char *name = "qkv"; *name; name++) {
        const char in[] = { *name, ',', 's', 'h', 'a', 'p', 'e', 0 }, x[] = { *name, 0 };
        const char cut[] = { *name, 'c', 0 }, out[] = { *name, 'h', 0 };

        make_input(g, x, MQ_FLOAT, "N,3,8");
        make_node(g, "Reshape", in, cut);
        node_ints(make_node(g, "Transpose", cut, out), "perm", *name == 'k' ? "0,2,3,1" : "0,2,1,3");
    }
    make_input(g, "mask", MQ_FLOAT, "3");
    make_node(g, "MatMul", "qh,kh", "s");
    make_node(g, "Add", "mask,s", "u");
    make_node(g, "Softmax", "u", "p");
    ending("p");
    file_becomes(&mq_pass_fuse_attention, "Expand MultiHeadAttention", TOLERANCE);
}

/* Before opset 13 Softmax is over axis 1 and those behind it when nothing is said. */
static void not_fused_when_an_older_softmax_says_no_axis(void **state)
{
    (void)state;
    mq_node *n = attention_with_mask("N,1,S,S");

    assert_int_equal(mq_opset_set(m, "", 12, NULL), MQ_OK);
    file_leaves(&mq_pass_fuse_attention);
    node_int(n, "axis", 3);
    file_becomes(&mq_pass_fuse_attention, "MultiHeadAttention", TOLERANCE);
}

static void not_fused_in_a_file_when_heads_are_apart(void **state)
{
    (void)state;
    make_input(g, "q", MQ_FLOAT, "N,2,S,4");
    make_input(g, "k", MQ_FLOAT, "N,2,S,4");
    make_input(g, "v", MQ_FLOAT, "N,2,S,4");
    node_ints(make_node(g, "Transpose", "k", "kt"), "perm", "0,1,3,2");
    make_node(g, "MatMul", "q,kt", "s");
    make_node(g, "Softmax", "s", "p");
    make_node(g, "MatMul", "p,v", "y");
    make_output(g, "y");
    file_leaves(&mq_pass_fuse_attention);
}

static void not_fused_in_a_file_when_the_scale_is_negative(void **state)
{
    (void)state;
    operands();
    make_float("minus", -1);
    make_node(g, "MatMul", "qh,kh", "s");
    make_node(g, "Mul", "s,minus", "t");
    make_node(g, "Softmax", "t", "p");
    ending("p");
    file_leaves(&mq_pass_fuse_attention);
}

/* One row, and nothing says how many there must be: it has fewer axes. */
static void not_fused_in_a_file_when_the_rows_are_unknown(void **state)
{
    (void)state;
    attention_with_mask("1,S");
    file_leaves(&mq_pass_fuse_attention);
}

/* Of [S, N, 8], as torch's modules have it; keys are turned before they are cut, or with it. */
static void sequence_first(bool late, const char *axes, const int64_t *back)
{
    static const int64_t cut[] = { 0, 0, 2, 4 }, cut_late[] = { 0, 2, 4, -1 };

    make_longs("cut", "4", cut);
    make_longs("late", "4", cut_late);
    make_longs("back", axes, back);
    make_float("scale", 0.4f);
    for (const char *name = "qkv"; *name; name++) {
        const char in[] = { *name, ',', 'c', 'u', 't', 0 }, x[] = { *name, 0 }, c[] = { *name, 'c', 0 };
        const char out[] = { *name, 'h', 0 };

        make_input(g, x, MQ_FLOAT, "S,N,8");
        if (*name == 'k' && late) {
            node_ints(make_node(g, "Transpose", "k", "kc"), "perm", "1,2,0");
            make_node(g, "Reshape", "kc,late", "kh");
            continue;
        }
        make_node(g, "Reshape", in, c);
        node_ints(make_node(g, "Transpose", c, out), "perm", *name == 'k' ? "1,2,3,0" : "1,2,0,3");
    }
    make_node(g, "MatMul", "qh,kh", "s");
    make_node(g, "Mul", "s,scale", "t");
    make_node(g, "Softmax", "t", "p");
    make_node(g, "MatMul", "p,vh", "z");
    node_ints(make_node(g, "Transpose", "z", "zt"), "perm", "2,0,1,3");
    make_node(g, "Reshape", "zt,back", "y");
    make_output(g, "y");
}

#define TURNED "Transpose Transpose Transpose MultiHeadAttention Transpose Reshape"

static void sequences_first(void **state)
{
    (void)state;
    sequence_first(false, "4", (const int64_t[]){ 0, -1, 2, 4 });
    file_becomes(&mq_pass_fuse_attention, TURNED, TOLERANCE);
}

static void keys_turned_before_they_are_cut(void **state)
{
    (void)state;
    sequence_first(true, "2", (const int64_t[]){ -1, 8 });
    file_becomes(&mq_pass_fuse_attention, TURNED, TOLERANCE);
}

static void not_fused_when_the_result_is_turned_otherwise(void **state)
{
    mq_node *turn;

    (void)state;
    sequence_first(false, "2", (const int64_t[]){ -1, 8 });
    turn = mq_graph_find(g, "zt")->producer;
    node_ints(turn, "perm", "2,1,0,3");
    file_leaves(&mq_pass_fuse_attention);
}

static void not_fused_when_late_keys_are_turned_otherwise(void **state)
{
    (void)state;
    sequence_first(true, "2", (const int64_t[]){ -1, 8 });
    node_ints(mq_graph_find(g, "kc")->producer, "perm", "0,2,1");
    file_leaves(&mq_pass_fuse_attention);
}

static void not_fused_when_the_shape_behind_varies(void **state)
{
    (void)state;
    sequence_first(false, "2", (const int64_t[]){ -1, 8 });
    make_input(g, "shape", MQ_INT64, "2");
    assert_int_equal(mq_node_set_input(g->last, 1, mq_graph_find(g, "shape"), NULL), MQ_OK);
    file_leaves(&mq_pass_fuse_attention);
}

static void not_fused_in_the_engine_when_sequences_are_first(void **state)
{
    (void)state;
    sequence_first(true, "2", (const int64_t[]){ -1, 8 });
    pass_leaves(&mq_pass_fuse_attention);
}

static void not_fused_when_the_shape_behind_copies_heads(void **state)
{
    (void)state;
    sequence_first(true, "4", (const int64_t[]){ 0, -1, 0, 4 });
    file_leaves(&mq_pass_fuse_attention);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(joined_heads),
        ON_MODEL(without_mask_or_scale),
        ON_MODEL(scales_before),
        ON_MODEL(heads_apart),
        ON_MODEL(other_end),
        ON_MODEL(mask_of_one_key_stays),
        ON_MODEL(mask_of_unknown_size_stays),
        ON_MODEL(mask_of_more_axes_stays),
        ON_MODEL(other_axis_stays),
        ON_MODEL(probabilities_that_others_read_stay),
        ON_MODEL(scaled_values_stay),
        ON_MODEL(one_batch_for_all_stays),
        ON_MODEL(a_file_has_the_operator_from_23_on),
        ON_MODEL(a_file_with_a_mask_for_each_query),
        ON_MODEL(not_fused_when_the_opset_lacks_it),
        ON_MODEL(not_fused_in_a_file_when_a_mask_has_one_row),
        ON_MODEL(not_fused_in_a_file_when_a_mask_is_a_row),
        ON_MODEL(a_file_takes_multi_head_attention),
        ON_MODEL(sequences_first),
        ON_MODEL(keys_turned_before_they_are_cut),
        ON_MODEL(not_fused_when_the_result_is_turned_otherwise),
        ON_MODEL(not_fused_when_late_keys_are_turned_otherwise),
        ON_MODEL(not_fused_when_the_shape_behind_varies),
        ON_MODEL(not_fused_in_the_engine_when_sequences_are_first),
        ON_MODEL(not_fused_when_the_shape_behind_copies_heads),
        ON_MODEL(a_mask_with_a_row_for_each_query),
        ON_MODEL(a_mask_of_one_row_is_expanded),
        ON_MODEL(a_mask_of_two_axes_gets_four),
        ON_MODEL(a_known_length_is_a_constant),
        ON_MODEL(not_fused_when_an_older_softmax_says_no_axis),
        ON_MODEL(not_fused_in_a_file_when_heads_are_apart),
        ON_MODEL(not_fused_in_a_file_when_the_scale_is_negative),
        ON_MODEL(not_fused_in_a_file_when_the_rows_are_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
