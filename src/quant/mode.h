/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a mode is worth for a model, which goes by where its work lies. */
#ifndef MQ_QUANT_MODE_H
#define MQ_QUANT_MODE_H

#include "base/str.h"
#include "quant/quant.h"

/* Multiply-accumulates of the operators whose weights are quantized, or their number where sizes are not known. */
typedef struct mq_quant_work {
    double conv, other;       /* of convolutions; of all others, lookups aside */
    double dynamic_conv, dynamic_other; /* those that are computed with integers */
    const char *most;         /* the operator with most of it, or "" */
} mq_quant_work;

/* To be asked between selection and rewrite, which takes the operators away. */
mq_quant_work mq_quant_work_of(const mq_quant_plan *plan);

/* Warns "dynamic-conv-slow" where --mode dynamic makes a model slower than it was. */
void mq_quant_mode_warn(const mq_quant_work *w, const mq_hooks *hooks);

/* What --mode auto chose, why, and what it buys, in one line. */
void mq_quant_mode_note(mq_str *out, const mq_quant_work *w, const mq_quantize_opts *opts, uint64_t before, uint64_t after);

#endif
