/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq quantize: from options to the library's call, and what to say about the result. */
#include "mq/quantize.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/bounds.h"
#include "cli/session.h"
#include "cli/source.h"
#include "cli/text.h"
#include "cli/training.h"
#include "cli/writing.h"
#include "commands.h"

static const cli_opt takes[] = {
    OPT_OUTPUT,        OPT_FORCE,   OPT_DRY_RUN,       OPT_KEEP_FAILED, OPT_DEPFILE,        OPT_SYNC,
    OPT_EXTERNAL_DATA, OPT_EXTERNAL_THRESHOLD, OPT_OPSET, OPT_VERIFY, OPT_DATA, OPT_LABELS, OPT_VAL_DATA,
    OPT_VAL_LABELS,    OPT_PREPROCESS,
    OPT_SAMPLES,       OPT_BATCH,   OPT_FILL,          OPT_CARRY,    OPT_SKIP_BAD,          OPT_ALLOW_NONFINITE,
    OPT_SHAPE,         OPT_DIM,     OPT_SEED,          OPT_MIN_SQNR, OPT_MAX_SIZE,          OPT_NODES,
    OPT_EXCLUDE_NODES, OPT_TENSORS, OPT_EXCLUDE_TENSORS, OPT_OP_TYPES,  OPT_EXCLUDE_OP_TYPES, OPT_MODE,
    OPT_TYPE,          OPT_TENSOR_TYPE, OPT_ENDS_TYPE, OPT_PER_CHANNEL, OPT_PER_TENSOR,     OPT_SYMMETRIC,
    OPT_ASYMMETRIC,    OPT_FORMAT,  OPT_BLOCK_SIZE,    OPT_BLOCK_FALLBACK, OPT_ACCURACY_LEVEL, OPT_ALGORITHM,
    OPT_ACT_TYPE,      OPT_IO_TYPE, OPT_ACT_SYMMETRIC, OPT_ACT_ASYMMETRIC, OPT_CALIBRATION, OPT_PERCENTILE, OPT_EFFORT,
    OPT_SMOOTH,        OPT_EQUALIZE, OPT_BIAS_CORRECTION, OPT_CALIBRATION_CACHE, OPT_CALIBRATE_ONLY, OPT_SHARD,
    OPT_RANGE,         OPT_REDUCE_RANGE, OPT_TARGET,   OPT_OVERRIDES,   OPT_REQUANTIZE,     OPT_LIST_TYPES,
    OPT_LIST_TARGETS,  OPT_SENSITIVITY, OPT_TIME_LIMIT, CLI_BOUNDS_OPTS, OPT_NONE,
};

/* Where this command's default or meaning is not that of the others. */
static const cli_help_text helps[] = {
    CLI_BOUNDS_HELPS("the input", "the result"),
    { OPT_MAX_EVALS, "most models that a search by bounds measures, and most runs of --eval-cmd behind the first",
      false, NULL },
    { OPT_SENSITIVITY, "measure what each layer's quantization costs alone, on the data of bounds", false, NULL },
    { OPT_TIME_LIMIT, "sensitivity, a search by bounds and rounding by data end after so long together",
      false, NULL },
    { OPT_NONE, NULL, false, NULL },
};

enum { CALIBRATION_SAMPLES = 512 }; /* unless told otherwise */

static void read_filters(const cli_session *s, mq_quantize_opts *o)
{
    o->nodes = cli_names(s, OPT_NODES);
    o->exclude_nodes = cli_names(s, OPT_EXCLUDE_NODES);
    o->tensors = cli_names(s, OPT_TENSORS);
    o->exclude_tensors = cli_names(s, OPT_EXCLUDE_TENSORS);
    o->op_types = cli_names(s, OPT_OP_TYPES);
    o->exclude_op_types = cli_names(s, OPT_EXCLUDE_OP_TYPES);
}

