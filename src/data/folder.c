/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pictures by their paths: a folder, searched deep and sorted by bytes, or a list. A row is decoded when it is asked for. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/str.h"
#include "data/image.h"
#include "data/table.h"

#define MAX_DEPTH 64 /* folders in folders: links could go round */

typedef MQ_VEC(char *) path_vec;

struct images {
    mq_table base;
    path_vec paths;
};

static mq_status images_row(mq_table *t, size_t column, uint64_t row, mq_array **out, mq_error *err)
{
    (void)column;
    return mq_image_load(out, mq_images_path(t, row), err);
}

static void images_row_text(const mq_table *t, uint64_t row, char *out, size_t size)
{
    snprintf(out, size, "%s", mq_images_path(t, row));
}

static void images_release(mq_table *t)
{
    struct images *m = (struct images *)t;

    for (size_t i = 0; i < m->paths.n; i++)
        free(m->paths.items[i]);
    mq_vec_release(&m->paths);
}

static const mq_table_ops ops = { .row = images_row, .row_text = images_row_text, .release = images_release };

const char *mq_images_path(const mq_table *t, uint64_t row)
{
    return ((const struct images *)t)->paths.items[row];
}

static bool is_picture(const char *name)
{
    static const char *const ends[] = { ".jpg", ".jpeg", ".png" };
    const size_t n = strlen(name);

    for (size_t i = 0; i < 3; i++)
        if (n > strlen(ends[i]) && strcasecmp(name + n - strlen(ends[i]), ends[i]) == 0)
            return name[0] != '.';
    return false;
}

static mq_status add_path(path_vec *paths, char *path, mq_error *err)
{
    if (path && mq_vec_push(paths, path))
        return MQ_OK;
    free(path);
    return mq_oom(err);
}

static mq_status search(path_vec *paths, const char *folder, int depth, mq_error *err)
{
    DIR *dir = opendir(folder);
    mq_status rc = MQ_OK;

    if (!dir)
        return mq_fail_errno(err, MQ_ERR_INPUT, "read", folder);
    for (const struct dirent *e; rc == MQ_OK && (e = readdir(dir));) {
        const bool slash = *folder && folder[strlen(folder) - 1] == '/';
        struct stat st;
        char *path;

        if (e->d_name[0] == '.')
            continue;
        if (asprintf(&path, "%s%s%s", folder, slash ? "" : "/", e->d_name) < 0) {
            rc = mq_oom(err);
        } else if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            rc = depth < MAX_DEPTH ? search(paths, path, depth + 1, err)
                                   : mq_fail(err, MQ_ERR_INPUT, "%s: folders are more than %d deep", path, MAX_DEPTH);
            free(path);
        } else if (is_picture(e->d_name)) {
            rc = add_path(paths, path, err);
        } else {
            free(path);
        }
    }
    closedir(dir);
    return rc;
}

/* One path per line, relative to the list's folder; blank lines and those that begin with '#' are passed over. */
static mq_status read_list(path_vec *paths, const char *list, mq_error *err)
{
    const char *slash = strrchr(list, '/');
    const int folder = slash ? (int)(slash - list) + 1 : 0;
    mq_buf *b = NULL;
    mq_status rc = mq_buf_map(&b, list, err);

    for (size_t at = 0, n; rc == MQ_OK && at < b->size; at += n + 1) {
        const char *line = (const char *)b->data + at;
        const char *end = memchr(line, '\n', b->size - at);
        char *path = NULL;
        int used;

        n = end ? (size_t)(end - line) : b->size - at;
        used = (int)(n < 65536 ? n : 65536);
        while (used > 0 && (line[used - 1] == '\r' || line[used - 1] == ' ' || line[used - 1] == '\t'))
            used--;
        if (!used || *line == '#')
            continue;
        if (asprintf(&path, "%.*s%.*s", *line == '/' ? 0 : folder, list, used, line) < 0)
            path = NULL;
        rc = add_path(paths, path, err);
    }
    mq_buf_unref(b);
    return rc;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

mq_status mq_table_images(mq_table **out, const char *path, bool is_list, const mq_hooks *hooks, mq_error *err)
{
    mq_table *t = NULL;
    struct images *m;
    mq_status rc;

    MQ_TRY(mq_table_create(&t, sizeof *m, &ops, path, 1, err));
    m = (struct images *)t;
    MQ_TRY(is_list ? read_list(&m->paths, path, err) : search(&m->paths, path, 0, err));
    if (!m->paths.n) {
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: there are no pictures (.jpg .jpeg .png)%s", path,
                     is_list ? "" : " and no test_data_set_N in the folder");
        goto done;
    }
    if (!is_list)
        qsort(m->paths.items, m->paths.n, sizeof *m->paths.items, by_bytes);
    for (size_t i = 0; i < m->paths.n; i++)
        mq_note_file(hooks, m->paths.items[i], false);
    t->n_rows = m->paths.n;
    t->columns[0] = (mq_column){ .name = "", .dtype = MQ_UINT8, .rank = 3, .dims = { -1, -1, 3 }, .image = true };
    *out = t;
    t = NULL;
done:
    mq_table_free(t);
    return rc;
}
