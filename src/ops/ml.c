/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The operators of ai.onnx.ml: feature handling, classifiers and regressors, maps. Shapes follow what runtimes give where
 * the specification is silent, and stay unknown where the two differ. */
#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

/* Entries of a list attribute; 0 when it is absent. */
static size_t list_length(const mq_infer *in, const char *name)
{
    const mq_attr *a = mq_node_attr(in->node, name);

    return a && !a->ref && (a->type == MQ_ATTR_INTS || a->type == MQ_ATTR_FLOATS || a->type == MQ_ATTR_STRINGS) ? a->n : 0;
}

/* Samples of input 0, [N, F] or one sample [F]. */
static mq_status samples(mq_infer *in, mq_dim *n)
{
    const int rank = mq_in_rank(in, 0);

    MQ_RULE_TRY(mq_want_rank(in, 0, 1, 2));
    *n = rank == 2 ? mq_in_dims(in, 0)[0] : rank == 1 ? MQ_DIM(1) : MQ_DIM_UNKNOWN;
    return MQ_OK;
}

static mq_dim dim_of_count(size_t n)
{
    return n > 0 && n <= INT32_MAX ? MQ_DIM((int64_t)n) : MQ_DIM_UNKNOWN;
}

/* ---- features ----------------------------------------------------------------------------------------------------- */

static mq_status array_feature_extractor(mq_infer *in)
{
    int rank;
    mq_dim *dims, n = MQ_DIM(1);

    MQ_RULE_TRY(mq_want_rank(in, 0, 1, INT32_MAX));
    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0)
        return MQ_OK;
    for (int i = 0; i < mq_in_rank(in, 1); i++)
        n = mq_dim_mul(in, n, mq_in_dims(in, 1)[i]);
    if (mq_in_rank(in, 1) < 0)
        n = MQ_DIM_UNKNOWN;
    if (rank == 1)
        return mq_out_shape(in, 0, 2, (const mq_dim[]){ MQ_DIM(1), n });
    dims[rank - 1] = n;
    return mq_out_shape(in, 0, rank, dims);
}

/* Strings become numbers and numbers strings. */
static mq_status category_mapper(mq_infer *in)
{
    const mq_dtype t = mq_in_dtype(in, 0);

    if (t != MQ_UNDEFINED)
        MQ_RULE_TRY(mq_out_dtype(in, 0, t == MQ_STRING ? MQ_INT64 : MQ_STRING));
    return mq_out_shape(in, 0, mq_in_rank(in, 0), mq_in_dims(in, 0));
}

static mq_status keep_shape(mq_infer *in)
{
    return mq_out_shape(in, 0, mq_in_rank(in, 0), mq_in_dims(in, 0));
}

static mq_status cast_map(mq_infer *in)
{
    const int64_t max_map = mq_node_attr_int(in->node, "max_map", 1);
    mq_dtype t = MQ_FLOAT;

    if (mq_node_attr_is(in->node, "cast_to", "TO_STRING"))
        t = MQ_STRING;
    else if (mq_node_attr_is(in->node, "cast_to", "TO_INT64"))
        t = MQ_INT64;
    if (!mq_attrs_open(in))
        MQ_RULE_TRY(mq_out_dtype(in, 0, t));
    if (mq_node_attr_is(in->node, "map_form", "SPARSE") && max_map >= 1 && !mq_attrs_open(in))
        return mq_out_shape(in, 0, 2, (const mq_dim[]){ MQ_DIM(1), MQ_DIM(max_map) });
    return mq_out_shape(in, 0, 2, (const mq_dim[]){ MQ_DIM(1), MQ_DIM_UNKNOWN });
}

/* The specification has one axis, runtimes give [1, entries]: the rank stays open. */
static mq_status dict_vectorizer(mq_infer *in)
{
    const mq_type *t = mq_in_type(in, 0);

    if (t && t->kind == MQ_TYPE_MAP && t->elem && t->elem->kind == MQ_TYPE_TENSOR)
        return mq_out_dtype(in, 0, t->elem->dtype);
    return MQ_OK;
}

static mq_status feature_vectorizer(mq_infer *in)
{
    size_t n;
    const int64_t *widths = mq_node_attr_ints(in->node, "inputdimensions", &n);
    int64_t total = 0;
    mq_dim batch;

    for (size_t i = 0; i < n; i++)
        if (widths[i] < 0 || __builtin_add_overflow(total, widths[i], &total))
            return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'inputdimensions' holds %lld", (long long)widths[i]);
    MQ_RULE_TRY(samples(in, &batch));
    return mq_out_shape(in, 0, 2, (const mq_dim[]){ batch, widths ? MQ_DIM(total) : MQ_DIM_UNKNOWN });
}

/* One axis more, as long as the list of categories. */
static mq_status one_hot_encoder(mq_infer *in)
{
    const size_t n = list_length(in, "cats_int64s") + list_length(in, "cats_strings");

    return mq_out_one_more(in, 0, 0, dim_of_count(n));
}

static mq_dtype label_type(const mq_infer *in)
{
    const mq_attr *tensor = mq_node_attr(in->node, "values_tensor");

    if (in->version < 2)
        return mq_in_dtype(in, 0) == MQ_STRING ? MQ_INT64 : mq_in_dtype(in, 0) == MQ_INT64 ? MQ_STRING : MQ_UNDEFINED;
    if (mq_node_attr(in->node, "values_strings"))
        return MQ_STRING;
    if (mq_node_attr(in->node, "values_int64s"))
        return MQ_INT64;
    if (mq_node_attr(in->node, "values_floats"))
        return MQ_FLOAT;
    return tensor && tensor->type == MQ_ATTR_TENSOR && tensor->n > 0 ? tensor->tensors[0]->dtype : MQ_UNDEFINED;
}

