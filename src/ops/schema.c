/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Looking up schemas: what an operator of a given version takes and gives. The data are generated (schema.inc); this file
 * only searches them. It does not judge nodes: inference and the checker do. */
#include "ops/ops.h"

#include <string.h>

#include "base/compiler.h"
#include "ops/grad_ops.h"
#include "ops/schema.inc"

#define TENSOR_BITS (((mq_type_set)1 << MQ_N_DTYPES) - 1)

const mq_op_schema *mq_schemas(size_t *n)
{
    *n = MQ_ARRAY_LEN(schemas);
    return schemas;
}

int mq_schema_newest_opset(void)
{
    return MQ_NEWEST_OPSET;
}

/* As strcmp; most names that a search meets differ in their first letter. */
static int order(const char *a, const char *b)
{
    return *a != *b ? (unsigned char)*a - (unsigned char)*b : strcmp(a, b);
}

/* Below 0 when row s comes before (domain, op_type, version), as rows up to and including that version do. */
static int row_order(const mq_op_schema *s, const char *domain, const char *op_type, int64_t version)
{
    int c = order(s->domain, domain);

    if (c == 0)
        c = order(s->name, op_type);
    if (c == 0)
        c = s->since <= version ? -1 : 1;
    return c;
}

const mq_op_schema *mq_schema_find(const char *domain, const char *op_type, int64_t version)
{
    size_t lo = 0, hi = MQ_ARRAY_LEN(schemas);
    const mq_op_schema *s;

    if (strcmp(domain, MQ_GRAD_DOMAIN) == 0)
        return version > 0 ? mq_grad_schema_find(op_type) : NULL;
    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;

        if (row_order(&schemas[mid], domain, op_type, version) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo == 0)
        return NULL;
    s = &schemas[lo - 1];
    return strcmp(s->domain, domain) == 0 && strcmp(s->name, op_type) == 0 ? s : NULL;
}

const mq_op_schema *mq_node_schema(const mq_node *n)
{
    const int64_t version = mq_opset_of(n->graph, n->domain);

    return version > 0 ? mq_schema_find(mq_domain_norm(n->domain), n->op_type, version) : NULL;
}

static const mq_op_param *param_at(const mq_op_param *p, size_t n, size_t i)
{
    if (i < n)
        return &p[i];
    return n > 0 && p[n - 1].option == MQ_PARAM_VARIADIC ? &p[n - 1] : NULL;
}

const mq_op_param *mq_schema_input(const mq_op_schema *s, size_t i)
{
    return param_at(s->in, s->n_params_in, i);
}

const mq_op_param *mq_schema_output(const mq_op_schema *s, size_t i)
{
    return param_at(s->out, s->n_params_out, i);
}

bool mq_type_set_has(mq_type_set set, const mq_type *t)
{
    if (!t)
        return true;
    switch (t->kind) {
    case MQ_TYPE_UNKNOWN:
        return true;
    case MQ_TYPE_TENSOR:
        if (t->dtype == MQ_UNDEFINED)
            return (set & TENSOR_BITS) != 0;
        return (unsigned)t->dtype < MQ_N_DTYPES && (set >> t->dtype & 1) != 0;
    case MQ_TYPE_SPARSE_TENSOR:
        return (set & MQ_TYPES_SPARSE) != 0;
    case MQ_TYPE_SEQUENCE:
        return (set & MQ_TYPES_SEQUENCE) != 0;
    case MQ_TYPE_MAP:
        return (set & MQ_TYPES_MAP) != 0;
    case MQ_TYPE_OPTIONAL:
        return (set & MQ_TYPES_OPTIONAL) != 0;
    case MQ_TYPE_OPAQUE:
        return (set & MQ_TYPES_OTHER) != 0;
    }
    return true;
}
