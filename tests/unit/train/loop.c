/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Epochs: the project's digits are learned, by a network of two layers and by one with convolutions and batch normalization;
 * the same bytes at any thread count and after a stop; the best epoch, early stops, checkpoints of others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/compiler.h"
#include "data/data.h"
#include "exec/exec.h"
#include "exec/metrics.h"
#include "graph_make.h"
#include "ops/ops.h"
#include "rng.h"
#include "scratch.h"
#include "train/loop.h"

/* ---- digits -------------------------------------------------------------------------------------------------------- */

/* Of each set: images [n,1,8,8] from 0 to 1, labels [n]. */
typedef struct digits {
    mq_array *x, *y, *test_x, *test_y;
} digits;

static void load(const char *which, mq_array **x, mq_array **y)
{
    mq_model *m = make_model(21);
    const mq_value *input = make_input(m->graph, "input", MQ_FLOAT, "n,1,8,8");
    const char *folder = getenv("MQ_TESTDATA"), *scale = "scale=1/16";
    char data[512], labels[512];
    const char *const one = data, *const other = labels;
    const mq_data_opts opts = { .data = &one, .n_data = 1, .labels = &other, .n_labels = 1, .preprocess = &scale,
                                .n_preprocess = 1, .batch = 5000 };
    const mq_data_call *call = NULL;
    mq_dataset *ds;
    mq_error err = { 0 };

    snprintf(data, sizeof data, "%s/digits.npz:%s_x", folder ? folder : "testdata", which);
    snprintf(labels, sizeof labels, "%s/digits.npz:%s_y", folder ? folder : "testdata", which);
    if (mq_dataset_open(&ds, &opts, &input, 1, NULL, 0, NULL, &err) != MQ_OK || mq_dataset_next(ds, &call, &err) != MQ_OK)
        fail_msg("%s", err.text);
    assert_int_equal(mq_array_copy(x, call->in[0], NULL), MQ_OK);
    assert_int_equal(mq_array_copy(y, call->labels, NULL), MQ_OK);
    mq_dataset_free(ds);
    mq_model_free(m);
}

static int digits_open(void **state)
{
    static digits d;

    load("train", &d.x, &d.y);
    load("test", &d.test_x, &d.test_y);
    *state = &d;
    return 0;
}

static int digits_close(void **state)
{
    digits *d = *state;

    mq_array_unref(d->x);
    mq_array_unref(d->y);
    mq_array_unref(d->test_x);
    mq_array_unref(d->test_y);
    return 0;
}

static void add_weight(mq_graph *g, const char *name, const char *dims_text, float size, float plus, uint64_t *seed)
{
    int64_t dims[8], n = 1;
    float *data;

    for (int i = make_dims(dims_text, dims); i-- > 0;)
        n *= dims[i];
    assert_non_null(data = malloc((size_t)n * sizeof *data));
    for (int64_t i = 0; i < n; i++)
        data[i] = size * rng_float(seed) + plus;
    make_init(g, name, MQ_FLOAT, dims_text, data);
    free(data);
}

static void add_output(mq_model *m, const char *name)
{
    make_type(make_output(m->graph, name), MQ_FLOAT, "n,10");
}

static mq_model *make_mlp(void)
{
    mq_model *m = make_model(21);
    mq_graph *g = m->graph;
    uint64_t seed = 1;

    make_input(g, "input", MQ_FLOAT, "n,1,8,8");
    add_weight(g, "w1", "64,32", 0.3f, 0, &seed);
    add_weight(g, "b1", "32", 0, 0, &seed);
    add_weight(g, "w2", "32,10", 0.4f, 0, &seed);
    add_weight(g, "b2", "10", 0, 0, &seed);
    make_node(g, "Flatten", "input", "flat");
    make_node(g, "MatMul", "flat,w1", "m1");
    make_node(g, "Add", "m1,b1", "a1");
    make_node(g, "Relu", "a1", "r1");
    make_node(g, "Gemm", "r1,w2,b2", "logits");
    add_output(m, "logits");
    return m;
}

