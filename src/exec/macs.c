/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Multiply-accumulates of a node as it ran: the operator table's rule on the shapes of the arrays at hand. The plan's
 * graph is shared by threads and may say less (symbols, unknown ranks), so the rule looks at a copy of the node whose
 * values have these shapes. */
#include <stdlib.h>

#include "exec/internal.h"
#include "ops/ops.h"

enum { MANY = 64 }; /* inputs and outputs: no operator with a rule has so many but variadic ones of no cost */

typedef struct shaped {
    mq_value value;
    mq_type type;
    mq_dim dims[MQ_MAX_RANK];
} shaped;

/* The value with the array's type; NULL stays NULL. */
static mq_value *shape_one(shaped *s, const mq_value *v, const mq_array *a)
{
    if (!v)
        return NULL;
    s->value = *v;
    s->value.type = NULL;
    if (!a || a->kind != MQ_TYPE_TENSOR)
        return &s->value;
    s->type = (mq_type){ .kind = MQ_TYPE_TENSOR, .dtype = a->dtype, .rank = a->rank, .dims = s->dims };
    for (int i = 0; i < a->rank; i++)
        s->dims[i] = (mq_dim){ .value = a->dims[i] };
    s->value.type = &s->type;
    return &s->value;
}

int64_t mq_call_macs(const mq_call *c)
{
    const mq_op_rule *rule = mq_rule_find(mq_domain_norm(c->node->domain), c->node->op_type);
    const size_t n = c->n_in + c->n_out;
    mq_value *values[MANY];
    mq_node node = *c->node;
    shaped *room;
    int64_t macs;

    if (!rule || !rule->macs || n > MANY || !(room = malloc((n + 1) * sizeof *room)))
        return 0;
    node.inputs = values;
    node.outputs = values + c->n_in;
    for (size_t i = 0; i < c->n_in; i++)
        values[i] = shape_one(&room[i], c->node->inputs[i], c->in[i]);
    for (size_t i = 0; i < c->n_out; i++)
        values[c->n_in + i] = shape_one(&room[c->n_in + i], c->node->outputs[i], c->out[i]);
    macs = rule->macs(&node);
    free(room);
    return macs > 0 ? macs : 0;
}
