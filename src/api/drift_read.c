/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reads the quantized nodes of a model: operators between DequantizeLinear and QuantizeLinear, operators on integers, and
 * those with ranges found at run time. Each becomes a view: the operator on floats that it stands for, its constants, and
 * the integers that its other inputs pass through. */
#include <math.h>
#include <string.h>

#include "api/drift_job.h"
#include "base/compiler.h"
#include "data/convert.h"
#include "passes/qdq.h"

#define DEPTH 16 /* of nodes between integers and who made them */

/* ---- constants ------------------------------------------------------------------------------------------------------ */

static mq_status to_float(mq_layers_job *j, mq_array *a, mq_array **out)
{
    mq_array *plain = NULL;
    mq_status rc;

    MQ_TRY(mq_array_unpack(&plain, a, j->err));
    MQ_TRY(mq_array_convert(out, plain, MQ_FLOAT, j->err));
done:
    mq_array_unref(plain);
    return rc;
}

mq_status mq_layers_constant(mq_layers_job *j, const mq_value *v, mq_array **out)
{
    mq_array *a = NULL;
    mq_status rc;

    MQ_TRY(mq_layers_evaluate(j, v, &a));
    MQ_TRY(to_float(j, a, out));
done:
    mq_array_unref(a);
    return rc;
}

/* The axis along which n scales lie: of the channels, else the other end; -1: none fits. */
static int axis_of(const mq_layer_view *view, size_t k, const mq_array *codes, size_t n)
{
    const int channel = mq_layers_weight_axis(view->node, view->op, k, codes->rank);
    const int at[] = { channel, codes->rank - 1, 0 };

    for (size_t i = 0; codes->rank && i < MQ_ARRAY_LEN(at); i++)
        if ((size_t)codes->dims[at[i]] == n)
            return at[i];
    return -1;
}

/* (x - zero) * scale in place; per element the channel's. */
static bool dequantize(float *x, const mq_layer_view *view, size_t k, const mq_array *codes, const mq_array *scale,
                       const mq_array *zero)
{
    const double by = view->in[k].by;
    const size_t n_s = scale ? scale->count : 1, n_z = zero ? zero->count : 1, n = n_s > n_z ? n_s : n_z;
    const int axis = n > 1 ? axis_of(view, k, codes, n) : 0;
    size_t inner = 1;

    if (axis < 0 || (n_s != 1 && n_s != n) || (n_z != 1 && n_z != n))
        return false;
    for (int i = axis + 1; i < codes->rank; i++)
        inner *= (size_t)codes->dims[i];
    for (size_t i = 0; i < codes->count; i++) {
        const size_t c = n > 1 ? i / inner % n : 0;
        const float s = scale ? ((const float *)scale->data)[n_s > 1 ? c : 0] : 1;
        const float z = zero ? ((const float *)zero->data)[n_z > 1 ? c : 0] : 0;

        x[i] = (x[i] - z) * (float)(by > 0 ? s * by : s);
    }
    return true;
}

mq_status mq_layers_codes(mq_layers_job *j, const mq_layer_view *view, size_t k, mq_array **codes, mq_array **scale,
                          mq_array **zero)
{
    const mq_layer_in *in = &view->in[k];
    const mq_value *at[3] = { in->codes, in->scale, in->zero };
    mq_array **const to[3] = { codes, scale, zero };
    mq_status rc = MQ_OK;
    mq_qdq q;

    if (in->real && in->real->producer && mq_qdq_dequantize(in->real->producer, &q)) {
        at[0] = q.codes;
        at[1] = q.scale;
        at[2] = q.zero;
    }
    for (size_t i = 0; i < MQ_ARRAY_LEN(at) && rc == MQ_OK; i++)
        if (at[i] && at[0] && mq_layers_is_constant(at[i]))
            rc = i ? mq_layers_constant(j, at[i], to[i]) : mq_layers_evaluate(j, at[i], to[i]);
    return rc;
}

