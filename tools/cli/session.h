/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One run of one command: what all commands share. The driver opens it before run() and closes it after: run() only
 * returns a status and a sentence, and adds facts to the report.
 *
 * What the driver does with the outcome of run():
 *   failure          prints "mq: error: FILE: sentence" (FILE is s->file, left out when the sentence names a file of the
 *                    command line itself), writes it into the reports, exits with the status' code
 *   MQ_OK            exit 1 when mq_report_n_missed(s->report) > 0, or with --strict and a warning; else 0
 *   a signal came    prints nothing, dies of that signal
 * Then the reports (--report, --json) and the depfile are written and standard output is checked and closed. */
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli/fail.h"
#include "cli/options.h"
#include "mq/report.h"
#include "mq/status.h"

/* Exit status, CLI.md: the whole contract. */
typedef enum cli_exit {
    EXIT_DONE = 0,        /* done; every bound holds */
    EXIT_MISSED = 1,      /* done, but a bound is missed, there are findings, or --strict and a warning */
    EXIT_USAGE = 2,       /* the command line */
    EXIT_INPUT = 3,       /* an input file */
    EXIT_UNSUPPORTED = 4, /* not possible, or nothing to do */
    EXIT_SYSTEM = 5,      /* cannot write, no memory */
} cli_exit;

struct cli_session {
    const cli_command *command;
    const cli_options *opts;
    const char *file;  /* what messages are about: the first file; a command may point it elsewhere */
    mq_hooks hooks;    /* for the library: warnings, progress, cancellation, threads */
    mq_report *report; /* never NULL; options and warnings are in it already */
    struct cli_private *priv;
};

/* The option's value; never NULL. Options that the command does not take hold their defaults. */
const cli_value *cli_get(const cli_session *s, cli_opt id);

/* Does the run so far end in exit 1: a bound or finding in the report, or --strict and a warning? Asked
 * before a model is put in place. */
bool cli_missed(const cli_session *s);

/* Standard output is for what was asked for there. true: a report or a model goes there, print nothing else. */
bool cli_stdout_taken(const cli_session *s);

/* A line on standard error: always but with -q; only with -v. "mq: " is put before it. */
void cli_say(cli_session *s, const char *fmt, ...) MQ_PRINTF(2, 3);
void cli_detail(cli_session *s, const char *fmt, ...) MQ_PRINTF(2, 3);

/* Before a command prints on standard output while its work goes on: takes the bar of progress off the terminal. */
void cli_clear_line(cli_session *s);

/* A warning of the command's own: printed, counted, put into the report, as hooks.warn does. */
void cli_warn(cli_session *s, const char *code, const char *place, const char *fmt, ...) MQ_PRINTF(4, 5);

/* A missed bound or an error finding: adds nothing to the report, prints "mq: error: FILE: ..." (with -q,
 * too) and, with --annotate github, the ::error line. Call it for each that the report counts as missed and
 * that the command does not print in its own way; cli_annotate_error does only the last part. */
void cli_say_missed(cli_session *s, const char *fmt, ...) MQ_PRINTF(2, 3);
void cli_annotate_error(cli_session *s, const char *text);

/* For --depfile: a file that was read (external data; the model, @FILE and --config are known) or written.
 * Paths are copied; twice is once. */
mq_status cli_note_read(cli_session *s, const char *path, mq_error *err);
mq_status cli_note_written(cli_session *s, const char *path, mq_error *err);

/* The driver's side: runs cmd on a command line and gives the exit status (or dies of a signal). argv[0] is
 * skipped. */
int cli_run(const cli_command *cmd, int argc, char *const *argv);

/* The exit status of a library status. */
cli_exit cli_exit_of(mq_status status);

#endif
