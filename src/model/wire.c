/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The wire format (Protocol Buffers encoding specification), driven by protobuf-c's descriptors. */
#include "model/wire.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "onnx.pb-c.h"

enum {
    MAX_DEPTH = 100, /* as protobuf's own readers */
    LONG_DATA = 4096, /* float_data from here on stays in the file */
    FIELD_FLOAT_DATA = 4,
    FIELD_RAW_DATA = 9,
    FIELD_DOUBLE_DATA = 10,
};

enum wire_type { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_LEN = 2, WIRE_32 = 5 };

/* What stands in raw_data of the skeleton: the field it came from and where its bytes are. */
struct token {
    uint64_t field, offset, length;
};

struct scan {
    const mq_buf *buf;
    const char *name;
    uint8_t *out; /* the skeleton */
    size_t n, cap;
    mq_error *err;
};

static mq_status corrupt(const struct scan *s, const uint8_t *at, const char *what)
{
    return mq_fail(s->err, MQ_ERR_INPUT, "%s: not a valid ONNX file: %s at byte %zu", s->name, what,
                   (size_t)(at - s->buf->data));
}

static mq_status emit(struct scan *s, const void *p, size_t n)
{
    if (s->cap - s->n < n) {
        size_t cap = s->cap ? s->cap : 4096;
        uint8_t *grown;
        while (cap - s->n < n)
            cap *= 2;
        if (!(grown = realloc(s->out, cap)))
            return mq_oom(s->err);
        s->out = grown;
        s->cap = cap;
    }
    if (n)
        memcpy(s->out + s->n, p, n);
    s->n += n;
    return MQ_OK;
}

/* Reads a varint of at most `most` bytes; NULL when it does not end before `end`. */
static const uint8_t *read_varint(const uint8_t *p, const uint8_t *end, int most, uint64_t *v)
{
    *v = 0;
    for (int i = 0; i < most && p < end; i++) {
        *v |= (uint64_t)(*p & 0x7f) << (7 * i);
        if (!(*p++ & 0x80))
            return p;
    }
    return NULL;
}

/* One field: where it starts, its number and type, and its content (for varints: the encoded bytes). */
struct field {
    const uint8_t *start, *content, *end;
    uint32_t number;
    int type;
};

static mq_status next_field(const struct scan *s, const uint8_t *p, const uint8_t *end, struct field *f)
{
    uint64_t v, length;

    f->start = p;
    if (!(p = read_varint(p, end, 5, &v)))
        return corrupt(s, f->start, "a field tag is cut short");
    f->number = (uint32_t)(v >> 3);
    f->type = (int)(v & 7);
    if (f->number == 0 || v > UINT32_MAX)
        return corrupt(s, f->start, "a field number is out of range");
    f->content = p;
    switch (f->type) {
    case WIRE_VARINT:
        f->end = read_varint(p, end, 10, &v);
        break;
    case WIRE_64:
        f->end = end - p >= 8 ? p + 8 : NULL;
        break;
    case WIRE_32:
        f->end = end - p >= 4 ? p + 4 : NULL;
        break;
    case WIRE_LEN:
        p = read_varint(p, end, 10, &length);
        f->content = p;
        f->end = p && length <= (uint64_t)(end - p) ? p + length : NULL;
        break;
    default: /* 3 and 4 are groups, which ONNX never had and protobuf-c does not keep */
        return corrupt(s, f->start, "an unknown kind of field");
    }
    return f->end ? MQ_OK : corrupt(s, f->start, "a field is longer than what is left");
}

static bool is_packable(ProtobufCType t)
{
    return t != PROTOBUF_C_TYPE_STRING && t != PROTOBUF_C_TYPE_BYTES && t != PROTOBUF_C_TYPE_MESSAGE;
}

