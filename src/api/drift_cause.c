/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Why a layer loses what it loses, and which option treats it: from what was counted, the first that holds. */
#include <math.h>
#include <string.h>

#include "api/drift_job.h"
#include "passes/qdq.h"

#define MOSTLY 0.5   /* of the noise: then that is the cause */
#define WIDE 8.0     /* times the median: a channel far larger than the others */
#define PEAKED 12.0  /* times the root mean square: values far from the others */
#define PART 0.1      /* of the noise: a cause that is worth telling */
#define QUIET 1e-5   /* noise by power (50 dB): nothing to explain */

static double ratio_of(const mq_compare *c)
{
    if (c->nonfinite)
        return INFINITY;
    if (c->sum_bb > 0)
        return c->sum_dd / c->sum_bb;
    return c->sum_dd > 0 ? INFINITY : 0;
}

static double saturation_of(const mq_layer_job *l)
{
    return l->products > 0 || isnan(l->products) ? l->saturated / l->products : 0;
}

double mq_layer_noise(const mq_layers_job *j, const mq_layer_job *l)
{
    const double noise = ratio_of(&l->own) + (j->saturates ? saturation_of(l) : 0);

    return isnan(noise) ? INFINITY : noise;
}

/* The input whose integers lose most; NULL: none lose anything that is known. */
static const mq_layer_values *worst_input(const mq_layer_job *l, size_t *k)
{
    const mq_layer_values *worst = NULL;
    double most = -1;

    for (size_t i = 0; l->view && i <= MQ_LAYER_INPUTS; i++) {
        const mq_layer_values *s = &l->looks[i];
        const double noise = s->sum2 > 0 ? (s->clip + s->round) / s->sum2 : 0;

        if (s->n && noise > most) {
            most = noise;
            worst = s;
            *k = i;
        }
    }
    return worst;
}

static mq_status say(const mq_layers_job *j, mq_layer *out, const char *cause, const char *remedy, const char *why)
{
    out->cause = cause;
    out->remedy = remedy;
    out->why = why;
    return why ? MQ_OK : mq_oom(j->err);
}

/* ---- activations ---------------------------------------------------------------------------------------------------- */

static double largest_spread(const mq_layer_values *s)
{
    double largest = 0, sum = 0;

    for (size_t i = 0; i < s->n_channels; i++) {
        largest = fmax(largest, s->channels[i]);
        sum += s->channels[i];
    }
    if (s->n_channels < 2 || !(sum > largest))
        return 1;
    return largest / ((sum - largest) / (double)(s->n_channels - 1));
}

/* The range ends short on one side and is unused on the other: with another zero point it would hold the values. */
static bool is_shifted(const mq_layer_values *s, double low, double high)
{
    const double under = low - s->min, over = s->max - high;

    return (under > 0) != (over > 0) && s->max - s->min <= (high - low) * 1.05 &&
           fmax(under, over) > (high - low) / 32;
}

static mq_status explain_clipping(const mq_layers_job *j, const mq_layer_values *s, double low, double high, mq_layer *out)
{
    const double share = 100 * (double)(s->below + s->above) / (double)s->n;

    if (is_shifted(s, low, high))
        return say(j, out, "zero-point", "--calibration minmax",
                   mq_arena_printf(j->arena, "the integers hold %.4g to %.4g, the values lie in %.4g to %.4g: as wide, but "
                                   "shifted, as by a wrong zero point; %.3g%% of them are clipped", low, high, s->min,
                                   s->max, share));
    return say(j, out, "clipped-range", "--calibration minmax, more --data",
               mq_arena_printf(j->arena, "the integers hold %.4g to %.4g, the values lie in %.4g to %.4g: %.3g%% of them "
                               "are clipped", low, high, s->min, s->max, share));
}

