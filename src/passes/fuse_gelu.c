/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-gelu: activations that exporters write out in elementary operators become one.
 *   0.5 * x * (1 + Erf(x / sqrt(2)))                               =>  Gelu
 *   0.5 * x * (1 + Tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))      =>  Gelu, approximate = tanh
 *   x * Sigmoid(a * x)                                             =>  Swish
 *   a * Clip(k * x + b, 0, 1 / a), Min and Max for Clip            =>  HardSigmoid
 *   x * HardSigmoid(x) with a sixth and a half, x * Clip(x + 3, 0, 6) / 6  =>  HardSwish
 *   Log(1 + Exp(x))                                                =>  Softplus
 *   x * Tanh(Softplus(x))                                          =>  Mish
 * In a file (for_file) Gelu and Swish that the opset does not have become ONNX Runtime's Gelu, FastGelu and QuickGelu.
 * A product is read as a whole: factors in any order, in any nesting of Mul and Div, constants anywhere.
 * Skipped when what is inside has another reader or is an output, and when a constant is more than 1e-4 off.
 * Numerics: the same function; roundings between are fewer, and constants become exact. Softplus of what Exp makes infinite
 * is finite. */
#include <math.h>

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

/* ---- bounds -------------------------------------------------------------------------------------------------------- */

/* Both bounds of a Clip, which were attributes before opset 11. */
static bool read_clip(const mq_node *n, double *low, double *high)
{
    if (n->n_inputs == 3)
        return n->inputs[1] && n->inputs[2] && mq_constant_number(n->inputs[1], low) &&
               mq_constant_number(n->inputs[2], high);
    *low = (double)mq_node_attr_float(n, "min", -INFINITY);
    *high = (double)mq_node_attr_float(n, "max", INFINITY);
    return n->n_inputs == 1 && isfinite(*low) && isfinite(*high);
}

/* v against a number, by Min or Max: the other side. */
static mq_value *bounded(const mq_node *n, double *bound)
{
    for (size_t i = 0; n && n->n_inputs == 2 && i < 2; i++)
        if (n->inputs[i] && n->inputs[1 - i] && mq_constant_number(n->inputs[i], bound))
            return n->inputs[1 - i];
    return NULL;
}

/* n keeps a value between 0 and *high: that value; NULL: it does not. */
static mq_value *clamped(const mq_node *n, double *high)
{
    const bool is_min = mq_node_is(n, "", "Min");
    const mq_node *before;
    mq_value *v;
    double low = 0;

    if (mq_node_is(n, "", "Clip"))
        return read_clip(n, &low, high) && low == 0 ? n->inputs[0] : NULL;
    if (!is_min && !mq_node_is(n, "", "Max"))
        return NULL;
    if (!(v = bounded(n, is_min ? high : &low)))
        return NULL;
    if (is_min && (before = inner(v, "Relu")))
        return before->inputs[0];
    v = bounded(inner(v, is_min ? "Max" : "Min"), is_min ? &low : high);
    return low == 0 ? v : NULL;
}

/* The node that makes v for nobody but its reader, when it can be asked for bounds. */
static const mq_node *clamp_of(const mq_value *v)
{
    const mq_node *n = inner(v, "Clip");

    n = n ? n : inner(v, "Min");
    return n ? n : inner(v, "Max");
}

/* v = k * x + b, in one of its spellings; without an Add b is 0. */
static mq_value *read_line(mq_value *v, double *k, double *b)
{
    const mq_node *n = inner(v, "Add");
    product p;

    *b = 0;
    for (size_t i = 0; n && n->n_inputs == 2 && i < 2; i++)
        if (n->inputs[1 - i] && mq_constant_number(n->inputs[i], b)) {
            v = n->inputs[1 - i];
            break;
        }
    *k = 1;
    if (!read_value(v, &p) || p.n != 1)
        return v;
    *k = p.number;
    return p.factors[0];
}

/* ---- activations --------------------------------------------------------------------------------------------------- */

