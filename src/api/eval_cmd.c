/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --eval-cmd: a command of the user's own measures a model. It is run by sh -c; the last line that it prints is a number, or
 * a JSON object of which --metric names a key. */
#include "api/eval_cmd.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/str.h"

extern char **environ;

enum { MOST_OUTPUT = 1 << 20 }; /* bytes that are kept, the last ones */

/* 'path', as sh reads it. */
static void add_quoted(mq_str *out, const char *path)
{
    mq_str_add(out, "'");
    for (; *path; path++)
        if (*path == '\'')
            mq_str_add(out, "'\\''");
        else
            mq_str_add_n(out, path, 1);
    mq_str_add(out, "'");
}

/* The command with every {} replaced. */
static void fill_in(mq_str *out, const char *command, const char *path)
{
    const char *at;

    for (; (at = strstr(command, "{}")); command = at + 2) {
        mq_str_add_n(out, command, (size_t)(at - command));
        add_quoted(out, path);
    }
    mq_str_add(out, command);
}

/* The environment with MQ_MODEL and MQ_REFERENCE; the strings are the caller's. NULL: out of memory. */
static char **make_environment(char *model, char *reference)
{
    size_t n = 0, k = 0;
    char **env;

    while (environ[n])
        n++;
    if (!(env = calloc(n + 3, sizeof *env)))
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (strncmp(environ[i], "MQ_MODEL=", 9) != 0 && strncmp(environ[i], "MQ_REFERENCE=", 13) != 0)
            env[k++] = environ[i];
    env[k++] = model;
    env[k] = reference;
    return env;
}

/* Reads to the end; keeps the last part. */
static mq_status read_all(int fd, mq_str *out, mq_error *err)
{
    char block[4096];

    for (;;) {
        ssize_t n = read(fd, block, sizeof block);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        mq_str_add_n(out, block, (size_t)n);
        if (!out->failed && out->n > 2 * MOST_OUTPUT) {
            memmove(out->s, out->s + out->n - MOST_OUTPUT, MOST_OUTPUT + 1);
            out->n = MOST_OUTPUT;
        }
    }
    return out->failed ? mq_oom(err) : MQ_OK;
}

static mq_status run_command(const char *command, char **env, mq_str *out, mq_error *err)
{
    char *argv[] = { "sh", "-c", (char *)command, NULL };
    posix_spawn_file_actions_t acts;
    int ends[2], failed, status = 0;
    pid_t pid;
    mq_status rc;

    if (pipe2(ends, O_CLOEXEC) != 0)
        return mq_fail_errno(err, MQ_ERR_SYSTEM, "run", command);
    posix_spawn_file_actions_init(&acts);
    posix_spawn_file_actions_adddup2(&acts, ends[1], STDOUT_FILENO);
    failed = posix_spawn(&pid, "/bin/sh", &acts, NULL, argv, env);
    posix_spawn_file_actions_destroy(&acts);
    close(ends[1]);
    if (failed) {
        close(ends[0]);
        return mq_fail(err, MQ_ERR_SYSTEM, "--eval-cmd: cannot run /bin/sh: %s", strerror(failed));
    }
    rc = read_all(ends[0], out, err);
    close(ends[0]);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (rc == MQ_OK && WIFSIGNALED(status))
        rc = mq_fail(err, MQ_ERR_SYSTEM, "--eval-cmd was ended by signal %d: %.300s", WTERMSIG(status), command);
    else if (rc == MQ_OK && WEXITSTATUS(status) != 0)
        rc = mq_fail(err, MQ_ERR_SYSTEM, "--eval-cmd failed with exit status %d: %.300s", WEXITSTATUS(status), command);
    return rc;
}

/* The last line that is not blank; cuts the text behind it. */
static char *last_line(mq_str *out)
{
    char *end, *line;

    if (!out->s)
        return NULL;
    for (end = out->s + out->n; end > out->s && isspace((unsigned char)end[-1]); end--)
        ;
    *end = '\0';
    line = strrchr(out->s, '\n');
    return line ? line + 1 : out->s;
}

static mq_status read_number(const char *metric, const char *line, double *value, mq_error *err)
{
    json_t *doc = line ? json_loads(line, JSON_DECODE_ANY, NULL) : NULL;
    const json_t *number = doc;
    char *end;
    mq_status rc = MQ_OK;

    if (json_is_object(doc)) {
        number = metric ? json_object_get(doc, metric) : NULL;
        if (!metric)
            rc = mq_fail(err, MQ_ERR_USAGE, "--eval-cmd prints an object: --metric names the key that counts");
        else if (!json_is_number(number))
            rc = mq_fail(err, MQ_ERR_SYSTEM, "--eval-cmd: its object has no number '%s': %.200s", metric, line);
    }
    if (rc == MQ_OK && json_is_number(number)) {
        *value = json_number_value(number);
    } else if (rc == MQ_OK) { /* "+1.5", ".5" are no JSON */
        *value = line ? strtod(line, &end) : NAN;
        if (!line || end == line || *end != '\0' || !isfinite(*value))
            rc = mq_fail(err, MQ_ERR_SYSTEM,
                         "--eval-cmd: the last line of its output is no number and no JSON object: '%.200s'",
                         line ? line : "");
    }
    json_decref(doc);
    return rc;
}

double mq_eval_drop(double first, double value, bool lower_is_better)
{
    const double worse = lower_is_better ? value - first : first - value;
    const bool shares = first >= 0 && first <= 1 && value >= 0 && value <= 1;

    if (shares || first == 0)
        return worse;
    return worse / fabs(first);
}

mq_status mq_eval_run(const mq_eval *e, const char *path, double *value, mq_error *err)
{
    mq_str command = { 0 }, out = { 0 }, model = { 0 }, reference = { 0 };
    char **env = NULL;
    mq_status rc;

    fill_in(&command, e->command, path);
    mq_str_addf(&model, "MQ_MODEL=%s", path);
    mq_str_addf(&reference, "MQ_REFERENCE=%s", e->reference);
    if (command.failed || model.failed || reference.failed || !command.s || !(env = make_environment(model.s, reference.s)))
        MQ_TRY(mq_oom(err));
    MQ_TRY(run_command(command.s, env, &out, err));
    MQ_TRY(mq_check_cancelled(e->hooks, err));
    rc = read_number(e->metric, last_line(&out), value, err);
done:
    free(env);
    mq_str_release(&command);
    mq_str_release(&out);
    mq_str_release(&model);
    mq_str_release(&reference);
    return rc;
}
