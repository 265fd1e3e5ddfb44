/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq_diff: the list of src/convert/diff.c as a result and in the report. */
#include "mq/diff.h"

#include <stdlib.h>

#include "convert/diff.h"
#include "report/report.h"

#define MOST_KEPT 1000

/* The result and what its strings live in. */
typedef struct holder {
    mq_diff_result result;
    mq_arena *arena;
} holder;

void mq_diff_result_free(mq_diff_result *result)
{
    if (result)
        mq_arena_free(((holder *)result)->arena); /* its first member */
}

static const char *verb_of(char sign)
{
    return sign == '-' ? "removed" : sign == '+' ? "added" : "changed";
}

static mq_status fill(holder *h, const mq_differences *d, mq_report *report, mq_error *err)
{
    mq_diff_entry *list = mq_arena_calloc(h->arena, d->items.n + 1, sizeof *list);
    const size_t n = d->n_removed + d->n_added + d->n_changed;

    if (!list)
        return mq_oom(err);
    for (size_t i = 0; i < d->items.n; i++) {
        const mq_difference *e = &d->items.items[i];
        const char *code = mq_arena_printf(h->arena, "%s-%s", e->code, verb_of(e->sign));

        if (!code)
            return mq_oom(err);
        list[i] = (mq_diff_entry){ e->sign, e->code, e->place, e->text };
        mq_report_add_finding(report, MQ_REPORT_ERROR, code, e->place, e->text);
    }
    if (n > d->items.n) {
        const char *text = mq_arena_printf(h->arena, "%zu more differences are not listed", n - d->items.n);

        mq_report_add_finding(report, MQ_REPORT_ERROR, "more", "", text ? text : "");
    }
    h->result = (mq_diff_result){ n == 0, list, d->items.n, d->n_removed, d->n_added, d->n_changed };
    return mq_report_status(report, err);
}

mq_status mq_diff(mq_model *first, mq_model *second, mq_report *report, const mq_hooks *hooks, mq_diff_result **out,
                  mq_error *err)
{
    mq_arena *arena = mq_arena_create();
    holder *h = arena ? mq_arena_alloc(arena, sizeof *h) : NULL;
    mq_differences d = { .arena = arena, .most = MOST_KEPT };
    mq_status rc = h ? mq_diff_models(&d, first, second, hooks, err) : mq_oom(err);

    if (rc == MQ_OK) {
        h->arena = arena;
        rc = fill(h, &d, report, err);
    }
    if (rc != MQ_OK) {
        mq_arena_free(arena);
        return rc;
    }
    *out = &h->result;
    return MQ_OK;
}
