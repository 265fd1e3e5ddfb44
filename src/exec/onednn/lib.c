/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Descriptions, attributes and the running of primitives on oneDNN 2.6. The making of each kind is in make.c. */
#include <omp.h>
#include <stdlib.h>
#include <string.h>

#include "exec/fast.h"
#include "exec/layout.h"
#include "exec/onednn/private.h"

/* ---- types and descriptions --------------------------------------------------------------------------------------- */

static bool type_of(mq_dtype t, dnnl_data_type_t *out)
{
    switch (t) {
    case MQ_FLOAT:
        *out = dnnl_f32;
        return true;
    case MQ_INT32:
        *out = dnnl_s32;
        return true;
    case MQ_INT8:
        *out = dnnl_s8;
        return true;
    case MQ_UINT8:
        *out = dnnl_u8;
        return true;
    default:
        return false;
    }
}

bool mq_dn_strided(mq_dn_desc *d, mq_dtype dtype, int rank, const int64_t *dims, const int64_t *strides)
{
    dnnl_dims_t n = { 0 }, step = { 0 };
    dnnl_data_type_t t;

    memset(d, 0, sizeof *d);
    if (rank < 1 || rank > DNNL_MAX_NDIMS || !type_of(dtype, &t))
        return false;
    memcpy(n, dims, (size_t)rank * sizeof *n);
    if (strides)
        memcpy(step, strides, (size_t)rank * sizeof *step);
    return dnnl_memory_desc_init_by_strides(&d->md, rank, n, t, strides ? step : NULL) == dnnl_success;
}

bool mq_dn_plain(mq_dn_desc *d, mq_dtype dtype, int rank, const int64_t *dims)
{
    return mq_dn_strided(d, dtype, rank, dims, NULL);
}

bool mq_dn_any(mq_dn_desc *d, mq_dtype dtype, int rank, const int64_t *dims)
{
    dnnl_dims_t n = { 0 };
    dnnl_data_type_t t;

    memset(d, 0, sizeof *d);
    if (rank < 1 || rank > DNNL_MAX_NDIMS || !type_of(dtype, &t))
        return false;
    memcpy(n, dims, (size_t)rank * sizeof *n);
    return dnnl_memory_desc_init_by_tag(&d->md, rank, n, t, dnnl_format_tag_any) == dnnl_success;
}

/* The size of the blocks of channels; 0: another order. */
static int64_t block_of(const dnnl_memory_desc_t *d)
{
    const dnnl_blocking_desc_t *b = &d->format_desc.blocking;

    if (d->format_kind != dnnl_blocked || d->ndims < 4 || b->inner_nblks != 1 || b->inner_idxs[0] != 1)
        return 0;
    return b->inner_blks[0];
}

static bool blocked(mq_dn_desc *d, int64_t block, mq_dtype dtype, int rank, const int64_t *dims)
{
    dnnl_dims_t n = { 0 };
    dnnl_data_type_t t;

    memset(d, 0, sizeof *d);
    if ((block != 8 && block != 16) || (rank != 4 && rank != 5) || !type_of(dtype, &t))
        return false;
    memcpy(n, dims, (size_t)rank * sizeof *n);
    return dnnl_memory_desc_init_by_tag(&d->md, rank, n, t, rank == 4 ? block == 8 ? dnnl_nChw8c : dnnl_nChw16c
                                                            : block == 8 ? dnnl_nCdhw8c : dnnl_nCdhw16c) == dnnl_success;
}

bool mq_dn_blocked_like(mq_dn_desc *d, const mq_dn_desc *x, mq_dtype dtype, int rank, const int64_t *dims)
{
    return rank == x->md.ndims && blocked(d, block_of(&x->md), dtype, rank, dims);
}

void mq_dn_none(mq_dn_desc *d)
{
    memset(d, 0, sizeof *d);
}

