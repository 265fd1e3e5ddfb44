/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Selecting in a model made by hand. Include it after cmocka.h. */
#ifndef MQ_TESTS_QUANT_MAKE_H
#define MQ_TESTS_QUANT_MAKE_H

#include "graph_make.h"
#include "ops/ops.h"
#include "quant/quant.h"

/* A float initializer of that shape, all ones. */
static inline mq_value *make_weight(mq_graph *g, const char *name, const char *dims)
{
    static const float zeros[20000];
    mq_value *v = make_init(g, name, MQ_FLOAT, dims, NULL);

    assert_true(mq_tensor_size(v->init) >= 0 && (size_t)mq_tensor_size(v->init) <= sizeof zeros);
    v->init->data = zeros;
    v->init->n_bytes = (size_t)mq_tensor_size(v->init);
    return v;
}

static inline void make_plan(mq_quant_plan *plan, mq_model *m, const mq_quantize_opts *opts)
{
    mq_error err = { 0 };

    *plan = (mq_quant_plan){ .model = m, .opts = opts };
    assert_int_equal(mq_infer_model(m, NULL, NULL, NULL), MQ_OK);
    if (mq_quant_select(plan, &err) != MQ_OK)
        fail_msg("%s", err.text);
}

static inline const mq_quant_item *make_find(const mq_quant_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->items.n; i++)
        if (strcmp(plan->items.items[i]->value->name, name) == 0)
            return plan->items.items[i];
    return NULL;
}

#endif
