/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The options of bounds and of what they are judged by, for every command that makes one model of another. --max-size and
 * --min-sqnr are writing.h's. */
#ifndef CLI_BOUNDS_H
#define CLI_BOUNDS_H

#include "cli/session.h"
#include "mq/bounds.h"

/* For a command's list of options. */
#define CLI_BOUNDS_OPTS                                                                                              \
    OPT_METRIC, OPT_METRIC_OUTPUT, OPT_EVAL_CMD, OPT_LOWER_IS_BETTER, OPT_MAX_EVALS, OPT_WITH_ONNXRUNTIME, OPT_MAX_DROP, \
        OPT_MIN_METRIC, OPT_MAX_LATENCY, OPT_MIN_SPEEDUP, OPT_MAX_MACS, OPT_MAX_RAM

/* For its list of helps: the other model is the `of` ("the input"), and what is run is the `result`. */
#define CLI_BOUNDS_HELPS(of, result)                                                                                 \
    { OPT_MAX_DROP, "largest loss of the metric against " of "'s: points for metrics between 0 and 1, else a share of its " \
                    "value", false, NULL },                                                                          \
        { OPT_MIN_SPEEDUP, "least speedup over " of "; missed when the whole 95 % interval is below", false, NULL }, \
        { OPT_MAX_MACS, "most multiply-accumulates of a run, or their share of " of "'s", false, NULL },             \
        { OPT_WITH_ONNXRUNTIME, "run " result " in ONNX Runtime, too, in a Python that has it ($MQ_PYTHON, else python3): " \
                                "outputs must be the same, and bounds hold there", false, NULL }

/* All of the limits, --max-size and --min-sqnr too. */
mq_bench_bounds cli_limits(const cli_session *s);
/* What the options say; borrowed from the session. */
mq_bounds cli_bounds(const cli_session *s);

/* MQ_ERR_USAGE for options of --eval-cmd without it, and for what has to be run in a dry run. `judged`: models are judged by
 * --eval-cmd or a metric anyhow, so that neither needs a bound. `searched`: --max-evals counts other measurements, too. */
mq_status cli_check_bounds(const cli_options *o, bool judged, bool searched, mq_error *err);

#endif