bool mq_dn_of_array(mq_dn_desc *d, const mq_array *a)
{
    if (!a->layout)
        return mq_dn_plain(d, a->dtype, a->rank, a->dims);
    memcpy(d, a->layout, sizeof *d);
    return true;
}

int mq_dn_image_dims(int rank, const int64_t *dims, int64_t out[MQ_MAX_RANK])
{
    if (rank == 3) {
        memcpy(out, (int64_t[]){ dims[0], dims[1], 1, dims[2] }, 4 * sizeof *out);
        return 4;
    }
    memcpy(out, dims, (size_t)rank * sizeof *dims);
    return rank;
}

bool mq_dn_of_image(mq_dn_desc *d, const mq_array *a)
{
    int64_t dims[MQ_MAX_RANK];

    if (a->layout)
        return mq_dn_of_array(d, a);
    return mq_dn_plain(d, a->dtype, mq_dn_image_dims(a->rank, a->dims, dims), dims);
}

size_t mq_dn_bytes(const mq_dn_desc *d)
{
    return dnnl_memory_desc_get_size(&d->md);
}

int mq_dn_rank(const mq_dn_desc *d)
{
    return d->md.ndims;
}

const int64_t *mq_dn_dims(const mq_dn_desc *d)
{
    return d->md.dims;
}

/* Strides of axes of one element say nothing. */
static bool same_strides(const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b)
{
    for (int i = 0; i < a->ndims; i++)
        if (a->padded_dims[i] > 1 && a->format_desc.blocking.strides[i] != b->format_desc.blocking.strides[i])
            return false;
    return true;
}

bool mq_dn_same(const mq_dn_desc *x, const mq_dn_desc *y)
{
    const dnnl_memory_desc_t *a = &x->md, *b = &y->md;
    const size_t n = (size_t)a->ndims * sizeof(dnnl_dim_t);

    if (dnnl_memory_desc_equal(a, b))
        return true;
    return a->ndims == b->ndims && a->data_type == b->data_type && a->format_kind == dnnl_blocked &&
           b->format_kind == dnnl_blocked && !a->extra.flags && !b->extra.flags && a->offset0 == b->offset0 &&
           memcmp(a->dims, b->dims, n) == 0 && memcmp(a->padded_dims, b->padded_dims, n) == 0 &&
           a->format_desc.blocking.inner_nblks == 0 && b->format_desc.blocking.inner_nblks == 0 && same_strides(a, b);
}

bool mq_dn_is_padded(const mq_dn_desc *d)
{
    for (int i = 0; i < d->md.ndims; i++)
        if (d->md.padded_dims[i] != d->md.dims[i])
            return true;
    return false;
}

/* Blocked channels of single points are in order, unless they are padded. */
static bool is_points(const dnnl_memory_desc_t *d)
{
    const dnnl_blocking_desc_t *b = &d->format_desc.blocking;
    int64_t points = 1;

    for (int i = 2; i < d->ndims; i++)
        points *= d->dims[i];
    return d->ndims > 2 && points == 1 && b->inner_nblks == 1 && b->inner_idxs[0] == 1 &&
           (d->dims[1] == b->inner_blks[0] || b->strides[1] == b->inner_blks[0]) &&
           (d->dims[0] == 1 || b->strides[0] == d->dims[1]);
}

bool mq_dn_is_plain(const mq_dn_desc *d)
{
    mq_dn_desc plain = *d;

    if (d->md.format_kind != dnnl_blocked || d->md.extra.flags || d->md.offset0)
        return false;
    if (is_points(&d->md) && !mq_dn_is_padded(d))
        return true;
    return dnnl_memory_desc_init_by_strides(&plain.md, d->md.ndims, d->md.dims, d->md.data_type, NULL) == dnnl_success &&
           mq_dn_same(d, &plain);
}

