/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* merge-products: one input times several matrices of weights is one product and a Split.
 *   x -> MatMul wq [-> Add bq], MatMul wk [-> Add bk], MatMul wv [-> Add bv]  =>  MatMul w -> Add b -> Split
 *   When each is followed by a Reshape into heads, and that by a Transpose, those become one too, in front of Split; a
 *       Transpose that differs from the others gets what is left of it behind Split.
 * A bias that not all have, or a product that others read too, stays behind Split. Skipped for weights that are read
 * elsewhere (the file would grow), and where it saves no node (two products without bias).
 * Numerics: exact but for the order in which a library adds up. */
#include <stdlib.h>
#include <string.h>

#include "passes/pass.h"

#define MAX_MEMBERS 16
#define MAX_RANK 8

typedef struct member {
    mq_node *product, *sum, *reshape, *transpose; /* NULL: there is none */
    mq_node *end;                                 /* the last of them that is merged */
    int64_t columns, heads;
    const int64_t *perm;
} member;

typedef struct group {
    mq_value *x;
    member m[MAX_MEMBERS];
    size_t n;
    bool sums, reshapes, transposes; /* all have one, and they fit */
    int rank;                        /* of what Reshape gives */
    int64_t shape[MAX_RANK];         /* of the merged Reshape */
    int64_t perm[MAX_RANK];          /* of the merged Transpose */
} group;

static bool readable(const mq_value *v, int rank)
{
    mq_tensor *t = v ? mq_value_constant(v, false) : NULL;
    const void *data;

    return t && t->n_dims == rank && mq_only_reader(v) && mq_tensor_count(t) > 0 && mq_dtype_bits(t->dtype) >= 8 &&
           mq_tensor_bytes(t, &data, NULL) == MQ_OK;
}

/* The only reader of n's result, when it is that operator and reads it first. */
static mq_node *behind(const mq_node *n, const char *op)
{
    mq_node *r = n && n->n_outputs == 1 && n->outputs[0] ? mq_only_reader(n->outputs[0]) : NULL;

    return r && r->graph == n->graph && mq_node_is(r, "", op) && r->n_outputs == 1 && r->outputs[0] ? r : NULL;
}

static bool is_product(const mq_node *n, const mq_value *x)
{
    return mq_node_is(n, "", "MatMul") && n->n_inputs == 2 && n->inputs[0] == x && n->n_outputs == 1 && n->outputs[0] &&
           readable(n->inputs[1], 2);
}

static mq_value *addend(const mq_node *sum, const mq_node *product)
{
    return sum->inputs[sum->inputs[0] == product->outputs[0] ? 1 : 0];
}

static void read_member(mq_node *n, member *m)
{
    mq_node *sum = behind(n, "Add");
    const mq_value *bias = sum && sum->n_inputs == 2 ? addend(sum, n) : NULL;

    *m = (member){ .product = n, .columns = mq_constant_input(n, 1)->dims[1] };
    if (readable(bias, 1) && mq_value_constant(bias, false)->dims[0] == m->columns &&
        mq_value_dtype(bias) == mq_constant_input(n, 1)->dtype)
        m->sum = sum;
    m->end = m->sum ? m->sum : n;
}

/* All products of x whose weights have the type and rows of the first one's. */
static void collect(mq_node *first, group *g)
{
    const mq_tensor *w = mq_constant_input(first, 1);

    *g = (group){ .x = first->inputs[0], .sums = true };
    for (size_t i = 0; i < g->x->uses.n && g->n < MAX_MEMBERS; i++) {
        mq_node *n = g->x->uses.items[i].node;

        if (n->graph != first->graph || !is_product(n, g->x) || mq_constant_input(n, 1)->dtype != w->dtype ||
            mq_constant_input(n, 1)->dims[0] != w->dims[0])
            continue;
        read_member(n, &g->m[g->n++]);
        g->sums &= g->m[g->n - 1].sum != NULL;
    }
    for (size_t i = 0; i < g->n && !g->sums; i++) {
        g->m[i].sum = NULL; /* stays behind the Split */
        g->m[i].end = g->m[i].product;
    }
}

/* ---- heads --------------------------------------------------------------------------------------------------------- */

/* Reshape to a constant [..., heads, size]; the rest is as in the first one. */
static bool read_reshape(group *g, size_t i)
{
    member *m = &g->m[i];
    mq_tensor *t;
    int64_t shape[MAX_RANK];
    const int rank = m->reshape ? mq_value_rank(m->reshape->outputs[0]) : -1;

    if (rank < 2 || rank > MAX_RANK || !(t = mq_constant_input(m->reshape, 1)) || t->dtype != MQ_INT64 ||
        mq_tensor_count(t) != rank || mq_node_attr_int(m->reshape, "allowzero", 0) ||
        mq_tensor_read_i64(t, 0, (uint64_t)rank, shape, NULL) != MQ_OK)
        return false;
    if (i == 0) {
        memcpy(g->shape, shape, (size_t)rank * sizeof *shape);
        g->rank = rank;
        g->shape[rank - 2] = 0;
    }
    if (rank != g->rank || shape[rank - 2] < 1 || shape[rank - 1] < 1 || shape[rank - 1] != g->shape[rank - 1] ||
        shape[rank - 1] > m->columns || shape[rank - 2] != m->columns / shape[rank - 1] || m->columns % shape[rank - 1] ||
        memcmp(shape, g->shape, (size_t)(rank - 2) * sizeof *shape) != 0)
        return false;
    m->heads = shape[rank - 2];
    g->shape[rank - 2] += m->heads;
    return true;
}

