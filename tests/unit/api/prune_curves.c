/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What groups of channels lose alone is what models lose from which these channels were taken out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/prune_curves.h"
#include "api/running.h"
#include "base/random.h"
#include "data_make.h"
#include "graph/clone.h"
#include "ops/ops.h"

enum { SAMPLES = 8, WIDTH = 4, OUT = 3, STEP = 4 };

static float x[SAMPLES * WIDTH];
static uint64_t seed;

static void add_weight(mq_model *net, const char *name, const char *dims)
{
    float w[256];

    for (size_t i = 0; i < MQ_ARRAY_LEN(w); i++)
        w[i] = (float)(2 * mq_random_unit(mq_random_next(&seed)) - 1);
    make_init(net->graph, name, MQ_FLOAT, dims, w);
}

/* Groups of 16 and of 12. */
static mq_model *make_net(void)
{
    mq_model *net = make_model(17);

    make_input(net->graph, "x", MQ_FLOAT, "8,4");
    add_weight(net, "a", "4,16");
    add_weight(net, "b", "16,12");
    add_weight(net, "c", "12,3");
    make_node(net->graph, "MatMul", "x,a", "h");
    make_node(net->graph, "Sigmoid", "h", "r");
    make_node(net->graph, "MatMul", "r,b", "k");
    make_node(net->graph, "Relu", "k", "s");
    make_node(net->graph, "MatMul", "s,c", "y");
    make_output(net->graph, "y");
    assert_int_equal(mq_infer_model(net, NULL, NULL, NULL), MQ_OK);
    return net;
}

static int setup(void **state)
{
    if (data_setup(state) != 0)
        return -1;
    seed = 5;
    for (int i = 0; i < SAMPLES * WIDTH; i++)
        x[i] = (float)(2 * mq_random_unit(mq_random_next(&seed)) - 1);
    put_npy("x.npy", MQ_FLOAT, "8,4", x);
    return 0;
}

static void run_net(mq_model *net, float *y)
{
    mq_running run = { 0 };
    mq_array *in;

    assert_int_equal(mq_array_wrap(&in, MQ_FLOAT, 2, (int64_t[]){ SAMPLES, WIDTH }, x, NULL, NULL), MQ_OK);
    assert_int_equal(mq_running_open(&run, net, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_running_run(&run, &in, NULL), MQ_OK);
    memcpy(y, run.out[0]->data, SAMPLES * OUT * sizeof *y);
    mq_running_close(&run);
    mq_array_unref(in);
}

/* Of the outputs, when `left` channels of a group stay. */
static double noise_at(const mq_model *net, const char *group, size_t left)
{
    float y[SAMPLES * OUT], z[SAMPLES * OUT];
    double noise = 0, signal = 0;
    mq_structure *s = NULL;
    mq_structure_group *list;
    mq_model *copy;
    size_t n, n_gone;

    assert_int_equal(mq_model_clone(&copy, net, NULL), MQ_OK);
    run_net(copy, y);
    assert_int_equal(mq_structure_find(&s, copy, NULL), MQ_OK);
    mq_structure_choose(s, MQ_STRUCTURE_CHANNEL, STEP, NULL, NULL);
    assert_int_equal(mq_structure_score(s, MQ_STRUCTURE_L1, 0, 1, NULL), MQ_OK);
    list = mq_structure_groups(s, &n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(list[i].channels->name, group) == 0)
            list[i].left = left;
    assert_int_equal(mq_structure_pick(s, &n_gone, NULL), MQ_OK);
    assert_int_equal(mq_structure_shrink(s, NULL), MQ_OK);
    mq_structure_free(s);
    run_net(copy, z);
    mq_model_free(copy);
    for (int i = 0; i < SAMPLES * OUT; i++) {
        noise += ((double)y[i] - (double)z[i]) * ((double)y[i] - (double)z[i]);
        signal += (double)y[i] * (double)y[i];
    }
    return noise / signal;
}

/* Every level is measured once, costs never fall, and reports hold the points. */
static void check_curve(const mq_model *net, const mq_prune_curve *c)
{
    double last = 0;
    size_t left = c->group->n;

    for (size_t l = 0; l < MQ_PRUNE_LEVELS; l++) {
        double noise, want;

        assert_true(isnan(c->cost[l]) == (c->left[l] == left));
        if (c->left[l] == left)
            continue;
        left = c->left[l];
        noise = noise_at(net, c->group->channels->name, left);
        want = fmax(last, -log(1 - noise));
        if (noise < 0.9 && !(fabs(c->cost[l] - want) <= 1e-4 * want))
            fail_msg("%s at %zu: %g, not %g", c->group->channels->name, left, c->cost[l], want);
        assert_true(c->cost[l] >= last && (noise < 0.9 || c->cost[l] >= -log(0.1) - 1e-9));
        last = c->cost[l];
    }
    assert_int_equal(left, STEP);
}

static void as_models_that_are_narrower(void **state)
{
    static const char *const images[] = { "x.npy" };
    mq_prune_opts o = mq_prune_opts_default();
    mq_prune_job j = { .opts = &o, .job = { .err = &err } };
    mq_prune_curves c = { 0 };
    mq_structure *s = NULL;

    (void)state;
    o.data = (mq_data_source){ .data = images, .n_data = 1 };
    j.job.model = make_net();
    assert_int_equal(mq_report_create(&j.job.report, "prune", NULL), MQ_OK);
    assert_int_equal(mq_structure_find(&s, j.job.model, NULL), MQ_OK);
    mq_structure_choose(s, MQ_STRUCTURE_CHANNEL, STEP, NULL, NULL);
    assert_int_equal(mq_structure_score(s, MQ_STRUCTURE_L1, 0, 1, NULL), MQ_OK);
    assert_int_equal(mq_prune_curves_list(&c, s, NULL), MQ_OK);
    assert_int_equal(c.n, 2);
    if (mq_prune_curves_measure(&c, &j, 0) != MQ_OK)
        fail_msg("%s", err.text);
    check_curve(j.job.model, &c.items[0]);
    check_curve(j.job.model, &c.items[1]);
    mq_prune_curves_release(&c);
    mq_structure_free(s);
    mq_report_free(j.job.report);
    mq_model_free(j.job.model);
}

/* On straight lines between what was measured, from nothing lost on. */
static void between_levels(void **state)
{
    mq_structure_group group = { .n = 10, .step = 1 };
    mq_prune_curve c = { .group = &group };

    (void)state;
    for (size_t l = 0; l < MQ_PRUNE_LEVELS; l++) {
        c.left[l] = 9 - l;
        c.cost[l] = NAN;
    }
    c.cost[1] = 4;
    c.cost[5] = 8;
    assert_true(mq_prune_curve_cost(&c, 10) == 0 && mq_prune_curve_cost(&c, 9) == 2 && mq_prune_curve_cost(&c, 8) == 4);
    assert_true(mq_prune_curve_cost(&c, 7) == 5 && mq_prune_curve_cost(&c, 4) == 8);
    assert_true(isnan(mq_prune_curve_cost(&c, 3)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(as_models_that_are_narrower, setup, data_teardown),
        cmocka_unit_test(between_levels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