bool mq_dn_part_of(mq_dn_desc *d, const mq_dn_desc *x, int64_t n, size_t *step)
{
    const dnnl_memory_desc_t *m = &x->md;
    const dnnl_blocking_desc_t *b = &m->format_desc.blocking;

    if (m->format_kind != dnnl_blocked || m->extra.flags || m->offset0 || m->padded_dims[0] != m->dims[0] || m->dims[0] < 1)
        return false;
    for (int i = 0; i < b->inner_nblks; i++)
        if (b->inner_idxs[i] == 0)
            return false;
    *step = mq_dn_bytes(x) / (size_t)m->dims[0];
    if (m->dims[0] > 1 && (size_t)b->strides[0] * sizeof(float) != *step)
        return false;
    *d = *x;
    d->md.dims[0] = d->md.padded_dims[0] = n;
    return true;
}

bool mq_dn_planes_of(mq_dn_planes *p, const mq_dn_desc *x)
{
    const dnnl_memory_desc_t *m = &x->md;
    const int64_t blocked = block_of(m);
    const bool plain = !blocked && mq_dn_is_plain(x) && !mq_dn_is_padded(x);
    const int64_t block = plain ? 1 : blocked;
    size_t step;
    mq_dn_desc one;

    if (m->data_type != dnnl_f32 || m->ndims < 2 || (block != 1 && block != 8 && block != 16) ||
        !mq_dn_part_of(&one, x, 1, &step))
        return false;
    *p = (mq_dn_planes){ .images = m->dims[0], .channels = m->dims[1], .block = (int)block, .n = block,
                         .groups = m->padded_dims[1] / block };
    for (int i = 2; i < m->ndims; i++) {
        if (m->padded_dims[i] != m->dims[i])
            return false;
        p->n *= m->dims[i];
    }
    return plain || p->groups == 1 || m->format_desc.blocking.strides[1] == p->n;
}

bool mq_dn_planes_order(mq_dn_desc *d, mq_dn_planes *p, const mq_dn_desc *x)
{
    *d = *x;
    return mq_dn_planes_of(p, x) || (blocked(d, mq_isa_now() >= MQ_ISA_AVX512 ? 16 : 8, MQ_FLOAT, x->md.ndims, x->md.dims) &&
                                     mq_dn_planes_of(p, d));
}

/* ---- attributes --------------------------------------------------------------------------------------------------- */

static mq_dn_post *add_post(mq_dn_attr *a, mq_dn_post_kind kind)
{
    mq_dn_post *p = a->n_post < MQ_DN_MAX_POST ? &a->post[a->n_post++] : NULL;

    if (p) {
        memset(p, 0, sizeof *p);
        p->kind = kind;
    }
    return p;
}

bool mq_dn_add_eltwise(mq_dn_attr *a, dnnl_alg_kind_t alg, float alpha, float beta)
{
    mq_dn_post *p;

    for (int i = 0; i < a->n_post; i++)
        if (a->post[i].kind == MQ_DN_ELTWISE && a->post[i].alg == alg)
            return false;
    if (!(p = add_post(a, MQ_DN_ELTWISE)))
        return false;
    p->alg = alg;
    p->alpha = alpha;
    p->beta = beta;
    return true;
}

bool mq_dn_add_sum(mq_dn_attr *a)
{
    return add_post(a, MQ_DN_SUM);
}

bool mq_dn_add_binary(mq_dn_attr *a, dnnl_alg_kind_t alg, const mq_dn_desc *other)
{
    mq_dn_post *p = add_post(a, MQ_DN_BINARY);

    if (!p)
        return false;
    p->alg = alg;
    p->other = *other;
    return true;
}

