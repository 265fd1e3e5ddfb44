/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From the graph in memory back to messages: copies of what was read, with what has changed put in. */
#ifndef MQ_MODEL_ONNX_WRITE_H
#define MQ_MODEL_ONNX_WRITE_H

#include "model/wire.h"
#include "mq/model.h"
#include "onnx.pb-c.h"

/* A tensor that goes to a data file. */
typedef struct mq_external_out {
    mq_tensor *tensor;
    size_t file; /* index of the data file */
    uint64_t offset, n_bytes;
} mq_external_out;

/* What is to be written, and where. */
typedef struct mq_write_plan {
    mq_arena *arena; /* of the messages */
    mq_model *model;
    Onnx__ModelProto *msg;
    mq_payload *payloads; /* tensors made while the model file is written */
    size_t n_payloads, max_payloads;
    MQ_VEC(mq_external_out) external;
    MQ_VEC(const char *) files; /* names of the data files, relative to the model's folder */
    MQ_VEC(uint64_t) file_sizes;
    const mq_save_opts *opts;
    const char *base_name; /* of the model file, "" for standard output */
    bool everything_out;   /* over 2 GB: attributes of nodes too */
    bool keeps_external;   /* the model had external data: new large tensors follow */
} mq_write_plan;

/* Makes the messages of the whole model. Everything lives in the arena. */
mq_status mq_onnx_write_plan(mq_write_plan *plan, mq_error *err);

/* A tensor's message (of a tensor file or of an initializer), its bytes in place. */
mq_status mq_onnx_write_tensor(mq_write_plan *plan, mq_tensor *t, bool is_init, Onnx__TensorProto **out, mq_error *err);

#endif
