/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Transpose and what is one by another name (DepthToSpace, SpaceToDepth); Trilu. */
#include "exec/ref/move.h"

#include <string.h>

/* perm of the node, or the axes reversed; MQ_ERR_INPUT when it is no permutation. */
static mq_status get_perm(mq_call *c, int rank, int perm[MQ_MAX_RANK])
{
    bool seen[MQ_MAX_RANK] = { 0 };
    size_t n;
    const int64_t *given = mq_node_attr_ints(c->node, "perm", &n);

    for (int i = 0; i < rank; i++)
        perm[i] = rank - 1 - i;
    if (!given)
        return MQ_OK;
    if ((int64_t)n != rank)
        return mq_call_fail(c, "perm has %zu elements, the input rank %d", n, rank);
    for (int i = 0; i < rank; i++) {
        const int64_t p = given[i] < 0 && given[i] >= -rank ? given[i] + rank : given[i];

        if (p < 0 || p >= rank || seen[p])
            return mq_call_fail(c, "perm is no permutation: element %d is %lld", i, (long long)given[i]);
        seen[p] = true;
        perm[i] = (int)p;
    }
    return MQ_OK;
}

/* Do the axes of more than one element keep their order? */
static bool keeps_order(int rank, const int64_t *dims, const int *perm)
{
    int last = -1;

    for (int i = 0; i < rank; i++) {
        if (dims[perm[i]] == 1)
            continue;
        if (perm[i] < last)
            return false;
        last = perm[i];
    }
    return true;
}

static mq_status op_transpose(mq_call *c)
{
    const mq_array *in;
    int64_t dims[MQ_MAX_RANK];
    int perm[MQ_MAX_RANK];
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    in = c->in[0];
    MQ_TRY(get_perm(c, in->rank, perm));
    for (int i = 0; i < in->rank; i++)
        dims[i] = in->dims[perm[i]];
    if (in->count == 0 || keeps_order(in->rank, in->dims, perm))
        return mq_call_out_view(c, 0, 0, in->rank, dims);
    MQ_TRY(mq_call_out(c, 0, in->dtype, in->rank, dims, &out));
    if (out)
        mq_transpose(in->data, out, in->rank, in->dims, perm, mq_array_elem_size(in), c->n_threads);
done:
    return rc;
}

/* ---- blocks ------------------------------------------------------------------------------------------------------- */

static mq_status get_block(mq_call *c, int64_t *block, bool *crd)
{
    const mq_status rc = mq_call_need(c, 1);

    if (rc != MQ_OK)
        return rc;
    if (c->in[0]->rank != 4)
        return mq_call_fail(c, "the input has rank %d; 4 is wanted", c->in[0]->rank);
    *block = mq_node_attr_int(c->node, "blocksize", 0);
    if (*block < 1 || *block > INT32_MAX)
        return mq_call_fail(c, "blocksize is %lld", (long long)*block);
    *crd = mq_node_attr_is(c->node, "mode", "CRD");
    if (!*crd && mq_node_attr(c->node, "mode") && !mq_node_attr_is(c->node, "mode", "DCR"))
        return mq_call_fail(c, "mode is neither 'DCR' nor 'CRD'");
    return MQ_OK;
}

static mq_status transpose6(mq_call *c, const int64_t split[6], const int perm[6], const int64_t dims[4])
{
    void *out;
    const mq_status rc = mq_call_out(c, 0, c->in[0]->dtype, 4, dims, &out);

    if (rc == MQ_OK && out)
        mq_transpose(c->in[0]->data, out, 6, split, perm, mq_array_elem_size(c->in[0]), c->n_threads);
    return rc;
}

static mq_status op_depth_to_space(mq_call *c)
{
    static const int dcr_perm[] = { 0, 3, 4, 1, 5, 2 }, crd_perm[] = { 0, 1, 4, 2, 5, 3 };
    int64_t b = 1, dims[4], split[6];
    const int64_t *d;
    bool crd = false;
    mq_status rc;

    MQ_TRY(get_block(c, &b, &crd));
    d = c->in[0]->dims;
    if (d[1] % (b * b) != 0)
        return mq_call_fail(c, "%lld channels cannot be split into blocks of %lld", (long long)d[1], (long long)(b * b));
    dims[0] = split[0] = d[0];
    dims[1] = d[1] / (b * b);
    if (__builtin_mul_overflow(d[2], b, &dims[2]) || __builtin_mul_overflow(d[3], b, &dims[3]))
        return mq_call_fail(c, "the result's dims are too large");
    split[1] = crd ? dims[1] : b;
    split[2] = b;
    split[3] = crd ? b : dims[1];
    split[4] = d[2];
    split[5] = d[3];
    rc = transpose6(c, split, crd ? crd_perm : dcr_perm, dims);
done:
    return rc;
}

