/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* One run of a command from its arguments to its exit status: parse, open, run, report, close. What a
 * command does is not here, nor how options are written. */
#include "cli/session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config.h"
#include "cli/depfile.h"
#include "cli/help.h"
#include "cli/progress.h"
#include "cli/rules.h"
#include "cli/signals.h"
#include "cli/text.h"
#include "mq/isa.h"
#include "mq/version.h"

#define SHOWN_PER_CODE 10 /* warnings of one code that are printed without -v */
#define MAX_CODES 64

struct cli_private {
    cli_options opts;
    cli_progress progress;
    cli_paths read, written;
    struct {
        char code[40];
        size_t n;
    } codes[MAX_CODES];
    size_t n_codes;
    char step[40]; /* that runs, for -v */
    mq_error report_error; /* the first failure to add to the report */
};

const cli_value *cli_get(const cli_session *s, cli_opt id)
{
    return &s->opts->values[id];
}

static bool on(const cli_session *s, cli_opt id)
{
    return cli_get(s, id)->on;
}

bool cli_missed(const cli_session *s)
{
    return mq_report_n_missed(s->report) > 0 || (on(s, OPT_STRICT) && mq_report_n_warnings(s->report) > 0);
}

bool cli_stdout_taken(const cli_session *s)
{
    const cli_value *reports = cli_get(s, OPT_REPORT), *output = cli_get(s, OPT_OUTPUT);
    bool taken = on(s, OPT_JSON) || (output->text && strcmp(output->text, "-") == 0);

    for (size_t i = 0; i < reports->n_items; i++) {
        const char *colon = strrchr(reports->items[i], ':');

        taken |= strcmp(colon ? colon + 1 : reports->items[i], "-") == 0;
    }
    return taken;
}

cli_exit cli_exit_of(mq_status status)
{
    switch (status) {
    case MQ_OK:
        return EXIT_DONE;
    case MQ_ERR_USAGE:
        return EXIT_USAGE;
    case MQ_ERR_INPUT:
        return EXIT_INPUT;
    case MQ_ERR_UNSUPPORTED:
        return EXIT_UNSUPPORTED;
    case MQ_ERR_SYSTEM:
    case MQ_ERR_NOMEM:
    case MQ_ERR_CANCELLED:
        break;
    }
    return EXIT_SYSTEM;
}

/* ---- messages ----------------------------------------------------------------------------------------------------- */

/* Does the text name the file itself: "FILE: ..." or "... 'FILE..."? */
static bool names_file(const char *text, const char *file)
{
    size_t n = strlen(file);

    if (strncmp(text, file, n) == 0 && text[n] == ':')
        return true;
    for (const char *at = strstr(text, file); at; at = strstr(at + 1, file)) {
        if (at > text && at[-1] == '\'')
            return true;
    }
    return false;
}

/* The file to put before a sentence; NULL: it needs none. */
static const char *prefix_of(const cli_session *s, const char *text)
{
    const char *output = cli_get(s, OPT_OUTPUT)->text;

    if (!s->file || (output && names_file(text, output)) || names_file(text, s->file))
        return NULL;
    return s->file;
}

static void print_line(cli_session *s, const char *kind, cli_style style, const char *file, const char *text)
{
    cli_progress_clear(&s->priv->progress);
    fputs("mq: ", stderr);
    if (kind)
        fprintf(stderr, "%s%s%s: ", cli_style_on(stderr, style), kind, cli_style_off(stderr));
    if (file) {
        cli_put_safe(stderr, file);
        fputs(": ", stderr);
    }
    cli_put_safe(stderr, text);
    putc('\n', stderr);
}

/* Workflow commands end at a line break and take percent escapes. */
static void print_annotation(const char *command, const char *file, const char *text)
{
    const char *parts[] = { file ? file : "", file ? ": " : "", text };

    fprintf(stderr, "::error title=mq %s::", command);
    for (size_t i = 0; i < 3; i++) {
        for (const char *c = parts[i]; *c; c++) {
            if (*c == '%' || *c == '\r' || *c == '\n')
                fprintf(stderr, "%%%02X", *c);
            else
                putc((unsigned char)*c < 0x20 || *c == 0x7f ? '?' : *c, stderr);
        }
    }
    putc('\n', stderr);
}

void cli_annotate_error(cli_session *s, const char *text)
{
    if (cli_get(s, OPT_ANNOTATE)->word == ANNOTATE_GITHUB)
        print_annotation(s->command->name, prefix_of(s, text), text);
}

