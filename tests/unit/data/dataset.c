/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From options to runs: what feeds what, batches, padding, state, samples left out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "data_make.h"
#include "model/onnx_info.h"

static void one_input(const char *dims)
{
    make_input(m->graph, "x", MQ_FLOAT, dims);
    make_node(m->graph, "Identity", "x", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, dims);
}

static void arrays_are_batched(void **state)
{
    const mq_data_call *c;

    (void)state;
    one_input("N,2");
    put_floats("a.npy", "3,2");
    data.batch = 2;
    DATA("a.npy");
    assert_int_equal(mq_dataset_n_samples(ds), 3);
    c = next();
    array_is(c->in[0], "float[2,2]: 0 1 2 3");
    assert_int_equal(c->n, 2);
    assert_true(c->restart);
    c = next();
    array_is(c->in[0], "float[1,2]: 4 5");
    assert_int_equal(c->samples[0], 2);
    assert_false(c->restart);
    assert_null(next());
    mq_dataset_rewind(ds);
    array_is(next()->in[0], "float[2,2]: 0 1 2 3");
    assert_string_equal(mq_dataset_look(ds, 0)->text, "float[2,2]");
    assert_true(mq_dataset_look(ds, 0)->max == 3);
}

/* An input of integers that the metadata explain takes numbers, and integers as they are. */
static void integers_that_stand_for_numbers(void **state)
{
    mq_value *x = make_input(m->graph, "x", MQ_INT8, "N,2");
    const mq_edge edge = { 0.02f, -100 };

    (void)state;
    make_node(m->graph, "Identity", "x", "y");
    make_type(make_output(m->graph, "y"), MQ_INT8, "N,2");
    put_floats("a.npy", "3,2"); /* 0 to 5 */
    data.batch = 3;
    REFUSED(MQ_ERR_INPUT, "float[3,2] does not fit input 'x', which is int8[N,2]", "a.npy");
    assert_int_equal(mq_edge_set(x, &edge, NULL), MQ_OK);
    DATA("a.npy");
    array_is(next()->in[0], "int8[3,2]: -100 -50 0 50 100 127");
    put_npy("q.npy", MQ_INT8, "1,2", "\x05\xfb");
    DATA("q.npy");
    array_is(next()->in[0], "int8[1,2]: 5 -5");
}

static void a_fixed_batch_is_filled_up(void **state)
{
    const mq_data_call *c;

    (void)state;
    one_input("2,2");
    put_floats("a.npy", "3,2");
    DATA("a.npy");
    next();
    c = next();
    array_is(c->in[0], "float[2,2]: 4 5 4 5");
    assert_int_equal(c->n, 1);
    assert_int_equal(c->rows, 2);
    data.batch = 3;
    REFUSED(MQ_ERR_USAGE, "fixed batch of 2", "a.npy");
}

static void rows_one_rank_above_are_runs(void **state)
{
    const mq_data_call *c;

    (void)state;
    one_input("N,2");
    put_floats("a.npy", "2,1,2");
    DATA("a.npy");
    c = next();
    array_is(c->in[0], "float[1,2]: 0 1");
    assert_int_equal(c->rows, 0);
    data.batch = 2;
    REFUSED(MQ_ERR_USAGE, "a run of its own", "a.npy");
}

static void inputs_without_a_batch_axis_are_whole(void **state)
{
    const mq_data_call *c;

    (void)state;
    make_input(m->graph, "x", MQ_FLOAT, "N,2");
    make_input(m->graph, "k", MQ_FLOAT, "2,2");
    make_node(m->graph, "MatMul", "x,k", "y");
    make_output(m->graph, "y");
    put_floats("x.npy", "3,2");
    put_floats("k.npy", "2,2");
    data.batch = 3;
    DATA("x=x.npy", "k=k.npy");
    c = next();
    array_is(c->in[0], "float[3,2]: 0 1 2 3 4 5");
    array_is(c->in[1], "float[2,2]: 0 1 2 3");
    assert_null(next());
}

