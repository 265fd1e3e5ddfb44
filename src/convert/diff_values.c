/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Comparing and saying tensors and attributes. */
#include "convert/diff_values.h"

#include <math.h>
#include <string.h>

#define BLOCK 4096         /* elements that are compared as numbers at a time */
#define PIECE (16u << 20)  /* bytes that are compared at a time */
#define MOST_SHOWN 8       /* elements of a list */
#define MOST_LETTERS 40    /* of a string */

/* ---- text ---------------------------------------------------------------------------------------------------------- */

void mq_diff_tensor_text(const mq_tensor *t, mq_str *to)
{
    mq_str_addf(to, "%s[", mq_dtype_name(t->dtype));
    for (int i = 0; i < t->n_dims; i++)
        mq_str_addf(to, "%s%lld", i ? "," : "", (long long)t->dims[i]);
    mq_str_add(to, "]");
}

static void string_text(mq_bytes s, mq_str *to)
{
    const size_t n = s.n < MOST_LETTERS ? s.n : MOST_LETTERS;

    mq_str_add(to, "'");
    for (size_t i = 0; i < n; i++) {
        const char c = ((const char *)s.data)[i];

        mq_str_add_n(to, (unsigned char)c < 0x20 ? " " : &c, 1);
    }
    mq_str_add(to, s.n > n ? "...'" : "'");
}

static void element_text(const mq_attr *a, size_t i, mq_str *to)
{
    char type[128];

    switch (a->type) {
    case MQ_ATTR_FLOATS:
        mq_str_addf(to, "%.9g", (double)a->floats[i]);
        break;
    case MQ_ATTR_INTS:
        mq_str_addf(to, "%lld", (long long)a->ints[i]);
        break;
    case MQ_ATTR_STRINGS:
        string_text(a->strings[i], to);
        break;
    case MQ_ATTR_TENSOR:
    case MQ_ATTR_TENSORS:
        mq_diff_tensor_text(a->tensors[i], to);
        break;
    case MQ_ATTR_TYPE:
    case MQ_ATTR_TYPES:
        mq_type_text(a->types[i], type, sizeof type);
        mq_str_add(to, type);
        break;
    default:
        mq_str_add(to, a->graphs ? "a graph" : "a sparse tensor");
    }
}

void mq_diff_attr_text(const mq_attr *a, mq_str *to)
{
    const bool list = a && (a->type >= MQ_ATTR_FLOATS && a->type <= MQ_ATTR_GRAPHS);

    if (!a)
        mq_str_add(to, "none");
    else if (a->ref)
        mq_str_addf(to, "the call's '%s'", a->ref);
    else if (a->type == MQ_ATTR_FLOAT)
        mq_str_addf(to, "%.9g", (double)a->f);
    else if (a->type == MQ_ATTR_INT)
        mq_str_addf(to, "%lld", (long long)a->i);
    else if (a->type == MQ_ATTR_STRING)
        string_text(a->s, to);
    else {
        mq_str_add(to, list ? "[" : "");
        for (size_t i = 0; i < a->n && i < MOST_SHOWN; i++) {
            mq_str_add(to, i ? "," : "");
            element_text(a, i, to);
        }
        mq_str_add(to, a->n > MOST_SHOWN ? ",..." : "");
        mq_str_add(to, list ? "]" : "");
    }
}

/* ---- contents ------------------------------------------------------------------------------------------------------ */

static bool same_strings(const mq_bytes *a, const mq_bytes *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (a[i].n != b[i].n || (a[i].n && memcmp(a[i].data, b[i].data, a[i].n) != 0))
            return false;
    return true;
}

/* How many elements differ, and by how much at most. */
static mq_status measure(mq_tensor *a, mq_tensor *b, mq_str *text, mq_error *err)
{
    const uint64_t n = (uint64_t)mq_tensor_count(a);
    float x[BLOCK], y[BLOCK];
    uint64_t differ = 0;
    double most = 0;
    mq_status rc = MQ_OK;

    for (uint64_t at = 0; at < n; at += BLOCK) {
        const uint64_t len = n - at < BLOCK ? n - at : BLOCK;

        MQ_TRY(mq_tensor_read_f32(a, at, len, x, err));
        MQ_TRY(mq_tensor_read_f32(b, at, len, y, err));
        for (uint64_t i = 0; i < len; i++) {
            differ += memcmp(&x[i], &y[i], sizeof x[i]) != 0;
            if (fabs((double)x[i] - y[i]) > most)
                most = fabs((double)x[i] - y[i]);
        }
    }
    mq_str_addf(text, "%llu of %llu elements differ, by %.3g at most", (unsigned long long)differ,
                (unsigned long long)n, most);
done:
    return rc;
}

