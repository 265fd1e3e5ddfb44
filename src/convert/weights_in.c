/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Arrays of a file in the place of initializers. Bytes stay in the mapped file where it has them as the model wants them.
 * The file is hostile: offsets and shapes are checked against its size, and everything against the model. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/pattern.h"
#include "convert/weights.h"
#include "data/npy.h"
#include "data/npz_zip.h"

#define MAX_HEADER (100u << 20)

/* Tags of initializers. */
enum { FREE, TAKEN };

typedef struct reader {
    mq_model *m;
    const char *path;
    json_t *map;     /* names in the file -> names in the model */
    enum { BY_NAME, NAMED_ONLY, UNNAMED_ONLY } which; /* of the arrays; the last two one after the other */
    size_t n_taken, n_guessed;
    mq_error *err;
} reader;

/* ---- the model's side ---------------------------------------------------------------------------------------------- */

static mq_value *find_init(const mq_model *m, const char *name)
{
    for (size_t i = 0; i < m->graphs.n; i++) {
        mq_value *v = mq_graph_find_here(m->graphs.items[i], name);

        if (v && v->init)
            return v;
    }
    return NULL;
}

static mq_status unknown(const reader *r, const char *name)
{
    const mq_value_vec *inits = &r->m->graph->inits;
    const char **names = mq_arena_calloc(r->m->arena, inits->n + 1, sizeof *names);
    char near[512];

    if (!names)
        return mq_oom(r->err);
    for (size_t i = 0; i < inits->n; i++)
        names[i] = inits->items[i]->name;
    mq_suggest(near, sizeof near, name, names, inits->n);
    return mq_fail(r->err, MQ_ERR_INPUT, "%s: the model has no initializer '%s'%s", r->path, name, near);
}

static bool is_alike(const mq_value *v, mq_dtype dtype, int rank, const int64_t *dims)
{
    bool same = v->init && v->init->dtype == dtype && v->init->n_dims == rank;

    for (int i = 0; same && i < rank; i++)
        same = v->init->dims[i] == dims[i];
    return same;
}

/* The first of that type and shape that has no array yet. */
static mq_status guess_place(reader *r, const char *name, mq_dtype dtype, int rank, const int64_t *dims, mq_value **out)
{
    for (size_t i = 0; i < r->m->graphs.n; i++)
        for (size_t k = 0; k < r->m->graphs.items[i]->inits.n; k++) {
            mq_value *v = r->m->graphs.items[i]->inits.items[k];

            if (v->tag != FREE || !is_alike(v, dtype, rank, dims))
                continue;
            *out = v;
            r->n_guessed++;
            return MQ_OK;
        }
    return mq_fail(r->err, MQ_ERR_INPUT, "%s: no initializer of the type (%s, %d axes) and sizes of array '%s' is left",
                   r->path, mq_dtype_name(dtype), rank, name);
}

/* The initializer for an array, of that type and shape; *out stays NULL when the array's turn is not now. */
static mq_status find_place(reader *r, const char *name, mq_dtype dtype, int rank, const int64_t *dims, mq_value **out)
{
    const char *mapped = json_string_value(json_object_get(r->map, name));
    mq_value *v = find_init(r->m, mapped ? mapped : name);

    if (r->which != BY_NAME && (v != NULL) != (r->which == NAMED_ONLY))
        return MQ_OK;
    if (r->which == UNNAMED_ONLY)
        return guess_place(r, name, dtype, rank, dims, out);
    if (!v)
        return unknown(r, mapped ? mapped : name);
    if (!is_alike(v, dtype, rank, dims))
        return mq_fail(r->err, MQ_ERR_INPUT, "%s: array '%s' is %s of %d axes, or of other sizes, where initializer '%s' is "
                       "%s of %d axes", r->path, name, mq_dtype_name(dtype), rank, v->name, mq_dtype_name(v->init->dtype),
                       v->init->n_dims);
    *out = v;
    return MQ_OK;
}

