/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* .jsonl: a sample per line, an object of input: nested lists (or a number) each. The file is mapped; what is kept
 * is where lines begin, and the last line read. Lists must be regular inside a sample; samples may differ. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/table.h"

struct jsonl {
    mq_table base;
    mq_buf *buf;
    uint64_t *starts; /* of the lines that are not blank, and the end of the file */
    uint64_t read;    /* the row that `object` is, from 1; 0: none */
    json_t *object;
};

/* ---- lines ---------------------------------------------------------------------------------------------------------- */

static bool is_blank(const unsigned char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r' && p[i] != '\n')
            return false;
    return true;
}

static mq_status find_lines(struct jsonl *j, mq_error *err)
{
    MQ_VEC(uint64_t) starts = { 0 };
    const unsigned char *data = j->buf->data;
    bool ok = true;

    for (size_t at = 0; at < j->buf->size && ok;) {
        const unsigned char *end = memchr(data + at, '\n', j->buf->size - at);
        const size_t n = (end ? (size_t)(end - data) : j->buf->size) - at;

        if (!is_blank(data + at, n))
            ok = mq_vec_push(&starts, at);
        at += n + 1;
    }
    j->base.n_rows = starts.n;
    ok = ok && mq_vec_push(&starts, j->buf->size);
    j->starts = starts.items;
    return ok ? MQ_OK : mq_oom(err);
}

static mq_status read_line(struct jsonl *j, uint64_t row, mq_error *err)
{
    const char *line = (const char *)j->buf->data + j->starts[row];
    const size_t room = (size_t)(j->starts[row + 1] - j->starts[row]);
    const char *end = memchr(line, '\n', room);
    json_error_t why;

    if (j->read == row + 1)
        return MQ_OK;
    json_decref(j->object);
    j->read = 0;
    j->object = json_loadb(line, end ? (size_t)(end - line) : room, 0, &why);
    if (!j->object && json_error_code(&why) == json_error_out_of_memory)
        return mq_oom(err);
    if (!j->object) {
        mq_fail(err, MQ_ERR_INPUT, "the line is no JSON: %s (column %d)", why.text, why.column);
        mq_error_one_line(err);
        return MQ_ERR_INPUT;
    }
    if (!json_is_object(j->object))
        return mq_fail(err, MQ_ERR_INPUT, "the line is no object of input: values");
    j->read = row + 1;
    return MQ_OK;
}

/* ---- values --------------------------------------------------------------------------------------------------------- */

/* Shape by the first elements, and what the numbers are: all integers, reals among them, truth values, strings. */
struct shape {
    int rank;
    int64_t dims[MQ_MAX_RANK];
    size_t count;
    bool reals, strings, numbers;
};

static mq_status look(const json_t *v, struct shape *s, int depth, mq_error *err)
{
    mq_status rc = MQ_OK;

    if (!json_is_array(v)) {
        if (depth != s->rank)
            return mq_fail(err, MQ_ERR_INPUT, "its lists are not regular");
        s->reals |= json_is_real(v);
        s->strings |= json_is_string(v);
        s->numbers |= json_is_number(v) || json_is_boolean(v);
        if (!json_is_number(v) && !json_is_boolean(v) && !json_is_string(v))
            return mq_fail(err, MQ_ERR_INPUT, "it holds something that is no number or string");
        s->count++;
        return MQ_OK;
    }
    if (depth >= s->rank || (int64_t)json_array_size(v) != s->dims[depth])
        return mq_fail(err, MQ_ERR_INPUT, "its lists are not regular");
    for (size_t i = 0; i < json_array_size(v) && rc == MQ_OK; i++)
        rc = look(json_array_get(v, i), s, depth + 1, err);
    return rc;
}

static mq_status shape_of(const json_t *v, struct shape *s, mq_error *err)
{
    const json_t *first = v;
    mq_status rc;

    *s = (struct shape){ 0 };
    for (; json_is_array(first); first = json_array_get(first, 0)) {
        if (s->rank == MQ_MAX_RANK)
            return mq_fail(err, MQ_ERR_INPUT, "its lists are more than %d deep", MQ_MAX_RANK);
        s->dims[s->rank++] = (int64_t)json_array_size(first);
    }
    rc = look(v, s, 0, err);
    return rc == MQ_OK && s->strings && s->numbers ? mq_fail(err, MQ_ERR_INPUT, "it mixes strings and numbers") : rc;
}

static void put_numbers(const json_t *v, mq_array *a, size_t *at)
{
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++)
            put_numbers(json_array_get(v, i), a, at);
    } else if (a->dtype == MQ_DOUBLE) {
        ((double *)a->data)[(*at)++] = json_is_boolean(v) ? json_boolean_value(v) : json_number_value(v);
    } else {
        ((int64_t *)a->data)[(*at)++] = json_is_boolean(v) ? json_boolean_value(v) : json_integer_value(v);
    }
}

static size_t text_size(const json_t *v)
{
    size_t n = json_string_length(v);

    for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++)
        n += text_size(json_array_get(v, i));
    return n;
}

