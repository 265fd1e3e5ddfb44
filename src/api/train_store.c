/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Samples for training, which reads them many times in another order. As long as they are few they are kept as the model
 * takes them; where they would fill the memory they are read again when they are wanted: images are decoded, arrays stay
 * mapped. */
#include <stdlib.h>
#include <string.h>

#include "api/train_job.h"
#include "api/train_rows.h"
#include "base/vec.h"

enum { READ_BATCH = 128 }; /* rows of one read */
#define MOST_BYTES ((uint64_t)256 << 20) /* of inputs that are kept */

/* All samples of a source; those of a training are rows of it. */
struct mq_sample_store {
    size_t refs, n_in;
    mq_array **in;     /* per input, a row for each; NULL: they are read when they are wanted */
    mq_dataset *ds;    /* from here */
    uint64_t *numbers; /* their numbers there */
};

static mq_sample_store *ref_store(mq_sample_store *s)
{
    s->refs++;
    return s;
}

static void unref_store(mq_sample_store *s)
{
    if (!s || --s->refs)
        return;
    for (size_t i = 0; s->in && i < s->n_in; i++)
        mq_array_unref(s->in[i]);
    free(s->in);
    free(s->numbers);
    mq_dataset_free(s->ds);
    free(s);
}

/* ---- rows ----------------------------------------------------------------------------------------------------------- */

mq_status mq_rows_reserve(mq_rows *r, size_t n, mq_error *err)
{
    size_t cap = r->cap ? r->cap : 256, bytes;
    char *data;

    while (cap < r->n + n)
        cap *= 2;
    if (!n || cap == r->cap)
        return MQ_OK;
    if (__builtin_mul_overflow(cap, r->row ? r->row : 1, &bytes) || !(data = realloc(r->data, bytes)))
        return mq_oom(err);
    r->data = data;
    r->cap = cap;
    return MQ_OK;
}

mq_status mq_rows_add(mq_rows *r, const mq_array *a, size_t n, const char *what, mq_error *err)
{
    mq_status rc;

    if (a->kind != MQ_TYPE_TENSOR || a->rank < 1 || a->dtype == MQ_STRING || !mq_array_elem_size(a) ||
        a->dims[0] < (int64_t)n)
        return mq_fail(err, MQ_ERR_INPUT, "%s: training needs numbers with an axis for the samples", what);
    if (!r->rank) {
        r->dtype = a->dtype;
        r->rank = a->rank;
        memcpy(r->dims, a->dims, sizeof r->dims);
        r->row = a->dims[0] ? mq_array_bytes(a) / (size_t)a->dims[0] : 0;
    }
    if (a->dtype != r->dtype || a->rank != r->rank ||
        memcmp(a->dims + 1, r->dims + 1, ((size_t)a->rank - 1) * sizeof *a->dims) != 0)
        return mq_fail(err, MQ_ERR_INPUT, "%s: samples have different shapes: training needs one", what);
    if (!n)
        return MQ_OK;
    if ((rc = mq_rows_reserve(r, n, err)) != MQ_OK)
        return rc;
    memcpy(r->data + r->n * r->row, a->data, n * r->row);
    r->n += n;
    return MQ_OK;
}

mq_status mq_rows_finish(mq_rows *r, mq_array **out, mq_error *err)
{
    mq_status rc;

    r->dims[0] = (int64_t)r->n;
    if ((rc = mq_array_create(out, r->dtype, r->rank, r->dims, err)) == MQ_OK && r->data)
        memcpy((*out)->data, r->data, r->n * r->row);
    mq_rows_release(r);
    return rc;
}

void mq_rows_release(mq_rows *r)
{
    free(r->data);
    *r = (mq_rows){ .n = 0 };
}

/* ---- reading -------------------------------------------------------------------------------------------------------- */

