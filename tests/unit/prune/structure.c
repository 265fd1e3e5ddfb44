/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Groups, counts, scores and budgets of structured pruning; what is zero gives what is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../passes/pass_check.h"
#include "prune/structure.h"

enum { ALL = MQ_STRUCTURE_CHANNEL | MQ_STRUCTURE_HEAD | MQ_STRUCTURE_MLP };

static mq_structure *find(void)
{
    mq_structure *s = NULL;
    mq_error err = { 0 };

    if (mq_structure_find(&s, m, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return s;
}

static mq_structure_group *group(mq_structure *s, const char *name)
{
    size_t n;
    mq_structure_group *list = mq_structure_groups(s, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].channels->name, name) == 0)
            return &list[i];
    fail_msg("no group '%s'", name);
    return NULL;
}

static void make_conv(const char *in, const char *weight, const char *dims, const char *out, int pads)
{
    mq_node *n = make_node(g, "Conv", mq_arena_printf(m->arena, "%s,%s,b%s", in, weight, weight), out);
    const int64_t channels = make_random(weight, MQ_FLOAT, dims)->init->dims[0];

    make_random(mq_arena_printf(m->arena, "b%s", weight), MQ_FLOAT, mq_arena_printf(m->arena, "%d", (int)channels));
    mq_node_set_input(n, 1, mq_graph_find(g, weight), NULL);
    mq_node_set_input(n, 2, mq_graph_find(g, mq_arena_printf(m->arena, "b%s", weight)), NULL);
    if (pads)
        node_ints(n, "pads", mq_arena_printf(m->arena, "%d,%d,%d,%d", pads, pads, pads, pads));
}

/* A residual block, a depthwise layer behind a Sigmoid, BatchNormalization, and two products. */
static void make_net(void)
{
    make_input(g, "x", MQ_FLOAT, "1,3,6,6");
    make_conv("x", "w1", "16,3,3,3", "c1", 1);
    make_node(g, "Relu", "c1", "r1");
    make_conv("r1", "w2", "24,16,1,1", "c2", 0);
    make_node(g, "Sigmoid", "c2", "s2");
    make_random("wd", MQ_FLOAT, "24,1,3,3");
    make_random("bd", MQ_FLOAT, "24");
    node_ints(node_int(make_node(g, "Conv", "s2,wd,bd", "d"), "group", 24), "pads", "1,1,1,1");
    make_positive("scale", "24", 1);
    make_random("bias", MQ_FLOAT, "24");
    make_random("mean", MQ_FLOAT, "24");
    make_positive("var", "24", 1);
    make_node(g, "BatchNormalization", "d,scale,bias,mean,var", "bn");
    make_conv("bn", "w3", "16,24,1,1", "c3", 0);
    make_node(g, "Add", "r1,c3", "a");
    make_node(g, "GlobalAveragePool", "a", "p");
    make_node(g, "Flatten", "p", "f");
    make_random("w4", MQ_FLOAT, "16,32");
    make_random("b4", MQ_FLOAT, "32");
    make_node(g, "MatMul", "f,w4", "m4");
    make_node(g, "Add", "m4,b4", "a4");
    make_node(g, "Tanh", "a4", "t4");
    make_random("w5", MQ_FLOAT, "32,5");
    make_random("b5", MQ_FLOAT, "5");
    make_node(g, "Gemm", "t4,w5,b5", "y");
    make_output(g, "y");
}

static void kinds_of_groups(void **state)
{
    mq_structure *s;
    size_t n;

    (void)state;
    make_net();
    s = find();
    mq_structure_groups(s, &n);
    assert_int_equal(n, 3);
    assert_int_equal(group(s, "c1")->kinds, MQ_STRUCTURE_CHANNEL);
    assert_int_equal(group(s, "c2")->kinds, MQ_STRUCTURE_CHANNEL);
    assert_int_equal(group(s, "m4")->kinds, MQ_STRUCTURE_CHANNEL | MQ_STRUCTURE_MLP);
    mq_structure_choose(s, MQ_STRUCTURE_MLP, 8, NULL, NULL);
    assert_false(group(s, "c1")->chosen);
    assert_true(group(s, "m4")->chosen);
    assert_int_equal(group(s, "m4")->step, 8);
    mq_structure_free(s);
}

