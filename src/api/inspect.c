/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq_inspect: the order of its parts. Cheap ones first; weights are read last, and only when they are few or asked for. */
#include "mq/inspect.h"

#include <stdlib.h>

#include "api/inspect_parts.h"
#include "base/threads.h"
#include "graph/verify.h"
#include "report/report.h"

/* What mq_inspection_free frees: the public part stands first. */
typedef struct owner {
    mq_inspection pub;
    mq_arena *arena;
} owner;

mq_inspect_opts mq_inspect_opts_default(void)
{
    return (mq_inspect_opts){ .read_limit = (uint64_t)64 << 20 };
}

void mq_inspection_free(mq_inspection *in)
{
    owner *o = (owner *)in;

    if (!o)
        return;
    mq_arena_free(o->arena);
    free(o);
}

static mq_status count_errors(mq_inspect_ctx *c, mq_error *err)
{
    mq_findings fs = { 0 };
    mq_status rc = mq_model_verify_structure(c->model, &fs, err);

    c->out->n_errors = fs.n_errors;
    mq_findings_release(&fs);
    return rc;
}

/* What needs shapes: inferred for the sizes asked for, with the model's own declarations put back afterwards. */
static mq_status inspect_shapes(mq_inspect_ctx *c, mq_error *err)
{
    mq_type **declared = NULL;
    mq_status rc = mq_inspect_bind(c, &declared, err);

    if (rc != MQ_OK)
        return rc;
    MQ_TRY(mq_infer_model(c->model, NULL, NULL, err));
    MQ_TRY(mq_inspect_cost(c, err));
    MQ_TRY(mq_inspect_ops(c, err));
    MQ_TRY(mq_inspect_node_list(c, err));
done:
    mq_inspect_unbind(c, declared);
    return rc;
}

static mq_status inspect(mq_inspect_ctx *c, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (!c->model->graph)
        return mq_fail(err, MQ_ERR_INPUT, "the model has no graph");
    MQ_TRY(count_errors(c, err));
    MQ_TRY(mq_inspect_overview(c, err));
    MQ_TRY(mq_inspect_weights(c, err));
    MQ_TRY(mq_inspect_files(c, err));
    MQ_TRY(mq_inspect_targets(c, err));
    MQ_TRY(inspect_shapes(c, err));
    MQ_TRY(mq_inspect_tensor_list(c, err));
    MQ_TRY(mq_inspect_zeros(c, err));
    MQ_TRY(mq_inspect_next(c, err));
done:
    return rc;
}

mq_status mq_inspect(mq_model *model, const mq_inspect_opts *opts, mq_report *report, const mq_hooks *hooks,
                     mq_inspection **out, mq_error *err)
{
    const mq_inspect_opts standard = mq_inspect_opts_default();
    mq_hooks own_hooks = hooks ? *hooks : (mq_hooks){ 0 };
    owner *o = calloc(1, sizeof *o);
    mq_inspect_ctx c = { .model = model, .opts = opts ? opts : &standard, .hooks = &own_hooks };
    mq_status rc = MQ_OK;

    own_hooks.n_threads = mq_threads(own_hooks.n_threads); /* looked up once, not for each tensor */
    if (!o || !(o->arena = mq_arena_create()))
        MQ_TRY(mq_oom(err));
    c.arena = o->arena;
    c.out = &o->pub;
    MQ_TRY(mq_census_take(&c.census, model, err));
    MQ_TRY(inspect(&c, err));
    mq_inspect_fill_report(c.out, report);
    MQ_TRY(mq_report_status(report, err));
    *out = &o->pub;
    o = NULL;
done:
    mq_census_release(&c.census);
    if (o)
        mq_inspection_free(&o->pub);
    return rc;
}
