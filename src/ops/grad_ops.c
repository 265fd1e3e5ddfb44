/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Schemas and rules of the operators of training (grad_ops.h). Nearly every result has the shape of one of the inputs. */
#include "ops/grad_ops.h"

#include <string.h>

#include "base/compiler.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

#define FLOATS ((mq_type_set)1 << MQ_FLOAT | (mq_type_set)1 << MQ_DOUBLE)
#define INTS ((mq_type_set)1 << MQ_INT32 | (mq_type_set)1 << MQ_INT64)

#define T(name) { name, FLOATS, MQ_PARAM_SINGLE, 0, false }
#define OPTIONAL_T(name) { name, FLOATS, MQ_PARAM_OPTIONAL, 0, false }
#define I(name) { name, INTS, MQ_PARAM_SINGLE, 1, false }
#define OPTIONAL_I(name) { name, INTS, MQ_PARAM_OPTIONAL, 1, false }

static const mq_op_param dy_x[] = { T("dy"), T("x") }, y_dy[] = { T("y"), T("dy") }, x_dy[] = { T("x"), T("dy") };
static const mq_op_param dy_like[] = { T("dy"), T("like") }, dx[] = { T("dx") };
static const mq_op_param dy_w_x[] = { T("dy"), T("w"), T("x") }, x_dy_w[] = { T("x"), T("dy"), T("w") };
static const mq_op_param dw_db[] = { T("dw"), OPTIONAL_T("db") };
static const mq_op_param gather_in[] = { T("dy"), I("indices"), T("like") };
static const mq_op_param x_dy_scale[] = { T("x"), T("dy"), T("scale") };
static const mq_op_param dx_dscale_db[] = { T("dx"), OPTIONAL_T("dscale"), OPTIONAL_T("db") };
static const mq_op_param bn_grad_in[] = { T("x"), T("dy"), T("scale"), T("saved_mean"), T("saved_inv_std") };
static const mq_op_param bn_in[] = { T("x"), T("scale"), T("b"), T("mean"), T("var") };
static const mq_op_param bn_out[] = { T("y"), OPTIONAL_T("running_mean"), OPTIONAL_T("running_var"),
                                      OPTIONAL_T("saved_mean"), OPTIONAL_T("saved_inv_std") };
static const mq_op_param slice_in[] = { T("dy"), T("x"), I("starts"), I("ends"), OPTIONAL_I("axes"), OPTIONAL_I("steps") };
static const mq_op_param gru_in[] = { T("X"), T("W"), T("R"), OPTIONAL_T("B"), OPTIONAL_I("sequence_lens"),
                                      OPTIONAL_T("initial_h"), OPTIONAL_T("dY"), OPTIONAL_T("dY_h") };
static const mq_op_param lstm_in[] = { T("X"), T("W"), T("R"), OPTIONAL_T("B"), OPTIONAL_I("sequence_lens"),
                                       OPTIONAL_T("initial_h"), OPTIONAL_T("initial_c"), OPTIONAL_T("P"), OPTIONAL_T("dY"),
                                       OPTIONAL_T("dY_h"), OPTIONAL_T("dY_c") };
static const mq_op_param rnn_out[] = { OPTIONAL_T("dX"), OPTIONAL_T("dW"), OPTIONAL_T("dR"), OPTIONAL_T("dB"),
                                       OPTIONAL_T("dinitial_h"), OPTIONAL_T("dinitial_c"), OPTIONAL_T("dP") };

#define ROW(name, least, in, n_out, out)                                                                                \
    { MQ_GRAD_DOMAIN, name, 1, false, true, least, MQ_ARRAY_LEN(in), 1, n_out, MQ_ARRAY_LEN(in), n_out, 0, in, out, NULL }

/* Sorted by name, as the rules below. */
static const mq_op_schema schemas[] = {
    ROW("AveragePoolGrad", 2, dy_x, 1, dx),
    ROW("BatchNormGrad", 5, bn_grad_in, 3, dx_dscale_db),
    ROW("BatchNormTrain", 5, bn_in, 5, bn_out),
    ROW("ConvGradInput", 3, dy_w_x, 1, dx),
    ROW("ConvGradWeight", 3, x_dy_w, 2, dw_db),
    ROW("GRUGrad", 3, gru_in, 5, rnn_out),
    ROW("GatherGrad", 3, gather_in, 1, dx),
    ROW("GlobalAveragePoolGrad", 2, dy_x, 1, dx),
    ROW("LSTMGrad", 3, lstm_in, 7, rnn_out),
    ROW("LayerNormGrad", 3, x_dy_scale, 3, dx_dscale_db),
    ROW("LogSoftmaxGrad", 2, y_dy, 1, dx),
    ROW("MaxPoolGrad", 2, x_dy, 1, dx),
    ROW("RNNGrad", 3, gru_in, 5, rnn_out),
    ROW("ReduceTo", 2, dy_like, 1, dx),
    ROW("ReluGrad", 2, y_dy, 1, dx),
    ROW("SliceGrad", 4, slice_in, 1, dx),
    ROW("SoftmaxGrad", 2, y_dy, 1, dx),
};

