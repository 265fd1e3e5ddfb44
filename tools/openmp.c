/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The OpenMP runtime of the program: what GCC makes of the pragmas, and what oneDNN calls, over one team of threads for
 * each thread that opens regions. Defined here, these names stand in front of libgomp's in the whole process (ELF looks in
 * the executable first); a test sees to it that none is left to libgomp, for the two know nothing of each other.
 *
 * Why: a region of a few microseconds stands between two others, hundreds of them in one run of a model. In libgomp each
 * part of a region belongs to one thread: the region ends when the last of them has been woken, or has got its CPU back
 * from other work, a time slice later; so threads have to spin, by default for some 10 ms. Here parts are claimed: whoever
 * is there takes the next one, and a thread that comes too late finds the work done. The number of parts, and which part
 * computes what, do not depend on that. A thread that waits first spins, then offers its CPU in turns (sched_yield), then
 * sleeps.
 *
 * Parts may wait for each other (GOMP_barrier, barriers of oneDNN's own): as many threads as parts are awake, and one takes
 * another part only when its own has ended, so each part that others wait for finds a thread.
 *
 * The entry points are those of GCC's libgomp (libgomp_g.h: "the external interface that is called by the compiler") and of
 * OpenMP 4.5, sections 3.2.1 to 3.2.6. Regions inside regions have one thread, as by OMP_MAX_ACTIVE_LEVELS=1. */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define SPIN_NS 50000
#define YIELD_NS 1000000
#define PART_BITS 12
#define MOST_THREADS ((1 << PART_BITS) - 1)
#define LOOPS 2 /* a thread may be one loop ahead of another */

typedef unsigned long long ull;

/* A loop whose turns are given out: turns, not values of its variable. */
typedef struct loop {
    unsigned number; /* counts the loops of a region from 1; 0: none yet */
    int inside;      /* threads that have not left it */
    ull next, turns, chunk, start, step;
} loop;

/* A word that threads wait on, and how many of them sleep. */
typedef struct gate {
    atomic_uint word;
    atomic_int sleepers;
} gate;

typedef struct team {
    void (*body)(void *);
    void *data;
    /* Region * 2^24 + parts * 2^12 + next part to claim: in one word, so that whoever claims knows that it is a part of
     * the region which runs, however late it comes. */
    _Atomic uint64_t parts;
    gate go, done, barrier; /* count regions begun, regions ended, barriers passed */
    atomic_int left, arrived;
    atomic_bool over;
    atomic_int cpu;      /* that the thread which opens regions was on when it opened the last one */
    atomic_bool patient; /* each thread has a CPU: waiting threads may spin */
    int n, n_workers;
    pthread_mutex_t lock; /* of loops */
    loop loops[LOOPS];
    unsigned n_loops; /* that the region begins in */
    struct worker *workers[MOST_THREADS];
} team;

typedef struct worker {
    pthread_t thread;
    team *team;
    unsigned seen; /* of team->go */
} worker;

/* What a thread is in the region that it runs. */
static _Thread_local struct {
    team *team; /* NULL: outside, or alone in a region */
    int id, n, depth;
    unsigned n_loops; /* entered */
    loop alone;       /* the last of them, without a team */
} here = { .n = 1 };

static _Thread_local team *own;    /* of a thread that has opened a region */
static _Thread_local int max_threads; /* 0: as many as there are CPUs */
static pthread_key_t own_key;
static pthread_once_t own_once = PTHREAD_ONCE_INIT;
static pthread_mutex_t atomic_lock = PTHREAD_MUTEX_INITIALIZER;
/* Of all critical sections, whatever their names: they are rare and short, and may stand inside one another. */
static pthread_mutex_t critical_lock = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;

EXPORT int omp_get_max_threads(void);
EXPORT int omp_get_num_threads(void);
EXPORT int omp_get_thread_num(void);
EXPORT int omp_in_parallel(void);
EXPORT void omp_set_num_threads(int n);
EXPORT void GOMP_parallel(void (*body)(void *), void *data, unsigned n, unsigned flags);
EXPORT void GOMP_barrier(void);
EXPORT void GOMP_atomic_start(void);
EXPORT void GOMP_atomic_end(void);
EXPORT void GOMP_critical_start(void);
EXPORT void GOMP_critical_end(void);
EXPORT void GOMP_critical_name_start(void **name);
EXPORT void GOMP_critical_name_end(void **name);

static int n_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool changed(const gate *g, unsigned from)
{
    return atomic_load_explicit(&g->word, memory_order_acquire) != from;
}

static void rest(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

/* On the CPU of the thread that it works for a worker would only take turns with it, until the kernel sees that another CPU
 * has nothing to do: it goes there itself. Afterwards it may be anywhere again. */
static void leave_cpu_of(const team *t)
{
    const int cpu = atomic_load(&t->cpu);
    cpu_set_t all, others;

    if (cpu < 0 || sched_getcpu() != cpu || sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    others = all;
    CPU_CLR(cpu, &others);
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
        sched_setaffinity(0, sizeof all, &all);
}

static void wait_for_change(gate *g, unsigned from, bool patient)
{
    for (int64_t began = now_ns(), now = began; patient && now - began < YIELD_NS; now = now_ns())
        for (int i = 0; i < 16; i++) {
            if (changed(g, from))
                return;
            if (now - began < SPIN_NS)
                rest();
            else
                sched_yield();
        }
    atomic_fetch_add(&g->sleepers, 1);
    while (!changed(g, from))
        syscall(SYS_futex, &g->word, FUTEX_WAIT_PRIVATE, from, NULL, NULL, 0);
    atomic_fetch_sub(&g->sleepers, 1);
}

static void advance(gate *g, int n_waiting)
{
    atomic_fetch_add(&g->word, 1);
    if (atomic_load(&g->sleepers) > 0)
        syscall(SYS_futex, &g->word, FUTEX_WAKE_PRIVATE, n_waiting, NULL, NULL, 0);
}

static void run_part(team *t, int id)
{
    here.team = t;
    here.id = id;
    here.n = t->n;
    here.depth = 1;
    here.n_loops = t->n_loops;
    t->body(t->data);
    here.team = NULL;
    here.depth = here.id = 0;
    here.n = 1;
    if (atomic_fetch_sub(&t->left, 1) == 1)
        advance(&t->done, 1);
}

/* Runs parts as long as there are any. */
static void run_parts(team *t)
{
    uint64_t p = atomic_load(&t->parts);

    while ((p & MOST_THREADS) < (p >> PART_BITS & MOST_THREADS))
        if (atomic_compare_exchange_weak(&t->parts, &p, p + 1)) {
            run_part(t, (int)(p & MOST_THREADS));
            p = atomic_load(&t->parts);
        }
}

static void *work(void *user)
{
    worker *w = user;
    team *t = w->team;

    for (;;) {
        wait_for_change(&t->go, w->seen, t->patient);
        w->seen = atomic_load(&t->go.word);
        leave_cpu_of(t);
        if (atomic_load(&t->over))
            return NULL;
        run_parts(t);
    }
}

static void dissolve(void *user)
{
    team *t = user;

    atomic_store(&t->over, true);
    advance(&t->go, INT_MAX);
    for (int i = 0; i < t->n_workers; i++) {
        pthread_join(t->workers[i]->thread, NULL);
        free(t->workers[i]);
    }
    pthread_mutex_destroy(&t->lock);
    free(t);
}

static void make_key(void)
{
    pthread_key_create(&own_key, dissolve);
}

/* The number of threads decides how work is cut, and oneDNN relies on it: fewer than asked for will not do. */
static _Noreturn void fail(int error)
{
    fprintf(stderr, "mq: error: cannot start a thread: %s; try fewer (-j)\n", strerror(error));
    exit(5);
}

static team *own_team(void)
{
    if (!own) {
        if (!(own = calloc(1, sizeof *own)))
            fail(ENOMEM);
        pthread_mutex_init(&own->lock, NULL);
        pthread_once(&own_once, make_key);
        pthread_setspecific(own_key, own);
    }
    return own;
}

/* Workers leave signals to the threads of the program. */
static void grow(team *t, int n_workers)
{
    sigset_t all, before;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (t->n_workers < n_workers) {
        worker *w = calloc(1, sizeof *w);
        int error = ENOMEM;

        if (w) {
            *w = (worker){ .team = t, .seen = atomic_load(&t->go.word) };
            error = pthread_create(&w->thread, NULL, work, w);
        }
        if (error)
            fail(error);
        t->workers[t->n_workers++] = w;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void run_alone(void (*body)(void *), void *data, const loop *first)
{
    const typeof(here) outer = here;

    here = (typeof(here)){ .n = 1, .depth = outer.depth, .n_loops = first != NULL, .alone = first ? *first : (loop){ 0 } };
    body(data);
    here = outer;
}

/* first: the loop that the region begins in; NULL: none. */
static void run_region(void (*body)(void *), void *data, unsigned wanted, const loop *first)
{
    const unsigned default_n = wanted ? wanted : (unsigned)omp_get_max_threads();
    const int n = default_n < MOST_THREADS ? (int)default_n : MOST_THREADS;

    if (n == 1 || here.depth > 0) {
        run_alone(body, data, first);
        return;
    }

    team *t = own_team();
    const unsigned done = atomic_load(&t->done.word);

    if (t->n != n) {
        t->n = n;
        t->patient = n_cpus() >= n;
        grow(t, n - 1);
    }
    t->body = body;
    t->data = data;
    t->n_loops = first != NULL;
    memset(t->loops, 0, sizeof t->loops);
    if (first)
        t->loops[0] = *first;
    t->loops[0].inside = first ? n : 0;
    atomic_store(&t->arrived, 0);
    atomic_store(&t->left, n);
    atomic_store(&t->parts, ((atomic_load(&t->parts) >> 2 * PART_BITS) + 1) << 2 * PART_BITS | (uint64_t)n << PART_BITS | 1);
    atomic_store(&t->cpu, sched_getcpu());
    advance(&t->go, n - 1);
    run_part(t, 0);
    run_parts(t);
    wait_for_change(&t->done, done, t->patient);
}

int omp_get_max_threads(void)
{
    if (max_threads <= 0)
        max_threads = n_cpus();
    return max_threads;
}

void omp_set_num_threads(int n)
{
    max_threads = n > MOST_THREADS ? MOST_THREADS : n;
}

int omp_get_num_threads(void)
{
    return here.n;
}

int omp_get_thread_num(void)
{
    return here.id;
}

int omp_in_parallel(void)
{
    return here.team != NULL;
}

/* flags: where threads are to be bound. */
void GOMP_parallel(void (*body)(void *), void *data, unsigned n, unsigned flags)
{
    (void)flags;
    run_region(body, data, n, NULL);
}

void GOMP_barrier(void)
{
    team *t = here.team;

    if (!t)
        return;
    const unsigned before = atomic_load(&t->barrier.word);
    if (atomic_fetch_add(&t->arrived, 1) + 1 == t->n) {
        atomic_store(&t->arrived, 0);
        advance(&t->barrier, t->n);
    } else {
        wait_for_change(&t->barrier, before, t->patient);
    }
}

void GOMP_atomic_start(void)
{
    pthread_mutex_lock(&atomic_lock);
}

void GOMP_atomic_end(void)
{
    pthread_mutex_unlock(&atomic_lock);
}

void GOMP_critical_start(void)
{
    pthread_mutex_lock(&critical_lock);
}

void GOMP_critical_end(void)
{
    pthread_mutex_unlock(&critical_lock);
}

void GOMP_critical_name_start(void **name)
{
    (void)name;
    GOMP_critical_start();
}

void GOMP_critical_name_end(void **name)
{
    (void)name;
    GOMP_critical_end();
}

/* ---- loops whose turns are given out (schedule(dynamic)) ------------------------------------------------------------ */

/* l's next turns. */
static bool take(loop *l, ull *from, ull *to)
{
    const ull n = l->turns - l->next < l->chunk ? l->turns - l->next : l->chunk;

    *from = l->start + l->next * l->step;
    l->next += n;
    *to = l->start + l->next * l->step;
    return n > 0;
}

/* The loop that this thread has entered last, for itself. */
static loop *lock_loop(void)
{
    team *t = here.team;

    if (t)
        pthread_mutex_lock(&t->lock);
    return t ? &t->loops[(here.n_loops - 1) % LOOPS] : &here.alone;
}

static void unlock_loop(void)
{
    if (here.team)
        pthread_mutex_unlock(&here.team->lock);
}

static bool next(ull *from, ull *to)
{
    loop *l = lock_loop();
    const bool some = take(l, from, to);

    unlock_loop();
    return some;
}

static void leave(void)
{
    lock_loop()->inside--;
    unlock_loop();
}

static bool enter(loop fresh, ull *from, ull *to)
{
    loop *l;

    fresh.number = ++here.n_loops;
    fresh.inside = here.n;
    for (l = lock_loop(); l->number != fresh.number && l->inside > 0; l = lock_loop()) {
        unlock_loop(); /* somebody is still in the loop that had this place */
        sched_yield();
    }
    if (l->number != fresh.number)
        *l = fresh;
    const bool some = take(l, from, to);
    unlock_loop();
    return some;
}

static loop make_loop(bool up, ull start, ull end, ull step, ull chunk)
{
    const ull width = up ? step : 0 - step, span = up ? end - start : start - end;

    return (loop){ .number = 1, .inside = 1, .start = start, .step = step, .chunk = chunk ? chunk : 1,
                   .turns = span / width + (span % width != 0) };
}

/* The same of a signed variable; end may lie before start. */
static loop make_signed(long start, long end, long step, long chunk)
{
    const bool none = step > 0 ? end <= start : end >= start;

    return make_loop(step > 0, (ull)start, none ? (ull)start : (ull)end, (ull)step, (ull)chunk);
}

EXPORT bool GOMP_loop_nonmonotonic_dynamic_start(long start, long end, long step, long chunk, long *from, long *to);
EXPORT bool GOMP_loop_nonmonotonic_dynamic_next(long *from, long *to);
EXPORT bool GOMP_loop_ull_nonmonotonic_dynamic_start(bool up, ull start, ull end, ull step, ull chunk, ull *from, ull *to);
EXPORT bool GOMP_loop_ull_nonmonotonic_dynamic_next(ull *from, ull *to);
EXPORT void GOMP_loop_end(void);
EXPORT void GOMP_loop_end_nowait(void);
EXPORT void GOMP_parallel_loop_nonmonotonic_dynamic(void (*body)(void *), void *data, unsigned n, long start, long end,
                                                    long step, long chunk, unsigned flags);

bool GOMP_loop_ull_nonmonotonic_dynamic_start(bool up, ull start, ull end, ull step, ull chunk, ull *from, ull *to)
{
    const bool none = up ? end <= start : end >= start;

    return enter(make_loop(up, start, none ? start : end, step, chunk), from, to);
}

bool GOMP_loop_ull_nonmonotonic_dynamic_next(ull *from, ull *to)
{
    return next(from, to);
}

bool GOMP_loop_nonmonotonic_dynamic_start(long start, long end, long step, long chunk, long *from, long *to)
{
    ull a, b;
    const bool some = enter(make_signed(start, end, step, chunk), &a, &b);

    *from = (long)a;
    *to = (long)b;
    return some;
}

bool GOMP_loop_nonmonotonic_dynamic_next(long *from, long *to)
{
    ull a, b;
    const bool some = next(&a, &b);

    *from = (long)a;
    *to = (long)b;
    return some;
}

void GOMP_loop_end_nowait(void)
{
    leave();
}

void GOMP_loop_end(void)
{
    leave();
    GOMP_barrier();
}

void GOMP_parallel_loop_nonmonotonic_dynamic(void (*body)(void *), void *data, unsigned n, long start, long end, long step,
                                             long chunk, unsigned flags)
{
    const loop first = make_signed(start, end, step, chunk);

    (void)flags;
    run_region(body, data, n, &first);
}
