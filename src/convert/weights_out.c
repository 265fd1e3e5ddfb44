/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Initializers of all graphs as arrays in a file: .npz, or .safetensors (a header of JSON, then the bytes). One tensor is in
 * memory at a time. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json_print.h"
#include "convert/weights.h"
#include "data/npy.h"
#include "data/npz_zip.h"
#include "report/report.h"

static const struct {
    const char *name;
    mq_dtype dtype;
} types[] = {
    { "BOOL", MQ_BOOL },  { "U8", MQ_UINT8 },   { "I8", MQ_INT8 },       { "I16", MQ_INT16 },    { "U16", MQ_UINT16 },
    { "I32", MQ_INT32 },  { "U32", MQ_UINT32 }, { "I64", MQ_INT64 },     { "U64", MQ_UINT64 },   { "F16", MQ_FLOAT16 },
    { "F32", MQ_FLOAT },  { "F64", MQ_DOUBLE }, { "BF16", MQ_BFLOAT16 },
};

const char *mq_safetensors_name(mq_dtype dtype)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].dtype == dtype)
            return types[i].name;
    return NULL;
}

mq_dtype mq_safetensors_type(const char *name)
{
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, name) == 0)
            return types[i].dtype;
    return MQ_UNDEFINED;
}

bool mq_weights_safetensors(const char *path, mq_status *rc, mq_error *err)
{
    const char *dot = strrchr(path, '.');

    *rc = MQ_OK;
    if (dot && strcasecmp(dot, ".safetensors") == 0)
        return true;
    if (!dot || strcasecmp(dot, ".npz") != 0)
        *rc = mq_fail(err, MQ_ERR_USAGE, "'%s': weights are files called .npz or .safetensors", path);
    return false;
}

/* ---- the bytes of one tensor --------------------------------------------------------------------------------------- */

typedef struct memory_sink {
    mq_sink sink;
    char *data;
} memory_sink;

static mq_status write_memory(mq_sink *sink, uint64_t offset, const void *data, size_t n, mq_error *err)
{
    (void)err;
    memcpy(((memory_sink *)(void *)sink)->data + offset, data, n);
    return MQ_OK;
}

/* What has not been made yet is made for this call alone: *owned is to be freed. */
static mq_status bytes_of(mq_tensor *t, const mq_hooks *hooks, const void **data, void **owned, mq_error *err)
{
    memory_sink s = { .sink = { write_memory } };

    *owned = NULL;
    if (t->storage != MQ_STORE_MADE)
        return mq_tensor_bytes(t, data, err);
    if (!(s.data = malloc((size_t)t->maker->n_bytes + 1)))
        return mq_oom(err);
    *owned = s.data;
    *data = s.data;
    return t->maker->make(t->maker->user, &s.sink, hooks, err);
}

static bool is_written(const mq_value *v, bool safetensors)
{
    const mq_tensor *t = v->init;

    if (!t || mq_tensor_size(t) < 0 || t->n_dims > MQ_MAX_RANK || t->dtype == MQ_STRING)
        return false;
    return mq_safetensors_name(t->dtype) && (safetensors || mq_npy_dtype(t->dtype) == t->dtype);
}

typedef mq_status (*visit_fn)(void *user, mq_value *v, mq_error *err);

static mq_status each(const mq_model *m, bool safetensors, visit_fn f, void *user, size_t *n_left, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < m->graphs.n; i++)
        for (size_t k = 0; k < m->graphs.items[i]->inits.n && rc == MQ_OK; k++) {
            mq_value *v = m->graphs.items[i]->inits.items[k];

            if (is_written(v, safetensors))
                rc = f(user, v, err);
            else if (n_left)
                ++*n_left;
        }
    return rc;
}

/* ---- .npz ---------------------------------------------------------------------------------------------------------- */

typedef struct writer {
    mq_outfile *file;
    mq_zip_out *zip;
    json_t *header;
    uint64_t at;
    const mq_hooks *hooks;
} writer;

