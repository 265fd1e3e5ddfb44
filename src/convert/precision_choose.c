/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which nodes compute in the new type. Nodes are looked at in the order of the graph, graphs inside at the node that holds
 * them: what makes a value has been decided before what reads it. */
#include <math.h>
#include <string.h>

#include "convert/precision_parts.h"
#include "ops/ops.h"

#define LEAST_SQNR 40 /* a constant that would lose more than that stays, dB */

/* Sums over long rows, random numbers, and scales of quantization: the new type is too short for them. What reads bits as
 * another type depends on theirs, and runtimes that write MeanVarianceNormalization out do it in float. */
static const char *const never[] = {
    "Bernoulli",        "BitCast",
    "CumProd",          "CumSum",
    "DequantizeLinear", "DynamicQuantizeLinear",
    "MeanVarianceNormalization", "Multinomial",
    "QuantizeLinear",   "RandomNormal",
    "RandomNormalLike", "RandomUniform",
    "RandomUniformLike", "Range",
};

/* What gives the values that it gets: it follows what made them. */
static const char *const moving[] = {
    "Expand", "Flatten", "Gather",    "GatherElements", "GatherND", "Identity",  "Reshape",
    "Slice",  "Split",   "Squeeze",   "Tile",           "Transpose", "Unsqueeze",
};

/* What can hand on values beyond the range of the new type. */
static const char *const passing[] = {
    "Add", "Cast", "Concat", "Div", "Max", "Min", "Mul", "Neg", "Pad", "Sub", "Where",
};

static bool is_one_of(const mq_node *n, const char *const *names, size_t count)
{
    for (size_t i = 0; !*mq_domain_norm(n->domain) && i < count; i++)
        if (strcmp(n->op_type, names[i]) == 0)
            return true;
    return false;
}

#define IS_ONE_OF(n, list) is_one_of(n, list, sizeof(list) / sizeof *(list))

bool mq_precision_is_float(const mq_value *v)
{
    const mq_tensor *t = v ? mq_value_constant(v, false) : NULL;

    if (!v)
        return false;
    if (t)
        return t->dtype == MQ_FLOAT;
    return v->type && v->type->kind == MQ_TYPE_TENSOR && v->type->dtype == MQ_FLOAT;
}

static bool takes_type(const mq_op_param *p, mq_dtype to)
{
    return p && p->types >> to & 1;
}

bool mq_precision_input_follows(const mq_node *n, size_t i, mq_dtype to)
{
    const mq_op_schema *s = mq_node_schema(n);

    return s && mq_precision_is_float(n->inputs[i]) && takes_type(mq_schema_input(s, i), to);
}

bool mq_precision_output_follows(const mq_node *n, size_t i, mq_dtype to)
{
    const mq_op_schema *s = mq_node_schema(n);

    return s && n->outputs[i] && mq_precision_is_float(n->outputs[i]) && takes_type(mq_schema_output(s, i), to);
}

/* ---- types: can the operator compute in it? ----------------------------------------------------------------------- */

/* Does a type variable that changes stand at this parameter, too? */
static bool shares_var(const mq_node *n, const mq_op_schema *s, int var, mq_dtype to)
{
    for (size_t k = 0; var >= 0 && k < n->n_inputs; k++) {
        const mq_op_param *p = mq_schema_input(s, k);

        if (p && p->var == var && n->inputs[k] && mq_precision_input_follows(n, k, to))
            return true;
    }
    return false;
}

/* An output of floats becomes the new type only with an input, or by the attribute of Cast. */
static bool outputs_follow(const mq_node *n, const mq_op_schema *s, mq_dtype to)
{
    for (size_t i = 0; i < n->n_outputs; i++) {
        const mq_op_param *p = mq_schema_output(s, i);

        if (!n->outputs[i] || !mq_precision_is_float(n->outputs[i]))
            continue;
        if (!takes_type(p, to) || (!shares_var(n, s, p->var, to) && !mq_node_is(n, "", "Cast")))
            return false;
    }
    return true;
}

