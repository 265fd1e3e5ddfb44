/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Scores as keys of 32 bits, what goes by them, and the columns behind making up for it. */
#include "prune/obs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "exec/ref/gemm.h"

enum { BLOCK = 128, STRIP = 96 };

/* ---- what goes ----------------------------------------------------------------------------------------------------- */

/* A score that is not negative, in the order of unsigned numbers; NaN is the largest. */
static uint32_t key_of(float score)
{
    uint32_t key;

    if (isnan(score))
        return UINT32_MAX;
    memcpy(&key, &score, sizeof key);
    return key;
}

/* Of n keys, `count` go: those below *key, and the first *ties that equal it. */
static void find_key(const uint32_t *keys, size_t n, uint64_t count, uint32_t *key, uint64_t *ties)
{
    uint32_t known = 0, mask = 0;

    for (int shift = 24; shift >= 0; shift -= 8) {
        uint64_t histogram[256] = { 0 };
        unsigned digit = 0;
        for (size_t i = 0; i < n; i++)
            histogram[keys[i] >> shift & 255] += (keys[i] & mask) == known;
        while (digit < 255 && histogram[digit] < count)
            count -= histogram[digit++];
        known |= (uint32_t)digit << shift;
        mask |= UINT32_C(255) << shift;
    }
    *key = known;
    *ties = count;
}

static void choose(const uint32_t *keys, size_t n, uint64_t count, uint8_t *gone)
{
    uint64_t ties;
    uint32_t key;

    find_key(keys, n, count, &key, &ties);
    for (size_t i = 0; i < n; i++) {
        gone[i] = keys[i] < key || (keys[i] == key && ties > 0);
        ties -= keys[i] == key && ties > 0;
    }
}

/* The columns of the group that begins at c. */
static int64_t group_size(const mq_obs_ask *ask, int64_t c)
{
    const int64_t left = ask->run - c % ask->run;

    return left < (int64_t)ask->of ? left : (int64_t)ask->of;
}

static void choose_group(const uint32_t *keys, int64_t n, const mq_obs_ask *ask, uint8_t *gone)
{
    choose(keys, (size_t)n, n > (int64_t)ask->keep ? (uint64_t)n - ask->keep : 0, gone);
}

/* How many of `count` fall into part `i` of n when each has its share. */
static uint64_t share_of(uint64_t count, int64_t i, int64_t n)
{
    const uint64_t each = count / (uint64_t)n, rest = count % (uint64_t)n, k = (uint64_t)i;

    return each + (k + 1) * rest / (uint64_t)n - k * rest / (uint64_t)n;
}

/* ---- Wanda --------------------------------------------------------------------------------------------------------- */

mq_status mq_obs_wanda(float *w, int64_t rows, int64_t cols, const double *norms, const mq_obs_ask *ask, mq_error *err)
{
    uint32_t *keys = malloc((size_t)cols * sizeof *keys);
    uint8_t *gone = malloc((size_t)cols);
    mq_status rc = keys && gone ? MQ_OK : mq_oom(err);

    for (int64_t r = 0; rc == MQ_OK && r < rows; r++, w += cols) {
        for (int64_t c = 0; c < cols; c++)
            keys[c] = key_of((float)(fabs((double)w[c]) * sqrt(norms[c])));
        if (!ask->of)
            choose(keys, (size_t)cols, share_of(ask->zeros, r, rows), gone);
        for (int64_t c = 0, n; ask->of && c < cols; c += n) {
            n = group_size(ask, c);
            choose_group(keys + c, n, ask, gone + c);
        }
        for (int64_t c = 0; c < cols; c++)
            w[c] = gone[c] ? 0 : w[c];
    }
    free(keys);
    free(gone);
    return rc;
}

/* ---- SparseGPT ----------------------------------------------------------------------------------------------------- */

typedef struct pruner {
    float *w;
    int64_t rows, cols;
    const mq_factor *f;
    const mq_obs_ask *ask;
    int64_t width;     /* of the widest block */
    float *u;          /* the factor, [cols][cols] */
    uint32_t *keys;    /* [rows][width] */
    uint8_t *gone;     /* [rows][width] */
    uint8_t *zero;     /* [rows][cols] what is zero when the matrix comes: columns before it may change it */
    float *errors;     /* [rows][width] what each weight that went was, over its diagonal */
    float *product;    /* [STRIP][cols] */
    void *scratch;
} pruner;

/* Columns of a row that go, from `from` to `to` of a block of n: the columns behind make up for each. */
MQ_CLONES(void, eliminate, (float *restrict w, const uint8_t *gone, int64_t from, int64_t to, int64_t n, const float *u,
                            int64_t u_row, float *restrict errors), (w, gone, from, to, n, u, u_row, errors))
{
    for (int64_t j = from; j < to; j++) {
        const float *row = u + j * u_row;
        const float e = gone[j] ? w[j] / row[j] : 0;
        errors[j] = e;
        if (!gone[j])
            continue;
        w[j] = 0;
        for (int64_t k = j + 1; k < n; k++)
            w[k] -= e * row[k];
    }
}

/* What it costs to lose weight w of row r and column c. */
static uint32_t cost(const pruner *p, float w, int64_t r, int64_t c)
{
    const double d = p->f->u[c * p->cols + c];

    if (p->zero[r * p->cols + c] || (p->f->dead[c] && !isnan(w)))
        return 0;
    return key_of((float)((double)w * (double)w / (d * d)));
}

