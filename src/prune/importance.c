/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which tensors and weights speak for which channels, and sums over them. */
#include "prune/importance.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "passes/weight_inputs.h"
#include "prune/structure_parts.h"

/* One axis of a group: of an activation that counts, or of a weight. */
typedef struct part {
    size_t group;
    const mq_channel_axis *axis;
    bool reads;      /* a weight that reads the channels; false: one that makes them */
    bool seen;
    uint64_t odd;    /* numbers that were left out: they are not finite */
    double *sum;     /* per channel: of magnitudes so far, of gradient times weight in this step */
    uint64_t *count; /* per channel: of magnitudes */
} part;

struct mq_importance {
    mq_structure *s;
    MQ_VEC(part) activations;
    MQ_VEC(part) weights;       /* group after group */
    size_t *first_weight;       /* per group and one behind: where they begin */
    MQ_VEC(const char *) names; /* of activations */
    double **squares;           /* per group and channel: of the steps' sums; NULL: not chosen */
    bool *seen;                 /* per group */
};

/* ---- parts ---------------------------------------------------------------------------------------------------------- */

/* Does a product by a weight read v? */
static bool is_read_by_weight(const mq_value *v)
{
    for (size_t i = 0; i < v->uses.n; i++)
        if (mq_weight_traits(v->uses.items[i].node) && !mq_weight_is_input(v->uses.items[i].node, v->uses.items[i].index))
            return true;
    return false;
}

static bool is_activation(const mq_channel_axis *a)
{
    return !mq_value_constant(a->value, true) && a->value->type && a->value->type->kind == MQ_TYPE_TENSOR &&
           mq_dtype_is_float(a->value->type->dtype);
}

static bool fill_part(mq_importance *p, size_t group, const mq_channel_axis *a, part *out)
{
    const size_t n = p->s->groups[group].n;

    *out = (part){ .group = group, .axis = a, .reads = !a->born };
    out->sum = mq_arena_calloc(p->s->arena, n + 1, sizeof *out->sum);
    out->count = mq_arena_calloc(p->s->arena, n + 1, sizeof *out->count);
    return out->sum && out->count;
}

static mq_status add_name(mq_importance *p, const char *name, mq_error *err)
{
    for (size_t i = 0; i < p->names.n; i++)
        if (strcmp(p->names.items[i], name) == 0)
            return MQ_OK;
    return mq_vec_push(&p->names, name) ? MQ_OK : mq_oom(err);
}

/* Activations that weights read; of a group that has none, all. */
static mq_status add_activations(mq_importance *p, size_t group, mq_error *err)
{
    const mq_channel_group *g = p->s->groups[group].channels;
    bool any = false;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->n_axes; i++)
        any |= is_activation(&g->axes[i]) && is_read_by_weight(g->axes[i].value);
    for (size_t i = 0; i < g->n_axes; i++) {
        part one;

        if (!is_activation(&g->axes[i]) || (any && !is_read_by_weight(g->axes[i].value)))
            continue;
        if (!fill_part(p, group, &g->axes[i], &one) || !mq_vec_push(&p->activations, one))
            return mq_oom(err);
        MQ_TRY(add_name(p, g->axes[i].value->name, err));
    }
done:
    return rc;
}

static mq_status add_weights(mq_importance *p, size_t group, mq_error *err)
{
    const mq_channel_group *g = p->s->groups[group].channels;

    for (size_t i = 0; i < g->n_axes; i++) {
        const mq_tensor *t = mq_value_constant(g->axes[i].value, true);
        part one;

        if (!t || t->n_dims < 2 || !mq_dtype_is_float(t->dtype))
            continue;
        if (!fill_part(p, group, &g->axes[i], &one) || !mq_vec_push(&p->weights, one))
            return mq_oom(err);
    }
    return MQ_OK;
}

mq_status mq_importance_create(mq_importance **out, mq_structure *s, mq_error *err)
{
    mq_importance *p = calloc(1, sizeof *p);
    mq_status rc = MQ_OK;

    if (!p)
        return mq_oom(err);
    p->s = s;
    p->squares = mq_arena_calloc(s->arena, s->n_groups + 1, sizeof *p->squares);
    p->seen = mq_arena_calloc(s->arena, s->n_groups + 1, sizeof *p->seen);
    p->first_weight = mq_arena_calloc(s->arena, s->n_groups + 1, sizeof *p->first_weight);
    if (!p->squares || !p->seen || !p->first_weight)
        MQ_TRY(mq_oom(err));
    for (size_t i = 0; i < s->n_groups; i++) {
        p->first_weight[i] = p->first_weight[i + 1] = p->weights.n;
        if (!s->groups[i].chosen)
            continue;
        if (!(p->squares[i] = mq_arena_calloc(s->arena, s->groups[i].n + 1, sizeof **p->squares)))
            MQ_TRY(mq_oom(err));
        MQ_TRY(add_activations(p, i, err));
        MQ_TRY(add_weights(p, i, err));
        p->first_weight[i + 1] = p->weights.n;
    }
    *out = p;
    p = NULL;
done:
    mq_importance_free(p);
    return rc;
}

void mq_importance_free(mq_importance *p)
{
    if (!p)
        return;
    mq_vec_release(&p->activations);
    mq_vec_release(&p->weights);
    mq_vec_release(&p->names);
    free(p);
}

/* ---- activations ---------------------------------------------------------------------------------------------------- */

const char *const *mq_importance_tensors(const mq_importance *p, size_t *n)
{
    *n = p->names.n;
    return p->names.items;
}

