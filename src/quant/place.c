/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Two walks decide: forward, which tensors come out of integer operators; backward, which of them an integer operator
 * reads. A carrier is computed on integers when both hold for it. Inner graphs keep float activations. */
#include "quant/place.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "passes/pass.h"
#include "quant/io_type.h"

typedef enum role {
    ROLE_NONE,
    ROLE_PRODUCT,
    ROLE_MOVE,  /* a carrier whose result holds nothing but values of its input (and zeros) */
    ROLE_CARRY, /* one that computes */
    ROLE_ASKED, /* float by itself: integers around it because --op-types names it */
} role;

/* What is decided of one node, numbered by node->tag. */
typedef struct choice {
    role role;
    bool on;
} choice;

enum { FORWARD = 1, BACKWARD = 2 }; /* in value->tag, while the walks go on */

struct placer {
    mq_placement *p;
    const mq_quant_plan *plan;
    mq_quant_filters *filters;
    mq_graph *graph;
    choice *choices;
    mq_value_vec edges; /* inputs and outputs that become integers */
    mq_error *err;
};

/* ---- what a node is ------------------------------------------------------------------------------------------------ */

static bool is_activation(const mq_value *v)
{
    return v && !mq_value_constant(v, true) && mq_value_dtype(v) == MQ_FLOAT;
}

static const mq_quant_item *item_of(const mq_quant_plan *plan, const mq_value *v)
{
    for (size_t i = 0; v && i < plan->items.n; i++)
        if (plan->items.items[i]->value == v)
            return plan->items.items[i];
    return NULL;
}

static bool is_convolution(const mq_node *n)
{
    return mq_node_is(n, "", "Conv") || mq_node_is(n, "", "ConvTranspose");
}

/* ONNX Runtime makes integer products of what stands behind DequantizeLinear, whatever the type; those of 2 bits it then
 * refuses to load. */
static bool has_product(const struct placer *w, const mq_quant_item *it)
{
    const mq_level *level = mq_levels_find(w->plan->levels, it->value->name);

    if (level && level->float_inputs)
        return false;
    return it->stay == MQ_STAY_NOT && it->treatment == MQ_TREAT_DEQUANTIZE && mq_dtype_bits(it->weight.scheme.type) > 2;
}

/* A product whose weight became integers, or has none: MatMul of two activations. */
static bool is_product(const struct placer *w, const mq_node *n)
{
    const mq_quant_item *it;

    if ((!is_convolution(n) && !mq_node_is(n, "", "Gemm") && !mq_node_is(n, "", "MatMul")) || n->n_inputs < 2 ||
        !n->outputs[0])
        return false;
    if (mq_node_is(n, "", "MatMul") && is_activation(n->inputs[0]) && is_activation(n->inputs[1]))
        return !mq_levels_find(w->plan->levels, n->outputs[0]->name);
    for (size_t i = 0; i < 2; i++)
        if ((it = item_of(w->plan, n->inputs[i])))
            return has_product(w, it) && is_activation(n->inputs[1 - i]);
    return false;
}

/* Other modes repeat values. */
static bool pads_with_zeros(const mq_node *n)
{
    double value;

    if (mq_node_attr(n, "mode") && !mq_node_attr_is(n, "mode", "constant"))
        return true;
    return n->n_inputs < 3 || !n->inputs[2] || (mq_constant_number(n->inputs[2], &value) && value == 0);
}

/* Runtimes have integer kernels for few of these, and they lose more than products do. */
static bool is_asked(const struct placer *w, const mq_node *n)
{
    static const char *const names[] = { "Softmax", "LogSoftmax", "LayerNormalization", "RMSNormalization",
                                         "InstanceNormalization", "GroupNormalization", "BatchNormalization",
                                         "LpNormalization", "Sigmoid", "HardSigmoid", "Tanh", "HardSwish", "Gelu", "Elu",
                                         "PRelu", "ReduceMean", "GlobalMaxPool", "Mul", "Sub", "Div" };

    return mq_node_is_any(n, "", names, MQ_ARRAY_LEN(names)) && mq_filters_name_type(w->filters->which, n) &&
           n->outputs[0] &&
           mq_value_dtype(n->outputs[0]) == MQ_FLOAT &&
           (is_activation(n->inputs[0]) || (n->n_inputs > 1 && is_activation(n->inputs[1])));
}

