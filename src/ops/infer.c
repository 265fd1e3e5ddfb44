/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Types and shapes of a whole model: walks each graph's nodes in list order, lets schema and rule say what comes out, and
 * merges that with what is declared. Any graph is taken as it is: a value whose producer stands later (an unsorted or
 * cyclic graph) is simply unknown. Work and nesting are bounded. It changes types and contents of values, nothing else. */
#include "ops/infer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"

/* Graphs in graphs and calls in calls; also bounds the stack. */
#define MAX_DEPTH 64
/* Bodies are inferred more than once; more than this many times the model's nodes and values is an explosion. */
#define BUDGET_FACTOR 16
#define BUDGET_BASE 20000
/* Bytes for types and contents, in all and for each of them. */
#define MEMORY_BASE ((size_t)64 << 20)
#define MEMORY_FACTOR 1024
#define TEXT 200

mq_status mq_walk_tell(mq_walk *w, const mq_node *n, const char *fmt, ...)
{
    char text[MQ_ERROR_SIZE];
    const char *key;
    va_list ap;

    if (!w->finding)
        return MQ_OK;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    key = mq_arena_printf(w->model->arena, "%p %s", (const void *)n, text);
    if (!key)
        return mq_oom(w->err);
    if (mq_map_get(&w->told, key))
        return MQ_OK;
    if (!mq_map_put(&w->told, key, w))
        return mq_oom(w->err);
    w->finding(w->user, n, text);
    return MQ_OK;
}

/* ---- values ------------------------------------------------------------------------------------------------------- */

static void forget(mq_value *v)
{
    v->type = NULL;
    v->known = NULL;
    v->n_known = 0;
}

/* Sets v->type from what is declared and what came out at node n (NULL: at the graph's border). */
static mq_status settle(mq_walk *w, const mq_node *n, mq_value *v, const mq_type *inferred)
{
    bool conflict = false;
    mq_type *t = NULL;
    char a[TEXT], b[TEXT];
    const mq_status rc = mq_types_merge(w, v->declared, inferred, w->call != NULL, &t, &conflict);

    if (rc != MQ_OK)
        return rc;
    v->type = t;
    if (!conflict)
        return MQ_OK;
    mq_type_text(v->declared, a, sizeof a);
    mq_type_text(inferred, b, sizeof b);
    return mq_walk_tell(w, n, "'%s' is declared as %s, but is %s", v->name, a, b);
}

/* The type of an initializer, a sparse one being a tensor to its readers. */
static mq_type *init_type(mq_walk *w, const mq_value *v)
{
    const int rank = v->init ? v->init->n_dims : v->sparse->n_dims;
    const int64_t *sizes = v->init ? v->init->dims : v->sparse->dims;
    const mq_dtype dtype = v->init ? v->init->dtype : v->sparse->values ? v->sparse->values->dtype : MQ_UNDEFINED;
    mq_dim *dims = mq_arena_calloc(w->model->arena, (size_t)rank, sizeof *dims);

    if (!dims)
        return NULL;
    for (int i = 0; i < rank; i++)
        dims[i] = sizes[i] < 0 ? MQ_DIM_UNKNOWN : MQ_DIM(sizes[i]);
    return mq_type_create(w->model, MQ_TYPE_TENSOR, dtype, rank, dims);
}

/* The contents of a small integer initializer. When its data cannot be read (missing file) they are unknown. */
static mq_status init_contents(mq_walk *w, mq_value *v)
{
    mq_tensor *t = v->init;
    const int64_t n = t && t->n_dims <= 1 && mq_dtype_is_integer(t->dtype) ? mq_tensor_count(t) : -1;
    int64_t ints[MQ_KNOWN_MAX];
    mq_status rc;

    if (n < 0 || n > MQ_KNOWN_MAX)
        return MQ_OK;
    rc = mq_tensor_read_i64(t, 0, (uint64_t)n, ints, NULL);
    if (rc != MQ_OK)
        return rc == MQ_ERR_NOMEM ? mq_oom(w->err) : MQ_OK;
    v->known = mq_arena_calloc(w->model->arena, (size_t)n, sizeof *v->known);
    if (!v->known)
        return mq_oom(w->err);
    for (int64_t i = 0; i < n; i++)
        v->known[i] = MQ_DIM(ints[i]);
    v->n_known = (size_t)n;
    return MQ_OK;
}

