/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* How a gradient's rule makes nodes. */
#include "train/grad_build.h"

#include <string.h>

#include "passes/pass.h"

#define MAX_FILLED_RANK 64 /* of constant shapes */

/* ---- looking ------------------------------------------------------------------------------------------------------- */

mq_value *mq_grad_in(const mq_grad *k, size_t i)
{
    return i < k->n->n_inputs ? k->n->inputs[i] : NULL;
}

static mq_status name_output(mq_grad *k, size_t i)
{
    mq_value *v = mq_value_create_unique(k->g, k->base);
    mq_status rc = v ? MQ_OK : mq_oom(k->err);

    for (size_t o = k->n->n_outputs; o < i && rc == MQ_OK; o++)
        rc = mq_node_set_output(k->n, o, NULL, k->err);
    return rc == MQ_OK ? mq_node_set_output(k->n, i, v, k->err) : rc;
}

mq_value *mq_grad_out(mq_grad *k, size_t i)
{
    if (k->rc == MQ_OK && (i >= k->n->n_outputs || !k->n->outputs[i]))
        k->rc = name_output(k, i);
    return k->rc == MQ_OK ? k->n->outputs[i] : NULL;
}

bool mq_grad_wants(const mq_grad *k, size_t i)
{
    return i < k->n->n_inputs && k->wants[i];
}

mq_value *mq_grad_dy(mq_grad *k, size_t i)
{
    return k->dy[i] ? k->dy[i] : mq_grad_zeros(k, mq_grad_out(k, i));
}

int mq_grad_rank(mq_grad *k, const mq_value *v)
{
    const int rank = v ? mq_value_rank(v) : -1;

    if (k->rc == MQ_OK && rank < 0)
        mq_grad_refuse(k, "the rank of what it reads is not known");
    return rank;
}

const int64_t *mq_grad_const_ints(const mq_grad *k, const mq_value *v, size_t *n)
{
    mq_tensor *t = v ? mq_value_constant(v, false) : NULL;
    const int64_t count = t && mq_dtype_is_integer(t->dtype) ? mq_tensor_count(t) : -1;
    int64_t *out;

    if (count < 0 || !(out = mq_arena_calloc(k->g->model->arena, (size_t)count + 1, sizeof *out)))
        return NULL;
    *n = (size_t)count;
    return mq_tensor_read_i64(t, 0, (uint64_t)count, out, NULL) == MQ_OK ? out : NULL;
}

