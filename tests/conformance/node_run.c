/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Runs ONNX test folders in the engine, by the rooms' own interfaces: node_run [--reference] FOLDER... A line per folder:
 * "ok", "refused REASON" or "WRONG REASON". Exit 1 when one is wrong. What users call is `mq check --tests`. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exec/compare.h"
#include "exec/exec.h"
#include "model/tensor_file.h"
#include "mq/model.h"

#define MAX_IO 64

static void tolerance(const char *dir, double *rtol, double *atol)
{
    char path[4096];
    FILE *f;

    *rtol = 1e-3;
    *atol = 1e-7;
    snprintf(path, sizeof path, "%s/tol.txt", dir);
    if ((f = fopen(path, "r"))) {
        if (fscanf(f, "%lf %lf", rtol, atol) != 2)
            fprintf(stderr, "%s is not readable\n", path);
        fclose(f);
    }
}

static mq_status load(mq_model *m, const char *dir, const char *set, const char *what, size_t i, const mq_type *t, mq_array **out,
                      mq_error *err)
{
    char path[4096];
    mq_datum *d;
    mq_status rc;

    snprintf(path, sizeof path, "%s/%s/%s_%zu.pb", dir, set, what, i);
    if (access(path, R_OK) != 0) {
        *out = NULL;
        return MQ_OK;
    }
    if ((rc = mq_datum_load(m, path, t, &d, err)) != MQ_OK)
        return rc;
    return mq_array_of_datum(out, d, err);
}

static mq_status run_set(mq_plan *p, mq_model *m, const char *dir, const char *set, mq_error *err)
{
    mq_runner *r = NULL;
    mq_array *in[MAX_IO] = { 0 }, *out[MAX_IO] = { 0 }, *want = NULL;
    double rtol, atol;
    mq_status rc;

    tolerance(dir, &rtol, &atol);
    MQ_TRY(mq_runner_create(&r, p, 2, err));
    for (size_t i = 0; i < mq_plan_n_inputs(p) && i < MAX_IO; i++)
        MQ_TRY(load(m, dir, set, "input", i, mq_plan_input(p, i)->declared, &in[i], err));
    MQ_TRY(mq_runner_run(r, in, out, err));
    for (size_t i = 0; i < mq_plan_n_outputs(p) && i < MAX_IO; i++) {
        mq_compare c = { 0 };

        MQ_TRY(load(m, dir, set, "output", i, mq_plan_output(p, i)->declared, &want, err));
        if (!want)
            continue;
        if ((rc = mq_compare_add(&c, out[i], want, rtol, atol, err)) != MQ_OK || c.outside) {
            if (rc == MQ_OK)
                mq_fail(err, MQ_OK, "output %zu: %llu of %llu elements differ, first at %llu: %g, not %g", i,
                        (unsigned long long)c.outside, (unsigned long long)c.count, (unsigned long long)c.first, c.first_a,
                        c.first_b);
            rc = MQ_ERR_USAGE;
            goto done;
        }
        mq_array_unref(want);
        want = NULL;
    }
done:
    for (size_t i = 0; i < MAX_IO; i++) {
        mq_array_unref(in[i]);
        mq_array_unref(out[i]);
    }
    mq_array_unref(want);
    mq_runner_free(r);
    return rc;
}

static int run_folder(const char *dir, const mq_plan_opts *opts)
{
    char path[4096], set[64];
    mq_error err = { 0 };
    mq_model *m = NULL;
    mq_plan *p = NULL;
    mq_status rc;

    snprintf(path, sizeof path, "%s/model.onnx", dir);
    MQ_TRY(mq_model_load(&m, path, &err));
    MQ_TRY(mq_plan_create(&p, m, opts, NULL, &err));
    for (int i = 0; rc == MQ_OK; i++) {
        snprintf(set, sizeof set, "test_data_set_%d", i);
        snprintf(path, sizeof path, "%s/%s", dir, set);
        if (access(path, R_OK) != 0)
            break;
        rc = run_set(p, m, dir, set, &err);
    }
done:
    printf("%s %s%s%s\n", dir, rc == MQ_OK ? "ok" : rc == MQ_ERR_UNSUPPORTED ? "refused" : "WRONG", rc == MQ_OK ? "" : " ",
           rc == MQ_OK ? "" : err.text);
    fflush(stdout);
    mq_plan_free(p);
    mq_model_free(m);
    return rc != MQ_OK && rc != MQ_ERR_UNSUPPORTED;
}

int main(int argc, char **argv)
{
    mq_plan_opts opts = { 0 };
    int bad = 0;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--reference") == 0)
            opts.reference = true;
        else
            bad |= run_folder(argv[i], &opts);
    }
    return bad;
}
