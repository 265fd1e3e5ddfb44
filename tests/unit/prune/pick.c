/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/prune/pick.c, score.c, walk.c and zero.c: masks against sorting everything, for every method, scope and
 * pattern. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_make.h"
#include "ops/ops.h"
#include "prune/ask.h"
#include "prune/pick.h"
#include "prune/zero.h"
#include "rng.h"

static mq_model *m;
static mq_graph *g;
static mq_prune_plan plan;
static mq_prune_opts opts;
static const char *asked[3];

/* Values with zeros, ties, infinities and NaN among them, as stored in that type. */
static void fill(mq_value *v, uint64_t seed, bool odd)
{
    mq_tensor *t = v->init;
    const size_t n = (size_t)mq_tensor_count(t);
    float *x = malloc(n * sizeof *x);
    uint8_t *bytes = mq_arena_alloc(m->arena, n * 8);

    assert_true(x && bytes);
    for (size_t i = 0; i < n; i++) {
        const uint64_t kind = rng_below(&seed, 16);
        x[i] = rng_float(&seed);
        x[i] = kind == 0 ? 0 : kind == 1 ? -0.0f : kind < 5 ? (float)((int)(x[i] * 4)) / 4 : x[i];
        if (odd && rng_below(&seed, 64) == 0)
            x[i] = rng_below(&seed, 2) ? NAN : rng_below(&seed, 2) ? INFINITY : -INFINITY;
    }
    for (size_t i = 0; t->dtype == MQ_DOUBLE && i < n; i++)
        ((double *)(void *)bytes)[i] = (double)x[i];
    if (t->dtype != MQ_DOUBLE)
        mq_dtype_from_f32(t->dtype, x, n, bytes, false);
    t->data = bytes;
    t->n_bytes = (size_t)mq_tensor_size(t);
    free(x);
}

/* A layer of each kind, between two that are ends. */
static void build(mq_dtype type, bool odd)
{
    static const char *const names[] = { "first", "conv", "turned", "gemm", "last" };
    static const char *const shapes[] = { "4,4", "9,5,3,3", "31,13", "31,40", "40,2" };
    static const int64_t perm[2] = { 1, 0 };
    mq_node *n;

    m = make_model(21);
    g = m->graph;
    make_input(g, "x", type, "1,5,8,8");
    for (size_t i = 0; i < 5; i++)
        fill(make_init(g, names[i], type, shapes[i], NULL), 7 * i + 1, odd);
    make_node(g, "MatMul", "x,first", "x1");
    make_node(g, "Conv", "x1,conv", "x2");
    n = make_node(g, "Transpose", "turned", "t");
    assert_int_equal(mq_node_set_attr_ints(n, "perm", perm, 2, NULL), MQ_OK);
    make_node(g, "MatMul", "x2,t", "x3");
    make_node(g, "Gemm", "x3,gemm", "x4");
    make_node(g, "MatMul", "x4,last", "y");
    make_output(g, "y");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
}

static void find(void)
{
    plan = (mq_prune_plan){ .model = m, .opts = &opts };
    assert_int_equal(mq_prune_find(&plan, NULL), MQ_OK);
    assert_int_equal(mq_prune_pick(&plan, NULL, NULL), MQ_OK);
}

static void ask(const char *sparsity)
{
    opts = mq_prune_opts_default();
    asked[0] = sparsity;
    opts.sparsity = (mq_names){ asked, sparsity != NULL };
}

static void release(void)
{
    mq_prune_plan_release(&plan);
    mq_model_free(m);
}

/* ---- the reference: everything in a list, sorted --------------------------------------------------------------------- */

struct unit {
    int class; /* 0: zero, 1: a number, 2: NaN */
    double score;
    size_t item, index;
    bool goes;
};