static bool inputs_follow(const mq_node *n, const mq_op_schema *s, mq_dtype to)
{
    for (size_t i = 0; i < n->n_inputs; i++) {
        const mq_op_param *p = mq_schema_input(s, i);

        if (mq_precision_is_float(n->inputs[i]) && !takes_type(p, to) && p && shares_var(n, s, p->var, to))
            return false;
    }
    return true;
}

/* A value whose type is not known may be of floats; sequences hold what others put in. */
static bool all_tensors(mq_value *const *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const mq_value *v = values[i];

        if (v && !mq_value_constant(v, false) &&
            (!v->type || v->type->kind != MQ_TYPE_TENSOR || v->type->dtype == MQ_UNDEFINED))
            return false;
    }
    return true;
}

static bool has_graphs(const mq_node *n)
{
    for (size_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i]->graphs)
            return true;
    return false;
}

static bool has_floats(const mq_node *n)
{
    for (size_t i = 0; i < n->n_inputs; i++)
        if (mq_precision_is_float(n->inputs[i]))
            return true;
    for (size_t i = 0; i < n->n_outputs; i++)
        if (mq_precision_is_float(n->outputs[i]))
            return true;
    return false;
}

static bool can(const mq_node *n, mq_dtype to)
{
    const mq_op_schema *s = mq_node_schema(n);

    if (*mq_domain_norm(n->domain) && strcmp(n->domain, "com.microsoft") != 0)
        return false; /* attributes may be of the inputs' type */
    if (!s || s->deprecated || mq_node_function(n) || has_graphs(n) || IS_ONE_OF(n, never))
        return false;
    if (mq_node_is(n, "", "Cast") && mq_precision_is_float(n->outputs[0]))
        return false; /* whole numbers may be beyond the range: what reads it casts them itself */
    if (!all_tensors(n->inputs, n->n_inputs) || !all_tensors(n->outputs, n->n_outputs))
        return false;
    return inputs_follow(n, s, to) && outputs_follow(n, s, to);
}

/* ---- values: do they fit? ------------------------------------------------------------------------------------------ */

/* The constant's verdict is kept in the value's tag. */
static mq_status look_at_constant(mq_precision *p, mq_value *v, const mq_node *n, bool *fits, mq_error *err)
{
    mq_precision_item item = { .value = v, .node = n };
    mq_status rc;

    if (v->tag) {
        *fits = v->tag == MQ_FITS;
        return MQ_OK;
    }
    if ((rc = mq_halves_measure(mq_value_constant(v, false), p->to, &item, err)) != MQ_OK)
        return rc;
    *fits = !item.overflowed && !(item.sqnr < LEAST_SQNR);
    v->tag = *fits ? MQ_FITS : item.overflowed ? MQ_OVERFLOWS : MQ_LOST;
    if (!*fits) {
        item.to = item.from;
        item.measured = false;
        item.code = item.overflowed ? "overflow" : "flush";
        item.why = item.overflowed ? "values beyond the range of the type" : "values too small for the type";
    }
    return mq_vec_push(&p->items, item) ? MQ_OK : mq_oom(err);
}

static mq_status constants_fit(mq_precision *p, mq_node *n, bool *all, bool *overflows, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n->n_inputs && rc == MQ_OK; i++) {
        bool fits = true;

        if (!n->inputs[i] || !mq_value_constant(n->inputs[i], false) || !mq_precision_input_follows(n, i, p->to))
            continue;
        rc = look_at_constant(p, n->inputs[i], n, &fits, err);
        *all &= fits;
        *overflows |= n->inputs[i]->tag == MQ_OVERFLOWS;
    }
    return rc;
}

/* Was the value seen beyond the type's range, or all below what it can tell from 0? *largest: its largest size. */
static bool seen_range(const mq_precision *p, const mq_value *v, double *largest, bool *overflows)
{
    const double *range = p->seen && v ? mq_map_get(p->seen, v->name) : NULL;
    const double most = p->to == MQ_FLOAT16 ? 65504 : 3.38e38, least = p->to == MQ_FLOAT16 ? 6.1e-5 : 1.2e-38;

    *largest = range ? range[1] : 0;
    *overflows = *largest > most;
    return *overflows || (*largest > 0 && *largest < least);
}

bool mq_precision_seen_outside(const mq_precision *p, const mq_value *v)
{
    double largest;
    bool overflows;

    return seen_range(p, v, &largest, &overflows);
}

