/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/quant/mode.c: where the work of a model lies, and what is said about it. */
#include "quant/mode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "quant_make.h"

static const mq_hooks hooks = { .warn = quant_note_warning };

/* A convolution of 8 * 8 * 16 * 16 * 9 products and a matrix product of 64 * 32. */
static void make(const char *image, const char *rows)
{
    make_input(g, "img", MQ_FLOAT, image);
    make_input(g, "x", MQ_FLOAT, rows);
    make_weight(g, "conv.w", "8,8,3,3");
    make_weight(g, "w", "64,32");
    make_node(g, "Conv", "img,conv.w", "c");
    make_node(g, "MatMul", "x,w", "y");
    make_output(g, "c");
    make_output(g, "y");
}

static void notes(const char *part)
{
    mq_quant_work work = mq_quant_work_of(&plan);
    mq_str s = { 0 };

    mq_quant_mode_note(&s, &work, &opts, 400, 100);
    assert_true(s.s && strstr(s.s, "4.0 times smaller, not faster"));
    if (part ? !strstr(s.s, part) : strchr(s.s, '(') != NULL)
        fail_msg("'%s' and '%s'", s.s, part ? part : "no reason");
    mq_str_release(&s);
}

static void multiplications_count(void **state)
{
    mq_quant_work w;

    (void)state;
    make("1,8,16,16", "1,64");
    quant_select();
    w = mq_quant_work_of(&plan);
    assert_true(w.conv == 8.0 * 8 * 9 * 14 * 14 && w.other == 64.0 * 32);
    assert_string_equal(w.most, "Conv");
    notes("--mode dynamic would be slower");
}

static void products_call_for_dynamic(void **state)
{
    (void)state;
    make("1,8,4,4", "100,64");
    quant_select();
    notes("MatMul: for speed try --mode dynamic");
    opts.target = "tensorrt";
    notes(NULL);
}

static void operators_count_where_sizes_are_open(void **state)
{
    mq_quant_work w;

    (void)state;
    make("N,8,H,W", "N,64");
    quant_select();
    w = mq_quant_work_of(&plan);
    assert_true(w.conv == 1 && w.other == 1);
}

static void slow_convolutions_are_said(void **state)
{
    mq_quant_work w;

    (void)state;
    make("1,8,16,16", "1,64");
    opts.mode = MQ_MODE_DYNAMIC;
    quant_select();
    w = mq_quant_work_of(&plan);
    mq_quant_mode_warn(&w, &hooks);
    assert_true(strstr(warned, "mostly Conv"));
    warned[0] = '\0';
    opts.mode = MQ_MODE_WEIGHT;
    quant_select();
    w = mq_quant_work_of(&plan);
    mq_quant_mode_warn(&w, &hooks);
    assert_string_equal(warned, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_MODEL(multiplications_count),
        ON_MODEL(products_call_for_dynamic),
        ON_MODEL(operators_count_where_sizes_are_open),
        ON_MODEL(slow_convolutions_are_said),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