mq_status mq_layers_input(mq_layers_job *j, const mq_layer_view *view, size_t k, mq_array **out)
{
    mq_array *codes = NULL, *scale = NULL, *zero = NULL, *x = NULL;
    mq_status rc;

    if (view->in[k].real)
        return mq_layers_constant(j, view->in[k].real, out);
    MQ_TRY(mq_layers_codes(j, view, k, &codes, &scale, &zero));
    MQ_TRY(to_float(j, codes, &x));
    if (x == codes || !dequantize(x->data, view, k, codes, scale, zero))
        MQ_TRY(mq_fail(j->err, MQ_ERR_UNSUPPORTED, "node '%s': the scales of its weight do not fit its shape",
                       mq_node_label(view->node)));
    *out = mq_array_ref(x);
done:
    mq_array_unref(codes);
    mq_array_unref(scale);
    mq_array_unref(zero);
    mq_array_unref(x);
    return rc;
}

/* ---- names ---------------------------------------------------------------------------------------------------------- */

const char *mq_layers_bare_name(mq_layers_job *j, const char *name)
{
    static const char *const endings[] = { "_DequantizeLinear_Output", "_QuantizeLinear_Output", "_QuantizeLinear_Input",
                                           "_output_quantized", "_quantized", "_unquantized", "_dequantized", "_rescaled",
                                           "_quant" };
    char *bare = mq_arena_strdup(j->arena, name);

    for (size_t i = 0; bare && i < MQ_ARRAY_LEN(endings); i++) {
        const size_t n = strlen(bare), e = strlen(endings[i]);

        if (n > e && strcmp(bare + n - e, endings[i]) == 0) {
            bare[n - e] = '\0';
            i = (size_t)-1; /* what is left may end so, too */
        }
    }
    return bare;
}

/* ---- integers ------------------------------------------------------------------------------------------------------- */

static bool number_of(const mq_value *v, double *out)
{
    return v && mq_constant_number(v, out);
}

static bool is_dequantize(const mq_node *n)
{
    return n && (mq_node_is(n, "", "DequantizeLinear") || mq_node_is(n, "com.microsoft", "DequantizeLinear")) &&
           n->n_inputs >= 2 && n->inputs[0] && n->inputs[1];
}

static bool is_quantize(const mq_node *n)
{
    return n && (mq_node_is(n, "", "QuantizeLinear") || mq_node_is(n, "com.microsoft", "QuantizeLinear")) &&
           n->n_inputs >= 2 && n->inputs[0] && n->inputs[1];
}

static bool one_scale(const mq_value *scale, const mq_value *zero, double *s, int64_t *z)
{
    double number = 0;

    if (!number_of(scale, s) || !isfinite(*s) || !(*s > 0) || (zero && !number_of(zero, &number)))
        return false;
    *z = (int64_t)number;
    return true;
}

/* ---- operators on integers ------------------------------------------------------------------------------------------ */

/* Inputs by number: data, scale and zero point of two operands, a bias, scale and zero point of the result; -1: none. */
typedef struct row {
    const char *domain, *op, *stands_for;
    int8_t in[2][3], bias, out[2];
} row;

