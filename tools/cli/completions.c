/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Completion scripts for bash, zsh and fish, written out from the rows when mq is built. A value with words
 * completes to them, everything else to file names. */
#include <string.h>

#include "cli/help.h"

typedef void per_option(const cli_command *cmd, cli_opt id, FILE *f);

static void each_option(const cli_command *cmd, per_option *fn, FILE *f)
{
    for (int id = OPT_NONE + 1; id < N_OPTS; id++) {
        if (cli_command_takes(cmd, (cli_opt)id))
            fn(cmd, (cli_opt)id, f);
    }
}

/* "a|b" with another separator. */
static void put_words(const char *words, char separator, FILE *f)
{
    for (; *words; words++)
        putc(*words == '|' ? separator : *words, f);
}

static bool is_long(cli_opt id)
{
    return cli_row_of(id)->label[1] == '-';
}

/* ---- bash --------------------------------------------------------------------------------------------------------- */

static void bash_label(const cli_command *cmd, cli_opt id, FILE *f)
{
    (void)cmd;
    fprintf(f, " %s", cli_row_of(id)->label);
}

static void bash_words(FILE *f)
{
    for (int id = OPT_NONE + 1; id < N_OPTS; id++) {
        const cli_row *row = cli_row_of((cli_opt)id);

        if (!row->words)
            continue;
        fprintf(f, "    %s) mapfile -t COMPREPLY < <(compgen -W '", row->label);
        put_words(row->words, ' ', f);
        fprintf(f, "' -- \"$cur\"); return ;;\n");
    }
}

static void print_bash(const cli_command *const *commands, FILE *f)
{
    fputs("# bash completion for mq\n"
          "_mq() {\n"
          "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[0]##*/} list=\n"
          "    COMPREPLY=()\n"
          "    if [[ $cmd == mq ]]; then\n"
          "        if (( COMP_CWORD == 1 )); then\n"
          "            mapfile -t COMPREPLY < <(compgen -W '", f);
    for (size_t i = 0; commands[i]; i++)
        fprintf(f, "%s ", commands[i]->name);
    fputs("help' -- \"$cur\")\n"
          "            return\n"
          "        fi\n"
          "        cmd=mq-${COMP_WORDS[1]}\n"
          "    fi\n"
          "    case $prev in\n", f);
    bash_words(f);
    fputs("    esac\n"
          "    case $cmd in\n", f);
    for (size_t i = 0; commands[i]; i++) {
        fprintf(f, "    mq-%s) list='", commands[i]->name);
        each_option(commands[i], bash_label, f);
        fputs("' ;;\n", f);
    }
    fputs("    mq-help) list='", f);
    for (size_t i = 0; commands[i]; i++)
        fprintf(f, "%s ", commands[i]->name);
    fputs("types targets data preprocess exit'; mapfile -t COMPREPLY < <(compgen -W \"$list\" -- \"$cur\"); return ;;\n"
          "    esac\n"
          "    if [[ $cur == -* ]]; then\n"
          "        mapfile -t COMPREPLY < <(compgen -W \"$list\" -- \"$cur\")\n"
          "    else\n"
          "        compopt -o filenames 2>/dev/null || :\n"
          "        mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
          "    fi\n"
          "}\n"
          "complete -F _mq mq", f);
    for (size_t i = 0; commands[i]; i++)
        fprintf(f, " mq-%s", commands[i]->name);
    putc('\n', f);
}

/* ---- zsh ---------------------------------------------------------------------------------------------------------- */

/* Text inside '[...]' of an _arguments specification, itself within single quotes. */
static void zsh_text(const char *text, FILE *f)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\'", f);
        else if (strchr("[]:\\", *text))
            putc('\\', f);
        putc(*text, f);
    }
}