static dnnl_status_t set_posts(dnnl_primitive_attr_t attr, const mq_dn_attr *a)
{
    dnnl_post_ops_t ops;
    dnnl_status_t st = dnnl_post_ops_create(&ops);

    if (st != dnnl_success)
        return st;
    for (int i = 0; i < a->n_post && st == dnnl_success; i++) {
        const mq_dn_post *p = &a->post[i];

        if (p->kind == MQ_DN_ELTWISE)
            st = dnnl_post_ops_append_eltwise(ops, 1, p->alg, p->alpha, p->beta);
        else if (p->kind == MQ_DN_SUM)
            st = dnnl_post_ops_append_sum(ops, 1);
        else
            st = dnnl_post_ops_append_binary(ops, p->alg, &p->other.md);
    }
    if (st == dnnl_success)
        st = dnnl_primitive_attr_set_post_ops(attr, ops);
    dnnl_post_ops_destroy(ops);
    return st;
}

static dnnl_status_t set_zero(dnnl_primitive_attr_t attr, bool wanted, int arg)
{
    const int32_t later = DNNL_RUNTIME_S32_VAL;

    return wanted ? dnnl_primitive_attr_set_zero_points(attr, arg, 1, 0, &later) : dnnl_success;
}

dnnl_status_t mq_dn_attr_create(const mq_dn_attr *a, dnnl_primitive_attr_t *out)
{
    dnnl_status_t st = dnnl_primitive_attr_create(out);

    if (st != dnnl_success)
        return st;
    st = dnnl_primitive_attr_set_scratchpad_mode(*out, dnnl_scratchpad_mode_user);
    if (st == dnnl_success && a && a->n_post)
        st = set_posts(*out, a);
    if (st == dnnl_success && a && a->n_scales)
        st = dnnl_primitive_attr_set_output_scales(*out, a->n_scales, a->n_scales > 1 ? 1 << a->scale_axis : 0, a->scales);
    if (st == dnnl_success && a)
        st = set_zero(*out, a->src_zero, DNNL_ARG_SRC);
    if (st == dnnl_success && a)
        st = set_zero(*out, a->dst_zero, DNNL_ARG_DST);
    if (st != dnnl_success)
        dnnl_primitive_attr_destroy(*out);
    return st;
}

/* ---- instruction set ---------------------------------------------------------------------------------------------- */

static const dnnl_cpu_isa_t limits[MQ_N_ISAS] = {
    [MQ_ISA_NATIVE] = dnnl_cpu_isa_all,          [MQ_ISA_SSE41] = dnnl_cpu_isa_sse41,
    [MQ_ISA_AVX2] = dnnl_cpu_isa_avx2,           [MQ_ISA_AVX2_VNNI] = dnnl_cpu_isa_avx2_vnni,
    [MQ_ISA_AVX512] = dnnl_cpu_isa_avx512_core,
    [MQ_ISA_AVX512_VNNI] = dnnl_cpu_isa_avx512_core_vnni,
};

/* The library takes a limit once, before it is used, maybe by the program itself. */
bool mq_fast_limit_isa(mq_isa isa)
{
    return dnnl_set_max_cpu_isa(limits[isa]) == dnnl_success;
}

bool mq_dn_int8_is_exact(void)
{
    const unsigned isa = (unsigned)dnnl_get_effective_cpu_isa();

    return (isa & dnnl_cpu_isa_avx512_core_vnni) == dnnl_cpu_isa_avx512_core_vnni ||
           (isa & dnnl_cpu_isa_avx2_vnni) == dnnl_cpu_isa_avx2_vnni;
}

/* ---- primitives --------------------------------------------------------------------------------------------------- */

/* The number of threads is a property of the calling thread; it is put back afterwards. */
int mq_dn_enter(int threads)
{
    const int before = omp_get_max_threads();

    if (before != threads)
        omp_set_num_threads(threads);
    return before;
}

void mq_dn_leave(int threads, int before)
{
    if (before != threads)
        omp_set_num_threads(before);
}

/* Making an engine fails for want of memory only: the one of the CPU is always there. */
mq_dn_op *mq_dn_op_create(int threads, mq_error *err)
{
    mq_dn_op *op = calloc(1, sizeof *op);

    if (op && dnnl_engine_create(&op->engine, dnnl_cpu, 0) == dnnl_success &&
        dnnl_stream_create(&op->stream, op->engine, dnnl_stream_default_flags) == dnnl_success) {
        op->threads = threads;
        return op;
    }
    mq_dn_free(op);
    mq_oom(err);
    return NULL;
}

