/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The instruction set as kernels see it: what the CPU has, or less when there is a limit. It belongs to
 * the process, as that of oneDNN does. */
#ifndef MQ_BASE_ISA_H
#define MQ_BASE_ISA_H

#include <stdatomic.h>

#include "mq/status.h"

/* In order: who has one has those before it, but for AVX2_VNNI, which many CPUs with AVX512 lack. */
typedef enum mq_isa {
    MQ_ISA_NATIVE, /* no limit */
    MQ_ISA_BASE,   /* what the compiler was told */
    MQ_ISA_SSE41,
    MQ_ISA_AVX2,
    MQ_ISA_AVX2_VNNI,
    MQ_ISA_AVX512, /* F, BW, DQ and VL */
    MQ_ISA_AVX512_VNNI,
    MQ_N_ISAS
} mq_isa;

/* "avx2"; "native", "baseline" for the first two. */
const char *mq_isa_name(mq_isa isa);
bool mq_isa_is_there(mq_isa isa);

/* MQ_ERR_USAGE: no such name, or the CPU lacks it (the sentence lists what it has). */
mq_status mq_isa_parse(const char *name, mq_isa *out, mq_error *err);

/* Own kernels use nothing beyond it from now on; mq_isa_set (mq/isa.h) tells the others, too. */
void mq_isa_limit(mq_isa isa);
mq_isa mq_isa_limited(void);

/* Of isa.c and mq_isa_now alone; `now` 0: not found yet. */
extern struct mq_isa_state {
    atomic_int now, limit; /* mq_isa */
} mq_isa_state;
mq_isa mq_isa_find(void);

/* The best that is there and allowed; never MQ_ISA_NATIVE. */
static inline mq_isa mq_isa_now(void)
{
    const int isa = atomic_load_explicit(&mq_isa_state.now, memory_order_relaxed);

    return isa ? (mq_isa)isa : mq_isa_find();
}

#endif
