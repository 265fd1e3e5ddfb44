/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq distill-export: from options to the library's call. */
#include "mq/distill.h"

#include <string.h>

#include "cli/session.h"
#include "cli/source.h"
#include "cli/writing.h"
#include "commands.h"

static const cli_opt takes[] = {
    OPT_OUTPUT, OPT_FORCE, OPT_DRY_RUN, OPT_KEEP_FAILED, OPT_DEPFILE, OPT_SYNC, OPT_EXTERNAL_DATA, OPT_EXTERNAL_THRESHOLD,
    OPT_OPSET, OPT_VERIFY, OPT_DATA, OPT_LABELS, OPT_VAL_DATA, OPT_VAL_LABELS, OPT_PREPROCESS, OPT_SAMPLES, OPT_BATCH,
    OPT_FILL, OPT_SKIP_BAD, OPT_ALLOW_NONFINITE, OPT_SEED, OPT_SHAPE, OPT_DIM, OPT_METRIC, OPT_MAX_DROP, OPT_MAX_SIZE,
    OPT_MIN_METRIC, OPT_MAX_MACS, OPT_EPOCHS, OPT_EARLY_STOP, OPT_VAL_SPLIT, OPT_OPTIMIZER, OPT_LR, OPT_MOMENTUM,
    OPT_WEIGHT_DECAY, OPT_CLIP_GRAD, OPT_LR_SCHEDULE, OPT_LR_WARMUP, OPT_LOSS, OPT_TEMPERATURE, OPT_ALPHA,
    OPT_LABEL_SMOOTHING, OPT_HARD, OPT_AUGMENT, OPT_CHECKPOINT, OPT_RESUME, OPT_STUDENT, OPT_WIDTH, OPT_DEPTH, OPT_INIT,
    OPT_STUDENTS, OPT_HINT, OPT_TEACHER_CACHE, OPT_SOFT_LABELS, OPT_CONTROL, OPT_QUANTIZE, OPT_NONE,
};

/* Where this command's default or meaning is not that of the others. */
static const cli_help_text helps[] = {
    { OPT_MAX_SIZE, "largest file with its external data, or its share of the teacher's (default: none)", true, NULL },
    { OPT_DATA, "what to learn from, in the forms of mq help data", false, NULL },
    { OPT_VAL_DATA, "what to judge on, in the same forms (default: a part of --data, see --val-split)", true, NULL },
    { OPT_BATCH, "samples per step (default: 64)", true, NULL },
    { OPT_SEED, "of first weights, order and augmentation", false, NULL },
    { OPT_MAX_DROP, "largest loss of the metric against the teacher's: points for metrics between 0 and 1, else a share of "
                    "its value", false, NULL },
    { OPT_MAX_MACS, "most multiply-accumulates of one sample, or their share of the teacher's", false, NULL },
    { OPT_VERIFY, "load: read the written file again and check it; run: also run it on what is judged on, and compare with "
                  "the figure that is reported; auto: run under 64 MB, else load", false, NULL },
    { OPT_NONE, NULL, false, NULL },
};

enum { DEFAULT_BATCH = 64 };

static mq_train_opts read_training(const cli_session *s)
{
    mq_train_opts o = mq_distill_opts_default().train;

    o.epochs = cli_get(s, OPT_EPOCHS)->number;
    o.batch = cli_get(s, OPT_BATCH)->given ? cli_get(s, OPT_BATCH)->number : DEFAULT_BATCH;
    o.early_stop = cli_get(s, OPT_EARLY_STOP)->number;
    o.optimizer = cli_get(s, OPT_OPTIMIZER)->text;
    o.lr = cli_get(s, OPT_LR)->real;
    o.momentum = cli_get(s, OPT_MOMENTUM)->real;
    o.weight_decay = cli_get(s, OPT_WEIGHT_DECAY)->real;
    o.clip_grad = cli_get(s, OPT_CLIP_GRAD)->given ? cli_get(s, OPT_CLIP_GRAD)->real : 0;
    o.lr_schedule = cli_get(s, OPT_LR_SCHEDULE)->text;
    o.lr_warmup = cli_get(s, OPT_LR_WARMUP)->number;
    o.losses = cli_names(s, OPT_LOSS);
    o.temperature = cli_get(s, OPT_TEMPERATURE)->real;
    o.alpha = cli_get(s, OPT_ALPHA)->real;
    o.label_smoothing = cli_get(s, OPT_LABEL_SMOOTHING)->real;
    o.hard = cli_get(s, OPT_HARD)->on;
    o.augment = cli_names(s, OPT_AUGMENT);
    o.checkpoint = cli_get(s, OPT_CHECKPOINT)->text;
    o.resume = cli_get(s, OPT_RESUME)->on;
    o.seed = cli_get(s, OPT_SEED)->number;
    return o;
}

