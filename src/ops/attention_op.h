/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* mq::Attention, an operator that the engine makes for itself: Attention of ai.onnx with inputs Q, K, V and a mask (float,
 * added to the scores, its last axis as long as the keys; may be absent), and attributes q_num_heads, kv_num_heads and
 * scale. It differs in one point: it does as Softmax does with rows of nothing but -infinity, which become NaN, not 0.
 * Never written to a file. */
#ifndef MQ_OPS_ATTENTION_OP_H
#define MQ_OPS_ATTENTION_OP_H

#define MQ_ATTENTION_DOMAIN "mq"
#define MQ_ATTENTION_OP "Attention"

#endif
