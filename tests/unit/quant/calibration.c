/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/calibration.c and calibration_load.c: what is written reads back, parts give the whole, and damaged files
 * are refused with a sentence. */
#include "quant/calibration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "rng.h"
#include "scratch.h"

static const char *const names[] = { "conv1_out", "a/b:0", "with \"quotes\" and \\", "two\nlines", "\xc3\xbc\xe2\x82\xac",
                                     "" };

enum { N_NAMES = MQ_ARRAY_LEN(names) };

static mq_error err;

static void good(mq_status rc)
{
    if (rc != MQ_OK)
        fail_msg("%s", err.text);
}

/* An empty one of all tensors. */
static mq_calibration make(int shard, int n_shards)
{
    mq_calibration c = { .model = strdup("aa11"), .preprocess = strdup("imagenet"), .data = strdup("dd22"), .shard = shard,
                         .n_shards = n_shards };
    mq_calibrated *t;

    for (size_t i = 0; i < N_NAMES; i++)
        good(mq_calibration_add(&c, names[i], &t, &err));
    return c;
}

/* A run of a few values of any magnitude; some tensors never have one that is finite, or none. */
static size_t fill(uint64_t *rng, size_t tensor, float out[64])
{
    const size_t n = tensor == 4 ? 0 : rng_below(rng, 64);

    for (size_t i = 0; i < n; i++) {
        out[i] = rng_float(rng);
        if (tensor == 1)
            out[i] = ldexpf(out[i], (int)rng_below(rng, 250) - 140);
        if (tensor == 2)
            out[i] = out[i] > 0 ? out[i] : 0;
        if (tensor == 3 || rng_below(rng, 100) == 0)
            out[i] = rng_below(rng, 2) ? NAN : INFINITY;
    }
    return n;
}

static void add_run(mq_calibration *c, size_t tensor, float *values, size_t n)
{
    const int64_t dims[1] = { (int64_t)n };
    mq_array *a = NULL;

    good(mq_array_wrap(&a, MQ_FLOAT, 1, dims, values, NULL, &err));
    good(mq_observer_add(&mq_calibration_find(c, names[tensor])->observer, a, 1, &err));
    mq_array_unref(a);
}

static void add_sample(uint64_t *rng, mq_calibration *c, mq_calibration *also)
{
    float values[64];

    for (size_t t = 0; t < N_NAMES; t++) {
        const size_t n = fill(rng, t, values);
        add_run(c, t, values, n);
        if (also)
            add_run(also, t, values, n);
    }
    c->samples++;
    if (also)
        also->samples++;
}

static void same_files(const char *a, const char *b)
{
    char *x = scratch_get(a, NULL), *y = scratch_get(b, NULL);

    assert_string_equal(x, y);
    free(x);
    free(y);
}

static void load(mq_calibration *c, const char *path)
{
    *c = (mq_calibration){ 0 };
    good(mq_calibration_load(c, path, NULL, &err));
}

/* Channels of two tensors, any numbers. */
static void add_channels(uint64_t *rng, mq_calibration *c)
{
    c->has_channels = true;
    for (int t = 0; t < 2; t++) {
        mq_channels *ch = NULL;
        good(mq_channel_table_add_name(&c->channels, names[t], t ? 1 : -1, &ch, &err));
        ch->count = 1 + rng_below(rng, 1000);
        good(mq_channels_begin(ch, t ? 7 : 1, &err));
        for (size_t i = 0; i < ch->n; i++) {
            ch->low[i] = -fabsf(ldexpf(rng_float(rng), (int)rng_below(rng, 200) - 100));
            ch->high[i] = fabsf(ldexpf(rng_float(rng), (int)rng_below(rng, 200) - 100));
            ch->sum[i] = ldexp((double)rng_float(rng) / 3, (int)rng_below(rng, 200) - 100);
            ch->square[i] = ldexp(fabs((double)rng_float(rng)) / 3, (int)rng_below(rng, 400) - 200);
        }
    }
}

static void test_channels_read_back_the_same(void **state)
{
    uint64_t rng = 3;

    (void)state;
    for (int round = 0; round < 50; round++) {
        mq_calibration c = make(1, 1), back;
        if (round)
            add_channels(&rng, &c);
        good(mq_calibration_save(&c, "a.json", false, &err));
        load(&back, "a.json");
        assert_true(back.has_channels == (round > 0));
        assert_true(mq_channel_table_equal(&back.channels, &c.channels));
        good(mq_calibration_save(&back, "b.json", false, &err));
        same_files("a.json", "b.json");
        mq_calibration_release(&back);
        mq_calibration_release(&c);
    }
}

