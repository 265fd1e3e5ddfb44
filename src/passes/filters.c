/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Six lists of patterns, each of which is asked about everything, so that each learns that it matched. */
#include "passes/filters.h"

#include <stdlib.h>

#include "base/pattern.h"

enum which { NODES, NOT_NODES, TENSORS, NOT_TENSORS, OPS, NOT_OPS, N_FILTERS };

struct mq_filters {
    mq_patterns *p[N_FILTERS];
    bool given[N_FILTERS];
};

void mq_filters_free(mq_filters *f)
{
    for (int i = 0; f && i < N_FILTERS; i++)
        mq_patterns_free(f->p[i]);
    free(f);
}

mq_status mq_filters_create(mq_filters **out, const mq_filter_names *o, mq_error *err)
{
    static const char *const options[N_FILTERS] = { "--nodes",           "--exclude-nodes", "--tensors",
                                                    "--exclude-tensors", "--op-types",      "--exclude-op-types" };
    const mq_names lists[N_FILTERS] = { o->nodes,           o->exclude_nodes, o->tensors,
                                        o->exclude_tensors, o->op_types,      o->exclude_op_types };
    mq_filters *f = calloc(1, sizeof *f);
    mq_status rc = f ? MQ_OK : mq_oom(err);

    for (int i = 0; rc == MQ_OK && i < N_FILTERS; i++) {
        rc = mq_patterns_create(&f->p[i], options[i], lists[i].items, lists[i].n, err);
        f->given[i] = lists[i].n > 0;
    }
    if (rc == MQ_OK)
        *out = f;
    else
        mq_filters_free(f);
    return rc;
}

void mq_filters_offer_node(mq_filters *f, const mq_node *n)
{
    mq_patterns_offer(f->p[NODES], mq_node_label(n));
    mq_patterns_offer(f->p[NOT_NODES], mq_node_label(n));
    mq_patterns_offer(f->p[OPS], n->op_type);
    mq_patterns_offer(f->p[NOT_OPS], n->op_type);
}

void mq_filters_offer(mq_filters *f, const mq_node *n, const mq_value *weight)
{
    mq_filters_offer_node(f, n);
    mq_patterns_offer(f->p[TENSORS], weight->name);
    mq_patterns_offer(f->p[NOT_TENSORS], weight->name);
}

bool mq_filters_exclude(mq_filters *f, const mq_node *n)
{
    bool node = mq_patterns_match(f->p[NOT_NODES], mq_node_label(n));
    bool op = mq_patterns_match(f->p[NOT_OPS], n->op_type);

    return node || op;
}

bool mq_filters_name_type(mq_filters *f, const mq_node *n)
{
    return mq_patterns_match(f->p[OPS], n->op_type);
}

bool mq_filters_want_node(mq_filters *f, const mq_node *n)
{
    bool node = mq_patterns_match(f->p[NODES], mq_node_label(n)) || !f->given[NODES];
    bool op = mq_filters_name_type(f, n) || !f->given[OPS];
    bool excluded = mq_filters_exclude(f, n);

    return node && op && !excluded;
}

bool mq_filters_want(mq_filters *f, const mq_node *n, const mq_value *weight)
{
    bool tensor = mq_patterns_match(f->p[TENSORS], weight->name) || !f->given[TENSORS];
    bool not_tensor = mq_patterns_match(f->p[NOT_TENSORS], weight->name);
    bool wanted = mq_filters_want_node(f, n);

    return wanted && tensor && !not_tensor;
}

mq_status mq_filters_check(const mq_filters *f, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (int i = 0; rc == MQ_OK && i < N_FILTERS; i++)
        rc = mq_patterns_check_used(f->p[i], err);
    return rc;
}
