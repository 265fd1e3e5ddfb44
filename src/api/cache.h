/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Where a calibration comes from: files that fit (--calibration-cache), or the data, and then the file is written. */
#ifndef MQ_API_CACHE_H
#define MQ_API_CACHE_H

#include "base/hash.h"
#include "mq/quantize.h"
#include "quant/calibration.h"
#include "quant/place.h"

typedef struct mq_cache_ask {
    mq_model *model; /* that is run: prepared already */
    const mq_placement *placement;
    const mq_quantize_opts *opts; /* the data, the caches, the shard; save.force: what does not fit is made anew */
    const char *hash;     /* of the model as it was read; not looked at without caches */
    const char *prepared; /* what was done to it since, as a text; statistics of another preparation do not fit */
} mq_cache_ask;

/* A hash of the model's file, as unpacked, and of its external data. Reads all of it. */
mq_status mq_cache_hash_model(const mq_model *m, char hex[MQ_SHA256_HEX], mq_error *err);

/* Fills c, which is {0}: an observer or a range for every point. One cache that does not exist is written as soon as the
 * data have been seen (not with dry_run), and so is one that does not fit, with save.force ("calibration-anew"). Several
 * are joined, shards in the order of their numbers. Errors: as mq_calibrate; MQ_ERR_INPUT for files that do not fit, with
 * what differs, and for shards that are missing; MQ_ERR_USAGE for a cache that is not there, without data. */
mq_status mq_cache_obtain(mq_calibration *c, const mq_cache_ask *ask, const mq_hooks *hooks, mq_error *err);

/* Was it made on generated data, or on some of them? */
bool mq_cache_is_generated(const mq_calibration *c);

#endif