static mq_status explain_rounding(const mq_layers_job *j, const mq_layer_job *l, const mq_layer_values *s,
                                  const mq_fake *f, double low, double high, mq_layer *out)
{
    const double used = f->dynamic ? 1 : (fmin(s->max, high) - fmax(s->min, low)) / (high - low);
    const double spread = largest_spread(s), largest = fmax(fabs(s->min), fabs(s->max));
    const double peak = s->sum2 > 0 ? largest / sqrt(s->sum2 / (double)s->n) : 0;

    if (used < 0.5)
        return say(j, out, "wide-range", "--calibration mse, --data like these",
                   mq_arena_printf(j->arena, "the integers hold %.4g to %.4g, but the values lie in %.4g to %.4g: %.0f%% of "
                                   "the integers are never used", low, high, s->min, s->max, 100 * (1 - used)));
    if (spread > WIDE)
        return say(j, out, "outlier-channel",
                   l->in_scale ? "--act-type uint16, --exclude-nodes" : "--smooth auto, --act-type uint16",
                   mq_arena_printf(j->arena, "one channel reaches %.4g, %.0f times as far as the others on average: it sets "
                                   "the scale of all", largest, spread));
    if (peak > PEAKED)
        return say(j, out, "outliers", "--calibration mse or percentile",
                   mq_arena_printf(j->arena, "values reach %.4g, %.0f times their root mean square: the scale is made for a "
                                   "few of them", largest, peak));
    return say(j, out, "few-bits", "--exclude-nodes, --act-type uint16",
               mq_arena_printf(j->arena, "%d bits hold the values from %.4g to %.4g, which are spread evenly, no better",
                               mq_dtype_bits(f->type), s->min, s->max));
}

static mq_status explain_input(const mq_layers_job *j, const mq_layer_job *l, size_t k, const mq_layer_values *s,
                               mq_layer *out)
{
    const mq_fake *f = mq_layer_fake(l, k);
    int64_t least, most;
    double low, high;

    out->input = k < MQ_LAYER_INPUTS ? l->node->inputs[k]->name : l->ref->name;
    mq_qdq_range(f->type, &least, &most);
    low = (double)(least - f->in_zero) * f->in_scale;
    high = (double)(most - f->in_zero) * f->in_scale;
    if (!f->dynamic && f->in_zero != f->out_zero)
        return say(j, out, "zero-point", "quantize anew",
                   mq_arena_printf(j->arena, "the integers are made with zero point %lld and read with %lld",
                                   (long long)f->in_zero, (long long)f->out_zero));
    if (!f->dynamic && f->in_scale != f->out_scale)
        return say(j, out, "scale", "quantize anew",
                   mq_arena_printf(j->arena, "the integers are made with scale %g and read with %g", f->in_scale,
                                   f->out_scale));
    if (!f->dynamic && s->clip > MOSTLY * (s->clip + s->round))
        return explain_clipping(j, s, low, high, out);
    return explain_rounding(j, l, s, f, low, high, out);
}

/* ---- weights -------------------------------------------------------------------------------------------------------- */

