/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The pool of a runner's activations. A range of addresses is reserved, far more than is needed: the system gives memory to
 * what is touched only. It is cut into spans, free ones and blocks. Headers are kept apart, so that nothing is touched to
 * find a place. Used by one thread at a time.
 *
 * A block takes the smallest free span that holds it; the last one, behind all blocks, only when no other does. On real
 * models the extent is 0 to 15 % over the most that is live at one time, which is what planning with known life times
 * could gain; this needs no first run to learn from, and holds for any order of requests. */
#include "exec/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/compiler.h"

#define ALIGN 64
#define PAGE ((size_t)4096)
#define RESERVE ((size_t)1 << 30)
/* Blocks of whole pages would all begin at the same place within a page, where reads wait for unrelated writes. */
#define SKEW 128

struct mq_pool_span {
    mq_block block; /* first: a block is its span */
    mq_pool_span *prev, *next; /* by address */
    mq_pool_span *free_prev, *free_next; /* in no order; both NULL for a block */
    mq_pool_range *range;
    char *at;
    size_t size;
    bool free;
};

struct mq_pool_range {
    mq_pool_range *next;
    char *base;
    size_t size;
    size_t top;          /* memory above has never been touched, or was given back */
    size_t run_top;      /* most since mq_pool_start */
    mq_pool_span *last;  /* by address */
    mq_pool_span *free;
};

/* More than the machine has can be reserved, but not used: it is refused at once. */
static size_t machine_memory(void)
{
    const long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);

    return pages > 0 && page > 0 ? (size_t)pages * (size_t)page : PTRDIFF_MAX / 2;
}

mq_pool *mq_pool_create(void)
{
    mq_pool *p = calloc(1, sizeof *p);

    if (p && !(p->arena = mq_arena_create())) {
        free(p);
        return NULL;
    }
    if (p)
        p->limit = machine_memory();
    return p;
}

/* ---- spans -------------------------------------------------------------------------------------------------------- */

static mq_pool_span *new_span(mq_pool *p)
{
    mq_pool_span *s = p->spare;

    if (!s)
        return mq_arena_alloc(p->arena, sizeof *s);
    p->spare = s->next;
    return s;
}

static void drop_span(mq_pool *p, mq_pool_span *s)
{
    s->next = p->spare;
    p->spare = s;
}

static void set_free(mq_pool_span *s)
{
    mq_pool_range *r = s->range;

    s->free = true;
    s->free_prev = NULL;
    s->free_next = r->free;
    if (r->free)
        r->free->free_prev = s;
    r->free = s;
}

static void set_used(mq_pool_span *s)
{
    if (s->free_prev)
        s->free_prev->free_next = s->free_next;
    else
        s->range->free = s->free_next;
    if (s->free_next)
        s->free_next->free_prev = s->free_prev;
    s->free = false;
}

/* Two free neighbours become one. */
static void join(mq_pool *p, mq_pool_span *low, mq_pool_span *high)
{
    set_used(high);
    low->size += high->size;
    low->next = high->next;
    if (high->next)
        high->next->prev = low;
    else
        low->range->last = low;
    drop_span(p, high);
}

/* Keeps the first `size` bytes of a free span; the rest becomes a span of its own. */
static bool cut(mq_pool *p, mq_pool_span *s, size_t size)
{
    mq_pool_span *rest;

    if (s->size == size)
        return true;
    if (!(rest = new_span(p)))
        return false;
    *rest = (mq_pool_span){ .range = s->range, .at = s->at + size, .size = s->size - size, .prev = s, .next = s->next };
    if (s->next)
        s->next->prev = rest;
    else
        s->range->last = rest;
    s->next = rest;
    s->size = size;
    set_free(rest);
    return true;
}

/* ---- ranges ------------------------------------------------------------------------------------------------------- */

static void *reserve(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return p == MAP_FAILED ? NULL : p;
}

static mq_pool_range *new_range(mq_pool *p, size_t need)
{
    mq_pool_range *r = calloc(1, sizeof *r), **end = &p->ranges;
    mq_pool_span *s = new_span(p);

    if (r && s) {
        r->size = need > RESERVE ? (need + PAGE - 1) / PAGE * PAGE : RESERVE;
        r->base = reserve(r->size);
    }
    if (r && s && !r->base && need < RESERVE) { /* addresses may be limited */
        r->size = (need + PAGE - 1) / PAGE * PAGE;
        r->base = reserve(r->size);
    }
    if (!r || !s || !r->base) {
        if (s)
            drop_span(p, s);
        free(r);
        return NULL;
    }
    *s = (mq_pool_span){ .range = r, .at = r->base, .size = r->size };
    r->last = s;
    set_free(s);
    while (*end)
        end = &(*end)->next;
    *end = r;
    return r;
}

