/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Lowering the opset of ai.onnx, version by version: a node whose version only allows more than the one before must conform
 * to that one; for others there is a row here that writes the older form, or the node is refused. All refusals are told at
 * once. */
#include <string.h>

#include "base/compiler.h"
#include "base/str.h"
#include "convert/convert.h"
#include "ops/ops.h"
#include "report/census.h"

#define LISTED 8
#define MOST_INTS 64

/* ---- what rows use ------------------------------------------------------------------------------------------------- */

static mq_value *input(const mq_node *n, size_t i)
{
    return i < n->n_inputs ? n->inputs[i] : NULL;
}

static mq_status drop_input(mq_node *n, size_t i, mq_error *err)
{
    mq_status rc = i < n->n_inputs ? mq_node_set_input(n, i, NULL, err) : MQ_OK;

    mq_node_trim_inputs(n);
    return rc;
}

/* The integers of a constant input. */
static mq_status read_ints(const mq_node *n, size_t i, const char *what, int64_t *out, size_t *count, mq_error *err)
{
    mq_tensor *t = mq_value_constant(n->inputs[i], false);
    const int64_t have = t ? mq_tensor_count(t) : -1;

    if (have < 0 || have > MOST_INTS)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its %s are no constant", what);
    *count = (size_t)have;
    return mq_tensor_read_i64(t, 0, (uint64_t)have, out, err);
}

static mq_status read_float(const mq_node *n, size_t i, const char *what, float *out, mq_error *err)
{
    mq_tensor *t = mq_value_constant(n->inputs[i], false);

    if (!t || mq_tensor_count(t) != 1)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its %s is no constant", what);
    return mq_tensor_read_f32(t, 0, 1, out, err);
}

/* Input i, if present, becomes the attribute `attr`. */
static mq_status ints_to_attr(mq_node *n, size_t i, const char *attr, mq_error *err)
{
    int64_t v[MOST_INTS];
    size_t count = 0;
    mq_status rc = MQ_OK;

    if (!input(n, i))
        return MQ_OK;
    MQ_TRY(read_ints(n, i, attr, v, &count, err));
    if (count)
        MQ_TRY(mq_node_set_attr_ints(n, attr, v, count, err));
    rc = drop_input(n, i, err);
done:
    return rc;
}

static mq_status float_to_attr(mq_node *n, size_t i, const char *attr, mq_error *err)
{
    float f;
    mq_status rc = MQ_OK;

    if (!input(n, i))
        return MQ_OK;
    MQ_TRY(read_float(n, i, attr, &f, err));
    MQ_TRY(mq_node_set_attr_float(n, attr, f, err));
    rc = drop_input(n, i, err);
done:
    return rc;
}

static int rank_of(const mq_value *v)
{
    const mq_tensor *t = v ? mq_value_constant(v, false) : NULL;

    if (t)
        return t->n_dims;
    return v && v->type && v->type->kind == MQ_TYPE_TENSOR ? v->type->rank : -1;
}

/* ---- rows: from version `from` to the one before -------------------------------------------------------------------- */

static mq_status axes(mq_node *n, mq_error *err)
{
    const bool reduces = strncmp(n->op_type, "Reduce", 6) == 0;

    if (reduces && mq_node_attr_int(n, "noop_with_empty_axes", 0) && !input(n, 1))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "it reduces nothing");
    return ints_to_attr(n, 1, "axes", err);
}

static mq_status split_18(mq_node *n, mq_error *err)
{
    const mq_value *x = input(n, 0);
    const int rank = rank_of(x);
    int64_t axis = mq_node_attr_int(n, "axis", 0), size = -1;

    if (input(n, 1) || !n->n_outputs)
        return MQ_OK;
    axis += axis < 0 ? rank : 0;
    if (rank > 0 && axis >= 0 && axis < rank && x->type)
        size = x->type->dims[axis].value;
    if (size < 0 || size % (int64_t)n->n_outputs)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its parts are not known to be equal");
    mq_node_remove_attr(n, "num_outputs");
    return MQ_OK;
}

