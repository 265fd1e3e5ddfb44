/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-activation: what follows a product element by element is done while its result is at hand.
 *   Conv [-> Add of a tensor of the same shape] [-> activation]  =>  FusedConv
 *   MatMul of matrices -> Add of a constant row                  =>  Gemm
 *   the same of more axes                                        =>  Reshape -> Gemm -> Reshape
 *   Gemm -> activation                                           =>  FusedGemm
 * The second Reshape gets its shape from Shape and Concat when several sizes are unknown.
 *   Gemm -> Reshape -> activation                            =>  FusedGemm -> Reshape
 * Activations: Clip, Elu, Gelu, HardSigmoid, LeakyRelu, Relu, Sigmoid, Tanh. Of two Conv that an Add joins the later one
 * takes the sum.
 * In a file (for_file) only what ONNX Runtime has is made: no Gelu or Elu in a Conv, no Clip in a Gemm; a MatMul stays
 * (fuse-gemm takes those of matrices, and more axes would take more nodes).
 * Skipped when what is between has another reader or is an output, for other types than float, and for bounds that
 * are no constants.
 * Numerics: the same operations; the fused kernel may keep sums in registers instead of rounding them between. */
#include <math.h>
#include <string.h>

#include "passes/pass.h"

#define MAX_RANK_HERE 8

/* ---- activations --------------------------------------------------------------------------------------------------- */

typedef struct activation {
    const char *op;
    const char *a, *b; /* attributes that are its parameters; NULL: none */
    float a_default, b_default;
    bool in_conv, in_gemm; /* ONNX Runtime's FusedConv and FusedGemm have it */
} activation;

static const activation activations[] = {
    { "Elu", "alpha", NULL, 1, 0, false, true },
    { "Gelu", NULL, NULL, 0, 0, false, false },
    { "HardSigmoid", "alpha", "beta", 0.2f, 0.5f, true, true },
    { "LeakyRelu", "alpha", NULL, 0.01f, 0, true, true },
    { "Relu", NULL, NULL, 0, 0, true, true },
    { "Sigmoid", NULL, NULL, 0, 0, true, true },
    { "Tanh", NULL, NULL, 0, 0, true, true },
};

/* Who has to run the result, and what the activation goes into. */
typedef enum taker { ENGINE, FILE_CONV, FILE_GEMM } taker;

/* The bounds of a Clip: inputs, attributes before opset 11. */
static bool read_bounds(const mq_node *n, float params[2])
{
    const bool attrs = mq_opset_of(n->graph, "") < 11;
    double bound[2] = { -INFINITY, INFINITY };

    if (attrs) {
        bound[0] = (double)mq_node_attr_float(n, "min", -INFINITY);
        bound[1] = (double)mq_node_attr_float(n, "max", INFINITY);
    }
    for (size_t i = 1; i < 3 && i < n->n_inputs && !attrs; i++)
        if (n->inputs[i] && !mq_constant_number(n->inputs[i], &bound[i - 1]))
            return false;
    params[0] = (float)bound[0];
    params[1] = (float)bound[1];
    return bound[0] <= bound[1];
}

/* Is n an activation that the taker has? Its parameters, and how many it has. */
static bool read_activation(const mq_node *n, taker by, float params[2], size_t *n_params)
{
    *n_params = 2;
    if (mq_node_is(n, "", "Clip"))
        return by != FILE_GEMM && read_bounds(n, params);
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        const activation *a = &activations[i];

        if (!mq_node_is(n, "", a->op))
            continue;
        params[0] = a->a ? mq_node_attr_float(n, a->a, a->a_default) : 0;
        params[1] = a->b ? mq_node_attr_float(n, a->b, a->b_default) : 0;
        *n_params = a->b ? 2 : a->a ? 1 : 0;
        return by == ENGINE || (by == FILE_CONV ? a->in_conv : a->in_gemm);
    }
    return false;
}

