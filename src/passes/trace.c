/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "passes/trace.h"

#include <string.h>

#include "base/compiler.h"

enum { MAX_CHAIN = 16 };

bool mq_trace_passes_on(const mq_node *n)
{
    static const char *const names[] = { "Identity", "Transpose", "Reshape",   "Flatten",
                                         "Squeeze",  "Unsqueeze", "Cast" };

    return n && n->n_inputs > 0 && n->inputs[0] && mq_node_is_any(n, "", names, MQ_ARRAY_LEN(names));
}

mq_value *mq_trace_behind(const mq_value *v)
{
    for (int i = 0; i < MAX_CHAIN; i++) {
        if (mq_value_constant(v, true))
            return (mq_value *)v;
        if (!mq_trace_passes_on(v->producer))
            return NULL;
        v = v->producer->inputs[0];
    }
    return NULL;
}

/* The known sizes of v; false when one is not known. */
static bool known_dims(const mq_value *v, int *n_dims, int64_t *dims)
{
    const mq_type *t = v->type;

    if (!t || t->kind != MQ_TYPE_TENSOR || t->rank < 0 || t->rank > MQ_SOURCE_MAX_DIMS)
        return false;
    for (int i = 0; i < t->rank; i++)
        if ((dims[i] = t->dims[i].value) < 0)
            return false;
    *n_dims = t->rank;
    return true;
}

static bool transpose(mq_source *view, const mq_node *n)
{
    int64_t perm[MQ_SOURCE_MAX_DIMS];
    unsigned seen = 0;
    size_t count;
    const int64_t *given = mq_node_attr_ints(n, "perm", &count);

    if (given && count != (size_t)view->n_dims)
        return false;
    for (int i = 0; i < view->n_dims; i++) {
        perm[i] = given ? given[i] : view->n_dims - 1 - i;
        if (perm[i] < 0 || perm[i] >= view->n_dims || seen >> perm[i] & 1)
            return false;
        seen |= 1u << perm[i];
    }
    mq_source_transpose(view, perm);
    return true;
}

/* What node n makes of the view. */
static bool apply(mq_source *view, const mq_node *n, const mq_value *out)
{
    int64_t dims[MQ_SOURCE_MAX_DIMS], count = 1;
    int n_dims;

    if (mq_node_is(n, "", "Identity"))
        return true;
    if (mq_node_is(n, "", "Cast")) /* to another floating-point type: the values are the same up to its rounding */
        return out->type && mq_dtype_is_float(out->type->dtype) && mq_dtype_bits(out->type->dtype) >= 16;
    if (mq_node_is(n, "", "Transpose"))
        return transpose(view, n);
    if (!known_dims(out, &n_dims, dims))
        return false;
    for (int i = 0; i < n_dims; i++)
        if (__builtin_mul_overflow(count, dims[i], &count))
            return false;
    return count == view->n && mq_source_reshape(view, n_dims, dims);
}

bool mq_trace_constant(const mq_value *v, mq_value **constant, mq_source *view)
{
    const mq_value *chain[MAX_CHAIN];
    int n = 0;

    while (!mq_value_constant(v, true)) {
        if (n == MAX_CHAIN || !mq_trace_passes_on(v->producer))
            return false;
        chain[n++] = v;
        v = v->producer->inputs[0];
    }
    if (!mq_source_init(view, mq_value_constant(v, true)))
        return false;
    while (n-- > 0)
        if (!apply(view, chain[n]->producer, chain[n]))
            return false;
    *constant = (mq_value *)v;
    return true;
}
