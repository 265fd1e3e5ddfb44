/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reading zip archives from a mapped file. The directory at the end says where members lie; all offsets are checked
 * against the file before use. A member cannot unpack to more than it declares, nor declare more than deflate can
 * make of its bytes. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "data/npy.h"
#include "data/npz_zip.h"

#define END_SIG 0x06054b50u
#define END64_SIG 0x06064b50u
#define LOCATOR64_SIG 0x07064b50u
#define ENTRY_SIG 0x02014b50u
#define LOCAL_SIG 0x04034b50u

enum { END_SIZE = 22, LOCATOR64_SIZE = 20, END64_SIZE = 56, ENTRY_SIZE = 46, LOCAL_SIZE = 30 };

#define MAX_DEFLATE_RATIO 1032      /* what deflate reaches at most */
#define IN_MEMORY ((uint64_t)4 << 20) /* larger members are inflated into a file */
#define CHUNK ((size_t)1 << 18)
#define GIVE_BACK ((size_t)1 << 20) /* bytes of the file that are read before their pages are given back */

static uint16_t u16(const unsigned char *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const unsigned char *p)
{
    return u16(p) | (uint32_t)u16(p + 2) << 16;
}

static uint64_t u64(const unsigned char *p)
{
    return u32(p) | (uint64_t)u32(p + 4) << 32;
}

static mq_status broken(const char *path, const char *what, mq_error *err)
{
    return mq_fail(err, MQ_ERR_INPUT, "%s: broken .npz file: %s", path, what);
}

/* Where the directory lies. */
struct directory {
    uint64_t offset, size, n;
};

/* A record of the 64-bit form, when the old one says that its fields are too small. */
static mq_status find_directory64(const mq_buf *b, const char *path, size_t end, struct directory *d, mq_error *err)
{
    uint64_t at;
    const unsigned char *p;

    if (end < LOCATOR64_SIZE || u32(b->data + end - LOCATOR64_SIZE) != LOCATOR64_SIG)
        return MQ_OK;
    at = u64(b->data + end - LOCATOR64_SIZE + 8);
    if (b->size < END64_SIZE || at > b->size - END64_SIZE || u32(b->data + at) != END64_SIG)
        return broken(path, "its directory is not where it says", err);
    p = b->data + at;
    *d = (struct directory){ u64(p + 48), u64(p + 40), u64(p + 32) };
    return MQ_OK;
}

static mq_status find_directory(const mq_buf *b, const char *path, struct directory *d, mq_error *err)
{
    const size_t last = b->size >= END_SIZE ? b->size - END_SIZE : 0;
    const size_t lowest = last > UINT16_MAX ? last - UINT16_MAX : 0;
    mq_status rc;

    if (b->size < END_SIZE)
        return mq_fail(err, MQ_ERR_INPUT, "%s: not an .npz file (%zu bytes)", path, b->size);
    for (size_t at = last;; at--) { /* a comment may follow the record */
        const unsigned char *p = b->data + at;

        if (u32(p) == END_SIG && u16(p + 20) == b->size - at - END_SIZE) {
            *d = (struct directory){ u32(p + 16), u32(p + 12), u16(p + 10) };
            if ((rc = find_directory64(b, path, at, d, err)) != MQ_OK)
                return rc;
            if (d->offset > at || d->size > at - d->offset || d->n > d->size / ENTRY_SIZE)
                return broken(path, "its directory is not where it says", err);
            return MQ_OK;
        }
        if (at == lowest)
            return mq_fail(err, MQ_ERR_INPUT, "%s: not an .npz file, or cut off: it has no directory", path);
    }
}

/* Fields of 32 bits that are full are in the extra field, in this order. */
static bool read_extra64(const unsigned char *p, size_t n, uint64_t *fields[3])
{
    size_t size, i = 0;

    for (; n >= 4; p += 4 + size, n -= 4 + size) {
        size = u16(p + 2);
        if (size > n - 4)
            return false;
        if (u16(p) != 1)
            continue;
        for (size_t at = 0; i < 3; i++) {
            if (*fields[i] != UINT32_MAX)
                continue;
            if (size - at < 8)
                return false;
            *fields[i] = u64(p + 4 + at);
            at += 8;
        }
        return true;
    }
    return true;
}

