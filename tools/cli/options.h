/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Options: one table of typed rows (rows.c) for every command. Parsing, -h, --no-x, suggestions, --config, the options of
 * a report and shell completion all follow from it. A command names the rows it takes and how many files, and has a
 * function; the driver parses, checks all of it, and calls. A whole command:
 *
 *     static const cli_opt takes[] = { OPT_OUTPUT, OPT_FORCE, OPT_NODES, OPT_NONE };
 *
 *     static mq_status run(cli_session *s, mq_error *err)
 *     {
 *         mq_status rc = MQ_OK;
 *         mq_model *model = NULL;
 *         mq_save_opts save = mq_save_opts_default();
 *
 *         save.force = cli_get(s, OPT_FORCE)->on;
 *         CLI_TRY(mq_model_load(&model, s->file, err));
 *         for (size_t i = 0; i < cli_get(s, OPT_NODES)->n_items; i++)
 *             ... cli_get(s, OPT_NODES)->items[i] ...
 *         if (cli_missed(s))                           // a bound: the driver makes it exit 1, nothing is written
 *             goto done;
 *         CLI_TRY(mq_model_save(model, cli_get(s, OPT_OUTPUT)->text, &save, &s->hooks, NULL, err));
 *     done:
 *         mq_model_free(model);
 *         return rc;                                   // the driver prints err as "mq: error: FILE: ..."
 *     }
 *
 *     const cli_command mq_command_example = {
 *         .name = "example", .files = "MODEL", .max_files = 1, .summary = "does one thing", .takes = takes, .run = run };
 *
 * and a line in tools/commands.h and in the driver's table. Every command takes OPT_HELP to OPT_ANNOTATE by itself. */
#ifndef CLI_OPTIONS_H
#define CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/values.h"
#include "mq/status.h"

