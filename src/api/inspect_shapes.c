/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The sizes that an inspection's figures hold for: --shape first, then --dim, then 1 for first sizes that nobody knows.
 * Only declarations of inputs change, and only until mq_inspect_unbind. */
#include <inttypes.h>
#include <string.h>

#include "api/inspect_parts.h"
#include "base/pattern.h"

enum { MAX_NAMES = 64, MAX_NAMED = 8 };

/* Is v what a user feeds? Initializers listed as inputs (IR 3) are defaults. */
static bool is_fed(const mq_value *v)
{
    return !v->init && !v->sparse;
}

/* " (did you mean 'x'?)", or all there are when none is near. */
static void add_hint(mq_str *s, const char *wanted, const char *const *names, size_t n)
{
    char near[256] = "";

    mq_suggest(near, sizeof near, wanted, names, n);
    mq_str_add(s, near);
    if (*near || n == 0)
        return;
    for (size_t i = 0; i < n && i < MAX_NAMED; i++)
        mq_str_addf(s, "%s'%.60s'", i ? ", " : " (there are ", names[i]);
    mq_str_add(s, n > MAX_NAMED ? ", ...)" : ")");
}

static mq_status unknown_name(const char *what, const char *wanted, const char *const *names, size_t n, mq_error *err)
{
    mq_str s = { 0 };
    mq_status rc;

    mq_str_addf(&s, what, wanted);
    add_hint(&s, wanted, names, n);
    rc = s.failed ? mq_oom(err) : mq_fail(err, MQ_ERR_USAGE, "%s", s.s);
    mq_str_release(&s);
    return rc;
}

static mq_status unknown_input(const mq_graph *g, const char *name, mq_error *err)
{
    const char *names[MAX_NAMES];
    size_t n = 0;

    for (size_t i = 0; i < g->inputs.n && n < MAX_NAMES; i++)
        if (is_fed(g->inputs.items[i]))
            names[n++] = g->inputs.items[i]->name;
    return unknown_name("--shape: the model has no input '%s'", name, names, n, err);
}

/* The input that a shape is for. */
static mq_status find_input(const mq_graph *g, const char *name, mq_value **out, mq_error *err)
{
    size_t n = 0;

    for (size_t i = 0; i < g->inputs.n; i++) {
        mq_value *v = g->inputs.items[i];
        if (!is_fed(v))
            continue;
        n++;
        *out = v;
        if (name && strcmp(name, v->name) == 0)
            return MQ_OK;
    }
    if (name)
        return unknown_input(g, name, err);
    return n == 1 ? MQ_OK : mq_fail(err, MQ_ERR_USAGE, "--shape: the model has %zu inputs: write NAME=SHAPE", n);
}

static mq_status apply_shape(mq_inspect_ctx *c, const mq_input_shape *s, mq_error *err)
{
    mq_value *v = NULL;
    mq_dim *dims = mq_arena_calloc(c->arena, (size_t)s->rank, sizeof *dims);
    mq_status rc = find_input(c->model->graph, s->input, &v, err);

    if (rc != MQ_OK)
        return rc;
    if (!dims)
        return mq_oom(err);
    if (v->declared && v->declared->kind == MQ_TYPE_TENSOR && v->declared->rank >= 0 && v->declared->rank != s->rank)
        return mq_fail(err, MQ_ERR_USAGE, "--shape: input '%s' has %d dimensions, %d are given", v->name,
                       v->declared->rank, s->rank);
    for (int i = 0; i < s->rank; i++)
        dims[i] = (mq_dim){ .value = s->dims[i], .symbol = s->symbols ? s->symbols[i] : NULL };
    return mq_value_declare_shape(v, s->rank, dims, err);
}

/* Declares a copy of v's shape in which the dims that `which` selects have the size. */
typedef bool (*dim_test)(const mq_dim *d, int axis, const void *arg);

static mq_status set_dims(mq_inspect_ctx *c, mq_value *v, dim_test which, const void *arg, int64_t size, mq_error *err)
{
    const mq_type *t = v->declared;
    mq_dim *dims;
    bool any = false;

    if (!is_fed(v) || !t || t->kind != MQ_TYPE_TENSOR || t->rank <= 0)
        return MQ_OK;
    for (int i = 0; i < t->rank; i++)
        any |= which(&t->dims[i], i, arg);
    if (!any)
        return MQ_OK;
    if (!(dims = mq_arena_memdup(c->arena, t->dims, (size_t)t->rank * sizeof *dims)))
        return mq_oom(err);
    for (int i = 0; i < t->rank; i++)
        if (which(&dims[i], i, arg))
            dims[i] = MQ_DIM(size);
    return mq_value_declare_shape(v, t->rank, dims, err);
}

static bool has_symbol(const mq_dim *d, int axis, const void *arg)
{
    (void)axis;
    return !mq_dim_known(*d) && d->symbol && strcmp(d->symbol, arg) == 0;
}

static bool is_open_first(const mq_dim *d, int axis, const void *arg)
{
    (void)arg;
    return axis == 0 && !mq_dim_known(*d) && (!d->symbol || !*d->symbol);
}

