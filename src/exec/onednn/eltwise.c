/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Element-wise operators on arrays in the library's own order, so that they need not leave it: functions of one input,
 * and sums, products and the like of two of the same shape or of one and a value for each channel. Plain arrays are
 * left to our own kernels, which are as fast and broadcast in every way. */
#include <math.h>
#include <string.h>

#include "exec/onednn/kernels.h"

/* ---- one input ---------------------------------------------------------------------------------------------------- */

static mq_status prepare_one(mq_call *c, void **state, dnnl_alg_kind_t alg, float alpha, float beta)
{
    const mq_array *x = c->n_in > 0 ? c->in[0] : NULL;
    mq_dn_desc d;
    mq_dn_task *t;
    mq_status rc;

    if (!x || !x->layout || x->dtype != MQ_FLOAT || !mq_dn_of_array(&d, x))
        return MQ_OK;
    if (!(t = mq_dn_task_create(c, 1)))
        return MQ_ERR_NOMEM;
    rc = mq_dn_make_eltwise(c, mq_dn_threads_bytes(c, (double)mq_dn_bytes(&d) * 2), alg, alpha, beta, &d, NULL, &t->op);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_feed(c, t, 0, MQ_DN_SRC, &d);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_result(c, t, MQ_FLOAT, x->rank, x->dims);
    return mq_dn_prepared(rc, t->op && !mq_dn_is_slow(t->op), t, mq_dn_task_release, state);
}

