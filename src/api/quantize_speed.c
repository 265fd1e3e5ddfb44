/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Bounds on time: where integers are slower than float, which depends on the kernels that an engine has, layers are computed
 * in float, with weights that stay small. Whole models are run beside the original. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/quantize_hunt.h"
#include "api/running.h"
#include "ops/ops.h"
#include "report/report.h"

/* Less than that is what one measurement of time differs from the next. */
#define FASTER 1.01
#define SECONDS 0.5 /* of one comparison */
enum { MOST_KINDS = 16, KIND_SIZE = 64 };

bool mq_hunt_is_fast(const mq_hunt *h, const mq_trial *t)
{
    const mq_bench_bounds *b = &h->j->opts->bounds.limits;

    return (!(b->max_latency > 0) || t->latency.value <= b->max_latency) &&
           (!(b->min_speedup > 0) || t->speedup.value >= b->min_speedup);
}

/* What kernels differ by: the operator, the window, whether channels are apart. Layers of a kind share their fate, for times
 * of single ones are lost in the noise. */
static void kind_of(const mq_hunt *h, const mq_quant_layer *layer, char kind[KIND_SIZE])
{
    const mq_quant_plan *p = &h->l.forms[h->l.asked].all.job.plan;
    const mq_source *s = NULL;

    for (size_t i = 0; i < p->items.n && layer->n_weights && !s; i++)
        if (strcmp(p->items.items[i]->value->name, layer->weights[0]) == 0)
            s = &p->items.items[i]->weight.source;
    snprintf(kind, KIND_SIZE, "%.30s %d %lld %lld", layer->op_type, s ? s->n_dims > 2 && s->dims[1] == 1 : 2,
             s && s->n_dims > 2 ? (long long)s->dims[2] : 0, s && s->n_dims > 3 ? (long long)s->dims[3] : 0);
}

static size_t list_kinds(const mq_hunt *h, char kinds[MOST_KINDS][KIND_SIZE])
{
    size_t n = 0, k;

    for (size_t i = 0; i < h->l.items.n && n < MOST_KINDS; i++) {
        kind_of(h, &h->l.items.items[i], kinds[n]);
        for (k = 0; k < n && strcmp(kinds[k], kinds[n]) != 0; k++)
            ;
        n += k == n && h->l.items.items[i].n_results > 0;
    }
    return n;
}

/* Layers of the kind are computed in float; how many are not yet. */
static size_t slow_down(const mq_hunt *h, const char *kind, size_t *level)
{
    char own[KIND_SIZE];
    size_t form = 0, n = 0;

    while (form < h->l.n_forms && strcmp(h->l.forms[form].name, "weights") != 0)
        form++;
    for (size_t i = 0; i < h->l.items.n; i++) {
        const mq_quant_layer *layer = &h->l.items.items[i];
        const int at = mq_hunt_form(h, level[i]);

        kind_of(h, layer, own);
        if (strcmp(own, kind) != 0 || at == MQ_IN_FLOAT || h->l.forms[at].float_inputs || !layer->n_results)
            continue;
        level[i] = form < h->l.n_forms && layer->usable[form] && at == (int)h->l.asked ? form + 1 : 0;
        n++;
    }
    return n;
}

static mq_status time_choice(mq_hunt *h, mq_judging *clock, const size_t *level, mq_trial *out)
{
    const mq_quantize_job *j = h->j;
    const mq_levels levels = mq_hunt_levels(h, level);
    mq_candidate c = { 0 };
    mq_measured f;
    mq_status rc;

    *out = (mq_trial){ .quality = { NAN, NAN, NAN, 0 }, .n_other = mq_hunt_others(h, level) };
    MQ_TRY(mq_candidate_open(&c, j, &levels, false));
    MQ_TRY(mq_candidate_build(&c));
    MQ_TRY(mq_candidate_size(&c, &out->bytes));
    MQ_TRY(mq_quant_make_all(&c.job.plan, &c.quiet, j->job.err));
    MQ_TRY(mq_infer_model(c.job.job.model, NULL, NULL, j->job.err));
    MQ_TRY(mq_judging_measure(clock, c.job.job.model, MQ_MEASURE_TIME, &f, j->job.err));
    out->latency = f.latency;
    out->speedup = f.speedup;
    mq_hunt_report(h, out);
    mq_progress(j->job.hooks, "search", ++h->evals, j->opts->bounds.max_evals);
done:
    mq_candidate_close(&c);
    return rc;
}

/* Kind by kind, layers whose integers are slower than float go back to it, until the bound holds. */
static mq_status hasten(mq_hunt *h, mq_judging *clock, bool *met)
{
    char kinds[MOST_KINDS][KIND_SIZE];
    const size_t n_kinds = list_kinds(h, kinds), n = h->l.items.n;
    size_t *next = malloc((n + 1) * sizeof *next);
    mq_trial best, t;
    mq_status rc = next ? MQ_OK : mq_oom(h->j->job.err);

    if (rc == MQ_OK)
        MQ_TRY(time_choice(h, clock, h->level, &best));
    if (!mq_hunt_is_fast(h, &best))
        mq_tell(h->j->opts->note, h->j->opts->user, "speed: %zu kinds of layers, about %.0f s", n_kinds,
                ceil((double)n_kinds * 3 * SECONDS));
    for (size_t k = 0; k < n_kinds && !mq_hunt_is_fast(h, &best); k++) {
        memcpy(next, h->level, n * sizeof *next);
        if (!slow_down(h, kinds[k], next) || mq_hunt_is_over(h))
            continue;
        MQ_TRY(mq_check_cancelled(h->j->job.hooks, h->j->job.err));
        MQ_TRY(time_choice(h, clock, next, &t));
        if (!(t.speedup.value > best.speedup.value * FASTER) && !mq_hunt_is_fast(h, &t))
            continue;
        best = t;
        memcpy(h->level, next, n * sizeof *next);
    }
    *met = mq_hunt_is_fast(h, &best);
done:
    free(next);
    return rc;
}

mq_status mq_hunt_speed(mq_hunt *h, bool *met)
{
    const mq_judging_opts *own = mq_judging_asked(h->j->judging);
    mq_judging_opts opts = *own;
    mq_judging *clock = NULL;
    mq_status rc;

    for (size_t i = 0; i < h->l.items.n; i++)
        h->level[i] = (size_t)(mq_hunt_form(h, h->level[i]) + 1);
    h->fewer_bits = false;
    opts.seconds = SECONDS;
    opts.report = NULL;
    MQ_TRY(mq_judging_open(&clock, &opts, h->j->job.model, h->j->job.err));
    rc = hasten(h, clock, met);
done:
    mq_judging_close(clock);
    return rc;
}

