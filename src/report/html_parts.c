/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the HTML form is made of: text that cannot be markup, tables by column, nested lists. */
#include <stdio.h>
#include <string.h>

#include "report/html.h"

enum {
    LONG_TABLE = 40, /* rows; longer ones are folded */
    DEEPEST = 12,    /* levels of nested lists */
};

void mq_html_text(mq_str *out, const char *s)
{
    size_t n;

    for (; *s; s += n + 1) {
        unsigned char c;
        for (n = 0; (c = (unsigned char)s[n]) >= 0x20 && c != 0x7f && !strchr("&<>\"'", c);)
            n++;
        mq_str_add_n(out, s, n);
        if (c == '\0')
            return;
        if (c < 0x20 || c == 0x7f)
            mq_str_add(out, " ");
        else
            mq_str_addf(out, "&#%d;", c);
    }
}

void mq_html_code(mq_str *out, const char *s)
{
    if (!*s)
        return;
    mq_str_add(out, "<code>");
    mq_html_text(out, s);
    mq_str_add(out, "</code>");
}

static void scalar(mq_str *out, const json_t *v)
{
    mq_str_add_scalar(out, v, mq_html_code);
}

/* ---- tables ------------------------------------------------------------------------------------------------------- */

/* The object that holds the last part of the path "ms.median"; *key becomes that part. */
static const json_t *holder(const json_t *entry, const char **key)
{
    const char *dot = strchr(*key, '.');
    char first[32];

    if (!dot)
        return entry;
    snprintf(first, sizeof first, "%.*s", (int)(dot - *key), *key);
    *key = dot + 1;
    return json_object_get(entry, first);
}

static void several(mq_str *out, const json_t *list)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        mq_str_add(out, i ? ", " : "");
        scalar(out, json_array_get(list, i));
    }
}

static void real(mq_str *out, const json_t *v, bool share)
{
    if (json_is_number(v))
        mq_str_addf(out, share ? "%.3g%%" : "%.6g", json_number_value(v) * (share ? 100 : 1));
    else if (v)
        mq_str_add(out, "not finite");
}

static void integer(mq_str *out, const json_t *v, bool is_size)
{
    const int64_t n = json_integer_value(v);

    if (!json_is_integer(v))
        return;
    if (n < 0)
        mq_str_addf(out, "%lld", (long long)n);
    else if (is_size)
        mq_str_add_bytes(out, (uint64_t)n);
    else
        mq_str_add_count(out, (uint64_t)n);
}

static void bar(mq_str *out, const json_t *v)
{
    const double share = json_number_value(v);

    if (!json_is_number(v))
        return;
    mq_str_addf(out, "<div class=\"share\"><i style=\"width:%.1f%%\"></i></div>%.1f%%", 100 * share, 100 * share);
}

static void cell(mq_str *out, const json_t *entry, const mq_html_column *column)
{
    const char *key = column->key;
    const json_t *e = holder(entry, &key), *v = json_object_get(e, key);

    switch (column->kind) {
    case MQ_HTML_TEXT: mq_html_text(out, mq_json_get_text(e, key)); break;
    case MQ_HTML_NAME: mq_html_code(out, mq_json_get_text(e, key)); break;
    case MQ_HTML_LIST: several(out, v); break;
    case MQ_HTML_BAR: bar(out, v); break;
    case MQ_HTML_ASKED: real(out, json_is_null(v) ? NULL : v, true); break;
    case MQ_HTML_YES: mq_str_add(out, json_is_true(v) ? "yes" : ""); break;
    case MQ_HTML_BYTES: integer(out, v, true); break;
    case MQ_HTML_COUNT: integer(out, v, false); break;
    case MQ_HTML_REAL: real(out, v, false); break;
    case MQ_HTML_SHARE: real(out, v, true); break;
    case MQ_HTML_OK:
        if (json_is_true(v))
            mq_str_add(out, "<b class=\"pass\">✓</b>");
        else if (!json_is_false(json_object_get(e, "output"))) /* inside a graph nothing is asked of a tensor */
            mq_str_add(out, "<b class=\"fail\">✗</b>");
        break;
    case MQ_HTML_SQNR: mq_str_add_sqnr(out, e); break;
    case MQ_HTML_AGREEMENT:
        if (v)
            mq_str_add_agreement(out, e);
        break;
    case MQ_HTML_DECIBELS:
        if (json_is_number(v))
            mq_str_addf(out, "%.2f dB", json_number_value(v));
        else if (v)
            mq_str_add(out, json_is_true(json_object_get(e, "not_finite")) ? "not finite" : "equal");
        break;
    case MQ_HTML_HISTOGRAM: mq_html_histogram(out, e); break;
    case MQ_HTML_SHAPE: mq_str_add_shape(out, v); break;
    }
}

