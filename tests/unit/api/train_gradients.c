/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients on samples: without labels their products with a weight say, squared, what noise the outputs get when it
 * becomes zero; with labels they are those of a step. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/train_job.h"
#include "base/random.h"
#include "data_make.h"
#include "ops/ops.h"

enum { N = 256, WIDE = 4 };

static float x[N * WIDE], w[WIDE * WIDE];
static double sum[WIDE], squares[WIDE];
static size_t n_steps;

/* y = (x w), z = 100 y: linear, so that first order is all there is. */
static mq_model *make_net(void)
{
    mq_model *net = make_model(17);

    make_input(net->graph, "x", MQ_FLOAT, "N,4");
    make_init(net->graph, "w", MQ_FLOAT, "4,4", w);
    make_init(net->graph, "c", MQ_FLOAT, "", (float[]){ 100 });
    make_node(net->graph, "MatMul", "x,w", "y");
    make_node(net->graph, "Mul", "y,c", "z");
    make_type(make_output(net->graph, "y"), MQ_FLOAT, "N,4");
    make_type(make_output(net->graph, "z"), MQ_FLOAT, "N,4");
    assert_int_equal(mq_infer_model(net, NULL, NULL, NULL), MQ_OK);
    return net;
}

static int setup(void **state)
{
    uint64_t seed = 3;

    if (data_setup(state) != 0)
        return -1;
    for (int i = 0; i < N * WIDE; i++)
        x[i] = (float)(2 * mq_random_unit(mq_random_next(&seed)) - 1);
    for (int i = 0; i < WIDE * WIDE; i++)
        w[i] = (float)((i / WIDE + 1) * (2 * mq_random_unit(mq_random_next(&seed)) - 1)); /* rows of growing weight */
    put_npy("x.npy", MQ_FLOAT, "256,4", x);
    put_npy("t.npy", MQ_FLOAT, "256,4", x);
    n_steps = 0;
    memset(squares, 0, sizeof squares);
    return 0;
}

static void add(void *user, const mq_parameter *p, const float *gradient)
{
    (void)user;
    if (strcmp(p->name, "w") != 0)
        return;
    for (int i = 0; i < WIDE; i++) {
        sum[i] = 0;
        for (int k = 0; k < WIDE; k++)
            sum[i] += (double)p->data[i * WIDE + k] * (double)gradient[i * WIDE + k];
    }
}

static void end(void *user)
{
    (void)user;
    for (int i = 0; i < WIDE; i++)
        squares[i] += sum[i] * sum[i];
    n_steps++;
}

static void run(const char *labels)
{
    static const char *const images[] = { "x.npy" };
    const mq_data_source source = { .data = images, .n_data = 1, .labels = &labels, .n_labels = labels != NULL };
    const mq_train_opts how = mq_train_opts_default();
    mq_train_job j = { .opts = &how, .train_on = &source, .judge_on = &source, .err = &err };
    mq_model *net = make_net();

    if (mq_train_check(&j) != MQ_OK || mq_train_plain(net, &err) != MQ_OK || mq_train_open(&j, net) != MQ_OK ||
        mq_train_read(&j) != MQ_OK || mq_train_gradients(&j, net, add, end, NULL) != MQ_OK)
        fail_msg("%s", err.text);
    mq_train_close(&j);
    mq_model_free(net);
}

/* Both outputs have the same noise: the second, 100 times as large, counts as much. */
static void noise_of_outputs(void **state)
{
    double power = 0;

    (void)state;
    run(NULL);
    assert_int_equal(n_steps, N / 4);
    for (int s = 0; s < N; s++)
        for (int k = 0; k < WIDE; k++) {
            double y = 0;

            for (int i = 0; i < WIDE; i++)
                y += (double)x[s * WIDE + i] * (double)w[i * WIDE + k];
            power += y * y;
        }
    for (int i = 0; i < WIDE; i++) {
        double noise = 0;

        for (int s = 0; s < N; s++)
            for (int k = 0; k < WIDE; k++)
                noise += pow((double)x[s * WIDE + i] * (double)w[i * WIDE + k], 2);
        assert_in_range(100 * squares[i] / (double)n_steps / (2 * noise / power), 50, 200);
    }
}

/* Values as labels: the gradient of the mean square of what is missed, over a batch of 4. */
static void of_labels(void **state)
{
    double want = 0;

    (void)state;
    run("t.npy");
    for (int step = 0; step < N / 4; step++) {
        double change = 0;

        for (int s = 4 * step; s < 4 * step + 4; s++)
            for (int k = 0; k < WIDE; k++) {
                double y = 0;

                for (int i = 0; i < WIDE; i++)
                    y += (double)x[s * WIDE + i] * (double)w[i * WIDE + k];
                change += 2. / 16 * (y - (double)x[s * WIDE + k]) * (double)x[s * WIDE] * (double)w[k];
            }
        want += change * change;
    }
    if (!(fabs(squares[0] - want) <= 1e-4 * want))
        fail_msg("%.9g, not %.9g", squares[0], want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(noise_of_outputs, setup, data_teardown),
        cmocka_unit_test_setup_teardown(of_labels, setup, data_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
