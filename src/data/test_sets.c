/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* ONNX test folders: test_data_set_N with input_K.pb and output_K.pb. Each set is one run, its values given as they
 * are. A file belongs to the input whose name its tensor has, else to the K-th one that has no initializer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/convert.h"
#include "data/data.h"
#include "data/table.h"
#include "model/tensor_file.h"

#define MAX_FILES 4096 /* of one set */

struct test_sets {
    mq_table base;
    char **sets; /* folders, in order of their numbers */
    const mq_value **values; /* one per column: inputs, then outputs */
    size_t n_inputs;
    uint64_t open;     /* the set whose files are in `arrays`, from 1; 0: none */
    mq_array **arrays; /* one per column; NULL: the set has none */
};

/* ---- values ------------------------------------------------------------------------------------------------------- */

static mq_status array_of_datum(mq_array **out, const mq_datum *d, int depth, mq_error *err);

static mq_status sequence_of(mq_array **out, const mq_datum *d, int depth, mq_error *err)
{
    mq_array **items = calloc(d->n ? d->n : 1, sizeof *items);
    mq_status rc = items ? MQ_OK : mq_oom(err);

    for (size_t i = 0; rc == MQ_OK && i < d->n; i++)
        rc = array_of_datum(&items[i], d->items[i], depth + 1, err);
    if (rc == MQ_OK)
        rc = mq_array_sequence(out, d->n ? items[0]->dtype : MQ_UNDEFINED, d->n, items, err);
    for (size_t i = 0; items && i < d->n; i++)
        mq_array_unref(items[i]);
    free(items);
    return rc;
}

static mq_status array_of_datum(mq_array **out, const mq_datum *d, int depth, mq_error *err)
{
    mq_array *view = NULL;
    mq_status rc;

    if (depth > 8)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "values nested more than 8 deep are not read");
    switch (d->kind) {
    case MQ_TYPE_TENSOR:
        rc = mq_array_of_tensor(&view, d->tensor, true, err);
        /* The messages go when the next set is read; the array may stay. */
        if (rc == MQ_OK)
            rc = mq_array_own(out, view, err);
        mq_array_unref(view);
        return rc;
    case MQ_TYPE_SEQUENCE: return sequence_of(out, d, depth, err);
    case MQ_TYPE_OPTIONAL:
        return d->n ? array_of_datum(out, d->items[0], depth + 1, err) : mq_array_none(out, err);
    case MQ_TYPE_UNKNOWN: return mq_array_none(out, err);
    default: return mq_fail(err, MQ_ERR_UNSUPPORTED, "maps and sparse tensors are not read");
    }
}

static mq_status load_pb(mq_array **out, const char *path, const mq_type *type, char *name, size_t name_size, mq_error *err)
{
    mq_model *owner = NULL;
    mq_datum *d = NULL;
    const char *said;
    mq_status rc;

    MQ_TRY(mq_model_create(&owner, err));
    MQ_TRY(mq_datum_load(owner, path, type, &d, err));
    said = d->kind == MQ_TYPE_TENSOR && d->tensor && !*d->name ? d->tensor->name : d->name;
    if (name)
        snprintf(name, name_size, "%s", said);
    rc = array_of_datum(out, d, 0, err);
    if (rc == MQ_ERR_INPUT || rc == MQ_ERR_UNSUPPORTED)
        mq_error_prefix(err, "%s", path);
done:
    mq_model_free(owner);
    return rc;
}

mq_status mq_array_load_pb(mq_array **out, const char *path, const mq_type *type, mq_error *err)
{
    return load_pb(out, path, type, NULL, 0, err);
}

/* ---- sets --------------------------------------------------------------------------------------------------------- */

static void close_set(struct test_sets *t)
{
    for (size_t i = 0; i < t->base.n_columns; i++) {
        mq_array_unref(t->arrays[i]);
        t->arrays[i] = NULL;
    }
    t->open = 0;
}