/* In the order of -h; the comment says what to read in cli_value. */
typedef enum cli_opt {
    OPT_NONE = 0,
    /* every command */
    OPT_HELP,
    OPT_VERSION,
    OPT_QUIET,    /* on */
    OPT_VERBOSE,  /* on */
    OPT_STRICT,   /* on; the driver applies it */
    OPT_THREADS,  /* number; the driver puts it into hooks.n_threads; numbers as of OPT_BATCH */
    OPT_ISA,      /* text: a name of mq/isa.h; the driver applies it */
    OPT_CONFIG,
    OPT_REPORT,   /* items; the driver writes them */
    OPT_JSON,     /* on; the driver writes it */
    OPT_ANNOTATE, /* word: cli_annotate; see cli_say_missed */
    /* writing a model */
    OPT_OUTPUT,             /* text */
    OPT_FORCE,              /* on */
    OPT_DRY_RUN,            /* on */
    OPT_KEEP_FAILED,        /* text */
    OPT_DEPFILE,            /* text; the driver writes it, see cli_note_read */
    OPT_SYNC,               /* on */
    OPT_EXTERNAL_DATA,      /* word: cli_external, else text is a file name */
    OPT_EXTERNAL_THRESHOLD, /* number: bytes (default 1024) */
    OPT_OPSET,              /* word 0: latest; else number, 0 when not given */
    OPT_VERIFY,             /* word: cli_verify */
    /* bounds */
    OPT_MAX_SIZE, /* word 0: none; else is_ratio ? ratio (default 1.0) : number of bytes */
    OPT_MIN_SQNR, /* given: real, in dB */
    OPT_MAX_DROP,    /* given: ratio */
    OPT_MIN_METRIC,  /* given: real */
    OPT_MAX_LATENCY, /* given: real, in seconds */
    OPT_MIN_SPEEDUP, /* given: ratio */
    OPT_MAX_MACS,    /* given: is_ratio ? ratio : real */
    OPT_MAX_RAM,     /* given: number of bytes */
    OPT_ATOL,     /* given: real */
    OPT_RTOL,     /* given: real */
    /* data: cli/source.h fills an mq_data_source */
    OPT_DATA,            /* items, as written */
    OPT_LABELS,          /* items, as written */
    OPT_VAL_DATA,        /* items, as written */
    OPT_VAL_LABELS,      /* items, as written */
    OPT_PREPROCESS,      /* items, as written */
    OPT_SAMPLES,         /* number; 0: all */
    OPT_BATCH,           /* number; 0 when not given; numbers, n_numbers of them, where the command takes a list */
    OPT_FILL,            /* items, as written */
    OPT_CARRY,           /* items, as written */
    OPT_SKIP_BAD,        /* on */
    OPT_ALLOW_NONFINITE, /* on */
    OPT_SEED,            /* number */
    /* shapes */
    OPT_SHAPE, /* shapes, n_items of them */
    OPT_DIM,   /* items: "NAME=N"; names and numbers: split already, see cli_value */
    /* measuring */
    OPT_RUNS,             /* number; 0: not given */
    OPT_DURATION,         /* given: real, in seconds */
    OPT_TIME_LIMIT,       /* likewise */
    OPT_SENSITIVITY,      /* on */
    OPT_WARMUP,           /* given: number */
    OPT_PROFILE,          /* on */
    OPT_TRACE,            /* text: a file */
    OPT_METRIC,           /* text */
    OPT_METRIC_OUTPUT,    /* text */
    OPT_EVAL_CMD,         /* text */
    OPT_LOWER_IS_BETTER,  /* on */
    OPT_MAX_EVALS,        /* number */
    OPT_WITH_ONNXRUNTIME, /* on */
    /* which */
    OPT_NODES,            /* items: patterns, @FILE already replaced by its lines */
    OPT_EXCLUDE_NODES,    /* items */
    OPT_TENSORS,          /* items */
    OPT_EXCLUDE_TENSORS,  /* items */
    OPT_OP_TYPES,         /* items */
    OPT_EXCLUDE_OP_TYPES, /* items */
    OPT_INPUTS,           /* items: names */
    OPT_OUTPUTS,          /* items: names */
    OPT_TARGET,           /* word: index into cli_row_of(OPT_TARGET)->words, the runtime; second: the CPU, -1: none;
                             text: both as written */
    /* check */
    OPT_AGAINST, /* text: a model */
    OPT_LAYERS,  /* on */
    OPT_TESTS,   /* text: a folder */
    /* split */
    OPT_PARTS,   /* number */
    OPT_AT,      /* items: names */
    OPT_BALANCE, /* word: 0 bytes, 1 macs */
    /* merge */
    OPT_CONNECT, /* items: "OUT=IN" */
    OPT_PREFIX,  /* items */
    OPT_AVERAGE, /* on */
    /* quantize */
    OPT_MODE,        /* word: cli_mode */
    OPT_TYPE,        /* text: "int8"; word */
    OPT_TENSOR_TYPE, /* items: "PATTERN=TYPE" */
    OPT_ENDS_TYPE,   /* text, word as of OPT_TYPE */
    OPT_PER_CHANNEL, /* on (default on); --per-tensor is its other name turned round */
    OPT_PER_TENSOR,  /* never stored: read OPT_PER_CHANNEL */
    OPT_SYMMETRIC,   /* given: on or not; else by type and target */
    OPT_ASYMMETRIC,  /* never stored: read OPT_SYMMETRIC */
    OPT_FORMAT,         /* word: cli_format */
    OPT_BLOCK_SIZE,     /* number */
    OPT_BLOCK_FALLBACK, /* word: cli_block_fallback */
    OPT_ACCURACY_LEVEL, /* number */
    OPT_ALGORITHM,      /* word: cli_algorithm */
    OPT_RANGE,          /* word 0: minmax; else range */
    OPT_REDUCE_RANGE,   /* given: on or not; else by target */
    OPT_OVERRIDES,      /* text: a file */
    OPT_ACT_TYPE,       /* text: "uint8"; NULL: by target */
    OPT_IO_TYPE,        /* items: "[NAME=]TYPE" */
    OPT_ACT_SYMMETRIC,  /* given: on or not; else by target */
    OPT_ACT_ASYMMETRIC, /* never stored: read OPT_ACT_SYMMETRIC */
    OPT_CALIBRATION,    /* word: cli_calibration */
    OPT_PERCENTILE,     /* real */
    OPT_CALIBRATION_CACHE, /* items: files */
    OPT_CALIBRATE_ONLY, /* on */
    OPT_SHARD,          /* text: "I/N" */
    OPT_EFFORT,         /* word: cli_effort */
    OPT_SMOOTH,         /* text: auto, none or a number */
    OPT_BIAS_CORRECTION, /* given: on or not; else by effort */
    OPT_EQUALIZE,       /* given: on or not; else by effort */
    OPT_REQUANTIZE,     /* on */
    OPT_LIST_TYPES,     /* on: print and do nothing else */
    OPT_LIST_TARGETS,   /* on */
    /* training */
    OPT_EPOCHS,          /* number */
    OPT_EARLY_STOP,      /* number */
    OPT_VAL_SPLIT,       /* ratio */
    OPT_OPTIMIZER,       /* text; word */
    OPT_LR,              /* real */
    OPT_MOMENTUM,        /* real */
    OPT_WEIGHT_DECAY,    /* real */
    OPT_CLIP_GRAD,       /* given: real */
    OPT_LR_SCHEDULE,     /* text; word */
    OPT_LR_WARMUP,       /* number */
    OPT_LOSS,            /* items */
    OPT_TEMPERATURE,     /* real */
    OPT_ALPHA,           /* real */
    OPT_LABEL_SMOOTHING, /* real */
    OPT_HARD,            /* on */
    OPT_AUGMENT,         /* items */
    OPT_CHECKPOINT,      /* text: a folder */
    OPT_RESUME,          /* on */
    /* distill */
    OPT_STUDENT,  /* text: a model */
    OPT_WIDTH,    /* ratio */
    OPT_DEPTH,    /* ratio */
    OPT_INIT,     /* word: 0 teacher, 1 random */
    OPT_STUDENTS, /* number */
    OPT_HINT,     /* items: "TEACHER=STUDENT" */
    OPT_TEACHER_CACHE, /* text: a file */
    OPT_SOFT_LABELS, /* text: a file */
    OPT_CONTROL,  /* on */
    OPT_QUANTIZE, /* on */
    /* prune */
    OPT_SPARSITY,  /* items: "RATIO" or "PATTERN=RATIO" */
    OPT_THRESHOLD, /* given: real */
    OPT_NONZEROS,  /* given: number */
    OPT_METHOD,    /* word: mq_prune_method */
    OPT_SCOPE,     /* word: mq_prune_scope */
    OPT_PATTERN,   /* text */
    OPT_STORAGE,   /* word: dense, sparse */
    OPT_ROUND_TO,  /* number */
    OPT_ZERO_ONLY, /* on */
    OPT_KEEP_ENDS, /* on */
    OPT_ROUNDS,    /* given: number */
    OPT_SPARSITY_SCHEDULE, /* text */
    /* convert */
    OPT_LEVEL,          /* given: number; else by the other options */
    OPT_PASSES,         /* items: patterns of names */
    OPT_DISABLE_PASS,   /* items */
    OPT_LIST_PASSES,    /* on: print and do nothing else */
    OPT_BISECT,         /* on */
    OPT_FOLD_LIMIT,     /* number: bytes */
    OPT_PRECISION,      /* given: word: cli_precision */
    OPT_KEEP_IO_TYPES,  /* on */
    OPT_TO,             /* given: word: cli_form */
    OPT_IO_LAYOUT,      /* items: "NAME=nchw" */
    OPT_EMBED_PREPROCESS, /* items, as written */
    OPT_RENAME,         /* items: "OLD=NEW" */
    OPT_WEIGHTS_IN,     /* text: a file */
    OPT_WEIGHTS_MAP,    /* text: a file */
    OPT_WEIGHTS_OUT,    /* text: a file */
    OPT_STRIP,          /* items: names of cli_strip_words */
    N_OPTS
} cli_opt;

