/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The rules for versions, nodes and attributes, as the checker of onnx 1.23.2 has them (its verdict is the reference:
 * tests/conformance/check_agrees.py). What it accepts is at most a warning here, unless no runtime could take it. */
#include "ops/check.h"

#include <inttypes.h>
#include <limits.h>
#include <string.h>

#include "base/compiler.h"
#include "graph/verify.h"
#include "graph/verify_tensor.h"

static const char *const attr_type_names[] = {
    "of no type", "FLOAT",   "INT",     "STRING", "TENSOR",        "GRAPH",          "FLOATS",     "INTS",
    "STRINGS",    "TENSORS", "GRAPHS",  "SPARSE_TENSOR", "SPARSE_TENSORS", "TYPE_PROTO", "TYPE_PROTOS",
};

static const char *attr_type_name(unsigned type)
{
    return type < MQ_ARRAY_LEN(attr_type_names) ? attr_type_names[type] : "of an unknown type";
}

bool mq_op_is_experimental(const char *domain, const char *op_type)
{
    static const char *const names[] = { "ATen",     "Affine",          "ConstantFill", "Crop",
                                         "DynamicSlice", "GRUUnit",     "GivenTensorFill", "ImageScaler",
                                         "ParametricSoftplus", "Scale", "ScaledTanh" };

    if (*mq_domain_norm(domain))
        return false;
    for (size_t i = 0; i < MQ_ARRAY_LEN(names); i++)
        if (strcmp(names[i], op_type) == 0)
            return true;
    return false;
}

bool mq_opset_import(const mq_opset_vec *imports, const char *domain, int64_t *version)
{
    for (size_t i = imports->n; i-- > 0;)
        if (strcmp(imports->items[i].domain, domain) == 0) {
            *version = imports->items[i].version;
            return true;
        }
    return !*domain && mq_opset_import(imports, "ai.onnx", version);
}

const mq_op_schema *mq_schema_of_spec(const char *domain, const char *op_type, int64_t version)
{
    const mq_op_schema *s = mq_schema_find(domain, op_type, version);

    return s && !s->extension ? s : NULL;
}

mq_status mq_nodes_visit(const mq_graph *g, mq_node_visit visit, void *user)
{
    mq_status rc = MQ_OK;
    int depth = 0;

    for (const mq_graph *p = g->parent; p; p = p->parent)
        depth++;
    for (mq_node *n = depth > MQ_MAX_NESTING ? NULL : g->first; n; n = n->next) {
        MQ_TRY(visit(user, n));
        for (size_t i = 0; i < n->n_attrs; i++)
            for (size_t k = 0; n->attrs[i]->graphs && k < n->attrs[i]->n; k++)
                MQ_TRY(mq_nodes_visit(n->attrs[i]->graphs[k], visit, user));
    }
done:
    return rc;
}

/* ---- a node and its schema ---------------------------------------------------------------------------------------- */

typedef struct judge {
    const mq_node *node;
    const mq_op_schema *schema;
    mq_severity severity;
    mq_findings *fs;
} judge;

static void count_is(const judge *j, const char *code, const char *what, size_t n, size_t min, size_t max)
{
    mq_place at = MQ_PLACE_NODE(j->node);

    if (n < min)
        mq_finding_add(j->fs, j->severity, code, at, "it has %zu %s, but version %d takes at least %zu", n, what,
                       j->schema->since, min);
    else if (n > max)
        mq_finding_add(j->fs, j->severity, code, at, "it has %zu %s, but version %d takes at most %zu", n, what,
                       j->schema->since, max);
}

/* A parameter that must be there may not be named "". */
static void none_absent(const judge *j, const char *code, const char *what, mq_value *const *values, size_t n,
                        const mq_op_param *params, size_t n_params)
{
    for (size_t i = 0; i < n && i < n_params; i++)
        if (!values[i] && params[i].option == MQ_PARAM_SINGLE)
            mq_finding_add(j->fs, j->severity, code, MQ_PLACE_NODE(j->node), "%s %zu ('%s') is required but absent",
                           what, i, params[i].name);
}

