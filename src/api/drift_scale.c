/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Channels that were rescaled before they were quantized: smoothing divides an activation's channels and multiplies the
 * weights that read them, and folds the factors into what makes the activation. Without knowing them every figure of such
 * a layer would be about the factors. They are found from the weights, consumers first: w' = w * r of input channel c, with
 * r by least squares; who makes these channels has its output channels scaled by 1/r. */
#include <math.h>
#include <string.h>

#include "api/drift_job.h"
#include "base/compiler.h"
#include "passes/pass.h"

#define WORTH 16.0      /* times less noise than without factors */
#define SUSPECT 0.01    /* noise by power from which on factors are looked for */
#define VARIED 0.02     /* standard deviation of their logarithm: a single one for all is an error, not a rescaling */

/* A weight's element e has output channel o and input channel c. */
typedef struct layout {
    size_t out, in;       /* channels */
    size_t per_group_in, per_group_out, inner;
    bool turned;          /* a matrix [in, out] */
} layout;

static bool layout_of(const mq_node *n, const mq_array *w, layout *at)
{
    const int64_t group = mq_node_attr_int(n, "group", 1);

    if (w->count == 0)
        return false;
    if (strcmp(n->op_type, "Conv") == 0 && w->rank >= 3 && group > 0 && w->dims[0] % group == 0) {
        at->out = (size_t)w->dims[0];
        at->per_group_in = (size_t)w->dims[1];
        at->in = at->per_group_in * (size_t)group;
        at->per_group_out = at->out / (size_t)group;
        at->inner = w->count / at->out / at->per_group_in;
        at->turned = false;
        return true;
    }
    if ((strcmp(n->op_type, "Gemm") != 0 && strcmp(n->op_type, "MatMul") != 0) || w->rank != 2)
        return false;
    at->turned = mq_layers_weight_axis(n, n->op_type, 1, 2) == 1;
    at->out = (size_t)w->dims[at->turned ? 1 : 0];
    at->in = (size_t)w->dims[at->turned ? 0 : 1];
    at->per_group_in = at->in;
    at->per_group_out = at->out;
    at->inner = 1;
    return true;
}

static void channels_of(const layout *at, size_t e, size_t *o, size_t *c)
{
    if (at->turned) {
        *o = e % at->out;
        *c = e / at->out;
        return;
    }
    *o = e / at->inner / at->per_group_in;
    *c = *o / at->per_group_out * at->per_group_in + e / at->inner % at->per_group_in;
}

static bool same_dims(const mq_array *a, const mq_array *b)
{
    return a->rank == b->rank && memcmp(a->dims, b->dims, (size_t)a->rank * sizeof *a->dims) == 0;
}

mq_status mq_layers_fit(const mq_array *a, mq_array *b, mq_array **out, mq_error *err)
{
    mq_status rc;

    *out = NULL;
    if (same_dims(a, b)) {
        *out = mq_array_ref(b);
        return MQ_OK;
    }
    if (a->rank != 2 || b->rank != 2 || a->dims[0] != b->dims[1] || a->dims[1] != b->dims[0])
        return MQ_OK;
    if ((rc = mq_array_create(out, MQ_FLOAT, 2, a->dims, err)) != MQ_OK)
        return rc;
    for (int64_t r = 0; r < a->dims[0]; r++)
        for (int64_t c = 0; c < a->dims[1]; c++)
            ((float *)(*out)->data)[r * a->dims[1] + c] = ((const float *)b->data)[c * a->dims[0] + r];
    return MQ_OK;
}

mq_status mq_layers_unscale(mq_layers_job *j, const mq_layer_job *l, size_t k, mq_array *b, mq_array **out)
{
    layout at = { 0 };
    size_t o = 0, c = 0;
    mq_status rc;

    if ((!l->in_scale && !l->out_scale) || (k == 1 && !layout_of(l->node, b, &at)) || k == 0 || k > 2 ||
        (k == 2 && (!l->out_scale || b->count != l->n_out_scale))) {
        *out = mq_array_ref(b);
        return MQ_OK;
    }
    if ((rc = mq_array_copy(out, b, j->err)) != MQ_OK)
        return rc;
    for (size_t e = 0; e < b->count; e++) {
        float *x = (float *)(*out)->data + e;

        if (k == 1)
            channels_of(&at, e, &o, &c);
        else
            o = e;
        if (k == 1 && l->in_scale)
            *x *= l->in_scale[c];
        if (l->out_scale)
            *x /= l->out_scale[o];
    }
    return MQ_OK;
}

/* ---- finding -------------------------------------------------------------------------------------------------------- */

static double noise_of(const float *a, const float *b, size_t n)
{
    double noise = 0, power = 0;

    for (size_t i = 0; i < n; i++) {
        noise += ((double)b[i] - a[i]) * ((double)b[i] - a[i]);
        power += (double)a[i] * a[i];
    }
    return power > 0 ? noise / power : 0;
}

