/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The ordered lists of passes, and running one. */
#include "ops/ops.h"
#include "passes/pass.h"

extern const mq_pass mq_pass_cancel_qdq;
extern const mq_pass mq_pass_close_inputs;
extern const mq_pass mq_pass_drop_flatten;
extern const mq_pass mq_pass_drop_identity;
extern const mq_pass mq_pass_drop_noop;
extern const mq_pass mq_pass_fold_batchnorm;
extern const mq_pass mq_pass_fold_constants;
extern const mq_pass mq_pass_fold_dequantized;
extern const mq_pass mq_pass_fold_input;
extern const mq_pass mq_pass_fold_pad;
extern const mq_pass mq_pass_fold_scale;
extern const mq_pass mq_pass_fold_shapes;
extern const mq_pass mq_pass_fuse_activation;
extern const mq_pass mq_pass_fuse_attention;
extern const mq_pass mq_pass_fuse_bias_gelu;
extern const mq_pass mq_pass_fuse_dynamic;
extern const mq_pass mq_pass_fuse_elementwise;
extern const mq_pass mq_pass_fuse_gate;
extern const mq_pass mq_pass_fuse_gelu;
extern const mq_pass mq_pass_fuse_gemm;
extern const mq_pass mq_pass_fuse_groupnorm;
extern const mq_pass mq_pass_fuse_heads;
extern const mq_pass mq_pass_fuse_layernorm;
extern const mq_pass mq_pass_fuse_length;
extern const mq_pass mq_pass_fuse_lookup;
extern const mq_pass mq_pass_fuse_matmul;
extern const mq_pass mq_pass_fuse_nbits;
extern const mq_pass mq_pass_fuse_norm;
extern const mq_pass mq_pass_fuse_projection;
extern const mq_pass mq_pass_fuse_qdq;
extern const mq_pass mq_pass_fuse_skip;
extern const mq_pass mq_pass_fuse_smooth;
extern const mq_pass mq_pass_fuse_softmax;
extern const mq_pass mq_pass_inline_functions;
extern const mq_pass mq_pass_inline_if;
extern const mq_pass mq_pass_merge_constants;
extern const mq_pass mq_pass_merge_equal;
extern const mq_pass mq_pass_merge_numbers;
extern const mq_pass mq_pass_merge_parts;
extern const mq_pass mq_pass_merge_products;
extern const mq_pass mq_pass_merge_slices;
extern const mq_pass mq_pass_move_qdq;
extern const mq_pass mq_pass_move_transposes;
extern const mq_pass mq_pass_simplify_views;

const mq_pass *const mq_engine_passes[] = {
    &mq_pass_drop_identity,     /* first: patterns below need not look through them */
    &mq_pass_fold_constants,    /* scales, axes and shapes become constants; DequantizeLinear stays */
    &mq_pass_inline_if,         /* conditions are constants now; the branch's nodes see all that follows */
    &mq_pass_drop_identity,     /* what inline-if has put at the ends of branches */
    &mq_pass_fold_constants,    /* what is constant inside them */
    &mq_pass_drop_noop,         /* shapes are known now, and patterns need not look through it */
    &mq_pass_merge_equal,       /* a pattern may have been computed twice; before fusions, which want single readers */
    &mq_pass_fuse_gelu,         /* before products change: the patterns are elementary operators */
    &mq_pass_fuse_layernorm,    /* the same */
    &mq_pass_move_qdq,          /* so that DequantizeLinear and QuantizeLinear stand beside what computes */
    &mq_pass_fuse_qdq,          /* before fuse-nbits: a product of integers beats one of floats by packed weights */
    &mq_pass_fold_constants,    /* integers that move-qdq has put a Transpose or Reshape behind */
    &mq_pass_fuse_nbits,        /* before weights are folded to floats */
    &mq_pass_fuse_dynamic,      /* after fuse-qdq, which makes MatMulIntegerToFloat: it may take a bias */
    &mq_pass_fold_dequantized,  /* what nobody takes as integers */
    &mq_pass_fuse_lookup,       /* parameters are constants now; before activations go into what makes floats */
    &mq_pass_fold_batchnorm,    /* before fuse-activation: then the activation stands behind the product */
    &mq_pass_fuse_attention,    /* products of integers have gone; before Mul and Add become parts of others */
    &mq_pass_fuse_activation,   /* after all that makes or changes a product */
    &mq_pass_fuse_elementwise,  /* last: what other patterns are made of is not hidden from them */
    NULL,
};

