/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which weights are rounded by data, and in which stage. How one of them is, is in trial.c. */
#include "quant/rounding.h"

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "hessian/collect.h"
#include "passes/trace.h"
#include "passes/weight_inputs.h"
#include "quant/trial.h"

enum { WAVE = 16 }; /* sums between two looks at the clock */

typedef struct layer {
    mq_quant_item *item;
    MQ_VEC(mq_reduction) uses; /* in the order of the item's view */
    bool apart;                /* not to be rounded by data */
    bool not_finite;           /* found while it is rounded: the scales are the user's, and nobody has looked before */
    mq_rounded *result;        /* of the stage; NULL: nothing that helps was seen of its inputs */
} layer;

struct mq_rounding {
    mq_rounded_table *table;
    mq_quant_plan *plan;
    const mq_hooks *hooks;
    mq_round_kind kind;
    layer *layers;
    size_t n_layers, next;
    mq_collect sums;
    bool (*is_late)(void *user); /* NULL: there is no end */
    void *user;
    size_t n_late; /* layers that were not begun in time */
    size_t n_apart; /* weights that are no layers, or apart */
    const char *first_apart;
};

/* ---- table --------------------------------------------------------------------------------------------------------- */

static void rounded_free(mq_rounded *e)
{
    if (!e)
        return;
    free(e->name);
    free(e->scales);
    free(e->zero_points);
    free(e->integers);
    free(e);
}

void mq_rounded_table_release(mq_rounded_table *t)
{
    for (size_t i = 0; i < t->items.n; i++)
        rounded_free(t->items.items[i]);
    mq_vec_release(&t->items);
}

static bool same_scheme(const mq_scheme *a, const mq_scheme *b)
{
    return a->type == b->type && a->symmetric == b->symmetric && a->peak == b->peak && a->q_min == b->q_min &&
           a->q_max == b->q_max && a->scale_type == b->scale_type;
}

static bool same_grid(const mq_grid *a, const mq_grid *b)
{
    return a->kind == b->kind && a->outer == b->outer && a->n == b->n && a->inner == b->inner &&
           a->n_scales == b->n_scales && (a->kind != MQ_PER_BLOCK || a->block == b->block);
}

const mq_rounded *mq_rounded_find(const mq_rounded_table *t, const mq_quant_item *it)
{
    for (size_t i = 0; i < t->items.n; i++) {
        const mq_rounded *e = t->items.items[i];
        if (strcmp(e->name, it->value->name) == 0 && e->n == (size_t)it->weight.source.n &&
            same_scheme(&e->scheme, &it->weight.scheme) && same_grid(&e->grid, &it->weight.grid))
            return e;
    }
    return NULL;
}

/* The weight gets what was found for it. */
static mq_status put(mq_weight *w, const mq_rounded *e, mq_error *err)
{
    const size_t n = e->grid.n_scales;

    mq_weight_release(w);
    w->scales = malloc((n + 1) * sizeof *w->scales);
    w->zero_points = malloc((n + 1) * sizeof *w->zero_points);
    w->rounded = malloc(e->n + 1);
    if (!w->scales || !w->zero_points || !w->rounded)
        return mq_oom(err);
    memcpy(w->scales, e->scales, n * sizeof *w->scales);
    memcpy(w->zero_points, e->zero_points, n * sizeof *w->zero_points);
    memcpy(w->rounded, e->integers, e->n);
    w->n_zero_groups = e->n_zero_groups;
    return MQ_OK;
}

/* ---- layers -------------------------------------------------------------------------------------------------------- */

static layer *layer_of(const mq_rounding *r, const mq_value *v)
{
    for (size_t i = 0; i < r->n_layers; i++)
        if (r->layers[i].item->value == v)
            return &r->layers[i];
    return NULL;
}

static bool same_matrix(const mq_reduction *a, const mq_reduction *b)
{
    return a->groups == b->groups && a->rows == b->rows && a->cols == b->cols && a->run == b->run &&
           a->row_step == b->row_step && a->col_step == b->col_step;
}

