/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Adapters of control flow, constants and optional values. */
#include "base/compiler.h"
#include "ops/adapters.h"

/* ---- Scan --------------------------------------------------------------------------------------------------------- */

static mq_graph *scan_body(const mq_node *n)
{
    const mq_attr *a = mq_node_attr(n, "body");
    return a && a->type == MQ_ATTR_GRAPH && a->n ? a->graphs[0] : NULL;
}

static mq_status check_scan_9(const mq_node *n, int to, mq_error *err)
{
    if (mq_adapt_input(n, 0))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its input '%s' (lengths of the sequences) has no place in opset %d",
                       n->inputs[0]->name, to);
    if (!scan_body(n) || n->n_inputs < 2)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "it has no body or no inputs");
    return mq_adapt_check_plain(n, to, err);
}

static mq_status set_attr_graph(mq_node *n, const char *name, mq_graph *g, mq_error *err)
{
    mq_graph **list = mq_arena_memdup(n->graph->model->arena, &g, sizeof(mq_graph *));
    mq_status rc = list ? mq_node_set_attr_int(n, name, 0, err) : mq_oom(err);
    mq_attr *a;

    if (rc != MQ_OK)
        return rc;
    a = mq_node_attr(n, name);
    a->type = MQ_ATTR_GRAPH;
    a->graphs = list;
    a->n = 1;
    g->parent = n->graph;
    g->owner = n;
    return MQ_OK;
}

/* Inputs and outputs of graph `batch` are those of node `one` in it: n_in and n_out of them. */
static mq_status open_ends(mq_graph *batch, mq_node *one, size_t n_in, size_t n_out, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_value *v;

    for (size_t i = 0; i < n_in; i++) {
        if (!(v = mq_value_create_unique(batch, "batch_in")))
            return mq_oom(err);
        MQ_TRY(mq_graph_add_input(batch, v, err));
        MQ_TRY(mq_node_set_input(one, i, v, err));
    }
    for (size_t i = 0; i < n_out; i++) {
        if (!(v = mq_value_create_unique(batch, "batch_out")))
            return mq_oom(err);
        MQ_TRY(mq_graph_add_output(batch, v, err));
        MQ_TRY(mq_node_set_output(one, i, v, err));
    }
done:
    return rc;
}

/* A Scan in graph `batch` that does for one element of the batch what n does for all. */
static mq_status scan_one(mq_graph *batch, mq_node *n, mq_error *err)
{
    mq_graph *body = scan_body(n);
    mq_node *one = mq_node_create(batch, NULL, "", "Scan", "");
    size_t count = 0;
    const int64_t *directions = mq_node_attr_ints(n, "directions", &count);
    mq_status rc;

    if (!one)
        return mq_oom(err);
    MQ_TRY(open_ends(batch, one, n->n_inputs - 1, body->outputs.n, err));
    MQ_TRY(set_attr_graph(one, "body", body, err));
    MQ_TRY(mq_node_set_attr_int(one, "num_scan_inputs", mq_node_attr_int(n, "num_scan_inputs", 0), err));
    if (directions)
        MQ_TRY(mq_node_set_attr_ints(one, "scan_input_directions", directions, count, err));
done:
    return rc;
}

/* Version 8 runs over a batch (axis 0) of sequences (axis 1). Now an outer Scan runs over the batch, with everything as
 * its input, and a Scan in its body over the sequence. */
static mq_status scan_9(mq_node *n, int to, mq_error *err)
{
    mq_graph *batch;
    mq_status rc;

    MQ_TRY(check_scan_9(n, to, err));
    if (!(batch = mq_graph_create(n->graph->model, n->graph, n, "batch")))
        return mq_oom(err);
    MQ_TRY(scan_one(batch, n, err));
    MQ_TRY(set_attr_graph(n, "body", batch, err));
    MQ_TRY(mq_node_set_attr_int(n, "num_scan_inputs", (int64_t)n->n_inputs - 1, err));
    mq_node_remove_attr(n, "directions");
    for (size_t i = 1; i < n->n_inputs; i++)
        MQ_TRY(mq_node_set_input(n, i - 1, n->inputs[i], err));
    MQ_TRY(mq_node_set_input(n, n->n_inputs - 1, NULL, err));
    n->n_inputs--;
done:
    return rc;
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

const mq_op_adapter mq_adapters_control[] = {
    { "Constant", 9 }, { "Constant", 11 }, { "Constant", 12 }, { "Constant", 13 }, { "Constant", 19 },
    { "Constant", 21 }, { "Constant", 23 }, { "Constant", 24 }, { "Constant", 25 },
    { "ConstantOfShape", 20 }, { "ConstantOfShape", 21 }, { "ConstantOfShape", 23 }, { "ConstantOfShape", 24 },
    { "ConstantOfShape", 25 },
    { "Identity", 13 }, { "Identity", 14 }, { "Identity", 16 }, { "Identity", 19 }, { "Identity", 21 },
    { "Identity", 23 }, { "Identity", 24 }, { "Identity", 25 },
    { "If", 11 }, { "If", 13 }, { "If", 16 }, { "If", 19 }, { "If", 21 }, { "If", 23 }, { "If", 24 },
    { "If", 25 },
    { "Loop", 11 }, { "Loop", 13 }, { "Loop", 16 }, { "Loop", 19 }, { "Loop", 21 }, { "Loop", 23 },
    { "Loop", 24 }, { "Loop", 25 },
    { "Optional", 28 },
    { "OptionalGetElement", 18 }, { "OptionalGetElement", 28 },
    { "OptionalHasElement", 18 }, { "OptionalHasElement", 28 },
    { "Scan", 9, scan_9, check_scan_9 }, { "Scan", 11 }, { "Scan", 16 }, { "Scan", 19 }, { "Scan", 21 },
    { "Scan", 23 }, { "Scan", 24 }, { "Scan", 25 },
    { "SplitToSequence", 24 },
};
const size_t mq_adapters_control_n = MQ_ARRAY_LEN(mq_adapters_control);
