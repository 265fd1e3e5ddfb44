/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* TopK and Unique. Elements are mapped to unsigned keys that sort like them (NaN is the greatest and equal to itself,
 * -0 equals 0, strings get their rank), so that one sort does for every type. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "exec/ref/util.h"

/* ---- keys --------------------------------------------------------------------------------------------------------- */

static uint64_t key_of_double(double v)
{
    uint64_t bits;

    if (isnan(v))
        return UINT64_MAX;
    v += 0.0; /* -0 becomes 0 */
    memcpy(&bits, &v, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

#define KEYS_FLOAT(T)                                                \
    {                                                                \
        for (int64_t i = 0; i < n; i++)                              \
            keys[i] = key_of_double(((const T *)data)[i * step]);    \
        return true;                                                 \
    }
#define KEYS_SIGNED(T)                                                                            \
    {                                                                                             \
        for (int64_t i = 0; i < n; i++)                                                           \
            keys[i] = (uint64_t)((const T *)data)[i * step] ^ (uint64_t)1 << 63;                  \
        return true;                                                                              \
    }
#define KEYS_UNSIGNED(T)                                   \
    {                                                      \
        for (int64_t i = 0; i < n; i++)                    \
            keys[i] = ((const T *)data)[i * step];         \
        return true;                                       \
    }

/* Keys of n numbers, `step` apart; false: no numbers. */
static bool make_keys(mq_dtype dtype, const void *data, int64_t n, int64_t step, uint64_t *keys)
{
    switch (dtype) {
    MQ_CASES_FLOAT(KEYS_FLOAT)
    MQ_CASES_SIGNED(KEYS_SIGNED)
    MQ_CASES_UNSIGNED(KEYS_UNSIGNED)
    case MQ_BOOL: KEYS_UNSIGNED(unsigned char)
    default: return false;
    }
}

/* ---- TopK --------------------------------------------------------------------------------------------------------- */

typedef struct ranked {
    uint64_t key;
    int64_t index;
} ranked;

/* Does a come behind b? Greater keys come first, then lower indices. */
static bool behind(ranked a, ranked b)
{
    return a.key != b.key ? a.key < b.key : a.index > b.index;
}

/* A heap whose root is the hindmost of those in it. */
static void sift_down(ranked *heap, int64_t n, int64_t at)
{
    const ranked v = heap[at];

    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && behind(heap[child + 1], heap[child]))
            child++;
        if (!behind(heap[child], v))
            break;
        heap[at] = heap[child];
    }
    heap[at] = v;
}

/* The k foremost of n keys, in order. */
static void top(const uint64_t *keys, int64_t n, int64_t k, ranked *heap)
{
    for (int64_t i = 0; i < k; i++)
        heap[i] = (ranked){ keys[i], i };
    for (int64_t i = k / 2; i-- > 0;)
        sift_down(heap, k, i);
    for (int64_t i = k; i < n && k > 0; i++)
        if (keys[i] > heap[0].key) {
            heap[0] = (ranked){ keys[i], i };
            sift_down(heap, k, 0);
        }
    for (int64_t left = k - 1; left > 0; left--) {
        const ranked hindmost = heap[0];

        heap[0] = heap[left];
        heap[left] = hindmost;
        sift_down(heap, left, 0);
    }
}

typedef struct top_job {
    int64_t outer, n, inner, k;
    bool largest;
    void *values;     /* may be NULL */
    int64_t *indices; /* may be NULL */
} top_job;

static void top_lane(const mq_array *a, const top_job *j, int64_t lane, uint64_t *keys, ranked *heap)
{
    const int64_t o = lane / j->inner, i = lane % j->inner;
    const size_t elem = mq_array_elem_size(a);
    const char *src = (const char *)a->data + (size_t)(o * j->n * j->inner + i) * elem;

    make_keys(a->dtype, src, j->n, j->inner, keys);
    for (int64_t x = 0; x < j->n && !j->largest; x++)
        keys[x] = ~keys[x];
    top(keys, j->n, j->k, heap);
    for (int64_t r = 0; r < j->k; r++) {
        const int64_t to = (o * j->k + r) * j->inner + i;

        if (j->values)
            memcpy((char *)j->values + (size_t)to * elem, src + (size_t)(heap[r].index * j->inner) * elem, elem);
        if (j->indices)
            j->indices[to] = heap[r].index;
    }
}

static mq_status run_top(mq_call *c, const top_job *j)
{
    const mq_array *a = c->in[0];
    const int64_t lanes = j->outer * j->inner;
    const int wanted = mq_call_threads(c, (int64_t)a->count), threads = lanes < wanted ? (int)lanes : wanted;
    uint64_t *keys = mq_call_scratch(c, (size_t)threads * (size_t)j->n * sizeof(*keys));
    ranked *heaps = mq_call_scratch(c, (size_t)threads * (size_t)j->k * sizeof(*heaps));

    if (!keys || !heaps)
        return MQ_ERR_NOMEM;
    #pragma omp parallel for num_threads(threads)
    for (int t = 0; t < threads; t++)
        for (int64_t lane = lanes * t / threads; lane < lanes * (t + 1) / threads; lane++)
            top_lane(a, j, lane, keys + t * j->n, heaps + t * j->k);
    return MQ_OK;
}

