/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Operators on images: Resize and Upsample in all their versions, sampling grids, regions, boxes, cropping. */
#include <math.h>

#include "ops/contents.h"
#include "ops/families.h"
#include "ops/rule_parts.h"

/* ---- Resize and Upsample ------------------------------------------------------------------------------------------ */

/* floor(size * scale), in float32 as runtimes do it; a whole scale keeps symbols. */
static mq_dim scaled(mq_infer *in, mq_dim size, float scale)
{
    if (scale >= 1.0f && scale < 1e9f && scale == floorf(scale))
        return mq_dim_mul(in, size, MQ_DIM((int64_t)scale));
    if (!mq_dim_known(size) || !((float)size.value * scale < 9e18f))
        return MQ_DIM_UNKNOWN;
    return MQ_DIM((int64_t)floorf((float)size.value * scale));
}

static mq_status check_scales(mq_infer *in, const float *scales, size_t n, size_t needed)
{
    if (n != needed)
        return mq_fail(in->err, MQ_ERR_INPUT, "%zu scales, %zu are needed", n, needed);
    for (size_t i = 0; i < n; i++)
        if (!(scales[i] > 0))
            return mq_fail(in->err, MQ_ERR_INPUT, "scale %zu is %g, it must be positive", i, (double)scales[i]);
    return MQ_OK;
}

/* at[k] is the axis that scale or size k belongs to: those of `axes`, else all in order. */
static mq_status resize_axes(mq_infer *in, int rank, int **at, int *n)
{
    mq_elems axes;
    bool known;

    MQ_RULE_TRY(mq_attr_elems(in, "axes", &axes));
    if (axes.n >= 0) {
        *n = axes.n;
        return mq_axes_norm(in, axes, rank, at, &known);
    }
    *n = rank;
    *at = mq_arena_calloc(in->model->arena, rank > 0 ? (size_t)rank : 1, sizeof **at);
    for (int i = 0; *at && i < rank; i++)
        (*at)[i] = i;
    return *at ? MQ_OK : mq_oom(in->err);
}

/* keep_aspect_ratio_policy: one scale for all axes, the smallest or the largest that the sizes ask for. */
static void keep_ratio(mq_dim *dims, const int *at, int n, const mq_dim *sizes, bool smallest)
{
    double scale = -1;
    bool known = true;

    for (int i = 0; i < n; i++)
        known = known && mq_dim_known(dims[at[i]]) && mq_dim_known(sizes[i]) && dims[at[i]].value > 0;
    for (int i = 0; known && i < n; i++) {
        const double s = (double)sizes[i].value / (double)dims[at[i]].value;

        scale = i == 0 || (smallest ? s < scale : s > scale) ? s : scale;
    }
    for (int i = 0; i < n; i++) {
        const double size = known ? floor(scale * (double)dims[at[i]].value + 0.5) : -1;

        dims[at[i]] = size >= 0 && size < 9e18 ? MQ_DIM((int64_t)size) : MQ_DIM_UNKNOWN;
    }
}

static mq_status resize_to(mq_infer *in, size_t sizes_in, mq_dim *dims, const int *at, int n)
{
    mq_dim *sizes;
    int n_sizes;
    const bool larger = mq_node_attr_is(in->node, "keep_aspect_ratio_policy", "not_larger");
    const bool smaller = mq_node_attr_is(in->node, "keep_aspect_ratio_policy", "not_smaller");

    MQ_RULE_TRY(mq_in_shape(in, sizes_in, &n_sizes, &sizes));
    if (sizes && n_sizes != n)
        return mq_fail(in->err, MQ_ERR_INPUT, "%d sizes, %d are needed", n_sizes, n);
    if (sizes && (larger || smaller)) {
        keep_ratio(dims, at, n, sizes, larger);
        return MQ_OK;
    }
    for (int i = 0; i < n; i++)
        dims[at[i]] = sizes ? sizes[i] : MQ_DIM_UNKNOWN;
    return MQ_OK;
}

/* Scales from input scales_in. With a cropped region the size depends on the region too, which is not followed here. */
static mq_status resize_by(mq_infer *in, size_t scales_in, mq_dim *dims, const int *at, int n)
{
    const bool crop = mq_node_attr_is(in->node, "coordinate_transformation_mode", "tf_crop_and_resize");
    const float *scales;
    size_t n_scales;

    MQ_RULE_TRY(mq_in_floats(in, scales_in, &scales, &n_scales));
    if (scales)
        MQ_RULE_TRY(check_scales(in, scales, n_scales, (size_t)n));
    for (int i = 0; i < n; i++)
        dims[at[i]] = scales && !crop ? scaled(in, dims[at[i]], scales[i]) : MQ_DIM_UNKNOWN;
    return MQ_OK;
}