/* Parts of one set of data saw the same channels, different data each their own. */
static void test_channels_of_parts(void **state)
{
    uint64_t rng = 4;
    mq_calibration a = make(1, 2), b = make(2, 2), whole = { 0 };

    (void)state;
    add_channels(&rng, &a);
    good(mq_calibration_merge(&whole, &a, &err));
    assert_int_equal(mq_calibration_merge(&whole, &b, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "--effort"));
    add_channels(&rng, &b);
    assert_int_equal(mq_calibration_merge(&whole, &b, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "other channels"));
    mq_channel_table_release(&b.channels);
    b.channels = (mq_channel_table){ 0 };
    good(mq_channel_table_copy(&b.channels, &a.channels, &err));
    good(mq_calibration_merge(&whole, &b, &err));
    assert_true(mq_channel_table_equal(&whole.channels, &a.channels));
    free(b.data);
    b.data = strdup("ee33");
    b.shard = b.n_shards = 1;
    good(mq_calibration_merge(&whole, &b, &err));
    assert_true(mq_channel_table_find(&whole.channels, names[1])->count ==
                2 * mq_channel_table_find(&a.channels, names[1])->count);
    mq_calibration_release(&whole);
    mq_calibration_release(&a);
    mq_calibration_release(&b);
}

static void test_reads_back_the_same(void **state)
{
    uint64_t rng = 1;

    (void)state;
    for (int round = 0; round < 20; round++) {
        mq_calibration c = make(1, 1), back;
        for (int i = 0; i < 2 * round; i++)
            add_sample(&rng, &c, NULL);
        mq_calibration_find(&c, names[1])->has_range = true;
        mq_calibration_find(&c, names[1])->lo = -FLT_TRUE_MIN;
        mq_calibration_find(&c, names[1])->hi = nextafterf(0.1f, 1);
        good(mq_calibration_save(&c, "a.json", round & 1, &err));
        load(&back, "a.json");
        good(mq_calibration_save(&back, "b.json", false, &err));
        same_files("a.json", "b.json");
        assert_int_equal(back.tensors.n, N_NAMES);
        for (size_t t = 0; t < N_NAMES; t++) {
            const mq_calibrated *got = back.tensors.items[t], *want = mq_calibration_find(&c, names[t]);
            assert_string_equal(got->name, names[t]);
            assert_ptr_equal(got, mq_calibration_find(&back, names[t]));
            assert_int_equal(got->has_range, t == 1);
            assert_true(got->lo == want->lo && got->hi == want->hi);
            assert_true(got->observer.n == want->observer.n && got->observer.n_inf == want->observer.n_inf);
            assert_true(got->observer.min == want->observer.min && got->observer.max == want->observer.max);
            if (want->observer.n_bins)
                assert_memory_equal(got->observer.counts, want->observer.counts, want->observer.n_bins * sizeof(uint64_t));
        }
        assert_string_equal(back.model, "aa11");
        assert_string_equal(back.preprocess, "imagenet");
        assert_string_equal(back.data, "dd22");
        assert_true(back.samples == c.samples && back.shard == 1 && back.n_shards == 1);
        mq_calibration_release(&back);
        mq_calibration_release(&c);
    }
    assert_int_equal(scratch_count("."), 2);
}

/* What one run over all samples writes, and what the parts written by several give. */
static void test_parts_give_the_whole(void **state)
{
    uint64_t rng = 2;

    (void)state;
    for (int round = 0; round < 30; round++) {
        const int n_shards = 1 + (int)rng_below(&rng, 7), n_samples = (int)rng_below(&rng, 30);
        mq_calibration whole = make(1, 1), sum = { 0 };
        for (int shard = 1, at = 0; shard <= n_shards; shard++) {
            mq_calibration part = make(shard, n_shards), back;
            for (; at < n_samples * shard / n_shards; at++)
                add_sample(&rng, &whole, &part);
            good(mq_calibration_save(&part, "part.json", false, &err));
            load(&back, "part.json");
            good(mq_calibration_merge(&sum, &back, &err));
            assert_int_equal(mq_calibration_check_whole(&sum, &err), shard < n_shards ? MQ_ERR_INPUT : MQ_OK);
            if (shard == n_shards / 2) { /* what was joined so far is a part as well */
                good(mq_calibration_save(&sum, "sum.json", false, &err));
                mq_calibration_release(&sum);
                load(&sum, "sum.json");
            }
            mq_calibration_release(&part);
            mq_calibration_release(&back);
        }
        good(mq_calibration_save(&whole, "whole.json", false, &err));
        good(mq_calibration_save(&sum, "sum.json", false, &err));
        same_files("whole.json", "sum.json");
        mq_calibration_release(&whole);
        mq_calibration_release(&sum);
    }
}