static bool is_figure(mq_html_kind kind)
{
    return kind != MQ_HTML_TEXT && kind != MQ_HTML_NAME && kind != MQ_HTML_LIST && kind != MQ_HTML_OK &&
           kind != MQ_HTML_HISTOGRAM && kind != MQ_HTML_YES;
}

/* A bit for each column that has something to show in some entry. */
static unsigned columns_used(const json_t *list, const mq_html_column *columns)
{
    unsigned used = 0;

    for (size_t c = 0; columns[c].head; c++)
        for (size_t i = 0; i < json_array_size(list) && !(used & 1u << c); i++) {
            const char *key = columns[c].key;
            const json_t *e = holder(json_array_get(list, i), &key);
            const json_t *v = json_object_get(e, key);
            used |= v && !(columns[c].kind == MQ_HTML_ASKED && json_is_null(v)) ? 1u << c : 0;
        }
    return used;
}

void mq_html_table(mq_str *out, const json_t *list, const mq_html_column *columns)
{
    const unsigned used = columns_used(list, columns);

    if (!json_array_size(list))
        return;
    mq_str_add(out, "<div class=\"wide\"><table>\n<tr>");
    for (size_t c = 0; columns[c].head; c++)
        if (used & 1u << c)
            mq_str_addf(out, "<th%s>%s</th>", is_figure(columns[c].kind) ? " class=\"n\"" : "", columns[c].head);
    mq_str_add(out, "</tr>\n");
    for (size_t i = 0; i < json_array_size(list) && !out->failed; i++) {
        mq_str_add(out, "<tr>");
        for (size_t c = 0; columns[c].head; c++)
            if (used & 1u << c) {
                mq_str_add(out, is_figure(columns[c].kind) ? "<td class=\"n\">" : "<td>");
                cell(out, json_array_get(list, i), &columns[c]);
                mq_str_add(out, "</td>");
            }
        mq_str_add(out, "</tr>\n");
    }
    mq_str_add(out, "</table></div>\n");
}

/* A heading that folds what follows up to </details>. */
static void fold(mq_str *out, const char *title, size_t n, bool open)
{
    mq_str_addf(out, "<details%s><summary><h2>%s", open ? " open" : "", title);
    if (n) {
        mq_str_add(out, " (");
        mq_str_add_count(out, n);
        mq_str_add(out, ")");
    }
    mq_str_add(out, "</h2></summary>\n");
}

void mq_html_section(mq_str *out, const char *title, const json_t *list, const mq_html_column *columns)
{
    const size_t n = json_array_size(list);

    if (!n)
        return;
    fold(out, title, n, n <= LONG_TABLE);
    mq_html_table(out, list, columns);
    mq_str_add(out, "</details>\n");
}

/* ---- nested lists ------------------------------------------------------------------------------------------------- */

static bool is_scalar(const json_t *v)
{
    return !json_is_object(v) && !json_is_array(v);
}

/* "1, 3, 224, 224" for an array of scalars; false for any other. */
static bool scalars(mq_str *out, const json_t *v)
{
    const size_t n = json_array_size(v);

    for (size_t i = 0; i < n; i++)
        if (!is_scalar(json_array_get(v, i)))
            return false;
    several(out, v);
    return json_is_array(v);
}

static void list_of(mq_str *out, const json_t *v, int level);

static void item(mq_str *out, const char *key, const json_t *v, int level)
{
    mq_str_add(out, "<li>");
    if (key) {
        mq_html_text(out, key);
        mq_str_add(out, ": ");
    }
    if (is_scalar(v))
        scalar(out, v);
    else if (!scalars(out, v))
        list_of(out, v, level + 1);
    mq_str_add(out, "</li>\n");
}

static void list_of(mq_str *out, const json_t *v, int level)
{
    json_t *object = (json_t *)v; /* iterating takes a plain pointer */

    if (level > DEEPEST) {
        mq_str_add(out, "…");
        return;
    }
    mq_str_add(out, "<ul>\n");
    for (void *it = json_object_iter(object); it && !out->failed; it = json_object_iter_next(object, it))
        item(out, json_object_iter_key(it), json_object_iter_value(it), level);
    for (size_t i = 0; i < json_array_size(v) && !out->failed; i++)
        item(out, NULL, json_array_get(v, i), level);
    mq_str_add(out, "</ul>\n");
}

void mq_html_outline(mq_str *out, const char *title, const json_t *object, bool open)
{
    if (!json_object_size(object))
        return;
    fold(out, title, 0, open);
    list_of(out, object, 0);
    mq_str_add(out, "</details>\n");
}