static mq_status explain_weight(const mq_layers_job *j, const mq_layer_job *l, mq_layer *out)
{
    const struct mq_weight_look *w = &l->weight;
    const double alone = w->power > 0 ? w->noise / w->power : 0, stretched = (w->ratio - 1) * (w->ratio - 1) * w->power;

    if (!w->seen)
        return say(j, out, "few-bits", "--exclude-nodes", "what is quantized of its constants has one dimension or none, "
                   "and loses it");
    if (ratio_of(&l->weights) > WIDE * WIDE * alone)
        return say(j, out, "bias", "quantize anew",
                   mq_arena_printf(j->arena, "the weight itself is %.1f dB near the reference's: what is lost is the bias's",
                                   -10 * log10(alone)));
    if (w->offset > MOSTLY * w->noise)
        return say(j, out, "zero-point", "quantize anew",
                   mq_arena_printf(j->arena, "the weight is off by %.3g steps everywhere, as by a wrong zero point",
                                   w->steps));
    if (w->clip > MOSTLY * w->noise)
        return say(j, out, "clipped-weight", "--range minmax",
                   mq_arena_printf(j->arena, "weights beyond the ends of their range make %.0f%% of the noise",
                                   100 * w->clip / w->noise));
    if (stretched > MOSTLY * w->noise)
        return say(j, out, "scale", "quantize anew",
                   mq_arena_printf(j->arena, "the weight is %.4g times the reference's, as by a wrong scale", w->ratio));
    if (w->one_scale && w->spread > WIDE / 2)
        return say(j, out, "one-scale", "--per-channel",
                   mq_arena_printf(j->arena, "one scale for all channels, of which the largest is %.1f times the median",
                                   w->spread));
    if (w->bits && w->bits < 8)
        return say(j, out, "few-bits", "--type int8, a smaller --block-size, --tensor-type",
                   mq_arena_printf(j->arena, "the weight has %d bits", w->bits));
    if (w->peak > PEAKED)
        return say(j, out, "outliers", "--effort normal, --type int16",
                   mq_arena_printf(j->arena, "a weight is %.0f times its channel's root mean square: the scale is made "
                                   "for it", w->peak));
    return say(j, out, "few-bits", "--exclude-nodes, --type int16",
               w->bits ? mq_arena_printf(j->arena, "%d bits hold the weight no better", w->bits) : "the weight's integers");
}

/* ---- which ---------------------------------------------------------------------------------------------------------- */

static mq_status explain_saturation(const mq_layers_job *j, const mq_layer_job *l, mq_layer *out)
{
    return say(j, out, "saturation", "--target onnxruntime,x64-avx2, --reduce-range",
               mq_arena_printf(j->arena, "%.3g%% of the sums of two products leave 16 bits, where CPUs without VNNI stop",
                               100 * (double)l->n_saturated / (double)l->n_sums));
}

/* Is it the type that holds no more, or the bias, whose steps follow the input's scale? Another cause says more. */
static bool is_plain(const mq_layer *out)
{
    return strcmp(out->cause, "few-bits") == 0 || strcmp(out->cause, "bias") == 0;
}

/* Weights and inputs: who loses more, unless only the other one has more to be said of. */
static mq_status explain_parts(const mq_layers_job *j, const mq_layer_job *l, double own, mq_layer *out)
{
    const double weights = l->weights.count ? ratio_of(&l->weights) : 0;
    const double inputs = l->activations.count ? ratio_of(&l->activations) : 0;
    mq_layer by_weight = *out, by_input = *out;
    size_t k = 0;
    const mq_layer_values *s = worst_input(l, &k);
    const bool known = s && inputs > 0;
    mq_status rc;

    if (known)
        MQ_TRY(explain_input(j, l, k, s, &by_input));
    if (weights > 0)
        MQ_TRY(explain_weight(j, l, &by_weight));
    *out = known && (inputs >= weights || weights <= 0) ? by_input : by_weight;
    if (known && weights > 0 && is_plain(out) && fmin(inputs, weights) > PART * own)
        *out = is_plain(&by_input) ? by_weight : by_input;
    rc = MQ_OK;
done:
    return rc;
}

mq_status mq_layer_explain(const mq_layers_job *j, const mq_layer_job *l, mq_layer *out)
{
    const double own = mq_layer_noise(j, l);

    out->cause = out->why = out->remedy = out->input = "";
    if (!(own > QUIET))
        return MQ_OK;
    if (j->saturates && saturation_of(l) > MOSTLY * own)
        return explain_saturation(j, l, out);
    if (l->view && (l->weights.count || l->activations.count))
        return explain_parts(j, l, own, out);
    if (l->only_weights)
        return say(j, out, "few-bits",
                   l->least_bits < 8 ? "--type int8, a smaller --block-size, --tensor-type" : "--exclude-nodes",
                   mq_arena_printf(j->arena, "the weight has %d bits", l->least_bits));
    return say(j, out, "few-bits", "--exclude-nodes, --type int8",
               "the layer is computed from integers as a whole: weights and activations are not told apart");
}