/* A switch that decides only when it is given. */
static mq_choice choice_of(const cli_session *s, cli_opt id)
{
    const cli_value *v = cli_get(s, id);
    return !v->given ? MQ_CHOICE_DEFAULT : v->on ? MQ_CHOICE_YES : MQ_CHOICE_NO;
}

/* The form has been checked. */
static void read_smooth(const char *text, mq_quantize_opts *o)
{
    if (!text)
        return;
    o->smooth = strcmp(text, "auto") == 0 ? MQ_SMOOTH_AUTO : strcmp(text, "none") == 0 ? MQ_SMOOTH_NONE : MQ_SMOOTH_ALPHA;
    o->smooth_alpha = o->smooth == MQ_SMOOTH_ALPHA ? atof(text) : 0;
}

/* Words of the rows stand in the order of the library's enums. */
static void read_scheme(const cli_session *s, mq_quantize_opts *o)
{
    static const mq_effort efforts[] = { [EFFORT_FAST] = MQ_EFFORT_FAST, [EFFORT_NORMAL] = MQ_EFFORT_NORMAL,
                                         [EFFORT_BEST] = MQ_EFFORT_BEST };
    const cli_value *range = cli_get(s, OPT_RANGE);

    o->mode = (mq_quantize_mode)cli_get(s, OPT_MODE)->word;
    o->type = cli_get(s, OPT_TYPE)->text;
    o->tensor_types = cli_names(s, OPT_TENSOR_TYPE);
    o->ends_type = cli_get(s, OPT_ENDS_TYPE)->text;
    o->overrides = cli_get(s, OPT_OVERRIDES)->text;
    o->per_tensor = !cli_get(s, OPT_PER_CHANNEL)->on;
    o->symmetric = choice_of(s, OPT_SYMMETRIC);
    o->reduce_range = choice_of(s, OPT_REDUCE_RANGE);
    o->format = (mq_quantize_format)cli_get(s, OPT_FORMAT)->word;
    o->block_size = (int)cli_get(s, OPT_BLOCK_SIZE)->number;
    o->block_fallback = (mq_block_fallback)cli_get(s, OPT_BLOCK_FALLBACK)->word;
    o->accuracy_level = (int)cli_get(s, OPT_ACCURACY_LEVEL)->number;
    o->algorithm = cli_get(s, OPT_ALGORITHM)->given ? (mq_algorithm)(cli_get(s, OPT_ALGORITHM)->word + 1) :
                                                      MQ_ALGORITHM_DEFAULT;
    if (range->word < 0) {
        o->range = range->range.is_stddev ? MQ_RANGE_STDDEV : MQ_RANGE_FIXED;
        o->range_lo = (float)range->range.lo;
        o->range_hi = (float)range->range.hi;
        o->range_k = (float)range->range.k;
    }
    o->act_type = cli_get(s, OPT_ACT_TYPE)->text;
    o->io_types = cli_names(s, OPT_IO_TYPE);
    o->act_symmetric = choice_of(s, OPT_ACT_SYMMETRIC);
    o->calibration = cli_get(s, OPT_CALIBRATION)->given ?
                         (mq_calibration_kind)(cli_get(s, OPT_CALIBRATION)->word + 1) : MQ_CALIBRATION_DEFAULT;
    o->effort = efforts[cli_get(s, OPT_EFFORT)->word];
    read_smooth(cli_get(s, OPT_SMOOTH)->text, o);
    o->bias_correction = choice_of(s, OPT_BIAS_CORRECTION);
    o->equalize = choice_of(s, OPT_EQUALIZE);
    o->percentile = cli_get(s, OPT_PERCENTILE)->real;
    o->target = cli_get(s, OPT_TARGET)->text;
    o->requantize = cli_get(s, OPT_REQUANTIZE)->on;
}

/* "I/N"; what the numbers may be is the library's to say. */
static bool read_shard(const char *text, int *shard, int *n_shards)
{
    int end = 0;

    return text && strspn(text, "0123456789/") == strlen(text) && sscanf(text, "%9d/%9d%n", shard, n_shards, &end) == 2 &&
           text[end] == '\0' && *n_shards > 0;
}

