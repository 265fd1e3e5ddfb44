/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/prune/data.c and renew.c: which layers share a stage and sums, what becomes of their weights against obs.c
 * called by hand, what cannot be seen, bytes with one thread and with three. */
#include "prune/data.h"

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
#include "prune/obs.h"
#include "prune/renew.h"
#include "rng.h"

static mq_model *m;
static mq_graph *g;
static mq_prune_plan plan;
static mq_prune_opts opts;
static const char *half[] = { "0.5" };
static mq_error err;
static int n_warned;
static char warned[64];

static void warn(void *user, const mq_warning *w)
{
    (void)user;
    snprintf(warned, sizeof warned, "%s %s", w->code, w->place);
    n_warned++;
}

static mq_hooks hooks = { .warn = warn, .n_threads = 2 };

static void weight(const char *name, mq_dtype type, const char *dims, uint64_t seed)
{
    mq_tensor *t = make_init(g, name, type, dims, NULL)->init;
    const size_t n = (size_t)mq_tensor_count(t);
    uint8_t *bytes = mq_arena_alloc(m->arena, n * 8);

    for (size_t i = 0; i < n; i++) {
        const float x = rng_float(&seed);
        mq_dtype_from_f32(type, &x, 1, bytes + i * (size_t)(mq_dtype_bits(type) / 8), false);
    }
    t->data = bytes;
    t->n_bytes = (size_t)mq_tensor_size(t);
}

/* Two products read x; one is behind a Transpose. A convolution reads its own input. */
static int setup(void **state)
{
    static const int64_t perm[2] = { 1, 0 };
    mq_node *n;

    (void)state;
    m = make_model(21);
    g = m->graph;
    make_input(g, "x", MQ_FLOAT, "20,8");
    make_input(g, "image", MQ_FLOAT, "2,4,6,6");
    weight("a", MQ_FLOAT, "8,6", 1);
    weight("b", MQ_FLOAT16, "5,8", 2);
    weight("c", MQ_FLOAT, "6,2,3,3", 3);
    make_node(g, "MatMul", "x,a", "ya");
    n = make_node(g, "Transpose", "b", "bt");
    assert_int_equal(mq_node_set_attr_ints(n, "perm", perm, 2, NULL), MQ_OK);
    make_node(g, "Cast", "bt", "bf");
    assert_int_equal(mq_node_set_attr_int(g->last, "to", MQ_FLOAT, NULL), MQ_OK);
    make_node(g, "MatMul", "x,bf", "yb");
    n = make_node(g, "Conv", "image,c", "yc");
    assert_int_equal(mq_node_set_attr_int(n, "group", 2, NULL), MQ_OK);
    make_output(g, "ya");
    make_output(g, "yb");
    make_output(g, "yc");
    n_warned = 0;
    opts = mq_prune_opts_default();
    opts.keep_ends = false;
    opts.method = MQ_PRUNE_SPARSEGPT;
    opts.sparsity = (mq_names){ half, 1 };
    return 0;
}

static void find(void)
{
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    plan = (mq_prune_plan){ .model = m, .opts = &opts, .share = 1 };
    assert_int_equal(mq_prune_find(&plan, &err), MQ_OK);
}

static int teardown(void **state)
{
    (void)state;
    mq_prune_plan_release(&plan);
    mq_model_free(m);
    return 0;
}

static mq_array *numbers(int rank, const int64_t *dims, uint64_t seed)
{
    mq_array *a = NULL;

    assert_int_equal(mq_array_create(&a, MQ_FLOAT, rank, dims, &err), MQ_OK);
    for (size_t i = 0; i < a->count; i++)
        ((float *)a->data)[i] = rng_float(&seed);
    return a;
}

static mq_array *array_x(void)
{
    return numbers(2, (int64_t[]){ 20, 8 }, 5);
}

static mq_array *array_image(void)
{
    return numbers(4, (int64_t[]){ 2, 4, 6, 6 }, 6);
}