/* Classes become int64; a class that is no whole number stays a value. */
static mq_status widen_labels(mq_array **out, const mq_array *a, mq_error *err)
{
    const mq_dtype type = mq_dtype_is_float(a->dtype) ? MQ_FLOAT : MQ_INT64;
    int64_t dims[MQ_MAX_RANK];
    mq_status rc;

    if (a->kind != MQ_TYPE_TENSOR || a->dtype == MQ_STRING || a->rank < 1)
        return mq_fail(err, MQ_ERR_INPUT, "labels have to be numbers");
    memcpy(dims, a->dims, sizeof dims);
    if ((rc = mq_array_create(out, type, a->rank, dims, err)) != MQ_OK)
        return rc;
    for (size_t i = 0; i < (*out)->count; i++)
        if (type == MQ_INT64)
            ((int64_t *)(*out)->data)[i] = mq_array_i64(a, i);
        else
            ((float *)(*out)->data)[i] = (float)mq_array_f64(a, i);
    return MQ_OK;
}

typedef struct reading {
    mq_rows *in, labels;
    size_t n_in, n_blank; /* samples before the first label */
    uint64_t bytes, most; /* of inputs so far; that may be kept */
    bool kept;
    MQ_VEC(uint64_t) numbers;
} reading;

/* Samples without a label among others that have one have the class -1. */
static mq_status add_blanks(mq_rows *g, size_t n, mq_error *err)
{
    mq_status rc;

    if (!n)
        return MQ_OK;
    if (g->dtype != MQ_INT64)
        return mq_fail(err, MQ_ERR_INPUT, "some samples have values as labels, and others have none");
    if ((rc = mq_rows_reserve(g, n, err)) != MQ_OK)
        return rc;
    memset(g->data + g->n * g->row, 0xff, n * g->row);
    g->n += n;
    return MQ_OK;
}

static mq_status add_labels(reading *r, const mq_data_call *call, mq_error *err)
{
    mq_array *labels = NULL;
    mq_status rc = MQ_OK;

    if (!call->labels && !r->labels.rank) {
        r->n_blank += call->n;
        return MQ_OK;
    }
    if (!call->labels)
        return add_blanks(&r->labels, call->n, err);
    MQ_TRY(widen_labels(&labels, call->labels, err));
    if (!r->labels.rank) {
        MQ_TRY(mq_rows_add(&r->labels, labels, 0, "labels", err));
        MQ_TRY(add_blanks(&r->labels, r->n_blank, err));
    }
    rc = mq_rows_add(&r->labels, labels, call->n, "labels", err);
done:
    mq_array_unref(labels);
    return rc;
}

bool mq_samples_labelled(const mq_samples *s, uint64_t i)
{
    const size_t per = s->n && s->labels ? s->labels->count / s->n : 0;
    bool any = s->labels && s->labels->dtype == MQ_FLOAT && !s->answers;

    for (size_t k = 0; k < per && !any; k++)
        any = s->labels->dtype == MQ_INT64 ? ((const int64_t *)s->labels->data)[i * per + k] >= 0 :
                                             ((const float *)s->labels->data)[i * per + k] >= 0;
    return any;
}

static void count_labels(mq_samples *s)
{
    s->n_labelled = 0;
    for (uint64_t i = 0; i < s->n && s->labels; i++)
        s->n_labelled += mq_samples_labelled(s, i);
}

/* What is kept of the inputs so far is too much: from now on they are only looked at. */
static void stop_keeping(reading *r)
{
    for (size_t i = 0; i < r->n_in; i++) {
        free(r->in[i].data);
        r->in[i].data = NULL;
        r->in[i].cap = 0;
    }
    r->kept = false;
}

static mq_status add_input(reading *r, size_t i, const mq_data_call *call, const char *name, mq_error *err)
{
    mq_rows *rows = &r->in[i];
    const mq_array *a = call->in[i];
    mq_status rc;

    if (!a)
        return mq_fail(err, MQ_ERR_INPUT, "input '%s' has no data", name);
    if ((rc = mq_rows_add(rows, a, r->kept ? call->n : 0, name, err)) == MQ_OK)
        r->bytes += rows->row * call->n;
    return rc;
}

