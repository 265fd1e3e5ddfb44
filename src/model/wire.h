/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Protocol buffer messages whose large payloads stay where they are.
 *
 * Reading: one pass over the wire format checks every tag, length and depth, and copies everything but tensor payloads
 * (raw_data; float_data and double_data when long) into a skeleton, which protobuf-c unpacks into an arena; then each
 * TensorProto's payload pointer is set to the bytes in the mapped file. Writing: protobuf-c packs the structure into a
 * sink, which recognizes payload pointers and splices the bytes. */
#ifndef MQ_MODEL_WIRE_H
#define MQ_MODEL_WIRE_H

#include <protobuf-c/protobuf-c.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "graph/graph.h"

/* Unpacks a message; it and all below it live in the arena, payloads in buf (borrowed: must outlive the message).
 * `name` is for messages. Errors: MQ_ERR_INPUT with the byte offset, MQ_ERR_NOMEM. */
mq_status mq_wire_unpack(ProtobufCMessage **out, const ProtobufCMessageDescriptor *desc, const mq_buf *buf,
                         mq_arena *arena, const char *name, mq_error *err);

/* A payload that is made while it is written: put `token` where the bytes would be (as raw_data.data). */
typedef struct mq_payload {
    const mq_maker *maker;
    uint64_t n_bytes;
    uint64_t at; /* offset in the output, set by mq_wire_pack */
} mq_payload;

/* Packs a message to the end of f. Bytes fields whose data pointer is &payloads[i] are left out: room is reserved, and
 * payloads[i].at says where. Bytes that lie in one of `bufs` (mapped files) are copied in the kernel. */
mq_status mq_wire_pack(const ProtobufCMessage *msg, mq_outfile *f, mq_payload *payloads, size_t n_payloads,
                       mq_buf *const *bufs, size_t n_bufs, mq_error *err);

/* Size that the message will have, payloads included. */
uint64_t mq_wire_size(const ProtobufCMessage *msg);

#endif
