/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Products that ONNX Runtime fuses with an activation behind: FusedGemm, FusedMatMulActivation. The product is its own
 * operator's kernel, the activation runs over its result. */
#include "exec/ref/fused_activation.h"
#include "exec/ref/util.h"

/* The activation by name; attributes that are there take the place of its defaults. */
static mq_status find_activation(mq_call *c, mq_activation *act)
{
    const mq_attr *name = mq_node_attr(c->node, "activation");

    *act = (mq_activation){ MQ_ACT_NONE, 0, 0 };
    if (name && name->type == MQ_ATTR_STRING && name->s.n > 0 && !mq_activation_find(name->s, act))
        return mq_call_unsupported(c, "activation '%.*s' is not known", (int)name->s.n, (const char *)name->s.data);
    if (mq_node_attr(c->node, "activation_alpha"))
        act->alpha = (double)mq_node_attr_float(c->node, "activation_alpha", 0);
    if (mq_node_attr(c->node, "activation_beta"))
        act->beta = (double)mq_node_attr_float(c->node, "activation_beta", 0);
    return MQ_OK;
}

static mq_status with_activation(mq_call *c, const char *domain, const char *op)
{
    const mq_kernel *k = mq_kernel_find(domain, op);
    mq_activation act;
    mq_status rc = MQ_OK;

    MQ_TRY(find_activation(c, &act));
    if (!k)
        return mq_call_unsupported(c, "%s, which it is made of, is not there", op);
    MQ_TRY(k->run(c));
    if (act.kind == MQ_ACT_NONE || !c->out[0])
        goto done;
    if (c->out[0]->dtype != MQ_FLOAT && c->out[0]->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, c->out[0]->dtype);
    mq_activation_run(&act, c->out[0]->dtype, c->out[0]->data, (int64_t)c->out[0]->count);
done:
    return rc;
}

static mq_status op_fused_gemm(mq_call *c)
{
    return with_activation(c, "", "Gemm");
}

static mq_status op_fused_matmul_activation(mq_call *c)
{
    return with_activation(c, "com.microsoft", "FusedMatMul");
}

const mq_kernel mq_kernels_contrib_fused[] = {
    { "com.microsoft", "FusedGemm", op_fused_gemm, MQ_KERNEL_WIDEN },
    { "com.microsoft", "FusedMatMulActivation", op_fused_matmul_activation, MQ_KERNEL_WIDEN },
    { 0 },
};
