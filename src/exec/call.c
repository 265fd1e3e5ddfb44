/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a kernel may do during its call: outputs, scratch, inner graphs, things derived from constants. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "exec/internal.h"

bool mq_call_has(const mq_call *c, size_t i)
{
    return i < c->n_in && c->in[i] && c->in[i]->kind != MQ_TYPE_OPTIONAL;
}

bool mq_call_wants(const mq_call *c, size_t i)
{
    return i < c->n_out && c->node->outputs[i];
}

static mq_status say(mq_call *c, mq_status status, const char *fmt, va_list args)
{
    char text[MQ_ERROR_SIZE];

    vsnprintf(text, sizeof text, fmt, args);
    return mq_fail(c->err, status, "node '%s' (%s): %s", mq_node_label(c->node), c->node->op_type, text);
}

mq_status mq_call_fail(mq_call *c, const char *fmt, ...)
{
    va_list args;
    mq_status rc;

    va_start(args, fmt);
    rc = say(c, MQ_ERR_INPUT, fmt, args);
    va_end(args);
    return rc;
}

mq_status mq_call_unsupported(mq_call *c, const char *fmt, ...)
{
    va_list args;
    mq_status rc;

    va_start(args, fmt);
    rc = say(c, MQ_ERR_UNSUPPORTED, fmt, args);
    va_end(args);
    return rc;
}

/* ---- outputs ------------------------------------------------------------------------------------------------------- */

static mq_status name_node(const mq_call *c, mq_status rc)
{
    if (rc != MQ_OK && rc != MQ_ERR_NOMEM)
        mq_error_prefix(c->err, "node '%s' (%s)", mq_node_label(c->node), c->node->op_type);
    return rc;
}

static mq_status set_out(mq_call *c, size_t i, mq_array *a)
{
    if (c->out[i])
        mq_array_unref(c->out[i]);
    c->out[i] = a;
    return MQ_OK;
}

/* Do the kernel's inputs come as codes? Then its outputs are codes too. */
static bool moves_codes(const mq_call *c, mq_dtype dtype)
{
    const mq_call_state *s = c->frame;
    const int bits = mq_dtype_bits(dtype);

    return bits > 0 && bits < 8 && s->step->ref && s->step->ref->flags & MQ_KERNEL_MOVES;
}

mq_status mq_call_out(mq_call *c, size_t i, mq_dtype dtype, int rank, const int64_t *dims, void **data)
{
    mq_array *a = NULL;
    mq_block *b;
    size_t bytes, at;
    mq_status rc;

    if (data)
        *data = NULL;
    if (!mq_call_wants(c, i))
        return MQ_OK;
    if ((rc = mq_array_wrap(&a, dtype, rank, dims, NULL, NULL, c->err)) != MQ_OK)
        return name_node(c, rc);
    a->codes = moves_codes(c, dtype);
    bytes = mq_array_bytes(a);
    if (a->count && !bytes)
        rc = mq_call_fail(c, "an output of %zu elements of %s does not fit into memory", a->count, mq_dtype_name(dtype));
    else if (!(b = mq_join_block(c, i, bytes, &at)))
        rc = mq_oom(c->err);
    if (rc != MQ_OK) {
        mq_array_unref(a);
        return rc;
    }
    a->block = b;
    a->data = (char *)b->data + at;
    if (dtype == MQ_STRING)
        memset(a->data, 0, bytes);
    if (data)
        *data = a->data;
    return set_out(c, i, a);
}

/* May input j's memory be written to? Only when this call is the last to see it. */
static bool may_take(const mq_call *c, size_t j)
{
    const mq_call_state *s = c->frame;
    const mq_array *a = j < c->n_in ? c->in[j] : NULL;

    return a && s->dies[j] && a->refs == 1 && !a->constant && a->block && a->block->refs == 1 &&
           !s->runner->plan->opts.training;
}

bool mq_call_may_take(const mq_call *c, size_t j)
{
    for (size_t k = 0; k < c->n_in; k++)
        if (k != j && c->in[k] == c->in[j])
            return false;
    return may_take(c, j);
}

