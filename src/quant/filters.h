/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The options that say which weights are meant, and of what type each is to be. */
#ifndef MQ_QUANT_FILTERS_H
#define MQ_QUANT_FILTERS_H

#include "base/pattern.h"
#include "mq/quantize.h"
#include "passes/filters.h"

typedef struct mq_quant_filters {
    mq_filters *which;
    mq_patterns *typed;   /* the part before '=' of each --tensor-type */
    char **type_patterns; /* the same as text */
    mq_dtype *types;
    size_t n_types;
} mq_quant_filters;

mq_status mq_quant_filters_create(mq_quant_filters **out, const mq_quantize_opts *opts, mq_error *err);
void mq_quant_filters_free(mq_quant_filters *f); /* NULL is fine */

/* As mq_filters_offer and mq_filters_want, for --tensor-type too. */
void mq_quant_filters_offer(mq_quant_filters *f, const mq_node *n, const mq_value *weight);
bool mq_quant_filters_want(mq_quant_filters *f, const mq_node *n, const mq_value *weight);

/* The type that --tensor-type gives the weight: MQ_UNDEFINED: none, MQ_FLOAT: leave it. */
mq_dtype mq_quant_filters_type(mq_quant_filters *f, const mq_value *weight);

/* MQ_ERR_USAGE when one of the patterns matched nothing: it is a typing error. */
mq_status mq_quant_filters_check(const mq_quant_filters *f, mq_error *err);

/* The integer type of that name, or MQ_FLOAT for "float" when allowed; MQ_ERR_USAGE lists the legal ones. */
mq_status mq_quant_type(const char *option, const char *name, bool allow_float, mq_dtype *type, mq_error *err);

#endif