static mq_status split_13(mq_node *n, mq_error *err)
{
    return ints_to_attr(n, 1, "split", err);
}

static mq_status slice_10(mq_node *n, mq_error *err)
{
    int64_t steps[MOST_INTS];
    size_t count = 0;
    mq_status rc = MQ_OK;

    if (input(n, 4))
        MQ_TRY(read_ints(n, 4, "steps", steps, &count, err));
    for (size_t i = 0; i < count; i++)
        if (steps[i] != 1)
            return mq_fail(err, MQ_ERR_UNSUPPORTED, "it has steps");
    MQ_TRY(drop_input(n, 4, err));
    MQ_TRY(ints_to_attr(n, 3, "axes", err));
    MQ_TRY(ints_to_attr(n, 2, "ends", err));
    MQ_TRY(ints_to_attr(n, 1, "starts", err));
done:
    return rc;
}

static mq_status pad_11(mq_node *n, mq_error *err)
{
    mq_status rc = MQ_OK;

    MQ_TRY(float_to_attr(n, 2, "value", err));
    MQ_TRY(ints_to_attr(n, 1, "pads", err));
done:
    return rc;
}

static mq_status clip_11(mq_node *n, mq_error *err)
{
    mq_status rc = MQ_OK;

    MQ_TRY(float_to_attr(n, 2, "max", err));
    MQ_TRY(float_to_attr(n, 1, "min", err));
done:
    return rc;
}

/* Before 13 all axes from `axis` on were one. */
static mq_status softmax_13(mq_node *n, mq_error *err)
{
    const int rank = rank_of(input(n, 0));
    const int64_t axis = mq_node_attr_int(n, "axis", -1);

    if (rank <= 0 ? axis != -1 : axis != -1 && axis != rank - 1)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its axis is not the last one");
    return mq_node_set_attr_int(n, "axis", rank > 0 ? rank - 1 : -1, err);
}

static mq_status topk_10(mq_node *n, mq_error *err)
{
    int64_t k[MOST_INTS];
    size_t count = 0;
    mq_status rc = MQ_OK;

    if (!input(n, 1))
        return MQ_OK;
    MQ_TRY(read_ints(n, 1, "k", k, &count, err));
    if (count != 1)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its k is no number");
    MQ_TRY(mq_node_set_attr_int(n, "k", k[0], err));
    rc = drop_input(n, 1, err);
done:
    return rc;
}

static mq_status no_mask(mq_node *n, mq_error *err)
{
    return n->n_outputs > 1 && n->outputs[1] ? mq_fail(err, MQ_ERR_UNSUPPORTED, "its mask is read") : MQ_OK;
}

static mq_status dropout_12(mq_node *n, mq_error *err)
{
    float training = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(no_mask(n, err));
    if (input(n, 2))
        MQ_TRY(read_float(n, 2, "training_mode", &training, err));
    if (training != 0)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "it is in training mode");
    MQ_TRY(drop_input(n, 2, err));
    mq_node_remove_attr(n, "seed");
    rc = float_to_attr(n, 1, "ratio", err);
done:
    return rc;
}

static mq_status batch_norm_14(mq_node *n, mq_error *err)
{
    for (size_t i = 1; i < n->n_outputs; i++)
        if (n->outputs[i])
            return mq_fail(err, MQ_ERR_UNSUPPORTED, "it is in training mode");
    return MQ_OK;
}

/* roi and scales must be there, be it empty. */
static mq_status resize_13(mq_node *n, mq_error *err)
{
    mq_model *m = n->graph->model;
    const int64_t none = 0;
    mq_status rc = MQ_OK;

    for (size_t i = 1; i < 3 && rc == MQ_OK; i++) {
        mq_value *v;
        mq_tensor *t;

        if (input(n, i))
            continue;
        if (!(v = mq_value_create_unique(n->graph, i == 1 ? "roi" : "scales")) ||
            !(t = mq_tensor_create(m, v->name, MQ_FLOAT, 1, &none, "")))
            return mq_oom(err);
        if ((rc = mq_value_set_init(v, t, err)) == MQ_OK && n->n_inputs < i)
            rc = mq_node_set_input(n, 1, v, err);
        if (rc == MQ_OK)
            rc = mq_node_set_input(n, i, v, err);
    }
    return rc;
}

