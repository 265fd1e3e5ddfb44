/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Adapters of quantization and casts. */
#include "base/compiler.h"
#include "ops/adapters.h"

/* Versions 13 to 18 divide an int32 input by a float scale; from 19 on both have one type. */
static mq_status quantize_19(mq_node *n, int to, mq_error *err)
{
    mq_dtype dtype = mq_adapt_dtype(n, 0);
    mq_value *x = mq_adapt_input(n, 0), *cast = NULL;
    mq_node *node = NULL;
    mq_status rc = MQ_OK;

    (void)to;
    if (!x || (dtype != MQ_INT32 && dtype != MQ_UNDEFINED))
        return MQ_OK;
    MQ_TRY(mq_adapt_before(n, "Cast", "float", 1, &x, &cast, &node, err));
    MQ_TRY(mq_node_set_attr_int(node, "to", MQ_FLOAT, err));
    MQ_TRY(mq_node_set_input(n, 0, cast, err));
done:
    return rc;
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

const mq_op_adapter mq_adapters_quant[] = {
    { "Cast", 9 }, { "Cast", 13 }, { "Cast", 19 }, { "Cast", 21 }, { "Cast", 23 }, { "Cast", 24 },
    { "Cast", 25 }, { "Cast", 28 },
    { "CastLike", 19 }, { "CastLike", 21 }, { "CastLike", 23 }, { "CastLike", 24 }, { "CastLike", 25 },
    { "DequantizeLinear", 13 }, { "DequantizeLinear", 19 }, { "DequantizeLinear", 21 },
    { "DequantizeLinear", 23 }, { "DequantizeLinear", 24 }, { "DequantizeLinear", 25 },
    { "DequantizeLinear", 28 },
    { "QLinearMatMul", 21 },
    { "QuantizeLinear", 13 }, { "QuantizeLinear", 19, quantize_19, NULL }, { "QuantizeLinear", 21 },
    { "QuantizeLinear", 23 }, { "QuantizeLinear", 24 }, { "QuantizeLinear", 25 }, { "QuantizeLinear", 28 },
};
const size_t mq_adapters_quant_n = MQ_ARRAY_LEN(mq_adapters_quant);
