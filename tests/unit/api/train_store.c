/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/train_store.c: samples that are read when they are wanted are those that are kept in memory, in any order,
 * of several files, with labels for some; what cannot be read again is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api/train_job.h"
#include "data_make.h"

static mq_data_source source;
static mq_running run;
static mq_samples kept, read_again;
static char said[400];

static void say(void *user, const char *text)
{
    (void)user;
    snprintf(said, sizeof said, "%s", text);
}

/* x: pixels of six samples in one file and three in another, the first ones labelled; y = x */
static int setup(void **state)
{
    static const int64_t labels[] = { 2, 0, 1, 1, -1, 2 };
    unsigned char pixels[6 * 48];

    if (data_setup(state) != 0)
        return -1;
    source = (mq_data_source){ 0 };
    said[0] = '\0';
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (unsigned char)(i * 7);
    put_npy("a.npy", MQ_UINT8, "6,4,4,3", pixels);
    put_npy("b.npy", MQ_UINT8, "3,4,4,3", pixels + 3);
    put_npy("y.npy", MQ_INT64, "6", labels);
    make_input(m->graph, "x", MQ_FLOAT, "N,3,4,4");
    make_node(m->graph, "Identity", "x", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "N,3,4,4");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_running_open(&run, m, NULL, &hooks, &err), MQ_OK);
    return 0;
}

static int teardown(void **state)
{
    mq_samples_release(&kept);
    mq_samples_release(&read_again);
    mq_running_close(&run);
    return data_teardown(state);
}