/* A matrix whose item sees it transposed. Which of the axes seen has the rows: steps do not say it where a size is 1. */
static bool turn(mq_reduction *r, const mq_source *seen, const mq_source *view)
{
    bool rows_first;

    if (seen->n_dims == view->n_dims && memcmp(seen->dims, view->dims, (size_t)seen->n_dims * sizeof *seen->dims) == 0 &&
        memcmp(seen->strides, view->strides, (size_t)seen->n_dims * sizeof *seen->strides) == 0)
        return true;
    if (seen->n_dims != 2 || view->n_dims != 2 || r->groups != 1 || seen->dims[0] != view->dims[1] ||
        seen->dims[1] != view->dims[0] || seen->strides[0] != view->strides[1] || seen->strides[1] != view->strides[0])
        return false;
    rows_first = seen->dims[0] == seen->dims[1] ? r->row_step != 1 : r->rows == seen->dims[0];
    r->row_step = rows_first ? 1 : view->dims[1];
    r->col_step = rows_first ? view->dims[1] : 1;
    return true;
}

/* Input `at` of n, in the main graph, if it is a weight that is to be rounded. */
static mq_status add_use(mq_rounding *r, const mq_node *n, size_t at, mq_error *err)
{
    layer *l = layer_of(r, n->inputs[at]);
    mq_value *constant;
    mq_reduction use;
    mq_source view;

    if (!l || !mq_trace_constant(n->inputs[at], &constant, &view))
        return MQ_OK;
    if (!mq_reduction_of(&use, n, at, view.n_dims, view.dims) || !turn(&use, &view, &l->item->weight.source) ||
        (l->uses.n && !same_matrix(&use, &l->uses.items[0])))
        l->apart = true;
    else if (!mq_vec_push(&l->uses, use))
        return mq_oom(err);
    return MQ_OK;
}

/* Counts a weight that somebody may expect to be rounded by data. */
static void keep_apart(mq_rounding *r, const mq_quant_item *it)
{
    r->first_apart = r->n_apart++ ? r->first_apart : it->value->name;
}

static mq_status find_uses(mq_rounding *r, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (const mq_node *n = r->plan->model->graph->first; n; n = n->next)
        for (size_t i = 0; i < n->n_inputs; i++)
            if (n->inputs[i] && mq_weight_traits(n) && mq_weight_is_input(n, i))
                MQ_TRY(add_use(r, n, i, err));
    for (size_t i = 0; i < r->n_layers; i++) {
        layer *l = &r->layers[i];
        l->apart |= l->uses.n < l->item->n_users || !l->uses.n;
        if (l->apart)
            keep_apart(r, l->item);
    }
    if (r->n_apart)
        mq_warn(r->hooks, "round-apart", r->first_apart,
                "%zu weights (as '%s') are rounded to nearest: they are tied to another, read in several ways, or in one "
                "whose inputs are not looked at", r->n_apart, r->first_apart);
done:
    return rc;
}

static bool is_tied_to(const mq_quant_plan *plan, const mq_quant_item *it)
{
    for (size_t i = 0; i < plan->items.n; i++)
        if (plan->items.items[i]->tied == it)
            return true;
    return false;
}

static mq_status list_layers(mq_rounding *r, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < r->plan->items.n; i++) {
        mq_quant_item *it = r->plan->items.items[i];
        const mq_rounded *known;
        if (it->stay || mq_dtype_bits(it->weight.scheme.type) > 8)
            continue;
        if (it->tied || is_tied_to(r->plan, it))
            keep_apart(r, it);
        else if (it->embedding)
            continue;
        else if ((known = mq_rounded_find(r->table, it)))
            MQ_TRY(put(&it->weight, known, err));
        else
            r->layers[r->n_layers++].item = it;
    }
done:
    return rc;
}

mq_status mq_rounding_create(mq_rounding **out, mq_rounded_table *table, mq_quant_plan *plan, mq_round_kind kind,
                             uint64_t budget, const mq_hooks *hooks, mq_error *err)
{
    mq_rounding *r = calloc(1, sizeof *r);
    mq_status rc = MQ_OK;

    if (!r)
        return mq_oom(err);
    r->table = table;
    r->plan = plan;
    r->hooks = hooks;
    r->kind = kind;
    r->sums.budget = budget;
    if (!(r->layers = calloc(plan->items.n + 1, sizeof *r->layers))) {
        rc = mq_oom(err);
        goto done;
    }
    MQ_TRY(list_layers(r, err));
    MQ_TRY(find_uses(r, err));
    *out = r;
    r = NULL;
done:
    mq_rounding_free(r);
    return rc;
}

