/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "model/tensor_file.h"

#include <stdlib.h>
#include <string.h>

#include "model/onnx_read.h"
#include "model/onnx_write.h"

/* ---- reading ------------------------------------------------------------------------------------------------------ */

static mq_status read_sequence(mq_model *m, const Onnx__SequenceProto *msg, mq_datum **out, mq_error *err);
static mq_status read_map(mq_model *m, const Onnx__MapProto *msg, mq_datum **out, mq_error *err);
static mq_status read_optional(mq_model *m, const Onnx__OptionalProto *msg, mq_datum **out, mq_error *err);

static mq_datum *new_datum(mq_model *m, mq_type_kind kind, const char *name, size_t n_items)
{
    mq_datum *d = mq_arena_alloc(m->arena, sizeof *d);

    if (!d || !(d->items = mq_arena_calloc(m->arena, n_items, sizeof(mq_datum *))))
        return NULL;
    d->kind = kind;
    d->name = name ? name : "";
    d->n = n_items;
    return d;
}

static mq_status read_tensor(mq_model *m, const Onnx__TensorProto *msg, mq_datum **out, mq_error *err)
{
    mq_datum *d = new_datum(m, MQ_TYPE_TENSOR, msg->name, 0);

    if (!d)
        return mq_oom(err);
    *out = d;
    return mq_onnx_read_tensor(m, msg, &d->tensor, err);
}

static mq_status read_sparse(mq_model *m, const Onnx__SparseTensorProto *msg, mq_datum **out, mq_error *err)
{
    mq_datum *d = new_datum(m, MQ_TYPE_SPARSE_TENSOR, msg->values ? msg->values->name : NULL, 0);

    if (!d)
        return mq_oom(err);
    *out = d;
    return mq_onnx_read_sparse(m, msg, &d->sparse, err);
}

/* Reads each of a message's lists; a sequence has one kind of element, so the others are empty. */
#define READ_ALL(d, at, msgs, count, read)                                     \
    for (size_t i_ = 0; rc == MQ_OK && i_ < (count); i_++)                     \
        rc = read(m, (msgs)[i_], &(d)->items[(at)++], err)

static mq_status read_sequence(mq_model *m, const Onnx__SequenceProto *msg, mq_datum **out, mq_error *err)
{
    size_t at = 0, n = msg->n_tensor_values + msg->n_sparse_tensor_values + msg->n_sequence_values + msg->n_map_values +
                       msg->n_optional_values;
    mq_datum *d = new_datum(m, MQ_TYPE_SEQUENCE, msg->name, n);
    mq_status rc = d ? MQ_OK : mq_oom(err);

    if (!d)
        return rc;
    *out = d;
    READ_ALL(d, at, msg->tensor_values, msg->n_tensor_values, read_tensor);
    READ_ALL(d, at, msg->sparse_tensor_values, msg->n_sparse_tensor_values, read_sparse);
    READ_ALL(d, at, msg->sequence_values, msg->n_sequence_values, read_sequence);
    READ_ALL(d, at, msg->map_values, msg->n_map_values, read_map);
    READ_ALL(d, at, msg->optional_values, msg->n_optional_values, read_optional);
    return rc;
}

/* The keys of a map as a tensor of their own. */
static mq_status read_keys(mq_model *m, const Onnx__MapProto *msg, mq_tensor **out, mq_error *err)
{
    Onnx__TensorProto *keys = mq_arena_alloc(m->arena, sizeof *keys);
    int64_t *dims = mq_arena_alloc(m->arena, sizeof *dims);
    size_t n = msg->n_keys ? msg->n_keys : msg->n_string_keys;

    if (!keys || !dims)
        return mq_oom(err);
    onnx__tensor_proto__init(keys);
    *dims = (int64_t)n;
    keys->n_dims = 1;
    keys->dims = dims;
    keys->has_data_type = 1;
    keys->data_type = msg->key_type;
    keys->n_string_data = msg->n_string_keys;
    keys->string_data = msg->string_keys;
    keys->n_int64_data = msg->n_keys; /* MapProto holds every integer key as int64 */
    keys->int64_data = msg->keys;
    return mq_onnx_read_tensor(m, keys, out, err);
}

