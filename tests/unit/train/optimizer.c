/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Optimizers: torch's values after five steps (scripts/make_train_values.py optimizers), the same bytes at any thread count
 * and instruction set, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "rng.h"
#include "train/optimizer.h"

static void as_torch(void **state)
{
    static const struct {
        const char *name;
        double clip;
        float want[4];
    } cases[] = {
        { "sgd", 0, { 0.412508816f, -0.822842896f, 1.45437551f, -0.0387886316f } },
        { "sgd", 0.5, { 0.460831553f, -0.92194134f, 1.84747493f, 0.000833125203f } },
        { "momentum", 0, { 0.209072009f, -0.562282622f, 0.640455127f, -0.0320973657f } },
        { "momentum", 0.5, { 0.383214772f, -0.800556004f, 1.60192955f, 0.015226258f } },
        { "nesterov", 0, { 0.19345805f, -0.479548812f, 0.419603735f, -0.0657851696f } },
        { "nesterov", 0.5, { 0.367256492f, -0.76264739f, 1.53098226f, 0.0135440798f } },
        { "rmsprop", 0, { 0.313793838f, -0.948156476f, 1.77247214f, -0.073425144f } },
        { "rmsprop", 0.5, { 0.282449007f, -0.939587593f, 1.77160728f, -0.0391280763f } },
        { "adam", 0, { 0.460279226f, -0.989810407f, 1.96009278f, -0.00934160035f } },
        { "adam", 0.5, { 0.459661692f, -0.986972332f, 1.95937192f, -0.00272423169f } },
        { "adamw", 0, { 0.460270226f, -0.989683807f, 1.95934021f, -0.00934465323f } },
        { "adamw", 0.5, { 0.460095763f, -0.987399817f, 1.95927811f, -0.002737995f } },
    };

    (void)state;
    for (size_t c = 0; c < MQ_ARRAY_LEN(cases); c++) {
        float p[4] = { 0.5f, -1, 2, 0 }, g[4], *const params[] = { p };
        const float *const grads[] = { g };
        mq_optimizer_opts opts;
        mq_optimizer_kind kind;
        mq_optimizer *o;

        assert_true(mq_optimizer_find(cases[c].name, &kind));
        opts = mq_optimizer_opts_default(kind);
        opts.clip = cases[c].clip;
        if (kind != MQ_OPTIMIZER_NESTEROV && kind != MQ_OPTIMIZER_ADAMW)
            opts.weight_decay = 0.01;
        assert_int_equal(mq_optimizer_create(&o, &opts, (size_t[]){ 4 }, 1, 1, NULL), MQ_OK);
        for (int step = 0; step < 5; step++) {
            for (int i = 0; i < 4; i++)
                g[i] = sinf((float)(i + 3 * step)) + p[i] / 2;
            assert_int_equal(mq_optimizer_step(o, params, grads, kind >= MQ_OPTIMIZER_RMSPROP ? 0.01 : 0.1, NULL, NULL),
                             MQ_OK);
        }
        for (int i = 0; i < 4; i++)
            if (!(fabsf(p[i] - cases[c].want[i]) <= 1e-6f))
                fail_msg("%s, clip %g: p[%d] is %.9g, not %.9g", cases[c].name, cases[c].clip, i, p[i], cases[c].want[i]);
        mq_optimizer_free(o);
    }
}

enum { N = 40001, M = 7 };

/* Parameters after three steps of a large and a small tensor. */
static void run(mq_optimizer_kind kind, int threads, float *out)
{
    float *g = malloc((N + M) * sizeof *g), *const params[] = { out, out + N };
    const float *const grads[] = { g, g + N };
    mq_optimizer_opts opts = mq_optimizer_opts_default(kind);
    mq_optimizer *o;
    uint64_t seed = 5;

    assert_non_null(g);
    opts.clip = 3;
    for (size_t i = 0; i < N + M; i++)
        out[i] = rng_float(&seed);
    assert_int_equal(mq_optimizer_create(&o, &opts, (size_t[]){ N, M }, 2, threads, NULL), MQ_OK);
    for (int step = 0; step < 3; step++) {
        for (size_t i = 0; i < N + M; i++)
            g[i] = rng_float(&seed);
        assert_int_equal(mq_optimizer_step(o, params, grads, 0.01, NULL, NULL), MQ_OK);
    }
    assert_int_equal(mq_optimizer_steps(o), 3);
    mq_optimizer_free(o);
    free(g);
}

static void same_bytes(void **state)
{
    float *a = malloc((N + M) * sizeof *a), *b = malloc((N + M) * sizeof *b);

    (void)state;
    assert_true(a && b);
    for (int k = 0; k < MQ_N_OPTIMIZERS; k++) {
        run((mq_optimizer_kind)k, 1, a);
        run((mq_optimizer_kind)k, 3, b);
        assert_memory_equal(a, b, (N + M) * sizeof *a);
#ifdef __x86_64__
        mq_isa_limit(MQ_ISA_SSE41);
        run((mq_optimizer_kind)k, 1, b);
        mq_isa_limit(MQ_ISA_NATIVE);
        assert_memory_equal(a, b, (N + M) * sizeof *a);
#endif
    }
    free(a);
    free(b);
}

static void norm_of_all(void **state)
{
    float p[2] = { 0, 0 }, *const params[] = { p, p + 1 };
    const float g[2] = { 3, -4 }, *const grads[] = { g, g + 1 }, bad[2] = { 1, NAN }, *const none[] = { bad, bad + 1 };
    mq_optimizer_opts opts = mq_optimizer_opts_default(MQ_OPTIMIZER_SGD);
    mq_optimizer *o;
    mq_error err;
    double norm;

    (void)state;
    assert_int_equal(mq_optimizer_create(&o, &opts, (size_t[]){ 1, 1 }, 2, 2, NULL), MQ_OK);
    assert_int_equal(mq_optimizer_step(o, params, grads, 1, &norm, NULL), MQ_OK);
    assert_true(norm == 5 && p[0] == -3 && p[1] == 4);
    assert_int_equal(mq_optimizer_step(o, params, none, 1, &norm, &err), MQ_ERR_INPUT);
    assert_true(isnan(norm) && p[0] == -3 && p[1] == 4 && mq_optimizer_steps(o) == 1);
    mq_optimizer_free(o);
}

static void refused(void **state)
{
    mq_optimizer_opts bad[5];
    mq_optimizer_kind kind;
    mq_optimizer *o = NULL;

    (void)state;
    for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++)
        bad[i] = mq_optimizer_opts_default(MQ_OPTIMIZER_ADAM);
    bad[0].beta1 = 1;
    bad[1].momentum = -0.1;
    bad[2].weight_decay = NAN;
    bad[3].clip = -1;
    bad[4].epsilon = INFINITY;
    for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++)
        assert_int_equal(mq_optimizer_create(&o, &bad[i], (size_t[]){ 1 }, 1, 1, NULL), MQ_ERR_USAGE);
    assert_int_equal(mq_optimizer_create(&o, &(mq_optimizer_opts){ 0 }, (size_t[]){ SIZE_MAX, 2 }, 2, 1, NULL),
                     MQ_ERR_NOMEM);
    assert_null(o);
    assert_false(mq_optimizer_find("Adam", &kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_torch),
        cmocka_unit_test(same_bytes),
        cmocka_unit_test(norm_of_all),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
