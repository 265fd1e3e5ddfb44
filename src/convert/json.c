/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A model as JSON, for reading and for comparing with text tools. Names are those of the ONNX messages. Large constants are
 * told by type and shape; nothing is read back from here. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_print.h"
#include "convert/convert.h"
#include "report/report.h"

#define SHOWN 16   /* elements of a constant */
#define DEPTH 64   /* graphs in graphs */

typedef struct writer {
    bool failed;
} writer;

static void put(writer *w, json_t *o, const char *key, json_t *value)
{
    if (!o || json_object_set_new(o, key, value) != 0)
        w->failed = true;
}

static void push(writer *w, json_t *list, json_t *value)
{
    if (!list || json_array_append_new(list, value) != 0)
        w->failed = true;
}

/* Numbers that are not finite have no form in JSON: their names. */
static json_t *number(double x)
{
    return isfinite(x) ? json_real(x) : json_string(isnan(x) ? "nan" : x > 0 ? "inf" : "-inf");
}

static json_t *text_of(const mq_bytes *s)
{
    char *copy = strndup(s->data ? s->data : "", s->n);
    json_t *text = copy ? mq_json_text(copy) : NULL;

    free(copy);
    return text;
}

static json_t *type_of(const mq_type *t)
{
    char text[512];

    mq_type_text(t, text, sizeof text);
    return mq_json_text(text);
}

/* ---- tensors ------------------------------------------------------------------------------------------------------- */

static bool is_whole(mq_dtype d)
{
    return d == MQ_INT8 || d == MQ_INT16 || d == MQ_INT32 || d == MQ_INT64 || d == MQ_UINT8 || d == MQ_UINT16 ||
           d == MQ_UINT32 || d == MQ_UINT64 || d == MQ_BOOL;
}

static void put_elements(writer *w, json_t *o, mq_tensor *t)
{
    const int64_t n = mq_tensor_count(t);
    int64_t whole[SHOWN];
    float real[SHOWN];
    json_t *list;

    if (n < 0 || n > SHOWN || t->storage == MQ_STORE_MADE || t->storage == MQ_STORE_EXTERNAL || t->dtype == MQ_STRING)
        return;
    if (is_whole(t->dtype) ? mq_tensor_read_i64(t, 0, (uint64_t)n, whole, NULL) != MQ_OK
                           : mq_tensor_read_f32(t, 0, (uint64_t)n, real, NULL) != MQ_OK)
        return;
    list = json_array();
    for (int64_t i = 0; i < n; i++)
        push(w, list, is_whole(t->dtype) ? json_integer(whole[i]) : number((double)real[i]));
    put(w, o, "values", list);
}

static json_t *tensor(writer *w, mq_tensor *t)
{
    json_t *o = json_object(), *dims = json_array();

    if (*t->name)
        put(w, o, "name", mq_json_text(t->name));
    put(w, o, "dataType", json_string(mq_dtype_name(t->dtype)));
    for (int i = 0; i < t->n_dims; i++)
        push(w, dims, json_integer(t->dims[i]));
    put(w, o, "dims", dims);
    if (t->storage == MQ_STORE_EXTERNAL)
        put(w, o, "location", mq_json_text(t->external.location));
    put_elements(w, o, t);
    return o;
}

/* ---- attributes, nodes, graphs ------------------------------------------------------------------------------------- */

static json_t *graph(writer *w, const mq_graph *g, int depth);

static json_t *element(writer *w, const mq_attr *a, size_t i, int depth)
{
    switch (a->type) {
    case MQ_ATTR_FLOAT: return number((double)a->f);
    case MQ_ATTR_INT: return json_integer(a->i);
    case MQ_ATTR_STRING: return text_of(&a->s);
    case MQ_ATTR_FLOATS: return number((double)a->floats[i]);
    case MQ_ATTR_INTS: return json_integer(a->ints[i]);
    case MQ_ATTR_STRINGS: return text_of(&a->strings[i]);
    case MQ_ATTR_TENSOR:
    case MQ_ATTR_TENSORS: return tensor(w, a->tensors[i]);
    case MQ_ATTR_GRAPH:
    case MQ_ATTR_GRAPHS: return graph(w, a->graphs[i], depth + 1);
    case MQ_ATTR_TYPE:
    case MQ_ATTR_TYPES: return type_of(a->types[i]);
    case MQ_ATTR_SPARSE_TENSOR:
    case MQ_ATTR_SPARSE_TENSORS: return tensor(w, a->sparses[i]->values);
    default: return json_null();
    }
}

