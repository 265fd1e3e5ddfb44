/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Reading .npy. The header is a Python literal; only the three keys that numpy writes are understood, in any order. Elements
 * stay where they are unless their byte order, axis order or alignment is not that of memory. Python objects and
 * structured types are refused. */
#include "data/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/data.h"
#include "data/table.h"

/* ---- header ------------------------------------------------------------------------------------------------------- */

/* The literal and how far it is read. */
struct literal {
    const char *p, *end;
};

static void skip_blanks(struct literal *l)
{
    while (l->p < l->end && strchr(" \t\r\n", *l->p) && *l->p)
        l->p++;
}

static bool take(struct literal *l, char c)
{
    skip_blanks(l);
    if (l->p >= l->end || *l->p != c)
        return false;
    l->p++;
    return true;
}

static bool take_word(struct literal *l, const char *word)
{
    const size_t n = strlen(word);

    skip_blanks(l);
    if ((size_t)(l->end - l->p) < n || memcmp(l->p, word, n) != 0)
        return false;
    l->p += n;
    return true;
}

/* A quoted string without escapes. */
static bool take_string(struct literal *l, char *out, size_t size)
{
    char quote;
    size_t n = 0;

    skip_blanks(l);
    if (l->p >= l->end || (*l->p != '\'' && *l->p != '"'))
        return false;
    for (quote = *l->p++; l->p < l->end && *l->p != quote; l->p++) {
        if (n + 1 >= size || *l->p == '\\')
            return false;
        out[n++] = *l->p;
    }
    out[n] = '\0';
    return take(l, quote);
}

static bool take_size(struct literal *l, int64_t *out)
{
    int64_t v = 0;
    bool any = false;

    skip_blanks(l);
    for (; l->p < l->end && *l->p >= '0' && *l->p <= '9'; l->p++, any = true)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *l->p - '0', &v))
            return false;
    (void)take(l, 'L'); /* Python 2 */
    *out = v;
    return any;
}

static bool take_shape(struct literal *l, mq_npy *h, const char **why)
{
    if (!take(l, '('))
        return false;
    for (h->rank = 0; !take(l, ')'); h->rank++) {
        if (h->rank == MQ_MAX_RANK) {
            *why = "has too many axes";
            return false;
        }
        if (!take_size(l, &h->dims[h->rank]))
            return false;
        if (!take(l, ',') && (l->p >= l->end || *l->p != ')'))
            return false;
    }
    return true;
}

static mq_dtype dtype_of(char kind, size_t size)
{
    static const struct {
        char kind;
        uint8_t size;
        mq_dtype dtype;
    } types[] = { { 'b', 1, MQ_BOOL },   { 'i', 1, MQ_INT8 },    { 'i', 2, MQ_INT16 },  { 'i', 4, MQ_INT32 },
                  { 'i', 8, MQ_INT64 },  { 'u', 1, MQ_UINT8 },   { 'u', 2, MQ_UINT16 }, { 'u', 4, MQ_UINT32 },
                  { 'u', 8, MQ_UINT64 }, { 'f', 2, MQ_FLOAT16 }, { 'f', 4, MQ_FLOAT },  { 'f', 8, MQ_DOUBLE },
                  { 'c', 8, MQ_COMPLEX64 }, { 'c', 16, MQ_COMPLEX128 } };

    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].kind == kind && types[i].size == size)
            return types[i].dtype;
    return MQ_UNDEFINED;
}

/* "<f4", "|b1", ">U7". */
static bool read_descr(mq_npy *h, const char *text, const char **why)
{
    char *end;
    unsigned long size;

    *why = "has a type that is not read";
    if (strcmp(text, "|O") == 0 || strcmp(text, "O") == 0)
        *why = "holds Python objects, which are not read";
    if (!text[0] || !strchr("<>|=", text[0]) || !text[1] || text[2] < '0' || text[2] > '9')
        return false;
    size = strtoul(text + 2, &end, 10);
    if (*end || size > 1u << 30)
        return false;
    h->kind = text[1];
    h->item_size = size;
    if (h->kind == 'S' || h->kind == 'a')
        h->kind = 'S', h->dtype = MQ_STRING;
    else if (h->kind == 'U')
        h->item_size *= 4, h->dtype = MQ_STRING;
    else
        h->dtype = dtype_of(h->kind, size);
    h->swap = text[0] == '>' && h->kind != 'S' && (size > 1 || h->kind == 'U');
    return h->dtype != MQ_UNDEFINED;
}