static bool not_named(void *user, const mq_node *n, const mq_value *weight)
{
    assert_non_null(weight->init);
    return strcmp(mq_node_label(n), (const char *)user) != 0;
}

/* One that may not change keeps those that are coupled to it. */
static void coupled_groups_are_spared_together(void **state)
{
    mq_structure *s;

    (void)state;
    make_net();
    s = find();
    mq_structure_choose(s, ALL, 1, not_named, (void *)(uintptr_t)"c3");
    assert_false(group(s, "c1")->chosen);
    assert_string_equal(mq_node_label(group(s, "c1")->spared_by), "c3");
    assert_true(group(s, "c2")->chosen);
    mq_structure_free(s);
}

static void counts_that_stay(void **state)
{
    mq_structure_group a = { .n = 64, .step = 8 };

    (void)state;
    assert_int_equal(mq_structure_left(&a, 0.5), 32);
    assert_int_equal(mq_structure_left(&a, 0.2), 48);
    assert_int_equal(mq_structure_left(&a, 0.15), 56);
    assert_int_equal(mq_structure_left(&a, 0.99), 8);
    assert_int_equal(mq_structure_left(&a, 0), 64);
    a.n = 20;
    assert_int_equal(mq_structure_left(&a, 0.01), 20);
    assert_int_equal(mq_structure_left(&a, 0.2), 16);
    a.n = 8;
    assert_int_equal(mq_structure_left(&a, 0.9), 8);
    a = (mq_structure_group){ .n = 12, .step = 1 };
    assert_int_equal(mq_structure_left(&a, 0.2), 10);
    assert_int_equal(mq_structure_left(&a, 0.999), 1);
}

/* What the operator table's rules say of the model as it is now. */
static double count_macs(void)
{
    double sum = 0;

    for (const mq_node *n = g->first; n; n = n->next) {
        const mq_op_rule *rule = mq_rule_find(mq_domain_norm(n->domain), n->op_type);

        sum += rule && rule->macs ? (double)rule->macs(n) : 0;
    }
    return sum;
}

static double count_bytes(void)
{
    double sum = 0;

    for (size_t i = 0; i < g->values.n; i++)
        if (mq_value_constant(g->values.items[i], true))
            sum += (double)mq_tensor_size(mq_value_constant(g->values.items[i], true));
    return sum;
}

/* Takes out 1 - share of every group; costs are those of the model that comes out. */
static void shrinks_as_counted(double sparsity, unsigned kinds)
{
    mq_structure *s = find();
    size_t n, n_gone;
    mq_structure_group *list = mq_structure_groups(s, &n);
    double macs, bytes;
    mq_error err = { 0 };

    mq_structure_choose(s, kinds, 1, NULL, NULL);
    assert_true(fabs(mq_structure_cost(s, MQ_STRUCTURE_MACS) - count_macs()) < 0.5);
    assert_true(fabs(mq_structure_cost(s, MQ_STRUCTURE_BYTES) - count_bytes()) < 0.5);
    assert_int_equal(mq_structure_score(s, MQ_STRUCTURE_L2, 0, 1, NULL), MQ_OK);
    for (size_t i = 0; i < n; i++)
        list[i].left = list[i].chosen ? mq_structure_left(&list[i], sparsity) : list[i].n;
    assert_int_equal(mq_structure_pick(s, &n_gone, NULL), MQ_OK);
    assert_true(n_gone > 0);
    macs = mq_structure_cost(s, MQ_STRUCTURE_MACS);
    bytes = mq_structure_cost(s, MQ_STRUCTURE_BYTES);
    if (mq_structure_shrink(s, &err) != MQ_OK)
        fail_msg("%s", err.text);
    graph_check(m);
    assert_true(fabs(macs - count_macs()) < 0.5);
    assert_true(fabs(bytes - count_bytes()) < 100); /* shapes that nodes shared are several now */
    mq_structure_free(s);
}

static void costs_of_convolutions(void **state)
{
    (void)state;
    make_net();
    shrinks_as_counted(0.4, ALL);
}

