/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fold-constants: a node whose inputs are all constants is replaced by what it gives; so is a value whose contents type
 * inference knows (the shape of a tensor of fixed size). A DequantizeLinear stays: fuse-qdq and fuse-nbits take its
 * integers. fold-dequantized: the same for every node, when those have taken what they can.
 * Left as they are: what the evaluator cannot run, graph attributes, results that would be much larger than their inputs.
 * Numerics: exact, the evaluator is the engine's reference kernel. */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "passes/pass.h"

#define UNKNOWN_SIZE_LIMIT 65536 /* bytes of inputs up to which a result of unknown size is tried */

static bool makes_memory(const mq_node *n)
{
    static const char *const ops[] = { "ConstantOfShape", "Expand", "EyeLike", "OneHot", "Pad", "Range", "Resize", "Tile",
                                       "CenterCropPad", "AffineGrid", "Col2Im", "MelWeightMatrix", "BlackmanWindow",
                                           "HannWindow",
                                       "HammingWindow", "MaxUnpool", "ConvTranspose" };

    return mq_node_is_any(n, NULL, ops, MQ_ARRAY_LEN(ops));
}

/* Bytes of a value with a known type and shape; -1: not known. */
static int64_t value_bytes(const mq_value *v)
{
    int64_t n = 1;

    if (!v->type || v->type->kind != MQ_TYPE_TENSOR || v->type->rank < 0 || !mq_dtype_bits(v->type->dtype))
        return -1;
    for (int i = 0; i < v->type->rank; i++)
        if (v->type->dims[i].value < 0 || __builtin_mul_overflow(n, v->type->dims[i].value, &n))
            return -1;
    return __builtin_mul_overflow(n, (mq_dtype_bits(v->type->dtype) + 7) / 8, &n) ? -1 : n;
}

/* Would the result fit what the caller allows? */
static bool small_enough(const mq_node *n, const mq_pass_ctx *ctx)
{
    uint64_t in = 0, out = 0;

    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i])
            in += (uint64_t)mq_tensor_size(mq_constant_input(n, i));
    for (size_t i = 0; i < n->n_outputs; i++) {
        const int64_t bytes = n->outputs[i] ? value_bytes(n->outputs[i]) : 0;

        if (bytes < 0)
            return in <= UNKNOWN_SIZE_LIMIT && !makes_memory(n);
        out += (uint64_t)bytes;
    }
    return out <= in || out - in <= ctx->fold_limit;
}

static bool foldable(const mq_node *n, const mq_pass_ctx *ctx)
{
    bool named = false;

    if (mq_node_is(n, "", "Constant"))
        return false;
    for (size_t i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] && (!mq_constant_input(n, i) || mq_tensor_size(mq_constant_input(n, i)) < 0))
            return false;
    for (size_t i = 0; i < n->n_attrs; i++)
        if (n->attrs[i]->graphs)
            return false;
    for (size_t i = 0; i < n->n_outputs; i++)
        named |= n->outputs[i] != NULL;
    return named && small_enough(n, ctx);
}

static mq_status make_inputs(const mq_node *n, mq_array **in, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n->n_inputs && rc == MQ_OK; i++)
        if (n->inputs[i])
            rc = mq_array_of_tensor(&in[i], mq_constant_input(n, i), true, err);
    return rc;
}

static mq_status take_results(mq_node *n, mq_array *const *out, mq_error *err)
{
    mq_model *m = n->graph->model;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n->n_outputs && rc == MQ_OK; i++) {
        mq_value *v = n->outputs[i];
        mq_tensor *t = NULL;

        if (v && (rc = mq_tensor_of_array(&t, m, v->name, out[i], err)) == MQ_OK)
            rc = mq_value_make_constant(v, t, err);
    }
    return rc;
}

