/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "prune/walk.h"

#include <stdlib.h>
#include "base/error.h"
#include "base/threads.h"

enum {
    STEP = 1 << 16,   /* elements per step of a thread, about */
    WINDOW = 4 << 20, /* elements whose pages are asked for at a time */
};
/* Weights of so many bytes together stay resident between the walks through them. */
#define KEEP_BYTES ((uint64_t)128 << 20)

mq_prune_slabs mq_prune_slabs_of(const mq_prune_item *it)
{
    const mq_source *v = &it->view;
    const int axis = it->reduce_axis;
    mq_prune_slabs s = { (size_t)v->dims[axis], (size_t)v->strides[axis] };

    if (s.depth == 1) /* its stride says nothing */
        s.inner = 1;
    return s;
}

/* Steps of one slab or a part of one, or of several small ones. */
static void lay_out(mq_prune_walk *w, const mq_prune_plan *plan, const mq_prune_item *it)
{
    const uint64_t n = (uint64_t)w->stored.n;

    w->slab = n ? n : 1;
    w->part = STEP;
    if (plan->kind == MQ_PRUNE_GROUPS) {
        const mq_prune_slabs s = mq_prune_slabs_of(it);
        const uint64_t groups = STEP / (plan->of * s.inner);
        w->slab = s.depth * s.inner;
        w->part = (groups ? groups : 1) * plan->of * s.inner;
        if (w->slab <= STEP)
            w->part = w->slab *= STEP / w->slab;
    }
    w->part = w->part < w->slab ? w->part : w->slab;
    w->n_parts = (size_t)((w->slab + w->part - 1) / w->part);
    w->n_steps = (size_t)((n + w->slab - 1) / w->slab) * w->n_parts;
    w->longest = (size_t)w->part;
}

int mq_prune_walk_threads(const mq_hooks *hooks)
{
    return mq_threads(hooks ? hooks->n_threads : 0);
}

mq_status mq_prune_walk_init(mq_prune_walk *w, const mq_prune_plan *plan, const mq_prune_item *it, const mq_hooks *hooks,
                             mq_error *err)
{
    *w = (mq_prune_walk){ .hooks = hooks, .n_threads = mq_prune_walk_threads(hooks) };
    if (!mq_source_init(&w->stored, it->view.tensor))
        return mq_fail(err, MQ_ERR_INPUT, "tensor '%s': no shape or type that can be read", it->constant->name);
    w->give_back = plan->n_bytes > KEEP_BYTES;
    w->width = (size_t)mq_dtype_bits(it->view.tensor->dtype) / 8;
    lay_out(w, plan, it);
    return mq_tensor_bytes(w->stored.tensor, &w->bytes, err);
}

static void bounds_of(const mq_prune_walk *w, size_t index, uint64_t *from, uint64_t *to)
{
    const uint64_t n = (uint64_t)w->stored.n, start = index / w->n_parts * w->slab, end = start + w->slab;

    *from = start + index % w->n_parts * w->part;
    *to = *from + w->part < end ? *from + w->part : end;
    *from = *from < n ? *from : n; /* the last of several small slabs may be missing */
    *to = *to < n ? *to : n;
}

static mq_status run_window(const mq_prune_walk *w, size_t first, size_t last, float *rooms, mq_prune_step_fn fn, void *user,
                            mq_error *err)
{
    bool failed = false;
    mq_status rc = MQ_OK;

#pragma omp parallel for schedule(static) num_threads(w->n_threads) if (last - first > 1 && w->n_threads > 1)
    for (size_t s = first; s < last; s++) {
        const int thread = mq_thread_number();
        float *room = rooms ? rooms + (size_t)thread * w->longest : NULL;
        mq_error mine = { MQ_OK, "" };
        mq_prune_step step = { .index = s };
        mq_status got;
        uint64_t to;
        bounds_of(w, s, &step.from, &to);
        step.n = (size_t)(to - step.from);
        step.x = mq_source_read(&w->stored, w->bytes, (size_t)step.from, step.n, room);
        got = fn(user, thread, &step, &mine);
        if (got != MQ_OK && !__atomic_exchange_n(&failed, true, __ATOMIC_RELAXED)) { /* the first failure is told */
            rc = got;
            if (err)
                *err = mine;
        }
    }
    return rc;
}

mq_status mq_prune_walk_run(const mq_prune_walk *w, const char *name, mq_prune_step_fn fn, void *user, mq_error *err)
{
    const bool in_place = w->stored.tensor->dtype == MQ_FLOAT;
    const size_t per_window = WINDOW / w->longest ? WINDOW / w->longest : 1;
    float *rooms = in_place ? NULL : malloc((size_t)w->n_threads * w->longest * sizeof *rooms);
    mq_status rc = in_place || rooms ? MQ_OK : mq_oom(err);

    for (size_t s = 0; rc == MQ_OK && s < w->n_steps; s += per_window) {
        const size_t last = s + per_window < w->n_steps ? s + per_window : w->n_steps;
        uint64_t from, to, ignored;
        bounds_of(w, s, &from, &ignored);
        bounds_of(w, last - 1, &ignored, &to);
        mq_source_want(&w->stored, (size_t)from, (size_t)(to - from));
        rc = run_window(w, s, last, rooms, fn, user, err);
        if (w->give_back)
            mq_source_done_with(&w->stored, (size_t)from, (size_t)(to - from));
        mq_progress(w->hooks, name, to, (uint64_t)w->stored.n);
        if (rc == MQ_OK)
            rc = mq_check_cancelled(w->hooks, err);
    }
    free(rooms);
    return rc;
}
