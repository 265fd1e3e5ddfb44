/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Arithmetic on sizes and on elements of contents. A symbol stays one as long as it is multiplied and divided by numbers
 * ("12*batch"); sums of symbols and numbers are not kept. In a dim a negative number is an unknown size, in contents it
 * is a number: both are turned into a term, calculated, and turned back. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "ops/ops.h"

typedef enum term_kind { TERM_UNKNOWN, TERM_NUMBER, TERM_SYMBOL } term_kind;

/* A number k, or k times the symbol `base` (k > 0). */
typedef struct term {
    term_kind kind;
    int64_t k;
    const char *base;
} term;

static const term unknown = { TERM_UNKNOWN, 0, NULL };

static term number(int64_t k)
{
    return (term){ TERM_NUMBER, k, NULL };
}

/* k times base; what is not positive is no size. */
static term symbol(int64_t k, const char *base)
{
    if (k == 0)
        return number(0);
    return k > 0 ? (term){ TERM_SYMBOL, k, base } : unknown;
}

/* "12*batch" is 12 times "batch". */
static term parse_symbol(const char *s)
{
    char *end;
    long long k;

    if (*s < '1' || *s > '9')
        return symbol(1, s);
    k = strtoll(s, &end, 10);
    return *end == '*' && end[1] && k < INT64_MAX ? symbol(k, end + 1) : symbol(1, s);
}

static term of_dim(mq_dim d)
{
    if (mq_dim_known(d))
        return number(d.value);
    return d.symbol ? parse_symbol(d.symbol) : unknown;
}

static term of_elem(mq_dim e)
{
    if (e.symbol)
        return parse_symbol(e.symbol);
    return e.value == INT64_MIN ? unknown : number(e.value);
}

/* NULL when out of memory: the size is then unknown, which is never wrong. */
static const char *symbol_text(mq_infer *in, term t)
{
    return t.k == 1 ? t.base : mq_arena_printf(in->model->arena, "%" PRId64 "*%s", t.k, t.base);
}

static mq_dim to_dim(mq_infer *in, term t)
{
    if (t.kind == TERM_NUMBER && t.k >= 0)
        return MQ_DIM(t.k);
    return (mq_dim){ .value = -1, .symbol = t.kind == TERM_SYMBOL ? symbol_text(in, t) : NULL };
}

static mq_dim to_elem(mq_infer *in, term t)
{
    if (t.kind == TERM_NUMBER)
        return (mq_dim){ .value = t.k };
    return (mq_dim){ .value = INT64_MIN, .symbol = t.kind == TERM_SYMBOL ? symbol_text(in, t) : NULL };
}

static bool same_base(term a, term b)
{
    return a.kind == TERM_SYMBOL && b.kind == TERM_SYMBOL && strcmp(a.base, b.base) == 0;
}

static bool is_number(term t, int64_t k)
{
    return t.kind == TERM_NUMBER && t.k == k;
}

static term mul(term a, term b)
{
    int64_t k;

    if (is_number(a, 0) || is_number(b, 0))
        return number(0);
    if (a.kind == TERM_UNKNOWN || b.kind == TERM_UNKNOWN)
        return unknown;
    if ((a.kind == TERM_SYMBOL && b.kind == TERM_SYMBOL) || __builtin_mul_overflow(a.k, b.k, &k))
        return unknown;
    if (a.kind == TERM_NUMBER && b.kind == TERM_NUMBER)
        return number(k);
    return symbol(k, a.kind == TERM_SYMBOL ? a.base : b.base);
}

static term add(term a, term b)
{
    int64_t k;

    if (is_number(a, 0) || is_number(b, 0))
        return is_number(a, 0) ? b : a;
    if (a.kind == TERM_UNKNOWN || a.kind != b.kind || __builtin_add_overflow(a.k, b.k, &k))
        return unknown;
    if (a.kind == TERM_NUMBER)
        return number(k);
    return same_base(a, b) ? symbol(k, a.base) : unknown;
}

static term sub(term a, term b)
{
    int64_t k;

    if (is_number(b, 0))
        return a;
    if (a.kind == TERM_UNKNOWN || a.kind != b.kind || __builtin_sub_overflow(a.k, b.k, &k))
        return unknown;
    if (a.kind == TERM_NUMBER)
        return number(k);
    return same_base(a, b) ? symbol(k, a.base) : unknown;
}

static term quotient(term a, term b)
{
    if (is_number(b, 1))
        return a;
    if (a.kind == TERM_UNKNOWN || b.kind == TERM_UNKNOWN || b.k == 0 || (a.k == INT64_MIN && b.k == -1))
        return unknown;
    if (a.kind == TERM_NUMBER)
        return b.kind == TERM_NUMBER ? number(a.k / b.k) : unknown;
    if (a.k % b.k != 0)
        return unknown;
    if (b.kind == TERM_NUMBER)
        return symbol(a.k / b.k, a.base);
    return same_base(a, b) ? number(a.k / b.k) : unknown;
}

mq_dim mq_dim_mul(mq_infer *in, mq_dim a, mq_dim b)
{
    return to_dim(in, mul(of_dim(a), of_dim(b)));
}

mq_dim mq_dim_add(mq_infer *in, mq_dim a, mq_dim b)
{
    return to_dim(in, add(of_dim(a), of_dim(b)));
}

mq_dim mq_dim_sub(mq_infer *in, mq_dim a, mq_dim b)
{
    return to_dim(in, sub(of_dim(a), of_dim(b)));
}

mq_dim mq_dim_div(mq_infer *in, mq_dim a, mq_dim b)
{
    return to_dim(in, quotient(of_dim(a), of_dim(b)));
}

mq_dim mq_elem_mul(mq_infer *in, mq_dim a, mq_dim b)
{
    return to_elem(in, mul(of_elem(a), of_elem(b)));
}

mq_dim mq_elem_add(mq_infer *in, mq_dim a, mq_dim b)
{
    return to_elem(in, add(of_elem(a), of_elem(b)));
}

mq_dim mq_elem_sub(mq_infer *in, mq_dim a, mq_dim b)
{
    return to_elem(in, sub(of_elem(a), of_elem(b)));
}

mq_dim mq_elem_div(mq_infer *in, mq_dim a, mq_dim b)
{
    return to_elem(in, quotient(of_elem(a), of_elem(b)));
}

bool mq_elem_known(mq_dim e)
{
    return !e.symbol && e.value != INT64_MIN;
}

mq_dim mq_elem_of_dim(mq_dim d)
{
    if (mq_dim_known(d))
        return MQ_DIM(d.value);
    return (mq_dim){ .value = INT64_MIN, .symbol = d.symbol };
}

mq_dim mq_dim_of_elem(mq_dim e)
{
    if (mq_elem_known(e) && e.value >= 0)
        return MQ_DIM(e.value);
    return (mq_dim){ .value = -1, .symbol = e.symbol };
}

mq_dim mq_dim_merge(mq_dim a, mq_dim b, bool *conflict)
{
    if (mq_dim_known(a) && mq_dim_known(b) && a.value != b.value)
        *conflict = true;
    if (mq_dim_known(a) || (!mq_dim_known(b) && a.symbol))
        return a;
    return mq_dim_known(b) || b.symbol ? b : a;
}
