/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-attention: products of attention and the Softmax between them become one operator.
 *   MatMul(Q, K transposed) -> [Mul or Div by a number] -> [Add of a mask] -> Softmax -> MatMul(V)  =>  mq::Attention
 * (ops/attention_op.h). Numbers may also stand before the first product, on either side. Where Q, K, V and the result are
 * cut into heads by Reshape [B, S, N, D] and Transpose, these go too, and the operator takes and gives [B, S, N * D]; else
 * it takes and gives [B, N, S, D]. In a file (fuse-heads) it is Attention of ai.onnx, from opset 23 on.
 * With for_file fuse-attention makes MultiHeadAttention of ONNX Runtime, of heads that are cut so; a mask with one row for
 * all queries is expanded for it. There heads may also be cut from [S, B, N * D], with Transpose [B, S, N * D] put between.
 * Skipped when what is inside has another reader or is an output, when it is not float, or when batches, heads or the mask's
 * sizes are not known to agree: what is broadcast here is the mask alone. In a file also when the mask is one row for all
 * queries: ONNX Runtime 1.31 refuses that.
 * Numerics: the same sums in another order; a scale before a product is taken behind it. Where a mask hides everything,
 * Attention of ai.onnx gives 0, where Softmax gave NaN. */
#include <math.h>
#include <string.h>

#include "ops/attention_op.h"
#include "passes/pass.h"

#define MAX_SCALES 4 /* in a row */
#define ATTENTION_SINCE 23

typedef struct attention {
    mq_node *last;           /* whose output is replaced */
    mq_value *q, *k, *v, *mask;
    const mq_value *scores;  /* what the mask is added to */
    mq_dim heads;
    double scale;
    mq_node *back;           /* sequence first: the Reshape that reads the result; NULL: batch first */
} attention;

/* ---- reading ------------------------------------------------------------------------------------------------------- */

/* The value behind multiplications by numbers, which no one else reads; they go into *scale. */
static mq_value *behind_scales(mq_value *v, double *scale)
{
    for (int i = 0; i < MAX_SCALES; i++) {
        mq_node *mul = mq_pass_only_producer(v, "Mul"), *div = mul ? NULL : mq_pass_only_producer(v, "Div");
        const mq_node *n = mul ? mul : div;
        double x;

        if (!n || n->n_inputs != 2 || !n->inputs[1])
            return v;
        const size_t number = mq_constant_number(n->inputs[1], &x) ? 1 : 0;
        if (!number && (div || !mq_constant_number(n->inputs[0], &x)))
            return v;
        if (mq_value_rank(v) != mq_value_rank(n->inputs[1 - number]) || (div && x == 0))
            return v;
        *scale = div ? *scale / x : *scale * x;
        v = n->inputs[1 - number];
    }
    return v;
}

static bool has_perm_of(const mq_node *n, const int64_t *want, size_t rank)
{
    size_t count;
    const int64_t *perm = mq_node_attr_ints(n, "perm", &count);

    return perm && count == rank && memcmp(perm, want, rank * sizeof *perm) == 0;
}

static bool has_perm(const mq_node *n, const int64_t want[4])
{
    return has_perm_of(n, want, 4);
}

/* Of two shapes with the same number of elements, whose other axes agree: do these two? One that does is enough. */
static bool lengths_agree(const mq_value *a, const mq_value *b)
{
    return mq_dim_equal(mq_value_dim(a, 0), mq_value_dim(b, 0)) || mq_dim_equal(mq_value_dim(a, 1), mq_value_dim(b, 1));
}

/* [B, S, N * D] becomes v = [B, S, N, D] by Reshape: the former; NULL: it does not. */
static mq_value *joined(const mq_value *v)
{
    const mq_node *n = mq_pass_only_producer(v, "Reshape");
    const int64_t heads = mq_value_dim(v, 2).value, size = mq_value_dim(v, 3).value;
    mq_value *x = n ? n->inputs[0] : NULL;
    int64_t width;

    if (!x || mq_value_rank(x) != 3 || mq_value_rank(v) != 4 || heads < 1 || size < 1 ||
        __builtin_mul_overflow(heads, size, &width) || mq_value_dim(x, 2).value != width || !lengths_agree(x, v))
        return NULL;
    return x;
}

