/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What differs from run to run and is kept apart for that: time, peak memory, threads, CPU, instruction set. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/error.h"
#include "base/isa.h"
#include "base/threads.h"
#include "report/internal.h"

double mq_clock(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Microseconds are as fine as a step is worth reading. */
static json_t *seconds_value(double s)
{
    return json_real(isfinite(s) ? round(s * 1e6) / 1e6 : 0);
}

void mq_report_set_threads(mq_report *r, int n_threads)
{
    if (r)
        r->n_threads = n_threads;
}

void mq_report_set_speed(mq_report *r, double before_ms, double after_ms, size_t runs)
{
    json_t *s;

    if (!r || !(before_ms > 0) || !(after_ms > 0))
        return;
    s = json_pack("{s:f, s:f, s:f, s:I, s:i}", "before_ms", before_ms, "after_ms", after_ms, "speedup", before_ms / after_ms,
                  "runs", (json_int_t)runs, "threads", 1);
    r->failed |= !s;
    json_decref(r->speed);
    r->speed = s;
}

/* The number behind a key of a "key : value" file of /proc, or its text; false when there is none. */
static bool proc_line(const char *file, const char *key, char *value, size_t size)
{
    FILE *f = fopen(file, "re");
    char line[256];
    bool found = false;

    while (f && !found && fgets(line, sizeof line, f)) {
        char *colon = strchr(line, ':');
        if (strncmp(line, key, strlen(key)) != 0 || !colon)
            continue;
        colon += 1 + strspn(colon + 1, " \t");
        snprintf(value, size, "%.*s", (int)strcspn(colon, "\n"), colon);
        found = true;
    }
    if (f)
        fclose(f);
    return found;
}

/* VmHWM rather than ru_maxrss: the latter starts with what the parent had before exec. */
static int64_t peak_memory(void)
{
    char text[64];
    struct rusage use;

    if (proc_line("/proc/self/status", "VmHWM", text, sizeof text))
        return strtoll(text, NULL, 10) * 1024;
    return getrusage(RUSAGE_SELF, &use) == 0 ? (int64_t)use.ru_maxrss * 1024 : 0;
}

mq_status mq_report_add_step(mq_report *r, const char *name, double seconds, mq_error *err)
{
    json_t *step = json_object();

    if (json_object_set_new(step, "name", mq_json_text(name)) != 0 ||
        json_object_set_new(step, "seconds", seconds_value(seconds)) != 0 ||
        json_object_set_new(step, "peak_memory_bytes", json_integer(peak_memory())) != 0) {
        json_decref(step);
        return mq_oom(err);
    }
    return json_array_append_new(r->steps, step) == 0 ? MQ_OK : mq_oom(err);
}

json_t *mq_report_measured(const mq_report *r)
{
    json_t *m = json_object();
    char cpu[128] = "";
    int bad = 0;

    proc_line("/proc/cpuinfo", "model name", cpu, sizeof cpu);
    bad |= json_object_set_new(m, "seconds", seconds_value(mq_clock() - r->started));
    bad |= json_object_set(m, "steps", r->steps);
    bad |= json_object_set_new(m, "peak_memory_bytes", json_integer(peak_memory()));
    bad |= json_object_set_new(m, "threads", json_integer(r->n_threads > 0 ? r->n_threads : mq_threads(0)));
    bad |= json_object_set_new(m, "cpu", mq_json_text(cpu));
    if (r->speed)
        bad |= json_object_set(m, "speed", r->speed);
    bad |= json_object_set_new(m, "isa", json_string(mq_isa_name(mq_isa_now())));
    if (bad) {
        json_decref(m);
        return NULL;
    }
    return m;
}
