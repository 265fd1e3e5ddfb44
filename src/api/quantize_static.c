/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The part of `mq quantize` that is about activations: preparing the model, finding ranges, integer operators. */
#include <math.h>
#include <sys/stat.h>

#include "api/cache.h"
#include "api/calibrate.h"
#include "api/quantize_job.h"
#include "base/str.h"
#include "graph/clone.h"
#include "passes/pass.h"
#include "quant/saturate.h"
#include "quant/static.h"
#include "quant/targets.h"
#include "report/report.h"

/* What is said of calibration, against each other and the mode. */
mq_status mq_job_check_static(const mq_quantize_opts *o, mq_error *err)
{
    const bool is_static = o->mode == MQ_MODE_STATIC;

    if (o->calibration_cache.n && !is_static)
        return mq_fail(err, MQ_ERR_USAGE, "--calibration-cache is for --mode static");
    if (o->calibrate_only && o->calibration_cache.n != 1)
        return mq_fail(err, MQ_ERR_USAGE, "--calibrate-only writes one file: --calibration-cache FILE.json");
    if (o->n_shards && !o->calibrate_only)
        return mq_fail(err, MQ_ERR_USAGE, "--shard is for --calibrate-only: a model is made of all shards' calibrations");
    if (o->n_shards && (o->shard < 1 || o->shard > o->n_shards))
        return mq_fail(err, MQ_ERR_USAGE, "--shard %d/%d: it is I/N, with I from 1 to N", o->shard, o->n_shards);
    if (is_static && !o->calibrate_on.n_data && (o->calibrate_only || !o->calibration_cache.n))
        return mq_fail(err, MQ_ERR_USAGE, "--mode static needs data to find ranges on: --data inputs.npz (mq help data), or "
                       "--data random:32 to try it");
    return MQ_OK;
}

static mq_static_opts static_opts(const mq_quantize_opts *o)
{
    static const mq_calibration_method methods[] = {
        [MQ_CALIBRATION_DEFAULT] = MQ_CALIBRATE_MSE, [MQ_CALIBRATION_MINMAX] = MQ_CALIBRATE_MINMAX,
        [MQ_CALIBRATION_EMA] = MQ_CALIBRATE_EMA, [MQ_CALIBRATION_PERCENTILE] = MQ_CALIBRATE_PERCENTILE,
        [MQ_CALIBRATION_ENTROPY] = MQ_CALIBRATE_ENTROPY, [MQ_CALIBRATION_MSE] = MQ_CALIBRATE_MSE,
    };

    return (mq_static_opts){
        .scheme = mq_scheme_of(mq_dtype_from_name(o->act_type), o->act_symmetric == MQ_CHOICE_YES, false, MQ_FLOAT),
        .method = methods[o->calibration], .percentile = o->percentile,
        .float_bias = mq_quant_target_float_bias(o->target),
    };
}

static mq_status report_caches(mq_quantize_job *j)
{
    const mq_names *files = &j->opts->calibration_cache;
    mq_status rc = MQ_OK;

    for (size_t i = 0; rc == MQ_OK && i < files->n; i++) {
        struct stat st;
        if (stat(files->items[i], &st) == 0) /* a dry run writes none */
            rc = mq_job_report_file(&j->job, "calibration", files->items[i], (uint64_t)st.st_size);
    }
    return rc;
}

/* Says in the report what was seen, for a run that ends with it. */
static mq_status report_calibration(mq_quantize_job *j, const mq_calibration *c)
{
    mq_str note = { 0 };
    mq_status rc = MQ_OK;

    mq_str_addf(&note, "%zu tensors, %llu samples, shard %d/%d: %s", c->tensors.n, (unsigned long long)c->samples, c->shard,
                c->n_shards, j->opts->calibration_cache.items[0]);
    if (note.failed)
        rc = mq_oom(j->job.err);
    else
        mq_report_set_mode(j->job.report, "calibrate", note.s);
    mq_str_release(&note);
    return rc;
}

/* Steps of a range in integers of that many bits. */
static int levels_of(const char *type, bool symmetric)
{
    const int bits = mq_dtype_bits(mq_dtype_from_name(type));
    return (1 << (symmetric ? bits - 1 : bits)) - 1;
}

static bool wants_smoothing(const mq_quantize_opts *o)
{
    return o->smooth == MQ_SMOOTH_DEFAULT ? o->effort != MQ_EFFORT_FAST : o->smooth != MQ_SMOOTH_NONE;
}