static role role_of(const struct placer *w, const mq_node *n)
{
    static const char *const moves[] = { "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Slice", "Gather",
                                         "DepthToSpace", "SpaceToDepth", "Expand", "Split", "Identity" };
    static const char *const carries[] = { "Add", "Concat", "AveragePool", "GlobalAveragePool", "Relu", "Clip",
                                           "LeakyRelu" };

    if (n->n_inputs == 0 || n->n_outputs == 0)
        return ROLE_NONE;
    if (is_product(w, n))
        return ROLE_PRODUCT;
    if (mq_node_is_any(n, "", moves, MQ_ARRAY_LEN(moves)))
        return ROLE_MOVE;
    if (mq_node_is(n, "", "MaxPool"))
        return n->n_outputs < 2 || !n->outputs[1] ? ROLE_MOVE : ROLE_NONE;
    if (mq_node_is(n, "", "Pad"))
        return pads_with_zeros(n) ? ROLE_MOVE : ROLE_NONE;
    if (mq_node_is(n, "", "Resize"))
        return !mq_node_attr(n, "mode") || mq_node_attr_is(n, "mode", "nearest") ? ROLE_MOVE : ROLE_CARRY;
    if (mq_node_is_any(n, "", carries, MQ_ARRAY_LEN(carries)))
        return ROLE_CARRY;
    return is_asked(w, n) ? ROLE_ASKED : ROLE_NONE;
}

/* Inputs 0 up to this number are what is computed with; behind them lie shapes and parameters. */
static size_t n_data(const mq_node *n)
{
    static const char *const pairs[] = { "Add", "Mul", "Sub", "Div", "MatMul", "Gemm", "Conv", "ConvTranspose" };

    return mq_node_is(n, "", "Concat") ? n->n_inputs : mq_node_is_any(n, "", pairs, MQ_ARRAY_LEN(pairs)) ? 2 : 1;
}

/* Relu, or Clip with constant bounds, when it alone reads v: integer kernels have it as the limit of their range. */
static mq_node *fused_activation(const struct placer *w, const mq_value *v)
{
    mq_node *n = v ? mq_only_reader(v) : NULL;
    double number;

    if (!n || n->graph != v->graph || n->inputs[0] != v || !n->outputs[0] || mq_filters_exclude(w->filters->which, n))
        return NULL;
    if (mq_node_is(n, "", "Relu"))
        return n;
    if (!mq_node_is(n, "", "Clip"))
        return NULL;
    for (size_t i = 1; i < n->n_inputs; i++)
        if (n->inputs[i] && !mq_constant_number(n->inputs[i], &number))
            return NULL;
    return n;
}

/* What the node makes, behind the activation that belongs to it. */
static mq_value *result_of(const struct placer *w, const mq_node *n, size_t i)
{
    mq_value *v = n->outputs[i];
    const role r = w->choices[n->tag].role;
    mq_node *act = r == ROLE_PRODUCT || r == ROLE_CARRY ? fused_activation(w, v) : NULL;

    return act ? act->outputs[0] : v;
}

/* ---- the walks ----------------------------------------------------------------------------------------------------- */

static bool is_fused(const struct placer *w, const mq_node *n)
{
    const mq_node *p = n->n_inputs && n->inputs[0] ? n->inputs[0]->producer : NULL;

    if ((!mq_node_is(n, "", "Relu") && !mq_node_is(n, "", "Clip")) || !p || p->graph != w->graph)
        return false;
    return (w->choices[p->tag].role == ROLE_PRODUCT || w->choices[p->tag].role == ROLE_CARRY) && !is_fused(w, p) &&
           fused_activation(w, n->inputs[0]) == n;
}

static bool from_integers(const mq_node *n)
{
    const size_t count = n_data(n);

    for (size_t i = 0; i < count; i++)
        if (i >= n->n_inputs || !is_activation(n->inputs[i]) || !(n->inputs[i]->tag & FORWARD))
            return false;
    return true;
}

/* Does it take integers even where none come in? */
static bool starts_integers(role r)
{
    return r == ROLE_PRODUCT || r == ROLE_ASKED;
}

static void walk_forward(struct placer *w)
{
    size_t at = 0;

    for (mq_node *n = w->graph->first; n; n = n->next) {
        choice *c = &w->choices[at];
        n->tag = at++;
        c->role = role_of(w, n);
        mq_filters_exclude(w->filters->which, n); /* what is float anyway may be named there */
        if (c->role == ROLE_NONE || !mq_filters_want_node(w->filters->which, n) || is_fused(w, n))
            c->role = ROLE_NONE;
        else
            c->on = starts_integers(c->role) || from_integers(n);
        for (size_t i = 0; c->on && i < n->n_outputs; i++)
            if (n->outputs[i])
                result_of(w, n, i)->tag |= FORWARD;
    }
}

