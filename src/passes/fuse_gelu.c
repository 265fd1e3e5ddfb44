/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-gelu: activations that exporters write out in elementary operators become one.
 *   0.5 * x * (1 + Erf(x / sqrt(2)))                               =>  Gelu
 *   0.5 * x * (1 + Tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))      =>  Gelu, approximate = tanh
 *   x * Sigmoid(a * x)                                             =>  Swish
 *   x * HardSigmoid(x) with a sixth and a half, x * Clip(x + 3, 0, 6) / 6  =>  HardSwish
 * A product is read as a whole: factors in any order, in any nesting of Mul and Div, constants anywhere.
 * Skipped when what is inside has another reader or is an output, and when a constant is more than 1e-4 off.
 * Numerics: the same function; roundings between are fewer, and constants become exact. */
#include <math.h>
#include <string.h>

#include "passes/pass.h"

#define MAX_FACTORS 8
#define MAX_NESTING 8

/* A product: a number times values, each counted as often as it is a factor. */
typedef struct product {
    double number;
    mq_value *factors[MAX_FACTORS];
    size_t n;
} product;

static bool near(double got, double want)
{
    return fabs(got - want) <= 1e-4 * fabs(want);
}

/* The node that makes v for nobody but its reader. */
static mq_node *inner(const mq_value *v, const char *op)
{
    return mq_pass_only_producer(v, op);
}

static bool multiply(mq_value *v, int depth, product *p);

static bool multiply_by(mq_node *n, int depth, product *p)
{
    double x;

    if (n->n_inputs != 2 || !n->inputs[0] || !n->inputs[1])
        return false;
    if (mq_node_is(n, "", "Mul"))
        return multiply(n->inputs[0], depth, p) && multiply(n->inputs[1], depth, p);
    if (!mq_constant_number(n->inputs[1], &x) || x == 0)
        return false;
    p->number /= x;
    return multiply(n->inputs[0], depth, p);
}

/* x * x is one node whose input has two uses: a power of two. */
static bool multiply(mq_value *v, int depth, product *p)
{
    mq_node *n;
    double x;

    if (mq_constant_number(v, &x)) {
        p->number *= x;
        return true;
    }
    n = inner(v, "Mul");
    n = n ? n : inner(v, "Div");
    if (n && depth < MAX_NESTING) {
        product saved = *p;

        if (multiply_by(n, depth + 1, p))
            return true;
        *p = saved;
    }
    n = inner(v, "Pow");
    if (n && n->n_inputs == 2 && mq_constant_number(n->inputs[1], &x) && (x == 2 || x == 3) &&
        p->n + (size_t)x <= MAX_FACTORS) {
        for (int i = 0; i < (int)x; i++)
            p->factors[p->n++] = n->inputs[0];
        return true;
    }
    if (p->n == MAX_FACTORS)
        return false;
    p->factors[p->n++] = v;
    return true;
}

/* The product that ends in node n. */
static bool read_product(mq_node *n, product *p)
{
    *p = (product){ .number = 1 };
    return multiply_by(n, 0, p);
}

static bool read_value(mq_value *v, product *p)
{
    *p = (product){ .number = 1 };
    return multiply(v, 0, p);
}

/* Is v a constant times x, as often as `power` says? */
static bool is_multiple(mq_value *v, const mq_value *x, size_t power, double *number)
{
    product p;

    if (!read_value(v, &p) || p.n != power)
        return false;
    for (size_t i = 0; i < p.n; i++)
        if (p.factors[i] != x)
            return false;
    *number = p.number;
    return true;
}

/* v = number + other, for an Add that nobody else reads. */
static mq_value *added_to(const mq_value *v, double number)
{
    const mq_node *n = inner(v, "Add");
    double x;

    for (size_t i = 0; n && n->n_inputs == 2 && i < 2; i++)
        if (n->inputs[i] && mq_constant_number(n->inputs[i], &x) && near(x, number))
            return n->inputs[1 - i];
    return NULL;
}

/* sqrt(2 / pi) * (x + 0.044715 * x^3), or the same with x outside: x * (1 + 0.044715 * x^2). */
static bool is_tanh_argument(mq_value *v, const mq_value *x)
{
    mq_value *rest;
    const mq_node *add;
    double k;
    product p;

    if (!read_value(v, &p) || !near(p.number, sqrt(2 / M_PI)))
        return false;
    if (p.n == 2) {
        if (p.factors[0] != x && p.factors[1] != x)
            return false;
        rest = added_to(p.factors[p.factors[0] == x ? 1 : 0], 1);
        return rest && is_multiple(rest, x, 2, &k) && near(k, 0.044715);
    }
    add = p.n == 1 ? inner(p.factors[0], "Add") : NULL;
    if (!add || add->n_inputs != 2 || (add->inputs[0] != x && add->inputs[1] != x))
        return false;
    rest = add->inputs[add->inputs[0] == x ? 1 : 0];
    return rest && is_multiple(rest, x, 3, &k) && near(k, 0.044715);
}

