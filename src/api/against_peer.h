/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* ONNX Runtime as the reference of mq_check_against: the model's own file, run there. */
#ifndef MQ_API_AGAINST_PEER_H
#define MQ_API_AGAINST_PEER_H

#include "api/peer.h"

typedef struct mq_peer_side {
    mq_peer *peer;     /* NULL: not open */
    size_t *which;     /* for each tensor that is wanted: the number of the model's output */
    size_t n, n_all;   /* wanted; outputs of the model */
    mq_array **out;    /* of the last run; NULL where ONNX Runtime gives no tensor */
    char *refused;     /* what it says when it does not take or run the model; NULL: nothing so far */
} mq_peer_side;

/* names: the n tensors that are wanted. That ONNX Runtime refuses the model is no failure: see `refused`. MQ_ERR_USAGE for
 * a name that is none of the model's outputs, MQ_ERR_UNSUPPORTED without a Python that has onnxruntime. */
mq_status mq_peer_side_open(mq_peer_side *s, const mq_model *m, const char *const *names, size_t n, int threads,
                            mq_error *err);
/* One run; likewise. */
mq_status mq_peer_side_run(mq_peer_side *s, const mq_value *const *inputs, mq_array *const *in, size_t n_in, mq_error *err);
void mq_peer_side_close(mq_peer_side *s); /* of zeros is fine */

#endif
