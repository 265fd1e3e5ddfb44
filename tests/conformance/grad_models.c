/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of whole models compared with torch's: grad_models FILE... A file is a model as scripts/make_grad_truth.py
 * writes it: one output, the loss; inputs with values of their own; beside a weight NAME an initializer NAME.grad. Each
 * weight is made an input of the graph, as in training. With the engine's own kernels and with the reference ones, with one
 * thread and with two, which must give the same bytes: || g - g' || <= 1e-4 || g' || for each weight, 1e-4 || all g' || for
 * those whose gradient is nothing but rounding (a bias in front of BatchNormalization). A line per file comes out. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "exec/exec.h"
#include "mq/model.h"
#include "ops/ops.h"
#include "train/grad.h"

#define BOUND 1e-4
#define TINY 1e-6 /* of all gradients together: such a one says nothing */

typedef struct weight {
    const char *name;
    float *truth;
    size_t count;
    mq_value *value, *grad;
} weight;

typedef struct job {
    mq_model *m;
    weight *weights;
    size_t n;
    double size; /* of all gradients together, squared */
    double worst;
    mq_error err;
} job;

static double squares(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const double d = (double)a[i] - (b ? (double)b[i] : 0);

        sum += d * d;
    }
    return sum;
}

/* The weights of the file, and what torch says. */
static mq_status find_truth(job *j)
{
    mq_graph *g = j->m->graph;
    mq_status rc = MQ_OK;

    if (!(j->weights = calloc(g->inits.n + 1, sizeof *j->weights)))
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < g->inits.n && rc == MQ_OK; i++) {
        mq_value *v = g->inits.items[i], *truth;
        char name[512];
        weight *w;

        snprintf(name, sizeof name, "%s.grad", v->name);
        if (!(truth = mq_graph_find_here(g, name)) || !truth->init)
            continue;
        w = &j->weights[j->n++];
        *w = (weight){ .name = v->name, .count = (size_t)mq_tensor_count(truth->init), .value = v };
        if (!(w->truth = malloc((w->count + 1) * sizeof *w->truth)))
            return MQ_ERR_NOMEM;
        rc = mq_tensor_read_f32(truth->init, 0, w->count, w->truth, &j->err);
        j->size += rc == MQ_OK ? squares(w->truth, NULL, w->count) : 0;
    }
    return rc;
}

static mq_status append(job *j)
{
    mq_graph *g = j->m->graph;
    mq_value **wrt = calloc(j->n + 1, sizeof *wrt), **out = calloc(j->n + 1, sizeof *out);
    const mq_grad_opts opts = { .batch_stats = true };
    mq_status rc = wrt && out ? MQ_OK : MQ_ERR_NOMEM;

    for (size_t i = 0; i < j->n && rc == MQ_OK; i++)
        if (!j->weights[i].value->is_input)
            rc = mq_graph_add_input(g, j->weights[i].value, &j->err);
    if (rc == MQ_OK)
        rc = mq_grad_prepare(j->m, &opts, NULL, &j->err);
    for (size_t i = 0; i < j->n && rc == MQ_OK; i++) /* raising the opset may have made it anew */
        wrt[i] = mq_graph_find_here(g, j->weights[i].name);
    if (rc == MQ_OK)
        rc = mq_grad_append(g, g->outputs.items[0], wrt, j->n, out, &j->err);
    for (size_t i = 0; i < j->n && rc == MQ_OK; i++) {
        j->weights[i].grad = out[i];
        rc = out[i] ? mq_graph_add_output(g, out[i], &j->err) : MQ_ERR_INPUT;
    }
    free(wrt);
    free(out);
    return rc;
}