static bool is_wanted(const struct placer *w, const mq_node *n)
{
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] && result_of(w, n, i)->tag & BACKWARD)
            return true;
    return false;
}

static void walk_backward(struct placer *w)
{
    for (mq_node *n = w->graph->last; n; n = n->prev) {
        choice *c = &w->choices[n->tag];
        if (!c->on)
            continue;
        c->on = starts_integers(c->role) || is_wanted(w, n);
        for (size_t i = 0; c->on && i < n_data(n); i++)
            if (is_activation(n->inputs[i]))
                n->inputs[i]->tag |= BACKWARD;
    }
}

/* Does a level say that it stays float? */
static bool is_kept(const struct placer *w, const mq_node *n)
{
    const mq_level *l = n->n_outputs && n->outputs[0] ? mq_levels_find(w->plan->levels, n->outputs[0]->name) : NULL;

    for (size_t i = 0; !l && i < n->n_inputs && i < 2; i++)
        l = item_of(w->plan, n->inputs[i]) ? mq_levels_find(w->plan->levels, n->inputs[i]->name) : NULL;
    return l && (l->float_inputs || l->type == MQ_FLOAT);
}

/* Between the walks and the points, while tags say what integer operators make. */
static mq_status list_raw_inputs(struct placer *w)
{
    mq_arena *a = w->plan->model->arena;

    for (mq_node *n = w->plan->levels ? w->graph->first : NULL; n; n = n->next)
        for (size_t i = 0; i < n->n_inputs && i < 2 && is_kept(w, n); i++) {
            mq_value *v = n->inputs[i];

            if (is_activation(v) && (!v->producer || !(v->tag & FORWARD)) &&
                !mq_vec_push_in(a, &w->p->raw_inputs, ((mq_raw_input){ n, i, v })))
                return mq_oom(w->err);
        }
    return MQ_OK;
}

/* ---- points -------------------------------------------------------------------------------------------------------- */

static void find_bounds(mq_point *pt)
{
    static const char *const unit[] = { "Sigmoid", "Softmax", "HardSigmoid" };
    const mq_node *n = pt->value->producer;
    double lo, hi;

    pt->bound_lo = -INFINITY;
    pt->bound_hi = INFINITY;
    if (!n)
        return;
    if (mq_node_is(n, "", "Relu"))
        pt->bound_lo = 0;
    if (mq_node_is_any(n, "", unit, MQ_ARRAY_LEN(unit)))
        pt->bound_lo = 0, pt->bound_hi = 1;
    if (mq_node_is(n, "", "Tanh"))
        pt->bound_lo = -1, pt->bound_hi = 1;
    if (mq_node_is(n, "", "Clip") && n->n_inputs > 1 && n->inputs[1] && mq_constant_number(n->inputs[1], &lo))
        pt->bound_lo = (float)lo;
    if (mq_node_is(n, "", "Clip") && n->n_inputs > 2 && n->inputs[2] && mq_constant_number(n->inputs[2], &hi))
        pt->bound_hi = (float)hi;
    pt->bound_lo = fminf(pt->bound_lo, pt->bound_hi); /* Clip with min above max gives max */
}

static mq_status add_point(struct placer *w, mq_value *v, const mq_node *reader)
{
    mq_arena *a = w->plan->model->arena;
    mq_point *pt;

    if (v->tag)
        return MQ_OK;
    if (!(pt = mq_arena_alloc(a, sizeof *pt)))
        return mq_oom(w->err);
    *pt = (mq_point){ .value = v, .tail = !reader, .sqnr = NAN,
                      .reader = mq_arena_strdup(a, mq_node_label(reader ? reader : v->producer)) };
    if (!pt->reader || !mq_vec_push_in(a, &w->p->points, pt))
        return mq_oom(w->err);
    find_bounds(pt);
    v->tag = w->p->points.n;
    return MQ_OK;
}

/* A tensor that a float operator reads at the end of a chain of integers is a tail until an integer operator wants it. */
static mq_status want_point(struct placer *w, mq_value *v, const mq_node *reader)
{
    mq_point *pt = mq_placement_find(w->p, v);

    if (pt && pt->tail) {
        pt->tail = false;
        if (!(pt->reader = mq_arena_strdup(w->plan->model->arena, mq_node_label(reader))))
            return mq_oom(w->err);
    }
    return add_point(w, v, reader);
}

