/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/model/external.c: a model reads files of its own folder and no others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/external.h"
#include "scratch.h"

static mq_model *m;

/* outside.bin and model/{w.bin, sub/v.bin, a link to each, a link out, a chain of links out, a link to a folder out} */
static int setup(void **state)
{
    if (scratch_open(state) != 0 || mq_model_create(&m, NULL) != MQ_OK || mkdir("model", 0755) || mkdir("model/sub", 0755) ||
        mkdir("modelx", 0755))
        return -1;
    scratch_put_text("outside.bin", "secret");
    scratch_put_text("modelx/w.bin", "neighbour");
    scratch_put_text("model/w.bin", "weights");
    scratch_put_text("model/sub/v.bin", "more");
    m->dir = "model";
    return symlink("w.bin", "model/link_in") | symlink("../outside.bin", "model/link_out") |
           symlink("link_out", "model/chain_out") | symlink("..", "model/folder_out") |
           symlink("nowhere", "model/dangling") | symlink("../modelx/w.bin", "model/neighbour");
}

static int teardown(void **state)
{
    mq_model_free(m);
    return scratch_close(state);
}

static void accepted(const char *location, const char *want)
{
    char *path = NULL;

    assert_int_equal(mq_external_path(m, location, &path, NULL), MQ_OK);
    assert_string_equal(path, want);
    free(path);
}

static void refused(const char *location, const char *text)
{
    mq_error err = { 0 };
    char *path = NULL;

    assert_int_equal(mq_external_path(m, location, &path, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, text);
    assert_null(path);
}

static void test_inside(void **state)
{
    (void)state;
    accepted("w.bin", "model/w.bin");
    accepted("sub/v.bin", "model/sub/v.bin");
    accepted("./w.bin", "model/./w.bin");
    accepted("sub//v.bin", "model/sub//v.bin");
    accepted("link_in", "model/link_in");
    scratch_put_text("model/..w", "dots are not a step up");
    accepted("..w", "model/..w");
    scratch_put_text("model/w..", "dots are not a step up");
    accepted("w..", "model/w..");
}

static void test_outside(void **state)
{
    (void)state;
    refused("../outside.bin", "external file '../outside.bin' is outside the model's folder");
    refused("sub/../../outside.bin", "external file 'sub/../../outside.bin' is outside the model's folder");
    refused("sub/../w.bin", "external file 'sub/../w.bin' is outside the model's folder");
    refused("sub/..", "external file 'sub/..' is outside the model's folder");
    refused("..", "external file '..' is outside the model's folder");
    refused("", "external file '' is outside the model's folder");
    refused("/etc/passwd", "external file '/etc/passwd' is outside the model's folder");
    refused("link_out", "external file 'model/link_out' is a link out of the model's folder");
    refused("chain_out", "external file 'model/chain_out' is a link out of the model's folder");
    refused("folder_out/outside.bin", "external file 'model/folder_out/outside.bin' is a link out of the model's folder");
    refused("neighbour", "external file 'model/neighbour' is a link out of the model's folder");
}

static void test_not_a_file(void **state)
{
    (void)state;
    refused("missing", "external file 'model/missing' is missing");
    refused("dangling", "external file 'model/dangling' is missing");
    refused("sub", "external file 'model/sub' is no regular file");
    refused("w.bin/x", "cannot open external file 'model/w.bin/x': Not a directory");
    assert_int_equal(mkfifo("model/fifo", 0600), 0);
    refused("fifo", "external file 'model/fifo' is no regular file"); /* and it does not wait for a writer */
}

static void test_folders(void **state)
{
    (void)state;
    m->dir = "";
    refused("missing", "external file 'missing' is missing");
    accepted("outside.bin", "outside.bin");
    accepted("model/w.bin", "model/w.bin");
    m->dir = "/";
    refused("no such file at all", "external file '//no such file at all' is missing");
    m->dir = NULL;
    refused("w.bin", "external file 'w.bin' cannot be found: the model has no folder (it came through a pipe)");
}

/* Each file is mapped once. */
static void test_open(void **state)
{
    mq_buf *first = NULL, *second = NULL, *third = NULL;

    (void)state;
    assert_int_equal(mq_external_open(m, "w.bin", &first, NULL), MQ_OK);
    assert_int_equal(mq_external_open(m, "w.bin", &second, NULL), MQ_OK);
    assert_int_equal(mq_external_open(m, "sub/v.bin", &third, NULL), MQ_OK);
    assert_ptr_equal(first, second);
    assert_memory_equal(first->data, "weights", 7);
    assert_memory_equal(third->data, "more", 4);
    assert_int_equal(m->bufs.n, 2);
    assert_int_equal(mq_external_open(m, "link_out", &third, NULL), MQ_ERR_INPUT);
    assert_int_equal(m->bufs.n, 2);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_inside), IN_SCRATCH(test_outside), IN_SCRATCH(test_not_a_file),
        IN_SCRATCH(test_folders), IN_SCRATCH(test_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