/* Would protobuf-c take this wire type for that field? */
static bool type_fits(const ProtobufCFieldDescriptor *d, int wire)
{
    if (wire == WIRE_LEN)
        return !is_packable(d->type) || d->label == PROTOBUF_C_LABEL_REPEATED;
    switch (d->type) {
    case PROTOBUF_C_TYPE_FLOAT:
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
        return wire == WIRE_32;
    case PROTOBUF_C_TYPE_DOUBLE:
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
        return wire == WIRE_64;
    default:
        return is_packable(d->type) && wire == WIRE_VARINT;
    }
}

/* A packed list must hold whole elements. */
static bool packed_is_whole(const ProtobufCFieldDescriptor *d, const struct field *f)
{
    size_t n = (size_t)(f->end - f->content);

    if (f->type != WIRE_LEN || !is_packable(d->type))
        return true;
    if (type_fits(d, WIRE_32))
        return n % 4 == 0;
    if (type_fits(d, WIRE_64))
        return n % 8 == 0;
    for (const uint8_t *p = f->content; p < f->end;) {
        uint64_t v;
        if (!(p = read_varint(p, f->end, 10, &v)))
            return false;
    }
    return true;
}

static mq_status emit_token(struct scan *s, const struct field *f)
{
    struct token t = { f->number, (uint64_t)(f->content - s->buf->data), (uint64_t)(f->end - f->content) };
    uint8_t head[2] = { FIELD_RAW_DATA << 3 | WIRE_LEN, sizeof t };
    mq_status rc = emit(s, head, sizeof head);
    return rc == MQ_OK ? emit(s, &t, sizeof t) : rc;
}

/* Which of a tensor's fields can stay in the file besides raw_data: float_data or double_data when it is long, in one
 * piece, and alone. 0: none. */
static uint32_t long_field(const struct scan *s, const uint8_t *p, const uint8_t *end)
{
    uint32_t found = 0;
    struct field f;

    for (; p < end; p = f.end) {
        if (next_field(s, p, end, &f) != MQ_OK)
            return 0;
        if (f.number != FIELD_FLOAT_DATA && f.number != FIELD_DOUBLE_DATA && f.number != FIELD_RAW_DATA)
            continue;
        if (found || f.number == FIELD_RAW_DATA || f.type != WIRE_LEN || f.end - f.content < LONG_DATA)
            return 0;
        found = f.number;
    }
    return found;
}

static mq_status scan_message(struct scan *s, const ProtobufCMessageDescriptor *desc, const uint8_t *p,
                              const uint8_t *end, int depth);

/* A message inside a message: its length is written with padding to five bytes, so that it can be filled in afterwards. */
static mq_status scan_submessage(struct scan *s, const ProtobufCFieldDescriptor *d, const struct field *f, int depth)
{
    static const uint8_t room[5];
    size_t at, length;
    uint8_t tag[5];
    int n = 0;
    mq_status rc;

    for (uint32_t v = f->number << 3 | WIRE_LEN; v; v >>= 7)
        tag[n++] = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
    if ((rc = emit(s, tag, (size_t)n)) != MQ_OK)
        return rc;
    at = s->n;
    if ((rc = emit(s, room, sizeof room)) != MQ_OK ||
        (rc = scan_message(s, d->descriptor, f->content, f->end, depth + 1)) != MQ_OK)
        return rc;
    length = s->n - at - sizeof room;
    if (length > INT_MAX)
        return corrupt(s, f->start, "more than 2 GB of structure");
    for (int i = 0; i < 5; i++)
        s->out[at + (size_t)i] = (uint8_t)((length >> (7 * i) & 0x7f) | (i < 4 ? 0x80 : 0));
    return MQ_OK;
}

