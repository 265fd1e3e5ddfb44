/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq::Lookup (ops/lookup.h). */
#include "ops/lookup.h"

#include "exec/ref/families.h"
#include "exec/ref/quant_lanes.h"
#include "exec/ref/util.h"

#define PIECE 16384 /* elements that a thread takes at a time */

static mq_status op_lookup(mq_call *c)
{
    uint8_t *y = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    const mq_array *x = c->in[0], *table = c->in[1];
    if (!mq_is_i8(x) || !mq_is_i8(table))
        return mq_call_bad_type(c, mq_is_i8(x) ? table->dtype : x->dtype);
    if (table->count != MQ_LOOKUP_SIZE)
        return mq_call_fail(c, "the table has %zu entries, %d are wanted", table->count, MQ_LOOKUP_SIZE);
    MQ_TRY(mq_call_out_over(c, 0, 0, table->dtype, x->rank, x->dims, (void **)&y));
    const int64_t n = (int64_t)x->count, pieces = (n + PIECE - 1) / PIECE;
    const int threads = mq_call_threads(c, n / 4);
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int64_t k = 0; k < pieces; k++) {
        const int64_t at = k * PIECE, left = n - at;
        mq_i8_look_up(table->data, (const uint8_t *)x->data + at, left < PIECE ? left : PIECE, y + at);
    }
done:
    return rc;
}

const mq_kernel mq_kernels_lookup[] = {
    { MQ_LOOKUP_DOMAIN, MQ_LOOKUP_OP, op_lookup, 0 },
    { 0 },
};
