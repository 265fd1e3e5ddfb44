/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reshape. The count of elements stays, so one open size (-1, or one that is not known) follows from the others: both
 * sides are taken apart into a number and symbols, and equal symbols cancel. A dimension that is copied (0) cancels
 * with itself even when nothing is known about it. */
#include "ops/reshape.h"

#include <string.h>

#include "ops/contents.h"

/* number * symbol * symbol * ... */
typedef struct product {
    int64_t number;
    const char **symbols;
    int n_symbols, cap;
    bool unknown; /* a factor is not known, or the number overflowed */
} product;

static mq_status product_init(mq_infer *in, product *p, int cap)
{
    *p = (product){ .number = 1, .cap = cap };
    p->symbols = mq_arena_calloc(in->model->arena, (size_t)cap, sizeof *p->symbols);
    return p->symbols ? MQ_OK : mq_oom(in->err);
}

/* Takes "12*batch" apart into 12 and "batch". */
static const char *split_number(const char *symbol, int64_t *number)
{
    const char *p = symbol;
    int64_t v = 0;

    *number = 1;
    while (*p >= '0' && *p <= '9')
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *p++ - '0', &v))
            return symbol;
    if (p == symbol || *p != '*' || strpbrk(p, "+-/%()"))
        return symbol;
    *number = v;
    return p + 1;
}

static void product_add(product *p, mq_dim d)
{
    int64_t number = d.value;

    if (!d.symbol && !mq_dim_known(d)) {
        p->unknown = true;
        return;
    }
    if (d.symbol && p->n_symbols < p->cap)
        p->symbols[p->n_symbols++] = split_number(d.symbol, &number);
    if (__builtin_mul_overflow(p->number, number, &p->number))
        p->unknown = true;
}

/* Removes one factor; false when it is not there. */
static bool product_cancel(product *p, const char *symbol)
{
    for (int i = 0; i < p->n_symbols; i++)
        if (strcmp(p->symbols[i], symbol) == 0) {
            p->symbols[i] = p->symbols[--p->n_symbols];
            return true;
        }
    return false;
}

/* all / part into *d; unknown where that cannot be said. */
static mq_status divide(mq_infer *in, product *all, const product *part, mq_dim *d)
{
    *d = MQ_DIM_UNKNOWN;
    if (all->unknown || part->unknown || part->number == 0)
        return MQ_OK;
    for (int i = 0; i < part->n_symbols; i++)
        if (!product_cancel(all, part->symbols[i]))
            return MQ_OK;
    if (all->number % part->number != 0) {
        if (all->n_symbols == 0)
            return mq_fail(in->err, MQ_ERR_INPUT, "%lld elements cannot be divided by %lld", (long long)all->number,
                           (long long)part->number);
        return MQ_OK;
    }
    *d = MQ_DIM(all->number / part->number);
    for (int i = 0; i < all->n_symbols; i++)
        *d = mq_dim_mul(in, *d, (mq_dim){ .value = -1, .symbol = all->symbols[i] });
    return MQ_OK;
}

/* The wanted sizes, as read, and what is to be done with them. */
typedef struct target {
    mq_elems want;
    bool allow_zero; /* 0 is a size, else the input's size at that place */
    mq_dim *dims;
    bool *copied; /* per dimension of the input: it is one of the result, unchanged */
    int n_open;   /* sizes that are not known, or -1 */
    int n_minus;  /* sizes that are -1 */
    int open;     /* the last of them */
} target;

static mq_status read_size(mq_infer *in, target *t, int i, int rank, const mq_dim *dims)
{
    const mq_dim e = t->want.e[i];

    if (mq_elem_known(e) && e.value < -1)
        return mq_fail(in->err, MQ_ERR_INPUT, "size %d of the shape is %lld", i, (long long)e.value);
    if (mq_elem_known(e) && e.value == 0 && !t->allow_zero) {
        if (rank >= 0 && i >= rank)
            return mq_fail(in->err, MQ_ERR_INPUT, "size %d of the shape is 0, but the input has rank %d", i, rank);
        if (rank >= 0) {
            t->dims[i] = dims[i];
            t->copied[i] = true;
        }
        return MQ_OK;
    }
    t->dims[i] = mq_dim_of_elem(e);
    if (t->dims[i].symbol || mq_dim_known(t->dims[i]))
        return MQ_OK;
    t->n_open++;
    t->n_minus += mq_elem_known(e);
    t->open = i;
    return MQ_OK;
}

static mq_status read_target(mq_infer *in, target *t, int rank, const mq_dim *dims)
{
    bool zero = false;

    t->dims = mq_dims_new(in, t->want.n);
    t->copied = mq_arena_calloc(in->model->arena, rank > 0 ? (size_t)rank : 0, sizeof *t->copied);
    if (!t->dims || !t->copied)
        return mq_oom(in->err);
    for (int i = 0; i < t->want.n; i++) {
        MQ_RULE_TRY(read_size(in, t, i, rank, dims));
        zero = zero || (mq_elem_known(t->want.e[i]) && t->want.e[i].value == 0);
    }
    if (t->n_minus > 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "%d sizes of the shape are -1, only one may be", t->n_minus);
    if (t->n_minus && zero && t->allow_zero)
        return mq_fail(in->err, MQ_ERR_INPUT, "the shape holds both 0 and -1, which 'allowzero' forbids");
    return MQ_OK;
}

/* Finds the one open size, or compares the counts when there is none. */
static mq_status solve(mq_infer *in, target *t, int rank, const mq_dim *dims)
{
    product all, part;

    if (t->n_open > 1)
        return MQ_OK;
    MQ_RULE_TRY(product_init(in, &all, rank));
    MQ_RULE_TRY(product_init(in, &part, t->want.n));
    for (int i = 0; i < rank; i++)
        if (!t->copied[i])
            product_add(&all, dims[i]);
    for (int i = 0; i < t->want.n; i++)
        if (!(i < rank && t->copied[i]) && !(t->n_open && i == t->open))
            product_add(&part, t->dims[i]);
    if (t->n_open)
        return divide(in, &all, &part, &t->dims[t->open]);
    if (!all.unknown && !part.unknown && all.n_symbols == 0 && part.n_symbols == 0 && all.number != part.number)
        return mq_fail(in->err, MQ_ERR_INPUT, "%lld elements do not fit a shape of %lld", (long long)all.number,
                       (long long)part.number);
    return MQ_OK;
}

/* The shape is an attribute before opset 5 and an input since. */
mq_status mq_infer_reshape(mq_infer *in)
{
    const mq_dim *dims = mq_in_dims(in, 0);
    const int rank = mq_in_rank(in, 0);
    target t = { .allow_zero = in->version >= 14 && mq_node_attr_int(in->node, "allowzero", 0) != 0 };

    MQ_RULE_TRY(in->version < 5 ? mq_attr_elems(in, "shape", &t.want) : mq_in_elems(in, 1, &t.want));
    if (t.want.n < 0)
        return mq_out_rank(in, 0, t.want.n);
    MQ_RULE_TRY(read_target(in, &t, rank, dims));
    if (rank >= 0)
        MQ_RULE_TRY(solve(in, &t, rank, dims));
    MQ_RULE_TRY(mq_out_shape(in, 0, t.want.n, t.dims));
    return mq_out_contents_of(in, 0, 0);
}
