/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One step: five steps of a small network as torch's (scripts/make_train_values.py cnn), the same bytes at any thread count,
 * masks, keeping, checkpoints, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "base/compiler.h"
#include "graph_make.h"
#include "train/checkpoint.h"
#include "train/trainer.h"

enum { BATCH = 4, PIXELS = 64 };

static float wave(int64_t i, double speed, double shift)
{
    return (float)sin(speed * (double)i + shift);
}

static void add_weight(mq_graph *g, const char *name, const char *dims_text, int k, float plus)
{
    int64_t dims[8], n = 1;
    float data[256];

    for (int i = make_dims(dims_text, dims); i-- > 0;)
        n *= dims[i];
    for (int64_t i = 0; i < n; i++)
        data[i] = 0.5f * wave(i, 1.1, k) + plus;
    make_init(g, name, MQ_FLOAT, dims_text, data);
}

/* The network of make_train_values.py, as exported for one image at a time. */
static mq_model *tiny_cnn(void)
{
    mq_model *m = make_model(21);
    mq_graph *g = m->graph;
    mq_node *n;

    make_input(g, "x", MQ_FLOAT, "1,1,8,8");
    add_weight(g, "conv1.weight", "3,1,3,3", 0, 0);
    add_weight(g, "bn.weight", "3", 1, 1);
    add_weight(g, "bn.bias", "3", 2, 0);
    add_weight(g, "conv2.weight", "4,3,3,3", 3, 0);
    add_weight(g, "conv2.bias", "4", 4, 0);
    add_weight(g, "fc.weight", "3,4", 5, 0);
    add_weight(g, "fc.bias", "3", 6, 0);
    make_init(g, "mean", MQ_FLOAT, "3", (float[]){ 0, 0, 0 });
    make_init(g, "var", MQ_FLOAT, "3", (float[]){ 1, 1, 1 });
    n = make_node(g, "Conv", "x,conv1.weight", "c1");
    assert_int_equal(mq_node_set_attr_ints(n, "pads", (int64_t[]){ 1, 1, 1, 1 }, 4, NULL), MQ_OK);
    make_node(g, "BatchNormalization", "c1,bn.weight,bn.bias,mean,var", "b1");
    make_node(g, "Relu", "b1", "r1");
    n = make_node(g, "MaxPool", "r1", "p1");
    assert_int_equal(mq_node_set_attr_ints(n, "kernel_shape", (int64_t[]){ 2, 2 }, 2, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_ints(n, "strides", (int64_t[]){ 2, 2 }, 2, NULL), MQ_OK);
    n = make_node(g, "Conv", "p1,conv2.weight,conv2.bias", "c2");
    assert_int_equal(mq_node_set_attr_ints(n, "strides", (int64_t[]){ 2, 2 }, 2, NULL), MQ_OK);
    make_node(g, "Relu", "c2", "r2");
    make_node(g, "GlobalAveragePool", "r2", "gap");
    make_node(g, "Flatten", "gap", "flat");
    n = make_node(g, "Gemm", "flat,fc.weight,fc.bias", "z");
    assert_int_equal(mq_node_set_attr_int(n, "transB", 1, NULL), MQ_OK);
    make_node(g, "Softmax", "z", "y");
    make_type(make_output(g, "y"), MQ_FLOAT, "1,3");
    return m;
}

typedef struct training {
    mq_model *m;
    mq_trainer *t;
    mq_array *x, *labels;
} training;

static const mq_loss_term cross_entropy = { .kind = MQ_LOSS_CE, .tensor = "y" };

static void open_with(training *a, mq_trainer_opts opts)
{
    const int64_t labels[] = { 0, 1, 2, 1 };
    mq_error err;

    opts.losses = opts.losses ? opts.losses : &cross_entropy;
    opts.n_losses = opts.n_losses ? opts.n_losses : 1;
    opts.batch = BATCH;
    opts.optimizer = mq_optimizer_opts_default(MQ_OPTIMIZER_ADAM);
    a->m = tiny_cnn();
    if (mq_trainer_create(&a->t, a->m, &opts, NULL, &err) != MQ_OK)
        fail_msg("%s", err.text);
    assert_int_equal(mq_array_create(&a->x, MQ_FLOAT, 4, (int64_t[]){ BATCH, 1, 8, 8 }, NULL), MQ_OK);
    assert_int_equal(mq_array_create(&a->labels, MQ_INT64, 1, (int64_t[]){ BATCH }, NULL), MQ_OK);
    for (int i = 0; i < BATCH * PIXELS; i++)
        ((float *)a->x->data)[i] = wave(i, 0.37, 0);
    memcpy(a->labels->data, labels, sizeof labels);
}

static void open_training(training *a, int threads)
{
    open_with(a, (mq_trainer_opts){ .n_threads = threads });
}

static void close_training(training *a)
{
    mq_trainer_free(a->t);
    mq_model_free(a->m);
    mq_array_unref(a->x);
    mq_array_unref(a->labels);
}

static double step(training *a)
{
    mq_error err;
    double loss;

    if (mq_trainer_step(a->t, &a->x, &a->labels, 0.01, &loss, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return loss;
}

static void near(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance * (1 + fabs(want))))
        fail_msg("%s is %.9g, not %.9g", what, got, want);
}

static void as_torch(void **state)
{
    static const double losses[] = { 1.11201704, 1.03799379, 0.96828258, 0.924484432, 0.884185076 };
    static const struct {
        const char *name;
        double norm, first[3];
    } want[] = {
        { "conv1.weight", 1.80618358, { 0.00189228752, 0.403488636, 0.357912928 } },
        { "bn.weight", 2.24007201, { 1.40461588, 1.45376825, 0.965160549 } },
        { "bn.bias", 0.651226044, { 0.452777475, 0.0146659352, -0.467838496 } },
        { "conv2.weight", 3.67832637, { 0.0705600008, -0.40913856, -0.44172734 } },
        { "conv2.bias", 0.751873434, { -0.37840125, -0.488565236, -0.0388047136 } },
        { "fc.weight", 1.26994443, { -0.479462147, -0.134783372, 0.447039187 } },
        { "fc.bias", 0.619911373, { -0.188843817, 0.413428545, 0.421550661 } },
    };
    static const double mean[] = { 0.000310472737, 7.34676942e-05, -0.000523729366 };
    const mq_parameter *p;
    training a;
    size_t n;

    (void)state;
    open_training(&a, 2);
    for (int i = 0; i < 5; i++)
        near("the loss", step(&a), losses[i], 1e-5);
    p = mq_trainer_parameters(a.t, &n);
    assert_int_equal(n, MQ_ARRAY_LEN(want));
    for (size_t i = 0; i < n; i++) {
        double norm = 0;

        assert_string_equal(p[i].name, want[i].name);
        for (size_t k = 0; k < p[i].count; k++)
            norm += (double)p[i].data[k] * p[i].data[k];
        near(p[i].name, sqrt(norm), want[i].norm, 1e-4);
        for (size_t k = 0; k < 3; k++)
            near(p[i].name, p[i].data[k], want[i].first[k], 1e-4);
    }
    p = mq_trainer_statistics(a.t, &n);
    assert_int_equal(n, 2);
    assert_string_equal(p[0].name, "mean");
    for (size_t k = 0; k < 3; k++)
        near("running mean", p[0].data[k], mean[k], 1e-5);
    close_training(&a);
}

/* All that the two have is the same. */
static void assert_same(const training *a, const training *b)
{
    size_t n = 0, m = 0;
    const mq_parameter *p = mq_trainer_parameters(a->t, &n), *q = mq_trainer_parameters(b->t, &n);

    mq_trainer_statistics(a->t, &m);
    for (size_t i = 0; i < n + m; i++)
        assert_memory_equal(p[i].data, q[i].data, p[i].count * sizeof *p[i].data);
}

static void same_bytes(void **state)
{
    training a, b;

    (void)state;
    open_training(&a, 1);
    open_training(&b, 3);
    for (int i = 0; i < 4; i++)
        assert_true(step(&a) == step(&b));
    assert_same(&a, &b);
    close_training(&a);
    close_training(&b);
}

static void goes_on_from_a_checkpoint(void **state)
{
    mq_checkpoint *c;
    training a, b;

    (void)state;
    open_training(&a, 2);
    open_training(&b, 2);
    step(&a);
    assert_int_equal(mq_trainer_keep(a.t, NULL), MQ_OK);
    step(&a);
    assert_int_equal(mq_checkpoint_create(&c, NULL), MQ_OK);
    assert_int_equal(mq_trainer_save(a.t, c, NULL), MQ_OK);
    assert_int_equal(mq_trainer_load(b.t, c, NULL), MQ_OK);
    mq_checkpoint_free(c);
    assert_int_equal(mq_trainer_steps(b.t), 2);
    assert_true(step(&a) == step(&b));
    assert_same(&a, &b);
    mq_trainer_take_back(a.t);
    mq_trainer_take_back(b.t);
    assert_same(&a, &b);
    close_training(&a);
    close_training(&b);
}

/* What is masked is 0 from the beginning on; the others change. */
static void masks(void **state)
{
    const uint8_t mask[] = { 1, 0, 0, 1 };
    const mq_parameter *p;
    training a;
    size_t n;

    (void)state;
    open_training(&a, 2);
    p = mq_trainer_parameters(a.t, &n);
    assert_string_equal(p[4].name, "conv2.bias");
    assert_int_equal(mq_trainer_set_mask(a.t, 4, mask, NULL), MQ_OK);
    for (int i = 0; i < 3; i++) {
        assert_true(p[4].data[1] == 0 && p[4].data[2] == 0 && p[4].data[0] != 0 && p[4].data[3] != 0);
        step(&a);
    }
    assert_int_equal(mq_trainer_set_mask(a.t, 4, NULL, NULL), MQ_OK);
    step(&a);
    assert_true(p[4].data[1] != 0);
    close_training(&a);
}

/* What is frozen is no parameter; fixed statistics are none of the trainer's. */
static void frozen(void **state)
{
    const bool which[9] = { [0] = true, [3] = true };
    const mq_parameter *p;
    training a;
    size_t n;

    (void)state;
    open_with(&a, (mq_trainer_opts){ .frozen = which, .fixed_statistics = true });
    p = mq_trainer_parameters(a.t, &n);
    assert_int_equal(n, 5);
    assert_string_equal(p[0].name, "bn.weight");
    assert_string_equal(p[2].name, "conv2.bias");
    mq_trainer_statistics(a.t, &n);
    assert_int_equal(n, 0);
    step(&a);
    close_training(&a);
}

/* A teacher's inner tensor of another width: the projection is learned, and no part of what is stored. */
static void hints(void **state)
{
    const mq_loss_term terms[] = { cross_entropy, { .kind = MQ_LOSS_HINT, .tensor = "r1", .channels = 5, .weight = 3 } };
    mq_array *targets[2];
    const mq_parameter *p;
    double first = 0, loss = 0;
    training a;
    float old;
    size_t n;

    (void)state;
    open_with(&a, (mq_trainer_opts){ .losses = terms, .n_losses = 2 });
    p = mq_trainer_parameters(a.t, &n);
    assert_true(p[n - 1].extra && p[n - 1].count == 15 && !p[n - 2].extra);
    old = *p[n - 1].data;
    targets[0] = a.labels;
    assert_int_equal(mq_array_create(&targets[1], MQ_FLOAT, 4, (int64_t[]){ BATCH, 5, 8, 8 }, NULL), MQ_OK);
    for (size_t i = 0; i < targets[1]->count; i++)
        ((float *)targets[1]->data)[i] = wave((int64_t)i, 0.11, 1);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(mq_trainer_step(a.t, &a.x, targets, 0.01, &loss, NULL), MQ_OK);
        first = i ? first : loss;
    }
    assert_true(loss < first && *p[n - 1].data != old);
    assert_int_equal(mq_trainer_store(a.t, a.m, NULL), MQ_OK);
    assert_null(mq_graph_find_here(a.m->graph, p[n - 1].name));
    mq_array_unref(targets[1]);
    close_training(&a);
}

