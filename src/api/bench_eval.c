/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --eval-cmd of mq bench: the user's command measures each model, the first one too. */
#include "api/bench_parts.h"
#include "api/eval_cmd.h"

mq_status mq_bench_eval(mq_bench_job *j, mq_error *err)
{
    const mq_bench_opts *o = j->opts;
    const mq_eval e = { .command = o->eval_cmd, .reference = j->entries[0].path, .metric = o->metric, .hooks = j->hooks };
    double first = 0;

    if (!o->eval_cmd)
        return MQ_OK;
    for (size_t i = 0; i < j->n_entries; i++) {
        mq_bench_metric *m = mq_arena_alloc(j->arena, sizeof *m);
        mq_status rc = m ? mq_eval_run(&e, j->entries[i].path, &m->value, err) : mq_oom(err);

        if (rc != MQ_OK)
            return rc;
        if (!(m->name = mq_arena_strdup(j->arena, o->metric ? o->metric : "eval")))
            return mq_oom(err);
        first = i ? first : m->value;
        m->known = m->main = true;
        m->lower_is_better = o->lower_is_better;
        m->has_drop = i > 0;
        m->drop.value = m->drop.lo = m->drop.hi = i ? mq_eval_drop(first, m->value, o->lower_is_better) : 0;
        j->entries[i].out->metrics = m;
        j->entries[i].out->n_metrics = 1;
        mq_progress(j->hooks, "evaluate", i + 1, j->n_entries);
    }
    return MQ_OK;
}
