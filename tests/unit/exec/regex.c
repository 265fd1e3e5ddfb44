/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* RegexFullMatch: patterns that are taken, and those that are refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/run_one.h"

/* 1: all of the text matches; 0: it does not; MQ_ERR_INPUT or MQ_ERR_UNSUPPORTED: the pattern is not taken. */
static int match(const char *pattern, const char *text, size_t n)
{
    const mq_bytes in = { text, n };
    run_one t;
    int rc;

    run_open(&t, "", "RegexFullMatch");
    assert_int_equal(mq_node_set_attr_string(t.node, "pattern", pattern, NULL), MQ_OK);
    run_input(&t, MQ_STRING, "1", &in, false);
    rc = run_try(&t, 1);
    if (rc == MQ_OK)
        rc = *(const unsigned char *)t.out[0]->data;
    run_close(&t);
    return rc;
}

static void test_patterns(void **state)
{
    static const struct { const char *pattern, *text; int want; } rows[] = {
        { "", "", 1 }, { "", "a", 0 }, { ".", "\xc3\xa9", 1 }, { "..", "\xc3\xa9", 0 }, { ".", "\n", 0 }, { ".", "\xc3", 0 },
        { "\xc3\xa9+", "\xc3\xa9\xc3\xa9", 1 }, { "[^a]", "\xe6\x97\xa5", 1 }, { "[^a]", "a", 0 }, { "[^a]", "\n", 1 },
        { "a|bc", "bc", 1 }, { "a|bc", "abc", 0 }, { "(?:ab)*?", "abab", 1 }, { "(?P<x>a)b", "ab", 1 },
        { "a{2,3}", "aaaa", 0 }, { "a{2", "a{2", 1 },
        { "\\d+\\.\\w\\S\\s", "12.a; ", 1 }, { "[\\]^-]+", "^-]", 1 }, { "[^]]", "]", 0 },
        { "[\\^]", "^", 1 }, { "[-^]+", "-^", 1 }, { "[\\W5]+", "5;\xc3\xa9", 1 }, { "[\\W5]", "6", 0 },
        { "[[:alpha:]_]+", "aZ_", 1 }, { "[+--]+", "+,-", 1 }, { "\\x41\\t", "A\t", 1 }, { ".*\\bcom\\b", "a.com", 1 },
        { ".*\\bcom\\b", "acom", 0 }, { "^a$", "a", 1 }, { "a}]", "a}]", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (match(rows[i].pattern, rows[i].text, strlen(rows[i].text)) != rows[i].want)
            fail_msg("'%s' on '%s' is not %d", rows[i].pattern, rows[i].text, rows[i].want);
    assert_int_equal(match("a.b", "a\0b", 3), 1);
    assert_int_equal(match("a[x]b", "a\0b", 3), 0);
}

static void test_refused_patterns(void **state)
{
    static const char *const unsupported[] = {
        "(?i)a", "\\pL", "(?=a)", "[\xc3\xa9]", "\\Bx", "(a{1000}){1000}", "[[:nosuch:]]",
    };
    static const char *const malformed[] = { "(", ")", "a)", "*", "a**", "[a", "[b-a]", "a{3,2}", "a{1001}", "\\" };

    (void)state;
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++)
        if (match(unsupported[i], "a", 1) != MQ_ERR_UNSUPPORTED)
            fail_msg("'%s' is not refused", unsupported[i]);
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        if (match(malformed[i], "a", 1) != MQ_ERR_INPUT)
            fail_msg("'%s' is not an error", malformed[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_refused_patterns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
