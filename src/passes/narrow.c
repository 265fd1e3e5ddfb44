/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Groups of channels before and after the cut. What inference says of the model is looked at on both sides, so that a shape
 * that does not fit any more is found here and not by whoever runs it. */
#include "passes/narrow.h"

#include <math.h>
#include <stdlib.h>

#include "ops/ops.h"
#include "passes/pass.h"

static void note_conflict(void *user, const mq_node *node, const char *text)
{
    mq_error *first = user;

    if (!*first->text)
        mq_fail(first, MQ_ERR_UNSUPPORTED, "'%s': %s", node ? mq_node_label(node) : "", text);
}

mq_status mq_narrow_begin(mq_narrow *w, mq_model *m, mq_error *err)
{
    mq_status rc;

    w->model = m;
    if ((rc = mq_infer_model(m, note_conflict, &w->conflict, err)) != MQ_OK)
        return rc;
    return mq_channels_find(&w->channels, m, err);
}

mq_status mq_narrow_finish(mq_narrow *w, const bool *const *keep, mq_error *err)
{
    mq_error after = { 0 };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_channels_shrink(w->channels, keep, err));
    mq_graph_drop_dead(w->model->graph, NULL);
    mq_model_drop_unused(w->model);
    MQ_TRY(mq_infer_model(w->model, note_conflict, &after, err));
    if (*after.text && !*w->conflict.text)
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "a narrower model does not fit together: %s", after.text);
done:
    return rc;
}

void mq_narrow_release(mq_narrow *w)
{
    mq_channels_free(w->channels);
    w->channels = NULL;
}

mq_status mq_narrow_fail_nothing(const mq_channels *c, mq_error *err)
{
    size_t n;
    const mq_channel_stop *stops = mq_channels_stops(c, &n);

    if (!n)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "no channels can go: no operator in the main graph has output channels");
    return mq_fail(err, MQ_ERR_UNSUPPORTED, "no channels can go: those of '%s' stay because '%s'%s%s%s %s", stops[0].weight,
                   stops[0].node, *stops[0].op_type ? " (" : "", stops[0].op_type, *stops[0].op_type ? ")" : "",
                   stops[0].reason);
}

typedef struct ranked {
    double score;
    size_t channel;
} ranked;

/* More first; of equal ones the lower channel. */
static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->channel < y->channel ? -1 : 1;
}

mq_status mq_narrow_pick(const double *scores, size_t n, size_t left, bool *keep, mq_error *err)
{
    ranked *list = malloc((n + 1) * sizeof *list);

    if (!list)
        return mq_oom(err);
    for (size_t i = 0; i < n; i++)
        list[i] = (ranked){ isnan(scores[i]) ? INFINITY : scores[i], i };
    qsort(list, n, sizeof *list, by_score);
    for (size_t i = 0; i < n; i++)
        keep[list[i].channel] = i < left;
    free(list);
    return MQ_OK;
}
