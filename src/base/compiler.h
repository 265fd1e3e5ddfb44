/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The one header for compiler extensions. */
#ifndef MQ_BASE_COMPILER_H
#define MQ_BASE_COMPILER_H

#include "base/isa.h"

#if defined(__SANITIZE_ADDRESS__)
#define MQ_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MQ_ASAN 1
#endif
#endif

#if defined(__SANITIZE_THREAD__)
#define MQ_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define MQ_SANITIZED 1
#endif
#endif

#ifdef MQ_ASAN
#define MQ_SANITIZED 1
#include <sanitizer/asan_interface.h>
#define MQ_POISON(p, n) ASAN_POISON_MEMORY_REGION(p, n)
#define MQ_UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION(p, n)
#define MQ_RED_ZONE 32
#else
#define MQ_POISON(p, n) ((void)(p), (void)(n))
#define MQ_UNPOISON(p, n) ((void)(p), (void)(n))
#define MQ_RED_ZONE 0
#endif

/* A body that each clone must have compiled into it. */
#define MQ_INLINE static inline __attribute__((always_inline))

/* One leaf function for several instruction sets: MQ_CLONES(result, name, (parameters), (their names)) stands in front of
 * its body and makes the static function `name`, which at each call takes the clone of mq_isa_now(). (target_clones lets
 * the loader choose: neither the user nor a test could, and it crashes under sanitizers.) Leaves hold no OpenMP pragma that
 * is outlined: what is outlined is compiled for the least instruction set. Without avx512vl: gcc 12 makes loops over lanes
 * scalar with it. */
#ifdef __x86_64__
#define MQ_CLONES_OF(storage, result, name, params, args)                               \
    MQ_INLINE result name##_body params;                                                \
    __attribute__((target("avx512f,avx512bw,avx512dq,fma")))                            \
    static result name##_avx512 params                                                  \
    {                                                                                   \
        return name##_body args;                                                        \
    }                                                                                   \
    __attribute__((target("avx2,fma"))) static result name##_avx2 params                \
    {                                                                                   \
        return name##_body args;                                                        \
    }                                                                                   \
    __attribute__((noinline)) static result name##_base params                          \
    {                                                                                   \
        return name##_body args;                                                        \
    }                                                                                   \
    storage result name params                                                          \
    {                                                                                   \
        const mq_isa isa = mq_isa_now();                                                \
        if (isa >= MQ_ISA_AVX512)                                                       \
            return name##_avx512 args;                                                  \
        return isa >= MQ_ISA_AVX2 ? name##_avx2 args : name##_base args;                \
    }                                                                                   \
    MQ_INLINE result name##_body params
#else
#define MQ_CLONES_OF(storage, result, name, params, args) storage result name params
#endif
#define MQ_CLONES(result, name, params, args) MQ_CLONES_OF(static, result, name, params, args)
/* The same for a function that a header declares. */
#define MQ_CLONES_EXPORTED(result, name, params, args) MQ_CLONES_OF(, result, name, params, args)

/* In front of a loop whose turns do not depend on each other, although the result may lie over an operand (element k over
 * element k): without it compilers see overlap when they run and fall back to one element at a time. No code of its own
 * is made for this pragma (nothing is outlined), so it may stand in MQ_CLONES functions. Sanitizers keep loops from
 * becoming vector code, which clang would complain about. */
#if defined(__has_feature)
#if __has_feature(undefined_behavior_sanitizer)
#define MQ_LANES
#endif
#endif
#if !defined(MQ_LANES) && defined(MQ_SANITIZED)
#define MQ_LANES
#elif !defined(MQ_LANES)
#define MQ_LANES _Pragma("omp simd")
#endif

/* What the CPU and the system have: "avx2". */
#ifdef __x86_64__
#define MQ_CPU_HAS(name) (__builtin_cpu_supports(name) != 0)
#else
#define MQ_CPU_HAS(name) false
#endif

/* A float anywhere in memory: payloads of a mapped file are not aligned. */
typedef float mq_unaligned_f32 __attribute__((aligned(1), may_alias));

#define MQ_UNUSED __attribute__((unused))
#define MQ_ARRAY_LEN(a) (sizeof(a) / sizeof(*(a)))

#endif
