/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Losses as nodes. A builder appends one node at a time and remembers the first failure, so that formulas read as such. */
#include "train/loss.h"

#include <math.h>
#include <string.h>

#include "base/random.h"
#include "ops/ops.h"
#include "passes/pass.h"

#define TINY 1e-12 /* under the root of a cosine, as torch */

static const char *const names[MQ_N_LOSSES] = { "ce", "soft-ce", "kl", "bce", "binary-kl", "mse", "cosine", "hint" };

const char *mq_loss_name(mq_loss_kind kind)
{
    return names[kind];
}

bool mq_loss_find(const char *name, mq_loss_kind *out)
{
    for (int i = 0; i < MQ_N_LOSSES; i++) {
        if (strcmp(names[i], name) == 0) {
            *out = (mq_loss_kind)i;
            return true;
        }
    }
    return false;
}

/* ---- building ------------------------------------------------------------------------------------------------------ */

typedef struct builder {
    mq_graph *g;
    const mq_loss_term *term;
    mq_status rc;
    mq_error *err;
} builder;

/* y NULL: one input. The result is NULL once something has failed. */
static mq_value *op(builder *b, const char *type, mq_value *x, mq_value *y)
{
    mq_node *n;
    mq_value *out;

    if (b->rc != MQ_OK)
        return NULL;
    n = mq_node_create(b->g, NULL, "", type, mq_unique_node_name(b->g->model, "loss"));
    out = mq_value_create_unique(b->g, "loss");
    if (!n || !out) {
        b->rc = mq_oom(b->err);
        return NULL;
    }
    b->rc = mq_node_set_input(n, 0, x, b->err);
    if (b->rc == MQ_OK && y)
        b->rc = mq_node_set_input(n, 1, y, b->err);
    if (b->rc == MQ_OK)
        b->rc = mq_node_set_output(n, 0, out, b->err);
    return b->rc == MQ_OK ? out : NULL;
}

static mq_value *with_int(builder *b, mq_value *v, const char *attr, int64_t number)
{
    if (b->rc == MQ_OK)
        b->rc = mq_node_set_attr_int(v->producer, attr, number, b->err);
    return b->rc == MQ_OK ? v : NULL;
}

static mq_value *constant(builder *b, mq_dtype dtype, int rank, const int64_t *dims, const void *data)
{
    mq_value *v = NULL;

    if (b->rc == MQ_OK)
        b->rc = mq_constant_of(b->g, "loss_constant", dtype, rank, dims, data, &v, b->err);
    return v;
}

static mq_value *number(builder *b, double x)
{
    return constant(b, MQ_FLOAT, 0, NULL, &(float){ (float)x });
}

static mq_value *axes(builder *b, int64_t axis)
{
    return constant(b, MQ_INT64, 1, &(int64_t){ 1 }, &axis);
}

/* Over all elements, to a scalar. */
static mq_value *reduce_all(builder *b, const char *type, mq_value *x)
{
    return with_int(b, op(b, type, x, NULL), "keepdims", 0);
}

static mq_value *sum_along(builder *b, mq_value *x, int axis)
{
    return with_int(b, op(b, "ReduceSum", x, axes(b, axis)), "keepdims", 0);
}

static mq_value *softmax(builder *b, const char *type, mq_value *x, int axis)
{
    return with_int(b, op(b, type, x, NULL), "axis", axis);
}

static mq_value *cast_float(builder *b, mq_value *x)
{
    return with_int(b, op(b, "Cast", x, NULL), "to", MQ_FLOAT);
}

static mq_value *target(builder *b, mq_dtype dtype, int rank, const mq_dim *dims)
{
    mq_value *v = mq_value_create_unique(b->g, "loss_target");

    if (b->rc != MQ_OK)
        return NULL;
    if (!v || !(v->declared = mq_type_create(b->g->model, MQ_TYPE_TENSOR, dtype, rank, dims))) {
        b->rc = mq_oom(b->err);
        return NULL;
    }
    v->type = v->declared;
    b->rc = mq_graph_add_input(b->g, v, b->err);
    return v;
}

static mq_value *target_like(builder *b, const mq_value *v)
{
    return target(b, MQ_FLOAT, v->type->rank, v->type->dims);
}

/* ---- terms of classes ---------------------------------------------------------------------------------------------- */

int mq_class_axis(int rank)
{
    return rank == 4 || rank == 5 ? 1 : rank - 1;
}

/* The node that makes v, but for Identity. */
static const mq_node *maker_of(const mq_value *v)
{
    const mq_node *n;

    while ((n = v->producer) && mq_node_is(n, "", "Identity") && n->n_inputs && n->inputs[0])
        v = n->inputs[0];
    return n;
}

