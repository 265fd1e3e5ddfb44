/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
#include "quant/filters.h"

#include <stdlib.h>
#include <string.h>

void mq_quant_filters_free(mq_quant_filters *f)
{
    if (!f)
        return;
    mq_filters_free(f->which);
    mq_patterns_free(f->typed);
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
    const mq_filter_names names = { o->nodes,           o->exclude_nodes, o->tensors,
                                    o->exclude_tensors, o->op_types,      o->exclude_op_types };
    mq_quant_filters *f = calloc(1, sizeof *f);
    mq_status rc = MQ_OK;

    if (!f)
        return mq_oom(err);
    MQ_TRY(read_types(f, o->tensor_types, err));
    MQ_TRY(mq_filters_create(&f->which, &names, err));
    MQ_TRY(mq_patterns_create(&f->typed, "--tensor-type", (const char *const *)f->type_patterns, f->n_types, err));
    *out = f;
    f = NULL;
done:
    mq_quant_filters_free(f);
    return rc;
}

void mq_quant_filters_offer(mq_quant_filters *f, const mq_node *n, const mq_value *weight)
{
    mq_filters_offer(f->which, n, weight);
    mq_patterns_offer(f->typed, weight->name);
}

/* A weight that is not wanted is asked about as well, so that --tensor-type learns that it matched. */
bool mq_quant_filters_want(mq_quant_filters *f, const mq_node *n, const mq_value *weight)
{
    mq_patterns_find(f->typed, weight->name);
    return mq_filters_want(f->which, n, weight);
}

mq_dtype mq_quant_filters_type(mq_quant_filters *f, const mq_value *weight)
{
    int i = mq_patterns_find(f->typed, weight->name);
    return i < 0 ? MQ_UNDEFINED : f->types[i];
}

mq_status mq_quant_filters_check(const mq_quant_filters *f, mq_error *err)
{
    const mq_status rc = mq_filters_check(f->which, err);

    return rc == MQ_OK ? mq_patterns_check_used(f->typed, err) : rc;
}
