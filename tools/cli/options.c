/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Turns a command line into typed values. Nothing is printed here and no model is opened; the only files
 * that are read are lists of patterns (@FILE). What a command line as a whole must satisfy is in rules.c. */
#include "cli/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config.h"
#include "cli/fail.h"
#include "cli/nearest.h"
#include "cli/peers.h"
#include "cli/rules.h"

void *cli_own(cli_options *o, void *p)
{
    void **more;

    if (!p)
        return NULL;
    if (!(more = realloc(o->owned, (o->n_owned + 1) * sizeof *more))) {
        free(p);
        return NULL;
    }
    o->owned = more;
    o->owned[o->n_owned++] = p;
    return p;
}

void cli_options_release(cli_options *o)
{
    for (int id = 0; id < N_OPTS; id++) {
        cli_value *v = &o->values[id];

        for (size_t i = 0; v->shapes && i < v->n_items; i++)
            cli_shape_release(&v->shapes[i]);
        free(v->shapes);
        free(v->items);
        free(v->names);
        free(v->numbers);
    }
    for (size_t i = 0; i < o->n_owned; i++)
        free(o->owned[i]);
    free(o->owned);
    free(o->files);
    free(o->read);
    *o = (cli_options){ 0 };
}

/* Room for one more element behind n of a growing array, whose pointer is at `array`; false when out of memory. */
static bool grow(void *array, size_t n, size_t size)
{
    void *p;

    memcpy(&p, array, sizeof p); /* the pointer's own type is the caller's */
    if (!(p = realloc(p, (n + 1) * size)))
        return false;
    memcpy(array, &p, sizeof p);
    return true;
}

static mq_status push_string(const char ***list, size_t *n, const char *s, mq_error *err)
{
    if (!s || !grow(list, *n, sizeof **list))
        return cli_oom(err);
    (*list)[(*n)++] = s;
    return MQ_OK;
}

mq_status cli_options_note_read(cli_options *o, const char *path, mq_error *err)
{
    return push_string(&o->read, &o->n_read, cli_own(o, strdup(path)), err);
}

/* ---- values of a kind --------------------------------------------------------------------------------------------- */

/* Place of text in "a|b|c"; -1: not there. */
static int find_word(const char *words, const char *text)
{
    size_t len = strlen(text);

    for (int i = 0; words && *words; i++) {
        size_t n = strcspn(words, "|");

        if (n == len && memcmp(words, text, n) == 0)
            return i;
        words += n + (words[n] == '|');
    }
    return -1;
}

/* "a|b|c" as "a, b or c". */
static void list_words(char *buf, size_t size, const char *words)
{
    size_t used = 0;

    buf[0] = '\0';
    while (*words && used < size) {
        size_t n = strcspn(words, "|");
        bool last = words[n] == '\0';
        const char *before = used == 0 ? "" : last ? " or " : ", ";

        used += (size_t)snprintf(buf + used, size - used, "%s%.*s", before, (int)n, words);
        words += n + !last;
    }
}

static mq_status bad_word(const cli_row *row, const char *text, mq_error *err)
{
    char words[256];

    list_words(words, sizeof words, row->words);
    return cli_fail(err, MQ_ERR_USAGE, "%s is %s, not '%s'", row->label, words, text);
}

static mq_status bad_number(const cli_row *row, const char *text, const char *allowed, mq_error *err)
{
    return cli_fail(err, MQ_ERR_USAGE, "%s takes %s%s%s, not '%s'", row->label, allowed, row->words ? " or " : "",
                    row->words ? row->words : "", text);
}

static mq_status set_one_count(cli_value *v, const cli_row *row, const char *text, mq_error *err)
{
    uint64_t n;

    if (!cli_parse_count(text, &n))
        return bad_number(row, text, "a whole number", err);
    if (n < row->min || (row->max && n > row->max))
        return cli_fail(err, MQ_ERR_USAGE, "%s is %llu to %llu, not %s", row->label, (unsigned long long)row->min,
                        (unsigned long long)row->max, text);
    if (row->power_of_two && (n & (n - 1)))
        return cli_fail(err, MQ_ERR_USAGE, "%s is a power of two, not %s", row->label, text);
    v->number = n;
    return MQ_OK;
}

