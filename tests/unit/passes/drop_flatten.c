/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pass_check.h"

extern const mq_pass mq_pass_drop_flatten;

/* Reshape [b,3,4] to [-1,4], product, `between`, Reshape to `back` of three sizes */
static void make_flat(const char *between, const int64_t *back)
{
    make_input(g, "x", MQ_FLOAT, "b,3,4");
    make_random("w", MQ_FLOAT, "4,6");
    make_random("row", MQ_FLOAT, "6");
    make_random("rows", MQ_FLOAT, "9,6"); /* b is 3 */
    make_longs("flat", "2", (const int64_t[]){ -1, 4 });
    make_longs("back", "3", back);
    make_node(g, "Reshape", "x,flat", "f");
    make_node(g, "MatMul", "f,w", "p");
    if (between)
        make_node(g, "Add", between, "a");
    make_node(g, "Reshape", between ? "a,back" : "p,back", "y");
    make_output(g, "y");
}

static void products_take_all_axes(void **state)
{
    (void)state;
    make_flat(NULL, (const int64_t[]){ -1, 3, 6 });
    pass_becomes(&mq_pass_drop_flatten, "MatMul", 0);
}

static void rows_are_added_between(void **state)
{
    (void)state;
    make_flat("row,p", (const int64_t[]){ -1, 3, 6 });
    pass_becomes(&mq_pass_drop_flatten, "MatMul Add", 0);
}

static void not_dropped_when_other_sizes_follow(void **state)
{
    (void)state;
    make_flat(NULL, (const int64_t[]){ -1, 6, 3 });
    pass_leaves(&mq_pass_drop_flatten);
}

static void not_dropped_when_more_than_a_row_is_added(void **state)
{
    (void)state;
    make_flat("p,rows", (const int64_t[]){ -1, 3, 6 });
    pass_leaves(&mq_pass_drop_flatten);
}

static void not_dropped_when_the_product_is_read_elsewhere(void **state)
{
    (void)state;
    make_flat(NULL, (const int64_t[]){ -1, 3, 6 });
    make_node(g, "Exp", "p", "z");
    make_output(g, "z");
    pass_leaves(&mq_pass_drop_flatten);
}

static void not_dropped_when_the_matrix_is_computed(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "b,3,4");
    make_input(g, "w", MQ_FLOAT, "4,6");
    make_longs("flat", "2", (const int64_t[]){ -1, 4 });
    make_longs("back", "3", (const int64_t[]){ -1, 3, 6 });
    make_node(g, "Reshape", "x,flat", "f");
    make_node(g, "MatMul", "f,w", "p");
    make_node(g, "Reshape", "p,back", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_drop_flatten);
}

static void not_dropped_when_a_value_between_is_an_output(void **state)
{
    (void)state;
    make_flat("row,p", (const int64_t[]){ -1, 3, 6 });
    make_output(g, "a");
    pass_leaves(&mq_pass_drop_flatten);
}

static void not_dropped_when_rows_are_turned_between(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,3,4");
    make_random("w", MQ_FLOAT, "4,6");
    make_longs("flat", "2", (const int64_t[]){ -1, 4 });
    make_longs("back", "3", (const int64_t[]){ 2, 3, 6 });
    make_node(g, "Reshape", "x,flat", "f");
    make_node(g, "MatMul", "f,w", "p");
    make_node(g, "Transpose", "p", "a");
    make_node(g, "Reshape", "a,back", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_drop_flatten);
}

static void not_dropped_when_rows_were_cut_otherwise(void **state)
{
    (void)state;
    make_input(g, "x", MQ_FLOAT, "2,8,6");
    make_random("w", MQ_FLOAT, "4,6");
    make_longs("flat", "2", (const int64_t[]){ -1, 4 });
    make_longs("back", "3", (const int64_t[]){ 2, -1, 6 });
    make_node(g, "Reshape", "x,flat", "f");
    make_node(g, "MatMul", "f,w", "p");
    make_node(g, "Reshape", "p,back", "y");
    make_output(g, "y");
    pass_leaves(&mq_pass_drop_flatten);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(products_take_all_axes),
        ON_MODEL(rows_are_added_between),
        ON_MODEL(not_dropped_when_other_sizes_follow),
        ON_MODEL(not_dropped_when_more_than_a_row_is_added),
        ON_MODEL(not_dropped_when_the_product_is_read_elsewhere),
        ON_MODEL(not_dropped_when_the_matrix_is_computed),
        ON_MODEL(not_dropped_when_a_value_between_is_an_output),
        ON_MODEL(not_dropped_when_rows_are_turned_between),
        ON_MODEL(not_dropped_when_rows_were_cut_otherwise),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