#define MS "com.microsoft"
static const row rows[] = {
    { "", "QLinearConv", "Conv", { { 0, 1, 2 }, { 3, 4, 5 } }, 8, { 6, 7 } },
    { "", "QLinearMatMul", "MatMul", { { 0, 1, 2 }, { 3, 4, 5 } }, -1, { 6, 7 } },
    { MS, "QGemm", "Gemm", { { 0, 1, 2 }, { 3, 4, 5 } }, 6, { 7, 8 } },
    { MS, "QLinearAdd", "Add", { { 0, 1, 2 }, { 3, 4, 5 } }, -1, { 6, 7 } },
    { MS, "QLinearMul", "Mul", { { 0, 1, 2 }, { 3, 4, 5 } }, -1, { 6, 7 } },
    { MS, "QLinearSigmoid", "Sigmoid", { { 0, 1, 2 }, { -1, -1, -1 } }, -1, { 3, 4 } },
    { MS, "QLinearLeakyRelu", "LeakyRelu", { { 0, 1, 2 }, { -1, -1, -1 } }, -1, { 3, 4 } },
    { MS, "QLinearSoftmax", "Softmax", { { 0, 1, 2 }, { -1, -1, -1 } }, -1, { 3, 4 } },
    { MS, "QLinearAveragePool", "AveragePool", { { 0, 1, 2 }, { -1, -1, -1 } }, -1, { 3, 4 } },
    { MS, "QLinearGlobalAveragePool", "GlobalAveragePool", { { 0, 1, 2 }, { -1, -1, -1 } }, -1, { 3, 4 } },
    { "", "ConvInteger", "Conv", { { 0, -1, 2 }, { 1, -1, 3 } }, -1, { -1, -1 } },
    { "", "MatMulInteger", "MatMul", { { 0, -1, 2 }, { 1, -1, 3 } }, -1, { -1, -1 } },
    { MS, "MatMulIntegerToFloat", "MatMul", { { 0, 2, 4 }, { 1, 3, 5 } }, -1, { -1, -1 } },
    { MS, "DynamicQuantizeMatMul", "MatMul", { { 0, -1, -1 }, { 1, 2, 3 } }, -1, { -1, -1 } },
};
#undef MS

static const row *row_of(const mq_node *n)
{
    for (size_t i = 0; i < MQ_ARRAY_LEN(rows); i++)
        if (mq_node_is(n, rows[i].domain, rows[i].op))
            return &rows[i];
    return NULL;
}

static mq_value *input_at(const mq_node *n, int i)
{
    return i >= 0 && (size_t)i < n->n_inputs ? n->inputs[i] : NULL;
}

bool mq_layers_moves(const mq_node *n)
{
    static const char *const ops[] = { "Flatten", "Gather", "Identity", "MaxPool", "Reshape", "Slice", "Squeeze",
                                       "Transpose", "Unsqueeze" };

    return mq_node_is_any(n, "", ops, MQ_ARRAY_LEN(ops)) && n->n_inputs && n->inputs[0];
}

/* How integers v were made: by whom, through nodes that only move them. */
static void find_maker(const mq_value *v, mq_fake *fake)
{
    const mq_node *n = v->producer;
    const row *r;

    for (int depth = DEPTH; n && depth > 0 && mq_layers_moves(n); depth--)
        n = n->inputs[0]->producer;
    if (!n)
        return;
    r = row_of(n);
    if (mq_node_is(n, "", "DynamicQuantizeLinear")) {
        fake->dynamic = fake->on = true;
        fake->type = MQ_UINT8;
    } else if (is_quantize(n)) {
        fake->on = one_scale(n->inputs[1], input_at(n, 2), &fake->in_scale, &fake->in_zero);
    } else if (r && r->out[0] >= 0) {
        fake->on = one_scale(input_at(n, r->out[0]), input_at(n, r->out[1]), &fake->in_scale, &fake->in_zero);
    }
}

/* Integers v with the scale and zero point of who reads them (NULL: as they were made). */
static mq_fake fake_of(const mq_value *v, const mq_value *scale, const mq_value *zero)
{
    mq_fake fake = { .type = mq_value_dtype(v) };
    const bool known = scale && one_scale(scale, zero, &fake.out_scale, &fake.out_zero);

    find_maker(v, &fake);
    if (fake.dynamic)
        return fake;
    if (!fake.on && known) {
        fake.in_scale = fake.out_scale;
        fake.in_zero = fake.out_zero;
    } else if (!known) {
        fake.out_scale = fake.in_scale;
        fake.out_zero = fake.in_zero;
    }
    fake.on = (fake.on || known) && mq_dtype_is_integer(fake.type) && mq_dtype_bits(fake.type) <= 16;
    return fake;
}