/* v = Transpose of [B, S, N, D], perhaps times a number: the operand before it was cut into heads. */
static mq_value *cut(mq_value *v, const int64_t perm[4], double *scale)
{
    double factor = 1;
    const mq_node *t = mq_pass_only_producer(behind_scales(v, &factor), "Transpose");
    mq_value *x = t && has_perm(t, perm) ? joined(behind_scales(t->inputs[0], &factor)) : NULL;

    if (x)
        *scale *= factor;
    return x ? behind_scales(x, scale) : NULL;
}

/* The Reshape behind the Transpose behind v = [B, N, S, D]: [B, S, N * D] again. */
static mq_node *end_of(const mq_value *v)
{
    static const int64_t swap[4] = { 0, 2, 1, 3 };
    mq_node *t = mq_only_reader(v), *r;
    const int64_t heads = mq_value_dim(v, 1).value, size = mq_value_dim(v, 3).value;
    int64_t width;

    if (!t || !mq_node_is(t, "", "Transpose") || !has_perm(t, swap) || !t->outputs[0])
        return NULL;
    r = mq_only_reader(t->outputs[0]);
    if (!r || !mq_node_is(r, "", "Reshape") || r->inputs[0] != t->outputs[0] || r->graph != v->producer->graph ||
        t->graph != r->graph || !r->outputs[0] || mq_value_rank(r->outputs[0]) != 3 || heads < 1 || size < 1 ||
        __builtin_mul_overflow(heads, size, &width) || mq_value_dim(r->outputs[0], 2).value != width)
        return NULL;
    return lengths_agree(r->outputs[0], t->outputs[0]) ? r : NULL;
}

/* ---- checking ------------------------------------------------------------------------------------------------------ */

static bool is_float4(const mq_value *v)
{
    return v && mq_value_dtype(v) == MQ_FLOAT && mq_value_rank(v) == 4;
}

/* Batch and heads of both products' operands are the same, all known to be. */
static bool same_heads(const mq_value *a, const mq_value *b)
{
    return mq_dim_equal(mq_value_dim(a, 0), mq_value_dim(b, 0)) && mq_dim_equal(mq_value_dim(a, 1), mq_value_dim(b, 1));
}

/* A mask of ones and the scores' sizes, as long as these in the last axis. */
static bool mask_fits(const mq_value *mask, const mq_value *scores)
{
    const int rank = mq_value_rank(mask);

    if (mq_value_dtype(mask) != MQ_FLOAT || rank < 1 || rank > 4)
        return false;
    for (int i = 1; i <= rank; i++) {
        const mq_dim d = mq_value_dim(mask, rank - i), s = mq_value_dim(scores, 4 - i);

        if (!mq_dim_equal(d, s) && (i == 1 || d.value != 1))
            return false;
    }
    return true;
}

/* The first product, as the scores before Softmax lead to it. */
static mq_node *read_scores(mq_value *v, attention *t)
{
    const mq_node *add = mq_pass_only_producer(v, "Add");

    for (size_t i = 0; add && add->n_inputs == 2 && add->inputs[1] && i < 2; i++) {
        double scale = 1;
        mq_node *product = mq_pass_only_producer(behind_scales(add->inputs[i], &scale), "MatMul");

        if (product && is_float4(product->outputs[0]) && mask_fits(add->inputs[1 - i], product->outputs[0])) {
            t->mask = add->inputs[1 - i];
            t->scale *= scale;
            return product;
        }
    }
    return add ? NULL : mq_pass_only_producer(behind_scales(v, &t->scale), "MatMul");
}

static bool read_heads(const mq_node *first, mq_node *second, attention *t)
{
    static const int64_t swap[4] = { 0, 2, 1, 3 }, turn[4] = { 0, 2, 3, 1 };
    mq_node *end = end_of(second->outputs[0]);
    double v_scale = 1;
    attention a = *t;

    if (!end)
        return false;
    a.q = cut(first->inputs[0], swap, &a.scale);
    a.k = cut(first->inputs[1], turn, &a.scale);
    a.v = cut(second->inputs[1], swap, &v_scale);
    if (!a.q || !a.k || !a.v || v_scale != 1)
        return false;
    a.last = end;
    *t = a;
    return true;
}