bool mq_loss_sigmoid(mq_value *v, mq_value **logits)
{
    const mq_node *n = maker_of(v);
    const bool probability = n && mq_node_is(n, "", "Sigmoid") && n->n_inputs && n->inputs[0];

    *logits = probability ? n->inputs[0] : v;
    return probability;
}

bool mq_loss_logits(mq_value *v, mq_value **logits, int *axis)
{
    const mq_node *n = maker_of(v);
    const int rank = mq_value_rank(v);
    int64_t a;
    bool probability;

    probability = n && (mq_node_is(n, "", "Softmax") || mq_node_is(n, "", "LogSoftmax")) && n->n_inputs && n->inputs[0];
    a = probability ? mq_node_attr_int(n, "axis", -1) : mq_class_axis(rank);
    a = a < 0 ? a + rank : a;
    if (logits)
        *logits = probability ? n->inputs[0] : v;
    if (axis)
        *axis = rank > 0 && a >= 0 && a < rank ? (int)a : -1;
    return probability;
}

/* Class numbers along the axis, so that labels broadcast against them. */
static mq_value *class_numbers(builder *b, const mq_type *scores, int axis)
{
    const int64_t n = scores->dims[axis].value;
    const int rank = scores->rank - axis;
    int64_t dims[MQ_MAX_RANK], *data;
    mq_tensor *t;
    mq_value *v = NULL;

    if (b->rc != MQ_OK)
        return NULL;
    for (int i = 0; i < rank; i++)
        dims[i] = i ? 1 : n;
    if (!(data = mq_arena_calloc(b->g->model->arena, (size_t)n, sizeof *data)) ||
        !(t = mq_tensor_create(b->g->model, "", MQ_INT64, rank, dims, NULL))) {
        b->rc = mq_oom(b->err);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++)
        data[i] = i;
    t->data = data;
    t->n_bytes = (size_t)n * sizeof *data;
    b->rc = mq_constant_create(b->g, "loss_classes", t, &v, b->err);
    return v;
}

/* -sum(q log softmax) / labels: q is one at the label, or smoothed. */
static mq_value *cross_entropy(builder *b, mq_value *z, int axis, mq_value **labels)
{
    const mq_type *type = z->type;
    const double s = b->term->smoothing;
    mq_value *wide, *q, *count;
    mq_dim dims[MQ_MAX_RANK];

    for (int i = 0, k = 0; i < type->rank; i++)
        if (i != axis)
            dims[k++] = type->dims[i];
    *labels = target(b, MQ_INT64, type->rank - 1, dims);
    wide = op(b, "Unsqueeze", *labels, axes(b, axis));
    q = cast_float(b, op(b, "Equal", wide, class_numbers(b, type, axis)));
    count = op(b, "Max", reduce_all(b, "ReduceSum", q), number(b, 1));
    if (s > 0) {
        const int64_t none = 0;
        mq_value *there = cast_float(b, op(b, "GreaterOrEqual", wide, constant(b, MQ_INT64, 0, NULL, &none)));

        q = op(b, "Add", op(b, "Mul", q, number(b, 1 - s)),
               op(b, "Mul", there, number(b, s / (double)type->dims[axis].value)));
    }
    q = op(b, "Mul", softmax(b, "LogSoftmax", z, axis), q);
    return op(b, "Div", op(b, "Neg", reduce_all(b, "ReduceSum", q), NULL), count);
}

static mq_value *soft_cross_entropy(builder *b, mq_value *z, int axis, mq_value **p)
{
    *p = target_like(b, z);
    return op(b, "Neg", reduce_all(b, "ReduceMean", sum_along(b, op(b, "Mul", softmax(b, "LogSoftmax", z, axis), *p), axis)),
              NULL);
}

static mq_value *kl(builder *b, mq_value *z, int axis, mq_value **t)
{
    const double heat = b->term->temperature > 0 ? b->term->temperature : 1;
    mq_value *warm, *warm_z = z, *apart;

    warm = *t = target_like(b, z);
    if (heat != 1) {
        warm = op(b, "Mul", *t, number(b, 1 / heat));
        warm_z = op(b, "Mul", z, number(b, 1 / heat));
    }
    apart = op(b, "Sub", softmax(b, "LogSoftmax", warm, axis), softmax(b, "LogSoftmax", warm_z, axis));
    apart = reduce_all(b, "ReduceMean", sum_along(b, op(b, "Mul", softmax(b, "Softmax", warm, axis), apart), axis));
    return heat == 1 ? apart : op(b, "Mul", apart, number(b, heat * heat));
}

/* ---- terms of questions that are answered with yes or no ------------------------------------------------------------ */

