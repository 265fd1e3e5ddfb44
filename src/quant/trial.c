/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A trial is one set of scales with integers for it. Where each row has scales of its own, rows are chosen one by one; else
 * the whole weight is. */
#include "quant/trial.h"

#include <stdlib.h>
#include <string.h>

enum { REFITS = 2 }; /* times that scales follow their integers */

#define DAMPING 0.01 /* of the mean diagonal, as in the papers */

typedef struct trial {
    float *scales;
    int32_t *zero_points;
    int16_t *levels; /* [groups][rows][cols] */
    double *errors;  /* [groups][rows] */
} trial;

typedef struct job {
    const mq_trial_base *base;
    const mq_weight *w;
    const mq_reduction *r;
    size_t n, n_rows; /* elements; rows of all groups */
    float *values;    /* [groups][rows][cols], as levels */
    uint32_t *which;
    bool rows_apart;  /* no two rows have a scale in common */
    bool may_refit;   /* scales are not given */
    trial best, now;
} job;

/* ---- what weights share -------------------------------------------------------------------------------------------- */

/* Whether anything was seen. */
static bool take_diagonal(mq_trial_base *b, const mq_gram *g, int64_t group)
{
    double *to = b->diagonal + group * b->cols, mean = 0;

    for (int64_t i = 0; i < b->cols; i++)
        mean += mq_gram_at(g, group, i, i) / (double)b->cols;
    for (int64_t i = 0; i < b->cols; i++)
        to[i] = mean > 0 ? mq_gram_at(g, group, i, i) / mean + DAMPING : 1;
    return mean > 0;
}

mq_status mq_trial_base_make(mq_trial_base *b, const mq_gram *g, mq_round_kind kind, mq_error *err)
{
    bool seen = false;
    mq_status rc = MQ_OK;

    *b = (mq_trial_base){ .kind = kind, .n_groups = g->groups, .cols = g->n };
    b->groups = calloc((size_t)g->groups, sizeof *b->groups);
    b->diagonal = malloc((size_t)(g->groups * g->n) * sizeof *b->diagonal);
    if (!b->groups || !b->diagonal)
        return mq_oom(err);
    for (int64_t i = 0; i < g->groups; i++) {
        seen |= take_diagonal(b, g, i);
        MQ_TRY(mq_round_base_make(&b->groups[i], g, i, DAMPING, kind != MQ_ROUND_RTN, err));
    }
    if (!seen)
        rc = mq_fail(err, MQ_ERR_INPUT, "nothing that is not zero was seen of its inputs");
done:
    return rc;
}

void mq_trial_base_release(mq_trial_base *b)
{
    for (int64_t i = 0; b->groups && i < b->n_groups; i++)
        mq_round_base_free(b->groups[i]);
    free(b->groups);
    free(b->diagonal);
    *b = (mq_trial_base){ 0 };
}

/* ---- a weight ------------------------------------------------------------------------------------------------------ */

static void trial_release(trial *t)
{
    free(t->scales);
    free(t->zero_points);
    free(t->levels);
    free(t->errors);
}

static mq_status trial_init(trial *t, const job *j, mq_error *err)
{
    const size_t n = j->w->grid.n_scales;

    t->scales = malloc((n + 1) * sizeof *t->scales);
    t->zero_points = malloc((n + 1) * sizeof *t->zero_points);
    t->levels = calloc(j->n + 1, sizeof *t->levels);
    t->errors = calloc(j->n_rows + 1, sizeof *t->errors);
    if (!t->scales || !t->zero_points || !t->levels || !t->errors)
        return mq_oom(err);
    memcpy(t->scales, j->w->scales, n * sizeof *t->scales);
    memcpy(t->zero_points, j->w->zero_points, n * sizeof *t->zero_points);
    return MQ_OK;
}

static void job_release(job *j)
{
    free(j->values);
    free(j->which);
    trial_release(&j->best);
    trial_release(&j->now);
}

static void read_row(job *j, const mq_unaligned_f32 *view, int64_t group, int64_t row)
{
    const mq_reduction *r = j->r;
    const size_t from = (size_t)((group * r->rows + row) * r->cols);

    for (int64_t c = 0; c < r->cols; c++) {
        const size_t at = (size_t)mq_reduction_at(r, group, row, c);
        j->values[from + (size_t)c] = view[at];
        j->which[from + (size_t)c] = (uint32_t)mq_grid_scale_at(&j->w->grid, at);
    }
}

