/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How many threads to use. */
#ifndef MQ_BASE_THREADS_H
#define MQ_BASE_THREADS_H

/* `wanted` when > 0, else the CPUs that the process may use: affinity, and the cgroup's quota rounded up. At least 1. */
int mq_threads(int wanted);

/* Before n threads (or fewer) work together often: makes threads that wait for each other give up their CPU after about 50
 * microseconds. GNU's OpenMP lets them spin for some 10 ms: on a machine with other work each wait of one layer then takes a
 * time slice. Does nothing where OMP_WAIT_POLICY or GOMP_SPINCOUNT say what is wanted. */
void mq_threads_share_cpus(int n);

#endif