static mq_status read_entry(mq_zip *z, const unsigned char *p, mq_error *err)
{
    const size_t name = u16(p + 28), method = u16(p + 10);
    mq_zip_member *m = &z->members[z->n];
    uint64_t local = u32(p + 42), start;
    char *text = mq_arena_alloc(z->arena, name + 1);

    if (!text)
        return mq_oom(err);
    memcpy(text, p + ENTRY_SIZE, name);
    *m = (mq_zip_member){ .name = text, .packed = u32(p + 20), .size = u32(p + 24), .deflated = method == 8,
                          .crc = u32(p + 16) };
    if (!read_extra64(p + ENTRY_SIZE + name, u16(p + 30), (uint64_t *[]){ &m->size, &m->packed, &local }))
        return broken(z->path, "a member's extra field is cut off", err);
    if (u16(p + 8) & 1)
        return mq_fail(err, MQ_ERR_INPUT, "%s: '%s' is encrypted", z->path, text);
    if (method != 0 && method != 8)
        return mq_fail(err, MQ_ERR_INPUT, "%s: '%s' is packed by method %zu; stored and deflated members are read", z->path,
                       text, method);
    if (local > z->buf->size || z->buf->size - local < LOCAL_SIZE || u32(z->buf->data + local) != LOCAL_SIG)
        return broken(z->path, "a member is not where the directory says", err);
    start = local + LOCAL_SIZE + u16(z->buf->data + local + 26) + u16(z->buf->data + local + 28);
    if (start > z->buf->size || m->packed > z->buf->size - start)
        return broken(z->path, "a member is cut off", err);
    if ((!m->deflated && m->size != m->packed) || m->size / MAX_DEFLATE_RATIO > m->packed)
        return broken(z->path, "a member's size cannot be", err);
    m->bytes = z->buf->data + start;
    z->n++;
    return MQ_OK;
}

static mq_status read_directory(mq_zip *z, mq_error *err)
{
    struct directory d = { 0 };
    const unsigned char *p, *end;
    mq_status rc = find_directory(z->buf, z->path, &d, err);

    if (rc != MQ_OK)
        return rc;
    if (!(z->members = mq_arena_calloc(z->arena, d.n, sizeof *z->members)))
        return mq_oom(err);
    p = z->buf->data + d.offset;
    end = p + d.size;
    for (uint64_t i = 0; i < d.n; i++) {
        size_t size;

        if (end - p < ENTRY_SIZE || u32(p) != ENTRY_SIG)
            return broken(z->path, "its directory is damaged", err);
        size = ENTRY_SIZE + (size_t)u16(p + 28) + u16(p + 30) + u16(p + 32);
        if ((size_t)(end - p) < size)
            return broken(z->path, "its directory is damaged", err);
        if ((rc = read_entry(z, p, err)) != MQ_OK)
            return rc;
        p += size;
    }
    return MQ_OK;
}

mq_status mq_zip_open(mq_zip **out, const char *path, mq_error *err)
{
    mq_zip *z = calloc(1, sizeof *z);
    mq_status rc;

    if (!z)
        return mq_oom(err);
    MQ_TRY(mq_buf_map(&z->buf, path, err));
    z->arena = mq_arena_create();
    z->path = strdup(path);
    rc = z->arena && z->path ? read_directory(z, err) : mq_oom(err);
    if (rc == MQ_OK) {
        *out = z;
        return MQ_OK;
    }
done:
    mq_zip_free(z);
    return rc;
}

void mq_zip_free(mq_zip *z)
{
    if (!z)
        return;
    mq_buf_unref(z->buf);
    if (z->arena)
        mq_arena_free(z->arena);
    free(z->path);
    free(z);
}

/* ---- members ------------------------------------------------------------------------------------------------------ */

typedef mq_status (*take_fn)(void *user, const void *data, size_t n, mq_error *err);

/* Inflates at most `want` bytes and hands them over in pieces. *complete: the stream ended, with the right length
 * and sum. */