static void add_block(mq_graph *g, const char *in, const char *name, const char *dims, const char *channels, float size,
                      uint64_t *seed)
{
    char w[64], names[512], out[64];
    mq_node *n;

    snprintf(w, sizeof w, "%s.w", name);
    add_weight(g, w, dims, size, 0, seed);
    snprintf(names, sizeof names, "%s,%s", in, w);
    snprintf(out, sizeof out, "%s.conv", name);
    n = make_node(g, "Conv", names, out);
    assert_int_equal(mq_node_set_attr_ints(n, "pads", (int64_t[]){ 1, 1, 1, 1 }, 4, NULL), MQ_OK);
    for (const char *const *p = (const char *[]){ "scale", "bias", "mean", "var", NULL }; *p; p++) {
        snprintf(w, sizeof w, "%s.%s", name, *p);
        add_weight(g, w, channels, 0, **p == 's' || **p == 'v' ? 1 : 0, seed);
    }
    snprintf(names, sizeof names, "%s.conv,%s.scale,%s.bias,%s.mean,%s.var", name, name, name, name, name);
    snprintf(out, sizeof out, "%s.bn", name);
    make_node(g, "BatchNormalization", names, out);
    make_node(g, "Relu", out, name);
}

static mq_model *make_cnn(void)
{
    mq_model *m = make_model(21);
    mq_graph *g = m->graph;
    uint64_t seed = 2;
    mq_node *n;

    make_input(g, "input", MQ_FLOAT, "n,1,8,8");
    add_block(g, "input", "one", "8,1,3,3", "8", 0.8f, &seed);
    n = make_node(g, "MaxPool", "one", "pool");
    assert_int_equal(mq_node_set_attr_ints(n, "kernel_shape", (int64_t[]){ 2, 2 }, 2, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_ints(n, "strides", (int64_t[]){ 2, 2 }, 2, NULL), MQ_OK);
    add_block(g, "pool", "two", "16,8,3,3", "16", 0.3f, &seed);
    add_weight(g, "w", "256,10", 0.1f, 0, &seed);
    add_weight(g, "b", "10", 0, 0, &seed);
    make_node(g, "Flatten", "two", "flat");
    make_node(g, "Gemm", "flat,w,b", "z");
    make_node(g, "Softmax", "z", "p");
    add_output(m, "p");
    return m;
}

static mq_status give_images(void *user, const uint64_t *samples, size_t n, mq_array **in, mq_error *err)
{
    return mq_array_rows(in, ((const digits *)user)->x, samples, n, err);
}

static mq_status give_labels(void *user, const uint64_t *samples, size_t n, mq_array *const *in, mq_array **targets,
                             mq_error *err)
{
    (void)in;
    return mq_array_rows(targets, ((const digits *)user)->y, samples, n, err);
}

/* Share of the test digits that are read right. */
static mq_status accuracy(void *user, mq_model *model, double *metric, mq_error *err)
{
    const digits *d = user;
    mq_metrics *metrics = NULL;
    mq_plan *plan = NULL;
    mq_runner *runner = NULL;
    mq_array *out = NULL;
    mq_status rc;

    MQ_TRY(mq_metrics_create(&metrics, err));
    MQ_TRY(mq_plan_create(&plan, model, NULL, NULL, err));
    MQ_TRY(mq_runner_create(&runner, plan, 1, err));
    MQ_TRY(mq_runner_run(runner, &d->test_x, &out, err));
    MQ_TRY(mq_metrics_add_classes(metrics, out, d->test_y, (size_t)d->test_y->count, err));
    assert_true(mq_metrics_value(metrics, MQ_METRIC_TOP1, metric));
done:
    mq_array_unref(out);
    mq_runner_free(runner);
    mq_plan_free(plan);
    mq_metrics_free(metrics);
    return rc;
}

static void learn(const digits *d, mq_model *m, const char *output, const mq_loop_opts *opts, int threads,
                  mq_loop_result *result)
{
    const mq_loss_term loss = { .kind = MQ_LOSS_CE, .tensor = output };
    const mq_loop_source source = { .user = (void *)d, .n = (uint64_t)d->x->dims[0], .inputs = give_images,
                                    .targets = give_labels };
    mq_trainer_opts to = { .losses = &loss, .n_losses = 1, .batch = (int64_t)opts->batch, .n_threads = threads };
    const mq_hooks hooks = { .n_threads = threads };
    mq_trainer *t;
    mq_error err = { 0 };

    to.optimizer = mq_optimizer_opts_default(MQ_OPTIMIZER_ADAM);
    if (mq_trainer_create(&t, m, &to, &hooks, &err) != MQ_OK ||
        mq_loop_run(result, t, m, &source, opts, &hooks, &err) != MQ_OK || mq_trainer_store(t, m, &err) != MQ_OK)
        fail_msg("%s", err.text);
    mq_trainer_free(t);
}

static void learns(const digits *d, mq_model *(*make)(void), const char *output, const mq_loop_opts *opts, double least)
{
    mq_model *one = make(), *other = make();
    mq_loop_result a, b;
    double found = 0;

    learn(d, one, output, opts, 1, &a);
    learn(d, other, output, opts, 2, &b);
    assert_int_equal(accuracy((void *)d, one, &found, NULL), MQ_OK);
    print_message("best epoch %zu: %.4f, loss %.4f, %.2f s an epoch\n", a.best, found, a.epochs[a.best].loss,
                  a.epochs[a.best].seconds);
    assert_true(found == a.epochs[a.best].metric);
    assert_true(found >= least);
    for (size_t i = 0; i < a.n_epochs; i++)
        assert_true(a.epochs[i].loss == b.epochs[i].loss && a.epochs[i].metric <= found);
    for (size_t i = 0; i < one->graph->inits.n; i++) {
        const void *p, *q;

        assert_int_equal(mq_tensor_bytes(one->graph->inits.items[i]->init, &p, NULL), MQ_OK);
        assert_int_equal(mq_tensor_bytes(other->graph->inits.items[i]->init, &q, NULL), MQ_OK);
        assert_memory_equal(p, q, (size_t)mq_tensor_size(one->graph->inits.items[i]->init));
    }
    mq_loop_result_release(&a);
    mq_loop_result_release(&b);
    mq_model_free(one);
    mq_model_free(other);
}

static void digits_by_two_layers(void **state)
{
    const mq_loop_opts opts = { .epochs = 25, .batch = 64, .seed = 3, .evaluate = accuracy, .user = *state,
                                .schedule = { .kind = MQ_SCHEDULE_COSINE, .lr = 0.005, .warmup = 10 } };

    learns(*state, make_mlp, "logits", &opts, 0.96);
}

static void digits_by_convolutions(void **state)
{
    const mq_loop_opts opts = { .epochs = 8, .batch = 64, .seed = 3, .evaluate = accuracy, .user = *state,
                                .augment = { .crop = 1 },
                                .schedule = { .kind = MQ_SCHEDULE_COSINE, .lr = 0.01, .warmup = 10 } };

    learns(*state, make_cnn, "p", &opts, 0.98);
}

/* ---- the loop itself ----------------------------------------------------------------------------------------------- */

enum { SAMPLES = 22, BATCH = 5, WIDTH = 3 };

/* y = x w with one more column than is good: learned from x alone. */
typedef struct line {
    mq_model *m;
    mq_array *x, *y;
    mq_trainer *t;
    mq_loop_source source;
    mq_loop_opts opts;
    mq_loop_result result;
    double metrics[16]; /* what each epoch measures; 0: its number */
    size_t measured, stop_after, asked, reports;
    uint64_t seen[SAMPLES], order[64];
    size_t n_order;
    mq_error err;
} line;

static mq_status line_inputs(void *user, const uint64_t *samples, size_t n, mq_array **in, mq_error *err)
{
    line *l = user;

    for (size_t i = 0; i < n; i++) {
        l->seen[samples[i]]++;
        if (l->n_order < MQ_ARRAY_LEN(l->order))
            l->order[l->n_order++] = samples[i];
    }
    return mq_array_rows(in, l->x, samples, n, err);
}

static mq_status line_targets(void *user, const uint64_t *samples, size_t n, mq_array *const *in, mq_array **targets,
                              mq_error *err)
{
    (void)in;
    return mq_array_rows(targets, ((const line *)user)->y, samples, n, err);
}

static mq_status line_metric(void *user, mq_model *model, double *metric, mq_error *err)
{
    line *l = user;

    (void)model;
    (void)err;
    *metric = l->metrics[l->measured++];
    return MQ_OK;
}

static void line_report(void *user, const mq_loop_report *r)
{
    line *l = user;

    l->reports++;
    assert_true(r->step >= 1 && r->step <= r->n_steps && r->n_epochs == l->opts.epochs);
    assert_true(r->end_of_epoch ? r->step == r->n_steps : isnan(r->metric));
}

static bool line_stop(void *user)
{
    line *l = user;

    return l->stop_after && ++l->asked > l->stop_after;
}

static void line_open(line *l, size_t n, size_t batch)
{
    static const mq_loss_term loss = { .kind = MQ_LOSS_MSE, .tensor = "y" };
    mq_trainer_opts to = { .losses = &loss, .n_losses = 1, .batch = (int64_t)batch, .n_threads = 1 };
    uint64_t seed = 9;

    *l = (line){ .m = make_model(21) };
    make_input(l->m->graph, "x", MQ_FLOAT, "n,3");
    add_weight(l->m->graph, "w", "3,1", 1, 0, &seed);
    make_node(l->m->graph, "MatMul", "x,w", "y");
    make_type(make_output(l->m->graph, "y"), MQ_FLOAT, "n,1");
    assert_int_equal(mq_array_create(&l->x, MQ_FLOAT, 2, (int64_t[]){ (int64_t)n, WIDTH }, NULL), MQ_OK);
    assert_int_equal(mq_array_create(&l->y, MQ_FLOAT, 2, (int64_t[]){ (int64_t)n, 1 }, NULL), MQ_OK);
    for (size_t i = 0; i < n; i++) {
        float *x = (float *)l->x->data + i * WIDTH;

        for (int k = 0; k < WIDTH; k++)
            x[k] = rng_float(&seed);
        ((float *)l->y->data)[i] = 0.5f * x[0] - x[1];
    }
    to.optimizer = mq_optimizer_opts_default(MQ_OPTIMIZER_MOMENTUM);
    assert_int_equal(mq_trainer_create(&l->t, l->m, &to, NULL, NULL), MQ_OK);
    l->source = (mq_loop_source){ .user = l, .n = n, .inputs = line_inputs, .targets = line_targets };
    l->opts = (mq_loop_opts){ .epochs = 6, .batch = batch, .seed = 4, .schedule = { .lr = 0.05 }, .evaluate = line_metric,
                              .report = line_report, .user = l, .key = "line" };
    for (int i = 0; i < 16; i++)
        l->metrics[i] = i;
}

static mq_status line_run(line *l)
{
    const mq_hooks hooks = { .user = l, .cancelled = line_stop, .n_threads = 1 };

    return mq_loop_run(&l->result, l->t, l->m, &l->source, &l->opts, &hooks, &l->err);
}

static const float *line_weights(const line *l)
{
    size_t n;

    return mq_trainer_parameters(l->t, &n)->data;
}

static void line_close(line *l)
{
    mq_loop_result_release(&l->result);
    mq_trainer_free(l->t);
    mq_model_free(l->m);
    mq_array_unref(l->x);
    mq_array_unref(l->y);
}

static void every_sample_in_another_order(void **state)
{
    line l;

    (void)state;
    line_open(&l, SAMPLES, BATCH);
    l.opts.evaluate = NULL;
    l.opts.report = NULL;
    assert_int_equal(line_run(&l), MQ_OK);
    assert_int_equal(l.result.steps, 6 * (SAMPLES / BATCH));
    assert_int_equal(l.result.best, 5);
    assert_true(l.result.epochs[5].loss < l.result.epochs[0].loss && isnan(l.result.epochs[5].metric));
    for (size_t i = 0; i < SAMPLES / BATCH * BATCH; i++)
        for (size_t k = 0; k < i; k++)
            assert_true(l.order[i] != l.order[k]);
    assert_memory_not_equal(l.order, l.order + SAMPLES / BATCH * BATCH, SAMPLES / BATCH * BATCH * sizeof *l.order);
    /* fixed for good: a seed means the same in every version and on every machine */
    assert_true(l.order[0] == 20 && l.order[1] == 13 && l.order[2] == 8);
    line_close(&l);
}

static void best_epoch_and_early_stop(void **state)
{
    float kept[WIDTH];
    line l, short_one;

    (void)state;
    line_open(&short_one, SAMPLES, BATCH);
    short_one.opts.epochs = 2;
    assert_int_equal(line_run(&short_one), MQ_OK);
    memcpy(kept, line_weights(&short_one), sizeof kept);
    line_close(&short_one);

    line_open(&l, SAMPLES, BATCH);
    l.metrics[1] = 9;
    l.metrics[3] = NAN;
    l.opts.patience = 3;
    assert_int_equal(line_run(&l), MQ_OK);
    assert_int_equal(l.result.best, 1);
    assert_int_equal(l.result.n_epochs, 5);
    assert_true(l.result.stopped_early);
    assert_int_equal(l.reports, 5 * (SAMPLES / BATCH) + 5);
    assert_memory_equal(line_weights(&l), kept, sizeof kept);
    line_close(&l);

    line_open(&l, SAMPLES, BATCH);
    l.opts.time_limit = 1e-9;
    assert_int_equal(line_run(&l), MQ_OK);
    assert_true(l.result.out_of_time && l.result.n_epochs == 1);
    line_close(&l);

    line_open(&l, SAMPLES, BATCH);
    l.opts.lower_is_better = true;
    assert_int_equal(line_run(&l), MQ_OK);
    assert_int_equal(l.result.best, 0);
    assert_false(l.result.stopped_early);
    line_close(&l);
}

static void goes_on_after_a_stop(void **state)
{
    line whole, first, rest;

    (void)state;
    line_open(&whole, SAMPLES, BATCH);
    whole.metrics[3] = 50;
    assert_int_equal(line_run(&whole), MQ_OK);

    line_open(&first, SAMPLES, BATCH);
    first.opts.checkpoint = "c";
    first.stop_after = 2 * (SAMPLES / BATCH) + 2; /* in the middle of the third epoch */
    assert_int_equal(line_run(&first), MQ_ERR_CANCELLED);
    line_close(&first);
    assert_int_equal(scratch_count("."), 1);

    line_open(&rest, SAMPLES, BATCH);
    rest.opts.checkpoint = "c";
    rest.opts.resume = true;
    rest.measured = 2;
    rest.metrics[3] = 50;
    assert_int_equal(line_run(&rest), MQ_OK);
    assert_true(rest.result.resumed);
    assert_int_equal(rest.result.n_epochs, 6);
    assert_int_equal(rest.result.best, 3);
    assert_int_equal(rest.result.steps, whole.result.steps);
    for (int i = 0; i < 6; i++)
        assert_true(rest.result.epochs[i].loss == whole.result.epochs[i].loss);
    assert_memory_equal(line_weights(&rest), line_weights(&whole), WIDTH * sizeof(float));
    line_close(&rest);

    line_open(&rest, SAMPLES, BATCH); /* nothing is left to do */
    rest.opts.checkpoint = "c";
    rest.opts.resume = true;
    assert_int_equal(line_run(&rest), MQ_OK);
    assert_int_equal(rest.measured, 0);
    assert_memory_equal(line_weights(&rest), line_weights(&whole), WIDTH * sizeof(float));
    line_close(&rest);
    line_close(&whole);
}

static void not_its_checkpoint(void **state)
{
    line l;

    (void)state;
    line_open(&l, SAMPLES, BATCH);
    l.opts.schedule.kind = MQ_SCHEDULE_COSINE;
    l.opts.checkpoint = "c";
    l.opts.resume = true; /* from nothing: a beginning */
    assert_int_equal(line_run(&l), MQ_OK);
    assert_false(l.result.resumed);
    line_close(&l);
    for (int i = 0; i < 3; i++) {
        line_open(&l, SAMPLES, BATCH);
        l.opts.schedule.kind = MQ_SCHEDULE_COSINE;
        l.opts.checkpoint = "c";
        l.opts.resume = true;
        l.opts.key = i == 0 ? "other" : l.opts.key;
        l.opts.seed += i == 1;
        l.opts.epochs += i == 2;
        assert_int_equal(line_run(&l), MQ_ERR_INPUT);
        assert_string_equal(l.err.text, i == 2 ? "the checkpoint 'c': it is of a training of 6 epochs, not 7: its rate goes "
                                                 "down to their end (only with a constant one more can follow)" :
                            "the checkpoint 'c': it belongs to another training: options, model or data differ");
        line_close(&l);
    }
}

/* With a constant rate more epochs follow, as if they had been asked for at once; fewer never do. */
static void more_epochs(void **state)
{
    line whole, l;

    (void)state;
    line_open(&whole, SAMPLES, BATCH);
    whole.opts.schedule.kind = MQ_SCHEDULE_CONSTANT;
    assert_int_equal(line_run(&whole), MQ_OK);
    for (int i = 0; i < 3; i++) {
        line_open(&l, SAMPLES, BATCH);
        l.opts.schedule.kind = MQ_SCHEDULE_CONSTANT;
        l.opts.checkpoint = "c";
        l.opts.resume = true;
        l.measured = i ? 4 : 0;
        l.opts.epochs = i ? 6 : 4;
        if (i == 2)
            l.opts.epochs = 5;
        assert_int_equal(line_run(&l), i == 2 ? MQ_ERR_INPUT : MQ_OK);
        if (i == 1)
            assert_memory_equal(line_weights(&l), line_weights(&whole), WIDTH * sizeof(float));
        line_close(&l);
    }
    line_close(&whole);
}

static void refused(void **state)
{
    line l;

    (void)state;
    line_open(&l, SAMPLES, BATCH);
    l.source.n = 0;
    assert_int_equal(line_run(&l), MQ_ERR_INPUT);
    l.source.n = BATCH - 1; /* the batch is to be mq_loop_batch */
    assert_int_equal(line_run(&l), MQ_ERR_USAGE);
    l.source.n = SAMPLES;
    l.opts.epochs = 0;
    assert_int_equal(line_run(&l), MQ_ERR_USAGE);
    l.opts.epochs = 1;
    l.opts.schedule.lr = -1;
    assert_int_equal(line_run(&l), MQ_ERR_USAGE);
    l.opts.schedule.lr = 1e30; /* grows without bounds */
    l.opts.epochs = 6;
    assert_int_equal(line_run(&l), MQ_ERR_INPUT);
    assert_non_null(strstr(l.err.text, "try a smaller learning rate"));
    line_close(&l);

    assert_int_equal(mq_loop_batch(3, 64), 3);
    assert_int_equal(mq_loop_batch(65, 64), 64);
    line_open(&l, 3, 3);
    assert_int_equal(line_run(&l), MQ_OK);
    line_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(digits_by_two_layers, digits_open, digits_close),
        cmocka_unit_test_setup_teardown(digits_by_convolutions, digits_open, digits_close),
        cmocka_unit_test(every_sample_in_another_order),
        cmocka_unit_test(best_epoch_and_early_stop),
        cmocka_unit_test_setup_teardown(goes_on_after_a_stop, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(more_epochs, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(not_its_checkpoint, scratch_open, scratch_close),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