static mq_status op_space_to_depth(mq_call *c)
{
    static const int dcr_perm[] = { 0, 3, 5, 1, 2, 4 }, crd_perm[] = { 0, 1, 3, 5, 2, 4 };
    int64_t b = 1, dims[4], split[6];
    const int64_t *d;
    bool crd = false;
    mq_status rc;

    MQ_TRY(get_block(c, &b, &crd));
    d = c->in[0]->dims;
    if (d[2] % b != 0 || d[3] % b != 0)
        return mq_call_fail(c, "%lld x %lld cannot be split into blocks of %lld", (long long)d[2], (long long)d[3],
                            (long long)b);
    dims[0] = split[0] = d[0];
    split[1] = d[1];
    dims[2] = split[2] = d[2] / b;
    dims[3] = split[4] = d[3] / b;
    split[3] = split[5] = b;
    if (__builtin_mul_overflow(d[1], b * b, &dims[1]))
        return mq_call_fail(c, "the result's dims are too large");
    rc = transpose6(c, split, crd ? crd_perm : dcr_perm, dims);
done:
    return rc;
}

/* ---- triangles ---------------------------------------------------------------------------------------------------- */

/* Columns [from, to) of row i are kept. */
static void kept_columns(int64_t i, int64_t columns, int64_t k, bool upper, int64_t *from, int64_t *to)
{
    const int64_t diagonal = i + k, edge = upper ? diagonal : diagonal + 1;
    const int64_t at = edge < 0 ? 0 : edge > columns ? columns : edge;

    *from = upper ? at : 0;
    *to = upper ? columns : at;
}

static mq_status op_trilu(mq_call *c)
{
    const bool upper = mq_node_attr_int(c->node, "upper", 1) != 0;
    const mq_array *in;
    int64_t k = 0, rows, columns, total;
    size_t n = 1, elem;
    void *out;
    mq_status rc;

    MQ_TRY(mq_call_need(c, 1));
    in = c->in[0];
    if (in->rank < 2)
        return mq_call_fail(c, "the input has rank %d; at least 2 is wanted", in->rank);
    if (mq_call_has(c, 1))
        MQ_TRY(mq_call_ints(c, 1, &k, 1, &n));
    if (n != 1)
        return mq_call_fail(c, "k has %zu elements; one is wanted", n);
    MQ_TRY(mq_call_out(c, 0, in->dtype, in->rank, in->dims, &out));
    if (!out || in->count == 0)
        return MQ_OK;
    rows = in->dims[in->rank - 2];
    columns = in->dims[in->rank - 1];
    k = k < -rows ? -rows : k > columns ? columns : k;
    total = (int64_t)in->count / columns;
    elem = mq_array_elem_size(in);
    #pragma omp parallel for num_threads(mq_call_threads(c, (int64_t)in->count))
    for (int64_t row = 0; row < total; row++) {
        const size_t start = (size_t)(row * columns) * elem;
        const char *src = (const char *)in->data + start;
        char *dst = (char *)out + start;
        int64_t from, to;

        kept_columns(row % rows, columns, k, upper, &from, &to);
        memset(dst, 0, (size_t)from * elem);
        memcpy(dst + (size_t)from * elem, src + (size_t)from * elem, (size_t)(to - from) * elem);
        memset(dst + (size_t)to * elem, 0, (size_t)(columns - to) * elem);
    }
done:
    return rc;
}

const mq_kernel mq_kernels_transpose[] = {
    { "", "DepthToSpace", op_depth_to_space, MQ_KERNEL_MOVES },
    { "", "SpaceToDepth", op_space_to_depth, MQ_KERNEL_MOVES },
    { "", "Transpose", op_transpose, MQ_KERNEL_MOVES },
    { "", "Trilu", op_trilu, MQ_KERNEL_MOVES },
    { 0 },
};
