/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/ops/ml.c, text.c and loss.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "../../lib/one_node.h"

static void open_ml(one_node *t, const char *op, int version)
{
    one_open(t, op, 17);
    assert_int_equal(mq_opset_set(t->model, "ai.onnx.ml", version, NULL), MQ_OK);
    t->node->domain = "ai.onnx.ml";
}

static void classifiers(void **state)
{
    one_node t;

    (void)state;
    open_ml(&t, "LinearClassifier", 1);
    one_in(&t, MQ_FLOAT, "N,4");
    one_attr_ints(&t, "classlabels_ints", 0, 1, 2);
    one_run(&t, 2);
    one_type(&t, 0, "int64[N]");
    one_type(&t, 1, "float[N,3]");
    mq_model_free(t.model);
    open_ml(&t, "TreeEnsembleRegressor", 3);
    one_in(&t, MQ_FLOAT, "4"); /* one sample */
    one_attr(&t, "n_targets", 2);
    one_gives(&t, "float[1,2]");
    open_ml(&t, "TreeEnsembleRegressor", 3);
    one_in(&t, MQ_FLOAT, "N,4");
    one_attr(&t, "n_targets", 0);
    one_refused(&t, 1, "targets is 0");
    open_ml(&t, "ZipMap", 1);
    one_in(&t, MQ_FLOAT, "N,3");
    one_attr_ints(&t, "classlabels_int64s", 0, 1, 2);
    one_gives(&t, "seq(map(int64,float[]))");
}

static void widths_overflow(void **state)
{
    one_node t;

    (void)state;
    open_ml(&t, "FeatureVectorizer", 1);
    one_in(&t, MQ_FLOAT, "N,4");
    one_attr_ints(&t, "inputdimensions", INT64_MAX, 2);
    one_refused(&t, 1, "inputdimensions");
    one_open(&t, "TfIdfVectorizer", 9);
    one_in(&t, MQ_INT64, "N,4");
    one_attr_ints(&t, "ngram_indexes", 3, INT64_MAX);
    one_refused(&t, 1, "ngram_indexes");
    one_open(&t, "TfIdfVectorizer", 9);
    one_in(&t, MQ_INT64, "N,4");
    one_attr_ints(&t, "ngram_indexes", 3, 6);
    one_gives(&t, "float[N,7]");
}

static void losses(void **state)
{
    one_node t;

    (void)state;
    one_open(&t, "SoftmaxCrossEntropyLoss", 13);
    one_in(&t, MQ_FLOAT, "N,5,H");
    one_in(&t, MQ_INT64, "N,H");
    assert_int_equal(mq_node_set_attr_string(t.node, "reduction", "none", NULL), MQ_OK);
    one_run(&t, 2);
    one_type(&t, 0, "float[N,H]");
    one_type(&t, 1, "float[N,5,H]");
    mq_model_free(t.model);
    one_open(&t, "SoftmaxCrossEntropyLoss", 13);
    one_in(&t, MQ_FLOAT, "N,5,H");
    one_in(&t, MQ_INT64, "N");
    one_refused(&t, 1, "one less");
}

/* Momentum takes values, gradients and momenta of as many tensors as there are. */
static void optimizer_counts(void **state)
{
    one_node t;

    (void)state;
    for (int n = 0; n < 3; n++) {
        one_open(&t, "Momentum", 17);
        assert_int_equal(mq_opset_set(t.model, "ai.onnx.preview.training", 1, NULL), MQ_OK);
        t.node->domain = "ai.onnx.preview.training";
        one_in(&t, MQ_FLOAT, "");
        one_in(&t, MQ_INT64, "");
        for (int i = 0; i < n + 1; i++)
            one_in(&t, MQ_FLOAT, "N,3");
        if (n < 2) {
            one_refused(&t, 2, "multiple of 3");
            continue;
        }
        one_run(&t, 2);
        one_type(&t, 1, "float[N,3]");
        mq_model_free(t.model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classifiers),
        cmocka_unit_test(widths_overflow),
        cmocka_unit_test(losses),
        cmocka_unit_test(optimizer_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
