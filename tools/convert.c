/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq convert: from options to the library's call. */
#include "mq/convert.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/session.h"
#include "cli/source.h"
#include "cli/text.h"
#include "cli/writing.h"
#include "commands.h"

static const cli_opt takes[] = {
    CLI_WRITING_OPTS, CLI_SOURCE_OPTS, OPT_TARGET, OPT_LEVEL, OPT_PASSES, OPT_DISABLE_PASS, OPT_LIST_PASSES, OPT_BISECT,
    OPT_FOLD_LIMIT,
    OPT_PRECISION, OPT_IO_TYPE, OPT_IO_LAYOUT, OPT_EMBED_PREPROCESS, OPT_KEEP_IO_TYPES,
    OPT_NODES, OPT_EXCLUDE_NODES, OPT_OP_TYPES, OPT_EXCLUDE_OP_TYPES, OPT_MAX_MACS, OPT_MAX_RAM, OPT_MAX_DROP,
    OPT_METRIC, OPT_EVAL_CMD, OPT_LOWER_IS_BETTER, OPT_MAX_EVALS, OPT_WITH_ONNXRUNTIME,
    OPT_INPUTS, OPT_OUTPUTS, OPT_TO, OPT_RENAME, OPT_WEIGHTS_IN, OPT_WEIGHTS_MAP, OPT_WEIGHTS_OUT, OPT_STRIP, OPT_NONE,
};

/* Where this command's default or meaning is not that of the others. */
static const cli_help_text helps[] = {
    { OPT_TARGET, "who takes the result: onnx, onnxruntime (its own operators, too) or portable (rewrites make none newer "
                  "than opset 7's)", true },
    { OPT_MAX_SIZE, "largest file with its external data, or its share of the input's (default: none)", true },
    { OPT_SHAPE, "write this shape of an input into the model, as 1x3x224x224 or batch,seq", false },
    { OPT_DIM, "write the size of a symbolic dimension into the model", false },
    { OPT_INPUTS, "cut the graph: these tensors become its inputs", false },
    { OPT_IO_TYPE, "inputs and outputs as float, fp16, int8, uint8, int32 or int64, with a Cast; without a name all of "
                   "floats, or of integers", true },
    { OPT_OUTPUTS, "cut the graph: these tensors become its outputs", false },
    { OPT_MAX_MACS, "most multiply-accumulates of a run, or their share of the input's" },
    { OPT_MAX_DROP, "by how much --eval-cmd may say that the result is worse: points for numbers between 0 and 1, else a "
                    "share of the input's" },
    { OPT_METRIC, "the key that counts when --eval-cmd prints a JSON object" },
    { OPT_MAX_EVALS, "most runs of --eval-cmd behind the first: one is enough" },
    { OPT_WITH_ONNXRUNTIME, "run the result in ONNX Runtime, too, in a Python that has it ($MQ_PYTHON, else python3): every "
                            "output must be the same there" },
    { OPT_NODES, "rewrite only these nodes, change only their precision: exact name, glob, re:REGEX, @FILE; a list" },
    { OPT_OP_TYPES, "only these operators (default: all)" },
    { OPT_NONE, NULL },
};

/* Options that give the command another job than rewriting: rewrites then run when they are asked for. */
static const cli_opt jobs[] = { OPT_OPSET,  OPT_EXTERNAL_DATA, OPT_EXTERNAL_THRESHOLD, OPT_SHAPE, OPT_DIM, OPT_INPUTS,
                                OPT_OUTPUTS, OPT_RENAME,       OPT_STRIP,              OPT_PRECISION,
                                OPT_IO_TYPE, OPT_IO_LAYOUT,    OPT_EMBED_PREPROCESS,   OPT_WEIGHTS_IN, OPT_WEIGHTS_OUT };

static const char *const strips[] = { "docs", "metadata", "names" };
enum { N_STRIPS = sizeof strips / sizeof *strips };

