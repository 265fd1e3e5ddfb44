/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/bench_profile.c: the trace as a strict reader takes it, of two models, one with a graph inside a node. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data_make.h"
#include "mq/bench.h"

enum { TRACED = 3, SIDE = 192, TURNS = 4, MOST_EVENTS = 200 };
#define TICK 0.002 /* microseconds: times are whole nanoseconds, written in decimal */

/* ---- models -------------------------------------------------------------------------------------------------------- */

static void save(mq_model *g, const char *path)
{
    const mq_save_opts opts = { .force = true };

    assert_int_equal(mq_model_save(g, path, &opts, NULL, NULL, NULL), MQ_OK);
    mq_model_free(g);
}

static void add_weight(mq_graph *g, const char *name)
{
    float *w = calloc(SIDE * SIDE, sizeof *w);
    char dims[32];

    assert_non_null(w);
    for (int i = 0; i < SIDE; i++)
        w[i * SIDE + i] = 0.5f;
    snprintf(dims, sizeof dims, "%d,%d", SIDE, SIDE);
    make_init(g, name, MQ_FLOAT, dims, w);
    free(w);
}

/* y = softmax(x w): one costly node and a cheap one */
static void save_plain(const char *path)
{
    mq_model *g = make_model(17);

    make_input(g->graph, "x", MQ_FLOAT, "192,192");
    add_weight(g->graph, "w");
    make_node(g->graph, "MatMul", "x,w", "big");
    make_node(g->graph, "Slice", "big,from,to", "part");
    make_init(g->graph, "from", MQ_INT64, "2", (const int64_t[]){ 0, 0 });
    make_init(g->graph, "to", MQ_INT64, "2", (const int64_t[]){ 2, 2 });
    make_node(g->graph, "Softmax", "part", "y");
    make_type(make_output(g->graph, "y"), MQ_FLOAT, "2,2");
    save(g, path);
}

/* y = x w w w w, in turns of a loop */
static void save_loop(const char *path)
{
    mq_model *g = make_model(17);
    mq_graph *body;

    make_input(g->graph, "x", MQ_FLOAT, "192,192");
    make_init(g->graph, "turns", MQ_INT64, "", (const int64_t[]){ TURNS });
    add_weight(g->graph, "w");
    body = make_subgraph(make_node(g->graph, "Loop", "turns,-,x", "y"), "body");
    make_input(body, "i", MQ_INT64, "");
    make_input(body, "go", MQ_BOOL, "");
    make_input(body, "a", MQ_FLOAT, "192,192");
    make_node(body, "Identity", "go", "on");
    make_node(body, "MatMul", "a,w", "b");
    make_type(make_output(body, "on"), MQ_BOOL, "");
    make_type(make_output(body, "b"), MQ_FLOAT, "192,192");
    make_type(make_output(g->graph, "y"), MQ_FLOAT, "192,192");
    save(g, path);
}

/* ---- the reader ---------------------------------------------------------------------------------------------------- */

typedef struct event {
    const char *name, *cat;
    int64_t pid, tid;
    double ts, end;
    const json_t *args;
} event;

typedef struct trace {
    json_t *doc;
    event events[MOST_EVENTS];
    size_t n;
    int named[3]; /* by pid: how many of its two names have been read */
} trace;

static void only_keys(const json_t *object, const char *const *keys)
{
    json_t *plain = (json_t *)object; /* iterating takes a plain pointer */

    assert_true(json_is_object(object));
    for (void *it = json_object_iter(plain); it; it = json_object_iter_next(plain, it)) {
        size_t k = 0;

        while (keys[k] && strcmp(keys[k], json_object_iter_key(it)) != 0)
            k++;
        if (!keys[k])
            fail_msg("key '%s'", json_object_iter_key(it));
    }
}

static const char *text(const json_t *object, const char *key)
{
    const char *s = json_string_value(json_object_get(object, key));

    if (!s || !*s)
        fail_msg("no text '%s'", key);
    return s;
}

static double number(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    if (!json_is_number(v) || !isfinite(json_number_value(v)) || json_number_value(v) < 0)
        fail_msg("'%s' is no number from 0 on", key);
    return json_number_value(v);
}

static int64_t whole(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return (int64_t)number(object, key);
}

static void read_complete(trace *t, const json_t *e)
{
    static const char *const keys[] = { "name", "cat", "ph", "ts", "dur", "pid", "tid", "args", NULL };
    static const char *const args[] = { "kernel", "macs", "bytes", NULL };
    event *x = &t->events[t->n++];

    assert_true(t->n < MOST_EVENTS);
    only_keys(e, keys);
    *x = (event){ .name = text(e, "name"), .cat = text(e, "cat"), .pid = whole(e, "pid"), .tid = whole(e, "tid"),
                  .ts = number(e, "ts"), .args = json_object_get(e, "args") };
    x->end = x->ts + number(e, "dur");
    assert_int_equal(t->named[x->pid], 2); /* rows have their names before they have events */
    assert_true(!x->args == (strcmp(x->cat, "run") == 0));
    if (!x->args)
        return;
    only_keys(x->args, args);
    text(x->args, "kernel");
    whole(x->args, "macs");
    whole(x->args, "bytes");
}

