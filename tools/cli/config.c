/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reads and writes options as JSON. Every value goes through cli_options_set, so that a file is as strict as
 * the command line; only items of arrays are taken as they are, without commas. */
#include "cli/config.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fail.h"

/* A string, or a number as one would write it; NULL: neither. */
static const char *scalar_text(const json_t *value, char *buf, size_t size)
{
    if (json_is_string(value))
        return json_string_value(value);
    if (json_is_integer(value))
        snprintf(buf, size, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value))
        snprintf(buf, size, "%.17g", json_real_value(value));
    else
        return NULL;
    return buf;
}

static mq_status set_value(cli_options *o, cli_opt id, const json_t *value, mq_error *err)
{
    const cli_row *row = cli_row_of(id);
    char buf[64];
    const char *text = scalar_text(value, buf, sizeof buf);
    const json_t *item;
    mq_status rc = MQ_OK;
    size_t i;

    if (row->kind == KIND_SWITCH) {
        if (!json_is_boolean(value))
            return cli_fail(err, MQ_ERR_USAGE, "%s is true or false", row->label);
        cli_options_set_switch(o, id, json_is_true(value));
        return MQ_OK;
    }
    if (cli_kind_is_list(row->kind) && json_is_array(value)) {
        json_array_foreach(value, i, item) {
            if (!(text = scalar_text(item, buf, sizeof buf)))
                return cli_fail(err, MQ_ERR_USAGE, "%s takes strings in its array", row->label);
            CLI_TRY(cli_options_add_item(o, id, text, err));
        }
        goto done;
    }
    if (!text) {
        const char *or_else = cli_kind_is_list(row->kind) ? " or an array of strings" : " or a number";

        return cli_fail(err, MQ_ERR_USAGE, "%s takes a string%s: %s", row->label,
                        row->kind == KIND_TEXT ? "" : or_else, row->arg);
    }
    rc = cli_options_set(o, id, text, err);
done:
    return rc;
}

static mq_status find_key(const char *key, const cli_command *cmd, cli_opt *id, mq_error *err)
{
    *id = cli_opt_find(key, strlen(key));
    if (*id == OPT_NONE)
        return cli_fail(err, MQ_ERR_USAGE, "unknown key '%s': keys are names of options without dashes", key);
    if (*id == OPT_CONFIG || *id == OPT_HELP || *id == OPT_VERSION || !cli_command_takes(cmd, *id))
        return cli_fail(err, MQ_ERR_USAGE, "key '%s' has no meaning for mq %s", key, cmd->name);
    return MQ_OK;
}

static mq_status apply_object(cli_options *o, const cli_command *cmd, json_t *root, mq_error *err)
{
    bool fixed[N_OPTS];
    const char *key;
    json_t *value;

    for (int id = 0; id < N_OPTS; id++)
        fixed[id] = o->values[id].given;
    json_object_foreach(root, key, value) {
        mq_status rc;
        cli_opt id, stored;

        if ((rc = find_key(key, cmd, &id, err)) != MQ_OK)
            return rc;
        stored = cli_row_of(id)->opposite != OPT_NONE ? cli_row_of(id)->opposite : id;
        if (!fixed[stored] && (rc = set_value(o, id, value, err)) != MQ_OK)
            return rc;
    }
    return MQ_OK;
}

static mq_status load(json_t **root, const char *path, mq_error *err)
{
    json_error_t why;
    FILE *f = fopen(path, "r");
    bool no_memory;

    if (!f)
        return errno == ENOMEM ? cli_oom(err) : cli_fail(err, MQ_ERR_INPUT, "%s: cannot open: %m", path);
    errno = 0;
    *root = json_loadf(f, JSON_REJECT_DUPLICATES, &why);
    no_memory = errno == ENOMEM; /* jansson calls some of it a syntax error */
    fclose(f);
    if (!*root && no_memory)
        return cli_oom(err);
    if (!*root)
        return cli_fail(err, MQ_ERR_INPUT, "%s:%d: %s", path, why.line, why.text);
    return MQ_OK;
}

/* The object to apply: the file's own, or the `options` of a report. */
static json_t *options_of(json_t *root)
{
    json_t *options = json_object_get(root, "options");

    return json_object_get(root, "schema_version") && json_is_object(options) ? options : root;
}

mq_status cli_config_apply(cli_options *o, const cli_command *cmd, const char *path, mq_error *err)
{
    json_t *root = NULL;
    mq_error why = { 0 };
    mq_status rc = load(&root, path, err);

    if (rc != MQ_OK)
        return rc;
    if (!json_is_object(root))
        rc = cli_fail(err, MQ_ERR_INPUT, "%s: not an object of option names and values", path);
    else if ((rc = apply_object(o, cmd, options_of(root), &why)) == MQ_ERR_NOMEM)
        rc = cli_oom(err);
    else if (rc != MQ_OK)
        rc = cli_fail(err, rc, "%s: %.900s", path, why.text);
    json_decref(root);
    if (rc == MQ_OK)
        rc = cli_options_note_read(o, path, err);
    return rc;
}

/* JSON is UTF-8; a file name need not be. */
static json_t *string_json(const char *text)
{
    json_t *string = json_string(text);
    char *copy;

    if (string || !(copy = strdup(text)))
        return string;
    for (char *c = copy; *c; c++)
        *c = *c & 0x80 ? '?' : *c;
    string = json_string(copy);
    free(copy);
    return string;
}

static json_t *value_json(const cli_options *o, cli_opt id)
{
    const cli_row *row = cli_row_of(id);
    const cli_value *v = &o->values[id];
    json_t *array;

    if (row->kind == KIND_SWITCH)
        return json_boolean(v->on);
    if (row->kind == KIND_COUNT && v->word < 0 && v->n_numbers < 2)
        return json_integer((json_int_t)v->number);
    if (!cli_kind_is_list(row->kind))
        return string_json(v->text);
    array = json_array();
    for (size_t i = 0; array && i < v->n_items; i++)
        json_array_append_new(array, string_json(v->items[i]));
    return array;
}

char *cli_config_value(const cli_options *o, cli_opt id)
{
    json_t *value = value_json(o, id);
    char *text = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

    json_decref(value);
    return text;
}
