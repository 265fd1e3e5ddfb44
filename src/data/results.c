/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Outputs on their way to a file. The elements of each run go to an unnamed file, one per output; what is kept in
 * memory is a line per run that says where they are. Saving joins them, when their shapes agree. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/file.h"
#include "base/str.h"
#include "data/data.h"
#include "data/npy.h"
#include "data/npz_zip.h"
#include "model/tensor_file.h"

#define GIVE_BACK ((uint64_t)4 << 20)

/* What one run gave; strings are stored as a length of eight bytes and the text each. */
struct piece {
    mq_dtype dtype;
    int rank;
    int64_t dims[MQ_MAX_RANK];
    size_t count;
    uint64_t offset, bytes; /* in the output's file */
    bool rows;              /* axis 0 is the batch axis */
    size_t run;
    int item;               /* of a sequence; -1: it is none */
    size_t text;            /* longest string: characters, or bytes */
    bool not_utf8;
};

struct output {
    char *name;
    mq_outfile *file; /* made with the first piece */
    mq_buf *read;     /* the same, mapped for saving */
    uint64_t given_back; /* bytes from its beginning whose pages are not needed any more */
    size_t n_runs;
    MQ_VEC(struct piece) pieces;
};

struct mq_results {
    struct output *outputs;
    size_t n;
};

mq_status mq_results_create(mq_results **out, const char *const *names, size_t n, mq_error *err)
{
    mq_results *r = calloc(1, sizeof *r);

    if (!r || !(r->outputs = calloc(n + 1, sizeof *r->outputs))) {
        free(r);
        return mq_oom(err);
    }
    r->n = n;
    for (size_t i = 0; i < n; i++)
        if (!(r->outputs[i].name = strdup(names[i]))) {
            mq_results_free(r);
            return mq_oom(err);
        }
    *out = r;
    return MQ_OK;
}

void mq_results_free(mq_results *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        free(r->outputs[i].name);
        mq_buf_unref(r->outputs[i].read);
        mq_outfile_abort(r->outputs[i].file);
        mq_vec_release(&r->outputs[i].pieces);
    }
    free(r->outputs);
    free(r);
}

/* ---- adding --------------------------------------------------------------------------------------------------------- */

/* Characters of UTF-8 text; false: it is none. */
static bool count_characters(const unsigned char *p, size_t n, size_t *count)
{
    *count = 0;
    for (size_t i = 0; i < n; ++*count) {
        const size_t more = p[i] < 0x80 ? 0 : p[i] >> 5 == 6 ? 1 : p[i] >> 4 == 14 ? 2 : p[i] >> 3 == 30 ? 3 : n;

        if (more >= n - i)
            return false;
        for (size_t k = 1; k <= more; k++)
            if (p[i + k] >> 6 != 2)
                return false;
        i += more + 1;
    }
    return true;
}

static mq_status add_strings(struct output *o, struct piece *p, const mq_bytes *s, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < p->count && rc == MQ_OK; i++) {
        const uint64_t n = s[i].n;
        size_t characters;

        if (!count_characters(s[i].data, s[i].n, &characters)) {
            p->not_utf8 = true;
            characters = s[i].n;
        }
        p->text = characters > p->text ? characters : p->text;
        rc = mq_outfile_write(o->file, &n, sizeof n, err);
        if (rc == MQ_OK)
            rc = mq_outfile_write(o->file, s[i].data, s[i].n, err);
        p->bytes += sizeof n + n;
    }
    return rc;
}