static void set(char **text, const char *to)
{
    free(*text);
    *text = to ? strdup(to) : NULL;
}

/* Merges and releases; "" when it succeeds. */
static void merged(mq_calibration a, mq_calibration b, const char *sentence)
{
    err.text[0] = '\0';
    if (mq_calibration_merge(&a, &b, &err) != (*sentence ? MQ_ERR_INPUT : MQ_OK) || !strstr(err.text, sentence))
        fail_msg("'%s' does not hold '%s'", err.text, sentence);
    mq_calibration_release(&a);
    mq_calibration_release(&b);
}

static void test_what_does_not_belong_together(void **state)
{
    mq_calibration c;
    mq_calibrated *t;

    (void)state;
    c = make(1, 2), set(&c.model, "bb"), merged(c, make(2, 2), "different models (bb and aa11)");
    c = make(1, 2), set(&c.model, NULL), merged(c, make(2, 2), "different models (not said and aa11)");
    c = make(1, 2), set(&c.preprocess, ""), merged(c, make(2, 2), "different preprocessing ('' and 'imagenet')");
    c = make(1, 2), set(&c.data, "ee"), merged(c, make(2, 2), "shards 1/2 and 2/2 are of different data (ee and dd22)");
    merged(make(1, 2), make(2, 3), "shards 1/2 and 2/3 are not of one division");
    merged(make(1, 2), make(1, 1), "shards 1/2 and 1/1 are not of one division");
    merged(make(1, 2), make(1, 2), "shards 1/2 and 1/2 overlap");
    merged(make(2, 2), make(1, 2), "overlap");
    merged(make(1, 3), make(3, 3), "shard 2/3 is missing");
    merged(make(1, 1), make(1, 1), "the same data are in it twice (dd22)");
    c = make(1, 1), set(&c.data, "xx+dd22+yy"), merged(c, make(1, 1), "twice");
    c = make(1, 1), set(&c.data, "dd2+d22"), merged(c, make(1, 1), "");
    c = make(1, 2), good(mq_calibration_add(&c, "more", &t, &err)), merged(c, make(2, 2), "'more' is in one part only");
    c = make(2, 2), good(mq_calibration_add(&c, "more", &t, &err)), merged(make(1, 2), c, "'more' is in one part only");
    c = make(1, 2);
    assert_int_equal(mq_calibration_add(&c, names[1], &t, &err), MQ_ERR_INPUT);
    mq_calibration_release(&c);
}

static void test_other_data_are_added(void **state)
{
    mq_calibration a = make(1, 1), b = make(1, 1), c = make(1, 1);
    uint64_t rng = 3;

    (void)state;
    set(&b.data, "ee");
    add_sample(&rng, &a, NULL);
    add_sample(&rng, &b, NULL);
    good(mq_calibration_merge(&a, &b, &err));
    assert_string_equal(a.data, "dd22+ee");
    assert_int_equal(a.samples, 2);
    assert_int_equal(mq_calibration_merge(&a, &b, &err), MQ_ERR_INPUT);
    assert_int_equal(mq_calibration_merge(&a, &c, &err), MQ_ERR_INPUT);
    mq_calibration_release(&a);
    mq_calibration_release(&b);
    mq_calibration_release(&c);
}

