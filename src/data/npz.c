/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* .npz files as tables: a column per member. Only headers are read at first; a member's elements come when a row is
 * asked for, from where the file has them when it is stored, else inflated once. A row is copied when its elements do not
 * lie as memory wants them (numpy does not align stored members), the member never is for a row's sake; pages behind the
 * reader are given back. So memory does not grow with the rows. In Fortran order a row lies all over the member: there
 * the whole member is turned around. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/npy.h"
#include "data/npz_zip.h"
#include "data/table.h"

#define GIVE_BACK ((size_t)1 << 20) /* bytes that are read before their pages are given back */

struct member {
    mq_npy header;
    const mq_zip_member *zipped;
    mq_block *bytes;   /* unpacked; NULL before they are asked for */
    size_t given_back; /* of the elements: what lies before has no pages here */
};

struct npz {
    mq_table base;
    mq_zip *zip;
    struct member *members; /* one per column */
};

static void place_of(char *out, size_t size, const mq_table *t, const char *name)
{
    snprintf(out, size, "%s:%s", t->path, name);
}

static mq_status unpack(const struct npz *z, struct member *m, mq_error *err)
{
    return m->bytes ? MQ_OK : mq_zip_bytes(z->zip, m->zipped, &m->bytes, err);
}

static mq_status npz_load(mq_table *t, size_t column, mq_error *err)
{
    struct npz *z = (struct npz *)t;
    struct member *m = &z->members[column];
    char place[512];
    mq_status rc = unpack(z, m, err);

    if (rc != MQ_OK)
        return rc;
    place_of(place, sizeof place, t, t->columns[column].name);
    return mq_npy_array(&t->columns[column].array, &m->header, (char *)m->bytes->data + m->header.header, m->bytes, place,
                        err);
}

/* Rows come in order, round after round: what lies before `at` will not be read again in this one. */
static void give_back(struct member *m, size_t at)
{
    if (at < m->given_back)
        m->given_back = at;
    if (at - m->given_back < GIVE_BACK)
        return;
    mq_block_done_with(m->bytes, (char *)m->bytes->data + m->header.header + m->given_back, at - m->given_back);
    m->given_back = at;
}

static mq_status npz_row(mq_table *t, size_t column, uint64_t row, mq_array **out, mq_error *err)
{
    struct npz *z = (struct npz *)t;
    struct member *m = &z->members[column];
    mq_npy h = m->header;
    char place[512];
    mq_array *all;
    mq_status rc;

    if (h.fortran && h.rank > 1)
        return (rc = mq_table_whole(t, column, &all, err)) == MQ_OK ? mq_table_row(t, column, row, out, err) : rc;
    if ((rc = unpack(z, m, err)) != MQ_OK)
        return rc;
    place_of(place, sizeof place, t, t->columns[column].name);
    h.count /= (size_t)h.dims[0];
    h.bytes /= (size_t)h.dims[0];
    h.rank--;
    memmove(h.dims, h.dims + 1, (size_t)h.rank * sizeof *h.dims);
    give_back(m, (size_t)row * h.bytes);
    return mq_npy_array(out, &h, (char *)m->bytes->data + h.header + (size_t)row * h.bytes, m->bytes, place, err);
}

static void npz_release(mq_table *t)
{
    struct npz *z = (struct npz *)t;

    for (size_t i = 0; z->members && i < t->n_columns; i++)
        mq_block_unref(z->members[i].bytes);
    mq_zip_free(z->zip);
    free(z->members);
}

static const mq_table_ops ops = { .load = npz_load, .row = npz_row, .release = npz_release };

/* A member that is an array, named without ".npy"; others are passed over. */
static mq_status add_member(struct npz *z, const mq_zip_member *m, unsigned char *room, mq_error *err)
{
    mq_column *c = &z->base.columns[z->base.n_columns];
    mq_npy *h = &z->members[z->base.n_columns].header;
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
    z->members[z->base.n_columns++].zipped = m;
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
    z->members = calloc(zip->n + 1, sizeof *z->members);
    zip = NULL;
    if (!z->members) {
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