static mq_status read_all(reading *r, mq_dataset *ds, const mq_running *run, const mq_hooks *hooks, mq_error *err)
{
    const uint64_t total = mq_dataset_n_samples(ds);
    const bool again = mq_dataset_by_sample(ds);
    const mq_data_call *call;
    mq_status rc = MQ_OK;

    for (;;) {
        MQ_TRY(mq_dataset_next(ds, &call, err));
        if (!call)
            break;
        if (!call->rows)
            return mq_fail(err, MQ_ERR_INPUT, "the model's inputs have no axis for samples, which training needs");
        for (size_t i = 0; i < r->n_in; i++)
            MQ_TRY(add_input(r, i, call, run->inputs[i]->name, err));
        if (r->kept && again && r->bytes > r->most)
            stop_keeping(r);
        MQ_TRY(add_labels(r, call, err));
        for (size_t i = 0; i < call->n; i++)
            if (!mq_vec_push(&r->numbers, call->samples[i]))
                return mq_oom(err);
        mq_progress(hooks, "read", r->numbers.n, total);
    }
done:
    return rc;
}

/* Takes over what has been read. */
static mq_status make_store(reading *r, mq_dataset **ds, mq_sample_store **out, mq_error *err)
{
    mq_sample_store *s = calloc(1, sizeof *s);
    mq_status rc = MQ_OK;

    if (!s)
        return mq_oom(err);
    s->refs = 1;
    s->n_in = r->n_in;
    if (r->kept) {
        if (!(s->in = calloc(r->n_in + 1, sizeof *s->in)))
            MQ_TRY(mq_oom(err));
        for (size_t i = 0; i < r->n_in; i++)
            MQ_TRY(mq_rows_finish(&r->in[i], &s->in[i], err));
    } else {
        s->numbers = r->numbers.items;
        r->numbers.items = NULL;
        s->ds = *ds;
        *ds = NULL;
    }
    *out = s;
    s = NULL;
done:
    unref_store(s);
    return rc;
}

mq_status mq_samples_read_within(mq_samples *out, const mq_data_source *source, uint64_t most, const mq_running *run,
                                 const mq_hooks *hooks, void (*note)(void *user, const char *text), void *user,
                                 mq_error *err)
{
    reading r = { .n_in = run->n_in, .most = most, .kept = true };
    mq_data_source wide = *source;
    mq_dataset *ds = NULL;
    mq_status rc = MQ_OK;

    *out = (mq_samples){ .n_in = run->n_in };
    wide.batch = mq_running_batch(run) ? 0 : READ_BATCH; /* 0: what the model fixes */
    if (!(r.in = calloc(r.n_in + 1, sizeof *r.in)))
        return mq_oom(err);
    MQ_TRY(mq_source_open(&ds, &wide, run->inputs, run->n_in, run->outputs, run->n_out, hooks, err));
    mq_source_tell(&wide, ds, note, user);
    MQ_TRY(read_all(&r, ds, run, hooks, err));
    mq_source_warn(&wide, ds, hooks);
    if (!r.numbers.n || !r.n_in)
        MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "%s holds no samples", source->val ? "--val-data" : "--data"));
    out->n = r.numbers.n;
    if (!r.kept)
        mq_tell(note, user, "%llu samples would take %.1f GB: they are read again when they are wanted",
                (unsigned long long)out->n, (double)r.bytes * 1e-9);
    MQ_TRY(make_store(&r, &ds, &out->store, err));
    if (r.labels.rank)
        MQ_TRY(mq_rows_finish(&r.labels, &out->labels, err));
    count_labels(out);
done:
    for (size_t i = 0; i < r.n_in; i++)
        mq_rows_release(&r.in[i]);
    free(r.in);
    mq_rows_release(&r.labels);
    mq_vec_release(&r.numbers);
    mq_dataset_free(ds);
    if (rc != MQ_OK)
        mq_samples_release(out);
    return rc;
}

mq_status mq_samples_read(mq_samples *out, const mq_data_source *source, const mq_running *run, const mq_hooks *hooks,
                          void (*note)(void *user, const char *text), void *user, mq_error *err)
{
    return mq_samples_read_within(out, source, MOST_BYTES, run, hooks, note, user, err);
}