void mq_grad_refuse(mq_grad *k, const char *why)
{
    const char *domain = mq_domain_norm(k->n->domain);

    if (k->rc == MQ_OK)
        k->rc = mq_fail(k->err, MQ_ERR_UNSUPPORTED, "node '%s' (%s%s%s %lld) has no gradient here: %s", mq_node_label(k->n),
                        domain, *domain ? "::" : "", k->n->op_type, (long long)mq_opset_of(k->g, k->n->domain), why);
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

static mq_status add_node(mq_grad *k, mq_node *before, const char *domain, const char *op, const mq_node *like,
                          mq_value *const *in, size_t n_in, size_t n_out, mq_node **out)
{
    mq_arena *arena = k->g->model->arena;
    mq_status rc = MQ_OK;
    mq_node *n;

    if (*domain && mq_opset_of(k->g, domain) == 0)
        MQ_TRY(mq_opset_set(k->g->model, domain, 1, k->err));
    if (!(n = mq_node_create(k->g, before, domain, op, "")))
        return mq_oom(k->err);
    for (size_t i = 0; i < n_in; i++)
        MQ_TRY(mq_node_set_input(n, i, in[i], k->err));
    mq_node_trim_inputs(n);
    for (size_t i = 0; i < n_out; i++) {
        mq_value *v = mq_value_create_unique(k->g, k->base);

        MQ_TRY(v ? mq_node_set_output(n, i, v, k->err) : mq_oom(k->err));
    }
    if (like && like->n_attrs) {
        if (!(n->attrs = mq_arena_memdup(arena, like->attrs, like->n_attrs * sizeof *n->attrs)))
            return mq_oom(k->err);
        n->n_attrs = like->n_attrs;
    }
    *out = n;
done:
    return rc;
}

mq_node *mq_grad_node(mq_grad *k, const char *domain, const char *op, const mq_node *like, mq_value *const *in, size_t n_in,
                      size_t n_out)
{
    mq_node *n = NULL;

    if (k->rc == MQ_OK)
        k->rc = add_node(k, NULL, domain, op, like, in, n_in, n_out, &n);
    return k->rc == MQ_OK ? n : NULL;
}

mq_value *mq_grad_first(const mq_node *n)
{
    return n ? n->outputs[0] : NULL;
}

mq_value *mq_grad_set_int(mq_grad *k, mq_node *n, const char *name, int64_t v)
{
    if (k->rc == MQ_OK)
        k->rc = mq_node_set_attr_int(n, name, v, k->err);
    return mq_grad_first(n);
}

mq_value *mq_grad_set_ints(mq_grad *k, mq_node *n, const char *name, const int64_t *v, size_t count)
{
    if (k->rc == MQ_OK)
        k->rc = mq_node_set_attr_ints(n, name, v, count, k->err);
    return mq_grad_first(n);
}

mq_value *mq_grad_set_string(mq_grad *k, mq_node *n, const char *name, const char *v)
{
    if (k->rc == MQ_OK)
        k->rc = mq_node_set_attr_string(n, name, v, k->err);
    return mq_grad_first(n);
}

/* ---- constants ----------------------------------------------------------------------------------------------------- */

/* The bytes of v in the rule's type; false: no type that gradients have. */
static bool number_bytes(const mq_grad *k, double v, void *out)
{
    const float f = k->dtype == MQ_DOUBLE ? 0 : mq_f32_to_odd(v);

    if (k->dtype == MQ_DOUBLE)
        memcpy(out, &v, sizeof v);
    else if (k->dtype == MQ_FLOAT)
        memcpy(out, &(float){ (float)v }, sizeof f);
    else if (k->dtype == MQ_FLOAT16 || k->dtype == MQ_BFLOAT16)
        mq_dtype_from_f32(k->dtype, &f, 1, out, false);
    else
        return false;
    return true;
}

mq_value *mq_grad_number(mq_grad *k, double v)
{
    mq_value *out = NULL;
    double bytes;

    if (k->rc == MQ_OK && !number_bytes(k, v, &bytes))
        mq_grad_refuse(k, "its element type is none that gradients are computed in");
    if (k->rc == MQ_OK)
        k->rc = mq_constant_of(k->g, k->base, k->dtype, 0, NULL, &bytes, &out, k->err);
    return k->rc == MQ_OK ? out : NULL;
}

mq_value *mq_grad_ints(mq_grad *k, const int64_t *v, size_t n)
{
    mq_value *out = NULL;

    if (k->rc == MQ_OK)
        k->rc = mq_constant_of(k->g, k->base, MQ_INT64, 1, &(int64_t){ (int64_t)n }, v, &out, k->err);
    return k->rc == MQ_OK ? out : NULL;
}

mq_value *mq_grad_int(mq_grad *k, int64_t v)
{
    mq_value *out = NULL;

    if (k->rc == MQ_OK)
        k->rc = mq_constant_of(k->g, k->base, MQ_INT64, 0, NULL, &v, &out, k->err);
    return k->rc == MQ_OK ? out : NULL;
}

/* ---- small expressions --------------------------------------------------------------------------------------------- */

mq_value *mq_grad_scale(mq_grad *k, mq_value *v, double by)
{
    return mq_grad_op(k, "Mul", v, mq_grad_number(k, by));
}

mq_value *mq_grad_one_minus(mq_grad *k, mq_value *v)
{
    return mq_grad_op(k, "Sub", mq_grad_number(k, 1), v);
}

mq_value *mq_grad_square(mq_grad *k, mq_value *v)
{
    return mq_grad_op(k, "Mul", v, v);
}

mq_value *mq_grad_choose(mq_grad *k, mq_value *condition, mq_value *a, mq_value *b)
{
    a = a ? a : mq_grad_number(k, 0);
    b = b ? b : mq_grad_number(k, 0);
    return mq_grad_op(k, "Where", condition, a, b);
}

mq_value *mq_grad_cast(mq_grad *k, mq_value *v)
{
    return mq_grad_set_int(k, mq_grad_make(k, "", "Cast", NULL, 1, v), "to", k->dtype);
}

/* All dims of v as numbers; false: not all are known. */
static bool known_dims(const mq_value *v, int64_t *dims, int *rank)
{
    *rank = mq_value_rank(v);
    if (*rank < 0 || *rank > MAX_FILLED_RANK)
        return false;
    for (int i = 0; i < *rank; i++)
        if ((dims[i] = mq_value_dim(v, i).value) < 0)
            return false;
    return true;
}

mq_value *mq_grad_shape(mq_grad *k, mq_value *v)
{
    int64_t dims[MAX_FILLED_RANK];
    mq_node *n = NULL, *before;
    int rank;

    if (k->rc == MQ_OK && !v)
        mq_grad_refuse(k, "an input is missing");
    if (k->rc != MQ_OK)
        return NULL;
    if (known_dims(v, dims, &rank))
        return mq_grad_ints(k, dims, (size_t)rank);
    before = v->producer == k->n ? k->n->next : k->n;
    if (v->graph == k->g && v->producer && !v->producer->tag)
        before = NULL; /* made by the rule itself */
    k->rc = add_node(k, before, "", "Shape", NULL, &v, 1, 1, &n);
    return k->rc == MQ_OK ? mq_grad_first(n) : NULL;
}

mq_value *mq_grad_reshape(mq_grad *k, mq_value *v, mq_value *like)
{
    return mq_grad_set_int(k, mq_grad_make(k, "", "Reshape", NULL, 1, v, mq_grad_shape(k, like)), "allowzero", 1);
}

mq_value *mq_grad_reshape_to(mq_grad *k, mq_value *v, const int64_t *dims, size_t n)
{
    return mq_grad_op(k, "Reshape", v, mq_grad_ints(k, dims, n));
}

mq_value *mq_grad_zeros(mq_grad *k, mq_value *like)
{
    mq_value *shape = mq_grad_shape(k, like);
    mq_node *n = mq_grad_make(k, "", "ConstantOfShape", NULL, 1, shape);
    mq_tensor *t;
    double zero = 0;

    if (k->rc != MQ_OK)
        return NULL;
    t = mq_tensor_create(k->g->model, "", k->dtype, 1, &(int64_t){ 1 }, &zero);
    k->rc = t ? mq_node_set_attr_tensor(n, "value", t, k->err) : mq_oom(k->err);
    return mq_grad_first(n);
}

static bool known_count(const mq_value *v, double *count)
{
    int64_t dims[MAX_FILLED_RANK];
    int rank;

    if (!known_dims(v, dims, &rank))
        return false;
    *count = 1;
    for (int i = 0; i < rank; i++)
        *count *= (double)dims[i];
    return true;
}

mq_value *mq_grad_count_ratio(mq_grad *k, mq_value *a, mq_value *b)
{
    double n, m;

    if (k->rc == MQ_OK && known_count(a, &n) && known_count(b, &m) && m > 0)
        return mq_grad_number(k, n / m);
    a = mq_grad_op(k, "ReduceProd", mq_grad_shape(k, a));
    b = mq_grad_op(k, "ReduceProd", mq_grad_shape(k, b));
    return mq_grad_op(k, "Div", mq_grad_op(k, "Squeeze", mq_grad_cast(k, a)), mq_grad_op(k, "Squeeze", mq_grad_cast(k, b)));
}

mq_value *mq_grad_reduce(mq_grad *k, const char *op, mq_value *v, mq_value *axes)
{
    return mq_grad_set_int(k, mq_grad_make(k, "", op, NULL, 1, v, axes), "keepdims", 1);
}

mq_value *mq_grad_transpose(mq_grad *k, mq_value *v, const int64_t *perm, size_t n)
{
    return mq_grad_set_ints(k, mq_grad_make(k, "", "Transpose", NULL, 1, v), "perm", perm, n);
}

/* ---- giving -------------------------------------------------------------------------------------------------------- */

void mq_grad_give(mq_grad *k, size_t i, mq_value *v)
{
    if (mq_grad_wants(k, i))
        k->dx[i] = v;
}

void mq_grad_give_summed(mq_grad *k, size_t i, mq_value *v)
{
    if (!mq_grad_wants(k, i))
        return;
    if (!mq_same_shape(k->n->inputs[i], k->n->outputs[0]))
        v = mq_grad_own(k, "ReduceTo", v, k->n->inputs[i]);
    k->dx[i] = v;
}

void mq_grad_give_product(mq_grad *k, mq_value *by)
{
    mq_grad_give(k, 0, mq_grad_op(k, "Mul", k->dy[0], by));
}
