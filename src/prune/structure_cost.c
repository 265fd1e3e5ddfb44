/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What narrower groups cost. Each product and each constant is a term: its multiply-accumulates or bytes are a product of
 * sizes of axes, so what is left of it is what is left of those axes. Sizes that are not known count 1; what operators in
 * inner graphs do does not change. */
#include <math.h>
#include <stdlib.h>

#include "ops/ops.h"
#include "prune/structure_parts.h"

typedef struct counting {
    mq_structure *s;
    mq_graph *g;
    size_t *axis_shares;  /* per axis of each value: first share + 1 */
    size_t *first_axis;   /* per value (by tag): its axis 0 in axis_shares */
    bool failed;
} counting;

static int rank_of(const mq_value *v)
{
    const mq_tensor *t = v ? mq_value_constant(v, true) : NULL;

    if (t)
        return t->n_dims;
    return v && v->type && v->type->kind == MQ_TYPE_TENSOR && v->type->rank > 0 ? v->type->rank : 0;
}

static double size_of(const mq_value *v, int axis)
{
    const mq_tensor *t = mq_value_constant(v, true);
    const int64_t n = t ? t->dims[axis] : v->type->dims[axis].value;

    return n >= 0 ? (double)n : 1;
}

/* Sizes of axes [from, to) multiplied. */
static double product(const mq_value *v, int from, int to)
{
    double n = 1;

    for (int i = from < 0 ? 0 : from; i < to && i < rank_of(v); i++)
        n *= size_of(v, i);
    return n;
}

/* ---- shares --------------------------------------------------------------------------------------------------------- */

static mq_status number_axes(counting *c, mq_error *err)
{
    size_t n = 0;

    c->first_axis = calloc(c->g->values.n + 1, sizeof *c->first_axis);
    if (!c->first_axis)
        return mq_oom(err);
    for (size_t i = 0; i < c->g->values.n; i++) {
        c->g->values.items[i]->tag = i;
        c->first_axis[i] = n;
        n += (size_t)rank_of(c->g->values.items[i]);
    }
    c->axis_shares = calloc(n + 1, sizeof *c->axis_shares);
    return c->axis_shares ? MQ_OK : mq_oom(err);
}

static size_t *shares_of(const counting *c, const mq_value *v, int axis)
{
    if (!v || v->graph != c->g || axis < 0 || axis >= rank_of(v))
        return NULL;
    return &c->axis_shares[c->first_axis[v->tag] + (size_t)axis];
}

static void add_share(counting *c, size_t group, const mq_channel_axis *a)
{
    size_t *list = shares_of(c, a->value, a->axis), n = 0;
    mq_structure_share share = { .group = group };

    for (size_t i = 0; i < a->n; i++)
        n += a->channel[i] >= 0;
    if (!list)
        return;
    share.per_channel = n / c->s->groups[group].n;
    share.next = *list;
    if (mq_vec_push(&c->s->shares, share))
        *list = c->s->shares.n;
    else
        c->failed = true;
}

static void add_shares(counting *c)
{
    for (size_t i = 0; i < c->s->n_groups; i++)
        for (size_t k = 0; k < c->s->groups[i].channels->n_axes; k++)
            add_share(c, i, &c->s->groups[i].channels->axes[k]);
}

/* ---- terms ---------------------------------------------------------------------------------------------------------- */

static void add_term(counting *c, mq_structure_unit unit, double whole)
{
    const mq_structure_term t = { .unit = unit, .whole = whole, .first = c->s->factors.n };

    if (!mq_vec_push(&c->s->terms, t))
        c->failed = true;
}

/* An axis of the last term. */
static void add_factor(counting *c, const mq_value *v, int axis)
{
    const size_t *list = shares_of(c, v, axis);
    mq_structure_factor f;

    if (!list || !*list || c->failed)
        return;
    f = (mq_structure_factor){ .size = size_of(v, axis), .shares = *list };
    if (mq_vec_push(&c->s->factors, f))
        c->s->terms.items[c->s->terms.n - 1].n++;
    else
        c->failed = true;
}

