/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Adapters of resampling: Upsample and Resize, GridSample, RoiAlign, and their neighbours. */
#include "base/compiler.h"
#include "ops/adapters.h"

/* ---- Upsample, Resize --------------------------------------------------------------------------------------------- */

static mq_status upsample_9(mq_node *n, int to, mq_error *err)
{
    const mq_attr *scales = mq_node_attr(n, "scales");
    mq_value *v = NULL;
    int64_t count;
    mq_status rc = MQ_OK;

    (void)to;
    if (!scales || scales->type != MQ_ATTR_FLOATS)
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "its attribute 'scales' is missing");
    count = (int64_t)scales->n;
    MQ_TRY(mq_adapt_const(n, "scales", MQ_FLOAT, 1, &count, scales->floats, &v, err));
    MQ_TRY(mq_node_set_input(n, 1, v, err));
    mq_node_remove_attr(n, "scales");
done:
    return rc;
}

static mq_status upsample_10(mq_node *n, int to, mq_error *err)
{
    (void)to;
    return mq_adapt_rename(n, "Resize", err);
}

typedef struct direction {
    bool up, down; /* of some dim */
} direction;

static direction direction_of_dims(const mq_node *n)
{
    const mq_type *in = mq_adapt_type(n, 0), *out = n->n_outputs && n->outputs[0] ? n->outputs[0]->type : NULL;
    direction d = { 0 };

    if (!in || !out || out->kind != MQ_TYPE_TENSOR)
        return d;
    for (int i = 0; i < in->rank && i < out->rank; i++) {
        if (!mq_dim_known(in->dims[i]) || !mq_dim_known(out->dims[i]))
            continue;
        d.up |= out->dims[i].value > in->dims[i].value;
        d.down |= out->dims[i].value < in->dims[i].value;
    }
    return d;
}

/* Where a Resize of version 10 goes, by its scales when they are constant, else by the shapes. */
static direction resize_direction(const mq_node *n)
{
    float scales[16];
    mq_value *v = mq_adapt_input(n, 1);
    mq_tensor *t = v ? mq_value_constant(v, false) : NULL;
    int64_t count = t ? mq_tensor_count(t) : -1;
    direction d = { 0 };

    if (count < 0 || count > 16 || t->dtype != MQ_FLOAT || t->storage == MQ_STORE_MADE ||
        mq_tensor_read_f32(t, 0, (uint64_t)count, scales, NULL) != MQ_OK)
        return direction_of_dims(n);
    for (int64_t i = 0; i < count; i++) {
        d.up |= scales[i] > 1;
        d.down |= scales[i] < 1;
    }
    return d;
}

static bool is_nearest(const mq_node *n)
{
    return !mq_node_attr(n, "mode") || mq_node_attr_is(n, "mode", "nearest");
}

static mq_status check_resize_11(const mq_node *n, int to, mq_error *err)
{
    direction d = resize_direction(n);

    if (is_nearest(n) && d.up && d.down)
        return mq_fail(err, MQ_ERR_UNSUPPORTED,
                       "its nearest neighbours are up in some dims and down in others; opset %d rounds both alike", to);
    return mq_adapt_check_plain(n, to, err);
}

/* Version 10 has no words for coordinates and rounding. Runtimes divide by the scale, and its test vectors round down
 * when enlarging and up when reducing. */
static mq_status resize_11(mq_node *n, int to, mq_error *err)
{
    static const int64_t none = 0;
    direction d = resize_direction(n);
    mq_value *roi = NULL;
    mq_status rc;

    MQ_TRY(check_resize_11(n, to, err));
    MQ_TRY(mq_adapt_const(n, "roi", MQ_FLOAT, 1, &none, &none, &roi, err));
    MQ_TRY(mq_node_set_input(n, 2, mq_adapt_input(n, 1), err));
    MQ_TRY(mq_node_set_input(n, 1, roi, err));
    MQ_TRY(mq_node_set_attr_string(n, "coordinate_transformation_mode", "asymmetric", err));
    if (is_nearest(n))
        MQ_TRY(mq_node_set_attr_string(n, "nearest_mode", d.down ? "ceil" : "floor", err));
done:
    return rc;
}

