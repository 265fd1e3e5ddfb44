/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/convert/weights_out.c and weights_in.c: what goes out comes in again, and what does not fit is refused, however
 * the file is broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "convert/weights.h"
#include "graph_make.h"
#include "rng.h"
#include "scratch.h"

static mq_error err;

/* x -> Add(w) -> Gather(i) -> y, with weights that begin at `first`. */
static mq_model *make(float first)
{
    const float w[] = { first, 2, 3, 4, 5, 6 };
    const int64_t i[] = { 0, 1 };
    const uint16_t b[] = { 1, 2, 3 };
    mq_model *m = make_model(17);

    make_init(m->graph, "w", MQ_FLOAT, "2,3", w);
    make_init(m->graph, "i", MQ_INT64, "2", i);
    make_init(m->graph, "b", MQ_BFLOAT16, "3", b);
    return m;
}

static float first_of(mq_model *m)
{
    float x = 0;

    assert_int_equal(mq_tensor_read_f32(mq_graph_find(m->graph, "w")->init, 0, 1, &x, NULL), MQ_OK);
    return x;
}

static size_t n_warnings;

static void warn(void *user, const mq_warning *w)
{
    (void)user;
    (void)w;
    n_warnings++;
}

static const mq_hooks hooks = { .warn = warn };

static void out_and_in(const char *path, size_t n_left)
{
    mq_model *from = make(7.5f), *to = make(1);

    n_warnings = 0;
    assert_int_equal(mq_weights_write(from, path, false, &hooks, &err), MQ_OK);
    assert_int_equal(n_warnings, n_left > 0);
    assert_int_equal(mq_weights_write(from, path, false, &hooks, &err), MQ_ERR_USAGE);
    n_warnings = 0;
    assert_int_equal(mq_weights_read(to, path, NULL, &hooks, &err), MQ_OK);
    assert_int_equal(n_warnings, n_left > 0);
    assert_true(first_of(to) == 7.5f);
    mq_model_free(to);
    mq_model_free(from);
}

static void npz(void **state)
{
    (void)state;
    out_and_in("w.npz", 1); /* numpy has no bfloat16 */
}

static void safetensors(void **state)
{
    (void)state;
    out_and_in("w.safetensors", 0);
}

static void not_taken_when_a_shape_differs(void **state)
{
    mq_model *from = make(7), *to = make(1);

    (void)state;
    mq_graph_find(from->graph, "w")->init->dims[0] = 3;
    mq_graph_find(from->graph, "w")->init->dims[1] = 2;
    assert_int_equal(mq_weights_write(from, "w.safetensors", false, NULL, &err), MQ_OK);
    assert_int_equal(mq_weights_read(to, "w.safetensors", NULL, NULL, &err), MQ_ERR_INPUT);
    mq_model_free(to);
    mq_model_free(from);
}

static void not_a_file_of_weights(void **state)
{
    mq_model *m = make(1);

    (void)state;
    assert_int_equal(mq_weights_read(m, "w.pt", NULL, NULL, &err), MQ_ERR_USAGE);
    assert_int_equal(mq_weights_read(m, "none.npz", NULL, NULL, &err), MQ_ERR_INPUT);
    mq_model_free(m);
}

/* Cut off anywhere, bytes changed anywhere: refused, or taken, but never more. */
static void broken_in_any_way(void **state)
{
    static const char *const paths[] = { "w.npz", "w.safetensors" };
    uint64_t rng = 11;
    mq_model *from = make(7);

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        size_t n = 0;
        char *whole, *broken;

        assert_int_equal(mq_weights_write(from, paths[k], false, NULL, &err), MQ_OK);
        whole = scratch_get(paths[k], &n);
        broken = malloc(n);
        assert_true(broken && n > 100);
        for (int round = 0; round < 400; round++) {
            const size_t length = round < 200 ? rng_below(&rng, n) : n;
            mq_model *to = make(1);
            mq_status rc;

            memcpy(broken, whole, n);
            for (int i = 0; round >= 200 && i < 3; i++)
                broken[rng_below(&rng, n)] = (char)rng_next(&rng);
            scratch_put(paths[k], broken, length);
            rc = mq_weights_read(to, paths[k], NULL, NULL, &err);
            assert_true(rc == MQ_OK || rc == MQ_ERR_INPUT || rc == MQ_ERR_UNSUPPORTED);
            mq_model_free(to);
        }
        free(broken);
        free(whole);
    }
    mq_model_free(from);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_open, scratch_close)

/* Two of one shape that go by other names, and one by its own. */
static void arrays_of_other_names_go_by_order(void **state)
{
    const float one[] = { 1, 1 }, two[] = { 2, 2 }, zero[] = { 0, 0 };
    mq_model *from = make_model(17), *to = make_model(17);
    float x = 0, y = 0, z = 0;

    (void)state;
    make_init(from->graph, "b", MQ_FLOAT, "2", one);
    make_init(from->graph, "p", MQ_FLOAT, "2", two);
    make_init(from->graph, "q", MQ_FLOAT, "1,2", two);
    make_init(to->graph, "a", MQ_FLOAT, "2", zero);
    make_init(to->graph, "b", MQ_FLOAT, "2", zero);
    make_init(to->graph, "c", MQ_FLOAT, "1,2", zero);
    n_warnings = 0;
    assert_int_equal(mq_weights_write(from, "order.npz", true, &hooks, &err), MQ_OK);
    assert_int_equal(mq_weights_read(to, "order.npz", NULL, NULL, &err), MQ_ERR_INPUT);
    assert_int_equal(mq_weights_read(to, "order.npz", &(mq_weights_names){ .by_order = true }, &hooks, &err), MQ_OK);
    assert_int_equal(n_warnings, 1);
    mq_tensor_read_f32(mq_graph_find(to->graph, "a")->init, 0, 1, &x, NULL);
    mq_tensor_read_f32(mq_graph_find(to->graph, "b")->init, 0, 1, &y, NULL);
    mq_tensor_read_f32(mq_graph_find(to->graph, "c")->init, 0, 1, &z, NULL);
    assert_true(x == 2 && y == 1 && z == 2);
    make_init(from->graph, "r", MQ_FLOAT, "2", two); /* there is no third one */
    assert_int_equal(mq_weights_write(from, "order.npz", true, &hooks, &err), MQ_OK);
    assert_int_equal(mq_weights_read(to, "order.npz", &(mq_weights_names){ .by_order = true }, &hooks, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "'r'"));
    mq_model_free(from);
    mq_model_free(to);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(npz),
        TEST(safetensors),
        TEST(arrays_of_other_names_go_by_order),
        TEST(not_taken_when_a_shape_differs),
        TEST(not_a_file_of_weights),
        TEST(broken_in_any_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