static mq_status add_piece(struct output *o, const mq_array *a, const mq_data_call *call, int item, mq_error *err)
{
    struct piece p = { .dtype = a->dtype, .rank = a->rank, .count = a->count, .run = o->n_runs, .item = item };
    mq_array *plain = NULL;
    mq_status rc = MQ_OK;

    if (!o->file)
        MQ_TRY(mq_outfile_scratch(&o->file, err));
    MQ_TRY(mq_array_unpack(&plain, a, err)); /* one element a byte, so that rows can be told apart */
    memcpy(p.dims, a->dims, sizeof p.dims);
    p.rows = item < 0 && call && call->rows > 0 && a->rank > 0 && (uint64_t)a->dims[0] == call->rows;
    if (p.rows) {
        p.count = p.count / call->rows * call->n;
        p.dims[0] = (int64_t)call->n;
    }
    p.offset = mq_outfile_pos(o->file);
    if (a->dtype == MQ_STRING) {
        MQ_TRY(add_strings(o, &p, plain->data, err));
    } else {
        p.bytes = p.count * mq_array_elem_size(plain);
        MQ_TRY(mq_outfile_write(o->file, plain->data, p.bytes, err));
    }
    if (!mq_vec_push(&o->pieces, p))
        rc = mq_oom(err);
done:
    mq_array_unref(plain);
    return rc;
}

mq_status mq_results_add(mq_results *r, size_t i, const mq_array *a, const mq_data_call *call, mq_error *err)
{
    struct output *o = &r->outputs[i];
    mq_status rc = MQ_OK;

    if (a && a->kind == MQ_TYPE_TENSOR)
        rc = add_piece(o, a, call, -1, err);
    else if (a && a->kind == MQ_TYPE_SEQUENCE)
        for (size_t k = 0; k < a->n_items && rc == MQ_OK; k++)
            rc = a->items[k]->kind == MQ_TYPE_TENSOR
                     ? add_piece(o, a->items[k], call, (int)k, err)
                     : mq_fail(err, MQ_ERR_UNSUPPORTED,
                               "output '%s' is a sequence of sequences, which cannot be saved", o->name);
    else if (a && a->kind != MQ_TYPE_OPTIONAL)
        rc = mq_fail(err, MQ_ERR_UNSUPPORTED, "output '%s' is of a kind that cannot be saved", o->name);
    o->n_runs++;
    return rc;
}

/* ---- elements as numpy has them --------------------------------------------------------------------------------------- */

/* Where bytes of one array go. */
struct target {
    mq_outfile *file;
    mq_zip_out *zip; /* NULL: straight into the file */
};

static mq_status put(const struct target *t, const void *data, size_t n, mq_error *err)
{
    return t->zip ? mq_zip_put(t->zip, data, n, err) : mq_outfile_write(t->file, data, n, err);
}

/* One character of valid UTF-8. */
static uint32_t next_character(const unsigned char **at)
{
    const unsigned char *p = *at;
    const int more = *p < 0x80 ? 0 : *p < 0xe0 ? 1 : *p < 0xf0 ? 2 : 3;
    uint32_t c = more ? *p & (0x3fu >> more) : *p;

    for (int i = 1; i <= more; i++)
        c = c << 6 | (p[i] & 0x3f);
    *at = p + more + 1;
    return c;
}

/* Strings, each filled up with zeros to `text` characters (or bytes). */
static mq_status put_strings(const struct target *t, const struct piece *p, const unsigned char *from, size_t text,
                             bool bytes, mq_error *err)
{
    const size_t size = text * (bytes ? 1 : 4);
    unsigned char *room = malloc(size + 1);
    mq_status rc = room ? MQ_OK : mq_oom(err);

    for (size_t i = 0; i < p->count && rc == MQ_OK; i++) {
        const unsigned char *end;
        uint64_t n;

        memcpy(&n, from, sizeof n);
        from += sizeof n;
        end = from + n;
        memset(room, 0, size);
        if (bytes)
            memcpy(room, from, n);
        for (size_t k = 0; !bytes && from < end; k++) {
            const uint32_t c = next_character(&from);

            memcpy(room + 4 * k, &c, 4);
        }
        from = end;
        rc = put(t, room, size, err);
    }
    free(room);
    return rc;
}

