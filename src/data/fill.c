/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Shapes and values of inputs that no data give. What a size is: the declared number; what its symbol is in this
 * run; on axis 0 the batch; what a fed input of the same rank has there; then it must be said with --dim, unless it
 * may be assumed. */
#include "data/fill.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/convert.h"
#include "data/data.h"

/* ---- sizes of symbols --------------------------------------------------------------------------------------------- */

void mq_sizes_release(mq_sizes *s)
{
    mq_vec_release(&s->list);
}

static const mq_bound *find(const mq_sizes *s, const char *symbol, size_t n)
{
    for (size_t i = 0; i < s->list.n; i++)
        if (strlen(s->list.items[i].symbol) == n && memcmp(s->list.items[i].symbol, symbol, n) == 0)
            return &s->list.items[i];
    return NULL;
}

mq_status mq_sizes_set(mq_sizes *s, const char *symbol, int64_t size, mq_error *err)
{
    const mq_bound b = { symbol, size };

    if (!symbol || find(s, symbol, strlen(symbol)))
        return MQ_OK;
    return mq_vec_push(&s->list, b) ? MQ_OK : mq_oom(err);
}

mq_status mq_sizes_learn(mq_sizes *s, const mq_type *t, const mq_array *a, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (!t || t->kind != MQ_TYPE_TENSOR || !a || a->kind != MQ_TYPE_TENSOR || t->rank != a->rank)
        return MQ_OK;
    for (int i = 0; i < a->rank && rc == MQ_OK; i++)
        if (!mq_dim_known(t->dims[i]))
            rc = mq_sizes_set(s, t->dims[i].symbol, a->dims[i], err);
    return rc;
}

static const char *blanks(const char *p)
{
    while (*p == ' ')
        p++;
    return p;
}

/* A number or a symbol; false: not known. */
static bool atom(const mq_sizes *s, const char **at, int64_t *out)
{
    const char *p = blanks(*at);
    const size_t n = strcspn(p, " +-*()");
    const mq_bound *b = n ? find(s, p, n) : NULL;

    *at = p + n;
    if (b)
        *out = b->size;
    return b || mq_parse_size(p, n, out);
}

static bool product(const mq_sizes *s, const char **at, int64_t *out)
{
    int64_t v;

    if (!atom(s, at, out))
        return false;
    while (*(*at = blanks(*at)) == '*') {
        ++*at;
        if (!atom(s, at, &v) || __builtin_mul_overflow(*out, v, out))
            return false;
    }
    return true;
}

