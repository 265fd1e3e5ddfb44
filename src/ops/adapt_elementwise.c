/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Adapters of element-wise operators. Nearly every step adds types only. */
#include "base/compiler.h"
#include "ops/adapters.h"

/* ---- Clip --------------------------------------------------------------------------------------------------------- */

static mq_status check_clip_11(const mq_node *n, int to, mq_error *err)
{
    mq_status rc = mq_adapt_check_plain(n, to, err);

    if (rc == MQ_OK && (mq_node_attr(n, "min") || mq_node_attr(n, "max")))
        rc = mq_adapt_check_dtype(n, err);
    return rc;
}

/* The bounds become inputs of the data's type. One that was not given stays away: both forms then have the type's
 * limit. */
static mq_status clip_11(mq_node *n, int to, mq_error *err)
{
    static const char *const names[] = { "min", "max" };
    mq_status rc;

    MQ_TRY(check_clip_11(n, to, err));
    for (size_t i = 0; i < 2; i++) {
        mq_value *v = NULL;
        if (!mq_node_attr(n, names[i]))
            continue;
        MQ_TRY(mq_adapt_scalar(n, names[i], mq_adapt_dtype(n, 0), mq_node_attr_float(n, names[i], 0), &v, err));
        MQ_TRY(mq_node_set_input(n, i + 1, v, err));
        mq_node_remove_attr(n, names[i]);
    }
done:
    return rc;
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

const mq_op_adapter mq_adapters_elementwise[] = {
    { "Abs", 13 },
    { "Acos", 22 },
    { "Acosh", 22 },
    { "Add", 13 }, { "Add", 14 },
    { "Asin", 22 },
    { "Asinh", 22 },
    { "Atan", 22 },
    { "Atanh", 22 },
    { "BitShift", 28 },
    { "Ceil", 13 },
    { "Celu", 28 },
    { "Clip", 11, clip_11, check_clip_11 }, { "Clip", 12 }, { "Clip", 13 },
    { "Cos", 22 },
    { "Cosh", 22 },
    { "Div", 13 }, { "Div", 14 },
    { "Elu", 22 },
    { "Equal", 11 }, { "Equal", 13 }, { "Equal", 19 },
    { "Erf", 13, NULL, mq_adapt_check_no_integers },
    { "Exp", 13 },
    { "Floor", 13 },
    { "Greater", 9 }, { "Greater", 13 },
    { "GreaterOrEqual", 16 },
    { "HardSigmoid", 22 },
    { "HardSwish", 22 },
    { "IsInf", 20 },
    { "IsNaN", 13 }, { "IsNaN", 20 },
    { "LeakyRelu", 16 },
    { "Less", 9 }, { "Less", 13 },
    { "LessOrEqual", 16 },
    { "Log", 13 },
    { "Max", 8 }, { "Max", 12 }, { "Max", 13 },
    { "Mean", 8 }, { "Mean", 13 },
    { "Min", 8 }, { "Min", 12 }, { "Min", 13 },
    { "Mish", 22 },
    { "Mod", 13 }, { "Mod", 28 },
    { "Mul", 13 }, { "Mul", 14 },
    { "Neg", 13 },
    { "PRelu", 9 }, { "PRelu", 16 },
    { "Pow", 12 }, { "Pow", 13 }, { "Pow", 15 },
    { "Reciprocal", 13 },
    { "Relu", 13 }, { "Relu", 14 },
    { "Round", 22 },
    { "Selu", 22 },
    { "Sigmoid", 13 },
    { "Sign", 13 },
    { "Sin", 22 },
    { "Sinh", 22 },
    { "Softplus", 22 },
    { "Softsign", 22 },
    { "Sqrt", 13 },
    { "Sub", 13 }, { "Sub", 14 },
    { "Sum", 8 }, { "Sum", 13 },
    { "Tan", 22 },
    { "Tanh", 13 },
    { "ThresholdedRelu", 10 }, { "ThresholdedRelu", 22 },
};
const size_t mq_adapters_elementwise_n = MQ_ARRAY_LEN(mq_adapters_elementwise);