/* The activation that is the only reader of n's output. */
static mq_node *activation_behind(const mq_node *n, taker by, float params[2], size_t *n_params)
{
    mq_node *a = n->outputs[0] ? mq_only_reader(n->outputs[0]) : NULL;

    return a && a->graph == n->graph && a->n_outputs == 1 && a->outputs[0] && a->inputs[0] == n->outputs[0] &&
                   read_activation(a, by, params, n_params)
               ? a
               : NULL;
}

/* As attribute `activation` names it. */
static const char *activation_name(const mq_node *act)
{
    return mq_node_is(act, "", "Gelu") && mq_node_attr_is(act, "approximate", "tanh") ? "FastGelu" : act->op_type;
}

/* ---- Conv ---------------------------------------------------------------------------------------------------------- */

/* The last of the list's floats becomes attribute activation_params: there is no setter for lists of floats. */
static mq_status set_params(mq_node *n, const float *params, size_t count, mq_error *err)
{
    mq_status rc = mq_node_set_attr_int(n, "activation_params", 0, err);
    mq_attr *a = rc == MQ_OK ? mq_node_attr(n, "activation_params") : NULL;

    if (!a)
        return rc;
    if (!(a->floats = mq_arena_memdup(n->graph->model->arena, params, count * sizeof *params)))
        return mq_oom(err);
    a->type = MQ_ATTR_FLOATS;
    a->n = count;
    return MQ_OK;
}

/* Add behind the Conv whose other side has the same shape and is there already; *z is that side. */
static mq_node *sum_behind(const mq_node *conv, mq_value **z)
{
    mq_value *y = conv->outputs[0];
    mq_node *add = y ? mq_only_reader(y) : NULL;

    if (!add || add->graph != conv->graph || !mq_node_is(add, "", "Add") || add->n_inputs != 2 || !add->outputs[0])
        return NULL;
    *z = add->inputs[add->inputs[0] == y ? 1 : 0];
    return *z && *z != y && mq_same_shape(*z, y) ? add : NULL;
}

static mq_status fuse_conv(mq_node *conv, taker by, size_t *n_changed, mq_error *err)
{
    const bool fused = mq_node_is(conv, "com.microsoft", "FusedConv");
    mq_value *in[4] = { NULL };
    mq_node *add, *act, *made, *last = conv;
    float params[2];
    size_t n_params = 0;
    mq_status rc = MQ_OK;

    if (conv->n_inputs < 2 || conv->n_inputs > 4 || mq_value_dtype(conv->inputs[1]) != MQ_FLOAT ||
        mq_node_attr(conv, "activation"))
        return MQ_OK;
    for (size_t i = 0; i < conv->n_inputs; i++)
        in[i] = conv->inputs[i];
    if (!fused && (add = sum_behind(conv, &in[3])))
        last = add;
    else if (!fused)
        in[3] = NULL;
    if ((act = activation_behind(last, by, params, &n_params)))
        last = act;
    if (last == conv)
        return MQ_OK;
    MQ_TRY(mq_pass_insert(last, "com.microsoft", "FusedConv", conv, in, 4, &made, err));
    if (act)
        MQ_TRY(mq_node_set_attr_string(made, "activation", activation_name(act), err));
    if (act && n_params)
        MQ_TRY(set_params(made, params, n_params, err));
    MQ_TRY(mq_pass_take_over(made, last, err));
    ++*n_changed;
done:
    return rc;
}

/* ---- MatMul -> Add -> Gemm ----------------------------------------------------------------------------------------- */

/* Add of a constant row of n behind the MatMul. */
static mq_node *row_behind(const mq_node *n, mq_dim size, mq_value **row)
{
    mq_value *y = n->outputs[0];
    mq_node *add = y ? mq_only_reader(y) : NULL;
    const mq_tensor *t;

    if (!add || add->graph != n->graph || !mq_node_is(add, "", "Add") || add->n_inputs != 2 || !add->outputs[0])
        return NULL;
    *row = add->inputs[add->inputs[0] == y ? 1 : 0];
    t = *row ? mq_value_constant(*row, false) : NULL;
    return t && t->dtype == MQ_FLOAT && t->n_dims == 1 && t->dims[0] == size.value ? add : NULL;
}

