/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* ONNX test folders: model.onnx and test_data_set_N with inputs and expected outputs, as ONNX's own backend tests are
 * stored. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/compiler.h"
#include "exec/compare.h"
#include "exec/exec.h"
#include "model/tensor_file.h"
#include "mq/run.h"
#include "report/report.h"

#define PATH_SIZE 4096
#define BF16_RTOL 0x1p-6 /* two units of bfloat16's last place: the least that ONNX's own runner asks of such outputs */

typedef struct job {
    const mq_tests_opts *opts;
    mq_report *report;
    const mq_hooks *hooks;
    mq_tests_summary *sum;
    mq_plan *plan;
    mq_model *data; /* holds what was read from .pb files */
    double rtol, atol;
    bool is_random; /* the model draws random numbers */
    mq_array **in, **out;
    char differs[2 * MQ_ERROR_SIZE]; /* the first difference; "" none */
} job;

static bool exists(const char *path)
{
    return access(path, R_OK) == 0;
}

static void find_tolerance(job *j, const char *folder)
{
    char path[PATH_SIZE];
    FILE *f;

    j->rtol = 1e-3;
    j->atol = 1e-7;
    if (j->opts->has_tolerance) {
        j->rtol = j->opts->rtol;
        j->atol = j->opts->atol;
        return;
    }
    snprintf(path, sizeof path, "%s/tol.txt", folder);
    if ((f = fopen(path, "r"))) {
        double rtol, atol;

        if (fscanf(f, "%lf %lf", &rtol, &atol) == 2) {
            j->rtol = rtol;
            j->atol = atol;
        }
        fclose(f);
    }
}

static bool io_path(char path[PATH_SIZE], const char *set, const char *what, size_t i)
{
    return snprintf(path, PATH_SIZE, "%s/%s_%zu.pb", set, what, i) < PATH_SIZE && exists(path);
}

static mq_status load(job *j, const char *path, const mq_value *v, mq_datum **d, mq_error *err)
{
    mq_note_file(j->hooks, path, false);
    return mq_datum_load(j->data, path, v->declared ? v->declared : v->type, d, err);
}

/* The input that has the name in the file; else the next one without a default, as ONNX's own runner counts. */
static size_t find_input(const job *j, const char *name, size_t *next)
{
    const size_t n = mq_plan_n_inputs(j->plan);

    for (size_t i = 0; i < n; i++)
        if (strcmp(mq_plan_input(j->plan, i)->name, name) == 0)
            return i;
    while (*next < n && (mq_plan_input_optional(j->plan, *next) || j->in[*next]))
        ++*next;
    return *next;
}

/* A file is read as the type of the input it feeds, which its name says: read as a tensor first, for the name alone. */
static mq_status load_inputs(job *j, const char *set, mq_error *err)
{
    const size_t n = mq_plan_n_inputs(j->plan);
    char path[PATH_SIZE];
    size_t next = 0;
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && io_path(path, set, "input", i); i++) {
        const mq_value *likely = mq_plan_input(j->plan, i < n ? i : 0);
        mq_datum *d;
        size_t at;

        if (n == 0)
            return mq_fail(err, MQ_ERR_INPUT, "'%s' is there, but the model has no input", path);
        if ((rc = load(j, path, likely, &d, err)) != MQ_OK)
            break;
        at = find_input(j, d->name, &next);
        if (at == n)
            return mq_fail(err, MQ_ERR_INPUT, "'%s' feeds no input: the model has %zu", path, n);
        if (mq_plan_input(j->plan, at) != likely)
            rc = load(j, path, mq_plan_input(j->plan, at), &d, err);
        if (rc == MQ_OK)
            rc = mq_array_of_datum(&j->in[at], d, err);
    }
    return rc;
}

