/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Runs the engine's list of passes on the private copy, and is their evaluator. */
#include "exec/optimize.h"

#include <stdlib.h>

#include "base/threads.h"
#include "exec/internal.h"
#include "passes/pass.h"

#define FOLD_LIMIT (16u << 20)
#define FEW 32

/* One node on its own: what a runner and a frame give a kernel, without either. user: a runner with nothing but a pool. */
static mq_status evaluate(void *user, mq_node *n, mq_array *const *in, mq_array **out, mq_error *err)
{
    mq_runner *r = user;
    const mq_kernel *k = mq_kernel_find(mq_domain_norm(n->domain), n->op_type);
    const bool few[FEW] = { false }, *none = n->n_inputs > FEW ? calloc(n->n_inputs, sizeof *none) : few;
    mq_step step = { .node = n, .ref = k };
    mq_call_state state = { .runner = r, .step = &step, .dies = none };
    mq_call c = { .node = n, .n_in = n->n_inputs, .n_out = n->n_outputs, .in = (const mq_array *const *)in, .out = out,
                  .n_threads = r->n_threads, .arena = r->plan->model->arena, .err = err, .frame = &state };
    mq_status rc;

    mq_pool_start(r->pool);
    if (!k || k->flags & MQ_KERNEL_RANDOM)
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "%s cannot be folded", n->op_type);
    else if (!none)
        rc = mq_oom(err);
    else
        rc = mq_run_reference(&c, k);
    mq_call_state_release(&state);
    if (none != few)
        free((void *)(uintptr_t)none);
    return rc;
}

mq_status mq_plan_optimize(mq_plan *p, mq_error *err)
{
    mq_runner r = { .plan = p, .pool = mq_pool_create(), .n_threads = mq_threads(0) };
    const mq_pass_ctx ctx = { .evaluate = evaluate, .user = &r, .fold_limit = FOLD_LIMIT };
    const mq_status rc = r.pool ? mq_passes_run(p->model, mq_engine_passes, &ctx, err) : mq_oom(err);

    mq_pool_close(r.pool);
    return rc;
}
