/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --precision: sizes of activations found on data, the change itself, and what the report says of it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "api/convert_job.h"
#include "api/running.h"
#include "ops/ops.h"

static mq_dtype type_of(const mq_convert_opts *o)
{
    switch (o->precision) {
    case MQ_PRECISION_FP16: return MQ_FLOAT16;
    case MQ_PRECISION_BF16: return MQ_BFLOAT16;
    case MQ_PRECISION_FP32: return MQ_FLOAT;
    default: return MQ_UNDEFINED;
    }
}

/* 8 bits of mantissa lose 48 dB at each step, 11 bits 66. */
double mq_convert_expected_sqnr(const mq_convert_opts *o)
{
    switch (o->precision) {
    case MQ_PRECISION_FP16:
    case MQ_PRECISION_FP32: return 40;
    case MQ_PRECISION_BF16: return 20;
    default: return 80;
    }
}

/* ---- activations --------------------------------------------------------------------------------------------------- */

/* Keeps the least and the largest size of a tensor's values. */
static mq_status watch(void *user, const mq_value *value, mq_array *a, mq_error *err)
{
    mq_convert_job *j = user;
    double *range = mq_map_get(&j->seen, value->name);

    if (a->kind != MQ_TYPE_TENSOR || a->dtype != MQ_FLOAT)
        return MQ_OK;
    if (!range) {
        if (!(range = mq_arena_calloc(j->job.model->arena, 2, sizeof *range)) ||
            !mq_map_put(&j->seen, mq_arena_strdup(j->job.model->arena, value->name), range))
            return mq_oom(err);
        range[0] = INFINITY;
    }
    for (size_t i = 0; i < a->count; i++) {
        const double x = fabs((double)((const float *)a->data)[i]);

        if (x > 0 && x < range[0])
            range[0] = x;
        if (isfinite(x) && x > range[1])
            range[1] = x;
    }
    return MQ_OK;
}

static mq_status run_all(mq_convert_job *j, mq_running *r, mq_dataset *ds)
{
    const mq_data_call *call = NULL;
    mq_status rc = MQ_OK;

    for (;;) {
        MQ_TRY(mq_check_cancelled(j->job.hooks, j->job.err));
        MQ_TRY(mq_dataset_next(ds, &call, j->job.err));
        if (!call)
            break;
        MQ_TRY(mq_running_run(r, call->in, j->job.err));
        MQ_TRY(mq_dataset_carry(ds, r->out, j->job.err));
    }
done:
    return rc;
}

/* Runs the model on the data it is given, every tensor watched. */
static mq_status see(mq_convert_job *j)
{
    const mq_data_source *s = &j->opts->seen_on;
    const mq_plan_opts o = { .keep_all = true };
    mq_running r = { 0 };
    mq_dataset *ds = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_running_open(&r, j->job.model, &o, j->job.hooks, j->job.err));
    mq_runner_watch(r.runner, watch, j);
    MQ_TRY(mq_source_open(&ds, s, r.inputs, r.n_in, r.outputs, r.n_out, j->job.hooks, j->job.err));
    MQ_TRY(run_all(j, &r, ds));
    mq_source_warn(s, ds, j->job.hooks);
done:
    mq_dataset_free(ds);
    mq_running_close(&r);
    return rc;
}

/* ---- the change ---------------------------------------------------------------------------------------------------- */

mq_status mq_convert_change_precision(mq_convert_job *j)
{
    mq_precision *p = &j->precision;
    mq_error *err = j->job.err;
    mq_status rc = MQ_OK;

    if (j->opts->precision == MQ_PRECISION_KEEP)
        return MQ_OK;
    *p = (mq_precision){ .to = type_of(j->opts), .keep_io = j->opts->keep_io_types, .which = j->which,
                         .hooks = j->job.hooks };
    if (j->opts->seen_on.n_data && p->to != MQ_FLOAT) {
        MQ_TRY(see(j));
        p->seen = &j->seen;
    }
    MQ_TRY(mq_infer_model(j->job.model, NULL, NULL, err));
    rc = mq_precision_apply(j->job.model, p, err);
done:
    return rc;
}

