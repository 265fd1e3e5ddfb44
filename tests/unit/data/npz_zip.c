/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Zip archives: what is written reads back, stored members are not copied, damage of every byte ends in an error or
 * the same bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "data/npz_zip.h"
#include "scratch.h"

static mq_error err;

static void write_zip(const char *path)
{
    mq_outfile *f = NULL;
    mq_zip_out *z = NULL;

    assert_int_equal(mq_outfile_open(&f, path, true, &err), MQ_OK);
    assert_int_equal(mq_zip_create(&z, f, &err), MQ_OK);
    assert_int_equal(mq_zip_begin(z, "a.npy", 5, &err), MQ_OK);
    assert_int_equal(mq_zip_put(z, "hel", 3, &err), MQ_OK);
    assert_int_equal(mq_zip_put(z, "lo", 2, &err), MQ_OK);
    assert_int_equal(mq_zip_end(z, &err), MQ_OK);
    assert_int_equal(mq_zip_begin(z, "empty", 0, &err), MQ_OK);
    assert_int_equal(mq_zip_end(z, &err), MQ_OK);
    assert_int_equal(mq_zip_finish(z, &err), MQ_OK);
    mq_zip_discard(z);
    assert_int_equal(mq_outfile_commit(f, false, &err), MQ_OK);
}

static void stored_members_read_back(void **state)
{
    mq_zip *z = NULL;
    mq_block *b = NULL;
    char *one, *two;
    size_t n, k;

    (void)state;
    write_zip("x.npz");
    assert_int_equal(mq_zip_open(&z, "x.npz", &err), MQ_OK);
    assert_int_equal(z->n, 2);
    assert_string_equal(z->members[0].name, "a.npy");
    assert_int_equal(mq_zip_bytes(z, &z->members[0], &b, &err), MQ_OK);
    assert_int_equal(b->size, 5);
    assert_memory_equal(b->data, "hello", 5);
    assert_true((unsigned char *)b->data > z->buf->data && (unsigned char *)b->data < z->buf->data + z->buf->size);
    mq_block_unref(b);
    mq_zip_free(z);
    write_zip("y.npz");
    one = scratch_get("x.npz", &n);
    two = scratch_get("y.npz", &k);
    assert_int_equal(n, k);
    assert_memory_equal(one, two, n);
    free(one);
    free(two);
}

static unsigned char *put(unsigned char *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        *p++ = (unsigned char)(v >> 8 * i);
    return p;
}

/* One deflated member "d" of `packed` bytes that says it has `size` bytes. */
static size_t make_deflated(unsigned char *out, const unsigned char *data, size_t packed, uint64_t size, uint32_t crc)
{
    unsigned char *p = out, *directory;

    p = put(p, 0x04034b50, 4);
    p = put(p, 0, 4);
    p = put(p, 8, 2);
    p = put(p, 0, 4);
    p = put(p, crc, 4);
    p = put(p, packed, 4);
    p = put(p, size, 4);
    p = put(p, 1, 4);
    *p++ = 'd';
    memcpy(p, data, packed);
    directory = p += packed;
    p = put(p, 0x02014b50, 4);
    p = put(p, 0, 6);
    p = put(p, 8, 2);
    p = put(p, 0, 4);
    p = put(p, crc, 4);
    p = put(p, packed, 4);
    p = put(p, size, 4);
    p = put(p, 1, 4);
    p = put(p, 0, 8);
    p = put(p, 0, 2);
    p = put(p, 0, 4);
    *p++ = 'd';
    p = put(p, 0x06054b50, 4);
    p = put(p, 0, 4);
    p = put(p, 1, 2);
    p = put(p, 1, 2);
    p = put(p, (uint64_t)(p - 12 - directory), 4);
    p = put(p, (uint64_t)(directory - out), 4);
    return (size_t)(put(p, 0, 2) - out);
}

static size_t deflate_raw(unsigned char *out, size_t room, const void *data, size_t n)
{
    z_stream s = { .next_in = (unsigned char *)(uintptr_t)data, .avail_in = (unsigned)n, .next_out = out,
                   .avail_out = (unsigned)room };

    assert_int_equal(deflateInit2(&s, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&s, Z_FINISH), Z_STREAM_END);
    deflateEnd(&s);
    return (size_t)s.total_out;
}

static mq_status read_deflated(uint64_t size, uint32_t crc, const unsigned char *packed, size_t n)
{
    static unsigned char file[70000];
    mq_zip *z = NULL;
    mq_block *b = NULL;
    mq_status rc;

    scratch_put("d.npz", file, make_deflated(file, packed, n, size, crc));
    if ((rc = mq_zip_open(&z, "d.npz", &err)) == MQ_OK)
        rc = mq_zip_bytes(z, &z->members[0], &b, &err);
    if (rc == MQ_OK)
        assert_int_equal(b->size, size);
    mq_block_unref(b);
    mq_zip_free(z);
    return rc;
}

static void deflated_members_are_what_they_declare(void **state)
{
    enum { N = 1 << 20 };
    unsigned char *zeros = calloc(1, N), packed[4096];
    const uint32_t crc = (uint32_t)crc32(0, zeros, N);
    const size_t n = deflate_raw(packed, sizeof packed, zeros, N);

    (void)state;
    assert_int_equal(read_deflated(N, crc, packed, n), MQ_OK);
    assert_int_equal(read_deflated(N, crc + 1, packed, n), MQ_ERR_INPUT);
    assert_int_equal(read_deflated(N - 1, crc, packed, n), MQ_ERR_INPUT); /* more comes than was declared */
    assert_int_equal(read_deflated(N + 1, crc, packed, n), MQ_ERR_INPUT);
    assert_int_equal(read_deflated(N, crc, packed, n - 5), MQ_ERR_INPUT);
    /* deflate cannot make so much of so little */
    assert_int_equal(read_deflated(4000000000u, crc, packed, n), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "cannot be"));
    free(zeros);
}

static void damage_is_found(void **state)
{
    char *good;
    size_t n;

    (void)state;
    write_zip("x.npz");
    good = scratch_get("x.npz", &n);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < 3; k++) {
            const char was = good[i];
            mq_zip *z = NULL;

            good[i] = (char)(k == 0 ? 0xff : k == 1 ? 0 : was ^ 1);
            scratch_put("b.npz", good, n);
            good[i] = was;
            if (mq_zip_open(&z, "b.npz", &err) == MQ_OK)
                for (size_t j = 0; j < z->n; j++) {
                    mq_block *b = NULL;

                    if (mq_zip_bytes(z, &z->members[j], &b, &err) == MQ_OK && b->size)
                        (void)((volatile unsigned char *)b->data)[b->size - 1];
                    mq_block_unref(b);
                }
            mq_zip_free(z);
        }
    for (size_t i = 0; i < n; i++) {
        mq_zip *z = NULL;

        scratch_put("b.npz", good, i);
        assert_int_equal(mq_zip_open(&z, "b.npz", &err), MQ_ERR_INPUT);
    }
    free(good);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(stored_members_read_back, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(deflated_members_are_what_they_declare, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(damage_is_found, scratch_open, scratch_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
