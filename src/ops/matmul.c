/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Products of matrices: MatMul, Gemm, their integer and quantized forms, Det. Einsum has a file of its own. */
#include "ops/families.h"
#include "ops/einsum.h"
#include "ops/rule_parts.h"

const mq_quant_traits mq_quant_matmul = { .weight_input = 1, .weight_input2 = -1, .channel_axis = -1 };
const mq_quant_traits mq_quant_gemm = { .weight_input = 1, .weight_input2 = -1, .channel_axis = MQ_AXIS_GEMM };

mq_status mq_infer_matmul_dims(mq_infer *in, size_t out, int ra, const mq_dim *a, int rb, const mq_dim *b)
{
    const int batch_a = ra > 2 ? ra - 2 : 0, batch_b = rb > 2 ? rb - 2 : 0;
    int n_batch;
    mq_dim *batch, *dims, k;

    if (ra == 0 || rb == 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "a factor is a scalar, it must have rank 1 or more");
    if (ra < 0 || rb < 0)
        return MQ_OK;
    k = a[ra - 1];
    MQ_RULE_TRY(mq_want_same(in, &k, b[rb > 1 ? rb - 2 : 0], "the axes that are summed"));
    MQ_RULE_TRY(mq_broadcast(in, 2, (const mq_dim *const[]){ a, b }, (const int[]){ batch_a, batch_b }, &n_batch, &batch));
    dims = mq_dims_new(in, n_batch + 2);
    if (!dims)
        return mq_oom(in->err);
    for (int i = 0; i < n_batch; i++)
        dims[i] = batch[i];
    if (ra > 1)
        dims[n_batch++] = a[ra - 2];
    if (rb > 1)
        dims[n_batch++] = b[rb - 1];
    return mq_out_shape(in, out, n_batch, dims);
}

mq_status mq_infer_matmul_with(mq_infer *in, size_t a, size_t b)
{
    return mq_infer_matmul_dims(in, 0, mq_in_rank(in, a), mq_in_dims(in, a), mq_in_rank(in, b), mq_in_dims(in, b));
}

int64_t mq_macs_matmul_with(const mq_node *n, size_t a, bool trans_a)
{
    const mq_value *v = mq_macs_in(n, a);
    const bool vector = v && v->type && v->type->rank == 1;

    return mq_macs_mul(mq_macs_count(mq_macs_out(n, 0)), mq_macs_dim(v, trans_a && !vector ? -2 : -1));
}

mq_status mq_infer_gemm_with(mq_infer *in, size_t a, size_t b)
{
    const bool trans_a = mq_node_attr_int(in->node, "transA", 0) != 0;
    const bool trans_b = mq_node_attr_int(in->node, "transB", 0) != 0;
    const mq_dim *ad, *bd;
    mq_dim out[2] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN };

    MQ_RULE_TRY(mq_want_rank(in, a, 2, 2));
    MQ_RULE_TRY(mq_want_rank(in, b, 2, 2));
    ad = mq_in_dims(in, a);
    bd = mq_in_dims(in, b);
    if (mq_attrs_open(in))
        return mq_out_shape(in, 0, 2, out);
    if (ad)
        out[0] = ad[trans_a ? 1 : 0];
    if (bd)
        out[1] = bd[trans_b ? 0 : 1];
    if (ad && bd) {
        mq_dim k = ad[trans_a ? 0 : 1];

        MQ_RULE_TRY(mq_want_same(in, &k, bd[trans_b ? 1 : 0], "the axes that are summed"));
    }
    return mq_out_shape(in, 0, 2, out);
}

static mq_status matmul(mq_infer *in)
{
    return mq_infer_matmul_with(in, 0, 1);
}

static int64_t matmul_macs(const mq_node *n)
{
    return mq_macs_matmul_with(n, 0, false);
}

static mq_status qlinear_matmul(mq_infer *in)
{
    return mq_infer_matmul_with(in, 0, 3);
}

static mq_status gemm(mq_infer *in)
{
    return mq_infer_gemm_with(in, 0, 1);
}

static int64_t gemm_macs(const mq_node *n)
{
    return mq_macs_matmul_with(n, 0, mq_node_attr_int(n, "transA", 0) != 0);
}

/* [..., M, M] -> [...] */
static mq_status det(mq_infer *in)
{
    int rank;
    mq_dim *dims;

    MQ_RULE_TRY(mq_want_rank(in, 0, 2, INT32_MAX));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0)
        return MQ_OK;
    MQ_RULE_TRY(mq_want_same(in, &dims[rank - 1], dims[rank - 2], "sides of the matrix"));
    return mq_out_shape(in, 0, rank - 2, dims);
}

const mq_op_rule mq_rules_matmul[] = {
    { "", "Det", det, NULL, NULL },
    { "", "Einsum", mq_infer_einsum, mq_macs_einsum, NULL },
    { "", "Gemm", gemm, gemm_macs, &mq_quant_gemm },
    { "", "MatMul", matmul, matmul_macs, &mq_quant_matmul },
    { "", "MatMulInteger", matmul, matmul_macs, NULL },
    { "", "QLinearMatMul", qlinear_matmul, matmul_macs, NULL },
};
const size_t mq_rules_matmul_n = sizeof mq_rules_matmul / sizeof *mq_rules_matmul;
