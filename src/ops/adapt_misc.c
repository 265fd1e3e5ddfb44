/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Adapters of the rest: random numbers, losses, signals, linear algebra. */
#include "base/compiler.h"
#include "ops/adapters.h"

/* The axis becomes an input, and its default another one. */
static mq_status dft_20(mq_node *n, int to, mq_error *err)
{
    int64_t axis = mq_node_attr_int(n, "axis", 1);
    mq_value *v = NULL;
    mq_status rc = MQ_OK;

    (void)to;
    MQ_TRY(mq_adapt_const(n, "axis", MQ_INT64, 0, NULL, &axis, &v, err));
    MQ_TRY(mq_node_set_input(n, 2, v, err));
    mq_node_remove_attr(n, "axis");
done:
    return rc;
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

const mq_op_adapter mq_adapters_misc[] = {
    { "Bernoulli", 22 },
    { "DFT", 20, dft_20, mq_adapt_check_plain },
    { "Det", 22 },
    { "Einsum", 28 },
    { "Multinomial", 22 },
    { "NegativeLogLikelihoodLoss", 13 }, { "NegativeLogLikelihoodLoss", 22 },
    { "RandomNormal", 22 },
    { "RandomNormalLike", 22 },
    { "RandomUniform", 22 },
    { "RandomUniformLike", 22 },
    { "SoftmaxCrossEntropyLoss", 13 },
};
const size_t mq_adapters_misc_n = MQ_ARRAY_LEN(mq_adapters_misc);