static void costs_of_shared_axes(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,2,5,5");
    make_conv("x", "w1", "6,2,1,1", "c1", 0);
    make_conv("x", "w2", "8,2,3,3", "c2", 1);
    node_int(make_node(g, "Concat", "c1,c2", "cat"), "axis", 1);
    make_random("wt", MQ_FLOAT, "14,4,2,2");
    make_node(g, "ConvTranspose", "cat,wt", "t");
    make_random("wg", MQ_FLOAT, "4,2,1,1");
    node_int(make_node(g, "Conv", "t,wg", "gr"), "group", 2);
    make_conv("gr", "w3", "3,4,1,1", "y", 0);
    make_output(g, "y");
    shrinks_as_counted(0.5, ALL);
}

static void costs_of_recurrent_layers(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "5,1,3");
    make_random("w1", MQ_FLOAT, "1,32,3");
    make_random("r1", MQ_FLOAT, "1,32,8");
    node_int(make_node(g, "LSTM", "x,w1,r1", "h,last"), "hidden_size", 8);
    make_longs("dirs", "1", (const int64_t[]){ 1 });
    make_node(g, "Squeeze", "h,dirs", "s");
    make_random("ws", MQ_FLOAT, "8,2");
    make_node(g, "MatMul", "s,ws", "z");
    make_output(g, "z");
    shrinks_as_counted(0.5, ALL);
}

/* A projection by MatMul and Add, cut into heads. */
static void project(const char *name, const char *perm)
{
    const char *const w = mq_arena_printf(m->arena, "w%s", name), *const b = mq_arena_printf(m->arena, "b%s", name);

    make_random(w, MQ_FLOAT, "6,8");
    make_random(b, MQ_FLOAT, "8");
    make_node(g, "MatMul", mq_arena_printf(m->arena, "x,%s", w), mq_arena_printf(m->arena, "p%s", name));
    make_node(g, "Add", mq_arena_printf(m->arena, "p%s,%s", name, b), mq_arena_printf(m->arena, "a%s", name));
    make_node(g, "Reshape", mq_arena_printf(m->arena, "a%s,deep", name), mq_arena_printf(m->arena, "h%s", name));
    node_ints(make_node(g, "Transpose", mq_arena_printf(m->arena, "h%s", name), mq_arena_printf(m->arena, "t%s", name)),
              "perm", perm);
}

static void make_attention(void)
{
    make_input(g, "x", MQ_FLOAT, "2,5,6");
    make_longs("deep", "4", (const int64_t[]){ 0, 0, 4, 2 });
    make_longs("back", "3", (const int64_t[]){ 0, 0, 8 });
    project("q", "0,2,1,3");
    project("k", "0,2,3,1");
    project("v", "0,2,1,3");
    make_node(g, "MatMul", "tq,tk", "s");
    make_node(g, "Softmax", "s", "soft");
    make_node(g, "MatMul", "soft,tv", "o");
    node_ints(make_node(g, "Transpose", "o", "ot"), "perm", "0,2,1,3");
    make_node(g, "Reshape", "ot,back", "of");
    make_random("wo", MQ_FLOAT, "8,6");
    make_node(g, "MatMul", "of,wo", "y");
    make_output(g, "y");
}

static void heads_are_never_rounded(void **state)
{
    mq_structure *s;

    (void)state;
    make_attention();
    s = find();
    mq_structure_choose(s, MQ_STRUCTURE_HEAD, 8, NULL, NULL);
    assert_true(group(s, "pq")->chosen);
    assert_int_equal(group(s, "pq")->step, 1);
    mq_structure_free(s);
    shrinks_as_counted(0.5, MQ_STRUCTURE_HEAD);
}

