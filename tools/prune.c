/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq prune: from options to the library's call. */
#include "mq/prune.h"

#include "cli/bounds.h"
#include "cli/session.h"
#include "cli/source.h"
#include "cli/training.h"
#include "cli/writing.h"
#include "commands.h"

static const cli_opt takes[] = {
    CLI_WRITING_OPTS, CLI_SOURCE_OPTS, OPT_LABELS, OPT_VAL_LABELS, CLI_BOUNDS_OPTS, OPT_NODES, OPT_EXCLUDE_NODES,
    OPT_TENSORS, OPT_EXCLUDE_TENSORS, OPT_OP_TYPES,
    OPT_EXCLUDE_OP_TYPES, OPT_SPARSITY, OPT_THRESHOLD, OPT_NONZEROS, OPT_METHOD, OPT_SCOPE, OPT_PATTERN, OPT_STORAGE,
    OPT_ROUND_TO, OPT_ZERO_ONLY, OPT_KEEP_ENDS, OPT_SENSITIVITY, OPT_ROUNDS, OPT_SPARSITY_SCHEDULE, OPT_TIME_LIMIT,
    CLI_TRAINING_OPTS,
    OPT_NONE,
};

/* Where this command's default or meaning is not that of the others. */
static const cli_help_text helps[] = {
    { OPT_MAX_SIZE, "largest file with its external data, or its share of the input's (default: none)", true, NULL },
    CLI_BOUNDS_HELPS("the input", "the result"),
    { OPT_MAX_EVALS, "most models that a search by bounds measures, and most runs of --eval-cmd behind the first",
      false, NULL },
    { OPT_SEED, "of --method random, of the order and changes of samples in a training, and of generated inputs",
      false, NULL },
    { OPT_OP_TYPES, "only these operators (default: Conv, ConvTranspose, Gemm, MatMul, LSTM, GRU and RNN)", false, NULL },
    { OPT_ROUNDS, "prune in so many steps, and train on --data after each of them with what is zero held at zero (default: "
                  "1 with --epochs, else nothing is trained)", false, NULL },
    { OPT_EPOCHS, "how often all samples are gone through in each round; 0: nothing is trained (default: 2)", true, NULL },
    { OPT_LR, "learning rate (default: 2e-3)", true, NULL },
    { OPT_BATCH, "samples per step of a training (default: 64), or of a run", true, NULL },
    { OPT_TIME_LIMIT, "no epoch begins after so long, of all rounds together; a search by bounds ends", false, NULL },
    { OPT_NONE, NULL, false, NULL },
};

static void read_filters(const cli_session *s, mq_prune_opts *o)
{
    o->nodes = cli_names(s, OPT_NODES);
    o->exclude_nodes = cli_names(s, OPT_EXCLUDE_NODES);
    o->tensors = cli_names(s, OPT_TENSORS);
    o->exclude_tensors = cli_names(s, OPT_EXCLUDE_TENSORS);
    o->op_types = cli_names(s, OPT_OP_TYPES);
    o->exclude_op_types = cli_names(s, OPT_EXCLUDE_OP_TYPES);
}

/* Words of the rows stand in the order of the library's enums. */
static void read_zeros(const cli_session *s, mq_prune_opts *o)
{
    o->sparsity = cli_names(s, OPT_SPARSITY);
    if (cli_get(s, OPT_THRESHOLD)->given)
        o->threshold = cli_get(s, OPT_THRESHOLD)->real;
    if (cli_get(s, OPT_NONZEROS)->given)
        o->nonzeros = (int64_t)cli_get(s, OPT_NONZEROS)->number;
    o->method = (mq_prune_method)cli_get(s, OPT_METHOD)->word;
    o->scope = (mq_prune_scope)cli_get(s, OPT_SCOPE)->word;
    o->pattern = cli_get(s, OPT_PATTERN)->text;
    o->sensitivity = cli_get(s, OPT_SENSITIVITY)->on;
    o->time_limit = cli_get(s, OPT_TIME_LIMIT)->real;
    o->sparse = cli_get(s, OPT_STORAGE)->word == 1;
    o->round_to = (size_t)cli_get(s, OPT_ROUND_TO)->number;
    o->zero_only = cli_get(s, OPT_ZERO_ONLY)->on;
    o->keep_ends = cli_get(s, OPT_KEEP_ENDS)->on;
    o->seed = cli_get(s, OPT_SEED)->number;
}

/* Is anything trained? */
static bool trains(const cli_options *o)
{
    return (o->values[OPT_ROUNDS].given || o->values[OPT_EPOCHS].given) &&
           !(o->values[OPT_EPOCHS].given && !o->values[OPT_EPOCHS].number);
}

