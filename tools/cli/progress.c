/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Draws progress. The estimate assumes that what is left takes as long per unit as what is done. */
#include "cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/text.h"

#define FIRST_AFTER 1.0  /* seconds: shorter work shows nothing */
#define REDRAW_AFTER 0.1
#define LINE_AFTER 30.0
#define BAR_WIDTH 24

double cli_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

void cli_progress_init(cli_progress *p)
{
    *p = (cli_progress){ .terminal = isatty(STDERR_FILENO), .began = cli_now() };
    p->drawn = p->began;
}

/* "0:07", "12:30", "3:00:05". */
static void format_time(char *buf, size_t size, double seconds)
{
    unsigned long s = seconds < 3.6e7 ? (unsigned long)(seconds + 0.5) : 36000000ul;

    if (s >= 3600)
        snprintf(buf, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(buf, size, "%lu:%02lu", s / 60, s % 60);
}

static void draw(cli_progress *p, double now, double share)
{
    char bar[3 * BAR_WIDTH + 1], left[32] = "";

    if (share > p->from)
        format_time(left, sizeof left, (now - p->began) * (1 - share) / (share - p->from));
    if (p->terminal) {
        cli_bar(bar, sizeof bar, share, BAR_WIDTH);
        fprintf(stderr, "\r\x1b[K%s %3.0f%%  %s%s  %s", p->step, share * 100, left[0] ? "ETA " : "", left, bar);
        fflush(stderr);
        p->shown = true;
    } else {
        fprintf(stderr, "mq: %s %.0f%%%s%s\n", p->step, share * 100, left[0] ? ", ETA " : "", left);
    }
    p->drawn = now;
}

void cli_progress_update(cli_progress *p, const char *step, uint64_t done, uint64_t total)
{
    double now = cli_now(), share = total && done < total ? (double)done / (double)total : total ? 1 : 0;

    if (strncmp(p->step, step, sizeof p->step - 1) != 0) {
        snprintf(p->step, sizeof p->step, "%s", step);
        p->began = now;
        p->from = total && done > 1 && done <= total ? (double)(done - 1) / (double)total : 0;
    }
    if (p->terminal ? now - p->began >= FIRST_AFTER && now - p->drawn >= REDRAW_AFTER : now - p->drawn >= LINE_AFTER)
        draw(p, now, share);
    if (p->shown && total && done >= total)
        cli_progress_clear(p);
}

void cli_progress_clear(cli_progress *p)
{
    if (!p->shown)
        return;
    fputs("\r\x1b[K", stderr);
    fflush(stderr);
    p->shown = false;
}
