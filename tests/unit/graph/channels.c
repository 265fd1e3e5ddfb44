/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../passes/pass_check.h"
#include "graph/channels.h"

static mq_channels *find(void)
{
    mq_channels *c = NULL;
    mq_error err = { 0 };

    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    if (mq_channels_find(&c, m, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return c;
}

/* Slices of the channels that go become 0 in every constant of the group. */
static void zero(const mq_channel_group *group, const bool *keep)
{
    for (size_t i = 0; i < group->n_axes; i++) {
        const mq_channel_axis *a = &group->axes[i];
        mq_tensor *t = mq_value_constant(a->value, true);
        size_t inner = 1;
        float *data;

        if (!t || t->dtype != MQ_FLOAT)
            continue;
        data = mq_arena_memdup(m->arena, t->data, t->n_bytes);
        for (int k = a->axis + 1; k < t->n_dims; k++)
            inner *= (size_t)t->dims[k];
        for (size_t k = 0; k < t->n_bytes / sizeof *data; k++) {
            const int32_t channel = a->channel[k / inner % a->n];

            if (channel >= 0 && !keep[channel])
                data[k] = 0;
        }
        t->data = data;
    }
}

/* Half of each group's channels, the odd ones, are made zero and taken out: nothing changes (mixes: shapes only). */
static void shrinks(size_t n_groups, const char *groups)
{
    mq_channels *c = find();
    pass_io before = { .n_in = 0 }, after;
    bool *keep[16];
    char got[300] = "";
    size_t used = 0;
    mq_error err = { 0 };

    for (size_t i = 0; i < mq_channels_n_groups(c); i++) {
        const mq_channel_group *group = mq_channels_group(c, i);

        used += (size_t)snprintf(got + used, sizeof got - used, "%s%s:%zu%s%s", i ? " " : "", group->name, group->n,
                                 group->mixes ? " mixes" : "", group->heads ? " heads" : "");
        keep[i] = mq_arena_calloc(m->arena, group->n, sizeof(bool));
        for (size_t k = 0; k < group->n; k += 2)
            keep[i][k] = true;
        if (!group->mixes)
            zero(group, keep[i]);
    }
    assert_string_equal(got, groups);
    assert_int_equal(mq_channels_n_groups(c), n_groups);
    pass_run(&before);
    if (mq_channels_shrink(c, (const bool *const *)keep, &err) != MQ_OK)
        fail_msg("%s", err.text);
    mq_channels_free(c);
    mq_graph_drop_dead(g, NULL);
    mq_model_drop_unused(m);
    graph_check(m);
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    if (mq_model_verify(m, &err) != MQ_OK)
        fail_msg("%s", err.text);
    after = before;
    pass_run(&after);
    if (strstr(groups, "mixes"))
        pass_near(&before, &after, 1e9);
    else
        pass_near(&before, &after, 1e-5);
    pass_release(before.in, before.n_in);
    pass_release(before.out, before.n_out);
    pass_release(after.out, after.n_out);
}

static void has_dims(const char *name, const char *dims)
{
    int64_t want[16];
    const int rank = make_dims(dims, want);
    const mq_tensor *t = mq_graph_find_here(g, name)->init;

    assert_non_null(t);
    assert_int_equal(t->n_dims, rank);
    assert_memory_equal(t->dims, want, (size_t)rank * sizeof *want);
}

/* Why the only weight stays. */
static void stays(const char *node, const char *reason)
{
    mq_channels *c = find();
    size_t n = 0;
    bool found = false;
    const mq_channel_stop *stops = mq_channels_stops(c, &n);

    for (size_t i = 0; i < n; i++)
        found |= strcmp(stops[i].node, node) == 0 && strcmp(stops[i].reason, reason) == 0;
    if (!found)
        fail_msg("no stop '%s' '%s' among %zu, but '%s' '%s'", node, reason, n, n ? stops[0].node : "",
                 n ? stops[0].reason : "");
    mq_channels_free(c);
}

static void make_conv(const char *in, const char *weight, const char *dims, const char *out)
{
    char names[80];

    make_random(weight, MQ_FLOAT, dims);
    snprintf(names, sizeof names, "%s,%s", in, weight);
    make_node(g, "Conv", names, out);
}

static void residual_blocks_go_together(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,3,6,6");
    make_random("b1", MQ_FLOAT, "8");
    make_random("w1", MQ_FLOAT, "8,3,3,3");
    make_node(g, "Conv", "x,w1,b1", "c1");
    make_node(g, "Relu", "c1", "r1");
    make_conv("r1", "w2", "4,8,1,1", "c2");
    make_conv("c2", "w3", "8,4,1,1", "c3");
    make_node(g, "Add", "r1,c3", "a");
    make_conv("a", "w4", "2,8,4,4", "y");
    make_output(g, "y");
    shrinks(2, "c1:8 c2:4");
    has_dims("w1", "4,3,3,3");
    has_dims("b1", "4");
    has_dims("w2", "2,4,1,1");
    has_dims("w3", "4,2,1,1");
    has_dims("w4", "2,4,4,4");
}

static void parts_of_a_concat_go_alone(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,3,5,5");
    make_conv("x", "w1", "4,3,1,1", "c1");
    make_conv("x", "w2", "6,3,1,1", "c2");
    node_int(make_node(g, "Concat", "c1,c2", "cat"), "axis", 1);
    make_positive("scale", "10", 1);
    make_random("bias", MQ_FLOAT, "10");
    make_random("mean", MQ_FLOAT, "10");
    make_positive("var", "10", 1);
    make_node(g, "BatchNormalization", "cat,scale,bias,mean,var", "bn");
    make_conv("bn", "w3", "2,10,1,1", "y");
    make_output(g, "y");
    shrinks(2, "c1:4 c2:6");
    has_dims("scale", "5");
    has_dims("w3", "2,5,1,1");
}

static void depthwise_loses_groups(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,2,5,5");
    make_conv("x", "w1", "6,2,1,1", "c1");
    make_random("wd", MQ_FLOAT, "12,1,3,3");
    node_int(make_node(g, "Conv", "c1,wd", "d"), "group", 6);
    make_conv("d", "w3", "2,12,1,1", "y");
    make_output(g, "y");
    shrinks(1, "c1:6");
    has_dims("wd", "6,1,3,3");
    has_dims("w3", "2,6,1,1");
    assert_int_equal(mq_node_attr_int(mq_graph_find_here(g, "d")->producer, "group", 0), 3);
}

/* Two groups of four lose the same channels each. */
static void few_large_groups_keep_their_number(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,2,5,5");
    make_conv("x", "w1", "8,2,1,1", "c1");
    make_random("wg", MQ_FLOAT, "12,4,1,1");
    node_int(make_node(g, "Conv", "c1,wg", "d"), "group", 2);
    make_conv("d", "w3", "2,12,1,1", "y");
    make_output(g, "y");
    shrinks(2, "c1:4 d:6");
    has_dims("w1", "4,2,1,1");
    has_dims("wg", "6,2,1,1");
    has_dims("w3", "2,6,1,1");
}

static void transposed_convolutions(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,2,3,3");
    make_random("w1", MQ_FLOAT, "2,6,2,2");
    make_random("b1", MQ_FLOAT, "6");
    make_node(g, "ConvTranspose", "x,w1,b1", "c1");
    make_random("w2", MQ_FLOAT, "6,2,2,2");
    make_node(g, "ConvTranspose", "c1,w2", "y");
    make_output(g, "y");
    shrinks(1, "c1:6");
    has_dims("w1", "2,3,2,2");
    has_dims("w2", "3,2,2,2");
}

static void make_dense(const char *in, int width, int classes)
{
    char dims[40], names[40];

    snprintf(dims, sizeof dims, "%d,%d", classes, width);
    make_random("wf", MQ_FLOAT, dims);
    make_random("bf", MQ_FLOAT, "3");
    snprintf(names, sizeof names, "%s,wf,bf", in);
    node_int(make_node(g, "Gemm", names, "y"), "transB", 1);
    make_output(g, "y");
}

static void flattened_channels_are_blocks(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,2,3,3");
    make_conv("x", "w1", "4,2,1,1", "c1");
    make_node(g, "Flatten", "c1", "f");
    make_dense("f", 36, 3);
    shrinks(1, "c1:4");
    has_dims("wf", "3,18");
    assert_int_equal(mq_tensor_count(mq_graph_find_here(g, "wf")->init), 54);
}

static void channels_last_are_every_nth(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,2,3,3");
    make_conv("x", "w1", "4,2,1,1", "c1");
    node_ints(make_node(g, "Transpose", "c1", "t"), "perm", "0,2,3,1");
    make_longs("flat", "2", (const int64_t[]){ -1, 36 });
    make_node(g, "Reshape", "t,flat", "f");
    make_dense("f", 36, 3);
    shrinks(1, "c1:4");
    has_dims("wf", "3,18");
}

static void means_over_space_pass(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,2,3,3");
    make_conv("x", "w1", "4,2,1,1", "c1");
    make_longs("axes", "2", (const int64_t[]){ 2, 3 });
    node_int(make_node(g, "ReduceMean", "c1,axes", "f"), "keepdims", 0);
    make_dense("f", 4, 3);
    shrinks(1, "c1:4");
    has_dims("wf", "3,2");
}

static void splits_and_slices_follow(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,2,3,3");
    make_conv("x", "w1", "12,2,1,1", "c1");
    make_longs("sizes", "2", (const int64_t[]){ 4, 8 });
    node_int(make_node(g, "Split", "c1,sizes", "s1,s2"), "axis", 1);
    make_longs("from", "1", (const int64_t[]){ -4 });
    make_longs("to", "1", (const int64_t[]){ 100 });
    make_longs("axis", "1", (const int64_t[]){ 1 });
    make_node(g, "Slice", "s2,from,to,axis", "s3");
    node_int(make_node(g, "Concat", "s1,s2,s3", "cat"), "axis", 1);
    make_conv("cat", "w2", "2,16,1,1", "y");
    make_output(g, "y");
    shrinks(3, "c1:4 c1:4 c1:4");
    has_dims("w1", "6,2,1,1");
    has_dims("w2", "2,8,1,1");
}

static void shuffled_channels_go_in_pairs(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,2,3,3");
    make_conv("x", "w1", "8,2,1,1", "c1");
    make_longs("deep", "5", (const int64_t[]){ 1, 2, 4, 3, 3 });
    make_longs("flat", "4", (const int64_t[]){ 1, 8, 3, 3 });
    make_node(g, "Reshape", "c1,deep", "r1");
    node_ints(make_node(g, "Transpose", "r1", "t"), "perm", "0,2,1,3,4");
    make_node(g, "Reshape", "t,flat", "r2");
    make_conv("r2", "w2", "2,8,1,1", "y");
    make_output(g, "y");
    shrinks(1, "c1:4");
    has_dims("w1", "4,2,1,1");
}

static void node_of(const char *op, const char *in, const char *in_of, const char *out_of, const char *name)
{
    char inputs[40], out[20];

    snprintf(inputs, sizeof inputs, "%s%s,%s", in, strcmp(in, "x") ? name : "", in_of);
    snprintf(out, sizeof out, "%s%s", out_of, name);
    make_node(g, op, inputs, out);
}

/* A projection by MatMul and Add, cut into heads. */
static void project(const char *name, const char *weight, const char *bias, const char *perm)
{
    make_random(weight, MQ_FLOAT, "6,8");
    make_random(bias, MQ_FLOAT, "8");
    node_of("MatMul", "x", weight, "p", name);
    node_of("Add", "p", bias, "a", name);
    node_of("Reshape", "a", "deep", "h", name);
    node_of("Transpose", "h", "", "t", name);
    node_ints(g->last, "perm", perm);
}

static void heads_are_channels(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,5,6");
    make_longs("deep", "4", (const int64_t[]){ 0, 0, 4, 2 });
    make_longs("back", "3", (const int64_t[]){ 0, 0, 8 });
    project("q", "wq", "bq", "0,2,1,3");
    project("k", "wk", "bk", "0,2,3,1");
    project("v", "wv", "bv", "0,2,1,3");
    make_node(g, "MatMul", "tq,tk", "s");
    make_node(g, "Softmax", "s", "soft");
    make_node(g, "MatMul", "soft,tv", "o");
    node_ints(make_node(g, "Transpose", "o", "ot"), "perm", "0,2,1,3");
    make_node(g, "Reshape", "ot,back", "of");
    make_random("wo", MQ_FLOAT, "8,6");
    make_node(g, "MatMul", "of,wo", "y");
    make_output(g, "y");
    shrinks(1, "pq:4 heads");
    has_dims("wq", "6,4");
    has_dims("bv", "4");
    has_dims("wo", "4,6");
}

/* What views make of a constant is a weight, too: no product of two activations. */
static void weights_behind_views(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,2,3,3");
    make_conv("x", "w1", "4,2,1,1", "c1");
    make_longs("to", "2", (const int64_t[]){ 1, 36 });
    make_longs("rows", "2", (const int64_t[]){ 36, 3 });
    make_node(g, "Reshape", "c1,to", "f");
    make_random("w2", MQ_FLOAT, "4,3,3,3");
    make_node(g, "Reshape", "w2,rows", "wr");
    make_node(g, "MatMul", "f,wr", "y");
    make_output(g, "y");
    shrinks(1, "c1:4");
    has_dims("w2", "2,3,3,3");
}

static void make_projection(const char *name, const char *dims)
{
    const char *const w = mq_arena_printf(m->arena, "w%s", name);

    make_random(w, MQ_FLOAT, dims);
    make_node(g, "MatMul", mq_arena_printf(m->arena, "x,%s", w), mq_arena_printf(m->arena, "p%s", name));
}

static mq_node *of_microsoft(mq_node *n, int64_t heads)
{
    n->domain = "com.microsoft";
    return node_int(n, "num_heads", heads);
}

static void make_output_of(const char *in, const char *dims)
{
    make_random("wo", MQ_FLOAT, dims);
    make_node(g, "MatMul", mq_arena_printf(m->arena, "%s,wo", in), "y");
    make_output(g, "y");
}

static void heads_of_packed_attention(void **state)
{
    mq_node *n;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,5,6");
    make_random("w", MQ_FLOAT, "6,40");
    make_random("b", MQ_FLOAT, "40");
    n = of_microsoft(make_node(g, "Attention", "x,w,b", "a"), 4);
    node_ints(n, "qkv_hidden_sizes", "16,16,8");
    make_output_of("a", "8,6");
    shrinks(1, "a:4 heads");
    has_dims("w", "6,20");
    has_dims("b", "20");
    has_dims("wo", "4,6");
    assert_int_equal(mq_node_attr_int(n, "num_heads", 0), 2);
}

static void heads_of_fused_attention(void **state)
{
    mq_node *n;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,5,6");
    make_projection("q", "6,8");
    make_projection("k", "6,8");
    make_projection("v", "6,12");
    make_random("b", MQ_FLOAT, "28");
    make_random("mask", MQ_FLOAT, "1,4,5,5");
    n = of_microsoft(make_node(g, "MultiHeadAttention", "pq,pk,pv,b,-,mask", "a"), 4);
    make_output_of("a", "12,6");
    shrinks(1, "pq:4 heads");
    has_dims("wq", "6,4");
    has_dims("wv", "6,6");
    has_dims("b", "14");
    has_dims("mask", "1,2,5,5");
    assert_int_equal(mq_node_attr_int(n, "num_heads", 0), 2);
}

/* Two heads of Q read one of K and V. */
static void heads_that_share_keys(void **state)
{
    mq_node *n;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,5,6");
    make_projection("q", "6,16");
    make_projection("k", "6,8");
    make_projection("v", "6,8");
    n = node_int(make_node(g, "Attention", "pq,pk,pv", "a"), "q_num_heads", 8);
    node_int(n, "kv_num_heads", 4);
    make_output_of("a", "16,6");
    shrinks(1, "pq:4 heads");
    has_dims("wq", "6,8");
    has_dims("wk", "6,4");
    assert_int_equal(mq_node_attr_int(n, "q_num_heads", 0), 4);
    assert_int_equal(mq_node_attr_int(n, "kv_num_heads", 0), 2);
}

static void heads_along_an_axis(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,5,6");
    make_longs("deep", "4", (const int64_t[]){ 0, 0, 4, 2 });
    make_longs("back", "3", (const int64_t[]){ 0, 0, 8 });
    project("q", "wq", "bq", "0,2,1,3");
    project("k", "wk", "bk", "0,2,1,3");
    project("v", "wv", "bv", "0,2,1,3");
    make_node(g, "Attention", "tq,tk,tv", "o");
    node_ints(make_node(g, "Transpose", "o", "ot"), "perm", "0,2,1,3");
    make_node(g, "Reshape", "ot,back", "of");
    make_output_of("of", "8,6");
    shrinks(1, "pq:4 heads");
    has_dims("wk", "6,4");
    has_dims("wo", "4,6");
}

static void fused_operators_pass(void **state)
{
    mq_node *n;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,2,5,5");
    make_conv("x", "w0", "8,2,1,1", "c0");
    make_random("w1", MQ_FLOAT, "8,2,3,3");
    make_random("b1", MQ_FLOAT, "8");
    n = node_ints(make_node(g, "FusedConv", "x,w1,b1,c0", "c1"), "pads", "1,1,1,1");
    n->domain = "com.microsoft";
    assert_int_equal(mq_node_set_attr_string(n, "activation", "Relu", NULL), MQ_OK);
    make_node(g, "GlobalAveragePool", "c1", "p");
    make_node(g, "Flatten", "p", "f");
    make_random("w2", MQ_FLOAT, "8,6");
    n = make_node(g, "FusedGemm", "f,w2", "m");
    n->domain = "com.microsoft";
    assert_int_equal(mq_node_set_attr_string(n, "activation", "Relu", NULL), MQ_OK);
    make_random("bias", MQ_FLOAT, "6");
    make_node(g, "FastGelu", "m,bias", "e")->domain = "com.microsoft";
    make_dense("e", 6, 3);
    shrinks(2, "c0:8 m:6");
    has_dims("w1", "4,2,3,3");
    has_dims("bias", "3");
}

static void skipped_normalization_mixes(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,5,6");
    make_projection("a", "6,8");
    make_projection("b", "6,8");
    make_random("scale", MQ_FLOAT, "8");
    make_random("bias", MQ_FLOAT, "8");
    make_random("add", MQ_FLOAT, "8");
    make_node(g, "SkipLayerNormalization", "pa,pb,scale,bias,add", "s")->domain = "com.microsoft";
    make_output_of("s", "8,6");
    shrinks(1, "pa:8 mixes");
    has_dims("add", "4");
    has_dims("wb", "6,4");
}

static void not_with_a_cache(void **state)
{
    mq_node *n;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,5,6");
    make_input(g, "past", MQ_FLOAT, "2,n,4,3,2");
    make_random("w", MQ_FLOAT, "6,24");
    make_random("b", MQ_FLOAT, "24");
    n = of_microsoft(make_node(g, "Attention", "x,w,b,-,past", "a,present"), 4);
    make_output(g, "present");
    make_output_of("a", "8,6");
    stays(mq_node_label(n), "keeps a cache, or has inputs that are not all known");
}

static void normalized_channels_are_marked(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,6");
    make_random("w1", MQ_FLOAT, "6,8");
    make_random("scale", MQ_FLOAT, "8");
    make_node(g, "MatMul", "x,w1", "p");
    make_node(g, "LayerNormalization", "p,scale", "l");
    make_dense("l", 8, 3);
    shrinks(1, "p:8 mixes");
    has_dims("scale", "4");
}

static void units_of_recurrent_layers(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "5,n,3");
    make_random("w1", MQ_FLOAT, "1,16,3");
    make_random("r1", MQ_FLOAT, "1,16,4");
    make_random("b1", MQ_FLOAT, "1,32");
    node_int(make_node(g, "LSTM", "x,w1,r1,b1", "h,last"), "hidden_size", 4);
    make_longs("dir", "1", (const int64_t[]){ 0 });
    make_node(g, "Squeeze", "last,dir", "f");
    make_dense("f", 4, 3);
    make_longs("dirs", "1", (const int64_t[]){ 1 });
    make_node(g, "Squeeze", "h,dirs", "s");
    make_random("ws", MQ_FLOAT, "4,2");
    make_node(g, "MatMul", "s,ws", "z");
    make_output(g, "z");
    shrinks(1, "h,last:4");
    has_dims("w1", "1,8,3");
    has_dims("r1", "1,8,2");
    has_dims("b1", "1,16");
}

static void not_when_an_output(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,6");
    make_random("w1", MQ_FLOAT, "6,8");
    make_node(g, "MatMul", "x,w1", "y");
    make_output(g, "y");
    stays("y", "is an output of the model");
}

static void not_when_added_to_an_input(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,8");
    make_random("w1", MQ_FLOAT, "8,8");
    make_node(g, "MatMul", "x,w1", "p");
    make_node(g, "Add", "x,p", "s");
    make_dense("s", 8, 3);
    stays("x", "is an input of the model");
}

static void not_through_a_softmax(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,6");
    make_random("w1", MQ_FLOAT, "6,8");
    make_node(g, "MatMul", "x,w1", "p");
    make_node(g, "Softmax", "p", "s");
    make_dense("s", 8, 3);
    stays("s", "normalizes over this axis");
}

static void not_through_operators_without_a_rule(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,6");
    make_random("w1", MQ_FLOAT, "6,8");
    make_node(g, "MatMul", "x,w1", "p");
    make_node(g, "NonZero", "p", "s");
    make_output(g, "s");
    stays("s", "is an operator that channels are not followed through");
}

static void one_channel_at_least(void **state)
{
    const bool none[4] = { false };
    const bool *keep[1] = { none };
    mq_channels *c;
    mq_error err = { 0 };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,2,3,3");
    make_conv("x", "w1", "4,2,1,1", "c1");
    make_node(g, "Flatten", "c1", "f");
    make_dense("f", 36, 3);
    c = find();
    assert_int_equal(mq_channels_shrink(c, keep, &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, "nothing is left of the 4 channels of 'c1'");
    mq_channels_free(c);
}

static void norms_are_those_of_the_filters(void **state)
{
    double norms[2];
    mq_channels *c;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,2");
    make_init(g, "w1", MQ_FLOAT, "2,2", (const float[]){ 3, 1, -4, 0 });
    make_node(g, "MatMul", "x,w1", "p");
    make_dense("p", 2, 3);
    c = find();
    assert_int_equal(mq_channels_norms(c, 0, 1, norms, NULL), MQ_OK);
    assert_true(norms[0] == 7 && norms[1] == 1);
    assert_int_equal(mq_channels_norms(c, 0, 2, norms, NULL), MQ_OK);
    assert_true(norms[0] == 5 && norms[1] == 1);
    mq_channels_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(residual_blocks_go_together),
        ON_MODEL(parts_of_a_concat_go_alone),
        ON_MODEL(depthwise_loses_groups),
        ON_MODEL(few_large_groups_keep_their_number),
        ON_MODEL(transposed_convolutions),
        ON_MODEL(flattened_channels_are_blocks),
        ON_MODEL(channels_last_are_every_nth),
        ON_MODEL(means_over_space_pass),
        ON_MODEL(splits_and_slices_follow),
        ON_MODEL(shuffled_channels_go_in_pairs),
        ON_MODEL(heads_are_channels),
        ON_MODEL(weights_behind_views),
        ON_MODEL(heads_of_packed_attention),
        ON_MODEL(heads_of_fused_attention),
        ON_MODEL(heads_that_share_keys),
        ON_MODEL(heads_along_an_axis),
        ON_MODEL(fused_operators_pass),
        ON_MODEL(skipped_normalization_mixes),
        ON_MODEL(not_with_a_cache),
        ON_MODEL(normalized_channels_are_marked),
        ON_MODEL(units_of_recurrent_layers),
        ON_MODEL(not_when_an_output),
        ON_MODEL(not_when_added_to_an_input),
        ON_MODEL(not_through_a_softmax),
        ON_MODEL(not_through_operators_without_a_rule),
        ON_MODEL(one_channel_at_least),
        ON_MODEL(norms_are_those_of_the_filters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
