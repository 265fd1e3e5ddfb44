/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-elementwise: neighbouring element-wise operators on float or double become one walk over memory.
 *   Mul -> Add -> Erf -> Mul ...  =>  mq::ElementwiseChain (ops/chain.h)
 * All members have results of one shape; what comes from outside is broadcast to it. A group grows from its last member
 * towards the inputs. A value that is also read behind the group becomes a further output.
 * Skipped for half types, whose operators round one by one; for values that are outputs of the graph or read by inner
 * graphs, other than the last one; and where images stay in the kernel library's own order, which a chain would end.
 * Numerics: the same operations on each element, bit for bit. */
#include <stdlib.h>

#include "base/bits.h"
#include "base/compiler.h"
#include "ops/chain.h"
#include "passes/pass.h"

#define MAX_LOOK 8    /* steps to look around for images */
#define MAX_READERS 64
#define MAX_OPERANDS 8 /* of Max, Min, Sum */

/* ---- operators ----------------------------------------------------------------------------------------------------- */

typedef struct operator_row {
    const char *domain, *op;
    mq_chain_step step;
    bool ordered; /* the kernel library has it for images in its own order */
    const char *a, *b; /* attributes that are its floats; NULL: none */
    float a_absent, b_absent;
} operator_row;

static const operator_row operators[] = {
    { "", "Abs", MQ_CHAIN_ABS, true },
    { "", "Add", MQ_CHAIN_ADD, true },
    { "", "Ceil", MQ_CHAIN_CEIL },
    { "", "Celu", MQ_CHAIN_CELU, false, "alpha", NULL, 1, 0 },
    { "", "Clip", MQ_CHAIN_CLIP, true },
    { "", "Div", MQ_CHAIN_DIV, true },
    { "", "Elu", MQ_CHAIN_ELU, true, "alpha", NULL, 1, 0 },
    { "", "Equal", MQ_CHAIN_EQUAL },
    { "", "Erf", MQ_CHAIN_ERF },
    { "", "Exp", MQ_CHAIN_EXP },
    { "", "Floor", MQ_CHAIN_FLOOR },
    { "", "Gelu", MQ_CHAIN_GELU },
    { "", "Greater", MQ_CHAIN_GREATER },
    { "", "GreaterOrEqual", MQ_CHAIN_GREATER_OR_EQUAL },
    { "", "HardSigmoid", MQ_CHAIN_HARD_SIGMOID, false, "alpha", "beta", 0.2f, 0.5f },
    { "", "HardSwish", MQ_CHAIN_HARD_SWISH, true },
    { "", "LeakyRelu", MQ_CHAIN_LEAKY_RELU, true, "alpha", NULL, 0.01f, 0 },
    { "", "Less", MQ_CHAIN_LESS },
    { "", "LessOrEqual", MQ_CHAIN_LESS_OR_EQUAL },
    { "", "Log", MQ_CHAIN_LOG },
    { "", "Max", MQ_CHAIN_MAX, true },
    { "", "Min", MQ_CHAIN_MIN, true },
    { "", "Mish", MQ_CHAIN_MISH },
    { "", "Mul", MQ_CHAIN_MUL, true },
    { "", "Neg", MQ_CHAIN_NEG, true },
    { "", "PRelu", MQ_CHAIN_PRELU },
    { "", "Pow", MQ_CHAIN_POW },
    { "", "Reciprocal", MQ_CHAIN_RECIPROCAL },
    { "", "Relu", MQ_CHAIN_RELU, true },
    { "", "Round", MQ_CHAIN_ROUND },
    { "", "Selu", MQ_CHAIN_SELU, false, "alpha", "gamma", 1.67326319217681884765625f, 1.05070102214813232421875f },
    { "", "Sigmoid", MQ_CHAIN_SIGMOID, true },
    { "", "Softplus", MQ_CHAIN_SOFTPLUS },
    { "", "Softsign", MQ_CHAIN_SOFTSIGN },
    { "", "Sqrt", MQ_CHAIN_SQRT, true },
    { "", "Sub", MQ_CHAIN_SUB, true },
    { "", "Sum", MQ_CHAIN_ADD, true },
    { "", "Swish", MQ_CHAIN_SWISH, false, "alpha", NULL, 1, 0 },
    { "", "Tanh", MQ_CHAIN_TANH, true },
    { "", "ThresholdedRelu", MQ_CHAIN_THRESHOLDED_RELU, false, "alpha", NULL, 1, 0 },
    { "", "Where", MQ_CHAIN_WHERE },
    { "com.microsoft", "QuickGelu", MQ_CHAIN_SWISH, false, "alpha", NULL, 1.702f, 0 },
};

