/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "base/str.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

void mq_str_release(mq_str *b)
{
    free(b->s);
    *b = (mq_str){ 0 };
}

static bool reserve(mq_str *b, size_t more)
{
    size_t cap = b->cap ? b->cap : 64;
    char *s;

    if (b->failed)
        return false;
    while (cap - b->n <= more)
        cap *= 2;
    if (cap == b->cap)
        return true;
    if (!(s = realloc(b->s, cap))) {
        b->failed = true;
        return false;
    }
    b->s = s;
    b->cap = cap;
    return true;
}

void mq_str_add_n(mq_str *b, const char *s, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n)
        memcpy(b->s + b->n, s, n);
    b->n += n;
    b->s[b->n] = '\0';
}

void mq_str_add(mq_str *b, const char *s)
{
    mq_str_add_n(b, s, strlen(s));
}

void mq_str_addf(mq_str *b, const char *fmt, ...)
{
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !reserve(b, (size_t)n))
        return;
    va_start(ap, fmt);
    vsnprintf(b->s + b->n, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->n += (size_t)n;
}

void mq_str_add_bytes(mq_str *b, uint64_t bytes)
{
    static const char *const units[] = { "B", "kB", "MB", "GB", "TB", "PB", "EB" };
    double v = (double)bytes;
    size_t u = 0;

    while (v >= 999.5 && u + 1 < sizeof units / sizeof *units) {
        v /= 1000;
        u++;
    }
    if (u == 0)
        mq_str_addf(b, "%" PRIu64 " B", bytes);
    else
        mq_str_addf(b, v < 9.995 ? "%.2f %s" : v < 99.95 ? "%.1f %s" : "%.0f %s", v, units[u]);
}

void mq_str_add_count(mq_str *b, uint64_t n)
{
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%" PRIu64, n);

    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0)
            mq_str_add_n(b, ",", 1);
        mq_str_add_n(b, &digits[i], 1);
    }
}

bool mq_ends_with(const char *s, const char *end)
{
    const size_t n = strlen(s), k = strlen(end);

    return n >= k && strcasecmp(s + n - k, end) == 0;
}