static void columns_and_rows(void **state)
{
    const mq_data_call *c;

    (void)state;
    make_input(m->graph, "a", MQ_FLOAT, "N,2");
    make_input(m->graph, "b:0", MQ_FLOAT, "N,1");
    make_node(m->graph, "Mul", "a,b:0", "y");
    make_output(m->graph, "y");
    put_floats("a.npy", "2,2");
    put_floats("b.npy", "4,1");
    data.batch = 4;
    DATA("a=a.npy", "a=a.npy", "b:0=b.npy");
    c = next();
    array_is(c->in[0], "float[4,2]: 0 1 2 3 0 1 2 3");
    array_is(c->in[1], "float[4,1]: 0 1 2 3");
    REFUSED(MQ_ERR_INPUT, "4 samples", "a=a.npy", "b:0=b.npy");
    REFUSED(MQ_ERR_INPUT, "nothing feeds input 'b:0'", "a=a.npy");
    REFUSED(MQ_ERR_USAGE, "did you mean 'b:0'", "b:1=b.npy");
}

static void what_does_not_fit_is_said(void **state)
{
    (void)state;
    one_input("N,2");
    put_floats("a.npy", "3,5");
    REFUSED(MQ_ERR_INPUT, "float[3,5] does not fit input 'x', which is float[N,2]", "a.npy");
    put_npy("u.npy", MQ_UINT8, "1,2", "ab");
    REFUSED(MQ_ERR_USAGE, "imagenet", "u.npy");
    REFUSED(MQ_ERR_INPUT, "cannot read 'none.npy'", "none.npy");
    REFUSED(MQ_ERR_USAGE, "no input 'a.bin'", "a.bin=3");
    scratch_put_text("a.bin", "");
    REFUSED(MQ_ERR_USAGE, "random:N", "a.bin");
    put_npy("e.npy", MQ_FLOAT, "0,2", "");
    REFUSED(MQ_ERR_INPUT, "no samples", "e.npy");
}

static void samples_are_spread(void **state)
{
    (void)state;
    one_input("N,1");
    put_floats("a.npy", "10,1");
    data.batch = 3;
    data.samples = 3;
    DATA("a.npy");
    array_is(next()->in[0], "float[3,1]: 0 3 6");
    assert_int_equal(mq_dataset_n_total(ds), 10);
}

static void labels_and_bad_samples(void **state)
{
    static const char *const labels[] = { ":l" };
    const mq_data_call *c;

    (void)state;
    one_input("N,2");
    scratch_put_text("a.jsonl", "{\"x\":[1,2],\"l\":7}\n{\"x\":[1],\"l\":8}\n{\"x\":[3,4],\"l\":9}\n");
    data.labels = labels;
    data.n_labels = 1;
    data.batch = 4;
    DATA("a.jsonl");
    assert_int_equal(mq_dataset_next(ds, &c, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "a.jsonl, sample 1"));
    data.skip_bad = true;
    DATA("a.jsonl");
    c = next();
    array_is(c->in[0], "float[2,2]: 1 2 3 4");
    array_is(c->labels, "int64[2]: 7 9");
    assert_int_equal(c->samples[1], 2);
    assert_int_equal(mq_dataset_counts(ds)->skipped, 1);
    assert_non_null(strstr(warned, "bad-sample"));
}

/* The samples of each run as digits, runs apart by commas. */
static const char *all_runs(void)
{
    static char text[256];
    size_t n = 0;
    const mq_data_call *c;

    while ((c = next())) {
        for (size_t i = 0; i < c->n; i++)
            text[n++] = (char)('0' + c->samples[i]);
        text[n++] = ',';
    }
    text[n] = 0;
    return text;
}

static const char *runs_of_part(int shard, int n_shards)
{
    data.shard = shard;
    data.n_shards = n_shards;
    DATA("a.jsonl");
    return all_runs();
}

