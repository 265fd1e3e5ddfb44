/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What is left to gain from finer activations: the written model with 16 bits where it has 8, in the same ranges, beside the
 * original on the same data. */
#include <string.h>

#include "api/prove.h"
#include "graph/clone.h"
#include "passes/edges.h"
#include "quant/widen.h"
#include "report/report.h"

static void put_ceiling(mq_report *report, const mq_agreement *a)
{
    json_t *list = mq_report_section(report, "agreement"), *entry;
    size_t i;

    if (!a->is_output || *a->note)
        return;
    json_array_foreach(list, i, entry) {
        const char *name = json_string_value(json_object_get(entry, "tensor"));
        if (name && strcmp(name, a->name) == 0 && json_is_true(json_object_get(entry, "output")))
            mq_report_put_real(report, entry, "ceiling_db", a->sqnr);
    }
}

mq_status mq_prove_ceiling(const mq_proven *p, mq_error *err)
{
    mq_against_opts against = mq_against_opts_default();
    mq_hooks quiet = p->hooks ? *p->hooks : (mq_hooks){ 0 };
    mq_against_result *r = NULL;
    mq_model *wide = NULL;
    size_t n = 0;
    mq_status rc;

    quiet.warn = NULL; /* the data have been spoken of */
    against.source = *p->source;
    against.only_measure = true;
    MQ_TRY(mq_model_clone(&wide, p->written, err));
    MQ_TRY(mq_edges_to_float(wide, NULL, err)); /* they are activations, too */
    MQ_TRY(mq_quant_widen(wide, &n, err));
    if (n)
        MQ_TRY(mq_check_against(wide, p->original, &against, NULL, &quiet, &r, err));
    for (size_t i = 0; r && i < r->n_tensors; i++)
        put_ceiling(p->report, &r->tensors[i]);
done:
    mq_against_result_free(r);
    mq_model_free(wide);
    return rc == MQ_ERR_UNSUPPORTED ? MQ_OK : rc;
}