static mq_status insert_reshape(mq_node *at, mq_value *x, mq_value *shape, mq_node **out, mq_error *err)
{
    mq_value *const in[2] = { x, shape };

    return mq_pass_insert(at, "", "Reshape", NULL, in, 2, out, err);
}

/* The shape of the result as a constant, with -1 for a size that is not known. *out stays NULL when that cannot say it. */
static mq_status constant_shape(const mq_node *at, const mq_value *a, int64_t columns, mq_value **out, mq_error *err)
{
    const int64_t rank = mq_value_rank(a);
    int64_t dims[MAX_RANK_HERE];
    int unknown = 0;

    for (int i = 0; i < rank - 1; i++) {
        const mq_dim d = mq_value_dim(a, i);

        dims[i] = mq_dim_known(d) ? d.value : -1;
        unknown += dims[i] <= 0; /* beside a size of 0 nothing can be left open */
    }
    dims[rank - 1] = columns;
    return unknown > 1 ? MQ_OK : mq_constant_of(at->graph, "shape", MQ_INT64, 1, &rank, dims, out, err);
}

/* The same, found at run time: all sizes of a but the last, and the columns. */
static mq_status found_shape(mq_node *at, mq_value *a, int64_t columns, mq_value **out, mq_error *err)
{
    const int64_t one = 1;
    mq_value *in[2];
    mq_status rc = MQ_OK;
    mq_node *n;

    MQ_TRY(mq_pass_insert(at, "", "Shape", NULL, &a, 1, &n, err));
    MQ_TRY(mq_node_set_attr_int(n, "end", -1, err));
    MQ_TRY(mq_pass_give_output(n, a, &in[0], err));
    MQ_TRY(mq_constant_of(at->graph, "columns", MQ_INT64, 1, &one, &columns, &in[1], err));
    MQ_TRY(mq_pass_insert(at, "", "Concat", NULL, in, 2, &n, err));
    MQ_TRY(mq_node_set_attr_int(n, "axis", 0, err));
    MQ_TRY(mq_pass_give_output(n, a, out, err));
done:
    return rc;
}

/* in[0] of more axes becomes a matrix, and *gemm's output gets those axes back. */
static mq_status fuse_axes(mq_node *add, mq_value **in, int64_t rows, int64_t columns, mq_node **gemm, mq_error *err)
{
    const int64_t two = 2, dims[2] = { -1, rows };
    mq_value *a = in[0], *shape = NULL, *y;
    mq_status rc = MQ_OK;
    mq_node *n;

    MQ_TRY(mq_constant_of(add->graph, "shape", MQ_INT64, 1, &two, dims, &shape, err));
    MQ_TRY(insert_reshape(add, a, shape, &n, err));
    MQ_TRY(mq_pass_give_output(n, a, &in[0], err));
    MQ_TRY(mq_pass_insert(add, "", "Gemm", NULL, in, 3, gemm, err));
    MQ_TRY(mq_pass_give_output(*gemm, add->outputs[0], &y, err));
    shape = NULL;
    MQ_TRY(constant_shape(add, a, columns, &shape, err));
    if (!shape)
        MQ_TRY(found_shape(add, a, columns, &shape, err));
    MQ_TRY(insert_reshape(add, y, shape, gemm, err));
    MQ_TRY(mq_node_set_attr_int(*gemm, "allowzero", 1, err));
done:
    return rc;
}

static mq_status fuse_rows(mq_node *n, size_t *n_changed, mq_error *err)
{
    const mq_tensor *w = mq_constant_input(n, 1);
    const int rank = mq_value_rank(n->inputs[0]);
    mq_value *in[3] = { n->inputs[0], n->inputs[1] };
    mq_status rc = MQ_OK;
    mq_node *add, *gemm;

    if (!w || w->dtype != MQ_FLOAT || w->n_dims != 2 || w->dims[0] < 1 || w->dims[1] < 1 || rank < 2 ||
        rank > MAX_RANK_HERE || !(add = row_behind(n, MQ_DIM(w->dims[1]), &in[2])))
        return MQ_OK;
    if (rank == 2)
        MQ_TRY(mq_pass_insert(add, "", "Gemm", NULL, in, 3, &gemm, err));
    else
        MQ_TRY(fuse_axes(add, in, w->dims[0], w->dims[1], &gemm, err));
    MQ_TRY(mq_pass_take_over(gemm, add, err));
    ++*n_changed;
done:
    return rc;
}

