/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "model/onnx_info.h"

#include "onnx.pb-c.h"

size_t mq_onnx_n_metadata(const mq_model *m)
{
    const Onnx__ModelProto *msg = m->origin;
    return msg ? msg->n_metadata_props : 0;
}

void mq_onnx_metadata(const mq_model *m, size_t i, const char **key, const char **value)
{
    const Onnx__ModelProto *msg = m->origin;
    const Onnx__StringStringEntryProto *entry = msg->metadata_props[i];

    *key = entry->key ? entry->key : "";
    *value = entry->value ? entry->value : "";
}
