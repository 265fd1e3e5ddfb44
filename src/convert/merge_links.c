/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Which outputs feed which inputs when models are merged. */
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "base/str.h"
#include "convert/merge.h"

#define MOST_LISTED 6 /* edges of one model in a message */

typedef struct linking {
    const mq_merge_part *parts;
    size_t n;
    mq_merge_links *links;
    mq_error *err;
} linking;

/* ---- types --------------------------------------------------------------------------------------------------------- */

static bool dims_fit(const mq_type *a, const mq_type *b)
{
    if (a->rank < 0 || b->rank < 0)
        return true;
    if (a->rank != b->rank)
        return false;
    for (int i = 0; i < a->rank; i++)
        if (mq_dim_known(a->dims[i]) && mq_dim_known(b->dims[i]) && a->dims[i].value != b->dims[i].value)
            return false;
    return true;
}

bool mq_merge_fits(const mq_type *a, const mq_type *b)
{
    for (; a && b && a->kind && b->kind; a = a->elem, b = b->elem) {
        if (a->kind != b->kind || (a->dtype && b->dtype && a->dtype != b->dtype))
            return false;
        if ((a->kind == MQ_TYPE_TENSOR || a->kind == MQ_TYPE_SPARSE_TENSOR) && !dims_fit(a, b))
            return false;
    }
    return true;
}

/* ---- names --------------------------------------------------------------------------------------------------------- */

static const mq_value_vec *edges_of(const linking *k, size_t model, bool outputs)
{
    const mq_graph *g = k->parts[model].model->graph;

    return outputs ? &g->outputs : &g->inputs;
}

/* Is v called so, with or without its model's prefix? */
static bool is_called(const mq_merge_part *p, const mq_value *v, const char *name, bool with_prefix)
{
    const size_t n = with_prefix ? strlen(p->prefix) : 0;

    return strncmp(name, p->prefix, n) == 0 && strcmp(name + n, v->name) == 0;
}

static mq_status unknown(const linking *k, const char *name, bool outputs)
{
    MQ_VEC(const char *) all = { 0 };
    char near[512];
    bool ok = true;

    for (size_t i = 0; i < k->n; i++)
        for (size_t e = 0; e < edges_of(k, i, outputs)->n && ok; e++)
            ok = mq_vec_push(&all, edges_of(k, i, outputs)->items[e]->name);
    mq_suggest(near, sizeof near, name, all.items, all.n);
    mq_vec_release(&all);
    return !ok ? mq_oom(k->err) : mq_fail(k->err, MQ_ERR_USAGE, "--connect: no model has an %s '%s'%s",
                                          outputs ? "output" : "input", name, near);
}

static mq_status ambiguous(const linking *k, const char *name, bool outputs, size_t a, size_t b)
{
    return mq_fail(k->err, MQ_ERR_USAGE,
                   "--connect: '%s' is an %s of %s and of %s: --prefix tells them apart, and goes before the name here",
                   name, outputs ? "output" : "input", k->parts[a].label, k->parts[b].label);
}

static mq_status find_edge(const linking *k, const char *name, bool outputs, size_t *model, mq_value **v)
{
    *v = NULL;
    for (int with_prefix = 1; with_prefix >= 0 && !*v; with_prefix--)
        for (size_t i = 0; i < k->n; i++)
            for (size_t e = 0; e < edges_of(k, i, outputs)->n; e++) {
                mq_value *edge = edges_of(k, i, outputs)->items[e];

                if (!is_called(&k->parts[i], edge, name, with_prefix) || edge == *v)
                    continue;
                if (*v)
                    return ambiguous(k, name, outputs, *model, i);
                *v = edge;
                *model = i;
            }
    return *v ? MQ_OK : unknown(k, name, outputs);
}

/* ---- linking ------------------------------------------------------------------------------------------------------- */

static mq_status refuse_types(const linking *k, const mq_merge_link *l)
{
    char a[256], b[256];

    mq_type_text(l->out->type, a, sizeof a);
    mq_type_text(l->in->type, b, sizeof b);
    return mq_fail(k->err, MQ_ERR_USAGE, "output '%s' of %s is %s, but input '%s' of %s is %s", l->out_name,
                   k->parts[l->from].label, a, l->in_name, k->parts[l->to].label, b);
}

