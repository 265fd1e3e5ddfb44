/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What the graph in memory no longer knows: presence of fields, several values in one attribute, names that are
 * empty, external files. Walks the graph and looks at the message behind each object; objects made in memory have
 * none and are passed over. Everything else is checked by graph/verify.h and ops/check.h. */
#include "model/wire_check.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "model/external.h"
#include "onnx.pb-c.h"

typedef struct checker {
    const mq_model *m;
    mq_findings *fs;
    mq_error *err;
    mq_map files; /* location -> file_info, so that a file is looked at and judged once */
    mq_arena *arena;
} checker;

typedef struct file_info {
    bool usable;
    uint64_t size;
} file_info;

static void error(const checker *c, const char *code, mq_place at, const char *what)
{
    mq_finding_add(c->fs, MQ_SEVERITY_ERROR, code, at, "%s", what);
}

static bool is_set(const char *s)
{
    return s && *s;
}

/* ---- types of inputs and outputs ---------------------------------------------------------------------------------- */

/* What a declared type lacks, or NULL. */
static const char *type_lacks(const Onnx__TypeProto *t)
{
    switch (t->value_case) {
    case ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE:
        return !t->tensor_type->has_elem_type ? "element type" : !t->tensor_type->shape ? "shape" : NULL;
    case ONNX__TYPE_PROTO__VALUE_SPARSE_TENSOR_TYPE:
        return !t->sparse_tensor_type->has_elem_type ? "element type" : !t->sparse_tensor_type->shape ? "shape" : NULL;
    case ONNX__TYPE_PROTO__VALUE_SEQUENCE_TYPE:
        return !t->sequence_type->elem_type ? "element type" : NULL;
    case ONNX__TYPE_PROTO__VALUE_OPTIONAL_TYPE:
        return !t->optional_type->elem_type ? "element type" : NULL;
    case ONNX__TYPE_PROTO__VALUE_MAP_TYPE:
        return !t->map_type->has_key_type ? "key type" : !t->map_type->value_type ? "value type" : NULL;
    case ONNX__TYPE_PROTO__VALUE_OPAQUE_TYPE:
        return !is_set(t->opaque_type->name) ? "name" : NULL;
    default:
        return "kind";
    }
}

static void check_value_info(const checker *c, const mq_graph *g, const char *what, const Onnx__ValueInfoProto *v)
{
    const char *lacks;

    if (!is_set(v->name)) {
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "value-name", MQ_PLACE_GRAPH(g), "an %s has no name", what);
    } else if (g == c->m->graph) { /* inner graphs may leave types to inference */
        lacks = v->type ? type_lacks(v->type) : "type";
        if (lacks)
            mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "value-type", MQ_PLACE_TENSOR(g, v->name),
                           v->type ? "it is an %s, but its type has no %s" : "it is an %s, but has no %s", what,
                           lacks);
    }
}

static void check_names(const checker *c, const mq_graph *g)
{
    const Onnx__GraphProto *p = g->origin;

    for (size_t i = 0; i < p->n_input; i++)
        check_value_info(c, g, "input", p->input[i]);
    for (size_t i = 0; i < p->n_output; i++)
        check_value_info(c, g, "output", p->output[i]);
    for (size_t i = 0; i < p->n_initializer; i++)
        if (!is_set(p->initializer[i]->name))
            error(c, "tensor-name", MQ_PLACE_GRAPH(g), "an initializer has no name");
    for (size_t i = 0; i < p->n_sparse_initializer; i++)
        if (!p->sparse_initializer[i]->values || !is_set(p->sparse_initializer[i]->values->name))
            error(c, "tensor-name", MQ_PLACE_GRAPH(g), "a sparse initializer has no name");
}

/* ---- external data ------------------------------------------------------------------------------------------------ */

static file_info *judge_file(checker *c, const mq_tensor *t, mq_place at)
{
    const mq_buf *written = mq_map_get(&c->m->external, t->external.location); /* it may have no name yet */
    file_info *info = mq_arena_alloc(c->arena, sizeof *info);
    mq_error why = { 0 };
    struct stat st, here;
    char *path = NULL;

    if (!info || !mq_map_put(&c->files, t->external.location, info))
        return NULL;
    if (written) {
        *info = (file_info){ .usable = true, .size = written->size };
        return info;
    }
    if (mq_external_path(c->m, t->external.location, &path, &why) != MQ_OK) {
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "external-missing", at, "%s", why.text);
        return info;
    }
    if (stat(path, &st) == 0 && lstat(path, &here) == 0) {
        info->usable = true;
        info->size = (uint64_t)st.st_size;
        if (S_ISLNK(here.st_mode) || st.st_nlink > 1)
            mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "external-link", at,
                           "external file '%s' is a link or has several hard links, which ONNX's checker refuses",
                           path);
    }
    free(path);
    return info;
}

