/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/run.c: a model on data, what is told, saved and reported, and a decoder with a cache from its ids alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data_make.h"
#include "mq/run.h"
#include "report/report.h"

static mq_run_opts opts;
static mq_run_summary sum;
static char told[4000], notes[1000];

/* "y float[1,2] 0: 1 2; " for each result */
static void tell(void *user, const mq_run_result *r)
{
    const size_t n = mq_view_count(&r->view);
    size_t at = strlen(told);

    (void)user;
    at += (size_t)snprintf(told + at, sizeof told - at, "%s %s", r->name, r->text);
    for (size_t i = 0; i < r->n_samples; i++)
        at += (size_t)snprintf(told + at, sizeof told - at, " %d", (int)r->samples[i]);
    at += (size_t)snprintf(told + at, sizeof told - at, ":");
    for (size_t i = 0; i < n && i < 8; i++)
        at += (size_t)snprintf(told + at, sizeof told - at, " %g", mq_view_number(&r->view, i));
    snprintf(told + at, sizeof told - at, "; ");
}

static void note(void *user, const char *text)
{
    (void)user;
    snprintf(notes + strlen(notes), sizeof notes - strlen(notes), "%s; ", text);
}

static int setup(void **state)
{
    opts = (mq_run_opts){ .result = tell, .note = note, .detail = note };
    *told = *notes = '\0';
    return data_setup(state);
}

#define SOURCE(field, ...)                                       \
    do {                                                         \
        static const char *const list_[] = { __VA_ARGS__ };      \
        opts.source.field = list_;                               \
        opts.source.n_##field = MQ_ARRAY_LEN(list_);             \
    } while (0)

