/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What a --preprocess says, before and after an input is known. */
#ifndef MQ_DATA_PREPROCESS_SPEC_H
#define MQ_DATA_PREPROCESS_SPEC_H

#include "data/preprocess.h"
#include "data/preprocess_resize.h"

typedef enum mq_channel_order { MQ_ORDER_RGB, MQ_ORDER_BGR, MQ_ORDER_GRAY } mq_channel_order;
typedef enum mq_layout { MQ_LAYOUT_AUTO, MQ_LAYOUT_NCHW, MQ_LAYOUT_NHWC } mq_layout;
typedef enum mq_fit { MQ_FIT_NONE, MQ_FIT_SHORT, MQ_FIT_EXACT, MQ_FIT_LETTERBOX } mq_fit;

#define MQ_MAX_CHANNELS 16

struct mq_pipeline {
    char *text, *input;
    mq_channel_order order;
    mq_fit fit;
    int64_t fit_height, fit_width; /* 0: the model's; MQ_FIT_SHORT: both the short side */
    int fill;                      /* of a letterbox */
    bool top_left;
    bool crop;
    int64_t crop_height, crop_width; /* 0: the model's */
    double multiply, divide;       /* x * multiply / divide */
    float mean[MQ_MAX_CHANNELS], std[MQ_MAX_CHANNELS];
    int n_mean, n_std; /* 1: the same for all channels */
    mq_layout layout, from;
    mq_interp interp;
    bool antialias;
    /* of the input, by mq_pipeline_bind */
    int64_t channels, height, width; /* -1: not declared */
    mq_dtype dtype;
};

#endif
