/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq check: is a model valid. Prints one line per finding and a line that sums up, on standard output: they are
 * what was asked for. What is looked at, and how it is judged, is the library's (mq/check.h). */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/session.h"
#include "cli/text.h"
#include "commands.h"
#include "mq/check.h"

static const cli_opt takes[] = { OPT_TARGET, OPT_NONE };

static void print_finding(cli_session *s, const mq_finding *f)
{
    bool is_error = f->severity == MQ_SEVERITY_ERROR;
    char line[MQ_ERROR_SIZE + 512];

    snprintf(line, sizeof line, "%s%s%s", f->place, *f->place ? ": " : "", f->text);
    if (is_error)
        cli_annotate_error(s, line);
    if (cli_stdout_taken(s) || (cli_get(s, OPT_QUIET)->on && !is_error))
        return;
    printf("%s: %s: ", s->file, is_error ? "error" : "warning");
    cli_put_safe(stdout, line);
    printf(" [%s]\n", f->code);
}

static void print_count(size_t n, const char *what)
{
    printf("%zu %s%s", n, what, n == 1 ? "" : "s");
}

/* "valid", "invalid", "valid, but refused by tensorrt". */
static void print_verdict(const cli_session *s, const mq_check_result *r)
{
    if (r->valid && r->n_errors)
        printf("valid, but refused by %.*s", (int)strcspn(cli_get(s, OPT_TARGET)->text, ","), cli_get(s, OPT_TARGET)->text);
    else
        printf("%s", r->valid ? "valid" : "invalid");
}

static void print_summary(const cli_session *s, const mq_check_result *r)
{
    if (cli_stdout_taken(s) || (cli_get(s, OPT_QUIET)->on && r->ok))
        return;
    if (r->n_errors + r->n_warnings > r->n_findings)
        printf("%s: %zu more findings are not shown\n", s->file, r->n_errors + r->n_warnings - r->n_findings);
    printf("%s: ", s->file);
    print_verdict(s, r);
    printf(" (");
    if (r->opset)
        printf("opset %" PRId64 ", ", r->opset);
    printf("IR %" PRId64 ", ", r->ir_version);
    print_count(r->n_nodes, "node");
    printf(")");
    if (r->n_errors) {
        printf(", ");
        print_count(r->n_errors, "error");
    }
    if (r->n_warnings) {
        printf(", ");
        print_count(r->n_warnings, "warning");
    }
    printf("\n");
}

static mq_status run(cli_session *s, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_model *model = NULL;
    mq_check_result *result = NULL;
    mq_check_opts opts = mq_check_opts_default();
    char target[64];

    opts.strict = cli_get(s, OPT_STRICT)->on;
    snprintf(target, sizeof target, "%.*s", (int)strcspn(cli_get(s, OPT_TARGET)->text, ","), cli_get(s, OPT_TARGET)->text);
    opts.target = target; /* which CPU it is makes no difference here */
    CLI_TRY(mq_model_load(&model, s->file, err));
    CLI_TRY(mq_check(model, &opts, s->report, &s->hooks, &result, err));
    for (size_t i = 0; i < result->n_findings; i++)
        print_finding(s, &result->findings[i]);
    print_summary(s, result);
done:
    mq_check_result_free(result);
    mq_model_free(model);
    return rc;
}

const cli_command mq_command_check = {
    .name = "check",
    .files = "MODEL",
    .max_files = 1,
    .summary = "is a model valid, and does a runtime take it",
    .takes = takes,
    .run = run,
};
