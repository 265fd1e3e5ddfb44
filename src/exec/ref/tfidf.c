/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* TfIdfVectorizer: words become numbers (their place among the pool's different words), n-grams rows of numbers in
 * sorted tables. Single words are counted once, however many may be skipped. */
#include <stdlib.h>
#include <string.h>

#include "exec/ref/util.h"

typedef enum tf_mode { TF, IDF, TFIDF } tf_mode;

#define NO_WORD (-1)

typedef struct grams {
    int64_t size;  /* words in each */
    int64_t n;
    int64_t *rows; /* n of them, each size numbers and the place in the output, sorted */
} grams;

typedef struct vectorizer {
    tf_mode mode;
    int64_t min, max, skips; /* n-gram lengths; how many words may be left out */
    const int64_t *pool, *counts, *places;
    const mq_bytes *pool_text;
    size_t n_pool, n_counts, n_places;
    const float *weights; /* of each n-gram of the pool; NULL: all 1 */
    size_t n_weights;
    float *factors; /* of each place of the output; NULL: all 1 */
    int64_t n_out;
    int64_t *order; /* pool indices sorted by word, different ones only */
    size_t n_words;
    grams *grams;   /* of each length from 1 to n_counts */
} vectorizer;

/* ---- words -------------------------------------------------------------------------------------------------------- */

static int compare_words(const vectorizer *v, const mq_bytes *ta, int64_t na, int64_t b)
{
    if (!v->pool_text)
        return na < v->pool[b] ? -1 : na > v->pool[b];
    const mq_bytes *tb = &v->pool_text[b];
    const size_t n = ta->n < tb->n ? ta->n : tb->n;
    const int order = n > 0 ? memcmp(ta->data, tb->data, n) : 0;

    return order != 0 ? order : ta->n < tb->n ? -1 : ta->n > tb->n;
}

static int by_word(const void *pa, const void *pb, void *user)
{
    const vectorizer *v = user;
    const int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;

    return compare_words(v, v->pool_text ? &v->pool_text[a] : NULL, v->pool_text ? 0 : v->pool[a], b);
}

/* The number of a word; NO_WORD: the pool does not have it. */
static int64_t number_of(const vectorizer *v, const mq_bytes *text, int64_t value)
{
    size_t low = 0, high = v->n_words;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = compare_words(v, text, value, v->order[middle]);

        if (order == 0)
            return (int64_t)middle;
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NO_WORD;
}

static mq_status number_words(mq_call *c, vectorizer *v)
{
    if (!(v->order = mq_call_scratch(c, (v->n_pool + 1) * sizeof(*v->order))))
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < v->n_pool; i++)
        v->order[i] = (int64_t)i;
    qsort_r(v->order, v->n_pool, sizeof(*v->order), by_word, v);
    for (size_t i = 0; i < v->n_pool; i++)
        if (i == 0 || by_word(&v->order[v->n_words - 1], &v->order[i], v) != 0)
            v->order[v->n_words++] = v->order[i];
    return MQ_OK;
}

/* ---- n-grams ------------------------------------------------------------------------------------------------------ */