mq_status mq_samples_take(mq_samples *out, const mq_samples *s, const uint64_t *list, uint64_t n, mq_error *err)
{
    mq_status rc = MQ_OK;

    *out = (mq_samples){ .n = n, .n_in = s->n_in, .answers = s->answers, .store = ref_store(s->store) };
    if (!(out->rows = calloc(n + 1, sizeof *out->rows)))
        MQ_TRY(mq_oom(err));
    for (uint64_t i = 0; i < n; i++)
        out->rows[i] = s->rows ? s->rows[list[i]] : list[i];
    if (s->labels)
        MQ_TRY(mq_array_rows(&out->labels, s->labels, list, n, err));
    count_labels(out);
done:
    if (rc != MQ_OK)
        mq_samples_release(out);
    return rc;
}

void mq_samples_release(mq_samples *s)
{
    unref_store(s->store);
    free(s->rows);
    mq_array_unref(s->labels);
    *s = (mq_samples){ .n = 0 };
}

/* ---- giving --------------------------------------------------------------------------------------------------------- */

/* One sample into row k of the arrays, which are made for n rows with the first. */
static mq_status put_sample(const mq_sample_store *s, uint64_t row, size_t k, size_t n, mq_array **in, mq_array **one,
                            mq_error *err)
{
    mq_status rc;

    MQ_TRY(mq_dataset_sample(s->ds, s->numbers[row], one, err));
    for (size_t i = 0; i < s->n_in; i++) {
        int64_t dims[MQ_MAX_RANK] = { (int64_t)n };
        const size_t bytes = mq_array_bytes(one[i]);

        memcpy(dims + 1, one[i]->dims, (size_t)one[i]->rank * sizeof *dims);
        if (!k)
            MQ_TRY(mq_array_create(&in[i], one[i]->dtype, one[i]->rank + 1, dims, err));
        if (bytes * n != mq_array_bytes(in[i]))
            MQ_TRY(mq_fail(err, MQ_ERR_INPUT, "a sample has changed since it was read first"));
        memcpy((char *)in[i]->data + k * bytes, one[i]->data, bytes);
    }
done:
    for (size_t i = 0; i < s->n_in; i++) {
        mq_array_unref(one[i]);
        one[i] = NULL;
    }
    return rc;
}

mq_status mq_samples_inputs(const mq_samples *s, const uint64_t *list, size_t n, mq_array **in, mq_error *err)
{
    uint64_t *rows = malloc((n + 1) * sizeof *rows);
    mq_array **one = calloc(s->n_in + 1, sizeof *one);
    mq_status rc = MQ_OK;

    if (!rows || !one)
        MQ_TRY(mq_oom(err));
    for (size_t k = 0; k < n; k++)
        rows[k] = s->rows ? s->rows[list[k]] : list[k];
    for (size_t i = 0; i < s->n_in && s->store->in; i++)
        MQ_TRY(mq_array_rows(&in[i], s->store->in[i], rows, n, err));
    for (size_t k = 0; k < n && !s->store->in; k++)
        MQ_TRY(put_sample(s->store, rows[k], k, n, in, one, err));
done:
    free(one);
    free(rows);
    return rc;
}

mq_status mq_samples_hash(const mq_samples *s, char hex[MQ_SHA256_HEX], mq_error *err)
{
    mq_array **in = calloc(s->n_in + 1, sizeof *in);
    uint64_t list[READ_BATCH];
    char part[MQ_SHA256_HEX];
    mq_status rc = MQ_OK;

    if (!in)
        return mq_oom(err);
    for (uint64_t at = 0; at < s->n; at += READ_BATCH) {
        const size_t n = s->n - at < READ_BATCH ? (size_t)(s->n - at) : READ_BATCH;

        for (size_t k = 0; k < n; k++)
            list[k] = at + k;
        MQ_TRY(mq_samples_inputs(s, list, n, in, err));
        for (size_t i = 0; i < s->n_in; i++) {
            mq_sha256_bytes(in[i]->data, mq_array_bytes(in[i]), part);
            mq_sha256_chain(hex, part);
            mq_array_unref(in[i]);
            in[i] = NULL;
        }
    }
done:
    for (size_t i = 0; i < s->n_in; i++)
        mq_array_unref(in[i]);
    free(in);
    return rc;
}
