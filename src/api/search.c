/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Choosing levels: paths, bisecting them, filling up. */
#include "api/search.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    N_PATHS = 3,
    MOST_UNDONE = 64, /* tries of `gain` that take steps back */
};

/* From one level of an item to a higher one. */
typedef struct step {
    size_t item, level, from;
    double gain, cost; /* more than at `from` */
} step;

typedef struct path {
    step *steps;
    size_t n;
} path;

/* A choice that has been measured. */
typedef struct known {
    size_t *level;
    double gain, cost;
} known;

typedef struct search {
    const mq_search_item *items;
    size_t n;
    const mq_search_goal *goal;
    const mq_search_calls *calls;
    known *known;
    size_t n_known;
    size_t best;   /* of known; SIZE_MAX: none */
    size_t evals;
    bool stopped;
    size_t *level; /* the choice at hand */
    mq_error *err;
} search;

/* ---- paths --------------------------------------------------------------------------------------------------------- */

static bool is_usable(const mq_search_level *l)
{
    return isfinite(l->gain) && isfinite(l->cost) && l->gain > 0;
}

static double cost_of(const mq_search_level *l)
{
    return fmax(l->cost, 0);
}

/* Gain per cost; what costs nothing comes first. */
static double slope(const step *s)
{
    return s->cost > 0 ? s->gain / s->cost : INFINITY;
}

