/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/model/onnx_save.c and onnx_write.c: which bytes go where, that they are the same every time, and that a failure
 * leaves what was there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "graph_make.h"
#include "model/save.h"
#include "scratch.h"

/* Each test works in an empty folder with a model of x, MatMul weights and a small one. */
static mq_model *m;
static char warnings[400];

static void warn(void *user, const mq_warning *w)
{
    (void)user;
    strncat(warnings, w->code, sizeof warnings - strlen(warnings) - 1);
}

static const mq_hooks hooks = { .warn = warn };

/* Fills a tensor with a byte pattern, in two pieces, the second first. */
static mq_status make_pattern(void *user, mq_sink *sink, const mq_hooks *h, mq_error *err)
{
    const mq_maker *maker = user;
    size_t n = maker->n_bytes, half = n / 2;
    char *data = malloc(n + 1);
    mq_status rc;

    (void)h;
    assert_non_null(data);
    for (size_t i = 0; i < n; i++)
        data[i] = (char)(i * 3 + 1);
    rc = sink->write_at(sink, half, data + half, n - half, err);
    if (rc == MQ_OK)
        rc = sink->write_at(sink, 0, data, half, err);
    free(data);
    return rc;
}

static mq_value *made(const char *name, int64_t n, mq_status (*make)(void *, mq_sink *, const mq_hooks *, mq_error *))
{
    mq_maker *maker = mq_arena_alloc(m->arena, sizeof *maker);
    mq_tensor *t = mq_tensor_create(m, name, MQ_INT8, 1, &n, NULL);
    mq_value *v = make_value(m->graph, name);

    *maker = (mq_maker){ .n_bytes = (uint64_t)n, .make = make, .user = maker };
    t->storage = MQ_STORE_MADE;
    t->maker = maker;
    assert_int_equal(mq_value_set_init(v, t, NULL), MQ_OK);
    return v;
}

static int setup(void **state)
{
    static float w[1000];

    if (scratch_open(state) != 0)
        return -1;
    warnings[0] = '\0';
    for (int i = 0; i < 1000; i++)
        w[i] = (float)i;
    m = make_model(17);
    make_input(m->graph, "x", MQ_FLOAT, "N,10");
    make_init(m->graph, "w", MQ_FLOAT, "10,100", w);
    make_init(m->graph, "small", MQ_FLOAT, "2", w);
    make_node(m->graph, "MatMul", "x,w", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "N,100");
    return 0;
}

static int teardown(void **state)
{
    mq_model_free(m);
    return scratch_close(state);
}

static mq_save_opts with(mq_external_mode mode, uint64_t threshold)
{
    mq_save_opts o = mq_save_opts_default();

    o.external = mode;
    o.external_threshold = threshold;
    o.force = true;
    return o;
}

