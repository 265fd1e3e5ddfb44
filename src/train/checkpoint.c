/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Checkpoints: records in memory as they lie in the file, so that saving is one write and loading one copy. */
#include "train/checkpoint.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"

static const char magic[8] = "mqtrain1";

typedef struct header {
    char magic[8];
    uint64_t n_records, hash;
} header;

typedef struct record {
    uint64_t name, bytes; /* lengths */
} record;

struct mq_checkpoint {
    char *data; /* all records */
    size_t size, cap;
    uint64_t n_records;
};

mq_status mq_checkpoint_create(mq_checkpoint **out, mq_error *err)
{
    return (*out = calloc(1, sizeof **out)) ? MQ_OK : mq_oom(err);
}

void mq_checkpoint_free(mq_checkpoint *c)
{
    if (c)
        free(c->data);
    free(c);
}

static mq_status make_room(mq_checkpoint *c, size_t more, mq_error *err)
{
    size_t need;
    char *data;

    if (__builtin_add_overflow(c->size, more, &need) || need > SIZE_MAX / 2)
        return mq_oom(err);
    if (need <= c->cap)
        return MQ_OK;
    if (!(data = realloc(c->data, need + need / 2)))
        return mq_oom(err);
    c->data = data;
    c->cap = need + need / 2;
    return MQ_OK;
}

static void append(mq_checkpoint *c, const void *data, size_t n)
{
    if (n)
        memcpy(c->data + c->size, data, n);
    c->size += n;
}

mq_status mq_checkpoint_put(mq_checkpoint *c, const char *name, const void *data, size_t n, mq_error *err)
{
    const record r = { strlen(name), n };
    size_t more;
    mq_status rc;

    if (__builtin_add_overflow(sizeof r + (size_t)r.name, n, &more))
        return mq_oom(err);
    if ((rc = make_room(c, more, err)) != MQ_OK)
        return rc;
    append(c, &r, sizeof r);
    append(c, name, (size_t)r.name);
    append(c, data, n);
    c->n_records++;
    return MQ_OK;
}

mq_status mq_checkpoint_save(const mq_checkpoint *c, const char *path, mq_error *err)
{
    header h = { .n_records = c->n_records, .hash = XXH3_64bits(c->data, c->size) };
    mq_outfile *f = NULL;
    mq_status rc;

    memcpy(h.magic, magic, sizeof magic);
    MQ_TRY(mq_outfile_open(&f, path, true, err));
    MQ_TRY(mq_outfile_write(f, &h, sizeof h, err));
    MQ_TRY(mq_outfile_write(f, c->data, c->size, err));
    rc = mq_outfile_commit(f, false, err);
    f = NULL;
done:
    mq_outfile_abort(f);
    return rc;
}

/* The record at *at, which moves behind it; false: it does not fit. */
static bool next_record(const mq_checkpoint *c, size_t *at, const char **name, record *r, const char **data)
{
    size_t left = c->size - *at;

    if (left < sizeof *r)
        return false;
    memcpy(r, c->data + *at, sizeof *r);
    left -= sizeof *r;
    if (r->name > left || r->bytes > left - r->name)
        return false;
    *name = c->data + *at + sizeof *r;
    *data = *name + r->name;
    *at += sizeof *r + (size_t)r->name + (size_t)r->bytes;
    return true;
}

static bool is_whole(const mq_checkpoint *c)
{
    const char *name, *data;
    size_t at = 0;
    record r;

    for (uint64_t i = 0; i < c->n_records; i++)
        if (!next_record(c, &at, &name, &r, &data))
            return false;
    return at == c->size;
}

mq_status mq_checkpoint_load(mq_checkpoint **out, const char *path, mq_error *err)
{
    mq_checkpoint *c = NULL;
    mq_buf *b = NULL;
    header h = { 0 };
    mq_status rc;

    MQ_TRY(mq_buf_map(&b, path, err));
    MQ_TRY(mq_checkpoint_create(&c, err));
    if (b->size >= sizeof h)
        memcpy(&h, b->data, sizeof h);
    if (memcmp(h.magic, magic, sizeof magic) != 0) {
        rc = mq_fail(err, MQ_ERR_INPUT, "'%s' is no checkpoint of a training", path);
        goto done;
    }
    MQ_TRY(make_room(c, b->size - sizeof h + 1, err));
    append(c, b->data + sizeof h, b->size - sizeof h);
    c->n_records = h.n_records;
    if (XXH3_64bits(c->data, c->size) != h.hash || !is_whole(c)) {
        rc = mq_fail(err, MQ_ERR_INPUT, "the checkpoint '%s' is damaged", path);
        goto done;
    }
    *out = c;
    c = NULL;
done:
    mq_checkpoint_free(c);
    mq_buf_unref(b);
    return rc;
}

const void *mq_checkpoint_find(const mq_checkpoint *c, const char *name, size_t *n)
{
    const char *found, *data;
    size_t at = 0;
    record r;

    for (uint64_t i = 0; i < c->n_records && next_record(c, &at, &found, &r, &data); i++) {
        if (r.name == strlen(name) && memcmp(found, name, (size_t)r.name) == 0) {
            *n = (size_t)r.bytes;
            return data;
        }
    }
    return NULL;
}

mq_status mq_checkpoint_get(const mq_checkpoint *c, const char *name, void *data, size_t n, mq_error *err)
{
    size_t found = 0;
    const void *from = mq_checkpoint_find(c, name, &found);

    if (!from)
        return mq_fail(err, MQ_ERR_INPUT, "the checkpoint has no '%s'", name);
    if (found != n)
        return mq_fail(err, MQ_ERR_INPUT, "'%s' has %zu bytes in the checkpoint, but %zu here", name, found, n);
    if (n)
        memcpy(data, from, n);
    return MQ_OK;
}
