/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How a weight is quantized: its type, the operators around it, which elements share a scale. */
#ifndef MQ_QUANT_CHOOSE_H
#define MQ_QUANT_CHOOSE_H

#include "quant/filters.h"
#include "quant/overrides.h"
#include "quant/quant.h"

/* The user's wishes. */
typedef struct mq_chooser {
    const mq_quantize_opts *opts;
    mq_quant_filters *filters;
    const mq_overrides *overrides;
    const mq_levels *levels; /* before --type and --tensor-type; may be NULL */
    mq_dtype type, ends_type; /* --type, --ends-type */
} mq_chooser;

/* Fills in the item's treatment, axes and weight, or why it stays. MQ_ERR_USAGE for overrides that it cannot have,
 * MQ_ERR_UNSUPPORTED with MQ_BLOCK_ERROR. */
mq_status mq_quant_choose(const mq_chooser *by, mq_quant_item *it, mq_error *err);

/* Does the type have a zero point of 0, as the options are? */
bool mq_quant_is_symmetric(const mq_quantize_opts *o, mq_dtype t);

#endif