static mq_status run(job *j, bool reference, int threads, mq_array **out)
{
    const mq_plan_opts opts = { .reference = reference };
    mq_plan *plan = NULL;
    mq_runner *runner = NULL;
    mq_array **in = calloc(j->m->graph->inputs.n + 1, sizeof *in); /* every input has a value of its own */
    mq_status rc = in ? mq_plan_create(&plan, j->m, &opts, NULL, &j->err) : MQ_ERR_NOMEM;

    if (rc == MQ_OK)
        rc = mq_runner_create(&runner, plan, threads, &j->err);
    for (int i = 0; i < 2 && rc == MQ_OK; i++) { /* the second run finds states and packed weights of the first */
        for (size_t k = 0; k <= j->n; k++) {
            mq_array_unref(out[k]);
            out[k] = NULL;
        }
        rc = mq_runner_run(runner, in, out, &j->err);
    }
    mq_runner_free(runner);
    mq_plan_free(plan);
    free(in);
    return rc;
}

static bool compare(job *j, mq_array *const *out, const char *path)
{
    bool ok = true;

    for (size_t i = 0; i < j->n; i++) {
        const weight *w = &j->weights[i];
        const mq_array *got = out[1 + i];
        double size, d;

        if (got->count != w->count) {
            printf("WRONG %s: the gradient of '%s' has %zu elements\n", path, w->name, got->count);
            return false;
        }
        size = squares(w->truth, NULL, w->count);
        size = size < TINY * TINY * j->size ? j->size : size;
        d = sqrt(squares(got->data, w->truth, w->count) / size);
        j->worst = fmax(j->worst, d);
        if (d <= BOUND)
            continue;
        printf("WRONG %s: the gradient of '%s' is off by %.3g\n", path, w->name, d);
        ok = false;
    }
    return ok;
}

static bool same_bytes(const job *j, mq_array *const *a, mq_array *const *b)
{
    for (size_t i = 0; i <= j->n; i++)
        if (mq_array_bytes(a[i]) != mq_array_bytes(b[i]) || memcmp(a[i]->data, b[i]->data, mq_array_bytes(a[i])) != 0)
            return false;
    return true;
}

static mq_status check(job *j, const char *path, bool *ok)
{
    static const struct { bool reference; int threads; } ways[] = { { true, 1 }, { false, 1 }, { false, 2 } };
    mq_array **out[MQ_ARRAY_LEN(ways)] = { NULL };
    mq_status rc = mq_model_load(&j->m, path, &j->err);

    if (rc == MQ_OK)
        rc = find_truth(j);
    if (rc == MQ_OK)
        rc = append(j);
    for (size_t i = 0; i < MQ_ARRAY_LEN(ways) && rc == MQ_OK; i++) {
        if (!(out[i] = calloc(j->n + 1, sizeof *out[i])))
            rc = MQ_ERR_NOMEM;
        else if ((rc = run(j, ways[i].reference, ways[i].threads, out[i])) == MQ_OK)
            *ok = compare(j, out[i], path) && *ok;
    }
    if (rc == MQ_OK && !same_bytes(j, out[1], out[2])) {
        printf("WRONG %s: one thread and two do not give the same bytes\n", path);
        *ok = false;
    }
    for (size_t i = 0; i < MQ_ARRAY_LEN(ways); i++) {
        for (size_t k = 0; out[i] && k <= j->n; k++)
            mq_array_unref(out[i][k]);
        free(out[i]);
    }
    return rc;
}

int main(int argc, char **argv)
{
    int bad = 0;

    for (int i = 1; i < argc; i++) {
        job j = { 0 };
        bool ok = true;
        const mq_status rc = check(&j, argv[i], &ok);

        if (rc != MQ_OK || !j.n)
            printf("FAILED %s: %s\n", argv[i], rc == MQ_OK ? "no gradients in it" : j.err.text);
        else if (ok)
            printf("ok %s: %zu tensors, worst %.2g\n", argv[i], j.n, j.worst);
        bad += rc != MQ_OK || !j.n || !ok;
        mq_model_free(j.m);
        for (size_t k = 0; k < j.n; k++)
            free(j.weights[k].truth);
        free(j.weights);
    }
    return bad > 0;
}