static mq_status roi_align_16(mq_node *n, mq_error *err)
{
    if (!mq_node_attr_is(n, "coordinate_transformation_mode", "output_half_pixel"))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its coordinates are those of half pixels");
    mq_node_remove_attr(n, "coordinate_transformation_mode");
    return MQ_OK;
}

static mq_status grid_sample_20(mq_node *n, mq_error *err)
{
    if (rank_of(input(n, 0)) != 4)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its input is not known to have 4 axes");
    if (!mq_node_attr(n, "mode") || mq_node_attr_is(n, "mode", "linear"))
        return mq_node_set_attr_string(n, "mode", "bilinear", err);
    return mq_node_attr_is(n, "mode", "cubic") ? mq_node_set_attr_string(n, "mode", "bicubic", err) : MQ_OK;
}

static mq_status quantize_13(mq_node *n, mq_error *err)
{
    if (rank_of(input(n, 1)) != 0)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "it has a scale per channel");
    mq_node_remove_attr(n, "axis");
    return MQ_OK;
}

/* value_int, value_floats and the like. */
static mq_status constant_12(mq_node *n, mq_error *err)
{
    mq_tensor *t;
    mq_status rc = MQ_OK;

    if (mq_node_attr(n, "value") || mq_node_attr(n, "sparse_value") || !n->n_outputs || !n->outputs[0])
        return MQ_OK;
    if (!(t = mq_value_constant(n->outputs[0], false)))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its value is a string");
    MQ_TRY(mq_node_set_attr_tensor(n, "value", t, err));
    for (size_t i = n->n_attrs; i-- > 0;)
        if (strcmp(n->attrs[i]->name, "value") != 0)
            mq_node_remove_attr(n, n->attrs[i]->name);
done:
    return rc;
}

static mq_status nothing(mq_node *n, mq_error *err)
{
    (void)n;
    (void)err;
    return MQ_OK;
}

static const struct {
    const char *name;
    int from;
    mq_status (*lower)(mq_node *n, mq_error *err);
} rows[] = {
    { "BatchNormalization", 9, nothing },
    { "BatchNormalization", 14, batch_norm_14 },
    { "Clip", 11, clip_11 },
    { "Constant", 12, constant_12 },
    { "DequantizeLinear", 13, quantize_13 },
    { "Dropout", 10, no_mask },
    { "Dropout", 12, dropout_12 },
    { "GridSample", 20, grid_sample_20 },
    { "Hardmax", 13, softmax_13 },
    { "LogSoftmax", 13, softmax_13 },
    { "Pad", 11, pad_11 },
    { "QuantizeLinear", 13, quantize_13 },
    { "QuantizeLinear", 19, nothing },
    { "ReduceL1", 18, axes },
    { "ReduceL2", 18, axes },
    { "ReduceLogSum", 18, axes },
    { "ReduceLogSumExp", 18, axes },
    { "ReduceMax", 18, axes },
    { "ReduceMean", 18, axes },
    { "ReduceMin", 18, axes },
    { "ReduceProd", 18, axes },
    { "ReduceSum", 13, axes },
    { "ReduceSumSquare", 18, axes },
    { "Resize", 13, resize_13 },
    { "RoiAlign", 16, roi_align_16 },
    { "Slice", 10, slice_10 },
    { "Softmax", 13, softmax_13 },
    { "Split", 13, split_13 },
    { "Split", 18, split_18 },
    { "Squeeze", 13, axes },
    { "TopK", 10, topk_10 },
    { "Unsqueeze", 13, axes },
};

