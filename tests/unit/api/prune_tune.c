/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/api/prune_tune.c on the project's digits: what was pruned is zero after training, to the last bit; rounds and
 * their shares; a stopped pruning that goes on gives the same bytes, as two threads do. */
#include "api/prune_tune.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph_make.h"
#include "ops/ops.h"
#include "passes/pass.h"
#include "scratch.h"

extern const mq_pass mq_pass_fold_batchnorm;

enum { ROUNDS = 3, SAMPLES = 256 };
static const char *const pruned[] = { "conv1.weight", "conv2.weight", "pointwise.weight", "fc.weight" };
#define SPARSITY 0.6

static char train_x[512], train_y[512], test_x[512], test_y[512], model_path[512];
static const char *const train_data[] = { train_x }, *const train_labels[] = { train_y };
static const char *const test_data[] = { test_x }, *const test_labels[] = { test_y };
static const char *const scale[] = { "scale=1/16" };

/* What the callback saw. */
typedef struct seen {
    size_t calls;
    double shares[16];
    uint8_t *zero[4];  /* after the last call, per element of pruned[i] */
    size_t n[4];
    int stop_at;       /* cancels in this call's training; 0: never */
    bool whole_channels;
} seen;

static mq_tensor *weight(const mq_model *m, const char *name)
{
    const mq_value *v = mq_graph_find_here(m->graph, name);

    assert_non_null(v);
    assert_non_null(v->init);
    return v->init;
}

static float *numbers(const mq_model *m, const char *name, size_t *n)
{
    mq_tensor *t = weight(m, name);
    float *data;

    *n = (size_t)mq_tensor_count(t);
    data = malloc(*n * sizeof *data);
    assert_non_null(data);
    assert_int_equal(mq_tensor_read_f32(t, 0, *n, data, NULL), MQ_OK);
    return data;
}

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static float limit(const float *x, size_t n, size_t gone)
{
    float *sizes = malloc(n * sizeof *sizes), at;

    assert_non_null(sizes);
    for (size_t i = 0; i < n; i++)
        sizes[i] = fabsf(x[i]);
    qsort(sizes, n, sizeof *sizes, by_size);
    at = gone ? sizes[gone - 1] : -1;
    free(sizes);
    return at;
}

static void put(mq_model *m, const char *name, const float *data)
{
    const mq_tensor *was = weight(m, name);
    mq_tensor *now = mq_tensor_create(m, name, MQ_FLOAT, was->n_dims, was->dims, data);

    assert_non_null(now);
    assert_int_equal(mq_value_set_init(mq_graph_find_here(m->graph, name), now, NULL), MQ_OK);
}

/* The smallest of each weight go. */
static mq_status prune(void *user, mq_model *m, double share, const char ***names, size_t *n_names, mq_error *err)
{
    seen *s = user;

    (void)err;
    s->shares[s->calls++] = share;
    *names = mq_arena_calloc(m->arena, 4, sizeof **names);
    assert_non_null(*names);
    for (size_t k = 0; k < 4; k++) {
        size_t n;
        float *x = numbers(m, pruned[k], &n);
        const float most = limit(x, n, (size_t)lrint(SPARSITY * share * (double)n));

        free(s->zero[k]);
        s->zero[k] = calloc(n, 1);
        s->n[k] = n;
        assert_non_null(s->zero[k]);
        for (size_t i = 0; i < n; i++)
            if ((s->zero[k][i] = fabsf(x[i]) <= most))
                x[i] = 0;
        put(m, pruned[k], x);
        free(x);
        (*names)[k] = pruned[k];
    }
    *n_names = 4;
    return MQ_OK;
}

static void forget(seen *s)
{
    for (size_t k = 0; k < 4; k++)
        free(s->zero[k]);
}

/* One pruning: the model afterwards. */
typedef struct run {
    mq_train_opts opts;
    uint64_t samples;
    int threads;
    bool folded;
    seen seen;
    mq_model *model;
    mq_status rc;
    mq_error err;
    double metric, was;
    size_t n_done;
    bool resumed;
} run;

static mq_model *load(bool folded)
{
    static const mq_pass *const folds[] = { &mq_pass_fold_batchnorm, NULL };
    const mq_pass_ctx ctx = { .for_file = true };
    mq_model *m;

    assert_int_equal(mq_model_load(&m, model_path, NULL), MQ_OK);
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    if (folded)
        assert_int_equal(mq_passes_run(m, folds, &ctx, NULL), MQ_OK);
    return m;
}

static bool stops(void *user)
{
    const seen *s = user;

    return s->stop_at && s->calls == (size_t)s->stop_at;
}