static void read_name(trace *t, const json_t *e)
{
    static const char *const keys[] = { "name", "ph", "pid", "tid", "args", NULL }, *const args[] = { "name", NULL };
    const int64_t pid = whole(e, "pid");

    only_keys(e, keys);
    only_keys(json_object_get(e, "args"), args);
    text(json_object_get(e, "args"), "name");
    assert_true(pid == 1 || pid == 2);
    assert_string_equal(text(e, "name"), t->named[pid]++ ? "thread_name" : "process_name");
    whole(e, "tid");
}

static void read_trace(trace *t, const char *path)
{
    static const char *const keys[] = { "traceEvents", "displayTimeUnit", NULL };
    const json_t *events;

    *t = (trace){ .doc = json_load_file(path, JSON_REJECT_DUPLICATES, NULL) };
    assert_non_null(t->doc);
    only_keys(t->doc, keys);
    assert_string_equal(text(t->doc, "displayTimeUnit"), "ms");
    assert_true(json_is_array(events = json_object_get(t->doc, "traceEvents")));
    for (size_t i = 0; i < json_array_size(events); i++) {
        const json_t *e = json_array_get(events, i);
        const char *ph = text(e, "ph");

        if (strcmp(ph, "M") == 0)
            read_name(t, e);
        else if (strcmp(ph, "X") == 0)
            read_complete(t, e);
        else
            fail_msg("ph '%s'", ph);
    }
}

/* ---- what must hold of it ------------------------------------------------------------------------------------------ */

static int by_begin(const void *a, const void *b)
{
    const event *x = a, *y = b;

    if (x->pid != y->pid || x->tid != y->tid)
        return x->pid != y->pid ? (x->pid > y->pid) - (x->pid < y->pid) : (x->tid > y->tid) - (x->tid < y->tid);
    if (x->ts != y->ts)
        return (x->ts > y->ts) - (x->ts < y->ts);
    return (x->end < y->end) - (x->end > y->end);
}

/* On each row events lie behind or inside one another, runs outermost. */
static void events_nest(trace *t)
{
    const event *open[MOST_EVENTS];
    size_t depth = 0;

    qsort(t->events, t->n, sizeof *t->events, by_begin);
    for (size_t i = 0; i < t->n; i++) {
        const event *e = &t->events[i];

        while (depth && (open[depth - 1]->pid != e->pid || open[depth - 1]->tid != e->tid ||
                         open[depth - 1]->end <= e->ts + TICK))
            depth--;
        if (depth && e->end > open[depth - 1]->end + TICK)
            fail_msg("'%s' ends behind '%s', in which it begins", e->name, open[depth - 1]->name);
        assert_int_equal(depth == 0, strcmp(e->cat, "run") == 0);
        open[depth++] = e;
    }
}

/* Three times each, with the profile's figures; a time of three runs is like the median of many, in the same unit. */
static void agrees_with_profile(const trace *t, const mq_bench_model *of, int64_t pid)
{
    size_t n_events = 0;

    for (size_t i = 0; i < t->n; i++)
        n_events += t->events[i].pid == pid;
    assert_int_equal(n_events, TRACED * (1 + of->n_nodes));
    for (size_t k = 0; k < of->n_nodes; k++) {
        double least = INFINITY, most = 0;
        size_t n = 0;

        for (size_t i = 0; i < t->n; i++) {
            const event *e = &t->events[i];

            if (e->pid != pid || strcmp(e->name, of->nodes[k].name) != 0 || strcmp(e->cat, of->nodes[k].op_type) != 0)
                continue;
            n++;
            least = fmin(least, e->end - e->ts);
            most = fmax(most, e->end - e->ts);
            assert_string_equal(text(e->args, "kernel"), of->nodes[k].kernel);
            assert_true((double)whole(e->args, "macs") == of->nodes[k].macs);
            assert_true((double)whole(e->args, "bytes") == of->nodes[k].bytes);
        }
        assert_int_equal(n, TRACED);
        if (of->nodes[k].ms * 1e3 > most * 100 + 1 || of->nodes[k].ms * 1e3 * 100 + 1 < least)
            fail_msg("'%s' takes %g ms by the profile, %g to %g us by the trace", of->nodes[k].name, of->nodes[k].ms,
                     least, most);
    }
}

static void a_strict_reader_takes_the_trace(void **state)
{
    static const int one[] = { 1 }; /* threads that wait for one another make times of any size on a busy machine */
    const char *const files[] = { "plain.onnx", "loop.onnx" };
    mq_bench_opts opts = mq_bench_opts_default();
    mq_bench_result *result = NULL;
    static trace t;

    (void)state;
    save_plain(files[0]);
    save_loop(files[1]);
    opts.threads = one;
    opts.n_threads = 1;
    opts.runs = 3;
    opts.warmup = 1;
    opts.profile = true;
    opts.trace = "trace.json";
    if (mq_bench(files, 2, &opts, NULL, &hooks, &result, &err) != MQ_OK)
        fail_msg("%s", err.text);
    read_trace(&t, opts.trace);
    events_nest(&t);
    for (int i = 0; i < 2; i++)
        agrees_with_profile(&t, &result->models[i], i + 1);
    assert_int_equal(result->models[0].n_nodes, 3);
    assert_string_equal(result->models[0].nodes[0].op_type, "MatMul");
    assert_string_equal(result->models[1].nodes[0].op_type, "Loop");
    assert_int_equal(result->models[1].n_nodes, 1); /* its body is part of it */
    json_decref(t.doc);
    mq_bench_result_free(result);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ON_DATA(a_strict_reader_takes_the_trace) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