/* [S, B, N * D] becomes v = [B, N, D, S] by Transpose and only then Reshape, perhaps times a number: the former. */
static mq_value *cut_late(mq_value *v, double *scale)
{
    static const int64_t turn[3] = { 1, 2, 0 };
    double factor = 1;
    const mq_node *r = mq_pass_only_producer(behind_scales(v, &factor), "Reshape");
    const mq_node *t = r ? mq_pass_only_producer(r->inputs[0], "Transpose") : NULL;
    const mq_value *flat = t ? r->inputs[0] : NULL, *y = t ? r->outputs[0] : NULL;
    const int64_t heads = mq_value_dim(y, 1).value, size = mq_value_dim(y, 2).value;
    int64_t width;

    if (!t || !has_perm_of(t, turn, 3) || mq_value_rank(y) != 4 || heads < 1 || size < 1 ||
        __builtin_mul_overflow(heads, size, &width) || mq_value_dim(flat, 1).value != width)
        return NULL;
    if (!mq_dim_equal(mq_value_dim(flat, 0), mq_value_dim(y, 0)) &&
        !mq_dim_equal(mq_value_dim(flat, 2), mq_value_dim(y, 3))) /* one that does is enough, as for lengths_agree */
        return NULL;
    *scale *= factor;
    return behind_scales(t->inputs[0], scale);
}

/* The Reshape behind the Transpose to [S, B, N, D] behind v, when it says the same of [S, B, N * D]: no size of the last
 * two axes is copied. */
static mq_node *end_of_turned(const mq_value *v)
{
    static const int64_t turn[4] = { 2, 0, 1, 3 };
    const mq_node *t = mq_only_reader(v);
    mq_node *r = t && mq_node_is(t, "", "Transpose") && has_perm(t, turn) && t->outputs[0] ? mq_only_reader(t->outputs[0])
                                                                                        : NULL;
    mq_tensor *shape = r && mq_node_is(r, "", "Reshape") ? mq_constant_input(r, 1) : NULL;
    const int64_t n = shape && shape->dtype == MQ_INT64 ? mq_tensor_count(shape) : -1;
    int64_t dims[MQ_MAX_RANK];

    if (n < 0 || n > MQ_MAX_RANK || t->graph != v->producer->graph || r->graph != t->graph ||
        r->inputs[0] != t->outputs[0] || mq_tensor_read_i64(shape, 0, (uint64_t)n, dims, NULL) != MQ_OK)
        return NULL;
    for (int64_t i = 2; i < n; i++)
        if (dims[i] == 0)
            return NULL;
    return r;
}

/* Heads that are cut from [S, B, N * D], as torch's modules do. */
static bool read_turned(const mq_node *first, mq_node *second, attention *t)
{
    static const int64_t turn[4] = { 1, 2, 0, 3 }, keys[4] = { 1, 2, 3, 0 };
    double v_scale = 1;
    attention a = *t;

    if (!(a.back = end_of_turned(second->outputs[0])))
        return false;
    a.q = cut(first->inputs[0], turn, &a.scale);
    a.k = cut(first->inputs[1], keys, &a.scale);
    if (!a.k)
        a.k = cut_late(first->inputs[1], &a.scale);
    a.v = cut(second->inputs[1], turn, &v_scale);
    if (!a.q || !a.k || !a.v || v_scale != 1)
        return false;
    a.last = second;
    *t = a;
    return true;
}

static bool read_apart(const mq_node *first, mq_node *second, attention *t)
{
    static const int64_t turn[4] = { 0, 1, 3, 2 };
    double scale = t->scale;
    const mq_node *transpose = mq_pass_only_producer(behind_scales(first->inputs[1], &scale), "Transpose");

    if (!transpose || !has_perm(transpose, turn))
        return false;
    t->k = behind_scales(transpose->inputs[0], &scale);
    t->q = behind_scales(first->inputs[0], &scale);
    t->v = second->inputs[1];
    t->scale = scale;
    t->last = second;
    return true;
}

/* The Softmax is over the last of four axes. */
static bool is_last_axis(const mq_node *softmax)
{
    const int64_t axis = mq_node_attr_int(softmax, "axis", mq_opset_of(softmax->graph, "") < 13 ? 1 : -1);

    return axis == -1 || axis == 3;
}

