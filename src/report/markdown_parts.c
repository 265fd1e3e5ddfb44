/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the Markdown form is made of: text that cannot be markup, tables and lists that end where their budget does. */
#include <string.h>

#include "report/markdown.h"

enum { CELL_MAX = 160 }; /* bytes of one cell before escaping */

/* Bytes of s that fit in max without splitting a character. */
static size_t fitting(const char *s, size_t max)
{
    size_t n = strlen(s);

    if (n <= max)
        return n;
    for (n = max; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
        ;
    return n;
}

void mq_md_prose(mq_str *out, const char *s)
{
    size_t n = fitting(s, 2 * CELL_MAX);

    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == 0x7f)
            mq_str_add(out, " ");
        else if (c == '<' || c == '>' || c == '&' || c == '@')
            mq_str_addf(out, "&#%d;", c);
        else if (strchr("\\`*_[]|#~!$", c))
            mq_str_addf(out, "\\%c", c);
        else
            mq_str_add_n(out, s + i, 1);
    }
    if (s[n])
        mq_str_add(out, "…");
}

void mq_md_code(mq_str *out, const char *s)
{
    size_t n = fitting(s, CELL_MAX);

    if (n == 0)
        return;
    mq_str_add(out, "`");
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c < 0x20 || c == 0x7f)
            mq_str_add(out, " ");
        else if (c == '`')
            mq_str_add(out, "'");
        else if (c == '|')
            mq_str_add(out, "\\|");
        else
            mq_str_add_n(out, s + i, 1);
    }
    mq_str_add(out, s[n] ? "…`" : "`");
}

void mq_md_cut(mq_str *out, size_t keep)
{
    out->n = keep;
    out->s[keep] = '\0';
}

void mq_md_table(mq_str *out, const json_t *list, const char *head, mq_md_row row, size_t budget)
{
    size_t n = json_array_size(list), i, end = out->n + budget, columns = 0, good;

    mq_str_addf(out, "%s\n|", head);
    for (const char *p = head; *p; p++)
        columns += *p == '|';
    for (i = 1; i < columns; i++)
        mq_str_add(out, " --- |");
    mq_str_add(out, "\n");
    for (i = 0, good = out->n; i < n && !out->failed; i++) {
        row(out, json_array_get(list, i));
        if (out->n > end) {
            mq_md_cut(out, good);
            break;
        }
        good = out->n;
    }
    if (i < n) {
        mq_str_add(out, "\n… and ");
        mq_str_add_count(out, n - i);
        mq_str_add(out, " more\n");
    }
    mq_str_add(out, "\n");
}

void mq_md_folded_table(mq_str *out, const char *title, const json_t *list, const char *head, mq_md_row row, size_t budget)
{
    if (!json_array_size(list))
        return;
    mq_str_addf(out, "<details><summary>%s (", title);
    mq_str_add_count(out, json_array_size(list));
    mq_str_add(out, ")</summary>\n\n");
    mq_md_table(out, list, head, row, budget);
    mq_str_add(out, "</details>\n\n");
}

/* ---- anything else: options, what inspect tells, measured --------------------------------------------------------- */

static void scalar(mq_str *out, const json_t *v)
{
    mq_str_add_scalar(out, v, mq_md_code);
}

/* "1, 3, 224, 224" for an array of scalars; false for any other. */
static bool scalars(mq_str *out, const json_t *v)
{
    size_t n = json_array_size(v);

    for (size_t i = 0; i < n; i++)
        if (json_is_object(json_array_get(v, i)) || json_is_array(json_array_get(v, i)))
            return false;
    for (size_t i = 0; i < n && i < CELL_MAX; i++) {
        mq_str_add(out, i ? ", " : "");
        scalar(out, json_array_get(v, i));
    }
    return json_is_array(v);
}

/* "name: load, seconds: 0.1" for an object of scalars; false for any other. */
static bool scalar_members(mq_str *out, const json_t *v)
{
    json_t *object = (json_t *)v; /* iterating takes a plain pointer */
    const char *comma = "";

    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it))
        if (json_is_object(json_object_iter_value(it)) || json_is_array(json_object_iter_value(it)))
            return false;
    for (void *it = json_object_iter(object); it; it = json_object_iter_next(object, it)) {
        mq_str_add(out, comma);
        mq_md_prose(out, json_object_iter_key(it));
        mq_str_add(out, " ");
        scalar(out, json_object_iter_value(it));
        comma = ", ";
    }
    return json_is_object(v);
}

/* A list item for each member, indented by level, until `end` bytes are reached; false then. */
static bool outline(mq_str *out, const char *key, const json_t *v, int level, size_t end)
{
    enum { DEEPEST = 6 };
    json_t *object = (json_t *)v; /* iterating takes a plain pointer */
    size_t good = out->n;
    bool inside = false, fits = true; /* inside: the members become items of their own */

    mq_str_addf(out, "%*s- ", 2 * level, "");
    if (key) {
        mq_md_prose(out, key);
        mq_str_add(out, ": ");
    }
    if (!json_is_object(v) && !json_is_array(v))
        scalar(out, v);
    else
        inside = !scalars(out, v) && !scalar_members(out, v);
    mq_str_add(out, "\n");
    if (out->failed || out->n > end || level > DEEPEST) {
        if (!out->failed)
            mq_md_cut(out, good);
        return false;
    }
    for (void *it = json_object_iter(object); inside && it && fits; it = json_object_iter_next(object, it))
        fits = outline(out, json_object_iter_key(it), json_object_iter_value(it), level + 1, end);
    for (size_t i = 0; inside && i < json_array_size(v) && fits; i++)
        fits = outline(out, NULL, json_array_get(v, i), level + 1, end);
    return fits;
}

void mq_md_folded_outline(mq_str *out, const char *title, const json_t *section, size_t budget, bool open)
{
    json_t *object = (json_t *)section; /* iterating takes a plain pointer */
    size_t end = out->n + budget;
    bool fits = true;

    if (!json_object_size(section))
        return;
    mq_str_addf(out, "<details%s><summary>%s</summary>\n\n", open ? " open" : "", title);
    for (void *it = json_object_iter(object); it && fits; it = json_object_iter_next(object, it))
        fits = outline(out, json_object_iter_key(it), json_object_iter_value(it), 0, end);
    mq_str_add(out, fits ? "\n</details>\n\n" : "\n… and more (the JSON report has all of it)\n\n</details>\n\n");
}
