/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The table of options: names, arguments, defaults and the sentence of -h. One name has one meaning in every
 * command. Parsing is in options.c; man pages repeat the names (a test compares them). */
#include <string.h>

#include "cli/options.h"

#define ALL "All commands"
#define WRITING "Writing"
#define BOUNDS "Bounds"
#define SHAPES "Shapes"
#define WHICH "Which nodes and tensors"
#define QUANTIZE "Quantization"

static const cli_row rows[N_OPTS] = {
    [OPT_HELP] = { "--help", 'h', KIND_SWITCH, ALL, .no_negation = true, .help = "print this table" },
    [OPT_VERSION] = { "--version", 'V', KIND_SWITCH, ALL, .no_negation = true, .help = "print the version" },
    [OPT_QUIET] = { "-q", 'q', KIND_SWITCH, ALL, .no_negation = true,
                    .help = "print errors only; reports still hold every warning" },
    [OPT_VERBOSE] = { "-v", 'v', KIND_SWITCH, ALL, .no_negation = true,
                      .help = "print more: every warning, each step" },
    [OPT_STRICT] = { "--strict", 0, KIND_SWITCH, ALL, .help = "a warning makes the exit status 1" },
    [OPT_THREADS] = { "--threads", 'j', KIND_COUNT, ALL, "N", .min = 1, .max = 4096,
                      .help = "threads (default: the CPUs that the process may use); results do not depend on it" },
    [OPT_CONFIG] = { "--config", 0, KIND_TEXT, ALL, "FILE.json",
                     .help = "option names and values; the command line wins" },
    [OPT_REPORT] = { "--report", 0, KIND_LIST, ALL, "[FORM:]FILE",
                     .help = "write a report; FORM is json, md or junit, else the name decides (.json .md .xml); "
                             "- is standard output; may be given several times" },
    [OPT_JSON] = { "--json", 0, KIND_SWITCH, ALL, .help = "the same as --report json:-" },
    [OPT_ANNOTATE] = { "--annotate", 0, KIND_WORD, ALL, "github|none", "github|none", .fallback = "none",
                       .help = "print missed bounds and errors as workflow commands on standard error" },

    [OPT_OUTPUT] = { "-o", 'o', KIND_TEXT, WRITING, "FILE",
                     .help = "where the model goes (required); .gz compresses, - is standard output" },
    [OPT_FORCE] = { "--force", 'f', KIND_SWITCH, WRITING, .help = "replace an existing output" },
    [OPT_DRY_RUN] = { "--dry-run", 0, KIND_SWITCH, WRITING,
                      .help = "say what would be done and what sizes it would give; write reports only" },
    [OPT_KEEP_FAILED] = { "--keep-failed", 0, KIND_TEXT, WRITING, "FILE",
                          .help = "where the model goes when a bound is missed (else it is not kept)" },
    [OPT_DEPFILE] = { "--depfile", 0, KIND_TEXT, WRITING, "FILE.d",
                      .help = "write a make rule: the output depends on every file that was read" },
    [OPT_SYNC] = { "--sync", 0, KIND_SWITCH, WRITING,
                   .help = "wait until the output is on the disk (fsync) before it gets its name" },
    [OPT_EXTERNAL_DATA] = { "--external-data", 0, KIND_TEXT, WRITING, "auto|none|FILE|per-tensor",
                            "auto|none|per-tensor", .fallback = "auto",
                            .help = "where large tensors go; auto: as in the input, and outside over 2 GB" },
    [OPT_EXTERNAL_THRESHOLD] = { "--external-threshold", 0, KIND_SIZE, WRITING, "SIZE", .fallback = "1K",
                                 .help = "smaller tensors stay in the model file" },
    [OPT_OPSET] = { "--opset", 0, KIND_COUNT, WRITING, "N|latest", "latest", .min = 1, .max = 1000,
                    .help = "version of the ONNX operators (default: the input's, raised only as needed)" },
    [OPT_VERIFY] = { "--verify", 0, KIND_WORD, WRITING, "auto|none|load", "auto|none|load", "run",
                     .fallback = "auto", .help = "load: read the written file again and check it; auto does so, too" },

    [OPT_MAX_SIZE] = { "--max-size", 0, KIND_SIZE_OR_RATIO, BOUNDS, "SIZE|RATIO|none", "none", .fallback = "100%",
                       .help = "largest file with its external data, or its share of the input's" },

    [OPT_SHAPE] = { "--shape", 0, KIND_SHAPES, SHAPES, "[INPUT=]SHAPE",
                    .help = "shape of an input, as 1x3x224x224 or 1,3,224,224 or batch,seq" },
    [OPT_DIM] = { "--dim", 0, KIND_DIMS, SHAPES, "NAME=N", .help = "size of a symbolic dimension" },

    [OPT_NODES] = { "--nodes", 0, KIND_PATTERNS, WHICH, "PATTERN",
                    .help = "only these nodes: exact name, glob, re:REGEX, @FILE with one per line; a list" },
    [OPT_EXCLUDE_NODES] = { "--exclude-nodes", 0, KIND_PATTERNS, WHICH, "PATTERN", .help = "not these nodes" },
    [OPT_TENSORS] = { "--tensors", 0, KIND_PATTERNS, WHICH, "PATTERN", .help = "only these tensors" },
    [OPT_EXCLUDE_TENSORS] = { "--exclude-tensors", 0, KIND_PATTERNS, WHICH, "PATTERN",
                              .help = "not these tensors" },
    [OPT_OP_TYPES] = { "--op-types", 0, KIND_LIST, WHICH, "OP",
                       .help = "only these operators (default: all that are suited)" },
    [OPT_EXCLUDE_OP_TYPES] = { "--exclude-op-types", 0, KIND_LIST, WHICH, "OP", .help = "not these operators" },
    [OPT_TARGET] = { "--target", 0, KIND_WORD, WHICH, "onnx|onnxruntime|tensorrt|c|portable",
                     "onnx|onnxruntime|tensorrt|c|portable", .fallback = "onnx",
                     .help = "the runtime that has to take the model" },

    [OPT_MODE] = { "--mode", 0, KIND_WORD, QUANTIZE, "auto|weight", "auto|weight", "dynamic|static",
                   .fallback = "auto", .help = "weight: weights only, computed in float" },
    [OPT_TYPE] = { "--type", 0, KIND_WORD, QUANTIZE, "int8", "int8", "uint8|int4|uint4|int2|uint2|int16",
                   .fallback = "int8", .help = "type of the weights" },
    [OPT_PER_CHANNEL] = { "--per-channel", 0, KIND_SWITCH, QUANTIZE, .fallback = "on",
                          .help = "one scale per output channel (default)" },
    [OPT_PER_TENSOR] = { "--per-tensor", 0, KIND_SWITCH, QUANTIZE, .opposite = OPT_PER_CHANNEL,
                         .help = "one scale per tensor" },
};