/* Words of rows, in the rows' order. */
typedef enum cli_external { EXTERNAL_AUTO, EXTERNAL_NONE, EXTERNAL_PER_TENSOR } cli_external;
typedef enum cli_verify { VERIFY_AUTO, VERIFY_NONE, VERIFY_LOAD, VERIFY_RUN } cli_verify;
typedef enum cli_mode { MODE_AUTO, MODE_WEIGHT, MODE_DYNAMIC, MODE_STATIC } cli_mode;
typedef enum cli_type {
    TYPE_INT8, TYPE_UINT8, TYPE_INT4, TYPE_UINT4, TYPE_INT2, TYPE_UINT2, TYPE_INT16, TYPE_UINT16
} cli_type;
typedef enum cli_precision { PRECISION_FP32, PRECISION_FP16, PRECISION_BF16 } cli_precision;
typedef enum cli_format { FORMAT_QDQ, FORMAT_QOPERATOR, FORMAT_NBITS } cli_format;
typedef enum cli_block_fallback { BLOCK_PARTIAL, BLOCK_ERROR, BLOCK_SKIP, BLOCK_ADJUST } cli_block_fallback;
typedef enum cli_algorithm {
    ALGORITHM_RTN,
    ALGORITHM_MSE,
    ALGORITHM_HQQ,
    ALGORITHM_AWQ,
    ALGORITHM_GPTQ,
    ALGORITHM_ADAROUND,
} cli_algorithm;
typedef enum cli_effort { EFFORT_FAST, EFFORT_NORMAL, EFFORT_BEST } cli_effort;
typedef enum cli_form { FORM_ONNX, FORM_JSON } cli_form;
typedef enum cli_annotate { ANNOTATE_GITHUB, ANNOTATE_NONE } cli_annotate;

