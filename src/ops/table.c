/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* The one list of operator families, and looking up an operator's row in it. Families are small sorted arrays; the list
 * is walked and each searched by halves, which costs less than a microsecond and needs no index built at run time. */
#include <stdlib.h>
#include <string.h>

#include "base/compiler.h"
#include "ops/families.h"

typedef struct family {
    const mq_op_rule *rules;
    const size_t *n;
} family;

#define ROW(name) { mq_rules_##name, &mq_rules_##name##_n },
static const family families[] = { MQ_FAMILIES(ROW) };
#undef ROW

/* As strcmp; most names that a search meets differ in their first letter. */
static int order(const char *a, const char *b)
{
    return *a != *b ? (unsigned char)*a - (unsigned char)*b : strcmp(a, b);
}

static int rule_order(const void *key, const void *row)
{
    const mq_op_rule *k = key, *r = row;
    const int c = order(k->domain, r->domain);

    return c ? c : order(k->name, r->name);
}

const mq_op_rule *mq_rule_find(const char *domain, const char *op_type)
{
    const mq_op_rule key = { .domain = domain, .name = op_type };

    for (size_t i = 0; i < MQ_ARRAY_LEN(families); i++) {
        const mq_op_rule *r = bsearch(&key, families[i].rules, *families[i].n, sizeof *r, rule_order);

        if (r)
            return r;
    }
    return NULL;
}
