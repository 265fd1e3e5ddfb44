/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Plans and runners: what runs, what is watched and replaced, parts of graphs, constants exchanged, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "exec/exec.h"
#include "graph_make.h"
#include "ops/ops.h"

#define OPSET 21

/* y = Relu(x * w) + b over [N,3], with the inner tensors m and r. */
static mq_model *small_model(void)
{
    mq_model *m = make_model(OPSET);
    mq_graph *g = m->graph;

    make_input(g, "x", MQ_FLOAT, "N,3");
    make_init(g, "w", MQ_FLOAT, "3", (float[]){ 2, -1, 3 });
    make_init(g, "b", MQ_FLOAT, "1", (float[]){ 10 });
    make_node(g, "Mul", "x,w", "m");
    make_node(g, "Relu", "m", "r");
    make_node(g, "Add", "r,b", "y");
    make_output(g, "y");
    return m;
}

static mq_array *rows(int64_t n, const float *data)
{
    mq_array *a = NULL;

    assert_int_equal(mq_array_create(&a, MQ_FLOAT, 2, (int64_t[]){ n, 3 }, NULL), MQ_OK);
    if (n)
        memcpy(a->data, data, (size_t)n * 3 * sizeof *data);
    return a;
}

static void expect(const mq_array *a, size_t n, const float *want)
{
    assert_non_null(a);
    assert_int_equal(a->count, n);
    for (size_t i = 0; i < n; i++)
        assert_true(((const float *)a->data)[i] == want[i]);
}

typedef struct fixture {
    mq_model *m;
    mq_plan *p;
    mq_runner *r;
    mq_error err;
} fixture;

static void start(fixture *f, mq_model *m, const mq_plan_opts *opts)
{
    *f = (fixture){ .m = m };
    if (mq_plan_create(&f->p, m, opts, NULL, &f->err) != MQ_OK)
        fail_msg("%s", f->err.text);
    assert_int_equal(mq_runner_create(&f->r, f->p, 2, &f->err), MQ_OK);
}

static void stop(fixture *f)
{
    mq_runner_free(f->r);
    mq_plan_free(f->p);
    mq_model_free(f->m);
}

static void shapes_may_change(void **state)
{
    fixture f;
    const float x[6] = { 1, 2, 3, -1, -2, -3 };

    (void)state;
    start(&f, small_model(), NULL);
    for (int64_t n = 1; n <= 2; n++) {
        mq_array *in = rows(n, x), *out = NULL;

        assert_int_equal(mq_runner_run(f.r, &in, &out, &f.err), MQ_OK);
        expect(out, (size_t)n * 3, (float[]){ 12, 10, 19, 10, 12, 10 });
        expect(in, (size_t)n * 3, x); /* never written to */
        mq_array_unref(in);
        mq_array_unref(out);
    }
    stop(&f);
}

static void no_rows_are_fine(void **state)
{
    fixture f;
    mq_array *in = rows(0, NULL), *out = NULL;

    (void)state;
    start(&f, small_model(), NULL);
    assert_int_equal(mq_runner_run(f.r, &in, &out, &f.err), MQ_OK);
    assert_int_equal(out->count, 0);
    assert_int_equal(out->dims[1], 3);
    mq_array_unref(in);
    mq_array_unref(out);
    stop(&f);
}

static void inputs_are_checked(void **state)
{
    fixture f;
    mq_array *none = NULL, *out = NULL, *wrong = NULL;

    (void)state;
    start(&f, small_model(), NULL);
    assert_int_equal(mq_runner_run(f.r, &none, &out, &f.err), MQ_ERR_INPUT);
    assert_string_equal(f.err.text, "input 'x' is missing");
    assert_int_equal(mq_array_create(&wrong, MQ_FLOAT, 2, (int64_t[]){ 1, 4 }, NULL), MQ_OK);
    assert_int_equal(mq_runner_run(f.r, &wrong, &out, &f.err), MQ_ERR_INPUT);
    assert_string_equal(f.err.text, "input 'x' is float[1,4] where the model wants float[N,3]");
    mq_array_unref(wrong);
    assert_int_equal(mq_array_create(&wrong, MQ_INT64, 2, (int64_t[]){ 1, 3 }, NULL), MQ_OK);
    assert_int_equal(mq_runner_run(f.r, &wrong, &out, &f.err), MQ_ERR_INPUT);
    mq_array_unref(wrong);
    assert_null(out);
    stop(&f);
}