static mq_status read_map(mq_model *m, const Onnx__MapProto *msg, mq_datum **out, mq_error *err)
{
    mq_datum *d = new_datum(m, MQ_TYPE_MAP, msg->name, msg->values != NULL);
    mq_status rc;

    if (!d)
        return mq_oom(err);
    *out = d;
    rc = read_keys(m, msg, &d->tensor, err);
    return rc == MQ_OK && d->n ? read_sequence(m, msg->values, &d->items[0], err) : rc;
}

static mq_status read_optional(mq_model *m, const Onnx__OptionalProto *msg, mq_datum **out, mq_error *err)
{
    mq_datum *d = new_datum(m, MQ_TYPE_OPTIONAL, msg->name, 1);

    if (!d)
        return mq_oom(err);
    *out = d;
    if (msg->tensor_value)
        return read_tensor(m, msg->tensor_value, &d->items[0], err);
    if (msg->sparse_tensor_value)
        return read_sparse(m, msg->sparse_tensor_value, &d->items[0], err);
    if (msg->sequence_value)
        return read_sequence(m, msg->sequence_value, &d->items[0], err);
    if (msg->map_value)
        return read_map(m, msg->map_value, &d->items[0], err);
    if (msg->optional_value)
        return read_optional(m, msg->optional_value, &d->items[0], err);
    d->n = 0;
    return MQ_OK;
}

static const ProtobufCMessageDescriptor *descriptor_of(mq_type_kind kind)
{
    switch (kind) {
    case MQ_TYPE_SEQUENCE: return &onnx__sequence_proto__descriptor;
    case MQ_TYPE_MAP: return &onnx__map_proto__descriptor;
    case MQ_TYPE_OPTIONAL: return &onnx__optional_proto__descriptor;
    case MQ_TYPE_SPARSE_TENSOR: return &onnx__sparse_tensor_proto__descriptor;
    default: return &onnx__tensor_proto__descriptor;
    }
}

mq_status mq_datum_load(mq_model *m, const char *path, const mq_type *type, mq_datum **out, mq_error *err)
{
    mq_type_kind kind = type && type->kind ? type->kind : MQ_TYPE_TENSOR;
    ProtobufCMessage *msg = NULL;
    mq_buf *buf = NULL;
    mq_status rc;

    if ((rc = mq_buf_map(&buf, path, err)) != MQ_OK || (rc = mq_model_keep_buf(m, buf, err)) != MQ_OK)
        return rc;
    if ((rc = mq_wire_unpack(&msg, descriptor_of(kind), buf, m->arena, path, err)) != MQ_OK)
        return rc;
    switch (kind) {
    case MQ_TYPE_SEQUENCE: return read_sequence(m, (Onnx__SequenceProto *)msg, out, err);
    case MQ_TYPE_MAP: return read_map(m, (Onnx__MapProto *)msg, out, err);
    case MQ_TYPE_OPTIONAL: return read_optional(m, (Onnx__OptionalProto *)msg, out, err);
    case MQ_TYPE_SPARSE_TENSOR: return read_sparse(m, (Onnx__SparseTensorProto *)msg, out, err);
    default: return read_tensor(m, (Onnx__TensorProto *)msg, out, err);
    }
}

/* ---- writing ------------------------------------------------------------------------------------------------------ */

static mq_status write_sequence(mq_write_plan *p, const mq_datum *d, Onnx__SequenceProto **out, mq_error *err);
static mq_status write_map(mq_write_plan *p, const mq_datum *d, Onnx__MapProto **out, mq_error *err);
static mq_status write_optional(mq_write_plan *p, const mq_datum *d, Onnx__OptionalProto **out, mq_error *err);

/* A fresh message with its name set. */
#define NEW_MSG(p, d, msg, init_fn)                                                      \
    (((msg) = mq_arena_alloc((p)->arena, sizeof *(msg))) != NULL &&                      \
     (init_fn(msg), !(d)->name[0] || ((msg)->name = mq_arena_strdup((p)->arena, (d)->name)) != NULL))

