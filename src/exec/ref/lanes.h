/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Element by element: walking one array, or several broadcast ones, with a leaf function for each contiguous stretch. Takes
 * care of threads, of strides and of writing over an input that nobody needs any more. */
#ifndef MQ_EXEC_REF_LANES_H
#define MQ_EXEC_REF_LANES_H

#include "exec/ref/util.h"

/* n elements; out may be in. */
typedef void (*mq_map_fn)(int64_t n, const void *in, void *out, const void *param);
/* Output 0, of input 0's shape and element type `type` (8 bits or more), is fn over the elements of input 0. */
mq_status mq_call_map(mq_call *c, mq_dtype type, mq_map_fn fn, const void *param);
/* With the leaf of input 0's element type, and a result of that type; NULL: the operator does not have the type. */
mq_status mq_call_map_typed(mq_call *c, const mq_map_fn leaves[MQ_N_DTYPES], const void *param);
/* The same from plain memory to plain memory. */
void mq_map_run(const mq_call *c, int64_t n, const void *in, size_t in_size, void *out, size_t out_size, mq_map_fn fn,
                const void *param);

/* n elements; operand k advances by step[k] elements, 0 or 1, from one to the next; out by 1. Out may be an operand with
 * step 1. */
typedef void (*mq_zip_fn)(int64_t n, const void *const *in, const int64_t *step, void *out, const void *param);
/* Output 0 is fn over inputs 0 to n_in-1 (all there; at most 3), broadcast. */
mq_status mq_call_zip(mq_call *c, size_t n_in, mq_dtype type, mq_zip_fn fn, const void *param);
/* Of two inputs of one element type, with the leaf of that type. `type` MQ_UNDEFINED: the result is of that type too. */
mq_status mq_call_zip_typed(mq_call *c, const mq_zip_fn leaves[MQ_N_DTYPES], mq_dtype type, const void *param);
/* The same into given memory of the common shape of the arrays. */
void mq_zip_run(const mq_call *c, size_t n_in, const mq_array *const *in, const mq_bcast *b, void *out, size_t out_size,
                mq_zip_fn fn, const void *param);

/* In front of the body of a mq_zip_fn, which becomes one for several instruction sets. */
#define MQ_ZIP_CLONES(name)                                                                                           \
    MQ_CLONES(void, name, (int64_t n, const void *const *in, const int64_t *step, void *out, const void *param),      \
              (n, in, step, out, param))

/* The body of a mq_zip_fn over two operands: to[i] = expr of x and y (the next of each), as R. One loop for each way to
 * step, so that each is vector code; `lanes` is MQ_LANES or nothing. */
#define MQ_ZIP_LOOPS(T, R, lanes, expr)               \
    const T *p = in[0], *q = in[1];                   \
    R *to = out;                                      \
    if (step[0] && step[1]) {                         \
        lanes                                         \
        for (int64_t i = 0; i < n; i++) {             \
            const T x = p[i], y = q[i];               \
            to[i] = (R)(expr);                        \
        }                                             \
    } else if (step[0]) {                             \
        const T y = *q;                               \
        lanes                                         \
        for (int64_t i = 0; i < n; i++) {             \
            const T x = p[i];                         \
            to[i] = (R)(expr);                        \
        }                                             \
    } else {                                          \
        const T x = *p;                               \
        lanes                                         \
        for (int64_t i = 0; i < n; i++) {             \
            const T y = q[i * step[1]];               \
            to[i] = (R)(expr);                        \
        }                                             \
    }
/* The same as one loop: less code, for what is rarely large. */
#define MQ_ZIP_LOOP(T, R, expr)                                      \
    const T *p = in[0], *q = in[1];                                  \
    R *to = out;                                                     \
    for (int64_t i = 0; i < n; i++) {                                \
        const T x = p[i * step[0]], y = q[i * step[1]];              \
        to[i] = (R)(expr);                                           \
    }

/* A whole mq_zip_fn of one expression, which may use what the declaration or statement `first` gets from param. */
#define MQ_ZIP_HEAD(name) \
    static void name(int64_t n, const void *const *in, const int64_t *step, void *out, const void *param)
#define MQ_ZIP(name, T, R, first, expr)  \
    MQ_ZIP_HEAD(name)                    \
    {                                    \
        first;                           \
        MQ_ZIP_LOOP(T, R, expr)          \
    }
/* The same for several instruction sets, for what is often large. */
#define MQ_ZIP_FAST(name, T, R, first, expr)  \
    MQ_ZIP_CLONES(name)                       \
    {                                         \
        first;                                \
        MQ_ZIP_LOOPS(T, R, MQ_LANES, expr)    \
    }

#endif