/* JSON is asked for, or -o is called so. */
static bool is_json(const cli_options *o)
{
    const char *output = o->values[OPT_OUTPUT].text, *dot = output ? strrchr(output, '.') : NULL;

    if (o->values[OPT_TO].given)
        return o->values[OPT_TO].word == FORM_JSON;
    return dot && strcmp(dot, ".json") == 0;
}

static int level_of(const cli_options *o)
{
    if (o->values[OPT_LEVEL].given)
        return (int)o->values[OPT_LEVEL].number;
    for (size_t i = 0; !o->by_alias && i < sizeof jobs / sizeof *jobs; i++)
        if (o->values[jobs[i]].given)
            return 0;
    return is_json(o) && !o->by_alias ? 0 : 2;
}

static unsigned strip_of(const cli_options *o)
{
    const cli_value *v = &o->values[OPT_STRIP];
    unsigned what = 0;

    for (size_t i = 0; i < v->n_items; i++)
        for (size_t k = 0; k < N_STRIPS; k++)
            what |= strcmp(v->items[i], strips[k]) == 0 ? 1u << k : 0;
    return what;
}

static void read_bounds(const cli_session *s, mq_convert_opts *o)
{
    const cli_value *macs = cli_get(s, OPT_MAX_MACS);

    o->max_macs = macs->given && !macs->is_ratio ? macs->real : 0;
    o->max_macs_ratio = macs->given && macs->is_ratio ? macs->ratio : 0;
    o->max_ram = cli_get(s, OPT_MAX_RAM)->number;
    o->eval_cmd = cli_get(s, OPT_EVAL_CMD)->text;
    o->metric = cli_get(s, OPT_METRIC)->text;
    o->lower_is_better = cli_get(s, OPT_LOWER_IS_BETTER)->on;
    o->max_drop = cli_get(s, OPT_MAX_DROP)->ratio;
    o->with_onnxruntime = cli_get(s, OPT_WITH_ONNXRUNTIME)->on;
}

/* The words of --target that rewrites know; false: another one, or one with a CPU. */
static bool target_of(const cli_options *o, mq_convert_target *out)
{
    static const char *const names[] = { "onnx", "onnxruntime", "portable" }; /* as mq_convert_target counts */
    const char *text = o->values[OPT_TARGET].text;

    *out = MQ_CONVERT_ONNX;
    if (!o->values[OPT_TARGET].given)
        return true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = (mq_convert_target)i;
            return true;
        }
    }
    return false;
}