static bool read_transpose(const group *g, member *m)
{
    size_t count;
    bool seen[MAX_RANK] = { false };

    m->perm = m->transpose ? mq_node_attr_ints(m->transpose, "perm", &count) : NULL;
    if (!m->perm || count != (size_t)g->rank)
        return false;
    for (int i = 0; i < g->rank; i++) {
        if (m->perm[i] < 0 || m->perm[i] >= g->rank || seen[m->perm[i]])
            return false;
        seen[m->perm[i]] = true;
    }
    return true;
}

static bool same_perm(const group *g, const int64_t *a, const int64_t *b)
{
    return memcmp(a, b, (size_t)g->rank * sizeof *a) == 0;
}

/* The order that most of them have. */
static void choose_perm(group *g)
{
    size_t best = 0;

    for (size_t i = 0; i < g->n; i++) {
        size_t votes = 0;
        for (size_t k = 0; k < g->n; k++)
            votes += same_perm(g, g->m[i].perm, g->m[k].perm);
        if (votes > best)
            memcpy(g->perm, g->m[i].perm, (size_t)g->rank * sizeof *g->perm);
        best = votes > best ? votes : best;
    }
}

static void read_heads(group *g)
{
    g->reshapes = g->transposes = true;
    for (size_t i = 0; i < g->n && g->reshapes; i++) {
        g->m[i].reshape = behind(g->m[i].end, "Reshape");
        g->reshapes = read_reshape(g, i);
    }
    g->transposes = g->reshapes;
    for (size_t i = 0; i < g->n && g->transposes; i++) {
        g->m[i].transpose = behind(g->m[i].reshape, "Transpose");
        g->transposes = read_transpose(g, &g->m[i]);
    }
    if (g->transposes)
        choose_perm(g);
    for (size_t i = 0; i < g->n; i++)
        g->m[i].end = g->transposes ? g->m[i].transpose : g->reshapes ? g->m[i].reshape : g->m[i].end;
}

/* ---- rewriting ----------------------------------------------------------------------------------------------------- */

/* The constants side by side along their last axis; `rows` rows. */
static mq_status join(const group *g, mq_value *const *v, int64_t rows, mq_value **out, mq_error *err)
{
    const mq_tensor *first = mq_value_constant(v[0], false);
    const size_t bytes = (size_t)mq_dtype_bits(first->dtype) / 8;
    int64_t dims[2] = { rows, 0 };
    size_t total, at = 0;
    char *data;

    for (size_t i = 0; i < g->n; i++)
        if (__builtin_add_overflow(dims[1], g->m[i].columns, &dims[1]))
            return mq_oom(err);
    if (__builtin_mul_overflow((size_t)dims[1], bytes, &total) || __builtin_mul_overflow(total, (size_t)rows, &total) ||
        !(data = malloc(total)))
        return mq_oom(err);
    for (size_t i = 0; i < g->n; i++) {
        const size_t part = (size_t)g->m[i].columns * bytes;
        const char *src = NULL;
        mq_status rc = mq_tensor_bytes(mq_value_constant(v[i], false), (const void **)&src, err);

        if (rc != MQ_OK) {
            free(data);
            return rc;
        }
        for (int64_t r = 0; r < rows; r++)
            memcpy(data + (size_t)r * (size_t)dims[1] * bytes + at, src + (size_t)r * part, part);
        at += part;
    }
    return mq_constant_of_heap(v[0]->graph, v[0]->name, first->dtype,
                               first->n_dims, first->n_dims == 2 ? dims : dims + 1, data, out, err);
}

/* A node behind *v, which becomes its result. */
static mq_status append(mq_node *at, const char *op, mq_value **v, mq_value *second, const mq_node *like, mq_node **made,
                        mq_error *err)
{
    mq_value *const in[] = { *v, second };
    mq_status rc = mq_pass_insert(at, "", op, NULL, in, 2, made, err);

    return rc == MQ_OK ? mq_pass_give_output(*made, like->outputs[0], v, err) : rc;
}

