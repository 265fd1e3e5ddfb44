/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* SIGINT, SIGTERM, SIGHUP and SIGPIPE set a flag that mq_hooks.cancelled reports, so that the library
 * removes what it had begun. SIGXFSZ is ignored: the write then fails with EFBIG and becomes exit 5. SIGBUS
 * on a mapped file means that the file became shorter meanwhile; nothing can be continued then, so it says
 * so and leaves at once. */
#include "cli/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/session.h"

static const int handled[] = { SIGINT, SIGTERM, SIGHUP, SIGPIPE };
static volatile sig_atomic_t caught;
static char bus_message[1024];
static size_t bus_length;

static void on_signal(int sig)
{
    caught = sig;
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        signal(handled[i], SIG_DFL);
}

static void on_bus(int sig)
{
    (void)sig;
    if (write(STDERR_FILENO, bus_message, bus_length) < 0)
        _exit(EXIT_INPUT); /* nobody can be told; the status still says it */
    _exit(EXIT_INPUT);
}

static void install(int sig, void (*handler)(int))
{
    struct sigaction now, action = { .sa_handler = handler };

    sigemptyset(&action.sa_mask);
    if (sigaction(sig, NULL, &now) == 0 && now.sa_handler != SIG_IGN)
        sigaction(sig, &action, NULL);
}

void cli_signals_install(const char *file)
{
    snprintf(bus_message, sizeof bus_message,
             "mq: error: %.900s: a file became shorter while it was read: nothing was written\n", file);
    for (char *c = bus_message; *c; c++)
        *c = (unsigned char)*c < 0x20 && c[1] != '\0' ? '?' : *c;
    bus_length = strlen(bus_message);
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++)
        install(handled[i], on_signal);
    install(SIGBUS, on_bus);
    signal(SIGXFSZ, SIG_IGN);
}

int cli_signals_caught(void)
{
    return caught;
}

void cli_signals_reraise(void)
{
    sigset_t set;

    if (!caught)
        return;
    signal(caught, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, caught);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(caught);
}