static bool is_empty(const mq_pool_range *r)
{
    return r->last->free && !r->last->prev;
}

static void free_range(mq_pool_range *r)
{
    MQ_UNPOISON(r->base, r->top);
    munmap(r->base, r->size);
    free(r);
}

/* Gives back the whole pages between two places of a range. */
static void give_pages(const mq_pool_range *r, size_t from, size_t to)
{
    from = (from + PAGE - 1) / PAGE * PAGE;
    if (from < to)
        madvise(r->base + from, (to - from + PAGE - 1) / PAGE * PAGE, MADV_DONTNEED);
}

static void free_pool(mq_pool *p)
{
    for (mq_pool_range *r = p->ranges, *next; r; r = next) {
        next = r->next;
        free_range(r);
    }
    mq_arena_free(p->arena);
    free(p);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------- */

static void give_back(mq_block *b)
{
    mq_pool_span *s = (mq_pool_span *)b;
    mq_pool *p = b->owner;

    p->live_bytes -= s->size;
    if (--p->n_live == 0 && p->closed) {
        free_pool(p);
        return;
    }
    MQ_POISON(s->at, s->size);
    set_free(s);
    if (s->next && s->next->free)
        join(p, s, s->next);
    if (s->prev && s->prev->free)
        join(p, s->prev, s);
}

/* The smallest free span of a range that holds so much; the last one is larger than any. */
static mq_pool_span *find_span(const mq_pool_range *r, size_t size)
{
    mq_pool_span *best = NULL;

    for (mq_pool_span *s = r->free; s; s = s->free_next)
        if (s->size >= size && (!best || (s != r->last && (best == r->last || s->size < best->size))))
            best = s;
    return best;
}

mq_block *mq_pool_block(mq_pool *p, size_t size)
{
    mq_pool_span *s = NULL;
    mq_pool_range *r;
    size_t end;

    if (size > p->limit || p->live_bytes > p->limit - size)
        return NULL;
    const size_t want = (size + MQ_RED_ZONE + (size >= PAGE ? SKEW : 1) + ALIGN - 1) / ALIGN * ALIGN;

    for (r = p->ranges; r && !(s = find_span(r, want));)
        r = r->next;
    if (!s && (!(r = new_range(p, want)) || !(s = find_span(r, want))))
        return NULL;
    if (!cut(p, s, want))
        return NULL;
    set_used(s);
    MQ_UNPOISON(s->at, size);
    MQ_POISON(s->at + size, want - size);
    s->block = (mq_block){ .data = s->at, .size = size, .refs = 1, .free = give_back, .owner = p };
    end = (size_t)(s->at - r->base) + want;
    r->top = end > r->top ? end : r->top;
    r->run_top = end > r->run_top ? end : r->run_top;
    p->n_live++;
    p->live_bytes += want;
    if (p->live_bytes > p->peak_bytes)
        p->peak_bytes = p->live_bytes;
    return &s->block;
}

/* ---- the pool ----------------------------------------------------------------------------------------------------- */

void mq_pool_start(mq_pool *p)
{
    p->peak_bytes = p->live_bytes;
    for (mq_pool_range **at = &p->ranges, *r; (r = *at);) {
        const size_t held = r->last->free ? (size_t)(r->last->at - r->base) : r->size;
        const size_t needed = held > r->run_top ? held : r->run_top;

        if (r != p->ranges && is_empty(r) && r->run_top == 0) {
            *at = r->next;
            drop_span(p, r->last);
            free_range(r);
            continue;
        }
        if (needed < r->top / 2) {
            give_pages(r, needed, r->top);
            MQ_UNPOISON(r->base + needed, r->top - needed);
            r->top = needed;
        }
        r->run_top = held;
        at = &r->next;
    }
}

size_t mq_pool_extent(const mq_pool *p)
{
    size_t n = 0;

    for (const mq_pool_range *r = p->ranges; r; r = r->next)
        n += r->top;
    return n;
}

void mq_pool_close(mq_pool *p)
{
    if (!p)
        return;
    p->closed = true;
    if (p->n_live == 0) {
        free_pool(p);
        return;
    }
    for (mq_pool_range *r = p->ranges; r; r = r->next)
        for (mq_pool_span *s = r->free; s; s = s->free_next) {
            const size_t from = (size_t)(s->at - r->base), to = from + s->size;

            give_pages(r, from, (to < r->top ? to : r->top) / PAGE * PAGE);
        }
}