void mq_dn_free(mq_dn_op *op)
{
    if (!op)
        return;
    for (int i = 0; i < op->n_mem; i++)
        dnnl_memory_destroy(op->mem[i].memory);
    if (op->prim)
        dnnl_primitive_destroy(op->prim);
    if (op->pd)
        dnnl_primitive_desc_destroy(op->pd);
    if (op->stream)
        dnnl_stream_destroy(op->stream);
    if (op->engine)
        dnnl_engine_destroy(op->engine);
    free(op);
}

mq_status mq_dn_op_finish(mq_dn_op *op, dnnl_status_t st, mq_dn_op **out, mq_error *err)
{
    const dnnl_memory_desc_t *scratch;

    *out = NULL;
    if (st == dnnl_success)
        st = dnnl_primitive_create(&op->prim, op->pd);
    if (st != dnnl_success) {
        mq_dn_free(op);
        return st == dnnl_out_of_memory ? mq_oom(err) : MQ_OK;
    }
    scratch = dnnl_primitive_desc_query_md(op->pd, dnnl_query_scratchpad_md, 0);
    op->scratch = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    *out = op;
    return MQ_OK;
}

mq_dn_desc mq_dn_wants(const mq_dn_op *op, int what)
{
    const dnnl_memory_desc_t *md = dnnl_primitive_desc_query_md(op->pd, dnnl_query_exec_arg_md, what);
    mq_dn_desc d;

    memset(&d, 0, sizeof d);
    if (md)
        memcpy(&d.md, md, sizeof *md);
    return d;
}

const char *mq_dn_impl(const mq_dn_op *op)
{
    const char *s = "";

    dnnl_primitive_desc_query(op->pd, dnnl_query_impl_info_str, 0, &s);
    return s;
}

bool mq_dn_is_slow(const mq_dn_op *op)
{
    const char *s = mq_dn_impl(op);

    return strncmp(s, "ref", 3) == 0 || strcmp(s, "simple:any") == 0 || strncmp(s, "nchw_pooling", 12) == 0;
}

bool mq_dn_is_gemm(const mq_dn_op *op)
{
    return strstr(mq_dn_impl(op), "gemm") && !strstr(mq_dn_impl(op), "brgemm");
}

size_t mq_dn_scratch_bytes(const mq_dn_op *op)
{
    return op->scratch;
}

/* The memory object of an argument; made when it is first seen. */
static dnnl_status_t memory_of(mq_dn_op *op, int what, void *data, dnnl_memory_t *out)
{
    mq_dn_mem *m = NULL;
    dnnl_status_t st;
    mq_dn_desc d;

    for (int i = 0; i < op->n_mem && !m; i++)
        if (op->mem[i].what == what)
            m = &op->mem[i];
    if (!m) {
        if (op->n_mem == MQ_DN_MAX_MEM)
            MQ_BUG("a primitive has more arguments than there is room for");
        m = &op->mem[op->n_mem];
        if (what & DNNL_ARG_ATTR_ZERO_POINTS) {
            mq_dn_plain(&d, MQ_INT32, 1, (int64_t[]){ 1 });
        } else {
            d = mq_dn_wants(op, what);
        }
        if ((st = dnnl_memory_create(&m->memory, &d.md, op->engine, data)) != dnnl_success)
            return st;
        m->what = what;
        m->data = data;
        op->n_mem++;
    }
    if (m->data != data) {
        if ((st = dnnl_memory_set_data_handle(m->memory, data)) != dnnl_success)
            return st;
        m->data = data;
    }
    *out = m->memory;
    return dnnl_success;
}

