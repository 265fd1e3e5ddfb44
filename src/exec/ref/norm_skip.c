/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Layer normalization with a sum in front of it: SkipLayerNormalization, its simplified form, and
 * EmbedLayerNormalization. */
#ifdef _OPENMP
#include <omp.h>
#endif
#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/norm_layer.h"
#include "exec/ref/slide.h"
#include "exec/ref/util.h"

/* Input i must be a list of n floats. */
static mq_status check_list(mq_call *c, size_t i, int64_t n)
{
    const mq_array *a = c->in[i];

    if (a->rank != 1 || a->dims[0] != n || a->dtype != MQ_FLOAT)
        return mq_call_fail(c, "input %zu must be a list of %lld floats", i, (long long)n);
    return MQ_OK;
}

static mq_row_param list(const mq_call *c, size_t i)
{
    return (mq_row_param){ mq_call_has(c, i) ? c->in[i]->data : NULL, NULL };
}

/* The skip tensor is added as often as it fits: its shape is the input's, or lacks (or has 1 for) leading axes. */
static bool skip_fits(const mq_array *x, const mq_array *skip)
{
    int from = 0;

    while (from < skip->rank && skip->dims[from] == 1 && skip->rank - from > 1)
        from++;
    for (int d = 1; d <= skip->rank - from; d++) {
        if (d > x->rank || skip->dims[skip->rank - d] != x->dims[x->rank - d])
            return false;
    }
    return skip->count > 0 && skip->rank - from >= 1;
}

typedef struct skip_job {
    bool centered;
    size_t beta, bias; /* inputs */
    double eps;
} skip_job;

static void skip_row(mq_call *c, const skip_job *s, int64_t row, int64_t n, float *sum)
{
    const mq_array *x = c->in[0], *skip = c->in[1];
    const float *a = (const float *)x->data + row * n;
    const float *b = (const float *)skip->data + row * n % (int64_t)skip->count;
    const float *bias = mq_call_has(c, s->bias) ? c->in[s->bias]->data : NULL;
    const mq_row_param none = { NULL, NULL };
    double mean = 0, inv = 0;

    for (int64_t j = 0; j < n; j++)
        sum[j] = a[j] + b[j];
    for (int64_t j = 0; bias && j < n; j++)
        sum[j] += bias[j];
    mq_normalize_row(MQ_FLOAT, sum, n, s->centered, s->eps, list(c, 2), s->beta ? list(c, s->beta) : none,
                     (float *)c->out[0]->data + row * n, &mean, &inv);
    if (mq_call_wants(c, 1))
        ((float *)c->out[1]->data)[row] = (float)mean;
    if (mq_call_wants(c, 2))
        ((float *)c->out[2]->data)[row] = (float)inv;
}

static mq_status skip_check(mq_call *c, const skip_job *s)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, 3));
    const mq_array *x = c->in[0];
    if (!mq_call_wants(c, 0))
        return mq_call_fail(c, "the first output has no name");
    if (x->dtype != MQ_FLOAT || c->in[1]->dtype != MQ_FLOAT)
        return mq_call_bad_type(c, x->dtype);
    if (x->rank < 1)
        return mq_call_fail(c, "input is a scalar");
    if (x->count > 0 && !skip_fits(x, c->in[1]))
        return mq_call_fail(c, "the skip tensor does not fit the input");
    MQ_TRY(check_list(c, 2, x->dims[x->rank - 1]));
    if (s->beta && mq_call_has(c, s->beta))
        MQ_TRY(check_list(c, s->beta, x->dims[x->rank - 1]));
    if (mq_call_has(c, s->bias))
        MQ_TRY(check_list(c, s->bias, x->dims[x->rank - 1]));
done:
    return rc;
}

