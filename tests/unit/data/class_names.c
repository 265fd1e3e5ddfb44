/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/data/class_names.c: the forms that exporters use, and texts that are no names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "data/class_names.h"

static mq_arena *arena;

static int setup(void **state)
{
    (void)state;
    return (arena = mq_arena_create()) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mq_arena_free(arena);
    return 0;
}

/* The text lies in memory of its exact size, so that reading on is seen. */
static const char **parse(const char *text, size_t n, bool seen)
{
    char *copy = strdup(text);
    const char **names = NULL;
    mq_error err = { 0 };

    assert_non_null(copy);
    if (mq_class_names_parse(copy, n, seen, arena, &names, &err) != MQ_OK)
        fail_msg("%s", err.text);
    free(copy);
    return names;
}

static void holds(const char *text, const char *a, const char *b)
{
    const char **names = parse(text, 2, false);

    if (!names)
        fail_msg("not read: %s", text);
    assert_string_equal(names[0], a);
    assert_string_equal(names[1], b);
}

static void lists_and_dicts(void **state)
{
    (void)state;
    holds("[\"cat\", \"dog\"]", "cat", "dog");
    holds("['cat', 'dog',]", "cat", "dog");
    holds(" ( 'cat' , \"dog\" ) ", "cat", "dog");
    holds("{0: 'cat', 1: 'dog'}", "cat", "dog");
    holds("{\"1\":\"dog\",\n\"0\":\"cat\"}", "cat", "dog");
    holds("{0: 'cat', 1: 'dog', }", "cat", "dog");
    holds("{0: '', 1: 'great white shark, man-eater'}", "", "great white shark, man-eater");
}

static void plain_text(void **state)
{
    (void)state;
    holds("cat,dog", "cat", "dog");
    holds(" cat , big dog\t", "cat", "big dog");
    holds("cat\r\ndog, small\r\n", "cat", "dog, small");
}

static void escapes(void **state)
{
    (void)state;
    holds("['jack-o\\'-lantern', \"carpenter's kit\"]", "jack-o'-lantern", "carpenter's kit");
    holds("[\"a\\\\b\\/\\\"\", \"\\u00e9\\u20ac\\ud83d\\ude00\"]", "a\\b/\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
    holds("['\\xe9\\U0001f600', 'a\\nb\\x1b\\0']", "\xc3\xa9\xf0\x9f\x98\x80", "a b 0");
    holds("['\\ud800', '\\ud800\\u0041\x01']", "?", "\xf0\x90\x81\x81 ");
    holds("['\xc3\xa9', '\\u']", "\xc3\xa9", " ");
}

static void numbers_have_to_fit(void **state)
{
    (void)state;
    assert_null(parse("['cat', 'dog', 'cow']", 2, false));
    assert_null(parse("['cat', 'dog']", 3, false));
    assert_null(parse("{1: 'cat', 2: 'dog'}", 2, false));
    assert_null(parse("{0: 'cat', 0: 'dog'}", 2, false));
    assert_null(parse("{0: 'cat', 99999999999999999999999: 'dog'}", 2, false));
    assert_null(parse("[]", 0, false));
    assert_string_equal(parse("['cat', 'dog', 'cow']", 2, true)[1], "dog");
    assert_null(parse("cat, dog, cow", 2, true));
    assert_null(parse("['cat', 'dog']", 3, true));
}

static void other_texts(void **state)
{
    static const char *const texts[] = {
        "", " ", "[", "{", "('a', 'b'", "['a' 'b']", "['a',, 'b']", "[,'a', 'b']", "['a', 'b'] x", "['a', 'b",
        "['a', 'b\\", "[1, 2]",
        "{0: 'a', 1: }", "{0 'a', 1 'b'}", "{'0: 'a', '1': 'b'}", "{-1: 'a', 0: 'b', 1: 'c'}", "{'a': 0, 'b': 1}",
        "[['a'], ['b']]", "{0: ['a'], 1: ['b']}", "a sentence", ",", "a,,b", ",a,b",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (parse(texts[i], 2, false))
            fail_msg("names in: %s", texts[i]);
}

/* Whatever is cut off or changed, reading ends, within the text. */
static void damaged_texts(void **state)
{
    static const char whole[] = "{0: 'c\\u00e9\\ud83d\\ude00t', \"1\": \"d\\x6fg\\\\\", }";
    char text[sizeof whole];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof whole; i++)
        for (int c = 0; c < 256; c++) {
            memcpy(text, whole, sizeof whole);
            text[i] = (char)c;
            parse(text, 2, c % 2);
        }
}

#define NAMES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        NAMES(lists_and_dicts), NAMES(plain_text),  NAMES(escapes),
        NAMES(numbers_have_to_fit), NAMES(other_texts), NAMES(damaged_texts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