typedef enum cli_kind {
    KIND_SWITCH,
    KIND_WORD,          /* one of `words`; with `second`: WORD[,SECOND] */
    KIND_TEXT,          /* anything: a file name */
    KIND_COUNT,
    KIND_SIZE,
    KIND_SIZE_OR_RATIO,
    KIND_RANGE,         /* LO..HI or stddev=K */
    KIND_REAL,          /* a finite number */
    KIND_RATIO,         /* 0.5, 50%: may be over 1 */
    KIND_REAL_OR_RATIO, /* a number; a ratio with % or up to 1 */
    KIND_TIME,          /* 5ms, 10s */
    KIND_LIST,          /* texts: commas and repeats add up */
    KIND_TEXTS,         /* texts: repeats add up, commas belong to them */
    KIND_PATTERNS,      /* a list; "@FILE" stands for its lines; "re:..." takes the rest of its argument, commas too */
    KIND_DIMS,          /* a list of NAME=N */
    KIND_SHAPES,        /* a list of cli_shape; commas inside a shape belong to it */
} cli_kind;

/* One row of the table. */
typedef struct cli_row {
    const char *label;    /* "--force"; "-o" where there is no long name */
    char letter;          /* 0: none */
    cli_kind kind;
    const char *group;    /* heading in -h */
    const char *arg;      /* "FILE"; NULL for switches */
    const char *words;    /* legal words, "auto|none"; for other kinds words that stand beside a value of the kind */
    const char *fallback; /* the default as one would write it; NULL: none, or said in `help` */
    const char *second;   /* of KIND_WORD: legal words behind a comma; NULL: none */
    uint64_t min;         /* of KIND_COUNT */
    uint64_t max;         /* 0: no limit */
    bool power_of_two;    /* of KIND_COUNT: nothing else */
    bool many;            /* of KIND_COUNT: commas make a list, for commands that take one */
    bool no_negation;     /* of switches: there is no --no-x */
    cli_opt opposite;     /* --per-tensor: sets this one to the contrary instead */
    const char *help;     /* one sentence without a full stop */
} cli_row;

