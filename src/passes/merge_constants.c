/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* merge-constants: of initializers with the same type, shape and contents one stays, and serves all who read them: tied
 * weights are written once.
 * Left as they are: strings, inputs with a default, those that are graph outputs (the name must stay). Whole contents are
 * only looked at where type, shape and the first bytes agree, so that large files need not be read.
 * Numerics: exact. */
#include <string.h>

#include "base/map.h"
#include "base/str.h"
#include "passes/pass.h"

#define FIRST 32 /* bytes that are part of the key */

/* Type, shape and the first bytes; false: v is to stay. */
static bool add_key(mq_str *key, const mq_value *v, const void **data, size_t *size)
{
    mq_tensor *t = v->init;
    const int64_t bytes = t ? mq_tensor_size(t) : -1;

    if (!t || v->is_input || v->n_output_uses || v->uses.n == 0 || t->dtype == MQ_STRING || bytes <= 0 ||
        mq_tensor_bytes(t, data, NULL) != MQ_OK)
        return false;
    *size = (size_t)bytes;
    mq_str_addf(key, "%d", (int)t->dtype);
    for (int i = 0; i < t->n_dims; i++)
        mq_str_addf(key, ",%lld", (long long)t->dims[i]);
    mq_str_add(key, ":");
    for (size_t i = 0; i < *size && i < FIRST; i++)
        mq_str_addf(key, "%02x", ((const unsigned char *)*data)[i]);
    return !key->failed;
}

static mq_status merge(mq_map *seen, mq_value *v, const char *key, const void *data, size_t size, size_t *n_changed,
                       mq_error *err)
{
    mq_value *first = mq_map_get(seen, key);
    const void *other;
    mq_status rc;

    if (!first)
        return mq_map_put(seen, mq_arena_strdup(v->graph->model->arena, key), v) ? MQ_OK : mq_oom(err);
    if (mq_tensor_bytes(first->init, &other, NULL) != MQ_OK || memcmp(data, other, size) != 0)
        return MQ_OK;
    if ((rc = mq_value_replace_uses(v, first, err)) != MQ_OK)
        return rc;
    mq_value_clear_init(v);
    ++*n_changed;
    return MQ_OK;
}

static mq_status run(mq_graph *g, const mq_pass_ctx *ctx, size_t *n_changed, mq_error *err)
{
    mq_status rc = MQ_OK;
    mq_map seen = { 0 };

    (void)ctx;
    for (size_t i = 0; i < g->inits.n && rc == MQ_OK;) {
        mq_value *v = g->inits.items[i];
        mq_str key = { 0 };
        const void *data;
        size_t size;

        if (add_key(&key, v, &data, &size))
            rc = merge(&seen, v, key.s, data, size, n_changed, err);
        mq_str_release(&key);
        i += i < g->inits.n && g->inits.items[i] == v; /* it may be off the list now */
    }
    mq_map_release(&seen);
    return rc;
}

const mq_pass mq_pass_merge_constants = {
    .name = "merge-constants", .summary = "keep one of initializers with the same contents", .run = run
};
