/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Generated numbers, the same everywhere for one seed: integers and exact sums only, no function of the C library. A
 * sample's numbers depend on the seed, the input and the sample, not on the batch it is in. */
#include <string.h>

#include "base/compiler.h"
#include "base/random.h"
#include "data/convert.h"
#include "data/data.h"
#include "data/fill.h"

/* 0 <= x < 1 */
static double uniform(uint64_t *state)
{
    return mq_random_unit(mq_random_next(state));
}

/* The sum of twelve uniform numbers less 6: mean 0, variance 1, near enough to normal for data that stand for
 * others, and exact. */
static double normal(uint64_t *state)
{
    uint64_t sum = 0;

    for (int i = 0; i < 3; i++) {
        const uint64_t r = mq_random_next(state);

        sum += (r & 0xffff) + (r >> 16 & 0xffff) + (r >> 32 & 0xffff) + (r >> 48);
    }
    return ((double)sum + 6) * 0x1p-16 - 6;
}

/* Low and high of a whole number when no distribution is given. */
static void bounds_of(mq_dtype t, int64_t limit, int64_t *low, int64_t *high)
{
    *low = 0;
    *high = 1; /* masks, segments, flags: right wherever an index or a truth value is meant */
    if (t == MQ_BOOL)
        return;
    if (limit < INT64_MAX) {
        *high = limit > 0 ? limit - 1 : 0;
    } else if (mq_dtype_bits(t) == 8) {
        *low = mq_dtype_min(t);
        *high = mq_dtype_max(t);
    }
    if (*high > mq_dtype_max(t))
        *high = mq_dtype_max(t);
}

static double one_value(mq_dtype t, int64_t limit, const mq_distribution *d, uint64_t *state)
{
    int64_t low, high;

    if (mq_dtype_is_float(t)) {
        if (d->spread == MQ_SPREAD_UNIFORM)
            return d->a + (d->b - d->a) * uniform(state);
        return d->spread == MQ_SPREAD_NORMAL ? d->a + d->b * normal(state) : normal(state);
    }
    bounds_of(t, limit, &low, &high);
    if (d->spread == MQ_SPREAD_UNIFORM && limit == INT64_MAX && t != MQ_BOOL)
        return d->a + (d->b - d->a) * uniform(state);
    return (double)(low + (int64_t)(uniform(state) * ((double)high - (double)low + 1)));
}

/* Short words; the letters live as long as the program. */
static void put_strings(mq_bytes *out, size_t n, uint64_t *state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzabcdefgh";

    for (size_t i = 0; i < n; i++)
        out[i] = (mq_bytes){ letters + mq_random_next(state) % 26, 1 + mq_random_next(state) % 8 };
}

static void put_values(mq_array *a, size_t at, size_t n, int64_t limit, const mq_distribution *d, uint64_t state)
{
    if (a->dtype == MQ_STRING) {
        put_strings((mq_bytes *)a->data + at, n, &state);
        return;
    }
    for (size_t i = at; i < at + n; i++) {
        const double v = one_value(a->dtype, limit, d, &state);

        mq_put_f64(a->dtype, a->data, i, &v, 1);
    }
}

mq_status mq_random_fill(mq_array *a, const mq_fill_run *run, size_t index, int64_t limit, const mq_distribution *d,
                         mq_error *err)
{
    const bool by_rows = a->rank > 0 && run->rows > 0 && (size_t)a->dims[0] == run->rows;
    const size_t rows = by_rows ? run->rows : 1, each = a->count / rows;

    if (limit < 1 && a->count)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "an input is an index into an empty table: no value is right");
    for (size_t r = 0; r < rows; r++) {
        uint64_t state = run->seed;

        state = mq_random_next(&state) ^ index;
        state = mq_random_next(&state) ^ (run->n ? run->samples[r < run->n ? r : run->n - 1] : 0);
        put_values(a, r * each, each, limit, d, mq_random_next(&state));
    }
    return MQ_OK;
}

/* ---- which indices a table has ------------------------------------------------------------------------------------ */

enum { MAX_STEPS = 400, MAX_DEPTH = 24 };

/* Operators that hand indices on as they are. */
static bool passes_on(const mq_node *n, size_t input)
{
    static const char *const ops[] = { "Identity", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Transpose",
                                       "Expand",   "Slice", "Concat",  "Tile",    "Split",     "Dropout" };

    if (input > 0 && strcmp(n->op_type, "Concat") != 0)
        return false;
    return mq_node_is_any(n, "", ops, MQ_ARRAY_LEN(ops));
}

/* The size of an axis of a value; INT64_MAX: not known. */
static int64_t size_on_axis(const mq_value *v, int64_t axis)
{
    const mq_type *t = v ? (v->type ? v->type : v->declared) : NULL;
    const mq_tensor *init = v ? mq_value_constant(v, true) : NULL;

    if (init) {
        axis += axis < 0 ? init->n_dims : 0;
        return axis >= 0 && axis < init->n_dims ? init->dims[axis] : INT64_MAX;
    }
    if (!t || t->kind != MQ_TYPE_TENSOR || t->rank < 0)
        return INT64_MAX;
    axis += axis < 0 ? t->rank : 0;
    return axis >= 0 && axis < t->rank && mq_dim_known(t->dims[axis]) ? t->dims[axis].value : INT64_MAX;
}

static const mq_value *input_of(const mq_node *n, size_t i)
{
    return i < n->n_inputs ? n->inputs[i] : NULL;
}

/* What a node allows its input number i to be below; INT64_MAX: it does not look anything up by it. */
static int64_t limit_of(const mq_node *n, size_t i)
{
    const bool plain = !*mq_domain_norm(n->domain), contrib = strcmp(n->domain, "com.microsoft") == 0;

    if (plain && i == 1 && (strcmp(n->op_type, "Gather") == 0 || strcmp(n->op_type, "GatherElements") == 0))
        return size_on_axis(input_of(n, 0), mq_node_attr_int(n, "axis", 0));
    if (contrib && i == 1 && strcmp(n->op_type, "GatherBlockQuantized") == 0)
        return size_on_axis(input_of(n, 0), mq_node_attr_int(n, "gather_axis", 0));
    if (contrib && i < 2 && strcmp(n->op_type, "EmbedLayerNormalization") == 0)
        return size_on_axis(input_of(n, i == 0 ? 2 : 4), 0); /* words, segments */
    return INT64_MAX;
}

static int64_t walk(const mq_value *v, int depth, int *steps)
{
    int64_t least = INT64_MAX;

    for (size_t u = 0; v && u < v->uses.n && depth < MAX_DEPTH && ++*steps < MAX_STEPS; u++) {
        const mq_node *n = v->uses.items[u].node;
        const size_t i = v->uses.items[u].index;
        int64_t limit = limit_of(n, i);

        if (passes_on(n, i))
            for (size_t o = 0; o < n->n_outputs; o++) {
                const int64_t below = walk(n->outputs[o], depth + 1, steps);

                limit = below < limit ? below : limit;
            }
        least = limit < least ? limit : least;
    }
    return least;
}

int64_t mq_random_limit(const mq_value *input)
{
    int steps = 0;

    return walk(input, 0, &steps);
}