static mq_status add_link(const linking *k, size_t from, mq_value *out, size_t to, mq_value *in)
{
    const mq_merge_link l = { from, to, out->name, in->name, out, in };

    if (!mq_merge_fits(out->type, in->type))
        return refuse_types(k, &l);
    for (size_t i = 0; i < k->links->n; i++)
        if (k->links->items[i].in == in)
            return mq_fail(k->err, MQ_ERR_USAGE, "--connect: input '%s' of %s is fed twice: by '%s' and '%s'", in->name,
                           k->parts[to].label, k->links->items[i].out_name, out->name);
    return mq_vec_push(k->links, l) ? MQ_OK : mq_oom(k->err);
}

static mq_status link_pair(const linking *k, const char *pair)
{
    const char *eq = strrchr(pair, '=');
    char *out_name = eq ? strndup(pair, (size_t)(eq - pair)) : NULL;
    mq_value *out, *in;
    size_t from = 0, to = 0;
    mq_status rc;

    if (!eq || eq == pair || !eq[1])
        rc = mq_fail(k->err, MQ_ERR_USAGE, "--connect takes OUT=IN, not '%s'", pair);
    else if (!out_name)
        rc = mq_oom(k->err);
    else if ((rc = find_edge(k, out_name, true, &from, &out)) == MQ_OK &&
             (rc = find_edge(k, eq + 1, false, &to, &in)) == MQ_OK)
        rc = add_link(k, from, out, to, in);
    free(out_name);
    return rc;
}

/* The outputs of models before `to` that are called like its input. */
static mq_status link_by_name(const linking *k, size_t to, mq_value *in)
{
    const bool prefixed = k->parts[to].prefix[0];
    const mq_merge_link *last = NULL;

    for (size_t i = 0; i < to; i++)
        for (size_t e = 0; e < edges_of(k, i, true)->n; e++) {
            mq_value *out = edges_of(k, i, true)->items[e];
            mq_status rc;

            if (strcmp(out->name, in->name) != 0 || (prefixed && !mq_merge_fits(out->type, in->type)))
                continue;
            if (last && last->out == out)
                continue;
            if (last)
                return mq_fail(k->err, MQ_ERR_USAGE, "input '%s' of %s could be fed by %s and by %s: --connect says which",
                               in->name, k->parts[to].label, k->parts[last->from].label, k->parts[i].label);
            if ((rc = add_link(k, i, out, to, in)) != MQ_OK)
                return rc;
            last = &k->links->items[k->links->n - 1];
        }
    return MQ_OK;
}

static void list_edges(const linking *k, size_t model, bool outputs, mq_str *to)
{
    const mq_value_vec *edges = edges_of(k, model, outputs);
    char type[128];

    mq_str_addf(to, "%s %s ", k->parts[model].label, outputs ? "gives" : "takes");
    for (size_t e = 0; e < edges->n && e < MOST_LISTED; e++) {
        mq_type_text(edges->items[e]->type, type, sizeof type);
        mq_str_addf(to, "%s'%s' %s", e ? ", " : "", edges->items[e]->name, type);
    }
    mq_str_add(to, edges->n > MOST_LISTED ? ", ..." : "");
}

static mq_status nothing_to_connect(const linking *k)
{
    mq_str text = { 0 };
    mq_status rc;

    for (size_t i = 0; i < k->n; i++) {
        if (i > 0)
            list_edges(k, i, false, &text);
        mq_str_add(&text, i > 0 && i + 1 < k->n ? ", " : "");
        if (i + 1 < k->n) {
            list_edges(k, i, true, &text);
            mq_str_add(&text, "; ");
        }
    }
    rc = text.failed ? mq_oom(k->err)
                     : mq_fail(k->err, MQ_ERR_USAGE, "no output is called like an input of a model behind it: --connect "
                               "OUT=IN (%s)", text.s);
    mq_str_release(&text);
    return rc;
}

mq_status mq_merge_connect(const mq_merge_part *parts, size_t n, const char *const *connect, size_t n_connect,
                           mq_merge_links *links, mq_error *err)
{
    const linking k = { parts, n, links, err };
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n_connect && rc == MQ_OK; i++)
        rc = link_pair(&k, connect[i]);
    for (size_t to = 1; to < n && !n_connect; to++)
        for (size_t e = 0; e < edges_of(&k, to, false)->n && rc == MQ_OK; e++)
            rc = link_by_name(&k, to, edges_of(&k, to, false)->items[e]);
    return rc == MQ_OK && links->n == 0 ? nothing_to_connect(&k) : rc;
}
