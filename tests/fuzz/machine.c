/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The machine as the library sees it in a fuzz target (linked with --wrap), always the same, so that the same inputs take
 * the same ways: time goes by with each look at the clock, memory is small, and there is nothing to read in /proc. */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

int __wrap_clock_gettime(clockid_t id, struct timespec *t);
int __wrap_getrusage(int who, struct rusage *use);
long __wrap_sysconf(int name);
FILE *__wrap_fopen(const char *path, const char *mode);
long __real_sysconf(int name);
FILE *__real_fopen(const char *path, const char *mode);

#define MEMORY (256L << 20)

int __wrap_clock_gettime(clockid_t id, struct timespec *t)
{
    static long ns;

    (void)id;
    ns += 1000;
    *t = (struct timespec){ .tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000 };
    return 0;
}

int __wrap_getrusage(int who, struct rusage *use)
{
    (void)who;
    *use = (struct rusage){ .ru_maxrss = MEMORY / 1024 };
    return 0;
}

long __wrap_sysconf(int name)
{
    return name == _SC_PHYS_PAGES ? MEMORY / __real_sysconf(_SC_PAGESIZE) : __real_sysconf(name);
}

FILE *__wrap_fopen(const char *path, const char *mode)
{
    return strncmp(path, "/proc/", 6) == 0 && strncmp(path, "/proc/self/fd/", 14) != 0 ? NULL : __real_fopen(path, mode);
}