static mq_status append_heads(const group *g, mq_node *at, mq_value **v, mq_error *err)
{
    const int64_t rank = g->rank;
    mq_status rc = MQ_OK;
    mq_value *shape;
    mq_node *made;

    MQ_TRY(mq_constant_of(at->graph, g->m[0].reshape->inputs[1]->name, MQ_INT64, 1, &rank, g->shape, &shape, err));
    MQ_TRY(append(at, "Reshape", v, shape, g->m[0].reshape, &made, err));
    if (!g->transposes)
        goto done;
    MQ_TRY(append(at, "Transpose", v, NULL, g->m[0].transpose, &made, err));
    MQ_TRY(mq_node_set_attr_ints(made, "perm", g->perm, (size_t)rank, err));
done:
    return rc;
}

/* Where the columns of the product lie behind all that is merged. */
static int64_t split_axis(const group *g)
{
    int64_t axis = 0;

    if (!g->reshapes)
        return -1;
    if (!g->transposes)
        return g->rank - 2;
    while (g->perm[axis] != g->rank - 2)
        axis++;
    return axis;
}

/* What is left of m's own Transpose behind the merged one. */
static mq_status finish_transpose(const group *g, const member *m, mq_value *part, mq_error *err)
{
    int64_t rest[MAX_RANK] = { 0 };
    mq_status rc = MQ_OK;

    for (int i = 0; i < g->rank; i++)
        for (int k = 0; k < g->rank; k++)
            if (g->perm[k] == m->perm[i])
                rest[i] = k;
    MQ_TRY(mq_node_set_input(m->transpose, 0, part, err));
    MQ_TRY(mq_node_set_attr_ints(m->transpose, "perm", rest, (size_t)g->rank, err));
    mq_pass_drop(m->reshape);
done:
    return rc;
}

static mq_status hand_out(const group *g, mq_node *split, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->n && rc == MQ_OK; i++) {
        const member *m = &g->m[i];
        mq_value *part = m->end->outputs[0];

        if (g->transposes && !same_perm(g, g->perm, m->perm)) {
            if (!(part = mq_value_create_unique(split->graph, m->reshape->outputs[0]->name)))
                return mq_oom(err);
            MQ_TRY(mq_node_set_output(split, i, part, err));
            MQ_TRY(finish_transpose(g, m, part, err));
            continue;
        }
        MQ_TRY(mq_node_set_output(m->end, 0, NULL, err));
        MQ_TRY(mq_node_set_output(split, i, part, err));
        mq_pass_drop(m->end);
    }
done:
    return rc;
}

static mq_status make_split(const group *g, mq_node *at, mq_value *v, mq_node **split, mq_error *err)
{
    const int64_t count = (int64_t)g->n;
    int64_t sizes[MAX_MEMBERS];
    mq_value *parts = NULL;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->n; i++)
        sizes[i] = g->reshapes ? g->m[i].heads : g->m[i].columns;
    if (mq_opset_of(at->graph, "") >= 13)
        MQ_TRY(mq_constant_of(at->graph, "split", MQ_INT64, 1, &count, sizes, &parts, err));
    mq_value *const in[] = { v, parts };

    MQ_TRY(mq_pass_insert(at, "", "Split", NULL, in, 2, split, err));
    MQ_TRY(mq_node_set_attr_int(*split, "axis", split_axis(g), err));
    if (!parts)
        MQ_TRY(mq_node_set_attr_ints(*split, "split", sizes, g->n, err));
done:
    return rc;
}

static mq_status merge(const group *g, mq_node *at, mq_error *err)
{
    mq_value *weights[MAX_MEMBERS], *biases[MAX_MEMBERS], *v = g->x, *c;
    mq_node *made;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->n; i++) {
        weights[i] = g->m[i].product->inputs[1];
        biases[i] = g->m[i].sum ? addend(g->m[i].sum, g->m[i].product) : NULL;
    }
    MQ_TRY(join(g, weights, mq_value_constant(weights[0], false)->dims[0], &c, err));
    MQ_TRY(append(at, "MatMul", &v, c, g->m[0].product, &made, err));
    if (g->sums) {
        MQ_TRY(join(g, biases, 1, &c, err));
        MQ_TRY(append(at, "Add", &v, c, g->m[0].sum, &made, err));
    }
    if (g->reshapes)
        MQ_TRY(append_heads(g, at, &v, err));
    MQ_TRY(make_split(g, at, v, &made, err));
    MQ_TRY(hand_out(g, made, err));
done:
    return rc;
}

static mq_status run(mq_graph *graph, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;
    group g;

    (void)ctx;
    for (mq_node *n = graph->first, *next; n && rc == MQ_OK; n = next) {
        mq_node *before = n->prev;

        next = n->next;
        if (n->n_inputs != 2 || !n->inputs[0] || !is_product(n, n->inputs[0]))
            continue;
        collect(n, &g);
        if (g.n < (g.sums ? 2 : 3))
            continue;
        read_heads(&g);
        rc = merge(&g, n, err);
        next = before ? before->next : graph->first; /* the merged product, which is alone now */
        ++*n_changed;
    }
    return rc;
}

const mq_pass mq_pass_merge_products = {
    .name = "merge-products", .summary = "multiply one input by several matrices at once, heads of attention too", .run = run
};