/* For the report. */
static mq_status list_outside(const mq_model *m, mq_precision *p, mq_error *err)
{
    for (size_t i = 0; p->seen && i < m->graphs.n; i++)
        for (size_t k = 0; k < m->graphs.items[i]->values.n; k++) {
            mq_precision_outside o = { .value = m->graphs.items[i]->values.items[k] };

            if (mq_precision_is_float(o.value) && seen_range(p, o.value, &o.largest, &o.overflows) &&
                !mq_vec_push(&p->outside, o))
                return mq_oom(err);
        }
    return MQ_OK;
}

static bool values_fit(const mq_precision *p, const mq_node *n)
{
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] && mq_precision_is_float(n->inputs[i]) && mq_precision_seen_outside(p, n->inputs[i]))
            return false;
    for (size_t i = 0; i < n->n_outputs; i++)
        if (n->outputs[i] && mq_precision_is_float(n->outputs[i]) && mq_precision_seen_outside(p, n->outputs[i]))
            return false;
    return true;
}

static bool reads_wide(const mq_node *n)
{
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] && n->inputs[i]->tag == MQ_WIDE)
            return true;
    return false;
}

/* ---- deciding ------------------------------------------------------------------------------------------------------ */

/* Moves values that stay in float, or only looks at them: to change them here and back is nothing but work. */
static bool follows_float(const mq_node *n)
{
    const mq_value *v = n->n_inputs > 0 ? n->inputs[0] : NULL;
    bool looks = true;

    for (size_t i = 0; i < n->n_outputs; i++)
        looks &= !mq_precision_is_float(n->outputs[i]);
    return v && v->tag != MQ_HALF && !mq_value_constant(v, false) && (looks || (IS_ONE_OF(n, moving) && v->producer));
}

static mq_status decide(mq_precision *p, mq_node *n, mq_error *err)
{
    bool half = mq_which_takes(p->which, n) && can(n, p->to) && values_fit(p, n) && !follows_float(n);
    bool overflows = false, wide;
    mq_status rc = MQ_OK;

    if (half)
        rc = constants_fit(p, n, &half, &overflows, err);
    wide = overflows || reads_wide(n);
    n->tag = half && !wide ? MQ_HALF : MQ_FULL;
    for (size_t i = 0; i < n->n_outputs; i++) {
        mq_value *v = n->outputs[i];

        if (!v || !mq_precision_is_float(v))
            continue;
        v->tag = n->tag == MQ_HALF && mq_precision_output_follows(n, i, p->to) ? MQ_HALF : MQ_FULL;
        if (wide && (IS_ONE_OF(n, passing) || IS_ONE_OF(n, moving)))
            v->tag = MQ_WIDE;
    }
    if (has_floats(n))
        ++*(n->tag == MQ_HALF ? &p->n_half : &p->n_full);
    return rc;
}

static mq_status choose_graph(mq_precision *p, mq_graph *g, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first; n && rc == MQ_OK; n = n->next) {
        n->tag = 0;
        if (mq_node_is(n, "", "Constant"))
            continue;
        rc = decide(p, n, err);
        for (size_t i = 0; i < n->n_attrs && rc == MQ_OK; i++)
            for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n && rc == MQ_OK; k++)
                rc = choose_graph(p, n->attrs[i]->graphs[k], err);
    }
    return rc;
}

mq_status mq_precision_choose(mq_model *m, mq_precision *p, mq_error *err)
{
    mq_status rc;

    for (size_t i = 0; i < m->graphs.n; i++)
        for (size_t k = 0; k < m->graphs.items[i]->values.n; k++)
            m->graphs.items[i]->values.items[k]->tag = 0;
    for (size_t i = 0; i < m->graph->inputs.n && !p->keep_io; i++) {
        mq_value *v = m->graph->inputs.items[i];

        if (mq_precision_is_float(v) && !v->init && !mq_precision_seen_outside(p, v))
            v->tag = MQ_HALF;
    }
    if ((rc = list_outside(m, p, err)) == MQ_OK)
        rc = choose_graph(p, m->graph, err);
    return rc;
}