static const operator_row *find_operator(const mq_node *n)
{
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (mq_node_is(n, operators[i].domain, operators[i].op))
            return &operators[i];
    return NULL;
}

static bool is_float_alone(mq_chain_step step)
{
    return step >= MQ_CHAIN_CELU && step <= MQ_CHAIN_TANH_GELU;
}

/* Max, Min and Sum have any number of operands and are as many steps less one. */
static bool folds(mq_chain_step step)
{
    return step == MQ_CHAIN_ADD || step == MQ_CHAIN_MAX || step == MQ_CHAIN_MIN;
}

static size_t steps_of(const mq_node *n)
{
    return folds(find_operator(n)->step) ? n->n_inputs - 1 : 1;
}

static bool has_operand_count(const mq_node *n, mq_chain_step step)
{
    if (step < MQ_CHAIN_ADD)
        return n->n_inputs == 1;
    if (folds(step))
        return n->n_inputs >= 2 && n->n_inputs <= MAX_OPERANDS;
    return step < MQ_CHAIN_CLIP ? n->n_inputs == 2 : step == MQ_CHAIN_WHERE ? n->n_inputs == 3 :
                                                                             n->n_inputs >= 1 && n->n_inputs <= 3;
}

static bool attributes_fit(const mq_node *n, mq_chain_step step)
{
    return step != MQ_CHAIN_GELU || !mq_node_attr(n, "approximate") || mq_node_attr_is(n, "approximate", "none") ||
           mq_node_attr_is(n, "approximate", "tanh");
}

/* The type of the chains that n may be in; MQ_UNDEFINED: none. */
static mq_dtype chain_type(const mq_node *n)
{
    const operator_row *row = find_operator(n);
    double number;
    mq_dtype type;

    if (!row || n->n_outputs != 1 || !n->outputs[0] || !has_operand_count(n, row->step) || !attributes_fit(n, row->step) ||
        mq_value_rank(n->outputs[0]) < 0)
        return MQ_UNDEFINED;
    type = mq_value_dtype(n->inputs[row->step == MQ_CHAIN_WHERE]);
    if (type != MQ_FLOAT && !(type == MQ_DOUBLE && !is_float_alone(row->step)))
        return MQ_UNDEFINED;
    for (size_t i = 0; i < n->n_inputs; i++) {
        const bool bound = row->step == MQ_CHAIN_CLIP && i > 0, one = bound || (row->step == MQ_CHAIN_POW && i > 0);

        if (bound && !n->inputs[i])
            continue;
        if (mq_value_dtype(n->inputs[i]) != (row->step == MQ_CHAIN_WHERE && i == 0 ? MQ_BOOL : type) ||
            mq_value_rank(n->inputs[i]) > MQ_MAX_RANK || (one && !mq_constant_number(n->inputs[i], &number)))
            return MQ_UNDEFINED;
    }
    return type;
}

/* ---- images in the library's order --------------------------------------------------------------------------------- */

static bool makes_images(const mq_node *n)
{
    static const char *const ops[] = { "AveragePool", "AveragePoolGrad", "BatchNormGrad", "BatchNormTrain",
                                       "BatchNormalization", "Conv", "ConvGradInput", "ConvTranspose", "FusedConv",
                                       "GlobalAveragePool", "GlobalAveragePoolGrad", "GlobalMaxPool", "LRN", "MaxPool",
                                       "MaxPoolGrad" };

    return mq_node_is_any(n, NULL, ops, MQ_ARRAY_LEN(ops));
}

/* Hands an image on in the order it comes in. */
static bool keeps_images(const mq_node *n)
{
    static const char *const ops[] = { "Concat", "ReluGrad", "Resize" };
    const operator_row *row = find_operator(n);

    return row ? row->ordered : mq_node_is_any(n, NULL, ops, MQ_ARRAY_LEN(ops));
}

static bool comes_as_image(const mq_value *v, int depth)
{
    const mq_node *p = v ? v->producer : NULL;

    if (!p || depth == MAX_LOOK || mq_value_rank(v) < 3 || mq_value_dtype(v) != MQ_FLOAT)
        return false;
    if (makes_images(p))
        return true;
    if (keeps_images(p))
        for (size_t i = 0; i < p->n_inputs && i < MAX_OPERANDS; i++)
            if (comes_as_image(p->inputs[i], depth + 1))
                return true;
    return false;
}

