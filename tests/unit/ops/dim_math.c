/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/dim_math.c: arithmetic on sizes and on elements of contents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ops/ops.h"

static mq_infer in;

static mq_dim sym(const char *s)
{
    return (mq_dim){ .value = -1, .symbol = s };
}

static void want_number(mq_dim d, int64_t value)
{
    assert_null(d.symbol);
    assert_int_equal(d.value, value);
}

static void want_symbol(mq_dim d, const char *text)
{
    assert_true(d.value < 0);
    assert_non_null(d.symbol);
    assert_string_equal(d.symbol, text);
}

static void want_unknown_dim(mq_dim d)
{
    want_number(d, -1);
}

static void want_unknown_elem(mq_dim e)
{
    want_number(e, INT64_MIN);
}

static int setup(void **state)
{
    mq_model *m = NULL;

    if (mq_model_create(&m, NULL) != MQ_OK)
        return -1;
    in = (mq_infer){ .model = m };
    *state = m;
    return 0;
}

static int teardown(void **state)
{
    mq_model_free(*state);
    return 0;
}

static void numbers(void **state)
{
    (void)state;
    want_number(mq_dim_mul(&in, MQ_DIM(6), MQ_DIM(7)), 42);
    want_number(mq_dim_add(&in, MQ_DIM(6), MQ_DIM(7)), 13);
    want_number(mq_dim_sub(&in, MQ_DIM(7), MQ_DIM(6)), 1);
    want_number(mq_dim_div(&in, MQ_DIM(7), MQ_DIM(2)), 3);
    want_number(mq_dim_mul(&in, MQ_DIM(0), MQ_DIM_UNKNOWN), 0);
    want_unknown_dim(mq_dim_sub(&in, MQ_DIM(6), MQ_DIM(7)));
    want_unknown_dim(mq_dim_div(&in, MQ_DIM(6), MQ_DIM(0)));
    want_unknown_dim(mq_dim_add(&in, MQ_DIM(6), MQ_DIM_UNKNOWN));
}

static void overflow_is_unknown(void **state)
{
    (void)state;
    want_unknown_dim(mq_dim_mul(&in, MQ_DIM(INT64_MAX), MQ_DIM(2)));
    want_unknown_dim(mq_dim_add(&in, MQ_DIM(INT64_MAX), MQ_DIM(1)));
    want_unknown_elem(mq_elem_sub(&in, MQ_DIM(-2), MQ_DIM(INT64_MAX)));
    want_unknown_elem(mq_elem_div(&in, MQ_ELEM_UNKNOWN, MQ_DIM(-1)));
    want_unknown_dim(mq_dim_mul(&in, sym("4611686018427387904*n"), MQ_DIM(2)));
}

static void symbols(void **state)
{
    (void)state;
    want_symbol(mq_dim_mul(&in, sym("batch"), MQ_DIM(1)), "batch");
    want_symbol(mq_dim_mul(&in, MQ_DIM(12), sym("batch")), "12*batch");
    want_symbol(mq_dim_mul(&in, MQ_DIM(2), sym("12*batch")), "24*batch");
    want_symbol(mq_dim_div(&in, sym("24*batch"), MQ_DIM(8)), "3*batch");
    want_symbol(mq_dim_div(&in, sym("12*batch"), MQ_DIM(12)), "batch");
    want_number(mq_dim_div(&in, sym("12*batch"), sym("batch")), 12);
    want_symbol(mq_dim_add(&in, sym("n"), MQ_DIM(0)), "n");
    want_symbol(mq_dim_add(&in, sym("n"), sym("2*n")), "3*n");
    want_number(mq_dim_sub(&in, sym("n"), sym("n")), 0);
    want_number(mq_dim_mul(&in, sym("n"), MQ_DIM(0)), 0);
    want_unknown_dim(mq_dim_mul(&in, sym("a"), sym("b")));
    want_unknown_dim(mq_dim_add(&in, sym("n"), MQ_DIM(1)));
    want_unknown_dim(mq_dim_div(&in, sym("n"), MQ_DIM(2)));
    want_unknown_dim(mq_dim_sub(&in, sym("n"), sym("2*n")));
    /* looks like a product, but is a name */
    want_symbol(mq_dim_mul(&in, sym("12*"), MQ_DIM(2)), "2*12*");
    want_symbol(mq_dim_mul(&in, sym("99999999999999999999*n"), MQ_DIM(1)), "99999999999999999999*n");
}

static void elements_may_be_negative(void **state)
{
    (void)state;
    want_number(mq_elem_add(&in, MQ_DIM(-1), MQ_DIM(3)), 2);
    want_number(mq_elem_mul(&in, MQ_DIM(-1), MQ_DIM(3)), -3);
    want_number(mq_elem_div(&in, MQ_DIM(-7), MQ_DIM(2)), -3);
    want_unknown_elem(mq_elem_add(&in, MQ_ELEM_UNKNOWN, MQ_DIM(1)));
    want_unknown_elem(mq_elem_mul(&in, mq_elem_of_dim(sym("n")), MQ_DIM(-1)));
    want_symbol(mq_elem_mul(&in, mq_elem_of_dim(sym("n")), MQ_DIM(2)), "2*n");
    assert_true(mq_elem_known(MQ_DIM(-1)));
    assert_false(mq_elem_known(MQ_ELEM_UNKNOWN));
    assert_false(mq_elem_known(mq_elem_of_dim(sym("n"))));
}

static void dims_and_elements(void **state)
{
    (void)state;
    want_number(mq_elem_of_dim(MQ_DIM(5)), 5);
    want_unknown_elem(mq_elem_of_dim(MQ_DIM_UNKNOWN));
    want_unknown_dim(mq_dim_of_elem(MQ_ELEM_UNKNOWN));
    want_unknown_dim(mq_dim_of_elem(MQ_DIM(-1)));
    want_symbol(mq_dim_of_elem(mq_elem_of_dim(sym("n"))), "n");
}

static void merging(void **state)
{
    bool conflict = false;

    (void)state;
    want_number(mq_dim_merge(sym("n"), MQ_DIM(3), &conflict), 3);
    want_number(mq_dim_merge(MQ_DIM(3), sym("n"), &conflict), 3);
    want_symbol(mq_dim_merge(sym("n"), sym("m"), &conflict), "n");
    want_symbol(mq_dim_merge(MQ_DIM_UNKNOWN, sym("m"), &conflict), "m");
    want_unknown_dim(mq_dim_merge(MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, &conflict));
    assert_false(conflict);
    want_number(mq_dim_merge(MQ_DIM(3), MQ_DIM(4), &conflict), 3);
    assert_true(conflict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),           cmocka_unit_test(overflow_is_unknown),
        cmocka_unit_test(symbols),           cmocka_unit_test(elements_may_be_negative),
        cmocka_unit_test(dims_and_elements), cmocka_unit_test(merging),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
