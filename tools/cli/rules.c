/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Checks that need several options at once, or files. Single values were checked when they were parsed. */
#include "cli/rules.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/fail.h"
#include "cli/peers.h"

static bool is_dash(const char *s)
{
    return s && strcmp(s, "-") == 0;
}

mq_status cli_report_split(const char *item, mq_report_form *form, const char **path, mq_error *err)
{
    static const struct {
        const char *prefix, *suffix;
        mq_report_form form;
    } forms[] = { { "json:", ".json", MQ_REPORT_JSON },
                  { "md:", ".md", MQ_REPORT_MARKDOWN },
                  { "html:", ".html", MQ_REPORT_HTML },
                  { "junit:", ".xml", MQ_REPORT_JUNIT } };
    size_t len = strlen(item);

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t n = strlen(forms[i].prefix);

        *form = forms[i].form;
        *path = item + n;
        if (strncmp(item, forms[i].prefix, n) == 0 && item[n] != '\0')
            return MQ_OK;
    }
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t n = strlen(forms[i].suffix);

        *form = forms[i].form;
        *path = item;
        if (len > n && strcmp(item + len - n, forms[i].suffix) == 0)
            return MQ_OK;
    }
    return cli_fail(err, MQ_ERR_USAGE,
                    "--report '%s': which form? the name ends in .json, .md, .html or .xml, or json:, md:, html: or "
                    "junit: is put before it", item);
}

/* What people write behind a switch out of habit: "--symmetric True". */
static bool is_truth(const char *s)
{
    return strcasecmp(s, "true") == 0 || strcasecmp(s, "false") == 0;
}

static mq_status check_files(const cli_options *o, const cli_command *cmd, mq_error *err)
{
    const char *output = cmd->needs_output ? " -o FILE" : "";

    if (o->n_files == 0 && cmd->instead != OPT_NONE && o->values[cmd->instead].given)
        return MQ_OK;
    if (o->n_files == 0)
        return cli_fail(err, MQ_ERR_USAGE, "no model is given: mq %s %s%s", cmd->name, cmd->files, output);
    if (o->n_files > cmd->max_files && is_truth(o->files[cmd->max_files]))
        return cli_fail(err, MQ_ERR_USAGE, "'%s': switches take no value: --symmetric, or --no-symmetric for the contrary",
                        o->files[cmd->max_files]);
    if (o->n_files > cmd->max_files && cli_command_takes(cmd, OPT_OUTPUT))
        return cli_fail(err, MQ_ERR_USAGE, "'%s' is one file too many: write the output as -o FILE",
                        o->files[cmd->max_files]);
    if (o->n_files > cmd->max_files)
        return cli_fail(err, MQ_ERR_USAGE, "'%s' is one file too many: mq %s takes one at a time",
                        o->files[cmd->max_files], cmd->name);
    if (cmd->needs_output && !o->values[OPT_OUTPUT].given && !o->values[OPT_DRY_RUN].on &&
        !o->values[OPT_CALIBRATE_ONLY].on && !o->values[OPT_BISECT].on)
        return cli_fail(err, MQ_ERR_USAGE, "no output is given: -o FILE (--dry-run writes none)");
    for (size_t i = 0; i < o->n_files; i++) {
        const char *what = cli_foreign_file(o->files[i]);

        if (o->files[i][0] == '\0')
            return cli_fail(err, MQ_ERR_USAGE, "the name of the model is empty");
        if (what)
            return cli_fail(err, MQ_ERR_INPUT, "%s: not ONNX but %s", o->files[i], what);
    }
    return MQ_OK;
}

/* Lists of numbers are for commands that measure each of them. */
static mq_status check_many(const cli_options *o, const cli_command *cmd, mq_error *err)
{
    for (int id = OPT_NONE + 1; id < N_OPTS; id++)
        if (o->values[id].n_numbers > 1 && !cmd->many)
            return cli_fail(err, MQ_ERR_USAGE, "%s takes one number, not '%s'", cli_row_of((cli_opt)id)->label,
                            o->values[id].text);
    return MQ_OK;
}

