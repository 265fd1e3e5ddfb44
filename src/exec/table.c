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

/* Hundreds of names are looked through for every node: most differ in their first letters. */
static bool is_op(const char *op, const char *domain, const char *wanted, const char *wanted_domain)
{
    return op[0] == wanted[0] && op[1] == wanted[1] && strcmp(op, wanted) == 0 && strcmp(domain, wanted_domain) == 0;
}

const mq_kernel *mq_kernel_find(const char *domain, const char *op)
{
    for (size_t f = 0; *op && f < MQ_ARRAY_LEN(families); f++)
        for (const mq_kernel *k = families[f]; k->op; k++)
            if (is_op(k->op, k->domain, op, domain))
                return k;
    return NULL;
}

const mq_fast *mq_fast_find(const char *domain, const char *op, const mq_fast *after)
{
    bool seen = !after;

    for (size_t f = 0; *op && mq_fast_tables[f]; f++)
        for (const mq_fast *k = mq_fast_tables[f]; k->op; k++) {
            if (seen && is_op(k->op, k->domain, op, domain))
                return k;
            seen |= k == after;
        }
    return NULL;
}