static void read_training(const cli_session *s, mq_prune_opts *o)
{
    const mq_train_opts fallback = o->train;
    const uint64_t rounds = cli_get(s, OPT_ROUNDS)->given ? cli_get(s, OPT_ROUNDS)->number : 1;

    o->rounds = trains(s->opts) ? rounds : 0;
    o->schedule = cli_get(s, OPT_SPARSITY_SCHEDULE)->text;
    o->train = cli_train_opts(s);
    if (!cli_get(s, OPT_EPOCHS)->given)
        o->train.epochs = fallback.epochs;
    if (!cli_get(s, OPT_LR)->given)
        o->train.lr = fallback.lr;
    o->val_split = cli_get(s, OPT_VAL_SPLIT)->ratio;
}

static mq_prune_opts read_options(cli_session *s)
{
    mq_prune_opts o = mq_prune_opts_default();

    read_filters(s, &o);
    read_zeros(s, &o);
    read_training(s, &o);
    o.data = cli_source(s);
    o.judge_on = cli_get(s, OPT_VAL_DATA)->given ? cli_judge_source(s) : o.data;
    o.bounds = cli_bounds(s);
    o.opset = cli_opset(s);
    o.verify = cli_verify_of(s);
    o.verify_on = cli_proof_source(s);
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

/* Does a bound say how many zeros there are, or is sensitivity measured? */
static bool searches(const cli_options *o)
{
    return o->values[OPT_SENSITIVITY].on || !(o->values[OPT_SPARSITY].given || o->values[OPT_THRESHOLD].given ||
                                              o->values[OPT_NONZEROS].given);
}

/* Is a model run, so that data are used? */
static bool runs(const cli_options *o)
{
    static const cli_opt measured[] = { OPT_MAX_DROP, OPT_MIN_METRIC, OPT_MAX_LATENCY, OPT_MIN_SPEEDUP,
                                        OPT_WITH_ONNXRUNTIME };
    const mq_prune_method method = (mq_prune_method)o->values[OPT_METHOD].word;

    for (size_t i = 0; i < sizeof measured / sizeof *measured; i++)
        if (o->values[measured[i]].given)
            return true;
    return trains(o) || searches(o) || method >= MQ_PRUNE_WANDA || !cli_runs_nothing(o);
}

/* Options of training without a training. */
static mq_status check_training(const cli_options *o, mq_error *err)
{
    static const cli_opt of_training[] = { CLI_TRAINING_OPTS, OPT_SPARSITY_SCHEDULE, OPT_TIME_LIMIT };

    if (trains(o) && !o->values[OPT_DATA].given)
        return cli_fail(err, MQ_ERR_USAGE, "--rounds trains on --data, which is not given (--epochs 0: nothing is trained)");
    for (size_t i = 0; i < sizeof of_training / sizeof *of_training && !trains(o); i++)
        if (o->values[of_training[i]].given && of_training[i] != OPT_EPOCHS &&
            !(of_training[i] == OPT_TIME_LIMIT && searches(o)))
            return cli_fail(err, MQ_ERR_USAGE, "%s is for a training: --rounds and --epochs ask for one",
                            cli_row_of(of_training[i])->label);
    return cli_check_training(o, err);
}

static mq_status check(const cli_options *o, mq_error *err)
{
    mq_status rc;

    if (o->values[OPT_THRESHOLD].given && o->values[OPT_THRESHOLD].real < 0)
        return cli_fail(err, MQ_ERR_USAGE, "--threshold is a magnitude: not %s", o->values[OPT_THRESHOLD].text);
    if ((rc = check_training(o, err)) != MQ_OK)
        return rc;
    if ((rc = cli_check_data_used(o, runs(o), err)) != MQ_OK)
        return rc;
    return cli_check_bounds(o, trains(o), searches(o), err);
}

static mq_status run(cli_session *s, mq_error *err)
{
    const mq_prune_opts opts = read_options(s);
    const char *output = cli_get(s, OPT_OUTPUT)->text;
    const mq_status rc = mq_prune_file(s->file, output ? output : "out.onnx", &opts, s->report, &s->hooks, err);

    return cli_finish_named(s, rc, !opts.dry_run, err);
}

const cli_command mq_command_prune = {
    .name = "prune",
    .files = "MODEL",
    .max_files = 1,
    .needs_output = true,
    .summary = "zeros in the place of weights that are needed least",
    .takes = takes,
    .helps = helps,
    .check = check,
    .run = run,
};
