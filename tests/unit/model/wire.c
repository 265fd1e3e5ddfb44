/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Tests src/model/wire.c: what comes in goes out, payloads stay where they are, and broken bytes are told with their
 * place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/wire.h"
#include "onnx.pb-c.h"
#include "proto_make.h"
#include "scratch.h"

static mq_arena *arena;
static mq_buf *buf;

static int setup(void **state)
{
    (void)state;
    buf = NULL;
    arena = mq_arena_create();
    return arena ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mq_buf_unref(buf);
    mq_arena_free(arena);
    return 0;
}

/* Unpacks `in`, which is released; the bytes are mapped from a file. */
static mq_status unpack(const ProtobufCMessageDescriptor *desc, mq_str *in, ProtobufCMessage **msg, mq_error *err)
{
    mq_buf_unref(buf);
    scratch_put("in", in->n ? in->s : "", in->n);
    mq_str_release(in);
    assert_int_equal(mq_buf_map(&buf, "in", NULL), MQ_OK);
    return mq_wire_unpack(msg, desc, buf, arena, "in", err);
}

static void *unpacked(const ProtobufCMessageDescriptor *desc, mq_str *in)
{
    ProtobufCMessage *msg = NULL;
    mq_error err = { 0 };

    if (unpack(desc, in, &msg, &err) != MQ_OK)
        fail_msg("%s", err.text);
    return msg;
}

static void packs_to(const ProtobufCMessage *msg, const void *want, size_t n)
{
    mq_outfile *f = NULL;
    size_t got_n;
    char *got;

    assert_int_equal(mq_wire_size(msg), n);
    assert_int_equal(mq_outfile_open(&f, "out", true, NULL), MQ_OK);
    assert_int_equal(mq_wire_pack(msg, f, NULL, 0, &buf, buf != NULL, NULL), MQ_OK);
    assert_int_equal(mq_outfile_commit(f, false, NULL), MQ_OK);
    got = scratch_get("out", &got_n);
    assert_int_equal(got_n, n);
    assert_memory_equal(got, want, n);
    free(got);
}

/* In and out; `want` is released, NULL: the same bytes. */
static void comes_out(const ProtobufCMessageDescriptor *desc, mq_str *in, mq_str *want)
{
    mq_str same = { 0 };
    const ProtobufCMessage *msg;

    mq_str_add_n(&same, in->s, in->n);
    msg = unpacked(desc, in);
    packs_to(msg, want ? want->s : same.s, want ? want->n : same.n);
    mq_str_release(&same);
    if (want)
        mq_str_release(want);
}

#define TENSOR (&onnx__tensor_proto__descriptor)
#define MODEL (&onnx__model_proto__descriptor)

static bool in_buf(const void *p, size_t n)
{
    return (uintptr_t)p >= (uintptr_t)buf->data && (uintptr_t)p + n <= (uintptr_t)buf->data + buf->size;
}

/* ---- lossless ------------------------------------------------------------------------------------------------------ */

static void test_model_comes_out_as_it_went_in(void **state)
{
    static float w[6000];
    mq_str graph = { 0 }, node = { 0 }, t, model;

    (void)state;
    for (size_t i = 0; i < 6000; i++)
        w[i] = (float)i;
    pb_text(&node, NODE_INPUT, "x");
    pb_text(&node, NODE_INPUT, "");
    pb_text(&node, NODE_OUTPUT, "y");
    pb_text(&node, NODE_OP, "Relu");
    pb_message(&graph, GRAPH_NODE, &node);
    pb_text(&graph, GRAPH_NAME, "g");
    t = pb_float_tensor("large", w, 6000); /* copied in the kernel */
    pb_message(&graph, GRAPH_INIT, &t);
    t = pb_float_tensor("small", w, 3);
    pb_message(&graph, GRAPH_INIT, &t);
    model = pb_model(&graph);
    comes_out(MODEL, &model, NULL);
}