static mq_status compare_output(job *j, const char *set, size_t i, mq_error *err)
{
    const mq_value *v = mq_plan_output(j->plan, i);
    mq_compare c = { 0 };
    double rtol = j->rtol;
    mq_array *want = NULL;
    mq_error why = { 0 };
    char path[PATH_SIZE];
    mq_datum *d;
    mq_status rc;

    if (!io_path(path, set, "output", i))
        return MQ_OK;
    if ((rc = load(j, path, v, &d, err)) != MQ_OK || (rc = mq_array_of_datum(&want, d, err)) != MQ_OK)
        return rc;
    if (want->dtype == MQ_BFLOAT16 && !j->opts->has_tolerance && rtol < BF16_RTOL)
        rtol = BF16_RTOL;
    if ((rc = mq_compare_add(&c, j->out[i], want, rtol, j->atol, &why)) == MQ_ERR_INPUT) {
        snprintf(j->differs, sizeof j->differs, "output '%s': %s", v->name, why.text);
        rc = MQ_OK;
    } else if (c.outside) {
        snprintf(j->differs, sizeof j->differs,
                 "output '%s': %llu of %llu elements differ by more than %g + %g*|expected|; element %llu is %g, not %g",
                 v->name, (unsigned long long)c.outside, (unsigned long long)c.count, j->atol, rtol,
                 (unsigned long long)c.first, c.first_a, c.first_b);
    }
    mq_array_unref(want);
    return rc;
}

static mq_status run_set(job *j, const char *set, mq_error *err)
{
    const size_t n_in = mq_plan_n_inputs(j->plan), n_out = mq_plan_n_outputs(j->plan);
    mq_runner *r = NULL;
    mq_status rc;

    j->in = calloc(n_in + 1, sizeof *j->in);
    j->out = calloc(n_out + 1, sizeof *j->out);
    if (!j->in || !j->out)
        MQ_TRY(mq_oom(err));
    MQ_TRY(mq_runner_create(&r, j->plan, j->hooks ? j->hooks->n_threads : 0, err));
    MQ_TRY(load_inputs(j, set, err));
    MQ_TRY(mq_runner_run(r, j->in, j->out, err));
    for (size_t i = 0; i < n_out && !*j->differs; i++)
        MQ_TRY(compare_output(j, set, i, err));
done:
    for (size_t i = 0; j->in && i < n_in; i++)
        mq_array_unref(j->in[i]);
    for (size_t i = 0; j->out && i < n_out; i++)
        mq_array_unref(j->out[i]);
    free(j->in);
    free(j->out);
    mq_runner_free(r);
    return rc;
}

/* Does a node of the graph, of a subgraph or of a function draw random numbers? Dropout does in training only. */
static bool draws_random(const mq_model *m)
{
    static const char *const names[] = { "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike",
                                         "RandomUniform", "RandomUniformLike", "Dropout" };

    for (size_t i = 0; i < m->graphs.n; i++)
        for (const mq_node *n = m->graphs.items[i]->first; n; n = n->next)
            for (size_t k = 0; k < MQ_ARRAY_LEN(names); k++)
                if (!*mq_domain_norm(n->domain) && strcmp(n->op_type, names[k]) == 0)
                    return k + 1 < MQ_ARRAY_LEN(names) || n->n_inputs > 2; /* Dropout: with training_mode */
    return false;
}

static mq_status run_folder(job *j, const char *folder, mq_error *err)
{
    const mq_plan_opts opts = { .reference = j->opts->reference };
    char path[PATH_SIZE];
    mq_model *m = NULL;
    mq_status rc;

    find_tolerance(j, folder);
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    MQ_TRY(mq_model_load(&m, path, err));
    j->is_random = draws_random(m);
    MQ_TRY(mq_model_create(&j->data, err));
    MQ_TRY(mq_plan_create(&j->plan, m, &opts, j->hooks, err));
    for (int i = 0; !*j->differs; i++) {
        snprintf(path, sizeof path, "%s/test_data_set_%d", folder, i);
        if (!exists(path))
            break;
        MQ_TRY(run_set(j, path, err));
    }
done:
    mq_plan_free(j->plan);
    mq_model_free(j->data);
    mq_model_free(m);
    j->plan = NULL;
    j->data = NULL;
    return rc;
}

