/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Option values to structs. Names may hold ':' and '=', and so may file names: a part counts as a name when the
 * model has it, and as a file when there is one. */
#include "data/parse.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/pattern.h"
#include "data/data.h"

bool mq_parse_size(const char *text, size_t n, int64_t *out)
{
    int64_t v = 0;

    for (size_t i = 0; i < n; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, text[i] - '0', &v))
            return false;
    }
    *out = v;
    return n > 0;
}

static char *copy_n(mq_arena *a, const char *s, size_t n)
{
    char *c = mq_arena_alloc(a, n + 1);

    if (c)
        memcpy(c, s, n);
    return c;
}

mq_status mq_parse_pair(const char **left, const char **right, mq_arena *a, const char *text, const char *option,
                        mq_error *err)
{
    const char *eq = strrchr(text, '=');

    if (!eq || eq == text || !eq[1])
        return mq_fail(err, MQ_ERR_USAGE, "%s '%s': write it as NAME=VALUE", option, text);
    *left = copy_n(a, text, (size_t)(eq - text));
    *right = copy_n(a, eq + 1, strlen(eq + 1));
    return *left && *right ? MQ_OK : mq_oom(err);
}

/* ---- random:N[,normal=MEAN/DEVIATION|,uniform=LOW/HIGH] ------------------------------------------------------------ */

static bool parse_two(const char *text, double *a, double *b)
{
    char *end;

    *a = strtod(text, &end);
    if (end == text || *end != '/')
        return false;
    text = end + 1;
    *b = strtod(text, &end);
    return end != text && !*end && isfinite(*a) && isfinite(*b);
}

/* "normal=0/1" */
static bool parse_distribution(mq_distribution *d, const char *text)
{
    if (strncmp(text, "normal=", 7) == 0) {
        d->spread = MQ_SPREAD_NORMAL;
        return parse_two(text + 7, &d->a, &d->b) && d->b >= 0;
    }
    if (strncmp(text, "uniform=", 8) == 0) {
        d->spread = MQ_SPREAD_UNIFORM;
        return parse_two(text + 8, &d->a, &d->b) && d->a <= d->b;
    }
    return false;
}

/* text is behind "random:". */
static mq_status parse_random(mq_source_spec *s, const char *text, const char *option, mq_error *err)
{
    const size_t n = strcspn(text, ",");
    int64_t rows;

    if (!mq_parse_size(text, n, &rows) || rows < 1)
        return mq_fail(err, MQ_ERR_USAGE, "%s '%s': random:N wants a number of samples from 1", option, s->text);
    if (text[n] && !parse_distribution(&s->dist, text + n + 1))
        return mq_fail(err, MQ_ERR_USAGE,
                       "%s '%s': write random:N, random:N,normal=MEAN/DEVIATION or random:N,uniform=LOW/HIGH",
                       option, s->text);
    s->n_random = (uint64_t)rows;
    return MQ_OK;
}

/* ---- sources ------------------------------------------------------------------------------------------------------ */

/* Behind the '=' of the longest input name that the text begins with; NULL: none. */
static const char *behind_name(const char *text, const char *const *names, size_t n_names, int *input)
{
    const char *rest = NULL;
    size_t longest = 0;

    for (size_t i = 0; i < n_names; i++) {
        const size_t n = strlen(names[i]);

        if (n > longest && strncmp(text, names[i], n) == 0 && text[n] == '=') {
            longest = n;
            rest = text + n + 1;
            *input = (int)i;
        }
    }
    return rest;
}

/* Cuts KEY off, when the whole is no file and there is a ':' behind a name that is one or looks like one. */
static mq_status split_key(mq_source_spec *s, mq_arena *a, const char *text, mq_error *err)
{
    static const char *const forms[] = { ".npz", ".npy", ".jsonl" };
    const char *colon = access(text, F_OK) == 0 ? NULL : strchr(text, ':');

    for (; colon; colon = strchr(colon + 1, ':')) {
        const size_t n = (size_t)(colon - text);
        char *path = copy_n(a, text, n);
        bool is_file;

        if (!path)
            return mq_oom(err);
        is_file = n > 0 && access(path, F_OK) == 0;
        for (size_t i = 0; i < 3; i++)
            is_file |= n > strlen(forms[i]) && strcasecmp(path + n - strlen(forms[i]), forms[i]) == 0;
        if (is_file) {
            s->path = path;
            s->key = copy_n(a, colon + 1, strlen(colon + 1));
            return s->key ? MQ_OK : mq_oom(err);
        }
    }
    s->path = copy_n(a, text, strlen(text));
    return s->path ? MQ_OK : mq_oom(err);
}

mq_status mq_parse_source(mq_source_spec *s, mq_arena *a, const char *text, const char *const *names, size_t n_names,
                          const char *option, mq_error *err)
{
    const char *rest = NULL, *eq;
    mq_status rc;

    *s = (mq_source_spec){ .text = text, .input = -1 };
    if (access(text, F_OK) != 0)
        rest = behind_name(text, names, n_names, &s->input);
    rest = rest ? rest : text;
    if (strncmp(rest, "random:", 7) == 0)
        return parse_random(s, rest + 7, option, err);
    if (!*rest)
        return mq_fail(err, MQ_ERR_USAGE, "%s '%s' names no file", option, text);
    if ((rc = split_key(s, a, rest, err)) != MQ_OK)
        return rc;
    eq = s->input < 0 ? strchr(s->path, '=') : NULL;
    if (eq && access(s->path, F_OK) != 0) {
        char near[200], *name = copy_n(a, s->path, (size_t)(eq - s->path));

        if (!name)
            return mq_oom(err);
        mq_suggest(near, sizeof near, name, names, n_names);
        return mq_fail(err, MQ_ERR_USAGE, "%s '%s': there is no such file, and the model has no input '%s'%s", option, text,
                       name, near);
    }
    return MQ_OK;
}

/* ---- fills -------------------------------------------------------------------------------------------------------- */

mq_status mq_parse_fill(const char **pattern, mq_fill *f, mq_arena *a, const char *text, mq_error *err)
{
    static const char *const words[] = { "zeros", "ones", "range", "empty", "random" };
    const char *value;
    char *end;
    mq_status rc = mq_parse_pair(pattern, &value, a, text, "--fill", err);

    *f = (mq_fill){ 0 };
    if (rc != MQ_OK)
        return rc;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(value, words[i]) == 0) {
            f->kind = (mq_fill_kind)i;
            return MQ_OK;
        }
    f->kind = MQ_FILL_NUMBER;
    f->number = strtod(value, &end);
    if (end == value || *end || !isfinite(f->number))
        return mq_fail(err, MQ_ERR_USAGE, "--fill '%s': the value is zeros, ones, range, empty, random or a number", text);
    return MQ_OK;
}
