/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Embeddings that the output layer uses too. */
#ifndef MQ_QUANT_TIE_H
#define MQ_QUANT_TIE_H

#include "quant/overrides.h"
#include "quant/quant.h"

/* Where a matrix is an embedding and, transposed, the weight of a product (one initializer behind a Transpose, or a second
 * one with the same numbers, bit for bit), the product's integers become the embedding's: item->tied. Where an override asks
 * for other ones for the product, they stay two. MQ_ERR_USAGE when there is one for each and they contradict each other. */
mq_status mq_quant_tie(mq_quant_plan *plan, const mq_overrides *overrides, const mq_hooks *hooks, mq_error *err);

#endif
