/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --config: keys and values, what the command line overrides, and that a report's options are such a file. */
#include "cli/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const cli_opt takes[] = { OPT_FORCE, OPT_OPSET, OPT_MAX_SIZE, OPT_NODES, OPT_SHAPE, OPT_PER_CHANNEL,
                                 OPT_DATA, OPT_MIN_SQNR, OPT_NONE };
static const cli_command command = {
    .name = "test", .files = "MODEL", .max_files = 1, .summary = "tests", .takes = takes
};

static cli_options o;
static mq_error err;
static char path[] = "/tmp/mq-config-XXXXXX";

/* Parses "test m --config FILE [EXTRA]" with that text in the file. */
static mq_status parse(const char *json, const char *extra)
{
    char *argv[] = { "test", "m", "--config", path, (char *)(uintptr_t)extra };
    FILE *f = fopen(path, "w");

    fputs(json, f);
    fclose(f);
    cli_options_release(&o);
    return cli_options_parse(&o, &command, extra ? 5 : 4, argv, &err);
}

static void assert_fails(const char *json, mq_status status, const char *sentence)
{
    assert_int_equal(parse(json, NULL), status);
    if (!strstr(err.text, sentence) || !strstr(err.text, path))
        fail_msg("'%s' does not hold '%s' and the file's name", err.text, sentence);
}

static void values(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"force\": true, \"opset\": 17, \"max_size\": \"40%\", \"j\": \"3\", \"per-tensor\": true,"
                           " \"nodes\": [\"a,b\", \"c\"], \"shape\": \"x=1,2\"}", NULL), MQ_OK);
    assert_true(o.values[OPT_FORCE].on);
    assert_int_equal(o.values[OPT_OPSET].number, 17);
    assert_true(o.values[OPT_MAX_SIZE].ratio == 0.4);
    assert_int_equal(o.values[OPT_THREADS].number, 3);
    assert_false(o.values[OPT_PER_CHANNEL].on);
    assert_int_equal(o.values[OPT_NODES].n_items, 2);
    assert_string_equal(o.values[OPT_NODES].items[0], "a,b"); /* an array's items have no commas to split at */
    assert_int_equal(o.values[OPT_SHAPE].shapes[0].rank, 2);
    assert_string_equal(o.read[0], path);
    assert_int_equal(parse("{\"max-size\": 0.5, \"opset\": \"latest\", \"nodes\": \"a,b\"}", NULL), MQ_OK);
    assert_true(o.values[OPT_MAX_SIZE].ratio == 0.5);
    assert_int_equal(o.values[OPT_OPSET].word, 0);
    assert_int_equal(o.values[OPT_NODES].n_items, 2);
}

static void texts_keep_their_commas_and_reals_may_be_numbers(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"data\": [\"x.npz\", \"random:2,uniform=0/1\"], \"min_sqnr\": 25.5}", NULL), MQ_OK);
    assert_int_equal(o.values[OPT_DATA].n_items, 2);
    assert_string_equal(o.values[OPT_DATA].items[1], "random:2,uniform=0/1");
    assert_true(o.values[OPT_MIN_SQNR].real == 25.5);
    assert_int_equal(parse("{\"data\": \"random:2,uniform=0/1\", \"min-sqnr\": \"-3\"}", NULL), MQ_OK);
    assert_int_equal(o.values[OPT_DATA].n_items, 1);
    assert_true(o.values[OPT_MIN_SQNR].real == -3);
    assert_fails("{\"min-sqnr\": \"high\"}", MQ_ERR_USAGE, "number");
}

static void the_command_line_wins(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"opset\": 17, \"nodes\": [\"a\"], \"per_tensor\": true}", "--opset=13"), MQ_OK);
    assert_int_equal(o.values[OPT_OPSET].number, 13);
    assert_int_equal(parse("{\"nodes\": [\"a\"]}", "--nodes=b"), MQ_OK);
    assert_int_equal(o.values[OPT_NODES].n_items, 1);
    assert_string_equal(o.values[OPT_NODES].items[0], "b");
    assert_int_equal(parse("{\"per_tensor\": true}", "--per-channel"), MQ_OK);
    assert_true(o.values[OPT_PER_CHANNEL].on);
    assert_int_equal(parse("{\"force\": true}", "--no-force"), MQ_OK);
    assert_false(o.values[OPT_FORCE].on);
}

static void what_is_refused(void **state)
{
    (void)state;
    assert_fails("{\"nodez\": 1}", MQ_ERR_USAGE, "unknown key 'nodez'");
    assert_fails("{\"sync\": true}", MQ_ERR_USAGE, "no meaning for mq test");
    assert_fails("{\"config\": \"x\"}", MQ_ERR_USAGE, "no meaning");
    assert_fails("{\"help\": true}", MQ_ERR_USAGE, "no meaning");
    assert_fails("{\"force\": 1}", MQ_ERR_USAGE, "true or false");
    assert_fails("{\"opset\": true}", MQ_ERR_USAGE, "string or a number");
    assert_fails("{\"opset\": -1}", MQ_ERR_USAGE, "whole number");
    assert_fails("{\"opset\": [1]}", MQ_ERR_USAGE, "string or a number");
    assert_fails("{\"nodes\": [[]]}", MQ_ERR_USAGE, "strings");
    assert_fails("{\"nodes\": {}}", MQ_ERR_USAGE, "array of strings");
    assert_fails("{\"opset\": 1, \"opset\": 2}", MQ_ERR_INPUT, "duplicate");
    assert_fails("[]", MQ_ERR_INPUT, "not an object");
    assert_fails("{\"opset\": 1", MQ_ERR_INPUT, ":1:");
    assert_fails("", MQ_ERR_INPUT, ":1:");
}

static void written_values_are_read_back(void **state)
{
    static const struct {
        cli_opt id;
        const char *json;
    } rows[] = { { OPT_FORCE, "true" },   { OPT_OPSET, "17" },           { OPT_MAX_SIZE, "\"40%\"" },
                 { OPT_STRICT, "false" }, { OPT_DATA, "[\"a=x:k,1\"]" }, { OPT_NODES, "[\"a,b\",\"c\\\"\"]" },
                 { OPT_PER_CHANNEL, "false" } };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char json[128], *text;

        snprintf(json, sizeof json, "{\"%s\": %s}", cli_opt_name(rows[i].id), rows[i].json);
        assert_int_equal(parse(json, NULL), MQ_OK);
        text = cli_config_value(&o, rows[i].id);
        assert_string_equal(text, rows[i].json);
        free(text);
    }
}

static void names_that_are_not_utf8_are_written(void **state)
{
    char *argv[] = { "test", "m", "--nodes", "a\xff" }, *text;

    (void)state;
    cli_options_release(&o);
    assert_int_equal(cli_options_parse(&o, &command, 4, argv, &err), MQ_OK);
    text = cli_config_value(&o, OPT_NODES);
    assert_string_equal(text, "[\"a?\"]");
    free(text);
}

static int release(void **state)
{
    (void)state;
    cli_options_release(&o);
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(texts_keep_their_commas_and_reals_may_be_numbers),
        cmocka_unit_test(the_command_line_wins),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(written_values_are_read_back),
        cmocka_unit_test(names_that_are_not_utf8_are_written),
    };

    close(mkstemp(path));
    return cmocka_run_group_tests(tests, NULL, release);
}