static void print_error(cli_session *s, const char *file, const char *text)
{
    print_line(s, "error", STYLE_RED, file, text);
    if (cli_get(s, OPT_ANNOTATE)->word == ANNOTATE_GITHUB)
        print_annotation(s->command->name, file, text);
}

/* The text of a call with a format and arguments. */
#define FORMAT(text, fmt)                       \
    do {                                        \
        va_list ap;                             \
        va_start(ap, fmt);                      \
        vsnprintf(text, sizeof text, fmt, ap);  \
        va_end(ap);                             \
    } while (0)

void cli_say(cli_session *s, const char *fmt, ...)
{
    char text[MQ_ERROR_SIZE];

    if (on(s, OPT_QUIET))
        return;
    FORMAT(text, fmt);
    print_line(s, NULL, STYLE_BOLD, NULL, text);
}

void cli_detail(cli_session *s, const char *fmt, ...)
{
    char text[MQ_ERROR_SIZE];

    if (!on(s, OPT_VERBOSE))
        return;
    FORMAT(text, fmt);
    print_line(s, NULL, STYLE_BOLD, NULL, text);
}

void cli_say_missed(cli_session *s, const char *fmt, ...)
{
    char text[MQ_ERROR_SIZE];

    FORMAT(text, fmt);
    print_error(s, prefix_of(s, text), text);
}

void cli_clear_line(cli_session *s)
{
    cli_progress_clear(&s->priv->progress);
}

/* ---- hooks -------------------------------------------------------------------------------------------------------- */

/* How many warnings of that code came, this one included. */
static size_t count_code(struct cli_private *p, const char *code)
{
    size_t i = 0;

    while (i < p->n_codes && strncmp(p->codes[i].code, code, sizeof p->codes[i].code - 1) != 0)
        i++;
    if (i == MAX_CODES)
        return 1; /* so many kinds that each is printed */
    if (i == p->n_codes) {
        snprintf(p->codes[i].code, sizeof p->codes[i].code, "%s", code);
        p->n_codes++;
    }
    return ++p->codes[i].n;
}

static void on_warning(void *user, const mq_warning *warning)
{
    cli_session *s = user;
    size_t n = count_code(s->priv, warning->code);
    mq_error err = { 0 };

    if (mq_report_add_warning(s->report, warning, &err) != MQ_OK && !s->priv->report_error.text[0])
        s->priv->report_error = err;
    if (!on(s, OPT_QUIET) && (n <= SHOWN_PER_CODE || on(s, OPT_VERBOSE)))
        print_line(s, "warning", STYLE_YELLOW, prefix_of(s, warning->text), warning->text);
}

void cli_warn(cli_session *s, const char *code, const char *place, const char *fmt, ...)
{
    char text[MQ_ERROR_SIZE];

    FORMAT(text, fmt);
    on_warning(s, &(mq_warning){ .code = code, .place = place, .text = text });
}

static void on_progress(void *user, const char *step, uint64_t done, uint64_t total)
{
    cli_session *s = user;

    if (strncmp(s->priv->step, step, sizeof s->priv->step - 1) != 0) {
        snprintf(s->priv->step, sizeof s->priv->step, "%s", step);
        cli_detail(s, "%s", step);
    }
    if (!on(s, OPT_QUIET))
        cli_progress_update(&s->priv->progress, step, done, total);
}

static bool on_cancelled(void *user)
{
    (void)user;
    return cli_signals_caught() != 0;
}

static void on_file(void *user, const char *path, bool written)
{
    cli_session *s = user;
    mq_error err = { 0 };
    mq_status rc = written ? cli_note_written(s, path, &err) : cli_note_read(s, path, &err);

    if (rc != MQ_OK && !s->priv->report_error.text[0])
        s->priv->report_error = err;
}

static void say_hidden_warnings(cli_session *s)
{
    for (size_t i = 0; i < s->priv->n_codes; i++) {
        if (s->priv->codes[i].n > SHOWN_PER_CODE && !on(s, OPT_VERBOSE))
            cli_say(s, "%zu more warnings '%s': -v and reports show all", s->priv->codes[i].n - SHOWN_PER_CODE,
                    s->priv->codes[i].code);
    }
}

mq_status cli_note_read(cli_session *s, const char *path, mq_error *err)
{
    return cli_paths_add(&s->priv->read, path, err);
}

mq_status cli_note_written(cli_session *s, const char *path, mq_error *err)
{
    return cli_paths_add(&s->priv->written, path, err);
}

/* ---- opening ------------------------------------------------------------------------------------------------------ */

