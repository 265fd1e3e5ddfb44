/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Around a reference kernel: constants at odd addresses are copied, float16 and bfloat16 are widened, elements under 8
 * bits are unpacked; afterwards the other way round for the outputs. What is made of a constant is kept with the plan. */
#include <stdlib.h>
#include <string.h>

#include "exec/internal.h"
#include "exec/ref/util.h"
#include "ops/ops.h"

#define FEW 32
#define CHUNK 65536

static bool is_half(mq_dtype t)
{
    return t == MQ_FLOAT16 || t == MQ_BFLOAT16;
}

static mq_status widen(mq_call *c, const mq_array *a, mq_array **out)
{
    mq_call_state *s = c->frame;
    const int64_t chunks = (int64_t)((a->count + CHUNK - 1) / CHUNK);
    mq_array *w = NULL;
    mq_block *b;
    float *to;
    mq_status rc = mq_array_wrap(&w, MQ_FLOAT, a->rank, a->dims, NULL, NULL, c->err);

    if (rc != MQ_OK)
        return rc;
    b = a->constant ? mq_block_create(mq_array_bytes(w)) : mq_pool_block(s->runner->pool, mq_array_bytes(w));
    if (!b) {
        mq_array_unref(w);
        return mq_oom(c->err);
    }
    w->block = b;
    to = w->data = b->data;
#pragma omp parallel for num_threads(mq_call_threads(c, (int64_t)a->count))
    for (int64_t k = 0; k < chunks; k++) {
        const size_t at = (size_t)k * CHUNK, n = a->count - at < CHUNK ? a->count - at : CHUNK;

        mq_dtype_to_f32(a->dtype, a->data, at, n, to + at);
    }
    *out = w;
    return MQ_OK;
}

static mq_status narrow(mq_call *c, size_t i, mq_dtype dtype)
{
    mq_array *wide = c->out[i];
    const float *in = wide->data;
    const int64_t n = (int64_t)wide->count;
    uint16_t *to;
    void *data;
    mq_status rc;

    c->out[i] = NULL;
    if ((rc = mq_call_out(c, i, dtype, wide->rank, wide->dims, &data)) == MQ_OK) {
        to = data;
        if (dtype == MQ_FLOAT16) {
#pragma omp parallel for num_threads(mq_call_threads(c, n))
            for (int64_t k = 0; k < n; k++)
                to[k] = mq_f16_from_f32(in[k]);
        } else {
#pragma omp parallel for num_threads(mq_call_threads(c, n))
            for (int64_t k = 0; k < n; k++)
                to[k] = mq_bf16_from_f32(in[k]);
        }
    }
    mq_array_unref(wide);
    return rc;
}

/* ---- inputs -------------------------------------------------------------------------------------------------------- */

typedef enum change { KEEP, ALIGN, WIDEN, UNPACK } change;

static change needed(const mq_array *a, unsigned flags)
{
    const int bits = a && a->kind == MQ_TYPE_TENSOR ? mq_dtype_bits(a->dtype) : 0;
    const size_t elem = bits > 64 ? (size_t)bits / 16 : (size_t)bits / 8;

    if (!bits)
        return KEEP;
    if (flags & MQ_KERNEL_WIDEN && is_half(a->dtype))
        return WIDEN;
    if (flags & MQ_KERNEL_MOVES && bits < 8)
        return UNPACK;
    return elem > 1 && (uintptr_t)a->data % elem ? ALIGN : KEEP;
}

static mq_status change_input(mq_call *c, change what, const mq_array *a, mq_array **out)
{
    return what == WIDEN    ? widen(c, a, out)
           : what == UNPACK ? mq_array_unpack(out, a, c->err)
                            : mq_array_copy(out, a, c->err);
}

static mq_status make_changed(mq_call *c, size_t i, void *user, void **out)
{
    mq_array *made = NULL;
    mq_status rc = change_input(c, *(const change *)user, c->in[i], &made);

    if (rc == MQ_OK) {
        made->constant = true; /* shared: nobody counts or writes */
        *out = made;
    }
    return rc;
}

