/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq distill-export: from options to the library's call. */
#include "mq/distill.h"

#include "cli/bounds.h"
#include "cli/session.h"
#include "cli/source.h"
#include "cli/training.h"
#include "cli/writing.h"
#include "commands.h"

static const cli_opt takes[] = {
    OPT_OUTPUT, OPT_FORCE, OPT_DRY_RUN, OPT_KEEP_FAILED, OPT_DEPFILE, OPT_SYNC, OPT_EXTERNAL_DATA, OPT_EXTERNAL_THRESHOLD,
    OPT_OPSET, OPT_VERIFY, OPT_DATA, OPT_LABELS, OPT_VAL_DATA, OPT_VAL_LABELS, OPT_PREPROCESS, OPT_SAMPLES, OPT_BATCH,
    OPT_FILL, OPT_SKIP_BAD, OPT_ALLOW_NONFINITE, OPT_SEED, OPT_SHAPE, OPT_DIM, CLI_BOUNDS_OPTS, OPT_MAX_SIZE,
    OPT_TIME_LIMIT, OPT_TARGET, CLI_TRAINING_OPTS, OPT_STUDENT, OPT_WIDTH, OPT_DEPTH, OPT_INIT,
    OPT_STUDENTS, OPT_HINT, OPT_TEACHER_CACHE, OPT_SOFT_LABELS, OPT_CONTROL, OPT_QUANTIZE, OPT_NONE,
};

/* Where this command's default or meaning is not that of the others. */
static const cli_help_text helps[] = {
    { OPT_MAX_SIZE, "largest file with its external data, or its share of the teacher's (default: none)", true, NULL },
    { OPT_DATA, "what to learn from, in the forms of mq help data", false, NULL },
    { OPT_VAL_DATA, "what to judge on, in the same forms (default: a part of --data, see --val-split)", true, NULL },
    { OPT_BATCH, "samples per step (default: 64)", true, NULL },
    { OPT_SEED, "of first weights, order and augmentation", false, NULL },
    CLI_BOUNDS_HELPS("the teacher", "the student"),
    { OPT_TIME_LIMIT, "no epoch begins after so long, of all trainings together: the best so far counts", false, NULL },
    { OPT_TARGET, "with --quantize: what has to take the integers, as in mq quantize", false, NULL },
    { OPT_METRIC_OUTPUT, "the output that --labels and the metric are about (default: the first)", false, NULL },
    { OPT_VERIFY, "load: read the written file again and check it; run: also run it on what is judged on, and compare with "
                  "the figure that is reported; auto: run under 64 MB, else load", false, NULL },
    { OPT_NONE, NULL, false, NULL },
};

static mq_distill_opts read_options(cli_session *s)
{
    mq_distill_opts o = mq_distill_opts_default();

    o.train = cli_train_opts(s);
    o.student = cli_get(s, OPT_STUDENT)->text;
    o.width = cli_get(s, OPT_WIDTH)->ratio;
    o.depth = cli_get(s, OPT_DEPTH)->ratio;
    o.random_init = cli_get(s, OPT_INIT)->word == 1;
    o.n_students = cli_get(s, OPT_STUDENTS)->number;
    o.hints = cli_names(s, OPT_HINT);
    o.teacher_cache = cli_get(s, OPT_TEACHER_CACHE)->text;
    o.soft_labels = cli_get(s, OPT_SOFT_LABELS)->text;
    o.control = cli_get(s, OPT_CONTROL)->on;
    o.quantize = cli_get(s, OPT_QUANTIZE)->on;
    o.train_on = cli_source(s);
    o.judge_on = cli_judge_source(s);
    o.val_split = cli_get(s, OPT_VAL_SPLIT)->ratio;
    o.bounds = cli_bounds(s);
    o.target = cli_get(s, OPT_TARGET)->text;
    o.opset = cli_opset(s);
    o.verify = cli_verify_of(s);
    o.strict = cli_get(s, OPT_STRICT)->on;
    o.dry_run = cli_get(s, OPT_DRY_RUN)->on;
    o.hash = cli_wants_hash(s);
    o.keep_failed = cli_get(s, OPT_KEEP_FAILED)->text;
    o.save = cli_save_opts(s);
    o.note = cli_source_note;
    o.detail = cli_source_detail;
    o.user = s;
    return o;
}

static mq_status check(const cli_options *o, mq_error *err)
{
    static const cli_opt derived[] = { OPT_WIDTH, OPT_DEPTH };
    mq_status rc;

    if (!o->values[OPT_EPOCHS].number)
        return cli_fail(err, MQ_ERR_USAGE, "--epochs is at least 1");
    if (!o->values[OPT_DATA].given)
        return cli_fail(err, MQ_ERR_USAGE, "--data is what the student learns from: it has to be given");
    for (size_t i = 0; i < 2; i++)
        if (o->values[OPT_STUDENT].given && o->values[derived[i]].given)
            return cli_fail(err, MQ_ERR_USAGE, "%s is for a student made of the teacher: --student gives another one",
                            cli_row_of(derived[i])->label);
    if (o->values[OPT_CONTROL].on && !o->values[OPT_LABELS].given)
        return cli_fail(err, MQ_ERR_USAGE, "--control trains on labels alone: --labels is not given");
    if (o->values[OPT_TARGET].given && !o->values[OPT_QUANTIZE].on)
        return cli_fail(err, MQ_ERR_USAGE, "--target is for --quantize: training knows none");
    CLI_TRY(cli_check_bounds(o, true, false, err));
    rc = cli_check_training(o, err);
done:
    return rc;
}

static mq_status run(cli_session *s, mq_error *err)
{
    const mq_distill_opts opts = read_options(s);
    const char *output = cli_get(s, OPT_OUTPUT)->text;
    const mq_status rc = mq_distill_file(s->file, output ? output : "out.onnx", &opts, s->report, &s->hooks, err);

    return cli_finish_named(s, rc, !opts.dry_run, err);
}

const cli_command mq_command_distill = {
    .name = "distill-export",
    .alias = "distill",
    .files = "TEACHER",
    .max_files = 1,
    .needs_output = true,
    .summary = "a small student trained from a teacher on your data",
    .takes = takes,
    .helps = helps,
    .check = check,
    .run = run,
};
