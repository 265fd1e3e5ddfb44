/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/model/onnx_save.c: that the bytes are the same every time, what happens over 2 GB, and that a failure leaves
 * what was there. Where tensors go is tested in onnx_write.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>

#include <cmocka.h>

#include "save_make.h"

/* ---- inside -------------------------------------------------------------------------------------------------------- */

static void test_saved_and_loaded(void **state)
{
    mq_saved sizes = { 0 };
    mq_model *got;
    char *before = mq_model_dump(m), *after;
    struct stat st;

    (void)state;
    save_as(m, "a.onnx", NULL, &sizes);
    assert_int_equal(stat("a.onnx", &st), 0);
    assert_int_equal(sizes.model_bytes, st.st_size);
    assert_int_equal(sizes.data_bytes, 0);
    got = load("a.onnx");
    after = mq_model_dump(got);
    assert_string_equal(after, before);
    assert_int_equal(got->ir_version, 8);
    holds(got, "w", 'f');
    holds(got, "small", 'f');
    assert_int_equal(scratch_count("."), 1);
    free(before);
    free(after);
    mq_model_free(got);
}

static void test_same_bytes_again(void **state)
{
    mq_model *got;

    (void)state;
    made("q", 5000, make_pattern);
    save_as(m, "a.onnx", NULL, NULL);
    save_as(m, "b.onnx", NULL, NULL);
    same_files("a.onnx", "b.onnx");
    got = load("a.onnx"); /* written from the file that was read, and that from its copy */
    save_as(got, "c.onnx", NULL, NULL);
    same_files("a.onnx", "c.onnx");
    holds(got, "q", 'm');
    mq_model_free(got);
}

static void test_onto_its_own_input(void **state)
{
    const mq_save_opts o = with(MQ_EXTERNAL_AUTO, 1024);
    mq_model *got;

    (void)state;
    save_as(m, "a.onnx", NULL, NULL);
    save_as(m, "b.onnx", NULL, NULL);
    got = load("a.onnx");
    save_as(got, "a.onnx", &o, NULL);
    holds(got, "w", 'f'); /* the old file is still mapped */
    same_files("a.onnx", "b.onnx");
    mq_model_free(got);
}