/* An optional input counts as left out, too, when it is known to be empty: version 11 had no other way. */
static bool given(const mq_infer *in, size_t i)
{
    const mq_dim *d = mq_in_rank(in, i) == 1 ? mq_in_dims(in, i) : NULL;

    return mq_in_has(in, i) && !(d && mq_dim_known(d[0]) && d[0].value == 0);
}

static mq_status resize(mq_infer *in)
{
    int rank, n, *at;
    mq_dim *dims;

    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(resize_axes(in, rank, &at, &n));
    if (in->version < 11)
        MQ_RULE_TRY(resize_by(in, 1, dims, at, n));
    else if (given(in, 3))
        MQ_RULE_TRY(resize_to(in, 3, dims, at, n));
    else
        MQ_RULE_TRY(resize_by(in, 2, dims, at, n));
    return mq_out_shape(in, 0, rank, dims);
}

static mq_status upsample_attr(mq_infer *in, int rank, mq_dim *dims)
{
    const mq_attr *a = mq_node_attr(in->node, "scales");
    const bool list = a && a->type == MQ_ATTR_FLOATS;
    const float height = mq_node_attr_float(in->node, "height_scale", 1);
    const float pair[2] = { height, mq_node_attr_float(in->node, "width_scale", 1) };

    if (in->version < 7 && rank != 4)
        return mq_fail(in->err, MQ_ERR_INPUT, "input 0 has rank %d, it must be 4", rank);
    if (in->version < 7)
        MQ_RULE_TRY(check_scales(in, pair, 2, 2));
    else if (list)
        MQ_RULE_TRY(check_scales(in, a->floats, a->n, (size_t)rank));
    for (int i = 0; i < rank; i++) {
        if (in->version < 7)
            dims[i] = i < 2 ? dims[i] : scaled(in, dims[i], pair[i - 2]);
        else
            dims[i] = list ? scaled(in, dims[i], a->floats[i]) : MQ_DIM_UNKNOWN;
    }
    return MQ_OK;
}

static mq_status upsample(mq_infer *in)
{
    int rank, n, *at;
    mq_dim *dims;

    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    if (in->version < 9) {
        MQ_RULE_TRY(upsample_attr(in, rank, dims));
    } else {
        MQ_RULE_TRY(resize_axes(in, rank, &at, &n));
        MQ_RULE_TRY(resize_by(in, 1, dims, at, n));
    }
    return mq_out_shape(in, 0, rank, dims);
}

/* ---- grids and regions -------------------------------------------------------------------------------------------- */

/* X [N, C, d...] at grid [N, out..., r] -> [N, C, out...] */
static mq_status grid_sample(mq_infer *in)
{
    const mq_dim *x = mq_in_dims(in, 0), *grid = mq_in_dims(in, 1);
    const int rx = mq_in_rank(in, 0), rg = mq_in_rank(in, 1), rank = rx >= 0 ? rx : rg;
    mq_dim *out;

    MQ_RULE_TRY(mq_want_rank(in, 0, 3, INT32_MAX));
    MQ_RULE_TRY(mq_want_rank(in, 1, 3, INT32_MAX));
    if (rank < 0)
        return MQ_OK;
    if (rx >= 0 && rg >= 0 && rx != rg)
        return mq_fail(in->err, MQ_ERR_INPUT, "the data have rank %d, the grid %d", rx, rg);
    out = mq_dims_new(in, rank);
    if (!out)
        return mq_oom(in->err);
    if (x) {
        out[0] = x[0];
        out[1] = x[1];
    }
    if (grid) {
        mq_dim r = MQ_DIM(rank - 2);

        MQ_RULE_TRY(mq_want_same(in, &out[0], grid[0], "batches of the data and of the grid"));
        MQ_RULE_TRY(mq_want_same(in, &r, grid[rank - 1], "spatial axes and the last axis of the grid"));
        for (int i = 1; i < rank - 1; i++)
            out[i + 1] = grid[i];
    }
    return mq_out_shape(in, 0, rank, out);
}

