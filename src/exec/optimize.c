/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Runs the engine's list of passes on the private copy, and is their evaluator. */
#include "exec/optimize.h"

#include "base/threads.h"
#include "exec/internal.h"
#include "passes/pass.h"

#define FOLD_LIMIT (16u << 20)

/* One node on its own: what a runner and a frame give a kernel, without either. */
static mq_status evaluate(void *user, mq_node *n, mq_array *const *in, mq_array **out, mq_error *err)
{
    mq_plan *p = user;
    const mq_kernel *k = mq_kernel_find(mq_domain_norm(n->domain), n->op_type);
    bool *dies = mq_arena_calloc(p->model->arena, n->n_inputs, sizeof *dies);
    mq_runner runner = { .plan = p, .pool = mq_pool_create() };
    mq_step step = { .node = n, .ref = k };
    mq_call_state state = { .runner = &runner, .step = &step, .dies = dies };
    mq_call c = { .node = n, .n_in = n->n_inputs, .n_out = n->n_outputs, .in = (const mq_array *const *)in, .out = out,
                  .n_threads = mq_threads(0), .arena = p->model->arena, .err = err, .frame = &state };
    mq_status rc;

    if (!k || k->flags & MQ_KERNEL_RANDOM)
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "%s cannot be folded", n->op_type);
    else if (!runner.pool || !dies)
        rc = mq_oom(err);
    else
        rc = mq_run_reference(&c, k);
    mq_call_state_release(&state);
    mq_pool_close(runner.pool);
    return rc;
}

mq_status mq_plan_optimize(mq_plan *p, mq_error *err)
{
    const mq_pass_ctx ctx = { .evaluate = evaluate, .user = p, .fold_limit = FOLD_LIMIT };

    return mq_passes_run(p->model, mq_engine_passes, &ctx, err);
}