/* What a file may get: from which opset on, and whether only by fuse-smooth, because runtimes take longer for it. */
typedef struct kind {
    const char *op;
    int64_t since;
    bool slow;
} kind;

enum { GELU, HARD_SIGMOID, HARD_SWISH, MISH, SOFTPLUS, SWISH, NOTHING };

static const kind kinds[] = {
    [GELU] = { "Gelu", 20, false },
    [HARD_SIGMOID] = { "HardSigmoid", 6, false },
    [HARD_SWISH] = { "HardSwish", 14, false },
    [MISH] = { "Mish", 18, false },
    [SOFTPLUS] = { "Softplus", 1, true }, /* ONNX Runtime 1.31 computes it one element at a time */
    [SWISH] = { "Swish", 24, true },     /* it has no kernel for it, but one for Sigmoid and Mul together */
};

typedef struct activation {
    int kind;
    mq_value *x;
    bool with_tanh;      /* Gelu */
    double alpha, beta;  /* Swish, HardSigmoid */
} activation;

static bool is_hard_sigmoid(const mq_node *n, const mq_value *x)
{
    return n && n->inputs[0] == x && near((double)mq_node_attr_float(n, "alpha", 0.2f), 1.0 / 6) &&
           near((double)mq_node_attr_float(n, "beta", 0.5f), 0.5);
}

/* What the factor `other` beside a->x makes of a product times `number`. */
static int gate(double number, mq_value *other, activation *a)
{
    mq_value *one = near(number, 0.5) ? added_to(other, 1) : NULL, *x = a->x;
    const mq_node *n;
    double high;

    if (one && (n = inner(one, "Erf")) && is_multiple(n->inputs[0], x, 1, &a->alpha) && near(a->alpha, M_SQRT1_2))
        return GELU;
    if (one && (n = inner(one, "Tanh")) && is_tanh_argument(n->inputs[0], x)) {
        a->with_tanh = true;
        return GELU;
    }
    if (number == 1 && (n = inner(other, "Sigmoid")) && is_multiple(n->inputs[0], x, 1, &a->alpha))
        return SWISH;
    if (number == 1 && is_hard_sigmoid(inner(other, "HardSigmoid"), x))
        return HARD_SWISH;
    if (number == 1 && (n = inner(other, "Tanh")) && (n = inner(n->inputs[0], "Softplus")) && n->inputs[0] == x)
        return MISH;
    if (near(number, 1.0 / 6) && (n = clamp_of(other)) && (other = clamped(n, &high)) && high == 6 &&
        added_to(other, 3) == x)
        return HARD_SWISH;
    return NOTHING;
}

/* number * Clip(k * x + b, 0, high), where the product is no more than 1. */
static int ramp(double number, const mq_node *clamp, activation *a)
{
    double high;
    mq_value *v = clamp ? clamped(clamp, &high) : NULL;

    if (!v || !near(number * high, 1))
        return NOTHING;
    a->x = read_line(v, &a->alpha, &a->beta);
    a->alpha *= number;
    a->beta *= number;
    return a->alpha == 1 && a->beta == 0 ? NOTHING : HARD_SIGMOID; /* bounds alone are what Clip is for */
}

/* The activation that ends in n. */
static void read_activation(mq_node *n, activation *a)
{
    product p;

    *a = (activation){ .kind = NOTHING, .alpha = 1 };
    if (mq_node_is(n, "", "Log")) {
        mq_value *sum = added_to(n->inputs[0], 1);
        const mq_node *e = sum ? inner(sum, "Exp") : NULL;

        a->x = e ? e->inputs[0] : NULL;
        a->kind = e ? SOFTPLUS : NOTHING;
    } else if (!mq_node_is(n, "", "Mul") && !mq_node_is(n, "", "Div")) {
        a->kind = ramp(1, n, a);
    } else if (!read_product(n, &p)) {
        return;
    } else if (p.n == 1) {
        a->kind = ramp(p.number, clamp_of(p.factors[0]), a);
    } else if (p.n == 2) {
        for (size_t i = 0; i < 2 && a->kind == NOTHING; i++) {
            a->x = p.factors[i];
            a->kind = gate(p.number, p.factors[1 - i], a);
        }
    }
}