static mq_convert_opts read_options(const cli_session *s)
{
    mq_convert_opts o = mq_convert_opts_default();

    target_of(s->opts, &o.target);
    o.level = level_of(s->opts);
    o.passes = cli_names(s, OPT_PASSES);
    o.disable = cli_names(s, OPT_DISABLE_PASS);
    o.fold_limit = cli_get(s, OPT_FOLD_LIMIT)->number;
    o.opset = cli_opset(s);
    o.inputs = cli_names(s, OPT_INPUTS);
    o.outputs = cli_names(s, OPT_OUTPUTS);
    o.shapes = cli_names(s, OPT_SHAPE);
    o.dims = cli_names(s, OPT_DIM);
    o.io_types = cli_names(s, OPT_IO_TYPE);
    o.io_layouts = cli_names(s, OPT_IO_LAYOUT);
    o.pixels = cli_names(s, OPT_EMBED_PREPROCESS);
    o.weights_in = cli_get(s, OPT_WEIGHTS_IN)->text;
    o.weights_by_order = cli_get(s, OPT_WEIGHTS_MAP)->given && cli_get(s, OPT_WEIGHTS_MAP)->word == 0;
    o.weights_map = o.weights_by_order ? NULL : cli_get(s, OPT_WEIGHTS_MAP)->text;
    o.weights_out = cli_get(s, OPT_WEIGHTS_OUT)->text;
    o.renames = cli_names(s, OPT_RENAME);
    o.strip = strip_of(s->opts);
    if (cli_get(s, OPT_PRECISION)->given)
        o.precision = (mq_precision_kind)(cli_get(s, OPT_PRECISION)->word + MQ_PRECISION_FP32);
    o.keep_io_types = cli_get(s, OPT_KEEP_IO_TYPES)->on;
    o.nodes = cli_names(s, OPT_NODES);
    o.exclude_nodes = cli_names(s, OPT_EXCLUDE_NODES);
    o.op_types = cli_names(s, OPT_OP_TYPES);
    o.exclude_op_types = cli_names(s, OPT_EXCLUDE_OP_TYPES);
    o.seen_on = cli_source(s);
    o.json = is_json(s->opts);
    o.save = cli_save_opts(s);
    o.verify = cli_verify_of(s);
    o.verify_on = cli_proof_source(s);
    /* they are written into the model */
    o.verify_on.n_shapes = o.verify_on.n_dims = o.seen_on.n_shapes = o.seen_on.n_dims = 0;
    if (cli_get(s, OPT_MAX_SIZE)->given)
        cli_max_size(s, &o.max_size, &o.max_size_ratio);
    if (cli_get(s, OPT_MIN_SQNR)->given)
        o.min_sqnr = cli_get(s, OPT_MIN_SQNR)->real;
    read_bounds(s, &o);
    o.strict = cli_get(s, OPT_STRICT)->on;
    o.dry_run = cli_get(s, OPT_DRY_RUN)->on;
    o.hash = cli_wants_hash(s);
    o.keep_failed = cli_get(s, OPT_KEEP_FAILED)->text;
    return o;
}

/* ---- options against each other ----------------------------------------------------------------------------------- */

/* What says which nodes are meant. */
static const cli_opt nodes_only[] = { OPT_NODES, OPT_EXCLUDE_NODES, OPT_OP_TYPES, OPT_EXCLUDE_OP_TYPES };

/* What is for --eval-cmd. */
static const cli_opt eval_only[] = { OPT_MAX_DROP, OPT_METRIC, OPT_LOWER_IS_BETTER, OPT_MAX_EVALS };

/* What says how a model is written, judged or run. */
static const cli_opt model_only[] = { OPT_EXTERNAL_DATA, OPT_EXTERNAL_THRESHOLD, OPT_MAX_SIZE, OPT_MIN_SQNR, OPT_KEEP_FAILED,
                                      OPT_VAL_DATA, OPT_MAX_MACS, OPT_MAX_RAM, OPT_EVAL_CMD, OPT_WITH_ONNXRUNTIME };

static mq_status check_strip(const cli_value *v, mq_error *err)
{
    for (size_t i = 0; i < v->n_items; i++) {
        size_t k = 0;

        while (k < N_STRIPS && strcmp(v->items[i], strips[k]) != 0)
            k++;
        if (k == N_STRIPS)
            return cli_fail(err, MQ_ERR_USAGE, "--strip is docs, metadata or names, not '%s'", v->items[i]);
    }
    return MQ_OK;
}

static mq_status check_choice(const cli_options *o, mq_error *err)
{
    const bool precision = o->values[OPT_PRECISION].given;

    if (o->values[OPT_KEEP_IO_TYPES].given && !precision)
        return cli_fail(err, MQ_ERR_USAGE, "--keep-io-types is for --precision");
    for (size_t i = 0; i < sizeof nodes_only / sizeof *nodes_only; i++)
        if (o->values[nodes_only[i]].given && !precision && level_of(o) == 0 && !o->values[OPT_PASSES].given)
            return cli_fail(err, MQ_ERR_USAGE, "%s is for --precision and for rewrites, and none run without -O here",
                            cli_row_of(nodes_only[i])->label);
    return MQ_OK;
}