static mq_status double_m(void *user, const mq_value *v, mq_array *a, mq_error *err)
{
    int *calls = user;

    (void)err;
    ++*calls;
    if (strcmp(v->name, "m") == 0)
        for (size_t i = 0; i < a->count; i++)
            ((float *)a->data)[i] *= 2;
    return MQ_OK;
}

static void watched_and_replaced(void **state)
{
    fixture f;
    const char *keep[] = { "m", "r" };
    const mq_plan_opts opts = { .keep = keep, .n_keep = 2 };
    mq_array *in = rows(1, (float[]){ 1, 2, 3 }), *out = NULL;
    int calls = 0;

    (void)state;
    start(&f, small_model(), &opts);
    mq_runner_watch(f.r, double_m, &calls);
    assert_int_equal(mq_runner_run(f.r, &in, &out, &f.err), MQ_OK);
    assert_int_equal(calls, 2);
    expect(out, 3, (float[]){ 14, 10, 28 });
    mq_array_unref(in);
    mq_array_unref(out);
    stop(&f);
}

static void a_part_runs_alone(void **state)
{
    fixture f;
    const char *from[] = { "m" }, *to[] = { "r" };
    const mq_plan_opts opts = { .inputs = from, .n_inputs = 1, .outputs = to, .n_outputs = 1 };
    mq_array *in = rows(1, (float[]){ -5, 0, 5 }), *out = NULL;

    (void)state;
    start(&f, small_model(), &opts);
    assert_int_equal(mq_plan_n_inputs(f.p), 1);
    assert_string_equal(mq_plan_input(f.p, 0)->name, "m");
    assert_int_equal(mq_runner_run(f.r, &in, &out, &f.err), MQ_OK);
    expect(out, 3, (float[]){ 0, 0, 5 });
    mq_array_unref(in);
    mq_array_unref(out);
    stop(&f);
}