/* ---- conforming ---------------------------------------------------------------------------------------------------- */

/* Attributes that say what older versions do without being told. */
static const struct {
    const char *name;
    int64_t i;
    const char *s; /* NULL: the number */
} defaults[] = {
    { "allowzero", 0, NULL },   { "antialias", 0, NULL },        { "batch_dims", 0, NULL },
    { "block_size", 0, NULL },  { "ceil_mode", 0, NULL },        { "count_include_pad", 0, NULL },
    { "keep_aspect_ratio_policy", 0, "stretch" },                { "largest", 1, NULL },
    { "layout", 0, NULL },      { "mode", 0, "DCR" },            { "noop_with_empty_axes", 0, NULL },
    { "output_dtype", 0, NULL }, { "precision", 0, NULL },       { "reduction", 0, "none" },
    { "round_mode", 0, "up" },  { "saturate", 1, NULL },         { "select_last_index", 0, NULL },
    { "sorted", 1, NULL },      { "start", 0, NULL },            { "storage_order", 0, NULL },
    { "training_mode", 0, NULL },
};

static bool says_nothing(const mq_node *n, const mq_attr *a)
{
    for (size_t i = 0; i < MQ_ARRAY_LEN(defaults); i++)
        if (strcmp(a->name, defaults[i].name) == 0)
            return defaults[i].s ? mq_node_attr_is(n, a->name, defaults[i].s)
                                 : a->type == MQ_ATTR_INT && !a->ref && a->i == defaults[i].i;
    if (strcmp(a->name, "dilations") != 0 || a->type != MQ_ATTR_INTS)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (a->ints[i] != 1)
            return false;
    return true;
}

static bool has_attr(const mq_op_schema *s, const char *name)
{
    for (size_t i = 0; i < s->n_attrs; i++)
        if (strcmp(s->attrs[i].name, name) == 0)
            return true;
    return false;
}

static mq_status conform_attrs(mq_node *n, const mq_op_schema *s, mq_error *err)
{
    for (size_t i = n->n_attrs; i-- > 0;) {
        const mq_attr *a = n->attrs[i];

        if (has_attr(s, a->name))
            continue;
        if (!says_nothing(n, a))
            return mq_fail(err, MQ_ERR_UNSUPPORTED, "its attribute '%s' does not exist before", a->name);
        mq_node_remove_attr(n, a->name);
    }
    return MQ_OK;
}

static mq_status conform_values(mq_value *const *values, size_t count, const mq_op_schema *s, bool out, mq_error *err)
{
    for (size_t i = 0; i < count; i++) {
        const mq_op_param *p = out ? mq_schema_output(s, i) : mq_schema_input(s, i);
        char text[128];

        if (!values[i] && p && p->option == MQ_PARAM_SINGLE && !out)
            return mq_fail(err, MQ_ERR_UNSUPPORTED, "its input '%s' may not be left out before", p->name);
        if (!values[i] || (p && mq_type_set_has(p->types, values[i]->type)))
            continue;
        if (!p)
            return mq_fail(err, MQ_ERR_UNSUPPORTED, "its %s %zu does not exist before", out ? "output" : "input", i);
        mq_type_text(values[i]->type, text, sizeof text);
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its %s '%s' may not be %s before", out ? "output" : "input", p->name, text);
    }
    return MQ_OK;
}

static mq_status conform(mq_node *n, const mq_op_schema *s, mq_error *err)
{
    mq_status rc = MQ_OK;

    mq_node_trim_inputs(n);
    if (n->n_inputs < s->min_inputs || n->n_outputs < s->min_outputs)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "an input or output may not be left out before");
    MQ_TRY(conform_attrs(n, s, err));
    MQ_TRY(conform_values(n->inputs, n->n_inputs, s, false, err));
    MQ_TRY(conform_values(n->outputs, n->n_outputs, s, true, err));
done:
    return rc;
}

