/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Models made in memory in few lines: values by name, nodes as "Op(in,in) -> out,out". Include it after cmocka.h. */
#ifndef MQ_TESTS_GRAPH_MAKE_H
#define MQ_TESTS_GRAPH_MAKE_H

#include <stdio.h>
#include <string.h>

#include "graph/graph.h"

/* An empty model with a graph 'main', opset and IR version. */
static inline mq_model *make_model(int opset)
{
    mq_model *m = NULL;

    assert_int_equal(mq_model_create(&m, NULL), MQ_OK);
    assert_int_equal(mq_opset_set(m, "", opset, NULL), MQ_OK);
    m->ir_version = 8;
    m->has_ir_version = true;
    m->graph = mq_graph_create(m, NULL, NULL, "main");
    assert_non_null(m->graph);
    return m;
}

/* The value of that name as g sees it, made in g when there is none. */
static inline mq_value *make_value(mq_graph *g, const char *name)
{
    mq_value *v = mq_graph_find(g, name);

    v = v ? v : mq_value_create(g, name);
    assert_non_null(v);
    return v;
}

/* A node named after its first output. Names are separated by commas; "-" is an absent one. */
static inline mq_node *make_node(mq_graph *g, const char *op, const char *in, const char *out)
{
    char *names = mq_arena_strdup(g->model->arena, in), *save = NULL;
    mq_node *n = mq_node_create(g, NULL, "", op, out);
    size_t i = 0;

    assert_true(names && n);
    for (char *p = strtok_r(names, ",", &save); p; p = strtok_r(NULL, ",", &save))
        assert_int_equal(mq_node_set_input(n, i++, strcmp(p, "-") ? make_value(g, p) : NULL, NULL), MQ_OK);
    names = mq_arena_strdup(g->model->arena, out);
    i = 0;
    for (char *p = strtok_r(names, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        mq_value *v = strcmp(p, "-") ? mq_graph_find_here(g, p) : NULL;
        if (!v && strcmp(p, "-"))
            v = mq_value_create(g, p);
        assert_int_equal(mq_node_set_output(n, i++, v, NULL), MQ_OK);
    }
    return n;
}

/* Dims as "2,3"; "" is a scalar. */
static inline int make_dims(const char *text, int64_t *dims)
{
    int n = 0, used;

    while (sscanf(text, "%ld%n", &dims[n], &used) == 1) {
        n++;
        text += used + (text[used] == ',');
    }
    return n;
}

static inline mq_value *make_init(mq_graph *g, const char *name, mq_dtype dtype, const char *dims_text, const void *data)
{
    mq_value *v = make_value(g, name);
    int64_t dims[16];
    int n = make_dims(dims_text, dims);
    mq_tensor *t = mq_tensor_create(g->model, name, dtype, n, dims, data);

    assert_non_null(t);
    assert_int_equal(mq_value_set_init(v, t, NULL), MQ_OK);
    return v;
}

/* Declares v: dims as above, a word is a symbol. */
static inline void make_type(mq_value *v, mq_dtype dtype, const char *dims)
{
    char *text = mq_arena_strdup(v->graph->model->arena, dims), *save = NULL, *end;
    mq_dim d[16];
    int n = 0;

    for (char *p = strtok_r(text, ",", &save); p; p = strtok_r(NULL, ",", &save)) {
        const int64_t size = strtoll(p, &end, 10);
        d[n++] = *end ? (mq_dim){ .value = -1, .symbol = p } : MQ_DIM(size);
    }
    v->declared = mq_type_create(v->graph->model, MQ_TYPE_TENSOR, dtype, n, d);
    assert_non_null(v->declared);
}

static inline mq_value *make_input(mq_graph *g, const char *name, mq_dtype dtype, const char *dims)
{
    mq_value *v = make_value(g, name);

    make_type(v, dtype, dims);
    assert_int_equal(mq_graph_add_input(g, v, NULL), MQ_OK);
    return v;
}

static inline mq_value *make_output(mq_graph *g, const char *name)
{
    mq_value *v = make_value(g, name);

    assert_int_equal(mq_graph_add_output(g, v, NULL), MQ_OK);
    return v;
}

/* An empty graph as the attribute `attr` of n. */
static inline mq_graph *make_subgraph(mq_node *n, const char *attr)
{
    mq_arena *a = n->graph->model->arena;
    mq_attr **attrs = mq_arena_grow(a, n->attrs, n->n_attrs, n->n_attrs + 1, sizeof *attrs);
    mq_attr *at = mq_arena_alloc(a, sizeof *at);
    mq_graph **graphs = mq_arena_alloc(a, sizeof *graphs);

    assert_true(at && attrs && graphs);
    graphs[0] = mq_graph_create(n->graph->model, n->graph, n, attr);
    *at = (mq_attr){ .name = attr, .type = MQ_ATTR_GRAPH, .n = 1, .graphs = graphs };
    attrs[n->n_attrs++] = at;
    n->attrs = attrs;
    return graphs[0];
}

static inline void make_dump_is(const mq_model *m, const char *want)
{
    char *got = mq_model_dump(m);

    assert_non_null(got);
    assert_string_equal(got, want);
    free(got);
}

#endif
