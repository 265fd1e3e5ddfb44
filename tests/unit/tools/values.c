/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Numbers and shapes: what is taken, and everything that looks nearly like it. */
#include "cli/values.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void counts(void **state)
{
    static const char *const bad[] = { "", " 1", "1 ", "+1", "-1", "0x10", "1e3", "1.0", "1,000", "18446744073709551616" };
    uint64_t n = 7;

    (void)state;
    assert_true(cli_parse_count("0", &n) && n == 0);
    assert_true(cli_parse_count("18446744073709551615", &n) && n == UINT64_MAX);
    n = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(cli_parse_count(bad[i], &n));
    assert_true(n == 7);
}

static void sizes(void **state)
{
    static const char *const bad[] = { "",    "K",   "1KB",  "1.5",  "-1K", "1 K", "1T",
                                       "nan", "infK", "0x1K", "1e3K", ".K",  "9999999999G", "1K " };
    uint64_t n;

    (void)state;
    assert_true(cli_parse_size("4096", &n) && n == 4096);
    assert_true(cli_parse_size("4K", &n) && n == 4096);
    assert_true(cli_parse_size("1.5M", &n) && n == 1572864);
    assert_true(cli_parse_size("2g", &n) && n == 2147483648u);
    assert_true(cli_parse_size(".5k", &n) && n == 512);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(cli_parse_size(bad[i], &n));
}

static void ratios(void **state)
{
    static const char *const bad[] = { "", "%", "-1%", "50 %", "50%%", "1e-2", "nan", "inf", "0,5", "1/2" };
    double v;

    (void)state;
    assert_true(cli_parse_ratio("0.5", &v) && v == 0.5);
    assert_true(cli_parse_ratio("50%", &v) && v == 0.5);
    assert_true(cli_parse_ratio("150%", &v) && v == 1.5);
    assert_true(cli_parse_ratio("0", &v) && v == 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(cli_parse_ratio(bad[i], &v));
}

static void times(void **state)
{
    static const char *const bad[] = { "", "5", "5 s", "s", "-1s", "5sec", "1d" };
    double v;

    (void)state;
    assert_true(cli_parse_time("250ms", &v) && v == 0.25);
    assert_true(cli_parse_time("10s", &v) && v == 10);
    assert_true(cli_parse_time("1.5m", &v) && v == 90);
    assert_true(cli_parse_time("2h", &v) && v == 7200);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(cli_parse_time(bad[i], &v));
}

static void names_split_at_the_last_equals_sign(void **state)
{
    const char *value;
    size_t len;

    (void)state;
    assert_true(cli_split_name("a=b=3", &len, &value));
    assert_int_equal(len, 3);
    assert_string_equal(value, "3");
    assert_false(cli_split_name("=3", &len, &value));
    assert_false(cli_split_name("a=", &len, &value));
    assert_false(cli_split_name("a", &len, &value));
}

static void check_shape(const char *text, const char *name, int rank, const int64_t *dims)
{
    cli_shape s;

    assert_int_equal(cli_shape_parse(&s, text, NULL), MQ_OK);
    if (name)
        assert_string_equal(s.name, name);
    else
        assert_null(s.name);
    assert_int_equal(s.rank, rank);
    for (int i = 0; i < rank; i++) {
        assert_true(s.dims[i] == dims[i]);
        assert_true((s.symbols[i] != NULL) == (dims[i] < 0));
    }
    cli_shape_release(&s);
}

static void shapes(void **state)
{
    const int64_t image[] = { 1, 3, 224, 224 }, symbols[] = { -1, -1 }, mixed[] = { 1, -1 }, one[] = { 7 };

    (void)state;
    check_shape("1x3x224x224", NULL, 4, image);
    check_shape("1,3,224,224", NULL, 4, image);
    check_shape("input=1x3x224x224", "input", 4, image);
    check_shape("input:1x3x224x224", "input", 4, image);
    check_shape("input_5:0=1x3x224x224", "input_5:0", 4, image);
    check_shape("input_5:0:1x3x224x224", "input_5:0", 4, image);
    check_shape("a=b=7", "a=b", 1, one);
    check_shape("ids=batch,seq", "ids", 2, symbols);
    check_shape("ids=1,text", "ids", 2, mixed);
}

static void bad_shapes(void **state)
{
    static const char *const bad[] = { "",      "1x3x",   "x",       "1,,3", "a=", "a=-1",
                                       "a=1.5", "a=1,-1", "a=b c", "9223372036854775808" };
    char many[2 * (CLI_MAX_RANK + 1)];
    mq_error err;
    cli_shape s;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(cli_shape_parse(&s, bad[i], &err), MQ_ERR_USAGE);
        assert_true(strncmp(err.text, "shape '", 7) == 0);
    }
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = i % 2 ? ',' : '1';
    many[sizeof many - 1] = '\0'; /* one size too many */
    assert_int_equal(cli_shape_parse(&s, many, &err), MQ_ERR_USAGE);
    many[sizeof many - 3] = '\0';
    assert_int_equal(cli_shape_parse(&s, many, &err), MQ_OK);
    assert_int_equal(s.rank, CLI_MAX_RANK);
    cli_shape_release(&s);
}

static void ranges(void **state)
{
    static const char *const bad[] = { "",       "1",      "..",      "1..",     "..1",      "1..1",     "2..1",
                                       "1.2",    "0..nan", "0..inf",  "0..1e39", "-..1",     "0..1 ",    " 0..1",
                                       "0x0..1", "stddev", "stddev=", "0..1e",   "0..1..2",  "stddev=0", "stddev=-1",
                                       "stddev=1e3", "stddev=9999999" };
    cli_range r = { .k = 7 };

    (void)state;
    assert_true(cli_parse_range("0..255", &r) && !r.is_stddev && r.lo == 0 && r.hi == 255);
    assert_true(cli_parse_range("-1.5..+2e-1", &r) && r.lo == -1.5 && r.hi == 0.2);
    assert_true(cli_parse_range("-2..-1", &r) && r.lo == -2 && r.hi == -1);
    assert_true(cli_parse_range("stddev=2.5", &r) && r.is_stddev && r.k == 2.5);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (cli_parse_range(bad[i], &r))
            fail_msg("'%s' was taken", bad[i]);
    assert_true(r.k == 2.5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts), cmocka_unit_test(sizes),  cmocka_unit_test(ratios),
        cmocka_unit_test(times),  cmocka_unit_test(ranges), cmocka_unit_test(shapes), cmocka_unit_test(bad_shapes),
        cmocka_unit_test(names_split_at_the_last_equals_sign),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