/* Sets *why when it can say more than "broken". */
static bool read_dict(mq_npy *h, struct literal *l, const char **why, char *descr, size_t size)
{
    char key[32];
    unsigned seen = 0;

    if (!take(l, '{'))
        return false;
    while (!take(l, '}')) {
        if (!take_string(l, key, sizeof key) || !take(l, ':'))
            return false;
        if (strcmp(key, "descr") == 0) {
            skip_blanks(l);
            if (l->p < l->end && *l->p == '[') {
                *why = "has a structured type, which is not read";
                return false;
            }
            if (!take_string(l, descr, size) || !read_descr(h, descr, why))
                return false;
            *why = NULL;
            seen |= 1;
        } else if (strcmp(key, "fortran_order") == 0) {
            h->fortran = take_word(l, "True");
            if (!h->fortran && !take_word(l, "False"))
                return false;
            seen |= 2;
        } else if (strcmp(key, "shape") == 0) {
            if (!take_shape(l, h, why))
                return false;
            seen |= 4;
        } else {
            return false;
        }
        if (!take(l, ',') && (l->p >= l->end || *l->p != '}'))
            return false;
    }
    return seen == 7;
}

static mq_status count_elements(mq_npy *h, uint64_t file_size, const char *place, mq_error *err)
{
    uint64_t count = 1, bytes;
    bool empty = false, overflow = false;

    for (int i = 0; i < h->rank; i++) {
        empty |= h->dims[i] == 0;
        overflow |= __builtin_mul_overflow(count, (uint64_t)h->dims[i], &count);
    }
    count = empty ? 0 : count;
    overflow = !empty && overflow;
    /* Strings of no length take no room: their number is not bounded by the file, so it is here. */
    if (overflow || __builtin_mul_overflow(count, h->item_size, &bytes) || (!h->item_size && count > 1u << 20))
        return mq_fail(err, MQ_ERR_INPUT, "%s: its shape is too large", place);
    if (bytes > file_size - h->header)
        return mq_fail(err, MQ_ERR_INPUT, "%s: %llu bytes of elements are declared but %llu are there", place,
                       (unsigned long long)bytes, (unsigned long long)(file_size - h->header));
    h->count = (size_t)count;
    h->bytes = (size_t)bytes;
    return MQ_OK;
}

mq_status mq_npy_parse(mq_npy *h, const void *data, size_t n, uint64_t file_size, const char *place, mq_error *err)
{
    const unsigned char *p = data;
    const char *why = NULL;
    char descr[64] = "";
    size_t length, start;
    struct literal l;

    *h = (mq_npy){ 0 };
    if (n < 10 || memcmp(p, "\x93NUMPY", 6) != 0)
        return mq_fail(err, MQ_ERR_INPUT, "%s: not an .npy array", place);
    start = p[6] == 1 ? 10 : 12;
    if (p[6] < 1 || p[6] > 3 || n < start)
        return mq_fail(err, MQ_ERR_INPUT, "%s: .npy version %d is not known", place, p[6]);
    length = p[8] | (size_t)p[9] << 8;
    if (start == 12)
        length |= (size_t)p[10] << 16 | (size_t)p[11] << 24;
    if (length > n - start)
        return mq_fail(err, MQ_ERR_INPUT, "%s: its .npy header of %zu bytes is cut off or too long", place, length);
    l = (struct literal){ (const char *)p + start, (const char *)p + start + length };
    h->header = start + length;
    if (!read_dict(h, &l, &why, descr, sizeof descr)) {
        if (why)
            return mq_fail(err, MQ_ERR_INPUT, "%s: the array %s%s%s%s", place, why, *descr ? " ('" : "", descr,
                           *descr ? "')" : "");
        return mq_fail(err, MQ_ERR_INPUT, "%s: its .npy header is broken", place);
    }
    return count_elements(h, file_size, place, err);
}

/* ---- elements ----------------------------------------------------------------------------------------------------- */

static void free_buf_block(mq_block *b)
{
    mq_buf_unref(b->owner);
    free(b);
}