static bool is_float(mq_dtype t)
{
    return t == MQ_FLOAT || t == MQ_FLOAT16 || t == MQ_BFLOAT16;
}

static void give_back(const mq_tensor *t, const void *p, size_t n)
{
    if (t->buf && !t->unpacked)
        mq_buf_done_with(t->buf, p, n);
}

/* Piece by piece: pages are given back as they are done with. */
static bool same_contents(const mq_tensor *a, const mq_tensor *b, const char *x, const char *y, size_t size)
{
    for (size_t at = 0; at < size; at += PIECE) {
        const size_t n = size - at < PIECE ? size - at : PIECE;
        const bool same = memcmp(x + at, y + at, n) == 0;

        give_back(a, x + at, n);
        give_back(b, y + at, n);
        if (!same)
            return false;
    }
    return true;
}

static mq_status compare_contents(mq_tensor *a, mq_tensor *b, mq_str *text, mq_error *err)
{
    const int64_t size = mq_tensor_size(a);
    const void *x, *y;
    mq_status rc = MQ_OK;

    if (a->dtype == MQ_STRING) {
        if (a->n_items != b->n_items || !same_strings(a->strings, b->strings, a->n_items))
            mq_str_add(text, "contents differ");
        return MQ_OK;
    }
    if (size <= 0)
        return MQ_OK;
    MQ_TRY(mq_tensor_bytes(a, &x, err));
    MQ_TRY(mq_tensor_bytes(b, &y, err));
    if (x == y || same_contents(a, b, x, y, (size_t)size))
        return MQ_OK;
    if (is_float(a->dtype))
        rc = measure(a, b, text, err);
    else
        mq_str_add(text, "contents differ");
    give_back(a, x, (size_t)size);
    give_back(b, y, (size_t)size);
done:
    return rc;
}

mq_status mq_diff_tensors(mq_tensor *a, mq_tensor *b, mq_str *text, mq_error *err)
{
    if (a->dtype == b->dtype && a->n_dims == b->n_dims &&
        (!a->n_dims || memcmp(a->dims, b->dims, (size_t)a->n_dims * sizeof *a->dims) == 0))
        return compare_contents(a, b, text, err);
    mq_diff_tensor_text(a, text);
    mq_str_add(text, " -> ");
    mq_diff_tensor_text(b, text);
    return MQ_OK;
}

/* ---- attributes ---------------------------------------------------------------------------------------------------- */

static mq_status same_tensors(mq_tensor *a, mq_tensor *b, bool *same, mq_error *err)
{
    mq_str text = { 0 };
    mq_status rc = mq_diff_tensors(a, b, &text, err);

    *same = *same && text.n == 0 && !text.failed;
    mq_str_release(&text);
    return rc;
}

static bool same_types(const mq_attr *a, const mq_attr *b)
{
    char x[512], y[512];

    for (size_t i = 0; i < a->n; i++) {
        mq_type_text(a->types[i], x, sizeof x);
        mq_type_text(b->types[i], y, sizeof y);
        if (strcmp(x, y) != 0)
            return false;
    }
    return true;
}

static bool same_bytes(const void *a, const void *b, size_t n)
{
    return !n || memcmp(a, b, n) == 0;
}

mq_status mq_diff_attrs(const mq_attr *a, const mq_attr *b, bool *same, mq_error *err)
{
    mq_status rc = MQ_OK;

    *same = a->type == b->type && !a->ref == !b->ref && a->n == b->n;
    if (!*same || a->ref) {
        *same = *same && strcmp(a->ref, b->ref) == 0;
        return MQ_OK;
    }
    *same = same_bytes(&a->f, &b->f, sizeof a->f) && a->i == b->i && same_strings(&a->s, &b->s, 1);
    if (a->type == MQ_ATTR_FLOATS)
        *same = same_bytes(a->floats, b->floats, a->n * sizeof *a->floats);
    else if (a->type == MQ_ATTR_INTS)
        *same = same_bytes(a->ints, b->ints, a->n * sizeof *a->ints);
    else if (a->type == MQ_ATTR_STRINGS)
        *same = same_strings(a->strings, b->strings, a->n);
    else if (a->types)
        *same = same_types(a, b);
    for (size_t i = 0; a->tensors && i < a->n && rc == MQ_OK; i++)
        rc = same_tensors(a->tensors[i], b->tensors[i], same, err);
    for (size_t i = 0; a->sparses && i < a->n && rc == MQ_OK; i++) {
        rc = same_tensors(a->sparses[i]->values, b->sparses[i]->values, same, err);
        if (rc == MQ_OK)
            rc = same_tensors(a->sparses[i]->indices, b->sparses[i]->indices, same, err);
    }
    return rc;
}
