/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Command lines turned into values, with a command of the test's own; and the rows themselves. */
#include "cli/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cli/nearest.h"

static const cli_opt takes[] = { OPT_OUTPUT,  OPT_FORCE, OPT_EXTERNAL_DATA, OPT_EXTERNAL_THRESHOLD, OPT_OPSET,
                                 OPT_VERIFY,  OPT_MAX_SIZE, OPT_NODES, OPT_OP_TYPES, OPT_SHAPE, OPT_DIM, OPT_TYPE,
                                 OPT_DEPFILE, OPT_PER_CHANNEL, OPT_PER_TENSOR, OPT_MODE, OPT_TARGET,
                                 OPT_SYMMETRIC, OPT_ASYMMETRIC, OPT_BLOCK_SIZE, OPT_RANGE, OPT_FORMAT, OPT_LIST_TYPES,
                                 OPT_REDUCE_RANGE, OPT_DURATION, OPT_MAX_DROP, OPT_MAX_MACS, OPT_BATCH, OPT_NONE };
static const cli_command command = {
    .name = "test", .files = "MODEL", .max_files = 1, .summary = "tests", .takes = takes
};

static cli_options o;
static mq_error err;

#define MAX_ARGS 16

/* Parses "test m.onnx ..." split at blanks. */
static mq_status parse(const char *line)
{
    static char copy[256]; /* values point into it */
    char *argv[MAX_ARGS] = { "test" };
    int argc = 1;

    cli_options_release(&o);
    err = (mq_error){ 0 };
    snprintf(copy, sizeof copy, "%s", line);
    for (char *word = strtok(copy, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    return cli_options_parse(&o, &command, argc, argv, &err);
}

static const cli_value *value(cli_opt id)
{
    return &o.values[id];
}

static void assert_fails(const char *line, mq_status status, const char *sentence)
{
    assert_int_equal(parse(line), status);
    if (!strstr(err.text, sentence))
        fail_msg("'%s' does not hold '%s'", err.text, sentence);
}

static void every_row_is_complete(void **state)
{
    (void)state;
    for (int id = OPT_NONE + 1; id < N_OPTS; id++) {
        const cli_row *row = cli_row_of((cli_opt)id);

        assert_non_null(row->label);
        assert_non_null(row->group);
        assert_non_null(row->help);
        assert_true((row->arg == NULL) == (row->kind == KIND_SWITCH));
        assert_int_equal(cli_opt_find(cli_opt_name((cli_opt)id), strlen(cli_opt_name((cli_opt)id))), id);
        if (row->letter)
            assert_int_equal(cli_opt_find(&row->letter, 1), id);
    }
}

static void defaults(void **state)
{
    (void)state;
    assert_int_equal(parse("m.onnx"), MQ_OK);
    assert_int_equal(o.n_files, 1);
    assert_true(value(OPT_PER_CHANNEL)->on && !value(OPT_PER_CHANNEL)->given);
    assert_true(value(OPT_MAX_SIZE)->is_ratio && value(OPT_MAX_SIZE)->ratio == 1);
    assert_int_equal(value(OPT_EXTERNAL_THRESHOLD)->number, 1024);
    assert_int_equal(value(OPT_VERIFY)->word, VERIFY_AUTO);
    assert_int_equal(value(OPT_EXTERNAL_DATA)->word, EXTERNAL_AUTO);
    assert_int_equal(value(OPT_ANNOTATE)->word, ANNOTATE_NONE);
    assert_int_equal(value(OPT_OPSET)->number, 0);
    assert_int_equal(value(OPT_OPSET)->word, -1);
    assert_string_equal(value(OPT_TYPE)->text, "int8");
}

static void options_stand_anywhere_and_the_last_wins(void **state)
{
    (void)state;
    assert_int_equal(parse("-o a m.onnx -o b --verify=none --opset 13 --opset latest --per-tensor --no-force"), MQ_OK);
    assert_string_equal(value(OPT_OUTPUT)->text, "b");
    assert_int_equal(value(OPT_VERIFY)->word, VERIFY_NONE);
    assert_int_equal(value(OPT_OPSET)->word, 0);
    assert_false(value(OPT_PER_CHANNEL)->on);
    assert_int_equal(parse("m.onnx --per-tensor --per_channel --force --no-force --external_data w.bin"), MQ_OK);
    assert_true(value(OPT_PER_CHANNEL)->on);
    assert_true(value(OPT_FORCE)->given && !value(OPT_FORCE)->on);
    assert_int_equal(value(OPT_EXTERNAL_DATA)->word, -1);
    assert_string_equal(value(OPT_EXTERNAL_DATA)->text, "w.bin");
}

static void numbers(void **state)
{
    (void)state;
    assert_int_equal(parse("m.onnx -j4 --max-size 2M --external-threshold=0"), MQ_OK);
    assert_int_equal(value(OPT_THREADS)->number, 4);
    assert_true(!value(OPT_MAX_SIZE)->is_ratio && value(OPT_MAX_SIZE)->number == 2097152);
    assert_int_equal(parse("m.onnx --max-size 0.25 -j 2"), MQ_OK);
    assert_true(value(OPT_MAX_SIZE)->is_ratio && value(OPT_MAX_SIZE)->ratio == 0.25);
    assert_int_equal(parse("m.onnx --max-size none"), MQ_OK);
    assert_int_equal(value(OPT_MAX_SIZE)->word, 0);
    assert_int_equal(parse("m.onnx --duration 250ms --max-drop 0.5% --max-macs 4e9 --batch 8"), MQ_OK);
    assert_true(value(OPT_DURATION)->real == 0.25 && value(OPT_MAX_DROP)->ratio == 0.005);
    assert_true(!value(OPT_MAX_MACS)->is_ratio && value(OPT_MAX_MACS)->real == 4e9);
    assert_true(value(OPT_BATCH)->number == 8 && value(OPT_BATCH)->n_numbers == 1);
    assert_int_equal(parse("m.onnx --max-macs 40%"), MQ_OK);
    assert_true(value(OPT_MAX_MACS)->is_ratio && value(OPT_MAX_MACS)->ratio == 0.4);
    assert_fails("m.onnx --duration 5", MQ_ERR_USAGE, "with its unit");
    assert_fails("m.onnx --max-drop x", MQ_ERR_USAGE, "a ratio");
    assert_fails("m.onnx --batch 1,2", MQ_ERR_USAGE, "one number");
    assert_fails("m.onnx --batch 1,,2", MQ_ERR_USAGE, "whole number");
    assert_fails("m.onnx -j0", MQ_ERR_USAGE, "1 to 4096");
    assert_fails("m.onnx -j x", MQ_ERR_USAGE, "whole number");
    assert_fails("m.onnx --max-size 1Q", MQ_ERR_USAGE, "or none");
}

static void choices_know_whether_they_were_made(void **state)
{
    (void)state;
    assert_int_equal(parse("m.onnx"), MQ_OK);
    assert_false(value(OPT_SYMMETRIC)->given || value(OPT_REDUCE_RANGE)->given);
    assert_int_equal(parse("m.onnx --asymmetric"), MQ_OK);
    assert_true(value(OPT_SYMMETRIC)->given && !value(OPT_SYMMETRIC)->on);
    assert_int_equal(parse("m.onnx --asymmetric --no-asymmetric --no-reduce-range"), MQ_OK);
    assert_true(value(OPT_SYMMETRIC)->given && value(OPT_SYMMETRIC)->on);
    assert_true(value(OPT_REDUCE_RANGE)->given && !value(OPT_REDUCE_RANGE)->on);
}

static void a_target_is_a_runtime_and_a_cpu(void **state)
{
    (void)state;
    assert_int_equal(parse("m.onnx"), MQ_OK);
    assert_int_equal(value(OPT_TARGET)->word, 0);
    assert_int_equal(value(OPT_TARGET)->second, -1);
    assert_int_equal(parse("m.onnx --target onnxruntime,arm64"), MQ_OK);
    assert_int_equal(value(OPT_TARGET)->word, 1);
    assert_int_equal(value(OPT_TARGET)->second, 2);
    assert_string_equal(value(OPT_TARGET)->text, "onnxruntime,arm64");
    assert_int_equal(parse("m.onnx --target onnx,x64-avx2 --target tensorrt"), MQ_OK);
    assert_int_equal(value(OPT_TARGET)->second, -1);
    assert_fails("m.onnx --target tvm,arm64", MQ_ERR_USAGE, "not 'tvm'");
    assert_fails("m.onnx --target onnx,", MQ_ERR_USAGE, "behind the comma");
    assert_fails("m.onnx --target ,arm64", MQ_ERR_USAGE, "--target is onnx");
    assert_fails("m.onnx --type int8,int4", MQ_ERR_USAGE, "not 'int8,int4'");
}

static void ranges_and_block_sizes(void **state)
{
    (void)state;
    assert_int_equal(parse("m.onnx --range -1..0.5 --block-size 64"), MQ_OK);
    assert_int_equal(value(OPT_RANGE)->word, -1);
    assert_true(value(OPT_RANGE)->range.lo == -1 && value(OPT_RANGE)->range.hi == 0.5);
    assert_int_equal(value(OPT_BLOCK_SIZE)->number, 64);
    assert_int_equal(parse("m.onnx --range=stddev=2.5 --range minmax"), MQ_OK);
    assert_int_equal(value(OPT_RANGE)->word, 0);
    assert_fails("m.onnx --range --force", MQ_ERR_USAGE, "needs a value");
    assert_fails("m.onnx --range 3", MQ_ERR_USAGE, "LO..HI");
    assert_fails("m.onnx --block-size 24", MQ_ERR_USAGE, "power of two");
    assert_fails("m.onnx --block-size 512", MQ_ERR_USAGE, "16 to 256");
}

static void lists_need_no_model(void **state)
{
    (void)state;
    assert_int_equal(parse("--list-types"), MQ_OK);
    assert_true(value(OPT_LIST_TYPES)->on);
    assert_fails("--no-list-types", MQ_ERR_USAGE, "only switches");
}

static void lists_take_commas_and_add_up(void **state)
{
    (void)state;
    assert_int_equal(parse("m.onnx --op-types Conv,Gemm --op-types MatMul --nodes re:a{1,2},b --nodes c,d"), MQ_OK);
    assert_int_equal(value(OPT_OP_TYPES)->n_items, 3);
    assert_string_equal(value(OPT_OP_TYPES)->items[2], "MatMul");
    assert_int_equal(value(OPT_NODES)->n_items, 3);
    assert_string_equal(value(OPT_NODES)->items[0], "re:a{1,2},b"); /* a regular expression keeps its commas */
    assert_int_equal(parse("m.onnx --shape a=1,2,b=x,y --dim batch=8,x:0=4"), MQ_OK);
    assert_int_equal(value(OPT_SHAPE)->n_items, 2);
    assert_string_equal(value(OPT_SHAPE)->shapes[1].name, "b");
    assert_string_equal(value(OPT_SHAPE)->shapes[1].symbols[1], "y");
    assert_string_equal(value(OPT_DIM)->names[1], "x:0");
    assert_int_equal(value(OPT_DIM)->numbers[1], 4);
    assert_fails("m.onnx --op-types a,,b", MQ_ERR_USAGE, "empty item");
    assert_fails("m.onnx --dim batch", MQ_ERR_USAGE, "NAME=N");
    assert_fails("m.onnx --shape a=1,b=", MQ_ERR_USAGE, "shape 'b='");
}

static void patterns_come_from_files(void **state)
{
    char path[] = "/tmp/mq-options-XXXXXX", line[64];
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");

    (void)state;
    fputs("conv,1\n\nre:x\r\nlast", f);
    fclose(f);
    snprintf(line, sizeof line, "m.onnx --nodes a,@%s", path);
    assert_int_equal(parse(line), MQ_OK);
    unlink(path);
    assert_int_equal(value(OPT_NODES)->n_items, 4);
    assert_string_equal(value(OPT_NODES)->items[1], "conv,1");
    assert_string_equal(value(OPT_NODES)->items[3], "last");
    assert_int_equal(o.n_read, 1);
    assert_string_equal(o.read[0], path);
    assert_fails("m.onnx --nodes @/nonexistent", MQ_ERR_INPUT, "/nonexistent");
}

static void unknown_options_are_answered(void **state)
{
    (void)state;
    assert_fails("m.onnx --opsett 3", MQ_ERR_USAGE, "did you mean --opset?");
    assert_fails("m.onnx -opset 3", MQ_ERR_USAGE, "did you mean --opset?");
    assert_fails("m.onnx --nodes_to_exclude=a", MQ_ERR_USAGE, "mq calls it --exclude-nodes");
    assert_fails("m.onnx -output a", MQ_ERR_USAGE, "mq calls it -o");
    assert_fails("m.onnx --layers", MQ_ERR_USAGE, "has no option --layers");
    assert_fails("m.onnx --xyzzy", MQ_ERR_USAGE, "mq test -h");
    assert_fails("m.onnx --o x", MQ_ERR_USAGE, "unknown option '--o'");
    assert_fails("m.onnx --sync", MQ_ERR_USAGE, "has no option --sync");
    assert_fails("m.onnx --no-nodes", MQ_ERR_USAGE, "only switches");
    assert_fails("m.onnx --no-help", MQ_ERR_USAGE, "only switches");
    assert_fails("m.onnx --force=yes", MQ_ERR_USAGE, "takes no value");
    assert_fails("m.onnx -o", MQ_ERR_USAGE, "needs a value");
    assert_fails("m.onnx -o --force", MQ_ERR_USAGE, "needs a value");
    assert_fails("m.onnx --type=", MQ_ERR_USAGE, "needs a value");
    assert_fails("m.onnx --algorithm gptq", MQ_ERR_USAGE, "no option --algorithm");
    assert_fails("m.onnx --symmetric True", MQ_ERR_USAGE, "switches take no value");
    assert_fails("m.onnx --verify maybe", MQ_ERR_USAGE, "auto, none, load or run");
}

static void files(void **state)
{
    (void)state;
    assert_int_equal(parse("-- -m.onnx"), MQ_OK);
    assert_string_equal(o.files[0], "-m.onnx");
    assert_fails("", MQ_ERR_USAGE, "no model");
    assert_fails("a.onnx b.onnx", MQ_ERR_USAGE, "-o FILE");
    assert_fails("a.pt", MQ_ERR_INPUT, "PyTorch");
    assert_fails("a.safetensors", MQ_ERR_INPUT, "without a graph");
    assert_fails("saved_model.pb", MQ_ERR_INPUT, "TensorFlow");
    assert_int_equal(parse("model.pb"), MQ_OK); /* an ONNX model may be called so */
    assert_fails("m --json -o -", MQ_ERR_USAGE, "both go to standard output");
    assert_fails("m --report md:- --json", MQ_ERR_USAGE, "both go to standard output");
    assert_fails("m --report a.txt", MQ_ERR_USAGE, "which form");
    assert_int_equal(parse("m --report a.html,html:b"), MQ_OK);
    assert_fails("m --depfile d -o -", MQ_ERR_USAGE, "--depfile");
    assert_int_equal(parse("m -h --whatever"), MQ_OK);
    assert_true(o.help);
}

static void nearest_names(void **state)
{
    static const char *const names[] = { "quantize", "inspect", "check" };

    (void)state;
    assert_string_equal(cli_nearest("quantise", names, 3), "quantize");
    assert_string_equal(cli_nearest("chekc", names, 3), "check");
    assert_string_equal(cli_nearest("nspect", names, 3), "inspect");
    assert_null(cli_nearest("bench", names, 1));
    assert_null(cli_nearest("q", names, 3));
}

static int release(void **state)
{
    (void)state;
    cli_options_release(&o);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_is_complete),
        cmocka_unit_test(defaults),
        cmocka_unit_test(options_stand_anywhere_and_the_last_wins),
        cmocka_unit_test(numbers),
        cmocka_unit_test(choices_know_whether_they_were_made),
        cmocka_unit_test(a_target_is_a_runtime_and_a_cpu),
        cmocka_unit_test(ranges_and_block_sizes),
        cmocka_unit_test(lists_need_no_model),
        cmocka_unit_test(lists_take_commas_and_add_up),
        cmocka_unit_test(patterns_come_from_files),
        cmocka_unit_test(unknown_options_are_answered),
        cmocka_unit_test(files),
        cmocka_unit_test(nearest_names),
    };

    return cmocka_run_group_tests(tests, NULL, release);
}
