/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Parts of the HTML form. Whatever comes from the document goes through mq_html_text: names are any bytes. */
#ifndef MQ_REPORT_HTML_H
#define MQ_REPORT_HTML_H

#include "report/internal.h"

/* Text for an element or a quoted attribute: nothing in it is markup. */
void mq_html_text(mq_str *out, const char *s);
/* The same as <code>, kept apart from the text around it in direction too. "" adds nothing. */
void mq_html_code(mq_str *out, const char *s);

typedef enum mq_html_kind {
    MQ_HTML_TEXT, MQ_HTML_NAME, MQ_HTML_LIST, MQ_HTML_BYTES, MQ_HTML_COUNT, MQ_HTML_REAL, MQ_HTML_SHARE, MQ_HTML_OK,
    MQ_HTML_SQNR, MQ_HTML_AGREEMENT, MQ_HTML_DECIBELS, MQ_HTML_SHAPE, MQ_HTML_HISTOGRAM,
    MQ_HTML_BAR,   /* a share as a bar, too */
    MQ_HTML_ASKED, /* a share; null: something else decided */
    MQ_HTML_YES,
} mq_html_kind;

/* A column of a table: which member of the entries it shows ("ms.median": a member of a member), and how. */
typedef struct mq_html_column {
    const char *head, *key;
    mq_html_kind kind;
} mq_html_column;

/* A table of a list of objects; columns end with a head of NULL, those without any value are left out. Nothing is added
 * for an empty list. */
void mq_html_table(mq_str *out, const json_t *list, const mq_html_column *columns);
/* The same under a heading, folded when it is long. */
void mq_html_section(mq_str *out, const char *title, const json_t *list, const mq_html_column *columns);
/* Any object as nested lists, under a heading and folded unless `open`. */
void mq_html_outline(mq_str *out, const char *title, const json_t *object, bool open);

/* Bars of `sqnr_db` of the entries that have one, in their order, as inline SVG; name: the key of the tensor's name;
 * the lowest stands out. Nothing is added for fewer than two. */
void mq_html_plot(mq_str *out, const char *title, const json_t *list, const char *name);

/* Curves of one training: `loss` and `metric` of its `epochs`, as inline SVG. Nothing is added for fewer than two. */
void mq_html_curves(mq_str *out, const json_t *training);

/* What a layer loses alone: `sqnr_db` and `metric` of its `points`, likewise. */
void mq_html_sensitivity(mq_str *out, const json_t *layer);

/* The histogram of an activation, its heights logarithmic; bins that the range of the integers clips stand out. */
void mq_html_histogram(mq_str *out, const json_t *entry);

#endif