static void add_axes(counting *c, const mq_value *v, int from)
{
    for (int i = from; i < rank_of(v); i++)
        add_factor(c, v, i);
}

/* As many as the weight has elements, for each place of the output (of the input, when transposed). */
static void count_conv(counting *c, const mq_node *n, bool transposed)
{
    const mq_value *at = transposed ? n->inputs[0] : n->outputs[0], *w = n->inputs[1];

    add_term(c, MQ_STRUCTURE_MACS, product(w, 0, 64) * product(at, 0, 1) * product(at, 2, 64));
    add_axes(c, w, 0);
}

static void count_matmul(counting *c, const mq_node *n)
{
    const mq_value *a = n->inputs[0], *y = n->outputs[0];
    const int k = rank_of(a) - 1;

    add_term(c, MQ_STRUCTURE_MACS, product(y, 0, 64) * product(a, k, k + 1));
    add_axes(c, y, 0);
    add_factor(c, a, k);
}

static void count_gemm(counting *c, const mq_node *n)
{
    const mq_value *a = n->inputs[0], *y = n->outputs[0];
    const int k = mq_node_attr_int(n, "transA", 0) ? 0 : 1;

    add_term(c, MQ_STRUCTURE_MACS, product(y, 0, 64) * product(a, k, k + 1));
    add_axes(c, y, 0);
    add_factor(c, a, k);
}

/* Steps and samples times both weights. */
static void count_recurrent(counting *c, const mq_node *n)
{
    for (size_t i = 1; i < 3 && i < n->n_inputs && n->inputs[i]; i++) {
        add_term(c, MQ_STRUCTURE_MACS, product(n->inputs[0], 0, 2) * product(n->inputs[i], 0, 64));
        add_axes(c, n->inputs[i], 1);
    }
}

static void count_node(counting *c, const mq_node *n)
{
    static const char *const recurrent[] = { "LSTM", "GRU", "RNN" };
    const mq_op_rule *rule = mq_rule_find(mq_domain_norm(n->domain), n->op_type);
    int64_t macs;

    if (!rule || !rule->macs || n->n_inputs < 2 || !n->n_outputs || !n->inputs[0] || !n->inputs[1])
        return;
    if (mq_node_is(n, "", "Conv") && n->outputs[0])
        count_conv(c, n, false);
    else if (mq_node_is(n, "", "ConvTranspose"))
        count_conv(c, n, true);
    else if (mq_node_is(n, "", "MatMul") && n->outputs[0])
        count_matmul(c, n);
    else if (mq_node_is(n, "", "Gemm") && n->outputs[0])
        count_gemm(c, n);
    else if (mq_node_is_any(n, "", recurrent, 3))
        count_recurrent(c, n);
    else if ((macs = rule->macs(n)) > 0)
        add_term(c, MQ_STRUCTURE_MACS, (double)macs);
}

static void count_constant(counting *c, const mq_value *v)
{
    const mq_tensor *t = mq_value_constant(v, true);

    if (!t || mq_tensor_size(t) <= 0)
        return;
    add_term(c, MQ_STRUCTURE_BYTES, (double)mq_tensor_size(t));
    add_axes(c, v, 0);
}

/* ---- which terms a group changes ------------------------------------------------------------------------------------ */

/* Moves place[group] on for each group that the term depends on, once, and writes the term there. last: per group the number
 * of the last term that did, plus 1. list NULL: it only counts. */
static void note_term(const mq_structure *s, size_t term, size_t *last, size_t *place, size_t *list)
{
    const mq_structure_term *t = &s->terms.items[term];

    for (size_t i = t->first; i < t->first + t->n; i++)
        for (size_t k = s->factors.items[i].shares; k; k = s->shares.items[k - 1].next) {
            const size_t group = s->shares.items[k - 1].group;

            if (last[group] == term + 1)
                continue;
            last[group] = term + 1;
            if (list)
                list[place[group]] = term;
            place[group]++;
        }
}

