/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* .npz files as tables: a column per member. Only headers are read at first; a member's elements come when a row is
 * asked for, from where the file has them when it is stored, else inflated once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/npy.h"
#include "data/npz_zip.h"
#include "data/table.h"

struct npz {
    mq_table base;
    mq_zip *zip;
    mq_npy *headers;        /* one per column */
    const mq_zip_member **members;
};

static void place_of(char *out, size_t size, const mq_table *t, const char *name)
{
    snprintf(out, size, "%s:%s", t->path, name);
}

static mq_status npz_load(mq_table *t, size_t column, mq_error *err)
{
    struct npz *z = (struct npz *)t;
    mq_block *block = NULL;
    char place[512];
    mq_status rc;

    place_of(place, sizeof place, t, t->columns[column].name);
    MQ_TRY(mq_zip_bytes(z->zip, z->members[column], &block, err));
    rc = mq_npy_array(&t->columns[column].array, &z->headers[column], (char *)block->data + z->headers[column].header, block,
                      place, err);
done:
    mq_block_unref(block);
    return rc;
}

static void npz_release(mq_table *t)
{
    struct npz *z = (struct npz *)t;

    mq_zip_free(z->zip);
    free(z->headers);
    free(z->members);
}

static const mq_table_ops ops = { .load = npz_load, .release = npz_release };

/* A member that is an array, named without ".npy"; others are passed over. */
static mq_status add_member(struct npz *z, const mq_zip_member *m, unsigned char *room, mq_error *err)
{
    mq_column *c = &z->base.columns[z->base.n_columns];
    mq_npy *h = &z->headers[z->base.n_columns];
    const size_t n = strlen(m->name);
    char place[512], *name;
    size_t got = 0;
    mq_status rc;

    if (n < 4 || strcmp(m->name + n - 4, ".npy") != 0)
        return MQ_OK;
    if (!(name = mq_arena_strdup(z->zip->arena, m->name)))
        return mq_oom(err);
    name[n - 4] = '\0';
    place_of(place, sizeof place, &z->base, name);
    if ((rc = mq_zip_peek(z->zip, m, room, MQ_NPY_MAX_HEADER, &got, err)) != MQ_OK ||
        (rc = mq_npy_parse(h, room, got, m->size, place, err)) != MQ_OK)
        return rc;
    *c = (mq_column){ .name = name, .dtype = h->dtype, .rank = h->rank, .dense = true };
    memcpy(c->dims, h->dims, sizeof c->dims);
    z->members[z->base.n_columns++] = m;
    return MQ_OK;
}

mq_status mq_table_npz(mq_table **out, const char *path, mq_error *err)
{
    mq_zip *zip = NULL;
    struct npz *z = NULL;
    mq_table *t = NULL;
    unsigned char *room = malloc(MQ_NPY_MAX_HEADER);
    mq_status rc = MQ_OK;

    if (!room)
        return mq_oom(err);
    MQ_TRY(mq_zip_open(&zip, path, err));
    MQ_TRY(mq_table_create(&t, sizeof *z, &ops, path, zip->n, err));
    z = (struct npz *)t;
    z->zip = zip;
    t->n_columns = 0;
    z->headers = calloc(zip->n + 1, sizeof *z->headers);
    z->members = calloc(zip->n + 1, sizeof *z->members);
    zip = NULL;
    if (!z->headers || !z->members) {
        rc = mq_oom(err);
        goto done;
    }
    for (size_t i = 0; i < z->zip->n; i++)
        MQ_TRY(add_member(z, &z->zip->members[i], room, err));
    if (!t->n_columns) {
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: the file holds no arrays", path);
        goto done;
    }
    *out = t;
    t = NULL;
done:
    mq_table_free(t);
    mq_zip_free(zip);
    free(room);
    return rc;
}
