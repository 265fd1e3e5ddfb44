/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Scaled dot-product attention over strided operands, for all operators that have it. */
#ifndef MQ_EXEC_REF_ATTENTION_CORE_H
#define MQ_EXEC_REF_ATTENTION_CORE_H

#include "exec/kernel.h"

/* Rows of a head: element e of row s of head h of batch b lies at data[b * batch + h * head + s * row + e]. */
typedef struct mq_heads {
    const void *data;
    int64_t batch, head, row;
} mq_heads;

/* [batch][heads][rows][n] in one piece. */
mq_heads mq_heads_apart(const void *data, int64_t heads, int64_t rows, int64_t n);
/* [batch][rows][heads * n] in one piece. */
mq_heads mq_heads_joined(const void *data, int64_t heads, int64_t rows, int64_t n);

/* Added to scores; bool: false is -infinity. Keys behind `keys` are -infinity. */
typedef struct mq_attention_mask {
    const mq_array *a; /* BOOL, or any number; NULL: none */
    int64_t strides[4], keys;
} mq_attention_mask;

typedef enum mq_qk_mode { MQ_QK_RAW, MQ_QK_CAPPED, MQ_QK_MASKED, MQ_QK_PROBABILITIES } mq_qk_mode;

typedef struct mq_attention {
    mq_dtype dtype; /* FLOAT or DOUBLE */
    int64_t batch, heads, kv_heads, queries, keys, size, v_size; /* heads is a multiple of kv_heads */
    mq_heads q, k, v, y;
    double scale, softcap; /* softcap 0: none */
    mq_attention_mask mask[2];
    int64_t left, right;    /* of the window; -1: none. right 0 is causal */
    int64_t offset;         /* the first query's place among the keys */
    const int64_t *offsets; /* the same, per batch; NULL: `offset` */
    const int64_t *valid;   /* keys that count, per batch; NULL: all */
    bool empty_is_nan;      /* rows of nothing but -infinity become NaN, else 0 */
    const float *sink;      /* per head, a score that takes its share and gives no value; NULL: none */
    mq_array *qk;           /* [batch, heads, queries, keys]; NULL: not wanted */
    mq_qk_mode qk_mode;
} mq_attention;

/* The mask of shape a over [batch, heads, queries, keys]; its last axis may be shorter. MQ_ERR_INPUT when it does not
 * fit. */
mq_status mq_attention_set_mask(mq_call *c, const mq_attention *t, const mq_array *a, mq_attention_mask *m);
mq_status mq_attention_run(mq_call *c, const mq_attention *t);

#endif