static bool goes_to_images(const mq_value *v, int depth)
{
    for (size_t i = 0; depth < MAX_LOOK && i < v->uses.n && i < MAX_READERS; i++) {
        const mq_node *n = v->uses.items[i].node;

        if (makes_images(n))
            return true;
        if (keeps_images(n) && n->n_outputs && n->outputs[0] && goes_to_images(n->outputs[0], depth + 1))
            return true;
    }
    return false;
}

/* ---- groups -------------------------------------------------------------------------------------------------------- */

typedef struct group {
    mq_node *root; /* the last member */
    mq_node *nodes[MQ_CHAIN_STEPS];
    size_t n, n_steps;
    mq_value *inputs[MQ_CHAIN_INPUTS];
    size_t n_inputs;
    mq_value *outputs[MQ_CHAIN_OUTPUTS]; /* the root's first */
    size_t n_outputs;
} group;

static bool holds(const group *gr, const mq_node *n)
{
    for (size_t i = 0; i < gr->n; i++)
        if (gr->nodes[i] == n)
            return true;
    return false;
}

/* Lists what the members read from outside; false: too much. */
static bool find_inputs(group *gr)
{
    gr->n_inputs = 0;
    for (size_t i = 0; i < gr->n; i++)
        for (size_t k = 0; k < gr->nodes[i]->n_inputs; k++) {
            mq_value *v = gr->nodes[i]->inputs[k];
            size_t at = 0;

            if (!v || (v->producer && holds(gr, v->producer)))
                continue;
            while (at < gr->n_inputs && gr->inputs[at] != v)
                at++;
            if (at == MQ_CHAIN_INPUTS)
                return false;
            gr->inputs[at] = v;
            gr->n_inputs += at == gr->n_inputs;
        }
    return true;
}

/* May v be made where the root stands? *outside: it is read there too. Tags are positions. */
static bool is_read_late(const group *gr, const mq_value *v, bool *outside)
{
    *outside = false;
    if (v->n_output_uses || v->uses.n > MAX_READERS)
        return false;
    for (size_t i = 0; i < v->uses.n; i++) {
        const mq_node *n = v->uses.items[i].node;

        if (holds(gr, n))
            continue;
        if (n->graph != gr->root->graph || n->tag <= gr->root->tag)
            return false;
        *outside = true;
    }
    return true;
}

/* Takes p in when it fits; types are by position. */
static bool absorb(group *gr, mq_node *p, const mq_dtype *types)
{
    bool outside;

    if (p->graph != gr->root->graph || holds(gr, p) || types[p->tag] == MQ_UNDEFINED ||
        types[p->tag] != types[gr->root->tag] || gr->n_steps + steps_of(p) > MQ_CHAIN_STEPS ||
        !mq_same_shape(p->outputs[0], gr->root->outputs[0]) || !is_read_late(gr, p->outputs[0], &outside) ||
        (outside && gr->n_outputs == MQ_CHAIN_OUTPUTS))
        return false;
    gr->nodes[gr->n++] = p;
    if (!find_inputs(gr)) {
        gr->n--;
        return false;
    }
    gr->n_steps += steps_of(p);
    if (outside)
        gr->outputs[gr->n_outputs++] = p->outputs[0];
    return true;
}

/* The group that ends in root, members in the order of the graph. */
static void grow(group *gr, mq_node *root, const mq_dtype *types)
{
    bool grown = true;

    *gr = (group){ .root = root, .nodes = { root }, .n = 1, .n_steps = steps_of(root), .outputs = { root->outputs[0] },
                   .n_outputs = 1 };
    while (grown) {
        grown = false;
        for (size_t i = 0; i < gr->n; i++)
            for (size_t k = 0; k < gr->nodes[i]->n_inputs; k++) {
                const mq_value *v = gr->nodes[i]->inputs[k];

                grown |= v && v->producer && v->producer->tag && absorb(gr, v->producer, types);
            }
    }
    for (size_t i = 1; i < gr->n; i++) {
        mq_node *n = gr->nodes[i];
        size_t at = i;

        for (; at > 0 && gr->nodes[at - 1]->tag > n->tag; at--)
            gr->nodes[at] = gr->nodes[at - 1];
        gr->nodes[at] = n;
    }
}

/* One walk is better than several, unless it takes images out of an order that all its members and their readers like. */
static bool is_worth(group *gr)
{
    bool ordered = true, image = false, on = false;

    if (gr->n < 2 || !find_inputs(gr))
        return false;
    for (size_t i = 0; i < gr->n; i++)
        ordered &= find_operator(gr->nodes[i])->ordered;
    for (size_t i = 0; i < gr->n_inputs; i++)
        image |= comes_as_image(gr->inputs[i], 0);
    for (size_t i = 0; i < gr->n_outputs; i++)
        on |= goes_to_images(gr->outputs[i], 0);
    return !ordered || !image || (gr->n >= 3 && !on);
}

