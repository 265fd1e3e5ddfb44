/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* drop-identity: nodes that give what they get: Identity, Dropout outside training, Cast to the type it has, Transpose
 * in order. Not dropped: a node whose output is a graph output (the name must stay), Dropout whose mask is read or whose
 * training flag is not a constant false.
 * Numerics: exact. */
#include <string.h>

#include "passes/pass.h"

static bool cast_to_same(const mq_node *n)
{
    const mq_dtype have = mq_value_dtype(n->inputs[0]);

    return have != MQ_UNDEFINED && mq_node_attr_int(n, "to", -1) == (int64_t)have;
}

static bool keeps_order(const mq_node *n)
{
    size_t count;
    const int64_t *perm = mq_node_attr_ints(n, "perm", &count);

    for (size_t i = 0; i < count; i++)
        if (perm[i] != (int64_t)i)
            return false;
    return perm ? count > 0 : mq_value_rank(n->inputs[0]) == 0 || mq_value_rank(n->inputs[0]) == 1;
}

static bool drops_nothing(const mq_node *n)
{
    mq_tensor *training = mq_constant_input(n, 2);
    int64_t on = 0;

    if (n->n_outputs > 1 && n->outputs[1])
        return false;
    if (n->n_inputs < 3 || !n->inputs[2])
        return true;
    return training && mq_tensor_count(training) == 1 && mq_tensor_read_i64(training, 0, 1, &on, NULL) == MQ_OK && !on;
}

static bool does_nothing(const mq_node *n)
{
    if (n->n_inputs < 1 || !n->inputs[0] || n->n_outputs < 1 || !n->outputs[0])
        return false;
    if (mq_node_is(n, "", "Identity"))
        return true;
    if (mq_node_is(n, "", "Cast"))
        return cast_to_same(n);
    if (mq_node_is(n, "", "Transpose"))
        return keeps_order(n);
    return mq_node_is(n, "", "Dropout") && drops_nothing(n);
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    bool done = false;
    mq_status rc;

    if (!does_nothing(n))
        return MQ_OK;
    if ((rc = mq_value_bypass(n->outputs[0], n->inputs[0], &done, err)) == MQ_OK && done) {
        mq_node_remove(n);
        ++*n_changed;
    }
    return rc;
}

const mq_pass mq_pass_drop_identity = {
    .name = "drop-identity", .summary = "remove nodes that give what they get", .node = visit
};
