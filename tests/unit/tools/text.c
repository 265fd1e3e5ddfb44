/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Numbers, tables, bars and the escaping of what a model may hold. */
#include "cli/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void numbers(void **state)
{
    (void)state;
    assert_string_equal(cli_bytes(0).s, "0 B");
    assert_string_equal(cli_bytes(999).s, "999 B");
    assert_string_equal(cli_bytes(1000).s, "1.00 kB");
    assert_string_equal(cli_bytes(97812345).s, "97.8 MB");
    assert_string_equal(cli_bytes(999999).s, "1.00 MB");
    assert_string_equal(cli_bytes(UINT64_MAX).s, "18447 PB");
    assert_string_equal(cli_count(0).s, "0");
    assert_string_equal(cli_count(1234567).s, "1,234,567");
    assert_string_equal(cli_count(UINT64_MAX).s, "18,446,744,073,709,551,615");
    assert_string_equal(cli_short_count(4120000000u).s, "4.12 G");
    assert_string_equal(cli_percent(0.2611).s, "26.1%");
    assert_string_equal(cli_percent(0.0001).s, "<0.1%");
    assert_string_equal(cli_percent(0).s, "0.0%");
}

static void tables(void **state)
{
    cli_table *t = cli_table_create("lrl");
    char *text = NULL;
    size_t size;
    FILE *f;

    (void)state;
    cli_table_row(t, "Conv", "5", "é|");
    cli_table_row(t, "x\x1b[31m", "100", "");
    f = fopen("/dev/null", "w");
    assert_true(cli_table_print(t, f, 0));
    fclose(f);
    f = tmpfile();
    assert_true(cli_table_print(t, f, 2));
    size = (size_t)ftell(f);
    rewind(f);
    text = calloc(1, size + 1);
    assert_int_equal(fread(text, 1, size, f), size);
    fclose(f);
    assert_string_equal(text, "  Conv         5  é|\n  x\\x1b[31m  100\n");
    free(text);
    cli_table_free(t);
    cli_table_free(NULL);
    assert_false(cli_table_print(NULL, stdout, 0));
}

static void bars(void **state)
{
    const uint64_t counts[] = { 0, 1, 50, 100 }, none[] = { 0, 0 };
    char buf[64];

    (void)state;
    assert_string_equal(cli_bar(buf, sizeof buf, 0.5, 4), "██");
    assert_string_equal(cli_bar(buf, sizeof buf, 0.25, 2), "▌");
    assert_string_equal(cli_bar(buf, sizeof buf, 7, 2), "██");
    assert_string_equal(cli_bar(buf, sizeof buf, NAN, 2), "");
    assert_string_equal(cli_bar(buf, 4, 1, 4), "█"); /* what does not fit is left out whole */
    assert_string_equal(cli_sparkline(buf, sizeof buf, counts, 4), " ▁▄█");
    assert_string_equal(cli_sparkline(buf, sizeof buf, none, 2), "  ");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(numbers), cmocka_unit_test(tables), cmocka_unit_test(bars) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
