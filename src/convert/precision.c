/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Changes the precision of a model: constants are written in the new type, nodes compute in it, and Cast nodes stand where
 * the two types meet, one for each value and type. */
#include "convert/precision.h"

#include <stdlib.h>
#include <string.h>

#include "convert/precision_parts.h"
#include "ops/ops.h"
#include "passes/pass.h"

typedef struct change {
    mq_precision *p;
    mq_model *m;
    mq_map casts; /* name of a value -> the value that holds it in the other type */
} change;

/* ---- the same value in the other type ------------------------------------------------------------------------------ */

static const char *suffix_of(mq_dtype t)
{
    return t == MQ_FLOAT ? "fp32" : t == MQ_FLOAT16 ? "fp16" : "bf16";
}

static mq_status name_for(const mq_value *v, mq_dtype to, const char **name, mq_error *err)
{
    mq_model *m = v->graph->model;
    const char *base = mq_arena_printf(m->arena, "%s_%s", v->name, suffix_of(to));

    *name = base ? mq_unique_value_name(m, base) : NULL;
    return *name ? MQ_OK : mq_oom(err);
}

/* A model all of whose nodes are of other domains need not import the one that Cast is of; the first Cast took names. */
static mq_status import_cast(mq_model *m, mq_error *err)
{
    enum { CAST_BY_NUMBER = 6, CAST_SINCE = 13 /* bfloat16, too */ };
    const int64_t opset = mq_opset_of(m->graph, "");

    if (opset && opset < CAST_BY_NUMBER)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "Cast of opset %lld knows types by their names: precisions and types of "
                       "inputs change from opset %d on", (long long)opset, CAST_BY_NUMBER);
    return opset ? MQ_OK : mq_opset_set(m, "", CAST_SINCE, err);
}

/* A Cast of v, behind what makes it. What is cast to float is cast from there at once. */
static mq_status make_cast(const change *c, mq_value *v, mq_dtype to, mq_value **out, mq_error *err)
{
    mq_graph *g = v->graph;
    mq_node *at = v->producer, *n;
    mq_value *from = v;
    const char *name = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(name_for(v, to, &name, err));
    if (at && to != MQ_FLOAT && mq_node_is(at, "", "Cast") && at->inputs[0])
        from = at->inputs[0];
    if (!(n = mq_node_create(g, at ? at->next : g->first, "", "Cast", mq_unique_node_name(c->m, name))) ||
        !(*out = mq_value_create(g, name)))
        return mq_oom(err);
    n->tag = 0;
    MQ_TRY(mq_node_set_attr_int(n, "to", (int64_t)to, err));
    MQ_TRY(mq_node_set_input(n, 0, from, err));
    MQ_TRY(mq_node_set_output(n, 0, *out, err));
    c->p->n_casts++;
done:
    return rc;
}

/* Do all who read the constant want it in the new type? Then it changes in its place. */
static bool all_want_half(const mq_value *v, mq_dtype to)
{
    if (!v->init || v->is_input || v->n_output_uses)
        return false;
    for (size_t i = 0; i < v->uses.n; i++)
        if (v->uses.items[i].node->tag != MQ_HALF ||
            !mq_precision_input_follows(v->uses.items[i].node, v->uses.items[i].index, to))
            return false;
    return true;
}

static mq_status make_constant(const change *c, mq_value *v, mq_value **out, mq_error *err)
{
    mq_tensor *t = NULL;
    const char *name = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_halves_make(mq_value_constant(v, false), c->p->to, &t, err));
    if (all_want_half(v, c->p->to)) {
        v->type = NULL;
        *out = v;
        return mq_value_set_init(v, t, err);
    }
    MQ_TRY(name_for(v, c->p->to, &name, err));
    if (!(*out = mq_value_create(v->graph, name)))
        return mq_oom(err);
    rc = mq_value_set_init(*out, t, err);
done:
    return rc;
}

static mq_status other_type(change *c, mq_value *v, mq_dtype to, mq_value **out, mq_error *err)
{
    mq_status rc;

    if ((*out = mq_map_get(&c->casts, v->name)))
        return MQ_OK;
    rc = to != MQ_FLOAT && mq_value_constant(v, false) ? make_constant(c, v, out, err) : make_cast(c, v, to, out, err);
    return rc != MQ_OK || *out == v || mq_map_put(&c->casts, v->name, *out) ? rc : mq_oom(err);
}