static int by_slope(const void *a, const void *b)
{
    const step *x = a, *y = b;
    const double sx = slope(x), sy = slope(y);

    if (sx > sy || sx < sy)
        return sx > sy ? -1 : 1;
    if (x->from != y->from)
        return x->from < y->from ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static int by_cost(const void *a, const void *b)
{
    const step *x = a, *y = b;

    if (x->cost < y->cost || x->cost > y->cost)
        return x->cost < y->cost ? -1 : 1;
    return x->item < y->item ? -1 : x->item > y->item;
}

static int by_level(const void *a, const void *b)
{
    const step *x = a, *y = b;

    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    return by_cost(a, b);
}

/* The hull's next corner behind level `from`: of all levels that gain more, that with the most gain per cost. 0: none. */
static step next_corner(const mq_search_item *it, size_t item, size_t from)
{
    const double gain = from ? it->levels[from - 1].gain : 0, cost = from ? cost_of(&it->levels[from - 1]) : 0;
    step best = { .item = item, .from = from };

    for (size_t k = 0; k < it->n; k++) {
        const mq_search_level *l = &it->levels[k];
        const step s = { item, k + 1, from, l->gain - gain, fmax(cost_of(l) - cost, 0) };

        if (!is_usable(l) || s.gain <= 0)
            continue;
        if (!best.level || slope(&s) > slope(&best) || (slope(&s) == slope(&best) && s.gain > best.gain))
            best = s;
    }
    return best;
}

static mq_status path_of_hulls(const search *s, path *p)
{
    size_t most = 0;

    for (size_t i = 0; i < s->n; i++)
        most += s->items[i].n;
    if (!(p->steps = malloc((most + 1) * sizeof *p->steps)))
        return mq_oom(s->err);
    for (size_t i = 0; i < s->n; i++)
        for (step at = next_corner(&s->items[i], i, 0); at.level; at = next_corner(&s->items[i], i, at.level))
            p->steps[p->n++] = at;
    qsort(p->steps, p->n, sizeof *p->steps, by_slope);
    return MQ_OK;
}

/* Every item's first level, cheapest first, then every item's second one. */
static mq_status path_of_levels(const search *s, path *p)
{
    size_t most = 0;

    for (size_t i = 0; i < s->n; i++)
        most += s->items[i].n;
    if (!(p->steps = malloc((most + 1) * sizeof *p->steps)))
        return mq_oom(s->err);
    for (size_t i = 0; i < s->n; i++) {
        const mq_search_item *it = &s->items[i];
        mq_search_level last = { 0, 0 };
        size_t from = 0;

        for (size_t k = 0; k < it->n; k++) {
            const mq_search_level *l = &it->levels[k];

            if (!is_usable(l) || l->gain <= last.gain)
                continue;
            p->steps[p->n++] = (step){ i, k + 1, from, l->gain - last.gain, fmax(cost_of(l) - cost_of(&last), 0) };
            last = *l;
            from = k + 1;
        }
    }
    qsort(p->steps, p->n, sizeof *p->steps, by_level);
    return MQ_OK;
}

/* Every item's last level at once, cheapest first. */
static mq_status path_of_last(const search *s, path *p)
{
    if (!(p->steps = malloc((s->n + 1) * sizeof *p->steps)))
        return mq_oom(s->err);
    for (size_t i = 0; i < s->n; i++) {
        const mq_search_item *it = &s->items[i];
        size_t k = it->n;

        while (k > 0 && !is_usable(&it->levels[k - 1]))
            k--;
        if (k)
            p->steps[p->n++] = (step){ i, k, 0, it->levels[k - 1].gain, cost_of(&it->levels[k - 1]) };
    }
    qsort(p->steps, p->n, sizeof *p->steps, by_cost);
    return MQ_OK;
}

/* The choice after the first k steps. */
static void go_to(search *s, const path *p, size_t k)
{
    memset(s->level, 0, s->n * sizeof *s->level);
    for (size_t i = 0; i < k; i++)
        s->level[p->steps[i].item] = p->steps[i].level;
}

/* ---- measuring ----------------------------------------------------------------------------------------------------- */

static double sum(const search *s, bool gain)
{
    double all = 0;

    for (size_t i = 0; i < s->n; i++)
        if (s->level[i])
            all += gain ? s->items[i].levels[s->level[i] - 1].gain : cost_of(&s->items[i].levels[s->level[i] - 1]);
    return all;
}

static mq_status measure_gain(const search *s, double *gain)
{
    *gain = sum(s, true);
    return s->calls->gain ? s->calls->gain(s->calls->user, s->level, gain, s->err) : MQ_OK;
}

/* NaN holds nothing. */
static bool holds_cost(const search *s, const known *k)
{
    return k->cost <= s->goal->max_cost;
}

static bool holds_gain(const search *s, const known *k)
{
    return !(s->goal->min_gain > 0) || k->gain >= s->goal->min_gain;
}

/* Is a the better choice? What was asked for comes first; then, of what gains enough, the one that costs less, or, where any
 * gain is enough, of those within the bound the one that gains more. */
static bool is_better(const search *s, const known *a, const known *b)
{
    const bool want = s->goal->min_gain > 0;

    if (holds_gain(s, a) != holds_gain(s, b))
        return holds_gain(s, a);
    if (want && !holds_gain(s, a))
        return a->gain > b->gain || (a->gain == b->gain && a->cost < b->cost);
    if (holds_cost(s, a) != holds_cost(s, b))
        return holds_cost(s, a);
    if (isnan(b->cost) != isnan(a->cost))
        return isnan(b->cost);
    if (want || !holds_cost(s, a))
        return a->cost < b->cost || (a->cost == b->cost && a->gain > b->gain);
    return a->gain > b->gain || (a->gain == b->gain && a->cost < b->cost);
}

static const known *find_known(const search *s)
{
    for (size_t i = 0; i < s->n_known; i++)
        if (memcmp(s->known[i].level, s->level, s->n * sizeof *s->level) == 0)
            return &s->known[i];
    return NULL;
}

static mq_status remember(search *s, double gain, double cost)
{
    known *more = realloc(s->known, (s->n_known + 1) * sizeof *more);
    known k = { .gain = gain, .cost = cost };

    if (!more)
        return mq_oom(s->err);
    s->known = more;
    if (!(k.level = malloc((s->n + 1) * sizeof *k.level)))
        return mq_oom(s->err);
    memcpy(k.level, s->level, s->n * sizeof *s->level);
    s->known[s->n_known++] = k;
    if (s->best == SIZE_MAX || is_better(s, &k, &s->known[s->best]))
        s->best = s->n_known - 1;
    return MQ_OK;
}

/* Measures the choice at hand, unless it is known; *out NULL: no more can be measured. */
static mq_status measure(search *s, const known **out)
{
    double gain, cost = sum(s, false);
    mq_status rc;

    if ((*out = find_known(s)))
        return MQ_OK;
    if (s->calls->cost && (s->evals >= s->goal->max_evals || (s->calls->stop && s->calls->stop(s->calls->user)))) {
        s->stopped = true;
        return MQ_OK;
    }
    if ((rc = measure_gain(s, &gain)) != MQ_OK)
        return rc;
    if (s->calls->cost) {
        s->evals++;
        if ((rc = s->calls->cost(s->calls->user, s->level, &cost, s->err)) != MQ_OK)
            return rc;
    }
    if ((rc = remember(s, gain, cost)) == MQ_OK)
        *out = &s->known[s->n_known - 1];
    return rc;
}

/* ---- as much as the cost allows ------------------------------------------------------------------------------------ */

/* The most steps whose costs, by single measurements, sum up to no more than this. */
static size_t steps_for(const path *p, double cost)
{
    double all = 0;
    size_t k = 0;

    while (k < p->n && (all += p->steps[k].cost) <= cost)
        k++;
    return k;
}

/* *last: the most steps seen to hold the bound, with one more seen not to (unless it is all of them). Where to look is in
 * turn what the sums say, corrected by the last ratio of truth to sum, and the middle. */
static mq_status bisect_cost(search *s, const path *p, size_t *last)
{
    size_t lo = 0, hi = p->n + 1;
    double ratio = 1;

    for (size_t turn = 0; hi - lo > 1 && !s->stopped; turn++) {
        size_t k = turn % 2 ? lo + (hi - lo) / 2 : steps_for(p, s->goal->max_cost / ratio);
        const known *got;
        double guess;
        mq_status rc;

        k = k <= lo ? lo + 1 : k >= hi ? hi - 1 : k;
        go_to(s, p, k);
        guess = sum(s, false);
        if ((rc = measure(s, &got)) != MQ_OK)
            return rc;
        if (!got)
            break;
        if (holds_cost(s, got))
            lo = k;
        else
            hi = k;
        if (guess > 0 && isfinite(got->cost) && got->cost > 0)
            ratio = got->cost / guess;
    }
    *last = lo;
    return MQ_OK;
}

/* Adds up to `most` of the steps from *at on to the choice at hand; returns how many; *at lies behind them. */
static size_t add_steps(search *s, const path *p, const bool *blocked, size_t most, size_t *at)
{
    size_t added = 0;

    for (; *at < p->n && added < most; (*at)++) {
        const step *t = &p->steps[*at];

        if (blocked[t->item] || s->level[t->item] >= t->level)
            continue;
        s->level[t->item] = t->level;
        added++;
    }
    return added;
}

/* From the best choice on: further steps of a path, the single ones that break the bound left out. */
static mq_status fill_up(search *s, const path *p, size_t from)
{
    bool *blocked = calloc(s->n + 1, sizeof *blocked);
    size_t *kept = malloc((s->n + 1) * sizeof *kept);
    size_t most = (p->n - from) / 2 + 1, at = from;
    mq_status rc = MQ_OK;

    if (!blocked || !kept)
        MQ_TRY(mq_oom(s->err));
    memcpy(s->level, s->known[s->best].level, s->n * sizeof *s->level);
    while (at < p->n && !s->stopped) {
        size_t next = at;
        const known *got;

        memcpy(kept, s->level, s->n * sizeof *kept);
        if (add_steps(s, p, blocked, most, &next) == 0)
            break;
        MQ_TRY(measure(s, &got));
        if (got && holds_cost(s, got)) {
            at = next;
            most *= 2;
            continue;
        }
        memcpy(s->level, kept, s->n * sizeof *kept);
        if (most == 1) {
            blocked[p->steps[next - 1].item] = true;
            at = next;
        }
        most = most > 1 ? most / 2 : 1;
    }
done:
    free(blocked);
    free(kept);
    return rc;
}

static mq_status most_gain(search *s, const path *paths, size_t n_paths)
{
    size_t from = 0, best_path = 0;
    const known *got;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n_paths && !s->stopped; i++) {
        const size_t before = s->best;
        size_t last = 0;

        MQ_TRY(bisect_cost(s, &paths[i], &last));
        if (i == 0 || s->best != before) {
            best_path = i;
            from = last;
        }
    }
    if (s->best == SIZE_MAX || !holds_cost(s, &s->known[s->best])) {
        go_to(s, &paths[0], 0);
        from = best_path = 0;
        MQ_TRY(measure(s, &got));
    }
    if (s->best != SIZE_MAX && holds_cost(s, &s->known[s->best]))
        MQ_TRY(fill_up(s, &paths[best_path], from));
done:
    return rc;
}