/* "4", and "1,2,4" where a row has `many`: `number` is the first then. */
static mq_status set_count(cli_value *v, const cli_row *row, const char *text, mq_error *err)
{
    mq_status rc = MQ_OK;
    size_t n = 0;

    if (!row->many)
        return set_one_count(v, row, text, err);
    for (bool more = true; more && rc == MQ_OK; n++) {
        char item[32];
        const size_t len = strcspn(text, ",");

        snprintf(item, sizeof item, "%.*s", (int)(len < sizeof item ? len : sizeof item - 1), text);
        if ((rc = set_one_count(v, row, item, err)) != MQ_OK)
            return rc;
        if (!grow(&v->numbers, n, sizeof *v->numbers))
            return cli_oom(err);
        v->numbers[n] = v->number;
        more = text[len] == ',';
        text += len + more;
    }
    v->n_numbers = n;
    v->number = v->numbers[0];
    return rc;
}

/* "50%", "0.5", "4e9". */
static mq_status set_real_or_ratio(cli_value *v, const cli_row *row, const char *text, mq_error *err)
{
    v->is_ratio = cli_parse_ratio(text, &v->ratio) && (strchr(text, '%') || v->ratio <= 1);
    if (v->is_ratio || (cli_parse_real(text, &v->real) && v->real > 0))
        return MQ_OK;
    return bad_number(row, text, "a number as 300e6, or a ratio as 40%", err);
}

/* A bare number: with a point a ratio, without one bytes. Nothing can hold a bound of 0. */
static mq_status set_size_or_ratio(cli_value *v, const cli_row *row, const char *text, mq_error *err)
{
    if (cli_parse_size(text, &v->number) && v->number > 0)
        return MQ_OK;
    v->is_ratio = strpbrk(text, ".%") && cli_parse_ratio(text, &v->ratio);
    if (v->is_ratio && v->ratio > 0)
        return MQ_OK;
    return bad_number(row, text, "a size as 4M, a ratio as 40% or 0.4,", err);
}

/* "WORD,SECOND". */
static mq_status set_pair(cli_value *v, const cli_row *row, const char *text, mq_error *err)
{
    const char *comma = row->second ? strchr(text, ',') : NULL;
    char word[64];

    if (!comma || (size_t)(comma - text) >= sizeof word)
        return bad_word(row, text, err);
    memcpy(word, text, (size_t)(comma - text));
    word[comma - text] = '\0';
    if ((v->word = find_word(row->words, word)) < 0)
        return bad_word(row, word, err);
    if ((v->second = find_word(row->second, comma + 1)) < 0) {
        list_words(word, sizeof word, row->second);
        return cli_fail(err, MQ_ERR_USAGE, "%s: behind the comma is %s, not '%s'", row->label, word, comma + 1);
    }
    return MQ_OK;
}

/* One value that is not a list; the text is borrowed. */
static mq_status set_scalar(cli_value *v, const cli_row *row, const char *text, mq_error *err)
{
    mq_status rc = MQ_OK;

    v->is_ratio = false;
    v->second = -1;
    v->word = find_word(row->words, text);
    if (v->word < 0) {
        switch (row->kind) {
        case KIND_WORD:
            rc = set_pair(v, row, text, err);
            break;
        case KIND_COUNT:
            rc = set_count(v, row, text, err);
            break;
        case KIND_SIZE:
            if (!cli_parse_size(text, &v->number))
                rc = bad_number(row, text, "bytes, as 4096, 4K or 1.5M", err);
            break;
        case KIND_REAL:
            if (!cli_parse_real(text, &v->real))
                rc = bad_number(row, text, "a number", err);
            break;
        case KIND_RATIO:
            if (!cli_parse_ratio(text, &v->ratio))
                rc = bad_number(row, text, "a ratio, as 0.5 or 50%", err);
            break;
        case KIND_REAL_OR_RATIO:
            rc = set_real_or_ratio(v, row, text, err);
            break;
        case KIND_TIME:
            if (!cli_parse_time(text, &v->real))
                rc = bad_number(row, text, "a time with its unit, as 250ms, 10s or 1m", err);
            break;
        case KIND_RANGE:
            if (!cli_parse_range(text, &v->range))
                rc = bad_number(row, text, "LO..HI, stddev=K", err);
            break;
        case KIND_SIZE_OR_RATIO:
            rc = set_size_or_ratio(v, row, text, err);
            break;
        default:
            break;
        }
    }
    v->text = text;
    return rc;
}

