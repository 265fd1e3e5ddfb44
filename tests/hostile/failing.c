/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Loaded before a program with LD_PRELOAD: makes its n-th call of a kind fail.
 *   FAIL_CALL   alloc (malloc, calloc, realloc, ...), write (to files), or the name of one of the calls below
 *   FAIL_AT     1, 2, ...: which one fails; 0: none, only count
 *   FAIL_ALL    set: all that follow fail too
 *   FAIL_COUNT  a file that gets the number of calls when the program ends
 * Allocations by the dynamic loader, the OpenMP runtime and C++ libraries (whose constructors run before main) are not
 * counted: those end the process by themselves. */
#undef _FILE_OFFSET_BITS /* both families of names are replaced below */

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static long n_calls;

static __thread bool asking; /* inside this library */

static bool spared(const void *caller)
{
    Dl_info info;

    return dladdr(caller, &info) && info.dli_fname &&
           (strstr(info.dli_fname, "omp.so") || strstr(info.dli_fname, "/ld-") || strstr(info.dli_fname,
                   "libgomp") || strstr(info.dli_fname, "libdnnl") ||
            strstr(info.dli_fname, "libstdc++"));
}

/* Is it this call that fails? */
static bool fails(const char *kind, const char *call, const void *caller)
{
    const char *wanted = getenv("FAIL_CALL"), *at = getenv("FAIL_AT");
    bool result = false;

    if (asking || !wanted || !at || (strcmp(wanted, kind) != 0 && strcmp(wanted, call) != 0))
        return false;
    asking = true;
    if (!spared(caller)) {
        long n = __atomic_add_fetch(&n_calls, 1, __ATOMIC_RELAXED), k = atol(at);
        result = k > 0 && (n == k || (n > k && getenv("FAIL_ALL")));
    }
    asking = false;
    return result;
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("FAIL_COUNT");
    FILE *f;

    asking = true;
    if (path && (f = fopen(path, "w"))) {
        fprintf(f, "%ld\n", n_calls);
        fclose(f);
    }
}

#define CALLER __builtin_return_address(0)
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))
#define NO_MEMORY(call) (fails("alloc", call, CALLER) && (errno = ENOMEM, true))

void *malloc(size_t size)
{
    return NO_MEMORY("malloc") ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return NO_MEMORY("calloc") ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    return NO_MEMORY("realloc") ? NULL : __libc_realloc(p, size);
}

char *strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = NO_MEMORY("strdup") ? NULL : __libc_malloc(n);

    return copy ? memcpy(copy, s, n) : NULL;
}

char *strndup(const char *s, size_t most)
{
    size_t n = strnlen(s, most);
    char *copy = NO_MEMORY("strndup") ? NULL : __libc_malloc(n + 1);

    if (copy) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}

int vasprintf(char **out, const char *fmt, va_list args)
{
    return NO_MEMORY("asprintf") ? -1 : NEXT(vasprintf)(out, fmt, args);
}

int asprintf(char **out, const char *fmt, ...)
{
    va_list args;
    int n;

    if (NO_MEMORY("asprintf"))
        return -1;
    va_start(args, fmt);
    n = NEXT(vasprintf)(out, fmt, args);
    va_end(args);
    return n;
}

/* The names with 64 are what a program calls that was built with large file offsets. */
#define FAILING(kind, code, result, name, params, args)                            \
    result name params;                                                            \
    result name params                                                             \
    {                                                                              \
        return fails(kind, #name, CALLER) ? (errno = (code), -1) : NEXT(name) args; \
    }

FAILING("write", ENOSPC, ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at), (fd, p, n, at))
FAILING("write", ENOSPC, ssize_t, pwrite64, (int fd, const void *p, size_t n, off64_t at), (fd, p, n, at))
FAILING("write", ENOSPC, ssize_t, copy_file_range,
        (int in, off64_t *from, int out, off64_t *to, size_t n, unsigned flags), (in, from, out, to, n, flags))
FAILING("write", ENOSPC, int, fallocate, (int fd, int mode, off_t at, off_t n), (fd, mode, at, n))
FAILING("write", ENOSPC, int, fallocate64, (int fd, int mode, off64_t at, off64_t n), (fd, mode, at, n))
FAILING("read", EIO, ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at))
FAILING("read", EIO, ssize_t, pread64, (int fd, void *p, size_t n, off64_t at), (fd, p, n, at))
FAILING("read", EIO, ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
FAILING("place", EIO, int, rename, (const char *from, const char *to), (from, to))
FAILING("place", EIO, int, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags))
FAILING("place", EIO, int, fsync, (int fd), (fd))
FAILING("descriptor", EMFILE, int, dup, (int fd), (fd))
