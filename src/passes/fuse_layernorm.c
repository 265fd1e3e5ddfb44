/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-layernorm: normalization over the last axis that is written out becomes one operator.
 *   d = x - ReduceMean(x);  d / Sqrt(ReduceMean(d^2) + epsilon) [* scale [+ bias]]   =>  LayerNormalization
 *   the same as x * s + (bias - ReduceMean(x) * s) with s = Reciprocal(Sqrt(...)) * scale, which TensorFlow writes
 *   x / Sqrt(ReduceMean(x^2) + epsilon) * scale                                       =>  RMSNormalization
 *   Add of two tensors of one shape -> LayerNormalization                              =>  SkipLayerNormalization
 * d^2 as Pow or Mul, the quotient as Div or as a product with Reciprocal, 1 / Sqrt or Pow(..., -0.5). Scale
 * and bias: constant rows of the last axis.
 * Skipped when what is inside has another reader, when the axis is not the last one, for other types than float.
 * Numerics: the same function; sums are in another order. */
#include <string.h>

#include "passes/pass.h"

#define LAYERNORM_SINCE 17
#define RMSNORM_SINCE 23
#define SUM_OUTPUT 3 /* of SkipLayerNormalization */

/* What normalization divides, and the constants of it. */
typedef struct norm {
    mq_value *x;        /* the input */
    bool centered;      /* the mean is taken off */
    double epsilon;
    int64_t size;       /* of the last axis */
    mq_node *last;
    mq_node *behind[2]; /* that multiply by the scale and add the bias */
    mq_value *scale, *bias;
    mq_value *centre, *root; /* TensorFlow's form: x - mean, and the square root */
} norm;

/* ReduceMean over the last axis, which stays with size 1. */
static mq_node *last_mean(const mq_value *v)
{
    mq_node *n = mq_pass_producer(v, "ReduceMean");

    return n && mq_pass_reduces_last(n) ? n : NULL;
}

/* v = ReduceMean(d^2) + epsilon, each for nobody else. */
static bool is_variance(const mq_value *v, const mq_value *d, double *epsilon)
{
    const mq_node *add = mq_pass_only_producer(v, "Add"), *mean, *square;
    double two;

    if (!add || add->n_inputs != 2 || !add->inputs[1])
        return false;
    mean = mq_constant_number(add->inputs[1], epsilon) ? last_mean(add->inputs[0])
           : mq_constant_number(add->inputs[0], epsilon) ? last_mean(add->inputs[1])
                                                         : NULL;
    if (!mean || !mq_only_reader(mean->outputs[0]) || !mq_only_reader(mean->inputs[0]))
        return false;
    if ((square = mq_pass_producer(mean->inputs[0], "Pow")))
        return square->inputs[0] == d && square->n_inputs == 2 && mq_constant_number(square->inputs[1], &two) && two == 2;
    square = mq_pass_producer(mean->inputs[0], "Mul");
    return square && square->n_inputs == 2 && square->inputs[0] == d && square->inputs[1] == d;
}

/* v = Sqrt of that. */
static bool is_deviation(const mq_value *v, const mq_value *d, double *epsilon)
{
    const mq_node *root = mq_pass_only_producer(v, "Sqrt");

    return root && is_variance(root->inputs[0], d, epsilon);
}

/* v = 1 / deviation, in one of its spellings. */
static bool is_inverse(const mq_value *v, const mq_value *d, double *epsilon)
{
    const mq_node *n = mq_pass_only_producer(v, "Reciprocal");
    double x;

    if (n)
        return is_deviation(n->inputs[0], d, epsilon);
    if ((n = mq_pass_only_producer(v, "Pow")))
        return n->n_inputs == 2 && mq_constant_number(n->inputs[1], &x) && x == -0.5 &&
               is_variance(n->inputs[0], d, epsilon);
    n = mq_pass_only_producer(v, "Div");
    return n && n->n_inputs == 2 && mq_constant_number(n->inputs[0], &x) && x == 1 &&
           is_deviation(n->inputs[1], d, epsilon);
}

