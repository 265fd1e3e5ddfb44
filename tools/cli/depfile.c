/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Writes make rules as GNU make and ninja read them: '$' is doubled; a blank and '#' get a backslash, and
 * backslashes right before them are doubled; '%' in a target, which would make a pattern rule, and ':' get a
 * backslash, too. */
#include "cli/depfile.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/fail.h"

mq_status cli_paths_add(cli_paths *p, const char *path, mq_error *err)
{
    char **more, *copy;

    for (size_t i = 0; i < p->n; i++) {
        if (strcmp(p->items[i], path) == 0)
            return MQ_OK;
    }
    if (!(more = realloc(p->items, (p->n + 1) * sizeof *more)))
        return cli_oom(err);
    p->items = more;
    if (!(copy = strdup(path)))
        return cli_oom(err);
    p->items[p->n++] = copy;
    return MQ_OK;
}

void cli_paths_release(cli_paths *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->items[i]);
    free(p->items);
    *p = (cli_paths){ 0 };
}

static void put_name(FILE *f, const char *name, bool target)
{
    size_t backslashes = 0; /* right before the current character */

    for (; *name; name++) {
        if (*name == ' ' || *name == '\t' || *name == '#') {
            for (; backslashes > 0; backslashes--)
                putc('\\', f);
            putc('\\', f);
        } else if (*name == ':' || (*name == '%' && target)) {
            putc('\\', f);
        } else if (*name == '$') {
            putc('$', f);
        }
        backslashes = *name == '\\' ? backslashes + 1 : 0;
        putc(*name, f);
    }
}

static mq_status check_names(const cli_paths *p, mq_error *err)
{
    for (size_t i = 0; i < p->n; i++) {
        if (strpbrk(p->items[i], "\r\n"))
            return cli_fail(err, MQ_ERR_USAGE, "--depfile: a file name with a line break fits into no make rule");
    }
    return MQ_OK;
}

static void put_rule(FILE *f, const cli_paths *targets, const cli_paths *sources)
{
    for (size_t i = 0; i < targets->n; i++) {
        if (i > 0)
            putc(' ', f);
        put_name(f, targets->items[i], true);
    }
    putc(':', f);
    for (size_t i = 0; i < sources->n; i++) {
        fputs(" \\\n  ", f);
        put_name(f, sources->items[i], false);
    }
    putc('\n', f);
}

/* A new file beside path with the rights that open() would give it. */
static FILE *open_beside(char *name)
{
    mode_t mask = umask(0);
    int fd;
    FILE *f;

    umask(mask);
    if ((fd = mkstemp(name)) < 0)
        return NULL;
    if (fchmod(fd, 0666 & ~mask) == 0 && (f = fdopen(fd, "w")))
        return f;
    close(fd);
    unlink(name);
    return NULL;
}

mq_status cli_depfile_write(const char *path, const cli_paths *targets, const cli_paths *sources, mq_error *err)
{
    mq_status rc = MQ_OK;
    char *beside = NULL;
    FILE *f;
    bool failed;

    CLI_TRY(check_names(targets, err));
    CLI_TRY(check_names(sources, err));
    if (asprintf(&beside, "%s.XXXXXX", path) < 0) {
        beside = NULL;
        rc = cli_oom(err);
        goto done;
    }
    if (!(f = open_beside(beside))) {
        rc = cli_fail(err, MQ_ERR_SYSTEM, "cannot write '%s': %m", path);
        goto done;
    }
    put_rule(f, targets, sources);
    failed = ferror(f) != 0;
    failed |= fclose(f) != 0;
    if (failed || rename(beside, path) < 0) {
        rc = cli_fail(err, MQ_ERR_SYSTEM, "cannot write '%s': %m", path);
        unlink(beside);
    }
done:
    free(beside);
    return rc;
}