/* All stages, each on the two inputs. How many there were. */
static int run_all(uint64_t budget)
{
    mq_array *x = array_x(), *image = array_image();
    mq_prune_data *d;
    bool more;
    int n = 0;

    assert_int_equal(mq_prune_data_create(&d, &plan, budget, &hooks, &err), MQ_OK);
    for (;; n++) {
        size_t n_names;
        assert_int_equal(mq_prune_data_next(d, &more, &err), MQ_OK);
        if (!more)
            break;
        const char *const *names = mq_prune_data_names(d, &n_names);
        for (size_t i = 0; i < n_names; i++) {
            const mq_value *v = mq_graph_find(g, names[i]);
            if (strcmp(names[i], "x") == 0 || strcmp(names[i], "image") == 0)
                assert_int_equal(mq_prune_data_add(d, v, names[i][0] == 'x' ? x : image, &err), MQ_OK);
        }
        assert_int_equal(mq_prune_data_finish(d, &err), MQ_OK);
    }
    mq_prune_data_free(d);
    mq_array_unref(x);
    mq_array_unref(image);
    return n;
}

static const mq_prune_item *item(const char *name)
{
    for (size_t i = 0; i < plan.items.n; i++)
        if (strcmp(plan.items.items[i]->constant->name, name) == 0)
            return plan.items.items[i];
    fail_msg("no item '%s'", name);
    return NULL;
}

static void values(const char *name, float *out)
{
    mq_tensor *t = mq_value_constant(mq_graph_find(g, name), false);

    assert_int_equal(mq_tensor_read_f32(t, 0, (uint64_t)mq_tensor_count(t), out, &err), MQ_OK);
}

static void check_zeros(const char *name, size_t n, uint64_t zeros)
{
    float x[256];
    uint64_t found = 0;

    values(name, x);
    for (size_t i = 0; i < n; i++)
        found += x[i] == 0;
    assert_int_equal(found, zeros);
    assert_int_equal(item(name)->stats.zeros, zeros);
    assert_int_equal(item(name)->stats.n, n);
    assert_true(item(name)->done && item(name)->stats.measured);
    assert_true(item(name)->stats.energy > 0 && item(name)->stats.energy_before > 0);
}

/* Weight "a" is [columns][rows]. */
static void test_against_obs(void **state)
{
    mq_array *x = array_x();
    float a[48], matrix[48], got[48];
    mq_reduction r;
    mq_factor f;
    mq_gram gram;

    (void)state;
    find();
    values("a", a);
    assert_int_equal(run_all(1 << 20), 1);
    assert_int_equal(n_warned, 0);
    assert_true(mq_reduction_of(&r, g->first, 1, 2, (int64_t[]){ 8, 6 }));
    assert_int_equal(mq_gram_init(&gram, &r, false, &err), MQ_OK);
    assert_int_equal(mq_gram_add(&gram, &r, x, 1, &err), MQ_OK);
    mq_gram_finish(&gram);
    assert_int_equal(mq_factor_make(&f, &gram, 0, 0.01, &err), MQ_OK);
    mq_reduction_gather(&r, a, 0, matrix);
    assert_int_equal(mq_obs_sparsegpt(matrix, 6, 8, &f, &(mq_obs_ask){ .zeros = 24, .run = 8 }, &err), MQ_OK);
    mq_reduction_scatter(&r, matrix, 0, a);
    values("a", got);
    assert_memory_equal(a, got, sizeof a);
    mq_factor_release(&f);
    mq_gram_release(&gram);
    mq_array_unref(x);
}

static void test_counts(void **state)
{
    (void)state;
    find();
    run_all(1 << 20);
    check_zeros("a", 48, 24);
    check_zeros("b", 40, 20);
    check_zeros("c", 108, 54);
}

