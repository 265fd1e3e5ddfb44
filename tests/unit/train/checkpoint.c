/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Checkpoints: what was put comes back; a file that lost, gained or changed a byte is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scratch.h"
#include "train/checkpoint.h"

static void write_one(void)
{
    mq_checkpoint *c;

    assert_int_equal(mq_checkpoint_create(&c, NULL), MQ_OK);
    assert_int_equal(mq_checkpoint_put(c, "epoch", &(uint64_t){ 12 }, 8, NULL), MQ_OK);
    assert_int_equal(mq_checkpoint_put(c, "empty", NULL, 0, NULL), MQ_OK);
    assert_int_equal(mq_checkpoint_put(c, "w", "abcdefg", 7, NULL), MQ_OK);
    assert_int_equal(mq_checkpoint_save(c, "c", NULL), MQ_OK);
    mq_checkpoint_free(c);
}

static void there_and_back(void **state)
{
    mq_checkpoint *c;
    uint64_t epoch = 0;
    char w[7];
    size_t n = 1;

    (void)state;
    write_one();
    write_one(); /* replaces */
    assert_int_equal(scratch_count("."), 1);
    assert_int_equal(mq_checkpoint_load(&c, "c", NULL), MQ_OK);
    assert_int_equal(mq_checkpoint_get(c, "epoch", &epoch, 8, NULL), MQ_OK);
    assert_int_equal(epoch, 12);
    assert_int_equal(mq_checkpoint_get(c, "w", w, 7, NULL), MQ_OK);
    assert_memory_equal(w, "abcdefg", 7);
    assert_non_null(mq_checkpoint_find(c, "empty", &n));
    assert_int_equal(n, 0);
    assert_int_equal(mq_checkpoint_get(c, "w", w, 6, NULL), MQ_ERR_INPUT);
    assert_int_equal(mq_checkpoint_get(c, "v", w, 7, NULL), MQ_ERR_INPUT);
    mq_checkpoint_free(c);
}

static void damaged(void **state)
{
    mq_checkpoint *c = NULL;
    mq_error err;
    char *data;
    size_t n;

    (void)state;
    write_one();
    data = scratch_get("c", &n);
    for (size_t i = 0; i < n; i++) {
        data[i] ^= 1;
        scratch_put("d", data, n);
        data[i] ^= 1;
        assert_int_equal(mq_checkpoint_load(&c, "d", &err), MQ_ERR_INPUT);
        scratch_put("d", data, i);
        assert_int_equal(mq_checkpoint_load(&c, "d", &err), MQ_ERR_INPUT);
    }
    scratch_put("d", data, n + 1);
    assert_int_equal(mq_checkpoint_load(&c, "d", &err), MQ_ERR_INPUT);
    assert_int_equal(mq_checkpoint_load(&c, "none", &err), MQ_ERR_INPUT);
    assert_null(c);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(there_and_back, scratch_open, scratch_close),
        cmocka_unit_test_setup_teardown(damaged, scratch_open, scratch_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
