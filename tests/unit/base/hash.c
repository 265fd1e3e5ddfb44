/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/base/hash.c with the vectors of FIPS 180-4 and its examples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/hash.h"
#include "scratch.h"

static void hash_is(const char *name, const char *want)
{
    char hex[MQ_SHA256_HEX];

    assert_int_equal(mq_sha256_file(name, hex, NULL), MQ_OK);
    assert_string_equal(hex, want);
}

static void test_known(void **state)
{
    char *million = malloc(1000000);

    (void)state;
    assert_non_null(million);
    scratch_put_text("empty", "");
    hash_is("empty", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    scratch_put_text("abc", "abc");
    hash_is("abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    memset(million, 'a', 1000000);
    scratch_put("million", million, 1000000);
    hash_is("million", "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

static void test_lists(void **state)
{
    char hex[MQ_SHA256_HEX], once[MQ_SHA256_HEX] = "", twice[MQ_SHA256_HEX] = "", other[MQ_SHA256_HEX] = "";

    (void)state;
    mq_sha256_bytes("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    mq_sha256_chain(once, "ab");
    mq_sha256_bytes("ab", 3, hex); /* with its NUL */
    assert_string_equal(once, hex);
    mq_sha256_chain(once, "c");
    mq_sha256_chain(twice, "ab");
    mq_sha256_chain(twice, "c");
    assert_string_equal(once, twice);
    mq_sha256_chain(other, "a");
    mq_sha256_chain(other, "bc");
    assert_string_not_equal(once, other);
}

static void test_what_cannot_be_read(void **state)
{
    char hex[MQ_SHA256_HEX];
    mq_error err = { 0 };

    (void)state;
    assert_int_equal(mq_sha256_file("missing", hex, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "cannot open 'missing': No such file or directory");
    assert_int_equal(mkdir("folder", 0755), 0);
    assert_int_equal(mq_sha256_file("folder", hex, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "cannot read 'folder': Is a directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_what_cannot_be_read),
    };

    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
