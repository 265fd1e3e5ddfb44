/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Runs one node by its reference kernel, outside of any plan. Kernels know the newest meaning of an operator only: a node
 * of an older opset whose operator has changed since becomes a model of its own, which a plan raises. */
#include "exec/evaluate.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/threads.h"
#include "exec/internal.h"
#include "ops/ops.h"

#define FEW 32

struct mq_evaluator {
    mq_plan plan; /* nothing but the model of the node at hand, for kernels that look there */
    mq_runner runner;
};

mq_status mq_evaluator_create(mq_evaluator **out, int n_threads, mq_error *err)
{
    mq_evaluator *e = calloc(1, sizeof *e);

    if (!e)
        return mq_oom(err);
    e->runner = (mq_runner){ .plan = &e->plan, .pool = mq_pool_create(), .n_threads = mq_threads(n_threads) };
    if (!e->runner.pool) {
        free(e);
        return mq_oom(err);
    }
    pthread_mutex_init(&e->plan.lock, NULL);
    *out = e;
    return MQ_OK;
}

void mq_evaluator_free(mq_evaluator *e)
{
    if (!e)
        return;
    mq_pool_close(e->runner.pool);
    pthread_mutex_destroy(&e->plan.lock);
    free(e);
}

static mq_status run_kernel(mq_evaluator *e, const mq_kernel *k, mq_node *n, mq_array *const *in, mq_array **out,
                            mq_error *err)
{
    const bool few[FEW] = { false }, *none = n->n_inputs > FEW ? calloc(n->n_inputs, sizeof *none) : few;
    mq_step step = { .node = n, .ref = k };
    mq_call_state state = { .runner = &e->runner, .step = &step, .dies = none };
    mq_call c = { .node = n, .n_in = n->n_inputs, .n_out = n->n_outputs, .in = (const mq_array *const *)in, .out = out,
                  .n_threads = e->runner.n_threads, .arena = n->graph->model->arena, .err = err, .frame = &state };
    mq_status rc;

    e->plan.model = n->graph->model;
    mq_pool_start(e->runner.pool);
    rc = none ? mq_run_reference(&c, k) : mq_oom(err);
    mq_call_state_release(&state);
    if (none != few)
        free((void *)(uintptr_t)none);
    return rc;
}

/* ---- older operators ----------------------------------------------------------------------------------------------- */

static mq_status add_input(mq_model *m, mq_node *copy, size_t i, const mq_array *a, mq_error *err)
{
    char name[32];
    mq_tensor *t = NULL;
    mq_value *v;
    mq_status rc;

    snprintf(name, sizeof name, "in%zu", i);
    if (!a)
        return mq_node_set_input(copy, i, NULL, err);
    if ((rc = mq_tensor_of_array(&t, m, name, a, err)) != MQ_OK)
        return rc;
    if (!(v = mq_value_create(m->graph, name)))
        return mq_oom(err);
    rc = mq_value_set_init(v, t, err);
    return rc == MQ_OK ? mq_node_set_input(copy, i, v, err) : rc;
}

static mq_status add_output(mq_model *m, mq_node *copy, size_t i, mq_error *err)
{
    char name[32];
    mq_value *v;
    mq_status rc;

    snprintf(name, sizeof name, "out%zu", i);
    if (!(v = mq_value_create(m->graph, name)))
        return mq_oom(err);
    rc = mq_node_set_output(copy, i, v, err);
    return rc == MQ_OK ? mq_graph_add_output(m->graph, v, err) : rc;
}

/* A model of n alone. Its attributes are borrowed. */
static mq_status make_model(mq_model *m, const mq_node *n, mq_array *const *in, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_node *copy;

    if (!(m->graph = mq_graph_create(m, NULL, NULL, "node")) ||
        !(copy = mq_node_create(m->graph, NULL, n->domain, n->op_type, "node")) ||
        (n->n_attrs && !(copy->attrs = mq_arena_memdup(m->arena, n->attrs, n->n_attrs * sizeof *n->attrs))))
        return mq_oom(err);
    copy->n_attrs = n->n_attrs;
    m->has_ir_version = true;
    m->ir_version = mq_ir_for_opset(mq_schema_newest_opset());
    MQ_TRY(mq_opset_set(m, "", mq_opset_of(n->graph, ""), err));
    for (size_t i = 0; i < n->n_inputs && rc == MQ_OK; i++)
        rc = add_input(m, copy, i, in[i], err);
    for (size_t i = 0; i < n->n_outputs && rc == MQ_OK; i++)
        if (n->outputs[i])
            rc = add_output(m, copy, i, err);
done:
    return rc;
}

/* What the plan gives may lie in its memory, or in that of its model: copies are handed over. */
static mq_status hand_over(const mq_node *n, mq_array **made, mq_array **out, mq_error *err)
{
    mq_status rc = MQ_OK;
    size_t k = 0;

    for (size_t i = 0; i < n->n_outputs; i++) {
        if (!n->outputs[i])
            continue;
        if (rc == MQ_OK && made[k]->kind != MQ_TYPE_TENSOR)
            rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "%s gives no tensor", n->op_type);
        if (rc == MQ_OK && made[k]->dtype == MQ_STRING)
            rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "%s gives strings", n->op_type);
        if (rc == MQ_OK)
            rc = mq_array_copy(&out[i], made[k], err);
        mq_array_unref(made[k++]);
    }
    return rc;
}

static mq_status run_raised(const mq_evaluator *e, const mq_node *n, mq_array *const *in, mq_array **out, mq_error *err)
{
    const mq_plan_opts o = { .reference = true };
    mq_array **made = calloc(n->n_outputs + 1, sizeof *made);
    mq_model *m = NULL;
    mq_plan *p = NULL;
    mq_runner *r = NULL;
    mq_status rc;

    if (!made)
        return mq_oom(err);
    MQ_TRY(mq_model_create(&m, err));
    MQ_TRY(make_model(m, n, in, err));
    MQ_TRY(mq_plan_create(&p, m, &o, NULL, err));
    MQ_TRY(mq_runner_create(&r, p, e->runner.n_threads, err));
    MQ_TRY(mq_runner_run(r, NULL, made, err));
    rc = hand_over(n, made, out, err);
done:
    mq_runner_free(r);
    mq_plan_free(p);
    mq_model_free(m);
    free(made);
    return rc;
}

mq_status mq_evaluator_run(void *user, mq_node *n, mq_array *const *in, mq_array **out, mq_error *err)
{
    mq_evaluator *e = user;
    const mq_kernel *k = mq_kernel_find(mq_domain_norm(n->domain), n->op_type);

    if (k && k->flags & MQ_KERNEL_RANDOM)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "%s gives something else each time", n->op_type);
    if (mq_node_function(n))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "%s is a function of the model", n->op_type);
    if (*mq_domain_norm(n->domain) || mq_op_is_newest(n->op_type, mq_opset_of(n->graph, "")))
        return k ? run_kernel(e, k, n, in, out, err)
                 : mq_fail(err, MQ_ERR_UNSUPPORTED, "%s has no kernel here", n->op_type);
    return run_raised(e, n, in, out, err);
}