/* What is left out or of another shape does not move the runs behind it: parts have the runs of the whole. */
static void parts_have_the_runs_of_the_whole(void **state)
{
    char joined[256];

    (void)state;
    make_input(m->graph, "x", MQ_FLOAT, "N,L");
    make_node(m->graph, "Identity", "x", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "N,L");
    scratch_put_text("a.jsonl", "{\"x\":[1,2]}\n{\"x\":[1]}\n{\"x\":[3]}\n{\"x\":\"bad\"}\n{\"x\":[5]}\n{\"x\":[6]}\n"
                                "{\"x\":[7]}\n{\"x\":[8]}\n{\"x\":[9]}\n");
    data.batch = 2;
    data.skip_bad = true;
    assert_string_equal(runs_of_part(0, 0), "0,12,45,67,8,");
    assert_string_equal(runs_of_part(1, 1), "0,1,2,45,67,8,");
    for (int n = 1; n <= 9; n++) {
        joined[0] = 0;
        for (int i = 1; i <= n; i++)
            strcat(joined, runs_of_part(i, n));
        assert_string_equal(joined, "0,1,2,45,67,8,");
    }
    assert_string_equal(runs_of_part(2, 5), "2,"); /* and the bad one */
    assert_int_equal(mq_dataset_n_samples(ds), 2);
    assert_int_equal(mq_dataset_n_chosen(ds), 9);
    mq_dataset_rewind(ds);
    assert_string_equal(all_runs(), "2,");
}

/* One text, whatever the folder: contents, names, keys and what is generated count. */
static void data_are_known_again(void **state)
{
    char a[96], b[96];

    (void)state;
    one_input("N,2");
    put_floats("a.npy", "3,2");
    DATA("a.npy");
    assert_int_equal(mq_dataset_digest(ds, a, sizeof a, &err), MQ_OK);
    assert_int_equal(mkdir("folder", 0755), 0);
    put_floats("folder/a.npy", "3,2");
    data.shard = data.n_shards = 2;
    DATA("folder/a.npy");
    assert_int_equal(mq_dataset_digest(ds, b, sizeof b, &err), MQ_OK);
    assert_string_equal(a, b);
    put_floats("folder/a.npy", "4,2");
    DATA("folder/a.npy");
    assert_int_equal(mq_dataset_digest(ds, b, sizeof b, &err), MQ_OK);
    assert_string_not_equal(a, b);
    put_floats("b.npy", "3,2");
    DATA("b.npy");
    assert_int_equal(mq_dataset_digest(ds, b, sizeof b, &err), MQ_OK);
    assert_string_not_equal(a, b);
    DATA("random:3");
    assert_int_equal(mq_dataset_digest(ds, a, sizeof a, &err), MQ_OK);
    assert_true(strncmp(a, "generated:", 10) == 0);
    DATA("random:4");
    assert_int_equal(mq_dataset_digest(ds, b, sizeof b, &err), MQ_OK);
    assert_string_not_equal(a, b);
}