static void zeroes(mq_structure_method method)
{
    mq_structure *s = find();
    size_t n, n_gone;
    mq_structure_group *list = mq_structure_groups(s, &n);
    pass_io before = { .n_in = 0 }, after;
    mq_error err = { 0 };

    mq_structure_choose(s, ALL, 1, NULL, NULL);
    assert_int_equal(mq_structure_score(s, method, 3, 2, NULL), MQ_OK);
    for (size_t i = 0; i < n; i++)
        list[i].left = mq_structure_left(&list[i], 0.4);
    assert_int_equal(mq_structure_pick(s, &n_gone, NULL), MQ_OK);
    if (mq_structure_zero(s, &err) != MQ_OK)
        fail_msg("%s", err.text);
    pass_run(&before);
    if (mq_structure_shrink(s, &err) != MQ_OK)
        fail_msg("%s", err.text);
    mq_structure_free(s);
    after = before;
    pass_run(&after);
    pass_near(&before, &after, 1e-5);
    pass_release(before.in, before.n_in);
    pass_release(before.out, before.n_out);
    pass_release(after.out, after.n_out);
}

static void zero_is_as_good_as_gone(void **state)
{
    (void)state;
    make_net();
    zeroes(MQ_STRUCTURE_L1);
}

static void zero_heads_are_as_good_as_gone(void **state)
{
    (void)state;
    make_attention();
    zeroes(MQ_STRUCTURE_GEOMEDIAN);
}

/* A divisor stays what it is. */
static void divisors_are_not_zeroed(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,6");
    make_random("w1", MQ_FLOAT, "6,8");
    make_positive("c", "8", 1);
    make_random("w2", MQ_FLOAT, "8,3");
    make_node(g, "MatMul", "x,w1", "p");
    make_node(g, "Div", "p,c", "q");
    make_node(g, "MatMul", "q,w2", "y");
    make_output(g, "y");
    zeroes(MQ_STRUCTURE_RANDOM);
}

/* Four points on a line at 0, 1, 2 and 10: distances 13, 11, 11 + 1 and 27. */
static void geomedian_sums_distances(void **state)
{
    const double want[] = { 13, 11, 11, 27 };
    float w[4 * 600] = { 0 };
    mq_structure *s;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "1,600");
    for (int i = 0; i < 600; i++) /* column i of each: a point along the diagonal, over more than one piece */
        for (int k = 0; k < 4; k++)
            w[i * 4 + k] = (float)(k == 3 ? 10 : k) / sqrtf(600);
    make_init(g, "w", MQ_FLOAT, "600,4", w);
    make_random("w2", MQ_FLOAT, "4,3");
    make_node(g, "MatMul", "x,w", "p");
    make_node(g, "MatMul", "p,w2", "y");
    make_output(g, "y");
    s = find();
    mq_structure_choose(s, ALL, 1, NULL, NULL);
    assert_int_equal(mq_structure_score(s, MQ_STRUCTURE_GEOMEDIAN, 0, 2, NULL), MQ_OK);
    for (int k = 0; k < 4; k++)
        assert_true(fabs(group(s, "p")->scores[k] - want[k]) < 1e-4);
    mq_structure_free(s);
}

static void budgets_are_met(void **state)
{
    mq_structure *s;
    double whole;
    bool met;

    (void)state;
    make_net();
    s = find();
    mq_structure_choose(s, ALL, 8, NULL, NULL);
    assert_int_equal(mq_structure_score(s, MQ_STRUCTURE_L2, 0, 1, NULL), MQ_OK);
    for (int unit = MQ_STRUCTURE_MACS; unit <= MQ_STRUCTURE_COUNT; unit++) {
        size_t n;
        mq_structure_group *list = mq_structure_groups(s, &n);

        for (size_t i = 0; i < n; i++)
            list[i].left = list[i].n;
        whole = mq_structure_cost(s, unit);
        assert_int_equal(mq_structure_budget(s, unit, whole * 0.7, false, &met, NULL), MQ_OK);
        assert_true(met && mq_structure_cost(s, unit) <= whole * 0.7 && mq_structure_cost(s, unit) > whole * 0.4);
        assert_int_equal(mq_structure_budget(s, unit, whole * 0.01, false, &met, NULL), MQ_OK);
        assert_false(met);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(list[i].left, 8);
    }
    mq_structure_free(s);
}

