/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Output files. O_TMPFILE leaves nothing behind even after SIGKILL; where it is not supported a hidden temporary name is
 * used and removed on failure. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

struct mq_outfile {
    int fd;
    char *path;  /* the target, links resolved; for messages of scratch files "temporary file" */
    char *temp;  /* name of the temporary file; NULL: it has none */
    bool replaces; /* a file, whose permissions it takes over whatever the umask is */
    bool direct; /* target is standard output, a device or a pipe: written there at the end, from an unnamed file */
    uint64_t pos;
};

static char *join(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b);
    char *s = malloc(n + m + 1);
    if (s) {
        memcpy(s, a, n);
        memcpy(s + n, b, m + 1);
    }
    return s;
}

/* The folder of a path, with its slash; "./" when it has none. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? strndup(path, (size_t)(slash - path) + 1) : strdup("./");
}

/* A hidden name beside the target that is not taken: `.NAME.mq-PID-N`. Opens it unless open_it is false. */
static int open_temp_name(const char *target, char **name, mode_t mode)
{
    char *dir = folder_of(target);
    const char *base = strrchr(target, '/');
    int fd = -1;

    base = base ? base + 1 : target;
    *name = NULL;
    for (int i = 0; dir && fd < 0 && i < 1000; i++) {
        free(*name);
        *name = NULL;
        if (asprintf(name, "%s.%.200s.mq-%ld-%d", dir, base, (long)getpid(), i) < 0) {
            *name = NULL;
            errno = ENOMEM;
            break;
        }
        fd = open(*name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    if (!dir)
        errno = ENOMEM;
    if (fd < 0) {
        free(*name);
        *name = NULL;
    }
    free(dir);
    return fd;
}

/* The file that a chain of links names, or a copy of path when there is none. */
static char *resolve(const char *path)
{
    struct stat st;
    char *real = lstat(path, &st) == 0 && S_ISLNK(st.st_mode) ? realpath(path, NULL) : NULL;
    return real ? real : strdup(path);
}

static mq_status open_beside(mq_outfile *f, mode_t mode, mq_error *err)
{
    char *dir = folder_of(f->path);
    int e;

    if (!dir)
        return mq_oom(err);
#ifdef O_TMPFILE
    f->fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, mode);
#endif
    e = errno;
    free(dir);
    if (f->fd < 0 && (e == EOPNOTSUPP || e == EISDIR || e == ENOENT || e == EINVAL))
        f->fd = open_temp_name(f->path, &f->temp, mode);
    else
        errno = e;
    if (f->fd < 0)
        return mq_fail_errno(err, MQ_ERR_SYSTEM, "write", f->path);
    if (f->replaces)
        fchmod(f->fd, mode); /* a file system without permissions has nothing to keep */
    return MQ_OK;
}

/* Opens an unnamed file in $TMPDIR or /tmp. */
static int open_scratch(const char **dir)
{
    char *name = NULL;
    int fd = -1;

    *dir = getenv("TMPDIR");
    if (!*dir || !**dir)
        *dir = "/tmp";
#ifdef O_TMPFILE
    fd = open(*dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
#endif
    if (fd < 0 && (name = join(*dir, "/mq-XXXXXX")) && (fd = mkostemp(name, O_CLOEXEC)) >= 0)
        unlink(name);
    free(name);
    return fd;
}

/* Finds out what the target is now: sets f->direct and the permissions that a replaced file passes on. */
static mq_status look_at_target(mq_outfile *f, const char *path, bool force, mode_t *mode, mq_error *err)
{
    struct stat st;

    if (!*path)
        return mq_fail(err, MQ_ERR_USAGE, "the output has an empty name");
    f->direct = strcmp(path, "-") == 0;
    if (f->direct || stat(path, &st) != 0)
        return MQ_OK;
    if (S_ISDIR(st.st_mode))
        return mq_fail(err, MQ_ERR_SYSTEM, "cannot write '%s': it is a folder", path);
    f->direct = !S_ISREG(st.st_mode);
    if (!f->direct && !force)
        return mq_fail(err, MQ_ERR_USAGE, "output '%s' exists (-f replaces it)", path);
    *mode = st.st_mode & 0777;
    f->replaces = !f->direct;
    return MQ_OK;
}

mq_status mq_outfile_open(mq_outfile **out, const char *path, bool force, mq_error *err)
{
    mq_outfile *f = calloc(1, sizeof *f);
    const char *dir;
    mode_t mode = 0666;
    mq_status rc = MQ_OK;

    if (!f)
        return mq_oom(err);
    f->fd = -1;
    if (!(f->path = resolve(path))) {
        rc = mq_oom(err);
        goto done;
    }
    MQ_TRY(look_at_target(f, path, force, &mode, err));
    if (!f->direct)
        rc = open_beside(f, mode, err);
    else if ((f->fd = open_scratch(&dir)) < 0)
        rc = mq_fail_errno(err, MQ_ERR_SYSTEM, "create a temporary file in", dir);
done:
    if (rc == MQ_OK)
        *out = f;
    else
        mq_outfile_abort(f);
    return rc;
}

mq_status mq_outfile_try(const char *path, bool force, mq_error *err)
{
    mq_outfile *f = NULL;
    const mq_status rc = mq_outfile_open(&f, path, force, err);

    mq_outfile_abort(f);
    return rc;
}

mq_status mq_outfile_scratch(mq_outfile **out, mq_error *err)
{
    mq_outfile *f = calloc(1, sizeof *f);
    const char *dir;

    if (!f || !(f->path = strdup("temporary file"))) {
        free(f);
        return mq_oom(err);
    }
    f->direct = true; /* has no target to be renamed to */
    if ((f->fd = open_scratch(&dir)) < 0) {
        mq_status rc = mq_fail_errno(err, MQ_ERR_SYSTEM, "create a temporary file in", dir);
        mq_outfile_abort(f);
        return rc;
    }
    *out = f;
    return MQ_OK;
}

int mq_outfile_fd(const mq_outfile *f)
{
    return f->fd;
}

const char *mq_outfile_path(const mq_outfile *f)
{
    return f->path;
}

uint64_t mq_outfile_pos(const mq_outfile *f)
{
    return f->pos;
}

mq_status mq_outfile_write(mq_outfile *f, const void *data, size_t n, mq_error *err)
{
    mq_status rc = mq_outfile_write_at(f, f->pos, data, n, err);

    if (rc == MQ_OK)
        f->pos += n;
    return rc;
}

mq_status mq_outfile_write_at(mq_outfile *f, uint64_t offset, const void *data, size_t n, mq_error *err)
{
    const char *p = data;
    ssize_t k;

    while (n > 0) {
        k = pwrite(f->fd, p, n < (1u << 30) ? n : 1u << 30, (off_t)offset);
        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return mq_fail_errno(err, MQ_ERR_SYSTEM, "write", f->path);
        p += k;
        n -= (size_t)k;
        offset += (size_t)k;
    }
    return MQ_OK;
}

/* The rest of a copy by hand, for file systems without copy_file_range. */
static mq_status copy_by_hand(mq_outfile *f, int fd, off_t from, uint64_t n, mq_error *err)
{
    enum { CHUNK = 1 << 20 };
    char *chunk = malloc(CHUNK);
    mq_status rc = chunk ? MQ_OK : mq_oom(err);

    while (rc == MQ_OK && n > 0) {
        ssize_t k = pread(fd, chunk, n < CHUNK ? n : CHUNK, from);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0) {
            rc = k < 0 ? mq_fail_errno(err, MQ_ERR_INPUT, "copy to", f->path)
                       : mq_fail(err, MQ_ERR_INPUT, "a file became shorter while it was copied to '%s'", f->path);
            break;
        }
        rc = mq_outfile_write(f, chunk, (size_t)k, err);
        from += k;
        n -= (uint64_t)k;
    }
    free(chunk);
    return rc;
}

mq_status mq_outfile_copy(mq_outfile *f, int fd, uint64_t offset, uint64_t n, mq_error *err)
{
    off_t from = (off_t)offset;

    while (n > 0) {
        off_t to = (off_t)f->pos;
        ssize_t k = copy_file_range(fd, &from, f->fd, &to, n < (1u << 30) ? n : 1u << 30, 0);
        if (k < 0 && errno == EINTR)
            continue;
        if (k <= 0)
            break;
        n -= (uint64_t)k;
        f->pos += (uint64_t)k;
    }
    return n > 0 ? copy_by_hand(f, fd, from, n, err) : MQ_OK;
}

mq_status mq_outfile_reserve(mq_outfile *f, uint64_t n, mq_error *err)
{
    if (n > 0 && fallocate(f->fd, 0, (off_t)f->pos, (off_t)n) != 0 && errno != EOPNOTSUPP &&
        errno != ENOSYS && errno != EINVAL && errno != EINTR)
        return mq_fail_errno(err, MQ_ERR_SYSTEM, "write", f->path);
    f->pos += n;
    return MQ_OK;
}

/* Gives an unnamed file its temporary name, so that rename can replace the target. */
static mq_status give_name(mq_outfile *f, mq_error *err)
{
    char proc[64], *name = NULL;
    int fd;

    if (f->temp || f->direct)
        return MQ_OK;
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", f->fd);
    fd = open_temp_name(f->path, &name, 0600); /* claims a free name, which the link then takes */
    if (fd < 0)
        return mq_fail_errno(err, MQ_ERR_SYSTEM, "write", f->path);
    close(fd);
    unlink(name);
    if (linkat(AT_FDCWD, proc, AT_FDCWD, name, AT_SYMLINK_FOLLOW) != 0) {
        mq_status rc = mq_fail_errno(err, MQ_ERR_SYSTEM, "write", f->path);
        free(name);
        return rc;
    }
    f->temp = name;
    return MQ_OK;
}

static void outfile_free(mq_outfile *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->temp);
    free(f->path);
    free(f);
}

