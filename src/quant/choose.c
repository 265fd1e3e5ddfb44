/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* From the user's wishes to one weight's form, grid and scheme. Which constants are weights, and which of them have to stay
 * whatever the wishes, is decided in select.c. */
#include "quant/choose.h"

#include <string.h>

/* What one item is chosen by. */
struct choice {
    const mq_chooser *by;
    const mq_override *now; /* that of the item, or NULL */
    const mq_level *level;  /* likewise */
    mq_error *err;
};

static bool is_low_bit(mq_dtype t)
{
    return mq_dtype_bits(t) <= 4;
}

/* The largest power of two from 16 on that divides n; 0: none. */
static size_t adjusted_block(size_t n, size_t block)
{
    while (block >= 16 && n % block)
        block /= 2;
    return block >= 16 ? block : 0;
}

/* Block size for n elements along the axis; 0: the tensor stays (it->stay says why). */
static size_t choose_block(const struct choice *c, mq_quant_item *it, size_t n, mq_status *rc)
{
    size_t block = c->now && c->now->block_size ? c->now->block_size : (size_t)c->by->opts->block_size, smaller;

    if (n % block == 0)
        return block;
    switch (c->by->opts->block_fallback) {
    case MQ_BLOCK_ERROR:
        *rc = mq_fail(c->err, MQ_ERR_UNSUPPORTED, "weight '%s': blocks of %zu do not divide %zu (--block-fallback)",
                      it->value->name, block, n);
        return 0;
    case MQ_BLOCK_SKIP:
        it->stay = MQ_STAY_BLOCKS;
        return 0;
    case MQ_BLOCK_ADJUST:
        smaller = adjusted_block(n, block);
        return smaller ? smaller : block;
    default:
        return block;
    }
}

/* Is n a product whose weight, at input `at`, can be multiplied as integers? */
static bool is_integer_product(const mq_node *n, size_t at, int rank)
{
    if (mq_node_is(n, "", "MatMul"))
        return at == 1 && rank == 2;
    if (mq_node_is(n, "", "Gemm"))
        return at == 1 && !mq_node_attr_int(n, "transA", 0) && mq_node_attr_float(n, "alpha", 1) == 1 &&
               mq_node_attr_float(n, "beta", 1) == 1;
    return mq_node_is(n, "", "Conv") && rank >= 3;
}

/* Are all users such products, of one kind, so that one form of the integers serves them? */
static bool fits_dynamic(const mq_quant_item *it)
{
    const mq_value *v = it->value;

    for (size_t i = 0; i < v->uses.n; i++) {
        const mq_node *n = v->uses.items[i].node, *first = v->uses.items[0].node;
        if (!is_integer_product(n, v->uses.items[i].index, it->weight.source.n_dims) ||
            strcmp(n->op_type, first->op_type) != 0 ||
            mq_node_attr_int(n, "transB", 0) != mq_node_attr_int(first, "transB", 0) ||
            !v->type || v->type->dtype != MQ_FLOAT)
            return false;
    }
    return v->uses.n > 0;
}

/* Is v known to be a vector of n? */
static bool is_vector(const mq_value *v, int64_t n)
{
    return v->type && v->type->kind == MQ_TYPE_TENSOR && v->type->rank == 1 && v->type->dims[0].value == n;
}

/* Are all users products with it on the right, stored in the same order, which add a number to each column at most? */
static bool fits_nbits(const mq_quant_item *it)
{
    const mq_value *v = it->value;

    if (it->weight.source.n_dims != 2 || it->channel_axis < 0)
        return false;
    for (size_t i = 0; i < v->uses.n; i++) {
        const mq_node *n = v->uses.items[i].node, *first = v->uses.items[0].node;
        const mq_value *added = mq_node_is(n, "", "Gemm") && n->n_inputs > 2 ? n->inputs[2] : NULL;
        if (!is_integer_product(n, v->uses.items[i].index, 2) ||
            mq_node_attr_int(n, "transB", 0) != mq_node_attr_int(first, "transB", 0) ||
            (added && !is_vector(added, it->weight.source.dims[it->channel_axis])))
            return false;
    }
    return v->uses.n > 0;
}

static mq_dtype unsigned_of(mq_dtype t)
{
    switch (t) {
    case MQ_INT8: return MQ_UINT8;
    case MQ_INT4: return MQ_UINT4;
    case MQ_INT2: return MQ_UINT2;
    default: return t;
    }
}