static void read_calibration(const cli_session *s, mq_quantize_opts *o)
{
    o->calibrate_on = cli_source(s);
    o->calibrate_on.n_labels = 0;
    if (!cli_get(s, OPT_SAMPLES)->given)
        o->calibrate_on.samples = CALIBRATION_SAMPLES;
    o->calibration_cache = cli_names(s, OPT_CALIBRATION_CACHE);
    o->calibrate_only = cli_get(s, OPT_CALIBRATE_ONLY)->on;
    read_shard(cli_get(s, OPT_SHARD)->text, &o->shard, &o->n_shards);
}

static void read_bounds(const cli_session *s, mq_quantize_opts *o)
{
    o->bounds = cli_bounds(s);
    cli_max_size(s, &o->bounds.limits.max_size, &o->bounds.limits.max_size_ratio); /* one that is not given has a default */
    o->sensitivity = cli_get(s, OPT_SENSITIVITY)->on;
    o->time_limit = cli_get(s, OPT_TIME_LIMIT)->real;
    o->judge_on = cli_get(s, OPT_VAL_DATA)->given ? cli_judge_source(s) : cli_source(s);
}

static mq_quantize_opts read_options(cli_session *s)
{
    mq_quantize_opts o = mq_quantize_opts_default();

    read_filters(s, &o);
    o.save = cli_save_opts(s);
    read_scheme(s, &o);
    o.opset = cli_opset(s);
    read_bounds(s, &o);
    o.verify = cli_verify_of(s);
    o.verify_on = cli_proof_source(s);
    read_calibration(s, &o);
    o.strict = cli_get(s, OPT_STRICT)->on;
    o.dry_run = cli_get(s, OPT_DRY_RUN)->on;
    o.hash = cli_wants_hash(s);
    o.keep_failed = cli_get(s, OPT_KEEP_FAILED)->text;
    o.note = cli_source_note;
    o.user = s;
    return o;
}

/* ---- options against each other ----------------------------------------------------------------------------------- */

static bool is_wide(const cli_options *o)
{
    int type = o->values[OPT_TYPE].word;
    return type != TYPE_INT4 && type != TYPE_UINT4 && type != TYPE_INT2 && type != TYPE_UINT2 &&
           !o->values[OPT_TENSOR_TYPE].given && !o->values[OPT_OVERRIDES].given;
}

static bool is_not_nbits(const cli_options *o)
{
    return o->values[OPT_FORMAT].word != FORMAT_NBITS;
}

static bool has_no_blocks(const cli_options *o)
{
    return is_wide(o) && is_not_nbits(o);
}

static bool is_not_static(const cli_options *o)
{
    const int mode = o->values[OPT_MODE].word;

    return mode != MODE_STATIC &&
           (mode != MODE_AUTO || (!o->values[OPT_DATA].given && !o->values[OPT_CALIBRATION_CACHE].given));
}

static bool is_not_percentile(const cli_options *o)
{
    return is_not_static(o) || o->values[OPT_CALIBRATION].word + 1 != MQ_CALIBRATION_PERCENTILE;
}

static bool is_per_tensor(const cli_options *o)
{
    return !o->values[OPT_PER_CHANNEL].on;
}

static bool writes_no_model(const cli_options *o)
{
    return o->values[OPT_CALIBRATE_ONLY].on;
}

static bool has_bound_on_quality(const cli_options *o)
{
    return o->values[OPT_MAX_DROP].given || o->values[OPT_MIN_METRIC].given || o->values[OPT_MIN_SQNR].given;
}

static bool has_bound_on_time(const cli_options *o)
{
    return o->values[OPT_MAX_LATENCY].given || o->values[OPT_MIN_SPEEDUP].given;
}

static bool has_bound_on_size(const cli_options *o)
{
    return o->values[OPT_MAX_SIZE].given && o->values[OPT_MAX_SIZE].word != 0;
}