/* Does a number count? One that is not finite would outweigh all others. */
static bool take(part *p, double x)
{
    if (!isfinite(x)) {
        p->odd++;
        return false;
    }
    p->seen = true;
    return true;
}

static void add_magnitudes(part *p, const mq_array *a)
{
    size_t inner = 1;

    for (int i = p->axis->axis + 1; i < a->rank; i++)
        inner *= (size_t)a->dims[i];
    for (size_t i = 0; inner && i < a->count / inner; i++) {
        const int32_t channel = p->axis->channel[i % p->axis->n];

        for (size_t k = i * inner; channel >= 0 && k < (i + 1) * inner; k++) {
            const double x = a->dtype == MQ_FLOAT ? (double)((const float *)a->data)[k] : mq_array_f64(a, k);

            if (take(p, x)) {
                p->sum[channel] += fabs(x);
                p->count[channel]++;
            }
        }
    }
}

void mq_importance_add_activation(mq_importance *p, const char *tensor, const mq_array *a)
{
    for (size_t i = 0; i < p->activations.n; i++) {
        part *one = &p->activations.items[i];

        if (strcmp(one->axis->value->name, tensor) == 0 && a->kind == MQ_TYPE_TENSOR && mq_dtype_is_float(a->dtype) &&
            one->axis->axis < a->rank && a->dims[one->axis->axis] == (int64_t)one->axis->n)
            add_magnitudes(one, a);
    }
}

static double mean_of(const part *p, size_t channel)
{
    return p->count[channel] ? p->sum[channel] / (double)p->count[channel] : 0;
}

/* Means relative to their own mean: tensors of any scale count the same. */
static void add_means(mq_importance *p, const part *one)
{
    mq_structure_group *g = &p->s->groups[one->group];
    double all = 0;

    for (size_t c = 0; c < g->n; c++)
        all += mean_of(one, c) / (double)g->n;
    if (!isfinite(all))
        return;
    for (size_t c = 0; c < g->n; c++)
        p->squares[one->group][c] += all > 0 ? mean_of(one, c) / all : 0;
    p->seen[one->group] = true;
}

/* ---- gradients ------------------------------------------------------------------------------------------------------ */

static void add_products(part *p, const mq_tensor *t, const float *w, const float *gradient, size_t n)
{
    size_t inner = 1;

    for (int i = p->axis->axis + 1; i < t->n_dims; i++)
        inner *= (size_t)t->dims[i];
    for (size_t i = 0; inner && i < n / inner; i++) {
        const int32_t channel = p->axis->channel[i % p->axis->n];

        for (size_t k = i * inner; channel >= 0 && k < (i + 1) * inner; k++) {
            const double change = (double)w[k] * (double)gradient[k];

            p->sum[channel] += take(p, change) ? change : 0;
        }
    }
}

void mq_importance_add_gradient(mq_importance *p, const char *weight, const float *w, const float *gradient, size_t n)
{
    for (size_t i = 0; i < p->weights.n; i++) {
        part *one = &p->weights.items[i];
        const mq_tensor *t = mq_value_constant(one->axis->value, true);

        if (strcmp(one->axis->value->name, weight) == 0 && mq_tensor_count(t) == (int64_t)n)
            add_products(one, t, w, gradient, n);
    }
}

static bool has_readers(const mq_importance *p, size_t group)
{
    for (size_t i = p->first_weight[group]; i < p->first_weight[group + 1]; i++)
        if (p->weights.items[i].reads && p->weights.items[i].seen)
            return true;
    return false;
}

/* A channel's sums over all its weights are one change of the loss: they are added before they are squared. */
static void end_group(mq_importance *p, size_t group)
{
    const bool readers = has_readers(p, group);

    for (size_t c = 0; c < p->s->groups[group].n; c++) {
        double change = 0;

        for (size_t i = p->first_weight[group]; i < p->first_weight[group + 1]; i++) {
            part *one = &p->weights.items[i];

            if (!one->seen)
                continue;
            change += one->reads == readers ? one->sum[c] : 0;
            one->sum[c] = 0;
            p->seen[group] = true;
        }
        p->squares[group][c] += change * change;
    }
}

void mq_importance_end_step(mq_importance *p)
{
    for (size_t i = 0; i < p->s->n_groups; i++)
        if (p->squares[i])
            end_group(p, i);
}

/* ---- scores --------------------------------------------------------------------------------------------------------- */

static void warn_odd(const mq_hooks *hooks, const part *list, size_t n, const char *what)
{
    for (size_t i = 0; i < n; i++)
        if (list[i].odd)
            mq_warn(hooks, "prune-nonfinite", list[i].axis->value->name, "'%s': %llu %s are not finite and were left out",
                    list[i].axis->value->name, (unsigned long long)list[i].odd, what);
}

mq_status mq_importance_finish(mq_importance *p, const mq_hooks *hooks, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < p->activations.n; i++)
        if (p->activations.items[i].seen)
            add_means(p, &p->activations.items[i]);
    warn_odd(hooks, p->activations.items, p->activations.n, "numbers");
    warn_odd(hooks, p->weights.items, p->weights.n, "gradients");
    for (size_t i = 0; i < p->s->n_groups && rc == MQ_OK; i++) {
        mq_structure_group *g = &p->s->groups[i];

        if (!p->squares[i])
            continue;
        if (p->seen[i]) {
            memcpy(g->scores, p->squares[i], g->n * sizeof *g->scores);
            continue;
        }
        mq_warn(hooks, "prune-unseen", g->channels->name,
                "the channels of '%s' go by the norms of their weights: data say nothing of them", g->channels->name);
        rc = mq_channels_norms(p->s->narrow.channels, i, 2, g->scores, err);
    }
    return rc;
}
