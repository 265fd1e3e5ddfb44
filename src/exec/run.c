/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Runs bodies step by step: chooses the kernel for the shapes at hand, hands values from step to step, lets go of them
 * when they have been read for the last time. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/threads.h"
#include "exec/internal.h"
#include "exec/layout.h"

#define FEW 32   /* inputs and outputs of most nodes */
#define MANY 256 /* values of most graphs */
#define MAX_DEPTH 64
#define KEY_MAX 512

/* ---- fast kernels' states ------------------------------------------------------------------------------------------ */

static int64_t kind_of(const mq_array *a)
{
    return a->dtype << 8 | a->rank | (int64_t)a->constant << 16;
}

/* Types, shapes and layouts of the inputs as numbers; 0: too many for a key. */
static size_t make_key(const mq_call *c, int64_t key[KEY_MAX])
{
    size_t n = 0;

    for (size_t i = 0; i < c->n_in; i++) {
        const mq_array *a = c->in[i];

        if (n + MQ_MAX_RANK + 3 > KEY_MAX)
            return 0;
        if (!a || a->kind != MQ_TYPE_TENSOR) {
            key[n++] = a ? -2 : -1;
            continue;
        }
        key[n++] = kind_of(a);
        key[n++] = (int64_t)(intptr_t)a->layout;
        memcpy(&key[n], a->dims, (size_t)a->rank * sizeof *a->dims);
        n += (size_t)a->rank;
    }
    return n ? n : (key[0] = 0, 1);
}

/* Would make_key make this one? */
static bool has_key(const mq_call *c, const mq_prepared *p)
{
    const int64_t *key = p->key, *end = key + p->key_n;

    for (size_t i = 0; i < c->n_in; i++) {
        const mq_array *a = c->in[i];

        if (key == end)
            return false;
        if (!a || a->kind != MQ_TYPE_TENSOR) {
            if (*key++ != (a ? -2 : -1))
                return false;
            continue;
        }
        if (key[0] != kind_of(a) || key[1] != (int64_t)(intptr_t)a->layout)
            return false;
        key += 2;
        for (int d = 0; d < a->rank; d++)
            if (*key++ != a->dims[d])
                return false;
    }
    return key == end || c->n_in == 0;
}

static void drop_prepared(mq_prepared *p)
{
    if (p->fast)
        p->fast->release(p->state);
    free(p->key);
}

/* Asks each fast row in turn; fast stays NULL when none takes the case. */
static mq_status ask_fast(mq_call *c, const mq_step *s, mq_prepared *p)
{
    mq_status rc = MQ_OK;

    for (const mq_fast *f = s->fast; f && !p->state && rc == MQ_OK; f = mq_fast_find(f->domain, f->op, f)) {
        rc = f->prepare(c, &p->state);
        if (p->state)
            p->fast = f;
    }
    return rc;
}

/* The state for this call's shapes: found, or made. */
static mq_status find_prepared(mq_call *c, mq_runner *r, const mq_step *s, const mq_prepared **out)
{
    mq_step_state *st = &r->states[s->id];
    mq_prepared *p = NULL, *oldest = NULL;
    int64_t key[KEY_MAX];
    size_t n;
    mq_status rc;

    for (size_t i = 0; i < st->n; i++) {
        mq_prepared *q = &st->prepared[i];

        if (q->key_n && has_key(c, q)) {
            q->used = ++r->clock;
            *out = q;
            return MQ_OK;
        }
        if (!oldest || q->used < oldest->used)
            oldest = q;
    }
    n = make_key(c, key);
    if (st->n == MQ_MAX_PREPARED) {
        drop_prepared(oldest);
        p = oldest;
    } else {
        if (st->n == st->cap && !mq_vec_grow((void **)&st->prepared, &st->cap, sizeof *st->prepared))
            return mq_oom(c->err);
        p = &st->prepared[st->n++];
    }
    *p = (mq_prepared){ .key_n = n, .used = ++r->clock };
    rc = (p->key = malloc((n + 1) * sizeof *key)) ? ask_fast(c, s, p) : mq_oom(c->err);
    if (rc != MQ_OK) {
        drop_prepared(p);
        *p = st->prepared[--st->n];
        return rc;
    }
    memcpy(p->key, key, n * sizeof *key);
    *out = p;
    return MQ_OK;
}

