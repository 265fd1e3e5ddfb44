/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Strict parsing of numbers. strtod alone is not: it takes blanks, signs, hexadecimal, "inf" and "nan".
 * Locale-free as long as nobody calls setlocale, which mq never does. */
#include "cli/values.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/fail.h"

bool cli_parse_count(const char *text, uint64_t *out)
{
    size_t n = strspn(text, "0123456789");
    unsigned long long v;

    if (n == 0 || text[n] != '\0')
        return false;
    errno = 0;
    v = strtoull(text, NULL, 10);
    if (errno)
        return false;
    *out = v;
    return true;
}

/* Digits with at most one point and at least one digit; *end points behind them. */
static bool parse_decimal(const char *text, double *out, const char **end)
{
    size_t whole = strspn(text, "0123456789");
    size_t n = whole, fraction = 0;
    char digits[64];

    if (text[n] == '.') {
        fraction = strspn(text + n + 1, "0123456789");
        n += 1 + fraction;
    }
    if (whole + fraction == 0 || n >= sizeof digits)
        return false;
    memcpy(digits, text, n);
    digits[n] = '\0';
    *out = strtod(digits, NULL);
    *end = text + n;
    return true;
}

bool cli_parse_real(const char *text, double *out)
{
    const size_t sign = *text == '-';
    char *end;
    double v;

    if (!strchr("0123456789.", text[sign]) || text[sign] == '\0' ||
        text[sign + strspn(text + sign, "0123456789.eE+-")] != '\0')
        return false;
    v = strtod(text, &end);
    if (*end != '\0' || v != v || v > 1.7976931348623157e308 || v < -1.7976931348623157e308)
        return false;
    *out = v;
    return true;
}

bool cli_parse_size(const char *text, uint64_t *out)
{
    const char *end;
    double v, unit = 1;

    if (cli_parse_count(text, out))
        return true;
    if (!parse_decimal(text, &v, &end) || end[0] == '\0' || end[1] != '\0')
        return false;
    switch (end[0]) {
    case 'G':
    case 'g':
        unit *= 1024;
        /* fall through */
    case 'M':
    case 'm':
        unit *= 1024;
        /* fall through */
    case 'K':
    case 'k':
        unit *= 1024;
        break;
    default:
        return false;
    }
    if (!(v * unit < 9223372036854775808.0)) /* 2^63: beyond any file */
        return false;
    *out = (uint64_t)(v * unit);
    return true;
}

bool cli_parse_ratio(const char *text, double *out)
{
    const char *end;
    double v;

    if (!parse_decimal(text, &v, &end))
        return false;
    if (strcmp(end, "%") == 0)
        v /= 100;
    else if (end[0] != '\0')
        return false;
    *out = v;
    return true;
}

/* A number with an optional sign and exponent; *end points behind it. */
static bool parse_real(const char *text, double *out, const char **end)
{
    const char *at = text + (*text == '-' || *text == '+');
    double v;
    char *stop;

    if (!parse_decimal(at, &v, end)) /* refuses what strtod would take beside decimals */
        return false;
    if (**end == 'e' || **end == 'E') {
        const char *digits = *end + 1 + (end[0][1] == '-' || end[0][1] == '+');
        if (strspn(digits, "0123456789") == 0)
            return false;
        *end = digits + strspn(digits, "0123456789");
    }
    *out = strtod(text, &stop);
    return true;
}

/* Like parse_real, but a point that another follows belongs to "..". */
static bool parse_end(const char *text, double *out, const char **end)
{
    const char *dots = strstr(text, "..");
    char number[64];

    if (!dots || (size_t)(dots - text) >= sizeof number)
        return false;
    memcpy(number, text, (size_t)(dots - text));
    number[dots - text] = '\0';
    if (!parse_real(number, out, end) || **end != '\0')
        return false;
    *end = dots + 2;
    return true;
}

