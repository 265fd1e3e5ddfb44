/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Every link of a model in memory, both ways: what must hold after each editing operation, of valid graphs and of others.
 * Include it after cmocka.h. */
#ifndef MQ_TESTS_GRAPH_CHECK_H
#define MQ_TESTS_GRAPH_CHECK_H

#include <string.h>

#include "graph/graph.h"

static inline size_t check_count_uses(const mq_value *v, const mq_node *n, size_t index)
{
    size_t found = 0;

    for (size_t i = 0; i < v->uses.n; i++)
        found += v->uses.items[i].node == n && v->uses.items[i].index == index;
    return found;
}

static inline size_t check_count_in(const mq_value_vec *vec, const mq_value *v)
{
    size_t found = 0;

    for (size_t i = 0; i < vec->n; i++)
        found += vec->items[i] == v;
    return found;
}

static inline size_t graph_check_one(const mq_graph *g);

/* A node's links; returns how many uses it and the graphs inside it make. */
static inline size_t check_node(const mq_node *n)
{
    size_t uses = 0;

    for (size_t i = 0; i < n->n_inputs; i++) {
        if (!n->inputs[i])
            continue;
        assert_int_equal(check_count_uses(n->inputs[i], n, i), 1);
        uses++;
    }
    for (size_t i = 0; i < n->n_outputs; i++) {
        if (!n->outputs[i])
            continue;
        assert_ptr_equal(n->outputs[i]->producer, n);
        assert_int_equal(n->outputs[i]->producer_index, i);
        assert_ptr_equal(n->outputs[i]->graph, n->graph);
    }
    for (size_t a = 0; a < n->n_attrs; a++)
        for (size_t k = 0; n->attrs[a]->graphs && k < n->attrs[a]->n; k++) {
            assert_ptr_equal(n->attrs[a]->graphs[k]->parent, n->graph);
            assert_ptr_equal(n->attrs[a]->graphs[k]->owner, n);
            uses += graph_check_one(n->attrs[a]->graphs[k]);
        }
    return uses;
}

static inline void check_value(const mq_graph *g, const mq_value *v)
{
    assert_ptr_equal(v->graph, g);
    assert_true(v->name[0] != '\0');
    assert_int_equal(check_count_in(&g->inputs, v) > 0, v->is_input);
    assert_int_equal(check_count_in(&g->inits, v), v->init || v->sparse);
    if (v->init)
        assert_string_equal(v->init->name, v->name);
    if (v->producer) {
        assert_true(v->producer_index < v->producer->n_outputs);
        assert_ptr_equal(v->producer->outputs[v->producer_index], v);
        assert_ptr_equal(v->producer->graph, g);
    }
    if (!v->duplicate)
        assert_ptr_equal(mq_graph_find_here(g, v->name), v);
    for (size_t i = 0; i < v->uses.n; i++) {
        const mq_use u = v->uses.items[i];
        assert_non_null(u.node->graph); /* a removed node uses nothing */
        assert_true(u.index < u.node->n_inputs);
        assert_ptr_equal(u.node->inputs[u.index], v);
    }
}

static inline size_t graph_check_one(const mq_graph *g)
{
    const mq_node *last = NULL;
    size_t n = 0, uses = 0, names = 0;

    for (const mq_node *node = g->first; node; last = node, node = node->next, n++) {
        assert_ptr_equal(node->graph, g);
        assert_ptr_equal(node->prev, last);
        uses += check_node(node);
    }
    assert_ptr_equal(g->last, last);
    assert_int_equal(g->n_nodes, n);
    for (size_t i = 0; i < g->values.n; i++) {
        check_value(g, g->values.items[i]);
        names += !g->values.items[i]->duplicate;
    }
    assert_int_equal(g->names.n, names);
    return uses;
}

/* The whole model. */
static inline void graph_check(const mq_model *m)
{
    size_t made = 0, recorded = 0;

    if (m->graph)
        made += graph_check_one(m->graph);
    for (size_t i = 0; i < m->n_functions; i++)
        made += graph_check_one(m->functions[i]->body);
    for (size_t i = 0; i < m->graphs.n; i++)
        for (size_t k = 0; k < m->graphs.items[i]->values.n; k++) {
            const mq_value *v = m->graphs.items[i]->values.items[k];
            size_t listed = 0;
            recorded += v->uses.n;
            for (size_t o = 0; o < m->graphs.n; o++)
                listed += check_count_in(&m->graphs.items[o]->outputs, v);
            assert_int_equal(v->n_output_uses, listed);
        }
    assert_int_equal(made, recorded);
}

#endif