/* `turned`: with the sequence first, too. */
static bool read_attention(mq_node *n, bool turned, attention *t)
{
    mq_node *softmax, *first;

    *t = (attention){ .scale = 1 };
    if (!mq_node_is(n, "", "MatMul") || n->n_inputs != 2 || !n->outputs[0] || !is_float4(n->inputs[1]) ||
        !is_float4(n->outputs[0]))
        return false;
    softmax = mq_pass_only_producer(n->inputs[0], "Softmax");
    if (!softmax || !is_float4(softmax->inputs[0]) || !is_last_axis(softmax))
        return false;
    first = read_scores(softmax->inputs[0], t);
    if (!first || first->n_inputs != 2 || !is_float4(first->inputs[0]) || !is_float4(first->inputs[1]) ||
        !same_heads(first->inputs[0], first->inputs[1]) || !same_heads(first->inputs[0], n->inputs[1]))
        return false;
    t->heads = mq_value_dim(first->inputs[0], 1);
    t->scores = first->outputs[0];
    return read_heads(first, n, t) || (turned && read_turned(first, n, t)) || read_apart(first, n, t);
}

/* ---- rewriting ----------------------------------------------------------------------------------------------------- */

static mq_status fuse(attention *t, bool standard, size_t *n_changed, mq_error *err)
{
    mq_value *const in[] = { t->q, t->k, t->v, t->mask };
    mq_node *made;
    mq_status rc;

    MQ_TRY(mq_pass_insert(t->last, standard ? "" : MQ_ATTENTION_DOMAIN, standard ? "Attention" : MQ_ATTENTION_OP, NULL, in,
                          t->mask ? 4 : 3, &made, err));
    if (mq_value_rank(t->q) == 3) {
        MQ_TRY(mq_node_set_attr_int(made, "q_num_heads", t->heads.value, err));
        MQ_TRY(mq_node_set_attr_int(made, "kv_num_heads", t->heads.value, err));
    }
    MQ_TRY(mq_node_set_attr_float(made, "scale", (float)t->scale, err));
    MQ_TRY(mq_pass_take_over(made, t->last, err));
    if (!standard)
        mq_pass_keep_type(made->outputs[0]); /* no schema says it */
    ++*n_changed;
done:
    return rc;
}

/* A mask with a row for each query. */
static bool has_all_rows(const attention *t)
{
    return !t->mask || (mq_value_rank(t->mask) >= 2 && mq_dim_equal(mq_value_dim(t->mask, -2), mq_value_dim(t->scores, -2)));
}

/* ---- the mask of MultiHeadAttention -------------------------------------------------------------------------------- */

/* How it gets a mask of four axes that has a row for each query. */
typedef enum mask_way { MASK_AS_IT_IS, MASK_TO_CONSTANT, MASK_TO_ITS_LENGTH, MASK_NOT } mask_way;

static mask_way way_of(const attention *t)
{
    const mq_dim queries = mq_value_dim(t->scores, -2);

    if (!t->mask || (has_all_rows(t) && mq_value_rank(t->mask) == 4))
        return MASK_AS_IT_IS;
    if (has_all_rows(t) || mq_dim_known(queries))
        return MASK_TO_CONSTANT;
    return mq_value_rank(t->mask) == 4 && mq_dim_equal(mq_value_dim(t->mask, 3), queries) ? MASK_TO_ITS_LENGTH : MASK_NOT;
}

static mq_status constant(mq_graph *g, const char *name, const int64_t v[4], mq_value **out, mq_error *err)
{
    const int64_t four = 4;

    return mq_constant_of(g, name, MQ_INT64, 1, &four, v, out, err);
}

/* [B, 1, 1, T] whose T is the number of queries, too: its shape with that twice. */
static mq_status square_shape(mq_node *at, mq_value *mask, mq_value **shape, mq_error *err)
{
    mq_value *in[2];
    mq_status rc = MQ_OK;
    mq_node *n;

    MQ_TRY(mq_pass_insert(at, "", "Shape", NULL, &mask, 1, &n, err));
    MQ_TRY(mq_pass_give_output(n, mask, &in[0], err));
    MQ_TRY(constant(at->graph, "axes", (const int64_t[]){ 0, 1, 3, 3 }, &in[1], err));
    MQ_TRY(mq_pass_insert(at, "", "Gather", NULL, in, 2, &n, err));
    MQ_TRY(mq_pass_give_output(n, mask, shape, err));
done:
    return rc;
}

