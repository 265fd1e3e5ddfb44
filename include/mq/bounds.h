/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a result has to hold, and how that is measured: the same for every command that makes one model of another. */
#ifndef MQ_BOUNDS_H
#define MQ_BOUNDS_H

#include "mq/bench.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct mq_bounds {
    /* Against the model that the result was made from. Macs are those of a run in which first sizes that nobody knows are
     * 1; max_ram counts activations as mq_inspect does. */
    mq_bench_bounds limits;
    const char *metric;        /* "top1", ...; with eval_cmd a key of its object; NULL: by labels and output */
    const char *metric_output; /* the output that is judged; NULL: the first that fits */
    const char *eval_cmd;      /* for sh -c: measures the model {} instead; NULL: none */
    bool lower_is_better;      /* of its number (default false) */
    uint64_t max_evals;        /* runs of it behind that of the original (default 50) */
    bool with_onnxruntime;     /* bounds must hold there, too, and outputs be the same */
} mq_bounds;

MQ_API mq_bounds mq_bounds_default(void);

#ifdef __cplusplus
}
#endif
#endif