static void run_all(run *r)
{
    const mq_data_source train = { .data = train_data, .n_data = 1, .labels = train_labels, .n_labels = 1,
                                   .preprocess = scale, .n_preprocess = 1, .samples = r->samples };
    const mq_data_source test = { .data = test_data, .n_data = 1, .labels = test_labels, .n_labels = 1,
                                  .preprocess = scale, .n_preprocess = 1, .samples = SAMPLES, .val = true };
    const mq_hooks hooks = { .n_threads = r->threads, .cancelled = stops, .user = &r->seen };
    mq_prune_tuning t = { .train = { .opts = &r->opts, .train_on = &train, .judge_on = &test, .hooks = &hooks,
                                     .err = &r->err },
                          .rounds = ROUNDS, .schedule = MQ_PRUNE_CUBIC, .prune = prune, .user = &r->seen };

    r->model = load(r->folded);
    r->rc = mq_prune_tuning_open(&t, r->model);
    if (r->rc == MQ_OK)
        r->rc = mq_prune_tuning_run(&t, r->model);
    r->was = t.train.teacher_metric;
    r->n_done = t.n_done;
    r->metric = t.n_done ? t.done[t.n_done - 1].metric : NAN;
    r->resumed = t.last.resumed;
    mq_prune_tuning_close(&t);
}

static run make_run(bool folded)
{
    run r = { .opts = mq_train_opts_default(), .samples = SAMPLES, .threads = 1, .folded = folded };

    r.opts.epochs = 2;
    r.opts.batch = 32;
    r.opts.seed = 5;
    return r;
}

static void end_run(run *r)
{
    forget(&r->seen);
    mq_model_free(r->model);
}

static void same_models(const mq_model *a, const mq_model *b)
{
    assert_int_equal(a->graph->inits.n, b->graph->inits.n);
    for (size_t i = 0; i < a->graph->inits.n; i++) {
        const char *name = a->graph->inits.items[i]->name;
        const void *x, *y;

        assert_int_equal(mq_tensor_bytes(weight(a, name), &x, NULL), MQ_OK);
        assert_int_equal(mq_tensor_bytes(weight(b, name), &y, NULL), MQ_OK);
        assert_memory_equal(x, y, (size_t)mq_tensor_size(weight(a, name)));
    }
}

/* ---- tests ---------------------------------------------------------------------------------------------------------- */

static void schedules(void **state)
{
    mq_prune_schedule kind;

    (void)state;
    assert_true(mq_prune_schedule_find("linear", &kind));
    assert_true(mq_prune_schedule_at(kind, 1, 4) == 0.25);
    assert_true(mq_prune_schedule_at(kind, 4, 4) == 1);
    assert_true(mq_prune_schedule_find("cubic", &kind));
    assert_true(mq_prune_schedule_at(kind, 1, 2) == 0.875);
    assert_true(mq_prune_schedule_at(kind, 3, 3) == 1);
    assert_false(mq_prune_schedule_find("square", &kind));
}

static void holds_masks(bool folded)
{
    run r = make_run(folded);

    run_all(&r);
    if (r.rc != MQ_OK)
        fail_msg("%s", r.err.text);
    assert_int_equal(r.seen.calls, ROUNDS);
    assert_int_equal(r.n_done, ROUNDS);
    for (size_t i = 0; i < ROUNDS; i++)
        assert_true(r.seen.shares[i] == mq_prune_schedule_at(MQ_PRUNE_CUBIC, i + 1, ROUNDS));
    for (size_t k = 0; k < 4; k++) {
        const void *x;
        size_t zeros = 0;

        assert_int_equal(mq_tensor_bytes(weight(r.model, pruned[k]), &x, NULL), MQ_OK);
        for (size_t i = 0; i < r.seen.n[k]; i++) {
            uint32_t bits;

            memcpy(&bits, (const char *)x + i * sizeof bits, sizeof bits);
            assert_true(r.seen.zero[k][i] ? bits == 0 : bits << 1 != 0);
            zeros += bits == 0;
        }
        assert_int_equal(zeros, lrint(SPARSITY * (double)r.seen.n[k]));
    }
    assert_true(r.metric > 0.85); /* 0.99 before; 256 images, 48 steps in all */
    end_run(&r);
}

static void masks_hold(void **state)
{
    (void)state;
    holds_masks(false);
}

static void masks_hold_through_folding(void **state)
{
    (void)state;
    holds_masks(true);
}

/* The graph is what it was: normalizations that were there stay, and none is added. */
static void graph_stays(void **state)
{
    for (int folded = 0; folded < 2; folded++) {
        run r = make_run(folded);
        mq_model *was = load(folded);
        char *before = mq_model_dump(was), *after;

        (void)state;
        run_all(&r);
        assert_int_equal(r.rc, MQ_OK);
        after = mq_model_dump(r.model);
        assert_string_equal(before, after);
        free(before);
        free(after);
        mq_model_free(was);
        end_run(&r);
    }
}

