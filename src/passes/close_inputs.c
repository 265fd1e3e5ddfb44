/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* close-inputs: initializers that are inputs too become constants.
 *   Files of IR version 3 must list every initializer as an input; runtimes take these for constants.
 *   Exporters have kept doing so since: every initializer is listed, the weights of products among them.
 * From IR version 4 on, to be an input says that callers may set it: left as it is when only some initializers are listed,
 * or none of them is a weight.
 * Numerics: exact, for callers that set none of them. */
#include "ops/ops.h"
#include "passes/pass.h"

#define IR_WITH_CONSTANTS 4

static bool is_weight(const mq_value *v)
{
    for (size_t i = 0; i < v->uses.n; i++) {
        const mq_node *n = v->uses.items[i].node;
        const mq_op_rule *rule = mq_rule_find(mq_domain_norm(n->domain), n->op_type);

        if (rule && rule->quant && rule->quant->weight_input == (int)v->uses.items[i].index)
            return true;
    }
    return false;
}

/* Every initializer is listed, and nobody means to set them all. */
static bool lists_weights(const mq_graph *g)
{
    bool weight = false;

    for (size_t i = 0; i < g->inits.n; i++) {
        if (!g->inits.items[i]->is_input)
            return false;
        weight |= is_weight(g->inits.items[i]);
    }
    return weight;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_model *m = g->model;
    size_t n;

    (void)ctx;
    (void)err;
    if (g != m->graph || !m->has_ir_version || (m->ir_version >= IR_WITH_CONSTANTS && !lists_weights(g)))
        return MQ_OK;
    n = mq_graph_unlist_inits(g);
    if (n && m->ir_version < IR_WITH_CONSTANTS)
        m->ir_version = IR_WITH_CONSTANTS;
    *n_changed += n;
    return MQ_OK;
}

const mq_pass mq_pass_close_inputs = {
    .name = "close-inputs", .summary = "make constants of initializers that are listed as inputs out of habit", .run = run
};
