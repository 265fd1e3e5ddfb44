/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Losses, and the operators of ai.onnx.preview.training: optimizers and Gradient. */
#include "ops/families.h"
#include "ops/rule_parts.h"

/* Scores [N, C, d...] and labels [N, d...] give a loss of the labels' shape, or a scalar when it is reduced. */
static mq_status loss(mq_infer *in)
{
    const int rank = mq_in_rank(in, 0), rank_labels = mq_in_rank(in, 1);
    const mq_dim *x = mq_in_dims(in, 0), *labels = mq_in_dims(in, 1);
    mq_dim *dims;

    MQ_RULE_TRY(mq_want_rank(in, 0, 2, INT32_MAX));
    MQ_RULE_TRY(mq_want_rank(in, 2, 1, 1));
    if (rank >= 0 && rank_labels >= 0 && rank != rank_labels + 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "the scores have rank %d, the labels %d: it must be one less", rank,
                       rank_labels);
    if (mq_attrs_open(in))
        return MQ_OK;
    if (!mq_node_attr_is(in->node, "reduction", "none"))
        return mq_out_shape(in, 0, 0, &MQ_DIM(1));
    if (rank < 0)
        return mq_out_shape(in, 0, rank_labels, labels);
    dims = mq_dims_new(in, rank - 1);
    if (!dims)
        return mq_oom(in->err);
    for (int i = 0; i < rank - 1; i++) {
        dims[i] = x[i == 0 ? 0 : i + 1];
        if (labels)
            MQ_RULE_TRY(mq_want_same(in, &dims[i], labels[i], "axes of the scores and of the labels"));
    }
    return mq_out_shape(in, 0, rank - 1, dims);
}

static mq_status softmax_loss(mq_infer *in)
{
    MQ_RULE_TRY(mq_out_like(in, 1, 0));
    return loss(in);
}

/* R, T, then n tensors each of: values, gradients, states; out come values and states again. */
static mq_status optimizer(mq_infer *in, size_t n_states)
{
    const size_t given = in->node->n_inputs > 2 ? in->node->n_inputs - 2 : 0, kinds = 2 + n_states, n = given / kinds;

    if (given == 0 || given % kinds)
        return mq_fail(in->err, MQ_ERR_INPUT, "%zu tensors to work on, it must be a multiple of %zu", given, kinds);
    if (in->node->n_outputs != n * (1 + n_states))
        return mq_fail(in->err, MQ_ERR_INPUT, "%zu outputs, it must be %zu", in->node->n_outputs, n * (1 + n_states));
    for (size_t k = 0; k < n; k++) {
        MQ_RULE_TRY(mq_out_like(in, k, 2 + k));
        for (size_t s = 0; s < n_states; s++)
            MQ_RULE_TRY(mq_out_like(in, n * (1 + s) + k, 2 + n * (2 + s) + k));
    }
    return MQ_OK;
}

static mq_status one_state(mq_infer *in)
{
    return optimizer(in, 1);
}

static mq_status two_states(mq_infer *in)
{
    return optimizer(in, 2);
}

/* The gradient by a tensor has its shape; the first inputs are those of "xs". */
static mq_status gradient(mq_infer *in)
{
    for (size_t i = 0; i < in->node->n_outputs && i < in->node->n_inputs; i++)
        MQ_RULE_TRY(mq_out_like(in, i, i));
    return MQ_OK;
}

const mq_op_rule mq_rules_loss[] = {
    { "", "NegativeLogLikelihoodLoss", loss, NULL, NULL },
    { "", "SoftmaxCrossEntropyLoss", softmax_loss, NULL, NULL },
    { "ai.onnx.preview.training", "Adagrad", one_state, NULL, NULL },
    { "ai.onnx.preview.training", "Adam", two_states, NULL, NULL },
    { "ai.onnx.preview.training", "Gradient", gradient, NULL, NULL },
    { "ai.onnx.preview.training", "Momentum", one_state, NULL, NULL },
};
const size_t mq_rules_loss_n = sizeof mq_rules_loss / sizeof *mq_rules_loss;