/* The k-th value of columns [from, to) that must be fed, else simply the k-th; `to`: there is none. */
static size_t column_at(const struct test_sets *t, size_t from, size_t to, size_t k)
{
    size_t required = from;

    for (size_t n = 0; required < to; required++)
        if (!(t->values[required]->is_input && t->values[required]->init) && n++ == k)
            return required;
    return k < to - from ? from + k : to;
}

/* input_0.pb, input_1.pb, ... until one is missing. */
static mq_status read_files(struct test_sets *t, const char *set, const char *kind, size_t from, size_t to, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t k = 0; k < MAX_FILES && rc == MQ_OK; k++) {
        size_t column = column_at(t, from, to, k);
        const mq_value *v = column < to ? t->values[column] : NULL;
        mq_array *a = NULL;
        char name[512] = "";
        char *path = NULL;
        struct stat st;

        if (asprintf(&path, "%s/%s_%zu.pb", set, kind, k) < 0)
            return mq_oom(err);
        if (stat(path, &st) != 0) {
            free(path);
            return MQ_OK;
        }
        rc = load_pb(&a, path, v ? (v->declared ? v->declared : v->type) : NULL, name, sizeof name, err);
        for (size_t i = from; i < to; i++)
            if (rc == MQ_OK && strcmp(t->values[i]->name, name) == 0)
                column = i;
        if (rc == MQ_OK && (column == to || t->arrays[column]))
            rc = mq_fail(err, MQ_ERR_INPUT, "%s: '%s' is no %s of the model, which has %zu", path, name, kind, to - from);
        free(path);
        if (rc == MQ_OK)
            t->arrays[column] = a;
        else
            mq_array_unref(a);
    }
    return rc;
}

static mq_status open_set(struct test_sets *t, uint64_t row, mq_error *err)
{
    mq_status rc;

    if (t->open == row + 1)
        return MQ_OK;
    close_set(t);
    rc = read_files(t, t->sets[row], "input", 0, t->n_inputs, err);
    if (rc == MQ_OK)
        rc = read_files(t, t->sets[row], "output", t->n_inputs, t->base.n_columns, err);
    if (rc == MQ_OK)
        t->open = row + 1;
    else
        close_set(t);
    return rc;
}

static mq_status sets_row(mq_table *base, size_t column, uint64_t row, mq_array **out, mq_error *err)
{
    struct test_sets *t = (struct test_sets *)base;
    const mq_status rc = open_set(t, row, err);

    if (rc != MQ_OK)
        return rc;
    if (!t->arrays[column])
        return mq_fail(err, MQ_ERR_INPUT, "%s: there is no file for '%s'", t->sets[row], base->columns[column].name);
    *out = mq_array_ref(t->arrays[column]);
    return MQ_OK;
}

static void sets_row_text(const mq_table *base, uint64_t row, char *out, size_t size)
{
    snprintf(out, size, "%s", ((const struct test_sets *)base)->sets[row]);
}

const char *mq_tests_path(const mq_table *t, uint64_t row)
{
    return ((const struct test_sets *)t)->sets[row];
}

static void sets_release(mq_table *base)
{
    struct test_sets *t = (struct test_sets *)base;

    if (t->arrays)
        close_set(t);
    for (uint64_t i = 0; t->sets && i < base->n_rows; i++)
        free(t->sets[i]);
    free(t->sets);
    free(t->values);
    free(t->arrays);
}

static const mq_table_ops ops = { .row = sets_row, .row_text = sets_row_text, .release = sets_release };