void mq_rounding_free(mq_rounding *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n_layers; i++) {
        mq_vec_release(&r->layers[i].uses);
        rounded_free(r->layers[i].result);
    }
    mq_collect_release(&r->sums);
    free(r->layers);
    free(r);
}

void mq_rounding_set_end(mq_rounding *r, bool (*is_late_now)(void *user), void *user)
{
    r->is_late = is_late_now;
    r->user = user;
}

static bool is_late(const mq_rounding *r)
{
    return r->is_late && r->is_late(r->user);
}

size_t mq_rounding_work(const mq_rounding *r, double *seconds)
{
    const double rate = (r->kind == MQ_ROUND_GPTQ ? 2e9 : 1e9) * mq_threads(r->hooks ? r->hooks->n_threads : 0);
    size_t n = 0;

    *seconds = 0;
    for (size_t i = 0; i < r->n_layers; i++) {
        const layer *l = &r->layers[i];
        const mq_reduction *use = l->apart ? NULL : &l->uses.items[0];
        if (!use)
            continue;
        *seconds += (double)(use->rows + use->cols) * (double)use->cols * (double)use->cols * (double)use->groups / rate;
        n++;
    }
    return n;
}

/* ---- stages -------------------------------------------------------------------------------------------------------- */

/* Are its sums more than may be held? */
static bool is_wide(const mq_rounding *r, const layer *l)
{
    const uint64_t bytes = mq_gram_bytes(&l->uses.items[0], false);

    if (bytes <= r->sums.budget)
        return false;
    mq_warn(r->hooks, "round-wide", l->item->value->name,
            "weight '%s' is rounded to nearest: the products of its %lld inputs do not fit into %llu MB",
            l->item->value->name, (long long)(l->uses.items[0].cols * l->uses.items[0].groups),
            (unsigned long long)(r->sums.budget >> 20));
    return true;
}

mq_status mq_rounding_next(mq_rounding *r, bool *more, mq_error *err)
{
    bool taken = true;
    mq_status rc = MQ_OK;

    mq_collect_clear(&r->sums);
    for (; r->next < r->n_layers; r->next++) {
        layer *l = &r->layers[r->next];
        if (l->apart || (!is_late(r) && is_wide(r, l)))
            continue;
        if (is_late(r)) {
            r->n_late++;
            continue;
        }
        MQ_TRY(mq_weight_find_params(&l->item->weight, r->hooks, err));
        if (l->item->weight.bad.n_nan || l->item->weight.bad.n_inf)
            continue;
        MQ_TRY(mq_collect_take(&r->sums, l->uses.items, l->uses.n, r->next, &taken, err));
        if (!taken)
            break;
    }
    *more = r->sums.items.n > 0;
    if (!*more && r->n_late)
        mq_warn(r->hooks, "round-stopped", "", "%zu weights are rounded to nearest: the time was up (--time-limit)",
                r->n_late);
done:
    return rc;
}

const char *const *mq_rounding_names(const mq_rounding *r, size_t *n)
{
    *n = r->sums.names.n;
    return r->sums.names.items;
}

bool mq_rounding_sums_first_axis(const mq_rounding *r, const mq_value *value, int rank)
{
    return mq_collect_sums_first_axis(&r->sums, value, rank);
}

mq_status mq_rounding_add(mq_rounding *r, const mq_value *value, const mq_array *array, mq_error *err)
{
    return mq_collect_add(&r->sums, value, array, mq_threads(r->hooks ? r->hooks->n_threads : 0), err);
}

/* ---- rounding ------------------------------------------------------------------------------------------------------ */

static mq_status make_result(layer *l, mq_error *err)
{
    const mq_weight *w = &l->item->weight;
    mq_rounded *e = calloc(1, sizeof *e);
    const size_t n = w->grid.n_scales;

    if (!(l->result = e))
        return mq_oom(err);
    e->scheme = w->scheme;
    e->grid = w->grid;
    e->n = (size_t)w->source.n;
    e->n_zero_groups = w->n_zero_groups;
    e->name = strdup(l->item->value->name);
    e->scales = malloc((n + 1) * sizeof *e->scales);
    e->zero_points = malloc((n + 1) * sizeof *e->zero_points);
    e->integers = malloc(e->n + 1);
    if (!e->name || !e->scales || !e->zero_points || !e->integers)
        return mq_oom(err);
    memcpy(e->scales, w->scales, n * sizeof *e->scales);
    memcpy(e->zero_points, w->zero_points, n * sizeof *e->zero_points);
    return MQ_OK;
}