#define SIMPLE(name, alg)                                    \
    static mq_status name(mq_call *c, void **state)          \
    {                                                        \
        return prepare_one(c, state, dnnl_eltwise_##alg, 0, 0); \
    }
SIMPLE(relu, relu)
SIMPLE(tanh_of, tanh)
SIMPLE(sigmoid, logistic)
SIMPLE(hard_swish, hardswish)
SIMPLE(absolute, abs)
SIMPLE(root, sqrt)

static mq_status leaky_relu(mq_call *c, void **state)
{
    return prepare_one(c, state, dnnl_eltwise_relu, mq_node_attr_float(c->node, "alpha", 0.01f), 0);
}

static mq_status elu(mq_call *c, void **state)
{
    return prepare_one(c, state, dnnl_eltwise_elu, mq_node_attr_float(c->node, "alpha", 1), 0);
}

static mq_status negative(mq_call *c, void **state)
{
    return prepare_one(c, state, dnnl_eltwise_linear, -1, 0);
}

/* A bound: absent, or a constant of one element. */
static bool read_bound(const mq_call *c, size_t i, float *out)
{
    if (i >= c->n_in || !c->in[i])
        return true;
    if (!mq_dn_inputs_are(c, 1u << i, MQ_FLOAT) || !c->in[i]->constant || c->in[i]->count != 1)
        return false;
    *out = (float)mq_array_f64(c->in[i], 0);
    return true;
}

static mq_status clip(mq_call *c, void **state)
{
    float low = -INFINITY, high = INFINITY;

    if (!read_bound(c, 1, &low) || !read_bound(c, 2, &high) || !(low <= high))
        return MQ_OK;
    return prepare_one(c, state, dnnl_eltwise_clip, low, high);
}

/* ---- two inputs --------------------------------------------------------------------------------------------------- */

/* x broadcasts against the image like: one value, or one for each channel; as the library wants it described. */
static bool channel_desc(const mq_array *x, const mq_array *like, mq_dn_desc *d)
{
    int64_t dims[MQ_MAX_RANK], image[MQ_MAX_RANK];
    const int more = like->rank - x->rank;

    if (more < 0 || x->dtype != MQ_FLOAT)
        return false;
    for (int i = 0; i < like->rank; i++) {
        dims[i] = i < more ? 1 : x->dims[i - more];
        if (dims[i] != 1 && (i != 1 || dims[i] != like->dims[1]) && (i != 0 || like->dims[0] != 1))
            return false;
    }
    return mq_dn_plain(d, MQ_FLOAT, mq_dn_image_dims(like->rank, dims, image), image);
}

/* How the other operand lies there, told with as many dims as `want` has; a plain one may lack leading dims. */
static bool have_desc(const mq_array *x, const mq_dn_desc *want, mq_dn_desc *have)
{
    return x->layout ? mq_dn_of_array(have, x) && mq_dn_rank(have) == mq_dn_rank(want)
                     : mq_dn_plain(have, MQ_FLOAT, mq_dn_rank(want), mq_dn_dims(want));
}

static bool same_shape(const mq_array *a, const mq_array *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

/* Input `first` is in the library's order and has the result's shape. */
static mq_status prepare_pair(mq_call *c, void **state, dnnl_alg_kind_t alg, size_t first)
{
    const mq_array *x = c->in[first], *y = c->in[!first];
    const bool same = same_shape(x, y);
    mq_dn_desc d, other, have;
    mq_dn_task *t;
    mq_status rc;

    if (!mq_dn_of_array(&d, x) || (!same && !channel_desc(y, x, &other)))
        return MQ_OK;
    if (same)
        other = d;
    if (!have_desc(y, &other, &have))
        return MQ_OK;
    if (!(t = mq_dn_task_create(c, 2)))
        return MQ_ERR_NOMEM;
    /* same shapes: operands keep their places; else the operator is one that does not mind */
    rc = mq_dn_make_binary(c, mq_dn_threads_bytes(c, (double)mq_dn_bytes(&d) * 3), alg, &d, &other, &d, &t->op);
    if (rc == MQ_OK && t->op && mq_dn_is_slow(t->op))
        rc = MQ_ERR_UNSUPPORTED;
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_feed(c, t, first, same && first ? MQ_DN_SRC1 : MQ_DN_SRC, &d);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_feed(c, t, !first, same && first ? MQ_DN_SRC : MQ_DN_SRC1, &have);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_result(c, t, MQ_FLOAT, x->rank, x->dims);
    return mq_dn_prepared(rc, t->op, t, mq_dn_task_release, state);
}

/* Not smaller than b in any dim. */
static bool covers(const mq_array *a, const mq_array *b)
{
    if (b->rank > a->rank)
        return false;
    for (int i = 0; i < b->rank; i++)
        if (b->dims[i] != 1 && b->dims[i] != a->dims[a->rank - b->rank + i])
            return false;
    return true;
}

static mq_status prepare_two(mq_call *c, void **state, dnnl_alg_kind_t alg, bool commutes)
{
    if (c->n_in != 2 || !mq_dn_inputs_are(c, 3, MQ_FLOAT) || !c->in[0]->count || !c->in[1]->count)
        return MQ_OK;
    if (c->in[0]->layout && covers(c->in[0], c->in[1]))
        return prepare_pair(c, state, alg, 0);
    if (c->in[1]->layout && covers(c->in[1], c->in[0]) && (commutes || same_shape(c->in[0], c->in[1])))
        return prepare_pair(c, state, alg, 1);
    return MQ_OK;
}

#define PAIR(name, alg, commutes)                                 \
    static mq_status name(mq_call *c, void **state)               \
    {                                                             \
        return prepare_two(c, state, dnnl_binary_##alg, commutes); \
    }
PAIR(add, add, true)
PAIR(sub, sub, false)
PAIR(mul, mul, true)
PAIR(divide, div, false)
PAIR(largest, max, true)
PAIR(smallest, min, true)

#define ONE(op, prepare) { "", op, "onednn:eltwise", prepare, mq_dn_task_run, mq_dn_task_release, 1 }
#define TWO(op, prepare) { "", op, "onednn:binary", prepare, mq_dn_task_run, mq_dn_task_release, 3 }
const mq_fast mq_dn_eltwise_rows[] = {
    ONE("Relu", relu),
    ONE("LeakyRelu", leaky_relu),
    ONE("Elu", elu),
    ONE("Sigmoid", sigmoid),
    ONE("Tanh", tanh_of),
    ONE("HardSwish", hard_swish),
    ONE("Abs", absolute),
    ONE("Sqrt", root),
    ONE("Neg", negative),
    ONE("Clip", clip),
    TWO("Add", add),
    TWO("Sub", sub),
    TWO("Mul", mul),
    TWO("Div", divide),
    TWO("Max", largest),
    TWO("Min", smallest),
    TWO("Sum", add),
    { 0 },
};