void mq_outfile_abort(mq_outfile *f)
{
    if (!f)
        return;
    if (f->temp)
        unlink(f->temp);
    outfile_free(f);
}

/* Everything that can fail before the first rename. */
static mq_status prepare(mq_outfile *f, bool sync, mq_error *err)
{
    if (sync && !f->direct && fsync(f->fd) != 0)
        return mq_fail_errno(err, MQ_ERR_SYSTEM, "write", f->path);
    return give_name(f, err);
}

/* Writes the finished bytes to a target that cannot be renamed to. */
static mq_status pour_out(const mq_outfile *f, mq_error *err)
{
    enum { CHUNK = 1 << 16 };
    bool out = strcmp(f->path, "-") == 0;
    int fd = out ? STDOUT_FILENO : open(f->path, O_WRONLY | O_CLOEXEC);
    char *chunk = malloc(CHUNK), *p;
    const char *path = out ? "standard output" : f->path;
    mq_status rc = chunk ? MQ_OK : mq_oom(err);
    ssize_t n, k;

    if (fd < 0)
        rc = mq_fail_errno(err, MQ_ERR_SYSTEM, "write", path);
    for (uint64_t at = 0; rc == MQ_OK && at < f->pos; at += (uint64_t)n) {
        if ((n = pread(f->fd, chunk, CHUNK, (off_t)at)) <= 0) {
            rc = mq_fail_errno(err, MQ_ERR_SYSTEM, "read back what goes to", path);
            break;
        }
        for (p = chunk; p < chunk + n; p += k)
            if ((k = write(fd, p, (size_t)(chunk + n - p))) < 0) {
                if (errno != EINTR) {
                    rc = mq_fail_errno(err, MQ_ERR_SYSTEM, "write", path);
                    break;
                }
                k = 0;
            }
    }
    if (fd >= 0 && !out && close(fd) != 0 && rc == MQ_OK)
        rc = mq_fail_errno(err, MQ_ERR_SYSTEM, "write", path);
    free(chunk);
    return rc;
}