/* Standard output holds one thing. */
static mq_status check_stdout(const cli_options *o, mq_error *err)
{
    const cli_value *reports = &o->values[OPT_REPORT];
    bool model = is_dash(o->values[OPT_OUTPUT].text);
    size_t n = model + o->values[OPT_JSON].on;

    for (size_t i = 0; i < reports->n_items; i++) {
        mq_report_form form;
        const char *path;
        mq_status rc = cli_report_split(reports->items[i], &form, &path, err);

        if (rc != MQ_OK)
            return rc;
        n += is_dash(path);
    }
    if (n > 1)
        return cli_fail(err, MQ_ERR_USAGE, "%s and %s both go to standard output", model ? "-o -" : "--json",
                        model && o->values[OPT_JSON].on ? "--json" : "--report -");
    if (model && isatty(STDOUT_FILENO))
        return cli_fail(err, MQ_ERR_USAGE, "a model is not written to a terminal: -o FILE, or -o - into a pipe");
    if (is_dash(o->values[OPT_DEPFILE].text))
        return cli_fail(err, MQ_ERR_USAGE, "--depfile goes into a file, not to standard output");
    if (model && o->values[OPT_DEPFILE].given)
        return cli_fail(err, MQ_ERR_USAGE, "--depfile needs an output with a name, not -o -");
    return MQ_OK;
}

/* Standard input is read once. */
static mq_status check_stdin(const cli_options *o, const cli_command *cmd, mq_error *err)
{
    size_t n = 0;

    for (size_t i = 0; i < o->n_files; i++)
        n += is_dash(o->files[i]);
    if (n > 0 && o->n_stdin > 0)
        return cli_fail(err, MQ_ERR_USAGE, "standard input cannot be both the model and a list (@-)");
    if (n + o->n_stdin > 1)
        return cli_fail(err, MQ_ERR_USAGE, "standard input (%s) can be given only once", n > 0 ? "-" : "@-");
    if (n > 0 && isatty(STDIN_FILENO))
        return cli_fail(err, MQ_ERR_USAGE, "a model is not read from a terminal: mq %s %s", cmd->name, cmd->files);
    return MQ_OK;
}

/* Do both names mean one regular file? One that does not exist yet is known by its name alone. */
static bool same_file(const char *a, const char *b)
{
    struct stat x, y;

    if (is_dash(a) || is_dash(b))
        return false;
    if (stat(a, &x) == 0 && stat(b, &y) == 0)
        return S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
    return strcmp(a, b) == 0;
}

/* Files that options name: those that are needed first, then those that are replaced without being asked, like reports. */
static const cli_opt single_files[] = { OPT_OUTPUT, OPT_CONFIG, OPT_OVERRIDES, OPT_KEEP_FAILED, OPT_DEPFILE, OPT_TRACE };
enum { N_NEEDED = 3, N_SINGLE = sizeof single_files / sizeof *single_files };

/* The i-th file: models, then the above, then reports and caches; NULL: it is not given. */
static const char *named_file(const cli_options *o, size_t i, const char **label)
{
    mq_report_form form;
    mq_error ignored;
    const char *path = NULL;

    *label = "the model";
    if (i < o->n_files)
        return o->files[i];
    i -= o->n_files;
    *label = cli_row_of(i < N_SINGLE ? single_files[i] : OPT_REPORT)->label;
    if (i < N_SINGLE)
        return o->values[single_files[i]].text;
    i -= N_SINGLE;
    if (i < o->values[OPT_REPORT].n_items) {
        cli_report_split(o->values[OPT_REPORT].items[i], &form, &path, &ignored);
        return path;
    }
    *label = cli_row_of(OPT_CALIBRATION_CACHE)->label;
    return o->values[OPT_CALIBRATION_CACHE].items[i - o->values[OPT_REPORT].n_items];
}

/* What is replaced without -f must not be a file that is needed. */
static mq_status check_replaced(const cli_options *o, mq_error *err)
{
    size_t n = o->n_files + N_SINGLE + o->values[OPT_REPORT].n_items + o->values[OPT_CALIBRATION_CACHE].n_items;
    const char *label, *other;

    for (size_t i = o->n_files + N_NEEDED; i < n; i++) {
        const char *path = named_file(o, i, &label);

        for (size_t k = 0; path && k < i; k++) {
            const char *taken = named_file(o, k, &other);

            if (taken && same_file(path, taken))
                return cli_fail(err, MQ_ERR_USAGE, "%s and %s are both '%s'", other, label, path);
        }
    }
    return MQ_OK;
}

mq_status cli_options_check(const cli_options *o, const cli_command *cmd, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (o->values[OPT_LIST_TYPES].on || o->values[OPT_LIST_TARGETS].on || o->values[OPT_LIST_PASSES].on)
        return MQ_OK; /* the rest of the line is not looked at */
    CLI_TRY(check_files(o, cmd, err));
    CLI_TRY(check_many(o, cmd, err));
    CLI_TRY(check_stdout(o, err));
    CLI_TRY(check_stdin(o, cmd, err));
    CLI_TRY(check_replaced(o, err));
done:
    return rc;
}
