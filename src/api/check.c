/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq_check: runs the checks of each room in turn and hands their findings over. Rules are theirs, not ours. */
#include "mq/check.h"

#include <stdlib.h>

#include "data/data.h"
#include "graph/verify.h"
#include "model/wire_check.h"
#include "ops/check.h"
#include "ops/targets.h"
#include "report/report.h"

/* The result and what its strings live in. */
typedef struct holder {
    mq_check_result result;
    mq_findings findings;
} holder;

mq_check_opts mq_check_opts_default(void)
{
    return (mq_check_opts){ .target = "onnx" };
}

const char *const *mq_check_targets(void)
{
    return mq_target_names();
}

void mq_check_result_free(mq_check_result *result)
{
    holder *h = (holder *)result; /* its first member */

    if (!h)
        return;
    mq_findings_release(&h->findings);
    free(h);
}

static size_t count_nodes(const mq_graph *g)
{
    size_t n = g->n_nodes;

    for (const mq_node *node = g->first; node; node = node->next)
        for (size_t i = 0; i < node->n_attrs; i++)
            for (size_t k = 0; node->attrs[i]->graphs && k < node->attrs[i]->n; k++)
                n += count_nodes(node->attrs[i]->graphs[k]);
    return n;
}

static void describe(mq_check_result *r, const mq_model *m)
{
    r->ir_version = m->ir_version;
    if (!mq_opset_import(&m->opsets, "", &r->opset))
        r->opset = 0;
    r->n_nodes = m->graph ? count_nodes(m->graph) : 0;
    for (size_t i = 0; i < m->n_functions; i++)
        r->n_nodes += count_nodes(m->functions[i]->body);
}

static mq_status check_all(mq_model *m, const mq_target *target, const mq_hooks *hooks, holder *h, mq_error *err)
{
    mq_findings *fs = &h->findings;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_wire_check(m, fs, err));
    MQ_TRY(mq_model_verify_structure(m, fs, err));
    MQ_TRY(mq_check_operators(m, fs, err));
    MQ_TRY(mq_check_cancelled(hooks, err));
    MQ_TRY(mq_check_types(m, fs, err));
    h->result.valid = !fs->n_errors;
    MQ_TRY(mq_check_target(m, target, fs, err));
done:
    return rc;
}

static void tell(mq_report *report, const mq_findings *fs)
{
    for (size_t i = 0; i < fs->list.n; i++) {
        const mq_finding *f = &fs->list.items[i];

        mq_report_add_finding(report, f->severity == MQ_SEVERITY_ERROR ? MQ_REPORT_ERROR : MQ_REPORT_WARNING, f->code,
                              f->place, f->text);
    }
}

mq_status mq_check(mq_model *model, const mq_check_opts *opts, mq_report *report, const mq_hooks *hooks,
                   mq_check_result **out, mq_error *err)
{
    mq_status rc = MQ_OK;
    const mq_check_opts o = opts ? *opts : mq_check_opts_default();
    const mq_target *target = mq_target_find(o.target ? o.target : "onnx");
    holder *h = NULL;

    if (!target)
        return mq_fail(err, MQ_ERR_USAGE,
                       "target '%s' is not known; it can be onnx, onnxruntime, tensorrt, c or portable",
                       o.target);
    if (!(h = calloc(1, sizeof *h)))
        return mq_oom(err);
    if (o.n_shapes || o.n_dims)
        MQ_TRY(mq_shapes_apply(model, o.shapes, o.n_shapes, o.dims, o.n_dims, err));
    MQ_TRY(check_all(model, target, hooks, h, err));
    describe(&h->result, model);
    h->result.findings = h->findings.list.items;
    h->result.n_findings = h->findings.list.n;
    h->result.n_errors = h->findings.n_errors;
    h->result.n_warnings = h->findings.n_warnings;
    h->result.ok = !h->findings.n_errors && !(o.strict && h->findings.n_warnings);
    tell(report, &h->findings);
    MQ_TRY(mq_report_status(report, err));
    *out = &h->result;
    h = NULL;
done:
    mq_check_result_free(h ? &h->result : NULL);
    return rc;
}