mq_status mq_dn_execute(mq_dn_op *op, int n, const mq_dn_arg *args, void *scratch, mq_error *err)
{
    dnnl_exec_arg_t a[MQ_DN_MAX_MEM];
    dnnl_status_t st = dnnl_success;
    int before, k = 0;

    for (; k < n && st == dnnl_success; k++) {
        a[k].arg = args[k].what;
        st = memory_of(op, args[k].what, (void *)(uintptr_t)args[k].data, &a[k].memory);
    }
    if (op->scratch && st == dnnl_success) {
        a[k].arg = DNNL_ARG_SCRATCHPAD;
        st = memory_of(op, DNNL_ARG_SCRATCHPAD, scratch, &a[k++].memory);
    }
    if (st == dnnl_success) {
        before = mq_dn_enter(op->threads);
        st = dnnl_primitive_execute(op->prim, op->stream, k, a);
        if (st == dnnl_success)
            st = dnnl_stream_wait(op->stream);
        mq_dn_leave(op->threads, before);
    }
    if (st == dnnl_success)
        return MQ_OK;
    return st == dnnl_out_of_memory ? mq_oom(err) : mq_fail(err, MQ_ERR_UNSUPPORTED, "oneDNN fails with status %d", (int)st);
}

mq_status mq_dn_run(mq_call *c, mq_dn_op *op, int n, const mq_dn_arg *args)
{
    void *scratch = op->scratch ? mq_call_scratch(c, op->scratch) : NULL;
    mq_status rc;

    if (op->scratch && !scratch)
        return MQ_ERR_NOMEM;
    if ((rc = mq_dn_execute(op, n, args, scratch, c->err)) == MQ_ERR_UNSUPPORTED)
        mq_error_prefix(c->err, "node '%s' (%s)", mq_node_label(c->node), c->node->op_type);
    return rc;
}

/* ---- arrays in the library's order -------------------------------------------------------------------------------- */

static mq_status to_plain(mq_array *to, const mq_array *a, int threads, mq_error *err)
{
    mq_block *scratch = NULL;
    mq_dn_desc from, plain;
    mq_dn_op *op = NULL;
    mq_status rc = MQ_OK;

    mq_dn_of_array(&from, a);
    if (!mq_dn_plain(&plain, a->dtype, mq_dn_rank(&from), mq_dn_dims(&from)))
        MQ_BUG("an array in the library's order has a type that the library lacks");
    MQ_TRY(mq_dn_make_reorder(threads, &from, &plain, &op, err));
    if (!op)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "oneDNN cannot make a tensor row-major");
    if (op->scratch && !(scratch = mq_block_create(op->scratch)))
        rc = mq_oom(err);
    else
        rc = mq_dn_execute(op, 2, (mq_dn_arg[]){ { DNNL_ARG_FROM, a->data }, { DNNL_ARG_TO, to->data } },
                     scratch ? scratch->data : NULL, err);
done:
    mq_block_unref(scratch);
    mq_dn_free(op);
    return rc;
}

mq_status mq_layout_to_plain(mq_array **out, const mq_array *a, int n_threads, mq_error *err)
{
    mq_array *to = NULL;
    mq_status rc = mq_array_create(&to, a->dtype, a->rank, a->dims, err);

    if (rc == MQ_OK)
        rc = to_plain(to, a, mq_array_bytes(to) < 128 << 10 ? 1 : n_threads, err);
    if (rc == MQ_OK)
        *out = to;
    else
        mq_array_unref(to);
    return rc;
}

/* ---- threads ------------------------------------------------------------------------------------------------------ */

/* Two threads cost about two microseconds to start and to join, and much more on a machine that has other work: what takes
 * less than about twenty is done on one. */
int mq_dn_threads_macs(const mq_call *c, double macs)
{
    return macs < 2e6 ? 1 : c->n_threads;
}

int mq_dn_threads_bytes(const mq_call *c, double bytes)
{
    return bytes < 800e3 ? 1 : c->n_threads;
}