/* -j, else MQ_THREADS, else OMP_NUM_THREADS (whose first number counts; what mq cannot read there is
 * OpenMP's affair). */
static mq_status choose_threads(cli_session *s, mq_error *err)
{
    const char *ours = getenv("MQ_THREADS"), *openmp = getenv("OMP_NUM_THREADS");
    const cli_row *row = cli_row_of(OPT_THREADS);
    uint64_t n = 0;

    if (cli_get(s, OPT_THREADS)->given) {
        n = cli_get(s, OPT_THREADS)->number;
    } else if (ours && ours[0]) {
        if (!cli_parse_count(ours, &n) || n < row->min || n > row->max)
            return cli_fail(err, MQ_ERR_USAGE, "the environment's MQ_THREADS is '%s': a number from %d to %d is allowed",
                            ours, (int)row->min, (int)row->max);
    } else if (openmp) {
        char first[16];

        snprintf(first, sizeof first, "%.*s", (int)strcspn(openmp, ","), openmp);
        if (!cli_parse_count(first, &n) || n > row->max)
            n = 0;
    }
    s->hooks.n_threads = (int)n;
    return MQ_OK;
}

/* --isa, else MQ_ISA, which then stands in the report as if it were the option: it decides the last bits. */
static mq_status choose_isa(cli_session *s, mq_error *err)
{
    const cli_value *option = cli_get(s, OPT_ISA);
    const char *ours = option->given ? option->text : getenv("MQ_ISA");
    mq_error why = { 0 };
    char json[32];

    if (!ours || !ours[0])
        return MQ_OK;
    if (mq_isa_set(ours, &why) != MQ_OK)
        return cli_fail(err, MQ_ERR_USAGE, "%s: %s", option->given ? "--isa" : "the environment's MQ_ISA", why.text);
    snprintf(json, sizeof json, "\"%s\"", ours);
    return option->given ? MQ_OK : mq_report_add_option(s->report, cli_opt_name(OPT_ISA), json, err);
}

/* What decides the result goes into the report; where it goes and how it is shown does not. */
static bool is_reported(cli_opt id)
{
    switch (id) {
    case OPT_OUTPUT:
    case OPT_FORCE:
    case OPT_DRY_RUN:
    case OPT_KEEP_FAILED:
    case OPT_DEPFILE:
        return false;
    default:
        return id > OPT_ANNOTATE || id == OPT_STRICT || id == OPT_ISA;
    }
}

static mq_status report_options(cli_session *s, mq_error *err)
{
    for (int id = OPT_NONE + 1; id < N_OPTS; id++) {
        char *text;
        mq_status rc;

        if (!cli_get(s, (cli_opt)id)->given || !is_reported((cli_opt)id))
            continue;
        if (!(text = cli_config_value(s->opts, (cli_opt)id)))
            return cli_oom(err);
        rc = mq_report_add_option(s->report, cli_opt_name((cli_opt)id), text, err);
        free(text);
        if (rc != MQ_OK)
            return rc;
    }
    return MQ_OK;
}

static mq_status open_session(cli_session *s, mq_error *err)
{
    mq_status rc = MQ_OK;
    const cli_options *o = s->opts;

    cli_progress_init(&s->priv->progress);
    s->file = o->n_files > 0 ? o->files[0] : NULL;
    s->hooks = (mq_hooks){ .user = s, .warn = on_warning, .progress = on_progress, .cancelled = on_cancelled,
                           .file = on_file };
    CLI_TRY(mq_report_create(&s->report, s->command->name, err));
    CLI_TRY(report_options(s, err));
    for (size_t i = 0; i < o->n_files; i++)
        CLI_TRY(strcmp(o->files[i], "-") ? cli_note_read(s, o->files[i], err) : MQ_OK);
    for (size_t i = 0; i < o->n_read; i++)
        CLI_TRY(cli_note_read(s, o->read[i], err));
    if (o->values[OPT_OUTPUT].given)
        CLI_TRY(cli_note_written(s, o->values[OPT_OUTPUT].text, err));
    CLI_TRY(choose_isa(s, err));
    rc = choose_threads(s, err);
done:
    return rc;
}

/* ---- closing ------------------------------------------------------------------------------------------------------ */

static int worse(int code, mq_status rc)
{
    return rc == MQ_OK ? code : (int)cli_exit_of(rc);
}

