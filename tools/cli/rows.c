/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The table of options: names, arguments, defaults and the sentence of -h. One name has one meaning in every
 * command. Parsing is in options.c; man pages repeat the names (a test compares them). */
#include <string.h>

#include "cli/options.h"

#define ALL "All commands"
#define WRITING "Writing"
#define BOUNDS "Bounds"
#define DATA "Data"
#define SHAPES "Shapes"
#define CHECK "Comparing"
#define MEASURE "Measuring"
#define WHICH "Which nodes and tensors"
#define QUANTIZE "Quantization"
#define CONVERT "Conversion"
#define SPLIT "Splitting"
#define MERGE "Merging"
#define PRUNE "Pruning"
#define TRAINING "Training"
#define DISTILL "Distillation"
#define TYPES "int8|uint8|int4|uint4|int2|uint2|int16|uint16"

static const cli_row rows[N_OPTS] = {
    [OPT_HELP] = { "--help", 'h', KIND_SWITCH, ALL, .no_negation = true, .help = "print this table" },
    [OPT_VERSION] = { "--version", 'V', KIND_SWITCH, ALL, .no_negation = true, .help = "print the version" },
    [OPT_QUIET] = { "-q", 'q', KIND_SWITCH, ALL, .no_negation = true,
                    .help = "print errors only; reports still hold every warning" },
    [OPT_VERBOSE] = { "-v", 'v', KIND_SWITCH, ALL, .no_negation = true,
                      .help = "print more: every warning, each step" },
    [OPT_STRICT] = { "--strict", 0, KIND_SWITCH, ALL, .help = "a warning makes the exit status 1" },
    [OPT_THREADS] = { "--threads", 'j', KIND_COUNT, ALL, "N", .min = 1, .max = 4096, .many = true,
                      .help = "threads (default: the CPUs that the process may use); results do not depend on it" },
    [OPT_ISA] = { "--isa", 0, KIND_WORD, ALL, "NAME", "sse41|avx2|avx2-vnni|avx512|avx512-vnni|native",
                  .help = "use no instructions of the CPU beyond sse41, avx2, avx2-vnni, avx512 or avx512-vnni "
                          "(default: native, all that it has)" },
    [OPT_CONFIG] = { "--config", 0, KIND_TEXT, ALL, "FILE.json",
                     .help = "option names and values; the command line wins" },
    [OPT_REPORT] = { "--report", 0, KIND_LIST, ALL, "[FORM:]FILE",
                     .help = "write a report; FORM is json, md, html or junit, else the name decides (.json .md .html "
                             ".xml); - is standard output; may be given several times" },
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
    [OPT_VERIFY] = { "--verify", 0, KIND_WORD, WRITING, "auto|none|load|run", "auto|none|load|run", .fallback = "auto",
                     .help = "load: read the written file again and check it; run: also run it against its input; auto: run "
                             "under 64 MB or with --val-data, else load" },

    [OPT_MAX_SIZE] = { "--max-size", 0, KIND_SIZE_OR_RATIO, BOUNDS, "SIZE|RATIO|none", "none", .fallback = "100%",
                       .help = "largest file with its external data, or its share of the input's" },

    [OPT_MIN_SQNR] = { "--min-sqnr", 0, KIND_REAL, BOUNDS, "DB",
                       .help = "least signal to noise of every output, in dB: 10 log10(sum b^2 / sum (a-b)^2)" },
    [OPT_MAX_DROP] = { "--max-drop", 0, KIND_RATIO, BOUNDS, "RATIO",
                       .help = "largest loss of the metric against the first model: points for metrics between 0 "
                               "and 1, else a share "
                               "of its value" },
    [OPT_MIN_METRIC] = { "--min-metric", 0, KIND_REAL, BOUNDS, "NUMBER",
                         .help = "least value of the metric; the largest where less is better" },
    [OPT_MAX_LATENCY] = { "--max-latency", 0, KIND_TIME, BOUNDS, "TIME",
                          .help = "longest median; missed when its whole 95 % interval is longer" },
    [OPT_MIN_SPEEDUP] = { "--min-speedup", 0, KIND_RATIO, BOUNDS, "RATIO",
                          .help = "least speedup over the first model; missed when the whole 95 % interval is below" },
    [OPT_MAX_MACS] = { "--max-macs", 0, KIND_REAL_OR_RATIO, BOUNDS, "N|RATIO",
                       .help = "most multiply-accumulates of a run, or their share of the first model's" },
    [OPT_MAX_RAM] = { "--max-ram", 0, KIND_SIZE, BOUNDS, "SIZE", .help = "most bytes of activations at one time" },
    [OPT_ATOL] = { "--atol", 0, KIND_REAL, BOUNDS, "F",
                   .help = "largest difference: every element within ATOL + RTOL*|reference| (default: 1e-5, unless another "
                           "bound is given)" },
    [OPT_RTOL] = { "--rtol", 0, KIND_REAL, BOUNDS, "F", .help = "its part relative to the reference (default: 1e-3)" },

    [OPT_DATA] = { "--data", 0, KIND_TEXTS, DATA, "[INPUT=]SOURCE[:KEY]",
                   .help = "what to run on: .npz, .npy, .jsonl, a folder or .txt list of images, a folder of ONNX test "
                           "data, or random:N; may be given several times (mq help data)" },
    [OPT_LABELS] = { "--labels", 0, KIND_TEXTS, DATA, "SOURCE[:KEY]",
                     .help = "what is right: :KEY of the data file, .npy, .npz:KEY, a CSV of file,label, or "
                             "folders (one per class); "
                             "the n-th belongs to the n-th --data" },
    [OPT_VAL_DATA] = { "--val-data", 0, KIND_TEXTS, DATA, "[INPUT=]SOURCE[:KEY]",
                       .help = "what to judge on, in the forms of mq help data (default: generated inputs)" },
    [OPT_VAL_LABELS] = { "--val-labels", 0, KIND_TEXTS, DATA, "SOURCE[:KEY]",
                         .help = "what is right there: the n-th belongs to the n-th --val-data" },
    [OPT_PREPROCESS] = { "--preprocess", 0, KIND_TEXTS, DATA, "SPEC|FILE.json",
                         .help = "how images and uint8 arrays become inputs (mq help preprocess)" },
    [OPT_SAMPLES] = { "--samples", 0, KIND_COUNT, DATA, "N", .fallback = "0", .max = UINT32_MAX,
                      .help = "use so many samples, evenly spread; 0: all" },
    [OPT_BATCH] = { "--batch", 0, KIND_COUNT, DATA, "N", .min = 1, .max = 1000000, .many = true,
                    .help = "samples per run (default: the model's, else 1)" },
    [OPT_FILL] = { "--fill", 0, KIND_TEXTS, DATA, "INPUT=VALUE",
                   .help = "an input without data: zeros, ones, range, empty, random or a number" },
    [OPT_CARRY] = { "--carry", 0, KIND_TEXTS, DATA, "OUTPUT=INPUT",
                    .help = "state of a recurrent model: this output feeds that input of the next run, zeros at first" },
    [OPT_SKIP_BAD] = { "--skip-bad", 0, KIND_SWITCH, DATA, .help = "leave out samples that cannot be read, and count them" },
    [OPT_ALLOW_NONFINITE] = { "--allow-nonfinite", 0, KIND_SWITCH, DATA,
                              .help = "NaN and infinity in data are no warning" },
    [OPT_SEED] = { "--seed", 0, KIND_COUNT, DATA, "N", .fallback = "0", .max = UINT32_MAX,
                   .help = "of random inputs and random operators" },

    [OPT_SHAPE] = { "--shape", 0, KIND_SHAPES, SHAPES, "[INPUT=]SHAPE",
                    .help = "shape of an input, as 1x3x224x224 or 1,3,224,224 or batch,seq" },
    [OPT_DIM] = { "--dim", 0, KIND_DIMS, SHAPES, "NAME=N", .help = "size of a symbolic dimension" },

    [OPT_RUNS] = { "--runs", 0, KIND_COUNT, MEASURE, "N", .min = 1, .max = 100000000,
                   .help = "timed runs of each model (default: until intervals are narrow, at most 10s)" },
    [OPT_SENSITIVITY] = { "--sensitivity", 0, KIND_SWITCH, MEASURE,
                          .help = "report what each weight alone costs, from 10 to 90 % of zeros" },
    [OPT_TIME_LIMIT] = { "--time-limit", 0, KIND_TIME, MEASURE, "TIME",
                         .help = "all of the work takes no longer: what there is by then counts" },
    [OPT_DURATION] = { "--duration", 0, KIND_TIME, MEASURE, "TIME", .help = "measure for so long, all models together" },
    [OPT_WARMUP] = { "--warmup", 0, KIND_COUNT, MEASURE, "N", .max = 1000000,
                     .help = "runs before the timed ones (default: until times no longer fall)" },
    [OPT_PROFILE] = { "--profile", 0, KIND_SWITCH, MEASURE, .help = "time, MACs and bytes by node and by operator" },
    [OPT_TRACE] = { "--trace", 0, KIND_TEXT, MEASURE, "FILE",
                    .help = "write a Chrome trace (JSON, for chrome://tracing or ui.perfetto.dev)" },
    [OPT_METRIC] = { "--metric", 0, KIND_TEXT, MEASURE, "NAME",
                     .help = "what bounds are about: top1, top5, precision, recall, f1, mse, mae, cosine, sqnr, "
                             "agreement, ce or "
                             "perplexity (default: by labels and output); with --eval-cmd a key of its object" },
    [OPT_METRIC_OUTPUT] = { "--metric-output", 0, KIND_TEXT, MEASURE, "NAME", .help = "the output that is judged" },
    [OPT_EVAL_CMD] = { "--eval-cmd", 0, KIND_TEXT, MEASURE, "CMD",
                       .help = "a command for sh that measures the model {}: the last line it prints is a number "
                               "or a JSON object" },
    [OPT_LOWER_IS_BETTER] = { "--lower-is-better", 0, KIND_SWITCH, MEASURE, .help = "of the number of --eval-cmd" },
    [OPT_MAX_EVALS] = { "--max-evals", 0, KIND_COUNT, MEASURE, "N", .fallback = "50", .max = 1000000,
                        .help = "most runs of --eval-cmd behind the first" },
    [OPT_WITH_ONNXRUNTIME] = { "--with-onnxruntime", 0, KIND_SWITCH, MEASURE,
                               .help = "measure ONNX Runtime beside, on the same inputs, in a Python that has it "
                                       "($MQ_PYTHON, else "
                                       "python3)" },

    [OPT_NODES] = { "--nodes", 0, KIND_PATTERNS, WHICH, "PATTERN",
                    .help = "only these nodes: exact name, glob, re:REGEX, @FILE with one per line; a list" },
    [OPT_EXCLUDE_NODES] = { "--exclude-nodes", 0, KIND_PATTERNS, WHICH, "PATTERN", .help = "not these nodes" },
    [OPT_TENSORS] = { "--tensors", 0, KIND_PATTERNS, WHICH, "PATTERN", .help = "only these tensors" },
    [OPT_EXCLUDE_TENSORS] = { "--exclude-tensors", 0, KIND_PATTERNS, WHICH, "PATTERN",
                              .help = "not these tensors" },
    [OPT_OP_TYPES] = { "--op-types", 0, KIND_LIST, WHICH, "OP",
                       .help = "only these operators (default: all that are suited)" },
    [OPT_EXCLUDE_OP_TYPES] = { "--exclude-op-types", 0, KIND_LIST, WHICH, "OP", .help = "not these operators" },
    [OPT_INPUTS] = { "--inputs", 0, KIND_LIST, WHICH, "NAME", .help = "feed these tensors instead of the model's inputs" },
    [OPT_OUTPUTS] = { "--outputs", 0, KIND_LIST, WHICH, "NAME", .help = "only these outputs (any tensor may be one)" },
    [OPT_TARGET] = { "--target", 0, KIND_WORD, WHICH, "RUNTIME[,CPU]",
                     "onnx|onnxruntime|tensorrt|c|portable", .second = "x64-avx2|x64-vnni|arm64|native",
                     .fallback = "onnx",
                     .help = "what has to take the model: onnx, onnxruntime, tensorrt, c or portable; with a CPU behind a "
                             "comma: x64-avx2, x64-vnni, arm64 or native" },

    [OPT_AGAINST] = { "--against", 0, KIND_TEXT, CHECK, "REFERENCE",
                      .help = "run both models on the same data and compare their outputs (and --tensors)" },
    [OPT_LAYERS] = { "--layers", 0, KIND_SWITCH, CHECK,
                     .help = "where a quantized MODEL and REFERENCE drift apart: what each layer loses alone and so far, "
                             "and why; with -q only names, the worst first, for --exclude-nodes @FILE" },
    [OPT_TESTS] = { "--tests", 0, KIND_TEXT, CHECK, "DIR",
                    .help = "run an ONNX test folder (model.onnx, test_data_set_N), or every one in DIR" },

    [OPT_MODE] = { "--mode", 0, KIND_WORD, QUANTIZE, "auto|weight|dynamic|static", "auto|weight|dynamic|static",
                   .fallback = "auto",
                   .help = "weight: weights only, computed in float; dynamic: products of integers, ranges of activations "
                           "found at run time; static: found on --data; auto is static with --data, else weight" },
    [OPT_TYPE] = { "--type", 0, KIND_WORD, QUANTIZE, "TYPE", TYPES, .fallback = "int8",
                   .help = "type of the weights: int8, uint8, int4, uint4, int2, uint2, int16 or uint16" },
    [OPT_TENSOR_TYPE] = { "--tensor-type", 0, KIND_LIST, QUANTIZE, "PATTERN=TYPE",
                          .help = "type of these weights; float leaves them; the last that fits counts" },
    [OPT_ENDS_TYPE] = { "--ends-type", 0, KIND_WORD, QUANTIZE, "TYPE", TYPES, .fallback = "int8",
                        .help = "with types of 2 and 4 bits: that of embeddings and last layers" },
    [OPT_PER_CHANNEL] = { "--per-channel", 0, KIND_SWITCH, QUANTIZE, .fallback = "on",
                          .help = "one scale per output channel (default)" },
    [OPT_PER_TENSOR] = { "--per-tensor", 0, KIND_SWITCH, QUANTIZE, .opposite = OPT_PER_CHANNEL,
                         .help = "one scale per tensor" },
    [OPT_SYMMETRIC] = { "--symmetric", 0, KIND_SWITCH, QUANTIZE,
                        .help = "zero point 0 (default for int8 and int16; by target)" },
    [OPT_ASYMMETRIC] = { "--asymmetric", 0, KIND_SWITCH, QUANTIZE, .opposite = OPT_SYMMETRIC,
                         .help = "a zero point that fits the range (default for the other types)" },
    [OPT_FORMAT] = { "--format", 0, KIND_WORD, QUANTIZE, "qdq|qoperator|nbits", "qdq|qoperator|nbits",
                     .fallback = "qdq",
                     .help = "qdq: QuantizeLinear and DequantizeLinear, standard ONNX; qoperator: operators on integers "
                             "(QLinearConv), with --mode static; nbits: MatMulNBits and GatherBlockQuantized of ONNX "
                             "Runtime where they fit" },
    [OPT_BLOCK_SIZE] = { "--block-size", 0, KIND_COUNT, QUANTIZE, "N", .fallback = "32", .min = 16, .max = 256,
                         .power_of_two = true, .help = "values that share a scale, of types of 2 and 4 bits and of nbits" },
    [OPT_BLOCK_FALLBACK] = { "--block-fallback", 0, KIND_WORD, QUANTIZE, "partial|error|skip|adjust",
                             "partial|error|skip|adjust", .fallback = "partial",
                             .help = "where blocks do not divide a weight: the last one is shorter, exit 4, it stays float, "
                                     "or smaller blocks" },
    [OPT_ACCURACY_LEVEL] = { "--accuracy-level", 0, KIND_COUNT, QUANTIZE, "N", .fallback = "4", .max = 4,
                             .help = "of nbits: how ONNX Runtime computes, 4 with int8 activations, 1 in float" },
    [OPT_ALGORITHM] = { "--algorithm", 0, KIND_WORD, QUANTIZE, "rtn|mse|hqq|awq|gptq|adaround",
                        "rtn|mse|hqq|awq|gptq|adaround",
                        .help = "how weights are rounded: to nearest with scales from the range (rtn), with the least "
                                "squared error (mse) or half-quadratic (hqq); by --data with the least error of layers: "
                                "awq (with --mode weight), gptq, adaround (default: rtn; with --effort best adaround)" },
    [OPT_RANGE] = { "--range", 0, KIND_RANGE, QUANTIZE, "minmax|LO..HI|stddev=K", "minmax", .fallback = "minmax",
                    .help = "range of the values: their own, a given one, or K standard deviations around the mean" },
    [OPT_REDUCE_RANGE] = { "--reduce-range", 0, KIND_SWITCH, QUANTIZE,
                           .help = "use 7 of 8 bits, for x86 CPUs without VNNI (default: by target)" },
    [OPT_OVERRIDES] = { "--overrides", 0, KIND_TEXT, QUANTIZE, "FILE.json",
                        .help = "type, scale, zero point, range, axis or block size of single tensors" },
    [OPT_ACT_TYPE] = { "--act-type", 0, KIND_WORD, QUANTIZE, "uint8|int8|uint16|int16", "uint8|int8|uint16|int16",
                       .help = "of activations, with --mode static: uint8, int8, uint16 or int16 (default: uint8; by "
                               "target)" },
    [OPT_IO_TYPE] = { "--io-type", 0, KIND_LIST, QUANTIZE, "[NAME=]TYPE",
                      .help = "with --mode static: inputs and outputs hold integers of the type of activations, or float "
                              "(default: float)" },
    [OPT_ACT_SYMMETRIC] = { "--act-symmetric", 0, KIND_SWITCH, QUANTIZE,
                            .help = "activations have zero point 0, or the middle of an unsigned type (default: by "
                                    "target)" },
    [OPT_ACT_ASYMMETRIC] = { "--act-asymmetric", 0, KIND_SWITCH, QUANTIZE, .opposite = OPT_ACT_SYMMETRIC,
                             .help = "a zero point that fits the range (default)" },
    [OPT_CALIBRATION] = { "--calibration", 0, KIND_WORD, QUANTIZE, "minmax|ema|percentile|entropy|mse",
                          "minmax|ema|percentile|entropy|mse",
                          .help = "how ranges of activations follow from the data: minmax, ema (moving average of "
                                  "extremes), percentile, entropy or mse (default: mse)" },
    [OPT_PERCENTILE] = { "--percentile", 0, KIND_REAL, QUANTIZE, "P", .fallback = "99.99",
                         .help = "of the values that --calibration percentile keeps" },
    [OPT_CALIBRATION_CACHE] = { "--calibration-cache", 0, KIND_LIST, QUANTIZE, "FILE.json",
                                .help = "what calibration saw: written when the file does not exist, read when it fits "
                                        "(-f: made anew when it does not); several are joined" },
    [OPT_CALIBRATE_ONLY] = { "--calibrate-only", 0, KIND_SWITCH, QUANTIZE,
                             .help = "write the calibration cache and no model" },
    [OPT_SHARD] = { "--shard", 0, KIND_TEXT, QUANTIZE, "I/N",
                    .help = "with --calibrate-only: part I, from 1, of N parts of the data" },
    [OPT_EFFORT] = { "--effort", 0, KIND_WORD, QUANTIZE, "fast|normal|best", "fast|normal|best", .fallback = "normal",
                     .help = "with --mode static: fast is one pass over the data; normal looks at channels, too "
                             "(--smooth, --bias-correction); best, in any mode: weights are rounded by --data, too "
                             "(--algorithm adaround)" },
    [OPT_SMOOTH] = { "--smooth", 0, KIND_TEXT, QUANTIZE, "auto|none|ALPHA",
                     .help = "move sizes of channels from activations into weights: where it promises less error (auto, the "
                             "default), nowhere, or everywhere with this exponent, as 0.5 (Xiao 2023)" },
    [OPT_BIAS_CORRECTION] = { "--bias-correction", 0, KIND_SWITCH, QUANTIZE,
                              .help = "biases take back what rounding does to the means of channels (Nagel 2019; default: "
                                      "on, with --effort fast off)" },
    [OPT_EQUALIZE] = { "--equalize", 0, KIND_SWITCH, QUANTIZE,
                       .help = "rescale channels between layers first, so that one scale suits them all (Nagel 2019)" },
    [OPT_REQUANTIZE] = { "--requantize", 0, KIND_SWITCH, QUANTIZE,
                         .help = "take a model that is quantized already: its float weights" },
    [OPT_LIST_TYPES] = { "--list-types", 0, KIND_SWITCH, QUANTIZE, .no_negation = true,
                         .help = "print the types: bytes per weight, what each suits and needs" },
    [OPT_LIST_TARGETS] = { "--list-targets", 0, KIND_SWITCH, QUANTIZE, .no_negation = true, .help = "print the targets" },

    [OPT_EPOCHS] = { "--epochs", 0, KIND_COUNT, TRAINING, "N", .fallback = "30", .max = 1000000,
                     .help = "how often all samples are gone through" },
    [OPT_EARLY_STOP] = { "--early-stop", 0, KIND_COUNT, TRAINING, "N", .fallback = "5", .max = 1000000,
                         .help = "stop after so many epochs without a better metric; 0: never" },
    [OPT_VAL_SPLIT] = { "--val-split", 0, KIND_RATIO, TRAINING, "RATIO", .fallback = "10%",
                        .help = "share of --data that is held out to judge on, without --val-data" },
    [OPT_OPTIMIZER] = { "--optimizer", 0, KIND_WORD, TRAINING, "NAME", "sgd|momentum|nesterov|rmsprop|adam|adamw",
                        .fallback = "adam", .help = "sgd, momentum, nesterov, rmsprop, adam or adamw, as torch's" },
    [OPT_LR] = { "--lr", 0, KIND_REAL, TRAINING, "F", .fallback = "1e-3", .help = "learning rate" },
    [OPT_MOMENTUM] = { "--momentum", 0, KIND_REAL, TRAINING, "F", .fallback = "0.9", .help = "of momentum and nesterov" },
    [OPT_WEIGHT_DECAY] = { "--weight-decay", 0, KIND_REAL, TRAINING, "F", .fallback = "0",
                           .help = "pulls weights towards 0: added to gradients, by adamw taken off the weights" },
    [OPT_CLIP_GRAD] = { "--clip-grad", 0, KIND_REAL, TRAINING, "F",
                        .help = "largest norm of all gradients together (default: any)" },
    [OPT_LR_SCHEDULE] = { "--lr-schedule", 0, KIND_WORD, TRAINING, "constant|step|cosine", "constant|step|cosine",
                          .fallback = "cosine", .help = "how the learning rate goes down: not, to a tenth after each "
                                                        "third, or along half a cosine" },
    [OPT_LR_WARMUP] = { "--lr-warmup", 0, KIND_COUNT, TRAINING, "N", .fallback = "0", .max = UINT32_MAX,
                        .help = "steps in which the learning rate rises first" },
    [OPT_LOSS] = { "--loss", 0, KIND_LIST, TRAINING, "kd|ce|mse|cosine",
                   .help = "kd: the teacher's scores (Hinton 2015; values: squared error); ce: labels; mse, cosine: the "
                           "teacher's outputs; a list (default: kd,ce, without labels kd)" },
    [OPT_TEMPERATURE] = { "--temperature", 0, KIND_REAL, TRAINING, "F", .fallback = "4",
                          .help = "of kd: scores are divided by it" },
    [OPT_ALPHA] = { "--alpha", 0, KIND_REAL, TRAINING, "F", .fallback = "0.9",
                    .help = "the teacher's share of the loss; the rest is that of ce" },
    [OPT_LABEL_SMOOTHING] = { "--label-smoothing", 0, KIND_REAL, TRAINING, "F", .fallback = "0",
                              .help = "of ce: share that goes to all classes alike" },
    [OPT_HARD] = { "--hard", 0, KIND_SWITCH, TRAINING, .help = "kd: learn the teacher's best class, not its scores" },
    [OPT_AUGMENT] = { "--augment", 0, KIND_LIST, TRAINING, "flip|crop=N",
                      .help = "images are mirrored, or moved by up to N pixels, at random; the teacher sees the same; a "
                              "list" },
    [OPT_CHECKPOINT] = { "--checkpoint", 0, KIND_TEXT, TRAINING, "DIR",
                         .help = "folder for what is needed to go on, written after each epoch" },
    [OPT_RESUME] = { "--resume", 0, KIND_SWITCH, TRAINING,
                     .help = "go on from --checkpoint; the result is the same as without a stop" },
    [OPT_STUDENT] = { "--student", 0, KIND_TEXT, DISTILL, "FILE",
                      .help = "the student (default: made of the teacher by --width and --depth)" },
    [OPT_WIDTH] = { "--width", 0, KIND_RATIO, DISTILL, "RATIO", .fallback = "50%",
                    .help = "share of the teacher's channels; more than 32 come to the nearest multiple of 8" },
    [OPT_DEPTH] = { "--depth", 0, KIND_RATIO, DISTILL, "RATIO", .fallback = "100%",
                    .help = "share of its repeated blocks" },
    [OPT_INIT] = { "--init", 0, KIND_WORD, DISTILL, "teacher|random", "teacher|random", .fallback = "teacher",
                   .help = "first weights: those of the teacher's most important channels, or fresh ones" },
    [OPT_STUDENTS] = { "--students", 0, KIND_COUNT, DISTILL, "N", .fallback = "1", .min = 1, .max = 1000,
                       .help = "so many students by seed, written as NAME-1.onnx, NAME-2.onnx, ..." },
    [OPT_HINT] = { "--hint", 0, KIND_LIST, DISTILL, "TEACHER=STUDENT",
                   .help = "inner tensors that are to agree, through a learned projection where sizes differ; a list" },
    [OPT_TEACHER_CACHE] = { "--teacher-cache", 0, KIND_TEXT, DISTILL, "FILE.npz",
                            .help = "the teacher's outputs: written when the file does not exist, else read" },
    [OPT_SOFT_LABELS] = { "--soft-labels", 0, KIND_TEXT, DISTILL, "FILE.npz",
                          .help = "write what the teacher says of --data, class scores as probabilities" },
    [OPT_CONTROL] = { "--control", 0, KIND_SWITCH, DISTILL,
                      .help = "train the same student without the teacher, too, with as many steps, and compare" },
    [OPT_QUANTIZE] = { "--quantize", 0, KIND_SWITCH, DISTILL,
                       .help = "then static int8 quantization of the student, ranges found on --data" },

    [OPT_SPARSITY] = { "--sparsity", 0, KIND_PATTERNS, PRUNE, "[PATTERN=]RATIO",
                       .help = "share of zeros in each weight that is pruned, or in all with --scope global; with a "
                               "pattern: in these weights; 0 leaves them; a list" },
    [OPT_THRESHOLD] = { "--threshold", 0, KIND_REAL, PRUNE, "T", .help = "instead: weights of a smaller magnitude go" },
    [OPT_NONZEROS] = { "--nonzeros", 0, KIND_COUNT, PRUNE, "K", .max = INT64_MAX,
                       .help = "instead: the K weights that count most stay, of each tensor, or of all with --scope "
                               "global" },
    [OPT_METHOD] = { "--method", 0, KIND_WORD, PRUNE, "NAME",
                     "l1|l2|random|max|min|geomedian|wanda|sparsegpt|taylor|activation",
                     .fallback = "l1",
                     .help = "what goes first: l1, l2: what is smallest (they differ for blocks); random; max, min: the "
                             "largest, the smallest values, as baselines; geomedian: channels that others can replace; by "
                             "--data: wanda, what layers read of it; sparsegpt, where what stays makes up for the rest; for "
                             "channels taylor, what gradients say of them; activation, what is read of them" },
    [OPT_SCOPE] = { "--scope", 0, KIND_WORD, PRUNE, "layer|global", "layer|global", .fallback = "layer",
                    .help = "weights are compared with those of their own layer, or with all" },
    [OPT_PATTERN] = { "--pattern", 0, KIND_TEXT, PRUNE, "none|N:M|RxC|channel|head|mlp|layer", "none|channel|head|mlp|layer",
                      .fallback = "none",
                      .help = "where zeros lie: anywhere; N of M neighbours along the inputs stay, as 2:4; in blocks of R "
                              "outputs and C inputs, as 1x4; or what is taken out whole: channels, attention heads, "
                              "columns between two products, layers" },
    [OPT_ROUND_TO] = { "--round-to", 0, KIND_COUNT, PRUNE, "N", .fallback = "8", .min = 1, .max = 4096,
                       .help = "counts of channels that stay are multiples of it, which is what makes engines faster" },
    [OPT_ZERO_ONLY] = { "--zero-only", 0, KIND_SWITCH, PRUNE,
                        .help = "channels become zero instead of being taken out: every shape stays" },
    [OPT_STORAGE] = { "--storage", 0, KIND_WORD, PRUNE, "dense|sparse", "dense|sparse", .fallback = "dense",
                      .help = "how weights are written: as they are, or as values and their places (sparse_initializer) "
                              "where that is smaller: float32 above 67 % zeros" },
    [OPT_KEEP_ENDS] = { "--keep-ends", 0, KIND_SWITCH, PRUNE, .fallback = "on",
                        .help = "first and last layers keep all their single weights (default)" },
    [OPT_ROUNDS] = { "--rounds", 0, KIND_COUNT, PRUNE, "N", .min = 1, .max = 1000000,
                     .help = "prune in so many steps, and train on --data after each of them" },
    [OPT_SPARSITY_SCHEDULE] = { "--sparsity-schedule", 0, KIND_WORD, PRUNE, "cubic|linear", "cubic|linear",
                                .fallback = "cubic", .help = "how the share of zeros grows over the rounds" },

    [OPT_LEVEL] = { "-O", 'O', KIND_COUNT, CONVERT, "N", .max = 3,
                    .help = "rewrites: 0 none; 1 those that keep every bit; 2 those that round otherwise, too; 3 all "
                            "(default: 2, or 0 when another job is given)" },
    [OPT_PARTS] = { "--parts", 0, KIND_COUNT, SPLIT, "N", .fallback = "2", .min = 1, .max = 1000,
                    .help = "how many parts, of about the same size" },
    [OPT_AT] = { "--at", 0, KIND_LIST, SPLIT, "TENSOR", .help = "cut behind these tensors instead" },
    [OPT_BALANCE] = { "--balance", 0, KIND_WORD, SPLIT, "bytes|macs", "bytes|macs", .fallback = "bytes",
                      .help = "what parts have about as much of" },
    [OPT_CONNECT] = { "--connect", 0, KIND_LIST, MERGE, "OUT=IN",
                      .help = "this output of one model feeds that input of another (default: those that agree in name, "
                              "type and shape)" },
    [OPT_PREFIX] = { "--prefix", 0, KIND_LIST, MERGE, "P",
                     .help = "goes before all names of each model, or of each but the first" },
    [OPT_AVERAGE] = { "--average", 0, KIND_SWITCH, MERGE,
                      .help = "models with the same inputs side by side, their outputs averaged" },
    [OPT_PASSES] = { "--passes", 0, KIND_LIST, CONVERT, "NAME", .help = "only these rewrites, in their own order" },
    [OPT_DISABLE_PASS] = { "--disable-pass", 0, KIND_LIST, CONVERT, "NAME", .help = "not these rewrites" },
    [OPT_LIST_PASSES] = { "--list-passes", 0, KIND_SWITCH, CONVERT, .no_negation = true,
                          .help = "print the rewrites in their order" },
    [OPT_BISECT] = { "--bisect", 0, KIND_SWITCH, CONVERT,
                     .help = "run the model after each rewrite and name the first that changes its outputs; write nothing" },
    [OPT_FOLD_LIMIT] = { "--fold-limit", 0, KIND_SIZE, CONVERT, "SIZE", .fallback = "16M",
                         .help = "a folded constant may be so much larger than what it is made of" },
    [OPT_PRECISION] = { "--precision", 0, KIND_WORD, CONVERT, "fp32|fp16|bf16", "fp32|fp16|bf16",
                        .help = "type of floats: fp16 or bf16 where that loses little, or fp32 again (default: as they "
                                "are)" },
    [OPT_KEEP_IO_TYPES] = { "--keep-io-types", 0, KIND_SWITCH, CONVERT,
                            .help = "with --precision: inputs and outputs keep their types" },
    [OPT_TO] = { "--to", 0, KIND_WORD, CONVERT, "onnx|json", "onnx|json",
                 .help = "form of the output: a model, or json for reading, which nothing reads back (default: by the "
                         "name of -o)" },
    [OPT_IO_LAYOUT] = { "--io-layout", 0, KIND_LIST, CONVERT, "NAME=nchw|nhwc",
                        .help = "layout of an input or output, which has the other one, with a Transpose" },
    [OPT_EMBED_PREPROCESS] = { "--embed-preprocess", 0, KIND_TEXTS, CONVERT, "SPEC",
                               .help = "an input takes uint8 pixels: scale, mean, std, order and layout, as of "
                                       "--preprocess, become nodes" },
    [OPT_RENAME] = { "--rename", 0, KIND_LIST, CONVERT, "OLD=NEW", .help = "another name for a tensor" },
    [OPT_WEIGHTS_IN] = { "--weights-in", 0, KIND_TEXT, CONVERT, "FILE",
                         .help = "put the arrays of a .npz or .safetensors file in the place of the initializers of their "
                                 "names" },
    [OPT_WEIGHTS_MAP] = { "--weights-map", 0, KIND_TEXT, CONVERT, "FILE.json|order", "order",
                          .help = "with --weights-in: an object of names in the file to names in the model; order: by type, "
                                  "shape and order where names differ" },
    [OPT_WEIGHTS_OUT] = { "--weights-out", 0, KIND_TEXT, CONVERT, "FILE",
                          .help = "write the result's initializers into a .npz or .safetensors file, too" },
    [OPT_STRIP] = { "--strip", 0, KIND_LIST, CONVERT, "docs|metadata|names",
                    .help = "leave out documentation, metadata, or the names of nodes; a list" },
};

const cli_row *cli_row_of(cli_opt id)
{
    return &rows[id];
}

bool cli_kind_is_list(cli_kind kind)
{
    return kind == KIND_LIST || kind == KIND_TEXTS || kind == KIND_PATTERNS || kind == KIND_DIMS || kind == KIND_SHAPES;
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
