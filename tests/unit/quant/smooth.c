/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/smooth.c: the function stays, the factors are those of the formula, and where they go. */
#include "quant/smooth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../passes/pass_check.h"

#define TOLERANCE 1e-5

static mq_channel_table seen;
static mq_smooth_result result;
static mq_error err;

static int setup(void **state)
{
    seen = (mq_channel_table){ 0 };
    result = (mq_smooth_result){ 99, 99, 99, 99, 99 };
    return pass_setup(state);
}

static int teardown(void **state)
{
    mq_channel_table_release(&seen);
    return pass_teardown(state);
}

#define ON_SEEN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

static const mq_smooth_opts automatic = { .automatic = true, .levels = 255, .weight_levels = 127 };

static mq_smooth_opts fixed(double alpha)
{
    return (mq_smooth_opts){ .alpha = alpha, .levels = 255, .weight_levels = 127 };
}

static const float *floats(const char *name)
{
    return mq_graph_find_here(g, name)->init->data;
}

/* Channel i of the activation held up to 2^(i * step), both ways. */
static void see(const char *name, int axis, int64_t channels, int step)
{
    const int64_t dims[2] = { 64, channels };
    uint64_t rng = 5;
    mq_array *a = NULL;

    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 2, dims, &err), MQ_OK);
    for (int64_t i = 0; i < 64 * channels; i++)
        ((float *)a->data)[i] = ldexpf(i / channels < 2 ? (float)(i / channels) * 2 - 1 : rng_float(&rng),
                                       (int)(i % channels) * step);
    assert_int_equal(mq_channel_table_add(&seen, mq_graph_find(g, name), axis, &err), MQ_OK);
    assert_int_equal(mq_channels_add(mq_channel_table_find(&seen, name), a, &err), MQ_OK);
    mq_array_unref(a);
}

static void smooth(const mq_smooth_opts *o, size_t n_folded, size_t n_inserted, size_t n_products)
{
    pass_io before = { .n_in = 0 }, after;

    pass_run(&before);
    after = before;
    if (mq_smooth(m, &seen, o, &result, &err) != MQ_OK || mq_model_verify(m, &err) != MQ_OK)
        fail_msg("%s", err.text);
    graph_check(m);
    pass_run(&after);
    pass_near(&before, &after, TOLERANCE);
    pass_release(before.in, before.n_in);
    pass_release(before.out, before.n_out);
    pass_release(after.out, after.n_out);
    assert_int_equal(result.n_folded, n_folded);
    assert_int_equal(result.n_inserted, n_inserted);
    assert_int_equal(result.n_products, n_products);
}

/* s_i = activation^alpha / weight^(1 - alpha), divided by the geometric mean; w is [4, 6]. */
static void factors(const float *w, int step, double alpha, double f[4])
{
    double mean = 0;

    for (int i = 0; i < 4; i++) {
        double most = 0;
        for (int k = 0; k < 6; k++)
            most = fmax(most, fabs((double)w[i * 6 + k]));
        f[i] = alpha * log(ldexp(1, i * step)) - (1 - alpha) * log(most);
        mean += f[i] / 4;
    }
    for (int i = 0; i < 4; i++)
        f[i] = exp(f[i] - mean);
}

static void norm_and_product(void)
{
    make_input(g, "x", MQ_FLOAT, "N,4");
    make_random("s", MQ_FLOAT, "4");
    make_random("o", MQ_FLOAT, "4");
    make_node(g, "LayerNormalization", "x,s,o", "n");
    make_random("w", MQ_FLOAT, "4,6");
    make_node(g, "MatMul", "n,w", "y");
    make_output(g, "y");
}

static void near_all(const float *got, const float *was, const double *f, int n, int per, bool divided)
{
    for (int i = 0; i < n; i++) {
        const double want = divided ? (double)was[i] / f[i / per] : (double)was[i] * f[i / per];
        assert_true(fabs((double)got[i] - want) <= 1e-6 * (fabs(want) + 1e-3));
    }
}

