/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Calibration: the float model runs over the data, and what its tensors hold is counted. */
#ifndef MQ_API_CALIBRATE_H
#define MQ_API_CALIBRATE_H

#include "mq/run.h"
#include "quant/calibration.h"
#include "quant/channels.h"
#include "quant/place.h"

/* What it is made on. */
typedef struct mq_calibrate_on {
    const mq_data_source *source;
    int shard, n_shards; /* the part of it, from 1; 1 of 1: all */
} mq_calibrate_on;

/* Runs m (float) over the data and adds an observer for each point of p to c. Nothing is kept per sample. What lies behind
 * an operator without a kernel is not seen: warned about ("calibration-partial"). NaN and infinity in data are MQ_ERR_INPUT
 * unless the source allows them. A part may hold no sample. c->data is "generated:"
 * when every input was drawn, else "". Errors: MQ_ERR_INPUT for data that do not fit or hold no
 * sample, MQ_ERR_UNSUPPORTED. */
mq_status mq_calibrate(mq_calibration *c, mq_model *m, const mq_placement *p, const mq_calibrate_on *on,
                       const mq_hooks *hooks, mq_error *err);

/* Runs m over a few samples of the source (of all of it: parts see the same ones), enough to know how channels differ, and
 * adds what they hold to t. Errors as above. */
mq_status mq_calibrate_channels(mq_channel_table *t, mq_model *m, const mq_data_source *source, const mq_hooks *hooks,
                                mq_error *err);

#endif
