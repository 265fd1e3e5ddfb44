/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Measuring in turns. A round gives each racer one turn, in an order drawn anew; a turn is one run, or of short runs as
 * many as fill TURN_MS, of which the first is not counted (the others have emptied the caches). What disturbs the machine so
 * disturbs all, and differences between them remain. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "api/bench_parts.h"
#include "api/peer.h"

#define LIMIT 10.0   /* seconds of a case, when nobody says */
#define LONGER 3.0   /* times that, where a bound is not decided */
#define NARROW 0.01  /* half of the interval over the median: enough */
#define TURN_MS 2.0
#define MOST_RUNS 20000 /* of one racer, when nobody says */
#define WARM_GROUP 5
#define WARM_SECONDS 2.0
#define WARM_GAIN 0.98
#define NOISY 1.3    /* p90 over median */
#define LEAST_WATCH 0.3 /* seconds, to say anything of other programs */
#define BUSY 0.1     /* share of the CPUs that others take */
enum { LEAST_ROUNDS = 5, MOST_GROUPS = 512, LONGEST_TURN = 64 };

/* ---- running ------------------------------------------------------------------------------------------------------- */

static mq_status run_once(mq_racer *r, size_t call, double *ms, mq_error *err)
{
    const double start = mq_seconds();
    const mq_status rc = mq_running_run(&r->entry->run, r->entry->calls[call % r->entry->n_calls], err);

    *ms = (mq_seconds() - start) * 1e3;
    return rc;
}

static mq_status run_some(mq_racer *r, size_t call, size_t n, double *ms, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (r->peer) {
        rc = mq_peer_time(r->peer, call % r->entry->n_calls, n, ms, err);
        return rc == MQ_ERR_INPUT ? MQ_ERR_UNSUPPORTED : rc;
    }
    for (size_t i = 0; i < n && rc == MQ_OK; i++)
        rc = run_once(r, call, &ms[i], err);
    if (rc == MQ_OK && mq_runner_peak(r->entry->run.runner) > r->peak)
        r->peak = mq_runner_peak(r->entry->run.runner);
    return rc;
}

/* Until the median of a group of runs is no longer clearly below the best one before it. */
static mq_status warm_until_stable(mq_racer *r, double seconds, double *typical, mq_error *err)
{
    const double end = mq_seconds() + seconds;
    double best = INFINITY;

    for (size_t group = 0;; group++) {
        double ms[WARM_GROUP], median;
        size_t n = 0;

        while (n < WARM_GROUP && (n == 0 || mq_seconds() < end)) {
            mq_status rc = run_some(r, r->n_warmup, 1, &ms[n], err);

            if (rc != MQ_OK)
                return rc;
            n++;
            r->n_warmup++;
        }
        median = mq_stats_median(ms, n);
        *typical = median;
        if (mq_seconds() >= end || (group > 0 && median > best * WARM_GAIN))
            return MQ_OK;
        best = median < best ? median : best;
    }
}

/* How long a turn is, once it is known how long a run is. */
static void size_turn(const mq_bench_job *j, mq_racer *r, double typical)
{
    /* where runs are few, there are several turns all the same */
    const uint64_t share = j->opts->runs ? j->opts->runs / 10 + 1 : LONGEST_TURN;
    const size_t most = share < LONGEST_TURN ? (size_t)share : LONGEST_TURN;

    r->cold = typical < TURN_MS;
    r->per_turn = typical <= 0 || typical >= TURN_MS ? 1 : (size_t)(TURN_MS / typical) + 1;
    if (r->per_turn > most)
        r->per_turn = most;
}

