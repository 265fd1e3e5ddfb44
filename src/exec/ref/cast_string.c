/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Cast from and to strings. Numbers are written with as few digits as read back the same (as NumPy does: "0.1", "1.0",
 * "1e+16"), NaN and infinities as the operator's text says: "NaN", "INF", "-INF". */
#include "exec/ref/cast.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exec/ref/util.h"

/* The longest number that is looked at; a double's own digits are at most 1077. */
#define MAX_TEXT 1100
#define BLOCK 64

/* ---- from strings ------------------------------------------------------------------------------------------------ */

static bool is_end(const char *text, const char *end)
{
    return end != text && end[strspn(end, " \t\r\n")] == '\0';
}

/* As integer where it is written as one; else what is before the point. Unsigned ones as their bits. */
static bool parse_int(const char *text, int64_t *out)
{
    char *end;
    double d;

    errno = 0;
    *out = strtoll(text, &end, 10);
    if (is_end(text, end) && errno == 0)
        return true;
    errno = 0;
    *out = (int64_t)strtoull(text, &end, 10);
    if (is_end(text, end) && errno == 0)
        return true;
    d = strtod(text, &end);
    *out = d >= -0x1p63 && d < 0x1p63 ? (int64_t)d : INT64_MIN;
    return is_end(text, end);
}

static bool parse_bool(const char *text, int64_t *out)
{
    double d;
    char *end;

    if (strcasecmp(text, "true") == 0 || strcasecmp(text, "false") == 0) {
        *out = (text[0] | 0x20) == 't';
        return true;
    }
    d = strtod(text, &end);
    *out = d != 0;
    return is_end(text, end);
}

static mq_status parse(mq_call *c, const mq_cast *k, mq_bytes s, double *number, int64_t *integer)
{
    char text[MAX_TEXT], *end;
    bool ok = s.n < sizeof text && (s.n == 0 || !memchr(s.data, '\0', s.n));

    if (ok) {
        memcpy(text, s.n ? s.data : "", s.n);
        text[s.n] = '\0';
        if (k->to == MQ_BOOL)
            ok = parse_bool(text, integer);
        else if (k->from == MQ_INT64)
            ok = parse_int(text, integer);
        else {
            *number = strtod(text, &end);
            ok = is_end(text, end);
        }
    }
    if (!ok)
        return mq_call_fail(c, "'%.*s' is no number", s.n < 40 ? (int)s.n : 40, s.n ? (const char *)s.data : "");
    return MQ_OK;
}

/* A block at a time as double or int64, and from there like a Cast of those. */
static mq_status from_strings(mq_call *c, const mq_cast *to, void *out)
{
    const mq_array *x = c->in[0];
    const bool whole = to->to == MQ_BOOL || mq_dtype_is_integer(to->to);
    const mq_cast k = { whole ? MQ_INT64 : MQ_DOUBLE, to->to, to->mode, to->saturate };
    double numbers[BLOCK];
    int64_t integers[BLOCK];
    mq_status rc = MQ_OK;

    for (size_t at = 0; at < x->count; at += BLOCK) {
        const size_t n = x->count - at < BLOCK ? x->count - at : BLOCK;

        for (size_t i = 0; i < n; i++)
            MQ_TRY(parse(c, &k, ((const mq_bytes *)x->data)[at + i], &numbers[i], &integers[i]));
        mq_cast_run(&k, 1, whole ? (const void *)integers : numbers, n,
                    (char *)out + at / 8 * (size_t)mq_dtype_bits(k.to));
    }
done:
    return rc;
}

/* ---- to strings -------------------------------------------------------------------------------------------------- */

