/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What inference says cannot be right, sorted into two kinds: element types that an operator does not take or that
 * must be equal and are not (which runtimes refuse), and shapes (which some runtimes only find at run time). All
 * are warnings: the specification's checker does not infer. A target that refuses types makes errors of them
 * (ops/targets.h). */
#include "ops/check.h"

#include <string.h>

/* What a type variable stands for so far: the element type of the first parameter that has it. */
#define MAX_VARS 128
typedef struct bindings {
    mq_dtype dtype[MAX_VARS];
} bindings;

/* Does one of the values break the operator's type rules? */
static bool breaks(bindings *b, mq_value *const *values, size_t count,
                   const mq_op_param *(*param)(const mq_op_schema *, size_t), const mq_op_schema *s)
{
    for (size_t i = 0; i < count; i++) {
        const mq_op_param *p = param(s, i);
        const mq_type *t = p && values[i] ? values[i]->type : NULL;

        if (!t)
            continue;
        if (!mq_type_set_has(p->types, t))
            return true;
        if (p->var < 0 || p->heterogeneous || t->kind != MQ_TYPE_TENSOR || t->dtype == MQ_UNDEFINED)
            continue;
        if (b->dtype[p->var] != MQ_UNDEFINED && b->dtype[p->var] != t->dtype)
            return true;
        b->dtype[p->var] = t->dtype;
    }
    return false;
}

static bool has_type_fault(const mq_node *n)
{
    const mq_op_schema *s = mq_node_schema(n);
    bindings b = { 0 };

    return s && (breaks(&b, n->inputs, n->n_inputs, mq_schema_input, s) ||
                 breaks(&b, n->outputs, n->n_outputs, mq_schema_output, s));
}

static void add_conflict(void *user, const mq_node *n, const char *text)
{
    mq_finding_add(user, MQ_SEVERITY_WARNING, n && has_type_fault(n) ? "type" : "shape", MQ_PLACE_NODE(n), "%s",
                   text);
}

mq_status mq_check_types(mq_model *m, mq_findings *fs, mq_error *err)
{
    mq_status rc = mq_infer_model(m, add_conflict, fs, err);

    return rc == MQ_OK && fs->failed ? mq_oom(err) : rc;
}