static mq_status put_borrowed(reader *r, mq_value *v, mq_buf *buf, const void *data)
{
    mq_tensor *t = mq_tensor_create(r->m, v->name, v->init->dtype, v->init->n_dims, v->init->dims, NULL);

    if (!t)
        return mq_oom(r->err);
    t->storage = MQ_STORE_RAW;
    t->buf = buf;
    t->data = data;
    t->n_bytes = (size_t)mq_tensor_size(v->init);
    r->n_taken++;
    v->tag = TAKEN;
    return mq_value_set_init(v, t, r->err);
}

/* ---- .safetensors -------------------------------------------------------------------------------------------------- */

static mq_status bad(const reader *r, const char *name, const char *what)
{
    return mq_fail(r->err, MQ_ERR_INPUT, "%s: array '%s': %s", r->path, name, what);
}

static mq_status take_entry(reader *r, mq_buf *buf, uint64_t base, const char *name, const json_t *e)
{
    const json_t *shape = json_object_get(e, "shape"), *offsets = json_object_get(e, "data_offsets");
    const char *type = json_string_value(json_object_get(e, "dtype"));
    const json_int_t begin = json_integer_value(json_array_get(offsets, 0));
    const json_int_t end = json_integer_value(json_array_get(offsets, 1));
    const size_t rank = json_array_size(shape);
    int64_t dims[MQ_MAX_RANK];
    mq_value *v = NULL;
    mq_status rc;

    if (!type || !json_is_array(shape) || json_array_size(offsets) != 2 || rank > MQ_MAX_RANK)
        return bad(r, name, "its entry in the header is not complete");
    if (mq_safetensors_type(type) == MQ_UNDEFINED)
        return bad(r, name, "its type is not known");
    for (size_t i = 0; i < rank; i++)
        dims[i] = json_integer_value(json_array_get(shape, i));
    if (begin < 0 || end < begin || (uint64_t)end > buf->size - base)
        return bad(r, name, "it lies beyond the end of the file");
    if ((rc = find_place(r, name, mq_safetensors_type(type), (int)rank, dims, &v)) != MQ_OK || !v)
        return rc;
    if (end - begin != mq_tensor_size(v->init))
        return bad(r, name, "its bytes are not as many as its shape says");
    return put_borrowed(r, v, buf, (const char *)buf->data + base + (uint64_t)begin);
}

