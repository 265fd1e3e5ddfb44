/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Another engine, in a process of its own, that runs a model when asked to: ONNX Runtime in a Python that has it. Of times
 * only what it measures itself, around its own call, counts. */
#ifndef MQ_API_PEER_H
#define MQ_API_PEER_H

#include "graph/array.h"

typedef struct mq_peer mq_peer;

/* Finds a Python ($MQ_PYTHON, else python3) with onnxruntime, and loads the model at that path there. MQ_ERR_UNSUPPORTED
 * when there is none; MQ_ERR_INPUT when it does not take the model, with what it says. */
mq_status mq_peer_start(mq_peer **out, const char *model, int threads, mq_error *err);
void mq_peer_stop(mq_peer *p); /* NULL is fine */

/* Hands over the inputs of one run, which get the next number, from 0; NULL among them: the input's default.
 * MQ_ERR_UNSUPPORTED for sequences. */
mq_status mq_peer_hold(mq_peer *p, const mq_value *const *inputs, mq_array *const *in, size_t n, mq_error *err);
/* Lets go of all of them: the next number is 0 again. */
mq_status mq_peer_drop(mq_peer *p, mq_error *err);

/* n timed runs on inputs of that number; their milliseconds. MQ_ERR_INPUT when ONNX Runtime fails, with what it says. */
mq_status mq_peer_time(mq_peer *p, size_t call, size_t n, double *ms, mq_error *err);
/* One run; out: the model's n outputs in its order, a reference each, NULL for what is no tensor. Errors as above. */
mq_status mq_peer_run(mq_peer *p, size_t call, mq_array **out, size_t n, mq_error *err);

/* "onnxruntime 1.31.1". */
const char *mq_peer_name(const mq_peer *p);
/* CPU time used so far. */
double mq_peer_cpu_seconds(const mq_peer *p);

#endif
