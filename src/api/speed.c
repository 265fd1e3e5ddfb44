/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How long a model takes beside the one it was made from, in a glance: `mq bench` measures with care, and says how sure it
 * is. */
#include <stdlib.h>
#include <string.h>

#include "api/bench_stats.h"
#include "api/prove.h"
#include "api/running.h"
#include "report/report.h"

#define LIMIT 0.5 /* seconds for both, but for the first runs, which pack weights */
enum { LEAST_TURNS = 3, MOST_TURNS = 500 };

typedef struct racer {
    mq_running run;
    mq_array **in; /* borrowed */
    double ms[MOST_TURNS];
} racer;

/* What the run takes out of what feeds the other; false: it wants something else. */
static bool feed(racer *to, const mq_running *other, mq_array *const *arrays)
{
    for (size_t i = 0; i < to->run.n_in; i++) {
        const mq_type *t = to->run.inputs[i]->declared ? to->run.inputs[i]->declared : to->run.inputs[i]->type;
        size_t k = 0;

        while (k < other->n_in && strcmp(other->inputs[k]->name, to->run.inputs[i]->name) != 0)
            k++;
        if (k == other->n_in || (arrays[k] && t && t->kind == MQ_TYPE_TENSOR && t->dtype != arrays[k]->dtype))
            return false;
        to->in[i] = arrays[k];
    }
    return true;
}

static mq_status run_once(racer *r, double *ms, mq_error *err)
{
    const double start = mq_seconds();
    const mq_status rc = mq_running_run(&r->run, r->in, err);

    *ms = (mq_seconds() - start) * 1e3;
    return rc;
}

static mq_status race(racer *before, racer *after, mq_report *report, mq_error *err)
{
    double cold, end;
    size_t n = 0;
    mq_status rc;

    MQ_TRY(run_once(before, &cold, err));
    MQ_TRY(run_once(after, &cold, err));
    end = mq_seconds() + LIMIT;
    for (; n < MOST_TURNS && (n < LEAST_TURNS || mq_seconds() < end); n++) {
        MQ_TRY(run_once(before, &before->ms[n], err));
        MQ_TRY(run_once(after, &after->ms[n], err));
    }
    mq_report_set_speed(report, mq_stats_median(before->ms, n), mq_stats_median(after->ms, n), n);
done:
    return rc;
}

static mq_status open_racer(racer *r, mq_model *m, const mq_hooks *hooks, mq_error *err)
{
    const mq_plan_opts opts = { .float_edges = true };
    mq_status rc = mq_running_open(&r->run, m, &opts, hooks, err);

    if (rc == MQ_OK && !(r->in = calloc(r->run.n_in + 1, sizeof *r->in)))
        rc = mq_oom(err);
    return rc;
}

static void close_racer(racer *r)
{
    mq_running_close(&r->run);
    free(r->in);
}

static mq_status run_both(const mq_proven *p, racer *racers, const mq_hooks *hooks, mq_error *err)
{
    const mq_running *first = &racers[0].run;
    const mq_data_call *call;
    mq_dataset *data = NULL;
    mq_status rc;

    MQ_TRY(open_racer(&racers[0], p->original, hooks, err));
    MQ_TRY(open_racer(&racers[1], p->written, hooks, err));
    MQ_TRY(mq_source_open(&data, p->source, first->inputs, first->n_in, first->outputs, first->n_out, hooks, err));
    MQ_TRY(mq_dataset_next(data, &call, err));
    if (call && feed(&racers[0], first, call->in) && feed(&racers[1], first, call->in))
        rc = race(&racers[0], &racers[1], p->report, err);
done:
    mq_dataset_free(data);
    return rc;
}

mq_status mq_prove_speed(const mq_proven *p, mq_error *err)
{
    mq_hooks alone = p->hooks ? *p->hooks : (mq_hooks){ 0 };
    racer *racers = calloc(2, sizeof *racers);
    mq_status rc;

    if (!racers)
        return mq_oom(err);
    alone.warn = NULL;
    alone.n_threads = 1;
    rc = run_both(p, racers, &alone, err);
    close_racer(&racers[0]);
    close_racer(&racers[1]);
    free(racers);
    return rc == MQ_ERR_UNSUPPORTED ? MQ_OK : rc;
}