static void check_range(const checker *c, const mq_tensor *t, const file_info *info, mq_place at)
{
    const mq_external *x = &t->external;
    int64_t need = mq_tensor_size(t);
    uint64_t end;

    if (need < 0) /* told elsewhere */
        return;
    if (x->length >= 0 && x->length < need)
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "external-size", at,
                       "its external length is %" PRId64 ", its type and shape need %" PRId64 " bytes", x->length,
                       need);
    else if (__builtin_add_overflow(x->offset, (uint64_t)(x->length > need ? x->length : need), &end) ||
             end > info->size)
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "external-size", at,
                       "%" PRId64 " bytes from offset %" PRIu64 " of '%s' are behind its end (%" PRIu64 " bytes)",
                       need, x->offset, x->location, info->size);
    else if (x->length > need)
        mq_finding_add(c->fs, MQ_SEVERITY_WARNING, "tensor-extra", at,
                       "its external length is %" PRId64 ", its type and shape need only %" PRId64, x->length, need);
}

static bool is_number(const char *s)
{
    return *s && strspn(s, "0123456789") == strlen(s) && strlen(s) < 20;
}

static mq_status check_external(checker *c, const mq_tensor *t, mq_place at)
{
    const Onnx__TensorProto *p = t->origin;
    const file_info *info;

    for (size_t i = 0; p && i < p->n_external_data; i++) {
        const Onnx__StringStringEntryProto *e = p->external_data[i];
        const char *value = e->value ? e->value : "";

        if (e->key && (strcmp(e->key, "offset") == 0 || strcmp(e->key, "length") == 0) && !is_number(value))
            mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "external-size", at, "its external %s is '%s', not a number",
                           e->key, value);
    }
    if (!is_set(t->external.location)) {
        error(c, "external-missing", at, "its data are external, but no location is given");
        return MQ_OK;
    }
    if (!c->m->dir) {
        if (!mq_map_get(&c->files, ""))
            mq_finding_add(c->fs, MQ_SEVERITY_WARNING, "external-unchecked", MQ_PLACE_MODEL,
                           "external data were not looked at: a model from a pipe has no folder");
        return mq_map_put(&c->files, "", c) ? MQ_OK : mq_oom(c->err);
    }
    if (!(info = mq_map_get(&c->files, t->external.location)) && !(info = judge_file(c, t, at)))
        return mq_oom(c->err);
    if (info->usable)
        check_range(c, t, info, at);
    return MQ_OK;
}

static mq_status check_tensor(checker *c, const mq_tensor *t, mq_place at)
{
    return t && t->storage == MQ_STORE_EXTERNAL ? check_external(c, t, at) : MQ_OK;
}

static mq_status check_sparse(checker *c, const mq_sparse *s, mq_place at)
{
    mq_status rc = check_tensor(c, s->values, at);

    return rc == MQ_OK ? check_tensor(c, s->indices, at) : rc;
}

/* ---- attributes --------------------------------------------------------------------------------------------------- */

/* The value fields that are set, as bits by the type that each belongs to. */
static unsigned value_fields(const Onnx__AttributeProto *a)
{
    const bool set[] = {
        [MQ_ATTR_FLOAT] = a->has_f,
        [MQ_ATTR_INT] = a->has_i,
        [MQ_ATTR_STRING] = a->has_s,
        [MQ_ATTR_TENSOR] = a->t,
        [MQ_ATTR_GRAPH] = a->g,
        [MQ_ATTR_FLOATS] = a->n_floats,
        [MQ_ATTR_INTS] = a->n_ints,
        [MQ_ATTR_STRINGS] = a->n_strings,
        [MQ_ATTR_TENSORS] = a->n_tensors,
        [MQ_ATTR_GRAPHS] = a->n_graphs,
        [MQ_ATTR_SPARSE_TENSOR] = a->sparse_tensor,
        [MQ_ATTR_SPARSE_TENSORS] = a->n_sparse_tensors,
        [MQ_ATTR_TYPE] = a->tp,
        [MQ_ATTR_TYPES] = a->n_type_protos,
    };
    unsigned fields = 0;

    for (unsigned t = 0; t < sizeof set / sizeof *set; t++)
        fields |= (unsigned)set[t] << t;
    return fields;
}