static mq_test_outcome judge(job *j, mq_status rc)
{
    if (rc == MQ_ERR_UNSUPPORTED)
        return j->sum->n_unsupported++, MQ_TEST_UNSUPPORTED;
    if (rc != MQ_OK)
        return j->sum->n_broken++, MQ_TEST_BROKEN;
    if (*j->differs && j->is_random)
        return j->sum->n_random++, MQ_TEST_RANDOM;
    if (*j->differs)
        return j->sum->n_differs++, MQ_TEST_DIFFERS;
    return j->sum->n_equal++, MQ_TEST_EQUAL;
}

static mq_status test_folder(job *j, const char *folder, mq_error *err)
{
    static const char *const codes[] = { "", "test-differs", "test-unsupported", "test-broken", "test-random" };
    mq_error why = { 0 };
    mq_test_outcome o;
    mq_status rc;

    *j->differs = '\0';
    j->is_random = false;
    rc = run_folder(j, folder, &why);
    if (rc == MQ_ERR_NOMEM || rc == MQ_ERR_CANCELLED) {
        *err = why;
        return rc;
    }
    o = judge(j, rc);
    if (o != MQ_TEST_EQUAL)
        mq_report_add_finding(j->report, o == MQ_TEST_DIFFERS || o == MQ_TEST_BROKEN ? MQ_REPORT_ERROR : MQ_REPORT_WARNING,
                              codes[o], folder, rc == MQ_OK ? j->differs : why.text);
    if (j->opts->outcome)
        j->opts->outcome(j->opts->user, folder, o, rc == MQ_OK ? j->differs : why.text);
    return MQ_OK;
}

static bool is_test(const char *folder)
{
    char path[PATH_SIZE];

    return snprintf(path, sizeof path, "%s/model.onnx", folder) < PATH_SIZE && exists(path);
}

static mq_status test_each(job *j, const char *folder, mq_error *err)
{
    struct dirent **list = NULL;
    char path[PATH_SIZE];
    int n = scandir(folder, &list, NULL, alphasort);
    size_t found = 0;
    mq_status rc = n < 0 ? mq_fail_errno(err, MQ_ERR_INPUT, "read the folder", folder) : MQ_OK;

    for (int i = 0; i < n; i++) {
        const bool fits = snprintf(path, sizeof path, "%s/%s", folder, list[i]->d_name) < PATH_SIZE;

        if (rc == MQ_OK && fits && list[i]->d_name[0] != '.' && is_test(path)) {
            found++;
            if ((rc = mq_check_cancelled(j->hooks, err)) == MQ_OK)
                rc = test_folder(j, path, err);
            mq_progress(j->hooks, "test", (uint64_t)i + 1, (uint64_t)n);
        }
        free(list[i]);
    }
    free(list);
    if (rc == MQ_OK && !found)
        rc = mq_fail(err, MQ_ERR_INPUT, "'%s' holds no test: a test is a folder with model.onnx and test_data_set_0",
                     folder);
    return rc;
}

static void fill_report(mq_report *report, const mq_tests_summary *sum)
{
    json_t *o = mq_report_section(report, "tests");

    mq_report_put_int(report, o, "equal", (int64_t)sum->n_equal);
    mq_report_put_int(report, o, "different", (int64_t)sum->n_differs);
    mq_report_put_int(report, o, "broken", (int64_t)sum->n_broken);
    mq_report_put_int(report, o, "unsupported", (int64_t)sum->n_unsupported);
    mq_report_put_int(report, o, "random", (int64_t)sum->n_random);
}

mq_status mq_check_tests(const char *folder, const mq_tests_opts *opts, mq_report *report, const mq_hooks *hooks,
                         mq_tests_summary *out, mq_error *err)
{
    job j = { .opts = opts, .report = report, .hooks = hooks, .sum = out };

    mq_status rc;

    *out = (mq_tests_summary){ 0 };
    rc = is_test(folder) ? test_folder(&j, folder, err) : test_each(&j, folder, err);
    if (rc != MQ_OK)
        return rc;
    fill_report(report, out);
    return mq_report_status(report, err);
}
