/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Losses: values and gradients as torch's (scripts/make_train_values.py losses), class axes, hints with and without a
 * projection, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "base/compiler.h"
#include "exec/exec.h"
#include "graph_make.h"
#include "ops/ops.h"
#include "train/grad.h"
#include "train/loss.h"

enum { OPSET = 21, N = 12 };

static float wave(int i, double speed, double shift)
{
    return (float)sin(speed * i + shift);
}

static void fill(float *out, double speed, double shift)
{
    for (int i = 0; i < N; i++)
        out[i] = 2 * wave(i, speed, shift);
}

static mq_array *array(mq_dtype dtype, const char *dims_text, const void *data)
{
    int64_t dims[8];
    const int rank = make_dims(dims_text, dims);
    mq_array *a;

    assert_int_equal(mq_array_create(&a, dtype, rank, dims, NULL), MQ_OK);
    memcpy(a->data, data, mq_array_bytes(a));
    return a;
}

/* z -> Identity -> y, and the terms behind it. */
typedef struct problem {
    mq_model *m;
    mq_value *z, *targets[2], *projections[2], *loss;
} problem;

static void open_problem(problem *p, const char *dims, const mq_loss_term *terms, size_t n)
{
    *p = (problem){ .m = make_model(OPSET) };
    p->z = make_input(p->m->graph, "z", MQ_FLOAT, dims);
    make_node(p->m->graph, "Identity", "z", "y");
    make_output(p->m->graph, "y");
    assert_int_equal(mq_grad_prepare(p->m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_loss_append(p->m->graph, terms, n, p->targets, p->projections, &p->loss, NULL), MQ_OK);
    assert_int_equal(mq_graph_add_output(p->m->graph, p->loss, NULL), MQ_OK);
    assert_int_equal(mq_infer_model(p->m, NULL, NULL, NULL), MQ_OK);
}

/* The loss and its gradient by z. */
static double run(problem *p, mq_array *const *in, float *grad, bool reference)
{
    mq_value *dz = NULL;
    mq_array *out[3]; /* y, the loss, its gradient */
    mq_plan *plan;
    mq_runner *r;
    mq_error err = { 0 };
    double loss;

    assert_int_equal(mq_grad_append(p->m->graph, p->loss, &p->z, 1, &dz, NULL), MQ_OK);
    assert_int_equal(mq_graph_add_output(p->m->graph, dz, NULL), MQ_OK);
    if (mq_plan_create(&plan, p->m, &(mq_plan_opts){ .reference = reference }, NULL, &err) != MQ_OK)
        fail_msg("%s", err.text);
    assert_int_equal(mq_runner_create(&r, plan, 2, NULL), MQ_OK);
    if (mq_runner_run(r, in, out, &err) != MQ_OK)
        fail_msg("%s", err.text);
    loss = mq_array_f64(out[1], 0);
    memcpy(grad, out[2]->data, out[2]->count * sizeof *grad);
    for (int i = 0; i < 3; i++)
        mq_array_unref(out[i]);
    mq_runner_free(r);
    mq_plan_free(plan);
    return loss;
}

#define T(k, ...) { .kind = MQ_LOSS_##k, .tensor = "y", __VA_ARGS__ }

static const struct {
    const char *name;
    float value, grad[N];
    mq_loss_term terms[2];
} cases[] = {
    { "ce", 0.959240675f,
      { 0.0457613319f, -0.185634613f, 0.128309131f, 0.0115641225f, 0, 0, 0, 0, 0.00962334592f, 0.0109778298f, -0.38323319f,
        0.362632036f },
      { T(CE, 0) } },
    { "ce smooth", 1.08240259f,
      { 0.0332613252f, -0.148134634f, 0.115809113f, -0.00093587907f, 0, 0, 0, 0, -0.00287665473f, -0.00152217108f,
        -0.345733166f, 0.350132018f },
      { T(CE, .smoothing = 0.1) } },
    { "soft-ce", 1.95330822f,
      { -0.0714355037f, 0.0719148368f, 0.012397714f, -0.0128770489f, -0.0855919644f, 0.00303505431f, 0.171152517f,
        -0.0885955989f, -0.0274704173f, -0.0922445655f, -0.0536065847f, 0.17332159f },
      { T(SOFT_CE, 0) } },
    { "kl", 0.818279207f,
      { -0.0764729828f, 0.0764322579f, 0.035695117f, -0.0356543623f, -0.150424361f, 0.0291658789f, 0.177605107f,
        -0.0563466251f, -0.0598934926f, -0.136126146f, 0.000317384809f, 0.19570224f },
      { T(KL, .temperature = 3) } },
    { "bce", 1.01775479f,
      { 0, 0, -0.0328612179f, -0.0997840613f, 0.0182408877f, 0.075741373f, 0.110061355f, 0.0817932114f, -0.104956701f, 0, 0,
        -0.0152510852f },
      { T(BCE, 0) } },
    { "bce smooth", 1.00947213f,
      { 0, 0, -0.0266112164f, -0.0935340598f, 0.011990888f, 0.0694913715f, 0.103811353f, 0.0755432099f, -0.0987066925f, 0, 0,
        -0.00900108367f },
      { T(BCE, .smoothing = 0.1) } },
    { "binary-kl", 0.450109839f,
      { -0.0341698527f, -0.00105505076f, -0.00640787557f, -0.0298976023f, -0.0106358165f, 0.0482956208f, 0.0759168416f,
        0.0287438873f, -0.0465775989f, -0.0655989721f, -0.0223976988f, 0.0125115467f },
      { T(BINARY_KL, .temperature = 3) } },
    { "mse", 3.7038641f,
      { -0.280490339f, -0.00936887693f, -0.053320609f, -0.243115604f, -0.0905322656f, 0.397550046f, 0.627332687f,
        0.230991691f, -0.379789293f, -0.53747344f, -0.189730406f, 0.107934237f },
      { T(MSE, 0) } },
    { "cosine", 0.859449387f,
      { -0.0740847886f, -0.0224248543f, -0.0247567184f, -0.0499730855f, 0.0736434907f, 0.0722629204f, 0.0428674966f,
        0.021029409f, -0.0263517983f, -0.0646500438f, -0.0688562393f, -0.0427108444f },
      { T(COSINE, 0) } },
    { "hint", 3.7038641f,
      { -0.280490339f, -0.00936887693f, -0.053320609f, -0.243115604f, -0.0905322656f, 0.397550046f, 0.627332687f,
        0.230991691f, -0.379789293f, -0.53747344f, -0.189730406f, 0.107934237f },
      { T(HINT, .channels = 4) } },
    { "sum", 0.832375348f,
      { -0.0642495528f, 0.0502255484f, 0.044956509f, -0.0309325121f, -0.135381922f, 0.0262492839f, 0.159844577f,
        -0.0507119633f, -0.0529418252f, -0.121415757f, -0.0380376838f, 0.212395191f },
      { T(KL, .temperature = 3, .weight = 0.9), T(CE, .weight = 0.1) } },
};

static void check_case(size_t c, bool reference)
{
    const size_t n = cases[c].terms[1].tensor ? 2 : 1;
    const int64_t labels[] = { 1, -1, 2 };
    float z[N], t[N], grad[N];
    mq_array *in[3];
    problem p;
    double loss;

    fill(z, 1.3, 0);
    fill(t, 0.7, 1);
    for (int row = 0; row < 3 && cases[c].terms[0].kind == MQ_LOSS_SOFT_CE; row++) {
        double sum = 0;

        for (int i = 0; i < 4; i++)
            sum += exp(t[4 * row + i]);
        for (int i = 0; i < 4; i++)
            t[4 * row + i] = (float)(exp(t[4 * row + i]) / sum);
    }
    for (int i = 0; i < N && cases[c].terms[0].kind == MQ_LOSS_BCE; i++)
        t[i] = t[i] > 1.5f ? -1 : t[i] > 0; /* yes, no, not known */
    open_problem(&p, "3,4", cases[c].terms, n);
    in[0] = array(MQ_FLOAT, "3,4", z);
    for (size_t i = 0; i < n; i++)
        in[i + 1] = cases[c].terms[i].kind == MQ_LOSS_CE ? array(MQ_INT64, "3", labels) : array(MQ_FLOAT, "3,4", t);
    loss = run(&p, in, grad, reference);
    if (!(fabs(loss - cases[c].value) <= 2e-6 * (1 + fabs(loss))))
        fail_msg("%s is %.9g, not %.9g", cases[c].name, loss, cases[c].value);
    for (int i = 0; i < N; i++)
        if (!(fabsf(grad[i] - cases[c].grad[i]) <= 2e-6f))
            fail_msg("%s: gradient %d is %.9g, not %.9g", cases[c].name, i, grad[i], cases[c].grad[i]);
    for (size_t i = 0; i <= n; i++)
        mq_array_unref(in[i]);
    mq_model_free(p.m);
}

static void as_torch(void **state)
{
    (void)state;
    for (size_t c = 0; c < MQ_ARRAY_LEN(cases); c++) {
        check_case(c, true);
        check_case(c, false);
    }
}

/* Without any label nothing is learned, and nothing divided by zero. */
static void no_labels(void **state)
{
    const mq_loss_term term = T(CE, .smoothing = 0.1);
    const int64_t labels[] = { -1, -1, -100 };
    float z[N], grad[N];
    mq_array *in[2];
    problem p;

    (void)state;
    fill(z, 1.3, 0);
    open_problem(&p, "3,4", &term, 1);
    in[0] = array(MQ_FLOAT, "3,4", z);
    in[1] = array(MQ_INT64, "3", labels);
    assert_true(run(&p, in, grad, false) == 0);
    for (int i = 0; i < N; i++)
        assert_true(grad[i] == 0);
    mq_array_unref(in[0]);
    mq_array_unref(in[1]);
    mq_model_free(p.m);
}

/* Pixels with classes along axis 1: the mean over pixels of what each pixel alone has. */
static void class_axis_of_images(void **state)
{
    const mq_loss_term term = T(CE, 0);
    const int64_t labels[] = { 1, 0, 1, -1, 0, 1 };
    float z[N], grad[N];
    mq_array *in[2];
    double want = 0;
    problem p;

    (void)state;
    fill(z, 1.3, 0);
    open_problem(&p, "1,2,2,3", &term, 1);
    assert_int_equal(p.targets[0]->declared->rank, 3);
    in[0] = array(MQ_FLOAT, "1,2,2,3", z);
    in[1] = array(MQ_INT64, "1,2,3", labels);
    for (int i = 0; i < 6; i++)
        if (labels[i] >= 0)
            want += log(1 + exp((double)z[i + 6 * (1 - labels[i])] - z[i + 6 * labels[i]])) / 5;
    assert_true(fabs(run(&p, in, grad, false) - want) <= 1e-6);
    mq_array_unref(in[0]);
    mq_array_unref(in[1]);
    mq_model_free(p.m);
}

/* What goes into Softmax is read, with its axis. */
static void before_softmax(void **state)
{
    mq_model *m = make_model(OPSET);
    mq_value *logits;
    mq_node *n;
    int axis;

    (void)state;
    make_input(m->graph, "z", MQ_FLOAT, "n,5,7");
    n = make_node(m->graph, "Softmax", "z", "p");
    make_node(m->graph, "Identity", "p", "out");
    assert_int_equal(mq_node_set_attr_int(n, "axis", -2, NULL), MQ_OK);
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_true(mq_loss_logits(make_value(m->graph, "out"), &logits, &axis));
    assert_string_equal(logits->name, "z");
    assert_int_equal(axis, 1);
    assert_false(mq_loss_logits(make_value(m->graph, "z"), &logits, &axis));
    assert_string_equal(logits->name, "z");
    assert_int_equal(axis, 2);
    mq_model_free(m);
}

/* What goes into Sigmoid is read; sure answers, right and wrong, have finite losses. */
static void before_sigmoid(void **state)
{
    const mq_loss_term term = { .kind = MQ_LOSS_BCE, .tensor = "out" };
    mq_model *m = make_model(OPSET);
    mq_value *logits, *target, *projection, *loss;

    (void)state;
    make_input(m->graph, "z", MQ_FLOAT, "n,1");
    make_node(m->graph, "Sigmoid", "z", "p");
    make_node(m->graph, "Identity", "p", "out");
    make_output(m->graph, "out");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_true(mq_loss_sigmoid(make_value(m->graph, "out"), &logits));
    assert_string_equal(logits->name, "z");
    assert_false(mq_loss_sigmoid(logits, &logits));
    assert_string_equal(logits->name, "z");
    assert_int_equal(mq_loss_append(m->graph, &term, 1, &target, &projection, &loss, NULL), MQ_OK);
    assert_int_equal(target->declared->rank, 2);
    mq_model_free(m);
}

static void sure_answers(void **state)
{
    const mq_loss_term term = T(BCE, 0);
    const float z[N] = { 200, -200, 200, -200, 0 }, t[N] = { 1, 0, 0, 1, -1, -1, -1, -1, -1, -1, -1, -1 };
    float grad[N];
    mq_array *in[2] = { array(MQ_FLOAT, "3,4", z), array(MQ_FLOAT, "3,4", t) };
    problem p;

    (void)state;
    open_problem(&p, "3,4", &term, 1);
    assert_true(run(&p, in, grad, false) == 100);
    assert_true(grad[0] == 0 && grad[1] == 0 && grad[2] == 0.25f && grad[3] == -0.25f && grad[4] == 0);
    mq_array_unref(in[0]);
    mq_array_unref(in[1]);
    mq_model_free(p.m);
}

/* A hint of another width: a 1x1 convolution, or a product, whose weights do not depend on anything but the seed. */
static void projections(void **state)
{
    const mq_loss_term term = T(HINT, .channels = 5, .seed = 3);
    const float *a, *b;
    problem p, q;

    (void)state;
    open_problem(&p, "2,3,1,2", &term, 1);
    assert_int_equal(p.targets[0]->declared->dims[1].value, 5);
    assert_int_equal(p.projections[0]->init->dims[0], 5);
    assert_int_equal(p.projections[0]->init->dims[1], 3);
    assert_int_equal(p.projections[0]->init->n_dims, 4);
    open_problem(&q, "4,3", &term, 1);
    assert_int_equal(q.targets[0]->declared->dims[1].value, 5);
    assert_int_equal(q.projections[0]->init->n_dims, 2);
    assert_int_equal(q.projections[0]->init->dims[0], 3);
    a = p.projections[0]->init->data;
    b = q.projections[0]->init->data;
    assert_memory_equal(a, b, 15 * sizeof *a);
    for (int i = 0; i < 15; i++)
        assert_true(fabsf(a[i]) <= 0.5774f && a[i] != 0);
    mq_model_free(p.m);
    mq_model_free(q.m);
}

static void refused(void **state)
{
    static const struct {
        mq_loss_term term;
        mq_status status;
    } bad[] = {
        { T(KL, .temperature = -1), MQ_ERR_USAGE },
        { T(KL, .temperature = NAN), MQ_ERR_USAGE },
        { T(CE, .smoothing = 1), MQ_ERR_USAGE },
        { T(CE, .weight = -1), MQ_ERR_USAGE },
        { { .kind = MQ_LOSS_MSE, .tensor = "nothing" }, MQ_ERR_USAGE },
        { { .kind = MQ_LOSS_CE, .tensor = "ids" }, MQ_ERR_UNSUPPORTED },
        { { .kind = MQ_LOSS_CE, .tensor = "open" }, MQ_ERR_UNSUPPORTED },
        { { .kind = MQ_LOSS_MSE, .tensor = "scalar" }, MQ_ERR_UNSUPPORTED },
        { { .kind = MQ_LOSS_CE, .tensor = "one" }, MQ_ERR_UNSUPPORTED },
    };
    mq_value *target, *projection, *loss = NULL;
    mq_loss_kind kind;
    mq_error err;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++) {
        mq_model *m = make_model(OPSET);

        make_input(m->graph, "y", MQ_FLOAT, "3,4");
        make_input(m->graph, "ids", MQ_INT64, "3,4");
        make_input(m->graph, "open", MQ_FLOAT, "3,classes");
        make_input(m->graph, "scalar", MQ_FLOAT, "");
        make_input(m->graph, "one", MQ_FLOAT, "3,1");
        assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
        assert_int_equal(mq_loss_append(m->graph, &bad[i].term, 1, &target, &projection, &loss, &err), bad[i].status);
        assert_null(loss);
        mq_model_free(m);
    }
    assert_true(mq_loss_find("soft-ce", &kind) && kind == MQ_LOSS_SOFT_CE);
    assert_false(mq_loss_find("l1", &kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_torch),
        cmocka_unit_test(no_labels),
        cmocka_unit_test(class_axis_of_images),
        cmocka_unit_test(before_softmax),
        cmocka_unit_test(before_sigmoid),
        cmocka_unit_test(sure_answers),
        cmocka_unit_test(projections),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