static void a_part_without_its_inputs_is_refused(void **state)
{
    const char *from[] = { "r" }, *to[] = { "m" };
    const mq_plan_opts opts = { .inputs = from, .n_inputs = 1, .outputs = to, .n_outputs = 1 };
    mq_model *m = small_model();
    mq_plan *p = NULL;
    mq_error err = { 0 };

    (void)state;
    assert_int_equal(mq_plan_create(&p, m, &opts, NULL, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, "value 'x' is used but nothing makes it");
    mq_model_free(m);
}

static void constants_can_be_exchanged(void **state)
{
    fixture f;
    mq_array *in = rows(1, (float[]){ 1, 2, 3 }), *out = NULL, *w = NULL, *bad = NULL;

    (void)state;
    start(&f, small_model(), NULL);
    assert_int_equal(mq_runner_run(f.r, &in, &out, &f.err), MQ_OK);
    mq_array_unref(out);
    assert_int_equal(mq_array_create(&w, MQ_FLOAT, 1, (int64_t[]){ 3 }, NULL), MQ_OK);
    memcpy(w->data, (float[]){ 1, 1, 1 }, 3 * sizeof(float));
    assert_int_equal(mq_plan_set_constant(f.p, "w", w, &f.err), MQ_OK);
    assert_int_equal(mq_runner_run(f.r, &in, &out, &f.err), MQ_OK);
    expect(out, 3, (float[]){ 11, 12, 13 });
    assert_int_equal(mq_array_create(&bad, MQ_FLOAT, 1, (int64_t[]){ 4 }, NULL), MQ_OK);
    assert_int_equal(mq_plan_set_constant(f.p, "w", bad, &f.err), MQ_ERR_USAGE);
    assert_int_equal(mq_plan_set_constant(f.p, "nobody", w, &f.err), MQ_ERR_USAGE);
    mq_array_unref(in);
    mq_array_unref(out);
    mq_array_unref(w);
    mq_array_unref(bad);
    stop(&f);
}

static mq_model *model_with_unknown(void)
{
    mq_model *m = small_model();

    make_node(m->graph, "Mystery", "r", "u");
    make_node(m->graph, "Neg", "u", "z");
    make_output(m->graph, "z");
    return m;
}

static void unknown_operators_are_named(void **state)
{
    mq_model *m = model_with_unknown();
    mq_plan *p = NULL;
    mq_error err = { 0 };

    (void)state;
    assert_int_equal(mq_plan_create(&p, m, NULL, NULL, &err), MQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(err.text, "node 'u' (Mystery"));
    mq_model_free(m);
}

static void what_can_run_runs(void **state)
{
    fixture f;
    const mq_plan_opts opts = { .partial = true };
    mq_array *in = rows(1, (float[]){ 1, 2, 3 }), *out[2] = { NULL, NULL };
    size_t n;

    (void)state;
    start(&f, model_with_unknown(), &opts);
    assert_string_equal(mq_plan_missing(f.p, &n)[0].op_type, "Mystery");
    assert_int_equal(n, 1);
    assert_int_equal(mq_plan_missing(f.p, &n)[0].behind, 1);
    assert_int_equal(mq_runner_run(f.r, &in, out, &f.err), MQ_OK);
    expect(out[0], 3, (float[]){ 12, 10, 19 });
    assert_null(out[1]);
    mq_array_unref(in);
    mq_array_unref(out[0]);
    stop(&f);
}

static void names_must_be_there(void **state)
{
    const char *names[] = { "nobody" };
    const mq_plan_opts keep = { .keep = names, .n_keep = 1 }, outputs = { .outputs = names, .n_outputs = 1 };
    mq_model *m = small_model();
    mq_plan *p = NULL;

    (void)state;
    assert_int_equal(mq_plan_create(&p, m, &keep, NULL, NULL), MQ_ERR_USAGE);
    assert_int_equal(mq_plan_create(&p, m, &outputs, NULL, NULL), MQ_ERR_USAGE);
    mq_model_free(m);
}

static void an_old_model_runs(void **state)
{
    mq_model *m = make_model(8);
    fixture f;
    mq_array *in = rows(1, (float[]){ 1, -2, 3 }), *out = NULL;
    mq_node *n;

    (void)state;
    make_input(m->graph, "x", MQ_FLOAT, "1,3");
    n = make_node(m->graph, "ReduceSum", "x", "y"); /* axes were an attribute before 13 */
    assert_int_equal(mq_node_set_attr_ints(n, "axes", (int64_t[]){ 1 }, 1, NULL), MQ_OK);
    make_output(m->graph, "y");
    start(&f, m, NULL);
    assert_int_equal(mq_runner_run(f.r, &in, &out, &f.err), MQ_OK);
    expect(out, 1, (float[]){ 2 });
    mq_array_unref(in);
    mq_array_unref(out);
    stop(&f);
}

static void constants_leave_as_copies(void **state)
{
    mq_model *m = make_model(OPSET);
    fixture f;
    mq_array *out = NULL;

    (void)state;
    make_init(m->graph, "w", MQ_FLOAT, "2", (float[]){ 1, 2 });
    make_node(m->graph, "Identity", "w", "y");
    make_output(m->graph, "y");
    start(&f, m, NULL);
    assert_int_equal(mq_runner_run(f.r, NULL, &out, &f.err), MQ_OK);
    stop(&f);
    expect(out, 2, (float[]){ 1, 2 });
    mq_array_unref(out);
}

static void profiles_count(void **state)
{
    fixture f;
    mq_array *in = rows(1, (float[]){ 1, 2, 3 }), *out = NULL;
    const mq_node_stat *s;
    size_t n;

    (void)state;
    start(&f, small_model(), &(mq_plan_opts){ .reference = true });
    mq_runner_profile(f.r, true);
    assert_int_equal(mq_runner_run(f.r, &in, &out, &f.err), MQ_OK);
    s = mq_runner_stats(f.r, &n);
    assert_int_equal(n, 3);
    assert_int_equal(s[0].runs, 1);
    assert_string_equal(s[0].kernel, "reference");
    assert_int_equal(s[0].bytes, 12 + 12 + 12);
    assert_true(mq_runner_peak(f.r) > 0);
    mq_array_unref(in);
    mq_array_unref(out);
    stop(&f);
}

static void *run_often(void *arg)
{
    mq_plan *p = arg;
    mq_runner *r = NULL;
    bool ok = mq_runner_create(&r, p, 1, NULL) == MQ_OK;

    for (int i = 0; i < 50 && ok; i++) {
        mq_array *in = rows(1 + i % 3, (float[]){ 1, 2, 3, 1, 2, 3, 1, 2, 3 }), *out = NULL;

        ok = mq_runner_run(r, &in, &out, NULL) == MQ_OK && ((const float *)out->data)[2] == 19;
        mq_array_unref(in);
        mq_array_unref(out);
    }
    mq_runner_free(r);
    return ok ? p : NULL;
}

static void threads_share_a_plan(void **state)
{
    mq_model *m = small_model();
    mq_plan *p = NULL;
    pthread_t t[4];

    (void)state;
    assert_int_equal(mq_plan_create(&p, m, NULL, NULL, NULL), MQ_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&t[i], NULL, run_often, p), 0);
    for (int i = 0; i < 4; i++) {
        void *ok;

        pthread_join(t[i], &ok);
        assert_non_null(ok);
    }
    mq_plan_free(p);
    mq_model_free(m);
}

