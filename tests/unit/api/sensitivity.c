/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/sensitivity.c: what a part loses is what the whole model loses when it is run with that part changed, at any
 * place of a graph with branches, several outputs and inner graphs; and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/running.h"
#include "api/sensitivity.h"
#include "data_make.h"
#include "graph/clone.h"
#include "rng.h"

enum { PARTS = 4, LEVELS = 3, WIDTH = 8, SAMPLES = 5 };

static const char *const names_1[] = { "w1" }, *const names_2[] = { "w2", "b2" }, *const names_3[] = { "w3" },
                  *const names_4[] = { "unread" };
static const mq_sense_item items[PARTS] = {
    { "third", names_3, 1 }, { "first", names_1, 1 }, { "second", names_2, 2 }, { "nothing", names_4, 1 }
};
static const char *const from_file[] = { "x=x.npy" };
static size_t changes;
static double progress;

static void put_weights(const char *name, const char *dims, size_t n)
{
    float w[WIDTH * WIDTH];
    uint64_t seed = (uint64_t)name[1] * 31 + (uint64_t)name[0];

    for (size_t i = 0; i < n; i++)
        w[i] = rng_float(&seed);
    make_init(m->graph, name, MQ_FLOAT, dims, w);
}

static void put_samples(const char *path, const char *dims, size_t n)
{
    float x[SAMPLES * WIDTH];
    uint64_t seed = 5;

    for (size_t i = 0; i < n; i++)
        x[i] = rng_float(&seed);
    put_npy(path, MQ_FLOAT, dims, x);
}

/* x -> a (w1) -> b (w2 through a Transpose, b2) and c (a read inside an If) -> d -> y (w3); z hangs on a alone. */
static void make_branches(void)
{
    mq_graph *g = m->graph, *then, *other;
    mq_node *n;

    make_input(g, "x", MQ_FLOAT, "1,8");
    put_weights("w1", "8,8", 64);
    put_weights("w2", "8,8", 64);
    put_weights("b2", "8", 8);
    put_weights("w3", "8,8", 64);
    put_weights("unread", "8", 8);
    make_init(g, "yes", MQ_BOOL, "", &(uint8_t){ 1 });
    make_node(g, "MatMul", "x,w1", "a0");
    make_node(g, "Relu", "a0", "a");
    make_node(g, "Transpose", "w2", "w2t");
    make_node(g, "MatMul", "a,w2t", "b0");
    make_node(g, "Add", "b0,b2", "b");
    n = make_node(g, "If", "yes", "c");
    then = make_subgraph(n, "then_branch");
    make_node(then, "Tanh", "a", "c1");
    make_output(then, "c1");
    other = make_subgraph(n, "else_branch");
    make_node(other, "Neg", "x", "c2");
    make_output(other, "c2");
    make_node(g, "Add", "b,c", "d");
    make_node(g, "MatMul", "d,w3", "y");
    make_node(g, "Sigmoid", "a", "z");
    make_type(make_output(g, "y"), MQ_FLOAT, "1,8");
    make_type(make_output(g, "z"), MQ_FLOAT, "1,8");
    put_samples("x.npy", "5,1,8", SAMPLES * WIDTH);
}

/* The first elements, more with each level, become 0. */
static mq_status change(void *user, size_t item, size_t level, size_t k, const mq_array *whole, mq_array **out, mq_error *e)
{
    mq_status rc = mq_array_copy(out, whole, e);

    (void)user, (void)item, (void)k;
    changes++;
    if (rc == MQ_OK)
        memset((*out)->data, 0, mq_array_bytes(whole) * (level + 1) / LEVELS);
    return rc;
}

static mq_status fail_to_change(void *user, size_t item, size_t level, size_t k, const mq_array *whole, mq_array **out,
                                mq_error *e)
{
    (void)user, (void)item, (void)level, (void)k, (void)whole, (void)out;
    return mq_fail(e, MQ_ERR_SYSTEM, "no change today");
}

static void see_progress(void *user, const char *step, uint64_t done, uint64_t total)
{
    (void)user, (void)step;
    progress = (double)done / (double)total;
}

static const mq_hooks with_progress = { .progress = see_progress };

static mq_sense_opts options(const mq_data_source *source)
{
    return (mq_sense_opts){ .items = items, .n_items = PARTS, .n_levels = LEVELS, .change = change, .source = source,
                            .hooks = &with_progress };
}

/* A copy of the model in which a part is changed. */
static mq_model *changed_model(const mq_sense_item *it, size_t level)
{
    mq_model *copy;

    assert_int_equal(mq_model_clone(&copy, m, &err), MQ_OK);
    for (size_t k = 0; it && k < it->n_constants; k++) {
        mq_value *v = mq_graph_find_here(copy->graph, it->constants[k]);
        mq_array *whole = NULL, *changed = NULL;
        mq_tensor *t;

        assert_int_equal(mq_array_of_tensor(&whole, v->init, true, &err), MQ_OK);
        assert_int_equal(change(NULL, 0, level, k, whole, &changed, &err), MQ_OK);
        assert_int_equal(mq_tensor_of_array(&t, copy, v->name, changed, &err), MQ_OK);
        assert_int_equal(mq_value_set_init(v, t, &err), MQ_OK);
        mq_array_unref(whole);
        mq_array_unref(changed);
    }
    return copy;
}