/* ---- Gemm ---------------------------------------------------------------------------------------------------------- */

/* A Reshape that alone reads the product. */
static mq_node *reshape_behind(const mq_node *gemm)
{
    mq_node *r = gemm->outputs[0] ? mq_only_reader(gemm->outputs[0]) : NULL;

    return r && r->graph == gemm->graph && mq_node_is(r, "", "Reshape") && r->n_inputs == 2 && r->n_outputs == 1 &&
                   r->outputs[0] && r->inputs[0] == gemm->outputs[0]
               ? r
               : NULL;
}

/* The activation changes places with the Reshape. */
static mq_status swap_reshape(mq_node *gemm, mq_node *reshape, mq_node *act, mq_node **made, mq_error *err)
{
    mq_value *in[2] = { NULL, reshape->inputs[1] };
    mq_status rc = MQ_OK;
    mq_node *after;

    MQ_TRY(mq_pass_insert(reshape, "com.microsoft", "FusedGemm", gemm, gemm->inputs, gemm->n_inputs, made, err));
    MQ_TRY(mq_pass_give_output(*made, gemm->outputs[0], &in[0], err));
    MQ_TRY(mq_pass_insert(act, "", "Reshape", reshape, in, 2, &after, err));
    MQ_TRY(mq_pass_take_over(after, act, err));
done:
    return rc;
}

static mq_status fuse_gemm(mq_node *gemm, taker by, size_t *n_changed, mq_error *err)
{
    float params[2];
    size_t n_params;
    mq_status rc = MQ_OK;
    mq_node *act, *made, *reshape = reshape_behind(gemm);

    if (gemm->n_inputs < 2 || mq_value_dtype(gemm->inputs[1]) != MQ_FLOAT ||
        !(act = activation_behind(reshape ? reshape : gemm, by, params, &n_params)))
        return MQ_OK;
    const char *name = activation_name(act);
    if (reshape)
        MQ_TRY(swap_reshape(gemm, reshape, act, &made, err));
    else
        MQ_TRY(mq_pass_insert(act, "com.microsoft", "FusedGemm", gemm, gemm->inputs, gemm->n_inputs, &made, err));
    MQ_TRY(mq_node_set_attr_string(made, "activation", name, err));
    if (n_params > 0)
        MQ_TRY(mq_node_set_attr_float(made, "activation_alpha", params[0], err));
    if (n_params > 1)
        MQ_TRY(mq_node_set_attr_float(made, "activation_beta", params[1], err));
    if (!reshape)
        MQ_TRY(mq_pass_take_over(made, act, err));
    ++*n_changed;
done:
    return rc;
}

/* ---- the pass ------------------------------------------------------------------------------------------------------ */

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    const bool file = ctx->for_file;
    mq_status rc = MQ_OK;

    /* backwards: of two Conv that an Add joins the later one is asked first */
    for (mq_node *n = g->last, *prev; n && rc == MQ_OK; n = prev) {
        prev = n->prev;
        if (n->n_outputs != 1 || n->n_inputs < 1)
            continue;
        if (mq_node_is(n, "", "Conv") || mq_node_is(n, "com.microsoft", "FusedConv"))
            rc = fuse_conv(n, file ? FILE_CONV : ENGINE, n_changed, err);
        else if (!file && mq_node_is(n, "", "MatMul"))
            rc = fuse_rows(n, n_changed, err);
    }
    for (mq_node *n = g->last, *prev; n && rc == MQ_OK; n = prev) { /* what goes with n lies behind it */
        prev = n->prev;
        if (n->n_outputs == 1 && mq_node_is(n, "", "Gemm"))
            rc = fuse_gemm(n, file ? FILE_GEMM : ENGINE, n_changed, err);
    }
    return rc;
}

const mq_pass mq_pass_fuse_activation = {
    .name = "fuse-activation", .summary = "merge bias, sum and activation into Conv, MatMul and Gemm", .run = run
};
