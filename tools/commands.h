/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The commands. One more: a file with its descriptor (see cli/options.h), a line here, a line in mq.c's table. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "cli/options.h"

extern const cli_command mq_command_quantize;
extern const cli_command mq_command_inspect;
extern const cli_command mq_command_check;
extern const cli_command mq_command_run;
extern const cli_command mq_command_bench;
extern const cli_command mq_command_convert;
extern const cli_command mq_command_split;
extern const cli_command mq_command_merge;
extern const cli_command mq_command_diff;
extern const cli_command mq_command_distill;
extern const cli_command mq_command_prune;

#endif
