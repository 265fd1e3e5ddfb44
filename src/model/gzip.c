/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Streaming compression with zlib; nothing is held in memory but two blocks. */
#include "model/gzip.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/error.h"

enum { CHUNK = 1 << 17, WINDOW = 15, GZIP = 16, LEVEL = 6 };
enum { SAMPLE = 1 << 16, N_SAMPLES = 16 }; /* of estimates */

bool mq_gzip_detect(const mq_buf *b)
{
    return b->size >= 2 && b->data[0] == 0x1f && b->data[1] == 0x8b;
}

/* Inflates all members of `in` into f. */
static mq_status inflate_all(mq_outfile *f, const mq_buf *in, const char *name, unsigned char *chunk, mq_error *err)
{
    z_stream z = { .next_in = (unsigned char *)in->data };
    size_t left = in->size;
    mq_status rc = MQ_OK;
    int state = Z_OK;

    if (inflateInit2(&z, WINDOW + GZIP) != Z_OK)
        return mq_oom(err);
    while (rc == MQ_OK && (state != Z_STREAM_END || left + z.avail_in > 0)) {
        if (state == Z_STREAM_END && inflateReset(&z) != Z_OK)
            break;
        if (z.avail_in == 0 && left > 0) {
            z.avail_in = left < CHUNK ? (unsigned)left : CHUNK;
            left -= z.avail_in;
        }
        z.next_out = chunk;
        z.avail_out = CHUNK;
        state = inflate(&z, Z_NO_FLUSH);
        if (state == Z_MEM_ERROR)
            rc = mq_oom(err);
        else if (state != Z_OK && state != Z_STREAM_END)
            rc = mq_fail(err, MQ_ERR_INPUT, "%s: the gzip data are corrupt or cut short", name);
        else
            rc = mq_outfile_write(f, chunk, CHUNK - z.avail_out, err);
    }
    inflateEnd(&z);
    return rc;
}

mq_status mq_gzip_unpack(mq_buf **out, const mq_buf *in, const char *name, mq_error *err)
{
    unsigned char *chunk = malloc(CHUNK);
    mq_outfile *f = NULL;
    mq_status rc = chunk ? MQ_OK : mq_oom(err);
    int fd;

    if (rc == MQ_OK)
        rc = mq_outfile_scratch(&f, err);
    if (rc == MQ_OK)
        rc = inflate_all(f, in, name, chunk, err);
    if (rc == MQ_OK) {
        fd = dup(mq_outfile_fd(f));
        rc = fd < 0 ? mq_fail_errno(err, MQ_ERR_SYSTEM, "read", name) : mq_buf_map_fd(out, fd, name, err);
    }
    mq_outfile_abort(f);
    free(chunk);
    return rc;
}

struct deflater {
    mq_outfile *f; /* NULL: only count */
    uint64_t n_out;
    z_stream z;
    unsigned char in[CHUNK], out[CHUNK];
};

static mq_status deflate_chunk(struct deflater *d, size_t n, int flush, mq_error *err)
{
    mq_status rc = MQ_OK;

    d->z.next_in = d->in;
    d->z.avail_in = (unsigned)n;
    do {
        d->z.next_out = d->out;
        d->z.avail_out = CHUNK;
        deflate(&d->z, flush);
        d->n_out += CHUNK - d->z.avail_out;
        if (d->f)
            rc = mq_outfile_write(d->f, d->out, CHUNK - d->z.avail_out, err);
    } while (rc == MQ_OK && d->z.avail_out == 0);
    return rc;
}

static mq_status deflate_file(mq_outfile *f, int fd, uint64_t size, uint64_t *packed, const mq_hooks *hooks,
                              mq_error *err)
{
    struct deflater *d = calloc(1, sizeof *d);
    mq_status rc = MQ_OK;

    if (!d || deflateInit2(&d->z, LEVEL, Z_DEFLATED, WINDOW + GZIP, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(d);
        return mq_oom(err);
    }
    d->f = f;
    for (uint64_t at = 0; rc == MQ_OK && at < size;) {
        ssize_t n = pread(fd, d->in, size - at < CHUNK ? size - at : CHUNK, (off_t)at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            rc = mq_fail(err, MQ_ERR_SYSTEM, "cannot read back what is to be compressed");
        else
            rc = deflate_chunk(d, (size_t)n, Z_NO_FLUSH, err);
        at += n > 0 ? (uint64_t)n : 0;
        if (rc == MQ_OK)
            rc = mq_check_cancelled(hooks, err);
        mq_progress(hooks, "compressing", at, size);
    }
    if (rc == MQ_OK)
        rc = deflate_chunk(d, 0, Z_FINISH, err);
    *packed = d->n_out;
    deflateEnd(&d->z);
    free(d);
    return rc;
}

mq_status mq_gzip_pack(mq_outfile *f, int fd, uint64_t size, const mq_hooks *hooks, mq_error *err)
{
    uint64_t packed;
    return deflate_file(f, fd, size, &packed, hooks, err);
}

mq_status mq_gzip_size(int fd, uint64_t size, uint64_t *packed, mq_error *err)
{
    return deflate_file(NULL, fd, size, packed, NULL, err);
}

static bool pack_sample(const void *data, size_t n, uint64_t *packed)
{
    const uLong room = compressBound(n);
    Bytef *out = malloc(room);
    uLongf size = room;
    const bool good = out && compress2(out, &size, data, n, LEVEL) == Z_OK;

    *packed = size;
    free(out);
    return good;
}

mq_status mq_gzip_estimate(const void *data, size_t n, int n_threads, uint64_t *packed, mq_error *err)
{
    const size_t n_blocks = (n + SAMPLE - 1) / SAMPLE, taken = n_blocks < N_SAMPLES ? n_blocks : N_SAMPLES;
    uint64_t in = 0, out = 0;
    bool failed = false;

    (void)n_threads; /* without OpenMP */
#pragma omp parallel for schedule(dynamic) num_threads(n_threads) reduction(+ : in, out) reduction(|| : failed)
    for (size_t i = 0; i < taken; i++) {
        const size_t at = i * n_blocks / taken * SAMPLE, size = n - at < SAMPLE ? n - at : SAMPLE;
        uint64_t part;

        failed = !pack_sample((const unsigned char *)data + at, size, &part) || failed;
        in += size;
        out += part;
    }
    if (failed)
        return mq_oom(err);
    *packed = in == n ? out : (uint64_t)((double)out * ((double)n / (double)in));
    return MQ_OK;
}
