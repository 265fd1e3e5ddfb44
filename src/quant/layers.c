/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "quant/layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "passes/pass.h"

void mq_layer_release(mq_layer *l)
{
    free(l->most);
    free(l->bias);
    free(l->by_row);
    free(l->by_col);
    free(l->making);
    free(l->reading);
}

int mq_layer_axis(const mq_node *n)
{
    return mq_node_is(n, "", "Conv") ? 1 : -1;
}

bool mq_layer_read(mq_node *n, mq_layer *l)
{
    const bool conv = mq_node_is(n, "", "Conv"), gemm = mq_node_is(n, "", "Gemm") || mq_node_is(n, "", "MatMul");
    const mq_tensor *w = gemm || conv ? mq_constant_input(n, 1) : NULL;
    const int64_t count = w ? mq_tensor_count(w) : 0, groups = conv ? mq_node_attr_int(n, "group", 1) : 1;

    *l = (mq_layer){ .node = n, .inner = 1 };
    if (count <= 0 || w->dtype != MQ_FLOAT || n->n_outputs < 1 || !n->outputs[0])
        return false;
    if (gemm) {
        l->turned = !mq_node_attr_int(n, "transB", 0);
        if (w->n_dims != 2 || mq_node_attr_int(n, "transA", 0))
            return false;
        l->rows = l->group_rows = w->dims[l->turned];
        l->cols = l->group_cols = w->dims[!l->turned];
        return true;
    }
    if (w->n_dims < 3 || groups < 1 || w->dims[0] % groups != 0 || __builtin_mul_overflow(w->dims[1], groups, &l->cols))
        return false;
    l->rows = w->dims[0];
    l->group_rows = l->rows / groups;
    l->group_cols = w->dims[1];
    l->inner = count / l->rows / l->group_cols;
    return true;
}

bool mq_layer_bias_fits(const mq_layer *l)
{
    const mq_node *n = l->node;
    const mq_tensor *t = mq_constant_input(n, 2);

    if (n->n_inputs < 3 || !n->inputs[2])
        return true;
    return t && t->dtype == MQ_FLOAT && mq_tensor_count(t) == l->rows && t->n_dims > 0 && t->dims[t->n_dims - 1] == l->rows;
}

bool mq_takes_factors(const mq_node *n)
{
    static const char *const ops[] = { "Relu", "LeakyRelu", "PRelu", "MaxPool", "AveragePool", "GlobalMaxPool",
                                       "GlobalAveragePool" };
    double least;

    if (n->n_outputs < 1 || !n->outputs[0])
        return false;
    if (mq_node_is_any(n, "", ops, MQ_ARRAY_LEN(ops)))
        return true;
    return mq_node_is(n, "", "Clip") && n->n_inputs > 1 && n->inputs[1] && (n->n_inputs < 3 || !n->inputs[2]) &&
           mq_constant_number(n->inputs[1], &least) && least == 0;
}

mq_node *mq_next_of(const mq_value *v)
{
    mq_node *n = mq_only_reader(v);

    return n && v->uses.items[0].index == 0 && n->graph == v->graph ? n : NULL;
}

static double *ones(int64_t n)
{
    double *f = malloc(((size_t)n + 1) * sizeof *f);

    for (int64_t i = 0; f && i < n; i++)
        f[i] = 1;
    return f;
}

mq_status mq_layer_constant(mq_node *n, size_t input, float **out, mq_error *err)
{
    mq_tensor *t = mq_constant_input(n, input);
    const size_t count = (size_t)mq_tensor_count(t);
    mq_status rc;

    if (!(*out = malloc((count + 1) * sizeof **out)))
        return mq_oom(err);
    if ((rc = mq_tensor_read_f32(t, 0, count, *out, err)) != MQ_OK) {
        free(*out);
        *out = NULL;
    }
    return rc;
}