static mq_status scan_field(struct scan *s, const ProtobufCMessageDescriptor *desc, const struct field *f, uint32_t stays,
                            int depth)
{
    const ProtobufCFieldDescriptor *d = protobuf_c_message_descriptor_get_field(desc, f->number);
    bool tensor = desc == &onnx__tensor_proto__descriptor;
    size_t n = (size_t)(f->end - f->content);

    if (!d) /* unknown fields are kept by protobuf-c as they are */
        return emit(s, f->start, (size_t)(f->end - f->start));
    if (!type_fits(d, f->type))
        return corrupt(s, f->start, "a field has the wrong kind");
    if (!packed_is_whole(d, f))
        return corrupt(s, f->start, "a list is cut short");
    if (tensor && (f->number == FIELD_RAW_DATA || f->number == stays))
        return emit_token(s, f);
    if (d->type == PROTOBUF_C_TYPE_MESSAGE)
        return scan_submessage(s, d, f, depth);
    if (n > INT_MAX)
        return corrupt(s, f->start, "a field of more than 2 GB");
    if (d->type == PROTOBUF_C_TYPE_STRING && n && memchr(f->content, 0, n))
        return corrupt(s, f->start, "a text with a zero byte");
    return emit(s, f->start, (size_t)(f->end - f->start));
}

static mq_status scan_message(struct scan *s, const ProtobufCMessageDescriptor *desc, const uint8_t *p,
                              const uint8_t *end, int depth)
{
    uint32_t stays = desc == &onnx__tensor_proto__descriptor ? long_field(s, p, end) : 0;
    struct field f;
    mq_status rc = MQ_OK;

    if (depth > MAX_DEPTH)
        return corrupt(s, p, "messages nested more than 100 deep");
    for (; rc == MQ_OK && p < end; p = f.end) {
        rc = next_field(s, p, end, &f);
        if (rc == MQ_OK)
            rc = scan_field(s, desc, &f, stays, depth);
        if (rc != MQ_OK)
            break;
    }
    return rc;
}

/* ---- unpacking ---------------------------------------------------------------------------------------------------- */

static void *arena_alloc(void *arena, size_t size)
{
    return mq_arena_alloc(arena, size);
}

static void arena_free(void *arena, void *p)
{
    (void)arena;
    (void)p;
}

static void place_payload(Onnx__TensorProto *t, const mq_buf *buf)
{
    struct token token;
    const void *bytes;

    if (!t->has_raw_data)
        return;
    memcpy(&token, t->raw_data.data, sizeof token);
    bytes = buf->data + token.offset;
    if (token.field == FIELD_RAW_DATA) {
        t->raw_data = (ProtobufCBinaryData){ token.length, (uint8_t *)bytes };
        return;
    }
    t->has_raw_data = 0;
    t->raw_data = (ProtobufCBinaryData){ 0, NULL };
    if (token.field == FIELD_FLOAT_DATA) {
        t->n_float_data = token.length / sizeof(float);
        t->float_data = (float *)bytes; /* not aligned: only ever copied as bytes */
    } else {
        t->n_double_data = token.length / sizeof(double);
        t->double_data = (double *)bytes;
    }
}

/* Visits every message below msg and puts the tensors' payloads in place. Depth was bounded by the scan. */
static void place_payloads(ProtobufCMessage *msg, const mq_buf *buf)
{
    const ProtobufCMessageDescriptor *desc = msg->descriptor;

    if (desc == &onnx__tensor_proto__descriptor)
        place_payload((Onnx__TensorProto *)msg, buf);
    for (unsigned i = 0; i < desc->n_fields; i++) {
        const ProtobufCFieldDescriptor *d = &desc->fields[i];
        const void *member = (const char *)msg + d->offset;
        size_t n = 1;
        if (d->type != PROTOBUF_C_TYPE_MESSAGE)
            continue;
        if (d->label == PROTOBUF_C_LABEL_REPEATED) {
            memcpy(&n, (const char *)msg + d->quantifier_offset, sizeof n);
            member = *(void *const *)member;
        } else if (d->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
            uint32_t chosen;
            memcpy(&chosen, (const char *)msg + d->quantifier_offset, sizeof chosen);
            n = chosen == d->id;
        }
        for (size_t k = 0; k < n; k++)
            if (((ProtobufCMessage *const *)member)[k])
                place_payloads(((ProtobufCMessage *const *)member)[k], buf);
    }
}