/* ---- nodes --------------------------------------------------------------------------------------------------------- */

static mq_status change_input(change *c, mq_node *n, size_t i, mq_error *err)
{
    mq_value *v = n->inputs[i], *other = NULL;
    const bool half = n->tag == MQ_HALF && mq_precision_input_follows(n, i, c->p->to);
    mq_status rc;

    if (!mq_precision_is_float(v) || half == (v->tag == MQ_HALF))
        return MQ_OK;
    if ((rc = other_type(c, v, half ? c->p->to : MQ_FLOAT, &other, err)) != MQ_OK || other == v)
        return rc;
    return mq_node_set_input(n, i, other, err);
}

static mq_status change_graph(change *c, mq_graph *g, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first; n && rc == MQ_OK; n = n->next) {
        if (!n->tag)
            continue;
        for (size_t i = 0; i < n->n_inputs && rc == MQ_OK; i++)
            if (n->inputs[i])
                rc = change_input(c, n, i, err);
        for (size_t i = 0; i < n->n_attrs && rc == MQ_OK; i++)
            for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n && rc == MQ_OK; k++)
                rc = change_graph(c, n->attrs[i]->graphs[k], err);
    }
    return rc;
}

/* ---- outputs ------------------------------------------------------------------------------------------------------- */

mq_status mq_precision_cast_output(mq_value *v, mq_dtype is, mq_dtype want, mq_value **made, mq_error *err)
{
    mq_model *m = v->graph->model;
    mq_node *p = v->producer, *cast;
    const size_t index = v->producer_index;
    const char *name = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(name_for(v, is, &name, err));
    if (!(*made = mq_value_create(v->graph, name)) ||
        !(cast = mq_node_create(v->graph, p->next, "", "Cast",
                                mq_unique_node_name(m, mq_arena_printf(m->arena, "%s_cast", v->name)))))
        return mq_oom(err);
    cast->tag = 0;
    (*made)->tag = v->tag;
    (*made)->type = v->type;
    MQ_TRY(mq_node_set_output(p, index, NULL, err));
    MQ_TRY(mq_node_set_output(p, index, *made, err));
    while (v->uses.n)
        MQ_TRY(mq_use_redirect(v->uses.items[0], *made, err));
    MQ_TRY(mq_node_set_attr_int(cast, "to", (int64_t)want, err));
    MQ_TRY(mq_node_set_input(cast, 0, *made, err));
    MQ_TRY(mq_node_set_output(cast, 0, v, err));
done:
    return rc;
}

/* Who reads the output and wants what it is now, reads that. */
static mq_status cast_output(change *c, mq_value *v, mq_dtype is, mq_dtype want, mq_error *err)
{
    mq_value *made = NULL;
    mq_status rc = mq_precision_cast_output(v, is, want, &made, err);

    c->p->n_casts++;
    return rc != MQ_OK || mq_map_put(&c->casts, made->name, v) ? rc : mq_oom(err);
}

/* An output of an inner graph that a graph around it makes: a Cast of its own. */
static mq_status replace_output(change *c, mq_graph *g, size_t i, mq_error *err)
{
    mq_value *v = g->outputs.items[i], *cast = NULL;
    mq_status rc = other_type(c, v, MQ_FLOAT, &cast, err);

    if (rc != MQ_OK)
        return rc;
    v->n_output_uses--;
    g->outputs.items[i] = cast;
    cast->n_output_uses++;
    return MQ_OK;
}

static mq_status change_outputs(change *c, mq_graph *g, mq_error *err)
{
    const bool main = g == c->m->graph;
    const mq_dtype to = c->p->to;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->outputs.n && rc == MQ_OK; i++) {
        mq_value *v = g->outputs.items[i];
        const bool half = v->tag == MQ_HALF;
        const mq_dtype want = main && !c->p->keep_io && !mq_precision_seen_outside(c->p, v) ? to : MQ_FLOAT;

        if (!mq_precision_is_float(v) || mq_value_constant(v, false) || half == (want != MQ_FLOAT))
            continue;
        if (v->graph != g)
            rc = replace_output(c, g, i, err);
        else if (v->producer && v->producer->tag)
            rc = cast_output(c, v, half ? to : MQ_FLOAT, want, err);
        else
            continue;
        v->tag = half ? MQ_FULL : MQ_HALF; /* listed again, it is right */
    }
    return rc;
}

