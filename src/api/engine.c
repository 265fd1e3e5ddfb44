/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The engine for programs: plans and runners behind names and views. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/exec.h"
#include "mq/run.h"

_Static_assert(MQ_VIEW_MAX_RANK == MQ_MAX_RANK, "a view holds every shape that runs");

struct mq_engine {
    mq_plan *plan;
};

struct mq_execution {
    mq_engine *engine;
    mq_runner *runner;
    mq_array **in, **out;
    bool ran;
};

/* ---- views --------------------------------------------------------------------------------------------------------- */

const char *mq_type_name(int type)
{
    return mq_dtype_name((mq_dtype)type);
}

size_t mq_view_count(const mq_view *view)
{
    size_t n = 1;

    for (int i = 0; i < view->rank; i++)
        if (view->dims[i] < 0 || __builtin_mul_overflow(n, (size_t)view->dims[i], &n))
            return 0;
    return n;
}

double mq_view_number(const mq_view *view, size_t i)
{
    const mq_array a = { .kind = MQ_TYPE_TENSOR, .dtype = (mq_dtype)view->type, .data = (void *)(uintptr_t)view->data };

    return view->type == MQ_STRING ? 0 : mq_array_f64(&a, i);
}

/* ---- engines ------------------------------------------------------------------------------------------------------- */

mq_status mq_engine_create(mq_engine **out, mq_model *model, const mq_hooks *hooks, mq_error *err)
{
    mq_engine *e = calloc(1, sizeof *e);
    mq_status rc = e ? mq_plan_create(&e->plan, model, NULL, hooks, err) : mq_oom(err);

    if (rc == MQ_OK)
        *out = e;
    else
        mq_engine_free(e);
    return rc;
}

void mq_engine_free(mq_engine *engine)
{
    if (engine)
        mq_plan_free(engine->plan);
    free(engine);
}

const char *mq_engine_input(const mq_engine *engine, size_t i)
{
    return i < mq_plan_n_inputs(engine->plan) ? mq_plan_input(engine->plan, i)->name : NULL;
}

const char *mq_engine_output(const mq_engine *engine, size_t i)
{
    return i < mq_plan_n_outputs(engine->plan) ? mq_plan_output(engine->plan, i)->name : NULL;
}

void mq_engine_input_text(const mq_engine *engine, size_t i, char *out, size_t size)
{
    const mq_value *v = mq_plan_input(engine->plan, i);

    mq_type_text(v->declared ? v->declared : v->type, out, size);
}

bool mq_engine_input_view(const mq_engine *engine, size_t i, mq_view *out)
{
    const mq_value *v = i < mq_plan_n_inputs(engine->plan) ? mq_plan_input(engine->plan, i) : NULL;
    const mq_type *t = !v ? NULL : v->declared ? v->declared : v->type;

    if (!t || t->kind != MQ_TYPE_TENSOR || t->rank < 0 || t->rank > MQ_VIEW_MAX_RANK)
        return false;
    *out = (mq_view){ .type = (int)t->dtype, .rank = t->rank };
    for (int k = 0; k < t->rank; k++)
        out->dims[k] = t->dims[k].value >= 0 ? t->dims[k].value : -1;
    return true;
}

/* ---- executions ---------------------------------------------------------------------------------------------------- */

mq_status mq_execution_create(mq_execution **out, mq_engine *engine, int n_threads, mq_error *err)
{
    mq_execution *x = calloc(1, sizeof *x);
    mq_status rc;

    if (!x)
        return mq_oom(err);
    x->engine = engine;
    x->in = calloc(mq_plan_n_inputs(engine->plan) + 1, sizeof *x->in);
    x->out = calloc(mq_plan_n_outputs(engine->plan) + 1, sizeof *x->out);
    rc = x->in && x->out ? mq_runner_create(&x->runner, engine->plan, n_threads, err) : mq_oom(err);
    if (rc == MQ_OK)
        *out = x;
    else
        mq_execution_free(x);
    return rc;
}

