/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/schema.c and src/ops/table.c: the tables are in order and what is in them is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "ops/families.h"

static void versions(void **state)
{
    (void)state;
    assert_int_equal(mq_schema_find("", "Add", 6)->since, 6);
    assert_int_equal(mq_schema_find("", "Add", 7)->since, 7);
    assert_int_equal(mq_schema_find("", "Add", 12)->since, 7);
    assert_int_equal(mq_schema_find("", "Add", 999)->since, 14);
    assert_null(mq_schema_find("", "Add", 0));
    assert_null(mq_schema_find("", "Ad", 14));
    assert_null(mq_schema_find("", "", 14));
    assert_null(mq_schema_find("zzz", "Add", 14));
    assert_null(mq_schema_find("", "LayerNormalization", 0));
    assert_true(mq_schema_find("", "LayerNormalization", 16)->extension);
    assert_false(mq_schema_find("", "LayerNormalization", 17)->extension);
    assert_true(mq_schema_find("", "Upsample", 10)->deprecated);
    assert_int_equal(mq_schema_newest_opset(), 28);
}

static void parameters(void **state)
{
    const mq_op_schema *conv = mq_schema_find("", "Conv", 11), *concat = mq_schema_find("", "Concat", 13);
    const mq_op_schema *mha = mq_schema_find("com.microsoft", "MultiHeadAttention", 1);

    (void)state;
    assert_int_equal(conv->min_inputs, 2);
    assert_int_equal(conv->max_inputs, 3);
    assert_string_equal(mq_schema_input(conv, 1)->name, "W");
    assert_int_equal(mq_schema_input(conv, 2)->option, MQ_PARAM_OPTIONAL);
    assert_null(mq_schema_input(conv, 3));
    assert_int_equal(mq_schema_input(conv, 0)->var, mq_schema_output(conv, 0)->var);
    assert_int_equal(concat->max_inputs, UINT16_MAX);
    assert_int_equal(mq_schema_input(concat, 500)->option, MQ_PARAM_VARIADIC);
    assert_int_equal(concat->n_attrs, 1);
    assert_true(concat->attrs[0].required);
    assert_int_equal(concat->attrs[0].type, MQ_ATTR_INT);
    assert_true(mq_schema_input(mq_schema_find("", "Loop", 16), 9)->heterogeneous);
    assert_non_null(mha);
    assert_string_equal(mha->attrs[0].name, "mask_filter_value");
}

static void type_sets(void **state)
{
    const mq_type_set set = (mq_type_set)1 << MQ_FLOAT | MQ_TYPES_SEQUENCE;

    (void)state;
    assert_true(mq_type_set_has(set, &(mq_type){ .kind = MQ_TYPE_TENSOR, .dtype = MQ_FLOAT }));
    assert_true(mq_type_set_has(set, &(mq_type){ .kind = MQ_TYPE_TENSOR, .dtype = MQ_UNDEFINED }));
    assert_false(mq_type_set_has(set, &(mq_type){ .kind = MQ_TYPE_TENSOR, .dtype = MQ_INT8 }));
    assert_false(mq_type_set_has(set, &(mq_type){ .kind = MQ_TYPE_TENSOR, .dtype = (mq_dtype)1000 }));
    assert_true(mq_type_set_has(set, &(mq_type){ .kind = MQ_TYPE_SEQUENCE }));
    assert_false(mq_type_set_has(set, &(mq_type){ .kind = MQ_TYPE_OPTIONAL }));
    assert_true(mq_type_set_has(set, NULL));
    assert_true(mq_type_set_has(set, &(mq_type){ 0 }));
}

static void schemas_are_sorted(void **state)
{
    size_t n;
    const mq_op_schema *s = mq_schemas(&n);

    (void)state;
    assert_true(n > 700);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(mq_schema_find(s[i].domain, s[i].name, s[i].since), &s[i]);
        for (size_t k = 0; k + 1 < s[i].n_attrs; k++)
            assert_true(strcmp(s[i].attrs[k].name, s[i].attrs[k + 1].name) < 0);
    }
}

/* Each row is found in its own family, which it would not be if families were unsorted or named it twice, and stands
 * for an operator that exists. */
static void check_family(const char *family, const mq_op_rule *rules, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (mq_rule_find(rules[i].domain, rules[i].name) != &rules[i])
            fail_msg("%s: row '%s' is out of order or there twice", family, rules[i].name);
        if (strcmp(rules[i].domain, "mq") == 0)
            continue; /* the engine's own have none */
        if (!mq_schema_find(rules[i].domain, rules[i].name, INT64_MAX))
            fail_msg("%s: row '%s' (domain '%s') has no schema", family, rules[i].name, rules[i].domain);
    }
}

static void families_are_sorted(void **state)
{
    (void)state;
#define CHECK(name) check_family(#name, mq_rules_##name, mq_rules_##name##_n);
    MQ_FAMILIES(CHECK)
#undef CHECK
    assert_null(mq_rule_find("", "NoSuchOperator"));
    assert_null(mq_rule_find("no.such.domain", "Add"));
}

/* Every operator of the standard has a row, so that its shapes are known. */
static void every_operator_has_a_row(void **state)
{
    size_t n, missing = 0;
    const mq_op_schema *s = mq_schemas(&n);

    (void)state;
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && strcmp(s[i].name, s[i - 1].name) == 0 && strcmp(s[i].domain, s[i - 1].domain) == 0)
            continue; /* another version */
        if (s[i].extension || mq_rule_find(s[i].domain, s[i].name))
            continue;
        print_message("no row: %s %s\n", s[i].domain, s[i].name);
        missing++;
    }
    assert_int_equal(missing, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions),
        cmocka_unit_test(parameters),
        cmocka_unit_test(type_sets),
        cmocka_unit_test(schemas_are_sorted),
        cmocka_unit_test(families_are_sorted),
        cmocka_unit_test(every_operator_has_a_row),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
