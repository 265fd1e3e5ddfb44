/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* --preprocess: from decoded pictures, or arrays of pixels, to what an input wants. Always in this order: channel
 * order, resize or letterbox, crop, y = (x * scale - mean) / std per channel, layout. */
#ifndef MQ_DATA_PREPROCESS_H
#define MQ_DATA_PREPROCESS_H

#include "graph/array.h"

#define MQ_PRESETS "imagenet, yolo, caffe, tf, clip, none"

typedef struct mq_pipeline mq_pipeline;

/* A spec ("imagenet,std=1/1/1") or a .json file. MQ_ERR_USAGE names the key. */
mq_status mq_pipeline_parse(mq_pipeline **out, const char *text, const mq_hooks *hooks, mq_error *err);
void mq_pipeline_free(mq_pipeline *p); /* NULL is fine */

/* The input that it is for; "": not said. */
const char *mq_pipeline_input(const mq_pipeline *p);

/* Takes layout, channels and sizes that were left out from the input's declared shape, and checks the others against it.
 * MQ_ERR_USAGE for what is missing or does not fit. p must outlive nothing: the input's name is copied. */
mq_status mq_pipeline_bind(mq_pipeline *p, const mq_value *input, mq_error *err);

/* A row's shape after preprocessing; -1: as the picture has it. */
void mq_pipeline_dims(const mq_pipeline *p, int64_t dims[3]);

/* One picture (uint8 [height, width, 3]) or one row of an array of pixels, in the order that `from=` or its shape
 * says. Rows of another rank than 3 (or 2: without channels) only take part in the arithmetic. The result is of the
 * input's type. MQ_ERR_INPUT. */
mq_status mq_pipeline_run(const mq_pipeline *p, const mq_array *row, bool image, mq_array **out, mq_error *err);

#endif
