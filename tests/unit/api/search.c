/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/search.c against trying every choice, where losses add up and where they do not, and on measurements that
 * make no sense. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/search.h"
#include "rng.h"

enum { ITEMS = 4, LEVELS = 3, CHOICES = 256, TRIALS = 200 };

typedef struct world {
    mq_search_level levels[ITEMS][LEVELS];
    mq_search_item items[ITEMS];
    double power;  /* true cost: scale * (sum of costs)^power */
    double scale;
    double noise;  /* and so much more or less, by choice */
    size_t calls, fail_at, stop_at;
} world;

static double uniform(uint64_t *seed)
{
    return (rng_float(seed) + 1) / 2;
}

static void make_world(world *w, uint64_t *seed)
{
    memset(w, 0, sizeof *w);
    w->power = w->scale = 1;
    for (size_t i = 0; i < ITEMS; i++) {
        double gain = 0, cost = 0;

        for (size_t k = 0; k < LEVELS; k++) {
            gain += 0.1 + uniform(seed);
            cost += 0.05 + uniform(seed) * uniform(seed);
            w->levels[i][k] = (mq_search_level){ gain, cost };
        }
        w->items[i] = (mq_search_item){ w->levels[i], LEVELS };
    }
}

static double gain_of(const world *w, const size_t *level)
{
    double all = 0;

    for (size_t i = 0; i < ITEMS; i++)
        all += level[i] ? w->levels[i][level[i] - 1].gain : 0;
    return all;
}

static double cost_of(const world *w, const size_t *level)
{
    double all = 0;
    uint64_t hash = 7;

    for (size_t i = 0; i < ITEMS; i++) {
        all += level[i] ? w->levels[i][level[i] - 1].cost : 0;
        hash = hash * 31 + level[i];
    }
    return w->scale * pow(all, w->power) + w->noise * rng_float(&hash);
}

static mq_status measure(void *user, const size_t *level, double *cost, mq_error *err)
{
    world *w = user;

    w->calls++;
    if (w->fail_at && w->calls == w->fail_at)
        return mq_fail(err, MQ_ERR_SYSTEM, "cannot be measured");
    *cost = cost_of(w, level);
    return MQ_OK;
}

static bool stop(void *user)
{
    const world *w = user;

    return w->stop_at && w->calls >= w->stop_at;
}

static mq_search_result search(world *w, mq_search_goal goal, bool really, size_t *level)
{
    const mq_search_calls calls = { really ? measure : NULL, NULL, stop, w };
    mq_search_result r;
    mq_error err;

    assert_int_equal(mq_search(w->items, ITEMS, &goal, &calls, level, &r, &err), MQ_OK);
    return r;
}

static void choice(size_t *level, size_t number)
{
    for (size_t i = 0; i < ITEMS; i++, number /= LEVELS + 1)
        level[i] = number % (LEVELS + 1);
}

/* The most gain within a cost, of all choices. */
static double most_gain(const world *w, double max_cost)
{
    size_t level[ITEMS];
    double best = -1;

    for (size_t c = 0; c < CHOICES; c++) {
        choice(level, c);
        if (cost_of(w, level) <= max_cost)
            best = fmax(best, gain_of(w, level));
    }
    return best;
}

static double least_cost(const world *w, double min_gain)
{
    size_t level[ITEMS];
    double best = INFINITY;

    for (size_t c = 0; c < CHOICES; c++) {
        choice(level, c);
        if (gain_of(w, level) >= min_gain)
            best = fmin(best, cost_of(w, level));
    }
    return best;
}

static void largest_step(const world *w, double *gain, double *cost)
{
    *gain = *cost = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        *gain = fmax(*gain, w->levels[i][LEVELS - 1].gain);
        *cost = fmax(*cost, w->levels[i][LEVELS - 1].cost);
    }
}

/* A path of hulls misses the optimum by less than one step; filling up mostly finds that too. */
static void most_gain_is_within_a_step_of_the_best(void **state)
{
    uint64_t seed = 1;
    double total = 0, possible = 0;

    (void)state;
    for (size_t t = 0; t < TRIALS; t++) {
        const double bound = 0.3 + 2 * uniform(&seed);
        size_t level[ITEMS];
        double gain, cost, best;
        mq_search_result r;
        world w;

        make_world(&w, &seed);
        w.power = t % 2 ? 1 : 0.6 + uniform(&seed);
        w.scale = t % 2 ? 1 : 0.5 + uniform(&seed);
        best = most_gain(&w, bound);
        largest_step(&w, &gain, &cost);
        r = search(&w, (mq_search_goal){ .max_cost = bound, .max_evals = 50 }, true, level);
        assert_true(r.cost == cost_of(&w, level) && r.gain == gain_of(&w, level));
        assert_true(r.met == (best > 0));
        assert_true(r.cost <= bound && r.evals == w.calls && r.evals <= 50);
        assert_true(r.gain >= best - gain && r.gain <= best);
        total += r.gain;
        possible += best;
    }
    assert_true(total > 0.96 * possible);
}