/* One constant or another comes out of If, by the condition: what a kernel has packed of one is not used for the other. */
static void branches_give_constants_by_turns(void **state)
{
    const float w[2][9] = { { 1, 0, 0, 0, 1, 0, 0, 0, 1 }, { 0, 0, 2, 0, 2, 0, 2, 0, 0 } };
    static const char *const names[] = { "w0", "w1" }, *const branches[] = { "then_branch", "else_branch" };
    mq_model *m = make_model(OPSET);
    fixture f;
    mq_node *n;

    (void)state;
    make_input(m->graph, "x", MQ_FLOAT, "N,3");
    make_input(m->graph, "c", MQ_BOOL, "");
    for (int i = 0; i < 2; i++)
        make_init(m->graph, names[i], MQ_FLOAT, "3,3", w[i]);
    n = make_node(m->graph, "If", "c", "w");
    for (int i = 0; i < 2; i++) {
        mq_graph *g = make_subgraph(n, branches[i]);

        assert_int_equal(mq_graph_add_output(g, mq_graph_find(g, names[i]), NULL), MQ_OK);
    }
    make_node(m->graph, "MatMul", "x,w", "y");
    make_output(m->graph, "y");
    start(&f, m, NULL);
    for (int i = 0; i < 4; i++) {
        mq_array *in[2] = { rows(1, (float[]){ 1, 2, 3 }) }, *out = NULL;

        assert_int_equal(mq_array_create(&in[1], MQ_BOOL, 0, NULL, NULL), MQ_OK);
        *(uint8_t *)in[1]->data = i % 2 == 0;
        if (mq_runner_run(f.r, in, &out, &f.err) != MQ_OK)
            fail_msg("%s", f.err.text);
        expect(out, 3, i % 2 == 0 ? (float[]){ 1, 2, 3 } : (float[]){ 6, 4, 2 });
        mq_array_unref(in[0]);
        mq_array_unref(in[1]);
        mq_array_unref(out);
    }
    stop(&f);
}

/* What a branch that is not taken asks for is nobody's business. */
static void a_branch_not_taken_may_be_impossible(void **state)
{
    mq_model *m = make_model(OPSET);
    mq_array *in = NULL, *out = NULL;
    mq_graph *g;
    fixture f;
    mq_node *n;

    (void)state;
    make_input(m->graph, "c", MQ_BOOL, "");
    make_init(m->graph, "s", MQ_INT64, "1", (int64_t[]){ INT64_C(1) << 44 });
    make_init(m->graph, "w", MQ_FLOAT, "2", (float[]){ 1, 2 });
    n = make_node(m->graph, "If", "c", "y");
    g = make_subgraph(n, "then_branch");
    make_node(g, "ConstantOfShape", "s", "a");
    make_output(g, "a");
    g = make_subgraph(n, "else_branch");
    make_node(g, "Neg", "w", "b");
    make_output(g, "b");
    make_output(m->graph, "y");
    start(&f, m, NULL);
    assert_int_equal(mq_array_create(&in, MQ_BOOL, 0, NULL, NULL), MQ_OK);
    *(uint8_t *)in->data = 0;
    if (mq_runner_run(f.r, &in, &out, &f.err) != MQ_OK)
        fail_msg("%s", f.err.text);
    expect(out, 2, (float[]){ -1, -2 });
    mq_array_unref(out);
    *(uint8_t *)in->data = 1;
    assert_int_equal(mq_runner_run(f.r, &in, &out, &f.err), MQ_ERR_NOMEM);
    assert_string_equal(f.err.text, "out of memory");
    mq_array_unref(in);
    stop(&f);
}

