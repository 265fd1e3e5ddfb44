/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A weight as its integers have it: rounded, and back. */
#ifndef MQ_QUANT_RESTORE_H
#define MQ_QUANT_RESTORE_H

#include "quant/weight.h"

/* out: w->source.n floats in the order of the view. Finds scales and zero points. Packing must be MQ_PACK_PLAIN.
 * Errors: those of the weight's bytes, MQ_ERR_NOMEM, MQ_ERR_CANCELLED. */
mq_status mq_weight_restore(mq_weight *w, float *out, const mq_hooks *hooks, mq_error *err);

#endif