mq_value *mq_layers_quantized(const mq_value *v, mq_fake *fake)
{
    for (size_t i = 0; i < v->uses.n; i++) {
        const mq_node *q = v->uses.items[i].node;

        if (!is_quantize(q) || v->uses.items[i].index != 0 || !q->outputs[0])
            continue;
        for (size_t k = 0; k < q->outputs[0]->uses.n; k++) {
            const mq_node *d = q->outputs[0]->uses.items[k].node;

            if (!is_dequantize(d) || !d->outputs[0])
                continue;
            *fake = fake_of(q->outputs[0], d->inputs[1], input_at(d, 2));
            return d->outputs[0];
        }
    }
    return NULL;
}

/* Does anybody but the model's outputs read these integers? Then it is his error what they lose. */
static bool is_taken(const mq_value *codes)
{
    for (size_t i = 0; i < codes->uses.n; i++) {
        const mq_node *n = codes->uses.items[i].node;

        if (row_of(n) || mq_layers_moves(n))
            return true;
        if (is_dequantize(n) && n->outputs[0] && n->outputs[0]->uses.n)
            return true;
    }
    return false;
}

/* ---- views ---------------------------------------------------------------------------------------------------------- */

static void read_operand(mq_layer_view *v, size_t k, const int8_t at[3])
{
    mq_value *data = input_at(v->node, at[0]);
    mq_layer_in *in = &v->in[k];

    if (!data)
        return;
    v->n_in = k + 1;
    if (at[1] < 0 && at[2] < 0) { /* floats that the node itself makes into integers */
        in->fake = (mq_fake){ .on = true, .dynamic = true, .type = MQ_UINT8 };
    } else if (mq_layers_is_constant(data)) {
        in->codes = data;
        in->scale = input_at(v->node, at[1]);
        in->zero = input_at(v->node, at[2]);
    } else {
        in->fake = fake_of(data, input_at(v->node, at[1]), input_at(v->node, at[2]));
    }
}

/* Integers in steps of the product of both scales. */
static void read_bias(mq_layer_view *v, mq_value *bias)
{
    if (!bias || v->n_in != 2 || !v->in[0].fake.on || v->in[0].fake.dynamic || !mq_layers_is_constant(bias) ||
        !v->in[1].scale || mq_value_dtype(bias) != MQ_INT32)
        return;
    v->n_in = 3;
    v->in[2] = (mq_layer_in){ .codes = bias, .scale = v->in[1].scale, .by = v->in[0].fake.out_scale };
}

static mq_value *constant_factor(mq_value *v)
{
    const mq_node *n = v->producer;

    if (mq_layers_is_constant(v))
        return v;
    if (n && mq_node_is(n, "", "Mul"))
        for (size_t i = 0; i < n->n_inputs; i++)
            if (n->inputs[i] && mq_layers_is_constant(n->inputs[i]))
                return n->inputs[i];
    return NULL;
}

/* What follows a product of integers, up to the floats it becomes: Cast and Mul, or DequantizeLinear. The constant factor is
 * the weight's scale. */
static bool read_factor(mq_layer_view *v)
{
    mq_value *at = v->node->outputs[0];

    for (int depth = 0; depth < 3; depth++) {
        mq_node *n = at->uses.n == 1 ? at->uses.items[0].node : NULL;
        mq_value *factor;

        if (!n || !n->outputs[0])
            return false;
        if (mq_node_is(n, "", "Mul") || is_dequantize(n)) {
            factor = n->inputs[n->inputs[0] == at ? 1 : 0];
            v->in[1].scale = factor ? constant_factor(factor) : NULL;
            v->out = n->outputs[0];
            return v->in[1].scale;
        }
        if (!mq_node_is(n, "", "Cast"))
            return false;
        at = n->outputs[0];
    }
    return false;
}