/* ---- so much at the least cost ------------------------------------------------------------------------------------- */

/* The fewest steps that gain enough; all of them when none do. */
static mq_status bisect_gain(search *s, const path *p, size_t *first)
{
    size_t lo = 0, hi = p->n;

    while (lo < hi) {
        const size_t k = lo + (hi - lo) / 2;
        double gain;
        mq_status rc;

        go_to(s, p, k);
        if ((rc = measure_gain(s, &gain)) != MQ_OK)
            return rc;
        if (gain >= s->goal->min_gain)
            hi = k;
        else
            lo = k + 1;
    }
    *first = lo;
    return MQ_OK;
}

/* Takes back what is not needed for the gain, dearest first. */
static mq_status undo_steps(search *s, const path *p, size_t k)
{
    size_t tries = 0;

    for (size_t i = k; i-- > 0 && tries < MOST_UNDONE;) {
        const step *t = &p->steps[i];
        double gain;
        mq_status rc;

        if (s->level[t->item] != t->level)
            continue;
        s->level[t->item] = t->from;
        tries += s->calls->gain != NULL;
        if ((rc = measure_gain(s, &gain)) != MQ_OK)
            return rc;
        if (!(gain >= s->goal->min_gain))
            s->level[t->item] = t->level;
    }
    return MQ_OK;
}

