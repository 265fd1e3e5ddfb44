/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A trial is one set of scales with integers for it. Where each row has scales of its own, rows are chosen one by one; else
 * the whole weight is. */
#include "quant/trial.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { REFITS = 2 }; /* times that scales follow their integers */


/* Elements that are worked on at a time, where rows are apart: 12 bytes of room each. */
#define PIECE ((int64_t)1 << 20)

typedef struct trial {
    float *scales; /* of the whole weight */
    int32_t *zero_points;
    int16_t *levels; /* of the piece: [groups][rows][cols] */
    double *errors;  /* [groups][rows] */
} trial;

/* Groups and rows of a weight. */
typedef struct piece {
    int64_t group, n_groups;
    int64_t row, n_rows; /* of each group */
} piece;

typedef struct job {
    const mq_trial_base *base;
    const mq_weight *w;
    const mq_reduction *r;
    const mq_unaligned_f32 *view; /* the weight's elements, in `copy` unless they lie so in the file */
    float *copy;
    bool rows_apart;  /* no two rows have a scale in common */
    bool may_refit;   /* scales are not given */
    piece at;
    size_t n, n_rows; /* of the piece: elements; rows of all groups */
    float *values;    /* [groups][rows][cols], as levels */
    uint32_t *which;
    trial best, now;
} job;

/* ---- what weights share -------------------------------------------------------------------------------------------- */

/* Whether anything was seen. */
static bool take_diagonal(mq_trial_base *b, const mq_gram *g, double damping, int64_t group)
{
    double *to = b->diagonal + group * b->cols, mean = 0;

    for (int64_t i = 0; i < b->cols; i++)
        mean += mq_gram_at(g, group, i, i) / (double)b->cols;
    for (int64_t i = 0; i < b->cols; i++)
        to[i] = mean > 0 ? mq_gram_at(g, group, i, i) / mean + damping : 1;
    return mean > 0;
}

