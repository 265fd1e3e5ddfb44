/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Models of ai.onnx.ml: linear ones and tree ensembles (the form of version 5). */
#include <math.h>
#include <string.h>

#include "exec/ref/util.h"

typedef enum post { NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO, PROBIT } post;

static const mq_attr *attr_of(const mq_call *c, const char *name, mq_attr_type type)
{
    const mq_attr *a = mq_node_attr(c->node, name);

    return a && a->type == type ? a : NULL;
}

/* ---- transforms of scores ----------------------------------------------------------------------------------------- */

static mq_status post_of(mq_call *c, post *out)
{
    static const char *const names[] = { "NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT" };

    *out = NONE;
    if (!mq_node_attr(c->node, "post_transform"))
        return MQ_OK;
    for (size_t i = 0; i < MQ_ARRAY_LEN(names); i++) {
        if (mq_node_attr_is(c->node, "post_transform", names[i])) {
            *out = (post)i;
            return MQ_OK;
        }
    }
    return mq_call_fail(c, "attribute 'post_transform' has an unknown value");
}

/* Winitzki's approximation, as runtimes have it. */
static double probit(double p)
{
    const double x = 2 * p - 1, l = log((1 - x) * (1 + x)), v = 2 / (M_PI * 0.147) + 0.5 * l;

    if (x == -1 || x == 1)
        return 0;
    return (x < 0 ? -1 : 1) * 1.41421356 * sqrt(-v + sqrt(v * v - l / 0.147));
}

static void softmax(double *v, int64_t n, bool keep_zeros)
{
    double top = -INFINITY, sum = 0;

    for (int64_t i = 0; i < n; i++)
        top = v[i] > top ? v[i] : top;
    for (int64_t i = 0; i < n; i++) {
        const bool zero = keep_zeros && fabs(v[i]) <= 1e-7;

        v[i] = zero ? v[i] * exp(-top) : exp(v[i] - top);
        sum += v[i];
    }
    for (int64_t i = 0; i < n; i++)
        v[i] = sum != 0 ? v[i] / sum : 0.5;
}

static void transform(post p, double *v, int64_t n)
{
    if (p == SOFTMAX || p == SOFTMAX_ZERO)
        softmax(v, n, p == SOFTMAX_ZERO);
    for (int64_t i = 0; i < n; i++)
        v[i] = p == LOGISTIC ? 1 / (1 + exp(-v[i])) : p == PROBIT ? probit(v[i]) : v[i];
}

/* ---- linear models ------------------------------------------------------------------------------------------------ */

typedef struct linear {
    int64_t rows, width, n; /* n sets of coefficients */
    const float *coefficients, *intercepts;
} linear;

/* n 0: as many as there are coefficients for. */
static mq_status read_linear(mq_call *c, int64_t n, linear *l)
{
    const mq_attr *weights = attr_of(c, "coefficients", MQ_ATTR_FLOATS), *added = attr_of(c, "intercepts", MQ_ATTR_FLOATS);
    const mq_array *x = c->in[0];
    int64_t needed;

    if (x->rank < 1 || x->rank > 2)
        return mq_call_fail(c, "the input must be [N, C] or [C]");
    l->rows = x->rank == 2 ? x->dims[0] : 1;
    l->width = x->dims[x->rank - 1];
    l->n = n ? n : weights && l->width ? (int64_t)weights->n / l->width : 0;
    if (!weights || l->n < 1 || __builtin_mul_overflow(l->n, l->width, &needed) || needed != (int64_t)weights->n)
        return mq_call_fail(c, "%zu coefficients do not fit %lld features", weights ? weights->n : (size_t)0,
                            (long long)l->width);
    if (added && added->n > 0 && (int64_t)added->n != l->n)
        return mq_call_fail(c, "%zu intercepts do not fit %lld sets of coefficients", added->n, (long long)l->n);
    l->coefficients = weights->floats;
    l->intercepts = added && added->n > 0 ? added->floats : NULL;
    return MQ_OK;
}

static void linear_row(const linear *l, const mq_array *x, int64_t row, double *out)
{
    for (int64_t k = 0; k < l->n; k++) {
        double sum = l->intercepts ? (double)l->intercepts[k] : 0;

        for (int64_t i = 0; i < l->width; i++)
            sum += (double)l->coefficients[k * l->width + i] * mq_array_f64(x, (size_t)(row * l->width + i));
        out[k] = sum;
    }
}

