/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Writing zip archives of stored members. The date is the first that the format can say; sums are known only
 * when a member has been written, so they are put into its header afterwards. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/npz_zip.h"

#define FIRST_DATE 0x21u /* 1 January 1980 */

struct written {
    char *name;
    uint64_t offset, size;
    uint32_t crc;
};

struct mq_zip_out {
    mq_outfile *file;
    uint64_t start, left; /* of the file's bytes; of the member's */
    MQ_VEC(struct written) members;
};

mq_status mq_zip_create(mq_zip_out **out, mq_outfile *f, mq_error *err)
{
    mq_zip_out *z = calloc(1, sizeof *z);

    if (!z)
        return mq_oom(err);
    z->file = f;
    z->start = mq_outfile_pos(f);
    *out = z;
    return MQ_OK;
}

void mq_zip_discard(mq_zip_out *z)
{
    if (!z)
        return;
    for (size_t i = 0; i < z->members.n; i++)
        free(z->members.items[i].name);
    mq_vec_release(&z->members);
    free(z);
}

static unsigned char *put(unsigned char *p, uint64_t v, int n)
{
    for (int i = 0; i < n; i++)
        *p++ = (unsigned char)(v >> 8 * i);
    return p;
}

/* Sizes in 32 bits, or the mark that the extra field has them. */
static uint64_t small(uint64_t v)
{
    return v < UINT32_MAX ? v : UINT32_MAX;
}

/* The part that local headers and directory entries share: version to flags, date, sum, sizes, length of name and
 * extra field. */
static unsigned char *put_common(unsigned char *p, const struct written *m, bool wide, size_t extra)
{
    p = put(p, wide ? 45 : 20, 2);
    p = put(p, 0x800, 2); /* the name is UTF-8 */
    p = put(p, 0, 2);
    p = put(p, 0, 2);
    p = put(p, FIRST_DATE, 2);
    p = put(p, m->crc, 4);
    p = put(p, wide ? UINT32_MAX : m->size, 4);
    p = put(p, wide ? UINT32_MAX : m->size, 4);
    p = put(p, strlen(m->name), 2);
    return put(p, extra, 2);
}

mq_status mq_zip_begin(mq_zip_out *z, const char *name, uint64_t size, mq_error *err)
{
    struct written m = { .offset = mq_outfile_pos(z->file) - z->start, .size = size, .crc = (uint32_t)crc32(0, NULL, 0) };
    const bool wide = size >= UINT32_MAX;
    unsigned char head[64], *p;
    mq_status rc;

    if (strlen(name) > UINT16_MAX)
        return mq_fail(err, MQ_ERR_USAGE, "a name of %zu bytes is too long for an .npz file", strlen(name));
    if (!(m.name = strdup(name)) || !mq_vec_push(&z->members, m)) {
        free(m.name);
        return mq_oom(err);
    }
    p = put(head, 0x04034b50, 4);
    p = put_common(p, &m, wide, wide ? 20 : 0);
    rc = mq_outfile_write(z->file, head, (size_t)(p - head), err);
    if (rc == MQ_OK)
        rc = mq_outfile_write(z->file, name, strlen(name), err);
    if (rc == MQ_OK && wide) {
        p = put(head, 1, 2);
        p = put(p, 16, 2);
        p = put(p, size, 8);
        p = put(p, size, 8);
        rc = mq_outfile_write(z->file, head, (size_t)(p - head), err);
    }
    z->left = size;
    return rc;
}

mq_status mq_zip_put(mq_zip_out *z, const void *data, size_t n, mq_error *err)
{
    struct written *m = &z->members.items[z->members.n - 1];
    const unsigned char *p = data;

    if (n > z->left)
        MQ_BUG("a zip member is longer than was said");
    z->left -= n;
    m->crc = (uint32_t)crc32_z(m->crc, p, n);
    return mq_outfile_write(z->file, data, n, err);
}

mq_status mq_zip_end(mq_zip_out *z, mq_error *err)
{
    const struct written *m = &z->members.items[z->members.n - 1];
    unsigned char crc[4];

    if (z->left)
        MQ_BUG("a zip member is shorter than was said");
    put(crc, m->crc, 4);
    return mq_outfile_write_at(z->file, z->start + m->offset + 14, crc, sizeof crc, err);
}

static mq_status write_entry(mq_zip_out *z, const struct written *m, mq_error *err)
{
    const bool wide = m->size >= UINT32_MAX, far = m->offset >= UINT32_MAX;
    const size_t extra = wide || far ? 4 + (wide ? 16 : 0) + (far ? 8 : 0) : 0;
    unsigned char entry[64], more[32], *p, *e = more;
    mq_status rc;

    p = put(entry, 0x02014b50, 4);
    p = put(p, 3 << 8 | 45, 2); /* made on Unix */
    p = put_common(p, m, wide, extra);
    p = put(p, 0, 2);            /* comment */
    p = put(p, 0, 2);            /* disk */
    p = put(p, 0, 2);            /* internal attributes */
    p = put(p, 0644u << 16, 4);  /* permissions, for those who unzip it */
    p = put(p, small(m->offset), 4);
    if (extra) {
        e = put(e, 1, 2);
        e = put(e, extra - 4, 2);
        e = wide ? put(put(e, m->size, 8), m->size, 8) : e;
        e = far ? put(e, m->offset, 8) : e;
    }
    rc = mq_outfile_write(z->file, entry, (size_t)(p - entry), err);
    if (rc == MQ_OK)
        rc = mq_outfile_write(z->file, m->name, strlen(m->name), err);
    return rc == MQ_OK ? mq_outfile_write(z->file, more, extra, err) : rc;
}

static unsigned char *put_end64(unsigned char *p, uint64_t n, uint64_t size, uint64_t offset)
{
    p = put(p, 0x06064b50, 4);
    p = put(p, 44, 8);
    p = put(p, 3 << 8 | 45, 2);
    p = put(p, 45, 2);
    p = put(p, 0, 8);
    p = put(p, n, 8);
    p = put(p, n, 8);
    p = put(p, size, 8);
    p = put(p, offset, 8);
    p = put(p, 0x07064b50, 4);
    p = put(p, 0, 4);
    p = put(p, offset + size, 8);
    return put(p, 1, 4);
}

mq_status mq_zip_finish(mq_zip_out *z, mq_error *err)
{
    const uint64_t offset = mq_outfile_pos(z->file) - z->start, n = z->members.n;
    unsigned char end[128], *p = end;
    uint64_t size;
    mq_status rc;

    for (size_t i = 0; i < n; i++)
        if ((rc = write_entry(z, &z->members.items[i], err)) != MQ_OK)
            return rc;
    size = mq_outfile_pos(z->file) - z->start - offset;
    if (n >= UINT16_MAX || offset >= UINT32_MAX || size >= UINT32_MAX)
        p = put_end64(p, n, size, offset);
    p = put(p, 0x06054b50, 4);
    p = put(p, 0, 4);
    p = put(p, n < UINT16_MAX ? n : UINT16_MAX, 2);
    p = put(p, n < UINT16_MAX ? n : UINT16_MAX, 2);
    p = put(p, small(size), 4);
    p = put(p, small(offset), 4);
    p = put(p, 0, 2);
    return mq_outfile_write(z->file, end, (size_t)(p - end), err);
}
