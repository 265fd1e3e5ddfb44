/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A model as text: small, stable, made for diffs. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "graph/graph.h"

static void add_type(mq_str *s, const mq_type *t)
{
    static const char *const wraps[] = { [MQ_TYPE_SEQUENCE] = "seq", [MQ_TYPE_OPTIONAL] = "optional" };

    if (!t || t->kind == MQ_TYPE_UNKNOWN) {
        mq_str_add(s, "?");
        return;
    }
    switch (t->kind) {
    case MQ_TYPE_TENSOR:
    case MQ_TYPE_SPARSE_TENSOR:
        mq_str_addf(s, "%s%s[", t->kind == MQ_TYPE_TENSOR ? "" : "sparse ", mq_dtype_name(t->dtype));
        if (t->rank < 0)
            mq_str_add(s, "...");
        for (int i = 0; i < t->rank; i++) {
            if (i)
                mq_str_add(s, ",");
            if (mq_dim_known(t->dims[i]))
                mq_str_addf(s, "%" PRId64, t->dims[i].value);
            else
                mq_str_add(s, t->dims[i].symbol ? t->dims[i].symbol : "?");
        }
        mq_str_add(s, "]");
        break;
    case MQ_TYPE_MAP:
        mq_str_addf(s, "map(%s,", mq_dtype_name(t->dtype));
        add_type(s, t->elem);
        mq_str_add(s, ")");
        break;
    case MQ_TYPE_SEQUENCE:
    case MQ_TYPE_OPTIONAL:
        mq_str_addf(s, "%s(", wraps[t->kind]);
        add_type(s, t->elem);
        mq_str_add(s, ")");
        break;
    default:
        mq_str_add(s, "opaque");
    }
}

void mq_type_text(const mq_type *t, char *out, size_t size)
{
    mq_str s = { 0 };
    add_type(&s, t);
    snprintf(out, size, "%s", s.s ? s.s : "?");
    mq_str_release(&s);
}

static void add_tensor(mq_str *s, const mq_tensor *t)
{
    mq_str_add(s, mq_dtype_name(t->dtype));
    mq_str_add(s, "[");
    for (int i = 0; i < t->n_dims; i++)
        mq_str_addf(s, i ? ",%" PRId64 : "%" PRId64, t->dims[i]);
    mq_str_add(s, "]");
    if (t->storage == MQ_STORE_EXTERNAL)
        mq_str_addf(s, " external '%s'", t->external.location);
}

static void add_values(mq_str *s, mq_value *const *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mq_str_addf(s, "%s%s", i ? ", " : "", v[i] ? v[i]->name : "-");
}

static void add_graph(mq_str *s, const mq_graph *g, int indent);

static void add_attr(mq_str *s, const mq_attr *a)
{
    mq_str_addf(s, " %s=", a->name);
    if (a->ref)
        mq_str_addf(s, "@%s", a->ref);
    else if (a->type == MQ_ATTR_FLOAT)
        mq_str_addf(s, "%.9g", (double)a->f);
    else if (a->type == MQ_ATTR_INT)
        mq_str_addf(s, "%" PRId64, a->i);
    else if (a->type == MQ_ATTR_STRING)
        mq_str_addf(s, "'%.*s'", (int)(a->s.n < 200 ? a->s.n : 200), (const char *)a->s.data);
    else if (a->type == MQ_ATTR_INTS || a->type == MQ_ATTR_FLOATS) {
        for (size_t i = 0; i < a->n && i < 64; i++)
            if (a->type == MQ_ATTR_INTS)
                mq_str_addf(s, i ? ",%" PRId64 : "[%" PRId64, a->ints[i]);
            else
                mq_str_addf(s, i ? ",%.9g" : "[%.9g", (double)a->floats[i]);
        mq_str_add(s, a->n ? "]" : "[]");
    } else if (a->type == MQ_ATTR_TENSOR && a->n)
        add_tensor(s, a->tensors[0]);
    else
        mq_str_addf(s, "(type %d, %zu)", (int)a->type, a->n);
}

static void add_node(mq_str *s, const mq_node *n, int indent)
{
    mq_str_addf(s, "%*snode '%s' %s%s%s(", indent, "", n->name, n->domain, n->domain[0] ? "." : "", n->op_type);
    add_values(s, n->inputs, n->n_inputs);
    mq_str_add(s, ") -> ");
    add_values(s, n->outputs, n->n_outputs);
    for (size_t i = 0; i < n->n_attrs; i++)
        add_attr(s, n->attrs[i]);
    mq_str_add(s, "\n");
    for (size_t i = 0; i < n->n_attrs; i++)
        for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n; k++) {
            mq_str_addf(s, "%*s%s:\n", indent + 2, "", n->attrs[i]->name);
            add_graph(s, n->attrs[i]->graphs[k], indent + 4);
        }
}

static void add_listed(mq_str *s, const char *what, const mq_value_vec *vec, int indent)
{
    for (size_t i = 0; i < vec->n; i++) {
        mq_str_addf(s, "%*s%s %s ", indent, "", what, vec->items[i]->name);
        add_type(s, vec->items[i]->declared);
        mq_str_add(s, "\n");
    }
}

static void add_graph(mq_str *s, const mq_graph *g, int indent)
{
    add_listed(s, "input", &g->inputs, indent);
    for (size_t i = 0; i < g->inits.n; i++) {
        const mq_value *v = g->inits.items[i];
        mq_str_addf(s, "%*sinit %s ", indent, "", v->name);
        add_tensor(s, v->init ? v->init : v->sparse->values);
        mq_str_add(s, v->init ? "\n" : " sparse\n");
    }
    for (const mq_node *n = g->first; n; n = n->next)
        add_node(s, n, indent);
    add_listed(s, "output", &g->outputs, indent);
}

char *mq_model_dump(const mq_model *m)
{
    mq_str s = { 0 };

    for (size_t i = 0; i < m->opsets.n; i++)
        mq_str_addf(&s, "opset %s %" PRId64 "\n", m->opsets.items[i].domain[0] ? m->opsets.items[i].domain : "ai.onnx",
                    m->opsets.items[i].version);
    if (m->graph)
        add_graph(&s, m->graph, 0);
    for (size_t i = 0; i < m->n_functions; i++) {
        mq_str_addf(&s, "function %s.%s\n", m->functions[i]->domain, m->functions[i]->name);
        add_graph(&s, m->functions[i]->body, 2);
    }
    if (s.failed) {
        mq_str_release(&s);
        return NULL;
    }
    if (!s.s)
        mq_str_add(&s, "");
    return s.s;
}

char *mq_graph_dump(const mq_graph *g)
{
    mq_str s = { 0 };

    add_graph(&s, g, 0);
    if (s.failed) {
        mq_str_release(&s);
        return NULL;
    }
    return s.s;
}
