/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "model/onnx_info.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

const char *mq_metadata_get(const mq_model *m, const char *key)
{
    const size_t n = mq_onnx_n_metadata(m);
    const char *k, *value;

    for (size_t i = 0; i < m->metadata.n; i++)
        if (strcmp(m->metadata.items[i].key, key) == 0)
            return m->metadata.items[i].value;
    for (size_t i = 0; i < n; i++) {
        mq_onnx_metadata(m, i, &k, &value);
        if (strcmp(k, key) == 0)
            return value;
    }
    return NULL;
}

mq_status mq_metadata_set(mq_model *m, const char *key, const char *value, mq_error *err)
{
    mq_metadata entry = { mq_arena_strdup(m->arena, key), mq_arena_strdup(m->arena, value) };

    if (!entry.key || !entry.value)
        return mq_oom(err);
    for (size_t i = 0; i < m->metadata.n; i++)
        if (strcmp(m->metadata.items[i].key, key) == 0) {
            m->metadata.items[i] = entry;
            return MQ_OK;
        }
    return mq_vec_push_in(m->arena, &m->metadata, entry) ? MQ_OK : mq_oom(err);
}

/* ---- integers at the edges ----------------------------------------------------------------------------------------- */

#define EDGE_KEY "mq.io.%s.%s"

/* What stands under mq.io.NAME.`what`; NULL: nothing, or out of memory. */
static const char *edge_text(const mq_value *v, const char *what)
{
    const size_t size = sizeof EDGE_KEY + strlen(v->name) + strlen(what);
    char *key = malloc(size);
    const char *text;

    if (!key)
        return NULL;
    snprintf(key, size, EDGE_KEY, v->name, what);
    text = mq_metadata_get(v->graph->model, key);
    free(key);
    return text;
}

/* The integers of the value's type; false: it has another one. */
static bool edge_limits(const mq_value *v, long *lo, long *hi)
{
    const mq_type *t = v->declared ? v->declared : v->type;
    const mq_dtype type = t && t->kind == MQ_TYPE_TENSOR ? t->dtype : MQ_UNDEFINED;

    *lo = type == MQ_INT8 ? INT8_MIN : type == MQ_INT16 ? INT16_MIN : 0;
    *hi = type == MQ_INT8 ? INT8_MAX : type == MQ_UINT8 ? UINT8_MAX : type == MQ_INT16 ? INT16_MAX : UINT16_MAX;
    return type == MQ_INT8 || type == MQ_UINT8 || type == MQ_INT16 || type == MQ_UINT16;
}

bool mq_edge_get(const mq_value *v, mq_edge *out)
{
    const char *scale, *zero_point;
    char *end_scale, *end_zero;
    long zero, lo, hi;
    float s;

    if (!edge_limits(v, &lo, &hi) || !(scale = edge_text(v, "scale")) || !(zero_point = edge_text(v, "zero_point")))
        return false;
    s = strtof(scale, &end_scale);
    errno = 0;
    zero = strtol(zero_point, &end_zero, 10);
    if (end_scale == scale || *end_scale || end_zero == zero_point || *end_zero || errno || !isfinite(s) || !(s > 0) ||
        zero < lo || zero > hi)
        return false;
    *out = (mq_edge){ s, (int32_t)zero };
    return true;
}

mq_status mq_edge_set(const mq_value *v, const mq_edge *edge, mq_error *err)
{
    mq_model *m = v->graph->model;
    const char *scale = mq_arena_printf(m->arena, EDGE_KEY, v->name, "scale");
    const char *zero = mq_arena_printf(m->arena, EDGE_KEY, v->name, "zero_point");
    char text[32];
    mq_status rc;

    if (!scale || !zero)
        return mq_oom(err);
    snprintf(text, sizeof text, "%.9g", (double)edge->scale);
    if ((rc = mq_metadata_set(m, scale, text, err)) != MQ_OK)
        return rc;
    snprintf(text, sizeof text, "%d", edge->zero_point);
    return mq_metadata_set(m, zero, text, err);
}
