/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Another batch: a model exported for one sample gives, of four at once, what it gives of each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>

#include "exec/exec.h"
#include "graph/clone.h"
#include "graph_make.h"
#include "rng.h"
#include "train/rebatch.h"

enum { BATCH = 4, IN = 2 * 6, OUT = 2 * 6 };

/* Heads apart and joined again, as exporters write it for one sample: [1,2,6] to [1,2,3,2], [6,2], [1,2,6]. */
static mq_model *fixed_for_one(void)
{
    mq_model *m = make_model(17);
    mq_graph *g = m->graph;
    float w[4] = { 1, 2, -1, 0.5f };

    make_input(g, "x", MQ_FLOAT, "1,2,6");
    make_init(g, "heads", MQ_INT64, "4", (int64_t[]){ 1, 2, 3, 2 });
    make_init(g, "rows", MQ_INT64, "2", (int64_t[]){ 6, 2 });
    make_init(g, "back", MQ_INT64, "3", (int64_t[]){ 1, 2, 6 });
    make_init(g, "flat", MQ_INT64, "2", (int64_t[]){ 1, -1 });
    make_init(g, "w", MQ_FLOAT, "2,2", w);
    make_init(g, "one", MQ_INT64, "3", (int64_t[]){ 1, 2, 2 });
    make_node(g, "Reshape", "x,heads", "a");
    make_node(g, "Softmax", "a", "b");
    make_node(g, "Reshape", "b,rows", "c");
    make_node(g, "Reshape", "w,one", "wide"); /* a constant: stays */
    make_node(g, "MatMul", "c,wide", "d");
    make_node(g, "Squeeze", "d", "e");
    make_node(g, "Reshape", "e,back", "f");
    make_node(g, "Reshape", "f,flat", "y");
    make_type(make_output(g, "y"), MQ_FLOAT, "1,12");
    return m;
}

static void run(mq_model *m, int64_t n, const float *x, float *y)
{
    mq_array *in, *out = NULL;
    mq_plan *plan = NULL;
    mq_runner *r = NULL;
    mq_error err = { 0 };

    assert_int_equal(mq_array_wrap(&in, MQ_FLOAT, 3, (int64_t[]){ n, 2, 6 }, (void *)x, NULL, NULL), MQ_OK);
    if (mq_plan_create(&plan, m, NULL, NULL, &err) != MQ_OK || mq_runner_create(&r, plan, 1, &err) != MQ_OK ||
        mq_runner_run(r, &in, &out, &err) != MQ_OK)
        fail_msg("%s", err.text);
    assert_int_equal(out->count, n * OUT);
    assert_int_equal(out->dims[0], n);
    memcpy(y, out->data, mq_array_bytes(out));
    mq_array_unref(out);
    mq_array_unref(in);
    mq_runner_free(r);
    mq_plan_free(plan);
}

static void four_as_each(void **state)
{
    mq_model *m = fixed_for_one(), *copy;
    float x[BATCH * IN], y[BATCH * OUT], want[OUT];
    uint64_t seed = 1;

    (void)state;
    for (int i = 0; i < BATCH * IN; i++)
        x[i] = rng_float(&seed);
    assert_int_equal(mq_model_clone(&copy, m, NULL), MQ_OK);
    assert_int_equal(mq_rebatch(copy, BATCH, NULL), MQ_OK);
    run(copy, BATCH, x, y);
    for (int i = 0; i < BATCH; i++) {
        run(m, 1, x + i * IN, want);
        for (int k = 0; k < OUT; k++)
            assert_true(fabsf(y[i * OUT + k] - want[k]) <= 1e-6f);
    }
    mq_model_free(copy);
    mq_model_free(m);
}

/* With a symbol there Reshape means what it says. */
static void open_models_stay(void **state)
{
    mq_model *m = make_model(17);

    (void)state;
    make_input(m->graph, "x", MQ_FLOAT, "n,6");
    make_init(m->graph, "to", MQ_INT64, "2", (int64_t[]){ 12, 2 });
    make_node(m->graph, "Reshape", "x,to", "y");
    make_output(m->graph, "y");
    assert_int_equal(mq_rebatch(m, 4, NULL), MQ_OK);
    assert_string_equal(m->graph->first->inputs[1]->name, "to");
    assert_int_equal(m->graph->inputs.items[0]->declared->dims[0].value, 4);
    mq_model_free(m);
}

static void refused(void **state)
{
    mq_model *m = make_model(17);
    mq_error err;

    (void)state;
    make_input(m->graph, "x", MQ_FLOAT, "n,6");
    make_input(m->graph, "cond", MQ_BOOL, "");
    assert_int_equal(mq_rebatch(m, 4, &err), MQ_ERR_UNSUPPORTED);
    assert_string_equal(err.text, "input 'cond' has no axis for samples: the model cannot be trained");
    mq_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(four_as_each),
        cmocka_unit_test(open_models_stay),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
