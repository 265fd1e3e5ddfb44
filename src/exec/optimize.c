/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Runs the engine's list of passes on the private copy. */
#include "exec/optimize.h"

#include "exec/evaluate.h"
#include "exec/internal.h"
#include "passes/pass.h"

#define FOLD_LIMIT (16u << 20)

mq_status mq_plan_optimize(mq_plan *p, mq_error *err)
{
    mq_evaluator *e = NULL;
    mq_status rc = mq_evaluator_create(&e, 0, err);

    if (rc == MQ_OK) {
        const mq_pass_ctx ctx = { .evaluate = mq_evaluator_run, .user = e, .fold_limit = FOLD_LIMIT };

        rc = mq_passes_run(p->model, mq_engine_passes, &ctx, err);
    }
    mq_evaluator_free(e);
    return rc;
}
