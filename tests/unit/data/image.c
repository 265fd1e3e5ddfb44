/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pictures: orientation, labels by file and folder, what is no picture. Decoding is compared with PIL in
 * tests/conformance/data_reads.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/image.h"
#include "data_make.h"

/* A PNG of 2x1 pixels, red and blue. */
static const unsigned char png[] = {
    0x89, 'P', 'N', 'G', 13, 10, 26, 10, 0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 0, 2, 0, 0, 0, 1, 8, 2, 0, 0, 0, 0x7b,
    0x40, 0xe8, 0xdd,
    0, 0, 0, 15, 'I', 'D', 'A', 'T', 0x78, 0xda, 0x63, 0xf8, 0xcf, 0xc0, 0xc0, 0xf0, 0x1f, 0, 0x06, 0x02, 0x01, 0xff,
    0, 0, 0, 0,
    0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82,
};

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
    for (size_t cut = 0; cut < sizeof png; cut++) {
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
    scratch_put("d/a.png", png, sizeof png);
    scratch_put_text("d/notes.md", "no picture");
    REFUSED(MQ_ERR_USAGE, "imagenet", "d");
    mkdir("e", 0777);
    REFUSED(MQ_ERR_INPUT, "there are no pictures", "e");
}

int main(void)
{
    const struct CMUnitTest tests[] = { ON_DATA(orientation), ON_DATA(what_is_no_picture),
                                        ON_DATA(pictures_need_a_preprocess) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
