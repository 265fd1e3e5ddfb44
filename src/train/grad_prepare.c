/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Makes a model ready for gradients: one graph of the newest operators, and what behaves otherwise in training does so. */
#include "graph/clone.h"
#include "ops/ops.h"
#include "passes/pass.h"
#include "train/grad.h"
#include "train/grad_build.h"

extern const mq_pass mq_pass_inline_if;

/* Output `index` of to becomes what output `at` of from is, else a new value. */
static mq_status take_output(mq_node *to, size_t index, mq_node *from, size_t at, mq_error *err)
{
    mq_value *v = at < from->n_outputs ? from->outputs[at] : NULL;
    mq_status rc = MQ_OK;

    if (v)
        MQ_TRY(mq_node_set_output(from, at, NULL, err));
    else if (!(v = mq_value_create_unique(to->graph, mq_node_label(from))))
        return mq_oom(err);
    MQ_TRY(mq_node_set_output(to, index, v, err));
done:
    return rc;
}

static mq_status note_stats(const mq_node *n, mq_grad_stats *stats, mq_error *err)
{
    for (size_t i = 0; stats && i < 2; i++) {
        const mq_grad_stat s = { .before = n->inputs[3 + i], .after = n->outputs[1 + i] };

        if (!mq_vec_push(stats, s))
            return mq_oom(err);
    }
    return MQ_OK;
}

/* BatchNormalization -> BatchNormTrain, which has two more outputs: what the gradient needs of the batch's statistics. */
static mq_status train_norm(mq_node *n, mq_grad_stats *stats, mq_error *err)
{
    mq_node *to = NULL;
    mq_status rc = MQ_OK;

    if (n->n_inputs != 5 || !n->n_outputs)
        return MQ_OK;
    MQ_TRY(mq_pass_insert(n, MQ_GRAD_DOMAIN, "BatchNormTrain", n, n->inputs, n->n_inputs, &to, err));
    mq_node_remove_attr(to, "training_mode");
    for (size_t i = 0; i < 3; i++)
        MQ_TRY(take_output(to, i, n, i, err));
    for (size_t i = 3; i < 5; i++)
        MQ_TRY(take_output(to, i, n, n->n_outputs, err));
    mq_node_remove(n);
    MQ_TRY(note_stats(to, stats, err));
done:
    return rc;
}

/* With the mask as an output, which the gradient needs; or as an operator that passes everything on. */
static mq_status set_dropout(mq_node *n, bool on, mq_error *err)
{
    mq_value *training = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_constant_of(n->graph, mq_node_label(n), MQ_BOOL, 0, NULL, &(uint8_t){ on }, &training, err));
    if (n->n_inputs < 2)
        MQ_TRY(mq_node_set_input(n, 1, NULL, err));
    MQ_TRY(mq_node_set_input(n, 2, training, err));
done:
    return rc;
}

static mq_status set_modes(mq_graph *g, const mq_grad_opts *o, mq_grad_stats *stats, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (mq_node *n = g->first, *next; n && rc == MQ_OK; n = next) {
        next = n->next;
        if (mq_node_is(n, "", "BatchNormalization") && o->batch_stats)
            rc = train_norm(n, stats, err);
        else if (mq_node_is(n, "", "BatchNormalization"))
            rc = mq_node_set_attr_int(n, "training_mode", 0, err);
        else if (mq_node_is(n, "", "Dropout") && n->n_inputs)
            rc = set_dropout(n, o->dropout, err);
    }
    return rc;
}

mq_status mq_grad_prepare(mq_model *m, const mq_grad_opts *opts, mq_grad_stats *stats, mq_error *err)
{
    static const mq_pass *const passes[] = { &mq_pass_inline_if, NULL };
    const mq_grad_opts defaults = { 0 };
    const mq_pass_ctx ctx = { 0 };
    size_t moved;
    mq_status rc;

    if (!m->graph)
        return mq_fail(err, MQ_ERR_INPUT, "the model has no graph");
    MQ_TRY(mq_model_inline_functions(m, NULL, err));
    MQ_TRY(mq_graph_sort(m->graph, &moved, err));
    MQ_TRY(mq_infer_model(m, NULL, NULL, err));
    if (mq_opset_of(m->graph, "") < mq_schema_newest_opset())
        MQ_TRY(mq_opset_raise(m, mq_schema_newest_opset(), NULL, err));
    MQ_TRY(mq_passes_run(m, passes, &ctx, err));
    MQ_TRY(set_modes(m->graph, opts ? opts : &defaults, stats, err));
    MQ_TRY(mq_infer_model(m, NULL, NULL, err));
done:
    return rc;
}