size_t mq_layer_place(const mq_layer *l, int64_t r, int64_t c)
{
    return (size_t)((l->turned ? c * l->rows + r : r * l->group_cols + c) * l->inner);
}

static void find_most(mq_layer *l, const float *w)
{
    for (int64_t r = 0; r < l->rows; r++)
        for (int64_t c = 0; c < l->group_cols; c++) {
            const float *here = w + mq_layer_place(l, r, c);
            float most = 0;
            for (int64_t k = 0; k < l->inner; k++)
                most = fabsf(here[k]) > most ? fabsf(here[k]) : most;
            l->most[r * l->group_cols + c] = most;
        }
}

mq_status mq_layer_load(mq_layer *l, mq_error *err)
{
    float *w = NULL;
    mq_status rc = MQ_OK;

    if (l->most)
        return MQ_OK;
    l->most = malloc(((size_t)(l->rows * l->group_cols) + 1) * sizeof *l->most);
    l->by_row = ones(l->rows);
    l->by_col = ones(l->cols);
    l->making = ones(l->rows);
    l->reading = ones(l->cols);
    if (!l->most || !l->by_row || !l->by_col || !l->making || !l->reading)
        return mq_oom(err);
    if (l->node->n_inputs > 2 && l->node->inputs[2] && mq_layer_bias_fits(l))
        MQ_TRY(mq_layer_constant(l->node, 2, &l->bias, err));
    MQ_TRY(mq_layer_constant(l->node, 1, &w, err));
    find_most(l, w);
done:
    free(w);
    return rc;
}

/* ---- writing ------------------------------------------------------------------------------------------------------- */

/* Input i of n becomes a constant of these floats (from malloc, taken over), under the same name when nobody else reads the
 * old one. */
mq_status mq_layer_replace(mq_node *n, size_t i, float *data, mq_error *err)
{
    mq_value *old = n->inputs[i], *made;
    const mq_tensor *t = mq_constant_input(n, i);
    mq_tensor *fresh;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_constant_of_heap(n->graph, old->name, MQ_FLOAT, t->n_dims, t->dims, data, &made, err));
    if (old->init && old->graph == n->graph && mq_only_reader(old) == n && !old->is_input) {
        fresh = made->init;
        mq_value_clear_init(made);
        MQ_TRY(mq_value_set_init(old, fresh, err));
        goto done;
    }
    MQ_TRY(mq_node_set_input(n, i, made, err));
    if (mq_value_unused(old) && old->init && !old->is_input)
        mq_value_clear_init(old);
    else if (mq_value_unused(old) && old->producer)
        mq_pass_drop(old->producer);
done:
    return rc;
}

static bool only_ones(const double *factors, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (factors[i] != 1)
            return false;
    return true;
}

static void scale(const mq_layer *l, float *w)
{
    for (int64_t r = 0; r < l->rows; r++)
        for (int64_t c = 0; c < l->group_cols; c++) {
            const double factor = l->by_row[r] * l->by_col[r / l->group_rows * l->group_cols + c];
            float *here = w + mq_layer_place(l, r, c);
            for (int64_t k = 0; k < l->inner; k++)
                here[k] = (float)((double)here[k] * factor);
        }
}

mq_status mq_layer_write(mq_layer *l, mq_error *err)
{
    const bool rows = !only_ones(l->by_row, l->rows), cols = !only_ones(l->by_col, l->cols);
    mq_status rc = MQ_OK;
    float *data;

    if (!rows && !cols)
        return MQ_OK;
    MQ_TRY(mq_layer_constant(l->node, 1, &data, err));
    scale(l, data);
    MQ_TRY(mq_layer_replace(l->node, 1, data, err));
    if (rows && l->bias) {
        for (int64_t r = 0; r < l->rows; r++)
            l->bias[r] = (float)((double)l->bias[r] * l->by_row[r]);
        data = l->bias;
        l->bias = NULL;
        MQ_TRY(mq_layer_replace(l->node, 2, data, err));
    }
done:
    return rc;
}