mq_status mq_trial_base_make(mq_trial_base *b, const mq_gram *g, double damping, mq_round_kind kind, mq_error *err)
{
    bool seen = false;
    mq_status rc = MQ_OK;

    *b = (mq_trial_base){ .kind = kind, .n_groups = g->groups, .cols = g->n };
    b->groups = calloc((size_t)g->groups, sizeof *b->groups);
    b->diagonal = malloc((size_t)(g->groups * g->n) * sizeof *b->diagonal);
    if (!b->groups || !b->diagonal)
        return mq_oom(err);
    for (int64_t i = 0; i < g->groups; i++) {
        seen |= take_diagonal(b, g, damping, i);
        MQ_TRY(mq_round_base_make(&b->groups[i], g, i, damping, kind != MQ_ROUND_RTN, err));
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

/* Room for n elements in n_rows rows. */
static mq_status trial_init(trial *t, const mq_weight *w, size_t n, size_t n_rows, mq_error *err)
{
    const size_t n_scales = w->grid.n_scales;

    t->scales = malloc((n_scales + 1) * sizeof *t->scales);
    t->zero_points = malloc((n_scales + 1) * sizeof *t->zero_points);
    t->levels = calloc(n + 1, sizeof *t->levels);
    t->errors = calloc(n_rows + 1, sizeof *t->errors);
    if (!t->scales || !t->zero_points || !t->levels || !t->errors)
        return mq_oom(err);
    memcpy(t->scales, w->scales, n_scales * sizeof *t->scales);
    memcpy(t->zero_points, w->zero_points, n_scales * sizeof *t->zero_points);
    return MQ_OK;
}

static void job_release(job *j)
{
    free(j->copy);
    free(j->values);
    free(j->which);
    trial_release(&j->best);
    trial_release(&j->now);
}

/* Does any scale have elements in two rows? */
static mq_status look_for_shared(job *j, mq_error *err)
{
    const mq_reduction *r = j->r;
    int64_t *owner = calloc(j->w->grid.n_scales + 1, sizeof *owner); /* 1 + the row */

    if (!owner)
        return mq_oom(err);
    j->rows_apart = true;
    for (int64_t row = 0; row < r->groups * r->rows && j->rows_apart; row++)
        for (int64_t c = 0; c < r->cols; c++) {
            const int64_t at = mq_reduction_at(r, row / r->rows, row % r->rows, c);
            int64_t *of = &owner[mq_grid_scale_at(&j->w->grid, (size_t)at)];
            j->rows_apart &= !*of || *of == row + 1;
            *of = row + 1;
        }
    free(owner);
    return MQ_OK;
}

/* The first piece; the others are not larger. All of the weight, where it is small or rows are not apart. */
static piece first_piece(const job *j)
{
    const mq_reduction *r = j->r;
    const int64_t most = PIECE / r->cols > 16 ? PIECE / r->cols : 16;

    if (!j->rows_apart || j->w->source.n <= PIECE)
        return (piece){ 0, r->groups, 0, r->rows };
    return (piece){ 0, 1, 0, r->rows < most ? r->rows : most };
}

/* false: there is none. */
static bool next_piece(const job *j, piece *p)
{
    const int64_t most = first_piece(j).n_rows;

    p->row += p->n_rows;
    if (p->row >= j->r->rows) {
        p->group += p->n_groups;
        p->row = 0;
    }
    p->n_rows = j->r->rows - p->row < most ? j->r->rows - p->row : most;
    return p->group < j->r->groups;
}

static mq_status job_init(job *j, mq_error *err)
{
    const size_t all = (size_t)j->w->source.n;
    const void *bytes;
    piece p;
    size_t n, n_rows;
    mq_status rc;

    j->may_refit = !j->w->given && j->w->fit.kind != MQ_FIT_FIXED && j->w->fit.kind != MQ_FIT_STDDEV;
    MQ_TRY(look_for_shared(j, err));
    p = first_piece(j);
    n_rows = (size_t)(p.n_groups * p.n_rows);
    n = n_rows * (size_t)j->r->cols;
    j->values = malloc((n + 1) * sizeof *j->values);
    j->which = malloc((n + 1) * sizeof *j->which);
    j->copy = malloc((all + 1) * sizeof *j->copy); /* without pages as long as nothing is written */
    if (!j->values || !j->which || !j->copy) {
        rc = mq_oom(err);
        goto done;
    }
    MQ_TRY(trial_init(&j->best, j->w, n, n_rows, err));
    MQ_TRY(trial_init(&j->now, j->w, n, n_rows, err));
    MQ_TRY(mq_tensor_bytes(j->w->source.tensor, &bytes, err));
    j->view = mq_source_read(&j->w->source, bytes, 0, all, j->copy);
done:
    return rc;
}

static int64_t place(const job *j, int64_t group, int64_t row, int64_t col)
{
    return mq_reduction_at(j->r, j->at.group + group, j->at.row + row, col);
}

static mq_status read_piece(job *j, mq_error *err)
{
    size_t i = 0;

    j->n_rows = (size_t)(j->at.n_groups * j->at.n_rows);
    j->n = j->n_rows * (size_t)j->r->cols;
    for (int64_t g = 0; g < j->at.n_groups; g++)
        for (int64_t row = 0; row < j->at.n_rows; row++)
            for (int64_t c = 0; c < j->r->cols; c++, i++) {
                const size_t at = (size_t)place(j, g, row, c);
                j->values[i] = j->view[at];
                j->which[i] = (uint32_t)mq_grid_scale_at(&j->w->grid, at);
                if (!isfinite(j->values[i]))
                    return mq_fail(err, MQ_ERR_INPUT, "not all of the weight is finite");
            }
    memset(j->best.levels, 0, j->n * sizeof *j->best.levels);
    memset(j->now.levels, 0, j->n * sizeof *j->now.levels);
    return MQ_OK;
}

/* ---- trials -------------------------------------------------------------------------------------------------------- */

static const mq_round_base *base_of(const job *j, int64_t group)
{
    return j->base->groups[j->at.group + group];
}

static mq_round_matrix matrix_of(const job *j, trial *t, int64_t group)
{
    const int64_t rows = j->at.n_rows, cols = j->r->cols;
    const size_t from = (size_t)(group * rows * cols);

    return (mq_round_matrix){ .rows = rows, .cols = cols, .w = j->values + from, .which = j->which + from,
                              .scheme = &j->w->scheme, .scales = t->scales, .zero_points = t->zero_points,
                              .levels = t->levels + from, .errors = t->errors + group * rows };
}

static mq_status round_all(job *j, trial *t, mq_round_kind kind, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (int64_t g = 0; g < j->at.n_groups; g++) {
        mq_round_matrix m = matrix_of(j, t, g);
        MQ_TRY(mq_round(base_of(j, g), &m, kind, err));
    }
done:
    return rc;
}

static mq_status rescale_all(job *j, trial *t, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (int64_t g = 0; g < j->at.n_groups; g++) {
        mq_round_matrix m = matrix_of(j, t, g);
        MQ_TRY(mq_round_rescale(base_of(j, g), &m, err));
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

/* An element of a scale. */
typedef struct element {
    uint32_t scale, at; /* at: in the piece */
} element;

static int by_scale(const void *a, const void *b)
{
    const element *x = a, *y = b;

    if (x->scale != y->scale)
        return x->scale < y->scale ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* The elements [first, first + n) of the piece, scale by scale. */
static void list_elements(const job *j, size_t first, size_t n, element *out)
{
    bool sorted = true;

    for (size_t i = 0; i < n; i++) {
        out[i] = (element){ j->which[first + i], (uint32_t)(first + i) };
        sorted &= i == 0 || out[i - 1].scale <= out[i].scale;
    }
    if (!sorted)
        qsort(out, n, sizeof *out, by_scale);
}

/* Scales by importance, of elements that have no scale in common with others; room holds 2 n. */
static void fit_scales(job *j, const element *elements, size_t n, float *room)
{
    const size_t cols = (size_t)j->r->cols, rows = (size_t)j->at.n_rows;

    for (size_t i = 0, count; i < n; i += count) {
        const uint32_t scale = elements[i].scale;
        for (count = 0; i + count < n && elements[i + count].scale == scale; count++) {
            const size_t at = elements[i + count].at, group = (size_t)j->at.group + at / cols / rows;
            room[count] = j->values[at];
            room[n + count] = (float)j->base->diagonal[group * cols + at % cols];
        }
        mq_fit_weighted(&j->w->scheme, room, room + n, count, &j->now.scales[scale], &j->now.zero_points[scale]);
    }
}

/* Row by row where they are apart. */
static mq_status find_scales(job *j, mq_error *err)
{
    const size_t n = j->rows_apart ? (size_t)j->r->cols : j->n;
    element *elements = malloc((n + 1) * sizeof *elements);
    float *room = malloc((2 * n + 1) * sizeof *room);
    mq_status rc = elements && room ? MQ_OK : mq_oom(err);

    for (size_t first = 0; rc == MQ_OK && first < j->n; first += n) {
        list_elements(j, first, n, elements);
        fit_scales(j, elements, n, room);
    }
    free(elements);
    free(room);
    return rc;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

/* The piece's; scales are those of all pieces so far. */
static void write_integers(const job *j, mq_rounded *e)
{
    size_t i = 0;

    for (int64_t g = 0; g < j->at.n_groups; g++)
        for (int64_t row = 0; row < j->at.n_rows; row++)
            for (int64_t c = 0; c < j->r->cols; c++, i++)
                e->integers[place(j, g, row, c)] = (uint8_t)(j->best.levels[i] + j->best.zero_points[j->which[i]]);
}

static mq_status sum_signals(job *j, mq_rounded *e, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (int64_t g = 0; g < j->at.n_groups; g++) {
        mq_round_matrix m = matrix_of(j, &j->now, g);
        MQ_TRY(mq_round_signals(base_of(j, g), &m, m.errors, err));
    }
    e->signal += total(j, &j->now);
done:
    return rc;
}

static mq_status round_piece(job *j, mq_rounded *e, mq_error *err)
{
    mq_status rc;

    MQ_TRY(read_piece(j, err));
    MQ_TRY(sum_signals(j, e, err));
    MQ_TRY(round_all(j, &j->best, MQ_ROUND_RTN, err));
    e->nearest += total(j, &j->best);
    MQ_TRY(try_kinds(j, err));
    if (j->may_refit) {
        MQ_TRY(find_scales(j, err));
        MQ_TRY(try_kinds(j, err));
    }
    write_integers(j, e);
    e->error += total(j, &j->best);
done:
    return rc;
}

mq_status mq_trial_round(const mq_trial_base *b, const mq_weight *w, const mq_reduction *r, mq_rounded *e, mq_error *err)
{
    job j = { .base = b, .w = w, .r = r };
    mq_status rc;

    e->signal = e->nearest = e->error = 0;
    MQ_TRY(job_init(&j, err));
    j.at = first_piece(&j);
    do {
        MQ_TRY(round_piece(&j, e, err));
    } while (next_piece(&j, &j.at));
    memcpy(e->scales, j.best.scales, w->grid.n_scales * sizeof *e->scales);
    memcpy(e->zero_points, j.best.zero_points, w->grid.n_scales * sizeof *e->zero_points);
done:
    job_release(&j);
    return rc;
}