/* The quotient d / deviation, or d * (1 / deviation). */
static bool read_quotient(mq_node *n, mq_value **d, double *epsilon)
{
    if (n->n_inputs != 2 || !n->inputs[0] || !n->inputs[1])
        return false;
    if (mq_node_is(n, "", "Div")) {
        *d = n->inputs[0];
        return is_deviation(n->inputs[1], *d, epsilon);
    }
    if (!mq_node_is(n, "", "Mul"))
        return false;
    for (size_t i = 0; i < 2; i++) {
        *d = n->inputs[1 - i];
        if (is_inverse(n->inputs[i], *d, epsilon))
            return true;
    }
    return false;
}

/* Is d = x - mean(x), read only by the quotient and its square? */
static bool is_centered(const mq_value *d, mq_value **x)
{
    const mq_node *sub = mq_pass_producer(d, "Sub"), *mean;
    const size_t most = 3; /* Mul(d, d) reads it twice */

    if (!sub || sub->n_inputs != 2 || d->n_output_uses || d->uses.n > most || !(mean = last_mean(sub->inputs[1])) ||
        mean->inputs[0] != sub->inputs[0] || !mq_only_reader(mean->outputs[0]))
        return false;
    *x = sub->inputs[0];
    return true;
}

static bool is_row_of(const mq_value *v, int64_t size)
{
    const mq_tensor *c = v ? mq_value_constant(v, false) : NULL;

    return c && c->dtype == MQ_FLOAT && c->n_dims == 1 && c->dims[0] == size;
}

/* The constant row that the only reader of last multiplies by (adds); last moves on to that reader. */
static mq_value *row_behind(norm *t, const char *op)
{
    mq_node *n = mq_only_reader(t->last->outputs[0]);
    mq_value *row;

    if (!n || n->graph != t->last->graph || !mq_node_is(n, "", op) || n->n_inputs != 2 || !n->outputs[0])
        return NULL;
    row = n->inputs[n->inputs[0] == t->last->outputs[0] ? 1 : 0];
    if (!is_row_of(row, t->size))
        return NULL;
    t->behind[t->behind[0] ? 1 : 0] = t->last = n;
    return row;
}

static bool read_norm(mq_node *n, norm *t)
{
    mq_value *d;
    mq_dim size;

    *t = (norm){ .last = n };
    if (n->n_outputs != 1 || !n->outputs[0] || !read_quotient(n, &d, &t->epsilon) || mq_value_dtype(d) != MQ_FLOAT)
        return false;
    t->x = d;
    t->centered = is_centered(d, &t->x);
    size = mq_value_dim(d, -1);
    if (!mq_dim_known(size) || size.value < 1)
        return false;
    t->size = size.value;
    t->scale = row_behind(t, "Mul");
    if (t->scale && t->centered)
        t->bias = row_behind(t, "Add");
    return true;
}

/* ---- TensorFlow's form --------------------------------------------------------------------------------------------- */

/* Of a node with two inputs the one beside v; NULL: v is none of them. */
static mq_value *beside(const mq_node *n, const mq_value *v)
{
    if (n->n_inputs != 2)
        return NULL;
    return n->inputs[0] == v ? n->inputs[1] : n->inputs[1] == v ? n->inputs[0] : NULL;
}

/* s = Reciprocal(deviation of x) * scale, where mean is x's. */
static bool is_factor(const mq_value *s, const mq_value *mean, norm *t)
{
    const mq_node *product = mq_pass_producer(s, "Mul"), *inverse = NULL;

    for (size_t i = 0; product && product->n_inputs == 2 && i < 2 && !inverse; i++) {
        inverse = mq_pass_only_producer(product->inputs[i], "Reciprocal");
        t->scale = product->inputs[1 - i];
    }
    for (size_t i = 0; inverse && i < mean->uses.n; i++) {
        const mq_node *d = mean->uses.items[i].node;

        if (mq_node_is(d, "", "Sub") && d->n_inputs == 2 && d->inputs[0] == t->x && d->inputs[1] == mean && d->outputs[0] &&
            is_deviation(inverse->inputs[0], d->outputs[0], &t->epsilon)) {
            t->centre = d->outputs[0];
            t->root = inverse->inputs[0];
            return true;
        }
    }
    return false;
}