static void test_ranges_by_hand(void **state)
{
    static const char text[] = "{\"format\": \"mq-calibration\", \"version\": 1, \"tensors\": {\n"
                               "  \"x\": {\"range\": [-1, 2.5]},\n"
                               "  \"y\": {\"range\": [0, 6], \"min\": -0.0, \"max\": 3, \"count\": 7, \"zeros\": 3,\n"
                               "    \"exponent\": -10, \"first\": 0, \"bins\": [1, [0, 3000], [0, 71], 3],"
                               "    \"runs\": [[0, 3]]}}}";
    mq_calibration a, b;

    (void)state;
    scratch_put_text("hand.json", text);
    load(&a, "hand.json");
    assert_true(a.n_shards == 1 && !a.model && a.samples == 0);
    assert_true(a.tensors.items[0]->has_range && a.tensors.items[0]->lo == -1 && a.tensors.items[0]->hi == 2.5f);
    assert_int_equal(a.tensors.items[1]->observer.n_bins, 3073);
    assert_int_equal(a.tensors.items[1]->observer.counts[3072], 3);
    load(&b, "hand.json");
    a.tensors.items[0]->has_range = false;
    good(mq_calibration_merge(&a, &b, &err));
    assert_true(a.tensors.items[0]->has_range && a.tensors.items[0]->lo == -1);
    b.tensors.items[1]->hi = 7;
    merged(a, b, "'y' has the range 0..6 in one part, 0..7 in another");
}

/* What stands in place of the whole, of the first member, of x's. */
static void refused(const char *text, const char *sentence)
{
    mq_calibration c = { 0 };

    scratch_put_text("bad.json", text);
    if (mq_calibration_load(&c, "bad.json", NULL, &err) != MQ_ERR_INPUT || !strstr(err.text, sentence) ||
        strncmp(err.text, "bad.json", 8) != 0 || strchr(err.text, '\n'))
        fail_msg("%s: '%s' does not hold '%s'", text, err.text, sentence);
    assert_int_equal(c.tensors.n, 0);
}

static void refused_root(const char *member, const char *sentence)
{
    char text[800];

    snprintf(text, sizeof text, "{\"format\": \"mq-calibration\", \"version\": 1, %s}", member);
    refused(text, sentence);
}

static void refused_channel(const char *members, const char *sentence)
{
    char text[300];

    snprintf(text, sizeof text, "\"channels\": [{\"tensor\": \"t\"%s}], \"tensors\": {}", members);
    refused_root(text, sentence);
}

static void refused_in_x(const char *members, const char *sentence)
{
    char text[600];

    snprintf(text, sizeof text, "\"tensors\": {\"x\": {%s}}", members);
    refused_root(text, sentence);
}

static void test_broken_files_are_named(void **state)
{
    (void)state;
    refused("", "bad.json:1: ");
    refused("{\"format\"\n: \"\n", "bad.json:2: ");
    refused("[]", "no calibration");
    refused("{\"a\": {\"rmin\": 0}}", "no calibration");
    refused("{\"format\": \"mq-calibration\", \"version\": 2}", "\"version\" is not 1");
    refused_root("\"x\": 1, \"tensors\": {}", "\"x\" is no key");
    refused_root("\"model\": 1, \"tensors\": {}", "\"model\" is a string");
    refused_root("\"samples\": -1, \"tensors\": {}", "\"samples\" is a count");
    refused_root("\"samples\": 1", "\"tensors\" is not there");
    refused_root("\"tensors\": {\"a\\nb\": 1}", "tensor 'a b' is no object");
    refused_root("\"tensors\": {\"x\": {}, \"x\": {}}", "duplicate");
    static const char *const shards[] = { "", "1", "1/", "0/1", "2/1", "1/2/3", "1-1/2", "1-3/2", "2-1/2", "1-2/2", "-1/2",
                                          "x/y", "1/99999999999999999999", "1 /2", "1/2 " };
    for (size_t i = 0; i < MQ_ARRAY_LEN(shards); i++) {
        char member[100];
        snprintf(member, sizeof member, "\"shard\": \"%s\", \"tensors\": {}", shards[i]);
        refused_root(member, "\"shard\" is \"");
    }
    refused_root("\"channels\": 1, \"tensors\": {}", "\"channels\" is no list");
    refused_root("\"channels\": [1], \"tensors\": {}", "\"tensor\" each");
    refused_channel("", "tensor 't': \"axis\" is neither");
    refused_channel(", \"axis\": 1, \"mean\": 0", "\"mean\" is no key");
    refused_channel(", \"axis\": 1}, {\"tensor\": \"t\", \"axis\": 1", "twice");
    refused_channel(", \"axis\": 1, \"count\": 1, \"low\": [0], \"high\": [0, 1], \"sum\": [0], \"square\": [0]",
                    "'t': \"low\"");
    refused_channel(", \"axis\": 1, \"count\": 1, \"low\": [1], \"high\": [2], \"sum\": [1], \"square\": [1]",
                    "'t': \"low\"");
    refused_channel(", \"axis\": 1, \"count\": 1, \"low\": [0], \"high\": [2], \"sum\": [1e999]", "real number overflow");
    refused_in_x("\"rnge\": [0, 1]", "tensor 'x': \"rnge\" is no key");
    refused_in_x("\"range\": [1, 0]", "lo at most hi");
    refused_in_x("\"range\": [0, 1e39]", "lo at most hi");
    refused_in_x("\"range\": [0]", "lo at most hi");
    refused_in_x("\"min\": \"0\"", "\"min\" is a number");
    refused_in_x("\"count\": 1.5", "\"count\" is a count");
    refused_in_x("\"first\": 1.5", "\"first\" is a whole number");
    refused_in_x("\"bins\": 5", "\"bins\" is a list");
    refused_in_x("\"bins\": [-1]", "\"bins\" is a list");
    refused_in_x("\"bins\": [[1, 0]]", "\"bins\" is a list");
    refused_in_x("\"bins\": [[1, 4000], [1, 4000]]", "too long");
    refused_in_x("\"bins\": [[1, 4611686018427387904]]", "\"bins\" is a list");
    refused_in_x("\"runs\": [[0, 1, 2]]", "\"runs\" is a list");
    refused_in_x("\"runs\": {}", "\"runs\" is a list");
    refused_in_x("\"runs\": [[0, 1]]", "tensor 'x': the window has 1 runs");
    refused_in_x("\"count\": 9007199254740993, \"runs\": [[0, 0]]", "more values than can be counted");
    refused_in_x("\"count\": 1, \"runs\": [[0, 0]], \"exponent\": 99999999999", "there are 1 bins of exponent -126");
}