const cli_row *cli_row_of(cli_opt id)
{
    return &rows[id];
}

bool cli_kind_is_list(cli_kind kind)
{
    return kind == KIND_LIST || kind == KIND_PATTERNS || kind == KIND_DIMS || kind == KIND_SHAPES;
}

static bool same_name(const char *row, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (row[i] == '\0' || (row[i] != text[i] && !(row[i] == '-' && text[i] == '_')))
            return false;
    }
    return row[len] == '\0';
}

cli_opt cli_opt_find(const char *name, size_t len)
{
    for (int id = OPT_NONE + 1; id < N_OPTS; id++) {
        if (len == 1 ? rows[id].letter == name[0] : same_name(cli_opt_name((cli_opt)id), name, len))
            return (cli_opt)id;
    }
    return OPT_NONE;
}

const char *cli_opt_name(cli_opt id)
{
    return rows[id].label + strspn(rows[id].label, "-");
}

bool cli_command_takes(const cli_command *cmd, cli_opt id)
{
    if (id > OPT_NONE && id <= OPT_ANNOTATE)
        return true;
    for (const cli_opt *o = cmd->takes; *o != OPT_NONE; o++) {
        if (*o == id || (rows[id].opposite != OPT_NONE && *o == rows[id].opposite))
            return true;
    }
    return false;
}
