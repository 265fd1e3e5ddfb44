/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../passes/pass_check.h"
#include "distill/derive.h"

static mq_derived derive(mq_derive_opts opts)
{
    mq_derived d;
    mq_error err = { 0 };

    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    if (mq_student_derive(m, &opts, &d, &err) != MQ_OK)
        fail_msg("%s", err.text);
    graph_check(m);
    if (mq_model_verify(m, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return d;
}

static void runs(const char *dims)
{
    pass_io io = { .n_in = 0 };
    int64_t want[8];

    pass_run(&io);
    assert_int_equal(io.out[0]->rank, make_dims(dims, want));
    assert_memory_equal(io.out[0]->dims, want, (size_t)io.out[0]->rank * sizeof *want);
    pass_release(io.in, io.n_in);
    pass_release(io.out, io.n_out);
}

/* op(in, weight): the name of what it makes. */
static const char *layer(const char *op, const char *in, const char *weight, const char *dims, int i)
{
    const char *w = mq_arena_printf(m->arena, "%s%d", weight, i), *out = mq_arena_printf(m->arena, "o%s", w);

    make_random(w, MQ_FLOAT, dims);
    make_node(g, op, mq_arena_printf(m->arena, "%s,%s", in, w), out);
    return out;
}

static const char *relu(const char *in)
{
    const char *out = mq_arena_printf(m->arena, "r%s", in);

    make_node(g, "Relu", in, out);
    return out;
}

static void make_end(const char *in, const char *dims)
{
    make_random("wf", MQ_FLOAT, dims);
    make_node(g, "MatMul", mq_arena_printf(m->arena, "%s,wf", in), "y");
    make_output(g, "y");
}

/* relu(x + conv(relu(conv x))), `n` times behind a first layer of 32 channels. */
static void make_residual(int n)
{
    const char *x = "x";

    make_input(g, x, MQ_FLOAT, "n,3,6,6");
    x = relu(layer("Conv", x, "w", "32,3,1,1", 0));
    for (int i = 1; i <= n; i++) {
        const char *y = layer("Conv", relu(layer("Conv", x, "u", "20,32,1,1", i)), "v", "32,20,1,1", i);
        const char *sum = mq_arena_printf(m->arena, "s%d", i);

        make_node(g, "Add", mq_arena_printf(m->arena, "%s,%s", x, y), sum);
        x = relu(sum);
    }
    make_node(g, "GlobalAveragePool", x, "pool");
    make_node(g, "Flatten", "pool", "flat");
    make_end("flat", "32,5");
}

static size_t count(const char *op)
{
    size_t n = 0;

    for (const mq_node *node = g->first; node; node = node->next)
        n += strcmp(node->op_type, op) == 0;
    return n;
}

static void channels_come_in_eights(void **state)
{
    (void)state;
    assert_int_equal(mq_width_left(64, 0.5, false), 32);
    assert_int_equal(mq_width_left(36, 0.5, false), 16);
    assert_int_equal(mq_width_left(100, 0.01, false), 8);
    assert_int_equal(mq_width_left(32, 0.1, false), 3);
    assert_int_equal(mq_width_left(3, 0.1, false), 1);
    assert_int_equal(mq_width_left(24, 0.5, true), 12);
    assert_int_equal(mq_width_left(33, 1, false), 32);
}

static void half_as_wide(void **state)
{
    mq_derived d;

    (void)state;
    make_residual(2);
    d = derive((mq_derive_opts){ .width = 0.5, .depth = 1 });
    assert_int_equal(d.n_groups, 3);
    assert_int_equal(d.channels_before, 72);
    assert_int_equal(d.channels_after, 36);
    assert_int_equal(mq_graph_find_here(g, "wf")->init->dims[0], 16);
    runs("3,5");
}

/* The rows that are copied are the largest. */
static void important_channels_stay(void **state)
{
    const float w[] = { 1, 1, -5, -5, 0, 0, 3, 4 };
    const float *left;

    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,2");
    make_init(g, "w", MQ_FLOAT, "4,2", w);
    node_int(make_node(g, "Gemm", "x,w", "p"), "transB", 1);
    make_end("p", "4,3");
    derive((mq_derive_opts){ .width = 0.5, .depth = 1 });
    left = mq_graph_find_here(g, "w")->init->data;
    assert_true(left[0] == -5 && left[1] == -5 && left[2] == 3 && left[3] == 4);
    runs("3,3");
}

static void half_as_deep(void **state)
{
    mq_derived d;

    (void)state;
    make_residual(4);
    d = derive((mq_derive_opts){ .width = 1, .depth = 0.5 });
    assert_int_equal(d.n_blocks, 4);
    assert_int_equal(d.n_dropped, 2);
    assert_int_equal(count("Add"), 2);
    assert_int_equal(count("Conv"), 5);
    runs("3,5");
}

/* At least one of a run stays. */
static void never_without_any(void **state)
{
    mq_derived d;

    (void)state;
    make_residual(3);
    d = derive((mq_derive_opts){ .width = 1, .depth = 0 });
    assert_int_equal(d.n_dropped, 2);
    assert_int_equal(count("Add"), 1);
    runs("3,5");
}

static void layers_of_one_size(void **state)
{
    const char *x = "x";
    mq_derived d;

    (void)state;
    make_input(g, x, MQ_FLOAT, "n,8");
    for (int i = 0; i < 6; i++)
        x = relu(layer("MatMul", x, "w", "8,8", i));
    make_end(x, "8,2");
    d = derive((mq_derive_opts){ .width = 0.5, .depth = 0.4 });
    assert_true(d.n_dropped > 0 && d.n_dropped < d.n_blocks);
    assert_int_equal(count("MatMul"), 7 - d.n_dropped);
    runs("3,2");
}

static void drawn_weights_are_those_of_the_seed(void **state)
{
    const mq_derive_opts opts = { .width = 1, .depth = 1, .random = true, .seed = 7 };
    float first[96];
    double sum = 0;
    const float *w;

    (void)state;
    make_residual(1);
    derive(opts);
    w = mq_graph_find_here(g, "w0")->init->data;
    memcpy(first, w, sizeof first);
    for (int i = 0; i < 96; i++) {
        assert_true(fabsf(w[i]) <= 1.4143f); /* 3 inputs: the root of 6 / 3 */
        sum += (double)w[i] * (double)w[i];
    }
    assert_true(sum / 96 > 0.4 && sum / 96 < 1);
    derive(opts);
    assert_memory_equal(mq_graph_find_here(g, "w0")->init->data, first, sizeof first);
    derive((mq_derive_opts){ .width = 1, .depth = 1, .random = true, .seed = 8 });
    assert_memory_not_equal(mq_graph_find_here(g, "w0")->init->data, first, sizeof first);
    runs("3,5");
}

/* The L2 norm of a Conv's first filter. */
static double filter_size(const mq_node *conv)
{
    const mq_tensor *t = conv->inputs[1]->init;
    const float *w = t->data;
    double squares = 0;

    for (int64_t i = 0; i < mq_tensor_count(t) / t->dims[0]; i++)
        squares += (double)w[i] * (double)w[i];
    return sqrt(squares);
}

/* Whatever the statistics are: what goes into the filters comes out of the normalization. */
static void norms_change_nothing_at_first(void **state)
{
    const double mean[32] = { 3, -2, 0.5 }, variance[32] = { 4, 0, 9, 100 };
    pass_io before = { .n_in = 0 }, after;
    mq_node **convs;
    size_t n;

    (void)state;
    make_residual(1);
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    pass_run(&before);
    assert_int_equal(mq_norms_find(m, &convs, &n, NULL), MQ_OK);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(mq_norms_insert(convs[i], mean, variance, NULL), MQ_OK);
    assert_int_equal(mq_norms_resize(m, NULL), MQ_OK);
    assert_true(fabs(filter_size(convs[0]) - sqrt(2)) < 1e-5);
    graph_check(m);
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    after = before;
    pass_run(&after);
    pass_near(&before, &after, 1e-4);
    assert_int_equal(count("BatchNormalization"), 3);
    assert_int_equal(mq_norms_find(m, &convs, &n, NULL), MQ_OK);
    assert_int_equal(n, 0);
    pass_release(before.in, before.n_in);
    pass_release(before.out, before.n_out);
    pass_release(after.out, after.n_out);
}

/* A filter that is as good as zero stays so. */
static void tiny_filters_are_not_made_large(void **state)
{
    mq_node **convs;
    const mq_node *norm;
    float weight[27 * 64];
    int64_t count_of;
    size_t n;

    (void)state;
    make_residual(1);
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_norms_find(m, &convs, &n, NULL), MQ_OK);
    assert_int_equal(mq_norms_insert(convs[0], NULL, NULL, NULL), MQ_OK);
    count_of = mq_tensor_count(convs[0]->inputs[1]->init);
    assert_true(count_of <= 27 * 64);
    for (int64_t i = 0; i < count_of; i++)
        weight[i] = 1e-30f;
    convs[0]->inputs[1]->init->data = weight;
    assert_int_equal(mq_norms_resize(m, NULL), MQ_OK);
    norm = convs[0]->next;
    assert_true(mq_node_is(norm, "", "BatchNormalization"));
    for (size_t i = 1; i < 5; i++)
        for (int64_t c = 0; c < convs[0]->inputs[1]->init->dims[0]; c++)
            assert_true(isfinite(((const float *)norm->inputs[i]->init->data)[c]));
    assert_true(((const float *)convs[0]->inputs[1]->init->data)[0] == 1e-30f);
}

static void not_without_channels(void **state)
{
    const mq_derive_opts opts = { .width = 0.5, .depth = 1 };
    mq_derived d;
    mq_error err = { 0 };

    (void)state;
    make_input(g, "x", MQ_FLOAT, "n,6");
    make_end("x", "6,8");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_student_derive(m, &opts, &d, &err), MQ_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "no channels can go: those of 'y' stay because 'y' is an output of the model");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(channels_come_in_eights),
        ON_MODEL(half_as_wide),
        ON_MODEL(important_channels_stay),
        ON_MODEL(half_as_deep),
        ON_MODEL(never_without_any),
        ON_MODEL(layers_of_one_size),
        ON_MODEL(drawn_weights_are_those_of_the_seed),
        ON_MODEL(norms_change_nothing_at_first),
        ON_MODEL(tiny_filters_are_not_made_large),
        ON_MODEL(not_without_channels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