/* y = Dropout(x) w: the same seed drops the same, and every step something else. */
static void dropout(void **state)
{
    const mq_loss_term loss = { .kind = MQ_LOSS_MSE, .tensor = "y" };
    double got[3][2];
    mq_array *x, *y;

    (void)state;
    assert_int_equal(mq_array_create(&x, MQ_FLOAT, 2, (int64_t[]){ BATCH, 3 }, NULL), MQ_OK);
    assert_int_equal(mq_array_create(&y, MQ_FLOAT, 2, (int64_t[]){ BATCH, 3 }, NULL), MQ_OK);
    for (int i = 0; i < BATCH * 3; i++) {
        ((float *)x->data)[i] = wave(i, 0.7, 1);
        ((float *)y->data)[i] = 0;
    }
    for (int run = 0; run < 3; run++) {
        mq_trainer_opts opts = { .losses = &loss, .n_losses = 1, .batch = BATCH, .dropout = run < 2, .seed = 8 };
        mq_model *m = make_model(21);
        mq_trainer *t;

        opts.optimizer = mq_optimizer_opts_default(MQ_OPTIMIZER_SGD);
        make_input(m->graph, "x", MQ_FLOAT, "n,3");
        add_weight(m->graph, "w", "3,3", 1, 0);
        make_node(m->graph, "Dropout", "x", "d");
        make_node(m->graph, "MatMul", "d,w", "y");
        make_output(m->graph, "y");
        assert_int_equal(mq_trainer_create(&t, m, &opts, NULL, NULL), MQ_OK);
        for (int i = 0; i < 2; i++)
            assert_int_equal(mq_trainer_step(t, &x, &y, 0, &got[run][i], NULL), MQ_OK);
        mq_trainer_free(t);
        mq_model_free(m);
    }
    assert_true(got[0][0] == got[1][0] && got[0][1] == got[1][1]);
    assert_true(got[0][0] != got[0][1] && got[2][0] == got[2][1]);
    mq_array_unref(x);
    mq_array_unref(y);
}