static mq_status least_cost(search *s, const path *paths, size_t n_paths)
{
    const known *got;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n_paths && !s->stopped; i++) {
        size_t k = 0;

        MQ_TRY(bisect_gain(s, &paths[i], &k));
        go_to(s, &paths[i], k);
        MQ_TRY(undo_steps(s, &paths[i], k));
        MQ_TRY(measure(s, &got));
    }
done:
    return rc;
}

/* ---- the whole ----------------------------------------------------------------------------------------------------- */

static void finish(const search *s, size_t *level, mq_search_result *out)
{
    const known *k = s->best == SIZE_MAX ? NULL : &s->known[s->best];

    *out = (mq_search_result){ NAN, NAN, false, s->stopped, s->evals };
    memset(level, 0, s->n * sizeof *level);
    if (!k)
        return;
    memcpy(level, k->level, s->n * sizeof *level);
    out->gain = k->gain;
    out->cost = k->cost;
    out->met = holds_cost(s, k) && holds_gain(s, k) && (k->gain > 0 || s->goal->min_gain > 0);
}

mq_status mq_search(const mq_search_item *items, size_t n, const mq_search_goal *goal, const mq_search_calls *calls,
                    size_t *level, mq_search_result *result, mq_error *err)
{
    search s = { .items = items, .n = n, .goal = goal, .calls = calls, .best = SIZE_MAX, .err = err };
    path paths[N_PATHS] = { { 0 } };
    const size_t n_paths = goal->straight ? N_PATHS : N_PATHS - 1;
    mq_status rc = MQ_OK;

    if (!(s.level = calloc(n + 1, sizeof *s.level)))
        MQ_TRY(mq_oom(err));
    MQ_TRY(path_of_hulls(&s, &paths[0]));
    MQ_TRY(path_of_levels(&s, &paths[1]));
    MQ_TRY(path_of_last(&s, &paths[2]));
    MQ_TRY((goal->min_gain > 0 ? least_cost : most_gain)(&s, paths, n_paths));
    finish(&s, level, result);
done:
    for (size_t i = 0; i < N_PATHS; i++)
        free(paths[i].steps);
    for (size_t i = 0; i < s.n_known; i++)
        free(s.known[i].level);
    free(s.known);
    free(s.level);
    return rc;
}
