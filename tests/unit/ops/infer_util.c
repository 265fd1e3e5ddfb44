/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/infer_util.c: what rules read and write. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ops/ops.h"

/* A node with one present input, one absent and two outputs, and the rule's view of it. */
typedef struct fixture {
    mq_model *model;
    mq_node *node;
    mq_value *x;
    mq_type types[2], *out[2];
    mq_dim *known[2];
    size_t n_known[2];
    mq_error err;
    mq_infer in;
} fixture;

static int setup(void **state)
{
    static fixture f;
    mq_graph *g;

    f = (fixture){ 0 };
    if (mq_model_create(&f.model, NULL) != MQ_OK || !(g = mq_graph_create(f.model, NULL, NULL, "g")))
        return -1;
    f.node = mq_node_create(g, NULL, "", "Relu", "r");
    f.x = mq_value_create(g, "x");
    if (!f.node || !f.x || mq_node_set_input(f.node, 0, f.x, NULL) || mq_node_set_input(f.node, 1, NULL, NULL) ||
        mq_node_set_output(f.node, 0, mq_value_create(g, "y"), NULL) ||
        mq_node_set_output(f.node, 1, mq_value_create(g, "z"), NULL))
        return -1;
    f.out[0] = &f.types[0];
    f.out[1] = &f.types[1];
    f.types[0].rank = f.types[1].rank = -1;
    f.in = (mq_infer){ .node = f.node, .model = f.model, .out = f.out, .known = f.known, .n_known = f.n_known };
    f.in.err = &f.err;
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    mq_model_free(((fixture *)*state)->model);
    return 0;
}

static void want_text(const fixture *f, size_t i, const char *want)
{
    char text[200];

    mq_type_text(f->out[i], text, sizeof text);
    assert_string_equal(text, want);
}

static void inputs_not_there(void **state)
{
    fixture *f = *state;
    size_t n = 7;

    assert_true(mq_in_has(&f->in, 0));
    assert_false(mq_in_has(&f->in, 1));
    assert_false(mq_in_has(&f->in, 2));
    for (size_t i = 0; i < 3; i++) {
        assert_null(mq_in_type(&f->in, i));
        assert_int_equal(mq_in_rank(&f->in, i), -1);
        assert_null(mq_in_dims(&f->in, i));
        assert_int_equal(mq_in_dtype(&f->in, i), MQ_UNDEFINED);
        assert_null(mq_in_known(&f->in, i, &n));
        assert_int_equal(n, 0);
    }
}

static void inputs_read(void **state)
{
    fixture *f = *state;
    mq_dim vals[] = { MQ_DIM(2), MQ_DIM(-1) };
    size_t n;

    f->x->type = mq_type_create(f->model, MQ_TYPE_TENSOR, MQ_INT64, 0, vals);
    assert_int_equal(mq_in_rank(&f->in, 0), 0);
    assert_non_null(mq_in_dims(&f->in, 0));
    assert_int_equal(mq_in_dtype(&f->in, 0), MQ_INT64);
    f->x->known = vals;
    f->x->n_known = 2;
    assert_int_equal(mq_in_ints(&f->in, 0, &n)[1], -1);
    assert_int_equal(n, 2);
    vals[0] = MQ_ELEM_UNKNOWN;
    assert_null(mq_in_ints(&f->in, 0, &n));
    assert_non_null(mq_in_known(&f->in, 0, &n));
}

static void outputs_written(void **state)
{
    fixture *f = *state;
    const mq_dim dims[] = { MQ_DIM(1), { .value = -7, .symbol = "n" }, MQ_DIM_UNKNOWN };

    assert_int_equal(mq_out_shape(&f->in, 0, 3, dims), MQ_OK);
    want_text(f, 0, "undefined[1,n,?]");
    assert_int_equal(mq_out_dtype(&f->in, 0, MQ_INT8), MQ_OK);
    want_text(f, 0, "int8[1,n,?]");
    assert_int_equal(mq_out_shape(&f->in, 0, -1, NULL), MQ_OK);
    want_text(f, 0, "int8[...]");
    assert_int_equal(mq_out_shape(&f->in, 9, 3, dims), MQ_OK); /* not asked for */
    *f->out[1] = (mq_type){ .kind = MQ_TYPE_SEQUENCE };
    assert_int_equal(mq_out_shape(&f->in, 1, 3, dims), MQ_OK); /* no tensor: left alone */
    want_text(f, 1, "seq(?)");
}

