/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* A folder of its own for a test of files: scratch_open makes one and goes there, scratch_close leaves and removes it. Both
 * are cmocka fixtures. Include it after cmocka.h. */
#ifndef MQ_TESTS_SCRATCH_H
#define MQ_TESTS_SCRATCH_H

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char scratch_dir[256];

static inline int scratch_open(void **state)
{
    const char *top = getenv("TMPDIR");

    (void)state;
    snprintf(scratch_dir, sizeof scratch_dir, "%s/mq-test-XXXXXX", top && *top ? top : "/tmp");
    return mkdtemp(scratch_dir) && chdir(scratch_dir) == 0 ? 0 : -1;
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static inline int scratch_close(void **state)
{
    (void)state;
    return chdir("/") == 0 && nftw(scratch_dir, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS) == 0 ? 0 : -1;
}

static inline void scratch_put(const char *name, const void *data, size_t n)
{
    FILE *f = fopen(name, "wb");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static inline void scratch_put_text(const char *name, const char *text)
{
    scratch_put(name, text, strlen(text));
}

/* The whole file with a NUL behind it, to be freed; *n may be NULL. */
static inline char *scratch_get(const char *name, size_t *n)
{
    FILE *f = fopen(name, "rb");
    struct stat st;
    char *data;

    assert_non_null(f);
    assert_int_equal(fstat(fileno(f), &st), 0);
    data = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(data);
    assert_int_equal(fread(data, 1, (size_t)st.st_size, f), (size_t)st.st_size);
    fclose(f);
    if (n)
        *n = (size_t)st.st_size;
    return data;
}

static inline void scratch_has(const char *name, const char *text)
{
    char *got = scratch_get(name, NULL);

    assert_string_equal(got, text);
    free(got);
}

/* How many entries a folder has, hidden ones too: nothing may be left behind. */
static inline size_t scratch_count(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;

    assert_non_null(d);
    for (const struct dirent *e; (e = readdir(d));)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

#endif