static mq_status put_in_place(mq_outfile *f, mq_error *err)
{
    if (f->direct)
        return pour_out(f, err);
    if (rename(f->temp, f->path) != 0)
        return mq_fail_errno(err, MQ_ERR_SYSTEM, "write", f->path);
    free(f->temp);
    f->temp = NULL;
    return MQ_OK;
}

static void sync_folder(const mq_outfile *f)
{
    char *dir = folder_of(f->path);
    int fd = dir ? open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        fsync(fd);
        close(fd);
    }
    free(dir);
}

mq_status mq_outfile_commit(mq_outfile *f, bool sync, mq_error *err)
{
    return mq_outfile_commit_with(f, NULL, 0, sync, err);
}

/* The old model steps aside under a temporary name while the data change, so that no moment shows the old model with new
 * data; *aside is NULL when there was none. */
static mq_status step_aside(const mq_outfile *model, char **aside, mq_error *err)
{
    int fd;

    *aside = NULL;
    if (model->direct || access(model->path, F_OK) != 0)
        return MQ_OK;
    if ((fd = open_temp_name(model->path, aside, 0600)) < 0)
        return mq_fail_errno(err, MQ_ERR_SYSTEM, "write", model->path);
    close(fd);
    if (rename(model->path, *aside) != 0) {
        mq_status rc = mq_fail_errno(err, MQ_ERR_SYSTEM, "write", model->path);
        unlink(*aside);
        free(*aside);
        *aside = NULL;
        return rc;
    }
    return MQ_OK;
}