static void test_exists(void **state)
{
    mq_error err = { 0 };

    (void)state;
    scratch_put_text("a.onnx", "old");
    assert_int_equal(mq_model_save(m, "a.onnx", NULL, NULL, NULL, &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, "output 'a.onnx' exists (-f replaces it)");
    scratch_has("a.onnx", "old");
}

static void test_gzip(void **state)
{
    mq_saved sizes = { 0 };
    mq_model *got;
    struct stat st;

    (void)state;
    made("q", 5000, make_pattern);
    save_as(m, "a.onnx.gz", NULL, &sizes);
    assert_int_equal(stat("a.onnx.gz", &st), 0);
    assert_int_equal(sizes.model_bytes, st.st_size);
    assert_true(st.st_size < 5000);
    got = load("a.onnx.gz");
    holds(got, "q", 'm');
    holds(got, "w", 'f');
    mq_model_free(got);
    assert_int_equal(scratch_count("."), 1);
}

/* ---- over 2 GB ----------------------------------------------------------------------------------------------------- */

/* Leaves a hole, but for its last byte. */
static mq_status make_hole(void *user, mq_sink *sink, const mq_hooks *h, mq_error *err)
{
    const mq_maker *maker = user;

    (void)h;
    return sink->write_at(sink, maker->n_bytes - 1, "!", 1, err);
}

enum { GB = 1 << 30 };

static void test_over_2_gb_is_told(void **state)
{
    mq_save_opts none = with(MQ_EXTERNAL_NONE, 0), automatic = mq_save_opts_default();
    mq_saved sizes = { 0 };
    mq_error err = { 0 };

    (void)state;
    made("huge", (int64_t)3 * GB, make_hole);
    assert_int_equal(mq_model_save(m, "a.onnx", &none, &hooks, NULL, &err), MQ_ERR_UNSUPPORTED);
    assert_string_equal(err.text,
                        "a.onnx: the model is over 2 GB, which one file cannot hold (leave out --external-data none)");
    assert_int_equal(mq_model_save(m, "-", &automatic, &hooks, NULL, &err), MQ_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "-: the model is over 2 GB, which one file cannot hold (write it to a file with -o FILE)");
    assert_string_equal(warnings, "");
    assert_int_equal(mq_saving_estimate(m, "a.onnx", &automatic, &sizes, NULL), MQ_OK);
    assert_true(sizes.data_bytes > (uint64_t)3 * GB && sizes.model_bytes < 1000);
    assert_int_equal(scratch_count("."), 0);
}

/* Just below and just above what one message may have. */
static void test_the_limit(void **state)
{
    mq_save_opts automatic = mq_save_opts_default();
    mq_saved sizes = { 0 };

    (void)state;
    made("huge", INT32_MAX - 4300, make_hole);
    assert_int_equal(mq_saving_estimate(m, "a.onnx", &automatic, &sizes, NULL), MQ_OK);
    assert_int_equal(sizes.data_bytes, 0);
    assert_true(sizes.model_bytes <= INT32_MAX);
    made("huge2", 5000, make_hole);
    assert_int_equal(mq_saving_estimate(m, "a.onnx", &automatic, &sizes, NULL), MQ_OK);
    assert_true(sizes.data_bytes > INT32_MAX / 2);
}

static void test_over_2_gb_goes_outside(void **state)
{
    struct statfs fs;
    mq_model *got;
    const void *data = NULL;

    (void)state;
    assert_int_equal(statfs(".", &fs), 0);
    if (fs.f_type == 0x01021994 || (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize < (uint64_t)5 * GB)
        skip(); /* room is reserved: not in memory, and not on a disk that is nearly full */
    made("huge", (int64_t)3 * GB, make_hole);
    save_as(m, "a.onnx", NULL, NULL);
    assert_string_equal(warnings, "external-auto");
    got = load("a.onnx");
    assert_int_equal(where(got, "huge")->length, (int64_t)3 * GB);
    assert_non_null(where(got, "w"));
    assert_null(where(got, "small"));
    holds(got, "w", 'f');
    assert_int_equal(mq_tensor_bytes(mq_graph_find(got->graph, "huge")->init, &data, NULL), MQ_OK);
    assert_int_equal(((const char *)data)[(size_t)3 * GB - 1], '!');
    assert_int_equal(((const char *)data)[(size_t)2 * GB], 0);
    mq_model_free(got);
}

/* ---- in two steps, and failures ------------------------------------------------------------------------------------ */

static void test_begin_reload_commit(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_saving *s = NULL;
    mq_model *got = NULL;
    uint64_t bytes;

    (void)state;
    scratch_put_text("a.onnx", "old model");
    scratch_put_text("a.onnx.data", "old data");
    made("q", 5000, make_pattern);
    assert_int_equal(mq_saving_begin(&s, m, "a.onnx", &o, NULL, NULL), MQ_OK);
    scratch_has("a.onnx", "old model");
    assert_string_equal(mq_saving_data_file(s, 0, &bytes), "a.onnx.data");
    assert_int_equal(bytes, 4032 + 5000);
    assert_null(mq_saving_data_file(s, 1, &bytes));
    assert_int_equal(mq_saving_reload(s, &got, NULL), MQ_OK);
    holds(got, "q", 'm'); /* read from the new data, not from the old file of that name */
    holds(got, "w", 'f');
    mq_model_free(got);
    scratch_has("a.onnx.data", "old data");
    assert_int_equal(mq_saving_commit(s, NULL), MQ_OK);
    got = load("a.onnx");
    holds(got, "q", 'm');
    mq_model_free(got);
    assert_int_equal(scratch_count("."), 2);
}

static void test_abort(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_saving *s = NULL;

    (void)state;
    assert_int_equal(mq_saving_begin(&s, m, "a.onnx", &o, NULL, NULL), MQ_OK);
    mq_saving_abort(s);
    mq_saving_abort(NULL);
    assert_int_equal(scratch_count("."), 0);
}

static mq_status make_failure(void *user, mq_sink *sink, const mq_hooks *h, mq_error *err)
{
    (void)user;
    (void)sink;
    (void)h;
    return mq_fail(err, MQ_ERR_INPUT, "the weights are gone");
}

static void test_failing_maker(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_error err = { 0 };

    (void)state;
    scratch_put_text("a.onnx", "old model");
    made("q", 5000, make_failure);
    assert_int_equal(mq_model_save(m, "a.onnx", &o, NULL, NULL, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "the weights are gone");
    o.external = MQ_EXTERNAL_NONE;
    assert_int_equal(mq_model_save(m, "a.onnx", &o, NULL, NULL, &err), MQ_ERR_INPUT);
    scratch_has("a.onnx", "old model");
    assert_int_equal(scratch_count("."), 1);
}

static bool yes(void *user)
{
    (void)user;
    return true;
}

static void test_cancelled(void **state)
{
    const mq_hooks cancel = { .cancelled = yes };
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_error err = { 0 };

    (void)state;
    made("q", 5000, make_pattern);
    assert_int_equal(mq_model_save(m, "a.onnx", &o, &cancel, NULL, &err), MQ_ERR_CANCELLED);
    o.external = MQ_EXTERNAL_NONE;
    assert_int_equal(mq_model_save(m, "a.onnx", &o, &cancel, NULL, &err), MQ_ERR_CANCELLED);
    assert_int_equal(mq_model_save(m, "a.onnx.gz", &o, &cancel, NULL, &err), MQ_ERR_CANCELLED);
    assert_int_equal(scratch_count("."), 0);
}

static void test_estimate(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_saved guess = { 0 }, real = { 0 };

    (void)state;
    made("q", 100000, make_pattern);
    assert_int_equal(mq_saving_estimate(m, "a.onnx", &o, &guess, NULL), MQ_OK);
    assert_int_equal(scratch_count("."), 0);
    save_as(m, "a.onnx", &o, &real);
    assert_int_equal(guess.model_bytes, real.model_bytes);
    assert_int_equal(guess.data_bytes, real.data_bytes);
}

/* A missing external file is told, and nothing is written. */
static void test_external_input_missing(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_error err = { 0 };
    mq_model *got;

    (void)state;
    save_as(m, "a.onnx", &o, NULL);
    assert_int_equal(unlink("a.onnx.data"), 0);
    got = load("a.onnx");
    assert_int_equal(mq_model_save(got, "b.onnx", NULL, NULL, NULL, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "tensor 'w': external file 'a.onnx.data' is missing");
    assert_int_equal(scratch_count("."), 1);
    mq_model_free(got);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_saved_and_loaded),
        IN_SCRATCH(test_same_bytes_again),
        IN_SCRATCH(test_onto_its_own_input),
        IN_SCRATCH(test_exists),
        IN_SCRATCH(test_gzip),
        IN_SCRATCH(test_over_2_gb_is_told),
        IN_SCRATCH(test_the_limit),
        IN_SCRATCH(test_over_2_gb_goes_outside),
        IN_SCRATCH(test_begin_reload_commit),
        IN_SCRATCH(test_abort),
        IN_SCRATCH(test_failing_maker),
        IN_SCRATCH(test_cancelled),
        IN_SCRATCH(test_estimate),
        IN_SCRATCH(test_external_input_missing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
