/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The one list of kernel families, and looking up an operator's kernels in it. */
#include <string.h>

#include "base/compiler.h"
#include "exec/fast.h"
#include "exec/ref/families.h"

#define ROW(name) mq_kernels_##name,
static const mq_kernel *const families[] = { MQ_KERNEL_FAMILIES(ROW) };
#undef ROW

const mq_kernel *mq_kernel_at(size_t i)
{
    for (size_t f = 0; f < MQ_ARRAY_LEN(families); f++)
        for (const mq_kernel *k = families[f]; k->op; k++)
            if (i-- == 0)
                return k;
    return NULL;
}

const mq_kernel *mq_kernel_find(const char *domain, const char *op)
{
    for (size_t f = 0; f < MQ_ARRAY_LEN(families); f++)
        for (const mq_kernel *k = families[f]; k->op; k++)
            if (strcmp(k->op, op) == 0 && strcmp(k->domain, domain) == 0)
                return k;
    return NULL;
}

const mq_fast *mq_fast_find(const char *domain, const char *op, const mq_fast *after)
{
    bool seen = !after;

    for (size_t f = 0; mq_fast_tables[f]; f++)
        for (const mq_fast *k = mq_fast_tables[f]; k->op; k++) {
            if (seen && strcmp(k->op, op) == 0 && strcmp(k->domain, domain) == 0)
                return k;
            seen |= k == after;
        }
    return NULL;
}
