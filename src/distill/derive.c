/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A narrower and shallower copy of a teacher: blocks first, so that what is dropped does not couple channels any more. */
#include "distill/derive.h"

#include <math.h>
#include <stdlib.h>

#include "ops/ops.h"
#include "passes/blocks.h"
#include "passes/narrow.h"
#include "passes/pass.h"

enum { SMALL = 32, STEP = 8 }; /* groups up to SMALL are not rounded; others to multiples of STEP */

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

static mq_status choose(const mq_channels *c, size_t group, size_t left, bool **out, mq_error *err)
{
    const size_t n = mq_channels_group(c, group)->n;
    double *norms = malloc(n * sizeof *norms);
    bool *keep = calloc(n, sizeof *keep);
    mq_status rc = MQ_OK;

    if (!norms || !keep) {
        rc = mq_oom(err);
        goto done;
    }
    MQ_TRY(mq_channels_norms(c, group, 1, norms, err));
    MQ_TRY(mq_narrow_pick(norms, n, left, keep, err));
    *out = keep;
    keep = NULL;
done:
    free(norms);
    free(keep);
    return rc;
}

static mq_status narrow(mq_model *m, double width, mq_derived *out, mq_error *err)
{
    mq_narrow w = { .channels = NULL };
    bool **keep = NULL;
    size_t n = 0;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_narrow_begin(&w, m, err));
    n = mq_channels_n_groups(w.channels);
    if (!n) {
        rc = mq_narrow_fail_nothing(w.channels, err);
        goto done;
    }
    if (!(keep = calloc(n, sizeof *keep))) {
        rc = mq_oom(err);
        goto done;
    }
    for (size_t i = 0; i < n; i++) {
        const mq_channel_group *g = mq_channels_group(w.channels, i);
        const size_t left = mq_width_left(g->n, width, g->heads);

        out->channels_before += g->n;
        out->channels_after += left;
        MQ_TRY(choose(w.channels, i, left, &keep[i], err));
    }
    out->n_groups = n;
    rc = mq_narrow_finish(&w, (const bool *const *)keep, err);
done:
    for (size_t i = 0; keep && i < n; i++)
        free(keep[i]);
    free(keep);
    mq_narrow_release(&w);
    return rc;
}

static mq_status drop_blocks(mq_model *m, double depth, mq_derived *out, mq_error *err)
{
    mq_blocks *b = NULL;
    bool *gone = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_blocks_find(&b, m, err));
    mq_blocks_list(b, &out->n_blocks);
    if (!(gone = calloc(out->n_blocks + 1, sizeof *gone))) {
        rc = mq_oom(err);
        goto done;
    }
    out->n_dropped = mq_blocks_spread(b, depth, gone);
    MQ_TRY(mq_blocks_leave_out(b, gone, err));
    mq_graph_drop_dead(m->graph, NULL);
    mq_model_drop_unused(m);
    rc = mq_infer_model(m, NULL, NULL, err);
done:
    free(gone);
    mq_blocks_free(b);
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
    if (opts->depth < 1)
        MQ_TRY(drop_blocks(m, opts->depth, out, err));
    if (opts->width < 1)
        MQ_TRY(narrow(m, opts->width, out, err));
    if (opts->random)
        MQ_TRY(mq_weights_draw(m, opts->seed, err));
done:
    return rc;
}
