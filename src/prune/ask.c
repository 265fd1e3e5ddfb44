/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "prune/ask.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"

enum { MAX_GROUP = 64, MAX_BLOCK = 1024 };

struct mq_prune_ask {
    mq_patterns *patterns; /* of "PATTERN=RATIO" */
    char **texts;
    double *ratios;
    size_t n;
    double common;         /* of all others */
    double only;           /* that the pattern allows beside 0; negative: any */
};

void mq_prune_ask_free(mq_prune_ask *a)
{
    if (!a)
        return;
    mq_patterns_free(a->patterns);
    for (size_t i = 0; i < a->n; i++)
        free(a->texts[i]);
    free(a->texts);
    free(a->ratios);
    free(a);
}

bool mq_prune_by_bounds(const mq_prune_opts *o)
{
    const mq_bench_bounds *b = &o->bounds.limits;

    return !o->sparsity.n && o->threshold < 0 && o->nonzeros < 0 && !strchr(o->pattern, ':') &&
           (b->has_drop || b->has_metric || b->has_sqnr);
}

uint64_t mq_prune_count(double ratio, uint64_t n)
{
    return (uint64_t)nearbyint(ratio * (double)n);
}

/* "0.5" or "50%", from 0 to below 1. */
static bool read_ratio(const char *text, double *out)
{
    char *end;
    double x = strtod(text, &end);

    if (end == text)
        return false;
    if (*end == '%') {
        x /= 100;
        end++;
    }
    *out = x;
    return !*end && x >= 0 && x < 1;
}

static mq_status add(mq_prune_ask *a, const char *text, mq_error *err)
{
    const char *eq = strrchr(text, '='), *number = eq ? eq + 1 : text;
    double ratio;

    if (eq == text || !read_ratio(number, &ratio))
        return mq_fail(err, MQ_ERR_USAGE, "--sparsity: '%s' is no share of at least 0 and below 1 (as 0.5, 50%% or "
                                          "PATTERN=0.5)", text);
    if (!(a->only < 0) && ratio > 0 && fabs(ratio - a->only) > 1e-9)
        return mq_fail(err, MQ_ERR_USAGE, "--sparsity %s: --pattern says that it is %.6g", text, a->only);
    if (!eq) {
        a->common = ratio;
        return MQ_OK;
    }
    if (!(a->texts[a->n] = strndup(text, (size_t)(eq - text))))
        return mq_oom(err);
    a->ratios[a->n++] = ratio;
    return MQ_OK;
}

/* Is the one number there that says how many zeros? A pattern N:M says it by itself. */
static mq_status check_opts(const mq_prune_opts *o, mq_error *err)
{
    const int n = (o->sparsity.n > 0) + !(o->threshold < 0) + (o->nonzeros >= 0);
    const bool groups = strchr(o->pattern, ':') != NULL;

    if (groups && (!(o->threshold < 0) || o->nonzeros >= 0))
        return mq_fail(err, MQ_ERR_USAGE, "--pattern %s says how many zeros there are: %s contradicts it", o->pattern,
                       o->nonzeros >= 0 ? "--nonzeros" : "--threshold");
    if (n > 1)
        return mq_fail(err, MQ_ERR_USAGE, "--sparsity, --threshold and --nonzeros contradict each other");
    if (n == 0 && !groups && !mq_prune_by_bounds(o))
        return mq_fail(err, MQ_ERR_USAGE, "--sparsity, --threshold or --nonzeros has to say how many weights go, or a bound "
                                          "how far: --max-drop, --min-metric, --min-sqnr");
    if (groups && o->sensitivity)
        return mq_fail(err, MQ_ERR_USAGE, "--pattern %s leaves no choice of ratios: --sensitivity has no effect",
                       o->pattern);
    if (!(o->threshold < 0) && (!isfinite(o->threshold) || o->method > MQ_PRUNE_L2))
        return mq_fail(err, MQ_ERR_USAGE, "--threshold is a magnitude for --method l1 or l2");
    if (groups && o->scope == MQ_PRUNE_GLOBAL)
        return mq_fail(err, MQ_ERR_USAGE, "--pattern %s is the same in every layer: --scope global has no effect",
                       o->pattern);
    return MQ_OK;
}

mq_status mq_prune_ask_create(mq_prune_ask **out, const mq_prune_plan *plan, mq_error *err)
{
    const mq_prune_opts *o = plan->opts;
    mq_prune_ask *a = calloc(1, sizeof *a);
    mq_status rc = MQ_OK;

    if (!a)
        return mq_oom(err);
    MQ_TRY(check_opts(o, err));
    a->only = plan->kind == MQ_PRUNE_GROUPS ? (double)(plan->of - plan->keep) / (double)plan->of : -1;
    a->common = !(a->only < 0) ? a->only : mq_prune_by_bounds(o) ? 0.5 : 0; /* until it is found */
    a->texts = calloc(o->sparsity.n + 1, sizeof *a->texts);
    a->ratios = calloc(o->sparsity.n + 1, sizeof *a->ratios);
    if (!a->texts || !a->ratios) {
        rc = mq_oom(err);
        goto done;
    }
    for (size_t i = 0; i < o->sparsity.n; i++)
        MQ_TRY(add(a, o->sparsity.items[i], err));
    MQ_TRY(mq_patterns_create(&a->patterns, "--sparsity", (const char *const *)a->texts, a->n, err));
    *out = a;
    a = NULL;
done:
    mq_prune_ask_free(a);
    return rc;
}

void mq_prune_ask_offer(mq_prune_ask *a, const mq_value *weight)
{
    mq_patterns_offer(a->patterns, weight->name);
}

bool mq_prune_ask_find(mq_prune_ask *a, const mq_value *weight, double *ratio)
{
    const int i = mq_patterns_find(a->patterns, weight->name);

    *ratio = i < 0 ? a->common : a->ratios[i];
    return i >= 0;
}

mq_status mq_prune_ask_check(const mq_prune_ask *a, mq_error *err)
{
    return mq_patterns_check_used(a->patterns, err);
}

/* Two counts with `sign` between them. */
static bool read_pair(const char *text, char sign, size_t *a, size_t *b)
{
    int end = 0;
    char between = 0;

    return strspn(text, "0123456789:x") == strlen(text) && sscanf(text, "%4zu%c%4zu%n", a, &between, b, &end) == 3 &&
           between == sign && text[end] == '\0';
}

mq_status mq_prune_ask_pattern(mq_prune_plan *plan, mq_error *err)
{
    const char *text = plan->opts->pattern;

    plan->kind = MQ_PRUNE_KEYS;
    if (strcmp(text, "none") == 0)
        return MQ_OK;
    if (read_pair(text, ':', &plan->keep, &plan->of) && plan->keep > 0 && plan->keep < plan->of && plan->of <= MAX_GROUP) {
        plan->kind = MQ_PRUNE_GROUPS;
        return MQ_OK;
    }
    if (read_pair(text, 'x', &plan->rows, &plan->cols) && plan->rows > 0 && plan->cols > 0 && plan->rows <= MAX_BLOCK &&
        plan->cols <= MAX_BLOCK) {
        plan->kind = plan->rows * plan->cols > 1 ? MQ_PRUNE_BLOCKS : MQ_PRUNE_KEYS;
        return MQ_OK;
    }
    return mq_fail(err, MQ_ERR_USAGE, "--pattern: '%s' is none of none, N:M (N of M stay, M up to %d), RxC (up to %d)", text,
                   MAX_GROUP, MAX_BLOCK);
}
