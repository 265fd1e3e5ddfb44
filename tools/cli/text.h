/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Text for people: tables, bars, numbers with units, colour where it is wanted. Output is UTF-8. */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "mq/status.h"

/* Prints text with control characters made visible ("\x1b"): names out of a model may hold anything. Line
 * breaks too. */
void cli_put_safe(FILE *f, const char *text);

/* Columns of the terminal behind f; 80 when it is none. */
int cli_width(FILE *f);
/* f is a terminal and NO_COLOR is not set. */
bool cli_colour(FILE *f);

typedef enum cli_style { STYLE_BOLD, STYLE_DIM, STYLE_RED, STYLE_GREEN, STYLE_YELLOW, N_STYLES } cli_style;
/* The escape that begins a style, or ends all styles; "" when f shows no colour. */
const char *cli_style_on(FILE *f, cli_style style);
const char *cli_style_off(FILE *f);

/* Room for one formatted number. */
typedef struct cli_num {
    char s[32];
} cli_num;

/* "345 B", "1.2 kB", "97.8 MB" (powers of 1000, as disks and file managers count). cli_bytes(n).s is the text. */
cli_num cli_bytes(uint64_t bytes);
/* "1,234,567". */
cli_num cli_count(uint64_t n);
/* "1.23 M", "4.12 G": counts that need no last digit (parameters, MACs). */
cli_num cli_short_count(uint64_t n);
/* "26.1%"; "<0.1%" for what would round to nothing. */
cli_num cli_percent(double ratio);

/* A table: columns as wide as their widest cell, two blanks between. align: one letter per column, 'l' or
 * 'r'. Memory that runs out is remembered and makes print return false. */
typedef struct cli_table cli_table;
cli_table *cli_table_create(const char *align); /* NULL: out of memory (the others accept it) */
/* One row: as many strings as there are columns, copied. */
void cli_table_row(cli_table *t, ...);
/* Prints with `indent` blanks before each line; a last column of 'l' that does not fit is cut with "…" on a
 * terminal. */
bool cli_table_print(const cli_table *t, FILE *f, int indent);
void cli_table_free(cli_table *t);

/* A bar of at most `width` columns for a ratio of 0 to 1, in eighths of a column. buf needs 3 * width + 1 bytes. */
const char *cli_bar(char *buf, size_t size, double ratio, int width);

/* A histogram drawn as one line of ▁▂▃▄▅▆▇█, one per count, the largest full; a count over zero is never
 * blank. buf needs 3 * n + 1 bytes. */
const char *cli_sparkline(char *buf, size_t size, const uint64_t *counts, size_t n);

#endif
