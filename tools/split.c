/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq split: from options to the library's call. */
#include "mq/split.h"

#include "cli/session.h"
#include "cli/source.h"
#include "cli/writing.h"
#include "commands.h"

static const cli_opt takes[] = {
    OPT_OUTPUT, OPT_FORCE, OPT_DRY_RUN, OPT_DEPFILE, OPT_SYNC, OPT_EXTERNAL_DATA, OPT_EXTERNAL_THRESHOLD, OPT_VERIFY,
    OPT_MAX_SIZE, OPT_VAL_DATA, CLI_SOURCE_OPTS, OPT_PARTS, OPT_AT, OPT_BALANCE, OPT_NONE,
};

static const cli_help_text helps[] = {
    { OPT_OUTPUT, "the folder for the parts and MODEL.parts.json (required)", .arg = "FOLDER" },
    { OPT_MAX_SIZE, "largest file of a part with its external data; without --parts: as few parts as that takes "
                    "(default: none)", true, "SIZE|none" },
    { OPT_EXTERNAL_DATA, "where large tensors of each part go; auto: as in the input, and outside over 2 GB",
      .arg = "auto|none|per-tensor" },
    { OPT_NONE, NULL },
};

static mq_split_opts read_options(const cli_session *s)
{
    mq_split_opts o = mq_split_opts_default();
    double ratio;

    if (cli_get(s, OPT_MAX_SIZE)->given)
        cli_max_size(s, &o.max_size, &ratio);
    o.at = cli_names(s, OPT_AT);
    o.n_parts = o.at.n || (o.max_size && !cli_get(s, OPT_PARTS)->given) ? 0 : cli_get(s, OPT_PARTS)->number;
    o.by_macs = cli_get(s, OPT_BALANCE)->word == 1;
    o.verify = cli_verify_of(s);
    o.verify_on = cli_proof_source(s);
    o.save = cli_save_opts(s);
    o.dry_run = cli_get(s, OPT_DRY_RUN)->on;
    o.hash = cli_wants_hash(s);
    return o;
}

static mq_status check(const cli_options *o, mq_error *err)
{
    const cli_value *size = &o->values[OPT_MAX_SIZE], *external = &o->values[OPT_EXTERNAL_DATA];

    if (o->values[OPT_AT].given && o->values[OPT_PARTS].given)
        return cli_fail(err, MQ_ERR_USAGE, "--at says where, --parts how often: one of them");
    if (o->values[OPT_AT].given && o->values[OPT_BALANCE].given)
        return cli_fail(err, MQ_ERR_USAGE, "--balance has nothing to choose: --at says where");
    if (size->given && size->is_ratio && size->word != 0)
        return cli_fail(err, MQ_ERR_USAGE, "--max-size of a part is a size: --max-size 4M");
    if (external->word < 0 && external->given)
        return cli_fail(err, MQ_ERR_USAGE, "--external-data %s: each part needs a file of its own (auto, none, per-tensor)",
                        external->text);
    if (o->values[OPT_OUTPUT].given && o->values[OPT_OUTPUT].text[0] == '-' && !o->values[OPT_OUTPUT].text[1])
        return cli_fail(err, MQ_ERR_USAGE, "-o - would be one file: give a folder");
    return cli_check_data_used(o, !cli_runs_nothing(o), err);
}

static mq_status run(cli_session *s, mq_error *err)
{
    const mq_split_opts opts = read_options(s);
    const char *output = cli_get(s, OPT_OUTPUT)->text;
    const mq_status rc = mq_split_file(s->file, output ? output : ".", &opts, s->report, &s->hooks, err);

    return cli_finish_writing(s, rc, !opts.dry_run, err);
}

const cli_command mq_command_split = {
    .name = "split",
    .files = "MODEL",
    .max_files = 1,
    .needs_output = true,
    .summary = "one model into a chain of parts, which together are a model again",
    .takes = takes,
    .helps = helps,
    .check = check,
    .run = run,
};
