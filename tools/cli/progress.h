/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Progress on standard error: nothing in the first second; then a bar on a terminal, a line every 30 s
 * elsewhere. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

typedef struct cli_progress {
    bool terminal;
    bool shown;       /* a bar stands on the line */
    double began;     /* of the step, seconds of the monotonic clock */
    double from;      /* share of the step that was done then: a step that others interrupt goes on */
    double drawn;     /* last output */
    char step[64];
} cli_progress;

/* Seconds of the monotonic clock. */
double cli_now(void);

void cli_progress_init(cli_progress *p);
/* Called as often as one likes. total 0: not known. */
void cli_progress_update(cli_progress *p, const char *step, uint64_t done, uint64_t total);
/* Takes the bar off the line, so that a message can stand there. */
void cli_progress_clear(cli_progress *p);

#endif
