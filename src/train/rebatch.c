/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Another batch: shapes of inputs, and the first element of what Reshape is told. */
#include "train/rebatch.h"

#include <string.h>

#include "graph/array.h"
#include "ops/ops.h"
#include "passes/pass.h"

/* Has some input a number of samples, and another one than this? */
static bool is_fixed(const mq_graph *g, int64_t batch)
{
    for (size_t i = 0; i < g->inputs.n; i++) {
        const mq_dim d = mq_value_dim(g->inputs.items[i], 0);

        if (d.value >= 0 && d.value != batch)
            return true;
    }
    return false;
}

/* The elements with another first one; false: they may stay. dim: axis 0 of what is reshaped. */
static bool open_target(int64_t *to, size_t n, int64_t dim)
{
    if (!n || to[0] <= 0 || dim < 0)
        return false;
    if (to[0] == dim) {
        to[0] = 0;
        return true;
    }
    for (size_t i = 1; i < n; i++)
        if (to[i] < 0)
            return false;
    to[0] = -1;
    return true;
}

static mq_status open_reshape(mq_node *n, mq_error *err)
{
    const mq_value *x = n->n_inputs > 1 ? n->inputs[0] : NULL;
    mq_tensor *t = x && n->inputs[1] ? mq_value_constant(n->inputs[1], true) : NULL;
    int64_t to[MQ_MAX_RANK], count = t ? mq_tensor_count(t) : 0;
    mq_value *v;
    mq_status rc;

    if (!t || t->dtype != MQ_INT64 || count < 1 || count > MQ_MAX_RANK || mq_node_attr_int(n, "allowzero", 0) ||
        mq_value_constant(x, true))
        return MQ_OK;
    MQ_TRY(mq_tensor_read_i64(t, 0, (uint64_t)count, to, err));
    if (!open_target(to, (size_t)count, mq_value_dim(x, 0).value))
        goto done;
    MQ_TRY(mq_constant_of(n->graph, n->inputs[1]->name, MQ_INT64, 1, &count, to, &v, err));
    MQ_TRY(mq_node_set_input(n, 1, v, err));
done:
    return rc;
}

static mq_status declare(mq_value *v, int64_t batch, mq_error *err)
{
    const mq_type *t = v->declared;
    mq_dim dims[MQ_MAX_RANK];

    if (!t || t->kind != MQ_TYPE_TENSOR || t->rank < 1 || t->rank > MQ_MAX_RANK)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "input '%s' has no axis for samples: the model cannot be trained", v->name);
    memcpy(dims, t->dims, (size_t)t->rank * sizeof *dims);
    dims[0] = MQ_DIM(batch);
    return mq_value_declare_shape(v, t->rank, dims, err);
}

mq_status mq_rebatch(mq_model *m, int64_t batch, mq_error *err)
{
    mq_graph *g = m->graph;
    mq_status rc;

    MQ_TRY(mq_infer_model(m, NULL, NULL, err));
    if (is_fixed(g, batch))
        for (mq_node *n = g->first; n; n = n->next)
            if (mq_node_is(n, "", "Reshape"))
                MQ_TRY(open_reshape(n, err));
    for (size_t i = 0; i < g->values.n; i++)
        if (!g->values.items[i]->is_input)
            g->values.items[i]->declared = g->values.items[i]->type = NULL;
    for (size_t i = 0; i < g->inputs.n; i++)
        MQ_TRY(declare(g->inputs.items[i], batch, err));
done:
    return rc;
}