/* Sensitivity comes before a search by these, and looks at metrics. */
static bool looks_at_no_metric(const cli_options *o)
{
    return !has_bound_on_quality(o) && !has_bound_on_size(o) && !o->values[OPT_SENSITIVITY].on;
}

/* Labels of --data, where others are judged on. */
static bool judges_elsewhere(const cli_options *o)
{
    return o->values[OPT_VAL_DATA].given && !o->values[OPT_VAL_LABELS].given;
}

static bool has_no_bound(const cli_options *o)
{
    return !has_bound_on_quality(o) && !has_bound_on_size(o) && !has_bound_on_time(o);
}

/* Neither search nor sensitivity nor rounding by data. */
static bool has_no_long_work(const cli_options *o)
{
    const cli_value *algorithm = &o->values[OPT_ALGORITHM];
    const bool by_data = algorithm->given ? algorithm->word + 1 >= MQ_ALGORITHM_AWQ
                                          : o->values[OPT_EFFORT].word == EFFORT_BEST;

    return has_no_bound(o) && !o->values[OPT_SENSITIVITY].on && !by_data;
}

/* Is something run for a bound, or for sensitivity? */
static bool is_judged(const cli_options *o)
{
    return has_bound_on_quality(o) || has_bound_on_time(o) || o->values[OPT_SENSITIVITY].given;
}

static bool runs_nothing(const cli_options *o)
{
    return cli_runs_nothing(o) && !is_judged(o);
}

/* What only the command line can tell, for it knows what was given; the library checks the rest. */
static const struct {
    cli_opt given;       /* this ... */
    bool (*idle)(const cli_options *o); /* ... has no effect when */
    const char *sentence;
} idle_rules[] = {
    { OPT_BLOCK_SIZE, has_no_blocks, "--block-size is for types of 2 and 4 bits or --format nbits: the type is %s" },
    { OPT_BLOCK_FALLBACK, has_no_blocks, "--block-fallback is for types of 2 and 4 bits or --format nbits: the type is %s" },
    { OPT_BLOCK_SIZE, is_per_tensor, "--block-size and --per-tensor contradict each other" },
    { OPT_ENDS_TYPE, is_wide, "--ends-type is for types of 2 and 4 bits: the type is %s" },
    { OPT_ACCURACY_LEVEL, is_not_nbits, "--accuracy-level is for --format nbits" },
    { OPT_OUTPUT, writes_no_model, "-o is for a model: --calibrate-only writes none" },
    { OPT_DEPFILE, writes_no_model, "--depfile is for a model: --calibrate-only writes none" },
    { OPT_DRY_RUN, writes_no_model, "--dry-run and --calibrate-only contradict each other" },
    { OPT_ACT_TYPE, is_not_static, "--act-type is for --mode static, which --data implies" },
    { OPT_ACT_SYMMETRIC, is_not_static, "--act-symmetric is for --mode static, which --data implies" },
    { OPT_CALIBRATION, is_not_static, "--calibration is for --mode static, which --data implies" },
    { OPT_PERCENTILE, is_not_percentile, "--percentile is for --mode static with --calibration percentile" },
    { OPT_LABELS, looks_at_no_metric, "--labels are for bounds on quality or size and for --sensitivity: none is given" },
    { OPT_LABELS, judges_elsewhere, "--labels belong to --data, and --val-data is judged on: --val-labels" },
    { OPT_VAL_LABELS, looks_at_no_metric,
      "--val-labels are for bounds on quality or size and for --sensitivity: none is given" },
    { OPT_METRIC_OUTPUT, looks_at_no_metric, "--metric-output is for --max-drop, --min-metric and --sensitivity" },
    { OPT_MAX_EVALS, has_no_bound, "--max-evals is for searches by bounds: none is given" },
    { OPT_TIME_LIMIT, has_no_long_work,
      "--time-limit is for bounds, --sensitivity and rounding by data (--effort best): none is given" },
    { OPT_VAL_DATA, runs_nothing, "--val-data is for --verify run or auto: nothing is run" },
};