static void run_whole(const mq_sense_item *it, size_t level, float *y, float *z)
{
    mq_model *changed = changed_model(it, level);
    mq_running run;
    const mq_data_call *call;
    size_t at = 0;

    assert_int_equal(mq_running_open(&run, changed, NULL, NULL, &err), MQ_OK);
    DATA("x=x.npy");
    for (call = next(); call; call = next(), at += WIDTH) {
        assert_int_equal(mq_running_run(&run, call->in, &err), MQ_OK);
        memcpy(y + at, run.out[0]->data, WIDTH * sizeof *y);
        memcpy(z + at, run.out[1]->data, WIDTH * sizeof *z);
    }
    assert_int_equal(at, SAMPLES * WIDTH);
    mq_running_close(&run);
    mq_model_free(changed);
}

static double noise_of(const float *got, const float *want)
{
    double signal = 0, noise = 0;

    for (size_t i = 0; i < SAMPLES * WIDTH; i++) {
        signal += (double)want[i] * (double)want[i];
        noise += ((double)got[i] - (double)want[i]) * ((double)got[i] - (double)want[i]);
    }
    return noise / signal;
}

static void parts_lose_what_whole_models_lose(void **state)
{
    const mq_data_source source = { .data = from_file, .n_data = 1 };
    const mq_sense_opts opts = options(&source);
    float y[SAMPLES * WIDTH], z[SAMPLES * WIDTH], y1[SAMPLES * WIDTH], z1[SAMPLES * WIDTH];
    mq_sense_result r;

    (void)state;
    make_branches();
    if (mq_sense_measure(&r, m, &opts, &err) != MQ_OK)
        fail_msg("%s", err.text);
    assert_true(r.n_samples == SAMPLES && r.n_measured == PARTS && !r.has_metric && progress == 1);
    run_whole(NULL, 0, y, z);
    for (size_t i = 0; i < PARTS - 1; i++)
        for (size_t l = 0; l < LEVELS; l++) {
            const mq_sense_point *p = &r.points[i * LEVELS + l];
            double want;

            run_whole(&items[i], l, y1, z1);
            want = fmax(noise_of(y1, y), noise_of(z1, z));
            assert_true(want > 1e-6 && fabs(p->noise - want) < 1e-4 * want && isnan(p->metric));
        }
    for (size_t l = 0; l < LEVELS; l++)
        assert_true(r.points[(PARTS - 1) * LEVELS + l].noise == 0);
    mq_sense_release(&r);
}

/* The best class of the original as labels: it is always right, and what is changed mostly less so. */
static void labels_give_a_metric(void **state)
{
    static const char *const labels[] = { "labels.npy" };
    const mq_data_source source = { .data = from_file, .n_data = 1, .labels = labels, .n_labels = 1 };
    mq_sense_opts opts = options(&source);
    float y[SAMPLES * WIDTH], z[SAMPLES * WIDTH], y1[SAMPLES * WIDTH];
    int64_t best[SAMPLES] = { 0 };
    mq_sense_result r;

    (void)state;
    make_branches();
    run_whole(NULL, 0, y, z);
    for (size_t s = 0; s < SAMPLES; s++)
        for (int64_t i = 0; i < WIDTH; i++)
            best[s] = y[s * WIDTH + (size_t)i] > y[s * WIDTH + (size_t)best[s]] ? i : best[s];
    put_npy("labels.npy", MQ_INT64, "5", best);
    if (mq_sense_measure(&r, m, &opts, &err) != MQ_OK)
        fail_msg("%s", err.text);
    assert_true(r.has_metric && r.metric == MQ_METRIC_TOP1 && r.first == 1);
    for (size_t i = 0; i < PARTS - 1; i++)
        for (size_t l = 0; l < LEVELS; l++) {
            size_t right = 0;

            run_whole(&items[i], l, y1, z);
            for (size_t s = 0; s < SAMPLES; s++) {
                size_t at = 0;

                for (size_t k = 1; k < WIDTH; k++)
                    at = y1[s * WIDTH + k] > y1[s * WIDTH + at] ? k : at;
                right += (int64_t)at == best[s];
            }
            assert_float_equal(r.points[i * LEVELS + l].metric, (double)right / SAMPLES, 1e-12);
        }
    mq_sense_release(&r);
    opts.metric = "mse";
    assert_int_equal(mq_sense_measure(&r, m, &opts, &err), MQ_ERR_USAGE);
    opts.metric = NULL;
    opts.metric_output = "none";
    assert_int_equal(mq_sense_measure(&r, m, &opts, &err), MQ_ERR_USAGE);
}