static mq_status check_eval(const cli_options *o, mq_error *err)
{
    const cli_value *evals = &o->values[OPT_MAX_EVALS];
    const bool eval = o->values[OPT_EVAL_CMD].given, peer = o->values[OPT_WITH_ONNXRUNTIME].on;
    const bool pipe = o->n_files && strcmp(o->files[0], "-") == 0;

    for (size_t i = 0; i < sizeof eval_only / sizeof *eval_only && !eval; i++)
        if (o->values[eval_only[i]].given)
            return cli_fail(err, MQ_ERR_USAGE, "%s is for --eval-cmd", cli_row_of(eval_only[i])->label);
    if (eval && !o->values[OPT_MAX_DROP].given)
        return cli_fail(err, MQ_ERR_USAGE, "--eval-cmd is for --max-drop: how much worse the result may be");
    if (evals->given && evals->number < 1)
        return cli_fail(err, MQ_ERR_USAGE, "--max-evals 0: the result is measured once");
    if (eval && pipe)
        return cli_fail(err, MQ_ERR_USAGE, "--eval-cmd needs a model with a name, not standard input");
    if ((eval || peer) && o->values[OPT_DRY_RUN].on)
        return cli_fail(err, MQ_ERR_USAGE, "%s runs what is written: --dry-run writes nothing",
                        eval ? "--eval-cmd" : "--with-onnxruntime");
    return MQ_OK;
}

/* What is done behind rewrites, or with what is written: --bisect comes to neither. */
static const cli_opt not_searched[] = {
    OPT_OUTPUT, OPT_DRY_RUN, OPT_VERIFY, OPT_MAX_SIZE, OPT_KEEP_FAILED, OPT_EXTERNAL_DATA, OPT_EXTERNAL_THRESHOLD,
    OPT_PRECISION, OPT_IO_TYPE, OPT_IO_LAYOUT, OPT_EMBED_PREPROCESS, OPT_RENAME, OPT_STRIP, OPT_TO, OPT_WEIGHTS_OUT,
    OPT_MAX_MACS, OPT_MAX_RAM, OPT_EVAL_CMD, OPT_WITH_ONNXRUNTIME, OPT_NODES, OPT_EXCLUDE_NODES, OPT_OP_TYPES,
    OPT_EXCLUDE_OP_TYPES,
};

static mq_status check_bisect(const cli_options *o, mq_error *err)
{
    if (!o->values[OPT_BISECT].on)
        return MQ_OK;
    for (size_t i = 0; i < sizeof not_searched / sizeof *not_searched; i++)
        if (o->values[not_searched[i]].given)
            return cli_fail(err, MQ_ERR_USAGE, "--bisect looks at rewrites of the whole model and writes nothing: no %s",
                            cli_row_of(not_searched[i])->label);
    if (level_of(o) == 0 && !o->values[OPT_PASSES].given)
        return cli_fail(err, MQ_ERR_USAGE, "--bisect has nothing to look at: no rewrites run without -O here");
    return MQ_OK;
}

