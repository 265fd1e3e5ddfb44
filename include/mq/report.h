/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reports: the facts of one command, written as JSON, Markdown, HTML, JUnit XML or for the terminal. All forms hold the same
 * facts in the same order (docs/report.md); the JSON follows docs/report.schema.json. Calls of the library that take an
 * mq_report fill in what they know; the caller adds options, bounds, warnings and errors. */
#ifndef MQ_REPORT_H
#define MQ_REPORT_H

#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mq_report mq_report;

typedef enum mq_report_form {
    MQ_REPORT_AUTO,     /* from the file's name: .json .md .html .xml */
    MQ_REPORT_JSON,
    MQ_REPORT_MARKDOWN, /* under 60 kB, for pull requests */
    MQ_REPORT_JUNIT,
    MQ_REPORT_TEXT,     /* for a terminal */
    MQ_REPORT_HTML,     /* one page that needs no network and no script */
} mq_report_form;

/* command: "quantize", "check", ... */
MQ_API mq_status mq_report_create(mq_report **out, const char *command, mq_error *err);
MQ_API void mq_report_free(mq_report *report);

/* One option as given, under its long name without dashes; value is JSON text ("true", "\"int8\"", "[\"a\"]"). */
MQ_API mq_status mq_report_add_option(mq_report *report, const char *name, const char *json_value, mq_error *err);

MQ_API mq_status mq_report_add_warning(mq_report *report, const mq_warning *warning, mq_error *err);
/* Warnings added so far. */
MQ_API size_t mq_report_n_warnings(const mq_report *report);

/* A bound: what was asked ("<= 100%"), what came out ("26.1%"), and whether it holds. */
MQ_API mq_status mq_report_add_bound(mq_report *report, const char *name, const char *asked, const char *got, bool pass,
                                     mq_error *err);
/* Bounds and findings that do not hold. */
MQ_API size_t mq_report_n_missed(const mq_report *report);

/* The i-th bound that is missed, as a sentence ("max-size: asked <= 100%, got 105%"); false: there are no more. */
MQ_API bool mq_report_missed_bound(const mq_report *report, size_t i, char *out, size_t size);

/* The command failed: the verdict becomes "error" with this text and exit status. */
MQ_API mq_status mq_report_set_error(mq_report *report, int exit_status, const char *text, mq_error *err);

/* A step ends: its time in seconds, and the process's peak memory so far, go under `measured`. */
MQ_API mq_status mq_report_add_step(mq_report *report, const char *name, double seconds, mq_error *err);

/* Writes it in that form; an existing file is replaced (beside it and renamed), "-" is standard output.
 * MQ_ERR_USAGE when AUTO does not know the name; MQ_ERR_SYSTEM when it cannot be written. */
MQ_API mq_status mq_report_write(const mq_report *report, mq_report_form form, const char *path, mq_error *err);

/* The text of a form, to be freed with free(). */
MQ_API mq_status mq_report_render(const mq_report *report, mq_report_form form, char **out, mq_error *err);

#ifdef __cplusplus
}
#endif
#endif