static bool half_pixel_for_nn(const mq_node *n)
{
    return mq_node_attr_is(n, "coordinate_transformation_mode", "tf_half_pixel_for_nn");
}

/* floor((x + 0.5) / scale) is half_pixel's coordinate rounded half up: floor(((x + 0.5) / scale - 0.5) + 0.5). */
static mq_status check_resize_13(const mq_node *n, int to, mq_error *err)
{
    (void)to;
    if (half_pixel_for_nn(n) && !(is_nearest(n) && mq_node_attr_is(n, "nearest_mode", "floor")))
        return mq_fail(err, MQ_ERR_UNSUPPORTED, "it has coordinate_transformation_mode 'tf_half_pixel_for_nn' without "
                       "nearest_mode 'floor'");
    return MQ_OK;
}

static bool crops(const mq_node *n)
{
    const mq_attr *mode = mq_node_attr(n, "coordinate_transformation_mode");
    return mode && (mode->ref || mq_node_attr_is(n, "coordinate_transformation_mode", "tf_crop_and_resize"));
}

/* Inputs that say nothing may be absent now, and one of scales and sizes must be. */
static mq_status resize_13(mq_node *n, int to, mq_error *err)
{
    mq_status rc;

    MQ_TRY(check_resize_13(n, to, err));
    if (half_pixel_for_nn(n)) {
        MQ_TRY(mq_node_set_attr_string(n, "coordinate_transformation_mode", "half_pixel", err));
        MQ_TRY(mq_node_set_attr_string(n, "nearest_mode", "round_prefer_ceil", err));
    }
    if (!crops(n))
        MQ_TRY(mq_adapt_drop_input(n, 1, err));
    if (mq_adapt_input(n, 3))
        MQ_TRY(mq_adapt_drop_input(n, 2, err));
done:
    return rc;
}

/* ---- GridSample, RoiAlign ----------------------------------------------------------------------------------------- */

static mq_status grid_sample_20(mq_node *n, int to, mq_error *err)
{
    (void)to;
    if (mq_node_attr_is(n, "mode", "bilinear"))
        return mq_node_set_attr_string(n, "mode", "linear", err);
    if (mq_node_attr_is(n, "mode", "bicubic"))
        return mq_node_set_attr_string(n, "mode", "cubic", err);
    return MQ_OK;
}

/* Version 16 shifts by half a pixel unless told otherwise. */
static mq_status roi_align_16(mq_node *n, int to, mq_error *err)
{
    (void)to;
    return mq_node_set_attr_string(n, "coordinate_transformation_mode", "output_half_pixel", err);
}

/* ---- rows --------------------------------------------------------------------------------------------------------- */

const mq_op_adapter mq_adapters_image[] = {
    { "DepthToSpace", 11 }, { "DepthToSpace", 13 }, { "DepthToSpace", 28 },
    { "GridSample", 20, grid_sample_20, mq_adapt_check_plain }, { "GridSample", 22 },
    { "NonMaxSuppression", 11 },
    { "Resize", 11, resize_11, check_resize_11 }, { "Resize", 13, resize_13, check_resize_13 },
    { "Resize", 18 }, { "Resize", 19 },
    { "RoiAlign", 16, roi_align_16, NULL }, { "RoiAlign", 22 },
    { "SpaceToDepth", 13 }, { "SpaceToDepth", 28 },
    { "Upsample", 9, upsample_9, mq_adapt_check_plain }, { "Upsample", 10, upsample_10, NULL },
};
const size_t mq_adapters_image_n = MQ_ARRAY_LEN(mq_adapters_image);