bool mq_quant_is_symmetric(const mq_quantize_opts *o, mq_dtype t)
{
    if (o->symmetric != MQ_CHOICE_DEFAULT)
        return o->symmetric == MQ_CHOICE_YES;
    return t == MQ_INT8 || t == MQ_INT16;
}

/* The axis that the override asks for; -1: none, or that of the channels anyway. */
static int asked_axis(const struct choice *c, const mq_quant_item *it)
{
    int64_t axis = c->now && c->now->has_axis ? c->now->axis : it->channel_axis;

    axis += axis < 0 && c->now ? it->weight.source.n_dims : 0;
    return axis == it->channel_axis ? -1 : (int)axis;
}

static mq_treatment choose_treatment(const struct choice *c, const mq_quant_item *it, mq_dtype type)
{
    const mq_quantize_opts *o = c->by->opts;
    bool own = c->now && (c->now->has_axis || mq_override_is_explicit(c->now));
    bool nbits = o->format == MQ_FORMAT_NBITS && mq_dtype_bits(type) <= 8 && !own;

    if (asked_axis(c, it) >= 0 || (c->now && c->now->block_size && !nbits))
        return MQ_TREAT_DEQUANTIZE;
    if (it->embedding)
        return !is_low_bit(type)                                                    ? MQ_TREAT_EMBEDDING
               : nbits && mq_dtype_bits(type) == 4 && it->weight.source.n_dims >= 2 ? MQ_TREAT_GATHER_NBITS
                                                                                    : MQ_TREAT_DEQUANTIZE;
    if (o->mode == MQ_MODE_DYNAMIC && mq_dtype_bits(type) == 8 && fits_dynamic(it) &&
        !(c->level && c->level->float_inputs) &&
        (strcmp(it->op_type, "Conv") != 0 || o->per_tensor ||
         mq_quant_is_symmetric(o, type))) /* ConvInteger: one zero point */
        return MQ_TREAT_DYNAMIC;
    return nbits && fits_nbits(it) ? MQ_TREAT_NBITS : MQ_TREAT_DEQUANTIZE;
}

/* Blocks need room along the axis that is summed over; elsewhere (depthwise convolutions, the first layer) the type of the
 * ends is used, per channel. */
static bool has_room_for_blocks(const mq_quant_item *it)
{
    return it->reduce_axis >= 0 && it->weight.source.dims[it->reduce_axis] >= 16;
}

/* The view becomes its transposed matrix. */
static void turn_view(mq_quant_item *it)
{
    mq_source_transpose(&it->weight.source, (const int64_t[]){ 1, 0 });
    it->reduce_axis = 1 - it->reduce_axis;
    it->channel_axis = 1 - it->channel_axis;
}

static bool wants_blocks(const struct choice *c, mq_dtype type)
{
    if (c->now && (c->now->block_size || c->now->has_axis))
        return c->now->block_size > 0;
    return is_low_bit(type);
}

/* Integers times integers: in ONNX Runtime only a matrix on the right may have a scale per column; a left factor, or one
 * with more dimensions, has one scale. */
static bool takes_channels(const struct choice *c, const mq_quant_item *it)
{
    const int rank = it->weight.source.n_dims;

    if (it->channel_axis < 0 || it->weight.source.dims[it->channel_axis] == 1)
        return false;
    return c->by->opts->mode != MQ_MODE_STATIC || strcmp(it->op_type, "MatMul") != 0 ||
           (rank <= 2 && it->channel_axis == rank - 1) || (c->now && c->now->has_axis);
}

