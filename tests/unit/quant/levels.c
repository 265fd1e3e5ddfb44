/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/levels.c, and what the quantizer makes of levels: types of single weights, layers that stay float, and
 * what these read. */
#include "quant/levels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quant/place.h"
#include "quant_make.h"

static mq_level items[4];
static mq_levels levels = { .items = items };

/* x -> Sigmoid -> s -> MatMul(w1) and MatMul(w2), whose product is MatMul, too. */
static void branches(void)
{
    levels.n = 0;
    make_input(g, "x", MQ_FLOAT, "64,64");
    make_node(g, "Sigmoid", "x", "s");
    make_weight(g, "w1", "64,64");
    make_weight(g, "w2", "64,64");
    make_node(g, "MatMul", "s,w1", "a");
    make_node(g, "MatMul", "s,w2", "b");
    make_node(g, "MatMul", "a,b", "y");
    make_type(make_output(g, "y"), MQ_FLOAT, "64,64");
}

static void choose(const char *name, mq_dtype type, bool float_inputs)
{
    items[levels.n++] = (mq_level){ name, type, float_inputs };
    opts.mode = MQ_MODE_STATIC;
    opts.act_type = "uint8";
}

static void select_by_levels(void)
{
    mq_error err = { 0 };

    plan = (mq_quant_plan){ .model = m, .opts = &opts, .levels = &levels };
    assert_int_equal(mq_infer_model(m, NULL, NULL, &err), MQ_OK);
    assert_int_equal(mq_quant_select(&plan, NULL, &err), MQ_OK);
}

static bool is_product(const char *result)
{
    for (size_t i = 0; i < plan.placement->products.n; i++)
        if (strcmp(plan.placement->products.items[i]->outputs[0]->name, result) == 0)
            return true;
    return false;
}

static void found_by_name(void **state)
{
    (void)state;
    branches();
    assert_null(mq_levels_find(NULL, "w1"));
    choose("w1", MQ_INT16, false);
    assert_ptr_equal(mq_levels_find(&levels, "w1"), &items[0]);
    assert_null(mq_levels_find(&levels, "w"));
}

static void without_levels_all_are_products(void **state)
{
    (void)state;
    branches();
    opts.mode = MQ_MODE_STATIC;
    opts.act_type = "uint8";
    quant_select();
    assert_true(is_product("a") && is_product("b") && is_product("y"));
    assert_int_equal(plan.placement->raw_inputs.n, 0);
}

static void float_layers_read_what_is_not_rounded(void **state)
{
    (void)state;
    branches();
    choose("w1", MQ_FLOAT, true);
    select_by_levels();
    assert_int_equal(quant_find("w1")->stay, MQ_STAY_BOUND);
    assert_string_equal(mq_stay_code(MQ_STAY_BOUND), "bound");
    assert_int_equal(quant_find("w2")->stay, MQ_STAY_NOT);
    assert_false(is_product("a"));
    assert_true(is_product("b") && is_product("y"));
    assert_int_equal(plan.placement->raw_inputs.n, 1);
    assert_string_equal(plan.placement->raw_inputs.items[0].value->name, "s");
}

static void weights_alone(void **state)
{
    (void)state;
    branches();
    choose("w2", MQ_INT16, true);
    select_by_levels();
    assert_int_equal(quant_find("w2")->stay, MQ_STAY_NOT);
    assert_int_equal(quant_find("w2")->weight.scheme.type, MQ_INT16);
    assert_int_equal(quant_find("w1")->weight.scheme.type, MQ_INT8);
    assert_true(is_product("a") && !is_product("b") && is_product("y"));
}

static void products_of_activations(void **state)
{
    (void)state;
    branches();
    choose("y", MQ_FLOAT, true);
    select_by_levels();
    assert_true(is_product("a") && is_product("b") && !is_product("y"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(found_by_name), ON_MODEL(without_levels_all_are_products), ON_MODEL(float_layers_read_what_is_not_rounded),
        ON_MODEL(weights_alone), ON_MODEL(products_of_activations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
