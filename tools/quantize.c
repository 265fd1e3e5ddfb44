/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq quantize: from options to the library's call, and what to say about the result. */
#include "mq/quantize.h"

#include <stdio.h>
#include <stdlib.h>

#include "cli/session.h"
#include "cli/text.h"
#include "commands.h"

static const cli_opt takes[] = {
    OPT_OUTPUT,        OPT_FORCE,   OPT_DRY_RUN,       OPT_KEEP_FAILED, OPT_DEPFILE,        OPT_SYNC,
    OPT_EXTERNAL_DATA, OPT_EXTERNAL_THRESHOLD, OPT_OPSET, OPT_VERIFY,   OPT_MAX_SIZE,       OPT_NODES,
    OPT_EXCLUDE_NODES, OPT_TENSORS, OPT_EXCLUDE_TENSORS, OPT_OP_TYPES,  OPT_EXCLUDE_OP_TYPES, OPT_MODE,
    OPT_TYPE,          OPT_PER_CHANNEL, OPT_PER_TENSOR, OPT_NONE,
};

/* The newest opset that ONNX Runtime 1.31 loads: what --opset latest means. */
enum { LATEST_OPSET = 26 };

static mq_names names_of(const cli_session *s, cli_opt id)
{
    const cli_value *v = cli_get(s, id);
    return (mq_names){ v->items, v->n_items };
}

static void read_filters(const cli_session *s, mq_quantize_opts *o)
{
    o->nodes = names_of(s, OPT_NODES);
    o->exclude_nodes = names_of(s, OPT_EXCLUDE_NODES);
    o->tensors = names_of(s, OPT_TENSORS);
    o->exclude_tensors = names_of(s, OPT_EXCLUDE_TENSORS);
    o->op_types = names_of(s, OPT_OP_TYPES);
    o->exclude_op_types = names_of(s, OPT_EXCLUDE_OP_TYPES);
}

static void read_save_opts(const cli_session *s, mq_save_opts *o)
{
    static const mq_external_mode modes[] = { MQ_EXTERNAL_AUTO, MQ_EXTERNAL_NONE, MQ_EXTERNAL_PER_TENSOR };
    const cli_value *external = cli_get(s, OPT_EXTERNAL_DATA);

    o->force = cli_get(s, OPT_FORCE)->on;
    o->sync = cli_get(s, OPT_SYNC)->on;
    o->external = external->word >= 0 ? modes[external->word] : MQ_EXTERNAL_FILE;
    o->external_file = external->word >= 0 ? NULL : external->text;
    o->external_threshold = cli_get(s, OPT_EXTERNAL_THRESHOLD)->number;
}

static mq_quantize_opts read_options(const cli_session *s)
{
    static const mq_verify verify[] = { MQ_VERIFY_AUTO, MQ_VERIFY_NONE, MQ_VERIFY_LOAD };
    mq_quantize_opts o = mq_quantize_opts_default();
    const cli_value *size = cli_get(s, OPT_MAX_SIZE), *opset = cli_get(s, OPT_OPSET);

    read_filters(s, &o);
    read_save_opts(s, &o.save);
    o.per_tensor = !cli_get(s, OPT_PER_CHANNEL)->on;
    o.opset = opset->given ? (opset->word == 0 ? LATEST_OPSET : (int)opset->number) : 0;
    o.max_size_ratio = size->word == 0 ? 0 : size->is_ratio ? size->ratio : 0;
    o.max_size = size->word == 0 || size->is_ratio ? 0 : size->number;
    o.verify = verify[cli_get(s, OPT_VERIFY)->word];
    o.strict = cli_get(s, OPT_STRICT)->on;
    o.dry_run = cli_get(s, OPT_DRY_RUN)->on;
    o.hash = cli_get(s, OPT_REPORT)->n_items > 0 || cli_get(s, OPT_JSON)->on;
    o.keep_failed = cli_get(s, OPT_KEEP_FAILED)->text;
    return o;
}

/* What a person wants to know when nothing else was asked for: the report's summary. */
static mq_status print_summary(cli_session *s, mq_error *err)
{
    char *text = NULL;
    mq_status rc;

    if (cli_stdout_taken(s) || cli_get(s, OPT_QUIET)->on)
        return MQ_OK;
    rc = mq_report_render(s->report, MQ_REPORT_TEXT, &text, err);
    if (rc == MQ_OK)
        fputs(text, stdout);
    free(text);
    return rc;
}

static mq_status run(cli_session *s, mq_error *err)
{
    mq_quantize_opts opts = read_options(s);
    char missed[256];
    mq_status rc = MQ_OK;

    CLI_TRY(mq_quantize_file(s->file, cli_get(s, OPT_OUTPUT)->text ? cli_get(s, OPT_OUTPUT)->text : "out.onnx", &opts,
                             s->report, &s->hooks, err));
    if ((rc = print_summary(s, err)) != MQ_OK && !opts.dry_run && !cli_missed(s))
        cli_say(s, "the model was written and stays in place");
    for (size_t i = 0; mq_report_missed_bound(s->report, i, missed, sizeof missed); i++)
        cli_say_missed(s, "%s: the result is not put in place", missed);
done:
    return rc;
}

const cli_command mq_command_quantize = {
    .name = "quantize",
    .files = "MODEL",
    .max_files = 1,
    .needs_output = true,
    .summary = "int8 weights, per channel, behind DequantizeLinear",
    .takes = takes,
    .run = run,
};
