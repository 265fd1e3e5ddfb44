/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which instruction set the kernels use. One for the process: oneDNN has but one. */
#ifndef MQ_ISA_H
#define MQ_ISA_H

#include "mq/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Nothing beyond `name` is used from now on: "sse41", "avx2", "avx2-vnni", "avx512", "avx512-vnni", or "native", which is
 * the default and all that the CPU has. Once, before the first model runs: oneDNN takes no other one later. MQ_ERR_USAGE:
 * no such name, the CPU lacks it (the sentence lists what it has), or it is too late. */
MQ_API mq_status mq_isa_set(const char *name, mq_error *err);

/* The best of those names that the CPU has and the limit allows; "baseline": none of them. */
MQ_API const char *mq_isa_used(void);

#ifdef __cplusplus
}
#endif
#endif
