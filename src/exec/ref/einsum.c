/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Einsum of any number of inputs, from left to right: each step turns the result so far and the next input into a batch of
 * matrix products over the indices that both have. Repeated indices are diagonals; indices that nobody needs any more are
 * summed first. Integers are computed in 64 bits, which wraps to the same low bits. */
#include "ops/einsum.h"

#include <string.h>

#include "exec/ref/families.h"
#include "exec/ref/gemm.h"
#include "exec/ref/util.h"

enum { LETTERS = 52, ELLIPSIS_AXES = MQ_MAX_RANK, LABELS = LETTERS + ELLIPSIS_AXES };

/* A tensor whose axes have labels, each once. */
typedef struct term {
    int rank;
    int label[LABELS];
    int64_t stride[LABELS];
    const char *data; /* of the job's element type */
} term;

typedef struct job {
    mq_call *c;
    mq_dtype dtype; /* computed in */
    size_t elem;
    int64_t dim[LABELS];     /* -1: not seen */
    int uses[LABELS];        /* terms still to come that have it, the result counted */
} job;

static int label_of(char ch)
{
    return ch >= 'a' ? ch - 'a' + 26 : ch - 'A';
}

static bool has(const term *t, int label)
{
    for (int d = 0; d < t->rank; d++) {
        if (t->label[d] == label)
            return true;
    }
    return false;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

/* The labels of a term of `rank` axes; the ellipsis' axes are numbered from its last one. */
static mq_status labels_of(job *j, const mq_einsum_term *e, int rank, int *labels)
{
    const int hidden = rank - e->n_letters;
    int n = 0;

    if (hidden < 0 || (hidden > 0 && !e->ellipsis))
        return mq_call_fail(j->c, "a term has %d indices for %d axes", e->n_letters, rank);
    for (int i = 0; i < e->n; i++) {
        if (e->labels[i] != MQ_EINSUM_ELLIPSIS)
            labels[n++] = label_of(e->labels[i]);
        else
            for (int k = hidden - 1; k >= 0; k--)
                labels[n++] = LETTERS + k;
    }
    return MQ_OK;
}

/* Sizes of indices; 1 stretches, as in NumPy. */
static mq_status note_sizes(job *j, const mq_array *a, const int *labels)
{
    for (int d = 0; d < a->rank; d++) {
        int64_t *dim = &j->dim[labels[d]];
        if (*dim < 0 || *dim == 1)
            *dim = a->dims[d];
        else if (*dim != a->dims[d] && a->dims[d] != 1)
            return mq_call_fail(j->c, "an index has %lld elements and %lld", (long long)*dim, (long long)a->dims[d]);
    }
    return MQ_OK;
}

/* Input i as a term: an axis for each label, strides of repeated ones added up, of stretched ones 0. */
static void read_term(const job *j, const mq_array *a, const int *labels, const void *data, term *t)
{
    int64_t strides[MQ_MAX_RANK];

    memset(t, 0, sizeof *t);
    t->data = data;
    mq_strides(a->rank, a->dims, strides);
    for (int d = 0; d < a->rank; d++) {
        const int64_t stride = a->dims[d] == 1 && j->dim[labels[d]] != 1 ? 0 : strides[d];
        int k = 0;
        while (k < t->rank && t->label[k] != labels[d])
            k++;
        if (k == t->rank) {
            t->label[t->rank++] = labels[d];
            t->stride[k] = 0;
        }
        t->stride[k] += stride;
    }
}

/* Small integers to 64 bits, in scratch memory. */
static mq_status wide_copy(job *j, const mq_array *a, const void **out)
{
    uint64_t *w = mq_call_scratch(j->c, a->count * sizeof *w + 1);

    if (!w)
        return MQ_ERR_NOMEM;
    for (size_t i = 0; i < a->count; i++)
        w[i] = (uint64_t)mq_array_i64(a, i);
    *out = w;
    return MQ_OK;
}

/* ---- steps -------------------------------------------------------------------------------------------------------- */

#define COPY(T)                                                                                                      \
    static void copy_##T(const T *from, int64_t step, T *to, int64_t n, bool add)                                    \
    {                                                                                                                \
        for (int64_t i = 0; i < n; i++)                                                                              \
            to[i] = add ? to[i] + from[i * step] : from[i * step];                                                   \
    }
COPY(float)
COPY(double)
COPY(uint64_t)

/* to[i] (+)= from[i * step]. */
static void copy_row(mq_dtype dtype, const void *from, int64_t step, void *to, int64_t n, bool add)
{
    if (dtype == MQ_FLOAT)
        copy_float(from, step, to, n, add);
    else if (dtype == MQ_DOUBLE)
        copy_double(from, step, to, n, add);
    else
        copy_uint64_t(from, step, to, n, add);
}

/* Product of the sizes of n labels; false when it is out of bounds. */
static bool product(const job *j, const int *labels, int n, int64_t *out)
{
    *out = 1;
    for (int k = 0; k < n; k++) {
        if (j->dim[labels[k]] == 0) {
            *out = 0;
            return true;
        }
    }
    for (int k = 0; k < n; k++) {
        if (__builtin_mul_overflow(*out, j->dim[labels[k]], out))
            return false;
    }
    return *out < INT64_MAX / 64;
}

/* The term with its axes in the order of `labels`, row-major, in `to`; labels that it lacks are repeated; its axes that are
 * not among them are summed. */
static mq_status lay_out(const job *j, const term *t, const int *labels, int n, char *to)
{
    int64_t dims[LABELS], strides[LABELS], sum_dims[LABELS], sum_strides[LABELS], rows = 1, sums = 1;
    int n_sums = 0, sum_labels[LABELS];
    const int last = n - 1;

    for (int k = 0; k < n; k++) {
        dims[k] = j->dim[labels[k]];
        strides[k] = 0;
        for (int d = 0; d < t->rank; d++)
            strides[k] = t->label[d] == labels[k] ? t->stride[d] : strides[k];
        rows *= k < last ? dims[k] : 1;
    }
    for (int d = 0; d < t->rank; d++) {
        bool kept = false;
        for (int k = 0; k < n; k++)
            kept = kept || labels[k] == t->label[d];
        if (!kept) {
            sum_labels[n_sums] = t->label[d];
            sum_dims[n_sums] = j->dim[t->label[d]];
            sum_strides[n_sums++] = t->stride[d];
        }
    }
    if (!product(j, sum_labels, n_sums, &sums))
        return mq_call_fail(j->c, "too many elements to add");
    const int64_t width = n > 0 ? dims[last] : 1, step = n > 0 ? strides[last] : 0;
    const int threads = mq_call_threads(j->c, rows * width);
#pragma omp parallel for num_threads(threads) if (threads > 1)
    for (int64_t r = 0; r < rows; r++) {
        const int64_t at = n > 1 ? mq_offset_at(last, dims, strides, r) : 0;
        char *row = to + (size_t)(r * width) * j->elem;
        if (sums == 0)
            memset(row, 0, (size_t)width * j->elem);
        for (int64_t s = 0; s < sums; s++) {
            const int64_t more = mq_offset_at(n_sums, sum_dims, sum_strides, s);
            copy_row(j->dtype, t->data + (size_t)(at + more) * j->elem, step, row, width, s > 0);
        }
    }
    return MQ_OK;
}

/* t becomes a plain tensor of these labels. */
static mq_status settle(job *j, term *t, const int *labels, int n)
{
    int64_t count = 0, step = 1;
    mq_status rc = MQ_OK;

    if (!product(j, labels, n, &count))
        return mq_call_fail(j->c, "an intermediate result is too large");
    char *to = mq_call_scratch(j->c, (size_t)count * j->elem + 1);
    if (!to)
        return MQ_ERR_NOMEM;
    if (count > 0)
        MQ_TRY(lay_out(j, t, labels, n, to));
    t->rank = n;
    t->data = to;
    for (int k = n - 1; k >= 0; k--) {
        t->label[k] = labels[k];
        t->stride[k] = step;
        step *= count > 0 ? j->dim[labels[k]] : 1;
    }
done:
    return rc;
}

/* The indices of a step, by what becomes of them. */
typedef struct sorted {
    int batch[LABELS], left[LABELS], right[LABELS], inner[LABELS];
    int n_batch, n_left, n_right, n_inner;
} sorted;

static void sort_labels(const job *j, const term *a, const term *b, sorted *s)
{
    memset(s, 0, sizeof *s);
    for (int d = 0; d < a->rank; d++) {
        const int l = a->label[d];
        if (!has(b, l)) {
            if (j->uses[l] > 0)
                s->left[s->n_left++] = l;
        } else if (j->uses[l] > 0) {
            s->batch[s->n_batch++] = l;
        } else {
            s->inner[s->n_inner++] = l;
        }
    }
    for (int d = 0; d < b->rank; d++) {
        if (!has(a, b->label[d]) && j->uses[b->label[d]] > 0)
            s->right[s->n_right++] = b->label[d];
    }
}

static int append(int *to, int n, const int *from, int more)
{
    memcpy(to + n, from, (size_t)more * sizeof *to);
    return n + more;
}

/* a = a times b. */
static mq_status multiply(job *j, term *a, term *b)
{
    sorted s;
    int labels[LABELS], n;
    int64_t batch = 0, rows = 0, cols = 0, inner = 0, count = 0;
    mq_status rc = MQ_OK;

    sort_labels(j, a, b, &s);
    n = append(labels, append(labels, append(labels, 0, s.batch, s.n_batch), s.left, s.n_left), s.inner, s.n_inner);
    MQ_TRY(settle(j, a, labels, n));
    n = append(labels, append(labels, append(labels, 0, s.batch, s.n_batch), s.inner, s.n_inner), s.right, s.n_right);
    MQ_TRY(settle(j, b, labels, n));
    n = append(labels, append(labels, append(labels, 0, s.batch, s.n_batch), s.left, s.n_left), s.right, s.n_right);
    if (!product(j, labels, n, &count) || !product(j, s.batch, s.n_batch, &batch) || !product(j, s.left, s.n_left, &rows) ||
        !product(j, s.right, s.n_right, &cols) || !product(j, s.inner, s.n_inner, &inner))
        return mq_call_fail(j->c, "an intermediate result is too large");
    char *to = mq_call_scratch(j->c, (size_t)count * j->elem + 1);
    int64_t *at = count > 0 ? mq_call_scratch(j->c, (size_t)batch * 3 * sizeof *at) : NULL;
    if (!to || (count > 0 && !at))
        return MQ_ERR_NOMEM;
    for (int64_t q = 0; count > 0 && q < batch; q++) {
        at[q] = q * rows * inner;
        at[batch + q] = q * inner * cols;
        at[2 * batch + q] = q * rows * cols;
    }
    const mq_gemm g = { .dtype = j->dtype, .m = rows, .n = cols, .k = inner, .a = a->data, .b = b->data, .c = to,
                        .a_row = inner, .a_col = 1, .b_row = cols, .b_col = 1, .c_row = cols, .batch = batch, .a_at = at,
                        .b_at = at + batch, .c_at = at + 2 * batch };
    if (count > 0)
        MQ_TRY(mq_gemm_run(j->c, &g));
    a->data = to;
    a->rank = n;
    int64_t step = 1;
    for (int k = n - 1; k >= 0; k--) {
        a->label[k] = labels[k];
        a->stride[k] = step;
        step *= count > 0 ? j->dim[labels[k]] : 1;
    }
done:
    return rc;
}

/* ---- the operator ------------------------------------------------------------------------------------------------- */

/* From the type that was computed in. */
static void store(const job *j, const char *from, mq_array *y)
{
    const uint64_t *w = (const uint64_t *)(const void *)from;

    if (y->dtype == j->dtype) {
        memcpy(y->data, from, mq_array_bytes(y));
        return;
    }
    for (size_t i = 0; i < y->count; i++) {
        switch (mq_array_elem_size(y)) {
        case 1: ((uint8_t *)y->data)[i] = (uint8_t)w[i]; break;
        case 2: ((uint16_t *)y->data)[i] = (uint16_t)w[i]; break;
        case 4: ((uint32_t *)y->data)[i] = (uint32_t)w[i]; break;
        default: ((uint64_t *)y->data)[i] = w[i]; break;
        }
    }
}

static mq_status read_all(job *j, const mq_einsum *e, term *terms, int *out, int *n_out)
{
    mq_call *c = j->c;
    int labels[MQ_MAX_RANK], hidden = 0;
    mq_status rc = MQ_OK;

    for (size_t i = 0; i < c->n_in; i++) {
        if (c->in[i]->dtype != c->in[0]->dtype)
            return mq_call_fail(c, "inputs have different element types");
        MQ_TRY(labels_of(j, &e->in[i], c->in[i]->rank, labels));
        MQ_TRY(note_sizes(j, c->in[i], labels));
        if (e->in[i].ellipsis && c->in[i]->rank - e->in[i].n_letters > hidden)
            hidden = c->in[i]->rank - e->in[i].n_letters;
    }
    for (size_t i = 0; i < c->n_in; i++) {
        const void *data = c->in[i]->data;
        MQ_TRY(labels_of(j, &e->in[i], c->in[i]->rank, labels));
        if (j->dtype == MQ_INT64)
            MQ_TRY(wide_copy(j, c->in[i], &data));
        read_term(j, c->in[i], labels, data, &terms[i]);
        for (int d = 0; d < terms[i].rank; d++)
            j->uses[terms[i].label[d]]++;
    }
    *n_out = e->out.n_letters + (e->out.ellipsis ? hidden : 0);
    if (*n_out > MQ_MAX_RANK)
        return mq_call_fail(c, "the result would have rank %d; at most %d is allowed", *n_out, MQ_MAX_RANK);
    MQ_TRY(labels_of(j, &e->out, *n_out, out));
    for (int d = 0; d < *n_out; d++) {
        if (j->dim[out[d]] < 0)
            return mq_call_fail(c, "an index of the result is in no input");
        j->uses[out[d]]++;
    }
done:
    return rc;
}

static mq_status check(mq_call *c, const mq_einsum *e)
{
    mq_status rc = MQ_OK;

    MQ_TRY(mq_call_need(c, c->n_in));
    if (c->n_in < 1 || e->n_in != c->n_in)
        return mq_call_fail(c, "the equation has %zu terms, the node %zu inputs", e->n_in, c->n_in);
    if (!mq_dtype_is_integer(c->in[0]->dtype) && c->in[0]->dtype != MQ_FLOAT && c->in[0]->dtype != MQ_DOUBLE)
        return mq_call_bad_type(c, c->in[0]->dtype);
done:
    return rc;
}

static mq_status op_einsum(mq_call *c)
{
    const mq_attr *equation = mq_node_attr(c->node, "equation");
    job j = { .c = c };
    mq_einsum e;
    int out[LABELS] = { 0 }, n_out = 0;
    int64_t dims[MQ_MAX_RANK];
    mq_status rc = MQ_OK;

    if (!equation || equation->type != MQ_ATTR_STRING)
        return mq_call_fail(c, "attribute 'equation' is missing");
    MQ_TRY(mq_einsum_parse(c->arena, equation->s, &e, c->err));
    MQ_TRY(check(c, &e));
    for (int l = 0; l < LABELS; l++)
        j.dim[l] = -1;
    j.dtype = mq_dtype_is_integer(c->in[0]->dtype) ? MQ_INT64 : c->in[0]->dtype;
    j.elem = (size_t)mq_dtype_bits(j.dtype) / 8;
    term *terms = mq_call_scratch(c, c->n_in * sizeof *terms);
    if (!terms)
        return MQ_ERR_NOMEM;
    MQ_TRY(read_all(&j, &e, terms, out, &n_out));
    for (int d = 0; d < n_out; d++)
        dims[d] = j.dim[out[d]];
    MQ_TRY(mq_call_out(c, 0, c->in[0]->dtype, n_out, dims, NULL));
    if (c->out[0]->count == 0)
        return MQ_OK;
    for (int d = 0; d < terms[0].rank; d++)
        j.uses[terms[0].label[d]]--;
    for (size_t i = 1; i < c->n_in; i++) {
        for (int d = 0; d < terms[i].rank; d++)
            j.uses[terms[i].label[d]]--;
        MQ_TRY(multiply(&j, &terms[0], &terms[i]));
    }
    MQ_TRY(settle(&j, &terms[0], out, n_out));
    store(&j, terms[0].data, c->out[0]);
done:
    return rc;
}

const mq_kernel mq_kernels_einsum[] = {
    { "", "Einsum", op_einsum, MQ_KERNEL_WIDEN },
    { 0 },
};
