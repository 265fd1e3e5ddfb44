/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* What models that go into one have in common: constants, and names of sizes. For merge.c. */
#ifndef MQ_CONVERT_MERGE_PARTS_H
#define MQ_CONVERT_MERGE_PARTS_H

#include "base/vec.h"
#include "convert/merge.h"

typedef struct mq_merge_shared {
    MQ_VEC(mq_value *) values; /* constants that an earlier part has, too, under the same name: those of the later ones */
} mq_merge_shared;

/* Takes from each part what an earlier one has under the same name in the result and with the same contents: initializers of
 * the main graph, and nodes that compute the same from such. Their values stay, without anything that makes them. */
mq_status mq_merge_share_constants(const mq_merge_part *parts, size_t n, mq_merge_shared *shared, mq_error *err);
/* Sizes of several models that go by one name are not the same size, unless a link says so: in the later part it gets the
 * part's prefix, or a number. */
mq_status mq_merge_separate_dims(const mq_merge_part *parts, size_t n, const mq_merge_links *links, mq_error *err);

#endif