static void test_unknown_fields(void **state)
{
    mq_str graph = { 0 }, node = { 0 }, inner = { 0 }, model;

    (void)state;
    pb_text(&node, NODE_OP, "Relu");
    pb_int(&node, 1000, UINT64_MAX);
    pb_int(&inner, 1, 5);
    pb_message(&node, 536870911, &inner); /* the largest field number */
    pb_message(&graph, GRAPH_NODE, &node);
    pb_fixed32(&graph, 200, 7);
    pb_fixed64(&graph, 201, 8);
    pb_bytes(&graph, 201, "", 0);
    model = pb_model(&graph);
    pb_bytes(&model, 99, "\0\1\2", 3);
    comes_out(MODEL, &model, NULL);
}

/* Fields that are present and empty stay present. */
static void test_presence(void **state)
{
    mq_str t = { 0 };

    (void)state;
    pb_int(&t, TENSOR_TYPE, 0);
    pb_text(&t, TENSOR_NAME, "");
    pb_bytes(&t, TENSOR_RAW, "", 0);
    comes_out(TENSOR, &t, NULL);
    pb_int(&t, TENSOR_TYPE, 1);
    comes_out(TENSOR, &t, NULL);
    comes_out(TENSOR, &(mq_str){ 0 }, NULL);
}

static void test_packed_and_unpacked_lists(void **state)
{
    static const float f[3] = { 1, 2, 3 };
    mq_str t = { 0 }, want = { 0 };

    (void)state;
    pb_bytes(&t, TENSOR_DIMS, "\003\200\001", 3); /* packed: 3, 128 */
    for (int i = 0; i < 3; i++) {
        uint32_t u;
        memcpy(&u, &f[i], sizeof u);
        pb_fixed32(&t, TENSOR_FLOATS, u); /* unpacked */
    }
    pb_int(&t, TENSOR_INT32S, 7);
    pb_bytes(&t, TENSOR_INT32S, "\010\011", 2);
    pb_int(&want, TENSOR_DIMS, 3);
    pb_int(&want, TENSOR_DIMS, 128);
    pb_bytes(&want, TENSOR_FLOATS, f, sizeof f);
    pb_bytes(&want, TENSOR_INT32S, "\007\010\011", 3);
    comes_out(TENSOR, &t, &want);
}

static void test_negative_numbers(void **state)
{
    const Onnx__TensorProto *msg;
    mq_str t = { 0 }, short_form = { 0 };

    (void)state;
    pb_int(&t, TENSOR_DIMS, (uint64_t)-5);
    pb_int(&t, TENSOR_TYPE, (uint64_t)-1); /* ten bytes, as int32 are written */
    comes_out(TENSOR, &t, NULL);
    pb_int(&short_form, TENSOR_TYPE, UINT32_MAX); /* five bytes are understood too */
    msg = unpacked(TENSOR, &short_form);
    assert_int_equal(msg->data_type, -1);
}

static void test_long_varints(void **state)
{
    mq_str t = { 0 }, want = { 0 };

    (void)state;
    pb_varint(&t, TENSOR_TYPE << 3, 2); /* tag, value and length with bytes to spare */
    pb_varint(&t, 1, 5);
    pb_varint(&t, TENSOR_NAME << 3 | 2, 0);
    pb_varint(&t, 1, 4);
    mq_str_add(&t, "w");
    pb_int(&want, TENSOR_TYPE, 1);
    pb_text(&want, TENSOR_NAME, "w");
    comes_out(TENSOR, &t, &want);
}

static void test_last_one_counts(void **state)
{
    mq_str t = { 0 }, want = { 0 };

    (void)state;
    pb_bytes(&t, TENSOR_RAW, "first", 5);
    pb_int(&t, TENSOR_TYPE, 1);
    pb_int(&t, TENSOR_TYPE, 2);
    pb_bytes(&t, TENSOR_RAW, "second", 6);
    pb_int(&want, TENSOR_TYPE, 2);
    pb_bytes(&want, TENSOR_RAW, "second", 6);
    comes_out(TENSOR, &t, &want);
}

