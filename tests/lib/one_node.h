/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A model of one node, for tests of rules: inputs from a line of text each, what inference makes of the outputs as text.
 * A test asks for types ("float[N,12]"), for contents ("4,N,?"), or for the node being refused. Include it after
 * cmocka.h. */
#ifndef MQ_TESTS_ONE_NODE_H
#define MQ_TESTS_ONE_NODE_H

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "ops/ops.h"

typedef struct one_node {
    mq_model *model;
    mq_node *node;
    int n_findings;
    char finding[400]; /* the last one */
} one_node;

static inline void one_open(one_node *t, const char *op_type, int opset)
{
    mq_graph *g;

    *t = (one_node){ 0 };
    assert_int_equal(mq_model_create(&t->model, NULL), MQ_OK);
    assert_int_equal(mq_opset_set(t->model, "", opset, NULL), MQ_OK);
    t->model->ir_version = 8;
    g = mq_graph_create(t->model, NULL, NULL, "g");
    assert_non_null(g);
    t->model->graph = g;
    t->node = mq_node_create(g, NULL, "", op_type, "n");
    assert_non_null(t->node);
}

static inline mq_value *one_value(one_node *t, const char *base)
{
    mq_value *v = mq_value_create_unique(t->model->graph, base);

    assert_non_null(v);
    return v;
}

static inline void one_add(one_node *t, mq_value *v)
{
    assert_int_equal(mq_node_set_input(t->node, t->node->n_inputs, v, NULL), MQ_OK);
}

/* A graph input; dims "2,N,?" ("" a scalar, "..." of unknown rank). */
static inline mq_value *one_graph_input(one_node *t, mq_dtype dtype, const char *dims)
{
    mq_value *v = one_value(t, "x");
    char *text = mq_arena_strdup(t->model->arena, dims), *end;
    mq_dim d[64];
    int rank = strcmp(dims, "...") == 0 ? -1 : 0;

    for (char *p = rank == 0 && *text ? strtok(text, ",") : NULL; p; p = strtok(NULL, ",")) {
        const int64_t size = strtoll(p, &end, 10);

        d[rank++] = *end == '\0' ? MQ_DIM(size) : (mq_dim){ .value = -1, .symbol = strcmp(p, "?") == 0 ? NULL : p };
    }
    v->declared = mq_type_create(t->model, MQ_TYPE_TENSOR, dtype, rank, d);
    assert_non_null(v->declared);
    assert_int_equal(mq_graph_add_input(t->model->graph, v, NULL), MQ_OK);
    return v;
}

static inline void one_in(one_node *t, mq_dtype dtype, const char *dims)
{
    one_add(t, one_graph_input(t, dtype, dims));
}

static inline void one_absent(one_node *t)
{
    one_add(t, NULL);
}

/* A constant input; n -1 for a scalar of one value. */
static inline void one_const(one_node *t, mq_dtype dtype, int n, const void *values)
{
    mq_value *v = one_value(t, "c");
    mq_tensor *c = mq_tensor_create(t->model, v->name, dtype, n < 0 ? 0 : 1, &(int64_t){ n }, values);

    assert_non_null(c);
    assert_int_equal(mq_value_set_init(v, c, NULL), MQ_OK);
    one_add(t, v);
}

#define one_ints(t, ...)                                                                   \
    one_const(t, MQ_INT64, (int)MQ_ARRAY_LEN(((const int64_t[]){ __VA_ARGS__ })), (const int64_t[]){ __VA_ARGS__ })
#define one_scalar(t, v) one_const(t, MQ_INT64, -1, &(const int64_t){ v })

/* The shape of a graph input of these dims: contents with symbols and unknown elements. */
static inline void one_shape_of(one_node *t, const char *dims)
{
    mq_node *n = mq_node_create(t->model->graph, t->node, "", "Shape", "s");
    mq_value *v = one_value(t, "shape");

    assert_non_null(n);
    assert_int_equal(mq_node_set_input(n, 0, one_graph_input(t, MQ_FLOAT, dims), NULL), MQ_OK);
    assert_int_equal(mq_node_set_output(n, 0, v, NULL), MQ_OK);
    one_add(t, v);
}

#define one_attr_ints(t, name, ...)                                                                             \
    assert_int_equal(mq_node_set_attr_ints((t)->node, name, (const int64_t[]){ __VA_ARGS__ },                   \
                                           MQ_ARRAY_LEN(((const int64_t[]){ __VA_ARGS__ })), NULL), MQ_OK)
#define one_attr(t, name, v) assert_int_equal(mq_node_set_attr_int((t)->node, name, v, NULL), MQ_OK)

static inline void one_finding(void *user, const mq_node *n, const char *text)
{
    one_node *t = user;

    (void)n;
    t->n_findings++;
    snprintf(t->finding, sizeof t->finding, "%s", text);
}

/* Gives the node n_outputs and infers. */
static inline void one_run(one_node *t, size_t n_outputs)
{
    mq_error err = { 0 };

    for (size_t i = 0; i < n_outputs; i++)
        assert_int_equal(mq_node_set_output(t->node, i, one_value(t, "y"), NULL), MQ_OK);
    assert_int_equal(mq_infer_model(t->model, one_finding, t, &err), MQ_OK);
}

static inline void one_type(const one_node *t, size_t i, const char *want)
{
    char text[400];

    mq_type_text(t->node->outputs[i]->type, text, sizeof text);
    assert_string_equal(text, want);
}

/* Contents of output i: "1,N,?"; NULL: not known. */
static inline void one_contents(const one_node *t, size_t i, const char *want)
{
    const mq_value *v = t->node->outputs[i];
    char text[400] = "";

    if (!want) {
        assert_null(v->known);
        return;
    }
    assert_non_null(v->known);
    for (size_t k = 0, at = 0; k < v->n_known; k++) {
        const mq_dim e = v->known[k];

        if (mq_elem_known(e))
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%" PRId64, k ? "," : "", e.value);
        else
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", k ? "," : "", e.symbol ? e.symbol : "?");
    }
    assert_string_equal(text, want);
}

/* The whole of a test after its inputs: one output, accepted, of that type. */
static inline void one_gives(one_node *t, const char *want)
{
    one_run(t, 1);
    assert_string_equal(t->finding, "");
    one_type(t, 0, want);
    mq_model_free(t->model);
}

/* The same with contents. */
static inline void one_gives_contents(one_node *t, const char *want, const char *contents)
{
    one_run(t, 1);
    assert_string_equal(t->finding, "");
    one_type(t, 0, want);
    one_contents(t, 0, contents);
    mq_model_free(t->model);
}

/* The node is refused with a sentence that holds this. */
static inline void one_refused(one_node *t, size_t n_outputs, const char *part)
{
    one_run(t, n_outputs);
    assert_int_equal(t->n_findings, 1);
    if (!strstr(t->finding, part))
        fail_msg("'%s' does not say '%s'", t->finding, part);
    mq_model_free(t->model);
}

#endif