/* Every input of the case is run at least once: kernels are prepared for its shapes. */
static mq_status warm_up(const mq_bench_job *j, mq_racer *r, double seconds, mq_error *err)
{
    double typical = 0;
    mq_status rc = MQ_OK;

    if (j->opts->warmup != 0) {
        MQ_TRY(run_some(r, 0, 1, &r->first_ms, err));
        typical = r->first_ms;
        r->n_warmup = 1;
    }
    for (int64_t i = 1; i < j->opts->warmup; i++, r->n_warmup++)
        MQ_TRY(run_some(r, (size_t)i, 1, &typical, err));
    if (j->opts->warmup < 0) {
        for (size_t i = 1; i < r->entry->n_calls; i++, r->n_warmup++)
            MQ_TRY(run_some(r, i, 1, &typical, err));
        MQ_TRY(warm_until_stable(r, seconds, &typical, err));
    }
    if (r->n_warmup > 1)
        size_turn(j, r, typical);
done:
    return rc;
}

/* ---- who else uses the CPUs ---------------------------------------------------------------------------------------- */

/* Seconds of CPU time that all of the machine's programs have used, as the kernel counts them; negative: not known. */
static double machine_seconds(void)
{
    unsigned long long user, nice, sys, idle, wait, irq, soft, steal = 0;
    FILE *f = fopen("/proc/stat", "re");
    int n = f ? fscanf(f, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user, &nice, &sys, &idle, &wait, &irq,
                       &soft, &steal)
              : 0;

    if (f)
        fclose(f);
    return n >= 7 ? (double)(user + nice + sys + irq + soft + steal) / (double)sysconf(_SC_CLK_TCK) : -1;
}

static double own_seconds(const mq_racer *racers, size_t n)
{
    struct timespec t;
    double sum;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    sum = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
    for (size_t i = 0; i < n; i++)
        sum += racers[i].peer ? mq_peer_cpu_seconds(racers[i].peer) : 0;
    return sum;
}

static double within_one(double x)
{
    return x > 0 ? x < 1 ? x : 1 : 0;
}

/* Where the case began. */
typedef struct watch {
    double start, machine, own;
} watch;

static watch begin_watch(const mq_racer *racers, size_t n)
{
    return (watch){ mq_seconds(), machine_seconds(), own_seconds(racers, n) };
}

static mq_status typical_wait(const mq_racer *r, double *out, mq_error *err)
{
    double *room = malloc((r->waits.n + 1) * sizeof *room);

    if (!room)
        return mq_oom(err);
    memcpy(room, r->waits.items, r->waits.n * sizeof *room);
    *out = mq_stats_median(room, r->waits.n);
    free(room);
    return MQ_OK;
}

/* How much others have been in the way so far. The kernel counts in hundredths of a second. Of another engine it is not
 * known how long it waited: as long as mq's own, which had its turns at the same time. */
static mq_status look_around(const watch *w, mq_racer *racers, size_t n, mq_error *err)
{
    const double wall = mq_seconds() - w->start, cpus = (double)sysconf(_SC_NPROCESSORS_ONLN);
    double busy = 0, longest = 0;
    mq_status rc;

    if (w->machine >= 0 && wall >= LEAST_WATCH)
        busy = within_one((machine_seconds() - w->machine - own_seconds(racers, n) + w->own) / (wall * cpus));
    for (size_t i = 0; i < n; i++) {
        racers[i].unrest = (mq_unrest){ .busy = busy, .waited = longest };
        if (!racers[i].peer && (rc = typical_wait(&racers[i], &racers[i].unrest.waited, err)) != MQ_OK)
            return rc;
        longest = racers[i].unrest.waited > longest ? racers[i].unrest.waited : longest;
    }
    return MQ_OK;
}

/* ---- rounds -------------------------------------------------------------------------------------------------------- */

static double thread_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A turn, and how long the calling thread had no CPU in it: while it waits for threads that have none, too. Of several
 * runs in a turn it is one that waits. */