/* By counting: first how many, then where. */
static mq_status list_terms(mq_structure *s, mq_error *err)
{
    size_t *place = calloc(s->n_groups + 1, sizeof *place), *last = calloc(s->n_groups + 1, sizeof *last);
    mq_status rc = MQ_OK;

    s->first_term = mq_arena_calloc(s->arena, s->n_groups + 1, sizeof *s->first_term);
    if (!place || !last || !s->first_term)
        MQ_TRY(mq_oom(err));
    for (size_t k = 0; k < s->terms.n; k++)
        note_term(s, k, last, place, NULL);
    for (size_t i = 0; i < s->n_groups; i++) {
        s->first_term[i + 1] = s->first_term[i] + place[i];
        place[i] = s->first_term[i];
        last[i] = 0;
    }
    if (!(s->terms_of = mq_arena_calloc(s->arena, s->first_term[s->n_groups] + 1, sizeof *s->terms_of)))
        MQ_TRY(mq_oom(err));
    for (size_t k = 0; k < s->terms.n; k++)
        note_term(s, k, last, place, s->terms_of);
done:
    free(place);
    free(last);
    return rc;
}

mq_status mq_structure_count(mq_structure *s, mq_error *err)
{
    counting c = { .s = s, .g = s->narrow.model->graph };
    mq_status rc = number_axes(&c, err);

    if (rc == MQ_OK) {
        add_shares(&c);
        for (const mq_node *n = c.g->first; n; n = n->next)
            count_node(&c, n);
        for (size_t i = 0; i < c.g->values.n; i++)
            count_constant(&c, c.g->values.items[i]);
        rc = c.failed ? mq_oom(err) : list_terms(s, err);
    }
    free(c.axis_shares);
    free(c.first_axis);
    return rc;
}

/* ---- looking it up -------------------------------------------------------------------------------------------------- */

static double term_left(const mq_structure *s, const mq_structure_term *t)
{
    double left = t->whole;

    for (size_t i = t->first; i < t->first + t->n; i++) {
        const mq_structure_factor *f = &s->factors.items[i];
        double size = f->size;

        for (size_t k = f->shares; k; k = s->shares.items[k - 1].next) {
            const mq_structure_share *share = &s->shares.items[k - 1];
            const mq_structure_group *g = &s->groups[share->group];

            size -= (double)((g->n - g->left) * share->per_channel);
        }
        left *= size / f->size;
    }
    return left;
}

double mq_structure_cost(const mq_structure *s, mq_structure_unit unit)
{
    double sum = 0;

    if (unit == MQ_STRUCTURE_COUNT)
        for (size_t i = 0; i < s->n_groups; i++)
            sum += s->groups[i].chosen ? (double)s->groups[i].left : 0;
    else
        for (size_t i = 0; i < s->terms.n; i++)
            sum += s->terms.items[i].unit == unit ? term_left(s, &s->terms.items[i]) : 0;
    return sum;
}

/* ---- budgets -------------------------------------------------------------------------------------------------------- */

/* What a group's next step is: how many would stay, what that saves and loses. */
typedef struct next_step {
    size_t left;
    double price; /* importance lost per unit saved; < 0: there is no step */
} next_step;

static double cost_of_group(const mq_structure *s, size_t group, mq_structure_unit unit)
{
    double sum = 0;

    if (unit == MQ_STRUCTURE_COUNT)
        return (double)s->groups[group].left;
    for (size_t i = s->first_term[group]; i < s->first_term[group + 1]; i++) {
        const mq_structure_term *t = &s->terms.items[s->terms_of[i]];

        sum += t->unit == unit ? term_left(s, t) : 0;
    }
    return sum;
}

/* Weights that lose slices with a channel: a channel that many make and read is missed by each of them. */
static double count_weights(const mq_structure_group *g)
{
    size_t n = 0;

    for (size_t i = 0; i < g->channels->n_axes; i++) {
        const mq_tensor *t = mq_value_constant(g->channels->axes[i].value, true);

        n += t && t->n_dims >= 2;
    }
    return n ? (double)n : 1;
}

