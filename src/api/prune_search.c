/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Sparsity by bounds: each weight is pruned alone at several ratios (sensitivity.h), a ratio for each is chosen so that as
 * many weights as possible go (search.h), and whole models are measured against the bounds. */
#include <math.h>
#include <string.h>

#include "api/prune_job.h"
#include "api/search.h"
#include "api/sensitivity.h"
#include "graph/clone.h"
#include "prune/ask.h"
#include "prune/pick.h"
#include "prune/zero.h"
#include "report/report.h"

static const double ratios[] = { 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9 };

enum { LEVELS = MQ_ARRAY_LEN(ratios) };

typedef struct hunt {
    mq_prune_job *j;
    mq_prune_item **items;   /* whose ratio is looked for */
    size_t n;
    mq_prune_rule *rules;    /* of item i at level l: i * LEVELS + l */
    const char **names;      /* of the items' constants */
    mq_sense_item *parts;
    mq_search_level *levels; /* as rules */
    mq_search_item *options;
    size_t *level;           /* chosen: one for each item */
    mq_sense_result sense;
    json_t *tried;
    uint64_t elements;
    double deadline;
} hunt;

/* ---- one weight ---------------------------------------------------------------------------------------------------- */

/* The item's numbers with zeros where its rule says so. */
static mq_status pruned(const hunt *h, const mq_prune_item *it, const mq_array *whole, mq_array **out)
{
    mq_error *err = h->j->job.err;
    uint8_t *mask = NULL;
    size_t size;
    mq_status rc;

    MQ_TRY(mq_prune_mask(&h->j->plan, it, h->j->job.hooks, &mask, err));
    MQ_TRY(mq_array_copy(out, whole, err));
    size = mq_array_elem_size(*out);
    for (size_t i = 0; i < (*out)->count; i++)
        if (!mask[i])
            memset((char *)(*out)->data + i * size, 0, size);
done:
    free(mask);
    return rc;
}

static mq_status change(void *user, size_t item, size_t level, size_t k, const mq_array *whole, mq_array **out,
                        mq_error *err)
{
    const hunt *h = user;

    (void)k, (void)err;
    h->items[item]->rule = h->rules[item * LEVELS + level];
    return pruned(h, h->items[item], whole, out);
}

/* Can it be exchanged in a copy of the model? */
static bool is_searched(const hunt *h, const mq_prune_item *it)
{
    const mq_value *v = it->constant;

    return !it->stay && !it->done && v->graph == h->j->job.model->graph && !v->sparse && mq_value_constant(v, false);
}

static mq_status list_items(hunt *h)
{
    const mq_prune_plan *p = &h->j->plan;
    const size_t n = p->items.n, all = n * LEVELS;

    h->items = calloc(n + 1, sizeof *h->items);
    h->rules = calloc(all + 1, sizeof *h->rules);
    h->names = calloc(n + 1, sizeof *h->names);
    h->parts = calloc(n + 1, sizeof *h->parts);
    h->levels = calloc(all + 1, sizeof *h->levels);
    h->options = calloc(n + 1, sizeof *h->options);
    h->level = calloc(n + 1, sizeof *h->level);
    if (!h->items || !h->rules || !h->names || !h->parts || !h->levels || !h->options || !h->level)
        return mq_oom(h->j->job.err);
    for (size_t i = 0; i < n; i++) {
        mq_prune_item *it = p->items.items[i];

        if (!is_searched(h, it))
            continue;
        h->names[h->n] = it->constant->name;
        h->parts[h->n] = (mq_sense_item){ it->constant->name, &h->names[h->n], 1 };
        h->options[h->n] = (mq_search_item){ &h->levels[h->n * LEVELS], LEVELS };
        h->items[h->n++] = it;
        h->elements += it->view.n;
    }
    return MQ_OK;
}