mq_status mq_block_of_buf(mq_block **out, mq_buf *buf, mq_error *err)
{
    mq_block *b = malloc(sizeof *b);

    if (!b) {
        mq_buf_unref(buf);
        return mq_oom(err);
    }
    *b = (mq_block){ .data = (void *)(uintptr_t)buf->data, .size = buf->size, .refs = 1, .free = free_buf_block,
                     .owner = buf };
    *out = b;
    return MQ_OK;
}

void mq_block_done_with(const mq_block *b, const void *p, size_t n)
{
    if (b && b->free == free_buf_block)
        mq_buf_done_with(b->owner, p, n);
}

static void put_swapped(char *to, const char *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = from[size - 1 - i];
}

/* Element by element: the file's order along `strides`, memory's row-major. */
static void copy_elements(char *to, const mq_npy *h, const char *from, bool parts)
{
    const size_t size = h->item_size, part = parts ? size / 2 : size;
    size_t strides[MQ_MAX_RANK + 1], at = 0;
    int64_t index[MQ_MAX_RANK] = { 0 };

    strides[0] = size;
    for (int i = 1; i < h->rank; i++)
        strides[i] = strides[i - 1] * (size_t)h->dims[i - 1];
    for (size_t k = 0; k < h->count; k++, to += size) {
        const char *p = h->fortran ? from + at : from + k * size;

        for (size_t o = 0; o < size; o += part) {
            if (h->swap)
                put_swapped(to + o, p + o, part);
            else
                memcpy(to + o, p + o, part);
        }
        for (int i = h->rank - 1; h->fortran && i >= 0; i--) {
            at += strides[i];
            if (++index[i] < h->dims[i])
                break;
            at -= strides[i] * (size_t)h->dims[i];
            index[i] = 0;
        }
    }
}

/* One UCS-4 character as UTF-8; what is no character becomes U+FFFD. */
static size_t put_utf8(char *to, uint32_t c)
{
    if (c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        c = 0xfffd;
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 63));
        to[2] = (char)(0x80 | (c & 63));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 63));
    to[2] = (char)(0x80 | (c >> 6 & 63));
    to[3] = (char)(0x80 | (c & 63));
    return 4;
}

/* Text of one element without the zeros that fill it up; returns its size. */
static size_t put_text(char *to, const mq_npy *h, const char *from)
{
    const size_t n = h->kind == 'U' ? h->item_size / 4 : h->item_size;
    size_t used = 0, end = 0;
    uint32_t c;

    for (size_t i = 0; i < n; i++) {
        if (h->kind == 'U') {
            memcpy(&c, from + 4 * i, 4);
            used += put_utf8(to + used, h->swap ? __builtin_bswap32(c) : c);
        } else {
            c = (unsigned char)from[i];
            to[used++] = from[i];
        }
        end = c ? used : end;
    }
    return end;
}

static mq_status make_strings(mq_array **out, const mq_npy *h, const char *elements, mq_error *err)
{
    mq_array *a = NULL;
    mq_block *block = NULL;
    mq_npy one = *h;
    char *flat = NULL, *text;
    mq_bytes *strings;
    size_t table, size;
    mq_status rc = MQ_OK;

    if (__builtin_mul_overflow(h->count, sizeof *strings, &table) || __builtin_add_overflow(table, h->bytes, &size) ||
        !(block = mq_block_create(size))) {
        rc = mq_oom(err);
        goto done;
    }
    if (h->fortran && h->rank > 1) {
        if (!(flat = malloc(h->bytes + 1))) {
            rc = mq_oom(err);
            goto done;
        }
        one.swap = false;
        copy_elements(flat, &one, elements, false);
        elements = flat;
    }
    strings = block->data;
    text = (char *)block->data + table;
    for (size_t i = 0; i < h->count; i++) {
        strings[i].data = text;
        strings[i].n = put_text(text, h, elements + i * h->item_size);
        text += h->item_size; /* never smaller than the text: a character of four bytes takes at most four */
    }
    MQ_TRY(mq_array_wrap(&a, MQ_STRING, h->rank, h->dims, block->data, block, err));
    *out = a;
done:
    mq_block_unref(block);
    free(flat);
    return rc;
}

