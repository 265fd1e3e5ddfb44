/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What follows from the rows: the table of -h and the completions of shells. */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include <stdio.h>

#include "cli/options.h"

/* The table of -h. */
void cli_help_print(const cli_command *cmd, FILE *f);

/* A completion script for "bash", "zsh" or "fish"; commands ends with NULL. false: no such shell. */
bool cli_completions_print(const cli_command *const *commands, const char *shell, FILE *f);

/* The sentence of -h for an option of this command, and what it takes (NULL: nothing). */
const char *cli_help_of(const cli_command *cmd, cli_opt id);
const char *cli_arg_of(const cli_command *cmd, cli_opt id);

#endif