static void release_changed(void *thing)
{
    mq_array *a = thing;

    a->constant = false;
    mq_array_unref(a);
}

/* Fills in[] and dies[]; held[i] is what must be let go of afterwards. */
static mq_status change_inputs(mq_call *c, unsigned flags, mq_array **in, mq_array **held, bool *dies)
{
    const mq_call_state *s = c->frame;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < c->n_in && rc == MQ_OK; i++) {
        change what = needed(c->in[i], flags);
        void *shared = NULL;

        in[i] = (mq_array *)(uintptr_t)c->in[i];
        dies[i] = s->dies[i];
        if (what == KEEP)
            continue;
        if (in[i]->constant) {
            rc = mq_call_derived(c, i, &what, sizeof what, make_changed, &what, release_changed, &shared);
            in[i] = shared;
        } else if ((rc = change_input(c, what, c->in[i], &held[i])) == MQ_OK) {
            in[i] = held[i];
            dies[i] = true;
        }
    }
    return rc;
}

/* ---- outputs ------------------------------------------------------------------------------------------------------- */

/* The half type that a float output is to have: that of the inputs of its type variable; MQ_UNDEFINED: it stays float. */
static mq_dtype narrow_type(const mq_call *c, const mq_op_schema *schema, size_t i)
{
    const mq_op_param *o = schema ? mq_schema_output(schema, i) : NULL;

    for (size_t k = 0; o && o->var >= 0 && k < c->n_in; k++) {
        const mq_op_param *p = mq_schema_input(schema, k);

        if (p && p->var == o->var && c->in[k] && is_half(c->in[k]->dtype))
            return c->in[k]->dtype;
    }
    return MQ_UNDEFINED;
}

static mq_status change_outputs(mq_call *c, unsigned flags)
{
    const mq_op_schema *schema = flags & MQ_KERNEL_WIDEN ? mq_node_schema(c->node) : NULL;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < c->n_out && rc == MQ_OK; i++) {
        mq_array *packed, *o = c->out[i];

        if (!o || o->kind != MQ_TYPE_TENSOR)
            continue;
        if (o->codes) {
            if ((rc = mq_array_pack(&packed, o, c->err)) == MQ_OK) {
                mq_array_unref(o);
                c->out[i] = packed;
            }
        } else if (schema && o->dtype == MQ_FLOAT) {
            const mq_dtype t = narrow_type(c, schema, i);

            if (t != MQ_UNDEFINED)
                rc = narrow(c, i, t);
        }
    }
    return rc;
}

mq_status mq_run_reference(mq_call *c, const mq_kernel *k)
{
    mq_call_state *s = c->frame;
    mq_array *few[2 * FEW], **arrays = few;
    bool few_dies[FEW], *dies = few_dies;
    const bool *dies_before = s->dies;
    bool any = false;
    mq_call inner = *c;
    mq_status rc;

    for (size_t i = 0; i < c->n_in && !any; i++)
        any = needed(c->in[i], k->flags) != KEEP;
    if (!any) {
        rc = k->run(c);
        return rc == MQ_OK ? change_outputs(c, k->flags) : rc;
    }
    if (c->n_in > FEW) {
        arrays = malloc(2 * c->n_in * sizeof *arrays);
        dies = malloc(c->n_in);
    }
    if (!arrays || !dies) {
        rc = mq_oom(c->err);
    } else {
        memset(arrays, 0, 2 * c->n_in * sizeof *arrays);
        rc = change_inputs(c, k->flags, arrays, arrays + c->n_in, dies);
        inner.in = (const mq_array *const *)arrays;
        s->dies = dies;
        if (rc == MQ_OK)
            rc = k->run(&inner);
        s->dies = dies_before;
        if (rc == MQ_OK)
            rc = change_outputs(c, k->flags);
        for (size_t i = 0; i < c->n_in; i++)
            mq_array_unref(arrays[c->n_in + i]);
    }
    if (arrays != few) {
        free(arrays);
        free(dies);
    }
    return rc;
}
