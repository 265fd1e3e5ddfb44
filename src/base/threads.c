/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "base/threads.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#ifdef _OPENMP
#include <omp.h>
#endif

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

int mq_thread_number(void)
{
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}