static mq_status check(const cli_options *o, mq_error *err)
{
    const cli_value *passes = &o->values[OPT_PASSES], *disable = &o->values[OPT_DISABLE_PASS];
    const bool proves = !cli_runs_nothing(o) || o->values[OPT_WITH_ONNXRUNTIME].on;
    const mq_names only = { passes->items, passes->n_items }, not = { disable->items, disable->n_items };
    mq_convert_target target;
    mq_status rc = MQ_OK;

    if (!target_of(o, &target))
        return cli_fail(err, MQ_ERR_USAGE, "--target is onnx, onnxruntime or portable here, not '%s'",
                        o->values[OPT_TARGET].text);
    CLI_TRY(check_choice(o, err));
    CLI_TRY(check_eval(o, err));
    CLI_TRY(check_bisect(o, err));
    for (size_t i = 0; is_json(o) && i < sizeof model_only / sizeof *model_only; i++)
        if (o->values[model_only[i]].given)
            return cli_fail(err, MQ_ERR_USAGE, "%s is for a model: JSON is written", cli_row_of(model_only[i])->label);
    if (o->values[OPT_WEIGHTS_MAP].given && !o->values[OPT_WEIGHTS_IN].given)
        return cli_fail(err, MQ_ERR_USAGE, "--weights-map is for --weights-in");
    if (o->values[OPT_LEVEL].given && passes->given)
        return cli_fail(err, MQ_ERR_USAGE, "-O and --passes both choose the rewrites: one of them");
    if (level_of(o) == 0 && disable->given && !passes->given)
        return cli_fail(err, MQ_ERR_USAGE, "--disable-pass has nothing to leave out: no rewrites run without -O here");
    if (o->values[OPT_VAL_DATA].given && !proves)
        return cli_fail(err, MQ_ERR_USAGE, "--val-data is for --verify run or auto: nothing is run");
    if (o->values[OPT_DATA].given && !o->values[OPT_PRECISION].given && !proves)
        return cli_fail(err, MQ_ERR_USAGE, "--data is for --precision, and --verify run or auto: nothing is run");
    CLI_TRY(cli_check_data_used(o, proves || (o->values[OPT_PRECISION].given && o->values[OPT_DATA].given), err));
    if (o->values[OPT_FOLD_LIMIT].given && !passes->given && level_of(o) == 0)
        return cli_fail(err, MQ_ERR_USAGE, "--fold-limit has nothing to limit: no rewrites run without -O here");
    if (o->values[OPT_TARGET].given && !passes->given && level_of(o) == 0)
        return cli_fail(err, MQ_ERR_USAGE, "--target has no rewrites to choose: none run without -O here");
    CLI_TRY(check_strip(&o->values[OPT_STRIP], err));
    CLI_TRY(mq_convert_check_passes("--passes", &only, target, err));
    CLI_TRY(mq_convert_check_passes("--disable-pass", &not, target, err));
done:
    return rc;
}

/* One sentence: it is what was asked for. */
static mq_status bisect(cli_session *s, const mq_convert_opts *opts, mq_error *err)
{
    mq_bisect found;
    const mq_status rc = mq_convert_bisect(s->file, opts, &found, s->report, &s->hooks, err);

    if (rc != MQ_OK || cli_stdout_taken(s) || cli_get(s, OPT_QUIET)->on)
        return rc;
    if (!*found.pass) {
        printf("no pass changes the outputs (%zu compared)\n", found.n_compared);
        return MQ_OK;
    }
    printf("%s changes the outputs", found.pass);
    if (found.round)
        printf(" in round %d (%zu changes)", found.round, found.n_changes);
    printf(": '");
    cli_put_safe(stdout, found.output);
    if (isfinite(found.sqnr))
        printf("' has %.1f dB\n", found.sqnr);
    else
        printf("' has NaN, infinity or no signal\n");
    return MQ_OK;
}

static mq_status run(cli_session *s, mq_error *err)
{
    const mq_convert_opts opts = read_options(s);
    const char *output = cli_get(s, OPT_OUTPUT)->text;
    mq_status rc = MQ_OK;

    if (cli_get(s, OPT_LIST_PASSES)->on)
        return cli_print_list(mq_convert_list_passes(), err);
    if (cli_get(s, OPT_BISECT)->on)
        return bisect(s, &opts, err);
    rc = mq_convert_file(s->file, output ? output : "out.onnx", &opts, s->report, &s->hooks, err);
    return cli_finish_writing(s, rc, !opts.dry_run, err);
}

const cli_command mq_command_convert = {
    .name = "convert",
    .alias = "simplify",
    .files = "MODEL",
    .max_files = 1,
    .needs_output = true,
    .summary = "a graph with fewer nodes, another opset or another form, that computes the same",
    .takes = takes,
    .helps = helps,
    .check = check,
    .run = run,
};