static mq_status fold(mq_node *n, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    const size_t n_arrays = n->n_inputs + n->n_outputs;
    mq_array **arrays = calloc(n_arrays + 1, sizeof *arrays), **out = arrays + n->n_inputs;
    mq_error inner = { 0 };
    bool tensors = true;
    mq_status rc;

    if (!arrays)
        return mq_oom(err);
    if ((rc = make_inputs(n, arrays, &inner)) == MQ_OK)
        rc = ctx->evaluate(ctx->user, n, arrays, out, &inner);
    for (size_t i = 0; i < n->n_outputs && rc == MQ_OK; i++)
        tensors &= !n->outputs[i] || (out[i] && out[i]->kind == MQ_TYPE_TENSOR);
    /* What cannot be computed stays: running it, if it ever runs, will say what is wrong, too little memory as well. */
    rc = rc == MQ_OK && tensors ? take_results(n, out, err) : MQ_ERR_UNSUPPORTED;
    if (rc == MQ_OK) {
        mq_node_remove(n);
        ++*n_changed;
    } else if (rc != MQ_ERR_NOMEM) {
        rc = MQ_OK;
    }
    for (size_t i = 0; i < n_arrays; i++)
        mq_array_unref(arrays[i]);
    free(arrays);
    return rc;
}

/* Does inference know every element? */
static bool is_known(const mq_value *v)
{
    const mq_dtype dtype = mq_value_dtype(v);
    const int rank = mq_value_rank(v);

    if (!v->known || !v->producer || rank < 0 || rank > 1 || (dtype != MQ_INT64 && dtype != MQ_INT32) ||
        (rank == 0 && v->n_known != 1) || mq_value_constant(v, false))
        return false;
    for (size_t i = 0; i < v->n_known; i++)
        if (v->known[i].value == INT64_MIN || v->known[i].symbol)
            return false;
    return true;
}

/* All outputs are known, or none becomes a constant: those of Split, one of many, must not be left out. */
static bool outputs_are_known(const mq_node *n)
{
    bool any = false;

    for (size_t i = 0; i < n->n_outputs; i++) {
        if (n->outputs[i] && !is_known(n->outputs[i]))
            return false;
        any |= n->outputs[i] != NULL;
    }
    return any;
}

/* A value whose contents inference knows becomes a constant. */
static mq_status fold_known(mq_value *v, size_t *n_changed, mq_error *err)
{
    mq_model *m = v->graph->model;
    const mq_dtype dtype = mq_value_dtype(v);
    const int64_t dim = (int64_t)v->n_known;
    int64_t *wide = mq_arena_calloc(m->arena, v->n_known, sizeof *wide);
    mq_tensor *t;
    mq_status rc;

    if (!wide)
        return mq_oom(err);
    for (size_t i = 0; i < v->n_known; i++) {
        wide[i] = v->known[i].value;
        if (dtype == MQ_INT32) /* little-endian: narrowed in place, front to back */
            ((int32_t *)(void *)wide)[i] = (int32_t)v->known[i].value;
    }
    if (!(t = mq_tensor_create(m, v->name, dtype, mq_value_rank(v), &dim, wide)))
        return mq_oom(err);
    if ((rc = mq_value_make_constant(v, t, err)) == MQ_OK)
        ++*n_changed;
    return rc;
}

static mq_status fold_all(mq_graph *g, const mq_pass_ctx *ctx, bool dequantize, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        const bool known = outputs_are_known(n);

        next = n->next;
        for (size_t i = 0; known && i < n->n_outputs && rc == MQ_OK; i++)
            if (n->outputs[i])
                rc = fold_known(n->outputs[i], n_changed, err);
        if (strcmp(n->op_type, "DequantizeLinear") == 0 && !dequantize)
            continue;
        if (rc == MQ_OK && ctx->evaluate && foldable(n, ctx))
            rc = fold(n, ctx, n_changed, err);
    }
    return rc;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    return fold_all(g, ctx, false, n_changed, err);
}

static mq_status run_dequantized(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    return fold_all(g, ctx, true, n_changed, err);
}

const mq_pass mq_pass_fold_constants = {
    .name = "fold-constants", .summary = "replace what depends on constants only by its value", .run = run
};

const mq_pass mq_pass_fold_dequantized = {
    .name = "fold-dequantized", .summary = "the same for constants behind DequantizeLinear", .run = run_dequantized
};