static void zsh_spec(const cli_command *cmd, cli_opt id, FILE *f)
{
    const cli_row *row = cli_row_of(id);

    fputs("        ", f);
    if (row->letter && is_long(id))
        fprintf(f, "'%s(-%c %s)'{-%c,%s}'", cli_kind_is_list(row->kind) ? "*" : "", row->letter, row->label,
                row->letter, row->label);
    else
        fprintf(f, "'%s%s", cli_kind_is_list(row->kind) ? "*" : "", row->label);
    putc('[', f);
    zsh_text(cli_help_of(cmd, id), f);
    putc(']', f);
    if (row->arg) {
        putc(':', f);
        zsh_text(cli_arg_of(cmd, id), f);
        putc(':', f);
        if (row->words) {
            putc('(', f);
            put_words(row->words, ' ', f);
            putc(')', f);
        } else {
            fputs("_files", f);
        }
    }
    fputs("' \\\n", f);
}

static void print_zsh(const cli_command *const *commands, FILE *f)
{
    fputs("#compdef mq", f);
    for (size_t i = 0; commands[i]; i++)
        fprintf(f, " mq-%s", commands[i]->name);
    fputs("\n# zsh completion for mq\n\n", f);
    for (size_t i = 0; commands[i]; i++) {
        fprintf(f, "_mq_%s() {\n    _arguments \\\n", commands[i]->name);
        each_option(commands[i], zsh_spec, f);
        fputs("        '*:model:_files'\n}\n\n", f);
    }
    fputs("_mq() {\n"
          "    local cmd=${service#mq-}\n"
          "    if [[ $service == mq ]]; then\n"
          "        if (( CURRENT == 2 )); then\n"
          "            local -a commands=(", f);
    for (size_t i = 0; commands[i]; i++) {
        fprintf(f, "'%s:", commands[i]->name);
        zsh_text(commands[i]->summary, f);
        fputs("' ", f);
    }
    fputs("'help:explain a command or topic')\n"
          "            _describe command commands\n"
          "            return\n"
          "        fi\n"
          "        cmd=$words[2]\n"
          "        shift words\n"
          "        (( CURRENT-- ))\n"
          "    fi\n"
          "    (( $+functions[_mq_$cmd] )) && _mq_$cmd\n"
          "}\n\n"
          "_mq \"$@\"\n", f);
}

/* ---- fish --------------------------------------------------------------------------------------------------------- */

static void fish_text(const char *text, FILE *f)
{
    putc('\'', f);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            putc('\\', f);
        putc(*text, f);
    }
    putc('\'', f);
}

static void fish_line(const cli_command *cmd, cli_opt id, FILE *f)
{
    const cli_row *row = cli_row_of(id);
    const bool long_name = is_long(id);

    if (long_name)
        fprintf(f, " -l %s", row->label + 2);
    if (row->letter)
        fprintf(f, " -s %c", row->letter);
    if (row->words) {
        fputs(" -x -a '", f);
        put_words(row->words, ' ', f);
        putc('\'', f);
    } else if (row->arg) {
        fputs(" -r -F", f);
    }
    fputs(" -d ", f);
    fish_text(cli_help_of(cmd, id), f);
    putc('\n', f);
}

static void fish_option(const cli_command *cmd, cli_opt id, FILE *f)
{
    fprintf(f, "complete -c mq -n '__fish_seen_subcommand_from %s'", cmd->name);
    fish_line(cmd, id, f);
    fprintf(f, "complete -c mq-%s", cmd->name);
    fish_line(cmd, id, f);
}

static void print_fish(const cli_command *const *commands, FILE *f)
{
    fputs("# fish completion for mq\n", f);
    for (size_t i = 0; commands[i]; i++) {
        fprintf(f, "complete -c mq -n __fish_use_subcommand -f -a %s -d ", commands[i]->name);
        fish_text(commands[i]->summary, f);
        putc('\n', f);
    }
    fputs("complete -c mq -n __fish_use_subcommand -f -a help -d 'explain a command or topic'\n", f);
    for (size_t i = 0; commands[i]; i++)
        each_option(commands[i], fish_option, f);
}

bool cli_completions_print(const cli_command *const *commands, const char *shell, FILE *f)
{
    if (strcmp(shell, "bash") == 0)
        print_bash(commands, f);
    else if (strcmp(shell, "zsh") == 0)
        print_zsh(commands, f);
    else if (strcmp(shell, "fish") == 0)
        print_fish(commands, f);
    else
        return false;
    return true;
}
