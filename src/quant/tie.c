/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "quant/tie.h"

#include <string.h>

enum { CHUNK = 4096 };

/* Is a the transposed matrix of b, number for number? NaN is equal to itself here: bits are compared. */
static mq_status is_transposed(const mq_source *a, const mq_source *b, bool *yes, mq_error *err)
{
    static const int64_t swap[2] = { 1, 0 };
    const void *a_bytes = NULL, *b_bytes = NULL;
    float x[CHUNK], y[CHUNK];
    mq_source turned = *b;
    mq_status rc = MQ_OK;

    *yes = false;
    if (a->n_dims != 2 || b->n_dims != 2 || a->dims[0] != b->dims[1] || a->dims[1] != b->dims[0] ||
        a->tensor->dtype != b->tensor->dtype)
        return MQ_OK;
    MQ_TRY(mq_tensor_bytes(a->tensor, &a_bytes, err));
    MQ_TRY(mq_tensor_bytes(b->tensor, &b_bytes, err));
    mq_source_transpose(&turned, swap);
    for (size_t at = 0; at < (size_t)a->n; at += CHUNK) {
        size_t n = (size_t)a->n - at < CHUNK ? (size_t)a->n - at : CHUNK;
        if (memcmp(mq_source_read(a, a_bytes, at, n, x), mq_source_read(&turned, b_bytes, at, n, y), n * sizeof *x) != 0)
            goto done;
    }
    *yes = true;
done:
    mq_source_done_with(a, 0, (size_t)a->n);
    mq_source_done_with(b, 0, (size_t)b->n);
    return rc;
}

/* Can `it` use the integers of the embedding `e`: one scale per row there is one per output channel here? */
static bool may_tie(const mq_quant_item *it, const mq_quant_item *e)
{
    return it->stay == MQ_STAY_NOT && e->stay == MQ_STAY_NOT && it != e && !it->embedding &&
           e->treatment == MQ_TREAT_EMBEDDING && it->treatment == MQ_TREAT_DEQUANTIZE &&
           it->weight.grid.kind == e->weight.grid.kind && it->weight.scheme.type == e->weight.scheme.type &&
           it->weight.source.n_dims == 2 && it->axis != 0 && e->weight.source.n_dims == 2 &&
           it->value->graph == e->value->graph &&
           it->weight.scheme.scale_type == e->weight.scheme.scale_type;
}

/* Would both become the same integers? */
static bool same_settings(const mq_weight *a, const mq_weight *b)
{
    const mq_scheme *s = &a->scheme, *t = &b->scheme;
    size_t n = a->grid.n_scales;

    if (s->symmetric != t->symmetric || s->q_min != t->q_min || s->q_max != t->q_max || n != b->grid.n_scales ||
        (a->scales != NULL) != (b->scales != NULL))
        return false;
    for (size_t i = 0; a->scales && i < n; i++)
        if (a->scales[i] != b->scales[i] || a->zero_points[i] != b->zero_points[i])
            return false;
    return true;
}

/* What overrides say about tying two that hold the same numbers. */
static mq_status obey(const mq_overrides *o, const mq_quant_item *it, const mq_quant_item *e, bool *tie, mq_error *err)
{
    *tie = !mq_overrides_find(o, it->value->name) || same_settings(&it->weight, &e->weight);
    if (!*tie && mq_overrides_find(o, e->value->name))
        return mq_fail(err, MQ_ERR_USAGE,
                       "--overrides %s: '%s' and '%s' hold the same numbers and are stored once: give both the same "
                       "settings", o->path, e->value->name, it->value->name);
    return MQ_OK;
}

mq_status mq_quant_tie(mq_quant_plan *plan, const mq_overrides *overrides, const mq_hooks *hooks, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < plan->items.n; i++) {
        mq_quant_item *e = plan->items.items[i];
        for (size_t k = 0; e->embedding && k < plan->items.n; k++) {
            mq_quant_item *it = plan->items.items[k];
            bool same = false;
            if (!may_tie(it, e) || it->tied)
                continue;
            MQ_TRY(mq_check_cancelled(hooks, err));
            MQ_TRY(is_transposed(&it->weight.source, &e->weight.source, &same, err));
            if (same)
                MQ_TRY(obey(overrides, it, e, &same, err));
            if (same) {
                it->tied = e;
                it->bytes_after = 0;
            }
        }
    }
done:
    return rc;
}