static void test_alpha_in_a_norm(void **state)
{
    float w[24], s[4], o[4];
    const mq_smooth_opts how = fixed(0.6);
    double f[4];

    (void)state;
    norm_and_product();
    see("n", -1, 4, 2);
    memcpy(w, floats("w"), sizeof w);
    memcpy(s, floats("s"), sizeof s);
    memcpy(o, floats("o"), sizeof o);
    factors(w, 2, 0.6, f);
    smooth(&how, 1, 0, 1);
    near_all(floats("w"), w, f, 24, 6, false);
    near_all(floats("s"), s, f, 4, 1, true);
    near_all(floats("o"), o, f, 4, 1, true);
    assert_true(result.least_alpha == 0.6 && result.most_alpha == 0.6);
}

/* Beside a reader that is no product the division is a Mul of its own, and the other reads what it did. */
static void test_alpha_in_a_mul(void **state)
{
    const mq_smooth_opts how = fixed(0.5);
    const mq_node *mul;

    (void)state;
    norm_and_product();
    make_node(g, "Tanh", "n", "t");
    make_output(g, "t");
    see("n", -1, 4, 2);
    smooth(&how, 0, 1, 1);
    mul = mq_graph_find(g, "y")->producer->inputs[0]->producer;
    assert_true(mq_node_is(mul, "", "Mul"));
    assert_string_equal(mul->inputs[0]->name, "n");
    assert_string_equal(mq_graph_find(g, "t")->producer->inputs[0]->name, "n");
}

static void test_automatic_where_channels_differ(void **state)
{
    (void)state;
    norm_and_product();
    see("n", -1, 4, 3);
    smooth(&automatic, 1, 0, 1);
    assert_true(result.most_alpha == 0.25 || result.most_alpha == 0.5);
}

/* Weights alone: the error of the products by the channels' power, each row in one block, by a plain loop. */
static double rounded_error(const mq_scheme *s, const float *w, const double *f)
{
    const mq_channels *c = mq_channel_table_find(&seen, "n");
    double error = 0;

    for (int col = 0; col < 6; col++) {
        float lo = 0, hi = 0, scale;
        int32_t zp;
        for (int i = 0; i < 4; i++) {
            lo = fminf(lo, w[i * 6 + col] * (float)f[i]);
            hi = fmaxf(hi, w[i * 6 + col] * (float)f[i]);
        }
        mq_scheme_affine(s, lo, hi, &scale, &zp);
        for (int i = 0; i < 4; i++) {
            const double x = (double)w[i * 6 + col] * f[i];
            const double q = fmin(fmax(rint(x / (double)scale) + zp, s->q_min), s->q_max) - zp;
            error += (x - q * (double)scale) * (x - q * (double)scale) / (f[i] * f[i]) * c->square[i];
        }
    }
    return error;
}

static void test_weights_alone(void **state)
{
    const mq_scheme s = mq_scheme_of(MQ_UINT4, false, false, MQ_FLOAT);
    const mq_smooth_opts o = { .rounded = &s };
    const double ones[4] = { 1, 1, 1, 1 };
    float was[24];
    double f[4], gain;

    (void)state;
    norm_and_product();
    memcpy(was, floats("w"), sizeof was);
    see("n", -1, 4, 3);
    smooth(&o, 1, 0, 1);
    assert_true(result.most_alpha > 0 && result.most_alpha <= 1);
    for (int i = 0; i < 4; i++) {
        f[i] = (double)floats("w")[i * 6] / (double)was[i * 6];
        assert_true(i == 0 || f[i] > f[i - 1]); /* larger channels, finer weights */
    }
    gain = 10 * log10(rounded_error(&s, was, ones) / rounded_error(&s, was, f));
    assert_true(fabs(gain - result.gain_db) < 0.01 && gain > 0.4);
}