static void outputs_like_inputs(void **state)
{
    fixture *f = *state;
    const mq_dim dims[] = { MQ_DIM(2), MQ_DIM(3) };
    mq_type *t = mq_type_create(f->model, MQ_TYPE_TENSOR, MQ_FLOAT, 2, dims);

    f->x->type = t;
    assert_int_equal(mq_out_like(&f->in, 0, 0), MQ_OK);
    want_text(f, 0, "float[2,3]");
    assert_int_equal(mq_out_dtype(&f->in, 1, MQ_BOOL), MQ_OK);
    assert_int_equal(mq_out_like(&f->in, 1, 0), MQ_OK);
    want_text(f, 1, "bool[2,3]");
    f->x->type = &(mq_type){ .kind = MQ_TYPE_SEQUENCE, .rank = -1, .elem = t };
    assert_int_equal(mq_out_like(&f->in, 0, 0), MQ_OK);
    want_text(f, 0, "seq(float[2,3])");
    assert_ptr_not_equal(f->out[0]->elem, t);
    f->x->type = NULL;
}

static void contents_are_bounded(void **state)
{
    fixture *f = *state;
    static mq_dim vals[MQ_KNOWN_MAX + 1];

    assert_int_equal(mq_out_known(&f->in, 0, vals, MQ_KNOWN_MAX + 1), MQ_OK);
    assert_null(f->in.known[0]);
    assert_int_equal(mq_out_known(&f->in, 0, vals, MQ_KNOWN_MAX), MQ_OK);
    assert_int_equal(f->in.n_known[0], MQ_KNOWN_MAX);
}

static void axes(void **state)
{
    fixture *f = *state;
    int axis;

    assert_int_equal(mq_norm_axis(&f->in, -1, 4, &axis), MQ_OK);
    assert_int_equal(axis, 3);
    assert_int_equal(mq_norm_axis(&f->in, 4, 4, &axis), MQ_ERR_INPUT);
    assert_string_equal(f->err.text, "axis 4 is outside -4..3");
    assert_int_equal(mq_norm_axis(&f->in, INT64_MIN, 4, &axis), MQ_ERR_INPUT);
    assert_int_equal(mq_norm_axis(&f->in, 0, 0, &axis), MQ_ERR_INPUT);
}

static const char *broadcast(fixture *f, int ra, const mq_dim *a, int rb, const mq_dim *b)
{
    static char text[200];
    const mq_dim *dims[] = { a, b };
    const int ranks[] = { ra, rb };
    mq_dim *out;
    int rank;

    if (mq_broadcast(&f->in, 2, dims, ranks, &rank, &out) != MQ_OK)
        return f->err.text;
    return mq_dims_text(rank, out, text, sizeof text);
}

static void broadcasting(void **state)
{
    fixture *f = *state;
    const mq_dim a[] = { MQ_DIM(2), MQ_DIM(1), { -1, "n" } }, b[] = { MQ_DIM(5), MQ_DIM(3) }, c[] = { MQ_DIM(2) };
    const mq_dim n[] = { { -1, "n" }, { -1, "n" } }, m[] = { { -1, "m" }, { -1, "n" } };
    const mq_dim u[] = { MQ_DIM_UNKNOWN, MQ_DIM(1) };

    assert_string_equal(broadcast(f, 3, a, 2, b), "[2,5,3]");
    assert_string_equal(broadcast(f, 2, b, 0, c), "[5,3]");
    assert_string_equal(broadcast(f, 2, b, -1, NULL), "[...]");
    assert_string_equal(broadcast(f, 2, n, 2, m), "[?,n]");
    assert_string_equal(broadcast(f, 2, u, 2, m), "[?,n]");
    assert_string_equal(broadcast(f, 2, b, 1, c), "shapes [5,3] and [2] do not broadcast");
}

static void long_shapes_are_cut(void **state)
{
    mq_dim dims[40];
    char text[20];

    (void)state;
    for (int i = 0; i < 40; i++)
        dims[i] = MQ_DIM(1000);
    mq_dims_text(40, dims, text, sizeof text);
    assert_int_equal(strlen(text), sizeof text - 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(inputs_not_there), TEST(inputs_read),          TEST(outputs_written), TEST(outputs_like_inputs),
        TEST(axes),             TEST(contents_are_bounded), TEST(broadcasting),    TEST(long_shapes_are_cut),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
