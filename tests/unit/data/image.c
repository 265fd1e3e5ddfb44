/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pictures: orientation, labels by file and folder, what is no picture. Decoding is compared with PIL in
 * tests/conformance/data_reads.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <zlib.h>

#include "data/image.h"
#include "data_make.h"

static unsigned char png[200];
static size_t png_size;

static void put_chunk(const char *type, const void *content, size_t n)
{
    unsigned char *p = png + png_size, *body = p + 4;
    uint32_t crc;

    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(n >> (24 - 8 * i));
    memcpy(body, type, 4);
    if (n)
        memcpy(body + 4, content, n);
    crc = (uint32_t)crc32(0, body, (unsigned)n + 4);
    for (int i = 0; i < 4; i++)
        body[4 + n + (size_t)i] = (unsigned char)(crc >> (24 - 8 * i));
    png_size += n + 12;
}

/* A picture of 2x1 pixels: red, and grey of that value. */
static void make_png(unsigned char value)
{
    const unsigned char head[13] = { 0, 0, 0, 2, 0, 0, 0, 1, 8, 2 }, pixels[7] = { 0, 255, 0, 0, value, value, value };
    unsigned char packed[64];
    uLongf n = sizeof packed;

    memcpy(png, "\x89PNG\r\n\x1a\n", 8);
    png_size = 8;
    assert_int_equal(compress(packed, &n, pixels, sizeof pixels), Z_OK);
    put_chunk("IHDR", head, sizeof head);
    put_chunk("IDAT", packed, n);
    put_chunk("IEND", NULL, 0);
}

static void orientation(void **state)
{
    unsigned char exif[] = "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0";
    const size_t n = sizeof exif - 1;

    (void)state;
    assert_int_equal(mq_exif_orientation(exif, n), 6);
    for (size_t cut = 0; cut < n - 3; cut++)
        assert_int_equal(mq_exif_orientation(exif, cut), 1);
    exif[10] = 0xff; /* an offset outside */
    exif[13] = 0xff;
    assert_int_equal(mq_exif_orientation(exif, n), 1);
}

static void what_is_no_picture(void **state)
{
    mq_array *a = NULL;

    (void)state;
    scratch_put_text("a.png", "no picture");
    assert_int_equal(mq_image_load(&a, "a.png", &err), MQ_ERR_INPUT);
    make_png(9);
    for (size_t cut = 0; cut < png_size; cut++) {
        scratch_put("a.png", png, cut);
        if (mq_image_load(&a, "a.png", &err) == MQ_OK) /* only what follows the pixels is missing */
            mq_array_unref(a);
    }
    scratch_put("a.png", "\xff\xd8\xff\xe0", 4);
    assert_int_equal(mq_image_load(&a, "a.png", &err), MQ_ERR_INPUT);
}

static void pictures_need_a_preprocess(void **state)
{
    (void)state;
    make_input(m->graph, "x", MQ_FLOAT, "N,3,H,W");
    make_node(m->graph, "Identity", "x", "y");
    make_output(m->graph, "y");
    mkdir("d", 0777);
    make_png(9);
    scratch_put("d/a.png", png, png_size);
    scratch_put_text("d/notes.md", "no picture");
    REFUSED(MQ_ERR_USAGE, "imagenet", "d");
    mkdir("e", 0777);
    REFUSED(MQ_ERR_INPUT, "there are no pictures", "e");
}

static void labels_of(const char *labels, const char *want)
{
    data.labels = &labels;
    data.n_labels = labels != NULL;
    DATA("d");
    array_is(next()->labels, want);
}

static void pictures_and_labels(void **state)
{
    static const char *const folders[] = { "folders" };

    (void)state;
    make_input(m->graph, "x", MQ_UINT8, "N,3,H,W");
    make_node(m->graph, "Identity", "x", "y");
    make_output(m->graph, "y");
    mkdir("d", 0777);
    mkdir("d/dog", 0777);
    mkdir("d/cat", 0777);
    make_png(9);
    scratch_put("d/dog/a.png", png, png_size);
    make_png(7);
    scratch_put("d/cat/b.PNG", png, png_size);
    data.batch = 2;
    data.preprocess = (const char *const[]){ "none" };
    data.n_preprocess = 1;
    labels_of("folders", "int64[2]: 0 1");
    mq_dataset_rewind(ds);
    array_is(next()->in[0], "uint8[2,3,1,2]: 255 7 0 7 0 7 255 9 0 9 0 9"); /* in the order of bytes */
    scratch_put_text("l.csv", "file,label\n\"a.png\",5\ncat/b.PNG,-6\r\n");
    labels_of("l.csv", "int64[2]: -6 5");
    scratch_put_text("d/labels.csv", "a.png,1\nb.PNG,2\n");
    labels_of(NULL, "int64[2]: 2 1");
    assert_true(noted("labels are from d/labels.csv"));
    data.labels = folders;
    data.n_labels = 1;
    scratch_put("d/c.png", png, png_size);
    REFUSED(MQ_ERR_INPUT, "lies in no folder", "d");
    data.n_labels = 0;
    DATA("d");
    assert_true(noted("labels are not used"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { ON_DATA(orientation), ON_DATA(what_is_no_picture),
                                        ON_DATA(pictures_need_a_preprocess),
                                        ON_DATA(pictures_and_labels) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