static void check_counts(const judge *j)
{
    const mq_node *n = j->node;
    const mq_op_schema *s = j->schema;

    count_is(j, "op-inputs", "inputs", n->n_inputs, s->min_inputs,
             s->max_inputs == UINT16_MAX ? SIZE_MAX : s->max_inputs);
    count_is(j, "op-outputs", "outputs", n->n_outputs, s->min_outputs,
             s->max_outputs == UINT16_MAX ? SIZE_MAX : s->max_outputs);
    none_absent(j, "op-inputs", "input", n->inputs, n->n_inputs, s->in, s->n_params_in);
    none_absent(j, "op-outputs", "output", n->outputs, n->n_outputs, s->out, s->n_params_out);
    /* The one operator with a gap in its counts: the result alone, or all statistics with it. */
    if (mq_node_is(n, "", "BatchNormalization") && n->n_outputs > 1 && n->n_outputs < s->max_outputs)
        mq_finding_add(j->fs, j->severity, "op-outputs", MQ_PLACE_NODE(n), "it has %zu outputs, but may have 1 or %d",
                       n->n_outputs, s->max_outputs);
}

static const mq_op_attr *schema_attr(const mq_op_schema *s, const char *name)
{
    for (size_t i = 0; i < s->n_attrs; i++)
        if (strcmp(s->attrs[i].name, name) == 0)
            return &s->attrs[i];
    return NULL;
}

static bool is_object(unsigned type)
{
    return type == MQ_ATTR_TENSOR || type == MQ_ATTR_GRAPH || type == MQ_ATTR_SPARSE_TENSOR || type == MQ_ATTR_TYPE;
}

static void check_schema_attr(const judge *j, const mq_attr *a)
{
    const mq_op_attr *want = schema_attr(j->schema, a->name);
    mq_place at = { .node = j->node, .tensor = a->name };

    if (!want) {
        /* Two underscores mark a writer's own notes; LayerNormalization alone is declared open in the
         * specification. */
        if (strncmp(a->name, "__", 2) != 0 && !mq_node_is(j->node, "", "LayerNormalization"))
            mq_finding_add(j->fs, j->severity, "attr-unknown", at,
                           "attribute '%s' does not belong to version %d of %s",
                           a->name, j->schema->since, j->node->op_type);
    } else if (a->type != want->type) {
        mq_finding_add(j->fs, j->severity, "attr-type", at, "attribute '%s' is %s, but must be %s", a->name,
                       attr_type_name(a->type), attr_type_name(want->type));
    } else if ((!a->ref || !*a->ref) && is_object(want->type) && !a->n) {
        mq_finding_add(j->fs, j->severity, "attr-value", at, "attribute '%s' has no value", a->name);
    }
}

static void check_required(const judge *j)
{
    for (size_t i = 0; i < j->schema->n_attrs; i++) {
        const mq_op_attr *want = &j->schema->attrs[i];
        bool found = !want->required;

        for (size_t k = 0; !found && k < j->node->n_attrs; k++)
            found = strcmp(j->node->attrs[k]->name, want->name) == 0;
        if (!found)
            mq_finding_add(j->fs, j->severity, "attr-missing", (mq_place){ .node = j->node, .tensor = want->name },
                           "attribute '%s' (%s) is required but missing", want->name, attr_type_name(want->type));
    }
}

void mq_check_node_schema(const mq_node *n, const mq_op_schema *s, mq_findings *fs)
{
    judge j = { .node = n, .schema = s, .fs = fs };

    j.severity = s->extension ? MQ_SEVERITY_WARNING : MQ_SEVERITY_ERROR;
    check_counts(&j);
    for (size_t i = 0; i < n->n_attrs; i++)
        check_schema_attr(&j, n->attrs[i]);
    check_required(&j);
}

/* ---- nodes -------------------------------------------------------------------------------------------------------- */

typedef struct checker {
    mq_model *m;
    mq_findings *fs;
    mq_error *err;
    const mq_opset_vec *imports; /* in force: the model's or a function's */
} checker;

static void error(const checker *c, const char *code, mq_place at, const char *what)
{
    mq_finding_add(c->fs, MQ_SEVERITY_ERROR, code, at, "%s", what);
}

