/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a command line as a whole must satisfy before anything is loaded. */
#ifndef CLI_RULES_H
#define CLI_RULES_H

#include "cli/options.h"
#include "mq/report.h"

/* Number and kind of files, the output, who writes standard output and reads standard input, forms of reports.
 * MQ_ERR_USAGE, or MQ_ERR_INPUT for a file that is no ONNX model by its kind. */
mq_status cli_options_check(const cli_options *o, const cli_command *cmd, mq_error *err);

/* Splits "[FORM:]FILE" of --report; *path points into item. MQ_ERR_USAGE when neither a form nor the name tells. */
mq_status cli_report_split(const char *item, mq_report_form *form, const char **path, mq_error *err);

#endif