/* ---- one step ------------------------------------------------------------------------------------------------------ */

static mq_array *operand(const mq_operand *o, mq_frame *f)
{
    if (o->constant)
        return o->constant;
    if (o->up < 0)
        return NULL;
    for (int i = 0; i < o->up; i++)
        f = f->up;
    return f->slots[o->slot];
}

/* Inputs in the library's order that fast row f does not take so are made plain, in their slot: whoever reads them next
 * finds them plain too. f NULL: all. */
static mq_status make_plain(mq_runner *r, mq_frame *frame, const mq_step *s, const mq_fast *f, mq_array **in, mq_error *err)
{
    for (size_t i = 0; i < s->node->n_inputs; i++) {
        mq_frame *at = frame;
        mq_array *plain = NULL;
        mq_status rc;

        if (!in[i] || !in[i]->layout || (f && i < 32 && f->layouts >> i & 1))
            continue;
        if ((rc = mq_layout_to_plain(&plain, in[i], r->n_threads, err)) != MQ_OK)
            return rc;
        for (size_t k = 0; k < s->node->n_inputs; k++) /* the same value may be there twice */
            if (k != i && in[k] == in[i])
                in[k] = plain;
        for (int up = s->in[i].up; up > 0; up--)
            at = at->up;
        mq_array_unref(at->slots[s->in[i].slot]);
        at->slots[s->in[i].slot] = in[i] = plain;
    }
    return MQ_OK;
}

static mq_status call_kernel(mq_call *c, mq_step *s, mq_frame *f, mq_array **in, const char **name)
{
    mq_call_state *state = c->frame;
    mq_runner *r = state->runner;
    const mq_prepared *p = NULL;
    mq_status rc;

    if (s->fast) {
        if ((rc = find_prepared(c, r, s, &p)) != MQ_OK)
            return rc;
        if (p->fast) {
            *name = p->fast->name;
            if ((rc = make_plain(r, f, s, p->fast, in, c->err)) != MQ_OK)
                return rc;
            return p->fast->run(c, p->state);
        }
    }
    if (!s->ref)
        return mq_call_unsupported(c, "no kernel takes these types and shapes");
    *name = "reference";
    if ((rc = make_plain(r, f, s, NULL, in, c->err)) != MQ_OK)
        return rc;
    return mq_run_reference(c, s->ref);
}

/* Tells the watcher about a kept value; what it may write to belongs to that value alone. */
static mq_status tell_watcher(mq_runner *r, const mq_value *v, mq_array **slot, mq_error *err)
{
    mq_array *own = NULL;
    mq_status rc;

    if ((*slot)->layout) {
        if ((rc = mq_layout_to_plain(&own, *slot, r->n_threads, err)) != MQ_OK)
            return rc;
    } else if ((*slot)->constant || (*slot)->refs > 1 || !(*slot)->block || (*slot)->block->refs > 1) {
        if ((rc = mq_array_copy(&own, *slot, err)) != MQ_OK)
            return rc;
    }
    if (own) {
        mq_array_unref(*slot);
        *slot = own;
    }
    return r->watch(r->watch_user, v, *slot, err);
}

/* A value that may be another constant next time (a branch's, an item of a list) must not pass for the constant of its
 * reader: what is kept of a constant is kept by the reader's place, not by the array. */
static mq_status hide_constant(mq_array **a, mq_error *err)
{
    mq_array *c = *a, *view = NULL;
    const size_t elem = c ? mq_array_elem_size(c) : 0;
    mq_status rc;

    if (!c || !c->constant || c->kind != MQ_TYPE_TENSOR)
        return MQ_OK;
    if (elem && (uintptr_t)c->data % elem)
        rc = mq_array_copy(&view, c, err);
    else if ((rc = mq_array_wrap(&view, c->dtype, c->rank, c->dims, c->data, NULL, err)) == MQ_OK)
        view->codes = c->codes;
    if (rc == MQ_OK)
        *a = view;
    return rc;
}