static void read_bounds(const cli_session *s, mq_distill_opts *o)
{
    const cli_value *macs = cli_get(s, OPT_MAX_MACS);

    if (cli_get(s, OPT_MAX_DROP)->given)
        o->max_drop = cli_get(s, OPT_MAX_DROP)->ratio;
    if (cli_get(s, OPT_MIN_METRIC)->given)
        o->min_metric = cli_get(s, OPT_MIN_METRIC)->real;
    if (cli_get(s, OPT_MAX_SIZE)->given)
        cli_max_size(s, &o->max_size, &o->max_size_ratio);
    if (macs->given)
        *(macs->is_ratio ? &o->max_macs_ratio : &o->max_macs) = macs->is_ratio ? macs->ratio : macs->real;
}

static mq_distill_opts read_options(cli_session *s)
{
    mq_distill_opts o = mq_distill_opts_default();

    o.train = read_training(s);
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
    o.judge_on = o.train_on;
    o.judge_on.data = cli_get(s, OPT_VAL_DATA)->items;
    o.judge_on.n_data = cli_get(s, OPT_VAL_DATA)->n_items;
    o.judge_on.labels = cli_get(s, OPT_VAL_LABELS)->items;
    o.judge_on.n_labels = cli_get(s, OPT_VAL_LABELS)->n_items;
    o.judge_on.samples = 0;
    o.judge_on.val = true;
    o.val_split = cli_get(s, OPT_VAL_SPLIT)->ratio;
    o.metric = cli_get(s, OPT_METRIC)->text;
    read_bounds(s, &o);
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

    if (!o->values[OPT_DATA].given)
        return cli_fail(err, MQ_ERR_USAGE, "--data is what the student learns from: it has to be given");
    for (size_t i = 0; i < 2; i++)
        if (o->values[OPT_STUDENT].given && o->values[derived[i]].given)
            return cli_fail(err, MQ_ERR_USAGE, "%s is for a student made of the teacher: --student gives another one",
                            cli_row_of(derived[i])->label);
    if (o->values[OPT_VAL_SPLIT].given && o->values[OPT_VAL_DATA].given)
        return cli_fail(err, MQ_ERR_USAGE, "--val-split holds nothing out where --val-data is given");
    if (o->values[OPT_VAL_LABELS].given && !o->values[OPT_VAL_DATA].given)
        return cli_fail(err, MQ_ERR_USAGE, "--val-labels belong to --val-data, which is not given");
    if (o->values[OPT_CONTROL].on && !o->values[OPT_LABELS].given)
        return cli_fail(err, MQ_ERR_USAGE, "--control trains on labels alone: --labels is not given");
    if (o->values[OPT_RESUME].on && !o->values[OPT_CHECKPOINT].given)
        return cli_fail(err, MQ_ERR_USAGE, "--resume goes on from --checkpoint DIR, which is not given");
    return MQ_OK;
}

static mq_status run(cli_session *s, mq_error *err)
{
    const mq_distill_opts opts = read_options(s);
    const char *output = cli_get(s, OPT_OUTPUT)->text;
    const mq_status rc = mq_distill_file(s->file, output ? output : "out.onnx", &opts, s->report, &s->hooks, err);

    if (rc == MQ_ERR_USAGE && strncmp(err->text, "--", 2) == 0)
        s->file = NULL; /* it is about an option */
    return rc == MQ_OK ? cli_finish_writing(s, !opts.dry_run, err) : rc;
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
