/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/pattern.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/pattern.h"

/* A set of one pattern that has been offered `names`. */
static mq_patterns *one(const char *text, const char *const *names, size_t n)
{
    mq_patterns *p = NULL;

    assert_int_equal(mq_patterns_create(&p, "--nodes", &text, 1, NULL), MQ_OK);
    for (size_t i = 0; i < n; i++)
        mq_patterns_offer(p, names[i]);
    return p;
}

/* Which of the names match, as a string of 0 and 1. */
static void matches(const char *text, const char *const *names, size_t n, const char *want)
{
    mq_patterns *p = one(text, names, n);
    char got[32] = "";

    for (size_t i = 0; i < n; i++)
        got[i] = mq_patterns_match(p, names[i]) ? '1' : '0';
    assert_string_equal(got, want);
    assert_int_equal(mq_patterns_check_used(p, NULL), strchr(want, '1') ? MQ_OK : MQ_ERR_USAGE);
    mq_patterns_free(p);
}

#define MATCHES(want, text, ...)                                                        \
    matches(text, (const char *const[]){ __VA_ARGS__ },                                 \
            sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *), want)

static void test_exact_beats_glob(void **state)
{
    (void)state;
    MATCHES("10", "a*", "a*", "abc");
    MATCHES("100", "w[0]", "w[0]", "w0", "w");
    MATCHES("10", "w?", "w?", "wx");
    MATCHES("10", "re:a.", "re:a.", "ab");
    MATCHES("0110", "a?c", "ac", "abc", "a.c", "abbc");
}

static void test_globs(void **state)
{
    (void)state;
    MATCHES("1110", "/layer/*", "/layer/0", "/layer/0/MatMul", "/layer/a.b:0", "layer/0");
    MATCHES("11", "*", "", "anything");
    MATCHES("110", "*:0", "input:0", "a/b:0", "a:1");
    MATCHES("0110", "conv[12]", "conv0", "conv1", "conv2", "conv12");
    MATCHES("10", "conv[!1]", "conv0", "conv1");
    MATCHES("010", "a.b", "axb", "a.b", "a.bc");
    MATCHES("01", ".*", "a", ".hidden");
    MATCHES("1", "*", ".hidden");
}

static void test_strange_names(void **state)
{
    (void)state;
    MATCHES("10", "Größe/日本*", "Größe/日本語", "Größe/中文");
    MATCHES("10", "日本語", "日本語", "日本");
    MATCHES("10", "a\\b", "a\\b", "ab");
    MATCHES("10", "a b\tc", "a b\tc", "a b c");
    MATCHES("10", "[", "[", "a");
    MATCHES("01", "a[", "a", "a[");
    MATCHES("10", "\\*", "\\x", "*");
}

static void test_regular_expressions(void **state)
{
    (void)state;
    MATCHES("0110", "re:conv[0-9]+", "conv", "conv1", "conv23", "xconv1");
    MATCHES("110", "re:a|b", "a", "b", "ab");
    MATCHES("1100", "re:.*/(q|k)_proj/.*", "l/q_proj/MatMul", "/k_proj/w", "/v_proj/w", "q_proj");
    MATCHES("10", "re:", "", "x");
}

static void test_bad_regular_expression(void **state)
{
    const char *text = "re:a(";
    mq_error err = { 0 };
    mq_patterns *p = NULL;

    (void)state;
    assert_int_equal(mq_patterns_create(&p, "--tensors", &text, 1, &err), MQ_ERR_USAGE);
    assert_non_null(strstr(err.text, "--tensors: 're:a(' is no regular expression: "));
    assert_null(p);
}

static void test_last_match_wins(void **state)
{
    static const char *const texts[] = { "*", "a*", "ab" };
    mq_patterns *p = NULL;

    (void)state;
    assert_int_equal(mq_patterns_create(&p, "--x", texts, 3, NULL), MQ_OK);
    mq_patterns_offer(p, "ab");
    mq_patterns_offer(p, "ac");
    assert_int_equal(mq_patterns_find(p, "ab"), 2);
    assert_int_equal(mq_patterns_find(p, "ac"), 1);
    assert_int_equal(mq_patterns_find(p, "c"), 0);
    mq_patterns_free(p);
}

static void test_none(void **state)
{
    mq_patterns *p = NULL;

    (void)state;
    assert_int_equal(mq_patterns_create(&p, "--x", NULL, 0, NULL), MQ_OK);
    assert_false(mq_patterns_any(p));
    assert_false(mq_patterns_any(NULL));
    assert_false(mq_patterns_match(p, "x"));
    assert_false(mq_patterns_match(NULL, "x"));
    assert_int_equal(mq_patterns_find(NULL, "x"), -1);
    assert_int_equal(mq_patterns_check_used(p, NULL), MQ_OK);
    assert_int_equal(mq_patterns_check_used(NULL, NULL), MQ_OK);
    mq_patterns_offer(NULL, "x");
    mq_patterns_free(p);
    mq_patterns_free(NULL);
}

/* Each pattern has to match something, not only one of them. */
static void test_unused_is_an_error(void **state)
{
    static const char *const texts[] = { "conv1", "cnov2" };
    mq_error err = { 0 };
    mq_patterns *p = NULL;

    (void)state;
    assert_int_equal(mq_patterns_create(&p, "--exclude-nodes", texts, 2, NULL), MQ_OK);
    for (int twice = 0; twice < 2; twice++) {
        mq_patterns_offer(p, "conv1");
        mq_patterns_offer(p, "conv2");
        mq_patterns_offer(p, "dense");
    }
    assert_true(mq_patterns_match(p, "conv1"));
    assert_int_equal(mq_patterns_check_used(p, &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, "--exclude-nodes: 'cnov2' matches nothing (did you mean 'conv2'?)");
    mq_patterns_free(p);
}

static void suggests(const char *wanted, const char *const *names, size_t n, const char *want)
{
    char out[512];

    mq_suggest(out, sizeof out, wanted, names, n);
    assert_string_equal(out, want);
}

static void test_suggestions(void **state)
{
    static const char *const twice[] = { "seq", "seq", "set" };
    static const char *const names[] = { "/model/layers.0/attn/q_proj/MatMul", "/model/layers.0/attn/k_proj/MatMul",
                                         "Conv_12", "Conv_13", "Conv_14", "Conv_1", "fc" };
    const char *many[1];
    char name[300], small[24];

    (void)state;
    suggests("Conv_11", names, 7, " (did you mean 'Conv_12', 'Conv_13', 'Conv_14'?)");
    suggests("fcc", names, 7, " (did you mean 'fc'?)");
    suggests("completely different", names, 7, "");
    suggests("", names, 7, "");
    suggests("x", NULL, 0, "");
    suggests("sep", twice, 3, " (did you mean 'seq', 'set'?)");
    suggests("q_proj", names, 7, " (did you mean '/model/layers.0/attn/q_proj/MatMul'?)");
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    many[0] = name;
    mq_suggest(small, sizeof small, name, many, 1); /* cut, never past the end */
    assert_true(strlen(small) < sizeof small);
    mq_suggest(small, 0, name, many, 1);
    mq_suggest(small, 1, name, many, 1);
    assert_string_equal(small, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exact_beats_glob),      cmocka_unit_test(test_globs),
        cmocka_unit_test(test_strange_names),         cmocka_unit_test(test_regular_expressions),
        cmocka_unit_test(test_bad_regular_expression), cmocka_unit_test(test_last_match_wins),
        cmocka_unit_test(test_none),                  cmocka_unit_test(test_unused_is_an_error),
        cmocka_unit_test(test_suggestions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