/* Has any scale elements in two rows? */
static mq_status look_for_shared(job *j, mq_error *err)
{
    size_t *owner = calloc(j->w->grid.n_scales + 1, sizeof *owner); /* 1 + the row */

    if (!owner)
        return mq_oom(err);
    j->rows_apart = true;
    for (size_t i = 0; i < j->n && j->rows_apart; i++) {
        const size_t row = i / (size_t)j->r->cols + 1;
        j->rows_apart = !owner[j->which[i]] || owner[j->which[i]] == row;
        owner[j->which[i]] = row;
    }
    free(owner);
    return MQ_OK;
}

static mq_status job_init(job *j, mq_error *err)
{
    const mq_reduction *r = j->r;
    const mq_unaligned_f32 *view;
    const void *bytes;
    float *room;
    mq_status rc;

    j->n = (size_t)j->w->source.n;
    j->n_rows = (size_t)(r->groups * r->rows);
    j->may_refit = !j->w->given && j->w->fit.kind != MQ_FIT_FIXED && j->w->fit.kind != MQ_FIT_STDDEV;
    j->values = malloc((j->n + 1) * sizeof *j->values);
    j->which = malloc((j->n + 1) * sizeof *j->which);
    room = malloc((j->n + 1) * sizeof *room);
    if (!j->values || !j->which || !room) {
        rc = mq_oom(err);
        goto done;
    }
    MQ_TRY(trial_init(&j->best, j, err));
    MQ_TRY(trial_init(&j->now, j, err));
    MQ_TRY(mq_tensor_bytes(j->w->source.tensor, &bytes, err));
    view = mq_source_read(&j->w->source, bytes, 0, j->n, room);
    for (int64_t g = 0; g < r->groups; g++)
        for (int64_t row = 0; row < r->rows; row++)
            read_row(j, view, g, row);
    rc = look_for_shared(j, err);
done:
    free(room);
    return rc;
}

/* ---- trials -------------------------------------------------------------------------------------------------------- */

static mq_round_matrix matrix_of(const job *j, trial *t, int64_t group)
{
    const mq_reduction *r = j->r;
    const size_t from = (size_t)(group * r->rows * r->cols);

    return (mq_round_matrix){ .rows = r->rows, .cols = r->cols, .w = j->values + from, .which = j->which + from,
                              .scheme = &j->w->scheme, .scales = t->scales, .zero_points = t->zero_points,
                              .levels = t->levels + from, .errors = t->errors + group * r->rows };
}

static mq_status round_all(job *j, trial *t, mq_round_kind kind, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (int64_t g = 0; g < j->r->groups; g++) {
        mq_round_matrix m = matrix_of(j, t, g);
        MQ_TRY(mq_round(j->base->groups[g], &m, kind, err));
    }
done:
    return rc;
}

static mq_status rescale_all(job *j, trial *t, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (int64_t g = 0; g < j->r->groups; g++) {
        mq_round_matrix m = matrix_of(j, t, g);
        MQ_TRY(mq_round_rescale(j->base->groups[g], &m, err));
    }
done:
    return rc;
}

static double total(const job *j, const trial *t)
{
    double sum = 0;

    for (size_t i = 0; i < j->n_rows; i++)
        sum += t->errors[i];
    return sum;
}

/* Takes over rows [row, row + n) of what is tried now, with their scales. */
static void take_rows(job *j, size_t row, size_t n)
{
    const size_t cols = (size_t)j->r->cols, from = row * cols;

    memcpy(j->best.levels + from, j->now.levels + from, n * cols * sizeof *j->best.levels);
    memcpy(j->best.errors + row, j->now.errors + row, n * sizeof *j->best.errors);
    for (size_t i = from; i < from + n * cols; i++) {
        j->best.scales[j->which[i]] = j->now.scales[j->which[i]];
        j->best.zero_points[j->which[i]] = j->now.zero_points[j->which[i]];
    }
}

static void keep_better(job *j)
{
    if (!j->rows_apart && total(j, &j->now) < total(j, &j->best))
        take_rows(j, 0, j->n_rows);
    for (size_t row = 0; j->rows_apart && row < j->n_rows; row++)
        if (j->now.errors[row] < j->best.errors[row])
            take_rows(j, row, 1);
}

