/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Flips and crops, image by image. */
#include "train/augment.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/random.h"
#include "base/threads.h"

enum { MOST_PIXELS = 4096 }; /* of a border */

/* ---- options ------------------------------------------------------------------------------------------------------- */

static mq_status parse_crop(mq_augment *out, const char *text, const char *end, mq_error *err)
{
    char *stop;
    const long v = *text >= '0' && *text <= '9' ? strtol(text, &stop, 10) : 0;

    if (v < 1 || v > MOST_PIXELS || stop != end)
        return mq_fail(err, MQ_ERR_USAGE, "'crop=%.*s' has to be crop=N, with N from 1 to %d", (int)(end - text), text,
                       MOST_PIXELS);
    out->crop = (int)v;
    return MQ_OK;
}

mq_status mq_augment_parse(mq_augment *out, const char *text, mq_error *err)
{
    mq_augment a = { 0 };
    mq_status rc = MQ_OK;

    for (const char *p = text, *end; rc == MQ_OK; p = end + 1) {
        end = p + strcspn(p, ",");
        if (end - p == 4 && memcmp(p, "flip", 4) == 0)
            a.flip = true;
        else if (end - p > 5 && memcmp(p, "crop=", 5) == 0)
            rc = parse_crop(&a, p + 5, end, err);
        else
            rc = mq_fail(err, MQ_ERR_USAGE, "'%.*s' is no augmentation: there are flip and crop=N", (int)(end - p), p);
        if (!*end)
            break;
    }
    if (rc == MQ_OK)
        *out = a;
    return rc;
}

bool mq_augment_any(const mq_augment *a)
{
    return a->flip || a->crop;
}

/* ---- images -------------------------------------------------------------------------------------------------------- */

/* An image is `planes` times height rows of width pixels of `size` bytes. */
typedef struct shape {
    int64_t planes, height, width;
    size_t size;
} shape;

static mq_status shape_of(const mq_array *x, shape *s, mq_error *err)
{
    const size_t element = mq_array_elem_size(x);
    const int64_t *d = x->dims;
    const bool last = x->rank == 4 && (d[3] == 1 || d[3] == 3 || d[3] == 4) && d[1] != 1 && d[1] != 3 && d[1] != 4;
    char text[128];

    if (x->kind != MQ_TYPE_TENSOR || x->rank != 4 || !element || x->dtype == MQ_STRING) {
        mq_array_text(x, text, sizeof text);
        return mq_fail(err, MQ_ERR_USAGE, "only images [n,C,H,W] or [n,H,W,C] can be augmented, not %s", text);
    }
    *s = last ? (shape){ 1, d[1], d[2], element * (size_t)d[3] } : (shape){ d[1], d[2], d[3], element };
    return MQ_OK;
}

/* Row y of `to` is row y + dy of `from`, moved by dx; what lies outside is 0. */
static void move_row(const shape *s, char *to, const char *from, int64_t y, int64_t dy, int64_t dx)
{
    const int64_t at = y + dy, left = dx < 0 ? -dx : 0, right = dx > 0 ? s->width - dx : s->width;
    const size_t line = (size_t)s->width * s->size;
    char *row = to + (size_t)y * line;

    if (at < 0 || at >= s->height) {
        memset(row, 0, line);
        return;
    }
    memset(row, 0, (size_t)left * s->size);
    memcpy(row + (size_t)left * s->size, from + (size_t)at * line + (size_t)(left + dx) * s->size,
           (size_t)(right - left) * s->size);
    memset(row + (size_t)right * s->size, 0, (size_t)(s->width - right) * s->size);
}

static void flip_row(const shape *s, char *row)
{
    char *a = row, *b = row + (size_t)(s->width - 1) * s->size;

    for (; a < b; a += s->size, b -= s->size) {
        for (size_t i = 0; i < s->size; i++) {
            const char c = a[i];

            a[i] = b[i];
            b[i] = c;
        }
    }
}

/* spare: as large as a plane. */
static void change_image(const mq_augment *a, const shape *s, char *image, uint64_t random, char *spare)
{
    const size_t plane = (size_t)s->height * (size_t)s->width * s->size;
    const bool flip = mq_random_next(&random) >> 63 && a->flip;
    int64_t dy = 0, dx = 0;

    if (a->crop) {
        dy = (int64_t)mq_random_below(&random, 2 * (uint64_t)a->crop + 1) - a->crop;
        dx = (int64_t)mq_random_below(&random, 2 * (uint64_t)a->crop + 1) - a->crop;
    }
    for (int64_t p = 0; p < s->planes; p++, image += plane) {
        if (dy || dx) {
            memcpy(spare, image, plane);
            for (int64_t y = 0; y < s->height; y++)
                move_row(s, image, spare, y, dy, dx);
        }
        for (int64_t y = 0; flip && y < s->height; y++)
            flip_row(s, image + (size_t)y * (size_t)s->width * s->size);
    }
}

mq_status mq_augment_batch(const mq_augment *a, mq_array *x, const uint64_t *samples, uint64_t seed, uint64_t epoch,
                           int n_threads, mq_error *err)
{
    const int threads = mq_threads(n_threads);
    const uint64_t stream = mq_random_at(seed, epoch) ^ UINT64_C(0x61756d656e74); /* not the shuffle's */
    size_t plane, image;
    char *spares;
    shape s = { 0 };
    mq_status rc;

    if (!mq_augment_any(a))
        return MQ_OK;
    if ((rc = shape_of(x, &s, err)) != MQ_OK)
        return rc;
    if (a->crop >= s.height || a->crop >= s.width)
        return mq_fail(err, MQ_ERR_USAGE, "images of %lld x %lld pixels cannot be moved by up to %d", (long long)s.height,
                       (long long)s.width, a->crop);
    plane = (size_t)s.height * (size_t)s.width * s.size; /* part of an array that exists: does not overflow */
    image = plane * (size_t)s.planes;
    if (!(spares = malloc(plane * (size_t)threads + 1)))
        return mq_oom(err);
#pragma omp parallel for num_threads(threads) schedule(static, 1) if (threads > 1)
    for (int t = 0; t < threads; t++)
        for (int64_t i = t; i < x->dims[0]; i += threads)
            change_image(a, &s, (char *)x->data + (size_t)i * image, mq_random_at(stream, samples[i]),
                         spares + (size_t)t * plane);
    free(spares);
    return MQ_OK;
}
