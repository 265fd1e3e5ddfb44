/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Optimizers, block by block: blocks are a fixed part of a parameter tensor, so that threads change nothing. Sums of squares
 * are taken in double, lane by lane in a block, block after block. */
#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/error.h"
#include "base/threads.h"

enum { BLOCK = 8192, LANES = 16, MAX_SLOTS = 2 };

/* Elements [from, from + n) of a parameter. */
typedef struct piece {
    size_t param, from, n;
} piece;

struct mq_optimizer {
    mq_optimizer_opts opts;
    size_t n_params, n_slots;
    int n_threads;
    uint64_t steps;
    float *state;   /* slot after slot, parameter after parameter */
    size_t total;   /* elements of all parameters */
    size_t *starts; /* of each parameter in a slot */
    piece *pieces;
    size_t n_pieces;
    double *sums; /* of squares, per piece */
};

static const struct {
    const char *name;
    size_t n_slots;
} kinds[MQ_N_OPTIMIZERS] = {
    [MQ_OPTIMIZER_SGD] = { "sgd", 0 },         [MQ_OPTIMIZER_MOMENTUM] = { "momentum", 1 },
    [MQ_OPTIMIZER_NESTEROV] = { "nesterov", 1 }, [MQ_OPTIMIZER_RMSPROP] = { "rmsprop", 1 },
    [MQ_OPTIMIZER_ADAM] = { "adam", 2 },       [MQ_OPTIMIZER_ADAMW] = { "adamw", 2 },
};

const char *mq_optimizer_name(mq_optimizer_kind kind)
{
    return kinds[kind].name;
}

bool mq_optimizer_find(const char *name, mq_optimizer_kind *out)
{
    for (int i = 0; i < MQ_N_OPTIMIZERS; i++) {
        if (strcmp(kinds[i].name, name) == 0) {
            *out = (mq_optimizer_kind)i;
            return true;
        }
    }
    return false;
}

mq_optimizer_opts mq_optimizer_opts_default(mq_optimizer_kind kind)
{
    return (mq_optimizer_opts){ .kind = kind, .momentum = 0.9, .beta1 = 0.9, .beta2 = 0.999, .alpha = 0.99,
                                .epsilon = 1e-8, .weight_decay = kind == MQ_OPTIMIZER_ADAMW ? 0.01 : 0 };
}

double mq_optimizer_default_lr(mq_optimizer_kind kind)
{
    return kind >= MQ_OPTIMIZER_RMSPROP ? 0.001 : 0.01;
}

/* ---- making -------------------------------------------------------------------------------------------------------- */

static mq_status check_share(const char *what, double v, mq_error *err)
{
    return v >= 0 && v < 1 ? MQ_OK : mq_fail(err, MQ_ERR_USAGE, "%s is %g, but has to be at least 0 and below 1", what, v);
}

static mq_status check_opts(const mq_optimizer_opts *o, mq_error *err)
{
    mq_status rc;

    MQ_TRY(check_share("the momentum", o->momentum, err));
    MQ_TRY(check_share("beta1", o->beta1, err));
    MQ_TRY(check_share("beta2", o->beta2, err));
    MQ_TRY(check_share("alpha", o->alpha, err));
    if (!(o->epsilon >= 0) || !isfinite(o->epsilon))
        rc = mq_fail(err, MQ_ERR_USAGE, "epsilon is %g, but has to be a number from 0 on", o->epsilon);
    else if (!(o->weight_decay >= 0) || !isfinite(o->weight_decay))
        rc = mq_fail(err, MQ_ERR_USAGE, "the weight decay is %g, but has to be a number from 0 on", o->weight_decay);
    else if (!(o->clip >= 0) || !isfinite(o->clip))
        rc = mq_fail(err, MQ_ERR_USAGE, "the largest norm of gradients is %g, but has to be a number from 0 on", o->clip);
done:
    return rc;
}

static void make_pieces(mq_optimizer *o, const size_t *counts)
{
    for (size_t i = 0; i < o->n_params; i++)
        for (size_t at = 0; at < counts[i]; at += BLOCK)
            o->pieces[o->n_pieces++] = (piece){ i, at, counts[i] - at < BLOCK ? counts[i] - at : BLOCK };
}