static mq_status write_reports(cli_session *s, mq_error *err)
{
    const cli_value *reports = cli_get(s, OPT_REPORT);
    mq_status rc = MQ_OK;

    fflush(stdout); /* what the command printed comes first */
    for (size_t i = 0; i < reports->n_items; i++) {
        mq_report_form form;
        const char *path;

        CLI_TRY(cli_report_split(reports->items[i], &form, &path, err));
        CLI_TRY(mq_report_write(s->report, form, path, err));
    }
    if (on(s, OPT_JSON))
        rc = mq_report_write(s->report, MQ_REPORT_JSON, "-", err);
done:
    return rc;
}

static bool writes(const cli_session *s)
{
    return cli_get(s, OPT_OUTPUT)->given && !on(s, OPT_DRY_RUN);
}

static void say_in_place(cli_session *s)
{
    print_line(s, NULL, STYLE_BOLD, NULL, "the model was written and stays in place");
}

/* Reports and depfile; a failure there leaves the model where it is, and says so. */
static int write_files(cli_session *s, int code)
{
    bool in_place = code == EXIT_DONE && writes(s);
    mq_error err = { 0 };
    mq_status rc = write_reports(s, &err);

    if (rc == MQ_OK && in_place && cli_get(s, OPT_DEPFILE)->given)
        rc = cli_depfile_write(cli_get(s, OPT_DEPFILE)->text, &s->priv->written, &s->priv->read, &err);
    if (rc == MQ_OK || cli_signals_caught())
        return code;
    print_error(s, NULL, err.text);
    if (in_place)
        say_in_place(s);
    return worse(code, rc == MQ_ERR_USAGE ? MQ_ERR_SYSTEM : rc);
}

/* Everything that was printed has to have arrived. */
static int close_stdout(int code)
{
    bool failed = ferror(stdout) != 0;

    failed |= fclose(stdout) != 0;
    if (!failed || cli_signals_caught())
        return code;
    fprintf(stderr, "mq: error: cannot write standard output: %m\n");
    return EXIT_SYSTEM;
}

static int close_session(cli_session *s, mq_status rc, const mq_error *err)
{
    int code = cli_exit_of(rc);

    cli_progress_clear(&s->priv->progress);
    if (cli_signals_caught())
        return code;
    if (rc != MQ_OK) {
        const char *file = rc == MQ_ERR_NOMEM ? NULL : prefix_of(s, err->text);

        print_error(s, file, err->text);
        if (s->report && code != EXIT_USAGE)
            mq_report_set_error(s->report, code, err->text, NULL);
    } else if (s->priv->report_error.text[0]) {
        print_error(s, NULL, s->priv->report_error.text);
        if (writes(s) && !cli_missed(s))
            say_in_place(s);
        code = EXIT_SYSTEM;
    } else if (cli_missed(s)) {
        code = EXIT_MISSED;
        if (mq_report_n_missed(s->report) == 0)
            cli_say_missed(s, "--strict: %zu warning%s the exit status %d", mq_report_n_warnings(s->report),
                           mq_report_n_warnings(s->report) == 1 ? " makes" : "s make", EXIT_MISSED);
    }
    say_hidden_warnings(s);
    if (s->report && code != EXIT_USAGE)
        code = write_files(s, code);
    return code;
}

int cli_run(const cli_command *cmd, int argc, char *const *argv)
{
    struct cli_private priv = { 0 };
    cli_session s = { .command = cmd, .opts = &priv.opts, .priv = &priv };
    mq_error err = { 0 };
    mq_status rc = cli_options_parse(&priv.opts, cmd, argc, argv, &err);
    int code = EXIT_DONE;

    if (rc == MQ_OK && priv.opts.help) {
        cli_help_print(cmd, stdout);
    } else if (rc == MQ_OK && priv.opts.version) {
        printf("mq %s\n", mq_version());
    } else {
        mq_error opening = { 0 };
        mq_status opened;

        cli_signals_install(priv.opts.n_files > 0 ? priv.opts.files[0] : cmd->name);
        opened = open_session(&s, &opening);
        if (rc == MQ_OK && opened == MQ_OK) {
            rc = cmd->run(&s, &err);
        } else {
            s.file = NULL; /* sentences about the command line say themselves what they are about */
            err = rc == MQ_OK ? opening : err;
            rc = rc == MQ_OK ? opened : rc;
        }
        code = close_session(&s, rc, &err);
    }
    code = close_stdout(code);
    cli_signals_reraise();
    mq_report_free(s.report);
    cli_paths_release(&priv.read);
    cli_paths_release(&priv.written);
    cli_options_release(&priv.opts);
    return code;
}