static mq_status op_linear_regressor(mq_call *c)
{
    int64_t dims[2];
    mq_status rc = MQ_OK;
    post p = NONE;
    double *v;
    float *out;
    linear l;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(post_of(c, &p));
    MQ_TRY(read_linear(c, mq_node_attr_int(c->node, "targets", 1), &l));
    dims[0] = l.rows;
    dims[1] = l.n;
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, 2, dims, (void **)&out));
    if (!(v = mq_call_scratch(c, (size_t)l.n * sizeof *v)))
        return MQ_ERR_NOMEM;
    for (int64_t r = 0; r < l.rows; r++) {
        linear_row(&l, c->in[0], r, v);
        transform(p, v, l.n);
        for (int64_t k = 0; k < l.n; k++)
            out[r * l.n + k] = (float)v[k];
    }
done:
    return rc;
}

/* The labels, or none; exactly one kind of them. */
typedef struct labels {
    const int64_t *ints;
    const mq_bytes *strings;
    int64_t n;
} labels;

static mq_status read_labels(mq_call *c, labels *l)
{
    const mq_attr *ints = attr_of(c, "classlabels_ints", MQ_ATTR_INTS);
    const mq_attr *strings = attr_of(c, "classlabels_strings", MQ_ATTR_STRINGS);

    *l = (labels){ 0 };
    if (ints && ints->n > 0)
        *l = (labels){ .ints = ints->ints, .n = (int64_t)ints->n };
    else if (strings && strings->n > 0)
        *l = (labels){ .strings = strings->strings, .n = (int64_t)strings->n };
    else
        return mq_call_fail(c, "no class labels are given");
    return MQ_OK;
}

/* The label of class k; -1: none of them (one score, and it says no). */
static void put_label(const labels *l, int64_t k, void *out, int64_t at)
{
    if (l->ints)
        ((int64_t *)out)[at] = k < 0 ? 0 : l->ints[k];
    else
        ((mq_bytes *)out)[at] = k < 0 ? (mq_bytes){ "", 0 } : l->strings[k];
}

static int64_t largest(const double *v, int64_t n)
{
    int64_t best = 0;

    for (int64_t k = 1; k < n; k++)
        best = v[k] > v[best] ? k : best;
    return best;
}

static mq_status op_linear_classifier(mq_call *c)
{
    void *names = NULL;
    float *scores = NULL;
    int64_t dims[2];
    mq_status rc = MQ_OK;
    post p = NONE;
    double *v;
    labels l;
    linear m;

    MQ_TRY(mq_call_need(c, 1));
    MQ_TRY(post_of(c, &p));
    MQ_TRY(read_labels(c, &l));
    MQ_TRY(read_linear(c, 0, &m));
    dims[0] = m.rows;
    dims[1] = m.n;
    if (m.n > l.n)
        return mq_call_fail(c, "%lld scores do not fit %lld labels", (long long)m.n, (long long)l.n);
    if (m.n == 1 && l.n > 1) /* the negative score, or what is missing to 1: the specification does not say */
        return mq_call_unsupported(c, "one score for %lld classes is not supported", (long long)l.n);
    MQ_TRY(mq_call_out(c, 0, l.ints ? MQ_INT64 : MQ_STRING, 1, dims, &names));
    MQ_TRY(mq_call_out(c, 1, MQ_FLOAT, 2, dims, (void **)&scores));
    if (!(v = mq_call_scratch(c, ((size_t)m.n + 1) * sizeof *v)))
        return MQ_ERR_NOMEM;
    for (int64_t r = 0; r < m.rows; r++) {
        int64_t best;

        linear_row(&m, c->in[0], r, v);
        best = largest(v, m.n);
        transform(p, v, m.n);
        if (m.n == 1 && !(v[0] >= (p == NONE ? 0 : 0.5)))
            best = -1;
        for (int64_t k = 0; scores && k < m.n; k++)
            scores[r * m.n + k] = (float)v[k];
        if (names)
            put_label(&l, best, names, r);
    }
done:
    return rc;
}

/* ---- trees -------------------------------------------------------------------------------------------------------- */

typedef enum branch { LEQ, LT, GTE, GT, EQ, NEQ, MEMBER } branch;
typedef enum aggregate { AVERAGE, SUM, MIN, MAX } aggregate;

typedef struct trees {
    size_t n_nodes, n_leaves, n_roots;
    const int64_t *feature, *yes, *no, *yes_leaf, *no_leaf, *missing_yes, *roots, *target;
    mq_array *modes, *splits, *members, *weights;
    size_t *first_member; /* per node: where its members begin */
    int64_t n_targets;
    aggregate how;
    post p;
} trees;