/* ---- rewriting ----------------------------------------------------------------------------------------------------- */

/* What the graph may get; opset INT64_MAX: the engine's copy has every operator, in every type. */
typedef struct range {
    int64_t opset;
    bool slow;
    bool contrib; /* what the opset lacks may be ONNX Runtime's */
} range;

static bool is_standard(const activation *a, const range *r)
{
    return r->opset >= kinds[a->kind].since && (r->opset == INT64_MAX || kinds[a->kind].slow == r->slow);
}

/* The operator of com.microsoft; NULL: there is none. */
static const char *contrib_name(const activation *a)
{
    if (a->kind == GELU)
        return a->with_tanh ? "FastGelu" : "Gelu";
    return a->kind == SWISH ? "QuickGelu" : NULL;
}

static bool wanted(const activation *a, const range *r, const mq_node *n)
{
    const bool all = r->opset == INT64_MAX;

    if (a->kind == NOTHING || (!is_standard(a, r) && !(r->contrib && contrib_name(a))))
        return false;
    /* runtimes have these in float; in a file other types stay as they are */
    if (all ? !mq_dtype_is_float(mq_value_dtype(a->x)) : mq_value_dtype(a->x) != MQ_FLOAT)
        return false;
    return mq_same_shape(a->x, n->outputs[0]);
}

static mq_status fuse(mq_node *n, const range *r, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_node *made;
    activation a;

    read_activation(n, &a);
    if (!wanted(&a, r, n))
        return MQ_OK;
    const bool standard = is_standard(&a, r);

    MQ_TRY(mq_pass_insert(n, standard ? "" : "com.microsoft", standard ? kinds[a.kind].op : contrib_name(&a), NULL, &a.x, 1,
                          &made, err));
    if (a.with_tanh && standard)
        MQ_TRY(mq_node_set_attr_string(made, "approximate", "tanh", err));
    if (a.kind == SWISH || a.kind == HARD_SIGMOID)
        MQ_TRY(mq_node_set_attr_float(made, "alpha", (float)a.alpha, err));
    if (a.kind == HARD_SIGMOID)
        MQ_TRY(mq_node_set_attr_float(made, "beta", (float)a.beta, err));
    MQ_TRY(mq_pass_take_over(made, n, err));
    ++*n_changed;
done:
    return rc;
}

static mq_status fuse_all(mq_graph *g, const range *r, size_t *n_changed, mq_error *err)
{
    static const char *const ends[] = { "Clip", "Div", "Log", "Max", "Min", "Mul" };
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        next = n->next;
        if (n->n_outputs == 1 && n->outputs[0] && n->n_inputs && n->inputs[0] &&
            mq_node_is_any(n, "", ends, sizeof ends / sizeof *ends))
            rc = fuse(n, r, n_changed, err);
    }
    return rc;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    const range engine = { .opset = INT64_MAX }, file = { .opset = mq_opset_of(g, ""), .contrib = true };

    return fuse_all(g, ctx->for_file ? &file : &engine, n_changed, err);
}

static mq_status run_standard(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    (void)ctx;
    return fuse_all(g, &(range){ .opset = mq_opset_of(g, "") }, n_changed, err);
}

static mq_status run_slow(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    (void)ctx;
    return fuse_all(g, &(range){ .opset = mq_opset_of(g, ""), .slow = true }, n_changed, err);
}

const mq_pass mq_pass_fuse_gelu = {
    .name = "fuse-gelu", .summary = "make one operator of activations written out", .run = run
};

const mq_pass mq_pass_fuse_gate = {
    .name = "fuse-gate",
    .summary = "make one operator of activations written out, where the opset has it",
    .run = run_standard,
};

const mq_pass mq_pass_fuse_smooth = {
    .name = "fuse-smooth",
    .summary = "make one operator of Swish (opset 24) and Softplus written out",
    .run = run_slow,
};
