/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Several models into one: outputs of some feed inputs of others, or all see the same inputs and outputs are averaged. */
#ifndef MQ_CONVERT_MERGE_H
#define MQ_CONVERT_MERGE_H

#include "graph/graph.h"

/* One model that goes in. Types must have been inferred, and opsets be the same; merging changes the model. */
typedef struct mq_merge_part {
    mq_model *model;
    const char *label;  /* its file, for messages */
    const char *prefix; /* of its names in the result; "": they stay */
} mq_merge_part;

/* An output of one model that feeds an input of another. Names are those in the files. */
typedef struct mq_merge_link {
    size_t from, to; /* places in the list of models */
    const char *out_name, *in_name;
    mq_value *out, *in;
} mq_merge_link;

typedef struct mq_merge_links {
    mq_merge_link *items; /* from malloc */
    size_t n, cap;
} mq_merge_links;

/* Prefixes as --prefix gives them: one for each model, or one fewer: the first keeps its names. None: names stay, but
 * `by_number` makes "m1/", "m2/". MQ_ERR_USAGE for another number. */
mq_status mq_merge_set_prefixes(mq_merge_part *parts, size_t n, const char *const *prefixes, size_t n_prefixes,
                                bool by_number, mq_error *err);

/* What --connect says ("OUT=IN": names in the files, or with their prefix where several models have them). Without any:
 * each input is fed by the output of the same name of a model before it. Links are appended, to be released by the caller.
 * MQ_ERR_USAGE: unknown names (with the nearest), types or shapes that do not fit (with both), an input that is fed twice,
 * nothing to connect (with what there is). */
mq_status mq_merge_connect(const mq_merge_part *parts, size_t n, const char *const *connect, size_t n_connect,
                           mq_merge_links *links, mq_error *err);

/* The models one behind another in a model of its own, which borrows from all of them: what is linked is neither output nor
 * input any more. Metadata are the first's. The models are good for nothing else afterwards.
 * MQ_ERR_USAGE: names that several models have (--prefix helps), links that make a cycle. */
mq_status mq_merge_chain(mq_model **out, const mq_merge_part *parts, size_t n, const mq_merge_links *links, mq_error *err);

/* The same of models with equal inputs and outputs: each input feeds all, each output is the mean of theirs. Prefixes must
 * differ. MQ_ERR_USAGE: inputs or outputs are not equal; MQ_ERR_UNSUPPORTED: an output is no float tensor. */
mq_status mq_merge_average(mq_model **out, const mq_merge_part *parts, size_t n, mq_error *err);

/* Can a value of type a be taken where b is wanted, as far as both are known? */
bool mq_merge_fits(const mq_type *a, const mq_type *b);

#endif