/* Domains whose operators are all in the specification. */
static bool is_spec_domain(const char *domain)
{
    return !*mq_domain_norm(domain) || strcmp(domain, "ai.onnx.ml") == 0 || strcmp(domain, "ai.onnx.training") == 0;
}

static void report_unknown(const checker *c, const mq_node *n, int64_t version)
{
    const mq_op_schema *newest = mq_schema_of_spec(mq_domain_norm(n->domain), n->op_type, INT64_MAX);
    const char *domain = *mq_domain_norm(n->domain) ? n->domain : "ONNX";
    mq_place at = MQ_PLACE_NODE(n);

    if (strcmp(n->domain, "ai.onnx") == 0)
        error(c, "op-domain", at, "its domain is written 'ai.onnx', but the default domain is ''");
    else if (newest && version < newest->since)
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "op-unknown", at,
                       "%s is not in opset %" PRId64 " of %s, only in later ones (%d at the latest)", n->op_type,
                       version, domain, newest->since);
    else if (mq_schema_find(mq_domain_norm(n->domain), n->op_type, INT64_MAX))
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "op-unknown", at,
                       "%s is an extension of ONNX Runtime, not an operator of %s",
                       n->op_type, domain);
    else
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "op-unknown", at, "%s is not an operator of %s", n->op_type, domain);
}

static void check_operator(const checker *c, const mq_node *n)
{
    const mq_op_schema *s;
    int64_t version = 0;
    mq_place at = MQ_PLACE_NODE(n);

    if (!mq_opset_import(c->imports, n->domain, &version)) {
        if (c->imports->n) /* without any import that is said once, for the model */
            mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "op-domain", at, "no opset is imported for its domain '%s'",
                           n->domain);
        return;
    }
    if (mq_op_is_experimental(n->domain, n->op_type)) {
        mq_finding_add(c->fs, MQ_SEVERITY_WARNING, "op-experimental", at,
                       "%s is an experimental operator without a definition: few runtimes have it", n->op_type);
        return;
    }
    s = mq_schema_of_spec(n->domain, n->op_type, version);
    if (!s && is_spec_domain(n->domain))
        report_unknown(c, n, version);
    else if (s && s->deprecated)
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "op-deprecated", at,
                       "%s was removed in opset %d, the model uses %" PRId64,
                       n->op_type, s->since, version);
    else if (s || (s = mq_schema_find(n->domain, n->op_type, version)))
        mq_check_node_schema(n, s, c->fs);
}

static mq_status check_attr_data(const checker *c, const mq_node *n, const mq_attr *a)
{
    mq_status rc = MQ_OK;
    mq_place at = { .node = n, .tensor = a->name };

    for (size_t k = 0; a->tensors && k < a->n; k++)
        mq_tensor_verify(a->tensors[k], at, c->fs);
    for (size_t k = 0; a->sparses && k < a->n; k++)
        MQ_TRY(mq_sparse_verify(a->sparses[k], at, c->fs, c->err));
done:
    return rc;
}

static mq_status check_attrs(const checker *c, const mq_node *n)
{
    mq_status rc = MQ_OK;
    mq_map seen = { 0 };

    for (size_t i = 0; i < n->n_attrs; i++) {
        mq_attr *a = n->attrs[i];

        if (mq_map_get(&seen, a->name))
            mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "attr-duplicate", (mq_place){ .node = n, .tensor = a->name },
                           "attribute '%s' is there twice", a->name);
        else if (n->n_attrs > 1 && !mq_map_put(&seen, a->name, a))
            MQ_TRY(mq_oom(c->err));
        MQ_TRY(check_attr_data(c, n, a));
    }
done:
    mq_map_release(&seen);
    return rc;
}

static mq_status check_node(void *user, mq_node *n)
{
    const checker *c = user;
    mq_status rc = MQ_OK;

    if (!*n->op_type) {
        error(c, "op-unknown", MQ_PLACE_NODE(n), "the node has no operator");
        return MQ_OK;
    }
    if (!n->n_inputs && !n->n_outputs)
        error(c, "op-outputs", MQ_PLACE_NODE(n), "the node has neither inputs nor outputs");
    MQ_TRY(check_attrs(c, n));
    check_operator(c, n);
done:
    return rc;
}

/* ---- models ------------------------------------------------------------------------------------------------------- */