static mq_status write_tensor(mq_write_plan *p, const mq_datum *d, Onnx__TensorProto **out, mq_error *err)
{
    return mq_onnx_write_tensor(p, d->tensor, false, out, err);
}

static mq_status write_sparse(mq_write_plan *p, const mq_datum *d, Onnx__SparseTensorProto **out, mq_error *err)
{
    Onnx__SparseTensorProto *msg = mq_arena_alloc(p->arena, sizeof *msg);
    mq_status rc;

    if (!msg)
        return mq_oom(err);
    onnx__sparse_tensor_proto__init(msg);
    msg->n_dims = (size_t)d->sparse->n_dims;
    msg->dims = d->sparse->dims;
    *out = msg;
    rc = mq_onnx_write_tensor(p, d->sparse->values, false, &msg->values, err);
    return rc == MQ_OK ? mq_onnx_write_tensor(p, d->sparse->indices, false, &msg->indices, err) : rc;
}

/* Which of SequenceProto.DataType an element is (OptionalProto has the same numbers). */
static int element_type(mq_type_kind kind)
{
    switch (kind) {
    case MQ_TYPE_TENSOR: return ONNX__SEQUENCE_PROTO__DATA_TYPE__TENSOR;
    case MQ_TYPE_SPARSE_TENSOR: return ONNX__SEQUENCE_PROTO__DATA_TYPE__SPARSE_TENSOR;
    case MQ_TYPE_SEQUENCE: return ONNX__SEQUENCE_PROTO__DATA_TYPE__SEQUENCE;
    case MQ_TYPE_MAP: return ONNX__SEQUENCE_PROTO__DATA_TYPE__MAP;
    case MQ_TYPE_OPTIONAL: return ONNX__SEQUENCE_PROTO__DATA_TYPE__OPTIONAL;
    default: return ONNX__SEQUENCE_PROTO__DATA_TYPE__UNDEFINED;
    }
}

#define WRITE_ALL(field, write)                                                          \
    do {                                                                                 \
        if (!(msg->field = mq_arena_calloc(p->arena, d->n, sizeof *msg->field)))         \
            return mq_oom(err);                                                          \
        msg->n_##field = d->n;                                                           \
        for (size_t i_ = 0; rc == MQ_OK && i_ < d->n; i_++)                              \
            rc = write(p, d->items[i_], &msg->field[i_], err);                           \
    } while (0)

static mq_status write_sequence(mq_write_plan *p, const mq_datum *d, Onnx__SequenceProto **out, mq_error *err)
{
    Onnx__SequenceProto *msg;
    mq_type_kind kind = d->n ? d->items[0]->kind : MQ_TYPE_TENSOR;
    mq_status rc = MQ_OK;

    if (!NEW_MSG(p, d, msg, onnx__sequence_proto__init))
        return mq_oom(err);
    *out = msg;
    msg->has_elem_type = 1;
    msg->elem_type = element_type(kind);
    for (size_t i = 0; i < d->n; i++)
        if (d->items[i]->kind != kind)
            return mq_fail(err, MQ_ERR_UNSUPPORTED, "a sequence of different kinds cannot be stored");
    switch (kind) {
    case MQ_TYPE_SEQUENCE: WRITE_ALL(sequence_values, write_sequence); break;
    case MQ_TYPE_MAP: WRITE_ALL(map_values, write_map); break;
    case MQ_TYPE_OPTIONAL: WRITE_ALL(optional_values, write_optional); break;
    case MQ_TYPE_SPARSE_TENSOR: WRITE_ALL(sparse_tensor_values, write_sparse); break;
    default: WRITE_ALL(tensor_values, write_tensor); break;
    }
    return rc;
}

