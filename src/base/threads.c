/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "base/threads.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* CPUs that the cgroup's quota amounts to, rounded up; 0: no quota (or not to be found). */
static int cgroup_cpus(void)
{
    char line[512], path[600];
    long quota, period;
    int cpus = 0;
    FILE *f = fopen("/proc/self/cgroup", "re");

    while (f && fgets(line, sizeof line, f)) {
        if (strncmp(line, "0::", 3) != 0) /* cgroup v2 has one line of this form */
            continue;
        line[strcspn(line, "\n")] = '\0';
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", line + 3);
        FILE *max = fopen(path, "re");
        if (max) {
            if (fscanf(max, "%ld %ld", &quota, &period) == 2 && quota > 0 && period > 0)
                cpus = (int)((quota + period - 1) / period);
            fclose(max);
        }
    }
    if (f)
        fclose(f);
    return cpus;
}

int mq_threads(int wanted)
{
    cpu_set_t set;
    int n = 1, quota;

    if (wanted > 0)
        return wanted;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    quota = cgroup_cpus();
    if (quota > 0 && quota < n)
        n = quota;
    return n > 0 ? n : 1;
}

#if defined(_OPENMP) && !defined(__clang__)
#define MOST_PARKED 16

typedef struct parking {
    int n;
    sem_t done;
} parking;

/* A team that has met once and then sleeps for ever. Detached: it goes with the process. */
static void *park(void *user)
{
    parking *p = user;
    const int n = p->n;
    int met = 0;

#pragma omp parallel num_threads(n) reduction(+ : met)
    met++;
    sem_post(&p->done); /* p is gone from here on */
    while (met)
        pause();
    return NULL;
}

/* The library spins short (1000 turns) as soon as it has more threads than there are CPUs, asleep or not, and its variables
 * are read before anything here runs. So a few threads more are made, which never run again. */
static void make_parked(int n)
{
    parking p = { .n = n };
    pthread_attr_t attr;
    pthread_t t;

    if (pthread_attr_init(&attr) != 0)
        return;
    if (sem_init(&p.done, 0, 0) == 0 && pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED) == 0 &&
        pthread_create(&t, &attr, park, &p) == 0)
        while (sem_wait(&p.done) != 0)
            ;
    pthread_attr_destroy(&attr);
}

/* Of the process, as the threads are. */
static struct {
    pthread_mutex_t lock;
    int parked; /* threads of the largest team */
} mq_threads_state = { .lock = PTHREAD_MUTEX_INITIALIZER };

void mq_threads_share_cpus(int n)
{
    cpu_set_t set;

    if (n < 2 || getenv("OMP_WAIT_POLICY") || getenv("GOMP_SPINCOUNT") || sched_getaffinity(0, sizeof set, &set) != 0)
        return;
    const int cpus = CPU_COUNT(&set), most = n < cpus ? n : cpus;
    const int wanted = cpus - most + 2; /* with n at work: one more than there are CPUs */

    pthread_mutex_lock(&mq_threads_state.lock);
    if (mq_threads_state.parked < wanted && wanted <= MOST_PARKED) {
        make_parked(wanted);
        mq_threads_state.parked = wanted;
    }
    pthread_mutex_unlock(&mq_threads_state.lock);
}
#else
void mq_threads_share_cpus(int n)
{
    (void)n;
}
#endif