static mq_status take_outputs(mq_runner *r, mq_frame *f, const mq_step *s, mq_array **out, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < s->node->n_outputs; i++) {
        const size_t slot = s->out[i];

        if (slot == MQ_NO_SLOT) {
            mq_array_unref(out[i]);
            continue;
        }
        if (!out[i])
            rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "node '%s' (%s): output '%s' was not made", mq_node_label(s->node),
                         s->node->op_type, s->node->outputs[i]->name);
        f->slots[slot] = out[i];
        if (rc == MQ_OK)
            rc = hide_constant(&f->slots[slot], err);
        if (rc == MQ_OK && r->watch && f->body->watched && f->body->watched[slot])
            rc = tell_watcher(r, f->body->watched[slot], &f->slots[slot], err);
    }
    return rc;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void note_stat(mq_node_stat *st, const mq_call *c, const char *kernel, uint64_t start)
{
    const uint64_t ns = now_ns() - start;
    uint64_t bytes = 0;

    for (size_t i = 0; i < c->n_in; i++)
        bytes += c->in[i] ? mq_array_bytes(c->in[i]) : 0;
    for (size_t i = 0; i < c->n_out; i++)
        bytes += c->out[i] ? mq_array_bytes(c->out[i]) : 0;
    st->kernel = kernel;
    st->runs++;
    st->ns += ns;
    st->bytes = bytes;
    st->macs = mq_call_macs(c);
    st->last_start = start;
    st->last_ns = ns;
}

static mq_status run_step(mq_runner *r, mq_frame *f, mq_step *s, mq_error *err)
{
    const size_t n_in = s->node->n_inputs, n_out = s->node->n_outputs, n = n_in + n_out;
    mq_array *few[FEW], **arrays = few;
    bool few_dies[FEW], *dies = few_dies;
    const char *kernel = "";
    uint64_t start = r->profile ? now_ns() : 0;
    mq_status rc;

    if (n > FEW) {
        arrays = malloc(n * sizeof *arrays);
        dies = malloc(n);
        if (!arrays || !dies) {
            free(arrays);
            free(dies);
            return mq_oom(err);
        }
    }
    for (size_t i = 0; i < n_in; i++) {
        arrays[i] = operand(&s->in[i], f);
        dies[i] = s->in[i].dies;
    }
    memset(arrays + n_in, 0, n_out * sizeof *arrays);
    mq_call_state state = { .runner = r, .frame = f, .step = s, .dies = dies };
    mq_call c = { .node = s->node, .n_in = n_in, .n_out = n_out, .in = (const mq_array *const *)arrays, .out = arrays + n_in,
                  .n_threads = r->n_threads, .arena = r->arena, .seed = r->seed * 0x9e3779b97f4a7c15u + s->id, .err = err,
                  .frame = &state };
    rc = call_kernel(&c, s, f, arrays, &kernel);
    mq_call_state_release(&state);
    if (rc == MQ_OK && r->profile && f->body == r->plan->main)
        note_stat(&r->stats[s - f->body->steps], &c, kernel, start);
    if (rc == MQ_OK)
        rc = take_outputs(r, f, s, c.out, err);
    else
        for (size_t i = 0; i < n_out; i++)
            mq_array_unref(c.out[i]);
    for (size_t i = 0; i < s->n_dead && !r->plan->opts.training; i++) {
        mq_array_unref(f->slots[s->dead[i]]);
        f->slots[s->dead[i]] = NULL;
    }
    if (n > FEW) {
        free(arrays);
        free(dies);
    }
    return rc;
}

/* ---- bodies -------------------------------------------------------------------------------------------------------- */

/* What leaves a body: plain, and not part of the plan. */
static mq_status take_output(mq_runner *r, const mq_operand *o, mq_frame *f, mq_array **out, mq_error *err)
{
    mq_array *a = operand(o, f);

    if (!a)
        return MQ_OK;
    if (a->layout)
        return mq_layout_to_plain(out, a, r->n_threads, err);
    *out = mq_array_ref(a);
    return MQ_OK;
}

