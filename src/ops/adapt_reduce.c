/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Adapters of reductions, and of what finds places along an axis. */
#include "base/compiler.h"
#include "ops/adapters.h"

/* An empty list means all axes in both forms, as no list does. */
static mq_status axes_to_input(mq_node *n, int to, mq_error *err)
{
    const mq_attr *axes = mq_node_attr(n, "axes");

    (void)to;
    if (axes && !axes->ref && axes->n == 0) {
        mq_node_remove_attr(n, "axes");
        return MQ_OK;
    }
    return mq_adapt_list_to_input(n, "axes", 1, err);
}

static mq_status topk_10(mq_node *n, int to, mq_error *err)
{
    int64_t k = mq_node_attr_int(n, "k", -1);
    mq_value *v = NULL;
    mq_status rc = MQ_OK;

    (void)to;
    if (!mq_node_attr(n, "k"))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its attribute 'k' is missing");
    MQ_TRY(mq_adapt_ints(n, "k", &k, 1, &v, err));
    MQ_TRY(mq_node_set_input(n, 1, v, err));
    mq_node_remove_attr(n, "k");
done:
    return rc;
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

const mq_op_adapter mq_adapters_reduce[] = {
    { "ArgMax", 11 }, { "ArgMax", 12 }, { "ArgMax", 13 },
    { "ArgMin", 11 }, { "ArgMin", 12 }, { "ArgMin", 13 },
    { "CumSum", 14 },
    { "ReduceL1", 11 }, { "ReduceL1", 13 }, { "ReduceL1", 18, axes_to_input, mq_adapt_check_lists },
    { "ReduceL2", 11 }, { "ReduceL2", 13 }, { "ReduceL2", 18, axes_to_input, mq_adapt_check_lists },
    { "ReduceLogSum", 11 }, { "ReduceLogSum", 13 }, { "ReduceLogSum", 18, axes_to_input, mq_adapt_check_lists },
    { "ReduceLogSum", 28, NULL, mq_adapt_check_no_integers },
    { "ReduceLogSumExp", 11 }, { "ReduceLogSumExp", 13 },
    { "ReduceLogSumExp", 18, axes_to_input, mq_adapt_check_lists },
    { "ReduceLogSumExp", 28, NULL, mq_adapt_check_no_integers },
    { "ReduceMax", 11 }, { "ReduceMax", 12 }, { "ReduceMax", 13 },
    { "ReduceMax", 18, axes_to_input, mq_adapt_check_lists }, { "ReduceMax", 20 },
    { "ReduceMean", 11 }, { "ReduceMean", 13 }, { "ReduceMean", 18, axes_to_input, mq_adapt_check_lists },
    { "ReduceMin", 11 }, { "ReduceMin", 12 }, { "ReduceMin", 13 },
    { "ReduceMin", 18, axes_to_input, mq_adapt_check_lists }, { "ReduceMin", 20 },
    { "ReduceProd", 11 }, { "ReduceProd", 13 }, { "ReduceProd", 18, axes_to_input, mq_adapt_check_lists },
    { "ReduceSum", 11 }, { "ReduceSum", 13, axes_to_input, mq_adapt_check_lists },
    { "ReduceSumSquare", 11 }, { "ReduceSumSquare", 13 },
    { "ReduceSumSquare", 18, axes_to_input, mq_adapt_check_lists },
    { "TopK", 10, topk_10, mq_adapt_check_plain }, { "TopK", 11 }, { "TopK", 24 },
};
const size_t mq_adapters_reduce_n = MQ_ARRAY_LEN(mq_adapters_reduce);
