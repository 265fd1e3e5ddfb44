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
    }
    return rc;
}

/* Blocks that are left of a run. */
static size_t left_of_run(const mq_blocks_item *list, size_t n, const bool *gone, size_t run)
{
    size_t left = 0;

    for (size_t i = 0; i < n; i++)
        left += list[i].run == run && !gone[i];
    return left;
}

size_t mq_structure_pick_blocks(const mq_blocks *b, const double *scores, size_t n_gone, bool *gone)
{
    size_t n, done = 0;
    const mq_blocks_item *list = mq_blocks_list(b, &n);

    for (size_t i = 0; i < n; i++)
        gone[i] = false;
    for (; done < n_gone; done++) {
        size_t best = n;

        for (size_t i = 0; i < n; i++) {
            if (gone[i] || (list[i].run && left_of_run(list, n, gone, list[i].run) == 1))
                continue;
            if (best == n || !(scores[i] >= scores[best]))
                best = i;
        }
        if (best == n)
            break;
        gone[best] = true;
    }
    return done;
}