/* n = x * s + (bias - mean * s). */
static bool read_spread(mq_node *n, norm *t)
{
    *t = (norm){ .last = n, .centered = true };
    if (!mq_node_is(n, "", "Add") || n->n_inputs != 2 || n->n_outputs != 1 || !n->outputs[0])
        return false;
    for (size_t i = 0; i < 2; i++) {
        const mq_node *scaled = mq_pass_only_producer(n->inputs[i], "Mul");
        const mq_node *rest = mq_pass_only_producer(n->inputs[1 - i], "Sub");
        const mq_node *moved = rest && rest->n_inputs == 2 ? mq_pass_only_producer(rest->inputs[1], "Mul") : NULL;

        for (size_t k = 0; scaled && moved && scaled->n_inputs == 2 && k < 2; k++) {
            const mq_value *mean = beside(moved, scaled->inputs[k]);
            const mq_node *reduce = mean ? last_mean(mean) : NULL;

            t->x = scaled->inputs[1 - k];
            t->bias = rest->inputs[0];
            t->size = t->x ? mq_value_dim(t->x, -1).value : -1;
            if (reduce && reduce->inputs[0] == t->x && mq_value_dtype(t->x) == MQ_FLOAT && t->size > 0 &&
                is_factor(scaled->inputs[k], mean, t) && is_row_of(t->scale, t->size) && is_row_of(t->bias, t->size))
                return true;
        }
    }
    return false;
}

/* ---- rewriting ----------------------------------------------------------------------------------------------------- */

static mq_status ones(mq_graph *g, int64_t n, mq_value **out, mq_error *err)
{
    float *v = mq_arena_calloc(g->model->arena, (size_t)n, sizeof *v);

    if (!v)
        return mq_oom(err);
    for (int64_t i = 0; i < n; i++)
        v[i] = 1;
    return mq_constant_of(g, "scale", MQ_FLOAT, 1, &n, v, out, err);
}

static mq_status fuse_norm(norm *t, size_t *n_changed, mq_error *err)
{
    mq_graph *g = t->last->graph;
    mq_status rc = MQ_OK;
    mq_node *made;

    if (!t->scale)
        MQ_TRY(ones(g, t->size, &t->scale, err));
    mq_value *const in[] = { t->x, t->scale, t->bias };

    MQ_TRY(mq_pass_insert(t->last, "", t->centered ? "LayerNormalization" : "RMSNormalization", NULL, in, 3, &made, err));
    MQ_TRY(mq_node_set_attr_int(made, "axis", -1, err));
    MQ_TRY(mq_node_set_attr_float(made, "epsilon", (float)t->epsilon, err));
    MQ_TRY(mq_pass_take_over(made, t->last, err));
    ++*n_changed;
done:
    return rc;
}

/* TensorFlow's form becomes the ordinary one, which takes three nodes less: (x - mean) / root * scale + bias. */
static mq_status straighten(norm *t, size_t *n_changed, mq_error *err)
{
    mq_value *const quotient_in[] = { t->centre, t->root };
    mq_value *v, *in[2];
    mq_status rc = MQ_OK;
    mq_node *made;

    MQ_TRY(mq_pass_insert(t->last, "", "Div", NULL, quotient_in, 2, &made, err));
    MQ_TRY(mq_pass_give_output(made, t->last->outputs[0], &v, err));
    in[0] = v;
    in[1] = t->scale;
    MQ_TRY(mq_pass_insert(t->last, "", "Mul", NULL, in, 2, &made, err));
    MQ_TRY(mq_pass_give_output(made, t->last->outputs[0], &v, err));
    in[0] = v;
    in[1] = t->bias;
    MQ_TRY(mq_pass_insert(t->last, "", "Add", NULL, in, 2, &made, err));
    MQ_TRY(mq_pass_take_over(made, t->last, err));
    ++*n_changed;
done:
    return rc;
}

/* ---- with the sum before ------------------------------------------------------------------------------------------- */

static bool adds_same(const mq_node *add)
{
    return add->n_inputs == 2 && add->inputs[0] && add->inputs[1] && mq_same_shape(add->inputs[0], add->inputs[1]) &&
           mq_value_rank(add->inputs[0]) == 3;
}

