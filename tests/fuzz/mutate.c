/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Mutations for libFuzzer that know the structure of a model: messages are unpacked, a few of their fields changed, and
 * packed again, so that lengths stay right and what lies behind the wire format is reached. One mutation in four is
 * libFuzzer's own, of the bytes. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/compiler.h"
#include "base/vec.h"
#include "model/wire.h"
#include "onnx.pb-c.h"
#include "ops/ops.h"

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed);

typedef struct mutation {
    mq_arena *arena;
    ProtobufCAllocator allocator;
    uint64_t random;
    size_t max_size;
    MQ_VEC(ProtobufCMessage *) messages; /* every one of the model */
    MQ_VEC(char *) texts;                /* every string of the model */
} mutation;

static void *arena_alloc(void *arena, size_t size)
{
    return mq_arena_alloc(arena, size);
}

static void arena_free(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

/* xorshift64*: 0..n-1 */
static size_t below(mutation *m, size_t n)
{
    m->random ^= m->random >> 12;
    m->random ^= m->random << 25;
    m->random ^= m->random >> 27;
    return n ? (size_t)((m->random * 0x2545f4914f6cdd1dULL) >> 16) % n : 0;
}

static size_t size_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_SINT64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_DOUBLE:
        return 8;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_MESSAGE:
        return sizeof(void *);
    case PROTOBUF_C_TYPE_BYTES:
        return sizeof(ProtobufCBinaryData);
    default:
        return 4;
    }
}

/* The elements of a field: their place and number; NULL when it is absent. */
static char *elements(const ProtobufCMessage *msg, const ProtobufCFieldDescriptor *d, size_t *n)
{
    const char *member = (const char *)msg + d->offset;
    uint32_t chosen;
    char *list;

    *n = 1;
    if (d->label == PROTOBUF_C_LABEL_REPEATED) {
        memcpy(n, (const char *)msg + d->quantifier_offset, sizeof *n);
        memcpy(&list, member, sizeof list);
        return list;
    }
    if (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        memcpy(&chosen, (const char *)msg + d->quantifier_offset, sizeof chosen);
        *n = chosen == d->id;
    }
    return (char *)member;
}

static void collect(mutation *m, ProtobufCMessage *msg)
{
    if (!mq_vec_push_in(m->arena, &m->messages, msg))
        return;
    for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *d = &msg->descriptor->fields[i];
        size_t n;
        char *p = elements(msg, d, &n);
        for (size_t k = 0; k < n && size_of(d->type) == sizeof(void *); k++) {
            void *e;
            memcpy(&e, p + k * sizeof e, sizeof e);
            if (e && d->type == PROTOBUF_C_TYPE_MESSAGE)
                collect(m, e);
            else if (e && d->type == PROTOBUF_C_TYPE_STRING && !mq_vec_push_in(m->arena, &m->texts, e))
                return;
        }
    }
}

/* A message of that type: a copy of one of the model's, or an empty one. */
static ProtobufCMessage *some_message(mutation *m, const ProtobufCMessageDescriptor *desc)
{
    ProtobufCMessage *found = NULL;
    size_t from = below(m, m->messages.n), size;
    uint8_t *packed;

    for (size_t i = 0; i < m->messages.n && !found; i++) {
        ProtobufCMessage *candidate = m->messages.items[(from + i) % m->messages.n];
        if (candidate->descriptor == desc)
            found = candidate;
    }
    size = found && below(m, 8) ? protobuf_c_message_get_packed_size(found) : 0;
    if (size > m->max_size)
        size = 0;
    if (!(packed = mq_arena_alloc(m->arena, size)))
        return NULL;
    if (size)
        protobuf_c_message_pack(found, packed);
    return protobuf_c_message_unpack(desc, &m->allocator, size, packed);
}

static int64_t some_number(mutation *m)
{
    static const int64_t odd[] = { 0, 1, -1, 2, 3, 7, 8, 64, 100, 127, 255, 1024, 65535, INT_MAX, (int64_t)INT_MAX + 1,
                                   UINT32_MAX, (int64_t)1 << 32, (int64_t)1 << 40, (int64_t)1 << 62, INT64_MAX, INT64_MIN };
    return below(m, 2) ? (int64_t)below(m, 32) : odd[below(m, MQ_ARRAY_LEN(odd))];
}

static const char *some_text(mutation *m)
{
    static const char *const odd[] = { "", "a", "x", "com.microsoft", "ai.onnx.ml", "ai.onnx", "location", "offset",
                                       "length" };
    size_t n;
    const mq_op_schema *schemas = mq_schemas(&n);

    switch (below(m, 6)) {
    case 0:
        return schemas[below(m, n)].name;
    case 1: {
        const mq_op_schema *s = &schemas[below(m, n)];
        return s->n_attrs ? s->attrs[below(m, s->n_attrs)].name : s->name;
    }
    case 2:
        return odd[below(m, MQ_ARRAY_LEN(odd))];
    default:
        return m->texts.n ? m->texts.items[below(m, m->texts.n)] : "";
    }
}

static ProtobufCBinaryData some_bytes(mutation *m, ProtobufCBinaryData old)
{
    size_t n = below(m, 4) ? old.len : below(m, 70);
    uint8_t *p = mq_arena_alloc(m->arena, n);

    if (!p)
        return old;
    if (old.len && n)
        memcpy(p, old.data, n < old.len ? n : old.len);
    if (n)
        p[below(m, n)] = (uint8_t)below(m, 256);
    return (ProtobufCBinaryData){ n, p };
}