/* ---- all of it ----------------------------------------------------------------------------------------------------- */

static mq_status lower_node(mq_node *n, int from, mq_error *err)
{
    const mq_op_schema *now = mq_schema_find("", n->op_type, from), *before;
    bool known = mq_op_only_grew(n->op_type, from);
    mq_status rc = MQ_OK;

    if (!now)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "the operator is not known");
    if (now->since != from)
        return MQ_OK;
    before = mq_schema_find("", n->op_type, from - 1);
    if (!before || before->deprecated || (before->extension && !now->extension))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "it does not exist before opset %d", from);
    for (size_t i = 0; i < MQ_ARRAY_LEN(rows) && rc == MQ_OK; i++)
        if (rows[i].from == from && strcmp(rows[i].name, n->op_type) == 0) {
            rc = rows[i].lower(n, err);
            known = true;
        }
    if (rc == MQ_OK && !known)
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "its way below opset %d is not known", from);
    return rc == MQ_OK ? conform(n, before, err) : rc;
}

typedef struct refusals {
    mq_str text;
    size_t n;
} refusals;

/* A node that was refused is left out of what follows: its tag is set. */
static mq_status lower_graph(mq_graph *g, int from, refusals *r, mq_error *err)
{
    for (mq_node *n = g->first; n; n = n->next) {
        mq_error why = { 0 };
        mq_status rc;

        if (n->tag || *mq_domain_norm(n->domain) || mq_node_function(n) || (rc = lower_node(n, from, &why)) == MQ_OK)
            continue;
        if (rc == MQ_ERR_NOMEM)
            return mq_oom(err);
        n->tag = 1;
        if (r->n++ < LISTED)
            mq_str_addf(&r->text, "%s'%.80s' (%s): %s", r->n > 1 ? "; " : "", mq_node_label(n), n->op_type, why.text);
    }
    return MQ_OK;
}

static mq_status check_functions(const mq_model *m, int to, mq_error *err)
{
    for (size_t i = 0; i < m->n_functions; i++)
        if (mq_opset_of(m->functions[i]->body, "") > to)
            return mq_fail(err, MQ_ERR_UNSUPPORTED, "function '%s' cannot be lowered to opset %d",
                           m->functions[i]->name, to);
    return MQ_OK;
}

static mq_status lower_all(mq_model *m, int to, refusals *r, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < m->graphs.n; i++)
        for (mq_node *n = m->graphs.items[i]->first; n; n = n->next)
            n->tag = 0;
    for (int from = (int)mq_opset_of(m->graph, ""); from > to && rc == MQ_OK; from--)
        for (size_t i = 0; i < m->graphs.n && rc == MQ_OK; i++)
            if (mq_graph_is_live(m->graphs.items[i]) && !m->graphs.items[i]->function)
                rc = lower_graph(m->graphs.items[i], from, r, err);
    return rc;
}

mq_status mq_convert_lower_opset(mq_model *m, int to, mq_error *err)
{
    const int least_ir = mq_ir_for_opset(to) > 4 ? mq_ir_for_opset(to) : 4; /* before, initializers had to be inputs */
    refusals r = { 0 };
    mq_status rc = MQ_OK;

    if (to < 7)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "--opset %d: opset 7 is the oldest that is written", to);
    MQ_TRY(check_functions(m, to, err));
    MQ_TRY(lower_all(m, to, &r, err));
    if (r.n > LISTED)
        mq_str_addf(&r.text, "; and %zu more", r.n - LISTED);
    if (r.text.failed)
        rc = mq_oom(err);
    else if (r.n)
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "%zu node%s cannot be lowered to opset %d: %s", r.n, r.n == 1 ? "" : "s", to,
                     r.text.s);
    if (rc != MQ_OK)
        goto done;
    MQ_TRY(mq_opset_set(m, "", to, err));
    if (!m->n_functions && m->ir_version > least_ir)
        m->ir_version = least_ir;
done:
    mq_str_release(&r.text);
    return rc;
}
