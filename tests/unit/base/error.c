/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/error.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "base/error.h"

static void test_fail(void **state)
{
    char filler[2 * MQ_ERROR_SIZE];
    mq_error err = { 0 };

    (void)state;
    assert_int_equal(mq_fail(&err, MQ_ERR_INPUT, "%s has %d", "it", 3), MQ_ERR_INPUT);
    assert_int_equal(err.status, MQ_ERR_INPUT);
    assert_string_equal(err.text, "it has 3");
    assert_int_equal(mq_fail(NULL, MQ_ERR_USAGE, "nobody listens"), MQ_ERR_USAGE);
    memset(filler, 'f', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    mq_fail(&err, MQ_ERR_INPUT, "%s", filler);
    assert_int_equal(strlen(err.text), MQ_ERROR_SIZE - 1);
    assert_int_equal(mq_oom(&err), MQ_ERR_NOMEM);
    assert_string_equal(err.text, "out of memory");
}

static void test_fail_errno(void **state)
{
    mq_error err = { 0 };

    (void)state;
    errno = EACCES;
    assert_int_equal(mq_fail_errno(&err, MQ_ERR_SYSTEM, "write", "a b"), MQ_ERR_SYSTEM);
    assert_string_equal(err.text, "cannot write 'a b': Permission denied");
    errno = ENOMEM;
    assert_int_equal(mq_fail_errno(&err, MQ_ERR_SYSTEM, "map", "x"), MQ_ERR_NOMEM);
    assert_string_equal(err.text, "out of memory");
}

static void test_prefix(void **state)
{
    mq_error err = { 0 };

    (void)state;
    mq_fail(&err, MQ_ERR_INPUT, "the rest");
    mq_error_prefix(&err, "node '%s'", "n");
    mq_error_prefix(&err, "file");
    assert_string_equal(err.text, "file: node 'n': the rest");
    assert_int_equal(err.status, MQ_ERR_INPUT);
    mq_error_prefix(NULL, "x");
}

static void test_one_line(void **state)
{
    mq_error err;

    (void)state;
    mq_fail(&err, MQ_ERR_INPUT, "a\nb\tc\x7f\x1b[0m \xc3\xa9");
    mq_error_one_line(&err);
    assert_string_equal(err.text, "a b c  [0m \xc3\xa9");
    mq_error_one_line(NULL);
}

/* Every length of prefix and text fits, is terminated, and keeps the beginning of both. */
static void test_prefix_lengths(void **state)
{
    char prefix[MQ_ERROR_SIZE + 1], text[MQ_ERROR_SIZE + 1];
    mq_error err;

    (void)state;
    for (size_t p = 0; p <= MQ_ERROR_SIZE; p += p < 500 || p > 520 ? 20 : 1)
        for (size_t t = 0; t < MQ_ERROR_SIZE; t += t < 1000 ? 50 : 1) {
            memset(prefix, 'p', p);
            memset(text, 't', t);
            prefix[p] = text[t] = '\0';
            mq_fail(&err, MQ_ERR_INPUT, "%s", text);
            mq_error_prefix(&err, "%s", prefix);
            assert_true(memchr(err.text, '\0', sizeof err.text) != NULL);
            assert_int_equal(strspn(err.text, "p"), p < MQ_ERROR_SIZE / 2 - 3 ? p : MQ_ERROR_SIZE / 2 - 3);
            assert_int_equal(strncmp(err.text + strspn(err.text, "p"), t ? ": t" : ": ", t ? 3 : 2), 0);
        }
}

static int n_warnings;

static void warn(void *user, const mq_warning *w)
{
    assert_string_equal(user, "user");
    assert_string_equal(w->code, "code");
    assert_string_equal(w->place, n_warnings ? "" : "place");
    assert_string_equal(w->text, "1 thing");
    n_warnings++;
}

static bool yes(void *user)
{
    (void)user;
    return true;
}

static void test_hooks(void **state)
{
    const mq_hooks none = { 0 }, all = { .user = (void *)(uintptr_t)"user", .warn = warn, .cancelled = yes };
    mq_error err = { 0 };

    (void)state;
    mq_warn(NULL, "code", "place", "text");
    mq_warn(&none, "code", "place", "text");
    mq_progress(NULL, "step", 1, 2);
    mq_progress(&none, "step", 1, 2);
    mq_note_file(NULL, "path", true);
    mq_note_file(&none, "path", true);
    assert_int_equal(mq_check_cancelled(NULL, &err), MQ_OK);
    assert_int_equal(mq_check_cancelled(&none, &err), MQ_OK);
    mq_warn(&all, "code", "place", "%d thing", 1);
    mq_warn(&all, "code", NULL, "%d thing", 1);
    assert_int_equal(n_warnings, 2);
    assert_int_equal(mq_check_cancelled(&all, &err), MQ_ERR_CANCELLED);
    assert_string_equal(err.text, "interrupted");
}

static void test_status_names(void **state)
{
    (void)state;
    assert_string_equal(mq_status_name(MQ_OK), "ok");
    assert_string_equal(mq_status_name(MQ_ERR_CANCELLED), "cancelled");
    assert_string_equal(mq_status_name((mq_status)99), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail),           cmocka_unit_test(test_fail_errno), cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_one_line),
        cmocka_unit_test(test_prefix_lengths), cmocka_unit_test(test_hooks),      cmocka_unit_test(test_status_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