/* sums: of the group's scores, squared unless raw, the least i of them. */
static next_step look_ahead(mq_structure *s, size_t group, mq_structure_unit unit, const double *sums, bool raw)
{
    mq_structure_group *g = &s->groups[group];
    const size_t now = g->left, to = (now - 1) / g->step * g->step;
    double lost, had, saved;

    if (!g->chosen || to == 0)
        return (next_step){ .price = -1 };
    saved = cost_of_group(s, group, unit);
    g->left = to;
    saved -= cost_of_group(s, group, unit);
    g->left = now;
    lost = sums[g->n - to] - sums[g->n - now];
    had = sums[g->n] - sums[g->n - now];
    if (!raw)
        lost = had > 0 ? count_weights(g) * lost / had : 0;
    return (next_step){ .left = to, .price = saved > 0 ? lost / saved : -1 };
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* n + 1 numbers. */
static void sum_scores(const mq_structure_group *g, bool raw, double *sums)
{
    double sum = 0, most = 0; /* what is no number goes last */

    for (size_t k = 0; k < g->n; k++)
        most = g->scores[k] > most ? g->scores[k] : most;
    for (size_t k = 0; k < g->n; k++) {
        const double x = isnan(g->scores[k]) ? most : g->scores[k] >= 0 ? g->scores[k] : 0;

        sums[k + 1] = raw ? x : x * x;
    }
    qsort(sums + 1, g->n, sizeof *sums, by_size);
    sums[0] = 0;
    for (size_t k = 1; k <= g->n; k++)
        sums[k] = sum += sums[k];
}

/* The last step may have saved more than was needed: what fits is given back, the most important first, of what was there
 * before the steps. */
static void give_back(mq_structure *s, mq_structure_unit unit, double most, bool raw, const double *sums, const size_t *was)
{
    for (;;) {
        mq_structure_group *best = NULL;
        const double *at = sums;
        double most_gained = -1;
        size_t best_left = 0;

        for (size_t i = 0; i < s->n_groups; at += s->groups[i++].n + 1) {
            mq_structure_group *g = &s->groups[i];
            const size_t now = g->left, more = now / g->step * g->step + g->step;
            double gained;

            if (!g->chosen || now == was[i])
                continue;
            g->left = more < was[i] ? more : was[i];
            gained = at[g->n - now] - at[g->n - g->left];
            if (!raw)
                gained = at[g->n] > 0 ? count_weights(g) * gained / at[g->n] : 0;
            if (gained > most_gained && mq_structure_cost(s, unit) <= most) {
                best = g;
                best_left = g->left;
                most_gained = gained;
            }
            g->left = now;
        }
        if (!best)
            return;
        best->left = best_left;
    }
}

mq_status mq_structure_budget(mq_structure *s, mq_structure_unit unit, double most, bool raw, bool *met, mq_error *err)
{
    size_t n = 1, best, *was = calloc(s->n_groups + 1, sizeof *was);
    double *sums, *at;

    for (size_t i = 0; i < s->n_groups; i++)
        n += s->groups[i].n + 1;
    if (!(sums = malloc(n * sizeof *sums)) || !was) {
        free(sums);
        free(was);
        return mq_oom(err);
    }
    for (size_t i = 0; i < s->n_groups; i++)
        was[i] = s->groups[i].left;
    at = sums;
    for (size_t i = 0; i < s->n_groups; at += s->groups[i++].n + 1)
        sum_scores(&s->groups[i], raw, at);
    *met = true;
    while (*met && mq_structure_cost(s, unit) > most) {
        next_step least = { .price = -1 };

        at = sums;
        for (size_t i = best = 0; i < s->n_groups; at += s->groups[i++].n + 1) {
            const next_step step = look_ahead(s, i, unit, at, raw);

            if (step.price >= 0 && (least.price < 0 || step.price < least.price)) {
                least = step;
                best = i;
            }
        }
        if (least.price >= 0)
            s->groups[best].left = least.left;
        *met = least.price >= 0;
    }
    if (*met)
        give_back(s, unit, most, raw, sums, was);
    free(sums);
    free(was);
    return MQ_OK;
}