static bool wants_correction(const mq_quantize_opts *o)
{
    return !mq_quant_target_float_bias(o->target) &&
           (o->bias_correction == MQ_CHOICE_DEFAULT ? o->effort != MQ_EFFORT_FAST : o->bias_correction == MQ_CHOICE_YES);
}

/* A file without channels was made by --effort fast, and is used so. */
static mq_status do_without_channels(const mq_quantize_job *j)
{
    const mq_quantize_opts *o = j->opts;
    const char *file = o->calibration_cache.items[0];

    if (o->bias_correction == MQ_CHOICE_YES || o->smooth == MQ_SMOOTH_AUTO || o->smooth == MQ_SMOOTH_ALPHA)
        return mq_fail(j->job.err, MQ_ERR_INPUT,
                       "%s: the calibration was made by --effort fast and holds no channels, which --smooth and "
                       "--bias-correction look at", file);
    mq_warn(j->job.hooks, "calibration-fast", file,
            "%s was made by --effort fast and holds no channels: there is no smoothing and no bias correction", file);
    return MQ_OK;
}

/* What the channels of activations hold, where it is needed: from the files or from the data. */
static mq_status look_at_channels(mq_quantize_job *j)
{
    const mq_channel_table *known = mq_cache_channels(j->cache);
    mq_status rc = MQ_OK;

    if (!wants_smoothing(j->opts) && !wants_correction(j->opts))
        return MQ_OK;
    if (mq_cache_is_read(j->cache) && !known)
        return do_without_channels(j);
    MQ_TRY(mq_smooth_wanted(&j->channels, j->job.model, j->job.err));
    if (known)
        MQ_TRY(mq_channel_table_fill(&j->channels, known, j->job.err));
    else if (j->channels.items.n)
        MQ_TRY(mq_calibrate_channels(&j->channels, j->job.model, &j->opts->calibrate_on, j->job.hooks, j->job.err));
    MQ_TRY(mq_channel_table_copy(&j->seen, &j->channels, j->job.err));
    j->looks_at_channels = true;
    rc = mq_job_end_step(&j->job, "look at channels");
done:
    return rc;
}

void mq_job_report_smoothed(const mq_quantize_job *j)
{
    const mq_smooth_result *s = &j->smoothed;

    mq_report_set_smoothing(j->job.report, &(mq_report_smoothing){
        .activations = s->n_folded + s->n_inserted, .inserted = s->n_inserted, .products = s->n_products,
        .least_alpha = s->least_alpha, .most_alpha = s->most_alpha, .expected_gain_db = s->gain_db });
}

static mq_status smooth_channels(mq_quantize_job *j)
{
    const mq_quantize_opts *o = j->opts;
    const mq_smooth_opts how = { .automatic = o->smooth != MQ_SMOOTH_ALPHA, .alpha = o->smooth_alpha,
                                 .levels = levels_of(o->act_type, o->act_symmetric == MQ_CHOICE_YES),
                                 .weight_levels = levels_of(o->type, true) };
    mq_status rc = MQ_OK;

    if (!j->looks_at_channels || !wants_smoothing(o))
        return MQ_OK;
    MQ_TRY(mq_smooth(j->job.model, &j->channels, &how, &j->smoothed, j->job.err));
    mq_job_report_smoothed(j);
    rc = mq_job_end_step(&j->job, "smooth");
done:
    return rc;
}

mq_status mq_job_prepare_static(mq_quantize_job *j)
{
    mq_cache_ask ask = { .model = j->job.model, .opts = j->opts, .hash = j->hash };
    const bool equalize = j->opts->equalize == MQ_CHOICE_YES;
    size_t n_equalized;
    mq_status rc = MQ_OK;

    if (j->opts->calibration_cache.n) /* it belongs to the model as it was read */
        MQ_TRY(mq_cache_hash_model(j->job.model, j->hash, j->job.err));
    MQ_TRY(mq_static_prepare(j->job.model, equalize, j->job.hooks, &n_equalized, j->job.err));
    if (equalize)
        mq_report_set_equalization(j->job.report, n_equalized);
    MQ_TRY(mq_job_end_step(&j->job, "prepare"));
    ask.prepared = mq_static_preparation(j->job.model, equalize, &j->smoothed);
    MQ_TRY(mq_cache_open(&j->cache, &ask, j->job.hooks, j->job.err));
    MQ_TRY(look_at_channels(j));
    rc = smooth_channels(j);
done:
    return rc;
}

