/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which sums belong to which weights, and what is done with them when they are whole. Weights that read the same vectors
 * share their sums and the factor made of them. */
#include "prune/data.h"

#include <stdlib.h>
#include <string.h>

#include "base/threads.h"
#include "hessian/factor.h"
#include "passes/trace.h"
#include "passes/weight_inputs.h"
#include "prune/obs.h"
#include "prune/pick.h"
#include "prune/renew.h"

#define DAMPING 0.01 /* of the mean diagonal, as in the paper */

/* Sums over the vectors of one or several nodes (of a weight that all of them read). */
typedef struct sums {
    MQ_VEC(mq_reduction) from;
    MQ_VEC(size_t) layers;
    bool diagonal;
    mq_gram gram;
    double damped; /* the most that was added to a diagonal, as a share of its mean */
    int64_t dead;  /* groups of which nothing was seen: they go by magnitude */
    mq_error why;  /* that is so */
} sums;

typedef struct layer {
    mq_prune_item *item;
    MQ_VEC(mq_reduction) uses;
    mq_source view;    /* as the first use sees the weight */
    const char *why;   /* it cannot be pruned by data; NULL: it can */
    float *weight;     /* while it is pruned: in the order of the view */
} layer;

struct mq_prune_data {
    mq_prune_plan *plan;
    const mq_hooks *hooks;
    uint64_t budget;
    layer *layers;     /* of the items that are pruned, in their order */
    size_t n_layers, next; /* next: the first layer of the next stage */
    MQ_VEC(sums *) stage;
    MQ_VEC(const char *) names;
};

/* ---- layers -------------------------------------------------------------------------------------------------------- */

static layer *layer_of(const mq_prune_data *d, const mq_value *constant)
{
    for (size_t i = 0; i < d->n_layers; i++)
        if (d->layers[i].item->constant == constant)
            return &d->layers[i];
    return NULL;
}

static bool same_view(const mq_source *a, const mq_source *b)
{
    return a->n_dims == b->n_dims && memcmp(a->dims, b->dims, (size_t)a->n_dims * sizeof *a->dims) == 0 &&
           memcmp(a->strides, b->strides, (size_t)a->n_dims * sizeof *a->strides) == 0;
}

static bool same_matrix(const mq_reduction *a, const mq_reduction *b)
{
    return a->groups == b->groups && a->rows == b->rows && a->cols == b->cols && a->run == b->run &&
           a->row_step == b->row_step && a->col_step == b->col_step;
}

/* Input `at` of n, in the main graph, if it is a weight that is to be pruned. */
static mq_status add_use(mq_prune_data *d, const mq_node *n, size_t at, mq_error *err)
{
    mq_value *constant;
    mq_reduction r;
    mq_source view;
    layer *l;

    if (!mq_trace_constant(n->inputs[at], &constant, &view) || !(l = layer_of(d, constant)))
        return MQ_OK;
    if (!mq_reduction_of(&r, n, at, view.n_dims, view.dims))
        l->why = "its inputs cannot be seen";
    else if (l->uses.n && (!same_view(&view, &l->view) || !same_matrix(&r, &l->uses.items[0])))
        l->why = "several nodes read it in different ways";
    else if (!mq_vec_push(&l->uses, r))
        return mq_oom(err);
    l->view = view;
    return MQ_OK;
}

static mq_status find_uses(mq_prune_data *d, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (const mq_node *n = d->plan->model->graph->first; n; n = n->next)
        for (size_t i = 0; i < n->n_inputs; i++)
            if (n->inputs[i] && mq_weight_traits(n) && mq_weight_is_input(n, i))
                MQ_TRY(add_use(d, n, i, err));
    for (size_t i = 0; i < d->n_layers; i++) {
        layer *l = &d->layers[i];
        if (!l->why && l->uses.n < l->item->n_users)
            l->why = "not all of its inputs are in the main graph";
    }
done:
    return rc;
}

static void warn_unseen(const mq_prune_data *d, const layer *l, const char *why)
{
    mq_warn(d->hooks, "prune-unseen", l->item->constant->name, "weight '%s' is pruned by magnitude, without data: %s",
            l->item->constant->name, why);
}