static mq_status add_dim(cli_options *o, cli_value *v, const char *item, mq_error *err)
{
    const char *value;
    size_t len;
    uint64_t n;
    char *name;

    if (!cli_split_name(item, &len, &value) || !cli_parse_count(value, &n))
        return cli_fail(err, MQ_ERR_USAGE, "--dim takes NAME=N, not '%s'", item);
    if (!(name = cli_own(o, strndup(item, len))) || !grow(&v->names, v->n_items, sizeof *v->names) ||
        !grow(&v->numbers, v->n_items, sizeof *v->numbers))
        return cli_oom(err);
    v->names[v->n_items] = name;
    v->numbers[v->n_items] = n;
    return MQ_OK;
}

/* The shape becomes the one of the next item. */
static mq_status add_shape(cli_value *v, const char *item, mq_error *err)
{
    cli_shape shape;
    mq_status rc = cli_shape_parse(&shape, item, err);

    if (rc != MQ_OK)
        return rc;
    if (!grow(&v->shapes, v->n_items, sizeof *v->shapes)) {
        cli_shape_release(&shape);
        return cli_oom(err);
    }
    v->shapes[v->n_items] = shape;
    return MQ_OK;
}

/* The lines of a file, each a pattern; blank lines do not count. */
static mq_status add_lines(cli_options *o, cli_opt id, const char *path, mq_error *err)
{
    mq_status rc = MQ_OK;
    bool is_stdin = strcmp(path, "-") == 0;
    FILE *f = is_stdin ? stdin : fopen(path, "r");
    char *line = NULL;
    size_t cap = 0, before = o->values[id].n_items;
    ssize_t n;

    o->n_stdin += is_stdin;
    if (!f)
        return errno == ENOMEM ? cli_oom(err)
                               : cli_fail(err, MQ_ERR_INPUT, "%s: cannot open the list '%s': %m",
                                          cli_row_of(id)->label, path);
    while ((n = getline(&line, &cap, f)) >= 0) {
        while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = '\0';
        if (n > 0)
            CLI_TRY(push_string(&o->values[id].items, &o->values[id].n_items, cli_own(o, strdup(line)), err));
    }
    if (ferror(f))
        rc = cli_fail(err, MQ_ERR_INPUT, "%s: cannot read the list '%s': %m", cli_row_of(id)->label, path);
    else if (o->values[id].n_items == before)
        rc = cli_fail(err, MQ_ERR_USAGE, "%s: the list '%s' is empty", cli_row_of(id)->label, path);
    else if (!is_stdin)
        rc = cli_options_note_read(o, path, err);
done:
    free(line);
    if (!is_stdin)
        fclose(f);
    return rc;
}

mq_status cli_options_add_item(cli_options *o, cli_opt id, const char *item, mq_error *err)
{
    const cli_row *row = cli_row_of(id);
    cli_value *v = &o->values[id];
    mq_status rc = MQ_OK;
    const char *copy;

    if (item[0] == '\0')
        return cli_fail(err, MQ_ERR_USAGE, "%s has an empty item", row->label);
    v->given = true;
    if (row->kind == KIND_PATTERNS && item[0] == '@' && item[1] != '\0')
        return add_lines(o, id, item + 1, err);
    if (!(copy = cli_own(o, strdup(item))))
        return cli_oom(err);
    if (row->kind == KIND_DIMS)
        rc = add_dim(o, v, copy, err);
    else if (row->kind == KIND_SHAPES)
        rc = add_shape(v, copy, err);
    if (rc != MQ_OK)
        return rc;
    v->text = copy;
    rc = push_string(&v->items, &v->n_items, copy, err);
    if (rc != MQ_OK && row->kind == KIND_SHAPES)
        cli_shape_release(&v->shapes[v->n_items]);
    return rc;
}

/* Length of the next item of a list: up to a comma. A regular expression takes all that is left; in a list
 * of shapes a comma ends an item only when the next piece names an input. */
static size_t item_length(const cli_row *row, const char *text)
{
    size_t n = strcspn(text, ",");

    if (row->kind == KIND_TEXTS || (row->kind == KIND_PATTERNS && strncmp(text, "re:", 3) == 0))
        return strlen(text);
    while (row->kind == KIND_SHAPES && text[n] == ',') {
        size_t piece = strcspn(text + n + 1, ",");

        if (memchr(text + n + 1, '=', piece) || memchr(text + n + 1, ':', piece))
            break;
        n += 1 + piece;
    }
    return n;
}

