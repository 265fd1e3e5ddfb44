/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which tables of fast kernels this build has. */
#include "exec/fast.h"

#include "exec/layout.h"

const mq_fast *const mq_fast_tables[] = {
    NULL,
};

mq_status mq_layout_to_plain(mq_array **out, const mq_array *a, int n_threads, mq_error *err)
{
    (void)out;
    (void)a;
    (void)n_threads;
    return mq_fail(err, MQ_ERR_UNSUPPORTED, "this build has no kernel library, so no tensor is in its order");
}