static mq_status run_turn(mq_racer *r, size_t call, size_t n, double *ms, mq_error *err)
{
    const double start = mq_seconds(), cpu = thread_seconds();
    mq_status rc = run_some(r, call, n, ms, err);
    const double wall = mq_seconds() - start, share = wall > 0 ? 1 - (thread_seconds() - cpu) / wall : 0;

    if (rc == MQ_OK && !r->peer && !mq_vec_push(&r->waits, within_one(share) / (double)n))
        rc = mq_oom(err);
    return rc;
}

static mq_status take_turn(const mq_bench_job *j, mq_racer *r, size_t round, bool alone, mq_error *err)
{
    double ms[LONGEST_TURN + 1];
    const size_t left = j->opts->runs > r->ms.n ? j->opts->runs - r->ms.n : 0;
    const size_t count = j->opts->runs && left < r->per_turn ? left : r->per_turn;
    const size_t cold = !alone && r->cold;
    mq_status rc;

    if (count == 0)
        return MQ_OK;
    if ((rc = run_turn(r, round, count + cold, ms, err)) != MQ_OK)
        return rc;
    if (r->ms.n == 0 && r->n_warmup == 0)
        r->first_ms = ms[0];
    for (size_t i = cold; i < count + cold; i++)
        if (!mq_vec_push(&r->ms, ms[i]))
            return mq_oom(err);
    if (!mq_vec_push(&r->rounds, mq_stats_median(ms + cold, count)))
        return mq_oom(err);
    if (r->n_warmup < 2 && r->rounds.n == 2) /* the first run of all says little */
        size_turn(j, r, ms[0]);
    return MQ_OK;
}

/* Threads of the one engine that still wait for work would take the CPU from the other. */
static void let_settle(const mq_bench_job *j, bool peers)
{
    const struct timespec pause = { .tv_nsec = 3000000 };

    if (peers && j->threads > 1)
        nanosleep(&pause, NULL);
}

static mq_status run_round(mq_bench_job *j, mq_racer *racers, size_t n, size_t *order, size_t round, bool peers,
                           mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = n; i > 1; i--) {
        const size_t k = (size_t)mq_stats_below(&j->random, i), t = order[k];

        order[k] = order[i - 1];
        order[i - 1] = t;
    }
    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        let_settle(j, peers);
        rc = take_turn(j, &racers[order[i]], round, n == 1, err);
    }
    return rc;
}

/* The median and what its own times say of it. */
static mq_status own_interval(const mq_racer *r, mq_bench_figure *out, mq_error *err)
{
    double *sorted = malloc((r->ms.n + 1) * sizeof *sorted);
    mq_interval ci;

    if (!sorted)
        return mq_oom(err);
    memcpy(sorted, r->ms.items, r->ms.n * sizeof *sorted);
    mq_stats_sort(sorted, r->ms.n);
    ci = mq_stats_median_interval(r->ms.items, sorted, r->ms.n);
    *out = (mq_bench_figure){ mq_stats_quantile(sorted, r->ms.n, 0.5), ci.lo, ci.hi };
    free(sorted);
    return MQ_OK;
}

static mq_status all_narrow(const mq_racer *racers, size_t n, bool *out, mq_error *err)
{
    mq_status rc = MQ_OK;

    *out = true;
    for (size_t i = 0; i < n && *out && rc == MQ_OK; i++) {
        mq_bench_figure f = { 0 };

        if ((rc = own_interval(&racers[i], &f, err)) == MQ_OK)
            *out = (f.hi - f.lo) / 2 <= NARROW * f.value;
    }
    return rc;
}

