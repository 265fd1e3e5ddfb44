/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/buf.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "scratch.h"

static void test_maps_a_file(void **state)
{
    mq_buf *b = NULL;

    (void)state;
    scratch_put_text("file", "hello");
    assert_int_equal(mq_buf_map(&b, "file", NULL), MQ_OK);
    assert_int_equal(b->size, 5);
    assert_memory_equal(b->data, "hello", 5);
    assert_true(b->fd >= 0);
    assert_int_equal(unlink("file"), 0); /* the map holds the file */
    assert_memory_equal(b->data, "hello", 5);
    mq_buf_unref(b);
}

static void test_empty_file(void **state)
{
    mq_buf *b = NULL;

    (void)state;
    scratch_put_text("empty", "");
    assert_int_equal(mq_buf_map(&b, "empty", NULL), MQ_OK);
    assert_int_equal(b->size, 0);
    assert_non_null(b->data);
    mq_buf_want(b, b->data, 0);
    mq_buf_done_with(b, b->data, 0);
    mq_buf_unref(b);
    assert_int_equal(mq_buf_map(&b, "/dev/null", NULL), MQ_OK);
    assert_int_equal(b->size, 0);
    mq_buf_unref(b);
}

static void refused(const char *path, const char *text)
{
    mq_error err = { 0 };
    mq_buf *b = NULL;

    assert_int_equal(mq_buf_map(&b, path, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, text);
    assert_null(b);
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    assert_int_equal(mkdir("folder", 0755), 0);
    refused("missing", "cannot open 'missing': No such file or directory");
    refused("folder", "cannot read 'folder': it is a folder");
    refused("folder/", "cannot read 'folder/': it is a folder");
    scratch_put_text("plain", "x");
    refused("plain/below", "cannot open 'plain/below': Not a directory");
}

static void *feed(void *arg)
{
    char chunk[5000];
    int fd = *(int *)arg;

    for (int i = 0; i < 100; i++) {
        memset(chunk, 'a' + i % 26, sizeof chunk);
        for (size_t at = 0; at < sizeof chunk;) {
            ssize_t n = write(fd, chunk + at, sizeof chunk - at);
            if (n <= 0)
                return arg;
            at += (size_t)n;
        }
    }
    close(fd);
    return NULL;
}

/* A pipe is read to its end and kept in a file that has no name. */
static void test_pipe_is_spooled(void **state)
{
    size_t left = scratch_count(".");
    mq_buf *b = NULL;
    pthread_t writer;
    int ends[2];
    void *failed = NULL;

    (void)state;
    setenv("TMPDIR", ".", 1);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(pthread_create(&writer, NULL, feed, &ends[1]), 0);
    assert_int_equal(mq_buf_map_fd(&b, ends[0], "standard input", NULL), MQ_OK);
    pthread_join(writer, &failed);
    assert_null(failed);
    assert_int_equal(b->size, 500000);
    for (size_t i = 0; i < b->size; i++)
        assert_int_equal(b->data[i], 'a' + i / 5000 % 26);
    assert_true(b->fd >= 0);
    assert_int_equal(fcntl(ends[0], F_GETFD), -1); /* taken over and closed */
    mq_buf_unref(b);
    assert_int_equal(scratch_count("."), left);
    unsetenv("TMPDIR");
}

static void test_spool_folder_missing(void **state)
{
    mq_error err = { 0 };
    mq_buf *b = NULL;
    int ends[2];

    (void)state;
    setenv("TMPDIR", "nowhere", 1);
    assert_int_equal(pipe(ends), 0);
    close(ends[1]);
    assert_int_equal(mq_buf_map_fd(&b, ends[0], "standard input", &err), MQ_ERR_SYSTEM);
    assert_non_null(strstr(err.text, "'nowhere'"));
    assert_int_equal(fcntl(ends[0], F_GETFD), -1); /* closed on failure too */
    unsetenv("TMPDIR");
}

static void test_heap_and_references(void **state)
{
    mq_buf *b = NULL;

    (void)state;
    assert_int_equal(mq_buf_from_heap(&b, strdup("abc"), 3, NULL), MQ_OK);
    assert_int_equal(b->fd, -1);
    assert_ptr_equal(mq_buf_ref(b), b);
    assert_int_equal(b->refs, 2);
    mq_buf_want(b, b->data, b->size);
    mq_buf_done_with(b, b->data, b->size);
    mq_buf_unref(b);
    assert_memory_equal(b->data, "abc", 3);
    mq_buf_unref(b);
    mq_buf_unref(NULL);
}

/* A heap block of no bytes is freed like every other one. */
static void test_empty_heap_block(void **state)
{
    mq_buf *b = NULL;

    (void)state;
    assert_int_equal(mq_buf_from_heap(&b, malloc(16), 0, NULL), MQ_OK);
    mq_buf_unref(b);
    assert_int_equal(mq_buf_from_heap(&b, NULL, 0, NULL), MQ_OK);
    assert_non_null(b->data);
    mq_buf_unref(b);
}

/* Pages that are given back read the same afterwards. */
static void test_hints_change_nothing(void **state)
{
    enum { N = 1 << 20 };
    unsigned char *data = malloc(N);
    mq_buf *b = NULL;

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < N; i++)
        data[i] = (unsigned char)(i * 7 + i / 4096);
    scratch_put("large", data, N);
    assert_int_equal(mq_buf_map(&b, "large", NULL), MQ_OK);
    mq_buf_want(b, b->data + 100, N - 200);
    assert_memory_equal(b->data, data, N);
    mq_buf_done_with(b, b->data + 5000, N - 10000);
    mq_buf_done_with(b, b->data, N);
    assert_memory_equal(b->data, data, N);
    mq_buf_unref(b);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_maps_a_file),        cmocka_unit_test(test_empty_file),
        cmocka_unit_test(test_what_cannot_be_read), cmocka_unit_test(test_pipe_is_spooled),
        cmocka_unit_test(test_spool_folder_missing), cmocka_unit_test(test_heap_and_references),
        cmocka_unit_test(test_empty_heap_block),    cmocka_unit_test(test_hints_change_nothing),
    };

    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