mq_status mq_convert_give_types(const mq_convert_job *j, mq_model *original, mq_error *err)
{
    const mq_dtype to = type_of(j->opts);
    size_t n = 0;
    mq_status rc = MQ_OK;

    if (j->opts->precision == MQ_PRECISION_KEEP || j->opts->keep_io_types)
        return MQ_OK;
    if (to != MQ_FLOAT)
        return mq_precision_cast_inputs(original, MQ_FLOAT, to, MQ_FLOAT, &n, err);
    MQ_TRY(mq_precision_cast_inputs(original, MQ_FLOAT16, MQ_FLOAT, MQ_FLOAT16, &n, err));
    MQ_TRY(mq_precision_cast_inputs(original, MQ_BFLOAT16, MQ_FLOAT, MQ_BFLOAT16, &n, err));
done:
    return rc;
}

/* ---- report -------------------------------------------------------------------------------------------------------- */

static uint64_t bytes_of(const mq_precision_item *it, mq_dtype t)
{
    uint64_t bytes = 0;

    mq_dtype_bytes(t, (uint64_t)it->count, &bytes);
    return bytes;
}

static void report_item(const mq_convert_job *j, const mq_precision_item *it)
{
    const char *label = it->node ? mq_node_label(it->node) : "";

    if (it->from == it->to) {
        mq_report_add_kept(j->job.report, &(mq_report_kept){ .name = it->value->name, .node = label,
                                                             .op_type = it->node ? it->node->op_type : "", .type = it->from,
                                                             .bytes = bytes_of(it, it->from), .code = it->code,
                                                             .reason = it->why });
        return;
    }
    mq_report_add_changed(j->job.report,
                          &(mq_report_changed){ .name = it->value->name, .nodes = &label, .n_nodes = it->node != NULL,
                                                .treatment = "precision", .from = it->from, .to = it->to, .dims = it->dims,
                                                .n_dims = it->n_dims, .axis = -1, .has_error = it->measured,
                                                .sqnr_db = it->sqnr, .max_abs_error = it->max_error,
                                                .clipped = 0, .bytes_before = bytes_of(it, it->from),
                                                .bytes_after = bytes_of(it, it->to) });
}

/* One warning for each: the report lists them by name, the summary counts them. */
static void warn_of_activations(const mq_convert_job *j)
{
    const mq_precision *p = &j->precision;

    for (size_t i = 0; i < p->outside.n; i++) {
        const mq_precision_outside *o = &p->outside.items[i];

        mq_warn(j->job.hooks, o->overflows ? "activation-overflow" : "activation-flush", o->value->name,
                "values of '%s' of size %.4g at most were seen, %s %s: what makes or reads it stays float", o->value->name,
                o->largest, o->overflows ? "beyond the range of" : "too small for", mq_dtype_name(p->to));
    }
}

void mq_convert_report_precision(const mq_convert_job *j)
{
    const mq_precision *p = &j->precision;
    size_t n_over = 0, n_lost = 0;
    const char *first = "";
    char note[200];

    if (j->opts->precision == MQ_PRECISION_KEEP)
        return;
    for (size_t i = 0; i < p->items.n; i++) {
        const mq_precision_item *it = &p->items.items[i];

        report_item(j, it);
        first = it->from == it->to && !*first ? it->value->name : first;
        n_over += it->from == it->to && it->overflowed;
        n_lost += it->from == it->to && !it->overflowed;
    }
    if (n_over + n_lost)
        mq_warn(j->job.hooks, "precision-kept", first,
                "%zu constants beyond the range of %s and %zu lost below it stay float, with the nodes that read them (as "
                "'%s')",
                n_over, mq_dtype_name(p->to), n_lost, first);
    warn_of_activations(j);
    if (p->to == MQ_FLOAT)
        snprintf(note, sizeof note, "everything is float again");
    else
        snprintf(note, sizeof note, "%zu nodes compute in %s, %zu in float, with %zu Cast between them", p->n_half,
                 mq_dtype_name(p->to), p->n_full, p->n_casts);
    mq_report_set_mode(j->job.report, mq_dtype_name(p->to), note);
}

void mq_convert_release_precision(mq_convert_job *j)
{
    mq_precision_release(&j->precision);
    mq_map_release(&j->seen);
}