/* Floats that numpy lacks, as float. */
static mq_status put_as_float(const struct target *t, const struct piece *p, const unsigned char *from, mq_error *err)
{
    const bool codes = mq_dtype_bits(p->dtype) < 8;
    float room[1024];
    mq_status rc = MQ_OK;

    for (size_t at = 0; at < p->count && rc == MQ_OK; at += 1024) {
        const size_t n = p->count - at < 1024 ? p->count - at : 1024;

        if (!codes)
            mq_dtype_to_f32(p->dtype, from, at, n, room);
        for (size_t i = 0; codes && i < n; i++) /* a code alone in a byte is a packed tensor of one element */
            mq_dtype_to_f32(p->dtype, from + at + i, 0, 1, &room[i]);
        rc = put(t, room, n * sizeof *room, err);
    }
    return rc;
}

/* A large output is not to be resident as a whole a second time. */
static mq_status put_raw(const struct target *t, const struct output *o, const unsigned char *from, size_t bytes,
                         mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t at = 0, n; at < bytes && rc == MQ_OK; at += n) {
        n = bytes - at < GIVE_BACK ? bytes - at : GIVE_BACK;
        rc = put(t, from + at, n, err);
        if (n == GIVE_BACK)
            mq_buf_done_with(o->read, from + at, n);
    }
    return rc;
}

static mq_status put_elements(const struct target *t, struct output *o, const struct piece *p, size_t text, bool bytes,
                              mq_error *err)
{
    const unsigned char *from = o->read->data + p->offset;
    mq_status rc;

    if (p->dtype == MQ_STRING)
        rc = put_strings(t, p, from, text, bytes, err);
    else if (mq_dtype_is_float(p->dtype) && mq_npy_dtype(p->dtype) != p->dtype)
        rc = put_as_float(t, p, from, err);
    else
        rc = put_raw(t, o, from, p->bytes, err);
    if (p->offset + p->bytes - o->given_back >= GIVE_BACK) {
        mq_buf_done_with(o->read, o->read->data + o->given_back, p->offset + p->bytes - o->given_back);
        o->given_back = p->offset + p->bytes;
    }
    return rc;
}

/* ---- arrays: n pieces from `first`, joined along axis 0 when there are several ---------------------------------------- */

struct joined {
    struct output *output;
    size_t first, n;
    struct piece whole; /* dims and count of all together; text: the longest */
};

static struct joined join(struct output *o, size_t first, size_t n)
{
    struct joined j = { o, first, n, o->pieces.items[first] };

    for (size_t i = first + 1; i < first + n; i++) {
        const struct piece *p = &o->pieces.items[i];

        j.whole.dims[0] += p->dims[0];
        j.whole.count += p->count;
        j.whole.bytes += p->bytes;
        j.whole.text = p->text > j.whole.text ? p->text : j.whole.text;
        j.whole.not_utf8 |= p->not_utf8;
    }
    return j;
}

/* The longest string of pieces that are no text, in bytes. */
static void measure_bytes(struct joined *j)
{
    if (!j->whole.not_utf8)
        return;
    j->whole.text = 0;
    for (size_t i = j->first; i < j->first + j->n; i++) {
        const struct piece *p = &j->output->pieces.items[i];
        const unsigned char *at = j->output->read->data + p->offset;

        for (size_t k = 0; k < p->count; k++) {
            uint64_t n;

            memcpy(&n, at, sizeof n);
            at += sizeof n + n;
            j->whole.text = n > j->whole.text ? n : j->whole.text;
        }
    }
}

static bool can_join(const struct output *o)
{
    const struct piece *a = o->pieces.items;

    for (size_t i = 0; i < o->pieces.n; i++) {
        const struct piece *b = &o->pieces.items[i];

        if (!b->rows || a->dtype != b->dtype || a->rank != b->rank ||
            memcmp(a->dims + 1, b->dims + 1, (size_t)(a->rank - 1) * sizeof *a->dims) != 0)
            return false;
    }
    return true;
}