static mq_status label_encoder(mq_infer *in)
{
    const mq_dtype t = label_type(in);

    if (t != MQ_UNDEFINED)
        MQ_RULE_TRY(mq_out_dtype(in, 0, t));
    return keep_shape(in);
}

/* ---- classifiers and regressors ----------------------------------------------------------------------------------- */

/* One label and one score per class for each sample. */
static mq_status classify(mq_infer *in, const char *int_labels, const char *string_labels, bool scores_per_class)
{
    const size_t n_ints = list_length(in, int_labels), n_strings = list_length(in, string_labels);
    mq_dim out[2] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN };

    MQ_RULE_TRY(samples(in, &out[0]));
    if (n_ints > 0 && n_strings > 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "both '%s' and '%s' are given", int_labels, string_labels);
    if (!mq_attrs_open(in))
        MQ_RULE_TRY(mq_out_dtype(in, 0, n_strings > 0 ? MQ_STRING : MQ_INT64));
    if (scores_per_class)
        out[1] = dim_of_count(n_ints + n_strings);
    MQ_RULE_TRY(mq_out_shape(in, 0, 1, out));
    return mq_out_shape(in, 1, 2, out);
}

static mq_status linear_classifier(mq_infer *in)
{
    return classify(in, "classlabels_ints", "classlabels_strings", true);
}

/* Without probabilities the scores are those of pairs of classes, and how many is the runtime's choice. */
static mq_status svm_classifier(mq_infer *in)
{
    return classify(in, "classlabels_ints", "classlabels_strings", list_length(in, "prob_a") > 0);
}

static mq_status tree_classifier(mq_infer *in)
{
    return classify(in, "classlabels_int64s", "classlabels_strings", true);
}

static mq_status regress(mq_infer *in, int64_t targets)
{
    mq_dim out[2];

    MQ_RULE_TRY(samples(in, &out[0]));
    if (targets == 0)
        return mq_fail(in->err, MQ_ERR_INPUT, "the number of targets is 0, it must be at least 1");
    out[1] = targets < 0 || mq_attrs_open(in) ? MQ_DIM_UNKNOWN : MQ_DIM(targets);
    return mq_out_shape(in, 0, 2, out);
}

static mq_status linear_regressor(mq_infer *in)
{
    return regress(in, mq_node_attr_int(in->node, "targets", 1));
}

static mq_status svm_regressor(mq_infer *in)
{
    return regress(in, 1);
}

static mq_status tree_regressor(mq_infer *in)
{
    return regress(in, mq_node_attr_int(in->node, "n_targets", -1));
}

/* A map from label to score for each sample. */
static mq_status zip_map(mq_infer *in)
{
    const bool strings = list_length(in, "classlabels_strings") > 0;
    mq_type score = { .kind = MQ_TYPE_TENSOR, .dtype = MQ_FLOAT, .rank = 0 };
    mq_type map = { .kind = MQ_TYPE_MAP, .dtype = strings ? MQ_STRING : MQ_INT64, .rank = -1, .elem = &score };
    const mq_type sequence = { .kind = MQ_TYPE_SEQUENCE, .rank = -1, .elem = &map };

    MQ_RULE_TRY(mq_want_rank(in, 0, 1, 2));
    return mq_attrs_open(in) ? MQ_OK : mq_out_type(in, 0, &sequence);
}

const mq_op_rule mq_rules_ml[] = {
    { "ai.onnx.ml", "ArrayFeatureExtractor", array_feature_extractor, NULL, NULL },
    { "ai.onnx.ml", "Binarizer", mq_infer_same, NULL, NULL },
    { "ai.onnx.ml", "CastMap", cast_map, NULL, NULL },
    { "ai.onnx.ml", "CategoryMapper", category_mapper, NULL, NULL },
    { "ai.onnx.ml", "DictVectorizer", dict_vectorizer, NULL, NULL },
    { "ai.onnx.ml", "FeatureVectorizer", feature_vectorizer, NULL, NULL },
    { "ai.onnx.ml", "Imputer", mq_infer_same, NULL, NULL },
    { "ai.onnx.ml", "LabelEncoder", label_encoder, NULL, NULL },
    { "ai.onnx.ml", "LinearClassifier", linear_classifier, NULL, NULL },
    { "ai.onnx.ml", "LinearRegressor", linear_regressor, NULL, NULL },
    { "ai.onnx.ml", "Normalizer", keep_shape, NULL, NULL },
    { "ai.onnx.ml", "OneHotEncoder", one_hot_encoder, NULL, NULL },
    { "ai.onnx.ml", "SVMClassifier", svm_classifier, NULL, NULL },
    { "ai.onnx.ml", "SVMRegressor", svm_regressor, NULL, NULL },
    { "ai.onnx.ml", "Scaler", keep_shape, NULL, NULL },
    { "ai.onnx.ml", "TreeEnsemble", tree_regressor, NULL, NULL },
    { "ai.onnx.ml", "TreeEnsembleClassifier", tree_classifier, NULL, NULL },
    { "ai.onnx.ml", "TreeEnsembleRegressor", tree_regressor, NULL, NULL },
    { "ai.onnx.ml", "ZipMap", zip_map, NULL, NULL },
};
const size_t mq_rules_ml_n = sizeof mq_rules_ml / sizeof *mq_rules_ml;