static mq_value *binary_cross_entropy(builder *b, mq_value *z, mq_value **t)
{
    const double s = b->term->smoothing;
    mq_value *q, *there, *count;

    q = *t = target_like(b, z);
    there = cast_float(b, op(b, "GreaterOrEqual", *t, number(b, 0)));
    count = op(b, "Max", reduce_all(b, "ReduceSum", there), number(b, 1));
    if (s > 0)
        q = op(b, "Add", op(b, "Mul", q, number(b, 1 - s)), number(b, s / 2));
    q = op(b, "Sub", op(b, "Softplus", z, NULL), op(b, "Mul", z, q));
    return op(b, "Div", reduce_all(b, "ReduceSum", op(b, "Mul", q, there)), count);
}

static mq_value *binary_kl(builder *b, mq_value *z, mq_value **t)
{
    const double heat = b->term->temperature > 0 ? b->term->temperature : 1;
    mq_value *warm, *warm_z, *apart;

    *t = target_like(b, z);
    warm = op(b, "Mul", *t, number(b, 1 / heat));
    warm_z = op(b, "Mul", z, number(b, 1 / heat));
    apart = op(b, "Sub", op(b, "Softplus", warm_z, NULL), op(b, "Softplus", warm, NULL));
    apart = op(b, "Sub", apart, op(b, "Mul", op(b, "Sigmoid", warm, NULL), op(b, "Sub", warm_z, warm)));
    return op(b, "Mul", reduce_all(b, "ReduceMean", apart), number(b, heat * heat));
}

/* ---- terms of values ----------------------------------------------------------------------------------------------- */

static mq_value *squared(builder *b, mq_value *x, mq_value *y)
{
    mq_value *d = op(b, "Sub", x, y);

    return reduce_all(b, "ReduceMean", op(b, "Mul", d, d));
}

static mq_value *cosine(builder *b, mq_value *y, mq_value **t)
{
    mq_value *a, *c, *length;

    *t = target_like(b, y);
    a = op(b, "Flatten", y, NULL);
    c = op(b, "Flatten", *t, NULL);
    length = op(b, "Mul", op(b, "Add", sum_along(b, op(b, "Mul", a, a), 1), number(b, TINY)),
                op(b, "Add", sum_along(b, op(b, "Mul", c, c), 1), number(b, TINY)));
    length = op(b, "Div", sum_along(b, op(b, "Mul", a, c), 1), op(b, "Sqrt", length, NULL));
    return op(b, "Sub", number(b, 1), reduce_all(b, "ReduceMean", length));
}

/* y with `to` channels: a convolution of one pixel where there are pixels, else a product. */
static mq_value *project(builder *b, mq_value *y, int64_t from, int64_t to, mq_value **weight)
{
    const int rank = y->type->rank;
    const bool conv = rank == 4 || rank == 5;
    const int64_t dims[5] = { conv ? to : from, conv ? from : to, 1, 1, 1 };
    const float bound = 1 / sqrtf((float)from);
    uint64_t seed = b->term->seed;
    mq_tensor *t = mq_tensor_create(b->g->model, "", MQ_FLOAT, conv ? rank : 2, dims, NULL);
    const int64_t n = t ? mq_tensor_count(t) : -1;
    float *w = n > 0 ? mq_arena_calloc(b->g->model->arena, (size_t)n, sizeof *w) : NULL;

    if (b->rc != MQ_OK)
        return NULL;
    if (!w) {
        b->rc = mq_oom(b->err);
        return NULL;
    }
    for (int64_t i = 0; i < n; i++)
        w[i] = bound * (float)(2 * mq_random_unit(mq_random_next(&seed)) - 1);
    t->data = w;
    t->n_bytes = (size_t)n * sizeof *w;
    b->rc = mq_constant_create(b->g, "hint_projection", t, weight, b->err);
    return op(b, conv ? "Conv" : "MatMul", y, *weight);
}

static mq_value *hint(builder *b, mq_value *y, mq_value **t, mq_value **weight)
{
    const int axis = mq_class_axis(y->type->rank);
    const int64_t have = y->type->dims[axis].value, want = b->term->channels;
    mq_dim dims[MQ_MAX_RANK];

    if (!want || want == have) {
        *t = target_like(b, y);
        return squared(b, y, *t);
    }
    memcpy(dims, y->type->dims, (size_t)y->type->rank * sizeof *dims);
    dims[axis] = MQ_DIM(want);
    *t = target(b, MQ_FLOAT, y->type->rank, dims);
    return squared(b, project(b, y, have, want, weight), *t);
}

/* ---- all terms ----------------------------------------------------------------------------------------------------- */

