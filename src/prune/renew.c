/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "prune/renew.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"

mq_status mq_renew_read(const mq_source *view, float **out, mq_error *err)
{
    const mq_unaligned_f32 *x;
    const void *bytes;
    float *room;
    mq_status rc;

    if ((rc = mq_tensor_bytes(view->tensor, &bytes, err)) != MQ_OK)
        return rc;
    if (!(room = malloc((size_t)view->n * sizeof *room + 1)))
        return mq_oom(err);
    x = mq_source_read(view, bytes, 0, (size_t)view->n, room);
    if (x != (const mq_unaligned_f32 *)room)
        memcpy(room, x, (size_t)view->n * sizeof *room);
    *out = room;
    return MQ_OK;
}

/* Where element i of the view lies in what is stored. */
static size_t place_of(const mq_source *view, size_t i)
{
    size_t at = 0;

    for (int d = view->n_dims - 1; d >= 0; d--) {
        at += i % (size_t)view->dims[d] * (size_t)view->strides[d];
        i /= (size_t)view->dims[d];
    }
    return at;
}

static void count(mq_prune_stats *s, float before, float after)
{
    s->zeros_before += before == 0;
    s->zeros += after == 0;
    s->n_nan += isnan(before);
    s->energy_before += isnan(before) ? 0 : (double)before * (double)before;
    s->energy += isnan(after) ? 0 : (double)after * (double)after;
}

/* The constant holds these bytes, from malloc, from now on. */
static mq_status replace(mq_prune_item *it, void *bytes, size_t size, mq_error *err)
{
    mq_value *v = it->constant;
    const mq_tensor *was = it->view.tensor;
    mq_tensor *now;
    mq_buf *buf;
    mq_status rc = MQ_OK;

    MQ_TRY(mq_buf_from_heap(&buf, bytes, size, err)); /* takes the memory, on failure too */
    MQ_TRY(mq_model_keep_buf(was->model, buf, err));
    if (!(now = mq_tensor_create(was->model, was->name, was->dtype, was->n_dims, was->dims, NULL))) {
        rc = mq_oom(err);
        goto done;
    }
    now->storage = MQ_STORE_RAW;
    now->buf = buf;
    now->data = bytes;
    now->n_bytes = size;
    MQ_TRY(mq_value_set_constant(v, now, err));
    it->view.tensor = now;
done:
    return rc;
}

mq_status mq_renew_item(mq_prune_item *it, const mq_source *view, const float *weight, mq_error *err)
{
    mq_tensor *t = it->view.tensor;
    const size_t size = (size_t)mq_tensor_size(t), width = (size_t)mq_dtype_bits(t->dtype) / 8;
    const bool plain = mq_source_is_plain(view);
    mq_prune_stats stats = { .n = (uint64_t)view->n, .measured = true };
    char *bytes = malloc(size + 1), *now;
    float *before = NULL;
    const void *was;
    mq_status rc = bytes ? MQ_OK : mq_oom(err);

    if (rc != MQ_OK)
        return rc;
    MQ_TRY(mq_tensor_bytes(t, &was, err));
    MQ_TRY(mq_renew_read(view, &before, err));
    memcpy(bytes, was, size);
    for (size_t i = 0; i < (size_t)view->n; i++) {
        char *at = bytes + (plain ? i : place_of(view, i)) * width;
        float after = before[i];

        if (!(weight[i] == before[i]) && !isnan(before[i])) {
            mq_dtype_from_f32(t->dtype, &weight[i], 1, at, false);
            mq_dtype_to_f32(t->dtype, at, 0, 1, &after); /* what is small may be zero in its type */
        }
        count(&stats, before[i], after);
    }
    now = bytes;
    bytes = NULL;
    MQ_TRY(replace(it, now, size, err));
    it->stats = stats;
    it->done = true;
done:
    free(bytes);
    free(before);
    return rc;
}