void mq_job_release_static(mq_quantize_job *j)
{
    mq_cache_close(j->cache);
    mq_calibration_release(&j->calibration);
    mq_channel_table_release(&j->channels);
    mq_channel_table_release(&j->seen);
}

/* How large what was added is, beside what was there. */
static mq_status report_corrected(const mq_quantize_job *j)
{
    const mq_placement *p = j->plan.placement;
    double shifts = 0, sizes = 0, count = 0;

    for (size_t i = 0; i < p->biases.n; i++) {
        const mq_bias *b = &p->biases.items[i];
        mq_tensor *t = mq_value_constant(b->node->inputs[b->index], false);
        const int64_t n = t && b->shift ? mq_tensor_count(t) : 0;
        for (int64_t k = 0; k < n; k++) {
            float bias;
            mq_status rc = mq_tensor_read_f32(t, (uint64_t)k, 1, &bias, j->job.err);
            if (rc != MQ_OK)
                return rc;
            shifts += (double)b->shift[k] * (double)b->shift[k];
            sizes += (double)bias * (double)bias;
        }
        count += (double)n;
    }
    mq_report_set_bias_correction(j->job.report, j->n_corrected, count > 0 ? sqrt(shifts / count) : 0,
                                  count > 0 ? sqrt(sizes / count) : 0);
    return MQ_OK;
}

static mq_status correct_biases(mq_quantize_job *j)
{
    mq_status rc = MQ_OK;

    if (!j->looks_at_channels || !wants_correction(j->opts))
        return MQ_OK;
    MQ_TRY(mq_static_correct(j->plan.placement, &j->channels, j->job.hooks, &j->n_corrected, j->job.err));
    MQ_TRY(report_corrected(j));
    rc = mq_job_end_step(&j->job, "correct biases");
done:
    return rc;
}

static mq_status obtain(mq_quantize_job *j, mq_calibration *c)
{
    const mq_cache_use use = {
        .model = j->job.model, .placement = j->plan.placement, .channels = j->looks_at_channels ? &j->seen : NULL,
        .prepared = mq_static_preparation(j->job.model, j->opts->equalize == MQ_CHOICE_YES, &j->smoothed) };

    return use.prepared ? mq_cache_obtain(j->cache, c, &use, j->job.hooks, j->job.err) : mq_oom(j->job.err);
}

static void report_saturating(const mq_quantize_job *j, const mq_saturation *s)
{
    size_t n_left = 0;
    const char *left = "";

    for (size_t i = 0; i < s->items.n; i++) {
        const mq_saturating *e = &s->items.items[i];
        mq_report_add_saturating(j->job.report, &(mq_report_saturating){ .name = e->item->value->name, .node = e->node,
                                                                     .sum = e->sum, .bits = e->reduced ? 7 : 8 });
        if (!e->reduced && !n_left++)
            left = e->item->value->name;
    }
    if (n_left)
        mq_warn(j->job.hooks, "saturation-x86", left,
                "sums of two products can saturate at 16 bits with the scales or the range that --overrides gives to %zu "
                "weights (as '%s')", n_left, left);
}

/* Does the target's CPU saturate, and the user has not decided for all weights what is done about it? */
static bool heeds_saturation(const mq_quantize_opts *o)
{
    return o->reduce_range == MQ_CHOICE_DEFAULT && mq_quant_target_saturates(o->target);
}

/* 7 bits for the weights that need them. */
static mq_status reduce_saturating(mq_quantize_job *j, const mq_calibration *c)
{
    mq_saturation s = { 0 };
    mq_status rc;

    if (!heeds_saturation(j->opts))
        return MQ_OK;
    if ((rc = mq_saturation_reduce(&s, &j->plan, c, j->job.hooks, j->job.err)) == MQ_OK)
        report_saturating(j, &s);
    mq_saturation_release(&s);
    return rc;
}

