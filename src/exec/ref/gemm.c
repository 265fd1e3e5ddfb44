/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The blocked matrix product of the reference kernels. A task is one block of rows and columns of one product: it packs what
 * it needs and sums along k in blocks of KC, in registers inside a block. So a sum's order depends on the shape alone,
 * not on threads or the instruction set. Nothing is shared between tasks: packing again costs a few percent. */
#include "exec/ref/gemm.h"

#ifdef _OPENMP
#include <omp.h>
#endif
#include <string.h>

#include "exec/ref/util.h"

enum { MR = 6, NR = 16, MC = 16 * MR, NC = 256, KC = 256 };

#define T float
#define N(name) name##_f32
#include "exec/ref/gemm.inc"
#undef T
#undef N
#define T double
#define N(name) name##_f64
#include "exec/ref/gemm.inc"
#undef T
#undef N
#define T uint32_t
#define N(name) name##_u32
#include "exec/ref/gemm.inc"
#undef T
#undef N
#define T uint64_t
#define N(name) name##_u64
#include "exec/ref/gemm.inc"
#undef T
#undef N

typedef void (*task_fn)(const mq_gemm *g, int64_t q, int64_t i0, int64_t j0, void *scratch);

static task_fn task_of(mq_dtype dtype)
{
    switch (dtype) {
    case MQ_FLOAT: return task_f32;
    case MQ_DOUBLE: return task_f64;
    case MQ_INT32:
    case MQ_UINT32: return task_u32;
    case MQ_INT64:
    case MQ_UINT64: return task_u64;
    default: MQ_BUG("matrix product of an element type that it does not have");
    }
}

size_t mq_gemm_scratch(const mq_gemm *g)
{
    const int64_t kc = g->k < KC ? g->k : KC, mc = g->m < MC ? g->m + MR : MC;
    const size_t bytes = (size_t)(kc * (NC + mc)) * (size_t)(mq_dtype_bits(g->dtype) / 8);
    return (bytes + 127) / 64 * 64;
}

/* The place of task t. */
static void run_task(const mq_gemm *g, task_fn fn, int64_t mb, int64_t nb, int64_t t, void *scratch)
{
    fn(g, t / (mb * nb), t / nb % mb * MC, t % nb * NC, scratch);
}

void mq_gemm_serial(const mq_gemm *g, void *scratch)
{
    const int64_t mb = (g->m + MC - 1) / MC, nb = (g->n + NC - 1) / NC;
    const task_fn fn = task_of(g->dtype);
    for (int64_t t = 0; t < g->batch * mb * nb; t++)
        run_task(g, fn, mb, nb, t, scratch);
}

mq_status mq_gemm_run(mq_call *c, const mq_gemm *g)
{
    const int64_t mb = (g->m + MC - 1) / MC, nb = (g->n + NC - 1) / NC, n = g->batch * mb * nb;
    const task_fn fn = task_of(g->dtype);
    const double work = (double)g->batch * (double)g->m * (double)g->n * (double)(g->k + 1) / 8;
    int threads = mq_call_threads(c, work < 1e15 ? (int64_t)work : (int64_t)1e15);
    if (threads > n)
        threads = n > 0 ? (int)n : 1;
    const size_t size = mq_gemm_scratch(g);
    char *scratch = g->scratch ? g->scratch : mq_call_scratch(c, size * (size_t)threads);
    if (!scratch)
        return MQ_ERR_NOMEM;
#pragma omp parallel for schedule(dynamic) num_threads(threads) if (threads > 1)
    for (int64_t t = 0; t < n; t++) {
#ifdef _OPENMP
        run_task(g, fn, mb, nb, t, scratch + size * (size_t)omp_get_thread_num());
#else
        run_task(g, fn, mb, nb, t, scratch);
#endif
    }
    return MQ_OK;
}
