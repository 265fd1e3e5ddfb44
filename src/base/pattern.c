/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Patterns over names, with suggestions for those that match nothing. */
#include "base/pattern.h"

#include <fnmatch.h>
#include <regex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/map.h"
#include "base/vec.h"

struct pattern {
    char *text; /* as the user wrote it */
    regex_t regex;
    bool is_regex, used, exact; /* exact: some name is equal to the text */
    int index;
};

struct mq_patterns {
    const char *option;
    MQ_VEC(struct pattern) list;
    MQ_VEC(char *) names; /* offered, for suggestions */
    mq_map offered;
};

void mq_patterns_free(mq_patterns *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->list.n; i++) {
        free(p->list.items[i].text);
        if (p->list.items[i].is_regex)
            regfree(&p->list.items[i].regex);
    }
    for (size_t i = 0; i < p->names.n; i++)
        free(p->names.items[i]);
    mq_vec_release(&p->list);
    mq_vec_release(&p->names);
    mq_map_release(&p->offered);
    free(p);
}

static mq_status compile(struct pattern *pat, const char *option, mq_error *err)
{
    char reason[256], *whole = NULL;
    int rc;

    if (strncmp(pat->text, "re:", 3) != 0)
        return MQ_OK;
    if (asprintf(&whole, "^(%s)$", pat->text + 3) < 0)
        return mq_oom(err);
    rc = regcomp(&pat->regex, whole, REG_EXTENDED | REG_NOSUB);
    free(whole);
    if (rc != 0) {
        regerror(rc, &pat->regex, reason, sizeof reason);
        return mq_fail(err, MQ_ERR_USAGE, "%s: '%s' is no regular expression: %s", option, pat->text, reason);
    }
    pat->is_regex = true;
    return MQ_OK;
}

static mq_status add(mq_patterns *p, const char *text, int index, mq_error *err)
{
    struct pattern pat = { .text = strdup(text), .index = index };
    mq_status rc;

    if (!pat.text)
        return mq_oom(err);
    rc = compile(&pat, p->option, err);
    if (rc == MQ_OK && !mq_vec_push(&p->list, pat)) {
        if (pat.is_regex)
            regfree(&pat.regex);
        rc = mq_oom(err);
    }
    if (rc != MQ_OK)
        free(pat.text);
    return rc;
}

mq_status mq_patterns_create(mq_patterns **out, const char *option, const char *const *texts, size_t n, mq_error *err)
{
    mq_patterns *p = calloc(1, sizeof *p);
    mq_status rc = p ? MQ_OK : mq_oom(err);

    if (p)
        p->option = option;
    for (size_t i = 0; rc == MQ_OK && i < n; i++)
        rc = add(p, texts[i], (int)i, err);
    if (rc == MQ_OK)
        *out = p;
    else
        mq_patterns_free(p);
    return rc;
}

bool mq_patterns_any(const mq_patterns *p)
{
    return p && p->list.n > 0;
}

void mq_patterns_offer(mq_patterns *p, const char *name)
{
    char *copy;

    if (!mq_patterns_any(p) || mq_map_get(&p->offered, name))
        return;
    for (size_t i = 0; i < p->list.n; i++)
        if (strcmp(p->list.items[i].text, name) == 0)
            p->list.items[i].exact = true;
    /* without memory a suggestion is lost, nothing else */
    if (!(copy = strdup(name)))
        return;
    if (!mq_vec_push(&p->names, copy))
        free(copy);
    else
        mq_map_put(&p->offered, copy, copy);
}

static bool matches(const struct pattern *pat, const char *name)
{
    if (pat->exact)
        return strcmp(pat->text, name) == 0;
    if (pat->is_regex)
        return regexec(&pat->regex, name, 0, NULL, 0) == 0;
    return fnmatch(pat->text, name, FNM_NOESCAPE) == 0;
}

int mq_patterns_find(mq_patterns *p, const char *name)
{
    int found = -1;

    for (size_t i = 0; p && i < p->list.n; i++)
        if (matches(&p->list.items[i], name)) {
            p->list.items[i].used = true;
            found = p->list.items[i].index;
        }
    return found;
}

bool mq_patterns_match(mq_patterns *p, const char *name)
{
    return mq_patterns_find(p, name) >= 0;
}

/* Does it match a name that was offered and then not asked for? */
static bool is_there(const mq_patterns *p, const struct pattern *pat)
{
    for (size_t i = 0; i < p->names.n; i++)
        if (matches(pat, p->names.items[i]))
            return true;
    return false;
}

mq_status mq_patterns_check_used(const mq_patterns *p, mq_error *err)
{
    char hint[512];

    for (size_t i = 0; p && i < p->list.n; i++) {
        if (p->list.items[i].used)
            continue;
        if (is_there(p, &p->list.items[i]))
            return mq_fail(err, MQ_ERR_USAGE, "%s: '%s' matches nothing that the option is for", p->option,
                           p->list.items[i].text);
        mq_suggest(hint, sizeof hint, p->list.items[i].text, (const char *const *)p->names.items, p->names.n);
        return mq_fail(err, MQ_ERR_USAGE, "%s: '%s' matches nothing%s", p->option, p->list.items[i].text, hint);
    }
    return MQ_OK;
}

/* Levenshtein distance, cut to the first 63 characters of each. */
static int distance(const char *a, const char *b)
{
    enum { MAX = 64 };
    int row[MAX], n = (int)strnlen(b, MAX - 1), m = (int)strnlen(a, MAX - 1);

    for (int j = 0; j <= n; j++)
        row[j] = j;
    for (int i = 1; i <= m; i++) {
        int diagonal = row[0];
        row[0] = i;
        for (int j = 1; j <= n; j++) {
            int best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[n];
}

/* Lower is nearer; a name that contains the wanted one counts as near. */
static int farness(const char *wanted, const char *name)
{
    int d = distance(wanted, name);
    return *wanted && strstr(name, wanted) && d > 2 ? 2 : d;
}

void mq_suggest(char *out, size_t out_size, const char *wanted, const char *const *names, size_t n)
{
    enum { MOST = 3 };
    size_t best[MOST], n_best = 0;
    int limit = (int)strlen(wanted) / 3 + 1, far[MOST];
    int used = 0;

    for (size_t i = 0; i < n; i++) {
        int d = farness(wanted, names[i]);
        size_t at = n_best;
        bool known = d > limit;

        for (size_t k = 0; k < n_best; k++) /* symbols of several inputs */
            known |= strcmp(names[best[k]], names[i]) == 0;
        if (known)
            continue;
        while (at > 0 && far[at - 1] > d)
            at--;
        if (at == MOST)
            continue;
        for (size_t k = n_best < MOST ? n_best++ : MOST - 1; k > at; k--) {
            best[k] = best[k - 1];
            far[k] = far[k - 1];
        }
        best[at] = i;
        far[at] = d;
    }
    if (out_size)
        *out = '\0';
    for (size_t k = 0; k < n_best && used >= 0 && (size_t)used < out_size; k++)
        used += snprintf(out + used, out_size - (size_t)used, k ? ", '%.100s'" : " (did you mean '%.100s'",
                         names[best[k]]);
    if (n_best && used >= 0 && (size_t)used + 2 < out_size)
        strcat(out, "?)");
}