/* Two convolutions side by side, and a loop behind them: x[N,16,3,3] -> y. */
static mq_model *branched_model(void)
{
    static float w[16 * 16];
    mq_model *m = make_model(OPSET);
    mq_graph *g = m->graph, *body;

    for (size_t i = 0; i < sizeof w / sizeof *w; i++)
        w[i] = (float)(i % 7) - 3;
    make_input(g, "x", MQ_FLOAT, "N,16,3,3");
    make_init(g, "w", MQ_FLOAT, "16,16,1,1", w);
    make_init(g, "trips", MQ_INT64, "", (int64_t[]){ 3 });
    make_node(g, "Conv", "x,w", "a");
    make_node(g, "Relu", "a", "ar");
    make_node(g, "Conv", "ar,w", "b");
    assert_int_equal(mq_node_set_attr_int(make_node(g, "Concat", "b,b2", "c"), "axis", 1, NULL), MQ_OK);
    make_node(g, "Conv", "x,w", "b2");
    body = make_subgraph(make_node(g, "Loop", "trips,-,c", "y"), "body");
    make_input(body, "i", MQ_INT64, "");
    make_input(body, "go", MQ_BOOL, "");
    make_input(body, "v", MQ_FLOAT, "N,32,3,3");
    make_node(body, "Identity", "go", "go_out");
    make_node(body, "Neg", "v", "n");
    make_output(body, "go_out");
    make_output(body, "n");
    make_output(g, "y");
    return m;
}

static bool runs_out(void *user)
{
    int *left = user;

    return (*left)-- == 0;
}

/* A run that was stopped anywhere leaves nothing behind that the next one sees. */
static void a_stopped_run_leaves_nothing(void **state)
{
    mq_array *in[2] = { NULL }, *want[2] = { NULL };
    int left = -1;
    const mq_hooks hooks = { .user = &left, .cancelled = runs_out };
    fixture f;

    (void)state;
    start(&f, branched_model(), NULL);
    mq_runner_hooks(f.r, &hooks);
    for (int n = 0; n < 2; n++) {
        assert_int_equal(mq_array_create(&in[n], MQ_FLOAT, 4, (int64_t[]){ n + 1, 16, 3, 3 }, NULL), MQ_OK);
        for (size_t i = 0; i < in[n]->count; i++)
            ((float *)in[n]->data)[i] = (float)(i % 11) - 5;
        assert_int_equal(mq_runner_run(f.r, &in[n], &want[n], &f.err), MQ_OK);
    }
    for (int stop_at = 0, stopped = 1; stopped; stop_at++) {
        stopped = 0;
        for (int n = 0; n < 2; n++) {
            mq_array *out = NULL;

            left = stop_at;
            if (mq_runner_run(f.r, &in[n], &out, &f.err) != MQ_OK) {
                assert_int_equal(f.err.status, MQ_ERR_CANCELLED);
                assert_null(out);
                stopped = 1;
                left = -1;
                assert_int_equal(mq_runner_run(f.r, &in[n], &out, &f.err), MQ_OK);
            }
            assert_int_equal(out->count, want[n]->count);
            assert_memory_equal(out->data, want[n]->data, out->count * sizeof(float));
            mq_array_unref(out);
        }
        assert_true(stop_at < 100);
    }
    for (int n = 0; n < 2; n++) {
        mq_array_unref(in[n]);
        mq_array_unref(want[n]);
    }
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_may_change),        cmocka_unit_test(no_rows_are_fine),
        cmocka_unit_test(inputs_are_checked),       cmocka_unit_test(watched_and_replaced),
        cmocka_unit_test(a_part_runs_alone),        cmocka_unit_test(a_part_without_its_inputs_is_refused),
        cmocka_unit_test(constants_can_be_exchanged), cmocka_unit_test(unknown_operators_are_named),
        cmocka_unit_test(what_can_run_runs),        cmocka_unit_test(names_must_be_there),
        cmocka_unit_test(an_old_model_runs),        cmocka_unit_test(constants_leave_as_copies),
        cmocka_unit_test(branches_give_constants_by_turns),
        cmocka_unit_test(a_branch_not_taken_may_be_impossible),
        cmocka_unit_test(a_stopped_run_leaves_nothing),
        cmocka_unit_test(profiles_count),           cmocka_unit_test(threads_share_a_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
