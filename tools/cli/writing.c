/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From the options of writing to what the library's calls take, and what is said at the end. */
#include "cli/writing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/source.h"

enum { PROOF_SAMPLES = 32 }; /* of --data, when there are no others */

mq_names cli_names(const cli_session *s, cli_opt id)
{
    const cli_value *v = cli_get(s, id);
    return (mq_names){ v->items, v->n_items };
}

mq_save_opts cli_save_opts(const cli_session *s)
{
    static const mq_external_mode modes[] = { MQ_EXTERNAL_AUTO, MQ_EXTERNAL_NONE, MQ_EXTERNAL_PER_TENSOR };
    const cli_value *external = cli_get(s, OPT_EXTERNAL_DATA);
    mq_save_opts o = mq_save_opts_default();

    o.force = cli_get(s, OPT_FORCE)->on;
    o.sync = cli_get(s, OPT_SYNC)->on;
    o.external = external->word >= 0 ? modes[external->word] : MQ_EXTERNAL_FILE;
    o.external_file = external->word >= 0 ? NULL : external->text;
    o.external_threshold = cli_get(s, OPT_EXTERNAL_THRESHOLD)->number;
    return o;
}

int cli_opset(const cli_session *s)
{
    const cli_value *v = cli_get(s, OPT_OPSET);
    return !v->given ? 0 : v->word == 0 ? CLI_LATEST_OPSET : (int)v->number;
}

mq_verify cli_verify_of(const cli_session *s)
{
    static const mq_verify modes[] = { MQ_VERIFY_AUTO, MQ_VERIFY_NONE, MQ_VERIFY_LOAD, MQ_VERIFY_RUN };
    return modes[cli_get(s, OPT_VERIFY)->word];
}

mq_data_source cli_proof_source(const cli_session *s)
{
    const cli_value *val = cli_get(s, OPT_VAL_DATA);
    mq_data_source source = cli_source(s);

    if (val->given || !source.n_data) {
        source.data = val->items;
        source.n_data = val->n_items;
        source.val = true;
    } else {
        source.samples = PROOF_SAMPLES;
    }
    source.n_labels = 0; /* a proof compares outputs */
    return source;
}

void cli_max_size(const cli_session *s, uint64_t *bytes, double *ratio)
{
    const cli_value *v = cli_get(s, OPT_MAX_SIZE);

    *ratio = v->word != 0 && v->is_ratio ? v->ratio : 0;
    *bytes = v->word != 0 && !v->is_ratio ? v->number : 0;
}

bool cli_wants_hash(const cli_session *s)
{
    return cli_get(s, OPT_REPORT)->n_items > 0 || cli_get(s, OPT_JSON)->on;
}

bool cli_runs_nothing(const cli_options *o)
{
    const int verify = o->values[OPT_VERIFY].word;

    return (verify == VERIFY_NONE || verify == VERIFY_LOAD) && !o->values[OPT_MIN_SQNR].given;
}

mq_status cli_check_data_used(const cli_options *o, bool runs, mq_error *err)
{
    static const cli_opt how[] = { OPT_DATA, OPT_VAL_DATA, OPT_SAMPLES, OPT_BATCH, OPT_PREPROCESS, OPT_FILL, OPT_CARRY,
                                   OPT_SKIP_BAD, OPT_ALLOW_NONFINITE };
    static const cli_opt given_only[] = { OPT_SAMPLES, OPT_PREPROCESS, OPT_SKIP_BAD, OPT_ALLOW_NONFINITE };

    for (size_t i = 0; i < sizeof how / sizeof *how && !runs; i++)
        if (o->values[how[i]].given)
            return cli_fail(err, MQ_ERR_USAGE, "%s is for --verify run or auto: nothing is run", cli_row_of(how[i])->label);
    if (o->values[OPT_DATA].given || o->values[OPT_VAL_DATA].given)
        return MQ_OK;
    for (size_t i = 0; i < sizeof given_only / sizeof *given_only; i++)
        if (o->values[given_only[i]].given)
            return cli_fail(err, MQ_ERR_USAGE, "%s is for --data or --val-data", cli_row_of(given_only[i])->label);
    return MQ_OK;
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

mq_status cli_finish_writing(cli_session *s, mq_status rc, bool wrote, mq_error *err)
{
    char missed[256];

    if (rc != MQ_OK)
        return rc;
    rc = print_summary(s, err);

    if (rc != MQ_OK && wrote && !cli_missed(s))
        cli_say(s, "the model was written and stays in place");
    for (size_t i = 0; mq_report_missed_bound(s->report, i, missed, sizeof missed); i++)
        cli_say_missed(s, "%s: the result is not put in place", missed);
    return rc;
}

mq_status cli_finish_named(cli_session *s, mq_status rc, bool wrote, mq_error *err)
{
    if (rc == MQ_ERR_USAGE && strncmp(err->text, "--", 2) == 0)
        s->file = NULL;
    return cli_finish_writing(s, rc, wrote, err);
}

mq_status cli_print_list(char *text, mq_error *err)
{
    if (!text)
        return cli_oom(err);
    fputs(text, stdout);
    free(text);
    return MQ_OK;
}