/* Does the text read back as element i of a? */
static bool reads_back(const mq_array *a, size_t i, const char *text)
{
    const mq_cast k = { MQ_DOUBLE, a->dtype, MQ_ROUND_NEAREST, true };
    const double d = strtod(text, NULL);
    double back;
    _Alignas(double) uint8_t made[sizeof(double)];
    float f;

    if (a->dtype == MQ_DOUBLE)
        return d == ((const double *)a->data)[i];
    mq_cast_run(&k, 1, &d, 1, made);
    mq_dtype_to_f32(a->dtype, made, 0, 1, &f);
    back = mq_array_f64(a, i);
    return (double)f == back;
}

/* digits (a sign, one digit, a point, more digits; exponent behind 'e') as NumPy lays them out. */
static void lay_out(const char *scientific, char *out, size_t size)
{
    const char *e = strchr(scientific, 'e');
    const int exponent = atoi(e + 1), negative = scientific[0] == '-';
    char digits[32];
    int n = 0, at = 0;

    if (exponent < -4 || exponent >= 16) {
        snprintf(out, size, "%s", scientific);
        return;
    }
    for (const char *p = scientific; p < e; p++)
        if (*p >= '0' && *p <= '9' && n < (int)sizeof digits)
            digits[n++] = *p;
    if (negative)
        out[at++] = '-';
    if (exponent < 0)
        at += snprintf(out + at, size - (size_t)at, "0.%.*s", -exponent - 1, "0000");
    for (int i = 0; i < n || i <= exponent + 1; i++) {
        if (exponent >= 0 && i == exponent + 1)
            out[at++] = '.';
        if (i < n)
            out[at++] = digits[i];
        else if (exponent >= 0)
            out[at++] = '0';
        else
            break;
    }
    out[at] = '\0';
}

static void write_float(const mq_array *a, size_t i, char *out, size_t size)
{
    const double d = mq_array_f64(a, i);
    char text[40];

    if (isnan(d) || isinf(d)) {
        snprintf(out, size, "%s", isnan(d) ? "NaN" : d > 0 ? "INF" : "-INF");
        return;
    }
    for (int digits = 0; digits < 17; digits++) {
        snprintf(text, sizeof text, "%.*e", digits, d);
        if (reads_back(a, i, text))
            break;
    }
    lay_out(text, out, size);
}

static mq_status to_strings(mq_call *c, mq_bytes *out)
{
    const mq_array *x = c->in[0];
    char text[64];

    for (size_t i = 0; i < x->count; i++) {
        if (mq_dtype_is_float(x->dtype))
            write_float(x, i, text, sizeof text);
        else if (x->dtype == MQ_BOOL)
            snprintf(text, sizeof text, "%s", mq_array_i64(x, i) ? "True" : "False");
        else if (x->dtype == MQ_UINT64)
            snprintf(text, sizeof text, "%" PRIu64, ((const uint64_t *)x->data)[i]);
        else
            snprintf(text, sizeof text, "%" PRId64, mq_array_i64(x, i));
        out[i].n = strlen(text);
        out[i].data = mq_arena_memdup(c->arena, text, out[i].n);
        if (!out[i].data)
            return mq_oom(c->err);
    }
    return MQ_OK;
}

/* ---- both with a point, whatever the program's locale says ------------------------------------------------------- */

static mq_status convert(mq_call *c, const mq_cast *k, void *out)
{
    const locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    locale_t before;
    mq_status rc;

    if (!plain)
        return mq_oom(c->err);
    before = uselocale(plain);
    rc = k ? from_strings(c, k, out) : to_strings(c, out);
    uselocale(before);
    freelocale(plain);
    return rc;
}

mq_status mq_cast_from_strings(mq_call *c, const mq_cast *k)
{
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_out(c, 0, k->to, c->in[0]->rank, c->in[0]->dims, &out));
    if (out)
        MQ_TRY(convert(c, k, out));
done:
    return rc;
}

mq_status mq_cast_to_strings(mq_call *c)
{
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_out(c, 0, MQ_STRING, c->in[0]->rank, c->in[0]->dims, &out));
    if (out)
        MQ_TRY(convert(c, NULL, out));
done:
    return rc;
}
