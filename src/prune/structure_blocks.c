/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which whole blocks go. */
#include <math.h>
#include <stdlib.h>

#include "prune/structure.h"

static mq_status sum_weight(mq_tensor *t, int p, double *sum, double *count, mq_error *err)
{
    enum { PIECE = 4096 };
    float piece[PIECE];
    const int64_t n = mq_tensor_count(t);
    mq_status rc = MQ_OK;

    for (int64_t at = 0; at < n && rc == MQ_OK; at += PIECE) {
        const uint64_t length = n - at < PIECE ? (uint64_t)(n - at) : PIECE;

        rc = mq_tensor_read_f32(t, (uint64_t)at, length, piece, err);
        for (uint64_t i = 0; i < length && rc == MQ_OK; i++)
            *sum += p == 1 ? fabs((double)piece[i]) : (double)piece[i] * piece[i];
    }
    *count += n > 0 ? (double)n : 0;
    return rc;
}

mq_status mq_structure_rank_blocks(const mq_blocks *b, int p, double *scores, mq_error *err)
{
    size_t n;
    const mq_blocks_item *list = mq_blocks_list(b, &n);
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        double sum = 0, count = 0;

        for (size_t k = 0; k < list[i].n_weights && rc == MQ_OK; k++)
            rc = sum_weight(mq_value_constant(list[i].weights[k], true), p, &sum, &count, err);
        scores[i] = count > 0 ? sum / count : 0;
        if (isnan(scores[i]))
            scores[i] = INFINITY; /* nothing is known of it: it goes last */
    }
    return rc;
}

typedef struct ranked {
    double score;
    size_t block;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (x->score != y->score)
        return x->score < y->score ? -1 : 1;
    return x->block < y->block ? -1 : x->block > y->block;
}

mq_status mq_structure_pick_blocks(const mq_blocks *b, const double *scores, size_t n_gone, bool *gone, size_t *n_went,
                                   mq_error *err)
{
    size_t n, n_runs = 0;
    const mq_blocks_item *list = mq_blocks_list(b, &n);
    ranked *order = malloc((n + 1) * sizeof *order);
    size_t *left = NULL; /* of each run */
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n; i++)
        n_runs = list[i].run > n_runs ? list[i].run : n_runs;
    *n_went = 0;
    if (!order || !(left = calloc(n_runs + 1, sizeof *left))) {
        rc = mq_oom(err);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        order[i] = (ranked){ scores[i], i };
        gone[i] = false;
        left[list[i].run]++;
    }
    qsort(order, n, sizeof *order, by_score);
    for (size_t i = 0; i < n && *n_went < n_gone; i++) {
        const size_t run = list[order[i].block].run;

        if (run && left[run] == 1)
            continue;
        left[run]--;
        gone[order[i].block] = true;
        ++*n_went;
    }
done:
    free(order);
    free(left);
    return rc;
}
