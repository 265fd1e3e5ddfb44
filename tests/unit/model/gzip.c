/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/model/gzip.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/gzip.h"
#include "rng.h"
#include "scratch.h"

/* Compresses a file into another. */
static void compress_file(const char *from, const char *to, size_t n)
{
    int fd = open(from, O_RDONLY);
    mq_outfile *f = NULL;
    uint64_t packed = 0;
    struct stat st;

    assert_true(fd >= 0);
    assert_int_equal(mq_outfile_open(&f, to, true, NULL), MQ_OK);
    assert_int_equal(mq_gzip_pack(f, fd, n, NULL, NULL), MQ_OK);
    assert_int_equal(mq_outfile_commit(f, false, NULL), MQ_OK);
    assert_int_equal(mq_gzip_size(fd, n, &packed, NULL), MQ_OK);
    assert_int_equal(stat(to, &st), 0);
    assert_int_equal(packed, st.st_size);
    close(fd);
}

static mq_status unpack(const char *name, mq_buf **out, mq_error *err)
{
    mq_buf *in = NULL;
    mq_status rc;

    assert_int_equal(mq_buf_map(&in, name, NULL), MQ_OK);
    assert_true(mq_gzip_detect(in));
    rc = mq_gzip_unpack(out, in, name, err);
    mq_buf_unref(in);
    return rc;
}

static void unpacks_to(const char *name, const char *want, size_t n)
{
    mq_buf *out = NULL;

    assert_int_equal(unpack(name, &out, NULL), MQ_OK);
    assert_int_equal(out->size, n);
    assert_memory_equal(out->data, want, n);
    mq_buf_unref(out);
}

/* Half noise, half zeros. */
static char *make_data(size_t n)
{
    char *data = calloc(1, n + 1);
    uint64_t rng = n;

    assert_non_null(data);
    for (size_t i = 0; i < n / 2; i++)
        data[i] = (char)rng_next(&rng);
    return data;
}

static void test_round_trip(void **state)
{
    static const size_t sizes[] = { 0, 1, 100, (1 << 17) - 1, 1 << 17, (1 << 17) + 1, 1000000 };

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        char *data = make_data(sizes[i]), *once, *twice;
        size_t n, m;
        scratch_put("plain", data, sizes[i]);
        compress_file("plain", "one.gz", sizes[i]);
        compress_file("plain", "two.gz", sizes[i]);
        once = scratch_get("one.gz", &n);
        twice = scratch_get("two.gz", &m);
        assert_int_equal(n, m); /* no time, no name: the same bytes */
        assert_memory_equal(once, twice, n);
        unpacks_to("one.gz", data, sizes[i]);
        free(data);
        free(once);
        free(twice);
    }
}

static void test_several_members(void **state)
{
    char *gz, joined[4096], *data = make_data(300);
    size_t n;

    (void)state;
    scratch_put("plain", data, 300);
    compress_file("plain", "one.gz", 300);
    gz = scratch_get("one.gz", &n);
    memcpy(joined, gz, n);
    memcpy(joined + n, gz, n);
    memcpy(joined + 2 * n, gz, n);
    scratch_put("three.gz", joined, 3 * n);
    for (int i = 0; i < 3; i++)
        memcpy(joined + 300 * i, data, 300);
    unpacks_to("three.gz", joined, 900);
    free(gz);
    free(data);
}

static void test_cut_or_corrupt(void **state)
{
    char *data = make_data(500), *gz;
    mq_error err = { 0 };
    mq_buf *out = NULL;
    size_t n;

    (void)state;
    scratch_put("plain", data, 500);
    compress_file("plain", "one.gz", 500);
    gz = scratch_get("one.gz", &n);
    for (size_t cut = 2; cut < n; cut++) {
        scratch_put("cut.gz", gz, cut);
        assert_int_equal(unpack("cut.gz", &out, &err), MQ_ERR_INPUT);
        assert_string_equal(err.text, "cut.gz: the gzip data are corrupt or cut short");
    }
    for (size_t at = n - 8; at < n; at++) { /* check sum and length */
        gz[at] ^= 1;
        scratch_put("bad.gz", gz, n);
        assert_int_equal(unpack("bad.gz", &out, &err), MQ_ERR_INPUT);
        gz[at] ^= 1;
    }
    scratch_put("bad.gz", "\x1f\x8b", 2);
    assert_int_equal(unpack("bad.gz", &out, &err), MQ_ERR_INPUT);
    free(gz);
    free(data);
}

static void test_detect(void **state)
{
    static const struct {
        const char *bytes;
        size_t n;
        bool is;
    } table[] = { { "", 0, false }, { "\x1f", 1, false }, { "\x1f\x8b", 2, true }, { "\x1f\x8c..", 4, false },
                  { "\x08\x08", 2, false } };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const mq_buf b = { .data = (const unsigned char *)table[i].bytes, .size = table[i].n, .fd = -1, .refs = 1 };
        assert_int_equal(mq_gzip_detect(&b), table[i].is);
    }
}

static bool yes(void *user)
{
    (void)user;
    return true;
}

static void test_cancelled(void **state)
{
    const mq_hooks hooks = { .cancelled = yes };
    mq_outfile *f = NULL;
    int fd;

    (void)state;
    scratch_put("plain", "text", 4);
    fd = open("plain", O_RDONLY);
    assert_int_equal(mq_outfile_open(&f, "cancelled.gz", true, NULL), MQ_OK);
    assert_int_equal(mq_gzip_pack(f, fd, 4, &hooks, NULL), MQ_ERR_CANCELLED);
    mq_outfile_abort(f);
    close(fd);
}

static void test_estimate(void **state)
{
    enum { SMALL = 1000000, LARGE = 20000000 };
    char *data = make_data(LARGE);
    uint64_t one = 0, many = 0, exact;
    int fd;

    (void)state;
    for (size_t n = SMALL; n <= LARGE; n += LARGE - SMALL) {
        scratch_put("plain", data, n);
        assert_true((fd = open("plain", O_RDONLY)) >= 0);
        assert_int_equal(mq_gzip_size(fd, n, &exact, NULL), MQ_OK);
        close(fd);
        assert_int_equal(mq_gzip_estimate(data, n, 1, &one, NULL), MQ_OK);
        assert_int_equal(mq_gzip_estimate(data, n, 3, &many, NULL), MQ_OK);
        assert_int_equal(one, many);
        assert_in_range(one, exact * 95 / 100, exact * 105 / 100);
    }
    assert_int_equal(mq_gzip_estimate(data, 0, 1, &one, NULL), MQ_OK);
    assert_int_equal(one, 0);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_several_members), cmocka_unit_test(test_cut_or_corrupt),
        cmocka_unit_test(test_detect),     cmocka_unit_test(test_cancelled), cmocka_unit_test(test_estimate),
    };

    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