/* ---- declarations -------------------------------------------------------------------------------------------------- */

static mq_status declare_as(mq_value *v, mq_dtype dtype, mq_error *err)
{
    const mq_type *t = v->declared;

    if (!t || t->kind != MQ_TYPE_TENSOR || t->dtype == dtype)
        return MQ_OK;
    v->declared = mq_type_create(v->graph->model, MQ_TYPE_TENSOR, dtype, t->rank, t->dims);
    v->redeclared = true;
    return v->declared ? MQ_OK : mq_oom(err);
}

static mq_status declare_all(const change *c, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < c->m->graphs.n; i++)
        for (size_t k = 0; k < c->m->graphs.items[i]->values.n && rc == MQ_OK; k++) {
            mq_value *v = c->m->graphs.items[i]->values.items[k];

            if (v->tag == MQ_HALF)
                rc = declare_as(v, c->p->to, err);
            else if (v->init && v->declared && v->declared->dtype == MQ_FLOAT && !v->is_input)
                rc = declare_as(v, v->init->dtype, err);
        }
    return rc;
}

/* ---- all of it ----------------------------------------------------------------------------------------------------- */

mq_status mq_precision_apply(mq_model *m, mq_precision *p, mq_error *err)
{
    change c = { .p = p, .m = m };
    const size_t n_graphs = m->graphs.n;
    mq_status rc = MQ_OK;

    if (p->to == MQ_FLOAT)
        return mq_precision_widen(m, p, err);
    MQ_TRY(mq_precision_choose(m, p, err));
    if (!p->n_half) {
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "nothing to change: no node can compute in %s at opset %lld%s",
                     mq_dtype_name(p->to), (long long)mq_opset_of(m->graph, ""),
                     p->seen ? ", as its values are on the data" : "");
        goto done;
    }
    MQ_TRY(import_cast(m, err));
    for (size_t i = 0; i < n_graphs; i++) /* before the nodes: what reads an output reads what stands before its Cast */
        if (!m->graphs.items[i]->function && (m->graphs.items[i] == m->graph || m->graphs.items[i]->owner))
            MQ_TRY(change_outputs(&c, m->graphs.items[i], err));
    MQ_TRY(change_graph(&c, m->graph, err));
    MQ_TRY(declare_all(&c, err));
    for (size_t i = 0; i < n_graphs; i++)
        if (!m->graphs.items[i]->function)
            mq_graph_drop_dead(m->graphs.items[i], NULL); /* Constant nodes whose value is written anew */
    mq_model_drop_unused(m);
done:
    mq_map_release(&c.casts);
    return rc;
}

void mq_precision_release(mq_precision *p)
{
    mq_vec_release(&p->items);
    mq_vec_release(&p->outside);
}

static mq_status cast_input(mq_value *v, mq_dtype inside, mq_error *err)
{
    mq_model *m = v->graph->model;
    mq_value *cast = mq_value_create_unique(m->graph, v->name);
    mq_node *n = cast ? mq_node_create(m->graph, m->graph->first, "", "Cast", mq_unique_node_name(m, v->name)) : NULL;
    mq_status rc = n ? MQ_OK : mq_oom(err);

    while (rc == MQ_OK && v->uses.n)
        rc = mq_use_redirect(v->uses.items[0], cast, err);
    if (rc == MQ_OK)
        rc = mq_node_set_attr_int(n, "to", (int64_t)inside, err);
    if (rc == MQ_OK)
        rc = mq_node_set_input(n, 0, v, err);
    return rc == MQ_OK ? mq_node_set_output(n, 0, cast, err) : rc;
}

mq_status mq_precision_cast_inputs(mq_model *m, mq_dtype was, mq_dtype outside, mq_dtype inside, size_t *n_casts,
                                   mq_error *err)
{
    mq_status rc = import_cast(m, err);

    for (size_t i = 0; i < m->graph->inputs.n && rc == MQ_OK; i++) {
        mq_value *v = m->graph->inputs.items[i];

        if (v->init || !v->declared || v->declared->kind != MQ_TYPE_TENSOR || v->declared->dtype != was)
            continue;
        if ((rc = cast_input(v, inside, err)) == MQ_OK)
            rc = declare_as(v, outside, err);
        ++*n_casts;
    }
    return rc;
}