/* A file cut off anywhere, and with bytes changed: refused in one line, or read. */
static void test_damaged_files(void **state)
{
    mq_calibration c = make(1, 4), back;
    uint64_t rng = 4;
    char *text, *bad;
    size_t n;

    (void)state;
    add_sample(&rng, &c, NULL);
    good(mq_calibration_save(&c, "a.json", false, &err));
    mq_calibration_release(&c);
    text = scratch_get("a.json", &n);
    bad = malloc(n + 1);
    assert_non_null(bad);
    for (size_t i = 0; i < 2 * n + 3000; i++) {
        const size_t size = i < n ? i : n;
        mq_status rc;
        memcpy(bad, text, n);
        for (size_t k = 0; i >= n && k <= i % 3; k++)
            bad[rng_below(&rng, n)] = i % 2 ? (char)rng_below(&rng, 256) : "0123456789-[]{},:\"e.\\"[rng_below(&rng, 21)];
        unlink("bad.json"); /* some file systems write out at once what replaces a file */
        scratch_put("bad.json", bad, size);
        back = (mq_calibration){ 0 };
        rc = mq_calibration_load(&back, "bad.json", NULL, &err);
        if (rc != MQ_OK && (rc != MQ_ERR_INPUT || strchr(err.text, '\n') || strncmp(err.text, "bad.json", 8) != 0))
            fail_msg("byte %zu: %s", i, err.text);
        if (i + 2 < n)
            assert_int_equal(rc, MQ_ERR_INPUT);
        mq_calibration_release(&back);
    }
    free(bad);
    free(text);
}

static void test_not_written(void **state)
{
    mq_calibration c = make(1, 1);
    mq_calibrated *t;

    (void)state;
    assert_int_equal(mq_calibration_save(&c, "no/such/folder.json", false, &err), MQ_ERR_SYSTEM);
    scratch_put_text("old.json", "old");
    good(mq_calibration_add(&c, "\xff", &t, &err));
    assert_int_equal(mq_calibration_save(&c, "old.json", false, &err), MQ_ERR_INPUT);
    scratch_has("old.json", "old");
    assert_int_equal(scratch_count("."), 1);
    assert_int_equal(mq_calibration_load(&c, "none.json", NULL, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "none.json"));
    mq_calibration_release(&c);
}

#define IN_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_open, scratch_close)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_SCRATCH(test_reads_back_the_same),
        IN_SCRATCH(test_channels_read_back_the_same),
        IN_SCRATCH(test_channels_of_parts), IN_SCRATCH(test_parts_give_the_whole),
        IN_SCRATCH(test_what_does_not_belong_together), IN_SCRATCH(test_other_data_are_added),
        IN_SCRATCH(test_ranges_by_hand), IN_SCRATCH(test_broken_files_are_named), IN_SCRATCH(test_damaged_files),
        IN_SCRATCH(test_not_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
