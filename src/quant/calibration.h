/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The result of a calibration: an observer per tensor, and what it was made with. As a file (--calibration-cache) it is JSON
 * that people can read and edit:
 *
 *     { "format": "mq-calibration", "version": 1, "mq": "1.0",
 *       "model": "<sha256>", "prepared": "fold-batchnorm", "preprocess": "imagenet", "data": "<sha256>",
 *       "sampling": "100 of 5000 samples, batch 1", "samples": 25, "shard": "1/4",
 *       "channels": [{ "tensor": "conv1_out", "axis": 1, "count": 12544, "low": [...], "high": [...], "sum": [...],
 *                      "square": [...] }, ...],
 *       "tensors": { "conv1_out": { "min": -1.5, "max": 6.2, "count": 802816, "zeros": 4000,
 *                                   "exponent": -9, "first": -768, "bins": [1, 0, 7, ...],
 *                                   "runs": [[-1.5, 6.1], [-1.4, 6.2], ...] }, ... } }
 *
 * "range": [lo, hi], put in by hand, wins over what the numbers say; it may stand alone. Runs of equal bins are written as
 * [count, times] pairs: "bins": [1, [0, 500], 7]. "nan" and "inf" count what was left out. "runs" are the extremes of the
 * last runs (the window of observer.h). "channels" are what smoothing and bias correction look at, of the model before it
 * was smoothed and of a few samples of all data, whatever the shard; without them there was none of that. Floats are written
 * so that they read back as the same bits. */
#ifndef MQ_QUANT_CALIBRATION_H
#define MQ_QUANT_CALIBRATION_H

#include "base/map.h"
#include "quant/channels.h"
#include "quant/observer.h"

typedef struct mq_calibrated {
    char *name; /* heap */
    mq_observer observer;
    bool has_range; /* edited by hand: */
    float lo, hi;
} mq_calibrated;

typedef struct mq_calibration {
    char *model;      /* SHA-256 in hex of model and external data; heap, NULL: not said */
    char *prepared;   /* what the model went through before it ran; the numbers are of that */
    char *preprocess; /* as the user wrote it, "" for none */
    char *data;       /* as mq_dataset_digest has it; several joined by '+' */
    char *sampling;   /* which samples of it, in which runs: a text for people */
    uint64_t samples;
    int shard, n_shards; /* 1/1: all */
    int last_shard;      /* of parts that were merged, "1-3/4"; 0: the same as shard */
    MQ_VEC(mq_calibrated *) tensors; /* in the order of the graph */
    mq_map by_name;
    bool has_channels;
    mq_channel_table channels; /* without values */
} mq_calibration;

void mq_calibration_release(mq_calibration *c);
/* NULL: none of that name. */
mq_calibrated *mq_calibration_find(const mq_calibration *c, const char *name);
/* Adds an empty one. */
mq_status mq_calibration_add(mq_calibration *c, const char *name, mq_calibrated **out, mq_error *err);

/* Reads one file into c, which is {0}. MQ_ERR_INPUT naming the place for what is no such file. Told through hooks.file. */
mq_status mq_calibration_load(mq_calibration *c, const char *path, const mq_hooks *hooks, mq_error *err);
/* Written beside and renamed, one tensor at a time. Same calibration, same bytes. MQ_ERR_SYSTEM. */
mq_status mq_calibration_save(const mq_calibration *c, const char *path, bool sync, mq_error *err);

/* Adds what `more` saw to c (which may be {0}): the next shard of the same data, or other data. MQ_ERR_INPUT saying what
 * differs (model, preprocessing, data, tensors), for shards that overlap, that are missing between the two, and parts given
 * twice. Ranges edited by hand must agree where both have one. Shards are joined in the order of their numbers: the caller
 * sorts by `shard`. After a failure c is good for nothing but to be released. */
mq_status mq_calibration_merge(mq_calibration *c, const mq_calibration *more, mq_error *err);
/* MQ_ERR_INPUT naming the shards that are missing. */
mq_status mq_calibration_check_whole(const mq_calibration *c, mq_error *err);

#endif
