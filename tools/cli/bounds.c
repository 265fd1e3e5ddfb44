/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From options to bounds. */
#include "cli/bounds.h"

mq_bench_bounds cli_limits(const cli_session *s)
{
    const cli_value *size = cli_get(s, OPT_MAX_SIZE), *macs = cli_get(s, OPT_MAX_MACS);
    const bool sized = size->given && size->word != 0;

    return (mq_bench_bounds){
        .has_drop = cli_get(s, OPT_MAX_DROP)->given, .max_drop = cli_get(s, OPT_MAX_DROP)->ratio,
        .has_metric = cli_get(s, OPT_MIN_METRIC)->given, .min_metric = cli_get(s, OPT_MIN_METRIC)->real,
        .has_sqnr = cli_get(s, OPT_MIN_SQNR)->given, .min_sqnr = cli_get(s, OPT_MIN_SQNR)->real,
        .max_latency = cli_get(s, OPT_MAX_LATENCY)->real, .min_speedup = cli_get(s, OPT_MIN_SPEEDUP)->ratio,
        .max_size = sized && !size->is_ratio ? size->number : 0, .max_size_ratio = sized && size->is_ratio ? size->ratio : 0,
        .max_macs = macs->given && !macs->is_ratio ? macs->real : 0, .max_macs_ratio = macs->is_ratio ? macs->ratio : 0,
        .max_ram = cli_get(s, OPT_MAX_RAM)->number,
    };
}

mq_bounds cli_bounds(const cli_session *s)
{
    return (mq_bounds){
        .limits = cli_limits(s),
        .metric = cli_get(s, OPT_METRIC)->text,
        .metric_output = cli_get(s, OPT_METRIC_OUTPUT)->text,
        .eval_cmd = cli_get(s, OPT_EVAL_CMD)->text,
        .lower_is_better = cli_get(s, OPT_LOWER_IS_BETTER)->on,
        .max_evals = cli_get(s, OPT_MAX_EVALS)->number,
        .with_onnxruntime = cli_get(s, OPT_WITH_ONNXRUNTIME)->on,
    };
}

mq_status cli_check_bounds(const cli_options *o, bool judged, bool searched, mq_error *err)
{
    static const cli_opt eval_only[] = { OPT_LOWER_IS_BETTER, OPT_MAX_EVALS };
    static const cli_opt measured[] = { OPT_EVAL_CMD, OPT_WITH_ONNXRUNTIME, OPT_MAX_LATENCY, OPT_MIN_SPEEDUP };
    const bool eval = o->values[OPT_EVAL_CMD].given;
    const bool bound = o->values[OPT_MAX_DROP].given || o->values[OPT_MIN_METRIC].given;

    for (size_t i = 0; i < sizeof eval_only / sizeof *eval_only && !eval; i++)
        if (o->values[eval_only[i]].given && !(searched && eval_only[i] == OPT_MAX_EVALS))
            return cli_fail(err, MQ_ERR_USAGE, "%s is for --eval-cmd", cli_row_of(eval_only[i])->label);
    if (eval && o->values[OPT_METRIC_OUTPUT].given)
        return cli_fail(err, MQ_ERR_USAGE, "--metric-output and --eval-cmd contradict each other");
    if (eval && !bound)
        return cli_fail(err, MQ_ERR_USAGE, "--eval-cmd is for --max-drop and --min-metric");
    if (o->values[OPT_METRIC].given && !bound && !judged)
        return cli_fail(err, MQ_ERR_USAGE, "--metric is for --max-drop and --min-metric");
    for (size_t i = 0; i < sizeof measured / sizeof *measured && o->values[OPT_DRY_RUN].on; i++)
        if (o->values[measured[i]].given)
            return cli_fail(err, MQ_ERR_USAGE, "%s runs what is written: --dry-run writes nothing",
                            cli_row_of(measured[i])->label);
    return MQ_OK;
}