const mq_pass *const mq_quantize_passes[] = {
    &mq_pass_drop_identity,  /* nothing between a product and what is folded into it */
    &mq_pass_fold_batchnorm,
    NULL,
};

const mq_pass *const mq_qoperator_passes[] = {
    &mq_pass_move_qdq, /* as for the engine */
    &mq_pass_fuse_qdq,
    NULL,
};

#define ALL MQ_PASS_ALL
#define ONNX MQ_PASS_ONNX
#define ORT MQ_PASS_ONNXRUNTIME
#define NEW (ONNX | ORT) /* makes operators that old runtimes lack */

/* First what makes constants, then what looks at them; what only renames or removes before what matches patterns. */
const mq_convert_pass mq_convert_passes[] = {
    { &mq_pass_close_inputs, ALL, 2, 7 },    /* first: what is constant then can be folded */
    { &mq_pass_inline_functions, ALL, 2, 7 }, /* passes see no bodies of functions */
    { &mq_pass_drop_identity, ALL, 1, 7 },   /* patterns below need not look through them */
    { &mq_pass_fold_constants, ALL, 1, 7 },  /* the evaluator raises what it runs: any version will do */
    { &mq_pass_inline_if, ALL, 1, 7 },       /* conditions are constants now */
    { &mq_pass_fold_shapes, ALL, 1, 7 },     /* what folding has left of shape arithmetic */
    { &mq_pass_drop_noop, ALL, 1, 7 },       /* shapes are known now */
    { &mq_pass_merge_equal, ALL, 1, 7 },     /* before patterns, which want single readers */
    { &mq_pass_drop_flatten, ALL, 2, 7 },    /* products see their readers */
    { &mq_pass_cancel_qdq, ALL, 1, 10 },     /* before views: those between integers meet others */
    { &mq_pass_simplify_views, ALL, 1, 7 },  /* shapes are constants now */
    { &mq_pass_move_transposes, ALL, 2, 7 }, /* those that simplify-views cannot join with a neighbour */
    { &mq_pass_merge_slices, ALL, 1, 7 },    /* those that simplify-views has made, too */
    { &mq_pass_merge_parts, ALL, 1, 7 },     /* the Split that merge-slices has made, too */
    { &mq_pass_merge_numbers, ALL, 2, 7 },   /* one constant goes into weights more easily than two */
    { &mq_pass_fold_batchnorm, ALL, 2, 7 },  /* before fold-scale, which looks no further than numbers */
    { &mq_pass_fold_input, ALL, 2, 7 },      /* behind: what has no weights before it */
    { &mq_pass_fold_pad, ALL, 2, 7 },        /* pads are constants now */
    { &mq_pass_fuse_norm, NEW, 2, 7 },       /* the patterns are elementary operators */
    { &mq_pass_fuse_skip, ORT, MQ_CONVERT_NAMED, 17 }, /* behind what makes LayerNormalization */
    { &mq_pass_fuse_groupnorm, NEW, MQ_CONVERT_NAMED, 7 }, /* the same */
    { &mq_pass_fuse_length, NEW, 2, 7 },     /* the same */
    { &mq_pass_fuse_softmax, ALL, 2, 7 },    /* the same */
    { &mq_pass_fuse_gate, ONNX, 2, 7 },      /* the same */
    { &mq_pass_fuse_gelu, ORT, 2, 7 },       /* the same */
    { &mq_pass_fuse_smooth, ONNX, MQ_CONVERT_NAMED, 7 }, /* the same */
    { &mq_pass_fuse_bias_gelu, ORT, 2, 7 },  /* behind what makes Gelu */
    { &mq_pass_fuse_heads, ONNX, 2, 7 },     /* after fuse-softmax, and while scales are numbers */
    { &mq_pass_fuse_attention, ORT, 2, 8 },  /* the same; before its projections become one. Expand is of opset 8 */
    { &mq_pass_fold_scale, ALL, 2, 7 },      /* before weights are put side by side */
    { &mq_pass_merge_products, ALL, 2, 7 },  /* what belongs to one product only is in its weights */
    { &mq_pass_fuse_projection, ORT, 2, 7 }, /* the product is one now */
    { &mq_pass_fuse_gemm, ALL, 2, 7 },       /* after merge-products, which wants MatMul */
    { &mq_pass_fuse_matmul, ORT, 2, 7 },     /* what neither attention nor weights have taken */
    { &mq_pass_fuse_activation, ORT, 2, 7 }, /* after all that makes or changes a product */
    { &mq_pass_merge_constants, ALL, 1, 7 }, /* after all that wants weights with one reader */
    { NULL, 0, 0, 0 },
};

