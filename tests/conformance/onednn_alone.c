/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What oneDNN alone reaches on given shapes, each of its implementations timed: for scripts/bench_nodes.py, which sets it
 * beside what a model's nodes reach in the engine.
 *
 *   onednn_alone THREADS hot|cold SHAPE...
 *   conv:OUT,GROUP,IN,H,W,KH,KW,SH,SW,TOP,LEFT,BOTTOM,RIGHT   matmul:M,K,N
 *
 * float32, batch 1, with bias; each implementation in the orders that it likes. `hot` repeats on the same memory; `cold`
 * goes round over copies of it (64 MB), as a net does that has other nodes between. One line of JSON for each: the fastest
 * of its runs. */
#include <dnnl.h>
#include <omp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MOST_NUMBERS 13
#define MOST_SETS 64
#define COLD_BYTES (64u << 20)
#define ENOUGH_MS 120
#define N_ARGS 5

static dnnl_engine_t engine;
static dnnl_stream_t stream;
static bool cold;

static void check(dnnl_status_t st, const char *what)
{
    if (st != dnnl_success) {
        fprintf(stderr, "onednn_alone: %s: status %d\n", what, (int)st);
        exit(1);
    }
}

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static dnnl_memory_t make_memory(const dnnl_memory_desc_t *d)
{
    const size_t bytes = (dnnl_memory_desc_get_size(d) + 63) / 64 * 64;
    float *data = aligned_alloc(64, bytes);
    dnnl_memory_t m;

    if (!data)
        exit(1);
    for (size_t i = 0; i < bytes / sizeof *data; i++)
        data[i] = (float)(rand() % 2001 - 1000) * 1e-3f;
    check(dnnl_memory_create(&m, d, engine, data), "memory");
    return m;
}

static const dnnl_memory_desc_t *arg_desc(const_dnnl_primitive_desc_t pd, int what)
{
    return what == DNNL_ARG_SCRATCHPAD ? dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0)
                                       : dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, what);
}

static double time_primitive(const_dnnl_primitive_desc_t pd)
{
    static const int args[N_ARGS] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_BIAS, DNNL_ARG_DST, DNNL_ARG_SCRATCHPAD };
    dnnl_exec_arg_t sets[MOST_SETS][N_ARGS];
    size_t bytes = 1, n_sets;
    double best = 1e9, start;
    dnnl_primitive_t p;
    int n = 0;

    check(dnnl_primitive_create(&p, pd), "primitive");
    for (int i = 0; i < N_ARGS; i++)
        bytes += dnnl_memory_desc_get_size(arg_desc(pd, args[i]));
    n_sets = !cold ? 1 : COLD_BYTES / bytes + 2 < MOST_SETS ? COLD_BYTES / bytes + 2 : MOST_SETS;
    for (size_t s = 0; s < n_sets; s++)
        for (int i = n = 0; i < N_ARGS; i++)
            if (dnnl_memory_desc_get_size(arg_desc(pd, args[i])))
                sets[s][n++] = (dnnl_exec_arg_t){ args[i], make_memory(arg_desc(pd, args[i])) };
    start = now_ms();
    for (size_t k = 0; k < 3 * n_sets || now_ms() - start < ENOUGH_MS; k++) {
        const double from = now_ms();

        check(dnnl_primitive_execute(p, stream, n, sets[k % n_sets]), "execute");
        check(dnnl_stream_wait(stream), "wait");
        if (k >= n_sets && now_ms() - from < best)
            best = now_ms() - from;
    }
    for (size_t s = 0; s < n_sets; s++)
        for (int i = 0; i < n; i++) {
            void *data;

            check(dnnl_memory_get_data_handle(sets[s][i].memory, &data), "handle");
            dnnl_memory_destroy(sets[s][i].memory);
            free(data);
        }
    dnnl_primitive_destroy(p);
    return best;
}

