/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Labels: an array of the data file, an .npy or .npz of their own, a CSV of file,label, or the folders that pictures
 * lie in. All but the first become a table of one column. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/map.h"
#include "data/convert.h"
#include "data/table.h"

static bool ends_with(const char *s, size_t n, const char *end)
{
    const size_t k = strlen(end);

    return n > k && strncasecmp(s + n - k, end, k) == 0;
}

static bool is_images(const mq_table *t)
{
    return t->n_columns == 1 && t->columns[0].image;
}

/* A column of class numbers, one per row of the data. */
static mq_status table_of(mq_table **out, const char *path, const int64_t *labels, uint64_t n, mq_error *err)
{
    const int64_t dims[1] = { (int64_t)n };
    mq_array *a = NULL;
    mq_status rc = mq_array_create(&a, MQ_INT64, 1, dims, err);

    if (rc == MQ_OK) {
        memcpy(a->data, labels, n * sizeof *labels);
        rc = mq_table_of_array(out, path, a, err);
    }
    mq_array_unref(a);
    return rc;
}

/* ---- CSV ------------------------------------------------------------------------------------------------------------ */

/* Labels under the files' names as the CSV has them: paths, or names alone. */
struct csv {
    mq_arena *arena;
    mq_map rows; /* file -> struct entry */
    bool header;
};

struct entry {
    const char *file;
    int64_t label;
};

/* One field into the arena, quotes taken off ("" inside is one quote); NULL: out of memory. */
static char *field(struct csv *c, const char **at, const char *end)
{
    char *out = mq_arena_alloc(c->arena, (size_t)(end - *at) + 1), *o = out;
    const char *p = *at;
    const bool quoted = p < end && *p == '"';

    if (!out)
        return NULL;
    for (p += quoted; p < end; p++) {
        if (quoted && *p == '"') {
            if (p + 1 >= end || p[1] != '"')
                break;
            p++;
        } else if (!quoted && *p == ',') {
            break;
        }
        *o++ = *p;
    }
    while (p < end && *p != ',')
        p++;
    *at = p < end ? p + 1 : end;
    while (o > out && (o[-1] == ' ' || o[-1] == '\r' || o[-1] == '\t'))
        *--o = '\0';
    return out;
}

static mq_status read_row(struct csv *c, const char *path, size_t line, const char *p, const char *end, mq_error *err)
{
    struct entry *e = mq_arena_alloc(c->arena, sizeof *e);
    char *file = field(c, &p, end), *label = file ? field(c, &p, end) : NULL, *rest;

    if (!e || !label)
        return mq_oom(err);
    if (!*file && !*label)
        return MQ_OK;
    e->file = strncmp(file, "./", 2) == 0 ? file + 2 : file;
    e->label = strtoll(label, &rest, 10);
    if (!*label || *rest) {
        if (line == 1) /* "file,label" */
            return MQ_OK;
        return mq_fail(err, MQ_ERR_INPUT, "%s, line %zu: '%s' is no class number", path, line, label);
    }
    if (mq_map_get(&c->rows, e->file))
        return mq_fail(err, MQ_ERR_INPUT, "%s, line %zu: '%s' has two labels", path, line, e->file);
    return mq_map_put(&c->rows, e->file, e) ? MQ_OK : mq_oom(err);
}

static mq_status read_csv(struct csv *c, const char *path, mq_error *err)
{
    mq_buf *b = NULL;
    size_t line = 0;
    mq_status rc = mq_buf_map(&b, path, err);

    for (size_t at = 0, n; rc == MQ_OK && at < b->size; at += n + 1) {
        const char *p = (const char *)b->data + at;
        const char *end = memchr(p, '\n', b->size - at);

        n = end ? (size_t)(end - p) : b->size - at;
        rc = read_row(c, path, ++line, p, p + n, err);
    }
    mq_buf_unref(b);
    return rc;
}

/* The label of a picture: by its path as given, by its path inside the data's folder, or by its name. */
static const struct entry *find_entry(const struct csv *c, const mq_table *data, const char *path)
{
    const size_t n = strlen(data->path);
    const char *inside = strncmp(path, data->path, n) == 0 ? path + n : path, *name = strrchr(path, '/');
    const struct entry *e = mq_map_get(&c->rows, path);

    while (*inside == '/' && inside != path)
        inside++;
    e = e ? e : mq_map_get(&c->rows, inside);
    return e ? e : mq_map_get(&c->rows, name ? name + 1 : path);
}

/* missing: set to the first picture without a label, instead of failing. */
static mq_status labels_of_csv(mq_table **out, const char *path, const mq_table *data, const char **missing, mq_error *err)
{
    struct csv c = { .arena = mq_arena_create() };
    int64_t *labels = calloc(data->n_rows + 1, sizeof *labels);
    mq_status rc = c.arena && labels ? read_csv(&c, path, err) : mq_oom(err);

    for (uint64_t i = 0; rc == MQ_OK && i < data->n_rows; i++) {
        const struct entry *e = find_entry(&c, data, mq_images_path(data, i));

        if (e) {
            labels[i] = e->label;
            continue;
        }
        if (missing)
            *missing = mq_images_path(data, i);
        else
            rc = mq_fail(err, MQ_ERR_INPUT, "%s has no label for '%s'", path, mq_images_path(data, i));
        break;
    }
    if (rc == MQ_OK && !(missing && *missing))
        rc = table_of(out, path, labels, data->n_rows, err);
    mq_map_release(&c.rows);
    if (c.arena)
        mq_arena_free(c.arena);
    free(labels);
    return rc;
}

