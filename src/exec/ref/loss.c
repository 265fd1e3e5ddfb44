/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* NegativeLogLikelihoodLoss and SoftmaxCrossEntropyLoss. Sums are double, over elements in their order. */
#include "exec/ref/families.h"
#include "exec/ref/slide.h"
#include "exec/ref/softmax.h"
#include "exec/ref/util.h"

typedef struct loss {
    int64_t batch, classes, inner; /* scores are [batch][classes][inner], targets [batch][inner] */
    bool mean, sum;                /* none of them: a loss for each target */
    bool ignores;
    int64_t ignored;
} loss;

static mq_status read_loss(mq_call *c, loss *l)
{
    const mq_array *x = c->in[0], *target = c->in[1], *w = mq_call_has(c, 2) ? c->in[2] : NULL;
    const mq_attr *ignored = mq_node_attr(c->node, "ignore_index"), *reduction = mq_node_attr(c->node, "reduction");

    if (!mq_call_wants(c, 0))
        return mq_call_fail(c, "the first output has no name");
    if (x->dtype != MQ_FLOAT && x->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, x->dtype);
    if (x->rank < 2 || target->rank != x->rank - 1 || target->dims[0] != x->dims[0])
        return mq_call_fail(c, "scores have rank %d, targets %d; [N, C, ...] and [N, ...] are wanted", x->rank,
                            target->rank);
    for (int d = 2; d < x->rank; d++) {
        if (target->dims[d - 1] != x->dims[d])
            return mq_call_fail(c, "axis %d of scores has %lld elements, the targets have %lld", d, (long long)x->dims[d],
                                (long long)target->dims[d - 1]);
    }
    if (target->dtype != MQ_INT32 && target->dtype != MQ_INT64)
        return mq_call_fail(c, "targets must be int32 or int64, not %s", mq_dtype_name(target->dtype));
    if (w && (w->dtype != x->dtype || w->rank != 1 || w->dims[0] != x->dims[1]))
        return mq_call_fail(c, "weights must be a list of %lld, of the scores' element type", (long long)x->dims[1]);
    l->batch = x->dims[0];
    l->classes = x->dims[1];
    l->inner = mq_window_count(x->rank - 2, x->dims + 2);
    l->mean = !reduction || mq_node_attr_is(c->node, "reduction", "mean");
    l->sum = mq_node_attr_is(c->node, "reduction", "sum");
    if (!l->mean && !l->sum && !mq_node_attr_is(c->node, "reduction", "none"))
        return mq_call_fail(c, "attribute 'reduction' must be none, sum or mean");
    l->ignores = ignored != NULL;
    l->ignored = mq_node_attr_int(c->node, "ignore_index", -1);
    return MQ_OK;
}

static double element(const mq_array *a, const void *data, int64_t i)
{
    return a->dtype == MQ_FLOAT ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

static void put(mq_array *a, int64_t i, double v)
{
    if (a->dtype == MQ_FLOAT)
        ((float *)a->data)[i] = (float)v;
    else
        ((double *)a->data)[i] = v;
}

/* From log-probabilities of the scores' type and shape. */
static mq_status run(mq_call *c, const loss *l, const void *logs)
{
    const mq_array *x = c->in[0], *target = c->in[1], *w = mq_call_has(c, 2) ? c->in[2] : NULL;
    double total = 0, weights = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_out(c, 0, x->dtype, l->mean || l->sum ? 0 : target->rank, target->dims, NULL));
    for (int64_t i = 0; i < (int64_t)target->count; i++) {
        const int64_t t = mq_array_i64(target, (size_t)i);
        double v = 0;
        if (!l->ignores || t != l->ignored) {
            if (t < 0 || t >= l->classes)
                return mq_call_fail(c, "target %lld is outside of [0, %lld)", (long long)t, (long long)l->classes);
            const double weight = w ? element(w, w->data, t) : 1;
            v = -element(x, logs, (i / l->inner * l->classes + t) * l->inner + i % l->inner) * weight;
            weights += weight;
        }
        total += v;
        if (!l->mean && !l->sum)
            put(c->out[0], i, v);
    }
    if (l->mean || l->sum)
        put(c->out[0], 0, l->mean ? total / weights : total);
done:
    return rc;
}

static mq_status op_negative_log_likelihood_loss(mq_call *c)
{
    loss l = { 0 };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(read_loss(c, &l));
    MQ_TRY(run(c, &l, c->in[0]->data));
done:
    return rc;
}

static mq_status op_softmax_cross_entropy_loss(mq_call *c)
{
    loss l = { 0 };
    void *logs = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 2));
    MQ_TRY(read_loss(c, &l));
    const mq_array *x = c->in[0];
    MQ_TRY(mq_call_out(c, 1, x->dtype, x->rank, x->dims, &logs));
    if (!logs && !(logs = mq_call_scratch(c, mq_array_bytes(x) + 1)))
        return MQ_ERR_NOMEM;
    if (x->count > 0)
        mq_softmax(c, x->dtype, l.batch, l.classes, l.inner, x->data, logs, true);
    MQ_TRY(run(c, &l, logs));
done:
    return rc;
}

const mq_kernel mq_kernels_loss[] = {
    { "", "NegativeLogLikelihoodLoss", op_negative_log_likelihood_loss, MQ_KERNEL_WIDEN },
    { "", "SoftmaxCrossEntropyLoss", op_softmax_cross_entropy_loss, MQ_KERNEL_WIDEN },
    { 0 },
};