static size_t header_of(struct joined *j, char *room)
{
    measure_bytes(j);
    j->whole.text += j->whole.dtype == MQ_STRING && !j->whole.text; /* numpy has no strings of no length */
    return mq_npy_header(room, mq_npy_dtype(j->whole.dtype), j->whole.text, j->whole.not_utf8, j->whole.rank, j->whole.dims);
}

static uint64_t size_of(const struct joined *j)
{
    if (j->whole.dtype == MQ_STRING)
        return (uint64_t)j->whole.count * j->whole.text * (j->whole.not_utf8 ? 1 : 4);
    return (uint64_t)j->whole.count * ((size_t)mq_dtype_bits(mq_npy_dtype(j->whole.dtype)) / 8);
}

static mq_status put_all(const struct target *t, const struct joined *j, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = j->first; i < j->first + j->n && rc == MQ_OK; i++)
        rc = put_elements(t, j->output, &j->output->pieces.items[i], j->whole.text, j->whole.not_utf8, err);
    return rc;
}

/* ---- the forms -------------------------------------------------------------------------------------------------------- */

static mq_status save_member(const struct target *t, struct joined *j, const char *name, mq_error *err)
{
    char header[MQ_NPY_ROOM];
    const size_t n = header_of(j, header);
    mq_status rc;

    MQ_TRY(mq_zip_begin(t->zip, name, n + size_of(j), err));
    MQ_TRY(put(t, header, n, err));
    MQ_TRY(put_all(t, j, err));
    rc = mq_zip_end(t->zip, err);
done:
    return rc;
}

static mq_status save_output(const struct target *t, struct output *o, mq_error *err)
{
    const bool whole = o->pieces.n == 1 ? o->pieces.items[0].item < 0 : can_join(o);
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < (whole ? 1 : o->pieces.n) && rc == MQ_OK; i++) {
        const struct piece *p = &o->pieces.items[i];
        struct joined j = join(o, i, whole ? o->pieces.n : 1);
        mq_str name = { 0 };

        mq_str_add(&name, o->name);
        if (!whole)
            mq_str_addf(&name, ".%zu", p->run);
        if (p->item >= 0)
            mq_str_addf(&name, ".%d", p->item);
        mq_str_add(&name, ".npy");
        rc = name.failed ? mq_oom(err) : save_member(t, &j, name.s, err);
        mq_str_release(&name);
    }
    return rc;
}

static mq_status save_npz(mq_results *r, mq_outfile *f, mq_error *err)
{
    struct target t = { f, NULL };
    mq_status rc = mq_zip_create(&t.zip, f, err);

    for (size_t i = 0; i < r->n && rc == MQ_OK; i++)
        if (r->outputs[i].pieces.n)
            rc = save_output(&t, &r->outputs[i], err);
    if (rc == MQ_OK)
        rc = mq_zip_finish(t.zip, err);
    mq_zip_discard(t.zip);
    return rc;
}

/* The one array of a form that holds one. */
static mq_status only_array(mq_results *r, const char *path, struct joined *j, mq_error *err)
{
    struct output *only = NULL;

    for (size_t i = 0; i < r->n; i++) {
        if (!r->outputs[i].pieces.n)
            continue;
        if (only)
            return mq_fail(err, MQ_ERR_USAGE,
                           "%s holds one array, and there are several outputs: write an .npz file, or choose one "
                           "with --outputs", path);
        only = &r->outputs[i];
    }
    if (!only)
        return mq_fail(err, MQ_ERR_USAGE, "%s: there is no output to be saved", path);
    if (only->pieces.n > 1 && !can_join(only))
        return mq_fail(err, MQ_ERR_USAGE,
                       "%s holds one array, and the shapes of '%s' differ from run to run: write an .npz file", path,
                       only->name);
    *j = join(only, 0, only->pieces.n);
    return MQ_OK;
}

static mq_status save_npy(mq_results *r, const char *path, mq_outfile *f, mq_error *err)
{
    const struct target t = { f, NULL };
    char header[MQ_NPY_ROOM];
    struct joined j;
    mq_status rc;
    size_t n;

    MQ_TRY(only_array(r, path, &j, err));
    n = header_of(&j, header);
    MQ_TRY(put(&t, header, n, err));
    rc = put_all(&t, &j, err);
done:
    return rc;
}