/* What the other factor beside x makes of the product. */
static const char *gate(const product *p, mq_value *x, mq_value *other, double *alpha, bool *with_tanh)
{
    mq_value *one = added_to(other, 1), *sum;
    mq_node *n;
    double low, high;

    if (near(p->number, 0.5) && one && (n = inner(one, "Erf")) && is_multiple(n->inputs[0], x, 1, alpha) &&
        near(*alpha, M_SQRT1_2))
        return "Gelu";
    *with_tanh = true;
    if (near(p->number, 0.5) && one && (n = inner(one, "Tanh")) && is_tanh_argument(n->inputs[0], x))
        return "Gelu";
    *with_tanh = false;
    if (p->number == 1 && (n = inner(other, "Sigmoid")) && is_multiple(n->inputs[0], x, 1, alpha))
        return "Swish";
    if (p->number == 1 && (n = inner(other, "HardSigmoid")) && n->inputs[0] == x &&
        near((double)mq_node_attr_float(n, "alpha", 0.2f), 1.0 / 6) &&
        near((double)mq_node_attr_float(n, "beta", 0.5f), 0.5))
        return "HardSwish";
    if (near(p->number, 1.0 / 6) && (n = inner(other, "Clip")) && n->n_inputs == 3 && n->inputs[1] && n->inputs[2] &&
        mq_constant_number(n->inputs[1], &low) && mq_constant_number(n->inputs[2], &high) && low == 0 && high == 6 &&
        (sum = added_to(n->inputs[0], 3)) == x)
        return "HardSwish";
    return NULL;
}

/* The first opset of ai.onnx that has it. */
static int64_t since(const char *op)
{
    return strcmp(op, "HardSwish") == 0 ? 14 : strcmp(op, "Gelu") == 0 ? 20 : 24;
}

/* Runtimes have these in float; in a file other types stay as they are. */
static bool is_runnable(const mq_value *x, int64_t opset)
{
    return opset == INT64_MAX || mq_value_dtype(x) == MQ_FLOAT;
}

static mq_status fuse(mq_node *n, int64_t opset, size_t *n_changed, mq_error *err)
{
    const char *op = NULL;
    bool with_tanh = false;
    double alpha = 1;
    mq_status rc = MQ_OK;
    mq_node *made;
    mq_value *x;
    product p;

    if (!read_product(n, &p) || p.n != 2)
        return MQ_OK;
    for (size_t i = 0; i < 2 && !op; i++) {
        x = p.factors[i];
        op = gate(&p, x, p.factors[1 - i], &alpha, &with_tanh);
    }
    if (!op || opset < since(op) || !is_runnable(x, opset) || !mq_same_shape(x, n->outputs[0]))
        return MQ_OK;
    MQ_TRY(mq_pass_insert(n, "", op, NULL, &x, 1, &made, err));
    if (with_tanh)
        MQ_TRY(mq_node_set_attr_string(made, "approximate", "tanh", err));
    if (strcmp(op, "Swish") == 0)
        MQ_TRY(mq_node_set_attr_float(made, "alpha", (float)alpha, err));
    MQ_TRY(mq_pass_take_over(made, n, err));
    ++*n_changed;
done:
    return rc;
}

static mq_status fuse_all(mq_graph *g, int64_t opset, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        next = n->next;
        if ((mq_node_is(n, "", "Mul") || mq_node_is(n, "", "Div")) && n->n_outputs == 1 && n->outputs[0])
            rc = fuse(n, opset, n_changed, err);
    }
    return rc;
}

/* The engine's copy has every operator. */
static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    (void)ctx;
    return fuse_all(g, INT64_MAX, n_changed, err);
}

static mq_status run_standard(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    (void)ctx;
    return fuse_all(g, mq_opset_of(g, ""), n_changed, err);
}

const mq_pass mq_pass_fuse_gelu = {
    .name = "fuse-gelu", .summary = "make one operator of Gelu, Swish and HardSwish written out", .run = run
};

const mq_pass mq_pass_fuse_gate = {
    .name = "fuse-gate",
    .summary = "make one operator of Gelu, Swish and HardSwish, where the opset has it",
    .run = run_standard,
};