mq_status mq_labels_beside(mq_table **out, char **why, const mq_table *data, mq_error *err)
{
    const char *missing = NULL;
    char *path = NULL;
    struct stat st;
    mq_status rc = MQ_OK;

    *out = NULL;
    if (stat(data->path, &st) != 0 || !S_ISDIR(st.st_mode))
        return MQ_OK;
    if (asprintf(&path, "%s/labels.csv", data->path) < 0)
        return mq_oom(err);
    if (access(path, R_OK) == 0)
        rc = labels_of_csv(out, path, data, &missing, err);
    if (rc == MQ_OK && missing && asprintf(why, "%s has no label for '%s': labels are not used", path, missing) < 0) {
        *why = NULL;
        rc = mq_oom(err);
    }
    free(path);
    return rc;
}

/* ---- folders -------------------------------------------------------------------------------------------------------- */

/* The folder right below the data's, as a pointer into the path; *n is its length. NULL: the picture lies in none. */
static const char *class_of(const mq_table *data, uint64_t row, size_t *n)
{
    const char *path = mq_images_path(data, row), *inside = path + strlen(data->path), *slash;

    if (strncmp(path, data->path, strlen(data->path)) != 0)
        return NULL;
    while (*inside == '/')
        inside++;
    slash = strchr(inside, '/');
    *n = slash ? (size_t)(slash - inside) : 0;
    return slash ? inside : NULL;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorts the names and leaves each once. */
static size_t sort_names(char **names, size_t n)
{
    size_t kept = 0;

    qsort(names, n, sizeof *names, by_bytes);
    for (size_t i = 0; i < n; i++)
        if (!kept || strcmp(names[kept - 1], names[i]) != 0)
            names[kept++] = names[i];
    return kept;
}

/* A class per folder, numbered in the order of bytes. */
static mq_status labels_of_folders(mq_table **out, const mq_table *data, const char *option, mq_error *err)
{
    mq_arena *arena = mq_arena_create();
    char **names = calloc(data->n_rows + 1, sizeof *names), **each = calloc(data->n_rows + 1, sizeof *each);
    int64_t *labels = calloc(data->n_rows + 1, sizeof *labels);
    mq_status rc = arena && names && each && labels ? MQ_OK : mq_oom(err);
    size_t n;

    for (uint64_t i = 0; rc == MQ_OK && i < data->n_rows; i++) {
        size_t length = 0;
        const char *name = class_of(data, i, &length);

        if (!name)
            rc = mq_fail(err, MQ_ERR_INPUT, "%s folders: '%s' lies in no folder of a class", option,
                         mq_images_path(data, i));
        else if (!(each[i] = names[i] = mq_arena_printf(arena, "%.*s", (int)length, name)))
            rc = mq_oom(err);
    }
    n = rc == MQ_OK ? sort_names(names, data->n_rows) : 0;
    for (uint64_t i = 0; rc == MQ_OK && i < data->n_rows; i++)
        labels[i] = (char **)bsearch(&each[i], names, n, sizeof *names, by_bytes) - names;
    if (rc == MQ_OK)
        rc = table_of(out, data->path, labels, data->n_rows, err);
    if (arena)
        mq_arena_free(arena);
    free(names);
    free(each);
    free(labels);
    return rc;
}

/* ---- files of their own --------------------------------------------------------------------------------------------- */

static mq_status labels_of_npz(mq_table **out, int *column, const char *path, const char *key, mq_error *err)
{
    mq_table *t = NULL;
    mq_status rc = mq_table_npz(&t, path, err);

    if (rc != MQ_OK)
        return rc;
    *column = key ? mq_table_find(t, key) : t->n_columns == 1 ? 0 : -1;
    if (*column >= 0) {
        *out = t;
        return MQ_OK;
    }
    mq_table_free(t);
    return key ? mq_fail(err, MQ_ERR_INPUT, "%s has no array '%s'", path, key)
               : mq_fail(err, MQ_ERR_USAGE, "%s has several arrays: FILE:KEY says which are the labels", path);
}

mq_status mq_labels_open(mq_table **out, int *column, const char *text, const mq_table *data, const char *option,
                         mq_error *err)
{
    const char *colon = strstr(text, ".npz:");
    const size_t n = strlen(text);
    char *path;
    mq_status rc;

    *out = NULL;
    *column = 0;
    if (text[0] == ':') {
        *column = mq_table_find(data, text + 1);
        return *column >= 0 && text[1] ? MQ_OK : mq_fail(err, MQ_ERR_INPUT, "%s '%s': %s has no array of that name",
                                                         option, text, data->path);
    }
    if (strcmp(text, "folders") == 0)
        return is_images(data) ? labels_of_folders(out, data, option, err)
                               : mq_fail(err, MQ_ERR_USAGE, "%s folders: %s is no folder of pictures", option, data->path);
    if (ends_with(text, n, ".csv"))
        return is_images(data) ? labels_of_csv(out, text, data, NULL, err)
                               : mq_fail(err, MQ_ERR_USAGE, "%s '%s': a CSV of file,label is for pictures", option, text);
    if (ends_with(text, n, ".npy"))
        return mq_table_npy(out, text, err);
    if (ends_with(text, n, ".npz"))
        return labels_of_npz(out, column, text, NULL, err);
    if (!colon)
        return mq_fail(err, MQ_ERR_USAGE,
                       "%s '%s': the forms are :KEY of the data file, .npy, .npz:KEY, .csv and folders", option, text);
    if (!(path = strndup(text, (size_t)(colon - text) + 4)))
        return mq_oom(err);
    rc = labels_of_npz(out, column, path, colon + 5, err);
    free(path);
    return rc;
}
