/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A classifier whose answers are known, right or wrong, with samples and labels in files. Include it after cmocka.h and
 * data_make.h. */
#ifndef MQ_TESTS_TURNED_MAKE_H
#define MQ_TESTS_TURNED_MAKE_H

#include "mq/model.h"

/* y = x * w, w[4,3]: class i where x's largest element is i, unless `turn` moves them. Types are inferred. */
static inline mq_model *make_turned(int turn)
{
    mq_model *g = make_model(17);
    float w[12] = { 0 };

    for (int i = 0; i < 3; i++)
        w[i * 3 + (i + turn) % 3] = 1;
    make_input(g->graph, "x", MQ_FLOAT, "N,4");
    make_init(g->graph, "w", MQ_FLOAT, "4,3", w);
    make_node(g->graph, "MatMul", "x,w", "y");
    make_type(make_output(g->graph, "y"), MQ_FLOAT, "N,3");
    assert_int_equal(mq_infer_model(g, NULL, NULL, NULL), MQ_OK);
    return g;
}

static inline void save_turned(const char *path, int turn)
{
    const mq_save_opts save = { .force = true };
    mq_model *g = make_turned(turn);

    assert_int_equal(mq_model_save(g, path, &save, NULL, NULL, NULL), MQ_OK);
    mq_model_free(g);
}

/* Four samples, x.npy, of the classes 0, 1, 2, 2, y.npy; the last one looks like 1. */
static inline void save_turned_data(void)
{
    static const float x[] = { 9, 0, 0, 1, 0, 9, 0, 1, 0, 0, 9, 1, 0, 9, 8, 1 };
    static const int64_t y[] = { 0, 1, 2, 2 };

    put_npy("x.npy", MQ_FLOAT, "4,4", x);
    put_npy("y.npy", MQ_INT64, "4", y);
}

#endif
