/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Decoding by libjpeg and libpng, from a mapped file. Both leave by longjmp on errors, so everything that must be
 * freed is in a struct of the caller's. */
#include "data/image.h"

#include <png.h>
#include <setjmp.h>
#include <stdio.h> /* before jpeglib.h, which needs FILE */
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "base/buf.h"

#define EXIF_MARKER (JPEG_APP0 + 1)

/* ---- EXIF ----------------------------------------------------------------------------------------------------------- */

struct tiff {
    const unsigned char *p;
    size_t n;
    bool big;
};

static uint32_t number(const struct tiff *t, size_t at, int size)
{
    uint32_t v = 0;

    for (int i = 0; i < size; i++)
        v |= (uint32_t)t->p[at + (size_t)i] << 8 * (t->big ? size - 1 - i : i);
    return v;
}

int mq_exif_orientation(const unsigned char *exif, size_t n)
{
    struct tiff t;
    size_t at, count;

    if (n < 14 || memcmp(exif, "Exif\0\0", 6) != 0)
        return 1;
    t = (struct tiff){ exif + 6, n - 6, exif[6] == 'M' };
    at = number(&t, 4, 4);
    if (at > t.n - 2)
        return 1;
    count = number(&t, at, 2);
    for (at += 2; count-- > 0 && at + 12 <= t.n; at += 12)
        if (number(&t, at, 2) == 0x112) {
            const uint32_t v = number(&t, at + 8, 2);

            return v >= 1 && v <= 8 ? (int)v : 1;
        }
    return 1;
}

/* Where pixel (y, x) of the turned picture comes from, for orientations of the EXIF standard. */
static mq_status turn(mq_array **image, int orientation, mq_error *err)
{
    const mq_array *a = *image;
    const int64_t h = a->dims[0], w = a->dims[1];
    const bool swap = orientation >= 5;
    const int64_t dims[3] = { swap ? w : h, swap ? h : w, 3 };
    const uint8_t *in = a->data;
    mq_array *b = NULL;
    uint8_t *out;
    mq_status rc = orientation > 1 ? mq_array_create(&b, MQ_UINT8, 3, dims, err) : MQ_OK;

    if (orientation <= 1 || rc != MQ_OK)
        return rc;
    out = b->data;
    for (int64_t y = 0; y < dims[0]; y++)
        for (int64_t x = 0; x < dims[1]; x++, out += 3) {
            int64_t sy = swap ? x : y, sx = swap ? y : x;

            if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
                sx = w - 1 - sx;
            if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
                sy = h - 1 - sy;
            memcpy(out, in + (sy * w + sx) * 3, 3);
        }
    mq_array_unref(*image);
    *image = b;
    return MQ_OK;
}

static mq_status make_image(mq_array **out, uint64_t height, uint64_t width, mq_error *err)
{
    const int64_t dims[3] = { (int64_t)height, (int64_t)width, 3 };

    if (!height || !width || height > MQ_MAX_PIXELS || width > MQ_MAX_PIXELS || height * width > MQ_MAX_PIXELS)
        return mq_fail(err, MQ_ERR_INPUT, "a picture of %llux%llu pixels; at most %llu million are read",
                       (unsigned long long)width,
                       (unsigned long long)height, (unsigned long long)(MQ_MAX_PIXELS >> 20));
    return mq_array_create(out, MQ_UINT8, 3, dims, err);
}

/* ---- JPEG ----------------------------------------------------------------------------------------------------------- */

struct jpeg {
    struct jpeg_error_mgr manager; /* first: libjpeg hands it back */
    jmp_buf back;
    struct jpeg_decompress_struct d;
    char why[JMSG_LENGTH_MAX];
    bool cut_off;
    int orientation;
    mq_array *image;
    unsigned char *row; /* of four channels */
    mq_status rc;
};

static void jpeg_failed(j_common_ptr d)
{
    struct jpeg *j = (struct jpeg *)d->err;

    d->err->format_message(d, j->why);
    longjmp(j->back, 1);
}