/* ---- the program --------------------------------------------------------------------------------------------------- */

typedef struct program {
    int64_t words[MQ_CHAIN_STEPS * MQ_CHAIN_WORDS];
    size_t n; /* steps */
    int64_t made[MQ_CHAIN_STEPS]; /* the register of each member's result */
} program;

static int64_t register_of(const group *gr, const program *p, const mq_value *v)
{
    if (!v)
        return -1;
    for (size_t i = 0; i < gr->n; i++)
        if (gr->nodes[i]->outputs[0] == v)
            return p->made[i];
    for (size_t i = 0; i < gr->n_inputs; i++)
        if (gr->inputs[i] == v)
            return (int64_t)i;
    return -1;
}

static void add_member(const group *gr, program *p, size_t member)
{
    const mq_node *n = gr->nodes[member];
    const operator_row *row = find_operator(n);
    const bool tanh = row->step == MQ_CHAIN_GELU && mq_node_attr_is(n, "approximate", "tanh");
    const size_t per_step = folds(row->step) ? 2 : n->n_inputs;

    for (size_t i = 0; i < steps_of(n); i++) {
        int64_t *w = &p->words[p->n * MQ_CHAIN_WORDS];

        w[0] = tanh ? MQ_CHAIN_TANH_GELU : row->step;
        for (size_t k = 0; k < 3; k++)
            w[1 + k] = k < per_step ? register_of(gr, p, n->inputs[i + k]) : -1;
        if (i > 0) /* what has been folded so far */
            w[1] = p->made[member];
        w[4] = row->a ? mq_bits_of(mq_node_attr_float(n, row->a, row->a_absent)) : 0;
        w[5] = row->b ? mq_bits_of(mq_node_attr_float(n, row->b, row->b_absent)) : 0;
        p->made[member] = (int64_t)(gr->n_inputs + p->n++);
    }
}

static mq_status take_outputs(group *gr, mq_node *made, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < gr->n_outputs; i++) {
        mq_value *v = gr->outputs[i];

        MQ_TRY(mq_node_set_output(v->producer, v->producer_index, NULL, err));
        MQ_TRY(mq_node_set_output(made, i, v, err));
        mq_pass_keep_type(v);
    }
done:
    return rc;
}

static mq_status replace(group *gr, mq_error *err)
{
    int64_t results[MQ_CHAIN_OUTPUTS];
    program p = { .n = 0 };
    mq_status rc = MQ_OK;
    mq_node *made;

    for (size_t i = 0; i < gr->n; i++)
        add_member(gr, &p, i);
    for (size_t i = 0; i < gr->n_outputs; i++)
        results[i] = register_of(gr, &p, gr->outputs[i]);
    MQ_TRY(mq_pass_insert(gr->root, MQ_CHAIN_DOMAIN, MQ_CHAIN_OP, NULL, gr->inputs, gr->n_inputs, &made, err));
    MQ_TRY(mq_node_set_attr_ints(made, "program", p.words, p.n * MQ_CHAIN_WORDS, err));
    MQ_TRY(mq_node_set_attr_ints(made, "results", results, gr->n_outputs, err));
    MQ_TRY(take_outputs(gr, made, err));
    made->tag = gr->root->tag; /* for groups before it that look at their readers */
    for (size_t i = gr->n; i-- > 0;)
        mq_node_remove(gr->nodes[i]);
done:
    return rc;
}

/* ---- the pass ------------------------------------------------------------------------------------------------------ */

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_node **nodes = mq_pass_positions(g);
    mq_dtype *types = malloc((g->n_nodes + 1) * sizeof *types);
    mq_status rc = nodes && types ? MQ_OK : mq_oom(err);
    size_t n = g->n_nodes;

    (void)ctx;
    for (size_t i = 1; i <= n && rc == MQ_OK; i++)
        types[i] = chain_type(nodes[i]);
    for (; n > 0 && rc == MQ_OK; n--) { /* a position whose node has gone belongs to the chain that stands there */
        group gr;

        if (types[n] == MQ_UNDEFINED || !nodes[n]->graph)
            continue;
        grow(&gr, nodes[n], types);
        if (!is_worth(&gr))
            continue;
        rc = replace(&gr, err);
        types[n] = MQ_UNDEFINED;
        ++*n_changed;
    }
    free(nodes);
    free(types);
    return rc;
}

const mq_pass mq_pass_fuse_elementwise = {
    .name = "fuse-elementwise", .summary = "run neighbouring element-wise operators in one walk over memory", .run = run
};
