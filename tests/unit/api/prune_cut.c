/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/prune_cut.c: when nothing is trained between them, rounds end where one cut does; each goes its share of the
 * way, what is gone stays gone, and what training changes decides what goes next. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/prune_structure.h"
#include "graph_make.h"
#include "ops/ops.h"

enum { CHANNELS = 16, BRANCHES = 5 };

static const char *const half[] = { "0.5" };

/* Channel (row) i of `rows` has numbers of about the size of order[i]. */
static void make_rows(mq_model *m, const char *name, const char *dims, size_t rows, size_t length, const size_t *order)
{
    float *data = mq_arena_calloc(m->arena, rows * length, sizeof *data);

    assert_non_null(data);
    for (size_t i = 0; i < rows * length; i++)
        data[i] = (i % 3 ? 0.1f : -0.1f) * (float)(1 + order[i / length]) + 0.001f * (float)(i % 7);
    make_init(m->graph, name, MQ_FLOAT, dims, data);
}

static const size_t order[CHANNELS] = { 3, 14, 7, 0, 9, 12, 1, 5, 15, 2, 8, 10, 4, 13, 6, 11 };
static const size_t even[4] = { 1, 1, 1, 1 };

static mq_model *make_convs(void)
{
    mq_model *m = make_model(17);

    make_input(m->graph, "x", MQ_FLOAT, "1,2,5,5");
    make_rows(m, "w1", "16,2,1,1", CHANNELS, 2, order);
    make_rows(m, "w2", "4,16,1,1", 4, CHANNELS, even);
    make_node(m->graph, "Conv", "x,w1", "c1");
    make_node(m->graph, "Relu", "c1", "r1");
    make_node(m->graph, "Conv", "r1,w2", "y");
    make_output(m->graph, "y");
    return m;
}

/* Branches x + relu(x w), of weights that differ in size: the third, then the first have the smallest. */
static mq_model *make_branches(void)
{
    static const size_t sizes[BRANCHES] = { 2, 5, 1, 4, 3 };
    mq_model *m = make_model(17);
    const char *x = "r";

    make_input(m->graph, "x", MQ_FLOAT, "3,4");
    make_node(m->graph, "Relu", "x", "r");
    for (size_t i = 0; i < BRANCHES; i++) {
        const char *w = mq_arena_printf(m->arena, "w%zu", i), *s = mq_arena_printf(m->arena, "s%zu", i);

        make_rows(m, w, "4,4", 1, 16, &sizes[i]);
        make_node(m->graph, "MatMul", mq_arena_printf(m->arena, "%s,%s", x, w), mq_arena_printf(m->arena, "p%zu", i));
        make_node(m->graph, "Relu", mq_arena_printf(m->arena, "p%zu", i), mq_arena_printf(m->arena, "q%zu", i));
        make_node(m->graph, "Add", mq_arena_printf(m->arena, "%s,q%zu", x, i), s);
        x = s;
    }
    make_rows(m, "wf", "4,2", 1, 8, even);
    make_node(m->graph, "MatMul", mq_arena_printf(m->arena, "%s,wf", x), "y");
    make_output(m->graph, "y");
    return m;
}

/* A pruning that has decided what goes. */
typedef struct pruning {
    mq_prune_opts opts;
    mq_prune_job job;
    mq_error err;
} pruning;

static void begin(pruning *p, mq_model *m, const char *pattern, bool zero_only)
{
    *p = (pruning){ .opts = mq_prune_opts_default(), .job = { .job = { .model = m } } };
    p->opts.pattern = pattern;
    p->opts.sparsity = (mq_names){ half, 1 };
    p->opts.round_to = 1;
    p->opts.zero_only = zero_only;
    p->job.opts = &p->opts;
    p->job.job.err = &p->err;
    if (mq_prune_structure_choose(&p->job) != MQ_OK || mq_prune_structure_counts(&p->job) != MQ_OK)
        fail_msg("%s", p->err.text);
}

static double cut(pruning *p, double share)
{
    double gone = -1;

    if (mq_prune_structure_cut(&p->job, share, &gone) != MQ_OK)
        fail_msg("%s", p->err.text);
    assert_int_equal(mq_infer_model(p->job.job.model, NULL, NULL, NULL), MQ_OK);
    return gone;
}

static void end(pruning *p)
{
    mq_prune_structure_close(&p->job);
    mq_model_free(p->job.job.model);
}

static mq_tensor *weight(const pruning *p, const char *name)
{
    const mq_value *v = mq_graph_find_here(p->job.job.model->graph, name);

    return v ? mq_value_constant(v, true) : NULL;
}

static void same_models(const pruning *a, const pruning *b)
{
    const mq_graph *g = b->job.job.model->graph;
    char *x = mq_model_dump(a->job.job.model), *y = mq_model_dump(b->job.job.model);

    assert_string_equal(x, y);
    free(x);
    free(y);
    for (size_t i = 0; i < g->inits.n; i++) {
        mq_tensor *s = weight(a, g->inits.items[i]->name), *t = g->inits.items[i]->init;
        const void *u, *v;

        assert_non_null(s);
        assert_int_equal(mq_tensor_bytes(s, &u, NULL), MQ_OK);
        assert_int_equal(mq_tensor_bytes(t, &v, NULL), MQ_OK);
        assert_memory_equal(u, v, (size_t)mq_tensor_size(t));
    }
}

