/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Parts of a Concat are made side by side from the second run on: with sizes that change between runs, after a run that
 * stopped between the parts, and when a part is not made where it should be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "exec/exec.h"
#include "graph_make.h"

#define COLS 16

typedef struct fixture {
    mq_model *m;
    mq_plan *p;
    mq_runner *r;
    int stop_after; /* questions whether to stop; -1: never */
} fixture;

static bool asked(void *user)
{
    fixture *f = user;

    return f->stop_after >= 0 && f->stop_after-- == 0;
}

/* y = -Concat(x transposed, z transposed or taken as it is), rows one below the other. */
static void open_fixture(fixture *f, bool view)
{
    static mq_hooks hooks;
    mq_node *n;

    *f = (fixture){ .m = make_model(21), .stop_after = -1 };
    make_input(f->m->graph, "x", MQ_FLOAT, "16,N");
    make_input(f->m->graph, "z", MQ_FLOAT, view ? "1,K,16" : "16,K");
    make_node(f->m->graph, "Transpose", "x", "a");
    make_init(f->m->graph, "axes", MQ_INT64, "1", (int64_t[]){ 0 });
    make_node(f->m->graph, view ? "Squeeze" : "Transpose", view ? "z,axes" : "z", "b");
    n = make_node(f->m->graph, "Concat", "a,b", "c");
    assert_int_equal(mq_node_set_attr_int(n, "axis", 0, NULL), MQ_OK);
    make_node(f->m->graph, "Neg", "c", "y");
    make_output(f->m->graph, "y");
    assert_int_equal(mq_plan_create(&f->p, f->m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_runner_create(&f->r, f->p, 1, NULL), MQ_OK);
    hooks = (mq_hooks){ .cancelled = asked, .user = f };
    mq_runner_hooks(f->r, &hooks);
}

static void close_fixture(fixture *f)
{
    mq_runner_free(f->r);
    mq_plan_free(f->p);
    mq_model_free(f->m);
}

static void run(fixture *f, int64_t n, int64_t k, bool view, mq_status want)
{
    mq_array *in[2] = { 0 }, *out = NULL;
    mq_error err;

    assert_int_equal(mq_array_create(&in[0], MQ_FLOAT, 2, (int64_t[]){ COLS, n }, NULL), MQ_OK);
    if (view)
        assert_int_equal(mq_array_create(&in[1], MQ_FLOAT, 3, (int64_t[]){ 1, k, COLS }, NULL), MQ_OK);
    else
        assert_int_equal(mq_array_create(&in[1], MQ_FLOAT, 2, (int64_t[]){ COLS, k }, NULL), MQ_OK);
    for (size_t i = 0; i < in[0]->count; i++)
        ((float *)in[0]->data)[i] = (float)i;
    for (size_t i = 0; i < in[1]->count; i++)
        ((float *)in[1]->data)[i] = 1000 + (float)i;
    assert_int_equal(mq_runner_run(f->r, in, &out, &err), want);
    for (int64_t row = 0; want == MQ_OK && row < n + k; row++)
        for (int64_t col = 0; col < COLS; col++) {
            const int64_t i = row - n;
            const float v = row < n ? (float)(col * n + row) : 1000 + (float)(view ? i * COLS + col : col * k + i);

            assert_true(((const float *)out->data)[row * COLS + col] == -v);
        }
    mq_array_unref(out);
    mq_array_unref(in[0]);
    mq_array_unref(in[1]);
}

static void nothing_is_copied_twice(void **state)
{
    size_t first, second;
    fixture f;

    (void)state;
    open_fixture(&f, false);
    run(&f, 100, 60, false, MQ_OK);
    first = mq_runner_peak(f.r);
    run(&f, 100, 60, false, MQ_OK);
    second = mq_runner_peak(f.r);
    assert_true(first >= 2 * 160 * COLS * sizeof(float));
    assert_true(second < first);
    close_fixture(&f);
}

static void sizes_may_change(void **state)
{
    static const int64_t sizes[][2] = { { 3, 4 }, { 3, 4 }, { 4, 3 }, { 3, 4 }, { 3, 5 }, { 3, 5 },
                                        { 1, 0 }, { 1, 0 }, { 9, 1 } };

    (void)state;
    for (int view = 0; view < 2; view++) {
        fixture f;

        open_fixture(&f, view);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            run(&f, sizes[i][0], sizes[i][1], view, MQ_OK);
        close_fixture(&f);
    }
}

static void a_run_may_stop_between_parts(void **state)
{
    fixture f;

    (void)state;
    open_fixture(&f, false);
    run(&f, 5, 6, false, MQ_OK);
    run(&f, 5, 6, false, MQ_OK);
    for (int stop = 0; stop < 4; stop++) {
        f.stop_after = stop;
        run(&f, 5, 6, false, MQ_ERR_CANCELLED);
        f.stop_after = -1;
        run(&f, 5, 6, false, MQ_OK);
        run(&f, 6, 5, false, MQ_OK);
        run(&f, 5, 6, false, MQ_OK);
        run(&f, 5, 6, false, MQ_OK);
    }
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_copied_twice),
        cmocka_unit_test(sizes_may_change),
        cmocka_unit_test(a_run_may_stop_between_parts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