static mq_status expand_mask(attention *t, mq_error *err)
{
    const mask_way way = way_of(t);
    const mq_dim queries = mq_value_dim(t->scores, -2);
    const int64_t dims[4] = { 1, 1, mq_dim_known(queries) ? queries.value : 1, 1 };
    mq_value *in[2] = { t->mask };
    mq_status rc = MQ_OK;
    mq_node *n;

    if (way == MASK_AS_IT_IS)
        return MQ_OK;
    if (way == MASK_TO_CONSTANT)
        MQ_TRY(constant(t->last->graph, "shape", dims, &in[1], err));
    else
        MQ_TRY(square_shape(t->last, t->mask, &in[1], err));
    MQ_TRY(mq_pass_insert(t->last, "", "Expand", NULL, in, 2, &n, err));
    MQ_TRY(mq_pass_give_output(n, t->mask, &t->mask, err));
done:
    return rc;
}

/* The first two axes of *v change places. */
static mq_status turn(mq_node *at, mq_value **v, mq_error *err)
{
    static const int64_t perm[3] = { 1, 0, 2 };
    mq_status rc = MQ_OK;
    mq_node *n;

    MQ_TRY(mq_pass_insert(at, "", "Transpose", NULL, v, 1, &n, err));
    MQ_TRY(mq_node_set_attr_ints(n, "perm", perm, 3, err));
    MQ_TRY(mq_pass_give_output(n, *v, v, err));
done:
    return rc;
}

/* The Reshape reads what `made` gives, with the sequence first again. */
static mq_status end_turned(const attention *t, mq_node *made, mq_error *err)
{
    mq_node *before = t->back->inputs[0]->producer;
    mq_status rc = MQ_OK;
    mq_value *y;

    MQ_TRY(mq_pass_give_output(made, t->last->outputs[0], &y, err));
    MQ_TRY(turn(t->last, &y, err));
    MQ_TRY(mq_node_set_input(t->back, 0, y, err));
    mq_pass_drop(before);
done:
    return rc;
}

static mq_status fuse_contrib(attention *t, size_t *n_changed, mq_error *err)
{
    mq_node *made;
    mq_status rc = MQ_OK;

    MQ_TRY(expand_mask(t, err));
    if (t->back) {
        MQ_TRY(turn(t->last, &t->q, err));
        MQ_TRY(turn(t->last, &t->k, err));
        MQ_TRY(turn(t->last, &t->v, err));
    }
    mq_value *const in[] = { t->q, t->k, t->v, NULL, NULL, t->mask };

    MQ_TRY(mq_pass_insert(t->last, "com.microsoft", "MultiHeadAttention", NULL, in, 6, &made, err));
    MQ_TRY(mq_node_set_attr_int(made, "num_heads", t->heads.value, err));
    MQ_TRY(mq_node_set_attr_float(made, "scale", (float)t->scale, err));
    if (t->back)
        MQ_TRY(end_turned(t, made, err));
    else
        MQ_TRY(mq_pass_take_over(made, t->last, err));
    ++*n_changed;
done:
    return rc;
}

/* ---- the passes ---------------------------------------------------------------------------------------------------- */

/* Which operator is made. */
typedef enum form { FORM_ENGINE, FORM_STANDARD, FORM_CONTRIB } form;

static bool form_has(form f, const attention *t)
{
    if (f == FORM_CONTRIB) /* a scale of 0 is the default one there */
        return mq_value_rank(t->q) == 3 && t->scale > 0 && isfinite(t->scale) && way_of(t) != MASK_NOT;
    return f == FORM_ENGINE || has_all_rows(t);
}

static mq_status fuse_all(mq_graph *g, form f, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        attention t;

        next = n->next;
        if (read_attention(n, f == FORM_CONTRIB, &t) && form_has(f, &t)) {
            rc = f == FORM_CONTRIB ? fuse_contrib(&t, n_changed, err) : fuse(&t, f == FORM_STANDARD, n_changed, err);
            next = g->first; /* which of the nodes around n have gone is not known */
        }
    }
    return rc;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    return fuse_all(g, ctx->for_file ? FORM_CONTRIB : FORM_ENGINE, n_changed, err);
}

static mq_status run_standard(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    (void)ctx;
    return mq_opset_of(g, "") < ATTENTION_SINCE ? MQ_OK : fuse_all(g, FORM_STANDARD, n_changed, err);
}

const mq_pass mq_pass_fuse_attention = {
    .name = "fuse-attention",
    .summary = "make one operator of the products of attention and the Softmax between them",
    .run = run,
};

const mq_pass mq_pass_fuse_heads = {
    .name = "fuse-heads",
    .summary = "make one operator of attention written out (opset 23)",
    .run = run_standard,
};