static void run(void)
{
    if (mq_run(m, &opts, NULL, &hooks, &sum, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static void refused(mq_status want, const char *part)
{
    assert_int_equal(mq_run(m, &opts, NULL, &hooks, &sum, &err), want);
    if (!strstr(err.text, part))
        fail_msg("'%s' is not in: %s", part, err.text);
}

/* a = 2x, y = a + 1 */
static void small_model(void)
{
    static const float two = 2, one = 1;

    make_input(m->graph, "x", MQ_FLOAT, "N,2");
    make_init(m->graph, "two", MQ_FLOAT, "", &two);
    make_init(m->graph, "one", MQ_FLOAT, "", &one);
    make_node(m->graph, "Mul", "x,two", "a");
    make_node(m->graph, "Add", "a,one", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "N,2");
    put_floats("x.npy", "3,2");
}

static void results_come_run_by_run(void **state)
{
    (void)state;
    small_model();
    SOURCE(data, "x.npy");
    run();
    assert_string_equal(told, "y float[1,2] 0: 1 3; y float[1,2] 1: 5 7; y float[1,2] 2: 9 11; ");
    assert_string_equal(notes, "'x' is float[1,2], 0 to 1; ");
    assert_true(sum.n_samples == 3 && sum.n_runs == 3 && sum.nonfinite == 0);
    *told = '\0';
    opts.source.batch = 2;
    run();
    assert_string_equal(told, "y float[2,2] 0 1: 1 3 5 7; y float[1,2] 2: 9 11; ");
}

static void without_data_one_sample_is_generated(void **state)
{
    (void)state;
    small_model();
    run();
    assert_int_equal(sum.n_samples, 1);
    assert_non_null(strstr(notes, "generated"));
}

static void a_part_runs_between_chosen_tensors(void **state)
{
    static const char *const in[] = { "a" }, *const out[] = { "y" }, *const more[] = { "a*" };

    (void)state;
    small_model();
    SOURCE(data, "x.npy");
    opts.tensors = more;
    opts.n_tensors = 1;
    run();
    assert_non_null(strstr(told, "y float[1,2] 0: 1 3; a float[1,2] 0: 0 2; "));
    *told = '\0';
    opts.n_tensors = 0;
    opts.inputs = in;
    opts.outputs = out;
    opts.n_inputs = opts.n_outputs = 1;
    run();
    assert_non_null(strstr(told, "y float[1,2] 0: 1 2; ")); /* x.npy feeds a now */
    opts.source.n_data = 0;
    run(); /* a's type is what the model infers */
}

static void outputs_are_saved(void **state)
{
    mq_report *report = NULL;
    mq_array *a = NULL;

    (void)state;
    small_model();
    SOURCE(data, "x.npy");
    opts.save = "y.npy";
    assert_int_equal(mq_report_create(&report, "run", &err), MQ_OK);
    assert_int_equal(mq_run(m, &opts, report, NULL, NULL, &err), MQ_OK);
    assert_int_equal(mq_array_load_npy(&a, "y.npy", &err), MQ_OK);
    assert_true(a->rank == 2 && a->dims[0] == 3 && a->dims[1] == 2 && mq_array_f64(a, 5) == 11);
    mq_array_unref(a);
    assert_int_equal(json_integer_value(json_object_get(mq_report_peek(report, "run"), "samples")), 3);
    assert_int_equal(json_array_size(mq_report_peek(report, "files")), 2);
    mq_report_free(report);
}

static void what_cannot_be_written_is_said_before_the_run(void **state)
{
    static const char *const none[] = { "outt" };

    (void)state;
    small_model();
    SOURCE(data, "x.npy");
    scratch_put_text("there.npz", "old");
    opts.save = "there.npz";
    refused(MQ_ERR_USAGE, "'there.npz' exists");
    opts.save = "none/there.npz";
    refused(MQ_ERR_SYSTEM, "none/there.npz");
    opts.save = "there.csv";
    refused(MQ_ERR_USAGE, ".npz, .npy or .pb");
    opts.save = NULL;
    opts.outputs = none;
    opts.n_outputs = 1;
    refused(MQ_ERR_USAGE, "--outputs: the model has no tensor 'outt'");
    assert_string_equal(told, "");
}

static void nonfinite_data_are_counted(void **state)
{
    static const float bad[6] = { 0, 1, NAN, 3, 4, INFINITY };

    (void)state;
    small_model();
    put_npy("x.npy", MQ_FLOAT, "3,2", bad);
    SOURCE(data, "x.npy");
    run();
    assert_int_equal(sum.nonfinite, 2);
    assert_non_null(strstr(warned, "data-nonfinite: 2 of 3 samples"));
    *warned = '\0';
    opts.source.allow_nonfinite = true;
    run();
    assert_string_equal(warned, "");
    assert_int_equal(sum.nonfinite, 2);
}

static void an_invalid_model_is_refused(void **state)
{
    (void)state;
    small_model();
    make_node(m->graph, "Relu", "nobody", "z");
    refused(MQ_ERR_INPUT, "nobody");
}

static bool cancelled(void *user)
{
    (void)user;
    return true;
}

static void a_run_can_be_cancelled(void **state)
{
    const mq_hooks stop = { .cancelled = cancelled };

    (void)state;
    small_model();
    SOURCE(data, "x.npy");
    assert_int_equal(mq_run(m, &opts, NULL, &stop, &sum, &err), MQ_ERR_CANCELLED);
}

/* x = E[ids] + P[positions]; keys = past, x; y = softmax(x keys' + (mask - 1) * 1e4) keys. */
static void decoder(void)
{
    static const float one = 1, big = 1e4f;
    static const int64_t axis = 1, perm[3] = { 0, 2, 1 };
    float e[16], p[16];

    for (int i = 0; i < 16; i++) {
        e[i] = (float)(i % 5) / 4;
        p[i] = (float)(i % 3) / 8;
    }
    make_input(m->graph, "ids", MQ_INT64, "batch,seq");
    make_input(m->graph, "attention_mask", MQ_INT64, "batch,total");
    make_input(m->graph, "positions", MQ_INT64, "batch,seq");
    make_input(m->graph, "past.0", MQ_FLOAT, "batch,past,2");
    make_init(m->graph, "E", MQ_FLOAT, "8,2", e);
    make_init(m->graph, "P", MQ_FLOAT, "8,2", p);
    make_init(m->graph, "one", MQ_FLOAT, "", &one);
    make_init(m->graph, "big", MQ_FLOAT, "", &big);
    make_init(m->graph, "axis", MQ_INT64, "1", &axis);
    make_node(m->graph, "Gather", "E,ids", "e");
    make_node(m->graph, "Gather", "P,positions", "p");
    make_node(m->graph, "Add", "e,p", "x");
    mq_node_set_attr_int(make_node(m->graph, "Concat", "past.0,x", "present.0"), "axis", 1, NULL);
    mq_node_set_attr_ints(make_node(m->graph, "Transpose", "present.0", "t"), "perm", perm, 3, NULL);
    make_node(m->graph, "MatMul", "x,t", "s");
    mq_node_set_attr_int(make_node(m->graph, "Cast", "attention_mask", "f"), "to", MQ_FLOAT, NULL);
    make_node(m->graph, "Sub", "f,one", "g");
    make_node(m->graph, "Mul", "g,big", "h");
    make_node(m->graph, "Unsqueeze", "h,axis", "u");
    make_node(m->graph, "Add", "s,u", "v");
    make_node(m->graph, "Softmax", "v", "w");
    make_node(m->graph, "MatMul", "w,present.0", "y");
    make_type(make_output(m->graph, "y"), MQ_FLOAT, "batch,seq,2");
    make_type(make_output(m->graph, "present.0"), MQ_FLOAT, "batch,total,2");
}

static void a_decoder_runs_from_its_ids_alone(void **state)
{
    (void)state;
    decoder();
    scratch_put_text("ids.jsonl", "{\"ids\": [1, 2, 3]}\n{\"ids\": [4]}\n");
    SOURCE(data, "ids.jsonl");
    refused(MQ_ERR_INPUT, "nothing feeds input 'attention_mask'");
    SOURCE(fills, "past.*=empty", "attention_mask=ones", "positions=range");
    run();
    assert_non_null(strstr(told, "y float[1,3,2] 0: "));
    assert_non_null(strstr(told, "present.0 float[1,3,2] 0: "));
    assert_non_null(strstr(told, "y float[1,1,2] 1: ")); /* one key: y is it */
    assert_non_null(strstr(told, "present.0 float[1,1,2] 1: 0.75 1.125; "));
}

static void a_cache_of_a_given_size_is_made_by_dim(void **state)
{
    (void)state;
    decoder();
    scratch_put_text("ids.jsonl", "{\"ids\": [1, 2]}\n");
    SOURCE(data, "ids.jsonl");
    SOURCE(fills, "past.*=zeros", "attention_mask=ones", "positions=range");
    SOURCE(dims, "past=3", "total=5");
    run();
    assert_non_null(strstr(told, "y float[1,2,2] 0: "));
    assert_non_null(strstr(told, "present.0 float[1,5,2] 0: 0 0 0 0 0 0 "));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, data_teardown)
    const struct CMUnitTest tests[] = {
        T(results_come_run_by_run), T(without_data_one_sample_is_generated), T(a_part_runs_between_chosen_tensors),
        T(outputs_are_saved), T(what_cannot_be_written_is_said_before_the_run), T(nonfinite_data_are_counted),
        T(an_invalid_model_is_refused), T(a_run_can_be_cancelled), T(a_decoder_runs_from_its_ids_alone),
        T(a_cache_of_a_given_size_is_made_by_dim),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