/* Is the case done? Looked at ever more rarely. */
static mq_status is_done(mq_bench_job *j, const mq_racer *racers, size_t n, double elapsed, bool *done, mq_error *err)
{
    const mq_bench_opts *o = j->opts;
    const double limit = o->seconds > 0 ? o->seconds : LIMIT;
    bool open = false;
    size_t least = SIZE_MAX;
    mq_status rc;

    for (size_t i = 0; i < n; i++)
        least = racers[i].ms.n < least ? racers[i].ms.n : least;
    *done = o->runs && least >= o->runs;
    if (o->runs)
        return MQ_OK;
    *done = elapsed >= limit || (o->seconds <= 0 && least >= MOST_RUNS);
    if (!*done && o->seconds <= 0 && (rc = all_narrow(racers, n, done, err)) != MQ_OK)
        return rc;
    if (!*done || elapsed >= limit * LONGER)
        return MQ_OK;
    rc = mq_bench_straddles(j, racers, n, &open, err);
    *done = !open;
    return rc;
}

static mq_status run_rounds(mq_bench_job *j, mq_racer *racers, size_t n, size_t *order, bool peers, double end,
                            const watch *w, mq_error *err)
{
    const double start = mq_seconds(), limit = j->opts->seconds > 0 ? j->opts->seconds : LIMIT;
    double next_look = 0.2;
    bool done = false;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t round = 0; !done; round++) {
        double elapsed;

        MQ_TRY(run_round(j, racers, n, order, round, peers, err));
        MQ_TRY(mq_check_cancelled(j->hooks, err));
        elapsed = mq_seconds() - start;
        if (start + elapsed >= end) { /* --time-limit */
            rc = look_around(w, racers, n, err);
            break;
        }
        if (j->opts->runs)
            mq_progress(j->hooks, "measure", racers[0].ms.n, j->opts->runs);
        else
            mq_progress(j->hooks, "measure", (uint64_t)(elapsed * 1e3), (uint64_t)(limit * 1e3));
        if (!j->opts->runs && (round + 1 < LEAST_ROUNDS || elapsed < next_look) && elapsed < limit)
            continue;
        next_look = elapsed * 1.3;
        MQ_TRY(look_around(w, racers, n, err));
        MQ_TRY(is_done(j, racers, n, elapsed, &done, err));
    }
done:
    return rc;
}

/* ---- figures ------------------------------------------------------------------------------------------------------- */

mq_status mq_racer_median(const mq_racer *r, mq_bench_figure *out, mq_error *err)
{
    const mq_status rc = own_interval(r, out, err);
    mq_interval ci;

    if (rc != MQ_OK)
        return rc;
    ci = mq_stats_widen((mq_interval){ out->lo, out->hi }, out->value, &r->unrest);
    out->lo = ci.lo;
    out->hi = ci.hi;
    return MQ_OK;
}

/* Medians of neighbouring rounds, so that there are at most MOST_GROUPS; the number of them. */
static size_t group_rounds(const mq_times *rounds, size_t n, double *out)
{
    const size_t per = (n + MOST_GROUPS - 1) / MOST_GROUPS;
    size_t k = 0;

    for (size_t i = 0; per && i + per <= n; i += per) {
        double some[64]; /* more are not looked at */
        const size_t few = per < 64 ? per : 64;

        memcpy(some, rounds->items + i, few * sizeof *some);
        out[k++] = mq_stats_median(some, few);
    }
    return k;
}

mq_status mq_racer_speedup(const mq_racer *first, const mq_racer *r, mq_bench_figure *out, mq_error *err)
{
    const size_t n = first->rounds.n < r->rounds.n ? first->rounds.n : r->rounds.n;
    mq_bench_figure a, b;
    double *room;
    mq_interval ci;
    mq_status rc;

    *out = (mq_bench_figure){ 1, 1, 1 };
    if (first == r)
        return MQ_OK;
    if (!(room = malloc((size_t)MOST_GROUPS * 4 * sizeof *room)))
        return mq_oom(err);
    MQ_TRY(mq_racer_median(first, &a, err));
    MQ_TRY(mq_racer_median(r, &b, err));
    out->value = b.value > 0 ? a.value / b.value : 0;
    group_rounds(&first->rounds, n, room);
    ci = mq_stats_ratio_interval(room, room + MOST_GROUPS, group_rounds(&r->rounds, n, room + MOST_GROUPS), 1,
                                 room + 2 * MOST_GROUPS);
    ci = (mq_interval){ fmin(ci.lo, out->value) * (1 - MQ_STATS_PLACEMENT),
                        fmax(ci.hi, out->value) * (1 + MQ_STATS_PLACEMENT) };
    ci = mq_stats_widen_ratio(ci, &first->unrest, &r->unrest);
    out->lo = ci.lo;
    out->hi = ci.hi;
done:
    free(room);
    return rc;
}

