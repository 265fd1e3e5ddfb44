/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A reader of models as text (text_format.h): writes the wire format as it reads, so that it can say things that no
 * library would write. */
#include "text_format.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.pb-c.h"

struct bytes {
    uint8_t *p;
    size_t n, cap;
};

static _Noreturn void stop(const char *what, const char *at)
{
    fprintf(stderr, "text_format: %s at: %.60s\n", what, at);
    exit(2);
}

static void add(struct bytes *b, const void *p, size_t n)
{
    if (b->cap - b->n < n) {
        b->cap = (b->n + n) * 2;
        if (!(b->p = realloc(b->p, b->cap)))
            stop("out of memory", "");
    }
    if (n)
        memcpy(b->p + b->n, p, n);
    b->n += n;
}

static void add_varint(struct bytes *b, uint64_t v)
{
    do {
        uint8_t byte = (uint8_t)((v & 0x7f) | (v > 0x7f ? 0x80 : 0));
        add(b, &byte, 1);
    } while (v >>= 7);
}

static void add_long(struct bytes *b, uint32_t field, const void *p, size_t n)
{
    add_varint(b, field << 3 | 2);
    add_varint(b, n);
    add(b, p, n);
}

/* Small floats of both signs, whatever the bytes are taken for. */
static void add_noise(struct bytes *b, uint32_t field, size_t n)
{
    uint32_t x = 1;

    add_varint(b, field << 3 | 2);
    add_varint(b, n);
    for (size_t i = 0; i < n; i += 4) {
        uint32_t word;
        x = x * 1664525 + 1013904223;
        word = (x & 0x807fffff) | 0x3d000000;
        add(b, &word, n - i < 4 ? n - i : 4);
    }
}

static const char *add_value(struct bytes *out, const ProtobufCFieldDescriptor *d, const char *s)
{
    char *end;
    float f;

    if (*s == '\'') {
        const char *close = strchr(s + 1, '\'');
        if (!close)
            stop("a text does not end", s);
        add_long(out, d->id, s + 1, (size_t)(close - s - 1));
        return close + 1;
    }
    if (*s == '@') {
        add_noise(out, d->id, strtoull(s + 1, &end, 10));
    } else if (d->type == PROTOBUF_C_TYPE_FLOAT) {
        f = strtof(s, &end);
        add_varint(out, d->id << 3 | 5);
        add(out, &f, sizeof f);
    } else {
        add_varint(out, d->id << 3);
        add_varint(out, (uint64_t)strtoll(s, &end, 0));
    }
    if (end == s)
        stop("a value is missing", s);
    return end;
}

static const char *add_message(struct bytes *out, const ProtobufCMessageDescriptor *desc, const char *s)
{
    for (;;) {
        const ProtobufCFieldDescriptor *d;
        char name[64];
        size_t n;

        s += strspn(s, " \n");
        if (!*s || *s == '}')
            return s;
        n = strspn(s, "abcdefghijklmnopqrstuvwxyz_0123456789");
        snprintf(name, sizeof name, "%.*s", (int)n, s);
        if (!(d = protobuf_c_message_descriptor_get_field_by_name(desc, name)))
            stop("no such field", s);
        s += n;
        if (*s == ':') {
            s = add_value(out, d, s + 1);
        } else if (*s == '{' && d->type == PROTOBUF_C_TYPE_MESSAGE) {
            struct bytes inner = { 0 };
            s = add_message(&inner, d->descriptor, s + 1);
            if (*s++ != '}')
                stop("a brace is missing", s - 1);
            add_long(out, d->id, inner.p, inner.n);
            free(inner.p);
        } else {
            stop("neither a value nor a message", s);
        }
    }
}

uint8_t *text_to_model(const char *text, size_t *size)
{
    struct bytes out = { 0 };

    if (*add_message(&out, &onnx__model_proto__descriptor, text))
        stop("a brace too many", text);
    *size = out.n;
    return out.p;
}