static mq_status find_rules(hunt *h)
{
    const mq_prune_job *j = h->j;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < h->n; i++)
        for (size_t l = 0; l < LEVELS; l++) {
            const uint64_t units = mq_prune_units(&j->plan, h->items[i]), count = mq_prune_count(ratios[l], units);

            MQ_TRY(mq_check_cancelled(j->job.hooks, j->job.err));
            MQ_TRY(mq_prune_pick_count(&j->plan, &h->items[i], 1, count, j->job.hooks, j->job.err));
            h->rules[i * LEVELS + l] = h->items[i]->rule;
            h->levels[i * LEVELS + l].gain = ratios[l] * (double)h->items[i]->view.n;
        }
done:
    return rc;
}

/* ---- each weight alone --------------------------------------------------------------------------------------------- */

/* What sensitivity is measured on: the data for learning, else those that judge. */
static const mq_data_source *source_of(const mq_prune_opts *o)
{
    return o->data.n_data ? &o->data : o->judge_on.n_data ? &o->judge_on : &o->verify_on;
}

static mq_status measure_alone(hunt *h)
{
    const mq_prune_job *j = h->j;
    const mq_sense_opts opts = { .items = h->parts, .n_items = h->n, .n_levels = LEVELS, .change = change, .user = h,
                                 .source = source_of(j->opts),
                                 .metric = j->opts->bounds.eval_cmd ? NULL : j->opts->bounds.metric,
                                 .metric_output = j->opts->bounds.metric_output, .deadline = h->deadline,
                                 .note = j->opts->note, .note_user = j->opts->user, .hooks = j->job.hooks };
    mq_status rc;

    MQ_TRY(mq_sense_measure(&h->sense, j->job.model, &opts, j->job.err));
    for (size_t i = 0; i < h->n * LEVELS; i++)
        h->levels[i].cost = h->sense.points[i].noise;
done:
    return rc;
}

/* Each curve begins with the layer as it is. */
static void report_curves(const hunt *h)
{
    const mq_sense_result *r = &h->sense;

    for (size_t i = 0; i < h->n; i++) {
        mq_report_point points[1 + LEVELS] = { { 0, INFINITY, r->first } };

        for (size_t l = 0; l < LEVELS; l++) {
            const mq_sense_point *p = &r->points[i * LEVELS + l];

            points[1 + l] = (mq_report_point){ ratios[l], mq_sense_db(p->noise), p->metric };
        }
        mq_report_add_sensitivity(h->j->job.report,
                                  &(mq_report_sensitivity){ h->names[i], r->has_metric ? mq_metric_name(r->metric) : NULL,
                                                            r->n_samples, points, 1 + LEVELS });
    }
}

/* ---- whole models -------------------------------------------------------------------------------------------------- */

/* Puts the pruned weight into a copy of the model. */
static mq_status exchange(const hunt *h, mq_model *copy, const mq_prune_item *it)
{
    mq_error *err = h->j->job.err;
    mq_value *v = mq_graph_find_here(copy->graph, it->constant->name);
    mq_array *whole = NULL, *zeroed = NULL;
    mq_tensor *t;
    mq_status rc;

    MQ_TRY(mq_array_of_tensor(&whole, mq_value_constant(it->constant, false), false, err));
    MQ_TRY(pruned(h, it, whole, &zeroed));
    MQ_TRY(mq_tensor_of_array(&t, copy, v->name, zeroed, err));
    if (v->producer)
        MQ_TRY(mq_node_set_output(v->producer, v->producer_index, NULL, err));
    rc = mq_value_set_init(v, t, err);
done:
    mq_array_unref(whole);
    mq_array_unref(zeroed);
    return rc;
}

static mq_status make_model(const hunt *h, const size_t *level, mq_model **out)
{
    mq_status rc;

    MQ_TRY(mq_model_clone(out, h->j->job.model, h->j->job.err));
    for (size_t i = 0; i < h->n; i++) {
        if (!level[i])
            continue;
        h->items[i]->rule = h->rules[i * LEVELS + level[i] - 1];
        MQ_TRY(exchange(h, *out, h->items[i]));
    }
done:
    return rc;
}

static void report_try(const hunt *h, const size_t *level, const mq_quality *q)
{
    mq_report *r = h->j->job.report;
    json_t *to = mq_report_append(r, h->tried);
    double zeros = 0;

    for (size_t i = 0; i < h->n; i++)
        zeros += level[i] ? h->levels[i * LEVELS + level[i] - 1].gain : 0;
    mq_report_put_real(r, to, "sparsity", zeros / (double)h->elements);
    mq_quality_put(r, to, q);
}