static void change_element(mutation *m, const ProtobufCFieldDescriptor *d, char *at)
{
    ProtobufCBinaryData bytes;
    ProtobufCMessage *msg;
    const char *text;
    int64_t v = some_number(m);
    float f = (float)v;
    double g = (double)v;

    switch (d->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        if ((msg = some_message(m, d->descriptor)))
            memcpy(at, &msg, sizeof msg);
        break;
    case PROTOBUF_C_TYPE_STRING:
        text = some_text(m);
        memcpy(at, &text, sizeof text);
        break;
    case PROTOBUF_C_TYPE_BYTES:
        memcpy(&bytes, at, sizeof bytes);
        bytes = some_bytes(m, bytes);
        memcpy(at, &bytes, sizeof bytes);
        break;
    case PROTOBUF_C_TYPE_FLOAT:
        memcpy(at, &f, sizeof f);
        break;
    case PROTOBUF_C_TYPE_DOUBLE:
        memcpy(at, &g, sizeof g);
        break;
    default: /* little endian: the low bytes of the number */
        memcpy(at, &v, size_of(d->type));
    }
}

/* Adds, removes, swaps or changes an element. */
static void change_list(mutation *m, ProtobufCMessage *msg, const ProtobufCFieldDescriptor *d)
{
    size_t n, each = size_of(d->type), i, k;
    char *list = elements(msg, d, &n), *grown, swap[sizeof(ProtobufCBinaryData)];
    unsigned what = (unsigned)below(m, 5);

    i = below(m, n);
    k = below(m, n);
    if (n == 0 || what == 0) {
        if (!(grown = mq_arena_grow(m->arena, list, n, n + 1, each)))
            return;
        memmove(grown + (i + 1) * each, grown + i * each, (n - i) * each);
        memset(grown + i * each, 0, each);
        if (d->type == PROTOBUF_C_TYPE_MESSAGE || d->type == PROTOBUF_C_TYPE_STRING || below(m, 2) || n == 0)
            change_element(m, d, grown + i * each);
        n++;
        memcpy((char *)msg + d->offset, &grown, sizeof grown);
    } else if (what == 1) {
        memmove(list + i * each, list + (i + 1) * each, (n - i - 1) * each);
        n--;
    } else if (what == 2) {
        memcpy(swap, list + i * each, each);
        memmove(list + i * each, list + k * each, each);
        memcpy(list + k * each, swap, each);
    } else {
        change_element(m, d, list + i * each);
    }
    memcpy((char *)msg + d->quantifier_offset, &n, sizeof n);
}

static void change_single(mutation *m, ProtobufCMessage *msg, const ProtobufCFieldDescriptor *d)
{
    char *at = (char *)msg + d->offset;
    bool pointer = d->type == PROTOBUF_C_TYPE_MESSAGE || d->type == PROTOBUF_C_TYPE_STRING;
    uint32_t present = below(m, 4) != 0;

    if (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        size_t n;
        elements(msg, d, &n);
        if (!n)
            memset(at, 0, size_of(d->type));
        present = present ? d->id : 0;
    }
    if (present)
        change_element(m, d, at);
    else if (pointer)
        memset(at, 0, sizeof(void *));
    if (!pointer || (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF))
        memcpy((char *)msg + d->quantifier_offset, &present, sizeof present);
}

static void change_something(mutation *m)
{
    ProtobufCMessage *msg = m->messages.items[below(m, m->messages.n)];
    const ProtobufCFieldDescriptor *d;

    if (!msg->descriptor->n_fields)
        return;
    d = &msg->descriptor->fields[below(m, msg->descriptor->n_fields)];
    if (d->label == PROTOBUF_C_LABEL_REPEATED)
        change_list(m, msg, d);
    else
        change_single(m, msg, d);
}

/* 0: not a model, or too large afterwards. */
static size_t change_model(mutation *m, uint8_t *data, size_t size)
{
    const mq_buf buf = { .data = data, .size = size, .fd = -1, .refs = 1 };
    ProtobufCMessage *msg = NULL;
    uint8_t *packed;
    size_t n;

    if (mq_wire_unpack(&msg, &onnx__model_proto__descriptor, &buf, m->arena, "", NULL) != MQ_OK)
        return 0;
    collect(m, msg);
    for (size_t i = 1 + below(m, 4); i-- > 0;)
        change_something(m);
    n = protobuf_c_message_get_packed_size(msg);
    if (n > m->max_size || !(packed = mq_arena_alloc(m->arena, n)))
        return 0;
    protobuf_c_message_pack(msg, packed); /* payloads still lie in data */
    memcpy(data, packed, n);
    return n;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned int seed)
{
    mutation m = { .arena = mq_arena_create(), .random = seed * 0x9e3779b97f4a7c15ULL + 1, .max_size = max_size };
    size_t n = 0;

    m.allocator = (ProtobufCAllocator){ arena_alloc, arena_free, m.arena };
    if (m.arena && below(&m, 4))
        n = change_model(&m, data, size);
    mq_arena_free(m.arena);
    return n ? n : LLVMFuzzerMutate(data, size, max_size);
}