/* ---- finding them ------------------------------------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

static bool has_files(const char *path)
{
    static const char *const files[] = { "input_0.pb", "output_0.pb" };
    bool found = false;

    for (size_t i = 0; i < 2 && !found; i++) {
        char *file = NULL;
        struct stat st;

        found = asprintf(&file, "%s/%s", path, files[i]) >= 0 && stat(file, &st) == 0;
        free(file);
    }
    return found;
}

/* The folders of the sets; the folder itself when it is one. */
static mq_status find_sets(char ***out, uint64_t *n, const char *path, mq_error *err)
{
    MQ_VEC(char *) sets = { 0 };
    DIR *dir = has_files(path) ? NULL : opendir(path);
    mq_status rc = MQ_OK;
    char *set = NULL;

    if (!dir && has_files(path)) {
        set = strdup(path);
        rc = set && mq_vec_push(&sets, set) ? MQ_OK : mq_oom(err);
    } else if (!dir) {
        rc = mq_fail_errno(err, MQ_ERR_INPUT, "read", path);
    }
    for (const struct dirent *e; rc == MQ_OK && dir && (e = readdir(dir));) {
        if (strncmp(e->d_name, "test_data_set_", 14) != 0)
            continue;
        if (asprintf(&set, "%s/%s", path, e->d_name) < 0)
            rc = mq_oom(err);
        else if (!mq_vec_push(&sets, set))
            free(set), rc = mq_oom(err);
    }
    if (dir)
        closedir(dir);
    qsort(sets.items, sets.n, sizeof *sets.items, by_number);
    *out = sets.items;
    *n = sets.n;
    return rc;
}

bool mq_is_test_folder(const char *path)
{
    DIR *dir = has_files(path) ? NULL : opendir(path);
    bool found = !dir && has_files(path);

    for (const struct dirent *e; dir && !found && (e = readdir(dir));)
        found = strncmp(e->d_name, "test_data_set_", 14) == 0;
    if (dir)
        closedir(dir);
    return found;
}

static void note_files(const struct test_sets *t, const mq_hooks *hooks)
{
    static const char *const kinds[] = { "input", "output" };

    for (uint64_t s = 0; s < t->base.n_rows; s++)
        for (int kind = 0; kind < 2; kind++)
            for (size_t k = 0; k < MAX_FILES; k++) {
                char *path = NULL;
                struct stat st;
                bool is_there = asprintf(&path, "%s/%s_%zu.pb", t->sets[s], kinds[kind], k) >= 0;

                is_there = is_there && stat(path, &st) == 0;
                if (is_there)
                    mq_note_file(hooks, path, false);
                free(path);
                if (!is_there)
                    break;
            }
}

mq_status mq_table_tests(mq_table **out, const char *path, const mq_value *const *inputs, size_t n_inputs,
                         const mq_value *const *outputs, size_t n_outputs, const mq_hooks *hooks, mq_error *err)
{
    const size_t n = n_inputs + n_outputs;
    mq_table *base = NULL;
    struct test_sets *t;
    mq_status rc;

    MQ_TRY(mq_table_create(&base, sizeof *t, &ops, path, n, err));
    t = (struct test_sets *)base;
    base->calls = true;
    t->n_inputs = n_inputs;
    t->values = calloc(n + 1, sizeof *t->values);
    t->arrays = calloc(n + 1, sizeof *t->arrays);
    rc = t->values && t->arrays ? find_sets(&t->sets, &base->n_rows, path, err) : mq_oom(err);
    if (rc != MQ_OK)
        goto done;
    for (size_t i = 0; i < n; i++) {
        t->values[i] = i < n_inputs ? inputs[i] : outputs[i - n_inputs];
        base->columns[i] = (mq_column){ .name = t->values[i]->name, .rank = -1 };
    }
    note_files(t, hooks);
    MQ_TRY(open_set(t, 0, err));
    for (size_t i = n; i-- > 0;) { /* what the first set has not, none has */
        if (t->arrays[i]) {
            base->columns[i].dtype = t->arrays[i]->kind == MQ_TYPE_TENSOR ? t->arrays[i]->dtype : MQ_UNDEFINED;
            continue;
        }
        base->columns[i].name = "";
    }
    *out = base;
    base = NULL;
done:
    mq_table_free(base);
    return rc;
}