static mq_status skip_normalize(mq_call *c, skip_job *s)
{
    int64_t dims[MQ_MAX_RANK];
    float *all = NULL, *memory = NULL;
    mq_status rc = MQ_OK;

    s->eps = (double)mq_node_attr_float(c->node, "epsilon", 1e-12f);
    MQ_TRY(skip_check(c, s));
    const mq_array *x = c->in[0];
    memcpy(dims, x->dims, sizeof dims);
    dims[x->rank - 1] = 1;
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, x->rank, x->dims, NULL));
    MQ_TRY(mq_call_out(c, 1, MQ_FLOAT, x->rank, dims, NULL));
    MQ_TRY(mq_call_out(c, 2, MQ_FLOAT, x->rank, dims, NULL));
    MQ_TRY(mq_call_out(c, 3, MQ_FLOAT, x->rank, x->dims, (void **)&all));
    const int64_t n = x->dims[x->rank - 1], rows = mq_window_count(x->rank - 1, x->dims);
    if (x->count == 0)
        return MQ_OK;
    int threads = mq_call_threads(c, (int64_t)x->count);
    threads = threads > rows ? (int)rows : threads;
    if (!all && !(memory = mq_call_scratch(c, (size_t)n * (size_t)threads * sizeof *memory)))
        return MQ_ERR_NOMEM;
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t row = 0; row < rows; row++) {
        int me = 0;
#ifdef _OPENMP
        me = omp_get_thread_num();
#endif
        skip_row(c, s, row, n, all ? all + row * n : memory + me * n);
    }
done:
    return rc;
}

static mq_status op_skip_layer_normalization(mq_call *c)
{
    skip_job s = { .centered = true, .beta = 3, .bias = 4 };

    return skip_normalize(c, &s);
}

static mq_status op_skip_simplified_layer_normalization(mq_call *c)
{
    skip_job s = { .bias = 3 };

    return skip_normalize(c, &s);
}

/* ---- EmbedLayerNormalization -------------------------------------------------------------------------------------- */

enum { E_IDS, E_SEGMENTS, E_WORDS, E_POSITIONS, E_SEGMENT_TABLE, E_GAMMA, E_BETA, E_MASK, E_POSITION_IDS };

/* Row `id` of table number i. */
static mq_status table_row(mq_call *c, size_t i, int64_t id, const float **row)
{
    const mq_array *t = c->in[i];

    if (id < 0 || id >= t->dims[0])
        return mq_call_fail(c, "index %lld is outside of the %lld rows of input %zu", (long long)id,
                            (long long)t->dims[0], i);
    *row = (const float *)t->data + id * t->dims[1];
    return MQ_OK;
}

static mq_status embed_check(mq_call *c)
{
    mq_status rc = MQ_OK;

    if (!mq_call_wants(c, 0))
        return mq_call_fail(c, "the first output has no name");
    for (size_t i = 0; i <= E_BETA; i++) {
        if (!mq_call_has(c, i) && i != E_SEGMENTS && i != E_SEGMENT_TABLE)
            return mq_call_fail(c, "input %zu is missing", i);
    }
    const mq_array *ids = c->in[E_IDS];
    if (ids->dtype != MQ_INT32 || ids->rank != 2 || mq_call_has(c, E_SEGMENTS) != mq_call_has(c, E_SEGMENT_TABLE))
        return mq_call_fail(c, "ids must be int32 [batch, sequence], and segments come with their table");
    for (size_t i = E_WORDS; i <= E_SEGMENT_TABLE; i++) {
        const mq_array *t = mq_call_has(c, i) ? c->in[i] : NULL;
        if (t && (t->dtype != MQ_FLOAT || t->rank != 2 || t->dims[1] != c->in[E_WORDS]->dims[1]))
            return mq_call_fail(c, "input %zu must be a table of floats with rows as long as the words'", i);
    }
    MQ_TRY(check_list(c, E_GAMMA, c->in[E_WORDS]->dims[1]));
    MQ_TRY(check_list(c, E_BETA, c->in[E_WORDS]->dims[1]));
    for (size_t i = E_SEGMENTS; i <= E_POSITION_IDS; i++) {
        const mq_array *a = mq_call_has(c, i) ? c->in[i] : NULL;
        const bool index = i == E_SEGMENTS || i >= E_MASK;
        const bool shared = i == E_POSITION_IDS && a && a->rank == 2 && a->dims[0] == 1;
        if (a && index && (a->dtype != MQ_INT32 || a->rank != 2 || a->dims[1] != ids->dims[1] ||
                           (a->dims[0] != ids->dims[0] && !shared)))
            return mq_call_fail(c, "input %zu must be int32, of the ids' shape", i);
    }
done:
    return rc;
}

