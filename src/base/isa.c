/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the CPU has, the limit that was set, and the instruction set that follows from both. */
#include "base/isa.h"

#include <stdio.h>
#include <string.h>

#include "base/compiler.h"
#include "base/error.h"

#ifdef __x86_64__
#include <cpuid.h>
#endif

static const char *const names[MQ_N_ISAS] = {
    [MQ_ISA_NATIVE] = "native", [MQ_ISA_BASE] = "baseline",       [MQ_ISA_SSE41] = "sse41",
    [MQ_ISA_AVX2] = "avx2",     [MQ_ISA_AVX2_VNNI] = "avx2-vnni", [MQ_ISA_AVX512] = "avx512",
    [MQ_ISA_AVX512_VNNI] = "avx512-vnni",
};

struct mq_isa_state mq_isa_state;

const char *mq_isa_name(mq_isa isa)
{
    return names[isa];
}

/* Leaf 7.1 of cpuid, EAX bit 4: clang 14 has no name for it. */
static bool has_avx_vnni(void)
{
#ifdef __x86_64__
    unsigned a = 0, b, c, d;

    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
#else
    return false;
#endif
}

bool mq_isa_is_there(mq_isa isa)
{
    const bool avx2 = MQ_CPU_HAS("avx2") && MQ_CPU_HAS("fma");
    const bool avx512 = MQ_CPU_HAS("avx512f") && MQ_CPU_HAS("avx512bw") && MQ_CPU_HAS("avx512dq") && MQ_CPU_HAS("avx512vl");

    switch (isa) {
    case MQ_ISA_SSE41:
        return MQ_CPU_HAS("sse4.1");
    case MQ_ISA_AVX2:
        return avx2;
    case MQ_ISA_AVX2_VNNI:
        return avx2 && has_avx_vnni();
    case MQ_ISA_AVX512:
        return avx512;
    case MQ_ISA_AVX512_VNNI:
        return avx512 && MQ_CPU_HAS("avx512vnni");
    default:
        return true;
    }
}

mq_isa mq_isa_find(void)
{
    mq_isa isa = mq_isa_limited();

    if (isa == MQ_ISA_NATIVE)
        for (isa = MQ_N_ISAS - 1; !mq_isa_is_there(isa); isa--)
            continue;
    atomic_store(&mq_isa_state.now, isa);
    return isa;
}

/* "sse41, avx2" into `out`, or "none" */
static void list_there(char *out, size_t size)
{
    size_t n = 0;

    snprintf(out, size, "none");
    for (int i = MQ_ISA_SSE41; i < MQ_N_ISAS; i++)
        if (mq_isa_is_there((mq_isa)i) && n < size)
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", names[i]);
}

mq_status mq_isa_parse(const char *name, mq_isa *out, mq_error *err)
{
    char there[128];
    int isa = 0;

    while (isa < MQ_N_ISAS && (isa == MQ_ISA_BASE || strcmp(name, names[isa]) != 0))
        isa++;
    if (isa == MQ_N_ISAS)
        return mq_fail(err, MQ_ERR_USAGE, "'%s' is no instruction set: sse41, avx2, avx2-vnni, avx512, avx512-vnni and "
                                          "native are", name);
    if (!mq_isa_is_there((mq_isa)isa)) {
        list_there(there, sizeof there);
        return mq_fail(err, MQ_ERR_USAGE, "this CPU lacks '%s'; of the instruction sets that can be named it has: %s", name,
                       there);
    }
    *out = (mq_isa)isa;
    return MQ_OK;
}

void mq_isa_limit(mq_isa isa)
{
    atomic_store(&mq_isa_state.limit, isa);
    mq_isa_find();
}

mq_isa mq_isa_limited(void)
{
    return (mq_isa)atomic_load(&mq_isa_state.limit);
}