static mq_status write_map(mq_write_plan *p, const mq_datum *d, Onnx__MapProto **out, mq_error *err)
{
    int64_t n = mq_tensor_count(d->tensor);
    Onnx__MapProto *msg;

    if (!NEW_MSG(p, d, msg, onnx__map_proto__init))
        return mq_oom(err);
    *out = msg;
    msg->has_key_type = 1;
    msg->key_type = (int32_t)d->tensor->dtype;
    if (d->tensor->storage == MQ_STORE_STRINGS) {
        if (!(msg->string_keys = mq_arena_calloc(p->arena, d->tensor->n_items, sizeof *msg->string_keys)))
            return mq_oom(err);
        msg->n_string_keys = d->tensor->n_items;
        for (size_t i = 0; i < d->tensor->n_items; i++)
            msg->string_keys[i] =
                (ProtobufCBinaryData){ d->tensor->strings[i].n, (uint8_t *)d->tensor->strings[i].data };
    } else if (n > 0) {
        mq_status rc;
        if (!(msg->keys = mq_arena_calloc(p->arena, (size_t)n, sizeof *msg->keys)))
            return mq_oom(err);
        msg->n_keys = (size_t)n;
        if ((rc = mq_tensor_read_i64(d->tensor, 0, (uint64_t)n, msg->keys, err)) != MQ_OK)
            return rc;
    }
    return d->n ? write_sequence(p, d->items[0], &msg->values, err) : MQ_OK;
}

static mq_status write_optional(mq_write_plan *p, const mq_datum *d, Onnx__OptionalProto **out, mq_error *err)
{
    const mq_datum *item = d->n ? d->items[0] : NULL;
    Onnx__OptionalProto *msg;

    if (!NEW_MSG(p, d, msg, onnx__optional_proto__init))
        return mq_oom(err);
    *out = msg;
    msg->has_elem_type = 1;
    msg->elem_type = item ? element_type(item->kind) : ONNX__SEQUENCE_PROTO__DATA_TYPE__UNDEFINED;
    if (!item)
        return MQ_OK;
    switch (item->kind) {
    case MQ_TYPE_SEQUENCE: return write_sequence(p, item, &msg->sequence_value, err);
    case MQ_TYPE_MAP: return write_map(p, item, &msg->map_value, err);
    case MQ_TYPE_OPTIONAL: return write_optional(p, item, &msg->optional_value, err);
    case MQ_TYPE_SPARSE_TENSOR: return write_sparse(p, item, &msg->sparse_tensor_value, err);
    default: return write_tensor(p, item, &msg->tensor_value, err);
    }
}

static mq_status write_any(mq_write_plan *p, const mq_datum *d, ProtobufCMessage **out, mq_error *err)
{
    switch (d->kind) { /* each message begins with its base */
    case MQ_TYPE_SEQUENCE: return write_sequence(p, d, (Onnx__SequenceProto **)out, err);
    case MQ_TYPE_MAP: return write_map(p, d, (Onnx__MapProto **)out, err);
    case MQ_TYPE_OPTIONAL: return write_optional(p, d, (Onnx__OptionalProto **)out, err);
    case MQ_TYPE_SPARSE_TENSOR: return write_sparse(p, d, (Onnx__SparseTensorProto **)out, err);
    default: return write_tensor(p, d, (Onnx__TensorProto **)out, err);
    }
}

mq_status mq_datum_save(const mq_datum *d, const char *path, mq_error *err)
{
    mq_save_opts opts = { .external = MQ_EXTERNAL_NONE };
    mq_write_plan plan = { .opts = &opts, .base_name = "", .arena = mq_arena_create() };
    ProtobufCMessage *msg = NULL;
    mq_outfile *f = NULL;
    mq_status rc = plan.arena ? write_any(&plan, d, &msg, err) : mq_oom(err);

    if (rc == MQ_OK && (rc = mq_outfile_open(&f, path, true, err)) == MQ_OK) {
        rc = mq_wire_pack(msg, f, NULL, 0, NULL, 0, err);
        if (rc == MQ_OK)
            rc = mq_outfile_commit(f, false, err);
        else
            mq_outfile_abort(f);
    }
    mq_arena_free(plan.arena);
    return rc;
}
