/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* fuse-bias-gelu: Gelu takes the sum before it along; operators of ONNX Runtime.
 *   Add of a constant row -> Gelu                      =>  BiasGelu
 *   Add of a constant row -> Gelu, approximate = tanh  =>  FastGelu
 * Gelu is the standard's, or ONNX Runtime's for older opsets. Skipped when the sum has another reader or is an output, for
 * other types than float, and when the row is not as long as the last axis.
 * Numerics: the same operations. */
#include "passes/pass.h"

/* What n becomes with a bias; NULL: it is no Gelu. */
static const char *with_bias(const mq_node *n)
{
    if (mq_node_is(n, "com.microsoft", "FastGelu"))
        return n->n_inputs == 1 || !n->inputs[1] ? "FastGelu" : NULL;
    if (!mq_node_is(n, "com.microsoft", "Gelu") && !mq_node_is(n, "", "Gelu"))
        return NULL;
    return mq_node_attr_is(n, "approximate", "tanh") ? "FastGelu" : "BiasGelu";
}

static bool is_row_of(const mq_value *row, const mq_value *x)
{
    const mq_tensor *t = row ? mq_value_constant(row, false) : NULL;

    return t && t->dtype == MQ_FLOAT && t->n_dims == 1 && mq_value_dim(x, -1).value == t->dims[0];
}

static mq_status fuse(mq_node *n, const char *op, size_t *n_changed, mq_error *err)
{
    const mq_node *add = mq_pass_only_producer(n->inputs[0], "Add");
    mq_value *in[2] = { NULL };
    mq_status rc = MQ_OK;
    mq_node *made;

    if (!add || add->n_inputs != 2 || mq_value_dtype(n->inputs[0]) != MQ_FLOAT)
        return MQ_OK;
    for (size_t i = 0; i < 2; i++) {
        if (is_row_of(add->inputs[i], add->inputs[1 - i])) {
            in[0] = add->inputs[1 - i];
            in[1] = add->inputs[i];
        }
    }
    if (!in[0])
        return MQ_OK;
    MQ_TRY(mq_pass_insert(n, "com.microsoft", op, NULL, in, 2, &made, err));
    MQ_TRY(mq_pass_take_over(made, n, err));
    ++*n_changed;
done:
    return rc;
}

static mq_status visit(mq_node *n, size_t *n_changed, mq_error *err)
{
    const char *op = with_bias(n);

    return op && n->n_inputs >= 1 && n->n_outputs == 1 && n->outputs[0] ? fuse(n, op, n_changed, err) : MQ_OK;
}

const mq_pass mq_pass_fuse_bias_gelu = {
    .name = "fuse-bias-gelu", .summary = "make BiasGelu and FastGelu of a sum and Gelu", .node = visit
};