/* Warnings are of no concern, but for one: the file ends too early, and the rest would be grey. */
static void jpeg_said(j_common_ptr d, int level)
{
    struct jpeg *j = (struct jpeg *)d->err;
    char text[JMSG_LENGTH_MAX];

    if (level >= 0)
        return;
    d->err->format_message(d, text);
    j->cut_off |= strstr(text, "Premature end") != NULL;
}

static void jpeg_silent(j_common_ptr d)
{
    (void)d;
}

static void find_orientation(struct jpeg *j)
{
    j->orientation = 1;
    for (jpeg_saved_marker_ptr m = j->d.marker_list; m; m = m->next)
        if (m->marker == EXIF_MARKER && j->orientation == 1)
            j->orientation = mq_exif_orientation(m->data, m->data_length);
}

/* Four inks to three colours; Adobe's files hold them inverted, which is what makes this simple. */
static void from_cmyk(uint8_t *out, const unsigned char *row, size_t width, bool inverted)
{
    for (size_t x = 0; x < width; x++)
        for (int c = 0; c < 3; c++) {
            const unsigned ink = inverted ? row[4 * x + (size_t)c] : 255u - row[4 * x + (size_t)c];
            const unsigned black = inverted ? row[4 * x + 3] : 255u - row[4 * x + 3];

            out[3 * x + (size_t)c] = (uint8_t)((ink * black + 127) / 255);
        }
}

static void read_jpeg(struct jpeg *j, const mq_buf *b, mq_error *err)
{
    jpeg_create_decompress(&j->d);
    jpeg_mem_src(&j->d, b->data, b->size);
    jpeg_save_markers(&j->d, EXIF_MARKER, 0xffff);
    jpeg_read_header(&j->d, TRUE);
    find_orientation(j);
    if ((j->rc = make_image(&j->image, j->d.image_height, j->d.image_width, err)) != MQ_OK)
        return;
    j->d.out_color_space = j->d.jpeg_color_space == JCS_CMYK || j->d.jpeg_color_space == JCS_YCCK ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&j->d);
    if (j->d.output_components == 4 && !(j->row = malloc((size_t)j->d.output_width * 4))) {
        j->rc = mq_oom(err);
        return;
    }
    while (j->d.output_scanline < j->d.output_height) {
        uint8_t *line = (uint8_t *)j->image->data + (size_t)j->d.output_scanline * j->d.output_width * 3;
        JSAMPROW row = j->row ? j->row : line;

        jpeg_read_scanlines(&j->d, &row, 1);
        if (j->row)
            from_cmyk(line, j->row, j->d.output_width, j->d.saw_Adobe_marker);
    }
    jpeg_finish_decompress(&j->d);
}

static mq_status load_jpeg(mq_array **out, const mq_buf *b, mq_error *err)
{
    struct jpeg *j = calloc(1, sizeof *j);
    mq_status rc;

    if (!j)
        return mq_oom(err);
    j->d.err = jpeg_std_error(&j->manager);
    j->manager.error_exit = jpeg_failed;
    j->manager.emit_message = jpeg_said;
    j->manager.output_message = jpeg_silent;
    if (setjmp(j->back) == 0)
        read_jpeg(j, b, err);
    else
        j->rc = mq_fail(err, MQ_ERR_INPUT, "no whole JPEG picture: %s", j->why);
    jpeg_destroy_decompress(&j->d);
    rc = j->rc;
    if (rc == MQ_OK && j->cut_off)
        rc = mq_fail(err, MQ_ERR_INPUT, "the JPEG file is cut off");
    if (rc == MQ_OK)
        rc = turn(&j->image, j->orientation, err);
    if (rc == MQ_OK)
        *out = j->image;
    else
        mq_array_unref(j->image);
    free(j->row);
    free(j);
    return rc;
}

/* ---- PNG ------------------------------------------------------------------------------------------------------------ */

struct png {
    jmp_buf back;
    png_structp d;
    png_infop info;
    const mq_buf *buf;
    size_t at;
    char why[200];
    mq_array *image;
    png_bytep *rows;
    int orientation;
    mq_status rc;
};