bool cli_parse_range(const char *text, cli_range *out)
{
    const double most = 1e38; /* of float; differences stay finite */
    cli_range r = { .is_stddev = strncmp(text, "stddev=", 7) == 0 };
    const char *end;

    if (r.is_stddev) {
        if (!parse_decimal(text + 7, &r.k, &end) || *end != '\0' || !(r.k > 0 && r.k <= 1e6))
            return false;
    } else if (!parse_end(text, &r.lo, &end) || !parse_real(end, &r.hi, &end) || *end != '\0' ||
               !(r.lo >= -most && r.hi <= most && (float)r.lo < (float)r.hi)) {
        return false;
    }
    *out = r;
    return true;
}

bool cli_parse_time(const char *text, double *out)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = { { "ms", 1e-3 }, { "s", 1 }, { "m", 60 }, { "h", 3600 } };
    const char *end;
    double v;

    if (!parse_decimal(text, &v, &end))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(end, units[i].name) == 0) {
            *out = v * units[i].seconds;
            return true;
        }
    }
    return false;
}

bool cli_split_name(const char *text, size_t *name_len, const char **value)
{
    const char *eq = strrchr(text, '=');

    if (!eq || eq == text || eq[1] == '\0')
        return false;
    *name_len = (size_t)(eq - text);
    *value = eq + 1;
    return true;
}

/* Sizes joined by 'x': "1x3x224x224". */
static bool is_x_form(const char *text)
{
    size_t n = strspn(text, "0123456789x");

    return n > 0 && text[n] == '\0';
}

/* Where the name ends and the sizes begin: at the last '=', or at the last ':' when only sizes follow it. */
static const char *split_shape(const char *text, size_t *name_len)
{
    const char *sizes, *colon = strrchr(text, ':');

    if (cli_split_name(text, name_len, &sizes))
        return sizes;
    *name_len = 0;
    if (colon && colon != text && is_x_form(colon + 1)) {
        *name_len = (size_t)(colon - text);
        return colon + 1;
    }
    return text;
}

static mq_status add_dim(cli_shape *s, const char *dim, size_t len, mq_error *err)
{
    uint64_t v;
    char *copy;

    if (len == 0)
        return cli_fail(err, MQ_ERR_USAGE, "a size is missing");
    if (s->rank == CLI_MAX_RANK)
        return cli_fail(err, MQ_ERR_USAGE, "more than %d dimensions", CLI_MAX_RANK);
    if (!(copy = strndup(dim, len)))
        return cli_oom(err);
    if (cli_parse_count(copy, &v)) {
        free(copy);
        if (v > INT64_MAX)
            return cli_fail(err, MQ_ERR_USAGE, "'%.*s' is too large", (int)len, dim);
        s->dims[s->rank++] = (int64_t)v;
        return MQ_OK;
    }
    s->symbols[s->rank] = copy;
    s->dims[s->rank++] = -1;
    if (strchr("-.0123456789", copy[0]) || strpbrk(copy, " ="))
        return cli_fail(err, MQ_ERR_USAGE, "'%s' is neither a size nor a name of one", copy);
    return MQ_OK;
}

mq_status cli_shape_parse(cli_shape *out, const char *text, mq_error *err)
{
    mq_status rc = MQ_OK;
    cli_shape s = { 0 };
    mq_error why = { 0 };
    size_t name_len;
    const char *sizes = split_shape(text, &name_len);
    const char *separator = is_x_form(sizes) ? "x" : ",";

    if (name_len > 0 && !(s.name = strndup(text, name_len))) {
        rc = cli_oom(&why);
        goto done;
    }
    for (;;) {
        size_t n = strcspn(sizes, separator);

        CLI_TRY(add_dim(&s, sizes, n, &why));
        if (sizes[n] == '\0')
            break;
        sizes += n + 1;
    }
    *out = s;
    s = (cli_shape){ 0 };
done:
    if (rc == MQ_ERR_NOMEM)
        cli_oom(err);
    else if (rc != MQ_OK)
        cli_fail(err, rc, "shape '%s': %s (as 1x3x224x224 or input=1,3,224,224)", text, why.text);
    cli_shape_release(&s);
    return rc;
}

void cli_shape_release(cli_shape *s)
{
    free(s->name);
    for (int i = 0; i < s->rank; i++)
        free(s->symbols[i]);
    *s = (cli_shape){ 0 };
}
