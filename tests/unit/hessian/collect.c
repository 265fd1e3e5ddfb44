/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/hessian/collect.c: layers that read the same vectors share their sums, a weight that several nodes read has the
 * sums of all; stages end where the budget does; the diagonal alone where the whole does not fit. */
#include "hessian/collect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_make.h"

enum { N = 8 };

static mq_model *m;
static mq_collect c;
static mq_error err;
static bool taken;

static int setup(void **state)
{
    (void)state;
    m = make_model(17);
    c = (mq_collect){ .budget = 2 * N * N * sizeof(double) };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mq_collect_release(&c);
    mq_model_free(m);
    return 0;
}

static mq_reduction reduce(const char *in, const char *out, int64_t n)
{
    mq_reduction r;

    assert_true(mq_reduction_of(&r, make_node(m->graph, "MatMul", in, out), 1, 2, (int64_t[]){ n, 3 }));
    return r;
}

static bool take(const mq_reduction *uses, size_t n, size_t layer)
{
    assert_int_equal(mq_collect_take(&c, uses, n, layer, &taken, &err), MQ_OK);
    return taken;
}

/* A run in which the tensor is one vector of ones times `by`. */
static void see(const char *name, float by)
{
    mq_array *a = NULL;

    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 2, (int64_t[]){ 1, N }, &err), MQ_OK);
    for (size_t i = 0; i < N; i++)
        ((float *)a->data)[i] = by;
    assert_int_equal(mq_collect_add(&c, mq_graph_find(m->graph, name), a, 1, &err), MQ_OK);
    mq_array_unref(a);
}

static void layers_share_sums(void **state)
{
    const mq_reduction a = reduce("x,a", "ya", N), b = reduce("x,b", "yb", N), other = reduce("z,c", "yc", N);

    (void)state;
    assert_true(take(&a, 1, 4) && take(&b, 1, 5) && take(&other, 1, 6));
    assert_int_equal(c.items.n, 2);
    assert_int_equal(c.items.items[0]->layers.n, 2);
    assert_int_equal(c.items.items[0]->layers.items[1], 5);
    assert_int_equal(c.names.n, 2);
    see("x", 2);
    see("x", 1);
    assert_true(mq_gram_at(&c.items.items[0]->gram, 0, 0, N - 1) == 5);
    assert_int_equal(c.items.items[1]->gram.vectors, 0);
}

static void a_weight_that_is_read_twice_has_both_sums(void **state)
{
    const mq_reduction uses[2] = { reduce("x,a", "y1", N), reduce("z,a", "y2", N) };

    (void)state;
    assert_true(take(uses, 2, 0));
    see("x", 2);
    see("z", 3);
    assert_true(mq_gram_at(&c.items.items[0]->gram, 0, 1, 2) == 13);
}

static void a_stage_ends_with_the_budget(void **state)
{
    const mq_reduction a = reduce("x,a", "ya", N), b = reduce("z,b", "yb", N), d = reduce("u,d", "yd", N);

    (void)state;
    assert_true(take(&a, 1, 0) && take(&b, 1, 1));
    assert_false(take(&d, 1, 2));
    mq_collect_clear(&c);
    assert_true(take(&d, 1, 2));
    assert_int_equal(c.items.n, 1);
    assert_int_equal(c.names.n, 1);
}

static void what_never_fits_has_its_diagonal(void **state)
{
    const mq_reduction wide = reduce("x,a", "ya", 2 * N);

    (void)state;
    assert_true(take(&wide, 1, 0));
    assert_true(c.items.items[0]->gram.diagonal);
}

static void what_does_not_fit_is_no_error(void **state)
{
    const mq_reduction a = reduce("x,a", "ya", N), wide = reduce("x,b", "yb", 2 * N);

    (void)state;
    c.budget = UINT64_MAX;
    assert_true(take(&a, 1, 0) && take(&wide, 1, 1));
    see("x", 1);
    assert_false(c.items.items[0]->misfit);
    assert_true(c.items.items[1]->misfit);
    assert_int_equal(c.items.items[0]->gram.vectors, 1);
}

static void first_axes_that_are_summed_over_are_known(void **state)
{
    const mq_reduction a = reduce("x,a", "ya", N);
    mq_reduction left;

    (void)state;
    assert_true(mq_reduction_of(&left, make_node(m->graph, "MatMul", "b,z", "yb"), 0, 2, (int64_t[]){ 3, N }));
    assert_true(take(&a, 1, 0) && take(&left, 1, 1));
    for (int rank = 1; rank <= 3; rank++) {
        assert_int_equal(mq_collect_sums_first_axis(&c, mq_graph_find(m->graph, "x"), rank), rank == 1);
        assert_int_equal(mq_collect_sums_first_axis(&c, mq_graph_find(m->graph, "z"), rank), rank <= 2);
        assert_false(mq_collect_sums_first_axis(&c, mq_graph_find(m->graph, "ya"), rank));
    }
}

#define ON_MODEL(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(layers_share_sums),
        ON_MODEL(a_weight_that_is_read_twice_has_both_sums),
        ON_MODEL(a_stage_ends_with_the_budget),
        ON_MODEL(what_never_fits_has_its_diagonal),
        ON_MODEL(what_does_not_fit_is_no_error),
        ON_MODEL(first_axes_that_are_summed_over_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
