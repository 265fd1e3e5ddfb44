/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Packed matrices of 8-bit weights that carry the sums of their columns, for products whose first matrix has a zero point.
 * The library makes these by a path of plain C++ (4 ns for each weight: half of what it took to start an int8 encoder); its
 * compiled one does the packing alone, and sums are added here. Version 2.6 keeps them, negated, as int32 behind the
 * weights. */
#include "base/compiler.h"
#include "exec/onednn/lib.h"

bool mq_dn_without_sums(const mq_dn_desc *d, mq_dn_desc *bare)
{
    *bare = *d;
    if (d->md.ndims != 2 || d->md.data_type != dnnl_s8 || d->md.format_kind != dnnl_blocked ||
        d->md.extra.flags != dnnl_memory_extra_flag_compensation_conv_asymmetric_src ||
        d->md.extra.asymm_compensation_mask != 2)
        return false;
    bare->md.extra = (dnnl_memory_extra_desc_t){ 0 };
    if (mq_dn_bytes(d) >= mq_dn_bytes(bare) + (size_t)d->md.padded_dims[1] * sizeof(int32_t))
        return true;
    *bare = *d;
    return false;
}

MQ_CLONES(void, subtract, (const int8_t *restrict row, int64_t n, int32_t *restrict sums), (row, n, sums))
{
    for (int64_t i = 0; i < n; i++)
        sums[i] -= row[i];
}

MQ_CLONES(int32_t, sum_of, (const int8_t *column, int64_t n), (column, n))
{
    int32_t sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += column[i];
    return sum;
}

void mq_dn_write_sums(const mq_dn_desc *plain, const int8_t *from, const mq_dn_desc *bare, void *to)
{
    const int64_t k = plain->md.dims[0], n = plain->md.dims[1];
    const int64_t row = plain->md.format_desc.blocking.strides[0], column = plain->md.format_desc.blocking.strides[1];
    int32_t *sums = (int32_t *)(void *)((char *)to + mq_dn_bytes(bare));

    for (int64_t i = 0; i < bare->md.padded_dims[1]; i++)
        sums[i] = 0;
    for (int64_t i = 0; column == 1 && i < k; i++)
        subtract(from + i * row, n, sums);
    for (int64_t i = 0; column != 1 && row == 1 && i < n; i++)
        sums[i] = -sum_of(from + i * column, k);
    for (int64_t i = 0; column != 1 && row != 1 && i < n; i++)
        for (int64_t j = 0; j < k; j++)
            sums[i] -= from[i * column + j * row];
}