void mq_call_out_taken(mq_call *c, size_t i, size_t j)
{
    if (mq_call_wants(c, i))
        set_out(c, i, mq_array_ref((mq_array *)(uintptr_t)c->in[j]));
}

mq_status mq_call_out_over(mq_call *c, size_t i, size_t j, mq_dtype dtype, int rank, const int64_t *dims, void **data)
{
    mq_array *a = NULL;
    mq_status rc;

    if (data)
        *data = NULL;
    if (!mq_call_wants(c, i))
        return MQ_OK;
    if (!may_take(c, j) || c->in[j]->layout || c->in[j]->codes || mq_dtype_bits(dtype) < 8 ||
        mq_dtype_bits(dtype) != mq_dtype_bits(c->in[j]->dtype))
        return mq_call_out(c, i, dtype, rank, dims, data);
    if ((rc = mq_array_wrap(&a, dtype, rank, dims, c->in[j]->data, c->in[j]->block, c->err)) != MQ_OK)
        return name_node(c, rc);
    if (a->count != c->in[j]->count) {
        mq_array_unref(a);
        return mq_call_out(c, i, dtype, rank, dims, data);
    }
    if (data)
        *data = a->data;
    return set_out(c, i, a);
}

mq_status mq_call_out_view(mq_call *c, size_t i, size_t j, int rank, const int64_t *dims)
{
    const mq_array *in = c->in[j];
    mq_array *a = NULL;
    mq_status rc;

    if (!mq_call_wants(c, i))
        return MQ_OK;
    /* a constant's block is not counted: all runners share it, and it outlives them */
    if ((rc = mq_array_wrap(&a, in->dtype, rank, dims, in->data, in->constant ? NULL : in->block, c->err)) != MQ_OK)
        return name_node(c, rc);
    a->codes = in->codes;
    if (a->count != in->count) {
        mq_array_unref(a);
        return mq_call_fail(c, "%zu elements cannot take a shape of another size", in->count);
    }
    return set_out(c, i, a);
}

mq_status mq_call_out_array(mq_call *c, size_t i, mq_array *a)
{
    if (mq_call_wants(c, i))
        return set_out(c, i, a);
    mq_array_unref(a);
    return MQ_OK;
}

mq_status mq_call_out_layout(mq_call *c, size_t i, mq_dtype dtype, int rank, const int64_t *dims, const void *layout,
                             size_t bytes, void **data)
{
    mq_array *a = NULL;
    size_t at;
    mq_status rc = mq_array_wrap(&a, dtype, rank, dims, NULL, NULL, c->err);

    *data = NULL;
    if (rc != MQ_OK)
        return name_node(c, rc);
    if (!(a->block = mq_join_block(c, i, bytes, &at))) {
        mq_array_unref(a);
        return mq_oom(c->err);
    }
    a->layout = layout;
    *data = a->data = (char *)a->block->data + at;
    return set_out(c, i, a);
}

/* ---- scratch, inner graphs ----------------------------------------------------------------------------------------- */

void *mq_call_scratch(mq_call *c, size_t bytes)
{
    mq_call_state *s = c->frame;
    mq_block *b = mq_pool_block(s->runner->pool, bytes);

    if (b && s->n_scratch < MQ_ARRAY_LEN(s->scratch)) {
        s->scratch[s->n_scratch++] = b;
        return b->data;
    }
    if (b && mq_vec_push(&s->more_scratch, b))
        return b->data;
    mq_block_unref(b);
    mq_oom(c->err);
    return NULL;
}

static void free_derived(mq_derived *d)
{
    if (d->thing)
        d->release(d->thing);
    free(d->key);
    free(d);
}

void mq_call_state_release(mq_call_state *s)
{
    for (size_t i = 0; i < s->n_scratch; i++)
        mq_block_unref(s->scratch[i]);
    for (size_t i = 0; i < s->more_scratch.n; i++)
        mq_block_unref(s->more_scratch.items[i]);
    for (size_t i = 0; i < s->own.n; i++)
        free_derived(s->own.items[i]);
    mq_vec_release(&s->more_scratch);
    mq_vec_release(&s->own);
    s->n_scratch = 0;
}