static mq_status put_npy(void *user, mq_value *v, mq_error *err)
{
    writer *w = user;
    mq_tensor *t = v->init;
    char head[MQ_NPY_ROOM], *name = NULL;
    const size_t n = mq_npy_header(head, t->dtype, 0, false, t->n_dims, t->dims);
    const void *data = NULL;
    void *owned = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(bytes_of(t, w->hooks, &data, &owned, err));
    if (!(name = mq_arena_printf(v->graph->model->arena, "%s.npy", v->name)))
        rc = mq_oom(err);
    else
        rc = mq_zip_begin(w->zip, name, n + (uint64_t)mq_tensor_size(t), err);
    if (rc == MQ_OK)
        rc = mq_zip_put(w->zip, head, n, err);
    if (rc == MQ_OK)
        rc = mq_zip_put(w->zip, data, (size_t)mq_tensor_size(t), err);
    if (rc == MQ_OK)
        rc = mq_zip_end(w->zip, err);
    if (t->buf && !owned)
        mq_buf_done_with(t->buf, data, (size_t)mq_tensor_size(t));
done:
    free(owned);
    return rc;
}

/* ---- .safetensors -------------------------------------------------------------------------------------------------- */

static mq_status describe(void *user, mq_value *v, mq_error *err)
{
    writer *w = user;
    const mq_tensor *t = v->init;
    const uint64_t end = w->at + (uint64_t)mq_tensor_size(t);
    json_t *shape = json_array(), *o = json_pack("{s:s,s:o,s:[I,I]}", "dtype", mq_safetensors_name(t->dtype), "shape", shape,
                                                 "data_offsets", (json_int_t)w->at, (json_int_t)end);
    json_t *key;

    bool ok = o != NULL;

    for (int i = 0; ok && i < t->n_dims; i++)
        ok = json_array_append_new(shape, json_integer(t->dims[i])) == 0;
    key = ok ? mq_json_text(v->name) : NULL;
    if (key) /* takes o, also on failure */
        ok = json_object_set_new(w->header, json_string_value(key), o) == 0;
    else
        json_decref(o);
    ok = ok && key;
    json_decref(key);
    w->at = end;
    return ok ? MQ_OK : mq_oom(err);
}

static mq_status put_raw(void *user, mq_value *v, mq_error *err)
{
    writer *w = user;
    const void *data = NULL;
    void *owned = NULL;
    mq_status rc = bytes_of(v->init, w->hooks, &data, &owned, err);

    if (rc == MQ_OK)
        rc = mq_outfile_write(w->file, data, (size_t)mq_tensor_size(v->init), err);
    if (v->init->buf && !owned && rc == MQ_OK)
        mq_buf_done_with(v->init->buf, data, (size_t)mq_tensor_size(v->init));
    free(owned);
    return rc;
}

/* Eight bytes of length, the header padded with blanks to a multiple of eight, the tensors without gaps. */
static mq_status put_safetensors(writer *w, const mq_model *m, size_t *n_left, mq_error *err)
{
    char *text = NULL, blanks[8] = "       ";
    unsigned char length[8];
    size_t n, pad;
    mq_status rc = MQ_OK;

    if (!(w->header = json_object()))
        return mq_oom(err);
    MQ_TRY(each(m, true, describe, w, n_left, err));
    if (!(text = mq_json_print(w->header, JSON_COMPACT))) {
        rc = mq_oom(err);
        goto done;
    }
    n = strlen(text);
    pad = (8 - n % 8) % 8;
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)(n + pad) >> 8 * i);
    MQ_TRY(mq_outfile_write(w->file, length, sizeof length, err));
    MQ_TRY(mq_outfile_write(w->file, text, n, err));
    MQ_TRY(mq_outfile_write(w->file, blanks, pad, err));
    rc = each(m, true, put_raw, w, NULL, err);
done:
    free(text);
    json_decref(w->header);
    return rc;
}

mq_status mq_weights_write(const mq_model *m, const char *path, bool force, const mq_hooks *hooks, mq_error *err)
{
    writer w = { .hooks = hooks };
    size_t n_left = 0;
    mq_status rc;
    const bool safetensors = mq_weights_safetensors(path, &rc, err);

    if (rc != MQ_OK)
        return rc;
    MQ_TRY(mq_outfile_open(&w.file, path, force, err));
    if (safetensors) {
        MQ_TRY(put_safetensors(&w, m, &n_left, err));
    } else {
        MQ_TRY(mq_zip_create(&w.zip, w.file, err));
        MQ_TRY(each(m, false, put_npy, &w, &n_left, err));
        MQ_TRY(mq_zip_finish(w.zip, err));
    }
    if (n_left)
        mq_warn(hooks, "weights-left", path, "%zu initializers are of types that the file has no name for and are not in it",
                n_left);
    rc = mq_outfile_commit(w.file, false, err);
    w.file = NULL;
done:
    mq_zip_discard(w.zip);
    mq_outfile_abort(w.file);
    return rc;
}