static void test_automatic_where_they_do_not(void **state)
{
    const void *w;

    (void)state;
    norm_and_product();
    see("n", -1, 4, 0);
    w = floats("w");
    smooth(&automatic, 0, 0, 0);
    assert_ptr_equal(floats("w"), w);
    assert_true(result.least_alpha == 0 && result.most_alpha == 0);
}

static void two_convs(const char *between)
{
    make_input(g, "x", MQ_FLOAT, "N,3,6,6");
    make_random("w1", MQ_FLOAT, "4,3,3,3");
    make_random("b1", MQ_FLOAT, "4");
    make_node(g, "Conv", "x,w1,b1", "a");
    make_node(g, between, "a", "r");
    make_random("w2", MQ_FLOAT, "5,4,1,1");
    make_node(g, "Conv", "r,w2", "y");
    make_output(g, "y");
    see("r", 1, 4, 2);
}

/* Into the weights and the bias behind an activation that takes factors along. */
static void test_between_convolutions(void **state)
{
    (void)state;
    two_convs("Relu");
    smooth(&automatic, 1, 0, 1);
    assert_null(mq_graph_find(g, "a")); /* what is divided is not the tensor of that name */
    assert_non_null(mq_graph_find(g, "a_rescaled"));
    assert_non_null(mq_graph_find(g, "r_rescaled"));
}

static void test_not_behind_what_takes_none(void **state)
{
    (void)state;
    two_convs("Sigmoid");
    smooth(&automatic, 0, 0, 0);
}

/* A convolution has no Mul before it. */
static void test_not_between_convolutions_with_another_reader(void **state)
{
    (void)state;
    two_convs("Relu");
    make_node(g, "Exp", "r", "e");
    make_output(g, "e");
    smooth(&automatic, 0, 0, 0);
}

/* All products that read it take the factors. */
static void test_two_readers(void **state)
{
    const mq_smooth_opts how = fixed(0.5);

    (void)state;
    norm_and_product();
    make_random("v", MQ_FLOAT, "4,2");
    make_node(g, "MatMul", "n,v", "z");
    make_output(g, "z");
    see("n", -1, 4, 2);
    smooth(&how, 1, 0, 2);
}

/* A channel that was silent keeps finite factors. */
static void test_silent_channel(void **state)
{
    const mq_smooth_opts how = fixed(0.5);
    mq_channels *c;

    (void)state;
    norm_and_product();
    see("n", -1, 4, 2);
    c = mq_channel_table_find(&seen, "n");
    c->low[1] = c->high[1] = 0;
    c->sum[1] = c->square[1] = 0;
    smooth(&how, 1, 0, 1);
    for (int i = 0; i < 24; i++)
        assert_true(isfinite(floats("w")[i]));
}

static void test_wanted(void **state)
{
    (void)state;
    norm_and_product();
    make_node(g, "Conv", "img,k", "c");
    make_random("k", MQ_FLOAT, "2,2,1,1");
    make_node(g, "MatMul", "s,w", "of_constants");
    make_node(g, "Exp", "y", "e");
    assert_int_equal(mq_smooth_wanted(&seen, m, &err), MQ_OK);
    assert_int_equal(seen.items.n, 2);
    assert_int_equal(mq_channel_table_find(&seen, "n")->axis, -1);
    assert_int_equal(mq_channel_table_find(&seen, "img")->axis, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_SEEN(test_alpha_in_a_norm),
        ON_SEEN(test_alpha_in_a_mul),
        ON_SEEN(test_automatic_where_channels_differ), ON_SEEN(test_weights_alone),
        ON_SEEN(test_automatic_where_they_do_not),
        ON_SEEN(test_between_convolutions),
        ON_SEEN(test_not_behind_what_takes_none),
        ON_SEEN(test_not_between_convolutions_with_another_reader),
        ON_SEEN(test_two_readers),
        ON_SEEN(test_silent_channel),
        ON_SEEN(test_wanted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