mq_status mq_call_graph(mq_call *c, const mq_graph *g, size_t n_in, mq_array *const *in, size_t n_out, mq_array **out)
{
    mq_call_state *s = c->frame;

    for (size_t i = 0; i < s->step->n_bodies; i++)
        if (s->step->bodies[i]->graph == g)
            return mq_run_body(s->runner, s->step->bodies[i], s->frame, n_in, in, n_out, out, c->err);
    MQ_BUG("a kernel runs a graph that its node does not have");
}

/* ---- what is kept with the plan ------------------------------------------------------------------------------------ */

const void *mq_call_layout(mq_call *c, const void *description, size_t size)
{
    mq_plan *p = ((mq_call_state *)c->frame)->runner->plan;
    mq_layout_note *l;

    pthread_mutex_lock(&p->lock);
    for (l = p->layouts; l && (l->size != size || memcmp(l->bytes, description, size) != 0);)
        l = l->next;
    if (!l && (l = malloc(sizeof *l + size))) {
        memcpy(l->bytes, description, size);
        l->size = size;
        l->next = p->layouts;
        p->layouts = l;
    }
    pthread_mutex_unlock(&p->lock);
    if (!l)
        mq_oom(c->err);
    return l ? l->bytes : NULL;
}

bool mq_call_readers_take_layout(const mq_call *c, size_t i)
{
    const mq_call_state *s = c->frame;

    return s->step->out_layout[i];
}

/* Makes the thing and its note; not in any list yet. */
static mq_status make_derived(mq_call *c, size_t i, const void *key, size_t key_size,
                              mq_status (*make)(mq_call *, size_t, void *, void **), void *user, void (*release)(void *),
                              mq_derived **out)
{
    mq_derived *d = calloc(1, sizeof *d);
    mq_status rc;

    if (!d || !(d->key = malloc(key_size ? key_size : 1))) {
        free(d);
        return mq_oom(c->err);
    }
    memcpy(d->key, key, key_size);
    d->key_size = key_size;
    d->input = i;
    d->release = release;
    if ((rc = make(c, i, user, &d->thing)) != MQ_OK) {
        free_derived(d);
        return rc;
    }
    *out = d;
    return MQ_OK;
}

static mq_derived *find_derived(mq_step *s, size_t input, const void *key, size_t key_size)
{
    mq_derived *d = atomic_load_explicit(&s->derived, memory_order_acquire);

    while (d && (d->input != input || d->key_size != key_size || memcmp(d->key, key, key_size) != 0))
        d = d->next;
    return d;
}

/* A mapped constant has been read as a whole, and what was made of it is what will be read: its pages need not stay. Who
 * reads it in place gets them again. */
static void give_pages(const mq_operand *o)
{
    const mq_tensor *t = o->tensor;

    if (t && t->buf && !t->unpacked)
        mq_buf_done_with(t->buf, t->data, t->n_bytes);
}

mq_status mq_call_derived(mq_call *c, size_t i, const void *key, size_t key_size,
                          mq_status (*make)(mq_call *c, size_t i, void *user, void **out), void *user,
                          void (*release)(void *), void **out)
{
    mq_call_state *s = c->frame;
    mq_plan *p = s->runner->plan;
    mq_derived *d = NULL;
    mq_status rc = MQ_OK;

    if (!c->in[i]->constant) {
        if ((rc = make_derived(c, i, key, key_size, make, user, release, &d)) != MQ_OK)
            return rc;
        if (!mq_vec_push(&s->own, d)) {
            free_derived(d);
            return mq_oom(c->err);
        }
        *out = d->thing;
        return MQ_OK;
    }
    if (!(d = find_derived(s->step, i, key, key_size))) {
        pthread_mutex_lock(&p->lock);
        d = find_derived(s->step, i, key, key_size); /* another runner may have been faster */
        if (!d && (rc = make_derived(c, i, key, key_size, make, user, release, &d)) == MQ_OK) {
            d->next = atomic_load_explicit(&s->step->derived, memory_order_relaxed);
            atomic_store_explicit(&s->step->derived, d, memory_order_release);
            give_pages(&s->step->in[i]);
        }
        pthread_mutex_unlock(&p->lock);
    }
    if (rc == MQ_OK)
        *out = d->thing;
    return rc;
}
