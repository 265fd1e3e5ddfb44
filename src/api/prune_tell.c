/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the report says of pruned weights, and what is warned about. */
#include <math.h>

#include "api/prune_job.h"
#include "model/sparse.h"
#include "report/report.h"

/* A layer that loses more than this in a global scope is hardly a layer any more. */
#define LOST 0.95

static double share(uint64_t part, uint64_t whole)
{
    return whole ? (double)part / (double)whole : 0;
}

/* The decision in words of the options. */
static void put_options(mq_report *r, json_t *to, const mq_prune_opts *o)
{
    static const char *const methods[] = { "l1", "l2", "random", "max", "min", "geomedian", "wanda", "sparsegpt",
                                           "taylor", "activation" };

    mq_report_put_text(r, to, "method", methods[o->method]);
    mq_report_put_text(r, to, "scope", o->scope == MQ_PRUNE_GLOBAL ? "global" : "layer");
    mq_report_put_text(r, to, "pattern", o->pattern);
}

static void put_tensor(mq_prune_job *j, json_t *list, const mq_prune_item *it)
{
    mq_report *r = j->job.report;
    const mq_prune_stats *s = &it->stats;
    const mq_prune_opts *o = j->opts;
    json_t *to = mq_report_append(r, list);

    mq_report_put_text(r, to, "name", it->constant->name);
    mq_report_put_text(r, to, "op_type", it->op_type);
    mq_report_put_dims(r, to, "shape", it->view.tensor->dims, it->view.tensor->n_dims);
    if (o->threshold < 0 && o->nonzeros < 0 && (it->own || o->scope == MQ_PRUNE_LAYER))
        mq_report_put_real(r, to, "asked", it->ratio);
    else
        mq_report_put_null(r, to, "asked");
    mq_report_put_real(r, to, "sparsity", share(s->zeros, s->n));
    mq_report_put_real(r, to, "sparsity_before", share(s->zeros_before, s->n));
    mq_report_put_real(r, to, "kept_norm", s->energy_before > 0 ? sqrt(s->energy / s->energy_before) : 1);
    mq_prune_worth_add(j, to, it->view.tensor->dtype, s->n, s->zeros, it->constant->sparse != NULL);
}

static void add_changed(mq_report *r, const mq_prune_item *it)
{
    const mq_tensor *t = it->view.tensor;
    const uint64_t bytes = (uint64_t)mq_tensor_size(t);
    const uint64_t sparse = mq_sparse_bytes(mq_dtype_bits(t->dtype), it->stats.n - it->stats.zeros);

    mq_report_add_changed(r, &(mq_report_changed){ .name = it->constant->name, .nodes = it->users, .n_nodes = it->n_users,
                                                   .treatment = "pruned", .from = t->dtype, .to = t->dtype, .dims = t->dims,
                                                   .n_dims = t->n_dims, .axis = -1, .bytes_before = bytes,
                                                   .bytes_after = it->constant->sparse ? sparse : bytes });
}

static mq_status add_kept(const mq_prune_job *j, const mq_prune_item *it)
{
    const mq_tensor *t = it->constant->sparse ? it->constant->sparse->values : mq_value_constant(it->constant, true);
    const char *reason = mq_arena_printf(j->job.model->arena, "%s%s%s", mq_prune_stay_text(it->stay),
                                         *it->stay_detail ? " " : "", it->stay_detail);
    const int64_t bytes = t ? mq_tensor_size(t) : 0;

    if (!reason)
        return mq_oom(j->job.err);
    mq_report_add_kept(j->job.report, &(mq_report_kept){ .name = it->constant->name, .node = it->users[0],
                                                     .op_type = it->op_type, .type = t ? t->dtype : MQ_UNDEFINED,
                                                     .bytes = bytes > 0 ? (uint64_t)bytes : 0,
                                                     .code = mq_prune_stay_code(it->stay), .reason = reason });
    return MQ_OK;
}