/* What a second bound gives back is not what the first one took. */
static void budgets_add_up(void **state)
{
    mq_structure *s;
    double macs, bytes;
    bool met;

    (void)state;
    make_net();
    s = find();
    mq_structure_choose(s, ALL, 1, NULL, NULL);
    assert_int_equal(mq_structure_score(s, MQ_STRUCTURE_L2, 0, 1, NULL), MQ_OK);
    macs = mq_structure_cost(s, MQ_STRUCTURE_MACS);
    bytes = mq_structure_cost(s, MQ_STRUCTURE_BYTES);
    assert_int_equal(mq_structure_budget(s, MQ_STRUCTURE_MACS, macs / 2, false, &met, NULL), MQ_OK);
    assert_int_equal(mq_structure_budget(s, MQ_STRUCTURE_BYTES, bytes * 0.95, false, &met, NULL), MQ_OK);
    assert_true(met && mq_structure_cost(s, MQ_STRUCTURE_MACS) <= macs / 2);
    mq_structure_free(s);
}

/* Rows of a weight that is turned in the graph count as what they are. */
static void weights_behind_views_count(void **state)
{
    float w[8 * 6];
    mq_structure *s;

    (void)state;
    for (int i = 0; i < 8 * 6; i++)
        w[i] = (float)(1 + i / 6);
    make_input(g, "x", MQ_FLOAT, "1,6");
    make_init(g, "w", MQ_FLOAT, "8,6", w);
    make_random("w2", MQ_FLOAT, "8,3");
    node_ints(make_node(g, "Transpose", "w", "t"), "perm", "1,0");
    make_node(g, "MatMul", "x,t", "p");
    make_node(g, "MatMul", "p,w2", "y");
    make_output(g, "y");
    s = find();
    mq_structure_choose(s, ALL, 1, NULL, NULL);
    assert_int_equal(mq_structure_score(s, MQ_STRUCTURE_L1, 0, 1, NULL), MQ_OK);
    for (int k = 0; k < 8; k++)
        assert_true(fabs(group(s, "p")->scores[k] - 6 * (1 + k)) < 1e-6);
    mq_structure_free(s);
}

/* A large step of one group overshoots: a small one of another comes back. */
static void what_fits_is_given_back(void **state)
{
    mq_structure *s;
    bool met;

    (void)state;
    make_net();
    s = find();
    mq_structure_choose(s, ALL, 1, NULL, NULL);
    group(s, "c2")->step = 12;
    group(s, "c1")->step = 4;
    for (size_t k = 0; k < 16; k++)
        group(s, "c1")->scores[k] = 1e-3 + (k >= 4);
    for (size_t k = 0; k < 24; k++)
        group(s, "c2")->scores[k] = 1;
    group(s, "m4")->chosen = false;
    assert_int_equal(mq_structure_budget(s, MQ_STRUCTURE_COUNT, 40 - 12, false, &met, NULL), MQ_OK);
    assert_true(met);
    assert_int_equal(group(s, "c2")->left, 12);
    assert_int_equal(group(s, "c1")->left, 16);
    mq_structure_free(s);
}

/* Scores that compare as they are do so when steps are given back, too. */
static void raw_scores_are_given_back_as_they_are(void **state)
{
    mq_structure *s;
    bool met;

    (void)state;
    make_net();
    s = find();
    mq_structure_choose(s, ALL, 4, NULL, NULL);
    group(s, "c2")->step = 12;
    for (size_t k = 0; k < 16; k++)
        group(s, "c1")->scores[k] = k < 4 ? 0.1 : 1.5;
    for (size_t k = 0; k < 24; k++)
        group(s, "c2")->scores[k] = 1;
    for (size_t k = 0; k < 32; k++)
        group(s, "m4")->scores[k] = k < 4 ? 0.2 : 100;
    assert_int_equal(mq_structure_budget(s, MQ_STRUCTURE_COUNT, 72 - 13, true, &met, NULL), MQ_OK);
    assert_true(met);
    assert_int_equal(group(s, "c1")->left, 12); /* 0.4 in all, against 0.8 */
    assert_int_equal(group(s, "c2")->left, 12);
    assert_int_equal(group(s, "m4")->left, 32);
    mq_structure_free(s);
}