mq_status mq_pass_run(const mq_pass *pass, mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (pass->run)
        return pass->run(g, ctx, n_changed, err);
    for (mq_node *n = g->first; n && rc == MQ_OK; n = g->walk) {
        g->walk = n->next;
        rc = pass->node(n, n_changed, err);
    }
    g->walk = NULL;
    return rc;
}

static mq_status run_inside(const mq_pass *pass, mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed,
                            size_t *n_dropped, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first; n && rc == MQ_OK; n = n->next)
        for (size_t i = 0; i < n->n_attrs && rc == MQ_OK; i++)
            for (size_t j = 0; n->attrs[i]->graphs && j < n->attrs[i]->n && rc == MQ_OK; j++)
                rc = run_inside(pass, n->attrs[i]->graphs[j], ctx, n_changed, n_dropped, err);
    if (rc == MQ_OK)
        rc = mq_pass_run(pass, g, ctx, n_changed, err);
    if (rc == MQ_OK)
        mq_graph_drop_dead(g, n_dropped);
    return rc;
}

mq_status mq_passes_run(mq_model *m, const mq_pass *const *list, const mq_pass_ctx *ctx, mq_error *err)
{
    mq_status rc = mq_infer_model(m, NULL, NULL, err);

    for (size_t i = 0; list[i] && rc == MQ_OK; i++) {
        size_t n_changed = 0;

        rc = run_inside(list[i], m->graph, ctx, &n_changed, NULL, err);
        if (rc == MQ_OK && n_changed)
            rc = mq_infer_model(m, NULL, NULL, err);
    }
    return rc;
}

/* One round over the chosen rows; *changed tells whether any did something. */
static mq_status run_round(mq_model *m, mq_convert_run *run, const mq_pass_ctx *ctx, bool *changed, mq_error *err)
{
    const int64_t opset = mq_opset_of(m->graph, "");
    mq_status rc = MQ_OK;

    for (size_t i = 0; mq_convert_passes[i].pass && rc == MQ_OK && !run->stop; i++) {
        size_t n_changed = 0, n_dropped = 0;

        if (!run->on[i] || opset < mq_convert_passes[i].opset)
            continue;
        if ((rc = mq_check_cancelled(run->hooks, err)) != MQ_OK)
            break;
        rc = run_inside(mq_convert_passes[i].pass, m->graph, ctx, &n_changed, &n_dropped, err);
        run->n_changed[i] += n_changed;
        run->n_dropped += n_dropped;
        if (rc == MQ_OK && n_changed + n_dropped) {
            *changed = true;
            rc = mq_infer_model(m, NULL, NULL, err);
            if (rc == MQ_OK && run->after)
                rc = run->after(run->user, i, n_changed + n_dropped, err);
        }
    }
    return rc;
}

mq_status mq_passes_settle(mq_model *m, mq_convert_run *run, const mq_pass_ctx *ctx, mq_error *err)
{
    mq_status rc = mq_infer_model(m, NULL, NULL, err);

    for (run->n_rounds = 0; rc == MQ_OK && !run->settled && !run->stop && run->n_rounds < MQ_CONVERT_ROUNDS;
         run->n_rounds++) {
        bool changed = false;

        rc = run_round(m, run, ctx, &changed, err);
        run->settled = !changed;
    }
    if (rc == MQ_OK)
        mq_model_drop_unused(m);
    return rc;
}