static mq_status check_numbers(const mq_loss_term *t, mq_error *err)
{
    if (!(t->weight >= 0) || !isfinite(t->weight))
        return mq_fail(err, MQ_ERR_USAGE, "the weight of a loss is %g, but has to be a number from 0 on", t->weight);
    if (!(t->temperature >= 0) || !isfinite(t->temperature))
        return mq_fail(err, MQ_ERR_USAGE, "the temperature is %g, but has to be above 0", t->temperature);
    if (!(t->smoothing >= 0 && t->smoothing < 1))
        return mq_fail(err, MQ_ERR_USAGE, "label smoothing is %g, but has to be at least 0 and below 1", t->smoothing);
    if (t->channels < 0)
        return mq_fail(err, MQ_ERR_USAGE, "a hint has %lld channels", (long long)t->channels);
    return MQ_OK;
}

/* The tensor of a term, and its class or channel axis. */
static mq_status find_tensor(const mq_graph *g, const mq_loss_term *t, mq_value **out, int *axis, mq_error *err)
{
    mq_value *v = mq_graph_find_here(g, t->tensor);
    const bool classes = t->kind == MQ_LOSS_CE || t->kind == MQ_LOSS_SOFT_CE || t->kind == MQ_LOSS_KL;
    mq_status rc;

    if ((rc = check_numbers(t, err)) != MQ_OK)
        return rc;
    if (!v)
        return mq_fail(err, MQ_ERR_USAGE, "the student has no tensor '%s'", t->tensor);
    if (mq_value_dtype(v) != MQ_FLOAT)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "the loss %s needs a float tensor, but '%s' is none", names[t->kind],
                       v->name);
    if (mq_value_rank(v) < 1 || mq_value_rank(v) > MQ_MAX_RANK)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "the loss %s needs samples along axis 0, but the rank of '%s' is %d",
                       names[t->kind], v->name, mq_value_rank(v));
    *out = v;
    *axis = mq_class_axis(mq_value_rank(v));
    if (classes) {
        mq_loss_logits(v, out, axis);
        v = *out;
    }
    if (t->kind == MQ_LOSS_BCE || t->kind == MQ_LOSS_BINARY_KL)
        mq_loss_sigmoid(v, out);
    if (t->kind == MQ_LOSS_MSE || t->kind == MQ_LOSS_COSINE || t->kind == MQ_LOSS_BCE || t->kind == MQ_LOSS_BINARY_KL)
        return MQ_OK;
    if (*axis < 0 || !v->type || mq_value_rank(v) <= *axis || v->type->dims[*axis].value < 1)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "how many %s '%s' has is not known", classes ? "classes" : "channels",
                       v->name);
    if (classes && v->type->dims[*axis].value < 2)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "'%s' has one score and no Sigmoid behind it, so the loss %s cannot tell "
                       "classes by it: take mse", v->name, names[t->kind]);
    return MQ_OK;
}

static mq_value *append_term(builder *b, mq_value *v, int axis, mq_value **to, mq_value **projection)
{
    switch (b->term->kind) {
    case MQ_LOSS_CE:
        return cross_entropy(b, v, axis, to);
    case MQ_LOSS_SOFT_CE:
        return soft_cross_entropy(b, v, axis, to);
    case MQ_LOSS_KL:
        return kl(b, v, axis, to);
    case MQ_LOSS_BCE:
        return binary_cross_entropy(b, v, to);
    case MQ_LOSS_BINARY_KL:
        return binary_kl(b, v, to);
    case MQ_LOSS_COSINE:
        return cosine(b, v, to);
    case MQ_LOSS_HINT:
        return hint(b, v, to, projection);
    default:
        *to = target_like(b, v);
        return squared(b, v, *to);
    }
}

mq_status mq_loss_append(mq_graph *g, const mq_loss_term *terms, size_t n, mq_value **targets, mq_value **projections,
                         mq_value **loss, mq_error *err)
{
    builder b = { .g = g, .rc = MQ_OK, .err = err };
    mq_value *sum = NULL, *v = NULL;
    int axis = -1;

    if (!n)
        return mq_fail(err, MQ_ERR_USAGE, "there is no loss");
    for (size_t i = 0; i < n; i++) {
        mq_value *one;

        b.term = &terms[i];
        projections[i] = NULL;
        if ((b.rc = find_tensor(g, b.term, &v, &axis, err)) != MQ_OK)
            return b.rc;
        one = append_term(&b, v, axis, &targets[i], &projections[i]);
        if (b.rc == MQ_OK && terms[i].weight > 0 && terms[i].weight != 1)
            one = op(&b, "Mul", one, number(&b, terms[i].weight));
        sum = sum ? op(&b, "Add", sum, one) : one;
    }
    if (b.rc == MQ_OK)
        *loss = sum;
    return b.rc;
}