/* The papers add a hundredth of the mean diagonal. With 8 bits, where little is left to win, what few samples say of
 * columns that go together misleads: a fifth is 0.2 to 4 dB better at the outputs of models (docs/quantize.md). */
static double damping_of(const mq_rounding *r, const mq_shared_sums *s)
{
    for (size_t i = 0; i < s->layers.n; i++)
        if (mq_dtype_bits(r->layers[s->layers.items[i]].item->weight.scheme.type) < 8)
            return 0.01;
    return 0.2;
}

/* All layers that read these vectors. */
static mq_status round_layers(mq_rounding *r, mq_shared_sums *s, mq_error *err)
{
    mq_trial_base base = { 0 };
    mq_status rc;

    mq_gram_finish(&s->gram);
    rc = mq_trial_base_make(&base, &s->gram, damping_of(r, s), r->kind, err);
    if (rc == MQ_ERR_INPUT) { /* layers without a result */
        mq_trial_base_release(&base);
        return MQ_OK;
    }
    for (size_t i = 0; i < s->layers.n && rc == MQ_OK; i++) {
        layer *l = &r->layers[s->layers.items[i]];
        if ((rc = make_result(l, err)) == MQ_OK)
            rc = mq_trial_round(&base, &l->item->weight, &l->uses.items[0], l->result, err);
        l->not_finite = rc == MQ_ERR_INPUT;
        rc = l->not_finite ? MQ_OK : rc;
    }
    mq_trial_base_release(&base);
    return rc;
}

static mq_status put_back(mq_rounding *r, layer *l, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (l->not_finite) {
        mq_warn(r->hooks, "round-nonfinite", l->item->value->name,
                "weight '%s' is rounded to nearest: not all of it is finite", l->item->value->name);
        return MQ_OK;
    }
    if (!l->result) {
        mq_warn(r->hooks, "round-unseen", l->item->value->name,
                "weight '%s' is rounded to nearest: nothing that is finite and not zero, and fits, was seen of its inputs",
                l->item->value->name);
        return MQ_OK;
    }
    MQ_TRY(put(&l->item->weight, l->result, err));
    if (!mq_vec_push(&r->table->items, l->result))
        return mq_oom(err);
    l->result = NULL;
done:
    return rc;
}

mq_status mq_rounding_finish(mq_rounding *r, mq_error *err)
{
    const int n_threads = mq_threads(r->hooks ? r->hooks->n_threads : 0);
    size_t n, last;
    mq_status *rcs = calloc(r->sums.items.n + 1, sizeof *rcs), rc = MQ_OK;
    mq_error *errs = calloc(r->sums.items.n + 1, sizeof *errs);

    if (!rcs || !errs) {
        rc = mq_oom(err);
        goto done;
    }
    for (n = 0; n < r->sums.items.n && !is_late(r); n = last) {
        last = n + WAVE < r->sums.items.n ? n + WAVE : r->sums.items.n;
#pragma omp parallel for num_threads(n_threads) schedule(dynamic)
        for (size_t i = n; i < last; i++)
            if (r->sums.items.items[i]->gram.vectors && !r->sums.items.items[i]->misfit)
                rcs[i] = round_layers(r, r->sums.items.items[i], &errs[i]);
        mq_progress(r->hooks, "rounding", last, r->sums.items.n);
        MQ_TRY(mq_check_cancelled(r->hooks, err));
    }
    for (size_t i = n; i < r->sums.items.n; i++)
        r->n_late += r->sums.items.items[i]->layers.n;
    for (size_t i = 0; i < n; i++) {
        const mq_shared_sums *s = r->sums.items.items[i];
        if ((rc = rcs[i]) != MQ_OK) {
            mq_fail(err, rc, "%s", errs[i].text);
            goto done;
        }
        for (size_t k = 0; k < s->layers.n; k++)
            MQ_TRY(put_back(r, &r->layers[s->layers.items[k]], err));
    }
done:
    free(rcs);
    free(errs);
    return rc;
}