static mq_status make_arrays(mq_optimizer *o, const size_t *counts, mq_error *err)
{
    size_t n_pieces = 0, bytes;

    if (!(o->starts = malloc((o->n_params + 1) * sizeof *o->starts)))
        return mq_oom(err);
    for (size_t i = 0; i < o->n_params; i++) {
        o->starts[i] = o->total;
        n_pieces += counts[i] / BLOCK + 1;
        if (__builtin_add_overflow(o->total, counts[i], &o->total))
            return mq_oom(err);
    }
    if (__builtin_mul_overflow(o->total + 1, sizeof *o->state, &bytes))
        return mq_oom(err);
    o->state = o->n_slots ? calloc(o->n_slots, bytes) : NULL;
    o->pieces = malloc((n_pieces + 1) * sizeof *o->pieces);
    o->sums = malloc((n_pieces + 1) * sizeof *o->sums);
    if ((o->n_slots && !o->state) || !o->pieces || !o->sums)
        return mq_oom(err);
    make_pieces(o, counts);
    return MQ_OK;
}

mq_status mq_optimizer_create(mq_optimizer **out, const mq_optimizer_opts *opts, const size_t *counts, size_t n,
                              int n_threads, mq_error *err)
{
    mq_optimizer *o = NULL;
    mq_status rc;

    MQ_TRY(check_opts(opts, err));
    if (!(o = calloc(1, sizeof *o))) {
        rc = mq_oom(err);
        goto done;
    }
    o->opts = *opts;
    o->n_params = n;
    o->n_slots = kinds[opts->kind].n_slots;
    o->n_threads = mq_threads(n_threads);
    MQ_TRY(make_arrays(o, counts, err));
    *out = o;
    o = NULL;
done:
    mq_optimizer_free(o);
    return rc;
}

void mq_optimizer_free(mq_optimizer *o)
{
    if (!o)
        return;
    free(o->starts);
    free(o->state);
    free(o->pieces);
    free(o->sums);
    free(o);
}

/* ---- the norm ------------------------------------------------------------------------------------------------------ */

MQ_CLONES(double, sum_squares, (const float *x, size_t n), (x, n))
{
    double lanes[LANES] = { 0 }, sum = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++)
            lanes[k] += (double)x[i + k] * x[i + k];
    for (; i < n; i++)
        lanes[i % LANES] += (double)x[i] * x[i];
    for (int k = 0; k < LANES; k++)
        sum += lanes[k];
    return sum;
}

static double norm_of(mq_optimizer *o, const float *const *grads)
{
    double sum = 0;

#pragma omp parallel for num_threads(o->n_threads) schedule(static) if (o->n_threads > 1)
    for (size_t i = 0; i < o->n_pieces; i++) {
        const piece *p = &o->pieces[i];

        o->sums[i] = sum_squares(grads[p->param] + p->from, p->n);
    }
    for (size_t i = 0; i < o->n_pieces; i++)
        sum += o->sums[i];
    return sqrt(sum);
}

/* ---- steps --------------------------------------------------------------------------------------------------------- */

/* The numbers of one step, rounded to float once. */
typedef struct factors {
    float scale; /* of gradients, by clipping */
    float decay; /* added to the gradient */
    float keep;  /* of the parameter, for AdamW */
    float lr;
    float first, first_rest, second, second_rest; /* of the running means: what stays and what comes */
    float root; /* what the square root is divided by */
    float epsilon;
} factors;

MQ_CLONES(void, step_sgd, (float *p, const float *g, size_t n, const factors *f), (p, g, n, f))
{
    const factors k = *f;

    MQ_LANES
    for (size_t i = 0; i < n; i++)
        p[i] -= k.lr * (g[i] * k.scale + k.decay * p[i]);
}

MQ_CLONES(void, step_momentum, (float *p, const float *g, float *b, size_t n, const factors *f), (p, g, b, n, f))
{
    const factors k = *f;

    MQ_LANES
    for (size_t i = 0; i < n; i++) {
        b[i] = k.first * b[i] + (g[i] * k.scale + k.decay * p[i]);
        p[i] -= k.lr * b[i];
    }
}

MQ_CLONES(void, step_nesterov, (float *p, const float *g, float *b, size_t n, const factors *f), (p, g, b, n, f))
{
    const factors k = *f;

    MQ_LANES
    for (size_t i = 0; i < n; i++) {
        const float d = g[i] * k.scale + k.decay * p[i];

        b[i] = k.first * b[i] + d;
        p[i] -= k.lr * (d + k.first * b[i]);
    }
}

