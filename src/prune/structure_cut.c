/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Choosing the channels that go, and taking them out. */
#include <stdlib.h>

#include "prune/structure_parts.h"

mq_status mq_structure_pick(mq_structure *s, size_t *n_gone, mq_error *err)
{
    mq_status rc = MQ_OK;

    *n_gone = 0;
    for (size_t i = 0; i < s->n_groups && rc == MQ_OK; i++) {
        mq_structure_group *g = &s->groups[i];

        *n_gone += g->n - g->left;
        rc = mq_narrow_pick(g->scores, g->n, g->left, g->keep, err);
    }
    return rc;
}

mq_status mq_structure_shrink(mq_structure *s, mq_error *err)
{
    const bool **keep = calloc(s->n_groups + 1, sizeof *keep);
    mq_status rc;

    if (!keep)
        return mq_oom(err);
    for (size_t i = 0; i < s->n_groups; i++)
        keep[i] = s->groups[i].left < s->groups[i].n ? s->groups[i].keep : NULL;
    rc = mq_narrow_finish(&s->narrow, keep, err);
    free(keep);
    return rc;
}
