/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* For functions written by hand for one instruction set: MQ_TARGET("avx512f") stands in front of them. MQ_HAS_INTRINSICS is
 * defined where there are any. Such a function is called only when mq_isa_now allows it: not even its first lines run
 * elsewhere. */
#ifndef MQ_BASE_INTRINSICS_H
#define MQ_BASE_INTRINSICS_H

#include "base/compiler.h"

#ifdef __x86_64__
#include <immintrin.h>
#define MQ_HAS_INTRINSICS 1
#define MQ_TARGET(isa) __attribute__((target(isa)))
#endif

#endif