const mq_op_schema *mq_grad_schema_find(const char *op_type)
{
    for (size_t i = 0; i < MQ_ARRAY_LEN(schemas); i++)
        if (strcmp(schemas[i].name, op_type) == 0)
            return &schemas[i];
    return NULL;
}

/* Outputs 0..n-1 have the shapes of these inputs, where they are there. */
static mq_status out_like(mq_infer *in, size_t n, const size_t *of)
{
    for (size_t i = 0; i < n && i < in->node->n_outputs; i++)
        if (mq_in_has(in, of[i]))
            MQ_RULE_TRY(mq_out_like(in, i, of[i]));
    return MQ_OK;
}

static mq_status like_second(mq_infer *in)
{
    return mq_out_like(in, 0, 1);
}

static mq_status like_third(mq_infer *in)
{
    return mq_out_like(in, 0, 2);
}

static mq_status conv_grad_weight(mq_infer *in)
{
    const mq_dim *w = mq_in_dims(in, 2);

    MQ_RULE_TRY(mq_want_rank(in, 2, 3, INT32_MAX));
    MQ_RULE_TRY(mq_out_like(in, 0, 2));
    return mq_out_shape(in, 1, 1, w ? w : &MQ_DIM_UNKNOWN);
}

static mq_status norm_grad(mq_infer *in)
{
    return out_like(in, 3, (const size_t[]){ 0, 2, 2 });
}

static mq_status batch_norm_train(mq_infer *in)
{
    return out_like(in, 5, (const size_t[]){ 0, 1, 1, 1, 1 });
}

static mq_status gru_grad(mq_infer *in)
{
    return out_like(in, 5, (const size_t[]){ 0, 1, 2, 3, 5 });
}

static mq_status lstm_grad(mq_infer *in)
{
    return out_like(in, 7, (const size_t[]){ 0, 1, 2, 3, 5, 6, 7 });
}

/* As the convolution itself: each element of dy meets the weights of its channel once. */
static int64_t conv_macs(const mq_node *n, size_t dy, size_t w)
{
    const mq_value *d = mq_macs_in(n, dy);
    const int64_t m = mq_macs_dim(d, 1), all = mq_macs_count(d), weights = mq_macs_count(mq_macs_in(n, w));

    return m == 0 ? 0 : m < 0 || all < 0 ? -1 : mq_macs_mul(all / m, weights);
}

static int64_t input_macs(const mq_node *n)
{
    return conv_macs(n, 0, 1);
}

static int64_t weight_macs(const mq_node *n)
{
    return conv_macs(n, 1, 2);
}

const mq_op_rule mq_rules_grad[] = {
    { MQ_GRAD_DOMAIN, "AveragePoolGrad", like_second, NULL, NULL },
    { MQ_GRAD_DOMAIN, "BatchNormGrad", norm_grad, NULL, NULL },
    { MQ_GRAD_DOMAIN, "BatchNormTrain", batch_norm_train, NULL, NULL },
    { MQ_GRAD_DOMAIN, "ConvGradInput", like_third, input_macs, NULL },
    { MQ_GRAD_DOMAIN, "ConvGradWeight", conv_grad_weight, weight_macs, NULL },
    { MQ_GRAD_DOMAIN, "GRUGrad", gru_grad, NULL, NULL },
    { MQ_GRAD_DOMAIN, "GatherGrad", like_third, NULL, NULL },
    { MQ_GRAD_DOMAIN, "GlobalAveragePoolGrad", like_second, NULL, NULL },
    { MQ_GRAD_DOMAIN, "LSTMGrad", lstm_grad, NULL, NULL },
    { MQ_GRAD_DOMAIN, "LayerNormGrad", norm_grad, NULL, NULL },
    { MQ_GRAD_DOMAIN, "LogSoftmaxGrad", mq_infer_same, NULL, NULL },
    { MQ_GRAD_DOMAIN, "MaxPoolGrad", mq_infer_same, NULL, NULL },
    { MQ_GRAD_DOMAIN, "RNNGrad", gru_grad, NULL, NULL },
    { MQ_GRAD_DOMAIN, "ReduceTo", like_second, NULL, NULL },
    { MQ_GRAD_DOMAIN, "ReluGrad", mq_infer_same, NULL, NULL },
    { MQ_GRAD_DOMAIN, "SliceGrad", like_second, NULL, NULL },
    { MQ_GRAD_DOMAIN, "SoftmaxGrad", mq_infer_same, NULL, NULL },
};
const size_t mq_rules_grad_n = MQ_ARRAY_LEN(mq_rules_grad);
