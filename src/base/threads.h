/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How many threads to use. */
#ifndef MQ_BASE_THREADS_H
#define MQ_BASE_THREADS_H

/* `wanted` when > 0, else the CPUs that the process may use: affinity, and the cgroup's quota rounded up. At least 1. */
int mq_threads(int wanted);

/* Of the calling thread in its parallel region, from 0. */
int mq_thread_number(void);

#endif