static int by_row(const void *pa, const void *pb, void *user)
{
    const int64_t *a = pa, *b = pb, size = *(const int64_t *)user;

    for (int64_t i = 0; i < size; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return 0;
}

/* The table of one length from the words [from, to) of the pool; `first` is the number of its first n-gram in the pool. */
static mq_status make_table(mq_call *c, const vectorizer *v, int64_t size, size_t from, size_t to, size_t first, grams *g)
{
    *g = (grams){ .size = size, .n = (int64_t)(to - from) / size };
    if ((int64_t)(to - from) % size != 0 || first + (size_t)g->n > v->n_places)
        return mq_call_fail(c, "the pool has %zu words of %lld-grams and %zu ngram_indexes", to - from, (long long)size,
                            v->n_places);
    if (!(g->rows = mq_call_scratch(c, ((size_t)g->n * (size_t)(size + 1) + 1) * sizeof(*g->rows))))
        return MQ_ERR_NOMEM;
    for (int64_t k = 0; k < g->n; k++) {
        for (int64_t i = 0; i < size; i++) {
            const size_t at = from + (size_t)(k * size + i);

            g->rows[k * (size + 1) + i] =
                number_of(v, v->pool_text ? &v->pool_text[at] : NULL, v->pool_text ? 0 : v->pool[at]);
        }
        g->rows[k * (size + 1) + size] = v->places[first + (size_t)k];
    }
    qsort_r(g->rows, (size_t)g->n, (size_t)(size + 1) * sizeof(*g->rows), by_row, &g->size);
    return MQ_OK;
}

static mq_status make_tables(mq_call *c, vectorizer *v)
{
    size_t first = 0;
    mq_status rc;

    if (!(v->grams = mq_call_scratch(c, (v->n_counts + 1) * sizeof(*v->grams))))
        return MQ_ERR_NOMEM;
    for (size_t k = 0; k < v->n_counts; k++) {
        const int64_t from = v->counts[k], to = k + 1 < v->n_counts ? v->counts[k + 1] : (int64_t)v->n_pool;

        if (from < 0 || to < from || to > (int64_t)v->n_pool)
            return mq_call_fail(c, "ngram_counts do not rise from 0 to the %zu words of the pool", v->n_pool);
        if ((rc = make_table(c, v, (int64_t)k + 1, (size_t)from, (size_t)to, first, &v->grams[k])) != MQ_OK)
            return rc;
        first += (size_t)v->grams[k].n;
    }
    return MQ_OK;
}

/* ---- counting ----------------------------------------------------------------------------------------------------- */

/* The n-gram that starts at words[0] with `step` from word to word: its place in the output; -1: not in the pool. */
static int64_t find_gram(const grams *g, const int64_t *words, int64_t step)
{
    int64_t low = 0, high = g->n;

    while (low < high) {
        const int64_t middle = low + (high - low) / 2, *row = g->rows + middle * (g->size + 1);
        int64_t i = 0;

        while (i < g->size && words[i * step] == row[i])
            i++;
        if (i == g->size)
            return row[g->size];
        if (words[i * step] < row[i])
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

static void count_row(const vectorizer *v, const int64_t *words, int64_t n, float *out)
{
    const int64_t longest = v->max < (int64_t)v->n_counts ? v->max : (int64_t)v->n_counts;

    for (int64_t size = v->min; size <= longest; size++) {
        const int64_t steps = size == 1 ? 1 : v->skips + 1; /* skips do not matter to single words */

        for (int64_t step = 1; step <= steps && (size == 1 || step <= (n - 1) / (size - 1)); step++)
            for (int64_t at = 0; at + (size - 1) * step < n; at++) {
                const int64_t place = find_gram(&v->grams[size - 1], words + at, step);

                if (place >= 0)
                    out[place]++;
            }
    }
    for (int64_t i = 0; i < v->n_out && v->mode != TF; i++)
        out[i] = (v->mode == IDF ? (float)(out[i] > 0) : out[i]) * (v->factors ? v->factors[i] : 1);
}

/* ---- the operator ------------------------------------------------------------------------------------------------- */

static mq_status check_places(mq_call *c, vectorizer *v)
{
    for (size_t i = 0; i < v->n_places; i++) {
        if (v->places[i] < 0 || v->places[i] >= INT32_MAX)
            return mq_call_fail(c, "element %zu of ngram_indexes is %lld", i, (long long)v->places[i]);
        v->n_out = v->places[i] >= v->n_out ? v->places[i] + 1 : v->n_out;
    }
    if (!v->weights)
        return MQ_OK;
    if (v->n_weights != v->n_places)
        return mq_call_fail(c, "there are %zu weights for %zu n-grams", v->n_weights, v->n_places);
    if (!(v->factors = mq_call_scratch(c, ((size_t)v->n_out + 1) * sizeof(*v->factors))))
        return MQ_ERR_NOMEM;
    memset(v->factors, 0, (size_t)v->n_out * sizeof(*v->factors));
    for (size_t i = 0; i < v->n_places; i++)
        v->factors[v->places[i]] = v->weights[i];
    return MQ_OK;
}

static mq_status get_attributes(mq_call *c, vectorizer *v)
{
    const mq_attr *text = mq_node_attr(c->node, "pool_strings"), *weights = mq_node_attr(c->node, "weights");

    v->pool = mq_node_attr_ints(c->node, "pool_int64s", &v->n_pool);
    v->counts = mq_node_attr_ints(c->node, "ngram_counts", &v->n_counts);
    v->places = mq_node_attr_ints(c->node, "ngram_indexes", &v->n_places);
    v->min = mq_node_attr_int(c->node, "min_gram_length", 1);
    v->max = mq_node_attr_int(c->node, "max_gram_length", 1);
    v->skips = mq_node_attr_int(c->node, "max_skip_count", 0);
    v->mode = mq_node_attr_is(c->node, "mode", "TFIDF") ? TFIDF : mq_node_attr_is(c->node, "mode", "IDF") ? IDF : TF;
    if (!v->pool && text && text->type == MQ_ATTR_STRINGS) {
        v->pool_text = text->strings;
        v->n_pool = text->n;
    }
    if (weights && weights->type == MQ_ATTR_FLOATS && weights->n > 0) {
        v->weights = weights->floats;
        v->n_weights = weights->n;
    }
    if (v->mode == TF && !mq_node_attr_is(c->node, "mode", "TF"))
        return mq_call_fail(c, "mode is none of 'TF', 'IDF', 'TFIDF'");
    if (v->min < 1 || v->max < v->min || v->skips < 0 || v->skips == INT64_MAX || (!v->pool && !v->pool_text))
        return mq_call_fail(c, "min_gram_length, max_gram_length, max_skip_count or the pool is malformed");
    return check_places(c, v);
}

/* The input's words as numbers. */
static mq_status number_input(mq_call *c, const vectorizer *v, int64_t **out)
{
    const mq_array *a = c->in[0];

    if (v->pool_text ? a->dtype != MQ_STRING : a->dtype != MQ_INT32 && a->dtype != MQ_INT64)
        return mq_call_bad_type(c, a->dtype);
    if (!(*out = mq_call_scratch(c, (a->count + 1) * sizeof(**out))))
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < a->count; i++)
        (*out)[i] = v->pool_text ? number_of(v, &((const mq_bytes *)a->data)[i], 0) : number_of(v, NULL, mq_array_i64(a, i));
    return MQ_OK;
}

static mq_status op_tfidf(mq_call *c)
{
    vectorizer v = { 0 };
    const mq_array *a;
    int64_t dims[2], rows, n, *words = NULL;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    a = c->in[0];
    if (a->rank > 2)
        return mq_call_fail(c, "the input has rank %d; at most 2 is allowed", a->rank);
    MQ_TRY(get_attributes(c, &v));
    MQ_TRY(number_words(c, &v));
    MQ_TRY(make_tables(c, &v));
    MQ_TRY(number_input(c, &v, &words));
    rows = a->rank == 2 ? a->dims[0] : 1;
    n = a->rank == 0 ? 1 : a->dims[a->rank - 1];
    dims[0] = rows;
    dims[a->rank == 2] = v.n_out;
    MQ_TRY(mq_call_out(c, 0, MQ_FLOAT, a->rank == 2 ? 2 : 1, dims, &out));
    if (!out)
        return MQ_OK;
    memset(out, 0, c->out[0]->count * sizeof(float));
    for (int64_t row = 0; row < rows && c->out[0]->count > 0; row++)
        count_row(&v, words + row * n, n, (float *)out + row * v.n_out);
done:
    return rc;
}

const mq_kernel mq_kernels_tfidf[] = {
    { "", "TfIdfVectorizer", op_tfidf, 0 },
    { 0 },
};