static void stored(void **state)
{
    const mq_parameter *p;
    mq_value *v;
    training a;
    size_t n;

    (void)state;
    open_training(&a, 2);
    step(&a);
    assert_int_equal(mq_trainer_store(a.t, a.m, NULL), MQ_OK);
    p = mq_trainer_parameters(a.t, &n);
    for (size_t i = 0; i < n; i++) {
        const void *data;

        v = mq_graph_find_here(a.m->graph, p[i].name);
        assert_int_equal(mq_tensor_bytes(v->init, &data, NULL), MQ_OK);
        assert_memory_equal(data, p[i].data, p[i].count * sizeof *p[i].data);
    }
    close_training(&a);
}

static void bad_labels_and_numbers(void **state)
{
    mq_error err;
    training a, b;
    double loss;

    (void)state;
    open_training(&a, 2);
    open_training(&b, 2);
    ((int64_t *)a.labels->data)[2] = 3;
    assert_int_equal(mq_trainer_step(a.t, &a.x, &a.labels, 0.01, &loss, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "label 3 is no class of the student, which has 3");
    ((int64_t *)a.labels->data)[2] = 2;
    ((float *)a.x->data)[7] = INFINITY;
    assert_int_equal(mq_trainer_step(a.t, &a.x, &a.labels, 0.01, &loss, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "at step 1: try a smaller learning rate"));
    assert_same(&a, &b);
    close_training(&a);
    close_training(&b);
}

static void refused(void **state)
{
    mq_trainer_opts opts = { .losses = &cross_entropy, .n_losses = 1, .batch = BATCH };
    mq_model *m = make_model(21);
    mq_trainer *t = NULL;
    mq_error err;

    (void)state;
    opts.optimizer = mq_optimizer_opts_default(MQ_OPTIMIZER_SGD);
    make_input(m->graph, "x", MQ_FLOAT, "n,3");
    make_node(m->graph, "Relu", "x", "y");
    make_output(m->graph, "y");
    assert_int_equal(mq_trainer_create(&t, m, &opts, NULL, &err), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "nothing to train"));
    make_init(m->graph, "w", MQ_FLOAT, "3,3", (float[9]){ 0 });
    opts.losses = &(mq_loss_term){ .kind = MQ_LOSS_MSE, .tensor = "z" };
    assert_int_equal(mq_trainer_create(&t, m, &opts, NULL, &err), MQ_ERR_USAGE);
    assert_null(t);
    mq_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_torch),
        cmocka_unit_test(same_bytes),
        cmocka_unit_test(goes_on_from_a_checkpoint),
        cmocka_unit_test(masks),
        cmocka_unit_test(frozen),
        cmocka_unit_test(hints),
        cmocka_unit_test(dropout),
        cmocka_unit_test(stored),
        cmocka_unit_test(bad_labels_and_numbers),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