static mq_status set_list(cli_options *o, cli_opt id, const char *text, mq_error *err)
{
    const cli_row *row = cli_row_of(id);

    for (;;) {
        size_t n = item_length(row, text);
        char *item = strndup(text, n);
        mq_status rc = item ? cli_options_add_item(o, id, item, err) : cli_oom(err);

        free(item);
        if (rc != MQ_OK || text[n] == '\0')
            return rc;
        text += n + 1;
    }
}

void cli_options_set_switch(cli_options *o, cli_opt id, bool on)
{
    cli_opt opposite = cli_row_of(id)->opposite;
    cli_value *v = &o->values[opposite != OPT_NONE ? opposite : id];

    v->on = opposite != OPT_NONE ? !on : on;
    v->given = true;
}

mq_status cli_options_set(cli_options *o, cli_opt id, const char *value, mq_error *err)
{
    const cli_row *row = cli_row_of(id);
    char *copy;

    if (!value || value[0] == '\0')
        return cli_fail(err, MQ_ERR_USAGE, "%s needs a value: %s", row->label, row->arg);
    if (cli_kind_is_list(row->kind))
        return set_list(o, id, value, err);
    if (!(copy = cli_own(o, strdup(value))))
        return cli_oom(err);
    o->values[id].given = true;
    return set_scalar(&o->values[id], row, copy, err);
}

static mq_status set_defaults(cli_options *o, mq_error *err)
{
    for (int id = OPT_NONE + 1; id < N_OPTS; id++) {
        const cli_row *row = cli_row_of((cli_opt)id);
        cli_value *v = &o->values[id];
        mq_status rc;

        v->word = v->second = -1;
        if (row->kind == KIND_SWITCH)
            v->on = row->fallback != NULL;
        else if (row->fallback && (rc = set_scalar(v, row, row->fallback, err)) != MQ_OK)
            return rc;
    }
    return MQ_OK;
}

/* ---- the command line --------------------------------------------------------------------------------------------- */

typedef struct parser {
    cli_options *o;
    const cli_command *cmd;
    int argc, next;
    char *const *argv;
} parser;

static mq_status unknown_option(const parser *p, const char *arg, size_t len, mq_error *err)
{
    const char *names[N_OPTS], *hint, *close;
    char plain[64], sentence[128];
    size_t dashes = strspn(arg, "-"), n = 0;

    snprintf(plain, sizeof plain, "%.*s", (int)(len - dashes), arg + dashes);
    for (char *c = plain; *c; c++)
        *c = *c == '-' ? '_' : *c;
    if ((hint = cli_peer_hint(plain, sentence, sizeof sentence)))
        return cli_fail(err, MQ_ERR_USAGE, "unknown option '%.*s': %s", (int)len, arg, hint);
    for (int id = OPT_NONE + 1; id < N_OPTS; id++) {
        if (cli_row_of((cli_opt)id)->label[1] == '-' && cli_command_takes(p->cmd, (cli_opt)id))
            names[n++] = cli_opt_name((cli_opt)id);
    }
    for (char *c = plain; *c; c++)
        *c = *c == '_' ? '-' : *c;
    if ((close = cli_nearest(plain, names, n)))
        return cli_fail(err, MQ_ERR_USAGE, "unknown option '%.*s': did you mean --%s?", (int)len, arg, close);
    return cli_fail(err, MQ_ERR_USAGE, "unknown option '%.*s': mq %s -h lists the options", (int)len, arg,
                    p->cmd->name);
}

/* The argument behind an option. One that is itself an option was forgotten, not meant: "-o --force". */
static const char *next_value(parser *p, cli_kind kind)
{
    const char *value = p->next < p->argc ? p->argv[p->next] : NULL;
    bool number = value && (kind == KIND_RANGE || kind == KIND_REAL) && value[0] == '-' && strchr("0123456789.", value[1]);

    if (!value || (value[0] == '-' && value[1] != '\0' && !number))
        return NULL;
    p->next++;
    return value;
}