/* Gives a symbol its size wherever inputs have it; *found: somewhere. */
static mq_status apply_dim(mq_inspect_ctx *c, const char *symbol, int64_t size, bool *found, mq_error *err)
{
    mq_graph *g = c->model->graph;
    mq_status rc = MQ_OK;

    *found = false;
    for (size_t i = 0; i < g->inputs.n && rc == MQ_OK; i++) {
        const mq_type *before = g->inputs.items[i]->declared;
        const mq_dim *dims = before && before->kind == MQ_TYPE_TENSOR ? before->dims : NULL;
        for (int k = 0; dims && k < before->rank; k++)
            *found |= has_symbol(&dims[k], k, symbol);
        rc = set_dims(c, g->inputs.items[i], has_symbol, symbol, size, err);
    }
    return rc;
}

static void note(mq_str *text, const char *name, int64_t size)
{
    mq_str_addf(text, "%s%s=%" PRId64, text->n ? ", " : "", name, size);
}

/* Is the text among the first n? */
static bool listed(const char *const *names, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(names[i], text) == 0)
            return true;
    return false;
}

static mq_status unknown_dim(const mq_graph *g, const char *name, mq_error *err)
{
    const char *names[MAX_NAMES];
    size_t n = 0;

    for (size_t i = 0; i < g->inputs.n; i++) {
        const mq_type *t = g->inputs.items[i]->declared;
        for (int k = 0; t && t->kind == MQ_TYPE_TENSOR && k < t->rank && n < MAX_NAMES; k++)
            if (t->dims[k].symbol && *t->dims[k].symbol && !listed(names, n, t->dims[k].symbol))
                names[n++] = t->dims[k].symbol;
    }
    return unknown_name("--dim: no input of the model has a size '%s'", name, names, n, err);
}

/* The first sizes of inputs, when open, become 1: a batch of one. */
static mq_status apply_batch(mq_inspect_ctx *c, mq_str *assumed, mq_error *err)
{
    mq_graph *g = c->model->graph;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < g->inputs.n && rc == MQ_OK; i++) {
        mq_value *v = g->inputs.items[i];
        const mq_type *t = v->declared;
        bool found;
        if (!is_fed(v) || !t || t->kind != MQ_TYPE_TENSOR || t->rank <= 0 || mq_dim_known(t->dims[0]))
            continue;
        if (t->dims[0].symbol && *t->dims[0].symbol) {
            note(assumed, t->dims[0].symbol, 1);
            rc = apply_dim(c, t->dims[0].symbol, 1, &found, err);
        } else {
            mq_str_addf(assumed, "%sfirst size of %s=1", assumed->n ? ", " : "", v->name);
            rc = set_dims(c, v, is_open_first, NULL, 1, err);
        }
    }
    return rc;
}

/* The names of sizes that are still open, each once; "?" for those without. */
static void list_open(const mq_graph *g, mq_str *text)
{
    mq_map seen = { 0 };

    for (size_t i = 0; i < g->inputs.n; i++) {
        const mq_type *t = g->inputs.items[i]->declared;
        for (int k = 0; is_fed(g->inputs.items[i]) && t && t->kind == MQ_TYPE_TENSOR && k < t->rank; k++) {
            const char *name = t->dims[k].symbol && *t->dims[k].symbol ? t->dims[k].symbol : "?";
            if (mq_dim_known(t->dims[k]) || mq_map_get(&seen, name))
                continue;
            mq_str_addf(text, "%s%s", text->n ? ", " : "", name);
            text->failed |= !mq_map_put(&seen, name, (void *)name);
        }
    }
    mq_map_release(&seen);
}

mq_status mq_inspect_bind(mq_inspect_ctx *c, mq_type ***old, mq_error *err)
{
    mq_graph *g = c->model->graph;
    const mq_inspect_opts *o = c->opts;
    mq_str assumed = { 0 }, open = { 0 };
    mq_status rc = MQ_OK;

    if (!(*old = mq_arena_calloc(c->arena, g->inputs.n, sizeof **old)))
        return mq_oom(err);
    for (size_t i = 0; i < g->inputs.n; i++)
        (*old)[i] = g->inputs.items[i]->declared;
    for (size_t i = 0; i < o->n_shapes; i++)
        MQ_TRY(apply_shape(c, &o->shapes[i], err));
    for (size_t i = 0; i < o->n_dims; i++) {
        bool found;
        MQ_TRY(apply_dim(c, o->dims[i].name, o->dims[i].size, &found, err));
        if (!found)
            MQ_TRY(unknown_dim(g, o->dims[i].name, err));
        note(&assumed, o->dims[i].name, o->dims[i].size);
    }
    if (!o->keep_batch)
        MQ_TRY(apply_batch(c, &assumed, err));
    list_open(g, &open);
    c->out->assumed = mq_inspect_keep(c, &assumed);
    c->out->open_dims = mq_inspect_keep(c, &open);
    if (!c->out->assumed || !c->out->open_dims)
        rc = mq_oom(err);
done:
    mq_str_release(&assumed);
    mq_str_release(&open);
    if (rc != MQ_OK)
        mq_inspect_unbind(c, *old);
    return rc;
}

void mq_inspect_unbind(mq_inspect_ctx *c, mq_type *const *old)
{
    const mq_graph *g = c->model->graph;

    for (size_t i = 0; i < g->inputs.n; i++)
        g->inputs.items[i]->declared = old[i];
}