static void read_both(void)
{
    if (mq_samples_read_within(&kept, &source, UINT64_MAX, &run, &hooks, say, NULL, &err) != MQ_OK ||
        mq_samples_read_within(&read_again, &source, 0, &run, &hooks, say, NULL, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static void use_pixels(void)
{
    static const char *const data_list[] = { "a.npy", "b.npy" }, *const labels[] = { "y.npy" };
    static const char *const preprocess[] = { "scale=1/255,from=nhwc" };

    source.data = data_list;
    source.n_data = 2;
    source.labels = labels;
    source.n_labels = 1;
    source.preprocess = preprocess;
    source.n_preprocess = 1;
}

/* Rows `list` of both are equal. */
static void same_rows(const mq_samples *a, const mq_samples *b, const uint64_t *list, size_t n)
{
    mq_array *one = NULL, *other = NULL;

    assert_int_equal(mq_samples_inputs(a, list, n, &one, &err), MQ_OK);
    assert_int_equal(mq_samples_inputs(b, list, n, &other, &err), MQ_OK);
    assert_int_equal(one->dims[0], n);
    assert_int_equal(one->count, other->count);
    assert_int_equal(one->dtype, other->dtype);
    assert_memory_equal(one->data, other->data, mq_array_bytes(one));
    mq_array_unref(one);
    mq_array_unref(other);
}

static void both_ways_are_equal(void **state)
{
    static const uint64_t list[] = { 8, 0, 3, 3, 7, 5 };
    char one[MQ_SHA256_HEX] = "", other[MQ_SHA256_HEX] = "";
    mq_array *scores[2] = { NULL };

    (void)state;
    use_pixels();
    read_both();
    assert_non_null(strstr(said, "read again"));
    assert_int_equal(read_again.n, 9);
    assert_int_equal(read_again.n_labelled, 5);
    assert_memory_equal(read_again.labels->data, kept.labels->data, 9 * sizeof(int64_t));
    same_rows(&kept, &read_again, list, 6);
    assert_int_equal(mq_samples_hash(&kept, one, &err), MQ_OK);
    assert_int_equal(mq_samples_hash(&read_again, other, &err), MQ_OK);
    assert_string_equal(one, other);
    assert_int_equal(mq_samples_run(&scores[0], &run, &kept, &hooks, &err), MQ_OK);
    assert_int_equal(mq_samples_run(&scores[1], &run, &read_again, &hooks, &err), MQ_OK);
    assert_memory_equal(scores[0]->data, scores[1]->data, mq_array_bytes(scores[0]));
    mq_array_unref(scores[0]);
    mq_array_unref(scores[1]);
}

static void a_fixed_batch_is_no_matter(void **state)
{
    static const uint64_t list[] = { 8, 0, 3, 7 };
    mq_samples free_batch;

    (void)state;
    use_pixels();
    read_both();
    free_batch = kept;
    mq_samples_release(&read_again);
    mq_running_close(&run);
    m->graph->inputs.items[0]->declared->dims[0] = MQ_DIM(2);
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_running_open(&run, m, NULL, &hooks, &err), MQ_OK);
    assert_int_equal(mq_running_batch(&run), 2);
    read_both();
    assert_int_equal(kept.n, 9);
    assert_int_equal(read_again.n, 9);
    same_rows(&free_batch, &kept, list, 4);
    same_rows(&free_batch, &read_again, list, 4);
    mq_samples_release(&free_batch);
}

/* A part of a part, which outlives what it was taken from. */
static void parts(void **state)
{
    static const uint64_t some[] = { 8, 6, 0, 2 }, few[] = { 3, 0 }, list[] = { 1, 0 };
    mq_samples a, b, c;
    char one[MQ_SHA256_HEX] = "", other[MQ_SHA256_HEX] = "";

    (void)state;
    use_pixels();
    read_both();
    assert_int_equal(mq_samples_take(&a, &read_again, some, 4, &err), MQ_OK);
    assert_int_equal(mq_samples_take(&c, &kept, some, 4, &err), MQ_OK);
    same_rows(&a, &c, list, 2);
    assert_int_equal(a.n_labelled, 2);
    assert_int_equal(mq_samples_hash(&a, one, &err), MQ_OK);
    assert_int_equal(mq_samples_hash(&c, other, &err), MQ_OK);
    assert_string_equal(one, other);
    assert_int_equal(mq_samples_take(&b, &a, few, 2, &err), MQ_OK);
    mq_samples_release(&a);
    mq_samples_release(&c);
    assert_int_equal(mq_samples_take(&c, &kept, (const uint64_t[]){ 2, 8 }, 2, &err), MQ_OK);
    mq_samples_release(&kept);
    mq_samples_release(&read_again);
    same_rows(&b, &c, list, 2);
    assert_int_equal(((const int64_t *)b.labels->data)[0], 1);
    mq_samples_release(&b);
    mq_samples_release(&c);
}

/* What is given may be changed: images are augmented in place. */
static void rows_are_ours(void **state)
{
    static const uint64_t list[] = { 0, 1 };
    mq_array *in = NULL;

    (void)state;
    source.data = (const char *const[]){ "f.npy" };
    source.n_data = 1;
    put_floats("f.npy", "4,3,4,4");
    read_both();
    for (int i = 0; i < 2; i++) {
        assert_int_equal(mq_samples_inputs(i ? &kept : &read_again, list, 2, &in, &err), MQ_OK);
        memset(in->data, 0, mq_array_bytes(in));
        mq_array_unref(in);
        in = NULL;
    }
    assert_int_equal(mq_samples_inputs(&read_again, list, 2, &in, &err), MQ_OK);
    assert_true(mq_array_f64(in, 5) == 5);
    mq_array_unref(in);
}

static void generated_samples_are_kept(void **state)
{
    static const uint64_t list[] = { 3, 1 };

    (void)state;
    source.data = (const char *const[]){ "random:5" };
    source.n_data = 1;
    read_both();
    assert_int_equal(read_again.n, 5);
    assert_null(strstr(said, "read again"));
    same_rows(&kept, &read_again, list, 2);
}

#define STORE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE(both_ways_are_equal),
        STORE(a_fixed_batch_is_no_matter),
        STORE(parts),
        STORE(rows_are_ours),
        STORE(generated_samples_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
