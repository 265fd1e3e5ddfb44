/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A narrower and shallower copy of a teacher: blocks first, so that what is dropped does not couple channels any more. */
#include "distill/derive.h"

#include <math.h>
#include <stdlib.h>

#include "graph/channels.h"
#include "ops/ops.h"
#include "passes/pass.h"

enum { SMALL = 16, STEP = 8 }; /* groups up to SMALL are not rounded; others to multiples of STEP */

size_t mq_width_left(size_t n, double width, bool heads)
{
    size_t left = (size_t)lround(width * (double)n);

    if (n > SMALL && !heads) {
        left = (size_t)lround(width * (double)n / STEP) * STEP;
        left = left < STEP ? STEP : left;
    }
    left = left < 1 ? 1 : left;
    return left > n ? n : left;
}

typedef struct ranked {
    double norm;
    size_t channel;
} ranked;

/* More first; of equal ones the lower channel. */
static int by_norm(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (x->norm != y->norm)
        return x->norm > y->norm ? -1 : 1;
    return x->channel < y->channel ? -1 : 1;
}

static mq_status choose(const mq_channels *c, size_t group, size_t left, bool **out, mq_error *err)
{
    const size_t n = mq_channels_group(c, group)->n;
    double *norms = malloc(n * sizeof *norms);
    ranked *list = malloc(n * sizeof *list);
    bool *keep = calloc(n, sizeof *keep);
    mq_status rc = MQ_OK;

    if (!norms || !list || !keep) {
        rc = mq_oom(err);
        goto done;
    }
    MQ_TRY(mq_channels_norms(c, group, 1, norms, err));
    for (size_t i = 0; i < n; i++)
        list[i] = (ranked){ isnan(norms[i]) ? 0 : norms[i], i };
    qsort(list, n, sizeof *list, by_norm);
    for (size_t i = 0; i < left; i++)
        keep[list[i].channel] = true;
    *out = keep;
    keep = NULL;
done:
    free(norms);
    free(list);
    free(keep);
    return rc;
}

static mq_status fail_nothing(const mq_channels *c, mq_error *err)
{
    size_t n;
    const mq_channel_stop *stops = mq_channels_stops(c, &n);

    if (!n)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "no channels can go: no operator in the main graph has output channels");
    return mq_fail(err, MQ_ERR_UNSUPPORTED, "no channels can go: those of '%s' stay because '%s'%s%s%s %s", stops[0].weight,
                   stops[0].node, *stops[0].op_type ? " (" : "", stops[0].op_type, *stops[0].op_type ? ")" : "",
                   stops[0].reason);
}

static void note_conflict(void *user, const mq_node *node, const char *text)
{
    mq_error *first = user;

    if (!*first->text)
        mq_fail(first, MQ_ERR_UNSUPPORTED, "'%s': %s", node ? mq_node_label(node) : "", text);
}

/* What inference says must be what it said before. */
static mq_status infer_again(mq_model *m, const mq_error *before, mq_error *err)
{
    mq_error after = { 0 };
    mq_status rc;

    mq_graph_drop_dead(m->graph, NULL);
    mq_model_drop_unused(m);
    rc = mq_infer_model(m, note_conflict, &after, err);
    if (rc == MQ_OK && *after.text && !*before->text)
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "a narrower model does not fit together: %s", after.text);
    return rc;
}

static mq_status narrow(mq_model *m, double width, mq_derived *out, mq_error *err)
{
    mq_channels *c = NULL;
    bool **keep = NULL;
    size_t n = 0;
    mq_error before = { 0 };
    mq_status rc = MQ_OK;

    MQ_TRY(mq_infer_model(m, note_conflict, &before, err));
    MQ_TRY(mq_channels_find(&c, m, err));
    n = mq_channels_n_groups(c);
    if (!n) {
        rc = fail_nothing(c, err);
        goto done;
    }
    if (!(keep = calloc(n, sizeof *keep))) {
        rc = mq_oom(err);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        const mq_channel_group *g = mq_channels_group(c, i);
        const size_t left = mq_width_left(g->n, width, g->heads);

        out->channels_before += g->n;
        out->channels_after += left;
        MQ_TRY(choose(c, i, left, &keep[i], err));
    }
    out->n_groups = n;
    MQ_TRY(mq_channels_shrink(c, (const bool *const *)keep, err));
    MQ_TRY(infer_again(m, &before, err));
done:
    for (size_t i = 0; keep && i < n; i++)
        free(keep[i]);
    free(keep);
    mq_channels_free(c);
    return rc;
}

mq_status mq_student_derive(mq_model *m, const mq_derive_opts *opts, mq_derived *out, mq_error *err)
{
    mq_status rc = MQ_OK;

    *out = (mq_derived){ .n_blocks = 0 };
    if (!(opts->width > 0 && opts->width <= 1))
        return mq_fail(err, MQ_ERR_USAGE, "--width is more than 0 and at most 1 (100%%), not %g", opts->width);
    if (!(opts->depth >= 0 && opts->depth <= 1))
        return mq_fail(err, MQ_ERR_USAGE, "--depth is from 0 to 1 (100%%), not %g", opts->depth);
    if (opts->depth < 1) {
        MQ_TRY(mq_blocks_drop(m, opts->depth, &out->n_blocks, &out->n_dropped, err));
        mq_graph_drop_dead(m->graph, NULL);
        mq_model_drop_unused(m);
        MQ_TRY(mq_infer_model(m, NULL, NULL, err));
    }
    if (opts->width < 1)
        MQ_TRY(narrow(m, opts->width, out, err));
    if (opts->random)
        MQ_TRY(mq_weights_draw(m, opts->seed, err));
done:
    return rc;
}
