/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Where a calibration comes from: files that fit (--calibration-cache), or the data, and then the file is written. */
#ifndef MQ_API_CACHE_H
#define MQ_API_CACHE_H

#include "base/hash.h"
#include "mq/quantize.h"
#include "quant/calibration.h"
#include "quant/place.h"

typedef struct mq_cache mq_cache;

typedef struct mq_cache_ask {
    mq_model *model;  /* prepared, but for what channels say */
    const mq_quantize_opts *opts; /* the data, the caches, the shard; save.force: what does not fit is made anew */
    const char *hash; /* of the model as it was read; not looked at without caches */
    const char *prepared; /* what was done to it since, as mq_static_preparation has it */
} mq_cache_ask;

/* A hash of the model's file, as unpacked, and of its external data. Reads all of it. */
mq_status mq_cache_hash_model(const mq_model *m, char hex[MQ_SHA256_HEX], mq_error *err);

/* Reads the files that exist; several are joined, shards in the order of their numbers. ask is borrowed until the cache is
 * closed. Errors: MQ_ERR_INPUT for files that do not fit, with what differs (with save.force the one file is to be made
 * anew: "calibration-anew"), and for shards that are missing; MQ_ERR_USAGE for a cache that is not there, without data. */
mq_status mq_cache_open(mq_cache **out, const mq_cache_ask *ask, const mq_hooks *hooks, mq_error *err);
void mq_cache_close(mq_cache *cache);

/* Have files been read that fit so far? */
bool mq_cache_is_read(const mq_cache *cache);
/* What they say of channels; NULL: nothing, or nothing was read. */
const mq_channel_table *mq_cache_channels(const mq_cache *cache);

/* What the calibration is of, once channels were looked at. */
typedef struct mq_cache_use {
    mq_model *model; /* that is run */
    const mq_placement *placement;
    const char *prepared; /* ask.prepared, and what else was done: statistics of another preparation do not fit */
    const mq_channel_table *channels; /* that decided it, to be written beside; NULL: none */
} mq_cache_use;

/* Fills c, which is {0}: an observer or a range for every point. One cache that does not exist is written as soon as the
 * data have been seen (not with dry_run), and so is one that does not fit, with save.force ("calibration-anew"). Errors: as
 * mq_calibrate, and above. */
mq_status mq_cache_obtain(mq_cache *cache, mq_calibration *c, const mq_cache_use *use, const mq_hooks *hooks, mq_error *err);

/* Was it made on generated data, or on some of them? */
bool mq_cache_is_generated(const mq_calibration *c);

#endif