mq_status mq_prune_data_create(mq_prune_data **out, mq_prune_plan *plan, uint64_t budget, const mq_hooks *hooks,
                               mq_error *err)
{
    mq_prune_data *d = calloc(1, sizeof *d);
    mq_status rc = MQ_OK;

    if (!d)
        return mq_oom(err);
    d->plan = plan;
    d->hooks = hooks;
    d->budget = budget;
    if (!(d->layers = calloc(plan->items.n + 1, sizeof *d->layers))) {
        rc = mq_oom(err);
        goto done;
    }
    for (size_t i = 0; i < plan->items.n; i++)
        if (!plan->items.items[i]->stay && !plan->items.items[i]->done)
            d->layers[d->n_layers++].item = plan->items.items[i];
    MQ_TRY(find_uses(d, err));
    *out = d;
    d = NULL;
done:
    mq_prune_data_free(d);
    return rc;
}

/* ---- stages -------------------------------------------------------------------------------------------------------- */

static void end_stage(mq_prune_data *d)
{
    for (size_t i = 0; i < d->stage.n; i++) {
        sums *s = d->stage.items[i];
        mq_vec_release(&s->from);
        mq_vec_release(&s->layers);
        mq_gram_release(&s->gram);
        free(s);
    }
    d->stage.n = d->names.n = 0;
}

void mq_prune_data_free(mq_prune_data *d)
{
    if (!d)
        return;
    end_stage(d);
    for (size_t i = 0; i < d->n_layers; i++) {
        mq_vec_release(&d->layers[i].uses);
        free(d->layers[i].weight);
    }
    mq_vec_release(&d->stage);
    mq_vec_release(&d->names);
    free(d->layers);
    free(d);
}

/* Sums of this stage that are the layer's, too; NULL: there are none. */
static sums *shared_sums(const mq_prune_data *d, const layer *l)
{
    for (size_t i = 0; i < d->stage.n && l->uses.n == 1; i++) {
        sums *s = d->stage.items[i];
        if (s->from.n == 1 && mq_reduction_same_vectors(&s->from.items[0], &l->uses.items[0]))
            return s;
    }
    return NULL;
}

static mq_status add_sums(mq_prune_data *d, const layer *l, bool diagonal, sums **out, mq_error *err)
{
    sums *s = calloc(1, sizeof *s);

    if (!s || !mq_vec_push(&d->stage, s)) {
        free(s);
        return mq_oom(err);
    }
    s->diagonal = diagonal;
    for (size_t i = 0; i < l->uses.n; i++)
        if (!mq_vec_push(&s->from, l->uses.items[i]))
            return mq_oom(err);
    *out = s;
    return mq_gram_init(&s->gram, &l->uses.items[0], diagonal, err);
}

static mq_status add_name(mq_prune_data *d, const mq_reduction *r, mq_error *err)
{
    const char *name = r->node->inputs[r->x]->name;

    for (size_t i = 0; i < d->names.n; i++)
        if (strcmp(d->names.items[i], name) == 0)
            return MQ_OK;
    return mq_vec_push(&d->names, name) ? MQ_OK : mq_oom(err);
}

static void warn_wide(const mq_prune_data *d, const layer *l)
{
    mq_warn(d->hooks, "prune-wide", l->item->constant->name,
            "weight '%s': the products of its %lld inputs do not fit into %llu MB: it is pruned by their norms (wanda)",
            l->item->constant->name, (long long)(l->uses.items[0].cols * l->uses.items[0].groups),
            (unsigned long long)(d->budget >> 20));
}

/* Takes layer l into the stage if there is room for what it needs. */
static mq_status take(mq_prune_data *d, layer *l, uint64_t *used, bool *taken, mq_error *err)
{
    const bool wide = mq_gram_bytes(&l->uses.items[0], false) > d->budget;
    const bool diagonal = wide || d->plan->opts->method == MQ_PRUNE_WANDA;
    const uint64_t bytes = mq_gram_bytes(&l->uses.items[0], diagonal);
    sums *s = shared_sums(d, l);
    mq_status rc = MQ_OK;

    *taken = s || !d->stage.n || bytes <= d->budget - *used;
    if (!*taken)
        return MQ_OK;
    if (wide && d->plan->opts->method != MQ_PRUNE_WANDA)
        warn_wide(d, l);
    if (!s) {
        MQ_TRY(add_sums(d, l, diagonal, &s, err));
        *used = bytes < d->budget - *used ? *used + bytes : d->budget;
    }
    for (size_t i = 0; i < l->uses.n; i++)
        MQ_TRY(add_name(d, &l->uses.items[i], err));
    if (!mq_vec_push(&s->layers, (size_t)(l - d->layers)))
        rc = mq_oom(err);
done:
    return rc;
}