static void check_import(const checker *c, size_t i)
{
    const mq_opset *o = &c->imports->items[i];
    bool is_default = !*mq_domain_norm(o->domain);

    for (size_t k = 0; k < i; k++)
        if (strcmp(mq_domain_norm(o->domain), mq_domain_norm(c->imports->items[k].domain)) == 0) {
            mq_finding_add(c->fs, MQ_SEVERITY_WARNING, "opset-duplicate", MQ_PLACE_MODEL,
                           "domain '%s' is imported twice",
                           o->domain);
            break;
        }
    if (o->version < INT_MIN || o->version > INT_MAX)
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "opset-version", MQ_PLACE_MODEL,
                       "opset %" PRId64 " of domain '%s' is no version",
                       o->version, o->domain);
    else if (o->version < 1 || (is_default && o->version > mq_schema_newest_opset()))
        mq_finding_add(c->fs, MQ_SEVERITY_WARNING, "opset-version", MQ_PLACE_MODEL,
                       "opset %" PRId64 " of domain '%s' is not known: the newest is %d", o->version, o->domain,
                       is_default ? mq_schema_newest_opset() : 1);
}

static void check_versions(const checker *c)
{
    const mq_model *m = c->m;

    if (!m->has_ir_version || !m->ir_version)
        error(c, "ir-version", MQ_PLACE_MODEL, "the model has no ir_version");
    else if (m->ir_version > MQ_NEWEST_IR || m->ir_version < 0)
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "ir-version", MQ_PLACE_MODEL,
                       "IR version %" PRId64 " is not known: the newest is %d", m->ir_version, MQ_NEWEST_IR);
    else if (m->ir_version < 3 && m->opsets.n)
        mq_finding_add(c->fs, MQ_SEVERITY_ERROR, "ir-version", MQ_PLACE_MODEL,
                       "IR version %" PRId64 " has no opset imports, but the model has some", m->ir_version);
    if (m->ir_version >= 3 && !m->opsets.n)
        error(c, "opset-missing", MQ_PLACE_MODEL, "the model imports no opset");
    for (size_t i = 0; i < c->imports->n; i++)
        check_import(c, i);
}

static mq_status check_inits(const checker *c, const mq_graph *g)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->inits.n; i++) {
        const mq_value *v = g->inits.items[i];
        mq_place at = MQ_PLACE_TENSOR(g, v->name);

        if (v->init)
            mq_tensor_verify(v->init, at, c->fs);
        if (v->sparse)
            MQ_TRY(mq_sparse_verify(v->sparse, at, c->fs, c->err));
    }
done:
    return rc;
}

static const mq_function *function_around(const mq_graph *g)
{
    while (g->parent)
        g = g->parent;
    return g->function;
}

mq_status mq_check_operators(mq_model *m, mq_findings *fs, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_opset first = { .domain = "", .version = 1 };
    mq_opset_vec oldest = { .items = &first, .n = 1 };
    checker c = { .m = m, .fs = fs, .err = err, .imports = &m->opsets };

    if (m->opsets.n > MQ_MAX_IMPORTS) {
        error(&c, "opset-duplicate", MQ_PLACE_MODEL, "the model imports more than 1000 opsets");
        return MQ_OK;
    }
    check_versions(&c);
    if (m->ir_version < 3 && !m->opsets.n)
        c.imports = &oldest;
    for (size_t i = 0; i < m->graphs.n; i++)
        if (m->ir_version >= 8 || !function_around(m->graphs.items[i]))
            MQ_TRY(check_inits(&c, m->graphs.items[i]));
    if (m->graph)
        MQ_TRY(mq_nodes_visit(m->graph, check_node, &c));
    for (size_t i = 0; m->ir_version >= 8 && i < m->n_functions; i++) {
        if (m->functions[i]->opsets.n > MQ_MAX_IMPORTS)
            continue;
        c.imports = &m->functions[i]->opsets;
        MQ_TRY(mq_nodes_visit(m->functions[i]->body, check_node, &c));
    }
    if (m->ir_version >= 8)
        MQ_TRY(mq_check_functions(m, fs, err));
    if (fs->failed)
        MQ_TRY(mq_oom(err));
done:
    return rc;
}
