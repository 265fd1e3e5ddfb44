/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq diff: what changed between two models. Prints one line per difference and a line that sums up, on standard output: they
 * are what was asked for. */
#include "mq/diff.h"

#include <stdio.h>

#include "cli/session.h"
#include "cli/text.h"
#include "commands.h"

enum { MOST_LINES = 200 }; /* -v shows all that there are */

static const cli_opt takes[] = { OPT_NONE };

static mq_status check(const cli_options *o, mq_error *err)
{
    if (o->n_files < 2)
        return cli_fail(err, MQ_ERR_USAGE, "two models are compared: mq diff BEFORE.onnx AFTER.onnx");
    return MQ_OK;
}

static void print(const cli_session *s, const mq_diff_result *r)
{
    const size_t n = r->n_removed + r->n_added + r->n_changed;
    const size_t shown = cli_get(s, OPT_VERBOSE)->on || r->n_entries < MOST_LINES ? r->n_entries : MOST_LINES;

    if (cli_stdout_taken(s) || cli_get(s, OPT_QUIET)->on)
        return;
    for (size_t i = 0; i < shown; i++) {
        const mq_diff_entry *e = &r->entries[i];

        printf("%c ", e->sign);
        cli_put_safe(stdout, e->place);
        printf(": ");
        cli_put_safe(stdout, e->text);
        printf("\n");
    }
    if (n > shown)
        printf("  and %zu more%s\n", n - shown, shown < r->n_entries ? " (-v)" : "");
    if (r->equal)
        printf("no difference\n");
    else
        printf("%zu removed, %zu added, %zu changed\n", r->n_removed, r->n_added, r->n_changed);
}

static mq_status run(cli_session *s, mq_error *err)
{
    mq_model *models[2] = { NULL, NULL };
    mq_diff_result *result = NULL;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < 2; i++) {
        s->file = s->opts->files[i];
        CLI_TRY(mq_model_load(&models[i], s->file, err));
    }
    s->file = s->opts->files[0];
    CLI_TRY(mq_diff(models[0], models[1], s->report, &s->hooks, &result, err));
    print(s, result);
done:
    mq_diff_result_free(result);
    mq_model_free(models[0]);
    mq_model_free(models[1]);
    return rc;
}

const cli_command mq_command_diff = {
    .name = "diff",
    .files = "BEFORE AFTER",
    .max_files = 2,
    .summary = "what changed between two models, node by node",
    .takes = takes,
    .check = check,
    .run = run,
};