/* Float parameters of the whole model. */
static uint64_t count_parameters(const mq_model *m)
{
    uint64_t n = 0;

    for (size_t g = 0; g < m->graphs.n; g++)
        for (size_t i = 0; i < m->graphs.items[g]->inits.n; i++) {
            const mq_value *v = m->graphs.items[g]->inits.items[i];
            const mq_tensor t = v->init ? *v->init : (mq_tensor){ .dtype = v->sparse->values->dtype,
                                                                  .n_dims = v->sparse->n_dims, .dims = v->sparse->dims };
            n += mq_dtype_is_float(t.dtype) && mq_tensor_count(&t) > 0 ? (uint64_t)mq_tensor_count(&t) : 0;
        }
    return n;
}

/* ---- warnings ------------------------------------------------------------------------------------------------------ */

static void warn_rest(const mq_prune_job *j, const mq_prune_item *it)
{
    const uint64_t depth = (uint64_t)it->view.dims[it->reduce_axis], rest = depth % j->plan.of;

    if (rest)
        mq_warn(j->job.hooks, "pattern-rest", it->constant->name,
                "weight '%s': products are summed over %llu, no multiple of %zu: of the last %llu, %llu stay",
                it->constant->name, (unsigned long long)depth, j->plan.of, (unsigned long long)rest,
                (unsigned long long)(rest < j->plan.keep ? rest : j->plan.keep));
}

static mq_status warn_about(const mq_prune_job *j, const mq_prune_item *it)
{
    const mq_prune_stats *s = &it->stats;
    const bool common = j->opts->scope == MQ_PRUNE_GLOBAL && !it->own;

    if (s->n_nan)
        mq_warn(j->job.hooks, "weight-nonfinite", it->constant->name, "weight '%s' has %llu NaN, which go last",
                it->constant->name, (unsigned long long)s->n_nan);
    if (j->plan.kind == MQ_PRUNE_GROUPS)
        warn_rest(j, it);
    if (s->zeros == s->n && s->zeros_before < s->n && !common)
        return mq_fail(j->job.err, MQ_ERR_USAGE, "nothing would be left of weight '%s' (%llu elements): ask for less",
                       it->constant->name, (unsigned long long)s->n);
    if (common && share(s->zeros, s->n) > LOST)
        mq_warn(j->job.hooks, "layer-lost", it->constant->name,
                "weight '%s' loses %.1f %% with --scope global: layers of different scale are better compared with "
                "themselves (--scope layer)", it->constant->name, 100 * share(s->zeros, s->n));
    return MQ_OK;
}

/* ---- all ----------------------------------------------------------------------------------------------------------- */

mq_status mq_prune_tell(mq_prune_job *j)
{
    mq_report *r = j->job.report;
    json_t *section = mq_report_section(r, "prune"), *list;
    uint64_t n = 0, zeros = 0, parameters = count_parameters(j->job.model);
    mq_status rc = MQ_OK;

    put_options(r, section, j->opts);
    if (j->structured) {
        MQ_TRY(mq_prune_structure_tell(j, section));
        return mq_prune_worth_tell(j);
    }
    list = mq_report_array(r, section, "tensors");
    for (size_t i = 0; i < j->plan.items.n; i++) {
        const mq_prune_item *it = j->plan.items.items[i];
        if (it->stay) {
            MQ_TRY(add_kept(j, it));
            continue;
        }
        MQ_TRY(warn_about(j, it));
        put_tensor(j, list, it);
        add_changed(r, it);
        n += it->stats.n;
        zeros += it->stats.zeros;
    }
    mq_report_put_int(r, section, "elements", (int64_t)n);
    mq_report_put_int(r, section, "zeros", (int64_t)zeros);
    mq_report_put_real(r, section, "sparsity", share(zeros, n));
    mq_report_put_real(r, section, "model_sparsity", share(zeros, parameters > n ? parameters : n));
    MQ_TRY(mq_prune_worth_tell(j));
    MQ_TRY(mq_report_status(r, j->job.err));
done:
    return rc;
}
