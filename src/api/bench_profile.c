/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What each node costs: runs of their own, after the timed ones, with a clock around every node (which is why these times
 * add up to a little more). Sums by operator; the last runs as a trace. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/bench_parts.h"
#include "base/file.h"
#include "base/json_print.h"

enum { MOST_RUNS = 100, TRACED_RUNS = 3 };
#define PROFILE_SECONDS 1.0

static int by_time(const void *a, const void *b)
{
    const mq_bench_cost *x = a, *y = b;

    return (x->ms < y->ms) - (x->ms > y->ms);
}

static void add_rates(mq_bench_cost *c, double total_ms)
{
    c->share = total_ms > 0 ? c->ms / total_ms : 0;
    c->gflops = c->ms > 0 ? 2 * c->macs / (c->ms * 1e6) : 0;
    c->gbytes = c->ms > 0 ? c->bytes / (c->ms * 1e6) : 0;
}

/* ms: the node's time in each of n_runs; one that was interrupted would spoil their mean. */
static mq_bench_cost cost_of(const mq_bench_job *j, const mq_node_stat *st, double *ms, size_t n_runs, mq_error *err,
                             mq_status *rc)
{
    mq_bench_cost c = { .n_nodes = 1, .ms = mq_stats_median(ms, n_runs), .macs = (double)st->macs,
                        .bytes = (double)st->bytes };

    c.name = mq_arena_strdup(j->arena, mq_node_label(st->node));
    c.op_type = mq_arena_strdup(j->arena, st->node->op_type);
    c.kernel = mq_arena_strdup(j->arena, st->kernel ? st->kernel : "");
    if (!c.name || !c.op_type || !c.kernel)
        *rc = mq_oom(err);
    return c;
}

/* Nodes of one operator become one; nodes: n of them. */
static size_t sum_operators(const mq_bench_cost *nodes, size_t n, mq_bench_cost *ops)
{
    size_t n_ops = 0;

    for (size_t i = 0; i < n; i++) {
        size_t k = 0;

        while (k < n_ops && strcmp(ops[k].op_type, nodes[i].op_type) != 0)
            k++;
        if (k == n_ops)
            ops[n_ops++] = (mq_bench_cost){ .name = nodes[i].op_type, .op_type = nodes[i].op_type, .kernel = "" };
        ops[k].n_nodes++;
        ops[k].ms += nodes[i].ms;
        ops[k].macs += nodes[i].macs;
        ops[k].bytes += nodes[i].bytes;
    }
    return n_ops;
}

/* times: MOST_RUNS for each node, of which n_runs were made. */
static mq_status read_stats(const mq_bench_job *j, mq_bench_entry *e, double *times, size_t n_runs, mq_error *err)
{
    size_t n;
    const mq_node_stat *st = mq_runner_stats(e->run.runner, &n);
    mq_bench_cost *nodes = mq_arena_calloc(j->arena, n + 1, sizeof *nodes);
    mq_bench_cost *ops = mq_arena_calloc(j->arena, n + 1, sizeof *ops);
    double total = 0;
    mq_status rc = nodes && ops ? MQ_OK : mq_oom(err);

    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        nodes[i] = cost_of(j, &st[i], times + i * MOST_RUNS, n_runs, err, &rc);
        total += nodes[i].ms;
        e->out->macs += nodes[i].macs;
    }
    if (rc != MQ_OK || !j->opts->profile)
        return rc;
    e->out->n_operators = sum_operators(nodes, n, ops);
    for (size_t i = 0; i < n; i++)
        add_rates(&nodes[i], total);
    for (size_t i = 0; i < e->out->n_operators; i++)
        add_rates(&ops[i], total);
    qsort(nodes, n, sizeof *nodes, by_time);
    qsort(ops, e->out->n_operators, sizeof *ops, by_time);
    e->out->nodes = nodes;
    e->out->n_nodes = n;
    e->out->operators = ops;
    return MQ_OK;
}

/* ---- trace --------------------------------------------------------------------------------------------------------- */

/* Takes the reference; false when out of memory. */
static bool push(json_t *events, json_t *event)
{
    return json_array_append_new(events, event) == 0;
}

static bool push_name(json_t *events, const char *what, const char *name, int pid)
{
    return push(events, json_pack("{s:s, s:s, s:i, s:i, s:{s:o}}", "name", what, "ph", "M", "pid", pid, "tid", 1,
                                  "args", "name",
                                  mq_json_text(name)));
}

/* Nanoseconds on the clock that nodes are measured with. */
static uint64_t now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* A stretch of time on that clock. A run has one for itself, then one for each node. */
typedef struct span {
    uint64_t start, ns;
} span;

static json_t *complete(const char *name, const char *cat, const span *s, uint64_t zero, int pid)
{
    return json_pack("{s:o, s:o, s:s, s:f, s:f, s:i, s:i}", "name", mq_json_text(name), "cat", mq_json_text(cat), "ph", "X",
                     "ts", (double)(s->start - zero) * 1e-3, "dur", (double)s->ns * 1e-3, "pid", pid, "tid", 1);
}

