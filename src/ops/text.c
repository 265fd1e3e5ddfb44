/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators on strings, and TfIdfVectorizer. */
#include "ops/families.h"
#include "ops/rule_parts.h"

/* Stop words are taken out: how many strings stay depends on them. */
static mq_status string_normalizer(mq_infer *in)
{
    const mq_attr *stop = mq_node_attr(in->node, "stopwords");
    int rank;
    mq_dim *dims;

    MQ_RULE_TRY(mq_want_rank(in, 0, 1, 2));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0)
        return MQ_OK;
    if (rank == 2)
        MQ_RULE_TRY(mq_want_same(in, &dims[0], MQ_DIM(1), "the first of two axes and what it must be"));
    if (mq_attrs_open(in) || (stop && stop->n > 0))
        dims[rank - 1] = MQ_DIM_UNKNOWN;
    return mq_out_shape(in, 0, rank, dims);
}

static mq_status string_concat(mq_infer *in)
{
    return mq_infer_broadcast_of(in, 2, (const size_t[]){ 0, 1 });
}

/* One axis more, as long as the most parts of any string. */
static mq_status string_split(mq_infer *in)
{
    MQ_RULE_TRY(mq_out_shape(in, 1, mq_in_rank(in, 0), mq_in_dims(in, 0)));
    return mq_out_one_more(in, 0, 0, MQ_DIM_UNKNOWN);
}

static mq_status regex_match(mq_infer *in)
{
    return mq_out_shape(in, 0, mq_in_rank(in, 0), mq_in_dims(in, 0));
}

/* [C] -> [size], [N, C] -> [N, size] with size one more than the largest index. */
static mq_status tf_idf(mq_infer *in)
{
    size_t n;
    const int64_t *index = mq_node_attr_ints(in->node, "ngram_indexes", &n);
    int64_t largest = -1;
    int rank;
    mq_dim *dims;

    MQ_RULE_TRY(mq_want_rank(in, 0, 1, 2));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    for (size_t i = 0; i < n; i++) {
        if (index[i] < 0 || index[i] == INT64_MAX)
            return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'ngram_indexes' holds %lld", (long long)index[i]);
        largest = index[i] > largest ? index[i] : largest;
    }
    if (rank < 0)
        return MQ_OK;
    dims[rank - 1] = largest >= 0 ? MQ_DIM(largest + 1) : MQ_DIM_UNKNOWN;
    return mq_out_shape(in, 0, rank, dims);
}

const mq_op_rule mq_rules_text[] = {
    { "", "RegexFullMatch", regex_match, NULL, NULL },
    { "", "StringConcat", string_concat, NULL, NULL },
    { "", "StringNormalizer", string_normalizer, NULL, NULL },
    { "", "StringSplit", string_split, NULL, NULL },
    { "", "TfIdfVectorizer", tf_idf, NULL, NULL },
};
const size_t mq_rules_text_n = sizeof mq_rules_text / sizeof *mq_rules_text;