static mq_status ints_of(mq_call *c, const char *name, size_t n, bool required, const int64_t **out)
{
    size_t count;

    *out = mq_node_attr_ints(c->node, name, &count);
    if ((!*out && required) || (*out && count != n))
        return mq_call_fail(c, "attribute '%s' has %zu elements, it must have %zu", name, count, n);
    return MQ_OK;
}

static mq_status tensor_of(mq_call *c, const char *name, bool required, mq_array **out)
{
    const mq_attr *a = attr_of(c, name, MQ_ATTR_TENSOR);

    if (!a && required)
        return mq_call_fail(c, "attribute '%s' is missing", name);
    return a ? mq_array_of_tensor(out, a->tensors[0], true, c->err) : MQ_OK;
}

/* Members are listed node by node, each list ended by what is not a number. */
static mq_status find_members(mq_call *c, trees *t)
{
    const size_t n = t->members ? t->members->count : 0;
    size_t at = 0;

    t->first_member = mq_call_scratch(c, (t->n_nodes + 1) * sizeof *t->first_member);
    if (!t->first_member)
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < t->n_nodes; i++) {
        t->first_member[i] = at;
        if (mq_array_i64(t->modes, i) != MEMBER)
            continue;
        while (at < n && !isnan(mq_array_f64(t->members, at)))
            at++;
        at++;
    }
    if (at > n)
        return mq_call_fail(c, "attribute 'membership_values' has fewer lists than there are nodes that need one");
    return MQ_OK;
}

static mq_status check_trees(mq_call *c, const trees *t)
{
    const int64_t width = c->in[0]->dims[1];

    for (size_t i = 0; i < t->n_nodes; i++) {
        const int64_t mode = mq_array_i64(t->modes, i);
        const size_t yes_end = t->yes_leaf[i] ? t->n_leaves : t->n_nodes, no_end = t->no_leaf[i] ? t->n_leaves : t->n_nodes;

        if (mode < LEQ || mode > MEMBER || t->feature[i] < 0 || t->feature[i] >= width || t->yes[i] < 0 ||
            (uint64_t)t->yes[i] >= yes_end || t->no[i] < 0 || (uint64_t)t->no[i] >= no_end)
            return mq_call_fail(c, "tree node %zu has a mode, feature or branch that does not exist", i);
    }
    for (size_t i = 0; i < t->n_roots; i++)
        if (t->roots[i] < 0 || (uint64_t)t->roots[i] >= t->n_nodes)
            return mq_call_fail(c, "tree root %zu is %lld, there are %zu nodes", i, (long long)t->roots[i], t->n_nodes);
    for (size_t i = 0; i < t->n_leaves; i++)
        if (t->target[i] < 0 || t->target[i] >= t->n_targets)
            return mq_call_fail(c, "leaf %zu is for target %lld of %lld", i, (long long)t->target[i],
                                (long long)t->n_targets);
    return MQ_OK;
}

static mq_status read_trees(mq_call *c, trees *t)
{
    const int64_t how = mq_node_attr_int(c->node, "aggregate_function", SUM);
    const int64_t p = mq_node_attr_int(c->node, "post_transform", NONE);
    mq_status rc = MQ_OK;

    t->n_targets = mq_node_attr_int(c->node, "n_targets", 1);
    if (how < AVERAGE || how > MAX || p < NONE || p > PROBIT || t->n_targets < 1)
        return mq_call_fail(c, "'aggregate_function', 'post_transform' or 'n_targets' has a value that does not exist");
    t->how = (aggregate)how;
    t->p = (post)p;
    MQ_TRY(tensor_of(c, "nodes_modes", true, &t->modes));
    MQ_TRY(tensor_of(c, "nodes_splits", true, &t->splits));
    MQ_TRY(tensor_of(c, "leaf_weights", true, &t->weights));
    MQ_TRY(tensor_of(c, "membership_values", false, &t->members));
    t->n_nodes = t->modes->count;
    t->n_leaves = t->weights->count;
    if (t->splits->count != t->n_nodes)
        return mq_call_fail(c, "%zu thresholds for %zu tree nodes", t->splits->count, t->n_nodes);
    MQ_TRY(ints_of(c, "nodes_featureids", t->n_nodes, true, &t->feature));
    MQ_TRY(ints_of(c, "nodes_truenodeids", t->n_nodes, true, &t->yes));
    MQ_TRY(ints_of(c, "nodes_falsenodeids", t->n_nodes, true, &t->no));
    MQ_TRY(ints_of(c, "nodes_trueleafs", t->n_nodes, true, &t->yes_leaf));
    MQ_TRY(ints_of(c, "nodes_falseleafs", t->n_nodes, true, &t->no_leaf));
    MQ_TRY(ints_of(c, "nodes_missing_value_tracks_true", t->n_nodes, false, &t->missing_yes));
    MQ_TRY(ints_of(c, "leaf_targetids", t->n_leaves, true, &t->target));
    t->roots = mq_node_attr_ints(c->node, "tree_roots", &t->n_roots);
    MQ_TRY(check_trees(c, t));
    rc = find_members(c, t);
done:
    return rc;
}