static mq_status enter(mq_runner *r, mq_frame *f, size_t n_in, mq_array *const *in, mq_error *err)
{
    const mq_body *b = f->body;
    mq_status rc;

    if (n_in > b->n_inputs)
        return mq_fail(err, MQ_ERR_INPUT, "graph '%s' has %zu inputs, %zu are given", b->graph->name, b->n_inputs, n_in);
    for (size_t i = 0; i < b->n_inputs; i++) {
        mq_array *a = i < n_in && in[i] ? in[i] : b->defaults[i];

        if (!a)
            return mq_fail(err, MQ_ERR_INPUT, "input '%s' is missing", b->graph->inputs.items[i]->name);
        f->slots[b->inputs[i]] = mq_array_ref(a);
        if (f->up && (rc = hide_constant(&f->slots[b->inputs[i]], err)) != MQ_OK)
            return rc;
        if (r->watch && b->watched && b->watched[b->inputs[i]]) {
            if ((rc = tell_watcher(r, b->watched[b->inputs[i]], &f->slots[b->inputs[i]], err)) != MQ_OK)
                return rc;
        }
    }
    return MQ_OK;
}

static mq_status run_frame(mq_runner *r, mq_frame *f, size_t n_in, mq_array *const *in, size_t n_out, mq_array **made,
                           mq_error *err)
{
    const mq_body *b = f->body;
    mq_status rc = enter(r, f, n_in, in, err);

    for (size_t i = 0; i < b->n_steps && rc == MQ_OK; i++)
        if ((rc = mq_check_cancelled(r->hooks, err)) == MQ_OK)
            rc = run_step(r, f, &b->steps[i], err);
    for (size_t i = 0; i < n_out && rc == MQ_OK; i++)
        rc = take_output(r, &b->outputs[i], f, &made[i], err);
    if (rc != MQ_OK)
        for (size_t i = 0; i < n_out; i++)
            mq_array_unref(made[i]);
    for (size_t i = 0; i < b->n_slots; i++)
        mq_array_unref(f->slots[i]);
    return rc;
}

mq_status mq_run_body(mq_runner *r, const mq_body *b, mq_frame *up, size_t n_in, mq_array *const *in, size_t n_out,
                      mq_array **out, mq_error *err)
{
    mq_array *few[MANY], **slots = few;
    mq_frame f = { .up = up, .body = b };
    mq_status rc;

    if (n_out > b->n_outputs)
        return mq_fail(err, MQ_ERR_INPUT, "graph '%s' has %zu outputs, %zu are needed", b->graph->name, b->n_outputs, n_out);
    if (r->depth == MAX_DEPTH)
        return mq_fail(err, MQ_ERR_INPUT, "graphs are nested more than %d deep", MAX_DEPTH);
    if (b->n_slots + n_out > MANY && !(slots = malloc((b->n_slots + n_out) * sizeof *slots)))
        return mq_oom(err);
    memset(slots, 0, (b->n_slots + n_out) * sizeof *slots);
    f.slots = slots;
    r->depth++;
    rc = run_frame(r, &f, n_in, in, n_out, slots + b->n_slots, err);
    r->depth--;
    if (rc == MQ_OK)
        memcpy(out, slots + b->n_slots, n_out * sizeof *out);
    if (slots != few)
        free(slots);
    return rc;
}

/* ---- runners ------------------------------------------------------------------------------------------------------- */

mq_status mq_runner_create(mq_runner **out, mq_plan *p, int n_threads, mq_error *err)
{
    mq_runner *r = calloc(1, sizeof *r);

    if (!r || !(r->states = calloc(p->n_steps + 1, sizeof *r->states)) || !(r->pool = mq_pool_create()) ||
        !(r->stats = calloc(p->main->n_steps + 1, sizeof *r->stats))) {
        mq_runner_free(r);
        return mq_oom(err);
    }
    r->plan = p;
    r->n_threads = mq_threads(n_threads);
    for (size_t i = 0; i < p->main->n_steps; i++)
        r->stats[i].node = p->main->steps[i].node;
    *out = r;
    return MQ_OK;
}

static void drop_states(mq_runner *r)
{
    r->n_joining = 0;
    for (size_t i = 0; r->states && r->plan && i < r->plan->n_steps; i++) {
        for (size_t k = 0; k < r->states[i].n; k++)
            drop_prepared(&r->states[i].prepared[k]);
        free(r->states[i].prepared);
        mq_join_close(r->states[i].join);
        r->states[i] = (mq_step_state){ 0 };
    }
}

