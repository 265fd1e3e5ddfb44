/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The one header for compiler extensions. */
#ifndef MQ_BASE_COMPILER_H
#define MQ_BASE_COMPILER_H

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

/* Several instruction sets of one leaf function, chosen by the loader. Not under sanitizers: their start-up runs before
 * the resolvers can (gcc 12 and clang 14 crash). Leaves hold no OpenMP pragma: clang 14 does not clone outlined bodies. */
#if defined(__x86_64__) && defined(__linux__) && !defined(MQ_SANITIZED)
#define MQ_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define MQ_CLONES
#endif

/* A body that each clone must have compiled into it. */
#define MQ_INLINE static inline __attribute__((always_inline))
/* A float anywhere in memory: payloads of a mapped file are not aligned. */
typedef float mq_unaligned_f32 __attribute__((aligned(1), may_alias));

#define MQ_UNUSED __attribute__((unused))
#define MQ_ARRAY_LEN(a) (sizeof(a) / sizeof(*(a)))

#endif
