/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Parts of the Markdown form. */
#ifndef MQ_REPORT_MARKDOWN_H
#define MQ_REPORT_MARKDOWN_H

#include "report/internal.h"

/* A sentence inside a table or a paragraph: nothing in it is markup, and nobody is mentioned by it. */
void mq_md_prose(mq_str *out, const char *s);
/* A name as code. A backquote would end it and is shown as an apostrophe; '|' would end the cell. */
void mq_md_code(mq_str *out, const char *s);
/* Takes back what was written after `keep` bytes. */
void mq_md_cut(mq_str *out, size_t keep);

/* A row of a table is written by one of these. */
typedef void (*mq_md_row)(mq_str *out, const json_t *entry);

/* A table of a list of objects; rows that do not fit in `budget` bytes are counted in a line behind it. */
void mq_md_table(mq_str *out, const json_t *list, const char *head, mq_md_row row, size_t budget);
/* The same, folded, under a title; nothing for an empty list. */
void mq_md_folded_table(mq_str *out, const char *title, const json_t *list, const char *head, mq_md_row row, size_t budget);
/* Any object as nested lists; nothing for an empty one. */
void mq_md_folded_outline(mq_str *out, const char *title, const json_t *section, size_t budget, bool open);

/* The section `prune`, NULL when there is none: a few sentences, and a table of at most `budget` bytes. */
void mq_md_pruned(mq_str *out, const json_t *prune, size_t budget);
/* What a search by bounds tried and chose; NULL: nothing. */
void mq_md_searched(mq_str *out, const json_t *search, size_t budget);

#endif
