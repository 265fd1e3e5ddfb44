/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "quant/io_type.h"

#include <stdio.h>
#include <string.h>

#include "base/pattern.h"
#include "passes/pass.h"

/* An entry: "TYPE" or "NAME=TYPE". */
typedef struct entry {
    const char *name; /* not terminated; NULL: all */
    size_t n_name;
    const char *type;
} entry;

static entry entry_of(const char *text)
{
    const char *eq = strrchr(text, '=');

    return eq ? (entry){ text, (size_t)(eq - text), eq + 1 } : (entry){ NULL, 0, text };
}

static bool is_float(const char *type)
{
    return strcmp(type, "float") == 0;
}

mq_status mq_io_types_apply(mq_quantize_opts *o, mq_error *err)
{
    for (size_t i = 0; i < o->io_types.n; i++) {
        const char *type = entry_of(o->io_types.items[i]).type;
        const mq_dtype dtype = mq_dtype_from_name(type);

        if (is_float(type))
            continue;
        if (dtype != MQ_INT8 && dtype != MQ_UINT8 && dtype != MQ_INT16 && dtype != MQ_UINT16)
            return mq_fail(err, MQ_ERR_USAGE, "--io-type %s: quantized inputs and outputs are int8, uint8, int16 or uint16; "
                           "float leaves them", o->io_types.items[i]);
        if (o->mode != MQ_MODE_STATIC)
            return mq_fail(err, MQ_ERR_USAGE, "--io-type %s is for --mode static, which --data implies: only calibration "
                           "tells what the integers stand for", o->io_types.items[i]);
        if (!o->act_type)
            o->act_type = type;
        if (dtype != mq_dtype_from_name(o->act_type))
            return mq_fail(err, MQ_ERR_USAGE, "--io-type %s: activations are %s, and inputs and outputs are activations: "
                           "one type for all", o->io_types.items[i], o->act_type);
    }
    return MQ_OK;
}

/* ---- in a graph ---------------------------------------------------------------------------------------------------- */

static bool names(const entry *e, const mq_value *v)
{
    return e->name && strlen(v->name) == e->n_name && memcmp(v->name, e->name, e->n_name) == 0;
}

/* The entry that decides about v: the last one with its name, else the last one without. */
static const char *type_of(const mq_quantize_opts *o, const mq_value *v, bool *by_name)
{
    const char *type = "float";

    *by_name = false;
    for (size_t i = 0; i < o->io_types.n; i++) {
        const entry e = entry_of(o->io_types.items[i]);

        if (names(&e, v) || (!e.name && !*by_name)) {
            type = e.type;
            *by_name = e.name;
        }
    }
    return type;
}

/* Numbers of another kind than float: token ids, masks, indices. */
static bool is_no_float(const mq_value *v)
{
    return v->type && (v->type->kind != MQ_TYPE_TENSOR || (v->type->dtype && !mq_dtype_is_float(v->type->dtype)));
}

static mq_status refuse(const mq_value *v, const char *type, const char *what, mq_error *err)
{
    return mq_fail(err, MQ_ERR_USAGE, "--io-type %s: %s '%s' %s", type, v->is_input ? "input" : "output", v->name, what);
}

static mq_status add(const mq_quantize_opts *o, mq_value *v, mq_value_vec *out, mq_error *err)
{
    bool by_name;
    const char *type = type_of(o, v, &by_name);
    char have[200], what[256];

    for (size_t i = 0; i < out->n; i++)
        if (out->items[i] == v)
            return MQ_OK;
    if (is_float(type) || (!by_name && is_no_float(v)))
        return MQ_OK;
    if (mq_value_constant(v, true))
        return by_name ? refuse(v, type, "holds a constant", err) : MQ_OK;
    if (mq_value_dtype(v) != MQ_FLOAT) {
        mq_type_text(v->type, have, sizeof have);
        snprintf(what, sizeof what, "is %s: only float tensors are quantized", have);
        return refuse(v, type, what, err);
    }
    if (!v->producer && !v->uses.n)
        return by_name ? refuse(v, type, "goes through no operator", err) : MQ_OK;
    return mq_vec_push_in(v->graph->model->arena, out, v) ? MQ_OK : mq_oom(err);
}

static mq_status check_names(const mq_quantize_opts *o, const mq_graph *g, mq_error *err)
{
    const mq_value_vec *const lists[] = { &g->inputs, &g->outputs };
    const char **all = mq_arena_calloc(g->model->arena, g->inputs.n + g->outputs.n + 1, sizeof *all);
    size_t n = 0;
    char near[512], name[256];

    if (!all)
        return mq_oom(err);
    for (size_t l = 0; l < 2; l++)
        for (size_t i = 0; i < lists[l]->n; i++)
            all[n++] = lists[l]->items[i]->name;
    for (size_t i = 0; i < o->io_types.n; i++) {
        const entry e = entry_of(o->io_types.items[i]);
        bool found = !e.name;

        for (size_t k = 0; k < n && !found; k++)
            found = strlen(all[k]) == e.n_name && memcmp(all[k], e.name, e.n_name) == 0;
        if (found)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)e.n_name, e.name);
        mq_suggest(near, sizeof near, name, all, n);
        return mq_fail(err, MQ_ERR_USAGE, "--io-type: the model has no input or output '%s'%s", name, near);
    }
    return MQ_OK;
}

mq_status mq_io_types_find(const mq_quantize_opts *o, const mq_graph *g, mq_value_vec *out, mq_error *err)
{
    bool wanted = false;
    mq_status rc;

    MQ_TRY(check_names(o, g, err));
    for (size_t i = 0; i < g->inputs.n; i++)
        MQ_TRY(add(o, g->inputs.items[i], out, err));
    for (size_t i = 0; i < g->outputs.n; i++)
        MQ_TRY(add(o, g->outputs.items[i], out, err));
    for (size_t i = 0; i < o->io_types.n; i++)
        wanted = wanted || !is_float(entry_of(o->io_types.items[i]).type);
    if (wanted && !out->n)
        rc = mq_fail(err, MQ_ERR_USAGE, "--io-type %s: no input or output of the model is float", o->io_types.items[0]);
done:
    return rc;
}
