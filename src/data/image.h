/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pictures: JPEG and PNG files as pixels. */
#ifndef MQ_DATA_IMAGE_H
#define MQ_DATA_IMAGE_H

#include "graph/array.h"

/* Most pixels of one picture: a small file can declare any size. */
#define MQ_MAX_PIXELS ((uint64_t)1 << 28)

/* uint8 [height, width, 3] in the order red, green, blue, turned as the EXIF orientation says. The file's content
 * decides its form. Grey becomes three equal channels, palettes colours, 16 bits the upper 8; transparency is
 * dropped. MQ_ERR_INPUT with the path for what is no picture, damaged or cut off. */
mq_status mq_image_load(mq_array **out, const char *path, mq_error *err);

/* The orientation (1 to 8) in an EXIF block ("Exif\0\0" and a TIFF header); 1 when it is not there or damaged. */
int mq_exif_orientation(const unsigned char *exif, size_t n);

#endif
