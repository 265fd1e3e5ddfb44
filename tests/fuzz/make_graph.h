/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Bytes as a small model: they choose the operators, shapes, attributes and contents. */
#ifndef MQ_TESTS_FUZZ_MAKE_GRAPH_H
#define MQ_TESTS_FUZZ_MAKE_GRAPH_H

#include "graph/array.h"

#define MADE_MAX 64

typedef struct made {
    mq_model *model;
    size_t n_in;
    mq_array *in[MADE_MAX]; /* for the graph's inputs, in order */
    uint64_t random;        /* state of the contents */
    /* while it is made */
    const uint8_t *at, *end;
    mq_value *values[MADE_MAX];
    size_t n_values, n_names;
    bool hostile; /* attributes and shapes need not fit */
} made;

void made_init(made *g, const uint8_t *data, size_t size);
void made_release(made *g);

#endif