/* All implementations but the plain C++ one. */
static void time_all(const char *shape, const_dnnl_op_desc_t desc, double macs)
{
    dnnl_primitive_desc_iterator_t it;
    dnnl_primitive_attr_t attr;

    check(dnnl_primitive_attr_create(&attr), "attributes");
    check(dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user), "attributes");
    if (dnnl_primitive_desc_iterator_create(&it, desc, attr, engine, NULL) == dnnl_success) {
        do {
            dnnl_primitive_desc_t pd = dnnl_primitive_desc_iterator_fetch(it);
            const char *name = "";

            dnnl_primitive_desc_query(pd, dnnl_query_impl_info_str, 0, &name);
            if (strncmp(name, "ref", 3) != 0 && !strstr(name, "avx2") && !strstr(name, "sse41")) {
                const double ms = time_primitive(pd);

                printf("{\"shape\": \"%s\", \"implementation\": \"%s\", \"ms\": %.6f, \"gflops\": %.2f}\n", shape, name, ms,
                       2e-6 * macs / ms);
            }
            dnnl_primitive_desc_destroy(pd);
        } while (dnnl_primitive_desc_iterator_next(it) == dnnl_success);
        dnnl_primitive_desc_iterator_destroy(it);
    }
    dnnl_primitive_attr_destroy(attr);
}

static dnnl_memory_desc_t describe(int rank, const int64_t *dims, bool plain)
{
    dnnl_memory_desc_t d;
    dnnl_dims_t n = { 0 };

    memcpy(n, dims, (size_t)rank * sizeof *dims);
    if (plain)
        check(dnnl_memory_desc_init_by_strides(&d, rank, n, dnnl_f32, NULL), "description");
    else
        check(dnnl_memory_desc_init_by_tag(&d, rank, n, dnnl_f32, dnnl_format_tag_any), "description");
    return d;
}

static void time_conv(const char *shape, const int64_t *p)
{
    static const dnnl_alg_kind_t algs[] = { dnnl_convolution_direct, dnnl_convolution_winograd };
    const int64_t out = p[0], group = p[1], in = p[2];
    const int64_t oh = (p[3] + p[9] + p[11] - p[5]) / p[7] + 1, ow = (p[4] + p[10] + p[12] - p[6]) / p[8] + 1;
    const bool grouped = group > 1;
    const dnnl_memory_desc_t x = describe(4, (int64_t[]){ 1, in, p[3], p[4] }, false),
                             y = describe(4, (int64_t[]){ 1, out, oh, ow }, false), b = describe(1, &out, true),
                             w = describe(4 + grouped, grouped ? (int64_t[]){ group, out / group, in / group, p[5], p[6] }
                                                               : (int64_t[]){ out, in, p[5], p[6] }, false);

    for (size_t i = 0; i < 2; i++) {
        dnnl_convolution_desc_t d;

        if (dnnl_convolution_forward_desc_init(&d, dnnl_forward_inference, algs[i], &x, &w, &b, &y, p + 7, p + 9, p + 11) ==
            dnnl_success)
            time_all(shape, &d, (double)out * (double)(oh * ow) * (double)(in / group * p[5] * p[6]));
    }
}

static void time_matmul(const char *shape, const int64_t *p)
{
    const dnnl_memory_desc_t a = describe(2, (int64_t[]){ p[0], p[1] }, true), w = describe(2, p + 1, false),
                             b = describe(2, (int64_t[]){ 1, p[2] }, true),
                             y = describe(2, (int64_t[]){ p[0], p[2] }, true);
    dnnl_matmul_desc_t d;

    check(dnnl_matmul_desc_init(&d, &a, &w, &b, &y), "matmul");
    time_all(shape, &d, (double)p[0] * (double)p[1] * (double)p[2]);
}

int main(int argc, char **argv)
{
    const int threads = argc > 3 ? atoi(argv[1]) : 0;

    if (threads < 1) {
        fprintf(stderr, "usage: onednn_alone THREADS hot|cold SHAPE...\n");
        return 2;
    }
    cold = strcmp(argv[2], "cold") == 0;
    omp_set_num_threads(threads);
    check(dnnl_engine_create(&engine, dnnl_cpu, 0), "engine");
    check(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags), "stream");
    for (int i = 3; i < argc; i++) {
        const bool conv = strncmp(argv[i], "conv:", 5) == 0;
        int64_t p[MOST_NUMBERS] = { 0 };
        const char *at = strchr(argv[i], ':');

        for (int k = 0; at && *at && k < MOST_NUMBERS; k++)
            p[k] = strtoll(at + 1, (char **)&at, 10);
        if (!at || p[0] < 1 || p[1] < 1 || p[2] < 1 || (conv && (p[7] < 1 || p[8] < 1))) {
            fprintf(stderr, "onednn_alone: '%s' is no shape\n", argv[i]);
            return 2;
        }
        (conv ? time_conv : time_matmul)(argv[i], p);
    }
    dnnl_stream_destroy(stream);
    dnnl_engine_destroy(engine);
    return 0;
}