static void report_activations(const mq_quantize_job *j, const mq_calibration *c)
{
    enum { N_BINS = 32 };
    const mq_placement *p = j->plan.placement;
    uint64_t bins[N_BINS];

    for (size_t i = 0; i < p->points.n; i++) {
        const mq_point *pt = p->points.items[i];
        const mq_calibrated *seen = mq_calibration_find(c, pt->value->name);
        mq_report_activation a = {
            .name = pt->value->name, .node = pt->reader, .type = pt->scheme.type, .low = (double)pt->lo,
            .high = (double)pt->hi, .scale = (double)pt->scale, .zero_point = pt->zero_point,
            .has_error = pt->n && !isnan(pt->sqnr), .sqnr_db = pt->sqnr, .clipped = pt->n_clipped, .values = pt->n };
        if (!(pt->scale > 0)) /* never seen: it stays in float */
            continue;
        if (seen && seen->observer.n) { /* else its scale is another's */
            mq_observer_outline(&seen->observer, bins, N_BINS);
            a.histogram = bins;
            a.n_bins = N_BINS;
            a.min = (double)seen->observer.min;
            a.max = (double)seen->observer.max;
        }
        mq_report_add_activation(j->job.report, &a);
        if (pt->edge)
            mq_report_add_edge(j->job.report, &(mq_report_edge){
                .name = pt->value->name, .is_input = !pt->value->producer, .type = pt->scheme.type,
                .scale = (double)pt->scale, .zero_point = pt->zero_point });
    }
}

/* Products that stay float, whatever is asked. */
static void warn_of_floats(const mq_quantize_job *j)
{
    const mq_placement *p = j->plan.placement;

    if (p->n_inner)
        mq_warn(j->job.hooks, "static-inner", p->inner,
                "%zu products inside If, Loop or Scan (as '%s') stay float: only the main graph is calibrated; "
                "their weights are integers", p->n_inner, p->inner);
    if (!p->points.n)
        mq_warn(j->job.hooks, "static-none", "",
                "--mode static: no operator is computed with integers, only weights are smaller");
}

mq_status mq_job_calibrate(mq_quantize_job *j)
{
    const mq_placement *p = j->plan.placement;
    mq_status rc = MQ_OK;

    if (!p->points.n && j->opts->calibrate_only)
        return mq_fail(j->job.err, MQ_ERR_UNSUPPORTED, "%s: nothing to calibrate: no operator is computed with integers",
                       j->job.input);
    warn_of_floats(j);
    if (!p->points.n)
        return MQ_OK;
    MQ_TRY(obtain(j, &j->calibration));
    MQ_TRY(report_caches(j));
    MQ_TRY(mq_job_end_step(&j->job, "calibrate"));
    if (mq_cache_is_generated(&j->calibration))
        mq_warn(j->job.hooks, "calibration-random", "",
                "activations were calibrated on generated inputs: what real ones do is not known (--data)");
    if (j->opts->calibrate_only)
        rc = report_calibration(j, &j->calibration);
done:
    return rc;
}

mq_status mq_job_find_ranges(mq_quantize_job *j)
{
    const mq_static_opts o = static_opts(j->opts);
    mq_placement *p = j->plan.placement;
    size_t n_unseen = 0;

    mq_static_ranges(p, &j->calibration, &o, &n_unseen);
    if (n_unseen)
        mq_warn(j->job.hooks, "static-unseen", "",
                "%zu of %zu activations had no value during calibration and stay in float",
                n_unseen, p->points.n);
    return reduce_saturating(j, &j->calibration);
}

mq_status mq_job_quantize_activations(mq_quantize_job *j)
{
    const mq_static_opts o = static_opts(j->opts);
    mq_status rc = MQ_OK;

    if (!j->plan.placement->points.n)
        return mq_job_round_weights(j);
    MQ_TRY(mq_job_find_ranges(j));
    report_activations(j, &j->calibration);
    MQ_TRY(mq_job_round_weights(j));
    if (heeds_saturation(j->opts))
        MQ_TRY(mq_saturation_unround(&j->plan, &j->calibration, j->job.hooks, j->job.err));
    MQ_TRY(correct_biases(j));
    MQ_TRY(mq_static_rewrite(j->plan.placement, &j->plan, &o, j->job.hooks, j->job.err));
done:
    return rc;
}

mq_status mq_job_make_operators(mq_quantize_job *j)
{
    mq_status rc;

    MQ_TRY(mq_quant_make_all(&j->plan, j->job.hooks, j->job.err));
    if (j->job.opts.ceiling)
        MQ_TRY(mq_model_clone(&j->job.plain, j->job.model, j->job.err));
    MQ_TRY(mq_passes_run(j->job.model, mq_qoperator_passes, &(mq_pass_ctx){ .for_file = true }, j->job.err));
    mq_model_drop_unused(j->job.model);
done:
    return rc;
}