/* A group whose channels are all but zero loses them first. */
static void what_weighs_little_goes_first(void **state)
{
    mq_structure *s;
    bool met;

    (void)state;
    make_net();
    s = find();
    mq_structure_choose(s, ALL, 1, NULL, NULL);
    for (size_t k = 0; k < 16; k++)
        group(s, "c1")->scores[k] = 1;
    for (size_t k = 0; k < 24; k++)
        group(s, "c2")->scores[k] = k < 20 ? 1e-6 : 1;
    for (size_t k = 0; k < 32; k++)
        group(s, "m4")->scores[k] = NAN;
    assert_int_equal(mq_structure_budget(s, MQ_STRUCTURE_COUNT, 72 - 20 - 31, false, &met, NULL), MQ_OK);
    assert_true(met);
    assert_int_equal(group(s, "c1")->left, 16);
    assert_int_equal(group(s, "c2")->left, 4);
    assert_int_equal(group(s, "m4")->left, 1);
    mq_structure_free(s);
}

/* Residual branches of x + relu(x w), all alike: a run, of which one stays. */
static mq_blocks *make_branches(int n, const float *weights)
{
    mq_blocks *b = NULL;
    const char *x = "r";

    make_input(g, "x", MQ_FLOAT, "n,1");
    make_node(g, "Relu", "x", "r");
    for (int i = 0; i < n; i++) {
        const char *w = mq_arena_printf(m->arena, "w%d", i), *p = mq_arena_printf(m->arena, "p%d", i);
        const char *q = mq_arena_printf(m->arena, "q%d", i), *s = mq_arena_printf(m->arena, "s%d", i);

        make_init(g, w, MQ_FLOAT, "1,1", &weights[i]);
        make_node(g, "MatMul", mq_arena_printf(m->arena, "%s,%s", x, w), p);
        make_node(g, "Relu", p, q);
        make_node(g, "Add", mq_arena_printf(m->arena, "%s,%s", x, q), s);
        x = s;
    }
    make_init(g, "wf", MQ_FLOAT, "1,2", (const float[]){ 1, 2 });
    make_node(g, "MatMul", mq_arena_printf(m->arena, "%s,wf", x), "y");
    make_output(g, "y");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_blocks_find(&b, m, NULL), MQ_OK);
    return b;
}

/* What is not a number goes last, and does not make what follows it go. */
static void blocks_go_by_score(void **state)
{
    static const float weights[] = { 1, NAN, 3, 2, 2 };
    double scores[5];
    bool gone[5];
    size_t n, went;
    mq_blocks *b = make_branches(5, weights);
    const mq_blocks_item *list = mq_blocks_list(b, &n);

    (void)state;
    assert_int_equal(n, 5);
    assert_true(list[0].run && list[4].run == list[0].run);
    assert_int_equal(mq_structure_rank_blocks(b, 1, scores, NULL), MQ_OK);
    assert_true(isinf(scores[1]));
    assert_int_equal(mq_structure_pick_blocks(b, scores, 2, gone, &went, NULL), MQ_OK);
    assert_int_equal(went, 2);
    assert_true(gone[0] && !gone[1] && !gone[2] && gone[3] && !gone[4]);
    assert_int_equal(mq_structure_pick_blocks(b, scores, 5, gone, &went, NULL), MQ_OK);
    assert_int_equal(went, 4);
    assert_true(gone[0] && !gone[1] && gone[2] && gone[3] && gone[4]);
    mq_blocks_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(kinds_of_groups),
        ON_MODEL(coupled_groups_are_spared_together),
        ON_MODEL(counts_that_stay),
        ON_MODEL(costs_of_convolutions),
        ON_MODEL(costs_of_shared_axes),
        ON_MODEL(costs_of_recurrent_layers),
        ON_MODEL(heads_are_never_rounded),
        ON_MODEL(zero_is_as_good_as_gone),
        ON_MODEL(zero_heads_are_as_good_as_gone),
        ON_MODEL(divisors_are_not_zeroed),
        ON_MODEL(geomedian_sums_distances),
        ON_MODEL(budgets_are_met), ON_MODEL(budgets_add_up), ON_MODEL(weights_behind_views_count),
        ON_MODEL(what_fits_is_given_back),
        ON_MODEL(raw_scores_are_given_back_as_they_are),
        ON_MODEL(what_weighs_little_goes_first),
        ON_MODEL(blocks_go_by_score),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
