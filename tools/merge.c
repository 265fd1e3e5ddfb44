/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq merge: from options to the library's call. */
#include "mq/merge.h"

#include "cli/session.h"
#include "cli/source.h"
#include "cli/writing.h"
#include "commands.h"

static const cli_opt takes[] = { CLI_WRITING_OPTS, CLI_SOURCE_OPTS, OPT_CONNECT, OPT_PREFIX, OPT_AVERAGE, OPT_NONE };

static const cli_help_text helps[] = {
    { OPT_OPSET, "raise the models to this opset, or latest (default: the newest that one of them has)", true },
    { OPT_EXTERNAL_DATA, "where large tensors go; auto: outside when one of the models has them there, and over 2 GB",
      false },
    { OPT_MAX_SIZE, "largest file with its external data, or its share of the inputs' (default: none)", true },
    { OPT_NONE, NULL },
};

static mq_merge_opts read_options(const cli_session *s)
{
    mq_merge_opts o = mq_merge_opts_default();

    o.connect = cli_names(s, OPT_CONNECT);
    o.prefix = cli_names(s, OPT_PREFIX);
    o.average = cli_get(s, OPT_AVERAGE)->on;
    o.opset = cli_opset(s);
    o.verify = cli_verify_of(s);
    o.verify_on = cli_proof_source(s);
    if (cli_get(s, OPT_MIN_SQNR)->given)
        o.min_sqnr = cli_get(s, OPT_MIN_SQNR)->real;
    if (cli_get(s, OPT_MAX_SIZE)->given)
        cli_max_size(s, &o.max_size, &o.max_size_ratio);
    o.strict = cli_get(s, OPT_STRICT)->on;
    o.dry_run = cli_get(s, OPT_DRY_RUN)->on;
    o.hash = cli_wants_hash(s);
    o.keep_failed = cli_get(s, OPT_KEEP_FAILED)->text;
    o.save = cli_save_opts(s);
    return o;
}

static mq_status check(const cli_options *o, mq_error *err)
{
    const size_t n = o->n_files, given = o->values[OPT_PREFIX].n_items;

    if (n < 2)
        return cli_fail(err, MQ_ERR_USAGE, "two models or more are merged: mq merge A.onnx B.onnx -o FILE");
    if (o->values[OPT_AVERAGE].on && o->values[OPT_CONNECT].given)
        return cli_fail(err, MQ_ERR_USAGE, "--connect is for models one behind another, --average for models side by side");
    if (given && given != n && given + 1 != n)
        return cli_fail(err, MQ_ERR_USAGE, "--prefix: %zu models have %zu prefixes, or %zu when the first keeps its names, "
                        "not %zu", n, n, n - 1, given);
    return cli_check_data_used(o, !cli_runs_nothing(o), err);
}

static mq_status run(cli_session *s, mq_error *err)
{
    const mq_merge_opts opts = read_options(s);
    const char *output = cli_get(s, OPT_OUTPUT)->text;
    mq_status rc;

    s->file = NULL; /* sentences name the one of the files that they are about */
    rc = mq_merge_files(s->opts->files, s->opts->n_files, output ? output : "out.onnx", &opts, s->report, &s->hooks, err);
    return cli_finish_writing(s, rc, !opts.dry_run, err);
}

const cli_command mq_command_merge = {
    .name = "merge",
    .files = "MODEL MODEL...",
    .max_files = 1000,
    .needs_output = true,
    .summary = "several models into one: one behind another, or averaged",
    .takes = takes,
    .helps = helps,
    .check = check,
    .run = run,
};
