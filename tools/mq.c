/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The driver: finds the command, by `mq COMMAND` or by the name that the program was called by (mq-
 * quantize), and answers what is no command. One more command is one line in `commands`. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/help.h"
#include "cli/nearest.h"
#include "cli/session.h"
#include "commands.h"
#include "mq/version.h"
#include "topics.h"

static const cli_command *const commands[] = {
    &mq_command_quantize,
    &mq_command_inspect,
    &mq_command_check,
    &mq_command_run,
    &mq_command_bench,
    &mq_command_convert,
    &mq_command_split,
    &mq_command_merge,
    &mq_command_diff,
    &mq_command_distill,
    &mq_command_prune,
    NULL,
};

static const cli_command *find_command(const char *name)
{
    for (size_t i = 0; commands[i]; i++) {
        if (strcmp(commands[i]->name, name) == 0 || (commands[i]->alias && strcmp(commands[i]->alias, name) == 0))
            return commands[i];
    }
    return NULL;
}

static void print_usage(FILE *f)
{
    fputs("usage: mq COMMAND MODEL [options]\n\nCommands:\n", f);
    for (size_t i = 0; commands[i]; i++)
        fprintf(f, "  %-16s%s\n", commands[i]->name, commands[i]->summary);
    fputs("\nmq COMMAND -h lists a command's options, mq help COMMAND opens its man page.\nmq help TOPIC explains:", f);
    for (size_t i = 0; mq_topics[i].name; i++)
        fprintf(f, "%s %s", i > 0 ? "," : "", mq_topics[i].name);
    fputs(".\n", f);
}

static int usage_error(const char *format, const char *name)
{
    fputs("mq: error: ", stderr);
    fprintf(stderr, format, name, name);
    putc('\n', stderr);
    return EXIT_USAGE;
}

static int unknown_command(const char *name)
{
    const char *names[sizeof commands / sizeof *commands + 1], *close;
    size_t n = 0;

    if (name[0] == '-')
        return usage_error("'%s' comes after the command: mq COMMAND MODEL [options]", name);
    for (; commands[n]; n++)
        names[n] = commands[n]->name;
    names[n++] = "help";
    if ((close = cli_nearest(name, names, n))) {
        fprintf(stderr, "mq: error: '%s' is not a command: did you mean mq %s?\n", name, close);
        return EXIT_USAGE;
    }
    if (strpbrk(name, "./") || access(name, F_OK) == 0)
        return usage_error("'%s' is a file, not a command: mq inspect %s?", name);
    return usage_error("'%s' is not a command: mq help lists them", name);
}

/* Opens the man page of a command; false when there is none here. */
static bool open_man(const char *name)
{
    char page[64];
    pid_t child;
    int status;

    snprintf(page, sizeof page, "mq-%s", name);
    fflush(stdout);
    if ((child = fork()) < 0)
        return false;
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);

        if (null >= 0)
            dup2(null, STDERR_FILENO); /* "no manual entry": the table is printed instead */
        execlp("man", "man", "1", page, (char *)NULL);
        _exit(127);
    }
    return waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static int finish(int code)
{
    if (ferror(stdout) | fclose(stdout)) {
        fprintf(stderr, "mq: error: cannot write standard output: %m\n");
        return EXIT_SYSTEM;
    }
    return code;
}

static int print_topic(const mq_topic *topic)
{
    char *table = topic->table ? topic->table() : NULL;

    if (topic->table && !table) {
        fputs("mq: error: out of memory\n", stderr);
        return EXIT_SYSTEM;
    }
    fputs(topic->text, stdout);
    if (table)
        fputs(table, stdout);
    free(table);
    return finish(EXIT_DONE);
}

static int help(const char *name)
{
    const cli_command *command;

    if (!name) {
        print_usage(stdout);
        return finish(EXIT_DONE);
    }
    for (size_t i = 0; mq_topics[i].name; i++) {
        if (strcmp(mq_topics[i].name, name) == 0)
            return print_topic(&mq_topics[i]);
    }
    if (!(command = find_command(name)))
        return unknown_command(name);
    if (!open_man(command->name))
        cli_help_print(command, stdout);
    return finish(EXIT_DONE);
}

/* Descriptors 0 to 2 that are closed would be given to the next file opened: a model written over by a
 * message. They become /dev/null, standard output in a way that still fails when something is written to it. */
static void keep_standard_files(void)
{
    int fd = open("/dev/null", O_RDONLY);

    while (fd >= 0 && fd < 2)
        fd = open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
    if (fd > 2)
        close(fd);
}

int main(int argc, char **argv)
{
    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *self = slash ? slash + 1 : argc > 0 ? argv[0] : "mq";
    const char *name = argc > 1 ? argv[1] : NULL;
    const cli_command *command;

    keep_standard_files();
    if (strncmp(self, "mq-", 3) == 0 && (command = find_command(self + 3)))
        return cli_run(command, argc, argv);
    if (!name) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if ((command = find_command(name)))
        return cli_run(command, argc - 1, argv + 1);
    if (strcmp(name, "-h") == 0 || strcmp(name, "--help") == 0)
        return help(NULL);
    if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0 || strcmp(name, "version") == 0) {
        printf("mq %s\n", mq_version());
        return finish(EXIT_DONE);
    }
    if (strcmp(name, "help") == 0)
        return help(argc > 2 ? argv[2] : NULL);
    if (strcmp(name, "__completions") == 0 && argc > 2 && cli_completions_print(commands, argv[2], stdout))
        return finish(EXIT_DONE);
    return unknown_command(name);
}