static mq_status add_row(mq_bench_job *j, const mq_racer *first, const mq_racer *r, mq_error *err)
{
    const size_t n = r->ms.n;
    mq_bench_latency row = { .file = r->entry->path, .engine = "mq", .threads = j->threads, .n_runs = n,
                             .batch = (int64_t)r->entry->samples, .first_ms = r->first_ms, .n_warmup = r->n_warmup,
                             .peak_bytes = r->peak };
    double *sorted = malloc((n + 1) * sizeof *sorted);
    mq_status rc = sorted ? MQ_OK : mq_oom(err);

    if (rc != MQ_OK)
        goto done;
    if (!(row.raw_ms = mq_arena_memdup(j->arena, r->ms.items, n * sizeof *sorted)) ||
        (r->peer && !(row.engine = mq_arena_strdup(j->arena, mq_peer_name(r->peer)))))
        MQ_TRY(mq_oom(err));
    memcpy(sorted, r->ms.items, n * sizeof *sorted);
    mq_stats_sort(sorted, n);
    row.min_ms = sorted[0];
    row.p90_ms = mq_stats_quantile(sorted, n, 0.9);
    row.p99_ms = mq_stats_quantile(sorted, n, 0.99);
    MQ_TRY(mq_racer_median(r, &row.median_ms, err));
    MQ_TRY(mq_racer_speedup(first, r, &row.speedup, err));
    row.per_second = row.median_ms.value > 0 ? 1e3 * (double)r->entry->samples / row.median_ms.value : 0;
    if (!mq_vec_push_in(j->arena, &j->rows, row))
        rc = mq_oom(err);
    if (row.p90_ms > NOISY * row.median_ms.value && n >= 20)
        mq_warn(j->hooks, "bench-noisy", row.file,
                "%s%stimes are spread: one run in ten takes %.2f times the median or longer",
                j->n_entries > 1 ? mq_bench_label(j, row.file) : "", j->n_entries > 1 ? ": " : "",
                row.p90_ms / row.median_ms.value);
done:
    free(sorted);
    return rc;
}

mq_status mq_bench_race(mq_bench_job *j, mq_racer *racers, size_t n, mq_error *err)
{
    size_t *order = calloc(n + 1, sizeof *order);
    const double share = (j->deadline - mq_seconds()) / (double)j->n_shares, end = mq_seconds() + share;
    bool peers = false;
    watch w;
    mq_status rc = order ? MQ_OK : mq_oom(err);

    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        if ((rc = warm_up(j, &racers[i], fmin(WARM_SECONDS, share / 2 / (double)n), err)) != MQ_OK)
            mq_error_prefix(err, "%s", racers[i].entry->path);
        peers |= racers[i].peer != NULL;
    }
    if (rc != MQ_OK)
        goto done;
    w = begin_watch(racers, n);
    MQ_TRY(run_rounds(j, racers, n, order, peers, end, &w, err));
    if (racers[0].unrest.busy > BUSY)
        mq_warn(j->hooks, "bench-busy", "", "other programs used %.0f%% of the CPUs meanwhile: times are less certain than "
                "on a quiet machine", racers[0].unrest.busy * 100);
    j->case_first = j->rows.n;
    for (size_t i = 0; i < n; i++)
        MQ_TRY(add_row(j, &racers[0], &racers[i], err));
done:
    free(order);
    return rc;
}