static void threads_do_not_matter(void **state)
{
    run one = make_run(true), two = make_run(true);

    (void)state;
    two.threads = 2;
    run_all(&one);
    run_all(&two);
    assert_int_equal(one.rc, MQ_OK);
    assert_int_equal(two.rc, MQ_OK);
    same_models(one.model, two.model);
    end_run(&one);
    end_run(&two);
}

static void goes_on_after_a_stop(void **state)
{
    run whole = make_run(true), stopped = make_run(true), on = make_run(true), again = make_run(true), other;

    (void)state;
    run_all(&whole);
    stopped.opts.checkpoint = on.opts.checkpoint = again.opts.checkpoint = "kept";
    stopped.seen.stop_at = 2;
    run_all(&stopped);
    assert_int_equal(stopped.rc, MQ_ERR_CANCELLED);
    assert_int_equal(access("kept/round-1.weights", F_OK), 0);
    assert_int_not_equal(access("kept/round-2.weights", F_OK), 0);
    on.opts.resume = again.opts.resume = true;
    run_all(&on);
    assert_int_equal(on.rc, MQ_OK);
    assert_false(on.resumed);
    same_models(whole.model, on.model);
    run_all(&again); /* nothing is left to train */
    assert_true(again.resumed);
    same_models(whole.model, again.model);
    other = again;
    other.model = NULL;
    other.seen = (seen){ .calls = 0 };
    other.opts.lr *= 2;
    run_all(&other);
    assert_int_equal(other.rc, MQ_ERR_INPUT);
    assert_non_null(strstr(other.err.text, "belongs to another pruning"));
    end_run(&whole);
    end_run(&stopped);
    end_run(&on);
    end_run(&again);
    end_run(&other);
}

/* Of a few samples statistics would be chance: those of the model stay, its weights do not. */
static void few_samples_leave_statistics(void **state)
{
    mq_model *was = load(false);
    const char *mean = NULL;

    (void)state;
    for (const mq_node *n = was->graph->first; n && !mean; n = n->next)
        mean = mq_node_is(n, "", "BatchNormalization") ? n->inputs[3]->name : NULL;
    assert_non_null(mean);
    for (int few = 0; few < 2; few++) {
        run r = make_run(false);
        float *before, *after;
        size_t n;

        r.samples = few ? 100 : SAMPLES;
        run_all(&r);
        assert_int_equal(r.rc, MQ_OK);
        before = numbers(was, mean, &n);
        after = numbers(r.model, mean, &n);
        assert_int_equal(memcmp(before, after, n * sizeof *before) == 0, few);
        assert_true(r.metric > 0.8);
        free(before);
        free(after);
        end_run(&r);
    }
    mq_model_free(was);
}

static void prunes_without_training(void **state)
{
    run r = make_run(true);
    mq_model *was = load(true);
    size_t n;
    float *before, *after;

    (void)state;
    r.opts.epochs = 0;
    run_all(&r);
    assert_int_equal(r.rc, MQ_OK);
    for (size_t k = 0; k < 4; k++) {
        before = numbers(was, pruned[k], &n);
        after = numbers(r.model, pruned[k], &n);
        for (size_t i = 0; i < n; i++)
            assert_true(after[i] == (r.seen.zero[k][i] ? 0 : before[i]));
        free(before);
        free(after);
    }
    mq_model_free(was);
    end_run(&r);
}

static int setup(void **state)
{
    const char *folder = getenv("MQ_TESTDATA");
    char here[400];

    if (!folder) {
        assert_non_null(getcwd(here, sizeof here - 20));
        strcat(here, "/testdata");
        folder = here;
    }
    snprintf(train_x, sizeof train_x, "%s/digits.npz:train_x", folder);
    snprintf(train_y, sizeof train_y, "%s/digits.npz:train_y", folder);
    snprintf(test_x, sizeof test_x, "%s/digits.npz:test_x", folder);
    snprintf(test_y, sizeof test_y, "%s/digits.npz:test_y", folder);
    snprintf(model_path, sizeof model_path, "%s/digits_cnn.onnx", folder);
    return scratch_open(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(schedules),
        cmocka_unit_test(masks_hold),
        cmocka_unit_test(masks_hold_through_folding),
        cmocka_unit_test(graph_stays),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(goes_on_after_a_stop),
        cmocka_unit_test(few_samples_leave_statistics),
        cmocka_unit_test(prunes_without_training),
    };

    return cmocka_run_group_tests(tests, setup, scratch_close);
}
