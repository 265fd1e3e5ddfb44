/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Takes texts out of the messages that a model was read from, wherever they stand: found by the names of the fields. */
#include "model/onnx_info.h"

#include <string.h>

#include "onnx.pb-c.h"

static void strip_message(ProtobufCMessage *msg, bool docs, bool metadata);

/* A field that holds messages: one, or a list of them. */
static void strip_inside(ProtobufCMessage *msg, const ProtobufCFieldDescriptor *f, bool docs, bool metadata)
{
    void *at = (char *)msg + f->offset, *p;
    size_t n = 1;

    memcpy(&p, at, sizeof p);
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        memcpy(&n, (char *)msg + f->quantifier_offset, sizeof n);
    else if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF)
        n = *(const uint32_t *)(const void *)((char *)msg + f->quantifier_offset) == f->id;
    if (!p)
        return;
    for (size_t i = 0; i < n; i++)
        strip_message(f->label == PROTOBUF_C_LABEL_REPEATED ? ((ProtobufCMessage **)p)[i] : p, docs, metadata);
}

static void strip_message(ProtobufCMessage *msg, bool docs, bool metadata)
{
    for (unsigned i = 0; i < msg->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *f = &msg->descriptor->fields[i];
        char *const no_text = NULL;
        const size_t none = 0;

        if (docs && strcmp(f->name, "doc_string") == 0)
            memcpy((char *)msg + f->offset, &no_text, sizeof no_text);
        else if (metadata && strcmp(f->name, "metadata_props") == 0)
            memcpy((char *)msg + f->quantifier_offset, &none, sizeof none);
        else if (f->type == PROTOBUF_C_TYPE_MESSAGE)
            strip_inside(msg, f, docs, metadata);
    }
}

void mq_onnx_strip(mq_model *m, bool docs, bool metadata)
{
    if (m->origin)
        strip_message((ProtobufCMessage *)(uintptr_t)m->origin, docs, metadata);
}