MQ_CLONES(void, step_rmsprop, (float *p, const float *g, float *v, size_t n, const factors *f), (p, g, v, n, f))
{
    const factors k = *f;

    MQ_LANES
    for (size_t i = 0; i < n; i++) {
        const float d = g[i] * k.scale + k.decay * p[i];

        v[i] = v[i] * k.second + k.second_rest * d * d;
        p[i] -= k.lr * (d / (sqrtf(v[i]) + k.epsilon));
    }
}

MQ_CLONES(void, step_adam, (float *p, const float *g, float *m, float *v, size_t n, const factors *f), (p, g, m, v, n, f))
{
    const factors k = *f;

    MQ_LANES
    for (size_t i = 0; i < n; i++) {
        const float old = p[i] * k.keep, d = g[i] * k.scale + k.decay * old;

        m[i] += (d - m[i]) * k.first_rest;
        v[i] = v[i] * k.second + k.second_rest * d * d;
        p[i] = old - k.lr * (m[i] / (sqrtf(v[i]) / k.root + k.epsilon));
    }
}

static factors factors_of(const mq_optimizer *o, double lr, double norm)
{
    const mq_optimizer_opts *s = &o->opts;
    const bool adam = s->kind == MQ_OPTIMIZER_ADAM || s->kind == MQ_OPTIMIZER_ADAMW;
    const double t = (double)o->steps, second = adam ? s->beta2 : s->alpha;
    const double clip = s->clip > 0 ? s->clip / (norm + 1e-6) : 1;
    factors f = { .scale = clip < 1 ? (float)clip : 1, .decay = (float)s->weight_decay, .keep = 1, .lr = (float)lr,
                  .first = (float)s->momentum, .first_rest = (float)(1 - s->beta1), .second = (float)second,
                  .second_rest = (float)(1 - second), .root = 1, .epsilon = (float)s->epsilon };

    if (adam) {
        f.lr = (float)(lr / (1 - pow(s->beta1, t)));
        f.root = (float)sqrt(1 - pow(s->beta2, t));
    }
    if (s->kind == MQ_OPTIMIZER_ADAMW) {
        f.decay = 0;
        f.keep = (float)(1 - lr * s->weight_decay);
    }
    return f;
}

static void step_piece(mq_optimizer *o, const piece *at, float *param, const float *grad, const factors *f)
{
    float *p = param + at->from, *a = NULL, *b = NULL;
    const float *g = grad + at->from;

    if (o->n_slots > 0)
        a = mq_optimizer_slot(o, 0, at->param) + at->from;
    if (o->n_slots > 1)
        b = mq_optimizer_slot(o, 1, at->param) + at->from;
    switch (o->opts.kind) {
    case MQ_OPTIMIZER_SGD:
        step_sgd(p, g, at->n, f);
        break;
    case MQ_OPTIMIZER_MOMENTUM:
        step_momentum(p, g, a, at->n, f);
        break;
    case MQ_OPTIMIZER_NESTEROV:
        step_nesterov(p, g, a, at->n, f);
        break;
    case MQ_OPTIMIZER_RMSPROP:
        step_rmsprop(p, g, a, at->n, f);
        break;
    default:
        step_adam(p, g, a, b, at->n, f);
    }
}

mq_status mq_optimizer_step(mq_optimizer *o, float *const *params, const float *const *grads, double lr, double *norm,
                            mq_error *err)
{
    const double found = norm_of(o, grads);
    factors f;

    if (norm)
        *norm = found;
    if (!isfinite(found))
        return mq_fail(err, MQ_ERR_INPUT, "the gradients are not finite");
    o->steps++;
    f = factors_of(o, lr, found);
#pragma omp parallel for num_threads(o->n_threads) schedule(static) if (o->n_threads > 1)
    for (size_t i = 0; i < o->n_pieces; i++)
        step_piece(o, &o->pieces[i], params[o->pieces[i].param], grads[o->pieces[i].param], &f);
    return MQ_OK;
}

/* ---- the state ----------------------------------------------------------------------------------------------------- */

size_t mq_optimizer_n_slots(const mq_optimizer *o)
{
    return o->n_slots;
}

float *mq_optimizer_slot(mq_optimizer *o, size_t slot, size_t param)
{
    return o->state + slot * o->total + o->starts[param];
}

uint64_t mq_optimizer_steps(const mq_optimizer *o)
{
    return o->steps;
}

void mq_optimizer_set_steps(mq_optimizer *o, uint64_t steps)
{
    o->steps = steps;
}