static mq_status add_points_of(struct placer *w, const mq_node *n)
{
    const choice *c = &w->choices[n->tag];
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n_data(n); i++)
        if (is_activation(n->inputs[i]))
            MQ_TRY(want_point(w, n->inputs[i], n));
    if ((c->role == ROLE_PRODUCT && is_convolution(n)) || c->role == ROLE_ASKED)
        MQ_TRY(add_point(w, result_of(w, n, 0), NULL));
done:
    return rc;
}

/* ONNX Runtime (1.31) puts a QuantizeLinear of its own behind what only moves values, so that DequantizeLinear stands behind
 * it, too. On x86 it then makes int8 uint8, all but the attribute output_dtype, which that one has from opset 21 on, and the
 * model does not load. Where there is a pair already it adds none; moving integers loses nothing. */
static bool needs_pair(const struct placer *w, const mq_node *n)
{
    static const char *const moved[] = { "MaxPool", "Reshape", "Slice", "Squeeze", "Transpose", "Unsqueeze" };

    return !w->choices[n->tag].on && w->choices[n->tag].role == ROLE_MOVE && n->outputs[0] &&
           mq_dtype_from_name(w->plan->opts->act_type) == MQ_INT8 && mq_opset_of(w->graph, "") >= 21 &&
           mq_node_is_any(n, "", moved, MQ_ARRAY_LEN(moved)) && mq_placement_find(w->p, n->inputs[0]);
}

static mq_status add_pairs(struct placer *w)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = w->graph->first; n && rc == MQ_OK; n = n->next)
        if (needs_pair(w, n)) {
            w->choices[n->tag].on = true;
            rc = add_point(w, n->outputs[0], NULL);
        }
    return rc;
}

/* The result of what only moves values has the scale of its input. */
static void share_scales(struct placer *w)
{
    for (mq_node *n = w->graph->first; n; n = n->next) {
        mq_point *from = w->choices[n->tag].on && w->choices[n->tag].role == ROLE_MOVE ?
                             mq_placement_find(w->p, n->inputs[0]) : NULL;
        for (size_t i = 0; from && i < n->n_outputs; i++) {
            mq_point *to = n->outputs[i] ? mq_placement_find(w->p, n->outputs[i]) : NULL;
            if (to)
                mq_point_join(to, from);
        }
    }
}

static mq_status push_bias(struct placer *w, mq_node *n, size_t at, mq_quant_item *it, const mq_value *data)
{
    const mq_tensor *t = mq_value_constant(n->inputs[at], false);
    const mq_bias b = { .node = n, .index = at, .item = it, .input = mq_placement_find(w->p, data) };

    if (!t || t->dtype != MQ_FLOAT || !is_activation(data))
        return MQ_OK;
    return mq_vec_push_in(w->plan->model->arena, &w->p->biases, b) ? MQ_OK : mq_oom(w->err);
}

/* ONNX Runtime takes MatMul and Add of a vector for a Gemm, which it computes with integers only where the weight has zero
 * points, and where either integers are made of the result or the bias is of integers too: else it would multiply floats. */
static mq_status become_gemm(struct placer *w, const mq_node *n)
{
    mq_quant_item *it = (mq_quant_item *)item_of(w->plan, n->inputs[1]);
    mq_node *add = mq_only_reader(n->outputs[0]);
    const mq_node *act;
    const mq_tensor *t;
    size_t at;

    if (!mq_node_is(n, "", "MatMul") || !it || it->all_zero_points || mq_dtype_bits(it->weight.scheme.type) != 8 ||
        mq_value_rank(n->inputs[0]) != 2 || it->weight.source.n_dims != 2 || !add || !mq_node_is(add, "", "Add") ||
        !it->weight.scheme.symmetric || mq_scheme_middle(&it->weight.scheme))
        return MQ_OK;
    at = add->inputs[0] == n->outputs[0];
    t = mq_constant_input(add, at);
    act = fused_activation(w, add->outputs[0]);
    if (!t || t->n_dims != 1 || t->dims[0] != it->weight.source.dims[1])
        return MQ_OK;
    it->all_zero_points = true;
    it->bytes_after += mq_weight_zero_point_bytes(&it->weight);
    return mq_placement_find(w->p, act ? act->outputs[0] : add->outputs[0]) ? MQ_OK
                                                                              : push_bias(w, add, at, it, n->inputs[0]);
}