static void nonfinite_numbers_are_counted(void **state)
{
    const float f[] = { 1, NAN, 2, INFINITY };
    const mq_data_call *c;

    (void)state;
    one_input("N,1");
    put_npy("a.npy", MQ_FLOAT, "4,1", f);
    data.batch = 4;
    DATA("a.npy");
    next();
    assert_int_equal(mq_dataset_counts(ds)->nonfinite, 2);
    assert_string_equal(mq_dataset_counts(ds)->first_nonfinite, "input 'x': a.npy, row 1");
    data.refuse_nonfinite = true; /* all are counted, those of later runs too */
    data.batch = 1;
    DATA("a.npy");
    array_is(next()->in[0], "float[1,1]: 1");
    assert_int_equal(mq_dataset_next(ds, &c, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "2 of 4 samples have NaN or infinity (--allow-nonfinite); "
                                  "the first is input 'x': a.npy, row 1");
    data.skip_bad = true;
    DATA("a.npy");
    array_is(next()->in[0], "float[1,1]: 1");
    array_is(next()->in[0], "float[1,1]: 2");
    assert_null(next());
    assert_int_equal(mq_dataset_counts(ds)->skipped, 2);
}

static void state_is_carried(void **state)
{
    static const char *const carry[] = { "hn=h" };
    const mq_data_call *c;
    mq_array *outputs[2];

    (void)state;
    make_input(m->graph, "x", MQ_FLOAT, "N,2");
    make_input(m->graph, "h", MQ_FLOAT, "2,N,1");
    make_node(m->graph, "Identity", "x", "y");
    make_node(m->graph, "Identity", "h", "hn");
    make_output(m->graph, "y");
    make_output(m->graph, "hn");
    put_floats("a.npy", "2,2");
    data.carry = carry;
    data.n_carry = 1;
    data.samples = 3;
    DATA("a.npy", "a.npy");
    c = next();
    assert_true(c->restart);
    array_is(c->in[1], "float[2,1,1]: 0 0");
    assert_int_equal(mq_array_create(&outputs[1], MQ_FLOAT, 3, (int64_t[]){ 2, 1, 1 }, NULL), MQ_OK);
    ((float *)outputs[1]->data)[0] = 5;
    ((float *)outputs[1]->data)[1] = 6;
    outputs[0] = outputs[1];
    assert_int_equal(mq_dataset_carry(ds, outputs, &err), MQ_OK);
    c = next();
    assert_false(c->restart);
    array_is(c->in[1], "float[2,1,1]: 5 6");
    c = next(); /* the next file */
    assert_true(c->restart);
    array_is(c->in[1], "float[2,1,1]: 0 0");
    assert_null(next());
    mq_array_unref(outputs[1]);
    data.batch = 2;
    REFUSED(MQ_ERR_USAGE, "--carry", "a.npy");
}

/* Sizes that the file calls nothing: one row is one run, so the state's batch is 1. */
static void carried_state_needs_no_shape(void **state)
{
    static const char *const carry[] = { "hn=h" };

    (void)state;
    make_input(m->graph, "x", MQ_FLOAT, "?,2");
    make_input(m->graph, "h", MQ_FLOAT, "2,?,1");
    make_node(m->graph, "Identity", "h", "hn");
    make_output(m->graph, "hn");
    put_floats("runs.npy", "3,2,2");
    data.carry = carry;
    data.n_carry = 1;
    DATA("runs.npy");
    array_is(next()->in[1], "float[2,2,1]: 0 0 0 0"); /* a run has two rows */
    put_floats("a.npy", "3,2");
    DATA("a.npy");
    array_is(next()->in[1], "float[2,1,1]: 0 0");
}

/* [layers, samples, units] is split along its second axis, where the batch of a state lies. */
static void states_are_split(void **state)
{
    const mq_data_call *c;

    (void)state;
    make_input(m->graph, "x", MQ_FLOAT, "?,2");
    make_input(m->graph, "h", MQ_FLOAT, "2,?,2");
    make_node(m->graph, "Identity", "h", "y");
    make_output(m->graph, "y");
    put_floats("a.npy", "3,2");
    put_floats("h.npy", "2,3,2");
    data.batch = 2;
    DATA("x=a.npy", "h=h.npy");
    assert_int_equal(mq_dataset_n_samples(ds), 3);
    c = next();
    array_is(c->in[0], "float[2,2]: 0 1 2 3");
    array_is(c->in[1], "float[2,2,2]: 0 1 2 3 6 7 8 9");
    c = next();
    array_is(c->in[1], "float[2,1,2]: 4 5 10 11");
    assert_null(next());
}

static void decoders_are_filled(void **state)
{
    static const char *const fills[] = { "past*=empty", "mask=ones", "pos=range" };
    const mq_data_call *c;

    (void)state;
    make_input(m->graph, "ids", MQ_INT64, "B,S");
    make_input(m->graph, "mask", MQ_INT64, "B,P + S");
    make_input(m->graph, "pos", MQ_INT64, "B,S");
    make_input(m->graph, "past.0", MQ_FLOAT, "B,3,P,4");
    make_node(m->graph, "Identity", "ids", "y");
    make_output(m->graph, "y");
    scratch_put_text("a.jsonl", "{\"ids\":[4,5,6]}\n{\"ids\":[7]}\n");
    data.fills = fills;
    data.n_fills = 3;
    DATA("a.jsonl");
    c = next();
    array_is(c->in[0], "int64[1,3]: 4 5 6");
    array_is(c->in[1], "int64[1,3]: 1 1 1");
    array_is(c->in[2], "int64[1,3]: 0 1 2");
    array_is(c->in[3], "float[1,3,0,4]:");
    c = next();
    array_is(c->in[1], "int64[1,1]: 1");
    data.n_fills = 2;
    REFUSED(MQ_ERR_INPUT, "nothing feeds input 'pos'", "a.jsonl");
}

static void generated_numbers(void **state)
{
    static const float table[20] = { 0 };
    const mq_data_call *c;
    mq_array *first;

    (void)state;
    make_input(m->graph, "ids", MQ_INT64, "B,50");
    make_input(m->graph, "x", MQ_FLOAT, "B,50");
    make_init(m->graph, "t", MQ_FLOAT, "5,4", table);
    make_node(m->graph, "Identity", "ids", "ids2");
    make_node(m->graph, "Gather", "t,ids2", "y");
    make_output(m->graph, "y");
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_random_limit(m->graph->inputs.items[0]), 5);
    DATA("random:3,uniform=2/3");
    assert_true(mq_dataset_generated(ds));
    next();
    c = next();
    for (size_t i = 0; i < 50; i++) {
        assert_in_range(mq_array_i64(c->in[0], i), 0, 4);
        assert_true(mq_array_f64(c->in[1], i) >= 2 && mq_array_f64(c->in[1], i) <= 3);
    }
    first = mq_array_ref(c->in[1]);
    data.batch = 3;
    DATA("random:3,uniform=2/3");
    c = next();
    assert_memory_equal((float *)c->in[1]->data + 50, first->data, 50 * sizeof(float));
    mq_array_unref(first);
    REFUSED(MQ_ERR_USAGE, "random:N", "random:0");
    REFUSED(MQ_ERR_USAGE, "normal=MEAN/DEVIATION", "random:1,normal=3");
}

