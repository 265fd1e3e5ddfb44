/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From a file to a model: mapping, gzip, the wire format, the graph. */
#include <string.h>
#include <unistd.h>

#include "model/external.h"
#include "model/gzip.h"
#include "model/onnx_read.h"
#include "model/parts.h"
#include "model/save.h"
#include "model/wire.h"
#include "mq/model.h"

/* Replaces the bytes of a gzip file by what is in it. */
static mq_status unpack_gzip(mq_buf **buf, const char *path, mq_error *err)
{
    mq_buf *plain = NULL;
    mq_status rc;

    if (!mq_gzip_detect(*buf))
        return MQ_OK;
    rc = mq_gzip_unpack(&plain, *buf, path, err);
    mq_buf_unref(*buf);
    *buf = plain;
    return rc;
}

static mq_status set_place(mq_model *m, const char *path, mq_error *err)
{
    const char *slash = strrchr(path, '/');
    char *dir;

    if (!(m->path = mq_arena_strdup(m->arena, path)))
        return mq_oom(err);
    m->open_external = mq_external_open;
    if (strcmp(path, "-") == 0)
        return MQ_OK;
    if (!(dir = mq_arena_strdup(m->arena, slash ? path : "")))
        return mq_oom(err);
    if (slash)
        dir[slash == path ? 1 : slash - path] = '\0';
    m->dir = dir;
    return MQ_OK;
}

/* Text, archives and other formats can by chance parse as a message of unknown fields. */
static bool looks_like_model(const Onnx__ModelProto *msg)
{
    return msg->graph || msg->has_ir_version || msg->n_opset_import;
}

/* A message cannot begin so: it would be a group, which ONNX has none of. */
static bool looks_like_json(const mq_buf *buf)
{
    return buf->size > 0 && *(const char *)buf->data == '{';
}

/* buf: the file as stored; its reference passes. */
static mq_status load_buf(mq_model **out, mq_buf *buf, const char *path, bool parts, mq_error *err)
{
    ProtobufCMessage *msg = NULL;
    uint64_t stored = buf->size;
    mq_model *m = NULL;
    mq_status rc = MQ_OK;

    if ((rc = unpack_gzip(&buf, path, err)) != MQ_OK)
        return rc;
    if (parts && looks_like_json(buf)) {
        rc = mq_parts_load(out, buf, path, err);
        mq_buf_unref(buf);
        return rc;
    }
    if (buf->size == 0)
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: the file is empty", path);
    else
        rc = mq_model_create(&m, err);
    if (rc != MQ_OK) {
        mq_buf_unref(buf);
        return rc;
    }
    MQ_TRY(mq_model_keep_buf(m, buf, err));
    MQ_TRY(set_place(m, path, err));
    m->file_bytes = stored;
    MQ_TRY(mq_wire_unpack(&msg, &onnx__model_proto__descriptor, buf, m->arena, path, err));
    if (!looks_like_model((Onnx__ModelProto *)msg)) {
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: not an ONNX model: it has no graph, IR version or opset", path);
        goto done;
    }
    MQ_TRY(mq_onnx_read_model(m, (Onnx__ModelProto *)msg, err));
    *out = m;
    m = NULL;
done:
    mq_model_free(m);
    return rc;
}

mq_status mq_model_load_fd(mq_model **out, int fd, const char *path, mq_error *err)
{
    mq_buf *buf = NULL;
    mq_status rc = mq_buf_map_fd(&buf, fd, path, err);

    return rc == MQ_OK ? load_buf(out, buf, path, true, err) : rc;
}

static mq_status load_path(mq_model **out, const char *path, bool parts, mq_error *err)
{
    mq_buf *buf = NULL;
    mq_status rc = mq_buf_map(&buf, path, err);

    return rc == MQ_OK ? load_buf(out, buf, path, parts, err) : rc;
}

mq_status mq_model_load_single(mq_model **out, const char *path, mq_error *err)
{
    return load_path(out, path, false, err);
}

mq_status mq_model_load(mq_model **out, const char *path, mq_error *err)
{
    int fd;

    if (strcmp(path, "-") != 0)
        return load_path(out, path, true, err);
    if ((fd = dup(STDIN_FILENO)) < 0)
        return mq_fail_errno(err, MQ_ERR_INPUT, "read", "standard input");
    return mq_model_load_fd(out, fd, path, err);
}