/* A value before its graph is walked: declared, given, or an initializer. */
static mq_status begin_value(mq_walk *w, const mq_graph *g, mq_value *v)
{
    mq_status rc = MQ_OK;
    mq_type *given = v->is_input && g != w->model->graph ? v->type : NULL;

    if (!given)
        forget(v);
    if (v->init || v->sparse) {
        given = init_type(w, v);
        if (!given)
            return mq_oom(w->err);
        MQ_TRY(init_contents(w, v));
    }
    MQ_TRY(settle(w, g->owner, v, given));
done:
    return rc;
}

/* ---- nodes -------------------------------------------------------------------------------------------------------- */

static mq_status infer_body(mq_infer *in, mq_graph *g, mq_error *err)
{
    (void)err; /* running out of memory is said in the walk's own error */
    return g ? mq_walk_graph(in->state, g) : MQ_OK;
}

static uint64_t node_cost(const mq_node *n)
{
    return 1 + n->n_inputs + n->n_outputs + n->n_attrs;
}

/* False, from then on, when there is not so much left. */
static bool spend(mq_walk *w, uint64_t cost)
{
    bool enough = w->budget >= cost && mq_arena_used(w->model->arena) <= w->max_memory;

    w->budget = enough ? w->budget - cost : 0;
    return enough;
}

static mq_status too_much(mq_walk *w)
{
    return mq_walk_tell(w, NULL, "functions and loops call each other too often, or ranks and names are too long: not all "
                                 "shapes are inferred");
}

static mq_status prepare(mq_walk *w, mq_node *n, mq_error *err, mq_infer *in)
{
    mq_arena *a = w->model->arena;
    mq_type *types = mq_arena_calloc(a, n->n_outputs, sizeof *types);

    *in = (mq_infer){ .node = n, .model = w->model, .state = w, .err = err };
    in->version = mq_opset_of(n->graph, n->domain);
    in->infer_graph = infer_body;
    in->out = mq_arena_calloc(a, n->n_outputs, sizeof(mq_type *));
    in->known = mq_arena_calloc(a, n->n_outputs, sizeof *in->known);
    in->n_known = mq_arena_calloc(a, n->n_outputs, sizeof *in->n_known);
    if (!types || !in->out || !in->known || !in->n_known)
        return mq_oom(w->err);
    for (size_t i = 0; i < n->n_outputs; i++) {
        in->out[i] = &types[i];
        types[i].rank = -1;
    }
    return MQ_OK;
}

/* Schema and rule. A rule that refuses its inputs is a finding and leaves what the schema says. */
static mq_status apply_rule(mq_walk *w, mq_infer *in)
{
    const mq_op_rule *rule = mq_rule_find(mq_domain_norm(in->node->domain), in->node->op_type);
    mq_type_binding b;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_types_bind(w, in->node, in->schema, &b));
    MQ_TRY(mq_types_default(in, &b));
    if (!rule || !rule->infer)
        return MQ_OK;
    rc = rule->infer(in);
    if (rc == MQ_OK || rc == MQ_ERR_NOMEM)
        return rc;
    MQ_TRY(mq_walk_tell(w, in->node, "%s", in->err->text));
    MQ_TRY(mq_types_default(in, &b));
done:
    return rc;
}