static void drop_outputs(mq_execution *x)
{
    for (size_t i = 0; x->out && i < mq_plan_n_outputs(x->engine->plan); i++) {
        mq_array_unref(x->out[i]);
        x->out[i] = NULL;
    }
    x->ran = false;
}

void mq_execution_free(mq_execution *x)
{
    if (!x)
        return;
    drop_outputs(x);
    for (size_t i = 0; x->in && i < mq_plan_n_inputs(x->engine->plan); i++)
        mq_array_unref(x->in[i]);
    mq_runner_free(x->runner);
    free(x->in);
    free(x->out);
    free(x);
}

static mq_status no_such(const mq_engine *e, const char *name, mq_error *err)
{
    char list[512] = "";
    size_t n = 0;

    for (size_t i = 0; i < mq_plan_n_inputs(e->plan) && n + 1 < sizeof list; i++) {
        char type[128];

        mq_engine_input_text(e, i, type, sizeof type);
        n += (size_t)snprintf(list + n, sizeof list - n, "%s'%s' %s", i ? ", " : "", mq_engine_input(e, i), type);
    }
    return mq_fail(err, MQ_ERR_INPUT, "the model has no input '%s'; it takes %s", name, list);
}

mq_status mq_execution_set(mq_execution *x, const char *input, const mq_view *view, mq_error *err)
{
    const mq_plan *p = x->engine->plan;
    mq_array *a = NULL;
    size_t i = 0;
    mq_status rc;

    while (i < mq_plan_n_inputs(p) && strcmp(mq_plan_input(p, i)->name, input) != 0)
        i++;
    if (i == mq_plan_n_inputs(p))
        return no_such(x->engine, input, err);
    if (!mq_dtype_bits((mq_dtype)view->type))
        return mq_fail(err, MQ_ERR_INPUT, "input '%s': elements of type %d cannot be fed", input, view->type);
    if ((rc = mq_array_wrap(&a, (mq_dtype)view->type, view->rank, view->dims, (void *)(uintptr_t)view->data, NULL,
                            err)) != MQ_OK)
        return rc;
    if (mq_array_bytes(a) != view->n_bytes) {
        rc = mq_fail(err, MQ_ERR_INPUT, "input '%s': %zu bytes are given where its shape needs %zu", input, view->n_bytes,
                     mq_array_bytes(a));
        mq_array_unref(a);
        return rc;
    }
    mq_array_unref(x->in[i]);
    x->in[i] = a;
    return MQ_OK;
}

mq_status mq_execution_run(mq_execution *x, mq_error *err)
{
    mq_status rc;

    drop_outputs(x);
    rc = mq_runner_run(x->runner, x->in, x->out, err);
    x->ran = rc == MQ_OK;
    return rc;
}

mq_status mq_execution_get(const mq_execution *x, const char *output, mq_view *view, mq_error *err)
{
    const mq_plan *p = x->engine->plan;
    size_t i = 0;
    const mq_array *a;

    while (i < mq_plan_n_outputs(p) && strcmp(mq_plan_output(p, i)->name, output) != 0)
        i++;
    if (i == mq_plan_n_outputs(p))
        return mq_fail(err, MQ_ERR_USAGE, "the model has no output '%s'", output);
    if (!x->ran)
        return mq_fail(err, MQ_ERR_USAGE, "nothing has run yet");
    a = x->out[i];
    if (!a || a->kind != MQ_TYPE_TENSOR || a->dtype == MQ_STRING)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "output '%s' is no tensor of numbers", output);
    *view = (mq_view){ .type = (int)a->dtype, .rank = a->rank, .data = a->data, .n_bytes = mq_array_bytes(a) };
    memcpy(view->dims, a->dims, (size_t)a->rank * sizeof *a->dims);
    return MQ_OK;
}