mq_status mq_outfile_commit_with(mq_outfile *model, mq_outfile **data, size_t n_data, bool sync, mq_error *err)
{
    char *aside = NULL;
    size_t placed = 0;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < n_data; i++)
        MQ_TRY(prepare(data[i], sync, err));
    MQ_TRY(prepare(model, sync, err));
    if (n_data)
        MQ_TRY(step_aside(model, &aside, err));
    for (; placed < n_data; placed++)
        MQ_TRY(put_in_place(data[placed], err));
    MQ_TRY(put_in_place(model, err));
    if (sync)
        sync_folder(model);
done:
    if (aside) {
        if (rc != MQ_OK && placed == 0) /* the old pair is still whole */
            rename(aside, model->path);
        else
            unlink(aside);
        free(aside);
    }
    for (size_t i = 0; i < n_data; i++)
        mq_outfile_abort(data[i]);
    mq_outfile_abort(model);
    return rc;
}

mq_status mq_folder_make(char *path, size_t size, const char *name, mq_error *err)
{
    const char *tmp = getenv("TMPDIR");
    const int n = snprintf(path, size, "%s/%s-XXXXXX", tmp && *tmp ? tmp : "/tmp", name);
    mq_status rc = MQ_OK;

    if (n < 0 || (size_t)n >= size)
        rc = mq_fail(err, MQ_ERR_SYSTEM, "the path in TMPDIR is too long");
    else if (!mkdtemp(path))
        rc = mq_fail_errno(err, MQ_ERR_SYSTEM, "make the folder", path);
    if (rc != MQ_OK)
        *path = '\0';
    return rc;
}

mq_status mq_file_put(const char *path, const void *data, size_t n, mq_error *err)
{
    mq_outfile *f = NULL;
    mq_status rc = mq_outfile_open(&f, path, true, err);

    if (rc == MQ_OK && (rc = mq_outfile_write(f, data, n, err)) != MQ_OK)
        mq_outfile_abort(f);
    else if (rc == MQ_OK)
        rc = mq_outfile_commit(f, false, err);
    return rc;
}