static mq_status read_safetensors(reader *r)
{
    mq_buf *buf = NULL;
    json_t *header = NULL, *entry;
    const char *name;
    uint64_t n = 0;
    mq_status rc = MQ_OK;

    if ((rc = mq_buf_map(&buf, r->path, r->err)) != MQ_OK || (rc = mq_model_keep_buf(r->m, buf, r->err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < 8 && buf->size >= 8; i++)
        n |= (uint64_t)((const unsigned char *)buf->data)[i] << 8 * i;
    if (buf->size < 8 || n > MAX_HEADER || n > buf->size - 8)
        return mq_fail(r->err, MQ_ERR_INPUT, "%s: not a .safetensors file: its header does not fit", r->path);
    header = json_loadb((const char *)buf->data + 8, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(header))
        rc = mq_fail(r->err, MQ_ERR_INPUT, "%s: not a .safetensors file: its header is no JSON object", r->path);
    json_object_foreach(header, name, entry)
        if (rc == MQ_OK && strcmp(name, "__metadata__") != 0)
            rc = take_entry(r, buf, 8 + n, name, entry);
    json_decref(header);
    return rc;
}

/* ---- .npz ---------------------------------------------------------------------------------------------------------- */

static mq_status take_member(reader *r, const mq_zip *z, const mq_zip_member *member)
{
    const size_t length = strlen(member->name);
    char *name = mq_arena_strdup(r->m->arena, member->name);
    mq_block *block = NULL;
    mq_array *a = NULL;
    mq_tensor *t = NULL;
    mq_value *v = NULL;
    mq_npy head;
    mq_status rc = MQ_OK;

    if (!name)
        return mq_oom(r->err);
    if (length > 4 && strcmp(name + length - 4, ".npy") == 0)
        name[length - 4] = '\0';
    MQ_TRY(mq_zip_bytes(z, member, &block, r->err));
    MQ_TRY(mq_npy_parse(&head, block->data, block->size < MQ_NPY_MAX_HEADER ? block->size : MQ_NPY_MAX_HEADER, block->size,
                        r->path, r->err));
    MQ_TRY(find_place(r, name, head.dtype, head.rank, head.dims, &v));
    if (!v)
        goto done;
    MQ_TRY(mq_npy_array(&a, &head, (const char *)block->data + head.header, block, r->path, r->err));
    MQ_TRY(mq_tensor_of_array(&t, r->m, v->name, a, r->err));
    rc = mq_value_set_init(v, t, r->err);
    v->tag = TAKEN;
    r->n_taken++;
done:
    mq_array_unref(a);
    mq_block_unref(block);
    return rc;
}

static mq_status read_npz(reader *r)
{
    mq_zip *z = NULL;
    mq_status rc = mq_zip_open(&z, r->path, r->err);

    for (size_t i = 0; rc == MQ_OK && i < z->n; i++)
        rc = take_member(r, z, &z->members[i]);
    mq_zip_free(z);
    return rc;
}

/* ---- both ---------------------------------------------------------------------------------------------------------- */

static mq_status read_map(reader *r, const char *path)
{
    json_error_t why;
    const char *name;
    json_t *value;

    if (!(r->map = json_load_file(path, JSON_REJECT_DUPLICATES, &why)))
        return mq_fail(r->err, MQ_ERR_INPUT, "%s: %s (line %d)", path, why.text, why.line);
    if (!json_is_object(r->map))
        return mq_fail(r->err, MQ_ERR_INPUT, "%s: a map is a JSON object of names in the file to names in the model", path);
    json_object_foreach(r->map, name, value)
        if (!json_is_string(value))
            return mq_fail(r->err, MQ_ERR_INPUT, "%s: what '%s' is called in the model is no text", path, name);
    return MQ_OK;
}

static size_t free_all(const mq_model *m)
{
    size_t n = 0;

    for (size_t i = 0; i < m->graphs.n; i++) {
        n += m->graphs.items[i]->inits.n;
        for (size_t k = 0; k < m->graphs.items[i]->inits.n; k++)
            m->graphs.items[i]->inits.items[k]->tag = FREE;
    }
    return n;
}

mq_status mq_weights_read(mq_model *m, const char *path, const mq_weights_names *names, const mq_hooks *hooks, mq_error *err)
{
    reader r = { .m = m, .path = path, .err = err };
    const size_t n_inits = free_all(m);
    mq_status rc;
    const bool safetensors = mq_weights_safetensors(path, &rc, err);

    if (rc != MQ_OK)
        return rc;
    if (names && names->map) {
        mq_note_file(hooks, names->map, false);
        MQ_TRY(read_map(&r, names->map));
    }
    mq_note_file(hooks, path, false);
    r.which = names && names->by_order ? NAMED_ONLY : BY_NAME;
    MQ_TRY(safetensors ? read_safetensors(&r) : read_npz(&r));
    if (r.which == NAMED_ONLY) {
        r.which = UNNAMED_ONLY;
        MQ_TRY(safetensors ? read_safetensors(&r) : read_npz(&r));
    }
    if (r.n_guessed)
        mq_warn(hooks, "weights-by-order", path, "%zu arrays that no initializer is called like went to the first ones of "
                "their type and shape, in the order of both files", r.n_guessed);
    if (r.n_taken < n_inits)
        mq_warn(hooks, "weights-missing", path, "%zu of %zu initializers have no array in the file and stay as they are",
                n_inits - r.n_taken, n_inits);
done:
    json_decref(r.map);
    return rc;
}