static bool is_smooth(const char *text)
{
    char *end;
    double x;

    if (!text || strcmp(text, "auto") == 0 || strcmp(text, "none") == 0)
        return true;
    x = strtod(text, &end);
    return end != text && !*end && x >= 0 && x <= 1;
}

static mq_status check(const cli_options *o, mq_error *err)
{
    const char *type = o->values[OPT_TYPE].text;
    int shard, n_shards;
    mq_status rc;

    for (size_t i = 0; i < sizeof idle_rules / sizeof *idle_rules; i++)
        if (o->values[idle_rules[i].given].given && idle_rules[i].idle(o))
            return cli_fail(err, MQ_ERR_USAGE, idle_rules[i].sentence, type);
    if (!is_smooth(o->values[OPT_SMOOTH].text))
        return cli_fail(err, MQ_ERR_USAGE, "--smooth is auto, none or a number from 0 to 1, not '%s'",
                        o->values[OPT_SMOOTH].text);
    for (size_t i = 0; i < o->values[OPT_TENSOR_TYPE].n_items; i++)
        if (!strrchr(o->values[OPT_TENSOR_TYPE].items[i], '='))
            return cli_fail(err, MQ_ERR_USAGE, "--tensor-type takes PATTERN=TYPE, not '%s'",
                            o->values[OPT_TENSOR_TYPE].items[i]);
    if (o->values[OPT_SHARD].given && !read_shard(o->values[OPT_SHARD].text, &shard, &n_shards))
        return cli_fail(err, MQ_ERR_USAGE, "--shard takes I/N, part I of N, not '%s'", o->values[OPT_SHARD].text);
    if (o->values[OPT_FORMAT].word == FORMAT_NBITS && o->values[OPT_TARGET].given && o->values[OPT_TARGET].word == 0)
        return cli_fail(err, MQ_ERR_USAGE, "--format nbits is for --target onnxruntime: onnx has standard operators only");
    if (o->values[OPT_VAL_LABELS].given && !o->values[OPT_VAL_DATA].given)
        return cli_fail(err, MQ_ERR_USAGE, "--val-labels belong to --val-data, which is not given");
    if ((rc = cli_check_bounds(o, o->values[OPT_SENSITIVITY].on, true, err)) != MQ_OK)
        return rc;
    return cli_check_data_used(o, o->values[OPT_DATA].given || !runs_nothing(o), err);
}

/* ---- running ------------------------------------------------------------------------------------------------------ */

static mq_status print_lists(bool types, bool targets, mq_error *err)
{
    mq_status rc = types ? cli_print_list(mq_quantize_list_types(), err) : MQ_OK;

    if (types && targets)
        putchar('\n');
    return rc == MQ_OK && targets ? cli_print_list(mq_quantize_list_targets(), err) : rc;
}

static mq_status run(cli_session *s, mq_error *err)
{
    mq_quantize_opts opts = read_options(s);
    mq_status rc = MQ_OK;

    if (cli_get(s, OPT_LIST_TYPES)->on || cli_get(s, OPT_LIST_TARGETS)->on)
        return print_lists(cli_get(s, OPT_LIST_TYPES)->on, cli_get(s, OPT_LIST_TARGETS)->on, err);
    rc = mq_quantize_file(s->file, cli_get(s, OPT_OUTPUT)->text ? cli_get(s, OPT_OUTPUT)->text : "out.onnx", &opts,
                          s->report, &s->hooks, err);
    return cli_finish_named(s, rc, !opts.dry_run && !opts.calibrate_only, err);
}

const cli_command mq_command_quantize = {
    .name = "quantize",
    .files = "MODEL",
    .max_files = 1,
    .needs_output = true,
    .summary = "weights as integers of 2 to 16 bits, or integer products with ranges found at run time",
    .takes = takes,
    .helps = helps,
    .check = check,
    .run = run,
};