/* Add -> LayerNormalization. The sum stays as output 3 when others read it. */
static mq_status fuse_skip(mq_node *n, size_t *n_changed, mq_error *err)
{
    mq_node *add = n->n_inputs >= 2 && n->inputs[1] ? mq_pass_producer(n->inputs[0], "Add") : NULL, *made;
    mq_value *sum;
    mq_status rc = MQ_OK;

    if (!add || add->graph != n->graph || !adds_same(add) || mq_value_dtype(n->inputs[0]) != MQ_FLOAT ||
        mq_value_rank(n->inputs[1]) != 1 || mq_node_attr_int(n, "stash_type", 1) != 1)
        return MQ_OK;
    if (mq_node_attr_int(n, "axis", -1) != -1 && mq_node_attr_int(n, "axis", -1) != 2)
        return MQ_OK;
    for (size_t i = 1; i < n->n_outputs; i++)
        if (n->outputs[i])
            return MQ_OK;
    if (!n->outputs[0] || !mq_constant_input(n, 1) || (n->n_inputs > 2 && n->inputs[2] && !mq_constant_input(n, 2)))
        return MQ_OK;
    sum = n->inputs[0];
    mq_value *const in[] = { add->inputs[0], add->inputs[1], n->inputs[1], n->n_inputs > 2 ? n->inputs[2] : NULL };

    /* where Add stood, when others read the sum: they may stand before n */
    mq_node *at = mq_only_reader(sum) ? n : add;

    MQ_TRY(mq_pass_insert(at, "com.microsoft", "SkipLayerNormalization", NULL, in, 4, &made, err));
    MQ_TRY(mq_node_set_attr_float(made, "epsilon", mq_node_attr_float(n, "epsilon", 1e-5f), err));
    if (!mq_only_reader(sum)) {
        MQ_TRY(mq_node_set_output(add, 0, NULL, err));
        for (size_t i = 0; i < SUM_OUTPUT; i++)
            MQ_TRY(mq_node_set_output(made, i, NULL, err));
        MQ_TRY(mq_node_set_output(made, SUM_OUTPUT, sum, err));
        mq_pass_drop(add);
    }
    MQ_TRY(mq_pass_take_over(made, n, err));
    ++*n_changed;
done:
    return rc;
}

/* ---- the pass ------------------------------------------------------------------------------------------------------ */

/* `opset`: of ai.onnx; what needs a newer one stays, or is only straightened. */
static mq_status fuse_all(mq_graph *g, int64_t opset, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        norm t;

        next = n->next;
        if (!read_norm(n, &t) && !read_spread(n, &t))
            continue;
        while (next && (next == t.behind[0] || next == t.behind[1]))
            next = next->next; /* they go too */
        if (opset >= (t.centered ? LAYERNORM_SINCE : RMSNORM_SINCE))
            rc = fuse_norm(&t, n_changed, err);
        else if (t.centre)
            rc = straighten(&t, n_changed, err);
    }
    return rc;
}

static mq_status run_skip(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    (void)ctx;
    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        next = n->next;
        if (mq_node_is(n, "", "LayerNormalization") && n->n_outputs > 0)
            rc = fuse_skip(n, n_changed, err);
    }
    return rc;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    const mq_status rc = fuse_all(g, RMSNORM_SINCE, n_changed, err);

    return rc == MQ_OK ? run_skip(g, ctx, n_changed, err) : rc;
}

static mq_status run_standard(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    (void)ctx;
    return fuse_all(g, mq_opset_of(g, ""), n_changed, err);
}

const mq_pass mq_pass_fuse_layernorm = {
    .name = "fuse-layernorm",
    .summary = "make one operator of normalizations written out, and of the sum before them",
    .run = run,
};

const mq_pass mq_pass_fuse_skip = {
    .name = "fuse-skip", .summary = "make SkipLayerNormalization of a sum and LayerNormalization", .run = run_skip
};

const mq_pass mq_pass_fuse_norm = {
    .name = "fuse-norm",
    .summary = "make one operator of normalizations written out, where the opset has it",
    .run = run_standard,
};