/* ---- payloads ------------------------------------------------------------------------------------------------------ */

static void test_raw_data_stay_in_the_file(void **state)
{
    static const float w[4] = { 1, 2, 3, 4 };
    mq_str t = pb_float_tensor("w", w, 4);
    const Onnx__TensorProto *msg = unpacked(TENSOR, &t);

    (void)state;
    assert_int_equal(msg->raw_data.len, sizeof w);
    assert_true(in_buf(msg->raw_data.data, sizeof w));
    assert_memory_equal(msg->raw_data.data, w, sizeof w);
}

static mq_str floats_tensor(uint32_t field, const void *data, size_t n)
{
    mq_str t = { 0 };

    pb_text(&t, TENSOR_NAME, "w");
    pb_bytes(&t, field, data, n);
    return t;
}

static void test_long_floats_stay_in_the_file(void **state)
{
    static double values[3000];
    mq_str t = floats_tensor(TENSOR_FLOATS, values, sizeof values), want = { 0 };
    const Onnx__TensorProto *msg = unpacked(TENSOR, &t);

    (void)state;
    assert_int_equal(msg->n_float_data, 6000);
    assert_true(in_buf(msg->float_data, sizeof values));
    assert_false(msg->has_raw_data);
    t = floats_tensor(TENSOR_DOUBLES, values, sizeof values);
    msg = unpacked(TENSOR, &t);
    assert_int_equal(msg->n_double_data, 3000);
    assert_true(in_buf(msg->double_data, sizeof values));
    t = floats_tensor(TENSOR_FLOATS, values, sizeof values);
    pb_bytes(&want, TENSOR_FLOATS, values, sizeof values);
    pb_text(&want, TENSOR_NAME, "w");
    comes_out(TENSOR, &t, &want);
}

/* Short lists, lists in pieces, and lists beside raw_data are copied. */
static void test_other_floats_are_copied(void **state)
{
    static float values[3000];
    mq_str t = floats_tensor(TENSOR_FLOATS, values, 100);
    const Onnx__TensorProto *msg = unpacked(TENSOR, &t);

    (void)state;
    assert_false(in_buf(msg->float_data, 100));
    t = floats_tensor(TENSOR_FLOATS, values, sizeof values);
    pb_bytes(&t, TENSOR_FLOATS, values, sizeof values);
    msg = unpacked(TENSOR, &t);
    assert_int_equal(msg->n_float_data, 6000);
    assert_false(in_buf(msg->float_data, sizeof values));
    t = floats_tensor(TENSOR_FLOATS, values, sizeof values);
    pb_bytes(&t, TENSOR_RAW, "raw", 3);
    msg = unpacked(TENSOR, &t);
    assert_int_equal(msg->n_float_data, 3000);
    assert_int_equal(msg->raw_data.len, 3);
}

/* Tensors everywhere: initializers, attributes, sparse ones, deep in subgraphs. */
static void test_payloads_deep_inside(void **state)
{
    static const float w[2] = { 5, 6 };
    mq_str t = pb_float_tensor("deep", w, 2), inner = { 0 }, attr = { 0 }, node = { 0 }, graph = { 0 }, model;
    const Onnx__ModelProto *m;

    (void)state;
    pb_message(&inner, GRAPH_INIT, &t);
    pb_text(&attr, ATTR_NAME, "then_branch");
    t = pb_float_tensor("value", w, 1);
    pb_message(&attr, ATTR_T, &t);
    pb_message(&attr, ATTR_G, &inner);
    pb_message(&node, NODE_ATTR, &attr);
    pb_message(&graph, GRAPH_NODE, &node);
    model = pb_model(&graph);
    m = unpacked(MODEL, &model);
    assert_memory_equal(m->graph->node[0]->attribute[0]->g->initializer[0]->raw_data.data, w, sizeof w);
    assert_memory_equal(m->graph->node[0]->attribute[0]->t->raw_data.data, w, sizeof *w);
}

