/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Uses the library: loads a model, checks it, quantizes its weights, prints what was done. Warnings and progress come
 * through hooks. Build: see the Makefile beside. */
#include <mq/mq.h>

#include <stdio.h>
#include <stdlib.h>

static void on_warning(void *user, const mq_warning *warning)
{
    (void)user;
    fprintf(stderr, "warning: %s [%s]\n", warning->text, warning->code);
}

/* Called often: the receiver decides what to show. */
static void on_progress(void *user, const char *step, uint64_t done, uint64_t total)
{
    int *shown = user, percent = total ? (int)(100.0 * (double)done / (double)total) : 100;

    if (percent != *shown)
        fprintf(stderr, "%s: %d%%\n", step, percent);
    *shown = percent;
}

/* Prints what is wrong with a model; *ok: nothing that matters. */
static mq_status check(const char *path, const mq_hooks *hooks, bool *ok, mq_error *err)
{
    mq_model *model = NULL;
    mq_check_result *result = NULL;
    mq_status rc = mq_model_load(&model, path, err);

    if (rc == MQ_OK)
        rc = mq_check(model, NULL, NULL, hooks, &result, err);
    if (rc == MQ_OK) {
        for (size_t i = 0; i < result->n_findings; i++)
            printf("%s: %s [%s]\n", result->findings[i].place, result->findings[i].text, result->findings[i].code);
        *ok = result->ok;
    }
    mq_check_result_free(result);
    mq_model_free(model);
    return rc;
}

static mq_status quantize(const char *input, const char *output, const mq_hooks *hooks, mq_error *err)
{
    mq_quantize_opts opts = mq_quantize_opts_default();
    mq_report *report = NULL;
    char *text = NULL;
    mq_status rc = mq_report_create(&report, "quantize", err);

    opts.save.force = true;
    opts.bounds.limits.max_size_ratio = 0.5; /* a bound: when it is missed, nothing is put in place */
    if (rc == MQ_OK)
        rc = mq_quantize_file(input, output, &opts, report, hooks, err);
    if (rc == MQ_OK)
        rc = mq_report_render(report, MQ_REPORT_TEXT, &text, err);
    if (rc == MQ_OK)
        fputs(text, stdout);
    if (rc == MQ_OK && mq_report_n_missed(report) > 0) {
        rc = err->status = MQ_ERR_UNSUPPORTED;
        mq_report_missed_bound(report, 0, err->text, sizeof err->text);
    }
    free(text);
    mq_report_free(report);
    return rc;
}

int main(int argc, char **argv)
{
    int shown = -1;
    mq_hooks hooks = { .user = &shown, .warn = on_warning, .progress = on_progress };
    mq_error err = { 0 };
    bool ok = false;
    mq_status rc;

    if (argc != 3) {
        fprintf(stderr, "usage: quantize MODEL OUTPUT\n");
        return 2;
    }
    printf("mq %s\n", mq_version());
    rc = check(argv[1], &hooks, &ok, &err);
    if (rc == MQ_OK && ok)
        rc = quantize(argv[1], argv[2], &hooks, &err);
    if (rc != MQ_OK)
        fprintf(stderr, "error: %s (%s)\n", err.text, mq_status_name(rc));
    return rc == MQ_OK && ok ? 0 : 1;
}