/* The joined array in memory; strings are borrowed from the mapped file. */
static mq_status make_array(mq_array **out, const struct joined *j, mq_error *err)
{
    mq_array *a = NULL;
    const unsigned char *from;
    char *to;
    mq_status rc;

    if (j->whole.dtype == MQ_STRING || mq_dtype_bits(j->whole.dtype) >= 8)
        rc = mq_array_create(&a, j->whole.dtype, j->whole.rank, j->whole.dims, err);
    else if ((rc = mq_array_create(&a, MQ_UINT8, j->whole.rank, j->whole.dims, err)) == MQ_OK)
        a->dtype = j->whole.dtype, a->codes = true;
    if (rc != MQ_OK)
        return rc;
    to = a->data;
    for (size_t i = j->first, k = 0; i < j->first + j->n; i++) {
        const struct piece *p = &j->output->pieces.items[i];

        from = j->output->read->data + p->offset;
        for (size_t s = 0; p->dtype == MQ_STRING && s < p->count; s++, k++) {
            uint64_t n;

            memcpy(&n, from, sizeof n);
            ((mq_bytes *)a->data)[k] = (mq_bytes){ from + sizeof n, n };
            from += sizeof n + n;
        }
        if (p->dtype != MQ_STRING && p->bytes)
            memcpy(to, from, p->bytes);
        to += p->bytes;
    }
    *out = a;
    return MQ_OK;
}

static mq_status save_pb(mq_results *r, const char *path, mq_error *err)
{
    mq_model *m = NULL;
    mq_array *a = NULL;
    mq_datum d = { .kind = MQ_TYPE_TENSOR };
    struct joined j;
    mq_status rc;

    MQ_TRY(only_array(r, path, &j, err));
    MQ_TRY(make_array(&a, &j, err));
    MQ_TRY(mq_model_create(&m, err));
    MQ_TRY(mq_tensor_of_array(&d.tensor, m, j.output->name, a, err));
    d.name = d.tensor->name;
    rc = mq_datum_save(&d, path, err);
done:
    mq_array_unref(a);
    mq_model_free(m);
    return rc;
}

bool mq_results_form(const char *path)
{
    return mq_ends_with(path, ".npz") || mq_ends_with(path, ".npy") || mq_ends_with(path, ".pb");
}

static mq_status map_outputs(mq_results *r, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < r->n && rc == MQ_OK; i++) {
        struct output *o = &r->outputs[i];
        int fd;

        if (!o->file)
            continue;
        mq_buf_unref(o->read);
        o->read = NULL;
        o->given_back = 0;
        fd = dup(mq_outfile_fd(o->file));
        rc = fd < 0 ? mq_fail_errno(err, MQ_ERR_SYSTEM, "read", o->name) : mq_buf_map_fd(&o->read, fd, o->name, err);
    }
    return rc;
}

mq_status mq_results_save(mq_results *r, const char *path, bool force, bool sync, mq_error *err)
{
    mq_outfile *f = NULL;
    mq_status rc;

    if (!mq_results_form(path))
        return mq_fail(err, MQ_ERR_USAGE, "%s: outputs are saved as .npz, .npy or .pb", path);
    MQ_TRY(mq_outfile_open(&f, path, force, err));
    MQ_TRY(map_outputs(r, err));
    if (mq_ends_with(path, ".pb")) { /* the file is written anew by its own writer */
        rc = save_pb(r, path, err);
        goto done;
    }
    rc = mq_ends_with(path, ".npz") ? save_npz(r, f, err) : save_npy(r, path, f, err);
    if (rc == MQ_OK) {
        rc = mq_outfile_commit(f, sync, err);
        f = NULL;
    }
done:
    mq_outfile_abort(f);
    return rc;
}