mq_status mq_prune_data_next(mq_prune_data *d, bool *more, mq_error *err)
{
    uint64_t used = 0;
    bool taken = true;
    mq_status rc = MQ_OK;

    end_stage(d);
    for (; d->next < d->n_layers; d->next++) {
        layer *l = &d->layers[d->next];
        if (l->why) {
            warn_unseen(d, l, l->why);
            continue;
        }
        MQ_TRY(take(d, l, &used, &taken, err));
        if (!taken)
            break;
    }
    *more = d->stage.n > 0;
done:
    return rc;
}

const char *const *mq_prune_data_names(const mq_prune_data *d, size_t *n)
{
    *n = d->names.n;
    return d->names.items;
}

mq_status mq_prune_data_add(mq_prune_data *d, const mq_value *value, const mq_array *array, mq_error *err)
{
    const int n_threads = mq_threads(d->hooks ? d->hooks->n_threads : 0);
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < d->stage.n; i++) {
        sums *s = d->stage.items[i];
        for (size_t k = 0; k < s->from.n; k++) {
            const mq_reduction *r = &s->from.items[k];
            if (strcmp(r->node->inputs[r->x]->name, value->name) == 0)
                MQ_TRY(mq_gram_add(&s->gram, r, array, n_threads, err));
        }
    }
done:
    return rc;
}

/* ---- pruning ------------------------------------------------------------------------------------------------------- */

/* Of all zeros that the weight is to have, those of one group. */
static mq_obs_ask ask_of(const mq_prune_data *d, const layer *l, int64_t group)
{
    const mq_prune_plan *p = d->plan;
    const mq_reduction *r = &l->uses.items[0];
    const uint64_t n = (uint64_t)l->view.n, g = (uint64_t)group, groups = (uint64_t)r->groups;
    mq_obs_ask ask = { .run = r->run };
    uint64_t zeros;

    if (p->kind == MQ_PRUNE_GROUPS) {
        ask.keep = p->keep;
        ask.of = p->of;
        return ask;
    }
    zeros = mq_prune_count_of(p, l->item->ratio, n);
    ask.zeros = zeros / groups + (g < zeros % groups);
    return ask;
}

/* By the factor, or by norms of columns where there is none. */
static mq_status prune_group(const mq_prune_data *d, const layer *l, const mq_factor *f, const double *norms, int64_t group,
                             mq_error *err)
{
    const mq_reduction *r = &l->uses.items[0];
    const mq_obs_ask ask = ask_of(d, l, group);
    float *matrix = malloc((size_t)(r->rows * r->cols) * sizeof *matrix);
    mq_status rc;

    if (!matrix)
        return mq_oom(err);
    mq_reduction_gather(r, l->weight, group, matrix);
    if (f->u)
        rc = mq_obs_sparsegpt(matrix, r->rows, r->cols, f, &ask, err);
    else
        rc = mq_obs_wanda(matrix, r->rows, r->cols, norms, &ask, err);
    mq_reduction_scatter(r, matrix, group, l->weight);
    free(matrix);
    return rc;
}

/* The factor of a group, or none; *dead: nothing came of what was seen of it. */
static mq_status look_at_group(sums *s, int64_t group, mq_factor *f, bool *dead, mq_error *err)
{
    const mq_gram *g = &s->gram;
    mq_status rc = MQ_OK;

    if (s->diagonal) {
        double sum = 0;

        for (int64_t i = 0; i < g->n; i++)
            sum += g->sums[group * g->n + i];
        if (!(sum > 0))
            rc = mq_fail(err, MQ_ERR_INPUT, "no input that is finite and not zero was seen");
    } else {
        rc = mq_factor_make(f, g, group, DAMPING, err);
        s->damped = f->share > s->damped ? f->share : s->damped;
    }
    if ((*dead = rc == MQ_ERR_INPUT)) {
        s->dead++;
        s->why = *err;
        rc = MQ_OK;
    }
    return rc;
}