static mq_status add_bias(struct placer *w, mq_node *n)
{
    mq_quant_item *it = (mq_quant_item *)item_of(w->plan, n->inputs[1]);

    if (mq_node_is(n, "", "MatMul"))
        return become_gemm(w, n);
    if (n->n_inputs < 3 || !n->inputs[2] || !it ||
        (mq_node_is(n, "", "Gemm") && (mq_node_attr_float(n, "alpha", 1) != 1 || mq_node_attr_float(n, "beta", 1) != 1)))
        return MQ_OK;
    return push_bias(w, n, 2, it, n->inputs[0]);
}

static mq_status add_edges(struct placer *w)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < w->edges.n; i++) {
        mq_value *v = w->edges.items[i];
        MQ_TRY(add_point(w, v, v->producer ? NULL : v->uses.items[0].node));
        mq_placement_find(w->p, v)->edge = true;
    }
done:
    return rc;
}

static mq_status collect(struct placer *w)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < w->graph->values.n; i++)
        w->graph->values.items[i]->tag = 0;
    for (mq_node *n = w->graph->first; n; n = n->next)
        if (w->choices[n->tag].on)
            MQ_TRY(add_points_of(w, n));
    MQ_TRY(add_edges(w));
    MQ_TRY(add_pairs(w));
    share_scales(w);
    for (mq_node *n = w->graph->first; n; n = n->next) {
        const choice *c = &w->choices[n->tag];
        if (!c->on)
            continue;
        w->p->n_carriers += c->role != ROLE_PRODUCT;
        if (c->role == ROLE_PRODUCT) {
            MQ_TRY(add_bias(w, n));
            if (!mq_vec_push_in(w->plan->model->arena, &w->p->products, n))
                MQ_TRY(mq_oom(w->err));
        }
        if (mq_node_is(n, "", "Concat") && !mq_vec_push_in(w->plan->model->arena, &w->p->concats, n))
            rc = mq_oom(w->err);
    }
done:
    return rc;
}

/* Only the main graph is watched during calibration: what a body computes depends on which run of it one sees. */
static void count_inner(struct placer *w)
{
    const mq_model *m = w->plan->model;

    for (size_t i = 0; i < m->graphs.n; i++) {
        const mq_graph *g = m->graphs.items[i], *top = g;
        while (top->parent)
            top = top->parent;
        for (const mq_node *n = g->first; n && top == w->graph && g != w->graph; n = n->next) {
            if (!is_product(w, n))
                continue;
            w->p->inner = w->p->inner ? w->p->inner : mq_node_label(n);
            w->p->n_inner++;
        }
    }
}

mq_status mq_placement_choose(mq_placement *p, const mq_quant_plan *plan, mq_quant_filters *filters, mq_error *err)
{
    struct placer w = { .p = p, .plan = plan, .filters = filters, .graph = plan->model->graph, .err = err };
    mq_status rc;

    *p = (mq_placement){ 0 };
    if (!w.graph)
        return MQ_OK;
    if ((rc = mq_io_types_find(plan->opts, w.graph, &w.edges, err)) != MQ_OK)
        return rc;
    if (!(w.choices = calloc(w.graph->n_nodes + 1, sizeof *w.choices)))
        return mq_oom(err);
    for (size_t i = 0; i < w.graph->values.n; i++)
        w.graph->values.items[i]->tag = 0;
    for (size_t i = 0; i < w.graph->inputs.n; i++)
        w.graph->inputs.items[i]->tag = FORWARD; /* integers from the start cost nothing */
    count_inner(&w);
    for (size_t i = 0; i < w.edges.n; i++)
        w.edges.items[i]->tag |= BACKWARD;
    walk_forward(&w);
    walk_backward(&w);
    if ((rc = list_raw_inputs(&w)) == MQ_OK)
        rc = collect(&w);
    free(w.choices);
    return rc;
}

mq_point *mq_placement_find(const mq_placement *p, const mq_value *v)
{
    return v->tag && v->tag <= p->points.n && p->points.items[v->tag - 1]->value == v ? p->points.items[v->tag - 1] : NULL;
}

mq_point *mq_point_root(mq_point *p)
{
    while (p->same)
        p = p->same;
    return p;
}

void mq_point_join(mq_point *p, mq_point *with)
{
    mq_point *a = mq_point_root(p), *b = mq_point_root(with);

    if (a == b)
        return;
    a->same = b;
    b->n_others += 1 + a->n_others;
}