static void rounds_end_where_one_cut_does(void **state)
{
    static const char *const patterns[] = { "channel", "channel", "layer" };
    pruning one, many;

    (void)state;
    for (int i = 0; i < 3; i++) {
        begin(&one, i < 2 ? make_convs() : make_branches(), patterns[i], i == 1);
        begin(&many, i < 2 ? make_convs() : make_branches(), patterns[i], i == 1);
        assert_int_equal(mq_prune_structure_apply(&one.job), MQ_OK);
        assert_true(cut(&many, 0.3) < cut(&many, 0.8));
        cut(&many, 1);
        same_models(&one, &many);
        end(&one);
        end(&many);
    }
}

static void shares_are_kept(void **state)
{
    pruning p;

    (void)state;
    begin(&p, make_convs(), "channel", false);
    assert_true(cut(&p, 0.25) == 2. / 16);
    assert_int_equal(weight(&p, "w1")->dims[0], 14);
    assert_int_equal(weight(&p, "w2")->dims[1], 14);
    assert_true(cut(&p, 0.26) == 2. / 16); /* a round may take nothing */
    assert_true(cut(&p, 1) == 8. / 16);
    assert_int_equal(weight(&p, "w1")->dims[0], 8);
    end(&p);
}

static void put(pruning *p, const char *name, size_t from, size_t n, float x)
{
    mq_tensor *was = weight(p, name), *now;
    const void *data;
    float *copy;

    assert_int_equal(mq_tensor_bytes(was, &data, NULL), MQ_OK);
    now = mq_tensor_create(p->job.job.model, name, MQ_FLOAT, was->n_dims, was->dims, data);
    assert_non_null(now);
    copy = (float *)(uintptr_t)now->data;
    for (size_t i = from; i < from + n; i++)
        copy[i] = x;
    assert_int_equal(mq_value_set_init(mq_graph_find_here(p->job.job.model->graph, name), now, NULL), MQ_OK);
}

static size_t zero_rows(const pruning *p, bool *zero)
{
    mq_tensor *t = weight(p, "w1");
    const float *x;
    const void *data;
    size_t n = 0;

    assert_int_equal(mq_tensor_bytes(t, &data, NULL), MQ_OK);
    x = data;
    for (size_t i = 0; i < CHANNELS; i++)
        n += zero[i] = x[2 * i] == 0 && x[2 * i + 1] == 0;
    return n;
}

/* By distances zeros need not be the first to go. */
static void zeros_stay(void **state)
{
    static const mq_prune_method methods[] = { MQ_PRUNE_GEOMEDIAN, MQ_PRUNE_RANDOM, MQ_PRUNE_L1 };
    bool before[CHANNELS], after[CHANNELS];
    pruning p;

    (void)state;
    for (int i = 0; i < 3; i++) {
        begin(&p, make_convs(), "channel", true);
        p.opts.method = methods[i];
        cut(&p, 0.5);
        assert_int_equal(zero_rows(&p, before), 4);
        cut(&p, 1);
        assert_int_equal(zero_rows(&p, after), 8);
        for (size_t k = 0; k < CHANNELS; k++)
            assert_true(after[k] || !before[k]);
        end(&p);
    }
}

/* The smallest channel of the second round is one that was large. */
static void training_counts(void **state)
{
    pruning p;
    const void *data;

    (void)state;
    begin(&p, make_convs(), "channel", false);
    cut(&p, 0.5);
    put(&p, "w1", 0, 24, 0.001f);
    put(&p, "w1", 22, 2, 5);
    cut(&p, 1);
    assert_int_equal(mq_tensor_bytes(weight(&p, "w1"), &data, NULL), MQ_OK);
    for (size_t i = 0; i < 8; i++)
        assert_true(((const float *)data)[2 * i] == (i == 7 ? 5.f : 0.001f));
    end(&p);
}

static void layers_are_told(void **state)
{
    pruning p;

    (void)state;
    begin(&p, make_branches(), "layer", false);
    assert_int_equal(p.job.structured->n_gone, 2); /* half of five, to the even one */
    assert_true(cut(&p, 0.5) == 1. / BRANCHES);
    assert_true(p.job.structured->gone[2]);
    put(&p, "w4", 0, 16, 0.01f);
    assert_true(cut(&p, 1) == 2. / BRANCHES);
    for (size_t i = 0; i < BRANCHES; i++)
        assert_int_equal(p.job.structured->gone[i], i == 2 || i == 4);
    assert_int_equal(p.job.structured->n_gone, 2);
    assert_null(weight(&p, "w4"));
    assert_non_null(weight(&p, "w0"));
    end(&p);
}

static void other_groups_are_refused(void **state)
{
    mq_model *was;
    pruning p;
    double gone;

    (void)state;
    begin(&p, make_convs(), "channel", false);
    cut(&p, 0.5);
    was = p.job.job.model;
    p.job.job.model = make_convs();
    assert_int_equal(mq_prune_structure_cut(&p.job, 1, &gone), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(p.err.text, "--rounds 1"));
    mq_model_free(p.job.job.model);
    p.job.job.model = was;
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_end_where_one_cut_does),
        cmocka_unit_test(shares_are_kept),
        cmocka_unit_test(zeros_stay),
        cmocka_unit_test(training_counts),
        cmocka_unit_test(layers_are_told),
        cmocka_unit_test(other_groups_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
