/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Changes of the element type: Cast, CastLike, BitCast. Contents go along from integers (and bool) to integers; a detour
 * through floating types is not followed. */
#include <ctype.h>

#include "base/compiler.h"
#include "ops/contents.h"
#include "ops/families.h"

/* Before opset 6 the type is spelled out: to="FLOAT". */
static mq_status named_type(const mq_infer *in, const mq_attr *to, mq_dtype *out)
{
    char name[32];

    if (to->s.n >= sizeof name)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'to' is no data type");
    for (size_t i = 0; i < to->s.n; i++)
        name[i] = (char)tolower(((const unsigned char *)to->s.data)[i]);
    name[to->s.n] = '\0';
    *out = mq_dtype_from_name(name);
    if (*out == MQ_UNDEFINED)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute 'to' is '%s', which is no data type", name);
    return MQ_OK;
}

static mq_status target_type(const mq_infer *in, mq_dtype *out)
{
    const mq_attr *to = mq_node_attr(in->node, "to");

    if (to && !to->ref && to->type == MQ_ATTR_STRING)
        return named_type(in, to, out);
    return mq_attr_dtype(in, "to", MQ_UNDEFINED, out);
}

/* To bool everything but 0 is 1; numbers that the type cannot hold become unknown in mq_out_contents, and so do symbols
 * in types that may be too small for a size. */
static mq_status convert_contents(mq_infer *in, mq_dtype to)
{
    const bool wide = mq_dtype_is_integer(to) && mq_dtype_bits(to) >= 32;
    size_t n;
    const mq_dim *e = mq_in_known(in, 0, &n);
    mq_dim *result;

    if (!e || n > MQ_KNOWN_MAX)
        return MQ_OK;
    result = mq_dims_new(in, (int)n);
    if (!result)
        return mq_oom(in->err);
    for (size_t k = 0; k < n; k++) {
        if (mq_elem_known(e[k]))
            result[k] = to == MQ_BOOL ? MQ_DIM(e[k].value != 0) : e[k];
        else
            result[k] = wide ? e[k] : MQ_ELEM_UNKNOWN;
    }
    return mq_out_contents(in, 0, result, n);
}

static mq_status out_as(mq_infer *in, mq_dtype to)
{

    MQ_RULE_TRY(mq_out_shape(in, 0, mq_in_rank(in, 0), mq_in_dims(in, 0)));
    if (to == MQ_UNDEFINED)
        return MQ_OK;
    MQ_RULE_TRY(mq_out_dtype(in, 0, to));
    MQ_RULE_TRY(convert_contents(in, to));
    return MQ_OK;
}

static mq_status infer_cast(mq_infer *in)
{
    mq_dtype to = MQ_UNDEFINED;

    MQ_RULE_TRY(target_type(in, &to));
    MQ_RULE_TRY(out_as(in, to));
    return MQ_OK;
}

static mq_status infer_cast_like(mq_infer *in)
{
    return out_as(in, mq_in_dtype(in, 1));
}

static mq_status infer_bit_cast(mq_infer *in)
{
    mq_dtype from = mq_in_dtype(in, 0), to = MQ_UNDEFINED;

    MQ_RULE_TRY(target_type(in, &to));
    if (from == MQ_STRING || to == MQ_STRING)
        return mq_fail(in->err, MQ_ERR_INPUT, "strings have no bits to cast");
    if (from != MQ_UNDEFINED && to != MQ_UNDEFINED && mq_dtype_bits(from) != mq_dtype_bits(to))
        return mq_fail(in->err, MQ_ERR_INPUT, "the input is %s, but the result %s, of another width",
                       mq_dtype_name(from), mq_dtype_name(to));
    MQ_RULE_TRY(mq_out_shape(in, 0, mq_in_rank(in, 0), mq_in_dims(in, 0)));
    if (to == MQ_UNDEFINED)
        return MQ_OK;
    MQ_RULE_TRY(mq_out_dtype(in, 0, to));
    if (mq_dtype_is_integer(from) && mq_dtype_is_integer(to))
        MQ_RULE_TRY(convert_contents(in, to));
    return MQ_OK;
}

const mq_op_rule mq_rules_cast[] = {
    { "", "BitCast", infer_bit_cast, NULL, NULL },
    { "", "Cast", infer_cast, NULL, NULL },
    { "", "CastLike", infer_cast_like, NULL, NULL },
};
const size_t mq_rules_cast_n = MQ_ARRAY_LEN(mq_rules_cast);
