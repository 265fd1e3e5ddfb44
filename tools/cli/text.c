/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Presentation only: knows nothing about models. A column is a code point; wide characters and combining
 * marks are counted as one, which costs alignment and nothing else. */
#include "cli/text.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The character at text as it may be printed; returns how many bytes of text it stands for. */
static size_t safe_char(const char *text, char out[8])
{
    const unsigned char *c = (const unsigned char *)text;

    if (*c < 0x20 || *c == 0x7f) {
        snprintf(out, 8, "\\x%02x", *c);
        return 1;
    }
    if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0) { /* the control characters of Latin 1 in UTF-8 */
        snprintf(out, 8, "\\x%02x", c[1]);
        return 2;
    }
    out[0] = *text;
    out[1] = '\0';
    return 1;
}

void cli_put_safe(FILE *f, const char *text)
{
    char out[8];

    while (*text) {
        text += safe_char(text, out);
        fputs(out, f);
    }
}

/* The same as a copy; NULL when out of memory. */
static char *safe_copy(const char *text)
{
    char *copy = malloc(4 * strlen(text) + 8), *to = copy;

    while (copy && *text) {
        text += safe_char(text, to);
        to += strlen(to);
    }
    if (copy)
        *to = '\0';
    return copy;
}

int cli_width(FILE *f)
{
    struct winsize w;

    return isatty(fileno(f)) && ioctl(fileno(f), TIOCGWINSZ, &w) == 0 && w.ws_col >= 20 ? w.ws_col : 80;
}

bool cli_colour(FILE *f)
{
    const char *no = getenv("NO_COLOR");

    return (!no || no[0] == '\0') && isatty(fileno(f));
}

const char *cli_style_on(FILE *f, cli_style style)
{
    static const char *const codes[N_STYLES] = {
        [STYLE_BOLD] = "\x1b[1m",   [STYLE_DIM] = "\x1b[2m",     [STYLE_RED] = "\x1b[31m",
        [STYLE_GREEN] = "\x1b[32m", [STYLE_YELLOW] = "\x1b[33m",
    };

    return cli_colour(f) ? codes[style] : "";
}

const char *cli_style_off(FILE *f)
{
    return cli_colour(f) ? "\x1b[0m" : "";
}

/* n in units of 1000, with three digits at least: "345 B", "1.23 M", "97.8 M", "120 M". */
static cli_num in_thousands(uint64_t n, const char *const *units, int small_decimals)
{
    cli_num out;
    double v = (double)n;
    int unit = 0;

    while (v >= 999.5 && unit < 5) {
        v /= 1000;
        unit++;
    }
    if (unit == 0)
        snprintf(out.s, sizeof out.s, "%.0f%s", v, units[0]);
    else
        snprintf(out.s, sizeof out.s, "%.*f%s", v < 9.995 ? small_decimals : v < 99.95 ? 1 : 0, v, units[unit]);
    return out;
}

cli_num cli_bytes(uint64_t bytes)
{
    static const char *const units[] = { " B", " kB", " MB", " GB", " TB", " PB" };

    return in_thousands(bytes, units, 2);
}

cli_num cli_short_count(uint64_t n)
{
    static const char *const units[] = { "", " k", " M", " G", " T", " P" };

    return in_thousands(n, units, 2);
}

cli_num cli_count(uint64_t n)
{
    char digits[24];
    cli_num out;
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    char *to = out.s;

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            *to++ = ',';
        *to++ = digits[i];
    }
    *to = '\0';
    return out;
}

cli_num cli_percent(double ratio)
{
    cli_num out;

    if (ratio > 0 && ratio < 0.0005)
        snprintf(out.s, sizeof out.s, "<0.1%%");
    else
        snprintf(out.s, sizeof out.s, "%.1f%%", ratio * 100);
    return out;
}

/* ---- tables ------------------------------------------------------------------------------------------------------- */

struct cli_table {
    const char *align;
    size_t n_columns, n_cells;
    char **cells;
    bool failed;
};

