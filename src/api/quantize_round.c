/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The part of `mq quantize` that rounds weights by what layers read: the model runs over the data, once for each stage. */
#include <math.h>

#include "api/calibrate.h"
#include "api/quantize_job.h"
#include "api/running.h"
#include "api/watch.h"
#include "quant/choose.h"
#include "quant/rounding.h"
#include "report/report.h"

/* Of sums of products held at a time: those of a whole small encoder, of a layer of a large one. */
#define BUDGET ((uint64_t)256 << 20)

static bool looks_at_data(const mq_quantize_opts *o)
{
    return o->algorithm >= MQ_ALGORITHM_AWQ || (o->algorithm == MQ_ALGORITHM_DEFAULT && o->effort == MQ_EFFORT_BEST);
}

mq_status mq_job_check_round(const mq_quantize_opts *o, mq_error *err)
{
    const char *asked = o->algorithm == MQ_ALGORITHM_AWQ        ? "--algorithm awq"
                        : o->algorithm == MQ_ALGORITHM_GPTQ     ? "--algorithm gptq"
                        : o->algorithm == MQ_ALGORITHM_ADAROUND ? "--algorithm adaround"
                                                                : "--effort best";

    if (looks_at_data(o) && !o->calibrate_on.n_data && !o->calibrate_only)
        return mq_fail(err, MQ_ERR_USAGE, "%s looks at what layers read: --data inputs.npz (mq help data), or --data "
                       "random:32 to try it", asked);
    if (o->algorithm == MQ_ALGORITHM_AWQ && o->mode != MQ_MODE_WEIGHT)
        return mq_fail(err, MQ_ERR_USAGE, "--algorithm awq is for --mode weight; --smooth does it where activations are "
                       "integers");
    return MQ_OK;
}

mq_status mq_job_prepare_awq(mq_quantize_job *j)
{
    const mq_quantize_opts *o = j->opts;
    const mq_dtype type = mq_dtype_from_name(o->type);
    const mq_scheme scheme = mq_scheme_of(type, mq_quant_is_symmetric(o, type), false, MQ_FLOAT);
    const mq_smooth_opts how = { .rounded = &scheme, .block = mq_dtype_bits(type) <= 4 ? (size_t)o->block_size : 0 };
    mq_status rc = MQ_OK;

    if (o->algorithm != MQ_ALGORITHM_AWQ || mq_dtype_bits(type) > 8)
        return MQ_OK;
    MQ_TRY(mq_smooth_wanted(&j->channels, j->job.model, j->job.err));
    if (!j->channels.items.n)
        goto done;
    MQ_TRY(mq_calibrate_channels(&j->channels, j->job.model, &o->calibrate_on, j->job.hooks, j->job.err));
    MQ_TRY(mq_smooth(j->job.model, &j->channels, &how, &j->smoothed, j->job.err));
    mq_job_report_smoothed(j);
    rc = mq_job_end_step(&j->job, "smooth");
done:
    return rc;
}

static mq_status look(void *user, const mq_value *value, const mq_array *array, mq_error *err)
{
    return mq_rounding_add(user, value, array, err);
}

static bool is_whole(void *user, const mq_value *value, int rank)
{
    return mq_rounding_sums_first_axis(user, value, rank);
}

static mq_status run_stage(mq_quantize_job *j, mq_rounding *r)
{
    mq_watch_opts o = { .source = &j->opts->calibrate_on, .shard = 1, .n_shards = 1, .step = "look at inputs",
                        .code = "round-partial", .unseen = "are rounded to nearest", .look = look, .is_whole = is_whole,
                        .user = r };
    mq_watched seen;
    mq_status rc;

    o.names = mq_rounding_names(r, &o.n_names);
    MQ_TRY(mq_watch(j->job.model, &o, j->job.hooks, &seen, j->job.err));
    rc = mq_rounding_finish(r, j->job.err);
done:
    return rc;
}

void mq_job_report_rounding(const mq_quantize_job *j)
{
    double gain = 0;
    size_t n = 0, n_rounded = 0;

    if (!looks_at_data(j->opts) || j->opts->dry_run)
        return;
    for (size_t i = 0; i < j->plan.items.n; i++) {
        const mq_quant_item *it = j->plan.items.items[i];
        const mq_rounded *e = it->weight.rounded ? mq_rounded_find(j->rounded, it) : NULL;
        n_rounded += it->weight.rounded != NULL;
        if (e && e->nearest > 0 && e->error > 0) {
            gain += 10 * log10(e->nearest / e->error);
            n++;
        }
    }
    mq_report_set_rounding(j->job.report, n_rounded, n ? gain / (double)n : 0);
}

static bool is_late(void *user)
{
    const double *deadline = user;

    return mq_seconds() > *deadline;
}

static void tell_work(const mq_quantize_job *j, const mq_rounding *r)
{
    double seconds;
    const size_t n = mq_rounding_work(r, &seconds);

    if (n)
        mq_tell(j->opts->note, j->opts->user, "%zu weights are rounded by data: about %.0f s, beside running the model over "
                "the data", n, ceil(seconds));
}

mq_status mq_job_round_weights(mq_quantize_job *j)
{
    const mq_round_kind kind = j->opts->algorithm == MQ_ALGORITHM_AWQ    ? MQ_ROUND_RTN
                               : j->opts->algorithm == MQ_ALGORITHM_GPTQ ? MQ_ROUND_GPTQ
                                                                         : MQ_ROUND_DESCENT;
    double deadline = j->round_until;
    mq_rounding *r = NULL;
    bool more;
    mq_status rc;

    if (!looks_at_data(j->opts) || j->opts->dry_run)
        return MQ_OK;
    MQ_TRY(mq_rounding_create(&r, j->rounded, &j->plan, kind, BUDGET, j->job.hooks, j->job.err));
    tell_work(j, r);
    if (j->opts->time_limit > 0)
        mq_rounding_set_end(r, is_late, &deadline);
    for (;;) {
        MQ_TRY(mq_rounding_next(r, &more, j->job.err));
        if (!more)
            break;
        MQ_TRY(run_stage(j, r));
    }
    rc = mq_job_end_step(&j->job, "round");
done:
    mq_rounding_free(r);
    return rc;
}