static bool is_member(const trees *t, size_t node, double v)
{
    for (size_t i = t->first_member[node]; i < t->members->count && !isnan(mq_array_f64(t->members, i)); i++)
        if (mq_array_f64(t->members, i) == v)
            return true;
    return false;
}

static bool goes_yes(const trees *t, size_t node, double v)
{
    const double split = mq_array_f64(t->splits, node);

    if (isnan(v) && t->missing_yes && t->missing_yes[node])
        return true;
    switch ((branch)mq_array_i64(t->modes, node)) {
    case LEQ:
        return v <= split;
    case LT:
        return v < split;
    case GTE:
        return v >= split;
    case GT:
        return v > split;
    case EQ:
        return v == split;
    case NEQ:
        return v != split;
    case MEMBER:
        return is_member(t, node, v);
    }
    return false;
}

/* The leaf that a row reaches from a root; SIZE_MAX: none, the nodes go round in a circle. */
static size_t reach_leaf(const trees *t, size_t root, const mq_array *x, size_t row)
{
    const size_t width = (size_t)x->dims[1];
    size_t node = root;

    for (size_t steps = 0; steps < t->n_nodes; steps++) {
        const bool yes = goes_yes(t, node, mq_array_f64(x, row * width + (size_t)t->feature[node]));
        const size_t next = (size_t)(yes ? t->yes[node] : t->no[node]);

        if (yes ? t->yes_leaf[node] : t->no_leaf[node])
            return next;
        node = next;
    }
    return SIZE_MAX;
}

static mq_status row_scores(mq_call *c, const trees *t, size_t row, double *v)
{
    for (int64_t k = 0; k < t->n_targets; k++)
        v[k] = t->how == MIN ? (double)INFINITY : t->how == MAX ? (double)-INFINITY : 0;
    for (size_t i = 0; i < t->n_roots; i++) {
        const size_t leaf = reach_leaf(t, (size_t)t->roots[i], c->in[0], row);
        double *to, w;

        if (leaf == SIZE_MAX)
            return mq_call_fail(c, "the nodes of tree %zu go round in a circle", i);
        to = &v[t->target[leaf]];
        w = mq_array_f64(t->weights, leaf);
        if (t->how == MIN || t->how == MAX)
            *to = (t->how == MIN ? w < *to : w > *to) ? w : *to;
        else
            *to += t->how == AVERAGE ? w / (double)t->n_roots : w;
    }
    transform(t->p, v, t->n_targets);
    return MQ_OK;
}

static mq_status op_tree_ensemble(mq_call *c)
{
    const mq_array *x;
    mq_status rc = MQ_OK;
    trees t = { 0 };
    int64_t dims[2];
    double *v;
    void *out;

    MQ_TRY(mq_call_need(c, 1));
    x = c->in[0];
    if (x->rank != 2)
        return mq_call_fail(c, "the input must be [N, F]");
    if (x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, x->dtype);
    MQ_TRY(read_trees(c, &t));
    dims[0] = x->dims[0];
    dims[1] = t.n_targets;
    MQ_TRY(mq_call_out(c, 0, x->dtype, 2, dims, &out));
    if (!(v = mq_call_scratch(c, (size_t)t.n_targets * sizeof *v))) {
        rc = MQ_ERR_NOMEM;
        goto done;
    }
    for (int64_t r = 0; r < dims[0]; r++) {
        MQ_TRY(row_scores(c, &t, (size_t)r, v));
        for (int64_t k = 0; k < t.n_targets; k++) {
            if (x->dtype == MQ_FLOAT)
                ((float *)out)[r * t.n_targets + k] = (float)v[k];
            else
                ((double *)out)[r * t.n_targets + k] = v[k];
        }
    }
done:
    mq_array_unref(t.modes);
    mq_array_unref(t.splits);
    mq_array_unref(t.weights);
    mq_array_unref(t.members);
    return rc;
}

const mq_kernel mq_kernels_ml_models[] = {
    { "ai.onnx.ml", "LinearClassifier", op_linear_classifier, 0 },
    { "ai.onnx.ml", "LinearRegressor", op_linear_regressor, 0 },
    { "ai.onnx.ml", "TreeEnsemble", op_tree_ensemble, MQ_KERNEL_WIDEN },
    { 0 },
};