static void least_cost_is_within_a_step_of_the_best(void **state)
{
    uint64_t seed = 2;
    double total = 0, possible = 0;

    (void)state;
    for (size_t t = 0; t < TRIALS; t++) {
        const double want = 0.5 + 4 * uniform(&seed);
        size_t level[ITEMS];
        double gain, cost, best;
        mq_search_result r;
        world w;

        make_world(&w, &seed);
        best = least_cost(&w, want);
        largest_step(&w, &gain, &cost);
        r = search(&w, (mq_search_goal){ INFINITY, want, 50 }, t % 2, level);
        assert_true(r.met == isfinite(best));
        if (!r.met)
            continue;
        assert_true(gain_of(&w, level) >= want && r.cost >= best - 1e-12 && r.cost <= best + cost);
        total += r.cost;
        possible += best;
    }
    assert_true(total < 1.1 * possible);
}

/* Both bounds: the least cost is judged too. */
static void gain_and_cost_together(void **state)
{
    uint64_t seed = 3;
    size_t level[ITEMS];
    mq_search_result r;
    world w;

    (void)state;
    make_world(&w, &seed);
    r = search(&w, (mq_search_goal){ least_cost(&w, 2) - 0.01, 2, 50 }, true, level);
    assert_false(r.met);
    assert_true(gain_of(&w, level) >= 2);
    r = search(&w, (mq_search_goal){ r.cost, 2, 50 }, true, level);
    assert_true(r.met);
}

/* Never worse than the k dearest items left as they are. */
static void not_worse_than_leaving_out_the_dearest(void **state)
{
    uint64_t seed = 4;

    (void)state;
    for (size_t t = 0; t < TRIALS; t++) {
        size_t level[ITEMS], best[ITEMS] = { 0 };
        mq_search_result r;
        world w;

        make_world(&w, &seed);
        w.power = 1.5;
        for (size_t i = 0; i < ITEMS; i++)
            w.items[i].n = 1;
        r = search(&w, (mq_search_goal){ .max_cost = 0.8, .max_evals = 50 }, true, level);
        for (size_t n = 0; n < ITEMS; n++) { /* the cheapest one that is left, again and again */
            size_t cheapest = ITEMS;

            for (size_t i = 0; i < ITEMS; i++)
                if (!best[i] && (cheapest == ITEMS || w.levels[i][0].cost < w.levels[cheapest][0].cost))
                    cheapest = i;
            best[cheapest] = 1;
            if (cost_of(&w, best) <= 0.8)
                assert_true(r.gain >= gain_of(&w, best));
        }
    }
}

/* The same with several levels, where each of those that are taken goes straight to its last one. */
static void not_worse_than_the_last_levels_alone(void **state)
{
    uint64_t seed = 9;

    (void)state;
    for (size_t t = 0; t < TRIALS; t++) {
        size_t level[ITEMS], best[ITEMS] = { 0 };
        mq_search_result r;
        world w;

        make_world(&w, &seed);
        w.power = 1.5;
        r = search(&w, (mq_search_goal){ .max_cost = 0.8, .max_evals = 200, .straight = true }, true, level);
        for (size_t n = 0; n < ITEMS; n++) {
            size_t cheapest = ITEMS;

            for (size_t i = 0; i < ITEMS; i++)
                if (!best[i] &&
                    (cheapest == ITEMS || w.levels[i][LEVELS - 1].cost < w.levels[cheapest][LEVELS - 1].cost))
                    cheapest = i;
            best[cheapest] = LEVELS;
            if (cost_of(&w, best) <= 0.8)
                assert_true(r.gain >= gain_of(&w, best));
        }
    }
}

/* Costs that go up and down: what is chosen has been measured and holds. */
static void truth_that_jumps(void **state)
{
    uint64_t seed = 5;

    (void)state;
    for (size_t t = 0; t < TRIALS; t++) {
        size_t level[ITEMS], again[ITEMS];
        mq_search_result r;
        world w;

        make_world(&w, &seed);
        w.noise = 1;
        r = search(&w, (mq_search_goal){ .max_cost = 1, .max_evals = 20 }, true, level);
        assert_true(!r.met || (r.cost <= 1 && r.cost == cost_of(&w, level)));
        search(&w, (mq_search_goal){ .max_cost = 1, .max_evals = 20 }, true, again);
        assert_memory_equal(level, again, sizeof level);
    }
}

