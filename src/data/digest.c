/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Knowing data again: one hash over the files that hold the samples. Where they lie does not matter, what they are called
 * there does: the same folder on another machine is the same data. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/hash.h"
#include "data/dataset.h"

static const char *base_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* A path without the folder that the user named. */
static const char *within(const char *path, const char *folder)
{
    const size_t n = strlen(folder);

    if (strncmp(path, folder, n) != 0)
        return path;
    path += n;
    return path + strspn(path, "/");
}

static mq_status add_file(char hex[MQ_SHA256_HEX], const char *path, const char *name, mq_error *err)
{
    char content[MQ_SHA256_HEX];
    mq_status rc = mq_sha256_file(path, content, err);

    if (rc == MQ_OK) {
        mq_sha256_chain(hex, name);
        mq_sha256_chain(hex, content);
    }
    return rc;
}

/* A picture that cannot be read is left out or an error later, where that is decided; here it is one without content. */
static mq_status add_picture(char hex[MQ_SHA256_HEX], const char *path, const char *name, mq_error *err)
{
    mq_error why = { 0 };
    const mq_status rc = add_file(hex, path, name, &why);

    if (rc == MQ_ERR_INPUT)
        mq_sha256_chain(hex, name);
    else if (rc != MQ_OK)
        return mq_fail(err, rc, "%s", why.text);
    return MQ_OK;
}

/* input_0.pb, input_1.pb, ...; what the outputs should be has no part in it. */
static mq_status add_set(char hex[MQ_SHA256_HEX], const char *folder, mq_error *err)
{
    mq_status rc = MQ_OK;
    bool more = true;

    for (size_t k = 0; more && rc == MQ_OK; k++) {
        char *path;
        struct stat st;

        if (asprintf(&path, "%s/input_%zu.pb", folder, k) < 0)
            return mq_oom(err);
        more = stat(path, &st) == 0;
        if (more)
            rc = add_file(hex, path, base_of(path), err);
        free(path);
    }
    return rc;
}

/* The folder that names in a folder or list of pictures are told from. */
static char *folder_of(const mq_part *s)
{
    const char *path = s->spec.path, *slash = strrchr(path, '/');
    struct stat st;

    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return strdup(path);
    return strndup(path, slash ? (size_t)(slash - path) : 0);
}

/* Rows that are files: those of the samples chosen. */
static mq_status add_rows(const mq_dataset *ds, const mq_part *s, char hex[MQ_SHA256_HEX], mq_error *err)
{
    char *folder = folder_of(s);
    mq_status rc = folder ? MQ_OK : mq_oom(err);

    for (uint64_t k = 0; rc == MQ_OK && k < ds->n_samples; k++) {
        const uint64_t number = mq_dataset_number(ds, k);
        const char *path;

        if (number < s->first || number - s->first >= s->table->n_rows)
            continue;
        if ((rc = mq_check_cancelled(ds->hooks, err)) != MQ_OK)
            break;
        path = s->table->calls ? mq_tests_path(s->table, number - s->first) : mq_images_path(s->table, number - s->first);
        rc = s->table->calls ? add_set(hex, path, err) : add_picture(hex, path, within(path, folder), err);
        mq_progress(ds->hooks, "hash data", k + 1, ds->n_samples);
    }
    free(folder);
    return rc;
}

static mq_status add_source(const mq_dataset *ds, const mq_part *s, char hex[MQ_SHA256_HEX], mq_error *err)
{
    const bool pictures = s->table->n_columns && s->table->columns[0].image;

    mq_sha256_chain(hex, s->spec.input >= 0 ? ds->inputs[s->spec.input]->name : "");
    mq_sha256_chain(hex, s->spec.key ? s->spec.key : "");
    if (s->table->generated) {
        mq_sha256_chain(hex, s->spec.text);
        return MQ_OK;
    }
    if (pictures || s->table->calls)
        return add_rows(ds, s, hex, err);
    return add_file(hex, s->spec.path, base_of(s->spec.path), err);
}

mq_status mq_dataset_digest(const mq_dataset *ds, char *out, size_t size, mq_error *err)
{
    char hex[MQ_SHA256_HEX] = "";
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < ds->n_sources; i++)
        MQ_TRY(add_source(ds, &ds->sources[i], hex, err));
    snprintf(out, size, "%s%s", mq_dataset_generated(ds) ? "generated:" : "", hex);
done:
    return rc;
}
