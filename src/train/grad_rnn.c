/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Gradients of recurrent operators: one operator of the engine's own each. */
#include "train/grad_families.h"

/* op's inputs are the node's and then the gradients of its outputs; its outputs are the gradients of these inputs. */
static void recurrent(mq_grad *k, const char *op, size_t n_in, size_t n_out, const size_t *to, size_t n_to)
{
    mq_value *in[12] = { NULL };
    mq_node *n;

    for (size_t i = 0; i < n_in; i++)
        in[i] = mq_grad_in(k, i);
    for (size_t i = 0; i < n_out && i < k->n->n_outputs; i++)
        in[n_in + i] = k->dy[i];
    n = mq_grad_node(k, MQ_GRAD_DOMAIN, op, k->n, in, n_in + n_out, n_to);
    for (size_t i = 0; n && i < n_to; i++) {
        mq_grad_give(k, to[i], n->outputs[i]);
        if (!mq_grad_wants(k, to[i]) && k->rc == MQ_OK)
            k->rc = mq_node_set_output(n, i, NULL, k->err);
    }
}

static void lstm(mq_grad *k)
{
    static const size_t to[] = { 0, 1, 2, 3, 5, 6, 7 };

    recurrent(k, "LSTMGrad", 8, 3, to, MQ_ARRAY_LEN(to));
}

static const size_t plain_to[] = { 0, 1, 2, 3, 5 };

static void gru(mq_grad *k)
{
    recurrent(k, "GRUGrad", 6, 2, plain_to, MQ_ARRAY_LEN(plain_to));
}

static void rnn(mq_grad *k)
{
    recurrent(k, "RNNGrad", 6, 2, plain_to, MQ_ARRAY_LEN(plain_to));
}

const mq_grad_rule mq_grad_rules_rnn[] = {
    { "", "GRU", gru },
    { "", "LSTM", lstm },
    { "", "RNN", rnn },
    { 0 },
};