static mq_status parse_switch(const parser *p, cli_opt id, const char *arg, size_t len, const char *value, bool on,
                              mq_error *err)
{
    const cli_row *row = cli_row_of(id);

    if (value)
        return cli_fail(err, MQ_ERR_USAGE, "%.*s takes no value%s%s", (int)len, arg,
                        row->no_negation ? "" : "; the contrary is --no-", row->no_negation ? "" : cli_opt_name(id));
    cli_options_set_switch(p->o, id, on);
    p->o->help |= id == OPT_HELP;
    p->o->version |= id == OPT_VERSION;
    return MQ_OK;
}

/* An option of another command, which may be another tool's name for one of this. */
static mq_status not_taken(const cli_command *cmd, cli_opt id, mq_error *err)
{
    char buf[128];
    const char *hint = cli_peer_hint(cli_opt_name(id), buf, sizeof buf);

    if (hint)
        return cli_fail(err, MQ_ERR_USAGE, "mq %s has no option %s: %s", cmd->name, cli_row_of(id)->label, hint);
    return cli_fail(err, MQ_ERR_USAGE, "mq %s has no option %s: mq %s -h lists the options", cmd->name,
                    cli_row_of(id)->label, cmd->name);
}

static mq_status parse_option(parser *p, const char *arg, mq_error *err)
{
    bool is_long = arg[1] == '-', on = true;
    size_t len = strcspn(arg, "="), dashes = is_long ? 2 : 1;
    const char *value = arg[len] == '=' ? arg + len + 1 : NULL;
    cli_opt id = OPT_NONE;

    if (is_long ? len > 3 : len == 2)
        id = cli_opt_find(arg + dashes, len - dashes);
    if (id == OPT_NONE && len > 5 && (strncmp(arg, "--no-", 5) == 0 || strncmp(arg, "--no_", 5) == 0)) {
        id = cli_opt_find(arg + 5, len - 5);
        on = false;
        if (id != OPT_NONE && (cli_row_of(id)->kind != KIND_SWITCH || cli_row_of(id)->no_negation))
            return cli_fail(err, MQ_ERR_USAGE, "there is no '%.*s': only switches can be turned off", (int)len, arg);
    }
    if (!is_long && len > 2 && arg[1] == 'j' && strspn(arg + 2, "0123456789") == len - 2) { /* -j4, as make has it */
        id = OPT_THREADS;
        value = arg + 2;
    } else if (!is_long && len == 3 && arg[1] == 'O' && strchr("0123456789", arg[2])) { /* -O2, as compilers have it */
        id = OPT_LEVEL;
        value = arg + 2;
    }
    if (id == OPT_NONE)
        return unknown_option(p, arg, len, err);
    if (!cli_command_takes(p->cmd, id))
        return not_taken(p->cmd, id, err);
    if (cli_row_of(id)->kind == KIND_SWITCH)
        return parse_switch(p, id, arg, len, value, on, err);
    return cli_options_set(p->o, id, value ? value : next_value(p, cli_row_of(id)->kind), err);
}

/* "simplify", "/usr/bin/mq-simplify". */
static bool called_by_alias(const cli_command *cmd, const char *name)
{
    const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;

    base += strncmp(base, "mq-", 3) == 0 ? 3 : 0;
    return cmd->alias && strcmp(base, cmd->alias) == 0;
}

mq_status cli_options_parse(cli_options *o, const cli_command *cmd, int argc, char *const *argv, mq_error *err)
{
    parser p = { o, cmd, argc, 1, argv };
    bool only_files = false;
    mq_status rc = MQ_OK;

    *o = (cli_options){ 0 };
    CLI_TRY(set_defaults(o, err));
    o->by_alias = argc > 0 && called_by_alias(cmd, argv[0]);
    while (p.next < argc && !o->help && !o->version) {
        const char *arg = argv[p.next++];

        if (!only_files && strcmp(arg, "--") == 0)
            only_files = true;
        else if (!only_files && arg[0] == '-' && arg[1] != '\0')
            CLI_TRY(parse_option(&p, arg, err));
        else
            CLI_TRY(push_string(&o->files, &o->n_files, arg, err));
    }
    if (o->help || o->version)
        goto done;
    if (o->values[OPT_CONFIG].given)
        CLI_TRY(cli_config_apply(o, cmd, o->values[OPT_CONFIG].text, err));
    CLI_TRY(cli_options_check(o, cmd, err));
    if (cmd->check)
        rc = cmd->check(o, err);
done:
    return rc;
}