/* theta [N, r, r + 1] for the size [N, C, d...] -> [N, d..., r] */
static mq_status affine_grid(mq_infer *in)
{
    int n;
    mq_dim *size, *out;

    MQ_RULE_TRY(mq_want_rank(in, 0, 3, 3));
    MQ_RULE_TRY(mq_in_shape(in, 1, &n, &size));
    if (!size)
        return MQ_OK;
    if (n != 4 && n != 5)
        return mq_fail(in->err, MQ_ERR_INPUT, "the size has %d entries, it must have 4 or 5", n);
    out = mq_dims_new(in, n);
    if (!out)
        return mq_oom(in->err);
    out[0] = size[0];
    if (mq_in_dims(in, 0))
        MQ_RULE_TRY(mq_want_same(in, &out[0], mq_in_dims(in, 0)[0], "batches of theta and of the size"));
    for (int i = 2; i < n; i++)
        out[i - 1] = size[i];
    out[n - 1] = MQ_DIM(n - 2);
    return mq_out_shape(in, 0, n, out);
}

static mq_status positive_attr(mq_infer *in, const char *name, int64_t absent, mq_dim *d)
{
    const int64_t v = mq_node_attr_int(in->node, name, absent);

    if (v < 1)
        return mq_fail(in->err, MQ_ERR_INPUT, "attribute '%s' is %lld, it must be at least 1", name, (long long)v);
    *d = mq_attr_open(in, name) ? MQ_DIM_UNKNOWN : MQ_DIM(v);
    return MQ_OK;
}

/* [num_rois, C, output_height, output_width] */
static mq_status roi_align(mq_infer *in)
{
    mq_dim out[4] = { MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN };

    MQ_RULE_TRY(mq_want_rank(in, 0, 4, 4));
    MQ_RULE_TRY(mq_want_rank(in, 1, 2, 2));
    MQ_RULE_TRY(mq_want_rank(in, 2, 1, 1));
    MQ_RULE_TRY(positive_attr(in, "output_height", 1, &out[2]));
    MQ_RULE_TRY(positive_attr(in, "output_width", 1, &out[3]));
    if (mq_in_dims(in, 0))
        out[1] = mq_in_dims(in, 0)[1];
    if (mq_in_dims(in, 1))
        out[0] = mq_in_dims(in, 1)[0];
    if (mq_in_dims(in, 2))
        MQ_RULE_TRY(mq_want_same(in, &out[0], mq_in_dims(in, 2)[0], "rois and batch_indices"));
    return mq_out_shape(in, 0, 4, out);
}

static mq_status non_max_suppression(mq_infer *in)
{
    MQ_RULE_TRY(mq_want_rank(in, 0, 3, 3));
    MQ_RULE_TRY(mq_want_rank(in, 1, 3, 3));
    return mq_out_shape(in, 0, 2, (const mq_dim[]){ MQ_DIM_UNKNOWN, MQ_DIM(3) });
}

static mq_status image_decoder(mq_infer *in)
{
    const bool gray = mq_node_attr_is(in->node, "pixel_format", "Grayscale");

    MQ_RULE_TRY(mq_want_rank(in, 0, 1, 1));
    return mq_out_shape(in, 0, 3, (const mq_dim[]){ MQ_DIM_UNKNOWN, MQ_DIM_UNKNOWN,
                                                    mq_attrs_open(in) ? MQ_DIM_UNKNOWN : MQ_DIM(gray ? 1 : 3) });
}

static mq_status center_crop_pad(mq_infer *in)
{
    int rank, n, n_shape, *at;
    mq_dim *dims, *shape;

    MQ_RULE_TRY(mq_dims_copy_in(in, 0, &rank, &dims));
    if (rank < 0 || mq_attrs_open(in))
        return MQ_OK;
    MQ_RULE_TRY(resize_axes(in, rank, &at, &n));
    MQ_RULE_TRY(mq_in_shape(in, 1, &n_shape, &shape));
    if (shape && n_shape != n)
        return mq_fail(in->err, MQ_ERR_INPUT, "the shape has %d entries, %d are needed", n_shape, n);
    for (int i = 0; i < n; i++)
        dims[at[i]] = shape ? shape[i] : MQ_DIM_UNKNOWN;
    return mq_out_shape(in, 0, rank, dims);
}

const mq_op_rule mq_rules_image[] = {
    { "", "AffineGrid", affine_grid, NULL, NULL },
    { "", "CenterCropPad", center_crop_pad, NULL, NULL },
    { "", "GridSample", grid_sample, NULL, NULL },
    { "", "ImageDecoder", image_decoder, NULL, NULL },
    { "", "NonMaxSuppression", non_max_suppression, NULL, NULL },
    { "", "Resize", resize, NULL, NULL },
    { "", "RoiAlign", roi_align, NULL, NULL },
    { "", "Upsample", upsample, NULL, NULL },
};
const size_t mq_rules_image_n = sizeof mq_rules_image / sizeof *mq_rules_image;