/* All layers that read these vectors. In a dead group the norms of columns are taken to be equal. */
static mq_status prune_layers(mq_prune_data *d, sums *s, mq_error *err)
{
    const int64_t n = s->gram.n;
    double *ones = malloc((size_t)n * sizeof *ones + 1);
    mq_status rc = ones ? MQ_OK : mq_oom(err);

    for (int64_t i = 0; ones && i < n; i++)
        ones[i] = 1;
    mq_gram_finish(&s->gram);
    for (int64_t g = 0; g < s->gram.groups && rc == MQ_OK; g++) {
        mq_factor f = { 0 };
        bool dead;

        rc = look_at_group(s, g, &f, &dead, err);
        for (size_t i = 0; i < s->layers.n && rc == MQ_OK; i++)
            rc = prune_group(d, &d->layers[s->layers.items[i]], &f, dead ? ones : s->gram.sums + g * n, g, err);
        mq_factor_release(&f);
    }
    free(ones);
    return rc;
}

static bool any_seen(const sums *s)
{
    return s->gram.vectors > s->gram.skipped;
}

/* Why these layers stay as they were; NULL: they are pruned. */
static const char *why_not(const sums *s)
{
    if (!any_seen(s))
        return s->gram.vectors ? "none of its inputs was finite" : "its inputs were never made";
    return s->dead == s->gram.groups ? s->why.text : NULL;
}

static mq_status read_weights(mq_prune_data *d, const sums *s, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < s->layers.n; i++) {
        layer *l = &d->layers[s->layers.items[i]];
        MQ_TRY(mq_renew_read(&l->view, &l->weight, err));
    }
done:
    return rc;
}

static void warn_about(const mq_prune_data *d, const sums *s)
{
    const mq_value *x = s->from.items[0].node->inputs[s->from.items[0].x];

    if (s->gram.skipped)
        mq_warn(d->hooks, "prune-nonfinite", x->name, "'%s': %llu of %llu vectors are not finite and were left out", x->name,
                (unsigned long long)s->gram.skipped, (unsigned long long)s->gram.vectors);
    if (s->damped > DAMPING)
        mq_warn(d->hooks, "prune-damped", x->name,
                "'%s': its products had to be damped by %g of their mean: more data would say more", x->name, s->damped);
    if (s->dead && s->dead < s->gram.groups)
        mq_warn(d->hooks, "prune-unseen", x->name,
                "'%s': the weights of %lld of %lld groups of its channels go by magnitude: %s", x->name, (long long)s->dead,
                (long long)s->gram.groups, s->why.text);
}

static mq_status put_back(mq_prune_data *d, const sums *s, mq_error *err)
{
    const char *why = why_not(s);
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < s->layers.n; i++) {
        layer *l = &d->layers[s->layers.items[i]];
        if (why)
            warn_unseen(d, l, why);
        else
            MQ_TRY(mq_renew_item(l->item, &l->view, l->weight, err));
        free(l->weight);
        l->weight = NULL;
    }
    warn_about(d, s);
done:
    return rc;
}

mq_status mq_prune_data_finish(mq_prune_data *d, mq_error *err)
{
    const int n_threads = mq_threads(d->hooks ? d->hooks->n_threads : 0);
    mq_status *rcs = calloc(d->stage.n + 1, sizeof *rcs), rc = MQ_OK;
    mq_error *errs = calloc(d->stage.n + 1, sizeof *errs);

    if (!rcs || !errs) {
        rc = mq_oom(err);
        goto done;
    }
    for (size_t i = 0; i < d->stage.n; i++)
        MQ_TRY(read_weights(d, d->stage.items[i], err));
#pragma omp parallel for num_threads(n_threads) schedule(dynamic)
    for (size_t i = 0; i < d->stage.n; i++)
        if (any_seen(d->stage.items[i]))
            rcs[i] = prune_layers(d, d->stage.items[i], &errs[i]);
    for (size_t i = 0; i < d->stage.n; i++) {
        if ((rc = rcs[i]) != MQ_OK) {
            mq_fail(err, rc, "%s", errs[i].text);
            goto done;
        }
        MQ_TRY(put_back(d, d->stage.items[i], err));
    }
done:
    free(rcs);
    free(errs);
    return rc;
}