static bool read_row(mq_layer_view *v, const row *r)
{
    double s;
    int64_t z;

    v->op = r->stands_for;
    v->out = v->node->outputs[0];
    read_operand(v, 0, r->in[0]);
    read_operand(v, 1, r->in[1]);
    read_bias(v, input_at(v->node, r->bias));
    if (!v->out)
        return false;
    if (r->out[0] >= 0 && input_at(v->node, r->out[0]) &&
        one_scale(input_at(v->node, r->out[0]), input_at(v->node, r->out[1]), &s, &z)) {
        v->made = (mq_fake){ .on = true, .type = mq_value_dtype(v->out), .in_scale = s, .out_scale = s, .in_zero = z,
                             .out_zero = z };
        v->last = !is_taken(v->out);
    }
    if (v->in[1].codes && !v->in[1].scale)
        return read_factor(v);
    return true;
}

/* An operator on floats that come from integers. */
static bool read_float(mq_layer_view *v)
{
    bool any = false;

    v->op = v->node->op_type;
    v->out = v->node->outputs[0];
    v->n_in = v->node->n_inputs < MQ_LAYER_INPUTS ? v->node->n_inputs : MQ_LAYER_INPUTS;
    for (size_t i = 0; i < v->n_in; i++) {
        mq_value *x = v->node->inputs[i];

        if (!x)
            continue;
        if (mq_layers_is_dequantized(x))
            v->in[i].real = x;
        else if (is_dequantize(x->producer) && !mq_layers_is_constant(x))
            v->in[i].fake = fake_of(x->producer->inputs[0], x->producer->inputs[1], input_at(x->producer, 2));
        any = any || v->in[i].real || v->in[i].fake.on;
        if (!v->in[i].real && !v->in[i].fake.on && mq_layers_is_constant(x) && mq_value_dtype(x) == MQ_FLOAT)
            v->in[i].real = x; /* changed beside the others, maybe */
    }
    return any && v->out && mq_value_dtype(v->out) == MQ_FLOAT;
}

static bool read_view(mq_layer_view *v)
{
    const row *r = row_of(v->node);

    if (v->node->n_outputs == 0 || !v->node->outputs[0] || is_quantize(v->node) || is_dequantize(v->node) ||
        mq_node_is(v->node, "", "DynamicQuantizeLinear") || mq_layers_is_constant(v->node->outputs[0]))
        return false;
    return r ? read_row(v, r) : read_float(v);
}

static mq_status name_view(mq_layers_job *j, mq_layer_view *v)
{
    const size_t n = v->node->name ? strlen(v->node->name) : 0, e = strlen(v->node->op_type);
    const char *name = v->node->name;
    mq_fake unused;
    mq_value *behind = v->made.on ? NULL : mq_layers_quantized(v->out, &unused);

    for (size_t i = 0; i < v->n_in && !v->keys[0]; i++) {
        const mq_value *c = v->in[i].real ? v->in[i].real : v->in[i].codes;

        if (c && (c = mq_layers_stored(c)))
            v->keys[0] = mq_layers_bare_name(j, c->name);
    }
    v->keys[1] = mq_layers_bare_name(j, behind ? behind->name : v->out->name);
    if (n > e + 1 && name[n - e - 1] == '_' && strcmp(name + n - e, v->node->op_type) == 0)
        name = mq_arena_printf(j->arena, "%.*s", (int)(n - e - 1), name);
    v->keys[2] = n && name ? mq_layers_bare_name(j, name) : "";
    return v->keys[1] && v->keys[2] ? MQ_OK : mq_oom(j->err);
}

mq_status mq_layers_read(mq_layers_job *j)
{
    mq_status rc = MQ_OK;

    if (!(j->views = mq_arena_calloc(j->arena, j->model->graph->n_nodes + 1, sizeof *j->views)))
        return mq_oom(j->err);
    mq_layers_mark(j->model->graph);
    mq_layers_mark(j->reference->graph);
    mq_layers_mark(j->original->graph);
    for (mq_node *n = j->model->graph->first; n && rc == MQ_OK; n = n->next) {
        mq_layer_view *v = &j->views[j->n_views];

        *v = (mq_layer_view){ .node = n };
        if (!read_view(v))
            continue;
        rc = name_view(j, v);
        j->n_views++;
    }
    return rc;
}