/* Factors of input channels by least squares, and the noise that is left. */
static double fit_inputs(const layout *at, const float *a, const float *b, size_t n, float *factor, double *sums)
{
    double *ab = sums, *aa = sums + at->in, noise = 0, power = 0;
    size_t o, c;

    memset(sums, 0, 2 * at->in * sizeof *sums);
    for (size_t e = 0; e < n; e++) {
        channels_of(at, e, &o, &c);
        ab[c] += (double)a[e] * b[e];
        aa[c] += (double)a[e] * a[e];
    }
    for (c = 0; c < at->in; c++)
        factor[c] = aa[c] > 0 && ab[c] > 0 ? (float)(ab[c] / aa[c]) : 1;
    for (size_t e = 0; e < n; e++) {
        channels_of(at, e, &o, &c);
        noise += ((double)b[e] / factor[c] - a[e]) * ((double)b[e] / factor[c] - a[e]);
        power += (double)a[e] * a[e];
    }
    return power > 0 ? noise / power : 0;
}

static bool varied(const float *factor, size_t n)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++) {
        const double x = log(factor[i]);

        sum += x;
        squares += x * x;
    }
    return squares / (double)n - (sum / (double)n) * (sum / (double)n) > VARIED * VARIED;
}

/* The layer that makes what l reads, through nodes that keep channels apart. */
static mq_layer_job *producer_of(mq_layers_job *j, const mq_layer_job *l)
{
    static const char *const keep[] = { "AveragePool", "Clip", "Dropout", "GlobalAveragePool", "Identity", "LeakyRelu",
                                        "MaxPool", "Relu" };
    const mq_node *n = l->node->inputs[0] ? l->node->inputs[0]->producer : NULL;

    for (int depth = 4; n && depth > 0 && mq_node_is_any(n, "", keep, MQ_ARRAY_LEN(keep)) && n->n_inputs; depth--)
        n = n->inputs[0] ? n->inputs[0]->producer : NULL;
    return n && n->tag ? &j->layers.items[n->tag - 1] : NULL;
}

static mq_status keep_factors(mq_layers_job *j, mq_layer_job *l, const layout *at, const float *factor)
{
    mq_layer_job *from = producer_of(j, l);

    if (!(l->in_scale = mq_arena_calloc(j->arena, at->in + 1, sizeof *l->in_scale)))
        return mq_oom(j->err);
    for (size_t c = 0; c < at->in; c++)
        l->in_scale[c] = 1 / factor[c];
    l->n_in_scale = at->in;
    if (from && from->view) {
        from->out_scale = l->in_scale;
        from->n_out_scale = at->in;
    }
    return MQ_OK;
}

/* Factors that a reader's weights gave hold where the weights that make the channels have them, too. */
static mq_status check_outputs(mq_layers_job *j, mq_layer_job *l, const layout *at, const mq_array *a, mq_array **b)
{
    mq_array *scaled = NULL;
    mq_status rc = MQ_OK;

    if (l->out_scale && l->n_out_scale == at->out) {
        MQ_TRY(mq_layers_unscale(j, l, 1, *b, &scaled));
        if (noise_of(a->data, scaled->data, a->count) < noise_of(a->data, (*b)->data, a->count)) {
            mq_array_unref(*b);
            *b = mq_array_ref(scaled);
            goto done;
        }
    }
    l->out_scale = NULL;
done:
    mq_array_unref(scaled);
    return rc;
}

static mq_status look_at(mq_layers_job *j, mq_layer_job *l, const mq_array *a, mq_array **b)
{
    layout at;
    float *factor = NULL;
    double *sums = NULL, before;
    mq_status rc = MQ_OK;

    if (!layout_of(l->node, a, &at)) {
        l->out_scale = NULL;
        return MQ_OK;
    }
    MQ_TRY(check_outputs(j, l, &at, a, b));
    if ((before = noise_of(a->data, (*b)->data, a->count)) < SUSPECT)
        goto done;
    factor = malloc((at.in + 1) * sizeof *factor);
    sums = malloc(2 * (at.in + 1) * sizeof *sums);
    if (!factor || !sums)
        MQ_TRY(mq_oom(j->err));
    if (fit_inputs(&at, a->data, (*b)->data, a->count, factor, sums) * WORTH < before && varied(factor, at.in))
        rc = keep_factors(j, l, &at, factor);
done:
    free(factor);
    free(sums);
    return rc;
}

static mq_status find_scales(mq_layers_job *j, mq_layer_job *l)
{
    const mq_value *w = l->node->n_inputs > 1 ? l->node->inputs[1] : NULL;
    mq_array *a = NULL, *b = NULL, *fitting = NULL;
    mq_status rc = MQ_OK;

    if (!l->view || l->view->n_in < 2 || (!l->view->in[1].real && !l->view->in[1].codes) || !w ||
        !mq_layers_is_constant(w) || mq_value_dtype(w) != MQ_FLOAT) {
        l->out_scale = NULL;
        return MQ_OK;
    }
    MQ_TRY(mq_layers_constant(j, w, &a));
    MQ_TRY(mq_layers_input(j, l->view, 1, &b));
    MQ_TRY(mq_layers_fit(a, b, &fitting, j->err));
    if (fitting)
        MQ_TRY(look_at(j, l, a, &fitting));
    else
        l->out_scale = NULL;
done:
    mq_array_unref(a);
    mq_array_unref(b);
    mq_array_unref(fitting);
    return rc;
}

mq_status mq_layers_find_scales(mq_layers_job *j)
{
    mq_status rc = MQ_OK;

    for (size_t i = j->layers.n; i > 0 && rc == MQ_OK; i--)
        rc = mq_layers_drop(j, &j->layers.items[i - 1], find_scales(j, &j->layers.items[i - 1]));
    return rc;
}
