/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Models that a search tries, against the bounds on quality. */
#include <math.h>

#include "api/bounds.h"
#include "api/prove.h"
#include "api/running.h"
#include "graph/clone.h"
#include "report/report.h"

/* The worst output's signal to noise against the original. */
static mq_status measure_sqnr(const mq_judging *j, mq_model *m, const mq_model *original, const mq_data_source *proof,
                              double *sqnr, mq_error *err)
{
    const mq_judging_opts *o = mq_judging_asked(j);
    const mq_proof_opts bounds = { .min_sqnr = o->asked->limits.min_sqnr, .expected_sqnr = -INFINITY };
    mq_against_opts against = mq_against_opts_default();
    const mq_agreement *worst;
    mq_against_result *r = NULL;
    mq_model *reference = NULL;
    mq_report *aside = NULL;
    mq_status rc;

    against.source = *proof;
    against.only_measure = true;
    MQ_TRY(mq_model_clone(&reference, original, err));
    MQ_TRY(mq_report_create(&aside, "check", err)); /* each would leave its tensors in the report */
    MQ_TRY(mq_check_against(m, reference, &against, aside, o->hooks, &r, err));
    mq_prove_holds(&bounds, r, &worst);
    *sqnr = worst ? worst->sqnr : INFINITY;
done:
    mq_against_result_free(r);
    mq_report_free(aside);
    mq_model_free(reference);
    return rc;
}

/* How much of what a bound allows is used: at most 1 when it holds. */
static double share_of_drop(double drop, double most)
{
    if (drop <= most + 1e-12)
        return most > 0 ? fmin(fmax(drop / most, 0), 1) : 0;
    return most > 0 ? drop / most : INFINITY;
}

static double share_of_metric(double metric, double least, bool lower_is_better)
{
    if (lower_is_better ? metric <= least : metric >= least)
        return 1;
    return lower_is_better && least > 0 ? metric / least : !lower_is_better && metric > 0 ? least / metric : INFINITY;
}

/* fmax would pass over a figure that has no value. */
static double worse(double a, double b)
{
    return isnan(a) || isnan(b) ? NAN : fmax(a, b);
}

mq_status mq_judging_quality(mq_judging *j, mq_model *m, const mq_model *original, const mq_data_source *proof,
                             mq_quality *out, mq_error *err)
{
    const mq_bench_bounds *b = &mq_judging_asked(j)->asked->limits;
    mq_measured f = { .metric = NAN, .drop = NAN };
    mq_status rc = MQ_OK;

    *out = (mq_quality){ .sqnr = NAN };
    if (b->has_sqnr) {
        MQ_TRY(measure_sqnr(j, m, original, proof, &out->sqnr, err));
        out->share = pow(10, (b->min_sqnr - out->sqnr) / 10);
    }
    if (b->has_drop || b->has_metric)
        MQ_TRY(mq_judging_measure(j, m, MQ_MEASURE_METRIC, &f, err));
    out->metric = f.metric;
    out->drop = f.drop;
    if (b->has_drop)
        out->share = worse(out->share, isnan(f.drop) ? NAN : share_of_drop(f.drop, b->max_drop));
    if (b->has_metric)
        out->share = worse(out->share, isnan(f.metric) ? NAN : share_of_metric(f.metric, b->min_metric, f.lower_is_better));
done:
    return rc;
}

void mq_quality_put(mq_report *r, json_t *to, const mq_quality *q)
{
    mq_report_put_real(r, to, "metric", q->metric);
    mq_report_put_real(r, to, "drop", q->drop);
    mq_report_put_real(r, to, "sqnr_db", q->sqnr);
    mq_report_put_bool(r, to, "held", q->share <= 1);
}
