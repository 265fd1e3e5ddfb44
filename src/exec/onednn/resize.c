/* SPDX-License-Identifier: Apache-2.0
 * SPDX-FileCopyrightText: mq authors */
/* Resize of images in the library's own order, where its formula is ONNX's: linear with pixel centres at half, and nearest
 * upwards by whole numbers (every way to round gives the same pixel there). The sizes must be constants. */
#include <string.h>

#include "exec/onednn/kernels.h"

enum { SCALES = 2, SIZES = 3 };

static bool is_mode(const mq_call *c, const char *name, const char *value, bool absent)
{
    return mq_node_attr(c->node, name) ? mq_node_attr_is(c->node, name, value) : absent;
}

/* The output's dims from constant sizes or scales for all axes; false: not so. */
static bool read_dims(const mq_call *c, int64_t *dims)
{
    const mq_array *x = c->in[0];
    const size_t from = mq_call_has(c, SIZES) && c->in[SIZES]->count ? SIZES : SCALES;
    const mq_array *s = from < c->n_in ? c->in[from] : NULL;

    if (!s || !s->constant || s->count != (size_t)x->rank || mq_node_attr(c->node, "axes") ||
        !is_mode(c, "keep_aspect_ratio_policy", "stretch", true) || mq_node_attr_int(c->node, "antialias", 0))
        return false;
    for (int i = 0; i < x->rank; i++) {
        if (from == SIZES) {
            dims[i] = mq_array_i64(s, (size_t)i);
        } else {
            const double wanted = mq_array_f64(s, (size_t)i) * (double)x->dims[i];

            dims[i] = wanted >= 1 && wanted < 1e6 ? (int64_t)wanted : 0;
            if ((double)dims[i] != wanted) /* then the scale is not the ratio of the sizes */
                return false;
        }
        if (dims[i] < 1 || dims[i] > INT32_MAX)
            return false;
    }
    return dims[0] == x->dims[0] && dims[1] == x->dims[1];
}

static bool upwards(const mq_array *x, const int64_t *dims)
{
    for (int i = 2; i < x->rank; i++)
        if (dims[i] % x->dims[i])
            return false;
    return true;
}

/* Ways to find the pixel that agree with the middle of its block when one becomes a whole number of them. */
static bool nearest_agrees(const mq_call *c)
{
    const bool half = is_mode(c, "coordinate_transformation_mode", "half_pixel", true);
    const bool asymmetric = is_mode(c, "coordinate_transformation_mode", "asymmetric", false);
    const bool floor = is_mode(c, "nearest_mode", "floor", false);
    const bool prefer_floor = is_mode(c, "nearest_mode", "round_prefer_floor", true);

    return (asymmetric && floor) || (half && (prefer_floor || is_mode(c, "nearest_mode", "round_prefer_ceil", false)));
}

static mq_status prepare(mq_call *c, void **state)
{
    const mq_array *x = c->n_in > 0 ? c->in[0] : NULL;
    const bool linear = is_mode(c, "mode", "linear", false), nearest = is_mode(c, "mode", "nearest", true);
    int64_t dims[MQ_MAX_RANK], image[MQ_MAX_RANK];
    mq_dn_desc src, dst;
    mq_dn_task *t;
    mq_status rc;

    if (!x || !x->layout || x->dtype != MQ_FLOAT || x->rank < 3 || !x->count || !read_dims(c, dims))
        return MQ_OK;
    if (!(linear && is_mode(c, "coordinate_transformation_mode", "half_pixel", true)) &&
        !(nearest && upwards(x, dims) && nearest_agrees(c)))
        return MQ_OK;
    if (!mq_dn_of_array(&src, x) || !mq_dn_any(&dst, MQ_FLOAT, mq_dn_image_dims(x->rank, dims, image), image))
        return MQ_OK;
    if (!(t = mq_dn_task_create(c, 1)))
        return MQ_ERR_NOMEM;
    rc = mq_dn_make_resample(c, mq_dn_threads_bytes(c, (double)mq_window_count(x->rank, dims) * 8),
                             linear ? dnnl_resampling_linear : dnnl_resampling_nearest, &src, &dst, &t->op);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_feed(c, t, 0, MQ_DN_SRC, &src);
    if (rc == MQ_OK && t->op)
        rc = mq_dn_task_result(c, t, MQ_FLOAT, x->rank, dims);
    return mq_dn_prepared(rc, t->op && !mq_dn_is_slow(t->op), t, mq_dn_task_release, state);
}

const mq_fast mq_dn_resize_rows[] = {
    { "", "Resize", "onednn:resample", prepare, mq_dn_task_run, mq_dn_task_release, 1 },
    { 0 },
};
