/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Settings of single tensors out of a file (--overrides): the form of ONNX Runtime's tensor_quant_overrides as JSON,
 *
 *     { "NAME": [ { "quant_type": "QInt8", "symmetric": true, "reduce_range": false, "axis": 0, "block_size": 32,
 *                   "rmin": -1, "rmax": 1, "scale": 0.1, "zero_point": 0 }, ... ] }
 *
 * with one object for the tensor, or with "axis" one per channel. "scale" and "zero_point" may be lists, too. */
#ifndef MQ_QUANT_OVERRIDES_H
#define MQ_QUANT_OVERRIDES_H

#include "quant/quant.h"

typedef struct mq_override {
    char *name;
    mq_dtype type;          /* MQ_UNDEFINED: not given; MQ_FLOAT: the tensor stays */
    mq_choice symmetric, reduce_range;
    bool has_axis;
    int64_t axis;           /* of the tensor as its operator sees it */
    size_t block_size;      /* 0: not given */
    float *scales;          /* n_params of each, or NULL */
    int32_t *zero_points;   /* only with scales */
    float *lows, *highs;
    size_t n_params;
} mq_override;

typedef struct mq_overrides {
    const char *path;
    MQ_VEC(mq_override *) items;
} mq_overrides;

/* path NULL: none. MQ_ERR_INPUT for a file that cannot be read or is no JSON, MQ_ERR_USAGE for what it says. */
mq_status mq_overrides_load(mq_overrides **out, const char *path, const mq_hooks *hooks, mq_error *err);
void mq_overrides_free(mq_overrides *o); /* NULL is fine */

/* That of the tensor; NULL: none. */
const mq_override *mq_overrides_find(const mq_overrides *o, const char *name);
/* MQ_ERR_USAGE with suggestions when a name is none of a weight of the plan. */
mq_status mq_overrides_check(const mq_overrides *o, const mq_quant_plan *plan, mq_error *err);

/* Are scales given, by themselves or as ranges? */
bool mq_override_is_explicit(const mq_override *v);
/* Does it ask for one scale for the tensor? */
bool mq_override_is_per_tensor(const mq_override *v);
/* MQ_ERR_USAGE when the item or the target cannot have what it asks for. */
mq_status mq_override_check(const mq_override *v, const mq_quant_item *it, const char *target, mq_error *err);
/* Puts given scales and zero points into the item, whose grid and scheme are set. */
mq_status mq_override_apply(const mq_override *v, mq_quant_item *it, mq_error *err);

#endif