/* Word t of all batches: its embeddings' sum, and that normalized. */
static mq_status embed_word(mq_call *c, int64_t t, int64_t length, int64_t n, float *sum)
{
    const float *word = NULL, *position = NULL, *segment = NULL;
    int64_t place = t % length;
    double mean = 0, inv = 0;
    mq_status rc = MQ_OK;

    if (mq_call_has(c, E_POSITION_IDS))
        place = mq_array_i64(c->in[E_POSITION_IDS], (size_t)t % c->in[E_POSITION_IDS]->count);
    MQ_TRY(table_row(c, E_WORDS, mq_array_i64(c->in[E_IDS], (size_t)t), &word));
    MQ_TRY(table_row(c, E_POSITIONS, place, &position));
    if (mq_call_has(c, E_SEGMENTS))
        MQ_TRY(table_row(c, E_SEGMENT_TABLE, mq_array_i64(c->in[E_SEGMENTS], (size_t)t), &segment));
    for (int64_t j = 0; j < n; j++)
        sum[j] = word[j] + position[j] + (segment ? segment[j] : 0);
    mq_normalize_row(MQ_FLOAT, sum, n, true, (double)mq_node_attr_float(c->node, "epsilon", 1e-12f), list(c, E_GAMMA),
                     list(c, E_BETA), (float *)c->out[0]->data + t * n, &mean, &inv);
done:
    return rc;
}

static mq_status op_embed_layer_normalization(mq_call *c)
{
    int32_t *counts = NULL;
    float *sums = NULL, *row = NULL;
    mq_status rc = MQ_OK;

    MQ_TRY(embed_check(c));
    const mq_array *ids = c->in[E_IDS];
    const int64_t n = c->in[E_WORDS]->dims[1], dims[3] = { ids->dims[0], ids->dims[1], n };
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, 3, dims, NULL));
    MQ_TRY(mq_call_out(c, 1, MQ_INT32, 1, dims, (void **)&counts));
    MQ_TRY(mq_call_out(c, 2, MQ_FLOAT, 3, dims, (void **)&sums));
    if (!(row = mq_call_scratch(c, (size_t)n * sizeof *row + 1)))
        return MQ_ERR_NOMEM;
    for (int64_t t = 0; t < (int64_t)ids->count; t++)
        MQ_TRY(embed_word(c, t, dims[1], n, sums ? sums + t * n : row));
    for (int64_t b = 0; counts && b < dims[0]; b++) {
        counts[b] = 0;
        for (int64_t t = 0; mq_call_has(c, E_MASK) && t < dims[1]; t++)
            counts[b] += mq_array_i64(c->in[E_MASK], (size_t)(b * dims[1] + t)) == 1;
    }
done:
    return rc;
}

const mq_kernel mq_kernels_norm_skip[] = {
    { "com.microsoft", "EmbedLayerNormalization", op_embed_layer_normalization, MQ_KERNEL_WIDEN },
    { "com.microsoft", "SkipLayerNormalization", op_skip_layer_normalization, MQ_KERNEL_WIDEN },
    { "com.microsoft", "SkipSimplifiedLayerNormalization", op_skip_simplified_layer_normalization, MQ_KERNEL_WIDEN },
    { 0 },
};