/* Do n elements of contents fit the type that the value ended up with? */
static bool contents_fit(const mq_type *t, size_t n)
{
    uint64_t count = 1;

    if (!t || t->kind != MQ_TYPE_TENSOR || mq_dtype_is_float(t->dtype))
        return false;
    for (int k = 0; k < t->rank; k++)
        if (!mq_dim_known(t->dims[k]) || __builtin_mul_overflow(count, (uint64_t)t->dims[k].value, &count))
            return t->rank == 1;
    return t->rank < 0 || count == n;
}

static mq_status keep_outputs(mq_walk *w, const mq_infer *in)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < in->node->n_outputs; i++) {
        mq_value *v = in->node->outputs[i];

        if (!v)
            continue;
        MQ_TRY(settle(w, in->node, v, in->out[i]));
        if (in->known[i] && contents_fit(v->type, in->n_known[i])) {
            v->known = in->known[i];
            v->n_known = in->n_known[i];
        }
    }
done:
    return rc;
}

static mq_status infer_node(mq_walk *w, mq_node *n)
{
    mq_function *f = mq_node_function(n);
    mq_error err = { 0 };
    mq_status rc = MQ_OK;
    mq_infer in;

    if (!spend(w, node_cost(n)))
        return too_much(w);
    MQ_TRY(prepare(w, n, &err, &in));
    in.schema = f ? NULL : mq_node_schema(n);
    if (f)
        MQ_TRY(mq_walk_call(w, &in, f));
    else if (in.schema)
        MQ_TRY(apply_rule(w, &in));
    MQ_TRY(keep_outputs(w, &in));
done:
    return rc == MQ_ERR_NOMEM ? mq_oom(w->err) : rc; /* rules said so to their own error */
}

mq_status mq_walk_graph(mq_walk *w, mq_graph *g)
{
    mq_status rc = MQ_OK;

    if (!spend(w, g->values.n)) {
        for (size_t i = 0; i < g->values.n; i++)
            forget(g->values.items[i]);
        return too_much(w);
    }
    for (size_t i = 0; i < g->values.n; i++)
        MQ_TRY(begin_value(w, g, g->values.items[i]));
    if (w->depth >= MAX_DEPTH)
        return mq_walk_tell(w, g->owner, "graphs are nested over %d deep: no shapes are inferred there", MAX_DEPTH);
    w->depth++;
    for (mq_node *n = g->first; n && rc == MQ_OK; n = n->next)
        rc = infer_node(w, n);
    w->depth--;
done:
    return rc;
}

/* ---- the model ---------------------------------------------------------------------------------------------------- */

mq_status mq_infer_model(mq_model *m, mq_infer_finding finding, void *user, mq_error *err)
{
    mq_walk w = { .model = m, .finding = finding, .user = user, .err = err };
    uint64_t cost = 0;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < m->graphs.n; i++) {
        const mq_graph *g = m->graphs.items[i];

        cost += g->values.n;
        for (const mq_node *n = g->first; n; n = n->next)
            cost += node_cost(n);
        for (size_t k = 0; k < g->values.n; k++)
            forget(g->values.items[k]);
    }
    w.budget = BUDGET_BASE + BUDGET_FACTOR * cost;
    w.max_memory = mq_arena_used(m->arena) + MEMORY_BASE + MEMORY_FACTOR * cost;
    if (m->graph)
        rc = mq_walk_graph(&w, m->graph);
    mq_map_release(&w.told);
    return rc;
}

mq_status mq_value_declare_shape(mq_value *v, int rank, const mq_dim *dims, mq_error *err)
{
    const mq_type *old = v->declared;
    mq_dtype dtype = v->init ? v->init->dtype : MQ_UNDEFINED;

    if (old && old->kind != MQ_TYPE_UNKNOWN && old->kind != MQ_TYPE_TENSOR)
        return mq_fail(err, MQ_ERR_USAGE, "'%s' is no tensor: it cannot be given a shape", v->name);
    if (old)
        dtype = old->dtype;
    v->declared = mq_type_create(v->graph->model, MQ_TYPE_TENSOR, dtype, rank, dims);
    return v->declared ? MQ_OK : mq_oom(err);
}