static mq_status op_top_k(mq_call *c)
{
    top_job j = { .largest = mq_node_attr_int(c->node, "largest", 1) != 0 };
    const mq_array *a;
    int64_t dims[MQ_MAX_RANK];
    size_t n = 0;
    uint64_t probe;
    int axis = 0;
    void *indices;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 2));
    a = c->in[0];
    MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", -1), a->rank, &axis));
    MQ_TRY(mq_call_ints(c, 1, &j.k, 1, &n));
    if (n != 1 || j.k < 0 || j.k > a->dims[axis])
        return mq_call_fail(c, "K is %lld; axis %d has %lld elements", (long long)j.k, axis, (long long)a->dims[axis]);
    if (!make_keys(a->dtype, NULL, 0, 0, &probe) || a->dtype == MQ_BOOL)
        return mq_call_bad_type(c, a->dtype);
    for (int i = 0; i < a->rank; i++)
        dims[i] = i == axis ? j.k : a->dims[i];
    MQ_TRY(mq_call_out(c, 0, a->dtype, a->rank, dims, &j.values));
    MQ_TRY(mq_call_out(c, 1, MQ_INT64, a->rank, dims, &indices));
    if ((!j.values && !indices) || a->count == 0 || j.k == 0)
        return MQ_OK;
    j.indices = indices;
    j.outer = mq_span(a->dims, 0, axis);
    j.n = a->dims[axis];
    j.inner = mq_span(a->dims, axis + 1, a->rank);
    rc = run_top(c, &j);
done:
    return rc;
}

/* ---- Unique ------------------------------------------------------------------------------------------------------- */

/* n items of m keys each. */
typedef struct items {
    const uint64_t *keys;
    int64_t n, m;
} items;