static void measurements_without_sense(void **state)
{
    const double odd[] = { NAN, INFINITY, -INFINITY, 0, -1, 1e308, 5 };
    uint64_t seed = 6;

    (void)state;
    for (size_t t = 0; t < TRIALS; t++) {
        size_t level[ITEMS];
        mq_search_result r;
        world w;

        make_world(&w, &seed);
        for (size_t i = 0; i < ITEMS; i++)
            for (size_t k = 0; k < LEVELS; k++)
                w.levels[i][k] = (mq_search_level){ odd[rng_below(&seed, 7)], odd[rng_below(&seed, 7)] };
        r = search(&w, (mq_search_goal){ .max_cost = 2, .max_evals = 20 }, t % 2, level);
        for (size_t i = 0; i < ITEMS; i++)
            assert_true(!level[i] || (isfinite(w.levels[i][level[i] - 1].gain) && w.levels[i][level[i] - 1].gain > 0));
        assert_true(!r.met || r.cost <= 2);
        r = search(&w, (mq_search_goal){ INFINITY, 3, 20 }, t % 2, level);
        assert_true(!r.met || r.gain >= 3);
    }
}

/* Costs of 0 are taken whole; no items, and a bound that nothing holds, are no mistake. */
static void edges(void **state)
{
    const mq_search_goal all = { .max_cost = 0, .max_evals = 50 };
    uint64_t seed = 7;
    size_t level[ITEMS];
    mq_search_result r;
    world w;

    (void)state;
    make_world(&w, &seed);
    for (size_t i = 0; i < ITEMS; i++)
        for (size_t k = 0; k < LEVELS; k++)
            w.levels[i][k].cost = 0;
    r = search(&w, all, true, level);
    assert_true(r.met && r.evals <= 2);
    for (size_t i = 0; i < ITEMS; i++)
        assert_int_equal(level[i], LEVELS);
    make_world(&w, &seed);
    r = search(&w, all, true, level);
    assert_true(!r.met && r.gain == 0 && r.cost == 0);
    r = search(&w, (mq_search_goal){ INFINITY, 1e9, 50 }, true, level);
    assert_false(r.met);
    for (size_t i = 0; i < ITEMS; i++)
        w.items[i].n = i == 2 ? LEVELS : 0;
    r = search(&w, (mq_search_goal){ .max_cost = w.levels[2][1].cost, .max_evals = 50 }, true, level);
    assert_true(r.met && level[2] == 2 && level[0] == 0);
    w.items[2].n = 0;
    r = search(&w, all, true, level);
    assert_false(r.met);
    assert_int_equal(mq_search(NULL, 0, &all, &(mq_search_calls){ 0 }, level, &r, NULL), MQ_OK);
    assert_false(r.met);
}

static void limits_and_errors(void **state)
{
    uint64_t seed = 8;
    size_t level[ITEMS];
    mq_search_result r;
    mq_error err;
    world w;

    (void)state;
    make_world(&w, &seed);
    r = search(&w, (mq_search_goal){ .max_cost = 1, .max_evals = 2 }, true, level);
    assert_true(r.stopped && w.calls == 2 && r.evals == 2);
    w.calls = 0;
    w.stop_at = 3;
    r = search(&w, (mq_search_goal){ .max_cost = 1, .max_evals = 50 }, true, level);
    assert_true(r.stopped && w.calls == 3);
    r = search(&w, (mq_search_goal){ .max_cost = 1, .max_evals = 0 }, true, level);
    assert_true(r.stopped && isnan(r.cost) && !r.met);
    w.calls = w.stop_at = 0;
    w.fail_at = 2;
    assert_int_equal(mq_search(w.items, ITEMS, &(mq_search_goal){ .max_cost = 1, .max_evals = 50 },
                               &(mq_search_calls){ .cost = measure, .user = &w }, level, &r, &err),
                     MQ_ERR_SYSTEM);
}

/* Gains that do not add up are asked for. */
static mq_status half_gain(void *user, const size_t *level, double *gain, mq_error *err)
{
    (void)err;
    *gain = gain_of(user, level) / 2;
    return MQ_OK;
}

static void gains_that_are_asked_for(void **state)
{
    uint64_t seed = 9;
    size_t level[ITEMS];
    mq_search_result r;
    world w;

    (void)state;
    make_world(&w, &seed);
    assert_int_equal(mq_search(w.items, ITEMS, &(mq_search_goal){ INFINITY, 1, 50 },
                               &(mq_search_calls){ measure, half_gain, NULL, &w }, level, &r, NULL),
                     MQ_OK);
    assert_true(r.met && gain_of(&w, level) >= 2 && r.gain == gain_of(&w, level) / 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(most_gain_is_within_a_step_of_the_best),
        cmocka_unit_test(least_cost_is_within_a_step_of_the_best),
        cmocka_unit_test(gain_and_cost_together),
        cmocka_unit_test(not_worse_than_leaving_out_the_dearest),
        cmocka_unit_test(not_worse_than_the_last_levels_alone),
        cmocka_unit_test(truth_that_jumps),
        cmocka_unit_test(measurements_without_sense),
        cmocka_unit_test(edges),
        cmocka_unit_test(limits_and_errors),
        cmocka_unit_test(gains_that_are_asked_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