static mq_status choose_grid(const struct choice *c, mq_quant_item *it, mq_dtype type)
{
    mq_source *src = &it->weight.source;
    bool always = it->treatment == MQ_TREAT_NBITS || it->treatment == MQ_TREAT_GATHER_NBITS; /* they know nothing else */
    bool per_tensor = c->now && c->now->has_axis ? false : mq_override_is_per_tensor(c->now) || c->by->opts->per_tensor;
    mq_granularity kind = MQ_PER_TENSOR;
    size_t block = 0;
    mq_status rc = MQ_OK;

    if (it->treatment == MQ_TREAT_NBITS && it->channel_axis == 1) /* stored by rows of outputs */
        turn_view(it);
    else if (it->treatment == MQ_TREAT_DYNAMIC && strcmp(it->op_type, "Gemm") == 0 && it->channel_axis == 0)
        turn_view(it); /* MatMulInteger has no transB */
    if (always || (wants_blocks(c, type) && !per_tensor && it->reduce_axis >= 0)) {
        block = choose_block(c, it, (size_t)src->dims[it->reduce_axis], &rc);
        if (!block)
            return rc;
        kind = MQ_PER_BLOCK;
        it->axis = it->reduce_axis;
    } else if (!per_tensor && takes_channels(c, it)) {
        kind = MQ_PER_CHANNEL;
        it->axis = it->channel_axis;
    }
    it->weight.grid = mq_grid_of(kind, src->n_dims, src->dims, it->axis, block);
    it->weight.packing = it->treatment == MQ_TREAT_NBITS ? MQ_PACK_NBITS : MQ_PACK_PLAIN;
    return MQ_OK;
}

static mq_fit fit_of(const mq_quantize_opts *o)
{
    static const mq_fit_kind kinds[MQ_ALGORITHM_ADAROUND + 1] = { [MQ_ALGORITHM_MSE] = MQ_FIT_MSE,
                                                                  [MQ_ALGORITHM_HQQ] = MQ_FIT_HQQ };
    mq_fit f = { .kind = kinds[o->algorithm], .lo = o->range_lo, .hi = o->range_hi, .k = o->range_k };

    if (o->range != MQ_RANGE_MINMAX)
        f.kind = o->range == MQ_RANGE_FIXED ? MQ_FIT_FIXED : MQ_FIT_STDDEV;
    return f;
}

/* 7 bits of 8: with --mode dynamic only where products are of integers. */
static bool reduces_range(const struct choice *c, const mq_quant_item *it, mq_dtype type)
{
    const mq_quantize_opts *o = c->by->opts;

    if (mq_dtype_bits(type) != 8)
        return false;
    if (it->reduce_range)
        return it->reduce_range == MQ_CHOICE_YES;
    return o->reduce_range == MQ_CHOICE_YES && (o->mode != MQ_MODE_DYNAMIC || it->treatment == MQ_TREAT_DYNAMIC);
}

/* Form, grid and scheme of integers of `type`. */
static mq_status choose_form(const struct choice *c, mq_quant_item *it, mq_dtype type)
{
    const mq_quantize_opts *o = c->by->opts;
    bool symmetric = c->now && c->now->symmetric ? c->now->symmetric == MQ_CHOICE_YES : mq_quant_is_symmetric(o, type);
    mq_status rc;

    it->treatment = choose_treatment(c, it, type);
    it->reduce_range = c->now ? c->now->reduce_range : MQ_CHOICE_DEFAULT;
    if (asked_axis(c, it) >= 0)
        it->channel_axis = asked_axis(c, it);
    if (it->treatment == MQ_TREAT_NBITS)
        type = unsigned_of(type);
    if ((rc = choose_grid(c, it, type)) != MQ_OK || it->stay)
        return rc;
    it->weight.scheme = mq_scheme_of(type, symmetric, reduces_range(c, it, type),
                                     it->value->type ? it->value->type->dtype : MQ_FLOAT);
    it->weight.fit = fit_of(o);
    return c->now ? mq_override_apply(c->now, it, c->err) : MQ_OK;
}

mq_status mq_quant_choose(const mq_chooser *by, mq_quant_item *it, mq_error *err)
{
    const struct choice c = { .by = by, .now = mq_overrides_find(by->overrides, it->value->name),
                              .level = mq_levels_find(by->levels, it->value->name), .err = err };
    mq_dtype given = mq_quant_filters_type(by->filters, it->value), type;
    mq_status rc;

    if (c.now) {
        if ((rc = mq_override_check(c.now, it, by->opts->target, err)) != MQ_OK)
            return rc;
        given = c.now->type ? c.now->type : given;
    }
    it->fixed = c.now || given;
    if (c.level && c.level->type == MQ_FLOAT) {
        it->stay = MQ_STAY_BOUND;
        return MQ_OK;
    }
    if (c.level && c.level->type)
        given = c.level->type;
    if (given == MQ_FLOAT) {
        it->stay = MQ_STAY_EXCLUDED;
        return MQ_OK;
    }
    type = given ? given : by->type;
    if (!given && is_low_bit(type) && (it->embedding || it->last || !has_room_for_blocks(it)))
        type = by->ends_type;
    return choose_form(&c, it, type);
}
