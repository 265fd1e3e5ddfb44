/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Calibration: the float model runs over the data, and what its tensors hold is counted. */
#ifndef MQ_API_CALIBRATE_H
#define MQ_API_CALIBRATE_H

#include "mq/run.h"
#include "quant/calibration.h"
#include "quant/place.h"

typedef struct mq_calibrate_summary {
    uint64_t samples, runs;
    double seconds;
    bool generated; /* no data: every input was drawn */
} mq_calibrate_summary;

/* Runs m (float) over the source and adds an observer for each point of p to c. Nothing is kept per sample. What lies behind
 * an operator without a kernel is not seen: warned about ("calibration-partial"). NaN and infinity in data are MQ_ERR_INPUT
 * unless the source allows them. Errors: MQ_ERR_INPUT for data that do not fit or hold no sample, MQ_ERR_UNSUPPORTED. */
mq_status mq_calibrate(mq_calibration *c, mq_model *m, const mq_placement *p, const mq_data_source *source,
                       const mq_hooks *hooks, mq_calibrate_summary *summary, mq_error *err);

#endif
