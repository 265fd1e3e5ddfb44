/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Makes the integers as for a file, in memory, and multiplies them by their scales. */
#include "quant/restore.h"

#include <stdlib.h>
#include <string.h>

typedef struct memory_sink {
    mq_sink sink; /* first: what makers see */
    uint8_t *bytes;
} memory_sink;

static mq_status keep(mq_sink *sink, uint64_t offset, const void *data, size_t n, mq_error *err)
{
    (void)err;
    memcpy(((memory_sink *)sink)->bytes + offset, data, n);
    return MQ_OK;
}

static void multiply(const mq_weight *w, const uint8_t *bytes, float *out)
{
    const size_t n = (size_t)w->source.n;

    for (size_t from = 0; from < n;) {
        const mq_line l = mq_grid_line(&w->grid, from);

        for (size_t i = 0; i < l.n && from + i < n; i++) {
            const size_t at = l.scale + (l.columns ? i : l.block ? i / l.block : 0);
            int64_t q;

            mq_dtype_to_i64(w->scheme.type, bytes, from + i, 1, &q);
            out[from + i] = (float)(q - w->zero_points[at]) * w->scales[at];
        }
        from += l.n;
    }
}

mq_status mq_weight_restore(mq_weight *w, float *out, const mq_hooks *hooks, mq_error *err)
{
    memory_sink to = { .sink = { keep } };
    mq_status rc;

    mq_weight_init_makers(w);
    if (!(to.bytes = malloc(w->make_integers.n_bytes + 1)))
        return mq_oom(err);
    if ((rc = w->make_integers.make(w->make_integers.user, &to.sink, hooks, err)) == MQ_OK)
        multiply(w, to.bytes, out);
    free(to.bytes);
    return rc;
}
