/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The edges of a model: cutting out a part, writing sizes of inputs down, renaming tensors. */
#include <string.h>

#include "base/pattern.h"
#include "convert/convert.h"
#include "data/data.h"
#include "graph/cut.h"
#include "ops/ops.h"

/* ---- cutting ------------------------------------------------------------------------------------------------------- */

static mq_status values_of(const mq_model *m, const char *const *names, size_t n, mq_value ***out, mq_error *err)
{
    mq_value **list = mq_arena_calloc(m->arena, n + 1, sizeof *list);

    for (size_t i = 0; list && i < n; i++)
        list[i] = mq_graph_find_here(m->graph, names[i]);
    *out = list;
    return list ? MQ_OK : mq_oom(err);
}

mq_status mq_convert_cut(mq_model *m, const char *const *inputs, size_t n_inputs, const char *const *outputs,
                         size_t n_outputs, mq_error *err)
{
    const mq_value_vec *has = &m->graph->outputs;
    mq_value **in = NULL, **out = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(values_of(m, inputs, n_inputs, &in, err));
    if (n_outputs)
        MQ_TRY(values_of(m, outputs, n_outputs, &out, err));
    else if (!(out = mq_arena_memdup(m->arena, has->items, has->n * sizeof *out)))
        return mq_oom(err);
    MQ_TRY(mq_model_cut(m, in, n_inputs, out, n_outputs ? n_outputs : has->n, n_inputs == 0, err));
    rc = mq_infer_model(m, NULL, NULL, err);
done:
    return rc;
}

void mq_convert_raise_ir(mq_model *m)
{
    const mq_value_vec *inits = &m->graph->inits;

    for (size_t i = 0; m->has_ir_version && m->ir_version < 4 && i < inits->n; i++)
        if (!inits->items[i]->is_input)
            m->ir_version = 4;
}

/* ---- sizes --------------------------------------------------------------------------------------------------------- */

/* An output's declaration as inference has it now; where that says nothing, only its element type stays. */
static mq_status redeclare_output(mq_value *v, mq_type *old, mq_error *err)
{
    mq_type *t = v->type;

    if (t && t->kind == MQ_TYPE_TENSOR && t->dtype && t->rank >= 0)
        v->declared = t;
    else if (old && old->kind == MQ_TYPE_TENSOR)
        v->declared = mq_type_create(v->graph->model, MQ_TYPE_TENSOR, old->dtype, -1, NULL);
    else
        v->declared = old;
    v->redeclared = v->declared != old;
    return v->declared || !old ? MQ_OK : mq_oom(err);
}

/* What was declared of inner values followed from the old sizes. */
static void forget_inner(mq_model *m)
{
    for (size_t i = 0; i < m->graphs.n; i++) {
        mq_graph *g = m->graphs.items[i];

        for (size_t k = 0; k < g->value_info.n; k++)
            if (!g->value_info.items[k]->is_input && !g->value_info.items[k]->n_output_uses)
                g->value_info.items[k]->declared = NULL;
        g->value_info.n = 0;
    }
}

mq_status mq_convert_shapes(mq_model *m, const char *const *shapes, size_t n_shapes, const char *const *dims, size_t n_dims,
                            mq_error *err)
{
    const mq_value_vec *in = &m->graph->inputs, *out = &m->graph->outputs;
    mq_type **old_in = mq_arena_calloc(m->arena, in->n + 1, sizeof *old_in);
    mq_type **old_out = mq_arena_calloc(m->arena, out->n + 1, sizeof *old_out);
    mq_status rc = old_in && old_out ? MQ_OK : mq_oom(err);

    for (size_t i = 0; rc == MQ_OK && i < in->n; i++)
        old_in[i] = in->items[i]->declared;
    for (size_t i = 0; rc == MQ_OK && i < out->n; i++)
        old_out[i] = out->items[i]->declared;
    if (rc == MQ_OK)
        rc = mq_shapes_apply(m, shapes, n_shapes, dims, n_dims, err);
    if (rc != MQ_OK)
        return rc;
    for (size_t i = 0; i < in->n; i++)
        in->items[i]->redeclared |= in->items[i]->declared != old_in[i];
    for (size_t i = 0; i < out->n; i++)
        if (!out->items[i]->is_input)
            out->items[i]->declared = NULL;
    forget_inner(m);
    rc = mq_infer_model(m, NULL, NULL, err);
    for (size_t i = 0; rc == MQ_OK && i < out->n; i++)
        if (!out->items[i]->is_input)
            rc = redeclare_output(out->items[i], old_out[i], err);
    return rc == MQ_OK ? mq_infer_model(m, NULL, NULL, err) : rc;
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

static mq_value *find_value(const mq_model *m, const char *name)
{
    mq_value *v = mq_graph_find_here(m->graph, name);

    for (size_t i = 0; i < m->graphs.n && !v; i++)
        if (!m->graphs.items[i]->function)
            v = mq_graph_find_here(m->graphs.items[i], name);
    return v;
}

static mq_status unknown_name(const mq_model *m, const char *name, mq_error *err)
{
    const mq_value_vec *values = &m->graph->values;
    const char **names = mq_arena_calloc(m->arena, values->n + 1, sizeof *names);
    char near[512];

    if (!names)
        return mq_oom(err);
    for (size_t i = 0; i < values->n; i++)
        names[i] = values->items[i]->name;
    mq_suggest(near, sizeof near, name, names, values->n);
    return mq_fail(err, MQ_ERR_USAGE, "--rename: the model has no tensor '%s'%s", name, near);
}

mq_status mq_convert_rename(mq_model *m, const char *const *pairs, size_t n, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n && rc == MQ_OK; i++) {
        const char *eq = strrchr(pairs[i], '=');
        char *old = eq ? mq_arena_memdup(m->arena, pairs[i], (size_t)(eq - pairs[i]) + 1) : NULL;
        mq_value *v;

        if (!eq || eq == pairs[i] || !eq[1])
            return mq_fail(err, MQ_ERR_USAGE, "--rename takes OLD=NEW, not '%s'", pairs[i]);
        if (!old)
            return mq_oom(err);
        old[eq - pairs[i]] = '\0';
        if (!(v = find_value(m, old)))
            return unknown_name(m, old, err);
        if (find_value(m, eq + 1))
            return mq_fail(err, MQ_ERR_USAGE, "--rename: '%s' cannot become '%s': that name is taken", old, eq + 1);
        rc = mq_value_rename(v, eq + 1, err);
    }
    return rc;
}

void mq_convert_tidy(mq_model *m)
{
    for (size_t i = 0; i < m->graphs.n; i++) {
        mq_graph *g = m->graphs.items[i];
        size_t n = 0;

        for (size_t k = 0; k < g->value_info.n; k++) {
            mq_value *v = g->value_info.items[k];

            if (v->producer || v->init || v->sparse || v->is_input)
                g->value_info.items[n++] = v;
        }
        g->value_info.n = n;
    }
}