static void png_failed(png_structp d, png_const_charp text)
{
    struct png *p = png_get_error_ptr(d);

    snprintf(p->why, sizeof p->why, "%s", text);
    longjmp(p->back, 1);
}

static void png_silent(png_structp d, png_const_charp text)
{
    (void)d;
    (void)text;
}

static void png_take(png_structp d, png_bytep out, size_t n)
{
    struct png *p = png_get_io_ptr(d);

    if (n > p->buf->size - p->at)
        png_error(d, "the file is cut off");
    memcpy(out, p->buf->data + p->at, n);
    p->at += n;
}

static int png_orientation(struct png *p)
{
    png_bytep exif = NULL;
    png_uint_32 n = 0;
    unsigned char block[4096] = "Exif\0";

    if (!png_get_eXIf_1(p->d, p->info, &n, &exif) || n > sizeof block - 6)
        return 1;
    memcpy(block + 6, exif, n); /* PNG leaves the mark out */
    return mq_exif_orientation(block, n + 6);
}

static void read_png(struct png *p, mq_error *err)
{
    png_uint_32 width, height;
    int depth, colour;

    p->info = png_create_info_struct(p->d);
    if (!p->info) {
        p->rc = mq_oom(err);
        return;
    }
    png_set_user_limits(p->d, 0x7fffffff, 0x7fffffff);
    png_set_read_fn(p->d, p, png_take);
    png_read_info(p->d, p->info);
    png_get_IHDR(p->d, p->info, &width, &height, &depth, &colour, NULL, NULL, NULL);
    if ((p->rc = make_image(&p->image, height, width, err)) != MQ_OK)
        return;
    png_set_expand(p->d);
    png_set_strip_16(p->d);
    png_set_strip_alpha(p->d);
    png_set_gray_to_rgb(p->d);
    png_set_interlace_handling(p->d);
    png_read_update_info(p->d, p->info);
    if (png_get_rowbytes(p->d, p->info) != (size_t)width * 3)
        png_error(p->d, "a form of pixels that is not known");
    if (!(p->rows = calloc(height, sizeof *p->rows))) {
        p->rc = mq_oom(err);
        return;
    }
    for (size_t y = 0; y < height; y++)
        p->rows[y] = (png_bytep)p->image->data + y * width * 3;
    png_read_image(p->d, p->rows);
    png_read_end(p->d, p->info); /* EXIF may follow the pixels */
    p->orientation = png_orientation(p);
}

static mq_status load_png(mq_array **out, const mq_buf *b, mq_error *err)
{
    struct png *p = calloc(1, sizeof *p);
    mq_status rc;

    if (!p || !(p->d = png_create_read_struct(PNG_LIBPNG_VER_STRING, p, png_failed, png_silent))) {
        free(p);
        return mq_oom(err);
    }
    p->buf = b;
    if (setjmp(p->back) == 0)
        read_png(p, err);
    else
        p->rc = mq_fail(err, MQ_ERR_INPUT, "no whole PNG picture: %s", p->why);
    png_destroy_read_struct(&p->d, &p->info, NULL);
    rc = p->rc;
    if (rc == MQ_OK)
        rc = turn(&p->image, p->orientation, err);
    if (rc == MQ_OK)
        *out = p->image;
    else
        mq_array_unref(p->image);
    free(p->rows);
    free(p);
    return rc;
}

mq_status mq_image_load(mq_array **out, const char *path, mq_error *err)
{
    static const unsigned char png_mark[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };
    mq_buf *b = NULL;
    mq_status rc = mq_buf_map(&b, path, err);

    if (rc != MQ_OK)
        return rc;
    if (b->size >= 3 && b->data[0] == 0xff && b->data[1] == 0xd8 && b->data[2] == 0xff)
        rc = load_jpeg(out, b, err);
    else if (b->size >= 8 && memcmp(b->data, png_mark, 8) == 0)
        rc = load_png(out, b, err);
    else
        rc = mq_fail(err, MQ_ERR_INPUT, "neither a JPEG nor a PNG picture");
    if (rc == MQ_ERR_INPUT)
        mq_error_prefix(err, "%s", path);
    mq_buf_unref(b);
    return rc;
}
