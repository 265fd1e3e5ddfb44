/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Dense initializers become sparse ones. A tensor comes by in pieces, from any thread in any order; the first time the
 * nonzero elements of each piece are counted, so that later each piece knows where its values and indices belong. */
#include "model/sparse.h"

#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "base/threads.h"
#include "base/zeros.h"
#include "graph/cut.h"

enum {
    PIECE_BYTES = 1 << 20, /* in which stored tensors are read */
    BLOCK = 4096,          /* elements packed at once */
    IR_WITH_SPARSE = 6,
    IR_WITH_DEFAULTS = 4, /* from here on, an input's initializer is only its default */
};

/* What describes a sparse tensor in the file, beyond what describes a dense one; names are short beside it. */
#define OVERHEAD 64
/* A model file has 2 GB: what sparse tensors may take of it. */
#define MOST_BYTES ((uint64_t)3 << 29)

typedef struct piece {
    uint64_t at, n;    /* elements */
    uint64_t nonzeros; /* in it; once all are known: before it */
} piece;

/* A tensor on its way. Lives in the model's arena. */
typedef struct packing {
    mq_tensor *dense;
    size_t elem;
    MQ_VEC(piece) pieces; /* by position; heap while counting, then in the arena */
    mq_maker values, indices;
} packing;

/* ---- pieces of a dense tensor ------------------------------------------------------------------------------------- */

static mq_status feed_piece(const mq_tensor *t, const unsigned char *data, uint64_t at, uint64_t n, mq_sink *sink,
                            mq_error *err)
{
    const mq_status rc = sink->write_at(sink, at, data + at, (size_t)n, err);

    if (t->buf && !t->unpacked)
        mq_buf_done_with(t->buf, data + at, (size_t)n);
    return rc;
}

/* Gives the bytes of t to the sink, wherever they come from. */
static mq_status feed(mq_tensor *t, mq_sink *sink, const mq_hooks *hooks, mq_error *err)
{
    const int64_t size = mq_tensor_size(t), n_pieces = (size + PIECE_BYTES - 1) / PIECE_BYTES;
    const void *data;
    mq_error first = { 0 };
    mq_status rc;

    if (t->storage == MQ_STORE_MADE)
        return t->maker->make(t->maker->user, sink, hooks, err);
    if ((rc = mq_tensor_bytes(t, &data, err)) != MQ_OK)
        return rc;
#pragma omp parallel for schedule(static) num_threads(mq_threads(hooks ? hooks->n_threads : 0)) if (n_pieces > 1)
    for (int64_t i = 0; i < n_pieces; i++) {
        const uint64_t at = (uint64_t)i * PIECE_BYTES, left = (uint64_t)size - at;
        mq_error mine = { 0 };
        const mq_status failed = feed_piece(t, data, at, left < PIECE_BYTES ? left : PIECE_BYTES, sink, &mine);

        if (failed != MQ_OK) {
#pragma omp critical(mq_sparse)
            {
                rc = failed;
                first = mine;
            }
        }
    }
    if (rc != MQ_OK && err)
        *err = first;
    return rc == MQ_OK ? mq_check_cancelled(hooks, err) : rc;
}

/* ---- counting ----------------------------------------------------------------------------------------------------- */

typedef struct count_sink {
    mq_sink base;
    packing *p;
} count_sink;

static mq_status count_piece(mq_sink *base, uint64_t offset, const void *data, size_t n, mq_error *err)
{
    packing *p = ((count_sink *)base)->p;
    piece one = { .at = offset / p->elem, .n = n / p->elem };
    bool kept;

    if (offset % p->elem || n % p->elem)
        MQ_BUG("a tensor's maker wrote a part of an element");
    one.nonzeros = one.n - mq_zeros_count((int)p->elem * 8, data, one.n, UINT64_MAX);
#pragma omp critical(mq_sparse)
    kept = mq_vec_push(&p->pieces, one);
    return kept ? MQ_OK : mq_oom(err);
}

