/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Protocol buffer bytes written by hand, for files that no library would write. Include it after cmocka.h. */
#ifndef MQ_TESTS_PROTO_MAKE_H
#define MQ_TESTS_PROTO_MAKE_H

#include <stdint.h>
#include <string.h>

#include "base/str.h"

/* A varint; `more` bytes longer than needed. */
static inline void pb_varint(mq_str *s, uint64_t v, int more)
{
    do {
        const char byte = (char)((v & 0x7f) | (v > 0x7f || more > 0 ? 0x80 : 0));
        more -= v <= 0x7f;
        v >>= 7;
        mq_str_add_n(s, &byte, 1);
    } while (v || more >= 0);
    assert_false(s->failed);
}

static inline void pb_tag(mq_str *s, uint32_t field, int type)
{
    pb_varint(s, (uint64_t)field << 3 | (uint64_t)type, 0);
}

static inline void pb_int(mq_str *s, uint32_t field, uint64_t v)
{
    pb_tag(s, field, 0);
    pb_varint(s, v, 0);
}

static inline void pb_bytes(mq_str *s, uint32_t field, const void *data, size_t n)
{
    pb_tag(s, field, 2);
    pb_varint(s, n, 0);
    mq_str_add_n(s, data, n);
}

static inline void pb_text(mq_str *s, uint32_t field, const char *text)
{
    pb_bytes(s, field, text, strlen(text));
}

static inline void pb_fixed32(mq_str *s, uint32_t field, uint32_t v)
{
    pb_tag(s, field, 5);
    mq_str_add_n(s, (const char *)&v, sizeof v);
}

static inline void pb_fixed64(mq_str *s, uint32_t field, uint64_t v)
{
    pb_tag(s, field, 1);
    mq_str_add_n(s, (const char *)&v, sizeof v);
}

/* A message; `inner` is released. */
static inline void pb_message(mq_str *s, uint32_t field, mq_str *inner)
{
    pb_bytes(s, field, inner->n ? inner->s : "", inner->n);
    mq_str_release(inner);
}

/* Field numbers of the ONNX messages used in tests. */
enum {
    MODEL_IR_VERSION = 1, MODEL_PRODUCER = 2, MODEL_GRAPH = 7, MODEL_OPSET = 8, MODEL_METADATA = 14,
    OPSET_DOMAIN = 1, OPSET_VERSION = 2,
    GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INIT = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12,
    NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTR = 5,
    ATTR_NAME = 1, ATTR_T = 5, ATTR_G = 6, ATTR_TYPE = 20,
    TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_FLOATS = 4, TENSOR_INT32S = 5, TENSOR_STRINGS = 6, TENSOR_NAME = 8,
    TENSOR_RAW = 9, TENSOR_DOUBLES = 10,
};

/* A tensor of floats in raw_data, in field order. */
static inline mq_str pb_float_tensor(const char *name, const float *values, size_t n)
{
    mq_str t = { 0 };

    pb_int(&t, TENSOR_DIMS, n);
    pb_int(&t, TENSOR_TYPE, 1);
    pb_text(&t, TENSOR_NAME, name);
    pb_bytes(&t, TENSOR_RAW, values, n * sizeof *values);
    return t;
}

/* A model of one graph, whose bytes are released. */
static inline mq_str pb_model(mq_str *graph)
{
    mq_str m = { 0 }, opset = { 0 };

    pb_int(&m, MODEL_IR_VERSION, 8);
    pb_message(&m, MODEL_GRAPH, graph);
    pb_text(&opset, OPSET_DOMAIN, "");
    pb_int(&opset, OPSET_VERSION, 17);
    pb_message(&m, MODEL_OPSET, &opset);
    return m;
}

#endif