/* Sums of 8 x 8 (shared by a and b) and of two groups of 18 x 18 do not fit together. */
static void test_stages(void **state)
{
    (void)state;
    find();
    assert_int_equal(run_all(2 * 18 * 18 * 8), 2);
    assert_int_equal(n_warned, 0);
    check_zeros("a", 48, 24);
    check_zeros("b", 40, 20);
    check_zeros("c", 108, 54);
}

static void test_too_wide(void **state)
{
    (void)state;
    find();
    assert_int_equal(run_all(8 * 8 * 8), 2);
    assert_int_equal(n_warned, 1);
    assert_string_equal(warned, "prune-wide c");
    check_zeros("c", 108, 54);
}

/* Wanda leaves what stays as it is, to the bit, in the type of the file and turned. */
static void test_wanda_keeps_bits(void **state)
{
    mq_tensor *b = mq_value_constant(mq_graph_find(g, "b"), false);
    uint16_t before[40], after[40];
    int changed = 0;

    (void)state;
    opts.method = MQ_PRUNE_WANDA;
    find();
    memcpy(before, b->data, sizeof before);
    run_all(1 << 20);
    memcpy(after, mq_value_constant(mq_graph_find(g, "b"), false)->data, sizeof after);
    for (int i = 0; i < 40; i++) {
        assert_true(after[i] == before[i] || after[i] == 0);
        changed += after[i] != before[i];
    }
    assert_int_equal(changed, 20);
    for (int row = 0; row < 5; row++) { /* stored [5][8]: each row loses the same */
        int zeros = 0;
        for (int i = 0; i < 8; i++)
            zeros += after[row * 8 + i] == 0;
        assert_int_equal(zeros, 4);
    }
}

static void test_pattern(void **state)
{
    float c[108];

    (void)state;
    opts.pattern = "1:2";
    opts.sparsity = (mq_names){ 0 };
    find();
    run_all(1 << 20);
    values("c", c);
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 9; k++) /* of two channels at a place one stays */
            assert_true((c[i * 18 + k] == 0) != (c[i * 18 + 9 + k] == 0));
}

/* Runs the stages with an image of which the second group's channels are zero, or all are `value`. */
static void run_dead(float value, bool all)
{
    mq_array *image = array_image();
    mq_prune_data *d;
    bool more;

    for (size_t i = 0; i < image->count; i++)
        if (all || i / 36 % 4 >= 2)
            ((float *)image->data)[i] = value;
    assert_int_equal(mq_prune_data_create(&d, &plan, 1 << 20, &hooks, &err), MQ_OK);
    assert_int_equal(mq_prune_data_next(d, &more, &err), MQ_OK);
    assert_int_equal(mq_prune_data_add(d, mq_graph_find(g, "image"), image, &err), MQ_OK);
    n_warned = 0;
    assert_int_equal(mq_prune_data_finish(d, &err), MQ_OK);
    mq_prune_data_free(d);
    mq_array_unref(image);
}

/* One dead group goes by magnitude, the other one as if it were alone. */
static void test_dead_group(void **state)
{
    static const mq_prune_method methods[] = { MQ_PRUNE_SPARSEGPT, MQ_PRUNE_WANDA };
    float before[108], alive[108], after[108], largest_gone, least_left;

    for (size_t i = 0; i < 2; i++) {
        opts.method = methods[i];
        find();
        values("c", before);
        run_all(1 << 20);
        values("c", alive);
        teardown(state);
        setup(state);
        opts.method = methods[i];
        find();
        run_dead(0, false);
        assert_int_equal(n_warned, 3); /* nothing was seen of a and b */
        assert_string_equal(warned, "prune-unseen image");
        check_zeros("c", 108, 54);
        values("c", after);
        assert_memory_equal(after, alive, 54 * sizeof *after);
        for (size_t row = 3; row < 6; row++) {
            largest_gone = 0;
            least_left = INFINITY;
            for (size_t k = row * 18; k < row * 18 + 18; k++) {
                assert_true(after[k] == 0 || after[k] == before[k]);
                if (after[k] == 0)
                    largest_gone = fmaxf(largest_gone, fabsf(before[k]));
                else
                    least_left = fminf(least_left, fabsf(before[k]));
            }
            assert_true(largest_gone <= least_left);
        }
        teardown(state);
        setup(state);
    }
}