static int columns_of(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

cli_table *cli_table_create(const char *align)
{
    cli_table *t = calloc(1, sizeof *t);

    if (t) {
        t->align = align;
        t->n_columns = strlen(align);
    }
    return t;
}

void cli_table_row(cli_table *t, ...)
{
    va_list ap;
    char **more;

    if (!t || t->failed)
        return;
    more = realloc(t->cells, (t->n_cells + t->n_columns) * sizeof *more);
    if (!more) {
        t->failed = true;
        return;
    }
    t->cells = more;
    va_start(ap, t);
    for (size_t i = 0; i < t->n_columns; i++) {
        char *cell = safe_copy(va_arg(ap, const char *));

        t->cells[t->n_cells + i] = cell;
        t->failed |= cell == NULL;
    }
    va_end(ap);
    t->n_cells += t->n_columns;
}

/* The last column, cut to what is left of the line. */
static void print_last(const char *text, int room, FILE *f)
{
    char *cut;

    if (!isatty(fileno(f)) || columns_of(text) <= room || !(cut = strdup(text))) {
        fputs(text, f);
        return;
    }
    for (char *c = cut; *c; c++) {
        room -= (*c & 0xc0) != 0x80;
        if (room <= 0) {
            *c = '\0';
            break;
        }
    }
    fputs(cut, f);
    fputs("…", f);
    free(cut);
}

static void print_row(const cli_table *t, char *const *row, const int *widths, int room, FILE *f)
{
    for (size_t i = 0; i < t->n_columns; i++) {
        int blanks = widths[i] - columns_of(row[i]);
        bool last = i + 1 == t->n_columns;

        if (last && row[i][0] == '\0')
            break;
        if (i > 0)
            fputs("  ", f);
        if (t->align[i] == 'r')
            fprintf(f, "%*s", blanks, "");
        if (last && t->align[i] == 'l')
            print_last(row[i], room, f);
        else
            fputs(row[i], f);
        if (!last && t->align[i] == 'l')
            fprintf(f, "%*s", blanks, "");
        room -= widths[i] + 2;
    }
    putc('\n', f);
}

bool cli_table_print(const cli_table *t, FILE *f, int indent)
{
    int *widths;

    if (!t || t->failed || !(widths = calloc(t->n_columns, sizeof *widths)))
        return false;
    for (size_t i = 0; i < t->n_cells; i++) {
        int n = columns_of(t->cells[i]);

        if (n > widths[i % t->n_columns])
            widths[i % t->n_columns] = n;
    }
    for (size_t i = 0; i < t->n_cells; i += t->n_columns) {
        fprintf(f, "%*s", indent, "");
        print_row(t, t->cells + i, widths, cli_width(f) - indent, f);
    }
    free(widths);
    return true;
}

void cli_table_free(cli_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n_cells; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t);
}

/* ---- bars --------------------------------------------------------------------------------------------------------- */

static size_t put(char *buf, size_t size, size_t used, const char *s)
{
    size_t n = strlen(s);

    if (used + n + 1 > size)
        return used;
    memcpy(buf + used, s, n + 1);
    return used + n;
}

const char *cli_bar(char *buf, size_t size, double ratio, int width)
{
    static const char *const parts[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
    double share = ratio > 0 ? ratio < 1 ? ratio : 1 : 0; /* NaN gives 0 */
    int eighths = (int)(share * width * 8 + 0.5);
    size_t used = 0;

    buf[0] = '\0';
    for (int i = 0; i < eighths / 8; i++)
        used = put(buf, size, used, "█");
    put(buf, size, used, parts[eighths % 8]);
    return buf;
}

const char *cli_sparkline(char *buf, size_t size, const uint64_t *counts, size_t n)
{
    static const char *const heights[] = { " ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
    uint64_t top = 0;
    size_t used = 0;

    buf[0] = '\0';
    for (size_t i = 0; i < n; i++)
        top = counts[i] > top ? counts[i] : top;
    for (size_t i = 0; i < n; i++) {
        double share = top ? (double)counts[i] / (double)top : 0;
        int h = (int)(share * 8 + 0.5);

        used = put(buf, size, used, heights[counts[i] > 0 && h == 0 ? 1 : h]);
    }
    return buf;
}