/* With the scales as they are now. */
static mq_status try_kinds(job *j, mq_error *err)
{
    mq_status rc;

    MQ_TRY(round_all(j, &j->now, j->base->kind == MQ_ROUND_RTN ? MQ_ROUND_RTN : MQ_ROUND_GPTQ, err));
    keep_better(j);
    if (j->base->kind != MQ_ROUND_DESCENT)
        return MQ_OK;
    MQ_TRY(round_all(j, &j->now, MQ_ROUND_DESCENT, err));
    keep_better(j);
    for (int i = 0; i < REFITS && j->may_refit && j->rows_apart; i++) {
        MQ_TRY(rescale_all(j, &j->now, err));
        MQ_TRY(round_all(j, &j->now, MQ_ROUND_DESCENT, err));
        keep_better(j);
    }
done:
    return rc;
}

/* ---- scales -------------------------------------------------------------------------------------------------------- */

static void gather(const mq_group *g, const float *from, float *out)
{
    for (size_t k = 0; k < g->n_pieces; k++)
        memcpy(out + k * g->piece, from + g->from + k * g->stride, g->piece * sizeof *out);
}

/* Scales by importance: values and the diagonal, put into the order of the view. */
static void fit_scales(job *j, const float *view, const float *importance, float *room)
{
    const mq_grid *grid = &j->w->grid;

    for (size_t s = 0; s < grid->n_scales; s++) {
        const mq_group g = mq_grid_group(grid, s);
        const size_t n = g.piece * g.n_pieces;
        gather(&g, view, room);
        gather(&g, importance, room + n);
        mq_fit_weighted(&j->w->scheme, room, room + n, n, &j->now.scales[s], &j->now.zero_points[s]);
    }
}

static mq_status find_scales(job *j, mq_error *err)
{
    float *room = malloc((4 * j->n + 1) * sizeof *room), *view = room + 2 * j->n, *importance = room + 3 * j->n;
    const mq_reduction *r = j->r;

    if (!room)
        return mq_oom(err);
    for (int64_t g = 0, i = 0; g < r->groups; g++)
        for (int64_t row = 0; row < r->rows; row++)
            for (int64_t c = 0; c < r->cols; c++, i++) {
                const int64_t at = mq_reduction_at(r, g, row, c);
                view[at] = j->values[i];
                importance[at] = (float)j->base->diagonal[g * r->cols + c];
            }
    fit_scales(j, view, importance, room);
    free(room);
    return MQ_OK;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

static void write_result(const job *j, mq_rounded *e)
{
    const mq_reduction *r = j->r;
    size_t i = 0;

    memcpy(e->scales, j->best.scales, e->grid.n_scales * sizeof *e->scales);
    memcpy(e->zero_points, j->best.zero_points, e->grid.n_scales * sizeof *e->zero_points);
    for (int64_t g = 0; g < r->groups; g++)
        for (int64_t row = 0; row < r->rows; row++)
            for (int64_t c = 0; c < r->cols; c++, i++)
                e->integers[mq_reduction_at(r, g, row, c)] =
                    (uint8_t)(j->best.levels[i] + j->best.zero_points[j->which[i]]);
    e->error = total(j, &j->best);
}

static mq_status sum_signals(job *j, mq_rounded *e, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (int64_t g = 0; g < j->r->groups; g++) {
        mq_round_matrix m = matrix_of(j, &j->now, g);
        MQ_TRY(mq_round_signals(j->base->groups[g], &m, m.errors, err));
    }
    e->signal = total(j, &j->now);
done:
    return rc;
}

mq_status mq_trial_round(const mq_trial_base *b, const mq_weight *w, const mq_reduction *r, mq_rounded *e, mq_error *err)
{
    job j = { .base = b, .w = w, .r = r };
    mq_status rc;

    MQ_TRY(job_init(&j, err));
    MQ_TRY(sum_signals(&j, e, err));
    MQ_TRY(round_all(&j, &j.best, MQ_ROUND_RTN, err));
    e->nearest = total(&j, &j.best);
    MQ_TRY(try_kinds(&j, err));
    if (j.may_refit) {
        MQ_TRY(find_scales(&j, err));
        MQ_TRY(try_kinds(&j, err));
    }
    write_result(&j, e);
done:
    job_release(&j);
    return rc;
}