static int compare(const void *pa, const void *pb)
{
    const struct unit *a = pa, *b = pb;

    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    if (a->class == 1 && a->score < b->score)
        return -1;
    if (a->class == 1 && a->score > b->score)
        return 1;
    if (a->item != b->item)
        return a->item < b->item ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

static double score_of(double x)
{
    switch (opts.method) {
    case MQ_PRUNE_L1: return fabs(x);
    case MQ_PRUNE_L2: return x * x;
    case MQ_PRUNE_MAX: return -x;
    default: return x;
    }
}

static struct unit unit_of(double score, bool zero, size_t item, size_t index)
{
    return (struct unit){ .class = score != score ? 2 : zero ? 0 : 1, .score = score, .item = item, .index = index };
}

/* The mask of item i. */
static uint8_t *mask_of(size_t i)
{
    uint8_t *mask = NULL;

    assert_int_equal(mq_prune_mask(&plan, plan.items.items[i], NULL, &mask, NULL), MQ_OK);
    return mask;
}

static float *values_of(const mq_prune_item *it)
{
    float *x = malloc((size_t)it->view.n * sizeof *x);

    assert_non_null(x);
    assert_int_equal(mq_tensor_read_f32(it->view.tensor, 0, (uint64_t)it->view.n, x, NULL), MQ_OK);
    return x;
}

/* What goes of all elements of items [from, to) together. */
static void check_elements(size_t from, size_t to, double ratio)
{
    struct unit *u = NULL;
    size_t n = 0, count;

    for (size_t i = from; i < to; i++) {
        const mq_prune_item *it = plan.items.items[i];
        float *x = it->stay ? NULL : values_of(it);
        u = realloc(u, (n + (size_t)it->view.n) * sizeof *u);
        assert_non_null(u);
        for (size_t k = 0; x && k < (size_t)it->view.n; k++)
            u[n++] = unit_of(score_of((double)x[k]), x[k] == 0, i, k);
        free(x);
    }
    qsort(u, n, sizeof *u, compare);
    count = (size_t)nearbyint(ratio * (double)n);
    for (size_t i = from; i < to; i++) {
        uint8_t *mask = plan.items.items[i]->stay ? NULL : mask_of(i);
        for (size_t k = 0; mask && k < n; k++)
            if (u[k].item == i)
                assert_int_equal(mask[u[k].index] || u[k].class == 0, k >= count || u[k].class == 0);
        free(mask);
    }
    free(u);
}

static void test_elements(void **state)
{
    static const char *const ratios[] = { "0.5", "12.5%", "0.03", "0.97", "0.999" };
    static const mq_prune_method methods[] = { MQ_PRUNE_L1, MQ_PRUNE_L2, MQ_PRUNE_MAX, MQ_PRUNE_MIN };
    static const mq_dtype types[] = { MQ_FLOAT, MQ_FLOAT16, MQ_BFLOAT16, MQ_DOUBLE };

    (void)state;
    for (size_t i = 0; i < 40; i++) {
        double ratio = atof(ratios[i % 5]) / (strchr(ratios[i % 5], '%') ? 100 : 1);
        ask(ratios[i % 5]);
        opts.method = methods[i % 4];
        opts.scope = i / 4 % 2 ? MQ_PRUNE_GLOBAL : MQ_PRUNE_LAYER;
        opts.keep_ends = i % 3 == 0;
        build(types[i / 8 % 4], i % 2);
        find();
        assert_int_equal(plan.items.n, 5);
        assert_int_equal(plan.n_pruned, opts.keep_ends ? 3 : 5);
        if (opts.scope == MQ_PRUNE_GLOBAL)
            check_elements(0, 5, ratio);
        for (size_t k = 0; opts.scope == MQ_PRUNE_LAYER && k < 5; k++)
            if (!plan.items.items[k]->stay)
                check_elements(k, k + 1, ratio);
        release();
    }
}

/* ---- patterns ------------------------------------------------------------------------------------------------------- */

/* Where element (channel, input, place) lies. */
static size_t at(const mq_prune_item *it, size_t o, size_t i, size_t place)
{
    if (strcmp(it->constant->name, "conv") == 0)
        return (o * 5 + i) * 9 + place;
    if (strcmp(it->constant->name, "turned") == 0)
        return o * 13 + i; /* [outputs, inputs] in the file */
    return i * (size_t)it->view.tensor->dims[1] + o;
}

static void sizes_of(const mq_prune_item *it, size_t *outputs, size_t *inputs, size_t *places)
{
    const int64_t *d = it->view.tensor->dims;
    const bool first = strcmp(it->constant->name, "conv") == 0 || strcmp(it->constant->name, "turned") == 0;

    *outputs = (size_t)d[first ? 0 : 1];
    *inputs = (size_t)d[first ? 1 : 0];
    *places = strcmp(it->constant->name, "conv") == 0 ? 9 : 1;
}

static void check_groups(size_t item, size_t keep, size_t of)
{
    const mq_prune_item *it = plan.items.items[item];
    float *x = values_of(it);
    uint8_t *mask = mask_of(item);
    size_t outputs, inputs, places;
    struct unit u[64];

    sizes_of(it, &outputs, &inputs, &places);
    for (size_t o = 0; o < outputs; o++)
        for (size_t p = 0; p < places; p++)
            for (size_t from = 0; from < inputs; from += of) {
                const size_t n = inputs - from < of ? inputs - from : of;
                for (size_t k = 0; k < n; k++) {
                    const size_t index = at(it, o, from + k, p);
                    u[k] = unit_of(score_of((double)x[index]), x[index] == 0, 0, index);
                }
                qsort(u, n, sizeof *u, compare);
                for (size_t k = 0; k < n; k++)
                    assert_int_equal(mask[u[k].index], k + keep >= n);
            }
    free(x);
    free(mask);
}

static void test_groups(void **state)
{
    static const struct {
        const char *text;
        size_t keep, of;
    } patterns[] = { { "2:4", 2, 4 }, { "1:2", 1, 2 }, { "1:4", 1, 4 }, { "3:5", 3, 5 }, { "4:16", 4, 16 } };

    (void)state;
    for (size_t i = 0; i < 10; i++) {
        ask(NULL);
        opts.pattern = patterns[i % 5].text;
        opts.method = i % 2 ? MQ_PRUNE_MAX : MQ_PRUNE_L1;
        build(i % 3 ? MQ_FLOAT : MQ_FLOAT16, i % 2);
        find();
        for (size_t k = 1; k < 4; k++)
            if (!plan.items.items[k]->stay)
                check_groups(k, patterns[i % 5].keep, patterns[i % 5].of);
        assert_int_equal(plan.n_pruned, 3);
        release();
    }
}

/* A row of more groups than are looked at in one step, which ends inside a tile of them. */
static void test_long_rows(void **state)
{
    enum { N = 70000 };
    uint8_t *mask;

    (void)state;
    ask(NULL);
    opts.pattern = "1:3";
    opts.keep_ends = false;
    m = make_model(21);
    g = m->graph;
    make_input(g, "x", MQ_FLOAT, "1,70000");
    fill(make_init(g, "w", MQ_FLOAT, "2,70000", NULL), 3, false);
    mq_node_set_attr_int(make_node(g, "Gemm", "x,w", "y"), "transB", 1, NULL);
    make_output(g, "y");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    find();
    mask = mask_of(0);
    for (size_t i = 0; i < 2 * N; i += i % N == N - 1 ? 1 : 3)
        assert_int_equal(mask[i] + (i % N == N - 1 ? 0 : mask[i + 1] + mask[i + 2]), 1);
    free(mask);
    release();
}

/* Blocks of all items that are pruned, in the order of what is stored. */
static void check_blocks(size_t rows, size_t cols, double ratio)
{
    struct unit *u = malloc(20000 * sizeof *u);
    size_t n = 0, count;

    assert_non_null(u);
    for (size_t i = 0; i < plan.items.n; i++) {
        const mq_prune_item *it = plan.items.items[i];
        size_t outputs, inputs, places;
        float *x;
        if (it->stay)
            continue;
        x = values_of(it);
        sizes_of(it, &outputs, &inputs, &places);
        for (size_t o = 0; o < outputs; o += rows)
            for (size_t k = 0; k < inputs; k += cols)
                for (size_t p = 0; p < places; p++) {
                    double sum = 0;
                    size_t size = 0;
                    for (size_t a = o; a < o + rows && a < outputs; a++)
                        for (size_t b = k; b < k + cols && b < inputs; b++, size++)
                            sum += fabs((double)x[at(it, a, b, p)]);
                    u[n++] = unit_of((double)(float)(sum / (double)size), sum == 0, i, at(it, o, k, p));
                }
        free(x);
    }
    qsort(u, n, sizeof *u, compare);
    count = (size_t)nearbyint(ratio * (double)n);
    for (size_t i = 0; i < plan.items.n; i++) {
        const mq_prune_item *it = plan.items.items[i];
        uint8_t *mask = it->stay ? NULL : mask_of(i);
        for (size_t k = 0; mask && k < n; k++)
            if (u[k].item == i && u[k].class)
                assert_int_equal(mask[u[k].index], k >= count);
        free(mask);
    }
    free(u);
}

static void test_blocks(void **state)
{
    static const struct {
        const char *text;
        size_t rows, cols;
    } patterns[] = { { "1x4", 1, 4 }, { "4x1", 4, 1 }, { "2x2", 2, 2 }, { "3x8", 3, 8 } };

    (void)state;
    for (size_t i = 0; i < 8; i++) {
        ask("0.4");
        opts.pattern = patterns[i % 4].text;
        opts.scope = MQ_PRUNE_GLOBAL;
        build(i / 4 ? MQ_BFLOAT16 : MQ_FLOAT, false);
        find();
        check_blocks(patterns[i % 4].rows, patterns[i % 4].cols, 0.4);
        release();
    }
}

/* ---- the rest ------------------------------------------------------------------------------------------------------- */

static size_t zeros_of(const uint8_t *mask, size_t n)
{
    size_t zeros = 0;

    for (size_t i = 0; i < n; i++)
        zeros += !mask[i];
    return zeros;
}

static void test_counts(void **state)
{
    uint8_t *mask, *again;

    (void)state;
    ask(NULL);
    opts.nonzeros = 100;
    build(MQ_FLOAT, false);
    find();
    mask = mask_of(1);
    assert_int_equal(zeros_of(mask, 405), 305);
    free(mask);
    release();

    ask("0.4");
    opts.method = MQ_PRUNE_RANDOM;
    build(MQ_FLOAT, false);
    find();
    mask = mask_of(2);
    assert_int_equal(zeros_of(mask, 403), 161); /* 161.2 */
    mq_prune_plan_release(&plan);
    find();
    again = mask_of(2);
    assert_memory_equal(mask, again, 403);
    free(again);
    opts.seed = 1;
    mq_prune_plan_release(&plan);
    find();
    again = mask_of(2);
    assert_memory_not_equal(mask, again, 403);
    free(again);
    free(mask);
    release();

    ask(NULL);
    opts.threshold = 0.25;
    build(MQ_FLOAT, true);
    find();
    mask = mask_of(3);
    {
        float *x = values_of(plan.items.items[3]);
        for (size_t i = 0; i < 31 * 40; i++)
            assert_int_equal(mask[i], !(fabsf(x[i]) < 0.25f));
        free(x);
    }
    free(mask);
    release();
}

/* Of blocks by squares the root of the mean is compared. */
static void test_threshold_of_blocks(void **state)
{
    uint8_t *mask;
    float *x;
    size_t zeros;

    (void)state;
    ask(NULL);
    opts.threshold = 0.5;
    opts.pattern = "1x4";
    opts.method = MQ_PRUNE_L2;
    build(MQ_FLOAT, false);
    find();
    mask = mask_of(3);
    x = values_of(plan.items.items[3]);
    zeros = zeros_of(mask, 31 * 40);
    assert_true(zeros > 100 && zeros < 1000);
    for (size_t o = 0; o < 40; o++)
        for (size_t i = 0; i < 31; i += 4) {
            const size_t n = 31 - i < 4 ? 31 - i : 4;
            double squares = 0;

            for (size_t k = i; k < i + n; k++)
                squares += (double)x[k * 40 + o] * (double)x[k * 40 + o];
            for (size_t k = i; k < i + n; k++)
                assert_int_equal(mask[k * 40 + o], !(sqrt(squares / (double)n) < 0.5));
        }
    free(x);
    free(mask);
    release();
}

/* What is written is what the mask says, bit for bit where it stays. */
static void test_written(void **state)
{
    static const mq_dtype types[] = { MQ_FLOAT, MQ_FLOAT16, MQ_BFLOAT16, MQ_DOUBLE };
    static const char *const patterns[] = { "none", "2:4", "2x2" };

    (void)state;
    for (size_t i = 0; i < 12; i++) {
        mq_prune_item *it;
        mq_tensor *t;
        const uint8_t *before, *after;
        size_t width = (size_t)mq_dtype_bits(types[i % 4]) / 8;
        uint8_t *mask;
        ask(patterns[i % 3][1] == ':' ? NULL : "0.5");
        opts.pattern = patterns[i % 3];
        build(types[i % 4], true);
        find();
        it = plan.items.items[1];
        mask = mask_of(1);
        t = it->view.tensor;
        before = t->data;
        assert_int_equal(mq_prune_defer(&plan, it, NULL), MQ_OK);
        assert_int_equal(mq_tensor_make(t, NULL, NULL), MQ_OK);
        after = t->data;
        for (size_t k = 0; k < 405; k++)
            for (size_t b = 0; b < width; b++)
                assert_int_equal(after[k * width + b], mask[k] ? before[k * width + b] : 0);
        assert_true(it->stats.measured && it->stats.n == 405 && it->stats.zeros >= zeros_of(mask, 405));
        free(mask);
        release();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_elements), cmocka_unit_test(test_groups),
                                        cmocka_unit_test(test_long_rows), cmocka_unit_test(test_blocks),
                                        cmocka_unit_test(test_counts), cmocka_unit_test(test_written),
                                        cmocka_unit_test(test_threshold_of_blocks) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