mq_status mq_npy_array(mq_array **out, const mq_npy *h, const void *elements, mq_block *block, const char *place,
                       mq_error *err)
{
    const bool parts = h->kind == 'c';
    const size_t align = parts ? h->item_size / 2 : h->item_size;
    mq_array *a = NULL;
    mq_status rc;

    if (h->dtype == MQ_STRING) {
        rc = make_strings(out, h, elements, err);
    } else if (!h->swap && !(h->fortran && h->rank > 1) && (uintptr_t)elements % align == 0) {
        rc = mq_array_wrap(out, h->dtype, h->rank, h->dims, (void *)(uintptr_t)elements, block, err);
    } else {
        rc = mq_array_create(&a, h->dtype, h->rank, h->dims, err);
        if (rc == MQ_OK && !h->swap && !(h->fortran && h->rank > 1))
            memcpy(a->data, elements, h->bytes);
        else if (rc == MQ_OK)
            copy_elements(a->data, h, elements, parts);
        if (rc == MQ_OK)
            *out = a;
    }
    if (rc == MQ_ERR_INPUT || rc == MQ_ERR_UNSUPPORTED)
        mq_error_prefix(err, "%s", place);
    return rc;
}

mq_status mq_array_load_npy(mq_array **out, const char *path, mq_error *err)
{
    mq_buf *buf = NULL;
    mq_block *block = NULL;
    mq_npy h;
    mq_status rc;

    MQ_TRY(mq_buf_map(&buf, path, err));
    MQ_TRY(mq_npy_parse(&h, buf->data, buf->size, buf->size, path, err));
    MQ_TRY(mq_block_of_buf(&block, mq_buf_ref(buf), err));
    MQ_TRY(mq_npy_array(out, &h, buf->data + h.header, block, path, err));
done:
    mq_block_unref(block);
    mq_buf_unref(buf);
    return rc;
}

mq_status mq_table_npy(mq_table **out, const char *path, mq_error *err)
{
    mq_array *a = NULL;
    mq_status rc = mq_array_load_npy(&a, path, err);

    if (rc == MQ_OK)
        rc = mq_table_of_array(out, path, a, err);
    mq_array_unref(a);
    return rc;
}

/* ---- writing headers ---------------------------------------------------------------------------------------------- */

mq_dtype mq_npy_dtype(mq_dtype dtype)
{
    switch (dtype) {
    case MQ_INT4:
    case MQ_INT2: return MQ_INT8;
    case MQ_UINT4:
    case MQ_UINT2: return MQ_UINT8;
    case MQ_FLOAT16:
    case MQ_DOUBLE: return dtype;
    default: return mq_dtype_is_float(dtype) ? MQ_FLOAT : dtype;
    }
}

static char kind_of(mq_dtype dtype)
{
    return dtype == MQ_BOOL                                        ? 'b'
           : dtype == MQ_COMPLEX64 || dtype == MQ_COMPLEX128       ? 'c'
           : mq_dtype_is_float(dtype)                              ? 'f'
           : mq_dtype_is_signed(dtype)                             ? 'i'
                                                                   : 'u';
}

size_t mq_npy_header(char *out, mq_dtype dtype, size_t text_size, bool bytes, int rank, const int64_t *dims)
{
    const size_t item = (size_t)mq_dtype_bits(dtype) / 8;
    size_t n = 10, end;

    if (dtype == MQ_STRING)
        n += (size_t)sprintf(out + n, "{'descr': '%s%zu', 'fortran_order': False, 'shape': (", bytes ? "|S" : "<U",
                             text_size);
    else
        n += (size_t)sprintf(out + n, "{'descr': '%c%c%zu', 'fortran_order': False, 'shape': (", item > 1 ? '<' : '|',
                             kind_of(dtype), item);
    for (int i = 0; i < rank; i++)
        n += (size_t)sprintf(out + n, i ? ", %lld" : "%lld", (long long)dims[i]);
    n += (size_t)sprintf(out + n, rank == 1 ? ",), }" : "), }");
    end = (n + 1 + 63) / 64 * 64; /* the elements begin at a multiple of 64, as numpy has it */
    memset(out + n, ' ', end - n - 1);
    out[end - 1] = '\n';
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)((end - 10) & 255);
    out[9] = (char)((end - 10) >> 8);
    return end;
}