/* Where all groups are dead, or nothing was finite, others are to prune the weight. */
static void test_all_dead(void **state)
{
    static const float values_of[] = { 0, NAN };

    for (size_t i = 0; i < 4; i++) {
        opts.method = i < 2 ? MQ_PRUNE_SPARSEGPT : MQ_PRUNE_WANDA;
        find();
        run_dead(values_of[i % 2], true);
        assert_false(item("c")->done);
        assert_int_equal(n_warned, 3 + (int)(i % 2)); /* of a, b and c, and that vectors were left out */
        teardown(state);
        setup(state);
    }
}

/* What is too small for the type of the file is a zero, and counted as one; NaN stays. */
static void test_renewed_as_stored(void **state)
{
    mq_prune_item *it = NULL;
    float *w;

    (void)state;
    find();
    for (size_t i = 0; i < plan.items.n; i++)
        if (strcmp(plan.items.items[i]->constant->name, "b") == 0)
            it = plan.items.items[i];
    assert_non_null(it);
    assert_int_equal(mq_renew_read(&it->view, &w, &err), MQ_OK);
    w[3] = 1e-9f;
    w[5] = 0;
    assert_int_equal(mq_renew_item(it, &it->view, w, &err), MQ_OK);
    check_zeros("b", 40, 2);
    free(w);
}

/* A weight that two nodes read in different ways, and inputs that nobody makes. */
static void test_unseen(void **state)
{
    (void)state;
    make_node(g, "Gemm", "other,a", "yg");
    assert_int_equal(mq_node_set_attr_int(g->last, "transB", 1, NULL), MQ_OK);
    make_input(g, "other", MQ_FLOAT, "3,6");
    make_output(g, "yg");
    find();
    run_all(1 << 20);
    assert_int_equal(n_warned, 1);
    assert_string_equal(warned, "prune-unseen a");
    assert_false(item("a")->done);
    assert_true(item("b")->done);
}

/* Both of its readers' vectors count. */
static void test_shared_weight(void **state)
{
    (void)state;
    make_node(g, "MatMul", "other,a", "yo");
    make_input(g, "other", MQ_FLOAT, "3,8");
    make_output(g, "yo");
    find();
    assert_int_equal(run_all(1 << 20), 1);
    assert_int_equal(n_warned, 0);
    check_zeros("a", 48, 24);
}

static void test_threads(void **state)
{
    float one[3][128] = { { 0 } }, three[3][128] = { { 0 } };
    static const char *const names[] = { "a", "b", "c" };

    hooks.n_threads = 1;
    find();
    run_all(1 << 20);
    for (int i = 0; i < 3; i++)
        values(names[i], one[i]);
    teardown(state);
    setup(state);
    hooks.n_threads = 3;
    find();
    run_all(1 << 20);
    hooks.n_threads = 2;
    for (int i = 0; i < 3; i++)
        values(names[i], three[i]);
    assert_memory_equal(one, three, sizeof one);
}

#define ON_MODEL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(test_against_obs), ON_MODEL(test_counts),  ON_MODEL(test_stages), ON_MODEL(test_too_wide),
        ON_MODEL(test_wanda_keeps_bits), ON_MODEL(test_pattern), ON_MODEL(test_unseen), ON_MODEL(test_shared_weight),
        ON_MODEL(test_threads), ON_MODEL(test_renewed_as_stored), ON_MODEL(test_dead_group),
        ON_MODEL(test_all_dead),
    };

    return cmocka_run_group_tests_name("prune/data", tests, NULL, NULL);
}
