/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Fuzz target: a small random graph, run by reference kernels alone, with the engine's passes, and with fast kernels
 * too. Nothing may crash, what the reference can run the others can, and results agree.
 *
 * How far they may be apart is measured: the reference runs again with every tensor changed by a few units in the last
 * place, as other roundings would. Nothing is said about results when something on the way is not finite or huge.
 * Built without a fuzzer (MQ_REPLAY) it is a program that runs saved inputs. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec.h"
#include "lib/rng.h"
#include "make_graph.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NOISY_RUNS = 3 };

/* Beyond this a product or square may not be finite any more in one order of sums, and still be in another. */
#define LIMIT 1e12

typedef struct noise {
    uint64_t random;
    bool on;
    bool wild;   /* something was not finite, or huge */
    double most; /* the largest number seen */
} noise;

static _Noreturn void broken(const made *g, const char *promise, const char *detail)
{
    char *text = mq_model_dump(g->model);

    fprintf(stderr, "fuzz: broken promise: %s: %s\n%s\n", promise, detail, text ? text : "");
    abort();
}

/* ---- noise -------------------------------------------------------------------------------------------------------- */

/* x moved by 1 to 4 units in the last place, when it is a normal number. */
static float shake(noise *s, float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    if ((bits >> 23 & 0xff) == 0 || (bits >> 23 & 0xff) >= 0xfe)
        return x;
    bits += (uint32_t)rng_below(&s->random, 9) - 4;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static void shake_array(noise *s, mq_array *a)
{
    const double limit = a->dtype == MQ_FLOAT16 ? 3e4 : LIMIT;

    for (size_t i = 0; a->kind == MQ_TYPE_TENSOR && i < a->count; i++) {
        const double v = mq_array_f64(a, i);

        s->wild |= !(fabs(v) < limit);
        s->most = fmax(s->most, fabs(v));
        if (!s->on)
            continue;
        if (a->dtype == MQ_FLOAT)
            ((float *)a->data)[i] = shake(s, (float)v);
        else if (a->dtype == MQ_DOUBLE)
            ((double *)a->data)[i] = v * (1 + 0x1p-50 * (double)rng_float(&s->random));
        else if (a->dtype == MQ_FLOAT16 && fabs(v) > 1e-4 && fabs(v) < limit)
            ((uint16_t *)a->data)[i] = (uint16_t)(((uint16_t *)a->data)[i] + rng_below(&s->random, 3) - 1);
    }
}

static mq_status on_tensor(void *user, const mq_value *value, mq_array *a, mq_error *err)
{
    noise *s = user;

    (void)value;
    (void)err;
    shake_array(s, a);
    return MQ_OK;
}

/* ---- runs --------------------------------------------------------------------------------------------------------- */

typedef struct result {
    mq_status rc;
    mq_error err;
    mq_array *out[MADE_MAX];
    size_t n;
} result;

static void result_release(result *r)
{
    for (size_t i = 0; i < r->n; i++)
        mq_array_unref(r->out[i]);
}

/* Runs the graph; a second time with the same runner when `twice`, with the same bytes. noise may be NULL. */
static result run(const made *g, const mq_plan_opts *opts, mq_array *const *in, noise *s, bool twice)
{
    result r = { 0 }, again = { 0 };
    mq_runner *runner = NULL;
    mq_plan *plan = NULL;

    r.rc = mq_plan_create(&plan, g->model, opts, NULL, &r.err);
    if (r.rc == MQ_OK)
        r.rc = mq_runner_create(&runner, plan, 2, &r.err);
    if (r.rc == MQ_OK && s)
        mq_runner_watch(runner, on_tensor, s);
    if (r.rc == MQ_OK)
        r.rc = mq_runner_run(runner, in, r.out, &r.err);
    if (r.rc == MQ_OK) {
        r.n = g->model->graph->outputs.n;
        if (twice && mq_runner_run(runner, in, again.out, &again.err) != MQ_OK)
            broken(g, "a plan can be run twice", again.err.text);
        again.n = twice ? r.n : 0;
        for (size_t i = 0; i < again.n; i++)
            if (memcmp(r.out[i]->data, again.out[i]->data, mq_array_bytes(r.out[i])) != 0)
                broken(g, "two runs have the same bytes", g->model->graph->outputs.items[i]->name);
        result_release(&again);
    } else if (!r.err.text[0]) {
        broken(g, "a failure has a sentence", "");
    }
    mq_runner_free(runner);
    mq_plan_free(plan);
    return r;
}

/* The reference with noise everywhere. */
static result noisy_run(const made *g, noise *s)
{
    const mq_plan_opts opts = { .reference = true, .keep_all = true };
    mq_array *in[MADE_MAX] = { NULL };
    result r;

    for (size_t i = 0; i < g->n_in; i++) {
        if (mq_array_copy(&in[i], g->in[i], NULL) != MQ_OK)
            exit(2);
        shake_array(s, in[i]);
    }
    r = run(g, &opts, in, s, false);
    for (size_t i = 0; i < g->n_in; i++)
        mq_array_unref(in[i]);
    return r;
}

/* ---- comparing ---------------------------------------------------------------------------------------------------- */

static bool same_type(const mq_array *a, const mq_array *b)
{
    return a->kind == b->kind && a->dtype == b->dtype && a->rank == b->rank && a->count == b->count &&
           memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

/* Output i of `other` against the reference; noisy: NOISY_RUNS of them. What cancels to nothing in one kernel need not
 * in another: `scale` is the size of numbers on the way, at most 1. */
static void compare(const made *g, size_t i, const result *ref, const result *noisy, double scale, const result *other,
                    const char *what)
{
    const mq_array *a = ref->out[i], *b = other->out[i];
    double top = 0, most = 0;
    char text[200];

    for (size_t k = 0; k < a->count; k++) {
        const double v = mq_array_f64(a, k);

        top = fmax(top, fabs(v));
        for (int n = 0; n < NOISY_RUNS; n++)
            most = fmax(most, fabs(mq_array_f64(noisy[n].out[i], k) - v));
    }
    for (size_t k = 0; k < a->count; k++) {
        const double v = mq_array_f64(a, k), d = fabs(mq_array_f64(b, k) - v);
        double move = 0;

        for (int n = 0; n < NOISY_RUNS; n++)
            move = fmax(move, fabs(mq_array_f64(noisy[n].out[i], k) - v));
        if (!(d <= 64 * move + 2 * most + 1e-5 * fabs(v) + 1e-6 * top + 4e-6 * scale)) {
            snprintf(text, sizeof text, "%s: output %zu element %zu: %.9g, the reference has %.9g (noise %g)", what, i, k,
                     mq_array_f64(b, k), v, move);
            broken(g, "results agree", text);
        }
    }
}

/* noisy NULL: results are not compared. */
static void check(const made *g, const mq_plan_opts *opts, const result *ref, const result *noisy, double scale,
                  const char *what)
{
    result r = run(g, opts, g->in, NULL, true);

    if (ref->rc == MQ_OK && r.rc != MQ_OK && r.rc != MQ_ERR_NOMEM)
        broken(g, "what reference kernels run, the others run", r.err.text);
    for (size_t i = 0; ref->rc == MQ_OK && r.rc == MQ_OK && i < ref->n; i++) {
        if (!same_type(ref->out[i], r.out[i]))
            broken(g, "results have the same types and shapes", what);
        if (noisy)
            compare(g, i, ref, noisy, scale, &r, what);
    }
    result_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const mq_plan_opts reference = { .reference = true }, passes = { .no_fast = true }, fast = { 0 };
    noise quiet = { 0 }, loud = { .on = true, .random = size };
    result noisy[NOISY_RUNS] = { 0 }, ref;
    bool comparable;
    made g;

    made_init(&g, data, size);
    ref = run(&g, &reference, g.in, NULL, false);
    comparable = ref.rc == MQ_OK;
    if (comparable) {
        result watched = noisy_run(&g, &quiet);

        result_release(&watched);
    }
    for (int i = 0; i < NOISY_RUNS && comparable && !quiet.wild; i++) {
        noisy[i] = noisy_run(&g, &loud);
        comparable = noisy[i].rc == MQ_OK;
    }
    comparable = comparable && !quiet.wild && !loud.wild;
    check(&g, &passes, &ref, comparable ? noisy : NULL, fmin(quiet.most, 1), "with passes");
    check(&g, &fast, &ref, comparable ? noisy : NULL, fmin(quiet.most, 1), "with fast kernels");
    for (int i = 0; i < NOISY_RUNS; i++)
        result_release(&noisy[i]);
    result_release(&ref);
    made_release(&g);
    return 0;
}

#ifdef MQ_REPLAY
#include "replay.h"
#endif
