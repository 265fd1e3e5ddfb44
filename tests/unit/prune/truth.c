/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Masks against those of torch.nn.utils.prune (testdata/prune, made by scripts/make_prune_truth.py): the same bits where no
 * two magnitudes are equal, else as many, and the same magnitudes that stay. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "graph/graph.h"
#include "mq/model.h"
#include "ops/ops.h"
#include "prune/pick.h"
#include "prune/structure.h"
#include "prune/zero.h"

enum { MAX = 4096 };

struct line {
    char method[32], share[16], model[32], weight[32], hex[MAX / 4 + 1];
};

static int by_size(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;

    return x < y ? -1 : x > y;
}

/* The bits of a line as a mask; how many elements stay. */
static size_t unpack(const struct line *l, uint8_t *mask, size_t n)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++) {
        const char digit[2] = { l->hex[i / 4], 0 };
        mask[i] = strtoul(digit, NULL, 16) >> (3 - i % 4) & 1;
        kept += mask[i];
    }
    return kept;
}

static size_t list_kept(const float *x, const uint8_t *mask, size_t n, float *out)
{
    size_t kept = 0;

    for (size_t i = 0; i < n; i++)
        if (mask[i])
            out[kept++] = fabsf(x[i]);
    qsort(out, kept, sizeof *out, by_size);
    return kept;
}

static void compare(const struct line *l, const mq_prune_plan *plan, const mq_prune_item *it)
{
    static float x[MAX], theirs[MAX], ours[MAX];
    static uint8_t want[MAX];
    const size_t n = (size_t)it->view.n;
    uint8_t *mask = NULL;
    size_t kept;

    assert_true(n <= MAX);
    kept = unpack(l, want, n);
    assert_int_equal(mq_prune_mask(plan, it, NULL, &mask, NULL), MQ_OK);
    if (strcmp(l->model, "layers") == 0)
        assert_memory_equal(mask, want, n);
    assert_int_equal(mq_tensor_read_f32(it->view.tensor, 0, n, x, NULL), MQ_OK);
    assert_int_equal(list_kept(x, want, n, theirs), kept);
    if (strcmp(l->method, "layer") == 0) {
        assert_int_equal(list_kept(x, mask, n, ours), kept);
        assert_memory_equal(ours, theirs, kept * sizeof *ours);
    }
    free(mask);
}

static void check_line(const struct line *l)
{
    mq_prune_opts opts = mq_prune_opts_default();
    const char *shares[1] = { l->share };
    mq_prune_plan plan = { .opts = &opts };
    bool found = false;
    char path[1000];

    snprintf(path, sizeof path, "%s/prune/%s.onnx", getenv("MQ_TESTDATA"), l->model);
    assert_int_equal(mq_model_load(&plan.model, path, NULL), MQ_OK);
    assert_int_equal(mq_infer_model(plan.model, NULL, NULL, NULL), MQ_OK);
    opts.keep_ends = false;
    opts.sparsity = (mq_names){ shares, 1 };
    opts.scope = strcmp(l->method, "global") == 0 ? MQ_PRUNE_GLOBAL : MQ_PRUNE_LAYER;
    assert_int_equal(mq_prune_find(&plan, NULL), MQ_OK);
    assert_int_equal(mq_prune_pick(&plan, NULL, NULL), MQ_OK);
    for (size_t i = 0; i < plan.items.n; i++)
        if (strcmp(plan.items.items[i]->constant->name, l->weight) == 0) {
            compare(l, &plan, plan.items.items[i]);
            found = true;
        }
    assert_true(found);
    mq_prune_plan_release(&plan);
    mq_model_free(plan.model);
}

/* Rows of weights, made zero: the other elements are what they were. */
static void check_channels(const struct line *l)
{
    static float was[MAX], now[MAX];
    static uint8_t want[MAX];
    mq_structure *s = NULL;
    mq_structure_group *groups;
    mq_model *model = NULL, *whole = NULL;
    size_t n_groups, n_gone, n;
    char path[1000];

    snprintf(path, sizeof path, "%s/prune/%s.onnx", getenv("MQ_TESTDATA"), l->model);
    assert_int_equal(mq_model_load(&model, path, NULL), MQ_OK);
    assert_int_equal(mq_model_load(&whole, path, NULL), MQ_OK);
    assert_int_equal(mq_infer_model(model, NULL, NULL, NULL), MQ_OK);
    assert_int_equal(mq_structure_find(&s, model, NULL), MQ_OK);
    mq_structure_choose(s, MQ_STRUCTURE_CHANNEL, 1, NULL, NULL);
    assert_int_equal(mq_structure_score(s, l->method[9] == '1' ? MQ_STRUCTURE_L1 : MQ_STRUCTURE_L2, 0, 1, NULL), MQ_OK);
    groups = mq_structure_groups(s, &n_groups);
    for (size_t i = 0; i < n_groups; i++)
        groups[i].left = groups[i].chosen ? mq_structure_left(&groups[i], 0.5) : groups[i].n;
    assert_int_equal(mq_structure_pick(s, &n_gone, NULL), MQ_OK);
    assert_int_equal(mq_structure_zero(s, NULL), MQ_OK);
    n = (size_t)mq_tensor_count(mq_value_constant(mq_graph_find(whole->graph, l->weight), true));
    assert_true(n <= MAX);
    assert_in_range(unpack(l, want, n), 1, n - 1);
    assert_int_equal(mq_tensor_read_f32(mq_graph_find(whole->graph, l->weight)->init, 0, n, was, NULL), MQ_OK);
    assert_int_equal(mq_tensor_read_f32(mq_graph_find(model->graph, l->weight)->init, 0, n, now, NULL), MQ_OK);
    for (size_t i = 0; i < n; i++)
        assert_float_equal(now[i], want[i] ? was[i] : 0, 0);
    mq_structure_free(s);
    mq_model_free(model);
    mq_model_free(whole);
}

static void test_truth(void **state)
{
    static struct line l;
    char path[1000];
    size_t n = 0;
    FILE *f;

    (void)state;
    snprintf(path, sizeof path, "%s/prune/masks.txt", getenv("MQ_TESTDATA"));
    f = fopen(path, "r");
    assert_non_null(f);
    while (fscanf(f, "%31s %15s %31s %31s %1024s", l.method, l.share, l.model, l.weight, l.hex) == 5) {
        (strncmp(l.method, "channel", 7) == 0 ? check_channels : check_line)(&l);
        n++;
    }
    fclose(f);
    assert_int_equal(n, 44);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_truth) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
