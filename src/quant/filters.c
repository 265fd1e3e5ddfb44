/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "quant/filters.h"

#include <stdlib.h>
#include <string.h>

enum which { NODES, NOT_NODES, TENSORS, NOT_TENSORS, OPS, NOT_OPS, TYPES, N_FILTERS };

struct mq_quant_filters {
    mq_patterns *p[N_FILTERS];
    bool given[N_FILTERS];
    char **type_patterns; /* the part before '=' of each --tensor-type */
    mq_dtype *types;
    size_t n_types;
};

void mq_quant_filters_free(mq_quant_filters *f)
{
    if (!f)
        return;
    for (int i = 0; i < N_FILTERS; i++)
        mq_patterns_free(f->p[i]);
    for (size_t i = 0; i < f->n_types; i++)
        free(f->type_patterns[i]);
    free(f->type_patterns);
    free(f->types);
    free(f);
}

mq_status mq_quant_type(const char *option, const char *name, bool allow_float, mq_dtype *type, mq_error *err)
{
    mq_dtype t = mq_dtype_from_name(name);

    if ((mq_dtype_is_integer(t) && mq_dtype_bits(t) <= 16) || (allow_float && t == MQ_FLOAT)) {
        *type = t;
        return MQ_OK;
    }
    return mq_fail(err, MQ_ERR_USAGE, "%s: '%s' is none of int8, uint8, int4, uint4, int2, uint2, int16, uint16%s", option,
                   name, allow_float ? ", float" : "");
}

/* Splits "PATTERN=TYPE" at the last '='. */
static mq_status read_types(mq_quant_filters *f, mq_names types, mq_error *err)
{
    mq_status rc = MQ_OK;

    f->type_patterns = calloc(types.n + 1, sizeof *f->type_patterns);
    f->types = calloc(types.n + 1, sizeof *f->types);
    if (!f->type_patterns || !f->types)
        return mq_oom(err);
    for (size_t i = 0; rc == MQ_OK && i < types.n; i++) {
        const char *eq = strrchr(types.items[i], '=');
        if (!eq || eq == types.items[i])
            return mq_fail(err, MQ_ERR_USAGE, "--tensor-type: '%s' is not PATTERN=TYPE", types.items[i]);
        if (!(f->type_patterns[i] = strndup(types.items[i], (size_t)(eq - types.items[i]))))
            return mq_oom(err);
        f->n_types = i + 1;
        rc = mq_quant_type("--tensor-type", eq + 1, true, &f->types[i], err);
    }
    return rc;
}

mq_status mq_quant_filters_create(mq_quant_filters **out, const mq_quantize_opts *o, mq_error *err)
{
    static const char *const names[N_FILTERS] = { "--nodes",    "--exclude-nodes",    "--tensors",    "--exclude-tensors",
                                                  "--op-types", "--exclude-op-types", "--tensor-type" };
    mq_quant_filters *f = calloc(1, sizeof *f);
    mq_status rc = f ? read_types(f, o->tensor_types, err) : mq_oom(err);
    mq_names lists[N_FILTERS] = { o->nodes, o->exclude_nodes, o->tensors, o->exclude_tensors, o->op_types,
                                  o->exclude_op_types };

    if (f)
        lists[TYPES] = (mq_names){ (const char *const *)f->type_patterns, f->n_types };
    for (int i = 0; rc == MQ_OK && i < N_FILTERS; i++) {
        rc = mq_patterns_create(&f->p[i], names[i], lists[i].items, lists[i].n, err);
        f->given[i] = lists[i].n > 0;
    }
    if (rc == MQ_OK)
        *out = f;
    else
        mq_quant_filters_free(f);
    return rc;
}

void mq_quant_filters_offer_node(mq_quant_filters *f, const mq_node *n)
{
    mq_patterns_offer(f->p[NODES], mq_node_label(n));
    mq_patterns_offer(f->p[NOT_NODES], mq_node_label(n));
    mq_patterns_offer(f->p[OPS], n->op_type);
    mq_patterns_offer(f->p[NOT_OPS], n->op_type);
}

void mq_quant_filters_offer(mq_quant_filters *f, const mq_node *n, const mq_value *weight)
{
    mq_quant_filters_offer_node(f, n);
    mq_patterns_offer(f->p[TENSORS], weight->name);
    mq_patterns_offer(f->p[NOT_TENSORS], weight->name);
    mq_patterns_offer(f->p[TYPES], weight->name);
}

/* Every filter is asked, so that each learns that it matched. */
bool mq_quant_filters_exclude(mq_quant_filters *f, const mq_node *n)
{
    bool node = mq_patterns_match(f->p[NOT_NODES], mq_node_label(n));
    bool op = mq_patterns_match(f->p[NOT_OPS], n->op_type);

    return node || op;
}

bool mq_quant_filters_name_type(mq_quant_filters *f, const mq_node *n)
{
    return mq_patterns_match(f->p[OPS], n->op_type);
}

bool mq_quant_filters_want_node(mq_quant_filters *f, const mq_node *n)
{
    bool node = mq_patterns_match(f->p[NODES], mq_node_label(n)) || !f->given[NODES];
    bool op = mq_quant_filters_name_type(f, n) || !f->given[OPS];
    bool excluded = mq_quant_filters_exclude(f, n);

    return node && op && !excluded;
}

bool mq_quant_filters_want(mq_quant_filters *f, const mq_node *n, const mq_value *weight)
{
    bool tensor = mq_patterns_match(f->p[TENSORS], weight->name) || !f->given[TENSORS];
    bool not_tensor = mq_patterns_match(f->p[NOT_TENSORS], weight->name);
    bool wanted = mq_quant_filters_want_node(f, n);

    mq_quant_filters_type(f, weight);
    mq_patterns_find(f->p[TYPES], weight->name);
    return wanted && tensor && !not_tensor;
}

mq_dtype mq_quant_filters_type(mq_quant_filters *f, const mq_value *weight)
{
    int i = mq_patterns_find(f->p[TYPES], weight->name);
    return i < 0 ? MQ_UNDEFINED : f->types[i];
}

mq_status mq_quant_filters_check(const mq_quant_filters *f, mq_error *err)
{
    mq_status rc = MQ_OK;

    for (int i = 0; rc == MQ_OK && i < N_FILTERS; i++)
        rc = mq_patterns_check_used(f->p[i], err);
    return rc;
}