static void references_and_leftovers(void **state)
{
    const mq_data_call *c;

    (void)state;
    one_input("N,2");
    scratch_put_text("a.jsonl", "{\"pixels\":[1,2],\"y\":[5,6],\"id\":4}\n");
    DATA("a.jsonl");
    assert_true(noted("'pixels' feeds 'x'"));
    assert_true(noted("'id' is not used"));
    assert_true(mq_dataset_has_want(ds, 0));
    c = next();
    array_is(c->want[0], "int64[1,2]: 5 6");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DATA(arrays_are_batched),
        ON_DATA(integers_that_stand_for_numbers),
        ON_DATA(a_fixed_batch_is_filled_up),
        ON_DATA(rows_one_rank_above_are_runs),
        ON_DATA(inputs_without_a_batch_axis_are_whole),
        ON_DATA(columns_and_rows),
        ON_DATA(what_does_not_fit_is_said),
        ON_DATA(samples_are_spread),
        ON_DATA(labels_and_bad_samples),
        ON_DATA(parts_have_the_runs_of_the_whole),
        ON_DATA(data_are_known_again),
        ON_DATA(nonfinite_numbers_are_counted),
        ON_DATA(state_is_carried),
        ON_DATA(carried_state_needs_no_shape),
        ON_DATA(states_are_split),
        ON_DATA(decoders_are_filled),
        ON_DATA(generated_numbers),
        ON_DATA(references_and_leftovers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
