/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Another engine, in a process of its own, that runs a model on the same inputs when asked to: ONNX Runtime in a Python
 * that has it. Only what it measures itself, around its own call, counts. */
#ifndef MQ_API_BENCH_PEER_H
#define MQ_API_BENCH_PEER_H

#include "api/bench_parts.h"

/* Finds a Python ($MQ_PYTHON, else python3) with onnxruntime, and the model of the entry in it, with its calls. The
 * model goes by its path. MQ_ERR_UNSUPPORTED when there is none, or it does not take the model, with what it says. */
mq_status mq_peer_start(mq_peer **out, const mq_bench_entry *e, int threads, mq_error *err);
void mq_peer_stop(mq_peer *p); /* NULL is fine */

/* n runs on inputs of that number; their milliseconds. */
mq_status mq_peer_run(mq_peer *p, size_t call, size_t n, double *ms, mq_error *err);
/* "onnxruntime 1.31.1". */
const char *mq_peer_name(const mq_peer *p);
/* CPU time used so far. */
double mq_peer_cpu_seconds(const mq_peer *p);

#endif