/* Where the block that begins at c ends: no group is cut. */
static int64_t block_end(const pruner *p, int64_t c)
{
    int64_t end = c + BLOCK < p->cols ? c + BLOCK : p->cols, at = c;

    if (!p->ask->of)
        return end;
    while (at < end) {
        const int64_t next = at + group_size(p->ask, at);
        if (next > end && at > c)
            break;
        at = next;
    }
    return at;
}

/* Which of a whole block go, by the weights as they are when it begins. */
static void choose_block(const pruner *p, int64_t from, int64_t n)
{
    uint64_t zeros = 0;

    for (int64_t r = 0; r < p->rows; r++)
        for (int64_t c = 0; c < n; c++)
            p->keys[r * n + c] = cost(p, p->w[r * p->cols + from + c], r, from + c);
    for (int64_t c = from; c < from + n; c++)
        zeros += share_of(p->ask->zeros, c, p->cols);
    choose(p->keys, (size_t)(p->rows * n), zeros, p->gone);
    for (int64_t r = 0; r < p->rows; r++)
        for (int64_t c = 0; c < n; c++)
            p->gone[r * n + c] |= p->zero[r * p->cols + from + c];
}

/* One row of a block in groups: each is chosen when those before it have been made up for. */
static void eliminate_groups(const pruner *p, int64_t r, int64_t from, int64_t n)
{
    float *w = p->w + r * p->cols + from;
    uint8_t *gone = p->gone + r * n;

    for (int64_t c = 0, size; c < n; c += size) {
        size = group_size(p->ask, from + c);
        for (int64_t k = c; k < c + size; k++)
            p->keys[k] = cost(p, w[k], r, from + k);
        choose_group(p->keys + c, size, p->ask, gone + c);
        for (int64_t k = c; k < c + size; k++)
            gone[k] |= p->zero[r * p->cols + from + k];
        eliminate(w, gone, c, c + size, n, p->u + from * p->cols + from, p->cols, p->errors + r * n);
    }
}

/* The columns behind a block make up for what it lost: w -= errors u, in strips of rows. */
static void update_behind(const pruner *p, int64_t from, int64_t n)
{
    const int64_t behind = p->cols - from - n;

    for (int64_t r = 0; behind && r < p->rows; r += STRIP) {
        const int64_t m = p->rows - r < STRIP ? p->rows - r : STRIP;
        mq_gemm_serial(&(mq_gemm){ .dtype = MQ_FLOAT, .m = m, .n = behind, .k = n, .a = p->errors + r * n, .a_row = n,
                                   .a_col = 1, .b = p->u + from * p->cols + from + n, .b_row = p->cols, .b_col = 1,
                                   .c = p->product, .c_row = behind, .batch = 1 }, p->scratch);
        for (int64_t i = 0; i < m; i++)
            for (int64_t c = 0; c < behind; c++)
                p->w[(r + i) * p->cols + from + n + c] -= p->product[i * behind + c];
    }
}

static void prune_block(const pruner *p, int64_t from, int64_t n)
{
    if (!p->ask->of)
        choose_block(p, from, n);
    for (int64_t r = 0; r < p->rows; r++)
        if (p->ask->of)
            eliminate_groups(p, r, from, n);
        else
            eliminate(p->w + r * p->cols + from, p->gone + r * n, 0, n, n, p->u + from * p->cols + from, p->cols,
                      p->errors + r * n);
    update_behind(p, from, n);
}

static mq_status pruner_init(pruner *p, mq_error *err)
{
    const mq_gemm largest = { .dtype = MQ_FLOAT, .m = STRIP, .n = p->cols, .k = p->width };
    const size_t room = (size_t)(p->rows * p->width), n = (size_t)(p->cols * p->cols);

    p->u = malloc(n * sizeof *p->u);
    p->keys = malloc(room * sizeof *p->keys);
    p->gone = malloc(room);
    p->zero = malloc((size_t)(p->rows * p->cols));
    p->errors = malloc(room * sizeof *p->errors);
    p->product = malloc((size_t)p->cols * STRIP * sizeof *p->product);
    p->scratch = malloc(mq_gemm_scratch(&largest));
    if (!p->u || !p->keys || !p->gone || !p->zero || !p->errors || !p->product || !p->scratch)
        return mq_oom(err);
    for (size_t i = 0; i < n; i++)
        p->u[i] = (float)p->f->u[i];
    for (int64_t i = 0; i < p->rows * p->cols; i++)
        p->zero[i] = p->w[i] == 0;
    return MQ_OK;
}

mq_status mq_obs_sparsegpt(float *w, int64_t rows, int64_t cols, const mq_factor *f, const mq_obs_ask *ask, mq_error *err)
{
    pruner p = { .w = w, .rows = rows, .cols = cols, .f = f, .ask = ask };
    mq_status rc;

    for (int64_t c = 0, end; c < cols; c = end) {
        end = block_end(&p, c);
        p.width = end - c > p.width ? end - c : p.width;
    }
    MQ_TRY(pruner_init(&p, err));
    for (int64_t c = 0, end; c < cols; c = end) {
        end = block_end(&p, c);
        prune_block(&p, c, end - c);
    }
done:
    free(p.u);
    free(p.keys);
    free(p.gone);
    free(p.zero);
    free(p.errors);
    free(p.product);
    free(p.scratch);
    return rc;
}