int64_t mq_sizes_get(const mq_sizes *s, const char *symbol)
{
    const mq_bound *b = find(s, symbol, strlen(symbol));
    const char *at = symbol;
    int64_t sum, v;

    if (b)
        return b->size;
    if (!product(s, &at, &sum))
        return -1;
    while (*(at = blanks(at)) == '+' || *at == '-') {
        const bool minus = *at++ == '-';

        if (!product(s, &at, &v) ||
            (minus ? __builtin_sub_overflow(sum, v, &sum) : __builtin_add_overflow(sum, v, &sum)))
            return -1;
    }
    return *at || sum < 0 ? -1 : sum;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------- */

/* Axis 1 of a recurrent state [layers, batch, units]. */
static bool is_state_batch(const mq_type *t, int axis)
{
    return t->rank == 3 && axis == 1 && mq_dim_known(t->dims[0]) && mq_dim_known(t->dims[2]);
}

/* Sizes that nothing says, for inputs that are generated anyway: the batch of a recurrent state [layers, batch,
 * units], an image's sides, a cache that is empty, a text's length. */
static int64_t assume(const mq_fill_run *run, const mq_type *t, int axis)
{
    const char *symbol = t->dims[axis].symbol;
    const bool channels = t->rank == 4 && mq_dim_known(t->dims[1]) && (t->dims[1].value == 1 || t->dims[1].value == 3);
    const bool channels_last = t->rank == 4 && mq_dim_known(t->dims[3]) && (t->dims[3].value == 1 || t->dims[3].value == 3);

    if (symbol && strncmp(symbol, "past", 4) == 0)
        return 0;
    if (is_state_batch(t, axis))
        return run->rows ? (int64_t)run->rows : 1;
    return (channels && axis >= 2) || (channels_last && (axis == 1 || axis == 2)) ? 224 : 16;
}

static void tell_assumed(const mq_fill_run *run, const mq_value *input, int axis, int64_t size)
{
    const char *symbol = input->type ? input->type->dims[axis].symbol : NULL;
    char text[400];

    if (!run->note)
        return;
    if (symbol)
        snprintf(text, sizeof text, "'%s': the size '%s' is not given: %lld is taken (--dim %s=N)", input->name, symbol,
                 (long long)size, symbol);
    else
        snprintf(text, sizeof text, "'%s': the size of axis %d is not given: %lld is taken (--shape)", input->name, axis,
                 (long long)size);
    run->note(run->user, text);
}

/* What a fed tensor of that rank has on that axis; -1: there is none. */
static int64_t as_fed(const mq_fill_run *run, int rank, int axis)
{
    for (size_t i = 0; i < run->n_fed; i++) {
        const mq_array *a = run->fed[i];

        if (a && a->kind == MQ_TYPE_TENSOR && a->rank == rank)
            return a->dims[axis];
    }
    return -1;
}

/* Rows of the batch: what runs that are given whole have along axis 0. */
static int64_t rows_of(const mq_fill_run *run)
{
    for (size_t i = 0; i < run->n_fed && !run->rows; i++)
        if (run->fed[i] && run->fed[i]->kind == MQ_TYPE_TENSOR && run->fed[i]->rank > 1)
            return run->fed[i]->dims[0];
    return run->rows ? (int64_t)run->rows : 1;
}

static mq_status size_of(mq_fill_run *run, const mq_value *input, const mq_fill *f, const mq_type *t, int axis, int64_t *out,
                         mq_error *err)
{
    const mq_dim d = t->dims[axis];

    *out = mq_dim_known(d) ? d.value : d.symbol ? mq_sizes_get(&run->sizes, d.symbol) : -1;
    if (*out >= 0)
        return MQ_OK;
    if (axis == 0 && (f->kind != MQ_FILL_EMPTY || t->rank > 1)) {
        *out = run->rows ? (int64_t)run->rows : 1;
    } else if (f->kind == MQ_FILL_EMPTY) {
        *out = 0;
    } else if (run->is_state && is_state_batch(t, axis)) {
        *out = rows_of(run);
    } else if ((*out = as_fed(run, t->rank, axis)) >= 0) {
        return MQ_OK; /* of another input: says nothing about the symbol */
    } else if (run->guess) {
        *out = assume(run, t, axis);
        tell_assumed(run, input, axis, *out);
    } else if (d.symbol) {
        return mq_fail(err, MQ_ERR_USAGE, "input '%s' is filled, but nothing gives the size '%s': --dim %s=N does",
                       input->name, d.symbol, d.symbol);
    } else {
        return mq_fail(err, MQ_ERR_USAGE, "input '%s' is filled, but nothing gives the size of its axis %d: --shape does",
                       input->name, axis);
    }
    return mq_sizes_set(&run->sizes, d.symbol, *out, err);
}

mq_status mq_fill_shape(mq_fill_run *run, const mq_value *input, const mq_fill *f, int *rank, int64_t *dims, mq_error *err)
{
    const mq_type *t = input->type ? input->type : input->declared;
    bool empty = false;
    mq_status rc = MQ_OK;

    if (!t || t->kind != MQ_TYPE_TENSOR || !t->dtype)
        return mq_fail(err, MQ_ERR_USAGE, "input '%s' is no tensor of a known type: its values cannot be generated",
                       input->name);
    if (t->rank < 0)
        return mq_fail(err, MQ_ERR_USAGE, "input '%s' has no declared shape: give it with --shape %s=...", input->name,
                       input->name);
    if (t->rank > MQ_MAX_RANK)
        return mq_fail(err, MQ_ERR_INPUT, "input '%s' has %d axes", input->name, t->rank);
    *rank = t->rank;
    for (int i = 0; i < t->rank && rc == MQ_OK; i++) {
        rc = size_of(run, input, f, t, i, &dims[i], err);
        empty |= dims[i] == 0;
    }
    if (rc == MQ_OK && f->kind == MQ_FILL_EMPTY && !empty)
        rc = mq_fail(err, MQ_ERR_USAGE, "--fill '%s=empty': every size of the input is given, none is 0", input->name);
    return rc;
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

/* Counts 0, 1, 2, ... along the last axis. */
static void put_range(mq_array *a)
{
    const size_t n = a->rank > 0 ? (size_t)a->dims[a->rank - 1] : 1;

    for (size_t i = 0; i < a->count; i++) {
        const double v = (double)(i % n);

        mq_put_f64(a->dtype, a->data, i, &v, 1);
    }
}

static void put_number(mq_array *a, double v)
{
    for (size_t i = 0; i < a->count; i++)
        mq_put_f64(a->dtype, a->data, i, &v, 1);
}

static mq_status check_number(const mq_array *a, const mq_value *input, double v, mq_error *err)
{
    if (mq_dtype_is_float(a->dtype) || a->dtype == MQ_BOOL)
        return MQ_OK;
    if (v != (double)(int64_t)v || v < (double)mq_dtype_min(a->dtype) || v > (double)mq_dtype_max(a->dtype))
        return mq_fail(err, MQ_ERR_USAGE, "--fill '%s=%g': the input holds %s", input->name, v, mq_dtype_name(a->dtype));
    return MQ_OK;
}

/* Types whose elements can be written one by one; zeros are the same in all. */
static bool can_write(mq_dtype t)
{
    return t == MQ_BOOL || t == MQ_FLOAT || t == MQ_DOUBLE || t == MQ_FLOAT16 || t == MQ_BFLOAT16 ||
           (mq_dtype_is_integer(t) && mq_dtype_bits(t) >= 8);
}

mq_status mq_fill_make(mq_array **out, mq_fill_run *run, size_t index, const mq_value *input, const mq_fill *f,
                       mq_error *err)
{
    const mq_type *t = input->type ? input->type : input->declared;
    int64_t dims[MQ_MAX_RANK];
    mq_array *a = NULL;
    double v = f->kind == MQ_FILL_ONES ? 1 : f->number;
    int rank;
    mq_status rc;

    MQ_TRY(mq_fill_shape(run, input, f, &rank, dims, err));
    MQ_TRY(mq_array_create(&a, t->dtype, rank, dims, err));
    memset(a->data, 0, mq_array_bytes(a));
    if (a->count && f->kind != MQ_FILL_ZEROS && !(f->kind == MQ_FILL_RANDOM && a->dtype == MQ_STRING) &&
        !can_write(a->dtype)) {
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "input '%s': values of type %s can only be zeros", input->name,
                     mq_dtype_name(a->dtype));
        goto done;
    }
    switch (f->kind) {
    case MQ_FILL_ZEROS:
    case MQ_FILL_EMPTY: break;
    case MQ_FILL_RANGE: put_range(a); break;
    case MQ_FILL_RANDOM: MQ_TRY(mq_random_fill(a, run, index, mq_random_limit(input), &f->dist, err)); break;
    case MQ_FILL_ONES:
    case MQ_FILL_NUMBER:
        MQ_TRY(check_number(a, input, v, err));
        put_number(a, v);
        break;
    }
    *out = a;
    a = NULL;
done:
    mq_array_unref(a);
    return rc;
}