/* The largest share of a bound that the choice uses. */
static mq_status measure_choice(void *user, const size_t *level, double *cost, mq_error *err)
{
    hunt *h = user;
    mq_quality q;
    mq_model *m = NULL;
    mq_status rc;

    MQ_TRY(make_model(h, level, &m));
    MQ_TRY(mq_judging_quality(h->j->judging, m, h->j->job.model, &h->j->opts->verify_on, &q, err));
    *cost = q.share;
    report_try(h, level, &q);
done:
    mq_model_free(m);
    return rc;
}

static bool time_is_up(void *user)
{
    const hunt *h = user;

    return mq_seconds() >= h->deadline;
}

/* ---- the choice ---------------------------------------------------------------------------------------------------- */

/* Each weight has its own ratio from now on; one that cannot lose anything stays. */
static void settle(hunt *h)
{
    for (size_t i = 0; i < h->j->plan.items.n; i++) {
        mq_prune_item *it = h->j->plan.items.items[i];

        if (!it->stay && !it->done) {
            it->own = true;
            it->ratio = 0;
        }
    }
    for (size_t i = 0; i < h->n; i++)
        if (h->level[i])
            h->items[i]->ratio = ratios[h->level[i] - 1];
    for (size_t i = 0; i < h->j->plan.items.n; i++) {
        mq_prune_item *it = h->j->plan.items.items[i];

        if (!it->stay && !it->done && !(it->ratio > 0)) {
            it->stay = MQ_PRUNE_SPARED;
            h->j->plan.n_pruned--;
        }
    }
}

static mq_status report_result(const hunt *h, const mq_search_result *found, json_t *search)
{
    mq_report *r = h->j->job.report;

    mq_report_put_int(r, search, "evaluations", (int64_t)found->evals);
    mq_report_put_bool(r, search, "stopped", found->stopped);
    if (found->stopped)
        mq_warn(h->j->job.hooks, "search-stopped", "", "the search was stopped after %zu evaluations (--max-evals, "
                "--time-limit): more zeros may be possible", found->evals);
    if (found->met)
        return MQ_OK;
    return mq_report_add_bound(r, "sparsity", "> 0 within the bounds", "0: every weight loses more than they allow", false,
                               h->j->job.err);
}

static mq_status choose(hunt *h)
{
    const mq_prune_job *j = h->j;
    const mq_search_goal goal = { .max_cost = 1, .max_evals = (size_t)j->opts->bounds.max_evals };
    const mq_search_calls calls = { .cost = measure_choice, .stop = h->deadline > 0 ? time_is_up : NULL, .user = h };
    json_t *search = mq_report_object(j->job.report, mq_report_section(j->job.report, "prune"), "search");
    mq_search_result found;
    mq_status rc;

    h->tried = mq_report_array(j->job.report, search, "tried");
    MQ_TRY(mq_search(h->options, h->n, &goal, &calls, h->level, &found, j->job.err));
    if (!found.met)
        memset(h->level, 0, h->n * sizeof *h->level);
    rc = report_result(h, &found, search);
done:
    return rc;
}

static void release(hunt *h)
{
    mq_sense_release(&h->sense);
    free(h->items);
    free(h->rules);
    free(h->names);
    free(h->parts);
    free(h->levels);
    free(h->options);
    free(h->level);
}

mq_status mq_prune_search(mq_prune_job *j)
{
    hunt h = { .j = j, .deadline = j->opts->time_limit > 0 ? mq_seconds() + j->opts->time_limit : 0 };
    mq_status rc;

    MQ_TRY(list_items(&h));
    MQ_TRY(find_rules(&h));
    MQ_TRY(measure_alone(&h));
    report_curves(&h);
    if (mq_prune_by_bounds(j->opts)) {
        MQ_TRY(choose(&h));
        settle(&h);
    }
done:
    release(&h);
    return rc;
}
