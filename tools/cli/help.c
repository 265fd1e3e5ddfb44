/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The table of -h: one line or more per option, grouped as the rows are, the common options last. */
#include "cli/help.h"

#include <string.h>

#include "cli/text.h"

#define HELP_COLUMN 30
#define MAX_WIDTH 110 /* longer lines are hard to read */

/* Prints text from `column` on, broken at blanks; the cursor stands at `at`. */
static void print_wrapped(FILE *f, const char *text, int at, int column, int width)
{
    int room = width - column > 30 ? width - column : 30;

    if (column > 0 && at > column - 2) {
        putc('\n', f);
        at = 0;
    }
    for (;;) {
        size_t n = strlen(text);

        if (n > (size_t)room) {
            n = (size_t)room;
            while (n > 0 && text[n] != ' ')
                n--;
            n = n > 0 ? n : strcspn(text, " ");
        }
        fprintf(f, "%*s%.*s\n", column - at, "", (int)n, text);
        text += n + (text[n] == ' ');
        if (*text == '\0')
            return;
        at = 0;
    }
}

/* What the command itself says of the option; NULL: nothing. */
static const cli_help_text *own_text(const cli_command *cmd, cli_opt id)
{
    for (const cli_help_text *h = cmd->helps; h && h->id != OPT_NONE; h++)
        if (h->id == id)
            return h;
    return NULL;
}

const char *cli_help_of(const cli_command *cmd, cli_opt id)
{
    const cli_help_text *own = own_text(cmd, id);

    return own ? own->text : cli_row_of(id)->help;
}

const char *cli_arg_of(const cli_command *cmd, cli_opt id)
{
    const cli_help_text *own = own_text(cmd, id);

    return own && own->arg ? own->arg : cli_row_of(id)->arg;
}

static bool hides_default(const cli_command *cmd, cli_opt id)
{
    const cli_help_text *own = own_text(cmd, id);

    return own && own->no_default;
}

static void print_row(const cli_command *cmd, cli_opt id, FILE *f, int width)
{
    const cli_row *row = cli_row_of(id);
    const char *help = cli_help_of(cmd, id), *arg = cli_arg_of(cmd, id);
    char text[512];
    bool is_long = row->label[1] == '-';
    int at = 0;

    if (row->letter)
        at += fprintf(f, "  -%c%s", row->letter, is_long ? ", " : "");
    else
        at += fprintf(f, "      ");
    at += fprintf(f, "%s%s%s", is_long ? row->label : "", arg ? " " : "", arg ? arg : "");
    if (row->fallback && row->kind != KIND_SWITCH && !hides_default(cmd, id))
        snprintf(text, sizeof text, "%s (default: %s)", help, row->fallback);
    else
        snprintf(text, sizeof text, "%s", help);
    print_wrapped(f, text, at, HELP_COLUMN, width);
}

static void print_group(const cli_command *cmd, const char *group, FILE *f, int width)
{
    fprintf(f, "\n%s%s:%s\n", cli_style_on(f, STYLE_BOLD), group, cli_style_off(f));
    for (int id = OPT_NONE + 1; id < N_OPTS; id++) {
        if (strcmp(cli_row_of((cli_opt)id)->group, group) == 0 && cli_command_takes(cmd, (cli_opt)id))
            print_row(cmd, (cli_opt)id, f, width);
    }
}

void cli_help_print(const cli_command *cmd, FILE *f)
{
    const char *common = cli_row_of(OPT_HELP)->group, *last = common;
    int width = cli_width(f) < MAX_WIDTH ? cli_width(f) : MAX_WIDTH;

    fprintf(f, "usage: mq %s %s%s%s [options]\n\n", cmd->name, cmd->files, cmd->needs_output ? " -o " : "",
            cmd->needs_output ? cli_arg_of(cmd, OPT_OUTPUT) : "");
    print_wrapped(f, cmd->summary, 0, 0, width);
    for (int id = OPT_NONE + 1; id < N_OPTS; id++) {
        const char *group = cli_row_of((cli_opt)id)->group;

        if (group != common && group != last && cli_command_takes(cmd, (cli_opt)id)) {
            print_group(cmd, group, f, width);
            last = group;
        }
    }
    print_group(cmd, common, f, width);
    fprintf(f, "\nThe man page, with examples: mq help %s\n", cmd->name);
}
