/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Collecting findings and naming places. Nothing is allocated before the first finding, so that checks of sound
 * models cost nothing here. */
#include "graph/finding.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/str.h"

void mq_findings_release(mq_findings *fs)
{
    mq_arena_free(fs->arena);
    mq_vec_release(&fs->list);
    *fs = (mq_findings){ 0 };
}

static void add_operator(mq_str *s, const mq_node *n)
{
    const char *domain = mq_domain_norm(n->domain);

    mq_str_addf(s, *domain ? "(%s::%s)" : "(%s%s)", domain, n->op_type);
}

/* The attribute of the owner that holds the graph. */
static const char *role_of(const mq_graph *g)
{
    for (size_t i = 0; i < g->owner->n_attrs; i++)
        for (size_t k = 0; g->owner->attrs[i]->graphs && k < g->owner->attrs[i]->n; k++)
            if (g->owner->attrs[i]->graphs[k] == g)
                return g->owner->attrs[i]->name;
    return "subgraph";
}

/* Nothing for the main graph. One level is enough to find the place: labels are unique in most models. */
static void add_graph(mq_str *s, const mq_graph *g)
{
    if (g->owner) {
        mq_str_addf(s, "%s of node '%s' ", role_of(g), mq_node_label(g->owner));
        add_operator(s, g->owner);
    } else if (g->function) {
        mq_str_addf(s, "function '%s::%s'", g->function->domain, g->function->name);
    }
}

static void add_place(mq_str *s, mq_place at, const char *graph)
{
    if (at.node) {
        mq_str_addf(s, "node '%s' ", mq_node_label(at.node));
        add_operator(s, at.node);
    } else if (at.tensor) {
        mq_str_addf(s, "tensor '%s'", at.tensor);
    } else if (at.graph && !*graph) {
        mq_str_addf(s, "graph '%s'", at.graph->name ? at.graph->name : "");
    }
    if (*graph)
        mq_str_addf(s, s->n ? " in %s" : "%s", graph);
}

/* Keeps the text of a builder, which is emptied. */
static const char *keep(mq_findings *fs, mq_str *s)
{
    const char *kept = s->failed ? NULL : mq_arena_strdup(fs->arena, s->s ? s->s : "");

    mq_str_release(s);
    if (!kept)
        fs->failed = true;
    return kept ? kept : "";
}

static const char *keep_text(mq_findings *fs, const char *text)
{
    const char *kept = mq_arena_strdup(fs->arena, text ? text : "");

    if (!kept)
        fs->failed = true;
    return kept ? kept : "";
}

static const char *format(mq_findings *fs, const char *fmt, va_list ap)
{
    char text[MQ_ERROR_SIZE];

    vsnprintf(text, sizeof text, fmt, ap);
    return keep_text(fs, text);
}

void mq_finding_add(mq_findings *fs, mq_severity severity, const char *code, mq_place at, const char *fmt, ...)
{
    mq_finding f = { .severity = severity, .code = code };
    mq_str s = { 0 };
    va_list ap;

    ++*(severity == MQ_SEVERITY_ERROR ? &fs->n_errors : &fs->n_warnings);
    if (fs->list.n >= MQ_FINDINGS_MAX || fs->failed)
        return;
    if (!fs->arena && !(fs->arena = mq_arena_create())) {
        fs->failed = true;
        return;
    }
    if (at.node)
        at.graph = at.node->graph;
    if (at.graph)
        add_graph(&s, at.graph);
    f.graph = keep(fs, &s);
    add_place(&s, at, f.graph);
    f.place = keep(fs, &s);
    f.node = keep_text(fs, at.node ? mq_node_label(at.node) : "");
    f.tensor = keep_text(fs, at.tensor);
    va_start(ap, fmt);
    f.text = format(fs, fmt, ap);
    va_end(ap);
    if (!mq_vec_push(&fs->list, f))
        fs->failed = true;
}