static int by_position(const void *a, const void *b)
{
    const piece *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Counts; then each piece holds what lies before it. */
static mq_status count(packing *p, uint64_t *nonzero, const mq_hooks *hooks, mq_error *err)
{
    count_sink sink = { { count_piece }, p };
    uint64_t at = 0;
    mq_status rc = feed(p->dense, &sink.base, hooks, err);

    *nonzero = 0;
    if (rc != MQ_OK)
        return rc;
    if (p->pieces.n)
        qsort(p->pieces.items, p->pieces.n, sizeof *p->pieces.items, by_position);
    for (size_t i = 0; i < p->pieces.n; i++) {
        piece *one = &p->pieces.items[i];
        const uint64_t mine = one->nonzeros;

        if (one->at != at)
            MQ_BUG("a tensor's maker left something out");
        at += one->n;
        one->nonzeros = *nonzero;
        *nonzero += mine;
    }
    return MQ_OK;
}

/* ---- packing ------------------------------------------------------------------------------------------------------ */

/* The nonzero ones of n elements to the front of `out`, their positions to `indices`; how many. */
#define PACK(name, type)                                                                                              \
    MQ_CLONES(size_t, name, (const unsigned char *data, size_t n, int64_t at, unsigned char *out, int64_t *indices), \
              (data, n, at, out, indices))                                                                            \
    {                                                                                                                 \
        size_t kept = 0;                                                                                              \
        for (size_t i = 0; i < n; i++) {                                                                              \
            type x;                                                                                                   \
            memcpy(&x, data + i * sizeof x, sizeof x);                                                                \
            memcpy(out + kept * sizeof x, &x, sizeof x);                                                              \
            indices[kept] = at + (int64_t)i;                                                                          \
            kept += x != 0;                                                                                           \
        }                                                                                                             \
        return kept;                                                                                                  \
    }
PACK(pack8, uint8_t)
PACK(pack16, uint16_t)
PACK(pack32, uint32_t)
PACK(pack64, uint64_t)

static size_t pack(size_t elem, const unsigned char *data, size_t n, uint64_t at, unsigned char *out, int64_t *indices)
{
    switch (elem) {
    case 1: return pack8(data, n, (int64_t)at, out, indices);
    case 2: return pack16(data, n, (int64_t)at, out, indices);
    case 4: return pack32(data, n, (int64_t)at, out, indices);
    default: return pack64(data, n, (int64_t)at, out, indices);
    }
}

/* Where dense pieces go in, and values or indices come out. */
typedef struct pack_sink {
    mq_sink base;
    const packing *p;
    mq_sink *to;
    bool indices;
} pack_sink;

static mq_status pack_piece(mq_sink *base, uint64_t offset, const void *data, size_t n, mq_error *err)
{
    const pack_sink *s = (const pack_sink *)base;
    const packing *p = s->p;
    const piece key = { .at = offset / p->elem };
    const piece *one = bsearch(&key, p->pieces.items, p->pieces.n, sizeof key, by_position);
    unsigned char values[BLOCK * sizeof(uint64_t)];
    int64_t indices[BLOCK];
    uint64_t to = one ? one->nonzeros : 0;
    mq_status rc = MQ_OK;

    if (!one || one->n != n / p->elem)
        MQ_BUG("a tensor's maker cut it otherwise than before");
    for (size_t i = 0; rc == MQ_OK && i < one->n; i += BLOCK) {
        const size_t m = one->n - i < BLOCK ? (size_t)one->n - i : BLOCK;
        const size_t kept = pack(p->elem, (const unsigned char *)data + i * p->elem, m, one->at + i, values, indices);

        if (kept && s->indices)
            rc = s->to->write_at(s->to, to * sizeof *indices, indices, kept * sizeof *indices, err);
        else if (kept)
            rc = s->to->write_at(s->to, to * p->elem, values, kept * p->elem, err);
        to += kept;
    }
    return rc;
}

static mq_status make_values(void *user, mq_sink *sink, const mq_hooks *hooks, mq_error *err)
{
    pack_sink s = { { pack_piece }, user, sink, false };
    return feed(s.p->dense, &s.base, hooks, err);
}

static mq_status make_indices(void *user, mq_sink *sink, const mq_hooks *hooks, mq_error *err)
{
    pack_sink s = { { pack_piece }, user, sink, true };
    return feed(s.p->dense, &s.base, hooks, err);
}

/* ---- a tensor ----------------------------------------------------------------------------------------------------- */

static mq_tensor *part(mq_model *m, const char *name, mq_dtype dtype, int64_t n, const mq_maker *maker)
{
    static const uint64_t zero;
    mq_tensor *t = mq_tensor_create(m, name, dtype, 1, (const int64_t[]){ n ? n : 1 }, n ? NULL : &zero);

    if (t && n) {
        t->storage = MQ_STORE_MADE;
        t->maker = maker;
    }
    return t;
}

/* All zeros: one of them is said, since readers disagree about lists of nothing. */
static mq_status set_sparse(mq_value *v, packing *p, uint64_t nonzero, mq_error *err)
{
    mq_model *m = v->graph->model;
    mq_sparse *s = mq_arena_calloc(m->arena, 1, sizeof *s);
    piece *pieces = mq_arena_memdup(m->arena, p->pieces.items, p->pieces.n * sizeof *pieces);

    if (!s || !pieces)
        return mq_oom(err);
    free(p->pieces.items);
    p->pieces.items = pieces;
    p->values = (mq_maker){ nonzero * p->elem, make_values, p };
    p->indices = (mq_maker){ nonzero * sizeof(int64_t), make_indices, p };
    s->n_dims = p->dense->n_dims;
    s->dims = p->dense->dims;
    s->values = part(m, v->name, p->dense->dtype, (int64_t)nonzero, &p->values);
    s->indices = part(m, "", MQ_INT64, (int64_t)nonzero, &p->indices);
    return s->values && s->indices ? mq_value_set_sparse(v, s, err) : mq_oom(err);
}

uint64_t mq_sparse_bytes(int bits, uint64_t nonzero)
{
    return nonzero * ((uint64_t)bits / 8 + sizeof(int64_t)) + OVERHEAD;
}

static const char *why_not(const mq_sparse_choice *c, uint64_t total)
{
    if (c->value->is_input)
        return "it is an input as well";
    if (c->value->init->n_dims == 0)
        return "it is a single number";
    if (c->sparse_bytes >= c->dense_bytes)
        return "it would be larger";
    return total + c->sparse_bytes > MOST_BYTES ? "a model file has no room for more" : NULL;
}

static mq_status look_at(mq_value *v, mq_sparse_choices *list, uint64_t *total, const mq_hooks *hooks, mq_error *err)
{
    mq_tensor *t = v->init;
    packing *p = mq_arena_calloc(t->model->arena, 1, sizeof *p);
    mq_sparse_choice c = { .value = v, .elements = (uint64_t)mq_tensor_count(t),
                           .dense_bytes = (uint64_t)mq_tensor_size(t) };
    mq_status rc;

    if (!p)
        return mq_oom(err);
    p->dense = t;
    p->elem = (size_t)mq_dtype_bits(t->dtype) / 8;
    if ((rc = count(p, &c.nonzero, hooks, err)) == MQ_OK) {
        c.sparse_bytes = mq_sparse_bytes(mq_dtype_bits(t->dtype), c.nonzero);
        c.why = why_not(&c, *total);
        if (!c.why)
            rc = set_sparse(v, p, c.nonzero, err);
    }
    if (rc != MQ_OK || c.why)
        mq_vec_release(&p->pieces);
    else
        *total += c.sparse_bytes;
    return rc == MQ_OK && list && !mq_vec_push(list, c) ? mq_oom(err) : rc;
}

static bool is_candidate(const mq_value *v)
{
    const mq_tensor *t = v->init;
    const int bits = t ? mq_dtype_bits(t->dtype) : 0;
    const bool is_float = t && mq_dtype_is_float(t->dtype);

    if (bits != 8 && bits != 16 && bits != 32 && bits != 64)
        return false;
    return ((is_float && bits > 8) || t->dtype == MQ_INT8 || t->dtype == MQ_UINT8) && mq_tensor_size(t) > OVERHEAD;
}

mq_status mq_model_make_sparse(mq_model *m, mq_sparse_choices *list, const mq_hooks *hooks, mq_error *err)
{
    uint64_t total = 0;
    mq_status rc = MQ_OK;

    if (m->graph && m->has_ir_version && m->ir_version < IR_WITH_DEFAULTS)
        mq_model_unlist_inits(m);
    for (size_t i = 0; i < m->graphs.n; i++)
        for (size_t k = 0; k < m->graphs.items[i]->inits.n && rc == MQ_OK; k++)
            if (is_candidate(m->graphs.items[i]->inits.items[k]))
                rc = look_at(m->graphs.items[i]->inits.items[k], list, &total, hooks, err);
    if (rc == MQ_OK && total && m->ir_version < IR_WITH_SPARSE) {
        m->has_ir_version = true;
        m->ir_version = IR_WITH_SPARSE;
    }
    return rc;
}
