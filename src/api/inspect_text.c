/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Texts of an inspection: types, shapes, operators. */
#include <inttypes.h>
#include <string.h>

#include "api/inspect_parts.h"

const char *mq_inspect_keep(mq_inspect_ctx *c, mq_str *text)
{
    const char *kept = text->failed ? NULL : mq_arena_strdup(c->arena, text->s ? text->s : "");
    mq_str_release(text);
    return kept;
}

const char *mq_inspect_type_text(mq_inspect_ctx *c, const mq_type *t)
{
    char text[256];

    if (!t || t->kind == MQ_TYPE_UNKNOWN)
        return "?";
    if (t->kind == MQ_TYPE_TENSOR)
        return t->dtype == MQ_UNDEFINED ? "?" : mq_dtype_name(t->dtype);
    mq_type_text(t, text, sizeof text);
    return mq_arena_strdup(c->arena, text);
}

const char *mq_inspect_shape_text(mq_inspect_ctx *c, const mq_type *t)
{
    mq_str s = { 0 };

    if (t && t->kind != MQ_TYPE_TENSOR && t->kind != MQ_TYPE_UNKNOWN)
        return "";
    if (!t || t->kind == MQ_TYPE_UNKNOWN || t->rank < 0)
        return "?";
    if (t->rank == 0)
        return "scalar";
    for (int i = 0; i < t->rank; i++) {
        mq_str_add(&s, i ? ", " : "[");
        if (mq_dim_known(t->dims[i]))
            mq_str_addf(&s, "%" PRId64, t->dims[i].value);
        else
            mq_str_add(&s, t->dims[i].symbol && *t->dims[i].symbol ? t->dims[i].symbol : "?");
    }
    mq_str_add(&s, "]");
    return mq_inspect_keep(c, &s);
}

const char *mq_inspect_dims_text(mq_inspect_ctx *c, const int64_t *dims, int n_dims)
{
    mq_str s = { 0 };

    if (n_dims == 0)
        return "scalar";
    for (int i = 0; i < n_dims; i++)
        mq_str_addf(&s, "%s%" PRId64, i ? ", " : "[", dims[i]);
    mq_str_add(&s, "]");
    return mq_inspect_keep(c, &s);
}

mq_status mq_inspect_value_of(mq_inspect_ctx *c, const mq_value *v, const mq_type *t, mq_inspect_value *out,
                              mq_error *err)
{
    *out = (mq_inspect_value){ v ? v->name : "", v ? mq_inspect_type_text(c, t) : "", v ? mq_inspect_shape_text(c, t) : "" };
    return out->type && out->shape ? MQ_OK : mq_oom(err);
}

const char *mq_inspect_op_text(mq_inspect_ctx *c, const mq_node *n)
{
    const char *domain = mq_domain_norm(n->domain);
    return *domain ? mq_arena_printf(c->arena, "%s::%s", domain, n->op_type) : n->op_type;
}

const char *mq_inspect_node_text(mq_inspect_ctx *c, const mq_node *n)
{
    return mq_arena_printf(c->arena, "%s (%s)", mq_node_label(n), n->op_type);
}
