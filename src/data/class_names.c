/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reads names of classes. What is not understood is no error: the text was never promised to be such a list. */
#include "data/class_names.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/error.h"
#include "model/onnx_info.h"

typedef struct reader {
    const char *at;
    mq_arena *arena;
    const char **names; /* of n */
    size_t n, n_found, n_beyond; /* beyond: numbers from n on */
    bool no_memory;
} reader;

static void skip_blanks(reader *r)
{
    while (isspace((unsigned char)*r->at))
        r->at++;
}

static bool take(reader *r, char c)
{
    skip_blanks(r);
    if (*r->at != c)
        return false;
    r->at++;
    return true;
}

static void put(reader *r, size_t number, const char *name)
{
    if (number >= r->n) {
        r->n_beyond++;
        return;
    }
    r->n_found += !r->names[number];
    r->names[number] = name;
}

/* ---- strings ------------------------------------------------------------------------------------------------------- */

/* As many hexadecimal digits as stand there, at most `most`. */
static uint32_t hex(const char **at, int most)
{
    uint32_t code = 0;

    for (int i = 0; i < most && isxdigit((unsigned char)**at); i++, ++*at)
        code = code << 4 | (uint32_t)(isdigit((unsigned char)**at) ? **at - '0' : (**at | 0x20) - 'a' + 10);
    return code;
}

/* Never longer than the escape it was written as. */
static char *put_utf8(char *to, uint32_t code)
{
    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        code = '?';
    if (code < 0x80) {
        *to++ = iscntrl((int)code) ? ' ' : (char)code;
        return to;
    }
    if (code < 0x800) {
        *to++ = (char)(0xc0 | code >> 6);
    } else {
        if (code < 0x10000) {
            *to++ = (char)(0xe0 | code >> 12);
        } else {
            *to++ = (char)(0xf0 | code >> 18);
            *to++ = (char)(0x80 | (code >> 12 & 0x3f));
        }
        *to++ = (char)(0x80 | (code >> 6 & 0x3f));
    }
    *to++ = (char)(0x80 | (code & 0x3f));
    return to;
}

/* What stands behind a backslash. */
static char *unescape(const char **at, char *to)
{
    const char c = *(*at)++;
    uint32_t code;

    switch (c) {
    case 'x': return put_utf8(to, hex(at, 2));
    case 'U': return put_utf8(to, hex(at, 8));
    case 'u':
        code = hex(at, 4);
        if (code >= 0xd800 && code < 0xdc00 && (*at)[0] == '\\' && (*at)[1] == 'u') {
            *at += 2;
            code = 0x10000 + ((code - 0xd800) << 10) + ((hex(at, 4) - 0xdc00) & 0x3ff);
        }
        return put_utf8(to, code);
    case 'b': case 'f': case 'n': case 'r': case 't': *to = ' '; return to + 1;
    default: *to = c; return to + 1;
    }
}

/* A string in quotes of either kind; NULL: there is none, or no memory. */
static const char *quoted(reader *r)
{
    const char *end, *at;
    char *name, *to;
    char quote;

    skip_blanks(r);
    quote = *r->at;
    if (quote != '\'' && quote != '"')
        return NULL;
    for (end = ++r->at; *end && *end != quote; end++)
        end += *end == '\\' && end[1];
    if (!*end)
        return NULL;
    if (!(name = to = mq_arena_alloc(r->arena, (size_t)(end - r->at) + 1))) {
        r->no_memory = true;
        return NULL;
    }
    for (at = r->at; at < end;) {
        if (*at == '\\' && ++at)
            to = unescape(&at, to);
        else
            *to++ = iscntrl((unsigned char)*at) ? (at++, ' ') : *at++;
    }
    *to = '\0';
    r->at = end + 1;
    return name;
}

/* ---- lists and dicts ----------------------------------------------------------------------------------------------- */

/* The number of a class: digits, in quotes or not. */
static bool number(reader *r, size_t *out)
{
    char quote, *end;

    skip_blanks(r);
    quote = *r->at;
    if (quote == '\'' || quote == '"')
        r->at++;
    if (!isdigit((unsigned char)*r->at))
        return false;
    *out = strtoul(r->at, &end, 10);
    r->at = end;
    return (quote != '\'' && quote != '"') || *r->at++ == quote;
}

/* Items up to `close`, with their numbers before them or in order; a comma may stand behind the last. */
static bool items(reader *r, char close, bool numbered)
{
    for (size_t count = 0; !take(r, close); count++) {
        size_t at = count;
        const char *name;

        if (count && !take(r, ','))
            return false;
        if (count && take(r, close))
            break;
        if (numbered && (!number(r, &at) || !take(r, ':')))
            return false;
        if (!(name = quoted(r)))
            return false;
        put(r, at, name);
    }
    skip_blanks(r);
    return !*r->at;
}

/* ---- plain text ---------------------------------------------------------------------------------------------------- */

/* Names between commas, or in lines when there are several. */
static bool plain(reader *r)
{
    const char *separators = strchr(r->at, '\n') ? "\n" : ",";

    for (size_t count = 0;; count++) {
        const char *end = r->at + strcspn(r->at, separators), *stop = end;
        char *name;

        while (r->at < end && isspace((unsigned char)*r->at))
            r->at++;
        while (stop > r->at && isspace((unsigned char)stop[-1]))
            stop--;
        if (stop == r->at)
            return !*end && count; /* nothing but behind the last separator */
        if (!(name = mq_arena_printf(r->arena, "%.*s", (int)(stop - r->at), r->at))) {
            r->no_memory = true;
            return false;
        }
        for (char *c = name; *c; c++)
            *c = iscntrl((unsigned char)*c) ? ' ' : *c;
        put(r, count, name);
        if (!*end)
            return true;
        r->at = end + 1;
    }
}

mq_status mq_class_names_parse(const char *text, size_t n, bool seen, mq_arena *arena, const char ***out, mq_error *err)
{
    reader r = { .at = text, .arena = arena, .n = n, .names = mq_arena_calloc(arena, n + 1, sizeof *r.names) };
    bool good;

    if (!r.names)
        return mq_oom(err);
    if (take(&r, '{'))
        good = items(&r, '}', true);
    else if (take(&r, '['))
        good = items(&r, ']', false);
    else if (take(&r, '('))
        good = items(&r, ')', false);
    else
        good = strlen(text) <= INT32_MAX && plain(&r) && !r.n_beyond;
    if (r.no_memory)
        return mq_oom(err);
    if (good && n && r.n_found == n && (seen || !r.n_beyond))
        *out = r.names;
    return MQ_OK;
}

mq_status mq_class_names(const mq_model *m, size_t n, bool seen, mq_arena *arena, const char ***out, mq_error *err)
{
    static const char *const keys[] = { "names", "labels", "classes", "class_names", "id2label" };
    mq_status rc = MQ_OK;

    *out = NULL;
    for (size_t k = 0; k < MQ_ARRAY_LEN(keys); k++)
        for (size_t i = 0; i < mq_onnx_n_metadata(m) && !*out && rc == MQ_OK; i++) {
            const char *key, *value;

            mq_onnx_metadata(m, i, &key, &value);
            if (strcmp(key, keys[k]) == 0)
                rc = mq_class_names_parse(value, n, seen, arena, out, err);
        }
    return rc;
}
