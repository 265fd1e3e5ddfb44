/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Recurrent layers: RNN, GRU, LSTM in both layouts. Old versions with output_sequence have the same shapes. */
#include "ops/families.h"
#include "ops/rule_parts.h"

/* W [dirs, gates * hidden, input] and R [dirs, gates * hidden, hidden]: one output channel is one gate of one cell */
static const mq_quant_traits quant_recurrent = { .weight_input = 1, .weight_input2 = 2, .channel_axis = 1 };

static mq_status directions(mq_infer *in, int64_t *n)
{
    const mq_attr *a = mq_node_attr(in->node, "direction");

    *n = 1;
    if (!a || a->type != MQ_ATTR_STRING || mq_node_attr_is(in->node, "direction", "forward") ||
        mq_node_attr_is(in->node, "direction", "reverse"))
        return MQ_OK;
    if (!mq_node_attr_is(in->node, "direction", "bidirectional"))
        return mq_fail(in->err, MQ_ERR_INPUT,
                       "attribute 'direction' is '%.*s', it must be forward, reverse or bidirectional",
                       a->s.n > 40 ? 40 : (int)a->s.n, (const char *)a->s.data);
    *n = 2;
    return MQ_OK;
}

static mq_status hidden_size(mq_infer *in, bool transposed_r, mq_dim *hidden)
{
    const mq_dim *r = mq_in_rank(in, 2) == 3 ? mq_in_dims(in, 2) : NULL;
    const mq_attr *given = mq_node_attr(in->node, "hidden_size");

    *hidden = r ? r[transposed_r ? 1 : 2] : MQ_DIM_UNKNOWN;
    if (!given || given->type != MQ_ATTR_INT)
        return MQ_OK;
    if (given->i < 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'hidden_size' is %lld, it must be at least 1", (long long)given->i);
    return mq_want_same(in, hidden, MQ_DIM(given->i), "attribute 'hidden_size' and the recurrent weights");
}

mq_status mq_infer_recurrent(mq_infer *in, bool transposed_r)
{
    const bool batch_first = mq_node_attr_int(in->node, "layout", 0) != 0;
    const mq_dim *x;
    mq_dim seq = MQ_DIM_UNKNOWN, batch = MQ_DIM_UNKNOWN, hidden, dirs;
    int64_t n_dirs;

    for (size_t i = 0; i < 3; i++)
        MQ_RULE_TRY(mq_want_rank(in, i, 3, 3));
    if (mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(directions(in, &n_dirs));
    MQ_RULE_TRY(hidden_size(in, transposed_r, &hidden));
    dirs = MQ_DIM(n_dirs);
    if (mq_in_dims(in, 1))
        MQ_RULE_TRY(mq_want_same(in, &dirs, mq_in_dims(in, 1)[0], "attribute 'direction' and the weights"));
    x = mq_in_dims(in, 0);
    if (x) {
        seq = x[batch_first ? 1 : 0];
        batch = x[batch_first ? 0 : 1];
    }
    const mq_dim y[4] = { batch_first ? batch : seq, batch_first ? seq : dirs, batch_first ? dirs : batch, hidden };
    const mq_dim last[3] = { batch_first ? batch : dirs, batch_first ? dirs : batch, hidden };
    MQ_RULE_TRY(mq_out_shape(in, 0, 4, y));
    MQ_RULE_TRY(mq_out_shape(in, 1, 3, last));
    return mq_out_shape(in, 2, 3, last);
}

int64_t mq_macs_recurrent(const mq_node *n, int n_gates, bool transposed_r)
{
    const mq_value *x = mq_macs_in(n, 0), *r = mq_macs_in(n, 2);
    const int64_t steps = mq_macs_mul(mq_macs_dim(x, 0), mq_macs_dim(x, 1));
    const int64_t dirs = mq_macs_dim(r, 0), hidden = mq_macs_dim(r, transposed_r ? 1 : 2);

    return mq_macs_mul(mq_macs_mul(steps, mq_macs_mul(dirs, n_gates)),
                       mq_macs_mul(hidden, mq_macs_add(mq_macs_dim(x, 2), hidden)));
}

static mq_status recurrent(mq_infer *in)
{
    return mq_infer_recurrent(in, false);
}

static int64_t rnn_macs(const mq_node *n)
{
    return mq_macs_recurrent(n, 1, false);
}

static int64_t gru_macs(const mq_node *n)
{
    return mq_macs_recurrent(n, 3, false);
}

static int64_t lstm_macs(const mq_node *n)
{
    return mq_macs_recurrent(n, 4, false);
}

const mq_op_rule mq_rules_rnn[] = {
    { "", "GRU", recurrent, gru_macs, &quant_recurrent },
    { "", "LSTM", recurrent, lstm_macs, &quant_recurrent },
    { "", "RNN", recurrent, rnn_macs, &quant_recurrent },
};
const size_t mq_rules_rnn_n = sizeof mq_rules_rnn / sizeof *mq_rules_rnn;