/* Is the node in a graph inside another? (The body of a function is none.) */
static bool in_subgraph(const mq_node *n)
{
    return n->graph->owner != NULL;
}

static void check_attr(const checker *c, const mq_node *n, const mq_attr *a)
{
    const Onnx__AttributeProto *p = a->origin;
    mq_place at = { .node = n, .tensor = a->name };
    unsigned fields = value_fields(p);
    bool known = p->has_type && (unsigned)p->type <= MQ_ATTR_TYPES;

    if (!is_set(p->name))
        error(c, "attr-name", at, "an attribute has no name");
    else if (!known)
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "attr-type", at, "attribute '%s' does not say its type", a->name);
    else if (fields & (fields - 1))
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "attr-value", at, "attribute '%s' has more than one value", a->name);
    else if (known && fields && fields != 1u << p->type)
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "attr-type", at,
                       "attribute '%s' has a value of another type than it says",
                       a->name);
    else if (p->ref_attr_name && fields)
        mq_finding_add(c->fs, in_subgraph(n) ? MQ_SEVERITY_ERROR : MQ_SEVERITY_WARNING, "attr-value", at,
                       "attribute '%s' refers to an attribute of the function and has a value too", a->name);
}

static mq_status check_node(checker *c, const mq_node *n)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n->n_attrs; i++) {
        const mq_attr *a = n->attrs[i];
        mq_place at = { .node = n, .tensor = a->name };

        if (a->origin)
            check_attr(c, n, a);
        for (size_t k = 0; a->tensors && k < a->n; k++)
            MQ_TRY(check_tensor(c, a->tensors[k], at));
        for (size_t k = 0; a->sparses && k < a->n; k++)
            MQ_TRY(check_sparse(c, a->sparses[k], at));
    }
done:
    return rc;
}

/* ---- models ------------------------------------------------------------------------------------------------------- */

static bool in_function(const mq_graph *g)
{
    while (g->parent)
        g = g->parent;
    return g->function;
}

static mq_status check_graph(checker *c, const mq_graph *g)
{
    mq_status rc = MQ_OK;

    if (g->origin && (g == c->m->graph || g->owner))
        check_names(c, g);
    for (size_t i = 0; i < g->inits.n; i++) {
        const mq_value *v = g->inits.items[i];
        mq_place at = MQ_PLACE_TENSOR(g, v->name);

        MQ_TRY(check_tensor(c, v->init, at));
        if (v->sparse)
            MQ_TRY(check_sparse(c, v->sparse, at));
    }
    for (const mq_node *n = g->first; n; n = n->next)
        MQ_TRY(check_node(c, n));
done:
    return rc;
}

static mq_status check_metadata(const checker *c, const Onnx__ModelProto *p)
{
    mq_status rc = MQ_OK;
    mq_map seen = { 0 };

    for (size_t i = 0; i < p->n_metadata_props; i++) {
        const char *key = p->metadata_props[i]->key ? p->metadata_props[i]->key : "";

        if (mq_map_get(&seen, key))
            mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "metadata-duplicate", MQ_PLACE_MODEL,
                           "metadata key '%s' is there twice", key);
        else if (!mq_map_put(&seen, key, &seen))
            MQ_TRY(mq_oom(c->err));
    }
done:
    mq_map_release(&seen);
    return rc;
}

static void check_domains(const checker *c)
{
    for (size_t i = 0; i < c->m->n_functions; i++) {
        const Onnx__FunctionProto *p = c->m->functions[i]->origin;

        if (p && !p->domain)
            error(c, "function-domain", MQ_PLACE_GRAPH(c->m->functions[i]->body), "the function has no domain");
    }
}

mq_status mq_wire_check(const mq_model *m, mq_findings *fs, mq_error *err)
{
    mq_status rc = MQ_OK;
    checker c = { .m = m, .fs = fs, .err = err };
    bool functions = m->ir_version >= 8; /* below, there are none */

    if (!(c.arena = mq_arena_create()))
        return mq_oom(err);
    if (m->origin)
        MQ_TRY(check_metadata(&c, m->origin));
    if (functions)
        check_domains(&c);
    for (size_t i = 0; i < m->graphs.n; i++)
        if (functions || !in_function(m->graphs.items[i]))
            MQ_TRY(check_graph(&c, m->graphs.items[i]));
    if (fs->failed)
        MQ_TRY(mq_oom(err));
done:
    mq_map_release(&c.files);
    mq_arena_free(c.arena);
    return rc;
}
