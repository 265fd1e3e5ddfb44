/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Mending and refusing models before they are changed or run. */
#include "api/sound.h"

#include <string.h>

#include "base/error.h"
#include "graph/verify.h"
#include "mq/check.h"
#include "ops/ops.h"

mq_status mq_sound_mend(mq_model *m, const char *place, const mq_hooks *hooks, mq_error *err)
{
    size_t n_moved = 0, n_domains = 0;
    mq_status rc;

    if (!m->graph)
        return MQ_OK;
    for (size_t i = 0; i < m->opsets.n; i++) {
        const char *norm = mq_domain_norm(m->opsets.items[i].domain);
        n_domains += strcmp(m->opsets.items[i].domain, norm) != 0;
        m->opsets.items[i].domain = norm;
    }
    for (size_t i = 0; i < m->graphs.n; i++)
        for (mq_node *n = m->graphs.items[i]->first; n; n = n->next) {
            n_domains += strcmp(n->domain, mq_domain_norm(n->domain)) != 0;
            n->domain = mq_domain_norm(n->domain);
        }
    if (n_domains)
        mq_warn(hooks, "domain-mended", place, "the domain 'ai.onnx' is written as '' in %zu places", n_domains);
    if ((rc = mq_graph_sort(m->graph, &n_moved, err)) != MQ_OK) {
        mq_error_prefix(err, "%s", place);
        return rc;
    }
    if (n_moved)
        mq_warn(hooks, "nodes-sorted", place, "nodes were not in order: %zu are moved", n_moved);
    return rc;
}

mq_status mq_sound_check(mq_model *m, const char *place, const char *but, const mq_hooks *hooks, mq_error *err)
{
    mq_check_result *result = NULL;
    mq_status rc = mq_check(m, NULL, NULL, hooks, &result, err);

    if (rc != MQ_OK)
        return rc;
    for (size_t i = 0; i < result->n_findings; i++) {
        const mq_finding *f = &result->findings[i];
        if (f->severity != MQ_SEVERITY_ERROR || (but && strcmp(f->code, but) == 0))
            continue;
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: %s%s%s (%zu error%s: mq check %s)", place, f->place,
                     *f->place ? ": " : "", f->text, result->n_errors, result->n_errors == 1 ? "" : "s in all", place);
        break;
    }
    mq_check_result_free(result);
    return rc;
}
