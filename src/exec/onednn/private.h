/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What lib.c and make.c share: a primitive's parts. No other file looks inside. */
#ifndef MQ_EXEC_ONEDNN_PRIVATE_H
#define MQ_EXEC_ONEDNN_PRIVATE_H

#include "exec/onednn/lib.h"

typedef struct mq_dn_mem {
    int what;
    void *data;
    dnnl_memory_t memory;
} mq_dn_mem;

#define MQ_DN_MAX_MEM (MQ_DN_MAX_ARGS + 1)

struct mq_dn_op {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_primitive_desc_t pd;
    dnnl_primitive_t prim;
    int threads;
    size_t scratch; /* bytes */
    int n_mem;
    mq_dn_mem mem[MQ_DN_MAX_MEM];
};

/* NULL: out of memory, and err says so. */
mq_dn_op *mq_dn_op_create(int threads, mq_error *err);
/* Ends the making: st says how the primitive's description (op->pd) went. *out NULL: the library has no such primitive. */
mq_status mq_dn_op_finish(mq_dn_op *op, dnnl_status_t st, mq_dn_op **out, mq_error *err);
/* Makes the primitive of a described operation; st: how the description went. */
mq_status mq_dn_op_make(mq_call *c, int threads, dnnl_status_t st, const_dnnl_op_desc_t desc, const mq_dn_attr *a,
                        mq_dn_op **out);
dnnl_status_t mq_dn_attr_create(const mq_dn_attr *a, dnnl_primitive_attr_t *out);

/* The library's threads from here on; then back. Implementations are made for the threads that run them. */
int mq_dn_enter(int threads);
void mq_dn_leave(int threads, int before);

#endif
