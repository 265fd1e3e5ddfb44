/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Zip archives (APPNOTE 6.3) as far as .npz needs them: members stored or deflated, over 4 GB too; one disk, no
 * encryption. */
#ifndef MQ_DATA_NPZ_ZIP_H
#define MQ_DATA_NPZ_ZIP_H

#include "base/file.h"
#include "graph/array.h"

typedef struct mq_zip_member {
    const char *name;
    const unsigned char *bytes; /* as stored */
    uint64_t packed, size;      /* stored, and unpacked */
    bool deflated;
    uint32_t crc;
} mq_zip_member;

typedef struct mq_zip {
    mq_buf *buf;
    mq_arena *arena;
    mq_zip_member *members;
    size_t n;
    char *path;
} mq_zip;

/* Maps the file and reads its directory; every member is known to lie inside. MQ_ERR_INPUT. */
mq_status mq_zip_open(mq_zip **out, const char *path, mq_error *err);
void mq_zip_free(mq_zip *z); /* NULL is fine */

/* The first bytes of a member, at most n; *got says how many there were. */
mq_status mq_zip_peek(const mq_zip *z, const mq_zip_member *m, void *out, size_t n, size_t *got, mq_error *err);
/* A member's bytes: where the file has them when stored; else inflated, in memory or, when large, in an unnamed
 * temporary file. */
mq_status mq_zip_bytes(const mq_zip *z, const mq_zip_member *m, mq_block **out, mq_error *err);

/* ---- writing: members are stored, without times: the same bytes every time ---- */

typedef struct mq_zip_out mq_zip_out;

mq_status mq_zip_create(mq_zip_out **out, mq_outfile *f, mq_error *err); /* f is borrowed */
void mq_zip_discard(mq_zip_out *z);                                      /* NULL is fine */
/* Begins a member of exactly `size` bytes, which the next calls of mq_zip_put bring. */
mq_status mq_zip_begin(mq_zip_out *z, const char *name, uint64_t size, mq_error *err);
mq_status mq_zip_put(mq_zip_out *z, const void *data, size_t n, mq_error *err);
mq_status mq_zip_end(mq_zip_out *z, mq_error *err); /* of the member */
/* The directory. */
mq_status mq_zip_finish(mq_zip_out *z, mq_error *err);

#endif