/* The value of one option after parsing; what is not given holds its default. */
typedef struct cli_value {
    bool given;           /* on the command line or in --config */
    bool on;              /* KIND_SWITCH */
    bool is_ratio;        /* KIND_SIZE_OR_RATIO, KIND_REAL_OR_RATIO: `ratio` counts, not `number` or `real` */
    int word;             /* place in the row's `words`; -1: none of them */
    int second;           /* place in the row's `second`; -1: none is given */
    uint64_t number;      /* KIND_COUNT; bytes of KIND_SIZE */
    double ratio;
    double real;          /* KIND_REAL; seconds of KIND_TIME */
    cli_range range;      /* KIND_RANGE */
    const char *text;     /* as written, the last one; NULL: not given and no default */
    const char **items;   /* lists, in the order given */
    size_t n_items;
    cli_shape *shapes;    /* KIND_SHAPES: n_items of them */
    const char **names;   /* KIND_DIMS: items[i] is names[i]=numbers[i] */
    uint64_t *numbers;
    size_t n_numbers;     /* KIND_COUNT with `many` */
} cli_value;

typedef struct cli_session cli_session;
typedef struct cli_options cli_options;

/* What an option's -h says in one command, where that is more than what it says in all of them. */
typedef struct cli_help_text {
    cli_opt id; /* OPT_NONE ends a list */
    const char *text;
    bool no_default; /* the row's default is not this command's */
    const char *arg; /* what it takes, where that is less than the row says; NULL: what the row says */
} cli_help_text;

/* A command. */
typedef struct cli_command {
    const char *name;      /* "quantize" */
    const char *alias;     /* another name, or NULL */
    const char *files;     /* as the synopsis shows them: "MODEL" */
    size_t max_files;      /* positional files; at least one is needed */
    cli_opt instead;       /* an option that stands for the file; OPT_NONE: there is none */
    bool many;             /* --threads and --batch may be lists */
    bool needs_output;     /* -o is required (not with --dry-run) */
    const char *summary;   /* one line */
    const cli_opt *takes;  /* ends with OPT_NONE; without the common ones */
    const cli_help_text *helps; /* NULL: the rows' own */
    mq_status (*check)(const cli_options *o, mq_error *err); /* options against each other, before any file; or NULL */
    mq_status (*run)(cli_session *s, mq_error *err); /* see session.h */
} cli_command;

/* What was asked for. */
struct cli_options {
    cli_value values[N_OPTS];
    const char **files; /* positional */
    size_t n_files;
    const char **read;  /* files read on the way: @FILE, --config */
    size_t n_read;
    size_t n_stdin;     /* lists read from standard input (@-) */
    bool help, version; /* -h or -V was seen: parsing stopped there */
    bool by_alias;      /* the command was called by its other name */
    void **owned;       /* every allocation, freed by release */
    size_t n_owned;
};

/* Parses argv[1..] (argv[0] only tells whether it is the command's alias), then --config, and checks everything that needs
 * no model. *o is filled in any case, to be released. MQ_ERR_USAGE with the sentence; MQ_ERR_INPUT for a file that cannot
 * be read or is of a kind that mq does not take. */
mq_status cli_options_parse(cli_options *o, const cli_command *cmd, int argc, char *const *argv, mq_error *err);
void cli_options_release(cli_options *o);

/* Options from the outside (--config). A value as if `--NAME VALUE` had been written: */
mq_status cli_options_set(cli_options *o, cli_opt id, const char *value, mq_error *err);
void cli_options_set_switch(cli_options *o, cli_opt id, bool on);
/* Adds an item to a list option as it is, without splitting at commas. */
mq_status cli_options_add_item(cli_options *o, cli_opt id, const char *item, mq_error *err);

/* Remembers that a file was read, for --depfile. */
mq_status cli_options_note_read(cli_options *o, const char *path, mq_error *err);

const cli_row *cli_row_of(cli_opt id);
bool cli_kind_is_list(cli_kind kind);
/* Does the command take the option? */
bool cli_command_takes(const cli_command *cmd, cli_opt id);
/* The row of that long name ('-' and '_' are equal) or single letter; OPT_NONE when there is none. */
cli_opt cli_opt_find(const char *name, size_t len);
/* The label without dashes: "force", "o". The key of --config and of a report's options. */
const char *cli_opt_name(cli_opt id);

/* Keeps p (from malloc) until cli_options_release; NULL (out of memory) stays NULL. */
void *cli_own(cli_options *o, void *p);

#endif