static mq_status inflate_member(const mq_zip *z, const mq_zip_member *m, uint64_t want, take_fn take, void *user,
                                bool *complete, mq_error *err)
{
    z_stream s = { 0 };
    uint64_t left = m->packed, made = 0;
    const unsigned char *kept = m->bytes; /* pages before it are given back */
    uLong crc = crc32(0, NULL, 0);
    unsigned char *chunk = malloc(CHUNK);
    int zrc = Z_OK;
    mq_status rc = MQ_OK;

    if (!chunk || inflateInit2(&s, -MAX_WBITS) != Z_OK) {
        free(chunk);
        return mq_oom(err);
    }
    s.next_in = (unsigned char *)(uintptr_t)m->bytes;
    while (rc == MQ_OK && zrc == Z_OK && made < want) {
        size_t n;

        if (!s.avail_in && left) {
            s.avail_in = left > UINT32_MAX ? UINT32_MAX : (unsigned)left;
            left -= s.avail_in;
        }
        s.next_out = chunk;
        s.avail_out = want - made < CHUNK ? (unsigned)(want - made) : (unsigned)CHUNK;
        zrc = inflate(&s, Z_NO_FLUSH);
        n = (size_t)(s.next_out - chunk);
        if (n) {
            crc = crc32(crc, chunk, (unsigned)n);
            made += n;
            rc = take(user, chunk, n, err);
        } else if (zrc == Z_OK) {
            zrc = Z_DATA_ERROR;
        }
        if ((size_t)(s.next_in - kept) >= GIVE_BACK) {
            mq_buf_done_with(z->buf, kept, (size_t)(s.next_in - kept));
            kept = s.next_in;
        }
    }
    *complete = made == m->size && crc == m->crc;
    if (rc == MQ_OK && zrc != Z_OK && zrc != Z_STREAM_END)
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: '%s' does not inflate: the file is damaged", z->path, m->name);
    inflateEnd(&s);
    free(chunk);
    return rc;
}

struct piece {
    unsigned char *at;
    mq_outfile *file;
};

static mq_status take_memory(void *user, const void *data, size_t n, mq_error *err)
{
    struct piece *p = user;

    (void)err;
    memcpy(p->at, data, n);
    p->at += n;
    return MQ_OK;
}

static mq_status take_file(void *user, const void *data, size_t n, mq_error *err)
{
    return mq_outfile_write(((struct piece *)user)->file, data, n, err);
}

mq_status mq_zip_peek(const mq_zip *z, const mq_zip_member *m, void *out, size_t n, size_t *got, mq_error *err)
{
    struct piece p = { .at = out };
    bool complete;
    mq_status rc;

    n = m->size < n ? (size_t)m->size : n;
    if (!m->deflated) {
        memcpy(out, m->bytes, n);
        *got = n;
        return MQ_OK;
    }
    if ((rc = inflate_member(z, m, n, take_memory, &p, &complete, err)) == MQ_OK)
        *got = (size_t)(p.at - (unsigned char *)out);
    return rc;
}

static mq_status bytes_in_file(const mq_zip *z, const mq_zip_member *m, mq_block **out, bool *complete, mq_error *err)
{
    struct piece p = { 0 };
    mq_buf *buf = NULL;
    mq_status rc;
    int fd;

    MQ_TRY(mq_outfile_scratch(&p.file, err));
    MQ_TRY(inflate_member(z, m, m->size, take_file, &p, complete, err));
    fd = dup(mq_outfile_fd(p.file));
    rc = fd < 0 ? mq_fail_errno(err, MQ_ERR_SYSTEM, "read", m->name) : mq_buf_map_fd(&buf, fd, m->name, err);
    if (rc == MQ_OK)
        rc = mq_block_of_buf(out, buf, err);
done:
    mq_outfile_abort(p.file);
    return rc;
}

mq_status mq_zip_bytes(const mq_zip *z, const mq_zip_member *m, mq_block **out, mq_error *err)
{
    struct piece p = { 0 };
    mq_block *b = NULL;
    bool complete = true;
    mq_status rc;

    if (!m->deflated) {
        if ((rc = mq_block_of_buf(&b, mq_buf_ref(z->buf), err)) == MQ_OK) {
            b->data = (void *)(uintptr_t)m->bytes;
            b->size = (size_t)m->size;
        }
    } else if (m->size > IN_MEMORY) {
        rc = bytes_in_file(z, m, &b, &complete, err);
    } else if (!(b = mq_block_create((size_t)m->size))) {
        rc = mq_oom(err);
    } else {
        p.at = b->data;
        rc = inflate_member(z, m, m->size, take_memory, &p, &complete, err);
    }
    if (rc == MQ_OK && !complete)
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: '%s' is damaged: its length or check sum is wrong", z->path, m->name);
    if (rc == MQ_OK)
        *out = b;
    else
        mq_block_unref(b);
    return rc;
}