/* The first input of the node that makes a part's result is turned round. */
static mq_status put_in(mq_model *in, const char *result, bool back, mq_error *e)
{
    mq_node *n = mq_graph_find_here(in->graph, result)->producer, *neg;
    mq_value *v;

    if (back) {
        neg = n->inputs[0]->producer;
        assert_string_equal(neg->op_type, "Neg");
        assert_int_equal(mq_node_set_input(n, 0, neg->inputs[0], e), MQ_OK);
        mq_node_remove(neg);
        return MQ_OK;
    }
    assert_non_null(neg = mq_node_create(in->graph, n, "", "Neg", "put_in"));
    assert_non_null(v = mq_value_create_unique(in->graph, "put_in"));
    assert_int_equal(mq_node_set_input(neg, 0, n->inputs[0], e), MQ_OK);
    assert_int_equal(mq_node_set_output(neg, 0, v, e), MQ_OK);
    return mq_node_set_input(n, 0, v, e);
}

static const char *const result_1[] = { "y" }, *const result_2[] = { "b" }, *const result_3[] = { "a0" };
static const mq_sense_item rewired[] = {
    { "last", NULL, 0, result_1, 1 }, { "middle", NULL, 0, result_2, 1 }, { "first", names_1, 1, result_3, 1 }
};

static mq_status rewire(void *user, mq_model *in, size_t item, size_t level, bool back, mq_error *e)
{
    (void)user;
    return level ? put_in(in, rewired[item].results[0], back, e) : MQ_OK;
}

/* Level 0 changes nothing but constants; level 1 nodes, too. */
static void nodes_are_put_in_and_taken_out(void **state)
{
    const mq_data_source source = { .data = from_file, .n_data = 1 };
    mq_sense_opts opts = options(&source);
    float y[SAMPLES * WIDTH], z[SAMPLES * WIDTH], y1[SAMPLES * WIDTH], z1[SAMPLES * WIDTH];
    mq_sense_result r;

    (void)state;
    make_branches();
    opts.items = rewired;
    opts.n_items = 3;
    opts.n_levels = 2;
    opts.rewire = rewire;
    if (mq_sense_measure(&r, m, &opts, &err) != MQ_OK)
        fail_msg("%s", err.text);
    run_whole(NULL, 0, y, z);
    for (size_t i = 0; i < 3; i++)
        for (size_t l = 0; l < 2; l++) {
            double want;

            assert_int_equal(l ? put_in(m, rewired[i].results[0], false, &err) : MQ_OK, MQ_OK);
            run_whole(&rewired[i], l, y1, z1);
            assert_int_equal(l ? put_in(m, rewired[i].results[0], true, &err) : MQ_OK, MQ_OK);
            want = fmax(noise_of(y1, y), noise_of(z1, z));
            assert_true(l == 0 || want > 1e-6);
            assert_true(fabs(r.points[i * 2 + l].noise - want) <= 1e-4 * want);
        }
    mq_sense_release(&r);
}

static void memory_bounds_samples(void **state)
{
    const mq_data_source source = { .data = from_file, .n_data = 1 };
    mq_sense_opts opts = options(&source);
    mq_sense_result r;

    (void)state;
    make_branches();
    opts.memory = 2 * 2 * WIDTH * sizeof(float); /* two of x, a and b at the widest place, for two samples */
    if (mq_sense_measure(&r, m, &opts, &err) != MQ_OK)
        fail_msg("%s", err.text);
    assert_true(r.n_samples < SAMPLES && r.n_samples > 0 && r.n_measured == PARTS);
    mq_sense_release(&r);
}

static void limits_and_mistakes(void **state)
{
    static const char *const wrong[] = { "a" };
    static const char *const nobody[] = { "nobody" };
    const mq_sense_item bad[] = { { "wrong", wrong, 1 }, { "nobody", nobody, 1 } };
    const mq_data_source source = { .data = from_file, .n_data = 1 };
    mq_sense_opts opts = options(&source);
    mq_sense_result r;

    (void)state;
    make_branches();
    opts.deadline = 1e-9;
    changes = 0;
    if (mq_sense_measure(&r, m, &opts, &err) != MQ_OK)
        fail_msg("%s", err.text);
    assert_true(r.n_measured == 0 && changes == 0 && isnan(r.points[0].noise));
    mq_sense_release(&r);
    opts.deadline = 0;
    opts.change = fail_to_change;
    assert_int_equal(mq_sense_measure(&r, m, &opts, &err), MQ_ERR_SYSTEM);
    opts.change = change;
    opts.n_items = 1;
    for (size_t i = 0; i < 2; i++) {
        opts.items = &bad[i];
        assert_int_equal(mq_sense_measure(&r, m, &opts, &err), MQ_ERR_USAGE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DATA(parts_lose_what_whole_models_lose),
        ON_DATA(labels_give_a_metric),
        ON_DATA(nodes_are_put_in_and_taken_out),
        ON_DATA(memory_bounds_samples),
        ON_DATA(limits_and_mistakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