static void save_as(mq_model *model, const char *path, const mq_save_opts *o, mq_saved *sizes)
{
    mq_error err = { 0 };

    if (mq_model_save(model, path, o, &hooks, sizes, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static mq_model *load(const char *path)
{
    mq_model *got = NULL;
    mq_error err = { 0 };

    if (mq_model_load(&got, path, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return got;
}

/* A tensor of a saved model begins with that byte pattern (kind 'f': the floats of w; 'm': make_pattern). */
static void holds(mq_model *model, const char *name, char kind)
{
    mq_tensor *t = mq_graph_find(model->graph, name)->init;
    const unsigned char *data = NULL;
    mq_error err = { 0 };
    float f;

    if (mq_tensor_bytes(t, (const void **)&data, &err) != MQ_OK)
        fail_msg("%s", err.text);
    for (int64_t i = 0; i < mq_tensor_count(t); i++) {
        if (kind == 'm') {
            assert_int_equal(data[i], (unsigned char)(i * 3 + 1));
            continue;
        }
        memcpy(&f, data + 4 * i, sizeof f);
        assert_true(f == (float)i);
    }
}

static void same_files(const char *a, const char *b)
{
    size_t n, k;
    char *one = scratch_get(a, &n), *two = scratch_get(b, &k);

    assert_int_equal(n, k);
    assert_memory_equal(one, two, n);
    free(one);
    free(two);
}

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

/* ---- external ------------------------------------------------------------------------------------------------------ */

static const mq_external *where(const mq_model *model, const char *name)
{
    const mq_tensor *t = mq_graph_find(model->graph, name)->init;

    return t->storage == MQ_STORE_EXTERNAL ? &t->external : NULL;
}

static void test_one_file(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_saved sizes = { 0 };
    mq_model *got;
    struct stat st;

    (void)state;
    made("q", 100000, make_pattern);
    made("r", 1500, make_pattern);
    save_as(m, "a.onnx", &o, &sizes);
    assert_int_equal(scratch_count("."), 2);
    got = load("a.onnx");
    assert_null(where(got, "small"));
    assert_string_equal(where(got, "w")->location, "a.onnx.data");
    assert_int_equal(where(got, "w")->offset, 0);
    assert_int_equal(where(got, "w")->length, 4000);
    assert_int_equal(where(got, "q")->offset, 4096); /* large ones begin a page */
    assert_int_equal(where(got, "r")->offset, 104128); /* others at multiples of 64 */
    assert_int_equal(where(got, "r")->offset % 64, 0);
    holds(got, "w", 'f');
    holds(got, "q", 'm');
    holds(got, "r", 'm');
    assert_int_equal(stat("a.onnx.data", &st), 0);
    assert_int_equal(st.st_size, 104128 + 1500);
    assert_int_equal(sizes.data_bytes, st.st_size);
    assert_true(got->had_external);
    mq_model_free(got);
}

static void test_threshold(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 4000);
    mq_model *got;

    (void)state;
    save_as(m, "at.onnx", &o, NULL);
    o.external_threshold = 4001;
    save_as(m, "above.onnx", &o, NULL);
    o.external_threshold = 0;
    save_as(m, "all.onnx", &o, NULL);
    got = load("at.onnx");
    assert_non_null(where(got, "w"));
    assert_null(where(got, "small"));
    mq_model_free(got);
    got = load("above.onnx");
    assert_null(where(got, "w"));
    mq_model_free(got);
    got = load("all.onnx");
    assert_non_null(where(got, "small"));
    mq_model_free(got);
    assert_int_equal(access("above.onnx.data", F_OK), -1); /* no empty file */
}

static void test_file_of_a_given_name(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    static const char *const bad[] = { "sub/w.bin", "/w.bin", "..", ".", "", "w/" };
    mq_error err = { 0 };
    mq_model *got;

    (void)state;
    o.external_file = "weights.bin";
    assert_int_equal(mkdir("out", 0755), 0);
    save_as(m, "out/a.onnx", &o, NULL);
    got = load("out/a.onnx");
    assert_string_equal(where(got, "w")->location, "weights.bin");
    holds(got, "w", 'f');
    mq_model_free(got);
    assert_int_equal(scratch_count("out"), 2);
    for (size_t i = 0; i < MQ_ARRAY_LEN(bad); i++) {
        o.external_file = bad[i];
        assert_int_equal(mq_model_save(m, "b.onnx", &o, NULL, NULL, &err), MQ_ERR_USAGE);
    }
    assert_string_equal(err.text, "external data file 'w/': it lies beside the model, so give a name without a folder");
}

/* The model and its data cannot be one file. */
static void test_file_of_the_models_name(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_error err = { 0 };

    (void)state;
    o.external_file = "a.onnx";
    assert_int_equal(mq_model_save(m, "a.onnx", &o, NULL, NULL, &err), MQ_ERR_USAGE);
    assert_non_null(strstr(err.text, "'a.onnx'"));
    assert_int_equal(scratch_count("."), 0);
}

static void test_file_per_tensor(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_PER_TENSOR, 1024);
    mq_model *got;

    (void)state;
    made("layer/0:q *", 2000, make_pattern);
    made("layer_0_q__", 2000, make_pattern); /* the same once made safe: told apart by the number */
    save_as(m, "a.onnx", &o, NULL);
    assert_int_equal(scratch_count("."), 4);
    got = load("a.onnx");
    assert_string_equal(where(got, "w")->location, "a.onnx.0.w.data");
    assert_string_equal(where(got, "layer/0:q *")->location, "a.onnx.1.layer_0_q__.data");
    assert_string_equal(where(got, "layer_0_q__")->location, "a.onnx.2.layer_0_q__.data");
    holds(got, "layer/0:q *", 'm');
    holds(got, "layer_0_q__", 'm');
    holds(got, "w", 'f');
    mq_model_free(got);
}

/* By itself a model stays as it is: what lay outside stays there, what was inside stays inside; new large tensors follow. */
static void test_auto_keeps_what_there_is(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024), automatic = with(MQ_EXTERNAL_AUTO, 1024), none = with(MQ_EXTERNAL_NONE, 0);
    mq_model *got, *again;

    (void)state;
    save_as(m, "a.onnx", &o, NULL);
    got = load("a.onnx");
    mq_model_free(m);
    m = got;
    made("q", 2000, make_pattern);
    save_as(m, "b.onnx", &automatic, NULL);
    again = load("b.onnx");
    assert_string_equal(where(again, "w")->location, "b.onnx.data");
    assert_string_equal(where(again, "q")->location, "b.onnx.data");
    assert_null(where(again, "small"));
    holds(again, "w", 'f');
    holds(again, "q", 'm');
    mq_model_free(again);
    save_as(m, "c.onnx", &none, NULL);
    assert_int_equal(access("c.onnx.data", F_OK), -1);
    again = load("c.onnx");
    assert_null(where(again, "w"));
    holds(again, "w", 'f');
    holds(again, "q", 'm');
    mq_model_free(again);
}

static void test_pair_onto_its_own_input(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_model *got;

    (void)state;
    save_as(m, "a.onnx", &o, NULL);
    save_as(m, "b.onnx", &o, NULL);
    got = load("a.onnx");
    o.external = MQ_EXTERNAL_AUTO;
    save_as(got, "a.onnx", &o, NULL);
    mq_model_free(got);
    same_files("a.onnx.data", "b.onnx.data");
    got = load("a.onnx");
    holds(got, "w", 'f');
    mq_model_free(got);
    assert_int_equal(scratch_count("."), 4);
}

static void test_data_file_exists(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_error err = { 0 };

    (void)state;
    o.force = false;
    scratch_put_text("a.onnx.data", "someone else's");
    assert_int_equal(mq_model_save(m, "a.onnx", &o, NULL, NULL, &err), MQ_ERR_USAGE);
    assert_string_equal(err.text, "output 'a.onnx.data' exists (-f replaces it)");
    scratch_has("a.onnx.data", "someone else's");
    assert_int_equal(scratch_count("."), 1);
}

static void test_empty_and_strings(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 0);
    mq_model *got;

    (void)state;
    made("empty", 0, make_pattern);
    save_as(m, "a.onnx", &o, NULL);
    got = load("a.onnx");
    assert_int_equal(mq_tensor_count(mq_graph_find(got->graph, "empty")->init), 0);
    holds(got, "empty", 'm');
    mq_model_free(got);
}

static void test_external_to_standard_output(void **state)
{
    mq_save_opts o = with(MQ_EXTERNAL_FILE, 1024);
    mq_error err = { 0 };

    (void)state;
    assert_int_equal(mq_model_save(m, "-", &o, NULL, NULL, &err), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "external data cannot go to standard output"));
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
    assert_string_equal(err.text, "a.onnx: the model is over 2 GB, which one file cannot hold (leave out --external-data none)");
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

/* ---- what was changed ---------------------------------------------------------------------------------------------- */

static void test_edits_are_written(void **state)
{
    mq_model *got;
    mq_node *n;

    (void)state;
    save_as(m, "a.onnx", NULL, NULL);
    mq_model_free(m);
    m = load("a.onnx");
    assert_int_equal(mq_value_rename(mq_graph_find(m->graph, "x"), "input", NULL), MQ_OK);
    assert_int_equal(mq_value_rename(mq_graph_find(m->graph, "w"), "weight", NULL), MQ_OK);
    assert_int_equal(mq_opset_set(m, "", 21, NULL), MQ_OK);
    assert_int_equal(mq_opset_set(m, "com.microsoft", 1, NULL), MQ_OK);
    n = make_node(m->graph, "Transpose", "y", "z");
    assert_int_equal(mq_node_set_attr_ints(n, "perm", (const int64_t[]){ 1, 0 }, 2, NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_string(n, "s", "text", NULL), MQ_OK);
    assert_int_equal(mq_node_set_attr_float(n, "f", 2.5f, NULL), MQ_OK);
    make_type(make_output(m->graph, "z"), MQ_FLOAT, "100,N");
    mq_value_clear_init(mq_graph_find(m->graph, "small"));
    save_as(m, "b.onnx", NULL, NULL);
    got = load("b.onnx");
    make_dump_is(got, "opset ai.onnx 21\n"
                      "opset com.microsoft 1\n"
                      "input input float[N,10]\n"
                      "init weight float[10,100]\n"
                      "node 'y' MatMul(input, weight) -> y\n"
                      "node 'z' Transpose(y) -> z perm=[1,0] s='text' f=2.5\n"
                      "output y float[N,100]\n"
                      "output z float[100,N]\n");
    holds(got, "weight", 'f');
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
        IN_SCRATCH(test_one_file),
        IN_SCRATCH(test_threshold),
        IN_SCRATCH(test_file_of_a_given_name),
        IN_SCRATCH(test_file_of_the_models_name),
        IN_SCRATCH(test_file_per_tensor),
        IN_SCRATCH(test_auto_keeps_what_there_is),
        IN_SCRATCH(test_pair_onto_its_own_input),
        IN_SCRATCH(test_data_file_exists),
        IN_SCRATCH(test_empty_and_strings),
        IN_SCRATCH(test_external_to_standard_output),
        IN_SCRATCH(test_over_2_gb_is_told),
        IN_SCRATCH(test_the_limit),
        IN_SCRATCH(test_over_2_gb_goes_outside),
        IN_SCRATCH(test_begin_reload_commit),
        IN_SCRATCH(test_abort),
        IN_SCRATCH(test_failing_maker),
        IN_SCRATCH(test_cancelled),
        IN_SCRATCH(test_estimate),
        IN_SCRATCH(test_external_input_missing),
        IN_SCRATCH(test_edits_are_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