mq_status mq_wire_unpack(ProtobufCMessage **out, const ProtobufCMessageDescriptor *desc, const mq_buf *buf,
                         mq_arena *arena, const char *name, mq_error *err)
{
    struct scan s = { .buf = buf, .name = name, .err = err };
    ProtobufCAllocator allocator = { arena_alloc, arena_free, arena };
    mq_status rc = scan_message(&s, desc, buf->data, buf->data + buf->size, 0);
    ProtobufCMessage *msg;

    if (rc == MQ_OK) {
        msg = protobuf_c_message_unpack(desc, &allocator, s.n, s.out ? s.out : buf->data);
        if (msg) {
            place_payloads(msg, buf);
            *out = msg;
        } else { /* the scan has checked everything else that protobuf-c refuses */
            rc = mq_oom(err);
        }
    }
    free(s.out);
    return rc;
}

/* ---- packing ------------------------------------------------------------------------------------------------------ */

struct pack_sink {
    ProtobufCBuffer base;
    mq_outfile *f;
    mq_payload *payloads;
    size_t n_payloads;
    mq_buf *const *bufs;
    size_t n_bufs;
    uint8_t small[1 << 15]; /* many tiny appends become few writes */
    size_t n_small;
    mq_status rc;
    mq_error *err;
};

static void flush_small(struct pack_sink *s)
{
    if (s->rc == MQ_OK && s->n_small)
        s->rc = mq_outfile_write(s->f, s->small, s->n_small, s->err);
    s->n_small = 0;
}

/* The payload that a pointer stands for, or NULL. Pointers are compared as numbers: they may be of any object. */
static mq_payload *payload_at(const struct pack_sink *s, const uint8_t *data)
{
    uintptr_t p = (uintptr_t)data, from = (uintptr_t)s->payloads;
    return p >= from && p < from + s->n_payloads * sizeof *s->payloads ? &s->payloads[(p - from) / sizeof *s->payloads]
                                                                        : NULL;
}

static const mq_buf *mapped_at(const struct pack_sink *s, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < s->n_bufs; i++) {
        const mq_buf *b = s->bufs[i];
        if (b->fd >= 0 && (uintptr_t)data >= (uintptr_t)b->data && (uintptr_t)data + len <= (uintptr_t)b->data + b->size)
            return b;
    }
    return NULL;
}

static void append(ProtobufCBuffer *base, size_t len, const uint8_t *data)
{
    struct pack_sink *s = (struct pack_sink *)base;
    mq_payload *payload = payload_at(s, data);
    const mq_buf *mapped;

    if (s->rc != MQ_OK || len == 0)
        return;
    if (!payload && len <= sizeof s->small / 4) {
        if (s->n_small + len > sizeof s->small)
            flush_small(s);
        memcpy(s->small + s->n_small, data, len);
        s->n_small += len;
        return;
    }
    flush_small(s);
    if (s->rc != MQ_OK)
        return;
    if (payload) {
        payload->at = mq_outfile_pos(s->f);
        s->rc = mq_outfile_reserve(s->f, len, s->err);
    } else if ((mapped = mapped_at(s, data, len))) {
        s->rc = mq_outfile_copy(s->f, mapped->fd, (uint64_t)(data - mapped->data), len, s->err);
    } else {
        s->rc = mq_outfile_write(s->f, data, len, s->err);
    }
}

mq_status mq_wire_pack(const ProtobufCMessage *msg, mq_outfile *f, mq_payload *payloads, size_t n_payloads,
                       mq_buf *const *bufs, size_t n_bufs, mq_error *err)
{
    struct pack_sink *s = calloc(1, sizeof *s);
    mq_status rc;

    if (!s)
        return mq_oom(err);
    s->base.append = append;
    s->f = f;
    s->payloads = payloads;
    s->n_payloads = n_payloads;
    s->bufs = bufs;
    s->n_bufs = n_bufs;
    s->err = err;
    protobuf_c_message_pack_to_buffer(msg, &s->base);
    flush_small(s);
    rc = s->rc;
    free(s);
    return rc;
}

uint64_t mq_wire_size(const ProtobufCMessage *msg)
{
    return protobuf_c_message_get_packed_size(msg);
}
