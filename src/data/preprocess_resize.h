/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Pictures in another size. */
#ifndef MQ_DATA_PREPROCESS_RESIZE_H
#define MQ_DATA_PREPROCESS_RESIZE_H

#include "graph/graph.h"

typedef enum mq_interp { MQ_INTERP_BILINEAR, MQ_INTERP_NEAREST, MQ_INTERP_BICUBIC, MQ_INTERP_AREA } mq_interp;

/* Pixels in rows, channels together. */
typedef struct mq_pixels {
    int64_t height, width;
    int channels;
    bool is_float;
    void *data; /* uint8_t or float; heap */
} mq_pixels;

/* out->height, width and channels say the size; out->data is allocated. antialias: what PIL's resize gives (8-bit
 * pixels bit for bit); else what OpenCV's does (within 1 of 255). */
mq_status mq_pixels_resize(mq_pixels *out, const mq_pixels *in, mq_interp interp, bool antialias, mq_error *err);

#endif
