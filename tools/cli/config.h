/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --config FILE.json: option names and values, or a whole report, whose `options` are such. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "cli/options.h"

/* Sets every option of the file that the command line has not given. Keys are names without dashes ('-' and
 * '_' are equal; a letter where there is no long name); values are true and false for switches, numbers or
 * strings, arrays for lists. MQ_ERR_INPUT when the file cannot be read or is not JSON; MQ_ERR_USAGE for an
 * unknown key or a bad value. */
mq_status cli_config_apply(cli_options *o, const cli_command *cmd, const char *path, mq_error *err);

/* The value of a given option as JSON text, in the same form, to be freed with free(); NULL when out of memory. */
char *cli_config_value(const cli_options *o, cli_opt id);

#endif