void mq_runner_free(mq_runner *r)
{
    if (!r)
        return;
    drop_states(r);
    free(r->states);
    free(r->stats);
    mq_pool_close(r->pool);
    mq_arena_free(r->arena);
    free(r);
}

void mq_runner_watch(mq_runner *r, mq_watch_fn fn, void *user)
{
    r->watch = fn;
    r->watch_user = user;
}

void mq_runner_hooks(mq_runner *r, const mq_hooks *hooks)
{
    r->hooks = hooks;
}

void mq_runner_seed(mq_runner *r, uint64_t seed)
{
    r->seed = seed;
}

void mq_runner_profile(mq_runner *r, bool on)
{
    for (size_t i = 0; on && i < r->plan->main->n_steps; i++)
        r->stats[i] = (mq_node_stat){ .node = r->stats[i].node };
    r->profile = on;
}

const mq_node_stat *mq_runner_stats(const mq_runner *r, size_t *n)
{
    *n = r->plan->main->n_steps;
    return r->stats;
}

size_t mq_runner_peak(const mq_runner *r)
{
    return r->pool->peak_bytes;
}

/* Does an array fit what the model says of an input? Symbols stand for any size. */
static mq_status check_input(const mq_value *v, const mq_array *a, mq_error *err)
{
    const mq_type *t = v->declared ? v->declared : v->type;
    char want[256], have[256];
    bool fits = true;

    if (!t || t->kind == MQ_TYPE_UNKNOWN || t->kind == MQ_TYPE_OPTIONAL)
        return MQ_OK;
    fits = t->kind == a->kind && (t->kind != MQ_TYPE_TENSOR || t->dtype == MQ_UNDEFINED || t->dtype == a->dtype);
    if (fits && t->kind == MQ_TYPE_TENSOR && t->rank >= 0) {
        fits = t->rank == a->rank;
        for (int i = 0; fits && i < t->rank; i++)
            fits = t->dims[i].value < 0 || t->dims[i].value == a->dims[i];
    }
    if (fits)
        return MQ_OK;
    mq_type_text(t, want, sizeof want);
    mq_array_text(a, have, sizeof have);
    return mq_fail(err, MQ_ERR_INPUT, "input '%s' is %s where the model wants %s", v->name, have, want);
}

/* Constants and borrowed memory do not leave the plan: a caller may keep an output longer. */
static mq_status own_output(mq_array **out, mq_error *err)
{
    const bool list = *out && (*out)->kind == MQ_TYPE_SEQUENCE;
    mq_array *copy;
    mq_status rc;

    if (!*out || (!list && ((*out)->kind != MQ_TYPE_TENSOR || (!(*out)->constant && (*out)->block))))
        return MQ_OK;
    if ((rc = mq_array_copy(&copy, *out, err)) != MQ_OK)
        return rc;
    mq_array_unref(*out);
    *out = copy;
    for (size_t i = 0; i < copy->n_items && rc == MQ_OK; i++)
        rc = own_output(&copy->items[i], err);
    return rc;
}

mq_status mq_runner_run(mq_runner *r, mq_array *const *in, mq_array **out, mq_error *err)
{
    const mq_body *b = r->plan->main;
    mq_status rc;

    if (r->generation != r->plan->generation) { /* a constant has other contents: states may hold what was read of it */
        drop_states(r);
        r->generation = r->plan->generation;
    }
    if (r->arena && mq_arena_used(r->arena) > 0) {
        mq_arena_free(r->arena);
        r->arena = NULL;
    }
    if (!r->arena && !(r->arena = mq_arena_create()))
        return mq_oom(err);
    mq_joins_drop(r);
    mq_pool_start(r->pool);
    for (size_t i = 0; i < b->n_inputs; i++)
        if (in[i] && (rc = check_input(b->graph->inputs.items[i], in[i], err)) != MQ_OK)
            return rc;
    if ((rc = mq_run_body(r, b, NULL, b->n_inputs, in, b->n_outputs, out, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < b->n_outputs && rc == MQ_OK; i++)
        rc = own_output(&out[i], err);
    if (rc != MQ_OK)
        for (size_t i = 0; i < b->n_outputs; i++) {
            mq_array_unref(out[i]);
            out[i] = NULL;
        }
    return rc;
}