static json_t *attribute(writer *w, const mq_attr *a, int depth)
{
    json_t *o, *list;

    if (a->ref) {
        o = json_object();
        put(w, o, "refAttrName", mq_json_text(a->ref));
        return o;
    }
    if (a->type == MQ_ATTR_FLOAT || a->type == MQ_ATTR_INT || a->type == MQ_ATTR_STRING)
        return element(w, a, 0, depth);
    if (a->n == 1 && (a->type == MQ_ATTR_TENSOR || a->type == MQ_ATTR_GRAPH || a->type == MQ_ATTR_TYPE ||
                      a->type == MQ_ATTR_SPARSE_TENSOR))
        return element(w, a, 0, depth);
    list = json_array();
    for (size_t i = 0; i < a->n; i++)
        push(w, list, element(w, a, i, depth));
    return list;
}

static json_t *names_of(writer *w, mq_value *const *values, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        push(w, list, mq_json_text(values[i] ? values[i]->name : ""));
    return list;
}

static json_t *node(writer *w, const mq_node *n, int depth)
{
    json_t *o = json_object(), *attrs = json_object();

    if (*n->name)
        put(w, o, "name", mq_json_text(n->name));
    put(w, o, "opType", mq_json_text(n->op_type));
    if (*mq_domain_norm(n->domain))
        put(w, o, "domain", mq_json_text(n->domain));
    put(w, o, "input", names_of(w, n->inputs, n->n_inputs));
    put(w, o, "output", names_of(w, n->outputs, n->n_outputs));
    for (size_t i = 0; i < n->n_attrs; i++) {
        json_t *key = mq_json_text(n->attrs[i]->name), *value = attribute(w, n->attrs[i], depth);

        put(w, attrs, key ? json_string_value(key) : "", value);
        json_decref(key);
    }
    put(w, o, "attribute", attrs);
    return o;
}

static json_t *declarations(writer *w, const mq_value_vec *values)
{
    json_t *list = json_array();

    for (size_t i = 0; i < values->n; i++) {
        const mq_value *v = values->items[i];
        json_t *o = json_object();

        put(w, o, "name", mq_json_text(v->name));
        put(w, o, "type", type_of(v->declared ? v->declared : v->type));
        push(w, list, o);
    }
    return list;
}

static json_t *graph(writer *w, const mq_graph *g, int depth)
{
    json_t *o = json_object(), *inits = json_array(), *nodes = json_array();

    put(w, o, "name", mq_json_text(g->name ? g->name : ""));
    put(w, o, "input", declarations(w, &g->inputs));
    put(w, o, "output", declarations(w, &g->outputs));
    for (size_t i = 0; i < g->inits.n; i++)
        if (g->inits.items[i]->init)
            push(w, inits, tensor(w, g->inits.items[i]->init));
    put(w, o, "initializer", inits);
    for (const mq_node *n = g->first; n && depth < DEPTH; n = n->next)
        push(w, nodes, node(w, n, depth));
    put(w, o, "node", nodes);
    return o;
}

static json_t *imports(writer *w, const mq_opset_vec *opsets)
{
    json_t *list = json_array();

    for (size_t i = 0; i < opsets->n; i++) {
        json_t *o = json_object();

        put(w, o, "domain", mq_json_text(opsets->items[i].domain));
        put(w, o, "version", json_integer(opsets->items[i].version));
        push(w, list, o);
    }
    return list;
}

static json_t *functions(writer *w, const mq_model *m)
{
    json_t *list = json_array();

    for (size_t i = 0; i < m->n_functions; i++) {
        const mq_function *f = m->functions[i];
        json_t *o = json_object();

        put(w, o, "name", mq_json_text(f->name));
        put(w, o, "domain", mq_json_text(f->domain));
        put(w, o, "opsetImport", imports(w, &f->opsets));
        put(w, o, "body", graph(w, f->body, 0));
        push(w, list, o);
    }
    return list;
}

mq_status mq_convert_json(const mq_model *m, mq_str *out, mq_error *err)
{
    writer w = { 0 };
    json_t *o = json_object();
    char *text;

    put(&w, o, "irVersion", json_integer(m->ir_version));
    put(&w, o, "producerName", mq_json_text(m->producer_name ? m->producer_name : ""));
    put(&w, o, "producerVersion", mq_json_text(m->producer_version ? m->producer_version : ""));
    put(&w, o, "opsetImport", imports(&w, &m->opsets));
    put(&w, o, "graph", graph(&w, m->graph, 0));
    if (m->n_functions)
        put(&w, o, "functions", functions(&w, m));
    text = w.failed ? NULL : mq_json_print(o, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    json_decref(o);
    if (text) {
        mq_str_add(out, text);
        mq_str_add(out, "\n");
        free(text);
    }
    return text && !out->failed ? MQ_OK : mq_oom(err);
}
