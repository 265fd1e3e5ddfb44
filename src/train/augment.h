/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What is done to images of a batch before they are learned from. Random numbers: base/random.h, from the seed of the
 * training, the epoch and the sample, so that neither batches nor threads matter. */
#ifndef MQ_TRAIN_AUGMENT_H
#define MQ_TRAIN_AUGMENT_H

#include "graph/array.h"

typedef struct mq_augment {
    bool flip; /* left and right exchanged in every second image or so */
    int crop;  /* each image is cut out of itself with so many pixels of zeros around, at a random place; 0: not */
} mq_augment;

/* "flip,crop=4". MQ_ERR_USAGE for anything else, with what there is. */
mq_status mq_augment_parse(mq_augment *out, const char *text, mq_error *err);

/* Does it do anything? */
bool mq_augment_any(const mq_augment *a);

/* Images of axis 0, in place: [n,C,H,W], or [n,H,W,C] when the last axis has 1, 3 or 4 elements and axis 1 has not; any type
 * of whole bytes. samples: their numbers. MQ_ERR_USAGE when x is no batch of images, or the crop is not smaller than they
 * are. */
mq_status mq_augment_batch(const mq_augment *a, mq_array *x, const uint64_t *samples, uint64_t seed, uint64_t epoch,
                           int n_threads, mq_error *err);

#endif
