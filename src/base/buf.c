/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Mapped files and heap blocks behind one reference count. */
#include "base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file.h"

/* Where an empty buffer points. */
static const unsigned char nothing[1];

static mq_status create(mq_buf **out, const void *data, size_t size, int fd, mq_error *err)
{
    mq_buf *b = malloc(sizeof *b);

    if (!b)
        return mq_oom(err);
    *b = (mq_buf){ .data = data ? data : nothing, .size = size, .fd = fd, .refs = 1 };
    *out = b;
    return MQ_OK;
}

/* Copies a pipe or device into an unnamed file, whose descriptor replaces *fd. */
static mq_status spool(int *fd, const char *name, mq_error *err)
{
    enum { CHUNK = 1 << 16 };
    mq_outfile *f = NULL;
    char *chunk = malloc(CHUNK);
    mq_status rc = MQ_OK;
    ssize_t n;

    if (!chunk)
        return mq_oom(err);
    MQ_TRY(mq_outfile_scratch(&f, err));
    while ((n = read(*fd, chunk, CHUNK)) != 0) {
        if (n < 0) { /* a pipe may never end: a signal must be able to stop this */
            rc = errno == EINTR ? mq_fail(err, MQ_ERR_CANCELLED, "interrupted")
                                : mq_fail_errno(err, MQ_ERR_INPUT, "read", name);
            goto done;
        }
        MQ_TRY(mq_outfile_write(f, chunk, (size_t)n, err));
    }
    n = dup(mq_outfile_fd(f));
    if (n < 0) {
        rc = mq_fail_errno(err, MQ_ERR_SYSTEM, "read", name);
        goto done;
    }
    close(*fd);
    *fd = (int)n;
done:
    mq_outfile_abort(f);
    free(chunk);
    return rc;
}

mq_status mq_buf_map_fd(mq_buf **out, int fd, const char *name, mq_error *err)
{
    struct stat st;
    void *p = NULL;
    mq_status rc = MQ_OK;

    if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        MQ_TRY(spool(&fd, name, err));
    if (fstat(fd, &st) != 0) {
        rc = mq_fail_errno(err, MQ_ERR_INPUT, "read", name);
        goto done;
    }
    if (S_ISDIR(st.st_mode)) {
        rc = mq_fail(err, MQ_ERR_INPUT, "cannot read '%s': it is a folder", name);
        goto done;
    }
    if (st.st_size > 0) {
        p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            p = NULL;
            rc = mq_fail_errno(err, MQ_ERR_INPUT, "map", name);
            goto done;
        }
    }
    MQ_TRY(create(out, p, (size_t)st.st_size, fd, err));
    return MQ_OK;
done:
    if (p)
        munmap(p, (size_t)st.st_size);
    close(fd);
    return rc;
}

mq_status mq_buf_map(mq_buf **out, const char *path, mq_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? mq_fail_errno(err, MQ_ERR_INPUT, "open", path) : mq_buf_map_fd(out, fd, path, err);
}

mq_status mq_buf_from_heap(mq_buf **out, void *data, size_t size, mq_error *err)
{
    mq_status rc = create(out, data, size, -1, err);
    if (rc != MQ_OK)
        free(data);
    return rc;
}

mq_buf *mq_buf_ref(mq_buf *b)
{
    b->refs++;
    return b;
}

void mq_buf_unref(mq_buf *b)
{
    if (!b || --b->refs > 0)
        return;
    if (b->fd >= 0) {
        if (b->size)
            munmap((void *)b->data, b->size);
        close(b->fd);
    } else if (b->data != nothing) {
        free((void *)b->data);
    }
    free(b);
}

/* Calls madvise on the pages of [p, p+n): all that it touches, or only those that lie inside. */
static void advise(const mq_buf *b, const void *p, size_t n, int advice, bool inside)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = (uintptr_t)p, to = from + n;

    if (b->fd < 0 || n == 0)
        return;
    from = inside ? (from + page - 1) / page * page : from / page * page;
    to = inside ? to / page * page : (to + page - 1) / page * page;
    if (from < to)
        madvise((void *)from, to - from, advice);
}

void mq_buf_want(const mq_buf *b, const void *p, size_t n)
{
#ifdef MADV_POPULATE_READ
    advise(b, p, n, MADV_POPULATE_READ, false);
#else
    advise(b, p, n, MADV_WILLNEED, false);
#endif
}

void mq_buf_done_with(const mq_buf *b, const void *p, size_t n)
{
    advise(b, p, n, MADV_DONTNEED, true);
}