/* A payload that is made later: its room is left, and where it is said. */
static void test_made_payloads(void **state)
{
    static const char want[] = "\x42\1w\x4a\xb8\x17";
    Onnx__TensorProto msg = ONNX__TENSOR_PROTO__INIT;
    mq_payload payload = { .n_bytes = 3000 };
    mq_outfile *f = NULL;
    size_t n;
    char *got;

    (void)state;
    msg.name = (char *)(uintptr_t)"w";
    msg.has_raw_data = 1;
    msg.raw_data = (ProtobufCBinaryData){ 3000, (uint8_t *)&payload };
    assert_int_equal(mq_outfile_open(&f, "made", true, NULL), MQ_OK);
    assert_int_equal(mq_wire_pack(&msg.base, f, &payload, 1, NULL, 0, NULL), MQ_OK);
    assert_int_equal(payload.at, 6);
    assert_int_equal(mq_outfile_pos(f), 3006);
    assert_int_equal(mq_outfile_write_at(f, payload.at + 2999, "!", 1, NULL), MQ_OK);
    assert_int_equal(mq_outfile_commit(f, false, NULL), MQ_OK);
    got = scratch_get("made", &n);
    assert_int_equal(n, 3006);
    assert_memory_equal(got, want, 6);
    assert_int_equal(got[3005], '!');
    free(got);
}

/* ---- broken bytes -------------------------------------------------------------------------------------------------- */

static void refused(const ProtobufCMessageDescriptor *desc, const void *bytes, size_t n, const char *text)
{
    ProtobufCMessage *msg = NULL;
    mq_str in = { 0 };
    mq_error err = { 0 };

    mq_str_add_n(&in, bytes, n);
    assert_int_equal(unpack(desc, &in, &msg, &err), MQ_ERR_INPUT);
    assert_string_equal(err.text, text);
    assert_null(msg);
}

#define REFUSED(desc, bytes, text) refused(desc, bytes, sizeof(bytes) - 1, "in: not a valid ONNX file: " text)

