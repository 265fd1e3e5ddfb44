/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The make rule: escapes, sets, replacing. */
#include "cli/depfile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/mq-depfile-XXXXXX";

static void rule(void **state)
{
    cli_paths targets = { 0 }, sources = { 0 };
    char text[256] = "";
    FILE *f;

    (void)state;
    assert_int_equal(cli_paths_add(&targets, "out 1%.onnx", NULL), MQ_OK);
    assert_int_equal(cli_paths_add(&targets, "out.data", NULL), MQ_OK);
    assert_int_equal(cli_paths_add(&sources, "a b#c$d:e%f", NULL), MQ_OK);
    assert_int_equal(cli_paths_add(&sources, "x\\ y\\z", NULL), MQ_OK);
    assert_int_equal(cli_paths_add(&sources, "x\\ y\\z", NULL), MQ_OK);
    assert_int_equal(cli_depfile_write(path, &targets, &sources, NULL), MQ_OK);
    f = fopen(path, "r");
    assert_true(fread(text, 1, sizeof text - 1, f) > 0);
    fclose(f);
    assert_string_equal(text, "out\\ 1\\%.onnx out.data: \\\n  a\\ b\\#c$$d\\:e%f \\\n  x\\\\\\ y\\z\n");
    assert_int_equal(cli_paths_add(&sources, "line\nbreak", NULL), MQ_OK);
    assert_int_equal(cli_depfile_write(path, &targets, &sources, NULL), MQ_ERR_USAGE);
    assert_int_equal(cli_depfile_write("/nonexistent/d", &targets, &targets, NULL), MQ_ERR_SYSTEM);
    cli_paths_release(&targets);
    cli_paths_release(&sources);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rule) };
    int failed;

    close(mkstemp(path));
    failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
