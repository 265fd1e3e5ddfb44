/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Signals: the first one asks the work to stop and clean up, the second kills; at the end the process dies
 * of the signal. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

/* Installs the handlers; signals that were ignored at the start (nohup, a background job) stay so. file is
 * the model's name for the message about a file that was truncated while it was mapped; borrowed until exit. */
void cli_signals_install(const char *file);

/* The signal that came, 0 for none. */
int cli_signals_caught(void);

/* Dies of the signal that came; returns when none did. */
void cli_signals_reraise(void);

#endif