static void test_broken(void **state)
{
    (void)state;
    REFUSED(TENSOR, "\x80", "a field tag is cut short at byte 0");
    REFUSED(TENSOR, "\x10\x01\x80\x80\x80\x80\x80\x80", "a field tag is cut short at byte 2");
    REFUSED(TENSOR, "\x00\x01", "a field number is out of range at byte 0");
    REFUSED(TENSOR, "\xf8\xff\xff\xff\x7f\x01", "a field number is out of range at byte 0");
    REFUSED(TENSOR, "\x10", "a field is longer than what is left at byte 0");
    REFUSED(TENSOR, "\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a field is longer than what is left at byte 0");
    REFUSED(TENSOR, "\x42\x05name", "a field is longer than what is left at byte 0");
    REFUSED(TENSOR, "\x4a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "a field is longer than what is left at byte 0");
    REFUSED(TENSOR, "\x25\x01\x02\x03", "a field is longer than what is left at byte 0");
    REFUSED(TENSOR, "\x13", "an unknown kind of field at byte 0");
    REFUSED(TENSOR, "\x14", "an unknown kind of field at byte 0");
    REFUSED(TENSOR, "\x17", "an unknown kind of field at byte 0");
    REFUSED(TENSOR, "\x12\x01\x00", "a field has the wrong kind at byte 0");
    REFUSED(TENSOR, "\x48\x01", "a field has the wrong kind at byte 0");
    REFUSED(TENSOR, "\x42\x03" "a\0b", "a text with a zero byte at byte 0");
    REFUSED(TENSOR, "\x22\x03" "abc", "a list is cut short at byte 0");
    REFUSED(TENSOR, "\x52\x04" "abcd", "a list is cut short at byte 0");
    REFUSED(TENSOR, "\x2a\x02\x01\x80", "a list is cut short at byte 0");
    REFUSED(MODEL, "\x3a\x04\x12\x05" "ab", "a field is longer than what is left at byte 2");
}

/* A long list that stays in the file must hold whole elements like a short one. */
static void test_long_list_cut_short(void **state)
{
    static char bytes[8195];

    (void)state;
    for (int extra = 1; extra < 8; extra++) {
        mq_str t = floats_tensor(extra < 4 ? TENSOR_FLOATS : TENSOR_DOUBLES, bytes, 8192 - 8 + (size_t)extra);
        ProtobufCMessage *msg = NULL;
        mq_error err = { 0 };
        assert_int_equal(unpack(TENSOR, &t, &msg, &err), MQ_ERR_INPUT);
        assert_string_equal(err.text, "in: not a valid ONNX file: a list is cut short at byte 3");
    }
}

/* Subgraphs in subgraphs: as deep as protobuf's own readers go, and not a step further. */
static mq_status nested(int levels, mq_error *err)
{
    mq_str graph = { 0 }, model;
    ProtobufCMessage *msg = NULL;

    for (int i = 0; i < levels; i++) {
        mq_str attr = { 0 }, node = { 0 };
        pb_message(&attr, ATTR_G, &graph);
        pb_message(&node, NODE_ATTR, &attr);
        pb_message(&graph, GRAPH_NODE, &node);
    }
    model = pb_model(&graph);
    return unpack(MODEL, &model, &msg, err);
}

static void test_depth(void **state)
{
    mq_error err = { 0 };

    (void)state;
    assert_int_equal(nested(33, &err), MQ_OK); /* 1 + 3 * 33 messages below the model */
    assert_int_equal(nested(34, &err), MQ_ERR_INPUT);
    assert_non_null(strstr(err.text, "messages nested more than 100 deep"));
    assert_int_equal(nested(20000, &err), MQ_ERR_INPUT);
}

/* Cut at every byte: refused, or (between two fields) a shorter message. */
static void test_truncated_everywhere(void **state)
{
    static const float w[4] = { 1, 2, 3, 4 };
    mq_str graph = { 0 }, node = { 0 }, model, t = pb_float_tensor("w", w, 4);

    (void)state;
    pb_text(&node, NODE_OP, "Relu");
    pb_message(&graph, GRAPH_NODE, &node);
    pb_message(&graph, GRAPH_INIT, &t);
    model = pb_model(&graph);
    for (size_t n = 0; n < model.n; n++) {
        ProtobufCMessage *msg = NULL;
        mq_error err = { 0 };
        mq_str cut = { 0 };
        mq_status rc;
        mq_str_add_n(&cut, model.s, n);
        rc = unpack(MODEL, &cut, &msg, &err);
        assert_true(rc == MQ_ERR_INPUT || (rc == MQ_OK && mq_wire_size(msg) == n));
    }
    mq_str_release(&model);
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(test_model_comes_out_as_it_went_in),
        WITH_ARENA(test_unknown_fields),
        WITH_ARENA(test_presence),
        WITH_ARENA(test_packed_and_unpacked_lists),
        WITH_ARENA(test_negative_numbers),
        WITH_ARENA(test_long_varints),
        WITH_ARENA(test_last_one_counts),
        WITH_ARENA(test_raw_data_stay_in_the_file),
        WITH_ARENA(test_long_floats_stay_in_the_file),
        WITH_ARENA(test_other_floats_are_copied),
        WITH_ARENA(test_payloads_deep_inside),
        WITH_ARENA(test_made_payloads),
        WITH_ARENA(test_broken),
        WITH_ARENA(test_long_list_cut_short),
        WITH_ARENA(test_depth),
        WITH_ARENA(test_truncated_everywhere),
    };

    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