/* A run, and within it its nodes; microseconds since `zero`. */
static mq_status trace_run(json_t *events, const mq_bench_entry *e, const span *run, int pid, uint64_t zero, mq_error *err)
{
    size_t n;
    const mq_node_stat *st = mq_runner_stats(e->run.runner, &n);

    if (!push(events, complete("run", "run", run, zero, pid)))
        return mq_oom(err);
    for (size_t i = 0; i < n; i++) {
        json_t *args, *event;

        if (!st[i].runs)
            continue;
        event = complete(mq_node_label(st[i].node), st[i].node->op_type, &run[1 + i], zero, pid);
        args = json_pack("{s:s, s:I, s:I}", "kernel", st[i].kernel ? st[i].kernel : "", "macs", (json_int_t)st[i].macs,
                         "bytes", (json_int_t)st[i].bytes);
        if (json_object_set_new(event, "args", args) != 0 || !push(events, event)) {
            json_decref(event);
            return mq_oom(err);
        }
    }
    return MQ_OK;
}

static mq_status write_trace(const mq_bench_job *j, json_t *events, mq_error *err)
{
    json_t *doc = json_pack("{s:O, s:s}", "traceEvents", events, "displayTimeUnit", "ms");
    char *text = doc ? mq_json_print(doc, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
    mq_status rc = text ? mq_file_put(j->opts->trace, text, strlen(text), err) : mq_oom(err);

    free(text);
    json_decref(doc);
    if (rc == MQ_OK)
        mq_note_file(j->hooks, j->opts->trace, true);
    return rc;
}

/* ---- running ------------------------------------------------------------------------------------------------------- */

static void note_times(const mq_bench_entry *e, size_t run, double *times)
{
    size_t n;
    const mq_node_stat *st = mq_runner_stats(e->run.runner, &n);

    for (size_t i = 0; i < n; i++)
        times[i * MOST_RUNS + run] = (double)st[i].last_ns * 1e-6;
}

static void note_spans(const mq_bench_entry *e, uint64_t begin, span *run)
{
    size_t n;
    const mq_node_stat *st = mq_runner_stats(e->run.runner, &n);

    *run = (span){ begin, now() - begin };
    for (size_t i = 0; i < n; i++)
        run[1 + i] = (span){ st[i].last_start, st[i].last_ns };
}

/* Runs, as long as it is worth it; times: MOST_RUNS for each node; spans: TRACED_RUNS of 1 + n_nodes, of the last runs in
 * turn. Nothing else is done between runs: threads that have gone to sleep would be part of the next. */
static mq_status run_profiled(const mq_bench_job *j, mq_bench_entry *e, size_t n_nodes, double *times, span *spans,
                              size_t *n_runs, mq_error *err)
{
    const bool long_look = j->opts->profile || j->opts->trace;
    const double end = mq_seconds() + (long_look ? PROFILE_SECONDS : 0);
    mq_status rc;

    MQ_TRY(mq_running_run(&e->run, e->calls[0], err)); /* other models have emptied the caches */
    mq_runner_profile(e->run.runner, true);
    for (*n_runs = 0; *n_runs < MOST_RUNS && (*n_runs < TRACED_RUNS || mq_seconds() < end); ++*n_runs) {
        const uint64_t begin = now();

        MQ_TRY(mq_running_run(&e->run, e->calls[0], err));
        note_spans(e, begin, spans + *n_runs % TRACED_RUNS * (1 + n_nodes));
        note_times(e, *n_runs, times);
        MQ_TRY(mq_check_cancelled(j->hooks, err));
    }
done:
    return rc;
}

static mq_status profile_entry(const mq_bench_job *j, mq_bench_entry *e, json_t *events, int pid, uint64_t zero,
                               mq_error *err)
{
    size_t n_nodes, n_runs = 0;
    double *times;
    span *spans;
    mq_status rc;

    mq_runner_stats(e->run.runner, &n_nodes);
    times = calloc(n_nodes + 1, MOST_RUNS * sizeof *times);
    spans = calloc(n_nodes + 1, TRACED_RUNS * sizeof *spans);
    rc = times && spans ? run_profiled(j, e, n_nodes, times, spans, &n_runs, err) : mq_oom(err);
    for (size_t i = 0; i < TRACED_RUNS && events && rc == MQ_OK; i++)
        rc = trace_run(events, e, spans + (n_runs + i) % TRACED_RUNS * (1 + n_nodes), pid, zero, err);
    if (rc == MQ_OK)
        rc = read_stats(j, e, times, n_runs, err);
    mq_runner_profile(e->run.runner, false);
    free(spans);
    free(times);
    return rc;
}

static bool wants_macs(const mq_bench_opts *o)
{
    return o->profile || o->bounds.max_macs > 0 || o->bounds.max_macs_ratio > 0;
}

mq_status mq_bench_profile(mq_bench_job *j, mq_error *err)
{
    const uint64_t zero = now();
    json_t *events = NULL;
    mq_status rc = MQ_OK;

    if (!wants_macs(j->opts) && !j->opts->trace)
        return MQ_OK;
    if (j->opts->trace && !(events = json_array()))
        return mq_oom(err);
    for (size_t i = 0; i < j->n_entries; i++) {
        if (events && (!push_name(events, "process_name", j->entries[i].path, (int)i + 1) ||
                       !push_name(events, "thread_name", "calling thread", (int)i + 1)))
            MQ_TRY(mq_oom(err));
        MQ_TRY(profile_entry(j, &j->entries[i], events, (int)i + 1, zero, err));
    }
    if (events)
        rc = write_trace(j, events, err);
done:
    json_decref(events);
    return rc;
}
