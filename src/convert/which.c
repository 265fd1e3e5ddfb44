/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which nodes are rewritten, or change their precision. */
#include "convert/which.h"

#include <stdlib.h>

#include "base/pattern.h"

enum { NODES, NOT_NODES, OPS, NOT_OPS, N_LISTS };

struct mq_which {
    mq_patterns *lists[N_LISTS]; /* NULL: not given */
};

void mq_which_free(mq_which *w)
{
    for (int i = 0; w && i < N_LISTS; i++)
        mq_patterns_free(w->lists[i]);
    free(w);
}

static const char *name_of(const mq_node *n, int list)
{
    return list == NODES || list == NOT_NODES ? mq_node_label(n) : n->op_type;
}

/* Tells the lists about every node, and whether each pattern has one. */
static mq_status check_used(const mq_which *w, const mq_model *m, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (int l = 0; l < N_LISTS && rc == MQ_OK; l++) {
        if (!w->lists[l])
            continue;
        for (int ask = 0; ask < 2; ask++)
            for (size_t i = 0; i < m->graphs.n; i++)
                for (const mq_node *n = m->graphs.items[i]->first; n; n = n->next)
                    if (ask)
                        mq_patterns_match(w->lists[l], name_of(n, l));
                    else
                        mq_patterns_offer(w->lists[l], name_of(n, l));
        rc = mq_patterns_check_used(w->lists[l], err);
    }
    return rc;
}

mq_status mq_which_create(mq_which **out, const mq_which_names *names, const mq_model *m, mq_error *err)
{
    static const char *const options[N_LISTS] = { "--nodes", "--exclude-nodes", "--op-types", "--exclude-op-types" };
    const mq_names lists[N_LISTS] = { names->nodes, names->exclude_nodes, names->op_types, names->exclude_op_types };
    mq_which *w;
    mq_status rc = MQ_OK;

    if (!lists[NODES].n && !lists[NOT_NODES].n && !lists[OPS].n && !lists[NOT_OPS].n)
        return MQ_OK;
    if (!(w = calloc(1, sizeof *w)))
        return mq_oom(err);
    for (int l = 0; l < N_LISTS && rc == MQ_OK; l++)
        if (lists[l].n)
            rc = mq_patterns_create(&w->lists[l], options[l], lists[l].items, lists[l].n, err);
    if (rc == MQ_OK)
        rc = check_used(w, m, err);
    if (rc == MQ_OK)
        *out = w;
    else
        mq_which_free(w);
    return rc;
}

bool mq_which_takes(mq_which *w, const mq_node *n)
{
    for (int l = 0; w && l < N_LISTS; l++)
        if (w->lists[l] && mq_patterns_match(w->lists[l], name_of(n, l)) != (l == NODES || l == OPS))
            return false;
    return true;
}