static void put_strings(const json_t *v, mq_bytes **table, char **text)
{
    const size_t n = json_string_length(v);

    for (size_t i = 0; json_is_array(v) && i < json_array_size(v); i++)
        put_strings(json_array_get(v, i), table, text);
    if (json_is_array(v))
        return;
    memcpy(*text, json_string_value(v), n);
    *(*table)++ = (mq_bytes){ *text, n };
    *text += n;
}

static mq_status strings_of(mq_array **out, const json_t *v, const struct shape *s, mq_error *err)
{
    mq_block *b = mq_block_create(s->count * sizeof(mq_bytes) + text_size(v));
    mq_bytes *table;
    char *text;
    mq_status rc;

    if (!b)
        return mq_oom(err);
    table = b->data;
    text = (char *)b->data + s->count * sizeof *table;
    put_strings(v, &table, &text);
    rc = mq_array_wrap(out, MQ_STRING, s->rank, s->dims, b->data, b, err);
    mq_block_unref(b);
    return rc;
}

/* Integers are int64, numbers with a point double: the input's own type follows later. */
static mq_status array_of(mq_array **out, const json_t *v, mq_error *err)
{
    struct shape s;
    size_t at = 0;
    mq_status rc = shape_of(v, &s, err);

    if (rc != MQ_OK)
        return rc;
    if (s.strings)
        return strings_of(out, v, &s, err);
    if ((rc = mq_array_create(out, s.reals ? MQ_DOUBLE : MQ_INT64, s.rank, s.dims, err)) == MQ_OK)
        put_numbers(v, *out, &at);
    return rc;
}

static mq_status jsonl_row(mq_table *t, size_t column, uint64_t row, mq_array **out, mq_error *err)
{
    struct jsonl *j = (struct jsonl *)t;
    const json_t *v;
    mq_status rc = read_line(j, row, err);

    if (rc != MQ_OK)
        return rc;
    if (!(v = json_object_get(j->object, t->columns[column].name)))
        return mq_fail(err, MQ_ERR_INPUT, "the line has no '%s'", t->columns[column].name);
    if ((rc = array_of(out, v, err)) == MQ_ERR_INPUT)
        mq_error_prefix(err, "'%s'", t->columns[column].name);
    return rc;
}

static void jsonl_row_text(const mq_table *t, uint64_t row, char *out, size_t size)
{
    snprintf(out, size, "%s, sample %llu", t->path, (unsigned long long)row);
}

static void jsonl_release(mq_table *t)
{
    struct jsonl *j = (struct jsonl *)t;

    for (size_t i = 0; i < t->n_columns; i++)
        if (*t->columns[i].name)
            free((char *)(uintptr_t)t->columns[i].name);
    json_decref(j->object);
    free(j->starts);
    mq_buf_unref(j->buf);
}

static const mq_table_ops ops = { .row = jsonl_row, .row_text = jsonl_row_text, .release = jsonl_release };

/* ---- opening -------------------------------------------------------------------------------------------------------- */

/* The first line says which columns there are, and their ranks; sizes may differ from line to line. */
static mq_status make_columns(struct jsonl *j, mq_error *err)
{
    mq_table *t = &j->base;
    const char *name;
    json_t *v;
    mq_status rc = read_line(j, 0, err);

    if (rc != MQ_OK)
        return rc;
    free(t->columns);
    t->n_columns = 0;
    if (!(t->columns = calloc(json_object_size(j->object) + 1, sizeof *t->columns)))
        return mq_oom(err);
    json_object_foreach(j->object, name, v) {
        mq_column *c = &t->columns[t->n_columns];
        struct shape s;

        if ((rc = shape_of(v, &s, err)) != MQ_OK) {
            if (rc == MQ_ERR_INPUT)
                mq_error_prefix(err, "'%s'", name);
            return rc;
        }
        *c = (mq_column){ .name = strdup(name), .dtype = s.strings ? MQ_STRING : s.reals ? MQ_DOUBLE : MQ_INT64,
                          .rank = s.rank };
        for (int i = 0; i < MQ_MAX_RANK; i++)
            c->dims[i] = -1;
        t->n_columns++;
        if (!c->name) {
            c->name = "";
            return mq_oom(err);
        }
    }
    return MQ_OK;
}

mq_status mq_table_jsonl(mq_table **out, const char *path, mq_error *err)
{
    mq_table *t = NULL;
    struct jsonl *j;
    mq_status rc;

    MQ_TRY(mq_table_create(&t, sizeof *j, &ops, path, 0, err));
    j = (struct jsonl *)t;
    MQ_TRY(mq_buf_map(&j->buf, path, err));
    MQ_TRY(find_lines(j, err));
    if (!t->n_rows) {
        rc = mq_fail(err, MQ_ERR_INPUT, "%s: the file has no lines", path);
        goto done;
    }
    rc = make_columns(j, err);
    if (rc == MQ_ERR_INPUT)
        mq_error_prefix(err, "%s, sample 0", path);
    if (rc != MQ_OK)
        goto done;
    *out = t;
    t = NULL;
done:
    mq_table_free(t);
    return rc;
}