static int compare_keys(const items *it, int64_t a, int64_t b)
{
    const uint64_t *x = it->keys + a * it->m, *y = it->keys + b * it->m;

    for (int64_t i = 0; i < it->m; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

static int by_keys(const void *pa, const void *pb, void *user)
{
    const int64_t a = *(const int64_t *)pa, b = *(const int64_t *)pb;
    const int order = compare_keys(user, a, b);

    return order != 0 ? order : a < b ? -1 : a > b;
}

static int compare_bytes(const mq_bytes *a, const mq_bytes *b)
{
    const size_t n = a->n < b->n ? a->n : b->n;
    const int order = n > 0 ? memcmp(a->data, b->data, n) : 0;

    return order != 0 ? order : a->n < b->n ? -1 : a->n > b->n;
}

static int by_bytes(const void *pa, const void *pb, void *user)
{
    const mq_bytes *strings = user;

    return compare_bytes(&strings[*(const int64_t *)pa], &strings[*(const int64_t *)pb]);
}

/* The rank of each string among the different ones. */
static mq_status rank_strings(mq_call *c, const mq_array *a, uint64_t *keys)
{
    const mq_bytes *strings = a->data;
    int64_t *order = mq_call_scratch(c, (a->count + 1) * sizeof(*order));
    uint64_t rank = 0;

    if (!order)
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < a->count; i++)
        order[i] = (int64_t)i;
    qsort_r(order, a->count, sizeof(*order), by_bytes, a->data);
    for (size_t i = 0; i < a->count; i++) {
        if (i > 0 && compare_bytes(&strings[order[i - 1]], &strings[order[i]]) != 0)
            rank++;
        keys[order[i]] = rank;
    }
    return MQ_OK;
}

/* Keys of all elements in their order, `parts` of them per element (complex numbers: two). */
static mq_status all_keys(mq_call *c, const mq_array *a, int64_t parts, uint64_t *keys)
{
    const mq_dtype dtype = a->dtype == MQ_COMPLEX64 ? MQ_FLOAT : a->dtype == MQ_COMPLEX128 ? MQ_DOUBLE : a->dtype;

    if (dtype == MQ_STRING)
        return rank_strings(c, a, keys);
    return make_keys(dtype, a->data, (int64_t)a->count * parts, 1, keys) ? MQ_OK : mq_call_bad_type(c, a->dtype);
}

/* [outer, n, inner] elements to n items of outer * inner. */
static mq_status make_items(mq_call *c, const mq_array *a, int64_t outer, int64_t n, int64_t inner, items *out)
{
    const int64_t parts = a->dtype == MQ_COMPLEX64 || a->dtype == MQ_COMPLEX128 ? 2 : 1, run = inner * parts;
    const size_t bytes = (a->count * (size_t)parts + 1) * sizeof(uint64_t);
    uint64_t *keys = mq_call_scratch(c, bytes), *sorted = keys;
    mq_status rc;

    if (!keys)
        return MQ_ERR_NOMEM;
    if ((rc = all_keys(c, a, parts, keys)) != MQ_OK)
        return rc;
    if (outer > 1) {
        if (!(sorted = mq_call_scratch(c, bytes)))
            return MQ_ERR_NOMEM;
        for (int64_t o = 0; o < outer; o++)
            for (int64_t i = 0; i < n; i++)
                memcpy(sorted + (i * outer + o) * run, keys + (o * n + i) * run, (size_t)run * sizeof(*keys));
    }
    *out = (items){ sorted, n, outer * run };
    return MQ_OK;
}

typedef struct group {
    int64_t first, count, number; /* number: its place in the sorted order */
} group;

static int by_first(const void *pa, const void *pb)
{
    const group *a = pa, *b = pb;

    return a->first < b->first ? -1 : a->first > b->first;
}

/* Equal items together: *n groups, in the order that the outputs have; inverse[i] is the group of item i. */
static mq_status make_groups(mq_call *c, items *it, bool sorted, group **out, int64_t *n, int64_t **inverse)
{
    const size_t slots = (size_t)it->n + 1;
    int64_t *order = mq_call_scratch(c, slots * sizeof(*order)), *place = mq_call_scratch(c, slots * sizeof(*place));
    group *g = mq_call_scratch(c, slots * sizeof(*g));

    *inverse = mq_call_scratch(c, slots * sizeof(**inverse));
    if (!order || !place || !g || !*inverse)
        return MQ_ERR_NOMEM;
    for (int64_t i = 0; i < it->n; i++)
        order[i] = i;
    qsort_r(order, (size_t)it->n, sizeof(*order), by_keys, it);
    *n = 0;
    for (int64_t i = 0; i < it->n; i++) {
        if (i == 0 || compare_keys(it, order[i - 1], order[i]) != 0) {
            g[*n] = (group){ .first = order[i], .number = *n };
            ++*n;
        }
        g[*n - 1].count++;
        (*inverse)[order[i]] = *n - 1;
    }
    if (!sorted) {
        qsort(g, (size_t)*n, sizeof(*g), by_first);
        for (int64_t i = 0; i < *n; i++)
            place[g[i].number] = i;
        for (int64_t i = 0; i < it->n; i++)
            (*inverse)[i] = place[(*inverse)[i]];
    }
    *out = g;
    return MQ_OK;
}

/* Outputs 1 to 3: first occurrences, groups of the items, counts. */
static mq_status write_lists(mq_call *c, const group *g, int64_t n_groups, const int64_t *inverse, int64_t n)
{
    void *first, *in, *count;
    mq_status rc;

    MQ_TRY(mq_call_out(c, 1, MQ_INT64, 1, &n_groups, &first));
    MQ_TRY(mq_call_out(c, 2, MQ_INT64, 1, &n, &in));
    MQ_TRY(mq_call_out(c, 3, MQ_INT64, 1, &n_groups, &count));
    for (int64_t i = 0; i < n_groups; i++) {
        if (first)
            ((int64_t *)first)[i] = g[i].first;
        if (count)
            ((int64_t *)count)[i] = g[i].count;
    }
    if (in && n > 0)
        memcpy(in, inverse, (size_t)n * sizeof(*inverse));
done:
    return rc;
}

static mq_status op_unique(mq_call *c)
{
    const bool flat = !mq_node_attr(c->node, "axis");
    const mq_array *a;
    int64_t dims[MQ_MAX_RANK], outer = 1, inner = 1, n, n_groups = 0, *inverse;
    group *g;
    items it;
    int axis = 0;
    size_t bytes;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    a = c->in[0];
    if (!flat)
        MQ_TRY(mq_call_axis(c, mq_node_attr_int(c->node, "axis", 0), a->rank, &axis));
    for (int i = 0; i < a->rank && !flat; i++)
        dims[i] = a->dims[i];
    n = flat || a->count == 0 ? (int64_t)a->count : a->dims[axis];
    if (!flat && a->count > 0) {
        outer = mq_span(a->dims, 0, axis);
        inner = mq_span(a->dims, axis + 1, a->rank);
    }
    MQ_TRY(make_items(c, a, outer, n, inner, &it));
    MQ_TRY(make_groups(c, &it, mq_node_attr_int(c->node, "sorted", 1) != 0, &g, &n_groups, &inverse));
    MQ_TRY(write_lists(c, g, n_groups, inverse, n));
    dims[axis] = n_groups;
    MQ_TRY(mq_call_out(c, 0, a->dtype, flat ? 1 : a->rank, dims, &out));
    bytes = (size_t)inner * mq_array_elem_size(a);
    for (int64_t o = 0; o < outer && out; o++)
        for (int64_t i = 0; i < n_groups; i++)
            memcpy((char *)out + (size_t)(o * n_groups + i) * bytes,
                   (const char *)a->data + (size_t)(o * n + g[i].first) * bytes, bytes);
done:
    return rc;
}

const mq_kernel mq_kernels_order[] = {
    { "", "TopK", op_top_k, MQ_KERNEL_WIDEN },
    { "", "Unique", op_unique, MQ_KERNEL_WIDEN },
    { 0 },
};
